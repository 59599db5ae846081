"""The bytes of files, in a folder: each under its SHA-256, written beside its place first and then moved there whole.

``ab/<digest>`` is a file, ``parts/<id>`` is what has come of an upload, ``going/<digest>`` is a file that is being taken away:
it goes back should the records still have it. Every name is made here, of hex digits only. Several processes may use one
folder, and several nodes one that they share: who moves a file's bytes holds its row in the database meanwhile.

A disk may give back other bytes than it was given. What is given out whole is hashed on its way; before a part is given out, or
a file is sent to a party, the file is read once, and that is remembered for as long as the disk says that nobody touched it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final

from gateway.core.stored_files import StoredFile

FILES_SUFFIX: Final = ".tep"  # of the folder in which a month's files lie among the archives
BLOCK: Final = 128 * 1024  # several of them are in memory for each file that is on its way (bench/files.py)
# So much of an upload waits in memory for the disk at most: a commit beside it waits for that, not for the whole file.
SYNC_EVERY: Final = 2 * 2**20
PROVEN: Final = 10_000  # files of which a process remembers whether their bytes are those of their digest
_SETTLED_NS: Final = 2 * 10**9  # a change so soon after another one may leave the time that a disk keeps as it was
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{32}")
_PARTS, _GOING = "parts", "going"


class PartBusy(Exception):
    """Somebody else is writing this upload now."""


class FilePart:
    """An upload as far as it has come, open for writing at its end. Locked against others until it is closed."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self.offset = stream.seek(0, os.SEEK_END)
        self._stream = stream
        self._began_at = self.offset
        self._hash = hashlib.sha256()
        self._synced_at = self.offset

    def write(self, block: bytes) -> None:
        """Appends; what is written goes to the disk little by little. Raises OSError."""
        self._stream.write(block)
        self._hash.update(block)
        self.offset += len(block)
        if self.offset - self._synced_at >= SYNC_EVERY:
            self._synced_at = self.offset
            self._stream.flush()
            os.fdatasync(self._stream.fileno())

    def digest(self) -> str:
        """The SHA-256 of all of it: as it came, or by reading what came earlier once more."""
        if self._began_at == 0:
            return self._hash.hexdigest()
        self._stream.flush()
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def sync(self) -> None:
        """Everything written is on the disk when this returns."""
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Lets others write."""
        self._stream.close()


class FileFolder:
    """The folder of files."""

    def __init__(self, path: Path, archives: Path | None = None) -> None:
        """Nothing is made or looked at before it is needed. ``archives``: where files of months that are over lie."""
        self.path = path
        self.archives = archives
        self._proven: dict[tuple[str, int, int, int, int, int], bool] = {}
        self._lock = threading.Lock()

    def place_of(self, digest: str) -> Path:
        """Where the bytes of a file lie. Raises ValueError for what is no SHA-256 in lower-case hex."""
        if _DIGEST.fullmatch(digest) is None:
            raise ValueError("no SHA-256 in lower-case hex")
        return self.path / digest[:2] / digest

    def path_of(self, file: StoredFile) -> Path:
        """Where the bytes of a file lie: here, or in an archive. It may have moved there since its row was read."""
        place = self.place_of(file.digest)
        if place.exists():
            return place
        return next(self._archived(file), place)

    def archived(self, file: StoredFile) -> bool:
        """Whether as many bytes lie in an archive as there were: nothing is lost then by what goes from here."""
        return any(path.stat().st_size == file.size for path in self._archived(file))

    def _archived(self, file: StoredFile) -> Iterator[Path]:
        if self.archives is not None:
            yield from self.archives.glob(f"{file.archive or '*'}{FILES_SUFFIX}/{file.digest[:2]}/{file.digest}")

    def whole(self, file: StoredFile) -> Path | None:
        """Where the bytes of a file lie, and as many as there were; None where they do not, or were not kept."""
        path = self.path_of(file)
        try:
            found = path.stat()
        except OSError:
            return None
        return (
            path if file.kept and found.st_size == file.size and self._known(file.digest, found) is not False else None
        )

    def proves(self, stream: BufferedReader, digest: str) -> bool:
        """Whether an open file has the bytes of this digest: read to its end, unless it was since anybody touched it.

        Raises OSError. Where the stream stands afterwards is not said.
        """
        known = self._known(digest, os.fstat(stream.fileno()))
        if known is None:
            stream.seek(0)
            known = hashlib.file_digest(stream, "sha256").hexdigest() == digest
            self.found(stream, digest, whole=known)
        return known

    def found(self, stream: BufferedReader, digest: str, *, whole: bool) -> None:
        """Remembers what reading an open file came to. Raises OSError."""
        seen = os.fstat(stream.fileno())
        if time.time_ns() - seen.st_ctime_ns < _SETTLED_NS:
            return
        with self._lock:
            if len(self._proven) >= PROVEN:
                self._proven.pop(next(iter(self._proven)))
            self._proven[_identity(digest, seen)] = whole

    def _known(self, digest: str, found: os.stat_result) -> bool | None:
        with self._lock:
            return self._proven.get(_identity(digest, found))

    def part_of(self, name: str) -> Path:
        """Where an upload lies. Raises ValueError for what is no id of one."""
        if _ID.fullmatch(name) is None:
            raise ValueError("no id of an upload")
        return self.path / _PARTS / name

    def check(self) -> None:
        """Raises OSError where nothing can be written here."""
        self._make(self.path / _PARTS)
        trial = self.path / _PARTS / f".trial-{os.getpid()}"
        with open(trial, "wb", opener=_private) as stream:
            os.fsync(stream.fileno())
        trial.unlink()

    @contextmanager
    def part(self, name: str, *, new: bool = False) -> Iterator[FilePart]:
        """An upload to go on with, or a new one. Raises PartBusy, OSError; FileNotFoundError for one that is not there."""
        path = self.part_of(name)
        if new:
            self._make(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if new else 0), 0o600)
        stream = os.fdopen(handle, "r+b")
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                    raise PartBusy(name) from error
                raise
            yield FilePart(path, stream)
        finally:
            with suppress(OSError):  # a full disk says so once more
                stream.close()

    def size_of_part(self, name: str) -> int | None:
        """How much has come of an upload; None where nothing is there."""
        try:
            return self.part_of(name).stat().st_size
        except FileNotFoundError:
            return None

    def adopt(self, part: Path, digest: str) -> None:
        """Makes a part, which is on the disk, the file of this digest. Its row is locked. Raises OSError."""
        place = self.place_of(digest)
        self._make(place.parent)
        part.replace(place)
        sync_folder(place.parent)

    def drop_part(self, name: str) -> None:
        """Takes away what has come of an upload."""
        with suppress(FileNotFoundError):
            self.part_of(name).unlink()

    def set_aside(self, digest: str) -> None:
        """Takes a file out of its place, so that it may still come back. Its row is locked."""
        aside = self.path / _GOING / digest
        self._make(aside.parent)
        with suppress(FileNotFoundError):
            self.place_of(digest).replace(aside)

    def set_back(self, digest: str) -> None:
        """Puts a file back that was set aside, unless it has come anew meanwhile. Its row is locked."""
        aside, place = self.path / _GOING / digest, self.place_of(digest)
        if not place.exists():
            aside.replace(place)
        else:
            self.remove(digest)

    def remove(self, digest: str) -> None:
        """Takes away for ever what was set aside."""
        with suppress(FileNotFoundError):
            (self.path / _GOING / digest).unlink()

    def aside(self) -> list[str]:
        """Files that were set aside and are neither back nor gone: a process died between."""
        return [name for name in _names(self.path / _GOING) if _DIGEST.fullmatch(name)]

    def parts(self, before: float) -> list[str]:
        """Uploads on which nothing has come since that time (seconds since 1970)."""
        return [n for n in _names(self.path / _PARTS) if _ID.fullmatch(n) and _older(self.path / _PARTS / n, before)]

    def strays(self, before: float) -> Iterator[str]:
        """Every file here that is older than that: for looking which of them the records do not have."""
        for folder in sorted(_names(self.path)):
            if re.fullmatch("[0-9a-f]{2}", folder):
                for name in _names(self.path / folder):
                    if _DIGEST.fullmatch(name) and _older(self.path / folder / name, before):
                        yield name

    def _make(self, folder: Path) -> None:
        """The folder, and those above it down from ours, durably."""
        if folder.is_dir():
            return
        if folder != self.path:
            self._make(self.path)
        folder.mkdir(mode=0o700, parents=folder == self.path, exist_ok=True)
        sync_folder(folder.parent)


def _identity(digest: str, seen: os.stat_result) -> tuple[str, int, int, int, int, int]:
    """What changes with every change that goes through the system; the last of these nobody can set."""
    return digest, seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def sync_folder(folder: Path) -> None:
    """What was moved within the folder is on the disk when this returns."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _names(folder: Path) -> list[str]:
    try:
        return [one.name for one in folder.iterdir()]
    except FileNotFoundError:
        return []


def _older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False
