"""How many things this process may have open at once, and how many of them callers may take."""

from __future__ import annotations

import logging
import resource
from typing import Final

log = logging.getLogger("lienthong.host")

OWN: Final = 200  # database, files, schemas, figures, the way to the parent: never a caller's
MOST: Final = 1 << 20  # more is never asked for: some systems say "as many as you like"


def raise_descriptors() -> int:
    """Asks for as many open files as the system allows, for this process and those it starts; how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError) as error:  # a jail that says more than it gives
            log.warning("the limit of open files stays at %d: %s", soft, error)
    return most_descriptors()


def most_descriptors() -> int:
    """How many files and connections this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(soft, MOST)


def connections_at_most(wanted: int, descriptors: int) -> int:
    """How many connections of callers a process may have of the ``wanted`` ones: what it needs for itself is not given away."""
    return max(1, min(wanted, max(descriptors - OWN - backlog(descriptors), descriptors // 2)))


def backlog(descriptors: int) -> int:
    """How many callers may wait to be let in. The loop lets all of them in at once, before it can close anybody.

    Where that takes the last descriptor, libuv closes whoever waits, honest or not.
    """
    return min(1024, max(8, descriptors // 8))
