"""The REST door: a message in, its fate and bytes out, a party's own inbox, a dossier's timeline."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import hdrs
from multidict import istr

from gateway.core.allowances import Spent
from gateway.core.model import Acknowledgement, BodyForm, Channel, Envelope, Fate, MaHoSo, MessageId, PartyId
from gateway.core.parties import Role
from gateway.core.problems import ProblemOutcome, Stopped
from gateway.core.statistics import By
from gateway.services import dossiers, feed, reports
from gateway.services.intake import Gate, new_message_id
from gateway.sheets import csv_text
from gateway.store.records import Message, VerdictRecord
from gateway.web import answer_types as types
from gateway.web import answers
from gateway.web.accept import Media
from gateway.web.auth import ProvenParty
from gateway.web.exchange import JSON_TYPES, XML_TYPES, Body, Exchange
from gateway.web.problems import http_status_of
from gateway.web.refusals import Refusal, refuse, store_of
from gateway.web.responses import WholeAnswer
from gateway.web.routes import Route, RouteAudience
from gateway.web.tray import Full, NotRecorded
from signing.heads import HEAD
from signing.verdict import explain_verdict

_MESSAGE_ID = istr("Lienthong-Message-Id")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_OURS = re.compile(r"[0-9]{17}-[0-9a-f]{10}")


# -- a message in -----------------------------------------------------------------------------------------------------


def unwrap(
    exchange: Exchange, body: Body, *, form: BodyForm = BodyForm.THONG_DIEP, own_key: str | None = None
) -> Envelope:
    """The envelope of a request: the bytes as they came, and who brought them."""
    now = exchange.now
    return Envelope(
        id=new_message_id(now),
        body=body.data,
        digest=body.digest,
        total_bytes=body.total_bytes,
        caller=exchange.who.caller,
        channel=Channel.REST,
        received_at=now,
        form=form,
        own_key=own_key,
        content_type=exchange.request.headers.get(hdrs.CONTENT_TYPE, "")[:200] or None,
    )


async def post_message(exchange: Exchange) -> WholeAnswer:
    """Takes a message: 201 with the signed BienNhan, 200 for a repeat, 202 when held, else a problem document."""
    exchange.query()
    exchange.check_content(XML_TYPES)
    exchange.check_allowance()
    body = await exchange.body(exchange.door.settings.limits.body_bytes)
    envelope = unwrap(exchange, body)
    ack = await laid(exchange, envelope)
    return acknowledged(exchange, ack)


async def laid(exchange: Exchange, envelope: Envelope) -> Acknowledgement:
    """The acknowledgement of an envelope laid on the tray. Raises Refusal (503) when it was not recorded."""
    door = exchange.door
    door.spending.spend(exchange.who.party, Spent.BYTES, envelope.total_bytes)
    try:
        ack = await door.tray.lay(envelope)
    except Full as error:
        raise refuse("SYS-003", headers={"Retry-After": "2"}) from error
    except NotRecorded as error:
        raise refuse(error.problem.code, headers={"Retry-After": "5"}) from error
    door.metrics.message(ack.fate, envelope.channel, [problem.code for problem in ack.problems])
    return ack


def acknowledged(exchange: Exchange, ack: Acknowledgement) -> WholeAnswer:
    """An acknowledgement in the form the sender would like."""
    headers: dict[str, str] = {_MESSAGE_ID: ack.message, hdrs.ETAG: f'"{ack.digest}"', hdrs.VARY: "Accept"}
    if ack.fate is Fate.REJECTED:
        status = http_status_of([p for p in ack.problems if p.outcome is ProblemOutcome.FAILED] or ack.problems)
        return exchange.problem(
            ack.problems,
            status=status if status >= 400 else 422,
            headers=headers,
            instance=f"/v1/messages/{ack.message}",
            outcome=str(ack.fate),
            message_id=ack.message,
            MaThongDiep=ack.ma_thong_diep,
            digest=ack.digest,
            receipt=ack.receipt,
        )
    headers[hdrs.LOCATION] = f"/v1/messages/{ack.ma_thong_diep or ack.message}"
    status = 202 if ack.fate is Fate.HELD else 200 if ack.repeated else 201
    if exchange.media is Media.XML and ack.receipt is not None:
        return exchange.response(status, ack.receipt, "application/xml", headers)
    return exchange.answer(status, "KetQuaGuiThongDiep", answers.acknowledgement(ack), headers)


async def check_message(exchange: Exchange) -> WholeAnswer:
    """The same judgement without any effect: what a message would come to if it were sent now."""
    exchange.query()
    exchange.check_content(XML_TYPES)
    exchange.door.check_allowance(exchange.who.party, size=0)  # nothing is kept
    body = await exchange.body(exchange.door.settings.limits.body_bytes)
    ack = await looked_at(exchange, unwrap(exchange, body))
    if ack.fate is Fate.REJECTED:
        status = http_status_of(ack.problems)
        return exchange.problem(
            ack.problems,
            status=status if status >= 400 else 422,
            outcome=str(ack.fate),
            MaThongDiep=ack.ma_thong_diep,
            digest=ack.digest,
        )
    return exchange.answer(200, "KetQuaKiemTra", answers.judgement(ack))


async def looked_at(exchange: Exchange, envelope: Envelope) -> Acknowledgement:
    """What an envelope would be answered. Raises Refusal (503) when that cannot be said now."""
    try:
        _, ack = await exchange.door.tray.look(envelope)
    except Full as error:
        raise refuse("SYS-003", headers={"Retry-After": "2"}) from error
    except NotRecorded as error:
        raise refuse(error.problem.code, headers={"Retry-After": "5"}) from error
    return ack


# -- typed submissions ------------------------------------------------------------------------------------------------

MOST_PACKETS = 100  # in one request

_KEY = re.compile(r"[\x21-\x7e]{1,200}")


async def post_submission(exchange: Exchange) -> WholeAnswer:
    """Takes packets of QCVN 120 as JSON (one, or several with a result for each) or one as XML; we compose and sign."""
    exchange.query()
    name = exchange.variables["ten"]
    if name not in (BodyForm.CAP_NHAT_TIEN_DO_MC, BodyForm.DONG_BO_MC):
        raise refuse("SYS-112")
    kind = exchange.check_content((*JSON_TYPES, *XML_TYPES))
    own_key = exchange.request.headers.get("Idempotency-Key")
    if own_key is not None and not _KEY.fullmatch(own_key):
        raise refuse("SYS-109", header="Idempotency-Key", expected="1…200 ASCII")
    exchange.check_allowance()
    body = await exchange.body(exchange.door.settings.limits.body_bytes)
    rows = _rows(body) if kind in JSON_TYPES and not body.cut else None
    if rows is None:
        envelope = unwrap(exchange, body, form=BodyForm(name), own_key=own_key)
        return acknowledged(exchange, await laid(exchange, envelope))
    if not 1 <= len(rows) <= MOST_PACKETS:
        raise refuse("SYS-125", reason=f"1…{MOST_PACKETS}")
    exchange.door.check_allowance(exchange.who.party, messages=len(rows) - 1, size=0)  # the first was counted before
    envelopes = []
    for number_, (row, key) in enumerate(rows, 1):
        key = key or (f"{own_key}:{number_}" if own_key else None)  # noqa: PLW2901
        part = Body(data=row, digest=hashlib.sha256(row).hexdigest(), total_bytes=len(row), most=body.most)
        envelopes.append(unwrap(exchange, part, form=BodyForm(name), own_key=key))
    return exchange.answer(200, "KetQuaNopGoi", await laid_all(exchange, envelopes))


async def laid_all(exchange: Exchange, envelopes: Sequence[Envelope]) -> types.KetQuaNopGoiStructure:
    """A result for each envelope, in their order; one that could not be recorded says so and hurts no other."""

    async def one(number_: int, envelope: Envelope) -> types.KetQuaGoiStructure:
        try:
            return answers.in_batch(number_, await laid(exchange, envelope))
        except Refusal as refusal:
            return types.KetQuaGoiStructure(SoThuTu=number_, DanhSachLoi=answers.problems([refusal.problem]))

    results = await asyncio.gather(*(one(number_, envelope) for number_, envelope in enumerate(envelopes, 1)))
    return types.KetQuaNopGoiStructure(DanhSachKetQuaGoi=list(results))


class _Keyed(msgspec.Struct, forbid_unknown_fields=True):
    """A packet with the sender's own key beside it."""

    Goi: msgspec.Raw
    MaGui: str | None = None


def _rows(body: Body) -> list[tuple[bytes, str | None]] | None:
    """The packets of a batch, each with its bytes exactly as they came; None where the body is one packet.

    A batch is an array, or an object with nothing but ``data`` or ``DanhSachGoi``. Raises Refusal (SYS-125).
    """
    data = body.data.removeprefix(b"\xef\xbb\xbf")  # some editors and .NET write one; RFC 8259, 8.1: may be ignored
    start = data.lstrip(b" \t\r\n")[:1]
    try:
        if start == b"[":
            rows = msgspec.json.decode(data, type=list[msgspec.Raw])
        elif start == b"{":
            members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
            if set(members) not in ({"data"}, {"DanhSachGoi"}):
                return None
            rows = msgspec.json.decode(next(iter(members.values())), type=list[msgspec.Raw])
            if set(members) == {"data"} and len(rows) == 1:
                return None  # the form in which the regulation's own services take one packet
        else:
            return None  # no JSON object: the packet's own reader says why
    except (msgspec.DecodeError, RecursionError):
        return None  # likewise
    found = []
    for row in rows:
        try:
            keyed = msgspec.json.decode(row, type=_Keyed)
            if keyed.MaGui is not None and not _KEY.fullmatch(keyed.MaGui):
                raise refuse("SYS-125", reason="MaGui")
            found.append((bytes(keyed.Goi), keyed.MaGui))
        except (msgspec.DecodeError, RecursionError):
            found.append((bytes(row), None))
    return found


# -- what became of it ------------------------------------------------------------------------------------------------


async def get_message(exchange: Exchange) -> WholeAnswer:
    """The fate of one message: conclusion, problems, deliveries with their tries."""
    exchange.query()
    values = await exchange.door.read(fate_of, exchange.door.gate, exchange.who, exchange.variables["id"])
    return exchange.answer(200, "ThongTinThongDiep", values)


async def get_original(exchange: Exchange) -> WholeAnswer:
    """The message exactly as its sender signed it, byte for byte (or the version of it that the caller can read)."""
    exchange.query()
    digest, data, content_type = await exchange.door.read(
        original_of, exchange.door.gate, exchange.who, exchange.variables["id"]
    )
    headers = {"Content-Disposition": "attachment", "Repr-Digest": f"sha-256=:{_base64(digest)}:"}
    return exchange.kept(data, content_type, headers, digest=digest)


async def get_receipt(exchange: Exchange) -> WholeAnswer:
    """The signed BienNhan that its sender got."""
    exchange.query()
    data = await exchange.door.read(receipt_of, exchange.door.gate, exchange.who, exchange.variables["id"])
    return exchange.kept(data, "application/xml", {"Content-Disposition": "attachment"})


def fate_of(gate: Gate, who: ProvenParty, name: str) -> types.ThongTinThongDiepStructure:
    """What became of a message that the caller sent or was sent. Raises Refusal (404)."""
    with store_of(gate).read() as view:
        message = _message(view, who, name)
        verdicts = view.verdicts(message.id)
        mine = message.party == who.party.id or who.party.role is Role.OVERSIGHT
        deliveries = view.deliveries(message=message.id, party=None if mine else who.party.id)
        tries = [(delivery, view.attempts(delivery.id)) for delivery in deliveries]
        places = [entry for entry in view.inboxed(message.id) if mine or entry.party == who.party.id]
    sender = gate.parties.get(message.party)
    known = types.ThongTinThongDiepStructure(
        KetQua=str(message.state),
        SoTiepNhan=message.id,
        MaThongDiep=message.ma_thong_diep,
        LoaiThongDiep=message.loai,
        ThanPhan=message.goc,
        PhienBan=message.phien_ban,
        MaHoSo=message.ma_ho_so,
        NoiGui=sender.identifiers[0] if sender else message.party,
        CanCu=str(message.basis) if message.basis else None,
        ThoiDiemNhan=message.received_at,
        ThoiDiemGhiNhan=message.recorded_at,
        BamNoiDung=message.digest,
        SoByte=None if _uncounted(verdicts) else message.total_bytes,
        CoBienNhan=message.receipt is not None,
        DanhSachHopThu=[types.HopThuStructure(NoiNhan=entry.party, ViTri=entry.position) for entry in places] or None,
    )
    judged = verdicts[-1] if verdicts else None
    return answers.fate(
        known, judged.problems if judged else (), tries, explain_verdict(judged.facts) if judged and mine else ()
    )


def _uncounted(verdicts: Sequence[VerdictRecord]) -> bool:
    """Whether the message was too long and nobody counted how long: its problem says "more than"."""
    return any(p.code == "XML-002" and isinstance(p.facts.get("so_byte"), str) for v in verdicts for p in v.problems)


def original_of(gate: Gate, who: ProvenParty, name: str) -> tuple[str, bytes, str]:
    """Digest, bytes and media type of a message that the caller sent or was sent. Raises Refusal (404, 410)."""
    with store_of(gate).read() as view:
        message = _message(view, who, name)
        if who.party.role is Role.OVERSIGHT and message.party != who.party.id:
            raise refuse("SYS-121")  # oversight reads what happened, not what was written (R61)
        digest = message.digest
        if message.party != who.party.id:
            owed = [e.digest for e in view.inboxed(message.id) if e.party == who.party.id]
            owed += [d.digest for d in view.deliveries(message=message.id, party=who.party.id)]
            digest = owed[0]
        data = view.body(message.id, digest)
    if data is None:
        raise refuse("SYS-124")
    typed = message.form is not BodyForm.THONG_DIEP and digest == message.digest
    return digest, data, (message.content_type or "application/octet-stream") if typed else "application/xml"


def receipt_of(gate: Gate, who: ProvenParty, name: str) -> bytes:
    """The receipt of a message that the caller sent. Raises Refusal (404, 410)."""
    with store_of(gate).read() as view:
        message = _message(view, who, name)
        if message.party != who.party.id:
            raise refuse("SYS-121")
        if message.receipt is None:
            raise refuse("SYS-123" if message.state is Fate.HELD else "SYS-126")
        data = view.receipt(message.id)
    if data is None:
        raise refuse("SYS-124")
    return data


def _message(view: Any, who: ProvenParty, name: str) -> Message:
    """The message of this name, if it is any business of the caller's. Raises Refusal (404): no word about others'."""
    lower = name.lower()
    message: Message | None = None
    if _UUID.fullmatch(lower):
        message = view.by_ma_thong_diep(who.party.id, lower)
    elif _OURS.fullmatch(lower):
        message = view.message(MessageId(lower))
        if message is not None and not _concerns(view, who, message):
            message = None
    if message is None:
        raise refuse("SYS-121")
    return message


def _concerns(view: Any, who: ProvenParty, message: Message) -> bool:
    if message.party == who.party.id or who.party.role is Role.OVERSIGHT:
        return True
    if any(entry.party == who.party.id for entry in view.inboxed(message.id)):
        return True
    return bool(view.deliveries(message=message.id, party=who.party.id, limit=1))


# -- inbox and dossiers -----------------------------------------------------------------------------------------------


async def get_inbox(exchange: Exchange) -> WholeAnswer:
    """What the caller was sent, in order and without a gap. Asking after N confirms everything up to N."""
    query = exchange.query("after", "limit", "wait", "generation")
    limits = exchange.door.settings.door
    after = number(query, "after", 0, 0, 2**53)
    limit = number(query, "limit", min(100, limits.page), 1, limits.page)
    wait = number(query, "wait", 0, 0, int(limits.wait_s))
    generation = number(query, "generation", 0, 1, 2**31) if "generation" in query else None
    return exchange.answer(200, "TrangCapNhat", await page_for(exchange, after, limit, wait, generation))


async def page_for(
    exchange: Exchange, after: int, limit: int, wait_s: int, generation: int | None = None
) -> types.TrangCapNhatStructure:
    """A page of the caller's inbox, waited for up to ``wait_s`` seconds while it would be empty.

    Raises Refusal (409) for a position that is not of this inbox: SYS-143, SYS-144.
    """
    door, party = exchange.door, exchange.who.party.id
    asked = (door.gate, party, after, limit, generation, door.clock)
    found, head = await door.read(_page, *asked)
    if not found.entries and wait_s > 0 and not door.stopping.is_set():
        await door.waiters.wait(party, after, wait_s)
        found, head = await door.read(_page, *asked)
    return answers.inbox(found, door.gate.parties, head)


def _page(
    gate: Gate, party: PartyId, after: int, limit: int, generation: int | None, clock: Callable[[], datetime]
) -> tuple[feed.Page, types.DauNhatKyStructure]:
    """A page, and where the log stands, with its newest signed head: what readers keep are witnesses of the log."""
    store = store_of(gate)
    try:
        found = feed.page(store, party, after, limit, clock(), generation=generation)
    except Stopped as stop:
        raise Refusal(stop.problems[0]) from stop
    with store.read() as view:
        head, signed = view.log_head(), view.last_act(HEAD)
    jws = signed.facts["jws"] if signed else None
    # A word that older clients do not know: only where it says something.
    restored = found.generation if found.generation > 1 else None
    return found, types.DauNhatKyStructure(SoThuTu=head.number, Bam=head.hash, DaKy=jws, TheHe=restored)


async def get_dossier(exchange: Exchange) -> WholeAnswer:
    """The timeline of a dossier, for its parties and for oversight."""
    exchange.query()
    values = await exchange.door.read(timeline_for, exchange, MaHoSo(exchange.variables["ma_ho_so"]))
    return exchange.answer(200, "HoSo", values, {"Vary": "Accept, Accept-Language"})


def timeline_for(exchange: Exchange, ma_ho_so: MaHoSo) -> types.HoSoStructure:
    """The timeline of a dossier that the caller may see. Raises Refusal (404): no word about others' dossiers."""
    gate = exchange.door.gate
    found = dossiers.timeline(store_of(gate), ma_ho_so, gate.parties, exchange.door.clock(), gate.deadlines)
    if found is None or not dossiers.may_read(found.dossier, exchange.who.party.id, gate.parties):
        raise refuse("SYS-122")
    return answers.dossier(found, exchange.lang)


# -- reports ----------------------------------------------------------------------------------------------------------

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST_DAYS = 800  # two years and a bit: what a person still calls one period


async def get_report(exchange: Exchange) -> WholeAnswer:
    """Counts of a period by service, agency, channel or month: all of them for oversight, an agency's own for itself."""
    query = exchange.query("since", "until", "by")
    since, until = _day(query, "since"), _day(query, "until")
    if not since < until or (until - since).days > _LONGEST_DAYS:
        raise refuse("SYS-114", parameter="until", expected=f"since < until ≤ since + {_LONGEST_DAYS} d")
    try:
        by = [By(name) for name in query.get("by", By.SERVICE.value).split(",")]
    except ValueError as error:
        raise refuse("SYS-114", parameter="by", expected=", ".join(By)) from error
    party = exchange.who.party
    if party.role not in (Role.OVERSIGHT, Role.ONE_STOP) or len(set(by)) != len(by):
        raise (
            refuse("AUT-108") if len(set(by)) == len(by) else refuse("SYS-114", parameter="by", expected=", ".join(By))
        )
    gate = exchange.door.gate
    only = None if party.role is Role.OVERSIGHT else party.id
    asked = (store_of(gate), gate.parties, since, until, by, only, gate.deadlines)
    made = await exchange.door.read(reports.report, *asked)
    if "text/csv" in exchange.request.headers.get("Accept", ""):
        headers = {"Content-Disposition": "attachment; filename=bao-cao.csv", "Vary": "Accept"}
        return exchange.response(
            200, csv_text(made.flat(exchange.lang), for_excel=True), "text/csv; charset=utf-8", headers
        )
    rows = [_columns(row) for row in made.rows(exchange.lang)]
    values = types.BaoCaoStructure(Tu=since, Den=until, DanhSachDong=rows)
    return exchange.answer(200, "BaoCao", values)


def _day(query: dict[str, str], name: str) -> datetime:
    """Midnight in Hà Nội at the beginning of a day. Raises Refusal (400)."""
    value = query.get(name, "")
    try:
        if _DAY.fullmatch(value):
            return datetime.fromisoformat(value).replace(tzinfo=types.HANOI)
    except ValueError:
        pass
    raise refuse("SYS-114", parameter=name, expected="YYYY-MM-DD")


def _columns(row: Mapping[str, Any]) -> dict[str, Any]:
    return {_column(name): _columns(value) if isinstance(value, dict) else value for name, value in row.items()}


def _column(name: str) -> str:
    """A column's name as an element's: dich-vu becomes DichVu, gio_tb_4 becomes GioTb4."""
    return "".join(word[:1].upper() + word[1:] for word in re.split("[-_]", name))


def number(query: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number from the query. Raises Refusal (400) outside its bounds."""
    value = query.get(name)
    if value is None:
        return default
    if not re.fullmatch("[0-9]{1,16}", value) or not least <= int(value) <= most:
        raise refuse("SYS-114", parameter=name, expected=f"{least}…{most}")
    return int(value)


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode("ascii")


ROUTES = (
    Route(method="POST", address="/v1/messages", who=RouteAudience.PARTY, handler=post_message),
    Route(method="POST", address="/v1/messages/check", who=RouteAudience.PARTY, handler=check_message),
    Route(method="POST", address="/v1/submissions/{ten}", who=RouteAudience.PARTY, handler=post_submission),
    Route(method="GET", address="/v1/messages/{id}", who=RouteAudience.PARTY, handler=get_message),
    Route(method="GET", address="/v1/messages/{id}/original", who=RouteAudience.PARTY, handler=get_original),
    Route(method="GET", address="/v1/messages/{id}/receipt", who=RouteAudience.PARTY, handler=get_receipt),
    Route(method="GET", address="/v1/inbox", who=RouteAudience.PARTY, handler=get_inbox),
    Route(method="GET", address="/v1/dossiers/{ma_ho_so}", who=RouteAudience.PARTY, handler=get_dossier),
    Route(method="GET", address="/v1/report", who=RouteAudience.PARTY, handler=get_report),
)
