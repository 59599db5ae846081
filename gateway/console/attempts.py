"""How often somebody may try to log in: guessing is made slow, and nobody is locked out for ever or by somebody else.

Counted within a span, in memory, since one process is the console of a node. A name that somebody hammers is slowed down for
addresses from which it has not come before; whoever logged in from theirs before is not hindered by that.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from datetime import datetime, timedelta
from typing import Final

SPAN: Final = timedelta(minutes=10)
OF_PAIR: Final = 5  # failures of one name from one address
OF_ADDRESS: Final = 30  # of one address, whatever the names
OF_NAME: Final = 50  # of one name, from wherever, while it comes from where it was not seen
_MOST: Final = 20_000  # keys in memory


class LoginAttempts:
    """Failures of late, by name and address."""

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], deque[datetime]] = OrderedDict()
        self._at_home: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, name: str, address: str, now: datetime) -> int:
        """How many seconds until this may be tried again; 0: now."""
        with self._lock:
            waits = [self._wait(("address", address), OF_ADDRESS, now), self._wait(_pair(name, address), OF_PAIR, now)]
            if (name, address) not in self._at_home:
                waits.append(self._wait(("name", name), OF_NAME, now))
            return max(waits)

    def failed(self, name: str, address: str, now: datetime) -> None:
        """It was not the password."""
        with self._lock:
            for key in (("address", address), _pair(name, address), ("name", name)):
                self._failures.setdefault(key, deque(maxlen=OF_NAME)).append(now)
                self._failures.move_to_end(key)
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)

    def came_in(self, name: str, address: str) -> None:
        """It was: what failed before from here is forgotten."""
        with self._lock:
            self._failures.pop(_pair(name, address), None)
            self._at_home[name, address] = None
            while len(self._at_home) > _MOST:
                self._at_home.popitem(last=False)

    def _wait(self, key: tuple[str, str], most: int, now: datetime) -> int:
        failures = self._failures.get(key)
        if failures is None:
            return 0
        while failures and now - failures[0] >= SPAN:
            failures.popleft()
        if len(failures) < most:
            return 0
        return max(1, int((failures[-most] + SPAN - now).total_seconds()))


def _pair(name: str, address: str) -> tuple[str, str]:
    return "pair", f"{name} {address}"
