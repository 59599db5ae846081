"""Reconciliation from the desk: our record of a party's dossiers against what the party believes, and why they differ.

Both lists go into a side book, are compared by count and digest, and line by line where those differ. Each snapshot of our
record is a page, so that an hour of comparing holds up nobody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from gateway.core.alerts import Alarm, Alert
from gateway.core.chain import LogEntry
from gateway.core.date_forms import WIRE
from gateway.core.ledger import LogLine
from gateway.core.lifecycle import KHONG_TIEP_NHAN, LifeRules, Reading, trace
from gateway.core.model import DeliveryId, DeliveryState, Dossier, Fate, MaHoSo, PartyId
from gateway.core.parties import Parties, Party, Receives, is_told
from gateway.core.problems import Location, Problem, Stopped
from gateway.core.reconcile import (
    Disagreement,
    DisagreementKind,
    DriftCause,
    compared_digits,
    disagreement_kind,
    moment_to,
    stopped,
)
from gateway.core.told import COMPARED, CONTRADICTS, ToldNews
from gateway.store import SideBook, SidePair, Store, View

PAGE = 2000  # dossiers of one snapshot
HISTORY = frozenset(
    {"NgayTra", "NgayTuChoi"}
)  # follow from the events; the other fields stand in the dossier's own row
LOOKED_AT = 50  # messages about one dossier among which a refused one is looked for

UNREADABLE = frozenset({"DLV-023", "DLV-024", "DLV-034", "DLV-041"})  # of an answer about one dossier
UNREADABLE_IN_A_ROW = 20  # then it is not about one dossier

Tell = Callable[[int, int], None]
Ask = Callable[[MaHoSo, Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilePeriod:
    """Dossiers opened in it are compared."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What comparing came to: how much each side has, and how many differ in what."""

    party: PartyId
    period: ReconcilePeriod
    source: str  # "file", "look-up", "HS19"
    fields: tuple[str, ...]  # that the party speaks of
    ours: int
    theirs: int
    digest_ours: str
    digest_theirs: str
    kinds: Mapping[DisagreementKind, int]
    ended: Problem | None = None  # why it ended early; what was compared before stands
    problems: Counter[str] = field(default_factory=Counter)  # by code: bad rows, answers that cannot be read

    @property
    def count(self) -> int:
        """How many dossiers differ."""
        return sum(self.kinds.values())

    @property
    def agree(self) -> int:
        """How many are the same on both sides."""
        return self.ours - sum(n for kind, n in self.kinds.items() if kind is not DisagreementKind.MISSING_HERE)


class ListedDossier(Protocol):
    """One line of a party's own list."""

    @property
    def line(self) -> int:
        """Where it stands."""

    @property
    def ma_ho_so(self) -> str:
        """Whose."""

    @property
    def fields(self) -> Mapping[str, str | None]:
        """What the party says of it, in our values."""


def compare_list(
    store: Store,
    parties: Parties,
    party: Party,
    listed: Iterator[ListedDossier | Problem],
    period: ReconcilePeriod,
    book: SideBook,
    *,
    fields: tuple[str, ...],
    digits: Mapping[str, int],
    told: Callable[[Problem], None],
    tell: Tell,
) -> Compared:
    """A party's own list against our record. ``told`` hears each row that is none, ``digits`` how finely moments are told.

    A dossier that the party lists although it was opened outside the period is compared with what we have of it.
    """
    problems: Counter[str] = Counter()
    with store.read() as view:
        about = view.count_dossiers(party.id, period.since, period.until)
    for number, row in enumerate(listed, 1):
        problem = row if isinstance(row, Problem) else _put(book, row)
        if problem is not None:
            problems[problem.code] += 1
            told(problem)
        if number % PAGE == 0:
            tell(number, number + about)
    read = book.theirs.count
    ours = _Ours(store, parties, party.id, fields, digits)
    for dossier in ours.of_period(period):
        book.put_ours(dossier.ma_ho_so, ours.said(dossier))
        if book.ours.count % PAGE == 0:
            tell(read + book.ours.count, read + max(about, book.ours.count))
    for codes in book.only_theirs():
        for dossier in ours.named(codes):
            book.put_ours(dossier.ma_ho_so, ours.said(dossier))
    return summed_up(party.id, period, "file", fields, book, problems)


def _put(book: SideBook, row: ListedDossier) -> Problem | None:
    first = book.put_theirs(row.ma_ho_so, row.fields, row.line)
    return (
        None
        if first is None
        else Problem("REC-008", {"ma_ho_so": row.ma_ho_so, "first": first}, Location(line=row.line))
    )


def summed_up(
    party: PartyId,
    period: ReconcilePeriod,
    source: str,
    fields: tuple[str, ...],
    book: SideBook,
    problems: Counter[str],
    ended: Problem | None = None,
) -> Compared:
    """What a book comes to."""
    kinds = Counter(disagreement_kind(pair.ours, pair.theirs) for pair in book.differing())
    return Compared(
        party=party,
        period=period,
        source=source,
        fields=fields,
        ours=book.ours.count,
        theirs=book.theirs.count,
        digest_ours=book.ours.digest,
        digest_theirs=book.theirs.digest,
        kinds=kinds,
        ended=ended,
        problems=problems,
    )


async def compare_asked(
    store: Store,
    parties: Parties,
    party: Party,
    ask: Ask,
    period: ReconcilePeriod,
    book: SideBook,
    now: Callable[[], datetime],
    *,
    pause_s: float,
    told: Callable[[Problem], None],
    tell: Tell,
) -> Compared:
    """What a party says of each dossier when it is asked, against our record; it goes on record beside what it was told.

    An answer that cannot be read says nothing of its dossier. Ends early where the party cannot say now, or says nothing that
    can be read so many times in a row. Raises Stopped (REC-022) where this party cannot be asked.
    """
    from connectors.outcomes import Unreachable  # noqa: PLC0415 - alerts need no network

    problems: Counter[str] = Counter()
    ended: Problem | None = None
    ours = _Ours(store, parties, party.id, COMPARED, looked_up_digits(party))
    with store.read() as view:
        about = view.count_dossiers(party.id, period.since, period.until)
    bad = 0
    for number, dossier in enumerate(ours.of_period(period)):
        if number:
            tell(number, max(about, number))
            await asyncio.sleep(pause_s)
        code = dossier.ma_ho_so
        with store.read() as view:
            remembered = view.remembered(party.id, code)
        try:
            believed = await ask(code, remembered)
        except Unreachable as unreachable:
            bad += 1
            problems[unreachable.problem.code] += 1
            told(replace(unreachable.problem, at=Location(xpath=code)))
            if unreachable.problem.code not in UNREADABLE or bad >= UNREADABLE_IN_A_ROW:
                ended = unreachable.problem
                break
            continue
        if believed is None:
            raise Stopped(Problem("REC-022", {"party": party.id, "connector": party.connector or "–"}))
        bad = 0
        _heard(store, party.id, code, believed, now())
        _put_both(book, code, ours.said(dossier), believed)
    return summed_up(party.id, period, "look-up", COMPARED, book, problems, ended)


def looked_up_digits(party: Party) -> dict[str, int]:
    """To how many digits a party's look-up tells each moment."""
    return {name: compared_digits(party.formats.get(name, WIRE)) for name in COMPARED}


def _put_both(book: SideBook, code: MaHoSo, said: Mapping[str, str | None], believed: Mapping[str, Any]) -> None:
    """What both sides say, in the fields that the answer speaks of; an empty answer: the party has no such dossier."""
    spoken = [name for name in COMPARED if name in believed]
    book.put_ours(code, {name: said[name] for name in spoken} if believed else said)
    if believed:
        book.put_theirs(code, {name: None if (v := believed[name]) is None else str(v) for name in spoken})


def _heard(store: Store, party: PartyId, code: MaHoSo, believed: Mapping[str, Any], now: datetime) -> None:
    """Puts it on record where the party was told of this dossier: what it believes is told of by drift from then on."""
    with store.begin() as tx:
        if tx.told(party, code) is not None:
            tx.tell(party, code, ToldNews(believed=believed), now)


class _Ours:
    """Our record of a party's dossiers, in the fields and to the digits that the party speaks."""

    def __init__(
        self, store: Store, parties: Parties, party: PartyId, fields: Collection[str], digits: Mapping[str, int]
    ) -> None:
        self._store, self._parties, self._party = store, parties, party
        self._fields, self._digits = fields, digits
        self._history = bool(HISTORY & set(fields))

    def of_period(self, period: ReconcilePeriod) -> Iterator[Dossier]:
        """Those opened in it, a page and a snapshot at a time."""
        after = ""
        while True:
            with self._store.read() as view:
                page = view.dossier_page(
                    self._party, period.since, period.until, after=after, limit=PAGE, history=self._history
                )
            yield from (dossier for dossier in page if self._party in dossier.parties)
            if len(page) < PAGE:
                return
            after = page[-1].ma_ho_so

    def named(self, codes: Collection[str]) -> Iterator[Dossier]:
        """Those of these codes."""
        with self._store.read() as view:
            found = view.dossiers_named(codes, history=self._history)
        yield from (dossier for dossier in found if self._party in dossier.parties)

    def said(self, dossier: Dossier) -> dict[str, str | None]:
        """What we say of it."""
        moments = {
            "NgayTiepNhan": dossier.ngay_tiep_nhan,
            "NgayHenTra": dossier.ngay_hen_tra,
            "NgayKetThucXuLy": dossier.ngay_ket_thuc,
            **(self._of_history(dossier) if self._history else {}),
        }
        said: dict[str, str | None] = {}
        for name in self._fields:
            if name == "TrangThaiHoSo":
                said[name] = str(dossier.trang_thai) if dossier.trang_thai is not None else None
            else:
                at = moments.get(name)
                said[name] = moment_to(self._digits.get(name, 14), at) if at is not None else None
        return said

    def _of_history(self, dossier: Dossier) -> dict[str, datetime | None]:
        read = trace(dossier.changes, LifeRules.of(self._parties.get(dossier.agency)))
        refused = [s.at for s in read.steps if s.reading is Reading.APPLIED and s.after == KHONG_TIEP_NHAN]
        last = refused[-1] if refused and read.trang_thai == KHONG_TIEP_NHAN else None
        return {"NgayTra": read.ngay_tra, "NgayTuChoi": last}


# Why ------------------------------------------------------------------------------------------------------------------


def disagreements(store: Store, parties: Parties, party: Party, book: SideBook) -> Iterator[Disagreement]:
    """Every dossier of the book that differs, with the likely cause; found out as they are asked for."""
    for pair in book.differing():
        kind = disagreement_kind(pair.ours, pair.theirs)
        with store.read() as view:
            why = _why(view, parties, party, MaHoSo(pair.code), kind)
        yield Disagreement(
            party=party.id,
            ma_ho_so=MaHoSo(pair.code),
            kind=kind,
            cause=why.cause,
            fields=_fields(pair),
            line=pair.line,
            delivery=why.delivery,
            code=why.code,
        )


def _fields(pair: SidePair) -> dict[str, tuple[str | None, str | None]]:
    ours, theirs = pair.ours or {}, pair.theirs or {}
    return {name: (theirs.get(name), ours.get(name)) for name in COMPARED if theirs.get(name) != ours.get(name)}


@dataclass(frozen=True, slots=True)
class _Why:
    cause: DriftCause
    delivery: DeliveryId | str | None = None
    code: str | None = None


def _why(view: View, parties: Parties, party: Party, code: MaHoSo, kind: DisagreementKind) -> _Why:
    dossier = view.dossier(code)
    if dossier is None or not dossier.changes:
        refused = _refused_here(view, code)
        given_back = dossier is not None and dossier.released
        return refused or _Why(DriftCause.GIVEN_BACK if given_back else DriftCause.NEVER_SENT)
    if party.id not in dossier.parties:
        return _Why(DriftCause.NOT_ITS_OWN)
    handles = party.id == dossier.agency and kind is not DisagreementKind.MISSING_THERE
    return _of_its_own(view, parties, dossier) if handles else _told_to(view, parties, party, dossier, kind)


def _of_its_own(view: View, parties: Parties, dossier: Dossier) -> _Why:
    """The handling agency says what is true; then its news did not come, or did not count here."""
    refused = _refused_here(view, dossier.ma_ho_so, since=dossier.changes[-1].recorded_at)
    if refused is not None:
        return refused
    read = trace(dossier.changes, LifeRules.of(parties.get(dossier.agency)))
    waiting = any(step.reading is Reading.WAITING for step in read.steps)
    return _Why(DriftCause.EVENT_WAITING if waiting else DriftCause.NEVER_SENT)


def _refused_here(view: View, code: MaHoSo, since: datetime | None = None) -> _Why | None:
    """Whether a message about this dossier is held here, or was refused and never came again."""
    listed = view.messages(ma_ho_so=code, since=since, limit=LOOKED_AT)
    for fate, cause in ((Fate.HELD, DriftCause.HELD_HERE), (Fate.REJECTED, DriftCause.REFUSED_HERE)):
        found = next((message for message in listed if message.state is fate), None)
        if found is not None:
            return _Why(cause, found.id, next(iter(found.codes), None))
    return None


_OPEN = [state for state in DeliveryState if not state.is_final]


def _told_to(view: View, parties: Parties, party: Party, dossier: Dossier, kind: DisagreementKind) -> _Why:
    """What became of what the party is to be told."""
    code = dossier.ma_ho_so
    waiting = view.deliveries(party=party.id, lane=code, states=_OPEN)
    if waiting:
        first = next((one for one in waiting if one.state.holds_lane and one.blocking), waiting[0])
        cause = {DeliveryState.UNKNOWN: DriftCause.UNCERTAIN}.get(first.state, DriftCause.WAITING)
        cause = DriftCause.HELD if first.state.holds_lane else stopped(party) or cause
        return _Why(cause, first.id, first.problem.code if first.problem is not None else None)
    if party.receives is Receives.PULL and view.unread(party.id, code):
        return _Why(DriftCause.UNREAD)
    if is_told(party):
        return _believes_otherwise(view, parties, party, dossier, kind)
    took = view.deliveries(party=party.id, lane=code, states=[DeliveryState.DELIVERED])
    return _Why(_there(kind), took[-1].id if took else None, CONTRADICTS if took else None)


def _believes_otherwise(view: View, parties: Parties, party: Party, dossier: Dossier, kind: DisagreementKind) -> _Why:
    """Of a party that is told of dossiers as they stand, when nothing is on its way: what it took, and what it did not."""
    from schemas.record import WORDS, not_taken, record_of, still_owed  # noqa: PLC0415 - alerts need no XML

    told = view.told(party.id, dossier.ma_ho_so)
    if told is None:
        return _Why(DriftCause.NOT_ADDRESSED)
    try:
        record = record_of(view.letters_of(dossier.ma_ho_so, lambda a: LifeRules.of(parties.get(a)), of=WORDS))
    except Stopped:  # its letters cannot be read any more
        record = None
    if record is not None:
        missing = not_taken(record, told)
        let_go = next((by for digest, by in told.refused.items() if digest in missing), None)
        if let_go is not None:
            return _Why(DriftCause.LET_GO, let_go)
        if still_owed(record, told):
            return _Why(DriftCause.NOT_ADDRESSED, told.delivery)
    return _Why(_there(kind), told.delivery, CONTRADICTS if told.taken_at is not None else None)


def _there(kind: DisagreementKind) -> DriftCause:
    return DriftCause.MISSING_THERE if kind is DisagreementKind.MISSING_THERE else DriftCause.CHANGED_THERE


# What came of it, on record -------------------------------------------------------------------------------------------

DONE, FAILED = "reconcile.done", "reconcile.failed"  # lines of the log, from which figures and alerts are made
RECENT = timedelta(days=3)


def note_reconciled(store: Store, compared: Compared, now: datetime) -> None:
    """Puts into the log what a reconciliation by itself came to."""
    facts = {
        "party": compared.party,
        "from": compared.period.since.isoformat(),
        "to": compared.period.until.isoformat(),
        "source": compared.source,
        "ours": compared.ours,
        "theirs": compared.theirs,
        "differ": {kind.value: compared.kinds.get(kind, 0) for kind in DisagreementKind},
        "unread": sum(compared.problems.values()),
    }
    with store.begin() as tx:
        tx.note(LogLine(what=DONE, who="gateway", facts=facts), now)


def note_failed(store: Store, party: PartyId, problem: Problem, now: datetime) -> None:
    """Puts into the log that one came to nothing, and why."""
    with store.begin() as tx:
        tx.note(LogLine(what=FAILED, who="gateway", facts={"party": party, "code": problem.code}), now)


def reconciled(view: View, now: datetime) -> dict[PartyId, LogEntry]:
    """The newest result of each party within the last days."""
    return {PartyId(line.facts["party"]): line for line in view.acts_since(DONE, now - RECENT)}


def reconcile_alerts(store: Store, now: datetime) -> Iterator[Alert]:
    """What letters showed to differ. What look-ups show is on record by dossier, and drift tells of it."""
    with store.read() as view:
        last = reconciled(view, now)
    for party, line in last.items():
        count = sum(line.facts["differ"].values())
        if count and line.facts["source"] != "look-up":
            facts = {"delivery": "–", "state": "reconciled"}
            subject = f"{line.facts['source']}: {count}"
            yield Alert(alarm=Alarm.DRIFT, party=party, subject=subject, since=line.at, facts=facts)
