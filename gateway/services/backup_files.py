"""What a backup of the database does not hold: the files that messages name, and the archives of months.

The database knows each of them by its SHA-256, so a copy of the folders is proven file by file, whoever made it. A copy beside
the backups has each file once, however many backups there are, and loses what the records have erased.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.core.model import MaHoSo
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.store import Store
from gateway.store.archives import SUFFIX, Archives
from gateway.store.file_archives import FILES_KIND, INDEX, LONGEST_MANIFEST, MANIFEST
from gateway.store.filefolder import FILES_SUFFIX, FileFolder, sync_folder
from signing.jws import Jws

FILES, ARCHIVES = "tep", "luu-tru"  # folders beside the backups
PAGE: Final = 500
BLOCK: Final = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}")
Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBytes:
    """Bytes that the records say are there."""

    name: str  # a file's digest, or what an archive is called
    archive: bool  # of an archive of ours, not a file of somebody's
    place: str  # beneath a folder of backups
    path: Path | None  # where it lies here; None: no folder is set up for it
    size: int | None
    digest: str

    def whole(self, path: Path | None, *, deep: bool) -> bool:
        """Whether that is there: by its length, and ``deep`` by every byte."""
        if path is None:
            return False
        try:
            if self.size is not None and path.stat().st_size != self.size:
                return False
            if not deep and self.size is not None:
                return True
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == self.digest
        except OSError:
            return False


@dataclass(slots=True)
class KeptCopied:
    """What copying came to."""

    copied: int = 0
    bytes: int = 0
    there: int = 0
    removed: int = 0
    missing: list[KeptBytes] = field(default_factory=list)

    def problem(self) -> Problem | None:
        """The problem where something is missing."""
        if not self.missing:
            return None
        archives = sum(one.archive for one in self.missing)
        facts = {"number": len(self.missing), "files": len(self.missing) - archives, "archives": archives}
        return Problem("BAK-015", facts)


def kept_bytes(store: Store, folder: FileFolder | None, archives: Archives) -> Iterator[KeptBytes]:
    """All that the records say lies outside the database."""
    with store.read() as view:
        months, of_files = view.archives(), view.file_archives()
    ours = archives.folder
    for one in months:
        name = f"{one.name}{SUFFIX}"
        path = None if ours is None else ours / name
        yield KeptBytes(
            name=name, archive=True, place=f"{ARCHIVES}/{name}", path=path, size=one.size, digest=one.digest
        )
    for record in of_files:
        name, said = f"{record.name}{FILES_SUFFIX}", record.manifest.encode()
        for member, digest, size in (
            (MANIFEST, hashlib.sha256(said).hexdigest(), len(said)),
            (INDEX, _listed_by(record.manifest), None),
        ):
            path = None if ours is None else ours / name / member
            place = f"{ARCHIVES}/{name}/{member}"
            yield KeptBytes(name=f"{name}/{member}", archive=True, place=place, path=path, size=size, digest=digest)
    after = ""
    while True:
        with store.read() as view:
            page = view.files_kept(after, PAGE)
        if not page:
            return
        for file in page:
            part = f"{file.digest[:2]}/{file.digest}"
            place = f"{FILES}/{part}" if file.archive is None else f"{ARCHIVES}/{file.archive}{FILES_SUFFIX}/{part}"
            path = _path(file.digest, file.archive, folder, archives)
            yield KeptBytes(name=file.digest, archive=False, place=place, path=path, size=file.size, digest=file.digest)
        after = page[-1].digest


def _listed_by(manifest: str) -> str:
    """The SHA-256 of the list that a manifest on record is about."""
    return str(Jws.read(manifest, FILES_KIND, LONGEST_MANIFEST).payload["list"])


def _path(digest: str, archive: str | None, folder: FileFolder | None, archives: Archives) -> Path | None:
    if archive is None:
        return None if folder is None else folder.place_of(digest)
    return None if archives.folder is None else archives.folder / f"{archive}{FILES_SUFFIX}" / digest[:2] / digest


def look_for_kept(store: Store, folder: FileFolder | None, archives: Archives, tell: Tell) -> KeptCopied:
    """Reads every byte of what should be there; what is missing, or is not what it was."""
    found = KeptCopied()
    for number, one in enumerate(kept_bytes(store, folder, archives), 1):
        if one.whole(one.path, deep=True):
            found.there += 1
        else:
            found.missing.append(one)
        tell(number)
    return found


def copy_kept(store: Store, folder: FileFolder | None, archives: Archives, target: Path, tell: Tell) -> KeptCopied:
    """Copies what is not there yet beside the backups, proven by its digest; what the records erased goes from there.

    Raises Stopped: BAK-001 it cannot be written.
    """
    found = KeptCopied()
    for number, one in enumerate(kept_bytes(store, folder, archives), 1):
        _bring(one, one.path, target / one.place, found)
        tell(number)
    found.removed = _remove_erased(store, target)
    return found


def put_back(store: Store, folder: FileFolder | None, archives: Archives, source: Path, tell: Tell) -> KeptCopied:
    """Puts back what is missing here and lies beside the backups; what is missing still. Raises Stopped (BAK-001)."""
    found = KeptCopied()
    for number, one in enumerate(kept_bytes(store, folder, archives), 1):
        if one.path is None:
            found.missing.append(one)
        else:
            _bring(one, source / one.place, one.path, found)
        tell(number)
    return found


def _bring(one: KeptBytes, source: Path | None, target: Path, found: KeptCopied) -> None:
    if one.whole(target, deep=one.archive):
        found.there += 1
        return
    size = None if source is None else _copied(source, target, one.digest)
    if size is None:
        found.missing.append(one)
    else:
        found.copied, found.bytes = found.copied + 1, found.bytes + size


def _copied(source: Path, target: Path, digest: str) -> int | None:
    """Copies a file that has this digest; its length, None where there is none. Raises Stopped (BAK-001) for the disk."""
    try:
        stream = source.open("rb")
    except OSError:
        return None
    part, hashed, size = target.with_name(f".{target.name}.part"), hashlib.sha256(), 0
    try:
        with stream:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as copy:
                while block := stream.read(BLOCK):
                    hashed.update(block)
                    copy.write(block)
                    size += len(block)
                copy.flush()
                os.fsync(copy.fileno())
        if hashed.hexdigest() != digest:
            part.unlink()
            return None
        part.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise Stopped(Problem("BAK-001", {"path": str(target), "reason": system_reason(error)})) from error
    return size


def _remove_erased(store: Store, target: Path) -> int:
    """Takes copies away that the records do not have any more, or have elsewhere; of how many."""
    with store.read() as view:
        months = {f"{one.name}{SUFFIX}" for one in view.archives()}
    gone = 0
    for path in [*(target / FILES).glob("??/*"), *(target / ARCHIVES).glob(f"*{FILES_SUFFIX}/??/*")]:
        month = path.parents[1].name.removesuffix(FILES_SUFFIX) if path.parents[1].name != FILES else None
        if _DIGEST.fullmatch(path.name) is None:
            continue
        with store.read() as view:
            known = view.file(path.name)
        if known is None or not known.kept or known.archive != month:
            path.unlink(missing_ok=True)
            gone += 1
    for path in (target / ARCHIVES).glob(f"*{SUFFIX}"):
        if path.name not in months:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def dossiers_of(store: Store, missing: KeptBytes) -> list[MaHoSo]:
    """The dossiers whose messages name a file."""
    if missing.archive:
        return []
    with store.read() as view:
        return view.dossiers_of_file(missing.digest)
