"""The time a process goes by: the machine's clock, unless that jumps or contradicts the log.

A clock that was set a day on would have genuine messages refused as too old, and what is held run out of time; one that was set
a day back would have them refused as of the future, and deliveries sleep. A process that runs knows better: how much time has
passed is counted by a clock that nobody sets. So where the two part the process goes on by its own count, says so, and takes no
message in until they agree again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.core.problems import Problem

_UNSET: Final = getattr(
    time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC
)  # of Linux the first, which counts while it sleeps
FOLLOWED_S: Final = 60.0  # a step of so many seconds at most is followed: what time servers do all the time


def machine_time() -> float:
    """What the machine's clock says, in seconds since 1970."""
    return time.time()


def counted_time() -> float:
    """Seconds of a clock that nobody sets, and that counts while the machine sleeps."""
    return time.clock_gettime(_UNSET)


@dataclass(frozen=True, slots=True)
class ClockStart:
    """What both clocks said at one moment: plain numbers, so that a parent can hand them to its children."""

    wall: float  # seconds since 1970, as the machine says
    counted: float  # seconds of the clock that nobody sets

    @classmethod
    def now(cls) -> ClockStart:
        """What they say now."""
        return cls(machine_time(), counted_time())


class NodeClock:
    """The time of one process. Call it for the time; ``doubt()`` says what is wrong with the machine's clock, if anything."""

    def __init__(
        self,
        newest: datetime | None = None,
        start: ClockStart | None = None,
        *,
        wall: Callable[[], float] = machine_time,
        counted: Callable[[], float] = counted_time,
    ) -> None:
        """``newest``: when the newest line of the log was written. ``start``: what was believed when this node started."""
        self._wall, self._counted = wall, counted
        self._newest = None if newest is None else newest.timestamp()
        self._base = start or ClockStart(wall(), counted())
        self._behind = self._before_log(self._own())
        if self._behind and self._newest is not None:  # time goes on from where the log is, whatever the machine says
            self._base = ClockStart(self._newest, counted())
        self._doubtful: bool  # as of the last time that was asked for

    def __call__(self) -> datetime:
        """The time."""
        wall = self._wall()
        own = self._own()
        if self._behind and not self._before_log(wall):
            self._behind, own = False, wall  # somebody has set it right
        self._doubtful = self._behind or abs(wall - own) > FOLLOWED_S
        if not self._doubtful:
            self._base = ClockStart(wall, self._counted())
            own = wall
        return datetime.fromtimestamp(own, UTC)

    def doubt(self) -> Problem | None:
        """Why nothing may be judged for good now; None where the machine's clock is believed."""
        now = self()
        return Problem("SYS-078", {"off": f"{self._wall() - now.timestamp():+.0f} s"}) if self._doubtful else None

    def _own(self) -> float:
        return self._base.wall + (self._counted() - self._base.counted)

    def _before_log(self, moment: float) -> bool:
        return self._newest is not None and moment < self._newest - FOLLOWED_S
