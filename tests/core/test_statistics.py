"""Counts that add up, and periods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.statistics import Period, Tally, total

MARCH = Period(since=datetime(2026, 3, 1, tzinfo=UTC), until=datetime(2026, 4, 1, tzinfo=UTC))


def day(year: int, month: int, day_: int = 1, hour: int = 0) -> datetime:
    return datetime(year, month, day_, hour, tzinfo=GIO_VIET_NAM)


def test_a_group_begins_at_nothing() -> None:
    assert set(Tally().counts().values()) == {0}
    assert (Tally().mean_score(), Tally().mean_seconds()) == (None, {})


def test_means_are_over_all_that_count() -> None:
    group = Tally(rated=4, scores={1: 1, 5: 3}, seconds_in_state={2: 30.0, 4: 60.0}, dossiers_in_state={2: 3, 4: 4})
    assert (group.mean_score(), group.mean_seconds()) == (4.0, {2: 10.0, 4: 15.0})


def test_a_total_is_the_sum_of_its_groups_and_its_means_are_over_all_of_them() -> None:
    one = Tally(filed=2, late=1, rated=1, scores={5: 1}, seconds_in_state={4: 10.0}, dossiers_in_state={4: 1})
    other = Tally(
        filed=3, rated=2, scores={5: 1, 2: 1}, seconds_in_state={4: 50.0, 2: 7.0}, dossiers_in_state={4: 2, 2: 1}
    )
    both = total([one, other])
    assert (both.filed, both.late, both.rated, both.scores) == (5, 1, 3, {5: 2, 2: 1})
    assert (both.mean_score(), both.mean_seconds()) == (4.0, {2: 7.0, 4: 20.0})
    assert (one.filed, total([]).counts()) == (2, Tally().counts())


def test_a_period_begins_with_its_first_instant_and_ends_before_its_last() -> None:
    instant = timedelta(microseconds=1)
    moments = [MARCH.since - instant, MARCH.since, MARCH.until - instant, MARCH.until, None]
    assert [moment in MARCH for moment in moments] == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("since", "until", "before"),
    [
        (day(2026, 3), day(2026, 4), day(2026, 2)),  # a month of 31 days after one of 28
        (day(2026, 1), day(2026, 2), day(2025, 12)),
        (day(2026, 1), day(2026, 4), day(2025, 10)),  # a quarter
        (day(2026, 1), day(2027, 1), day(2025, 1)),  # a year
        (day(2026, 3, 9), day(2026, 3, 16), day(2026, 3, 2)),  # a week
        (day(2026, 3), day(2026, 3, 11), day(2026, 2, 19)),  # ten days that begin with a month
        (day(2026, 3, 1, 1), day(2026, 4, 1, 1), day(2026, 1, 29, 1)),  # as long as a month, but none
    ],
)
def test_the_period_before_is_as_many_months_or_as_long(since: datetime, until: datetime, before: datetime) -> None:
    found = Period(since=since.astimezone(UTC), until=until.astimezone(UTC)).before()
    assert (found.since, found.until) == (before, since)
