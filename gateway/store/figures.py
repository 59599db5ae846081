"""Counting on record: periods and time limits, asked of table milestone. Reads the months that are asked for, and no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
)

from gateway.core.deadlines import GIO_VIET_NAM, DeadlineRules, hand_over_due
from gateway.core.lifecycle import OPEN_STATES, WAITS_FOR_APPLICANT
from gateway.core.milestones import MilestoneKind, Punctuality
from gateway.core.model import DeliveryState, Fate, MaHoSo, PartyId
from gateway.core.statistics import UNKNOWN, By, Period, Tally
from gateway.store import rows, tables

_m, _d, _k = tables.message, tables.dossier, tables.milestone
_f = tables.milestone.alias("first")  # the row of a dossier's beginning
ONLINE = "2"  # KenhThucHien
_UNKNOWN = literal_column(f"'{UNKNOWN}'", String)  # no parameter: PostgreSQL would not know it again in GROUP BY
_INSTANT = timedelta(microseconds=1)
SLICE: Final = 10_000  # rows that one statement groups: SQLite sorts them in memory, all that are grouped at once
_BESIDE = ("HS02", "HS17", "HS18", "HS19", "HS20")  # about a dossier without being events of its life

Groups = dict[tuple[str, ...], Tally]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLimit:
    """One time limit that is open, by its mark; `due` of a hand-over is when the dossier was complete."""

    ma_ho_so: MaHoSo
    agency: PartyId | None
    trang_thai: int | None
    mark: MilestoneKind
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unaccepted:
    """Messages of one sender that were rejected, or are held, for one cause."""

    party: PartyId
    state: Fate
    code: str | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRow:
    """One dossier in the register of a period: codes, states and times, no person."""

    ma_ho_so: MaHoSo
    ma_tthc: str | None
    agency: PartyId | None
    trang_thai: int | None
    channel: str
    ngay_tiep_nhan: datetime
    ngay_hen_tra: datetime | None
    ngay_ket_thuc: datetime | None
    punctuality: Punctuality | None
    delivered_at: datetime | None


def _is(mark: MilestoneKind) -> ColumnElement[bool]:
    """As a literal: a partial index is used only where the statement itself says that it fits."""
    return _k.c.kind == literal_column(f"'{mark.value}'", String)


def _key(by: By) -> ColumnElement[Any]:
    match by:
        case By.SERVICE:
            stem = func.substr(_d.c.ma_tthc, literal_column("1"), literal_column("8"))
            return func.coalesce(stem, _UNKNOWN)
        case By.AGENCY:
            return func.coalesce(_d.c.agency, _UNKNOWN)
        case By.CHANNEL:
            return func.coalesce(_f.c.value, _UNKNOWN)
        case By.MONTH:
            return func.coalesce(_f.c.month, _UNKNOWN)


class Figures:
    """The questions that are answered with numbers. One snapshot, as all of a View."""

    def __init__(self, connection: Connection) -> None:
        """The transaction is the caller's."""
        self._connection = connection

    def _one(self, statement: Select[Any], **values: Any) -> rows.AnyRow | None:
        return self._connection.execute(statement, values).first()

    def _all(self, statement: Any, **values: Any) -> Iterable[rows.AnyRow]:
        return self._connection.execute(statement, values).all()

    @contextmanager
    def _joined_by_index(self) -> Iterator[None]:
        """The rows of a period are joined to their dossiers one by one, however many there ever were.

        Left to itself PostgreSQL reads all dossiers there ever were for each question and span of time, up to some hundred
        thousand of them, as it takes a page found by an index for four; for a month that is no quicker at four months already.
        """
        if self._connection.dialect.name != "postgresql":
            yield
            return
        self._connection.exec_driver_sql("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
        yield  # where this raises, the transaction is over, and with it what was set
        self._connection.exec_driver_sql("SET LOCAL enable_hashjoin TO DEFAULT; SET LOCAL enable_mergejoin TO DEFAULT")

    # Periods

    def tallies(self, period: Period, by: Sequence[By], rules: DeadlineRules, agency: PartyId | None = None) -> Groups:
        """What happened in a period and how things stood at its end, by group, as the history reads today."""
        with self._joined_by_index():
            return self._tallies(_PeriodQuestions(period, tuple(by), agency), rules)

    def _tallies(self, asked: _PeriodQuestions, rules: DeadlineRules) -> Groups:
        groups: Groups = {}
        for question, enter in (
            *((one, _enter_done) for one in asked.done()),
            (asked.stays(), _enter_stay),
            (asked.supplements(), _enter_supplement),
            (asked.transfers(), _enter_transfer),
            *((one, _enter_standing) for one in asked.standing()),
            (asked.messages(), _enter_messages),
        ):
            for row in self._sliced(question):
                enter(groups.setdefault(asked.names(row), Tally()), row)
        self._late_hand_overs(asked, rules, groups)
        return dict(sorted((names, tally) for names, tally in groups.items() if any(tally.counts().values())))

    def _late_hand_overs(self, asked: _PeriodQuestions, rules: DeadlineRules, groups: Groups) -> None:
        limit = timedelta(hours=rules.hand_over_h)
        if not rules.hand_over_in_working_hours:
            for row in self._sliced(asked.hand_overs(limit)):
                groups.setdefault(asked.names(row), Tally()).hand_over_late += row.number
            return
        for row in self._sliced(asked.long_hand_overs(limit)):  # nights and days off are no arithmetic of a database
            if (row.until or asked.period.until) > hand_over_due(row.at, rules):
                groups.setdefault(asked.names(row), Tally()).hand_over_late += 1

    def _sliced(self, question: _Sliced) -> Iterator[rows.AnyRow]:
        """The question's rows, of one span of time after another: what a group comes to is the sum of its rows."""
        since, at = question.since, question.at
        while True:
            span = [*question.among, at < question.until, *([] if since is None else [at >= since])]
            end = self._moment(select(at).where(*span).order_by(at).offset(SLICE))
            if end is not None and end == since:  # more than that many at this very moment
                end = self._moment(select(at).where(*span, at > since).order_by(at))
            upto = question.until if end is None else end
            begins = [] if since is None else [at >= since]
            yield from self._all(question.found.where(*begins, at < upto).group_by(*question.keys))
            if end is None:
                return
            since = end

    def _moment(self, found: Select[Any]) -> datetime | None:
        moment: datetime | None = self._connection.execute(found.limit(1)).scalar()
        return moment

    def unaccepted(self, period: Period, party: PartyId | None = None) -> list[Unaccepted]:
        """Rejected and held messages of a period, by sender and first code; the commonest first."""
        counted: Counter[tuple[PartyId, Fate, str | None]] = Counter()
        for state in [one for one in Fate if one is not Fate.ACCEPTED]:
            among = (_m.c.state != literal_column("'accepted'", String), _m.c.state == state.value)
            found = select(_m.c.party, _m.c.state, _m.c.code, func.count().label("number")).where(*among)
            if party is not None:
                found = found.where(_m.c.party == party)
            keys = (_m.c.party, _m.c.state, _m.c.code)
            for row in self._sliced(_Sliced(found, _m.c.received_at, among, period.since, period.until, keys)):
                counted[row.party, state, row.code] += row.number
        return [
            Unaccepted(party=sender, state=state, code=code, count=number)
            for (sender, state, code), number in sorted(
                counted.items(), key=lambda one: (one[0][0], -one[1], one[0][2] or "", one[0][1])
            )
        ]

    def unknown_there(self) -> dict[PartyId, int]:
        """Dossiers of each agency of which somebody does not know the newest now, or believes otherwise."""
        t, d = tables.told, tables.delivery
        final = [literal_column(f"'{state.value}'", String) for state in DeliveryState if state.is_final]
        behind = select(d.c.lane.label("ma_ho_so")).where(d.c.state.not_in(final))
        otherwise = select(t.c.ma_ho_so).where(t.c.differs == literal_column("true"))
        either = behind.union(otherwise).subquery()
        found = select(_d.c.agency, func.count().label("number")).join(either, either.c.ma_ho_so == _d.c.ma_ho_so)
        found = found.where(_d.c.agency.is_not(None)).group_by(_d.c.agency)
        with self._joined_by_index():
            return {row.agency: row.number for row in self._all(found)}

    def register(self, period: Period, agency: PartyId | None = None, limit: int = 1000) -> list[RegisterRow]:
        """The dossiers received in a period, in the order of receipt."""
        end, out = tables.milestone.alias("ended"), tables.milestone.alias("out")
        received = select(
            _k.c.at,
            _d,
            _f.c.value.label("channel"),
            end.c.at.label("done"),
            end.c.value.label("punctuality"),
            out.c.at.label("delivered"),
        ).select_from(
            _k.join(_d, _d.c.ma_ho_so == _k.c.ma_ho_so)
            .join(_f, and_(_f.c.ma_ho_so == _k.c.ma_ho_so, _f.c.number == 0))
            .outerjoin(end, _last(end, MilestoneKind.FINISHED))
            .outerjoin(out, _last(out, MilestoneKind.DELIVERED))
        )
        received = received.where(_is(MilestoneKind.RECEIVED), _k.c.at >= period.since, _k.c.at < period.until)
        if agency is not None:
            received = received.where(_d.c.agency == agency)
        with self._joined_by_index():
            found = self._all(received.order_by(_k.c.at, _k.c.ma_ho_so).limit(limit))
        return [
            RegisterRow(
                ma_ho_so=row.ma_ho_so,
                ma_tthc=row.ma_tthc,
                agency=row.agency,
                trang_thai=row.trang_thai,
                channel=row.channel,
                ngay_tiep_nhan=row.at,
                ngay_hen_tra=row.ngay_hen_tra,
                ngay_ket_thuc=row.done,
                punctuality=Punctuality(row.punctuality) if row.punctuality else None,
                delivered_at=row.delivered,
            )
            for row in found
        ]

    # Time limits

    def open_limits(self, before: datetime, hand_over: timedelta, agency: PartyId | None = None) -> list[OpenLimit]:
        """Time limits of open dossiers that end before a moment; those of hand-overs may end later, in working hours."""
        marks = [MilestoneKind.OPEN, MilestoneKind.SUPPLEMENT, MilestoneKind.TRANSFER]
        found = select(_k.c.ma_ho_so, _k.c.kind, _k.c.due, _d.c.agency, _d.c.trang_thai)
        found = found.join(_d, _d.c.ma_ho_so == _k.c.ma_ho_so).where(
            _k.c.until.is_(None),
            _k.c.due.is_not(None),
            or_(
                and_(_k.c.kind.in_([mark.value for mark in marks]), _k.c.due <= before),
                and_(_k.c.kind == MilestoneKind.HAND_OVER.value, _k.c.due <= before - hand_over),
            ),
            _d.c.trang_thai.in_(sorted(OPEN_STATES)),
        )
        if agency is not None:
            found = found.where(_d.c.agency == agency)
        return [
            OpenLimit(
                ma_ho_so=row.ma_ho_so,
                agency=row.agency,
                trang_thai=row.trang_thai,
                mark=MilestoneKind(row.kind),
                due=row.due,
            )
            for row in self._all(found)
        ]

    def due_by_day(
        self, now: datetime, ends: Sequence[datetime], agency: PartyId | None = None
    ) -> dict[PartyId | None, tuple[int, ...]]:
        """How many appointments of open dossiers have passed, and how many will between each of these ends and the next one.

        By agency. An appointment has passed when its moment is over; the first of the spans begins now.
        """
        spans = zip([now, *ends[:-1]], ends, strict=True)
        counts = [func.sum(case((_k.c.due < now, 1), else_=0)).label("passed")]
        counts += [
            func.sum(case((and_(_k.c.due >= since, _k.c.due < until), 1), else_=0)).label(f"span{number}")
            for number, (since, until) in enumerate(spans)
        ]
        found = _appointments(select(_d.c.agency, *counts), ends[-1], agency).group_by(_d.c.agency)
        return {row.agency: tuple(map(int, row[1:])) for row in self._all(found)}

    def due_first(
        self, now: datetime, before: datetime, agency: PartyId | None = None, limit: int = 50
    ) -> list[OpenLimit]:
        """The open dossiers whose appointments will pass before a moment, the next one first."""
        found = _appointments(select(_k.c.ma_ho_so, _k.c.due, _d.c.agency, _d.c.trang_thai), before, agency)
        found = found.where(_k.c.due >= now).order_by(_k.c.due, _k.c.ma_ho_so).limit(limit)
        return [
            OpenLimit(
                ma_ho_so=row.ma_ho_so,
                agency=row.agency,
                trang_thai=row.trang_thai,
                mark=MilestoneKind.OPEN,
                due=row.due,
            )
            for row in self._all(found)
        ]

    def with_waiting_events(self, before: datetime, limit: int) -> list[MaHoSo]:
        """Dossiers with an event that has been waiting for an earlier one since before this moment."""
        found = select(_k.c.ma_ho_so).distinct()
        found = found.join(_d, _d.c.ma_ho_so == _k.c.ma_ho_so).where(
            _k.c.kind == MilestoneKind.WAITING.value,
            _k.c.until.is_(None),
            _k.c.due.is_not(None),
            _k.c.due < before,
            _d.c.trang_thai.in_(sorted(OPEN_STATES)),
        )
        return [row.ma_ho_so for row in self._all(found.order_by(_k.c.ma_ho_so).limit(limit))]

    # What the rows follow from

    def touched(self, after: int, upto: int) -> list[MaHoSo]:
        """The dossiers of which the log tells something new between two of its numbers, the second one included."""
        line = tables.log
        between = and_(line.c.number > after, line.c.number <= upto)
        events = select(_m.c.ma_ho_so).distinct().join(line, line.c.message == _m.c.id)
        told = line.c.what.in_(("message.accepted", "dossier.reprojected"))
        events = events.where(between, told, _m.c.ma_ho_so.is_not(None))
        released = select(line.c.facts).where(between, line.c.what == "dossier.released", line.c.message.is_(None))
        codes = {row.ma_ho_so for row in self._all(events)}
        return sorted(codes | {row.facts["ma_ho_so"] for row in self._all(released)})


def _last(end: FromClause, mark: MilestoneKind) -> ColumnElement[bool]:
    """The row of this kind that nothing has undone."""
    return and_(end.c.ma_ho_so == _k.c.ma_ho_so, end.c.kind == mark.value, end.c.until.is_(None))


@dataclass(frozen=True, slots=True)
class _Sliced:
    """A question whose rows may be asked for span by span: each group's numbers are sums over rows."""

    found: Select[Any]
    at: ColumnElement[Any]  # the moment by which its rows lie in an index
    among: tuple[ColumnElement[bool], ...]  # the rows of that index which it is about
    since: datetime | None
    until: datetime
    keys: tuple[ColumnElement[Any], ...]  # what it is grouped by; nothing: rows


@dataclass(frozen=True, slots=True)
class _PeriodQuestions:
    """A period's questions, each of rows that lie in one index by their time."""

    period: Period
    by: tuple[By, ...]
    agency: PartyId | None

    def names(self, row: rows.AnyRow) -> tuple[str, ...]:
        """The group of a row."""
        return tuple(str(row[place]) for place in range(len(self.by)))

    def _keys(self) -> list[ColumnElement[Any]]:
        return [_key(by).label(f"key{place}") for place, by in enumerate(self.by)]

    def _from(self, start: FromClause, code: ColumnElement[Any], *, outer: bool = False) -> FromClause:
        joined = start.join(_d, _d.c.ma_ho_so == code, isouter=outer)
        if {By.CHANNEL, By.MONTH} & set(self.by):
            joined = joined.join(_f, and_(_f.c.ma_ho_so == code, _f.c.number == 0), isouter=outer)
        return joined

    def _of(self, *columns: Any) -> Select[Any]:
        found = select(*self._keys(), *columns).select_from(self._from(_k, _k.c.ma_ho_so))
        return found if self.agency is None else found.where(_d.c.agency == self.agency)

    def _marked(self, mark: MilestoneKind, found: Select[Any], *keys: ColumnElement[Any]) -> _Sliced:
        """Of the rows of this kind whose moment lies in the period."""
        of = (_is(mark),)
        return _Sliced(found.where(*of), _k.c.at, of, self.period.since, self.period.until, (*self._keys(), *keys))

    def done(self) -> list[_Sliced]:
        """What happened in the period and still held at its end."""
        what = (_k.c.kind, _k.c.value)
        found = self._of(*what, func.count().label("number")).where(_stands(self.period.until))
        return [self._marked(mark, found, *what) for mark in map(MilestoneKind, _DONE)]

    def stays(self) -> _Sliced:
        """States that were left in the period, and how long dossiers had been in them."""
        earlier = tables.milestone.alias("earlier")  # a dossier counts once for each state, with its first stay in it
        before: Select[Any] = select(1).where(
            earlier.c.ma_ho_so == _k.c.ma_ho_so,
            earlier.c.number < _k.c.number,
            earlier.c.kind == _k.c.kind,
            earlier.c.trang_thai == _k.c.trang_thai,
            earlier.c.at >= self.period.since,
            earlier.c.at < self.period.until,
        )
        first = case((before.correlate(_k).exists(), 0), else_=1)
        sums = (func.sum(first).label("number"), func.sum(_k.c.seconds).label("seconds"))
        return self._marked(MilestoneKind.STAY, self._of(_k.c.trang_thai, *sums), _k.c.trang_thai)

    def supplements(self) -> _Sliced:
        """First and second requests for a supplement."""
        found = self._of(_k.c.value, func.count().label("number")).where(_k.c.value.in_(["1", "2"]))
        return self._marked(MilestoneKind.SUPPLEMENT, found, _k.c.value)

    def transfers(self) -> _Sliced:
        """Answers to transfers that were due in the period, and came late or not at all."""
        until = self.period.until
        late = or_(_k.c.until > _k.c.due, and_(_k.c.until.is_(None), _k.c.due < until))
        return self._marked(MilestoneKind.TRANSFER, self._of(func.count().label("number")).where(late))

    def hand_overs(self, limit: timedelta) -> _Sliced:
        """Dossiers that were complete in the period and handed over after so much time, or still not."""
        return self._marked(MilestoneKind.HAND_OVER, self._late(self._of(func.count().label("number")), limit))

    def long_hand_overs(self, limit: timedelta) -> _Sliced:
        """The same, one row each: working hours never end sooner than elapsed ones."""
        of = (_is(MilestoneKind.HAND_OVER),)
        found = self._late(self._of(_k.c.at, _k.c.until), limit).where(*of)
        return _Sliced(found, _k.c.at, of, self.period.since, self.period.until, ())

    def _late(self, found: Select[Any], limit: timedelta) -> Select[Any]:
        still = and_(_k.c.seconds.is_(None), _k.c.at < self.period.until - limit)
        return found.where(or_(_k.c.seconds > limit.total_seconds(), still))

    def standing(self) -> list[_Sliced]:
        """What was open at the end of the period: rows of its last month that had not ended, and those that never did."""
        until = self.period.until
        begins = (until - _INSTANT).astimezone(GIO_VIET_NAM).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        what = (_k.c.trang_thai, _k.c.value)
        sums = (func.count().label("number"), func.sum(case((_k.c.due < until, 1), else_=0)).label("overdue"))
        of, never = (_is(MilestoneKind.OPEN),), (_is(MilestoneKind.OPEN), _k.c.until.is_(None))
        still, keys = self._of(*what, *sums), (*self._keys(), *what)
        return [
            _Sliced(still.where(*of, _k.c.until >= until), _k.c.at, of, begins, until, keys),
            _Sliced(still.where(*never), _k.c.at, never, None, until, keys),
        ]

    def messages(self) -> _Sliced:
        """Accepted messages of the period by what they are, about dossiers on record or not."""
        what = (_m.c.loai, _m.c.goc, _d.c.ma_ho_so.is_not(None).label("known"))
        found = select(*self._keys(), *what, func.count().label("number"))
        found = found.select_from(self._from(_m, _m.c.ma_ho_so, outer=True)).where(
            _m.c.state == Fate.ACCEPTED.value, or_(_m.c.ma_ho_so.is_not(None), _m.c.goc.in_(_USES))
        )
        if self.agency is not None:
            found = found.where(_d.c.agency == self.agency)
        keys = (*self._keys(), _m.c.loai, _m.c.goc, _d.c.ma_ho_so.is_not(None))
        return _Sliced(found, _m.c.received_at, (), self.period.since, self.period.until, keys)


def _stands(until: datetime) -> ColumnElement[bool]:
    """Nothing had undone it by then."""
    return or_(_k.c.until.is_(None), _k.c.until >= until)


_DONE = {
    MilestoneKind.FILED.value: "filed",
    MilestoneKind.RECEIVED.value: "received",
    MilestoneKind.REFUSED.value: "refused",
    MilestoneKind.STOPPED.value: "stopped",
    MilestoneKind.WITHDRAWN.value: "withdrawn",
    MilestoneKind.FINISHED.value: "finished",
    MilestoneKind.DELIVERED.value: "delivered",
    MilestoneKind.RATED.value: "rated",
}
_PUNCTUAL = {
    Punctuality.EARLY.value: "early",
    Punctuality.ON_TIME.value: "on_time",
    Punctuality.LATE.value: "late",
    Punctuality.UNDATED.value: "undated",
}
_USES = {"TraCuuHoSo": "asked", "ThuHoiThongDiep": "recalled"}


def _add(tally: Tally, name: str, number: int) -> None:
    setattr(tally, name, getattr(tally, name) + number)


def _enter_done(tally: Tally, row: rows.AnyRow) -> None:
    _add(tally, _DONE[row.kind], row.number)
    if row.kind == MilestoneKind.FILED.value and row.value == ONLINE:
        tally.online += row.number
    elif row.kind == MilestoneKind.FINISHED.value:
        _add(tally, _PUNCTUAL[row.value], row.number)
    elif row.kind == MilestoneKind.RATED.value:
        score = int(row.value)
        tally.scores[score] = tally.scores.get(score, 0) + row.number


def _enter_stay(tally: Tally, row: rows.AnyRow) -> None:
    state = row.trang_thai
    tally.seconds_in_state[state] = tally.seconds_in_state.get(state, 0.0) + float(row.seconds)
    tally.dossiers_in_state[state] = tally.dossiers_in_state.get(state, 0) + row.number


def _enter_supplement(tally: Tally, row: rows.AnyRow) -> None:
    _add(tally, "supplemented" if row.value == "1" else "supplemented_twice", row.number)


def _enter_transfer(tally: Tally, row: rows.AnyRow) -> None:
    tally.transfers_late += row.number


def _enter_standing(tally: Tally, row: rows.AnyRow) -> None:
    tally.open += row.number
    overdue = int(row.overdue or 0)
    tally.overdue += overdue
    if row.trang_thai in WAITS_FOR_APPLICANT:
        tally.waiting += row.number - overdue
    elif row.value == Punctuality.UNDATED.value:
        tally.open_undated += row.number - overdue


def _enter_messages(tally: Tally, row: rows.AnyRow) -> None:
    use = _USES.get(row.goc)
    if use is not None:
        _add(tally, use, row.number)
    elif row.known and row.loai not in _BESIDE:
        tally.events += row.number


__all__ = ["Figures", "Groups", "OpenLimit", "RegisterRow", "Unaccepted"]


def _appointments(asked: Select[Any], before: datetime, agency: PartyId | None) -> Select[Any]:
    """The appointments of open dossiers before a moment: the row of how each stands now, where no applicant is waited for."""
    found = asked.join_from(_k, _d, _d.c.ma_ho_so == _k.c.ma_ho_so).where(
        _k.c.kind == MilestoneKind.OPEN.value, _k.c.until.is_(None), _k.c.due.is_not(None), _k.c.due < before
    )
    return found if agency is None else found.where(_d.c.agency == agency)
