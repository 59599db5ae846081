"""What a person should know before it hurts: late dossiers, held lanes, waiting events, unread inboxes, ending certificates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.core.alerts import Alarm, Alert, AlertGroup
from gateway.core.allowances import Spent, day_of, used_up
from gateway.core.allowed import NodeAllowance
from gateway.core.chain import LogEntry
from gateway.core.deadlines import Deadline, DeadlineRules, Due, hand_over_due
from gateway.core.lifecycle import LifeRules, Reading, trace
from gateway.core.milestones import MilestoneKind
from gateway.core.model import DeliveryState, MaHoSo, PartyId
from gateway.core.parties import Parties
from gateway.core.problems import Problem, Stopped
from gateway.core.stored_files import BODY_CHANGED, FILE_CHANGED
from gateway.core.unknown import unknown
from gateway.store import Store, bring_up_to_date
from gateway.store.filefolder import FILES_SUFFIX

RECEIPT_UNPROVEN = "receipt.unproven"  # a line of the log: a receiver's BienNhan proved nothing
RECENT = timedelta(days=1)
LIMITS: Mapping[MilestoneKind, Due] = {
    MilestoneKind.OPEN: Due.KET_QUA,
    MilestoneKind.HAND_OVER: Due.CHUYEN_XU_LY,
    MilestoneKind.TRANSFER: Due.CHUYEN_HO_SO,
    MilestoneKind.SUPPLEMENT: Due.BO_SUNG,
}
GATEWAY = PartyId("gateway")  # what concerns the node itself
MOST = 100_000  # held lanes and uncertain deliveries that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """One time limit that has passed, or will within the hours that were asked for."""

    ma_ho_so: MaHoSo
    agency: PartyId | None
    trang_thai: int | None
    deadline: Deadline
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each thing may last before it is an alert."""

    inbox_unread: timedelta = timedelta(hours=1)
    event_waiting: timedelta = timedelta(hours=4)
    party_failures: int = 5
    uncertain: timedelta = timedelta(minutes=15)
    allowance_used: float = 0.8  # of a day's allowance


def late(
    store: Store,
    parties: Parties,
    now: datetime,
    within: timedelta,
    rules: DeadlineRules,
    agency: PartyId | None = None,
) -> list[Late]:
    """Open time limits that have passed or will pass within a span, the longest overdue first."""
    bring_up_to_date(store, lambda party: LifeRules.of(parties.get(party)))
    found: list[Late] = []
    with store.read() as view:
        limits = view.open_limits(now + within, timedelta(hours=rules.hand_over_h), agency)
    for limit in limits:
        due = hand_over_due(limit.due, rules) if limit.mark is MilestoneKind.HAND_OVER else limit.due
        deadline = Deadline(what=LIMITS[limit.mark], due=due)
        if due <= now + within:
            found.append(
                Late(
                    ma_ho_so=limit.ma_ho_so,
                    agency=limit.agency,
                    trang_thai=limit.trang_thai,
                    deadline=deadline,
                    passed=deadline.late(now),
                )
            )
    return sorted(found, key=lambda one: (one.deadline.due, one.ma_ho_so))


def alerts(
    store: Store,
    parties: Parties,
    now: datetime,
    patience: Patience = Patience(),
    allowance: NodeAllowance = NodeAllowance(),  # noqa: B008 - frozen
) -> list[Alert]:
    """Everything that somebody should look at now, by kind."""
    bring_up_to_date(store, lambda party: LifeRules.of(parties.get(party)))
    with store.read() as view:
        recent = view.acts_of((RECEIPT_UNPROVEN, BODY_CHANGED, FILE_CHANGED), now - RECENT)
    return [
        *_allowances(store, parties, now, patience, allowance),
        *_outbox(store, now, patience),
        *_inboxes(store, parties, now, patience),
        *_waiting(store, parties, now, patience),
        *_receipts(recent[RECEIPT_UNPROVEN]),
        *_archives(store, now),
        *_changed(store, recent[BODY_CHANGED], recent[FILE_CHANGED]),
    ]


def _allowances(
    store: Store, parties: Parties, now: datetime, patience: Patience, allowance: NodeAllowance
) -> Iterator[Alert]:
    """Who will soon be told to wait until tomorrow, or has only the beginnings of its refused messages kept."""
    with store.read() as view:
        spent = view.spent([Spent.BYTES, Spent.REFUSED], day_of(now))
    for one in used_up(spent, parties, allowance):
        if one.ratio >= patience.allowance_used:
            code = "SYS-086" if one.kind is Spent.BYTES else "SYS-087"
            party = one.party.id
            problem = {"party": party, "percent": int(100 * one.ratio), "used": one.used, "allowed": one.allowed}
            facts = {"code": code, "problem": problem}
            yield Alert(alarm=Alarm.ALLOWANCE, party=party, subject=str(one.kind), since=day_of(now), facts=facts)


def _outbox(store: Store, now: datetime, patience: Patience) -> Iterator[Alert]:
    with store.read() as view:
        lanes, queues = view.lanes(held_only=True, limit=MOST), view.queues()
        unclear = view.uncertain(limit=MOST)
    for lane in lanes:
        facts = {
            "delivery": lane.first.id,
            "code": lane.first.problem.code if lane.first.problem else None,
            "waiting": lane.open - 1,
            "problem": dict(lane.first.problem.facts) if lane.first.problem else {},
        }
        yield Alert(alarm=Alarm.LANE_HELD, party=lane.party, subject=lane.lane, since=lane.since, facts=facts)
    for delivery in unclear:
        since = delivery.first_tried_at or now
        if now - since > patience.uncertain:
            facts = {"delivery": delivery.id, "tries": delivery.tries}
            yield Alert(alarm=Alarm.UNCERTAIN, party=delivery.party, subject=delivery.lane, since=since, facts=facts)
    for queue in queues:
        if queue.failures >= patience.party_failures and queue.failing_since is not None:
            facts = {"failures": queue.failures}
            yield Alert(
                alarm=Alarm.PARTY_SILENT, party=queue.party, subject=queue.party, since=queue.failing_since, facts=facts
            )


def _inboxes(store: Store, parties: Parties, now: datetime, patience: Patience) -> Iterator[Alert]:
    for party in parties:
        with store.read() as view:
            reader = view.reader(party.id)
            first = view.inbox_after(party.id, reader.confirmed, 1)
        if first and now - first[0].recorded_at > patience.inbox_unread:
            facts = {"confirmed": reader.confirmed, "head": reader.head}
            yield Alert(
                alarm=Alarm.INBOX_UNREAD, party=party.id, subject=party.id, since=first[0].recorded_at, facts=facts
            )


def _receipts(lines: Sequence[LogEntry]) -> Iterator[Alert]:
    """Whose receipts proved nothing within the last day: it ends by itself when they are mended."""
    for party in dict.fromkeys(line.who for line in lines):
        own = [line for line in lines if line.who == party]
        facts = {"receipts": len(own), "reason": own[-1].facts["reason"], "delivery": own[-1].facts["delivery"]}
        yield Alert(alarm=Alarm.RECEIPT_UNPROVEN, party=PartyId(party), subject=party, since=own[0].at, facts=facts)


def _archives(store: Store, now: datetime) -> Iterator[Alert]:
    """Archives whose files are not there or not as long as they were, and those in which something erased still lies."""
    with store.read() as view:
        records, pending = view.archives(), view.archives_to_rewrite()
        of_files, files_pending = view.file_archives(), view.file_archives_to_rewrite()
    found = [(one.name, store.archives.ailing(one) or ("erased" if one.name in pending else None)) for one in records]
    for files in of_files:
        ailing = store.archives.ailing_files(files) or ("erased" if files.name in files_pending else None)
        found.append((f"{files.name}{FILES_SUFFIX}", ailing))
    for name, reason in found:
        if reason is not None:
            facts = {"code": "SYS-197", "problem": {"archive": name, "reason": reason}}
            yield Alert(alarm=Alarm.ARCHIVE_BROKEN, party=GATEWAY, subject=name, since=now, facts=facts)


def _changed(store: Store, of_bodies: Sequence[LogEntry], of_files: Sequence[LogEntry]) -> Iterator[Alert]:
    """What was found changed within the last day: bytes on record, for which deliveries stopped, and files on the disk.

    As far as no delivery goes on, and nobody has brought the file again since.
    """
    with store.read() as view:
        bodies = {str(line.facts["delivery"]): line for line in of_bodies}
        for name, line in bodies.items():
            delivery = view.delivery(name)
            if delivery is not None and delivery.state is DeliveryState.REFUSED:
                facts = {"code": "DLV-080", "problem": {"digest": delivery.digest}}
                yield Alert(
                    alarm=Alarm.BODY_CHANGED, party=GATEWAY, subject=delivery.message, since=line.at, facts=facts
                )
        files = {str(line.facts["digest"]): line for line in of_files}
        for digest, line in files.items():
            file = view.file(digest)
            if file is not None and file.kept and file.arrived_at <= line.at:
                facts = {"code": "FIL-016", "problem": {"digest": digest}}
                yield Alert(alarm=Alarm.FILE_CHANGED, party=GATEWAY, subject=digest, since=line.at, facts=facts)


def _waiting(store: Store, parties: Parties, now: datetime, patience: Patience) -> Iterator[Alert]:
    with store.read() as view:
        held, told = view.held(now, MOST), dict[tuple[PartyId, str], dict[str, object]]()
        for message in held:
            # what is said of the group is said of one of them: each would be a verdict to read
            cause = message.party, message.codes[0] if message.codes else ""
            if cause not in told:
                problems = view.verdicts(message.id)[-1].problems
                told[cause] = next((dict(one.facts) for one in problems if one.code == cause[1]), {})
            yield Alert(
                alarm=Alarm.MESSAGE_HELD,
                party=message.party,
                subject=message.id,
                since=message.received_at,
                facts={"codes": list(message.codes), "problem": told[cause]},
            )
        waiting = view.with_waiting_events(now - patience.event_waiting, MOST)
        for dossier in view.dossiers_named(waiting, history=True):
            read = trace(dossier.changes, LifeRules.of(parties.get(dossier.agency)))
            for step in read.steps:
                if step.reading is Reading.WAITING and now - step.change.recorded_at > patience.event_waiting:
                    yield Alert(
                        alarm=Alarm.EVENT_WAITING,
                        party=step.change.sender,
                        subject=dossier.ma_ho_so,
                        since=step.change.recorded_at,
                        facts={"thu_tu": step.change.thu_tu, "loai": step.change.loai},
                    )


def alert_named(groups: Sequence[AlertGroup], name: str, until: datetime | None, now: datetime) -> AlertGroup:
    """The group of this id, to be taken on until then. Raises Stopped: SYS-042, SYS-082 (a time that is over)."""
    group = next((group for group in groups if group.id == name), None)
    if group is None:
        raise Stopped(unknown("alert", name))
    if until is not None and until <= now:
        raise Stopped(Problem("SYS-082", {"until": until.isoformat()}))
    return group


def acknowledge_alert(
    store: Store, group: AlertGroup, *, who: str, note: str, until: datetime | None, now: datetime
) -> None:
    """Takes the group on, so that it is no news until then."""
    with store.begin() as tx:
        tx.acknowledge(
            group.id, who=who, note=note, until=until, now=now, alarm=group.alarm, party=group.party, cause=group.cause
        )


def forget_recovered(store: Store, groups: Sequence[AlertGroup]) -> None:
    """Acknowledgements of what is over go, so that it is news when it comes again."""
    current = {group.id for group in groups}
    with store.read() as view:
        over = [one.id for one in view.acknowledged() if one.id not in current]
    if over:
        with store.begin() as tx:
            tx.forget_acknowledged(over)
