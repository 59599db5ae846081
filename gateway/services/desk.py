"""The operator's desk: find, explain, group failures by cause, replay with a plan first, skip.

Every act says who and why. Nothing here edits a message or a verdict: a replay sends the same id and the same bytes
again, or judges kept bytes again as of their arrival, and a new verdict stands beside the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.core.model import (
    Attempt,
    Delivery,
    DeliveryId,
    DeliveryState,
    Envelope,
    Fate,
    Finding,
    InboxEntry,
    MessageId,
    PartyId,
)
from gateway.core.problems import Problem, ProblemOutcome, Stopped
from gateway.core.unknown import unknown
from gateway.store import Cause, Conflict, Lane, Message, Queue, Store, VerdictRecord, View

REPLAYABLE = (DeliveryState.REFUSED, DeliveryState.DEAD)
SKIPPABLE = (DeliveryState.QUEUED, DeliveryState.UNKNOWN, DeliveryState.REFUSED, DeliveryState.DEAD)
SHORTEST = 4  # characters of the beginning of an id
NEWEST = 5_000  # messages among which a sender's id is looked for by its beginning
MANY = 10_000  # deliveries or messages of one replay; more is done in several goes

Judge = Callable[[Envelope], Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """All that is known about one message; the bytes are asked for apart."""

    message: Message
    verdicts: Sequence[VerdictRecord]  # the last one counts
    deliveries: Sequence[Delivery]
    attempts: dict[DeliveryId, Sequence[Attempt]]
    inbox: Sequence[InboxEntry]
    has_receipt: bool
    erased_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOverview:
    """How the way out stands: lanes, queues, and failures by cause."""

    lanes: Sequence[Lane]
    queues: Sequence[Queue]
    causes: Sequence[Cause]
    more: int = 0  # lanes beyond the limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubtful:
    """Something of a plan that would not go through as things stand now, and why."""

    subject: str  # a message id of ours
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What a replay would do. Nothing has been changed by making it."""

    deliveries: Sequence[Delivery] = ()  # to be queued again, in the order in which they were recorded
    messages: Sequence[Message] = ()  # to be judged again
    delivered: Sequence[Delivery] = ()  # asked for, but the receiver has them already: they are not sent again
    waiting: Sequence[Delivery] = ()  # asked for, but on their way by themselves
    skipped: Sequence[Delivery] = ()  # asked for, but given up for good
    settled: Sequence[Message] = ()  # asked for, but accepted, with nothing left to send
    would_fail: Sequence[Doubtful] = ()  # of `messages` and `deliveries`: what would be refused or held as things stand
    untried: int = 0  # of those: how many were not judged for this plan
    behind: int = 0  # deliveries that wait in the lanes of those above and will follow them
    cut: bool = False  # there is more than one replay takes

    @property
    def count(self) -> int:
        """How many things it would touch."""
        return len(self.deliveries) + len(self.messages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a replay is asked for: ids, or a filter."""

    ids: tuple[str, ...] = ()  # of messages (ours or MaThongDiep) or of deliveries
    states: frozenset[str] = frozenset()  # refused, dead (deliveries); rejected, held (messages)
    party: PartyId | None = None  # receiver of deliveries, sender of messages
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    receiver: PartyId | None = None  # this and what follows: of messages alone, no delivery is chosen by them
    loai: str | None = None
    ma_ho_so: str | None = None
    text: str | None = None  # what a problem contains
    limit: int = MANY

    @property
    def means_messages(self) -> bool:
        """Whether it is narrowed by what is asked of messages alone."""
        return any((self.receiver, self.loai, self.ma_ho_so, self.text))


def one(store: Store, name: str) -> Message:
    """The one message that is meant by our id, a MaThongDiep, a delivery's id, or the beginning of one.

    Raises Stopped: SYS-042 when there is none, SYS-043 when several are meant. Several messages of one MaThongDiep are
    one history: the newest is given.
    """
    with store.read() as view:
        return _meant(view, name)[0]


def _meant(view: View, name: str) -> list[Message]:
    """The arrivals that are meant, the newest first; all of one id."""
    found = view.find(name) or _by_beginning(view, name)
    if not found:
        raise Stopped(unknown("message", name))
    if len({message.ma_thong_diep or message.id for message in found}) > 1:
        raise Stopped(Problem("SYS-043", {"value": name, "matches": [message.id for message in found[:5]]}))
    return found


def _by_beginning(view: View, name: str) -> list[Message]:
    """Messages whose id begins so: ours by the time that stands in it, a sender's among the newest ones."""
    if len(name) < SHORTEST:
        return []
    window = _window(name)
    if window is not None:
        since, until = window
        listed = view.messages(since=since, until=until, limit=MANY)
        found = [message for message in listed if message.id.startswith(name)]
        if found:
            return found
    newest = view.messages(limit=NEWEST)
    return [message for message in newest if (message.ma_thong_diep or "").startswith(name.lower())]


def _window(name: str) -> tuple[datetime, datetime] | None:
    """The time that the beginning of one of our ids names: yyyymmdd, or longer."""
    digits = name.partition("-")[0]
    if not digits.isascii() or not digits.isdigit() or len(digits) < len("20260131"):
        return None
    whole = digits[:14][: len(digits[:14]) // 2 * 2]  # day, hour, minute or second; half a number is the one before
    lowest, highest = whole.ljust(14, "0"), whole + "20260101235959"[len(whole) :]
    try:
        since, until = (datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC) for text in (lowest, highest))
    except ValueError:
        return None
    return since, until + timedelta(seconds=1)


def others_of(store: Store, message: Message) -> list[Message]:
    """Further arrivals that claimed the same MaThongDiep, the newest first."""
    if message.ma_thong_diep is None:
        return []
    with store.read() as view:
        return [other for other in view.find(message.ma_thong_diep) if other.id != message.id]


def everything(store: Store, message: MessageId) -> Everything:
    """All that is known about one message. Raises Stopped (SYS-042)."""
    with store.read() as view:
        known = view.message(message)
        if known is None:
            raise Stopped(unknown("message", message))
        deliveries = view.deliveries(message=message)
        return Everything(
            message=known,
            verdicts=view.verdicts(message),
            deliveries=deliveries,
            attempts={delivery.id: view.attempts(delivery.id) for delivery in deliveries},
            inbox=view.inboxed(message),
            has_receipt=known.receipt is not None,
            erased_at=view.erased_at(known.id, known.digest),
        )


def way_out(store: Store, *, held_only: bool = False, party: PartyId | None = None, limit: int = 1000) -> WorkOverview:
    """Lanes with open deliveries, the queue of each party, and what fails, by cause."""
    with store.read() as view:
        lanes = view.lanes(held_only=held_only, party=party, limit=limit)
        whole = len(lanes) if len(lanes) < limit else view.count_lanes(held_only=held_only, party=party)
        return WorkOverview(
            lanes=lanes,
            more=whole - len(lanes),
            queues=[queue for queue in view.queues() if party is None or queue.party == party],
            causes=[cause for cause in view.delivery_failures() if party is None or cause.party == party],
        )


def causes(store: Store, *, since: datetime | None = None, until: datetime | None = None) -> list[Cause]:
    """Rejected and held messages, grouped by what is wrong, who sent them and where it lies."""
    with store.read() as view:
        return view.failures(since=since, until=until)


def plan_replay(store: Store, choice: Choice, judge: Judge, *, tried: int | None = None) -> ReplayPlan:
    """What a replay would do, with a fresh judgement of everything it would touch. Changes nothing.

    ``tried``: no more than so many are judged for it, the first of them; a page does not wait for thousands.
    Raises Stopped (SYS-042, SYS-043) for an id that names nothing, or several things.
    """
    gathered = _Gathered()
    with store.read() as view:
        for name in choice.ids:
            _by_id(view, name, gathered)
        if choice.states:
            _by_filter(view, choice, gathered)
    cut = len(gathered.deliveries) + len(gathered.messages) > choice.limit
    deliveries = list(gathered.deliveries.values())[: choice.limit]
    messages = list(gathered.messages.values())[: max(0, choice.limit - len(deliveries))]
    with store.read() as view:
        behind = _behind(view, deliveries)
    touched = list(dict.fromkeys([*(d.message for d in deliveries), *(m.id for m in messages)]))
    return ReplayPlan(
        deliveries=deliveries,
        messages=messages,
        delivered=list(gathered.delivered.values()),
        waiting=list(gathered.waiting.values()),
        skipped=list(gathered.skipped.values()),
        settled=list(gathered.settled.values()),
        would_fail=_would_fail(store, touched[:tried], judge),
        untried=len(touched[tried:]) if tried is not None else 0,
        behind=behind,
        cut=cut,
    )


@dataclass(slots=True)
class _Gathered:
    deliveries: dict[DeliveryId, Delivery] = field(default_factory=dict)
    delivered: dict[DeliveryId, Delivery] = field(default_factory=dict)
    waiting: dict[DeliveryId, Delivery] = field(default_factory=dict)
    skipped: dict[DeliveryId, Delivery] = field(default_factory=dict)
    messages: dict[MessageId, Message] = field(default_factory=dict)
    settled: dict[MessageId, Message] = field(default_factory=dict)

    def take(self, deliveries: Iterable[Delivery]) -> None:
        """Each where it belongs by its state."""
        for delivery in deliveries:
            if delivery.state in REPLAYABLE:
                self.deliveries[delivery.id] = delivery
            elif delivery.state in (DeliveryState.DELIVERED, DeliveryState.NOTHING):
                self.delivered[delivery.id] = delivery
            elif delivery.state is DeliveryState.SKIPPED:
                self.skipped[delivery.id] = delivery
            else:
                self.waiting[delivery.id] = delivery


def _by_id(view: View, name: str, gathered: _Gathered) -> None:
    delivery = view.delivery(name)
    if delivery is not None:
        gathered.take([delivery])
        return
    found = _meant(view, name)
    accepted = [message for message in found if message.state is Fate.ACCEPTED]
    if not accepted:
        gathered.messages[found[0].id] = found[0]  # the newest try; older ones of the same id are history
        return
    for message in accepted:
        deliveries = view.deliveries(message=message.id)
        gathered.take(deliveries)
        if not deliveries:
            gathered.settled[message.id] = message


def _filtered(view: View, choice: Choice, among: Iterable[DeliveryState]) -> list[Delivery]:
    """The deliveries that the filter means, of these states; one more than asked for where there are more."""
    states = [state for state in among if state.value in choice.states]
    if not states or choice.means_messages:
        return []
    return view.deliveries(
        party=choice.party,
        states=states,
        code=choice.code,
        since=choice.since,
        until=choice.until,
        limit=choice.limit + 1,
    )


def _by_filter(view: View, choice: Choice, gathered: _Gathered) -> None:
    gathered.take(_filtered(view, choice, REPLAYABLE))
    for fate in (Fate.REJECTED, Fate.HELD):
        if fate.value in choice.states:
            for message in view.messages(
                state=fate,
                party=choice.party,
                code=choice.code,
                since=choice.since,
                until=choice.until,
                receiver=choice.receiver,
                loai=choice.loai,
                ma_ho_so=choice.ma_ho_so,
                text=choice.text,
                limit=choice.limit + 1,
            ):
                gathered.messages[message.id] = message


def _behind(view: View, deliveries: Collection[Delivery]) -> int:
    """How many deliveries wait for those of the plan."""
    lanes = {(delivery.party, delivery.lane) for delivery in deliveries}
    own = {delivery.id for delivery in deliveries}
    waiting = 0
    for party, lane in sorted(lanes):
        queued = view.deliveries(party=party, lane=lane, states=[DeliveryState.QUEUED])
        waiting += sum(1 for delivery in queued if delivery.id not in own)
    return waiting


def _would_fail(store: Store, messages: Iterable[MessageId], judge: Judge) -> list[Doubtful]:
    found: list[Doubtful] = []
    for message in messages:
        with store.read() as view:
            envelope = view.envelope(message)
        if envelope is None:
            found.append(Doubtful(subject=message, problems=(Problem("SYS-047", {"id": message}),)))
            continue
        problems = judge(envelope).problems
        wrong = tuple(problem for problem in problems if problem.outcome is not ProblemOutcome.NOTE)
        if wrong:
            found.append(Doubtful(subject=message, problems=wrong))
    return found


def replay_deliveries(store: Store, planned: ReplayPlan, *, who: str, reason: str, now: datetime) -> list[Delivery]:
    """Queues the plan's deliveries again. Gives those that were; what somebody else moved meanwhile is left alone."""
    if not planned.deliveries:
        return []
    with store.begin() as tx:
        return tx.replay([delivery.id for delivery in planned.deliveries], who=who, reason=reason, now=now)


def note_rechecks(store: Store, planned: ReplayPlan, *, who: str, reason: str, now: datetime) -> None:
    """Writes into the log who has these messages judged again, and why, before it happens."""
    from gateway.core.ledger import LogLine  # noqa: PLC0415 - who only looks loads no counter

    with store.begin() as tx:
        for message in planned.messages:
            tx.note(LogLine(what="message.replayed", who=who, message=message.id, facts={"reason": reason}), now)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipPlan:
    """What a skip would give up. Nothing has been changed by making it."""

    deliveries: Sequence[Delivery]
    behind: int  # deliveries that wait in the lanes of those above and will follow
    cut: bool  # there is more than one skip takes


def plan_skip(store: Store, choice: Choice) -> SkipPlan:
    """The deliveries that a skip would give up: those named, and those of the filter.

    Raises Stopped as :func:`skippable` for a name.
    """
    chosen = {known.id: known for known in (skippable(store, name) for name in choice.ids)}
    with store.read() as view:
        chosen |= {delivery.id: delivery for delivery in _filtered(view, choice, SKIPPABLE)}
        listed = list(chosen.values())[: choice.limit]
        return SkipPlan(deliveries=listed, behind=_behind(view, listed), cut=len(chosen) > choice.limit)


def skippable(store: Store, name: str) -> Delivery:
    """The delivery that a skip would give up: by its id, or by a message that has just one left to give up.

    Raises Stopped: SYS-042 no such one, SYS-043 several, SYS-044 not in this state.
    """
    with store.read() as view:
        known = view.delivery(name) or _one_left(view, name)
    if known.state not in SKIPPABLE:
        raise _not_skippable(known)
    return known


def _one_left(view: View, name: str) -> Delivery:
    """The one delivery whose id begins so, or of the message that is meant; first those that can be given up."""
    try:
        meant = _meant(view, name)
    except Stopped as stop:
        raise (stop if stop.problems[0].code == "SYS-043" else Stopped(unknown("delivery", name))) from stop
    every = [delivery for message in meant for delivery in view.deliveries(message=message.id)]
    found = [delivery for delivery in every if delivery.id.startswith(name)] or every
    found = [delivery for delivery in found if delivery.state in SKIPPABLE] or found
    if not found:
        raise Stopped(unknown("delivery", name))
    if len(found) > 1:
        raise Stopped(Problem("SYS-043", {"value": name, "matches": [delivery.id for delivery in found[:5]]}))
    return found[0]


def _not_skippable(known: Delivery) -> Stopped:
    allowed = [state.value for state in SKIPPABLE]
    return Stopped(Problem("SYS-044", {"id": known.id, "state": known.state, "act": "skip", "allowed": allowed}))


def skip(store: Store, name: str, *, who: str, reason: str, now: datetime) -> Delivery:
    """Gives one delivery up, so that its lane goes on. Raises Stopped: SYS-042 no such one, SYS-044 not now."""
    with store.read() as view:
        known = view.delivery(name)
    if known is None:
        raise Stopped(unknown("delivery", name))
    try:
        with store.begin() as tx:
            return tx.skip(name, who=who, reason=reason, now=now)
    except Conflict as error:
        with store.read() as view:
            known = view.delivery(name) or known
        raise _not_skippable(known) from error


def note_unmasking(
    store: Store, message: MessageId, *, who: str, reason: str, now: datetime, part: str = "content"
) -> None:
    """Writes into the log that somebody looked at a message's content, or at a receiver's answer to it, and why."""
    from gateway.core.ledger import LogLine  # noqa: PLC0415 - who only looks loads no counter

    with store.begin() as tx:
        tx.note(LogLine(what="message.read", who=who, message=message, facts={"reason": reason, "part": part}), now)
