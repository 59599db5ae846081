"""What a dossier's life comes to in dated rows, so that periods and time limits are asked of the database and not read dossier by
dossier. Pure: everything follows from the history (lifecycle.trace) and can be made anew from it at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.core.deadlines import GIO_VIET_NAM, appointment_at, began, handed_over
from gateway.core.effects import Moves, Notes
from gateway.core.lifecycle import (
    DA_TRA_KET_QUA,
    DUNG_XU_LY,
    DUOC_TIEP_NHAN,
    FINISHED_STATES,
    KHONG_TIEP_NHAN,
    OPEN_STATES,
    TRA_LAI,
    WAITS_FOR_APPLICANT,
    YEU_CAU_BO_SUNG,
    YEU_CAU_RUT,
    Reading,
    Span,
    Trace,
)
from gateway.core.model import Dossier

DIRECT = "1"  # KenhThucHien; null counts as direct


class MilestoneKind(StrEnum):
    """What a row says."""

    FILED = (
        "filed"  # the first row of each dossier: when it began; value: the channel; month: of its beginning, at home
    )
    RECEIVED = "received"  # NgayTiepNhan
    OPEN = "open"  # how it stood from then to then while it was open; due: when it is late; value: dated or undated
    REFUSED = "refused"
    STOPPED = "stopped"
    WITHDRAWN = "withdrawn"
    FINISHED = "finished"  # NgayKetThucXuLy; value: a Punctuality
    DELIVERED = "delivered"
    STAY = "stay"  # a state was left: seconds in it
    SUPPLEMENT = "supplement"  # asked for; due: ThoiHanBoSung; value: the how manieth
    HAND_OVER = (
        "hand-over"  # the six hours of R27: counted from `at`, which `due` repeats; until: when met; seconds: taken
    )
    TRANSFER = "transfer"  # at and due: when another agency was to answer; until: when it did
    RATED = "rated"  # value: the score
    WAITING = "waiting"  # an event that waits for an earlier one, recorded at `at`, which `due` repeats


class Punctuality(StrEnum):
    """How a finished dossier stands to its appointment."""

    EARLY = "early"  # trước hạn: on a day before
    ON_TIME = "on-time"  # đúng hạn: on the day, and not after the hour
    LATE = "late"  # quá hạn
    UNDATED = "undated"  # chưa có hẹn: nobody ever said when


DATED = "dated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """One dated row. What ended, or was undone later, says when (``until``)."""

    kind: MilestoneKind
    at: datetime
    until: datetime | None = None
    due: datetime | None = None
    trang_thai: int | None = None
    seconds: float | None = None
    value: str | None = None
    month: str | None = None


def milestones(dossier: Dossier, read: Trace) -> list[Milestone]:
    """All rows of a dossier, the one of its beginning first; none where it has not begun."""
    if dossier.opened_at is None or not read.spans:
        return []
    start = began(read, dossier)
    stood = _stood(read, start)
    month = f"{start.astimezone(GIO_VIET_NAM):%Y-%m}"
    first = Milestone(kind=MilestoneKind.FILED, at=start, value=read.kenh_thuc_hien or DIRECT, month=month)
    return [first, *_received(read), *_standing(read, stood), *_ends(read, stood), *_stays(read), *_limits(read),
            *_ratings(dossier), *_waiting(read)]  # fmt: skip


def _stood(read: Trace, start: datetime) -> tuple[Span, ...]:
    """The spans, the first from the days that the filing names: one told when all was done was received before that."""
    first, *others = read.spans
    done = read.ngay_ket_thuc
    if first.trang_thai in FINISHED_STATES and done is not None and start < done and not others:
        received = Span(trang_thai=DUOC_TIEP_NHAN, since=start, until=done)
        return (received, replace(first, since=done))
    return (replace(first, since=min(first.since, start)), *others)


def _received(read: Trace) -> Iterator[Milestone]:
    if read.ngay_tiep_nhan is not None:
        yield Milestone(kind=MilestoneKind.RECEIVED, at=read.ngay_tiep_nhan)


def _standing(read: Trace, stood: Sequence[Span]) -> Iterator[Milestone]:
    """While it was open: a row for each state and appointment, and one more at the beginning of each month it went through.

    So whatever was open at a moment has a row of that moment's month, or one that has not ended: no other months are read.
    """
    for span in stood:
        if span.trang_thai not in OPEN_STATES:
            continue
        told = read.spans[0].since  # what the filing says holds from the beginning
        inside = [
            at for at, _ in read.hen_tra if max(span.since, told) < at and (span.until is None or at < span.until)
        ]
        for since, until in zip([span.since, *inside], [*inside, span.until], strict=True):
            due = appointment_at(read, since)
            paused = span.trang_thai in WAITS_FOR_APPLICANT and (due is None or due >= span.since)
            row = Milestone(
                kind=MilestoneKind.OPEN,
                at=since,
                until=until,
                due=None if paused else due,
                trang_thai=span.trang_thai,
                value=Punctuality.UNDATED if due is None else DATED,
            )
            yield row
            if until is not None:
                yield from (replace(row, at=begins) for begins in _months(since, until))


def _months(since: datetime, until: datetime) -> Iterator[datetime]:
    """The beginnings of months between two moments, at home."""
    at = since.astimezone(GIO_VIET_NAM).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while (at := month_after(at)) < until:
        if at > since:
            yield at


def month_after(first: datetime) -> datetime:
    """The beginning of the next month, of a beginning of one."""
    return (first + timedelta(days=32)).replace(day=1)


def _ends(read: Trace, stood: Sequence[Span]) -> Iterator[Milestone]:
    before: Span | None = None
    withdrawn, undone = False, None  # NgayKetThucXuLy of an end that was undone stays on record where no other is told
    given_back = {s.at for s in read.steps if isinstance(s.effect, Moves) and s.effect.result_kind == TRA_LAI
                  and s.reading is Reading.APPLIED}  # fmt: skip
    for number, span in enumerate(stood):
        state, last = span.trang_thai, number == len(stood) - 1
        if state == KHONG_TIEP_NHAN:
            yield Milestone(kind=MilestoneKind.REFUSED, at=span.since, until=span.until)
        elif state == DUNG_XU_LY:
            asked = before is not None and before.trang_thai == YEU_CAU_RUT
            yield Milestone(
                kind=MilestoneKind.WITHDRAWN if asked else MilestoneKind.STOPPED, at=span.since, until=span.until
            )
        elif state in FINISHED_STATES and (before is None or before.trang_thai not in FINISHED_STATES):
            left = next((s.since for s in stood[number:] if s.trang_thai not in FINISHED_STATES), None)
            withdrawn = span.since in given_back or (last and read.returned)
            if withdrawn:
                yield Milestone(kind=MilestoneKind.WITHDRAWN, at=span.since, until=left)
            else:
                told = read.ngay_ket_thuc if left is None else None
                done = told if told is not None and (undone is None or told >= undone) else span.since
                undone = left
                yield Milestone(
                    kind=MilestoneKind.FINISHED, at=done, until=left, value=punctuality(read, done, span.since)
                )
        if state == DA_TRA_KET_QUA and not withdrawn:
            at = read.ngay_tra if last and read.ngay_tra is not None else span.since
            yield Milestone(kind=MilestoneKind.DELIVERED, at=at, until=span.until)
        before = span


def punctuality(read: Trace, done: datetime, entered: datetime) -> Punctuality:
    """How an end stands to the appointment that was in force when it was told."""
    due = appointment_at(read, entered)
    if due is None:
        return Punctuality.UNDATED
    if done > due:
        return Punctuality.LATE
    return Punctuality.EARLY if _day(done) < _day(due) else Punctuality.ON_TIME


def _day(at: datetime) -> str:
    return f"{at.astimezone(GIO_VIET_NAM):%Y-%m-%d}"


def _stays(read: Trace) -> Iterator[Milestone]:
    for span in read.spans:
        if span.until is not None and span.until > span.since:
            seconds = (span.until - span.since).total_seconds()
            yield Milestone(kind=MilestoneKind.STAY, at=span.until, trang_thai=span.trang_thai, seconds=seconds)


def _limits(read: Trace) -> Iterator[Milestone]:
    asked = [span for span in read.spans if span.trang_thai == YEU_CAU_BO_SUNG]
    for number, span in enumerate(asked, 1):
        due = read.han_bo_sung if span.until is None else None
        yield Milestone(kind=MilestoneKind.SUPPLEMENT, at=span.since, until=span.until, due=due, value=str(number))
    since = read.complete_since
    if since is not None:
        met = handed_over(read, since)
        waits = read.spans[-1].since if read.trang_thai in WAITS_FOR_APPLICANT else None
        stopped = met or waits
        if stopped is not None or read.trang_thai in OPEN_STATES:
            took = None if stopped is None else (stopped - since).total_seconds()
            yield Milestone(kind=MilestoneKind.HAND_OVER, at=since, due=since, until=stopped, seconds=took)
    for transfer in read.transfers:
        if transfer.han_xu_ly is not None:
            due = transfer.han_xu_ly
            yield Milestone(kind=MilestoneKind.TRANSFER, at=due, due=due, until=transfer.returned_at)


def _ratings(dossier: Dossier) -> Iterator[Milestone]:
    given = sorted(
        (change.occurred_at, change.number, effect.value)
        for change in dossier.changes
        for effect in change.effects
        if isinstance(effect, Notes) and effect.what == "danh-gia" and effect.value is not None
    )
    following: list[datetime | None] = [*(at for at, _, _ in given), None]
    for (at, _, score), until in zip(given, following[1:], strict=True):
        yield Milestone(kind=MilestoneKind.RATED, at=at, until=until, value=score)


def _waiting(read: Trace) -> Iterator[Milestone]:
    for step in read.steps:
        if step.reading is Reading.WAITING:
            at = step.change.recorded_at
            yield Milestone(kind=MilestoneKind.WAITING, at=at, due=at, value=step.change.sender)
