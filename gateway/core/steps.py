"""Work in steps, with a rest after each for whoever has something else to do meanwhile."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

_T = TypeVar("_T")


def finished(steps: Generator[None, None, _T]) -> _T:
    """What comes of it, without a rest. Raises what it raises."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: _T = end.value
            return found
