"""What a process that was killed has left in a folder: large copies that nobody will ever finish, or look for."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

YOUNG_S: Final = 60.0  # what is younger may have been made a moment ago, and not been marked yet


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Marks a file or a folder as somebody's who works on it, until the end or until its process is no more. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # where nothing can be locked, nothing is taken away either
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def clear_abandoned(folder: Path, pattern: str) -> None:
    """Takes away the files and folders of this pattern that are not young any more and that nobody works on."""
    for path in sorted(folder.glob(pattern)):
        with suppress(OSError):  # somebody works on it, or somebody else takes it away
            if time.time() - path.stat().st_mtime < YOUNG_S:
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            finally:
                os.close(descriptor)
