"""Reading what is on record of files that messages name."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select, tuple_

from gateway.core.model import Fate, MaHoSo, MessageId, PartyId
from gateway.core.stored_files import FileScan, StoredFile, UnfinishedFile
from gateway.store import rows, tables
from gateway.store.file_archives import FileArchiveRecord
from gateway.store.persons import PersonsRead

_f, _o, _u, _n = tables.file, tables.file_owner, tables.file_upload, tables.file_use
_r = tables.file_archive
_m, _x, _i, _d = tables.message, tables.dossier, tables.inbox, tables.delivery
_LASTING = (Fate.ACCEPTED.value, Fate.HELD.value)


class FilesRead(PersonsRead):
    """What is on record of files."""

    def file(self, digest: str) -> StoredFile | None:
        """The file, whoever may have it."""
        row = self._one(select(_f).where(_f.c.digest == digest, _f.c.size >= 0))
        return stored_file_of(row) if row else None

    def files_of_party(self, party: PartyId, digests: Collection[str]) -> dict[str, StoredFile]:
        """Of these files those that the party has brought, or was given by a message: it may name and fetch them."""
        found = select(_f).where(_f.c.digest.in_(sorted(digests)), _f.c.size >= 0)
        return {row.digest: stored_file_of(row) for row in self._all(found) if self.may_have_file(party, row.digest)}

    def may_have_file(self, party: PartyId, digest: str) -> bool:
        """Whether the party has brought this file, or is one of those of a message or dossier that names it."""
        brought = exists().where(_o.c.digest == digest, _o.c.party == party)
        concerned = or_(
            _m.c.party == party,
            exists().where(_i.c.message == _m.c.id, _i.c.party == party),
            exists().where(_d.c.message == _m.c.id, _d.c.party == party),
            exists().where(_x.c.ma_ho_so == _m.c.ma_ho_so, or_(_x.c.portal == party, _x.c.agency == party)),
        )
        named = exists().where(
            _n.c.digest == digest, _m.c.id == _n.c.message, _m.c.state == Fate.ACCEPTED.value, concerned
        )
        return bool(self._connection.execute(select(or_(brought, named))).scalar())

    def files_of_message(self, message: MessageId | str) -> list[StoredFile]:
        """The files beside a message that it names and that are on record, by digest."""
        found = (
            select(_f).join(_n, _n.c.digest == _f.c.digest).where(_n.c.message == message, _f.c.size >= 0, ~_n.c.inline)
        )
        return [stored_file_of(row) for row in self._all(found.order_by(_f.c.digest))]

    def file_bytes_of(self, party: PartyId, now: datetime) -> int:
        """How many bytes of files count as this party's: those that it has brought, and those that it has announced."""
        brought = select(func.coalesce(func.sum(_f.c.size), 0)).join(_o, _o.c.digest == _f.c.digest)
        announced = select(func.coalesce(func.sum(_u.c.size), 0)).where(_u.c.party == party, _u.c.ends_at > now)
        kept = self._connection.execute(brought.where(_o.c.party == party, _f.c.kept, _f.c.size >= 0)).scalar_one()
        return int(kept) + int(self._connection.execute(announced).scalar_one())

    def files_kept(self, after: str, limit: int) -> list[StoredFile]:
        """The files whose bytes should be there, by digest, those behind this one."""
        found = select(_f).where(_f.c.digest > after, _f.c.kept, _f.c.size >= 0).order_by(_f.c.digest).limit(limit)
        return [stored_file_of(row) for row in self._all(found)]

    def dossiers_of_file(self, digest: str) -> list[MaHoSo]:
        """The dossiers whose messages name this file."""
        found = select(_m.c.ma_ho_so).join(_n, _n.c.message == _m.c.id).where(_n.c.digest == digest).distinct()
        return [MaHoSo(row.ma_ho_so) for row in self._all(found.order_by(_m.c.ma_ho_so)) if row.ma_ho_so is not None]

    # Archives of files

    def file_archives(self) -> list[FileArchiveRecord]:
        """The months whose files lie in archives, in order."""
        names = [column for column in _r.c if column.name != "rewrite"]
        return [FileArchiveRecord(**row._mapping) for row in self._all(select(*names).order_by(_r.c.name))]  # noqa: SLF001 - one to one

    def file_archives_to_rewrite(self) -> list[str]:
        """Those in which a file lies that was erased."""
        return [row.name for row in self._all(select(_r.c.name).where(_r.c.rewrite).order_by(_r.c.name))]

    def files_in_archive(self, name: str) -> list[StoredFile]:
        """The files that lie in this archive, by digest."""
        return [stored_file_of(row) for row in self._all(select(_f).where(_f.c.archive == name).order_by(_f.c.digest))]

    def files_named_last(self, messages: Collection[MessageId], until: datetime) -> list[StoredFile]:
        """Files in their folder that these messages name, and none that came at that time or later."""
        later = exists().where(_n.c.digest == _f.c.digest, _m.c.id == _n.c.message, _m.c.received_at >= until)
        named = select(_n.c.digest).where(_n.c.message.in_(sorted(messages)))
        found = select(_f).where(_f.c.digest.in_(named), _f.c.kept, _f.c.archive.is_(None), _f.c.size >= 0, ~later)
        return [stored_file_of(row) for row in self._all(found.order_by(_f.c.digest))]

    def files_left_behind(self, since: datetime, after: StoredFile | None, limit: int) -> list[StoredFile]:
        """Files in their folder whose newest message came before that time, as they arrived, those behind this one.

        An accepted message of theirs has come by then: it waited, or the scanner could not tell, when its month was archived.
        Files that lie in archives, which grow more with the years, are not looked at.
        """
        accepted = and_(_m.c.state == Fate.ACCEPTED.value, _m.c.received_at < since)
        named = exists().where(_n.c.digest == _f.c.digest, _m.c.id == _n.c.message, accepted)
        later = exists().where(_n.c.digest == _f.c.digest, _m.c.id == _n.c.message, _m.c.received_at >= since)
        found = select(_f).where(_f.c.kept, _f.c.archive.is_(None), _f.c.size >= 0, named, ~later)
        if after is not None:
            found = found.where(tuple_(_f.c.arrived_at, _f.c.digest) > (after.arrived_at, after.digest))
        return [stored_file_of(row) for row in self._all(found.order_by(_f.c.arrived_at, _f.c.digest).limit(limit))]

    def uses_of_file(self, digest: str) -> list[tuple[str, str | None, bool]]:
        """The messages that name this file, the dossier of each, and whether the file came inside it."""
        found = select(_n.c.message, _m.c.ma_ho_so, _n.c.inline).join(_m, _m.c.id == _n.c.message)
        return [
            (row.message, row.ma_ho_so, row.inline)
            for row in self._all(found.where(_n.c.digest == digest).order_by(_n.c.message))
        ]

    def file_upload(self, name: str) -> UnfinishedFile | None:
        """The upload of this id."""
        row = self._one(select(_u).where(_u.c.id == name))
        return UnfinishedFile(**row._mapping) if row else None  # noqa: SLF001 - the documented way to a row's names

    def file_uploads_over(self, now: datetime, limit: int = 200) -> list[str]:
        """Uploads whose time is over."""
        return [row.id for row in self._all(select(_u.c.id).where(_u.c.ends_at <= now).limit(limit))]

    def files_due(self, now: datetime, limit: int = 200, digest: str | None = None) -> list[str]:
        """Files that nobody names and whose time is over; of this digest only, where one is given."""
        lasting = exists().where(_n.c.digest == _f.c.digest, _m.c.id == _n.c.message, _m.c.state.in_(_LASTING))
        found = select(_f.c.digest).where(_f.c.due_at <= now, ~lasting).order_by(_f.c.due_at).limit(limit)
        if digest is not None:
            found = found.where(_f.c.digest == digest)
        return [row.digest for row in self._all(found)]

    def files_unscanned(self, limit: int = 20) -> list[str]:
        """Files of which the scanner could not tell, the oldest first."""
        # None of them is archived; saying so leaves out all that are.
        unknown = select(_f.c.digest).where(_f.c.scan == FileScan.UNKNOWN.value, _f.c.kept)
        found = unknown.where(_f.c.archive.is_(None))
        return [row.digest for row in self._all(found.order_by(_f.c.arrived_at).limit(limit))]

    def held_for_file(self, digest: str, limit: int = 200) -> list[MessageId]:
        """Held messages that name this file, the oldest first."""
        held = and_(_m.c.state == Fate.HELD.value, _n.c.digest == digest)
        found = select(_m.c.id).join(_n, _n.c.message == _m.c.id).where(held).order_by(_m.c.id).limit(limit)
        return [MessageId(row.id) for row in self._all(found)]


def stored_file_of(row: rows.AnyRow) -> StoredFile:
    """A row of table file."""
    return StoredFile(
        digest=row.digest,
        size=row.size,
        media_type=row.media_type,
        macros=row.macros,
        scan=FileScan(row.scan),
        finding=row.finding,
        kept=row.kept,
        arrived_at=row.arrived_at,
        archive=row.archive,
    )
