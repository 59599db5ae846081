"""Archives: months that are over leave the database as bytes, and stay readable, provable and erasable.

A month is written into a file, the file is proven (its signature, each body by its digest, the lines of the log by their
chain), and only then are the bytes taken out of the database, page by page; whoever is interrupted goes on where it was. What an
erasure takes out of the database is taken out of the month's file by writing that anew.

The files that a month's messages name leave the folder of files in the same way, for an archive of their own: a file goes with
the last month in which a message names it. The records say of each in which archive it lies, so whoever may have it gets it.

Archives are made, written anew and emptied into by one at a time, over all nodes and commands (:func:`archiving_alone`): they
share a folder, and what one of them has not recorded yet another one would take for what is to go.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.core import chain
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.ledger import LogLine
from gateway.core.model import Fate, PartyId
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.core.stored_files import FileScan, StoredFile
from gateway.store import NotAtHand, Store, StoreError, Tx, View
from gateway.store.archives import (
    BLOCK,
    KIND,
    ArchiveReader,
    ArchiveRecord,
    Archives,
    ArchiveWriter,
    archive_digest,
    bounds_of,
    month_of,
    opened,
    pattern_of,
    without,
)
from gateway.store.file_archives import (
    FILES_KIND,
    LONGEST_MANIFEST,
    FileArchive,
    FileArchiveRecord,
    FileArchiveWriter,
    index_line,
)
from gateway.store.filefolder import FILES_SUFFIX, FileFolder
from signing.certificates import Certificate
from signing.jws import Jws, JwsFlaw, sign_jws
from signing.sign import SigningKey

MADE: Final = "archive.made"  # what lines of the log say
REWRITTEN: Final = "archive.rewritten"
EMPTIED: Final = "archive.emptied"  # nothing of what is in the archive is left in the database
FILES_MADE: Final = "archive.files-made"
FILES_EMPTIED: Final = "archive.files-emptied"
FILES_REWRITTEN: Final = "archive.files-rewritten"
PAGE: Final = 200
TURN: Final = "archive"
TURN_LASTS: Final = timedelta(minutes=10)  # whoever dies leaves its turn to the next one after that
ELSEWHERE: Final = "SYS-211"
_ALL: Final = PartyId("")  # the turn is at all archives
_LONGEST: Final = 16_384

log = logging.getLogger("lienthong.archive")


@dataclass(frozen=True, slots=True)
class ArchiveTurn:
    """Whose turn it is at the archives."""

    token: int
    clock: Callable[[], datetime]

    def hold(self, tx: Tx) -> None:
        """Goes on with it; nobody takes it over before this transaction ends. Raises Stopped (SYS-211) where somebody has."""
        if not tx.hold_turn(TURN, _ALL, self.token, self.clock() + TURN_LASTS):
            raise _elsewhere(tx)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveKeeper:
    """Who makes archives: where they lie, and in whose name they are signed."""

    store: Store
    archives: Archives
    key: SigningKey
    certificates: tuple[Certificate, ...]  # by which the gateway signs and has signed
    gateway: str
    turn: ArchiveTurn | None = None  # see archiving_alone()

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """A transaction in which the turn is ours to its end. Raises Stopped (SYS-211) where it ran out and is another's."""
        with self.store.begin() as tx:
            if self.turn is not None:
                self.turn.hold(tx)
            yield tx


@contextmanager
def archiving_alone(keeper: ArchiveKeeper, clock: Callable[[], datetime]) -> Iterator[ArchiveKeeper]:
    """Whoever works at archives does so alone until the end of this, with the keeper that is given.

    The turn is held on from a thread: to read or pack a large file takes longer than a turn lasts. Raises Stopped (SYS-211)
    where somebody else is at it.
    """
    turn = ArchiveTurn(secrets.randbits(52), clock)
    began = clock()
    with keeper.store.begin() as tx:
        if not tx.take_turn(TURN, _ALL, turn.token, began, began + TURN_LASTS):
            raise _elsewhere(tx)
    over = threading.Event()
    holding = threading.Thread(target=_hold_on, args=(keeper.store, turn, over), name="archive-turn", daemon=True)
    holding.start()
    try:
        yield replace(keeper, turn=turn)
    finally:
        over.set()
        holding.join()
        with suppress(StoreError), keeper.store.begin() as tx:  # it runs out by itself
            tx.hold_turn(TURN, _ALL, turn.token, clock())


def _hold_on(store: Store, turn: ArchiveTurn, over: threading.Event) -> None:
    while not over.wait(TURN_LASTS.total_seconds() / 10):
        try:
            with store.begin() as tx:
                turn.hold(tx)
        except StoreError as error:
            log.warning("the turn at the archives was not held on; it is tried again: %s", error)
        except Stopped:
            return  # whoever works finds out with its next transaction


def _elsewhere(view: View) -> Stopped:
    since, until = view.turn(TURN, _ALL) or ("–", None)
    facts = {"since": since, "until": until.isoformat() if until is not None else "–"}
    return Stopped(Problem(ELSEWHERE, facts))


def months_back(now: datetime, months: int) -> datetime:
    """The beginning of the month that lies so many months before this one."""
    here = now.astimezone(GIO_VIET_NAM)
    number = here.year * 12 + here.month - 1 - months
    return bounds_of(f"{number // 12:04}-{number % 12 + 1:02}")[0]


def months_due(store: Store, before: datetime) -> list[str]:
    """The months that were over before then, hold messages or follow one that does, and are in no archive; in order.

    Before them the last one that is, where whoever made it died before its bytes were out of the database.
    """
    with store.read() as view:
        first, made = view.first_received(), view.archives()
        found = _unfinished(view, EMPTIED, [one.name for one in made])
    if first is None:
        return []
    name = month_of(first) if not made else month_of(bounds_of(made[-1].name)[1])
    while bounds_of(name)[1] <= before:
        found.append(name)
        name = month_of(bounds_of(name)[1])
    return found


def _unfinished(view: View, emptied: str, made: Sequence[str]) -> list[str]:
    """The last of these, where no line of the log says that all of it was taken out. Those before it are: they go in order."""
    told = view.last_act(emptied)
    return [] if not made or (told is not None and told.facts["archive"] == made[-1]) else [made[-1]]


def _taken_out(keeper: ArchiveKeeper, emptied: str, name: str, now: datetime, who: str) -> None:
    """Says so in the log, once."""
    with keeper.begin() as tx:
        told = tx.last_act(emptied)
        if told is None or told.facts["archive"] < name:
            tx.note(LogLine(what=emptied, who=who, facts={"archive": name}), now)


def make_archive(
    keeper: ArchiveKeeper, name: str, now: datetime, *, who: str = "gateway", reason: str | None = None
) -> ArchiveRecord:
    """Writes a month's archive, proves it, and takes its bytes out of the database.

    An archive that is on record already is proven again, and what is left of its bytes goes. Raises Stopped: SYS-197 the file
    does not hold what it should, nothing was taken out; SYS-198 no folder, or it cannot be written.
    """
    with keeper.store.read() as view:
        known = next((one for one in view.archives() if one.name == name), None)
    if known is None:
        known = _written(keeper, name, now, who, reason)
    elif flaws := verify_archive(keeper, known):
        raise Stopped(Problem("SYS-197", {"archive": name, "reason": flaws[0]}))
    _take_out(keeper, known)
    _taken_out(keeper, EMPTIED, name, now, who)
    return known


def _written(keeper: ArchiveKeeper, name: str, now: datetime, who: str, reason: str | None) -> ArchiveRecord:
    path, store = _path(keeper, name), keeper.store
    since, until = bounds_of(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = ArchiveWriter(path)
    except OSError as error:
        raise Stopped(Problem("SYS-198", {"archive": name, "reason": system_reason(error)})) from error
    try:
        _fill(store, writer, since, until)
        with store.read() as view:
            made = view.archives()
            first = made[-1].last_line + 1 if made else 1
            start, last = view.line_before(first), view.last_line_before(until, first)
        head = start
        block: list[chain.LogEntry] = []
        for entry in store.log_entries(after=first - 1, upto=last):
            head = chain.Head(entry.number, entry.hash)
            block.append(entry)
            if len(block) == BLOCK:
                writer.lines(block)
                block = []
        writer.lines(block)
        facts = _facts(ArchiveReader(writer.file))
        payload = {
            **facts, "month": name, "gateway": keeper.gateway, "at": now.astimezone(UTC).isoformat(timespec="seconds"),
            "first": first, "before": start.hash, "number": head.number, "hash": head.hash,
        }  # fmt: skip
        jws = sign_jws(payload, KIND, keeper.key)
        writer.close(jws)
        flaws = _flaws(keeper, writer.path, jws)
        if flaws:
            raise Stopped(Problem("SYS-197", {"archive": name, "reason": flaws[0]}))
        digest, size = archive_digest(writer.path)
        record = ArchiveRecord(
            name=name, digest=digest, size=size, bodies=facts["bodies"], bytes=facts["bytes"], first_line=first,
            last_line=head.number, last_hash=head.hash, made_at=now, manifest=jws,
        )  # fmt: skip
        told = {"archive": name, "digest": digest, "bodies": record.bodies, "number": head.number, "hash": head.hash}
        with keeper.begin() as tx:
            writer.publish(path)
            tx.put_archive(record)
            tx.note(LogLine(what=MADE, who=who, facts=told if reason is None else {**told, "reason": reason}), now)
    except BaseException:
        writer.abandon()
        raise
    return record


def _facts(reader: ArchiveReader) -> dict[str, Any]:
    listed, number, size = reader.of_bodies()
    return {"list": listed, "bodies": number, "bytes": size, "messages": reader.of_messages()}


def _fill(store: Store, writer: ArchiveWriter, since: datetime, until: datetime) -> None:
    """The month's messages, and whatever bytes of theirs the database holds."""
    after: tuple[datetime, str] | None = None
    while True:
        with store.read() as view:
            page = view.received_between(since, until, after, PAGE)
            if not page:
                return
            bodies = view.stored_bodies([one.id for one in page])
            numbers = {n for one in bodies if (n := pattern_of(one.stored, one.kept)) is not None}
            writer.patterns(view.patterns(numbers))
        writer.bodies(bodies)
        writer.messages(
            (one.id, one.party, one.ma_thong_diep, one.loai, one.ma_ho_so, one.received_at.isoformat(), str(one.state),
             one.digest, one.receipt)
            for one in page
        )  # fmt: skip
        after = page[-1].received_at, page[-1].id


def verify_archive(keeper: ArchiveKeeper, record: ArchiveRecord) -> list[str]:
    """What is wrong with an archive, in words; nothing where it is what was signed and recorded."""
    try:
        path = keeper.archives.path(record.name)
        if archive_digest(path)[0] != record.digest:
            return ["file", *_flaws(keeper, path, record.manifest)]
        return _flaws(keeper, path, record.manifest)
    except (OSError, NotAtHand):
        return ["missing"]


def _flaws(keeper: ArchiveKeeper, path: Any, manifest: str) -> list[str]:
    try:
        with opened(path) as file:
            return list(_read_flaws(keeper, ArchiveReader(file), manifest))
    except NotAtHand:
        return ["unreadable"]


def _payload(keeper: ArchiveKeeper, manifest: str, kind: str, longest: int) -> Mapping[str, Any] | str:
    """What a manifest says; where nobody of ours has signed it, what is wrong, in words."""
    try:
        read = Jws.read(manifest, kind, longest)
        read.by(keeper.certificates, datetime.fromisoformat(read.payload["at"]))
    except (ValueError, KeyError, TypeError) as error:
        return f"signature: {error}" if isinstance(error, JwsFlaw) else "signature"
    return read.payload


def _read_flaws(keeper: ArchiveKeeper, reader: ArchiveReader, manifest: str) -> Iterator[str]:
    if reader.manifest() != manifest:
        yield "manifest"
    said = _payload(keeper, manifest, KIND, _LONGEST)
    if isinstance(said, str):
        yield said
        return
    yield from (name for name, found in _facts(reader).items() if said.get(name) != found)
    yield from (f"body {digest}" for digest in reader.wrong_bodies())
    try:
        start = chain.Head(said["first"] - 1, said["before"])
        checked = chain.verify_chain(reader.lines(), start=start, witnesses={})
    except (ValueError, TypeError, KeyError):
        yield "lines"
        return
    if not checked.whole or (checked.head.number, checked.head.hash) != (said["number"], said["hash"]):
        yield "lines"


def _take_out(keeper: ArchiveKeeper, record: ArchiveRecord) -> None:
    """The bytes that are in the file, out of the database. What was erased meanwhile goes out of the file, later."""
    with opened(keeper.archives.path(record.name)) as file:
        archive = ArchiveReader(file)
        keeper.store.take_out_part(record.name, archive.holds)
        for messages in _in_pages(archive.message_ids()):  # what is no part of its own, or came to one meanwhile
            with keeper.begin() as tx:
                tx.archive_bodies(record.name, messages, archive.has)


def _in_pages(names: Iterable[str]) -> Iterator[list[str]]:
    page: list[str] = []
    for name in names:
        page.append(name)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def rewrite_erased(keeper: ArchiveKeeper, now: datetime, *, who: str = "gateway") -> list[str]:
    """Writes archives anew in which bytes lie that were erased; which ones. Raises Stopped as :func:`make_archive`."""
    with keeper.store.read() as view:
        pending, records = view.archives_to_rewrite(), {one.name: one for one in view.archives()}
    for name in pending:
        _rewrite(keeper, records[name], now, who)
    return pending


def _rewrite(keeper: ArchiveKeeper, record: ArchiveRecord, now: datetime, who: str) -> None:
    path, store = _path(keeper, record.name), keeper.store
    with opened(path) as file:
        own = ArchiveReader(file).manifest()
    # Its own manifest, not the one on record: whoever was interrupted has put the new file in its place already.
    if flaws := _flaws(keeper, path, own):
        raise Stopped(Problem("SYS-197", {"archive": record.name, "reason": flaws[0]}))
    with opened(path) as file:
        archive = ArchiveReader(file)
        span = archive.span()
        erased, gone = _erased(store, archive)
    try:
        writer = without(path, sorted(gone))
    except OSError as error:
        raise Stopped(Problem("SYS-198", {"archive": record.name, "reason": system_reason(error)})) from error
    try:
        facts = _facts(ArchiveReader(writer.file))
        said = dict(Jws.read(own, KIND, _LONGEST).payload)
        payload = {**said, **facts, "at": now.astimezone(UTC).isoformat(timespec="seconds")}
        jws = sign_jws(payload, KIND, keeper.key)
        writer.close(jws)
        if flaws := _flaws(keeper, writer.path, jws):
            raise Stopped(Problem("SYS-197", {"archive": record.name, "reason": flaws[0]}))
        digest, size = archive_digest(writer.path)
        told = {"archive": record.name, "digest": digest, "erased": len(gone), "bodies": facts["bodies"]}
        with keeper.begin() as tx:
            writer.publish(path)
            tx.rewrite_archive(record.name, digest, size, facts["bodies"], facts["bytes"], jws, erased, span)
            tx.note(LogLine(what=REWRITTEN, who=who, facts=told), now)
    except BaseException:
        writer.abandon()
        raise


def _erased(store: Store, archive: ArchiveReader) -> tuple[list[tuple[str, str]], set[str]]:
    """What of an archive's month was erased, by message and digest; and the bodies that are to go from the file for it.

    Of what nobody erased, which is nearly all of millions, nothing is kept in memory: the month is gone through twice.
    """
    erased, gone = list[tuple[str, str]](), set[str]()
    for page in _in_pages(archive.message_ids()):
        with store.read() as view:
            found = view.erased_of(page)
        erased += found
        gone.update(digest for _, digest in found if archive.has(digest))
    for page in _in_pages(archive.message_ids()) if gone else ():
        with store.read() as view:
            # The same bytes are another message's, too: they lie there once.
            gone.difference_update(view.needed_of(page))
    return erased, gone


def _path(keeper: ArchiveKeeper, name: str) -> Any:
    try:
        return keeper.archives.path(name)
    except NotAtHand as error:
        raise Stopped(Problem("SYS-198", {"archive": name, "reason": "archive.folder"})) from error


# -- files --------------------------------------------------------------------------------------------------------------


def file_months_due(keeper: ArchiveKeeper) -> list[str]:
    """The archived months whose files are in no archive yet, in order; before them the last that are, as months_due() has it."""
    with keeper.store.read() as view:
        made = [one.name for one in view.file_archives()]
        due = _unfinished(view, FILES_EMPTIED, made)
        return due + [one.name for one in view.archives() if one.name not in made]


def archive_files(
    keeper: ArchiveKeeper,
    folder: FileFolder,
    name: str,
    now: datetime,
    *,
    who: str = "gateway",
    reason: str | None = None,
) -> FileArchiveRecord:
    """Writes the archive of a month's files, proves it, and takes them out of their folder.

    One that is on record already is proven again, and what is left of its files goes. Raises Stopped: SYS-197 it does not hold
    what it should, nothing was taken out; SYS-198 no folder, or it cannot be written.
    """
    with keeper.store.read() as view:
        known = next((one for one in view.file_archives() if one.name == name), None)
    if known is None:
        known = _files_written(keeper, folder, name, now, who, reason)
    elif flaws := verify_file_archive(keeper, known):
        raise _broken(name, flaws[0])
    _take_files_out(keeper, folder, known, now)
    _taken_out(keeper, FILES_EMPTIED, name, now, who)
    return known


def _files_written(
    keeper: ArchiveKeeper, folder: FileFolder, name: str, now: datetime, who: str, reason: str | None
) -> FileArchiveRecord:
    try:
        writer = FileArchiveWriter(_archive(keeper, name).path)
    except OSError as error:
        raise Stopped(
            Problem("SYS-198", {"archive": f"{name}{FILES_SUFFIX}", "reason": system_reason(error)})
        ) from error
    try:
        for file, line in itertools.chain(_of_month(keeper, name), _left_behind(keeper, name)):
            if not writer.add(file, folder, line):
                raise _broken(name, f"file {file.digest}")
        index = writer.index()
        manifest = _files_signed(keeper, name, index, writer.files, writer.bytes, now)
        writer.archive.write(index, manifest)
        if flaws := list(_file_flaws(keeper, writer.archive, manifest)):
            raise _broken(name, flaws[0])
        record = FileArchiveRecord(name=name, files=writer.files, bytes=writer.bytes, made_at=now, manifest=manifest)
        told = {"archive": name, "files": record.files, "list": hashlib.sha256(index).hexdigest()}
        writer.sync()
        with keeper.begin() as tx:
            writer.publish()
            tx.put_file_archive(record)
            tx.note(
                LogLine(what=FILES_MADE, who=who, facts=told if reason is None else {**told, "reason": reason}), now
            )
    except OSError as error:
        writer.abandon()
        raise Stopped(
            Problem("SYS-198", {"archive": f"{name}{FILES_SUFFIX}", "reason": system_reason(error)})
        ) from error
    except BaseException:
        writer.abandon()
        raise
    return record


def _of_month(keeper: ArchiveKeeper, name: str) -> Iterator[tuple[StoredFile, bytes]]:
    """The files that messages of this month name, and none of a later one; with what the list says of each."""
    since, until = bounds_of(name)
    after: tuple[datetime, str] | None = None
    while True:
        with keeper.store.read() as view:
            page = view.received_between(since, until, after, PAGE)
            found = view.files_named_last([one.id for one in page if one.state is Fate.ACCEPTED], until)
            lines = [index_line(file, view.uses_of_file(file.digest)) for file in found]
        if not page:
            return
        for file, line in zip(found, lines, strict=True):
            if file.scan is not FileScan.UNKNOWN:  # the scanner is still to look at it
                yield file, line
        after = page[-1].received_at, page[-1].id


def _left_behind(keeper: ArchiveKeeper, name: str) -> Iterator[tuple[StoredFile, bytes]]:
    """Files of months before, which were archived before a message was accepted that names them, or the scanner could tell."""
    since, _ = bounds_of(name)
    after: StoredFile | None = None
    while True:
        with keeper.store.read() as view:
            found = view.files_left_behind(since, after, PAGE)
            lines = [index_line(file, view.uses_of_file(file.digest)) for file in found]
        if not found:
            return
        for file, line in zip(found, lines, strict=True):
            if file.scan is not FileScan.UNKNOWN:
                yield file, line
        after = found[-1]


def _files_signed(keeper: ArchiveKeeper, name: str, index: bytes, files: int, size: int, now: datetime) -> str:
    payload: dict[str, Any] = {
        "month": name, "gateway": keeper.gateway, "at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "list": hashlib.sha256(index).hexdigest(), "files": files, "bytes": size,
    }  # fmt: skip
    return sign_jws(payload, FILES_KIND, keeper.key)


def verify_file_archive(keeper: ArchiveKeeper, record: FileArchiveRecord) -> list[str]:
    """What is wrong with an archive of files, in words; nothing where it is what was signed and recorded."""
    try:
        return list(_file_flaws(keeper, _archive(keeper, record.name), record.manifest, name=record.name))
    except (OSError, NotAtHand, Stopped):
        return ["missing"]


def _file_flaws(keeper: ArchiveKeeper, archive: FileArchive, manifest: str, name: str | None = None) -> Iterator[str]:
    if archive.manifest() != manifest:
        yield "manifest"
    said = _payload(keeper, manifest, FILES_KIND, LONGEST_MANIFEST)
    if isinstance(said, str):
        yield said
        return
    if name is not None and said["month"] != name:
        yield "month"
    if hashlib.sha256(archive.index()).hexdigest() != said["list"]:
        yield "list"
    yield from archive.flaws()


def _take_files_out(keeper: ArchiveKeeper, folder: FileFolder, record: FileArchiveRecord, now: datetime) -> None:
    """The files that are in the archive, out of their folder. What was erased meanwhile goes out of the archive, later."""
    for row in _archive(keeper, record.name).rows():
        digest = str(row["digest"])
        with keeper.begin() as tx:
            known = tx.lock_file(digest, now)
            if known is not None and known.kept and known.archive in (None, record.name):
                tx.archive_file(digest, record.name)
                folder.set_aside(digest)
            else:
                tx.drop_from_file_archive(record.name)
                if known is None:
                    tx.drop_file(digest)
        folder.remove(digest)


def rewrite_erased_files(keeper: ArchiveKeeper, now: datetime, *, who: str = "gateway") -> list[str]:
    """Takes out of archives the files that the records have there no longer; out of which ones. Raises as archive_files()."""
    with keeper.store.read() as view:
        pending = view.file_archives_to_rewrite()
    for name in pending:
        _rewrite_files(keeper, name, now, who)
    return pending


def _rewrite_files(keeper: ArchiveKeeper, name: str, now: datetime, who: str) -> None:
    archive, store = _archive(keeper, name), keeper.store
    with store.read() as view:
        left = {one.digest: (one, view.uses_of_file(one.digest)) for one in view.files_in_archive(name)}
    try:
        there = archive.digests()
        if lost := sorted(left.keys() - there):
            raise _broken(name, f"file {lost[0]}")
        gone = sorted(there - left.keys())
        for digest in gone:
            with keeper.begin():  # what another one has put there meanwhile is none of them
                archive.remove(digest)
        index = b"".join(index_line(*left[digest]) for digest in sorted(left))
        size = sum(one.size for one, _ in left.values())
        manifest = _files_signed(keeper, name, index, len(left), size, now)
        told = {"archive": name, "erased": len(gone), "files": len(left), "list": hashlib.sha256(index).hexdigest()}
        with keeper.begin() as tx:
            archive.write(index, manifest)
            tx.rewrite_file_archive(name, len(left), size, manifest)
            tx.note(LogLine(what=FILES_REWRITTEN, who=who, facts=told), now)
    except OSError as error:
        raise Stopped(
            Problem("SYS-198", {"archive": f"{name}{FILES_SUFFIX}", "reason": system_reason(error)})
        ) from error


def _archive(keeper: ArchiveKeeper, name: str) -> FileArchive:
    try:
        return keeper.archives.files(name)
    except NotAtHand as error:
        raise Stopped(Problem("SYS-198", {"archive": f"{name}{FILES_SUFFIX}", "reason": "archive.folder"})) from error


def _broken(name: str, reason: str) -> Stopped:
    return Stopped(Problem("SYS-197", {"archive": f"{name}{FILES_SUFFIX}", "reason": reason}))
