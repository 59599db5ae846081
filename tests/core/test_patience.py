from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Delivery, DeliveryId, MaThongDiep, MessageId, PartyId
from gateway.core.parties import RetryPolicy
from gateway.core.patience import Breaker, Bucket, lean, next_try

NOW = datetime(2026, 1, 15, 8, tzinfo=UTC)


def owed(tries: int = 1, first: datetime | None = NOW, key: str = "d-1") -> Delivery:
    return Delivery(
        id=DeliveryId(key),
        message=MessageId("m-1"),
        ma_thong_diep=MaThongDiep("a"),
        loai="HS05",
        party=PartyId("so-tu-phap"),
        lane="H19.901-260115-0001",
        digest="0" * 64,
        tries=tries,
        first_tried_at=first,
    )


@pytest.mark.parametrize(("tries", "minutes"), [(1, 1), (2, 4), (3, 9), (7, 49), (8, 60), (500, 60)])
def test_the_waits_grow_with_the_square_of_the_tries_up_to_the_longest(tries: int, minutes: int) -> None:
    due = next_try(owed(tries), RetryPolicy(), NOW, first_s=60)
    assert due is not None
    assert timedelta(minutes=minutes * 0.9) <= due - NOW <= timedelta(minutes=minutes * 1.1)


def test_the_last_try_is_made_when_patience_ends_and_then_a_person_is_called() -> None:
    policy = RetryPolicy(give_up_after_h=1)
    assert next_try(owed(9), policy, NOW + timedelta(minutes=55), first_s=60) == NOW + timedelta(hours=1)
    assert next_try(owed(10), policy, NOW + timedelta(hours=1), first_s=60) is None


def test_a_delivery_never_tried_has_all_its_patience_before_it() -> None:
    assert next_try(owed(0, first=None), RetryPolicy(give_up_after_h=0.001), NOW, first_s=60) is not None


def test_a_crowd_that_failed_at_one_moment_does_not_come_back_at_one_moment() -> None:
    dues = {next_try(owed(3, key=f"d-{n}"), RetryPolicy(), NOW, first_s=60) for n in range(200)}
    assert len(dues) > 190
    leans = [lean(f"d-{n}") for n in range(200)]
    assert min(leans) < -0.8
    assert max(leans) > 0.8


def test_the_first_wait_is_the_nodes_and_the_longest_is_the_partys() -> None:
    retry = RetryPolicy(longest_s=90, give_up_after_h=2)
    waits = [next_try(owed(tries), retry, NOW, first_s=0.5) - NOW for tries in (1, 2, 100)]
    assert [round(wait.total_seconds() / (1 + 0.1 * lean("d-1")), 3) for wait in waits] == [0.5, 2.0, 90.0]


@pytest.mark.parametrize("wrong", [{"longest_s": 0}, {"longest_s": -1}, {"give_up_after_h": 0}])
def test_a_wait_of_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        RetryPolicy(**wrong)


@given(
    tries=st.integers(0, 10_000),
    age=st.timedeltas(timedelta(0), timedelta(days=30)),
    key=st.text(max_size=40),
)
def test_the_next_try_lies_ahead_within_the_longest_wait_and_within_patience(
    tries: int, age: timedelta, key: str
) -> None:
    policy = RetryPolicy()
    due = next_try(owed(tries, first=NOW - age, key=key), policy, NOW, first_s=60)
    if age >= policy.patience:
        assert due is None
    else:
        assert due is not None
        assert NOW < due <= min(NOW + timedelta(seconds=policy.longest_s * 1.1), NOW - age + policy.patience)
        assert due == next_try(owed(tries, first=NOW - age, key=key), policy, NOW, first_s=60)


SECOND = timedelta(seconds=1)
RETRY = RetryPolicy(longest_s=30)


def broken(failures: int, first_s: float = 2) -> Breaker:
    breaker = Breaker(first_s=first_s)
    for _ in range(failures):
        breaker.failed(NOW, RETRY)
    return breaker


def test_the_fifth_failure_in_a_row_opens_and_says_so_once() -> None:
    breaker = Breaker(first_s=2)
    assert [breaker.failed(NOW, RETRY) for _ in range(7)] == [False, False, False, False, True, False, False]
    assert [broken(n).is_open for n in (0, 4, 5, 6)] == [False, False, True, True]


def test_a_party_that_answers_is_met_by_as_many_as_it_may_have() -> None:
    assert [broken(n).allows(8, NOW) for n in (0, 4)] == [8, 8]


def test_a_silent_party_is_tried_by_one_at_growing_intervals() -> None:
    waits = []
    for failures in (5, 6, 7, 8, 50):
        breaker = broken(failures)
        assert breaker.probe_at is not None
        waits.append((breaker.probe_at - NOW).total_seconds())
        assert [breaker.allows(8, breaker.probe_at + off) for off in (-SECOND, timedelta(0), SECOND)] == [0, 1, 1]
    assert waits == [2, 8, 18, 30, 30]


def test_a_probe_may_be_asked_for_at_once() -> None:
    breaker = broken(5)
    breaker.retry_now()
    assert (breaker.allows(8, NOW), breaker.is_open) == (1, True)


def test_after_an_answer_one_then_two_then_three_are_let_through_and_then_all() -> None:
    breaker = broken(6)
    later = NOW + 9 * SECOND
    assert (breaker.answered(3, later), breaker.recovered_at, breaker.is_open) == (True, later, False)
    seen = [breaker.allows(3, later)]
    for _ in range(3):
        assert breaker.answered(3, later) is False
        seen.append(breaker.allows(3, later))
    assert seen == [1, 2, 3, 3]
    assert breaker.room is None
    assert breaker.allows(9, later) == 9


def test_no_more_are_let_through_than_the_party_may_have_now() -> None:
    breaker = broken(5)
    breaker.answered(3, NOW)
    breaker.answered(3, NOW)
    assert breaker.allows(1, NOW) == 1


def test_an_answer_ends_the_row_of_failures() -> None:
    breaker = broken(4)
    assert breaker.since == NOW
    assert breaker.answered(3, NOW) is False
    assert (breaker.failures, breaker.since, breaker.room, breaker.recovered_at) == (0, None, None, None)
    assert [breaker.failed(NOW + n * SECOND, RETRY) for n in range(5)] == [False] * 4 + [True]
    assert breaker.since == NOW, "of the first in a row"
    breaker.answered(3, NOW)
    assert (breaker.probe_at, breaker.allows(3, NOW)) == (None, 1)


def test_a_failure_after_an_outage_begins_again_without_a_limit() -> None:
    breaker = broken(5)
    breaker.answered(8, NOW)
    breaker.failed(NOW, RETRY)
    assert (breaker.room, breaker.allows(8, NOW)) == (None, 8)


def test_a_rate_saves_up_one_second_at_most() -> None:
    bucket = Bucket(per_second=4)
    assert bucket.available(NOW) == 1
    bucket.take(1)
    assert [bucket.available(NOW + n * SECOND / 4) for n in (0, 1, 2, 3, 4, 40)] == [0, 1, 2, 3, 4, 4]
    bucket.take(3)
    assert bucket.available(NOW + 10 * SECOND) == 1


def test_a_rate_below_one_a_second_still_lets_one_through() -> None:
    bucket = Bucket(per_second=0.5)
    bucket.take(bucket.available(NOW))
    assert [bucket.available(NOW + n * SECOND) for n in (1, 2, 9)] == [0, 1, 1]


DAY = timedelta(days=1)


def test_a_rate_is_kept_where_a_clock_that_was_a_day_ahead_is_set_right() -> None:
    bucket = Bucket(per_second=1.0)
    bucket.take(bucket.available(NOW + DAY))
    assert [bucket.available(NOW + n * SECOND) for n in (0, 1)] == [0, 1]


def test_a_probe_that_was_to_be_in_a_day_by_a_clock_that_was_ahead_is_now() -> None:
    breaker = Breaker(first_s=2)
    for _ in range(5):
        breaker.failed(NOW + DAY, RETRY)
    assert [breaker.allows(8, at) for at in (NOW + DAY, NOW)] == [0, 1]
    breaker.failed(NOW, RETRY)
    assert [breaker.allows(8, NOW + n * SECOND) for n in (0, 7, 8)] == [0, 0, 1]
