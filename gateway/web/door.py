"""What a handler may ask of the door that it stands in: the view in force, the database, who calls, how fast, what time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from gateway.services.intake import Gate
from gateway.settings import Settings
from gateway.web.auth import Doorkeeper
from gateway.web.crashes import Crashes
from gateway.web.metrics import Metrics
from gateway.web.rates import Rates
from gateway.web.tray import Tray
from gateway.web.waiters import Waiters, heads

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
        self.metrics = Metrics()
        self.crashes = Crashes(shared)
        self.tray = Tray(lambda: self.gate, settings.door, self.clock, self.metrics, self.crashes)
        self.rates = Rates(shared / "rates" if shared else None)
        self.doorkeeper = Doorkeeper(settings.door, self.rates)
        self.readers = ThreadPoolExecutor(max_workers=settings.door.read_threads, thread_name_prefix="read")
        self.stopping = asyncio.Event()
        self.waiters = Waiters(lambda parties: self.read(heads, self.gate, parties), self.stopping)
        self.database_answered: float | None = None  # monotonic; see health.py
        self.database_probe: asyncio.Future[int] | None = None

    async def read(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """What a blocking function reads from the database, while the loop goes on."""
        return await asyncio.get_running_loop().run_in_executor(self.readers, function, *arguments)

    def take_over(self, gate: Gate) -> None:
        """From now on requests and trays are judged by the new view; what is under way finishes with the old one."""
        self.gate = gate
