"""The time a process goes by: the machine's clock, unless that jumps or contradicts the log.

A clock that was set a day on would have genuine messages refused as too old, and what is held run out of time; one that was set
a day back would have them refused as of the future, and deliveries sleep. A process that runs knows better: how much time has
passed is counted by a clock that nobody sets. So where the two part the process goes on by its own count, says so, and takes no
message in until they agree again, or until somebody vouches for the machine's clock: a machine that its hypervisor has paused
counts too little, and is right once its clock is set on.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway.core.problems import Problem

_UNSET: Final = getattr(
    time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC
)  # of Linux the first, which counts while it sleeps
FOLLOWED_S: Final = 60.0  # a step of so many seconds at most is followed: what time servers do all the time
_MACHINE: Final = Path("/etc/machine-id")
_SYNCHRONISED: Final = range(5)  # TIME_OK to TIME_WAIT of adjtimex(2); TIME_ERROR, the next, is "not synchronised"


# What the machine's clock says, in seconds since 1970, and seconds of one that nobody sets and that counts while the machine
# sleeps. Called several times with each message, so that there is nothing round either.
machine_time: Final = time.time
counted_time: Final = partial(time.clock_gettime, _UNSET)


def kept_by_time_service() -> bool:
    """Whether the kernel says that a time service keeps its clock. False where it does not tell.

    Whoever sets the clock takes that away, in the same moment; only a time service gives it back, once it has compared the clock
    with its sources (adjtimex(2), STA_UNSYNC). A container sees what its kernel says, for it has no clock of its own.
    """
    import ctypes  # noqa: PLC0415 - a megabyte that only a process in doubt needs

    try:
        return ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(1024)) in _SYNCHRONISED  # zeros: it only asks
    except (AttributeError, OSError, TypeError):  # no Linux
        return False


@dataclass(frozen=True, slots=True)
class ClockStart:
    """What both clocks said at one moment: plain numbers, so that a parent can hand them to its children."""

    wall: float  # seconds since 1970, as the machine says
    counted: float  # seconds of the clock that nobody sets

    @classmethod
    def now(cls) -> ClockStart:
        """What they say now."""
        return cls(machine_time(), counted_time())

    def facts(self) -> dict[str, Any]:
        """For a line of the log: processes of the same machine can go by it until that is started anew, which counts from 0."""
        return {"wall_ms": round(self.wall * 1000), "counted_ms": round(self.counted * 1000), "machine": _machine()}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> ClockStart | None:
        """What such a line says; None where it is another machine's, or of before lines said that."""
        if facts.get("machine") != _machine():
            return None
        return cls(facts["wall_ms"] / 1000, facts["counted_ms"] / 1000)


def _machine() -> str:
    """Which machine this is, as a digest; the same for all containers without a name of their own."""
    try:
        name = _MACHINE.read_bytes().strip()
    except OSError:
        return "–"
    return hashlib.sha256(b"lienthong " + name).hexdigest()[:16]


class NodeClock:
    """The time of one process. Call it for the time; ``doubt()`` says what is wrong with the machine's clock, if anything."""

    def __init__(
        self,
        newest: datetime | None = None,
        start: ClockStart | None = None,
        *,
        wall: Callable[[], float] = machine_time,
        counted: Callable[[], float] = counted_time,
        kept: Callable[[], bool] = kept_by_time_service,
    ) -> None:
        """``newest``: when the newest line of the log was written. ``start``: what was believed when this node started."""
        self._wall, self._counted, self._kept = wall, counted, kept
        self._newest = None if newest is None else newest.timestamp()
        start = start or ClockStart(wall(), counted())
        self._ahead = start.wall - start.counted  # how far the time is ahead of what is counted
        self._behind = self._before_log(counted() + self._ahead)
        if self._behind and self._newest is not None:  # time goes on from where the log is, whatever the machine says
            self._ahead = self._newest - counted()
        self._doubtful: bool  # as of the last time that was asked for

    def __call__(self) -> datetime:
        """The time."""
        wall, counted = self._wall(), self._counted()
        own = counted + self._ahead
        if self._behind and not self._before_log(wall):
            self._behind, own = False, wall  # somebody has set it right
        self._doubtful = self._behind or abs(wall - own) > FOLLOWED_S
        if not self._doubtful:
            self._ahead = wall - counted
            own = wall
        return datetime.fromtimestamp(own, UTC)

    def doubt(self) -> Problem | None:
        """Why nothing may be judged for good now; None where the machine's clock is believed."""
        now = self()
        return Problem("SYS-078", {"off": f"{self._wall() - now.timestamp():+.0f} s"}) if self._doubtful else None

    def believed(self) -> ClockStart | None:
        """What a process of this node that begins now is to go by: the machine's clock; None where that is in doubt.

        Small steps that were followed are in it; from what was believed when the node began they may add up to a doubt.
        """
        if self.doubt() is not None:
            return None
        counted = self._counted()
        return ClockStart(counted + self._ahead, counted)

    def settle(self, newest: datetime | None, confirmed: ClockStart | None) -> bool:
        """Goes by the machine's clock after all, where somebody vouches for it; whether there was a doubt that is over now.

        A person does, by what both clocks said when it was ``confirmed``, whatever the log says; or a time service, where the
        ``newest`` line of the log does not speak against it.
        """
        if self.doubt() is None:
            return False
        # Read before the kernel is asked: a step in between takes its word away.
        wall, counted = self._wall(), self._counted()
        by_person = confirmed is not None and _near(wall, confirmed.wall + counted - confirmed.counted)
        before_log = newest is not None and wall < newest.timestamp() - FOLLOWED_S
        if not by_person and (before_log or not self._kept()):
            return False
        self._behind, self._ahead = False, wall - counted
        return self.doubt() is None

    def _before_log(self, moment: float) -> bool:
        return self._newest is not None and moment < self._newest - FOLLOWED_S


def _near(moment: float, other: float) -> bool:
    return abs(moment - other) <= FOLLOWED_S
