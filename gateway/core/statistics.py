"""Counting dossiers: per service, agency, channel and period (R19–R21, R59, R65, R66). Pure functions of their histories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.core.deadlines import time_in_states
from gateway.core.lifecycle import (
    DA_TRA_KET_QUA,
    DUNG_XU_LY,
    FINISHED_STATES,
    KHONG_TIEP_NHAN,
    OPEN_STATES,
    Trace,
)
from gateway.core.model import Dossier


class By(StrEnum):
    """What to group by."""

    SERVICE = "dich-vu"  # MaTTHC, its national stem of eight characters
    AGENCY = "co-quan"
    CHANNEL = "kenh"  # KenhThucHien
    MONTH = "thang"  # of receipt, or of filing where not received


@dataclass(slots=True)
class Tally:
    """Counts of one group. All are numbers of dossiers but the two at the end."""

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
    supplemented_twice: int = 0  # with more than one: counted late by the national score (domain section 6.3)
    events: int = 0  # messages about these dossiers: frequency of use (R19)
    seconds_in_state: dict[int, float] = field(default_factory=dict)  # total over the dossiers
    dossiers_in_state: dict[int, int] = field(default_factory=dict)

    def mean_seconds(self) -> dict[int, float]:
        """Mean time per state, in seconds, over the dossiers that were in it."""
        return {state: total / self.dossiers_in_state[state] for state, total in sorted(self.seconds_in_state.items())}

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


def tally(lives: Iterable[tuple[Dossier, Trace]], period: Period, by: Sequence[By]) -> dict[tuple[str, ...], Tally]:
    """Counts per group; a dossier counts where something of it falls into the period. Groups are in order of their names."""
    groups: dict[tuple[str, ...], Tally] = {}
    for dossier, read in lives:
        if dossier.opened_at is None or began(read, dossier) >= period.until:
            continue
        group = groups.setdefault(tuple(_name(key, dossier, read) for key in by), Tally())
        _count(group, dossier, read, period)
    return dict(sorted(groups.items()))


def began(read: Trace, dossier: Dossier) -> datetime:
    """When the dossier was filed, or received, or first heard of."""
    first = read.ngay_nop or read.ngay_tiep_nhan or dossier.opened_at
    assert first is not None
    return first


def _count(group: Tally, dossier: Dossier, read: Trace, period: Period) -> None:
    if began(read, dossier) in period:
        group.filed += 1
        group.online += read.kenh_thuc_hien == "2"
        group.supplemented += read.supplements > 0
        group.supplemented_twice += read.supplements > 1
    group.received += read.ngay_tiep_nhan in period
    group.events += sum(change.recorded_at in period for change in dossier.changes)
    entered = read.spans[-1].since if read.spans else None
    group.refused += read.trang_thai == KHONG_TIEP_NHAN and entered in period
    group.stopped += read.trang_thai == DUNG_XU_LY and not read.withdrawn and entered in period
    group.withdrawn += read.withdrawn and entered in period
    if read.ngay_ket_thuc in period and read.trang_thai in FINISHED_STATES and not read.withdrawn:
        group.finished += 1
        group.delivered += read.trang_thai == DA_TRA_KET_QUA
        late = (
            read.ngay_hen_tra is not None and read.ngay_ket_thuc is not None and read.ngay_ket_thuc > read.ngay_hen_tra
        )
        group.late += late
        group.on_time += not late
    if read.trang_thai in OPEN_STATES:
        group.open += 1
        group.overdue += read.ngay_hen_tra is not None and read.ngay_hen_tra < period.until
    for state, span in time_in_states(read, period.until).items():
        if span > timedelta(0):
            group.seconds_in_state[state] = group.seconds_in_state.get(state, 0.0) + span.total_seconds()
            group.dossiers_in_state[state] = group.dossiers_in_state.get(state, 0) + 1


def _name(key: By, dossier: Dossier, read: Trace) -> str:
    match key:
        case By.SERVICE:
            return (dossier.ma_tthc or "–")[:8]
        case By.AGENCY:
            return dossier.agency or "–"
        case By.CHANNEL:
            return read.kenh_thuc_hien or "1"  # null counts as direct (domain section 6.3)
        case By.MONTH:
            return f"{began(read, dossier):%Y-%m}"
