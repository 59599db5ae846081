"""Reading: one method for each question that is asked. Every View is one snapshot: its answers agree with each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Table,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    type_coerce,
    union,
    union_all,
)

from gateway.core.alerts import AcknowledgedAlert, commonest_facts
from gateway.core.chain import GENESIS, Head, LogEntry
from gateway.core.lifecycle import OPEN_STATES, LifeRules
from gateway.core.model import (
    Attempt,
    AttemptOutcome,
    BodyForm,
    Caller,
    Change,
    Claim,
    Delivery,
    DeliveryId,
    DeliveryState,
    Dossier,
    Envelope,
    Fate,
    Finding,
    InboxEntry,
    MaHoSo,
    MaThongDiep,
    MessageId,
    PartyId,
)
from gateway.core.problems import codes_saying
from gateway.core.told import DossierLetters, EventLetter, Told
from gateway.store import rows, tables
from gateway.store.archives import ArchivedBody, ArchiveRecord, Archives
from gateway.store.batch_book import BatchView
from gateway.store.digests import DigestStep, may_own, next_step
from gateway.store.errors import Garbled
from gateway.store.file_records import FilesRead
from gateway.store.notice_book import NoticeView
from gateway.store.packing import Packer, Patterns
from gateway.store.prepared_book import PreparedView
from gateway.store.records import (
    CatalogueRow,
    Cause,
    CertificateRecord,
    FiledBefore,
    InboxReader,
    Lane,
    Message,
    PartyVersion,
    PaymentLine,
    PortalSession,
    Queue,
    Spoken,
    VerdictRecord,
)

if TYPE_CHECKING:
    from gateway.core.ledger import Ledger

# Names in table counter. Where several are locked it is in the order of their names, the log last.
LOG = "~log"
PARTIES = "parties"
CATALOGUES = "catalogues"
STATUSES = "statuses"
PROVEN = (
    "~proven"  # the number of the newest signed head up to which the log was verified; its hash is that head, signed
)
VERIFIED = "~verified"  # when a run last found nothing wrong; one row for each thing that is verified
COMPARED = "~compared"  # as that, up to which the tables were compared with the log
MILESTONES = "milestones"  # the number in the log up to which table milestone is made


def verified_row(what: str) -> str:
    """The name in table counter of when this was last verified to be whole."""
    return f"{VERIFIED} {what}"


def turn_at(what: str, party: str) -> str:
    """Whose turn it is at something that one does at a time; the row's moment is its end, its hash when it began."""
    return f"turn/{what}/{party}"


def feed(party: str) -> str:
    """The last position given in a party's inbox."""
    return f"inbox/{party}"


def confirmed(party: str) -> str:
    """The last position a party has confirmed."""
    return f"confirmed/{party}"


GENERATION = "generation"  # of the database; the row's moment is when it was restored, and no row is the first


def came_over(party: str) -> str:
    """The newest generation that a party's reader has come over to."""
    return f"generation/{party}"


def same_up_to(party: str) -> str:
    """Up to which position a party's inbox is the one that it knew before the restores that it has not come over to."""
    return f"same/{party}"


def failing(party: str) -> str:
    """Tries in a row that a party did not answer."""
    return f"failing/{party}"


LOOKED_BEHIND = 10_000  # lines of the log that are counted behind those that are shown
_MIXED = timedelta(hours=1)


def spent(kind: str, party: str) -> str:
    """What a party has used up today of one allowance; the row's moment is the day's beginning."""
    return f"{kind}/{party}"


SAMPLE = 50  # failures of one cause that are looked at for the commonest facts

_m, _d, _b, _v, _c = tables.message, tables.delivery, tables.body, tables.verdict, tables.claim
Key = tuple[PartyId, MaThongDiep]
LifeRulesOf = Callable[[PartyId | None], LifeRules]  # how an agency's profile reads its states


def _these(states: Iterable[DeliveryState]) -> list[ColumnElement[str]]:
    """States as literals: a partial index is used only where the statement itself says that it fits, not its parameters."""
    return [literal_column(f"'{state.value}'", String) for state in states]


FINAL = _these(state for state in DeliveryState if state.is_final)
WAITING = _these([DeliveryState.QUEUED, DeliveryState.UNKNOWN])
HOLDING = _these(state for state in DeliveryState if state.holds_lane)
(SENDING,) = _these([DeliveryState.SENDING])
NOT_PARKED = _d.c.parked == literal_column("false")
PARKED = _d.c.parked == literal_column("true")
(UNCERTAIN,) = _these([DeliveryState.UNKNOWN])
DIFFERS = tables.told.c.differs == literal_column("true")  # as the partial index says it
BEHIND = tables.told.c.behind == literal_column("true")
NOT_ACCEPTED = _m.c.state != literal_column("'accepted'", String)
# Said beside it where a period is asked for, too: the index of those begins with the state, and a million accepted are passed by.
REFUSED = [fate.value for fate in Fate if fate is not Fate.ACCEPTED]


def held_up() -> ColumnElement[bool]:
    """The lane rule, as a condition on a delivery: an earlier one of its lane is not through yet, or one is under way.

    What waits, is under way or is uncertain always keeps its place. What was refused or given up holds the lane only
    where the party's profile says so (``blocking``): with ``lane.after_failure = "continue"`` later news go on.
    """
    other = tables.delivery.alias("other")
    earlier = and_(other.c.seq < _d.c.seq, or_(other.c.state.not_in(HOLDING), other.c.blocking))
    return _other_of_lane(other, other.c.seq != _d.c.seq, or_(earlier, other.c.state == SENDING))


def behind_another() -> ColumnElement[bool]:
    """An earlier one of its lane is not through yet: what is parked."""
    other = tables.delivery.alias("other")
    return _other_of_lane(other, other.c.seq < _d.c.seq, or_(other.c.state.not_in(HOLDING), other.c.blocking))


def _other_of_lane(other: Any, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    same = (other.c.party == _d.c.party, other.c.lane == _d.c.lane)
    open_ = other.c.state.not_in(FINAL)  # says to the planner that the index over open deliveries fits
    return select(1).where(*same, open_, *more).exists()


_INBOX = (
    select(tables.inbox)
    .where(tables.inbox.c.party == bindparam("party"), tables.inbox.c.position > bindparam("after"))
    .order_by(tables.inbox.c.position)
    .limit(bindparam("most"))
)
_DOSSIERS = select(tables.dossier).where(tables.dossier.c.ma_ho_so.in_(bindparam("codes", expanding=True)))
_COUNTER = select(tables.counter.c.value).where(tables.counter.c.name == bindparam("name"))
_CHANGES = (
    select(tables.change)
    .where(tables.change.c.ma_ho_so.in_(bindparam("codes", expanding=True)))
    .order_by(tables.change.c.ma_ho_so, tables.change.c.number)
)


def _parties_waiting() -> Any:
    """From party to party along the index, however long the backlog of each; the last row is NULL."""
    waits = and_(_d.c.state.in_(WAITING), NOT_PARKED)
    first = select(func.min(_d.c.party).label("party")).where(waits).cte("parties", recursive=True)
    following = select(func.min(_d.c.party)).where(waits, _d.c.party > first.c.party).scalar_subquery()
    return first.union_all(select(following).where(first.c.party.is_not(None)))


def _parties_due() -> Select[Any]:
    """Whose deliveries are due."""
    waits, parties = and_(_d.c.state.in_(WAITING), NOT_PARKED), _parties_waiting()
    due = select(1).where(_d.c.party == parties.c.party, waits, _d.c.due_at <= bindparam("now", type_=_d.c.due_at.type))
    oldest = select(func.min(_d.c.due_at)).where(_d.c.party == parties.c.party, waits).scalar_subquery()
    asked = select(parties.c.party).where(
        parties.c.party.is_not(None), due.where(~held_up()).correlate(parties).exists()
    )
    return asked.order_by(oldest, parties.c.party)


def _to_park() -> Select[Any]:
    front = select(_d.c.seq).where(
        _d.c.party == bindparam("party"),
        _d.c.state.in_(WAITING),
        NOT_PARKED,
        _d.c.due_at <= bindparam("now", type_=_d.c.due_at.type),
    )
    front = front.order_by(_d.c.due_at, _d.c.seq).limit(bindparam("most"))
    return select(_d.c.lane).distinct().where(_d.c.seq.in_(front), behind_another()).order_by(_d.c.lane)


_PARTIES_DUE = _parties_due()
_waiting = _parties_waiting()
_PARTIES_WAITING = select(_waiting.c.party).where(_waiting.c.party.is_not(None))
_TO_PARK = _to_park()

_STORED = (_b.c.bytes, _b.c.kept, _b.c.archive, _b.c.digest.label("body"))  # what View._bytes() needs of a body


def _own_body(digest: ColumnElement[Any]) -> ColumnElement[bool]:
    """The body of a message of which it says this digest."""
    return and_(_b.c.owner == _m.c.id, _b.c.digest == digest)


_BODY = select(*_STORED).where(_b.c.owner == bindparam("owner"), _b.c.digest == bindparam("digest"))
_OF_ANY = (  # whole ones first, and of those the ones that are here
    select(*_STORED, _b.c.total)
    .where(_b.c.owner.in_(bindparam("owners", expanding=True)), _b.c.digest == bindparam("digest"), _b.c.kept >= 0)
    .order_by(_b.c.kept < _b.c.total, _b.c.archive.is_not(None), _b.c.owner)
    .limit(1)
)
_ERASED_OF_ANY = (
    select(_b.c.owner)
    .where(_b.c.owner.in_(bindparam("owners", expanding=True)), _b.c.digest == bindparam("digest"), _b.c.kept < 0)
    .limit(1)
)
_OWNED = [Fate.ACCEPTED.value, Fate.HELD.value]
_OWNERS = select(
    _m.c.id,
    _m.c.party,
    _m.c.ma_thong_diep,
    _m.c.digest,
    _m.c.state,
    _m.c.recorded_at,
    _m.c.receipt,
    tables.verdict.c.problems,
).join(tables.verdict, and_(tables.verdict.c.message == _m.c.id, tables.verdict.c.number == _m.c.verdicts))
# Whose they are is said in so many words: the parts of the table (parts.py) are chosen by that.
_RECEIPTS = select(*_STORED, _b.c.owner).where(
    _b.c.owner.in_(bindparam("owners", expanding=True)), _b.c.digest.in_(bindparam("digests", expanding=True))
)
_BY_KEY = (
    _OWNERS.add_columns(_c.c.sender, _c.c.ma_thong_diep.label("key"))
    .join(_c, _c.c.message == _m.c.id)
    .where(
        _c.c.sender.in_(bindparam("senders", expanding=True)), _c.c.ma_thong_diep.in_(bindparam("ids", expanding=True))
    )
)
_OWNERS_OF = select(_c).where(
    _c.c.sender.in_(bindparam("senders", expanding=True)), _c.c.ma_thong_diep.in_(bindparam("ids", expanding=True))
)
_TYPED = _OWNERS.where(
    _m.c.digest.in_(bindparam("digests", expanding=True)), _m.c.composed.is_not(None), _m.c.state.in_(_OWNED)
)
_MOST_IDS: Final = 4  # of bytes that nothing could be read of; a ThongDiep has its own first
_ID: Final = re.compile(rb"<(?:[\w.-]+:)?MaThongDiep(?:\s[^<>]*)?>\s*([0-9A-Za-z._:-]{1,64})\s*<")


class View(FilesRead, BatchView, NoticeView, PreparedView):
    """What is on record, read in one transaction. Made by Store.read()."""

    def __init__(
        self, connection: Connection, patterns: Patterns | None = None, archives: Archives | None = None
    ) -> None:
        """The transaction is the caller's. ``patterns``: what is known of this database's already; ``archives``: its files."""
        super().__init__(connection)
        self._patterns = patterns or Patterns()
        self._archives = archives or Archives(None)

    def _bytes(self, row: rows.AnyRow | None) -> bytes | None:
        """The bytes of a row that has them, or says in which archive they are. Raises NotAtHand where they cannot be had."""
        if row is None:
            return None
        if row.bytes is None and row.archive is not None and row.kept >= 0:
            return self._archives.body(row.archive, row.body)
        try:
            return self._patterns.body(self._connection, row.bytes, row.kept)
        except ValueError as error:
            raise Garbled(row.body, error) from error

    def _line(self, row: rows.AnyRow) -> LogEntry:
        return rows.line_of(row, self._patterns.facts(self._connection, row))

    def _count(self, name: str) -> int:
        value: int | None = self._connection.execute(_COUNTER, {"name": name}).scalar()
        return value or 0

    # The counter, to look at

    def rehearse(self, findings: Sequence[Finding]) -> Ledger:
        """What is on record about these findings, as Tx.open() would lay it out now. Takes and locks nothing."""
        from gateway.core.ledger import Ledger  # noqa: PLC0415 - the counter, with all its rules; who only looks needs none

        ledger = Ledger()
        keys = {key_of(finding) for finding in findings if finding.thong_diep is not None}
        ledger.claims.update(self._claims(keys))
        ledger.fresh.update(keys - ledger.claims.keys())
        self._same_bytes(findings, ledger)
        codes = dossier_codes(
            finding for finding in findings if finding.thong_diep is not None and key_of(finding) in ledger.fresh
        )
        ledger.dossiers.update(self._with_changes(list(self._all(_DOSSIERS, codes=codes)) if codes else []))
        return ledger

    def packer(self) -> Packer:
        """What packs for a transaction to come, and looks here for patterns that are on record."""
        return Packer(self._connection, self._patterns)

    def _claims(self, keys: Collection[Key]) -> dict[Key, Claim]:
        wanted = set(keys)
        found = [row for row in self._all(_BY_KEY, **_keys(keys)) if (row.sender, row.key) in wanted]
        receipts = self._receipts(found)
        return {(row.sender, row.key): self._claim(row, row.key, receipts) for row in found}

    def _receipts(self, of: Sequence[rows.AnyRow]) -> dict[str, bytes | None]:
        """The receipts of these messages that there are, by their ids."""
        named = {row.id: row.receipt for row in of if row.receipt is not None}
        if not named:
            return {}
        found = self._all(_RECEIPTS, owners=sorted(named), digests=sorted(set(named.values())))
        return {row.owner: self._bytes(row) for row in found if row.body == named[row.owner]}

    def _claim(self, row: rows.AnyRow, ma_thong_diep: str, receipts: Mapping[str, bytes | None]) -> Claim:
        return Claim(
            sender=row.party,
            ma_thong_diep=MaThongDiep(ma_thong_diep),
            digest=row.digest,
            message=row.id,
            fate=Fate(row.state),
            receipt=receipts.get(row.id),
            recorded_at=row.recorded_at,
            problems=rows.problems_out(row.problems),
        )

    def _owners(self, keys: Collection[Key]) -> dict[Key, MessageId]:
        found = self._all(_OWNERS_OF, **_keys(keys))
        return {(row.sender, row.ma_thong_diep): row.message for row in found}

    def _same_bytes(self, findings: Sequence[Finding], ledger: Ledger) -> None:
        """What came of the same bytes of the same party, where the claims do not tell it already.

        They tell it of every ThongDiep that can be read, whose id is in its bytes. One that cannot today may have been read once.
        Of a typed submission the id may be that of its sender's own key, and be another one each time.
        """
        typed = {_arrival(one) for one in findings if one.envelope.form is not BodyForm.THONG_DIEP}
        unread = [one for one in findings if one.thong_diep is None and one.envelope.form is BodyForm.THONG_DIEP]
        if typed:
            found = self._all(_TYPED, digests=sorted({digest for _, digest in typed}))
            same = [row for row in found if (row.party, row.digest) in typed]
            receipts = self._receipts(same)
            for row in same:
                ledger.by_digest[row.party, row.digest] = self._claim(row, row.ma_thong_diep, receipts)
        if unread:
            arrived = {_arrival(one) for one in unread}
            for claim in self._claims(
                {(one.envelope.caller.party, ma) for one in unread for ma in _ids_of(one)}
            ).values():
                if (claim.sender, claim.digest) in arrived:
                    ledger.by_digest[claim.sender, claim.digest] = claim

    # Messages

    def message(self, message: MessageId | str) -> Message | None:
        """The message of this id of ours."""
        row = self._one(select(_m).where(_m.c.id == message))
        return rows.message_of(row) if row else None

    def messages(
        self,
        *,
        state: Fate | None = None,
        party: PartyId | None = None,
        loai: str | None = None,
        code: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        ma_ho_so: MaHoSo | str | None = None,
        receiver: PartyId | None = None,
        text: str | None = None,
        before: MessageId | str | None = None,
        limit: int = 50,
    ) -> list[Message]:
        """The newest messages first; ``before`` continues after the last one of the page before.

        ``code`` finds messages with that problem code at any place of their verdict; ``since`` counts in, ``until`` not;
        ``receiver`` those that were sent to a party or put into its inbox; ``text`` those of which a problem's facts, place,
        code or sentence, or those of a delivery, contain it.
        """
        found = self._chosen(
            select(_m), state=state, party=party, loai=loai, code=code, since=since, until=until, ma_ho_so=ma_ho_so,
            receiver=receiver, text=text,
        )  # fmt: skip
        found = found.order_by(_m.c.received_at.desc(), _m.c.id.desc()).limit(limit)
        if before is not None:
            last = self._one(select(_m.c.received_at, _m.c.id).where(_m.c.id == before))
            if last is None:
                return []
            earlier, same = _m.c.received_at < last.received_at, _m.c.received_at == last.received_at
            found = found.where(or_(earlier, and_(same, _m.c.id < last.id)))
        return [rows.message_of(row) for row in self._all(found)]

    def more_messages(self, after: Message, most: int = LOOKED_BEHIND, **chosen: Any) -> int:
        """How many more messages() would give behind this one, counted to a limit and one."""
        found = self._chosen(select(_m.c.id), **chosen)
        earlier, same = _m.c.received_at < after.received_at, _m.c.received_at == after.received_at
        found = found.where(or_(earlier, and_(same, _m.c.id < after.id))).limit(most + 1)
        return self._connection.execute(select(func.count()).select_from(found.subquery())).scalar_one()

    def count_messages(
        self, *, since: datetime, until: datetime, state: Fate | None = None, most: int = LOOKED_BEHIND
    ) -> int:
        """How many messages came in this time, counted to a limit and one: a million are not counted for a number on a page."""
        found = self._chosen(select(_m.c.id), since=since, until=until, state=state).limit(most + 1)
        return self._connection.execute(select(func.count()).select_from(found.subquery())).scalar_one()

    def oldest_of_newest(
        self,
        most: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        state: Fate | None = None,
        before: MessageId | str | None = None,
    ) -> tuple[MessageId, datetime] | None:
        """Where so many of the newest messages of a time end: the first one behind them; None where there are no more.

        A page that looks for what no index knows looks so far back and no further, and says so.
        """
        found = self._chosen(select(_m.c.id, _m.c.received_at), state=state, since=since, until=until)
        if before is not None and (last := self._one(select(_m.c.received_at).where(_m.c.id == before))) is not None:
            found = found.where(_m.c.received_at <= last.received_at)
        row = self._one(found.order_by(_m.c.received_at.desc(), _m.c.id.desc()).offset(most).limit(1))
        return None if row is None else (row.id, row.received_at)

    def _chosen(
        self,
        found: Select[Any],
        *,
        state: Fate | None = None,
        party: PartyId | None = None,
        loai: str | None = None,
        code: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        ma_ho_so: MaHoSo | str | None = None,
        receiver: PartyId | None = None,
        text: str | None = None,
    ) -> Select[Any]:
        """Those messages of a question that fit."""
        if state is not None:
            found = found.where(_m.c.state == state.value)
            if state is not Fate.ACCEPTED:
                found = found.where(NOT_ACCEPTED)
        if party is not None:
            found = found.where(_m.c.party == party)
        if loai is not None:
            found = found.where(_m.c.loai == loai)
        if code is not None:
            found = found.where(_m.c.codes.contains(f",{code},", autoescape=True))
        if since is not None:
            found = found.where(_m.c.received_at >= since)
        if until is not None:
            found = found.where(_m.c.received_at < until)
        if ma_ho_so is not None:
            found = found.where(_m.c.ma_ho_so == ma_ho_so)
        if receiver is not None:
            i = tables.inbox
            sent = _there_is(_d, _d.c.message == _m.c.id, _d.c.party == receiver)
            found = found.where(or_(sent, _there_is(i, i.c.message == _m.c.id, i.c.party == receiver)))
        if text is not None:
            said = type_coerce(_v.c.problems, Text).icontains(text, autoescape=True)
            judged = _there_is(_v, _v.c.message == _m.c.id, _v.c.number == _m.c.verdicts, said)
            answered = type_coerce(_d.c.problem, Text).icontains(text, autoescape=True)
            sentences = codes_saying(
                text
            )  # a person asks with the words that a sentence showed; only its code is on record
            coded = [_m.c.codes.contains(f",{code},", autoescape=True) for code in sentences]
            owed = _there_is(_d, _d.c.message == _m.c.id, or_(answered, _d.c.code.in_(sentences)))
            found = found.where(or_(judged, owed, *coded))
        return found

    def by_ma_thong_diep(self, party: PartyId, ma_thong_diep: MaThongDiep | str) -> Message | None:
        """What a party calls by this id: its own message that owns it, else one that was sent to it, else its last try.

        A party sees only what it sent and what it was sent.
        """
        owned = select(_m).join(tables.claim, tables.claim.c.message == _m.c.id)
        owned = owned.where(tables.claim.c.sender == party, tables.claim.c.ma_thong_diep == ma_thong_diep)
        i = tables.inbox
        received = select(_m).join(tables.claim, tables.claim.c.message == _m.c.id)
        received = received.where(
            tables.claim.c.ma_thong_diep == ma_thong_diep,
            or_(
                select(1).where(i.c.message == _m.c.id, i.c.party == party).exists(),
                select(1).where(_d.c.message == _m.c.id, _d.c.party == party).exists(),
            ),
        )
        tried = select(_m).where(_m.c.party == party, _m.c.ma_thong_diep == ma_thong_diep, NOT_ACCEPTED)
        for question in (owned, received, tried):
            row = self._one(question.order_by(_m.c.recorded_at.desc(), _m.c.id.desc()).limit(1))
            if row is not None:
                return rows.message_of(row)
        return None

    def find(self, name: str, limit: int = 50) -> list[Message]:
        """What an operator may mean by an id: our id of a message, a MaThongDiep of any sender, or a delivery's id."""
        delivered = select(_d.c.message).where(_d.c.id == name)
        # Each way by its own index: PostgreSQL answers an OR of them by reading every message there is.
        named = union(
            select(_m.c.id).where(_m.c.id == name),
            select(_c.c.message).where(_c.c.ma_thong_diep == name),
            select(_m.c.id).where(_m.c.ma_thong_diep == name, NOT_ACCEPTED),
            delivered,
        )
        found = select(_m).where(_m.c.id.in_(named))
        found = found.order_by(_m.c.received_at.desc(), _m.c.id.desc()).limit(limit)
        return [rows.message_of(row) for row in self._all(found)]

    def body(self, message: MessageId | str, digest: str) -> bytes | None:
        """The bytes of this SHA-256 that belong to a message; None when they were never here, or were erased.

        Only their beginning, where they were over the limit at the door.
        """
        return self._bytes(self._one(_BODY, owner=message, digest=digest))

    def evidence(self, digest: str) -> bytes | None:
        """The bytes of this SHA-256 that belong to no message: what verdicts rest on."""
        return self._bytes(self._one(_BODY, owner=tables.NOBODY, digest=digest))

    def body_of_anybody(self, digest: str) -> bytes | None:
        """The bytes of this SHA-256, whosever they are; None when they were never here, or were erased wherever they were.

        Only their beginning, where nobody's are whole. Raises NotAtHand where the archive that has them is not there.
        """
        cut = None
        for owners in self._may_own(digest):
            row = self._one(_OF_ANY, owners=owners, digest=digest)
            if row is not None and row.kept == row.total:
                return self._bytes(row)
            cut = cut or row
        return self._bytes(cut)

    def erased_of_anybody(self, digest: str) -> MessageId | None:
        """A message whose bytes of this SHA-256 were erased; None where nobody's were."""
        found = (self._one(_ERASED_OF_ANY, owners=owners, digest=digest) for owners in self._may_own(digest))
        return next((MessageId(row.owner) for row in found if row is not None), None)

    def _may_own(self, digest: str) -> Iterator[list[str]]:
        yield [tables.NOBODY]
        yield from may_own(self._connection, digest)

    def digest_step(self) -> DigestStep | None:
        """What is to be written next, so that bytes are found by their digest (Store.sort_digests); None: nothing is."""
        return next_step(self._connection, self.log_head().number)

    # Archives

    def archives(self) -> list[ArchiveRecord]:
        """The months whose bytes lie in files, in order."""
        t = tables.archive
        names = [column for column in t.c if column.name != "rewrite"]
        return [ArchiveRecord(**row._mapping) for row in self._all(select(*names).order_by(t.c.name))]  # noqa: SLF001 - one to one

    def archives_to_rewrite(self) -> list[str]:
        """Those in which something lies that was erased."""
        t = tables.archive
        return [row.name for row in self._all(select(t.c.name).where(t.c.rewrite).order_by(t.c.name))]

    def first_received(self) -> datetime | None:
        """When the first message of all came."""
        return self._connection.execute(select(func.min(_m.c.received_at))).scalar()

    def received_between(
        self, since: datetime, until: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Message]:
        """Messages of this time in order, those behind the place of another one."""
        found = select(_m).where(_m.c.received_at >= since, _m.c.received_at < until)
        if after is not None:
            found = found.where(tuple_(_m.c.received_at, _m.c.id) > after)
        found = found.order_by(_m.c.received_at, _m.c.id).limit(limit)
        return [rows.message_of(row) for row in self._all(found)]

    def stored_bodies(self, messages: Collection[MessageId]) -> list[ArchivedBody]:
        """What these messages came as, were made into, were handed on as and were answered with, as far as it is here."""
        found = select(_b).where(_b.c.owner.in_(messages), _b.c.bytes.is_not(None)).order_by(_b.c.owner, _b.c.digest)
        return [
            ArchivedBody(digest=row.digest, stored=row.bytes, kept=row.kept, total=row.total)
            for row in self._all(found)
        ]

    def patterns(self, numbers: Collection[int]) -> dict[int, bytes]:
        """These patterns."""
        p = tables.pattern
        return {row.id: row.bytes for row in self._all(select(p.c.id, p.c.bytes).where(p.c.id.in_(sorted(numbers))))}

    def erased_of(self, messages: Collection[str]) -> list[tuple[str, str]]:
        """The bodies of these messages that were erased, by message and digest."""
        found = select(_b.c.owner, _b.c.digest).where(_b.c.owner.in_(messages), _b.c.kept < 0)
        return [(row.owner, row.digest) for row in self._all(found)]

    def needed_of(self, messages: Collection[str]) -> list[str]:
        """The digests of the bodies of these messages that were not erased."""
        found = select(_b.c.digest).where(_b.c.owner.in_(messages), _b.c.kept >= 0)
        return [row.digest for row in self._all(found)]

    def last_line_before(self, until: datetime, first: int) -> int:
        """The last line of the log, from this one on, before lines of that time begin; lines of several nodes mix a little."""
        head = self.log_head().number
        last = self._first_since(until, head) - 1
        row = self._one(select(tables.log.c.at).where(tables.log.c.number == head))
        return max(head if row is not None and row.at < until else last, first - 1)

    def keeps(self, message: MessageId | str, digest: str) -> bool:
        """Whether a message's bytes of this SHA-256 are here."""
        found = select(_b.c.digest).where(_b.c.owner == message, _b.c.digest == digest, _b.c.kept >= 0)
        return self._one(found) is not None

    def erased_at(self, message: MessageId | str, digest: str) -> datetime | None:
        """When a retention rule erased a message's bytes of this SHA-256."""
        found = select(_b.c.erased_at).where(_b.c.owner == message, _b.c.digest == digest)
        return self._connection.execute(found).scalar()

    def envelope(self, message: MessageId | str) -> Envelope | None:
        """The message as it arrived, to be judged again. None when it is not on record or its bytes were erased."""
        row = self._one(select(_m, *_STORED).join(_b, _own_body(_m.c.digest)).where(_m.c.id == message))
        body = self._bytes(row)
        if row is None or body is None:
            return None
        known = rows.message_of(row)
        return Envelope(
            id=known.id,
            body=body,
            digest=known.digest,
            total_bytes=known.total_bytes,
            caller=Caller(party=known.party, by=known.caller_by),
            channel=known.channel,
            received_at=known.received_at,
            form=known.form,
            own_key=known.own_key,
            content_type=known.content_type,
        )

    def receipt(self, message: MessageId | str) -> bytes | None:
        """The signed BienNhan that its sender got; None while it is held, or when it was erased."""
        found = select(*_STORED).join(_m, _own_body(_m.c.receipt))
        return self._bytes(self._one(found.where(_m.c.id == message)))

    def verdicts(self, message: MessageId | str) -> list[VerdictRecord]:
        """Every judgement of it, the first one first; the last one counts."""
        found = select(_v).where(_v.c.message == message).order_by(_v.c.number)
        return [rows.verdict_of(row, self._patterns.facts(self._connection, row)) for row in self._all(found)]

    def held_count(self) -> int:
        """How many messages are held."""
        found = select(func.count()).select_from(tables.message).where(NOT_ACCEPTED, _m.c.state == Fate.HELD.value)
        return self._connection.execute(found).scalar_one()

    def held(self, judged_before: datetime, limit: int = 64, *, after: datetime | None = None) -> list[Message]:
        """Held messages last judged before this time, the longest waiting first: to be judged again.

        ``after``: and those judged later than that, by a clock that was ahead.
        """
        when = _m.c.judged_at < judged_before
        if after is not None:
            when = or_(when, _m.c.judged_at > after)
        found = select(_m).where(NOT_ACCEPTED, _m.c.state == Fate.HELD.value, when)
        return [rows.message_of(row) for row in self._all(found.order_by(_m.c.judged_at, _m.c.id).limit(limit))]

    def failures(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        with_facts: bool = True,
    ) -> list[Cause]:
        """Rejected and held messages by cause (first code, sender, place), the most frequent first."""
        found = select(
            _m.c.code,
            _m.c.party,
            _m.c.xpath,
            func.count().label("count"),
            func.min(_m.c.received_at).label("first_at"),
            func.max(_m.c.received_at).label("last_at"),
            func.max(_m.c.id).label("example"),
        ).where(NOT_ACCEPTED, _m.c.state.in_(REFUSED), _m.c.code.is_not(None))
        causes = self._causes(_within(found, _m.c.received_at, since, until), _m.c.code, _m.c.party, _m.c.xpath, limit)
        if not with_facts:
            return causes

        def told(cause: Cause, state: str) -> Select[Any]:
            # Chosen before their verdicts are read: PostgreSQL would read those of all that have this cause.
            m = _m.c
            found = select(m.id, m.verdicts, m.received_at).where(
                NOT_ACCEPTED,
                m.state == state,
                m.received_at.between(cause.first_at, cause.last_at),
                m.code == cause.code,
                m.party == cause.party,
                m.xpath.is_(None) if cause.xpath is None else m.xpath == cause.xpath,
            )
            found = _within(found, m.received_at, since, until)
            newest = found.order_by(m.received_at.desc(), m.id.desc()).limit(SAMPLE).subquery()
            n = newest.c
            problems = select(_v.c.problems).join(newest, and_(_v.c.message == n.id, _v.c.number == n.verdicts))
            return problems.order_by(n.received_at.desc(), n.id.desc())

        return [
            replace(cause, facts=self._commonest([told(cause, state) for state in REFUSED], cause.code))
            for cause in causes
        ]

    def _commonest(self, told: Iterable[Select[Any]], code: str) -> dict[str, Any]:
        """The commonest value of each fact, of the first problem with this code of each row."""
        found = (problems for one in told for (problems,) in self._all(one))
        rows = (problems if isinstance(problems, list) else [problems] for problems in found)
        return commonest_facts(
            next((one.get("facts", {}) for one in listed if one and one["code"] == code), {}) for listed in rows
        )

    def delivery_failures(
        self,
        limit: int = 100,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        with_facts: bool = True,
    ) -> list[Cause]:
        """Deliveries that are not through, by cause (code of the last try, receiver), the most frequent first.

        ``since`` and ``until`` are about when they were recorded.
        """
        found = select(
            _d.c.code,
            _d.c.party,
            bindparam("nowhere", None, _m.c.xpath.type).label("xpath"),
            func.count().label("count"),
            func.min(_d.c.created_at).label("first_at"),
            func.max(_d.c.created_at).label("last_at"),
            func.max(_d.c.id).label("example"),
        ).where(_d.c.state.not_in(FINAL), _d.c.code.is_not(None))
        causes = self._causes(_within(found, _d.c.created_at, since, until), _d.c.code, _d.c.party, None, limit)
        if not with_facts:
            return causes
        told = select(_d.c.problem).where(_d.c.state.not_in(FINAL)).order_by(_d.c.seq.desc()).limit(SAMPLE)
        told = _within(told, _d.c.created_at, since, until)
        return [
            replace(
                cause,
                facts=self._commonest([told.where(_d.c.code == cause.code, _d.c.party == cause.party)], cause.code),
            )
            for cause in causes
        ]

    def _causes(self, found: Select[Any], code: Any, party: Any, xpath: Any, limit: int) -> list[Cause]:
        keys = [key for key in (code, party, xpath) if key is not None]
        found = found.group_by(*keys).order_by(func.count().desc(), *keys).limit(limit)
        return [
            Cause(
                code=row.code,
                party=row.party,
                xpath=row.xpath,
                count=row._mapping["count"],  # noqa: SLF001 - a row's own count() hides the column
                first_at=row.first_at,
                last_at=row.last_at,
                example=row.example,
            )
            for row in self._all(found)
        ]

    # Dossiers

    def dossier(self, ma_ho_so: MaHoSo | str) -> Dossier | None:
        """The dossier of this code, with its whole history."""
        row = self._one(select(tables.dossier).where(tables.dossier.c.ma_ho_so == ma_ho_so))
        return rows.dossier_of(row, self.changes(ma_ho_so)) if row else None

    def changes(self, ma_ho_so: MaHoSo | str) -> list[Change]:
        """Its history, in order of arrival."""
        return [rows.change_of(row) for row in self._all(_CHANGES, codes=[ma_ho_so])]

    def filed_before(self, party: PartyId, codes: Collection[MaHoSo]) -> dict[MaHoSo, FiledBefore]:
        """Of each of these dossiers that is on record, what opened it and what this party filed last."""
        d, c = tables.dossier, tables.change
        found = select(c.c.ma_ho_so, c.c.message, c.c.sender, c.c.goc, _m.c.digest)
        found = found.join(d, d.c.ma_ho_so == c.c.ma_ho_so).join(_m, _m.c.id == c.c.message)
        found = found.where(c.c.ma_ho_so.in_(codes), c.c.number > d.c.released).order_by(c.c.ma_ho_so, c.c.number)
        told: dict[MaHoSo, FiledBefore] = {}
        for row in self._all(found):
            before = told.setdefault(row.ma_ho_so, FiledBefore(first=row.message))
            if (row.sender, row.goc) == (party, "NopHoSo"):
                told[row.ma_ho_so] = replace(before, newest=(row.message, row.digest))
        return told

    def session(self, token_sha256: str) -> PortalSession | None:
        """The session whose token has this SHA-256, over or not."""
        s = tables.portal_session
        row = self._one(select(s).where(s.c.token_sha256 == token_sha256))
        return PortalSession(**row._mapping) if row else None  # noqa: SLF001 - the documented way to a row's names

    def also_known_as(self, code: str) -> list[MaHoSo]:
        """The dossiers that another code leads to: the copies of a dossier at other agencies (MaHoSoGoc)."""
        found = select(tables.alias.c.ma_ho_so).where(tables.alias.c.code == code).order_by(tables.alias.c.ma_ho_so)
        return [row.ma_ho_so for row in self._all(found)]

    def dossiers(
        self,
        *,
        agency: PartyId | None = None,
        portal: PartyId | None = None,
        procedure: str | None = None,
        states: Collection[int] | None = None,
        due_before: datetime | None = None,
        opened_since: datetime | None = None,
        opened_before: datetime | None = None,
        changed_since: datetime | None = None,
        ended_before: datetime | None = None,
        page: int = 500,
    ) -> Iterator[Dossier]:
        """Dossiers with their history, by code, for deadlines and statistics; read in pages, however many there are.

        ``procedure`` is how their MaTTHC begins; ``ended_before``: those that are over, and in which nothing happened since.
        """
        d, c = tables.dossier, tables.change
        found = select(d).where(d.c.ma_ho_so > bindparam("after"), d.c.opened_at.is_not(None))
        found = found.order_by(d.c.ma_ho_so).limit(page)
        if agency is not None:
            found = found.where(d.c.agency == agency)
        if portal is not None:
            found = found.where(d.c.portal == portal)
        if procedure is not None:
            found = found.where(d.c.ma_tthc.startswith(procedure, autoescape=True))
        if states is not None:
            found = found.where(d.c.trang_thai.in_(sorted(states)))
        if due_before is not None:
            found = found.where(d.c.ngay_hen_tra < due_before)
        if opened_since is not None:
            found = found.where(d.c.opened_at >= opened_since)
        if opened_before is not None:
            found = found.where(d.c.opened_at < opened_before)
        if changed_since is not None:
            found = found.where(d.c.changed_at >= changed_since)
        if ended_before is not None:
            own = and_(c.c.ma_ho_so == d.c.ma_ho_so, c.c.number > d.c.released)
            last = select(func.max(c.c.occurred_at)).where(own).scalar_subquery()
            found = found.where(d.c.trang_thai.not_in(sorted(OPEN_STATES)), last < ended_before)
        after = ""
        while batch := list(self._all(found, after=after)):
            yield from self._with_changes(batch).values()
            after = batch[-1].ma_ho_so

    def begun(
        self, since: datetime, until: datetime, *, agency: PartyId | None = None, after: str = "", limit: int
    ) -> list[MaHoSo]:
        """The codes of dossiers that were received, or else first heard of, in a period: those after a code, by code."""
        d = tables.dossier
        begun = func.coalesce(d.c.ngay_tiep_nhan, d.c.opened_at)
        found = select(d.c.ma_ho_so).where(
            d.c.ma_ho_so > after, d.c.opened_at.is_not(None), begun >= since, begun < until
        )
        if agency is not None:
            found = found.where(d.c.agency == agency)
        return [row.ma_ho_so for row in self._all(found.order_by(d.c.ma_ho_so).limit(limit))]

    def dossier_page(
        self,
        party: PartyId,
        since: datetime,
        until: datetime,
        *,
        after: MaHoSo | str = "",
        limit: int = 2000,
        history: bool = False,
    ) -> list[Dossier]:
        """Dossiers opened in this time in which a party may have a part, by code: as they stand, with ``history`` with events.

        Those that were handed on to anybody are among them; what the party is to each, its parties say.
        """
        d = tables.dossier.c
        found = select(tables.dossier).where(d.ma_ho_so > after, _may_be_of(party, since, until))
        return self._listed(list(self._all(found.order_by(d.ma_ho_so).limit(limit))), history)

    def dossiers_listed(
        self,
        *,
        begins: str | None = None,
        agency: PartyId | None = None,
        state: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: MaHoSo | str = "",
        limit: int = 50,
    ) -> list[Dossier]:
        """Dossiers as they stand, without history, by code: those whose code begins so, received or heard of in this time."""
        d = tables.dossier.c
        found = select(tables.dossier).where(d.ma_ho_so > after, d.opened_at.is_not(None))
        if (
            begins is not None
        ):  # no range of the key: what comes next to a code is another matter in each database's collation
            found = found.where(d.ma_ho_so.startswith(begins, autoescape=True))
        if agency is not None:
            found = found.where(d.agency == agency)
        if state is not None:
            found = found.where(d.trang_thai == state)
        found = _within(found, func.coalesce(d.ngay_tiep_nhan, d.opened_at), since, until)
        return self._listed(list(self._all(found.order_by(d.ma_ho_so).limit(limit))), history=False)

    def dossiers_named(self, codes: Collection[MaHoSo | str], *, history: bool = False) -> list[Dossier]:
        """The dossiers of these codes that are open."""
        d = tables.dossier.c
        found = select(tables.dossier).where(d.ma_ho_so.in_(sorted(codes)), d.opened_at.is_not(None))
        return self._listed(list(self._all(found)), history)

    def count_dossiers(self, party: PartyId, since: datetime, until: datetime) -> int:
        """How many dossier_page() would give in all."""
        found = select(func.count()).select_from(tables.dossier).where(_may_be_of(party, since, until))
        return self._connection.execute(found).scalar_one()

    def _listed(self, found: list[rows.AnyRow], history: bool) -> list[Dossier]:
        if history:
            return list(self._with_changes(found).values())
        return [rows.dossier_of(row, ()) for row in found]

    def milestones_upto(self) -> int:
        """The number in the log up to which the rows for counting are made."""
        return self._count(MILESTONES)

    def _with_changes(self, dossiers: Collection[rows.AnyRow]) -> dict[MaHoSo, Dossier]:
        history: dict[str, list[Change]] = {row.ma_ho_so: [] for row in dossiers}
        if history:
            for row in self._all(_CHANGES, codes=sorted(history)):
                history[row.ma_ho_so].append(rows.change_of(row))
        return {row.ma_ho_so: rows.dossier_of(row, history[row.ma_ho_so]) for row in dossiers}

    def payments(
        self, ma_ho_so: MaHoSo | str | None = None, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[PaymentLine]:
        """Money asked for and paid, as told, in the order in which it happened."""
        p = tables.payment
        d = tables.dossier
        found = _within(select(p).join(d, d.c.ma_ho_so == p.c.ma_ho_so), p.c.at, since, until)
        found = found.where(p.c.change > d.c.released)
        if ma_ho_so is not None:
            found = found.where(p.c.ma_ho_so == ma_ho_so)
        return [
            rows.payment_of(row) for row in self._all(found.order_by(p.c.at, p.c.ma_ho_so, p.c.change, p.c.position))
        ]

    # Inboxes

    def inbox_after(self, party: PartyId, after: int, limit: int = 100) -> list[InboxEntry]:
        """What stands in a party's inbox after this position, in order and without a gap."""
        return [rows.entry_of(row) for row in self._all(_INBOX, party=party, after=after, most=limit)]

    def heads(self, parties: Collection[PartyId]) -> dict[PartyId, int]:
        """The last position in each of these inboxes; 0 where nothing ever came."""
        k = tables.counter.c
        found = self._all(select(k.name, k.value).where(k.name.in_([feed(party) for party in parties])))
        known = {row.name: row.value for row in found}
        return {party: known.get(feed(party), 0) for party in parties}

    def head(self, party: PartyId) -> int:
        """The last position of a party's inbox; 0 when nothing was ever put there. One small read, for long polls."""
        return self._count(feed(party))

    def unread(self, party: PartyId, ma_ho_so: MaHoSo | str) -> bool:
        """Whether news of a dossier stand in a party's inbox beyond what it has confirmed."""
        i = tables.inbox.c
        found = select(i.position).where(i.party == party, i.position > self._count(confirmed(party)))
        return self._one(found.where(i.ma_ho_so == ma_ho_so).limit(1)) is not None

    def inboxed(self, message: MessageId | str) -> list[InboxEntry]:
        """The inbox places of a message, by party."""
        i = tables.inbox
        return [rows.entry_of(row) for row in self._all(select(i).where(i.c.message == message).order_by(i.c.party))]

    def reader(self, party: PartyId) -> InboxReader:
        """How far a party has come with its inbox."""
        c = tables.counter
        names = [feed(party), confirmed(party), GENERATION, came_over(party), same_up_to(party)]
        found = {row.name: row for row in self._all(select(c).where(c.c.name.in_(names)))}
        head, read, now, over, same = (found.get(name) for name in names)
        generation = now.value if now else 1
        return InboxReader(
            party=party,
            head=head.value if head else 0,
            confirmed=read.value if read else 0,
            confirmed_at=read.at if read else None,
            generation=generation,
            restored_at=now.at if now else None,
            came_over=(over.value if over else 1) >= generation,
            same_up_to=same.value if same else 0,
        )

    # Deliveries

    def delivery(self, delivery: DeliveryId | str) -> Delivery | None:
        """The delivery of this id."""
        row = self._one(select(_d).where(_d.c.id == delivery))
        return rows.delivery_of(row) if row else None

    def deliveries(
        self,
        *,
        message: MessageId | str | None = None,
        party: PartyId | None = None,
        lane: str | None = None,
        states: Collection[DeliveryState] | None = None,
        code: str | None = None,
        ids: Collection[DeliveryId | str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1000,
    ) -> list[Delivery]:
        """Deliveries in the order in which they were recorded; ``since`` and ``until`` are about that time."""
        found = select(_d).order_by(_d.c.seq).limit(limit)
        if message is not None:
            found = found.where(_d.c.message == message)
        if party is not None:
            found = found.where(_d.c.party == party)
        if lane is not None:
            found = found.where(_d.c.lane == lane)
        if states is not None:
            found = found.where(_d.c.state.in_(sorted(state.value for state in states)))
        if code is not None:
            found = found.where(_d.c.code == code)
        if ids is not None:
            found = found.where(_d.c.id.in_(sorted(ids)))
        if since is not None:
            found = found.where(_d.c.created_at >= since)
        if until is not None:
            found = found.where(_d.c.created_at < until)
        return [rows.delivery_of(row) for row in self._all(found)]

    def uncertain(self, limit: int = 1000) -> list[Delivery]:
        """Deliveries of which nobody knows whether they arrived, in the order in which they were recorded."""
        found = select(_d).where(_d.c.state == UNCERTAIN).order_by(_d.c.seq).limit(limit)
        return [rows.delivery_of(row) for row in self._all(found)]

    def to_park(self, now: datetime, look: int) -> dict[PartyId, list[str]]:
        """Lanes whose due deliveries wait behind an earlier one and are not parked yet, among the first of each party."""
        found: dict[PartyId, list[str]] = {}
        for (party,) in self._all(_PARTIES_WAITING):
            for (lane,) in self._all(_TO_PARK, party=party, now=now, most=look):
                found.setdefault(PartyId(party), []).append(lane)
        return found

    def parked_for_nothing(self, limit: int = 1000) -> list[DeliveryId]:
        """Parked deliveries of lanes in which nothing earlier is open: another program, or a hand, moved that."""
        found = select(_d.c.id).where(PARKED, ~behind_another()).order_by(_d.c.party, _d.c.seq).limit(limit)
        return [DeliveryId(row.id) for row in self._all(found)]

    def deliveries_about(self, ma_ho_so: MaHoSo | str) -> list[tuple[Delivery, Attempt | None]]:
        """Every delivery of a message about a dossier with its last try, in the order in which they were recorded."""
        a = tables.attempt
        found = select(_d).join(_m, _m.c.id == _d.c.message).where(_m.c.ma_ho_so == ma_ho_so).order_by(_d.c.seq)
        deliveries = [rows.delivery_of(row) for row in self._all(found)]
        tries = select(a).join(_d, _d.c.id == a.c.delivery).join(_m, _m.c.id == _d.c.message)
        tries = tries.where(_m.c.ma_ho_so == ma_ho_so).order_by(a.c.number)
        last = {row.delivery: rows.attempt_of(row) for row in self._all(tries)}
        return [(delivery, last.get(delivery.id)) for delivery in deliveries]

    def inboxed_about(self, ma_ho_so: MaHoSo | str) -> list[InboxEntry]:
        """The inbox places of the messages about a dossier, by party and position."""
        i = tables.inbox
        found = select(i).join(_m, _m.c.id == i.c.message).where(_m.c.ma_ho_so == ma_ho_so)
        return [rows.entry_of(row) for row in self._all(found.order_by(i.c.party, i.c.position))]

    def count_deliveries(self, *, party: PartyId | None = None, states: Collection[DeliveryState]) -> int:
        """How many deliveries deliveries() would give without a limit."""
        found = select(func.count()).select_from(_d).where(_d.c.state.in_(sorted(state.value for state in states)))
        if party is not None:
            found = found.where(_d.c.party == party)
        return self._connection.execute(found).scalar_one()

    def attempts(self, delivery: DeliveryId | str) -> list[Attempt]:
        """Every try of a delivery, the first one first, over replays."""
        a = tables.attempt
        return [
            rows.attempt_of(row) for row in self._all(select(a).where(a.c.delivery == delivery).order_by(a.c.number))
        ]

    def newest_attempts(self, party: PartyId, limit: int) -> list[tuple[AttemptOutcome, datetime, float]]:
        """What the tries of a party's newest deliveries came to, when each began, and how many seconds it took."""
        a = tables.attempt
        newest = select(_d.c.id).where(_d.c.party == party).order_by(_d.c.seq.desc()).limit(limit).subquery()
        found = select(a.c.outcome, a.c.started_at, a.c.ended_at).join(newest, newest.c.id == a.c.delivery).limit(limit)
        return [
            (AttemptOutcome(row.outcome), row.started_at, max(0.0, (row.ended_at - row.started_at).total_seconds()))
            for row in self._all(found)
        ]

    def before(self, delivery: Delivery) -> tuple[tuple[Attempt, ...], Attempt | None, dict[str, Any]]:
        """What went before a delivery: its own tries, the last try that its party took of the same lane, and what that
        party told of the dossier."""
        earlier = self.deliveries(party=delivery.party, lane=delivery.lane, states={DeliveryState.DELIVERED})
        taken = [a for d in earlier[-1:] for a in self.attempts(d.id) if a.outcome is AttemptOutcome.DELIVERED]
        told = self.remembered(delivery.party, delivery.lane)
        return tuple(self.attempts(delivery.id)), taken[-1] if taken else None, told

    def remembered(self, party: PartyId, ma_ho_so: str) -> dict[str, Any]:
        """What a party told of a dossier and its connector wants to know, by name."""
        m = tables.memory.c
        asked = select(m.name, m.value).where(m.party == party, m.ma_ho_so == ma_ho_so).order_by(m.name)
        return {row.name: row.value for row in self._all(asked)}

    def letters(self, delivery: Delivery, rules: LifeRulesOf, *, of: Collection[str]) -> DossierLetters | None:
        """The dossier as it stood after the event that a delivery tells of, with the letters of these roots.

        None where the delivery's message is no event of a dossier, or of one whose code was given back.
        """
        dossier = self.dossier(delivery.lane) if delivery.lane != delivery.message else None
        upto = next((c.number for c in dossier.changes if c.message == delivery.message), None) if dossier else None
        if dossier is None or upto is None:
            return None
        return self._letters(dossier, rules, upto, of)

    def letters_of(self, ma_ho_so: MaHoSo | str, rules: LifeRulesOf, *, of: Collection[str]) -> DossierLetters:
        """A dossier as it stands now, with the letters of these roots. Raises KeyError where there is none."""
        dossier = self.dossier(ma_ho_so)
        if dossier is None or not dossier.changes:
            raise KeyError(ma_ho_so)
        return self._letters(dossier, rules, dossier.changes[-1].number, of)

    def _letters(self, dossier: Dossier, rules: LifeRulesOf, upto: int, of: Collection[str]) -> DossierLetters:
        changes = [change for change in dossier.changes if change.number <= upto]
        wanted = sorted({change.message for change in changes if change.goc in of})
        found = select(_m.c.id, *_STORED).join(_b, _own_body(func.coalesce(_m.c.composed, _m.c.digest)))
        found = found.where(_m.c.id.in_(wanted), _b.c.owner.in_(wanted))  # by both: see _RECEIPTS
        bodies = {row.id: self._bytes(row) for row in self._all(found)} if wanted else {}
        return DossierLetters(
            dossier=dossier,
            rules=rules(dossier.agency),
            letters=tuple(EventLetter(change=change, body=bodies.get(change.message)) for change in changes),
        )

    def turn(self, what: str, party: PartyId) -> tuple[str, datetime] | None:
        """Since when somebody is at this for a party, and until when at most; None: nobody ever was."""
        row = self._one(select(tables.counter).where(tables.counter.c.name == turn_at(what, party)))
        return (row.hash, row.at) if row is not None else None

    def told(self, party: PartyId, ma_ho_so: MaHoSo | str) -> Told | None:
        """What a party was told of a dossier, where it was told anything or had nothing to be told."""
        t = tables.told
        row = self._one(select(t).where(t.c.party == party, t.c.ma_ho_so == ma_ho_so))
        return rows.told_of(row) if row else None

    def believed_otherwise(self, party: PartyId, limit: int = 100_000) -> list[Told]:
        """Dossiers of which a party says something else than what it was told."""
        t = tables.told
        found = select(t).where(t.c.party == party, DIFFERS).order_by(t.c.ma_ho_so).limit(limit)
        return [rows.told_of(row) for row in self._all(found)]

    def told_rows(self, party: PartyId, limit: int) -> list[Told]:
        """What a party was told, the dossier first of which nothing was heard for the longest."""
        t = tables.told
        never = case((t.c.believed_at.is_(None), 0), else_=1)
        found = select(t).where(t.c.party == party).order_by(never, t.c.believed_at, t.c.ma_ho_so).limit(limit)
        return [rows.told_of(row) for row in self._all(found)]

    def told_behind(self, party: PartyId, page: int = 500) -> Iterator[Told]:
        """Dossiers with events that a party was not told all of, or of which it refused something; read in pages."""
        t, c = tables.told, tables.change
        newest = select(func.max(c.c.number)).where(c.c.ma_ho_so == t.c.ma_ho_so).scalar_subquery()
        found = select(t).where(t.c.party == party, BEHIND, t.c.ma_ho_so > bindparam("after"))
        found = found.where(or_(t.c.change < newest, t.c.refused != {})).order_by(t.c.ma_ho_so).limit(page)
        after = ""
        while batch := list(self._all(found, after=after)):
            yield from (rows.told_of(row) for row in batch)
            after = batch[-1].ma_ho_so

    def lanes(
        self,
        *,
        held_only: bool = False,
        party: PartyId | None = None,
        before: datetime | None = None,
        limit: int = 1000,
    ) -> list[Lane]:
        """Lanes with open deliveries, the longest waiting first; ``held_only``: those where a person must look.

        ``before``: those that have been waiting since an earlier moment.
        """
        holds = and_(_d.c.state.in_(HOLDING), _d.c.blocking)
        lane = (
            select(
                _d.c.party,
                _d.c.lane,
                func.count().label("open"),
                func.min(_d.c.seq).label("first"),
                func.min(case((holds, _d.c.seq))).label("holder"),
            )
            .where(_d.c.state.not_in(FINAL))
            .group_by(_d.c.party, _d.c.lane)
            .subquery()
        )
        # The row shown is one of the open, which is said of it too: PostgreSQL expects every lane to be held, and to join
        # so many it would read, in their order, all deliveries that there ever were.
        found = (
            select(_d, lane.c.open, lane.c.holder)
            .join(lane, _d.c.seq == func.coalesce(lane.c.holder, lane.c.first))
            .where(_d.c.state.not_in(FINAL))
        )
        if held_only:
            found = found.where(lane.c.holder.is_not(None))
        if party is not None:
            found = found.where(_d.c.party == party)
        if before is not None:
            found = found.where(_d.c.created_at < before)
        return [
            Lane(
                party=row.party,
                lane=row.lane,
                open=row.open,
                first=rows.delivery_of(row),
                held=row.holder is not None,
                since=row.created_at,
            )
            for row in self._all(found.order_by(_d.c.created_at, _d.c.seq).limit(limit))
        ]

    def count_lanes(self, *, held_only: bool = False, party: PartyId | None = None) -> int:
        """How many lanes lanes() would give without a limit."""
        lane = select(_d.c.party, _d.c.lane).where(_d.c.state.not_in(FINAL)).distinct()
        if held_only:
            lane = lane.where(_d.c.state.in_(HOLDING), _d.c.blocking)
        if party is not None:
            lane = lane.where(_d.c.party == party)
        return self._connection.execute(select(func.count()).select_from(lane.subquery())).scalar() or 0

    def parties_due(self, now: datetime) -> list[PartyId]:
        """Whose deliveries are due and allowed by their lanes; who has been waiting the longest comes first."""
        return [PartyId(party) for party in self._connection.execute(_PARTIES_DUE, {"now": now}).scalars()]

    def queues(self) -> list[Queue]:
        """How the outbox stands, by party: what is open, since when something waits, and whether the party answers."""
        states = [state for state in DeliveryState if not state.is_final]
        counted = select(  # a column for each state: by party alone they lie in an index, and nothing is sorted
            _d.c.party,
            func.min(case((_d.c.state.in_(WAITING), _d.c.due_at))).label("oldest"),
            func.max(case((_d.c.state.in_(WAITING), _d.c.due_at))).label("latest"),
            *(func.count(case((_d.c.state == one, 1))) for one in _these(states)),
        )
        counts: dict[str, dict[DeliveryState, int]] = {}
        oldest: dict[str, datetime] = {}
        latest: dict[str, datetime] = {}
        for row in self._all(counted.where(_d.c.state.not_in(FINAL)).group_by(_d.c.party)):
            numbers: Iterable[tuple[DeliveryState, int]] = zip(states, row[3:], strict=True)
            counts[row.party] = {state: number for state, number in numbers if number}
            if row.oldest is not None:
                oldest[row.party], latest[row.party] = row.oldest, row.latest
        c = tables.counter
        streaks = self._all(select(c).where(c.c.name.startswith(failing(""), autoescape=True), c.c.value > 0))
        streak = {row.name.removeprefix(failing("")): row for row in streaks}
        return [
            Queue(
                party=PartyId(party),
                counts=counts.get(party, {}),
                oldest_due=oldest.get(party),
                latest_due=latest.get(party),
                failures=streak[party].value if party in streak else 0,
                failing_since=streak[party].at if party in streak else None,
            )
            for party in sorted(counts.keys() | streak.keys())
        ]

    def delivered_lately(self, most: int) -> dict[PartyId, list[float]]:
        """How long it took from owed to taken, seconds, for those of the newest deliveries that were taken; by party."""
        newest = select(func.max(_d.c.seq)).scalar_subquery()
        found = select(_d.c.party, _d.c.created_at, _d.c.settled_at).where(
            _d.c.seq > newest - most, _d.c.state == DeliveryState.DELIVERED.value, _d.c.settled_at.is_not(None)
        )
        took: dict[PartyId, list[float]] = {}
        for row in self._all(found):
            took.setdefault(row.party, []).append(max(0.0, (row.settled_at - row.created_at).total_seconds()))
        return took

    def spent(self, kinds: Collection[str], day: datetime) -> dict[tuple[str, PartyId], int]:
        """What the parties have used up of their allowances since the day began, by kind and party."""
        c = tables.counter.c
        named = or_(*(c.name.startswith(spent(kind, ""), autoescape=True) for kind in kinds))
        found = {}
        for row in self._all(select(c.name, c.value).where(named, c.at >= day)):
            kind, _, party = row.name.partition("/")
            found[kind, PartyId(party)] = row.value
        return found

    # Registry, trust, catalogues

    def parties_version(self) -> int:
        """The version of the whole registry; it grows with every act. One small read, to see whether to load anew."""
        return self._count(PARTIES)

    def parties(self) -> list[PartyVersion]:
        """The profiles in force, by id."""
        p = tables.party
        newest = select(p.c.id, func.max(p.c.version).label("version")).group_by(p.c.id).subquery()
        found = select(p).join(newest, and_(p.c.id == newest.c.id, p.c.version == newest.c.version))
        return [rows.party_of(row) for row in self._all(found.where(p.c.profile.is_not(None)).order_by(p.c.id))]

    def party_history(self, party: PartyId | str) -> list[PartyVersion]:
        """Every version of one profile, the oldest first."""
        p = tables.party
        return [rows.party_of(row) for row in self._all(select(p).where(p.c.id == party).order_by(p.c.version))]

    def spoken(self, since: datetime, among: int | None = None) -> list[Spoken]:
        """Which versions of which messages each party has sent since then, as accepted; by party, type and version.

        ``among``: of so many of the newest messages, and no older ones.
        """
        edge = self.oldest_of_newest(among, since=since) if among is not None else None
        since = since if edge is None else edge[1]
        what = (_m.c.party, _m.c.loai, _m.c.phien_ban)
        found = select(*what, func.count().label("times"), func.max(_m.c.received_at).label("last"))
        found = found.where(_m.c.received_at >= since, _m.c.state == Fate.ACCEPTED.value, _m.c.phien_ban.is_not(None))
        return [
            Spoken(party=PartyId(row.party), loai=row.loai, phien_ban=row.phien_ban, count=row.times, last=row.last)
            for row in self._all(found.group_by(*what).order_by(*what))
        ]

    def statuses_version(self) -> int:
        """Grows whenever something new is known of a certificate."""
        return self._count(STATUSES)

    def certificate_statuses(self) -> list[CertificateRecord]:
        """What is known of certificates, by fingerprint and tree."""
        s = tables.certificate_status
        return [rows.certificate_record(row) for row in self._all(select(s).order_by(s.c.fingerprint, s.c.tree))]

    def catalogue_versions(self, danh_muc: str) -> list[str]:
        """The versions of a code list that are on record, the first one recorded first."""
        c = tables.catalogue
        found = select(c.c.phien_ban, func.min(c.c.recorded_at).label("since")).where(c.c.danh_muc == danh_muc)
        return [row.phien_ban for row in self._all(found.group_by(c.c.phien_ban).order_by("since", c.c.phien_ban))]

    def catalogue(self, danh_muc: str, phien_ban: str, *, at: datetime | None = None) -> list[CatalogueRow]:
        """One version of a code list, by code; ``at``: only what is valid then."""
        c = tables.catalogue
        found = select(c).where(c.c.danh_muc == danh_muc, c.c.phien_ban == phien_ban).order_by(c.c.ma)
        if at is not None:
            found = found.where(
                or_(c.c.hieu_luc_tu.is_(None), c.c.hieu_luc_tu <= at),
                or_(c.c.hieu_luc_den.is_(None), c.c.hieu_luc_den > at),
            )
        return [rows.muc_of(row) for row in self._all(found)]

    # Alerts

    def acknowledged(self) -> list[AcknowledgedAlert]:
        """What persons have taken on, by id of the group of alerts."""
        a = tables.acknowledged
        return [AcknowledgedAlert(**row._mapping) for row in self._all(select(a).order_by(a.c.id))]  # noqa: SLF001 - one to one

    # The log

    def log_head(self) -> Head:
        """Where the log stands."""
        row = self._one(select(tables.counter).where(tables.counter.c.name == LOG))
        return Head(row.value, row.hash) if row else GENESIS

    def newest_line_at(self) -> datetime | None:
        """When the newest line of the log was written; None for an empty log."""
        lines = self.log(after=self.log_head().number - 1, limit=1)
        return lines[0].at if lines else None

    def proven(self, mark: str = PROVEN) -> str | None:
        """The signed head (JWS) up to which the log was verified last, as it is kept; whoever reads it checks it.

        ``mark``: COMPARED for the tables.
        """
        row = self._one(select(tables.counter.c.hash).where(tables.counter.c.name == mark))
        return None if row is None else row.hash

    def verified_at(self, what: str) -> datetime | None:
        """When a run that looked at all of this last found nothing wrong."""
        row = self._one(select(tables.counter.c.at).where(tables.counter.c.name == verified_row(what)))
        return None if row is None else row.at

    def line_before(self, number: int) -> Head:
        """Where the chain stood before this line, as the line before it says; the empty log where there is none."""
        row = self._one(select(tables.log.c.number, tables.log.c.hash).where(tables.log.c.number == number - 1))
        return GENESIS if row is None else Head(row.number, row.hash)

    def log(
        self, *, after: int = 0, limit: int = 1000, what: str | None = None, message: MessageId | str | None = None
    ) -> list[LogEntry]:
        """Lines of the log after this number, in order; ``what`` and ``message`` choose among them."""
        found = select(tables.log).where(tables.log.c.number > after).order_by(tables.log.c.number).limit(limit)
        if what is not None:
            found = found.where(tables.log.c.what == what)
        if message is not None:
            found = found.where(tables.log.c.message == message)
        return [self._line(row) for row in self._all(found)]

    def log_entries(self, *, after: int = 0, page: int = 1000) -> Iterator[LogEntry]:
        """The whole log after this number, read in pages: what chain.verify() is given."""
        while lines := self.log(after=after, limit=page):
            yield from lines
            after = lines[-1].number

    def log_about(
        self,
        *,
        who: str | None = None,
        what: str | None = None,
        ma_ho_so: MaHoSo | str | None = None,
        message: MessageId | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        among: int | None = None,
    ) -> tuple[list[LogEntry], int]:
        """The newest lines that fit, in order, and how many older ones fit too: counted to LOOKED_BEHIND and one.

        ``among``: of so many of the newest lines of that time, and no older ones.
        ``who`` is a part of the name, ``what`` how the kind of act begins; ``ma_ho_so``: lines about its messages, and
        those that name it.
        """
        line = tables.log
        first, last = self._numbers(since, until)
        first = first if among is None else max(first, last - among + 1)
        found = select(line).where(line.c.number.between(first, last))
        found = _within(found, line.c.at, since, until)
        if who is not None:
            found = found.where(line.c.who.contains(who, autoescape=True))
        if what is not None:
            found = found.where(line.c.what.startswith(what, autoescape=True))
        if message is not None:
            found = found.where(line.c.message == message)
        if ma_ho_so is not None:
            other = line.alias()  # each way by its own index, as in find()
            of_it = select(other.c.number).where(other.c.message.in_(select(_m.c.id).where(_m.c.ma_ho_so == ma_ho_so)))
            said = type_coerce(other.c.facts, Text).contains(f'"{ma_ho_so}"', autoescape=True)
            named = select(other.c.number).where(other.c.message.is_(None), other.c.number.between(first, last), said)
            found = found.where(line.c.number.in_(union_all(of_it, named)))
        newest = [self._line(row) for row in self._all(found.order_by(line.c.number.desc()).limit(limit))][::-1]
        if len(newest) < limit:
            return newest, 0
        older = found.with_only_columns(line.c.number).where(line.c.number < newest[0].number)
        counted = select(func.count()).select_from(older.limit(LOOKED_BEHIND + 1).subquery())
        return newest, self._connection.execute(counted).scalar_one()

    def persons_about(self, ma_ho_so: MaHoSo | str, limit: int) -> list[LogEntry]:
        """What persons did about a dossier, the newest first: by its messages, and where its code was given back.

        Asked by indexes alone, however long the log is.
        """
        line = tables.log
        by_message = select(line).join(_m, _m.c.id == line.c.message)
        by_message = by_message.where(_m.c.ma_ho_so == ma_ho_so, line.c.who.startswith("operator:"))
        released = select(line).where(line.c.what == "dossier.released", line.c.message.is_(None))
        released = released.where(type_coerce(line.c.facts, Text).contains(f'"{ma_ho_so}"', autoescape=True))
        found = [
            row
            for asked in (by_message, released)
            for row in self._all(asked.order_by(line.c.number.desc()).limit(limit))
        ]
        return [self._line(row) for row in sorted(found, key=lambda row: -row.number)[:limit]]

    def _numbers(self, since: datetime | None, until: datetime | None) -> tuple[int, int]:
        """Between which numbers the lines of this time stand, with an hour to spare: lines of several nodes mix a little."""
        head = self.log_head().number
        first = 1 if since is None else self._first_since(since - _MIXED, head)
        return first, head if until is None else self._first_since(until + _MIXED, head)

    def _first_since(self, at: datetime, head: int) -> int:
        """The first line of this time or later, the head where there is none; found by halving, as there is no index."""
        asked = select(tables.log.c.at).where(tables.log.c.number == bindparam("number"))
        low, high = 1, max(head, 1)
        while low < high:
            middle = (low + high) // 2
            row = self._one(asked, number=middle)
            low, high = (middle + 1, high) if row is not None and row.at < at else (low, middle)
        return low

    def acts_since(self, what: str, since: datetime, limit: int = 1000) -> list[LogEntry]:
        """The newest lines of one kind that are about no message, from this time on, in order."""
        return self.acts_of((what,), since, limit)[what]

    def acts_of(self, kinds: Sequence[str], since: datetime, limit: int = 1000) -> dict[str, list[LogEntry]]:
        """The same of some kinds, by kind, as many of each: where this time stands in the log is looked for once."""
        first, _ = self._numbers(since, None)  # or every older one would be read to see that it is older
        acts = {}
        for what in kinds:
            found = select(tables.log).where(
                tables.log.c.what == what,
                tables.log.c.message.is_(None),
                tables.log.c.number >= first,
                tables.log.c.at >= since,
            )
            rows = self._all(found.order_by(tables.log.c.number.desc()).limit(limit))
            acts[what] = [self._line(row) for row in rows][::-1]
        return acts

    def last_act(self, what: str) -> LogEntry | None:
        """The newest line of one kind that is about no message: a signed head, an applied profile."""
        return next(iter(self.last_acts(what, 1)), None)

    def last_acts(self, what: str, limit: int) -> list[LogEntry]:
        """The newest lines of one kind that are about no message, the newest first."""
        found = select(tables.log).where(tables.log.c.what == what, tables.log.c.message.is_(None))
        return [self._line(row) for row in self._all(found.order_by(tables.log.c.number.desc()).limit(limit))]


def _arrival(finding: Finding) -> tuple[PartyId, str]:
    return finding.envelope.caller.party, finding.envelope.digest


def _ids_of(finding: Finding) -> set[MaThongDiep]:
    """The ids that a message that was not read may have: as it claims, or as something in its bytes says."""
    if finding.ma_thong_diep is not None:
        return {finding.ma_thong_diep}
    return {MaThongDiep(found[1].decode()) for found in islice(_ID.finditer(finding.envelope.body), _MOST_IDS)}


def key_of(finding: Finding) -> Key:
    """The idempotency key of a message that was read: its sender's own id for it."""
    assert finding.thong_diep is not None
    return finding.envelope.caller.party, finding.thong_diep.ma_thong_diep


def dossier_codes(findings: Iterable[Finding]) -> list[MaHoSo]:
    """The dossiers that these messages are about, sorted."""
    letters = (finding.thong_diep for finding in findings if finding.thong_diep is not None)
    return sorted({code for letter in letters if (code := letter.content.ma_ho_so or letter.ma_ho_so) is not None})


def _there_is(table: Table, *fits: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a row fits, asked by index for each message that is looked at.

    Counted, and no EXISTS: of that PostgreSQL makes a list of all rows that fit any message, from all there ever were, where
    it takes that for cheaper than to look for some hundreds of messages.
    """
    return select(func.count()).select_from(table).where(*fits).correlate(_m).scalar_subquery() > 0


def _may_be_of(party: PartyId, since: datetime, until: datetime) -> ColumnElement[bool]:
    """Opened in this time, and the party may have a part in it: to whom it was handed on, no database can ask our JSON."""
    d = tables.dossier.c
    part = or_(d.portal == party, d.agency == party, d.others.is_not(None))
    return and_(d.opened_at >= since, d.opened_at < until, part)


def _keys(keys: Collection[Key]) -> dict[str, list[str]]:
    return {"senders": sorted({key[0] for key in keys}), "ids": sorted({key[1] for key in keys})}


def _within(found: Select[Any], at: Any, since: datetime | None, until: datetime | None) -> Select[Any]:
    if since is not None:
        found = found.where(at >= since)
    if until is not None:
        found = found.where(at < until)
    return found
