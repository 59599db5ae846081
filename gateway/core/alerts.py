"""Alerts as news: what each is, and how they are grouped by party and cause."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.core.model import PartyId


class Alarm(StrEnum):
    """What an alert is about."""

    LANE_HELD = "lane-held"  # a refused or dead delivery holds up a dossier's news to a party
    UNCERTAIN = "uncertain"  # sent, and nobody knows whether it arrived
    PARTY_SILENT = "party-silent"  # several tries in a row without an answer
    INBOX_UNREAD = "inbox-unread"  # a party that pulls has not confirmed for too long: the two sides drift apart
    EVENT_WAITING = "event-waiting"  # a status event waits for an earlier one that has not come
    MESSAGE_HELD = "message-held"  # a message waits for a certificate's status
    DRIFT = "drift"  # a party has not known the newest of a dossier for too long, or believes something else
    ENDING = "ending"  # a certificate, tree or status comes to its end and nothing stands in for it
    REGISTRY_FLAWED = "registry-flawed"  # a profile in force cannot be built any more: its party is shut out
    STATUS_MISSING = (
        "status-missing"  # a certificate whose status is not known; its party's messages are held, or will be
    )
    ALLOWANCE = "allowance"  # a party has used up most of what it may send today
    LOG_FLAWED = "log-flawed"  # a verification found the log, or what it tells of, to be other than it was
    ARCHIVE_BROKEN = "archive-broken"  # a month's file is not there, not what it was, or holds what was erased
    BODY_CHANGED = "body-changed"  # what is to be delivered is not what its digest says any more: it is not sent
    FILE_CHANGED = "file-changed"  # the bytes of a file are not those of its digest any more
    RECEIPT_UNPROVEN = (
        "receipt-unproven"  # a receiver's BienNhan is not signed as its profile demands, or proves nothing
    )
    BACKUP = "backup"  # the last backup is overdue, failed, or cannot be read
    APPROVAL = "approval"  # a batch waits for a second person
    CHANNEL_DEAD = "channel-dead"  # a channel of notices cannot send


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing that somebody should look at, and since when."""

    alarm: Alarm
    party: PartyId
    subject: str  # a dossier, a message, or the party itself
    since: datetime
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedAlert:
    """What a person has seen and taken on: no news until then, or until it is over."""

    id: str  # of the group of alerts
    who: str
    note: str
    at: datetime
    until: datetime | None


class Urgency(StrEnum):
    """How soon a person should look."""

    NOW = "now"  # something does not arrive, or will not
    TODAY = "today"
    LATER = "later"


SEVERITIES: Mapping[Alarm, Urgency] = {
    Alarm.LANE_HELD: Urgency.NOW,
    Alarm.PARTY_SILENT: Urgency.NOW,
    Alarm.MESSAGE_HELD: Urgency.NOW,
    Alarm.STATUS_MISSING: Urgency.NOW,
    Alarm.REGISTRY_FLAWED: Urgency.NOW,
    Alarm.UNCERTAIN: Urgency.TODAY,
    Alarm.INBOX_UNREAD: Urgency.TODAY,
    Alarm.RECEIPT_UNPROVEN: Urgency.TODAY,
    Alarm.LOG_FLAWED: Urgency.NOW,
    Alarm.ARCHIVE_BROKEN: Urgency.NOW,
    Alarm.BODY_CHANGED: Urgency.NOW,
    Alarm.FILE_CHANGED: Urgency.NOW,
    Alarm.BACKUP: Urgency.TODAY,
    Alarm.DRIFT: Urgency.TODAY,
    Alarm.ALLOWANCE: Urgency.TODAY,
    Alarm.APPROVAL: Urgency.TODAY,
    Alarm.CHANNEL_DEAD: Urgency.TODAY,
    Alarm.ENDING: Urgency.TODAY,  # what has ended already: now
    Alarm.EVENT_WAITING: Urgency.LATER,
}
_ORDER = list(Urgency)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertGroup:
    """All alerts of one kind, party and cause."""

    id: str  # stays the same while the group lasts
    alarm: Alarm
    severity: Urgency
    party: PartyId
    cause: str  # a problem's code, what ends; empty where the kind says it all
    alerts: tuple[Alert, ...]  # the oldest first
    facts: Mapping[str, Any]  # the commonest value of each fact
    acknowledged: AcknowledgedAlert | None = None

    @property
    def since(self) -> datetime:
        """When the oldest began."""
        return self.alerts[0].since


def group_alerts(found: Iterable[Alert], acknowledged: Iterable[AcknowledgedAlert], now: datetime) -> list[AlertGroup]:
    """The alerts by kind, party and cause. An acknowledgement counts until its time is over."""
    gathered: dict[tuple[Alarm, PartyId, str], list[Alert]] = {}
    for alert in found:
        gathered.setdefault((alert.alarm, alert.party, _cause(alert)), []).append(alert)
    known = {one.id: one for one in acknowledged if one.until is None or one.until > now}
    groups = []
    for (alarm, party, cause), own in gathered.items():
        name = hashlib.sha256(f"{alarm}\n{party}\n{cause}".encode()).hexdigest()[:8]
        own.sort(key=lambda alert: (alert.since, alert.subject))
        ended = alarm is Alarm.ENDING and own[0].since <= now
        groups.append(
            AlertGroup(
                id=name,
                alarm=alarm,
                severity=Urgency.NOW if ended else SEVERITIES[alarm],
                party=party,
                cause=cause,
                alerts=tuple(own),
                facts=commonest_facts(alert.facts.get("problem") or alert.facts for alert in own),
                acknowledged=known.get(name),
            )
        )
    return sorted(groups, key=lambda g: (_ORDER.index(g.severity), -len(g.alerts), g.since, g.id))


def _cause(alert: Alert) -> str:
    codes = alert.facts.get("codes")
    return str(alert.facts.get("code") or (codes[0] if codes else None) or alert.facts.get("kind") or "")


def commonest_facts(told: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Of several sets of facts the commonest value of each: what a sentence about a group is filled with."""
    counted: dict[str, Counter[str]] = {}
    values: dict[tuple[str, str], Any] = {}
    for facts in told:
        for name, value in facts.items():
            counted.setdefault(name, Counter())[repr(value)] += 1
            values[name, repr(value)] = value
    return {name: values[name, counts.most_common(1)[0][0]] for name, counts in counted.items()}
