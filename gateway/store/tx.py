"""Writing: a transaction's questions and acts.

Locks are taken in one order, always: messages judged again, claims, dossiers, bodies, deliveries, each sorted, and
last, just before the commit, the counters and the patterns, sorted, and the log. What an act wants in an inbox or in
the log is therefore collected, and written by :meth:`Tx.close`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from msgspec import structs
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, insert, select, tuple_, update

from gateway.core import chain
from gateway.core.batches import BatchState
from gateway.core.effects import KetQua
from gateway.core.ledger import Ledger, LedgerEntry, LogLine, Settlement
from gateway.core.milestones import Milestone
from gateway.core.model import (
    Attempt,
    AttemptOutcome,
    Delivery,
    DeliveryId,
    DeliveryState,
    Dossier,
    Fate,
    Finding,
    InboxEntry,
    MaHoSo,
    MaThongDiep,
    MessageId,
    PartyId,
)
from gateway.core.operators import Operator, joined_roles
from gateway.core.problems import Problem
from gateway.core.told import Told, ToldNews
from gateway.store import rows, statements, tables
from gateway.store.archives import ArchiveRecord, Archives
from gateway.store.batch_book import BatchTx
from gateway.store.engine import ERASING, refers, tell_news
from gateway.store.errors import Busy, Conflict, Unstorable
from gateway.store.filing import FilesWrite
from gateway.store.notice_book import NoticeTx
from gateway.store.packing import Packer, Pattern, Patterns, Unpacked
from gateway.store.page import AsItStood, BookPage, Unlinked, kept_facts, page_of, unlinked
from gateway.store.persons import DeskPlan, DeskSession
from gateway.store.prepared_book import PreparedTx, hourly_row
from gateway.store.records import CatalogueRow, CertificateRecord, PortalSession
from gateway.store.seals import list_seal, row_seal
from gateway.store.types import encode_sorted
from gateway.store.view import (
    CATALOGUES,
    FINAL,
    GENERATION,
    HOLDING,
    LOG,
    MILESTONES,
    PARTIES,
    SENDING,
    STATUSES,
    WAITING,
    Key,
    came_over,
    confirmed,
    dossier_codes,
    failing,
    feed,
    key_of,
    same_up_to,
    spent,
    turn_at,
    verified_row,
)

_m, _d, _b, _c = tables.message, tables.delivery, tables.body, tables.claim
_v, _i, _a = tables.verdict, tables.inbox, tables.attempt

#: From where each outcome of a try may lead; anything else is a mistake of the caller.
SETTLED = frozenset(
    {
        DeliveryState.DELIVERED,
        DeliveryState.REFUSED,
        DeliveryState.QUEUED,
        DeliveryState.UNKNOWN,
        DeliveryState.DEAD,
        DeliveryState.NOTHING,
    }
)
_AT_ONCE = 500  # rows of one statement
#: What the line of the log says that a restore leaves.
RESTORED = "restored"
_EMPTY_LOG = {"name": LOG, "value": 0, "hash": chain.GENESIS.hash}
_UNANSWERED = (AttemptOutcome.UNREACHABLE, AttemptOutcome.UNCERTAIN)


class Tx(FilesWrite, BatchTx, NoticeTx, PreparedTx):
    """One writing transaction. Made by Store.begin(); everything is kept, or nothing."""

    def __init__(
        self,
        connection: Connection,
        patterns: Patterns | None = None,
        archives: Archives | None = None,
    ) -> None:
        """The transaction is the caller's. ``patterns``: what is known of this database's already; ``archives``: its files."""
        super().__init__(connection, patterns, archives)
        self._packer = Packer(connection, self._patterns)
        self._lines: list[Unlinked] = []
        self._entries: list[InboxEntry] = []
        self._standing: dict[MessageId, AsItStood] = {}
        self._owner: dict[Key, MessageId] = {}  # as the claims that this transaction took name them
        self._stubs: set[MaHoSo] = set()  # dossiers this transaction opened; removed if nothing is written to them
        self._inboxes: dict[MessageId, dict[str, Any]] = {}  # what the lines of judgements say of inboxes
        self._closed = False
        self._news = False  # whether somebody waits for what is written here
        self._streaks: dict[PartyId, tuple[bool, int, datetime]] = {}  # reset first?, then add
        self._spending: tuple[datetime, Mapping[tuple[str, PartyId], int]] | None = None
        self.total: dict[tuple[str, PartyId], int] = {}  # what was spent, all processes together, once this is closed

    @property
    def learnt(self) -> Mapping[str, Pattern]:
        """Patterns that are on record once this is committed."""
        return self._packer.learnt

    # The counter: what is on record about a tray, and what was decided

    def open(self, findings: Sequence[Finding], *, recheck: bool = False) -> Ledger:
        """Takes the ids of these findings, locks their dossiers, and lays out what is on record about them.

        ``recheck``: the findings are of messages on record (held, or rejected and replayed). Raises Conflict when one of them is
        not on record or was accepted meanwhile; Busy when an id changes hands faster than it can be read.
        """
        if recheck:
            self._lock_messages(findings)
        ledger = Ledger(recheck=recheck)
        self._take_claims(findings, ledger)
        self._same_bytes(findings, ledger)
        codes = dossier_codes(
            finding
            for finding in findings
            if recheck or (finding.thong_diep is not None and key_of(finding) in self._owner)
        )
        ledger.dossiers.update(self._lock_dossiers(codes))
        return ledger

    def _lock_messages(self, findings: Sequence[Finding]) -> None:
        ids = sorted({finding.envelope.id for finding in findings})
        for row in self._all(statements.AGAIN, ids=ids):
            self._standing[row.id] = AsItStood(Fate(row.state), row.verdicts, row.problems)
            if row.state == Fate.HELD.value:
                self._owner[PartyId(row.party), MaThongDiep(row.ma_thong_diep)] = row.id
        for message in ids:
            if message not in self._standing:
                raise Conflict(f"message {message} is not on record")
            if self._standing[message].state is Fate.ACCEPTED:
                raise Conflict(f"message {message} was accepted meanwhile")

    def _take_claims(self, findings: Sequence[Finding], ledger: Ledger) -> None:
        wanted: dict[Key, MessageId] = {}
        for finding in findings:
            if finding.thong_diep is not None:
                wanted.setdefault(key_of(finding), finding.envelope.id)
        missing = sorted(wanted)
        for _ in range(8):
            taken = [{"sender": key[0], "ma_thong_diep": key[1], "message": wanted[key]} for key in missing]
            if statements.TAKE_CLAIMS(self._connection, taken) < len(missing):
                # Some were owned. Whose, is read afterwards: an owner that was in flight has committed by now.
                ledger.claims.update(self._claims(missing))
                owners = self._owners(missing)
                ours = [key for key in missing if owners.get(key) == wanted[key]]
            else:
                ours = missing
            self._owner.update((key, wanted[key]) for key in ours)
            ledger.fresh.update(ours)
            # Between our insert and our look, an owner may have been rejected and have given its id back: take it, then.
            missing = [key for key in missing if key not in ledger.claims and key not in self._owner]
            if not missing:
                return
        raise Busy("an id changes hands faster than it can be read")

    def _lock_dossiers(self, codes: Sequence[MaHoSo]) -> Mapping[MaHoSo, Any]:
        if not codes:
            return {}
        # A row for each code first, so that a dossier can be locked before it exists and two nodes never both open it.
        if statements.OPEN_DOSSIERS(self._connection, [{"ma_ho_so": code} for code in codes]) == len(codes):
            self._stubs.update(codes)
            return {}
        locked = self._all(statements.LOCK_DOSSIERS, codes=codes)
        # A row without a change is one that we have just made: nobody commits one.
        self._stubs.update(row.ma_ho_so for row in locked if row.changed_at is None)
        return self._with_changes([row for row in locked if row.changed_at is not None])

    def write(self, ledger: Ledger, page: BookPage | None = None, *, who: str = "gateway") -> None:
        """Writes all that was decided. ``who`` had the messages judged: the gateway, or the operator who replays them.

        ``page``: this very ledger as rows, where that was made before the transaction began.
        """
        if page is None:
            page = page_of(ledger, self._packer, who=who, standing=self._standing)
        else:
            self._packer.adopt(page.packer)
        run = self._connection
        page.bodies(run)
        page.messages(run)
        page.judged_again(run)
        page.verdicts(run)
        page.still_held(run)
        self._settle_claims(ledger)
        page.dossiers(run)
        statements.DROP_DOSSIERS(run, [{"which": code} for code in sorted(self._stubs.difference(page.codes))])
        self._stubs.clear()
        page.changes(run)
        if page.codes:
            run.execute(statements.LEAVE_BEHIND, {"codes": page.codes})
        page.payments(run)
        page.aliases(run)
        page.deliveries(run)
        self._news = self._news or bool(page.deliveries.params)
        self._demand_bodies(page.entries)
        self._name_files(page.entries)
        for entry in page.entries:
            self._entries.extend(entry.inbox)
        self._lines += page.lines
        self._inboxes |= page.inboxes
        for entry in page.entries:
            for settlement in entry.settlements:
                self._apply(settlement, entry)

    def _demand_bodies(self, entries: Collection[LedgerEntry]) -> None:
        """Raises Conflict where what is handed on is not here: neither brought with these nor on record."""
        if refers(self._connection):
            return
        brought = {(one.envelope.id, one.envelope.digest) for one in (entry.finding for entry in entries)}
        brought |= {(entry.finding.envelope.id, digest) for entry in entries for digest in entry.finding.bodies}
        named = {(one.message, one.digest) for entry in entries for one in entry.deliveries}
        named |= {(one.message, one.digest) for entry in entries for one in entry.inbox}
        named |= {(one.envelope.id, one.composed) for one in (entry.finding for entry in entries) if one.composed}
        self._demand(named - brought)

    def _demand(self, named: Collection[tuple[str, str]]) -> None:
        if not named or refers(self._connection):
            return
        asked = select(_b.c.owner, _b.c.digest).where(tuple_(_b.c.owner, _b.c.digest).in_(sorted(named)))
        missing = sorted({*named} - {(row.owner, row.digest) for row in self._connection.execute(asked)})
        if missing:
            raise Conflict(f"message {missing[0][0]} has no bytes {missing[0][1]}")

    def _settle_claims(self, ledger: Ledger) -> None:
        """Rejected messages give their ids back; where a later one of the same tray took it up, it is passed on."""
        keeps = {
            (entry.finding.envelope.caller.party, entry.finding.thong_diep.ma_thong_diep): entry.finding.envelope.id
            for entry in ledger.entries
            if entry.owns_id and entry.finding.thong_diep is not None
        }
        entered = {entry.finding.envelope.id for entry in ledger.entries}
        dropped = [
            key
            for key, owner in sorted(self._owner.items())
            if key not in keeps and (owner in entered or owner not in self._standing)
        ]
        passed = [key for key in sorted(self._owner) if keeps.get(key, self._owner[key]) != self._owner[key]]
        statements.DROP_CLAIMS(self._connection, [{"who": sender, "which": ma} for sender, ma in dropped])
        statements.PASS_CLAIMS(
            self._connection, [{"who": key[0], "which": key[1], "message": keeps[key]} for key in passed]
        )
        self._owner.clear()

    def _apply(self, settlement: Settlement, entry: LedgerEntry) -> None:
        message, now = entry.finding.envelope.id, entry.ack.recorded_at
        about = select(_c.c.message).where(_c.c.ma_thong_diep == settlement.ma_thong_diep_goc)
        found = select(_d).where(_d.c.message.in_(about)).order_by(_d.c.id).with_for_update()
        if settlement.kind == "recall":
            sent = about.where(_c.c.sender == settlement.party)
            found = found.where(_d.c.message.in_(sent), _d.c.state == DeliveryState.QUEUED.value)
            for row in self._all(found):
                self._move(row, DeliveryState.SKIPPED, now)
                self._note(now, "delivery.recalled", settlement.party, row.message, delivery=row.id, by_message=message)
            return
        found = found.where(_d.c.party == settlement.party, _d.c.state.not_in(FINAL))
        refused = settlement.ket_qua is KetQua.TU_CHOI
        to = DeliveryState.REFUSED if refused else DeliveryState.DELIVERED
        for row in self._all(found):
            attempt = Attempt(
                delivery=row.id,
                number=0,
                kind="acknowledged",
                started_at=now,
                ended_at=now,
                outcome=AttemptOutcome.REFUSED if refused else AttemptOutcome.DELIVERED,
                reference=message,
            )
            self._move(row, to, now)
            facts = {"delivery": row.id, "by_message": message, "attempt": self._add_attempt(attempt)}
            self._note(now, f"delivery.{to}", settlement.party, row.message, **facts)

    def _move(self, row: rows.AnyRow, to: DeliveryState, now: datetime) -> None:
        moved = update(_d).where(_d.c.id == row.id)
        self._connection.execute(
            moved.values(state=to.value, due_at=None, lease_until=None, settled_at=now, parked=False)
        )
        self._unpark(row.party, row.lane)

    def _unpark(self, party: PartyId, lane: str) -> None:
        """Something of this lane is out of the way: what waits behind it is looked at again."""
        self._connection.execute(statements.UNPARK, {"who": party, "which": lane})

    def park(self, now: datetime, look: int = 5000) -> int:
        """Leaves what waits behind an earlier delivery of its lane out of what is looked at each turn; how many.

        Each is parked under the lock of one that stands before it, and whoever moves that one out of the way comes
        after us and unparks them; so nothing stays parked behind nothing.
        """
        parked = 0
        for party, lanes in self.to_park(now, look).items():
            before: set[str] = set()
            which = []
            for row in self._all(statements.OPEN_OF_LANES, who=party, lanes=lanes):
                state = DeliveryState(row.state)
                if row.lane in before and not row.parked and state in (DeliveryState.QUEUED, DeliveryState.UNKNOWN):
                    which.append(row.seq)
                if not state.holds_lane or row.blocking:
                    before.add(row.lane)
            for first in range(0, len(which), _AT_ONCE):
                self._connection.execute(statements.PARK, {"which": which[first : first + _AT_ONCE]})
            parked += len(which)
        return parked

    def unpark(self, ids: Collection[DeliveryId]) -> None:
        """Has these looked at again."""
        self._connection.execute(statements.UNPARK_THESE, {"which": sorted(ids)})
        self._news = True

    # Deliveries

    def claim_due(self, party: PartyId, now: datetime, limit: int, lease_s: float) -> list[Delivery]:
        """Leases at most ``limit`` deliveries to a party that are due and first in their lanes, the longest due first.

        They are ``sending``, with one more try, until they are settled or ``lease_s`` seconds have passed. ``ask_first``
        says that an earlier try had no clear answer. Whose deliveries are due: ``View.parties_due``.
        """
        values = {"who": party, "now": now, "until": now + timedelta(seconds=lease_s), "most": limit}
        found = sorted(self._connection.execute(statements.LEASE, values), key=lambda row: (row.due_at, row.seq))
        return [rows.delivery_of(row) for row in found]

    def wake(self, party: PartyId, now: datetime, latest: datetime) -> int:
        """Has what waits for a party until after ``latest`` be due now; how much that was."""
        asleep = update(_d).where(_d.c.party == party, _d.c.state.in_(WAITING), _d.c.due_at > latest)
        woken: int = self._connection.execute(asleep.values(due_at=now)).rowcount
        self._news = self._news or woken > 0
        return woken

    def shorten_leases(self, now: datetime, ahead: datetime) -> None:
        """Leases that began after ``ahead``, by a clock that was, begin now: whoever has died does not hold them for so long."""
        leased = select(_d.c.seq, _d.c.leased_at, _d.c.lease_until).where(_d.c.state == SENDING, _d.c.leased_at > ahead)
        for row in self._all(leased.with_for_update(skip_locked=True)):
            until = now + (row.lease_until - row.leased_at)
            self._connection.execute(update(_d).where(_d.c.seq == row.seq).values(leased_at=now, lease_until=until))

    def lengthen_lease(self, delivery: Delivery, until: datetime) -> None:
        """A delivery that was leased just now may take until then."""
        self._connection.execute(update(_d).where(_d.c.id == delivery.id).values(lease_until=until))

    def settle(
        self,
        delivery: Delivery,
        attempt: Attempt,
        to: DeliveryState,
        due_at: datetime | None = None,
        *,
        now: datetime | None = None,
        remember: Mapping[str, Any] | None = None,
        told: ToldNews | None = None,
        asked: bool = True,
    ) -> bool:
        """Notes what a leased try came to. False, and nothing is changed, when the lease is not ours any more.

        ``due_at`` is when to go on, for ``queued`` and ``unknown``. The attempt gets its number from the store: tries are counted
        anew after a replay, attempts never are. ``now`` is the attempt's end where it is not given. ``remember`` is what the
        party told of the dossier; a later value of the same name replaces an earlier one. ``told`` is what it was told.
        ``asked``: whether what it came to says anything of the party.
        """
        if to not in SETTLED:
            raise ValueError(f"a try does not lead to {to}")
        if (due_at is None) is (to in (DeliveryState.QUEUED, DeliveryState.UNKNOWN)):
            raise ValueError(f"a delivery that is {to} is {'' if due_at is None else 'not '}due at some time")
        now = now or attempt.ended_at
        problem = attempt.problem
        values = {
            "which": delivery.id,
            "held": delivery.lease,
            "state": to.value,
            "due_at": due_at,
            "ask_first": to is DeliveryState.UNKNOWN,
            "problem": problem.as_dict() if problem else None,
            "code": problem.code if problem else None,
            "settled_at": now,
        }
        moved = self._connection.execute(statements.SETTLE, values)
        if moved.rowcount != 1:
            return False
        if to.is_final or (to.holds_lane and not delivery.blocking):
            self._unpark(delivery.party, delivery.lane)
        added = self._add_attempt(replace(attempt, delivery=delivery.id))
        if told is not None and delivery.lane != delivery.message:  # a lane of one message is no dossier
            number = added["number"]
            self.tell(delivery.party, MaHoSo(delivery.lane), told, now, delivery=delivery.id, attempt=number)
        if remember and delivery.lane != delivery.message:
            kept = {"party": delivery.party, "ma_ho_so": delivery.lane, "kept_at": now}
            statements.PUT_MEMORY(self._connection, [{**kept, "name": k, "value": v} for k, v in remember.items()])
        if asked and attempt.outcome is not AttemptOutcome.NOTHING:  # for which nobody was asked
            self._answered(delivery.party, attempt.outcome not in _UNANSWERED, now)
        if to is not DeliveryState.QUEUED:
            facts = {"delivery": delivery.id, "tries": delivery.tries, "code": problem.code if problem else None}
            facts |= {"party": delivery.party, "attempt": added}
            self._note(now, f"delivery.{to}", "gateway", delivery.message, **facts)
        return True

    def tell(
        self,
        party: PartyId,
        ma_ho_so: MaHoSo,
        news: ToldNews,
        now: datetime,
        *,
        delivery: DeliveryId | None = None,
        attempt: int | None = None,
    ) -> None:
        """Puts on record what a party was told of a dossier, or was heard to believe."""
        before = self.told(party, ma_ho_so) or Told(party=party, ma_ho_so=ma_ho_so)
        told = before.after(news, now, delivery, attempt)
        behind = bool(told.refused) or told.change < self._newest_event(ma_ho_so, told.change + 1)
        statements.PUT_TOLD(self._connection, [rows.told_in(told, behind=behind)])

    def _newest_event(self, ma_ho_so: MaHoSo, otherwise: int) -> int:
        """Of a dossier, asked for when its row is locked, so that it stays the newest; ``otherwise`` where that cannot be had."""
        asked = {"code": ma_ho_so}
        if self._connection.execute(statements.STANDS_STILL, asked).first() is None:
            return otherwise
        return int(self._connection.execute(statements.NEWEST_EVENT, asked).scalar() or 0)

    def tell_again(
        self,
        told: Told | None,
        deliveries: Sequence[Delivery],
        *,
        rows_kept: Sequence[str],
        who: str,
        reason: str,
        now: datetime,
        batch: int | None = None,
    ) -> None:
        """Owes a party news of a dossier once more. What it was told counts no longer, but for these rows of progress.

        Each new delivery is sealed in the log by a line of its own, beside that of the message's acceptance.
        """
        if told is not None:
            statements.PUT_TOLD(self._connection, [rows.told_in(told.again(tuple(rows_kept)), behind=True)])
        queued = [rows.delivery_in(delivery, now) for delivery in deliveries]
        statements.PUT_DELIVERIES(self._connection, queued)
        self._demand({(row["message"], row["digest"]) for row in queued})
        for row in queued:
            facts = {"delivery": row["id"], "party": row["party"], "reason": reason, "row": row_seal("delivery", row)}
            self._note(now, "delivery.retold", who, row["message"], **facts, **_of_batch(batch))

    def take_turn(self, what: str, party: PartyId, token: int, now: datetime, until: datetime) -> bool:
        """Whether it is ours now to do this for a party, until then: nobody is at it, or whoever was let its time run out."""
        name = turn_at(what, party)
        values = {"value": token, "hash": now.isoformat(), "at": until}
        if self._connection.execute(statements.OVER_TURN, {"which": name, "now": now, **values}).rowcount == 1:
            return True
        return statements.FIRST_TURN(self._connection, [{"name": name, **values}]) == 1

    def hold_turn(self, what: str, party: PartyId, token: int, until: datetime) -> bool:
        """Goes on until then, or ends now; False, and nothing is changed, where the turn is another's meanwhile."""
        values = {"which": turn_at(what, party), "held": token, "at": until}
        return self._connection.execute(statements.HOLD_TURN, values).rowcount == 1

    def _add_attempt(self, attempt: Attempt) -> dict[str, Any]:
        """Notes a try; gives what the log may say of it."""
        number = self._connection.execute(statements.NUMBER, {"delivery": attempt.delivery}).scalar_one() + 1
        row = rows.attempt_in(attempt, number)
        statements.PUT_ATTEMPTS(self._connection, [row])
        return {"number": number, "outcome": attempt.outcome, "row": row_seal("attempt", row)}

    def _answered(self, party: PartyId, answered: bool, now: datetime) -> None:
        reset, add, since = self._streaks.get(party, (False, 0, now))
        self._streaks[party] = (True, 0, now) if answered else (reset, add + 1, since if add else now)

    def rescue(self, now: datetime, problem: Problem | None = None, limit: int = 1000) -> list[Delivery]:
        """Deliveries whose lease has run out become ``unknown``, due now: nobody knows whether they arrived."""
        late = select(_d).where(_d.c.state == SENDING, _d.c.lease_until <= now)
        found = self._all(late.order_by(_d.c.lease_until, _d.c.seq).limit(limit).with_for_update(skip_locked=True))
        unknown = {
            "state": DeliveryState.UNKNOWN.value,
            "due_at": now,
            "lease_until": None,
            "ask_first": True,
            "problem": problem.as_dict() if problem else None,
            "code": problem.code if problem else None,
            "settled_at": now,
        }
        which = _d.c.seq.in_([row.seq for row in found])
        rescued = self._connection.execute(update(_d).where(which).values(unknown).returning(_d)).all() if found else []
        for row in sorted(found, key=lambda row: row.seq):
            attempt = Attempt(
                delivery=row.id,
                number=0,
                kind="query" if row.ask_first else "send",
                started_at=row.leased_at,
                ended_at=now,
                outcome=AttemptOutcome.UNCERTAIN,
                problem=problem,
            )
            facts = {
                "delivery": row.id,
                "tries": row.tries,
                "party": row.party,
                "code": problem.code if problem else None,
            }
            self._note(now, "delivery.rescued", "gateway", row.message, **facts, attempt=self._add_attempt(attempt))
        return [rows.delivery_of(row) for row in rescued]

    def replay(
        self, ids: Collection[DeliveryId | str], *, who: str, reason: str, now: datetime, batch: int | None = None
    ) -> list[Delivery]:
        """Refused and dead deliveries are queued again, tries counted anew, history kept. Gives those that were."""
        moved = self._hand(
            ids,
            HOLDING,
            {
                "state": DeliveryState.QUEUED.value,
                "tries": 0,
                "due_at": now,
                "first_tried_at": None,
                "settled_at": None,
                "parked": False,
            },
        )
        for row in moved:
            facts = {"delivery": row.id, "party": row.party, "reason": reason, **_of_batch(batch)}
            self._note(now, "delivery.replayed", who, row.message, **facts)
        return [rows.delivery_of(row) for row in moved]

    def skip(
        self, delivery: DeliveryId | str, *, who: str, reason: str, now: datetime, batch: int | None = None
    ) -> Delivery:
        """Gives a delivery up, so that its lane goes on. Raises Conflict when it is final, or being sent just now."""
        moved = self._hand(
            [delivery],
            (*WAITING, *HOLDING),
            {"state": DeliveryState.SKIPPED.value, "due_at": None, "settled_at": now, "parked": False},
        )
        if not moved:
            known = self.delivery(delivery)
            raise Conflict(f"delivery {delivery} is {known.state if known else 'not on record'}")
        self._unpark(moved[0].party, moved[0].lane)
        facts = {"delivery": delivery, "party": moved[0].party, "reason": reason, **_of_batch(batch)}
        self._note(now, "delivery.skipped", who, moved[0].message, **facts)
        return rows.delivery_of(moved[0])

    def _hand(
        self, ids: Collection[str], states: Sequence[ColumnElement[str]], values: Mapping[str, Any]
    ) -> list[rows.AnyRow]:
        """What a person moves: those of these ids that are in one of these states, in the order in which they were recorded."""
        which = select(_d.c.seq).where(_d.c.id.in_(sorted(ids)), _d.c.state.in_(states))
        chosen = which.order_by(_d.c.id).with_for_update().cte("chosen")
        moved = update(_d).where(_d.c.seq.in_(select(chosen.c.seq))).values(**values).returning(_d)
        self._news = True
        return sorted(self._connection.execute(moved), key=lambda row: row.seq)

    # Inboxes

    def confirm(self, party: PartyId, up_to: int, now: datetime) -> int:
        """A party asks for what comes after this position, so it has all up to it. Gives what is confirmed now.

        Never goes back, and never beyond what is there.
        """
        up_to = min(up_to, self.head(party))
        statements.CONFIRM(self._connection, {"name": confirmed(party), "value": up_to, "at": now})
        return self._count(confirmed(party))

    def begin_generation(self, *, who: str, reason: str, now: datetime, **facts: Any) -> int:
        """The database stands where a backup left it. Gives the number of its generation, the log says so.

        It is the minutes since 1970, or one more than it was where that is more: a backup knows nothing of the restores that
        there were since, so counting alone would begin the same one each time that it is restored. Readers of inboxes are told
        when they ask with a position from before; what was being delivered, or waited for it, may have arrived since, so
        receivers that can be asked are asked first.
        """
        names = select(tables.counter.c.name, tables.counter.c.value).where(
            tables.counter.c.name.like("inbox/%") | tables.counter.c.name.like("same/%")
        )
        heads: dict[str, int] = {}
        kept: dict[str, int] = {}
        for row in self._all(names):
            kind, _, party = row.name.partition("/")
            (heads if kind == "inbox" else kept)[party] = row.value
        before = self._count(GENERATION) or 1
        generation = max(before + 1, int(now.timestamp()) // 60)
        for party, head in sorted(heads.items()):
            behind = party in kept and self._count(came_over(party)) < before > 1
            value = min(kept[party], head) if behind else head
            statements.SET(self._connection, {"name": same_up_to(party), "value": value, "at": now})
        statements.SET(self._connection, {"name": GENERATION, "value": generation, "at": now})
        self._connection.execute(update(_d).where(_d.c.state.in_(WAITING)).values(ask_first=True))
        k = tables.batch.c
        going = update(tables.batch).where(k.state == BatchState.RUNNING.value).values(state=BatchState.PAUSED.value)
        facts["paused_batches"] = self._connection.execute(going).rowcount  # a person decides what of them still fits
        self._note(now, RESTORED, who, None, reason=reason, generation=generation, **facts)
        return generation

    def come_over(self, party: PartyId, generation: int, now: datetime) -> None:
        """A party's reader knows of this generation: its positions count in it from now on."""
        values = {"name": came_over(party), "value": generation, "at": now}
        statements.CONFIRM(self._connection, values)

    # Dossiers

    def release(self, ma_ho_so: MaHoSo, *, who: str, reason: str, now: datetime) -> int:
        """Gives a dossier's code back, so that it can be opened anew. Its events stay on record; gives how many there are.

        Raises Conflict when no dossier of this code is open.
        """
        d = tables.dossier
        dossier = self._with_changes(list(self._all(statements.LOCK_DOSSIERS, codes=[ma_ho_so]))).get(ma_ho_so)
        if dossier is None or not dossier.changes:
            raise Conflict(f"dossier {ma_ho_so} is not on record")
        number = max(change.number for change in dossier.changes)
        kept = ("ma_ho_so", "changed_at", "released")
        values = {column.name: None for column in d.columns if column.name not in kept}
        self._connection.execute(
            update(d).where(d.c.ma_ho_so == ma_ho_so).values(**values, changed_at=now, released=number)
        )
        facts = {"ma_ho_so": ma_ho_so, "portal": dossier.portal, "agency": dossier.agency}
        events = len(dossier.changes)
        self._note(now, "dossier.released", who, None, **facts, up_to=number, events=events, reason=reason)
        return events

    def restand(
        self, stands: Dossier, differs: Mapping[str, Any], *, newest: int, who: str, reason: str, now: datetime
    ) -> bool:
        """Puts a dossier's row on record as its events make it stand; False, and nothing written, where others came meanwhile.

        ``newest``: the event up to which that was derived. The line carries the row's seal.
        """
        code = stands.ma_ho_so
        found = self._with_changes(list(self._all(statements.LOCK_DOSSIERS, codes=[code]))).get(code)
        last = max(found.changes, key=lambda change: change.number) if found is not None and found.changes else None
        if last is None or last.number != newest:
            return False
        row, d = rows.dossier_in(stands, now), tables.dossier
        self._connection.execute(update(d).where(d.c.ma_ho_so == code).values(**row))
        told = {"ma_ho_so": code, "trang_thai": stands.trang_thai, "row": row_seal("dossier", row)}
        facts = {"ma_ho_so": code, "dossier": told, "differs": dict(differs), "reason": reason}
        self._note(now, "dossier.reprojected", who, last.message, **facts)
        return True

    # For counting

    def put_milestones(self, made: Mapping[MaHoSo, Sequence[Milestone]], *, after: int, upto: int) -> bool:
        """These dossiers' rows for counting, in the place of those before; they are made up to this number of the log.

        False, and nothing written, where somebody else has made them meanwhile.
        """
        k = tables.counter.c
        statements.BEGIN_COUNTING(self._connection, [{"name": MILESTONES, "value": 0}])
        moved = update(tables.counter).where(k.name == MILESTONES, k.value == after).values(value=upto)
        if not self._connection.execute(moved).rowcount:
            return False
        m = tables.milestone
        self._connection.execute(delete(m).where(m.c.ma_ho_so.in_(sorted(made))))
        values = [
            rows.milestone_in(code, number, one) for code in sorted(made) for number, one in enumerate(made[code])
        ]
        statements.PUT_MILESTONES(self._connection, values)
        return True

    def forget_milestones(self) -> None:
        """All rows for counting are to be made anew."""
        self._connection.execute(update(tables.counter).where(tables.counter.c.name == MILESTONES).values(value=0))

    def put_hourly(self, numbers: Mapping[str, int], now: datetime) -> None:
        """The numbers of this hour, to compare with a day later."""
        for name in sorted(hourly_row(one, now) for one in numbers):
            values = {"name": name, "value": numbers[name.split("/")[1]], "at": now}
            statements.SET(self._connection, values)

    # Bodies

    def keep(self, content: bytes) -> str:
        """Keeps bytes (evidence, a signed log head) and gives their digest."""
        digest = _sha256(content)
        kept = {"bytes": self._packer.body(content), "kept": len(content), "total": len(content)}
        statements.PUT_BODIES(self._connection, [{"owner": tables.NOBODY, "digest": digest, **kept}])
        return digest

    def put_archive(self, record: ArchiveRecord) -> None:
        """A month's file is there, and proven."""
        self._connection.execute(insert(tables.archive), {**asdict(record), "rewrite": False})

    def archive_is_later(self, record: ArchiveRecord) -> None:
        """The file of a month on record is one that was written anew since: after a restore. What is to go from it still is."""
        values = {"digest": record.digest, "size": record.size, "bodies": record.bodies, "bytes": record.bytes}
        t = tables.archive
        self._connection.execute(update(t).where(t.c.name == record.name).values(**values, manifest=record.manifest))

    def archive_bodies(self, name: str, messages: Collection[str], there: Callable[[str], bool]) -> None:
        """The bytes of these messages, as far as they are in that file (``there``, by digest), are here no longer.

        What was erased meanwhile is to go out of the file.
        """
        asked = select(_b.c.owner, _b.c.digest, _b.c.kept).where(_b.c.owner.in_(messages), _b.c.archive.is_(None))
        # Locked: an erasure that has not ended yet is waited for, and one that begins now finds where the bytes are.
        locked = asked.order_by(_b.c.owner, _b.c.digest).with_for_update()
        named = [row for row in self._connection.execute(locked).all() if there(row.digest)]
        moved = [{"whose": row.owner, "which": row.digest, "archive": name} for row in named if row.kept >= 0]
        statements.ARCHIVE_BODIES(self._connection, moved)
        if len(moved) < len(named):
            self._connection.execute(update(tables.archive).where(tables.archive.c.name == name).values(rewrite=True))

    def rewrite_archive(
        self,
        name: str,
        digest: str,
        size: int,
        bodies: int,
        total: int,
        manifest: str,
        erased: Sequence[tuple[str, str]],
        span: tuple[str, str],
    ) -> None:
        """A month's file was written anew without bodies that were erased, by message and digest: it has them no longer.

        ``span``: between which the ids of the month's messages lie. What was erased after those were counted still lies in the
        file, which is to be written anew once more.
        """
        values = {"digest": digest, "size": size, "bodies": bodies, "bytes": total, "manifest": manifest}
        own = update(tables.archive).where(tables.archive.c.name == name)
        # First, which locks it: an erasure ends with this row, so what it has erased is seen below, or it comes after us.
        self._connection.execute(own.values(**values))
        for first in range(0, len(erased), _AT_ONCE):
            those = erased[first : first + _AT_ONCE]
            statements.OUT_OF_ARCHIVE(
                self._connection, [{"file": name, "whose": message, "which": one} for message, one in those]
            )
        left = exists().where(_b.c.owner.between(*span), _b.c.archive == name, _b.c.kept < 0)
        self._connection.execute(own.values(rewrite=select(left).scalar_subquery()))

    def erase(self, digests: Mapping[MessageId, Collection[str]], *, who: str, reason: str, now: datetime) -> int:
        """Erases these bodies of messages, and what was quoted of them or answered to them; gives how many bodies were there.

        Digests, codes, states, times and log lines stay, and the chain still verifies. A line for each message says which
        bodies are gone, and the new seals of rows out of which words were taken.
        """
        gone, erased, months = 0, dict[MessageId, list[str]](), set[str]()
        for message, named in sorted(digests.items()):
            those = and_(_b.c.owner == message, _b.c.digest.in_(sorted(named)))
            there = update(_b).where(those, _b.c.kept >= 0)
            gone += self._connection.execute(there.values(bytes=None, kept=-1, erased_at=now)).rowcount
            asked = select(_b.c.digest, _b.c.archive).where(those, _b.c.kept < 0).order_by(_b.c.digest)
            found = self._connection.execute(asked).all()
            erased[message] = [row.digest for row in found]
            months |= {row.archive for row in found if row.archive is not None}
        rewritten = update(tables.archive).where(tables.archive.c.name.in_(sorted(months)))
        self._connection.execute(rewritten.values(rewrite=True))
        files = self._unname_files(digests, now)
        self._connection.execute(insert(tables.counter).values(name=ERASING, value=1))  # see engine.erasable
        for message in sorted(digests):
            facts: dict[str, Any] = {"digests": sorted(erased[message]), "reason": reason}
            facts |= {"files": files[message]} if message in files else {}
            self._note(now, "message.erased", who, message, **facts, **self._take_words(message))
        self._connection.execute(delete(tables.counter).where(tables.counter.c.name == ERASING))
        return gone

    def _take_words(self, message: MessageId) -> dict[str, dict[str, str]]:
        """Takes out of a message's rows what was quoted or answered; gives the new seals of those that have one."""
        seals: dict[str, dict[str, str]] = {"verdicts": {}, "attempts": {}, "inbox": {}}
        for packed in self._all(select(_v).where(_v.c.message == message)):
            row: Any = Unpacked(packed, self._patterns.facts(self._connection, packed))
            kept: dict[str, Any] = {"problems": [_wordless(one) for one in row.problems]}
            kept["facts"] = {name: value for name, value in row.facts.items() if name != "documents"}
            if self._changed(_v, row, kept, _v.c.message == message, _v.c.number == row.number):
                seals["verdicts"][str(row.number)] = row_seal("verdict", dict(row._mapping) | kept)  # noqa: SLF001 - by column
        for row in self._all(select(_i).where(_i.c.message == message)):
            kept = {"problems": None if row.problems is None else [_wordless(one) for one in row.problems]}
            if self._changed(_i, row, kept, _i.c.party == row.party, _i.c.position == row.position):
                seals["inbox"][row.party] = row_seal("inbox", dict(row._mapping) | kept)  # noqa: SLF001 - by column
        for row in self._all(select(_d).where(_d.c.message == message)):
            self._changed(_d, row, {"problem": _wordless(row.problem)}, _d.c.seq == row.seq)
        tried = select(_a).join(_d, _d.c.id == _a.c.delivery).where(_d.c.message == message)
        for row in self._all(tried):
            kept = {"reference": None, "receipt": None, "problem": _wordless(row.problem)}
            if self._changed(_a, row, kept, _a.c.delivery == row.delivery, _a.c.number == row.number):
                name = f"{row.delivery} {row.number}"
                seals["attempts"][name] = row_seal("attempt", dict(row._mapping) | kept)  # noqa: SLF001 - by column
        return {name: found for name, found in seals.items() if found}

    def _changed(self, table: Table, row: rows.AnyRow, kept: Mapping[str, Any], *where: ColumnElement[bool]) -> bool:
        """Writes what is kept of a row, where that is less; whether it was."""
        if all(row._mapping[name] == value for name, value in kept.items()):  # noqa: SLF001 - by column
            return False
        unpacked = {"packed": None} if "packed" in table.c else {}
        self._connection.execute(update(table).where(*where).values(**kept, **unpacked))
        return True

    def forget(self, ma_ho_so: MaHoSo) -> None:
        """Takes out what parties' systems told of a dossier."""
        self._connection.execute(delete(tables.memory).where(tables.memory.c.ma_ho_so == ma_ho_so))

    # Registry, trust, catalogues

    def apply_parties(
        self, profiles: Mapping[PartyId | str, str | None], *, who: str, reason: str, now: datetime
    ) -> int:
        """A new version of the registry: these profiles, as they were written; None removes a party. Gives the version.

        Profiles that are not named stay. What does not change what is in force is not written.
        """
        return self.change_parties(lambda _current: profiles, who=who, reason=reason, now=now)

    def change_parties(
        self,
        change: Callable[[Mapping[PartyId, str | None]], Mapping[PartyId | str, str | None]],
        *,
        who: str,
        reason: str,
        now: datetime,
    ) -> int:
        """As :meth:`apply_parties`, of profiles that ``change`` makes of those in force, which nobody else changes meanwhile."""
        version = self._next(PARTIES, now)  # locked from here on: two people cannot apply at once
        current = {known.id: known.profile for known in self.parties()}
        profiles = change(current)
        news = {party: text for party, text in sorted(profiles.items()) if current.get(PartyId(party)) != text}
        values = [
            {"id": party, "version": version, "profile": text, "author": who, "reason": reason, "applied_at": now}
            for party, text in news.items()
        ]
        statements.PUT_PARTIES(self._connection, values)
        for party, text in news.items():
            digest = None if text is None else _sha256(text.encode())
            what = "party.removed" if text is None else "party.applied"
            self._note(now, what, who, None, party=party, version=version, digest=digest, reason=reason)
        return version

    def put_statuses(self, statuses: Iterable[CertificateRecord], now: datetime) -> None:
        """What was learnt about certificates. What is newer replaces what is older."""
        values = [
            {
                "fingerprint": status.fingerprint,
                "tree": status.tree,
                "status": status.status,
                "as_of": status.as_of,
                "until": status.until,
                "facts": dict(status.facts),
                "evidence": list(status.evidence),
            }
            for status in sorted(statuses, key=lambda status: (status.fingerprint, status.tree))
        ]
        if values:
            statements.PUT_STATUSES(self._connection, values)
            self._next(STATUSES, now)

    def put_catalogue(self, new: Sequence[CatalogueRow], *, who: str, now: datetime) -> None:
        """Records versions of code lists. Raises Conflict for a row that is on record already: a version never changes."""
        values = [
            {
                "danh_muc": row.danh_muc,
                "phien_ban": row.phien_ban,
                "ma": row.ma,
                "muc": dict(row.muc),
                "hieu_luc_tu": row.hieu_luc_tu,
                "hieu_luc_den": row.hieu_luc_den,
                "recorded_at": now,
            }
            for row in new
        ]
        statements.PUT_CATALOGUE(self._connection, values)
        for danh_muc, phien_ban in sorted({(row.danh_muc, row.phien_ban) for row in new}):
            listed = [row for row in values if (row["danh_muc"], row["phien_ban"]) == (danh_muc, phien_ban)]
            facts = {"danh_muc": danh_muc, "phien_ban": phien_ban, "rows": len(listed)}
            sealed = list_seal("catalogue", sorted(listed, key=lambda row: row["ma"].encode()))
            self._note(now, "catalogue.published", who, None, **facts, list=sealed)
        if values:
            self._next(CATALOGUES, now)

    def _next(self, name: str, now: datetime) -> int:
        value: int = statements.ADD(self._connection, {"name": name, "value": 1, "at": now}).scalar_one()
        return value

    # What comes last

    def acknowledge(
        self, alert: str, *, who: str, note: str, until: datetime | None, now: datetime, **facts: Any
    ) -> None:
        """A person takes a group of alerts on; the log says so. What was acknowledged before is so anew."""
        self.forget_acknowledged([alert])
        values = {"id": alert, "who": who, "note": note, "at": now, "until": until}
        self._connection.execute(insert(tables.acknowledged), values)
        told = {**facts, "until": until.isoformat() if until else None}
        self._note(now, "alert.acknowledged", who, None, alert=alert, reason=note, **told)

    def forget_acknowledged(self, alerts: Collection[str]) -> None:
        """What is over: should it come again, it is news again."""
        self._connection.execute(delete(tables.acknowledged).where(tables.acknowledged.c.id.in_(sorted(alerts))))

    def spend(self, day: datetime, amounts: Mapping[tuple[str, PartyId], int]) -> None:
        """Adds to what parties have used up of the allowances of a day; :attr:`total` has the sums after :meth:`close`."""
        self._spending = (day, amounts)

    def open_session(self, session: PortalSession, *, most: int) -> None:
        """Puts a session on record. Those that are over go, and of its account all but the ``most`` that were used last."""
        s = tables.portal_session
        mine = and_(s.c.party == session.party, s.c.account == session.account)
        self._connection.execute(delete(s).where(s.c.ends_at <= session.opened_at))
        self._connection.execute(insert(s), structs.asdict(session))
        kept = select(s.c.token_sha256).where(mine).order_by(s.c.seen_at.desc(), s.c.token_sha256).limit(most)
        self._connection.execute(delete(s).where(mine, s.c.token_sha256.not_in(kept)))

    def use_session(self, token_sha256: str, now: datetime) -> None:
        """It was used now."""
        s = tables.portal_session
        used = update(s).where(s.c.token_sha256 == token_sha256, s.c.seen_at < now).values(seen_at=now)
        self._connection.execute(used)

    # Persons

    def put_operator(self, operator: Operator) -> None:
        """Puts a person on record as they are now."""
        o = tables.operators
        values = {**asdict(operator), "roles": joined_roles(operator.roles)}
        if not self._connection.execute(update(o).where(o.c.name == operator.name).values(values)).rowcount:
            self._connection.execute(insert(o), values)

    def open_desk_session(self, session: DeskSession, *, most: int) -> None:
        """Puts a session at the console on record; those that are over go, and of its person all but the ``most`` newest."""
        s, o = tables.desk_session, tables.operators
        self._end_sessions(s.c.ends_at <= session.opened_at)
        self._connection.execute(insert(s), asdict(session))
        mine = s.c.operator == session.operator
        kept = select(s.c.token_sha256).where(mine).order_by(s.c.opened_at.desc(), s.c.token_sha256).limit(most)
        self._end_sessions(and_(mine, s.c.token_sha256.not_in(kept)))
        self._connection.execute(update(o).where(o.c.name == session.operator).values(seen_at=session.opened_at))

    def use_desk_session(self, session: DeskSession, now: datetime) -> None:
        """It was used now."""
        s, o = tables.desk_session, tables.operators
        used = update(s).where(s.c.token_sha256 == session.token_sha256, s.c.seen_at < now).values(seen_at=now)
        self._connection.execute(used)
        self._connection.execute(update(o).where(o.c.name == session.operator).values(seen_at=now))

    def end_desk_sessions(self, *, operator: str | None = None, token_sha256: str | None = None) -> None:
        """Ends a person's sessions, or one."""
        s = tables.desk_session.c
        self._end_sessions(s.operator == operator if operator is not None else s.token_sha256 == token_sha256)

    def _end_sessions(self, which: ColumnElement[bool]) -> None:
        s, p = tables.desk_session, tables.desk_plan
        over = list(self._connection.execute(select(s.c.token_sha256).where(which)).scalars())
        self._connection.execute(delete(p).where(p.c.token_sha256.in_(over)))
        self._connection.execute(delete(s).where(s.c.token_sha256.in_(over)))

    def put_desk_plan(self, plan: DeskPlan, *, most: int) -> None:
        """Keeps what was planned; of a session all but the ``most`` newest go."""
        p = tables.desk_plan
        mine = p.c.token_sha256 == plan.token_sha256
        self._connection.execute(insert(p), asdict(plan))
        kept = select(p.c.id).where(mine).order_by(p.c.made_at.desc(), p.c.id).limit(most)
        self._connection.execute(delete(p).where(mine, p.c.id.not_in(kept)))

    def take_desk_plan(self, plan: str, token_sha256: str) -> DeskPlan | None:
        """Takes a plan of this session out, so that it is carried out once; None where it is not there any more."""
        p = tables.desk_plan
        row = self._one(select(p).where(p.c.id == plan, p.c.token_sha256 == token_sha256))
        if row is None or not self._connection.execute(delete(p).where(p.c.id == plan)).rowcount:
            return None
        return DeskPlan(**row._mapping)  # noqa: SLF001 - the documented way to a row's names

    def note(self, line: LogLine, now: datetime) -> None:
        """Puts a line into the log."""
        self._lines.append(unlinked(line, now))

    def note_proven(self, mark: str, number: int, head: str, now: datetime) -> None:
        """The log (PROVEN) or the tables (COMPARED) are verified up to this signed head: the next time begins there.

        Never goes back.
        """
        k = tables.counter.c
        kept = update(tables.counter).where(k.name == mark)
        statements.FIRST_TURN(self._connection, [{"name": mark, "value": 0, "hash": "", "at": now}])
        self._connection.execute(kept.where(k.value <= number).values(value=number, hash=head, at=now))

    def note_verified(self, what: str, now: datetime) -> None:
        """A run that looked at all of this found nothing wrong."""
        name = verified_row(what)
        statements.FIRST_TURN(self._connection, [{"name": name, "value": 0, "hash": "", "at": now}])
        self._connection.execute(update(tables.counter).where(tables.counter.c.name == name).values(at=now))

    def _note(self, now: datetime, what: str, who: str, message: str | None, **facts: Any) -> None:
        line = LogLine(what=what, who=who, message=MessageId(message) if message else None, facts=facts)
        self._lines.append(unlinked(line, now))

    def close(self) -> None:
        """Gives the inbox positions and links the log: the last act before the commit. Store.begin() calls it if nobody did.

        Raises RuntimeError when a ledger was opened and not written: its ids would be owned by nobody.
        """
        if self._closed:
            return
        self._closed = True
        if self._owner or self._stubs:
            raise RuntimeError("a ledger was opened and not written")
        self._count_failures()
        self._count_spending()
        self._give_positions()
        if self._news:
            tell_news(self._connection)
        self._link_log()

    def _count_failures(self) -> None:
        for party, (reset, add, since) in sorted(self._streaks.items()):
            values = {"name": failing(party), "value": add, "at": since}
            if not add:
                self._connection.execute(statements.ANSWERED, {"which": failing(party)})
            elif reset:
                statements.SET(self._connection, values)
            else:
                statements.FAIL_ON(self._connection, values)
        self._streaks.clear()

    def _count_spending(self) -> None:
        if self._spending is None:
            return
        (day, amounts), self._spending = self._spending, None
        for (kind, party), amount in sorted(amounts.items()):
            values = {"name": spent(kind, party), "value": amount, "at": day}
            row = statements.SPEND(self._connection, values).one()
            self.total[kind, party] = row.value

    def _give_positions(self) -> None:
        by_party: dict[PartyId, list[InboxEntry]] = {}
        for entry in self._entries:
            by_party.setdefault(entry.party, []).append(entry)
        values = []
        # The row's lock is held to the commit, so positions become visible in order: a reader never steps over a late one.
        for party, entries in sorted(by_party.items()):
            values_ = {"name": feed(party), "value": len(entries), "at": entries[-1].recorded_at}
            last = statements.ADD(self._connection, values_).scalar_one()
            values += [rows.entry_in(entry, last - len(entries) + n) for n, entry in enumerate(entries, 1)]
        statements.PUT_INBOX(self._connection, values)
        self._news = self._news or bool(values)
        for row in values:  # the lines of judgements are not linked yet; they share this dict
            placed = {"position": row["position"], "row": row_seal("inbox", row)}
            self._inboxes[row["message"]][row["party"]] = placed
        self._entries.clear()

    def _link_log(self) -> None:
        if not self._lines:
            return
        kept = [line.kept or kept_facts(line, self._packer) for line in self._lines]
        self._packer.keep(partial(statements.PUT_PATTERNS, self._connection), self._lines[-1].at)
        # The upsert locks the head, whether it was there or not. On a server all others wait from here on.
        stands = statements.LOCK_LOG(self._connection, _EMPTY_LOG).one()
        number, head = stands.value, stands.hash
        values = []
        for line, facts in zip(self._lines, kept, strict=True):
            number += 1
            row = {
                "number": number,
                "at": line.at,
                "who": line.line.who,
                "what": line.line.what,
                "message": line.line.message,
            }
            try:
                head = chain.link(head, chain.LogEntry(**row, facts=line.facts), encode_sorted)
            except ValueError as error:
                raise Unstorable(str(error)) from error
            values.append({**row, "hash": head, **facts})
        statements.PUT_LOG(self._connection, values)
        statements.SET_LOG(self._connection, [{"which": LOG, "value": number, "hash": head, "at": self._lines[-1].at}])
        self._lines.clear()


def _of_batch(batch: int | None) -> dict[str, int]:
    """What the log says of an act that belongs to a batch."""
    return {} if batch is None else {"batch": batch}


def _wordless(problem: dict[str, Any] | None) -> dict[str, Any] | None:
    """A problem without what it quotes: its code, its place, and numbers."""
    if problem is None:
        return None
    numbers = {name: fact for name, fact in problem.get("facts", {}).items() if isinstance(fact, (int, float))}
    return {**problem, "facts": numbers}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
