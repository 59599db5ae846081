"""What takes too long for a page: statistics of many messages, the lint of a period. Few are counted at once, many are kept.

`work` makes what is kept (make_wanted), by the same services as `report` and `lint`; pages read it here. A period without an end
reaches up to the moment at which it was counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zlib import compress, decompress

import msgspec

from gateway.core.deadlines import GIO_VIET_NAM, DeadlineRules
from gateway.core.model import PartyId
from gateway.core.problems import Problem
from gateway.core.statistics import By, Period, Tally
from gateway.services import reports
from gateway.services.prepared import MOST_WAITING, Prepared, Tell, look_up_prepared, make_prepared

if TYPE_CHECKING:
    from gateway.core.parties import Parties
    from gateway.services.lint import LintReport
    from gateway.store import Store

AT_ONCE: Final = 4000  # messages, and dated rows of dossiers, that are counted while somebody waits
LINT_AT_ONCE: Final = 15  # dossiers that are looked at while somebody waits
FEW: Final = 20_000  # lines of the log: of so short a record the dossiers of a period are found at once
FINDINGS: Final = 2000  # of a lint that are kept; `lienthong lint` tells all
PAUSE: Final = 1.0  # for a second of looking, `work` leaves its processor to deliveries for so many

_STATISTICS, _LINT = "thong-ke", "soi-766"
_Question = tuple[str, datetime, datetime | None, str, str]  # what, since, until, by, agency


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedStatistics:
    """The counts of a period: those of now, or those that are kept; none where they are not made yet."""

    report: reports.PeriodReport | None
    kept: Prepared | None = None  # None: counted just now


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedLint:
    """The lint of a period, likewise."""

    report: LintReport | None
    kept: Prepared | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptGroup:
    codes: tuple[str, ...]
    now: Tally
    before: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptSender:
    party: str
    rejected: int
    held: int
    codes: tuple[tuple[str, int], ...]
    drift: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptStatistics:
    since: datetime
    until: datetime
    groups: tuple[_KeptGroup, ...]
    senders: tuple[_KeptSender, ...]


def statistics_of(
    store: Store,
    parties: Parties,
    period: tuple[datetime, datetime | None],
    by: By,
    agency: PartyId | None,
    rules: DeadlineRules,
    now: datetime,
    *,
    at_once: int = AT_ONCE,
    again: bool = False,
    most_waiting: int = MOST_WAITING,
) -> PreparedStatistics:
    """The counts of a period, from its beginning to its end or to now."""
    since, until = period[0], max(period[1] or now, period[0] + timedelta(seconds=1))
    if _few(store, Period(since=since, until=until), at_once):
        return PreparedStatistics(report=reports.report(store, parties, since, until, (by,), agency, rules))
    question = _asked(_STATISTICS, since, period[1], by, agency)
    kept = look_up_prepared(store, question, now, again=again, most_waiting=most_waiting)
    made = None if kept.answer is None else _statistics_from(kept.answer, store, parties, by)
    return PreparedStatistics(report=made, kept=kept)


def lint_of_period(
    store: Store,
    parties: Parties,
    period: tuple[datetime, datetime | None],
    agency: PartyId | None,
    now: datetime,
    *,
    most: int,
    at_once: int = LINT_AT_ONCE,
    again: bool = False,
) -> PreparedLint:
    """The lint of the dossiers of a period, with so many of its findings at most."""
    from gateway.services.lint import lint

    since, until = period[0], period[1] or now
    with store.read() as view:
        short = view.log_head().number <= FEW
        if short and len(view.begun(since, until, agency=agency, limit=at_once + 1)) <= at_once:
            return PreparedLint(report=lint(store, parties, since, until, agency=agency, most=most))
    kept = look_up_prepared(store, _asked(_LINT, since, period[1], "", agency), now, again=again)
    return PreparedLint(report=None if kept.answer is None else _lint_from(kept.answer, most), kept=kept)


def make_wanted(
    store: Store,
    parties: Parties,
    rules: DeadlineRules,
    now: Callable[[], datetime],
    stopping: Callable[[], bool],
    rest: Callable[[float], object],
    clock: Callable[[], float],
) -> int:
    """Makes what is wanted; gives how much. ``rest`` sleeps for so many seconds: between pages of dossiers."""

    def make(question: str, tell: Tell) -> bytes:
        what, since, until, by, agency = _understood(question)
        only, end = PartyId(agency) if agency else None, until or now()
        if what == _STATISTICS:
            made = reports.report(store, parties, since, max(end, since + timedelta(seconds=1)), (By(by),), only, rules)
            return _statistics_kept(made)
        return _lint_kept(_looked_at_ease(store, parties, since, end, only, tell, rest, clock))

    return make_prepared(store, make, now, stopping)


def want_usual(store: Store, now: datetime) -> None:
    """This month and the last one by agency, which the console's page of statistics shows first, are made beforehand."""
    this = now.astimezone(GIO_VIET_NAM).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last = (this - timedelta(days=1)).replace(day=1)
    for period in ((this, None), (last, this)):
        since, until = period[0], period[1] or now
        if not _few(store, Period(since=since, until=until), AT_ONCE):
            look_up_prepared(store, _asked(_STATISTICS, since, period[1], By.AGENCY, None), now)


def _few(store: Store, period: Period, most: int) -> bool:
    """Whether so little happened in a period and the one before it that it is counted while somebody waits."""
    both = Period(since=period.before().since, until=period.until)
    with store.read() as view:
        return (
            view.log_head().number - view.milestones_upto() <= most
            and view.count_messages(since=both.since, until=both.until, most=most) <= most
            and view.lives_in(both, most) <= most
        )


def _asked(what: str, since: datetime, until: datetime | None, by: str, agency: str | None) -> str:
    """A question in its one form."""
    moments = [None if at is None else at.astimezone(GIO_VIET_NAM).isoformat() for at in (since, until)]
    return msgspec.json.encode([what, *moments, by, agency or ""]).decode()


def _understood(question: str) -> _Question:
    asked: _Question = msgspec.json.decode(question, type=_Question)
    return asked


def _statistics_kept(made: reports.PeriodReport) -> bytes:
    codes = sorted({*made.groups, *made.before})
    kept = _KeptStatistics(
        since=made.period.since,
        until=made.period.until,
        groups=tuple(
            _KeptGroup(codes=one, now=made.groups.get(one, Tally()), before=made.before.get(one, Tally()))
            for one in codes
        ),
        senders=tuple(_KeptSender(party=party, **asdict(one)) for party, one in made.senders.items()),
    )
    return compress(msgspec.json.encode(kept))


def _statistics_from(answer: bytes, store: Store, parties: Parties, by: By) -> reports.PeriodReport:
    kept = msgspec.json.decode(decompress(answer), type=_KeptStatistics)
    with store.read() as view:
        names = reports.code_names(view, parties, (by,))
    return reports.PeriodReport(
        period=Period(since=kept.since, until=kept.until),
        by=(by,),
        groups={one.codes: one.now for one in kept.groups if any(one.now.counts().values())},
        before={one.codes: one.before for one in kept.groups if any(one.before.counts().values())},
        senders={
            PartyId(one.party): reports.SenderFigures(
                rejected=one.rejected, held=one.held, codes=one.codes, drift=one.drift
            )
            for one in kept.senders
        },
        names=names,
    )


def _looked_at_ease(
    store: Store,
    parties: Parties,
    since: datetime,
    until: datetime,
    agency: PartyId | None,
    tell: Tell,
    rest: Callable[[float], object],
    clock: Callable[[], float],
) -> LintReport:
    """The lint, a page of dossiers and a rest in turn."""
    from gateway.services.lint import lint

    began = clock()

    def seen(number: int) -> None:
        nonlocal began
        tell(number)
        rest((clock() - began) * PAUSE)
        began = clock()

    return lint(store, parties, since, until, agency=agency, most=FINDINGS, seen=seen)


def _lint_kept(made: LintReport) -> bytes:
    findings = [
        [one.ma_ho_so, one.agency, one.week, one.rule.id, one.problem.as_dict(), one.times] for one in made.findings
    ]
    weeks = [[one.agency, one.week, one.dossiers, one.weak, dict(one.by_rule)] for one in made.weeks]
    whole = [made.since, made.until, weeks, findings, made.left_out, made.unread]
    return compress(msgspec.json.encode(whole, enc_hook=str))


_KeptLint = tuple[
    datetime,
    datetime,
    Sequence[tuple[str | None, str, int, int, Mapping[str, int]]],
    Sequence[tuple[str, str | None, str, str, dict[str, Any], int]],
    int,
    int,
]


def _lint_from(answer: bytes, most: int) -> LintReport:
    from gateway.services.lint import LintFinding, LintReport, LintWeek
    from schemas.scoring import LINT

    since, until, weeks, findings, left_out, unread = msgspec.json.decode(decompress(answer), type=_KeptLint)
    rules = {one.id: one for one in LINT}
    return LintReport(
        since=since,
        until=until,
        weeks=tuple(
            LintWeek(agency=PartyId(agency) if agency else None, week=week, dossiers=all_, weak=weak, by_rule=by_rule)
            for agency, week, all_, weak, by_rule in weeks
        ),
        findings=tuple(
            LintFinding(
                ma_ho_so=code,
                agency=PartyId(agency) if agency else None,
                week=week,
                rule=rules[rule],
                problem=Problem.from_dict(problem),
                times=times,
            )
            for code, agency, week, rule, problem, times in findings[:most]
            if rule in rules  # of a version that knew others
        ),
        left_out=left_out + max(0, len(findings) - most),
        unread=unread,
    )
