"""The time that the processes of a node go by, for those that begin later."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from gateway.core.clocks import ClockStart, NodeClock

_MOVED_S = 1.0  # what is less is no step


class ClockKept:
    """A file in the runtime folder: what both clocks said when a process of this node believed the machine's.

    Not the parent, which knows neither the log nor who vouches for the clock.
    """

    def __init__(self, shared: Path) -> None:
        """``shared``: the node's runtime folder."""
        self._file = shared / "clock"
        self._ahead: float | None = None  # as this process has written it

    def read(self, otherwise: ClockStart) -> ClockStart:
        """What was kept last; ``otherwise`` where nothing was."""
        try:
            wall, counted = self._file.read_text("ascii").split()
            return ClockStart(float(wall), float(counted))
        except (OSError, ValueError):
            return otherwise

    def keep(self, clock: NodeClock) -> None:
        """Keeps what this process goes by, where that has moved; nothing while it is in doubt."""
        believed = clock.believed()
        if believed is None:
            return
        ahead = believed.wall - believed.counted
        if self._ahead is not None and abs(ahead - self._ahead) < _MOVED_S and self._file.exists():
            return
        fresh = self._file.with_name(f"clock.{os.getpid()}")
        with contextlib.suppress(OSError):  # a folder that was taken away is made anew
            fresh.write_text(f"{believed.wall!r} {believed.counted!r}", "ascii")
            fresh.replace(self._file)
            self._ahead = ahead
