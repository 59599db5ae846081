"""How everything stands just now, in one look: queues with their ages and speeds, what is held or rejected, batches, inboxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from gateway.core.batches import Batch, BatchState
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.lifecycle import LifeRules
from gateway.core.model import Fate, PartyId
from gateway.core.parties import Parties, Receives
from gateway.core.statistics import Period
from gateway.store import InboxReader, Queue, Store, View, bring_up_to_date

SPEED_OF = 2_000  # the newest deliveries by which speeds are told
REJECTED_WITHIN = timedelta(days=1)
CODES = 8
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


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


# What stands now, and stood a day ago ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingNumbers:
    """What waits for somebody, in numbers."""

    held: int  # messages
    owed: int  # deliveries that are not through
    lanes: int  # that something holds
    overdue: int  # open dossiers past their appointment
    due_today: int  # open dossiers whose appointment passes before the day at home is over

    def by_name(self) -> dict[str, int]:
        """As they are kept."""
        return {"held": self.held, "owed": self.owed, "lanes": self.lanes, "overdue": self.overdue}


def standing_now(view: View, now: datetime) -> StandingNumbers:
    """As it is at this moment, as far as the rows for counting are made."""
    tomorrow = (now.astimezone(GIO_VIET_NAM) + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    appointments = view.due_by_day(now, [tomorrow])
    return StandingNumbers(
        held=view.held_count(),
        owed=sum(sum(queue.counts.values()) for queue in view.queues()),
        lanes=view.count_lanes(held_only=True),
        overdue=sum(passed for passed, _ in appointments.values()),
        due_today=sum(coming for _, coming in appointments.values()),
    )


def a_day_ago(view: View, now: datetime) -> dict[str, int]:
    """The numbers of this hour yesterday, or of the hour before it; none where nobody kept them."""
    for at in (now - DAY, now - DAY - HOUR):
        hour = at.replace(minute=0, second=0, microsecond=0)
        found = {name: view.hourly(name, hour) for name in ("held", "owed", "lanes", "overdue")}
        known = {name: number for name, number in found.items() if number is not None}
        if known:
            return known
    return {}


def keep_hour(store: Store, parties: Parties, now: datetime) -> bool:
    """Keeps the numbers of this hour, once; whether it was the first to."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    with store.read() as view:
        if view.hourly("held", hour) is not None:
            return False
    bring_up_to_date(store, lambda party: LifeRules.of(parties.get(party)))
    with store.read() as view:
        numbers = standing_now(view, now).by_name()
    with store.begin() as tx:
        tx.put_hourly(numbers, now)
    return True
