"""The outbox: what is owed to parties that are pushed to is claimed, sent or asked about, and settled.

One worker runs :func:`work`. It never decides twice about a delivery: a try is leased, carried out by the party's
connector, and settled under the lease, so that a worker that slept through its lease changes nothing. What a try came
to decides where the delivery goes (:func:`judge`, pure); the table is in docs/en/states.md.

A party that does not answer costs nobody else anything: each party has its own room, and after five failures in a row
its lanes wait behind one probe (:class:`~gateway.core.patience.Breaker`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from connectors.base import Configured, Connector
from connectors.http import SLOWEST_FILE, HttpLine
from connectors.outcomes import (
    RECEIPT_BYTES,
    Answered,
    NothingToTell,
    NotThere,
    Parcel,
    ParcelFile,
    Receipt,
    Refused,
    Uncertain,
    Unreachable,
)
from connectors.proxying import EgressProxy
from connectors.registry import ConnectorRegistry
from connectors.table import Common
from gateway.core.answers_read import AnswersRead
from gateway.core.clocks import FOLLOWED_S
from gateway.core.ledger import LogLine
from gateway.core.lifecycle import LifeRules
from gateway.core.limits import DEFAULT_LIMITS, DocumentLimits
from gateway.core.model import Attempt, AttemptOutcome, Delivery, DeliveryState, PartyId
from gateway.core.parties import Parties, Party, RetryPolicy, Role
from gateway.core.patience import SPREAD, Breaker, Bucket, next_try
from gateway.core.problems import Lang, Problem, Stopped
from gateway.core.stored_files import BODY_CHANGED, FILE_CHANGED, StoredFile
from gateway.core.told import ToldNews
from gateway.store import Busy, NotAtHand, Queue, Store, StoreError, Tx, Unavailable, View
from gateway.store.filefolder import FileFolder
from schemas.record import WORDS

T = TypeVar("T")

log = logging.getLogger("lienthong.outbox")

UNPROVEN = "receipt.unproven"  # a line of the log, from which watch makes an alert
UNPROVEN_CODE = "DLV-029"
CHANGED_CODE = "DLV-080"
RESCUE_EVERY_S = 5.0
ENDED_US = (
    10  # tries in a row after which the process was gone; kills and restarts hit others by chance, and not as often
)
AWAY_S = 2.0  # the pause when the database is away
BREATH_S = 0.02  # between a turn and one that somebody's commit asks for: those of a busy door come as often as that
RELOOK_EVERY_S = 60.0  # how often a worker takes over what other workers know of the parties


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a worker goes. The values of the node's [work] table."""

    deliveries: int = 32  # under way at once, over all parties
    per_party: int = 4  # under way at once to one party, unless its profile says otherwise
    claim: int = 10  # leased in one go
    lease_s: float = 120.0  # longer than the longest exchange
    poll_s: float = 0.2  # when there is nothing to do and nothing is told
    first_s: float = 60.0  # the wait after a first failed try; later ones grow with its square
    grace_s: float = 20.0  # how long a stopping worker waits for what is under way


@dataclass(frozen=True, slots=True, kw_only=True)
class TryResult:
    """What one try came to."""

    kind: str  # "send" or "query"
    outcome: AttemptOutcome
    receipt: Receipt | None = None
    problem: Problem | None = None
    answer: bytes | None = None
    retry_after_s: float | None = None
    reference: str | None = None
    answered: bool = False  # whether anything at all came back
    asked: bool = True  # whether what it came to says anything of the party
    remember: Mapping[str, Any] = field(default_factory=dict)  # what the party told of the dossier
    told: ToldNews | None = None  # what it was told of it
    notes: tuple[Problem, ...] = ()  # remarks, where there is no receipt that has them


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDecision:
    """Where a delivery goes from here."""

    state: DeliveryState
    due_at: datetime | None = None
    problem: Problem | None = None


def decide(
    delivery: Delivery,
    came: TryResult,
    retry: RetryPolicy,
    now: datetime,
    *,
    first_s: float,
    receipt_later_h: float | None = None,
    patient_since: datetime | None = None,
) -> DeliveryDecision:
    """Where a try leads. ``patient_since``: the party was unreachable until then, which nobody's patience pays for."""
    match came.outcome:
        case AttemptOutcome.DELIVERED if came.receipt is not None and came.receipt.pending:
            if retry.patience <= now - (delivery.first_tried_at or now):
                return DeliveryDecision(state=DeliveryState.DEAD, problem=_given_up(delivery, Problem("DLV-028"), now))
            later = now + timedelta(hours=receipt_later_h or retry.longest_s / 3600)
            return DeliveryDecision(state=DeliveryState.UNKNOWN, due_at=later, problem=Problem("DLV-028"))
        case AttemptOutcome.DELIVERED:
            return DeliveryDecision(state=DeliveryState.DELIVERED)
        case AttemptOutcome.NOTHING:
            return DeliveryDecision(state=DeliveryState.NOTHING)
        case AttemptOutcome.REFUSED:
            return DeliveryDecision(state=DeliveryState.REFUSED, problem=came.problem)
        case AttemptOutcome.NOT_THERE:
            return DeliveryDecision(state=DeliveryState.QUEUED, due_at=now, problem=came.problem)
    # Not taken, or not known. What was uncertain before stays so: that this try failed says nothing of the earlier one.
    unsure = came.outcome is AttemptOutcome.UNCERTAIN or delivery.ask_first
    counted = delivery
    if patient_since is not None and delivery.first_tried_at is not None and delivery.first_tried_at < patient_since:
        counted = replace(delivery, first_tried_at=patient_since)
    due = next_try(counted, retry, now, first_s=first_s)
    if due is None:
        return DeliveryDecision(state=DeliveryState.DEAD, problem=_given_up(delivery, came.problem, now))
    if came.retry_after_s is not None:
        due = max(due, now + timedelta(seconds=min(came.retry_after_s, retry.longest_s)))
    return DeliveryDecision(
        state=DeliveryState.UNKNOWN if unsure else DeliveryState.QUEUED, due_at=due, problem=came.problem
    )


def _given_up(delivery: Delivery, last: Problem | None, now: datetime) -> Problem:
    hours = (now - (delivery.first_tried_at or now)).total_seconds() / 3600
    facts = {"tries": delivery.tries, "hours": f"{hours:.1f}", "last": last.code if last else "–"}
    return Problem("DLV-060", facts)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How to speak to a party."""

    party: Party
    connector: Connector[Any]
    configured: Configured[Any]


@dataclass(slots=True)
class _Way:
    """One party as the worker sees it: how to speak to it, and how it stands."""

    id: PartyId
    breaker: Breaker
    plan: _Plan | Problem  # or why it cannot be spoken to
    party: Party | None = None
    bucket: Bucket | None = None
    under_way: int = 0

    @property
    def common(self) -> Common:
        return self.plan.configured.common if isinstance(self.plan, _Plan) else Common()

    @property
    def retry(self) -> RetryPolicy:
        return self.party.retry if self.party is not None else RetryPolicy()

    @property
    def patient_since(self) -> datetime | None:
        """Until when nothing could be sent: it did not answer, or the desk had paused or locked it."""
        ends = (self.breaker.recovered_at, self.party.desk.resumed_at if self.party is not None else None)
        return max((end for end in ends if end is not None), default=None)

    def at_once(self, pace: Pace) -> int:
        return self.common.at_once or pace.per_party

    def room(self, pace: Pace, now: datetime) -> int:
        """How many more may begin now."""
        if self.party is not None and (not self.party.called or self.party.role is Role.GATEWAY):
            return 0  # locked or paused: nothing goes out, nothing ages; ourselves: answered by another service
        free = self.breaker.allows(self.at_once(pace), now) - self.under_way
        if self.bucket is not None:
            free = min(free, self.bucket.available(now))
        return max(free, 0)


@dataclass(frozen=True, slots=True)
class _Settlement:
    delivery: Delivery
    attempt: Attempt
    verdict: DeliveryDecision
    came: TryResult


Clock = Callable[[], datetime]
Doubt = Callable[[bytes, Parcel, datetime], Problem | None]  # why a receiver's BienNhan proves nothing


class _NothingKnown:
    """For a process of its own, which nobody stands in for."""

    def ended_us(self, _: str) -> bool:
        return False

    def reading(self, _: str) -> AbstractContextManager[None]:
        return nullcontext()

    def steps(self, _: str, coroutine: Coroutine[Any, Any, T]) -> Awaitable[T]:
        return coroutine


class OutboxWatch(Protocol):
    """Who keeps figures of the outbox."""

    def tried(self, delivery: Delivery, attempt: Attempt) -> None:
        """A try is over."""

    def turned(self, loop: str, every_s: float, outcome: str) -> None:
        """The loop made a turn: "done", or "database" where the database did not do it."""


class Outbox:
    """A worker's outbox. :func:`work` is its loop; a test turns it by hand."""

    def __init__(
        self,
        store: Store,
        parties: Parties | Callable[[], Parties],
        connectors: ConnectorRegistry | Mapping[str, Connector[Any]],
        clock: Clock,
        line: HttpLine,
        pace: Pace | None = None,
        doubt: Doubt | None = None,
        watch: OutboxWatch | None = None,
        files: FileFolder | None = None,
        answers: AnswersRead | None = None,
    ) -> None:
        self._files = files
        self._doubt = doubt
        self._answers = answers or _NothingKnown()
        self._watch = watch
        self._store = store
        self._parties = parties if callable(parties) else lambda: parties
        self._connectors = connectors
        self._clock = clock
        self._line = line
        self._pace = pace or Pace()
        self._ways: dict[PartyId, _Way] = {}
        self._view: Parties | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: list[_Settlement] = []  # tries that are over and not yet on record
        self._news = asyncio.Event()
        self._hinted: asyncio.TimerHandle | None = None
        self._turned = 0.0  # when the last turn began, by the loop's clock
        self._database = ThreadPoolExecutor(1, thread_name_prefix="outbox")  # so that no commit holds up the wire
        self._rescued_at: datetime | None = None
        self._looked_at: datetime | None = None

    # What a worker can be asked

    @property
    def under_way(self) -> int:
        """Deliveries being carried out now."""
        return len(self._tasks)

    # The loop's parts

    async def turn(self) -> int:
        """Put on record what is over, and begin what may begin now: one transaction for both.

        Gives how many deliveries were begun; they go on by themselves. Raises StoreError when the database did not do
        it; what is over is then kept for the next turn.
        """
        now = self._clock()
        self._turned = asyncio.get_running_loop().time()
        queues: Sequence[Queue] = ()
        if _due(self._looked_at, now, RELOOK_EVERY_S):
            queues = await self._ask(lambda view: view.queues())
            self._take_over(queues)
            await self._in_database(self._unpark)
            self._looked_at = now
        self._renew()
        if queues:  # once it is known how patient each party is
            await self._in_database(self._wake, queues, now)
        if _due(self._rescued_at, now, RESCUE_EVERY_S):
            self._rescued_at = now
            await self._in_database(self._rescue, now)
        room = {way.id: way.room(self._pace, now) for way in self._ways.values()}
        total = min(self._pace.claim, self._pace.deliveries - len(self._tasks))
        parcels = await self._round(now, room, total)
        for delivery, parcel in parcels:
            way = self._way(delivery.party)
            way.under_way += 1
            if way.bucket is not None:
                way.bucket.take(1)
            task = asyncio.create_task(self._carry(delivery, parcel, way), name=f"delivery {delivery.id}")
            self._tasks.add(task)
            task.add_done_callback(self._over)
        return len(parcels)

    async def settled(self) -> None:
        """Wait until nothing is under way, and all of it is on record."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._round(self._clock(), {}, 0)

    async def pause(self, stop: asyncio.Event, seconds: float) -> None:
        """Wait until a delivery is over, or somebody says stop, or so many seconds have passed."""
        waiting = [asyncio.ensure_future(self._news.wait()), asyncio.ensure_future(stop.wait())]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        self._news.clear()

    def hint(self) -> None:
        """There may be something due: whoever pauses goes on, though not sooner than a breath after the last turn."""
        if self._hinted is None or self._hinted.when() <= asyncio.get_running_loop().time():
            loop = asyncio.get_running_loop()
            self._hinted = loop.call_at(max(loop.time(), self._turned + BREATH_S), self._news.set)

    async def finish(self) -> None:
        """Let what is under way end, for a while; what does not is noted as uncertain."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._pace.grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._round(self._clock(), {}, 0)
        except StoreError as error:
            log.error("what was under way at the end is not on record; its leases will run out: %s", error)  # noqa: TRY400
        self._database.shutdown()

    # Parties

    def _renew(self) -> None:
        """Take over the registry's newest view: new settings are tried at once."""
        newest = self._parties()
        if newest is self._view:
            return
        self._view = newest
        for party in newest:
            way = self._way(party.id)
            before = (way.party, way.plan)
            way.party, way.plan = party, self._plan(party)
            way.bucket = Bucket(way.common.per_second) if way.common.per_second is not None else None
            if before != (way.party, way.plan):
                way.breaker.retry_now()
        for way in self._ways.values():
            if newest.get(way.id) is None:
                way.party, way.plan = None, Problem("DLV-063", {"party": way.id})

    def _way(self, party: PartyId) -> _Way:
        if party not in self._ways:
            self._ways[party] = _Way(
                party,
                Breaker(self._pace.first_s),
                Problem("DLV-063", {"party": party}),
            )
        return self._ways[party]

    def _plan(self, party: Party) -> _Plan | Problem:
        if party.connector is None:
            return Problem("DLV-053", {"party": party.id})
        try:
            connector = _named(self._connectors, party.connector)
            return _Plan(party, connector, connector.configure(party.connector_settings, where=party.id))
        except Stopped as stop:
            first = stop.problems[0]
            return Problem("DLV-058", {"party": party.id, "reason": first.message(Lang.VI), "code": first.code})

    def _take_over(self, queues: Iterable[Queue]) -> None:
        """What the database knows of failures in a row, over all workers and restarts."""
        failures = {queue.party: queue for queue in queues}
        for party in failures.keys() | self._ways.keys():
            breaker, queue = self._way(party).breaker, failures.get(party)
            if queue is not None and queue.failures > breaker.failures:
                breaker.failures, breaker.since = queue.failures, queue.failing_since
            elif breaker.is_open and (queue is None or queue.failures < breaker.failures):
                breaker.retry_now()  # another worker got an answer

    # One round with the database

    async def _round(
        self, now: datetime, room: dict[PartyId, int], total: int
    ) -> list[tuple[Delivery, Parcel | Problem]]:
        """Settle what is over, and lease at most ``total`` more."""
        batch, self._finished = self._finished, []
        try:
            return await self._in_database(self._settle_and_claim, now, batch, room, total)
        finally:
            # What could not be settled is tried again while its lease lasts; after that it is rescued by anybody.
            left = [s for s in batch if s.delivery.lease_until is None or s.delivery.lease_until > now]
            self._finished = left + self._finished

    def _settle_and_claim(
        self, now: datetime, batch: list[_Settlement], room: dict[PartyId, int], total: int
    ) -> list[tuple[Delivery, Parcel | Problem]]:
        """Empties the batch as far as it gets."""
        claimed: list[Delivery] = []
        due = self._due(now, room) if total > 0 else []
        if batch or due:
            try:
                with self._store.begin() as tx:
                    kept = [_settle(tx, settlement) for settlement in batch]
                    claimed = self._claim(tx, now, due, room, total)
            except StoreError:
                if len(batch) < 2:  # nobody else is to blame
                    raise
                self._settle_each(batch)
                return []
            for settlement, ours in zip(batch, kept, strict=True):
                _tell(settlement, ours)
            batch.clear()
        if not claimed:
            return []
        return self._parcels(claimed)

    def _parcels(self, claimed: Sequence[Delivery]) -> list[tuple[Delivery, Parcel | Problem]]:
        """What is leased, with its bytes. They are leased for good, so that none may be left with nobody who settles it."""
        try:
            with self._store.read() as view:
                return [(delivery, self._parcel_or_why(delivery, view)) for delivery in claimed]
        except StoreError as error:
            log.error("what is leased cannot be read together: %s", error)  # noqa: TRY400 - it says it all
            if isinstance(error, (Busy, Unavailable)):  # it concerns all of them
                return [(delivery, _unread(delivery, error)) for delivery in claimed]
        return [(delivery, self._parcel_alone(delivery)) for delivery in claimed]

    def _parcel_alone(self, delivery: Delivery) -> Parcel | Problem:
        """The same, read by itself: what cannot be read costs nobody else."""
        try:
            with self._store.read() as view:
                return self._parcel_or_why(delivery, view)
        except StoreError as error:
            return _unread(delivery, error)

    def _settle_each(self, batch: list[_Settlement]) -> None:
        """A transaction for each, so that a bad one harms no neighbour. Raises the last StoreError."""
        failure: StoreError | None = None
        for settlement in list(batch):
            try:
                with self._store.begin() as tx:
                    ours = _settle(tx, settlement)
            except StoreError as error:
                failure = error
                continue
            _tell(settlement, ours)
            batch.remove(settlement)
        if failure is not None:
            raise failure

    def _due(self, now: datetime, room: dict[PartyId, int]) -> list[PartyId]:
        """Those with room for whom something is due. A look that takes no lock."""
        with self._store.read() as view:
            return [party for party in view.parties_due(now) if room.get(party, 1) > 0]

    def _claim(
        self, tx: Tx, now: datetime, due: Iterable[PartyId], room: dict[PartyId, int], total: int
    ) -> list[Delivery]:
        """Lease what there is room for. Who has been waiting the longest comes first, and gets no more than its room."""
        claimed: list[Delivery] = []
        for party in due:
            if len(claimed) >= total:
                break
            claimed += tx.claim_due(party, now, min(room.get(party, 1), total - len(claimed)), self._pace.lease_s)
        return claimed if self._files is None else [self._with_time_for_files(tx, delivery) for delivery in claimed]

    def _with_time_for_files(self, tx: Tx, delivery: Delivery) -> Delivery:
        """The delivery, leased for as much longer as the files of its message may take to send."""
        size = sum(file.size for file in tx.files_of_message(delivery.message))
        if not size or delivery.lease_until is None:
            return delivery
        until = delivery.lease_until + timedelta(seconds=size / SLOWEST_FILE)
        tx.lengthen_lease(delivery, until)
        return replace(delivery, lease_until=until)

    def _parcel_or_why(self, delivery: Delivery, view: View) -> Parcel | Problem:
        """The same, where an archive that is not at hand costs the delivery that needs it and none that was leased beside it."""
        try:
            return self._parcel(delivery, view)
        except NotAtHand as error:
            return Problem(error.undelivered, error.facts)

    def _parcel(self, delivery: Delivery, view: View) -> Parcel | Problem:
        """The delivery with its bytes and what went before, or why it cannot be sent at all."""
        way = self._ways.get(delivery.party)
        plan = way.plan if way is not None else Problem("DLV-063", {"party": delivery.party})
        if isinstance(plan, Problem):
            return plan
        unclear = delivery.ask_first
        if unclear and (self._answers.ended_us(delivery.id) or _ended_us(view.attempts(delivery.id))):
            return Problem("DLV-075", {"party": delivery.party})
        body = view.body(delivery.message, delivery.digest)
        if body is None:
            return Problem("DLV-061", {"digest": delivery.digest})
        if hashlib.sha256(body).hexdigest() != delivery.digest:
            return Problem(CHANGED_CODE, {"digest": delivery.digest})
        message = view.message(delivery.message)
        parcel = Parcel(
            delivery=delivery, body=body, party=plan.party, remarks=message.codes if message is not None else ()
        )
        if self._files is not None:
            files = _files(view.files_of_message(delivery.message), self._files)
            if isinstance(files, Problem):
                return files
            parcel = replace(parcel, files=files)
        if plan.connector.remembers or parcel.files:  # what was handed over before a cut is not sent again
            attempts, before, remembered = view.before(delivery)
            parcel = replace(parcel, attempts=attempts, before=before, remembered=remembered)
        if plan.connector.projects and delivery.lane != delivery.message:
            record = view.letters(delivery, self._rules, of=WORDS)
            parcel = replace(parcel, record=record, told=view.told(delivery.party, delivery.lane))
        return parcel

    def _rules(self, agency: PartyId | None) -> LifeRules:
        return LifeRules.of(self._view.get(agency) if self._view is not None and agency is not None else None)

    def _rescue(self, now: datetime) -> None:
        """Leases of workers that died: nobody knows what became of those. What waits behind others is put aside."""
        with self._store.begin() as tx:
            tx.shorten_leases(now, now + timedelta(seconds=FOLLOWED_S))
            rescued = tx.rescue(now, Problem("DLV-026"))
            tx.park(now)
        for delivery in rescued:
            log.warning("lease of delivery %s ran out; it is uncertain now", delivery.id)

    def _wake(self, queues: Iterable[Queue], now: datetime) -> None:
        """Whatever is due later than any wait of ours ends was put there by a clock that was ahead: it is due now."""
        asleep = {
            queue.party: latest
            for queue in queues
            if queue.latest_due is not None and queue.latest_due > (latest := now + self._longest(queue.party))
        }
        if asleep:
            with self._store.begin() as tx:
                woken = sum(tx.wake(party, now, latest) for party, latest in asleep.items())
            log.warning("%d deliveries would have slept for longer than any of them waits; they go on now", woken)

    def _longest(self, party: PartyId) -> timedelta:
        """The longest that anything waits for a party, and as much more as the clocks of two nodes may be apart."""
        way = self._way(party)
        longest_s = max(way.retry.longest_s * (1 + SPREAD), (way.common.receipt_later_h or 0.0) * 3600)
        return timedelta(seconds=longest_s + FOLLOWED_S)

    def _unpark(self) -> None:
        """Whatever is parked behind nothing, by a hand in the tables or another version, goes on after a minute."""
        with self._store.read() as view:
            left = view.parked_for_nothing()
        if left:
            with self._store.begin() as tx:
                tx.unpark(left)
            log.warning("%d deliveries were put aside behind nothing; they go on now", len(left))

    # One delivery

    async def _carry(self, delivery: Delivery, parcel: Parcel | Problem, way: _Way) -> None:
        """Try once, and settle."""
        began = self._clock()
        try:
            if isinstance(parcel, Problem):
                came = _hindered(parcel)
            elif isinstance(way.plan, Problem):
                came = _hindered(way.plan)
            elif (changed := await self._changed(parcel)) is not None:
                came = _hindered(changed)
            else:
                came = await self._try(parcel, way.plan)
        except asyncio.CancelledError:
            came = TryResult(
                kind=_kind(delivery, way.plan), outcome=AttemptOutcome.UNCERTAIN, problem=Problem("DLV-026")
            )
            self._finished.append(self._settlement(delivery, came, way, began))
            raise
        finally:
            way.under_way -= 1
        self._finished.append(self._settlement(delivery, came, way, began))
        self._note(way, came, delivery)

    async def _changed(self, parcel: Parcel) -> Problem | None:
        """The problem where the bytes of a file are not those of its digest any more: nothing leaves, and the log says it."""
        if self._files is None or not parcel.files:
            return None
        digest = await asyncio.to_thread(_changed_file, parcel.files, self._files)
        if digest is None:
            return None
        problem = Problem("DLV-074", {"digest": digest})
        log.error("%s %s / %s", problem.code, problem.message(Lang.VI), problem.message(Lang.EN))
        try:
            await self._in_database(self._note_changed, digest)
        except StoreError as error:
            log.error("that is not on record: %s", error)  # noqa: TRY400 - its own sentence says it all
        return problem

    def _note_changed(self, digest: str) -> None:
        with self._store.begin() as tx:
            tx.note(LogLine(what=FILE_CHANGED, who="gateway", facts={"digest": digest}), self._clock())

    async def _try(self, parcel: Parcel, plan: _Plan) -> TryResult:
        """Ask first where an earlier try was uncertain and the party can be asked; otherwise send."""
        connector, configured = plan.connector, plan.configured
        http = self._line.http(configured.common)
        kind, about = _kind(parcel.delivery, plan), parcel.delivery.id
        try:
            longer_s = sum(file.size for file in parcel.files) / SLOWEST_FILE
            async with asyncio.timeout((self._pace.lease_s + longer_s) * 0.9):
                if kind == "query":
                    found = await self._answers.steps(about, connector.ask(parcel, configured.settings, http))
                    if isinstance(found, NotThere):
                        return TryResult(
                            kind=kind,
                            outcome=AttemptOutcome.NOT_THERE,
                            problem=Problem("DLV-040"),
                            answered=True,
                            told=found.told,
                        )
                    if found is not None:
                        return await self._believed(kind, found, parcel)
                    kind = "send"
                receipt = await self._answers.steps(about, connector.deliver(parcel, configured.settings, http))
                if isinstance(receipt, NothingToTell):
                    nothing = AttemptOutcome.NOTHING
                    return TryResult(kind=kind, outcome=nothing, told=receipt.told, notes=receipt.notes)
                return await self._believed(kind, receipt, parcel)
        except Answered as answer:
            return _came(kind, answer)
        except TimeoutError:
            facts = {"seconds": f"{self._pace.lease_s * 0.9:g}", "stage": "connector"}
            return TryResult(kind=kind, outcome=AttemptOutcome.UNCERTAIN, problem=Problem("DLV-020", facts))
        except Exception as error:  # a bug in a connector, perhaps a foreign one: it costs this try and nothing else
            log.exception("connector %s failed on delivery %s", connector.name, parcel.id)
            facts = {"connector": connector.name, "error": type(error).__name__}
            return TryResult(kind=kind, outcome=AttemptOutcome.UNCERTAIN, problem=Problem("DLV-027", facts))

    async def _believed(self, kind: str, receipt: Receipt, parcel: Parcel) -> TryResult:
        """The receipt for what it proves. One that proves nothing is noted, and is no clear answer where one is demanded."""
        if self._doubt is not None and receipt.body is not None:
            problem = await asyncio.to_thread(self._doubted, receipt.body, parcel)
            if problem is not None and receipt.demanded:
                what = Problem("DLV-023", {"what": f"BienNhan {problem.facts['reason']}"})
                return TryResult(
                    kind=kind, outcome=AttemptOutcome.UNCERTAIN, problem=what, answer=receipt.body, answered=True
                )
            if problem is not None:
                receipt = replace(receipt, notes=(problem, *receipt.notes))
        return TryResult(
            kind=kind,
            outcome=AttemptOutcome.DELIVERED,
            receipt=receipt,
            answered=True,
            remember=receipt.remember,
            told=receipt.told,
            notes=receipt.notes,
        )

    def _doubted(self, receipt: bytes, parcel: Parcel) -> Problem | None:
        assert self._doubt is not None
        with self._answers.reading(parcel.delivery.id):
            return self._doubt(receipt, parcel, self._clock())

    def _settlement(self, delivery: Delivery, came: TryResult, way: _Way, began: datetime) -> _Settlement:
        now = self._clock()
        verdict = decide(
            delivery,
            came,
            way.retry,
            now,
            first_s=self._pace.first_s,
            receipt_later_h=way.common.receipt_later_h,
            patient_since=way.patient_since,
        )
        silent = came.outcome is AttemptOutcome.UNREACHABLE and not came.answered and came.asked
        if way.breaker.is_open and silent and verdict.due_at is not None and delivery.due_at is not None:
            # The probe of a party that is not there keeps its place, so that one delivery ages and not all in turn.
            verdict = replace(verdict, due_at=min(delivery.due_at, now))
        receipt = came.receipt
        answer = receipt.body if receipt is not None else came.answer
        attempt = Attempt(
            delivery=delivery.id,
            number=0,  # the store numbers them
            kind=came.kind,
            started_at=began,
            ended_at=now,
            outcome=came.outcome,
            reference=receipt.reference if receipt is not None else came.reference,
            receipt=answer[:RECEIPT_BYTES] if answer is not None else None,
            problem=verdict.problem or next(iter(came.notes), None),
        )
        if self._watch is not None:
            self._watch.tried(delivery, attempt)
        return _Settlement(delivery, attempt, verdict, came)

    def _note(self, way: _Way, came: TryResult, delivery: Delivery) -> None:
        """What this try says of the party."""
        now = self._clock()
        for note in came.notes:
            log.warning("delivery %s: %s %s", delivery.id, note.code, note.message(Lang.EN))
        if not came.asked:
            if came.problem is not None:
                log.error("delivery %s: %s %s", delivery.id, came.problem.code, came.problem.message(Lang.EN))
            return
        if came.outcome in {AttemptOutcome.UNREACHABLE, AttemptOutcome.UNCERTAIN}:
            log.info("delivery %s to %s: %s", delivery.id, way.id, came.problem.code if came.problem else came.outcome)
            if way.breaker.failed(now, way.retry):
                problem = Problem("DLV-062", {"party": way.id, "failures": way.breaker.failures})
                log.warning("%s %s", problem.code, problem.message(Lang.EN))
        elif came.outcome is not AttemptOutcome.NOTHING and way.breaker.answered(way.at_once(self._pace), now):
            log.warning("party %s answers again", way.id)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._news.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: %s; its lease will run out", task.get_name(), type(error).__name__, exc_info=error)

    async def _in_database(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._database, function, *arguments)

    async def _ask(self, question: Callable[[View], T]) -> T:
        def asked() -> T:
            with self._store.read() as view:
                return question(view)

        return await self._in_database(asked)


async def keep_delivering(
    store: Store,
    parties: Parties | Callable[[], Parties],
    connectors: ConnectorRegistry | Mapping[str, Connector[Any]],
    stop: asyncio.Event,
    clock: Clock,
    *,
    pace: Pace | None = None,
    private_addresses: bool = False,
    doubt: Doubt | None = None,
    watch: OutboxWatch | None = None,
    limits: DocumentLimits = DEFAULT_LIMITS,
    files: FileFolder | None = None,
    answers: AnswersRead | None = None,
    proxy: EgressProxy | None = None,
) -> None:
    """Deliver until ``stop`` is set; then let what is under way end. Any number of workers may run beside each other.

    ``parties`` may be a function: a new view of the registry is taken over between two turns. ``doubt`` judges the
    receipts that receivers send; ``watch`` keeps figures; ``files`` is where the files that messages name lie;
    ``answers`` remembers which answers have ended a process; ``proxy`` is the node's way out.
    """
    pace = pace or Pace()
    async with HttpLine(private_addresses=private_addresses, limits=limits, proxy=proxy) as line:
        outbox = Outbox(store, parties, connectors, clock, line, pace, doubt, watch, files, answers)
        loop = asyncio.get_running_loop()
        news = store.news(lambda: loop.call_soon_threadsafe(outbox.hint))
        try:
            while not stop.is_set():
                try:
                    begun = await outbox.turn()
                    if watch is not None:
                        watch.turned("outbox", pace.poll_s, "done")
                except StoreError as error:
                    if watch is not None:
                        watch.turned("outbox", pace.poll_s, "database")
                    log.error("the outbox cannot reach its database; trying again: %s", error)  # noqa: TRY400 - it says it all
                    await outbox.pause(stop, max(pace.poll_s, AWAY_S))
                    continue
                if not begun:
                    await outbox.pause(stop, pace.poll_s)
        finally:
            await asyncio.to_thread(news.close)
            await outbox.finish()


def _settle(tx: Tx, settlement: _Settlement) -> bool:
    verdict, attempt, came = settlement.verdict, settlement.attempt, settlement.came
    ours = tx.settle(
        settlement.delivery,
        attempt,
        verdict.state,
        verdict.due_at,
        remember=came.remember,
        told=came.told,
        asked=came.asked,
    )
    if ours and attempt.problem is not None and attempt.problem.code == CHANGED_CODE:
        changed = {"delivery": settlement.delivery.id, "digest": settlement.delivery.digest}
        tx.note(LogLine(what=BODY_CHANGED, who="gateway", facts=changed), attempt.ended_at)
    if ours and attempt.problem is not None and attempt.problem.code == UNPROVEN_CODE:
        facts = {"delivery": settlement.delivery.id, "reason": attempt.problem.facts["reason"]}
        tx.note(LogLine(what=UNPROVEN, who=settlement.delivery.party, facts=facts), attempt.ended_at)
    return ours


def _tell(settlement: _Settlement, ours: bool) -> None:
    if not ours:
        log.warning("delivery %s was settled by somebody else meanwhile", settlement.delivery.id)


def _named(connectors: ConnectorRegistry | Mapping[str, Connector[Any]], name: str) -> Connector[Any]:
    if isinstance(connectors, ConnectorRegistry):
        return connectors.named(name)
    if name not in connectors:
        raise Stopped(Problem("DLV-056", {"connector": name, "nearest": ", ".join(sorted(connectors))}))
    return connectors[name]


def _kind(delivery: Delivery, plan: _Plan | Problem) -> str:
    """What the next try is: a question where an earlier one was uncertain and the party can be asked."""
    return "query" if delivery.ask_first and isinstance(plan, _Plan) and plan.connector.queries else "send"


def _files(found: Iterable[StoredFile], folder: FileFolder) -> tuple[ParcelFile, ...] | Problem:
    """The files of a message where they lie; the problem where one is not there any more."""
    files: list[ParcelFile] = []
    for file in found:
        path = folder.whole(file)
        if path is None:
            if file.archive is not None:
                return Problem("DLV-076", file.missing().facts)
            return Problem("DLV-074", {"digest": file.digest})
        files.append(ParcelFile(digest=file.digest, size=file.size, media_type=file.media_type, path=path))
    return tuple(files)


def _changed_file(files: Iterable[ParcelFile], folder: FileFolder) -> str | None:
    """The first file whose bytes are not those of its digest any more, or cannot be read."""
    for file in files:
        try:
            with file.path.open("rb") as stream:
                if folder.proves(stream, file.digest):
                    continue
        except OSError as error:
            log.error("file %s: %s", file.digest, error)  # noqa: TRY400 - its own sentence says it all
        return file.digest
    return None


def _ended_us(attempts: Sequence[Attempt]) -> bool:
    """Whether the last tries all ended with the process that made them: whatever it is, it will do so again."""
    last = attempts[-ENDED_US:]
    return len(last) == ENDED_US and all(one.problem is not None and one.problem.code == "DLV-026" for one in last)


_FOR_GOOD = frozenset(
    {"DLV-061", "DLV-074", "DLV-075", "DLV-076", "DLV-079", CHANGED_CODE}
)  # until a person has looked
_UNREAD = "DLV-078"


def _unread(delivery: Delivery, error: StoreError) -> Problem:
    """Nothing has left, and it is tried again: where it was only the database that was away, that is all."""
    return Problem(_UNREAD, {"digest": delivery.digest, "reason": str(error)[:200]})


def _hindered(problem: Problem) -> TryResult:
    """A delivery that did not get as far as a connector. What is wrong with a message of ours says nothing of the party."""
    outcome = AttemptOutcome.REFUSED if problem.code in _FOR_GOOD else AttemptOutcome.UNREACHABLE
    asked = problem.code not in _FOR_GOOD and problem.code != _UNREAD
    return TryResult(kind="send", outcome=outcome, problem=problem, asked=asked)


def _came(kind: str, answer: Answered) -> TryResult:
    outcome = {
        Refused: AttemptOutcome.REFUSED,
        Unreachable: AttemptOutcome.UNREACHABLE,
        Uncertain: AttemptOutcome.UNCERTAIN,
    }[next(c for c in (Refused, Unreachable, Uncertain) if isinstance(answer, c))]
    if kind == "query" and outcome is AttemptOutcome.UNCERTAIN:
        # A question leaves no doubt behind; the delivery is as uncertain as it was before.
        outcome = AttemptOutcome.UNREACHABLE
    return TryResult(
        kind=kind,
        outcome=outcome,
        problem=answer.problem,
        answer=answer.answer,
        retry_after_s=answer.retry_after_s,
        reference=answer.reference,
        answered=answer.answer is not None,
        remember=answer.remember,
        told=answer.told,
    )


def _due(last: datetime | None, now: datetime, every_s: float) -> bool:
    """Whether it is time again; also where time went back meanwhile."""
    return last is None or not 0 <= (now - last).total_seconds() < every_s
