"""Files give way to messages: while messages come, all files of a worker together move no faster than ``files.pace_mb_s``.

A file of a gigabyte may take a minute longer; whoever sends a message waits for its receipt. Without this, ten parties
with fast wires take the processor and the disk from everybody else (bench/files.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

_QUIET_S: Final = 2.0  # without a message for so long, nobody is waiting


class FilePace:
    """How fast the files of one worker move."""

    def __init__(self, mb_s: int, gave_way: Callable[[float], None]) -> None:
        """``gave_way`` is told of each wait, in seconds."""
        self._bytes_s = mb_s * 1_000_000
        self._gave_way = gave_way
        self._message_at = -_QUIET_S
        self._free_at = 0.0

    def message(self) -> None:
        """A message has come."""
        self._message_at = time.monotonic()

    async def turn(self, size: int) -> None:
        """Waits until so many bytes of a file may move."""
        now = time.monotonic()
        if now - self._message_at >= _QUIET_S:
            return
        begins = max(now, self._free_at)
        self._free_at = begins + size / self._bytes_s
        if begins > now:
            self._gave_way(begins - now)
            await asyncio.sleep(begins - now)
