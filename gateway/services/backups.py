"""A backup: the whole database of one moment in one file, proven before it is believed, and the way back from it.

The file is a ZIP (any tool opens it): a member of JSON lines for each table, and ``manifest.jws``, which says what there is and
where the log stood, under the gateway's signature. It is the same whichever database it came from. No key, no password and no
configuration is in it: those are kept apart, and the manifest lists by digest which files the node was set up with.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from gateway.core import chain
from gateway.core.ledger import LogLine
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.store import Store
from gateway.store.dumps import (
    KINDS,
    DumpColumn,
    DumpTable,
    DumpTally,
    NewDatabase,
    Tell,
    dump_line,
    dump_tables,
    going_on,
    in_pages,
    knows,
    picture,
)
from gateway.store.strays import clear_abandoned, in_use
from signing.certificates import Certificate
from signing.jws import Jws, JwsFlaw, sign_jws
from signing.sign import SigningKey

FORM: Final = 1  # of the file; a program reads those that it knows
KIND: Final = "lienthong-backup"  # what the signed manifest is a statement of
MANIFEST: Final = "manifest.jws"
SUFFIX: Final = ".lienthong.zip"
BACKED_UP: Final = "backup"  # what the line of the log says that a backup leaves
_LONGEST_MANIFEST: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupMember:
    """One table in a backup."""

    table: DumpTable
    rows: int
    digest: str  # of the rows in whatever order, as DumpTally has it
    sha256: str  # of the member as it is unpacked

    @property
    def name(self) -> str:
        """Its name in the ZIP."""
        return f"tables/{self.table.name}.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup says of itself."""

    path: Path
    gateway: str
    made_at: datetime
    program: str
    schema: str  # revision of the database
    head: chain.Head  # of the log
    members: tuple[BackupMember, ...]
    files: Mapping[str, str]  # what the node was set up with and is not in it: name of the setting -> SHA-256
    signer: str  # fingerprint

    @property
    def rows(self) -> int:
        """How many rows, all tables together."""
        return sum(member.rows for member in self.members)


def make_backup(
    store: Store,
    path: Path,
    key: SigningKey,
    *,
    gateway: str,
    files: Mapping[str, Path],
    who: str,
    now: datetime,
    in_folder: bool = False,
    tell: Tell = lambda _done, _all: None,
) -> Backup:
    """Writes the database as it is now into this file, which appears when it is complete. Serving goes on meanwhile.

    ``in_folder``: it lies where backups are kept, and should be found there (gateway.services.backup_watch). Raises Stopped:
    BAK-001 the file cannot be written.
    """
    beside = path.parent
    part = beside / f".{path.name}.part"
    clear_abandoned(beside, f".*{SUFFIX}.part")
    try:
        with picture(store.engine, beside) as now_there:
            head = now_there.head
            of = sum(now_there.count(table) for table in dump_tables())
            done = 0
            members = []
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file, in_use(part):
                with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as zipped:
                    for table in dump_tables():
                        member = _written(zipped, table, now_there.rows(table), going_on(done, of, tell))
                        members.append(member)
                        done += member.rows
                    made = Backup(
                        path=path,
                        gateway=gateway,
                        made_at=now,
                        program=version("lienthong"),
                        schema=now_there.revision,
                        head=head,
                        members=tuple(members),
                        files={name: file_digest(place) for name, place in files.items()},
                        signer=key.fingerprint,
                    )
                    zipped.writestr(MANIFEST, sign_jws(_payload(made), KIND, key))
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(beside)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise Stopped(Problem("BAK-001", {"path": str(path), "reason": system_reason(error)})) from error
    facts: dict[str, Any] = {"file": path.name, "number": head.number, "hash": head.hash, "rows": made.rows}
    if in_folder:
        facts["size"] = path.stat().st_size
    with store.begin() as tx:
        tx.note(LogLine(what=BACKED_UP, who=who, facts=facts), now)
    return made


def _written(
    zipped: zipfile.ZipFile, table: DumpTable, rows: Iterable[tuple[Any, ...]], tell: Callable[[int], None]
) -> BackupMember:
    tally, hashed = DumpTally(), hashlib.sha256()
    with zipped.open(f"tables/{table.name}.jsonl", "w", force_zip64=True) as member:
        for lines in in_pages((dump_line(row) for row in rows), len):
            for line in lines:
                tally.add(line)
            chunk = b"\n".join(lines) + b"\n"
            hashed.update(chunk)
            member.write(chunk)
            tell(tally.rows)
    return BackupMember(table=table, rows=tally.rows, digest=tally.digest, sha256=hashed.hexdigest())


def _payload(made: Backup) -> Mapping[str, Any]:
    return {
        "form": FORM,
        "gateway": made.gateway,
        "at": made.made_at.astimezone(UTC).isoformat(timespec="seconds"),
        "program": made.program,
        "schema": made.schema,
        "log": {"number": made.head.number, "hash": made.head.hash},
        "files": dict(made.files),
        "tables": [
            {
                "table": member.table.name,
                "columns": [[one.name, one.kind, one.key] for one in member.table.columns],
                "rows": member.rows,
                "digest": member.digest,
                "sha256": member.sha256,
            }
            for member in made.members
        ],
    }


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- reading one ------------------------------------------------------------------------------------------------------


def read_backup(path: Path, certificates: Sequence[Certificate]) -> Backup:
    """What a backup says of itself, by one of these certificates; its tables are not looked at yet.

    Raises Stopped: BAK-001 it cannot be read, BAK-002 it is no backup, BAK-003 its signature proves nothing.
    """
    with _opened(path) as zipped:
        try:
            info = zipped.getinfo(MANIFEST)
            if info.file_size > _LONGEST_MANIFEST:
                raise ValueError("manifest too long")
            read = Jws.read(zipped.read(info).decode("ascii"), KIND, _LONGEST_MANIFEST)
            found = _read_payload(path, read)
        except (KeyError, ValueError, TypeError) as error:
            raise Stopped(Problem("BAK-002", {"path": str(path)})) from error
    try:
        read.by(certificates, found.made_at)
    except JwsFlaw as flaw:
        facts = {"path": str(path), "reason": str(flaw), "fingerprint": found.signer[:16] + "…"}
        raise Stopped(Problem("BAK-003", facts)) from flaw
    return found


def _read_payload(path: Path, read: Jws) -> Backup:
    said = read.payload
    if said["form"] != FORM:
        raise ValueError("form")
    made_at = datetime.fromisoformat(said["at"])
    if made_at.tzinfo is None:
        raise ValueError("at")
    return Backup(
        path=path,
        gateway=str(said["gateway"]),
        made_at=made_at,
        program=str(said["program"]),
        schema=str(said["schema"]),
        head=chain.Head(int(said["log"]["number"]), str(said["log"]["hash"])),
        members=tuple(_read_member(one) for one in said["tables"]),
        files={str(name): str(digest) for name, digest in said["files"].items()},
        signer=read.fingerprint,
    )


def _read_member(said: Mapping[str, Any]) -> BackupMember:
    columns = tuple(DumpColumn(name, kind, key) for name, kind, key in said["columns"])
    if not {column.kind for column in columns} <= KINDS or not any(column.key for column in columns):
        raise ValueError("columns")
    return BackupMember(
        table=DumpTable(said["table"], columns), rows=said["rows"], digest=said["digest"], sha256=said["sha256"]
    )


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with closing(zipfile.ZipFile(path)) as zipped:
            yield zipped
    except zipfile.BadZipFile as error:
        raise Stopped(Problem("BAK-002", {"path": str(path)})) from error
    except OSError as error:
        raise Stopped(Problem("BAK-001", {"path": str(path), "reason": system_reason(error)})) from error


def check_backup(backup: Backup, tell: Tell = lambda _done, _all: None) -> None:
    """Reads every row of every table, and compares with what the signed manifest says. Raises Stopped (BAK-004)."""
    done = 0
    with _opened(backup.path) as zipped:
        for member in backup.members:
            for some in _rows(zipped, member):
                done += len(some)
                tell(done, backup.rows)


def _rows(zipped: zipfile.ZipFile, member: BackupMember) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a member, a page at a time; at its end they were what the manifest says. Raises Stopped (BAK-004)."""
    tally, hashed, read = DumpTally(), hashlib.sha256(), member.table.reader()
    try:
        with zipped.open(member.name) as lines:
            for some in in_pages(iter(lambda: lines.readline(_LONGEST_LINE), b""), len):
                for line in some:
                    hashed.update(line)
                    tally.add(line.rstrip(b"\n"))
                yield [read(line) for line in some]
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(zipped, member) from error
    if (tally.rows, tally.digest, hashed.hexdigest()) != (member.rows, member.digest, member.sha256):
        raise _damaged(zipped, member)


def _damaged(zipped: zipfile.ZipFile, member: BackupMember) -> Stopped:
    return Stopped(Problem("BAK-004", {"path": str(zipped.filename), "table": member.table.name}))


# -- going back to one ------------------------------------------------------------------------------------------------


def demand_room(backup: Backup, database: NewDatabase) -> None:
    """Raises Stopped unless the backup can be put there: BAK-006 it is of a newer program, BAK-005 the database is not empty."""
    if not knows(backup.schema):
        raise Stopped(Problem("BAK-006", {"found": backup.schema, "program": backup.program}))
    if not database.is_empty(backup.schema):
        raise Stopped(Problem("BAK-005"))


def restore_backup(
    backup: Backup,
    database: NewDatabase,
    *,
    who: str,
    reason: str,
    now: datetime,
    tell: Tell = lambda _done, _all: None,
) -> int:
    """Fills an empty database from a backup. Its log is walked through before anybody can use it.

    Gives the number of the generation that begins. Raises Stopped, and leaves the database empty: BAK-004 the backup is damaged,
    BAK-005 the database is not empty, BAK-006 the backup is of a newer program, BAK-007 its log is not whole.
    """
    demand_room(backup, database)
    with database.filling() as filling, _opened(backup.path) as zipped:
        filling.make(backup.schema)
        done = 0
        for member in backup.members:
            for some in _rows(zipped, member):
                filling.put(member.table, some)
                done += len(some)
                tell(done, backup.rows)
        filling.finish()
        checked = filling.verified(backup.head)
        if not checked.whole:
            raise Stopped(Problem("BAK-007", {"path": str(backup.path), "number": checked.number}))
        return filling.begin_generation(
            who=who,
            reason=reason,
            now=now,
            file=backup.path.name,
            made_at=backup.made_at.isoformat(),
            number=backup.head.number,
            hash=backup.head.hash,
        )
