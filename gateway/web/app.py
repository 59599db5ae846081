"""The web door: one HTTP server per worker, its limits, its watchman, and the table of what can be asked for.

aiohttp parses HTTP; it has no time-outs of its own for silent clients. The watchman here looks at every connection about
once a second, which costs nothing per request.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeVar, cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from gateway.core.problems import Problem
from gateway.services.intake import Gate
from gateway.settings import Settings
from gateway.store import StoreError
from gateway.web.auth import Doorkeeper
from gateway.web.crashes import Crashes
from gateway.web.exchange import BodyTooSlow, Exchange, decoded
from gateway.web.metrics import Metrics
from gateway.web.rates import Rates
from gateway.web.refusals import Refusal, refuse
from gateway.web.tray import Tray
from gateway.web.waiters import Waiters

log = logging.getLogger("lienthong.web")

_T = TypeVar("_T")

Handler = Callable[[Exchange], Awaitable[web.StreamResponse]]


class Who(Enum):
    """Whom a route is for."""

    ANYONE = auto()
    PARTY = auto()  # a registered, open party
    CALLER = auto()  # likewise, but the handler finds out who: it may stand in a SOAP header
    OPERATOR = auto()  # an operator's token


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One thing that can be asked for. ``{name}`` in the address stands for one segment."""

    method: str
    address: str
    who: Who
    handler: Handler
    fault: Callable[[Exchange, Refusal], web.Response] | None = None  # how it says no; a problem document if not given


@dataclass(slots=True)
class _Node:
    """Where the addresses part, segment by segment."""

    fixed: dict[str, _Node] = field(default_factory=dict)
    variable: tuple[str, _Node] | None = None
    routes: dict[str, Route] = field(default_factory=dict)


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
        self.gate = gate  # replaced as a whole by `take_over`; read once per request
        self.settings = settings
        self.door = settings.door
        self.clock = clock or (lambda: datetime.now(UTC))
        self.metrics = Metrics()
        self.crashes = Crashes(shared)
        self.tray = Tray(lambda: self.gate, self.door, self.clock, self.metrics, self.crashes)
        self.rates = Rates(shared / "rates" if shared else None)
        self.doorkeeper = Doorkeeper(self.door, self.rates)
        self.readers = ThreadPoolExecutor(max_workers=self.door.read_threads, thread_name_prefix="read")
        self.waiters = Waiters(self)
        self.stopping = asyncio.Event()
        self.database_answered: float | None = None  # monotonic; see health.py
        self.database_probe: asyncio.Future[int] | None = None
        self.routes: Sequence[Route] = _all_routes()
        self._root = _planted(self.routes)
        self._server: _Server | None = None
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
        self._server = _Server(self)
        self.tray.start()
        self._tasks = [
            asyncio.create_task(self._watch(self._server), name="watchman"),
            asyncio.create_task(self.waiters.run(), name="waiters"),
        ]
        options: dict[str, Any] = {"backlog": 1024, "ssl": tls}
        if tls is not None:  # a handshake that does not end is a silent client too
            options |= {"ssl_handshake_timeout": self.door.header_s, "ssl_shutdown_timeout": 5.0}
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
        self.stopping.set()
        if self._listener is not None and self._server is not None:
            for sock in self._listener.sockets:
                asyncio.get_running_loop().remove_reader(sock.fileno())  # accept no more, but finish what was accepted
            await asyncio.sleep(0.02)
            self._listener.close()
            until = time.monotonic() + self.settings.web.drain_s
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
        await self.tray.close()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.readers.shutdown(wait=True)
        self.rates.close()

    def take_over(self, gate: Gate) -> None:
        """From now on requests and trays are judged by the new view; what is under way finishes with the old one."""
        self.gate = gate

    # -- one request --------------------------------------------------------------------------------------------------

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to one request, whatever it is. Never raises but when it is cancelled."""
        began = time.perf_counter()
        connection = cast(_Connection, request.protocol)  # made by _Server.__call__, which makes no other
        connection.begins()
        exchange = Exchange(self, request)
        try:
            response = await self._serve(exchange)
        except Refusal as refusal:
            self.metrics.refused(refusal.problem.code)
            response = exchange.refused(refusal)
        except StoreError as error:
            log.error("the database did not answer: %s", error)  # noqa: TRY400 - its own sentence says it all
            response = exchange.refused(refuse("SYS-119", headers={"Retry-After": "5"}))
        except Exception:
            log.exception("a fault of ours", extra={"correlation_id": exchange.correlation_id})
            response = exchange.refused(refuse("SYS-120", correlation_id=exchange.correlation_id, close=True))
        response.headers["X-Request-Id"] = exchange.correlation_id
        response.headers["Server"] = "lienthong"
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        if self.stopping.is_set():
            response.force_close()
        connection.ends()
        self._note(exchange, response.status, time.perf_counter() - began)
        return response

    async def _serve(self, exchange: Exchange) -> web.StreamResponse:
        route = self._find(exchange)
        exchange.fault = route.fault
        exchange.check_framing()
        exchange.check_expectation()
        request = exchange.request
        if route.who is Who.PARTY:
            headers = request.headers
            peer = self.doorkeeper.address(headers, exchange.peer)
            exchange.identity = self.doorkeeper.identify(headers, peer, exchange.tls, self.gate.parties)
        elif route.who is Who.OPERATOR and not self.doorkeeper.is_operator(request.headers):
            self.doorkeeper.identify(request.headers, exchange.peer, exchange.tls, self.gate.parties)  # 401 for nobody
            raise refuse("AUT-106")
        return await route.handler(exchange)

    def _find(self, exchange: Exchange) -> Route:
        """The route of a request. Raises Refusal: 400, 404 or 405."""
        request = exchange.request
        target = request.raw_path
        if "://" in target and not target.startswith("/"):  # absolute form: the authority in it means nothing to us
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        path, _, exchange.query_string = target.partition("#")[0].partition("?")
        exchange.path = path
        if not path.startswith("/"):
            raise refuse("SYS-112")
        node = self._root
        variables: dict[str, str] = {}
        template: list[str] = []
        for segment in path[1:].split("/"):
            if segment in node.fixed:
                node = node.fixed[segment]
                template.append(segment)
            elif node.variable is not None and segment:
                name, node = node.variable
                variables[name] = decoded(segment, name)
                template.append(f"{{{name}}}")
            else:
                raise refuse("SYS-112")
        if not node.routes:
            raise refuse("SYS-112")
        exchange.route = "/" + "/".join(template)
        exchange.variables = variables
        method = "GET" if request.method == "HEAD" and "HEAD" not in node.routes else request.method
        route = node.routes.get(method)
        if route is None:
            allowed = ", ".join(sorted({*node.routes, *(["HEAD"] if "GET" in node.routes else [])}))
            raise refuse("SYS-113", headers={"Allow": allowed}, allowed=allowed)
        return route

    async def read(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """What a blocking function reads from the database, while the loop goes on."""
        return await asyncio.get_running_loop().run_in_executor(self.readers, function, *arguments)

    def _note(self, exchange: Exchange, status: int, took_s: float) -> None:
        self.metrics.request(exchange.request.method, exchange.route, status, took_s)
        if self.door.access_log and log.isEnabledFor(logging.INFO):
            log.info(
                "answered",
                extra={
                    "method": exchange.request.method,
                    "route": exchange.route or "–",
                    "status": status,
                    "took_ms": round(took_s * 1000, 1),
                    "party": exchange.identity.party.id if exchange.identity else None,
                    "correlation_id": exchange.correlation_id,
                },
            )

    # -- the watchman -------------------------------------------------------------------------------------------------

    def watch_body(self, request: web.BaseRequest, *, done: bool = False) -> None:
        """Tell the watchman that a body is being read, or that it is no longer."""
        connection = request.protocol
        if isinstance(connection, _Connection):
            connection.reads(None if done else request)

    async def _watch(self, server: _Server) -> None:
        door = self.door
        pause = max(0.05, min(1.0, door.header_s / 4, door.idle_s / 4, door.body_grace_s / 4, door.exchange_s / 4))
        while True:
            await asyncio.sleep(pause)
            now = asyncio.get_running_loop().time()
            for connection in server.connections:
                if isinstance(connection, _Connection):
                    connection.inspect(now)


def create_app(gate: Gate, settings: Settings | None = None, **options: Any) -> App:
    """The door for a gate. ``await app.start(host, port)``, then ``app.port``, and ``await app.stop()`` at the end."""
    return App(gate, settings or Settings(), **options)


def _all_routes() -> Sequence[Route]:
    from gateway.web import docs, health, rest, soap  # noqa: PLC0415 - they need Route from here

    return (*rest.ROUTES, *soap.ROUTES, *docs.ROUTES, *health.ROUTES)


def _planted(routes: Iterable[Route]) -> _Node:
    root = _Node()
    for route in routes:
        node = root
        for segment in route.address[1:].split("/"):
            if name := re.fullmatch(r"\{(\w+)\}", segment):
                if node.variable is None:
                    node.variable = (name.group(1), _Node())
                node = node.variable[1]
            else:
                node = node.fixed.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"{route.method} {route.address} stands twice in the table")
        node.routes[route.method] = route
    return root


class _Connection(RequestHandler):
    """One connection, with a record of when it last said something and what it is at."""

    def __init__(self, manager: _Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self._app = manager.app
        self._clock = loop.time
        self._heard = loop.time()  # last byte from the other end, or last answer of ours
        self._heard_bytes = 0
        self._heading: float | None = None  # since when a request's head is on its way
        self._exchange: float | None = None  # since when a request is being answered
        self._body: web.BaseRequest | None = None
        self._body_since = 0.0
        self._body_at = 0

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
        super().data_received(data)

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

    def inspect(self, now: float) -> None:
        """Close what took too long."""
        door = self._app.door
        if self._exchange is not None and not self._request_in_progress and self._waiter is not None:
            self._exchange = None  # the answer went out; the next request may come
            self._heard = now
        if self._exchange is not None:
            if now - self._exchange > door.exchange_s:
                self._abort("exchange")
            elif self._body is not None:
                allowed = door.body_grace_s + (self._heard_bytes - self._body_at) / door.body_bytes_per_s
                if now - self._body_since > allowed or now - self._heard > door.body_grace_s:
                    self._app.metrics.closed("body")
                    self._body.content.set_exception(BodyTooSlow())
                    self._body = None
        elif self._heading is not None:
            if now - self._heading > door.header_s:
                self._abort("header")
        elif now - self._heard > door.idle_s:
            self._abort("idle")

    def _abort(self, why: str) -> None:
        self._app.metrics.closed(why)
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What aiohttp's parser could not read, as a problem document. Its own words would quote hostile bytes."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer is under way already")
        door = self._app.door
        exchange = Exchange(self._app, request)
        if status >= 500:
            log.error(
                "a fault of ours outside a handler", exc_info=exc, extra={"correlation_id": exchange.correlation_id}
            )
            problem = Problem("SYS-120", {"correlation_id": exchange.correlation_id})
        elif isinstance(exc, LineTooLong) or (message or "").startswith("Too many headers"):
            problem = Problem("SYS-107", {"limit_bytes": door.header_bytes, "limit_headers": door.headers})
        else:
            problem = Problem("SYS-106")
        response = exchange.problem([problem])
        response.headers["Server"] = "lienthong"
        response.headers["X-Request-Id"] = exchange.correlation_id
        response.force_close()
        self._app.metrics.request("–", "", response.status, 0.0)
        return response

    def log_exception(self, *args: Any, **_kw: Any) -> None:
        """aiohttp's own log lines quote what arrived; ours do not."""
        log.debug("aiohttp: %s", args[0] if args else "")


class _Server(web.Server):
    """aiohttp's server with watched connections and a bound on their number."""

    def __init__(self, app: App) -> None:
        door = app.door
        super().__init__(
            app.serve,
            keepalive_timeout=door.idle_s,
            access_log=None,
            max_line_size=door.header_bytes,
            max_field_size=door.header_bytes,
            max_headers=door.headers,
            lingering_time=door.linger_s,
            auto_decompress=False,  # signed bytes are what travels; what is compressed is refused
            logger=log,
        )
        self.app = app
        self._options: Mapping[str, Any] = self._kwargs

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._options)

    def close_idle(self) -> None:
        """Close the connections on which nothing is asked."""
        for connection in self.connections:
            if isinstance(connection, _Connection):
                connection.close_if_idle()

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count it in; at the bound, whoever idles longest makes room, and failing that the newcomer goes."""
        super().connection_made(handler, transport)
        if len(self._connections) <= self.app.door.connections:
            return
        idle = [
            c for c in self._connections if isinstance(c, _Connection) and c is not handler and c.idle_since is not None
        ]
        longest = min(idle, key=lambda c: c.idle_since or 0.0, default=None)
        self.app.metrics.closed("room")
        victim = transport if longest is None else longest.transport
        if victim is not None:
            victim.abort()
