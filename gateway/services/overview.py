"""How everything stands just now, in one look: queues with their ages and speeds, what is held or rejected, batches, inboxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from gateway.core.batches import Batch, BatchState
from gateway.core.model import Fate, PartyId
from gateway.core.parties import Parties, Receives
from gateway.core.statistics import Period
from gateway.store import InboxReader, Queue, Store

SPEED_OF = 2_000  # the newest deliveries by which speeds are told
REJECTED_WITHIN = timedelta(days=1)
CODES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySpeed:
    """How long the newest deliveries to a party took, from owed to taken, seconds."""

    number: int
    p50_s: float
    p95_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NowOverview:
    """One look."""

    at: datetime
    queues: Sequence[Queue]
    speeds: Mapping[PartyId, DeliverySpeed]
    lanes_held: int
    messages_held: int
    rejected: Sequence[tuple[str, int]]  # of the last day, by code, the commonest first
    inboxes: Sequence[
        tuple[InboxReader, datetime | None]
    ]  # with places that are not confirmed, and since when the oldest
    batches: Sequence[Batch]  # that are not over


def look_now(store: Store, parties: Parties, now: datetime) -> NowOverview:
    """Read in one snapshot."""
    with store.read() as view:
        pulled = [view.reader(party.id) for party in parties if party.receives is Receives.PULL]
        unread = [(r, view.inbox_after(r.party, r.confirmed, 1)) for r in pulled if r.head > r.confirmed]
        rejected: dict[str, int] = {}
        for one in view.unaccepted(Period(since=now - REJECTED_WITHIN, until=now + timedelta(seconds=1))):
            if one.state is Fate.REJECTED and one.code is not None:
                rejected[one.code] = rejected.get(one.code, 0) + one.count
        return NowOverview(
            at=now,
            queues=view.queues(),
            speeds={party: delivery_speed(took) for party, took in view.delivered_lately(SPEED_OF).items()},
            lanes_held=view.count_lanes(held_only=True),
            messages_held=view.held_count(),
            rejected=sorted(rejected.items(), key=lambda row: (-row[1], row[0]))[:CODES],
            inboxes=[(reader, first[0].recorded_at if first else None) for reader, first in unread],
            batches=view.batches(states=[BatchState.WAITING, BatchState.RUNNING, BatchState.PAUSED]),
        )


def delivery_speed(took: Sequence[float]) -> DeliverySpeed:
    """Of at least one span. The nearest rank: a value that was measured, also where there are few."""
    ranked = sorted(took)
    p50, p95 = (ranked[max(0, ceil(share * len(ranked)) - 1)] for share in (0.5, 0.95))
    return DeliverySpeed(number=len(ranked), p50_s=p50, p95_s=p95)
