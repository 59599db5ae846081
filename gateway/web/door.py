"""What a handler may ask of the door that it stands in: the view in force, the database, who calls, how fast, what time."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from gateway.core.allowances import Spending, Spent
from gateway.core.clocks import NodeClock
from gateway.core.parties import Party
from gateway.core.problems import Lang, Problem
from gateway.services.intake import Gate
from gateway.settings import Settings
from gateway.store import News
from gateway.web.auth import Doorkeeper
from gateway.web.crashes import Crashes
from gateway.web.file_pace import FilePace
from gateway.web.metrics import Metrics
from gateway.web.rates import Rates
from gateway.web.recording import Recording
from gateway.web.refusals import refuse
from gateway.web.tray import Tray
from gateway.web.waiters import Waiters, heads
from gateway.wiring import file_desk

log = logging.getLogger("lienthong.web.door")

_T = TypeVar("_T")


class Door:
    """One worker's door without its connections: nothing here knows HTTP."""

    def __init__(
        self, gate: Gate, settings: Settings, *, clock: Callable[[], datetime] | None = None, shared: Path | None = None
    ) -> None:
        """``shared``: the runtime folder of a node whose workers have rates and the memory of crashes in common."""
        self.gate = gate  # replaced as a whole by `take_over`; read once per request
        self.settings = settings
        self.clock = clock or (lambda: datetime.now(UTC))
        self._doubts = clock.doubt if isinstance(clock, NodeClock) else None
        self._doubted = False
        self.metrics = Metrics()
        if gate.store is not None:
            gate.store.waited = self.metrics.waited
        self.crashes = Crashes(shared)
        self.spending = Spending(settings.allowance)
        self.file_pace = FilePace(settings.files.pace_mb_s, self.metrics.gave_way)
        self.tray = Tray(
            self._gate_of_tray,
            settings.door,
            self.clock,
            self.metrics,
            self.crashes,
            self.spending,
            self.file_pace.message,
            self.doubt,
        )
        self.rates = Rates(shared / "rates" if shared else None)
        self.doorkeeper = Doorkeeper(settings.door, self.rates, settings.allowance.strangers_per_s)
        self.files = file_desk(settings, gate.store)
        # Files have threads of their own: neither a slow disk nor a scanner holds up those who only ask.
        self.file_writers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="files")
        self.file_keepers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="keeps")
        self.readers = ThreadPoolExecutor(max_workers=settings.door.read_threads, thread_name_prefix="read")
        self.stopping = asyncio.Event()
        self.waiters = Waiters(lambda parties: self.read(heads, self.gate, parties), self.stopping, self._listen)
        self.recording = Recording(self.read)  # whether commits come through; see health.py
        self.database_answered: float | None = None  # monotonic; see health.py
        self.database_probe: asyncio.Future[int] | None = None

    def doubt(self) -> Problem | None:
        """Why no message is taken in now, by the clock; None where it is believed."""
        problem = None if self._doubts is None else self._doubts()
        if (problem is not None) != self._doubted:
            self._doubted = problem is not None
            self.metrics.clock(doubted=self._doubted)
            if problem is None:
                log.warning("the clock agrees with the log and our own count again")
            else:
                log.error("%s %s", problem.code, problem.message(Lang.EN))
        return problem

    def _gate_of_tray(self) -> Gate:
        """The gate as it is now, which for messages that are taken in may write what comes inside them."""
        return self.gate if self.files is None else replace(self.gate, keep_inline=self.files.keep_inline)

    def _listen(self, tell: Callable[[], object]) -> News | None:
        return None if self.gate.store is None else self.gate.store.news(tell)

    async def read(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """What a blocking function reads from the database, while the loop goes on."""
        return await asyncio.get_running_loop().run_in_executor(self.readers, function, *arguments)

    def check_allowance(self, party: Party, *, messages: int = 1, size: int = 1, now: datetime | None = None) -> None:
        """Whether a party may bring so many messages of together so many bytes ``now``. Raises Refusal (429).

        The rate is the node's, the bytes are those of all nodes (:mod:`gateway.core.allowances`).
        """
        now = now or self.clock()
        allowed, left = self.spending.standing(party, now)
        per_s = allowed.messages_per_s
        wait = self.rates.wait_s(f"messages:{party.id}", per_s, allowed.burst, cost=messages) if messages else 0.0
        if wait > 0:
            self._put_off(party, "messages_per_s", messages)
            headers = {"Retry-After": str(math.ceil(wait))}
            raise refuse("SYS-117", headers=headers, per_s=f"{per_s:g}", burst=allowed.burst)
        if left < size:
            self._put_off(party, "bytes_per_day", messages)
            headers = {"Retry-After": str(self.spending.until_tomorrow_s(now))}
            raise refuse("SYS-118", headers=headers, bytes_per_day=allowed.bytes_per_day)

    def _put_off(self, party: Party, allowance: str, messages: int) -> None:
        self.spending.spend(party, Spent.PUT_OFF, max(messages, 1))
        self.metrics.put_off(party.id, allowance)

    def take_over(self, gate: Gate) -> None:
        """From now on requests and trays are judged by the new view; what is under way finishes with the old one."""
        self.gate = gate
