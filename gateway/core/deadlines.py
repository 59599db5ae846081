"""What is due when: NgayHenTra, the six hours of hand-over, transfers, supplements. Pure functions of history and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from enum import StrEnum

from gateway.core.lifecycle import (
    DANG_XU_LY,
    FINISHED_STATES,
    OPEN_STATES,
    WAITS_FOR_APPLICANT,
    YEU_CAU_TAI_CHINH,
    Trace,
)
from gateway.core.model import Dossier

GIO_VIET_NAM = timezone(timedelta(hours=7))  # Asia/Ho_Chi_Minh has been +07:00 all year since 1975


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingCalendar:
    """Working hours and days off. Days off are data: the operator's list (gateway.services.calendars)."""

    holidays: frozenset[date] = frozenset()
    every_year: frozenset[tuple[int, int]] = frozenset()  # (month, day) of holidays that do not move
    since: Mapping[tuple[int, int], int] = field(default_factory=dict)  # of those, the first year of the newer ones
    worked_weekends: frozenset[date] = frozenset()  # days worked instead, as the yearly decision orders
    hours: tuple[tuple[time, time], ...] = ((time(7, 30), time(11, 30)), (time(13, 30), time(17, 0)))
    weekdays: frozenset[int] = field(default_factory=lambda: frozenset(range(5)))  # Monday is 0
    last_checked: date | None = None  # when it was last compared with the notices

    def works(self, day: date) -> bool:
        """Whether the office is open that day."""
        if day in self.worked_weekends:
            return True
        fixed = (day.month, day.day)
        free = day in self.holidays or (fixed in self.every_year and day.year >= self.since.get(fixed, day.year))
        return day.weekday() in self.weekdays and not free

    def covers(self, year: int) -> bool:
        """Whether the days off that move are known for this year."""
        return any(day.year == year for day in self.holidays)

    def add(self, start: datetime, span: timedelta) -> datetime:
        """The instant after so much working time. ``span`` counts open hours only."""
        left, at = span, start.astimezone(GIO_VIET_NAM)
        for _ in range(4000):  # eleven years of days; a calendar without an open day must not hang
            if self.works(at.date()):
                for opens, closes in self.hours:
                    begin = max(at, datetime.combine(at.date(), opens, GIO_VIET_NAM))
                    end = datetime.combine(at.date(), closes, GIO_VIET_NAM)
                    if begin >= end:
                        continue
                    if end - begin >= left:
                        return (begin + left).astimezone(start.tzinfo)
                    left -= end - begin
            at = datetime.combine(at.date() + timedelta(days=1), time(0), GIO_VIET_NAM)
        raise ValueError("the working calendar has no open day in eleven years")


class Due(StrEnum):
    """What is waited for."""

    KET_QUA = "ket-qua"  # NgayHenTra
    CHUYEN_XU_LY = "chuyen-xu-ly"  # the six hours of Art. 4.3.a (R27)
    CHUYEN_HO_SO = "chuyen-ho-so"  # answer to a transfer (HS15)
    BO_SUNG = "bo-sung"  # ThoiHanBoSung


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineRules:
    """How time limits are counted."""

    hand_over_h: float = (
        6.0  # "Sau 6 tiếng": the text does not say clock or working hours; the default is the literal one
    )
    hand_over_in_working_hours: bool = False
    calendar: WorkingCalendar = field(default_factory=WorkingCalendar)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """One time limit of one dossier."""

    what: Due
    due: datetime
    met_at: datetime | None = None  # when it was met; None while it is open

    def late(self, now: datetime) -> bool:
        """Whether it was met too late, or is open and has passed."""
        return (self.met_at or now) > self.due


def deadlines(read: Trace, rules: DeadlineRules) -> tuple[Deadline, ...]:
    """Every time limit that the dossier's history sets, met or open."""
    transfers = (
        Deadline(what=Due.CHUYEN_HO_SO, due=transfer.han_xu_ly, met_at=transfer.returned_at)
        for transfer in read.transfers
        if transfer.han_xu_ly is not None
    )
    found = (_result(read), _hand_over(read, rules), *transfers, _supplement(read))
    return tuple(one for one in found if one is not None)


def _result(read: Trace) -> Deadline | None:
    due = appointment(read)
    if due is None or read.trang_thai not in (*OPEN_STATES, *FINISHED_STATES) or not _runs(read, due):
        return None
    return Deadline(what=Due.KET_QUA, due=due, met_at=read.ngay_ket_thuc)


def _hand_over(read: Trace, rules: DeadlineRules) -> Deadline | None:
    since = read.complete_since
    if since is None:
        return None
    met, due = handed_over(read, since), hand_over_due(since, rules)
    if met is None and not (read.trang_thai in OPEN_STATES and _runs(read, due)):
        return None
    return Deadline(what=Due.CHUYEN_XU_LY, due=due, met_at=met)


def _supplement(read: Trace) -> Deadline | None:
    return Deadline(what=Due.BO_SUNG, due=read.han_bo_sung) if read.han_bo_sung is not None else None


def _runs(read: Trace, due: datetime) -> bool:
    """While the applicant is waited for, limits stand still; one that had passed before that is late all the same."""
    waits = read.spans[-1].since if read.trang_thai in WAITS_FOR_APPLICANT and read.spans else None
    return waits is None or due < waits


def began(read: Trace, dossier: Dossier) -> datetime:
    """When the dossier was filed, or received, or first heard of."""
    first = read.ngay_nop or read.ngay_tiep_nhan or dossier.opened_at
    assert first is not None
    return first


def handed_over(read: Trace, complete_since: datetime) -> datetime | None:
    """When the specialised office took it up, or it was finished without; None while neither."""
    taken_up = (span.since for span in read.spans if span.trang_thai == DANG_XU_LY and span.since >= complete_since)
    return next(taken_up, None) or read.ngay_ket_thuc


def appointment(read: Trace) -> datetime | None:
    """When the result is due of the agency: NgayHenTra, and so much later as money was waited for since it was set.

    Waiting for papers is in NgayHenTra already (lifecycle); waiting for money is not, and is no more the agency's time.
    """
    return appointment_at(read, max((span.since for span in read.spans), default=None))


def appointment_at(read: Trace, at: datetime | None) -> datetime | None:
    """The same as it stood at a moment. What a filing says of its dossier holds from the beginning."""
    if at is None or not read.hen_tra:
        return read.ngay_hen_tra
    at = max(at, read.spans[0].since) if read.spans else at
    known = [(since, due) for since, due in read.hen_tra if since <= at]
    if not known:
        return None
    since, due = known[-1]
    waited = (
        min(span.until, at) - max(span.since, since)
        for span in read.spans
        if span.trang_thai == YEU_CAU_TAI_CHINH and span.until is not None and span.since < at and span.until > since
    )
    return due + sum(waited, timedelta(0))


def hand_over_due(complete_since: datetime, rules: DeadlineRules) -> datetime:
    """The latest moment of the hand-over to the specialised office (Decision 33/2015 Art. 4.3.a)."""
    span = timedelta(hours=rules.hand_over_h)
    if rules.hand_over_in_working_hours:
        return rules.calendar.add(complete_since, span)
    return complete_since + span


def time_in_states(read: Trace, now: datetime) -> dict[int, timedelta]:
    """How long the dossier has been in each state, the present one up to now."""
    total: dict[int, timedelta] = {}
    for span in read.spans:
        total[span.trang_thai] = total.get(span.trang_thai, timedelta(0)) + max(
            (span.until or now) - span.since, timedelta(0)
        )
    return total
