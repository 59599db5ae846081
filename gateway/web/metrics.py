"""Figures of the door, in the form Prometheus reads. No personal data: routes are templates."""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_left
from collections import Counter as Counted
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector  # type: ignore[no-untyped-call, unused-ignore]
from prometheus_client.registry import Collector

_T = TypeVar("_T")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_WAITS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)


class _Times(Histogram):
    """A histogram that takes many values as cheaply as one: each costs it a lock and a place in a mapped file."""

    def observe_all(self, values: Collection[float]) -> None:
        """As ``observe`` for each."""
        self._sum.inc(sum(values))
        for place, times in Counted(bisect_left(self._upper_bounds, value) for value in values).items():
            self._buckets[place].inc(times)


class Metrics:
    """The counters of one worker. With PROMETHEUS_MULTIPROC_DIR set, a scrape sees all workers of the node."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        name = "lienthong_"
        labels = ("method", "route", "status")
        self._requests = Counter(f"{name}http_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = _Times(
            f"{name}http_request_seconds",
            "From the head of a request to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._closed = Counter(
            f"{name}http_connections_closed",
            "Connections closed by the watchman, by what took too long.",
            ("why",),
            registry=self.registry,
        )
        self._refused = Counter(
            f"{name}door_refusals", "Requests refused before a message existed.", ("code",), registry=self.registry
        )
        self._put_off = Counter(
            f"{name}allowance_refusals",
            "Messages answered 429, by party and by what was used up.",
            ("party", "allowance"),
            registry=self.registry,
        )
        self._messages = Counter(
            f"{name}messages", "Messages answered after their commit.", ("fate", "channel"), registry=self.registry
        )
        self._problems = Counter(f"{name}problems", "Problems found in messages.", ("code",), registry=self.registry)
        self._waiting = Gauge(
            f"{name}tray_waiting", "Messages waiting for a tray.", registry=self.registry, multiprocess_mode="livesum"
        )
        self._trays = Counter(f"{name}trays", "Trays recorded.", registry=self.registry)
        self._size = Histogram(
            f"{name}tray_messages", "Messages in one tray.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=self.registry
        )
        self._work = Counter(f"{name}tray_seconds", "Time spent on trays.", ("work",), registry=self.registry)
        self._waits = Histogram(
            f"{name}database_wait_seconds",
            "How long a transaction waited for a connection and, to write, for its turn.",
            ("what",),
            buckets=_WAITS,
            registry=self.registry,
        )
        self._lost = Counter(
            f"{name}messages_not_recorded", "Messages the database did not keep.", registry=self.registry
        )
        self._paced = Counter(
            f"{name}files_gave_way_seconds",
            "How long blocks of files waited for messages that came beside them.",
            registry=self.registry,
        )
        self._lines = Counter(
            f"{name}log_lines_dropped",
            "Lines of the technical log that nobody took from standard error.",
            registry=self.registry,
        )
        self._clock = Gauge(
            f"{name}clock_in_doubt",
            "1 while the clock contradicts the log or our own count, and no message is taken in.",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._judging, self._recording = self._work.labels("judging"), self._work.labels("recording")
        # Not counted yet, and whether they will be at the loop's next turn.
        self._answered: deque[tuple[tuple[str, str, int], float]] = deque()
        self._fates: deque[tuple[str, str]] = deque()
        self._called = False
        # Finding a counter by its labels costs as much as counting.
        self._request = lru_cache(512)(self._of_request)
        self._fate = lru_cache(64)(self._messages.labels)
        self._wait = lru_cache(4)(self._waits.labels)

    def _of_request(self, method: str, route: str, status: int) -> tuple[Counter, _Times]:
        known = method if method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS") else "other"
        return self._requests.labels(known, route or "none", str(status)), self._seconds.labels(route or "none")

    def request(self, method: str, route: str, status: int, took_s: float) -> None:
        """One request was answered. To be called inside the running loop, at whose next turn this is counted."""
        self._answered.append(((method, route, status), took_s))
        if not self._called:
            self._soon()

    def _soon(self) -> None:
        self._called = True
        asyncio.get_running_loop().call_soon(self._count_answered)

    def _count_answered(self) -> None:
        """Counts what was answered since the last time: what is of a kind and was answered together, in one go."""
        self._called = False
        for fate, times in Counted(_taken(self._fates)).items():
            self._fate(*fate).inc(times)
        kinds: dict[tuple[str, str, int], list[float]] = {}
        for kind, took_s in _taken(self._answered):
            kinds.setdefault(kind, []).append(took_s)
        for (method, route, status), took in kinds.items():
            count, seconds = self._request(method, route, status)
            count.inc(len(took))
            seconds.observe_all(took)

    def gave_way(self, seconds: float) -> None:
        """A block of a file waited so long for the sake of messages."""
        self._paced.inc(seconds)

    def lines_dropped(self, number: int) -> None:
        """So many more lines of the technical log were dropped."""
        if number:
            self._lines.inc(number)

    def clock(self, *, doubted: bool) -> None:
        """Whether the clock is believed."""
        self._clock.set(doubted)

    def closed(self, why: str) -> None:
        """The watchman closed a connection."""
        self._closed.labels(why).inc()

    def refused(self, code: str) -> None:
        """The door said no."""
        self._refused.labels(code).inc()

    def put_off(self, party: str, allowance: str) -> None:
        """A party had used up what it may send."""
        self._put_off.labels(party, allowance).inc()

    def message(self, fate: str, channel: str, codes: Iterable[str]) -> None:
        """A message was answered. Counted as :meth:`request` is."""
        self._fates.append((fate, channel))
        if not self._called:
            self._soon()
        for code in codes:
            self._problems.labels(code).inc()

    def tray(self, waiting: int, messages: int, judging_s: float, recording_s: float) -> None:
        """A tray was recorded."""
        self._trays.inc()
        self._size.observe(messages)
        self._judging.inc(judging_s)
        self._recording.inc(recording_s)
        self._waiting.set(waiting)

    def waited(self, what: str, seconds: float) -> None:
        """A transaction could begin."""
        self._wait(what).observe(seconds)

    def lost(self) -> None:
        """A message could not be recorded."""
        self._lost.inc()

    def text(self, *more: Callable[[], Iterable[Metric]]) -> bytes:
        """Everything, over all workers where they share a folder, with what ``more`` reads from the database now."""
        self._count_answered()
        registry = self.registry
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder and Path(folder).is_dir():  # where a cleaner took it, until it is made anew: this worker's alone
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        for read in more:
            registry = _with(registry, read)
        return generate_latest(registry)


def _taken(waiting: deque[_T]) -> Iterator[_T]:
    """What waits, taken away one by one; another thread may do so at the same time."""
    with suppress(IndexError):
        while True:
            yield waiting.popleft()


class _Read(Collector):
    def __init__(self, first: CollectorRegistry, read: Callable[[], Iterable[Metric]]) -> None:
        self._first, self._read = first, read

    def collect(self) -> Iterable[Metric]:
        yield from self._first.collect()
        yield from self._read()


def _with(first: CollectorRegistry, read: Callable[[], Iterable[Metric]]) -> CollectorRegistry:
    both = CollectorRegistry(auto_describe=False)
    both.register(_Read(first, read))
    return both


def with_read(first: CollectorRegistry, read: Callable[[], Iterable[Metric]]) -> bytes:
    """Counters, with what ``read`` gives at this moment."""
    return generate_latest(_with(first, read))


def gauge(name: str, what: str, rows: Iterable[tuple[tuple[str, ...], float]], labels: tuple[str, ...] = ()) -> Metric:
    """A gauge read at the moment of the scrape."""
    family = GaugeMetricFamily(f"lienthong_{name}", what, labels=labels)
    for values, number in rows:
        family.add_metric(values, number)
    return family
