"""The counter's book: one finding set against what is on record, in memory.

The store opens a Ledger (claims taken, dossiers locked), :func:`enter` decides, the store writes what was decided. Nothing here
touches the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.core import access
from gateway.core.effects import BESIDE_THE_LIFE, Acknowledges, Files, KetQua, Recalls, Transfers
from gateway.core.known_services import KnownServices
from gateway.core.lifecycle import LifeRules, follow
from gateway.core.model import (
    Acknowledgement,
    Change,
    Claim,
    Delivery,
    Dossier,
    Fate,
    Finding,
    InboxEntry,
    MaHoSo,
    MaThongDiep,
    MessageId,
    PartyId,
    ThongDiep,
)
from gateway.core.parties import Parties, Party, Role
from gateway.core.problems import Problem, ProblemOutcome, Stopped
from gateway.core.rights import Rights
from gateway.core.routing import receivers_of, route
from gateway.core.service_rules import ServiceDesk, moves_by_owner, of_history, owner_of, with_owner_as_handler
from gateway.core.values import made_often

Seal = Callable[[Finding, Fate, tuple[Problem, ...]], bytes | None]  # makes and signs a BienNhan


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What an accepted message does to deliveries that are already on record."""

    kind: str  # "acknowledge" (HS02) or "recall" (HS20)
    party: PartyId  # who says so
    ma_thong_diep_goc: MaThongDiep
    ket_qua: KetQua | None = None


@made_often(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One thing that happened, for the chained log: names, codes and digests, no personal data."""

    what: str  # "message.accepted", "message.rejected", "message.held", "delivery.replayed", …
    who: str  # a party id, "gateway", or "operator:<name>"
    message: MessageId | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@made_often(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What was decided about one finding; everything the store has to write for it."""

    finding: Finding
    ack: Acknowledgement
    owns_id: bool  # accepted and held messages own their id; a rejected one gives it back
    change: Change | None = None
    dossier: Dossier | None = None  # its new state, with the change
    deliveries: tuple[Delivery, ...] = ()
    inbox: tuple[InboxEntry, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    log: tuple[LogLine, ...] = ()


@dataclass(slots=True)
class Ledger:
    """What is on record about the ids and dossiers of one tray, and what has been entered so far."""

    claims: dict[tuple[PartyId, MaThongDiep], Claim] = field(default_factory=dict)  # ids that are owned
    by_digest: dict[tuple[PartyId, str], Claim] = field(default_factory=dict)  # the same owners, by the bytes they sent
    dossiers: dict[MaHoSo, Dossier] = field(default_factory=dict)  # locked, with all their changes
    fresh: set[tuple[PartyId, MaThongDiep]] = field(
        default_factory=set
    )  # ids this transaction took; released if nobody keeps them
    recheck: bool = False  # the findings are of messages that are on record already (held, or replayed)
    entries: list[LedgerEntry] = field(default_factory=list)

    def copy(self) -> Ledger:
        """Another one of the same, to be entered in while this one stays as it was laid out."""
        return Ledger(
            claims=dict(self.claims),
            by_digest=dict(self.by_digest),
            dossiers=dict(self.dossiers),
            fresh=set(self.fresh),
            recheck=self.recheck,
            entries=list(self.entries),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Who stands behind the counter: the registry, how each agency reads its states, who signs receipts."""

    parties: Parties
    seal: Seal
    rights: Callable[[ThongDiep], Rights]
    place: Callable[[Finding, tuple[Problem, ...]], tuple[Problem, ...]]  # gives problems their places in the document
    services: ServiceDesk = ServiceDesk()  # noqa: RUF009 - frozen
    rules: Mapping[str, Any] = field(default_factory=dict)  # what was judged by, as the log tells it: registry, schemas


def enter(finding: Finding, ledger: Ledger, counter: Counter, now: datetime) -> Acknowledgement:
    """Set one finding against what is on record, and note what has to be written. Touches nothing but the ledger."""
    envelope, sender = finding.envelope, finding.envelope.caller.party
    # Of a body that was cut, the digest may be that of its beginning alone: it is nobody's repeat.
    first = None if envelope.cut or envelope.anew else ledger.by_digest.get((sender, envelope.digest))
    if first is not None and not _own(first, finding, ledger):
        return _repeat(finding, first)
    thong_diep = finding.thong_diep
    if thong_diep is None:
        return _keep(finding, ledger, counter, now)
    other = ledger.claims.get((sender, thong_diep.ma_thong_diep))
    if other is not None and not _own(other, finding, ledger):
        if other.digest == envelope.digest:
            return _repeat(finding, other)
        facts = {"ma_thong_diep": other.ma_thong_diep, "first": other.digest, "second": envelope.digest}
        return _keep(finding, ledger, counter, now, Problem("DUP-010", facts))
    if any(p.outcome is ProblemOutcome.UNDETERMINED for p in finding.problems):
        return _hold(thong_diep, finding, ledger, counter, now)
    try:
        return _accept(thong_diep, finding, ledger, counter, now)
    except Stopped as stop:
        return _keep(finding, ledger, counter, now, *stop.problems)


def _own(claim: Claim, finding: Finding, ledger: Ledger) -> bool:
    """A message that is judged again meets its own claim."""
    return ledger.recheck and claim.message == finding.envelope.id


def _repeat(finding: Finding, first: Claim) -> Acknowledgement:
    """Same sender, same bytes: the first answer, byte for byte, whatever we would think of it today. Nothing is written."""
    return Acknowledgement(
        message=first.message,
        fate=first.fate,
        recorded_at=first.recorded_at,
        digest=finding.envelope.digest,
        ma_thong_diep=first.ma_thong_diep,
        problems=first.problems,
        receipt=first.receipt,
        repeated=True,
    )


def _accept(
    thong_diep: ThongDiep, finding: Finding, ledger: Ledger, counter: Counter, now: datetime
) -> Acknowledgement:
    envelope, parties = finding.envelope, counter.parties
    rights = counter.rights(thong_diep)
    sender, named = _authorised(thong_diep, finding, parties, rights)
    change, dossier, notes = _history(thong_diep, finding, sender, named, ledger, counter, rights, now)
    receivers = receivers_of(thong_diep, sender.id, dossier, parties)
    if not receivers and not any(p.role is Role.GATEWAY for p in named) and not _settlements(thong_diep, sender.id):
        raise Stopped(Problem("AUT-015", {"loai": thong_diep.loai}))
    deliveries, inbox = route(
        thong_diep,
        envelope,
        receivers,
        dossier,
        now,
        lane=_lane(thong_diep, sender, ledger, parties),
        notes=notes,
        digest=finding.composed,
        digests=finding.copies,
    )
    sealed = finding.receipt if notes == finding.problems else None
    ack = _ack(finding, Fate.ACCEPTED, now, notes, sealed or counter.seal(finding, Fate.ACCEPTED, notes))
    ledger.entries.append(
        LedgerEntry(
            finding=finding,
            ack=ack,
            owns_id=True,
            change=change,
            dossier=dossier,
            deliveries=tuple(deliveries),
            inbox=tuple(inbox),
            settlements=_settlements(thong_diep, sender.id),
            log=(_line("message.accepted", finding, notes, counter, receivers=[r.id for r in receivers]),),
        )
    )
    if dossier is not None:
        ledger.dossiers[dossier.ma_ho_so] = dossier
    _claimed(ledger, sender.id, thong_diep.ma_thong_diep, ack)
    return ack


def _authorised(
    thong_diep: ThongDiep, finding: Finding, parties: Parties, rights: Rights
) -> tuple[Party, tuple[Party, ...]]:
    """Sender and named receivers, as judging found them where it asked the same registry."""
    known = finding.authorised
    if isinstance(known, access.Authorised) and known.by is parties:
        return known.sender, known.receivers
    return access.authorise(thong_diep, finding.envelope.caller, parties, rights)


def _history(
    thong_diep: ThongDiep,
    finding: Finding,
    sender: Party,
    named: tuple[Party, ...],
    ledger: Ledger,
    counter: Counter,
    rights: Rights,
    now: datetime,
) -> tuple[Change | None, Dossier | None, tuple[Problem, ...]]:
    """What a message is in the life of a dossier: the change, the dossier after it, and all that is noted of the message.

    No change and no dossier where it is no event of one. Raises Stopped when its sender may not say it, or it cannot be.
    """
    ma_ho_so, effects, parties = thong_diep.content.ma_ho_so, thong_diep.effects, counter.parties
    if ma_ho_so is None:
        return None, None, finding.problems
    if not _keeps_history(thong_diep):
        access.may_name(ledger.dossiers.get(ma_ho_so), ma_ho_so, sender, named, parties, rights)
        return None, None, finding.problems
    known = counter.services.known
    dossier, allowed = _dossier(ma_ho_so, thong_diep, sender, named, ledger, parties, rights, known)
    rules = LifeRules.of(parties.get(dossier.agency))
    foreign: tuple[Problem, ...] = ()
    if dossier.changes:
        effects, foreign = moves_by_owner(thong_diep, dossier, sender, parties, counter.services)
        if not foreign:
            effects = access.may_move(dossier, thong_diep, allowed, sender, parties, rules)
    followed = follow(
        thong_diep,
        dossier,
        sender.id,
        rules,
        message=finding.envelope.id,
        now=now,
        effects=effects,
        privileged=bool({"recall-result", "step-back"} & sender.privileges),
    )
    number = followed.change.number
    found = of_history(thong_diep, number, followed.trace, sender, rules, counter.services)
    if any(problem.outcome is ProblemOutcome.FAILED for problem in found):
        raise Stopped(*found)
    found = (*followed.notes, *foreign, *found)
    notes = counter.place(finding, found) if found else ()
    return followed.change, _joined(followed.dossier, thong_diep, named, parties), (*finding.problems, *notes)


def _keeps_history(thong_diep: ThongDiep) -> bool:
    """Acknowledgements, queries and recalls are about a dossier without being events of its life."""
    return not all(isinstance(effect, BESIDE_THE_LIFE) for effect in thong_diep.effects)


def _lane(thong_diep: ThongDiep, sender: Party, ledger: Ledger, parties: Parties) -> MaHoSo | None:
    """The dossier in whose lane a message waits. One from a stranger to it waits alone: it must not hold up the others."""
    named = thong_diep.content.ma_ho_so or thong_diep.ma_ho_so
    if named is None or not (
        sender.role is Role.GATEWAY
        or access.opens(thong_diep)
        or access.involved(ledger.dossiers.get(named), named, sender, parties)
    ):
        return None
    return named


def _dossier(
    ma_ho_so: MaHoSo,
    thong_diep: ThongDiep,
    sender: Party,
    named: tuple[Party, ...],
    ledger: Ledger,
    parties: Parties,
    rights: Rights,
    known: KnownServices,
) -> tuple[Dossier, frozenset[int]]:
    """The dossier that a message is about, on record or opened by it, and the states to which it may bring that."""
    dossier = ledger.dossiers.get(ma_ho_so)
    if dossier is None or not dossier.changes:
        access.may_open(ma_ho_so, thong_diep, sender, named, parties, rights)
        return _opened(ma_ho_so, thong_diep, sender, named, dossier, parties, known), frozenset()
    allowed = access.may_say(dossier, thong_diep, sender, named, parties, rights)
    ma_tthc = next((e.ma_tthc for e in thong_diep.effects if isinstance(e, Files)), None)
    if ma_tthc is not None and dossier.ma_tthc is not None and ma_tthc[:8] != dossier.ma_tthc[:8]:
        raise Stopped(Problem("DOS-002", {"ma_ho_so": ma_ho_so, "first": dossier.ma_tthc, "second": ma_tthc}))
    return dossier, allowed


def _opened(
    ma_ho_so: MaHoSo,
    thong_diep: ThongDiep,
    sender: Party,
    named: tuple[Party, ...],
    released: Dossier | None,
    parties: Parties,
    known: KnownServices,
) -> Dossier:
    """The dossier that a message opens. The system that keeps its state by the catalogue handles it, where it is there."""
    dossier = access.parties_of_new(ma_ho_so, sender, named, released)
    ma_tthc = next((e.ma_tthc for e in thong_diep.effects if isinstance(e, Files)), None)
    return with_owner_as_handler(dossier, owner_of(dossier, ma_tthc, parties, known, thong_diep.thoi_diem_tao))


def _joined(dossier: Dossier, thong_diep: ThongDiep, named: tuple[Party, ...], parties: Parties) -> Dossier:
    """An agency that a copy is sent to, and that gets this message, may answer about the dossier from then on."""
    joined = {
        party.id
        for effect in thong_diep.effects
        if isinstance(effect, Transfers)
        and (party := parties.by_identifier(effect.don_vi_nhan)) is not None
        and party in named
    }
    return replace(dossier, others=dossier.others | (joined - {dossier.portal, dossier.agency})) if joined else dossier


def _settlements(thong_diep: ThongDiep, sender: PartyId) -> tuple[Settlement, ...]:
    found = []
    for effect in thong_diep.effects:
        if isinstance(effect, Acknowledges):
            goc = MaThongDiep(effect.ma_thong_diep_goc)
            found.append(Settlement(kind="acknowledge", party=sender, ma_thong_diep_goc=goc, ket_qua=effect.ket_qua))
        elif isinstance(effect, Recalls):
            found.append(
                Settlement(kind="recall", party=sender, ma_thong_diep_goc=MaThongDiep(effect.ma_thong_diep_goc))
            )
    return tuple(found)


def _keep(finding: Finding, ledger: Ledger, counter: Counter, now: datetime, *found: Problem) -> Acknowledgement:
    """Rejected, and recorded all the same. It gives its id back: a failed first attempt never burns the id."""
    problems = (*finding.problems, *(counter.place(finding, found) if found else ()))
    receipt = counter.seal(finding, Fate.REJECTED, problems) if found or finding.receipt is None else finding.receipt
    ack = _ack(finding, Fate.REJECTED, now, problems, receipt)
    line = _line("message.rejected", finding, problems, counter)
    ledger.entries.append(LedgerEntry(finding=finding, ack=ack, owns_id=False, log=(line,)))
    return ack


def _hold(thong_diep: ThongDiep, finding: Finding, ledger: Ledger, counter: Counter, now: datetime) -> Acknowledgement:
    """Nothing failed, something is not known yet. The message owns its id; the signed receipt follows when we know."""
    ack = _ack(finding, Fate.HELD, now, finding.problems, None)
    line = _line("message.held", finding, finding.problems, counter)
    ledger.entries.append(LedgerEntry(finding=finding, ack=ack, owns_id=True, log=(line,)))
    _claimed(ledger, finding.envelope.caller.party, thong_diep.ma_thong_diep, ack)
    return ack


def _ack(
    finding: Finding, fate: Fate, now: datetime, problems: tuple[Problem, ...], receipt: bytes | None
) -> Acknowledgement:
    return Acknowledgement(
        message=finding.envelope.id,
        fate=fate,
        recorded_at=now,
        digest=finding.envelope.digest,
        ma_thong_diep=finding.thong_diep.ma_thong_diep if finding.thong_diep else finding.ma_thong_diep,
        problems=problems,
        receipt=receipt,
    )


def _claimed(ledger: Ledger, sender: PartyId, ma_thong_diep: MaThongDiep, ack: Acknowledgement) -> None:
    claim = Claim(
        sender=sender,
        ma_thong_diep=ma_thong_diep,
        digest=ack.digest,
        message=ack.message,
        fate=ack.fate,
        receipt=ack.receipt,
        recorded_at=ack.recorded_at,
        problems=ack.problems,
    )
    ledger.claims[sender, ma_thong_diep] = claim
    ledger.by_digest[sender, ack.digest] = claim


def _line(what: str, finding: Finding, problems: tuple[Problem, ...], counter: Counter, **facts: Any) -> LogLine:
    envelope = finding.envelope
    return LogLine(
        what=what,
        who=envelope.caller.party,
        message=envelope.id,
        facts={
            "digest": envelope.digest,
            "ma_thong_diep": finding.ma_thong_diep
            or (finding.thong_diep.ma_thong_diep if finding.thong_diep else None),
            "loai": finding.loai or (finding.thong_diep.loai if finding.thong_diep else None),
            "codes": [problem.code for problem in problems],
            "basis": finding.thong_diep.basis if finding.thong_diep else None,
            **counter.rules,
            **facts,
        },
    )
