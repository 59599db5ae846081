"""Moves what a file's journal holds into the file, in a thread: nobody's message waits until that is on the disk.

Whoever commits does it in passing where nobody else does, once the journal is far longer than this lets it become.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

from sqlalchemy import Engine, exc

from gateway.store.engine import driver_errors, move_journal

log = logging.getLogger("lienthong.store.journal")

_AGAIN_S: Final = 2.0  # before a connection that was lost is made anew
_ENDS_S: Final = 2.0  # for what is under way to end


class JournalKeeper:
    """A thread that does so until it is closed. Several processes may have one: one of them does it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Moves nothing more."""
        self._stop.set()
        self._thread.join(_ENDS_S)

    def _run(self) -> None:
        failures: tuple[type[Exception], ...] = (exc.SQLAlchemyError, OSError, *driver_errors())
        lost = False
        while not self._stop.is_set():
            try:
                for _ in move_journal(self._engine, self._stop):
                    if lost:
                        log.info("the journal of the database is moved into its file again")
                        lost = False
                return  # it was told to stop, or there is nothing to keep
            except failures as error:
                if not lost:
                    log.warning(
                        "the journal of the database is not moved into its file for now (%s)", type(error).__name__
                    )
                lost = True
                self._stop.wait(_AGAIN_S)
