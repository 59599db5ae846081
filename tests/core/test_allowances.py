"""What parties may still send, counted in memory against what is on record: bytes, refused bodies, messages put off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from parties_known import caller, parties, party

from gateway.core.allowances import (
    HEAD_BYTES,
    WRITE_EVERY_S,
    Allowance,
    Spending,
    Spent,
    UsedUp,
    day_of,
    keep_beginnings,
    used_up,
)
from gateway.core.allowed import NodeAllowance, PartyAllowance
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.ledger import Ledger, LedgerEntry
from gateway.core.model import Acknowledgement, Channel, Envelope, Fate, Finding, MessageId

NODE = NodeAllowance(messages_per_s=3.0, burst=5, bytes_per_day=1000, refused_bytes_per_day=300)
A, B = party("a"), party("b", allowance=PartyAllowance(bytes_per_day=50, refused_bytes_per_day=0))
NOW = datetime(2026, 1, 15, 1, 2, 3, 4, tzinfo=UTC)  # two minutes past eight in Hà Nội
DAY = datetime(2026, 1, 15, tzinfo=GIO_VIET_NAM)
BYTES, REFUSED, PUT_OFF = Spent.BYTES, Spent.REFUSED, Spent.PUT_OFF


def spending(on_record=(), now: datetime = NOW) -> Spending:
    """Of this day, with what is on record."""
    made = Spending(NODE)
    made.take_over(dict(on_record), now)
    return made


def test_a_party_may_send_what_its_profile_says_and_else_what_the_node_says() -> None:
    assert Allowance.of(A, NODE) == Allowance(
        messages_per_s=3.0, burst=5, bytes_per_day=1000, refused_bytes_per_day=300
    )
    assert Allowance.of(B, NODE) == Allowance(messages_per_s=3.0, burst=5, bytes_per_day=50, refused_bytes_per_day=0)
    assert spending().allowance(B).bytes_per_day == 50


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 1, 15, 16, 59, 59, 999_999, tzinfo=UTC), DAY),
        (datetime(2026, 1, 15, 17, 0, tzinfo=UTC), DAY + timedelta(days=1)),
        (datetime(2026, 1, 14, 17, 0, tzinfo=UTC), DAY),
        (NOW, DAY),
    ],
)
def test_a_day_begins_at_midnight_in_ha_noi(now: datetime, day: datetime) -> None:
    counted = spending(now=now).day
    assert (day_of(now), counted) == (day, day)
    assert counted.utcoffset() == timedelta(hours=7)


def test_before_anything_is_counted_the_day_is_the_first_there_was() -> None:
    assert Spending(NODE).day == datetime(1970, 1, 1, tzinfo=GIO_VIET_NAM)


def test_how_long_the_day_lasts_is_told_in_whole_seconds_and_never_too_few() -> None:
    assert spending().until_tomorrow_s(NOW) == 57_477
    assert spending().until_tomorrow_s(DAY + timedelta(days=1) - timedelta(microseconds=1)) == 1
    assert spending().until_tomorrow_s(DAY) == 86_401


def test_what_is_left_is_what_is_neither_on_record_nor_spent_since() -> None:
    its = spending({(BYTES, A.id): 600, (REFUSED, A.id): 9, (BYTES, B.id): 70})
    assert (its.left(A, NOW), its.left(B, NOW)) == (400, -20)
    its.spend(A, BYTES, 150)
    its.spend(A, BYTES, 50)
    its.spend(A, PUT_OFF, 7)
    assert (its.left(A, NOW), its.left(B, NOW)) == (200, -20)


def test_a_new_day_begins_with_nothing_used_up_and_the_same_day_does_not() -> None:
    its = spending({(BYTES, A.id): 600, (BYTES, B.id): 20})
    its.spend(A, BYTES, 100)
    assert its.left(A, DAY + timedelta(hours=23, minutes=59)) == 300
    tomorrow = DAY + timedelta(days=1)
    assert (its.left(A, tomorrow), its.left(B, tomorrow), its.day) == (1000, 50, tomorrow)


def test_a_profile_that_is_changed_forgives_nothing() -> None:
    its = spending({(BYTES, A.id): 600})
    its.spend(A, BYTES, 100)
    assert its.due(5.0) == {(BYTES, A.id): 100}
    its.written(its.due(5.0), {(BYTES, A.id): 700}, 5.0)
    its.spend(A, BYTES, 10)
    more = replace(A, allowance=PartyAllowance(bytes_per_day=2000))
    assert its.allowance(more).bytes_per_day == 2000
    assert its.left(more, NOW) == 1290
    assert (its.due(5.5), its.due(6.0)) == ({}, {(BYTES, A.id): 10})


def test_a_refused_body_is_kept_whole_while_the_days_allowance_lasts() -> None:
    its = spending({(REFUSED, A.id): 100})
    its.spend(A, REFUSED, 50)
    assert its.keeps(A, 151) is False
    assert its.keeps(A, 150)
    assert not its.keeps(A, 1)
    assert its.due(1.0) == {(REFUSED, A.id): 200}
    assert not its.keeps(B, 1)


def test_what_was_spent_is_put_on_record_about_once_a_second_and_then_known() -> None:
    assert (WRITE_EVERY_S, HEAD_BYTES) == (1.0, 65_536)
    its = spending({(BYTES, A.id): 600})
    assert its.due(100.0) == {}
    its.spend(A, BYTES, 100)
    its.spend(A, PUT_OFF, 2)
    its.spend(B, BYTES, 5)
    due = its.due(100.0)
    assert due == {(BYTES, A.id): 100, (PUT_OFF, A.id): 2, (BYTES, B.id): 5}
    its.spend(A, BYTES, 30)  # while that is written
    its.written(due, {(BYTES, A.id): 850}, 100.0)  # another process took 150; of the others only our own sum is known
    assert (its.left(A, NOW), its.left(B, NOW)) == (120, 45)
    assert (its.due(100.9), its.due(101.0)) == ({}, {(BYTES, A.id): 30})
    its.spend(A, PUT_OFF, 1)
    its.written({(PUT_OFF, A.id): 1, (BYTES, party("c").id): 9}, {}, 101.0)  # of one who is not known any more
    assert its.due(102.0) == {(BYTES, A.id): 30}
    its.written(its.due(102.0), {}, 102.0)
    assert its.left(A, NOW) == 120


def entry(name: str, size: int, fate: Fate = Fate.REJECTED) -> LedgerEntry:
    """What was decided about a body of this size."""
    cover = Envelope.of(
        b"x" * size, id=MessageId(f"{name}{size}"), caller=caller(name), channel=Channel.REST, received_at=NOW
    )
    ack = Acknowledgement(message=cover.id, fate=fate, recorded_at=NOW, digest=cover.digest)
    return LedgerEntry(finding=Finding(envelope=cover), ack=ack, owns_id=False)


def kept(entries: list[LedgerEntry], most: int, its: Spending | None = None) -> list[int]:
    """How many bytes are kept of each; digests and lengths stay those of all that came."""
    ledger = Ledger(entries=list(entries))
    keep_beginnings(ledger, parties(a=replace(A, allowance=PartyAllowance(refused_bytes_per_day=150_000))), most, its)
    for before, after in zip(entries, ledger.entries, strict=True):
        was, now = before.finding.envelope, after.finding.envelope
        assert (now.digest, now.total_bytes) == (was.digest, was.total_bytes)
        assert was.body.startswith(now.body)
    return [len(one.finding.envelope.body) for one in ledger.entries]


def test_of_refused_bodies_that_are_too_long_or_beyond_the_allowance_the_beginning_is_kept() -> None:
    known = [
        entry("a", 65_536),
        entry("a", 65_537),
        entry("a", 100_000),
        entry("a", 100_001),
        entry("a", 200_000, Fate.ACCEPTED),
        entry("a", 65_537),
    ]
    assert kept(known, 100_000) == [65_536, 65_537, 100_000, 65_536, 200_000, 65_537]
    # 65 537 and then 100 000 would be more than 150 000; so the third is not whole, and the last is.
    assert kept(known, 100_000, spending()) == [65_536, 65_537, 65_536, 65_536, 200_000, 65_537]
    assert kept([entry("ai", 90_000), entry("ai", 110_000)], 100_000, spending()) == [90_000, 65_536]


def test_how_much_is_used_up_of_what_by_whom() -> None:
    on_record = {
        (BYTES, A.id): 250,
        (REFUSED, A.id): 300,
        (PUT_OFF, A.id): 9,
        (BYTES, B.id): 0,
        (REFUSED, B.id): 1,
    }
    found = used_up(on_record, [A, B, party("c")], NODE)
    assert found == [
        UsedUp(party=A, kind=BYTES, used=250, allowed=1000),
        UsedUp(party=A, kind=REFUSED, used=300, allowed=300),
        UsedUp(party=B, kind=REFUSED, used=1, allowed=0),
    ]
    assert [one.ratio for one in found] == [0.25, 1.0, 1.0]
