"""What is due when."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from gateway.core.deadlines import (
    GIO_VIET_NAM,
    Deadline,
    DeadlineRules,
    Due,
    WorkingCalendar,
    deadlines,
    hand_over_due,
    time_in_states,
)
from gateway.core.lifecycle import Span, Trace, Transfer

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


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """In January 2026, at home. The 9th is a Friday."""
    return datetime(2026, 1, day, hour, minute, tzinfo=GIO_VIET_NAM)


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("start", "span", "end"),
    [
        (at(5, 9), HOUR, at(5, 10)),
        (at(5, 6), HOUR, at(5, 8, 30)),  # before the office opens
        (at(5, 7, 30), 4 * HOUR, at(5, 11, 30)),  # to the minute: the morning is enough
        (at(5, 7, 30), 4 * HOUR + timedelta(minutes=1), at(5, 13, 31)),
        (at(5, 11, 30), HOUR, at(5, 14, 30)),  # the morning is over
        (at(5, 12), HOUR, at(5, 14, 30)),
        (at(5, 16), HOUR, at(5, 17)),
        (at(5, 17), HOUR, at(6, 8, 30)),
        (at(5, 16), 2 * HOUR, at(6, 8, 30)),
        (at(9, 16), 2 * HOUR, at(12, 8, 30)),  # over a weekend
        (at(5, 7, 30), 15 * HOUR, at(6, 17)),  # two whole days of seven and a half hours
        (at(5, 9), timedelta(0), at(5, 9)),
        (at(5, 17), timedelta(0), at(6, 7, 30)),  # when it closes it is closed
    ],
)
def test_working_time_runs_from_half_past_seven_and_half_past_one(
    start: datetime, span: timedelta, end: datetime
) -> None:
    assert WorkingCalendar().add(start, span) == end
    assert WorkingCalendar().add(start.astimezone(UTC), span) == end
    assert WorkingCalendar().add(start.astimezone(UTC), span).tzinfo is UTC


def test_home_is_seven_hours_ahead_all_year() -> None:
    assert at(5, 7, 30).astimezone(UTC) == datetime(2026, 1, 5, 0, 30, tzinfo=UTC)


def test_an_office_may_open_at_midnight() -> None:
    night = WorkingCalendar(hours=((time(0), time(2)),))
    assert night.add(at(5, 12), HOUR) == at(6, 1)


def test_holidays_that_do_not_move_are_free_from_the_year_they_began() -> None:
    calendar = WorkingCalendar(every_year=frozenset({(11, 24), (9, 2)}), since={(11, 24): 2026})
    days = [
        date(2025, 11, 24),
        date(2026, 11, 24),
        date(2027, 11, 24),
        date(2025, 9, 2),
        date(2026, 9, 2),
        date(2026, 9, 3),
    ]
    assert [calendar.works(day) for day in days] == [True, False, False, False, False, True]
    assert WorkingCalendar(holidays=frozenset({date(2026, 1, 5)})).works(date(2026, 1, 5)) is False


def test_a_calendar_covers_the_years_of_its_moving_holidays() -> None:
    calendar = WorkingCalendar(holidays=frozenset({date(2026, 2, 17)}))
    assert [calendar.covers(year) for year in (2025, 2026, 2027)] == [False, True, False]


def test_the_hand_over_is_met_in_the_instant_in_which_the_dossier_is_complete() -> None:
    start = at(5, 9)
    read = Trace(trang_thai=4, complete_since=start, spans=(Span(trang_thai=4, since=start),))
    (limit,) = deadlines(read, DeadlineRules())
    assert (limit.what, limit.met_at, limit.late(start)) == (Due.CHUYEN_XU_LY, start, False)


def test_a_limit_is_late_only_after_its_last_instant() -> None:
    limit = Deadline(what=Due.KET_QUA, due=at(5, 9))
    assert [limit.late(now) for now in (at(5, 9), at(5, 9, 1))] == [False, True]
    met = [Deadline(what=Due.KET_QUA, due=at(5, 9), met_at=when).late(at(9, 9)) for when in (at(5, 9), at(5, 9, 1))]
    assert met == [False, True]


def limits(read: Trace) -> list[Due]:
    return [limit.what for limit in deadlines(read, DeadlineRules())]


def test_a_limit_that_ends_in_the_instant_of_the_request_stands_still_and_one_before_it_does_not() -> None:
    asked = at(5, 12)
    spans = tuple(
        Span(trang_thai=state, since=since)
        for state, since in ((1, at(5, 7)), (2, at(5, 8)), (5, at(5, 9)), (2, at(5, 10)), (5, asked))
    )
    assert limits(Trace(trang_thai=5, ngay_hen_tra=asked, spans=spans)) == []
    assert limits(Trace(trang_thai=5, ngay_hen_tra=at(5, 11), spans=spans)) == [Due.KET_QUA]


@pytest.mark.parametrize(
    ("state", "due"),
    [(1, [Due.KET_QUA, Due.CHUYEN_XU_LY]), (3, []), (8, []), (9, [Due.KET_QUA]), (10, [Due.KET_QUA])],
)
def test_results_are_due_where_a_dossier_is_open_or_finished_and_hand_over_where_it_is_open(state, due) -> None:
    read = Trace(
        trang_thai=state,
        ngay_hen_tra=at(9, 9),
        complete_since=at(5, 9),
        spans=(Span(trang_thai=state, since=at(5, 9)),),
    )
    assert limits(read) == due


def test_a_hand_over_that_never_came_is_met_by_the_end() -> None:
    ended = at(6, 9)
    read = Trace(trang_thai=9, complete_since=at(5, 9), ngay_ket_thuc=ended, spans=(Span(trang_thai=9, since=ended),))
    (limit,) = deadlines(read, DeadlineRules())
    assert (limit.what, limit.due, limit.met_at) == (Due.CHUYEN_XU_LY, at(5, 15), ended)


def test_the_limits_of_transfers_and_supplements_stand_beside_the_others() -> None:
    copies = tuple(
        Transfer(don_vi_nhan=name, sent_at=at(5, 9), han_xu_ly=due, returned_at=at(6, 9))
        for name, due in (("H19.902", at(7, 9)), ("H19.903", None))
    )
    found = deadlines(Trace(trang_thai=2, transfers=copies, han_bo_sung=at(8, 9)), DeadlineRules())
    assert found == (
        Deadline(what=Due.CHUYEN_HO_SO, due=at(7, 9), met_at=at(6, 9)),
        Deadline(what=Due.BO_SUNG, due=at(8, 9), met_at=None),
    )
