"""When to try again and when to call a person, whether a party answers, and how fast it is spoken to.

Pure: time comes in as an argument. It may go back: whoever had set the clock on sets it right again. What was to happen at a
time that lay further ahead than anything waits happens now.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.core.model import Delivery
from gateway.core.parties import RetryPolicy

SPREAD = 0.10  # share of the wait by which deliveries are spread around it
THRESHOLD = 5  # failures in a row after which a party counts as unreachable


def next_try(delivery: Delivery, retry: RetryPolicy, now: datetime, *, first_s: float) -> datetime | None:
    """When to try again, or None when it is time for a person.

    Waits 1 min, 4 min, 9 min, … (``first_s`` × tries²; the node says it, so that a demonstration need not wait for a
    minute), at most the party's ``longest_s`` seconds, ±10 % by the delivery's id so that a recovered party is not met
    by everyone at once. The last try is made ``give_up_after_h`` hours after the first one; when that has failed too,
    the answer is None.
    """
    first = delivery.first_tried_at or now
    last = first + retry.patience
    if now >= last:
        return None
    wait_s = min(first_s * max(delivery.tries, 1) ** 2, retry.longest_s)
    return min(now + timedelta(seconds=wait_s * (1 + SPREAD * lean(delivery.id))), last)


def lean(key: str) -> float:
    """A number in [-1, 1] that belongs to this key for ever: where it stands in a crowd."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) / (2**31) - 1


@dataclass(slots=True)
class Breaker:
    """What a worker knows of whether a party answers.

    Five failures in a row open it. Then one delivery at a time is tried, at growing intervals; the first answer closes
    it, and the party is met by one delivery, then two, then three: nobody who has just stood up is run over.
    """

    first_s: float
    failures: int = 0
    room: int | None = None  # after an outage: how many at once, so far; None when there is no such limit
    probe_at: datetime | None = None
    wait: timedelta = timedelta(0)  # how long it was until then
    since: datetime | None = None  # of the first failure in a row
    recovered_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether its lanes wait."""
        return self.failures >= THRESHOLD

    def allows(self, at_once: int, now: datetime) -> int:
        """How many may be under way now."""
        if self.is_open:
            waits = self.probe_at is not None and timedelta(0) < self.probe_at - now <= self.wait
            return 0 if waits else 1
        return at_once if self.room is None else min(self.room, at_once)

    def failed(self, now: datetime, retry: RetryPolicy) -> bool:
        """Another one in a row, of a party with this patience. True when this one opened it."""
        self.failures += 1
        self.since = self.since or now
        self.room = None
        if not self.is_open:
            return False
        wait_s = min(self.first_s * (self.failures - THRESHOLD + 1) ** 2, retry.longest_s)
        self.wait = timedelta(seconds=wait_s)
        self.probe_at = now + self.wait
        return self.failures == THRESHOLD

    def answered(self, at_once: int, now: datetime) -> bool:
        """The party answered. True when this closed it."""
        closed = self.is_open
        if closed:
            self.room, self.recovered_at = 1, now
        elif self.room is not None:
            self.room = self.room + 1 if self.room < at_once else None
        self.failures, self.probe_at, self.since = 0, None, None
        return closed

    def retry_now(self) -> None:
        """Something changed on our side: do not wait for the next probe."""
        self.probe_at = None


@dataclass(slots=True)
class Bucket:
    """A rate: what is begun in a second, saved up for one second at most."""

    per_second: float
    tokens: float = 1.0
    filled_at: datetime | None = None

    def available(self, now: datetime) -> int:
        """How many may begin now."""
        if self.filled_at is not None:
            gone = max((now - self.filled_at).total_seconds(), 0.0)
            self.tokens = min(self.tokens + gone * self.per_second, max(self.per_second, 1.0))
        self.filled_at = now
        return int(self.tokens)

    def take(self, count: int) -> None:
        """So many begin."""
        self.tokens -= count
