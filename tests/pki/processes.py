"""Families of processes: who is whose child, and who of a group still runs."""

from __future__ import annotations

import contextlib
from pathlib import Path


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def forkservers(pid: int) -> list[int]:
    """The process that a keeper's children are forked from, where it has one."""
    return [child for child in children(pid) if b"multiprocessing.forkserver" in command_of(child)]


def workers(pid: int) -> list[int]:
    """The processes that serve or work: forked from the one that is kept for it, or begun alone where that one was just dead."""
    forked = [child for server in forkservers(pid) for child in children(server)]
    return sorted(forked + [child for child in children(pid) if b"spawn_main" in command_of(child)])


def command_of(pid: int) -> bytes:
    """A process's command line; nothing where it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def state_of(pid: int) -> str:
    """Its letter: R, S, T (stopped), Z; nothing where it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    return ""


def group(number: int) -> list[int]:
    """Who of a process group runs still; the dead whom nobody has buried are left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
            if int(its_group) == number and state != "Z":
                found.append(int(stat.parent.name))
    return found
