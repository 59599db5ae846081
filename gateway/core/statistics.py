"""Counting dossiers: per service, agency, channel and period (R19–R21, R59, R65, R66). Pure functions of their histories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from gateway.core.deadlines import GIO_VIET_NAM, Deadline, DeadlineRules, Due, deadlines, time_in_states
from gateway.core.effects import Notes
from gateway.core.lifecycle import (
    DA_TRA_KET_QUA,
    DUNG_XU_LY,
    FINISHED_STATES,
    KHONG_TIEP_NHAN,
    OPEN_STATES,
    Trace,
)
from gateway.core.model import Dossier, MaHoSo


class By(StrEnum):
    """What to group by."""

    SERVICE = "dich-vu"  # MaTTHC, its national stem of eight characters
    AGENCY = "co-quan"
    CHANNEL = "kenh"  # KenhThucHien
    MONTH = "thang"  # of filing, or of receipt where it was not filed, at home


UNKNOWN = "–"  # the name of a group where nothing is known of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Messages about a dossier that are no events of its life."""

    asked: int = 0  # queries (HS17)
    recalled: int = 0  # recalls of messages (HS20)


@dataclass(slots=True)
class Tally:
    """Counts of one group, of dossiers where nothing else is said."""

    filed: int = 0  # in the period, received or not
    online: int = 0  # of those, filed online (KenhThucHien 2)
    received: int = 0  # NgayTiepNhan in the period
    refused: int = 0  # refused at receipt
    open: int = 0  # at the end of the period
    finished: int = 0  # NgayKetThucXuLy in the period
    delivered: int = 0  # of those, result delivered
    withdrawn: int = 0
    stopped: int = 0
    on_time: int = 0  # finished, and not after NgayHenTra
    late: int = 0  # finished after NgayHenTra
    overdue: int = 0  # open at the end of the period and past NgayHenTra
    supplemented: int = 0  # with at least one supplement request
    supplemented_twice: int = 0  # with more than one: counted late by the national score
    hand_over_late: int = 0  # complete in the period, and handed over after the six hours of R27 or still not
    transfers_late: int = (
        0  # copies to other agencies (HS14) that were due in the period and answered late or not at all
    )
    events: int = 0  # messages about these dossiers: frequency of use (R19)
    asked: int = 0  # queries (HS17) about these dossiers
    recalled: int = 0  # recalls of messages (HS20) about these dossiers
    rated: int = 0  # with a satisfaction score (HS21) given in the period; the newest one of each counts
    scores: dict[int, int] = field(default_factory=dict)  # how many gave each score, 1 to 5
    seconds_in_state: dict[int, float] = field(default_factory=dict)  # total over the dossiers
    dossiers_in_state: dict[int, int] = field(default_factory=dict)

    def mean_seconds(self) -> dict[int, float]:
        """Mean time per state, in seconds, over the dossiers that were in it."""
        return {state: total / self.dossiers_in_state[state] for state, total in sorted(self.seconds_in_state.items())}

    def mean_score(self) -> float | None:
        """The mean satisfaction score; None where nobody gave one."""
        return sum(score * times for score, times in self.scores.items()) / self.rated if self.rated else None

    def counts(self) -> dict[str, int]:
        """The plain counts by name, in order."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.type == "int"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From an instant, up to but not including another."""

    since: datetime
    until: datetime

    def __contains__(self, at: datetime | None) -> bool:
        return at is not None and self.since <= at < self.until


def tally(
    lives: Iterable[tuple[Dossier, Trace]],
    period: Period,
    by: Sequence[By],
    *,
    rules: DeadlineRules,
    uses: Mapping[MaHoSo, Uses] = MappingProxyType({}),
) -> dict[tuple[str, ...], Tally]:
    """Counts per group; a dossier counts where something of it falls into the period. Groups are in order of their names."""
    groups: dict[tuple[str, ...], Tally] = {}
    for dossier, read in lives:
        if dossier.opened_at is None or began(read, dossier) >= period.until:
            continue
        group = groups.setdefault(tuple(_name(key, dossier, read) for key in by), Tally())
        _count(group, dossier, read, period, rules)
        _use(group, uses.get(dossier.ma_ho_so, Uses()))
    return dict(sorted(groups.items()))


def began(read: Trace, dossier: Dossier) -> datetime:
    """When the dossier was filed, or received, or first heard of."""
    first = read.ngay_nop or read.ngay_tiep_nhan or dossier.opened_at
    assert first is not None
    return first


def use_of_unknown(groups: dict[tuple[str, ...], Tally], by: Sequence[By], uses: Iterable[Uses]) -> None:
    """Enter what is about dossiers that are not on record, under a group of its own."""
    for one in uses:
        _use(groups.setdefault((UNKNOWN,) * len(by), Tally()), one)


def _use(group: Tally, uses: Uses) -> None:
    group.asked += uses.asked
    group.recalled += uses.recalled


def _count(group: Tally, dossier: Dossier, read: Trace, period: Period, rules: DeadlineRules) -> None:
    limits = deadlines(read, rules)
    group.received += read.ngay_tiep_nhan in period
    group.events += sum(change.recorded_at in period for change in dossier.changes)
    if began(read, dossier) in period:
        _count_filed(group, read)
    _count_ends(group, read, period)
    _count_deadlines(group, read, limits, period)
    score = _score(dossier, period)
    if score is not None:
        group.rated += 1
        group.scores[score] = group.scores.get(score, 0) + 1
    for state, span in time_in_states(read, period.until).items():
        if span > timedelta(0):
            group.seconds_in_state[state] = group.seconds_in_state.get(state, 0.0) + span.total_seconds()
            group.dossiers_in_state[state] = group.dossiers_in_state.get(state, 0) + 1


def _count_filed(group: Tally, read: Trace) -> None:
    group.filed += 1
    group.online += read.kenh_thuc_hien == "2"
    group.supplemented += read.supplements > 0
    group.supplemented_twice += read.supplements > 1


def _count_ends(group: Tally, read: Trace, period: Period) -> None:
    if (read.spans[-1].since if read.spans else None) in period:
        group.refused += read.trang_thai == KHONG_TIEP_NHAN
        group.stopped += read.trang_thai == DUNG_XU_LY and not read.withdrawn
        group.withdrawn += read.withdrawn
    if read.ngay_ket_thuc in period and read.trang_thai in FINISHED_STATES and not read.withdrawn:
        group.finished += 1
        group.delivered += read.trang_thai == DA_TRA_KET_QUA
        late = (
            read.ngay_hen_tra is not None and read.ngay_ket_thuc is not None and read.ngay_ket_thuc > read.ngay_hen_tra
        )
        group.late += late
        group.on_time += not late


def _count_deadlines(group: Tally, read: Trace, limits: Sequence[Deadline], period: Period) -> None:
    if read.trang_thai in OPEN_STATES:
        group.open += 1
        group.overdue += any(d.what is Due.KET_QUA and d.late(period.until) for d in limits)
    for deadline in limits:
        if deadline.what is Due.CHUYEN_XU_LY:
            group.hand_over_late += read.complete_since in period and deadline.late(period.until)
        elif deadline.what is Due.CHUYEN_HO_SO:
            group.transfers_late += deadline.due in period and deadline.late(period.until)


def _score(dossier: Dossier, period: Period) -> int | None:
    """The newest satisfaction score given in the period."""
    given = [
        (change.occurred_at, change.number, int(effect.value))
        for change in dossier.changes
        if change.occurred_at in period
        for effect in change.effects
        if isinstance(effect, Notes) and effect.what == "danh-gia" and effect.value is not None
    ]
    return max(given)[2] if given else None


def _name(key: By, dossier: Dossier, read: Trace) -> str:
    match key:
        case By.SERVICE:
            return (dossier.ma_tthc or UNKNOWN)[:8]
        case By.AGENCY:
            return dossier.agency or UNKNOWN
        case By.CHANNEL:
            return read.kenh_thuc_hien or "1"  # null counts as direct
        case By.MONTH:
            return f"{began(read, dossier).astimezone(GIO_VIET_NAM):%Y-%m}"
