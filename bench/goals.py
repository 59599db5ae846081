"""The goals for speed and what was measured of each, as a table; several runs go into one file with their medians."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path("build/bench.json")


@dataclass(frozen=True)
class Goal:
    """A figure that must not be worse than one bound and should reach another."""

    figure: str  # its name in the results
    said: str
    must: float
    aim: float
    digits: int = 1
    unit: str = ""
    more: bool = False  # whether more is better
    how: str = "make bench"  # what measures it

    def verdict(self, value: float) -> str:
        """In a word."""
        if (value >= self.aim) if self.more else (value <= self.aim):
            return "aim reached"
        return "must reached" if (value >= self.must if self.more else value <= self.must) else "**missed**"

    def bound(self, value: float) -> str:
        """A bound as it is said."""
        return f"{'≥' if self.more else '≤'} {value:.{self.digits}f}{self.unit}"


_STORED = 'make bench ARGS="--stored 1000000"'
GOALS = (
    Goal("4 KB dsig", "server CPU a message ÷ floor, 4 KB XML-DSig", 4.5, 3.0),
    Goal("4 KB xades", "the same, 4 KB XAdES B-B", 5.0, 3.5),
    Goal("20 KB dsig", "the same, 20 KB XML-DSig", 5.5, 3.5),
    Goal("camel 4", "messages/s ÷ warm Camel, 4 KB", 1.0, 1.5, 2, more=True, how="make bench-peer"),
    Goal("camel 20", "messages/s ÷ warm Camel, 20 KB", 0.8, 1.2, 2, more=True, how="make bench-peer"),
    Goal("workers", "two workers ÷ one", 1.7, 1.9, 2, more=True),
    Goal("p99 at 70 %", "p99 at 70 % of peak, 4 KB", 150, 50, 0, " ms"),
    Goal("goodput", "goodput at 2× overload ÷ peak", 0.85, 0.95, 2, more=True),
    Goal("quiet", "quiet party's p99 beside a flood ÷ alone", 2.0, 1.3),
    Goal("begun", "accepted → delivery begun, idle, p99", 60, 20, 0, " ms"),
    Goal("door", "HTTP and door ÷ aiohttp's no-op", 1.6, 1.6),
    Goal("feed page", "feed page, much stored ÷ empty", 1.1, 1.05, 2, how=_STORED),
    Goal("commit", "commit CPU of an accepted message, much stored ÷ empty", 1.4, 1.15, 2, how=_STORED),
    Goal("worst tray", "worst tray, much stored ÷ empty", 3.0, 1.5, how=_STORED),
)


def table(runs: Sequence[Mapping[str, float]]) -> str:
    """Each goal, what it came to in each run and in their median, and a word."""
    lines = ["| Figure | Measured | Must | Aim | |", "|---|---|---|---|---|"]
    for goal in GOALS:
        values = [run[goal.figure] for run in runs if goal.figure in run]
        if not values:
            lines.append(f"| {goal.said} | – | {goal.bound(goal.must)} | {goal.bound(goal.aim)} | `{goal.how}` |")
            continue
        value, each = statistics.median(values), ", ".join(f"{one:.{goal.digits}f}" for one in values)
        shown = f"{value:.{goal.digits}f}{goal.unit}" + (f" ({each})" if len(values) > 1 else "")
        lines.append(
            f"| {goal.said} | {shown} | {goal.bound(goal.must)} | {goal.bound(goal.aim)} | {goal.verdict(value)} |"
        )
    return "\n".join(lines) + "\n"


def keep(path: Path, name: str, runs: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Puts the runs of one command beside those of the others in a file, with medians. Gives all, run by run."""
    kept: dict[str, list[dict[str, float]]] = {}
    if path.exists():
        kept = json.loads(path.read_text("utf-8"))["runs"]
    kept[name] = [dict(run) for run in runs]
    merged: list[dict[str, float]] = []
    for own in kept.values():
        for place, run in enumerate(own):
            if place == len(merged):
                merged.append({})
            merged[place] |= run
    figures = dict.fromkeys(figure for run in merged for figure in run)
    medians = {f: statistics.median(run[f] for run in merged if f in run) for f in figures}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"runs": kept, "medians": medians}, indent=2) + "\n", "utf-8")
    return merged
