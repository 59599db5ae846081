"""The web door of one worker: it listens, lets each request be answered by its route, and closes in good order."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web
from multidict import istr

from gateway.core.allowances import Spent, day_of
from gateway.core.model import PartyId
from gateway.core.problems import Problem
from gateway.services.intake import Gate
from gateway.services.lines import NotedLine
from gateway.settings import Settings
from gateway.store import NotAtHand, Store, StoreError
from gateway.web import check_page, docs, dvcqg, files, health, kit, manual, rest, soap
from gateway.web.connections import WatchedServer
from gateway.web.descriptors import backlog, most_descriptors
from gateway.web.door import Door
from gateway.web.endings import ending_headers
from gateway.web.exchange import REQUEST_ID, Exchange
from gateway.web.refusals import ARCHIVE_AWAY_S, Refusal, not_kept, refuse
from gateway.web.routes import RouteAudience, RouteTable

log = logging.getLogger("lienthong.web")
_answered = NotedLine(log, "answered", "method", "route", "status", "took_ms", "party", "correlation_id")

_PARTS = (rest, files, soap, dvcqg, docs, manual, kit, check_page, health)
_TYPE_OPTIONS = istr("X-Content-Type-Options")
_STRANGERS = frozenset(
    {"AUT-101", "AUT-102", "AUT-103", "AUT-107", "AUT-109", "SYS-142"}
)  # nobody has proven who calls
_UNTOLD = frozenset({"SYS-128"})  # counted, and not logged: a flood of strangers fills no disk


class App:
    """The door of one worker. ``start`` it in a running loop, ``stop`` it to answer what is under way and close."""

    def __init__(
        self,
        gate: Gate,
        settings: Settings,
        *,
        clock: Callable[[], datetime] | None = None,
        shared: Path | None = None,
    ) -> None:
        """``shared``: the runtime folder of a node whose workers have rates and the memory of crashes in common."""
        self.door = Door(gate, settings, clock=clock, shared=shared)
        self.routes = RouteTable([route for part in _PARTS for route in part.ROUTES])
        self._server: WatchedServer | None = None
        self._listener: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        sock: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        loop = asyncio.get_running_loop()
        await self._know_spending()
        self._server = WatchedServer(self.door, self.serve, self.routes.fault_at)
        self.door.tray.start()
        self._tasks = [
            asyncio.create_task(self._server.watch(), name="watchman"),
            asyncio.create_task(self.door.waiters.run(), name="waiters"),
        ]
        options: dict[str, Any] = {"backlog": backlog(most_descriptors()), "ssl": tls}
        if tls is not None:  # a handshake that does not end is a silent client too
            options |= {"ssl_handshake_timeout": self.door.settings.door.header_s, "ssl_shutdown_timeout": 5.0}
        if sock is not None:
            self._listener = await loop.create_server(self._server, sock=sock, **options)
        else:
            self._listener = await loop.create_server(self._server, host, port, **options)

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._listener is None or not self._listener.sockets:
            raise RuntimeError("the door is not open")
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take nothing new, answer what is under way, write what was taken in, close."""
        self.door.stopping.set()
        if self._listener is not None and self._server is not None:
            for sock in self._listener.sockets:
                asyncio.get_running_loop().remove_reader(sock.fileno())  # accept no more, but finish what was accepted
            await asyncio.sleep(0.02)
            self._listener.close()
            until = time.monotonic() + self.door.settings.web.drain_s
            await asyncio.sleep(0.05)  # what was accepted a moment ago shows up, and is served or closed like the rest
            while self._server.connections and time.monotonic() < until:
                self._server.close_idle()  # not aiohttp's own pre_shutdown: it would stop reading half-sent bodies too
                await asyncio.sleep(0.05)
            transports = [c.transport for c in self._server.connections]
            await self._server.shutdown(1.0)
            for transport in transports:  # a client that does not read would keep its connection open for ever
                if transport is not None:
                    transport.abort()
            await asyncio.sleep(0.01)  # connections that were closed in this moment are let go of
        await self.door.tray.close()
        await self._write_spending()
        while going := [task for task in self._tasks if not task.done()]:
            for task in going:  # again, where one has overheard it: nothing may keep a process that is to end
                task.cancel()
            await asyncio.wait(going, timeout=0.5)
        for threads in (self.door.readers, self.door.file_writers, self.door.file_keepers):
            threads.shutdown(wait=True)
        self.door.rates.close()

    async def _know_spending(self) -> None:
        """What parties have sent today, before this process began."""
        store, now = self.door.gate.store, self.door.clock()
        if store is None:
            return
        with suppress(StoreError):  # then the first commit tells the sums
            self.door.spending.take_over(await self.door.read(_spent, store, now), now)

    async def _write_spending(self) -> None:
        """What parties have sent in the last second."""
        spending, store = self.door.spending, self.door.gate.store
        due = spending.due(math.inf)
        if store is None or not due:
            return
        try:
            spending.written(due, await self.door.read(_spend, store, spending.day, due), 0.0)
        except StoreError as error:
            log.warning("what parties have sent in the last second is not on record: %s", error)

    # -- one request --------------------------------------------------------------------------------------------------

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request, whatever it is. Never raises but when it is cancelled."""
        began = time.perf_counter()
        exchange = Exchange(self.door, request)
        exchange.watch.begins()
        try:
            response = await self._serve(exchange)
        except Refusal as refusal:
            unproven = refusal.problem.code in _STRANGERS or exchange.fault is dvcqg.refused_call
            if exchange.identity is None and unproven:
                peer = self.door.doorkeeper.address(request.headers, exchange.peer)
                refusal = self.door.doorkeeper.stranger(refusal, peer)
            self.door.metrics.refused(refusal.problem.code)
            exchange.told = refusal.problem.code not in _UNTOLD
            response = exchange.refused(refusal)
        except NotAtHand as error:
            log.error("asked for in vain: %s", error)  # noqa: TRY400 - its own sentence says it all
            away = Refusal(Problem(error.code, error.facts), {"Retry-After": str(ARCHIVE_AWAY_S)})
            response = exchange.refused(away)
        except StoreError as error:
            log.error("the database did not answer: %s", error)  # noqa: TRY400 - its own sentence says it all
            response = exchange.refused(Refusal(not_kept(error, "SYS-119"), {"Retry-After": "5"}))
        except Exception:
            log.exception("a fault of ours", extra={"correlation_id": exchange.correlation_id})
            response = exchange.refused(refuse("SYS-120", correlation_id=exchange.correlation_id, close=True))
        headers = response.headers
        headers[REQUEST_ID] = exchange.correlation_id
        headers[hdrs.SERVER] = "lienthong"
        headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
        headers[_TYPE_OPTIONS] = "nosniff"
        limits = self.door.settings.door
        if limits.deprecated:  # an end is told only after that
            headers.update(ending_headers(exchange.path, limits.deprecated, limits.sunset))
        if self.door.stopping.is_set():
            response.force_close()
        exchange.watch.ends()
        self._note(exchange, exchange.meant or response.status, time.perf_counter() - began)
        return response

    async def _serve(self, exchange: Exchange) -> web.StreamResponse:
        door, route = self.door, self.routes.find(exchange)
        exchange.fault = route.fault
        exchange.check_framing()
        exchange.check_expectation()
        headers, parties = exchange.request.headers, door.gate.parties
        if route.who is RouteAudience.PARTY:
            peer = door.doorkeeper.address(headers, exchange.peer)
            exchange.identity = door.doorkeeper.identify(headers, peer, exchange.tls, parties)
        elif route.who is RouteAudience.OPERATOR and not door.doorkeeper.is_operator(headers):
            door.doorkeeper.identify(headers, exchange.peer, exchange.tls, parties)  # 401 for nobody
            raise refuse("AUT-106")
        return await route.handler(exchange)

    def _note(self, exchange: Exchange, status: int, took_s: float) -> None:
        method, route, identity = exchange.request.method, exchange.route, exchange.identity
        self.door.metrics.request(method, route, status, took_s)
        if exchange.told and self.door.settings.door.access_log:
            party = identity.party.id if identity else None
            took_ms = int(took_s * 10_000 + 0.5) / 10
            _answered(method, route or "–", status, took_ms, party, exchange.correlation_id)


def _spent(store: Store, now: datetime) -> dict[tuple[str, PartyId], int]:
    with store.read() as view:
        return view.spent(list(Spent), day_of(now))


def _spend(store: Store, day: datetime, due: Mapping[tuple[str, PartyId], int]) -> Mapping[tuple[str, PartyId], int]:
    with store.begin() as tx:
        tx.spend(day, due)
    return tx.total


def create_app(gate: Gate, settings: Settings | None = None, **options: Any) -> App:
    """The door for a gate. ``await app.start(host, port)``, then ``app.port``, and ``await app.stop()`` at the end."""
    return App(gate, settings or Settings(), **options)
