"""How long tests wait: for an event, with an end so far away that only what never happens meets it.

A machine may be slow, and busy with twenty other things; a test that counts seconds says nothing about the code then. So
whoever waits, waits for what is to happen, and for no shorter than this.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 300.0


def eventually(what: Callable[[], object], *, within_s: float = PATIENCE_S, every_s: float = 0.02) -> bool:
    """Whether this comes to be true; asked again and again, each time a little later, until it does."""
    until = time.monotonic() + within_s
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(every_s)
        every_s = min(every_s * 1.2, 0.25)
    return True


def stays(what: Callable[[], object], *, for_s: float = 1.0) -> bool:
    """Whether this is true all the while. That something does not happen cannot be waited for; it is watched a little."""
    until = time.monotonic() + for_s
    while what():
        if time.monotonic() > until:
            return True
        time.sleep(0.05)
    return False
