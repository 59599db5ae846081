"""One dossier projected again: what its events make it stand at, on our record and at the parties that are told of dossiers.

Both follow from the dossier's messages, so both can be derived anew: after a profile says other rules, after a fault, or where a
party lost what it was told. Only what differs is put right; where all is equal nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from gateway.core.batches import BatchStep
from gateway.core.lifecycle import LifeRules, standing_dossier, trace
from gateway.core.model import Change, DeliveryId, Dossier, MaHoSo, PartyId
from gateway.core.parties import Parties, Party, is_told
from gateway.core.problems import Stopped
from gateway.core.reconcile import Disagreement, DisagreementKind, DriftCause
from gateway.core.unknown import unknown
from gateway.services.drift import drift_of_told
from gateway.services.repairing import Repair, RepairAct, mend_dossier, plan_repairs, repair_steps
from gateway.store import Store, View

#: What of a dossier's row follows from its events.
DERIVED: Final = ("ma_tthc", "trang_thai", "trang_thai_goc", "ngay_tiep_nhan", "ngay_hen_tra", "ngay_ket_thuc")


class Knows(StrEnum):
    """How a party that is told of dossiers stands to one of them."""

    AGREES = "agrees"  # it was told what is on record, and says nothing else
    ON_ITS_WAY = "on-its-way"  # deliveries of this dossier are still to go: they tell it
    HELD = "held"  # its lane is held: a person replays or skips what holds it
    DIFFERS = "differs"  # it is told once more
    LEFT = "left"  # it differs, and cannot be told from here


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyKnows:
    """One party, and what is done about it."""

    party: PartyId
    knows: Knows
    delivery: DeliveryId | str | None = None  # that is on its way, or holds the lane
    repair: Repair | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprojection:
    """What deriving a dossier again showed. Nothing has been changed by it."""

    stands: Dossier  # as its events make it stand
    newest: Change  # up to this one
    differs: Mapping[str, tuple[str | None, str | None]]  # of our own row: what stands there, what should
    parties: Sequence[PartyKnows]
    steps: Sequence[BatchStep]  # by which parties are told once more

    @property
    def count(self) -> int:
        """How many things are put right."""
        return bool(self.differs) + len(self.steps)

    def as_kept(self) -> dict[str, Any]:
        """The plan as JSON: carried out only where it is still just this one."""
        return {
            "ma_ho_so": self.stands.ma_ho_so,
            "newest": self.newest.number,
            "differs": {name: list(both) for name, both in self.differs.items()},
            "steps": [[str(step.party), dict(step.was), dict(step.plan)] for step in self.steps],
        }


def plan_reprojection(
    store: Store, parties: Parties, ma_ho_so: MaHoSo | str, has_word: Callable[[Party], Callable[[str], bool]]
) -> Reprojection:
    """What differs. ``has_word``: whether a party's form has a word for a message type. Raises Stopped (SYS-042)."""
    with store.read() as view:
        found = view.dossier(ma_ho_so)
        if found is None or not found.changes:
            raise Stopped(unknown("dossier", str(ma_ho_so)))
        told = [
            _knows(view, parties, party, found) for party in parties if party.id in found.parties and is_told(party)
        ]
    known: list[PartyKnows] = []
    for one, about in told:
        party = parties.get(one.party)
        if about is None or party is None:
            known.append(one)
            continue
        (repair,) = plan_repairs(store, parties, party, [about], has_word(party))
        knows = Knows.LEFT if repair.act is RepairAct.NOTHING else Knows.DIFFERS
        known.append(PartyKnows(party=one.party, knows=knows, repair=repair))
    stands = standing_dossier(found, trace(found.changes, LifeRules.of(parties.get(found.agency))))
    return Reprojection(
        stands=stands,
        newest=max(found.changes, key=lambda change: change.number),
        differs={
            name: (_said(before), _said(after))
            for name in DERIVED
            if (before := getattr(found, name)) != (after := getattr(stands, name))
        },
        parties=known,
        steps=list(repair_steps(store, [one.repair for one in known if one.repair is not None])),
    )


def _knows(view: View, parties: Parties, party: Party, dossier: Dossier) -> tuple[PartyKnows, Disagreement | None]:
    """How a party stands to a dossier, and what it does not know rightly where nothing is on its way."""
    lane = view.deliveries(party=party.id, lane=dossier.ma_ho_so)
    owed = next((one for one in lane if not one.state.is_final), None)
    if owed is not None:
        knows = Knows.HELD if owed.state.holds_lane else Knows.ON_ITS_WAY
        return PartyKnows(party=party.id, knows=knows, delivery=owed.id), None
    told = view.told(party.id, dossier.ma_ho_so)
    drift = drift_of_told(view, parties, told) if told is not None else None
    if drift is None:
        return PartyKnows(party=party.id, knows=Knows.AGREES), None
    lost = drift.cause is DriftCause.MISSING_THERE
    kind = DisagreementKind.STATE if "TrangThaiHoSo" in drift.fields else DisagreementKind.DATES
    about = Disagreement(
        party=party.id,
        ma_ho_so=dossier.ma_ho_so,
        kind=DisagreementKind.MISSING_THERE if lost else kind,
        cause=drift.cause,
        fields=drift.fields,
        delivery=drift.delivery,
        code=drift.code,
    )
    return PartyKnows(party=party.id, knows=Knows.DIFFERS), about


def _said(value: Any) -> str | None:
    return None if value is None else value.isoformat() if isinstance(value, datetime) else str(value)


class _ChangedMeanwhile(Exception):
    """Others came between the plan and the act."""


def reproject(
    store: Store, found: Reprojection, kept: Mapping[str, Any], *, who: str, reason: str, now: datetime
) -> bool:
    """Puts right what was planned, all of it or nothing; False where it is not as planned any more, and nothing is done.

    ``found`` is derived anew, ``kept`` is what a person agreed to.
    """
    if found.as_kept() != kept:
        return False
    by: dict[str, Any] = {"who": who, "reason": reason, "now": now}
    try:
        with store.begin() as tx:
            done = not found.differs or tx.restand(found.stands, found.differs, newest=found.newest.number, **by)
            if not done or any(mend_dossier(tx, step, **by) is not None for step in found.steps):
                raise _ChangedMeanwhile
    except _ChangedMeanwhile:
        return False
    return True
