"""Bars as SVG without script, each with a title, a sentence and its table. Small enough to be our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.console.parts import Bar, Chart

_ROW: Final = 28
_WIDEST: Final = 340.0  # of 440 units; labels stand above their bars, numbers behind them


def bars(name: str, title: str, says: str, heads: tuple[str, str], rows: Sequence[tuple[str, float, str]]) -> Chart:
    """A chart of labels with numbers and how the numbers are said; the longest bar is as wide as there is room."""
    most = max((number for _, number, _ in rows), default=0.0)
    drawn = [
        Bar(
            label=label,
            shown=shown,
            y=place * _ROW * 2,
            width=round(_WIDEST * number / most, 1) if most > 0 else 0.0,
        )
        for place, (label, number, shown) in enumerate(rows)
    ]
    return Chart(id=name, title=title, says=says, heads=heads, bars=drawn, height=max(1, len(rows)) * _ROW * 2)
