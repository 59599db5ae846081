from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Delivery, DeliveryId, MaThongDiep, MessageId, PartyId
from gateway.core.parties import RetryPolicy
from gateway.core.patience import lean, next_try

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
