"""For a document axis of the edXML kind (QCVN 102:2016): status packets about dossiers.

The regulation's text was not seen; the packet follows what published integration code writes. Two
ways of reading: *strict* takes that one form; *tolerant* also takes the older dialects met in the field (other
namespaces, ``EdXMLEnvelope``, a Signature outside its namespace), and says so. What was read tolerantly is labelled
tolerant wherever it goes and is never called valid; a signature in a packet is not verified here, and not believed.
"""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from lxml import etree

from connectors import probing, reading, receipts
from connectors.base import connector
from connectors.http import Http, Reply, ShownRequest
from connectors.outcomes import NothingToTell, Parcel, ProbeStep, Receipt, Refused, Uncertain, Unreachable
from connectors.table import SECRET, Secret, connector_secret
from gateway import documents
from gateway.core.date_forms import VIETNAM, WIRE, date_form
from gateway.core.effects import Acknowledges, KetQua, Moves, Recalls
from gateway.core.limits import CEILING, DEFAULT_LIMITS, DocumentLimits
from gateway.core.model import Content
from gateway.core.parties import Party
from gateway.core.problems import Problem, Stopped
from gateway.core.told import ToldNews
from gateway.core.written import setting
from gateway.documents import Kind
from schemas import names
from schemas.catalog import Catalog, bundled
from schemas.fields import Fields
from schemas.record import RECORD_DATES, RECORD_LISTS, HoSoRecord, record_of

QCVN102 = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
GO_VN = "http://www.go.vn/eDoc"
E_DOC = "http://www.e-doc.vn/Schema/"
DAY, MOMENT = "yyyy/MM/dd", "yyyy/MM/dd HH:mm:ss"


class EdxmlForm(StrEnum):
    """How packets are written for a party."""

    QCVN102 = "qcvn102"  # edXML / edXMLEnvelope / edXMLHeader / MessageHeader
    GO_VN = "go-vn"  # EdXMLEnvelope / MessageHeader


class EdxmlProfile(StrEnum):
    """How packets are read, and the label of what was read."""

    STRICT = "strict"
    TOLERANT = "tolerant"


class StatusCode(StrEnum):
    """What a status packet says of a document."""

    ARRIVED = "01"
    REFUSED = "02"
    ACCEPTED = "03"
    ASSIGNED = "04"
    PROCESSING = "05"
    FINISHED = "06"
    RECALL = "13"
    CHANGE_ACCEPTED = "15"
    CHANGE_REFUSED = "16"


# What a dossier's state is on a document axis. States without a like there are in no row: a profile names one, or there is
# nothing to tell; none is passed off as another.
BY_STATE: Mapping[str, str] = {"2": "03", "3": "02", "4": "05", "9": "06", "10": "06"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisCodes:
    """What the axis's result codes mean. A code in no list is a refusal."""

    delivered: tuple[str, ...] = setting(("0",), vi="Đã nhận.", en="Taken.")
    passing: tuple[str, ...] = setting(("20",), vi="Lỗi tạm thời, chưa nhận.", en="A passing fault, not taken.")
    credentials: tuple[str, ...] = setting(
        ("15",), vi="Tài khoản của trục không đúng.", en="Our credentials are wrong."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EdxmlSettings:
    """Where the axis listens, as whom, and in which form."""

    url: str = setting(
        pattern=r"https?://\S+", vi="Địa chỉ nhận gói trạng thái.", en="Where status packets are posted."
    )
    organ_id: str = setting(vi="Mã định danh của trục này trên trục đối tác.", en="Our identifier on the axis.")
    organ_name: str = setting(vi="Tên của trục này trên trục đối tác.", en="Our name on the axis.")
    system_id: str | None = setting(None, vi="Mã hệ thống (X-SystemId).", en="System id (X-SystemId).")
    secret_key: Secret | None = setting(
        None, pattern=SECRET, vi="Nơi để khóa bí mật (X-SecretKey).", en="Where the secret lies (X-SecretKey)."
    )
    form: EdxmlForm = setting(EdxmlForm.QCVN102, vi="Dạng gói gửi đi.", en="The form of packets sent.")
    reading: EdxmlProfile = setting(
        EdxmlProfile.STRICT,
        vi="Cách đọc gói nhận về: strict hay tolerant (nhãn được lưu cùng lượt gửi).",
        en="How packets are read: strict or tolerant (the label is kept with the attempt).",
    )
    statuses: Mapping[str, str] = setting(
        {}, vi="Trạng thái hồ sơ (1…10) → mã trạng thái văn bản.", en="Dossier state (1…10) → status code."
    )
    codes: AxisCodes = setting(AxisCodes(), vi="Ý nghĩa các mã kết quả.", en="What result codes mean.")
    code_field: str = setting("ErrorCode", vi="Trường mang mã kết quả.", en="The field with the result code.")
    reference_field: str = setting("DocId", vi="Trường mang số của trục.", en="The field with the axis's own number.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFor:
    """The document that a status is about."""

    organ_id: str
    code: str
    document_id: str  # OrganId,yyyy/MM/dd,number/notation
    promulgation_date: str  # yyyy/MM/dd


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPacket:
    """A status packet."""

    from_id: str
    from_name: str
    about: tuple[ResponseFor, ...]
    code: str
    timestamp: datetime
    description: str = ""
    department: str = ""
    staff: str = ""
    read_as: EdxmlProfile = EdxmlProfile.STRICT  # how it was read; of one that we write ourselves: strict


edxml = connector("edxml", EdxmlSettings, projects=True)


@edxml.send
async def send(parcel: Parcel, settings: EdxmlSettings, http: Http) -> Receipt | NothingToTell:
    """Post one status packet, where there is one that the axis was not told yet."""
    packet, lost = await asyncio.to_thread(_told_now, parcel, settings)
    change = parcel.record.number if parcel.record is not None else 0
    notes = (Problem("XSD-404", {"element": list(lost), "packet": "edXML"}),) if lost else ()
    if packet is None:
        return NothingToTell(notes=notes, told=ToldNews(change=change, settled=True, remarked=lost))
    body = write(packet, settings.form)
    digest = hashlib.sha256(body).hexdigest()[:32]
    if parcel.told is not None and not parcel.told.owes(digest, parcel.id):
        return NothingToTell(notes=notes, told=ToldNews(change=change, settled=True, remarked=lost))
    try:
        reply = await http.post(settings.url, body=body, headers=_credentials(settings), key=parcel.id)
        receipt = _settled(reply, settings)
    except Refused as refused:
        refused.told = ToldNews(change=change, refused=(digest,))
        raise
    except Uncertain as uncertain:
        uncertain.told = ToldNews(change=change, sent=digest)
        raise
    facts = {"StatusCode": packet.code}
    news = ToldNews(change=change, sent=digest, taken=digest, facts=facts, settled=True, remarked=lost)
    return replace(receipt, notes=(*receipt.notes, *notes), told=news)


@edxml.played
def played(request: ShownRequest, settings: EdxmlSettings) -> Reply | None:
    """A message is one request here: nothing comes after it."""
    del request, settings
    return None


@edxml.probe
async def probe(party: Party, settings: EdxmlSettings, http: Http) -> AsyncIterator[ProbeStep]:
    """Look at the address, with our credentials."""
    del party
    yield await probing.address(settings.url, http, headers=_credentials(settings))


def _credentials(settings: EdxmlSettings) -> dict[str, str]:
    """The headers by which the axis knows us. Raises Unreachable where the secret cannot be read."""
    headers = {"X-SystemId": settings.system_id} if settings.system_id else {}
    if settings.secret_key:
        try:
            headers["X-SecretKey"] = connector_secret(settings.secret_key)
        except Stopped as stop:
            raise Unreachable(stop.problems[0]) from stop
    return headers


def _settled(reply: Reply, settings: EdxmlSettings) -> Receipt:
    """What the axis says: a result code in JSON or XML, or a status packet of its own."""
    root = reply.xml() if reply.is_xml else None
    if root is not None and names.local(root.tag) in _ENVELOPES:
        return _by_packet(reply, settings)
    found = _fields_of_xml(root) if root is not None else _fields_of_json(reply)
    code = found.get(settings.code_field)
    if code is None:
        raise Uncertain(Problem("DLV-023", {"what": receipts.shown(settings.code_field)}), answer=reply.body)
    shown = receipts.shown(code)
    if code in settings.codes.delivered:
        number = found.get(settings.reference_field)
        return Receipt(reference=receipts.shown(number) if number else None, body=reply.body)
    if code in settings.codes.passing:
        raise Unreachable(Problem("DLV-010", {"code": shown}), answer=reply.body)
    if code in settings.codes.credentials:
        raise Unreachable(Problem("DLV-009", {"why": shown}), answer=reply.body)
    raise Refused(Problem("DLV-033", {"code": shown}), answer=reply.body)


def _fields_of_xml(root: etree._Element) -> dict[str, str]:
    return {names.local(e.tag): (e.text or "").strip() for e in root.iter("*") if not len(e)}


def _fields_of_json(reply: Reply) -> dict[str, str]:
    value = reading.read_answer(reply, reading.Reads.JSON)
    return {str(k): str(v) for k, v in value.items() if isinstance(v, (str, int))} if isinstance(value, dict) else {}


def _by_packet(reply: Reply, settings: EdxmlSettings) -> Receipt:
    try:
        status = read_status_packet(reply.body, settings.reading, reply.limits)
    except Stopped as stop:
        raise Uncertain(Problem("DLV-023", {"what": f"edXML, {stop.problems[0].code}"}), answer=reply.body) from stop
    if status.code in {StatusCode.REFUSED, StatusCode.CHANGE_REFUSED}:
        raise Refused(Problem("DLV-033", {"code": status.code}), answer=reply.body)
    return Receipt(reference=f"edxml={status.read_as} status={status.code}", body=reply.body)


# From a message to a packet


def edxml_status_of(parcel: Parcel, settings: EdxmlSettings) -> StatusPacket | None:
    """What the axis is told: the dossier's last step, or what the message itself says. None where an axis has no word for it.

    Raises Refused (DLV-034) where the message cannot be read.
    """
    try:
        if parcel.record is not None:
            return status_told(record_of(parcel.record), parcel.party, settings)
        return _alone(parcel, settings)
    except Stopped as stop:
        problem = stop.problems[0]
        raise Refused(Problem("DLV-034", {"field": parcel.delivery.loai, "why": problem.code})) from stop


def _told_now(parcel: Parcel, settings: EdxmlSettings) -> tuple[StatusPacket | None, tuple[str, ...]]:
    """The packet, and what is on record of the dossier that no status of a document has a place for, where that was not said."""
    packet = edxml_status_of(parcel, settings)
    whole = record_of(parcel.record).whole if parcel.record is not None else None
    said = parcel.told.remarked if parcel.told is not None else ()
    names = (*RECORD_DATES, *RECORD_LISTS)
    return packet, tuple(name for name in names if whole is not None and whole.get(name) and name not in said)


def status_told(record: HoSoRecord, party: Party, settings: EdxmlSettings) -> StatusPacket | None:
    """The dialect: our record of a dossier as the status of a document. States without a like come to nothing."""
    last = record.rows[-1] if record.rows else None
    code = _state_code(last["TrangThai"], settings) if last is not None else None
    if last is None or code is None:
        return None
    when = date_form(WIRE).read(str(last["ThoiDiemXuLy"]))
    return StatusPacket(
        from_id=settings.organ_id,
        from_name=settings.organ_name,
        about=(_about(party.identifiers[0], str(last["MaHoSo"]), when),),
        code=code,
        timestamp=when,
        description=str(last.get("NoiDungXuLy", "")),
        department=str(last.get("PhongBanXuLy", "")),
        staff=str(last.get("NguoiXuLy", "")),
    )


def _alone(parcel: Parcel, settings: EdxmlSettings) -> StatusPacket | None:
    """A message that is no event of a dossier, or is tried out by itself."""
    root = documents.parse_bytes(parcel.body, CEILING)
    payload, content = _content_of(root, _catalog().kind_of(root))
    effect = next((e for e in content.effects if isinstance(e, (Moves, Acknowledges, Recalls))), None)
    code = _code_of(effect, settings)
    if effect is None or code is None:
        return None
    if isinstance(effect, Moves):
        goc, at = "", effect.at
        department, staff = effect.phong_ban or "", effect.nguoi_xu_ly or ""
    else:
        goc, at, department, staff = effect.ma_thong_diep_goc, None, "", ""
    subject = str(content.ma_ho_so) if content.ma_ho_so is not None else goc
    when = at or content.occurred_at or _created(root)
    return StatusPacket(
        from_id=settings.organ_id,
        from_name=settings.organ_name,
        about=(_about(parcel.party.identifiers[0], subject, when),),
        code=code,
        timestamp=when,
        description=next((t for t in map(payload.findtext, _WHY) if t), ""),
        department=department,
        staff=staff,
    )


def _content_of(root: etree._Element, kind: Kind) -> tuple[etree._Element, Content]:
    """The message's payload, and what it says. Raises Stopped."""
    problems: list[Problem] = []
    than_phan = root.find(names.THAN_PHAN)
    payload = than_phan[0] if than_phan is not None else root
    content = _catalog().reader(kind).read(Fields(payload, problems, names.HO_SO))
    if problems:
        raise Stopped(*problems)
    return payload, content


_WHY = tuple(names.hs(name) for name in ("LyDo", "NoiDungBoSung", "NoiDungXuLy"))


def _code_of(effect: object, settings: EdxmlSettings) -> str | None:
    match effect:
        case Acknowledges(ket_qua=KetQua.TU_CHOI):
            return StatusCode.REFUSED
        case Acknowledges():
            return StatusCode.ARRIVED
        case Recalls():
            return StatusCode.RECALL
        case Moves(to=state):
            return _state_code(str(state), settings)
        case _:
            return None


def _state_code(state: str, settings: EdxmlSettings) -> str | None:
    return settings.statuses.get(state) or BY_STATE.get(state)


def _about(organ: str, subject: str, when: datetime) -> ResponseFor:
    """The dossier as a document of theirs; its day is the one in its code, where it has one."""
    found = re.fullmatch(r".+-((?:20)?[0-9]{2})([0-9]{2})([0-9]{2})-[0-9]{4,7}", subject)
    day = f"20{found[1][-2:]}/{found[2]}/{found[3]}" if found else date_form(DAY).write(when)
    return ResponseFor(organ_id=organ, code=subject, document_id=f"{organ},{day},{subject}", promulgation_date=day)


def _created(root: etree._Element) -> datetime:
    text = (root.findtext(names.pb("ThoiDiemTao")) or "").strip()
    return datetime.fromisoformat(text)


@cache
def _catalog() -> Catalog:
    return bundled()


# Writing and reading packets


def write(status: StatusPacket, form: EdxmlForm = EdxmlForm.QCVN102) -> bytes:
    """The packet's bytes, the same for the same status."""
    space = QCVN102 if form is EdxmlForm.QCVN102 else GO_VN
    fields = _tree(status)
    if form is EdxmlForm.QCVN102:
        root = etree.Element(f"{{{space}}}edXML", nsmap={None: space})
        place = etree.SubElement(root, f"{{{space}}}edXMLEnvelope", nsmap={"edXML": space})
        place = etree.SubElement(etree.SubElement(place, f"{{{space}}}edXMLHeader"), f"{{{space}}}MessageHeader")
    else:
        root = etree.Element(f"{{{space}}}EdXMLEnvelope", nsmap={None: space})
        place = etree.SubElement(root, f"{{{space}}}MessageHeader")
    _grow(place, fields, space)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _tree(status: StatusPacket) -> list[tuple[str, Any]]:
    about = [
        (
            "ResponseFor",
            [
                ("OrganId", each.organ_id),
                ("Code", each.code),
                ("DocumentId", each.document_id),
                ("PromulgationDate", each.promulgation_date),
            ],
        )
        for each in status.about
    ]
    return [
        ("From", [("OrganId", status.from_id), ("OrganName", status.from_name)]),
        *about,
        ("StaffInfo", [("Department", status.department), ("Staff", status.staff)]),
        ("StatusCode", status.code),
        ("Description", status.description),
        ("Timestamp", date_form(MOMENT).write(status.timestamp)),
    ]


def _grow(place: etree._Element, fields: list[tuple[str, Any]], space: str) -> None:
    for name, value in fields:
        element = etree.SubElement(place, f"{{{space}}}{name}")
        if isinstance(value, list):
            _grow(element, value, space)
        else:
            element.text = value


def read_status_packet(
    body: bytes, profile: EdxmlProfile = EdxmlProfile.STRICT, limits: DocumentLimits = DEFAULT_LIMITS
) -> StatusPacket:
    """The status packet in these bytes, labelled with how it had to be read.

    Strict: the form that :func:`write` gives by default, and codes of the list. Tolerant: what strict takes (and is then
    labelled strict), or an older dialect. Raises Stopped: the gate's own problems, or DLV-037 with what is wrong.
    """
    root = documents.parse_bytes(body, limits)
    try:
        return _read(root, EdxmlProfile.STRICT)
    except Stopped:
        if profile is EdxmlProfile.STRICT:
            raise
        return _read(root, EdxmlProfile.TOLERANT)


class _PacketFields:
    """The fields of a packet as a profile reads them. What is wrong with them is noted."""

    def __init__(self, profile: EdxmlProfile) -> None:
        self.profile = profile
        self.strict = profile is EdxmlProfile.STRICT
        self.wrong: list[Problem] = []

    def note(self, what: str) -> None:
        self.wrong.append(Problem("DLV-037", {"what": what}))

    def text(self, place: etree._Element | None, name: str, *, demanded: bool = True) -> str:
        found = list(_inside(place, name, self.profile)) if place is not None else []
        value = (found[0].text or "").strip() if found else ""
        if demanded and (not value or (len(found) > 1 and self.strict)):
            self.note(name)
        return value

    def about(self, place: etree._Element) -> ResponseFor:
        return ResponseFor(
            organ_id=self.text(place, "OrganId"),
            code=self.text(place, "Code", demanded=self.strict),
            document_id=self.text(place, "DocumentId"),
            promulgation_date=self.text(place, "PromulgationDate", demanded=self.strict),
        )


def _read(root: etree._Element, profile: EdxmlProfile) -> StatusPacket:
    header, fields = _header(root, profile), _PacketFields(profile)
    sender = next(_inside(header, "From", profile), None)
    staff = next(_inside(header, "StaffInfo", profile), None)
    about = tuple(fields.about(each) for each in _inside(header, "ResponseFor", profile))
    code = fields.text(header, "StatusCode")
    code = code if fields.strict else code.zfill(2)
    stamp = fields.text(header, "Timestamp")
    when = _moment(stamp, profile)
    if not about:
        fields.note("ResponseFor")
    if code and code not in set(StatusCode):
        fields.note(f"StatusCode {receipts.shown(code)}")
    if stamp and when is None:
        fields.note(f"Timestamp {receipts.shown(stamp)}")
    status = StatusPacket(
        from_id=fields.text(sender, "OrganId"),
        from_name=fields.text(sender, "OrganName", demanded=False),
        about=about,
        code=code,
        timestamp=when or datetime.min.replace(tzinfo=VIETNAM),
        description=fields.text(header, "Description", demanded=False),
        department=fields.text(staff, "Department", demanded=False),
        staff=fields.text(staff, "Staff", demanded=False),
        read_as=profile,
    )
    if sender is None:
        fields.note("From")
    if fields.wrong:
        raise Stopped(*fields.wrong)
    return status


_STRICT_PATH = ("edXML", "edXMLEnvelope", "edXMLHeader", "MessageHeader")
_ENVELOPES = frozenset({"edXML", "edXMLEnvelope", "EdXMLEnvelope"})
_DIALECTS = frozenset({QCVN102, GO_VN, E_DOC, ""})


def _header(root: etree._Element, profile: EdxmlProfile) -> etree._Element:
    """The MessageHeader at its place. Tolerant: below any of the known envelopes, in any of the known namespaces."""
    if profile is EdxmlProfile.STRICT:
        return _strict_header(root)
    known = names.local(root.tag) in _ENVELOPES
    found = [e for e in root.iter("*") if names.local(e.tag) == "MessageHeader"] if known else []
    if len(found) != 1 or names.namespace(found[0].tag) not in _DIALECTS:
        raise Stopped(Problem("DLV-037", {"what": "MessageHeader"}))
    return found[0]


def _strict_header(root: etree._Element) -> etree._Element:
    first, *below = (f"{{{QCVN102}}}{name}" for name in _STRICT_PATH)
    places = [root] if root.tag == first else []
    for tag in below:
        places = [child for child in places[0] if child.tag == tag] if len(places) == 1 else []
    if len(places) != 1:
        raise Stopped(Problem("DLV-037", {"what": "/".join(_STRICT_PATH)}))
    return places[0]


def _inside(place: etree._Element, name: str, profile: EdxmlProfile) -> Iterator[etree._Element]:
    """The children of this name."""
    for child in place:
        same = child.tag == f"{{{QCVN102}}}{name}" if profile is EdxmlProfile.STRICT else names.local(child.tag) == name
        if same:
            yield child


def _moment(text: str, profile: EdxmlProfile) -> datetime | None:
    """A packet's moment, at home in Vietnam. Tolerant takes ISO 8601 and a day alone as well."""
    forms = (
        ("%Y/%m/%d %H:%M:%S",)
        if profile is EdxmlProfile.STRICT
        else ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d", "%d/%m/%Y %H:%M:%S")
    )
    for form in forms:
        try:
            return datetime.strptime(text, form).replace(tzinfo=VIETNAM)
        except ValueError:
            continue
    if profile is EdxmlProfile.STRICT:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=VIETNAM)
