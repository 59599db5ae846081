"""The one place that prints. Text for people, or JSON with one object a line; nothing printed can steer a terminal."""

from __future__ import annotations

import codecs
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import zip_longest
from typing import Any, Final, TextIO

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


_BEYOND: Final = re.compile(r"[^\x00-\x7f]")


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


def _place(problem: Problem, source: str | None) -> str:
    """Where a problem is, as editors take it: ``file:line:column``, as much of it as is known."""
    at, file = problem.at, source or problem.facts.get("file")
    numbers = (at.line, at.column) if at is not None and at.line is not None else ()
    return ":".join(str(part) for part in (file or None, *numbers) if part is not None)


# What a terminal that knows no Vietnamese shows in the place of a letter or sign that is not its own.
_PLAIN: Final = str.maketrans(
    {"đ": "d", "Đ": "D", "–": "-", "—": "-", "…": "...", "→": "->", "✓": "+", "✗": "x", "·": "-", "•": "*", "∅": "0"}
    | {"“": '"', "”": '"', "‘": "'", "’": "'", "│": "|", "─": "-", "━": "-", "╸": "-", "╺": "-"}
)
REPLACED: Final = "lienthong-plain"


def _plain_letters(error: UnicodeError) -> tuple[str, int]:
    """Letters without their marks, signs by the nearest ones; what has none is written out."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    letters = "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))
    return "".join(one if one.isascii() else _written_out_one(one) for one in letters), error.end


def _written_out_one(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


codecs.register_error(REPLACED, _plain_letters)


def show_all(*streams: TextIO) -> None:
    """From now on what these cannot show is replaced: no command ends because a terminal knows no Vietnamese."""
    for stream in streams:
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            with suppress(OSError, ValueError):
                reconfigure(errors=REPLACED)


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


ELSEWHERE = 100  # columns of a table that goes to no terminal
TABLE = 80  # columns in which a table stays one
LINES = 3  # of a row; one that needs more stands in a table that is parted, where it may be
GAP = 2  # columns between two cells; one where the terminal is narrow


def _pieces(cell: str, *, hyphens: bool) -> list[str]:
    """What stands together on a line, with what follows it."""
    return re.findall(r"[A-Z]{3}-\d{3}\b\S?\s*|[^\s-]*-+|[^\s-]+\s*|\s+" if hyphens else r"\S+\s*|\s+", cell)


def _widths(
    rows: Sequence[Sequence[str]], room: int, whole: Collection[int], *, hyphens: bool, gap: int
) -> list[int] | None:
    """How wide each column is when all of them fit; the widest that can gives way first. None: they do not."""
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    least = [
        widths[number]
        if number in whole
        else max((cell_len(piece.rstrip()) for cell in column for piece in _pieces(cell, hyphens=hyphens)), default=0)
        for number, column in enumerate(columns)
    ]
    room -= gap * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widest = max((number for number, width in enumerate(widths) if width > least[number]), key=widths.__getitem__)
        widths[widest] -= 1
    return _spread(columns, widths, room)


def _at_ease(rows: Sequence[Sequence[str]], room: int, whole: Collection[int]) -> bool:
    """Whether one table holds them without rows of many lines."""
    widths = _widths(rows, room, whole, hyphens=False, gap=GAP)
    return widths is not None and all(
        len(_wrapped(cell, width)) <= LINES for row in rows[1:] for cell, width in zip(row, widths, strict=True)
    )


def _parts(rows: Sequence[Sequence[str]], room: int, keys: Collection[int]) -> list[list[int]]:
    """Which columns stand in which table, where they are too many for one; none where a column has no room beside the keys.

    A column that is to be read with ease is as wide as its cells, or a quarter of the room; its head may take two or three lines.
    """
    from rich.cells import cell_len

    wanted = []
    for column in zip(*rows, strict=True):
        pieces = (piece for cell in column for piece in _pieces(cell, hyphens=False))
        least = max((cell_len(piece.rstrip()) for piece in pieces), default=0)
        wide = max([cell_len(column[0]) // 2, *map(cell_len, column[1:])])
        wanted.append(max(least, min(room // 4, wide)) + GAP)
    free = beside = room + GAP - sum(wanted[key] for key in keys)
    parts = [sorted(keys)]
    for place in range(len(wanted)):
        if place in keys:
            continue
        if wanted[place] > beside:
            return []
        if wanted[place] > free:
            parts.append(sorted(keys))
            free = beside
        parts[-1].append(place)
        free -= wanted[place]
    return [sorted(part) for part in parts]


def _spread(columns: Sequence[Sequence[str]], widths: Sequence[int], room: int) -> list[int]:
    """What cells broken at spaces leave over goes to the columns that need the least to stand on one line."""
    from rich.cells import cell_len

    needed = [
        max(cell_len(line) for cell in column for line in _wrapped(cell, width))
        for column, width in zip(columns, widths, strict=True)
    ]
    wanted = [max(map(cell_len, column)) for column in columns]
    over = room - sum(needed)
    for number in sorted(range(len(columns)), key=lambda number: wanted[number] - needed[number]):
        if wanted[number] - needed[number] <= over:
            over -= wanted[number] - needed[number]
            needed[number] = wanted[number]
    return needed


def _wrapped(cell: str, width: int) -> list[str]:
    """The cell in lines of this width: broken at spaces where that is enough, else at hyphens too."""
    from rich.cells import cell_len

    if cell_len(cell) <= width:
        return [cell]
    hyphens = any(cell_len(piece.rstrip()) > width for piece in _pieces(cell, hyphens=False))
    lines = [""]
    for piece in _pieces(cell, hyphens=hyphens):
        if lines[-1] and cell_len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _lines_of(rows: Sequence[Sequence[str]], widths: Sequence[int], gap: int) -> Iterator[str]:
    """A table's lines, the first row as its head: each row has as many as its tallest cell, each column is as wide as it must be.

    By ourselves and not by rich's table, whose parts cost a look-up as much as all that it reads.
    """
    from rich.cells import cell_len

    wrapped = [[_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    needed = [max(cell_len(line) for lines in column for line in lines) for column in zip(*wrapped, strict=True)]
    tallest = max(map(len, wrapped[0]))
    wrapped[0] = [
        [""] * (tallest - len(lines)) + lines for lines in wrapped[0]
    ]  # a head stands at the bottom of its place
    for number, row in enumerate(wrapped):
        for pieces in zip_longest(*row, fillvalue=""):
            padded = (piece + " " * (size - cell_len(piece)) for piece, size in zip(pieces, needed, strict=True))
            yield (" " * gap).join(padded).rstrip()
        if number == 0:
            yield "─" * (sum(needed) + gap * (len(needed) - 1))


@dataclass
class Screen:
    """Standard output and standard error, in one language and one form."""

    lang: Lang = Lang.VI
    as_json: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    goes_on: bool = False  # where the reader has gone, too: what this run does matters more than what it says

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
        self._write_json(self.out, row)

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
            self._write_json(stream, self.problem_row(problem, source))
            return
        at, place = problem.at, _place(problem, source)
        head = f"{place} " if place else ""
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

    @contextmanager
    def progress(self, vi: str, en: str) -> Iterator[Callable[[int, int], None]]:
        """What to tell how many of how many are done; a bar on standard error, where that is a terminal."""
        if not self.err.isatty():
            yield lambda _done, _all: None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(file=self.err), transient=True) as bar:
            task = bar.add_task(self.text(vi, en), total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of)

    def rest(self, number: int) -> None:
        """Says that a list was cut, and how much of it is not shown."""
        if number > 0:
            self.line(f"… còn {number} nữa.", f"… {number} more.")

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        title: str | None = None,
        whole: Collection[int] = (0,),
        keys: Collection[int] = (),
    ) -> int:
        """A table as wide as the terminal, or as COLUMNS says; 100 columns where neither is known.

        What is too wide goes on in its cell's next line, broken at spaces, then at hyphens, never inside a problem's code;
        then the gaps are narrowed. The columns in ``whole`` do not break: an id stands on one line, to be marked and copied;
        but of 80 columns and more a table stays a table, if need be with broken ids. Where it cannot, each row is a paragraph.
        What is too wide for one becomes several tables where ``keys`` says which columns stand in each. Gives how many tables.
        """
        cells = [["–" if cell is None else one_line(cell) for cell in row] for row in rows]
        width = shutil.get_terminal_size((ELSEWHERE, 24)).columns
        parts = [] if not keys or _at_ease([columns, *cells], width, whole) else _parts([columns, *cells], width, keys)
        for number, part in enumerate(parts if len(parts) > 1 else []):
            if number:
                self._write(self.out, "")
            heads, *own = ([row[place] for place in part] for row in [columns, *cells])
            self.table(heads, own, title=None if number else title, whole=whole)
        if len(parts) > 1:
            return len(parts)
        tries = [(False, GAP, whole), (True, GAP, whole), (True, 1, whole)]
        for hyphens, gap, kept in [*tries, (True, 1, ())] if width >= TABLE else tries:
            widths = _widths([columns, *cells], width, kept, hyphens=hyphens, gap=gap)
            if widths is not None:
                break
        else:
            self._paragraphs(columns, cells, title, width)
            return 0
        if title is not None:
            self._write(self.out, inert(title))
        self._write(self.out, "\n".join(_lines_of([columns, *cells], widths, gap)))
        return 1

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

    def _write_json(self, stream: TextIO, row: Mapping[str, Any]) -> None:
        text = as_json(row)
        try:
            text.encode(stream.encoding or "utf-8")
        except UnicodeEncodeError:  # for a machine nothing is replaced: JSON has a way to write every letter
            text = _BEYOND.sub(_json_escape, text)
        self._write(stream, text)

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            with written():
                stream.write(text + "\n")
                stream.flush()
        except BrokenPipeError:
            if not self.goes_on:
                raise
            to_nobody(stream)


def to_nobody(stream: TextIO) -> None:
    """What is still in its buffer, and all that comes, goes nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
