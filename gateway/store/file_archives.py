"""The files of a month that is over, in a folder of their own beside the month's archive.

``2026-01.tep/ab/<digest>`` is a file, ``index.jsonl`` says of each what it is and which messages name it, and ``manifest.jws`` is
the gateway's signature over that list (gateway.services.file_archiving). Files stay files: they are handed over, scanned and read
by ranges from where they lie, and one that is erased is taken away without writing the others anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from gateway.core.stored_files import StoredFile
from gateway.store.errors import NotAtHand
from gateway.store.filefolder import FileFolder, sync_folder

INDEX, MANIFEST = "index.jsonl", "manifest.jws"
FILES_KIND: Final = "lienthong-file-archive"
LONGEST_MANIFEST: Final = 16_384
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileArchiveRecord:
    """The files of a month as the database knows them."""

    name: str  # the month: "2026-01"
    files: int
    bytes: int
    made_at: datetime
    manifest: str  # JWS


def index_line(file: StoredFile, uses: Iterable[tuple[str, str | None, bool]]) -> bytes:
    """What the list says of a file: what it is, and which messages of which dossiers name it."""
    row = {
        "digest": file.digest,
        "size": file.size,
        "media_type": file.media_type,
        "messages": [[message, ma_ho_so, inline] for message, ma_ho_so, inline in uses],
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class FileArchive:
    """The folder of one month's files."""

    def __init__(self, path: Path) -> None:
        """Nothing is looked at before it is asked for."""
        self.path = path

    def place_of(self, digest: str) -> Path:
        """Where a file lies in it."""
        return self.path / digest[:2] / digest

    def manifest(self) -> str:
        """Its manifest. Raises OSError, ValueError."""
        return (self.path / MANIFEST).read_text("ascii")

    def index(self) -> bytes:
        """Its list. Raises OSError."""
        return (self.path / INDEX).read_bytes()

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Its list, row by row. Raises NotAtHand where there is none that can be read."""
        try:
            with (self.path / INDEX).open("rb") as lines:
                for line in lines:
                    yield json.loads(line)
        except (OSError, ValueError) as error:
            raise NotAtHand(self.path.name, error) from error

    def digests(self) -> set[str]:
        """The names of all files that lie in it, and of whatever else lies there."""
        own = (INDEX, MANIFEST)
        return {
            one.name
            for one in self.path.rglob("*")
            if one.is_file() and not (one.parent == self.path and one.name in own)
        }

    def flaws(self) -> Iterator[str]:
        """What does not agree with the list: files that are missing, too many, or not what they were."""
        try:
            listed = {str(row["digest"]): row["size"] for row in self.rows()}
        except (NotAtHand, KeyError, TypeError):
            yield "list"
            return
        yield from (f"file {digest}: missing" for digest in sorted(listed.keys() - self.digests()))
        yield from (f"file {name}: not listed" for name in sorted(self.digests() - listed.keys()))
        for digest, size in sorted(listed.items()):
            with suppress(FileNotFoundError), self.place_of(digest).open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
                if found != digest or stream.tell() != size:
                    yield f"file {digest}: changed"

    def remove(self, digest: str) -> None:
        """Takes a file away for ever."""
        with suppress(FileNotFoundError):
            self.place_of(digest).unlink()

    def write(self, index: bytes, manifest: str) -> None:
        """Puts another list and its manifest in place of those that are there. Raises OSError."""
        for name, content in ((INDEX, index), (MANIFEST, manifest.encode("ascii"))):
            part = self.path / f".{name}.part"
            part.write_bytes(content)
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
            part.replace(self.path / name)
        sync_folder(self.path)


class FileArchiveWriter:
    """Fills an archive of files beside its place; whoever has proven it puts it there."""

    def __init__(self, path: Path) -> None:
        self._target = path
        self.archive = FileArchive(path.with_name(f".{path.name}.part"))
        shutil.rmtree(self.archive.path, ignore_errors=True)
        self.archive.path.mkdir(mode=0o700, parents=True)
        self._lines: dict[str, bytes] = {}
        self.bytes = 0

    @property
    def files(self) -> int:
        """How many are in it."""
        return len(self._lines)

    def add(self, file: StoredFile, folder: FileFolder, line: bytes) -> bool:
        """Copies a file, which is on the disk then; False for one whose bytes are not what it was. Raises OSError."""
        if file.digest in self._lines:
            return True
        place, hashed = self.archive.place_of(file.digest), hashlib.sha256()
        place.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            stream = folder.place_of(file.digest).open("rb")
        except FileNotFoundError:
            return False
        with stream, place.open("xb") as copy:
            while block := stream.read(_BLOCK):
                hashed.update(block)
                copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
        if hashed.hexdigest() != file.digest:
            place.unlink()
            return False
        self._lines[file.digest] = line
        self.bytes += file.size
        return True

    def index(self) -> bytes:
        """The list of what is in it, by digest."""
        return b"".join(self._lines[digest] for digest in sorted(self._lines))

    def sync(self) -> None:
        """Has the disk know all that is in it. Raises OSError."""
        for folder in self.archive.path.iterdir():
            if folder.is_dir():
                sync_folder(folder)

    def publish(self) -> None:
        """Puts it in its place, in one step. What lies there came from one that died before it could say so. Raises OSError."""
        shutil.rmtree(self._target, ignore_errors=True)
        self.archive.path.rename(self._target)
        sync_folder(self._target.parent)

    def abandon(self) -> None:
        """Leaves nothing behind."""
        shutil.rmtree(self.archive.path, ignore_errors=True)
