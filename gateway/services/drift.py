"""Drift: dossiers of which a party was not told the truth yet, or believes something else, why, and whose turn it is.

It concerns the parties that do not read our messages and are told of dossiers as they stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.core.alerts import Alarm, Alert
from gateway.core.lifecycle import LifeRules
from gateway.core.model import DeliveryId, DeliveryState, MaHoSo, PartyId
from gateway.core.parties import Parties, Party, is_told
from gateway.core.problems import Problem, Stopped
from gateway.core.reconcile import TURNS, DriftCause, DriftTurn, stopped
from gateway.core.told import CONTRADICTS, Told, ToldNews, agreeing, compared
from gateway.store import Lane, Store, View

if TYPE_CHECKING:  # imported where they are used: counts and alerts need neither XML nor the network
    from connectors.base import Configured, Connector
    from connectors.http import Http
    from schemas.record import HoSoRecord

MOST = 100_000  # lanes of one party that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One dossier on which a party and our record are not at one."""

    party: PartyId
    ma_ho_so: MaHoSo
    cause: DriftCause
    since: datetime | None
    fields: Mapping[str, tuple[str | None, str | None]]  # what differs: theirs (told, or believed), and what is true
    delivery: DeliveryId | str | None = None
    code: str | None = None

    @property
    def turn(self) -> DriftTurn:
        """Who moves next."""
        return TURNS[self.cause]


def projected(parties: Parties) -> list[Party]:
    """The parties that are told of dossiers as they stand."""
    return [party for party in parties if is_told(party)]


def drifting(store: Store, parties: Parties, party: Party) -> Iterator[Drift]:
    """All drift of one party, by dossier: what is on its way first, then what is not, then what is believed otherwise."""
    with store.read() as view:
        seen: set[str] = set()
        for lane in view.lanes(party=party.id, limit=MOST):
            if lane.lane == lane.first.message:
                continue  # about no dossier
            seen.add(lane.lane)
            yield _on_its_way(view, parties, party, lane)
        for told in view.told_behind(party.id):
            if told.ma_ho_so not in seen and (one := _left_behind(view, parties, told)) is not None:
                seen.add(told.ma_ho_so)
                yield one
        for told in view.believed_otherwise(party.id):
            if told.ma_ho_so not in seen:
                yield _believed(told, _record(view, parties, told.ma_ho_so))


def drift_of_told(view: View, parties: Parties, told: Told) -> Drift | None:
    """What a party does not know rightly of one dossier of which nothing is on its way; None where it knows it all."""
    behind = _left_behind(view, parties, told)
    if behind is not None or not told.differs:
        return behind
    return _believed(told, _record(view, parties, told.ma_ho_so))


def _on_its_way(view: View, parties: Parties, party: Party, lane: Lane) -> Drift:
    told, record = view.told(party.id, lane.lane), _record(view, parties, lane.lane)
    first = lane.first
    cause = {DeliveryState.UNKNOWN: DriftCause.UNCERTAIN}.get(first.state, DriftCause.WAITING)
    cause = DriftCause.HELD if lane.held else stopped(party) or cause
    return Drift(
        party=party.id,
        ma_ho_so=MaHoSo(lane.lane),
        cause=cause,
        since=lane.since,
        fields=_fields(told.facts if told is not None else {}, record),
        delivery=first.id,
        code=first.problem.code if first.problem is not None else None,
    )


def _left_behind(view: View, parties: Parties, told: Told) -> Drift | None:
    """Nothing is on its way any more; None where what it has is the truth all the same."""
    from schemas.record import not_taken, still_owed  # noqa: PLC0415 - as above

    record = _record(view, parties, told.ma_ho_so)
    if record is None or record.whole is None:
        return None
    missing = not_taken(record, told)
    let_go = next((by for digest, by in told.refused.items() if digest in missing), None)
    if let_go is None and not still_owed(record, told):
        return None
    return Drift(
        party=told.party,
        ma_ho_so=told.ma_ho_so,
        cause=DriftCause.NOT_ADDRESSED if let_go is None else DriftCause.LET_GO,
        since=told.told_at,
        fields=_fields(told.facts, record),
        delivery=let_go or told.delivery,
    )


def _believed(told: Told, record: HoSoRecord | None) -> Drift:
    believed = told.believed or {}
    return Drift(
        party=told.party,
        ma_ho_so=told.ma_ho_so,
        cause=DriftCause.CHANGED_THERE if believed else DriftCause.MISSING_THERE,
        since=told.believed_at,
        fields=_fields(believed, record),
        delivery=told.delivery,
        code=CONTRADICTS if told.taken_at is not None else None,
    )


def _record(view: View, parties: Parties, ma_ho_so: str) -> HoSoRecord | None:
    """The dossier as it stands; None where its letters cannot be read any more."""
    from schemas.record import WORDS, record_of  # noqa: PLC0415 - as above

    try:
        return record_of(view.letters_of(ma_ho_so, lambda agency: LifeRules.of(parties.get(agency)), of=WORDS))
    except (KeyError, Stopped):
        return None


def _fields(theirs: Mapping[str, Any], record: HoSoRecord | None) -> dict[str, tuple[str | None, str | None]]:
    true = compared(record.whole) if record is not None and record.whole is not None else {}
    names = [name for name in true if not agreeing(true[name], theirs.get(name))] if theirs else list(true)
    return {name: (theirs.get(name), true.get(name)) for name in names}


# Asking


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedParty:
    """What asking a party came to."""

    answers: int = 0
    otherwise: int = 0  # of them, those that say something else than the party was told
    problem: Problem | None = None  # why asking ended early: the party cannot say now, or cannot be asked


async def ask_party(
    store: Store,
    party: Party,
    connector: Connector[Any],
    configured: Configured[Any],
    http: Http,
    now: Callable[[], datetime],
    *,
    most: int,
    pause_s: float,
) -> AskedParty:
    """Ask a party what it has of dossiers that it was told of, the longest unheard of first, and put it on record.

    Changes nothing over there. Ends at the first answer that is none: what was heard before stays.
    """
    from connectors.outcomes import Unreachable  # noqa: PLC0415 - as above

    with store.read() as view:
        listed = view.told_rows(party.id, most)
    asked = AskedParty()
    for told in listed:
        if asked.answers:
            await asyncio.sleep(pause_s)
        try:
            with store.read() as view:
                remembered = view.remembered(party.id, told.ma_ho_so)
            believed = await connector.heard(told.ma_ho_so, party, configured.settings, http, remembered)
        except Unreachable as unreachable:
            return replace(asked, problem=unreachable.problem)
        if believed is None:
            return replace(asked, problem=Problem("DLV-057", {"connector": connector.name, "what": "believes"}))
        with store.begin() as tx:
            tx.tell(party.id, told.ma_ho_so, ToldNews(believed=believed), now())
        with store.read() as view:
            heard = view.told(party.id, told.ma_ho_so)
        differs = heard is not None and heard.differs
        asked = replace(asked, answers=asked.answers + 1, otherwise=asked.otherwise + differs)
    return asked


# Alerts and figures: two small reads for each party


def drift_counts(view: View, parties: Sequence[Party]) -> dict[PartyId, int]:
    """How many dossiers each party does not know the newest of, or believes otherwise; those on their way included."""
    return {
        party.id: view.count_lanes(party=party.id) + len(view.believed_otherwise(party.id, MOST)) for party in parties
    }


def drift_alerts(store: Store, parties: Sequence[Party], now: datetime, patience: timedelta) -> Iterator[Alert]:
    """Dossiers that a party has not known the newest of for so long, or believes otherwise: one group for each party."""
    for party in parties:
        with store.read() as view:
            lanes = view.lanes(party=party.id, before=now - patience, limit=MOST)
            otherwise = view.believed_otherwise(party.id, MOST)
        for lane in lanes:
            facts = {"delivery": lane.first.id, "state": lane.first.state.value}
            yield Alert(alarm=Alarm.DRIFT, party=party.id, subject=lane.lane, since=lane.since, facts=facts)
        for told in otherwise:
            facts = {"delivery": told.delivery or "–", "state": "believed"}
            since = told.believed_at or now
            yield Alert(alarm=Alarm.DRIFT, party=party.id, subject=told.ma_ho_so, since=since, facts=facts)
