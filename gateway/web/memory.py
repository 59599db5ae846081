"""What a process keeps in memory, and gives back of it."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from pathlib import Path
from typing import Final

LOOKS_S: Final = 30.0
WORTH_MB: Final = 4.0  # so much more than before is worth the search


def memory_mb() -> float:
    """What this process keeps in memory; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except OSError:
        return 0.0
    return pages * resource.getpagesize() / 2**20


def give_back() -> None:
    """Give every page back on which nothing lies any more. Does nothing where the C library is not glibc.

    By itself it gives back only what lies at the end of a heap: once many messages have waited at the same time, what is used
    lies between what is not, and the process stays as large as it ever was (docs: reliability, "For long").
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415 - only who has something to give back

        ctypes.CDLL(None).malloc_trim(0)


class Spare:
    """Looks now and then whether this process has grown, and then gives back what is not used."""

    def __init__(self, every_s: float = LOOKS_S) -> None:
        self._every_s = every_s
        self._looked, self._kept = time.monotonic(), memory_mb()

    async def look(self) -> None:
        """To be called every second or so: the search takes some ten milliseconds, in a thread."""
        if time.monotonic() - self._looked < self._every_s:
            return
        self._looked = time.monotonic()
        if memory_mb() > self._kept + WORTH_MB:
            with contextlib.suppress(RuntimeError):  # no thread to be had: next time
                await asyncio.to_thread(give_back)
            self._kept = memory_mb()
