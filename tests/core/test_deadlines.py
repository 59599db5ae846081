"""What is due when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.core.deadlines import (
    GIO_VIET_NAM,
    DeadlineRules,
    Due,
    WorkingCalendar,
    deadlines,
    hand_over_due,
    time_in_states,
)
from gateway.core.lifecycle import Span, Trace

FRIDAY = datetime(2026, 1, 9, 15, 0, tzinfo=GIO_VIET_NAM)


def test_the_six_hours_are_elapsed_hours_unless_configured() -> None:
    assert hand_over_due(FRIDAY, DeadlineRules()) == FRIDAY + timedelta(hours=6)


def test_six_working_hours_skip_the_night_the_weekend_and_a_holiday() -> None:
    rules = DeadlineRules(
        hand_over_in_working_hours=True, calendar=WorkingCalendar(holidays=frozenset({date(2026, 1, 12)}))
    )
    # Two hours on Friday afternoon, Monday is a holiday, four hours on Tuesday morning (7:30 to 11:30).
    assert hand_over_due(FRIDAY, rules) == datetime(2026, 1, 13, 11, 30, tzinfo=GIO_VIET_NAM)


def test_a_weekend_that_is_worked_instead_counts() -> None:
    calendar = WorkingCalendar(worked_weekends=frozenset({date(2026, 1, 10)}))
    assert calendar.add(FRIDAY, timedelta(hours=3)) == datetime(2026, 1, 10, 8, 30, tzinfo=GIO_VIET_NAM)


def test_a_calendar_that_never_opens_is_an_error_and_not_a_hang() -> None:
    with pytest.raises(ValueError, match="no open day"):
        WorkingCalendar(weekdays=frozenset()).add(FRIDAY, timedelta(hours=1))


def test_hand_over_is_met_by_the_first_processing_after_the_complete_dossier() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    read = Trace(
        trang_thai=4,
        complete_since=start,
        ngay_hen_tra=start + timedelta(days=3),
        spans=(
            Span(trang_thai=2, since=start, until=start + timedelta(hours=7)),
            Span(trang_thai=4, since=start + timedelta(hours=7)),
        ),
    )
    found = {d.what: d for d in deadlines(read, DeadlineRules())}
    assert found[Due.CHUYEN_XU_LY].met_at == start + timedelta(hours=7)
    assert found[Due.CHUYEN_XU_LY].late(start + timedelta(hours=8))
    assert not found[Due.KET_QUA].late(start + timedelta(days=2))
    assert found[Due.KET_QUA].late(start + timedelta(days=4))


def test_time_in_a_state_adds_up_over_visits() -> None:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    hour = timedelta(hours=1)
    spans = (
        Span(trang_thai=4, since=start, until=start + hour),
        Span(trang_thai=5, since=start + hour, until=start + 3 * hour),
        Span(trang_thai=4, since=start + 3 * hour),
    )
    assert time_in_states(Trace(spans=spans), start + 5 * hour) == {4: 3 * hour, 5: 2 * hour}


def waiting(due: datetime) -> Trace:
    """In state 5 since noon of 6 January, complete since the morning before."""
    start = datetime(2026, 1, 5, 1, tzinfo=UTC)
    asked = start + timedelta(hours=4)
    return Trace(
        trang_thai=5,
        complete_since=start,
        ngay_hen_tra=due,
        spans=(Span(trang_thai=2, since=start, until=asked), Span(trang_thai=5, since=asked)),
    )


def test_no_limit_runs_while_the_applicant_is_waited_for() -> None:
    later = datetime(2026, 1, 9, tzinfo=UTC)
    assert deadlines(waiting(later), DeadlineRules()) == ()


def test_a_limit_that_had_passed_before_the_supplement_was_asked_for_is_late_all_the_same() -> None:
    (limit,) = deadlines(waiting(datetime(2026, 1, 5, 2, tzinfo=UTC)), DeadlineRules())
    assert (limit.what, limit.late(datetime(2026, 1, 6, tzinfo=UTC))) == (Due.KET_QUA, True)
