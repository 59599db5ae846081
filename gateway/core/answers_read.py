"""What whoever reads the answers of parties asks of the memory of crashes (gateway/web/crashes.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class AnswersRead(Protocol):
    """Who remembers, beyond the end of a process, whose answer was being read when it crashed.

    ``about`` names what is answered: a delivery by its id, or fetching from a party.
    """

    def ended_us(self, about: str, /) -> bool:
        """Whether reading an answer to this has ended a process."""
        ...

    def reading(self, about: str, /) -> AbstractContextManager[None]:
        """While a thread reads an answer to this."""
        ...

    def steps(self, about: str, coroutine: Coroutine[Any, Any, T], /) -> Awaitable[T]:
        """The same, for a coroutine that reads while it runs and not while it waits."""
        ...
