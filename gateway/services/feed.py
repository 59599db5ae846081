"""Station 8: a party reads its own inbox. Ordered, without gaps, for ever; and it is told when the gateway was restored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.core.model import InboxEntry, PartyId
from gateway.core.problems import Problem, Stopped
from gateway.store import InboxReader, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A run of inbox entries. Positions count 1, 2, 3, …, so a reader sees for itself that nothing is missing."""

    entries: Sequence[InboxEntry]
    after: int  # the position that was asked for
    last: int  # ask after this one next
    head: int  # the newest position there is
    generation: int  # of the database; another one than before: it was restored from a backup


def page(store: Store, party: PartyId, after: int, limit: int, now: datetime, *, generation: int | None = None) -> Page:
    """What the party gets after a position. Asking after N confirms that everything up to N has been taken in.

    ``generation``: the one that the position is of, where the party says so. Raises Stopped for a position that says nothing
    here, and confirms nothing then: SYS-143 there is none such, SYS-144 it is from before a restore.
    """
    with store.read() as view:
        entries = view.inbox_after(party, after, limit)
        reader = view.reader(party)
    problem = _another_time(reader, after, generation)
    if problem is not None:
        raise Stopped(problem)
    if not reader.came_over or reader.confirmed < after:
        with store.begin() as tx:
            tx.come_over(party, reader.generation, now)
            tx.confirm(party, after, now)
    last = entries[-1].position if entries else after
    return Page(entries=entries, after=after, last=last, head=reader.head, generation=reader.generation)


def _another_time(reader: InboxReader, after: int, generation: int | None) -> Problem | None:
    """Why this position cannot be gone on from: positions that were given out after a backup are given out anew after its
    restore, for other messages."""
    knows = reader.came_over if generation is None else generation == reader.generation
    if not knows and after > reader.same_up_to:
        facts = {"after": after, "same": reader.same_up_to, "generation": reader.generation, "at": reader.restored_at}
        return Problem("SYS-144", facts)
    if after > reader.head:
        return Problem("SYS-143", {"after": after, "head": reader.head})
    return None
