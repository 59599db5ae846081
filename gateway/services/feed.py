"""Station 8: a party reads its own inbox. Ordered, without gaps, for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.core.model import InboxEntry, PartyId
from gateway.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A run of inbox entries. Positions count 1, 2, 3, …, so a reader sees for itself that nothing is missing."""

    entries: Sequence[InboxEntry]
    after: int  # the position that was asked for
    last: int  # ask after this one next
    head: int  # the newest position there is


def page(store: Store, party: PartyId, after: int, limit: int, now: datetime) -> Page:
    """What the party gets after a position. Asking after N confirms that everything up to N has been taken in.

    A position that does not exist yet (a mistyped cursor, one of another node) confirms nothing.
    """
    with store.read() as view:
        entries = view.inbox_after(party, after, limit)
        reader = view.reader(party)
    if reader.confirmed < after <= reader.head:
        with store.begin() as tx:
            tx.confirm(party, after, now)
    last = entries[-1].position if entries else min(after, reader.head)
    return Page(entries=entries, after=after, last=last, head=reader.head)
