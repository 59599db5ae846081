"""Two lists of dossiers set side by side in a temporary file: ours and a party's, however long, in whatever order they come.

A file and no merge of two sorted streams: exports are sorted by date or not at all, and each database sorts codes by rules of
its own. Memory is that of one page cache; a million lines on each side are some 300 MB of disk, which go with the book. So it
lies beside the database, and not where temporary files go: that is memory, under many a service manager.
"""

from __future__ import annotations

import errno
import heapq
import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.core.os_words import system_reason
from gateway.core.reconcile import SideTally
from gateway.store.errors import Unavailable, translated

_PAGE = 500
_MADE = (
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",  # nobody needs the file when the process is gone
    "PRAGMA cache_size=-32768",  # KiB
    "PRAGMA temp_store=FILE",
    "CREATE TABLE ours (code TEXT PRIMARY KEY, said TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE theirs (code TEXT PRIMARY KEY, said TEXT NOT NULL, line INTEGER) WITHOUT ROWID",
)
_BOTH = (
    "SELECT o.code, o.said, t.said, t.line FROM ours o LEFT JOIN theirs t ON t.code = o.code "
    "WHERE t.said IS NULL OR t.said <> o.said ORDER BY o.code"
)
_HERE_NOT = (
    "SELECT t.code, NULL, t.said, t.line FROM theirs t LEFT JOIN ours o ON o.code = t.code "
    "WHERE o.code IS NULL ORDER BY t.code"
)
Said = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class SidePair:
    """What the two sides say of one dossier; None: nothing."""

    code: str
    ours: Said | None
    theirs: Said | None
    line: int | None = None  # of the party's list


class SideBook:
    """The two lists. Use it in a ``with``: its file goes at the end, or when the process does. All of it may raise StoreError."""

    def __init__(self, beside: Path | None = None) -> None:
        """``beside``: the folder where its file lies, if it can be written; else where temporary files go."""
        with _folder(beside) as folder, translated():
            self._file = sqlite3.connect(Path(folder) / "side-book", isolation_level=None, check_same_thread=False)
            try:
                for statement in _MADE:
                    self._file.execute(statement)
                self._file.execute("BEGIN")
            except BaseException:
                self._file.close()
                raise
        # Its name is gone with the folder; the file is there as long as it is open, and a process that is killed leaves nothing.
        self.ours, self.theirs = SideTally(), SideTally()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def bytes(self) -> int:
        """How much disk it takes."""
        (pages,), (size,) = (self._file.execute(f"PRAGMA {what}").fetchone() for what in ("page_count", "page_size"))
        return int(pages) * int(size)

    def put_ours(self, code: str, said: Said) -> None:
        """What we have on record of a dossier: the fields that the other side speaks of."""
        text = _text(said)
        with translated():
            self._file.execute("INSERT INTO ours VALUES (?, ?)", (code, text))
        self.ours.add(code, text)

    def put_theirs(self, code: str, said: Said, line: int | None = None) -> int | None:
        """What the party says; where it has spoken of this dossier before, that counts, and its line is given (0: none)."""
        text = _text(said)
        with translated():
            put = self._file.execute("INSERT OR IGNORE INTO theirs VALUES (?, ?, ?)", (code, text, line))
        if put.rowcount:
            self.theirs.add(code, text)
            return None
        with translated():
            (first,) = self._file.execute("SELECT line FROM theirs WHERE code = ?", (code,)).fetchone()
        return int(first or 0)

    def said_by_them(self, codes: Sequence[str]) -> dict[str, Said]:
        """Of these dossiers, what the party says."""
        marks = ",".join("?" * len(codes))
        with translated():
            rows = self._file.execute(f"SELECT code, said FROM theirs WHERE code IN ({marks})", codes)  # noqa: S608 - marks only
            return {code: json.loads(said) for code, said in rows}

    def only_theirs(self) -> Iterator[list[str]]:
        """The dossiers that only the party speaks of, in pages; what is put meanwhile does no harm."""
        after = ""
        while page := self._only_theirs(after):
            yield page
            after = page[-1]

    def _only_theirs(self, after: str) -> list[str]:
        with translated():
            return [code for (code,) in self._file.execute(_ONLY, (after, _PAGE))]

    @property
    def agrees(self) -> bool:
        """Whether both sides say the same of the same dossiers: by count and digest, without a look at a line."""
        return (self.ours.count, self.ours.total) == (self.theirs.count, self.theirs.total)

    def differing(self) -> Iterator[SidePair]:
        """Line by line, what differs, by dossier."""
        if self.agrees:
            return
        yield from heapq.merge(self._pairs(_BOTH), self._pairs(_HERE_NOT), key=attrgetter("code"))

    def _pairs(self, asked: str) -> Iterator[SidePair]:
        with translated():
            for code, ours, theirs, line in self._file.execute(asked):
                yield SidePair(code, _read(ours), _read(theirs), line)


_ONLY = (
    "SELECT code FROM theirs t WHERE code > ? AND NOT EXISTS (SELECT 1 FROM ours o WHERE o.code = t.code) "
    "ORDER BY code LIMIT ?"
)


def _text(said: Said) -> str:
    return json.dumps({name: said[name] for name in sorted(said)}, ensure_ascii=False, separators=(",", ":"))


def _read(text: str | None) -> Said | None:
    return None if text is None else json.loads(text)


def _folder(beside: Path | None) -> tempfile.TemporaryDirectory[str]:
    """One for the file. Where there is no room the reason is told: what takes temporary files is memory, often enough."""
    if beside is not None:
        try:
            return tempfile.TemporaryDirectory(prefix="lienthong-", dir=beside)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable(system_reason(error), why="disk-full") from error
    try:
        return tempfile.TemporaryDirectory(prefix="lienthong-")
    except OSError as error:
        raise Unavailable(system_reason(error), why="disk") from error
