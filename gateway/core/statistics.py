"""Counting dossiers: per service, agency, channel and period (R19–R21, R59, R65, R66). What is counted, and how counts add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum

from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.milestones import month_after


class By(StrEnum):
    """What to group by."""

    SERVICE = "dich-vu"  # MaTTHC, its national stem of eight characters
    AGENCY = "co-quan"
    CHANNEL = "kenh"  # KenhThucHien
    MONTH = "thang"  # of filing, or of receipt where it was not filed, at home


UNKNOWN = "–"  # the name of a group where nothing is known of it


@dataclass(slots=True)
class Tally:
    """Counts of one group, of dossiers where nothing else is said. All of them can be added up."""

    filed: int = 0  # in the period, received or not
    online: int = 0  # of those, filed online (KenhThucHien 2)
    received: int = 0  # NgayTiepNhan in the period
    refused: int = 0  # refused at receipt
    finished: int = 0  # NgayKetThucXuLy in the period
    early: int = 0  # of those: on a day before the appointment
    on_time: int = 0  # on the day of the appointment, and not after it
    late: int = 0  # after it
    undated: int = 0  # without an appointment: neither on time nor late
    delivered: int = 0  # result handed over in the period
    withdrawn: int = 0
    stopped: int = 0
    open: int = 0  # at the end of the period
    overdue: int = 0  # of those: past the appointment, the applicant not being waited for
    waiting: int = 0  # of those that are not: waiting for a supplement or for money
    open_undated: int = 0  # of the rest: without an appointment
    supplemented: int = 0  # asked for a first supplement in the period
    supplemented_twice: int = 0  # for a second one: counted late by the national score
    hand_over_late: int = 0  # complete in the period, and handed over after the six hours of R27 or still not
    transfers_late: int = (
        0  # copies to other agencies (HS14) that were due in the period and answered late or not at all
    )
    events: int = 0  # messages about these dossiers: frequency of use (R19)
    asked: int = 0  # queries (HS17) about these dossiers
    recalled: int = 0  # recalls of messages (HS20) about these dossiers
    rated: int = 0  # with a satisfaction score (HS21) given in the period; the newest one of each counts
    scores: dict[int, int] = field(default_factory=dict)  # how many gave each score, 1 to 5
    seconds_in_state: dict[int, float] = field(default_factory=dict)  # of the stays that ended in the period
    dossiers_in_state: dict[int, int] = field(default_factory=dict)  # that left it in the period

    def mean_seconds(self) -> dict[int, float]:
        """Mean time per state, in seconds, over the dossiers that left it in the period."""
        return {state: total / self.dossiers_in_state[state] for state, total in sorted(self.seconds_in_state.items())}

    def mean_score(self) -> float | None:
        """The mean satisfaction score; None where nobody gave one."""
        return sum(score * times for score, times in self.scores.items()) / self.rated if self.rated else None

    def counts(self) -> dict[str, int]:
        """The plain counts by name, in order."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.type == "int"}

    def add(self, other: Tally) -> None:
        """Adds the counts of another group."""
        for name, number in other.counts().items():
            setattr(self, name, getattr(self, name) + number)
        for state, seconds in other.seconds_in_state.items():
            self.seconds_in_state[state] = self.seconds_in_state.get(state, 0.0) + seconds
        for mine, theirs in ((self.scores, other.scores), (self.dossiers_in_state, other.dossiers_in_state)):
            for key, times in theirs.items():
                mine[key] = mine.get(key, 0) + times


def total(groups: Iterable[Tally]) -> Tally:
    """All groups together."""
    whole = Tally()
    for group in groups:
        whole.add(group)
    return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From an instant, up to but not including another."""

    since: datetime
    until: datetime

    def __contains__(self, at: datetime | None) -> bool:
        return at is not None and self.since <= at < self.until

    def before(self) -> Period:
        """The period of the same length before this one: as many months, where it begins and ends with months at home."""
        since, until = self.since.astimezone(GIO_VIET_NAM), self.until.astimezone(GIO_VIET_NAM)
        months, at = 0, since
        if _begins_a_month(since):
            while at < until:
                at, months = month_after(at), months + 1
        if months and at == until:
            years, month = divmod(since.year * 12 + since.month - 1 - months, 12)
            return Period(since=since.replace(year=years, month=month + 1), until=self.since)
        return Period(since=self.since - (self.until - self.since), until=self.since)


def _begins_a_month(at: datetime) -> bool:
    return (at.day, at.hour, at.minute, at.second, at.microsecond) == (1, 0, 0, 0, 0)
