"""Batches: an act over many things becomes an object with a number, carried out by `work` at a rate.

What the dry run said is what is done: the things of a plan are kept as they stood, each is done once, in one transaction with
the note that it was done, and what somebody else changed meanwhile is not touched. Any number of workers and nodes may carry on
beside each other; a batch is one worker's for a few seconds, and what was done twice would be undone by the database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from gateway.core.alerts import Alarm, Alert, commonest_facts
from gateway.core.batches import (
    Batch,
    BatchItem,
    BatchItemKind,
    BatchItemState,
    BatchKind,
    BatchState,
    BatchStep,
    person_of,
)
from gateway.core.ledger import LogLine
from gateway.core.model import Acknowledgement, Delivery, DeliveryState, Fate, MessageId, PartyId
from gateway.core.problems import Problem, ProblemOutcome, Stopped
from gateway.core.unknown import unknown
from gateway.store import Conflict, Message, Store, StoreError, Tx, View

log = logging.getLogger("lienthong.batches")

RATE = 20.0  # things a second, unless somebody says otherwise
MOST = 100_000  # things of one batch; more is done in several goes
CHUNK = 100  # deliveries and dossiers of one transaction
JUDGED = 20  # messages of one turn: each is judged anew
LEASE_S = 10.0  # a worker that dies leaves its batch to the next one after that
BURST_S = 1.0  # so much of the rate may come at once
FOLLOW_S = 2.0  # how often it is seen what became of the things put back; longer for many
FOLLOWED_PER_S = 500
PAGE = 500  # things whose deliveries are looked up in one go
HELD = (DeliveryState.REFUSED, DeliveryState.DEAD)
THROUGH = (DeliveryState.DELIVERED, DeliveryState.NOTHING)
GOING = (BatchState.WAITING, BatchState.RUNNING, BatchState.PAUSED)


def replay_steps(deliveries: Iterable[Delivery], messages: Iterable[Message] = ()) -> list[BatchStep]:
    """The plan of a replay: deliveries to be queued again, messages to be judged again."""
    again = [
        BatchStep(
            kind=BatchItemKind.MESSAGE,
            subject=message.id,
            party=message.party,
            was={"state": message.state.value, "verdicts": message.verdicts},
        )
        for message in messages
    ]
    return [*skip_steps(deliveries), *again]


def skip_steps(deliveries: Iterable[Delivery]) -> list[BatchStep]:
    """The plan of a skip."""
    return [
        BatchStep(
            kind=BatchItemKind.DELIVERY,
            subject=delivery.id,
            party=delivery.party,
            was={"state": delivery.state.value, "lease": delivery.lease},
        )
        for delivery in deliveries
    ]


def start_batch(
    store: Store,
    kind: BatchKind,
    steps: Sequence[BatchStep],
    *,
    who: str,
    reason: str,
    now: datetime,
    per_second: float = RATE,
    asked: Mapping[str, Any] | None = None,
    approve_above: int | None = None,
    source: int | None = None,
) -> Batch:
    """Puts a plan on record, to be carried out by `work`; where it is larger than ``approve_above``, after a second person's yes.

    ``asked`` says what the plan was made from, for whoever looks at the batch later. Raises Stopped (SYS-180) for an empty plan.
    """
    if not steps:
        raise Stopped(Problem("SYS-180"))
    waits = approve_above is not None and len(steps) > approve_above
    new = Batch(
        number=0,
        kind=kind,
        state=BatchState.WAITING if waits else BatchState.RUNNING,
        size=len(steps),
        per_second=per_second,
        asked=asked or {},
        reason=reason,
        started_by=who,
        started_at=now,
        source=source,
        due_at=None if waits else now,
    )
    with store.begin() as tx:
        made = tx.put_batch(new, steps)
        facts = {"kind": kind.value, "size": made.size, "state": made.state.value, "source": source}
        _note(tx, "batch.started", made, who, reason, now, **facts)
    return made


def batch_known(store: Store, number: int) -> Batch:
    """The batch of this number, with how far it has come. Raises Stopped (SYS-042)."""
    with store.read() as view:
        found = view.batch(number)
    if found is None:
        raise Stopped(unknown("batch", str(number)))
    return found


def pause_batch(store: Store, number: int, *, who: str, reason: str, now: datetime) -> Batch:
    """Nothing more of it is done until it is resumed; what was put back stays on its way. Raises Stopped (SYS-042, SYS-044)."""
    return _move(store, number, "pause", (BatchState.RUNNING,), BatchState.PAUSED, who, reason, now)


def resume_batch(store: Store, number: int, *, who: str, reason: str, now: datetime) -> Batch:
    """It goes on where it stood. Raises Stopped (SYS-042, SYS-044)."""
    return _move(store, number, "resume", (BatchState.PAUSED,), BatchState.RUNNING, who, reason, now)


def cancel_batch(store: Store, number: int, *, who: str, reason: str, now: datetime) -> Batch:
    """What has not had its turn is left as it is, for good; what was done stays done. Raises Stopped (SYS-042, SYS-044)."""
    return _move(store, number, "cancel", GOING, BatchState.CANCELLED, who, reason, now, ended_at=now)


def approve_batch(store: Store, number: int, *, who: str, reason: str, now: datetime) -> Batch:
    """A second person lets it begin. Raises Stopped: SYS-042, SYS-044, SYS-181 where that is who started it."""
    known = batch_known(store, number)
    if known.state is BatchState.WAITING and person_of(known.started_by) == person_of(who):
        raise Stopped(Problem("SYS-181", {"batch": number, "person": person_of(who)}))
    approved = {"approved_by": who, "approved_at": now}
    return _move(store, number, "approve", (BatchState.WAITING,), BatchState.RUNNING, who, reason, now, **approved)


_DONE_WORDS = {"pause": "paused", "resume": "resumed", "cancel": "cancelled", "approve": "approved"}


def _move(
    store: Store,
    number: int,
    act: str,
    among: tuple[BatchState, ...],
    to: BatchState,
    who: str,
    reason: str,
    now: datetime,
    **values: Any,
) -> Batch:
    with store.begin() as tx:
        moved = tx.move_batch(number, among, to, due_at=now, **values)
        left = tx.leave_batch_items(number, now) if moved and to is BatchState.CANCELLED else 0
        known = tx.batch(number)
        if moved and known is not None:
            _note(tx, f"batch.{_DONE_WORDS[act]}", known, who, reason, now, left=left)
    if known is None:
        raise Stopped(unknown("batch", str(number)))
    if not moved:
        allowed = [state.value for state in among]
        raise Stopped(Problem("SYS-044", {"id": f"#{number}", "state": known.state, "act": act, "allowed": allowed}))
    return known


def batch_of_failed(
    store: Store,
    number: int,
    *,
    who: str,
    reason: str,
    now: datetime,
    per_second: float | None = None,
    approve_above: int | None = None,
) -> Batch:
    """A new batch of what failed in this one and can be replayed as it stands now.

    Raises Stopped: SYS-042, SYS-182 where there is nothing of that kind.
    """
    known = batch_known(store, number)
    deliveries, messages = failed_of(store, known)
    if not deliveries and not messages:
        raise Stopped(Problem("SYS-182", {"batch": number}))
    return start_batch(
        store,
        BatchKind.REPLAY,
        replay_steps(deliveries, messages),
        who=who,
        reason=reason,
        now=now,
        per_second=per_second or known.per_second,
        asked={"failed_of": number},
        approve_above=approve_above,
        source=number,
    )


def failed_of(store: Store, batch: Batch) -> tuple[list[Delivery], list[Message]]:
    """What failed in a batch and still stands so: deliveries that are refused or dead, messages that are not accepted."""
    deliveries: list[Delivery] = []
    messages: list[Message] = []
    with store.read() as view:
        for page in _pages(view.every_batch_item(batch.number, states=[BatchItemState.FAILED])):
            ids = [one for item in page if item.step.kind is not BatchItemKind.MESSAGE for one in _deliveries_of(item)]
            deliveries += view.deliveries(ids=ids, states=HELD, limit=len(ids)) if ids else []
            judged = [view.message(i.step.subject) for i in page if i.step.kind is BatchItemKind.MESSAGE]
            messages += [one for one in judged if one is not None and one.state is not Fate.ACCEPTED]
    return deliveries, messages


def why_failed(view: View, item: BatchItem) -> Problem | None:
    """The problem of a thing that failed, with its facts where it still stands so; None where only its code is known."""
    if item.step.kind is BatchItemKind.MESSAGE:
        verdicts = view.verdicts(item.step.subject)
        problems: Iterable[Problem | None] = verdicts[-1].problems if verdicts else ()
    else:
        ids = _deliveries_of(item)
        problems = [one.problem for one in view.deliveries(ids=ids, states=HELD, limit=len(ids))]
    return next((problem for problem in problems if problem is not None and problem.code == item.code), None)


def facts_of_failed(code: str, why: Iterable[Problem | None]) -> dict[str, Any]:
    """The commonest facts of those problems that have this code."""
    return commonest_facts(problem.facts for problem in why if problem is not None and problem.code == code)


def waiting_batches(store: Store, ourselves: PartyId) -> Iterator[Alert]:
    """An alert for each batch that waits for a second person."""
    with store.read() as view:
        waiting = view.batches(states=[BatchState.WAITING])
    for one in waiting:
        facts = {"size": one.size, "kind": one.kind.value}
        yield Alert(alarm=Alarm.APPROVAL, party=ourselves, subject=str(one.number), since=one.started_at, facts=facts)


# Carried out by `work`


class Rejudge(Protocol):
    """Judges a message again; ``also`` is written in the transaction of the verdict."""

    def __call__(
        self, message: MessageId, now: datetime, also: Callable[[Tx, Sequence[Acknowledgement]], None]
    ) -> object:
        """Raises LookupError where the bytes are not here, Conflict where somebody else was quicker."""


class Mend(Protocol):
    """Owes a party news of a dossier once more; gives how it stands where somebody else acted meanwhile."""

    def __call__(self, tx: Tx, step: BatchStep, *, who: str, reason: str, now: datetime, batch: int) -> str | None:
        """In the transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchActs:
    """How things are done that other services do."""

    rejudge: Rejudge
    mend: Mend


def carry_on_batches(store: Store, acts: BatchActs, clock: Callable[[], datetime]) -> int:
    """One turn of each batch that is due: does what its rate allows, and notes what became of what was put back.

    Gives how many batches had a turn. Raises StoreError; what was done until then stays done.
    """
    now = clock()
    with store.read() as view:
        due = view.batches_due(now)
    for number in due:
        with store.begin() as tx:
            batch = tx.take_batch(number, now, LEASE_S)
        if batch is None:
            continue  # another worker has it
        try:
            _turn(store, acts, batch, clock)
        except (
            Conflict
        ) as conflict:  # paused, cancelled or another's meanwhile; what the turn had done until then is on record
            log.info("batch %s: %s", number, conflict)
            with store.begin() as tx:
                tx.release_batch(batch)
    return len(due)


def _turn(store: Store, acts: BatchActs, batch: Batch, clock: Callable[[], datetime]) -> None:
    now = clock()
    followed = batch.followed_at
    if followed is None or now - followed >= timedelta(seconds=FOLLOW_S):
        _follow(store, batch, now)
        followed = now
    acted = _act(store, acts, batch, clock) if batch.state is BatchState.RUNNING else 0
    begun = max(batch.due_at or now, now - timedelta(seconds=BURST_S))
    with store.begin() as tx:
        known = tx.batch(batch.number)
        if known is None:
            return
        planned, queued = known.count(BatchItemState.PLANNED), known.count(BatchItemState.QUEUED)
        running = known.state is BatchState.RUNNING
        due: datetime | None = None
        if running and planned:
            due = begun + timedelta(seconds=acted / known.per_second)
        elif queued:
            due = now + timedelta(seconds=max(FOLLOW_S, queued / FOLLOWED_PER_S))
        over = running and not planned and not queued
        ended = {"state": BatchState.DONE.value, "ended_at": now} if over else {}
        # whoever paused or resumed it meanwhile has said when it is looked at next
        if tx.release_batch(batch, followed_at=followed, due_at=due, **ended) and over:
            counts = {state.value: number for state, number in known.counts.items()}
            _note(tx, "batch.ended", known, "gateway", known.reason, now, **counts)


def _room(batch: Batch, now: datetime) -> int:
    begun = max(batch.due_at or now, now - timedelta(seconds=BURST_S))
    return min(CHUNK, int((now - begun).total_seconds() * batch.per_second) + 1)


def _act(store: Store, acts: BatchActs, batch: Batch, clock: Callable[[], datetime]) -> int:
    """Does the next things of the plan; gives how many had their turn."""
    now = clock()
    with store.read() as view:
        items = view.batch_items(batch.number, states=[BatchItemState.PLANNED], limit=_room(batch, now))
    at_once = [item for item in items if item.step.kind is not BatchItemKind.MESSAGE]
    if at_once:
        with store.begin() as tx:
            tx.hold_batch(batch, now, LEASE_S)
            _move_deliveries(tx, batch, [i for i in at_once if i.step.kind is BatchItemKind.DELIVERY], now)
            for item in at_once:
                if item.step.kind is BatchItemKind.DOSSIER:
                    _mend(tx, acts, batch, item, now)
    messages = [item for item in items if item.step.kind is BatchItemKind.MESSAGE][:JUDGED]
    for item in messages:
        _judge_again(store, acts, batch, item, clock())
    return len(at_once) + len(messages)


def _move_deliveries(tx: Tx, batch: Batch, items: Sequence[BatchItem], now: datetime) -> None:
    stand: dict[str, Delivery] = {one.id: one for one in tx.lock_deliveries([item.step.subject for item in items])}
    same = [item for item in items if _unchanged(item.step, stand.get(item.step.subject))]
    about: dict[str, Any] = {"who": batch.started_by, "reason": batch.reason, "now": now, "batch": batch.number}
    if batch.kind is BatchKind.SKIP:
        moved: set[str] = {tx.skip(item.step.subject, **about).id for item in same}
    else:
        moved = {one.id for one in tx.replay([item.step.subject for item in same], **about)}
    to = BatchItemState.DONE if batch.kind is BatchKind.SKIP else BatchItemState.QUEUED
    for item in items:
        if item.step.subject in moved:
            tx.settle_batch_item(item, to, now)
        else:
            found = stand.get(item.step.subject)
            tx.settle_batch_item(
                item, BatchItemState.CHANGED, now, found=found.state.value if found is not None else None
            )


def _unchanged(step: BatchStep, delivery: Delivery | None) -> bool:
    """Whether a delivery stands as it did. What fails by itself once more is no news; what was replayed and failed again is."""
    if delivery is None or delivery.state.value != step.was["state"]:
        return False
    return delivery.state not in HELD or delivery.lease == step.was["lease"]


def _mend(tx: Tx, acts: BatchActs, batch: Batch, item: BatchItem, now: datetime) -> None:
    found = acts.mend(tx, item.step, who=batch.started_by, reason=batch.reason, now=now, batch=batch.number)
    to = BatchItemState.QUEUED if found is None else BatchItemState.CHANGED
    tx.settle_batch_item(item, to, now, found=found)


def _judge_again(store: Store, acts: BatchActs, batch: Batch, item: BatchItem, now: datetime) -> None:
    """One message; what is wrong with one costs no other its turn."""
    message = MessageId(item.step.subject)
    with store.read() as view:
        known = view.message(message)
    stands = None if known is None else {"state": known.state.value, "verdicts": known.verdicts}
    if stands != item.step.was:
        _settle(store, batch, item, BatchItemState.CHANGED, now, found=known.state.value if known is not None else None)
        return

    def also(tx: Tx, answers: Sequence[Acknowledgement]) -> None:
        tx.hold_batch(batch, now, LEASE_S)
        facts = {"reason": batch.reason, "batch": batch.number}
        tx.note(LogLine(what="message.replayed", who=batch.started_by, message=message, facts=facts), now)
        (answer,) = answers
        wrong = next((p.code for p in answer.problems if p.outcome is not ProblemOutcome.NOTE), None)
        accepted = answer.fate is Fate.ACCEPTED
        tx.settle_batch_item(
            item, BatchItemState.DONE if accepted else BatchItemState.FAILED, now, code=None if accepted else wrong
        )

    try:
        acts.rejudge(message, now, also)
    except LookupError:
        _settle(store, batch, item, BatchItemState.FAILED, now, code="SYS-047")
    except StoreError:
        raise
    except Exception:  # our bug, with this message: it costs this one, and is told
        log.exception("batch %s: message %s cannot be judged again", batch.number, message)
        _settle(store, batch, item, BatchItemState.FAILED, now, code="SYS-004")


def _settle(
    store: Store,
    batch: Batch,
    item: BatchItem,
    to: BatchItemState,
    now: datetime,
    *,
    code: str | None = None,
    found: str | None = None,
) -> None:
    with store.begin() as tx:
        tx.hold_batch(batch, now, LEASE_S)
        tx.settle_batch_item(item, to, now, code=code, found=found)


def _follow(store: Store, batch: Batch, now: datetime) -> None:
    """What became of the things that were put back."""
    with store.read() as view:
        queued = list(view.every_batch_item(batch.number, states=[BatchItemState.QUEUED]))
    for page in _pages(queued):
        ids = [one for item in page for one in _deliveries_of(item)]
        with store.read() as view:
            stand: dict[str, Delivery] = {one.id: one for one in view.deliveries(ids=ids, limit=len(ids))}
        came = [(item, *_came_to([stand[d] for d in _deliveries_of(item) if d in stand])) for item in page]
        settled = [one for one in came if one[1] is not BatchItemState.QUEUED]
        if settled:
            with store.begin() as tx:
                for item, to, code, found in settled:
                    tx.settle_batch_item(item, to, now, code=code, found=found)


def _came_to(deliveries: Sequence[Delivery]) -> tuple[BatchItemState, str | None, str | None]:
    """Where the deliveries of one thing have brought it, with the code of what failed, or the state in which it was found."""
    for one in deliveries:
        if one.state in HELD:
            return BatchItemState.FAILED, one.problem.code if one.problem is not None else None, None
        if one.state is DeliveryState.SKIPPED:
            return BatchItemState.CHANGED, None, one.state.value
    through = all(one.state in THROUGH for one in deliveries)
    return (BatchItemState.DONE if through else BatchItemState.QUEUED), None, None


def _deliveries_of(item: BatchItem) -> list[str]:
    if item.step.kind is BatchItemKind.DELIVERY:
        return [item.step.subject]
    return [str(one["id"]) for one in item.step.plan.get("deliveries", ())]


def _pages(items: Iterable[BatchItem]) -> Iterator[list[BatchItem]]:
    rest = iter(items)
    while page := list(islice(rest, PAGE)):
        yield page


def _note(tx: Tx, what: str, batch: Batch, who: str, reason: str, now: datetime, **facts: Any) -> None:
    told = {name: value for name, value in facts.items() if value is not None}
    tx.note(LogLine(what=what, who=who, facts={"batch": batch.number, "reason": reason, **told}), now)
