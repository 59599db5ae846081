"""The rules beyond the schema, all of them, each with its code, source and default severity.

A rule looks at one letter and tells where it is broken. What that leads to is a setting: ``reject``, ``warn`` (a note
with the rule's second code travels with the letter) or ``off``, for all types or for one. Rules that guard integrity
(a digest, a reference) are locked: they always reject.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from lxml import etree

from gateway.core.model import Basis, ThongDiep
from gateway.core.problems import Location, Problem
from gateway.core.service_rules import SERVICE_RULES
from gateway.core.severity import Severity
from gateway.core.stored_files import named_file
from gateway.core.values import made_often
from gateway.documents import first_child, xpath_of
from schemas import names, references, scoring
from schemas.attachments import Attachment, declared_fits
from schemas.fields import Fields, instant
from schemas.names import hs, local, pb
from schemas.strictness import RuleSettings

_NOTHING: Mapping[str, Severity] = MappingProxyType({})
_HOME = timedelta(hours=7)  # ahead of UTC


@made_often(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a rule may look at."""

    thong_diep: ThongDiep
    root: etree._Element
    header: Fields
    payload: etree._Element
    fields: Fields  # the payload's
    attachments: tuple[Attachment, ...]
    at: datetime  # when it was received
    settings: RuleSettings = field(default_factory=RuleSettings)
    named: Mapping[str, Sequence[etree._Element]]  # what is in the payload, by Clark name: walked once for all rules
    plain_references: bool = False  # whether its sender may name files outside by http

    @property
    def content(self) -> Any:
        """The payload as read."""
        return self.thong_diep.content

    def envelope(self, name: str) -> etree._Element:
        """An envelope element, or the root where it is not there."""
        found = self.header.found(name)
        return self.root if found is None else found

    def within(self, name: str) -> etree._Element:
        """A payload element, or the payload where it is not there."""
        found = self.fields.found(name)
        return self.payload if found is None else found

    def every(self, *tags: str) -> list[etree._Element]:
        """The payload's elements of these Clark names, those of one name in the order of the document."""
        return [element for tag in tags if tag in self.named for element in self.named[tag]]


Broken = tuple[etree._Element, Mapping[str, Any]]  # noqa: SLF001 - lxml's name; where, and the facts
Look = Callable[[Letter], Iterable[Broken]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRule:
    """One rule. ``code`` rejects; ``note`` is the same sentence as a remark."""

    name: str  # in settings and documentation
    code: str
    note: str | None
    default: Severity
    types: frozenset[str]  # HS01…; empty: all
    source: str
    look: Look

    @property
    def locked(self) -> bool:
        """Whether its severity cannot be set."""
        return self.note is None


RULES: list[MessageRule] = []


def rule(
    name: str,
    code: str,
    *,
    source: str,
    types: Iterable[str] = (),
    default: Severity = Severity.REJECT,
    locked: bool = False,
) -> Callable[[Look], Look]:
    """Enter a rule. Its note has the code's number plus 100 (XSD-104 → XSD-204)."""

    def enter(look: Look) -> Look:
        note = None if locked else f"XSD-{int(code.removeprefix('XSD-')) + 100}"
        RULES.append(
            MessageRule(
                name=name, code=code, note=note, default=default, types=frozenset(types), source=source, look=look
            )
        )
        return look

    return enter


@dataclass(frozen=True, slots=True)
class Active:
    """A rule as the settings apply it to one message type, with the code that it gives."""

    rule: MessageRule
    code: str


def settable_rules() -> list[str]:
    """The names of the rules whose severity may be set: those of this module, and those about services."""
    return sorted([rule.name for rule in RULES if not rule.locked] + [rule.name for rule in SERVICE_RULES])


def strange_rules(severity: Mapping[str, Severity]) -> list[str]:
    """The keys of such a setting that speak of no rule, or of one that is locked."""
    known = set(settable_rules())
    return sorted(key for key in severity if re.sub(r"^HS\d\d\.", "", key) not in known)


def active(settings: RuleSettings, loai: str, party: Mapping[str, Severity] = _NOTHING) -> tuple[Active, ...]:
    """The rules that a message type of a party is held to. Asked once for each type, not for each message."""
    found = []
    for one in RULES:
        severity = settings.of(one, loai, party)
        if (not one.types or loai in one.types) and severity is not Severity.OFF:
            warns = severity is Severity.WARN and one.note is not None
            found.append(Active(one, one.note or one.code if warns else one.code))
    return tuple(found)


def apply_rules(letter: Letter, rules: Iterable[Active]) -> list[Problem]:
    """Every one of these rules that the letter breaks."""
    problems: list[Problem] = []
    for one in rules:
        for element, facts in one.rule.look(letter):
            problems.append(Problem(one.code, facts, Location(xpath=xpath_of(element))))
    return problems


# --- the envelope -----------------------------------------------------------------------------------------------------


@rule("ma-ho-so-co-ngay-that", "XSD-101", source="liên thông: the date inside a dossier code is a calendar date")
def dossier_codes_have_real_dates(letter: Letter) -> Iterator[Broken]:
    outer, codes = letter.header.found("MaHoSo"), letter.every(hs("MaHoSo"), hs("MaHoSoGoc"))
    for element in codes if outer is None else [outer, *codes]:
        digits = (element.text or "").strip().split("-")
        if len(digits) == 3 and _date(digits[1]) is None:
            yield element, {"element": local(element.tag), "value": (element.text or "").strip(), "date": digits[1]}


def _date(digits: str) -> date | None:
    """yyMMdd (this century) or yyyyMMdd; None where there is no such day."""
    try:
        found = date.fromisoformat(f"20{digits}" if len(digits) == 6 else digits)
    except ValueError:
        return None
    return found if found.year >= 1900 else None


@rule(
    "ma-ho-so-chua-toi-ngay",
    "XSD-111",
    source="docs/threats.md, T-SQUAT: nobody takes the codes of days to come; a day is left for clocks and time zones",
    types=["HS01"],
    locked=True,
)
def dossiers_are_not_opened_ahead(letter: Letter) -> Iterator[Broken]:
    last = (letter.at + _HOME).date() + timedelta(days=1)
    element = letter.fields.found("MaHoSo")
    if element is not None:
        digits = (element.text or "").strip().split("-")
        born = _date(digits[1]) if len(digits) == 3 else None
        if born is not None and born > last:
            yield element, {"value": (element.text or "").strip(), "date": born.isoformat(), "last": last.isoformat()}


@rule("ma-ho-so-khop", "XSD-102", source="liên thông: the envelope's MaHoSo is the payload's", locked=True)
def header_and_payload_name_one_dossier(letter: Letter) -> Iterator[Broken]:
    outer, inner = letter.header.found("MaHoSo"), letter.content.ma_ho_so
    value = (outer.text or "").strip() if outer is not None else None
    if outer is not None and inner is not None and value != inner:
        yield outer, {"value": value, "other": inner}


@rule("thu-tu-khop", "XSD-103", source="liên thông: ThuTu of envelope and payload agree", types=["HS05"])
def header_and_payload_count_alike(letter: Letter) -> Iterator[Broken]:
    outer, inner = letter.header.found("ThuTu"), letter.fields.found("ThuTu")
    if outer is not None and inner is not None and int(outer.text or "") != int(inner.text or ""):
        yield inner, {"value": (inner.text or "").strip(), "other": (outer.text or "").strip()}


@rule("thoi-diem-tao-tuong-lai", "XSD-104", source="liên thông: ThoiDiemTao at most five minutes ahead")
def made_not_in_the_future(letter: Letter) -> Iterator[Broken]:
    made = letter.thong_diep.thoi_diem_tao
    if made > letter.at + letter.settings.ahead:
        yield (
            letter.envelope("ThoiDiemTao"),
            {"value": _shown(made), "at": _shown(letter.at), "most": letter.settings.window_future_s},
        )


@rule("thoi-diem-tao-qua-cu", "XSD-105", source="liên thông: ThoiDiemTao inside the window")
def made_not_long_ago(letter: Letter) -> Iterator[Broken]:
    made = letter.thong_diep.thoi_diem_tao
    if made < letter.at - letter.settings.behind:
        yield (
            letter.envelope("ThoiDiemTao"),
            {"value": _shown(made), "at": _shown(letter.at), "most": letter.settings.window_past_days},
        )


@rule("thoi-han-con", "XSD-106", source="liên thông: what is past its ThoiHan has no effect")
def still_in_time(letter: Letter) -> Iterator[Broken]:
    limit = letter.thong_diep.thoi_han
    if limit is not None and limit < letter.at:
        yield letter.envelope("ThoiHan"), {"value": _shown(limit), "at": _shown(letter.at)}


@rule("thoi-han-sau-luc-tao", "XSD-107", source="liên thông: ThoiHan after ThoiDiemTao")
def limit_after_its_making(letter: Letter) -> Iterator[Broken]:
    limit, made = letter.thong_diep.thoi_han, letter.thong_diep.thoi_diem_tao
    if limit is not None and limit <= made:
        yield letter.envelope("ThoiHan"), {"value": _shown(limit), "other": _shown(made)}


@rule("noi-nhan-khong-lap", "XSD-108", source="liên thông: a receiver is named once")
def receivers_named_once(letter: Letter) -> Iterator[Broken]:
    named = letter.thong_diep.noi_nhan
    if len({address.ma_dinh_danh for address in named}) == len(named):
        return
    seen: set[str] = set()
    for element in letter.root.iterfind(f"{pb('DanhSachNoiNhan')}/{pb('NoiNhan')}/{pb('MaDinhDanh')}"):
        value = (element.text or "").strip()
        if value in seen:
            yield element, {"value": value, **_without(element.getparent())}
        seen.add(value)


@rule(
    "thong-diep-goc-khop",
    "XSD-109",
    source="liên thông: the envelope's MaThongDiepGoc is the payload's",
    types=["HS02", "HS20"],
)
def header_and_payload_answer_one_message(letter: Letter) -> Iterator[Broken]:
    outer, inner = letter.thong_diep.ma_thong_diep_goc, letter.fields.found("MaThongDiepGoc")
    value = (inner.text or "").strip() if inner is not None else None
    if outer is not None and inner is not None and outer != value:
        yield inner, {"value": value, "other": outer}


@rule("lap-thay-cua-truc", "XSD-110", source="docs/decisions/0011: only the gateway composes on behalf of others")
def only_the_gateway_composes(letter: Letter) -> Iterator[Broken]:
    mark = letter.header.found("LapThay")
    if mark is not None and letter.thong_diep.basis is not Basis.COMPOSED:
        yield mark, {"ma": (mark.findtext(pb("MaDinhDanh")) or "").strip(), **_without(mark)}


# --- attachments ------------------------------------------------------------------------------------------------------


@rule("dinh-kem-base64", "XSD-120", source="RFC 4648", locked=True)
def inline_content_is_base64(letter: Letter) -> Iterator[Broken]:
    for file in letter.attachments:
        if not file.legible:
            yield _of(file, "NoiDung"), {"ma": file.row.id}


@rule("dinh-kem-dung-kich-thuoc", "XSD-121", source="QCVN 102:2016/BTTTT: size in the manifest", locked=True)
def sizes_are_right(letter: Letter) -> Iterator[Broken]:
    for file in letter.attachments:
        size = file.size
        if size is not None and size != file.row.so_byte:
            place = _of(file, "SoByte")
            # With the right digest it is the right file; with neither right nobody can tell which of them is.
            fix = _instead(place, size) if file.found_digest == file.row.sha256 else {}
            yield place, {"ma": file.row.id, "value": file.row.so_byte, "found": size, **fix}


@rule("dinh-kem-dung-bam", "XSD-122", source="liên thông: SHA-256 in the manifest", locked=True)
def digests_are_right(letter: Letter) -> Iterator[Broken]:
    for file in letter.attachments:
        found = file.found_digest
        if found is not None and found != file.row.sha256:
            yield _of(file, "BamSHA256"), {"ma": file.row.id, "value": file.row.sha256, "found": found}


@rule(
    "dinh-kem-co-trong-bang-ke",
    "XSD-123",
    source="QCVN 102:2016/BTTTT: what the payload points to is in the manifest",
    locked=True,
)
def references_are_listed(letter: Letter) -> Iterator[Broken]:
    listed = {file.row.id for file in letter.attachments}
    for element in letter.every(hs("MaDinhKem")):
        value = (element.text or "").strip()
        if value not in listed:
            near = difflib.get_close_matches(value, sorted(listed), n=1, cutoff=0.8)
            fix = _instead(element, near[0]) if near else {}
            yield element, {"ma": value, "known": sorted(listed) or "–", **fix}


@rule("dinh-kem-duoc-dung", "XSD-124", source="liên thông: what the manifest lists is used by the payload")
def listed_files_are_used(letter: Letter) -> Iterator[Broken]:
    if not letter.attachments:
        return
    used = {(element.text or "").strip() for element in letter.every(hs("MaDinhKem"))}
    for file in letter.attachments:
        if file.row.id not in used:
            yield _of(file, "MaDinhKem"), {"ma": file.row.id}


@rule(
    "dinh-kem-dung-kieu",
    "XSD-125",
    source="Quyết định 33/2015/QĐ-UBND Đồng Nai, Điều 5.2 (R40): the media type is what the bytes are, whatever the name says",
)
def media_types_are_true(letter: Letter) -> Iterator[Broken]:
    for file in letter.attachments:
        if file.seen is not None:
            real = file.seen.media_type
            if not declared_fits(file.row.loai, real):
                place = _of(file, "LoaiTep")
                fix = _instead(place, real) if real in letter.settings.open_formats else {}
                yield place, {"ma": file.row.id, "value": file.row.loai, "found": real, **fix}


@rule(
    "dinh-kem-dinh-dang-mo",
    "XSD-126",
    source="Quyết định 33/2015/QĐ-UBND Đồng Nai, Điều 5.2 (R40); Thông tư 39/2017/TT-BTTTT",
)
def formats_are_open(letter: Letter) -> Iterator[Broken]:
    allowed = letter.settings.open_formats
    for file in letter.attachments:
        real = file.row.loai if file.seen is None else file.seen.media_type
        if real not in allowed or file.row.loai not in allowed:
            shown = file.row.loai if file.row.loai not in allowed else real
            yield _of(file, "LoaiTep"), {"ma": file.row.id, "value": shown, "known": list(allowed)}


@rule(
    "dinh-kem-qua-https",
    "XSD-127",
    source="Thông tư 15/2025/TT-BKHCN, Phụ lục I: TLS 1.2 or newer",
)
def addresses_are_encrypted(letter: Letter) -> Iterator[Broken]:
    taken = ("https://", "http://") if letter.plain_references else ("https://",)
    for element, name in _references(letter):
        if not _text(element).lower().startswith(taken):
            yield element, {"ma": name}


@rule(
    "dinh-kem-dia-chi-cong-khai",
    "XSD-144",
    source="RFC 3986, RFC 6761; docs/threats.md, T-REFERENCE: who follows it must end where it says, outside",
    locked=True,
)
def addresses_are_public(letter: Letter) -> Iterator[Broken]:
    for element, name in _references(letter):
        why = references.flaw(element.text or "")
        if why is not None:
            yield element, {"ma": name, "why": why}


@rule("dinh-kem-bam-co-that", "XSD-145", source="FIPS 180-4: no file is known by these digests", locked=True)
def digests_can_be(letter: Letter) -> Iterator[Broken]:
    for file in letter.attachments:
        if file.row.duong_dan is not None and not references.can_be(file.row.sha256, file.row.so_byte):
            yield _of(file, "BamSHA256"), {"ma": file.row.id, "value": file.row.sha256}


_POINTING = (hs("DuongDanTaiTepTin"), hs("DuongDanTepTinKetQua"))


def unseen(letter: Letter) -> Iterator[Problem]:
    """A remark for each file of an accepted letter that lies elsewhere: what the gateway has not seen it does not vouch for."""
    for element, name in _references(letter):
        yield Problem("XSD-250", {"ma": name}, Location(xpath=xpath_of(element)))


def _references(letter: Letter) -> Iterator[tuple[etree._Element, str]]:
    """Every address of a file that lies outside, with the name of the file: of the manifest, and of the payload."""
    for file in letter.attachments:
        if file.row.duong_dan is not None and named_file(file.row) is None:
            yield _of(file, "DuongDan"), file.row.id
    for element in letter.every(*_POINTING):
        if element.text and element.text.strip():
            yield element, local(element.tag)


@rule(
    "dinh-kem-khong-macro",
    "XSD-128",
    source="Quyết định 33/2015/QĐ-UBND Đồng Nai, Điều 7.4 (R53): no code in documents",
)
def documents_hold_no_code(letter: Letter) -> Iterator[Broken]:
    for file in letter.attachments:
        if file.seen is not None and file.seen.macros:
            yield _of(file, "LoaiTep"), {"ma": file.row.id}


def _of(file: Attachment, name: str) -> etree._Element:
    found = first_child(file.element, pb(name))
    return file.element if found is None else found


# --- the dossier ------------------------------------------------------------------------------------------------------

_RECEIVED = frozenset(
    {"2", "4", "6", "8", "9", "10"}
)  # states that a dossier reaches only after the desk has received it


@rule(
    "truong-theo-trang-thai",
    "XSD-130",
    source="QCVN 120:2019/BTTTT; docs/states.md: what each state needs",
    types=["HS01", "HS14"],
)
def fields_fit_the_state(letter: Letter) -> Iterator[Broken]:
    for ho_so in _dossiers(letter):
        state = _value(ho_so, "TrangThaiHoSo")
        needed: list[str] = []
        if state == "1":
            needed = ["NgayNopHoSo"]
        elif state in _RECEIVED:
            needed = ["NgayTiepNhan", "DonViXuLy"]
        if state == "3":
            needed = [*needed, "NgayTuChoi"]
        if state in ("9", "10"):
            needed = [*needed, "NgayKetThucXuLy"]
        if state == "10":
            needed = [*needed, "NgayTra"]
        for name in needed:
            if _value(ho_so, name) is None:
                yield ho_so.element, {"element": name, "state": state}


# Which date of one structure must not come before which other. Equal is allowed.
_ORDER: Mapping[str, str] = {
    hs("NgayTiepNhan"): hs("NgayNopHoSo"),
    hs("NgayTuChoi"): hs("NgayNopHoSo"),
    hs("NgayHenTra"): hs("NgayTiepNhan"),
    hs("NgayKetThucXuLy"): hs("NgayTiepNhan"),
    hs("NgayTra"): hs("NgayKetThucXuLy"),
    hs("NgayKetThucTheoQuyDinh"): hs("NgayBatDau"),
    hs("NgayTiepNhanBoSung"): hs("NgayBoSung"),
    hs("NgayHenTraMoi"): hs("NgayHenTraTruoc"),
    hs("KyDen"): hs("KyTu"),
    hs("HieuLucDen"): hs("HieuLucTu"),
}


@rule("ngay-theo-thu-tu", "XSD-131", source="liên thông: an end is not before its start")
def dates_follow_each_other(letter: Letter) -> Iterator[Broken]:
    for tag, other in _ORDER.items():
        ends, starts = letter.named.get(tag), letter.named.get(other)
        if ends is None or starts is None:
            continue
        start_of = {one.getparent(): one for one in reversed(starts)}  # of two in one structure, the first
        for later in ends:
            earlier = start_of.get(later.getparent())
            if earlier is None:
                continue
            start, end = _moment(earlier), _moment(later)
            if start is not None and end is not None and end < start:
                facts = {"value": _text(later), "limit": _text(earlier)}
                yield later, {"element": local(tag), "other": local(other), **facts}


_HAPPENED = (
    hs("ThoiDiemXuLy"),
    hs("NgayTiepNhan"),
    hs("NgayNopHoSo"),
    hs("NgayTuChoi"),
    hs("NgayKetThucXuLy"),
    hs("NgayTra"),
    hs("NgayBoSung"),
    hs("NgayTiepNhanBoSung"),
    hs("NgayNop"),
    hs("ThoiGianThanhToan"),
    hs("NgayYeuCau"),
    hs("NgayDung"),
    hs("NgayTiepTuc"),
    hs("NgayQuyetDinh"),
)


@rule("su-kien-khong-tuong-lai", "XSD-132", source="liên thông: what happened has happened")
def events_are_past(letter: Letter) -> Iterator[Broken]:
    latest = letter.at + letter.settings.ahead
    for element in letter.every(*_HAPPENED):
        moment = _moment(element)
        if moment is not None and moment > latest:
            yield element, {"element": local(element.tag), "value": _text(element), "at": _shown(letter.at)}


@rule(
    "ly-do-khi-dung-hoac-tu-choi",
    "XSD-133",
    source="Quyết định 33/2015/QĐ-UBND Đồng Nai, Điều 4.3.b (R33)",
    types=["HS05", "HS11", "HS12"],
)
def refusals_have_reasons(letter: Letter) -> Iterator[Broken]:
    payload = letter.fields
    if letter.thong_diep.loai == "HS05":
        state = _value(payload, "TrangThai")
        if state in ("3", "8") and _value(payload, "NoiDungXuLy") is None and _value(payload, "LyDo") is None:
            yield letter.within("TrangThai"), {"element": "TrangThai", "value": state}
    elif letter.thong_diep.loai == "HS11":
        if _value(payload, "LoaiKetQua") == "TRA_LAI" and _value(payload, "LyDo") is None:
            yield letter.within("LoaiKetQua"), {"element": "LoaiKetQua", "value": "TRA_LAI"}
    elif _value(payload, "KetQua") == "KHONG_DONG_Y" and _value(payload, "LyDo") is None:
        yield letter.within("KetQua"), {"element": "KetQua", "value": "KHONG_DONG_Y"}


@rule("tong-phi-dung", "XSD-134", source="liên thông: the fees sum up", types=["HS09"])
def fees_sum_up(letter: Letter) -> Iterator[Broken]:
    total = letter.fields.found("TongTien")
    if total is not None:
        found = sum((Decimal(_text(gia)) for gia in letter.every(hs("Gia"))), Decimal(0))
        if found != Decimal(_text(total)):
            yield total, {"value": _text(total), "found": str(found), **_instead(total, found)}


@rule(
    "thu-tuc-da-biet",
    "XSD-135",
    source="Quyết định 33/2015/QĐ-UBND Đồng Nai, Điều 2.3 (R2): the procedure is in the catalogue",
    types=["HS01", "HS14"],
)
def procedures_are_known(letter: Letter) -> Iterator[Broken]:
    stems = letter.settings.stems
    if stems:
        for ho_so in _dossiers(letter):
            value = _value(ho_so, "MaTTHC") or ""
            if value[: names.STEM] not in stems:
                found = ho_so.found("MaTTHC")
                yield ho_so.element if found is None else found, {"value": value}


@rule("so-dinh-danh-dung-loai", "XSD-136", source="Luật Căn cước 2023: 12 digits; CMND: 9", types=["HS01", "HS14"])
def identity_numbers_fit_their_kind(letter: Letter) -> Iterator[Broken]:
    lengths = {"1": 12, "2": 9}
    for kind in letter.every(hs("LoaiDinhDanh")):
        parent = kind.getparent()
        number = first_child(parent, hs("SoDinhDanh")) if parent is not None else None
        if number is not None and number.text:
            value, wanted = _text(number), lengths[_text(kind)]
            if not (len(value) == wanted and value.isascii() and value.isdigit()):
                yield number, {"kind": _text(kind), "wanted": wanted, "found": len(value)}


_FILLER = re.compile(r"0{6,}[0-9]{1,3}|(\d)\1{8,}|123456789(012)?")


@rule(
    "so-dinh-danh-khong-gia",
    "XSD-137",
    source="Thông tư 13/2017/TT-BTTTT: absence has its own form, no filler numbers",
)
def identity_numbers_are_no_fillers(letter: Letter) -> Iterator[Broken]:
    for element in letter.every(hs("SoDinhDanh"), hs("SoGiayToChuHoSo")):
        if _FILLER.fullmatch(_text(element)):
            yield element, {"element": local(element.tag)}


@rule("ngay-sinh-da-qua", "XSD-138", source="liên thông: no birth date in the future", types=["HS01", "HS14"])
def births_are_past(letter: Letter) -> Iterator[Broken]:
    today = (letter.at + _HOME).date()
    for element in letter.every(hs("NgaySinh")):
        if element.text and date.fromisoformat(_text(element)) > today:
            yield element, {"element": "NgaySinh"}


@rule(
    "ban-goc-dung-bam",
    "XSD-139",
    source="Quyết định 33/2015/QĐ-UBND Đồng Nai, Điều 4.3.b (R30): the copy's original is kept byte for byte",
    types=["HS14"],
    locked=True,
)
def originals_are_kept(letter: Letter) -> Iterator[Broken]:
    original = letter.content.ban_goc
    if original is not None:
        found = next((file for file in letter.attachments if file.row.id == original.ma_dinh_kem), None)
        if found is not None and found.row.sha256 != original.bam_noi_dung:
            yield letter.within("BanGoc"), {"ma": original.ma_thong_diep}


# --- the national score: remarks for whoever wants them; nothing is ever changed for it -----------


def _at_the_door(one: scoring.LintRule) -> Look:
    """The lint's rule, asked of what a message says of its dossier."""

    def look(letter: Letter) -> Iterator[Broken]:
        for flaw in one.look(scoring.packet_in(letter.payload, letter.thong_diep.loai)):
            yield scoring.place_in(letter.payload, str(flaw["place"])), scoring.facts_of(flaw)

    return look


for _one in scoring.LINT:
    rule(_one.id, _one.code, source=_one.source, types=_one.types, default=Severity.OFF)(_at_the_door(_one))


def _instead(element: etree._Element, value: object) -> dict[str, Any]:
    """The fix that puts another value."""
    return {"fix": {"do": "replace", "xpath": xpath_of(element), "text": str(value)}}


def _without(element: etree._Element | None) -> dict[str, Any]:
    """The fix that takes an element away."""
    return {} if element is None else {"fix": {"do": "remove", "xpath": xpath_of(element)}}


def _dossiers(letter: Letter) -> tuple[Fields, ...]:
    """The dossier that HS01 is, or that HS14 carries a copy of."""
    return (letter.fields,) if letter.thong_diep.loai == "HS01" else letter.fields.items("HoSo")


def _value(structure: Fields, name: str) -> str | None:
    return structure.code_or_none(name) or None


def _text(element: etree._Element) -> str:
    return " ".join((element.text or "").split())


def _moment(element: etree._Element) -> datetime | None:
    """A date or moment as a moment, for comparing; a date is its first instant at home."""
    value = _text(element)
    moment = instant(value)
    if moment is not None:
        return moment
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - _HOME


def _shown(moment: datetime) -> str:
    return (moment + _HOME).strftime("%Y-%m-%dT%H:%M:%S") + "+07:00"
