"""The one place that prints. Text for people, or JSON with one object a line; nothing printed can steer a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, TextIO

from gateway.core.problems import Lang, Problem, ProblemOutcome

HANOI = timezone(timedelta(hours=7))  # Asia/Ho_Chi_Minh is +07:00 all year

# C0 and C1 controls but tab and newline, line and paragraph separators, bidi controls, marks and BOM (threats 5.14)
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def inert(text: object) -> str:
    """The text with everything that could steer a terminal or reorder a line written out as ``\\x1b``."""
    return _STEERING.sub(_written_out, str(text))


def one_line(text: object) -> str:
    """Inert, and on one line."""
    return inert(text).replace("\n", "\\n").replace("\t", "\\t")


def _written_out(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def as_json(row: Any) -> str:
    """One line of JSON: Vietnamese as it is, anything steering escaped."""
    text = json.dumps(row, ensure_ascii=False, default=_plain, allow_nan=False)
    return _STEERING.sub(_json_escape, text).encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return list(value)
    return str(value)


def when(moment: datetime | None) -> str:
    """A time as people here read it: local, to the second."""
    return "–" if moment is None else moment.astimezone(HANOI).strftime("%d/%m/%Y %H:%M:%S")


class Unwritable(OSError):
    """Standard output or standard error takes nothing more: a full disk, most of the time."""


@contextmanager
def written() -> Iterator[None]:
    """Tells what goes wrong with the output from all else. A reader who has gone is no error (BrokenPipeError)."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unwritable(error.errno, error.strerror) from error


@dataclass
class Screen:
    """Standard output and standard error, in one language and one form."""

    lang: Lang = Lang.VI
    as_json: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    @property
    def interactive(self) -> bool:
        """Whether there is a person to ask."""
        return not self.as_json and sys.stdin.isatty() and self.err.isatty()

    def text(self, vi: str, en: str) -> str:
        """The text in the language of this run."""
        return vi if self.lang is Lang.VI else en

    def line(self, vi: str = "", en: str | None = None) -> None:
        """A line for people; nothing in JSON."""
        if not self.as_json:
            self._write(self.out, inert(self.text(vi, vi if en is None else en)))

    def note(self, vi: str, en: str) -> None:
        """A remark on standard error, in either form: it is about the run and not a result."""
        self._write(self.err, inert(self.text(vi, en)))

    def row(self, row: Mapping[str, Any]) -> None:
        """A result as JSON, one object a line."""
        self._write(self.out, as_json(row))

    def raw(self, data: bytes) -> None:
        """Bytes exactly as they are, on standard output; at a terminal as text that cannot steer it."""
        if self.out.isatty():
            self._write(self.out, inert(data.decode("utf-8", "replace")))
            return
        with written():
            self.out.flush()
            buffer = getattr(self.out, "buffer", None)
            if buffer is None:
                self.out.write(data.decode("utf-8", "replace"))
            else:
                buffer.write(data)
                buffer.flush()

    def problem(self, problem: Problem, source: str | None = None, *, to_err: bool = False) -> None:
        """A problem as ``file:line:column CODE message`` and ``→ remedy``, or as JSON."""
        stream = self.err if to_err else self.out
        if self.as_json:
            self._write(stream, as_json(self.problem_row(problem, source)))
            return
        place = source or problem.facts.get("file")
        at = problem.at
        prefix = f"{place}" if place else ""
        if at is not None and at.line is not None:
            prefix += (":" if place else "") + f"{at.line}" + (f":{at.column}" if at.column is not None else "")
        head = f"{prefix} " if prefix else ""
        mark = {ProblemOutcome.FAILED: "", ProblemOutcome.UNDETERMINED: "? ", ProblemOutcome.NOTE: "· "}[
            problem.outcome
        ]
        self._write(stream, one_line(f"{head}{mark}{problem.code} {problem.message(self.lang)}"))
        if at is not None and at.xpath:
            self._write(stream, one_line(f"    {at.xpath}"))
        self._write(stream, one_line(f"    → {problem.remedy(self.lang)}"))

    def problem_row(self, problem: Problem, source: str | None = None) -> dict[str, Any]:
        """A problem as JSON: codes, place, facts, and the sentences in the language of the run."""
        at = problem.at
        file = source or problem.facts.get("file")
        return {
            **({"file": file} if file else {}),
            "code": problem.code,
            "token": problem.token,
            "outcome": str(problem.outcome),
            "side": str(problem.entry.side),
            "retry": problem.entry.retry,
            "line": at.line if at else None,
            "column": at.column if at else None,
            "xpath": at.xpath if at else None,
            "message": problem.message(self.lang),
            "remedy": problem.remedy(self.lang),
            "facts": dict(problem.facts),
        }

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
        """A table for people. Elsewhere than at a terminal nothing is cut; at one that is too narrow, each row is a paragraph.

        So an id always stands on one line, to be marked and copied.
        """
        from rich import box
        from rich.console import Console
        from rich.measure import Measurement
        from rich.table import Table
        from rich.text import Text

        shown = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
        for name in columns:
            shown.add_column(Text(name), no_wrap=True)
        cells = [["–" if cell is None else one_line(cell) for cell in row] for row in rows]
        for row in cells:
            shown.add_row(*map(Text, row))
        console = Console(file=self.out, width=None if self.out.isatty() else 1000, highlight=False)
        whole = Measurement.get(console, console.options.update(width=100_000), shown).maximum
        if self.out.isatty() and whole > console.width:
            self._paragraphs(columns, cells, title, console.width)
            return
        with written():
            console.print(shown)

    def _paragraphs(self, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None, width: int) -> None:
        """Each row as its first cell on a line of its own, and the others by name under it."""
        if title:
            self._write(self.out, inert(title))
        for row in rows:
            self._write(self.out, row[0])
            named = [f"{name} {cell}" for name, cell in zip(columns[1:], row[1:], strict=True) if cell not in ("", "–")]
            line = ""
            for piece in named:
                if line and len(line) + 3 + len(piece) > width - 4:
                    self._write(self.out, f"    {line}")
                    line = ""
                line = f"{line} · {piece}" if line else piece
            if line:
                self._write(self.out, f"    {line}")

    def facts(self, rows: Iterable[tuple[str, object]]) -> None:
        """Name and value, one a line, values under each other."""
        listed = [(name, "–" if value is None else one_line(value)) for name, value in rows]
        width = max((len(name) for name, _ in listed), default=0)
        for name, value in listed:
            self._write(self.out, f"  {inert(name):<{width}}  {value}".rstrip())

    def _write(self, stream: TextIO, text: str) -> None:
        with written():
            stream.write(text + "\n")
            stream.flush()
