"""Where there is no more room: for a process whose files may not grow, and in a file system of its own that is full."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def mounted(folder: object, size: str, *command: str) -> subprocess.CompletedProcess[bytes]:
    """What comes of a command to which this folder is a file system of so much room; skips where nobody may mount one."""
    mount = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    apart = ["unshare", "--mount"]
    if subprocess.run([*apart, "sh", "-c", mount, str(folder), "true"], capture_output=True, check=False).returncode:
        # A container in CI may lack the right, too, and nothing that could be installed gives it.
        pytest.skip("only root with CAP_SYS_ADMIN can give a process a file system of its own (unshare --mount)")
    here = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [*apart, "sh", "-c", mount, str(folder), *command], env=here, capture_output=True, check=False
    )
