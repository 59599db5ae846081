"""When to try again, and when to call a person. Pure: time comes in, a time goes out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from gateway.core.model import Delivery
from gateway.core.parties import RetryPolicy

SPREAD = 0.10  # share of the wait by which deliveries are spread around it


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait between the tries of a delivery, and for how long at all."""

    first_s: float = 60.0  # the wait after the first try; later ones grow with the square of the tries
    longest_s: float = 3600.0  # the longest wait
    give_up_after_h: float = 168.0  # after the first try

    def __post_init__(self) -> None:
        """Raises ValueError for waits that cannot be meant."""
        if self.first_s <= 0 or self.longest_s <= 0 or self.give_up_after_h <= 0:
            raise ValueError(f"waits are longer than nothing: {self}")

    @classmethod
    def of(cls, policy: RetryPolicy, first_s: float = 60.0) -> Self:
        """A party's own patience; ``first_s`` is the node's (a demonstration does not wait for a minute)."""
        return cls(first_s=first_s, longest_s=policy.longest_s, give_up_after_h=policy.give_up_after_h)

    @property
    def patience(self) -> timedelta:
        """How long after the first try the last one is made."""
        return timedelta(hours=self.give_up_after_h)


def next_try(delivery: Delivery, policy: Backoff, now: datetime) -> datetime | None:
    """When to try again, or None when it is time for a person.

    Waits 1 min, 4 min, 9 min, … (``first_s`` × tries²), at most ``longest_s`` seconds, ±10 % by the delivery's id so
    that a recovered party is not met by everyone at once. The last try is made ``give_up_after_h`` hours after the
    first one; when that has failed too, the answer is None.
    """
    first = delivery.first_tried_at or now
    last = first + policy.patience
    if now >= last:
        return None
    wait_s = min(policy.first_s * max(delivery.tries, 1) ** 2, policy.longest_s)
    return min(now + timedelta(seconds=wait_s * (1 + SPREAD * lean(delivery.id))), last)


def lean(key: str) -> float:
    """A number in [-1, 1] that belongs to this key for ever: where it stands in a crowd."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) / (2**31) - 1
