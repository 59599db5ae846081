"""Long polls: callers who wait for news in their inbox, and the one look at the database that serves them all."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress

from gateway.core.model import PartyId
from gateway.services.intake import Gate
from gateway.store import News, StoreError
from gateway.web.refusals import store_of

log = logging.getLogger("lienthong.web.waiters")

_EVERY_S = 0.25  # how late news may be at the latest; one cheap query for all who wait
_BREATH_S = 0.05  # between two looks, however much comes
_QUIET_S = 5.0  # how long the database is listened to when nobody waits any more


class Waiters:
    """Who waits for whose inbox to grow beyond which position."""

    def __init__(
        self,
        look: Callable[[Collection[PartyId]], Awaitable[Mapping[PartyId, int]]],
        stopping: asyncio.Event,
        listen: Callable[[Callable[[], object]], News | None] = lambda _tell: None,
    ) -> None:
        """``look`` reads how far the inboxes of parties go; once ``stopping`` is set nobody waits any longer.

        ``listen`` has what it is given called, in a thread, when a look may be worth it.
        """
        self._look = look
        self._stopping = stopping
        self._listen = listen
        self._waiting: dict[PartyId, list[tuple[int, asyncio.Future[None]]]] = defaultdict(list)
        self._somebody = asyncio.Event()
        self._fresh = asyncio.Event()  # somebody came, or something may have

    async def wait(self, party: PartyId, after: int, at_most_s: float) -> None:
        """Returns when the inbox has something after the position, when the time is up, or when the door closes."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[party].append((after, news))
        self._somebody.set()
        self._fresh.set()
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
        loop = asyncio.get_running_loop()
        news: News | None = None
        try:
            while True:
                if not self._waiting:
                    news = await self._nobody(news)
                    continue
                news = news or self._listen(lambda: loop.call_soon_threadsafe(self._fresh.set))
                began = loop.time()
                self._fresh.clear()
                await self._tell()
                with suppress(TimeoutError):  # not wait_for(): it loses a cancelling that meets what it waits for
                    async with asyncio.timeout(_EVERY_S):
                        await self._fresh.wait()
                await asyncio.sleep(began + _BREATH_S - loop.time())
        finally:
            if news is not None:
                news.close()

    async def _nobody(self, news: News | None) -> News | None:
        """Wait for somebody; who listens for nobody goes home after a while."""
        self._somebody.clear()
        try:
            async with asyncio.timeout(None if news is None else _QUIET_S):
                await self._somebody.wait()
        except TimeoutError:
            if news is not None:
                await asyncio.to_thread(news.close)
            return None
        return news

    async def _tell(self) -> None:
        """One look for all."""
        try:
            found = await self._look(tuple(self._waiting))
        except StoreError as error:
            log.warning("cannot look for news: %s", error)
            await asyncio.sleep(1.0)
            return
        for party, head in found.items():
            for after, news in self._waiting.get(party, ()):
                if head > after and not news.done():
                    news.set_result(None)


def heads(gate: Gate, parties: Collection[PartyId]) -> dict[PartyId, int]:
    """The last position in each party's inbox."""
    with store_of(gate).read() as view:
        return view.heads(parties)
