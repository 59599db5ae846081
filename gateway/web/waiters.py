"""Long polls: callers who wait for news in their inbox, and the one look at the database that serves them all."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping

from gateway.core.model import PartyId
from gateway.services.intake import Gate
from gateway.store import StoreError
from gateway.web.refusals import store_of

log = logging.getLogger("lienthong.web.waiters")

_EVERY_S = 0.25  # how late news may be at the latest; one cheap query for all who wait


class Waiters:
    """Who waits for whose inbox to grow beyond which position."""

    def __init__(
        self, look: Callable[[Collection[PartyId]], Awaitable[Mapping[PartyId, int]]], stopping: asyncio.Event
    ) -> None:
        """``look`` reads how far the inboxes of parties go; once ``stopping`` is set nobody waits any longer."""
        self._look = look
        self._stopping = stopping
        self._waiting: dict[PartyId, list[tuple[int, asyncio.Future[None]]]] = defaultdict(list)
        self._somebody = asyncio.Event()

    async def wait(self, party: PartyId, after: int, at_most_s: float) -> None:
        """Returns when the inbox has something after the position, when the time is up, or when the door closes."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[party].append((after, news))
        self._somebody.set()
        closing = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((news, closing), timeout=at_most_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            self._waiting[party].remove((after, news))
            if not self._waiting[party]:
                del self._waiting[party]

    async def run(self) -> None:
        """Look for news as long as somebody waits."""
        while True:
            await self._somebody.wait()
            if not self._waiting:
                self._somebody.clear()
                continue
            await asyncio.sleep(_EVERY_S)
            try:
                found = await self._look(tuple(self._waiting))
            except StoreError as error:
                log.warning("cannot look for news: %s", error)
                await asyncio.sleep(1.0)
                continue
            for party, head in found.items():
                for after, news in self._waiting.get(party, ()):
                    if head > after and not news.done():
                        news.set_result(None)


def heads(gate: Gate, parties: Collection[PartyId]) -> dict[PartyId, int]:
    """The last position in each party's inbox."""
    with store_of(gate).read() as view:
        return {party: view.head(party) for party in parties}
