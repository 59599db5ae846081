"""News: told soon after something was committed that somebody waits for, so that nobody need ask every few milliseconds.

A hint and no more: it may come twice, for nothing, or not at all while a connection is lost. Whoever waits looks for
himself, and looks every so often without it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine, exc

from gateway.store.engine import driver_errors, listen

log = logging.getLogger("lienthong.store.news")

_AGAIN_S: Final = 2.0  # before a connection that was lost is made anew


class News:
    """A thread that tells of news until it is closed."""

    def __init__(self, engine: Engine, tell: Callable[[], object]) -> None:
        """``tell`` is called in the thread, soon after a commit that had news for somebody."""
        self._engine = engine
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="news", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tells nothing more."""
        self._stop.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        failures: tuple[type[Exception], ...] = (exc.SQLAlchemyError, OSError, *driver_errors())
        lost = False
        while not self._stop.is_set():
            try:
                for _ in listen(self._engine, self._stop):
                    if lost:
                        log.info("the database tells of news again")
                        lost = False
                    self._tell()
            except failures as error:
                if not lost and not self._stop.is_set():
                    log.warning(
                        "the database tells of no news for now (%s); it is looked at instead", type(error).__name__
                    )
                lost = True
                self._stop.wait(_AGAIN_S)
            except RuntimeError:  # the loop that was told is closed
                return
