"""Taking files in: what comes is on disk under its SHA-256, looked at, scanned and on record before anybody is told yes.

The bytes are moved into their place, and out of it, while the file's row is locked: whatever dies at whatever moment, the
records never promise bytes that are not there, and :meth:`FileDesk.sweep` takes away what nobody has on record.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import BufferedReader

from connectors.scanning import FileScanner, ScanResult
from gateway.core.ledger import LogLine
from gateway.core.model import PartyId
from gateway.core.parties import Party
from gateway.core.problems import Lang, Problem, Stopped
from gateway.core.stored_files import FILE_CHANGED, FileScan, StoredFile, UnfinishedFile
from gateway.store import Store, StoreError, Tx, Unavailable
from gateway.store.filefolder import FileFolder, FilePart, PartBusy
from schemas.attachments import nature_of_file

log = logging.getLogger("lienthong.files")

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FINAL = ("FIL-001", "FIL-003", "FIL-007")
_PUT_OFF = timedelta(days=365)  # a file that an accepted message names is due again at once when that is erased
_PUT_OFF_AT_ONCE, _PUT_OFF_TURNS = 200, 50  # in a transaction, in a sweep
_STRAY_FOR = timedelta(days=1)  # bytes without a row are let lie for so long: somebody may be about to write it


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """What is taken, and how long it stays."""

    most_bytes: int
    quota_bytes: int
    keep: timedelta  # a file that no message names
    unfinished: timedelta  # an upload that is not whole


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSwept:
    """What a sweep took away, and learnt."""

    uploads: int = 0
    files: int = 0
    scanned: tuple[str, ...] = ()  # files of which the scanner could tell at last


class FileDesk:
    """Takes files in and finds them again. Every method blocks; all may be called from many threads and processes."""

    def __init__(self, store: Store, folder: FileFolder, limits: FileLimits, scanner: FileScanner | None) -> None:
        self.store = store
        self.folder = folder
        self.limits = limits
        self._scanner = scanner

    # Bringing one

    def begin(self, party: Party, size: int | None, digest: str | None, now: datetime) -> UnfinishedFile:
        """A new upload of so many bytes; None: as many as will come. Raises Stopped (FIL-002, FIL-003, FIL-017)."""
        if size is not None and size > self.limits.most_bytes:
            raise Stopped(Problem("FIL-002", {"limit_bytes": self.limits.most_bytes}))
        upload = UnfinishedFile(
            id=secrets.token_hex(16),
            party=party.id,
            size=size or 0,
            digest=digest,
            ends_at=now + self.limits.unfinished,
        )
        quota = self.quota_of(party)
        with self.store.begin() as tx:
            tx.begin_file_upload(upload)  # first, so that of two at once the second sees the first
            used = tx.file_bytes_of(party.id, now)
            if used > quota or (size is None and used >= quota):
                raise Stopped(Problem("FIL-003", {"quota_mb": quota // 1_000_000}))
        with _on_disk(), self.folder.part(upload.id, new=True):
            pass
        return upload

    def quota_of(self, party: Party) -> int:
        """How many bytes of files may count as this party's."""
        return self.limits.quota_bytes if party.files.quota_mb is None else party.files.quota_mb * 1_000_000

    def upload(self, name: str, party: PartyId, now: datetime) -> tuple[UnfinishedFile, int]:
        """An upload that is under way, and how much of it has come. Raises Stopped (FIL-005, FIL-006)."""
        with self.store.read() as view:
            found = view.file_upload(name)
        if found is None or found.ends_at <= now:
            raise Stopped(Problem("FIL-005"))
        if found.party != party:
            raise Stopped(Problem("FIL-006"))
        with _on_disk():
            size = self.folder.size_of_part(name)
        if size is None:
            raise Stopped(Problem("FIL-005"))
        return found, size

    @contextmanager
    def part(self, name: str) -> Iterator[FilePart]:
        """An upload to write on. Raises Stopped (FIL-005, FIL-014, FIL-017)."""
        try:
            with _on_disk(), self.folder.part(name) as part:
                yield part
        except PartBusy as error:
            raise Stopped(Problem("FIL-014")) from error

    def write(self, part: FilePart, block: bytes) -> None:
        """Appends to an upload. Raises Stopped (FIL-017)."""
        with _on_disk():
            part.write(block)

    def hold(self, part: FilePart) -> None:
        """What has come of an upload stays, whatever happens. Raises Stopped (FIL-017)."""
        with _on_disk():
            part.sync()

    def finish(self, upload: UnfinishedFile, part: FilePart, party: Party, now: datetime) -> StoredFile:
        """Puts a whole upload on record as a file. It is on the disk, scanned, and this party's when this returns.

        Raises Stopped: FIL-001 other bytes than announced, FIL-003 the quota, FIL-007 infected: the upload is over then; and
        FIL-017 for the disk, StoreError for the database: the same can be asked again.
        """
        try:
            with _on_disk():
                part.sync()
                digest = part.digest()
                if upload.digest is not None and digest != upload.digest:
                    raise Stopped(Problem("FIL-001", {"value": upload.digest, "found": digest}))
                return self._kept(upload, part, digest, party, now)
        except Stopped as stop:
            if stop.problems[0].code in _FINAL:
                self.give_up(upload)
            raise

    def keep_inline(self, content: bytes, party: PartyId, now: datetime) -> StoredFile:
        """Puts what came inside a message on record as a file, scanned; it counts as nobody's quota and is nobody's to name.

        Its message names it, or it goes after its time. Raises Unavailable where the disk does not take it: the message can be
        sent again.
        """
        digest, name = hashlib.sha256(content).hexdigest(), secrets.token_hex(16)
        with self.store.read() as view:
            before = view.file(digest)
        if before is not None and before.kept and before.scan is not FileScan.UNKNOWN:
            return before
        try:
            with _on_disk(), self.folder.part(name, new=True) as part:
                part.write(content)
                part.sync()
                file = self._looked_at(part, digest, now)
                with self.store.begin() as tx:
                    self._put(tx, file, part, None, now)
                    tx.note(_arrival(file, party), now)
                return file
        except Stopped as stop:
            raise Unavailable(stop.problems[0].message(Lang.EN), why="disk-full") from stop
        finally:
            with suppress(OSError):  # it has been said already
                self.folder.drop_part(name)

    def give_up(self, upload: UnfinishedFile) -> None:
        """Ends an upload: what has come of it goes."""
        self.folder.drop_part(upload.id)
        with self.store.begin() as tx:
            tx.end_file_uploads([upload.id])

    def _kept(self, upload: UnfinishedFile, part: FilePart, digest: str, party: Party, now: datetime) -> StoredFile:
        with self.store.read() as view:
            before = view.file(digest)
        if before is not None and before.kept and before.scan in (FileScan.CLEAN, FileScan.OFF):
            file = replace(before, arrived_at=now)  # those bytes were looked at
        else:
            file = self._looked_at(part, digest, now)
        with self.store.begin() as tx:
            tx.end_file_uploads([upload.id])
            self._put(tx, file, part, party, now)
            tx.note(_arrival(file, party.id), now)
        if not file.kept:
            self.folder.remove(digest)
            raise Stopped(Problem("FIL-007", {"ma": "–", "digest": digest, "found": file.finding}))
        return file

    def _looked_at(self, part: FilePart, digest: str, now: datetime) -> StoredFile:
        """What there is to say of bytes that are on the disk."""
        nature, said = nature_of_file(part.path), self._scan(part)
        return StoredFile(
            digest=digest,
            size=part.offset,
            media_type=nature.media_type,
            macros=nature.macros,
            scan=said.scan,
            finding=said.finding,
            kept=said.scan is not FileScan.INFECTED,
            arrived_at=now,
        )

    def _put(self, tx: Tx, file: StoredFile, part: FilePart, party: Party | None, now: datetime) -> None:
        """Moves the bytes into their place and puts them on record, as this party's. Raises Stopped (FIL-003), OSError."""
        there = tx.lock_file(file.digest, now)
        tx.put_file(file, party=None if party is None else party.id, due_at=now + self.limits.keep)
        if file.kept:
            if party is not None and tx.file_bytes_of(party.id, now) > (quota := self.quota_of(party)):
                raise Stopped(Problem("FIL-003", {"quota_mb": quota // 1_000_000}))
            if there is not None and there.archive is not None and self.folder.whole(there) is not None:
                part.path.unlink()  # it lies in an archive
            else:
                self.folder.adopt(part.path, file.digest)
        elif there is not None and there.kept:
            self.folder.set_aside(file.digest)  # the same bytes came before the scanner knew

    def _scan(self, part: FilePart) -> ScanResult:
        return ScanResult(FileScan.OFF) if self._scanner is None else self._scanner.scan(part.path)

    # Fetching one

    def find(self, digest: str, party: PartyId) -> StoredFile:
        """A file that this party may have. Raises Stopped: FIL-005 none such, or none of its own; FIL-007, FIL-016, SYS-205."""
        with self.store.read() as view:
            found = view.files_of_party(party, [digest]).get(digest)
        if found is None:
            raise Stopped(Problem("FIL-005"))
        if found.scan is FileScan.INFECTED:
            raise Stopped(Problem("FIL-007", {"ma": "–", "digest": digest, "found": found.finding}))
        if self.folder.whole(found) is None:
            log.error("file %s is on record and does not lie in its folder as it came", digest)
            raise Stopped(found.missing())
        return found

    def open(self, file: StoredFile) -> BufferedReader:
        """The bytes of a file that was found. Raises Stopped (FIL-016, SYS-205) where it went meanwhile."""
        try:
            return self.folder.path_of(file).open("rb")
        except OSError as error:
            raise Stopped(file.missing()) from error

    def prove(self, file: StoredFile, stream: BufferedReader, now: datetime) -> None:
        """Reads an open file before a part of it is given out, if nobody has read it yet. Raises Stopped (FIL-016, SYS-205)."""
        try:
            whole = self.folder.proves(stream, file.digest)
        except OSError as error:
            raise Stopped(file.missing()) from error
        if not whole:
            self.changed(file, now)
            raise Stopped(file.missing())

    def changed(self, file: StoredFile, now: datetime) -> None:
        """Says and puts on record, from which alerts come, that the bytes of a file are not those of its digest any more."""
        problem = file.missing()
        log.error("%s %s / %s", problem.code, problem.message(Lang.VI), problem.message(Lang.EN))
        try:
            with self.store.begin() as tx:
                tx.note(LogLine(what=FILE_CHANGED, who="gateway", facts={"digest": file.digest}), now)
        except StoreError as error:
            log.error("that is not on record: %s", error)  # noqa: TRY400 - its own sentence says it all

    # Keeping order

    def sweep(self, now: datetime, stopping: Callable[[], bool] = lambda: False) -> FilesSwept:
        """Takes away what is over, ends what a killed process left half done, and scans again what could not be scanned.

        Between two files that are scanned it is asked whether to stop.
        """
        self._put_off(now)
        return FilesSwept(
            uploads=self._sweep_uploads(now),
            files=self._put_right(now) + self._sweep_files(now) + self._sweep_strays(now),
            scanned=self._scan_again(now, stopping),
        )

    def _sweep_uploads(self, now: datetime) -> int:
        with self.store.read() as view:
            over = view.file_uploads_over(now)
            left = [n for n in self.folder.parts((now - _STRAY_FOR).timestamp()) if view.file_upload(n) is None]
        for name in {*over, *left}:
            self.folder.drop_part(name)
        with self.store.begin() as tx:
            tx.end_file_uploads(over)
        return len({*over, *left})

    def _put_right(self, now: datetime) -> int:
        """Files that were set aside by a process that did not come back to them."""
        gone = 0
        for digest in self.folder.aside():
            with self.store.begin() as tx:
                known = tx.lock_file(digest, now)
                if known is not None and known.kept and (known.archive is None or not self.folder.archived(known)):
                    self.folder.set_back(digest)
                    continue
                if known is None:
                    tx.drop_file(digest)
            self.folder.remove(digest)
            gone += 1
        return gone

    def _put_off(self, now: datetime) -> None:
        """Files that stay are not looked at each time, so that a sweep does not grow with the years."""
        for _ in range(_PUT_OFF_TURNS):
            with self.store.begin() as tx:
                if tx.put_off_files(now, now + _PUT_OFF, _PUT_OFF_AT_ONCE) < _PUT_OFF_AT_ONCE:
                    return

    def _sweep_files(self, now: datetime) -> int:
        """Files that no message names and whose time is over."""
        with self.store.read() as view:
            due = view.files_due(now)
        gone = 0
        for digest in due:
            with self.store.begin() as tx:
                if tx.lock_file(digest, now) is None:  # somebody else was quicker
                    tx.drop_file(digest)
                    continue
                if not tx.files_due(now, digest=digest):  # somebody has named it or brought it again meanwhile
                    continue
                tx.drop_file(digest)
                self.folder.set_aside(digest)
                tx.note(LogLine(what="file.gone", who="gateway", facts={"digest": digest}), now)
            self.folder.remove(digest)
            gone += 1
        return gone

    def _sweep_strays(self, now: datetime) -> int:
        """Bytes that nobody has on record: of a process that died before it could say so."""
        gone = 0
        for digest in self.folder.strays((now - _STRAY_FOR).timestamp()):
            with self.store.read() as view:
                if view.file(digest) is not None:
                    continue
            with self.store.begin() as tx:
                if tx.lock_file(digest, now) is not None:
                    continue
                tx.drop_file(digest)
                self.folder.set_aside(digest)
            self.folder.remove(digest)
            gone += 1
        return gone

    def _scan_again(self, now: datetime, stopping: Callable[[], bool]) -> tuple[str, ...]:
        if self._scanner is None:
            return ()
        told: list[str] = []
        with self.store.read() as view:
            waiting = view.files_unscanned()
        for digest in waiting:
            if stopping():
                break
            said = self._scanner.scan(self.folder.place_of(digest))
            if said.scan is FileScan.UNKNOWN:
                continue
            infected = said.scan is FileScan.INFECTED
            with self.store.begin() as tx:
                if tx.lock_file(digest, now) is None:
                    tx.drop_file(digest)
                    continue
                tx.note_scan(digest, said.scan, said.finding, kept=not infected)
                if infected:
                    self.folder.set_aside(digest)
                facts = {"digest": digest, "scan": said.scan.value}
                tx.note(LogLine(what="file.infected" if infected else "file.scanned", who="gateway", facts=facts), now)
            if infected:
                self.folder.remove(digest)
            told.append(digest)
        return tuple(told)


def _arrival(file: StoredFile, party: PartyId) -> LogLine:
    facts = {"digest": file.digest, "size": file.size, "scan": file.scan.value, "party": party}
    return LogLine(what="file.arrived" if file.kept else "file.infected", who=party, facts=facts)


@contextmanager
def _on_disk() -> Iterator[None]:
    """Raises Stopped: FIL-005 what is written on is gone, FIL-017 the disk did not do it."""
    try:
        yield
    except FileNotFoundError as error:
        raise Stopped(Problem("FIL-005")) from error
    except OSError as error:
        log.error("the folder of files did not do it: %s", error)  # noqa: TRY400 - its own sentence says it all
        why = "ENOSPC" if error.errno in _FULL else errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise Stopped(Problem("FIL-017", {"why": why})) from error
