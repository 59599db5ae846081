"""A document that ends the process that reads it does so once, is named, and is not read again.

Python's own faults are refusals (intake.judge); this is for what no `except` sees: a hole in a library that ends the
process. Each worker says in a mapped file what it is reading. When it crashes, the parent finds there what was open, and
no worker reads those bytes again: their sender is told so, and the bytes are on record for whoever mends the hole.
A worker that was killed from outside (SIGKILL, as by the system when memory ends) says nothing about a document; one that
its parent killed because it stood still says something, and twice is enough.

`work` does the same with what it fetches, and with what receivers and those it fetches from answer: whose coroutine is running
is known at every step of the loop.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.web.mapped import mapped

log = logging.getLogger("lienthong.web.crashes")

T = TypeVar("T")

_SLOTS, _WIDTH = 8, 64  # threads of a worker that read at the same time; hexadecimal digits of SHA-256
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE})
_ENOUGH = 2  # alone open at a crash, or open at two
_ROOM: Final = (
    2**20
)  # bytes; in a folder with less, SIGBUS is what the full file system does to whoever maps a file of it
_NOTED = re.compile(rb"([0-9a-f]{64}) ([1-9])$", re.MULTILINE)  # what a full disk has torn counts for nothing


class Crashes:
    """A worker's side. Without a folder nothing is noted, and nothing is known; without room in it nothing is noted."""

    def __init__(self, shared: Path | None = None) -> None:
        """``shared``: the node's runtime folder, which the parent made."""
        self._known = shared / "crashed" if shared else None
        self._size = 0
        self._weight: Counter[str] = Counter()
        self._free = list(range(_SLOTS))
        self._map: mmap.mmap | None = None
        if shared is not None:
            folder = shared / "reading"
            try:
                folder.mkdir(exist_ok=True)
                self._map = mapped(folder / str(os.getpid()), _SLOTS * _WIDTH, anew=True)
            except OSError as error:
                log.error("what is being read cannot be noted in %s: %s", folder, error)  # noqa: TRY400 - it says it all

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
            for name, weight in _NOTED.findall(self._known.read_bytes()):
                self._weight[name.decode()] += int(weight)
        return self._weight[digest] >= _ENOUGH


class AnswerCrashes:
    """The same for what parties answer: to which delivery, or to whose fetching (``AnswersRead``)."""

    def __init__(self, crashes: Crashes) -> None:
        self._crashes = crashes

    def ended_us(self, about: str) -> bool:
        """Whether reading an answer to this has ended a process."""
        return self._crashes.guilty(_mark(about))

    def reading(self, about: str) -> AbstractContextManager[None]:
        """While a thread reads an answer to this."""
        return self._crashes.reading(_mark(about))

    def steps(self, about: str, coroutine: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """The same, for a coroutine that reads while it runs and not while it waits."""
        return Steps(self._crashes, _mark(about), coroutine)


def _mark(name: str) -> str:
    """What stands for something that is no bytes but has a name of its own."""
    return hashlib.sha256(name.encode()).hexdigest()


class Steps(Awaitable[T]):
    """A coroutine, and in the file whenever it runs: between two of its steps others do."""

    def __init__(self, crashes: Crashes, digest: str, coroutine: Coroutine[Any, Any, T]) -> None:
        self._crashes, self._digest, self._coroutine = crashes, digest, coroutine

    def __await__(self) -> Generator[Any, Any, T]:
        step: Callable[[Any], Any] = self._coroutine.send
        said: Any = None
        while True:
            with self._crashes.reading(self._digest):
                try:
                    asked = step(said)
                except StopIteration as end:
                    result: T = end.value
                    return result
            try:
                said = yield asked
                step = self._coroutine.send
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001 - cancelled, most of the time: it is the coroutine's to see
                said, step = error, self._coroutine.throw


def read_at_death(shared: Path, pid: int | None, exitcode: int | None, *, stalled: bool = False) -> list[str]:
    """What a worker that is dead was reading when it crashed, noted for the others; empty when it did not crash.

    ``stalled``: its parent has killed it, because it gave no sign of life.
    """
    file = shared / "reading" / str(pid)
    try:
        found = file.read_bytes()
        file.unlink()
    except FileNotFoundError:
        return []
    if exitcode is None or not (stalled or _crashed(-exitcode, shared)):
        return []
    slots = (found[at : at + _WIDTH].strip(b"\0 ") for at in range(0, len(found), _WIDTH))
    digests = [slot.decode("ascii", "replace") for slot in slots if slot]
    with (shared / "crashed").open("a", encoding="ascii") as known:
        known.writelines(f"{digest} {_ENOUGH if len(digests) == 1 and not stalled else 1}\n" for digest in digests)
    return digests


def _crashed(number: int, shared: Path) -> bool:
    """Whether a process that this signal has ended, where it was one, crashed for what it read."""
    if number == signal.SIGBUS:
        room = os.statvfs(shared)
        return room.f_bavail * room.f_frsize >= _ROOM
    return number in _CRASHES
