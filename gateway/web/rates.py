"""Rates without memory of single requests: the generic cell rate algorithm, one number for each key.

The numbers may lie in a file that all workers of a node map, so that a party's rate is the node's and not each
worker's. The clock is CLOCK_MONOTONIC, which all processes of a machine share. A number is one aligned double, read and
written whole: two workers that meet at the same instant may let one request too many pass, never corrupt anything.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import time
from functools import lru_cache
from pathlib import Path

from gateway.web.mapped import mapped

log = logging.getLogger("lienthong.web.rates")

_SLOTS = 2**18  # 2 MiB; a hundred parties collide with probability 2 %


class Rates:
    """How often each key may come."""

    def __init__(self, shared: Path | None = None) -> None:
        """``shared``: a file of the node's runtime folder, made if need be. Without it the rates are this process's, and
        where it cannot be made: then a party may come as often at each worker.
        """
        size = _SLOTS * 8
        try:
            self._map = mmap.mmap(-1, size) if shared is None else mapped(shared, size)
        except OSError as error:
            log.error("rates are each worker's own and not the node's, %s cannot be made: %s", shared, error)  # noqa: TRY400 - it says it all
            self._map = mmap.mmap(-1, size)
        self._due = memoryview(self._map).cast("d")

    def wait_s(
        self, key: str, per_s: float, burst: float, *, take: bool = True, cost: int = 1, now: float | None = None
    ) -> float:
        """0.0 when the key may come now (and then it has come, if ``take``), else the seconds until it may.

        At most ``burst`` at once, ``per_s`` a second in the long run. ``cost``: it comes so many times at once; as many as
        ``burst`` are let pass when nothing came before.
        """
        now = time.monotonic() if now is None else now
        slot = self._slot(key)
        due = self._due[slot]
        if due <= now:  # it has not come for so long that it may in any case
            due = now
        elif (early := due - now - max(max(burst, 1.0) - cost, 0.0) / per_s) > 0:
            return early
        if take:
            self._due[slot] = due + cost / per_s
        return 0.0

    def close(self) -> None:
        """Let go of the shared file."""
        self._due.release()
        self._map.close()

    @staticmethod
    @lru_cache(maxsize=1024)
    def _slot(key: str) -> int:
        return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).digest()) % _SLOTS
