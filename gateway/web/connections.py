"""Connections: what each is at, since when, and the watchman who closes those that take too long.

aiohttp parses HTTP; it has no time-outs of its own for silent clients. The watchman here looks at every connection about
once a second, which costs nothing per request.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from gateway.core.problems import Problem
from gateway.web.descriptors import connections_at_most, most_descriptors
from gateway.web.door import Door
from gateway.web.exchange import BodyTooSlow, Exchange
from gateway.web.refusals import Refusal
from gateway.web.routes import Fault

log = logging.getLogger("lienthong.web")


class WatchedConnection(RequestHandler):
    """One connection, with a record of when it last said something and what it is at."""

    def __init__(self, manager: WatchedServer, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self._door = manager.door
        self._fault_at = manager.fault_at
        self._clock = loop.time
        self._heard = loop.time()  # last byte from the other end, or last answer of ours
        self._heard_bytes = 0
        self._heading: float | None = None  # since when a request's head is on its way
        self._exchange: float | None = None  # since when a request is being answered
        self._body: web.BaseRequest | None = None
        self._body_since = 0.0
        self._body_at = 0
        self.peer = ""  # the address at the other end; empty where it has none
        self.tls: ssl.SSLObject | None = None  # the TLS session, when the connection ends in this process
        self._line = b""  # the beginning of the request on its way, for when nobody can read its head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Holds who is at the other end, which each request is asked for."""
        super().connection_made(transport)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0] if isinstance(name, tuple) else name or "")
        self.tls = transport.get_extra_info("ssl_object")

    @property
    def idle_since(self) -> float | None:
        """Since when nothing is asked on it; None while something is."""
        return self._heard if self._exchange is None else None

    def close_if_idle(self) -> None:
        """Close unless a request, or the head of one, is on it."""
        if self._waiter is not None and self._heading is None:
            self.force_close()

    def data_received(self, data: bytes) -> None:
        if data:
            self._heard = self._clock()
            self._heard_bytes += len(data)
            if self._heading is None and self._waiter is not None:
                self._heading = self._heard
                self._line = data[:200]
        super().data_received(data)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Only what was paused: aiohttp asks for it after every piece of a body, and reads nothing once more each time."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def begins(self) -> None:
        """A request's head is complete."""
        self._exchange, self._heading = self._clock(), None

    def ends(self) -> None:
        """The answer to a request is made; what remains is to send it."""
        self._heard = self._clock()
        self._body = None

    def reads(self, request: web.BaseRequest | None) -> None:
        """A request's body is being read, or no longer."""
        self._body = request
        self._body_since, self._body_at = self._clock(), self._heard_bytes

    def moves(self) -> None:
        """An exchange that lasts for long is getting on: a file is on its way, in or out, or is looked at."""
        self._exchange = self._clock()

    def inspect(self, now: float) -> None:
        """Close what took too long."""
        limits = self._door.settings.door
        if self._exchange is not None and not self._request_in_progress and self._waiter is not None:
            self._exchange = None  # the answer went out; the next request may come
            self._heard = now
        if self._exchange is not None:
            if now - self._exchange > limits.exchange_s:
                self._abort("exchange")
            elif self._body is not None:
                allowed = limits.body_grace_s + (self._heard_bytes - self._body_at) / limits.body_bytes_per_s
                if now - self._body_since > allowed or now - self._heard > limits.body_grace_s:
                    self._door.metrics.closed("body")
                    self._body.content.set_exception(BodyTooSlow())
                    self._body = None
        elif self._heading is not None:
            if now - self._heading > limits.header_s:
                self._abort("header")
        elif now - self._heard > limits.idle_s:
            self._abort("idle")

    def _abort(self, why: str) -> None:
        self._door.metrics.closed(why)
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What aiohttp's parser could not read, as a problem document. Its own words would quote hostile bytes."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer is under way already")
        limits = self._door.settings.door
        exchange = Exchange(self._door, request)
        if status >= 500:
            log.error(
                "a fault of ours outside a handler", exc_info=exc, extra={"correlation_id": exchange.correlation_id}
            )
            problem = Problem("SYS-120", {"correlation_id": exchange.correlation_id})
        elif isinstance(exc, LineTooLong) or (message or "").startswith("Too many headers"):
            problem = Problem("SYS-107", {"limit_bytes": limits.header_bytes, "limit_headers": limits.headers})
        else:
            problem = Problem("SYS-106")
        fault = self._fault_at(_called(self._line))
        response = exchange.problem([problem]) if fault is None else fault(exchange, Refusal(problem))
        response.headers["Server"] = "lienthong"
        response.headers["X-Request-Id"] = exchange.correlation_id
        response.force_close()
        self._door.metrics.request("–", "", exchange.meant or response.status, 0.0)
        return response

    def log_exception(self, *args: Any, **_kw: Any) -> None:
        """aiohttp's own log lines quote what arrived; ours do not."""
        log.debug("aiohttp: %s", args[0] if args else "")


class WatchedServer(web.Server):
    """aiohttp's server with watched connections and a bound on their number."""

    def __init__(
        self,
        door: Door,
        answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        fault_at: Callable[[str], Fault | None],
    ) -> None:
        """``fault_at`` tells how a no is said at an address, where that is not by a problem document."""
        limits = door.settings.door
        super().__init__(
            answer,
            keepalive_timeout=limits.idle_s,
            access_log=None,
            max_line_size=limits.header_bytes,
            max_field_size=limits.header_bytes,
            max_headers=limits.headers,
            lingering_time=limits.linger_s,
            auto_decompress=False,  # signed bytes are what travels; what is compressed is refused
            logger=log,
        )
        self.door = door
        self.most = connections_at_most(limits.connections, most_descriptors())
        self.fault_at = fault_at
        self._options: Mapping[str, Any] = self._kwargs

    def __call__(self) -> RequestHandler:
        return WatchedConnection(self, loop=self._loop, **self._options)

    def close_idle(self) -> None:
        """Close the connections on which nothing is asked."""
        for connection in self.connections:
            if isinstance(connection, WatchedConnection):
                connection.close_if_idle()

    async def watch(self) -> None:
        """Close, again and again, the connections that took too long: the watchman. Ends when it is cancelled."""
        limits = self.door.settings.door
        pause = max(
            0.05, min(1.0, limits.header_s / 4, limits.idle_s / 4, limits.body_grace_s / 4, limits.exchange_s / 4)
        )
        while True:
            await asyncio.sleep(pause)
            now = asyncio.get_running_loop().time()
            for connection in self.connections:
                if isinstance(connection, WatchedConnection):
                    connection.inspect(now)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count it in; at the bound, whoever idles longest makes room, and failing that the newcomer goes."""
        super().connection_made(handler, transport)
        if len(self._connections) <= self.most:
            return
        # Those that were closed a moment ago are there until the loop comes round.
        there = [c for c in self._connections if c.transport is not None and not c.transport.is_closing()]
        if len(there) <= self.most:
            return
        idle = [c for c in there if isinstance(c, WatchedConnection) and c is not handler and c.idle_since is not None]
        longest = min(idle, key=lambda c: c.idle_since or 0.0, default=None)
        self.door.metrics.closed("room")
        victim = transport if longest is None else longest.transport
        if victim is not None:
            victim.abort()


def _called(line: bytes) -> str:
    """The address of a call whose head nobody could read; empty for what is no call."""
    method, _, target = line.partition(b" ")
    return target.partition(b" ")[0].decode("latin-1") if method == b"POST" else ""
