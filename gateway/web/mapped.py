"""A file of the runtime folder that processes of a node map into their memory."""

from __future__ import annotations

import mmap
import os
from pathlib import Path


def mapped(path: Path, size: int, *, anew: bool = False) -> mmap.mmap:
    """So many bytes of a file, made if need be, that have their place on the disk. ``anew``: what was in it is gone.

    Raises OSError where there is no room. A file without its blocks would be made and mapped all the same, and whoever
    touches a page of it on a full file system gets no error: SIGBUS ends the process.
    """
    with path.open("w+b" if anew else "a+b") as file:
        os.posix_fallocate(file.fileno(), 0, size)
        return mmap.mmap(file.fileno(), size)
