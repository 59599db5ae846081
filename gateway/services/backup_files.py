"""What a backup of the database does not hold: the files that messages name, and the archives of months.

The database knows each of them by its SHA-256, so a copy of the folders is proven file by file, whoever made it. A copy beside
the backups has each file once, however many backups there are, and loses what the records have erased. Each gateway has folders
of its own there, so that several may use one folder of backups.

A backup that is gone back to may be older than the copy: a file lies elsewhere since, and an archive was written anew without
what was erased. So a file is looked for by its digest wherever one may lie, and an archive is taken as it is now where its own
manifest proves that it is the same month's of the same log.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

from gateway.core.model import MaHoSo
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.store import NotAtHand, Store
from gateway.store.archives import KIND, SUFFIX, ArchiveReader, ArchiveRecord, Archives, archive_digest, opened
from gateway.store.file_archives import FILES_KIND, INDEX, LONGEST_MANIFEST, MANIFEST, FileArchive, FileArchiveRecord
from gateway.store.filefolder import FILES_SUFFIX, FileFolder, sync_folder
from signing.certificates import Certificate
from signing.jws import Jws

FILES, ARCHIVES = "tep", "luu-tru"  # folders beside the backups, behind the gateway's identifier
PAGE: Final = 500
BLOCK: Final = 1 << 20
_SAME_MONTH: Final = ("month", "gateway", "first", "before", "number", "hash")  # of the same log
_DIGEST = re.compile(r"[0-9a-f]{64}")
Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBytes:
    """Bytes that the records say are there."""

    name: str  # a file's digest, or what an archive is called
    archive: bool  # of an archive of ours, not a file of somebody's
    place: str  # among a gateway's copies
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
    later: dict[str, int] = field(default_factory=dict)  # archives as they are since: how much was erased from each

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


@dataclass(frozen=True, slots=True)
class ArchiveProof:
    """What proves an archive that was written anew since a backup, and whose records then say so."""

    store: Store
    archives: Archives
    certificates: tuple[Certificate, ...]  # by which the gateway signs and has signed
    is_sound: Callable[[Archives, ArchiveRecord], bool]  # whether an archive that lies there is what its record says


@dataclass(frozen=True, slots=True)
class CopiesBeside:
    """A gateway's copies in a folder of backups."""

    folder: Path
    gateway: str  # its identifier

    def place_of(self, place: str) -> Path:
        """Where something of this place lies."""
        return self.folder / f"{self.gateway}-{place}"

    def old_place_of(self, place: str) -> Path:
        """Where it lay when all gateways' copies lay together."""
        return self.folder / place

    def places_of(self, one: KeptBytes) -> Iterator[Path]:
        """Wherever it may lie: a file's month may have been archived since, or not yet."""
        for place_of in (self.place_of, self.old_place_of):
            yield place_of(one.place)
            if not one.archive:
                yield from _wherever(one.digest, place_of(FILES), place_of(ARCHIVES))


def _wherever(digest: str, files: Path, archives: Path) -> Iterator[Path]:
    """Where a file of this digest may lie: among files, or in a month's archive."""
    yield files / digest[:2] / digest
    yield from sorted(archives.glob(f"*{FILES_SUFFIX}/{digest[:2]}/{digest}"))


def copy_kept(
    store: Store, folder: FileFolder | None, archives: Archives, beside: CopiesBeside, tell: Tell, *, alone: bool
) -> KeptCopied:
    """Copies what is not there yet beside the backups, proven by its digest; what the records erased goes from there.

    ``alone``: only this gateway has made backups there, so that what lies there from when all copies lay together is its own: it
    is taken over. Raises Stopped: BAK-001 it cannot be written.
    """
    found = KeptCopied()
    ours = alone and old_copies(folder, archives, beside)
    for number, one in enumerate(kept_bytes(store, folder, archives), 1):
        target = beside.place_of(one.place)
        if ours:
            _take_over(one, beside.old_place_of(one.place), target)
        _bring(one, chain([] if one.path is None else [one.path], beside.places_of(one)), target, found)
        tell(number)
    found.removed = _remove_erased(store, beside.place_of(FILES), beside.place_of(ARCHIVES))
    if ours:
        _remove_all(beside.old_place_of(FILES), beside.old_place_of(ARCHIVES))
    return found


def old_copies(folder: FileFolder | None, archives: Archives, beside: CopiesBeside) -> bool:
    """Whether copies are there from when all gateways' lay together; the node's very files and archives are none."""
    own = {path.resolve() for path in (None if folder is None else folder.path, archives.folder) if path is not None}
    there = [path for path in map(beside.old_place_of, (FILES, ARCHIVES)) if path.is_dir()]
    return bool(there) and not any(path.resolve() in own for path in there)


def _take_over(one: KeptBytes, old: Path, target: Path) -> None:
    """A copy of before is in its new place, too, where it is what it should be; it takes no more room there."""
    if target.exists() or not one.whole(old, deep=True):
        return
    with suppress(OSError):  # it is copied then
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.link(old, target)
        sync_folder(target.parent)  # the old name goes


def put_back(
    store: Store,
    folder: FileFolder | None,
    archives: Archives,
    beside: CopiesBeside,
    tell: Tell,
    *,
    proof: ArchiveProof | None,
) -> KeptCopied:
    """Puts back what is missing here and lies beside the backups, or elsewhere here; what is missing still.

    ``proof``: of archives that were written anew since the backup; None: those are missing. Raises Stopped (BAK-001).
    """
    found = KeptCopied()
    for number, one in enumerate(kept_bytes(store, folder, archives), 1):
        if one.path is None:
            found.missing.append(one)
        else:
            here = [] if one.archive else _wherever_here(one.digest, folder, archives)
            _bring(one, chain(here, beside.places_of(one)), one.path, found)
        tell(number)
    if proof is not None:
        _take_later(proof, beside, found)
    return found


def _wherever_here(digest: str, folder: FileFolder | None, archives: Archives) -> Iterator[Path]:
    if folder is not None:
        yield folder.place_of(digest)
    if archives.folder is not None:
        yield from sorted(archives.folder.glob(f"*{FILES_SUFFIX}/{digest[:2]}/{digest}"))


def _bring(one: KeptBytes, sources: Iterable[Path], target: Path, found: KeptCopied) -> None:
    if one.whole(target, deep=one.archive):
        found.there += 1
        return
    for source in sources:
        size = None if source == target else _copied(source, target, one.digest)
        if size is not None:
            found.copied, found.bytes = found.copied + 1, found.bytes + size
            return
    found.missing.append(one)


# -- archives that were written anew since a backup --------------------------------------------------------------------


def _take_later(proof: ArchiveProof, beside: CopiesBeside, found: KeptCopied) -> None:
    """Takes what is missing as it is now, where an erasure has had it written anew; the records say so from then on."""
    with proof.store.read() as view:
        months = {f"{one.name}{SUFFIX}": one for one in view.archives()}
        of_files = {f"{one.name}{FILES_SUFFIX}": one for one in view.file_archives()}
    for name in sorted({one.name.partition("/")[0] for one in found.missing if one.archive}):
        here = proof.archives.folder
        if here is None:
            continue
        places = [here / name, *(at(f"{ARCHIVES}/{name}") for at in (beside.place_of, beside.old_place_of))]
        taken = False
        for place in places:
            if name in months:
                taken = _later_month(proof, months[name], place, here / name, found)
            elif name in of_files:
                taken = _later_files(proof, of_files[name], FileArchive(place), FileArchive(here / name), found)
            if taken:
                found.missing = [
                    one for one in found.missing if not (one.archive and one.name.partition("/")[0] == name)
                ]
                break


def _is_later(said: Mapping[str, Any], record: str, kind: str, same: Iterable[str], fewer: str) -> bool:
    """Whether a manifest is about the same as the one on record, and of later: by its time, and by what is left."""
    before = Jws.read(record, kind, LONGEST_MANIFEST).payload
    if any(said[name] != before[name] for name in same):
        return False
    at, since = (datetime.fromisoformat(one["at"]) for one in (said, before))
    return at >= since and int(said[fewer]) <= int(before[fewer])


def _later_month(proof: ArchiveProof, record: ArchiveRecord, place: Path, target: Path, found: KeptCopied) -> bool:
    try:
        with opened(place) as file:
            own = ArchiveReader(file).manifest()
        said = Jws.read(own, KIND, LONGEST_MANIFEST).payload
        if not _is_later(said, record.manifest, KIND, _SAME_MONTH, "bodies"):
            return False
        digest, size = archive_digest(place)
        later = replace(record, digest=digest, size=size, bodies=said["bodies"], bytes=said["bytes"], manifest=own)
    except (NotAtHand, OSError, ValueError, KeyError, TypeError):
        return False
    if not proof.is_sound(Archives(place.parent), later):
        return False
    if place != target:
        if _copied(place, target, digest) is None:
            return False
        found.copied, found.bytes = found.copied + 1, found.bytes + size
    with proof.store.begin() as tx:
        tx.archive_is_later(later)
    found.later[target.name] = record.bodies - later.bodies
    return True


def _later_files(
    proof: ArchiveProof, record: FileArchiveRecord, place: FileArchive, target: FileArchive, found: KeptCopied
) -> bool:
    try:
        own, index = place.manifest(), place.index()
        read = Jws.read(own, FILES_KIND, LONGEST_MANIFEST)
        said = read.payload
        read.by(proof.certificates, datetime.fromisoformat(said["at"]))
        if not _is_later(said, record.manifest, FILES_KIND, ("month", "gateway"), "files"):
            return False
        if hashlib.sha256(index).hexdigest() != said["list"]:
            return False
        later = replace(record, files=said["files"], bytes=said["bytes"], manifest=own)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if place.path != target.path:
        try:
            target.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.write(index, own)
        except OSError as error:
            facts = {"path": str(target.path), "reason": system_reason(error)}
            raise Stopped(Problem("BAK-001", facts)) from error
        found.copied, found.bytes = found.copied + 2, found.bytes + len(index) + len(own)
    listed = {str(row["digest"]) for row in target.rows()}
    with proof.store.begin() as tx:
        tx.file_archive_is_later(later)
        if (
            target.digests() - listed
        ):  # what was erased lay somewhere still, and this database has it: the list is written anew
            tx.drop_from_file_archive(later.name)
    found.later[target.path.name] = record.files - later.files
    return True


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


def _remove_erased(store: Store, files: Path, archives: Path) -> int:
    """Takes copies away that the records do not have any more, or have elsewhere; of how many."""
    with store.read() as view:
        months = {f"{one.name}{SUFFIX}" for one in view.archives()}
    gone = 0
    for path in _copies(files, archives):
        if path.suffix == SUFFIX:
            needed = path.name in months
        else:
            month = None if path.parents[1] == files else path.parents[1].name.removesuffix(FILES_SUFFIX)
            with store.read() as view:
                known = view.file(path.name)
            needed = known is not None and known.kept and known.archive == month
        if not needed:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def _copies(files: Path, archives: Path) -> Iterator[Path]:
    """Every file and every archive of a month's bytes among copies."""
    for path in [*files.glob("??/*"), *archives.glob(f"*{FILES_SUFFIX}/??/*")]:
        if _DIGEST.fullmatch(path.name):
            yield path
    yield from archives.glob(f"*{SUFFIX}")


def _said(archives: Path) -> Iterator[Path]:
    """What archives of files say of themselves."""
    for name in (INDEX, MANIFEST):
        yield from archives.glob(f"*{FILES_SUFFIX}/{name}")


def _remove_all(files: Path, archives: Path) -> None:
    """Takes copies of before away, which are in their new places; whatever else somebody has put there stays."""
    for path in [*_copies(files, archives), *_said(archives)]:
        path.unlink(missing_ok=True)
    for path in [
        *files.glob("??"),
        *archives.glob(f"*{FILES_SUFFIX}/??"),
        *archives.glob(f"*{FILES_SUFFIX}"),
        files,
        archives,
    ]:
        with suppress(OSError):
            path.rmdir()


def dossiers_of(store: Store, missing: KeptBytes) -> list[MaHoSo]:
    """The dossiers whose messages name a file."""
    if missing.archive:
        return []
    with store.read() as view:
        return view.dossiers_of_file(missing.digest)
