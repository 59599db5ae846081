"""The door in the national portal's own form: what a vendor's existing client says to that portal, it may say here.

``{username, password}`` opens a session; ``{session, madonvi, service, isUpdating, data}`` brings dossiers or steps, each row
a message of its own that goes the way of every message (composed by us, believed on the word of the channel);
TraCuuHoSo gives a dossier as our record has it. Whether a dossier is created or updated follows from the record, whatever
``isUpdating`` says. Every answer is ``{error_code, message, result}``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from connectors.dialect import Outward
from gateway.core.lifecycle import LifeRules
from gateway.core.model import Acknowledgement, BodyForm, Channel, Envelope, Fate, MaHoSo, MessageId
from gateway.core.parties import Party
from gateway.core.problems import Lang, Problem, ProblemOutcome, Stopped
from gateway.core.written import nearest
from gateway.services.intake import Gate, new_message_id
from gateway.store.records import FiledBefore
from gateway.web import answers, rest
from gateway.web.answer_types import as_values
from gateway.web.auth import ProvenParty
from gateway.web.dvcqg_call import CALL_TYPES, PortalCall, PortalRow, claimed_session, read_call
from gateway.web.exchange import Exchange
from gateway.web.problems import http_status_of
from gateway.web.refusals import Refusal, refuse, store_of
from gateway.web.responses import WholeAnswer
from gateway.web.routes import Route, RouteAudience
from gateway.web.sessions import BY, open_session, session_party
from schemas.dialect_fields import FieldNature, dialect_fields
from schemas.qcvn120 import wire_of
from schemas.record import WORDS, HoSoRecord, record_of

LOOK_UP = "TraCuuHoSo"
SERVICES = (BodyForm.DONG_BO_MC.value, BodyForm.CAP_NHAT_TIEN_DO_MC.value, LOOK_UP)
MOST_ROWS = 100  # in one call
_STRANGER_BYTES = 64 * 1024  # by then a body must have shown its session
_AS_HTTP = frozenset(
    {404, 405, 408, 413, 415, 417, 429, 431, 500, 503}
)  # what clients' HTTP libraries understand anyway
_MOST_TOLD = 5  # problems in one sentence


class ErrorCode(StrEnum):
    """``error_code``: numbers, since clients read them as such. Success is the profile's to choose: "00" or "0"."""

    REFUSED = "1"
    LOG_IN = "2"
    NOT_NOW = "3"  # the same again later
    NOT_THERE = "4"


@dataclass(slots=True)
class _RowAnswer:
    """What one row came to."""

    ack: Acknowledgement | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def error(self) -> ErrorCode | None:
        """None: taken."""
        if self.ack is not None and self.ack.fate is Fate.ACCEPTED:
            return None
        if self.ack is not None and self.ack.fate is Fate.HELD:
            return ErrorCode.NOT_NOW
        return _class_of(self.problems)


# -- a call -------------------------------------------------------------------------------------------------------------


async def post_call(exchange: Exchange) -> WholeAnswer:
    """Takes a call: a log-in, rows to be recorded, or a look-up. What stands in the query is not looked at."""
    kind = exchange.check_content(CALL_TYPES)
    if not exchange.is_private:
        raise refuse("SYS-155", close=True)
    claimed: list[str] = []
    most = exchange.door.settings.limits.body_bytes
    body = await exchange.body(
        most, known=lambda start, at_end: _is_known(exchange, start, kind, claimed, at_end=at_end)
    )
    data = body.whole()
    call = await exchange.door.read(read_call, data, kind)
    if call.logs_in:
        return await _logged_in(exchange, call)
    if exchange.identity is None:
        gate, door = exchange.door.gate, exchange.door
        asked = (store_of(gate), gate.parties, call.session or "", door.settings.door, door.clock())
        exchange.identity = _admitted(exchange, await door.read(session_party, *asked))
    elif claimed != [call.session]:  # the beginning said one thing and the whole another
        exchange.identity = None
        raise refuse("AUT-110")
    return await _served(exchange, call, len(data))


def _is_known(exchange: Exchange, start: bytes, kind: str, claimed: list[str], *, at_end: bool) -> bool:
    """Whether enough has come to go on: all of it, or the session of somebody whose long body is waited for. Raises Refusal."""
    if at_end:
        return True
    if len(start) <= _STRANGER_BYTES:
        return False
    token = claimed_session(start[:_STRANGER_BYTES], kind)
    if token is None:
        raise refuse("SYS-153", limit_bytes=_STRANGER_BYTES, close=True)
    door, gate = exchange.door, exchange.door.gate
    found = session_party(store_of(gate), gate.parties, token, door.settings.door, door.clock())
    exchange.identity = _admitted(exchange, found)
    claimed.append(token)
    door.check_allowance(exchange.who.party, messages=0, size=exchange.request.content_length or 1)
    return True


def _admitted(exchange: Exchange, found: ProvenParty | None) -> ProvenParty:
    """The caller, if it has a session and its party may use this door. Raises Refusal."""
    if found is None:
        raise refuse("AUT-110")
    return _allowed(exchange.door.doorkeeper.admit(found))


def _allowed(who: ProvenParty) -> ProvenParty:
    if not who.party.portal_form.allowed:
        raise refuse("AUT-111", party=who.party.id)
    return who


async def _logged_in(exchange: Exchange, call: PortalCall) -> WholeAnswer:
    """A session for a name and a password. Raises Refusal: 401, 403, 429."""
    door, gate = exchange.door, exchange.door.gate
    if call.username is None or call.password is None:
        raise refuse("SYS-150", member="username, password", expected='"…"')
    peer = door.doorkeeper.address(exchange.request.headers, exchange.peer)
    proven = door.doorkeeper.by_user(call.username, call.password, peer, gate.parties, BY)
    exchange.identity = _allowed(door.doorkeeper.admit(proven))
    asked = (store_of(gate), exchange.identity, call.username, door.settings.door, door.clock())
    session = await door.read(open_session, *asked)
    lasts = round(door.settings.door.session_h * 3600)
    return _answered(exchange, None, _success(), session=session, result={"session": session, "expires_in": lasts})


async def _served(exchange: Exchange, call: PortalCall, size: int) -> WholeAnswer:
    """What the service gives that a call names. Raises Refusal."""
    party, parties = exchange.who.party, exchange.door.gate.parties
    unit = parties.by_identifier(call.madonvi) if call.madonvi else None
    if unit is None or unit.id != party.id:
        raise refuse("AUT-112", found=(call.madonvi or "–")[:60], known=list(party.identifiers))
    if call.service not in SERVICES:
        found = (call.service or "–")[:60]
        raise refuse("SYS-151", found=found, nearest=nearest(found, SERVICES) or "–", known=list(SERVICES))
    if call.service == LOOK_UP:
        return await _looked_up(exchange, call)
    if call.rows is None:
        raise refuse("SYS-150", member="data", expected="[{…}]")
    if not 1 <= len(call.rows) <= MOST_ROWS:
        raise refuse("SYS-154", found=len(call.rows), most=MOST_ROWS)
    exchange.door.check_allowance(party, messages=len(call.rows), size=size)
    return _told(exchange, call, await _Taking(exchange, call).all_of(call.rows))


# -- rows ---------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Taking:
    """The rows of one call on their way: one after the other of each dossier, dossiers beside each other."""

    exchange: Exchange
    call: PortalCall
    newest: dict[str, tuple[MessageId, str]] = field(
        default_factory=dict
    )  # dossier -> what the caller filed last: message, digest
    opened: dict[str, MessageId] = field(default_factory=dict)  # dossier -> the message that opened it

    async def all_of(self, rows: Sequence[PortalRow]) -> list[_RowAnswer]:
        """What each row came to, in their order."""
        door = self.exchange.door
        groups: dict[str, list[int]] = {}
        for number, row in enumerate(rows):
            groups.setdefault(row.ma_ho_so or f" {number}", []).append(number)
        if self.call.service == BodyForm.DONG_BO_MC:
            codes = sorted({MaHoSo(row.ma_ho_so) for row in rows if row.ma_ho_so is not None})
            before = await door.read(_on_record, door.gate, self.exchange.who.party, codes)
            self.opened = {code: filed.first for code, filed in before.items()}
            self.newest = {code: filed.newest for code, filed in before.items() if filed.newest is not None}
        results = [_RowAnswer() for _ in rows]

        async def of_one_dossier(numbers: Iterable[int]) -> None:
            lost = False
            for number in numbers:
                if lost:  # what came before it is not on record: the order would not hold
                    results[number] = _RowAnswer(problems=(Problem("SYS-152"),))
                    continue
                results[number] = await self._row(rows[number])
                lost = results[number].ack is None

        await asyncio.gather(*(of_one_dossier(numbers) for numbers in groups.values()))
        return results

    async def _row(self, row: PortalRow) -> _RowAnswer:
        now = self.exchange.door.clock()
        digest = hashlib.sha256(row.body).hexdigest()
        last = self.newest.get(row.ma_ho_so or "")
        envelope = Envelope(
            id=new_message_id(now),
            body=row.body,
            digest=digest,
            total_bytes=len(row.body),
            caller=self.exchange.who.caller,
            channel=Channel.DVCQG,
            received_at=now,
            form=BodyForm(self.call.service or ""),
            own_key=Envelope.anew_after(last[0], digest) if last is not None and last[1] != digest else None,
            content_type="application/json",
        )
        try:
            ack = await rest.laid(self.exchange, envelope)
        except Refusal as refusal:
            return _RowAnswer(problems=(refusal.problem,))
        return _RowAnswer(ack=ack, problems=(*ack.problems, *self._created_or_updated(row, digest, ack)))

    def _created_or_updated(self, row: PortalRow, digest: str, ack: Acknowledgement) -> Iterable[Problem]:
        """A remark where ``isUpdating`` said something else than what was done."""
        code = row.ma_ho_so
        if self.call.service != BodyForm.DONG_BO_MC or code is None or ack.fate is not Fate.ACCEPTED:
            return
        self.newest[code] = (ack.message, digest)
        opens = self.opened.setdefault(code, ack.message) == ack.message
        if self.call.is_updating is not None and self.call.is_updating == opens:
            yield Problem("XSD-411" if opens else "XSD-410", {"ma_ho_so": code})


def _on_record(gate: Gate, party: Party, codes: Collection[MaHoSo]) -> Mapping[MaHoSo, FiledBefore]:
    with store_of(gate).read() as view:
        return view.filed_before(party.id, codes)


def _told(exchange: Exchange, call: PortalCall, rows: Sequence[_RowAnswer]) -> WholeAnswer:
    """The answer to rows. One that was not taken shows at the top too: many clients look no further."""
    lost = [(number, row) for number, row in enumerate(rows, 1) if row.error is not None]
    sentences = [f"{len(rows) - len(lost)}/{len(rows)} dòng đã nhận / rows taken."] if lost else [_success(len(rows))]
    sentences += [f"Dòng / row {number}: {_sentences(row.problems)}" for number, row in lost[:_MOST_TOLD]]
    if not lost:
        noted = [(n, row) for n, row in enumerate(rows, 1) if row.problems]
        sentences += [f"Dòng / row {n}: {_sentences(row.problems)}" for n, row in noted[:_MOST_TOLD]]
    sentences += [_sentences(call.strange)] if call.strange else []
    errors = {row.error for _, row in lost}
    error = None if not errors else ErrorCode.NOT_NOW if errors == {ErrorCode.NOT_NOW} else ErrorCode.REFUSED
    found = [
        _row_told(exchange, number, row, asked)
        for number, (row, asked) in enumerate(zip(rows, call.rows or (), strict=True), 1)
    ]
    return _answered(exchange, error, " ".join(sentences), result=found)


def _row_told(exchange: Exchange, number: int, row: _RowAnswer, asked: PortalRow) -> dict[str, Any]:
    ack = row.ack
    repeated = " (đã nhận từ trước / taken before)" if ack is not None and ack.repeated else ""
    told: dict[str, Any] = {
        "SoThuTu": number,
        "MaHoSo": asked.ma_ho_so,
        "error_code": row.error or exchange.who.party.portal_form.success,
        "message": _sentences(row.problems) if row.error else _success() + repeated + _after(row.problems),
    }
    if ack is not None:
        told |= {"SoTiepNhan": ack.message, "MaThongDiep": ack.ma_thong_diep, "LapLai": ack.repeated}
    return told | {"DanhSachLoi": as_values(answers.problems(row.problems))}


# -- a look-up ----------------------------------------------------------------------------------------------------------


async def _looked_up(exchange: Exchange, call: PortalCall) -> WholeAnswer:
    """A dossier as our record has it, in the caller's own codes and date forms. Of others' dossiers no word."""
    code = call.ma_ho_so or next((row.ma_ho_so for row in call.rows or ()), None)
    if code is None:
        raise refuse("SYS-150", member="mahoso", expected='"…"')
    try:
        found = await exchange.door.read(_record, exchange.door.gate, exchange.who.party, MaHoSo(code))
    except Stopped as stop:
        return _answered(exchange, ErrorCode.REFUSED, _sentences(stop.problems), result=[])
    if found is None:
        return _answered(exchange, ErrorCode.NOT_THERE, _sentences([Problem("SYS-122")]), result=[])
    return _answered(
        exchange, None, _success() + _after(call.strange), result=[_in_their_form(found, exchange.who.party)]
    )


def _record(gate: Gate, party: Party, code: MaHoSo) -> HoSoRecord | None:
    with store_of(gate).read() as view:
        try:
            letters = view.letters_of(code, lambda agency: LifeRules.of(gate.parties.get(agency)), of=WORDS)
        except KeyError:
            return None
    return record_of(letters) if party.id in letters.dossier.parties else None


def _in_their_form(record: HoSoRecord, party: Party) -> dict[str, Any]:
    """The whole and its steps. Where the letter that opened the dossier was erased: what follows from the events."""
    moments = frozenset(name for name, one in dialect_fields().items() if one.nature is FieldNature.MOMENT)
    read, notes = record.trace, list[Problem]()
    dates = {
        "NgayTiepNhan": read.ngay_tiep_nhan,
        "NgayHenTra": read.ngay_hen_tra,
        "NgayTra": read.ngay_tra,
        "NgayKetThucXuLy": read.ngay_ket_thuc,
    }
    bare = {name: wire_of(at) for name, at in dates.items() if at is not None}
    whole = record.whole or {
        "MaHoSo": record.rows[0]["MaHoSo"] if record.rows else "",
        "TrangThaiHoSo": str(read.trang_thai),
        **bare,
    }
    out = Outward(party)
    return {**out.row(whole, moments, notes), "DanhSachTienDo": [out.row(row, moments, notes) for row in record.rows]}


# -- answers ------------------------------------------------------------------------------------------------------------


def refused_call(exchange: Exchange, refusal: Refusal) -> WholeAnswer:
    """A refusal of the door in the portal's form. A call that was read is answered 200: old clients read no other body."""
    status = http_status_of([refusal.problem])
    http = status if refusal.close or status in _AS_HTTP else 200
    answer = _answered(exchange, _class_of([refusal.problem]), _sentences([refusal.problem]), result=None, status=http)
    answer.headers.update({name: value for name, value in refusal.headers.items() if name != "WWW-Authenticate"})
    return answer


def _class_of(problems: Collection[Problem]) -> ErrorCode:
    if any(problem.code == "AUT-110" for problem in problems):
        return ErrorCode.LOG_IN
    failed = [problem for problem in problems if problem.outcome is not ProblemOutcome.NOTE]
    return ErrorCode.NOT_NOW if failed and all(problem.entry.retry for problem in failed) else ErrorCode.REFUSED


def _answered(
    exchange: Exchange, error: ErrorCode | None, message: str, *, status: int = 200, **more: Any
) -> WholeAnswer:
    success = exchange.identity.party.portal_form.success if exchange.identity is not None else "00"
    said = {"error_code": error or success, "message": message, **more}
    return exchange.response(
        status, json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"), "application/json"
    )


def _success(rows: int | None = None) -> str:
    """Some clients know success by these words alone."""
    return (
        "Thành công / success." if rows is None else f"Thành công: đã nhận {rows} dòng / success, rows taken: {rows}."
    )


def _after(problems: Collection[Problem]) -> str:
    return f" {_sentences(problems)}" if problems else ""


def _sentences(problems: Collection[Problem]) -> str:
    """Each problem with its code, its place, what is wrong and what to do, in both languages."""
    told = [_sentence(problem) for problem in list(problems)[:_MOST_TOLD]]
    return " | ".join([*told, *([f"+ {len(problems) - _MOST_TOLD}"] if len(problems) > _MOST_TOLD else [])])


def _sentence(problem: Problem) -> str:
    at = problem.at
    where = "" if at is None else f" [{at.xpath}]" if at.xpath else f" [{at.line}:{at.column}]"
    vi, en = (f"{problem.message(lang)} {problem.remedy(lang)}" for lang in (Lang.VI, Lang.EN))
    return f"{problem.code}{where}: {vi} / {en}"


ROUTES = tuple(
    Route(method="POST", address=address, who=RouteAudience.CALLER, handler=post_call, fault=refused_call)
    for address in ("/dvcqg", "/dvcqg/{phan}/{viec}")
)
