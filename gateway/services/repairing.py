"""Mending what a reconciliation found: a plan first, then what a party is owed once more, at a pace, each in the log.

What the party does not read as messages is composed anew from our record; what it reads is handed over again under its own id.
Nothing is edited, and what is not ours to mend is left to whose turn it is.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gateway.core.batches import BatchItemKind, BatchStep
from gateway.core.effects import Files, Moves
from gateway.core.lifecycle import LifeRules
from gateway.core.model import Change, Delivery, DeliveryId, DeliveryState, Dossier, MaHoSo, PartyId
from gateway.core.parties import AfterFailure, Parties, Party, Receives, is_told
from gateway.core.problems import Problem, Stopped
from gateway.core.reconcile import Disagreement, DisagreementKind, DriftCause
from gateway.core.told import Told, compared, packet_digest
from gateway.store import Store, Tx, View
from schemas.record import WORDS, HoSoRecord, record_of

TURN = "reconcile"
TURN_LASTS = timedelta(minutes=10)  # whoever dies leaves its turn to the next one after that


class RepairAct(StrEnum):
    """What mends a disagreement."""

    PROJECT = "project"  # told once more, composed from our record
    DELIVER = "deliver"  # the same messages handed over again
    REPLAY = "replay"  # a refused or dead delivery queued again
    NOTHING = "nothing"  # it mends itself, or is not ours to mend


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What would be done about one disagreement."""

    about: Disagreement
    act: RepairAct
    deliveries: tuple[Delivery, ...] = ()  # new ones, or the one to be queued again
    told: Told | None = None
    rows_kept: tuple[str, ...] = ()  # rows of progress that count as taken: they are not told again
    tells: Mapping[str, Any] = field(default_factory=dict)  # state and dates that the party will be told
    rows: int = 0  # and so many rows of progress
    why: Problem | None = None  # why nothing can be done


#: Where news are owed once more; all else mends itself, or is another's turn.
_OWED_AGAIN = frozenset(
    {DriftCause.MISSING_THERE, DriftCause.CHANGED_THERE, DriftCause.NOT_ADDRESSED, DriftCause.LET_GO}
)


def plan_repairs(
    store: Store, parties: Parties, party: Party, found: Iterable[Disagreement], has_word: Callable[[str], bool]
) -> Iterator[Repair]:
    """What would be done about each. Changes nothing. ``has_word``: whether the party's form has a word for a message type."""
    for one in found:
        with store.read() as view:
            yield _plan(view, parties, party, one, has_word)


def _plan(view: View, parties: Parties, party: Party, one: Disagreement, has_word: Callable[[str], bool]) -> Repair:
    if one.cause is DriftCause.HELD and one.delivery is not None:
        held = view.delivery(str(one.delivery))
        return Repair(about=one, act=RepairAct.REPLAY, deliveries=(held,) if held is not None else ())
    dossier = view.dossier(one.ma_ho_so) if one.cause in _OWED_AGAIN else None
    if dossier is None or not dossier.changes or party.receives is Receives.PULL:
        return Repair(about=one, act=RepairAct.NOTHING)
    if is_told(party):
        return _projected(view, parties, party, dossier, one, has_word)
    return _handed_over(view, party, dossier, one)


def _projected(
    view: View, parties: Parties, party: Party, dossier: Dossier, one: Disagreement, has_word: Callable[[str], bool]
) -> Repair:
    """A new tell: of all stages to a connector whose calls go by message type, where the party has lost the dossier."""
    try:
        record = record_of(view.letters_of(dossier.ma_ho_so, lambda a: LifeRules.of(parties.get(a)), of=WORDS))
    except Stopped:
        record = None
    lost = one.kind is DisagreementKind.MISSING_THERE
    worded = [change for change in dossier.changes if has_word(change.loai)]
    chosen = worded if lost and party.connector == "http" else worded[-1:]
    deliveries = _owed(view, party, chosen)
    if record is None or not deliveries:
        why = Problem("REC-031", {"ma_ho_so": dossier.ma_ho_so})
        return Repair(about=one, act=RepairAct.NOTHING, why=why)
    told = view.told(party.id, dossier.ma_ho_so)
    kept = _kept(record, told, lost=lost)
    return Repair(
        about=one,
        act=RepairAct.PROJECT,
        deliveries=deliveries,
        told=told,
        rows_kept=kept,
        tells=compared(record.whole or {}),
        rows=sum(packet_digest(row) not in kept for row in record.rows),
    )


def _kept(record: HoSoRecord, told: Told | None, *, lost: bool) -> tuple[str, ...]:
    """Rows that need not go again: those taken, unless the dossier is lost; the last goes where no whole packet can be made."""
    if told is None or lost:
        return ()
    last = {packet_digest(row) for row in record.rows[-1:]} if record.whole is None else set()
    return tuple(digest for digest in told.rows if digest not in last)


def _handed_over(view: View, party: Party, dossier: Dossier, one: Disagreement) -> Repair:
    """The messages that the party took: all of them where it has lost the dossier, else the last that moves it."""
    took = {d.message for d in view.deliveries(party=party.id, lane=dossier.ma_ho_so, states=[DeliveryState.DELIVERED])}
    changes = [change for change in dossier.changes if change.message in took]
    if one.kind is not DisagreementKind.MISSING_THERE:
        changes = [c for c in changes if any(isinstance(effect, Files | Moves) for effect in c.effects)][-1:]
    deliveries = _owed(view, party, changes)
    if not deliveries:
        why = Problem("REC-031", {"ma_ho_so": dossier.ma_ho_so})
        return Repair(about=one, act=RepairAct.NOTHING, why=why)
    return Repair(about=one, act=RepairAct.DELIVER, deliveries=deliveries)


def _owed(view: View, party: Party, changes: Sequence[Change]) -> tuple[Delivery, ...]:
    """New deliveries of these events' messages, as far as their bytes are kept."""
    made = []
    for change in changes:
        before = [d for d in view.deliveries(message=change.message) if d.party == party.id]
        message = view.message(change.message)
        digest = before[0].digest if before else (message.composed or message.digest) if message is not None else ""
        if not view.keeps(change.message, digest):
            continue
        made.append(
            Delivery(
                id=DeliveryId(f"{change.message}.{party.id}.{len(before) + 1}"),
                message=change.message,
                ma_thong_diep=change.ma_thong_diep,
                loai=change.loai,
                party=party.id,
                lane=change.ma_ho_so,
                digest=digest,
                blocking=party.lane.after_failure is AfterFailure.HOLD,
            )
        )
    return tuple(made)


_KEPT_OF_DELIVERY = ("id", "message", "ma_thong_diep", "loai", "party", "lane", "digest", "blocking")


def repair_steps(store: Store, planned: Iterable[Repair]) -> Iterator[BatchStep]:
    """The plan of a batch: what is to be done about each dossier, and how it stood. What cannot be mended is left out."""
    for one in planned:
        if one.act is RepairAct.NOTHING:
            continue
        about = one.about
        if one.act is RepairAct.REPLAY:
            held = one.deliveries[0]
            was: dict[str, Any] = {"state": held.state.value, "lease": held.lease}
            yield BatchStep(kind=BatchItemKind.DELIVERY, subject=held.id, party=about.party, was=was)
            continue
        with store.read() as view:
            was = _standing(view, about.party, MaHoSo(about.ma_ho_so))
        deliveries = [{name: getattr(d, name) for name in _KEPT_OF_DELIVERY} for d in one.deliveries]
        plan = {"deliveries": deliveries, "rows_kept": list(one.rows_kept)}
        yield BatchStep(kind=BatchItemKind.DOSSIER, subject=about.ma_ho_so, party=about.party, was=was, plan=plan)


def mend_dossier(
    tx: Tx, step: BatchStep, *, who: str, reason: str, now: datetime, batch: int | None = None
) -> str | None:
    """Owes a party news of a dossier once more, as it was planned. Gives how it stands where somebody else acted meanwhile;
    then nothing is done."""
    ma_ho_so = MaHoSo(step.subject)
    owed = [Delivery(**fields, due_at=now) for fields in step.plan["deliveries"]]
    if _standing(tx, step.party, ma_ho_so) != step.was or tx.lock_deliveries([one.id for one in owed]):
        return "told"
    kept = step.plan["rows_kept"]
    tx.tell_again(tx.told(step.party, ma_ho_so), owed, rows_kept=kept, who=who, reason=reason, now=now, batch=batch)
    return None


def mend_now(store: Store, step: BatchStep, *, who: str, reason: str, now: datetime) -> bool:
    """One step at once; False where somebody else changed it meanwhile, and nothing was done."""
    with store.begin() as tx:
        if step.kind is BatchItemKind.DELIVERY:
            return bool(tx.replay([step.subject], who=who, reason=reason, now=now))
        return mend_dossier(tx, step, who=who, reason=reason, now=now) is None


def _standing(view: View, party: PartyId, ma_ho_so: MaHoSo) -> dict[str, Any]:
    """What a plan about a dossier rests on: its newest event, and what the party was told and says."""
    dossier, told = view.dossier(ma_ho_so), view.told(party, ma_ho_so)
    newest = max((change.number for change in dossier.changes), default=0) if dossier is not None else 0
    known = "" if told is None else repr((told.change, told.sent, told.taken, told.rows, sorted(told.refused)))
    return {"change": newest, "told": hashlib.sha256(known.encode()).hexdigest()[:32]}


@contextmanager
def alone(store: Store, party: PartyId, now: Callable[[], datetime]) -> Iterator[Callable[[], None]]:
    """One reconciliation of a party at a time, over all nodes. Gives what goes on holding the turn, to be called on the way.

    Raises Stopped (REC-020) where somebody is at it.
    """
    token, began = secrets.randbits(52), now()
    with store.begin() as tx:
        ours = tx.take_turn(TURN, party, token, began, began + TURN_LASTS)
        other = None if ours else tx.turn(TURN, party)
    if other is not None:
        facts = {"party": party, "since": other[0], "until": other[1].isoformat()}
        raise Stopped(Problem("REC-020", facts))
    held = began

    def hold() -> None:
        nonlocal held
        at = now()
        if at - held > TURN_LASTS / 10:
            held = at
            with store.begin() as tx:
                tx.hold_turn(TURN, party, token, at + TURN_LASTS)

    try:
        yield hold
    finally:
        with store.begin() as tx:
            tx.hold_turn(TURN, party, token, now())
