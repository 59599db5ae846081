"""How `work` is doing, told at a port of its own: is it alive, do its turns come, what do its deliveries come to."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.core.addresses import host_and_port
from gateway.core.model import Attempt, Delivery
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.opening import still_ours
from gateway.services.intake import Gate
from gateway.store import StoreError
from gateway.web import metrics
from gateway.web.auth import of_an_operator
from gateway.web.gauges import standing
from gateway.web.recording import Recording
from gateway.web.refusals import store_of

log = logging.getLogger("lienthong.work")

LATE_TURNS = 3  # so many turns of a loop may stay out, and a minute, before it counts as stuck
LATE_S = 60.0
PATIENCE_S = 3.0  # a database that takes longer to say one number cannot be worked with
_TRIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_WAITS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)
_AGES = (0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 3600.0, 86_400.0)


@dataclass(slots=True)
class _Turns:
    """One loop of the process."""

    every_s: float
    at: float  # when its last turn ended, or was last seen to get on, monotonic seconds


class WorkMetrics:
    """The counters of one `work`. Times are in seconds; no personal data: parties by their id, codes, kinds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, log_head_s: float = 3600.0) -> None:
        """``log_head_s``: how often the head of the log is signed (work.log_head_s)."""
        self._clock, self._log_head_s = clock, log_head_s
        self.registry = CollectorRegistry()
        name = "lienthong_"
        self._tries = Histogram(
            f"{name}delivery_try_seconds",
            "Tries of deliveries, by receiver and by what they came to: how long each took.",
            ("party", "kind", "outcome"),
            buckets=_TRIES,
            registry=self.registry,
        )
        self._first = Histogram(
            f"{name}delivery_wait_seconds",
            "From a delivery's being owed to its first try, by receiver.",
            ("party",),
            buckets=_AGES,
            registry=self.registry,
        )
        self._problems = Counter(
            f"{name}delivery_problems", "Problems of tries, by receiver.", ("party", "code"), registry=self.registry
        )
        self._turned = Counter(f"{name}work_turns", "Turns of the loops.", ("loop", "outcome"), registry=self.registry)
        self._at = Gauge(
            f"{name}work_turn_timestamp_seconds", "When a loop's last turn ended.", ("loop",), registry=self.registry
        )
        self._overdue = Gauge(
            f"{name}work_loop_stuck",
            "1 while a loop neither ends its turn nor gets on with it: what /readyz names.",
            ("loop",),
            registry=self.registry,
        )
        self._waits = Histogram(
            f"{name}database_wait_seconds",
            "How long a transaction waited for a connection and, to write, for its turn.",
            ("what",),
            buckets=_WAITS,
            registry=self.registry,
        )
        self._lines = Counter(
            f"{name}log_lines_dropped",
            "Lines of the technical log that nobody took from standard error.",
            registry=self.registry,
        )
        self._loops: dict[str, _Turns] = {}

    def tried(self, delivery: Delivery, attempt: Attempt) -> None:
        """One try is over."""
        took = (attempt.ended_at - attempt.started_at).total_seconds()
        self._tries.labels(delivery.party, attempt.kind, str(attempt.outcome)).observe(max(0.0, took))
        if delivery.tries <= 1 and delivery.created_at is not None:
            waited = (attempt.started_at - delivery.created_at).total_seconds()
            self._first.labels(delivery.party).observe(max(0.0, waited))
        if attempt.problem is not None:
            self._problems.labels(delivery.party, attempt.problem.code).inc()

    def begins(self, loop: str, every_s: float) -> None:
        """A loop begins; its first turn is owed."""
        self._loops[loop] = _Turns(every_s, self._clock())
        self._overdue.labels(loop).set_function(lambda: float(self._is_stuck(self._loops[loop])))

    def progressed(self, loop: str) -> None:
        """A turn that takes long got on: what was done until now is no reason to start anything anew."""
        self._loops[loop].at = self._clock()

    def turned(self, loop: str, every_s: float, outcome: str) -> None:
        """A loop made a turn: "done", "failed", or "database" where the database did not do it."""
        self._turned.labels(loop, outcome).inc()
        self._at.labels(loop).set_to_current_time()
        if loop not in self._loops:  # the outbox says of itself only that it turned
            self.begins(loop, every_s)
        self._loops[loop] = _Turns(every_s, self._clock())

    def lines_dropped(self, number: int) -> None:
        """So many more lines of the technical log were dropped."""
        if number:
            self._lines.inc(number)

    def waited(self, what: str, seconds: float) -> None:
        """A transaction could begin."""
        self._waits.labels(what).observe(seconds)

    def stuck(self) -> list[str]:
        """The loops whose turn is long overdue, and does not get on either."""
        return sorted(name for name, one in self._loops.items() if self._is_stuck(one))

    def _is_stuck(self, one: _Turns) -> bool:
        return self._clock() - one.at > LATE_TURNS * one.every_s + LATE_S

    def text(self, gate: Gate) -> bytes:
        """Everything, with what the database says now. Raises StoreError."""
        return metrics.with_read(self.registry, lambda: standing(gate, self._log_head_s))


class WorkPort:
    """The port: ``await start()``, then ``address``, and ``await stop()``."""

    def __init__(
        self,
        figures: WorkMetrics,
        gate: Callable[[], Gate],
        operators: Iterable[str],
        doubt: Callable[[], Problem | None] = lambda: None,
    ) -> None:
        """``operators``: the SHA-256 of the tokens that may read the figures (door.operator_tokens_sha256).

        ``doubt`` says why the clock is not believed.
        """
        self._doubt = doubt
        self._figures, self._gate = figures, gate
        self._operators = tuple(digest.lower() for digest in operators)
        self._runner: web.AppRunner | None = None
        self._recording = Recording(asyncio.to_thread)
        self.port = 0

    async def start(self, host: str, port: int, *, shares: bool = False) -> None:
        """Listens. Raises Stopped (SYS-032) where that cannot be. ``shares``: a successor may listen there before this ends."""
        app = web.Application()
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._scrape)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, reuse_port=shares or None).start()
        except OSError as error:
            await self._runner.cleanup()
            raise Stopped(
                Problem("SYS-032", {"address": host_and_port(host, port), "reason": system_reason(error)})
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Closes."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _alive(self, _: web.Request) -> web.Response:
        return _json(200, {"status": "alive", "node": self._gate().identity.ma_dinh_danh})

    async def _ready(self, _: web.Request) -> web.Response:
        """The database answers, is ours, keeps what is written; all loops make their turns; 503 names the first that fails."""
        why = await self._recording.why_not(store_of(self._gate()))
        probes = {
            "database": await self._database(),
            "schema": await self._schema(),
            "recording": not why,
            "clock": self._doubt() is None,
            "loops": not (stuck := self._figures.stuck()),
        }
        failing = next((name for name, ok in probes.items() if not ok), None)
        body: dict[str, object] = {"status": "ready" if failing is None else "not ready", "probes": probes}
        if failing is not None:
            body |= {"failing": failing, "why": why, "stuck": stuck}
        return _json(200 if failing is None else 503, body)

    async def _database(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.to_thread(_ask, self._gate())
        except (StoreError, TimeoutError):
            return False
        return True

    async def _schema(self) -> bool:
        """Whether the database is of this program's revision, as far as it says so."""
        store = store_of(self._gate())
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.to_thread(still_ours, store)
        return store.mismatch is None

    async def _scrape(self, request: web.Request) -> web.Response:
        if not of_an_operator(request.headers, self._operators):
            return _json(401, Problem("AUT-101").as_dict(), {"WWW-Authenticate": "Bearer"})
        try:
            text = await asyncio.to_thread(self._figures.text, self._gate())
        except StoreError as error:
            log.error("the database did not answer: %s", error)  # noqa: TRY400 - its own sentence says it all
            return _json(503, Problem("SYS-119").as_dict(), {"Retry-After": "5"})
        return web.Response(body=text, headers={"Content-Type": metrics.CONTENT_TYPE})


def _ask(gate: Gate) -> int:
    with store_of(gate).read() as view:
        return view.parties_version()


def _json(status: int, body: object, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(body, status=status, headers={"Cache-Control": "no-store", **(headers or {})})
