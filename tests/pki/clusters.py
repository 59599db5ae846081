"""Where PostgreSQL's programs are, and how a test starts one of them."""

import ctypes
import os
import signal
import sys
import tempfile
from pathlib import Path


def reachable():
    """Where to put the cluster: as root it runs under another account, which must be able to walk there."""
    if os.geteuid() != 0:
        return None
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if all(folder.stat().st_mode & 0o001 for folder in (Path(place), *Path(place).parents)):
            return place
    return None


def postgres_binaries():
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    for folder in [*os.environ.get("PATH", "").split(os.pathsep), *map(str, versions)]:
        if folder and Path(folder, "initdb").exists() and Path(folder, "postgres").exists():
            return Path(folder)
    return None


def end_with_parent():
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG
