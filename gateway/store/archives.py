"""Months that are over, each in a file of its own: what weighs, that is bytes, with the month's lines of the log beside them.

The rows of messages, verdicts, events and the log stay in the database; of a body stays its row, which says in which file its
bytes are. So everything that is asked works as before, and bytes that are asked for are read from the file by their digest
(View.body), wherever the database is. A file is an SQLite database without a journal, the same for both kinds of node; what is
in it is said by a manifest under the gateway's signature (gateway.services.archiving).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from gateway.core import chain
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.store.errors import NotAtHand
from gateway.store.file_archives import FileArchive, FileArchiveRecord
from gateway.store.filefolder import FILES_SUFFIX
from gateway.store.packing import pattern_number, unpacked

SUFFIX: Final = ".luutru"
KIND: Final = "lienthong-archive"  # of a month's manifest, as it is signed
_NO_FOLDER: Final = "archive.folder is not set"
BLOCK: Final = 500  # lines of the log that are packed together
_TABLES: Final = """
CREATE TABLE manifest (jws TEXT NOT NULL);
CREATE TABLE body (digest BLOB PRIMARY KEY, bytes BLOB NOT NULL, kept INTEGER NOT NULL, total INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE pattern (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE lines (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE TABLE message (id TEXT PRIMARY KEY, party TEXT NOT NULL, ma_thong_diep TEXT, loai TEXT, ma_ho_so TEXT,
  received_at TEXT NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL, receipt TEXT) WITHOUT ROWID;
"""
_FOUND: Final = ("id", "party", "ma_thong_diep", "loai", "ma_ho_so", "received_at", "state", "digest", "receipt")


def month_of(at: datetime) -> str:
    """The month of a moment, at home."""
    return f"{at.astimezone(GIO_VIET_NAM):%Y-%m}"


def bounds_of(name: str) -> tuple[datetime, datetime]:
    """When a month begins and ends. Raises ValueError for what is no month."""
    begins = datetime.strptime(name, "%Y-%m").replace(tzinfo=GIO_VIET_NAM)
    ends = begins.replace(year=begins.year + begins.month // 12, month=begins.month % 12 + 1)
    return begins.astimezone(UTC), ends.astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRecord:
    """One archive as the database knows it."""

    name: str  # the month: "2026-01"
    digest: str  # SHA-256 of the file
    size: int  # of the file, bytes
    bodies: int
    bytes: int  # of the bodies, unpacked
    first_line: int  # of the log
    last_line: int
    last_hash: str
    made_at: datetime
    manifest: str  # JWS


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedBody:
    """Bytes in an archive as they are kept there."""

    digest: str
    stored: bytes
    kept: int
    total: int


class Archives:
    """The folder in which a node's archives lie."""

    def __init__(self, folder: Path | None) -> None:
        """None: this node was told of none."""
        self.folder = folder

    def path(self, name: str) -> Path:
        """Where an archive lies. Raises NotAtHand where no folder is known."""
        if self.folder is None:
            raise NotAtHand(name, _NO_FOLDER)
        return self.folder / f"{name}{SUFFIX}"

    def files(self, name: str) -> FileArchive:
        """The archive of a month's files. Raises NotAtHand where no folder is known."""
        if self.folder is None:
            raise NotAtHand(f"{name}{FILES_SUFFIX}", _NO_FOLDER)
        return FileArchive(self.folder / f"{name}{FILES_SUFFIX}")

    def body(self, name: str, digest: str) -> bytes | None:
        """Bytes out of an archive, which are proven to be those. Raises NotAtHand where the file is not there, or broken."""
        path = self.path(name)
        with opened(path) as file:
            row = file.execute(
                "SELECT bytes, kept, total FROM body WHERE digest = ?", [bytes.fromhex(digest)]
            ).fetchone()
            if row is None:
                raise NotAtHand(path.name, f"body {digest}: missing")
            content = _content(file, row[0], row[1])
        if content is None or (row[1] == row[2] and hashlib.sha256(content).hexdigest() != digest):
            raise NotAtHand(path.name, f"body {digest}: changed")
        return content

    def ailing_files(self, record: FileArchiveRecord) -> str | None:
        """What is wrong with an archive of files at first sight: "missing" or "manifest"; None where nothing is."""
        try:
            return None if self.files(record.name).manifest() == record.manifest else "manifest"
        except (OSError, ValueError, NotAtHand):
            return "missing"

    def ailing(self, record: ArchiveRecord) -> str | None:
        """What is wrong with a file at first sight: "missing" or "size"; None where nothing is."""
        try:
            size = self.path(record.name).stat().st_size
        except (OSError, NotAtHand):
            return "missing"
        return None if size == record.size else "size"


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """An archive to read. Raises NotAtHand for what is none."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as file:
            yield file
    except sqlite3.Error as error:
        raise NotAtHand(path.name, error) from error


class ArchiveWriter:
    """Makes an archive beside its place; whoever has proven it puts it there."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f".{path.name}.part")
        self.path.unlink(missing_ok=True)
        self.file = sqlite3.connect(self.path, isolation_level=None)
        self.file.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _TABLES + "BEGIN;")

    def bodies(self, found: Iterable[ArchivedBody]) -> None:
        """Puts bodies in, each once."""
        self.file.executemany(
            "INSERT OR IGNORE INTO body VALUES (?, ?, ?, ?)",
            [(bytes.fromhex(one.digest), one.stored, one.kept, one.total) for one in found],
        )

    def patterns(self, found: Mapping[int, bytes]) -> None:
        """What bodies are packed against."""
        self.file.executemany("INSERT OR IGNORE INTO pattern VALUES (?, ?)", list(found.items()))

    def messages(self, found: Iterable[Sequence[Any]]) -> None:
        """What an archive is searched by."""
        self.file.executemany("INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", found)

    def lines(self, entries: Sequence[chain.LogEntry]) -> None:
        """Lines of the log in order, as an export has them."""
        if entries:
            text = b"".join(_line(entry) for entry in entries)
            packed = zlib.compress(text, 6)
            self.file.execute("INSERT INTO lines VALUES (?, ?, ?)", (entries[0].number, entries[-1].number, packed))

    def close(self, manifest: str | None = None) -> None:
        """Ends the file, which is on disk then."""
        if manifest is not None:
            self.file.execute("DELETE FROM manifest")
            self.file.execute("INSERT INTO manifest VALUES (?)", [manifest])
        self.file.execute("COMMIT")
        self.file.execute("VACUUM")
        self.file.close()
        _synced(self.path)

    def publish(self, path: Path) -> None:
        """Puts the file in its place, in one step."""
        self.path.replace(path)
        _synced(path.parent)

    def abandon(self) -> None:
        """Leaves nothing behind."""
        self.file.close()
        self.path.unlink(missing_ok=True)


class ArchiveReader:
    """What is in an archive."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file

    def manifest(self) -> str:
        """The statement about it, as JWS."""
        row = self._file.execute("SELECT jws FROM manifest").fetchone()
        return "" if row is None else str(row[0])

    def digests(self) -> Iterator[tuple[str, int, int]]:
        """Of every body its digest, and how many bytes are kept and were there, by digest."""
        for digest, kept, total in self._file.execute("SELECT digest, kept, total FROM body ORDER BY digest"):
            yield digest.hex(), kept, total

    def has(self, digest: str) -> bool:
        """Whether a body is there."""
        found = self._file.execute("SELECT 1 FROM body WHERE digest = ?", [bytes.fromhex(digest)])
        return found.fetchone() is not None

    def holds(self, message: str, digest: str) -> bool:
        """Whether a message of the month has this body there."""
        known = self._file.execute("SELECT 1 FROM message WHERE id = ?", [message])
        return known.fetchone() is not None and self.has(digest)

    def message_ids(self) -> Iterator[str]:
        """Of every message of the month its id, in order."""
        for (message,) in self._file.execute("SELECT id FROM message ORDER BY id"):
            yield str(message)

    def span(self) -> tuple[str, str]:
        """What no id of the month's messages comes before, and what none comes behind, however a database sorts texts."""
        first, last = self._file.execute("SELECT min(id), max(id) FROM message").fetchone()
        # Ids begin with the moment, to the second in 14 digits; more digits and a dash sort before a letter.
        return (str(first)[:14], f"{str(last)[:14]}z") if first is not None else ("", "")

    def wrong_bodies(self) -> Iterator[str]:
        """The digests of bodies that are not what they were."""
        for digest, stored, kept, total in self._file.execute(
            "SELECT digest, bytes, kept, total FROM body ORDER BY digest"
        ):
            content = _content(self._file, stored, kept)
            whole = content is not None and len(content) == kept
            if not whole or (kept == total and hashlib.sha256(content or b"").digest() != digest):
                yield digest.hex()

    def lines(self) -> Iterator[chain.LogEntry]:
        """The month's lines of the log, in order. Raises ValueError for what is none."""
        for (packed,) in self._file.execute("SELECT bytes FROM lines ORDER BY first"):
            try:
                text = zlib.decompress(packed)
            except zlib.error as error:
                raise ValueError("lines") from error
            for line in text.splitlines():
                row = json.loads(line)
                yield chain.LogEntry(**{**row, "at": datetime.fromisoformat(row["at"])})

    def search(self, text: str, limit: int) -> list[dict[str, Any]]:
        """Messages of which an id, a dossier's code, a party or a digest is this, the oldest first."""
        named = " OR ".join(
            f"{name} = :text" for name in ("id", "ma_thong_diep", "ma_ho_so", "party", "loai", "digest")
        )
        asked = f"SELECT {', '.join(_FOUND)} FROM message WHERE {named} ORDER BY received_at, id LIMIT :limit"  # noqa: S608
        found = self._file.execute(asked, {"text": text, "limit": limit})
        return [dict(zip(_FOUND, row, strict=True)) for row in found]

    def of_messages(self) -> str:
        """One digest over all that the archive is searched by."""
        told = hashlib.sha256()
        for row in self._file.execute(f"SELECT {', '.join(_FOUND)} FROM message ORDER BY id"):  # noqa: S608
            told.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        return told.hexdigest()

    def of_bodies(self) -> tuple[str, int, int]:
        """One digest over the list of bodies, how many there are, and their bytes."""
        told, number, size = hashlib.sha256(), 0, 0
        for digest, kept, total in self.digests():
            told.update(f"{digest} {kept} {total}\n".encode())
            number, size = number + 1, size + kept
        return told.hexdigest(), number, size


def without(path: Path, digests: Iterable[str]) -> ArchiveWriter:
    """A copy of an archive without these bodies, to be ended and put in its place. Raises OSError, and leaves nothing then."""
    writer = ArchiveWriter(path)
    writer.file.close()
    try:
        shutil.copyfile(path, writer.path)
    except OSError:
        writer.abandon()
        raise
    writer.file = sqlite3.connect(writer.path, isolation_level=None)
    writer.file.executescript("PRAGMA journal_mode=OFF; PRAGMA secure_delete=ON; BEGIN;")
    writer.file.executemany("DELETE FROM body WHERE digest = ?", ([bytes.fromhex(digest)] for digest in digests))
    return writer


def archive_digest(path: Path) -> tuple[str, int]:
    """The SHA-256 of a file and its size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def pattern_of(stored: bytes, kept: int) -> int | None:
    """The number of the pattern against which bytes are packed; None where there is none."""
    return pattern_number(stored) if len(stored) < kept else None


def _content(file: sqlite3.Connection, stored: bytes, kept: int) -> bytes | None:
    if len(stored) >= kept:
        return stored

    def content_of(number: int) -> bytes | None:
        row = file.execute("SELECT bytes FROM pattern WHERE id = ?", [number]).fetchone()
        return None if row is None else bytes(row[0])

    try:
        return unpacked(stored, kept, content_of)
    except ValueError:
        return None


def _line(entry: chain.LogEntry) -> bytes:
    row = {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "who": entry.who,
        "what": entry.what,
        "message": entry.message,
        "facts": dict(entry.facts),
        "hash": entry.hash,
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _synced(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


Fetch = Callable[[str, str], bytes | None]
