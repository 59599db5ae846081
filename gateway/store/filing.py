"""Writing what is on record of files that messages name. Their bytes are moved while their row is locked (filefolder.py)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, insert, select, update

from gateway.core.ledger import LedgerEntry
from gateway.core.model import Fate, MessageId, PartyId
from gateway.core.stored_files import FileScan, StoredFile, UnfinishedFile, named_file
from gateway.store import tables
from gateway.store.engine import Bulk
from gateway.store.errors import Conflict
from gateway.store.file_archives import FileArchiveRecord
from gateway.store.file_records import stored_file_of
from gateway.store.view import View

_f, _o, _u, _n, _m = tables.file, tables.file_owner, tables.file_upload, tables.file_use, tables.message
_r = tables.file_archive

_ACCEPTED_NAMES = exists().where(_n.c.digest == _f.c.digest, _m.c.id == _n.c.message, _m.c.state == Fate.ACCEPTED.value)

_HOLD = Bulk(
    lambda insert: insert(_f).on_conflict_do_nothing(),
    [c.name for c in _f.columns if c.name not in ("finding", "archive")],
)
_OWN = Bulk(lambda insert: insert(_o).on_conflict_do_nothing(), _o.columns.keys())
_USE = Bulk(lambda insert: insert(_n).on_conflict_do_nothing(), _n.columns.keys())
_BEGIN = Bulk(lambda insert: insert(_u), _u.columns.keys())


class FilesWrite(View):
    """What a transaction does about files."""

    def lock_file(self, digest: str, now: datetime) -> StoredFile | None:
        """Makes whoever moves this file's bytes wait for the end of this transaction; what is on record of it.

        A row that only holds on to a digest must be filled or dropped by the same transaction.
        """
        held = {"digest": digest, "size": -1, "media_type": "", "macros": False, "scan": FileScan.OFF.value}
        _HOLD(self._connection, [{**held, "kept": False, "arrived_at": now, "due_at": now}])
        row = self._connection.execute(select(_f).where(_f.c.digest == digest).with_for_update()).one()
        return stored_file_of(row) if row.size >= 0 else None

    def put_file(self, file: StoredFile, *, party: PartyId | None, due_at: datetime) -> None:
        """Puts a locked file on record as it is now, and as one that this party has brought."""
        values: dict[str, Any] = {
            "size": file.size,
            "media_type": file.media_type,
            "macros": file.macros,
            "scan": file.scan.value,
            "finding": file.finding,
            "kept": file.kept,
            "arrived_at": file.arrived_at,
            "due_at": due_at,
        }
        self._connection.execute(update(_f).where(_f.c.digest == file.digest).values(**values))
        if not file.kept:
            self._out_of_archive(file.digest)
        if party is not None:
            _OWN(self._connection, [{"digest": file.digest, "party": party, "brought_at": file.arrived_at}])

    def note_scan(self, digest: str, scan: FileScan, finding: str | None, *, kept: bool) -> None:
        """What the scanner says of a file by now."""
        values = {"scan": scan.value, "finding": finding, "kept": kept}
        self._connection.execute(update(_f).where(_f.c.digest == digest).values(**values))
        if not kept:
            self._out_of_archive(digest)

    def drop_file(self, digest: str) -> None:
        """Takes a locked file out of the records."""
        self._out_of_archive(digest)
        self._connection.execute(delete(_o).where(_o.c.digest == digest))
        self._connection.execute(delete(_f).where(_f.c.digest == digest))

    def _out_of_archive(self, digest: str) -> None:
        """The archive in which this file lies, if it does, is to be written anew without it."""
        month = self._connection.execute(select(_f.c.archive).where(_f.c.digest == digest)).scalar()
        if month is not None:
            self._connection.execute(update(_f).where(_f.c.digest == digest).values(archive=None))
            self.drop_from_file_archive(month)

    def put_file_archive(self, record: FileArchiveRecord) -> None:
        """A month's archive of files is there, and proven."""
        self._connection.execute(insert(_r), {**asdict(record), "rewrite": False})

    def archive_file(self, digest: str, name: str) -> None:
        """The bytes of a locked file are in this archive, and in their folder no longer."""
        self._connection.execute(update(_f).where(_f.c.digest == digest).values(archive=name))

    def file_archive_is_later(self, record: FileArchiveRecord) -> None:
        """A month's archive of files is one that was written anew since: after a restore. What is to go from it still is."""
        values = {"files": record.files, "bytes": record.bytes, "manifest": record.manifest}
        self._connection.execute(update(_r).where(_r.c.name == record.name).values(**values))

    def drop_from_file_archive(self, name: str) -> None:
        """Something lies in this archive that is to go."""
        self._connection.execute(update(_r).where(_r.c.name == name).values(rewrite=True))

    def rewrite_file_archive(self, name: str, files: int, size: int, manifest: str) -> None:
        """What was to go from this archive is gone, but for what was erased after its ``files`` were counted."""
        own = update(_r).where(_r.c.name == name)
        # First, which locks it: an erasure's last act is in this row, so it is seen below, or comes after the end.
        self._connection.execute(own.values(files=files, bytes=size, manifest=manifest))
        here = select(func.count()).where(_f.c.archive == name).scalar_subquery()
        self._connection.execute(own.values(rewrite=here != files))

    def begin_file_upload(self, upload: UnfinishedFile) -> None:
        """Puts an upload on record."""
        values = {"id": upload.id, "party": upload.party, "size": upload.size, "digest": upload.digest}
        _BEGIN(self._connection, [{**values, "ends_at": upload.ends_at}])

    def end_file_uploads(self, names: Collection[str]) -> None:
        """Takes uploads out of the records: they are whole, or over."""
        self._connection.execute(delete(_u).where(_u.c.id.in_(sorted(names))))

    def _name_files(self, entries: Sequence[LedgerEntry]) -> None:
        """What accepted and held messages name. Raises Conflict where a file went between the judgement and now."""
        wanted: list[dict[str, Any]] = []
        here: set[str] = set()
        inline: dict[str, list[MessageId]] = {}
        for entry in entries:
            thong_diep, fate = entry.finding.thong_diep, entry.ack.fate
            if thong_diep is None or fate is Fate.REJECTED:
                continue
            digests = {digest for row in thong_diep.dinh_kem if (digest := named_file(row)) is not None}
            message = entry.finding.envelope.id
            wanted += [{"message": message, "digest": digest, "inline": False} for digest in digests]
            here |= digests if fate is Fate.ACCEPTED else set()
            for row in thong_diep.dinh_kem:
                if row.duong_dan is None and row.sha256 not in digests:
                    inline.setdefault(row.sha256, []).append(message)
        if inline:  # where this node keeps them; a message needs none of them beside it
            kept = select(_f.c.digest).where(_f.c.digest.in_(sorted(inline)), _f.c.kept).order_by(_f.c.digest)
            for (digest,) in self._connection.execute(kept.with_for_update(key_share=True)):
                wanted += [{"message": message, "digest": digest, "inline": True} for message in inline[digest]]
        if not wanted:
            return
        _USE(self._connection, sorted(wanted, key=lambda row: (row["message"], row["digest"])))
        if here:
            locked = select(_f.c.digest).where(_f.c.digest.in_(sorted(here)), _f.c.kept).order_by(_f.c.digest)
            # Locked against the sweep, which looks for uses under the same lock.
            if len(self._connection.execute(locked.with_for_update(key_share=True)).all()) < len(here):
                raise Conflict("a file that a message names is gone")

    def put_off_files(self, now: datetime, until: datetime, limit: int = 200) -> int:
        """Files whose time is over and that an accepted message names are not looked at before ``until``; how many, at most.

        It stays accepted. When it is erased, they are due at once.
        """
        due = select(_f.c.digest).where(_f.c.due_at <= now, _ACCEPTED_NAMES).order_by(_f.c.due_at).limit(limit)
        digests = sorted(row.digest for row in self._all(due))
        if not digests:
            return 0
        # Locked first: an erasure that was about to end has ended then, and what it unnamed is not put off.
        locked = select(_f.c.digest).where(_f.c.digest.in_(digests)).order_by(_f.c.digest)
        self._connection.execute(locked.with_for_update())
        put_off = update(_f).where(_f.c.digest.in_(digests), _f.c.due_at <= now, _ACCEPTED_NAMES)
        self._connection.execute(put_off.values(due_at=until))
        return len(digests)

    def _unname_files(self, messages: Collection[MessageId], now: datetime) -> dict[MessageId, list[str]]:
        """Files that erased messages named: those that no other accepted message names are due now (files_due says which go)."""
        named: dict[MessageId, list[str]] = {}
        for row in self._all(select(_n).where(_n.c.message.in_(sorted(messages))).order_by(_n.c.digest)):
            named.setdefault(row.message, []).append(row.digest)
        if named:
            self._connection.execute(delete(_n).where(_n.c.message.in_(sorted(named))))
            digests = sorted({digest for found in named.values() for digest in found})
            self._connection.execute(update(_f).where(_f.c.digest.in_(digests), ~_ACCEPTED_NAMES).values(due_at=now))
        return named
