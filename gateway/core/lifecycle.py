"""The life of a dossier: its states, its moves, and what follows from a set of events.

Events are facts that their senders stated. They are kept in any order of arrival and read in the order in which they happened
(ThoiDiemXuLy, then ThuTu). The state is never stored as a truth of its own: :func:`trace` derives it from the events, so that
any order of arrival of a legal life ends in the same state and the same timeline. Nothing is rewritten to look better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from gateway.core.effects import Effect, Files, Moves, Owes, Pays, Redates, Returns, Transfers
from gateway.core.model import Change, Dossier, PartyId, ThongDiep
from gateway.core.problems import Problem, Stopped
from gateway.core.values import made_often

if TYPE_CHECKING:  # a look-up reads dossiers and knows no party
    from gateway.core.parties import Party

MOI_DANG_KY = 1
DUOC_TIEP_NHAN = 2
KHONG_TIEP_NHAN = 3
DANG_XU_LY = 4
YEU_CAU_BO_SUNG = 5
YEU_CAU_TAI_CHINH = 6
YEU_CAU_RUT = 7
DUNG_XU_LY = 8
DA_XU_LY_XONG = 9
DA_TRA_KET_QUA = 10

LABELS: dict[int, tuple[str, str]] = {  # code -> Vietnamese, English
    MOI_DANG_KY: ("Mới đăng ký", "newly filed"),
    DUOC_TIEP_NHAN: ("Được tiếp nhận", "received"),
    KHONG_TIEP_NHAN: ("Không được tiếp nhận", "refused at receipt"),
    DANG_XU_LY: ("Đang xử lý", "in processing"),
    YEU_CAU_BO_SUNG: ("Yêu cầu bổ sung giấy tờ", "supplement requested"),
    YEU_CAU_TAI_CHINH: ("Yêu cầu thực hiện nghĩa vụ tài chính", "financial duty requested"),
    YEU_CAU_RUT: ("Công dân yêu cầu rút hồ sơ", "applicant asks to withdraw"),
    DUNG_XU_LY: ("Dừng xử lý", "processing stopped"),
    DA_XU_LY_XONG: ("Đã xử lý xong", "finished"),
    DA_TRA_KET_QUA: ("Đã trả kết quả", "result delivered"),
}

TRA_LAI = "tra-lai"  # result kind of a dossier closed by returning or withdrawing it


class Guard(StrEnum):
    """What must hold for a move beside its place in the table."""

    NONE = "none"
    REASON = "reason"  # LyDo was given
    REMEMBERED = "remembered"  # only back to the state before 5 or 7
    DECREE = "decree"  # only where the limit is counted anew after a supplement
    TOO_LATE = "too-late"  # only when the supplement's time limit has passed
    RETURNED = "returned"  # only with the result kind "Trả lại/Xin rút"
    PRIVILEGED = "privileged"  # step back or recall: reason, privilege, logged


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table."""

    to: int
    guards: tuple[Guard, ...]
    effect: str  # for docs/en/states.md
    source: str


def _row(to: int, guards: Guard | tuple[Guard, ...], effect: str, source: str = "liên thông") -> Move:
    return Move(to, guards if isinstance(guards, tuple) else (guards,), effect, source)


_STEP_BACK = "step back; reason; logged"
_RETURNED = "closed as returned or withdrawn; open payments cancelled"
_BACK = "back to the state before; NgayHenTra extended by the waiting time, or by decree counted again from receipt"

# Several rows may lead to one state by different guards; any one that holds is enough.
MOVES: dict[int, tuple[Move, ...]] = {
    MOI_DANG_KY: (
        _row(DUOC_TIEP_NHAN, Guard.NONE, "sets NgayTiepNhan, NgayHenTra"),
        _row(KHONG_TIEP_NHAN, Guard.REASON, "sets NgayTuChoi"),
        _row(YEU_CAU_BO_SUNG, Guard.NONE, "state remembered; clock paused"),
        _row(YEU_CAU_RUT, Guard.NONE, "state remembered"),
        _row(DA_XU_LY_XONG, Guard.RETURNED, _RETURNED),
    ),
    DUOC_TIEP_NHAN: (
        _row(DANG_XU_LY, Guard.NONE, "hand-over to the specialised office (6 hours, R27)"),
        _row(YEU_CAU_BO_SUNG, Guard.NONE, "state remembered; clock paused"),
        _row(YEU_CAU_RUT, Guard.NONE, "state remembered"),
        _row(DUNG_XU_LY, Guard.REASON, "written reason (R33, R34)"),
        _row(DA_XU_LY_XONG, Guard.NONE, "sets NgayKetThucXuLy"),
    ),
    KHONG_TIEP_NHAN: (),
    DANG_XU_LY: (
        _row(YEU_CAU_BO_SUNG, Guard.NONE, "state remembered; clock paused"),
        _row(YEU_CAU_TAI_CHINH, Guard.NONE, "projection of an open payment request"),
        _row(YEU_CAU_RUT, Guard.NONE, "state remembered"),
        _row(DUNG_XU_LY, Guard.REASON, "written reason (R33, R34)"),
        _row(DA_XU_LY_XONG, Guard.NONE, "sets NgayKetThucXuLy"),
        _row(DUOC_TIEP_NHAN, Guard.PRIVILEGED, _STEP_BACK),
    ),
    YEU_CAU_BO_SUNG: (
        _row(MOI_DANG_KY, Guard.REMEMBERED, _BACK),
        _row(DUOC_TIEP_NHAN, Guard.REMEMBERED, _BACK),
        _row(DANG_XU_LY, Guard.REMEMBERED, _BACK),
        _row(DUOC_TIEP_NHAN, Guard.DECREE, "full time limit counted again from receipt"),
        _row(KHONG_TIEP_NHAN, (Guard.TOO_LATE, Guard.REASON), "sets NgayTuChoi"),
        _row(YEU_CAU_RUT, Guard.NONE, "state remembered"),
        _row(DUNG_XU_LY, Guard.REASON, "written reason (R33, R34)"),
        _row(DA_XU_LY_XONG, Guard.RETURNED, _RETURNED),
    ),
    YEU_CAU_TAI_CHINH: (
        _row(DANG_XU_LY, Guard.NONE, "payment confirmed"),
        _row(YEU_CAU_RUT, Guard.NONE, "state remembered"),
        _row(DUNG_XU_LY, Guard.REASON, "written reason (R33, R34)"),
        _row(DUOC_TIEP_NHAN, Guard.PRIVILEGED, _STEP_BACK),
        _row(DA_XU_LY_XONG, Guard.RETURNED, _RETURNED),
    ),
    YEU_CAU_RUT: (
        _row(DUNG_XU_LY, Guard.NONE, "withdrawal confirmed; open payments cancelled"),
        *(
            _row(state, Guard.REMEMBERED, "withdrawal refused; back to the state before")
            for state in (MOI_DANG_KY, DUOC_TIEP_NHAN, DANG_XU_LY, YEU_CAU_BO_SUNG, YEU_CAU_TAI_CHINH)
        ),
        _row(DA_XU_LY_XONG, Guard.RETURNED, _RETURNED),
    ),
    DUNG_XU_LY: (
        _row(DANG_XU_LY, Guard.NONE, "resume; NgayHenTra extended where 8 is a pause"),
        _row(DUOC_TIEP_NHAN, Guard.PRIVILEGED, _STEP_BACK),
    ),
    DA_XU_LY_XONG: (
        _row(DA_TRA_KET_QUA, Guard.NONE, "sets NgayTra"),
        _row(DANG_XU_LY, Guard.PRIVILEGED, _STEP_BACK),
        _row(DUOC_TIEP_NHAN, Guard.PRIVILEGED, _STEP_BACK),
    ),
    DA_TRA_KET_QUA: (_row(DA_XU_LY_XONG, Guard.PRIVILEGED, "recall of a delivered result; reason; logged"),),
}

REMEMBERS = frozenset({YEU_CAU_BO_SUNG, YEU_CAU_RUT})
OPEN_STATES = frozenset(LABELS) - {KHONG_TIEP_NHAN, DUNG_XU_LY, DA_XU_LY_XONG, DA_TRA_KET_QUA}
FINISHED_STATES = frozenset({DA_XU_LY_XONG, DA_TRA_KET_QUA})
WAITS_FOR_APPLICANT = frozenset({YEU_CAU_BO_SUNG, YEU_CAU_TAI_CHINH})  # papers or money are due; the agency waits


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeRules:
    """What the handling agency's profile says of its states. Declared, never inferred."""

    trang_8_la_tam_dung: bool = False  # whether 8 is a pause, like 5, or a stop
    by_decree: bool = False  # whether the full time limit is counted anew after a supplement

    @classmethod
    def of(cls, agency: Party | None) -> LifeRules:
        """As the handling agency's profile declares them."""
        if agency is None:
            return _life_rules(trang_8_la_tam_dung=False, by_decree=False)
        by_decree = "by-decree" in agency.privileges
        return _life_rules(trang_8_la_tam_dung=bool(agency.meaning.Trang8LaTamDung), by_decree=by_decree)


@lru_cache  # four of them, and every message about a dossier asks for one
def _life_rules(*, trang_8_la_tam_dung: bool, by_decree: bool) -> LifeRules:
    return LifeRules(trang_8_la_tam_dung=trang_8_la_tam_dung, by_decree=by_decree)


class Reading(StrEnum):
    """What became of one event when the whole history was read."""

    APPLIED = "applied"
    SAME = "same"  # the dossier was in that state already
    NOTED = "noted"  # an event that moves nothing by its nature
    WAITING = "waiting"  # an earlier event is missing; it will be read again when that arrives
    LATE = "late"  # it happened before what is known already, and moves nothing


class PaymentState(StrEnum):
    """The payment record's own machine."""

    CHUA_DEN_HAN = "CHUA_DEN_HAN"  # asked before the dossier was received
    CHO_THANH_TOAN = "CHO_THANH_TOAN"
    DA_THANH_TOAN = "DA_THANH_TOAN"
    HUY = "HUY"


PAYMENT_MOVES: dict[PaymentState, frozenset[PaymentState]] = {
    PaymentState.CHUA_DEN_HAN: frozenset({PaymentState.CHO_THANH_TOAN, PaymentState.DA_THANH_TOAN, PaymentState.HUY}),
    PaymentState.CHO_THANH_TOAN: frozenset({PaymentState.DA_THANH_TOAN, PaymentState.HUY}),
    PaymentState.DA_THANH_TOAN: frozenset(),
    PaymentState.HUY: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One request for money and what came of it."""

    ref: str | None
    so_tien: Decimal  # VND asked for
    da_tra: Decimal = Decimal(0)  # VND paid so far
    state: PaymentState = PaymentState.CHO_THANH_TOAN
    han_nop: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A copy of the dossier at another agency (HS14), until its answer (HS15)."""

    don_vi_nhan: str
    han_xu_ly: datetime | None
    sent_at: datetime
    returned_at: datetime | None = None
    trang_thai: int | None = None  # the other agency's own state; the lead keeps the dossier's


@made_often(frozen=True, slots=True, kw_only=True)
class HistoryStep:
    """One event as the history reads it."""

    change: Change
    effect: Effect
    at: datetime
    reading: Reading
    before: int | None
    after: int | None
    trang_thai_goc: str | None = None


@made_often(frozen=True, slots=True, kw_only=True)
class Span:
    """Time spent in one state."""

    trang_thai: int
    since: datetime
    until: datetime | None = None


@made_often(frozen=True, slots=True, kw_only=True)
class Trace:
    """Everything that follows from a dossier's events."""

    trang_thai: int | None = None
    trang_thai_goc: str | None = None
    steps: tuple[HistoryStep, ...] = ()
    spans: tuple[Span, ...] = ()
    before_pause: tuple[int, ...] = ()  # remembered states, innermost last
    ma_tthc: str | None = None
    kenh_thuc_hien: str | None = None
    ngay_nop: datetime | None = None
    ngay_tiep_nhan: datetime | None = None
    ngay_hen_tra: datetime | None = None
    hen_tra: tuple[tuple[datetime, datetime], ...] = ()  # (when it was set, the appointment), the old ones kept
    ngay_ket_thuc: datetime | None = None
    ngay_tra: datetime | None = None
    han_bo_sung: datetime | None = None
    complete_since: datetime | None = None  # when the six hours of R27 began
    supplements: int = 0
    returned: bool = False  # closed with the result kind "Trả lại/Xin rút"
    withdrawn: bool = False
    payments: tuple[Payment, ...] = ()
    transfers: tuple[Transfer, ...] = ()

    def reading_of(self, change_number: int) -> Reading | None:
        """The least favourable reading among the effects of one change."""
        found = {step.reading for step in self.steps if step.change.number == change_number}
        return next((reading for reading in _LEAST_FAVOURABLE_FIRST if reading in found), None)


_LEAST_FAVOURABLE_FIRST: Final = (
    Reading.WAITING,
    Reading.LATE,
    Reading.APPLIED,
    Reading.SAME,
    Reading.NOTED,
)
_OF_STATES: Final = (Files, Moves)  # the effects that ask for a state


def possible(state: int | None) -> tuple[int, ...]:
    """The states that may follow, in order. Nothing follows where no dossier is open."""
    return tuple(sorted({move.to for move in MOVES.get(state or 0, ())}))


def move(state: int, to: int) -> int:
    """The new state. Raises Stopped (DOS-010) with the possible ones when the table has no such move."""
    if to not in possible(state):
        raise Stopped(illegal(state, to))
    return to


def illegal(state: int | None, to: int | None) -> Problem:
    """The problem of a move that is not in the table."""
    return Problem(
        "DOS-010", {"from": _named(state), "to": _named(to), "possible": [_named(s) for s in possible(state)] or ["–"]}
    )


def _named(state: int | None) -> str:
    return f"{state} ({LABELS[state][0]})" if state in LABELS else "–"


@dataclass(slots=True, eq=False)
class _Event:
    key: tuple[int, datetime, int, str, int]
    change: Change
    effect: Effect
    at: datetime


_in_order: Final = attrgetter("key")


def events(changes: Iterable[Change]) -> list[_Event]:
    """All effects in the order in which they happened; what opened the dossier comes first whatever clocks say."""
    listed = []
    for change in changes:
        for index, effect in enumerate(change.effects):
            at = (effect.at if isinstance(effect, Moves) else None) or change.occurred_at
            listed.append(_Event((1, at, change.thu_tu or 0, change.ma_thong_diep, index), change, effect, at))
    opening = min((e for e in listed if isinstance(e.effect, Files)), key=_in_order, default=None)
    if opening is not None:
        opening.key = (0, *opening.key[1:])
    listed.sort(key=_in_order)
    return listed


def trace(changes: Sequence[Change], rules: LifeRules = LifeRules()) -> Trace:
    """What follows from these events, whatever order they arrived in.

    If every event fits in the order in which things happened, that is the history. If not, the events are taken in order of
    arrival; one that does not fit among those already taken waits (when it is the newest) or stays aside as late, and is tried
    again whenever another is taken.
    """
    ordered = events(changes)
    whole, misfit = _fold(ordered, frozenset(), rules)
    if not misfit:
        return whole
    aside: set[int] = set()
    taken: list[_Event] = []
    pending = sorted(ordered, key=lambda e: (e.key[0], e.change.number, e.key))
    progress = True
    while progress:
        progress = False
        for event in list(pending):
            trial = sorted([*taken, event], key=_in_order)
            if not _fold(trial, frozenset(), rules)[1]:
                taken, progress = trial, True
                pending.remove(event)
    aside = {id(event) for event in pending}
    return _fold(ordered, frozenset(aside), rules)[0]


@dataclass(slots=True)
class _Life:
    """The reading in progress."""

    rules: LifeRules
    now: Trace = field(default_factory=Trace)  # nobody else has it before the reading ends
    steps: list[HistoryStep] = field(default_factory=list)

    def set(self, **values: object) -> None:
        # In place: a copy of the whole trace for each thing that an event says would cost more than all the reading.
        for name, value in values.items():
            object.__setattr__(self.now, name, value)

    def appoint(self, at: datetime, due: datetime | None) -> None:
        if due is not None and due != self.now.ngay_hen_tra:
            self.set(ngay_hen_tra=due, hen_tra=(*self.now.hen_tra, (at, due)))


def _fold(ordered: Sequence[_Event], aside: frozenset[int], rules: LifeRules) -> tuple[Trace, list[_Event]]:
    life, misfit = _Life(rules), []
    newest = None
    if aside:
        newest = max((e.key for e in ordered if id(e) not in aside and isinstance(e.effect, _OF_STATES)), default=None)
    for event in ordered:
        before = life.now.trang_thai
        if id(event) in aside:
            reading = Reading.LATE if newest is not None and event.key < newest else Reading.WAITING
        else:
            fits = _apply(life, event)
            if fits is None:
                misfit.append(event)
                fits = Reading.WAITING
            reading = fits
        goc = event.effect.goc if isinstance(event.effect, _OF_STATES) else None
        life.steps.append(
            HistoryStep(
                change=event.change,
                effect=event.effect,
                at=event.at,
                reading=reading,
                before=before,
                after=life.now.trang_thai,
                trang_thai_goc=goc,
            )
        )
    life.set(steps=tuple(life.steps))
    return life.now, misfit


def _apply(life: _Life, event: _Event) -> Reading | None:
    """Let one event take effect. None when it does not fit here."""
    effect, at = event.effect, event.at
    match effect:
        case Files():
            return _file(life, effect, event)
        case Moves():
            return _move(life, effect, at)
        case Redates():
            life.appoint(at, effect.ngay_hen_tra)
        case Owes():
            early = life.now.trang_thai in (None, MOI_DANG_KY)
            state = PaymentState.CHUA_DEN_HAN if early else PaymentState.CHO_THANH_TOAN
            owed = Payment(ref=effect.ref, so_tien=effect.so_tien, state=state, han_nop=effect.han_nop)
            life.set(payments=(*life.now.payments, owed))
        case Pays():
            life.set(payments=_paid(life.now.payments, effect))
        case Transfers():
            sent = Transfer(don_vi_nhan=effect.don_vi_nhan, han_xu_ly=effect.han_xu_ly, sent_at=at)
            life.set(transfers=(*life.now.transfers, sent))
        case Returns():
            life.set(transfers=_returned(life.now.transfers, effect, at))
        case _:
            pass
    return Reading.NOTED


def _file(life: _Life, effect: Files, event: _Event) -> Reading | None:
    opens = event.key[0] == 0
    if opens:
        life.set(
            trang_thai=effect.trang_thai,
            trang_thai_goc=effect.goc,
            ma_tthc=effect.ma_tthc,
            kenh_thuc_hien=effect.kenh_thuc_hien,
            ngay_nop=effect.ngay_nop,
            ngay_tiep_nhan=effect.ngay_tiep_nhan,
            ngay_ket_thuc=effect.ngay_ket_thuc,
            ngay_tra=effect.ngay_tra,
            complete_since=effect.ngay_tiep_nhan,
            spans=(Span(trang_thai=effect.trang_thai, since=event.at),),
        )
        life.appoint(event.at, effect.ngay_hen_tra)
        return Reading.APPLIED
    if effect.trang_thai == life.now.trang_thai or not effect.moves:
        life.appoint(event.at, effect.ngay_hen_tra if effect.moves else None)
        return Reading.SAME
    return _move(
        life,
        Moves(
            to=effect.trang_thai,
            goc=effect.goc,
            ly_do=True,
            ngay_tiep_nhan=effect.ngay_tiep_nhan,
            ngay_hen_tra=effect.ngay_hen_tra,
            ngay_ket_thuc=effect.ngay_ket_thuc,
            ngay_tra=effect.ngay_tra,
        ),
        event.at,
    )


def _move(life: _Life, effect: Moves, at: datetime) -> Reading | None:
    now = life.now
    state, to = now.trang_thai, _wanted(effect, now)
    if state is None or to is None:
        return None
    if to == state:
        _dates(life, effect, at)
        return Reading.SAME
    row = next(
        (m for m in MOVES[state] if m.to == to and all(_holds(g, effect, at, now, life.rules) for g in m.guards)), None
    )
    if row is None:
        return None
    present = now.spans[-1]  # whoever is in a state has entered it
    left = Span(trang_thai=state, since=present.since, until=at)
    returned = to == DA_XU_LY_XONG and effect.result_kind == TRA_LAI
    life.set(
        trang_thai=to,
        trang_thai_goc=effect.goc,
        before_pause=_memory(now.before_pause, state, row),
        spans=(*now.spans[:-1], left, Span(trang_thai=to, since=at)),
        returned=returned,
        withdrawn=now.withdrawn or returned or (state, to) == (YEU_CAU_RUT, DUNG_XU_LY),
        supplements=now.supplements + (to == YEU_CAU_BO_SUNG),
        han_bo_sung=effect.han if to == YEU_CAU_BO_SUNG else None,
    )
    _extend(life, effect, present, at)
    _dates(life, effect, at)
    if (state, to) == (YEU_CAU_BO_SUNG, DUOC_TIEP_NHAN):
        life.set(complete_since=at)  # only now is it complete: the six hours of R27 begin anew
    _project(life, to)
    return Reading.APPLIED


def _wanted(effect: Moves, now: Trace) -> int | None:
    """The state asked for; one that names none goes back to where the dossier was before its pause."""
    if effect.to is not None:
        return effect.to
    return now.before_pause[-1] if now.before_pause and now.trang_thai in REMEMBERS else None


def _memory(before: tuple[int, ...], state: int, row: Move) -> tuple[int, ...]:
    """Which states are remembered after a move: pauses nest, and whatever is no pause and ends none forgets them."""
    if Guard.REMEMBERED in row.guards:  # also where this leads back into an outer pause
        return before[:-1]
    return (*before, state) if row.to in REMEMBERS else ()


def _holds(guard: Guard, effect: Moves, at: datetime, now: Trace, rules: LifeRules) -> bool:
    """Whether a guard holds. Privilege is a matter of who speaks, not of history: access checks it at the counter."""
    match guard:
        case Guard.NONE | Guard.PRIVILEGED:  # of most moves
            return True
        case Guard.REMEMBERED:
            wanted = effect.to if effect.to is not None else now.before_pause[-1]
            return bool(now.before_pause) and now.before_pause[-1] == wanted
        case Guard.REASON:
            return effect.ly_do
        case Guard.DECREE:
            return rules.by_decree
        case Guard.TOO_LATE:
            return now.han_bo_sung is not None and at > now.han_bo_sung
        case Guard.RETURNED:
            return effect.result_kind == TRA_LAI


def _extend(life: _Life, effect: Moves, before: Span, at: datetime) -> None:
    """Waiting time of 5, and of 8 where the agency declares it a pause, is added to the appointment."""
    now, left = life.now, before.trang_thai
    pauses = left == YEU_CAU_BO_SUNG or (left == DUNG_XU_LY and life.rules.trang_8_la_tam_dung)
    if not pauses or now.trang_thai not in (MOI_DANG_KY, DUOC_TIEP_NHAN, DANG_XU_LY) or effect.ngay_hen_tra is not None:
        return
    if now.ngay_hen_tra is None:
        return
    by_decree = life.rules.by_decree and left == YEU_CAU_BO_SUNG and now.trang_thai != MOI_DANG_KY
    if by_decree and now.ngay_tiep_nhan is not None:
        _, first_due = now.hen_tra[0]
        life.appoint(at, at + (first_due - now.ngay_tiep_nhan))
        return
    life.appoint(at, now.ngay_hen_tra + max(at - before.since, timedelta(0)))


def _dates(life: _Life, effect: Moves, at: datetime) -> None:
    now = life.now
    received = now.trang_thai == DUOC_TIEP_NHAN and (now.ngay_tiep_nhan is None or effect.ngay_tiep_nhan is not None)
    if received:
        life.set(ngay_tiep_nhan=effect.ngay_tiep_nhan or at, complete_since=effect.ngay_tiep_nhan or at)
    if now.trang_thai in FINISHED_STATES:
        life.set(ngay_ket_thuc=effect.ngay_ket_thuc or life.now.ngay_ket_thuc or at)
    if now.trang_thai == DA_TRA_KET_QUA:
        life.set(ngay_tra=effect.ngay_tra or life.now.ngay_tra or at)
    life.appoint(at, effect.ngay_hen_tra)


def _project(life: _Life, to: int) -> None:
    """What the new state means for the open payments."""
    if to in (KHONG_TIEP_NHAN, DUNG_XU_LY) or life.now.returned:
        life.set(payments=tuple(_payment_moved(p, PaymentState.HUY) for p in life.now.payments))
    elif to != MOI_DANG_KY:
        life.set(
            payments=tuple(
                replace(p, state=PaymentState.CHO_THANH_TOAN) if p.state is PaymentState.CHUA_DEN_HAN else p
                for p in life.now.payments
            )
        )


def _payment_moved(payment: Payment, to: PaymentState) -> Payment:
    return replace(payment, state=to) if to in PAYMENT_MOVES[payment.state] else payment


def _paid(payments: tuple[Payment, ...], effect: Pays) -> tuple[Payment, ...]:
    """Money goes to the oldest open request. Money nobody asked for is a record of its own: fees may be paid at the desk."""
    if not effect.da_thanh_toan:
        return payments
    left, after = effect.so_tien, []
    for payment in payments:
        if left > 0 and payment.state in (PaymentState.CHO_THANH_TOAN, PaymentState.CHUA_DEN_HAN):
            part = min(left, payment.so_tien - payment.da_tra)
            left -= part
            paid = replace(payment, da_tra=payment.da_tra + part)
            after.append(_payment_moved(paid, PaymentState.DA_THANH_TOAN) if paid.da_tra >= paid.so_tien else paid)
        else:
            after.append(payment)
    if left > 0:
        unasked = Payment(ref=effect.ma_tra_cuu, so_tien=left, da_tra=left, state=PaymentState.DA_THANH_TOAN)
        after.append(unasked)
    return tuple(after)


def _returned(transfers: tuple[Transfer, ...], effect: Returns, at: datetime) -> tuple[Transfer, ...]:
    for index, transfer in enumerate(transfers):
        if transfer.returned_at is None:
            answered = replace(transfer, returned_at=at, trang_thai=effect.trang_thai)
            return (*transfers[:index], answered, *transfers[index + 1 :])
    return transfers


@made_often(frozen=True, slots=True, kw_only=True)
class Followed:
    """What one more event makes of a dossier."""

    change: Change
    dossier: Dossier
    trace: Trace
    notes: tuple[Problem, ...] = ()


def follow(
    thong_diep: ThongDiep,
    dossier: Dossier,
    sender: PartyId,
    rules: LifeRules,
    *,
    message: str,
    now: datetime,
    effects: tuple[Effect, ...] | None = None,
    privileged: bool = False,
) -> Followed:
    """The dossier after one more message. Raises Stopped (DOS-xxx) when the message asks for an impossible move.

    A move that does not fit yet is kept and waits when an earlier event of its sender is missing (a gap in ThuTu) or when it
    answers another party's act; one that happened before what is known takes its place in the history and moves nothing.
    Anything else that does not fit is impossible, and is refused with the moves that are possible. ``effects``: what the
    message does, where that is less than it says.
    """
    filed = any(isinstance(effect, Files) for effect in thong_diep.effects)
    # An agency's word moves its dossier; what a portal's repeated filing says of the state is only what the portal believes.
    agency_speaks = sender == dossier.agency
    said = thong_diep.effects if effects is None else effects
    effects = tuple(
        replace(e, moves=agency_speaks) if isinstance(e, Files) and e.moves is not agency_speaks else e for e in said
    )
    occurred_at = thong_diep.thoi_diem_tao if filed else (thong_diep.content.occurred_at or thong_diep.thoi_diem_tao)
    change = Change(
        ma_ho_so=dossier.ma_ho_so,
        number=max((c.number for c in dossier.changes), default=dossier.released) + 1,
        message=message,  # type: ignore[arg-type]
        ma_thong_diep=thong_diep.ma_thong_diep,
        loai=thong_diep.loai,
        goc=thong_diep.goc,
        sender=sender,
        effects=effects,
        occurred_at=occurred_at,
        thu_tu=thong_diep.thu_tu,
        recorded_at=now,
    )
    changes = (*dossier.changes, change)
    read = trace(changes, rules)
    notes = _judged(change, changes, read, privileged=privileged)
    return Followed(
        change=change,
        trace=read,
        notes=notes,
        dossier=standing_dossier(dossier, read, changes=changes, opened_at=dossier.opened_at or now),
    )


def standing_dossier(dossier: Dossier, read: Trace, **beside: Any) -> Dossier:
    """The dossier as its history makes it stand: all of its row that follows from its events alone, and ``beside``."""
    return replace(
        dossier,
        **beside,
        ma_tthc=dossier.ma_tthc or read.ma_tthc,
        trang_thai=read.trang_thai,
        trang_thai_goc=read.trang_thai_goc,
        ngay_tiep_nhan=read.ngay_tiep_nhan,
        ngay_hen_tra=read.ngay_hen_tra,
        ngay_ket_thuc=read.ngay_ket_thuc,
    )


def _judged(change: Change, changes: Sequence[Change], read: Trace, *, privileged: bool) -> tuple[Problem, ...]:
    reading = read.reading_of(change.number)
    steps = [s for s in read.steps if s.change.number == change.number and isinstance(s.effect, _OF_STATES)]
    back = [s for s in steps if s.reading is Reading.APPLIED and _needs_privilege(s)]
    if back and not privileged:
        raise Stopped(Problem("DOS-013", {"from": _named(back[0].before), "to": _named(back[0].after)}))
    if reading not in (Reading.WAITING, Reading.LATE):
        return ()
    stuck = next(s for s in steps if s.reading is reading)
    to = _asked_for(stuck.effect)
    facts: dict[str, object] = {"to": _named(to), "now": _named(read.trang_thai)}
    if reading is Reading.LATE:
        return (Problem("DOS-021", facts),)
    facts["possible"] = _all(read)
    missing = gap(changes, change)
    if missing is not None:
        return (Problem("DOS-020", {**facts, "missing": missing}),)
    if isinstance(stuck.effect, Moves) and stuck.effect.answers:
        return (Problem("DOS-022", facts),)
    raise Stopped(_not_possible(stuck, to, read))


def _asked_for(effect: Effect) -> int | None:
    """The state that an effect asks for, where it asks for one."""
    if isinstance(effect, Moves):
        return effect.to
    return effect.trang_thai if isinstance(effect, Files) else None


def _not_possible(stuck: HistoryStep, to: int | None, read: Trace) -> Problem:
    """Why a step leads nowhere: no such move, or one whose condition does not hold."""
    if not (isinstance(stuck.effect, Moves) and to in possible(stuck.before)):
        return illegal(stuck.before, to)
    guards = sorted({g.value for m in MOVES[stuck.before or 0] if m.to == to for g in m.guards})
    facts = {"from": _named(stuck.before), "to": _named(to), "guard": guards, "possible": _all(read)}
    return Problem("DOS-011", facts)


def _all(read: Trace) -> list[str]:
    return [_named(state) for state in possible(read.trang_thai)] or ["–"]


def _needs_privilege(step: HistoryStep) -> bool:
    rows = [m for m in MOVES.get(step.before or 0, ()) if m.to == step.after]
    return bool(rows) and all(Guard.PRIVILEGED in m.guards for m in rows)


def gap(changes: Sequence[Change], change: Change) -> int | None:
    """The lowest ThuTu of the same sender that is missing below this one's, or None. Numbers count from 1 per sender."""
    if change.thu_tu is None:
        return None
    known = {c.thu_tu for c in changes if c.sender == change.sender and c.thu_tu is not None}
    return next((n for n in range(1, change.thu_tu) if n not in known), None)
