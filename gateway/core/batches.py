"""Batches: an act over many things, planned once, carried out by `work` at a rate, that can be paused, resumed and cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.core.model import PartyId


class BatchKind(StrEnum):
    """What is done to the things of a batch."""

    REPLAY = "replay"  # deliveries are queued again, messages judged again
    SKIP = "skip"  # deliveries are given up
    REPAIR = "repair"  # what a reconciliation found is owed once more


class BatchState(StrEnum):
    """Where a batch stands; docs/en/states.md has who moves it on."""

    WAITING = "waiting"  # for the approval of a second person
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class BatchItemKind(StrEnum):
    """What one thing of a batch is."""

    DELIVERY = "delivery"
    MESSAGE = "message"
    DOSSIER = "dossier"


class BatchItemState(StrEnum):
    """Where one thing of a batch stands."""

    PLANNED = "planned"  # its turn has not come
    QUEUED = "queued"  # put back; what becomes of it is not known yet
    DONE = "done"
    FAILED = "failed"
    CHANGED = "changed"  # somebody else changed it meanwhile: it was not touched, or is theirs now
    LEFT = "left"  # the batch was cancelled before its turn came


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStep:
    """One thing of a plan: what it is, how it stood when it was planned, and what is to be done with it."""

    kind: BatchItemKind
    subject: str  # a delivery's id, a message's, a dossier's code
    party: PartyId  # who receives it; of a message: who sent it
    was: Mapping[str, Any]
    plan: Mapping[str, Any] = field(default_factory=dict)  # where the kind of the batch does not say it all


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One thing of a batch, and what became of it."""

    batch: int
    number: int  # 1, 2, 3, … in the order of the plan
    step: BatchStep
    state: BatchItemState = BatchItemState.PLANNED
    code: str | None = None  # of the problem, where it failed
    found: str | None = None  # how it stood, where somebody else had changed it
    at: datetime | None = None  # when it came to this


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch, and how far it has come."""

    number: int
    kind: BatchKind
    state: BatchState
    size: int
    per_second: float
    asked: Mapping[str, Any]  # what the plan was asked for: a filter, a party, a period
    reason: str
    started_by: str
    started_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    ended_at: datetime | None = None
    source: int | None = None  # the batch whose failed things these are
    due_at: datetime | None = None  # when `work` looks at it next
    followed_at: datetime | None = None  # when it was last seen what became of the things put back
    lease: int = 0
    counts: Mapping[BatchItemState, int] = field(default_factory=dict)

    def count(self, *states: BatchItemState) -> int:
        """How many things are in one of these states."""
        return sum(self.counts.get(state, 0) for state in states)

    @property
    def settled(self) -> int:
        """How many things are through, one way or another."""
        return self.size - self.count(BatchItemState.PLANNED, BatchItemState.QUEUED)


def person_of(who: str) -> str:
    """The person behind a name of the log: the account in brackets where there is one, since --as takes any name."""
    name = who.removeprefix("operator:").strip()
    return name[name.rindex("(") + 1 : -1] if name.endswith(")") and "(" in name else name
