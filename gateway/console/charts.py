"""Bars as SVG without script, each with a title, a sentence and its table. Small enough to be our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.console.parts import Bar, Chart

_ROW: Final = 24
_WIDE: Final = 380  # of 440 units: numbers stand behind their bars
_BESIDE: Final = 6  # letters of a label that stands beside its bar; longer ones stand above


def bars(name: str, title: str, says: str, heads: tuple[str, str], rows: Sequence[tuple[str, float, str]]) -> Chart:
    """A chart of labels with numbers and how the numbers are said; the longest bar is as wide as there is room."""
    most = max((number for _, number, _ in rows), default=0.0)
    beside = all(len(label) <= _BESIDE for label, _, _ in rows)
    x, below = (60, 0) if beside else (0, 20)
    step = _ROW + below + (0 if beside else 4)
    drawn = [
        Bar(
            label=label,
            shown=shown,
            y=place * step,
            width=round((_WIDE - x) * number / most, 1) if most > 0 else 0.0,
            x=x,
            below=below,
        )
        for place, (label, number, shown) in enumerate(rows)
    ]
    return Chart(id=name, title=title, says=says, heads=heads, bars=drawn, height=max(1, len(rows)) * step)
