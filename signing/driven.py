"""Runs the library coroutines that never wait, from plain code and from inside a running event loop alike."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


def driven(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """The coroutine's result. Raises RuntimeError when it wants to wait: pyHanko does only where it may fetch."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: _T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a library that must not fetch anything wanted to wait")
