"""A document that ends the process that reads it does so once, is named, and is not read again.

Python's own faults are refusals (intake.judge); this is for what no `except` sees: a hole in a library that ends the
process. Each worker says in a mapped file what it is reading. When it crashes, the parent finds there what was open, and
no worker reads those bytes again: their sender is told so, and the bytes are on record for whoever mends the hole.
A worker that was killed from outside (SIGKILL, as by the system when memory ends) says nothing about a document.
"""

from __future__ import annotations

import mmap
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SLOTS, _WIDTH = 8, 64  # threads of a worker that read at the same time; hexadecimal digits of SHA-256
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE})
_ENOUGH = 2  # alone open at a crash, or open at two


class Crashes:
    """A worker's side. Without a folder nothing is noted, and nothing is known."""

    def __init__(self, shared: Path | None = None) -> None:
        """``shared``: the node's runtime folder, which the parent made."""
        self._known = shared / "crashed" if shared else None
        self._size = 0
        self._weight: Counter[str] = Counter()
        self._free = list(range(_SLOTS))
        self._map: mmap.mmap | None = None
        if shared is not None:
            folder = shared / "reading"
            folder.mkdir(exist_ok=True)
            with (folder / str(os.getpid())).open("w+b") as file:
                file.truncate(_SLOTS * _WIDTH)
                self._map = mmap.mmap(file.fileno(), _SLOTS * _WIDTH)

    @contextmanager
    def reading(self, digest: str) -> Iterator[None]:
        """While bytes with this SHA-256 (hexadecimal) are being read."""
        if self._map is None or not self._free:
            yield
            return
        slot = self._free.pop() * _WIDTH  # list.pop and append are atomic
        self._map[slot : slot + _WIDTH] = digest.encode().ljust(_WIDTH)
        try:
            yield
        finally:
            self._map[slot : slot + _WIDTH] = bytes(_WIDTH)
            self._free.append(slot // _WIDTH)

    @contextmanager
    def reading_tray(self) -> Iterator[Callable[[str], None]]:
        """While one thread reads a tray: what to tell whose bytes (SHA-256, hexadecimal) it turns to. It is at one at a time."""
        if self._map is None or not self._free:
            yield lambda _: None
            return
        held, slot = self._map, self._free.pop() * _WIDTH

        def turn_to(digest: str) -> None:
            held[slot : slot + _WIDTH] = digest.encode().ljust(_WIDTH)

        try:
            yield turn_to
        finally:
            held[slot : slot + _WIDTH] = bytes(_WIDTH)
            self._free.append(slot // _WIDTH)

    def guilty(self, digest: str) -> bool:
        """Whether bytes with this SHA-256 have ended a worker of this node."""
        if self._known is None:
            return False
        try:
            size = self._known.stat().st_size
        except FileNotFoundError:
            return False
        if size != self._size:
            self._size = size
            self._weight = Counter()
            for line in self._known.read_text("ascii").splitlines():
                name, _, weight = line.partition(" ")
                self._weight[name] += int(weight or 0)
        return self._weight[digest] >= _ENOUGH


def read_at_death(shared: Path, pid: int | None, exitcode: int | None) -> list[str]:
    """What a worker that is dead was reading when it crashed, noted for the others; empty when it did not crash."""
    file = shared / "reading" / str(pid)
    try:
        found = file.read_bytes()
        file.unlink()
    except FileNotFoundError:
        return []
    if exitcode is None or -exitcode not in _CRASHES:
        return []
    slots = (found[at : at + _WIDTH].strip(b"\0 ") for at in range(0, len(found), _WIDTH))
    digests = [slot.decode("ascii", "replace") for slot in slots if slot]
    with (shared / "crashed").open("a", encoding="ascii") as known:
        known.writelines(f"{digest} {_ENOUGH if len(digests) == 1 else 1}\n" for digest in digests)
    return digests
