"""What waits for the next tray: the parties take turns, not the messages, so that nobody waits behind another one's flood."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.core.model import Acknowledgement, Envelope, PartyId

Waiter = tuple[Envelope, "asyncio.Future[Acknowledgement]"]


class Waiting:
    """Messages that were taken in and are not yet judged, those of each party in the order in which they came."""

    def __init__(self) -> None:
        self._of: dict[PartyId, deque[Waiter]] = {}  # whose turn it is next stands first
        self._count = 0

    def __len__(self) -> int:
        """How many, of all parties."""
        return self._count

    def add(self, envelope: Envelope, answer: asyncio.Future[Acknowledgement]) -> None:
        """One more, behind those of its party."""
        own = self._of.get(envelope.caller.party)
        if own is None:
            own = self._of[envelope.caller.party] = deque()
        own.append((envelope, answer))
        self._count += 1

    def take(self, most: int, fits: Callable[[PartyId, int], bool] = lambda _party, _waiting: True) -> list[Waiter]:
        """At most so many, one of each party in turn, of parties that fit: by who they are and how many they have waiting."""
        taken: list[Waiter] = []
        going = [party for party, own in self._of.items() if fits(party, len(own))]
        while going and len(taken) < most:
            further = []
            for party in going[: most - len(taken)]:
                own = self._of.pop(party)
                taken.append(own.popleft())
                if own:
                    self._of[party] = own  # behind the others
                    further.append(party)
            going = further
        self._count -= len(taken)
        return taken

    def has(self, fits: Callable[[PartyId, int], bool]) -> bool:
        """Whether anybody waits who fits."""
        return any(fits(party, len(own)) for party, own in self._of.items())

    def longest(self) -> int:
        """How many of that party wait which has most waiting."""
        return max(map(len, self._of.values()), default=0)

    def give_way(self, party: PartyId) -> Waiter | None:
        """The newest of whoever has most waiting, taken out for one of this party. None where this one has as many itself."""
        most = max(self._of, key=lambda one: len(self._of[one]), default=None)
        if most is None or len(self._of[most]) <= len(self._of.get(party, ())) + 1:
            return None
        self._count -= 1
        return self._of[most].pop()
