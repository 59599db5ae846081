"""One more child of a parent that keeps processes alive, on which nothing depends: it may be missing at any time."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

log = logging.getLogger("lienthong.keeper")

_CONTEXT = multiprocessing.get_context("forkserver")  # the one of the keeper: all is loaded there, and nothing opened
_REST_S = 60.0  # between two of them, however often it ends


class Beside:
    """Keeps one process beside the others. Nothing that goes wrong with it reaches the caller."""

    def __init__(self, live: Callable[..., None], job: object, *, name: str) -> None:
        """``live(job, line)`` is its life, which ends when the line does."""
        self._live, self._job, self._name = live, job, name
        self._process: ForkServerProcess | None = None
        self._line: Connection | None = None
        self._next = 0.0

    def tend(self) -> None:
        """Begins it, or another one after a rest; to be called now and then, from when the others are at work."""
        if time.monotonic() < self._next or (self._process is not None and self._process.is_alive()):
            return
        self._next = time.monotonic() + _REST_S
        try:
            self._begin()
        except (OSError, EOFError, RuntimeError) as error:
            log.info("there is no %s for now: %s", self._name, type(error).__name__)

    def _begin(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line, theirs = _CONTEXT.Pipe()
        with theirs:
            process = _CONTEXT.Process(target=self._live, args=(self._job, theirs), name=f"lienthong-{self._name}")
            process.start()
        self._process = process

    def end(self) -> None:
        """Ends it, now."""
        with contextlib.suppress(OSError, EOFError, RuntimeError):
            if self._line is not None:
                self._line.close()
            if self._process is not None and self._process.is_alive():
                self._process.terminate()
                self._process.join(2)
                self._process.kill()
