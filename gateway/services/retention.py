"""Erasing what a retention rule no longer lets us keep: the bytes of messages, and the words that others wrote of them.

Digests, codes, states, times, events, receipts that quote nothing and the log stay, and its chain still verifies. Quoted values,
receivers' answers and what parties' systems told of a dossier go. What somebody still has to get, or to be told about, is
not erased.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from gateway.core.ledger import LogLine
from gateway.core.model import DeliveryState, Dossier, Fate, MaHoSo, MessageId, PartyId
from gateway.core.parties import Parties
from gateway.core.problems import Problem, Stopped
from gateway.store import Message, Store, View

DONE = (DeliveryState.DELIVERED, DeliveryState.SKIPPED, DeliveryState.NOTHING)
PAGE = 200
IN_ONE_ACT = 200  # messages of one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """Which bytes may go. A dossier counts from its end, a rejected message from its arrival."""

    ended_before: datetime | None = None
    rejected_before: datetime | None = None
    dossiers: tuple[MaHoSo, ...] = ()  # these, ended or not: somebody's right to be forgotten, an order of a court

    def facts(self) -> dict[str, object]:
        """The rule as the log tells it."""
        return {
            "ended_before": self.ended_before.isoformat() if self.ended_before else None,
            "rejected_before": self.rejected_before.isoformat() if self.rejected_before else None,
            "dossiers": list(self.dossiers),
        }


@dataclass(slots=True)
class ErasurePlan:
    """What a rule would erase, and what it would but may not yet."""

    dossiers: list[MaHoSo] = field(default_factory=list)
    messages: dict[MessageId, tuple[str, ...]] = field(default_factory=dict)  # with the digests of what goes of each
    #: Of the bodies that are there, by message and digest, the bytes that arrived.
    bodies: dict[tuple[MessageId, str], int] = field(default_factory=dict)
    kept: list[tuple[str, str, str]] = field(default_factory=list)  # dossier or message, why, for whom

    @property
    def total_bytes(self) -> int:
        """What is freed, about: a body that was cut or composed counts as the message did."""
        return sum(self.bodies.values())


def plan_erasure(store: Store, parties: Parties, rule: RetentionRule) -> ErasurePlan:
    """What the rule would do. Reads everything that it may concern. Raises Stopped (SYS-042) for a dossier not on record."""
    found = ErasurePlan()
    with store.read() as view:
        for dossier in _dossiers(view, rule):
            messages = list(_messages(view, ma_ho_so=dossier.ma_ho_so))
            if (why := _still_needed(view, parties, messages)) is not None:
                found.kept.append((dossier.ma_ho_so, *why))
                continue
            if _add(view, found, messages):
                found.dossiers.append(dossier.ma_ho_so)
        if rule.rejected_before is not None:
            refused = list(_messages(view, state=Fate.REJECTED, until=rule.rejected_before))
            _add(view, found, refused)
    return found


def _dossiers(view: View, rule: RetentionRule) -> Iterator[Dossier]:
    for code in rule.dossiers:
        dossier = view.dossier(code)
        if dossier is None:
            raise Stopped(Problem("SYS-042", {"what": "dossier", "value": code}))
        yield dossier
    if rule.ended_before is not None:
        for dossier in view.dossiers(ended_before=rule.ended_before):
            if dossier.ma_ho_so not in rule.dossiers:
                yield dossier


def _messages(
    view: View, *, ma_ho_so: MaHoSo | None = None, state: Fate | None = None, until: datetime | None = None
) -> Iterator[Message]:
    before = None
    while True:
        batch = view.messages(ma_ho_so=ma_ho_so, state=state, until=until, before=before, limit=PAGE)
        yield from batch
        if len(batch) < PAGE:
            return
        before = batch[-1].id


def _still_needed(view: View, parties: Parties, messages: list[Message]) -> tuple[str, PartyId] | None:
    """Who still has to get or to be told something of these messages; None where nobody."""
    confirmed: dict[PartyId, int] = {}
    for message in messages:
        if message.state is Fate.HELD:
            return "held", message.party
        for delivery in view.deliveries(message=message.id):
            if delivery.state not in DONE:
                return str(delivery.state), delivery.party
        for entry in view.inboxed(message.id):
            if entry.party not in confirmed:
                confirmed[entry.party] = view.reader(entry.party).confirmed
            known = parties.get(entry.party)  # whoever was removed from the registry will not come for it
            if known is not None and known.open and entry.position > confirmed[entry.party]:
                return "unread", entry.party
    return None


def _add(view: View, found: ErasurePlan, messages: list[Message]) -> int:
    """What there is to erase of these messages and is nobody else's; of how many."""
    before = len(found.messages)
    for message in messages:
        if message.id in found.messages:
            continue
        own = _bodies_of(view, message)
        there = {
            (message.id, digest): size for digest, size in own.items() if view.erased_at(message.id, digest) is None
        }
        if there or not view.log(what="message.erased", message=message.id, limit=1):
            found.messages[message.id] = tuple(sorted(own))
            found.bodies |= there
    return len(found.messages) - before


def _bodies_of(view: View, message: Message) -> dict[str, int]:
    """The bodies that hold what a message said, by digest, and their sizes as far as they count."""
    bodies = {message.digest: message.total_bytes}
    if message.composed is not None:
        bodies[message.composed] = message.total_bytes
    bodies |= {one.digest: message.total_bytes for one in view.deliveries(message=message.id)}
    bodies |= {one.digest: message.total_bytes for one in view.inboxed(message.id)}
    # A receipt that names problems quotes what it is about; one that only says yes stays, as what was answered.
    quoting = [one.receipt for one in view.verdicts(message.id) if one.problems and one.receipt is not None]
    return bodies | dict.fromkeys(quoting, 0)


def erase(store: Store, planned: ErasurePlan, rule: RetentionRule, *, who: str, reason: str, now: datetime) -> int:
    """Carry a plan out, in the log with who and why; how many bodies went. An interruption leaves whole acts behind."""
    messages, gone = sorted(planned.messages.items()), 0
    for start in range(0, len(messages), IN_ONE_ACT):
        with store.begin() as tx:
            gone += tx.erase(dict(messages[start : start + IN_ONE_ACT]), who=who, reason=reason, now=now)
    with store.begin() as tx:
        for ma_ho_so in planned.dossiers:
            tx.forget(ma_ho_so)
        facts = {**rule.facts(), "bodies": gone, "dossiers_erased": len(planned.dossiers), "reason": reason}
        tx.note(LogLine(what="retention.applied", who=who, facts=facts), now)
    return gone
