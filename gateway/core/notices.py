"""Notices: which groups of alerts a channel is told of, when, and in what words. Codes and counts, never a person's data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from enum import StrEnum
from typing import Any

from gateway.core.alert_words import ALARMS
from gateway.core.alert_words import SEVERITIES as SEVERITY_WORDS
from gateway.core.alerts import Alarm, AlertGroup, Urgency
from gateway.core.model import PartyId
from gateway.core.problems import Problem

HANOI = timezone(timedelta(hours=7))  # no summer time
_ORDER = list(Urgency)


class NoticeKind(StrEnum):
    """Why a channel is told something."""

    NEWS = "news"  # groups that are new or more urgent, or over
    SUMMARY = "summary"  # how things stand, once a day
    TEST = "test"  # a person wants to see whether it arrives


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAlert:
    """A group of alerts that a channel was told of, as it stood then."""

    channel: str
    alert: str
    alarm: Alarm
    party: PartyId
    cause: str
    severity: Urgency
    count: int
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStanding:
    """How a channel stands: when it last sent, and since when it cannot."""

    channel: str
    summed_at: datetime  # when the day's summary was last sent, or the channel first seen
    failures: int = 0  # in a row
    failing_since: datetime | None = None
    problem: Problem | None = None  # of the last failure
    due_at: datetime | None = None  # not tried before, after a failure
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRules:
    """What a channel wants to be told, and when."""

    channel: str
    severity: Urgency = Urgency.TODAY  # the least urgent that is told
    alarms: frozenset[Alarm] = frozenset()  # empty: all
    quiet: tuple[time, time] | None = None  # hours of Viet Nam
    quiet_urgent: bool = True  # whether what is urgent comes in quiet hours too
    summary_at: time | None = None

    def wants(self, group: AlertGroup) -> bool:
        """Whether this channel is told of such a group."""
        urgent = _ORDER.index(group.severity) <= _ORDER.index(self.severity)
        return urgent and (not self.alarms or group.alarm in self.alarms)

    def is_quiet(self, now: datetime) -> bool:
        """Whether these are quiet hours; they may go over midnight."""
        if self.quiet is None:
            return False
        begins, ends = self.quiet
        at = now.astimezone(HANOI).time()
        return begins <= at < ends if begins <= ends else at >= begins or at < ends

    def summary_due(self, last: datetime, now: datetime) -> bool:
        """Whether a day's summary is due that was not sent since."""
        if self.summary_at is None or self.is_quiet(now):
            return False
        today = now.astimezone(HANOI)
        due = datetime.combine(today.date(), self.summary_at, HANOI)
        return last < due <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a channel is told in one go."""

    kind: NoticeKind
    new: tuple[AlertGroup, ...] = ()
    worse: tuple[AlertGroup, ...] = ()  # told before, more urgent now
    over: tuple[ToldAlert, ...] = ()
    standing: tuple[AlertGroup, ...] = ()  # of a summary: all there is


def news_for(
    rules: NoticeRules, groups: Sequence[AlertGroup], told: Iterable[ToldAlert], now: datetime
) -> tuple[Notice | None, list[str]]:
    """What a channel is to be told now, if anything, and which of what it was told is to be forgotten without a word.

    Each group is told once, again only when it is more urgent, and once that it is over. A group that a person takes on is no
    news; should it last longer than that, it is news again. In quiet hours at most what is urgent is told; the rest waits.
    """
    known = {one.alert: one for one in told}
    current = {group.id: group for group in groups}
    quiet = rules.is_quiet(now)
    new, worse, forgotten = [], [], []
    for group in groups:
        before = known.get(group.id)
        if group.acknowledged is not None:
            if before is not None:
                forgotten.append(group.id)
            continue
        if not rules.wants(group) or (quiet and not (rules.quiet_urgent and group.severity is Urgency.NOW)):
            continue
        if before is None:
            new.append(group)
        elif _ORDER.index(group.severity) < _ORDER.index(before.severity):
            worse.append(group)
    over = [] if quiet else [one for one in known.values() if one.alert not in current]
    if not (new or worse or over):
        return None, forgotten
    return Notice(kind=NoticeKind.NEWS, new=tuple(new), worse=tuple(worse), over=tuple(over)), forgotten


Named = Callable[[PartyId], str]  # what a party is called, beside its id


@dataclass(frozen=True, slots=True, kw_only=True)
class WordedNotice:
    """A notice as it goes out: for people, and for programs."""

    subject: str
    text: str
    body: bytes  # JSON


def worded(notice: Notice, *, node: str, node_name: str, now: datetime, named: Named) -> WordedNotice:
    """The notice in both languages, and as JSON."""
    heads = [_subject(notice, of) for of in (0, 1)]
    subject = f"[Liên Thông {node}] {heads[0]} / {heads[1]}"
    text = "\n\n-- \n\n".join(_text(notice, of, f"{node_name} ({node})", now, named) for of in (0, 1))
    row: dict[str, Any] = {
        "kind": notice.kind.value,
        "node": node,
        "at": now.isoformat(),
        "subject": subject,
        "new": [_group_fields(group, named) for group in notice.new],
        "worse": [_group_fields(group, named) for group in notice.worse],
        "over": [_told_fields(one, named) for one in notice.over],
        "standing": [_group_fields(group, named) for group in notice.standing],
    }
    return WordedNotice(subject=subject, text=text + "\n", body=json.dumps(row, ensure_ascii=False).encode())


def _subject(notice: Notice, of: int) -> str:
    if notice.kind is NoticeKind.TEST:
        return ("thử kênh báo tin", "test of a notice channel")[of]
    if notice.kind is NoticeKind.SUMMARY:
        counts = Counter(group.severity for group in notice.standing)
        said = ", ".join(f"{SEVERITY_WORDS[u.value][of]} {counts[u]}" for u in _ORDER if counts[u])
        return f"{('tình hình trong ngày', 'daily summary')[of]}: {said or ('không có việc nào', 'nothing')[of]}"
    parts = (
        (len(notice.new), ("việc mới", "new")),
        (len(notice.worse), ("việc gấp hơn", "more urgent")),
        (len(notice.over), ("việc đã hết", "over")),
    )
    return ", ".join(f"{number} {word[of]}" for number, word in parts if number)


def _text(notice: Notice, of: int, node: str, now: datetime, named: Named) -> str:
    lines = [f"{('Trục', 'Gateway')[of]}: {node} · {now.astimezone(HANOI):%d/%m/%Y %H:%M}", ""]
    if notice.kind is NoticeKind.TEST:
        lines.append(
            (
                "Tin này chỉ để thử; kênh báo tin gửi được.",
                "This is only a test; the channel works.",
            )[of]
        )
        return "\n".join(lines)
    parts: tuple[tuple[tuple[str, str], Iterable[str]], ...] = (
        (("Mới:", "New:"), (_group_line(group, of, now, named) for group in notice.new)),
        (("Gấp hơn trước:", "More urgent now:"), (_group_line(group, of, now, named) for group in notice.worse)),
        (("Đã hết:", "Over:"), (_told_line(one, of, named) for one in notice.over)),
        (("Đang có:", "Standing:"), (_group_line(group, of, now, named) for group in notice.standing)),
    )
    for title, rows in parts:
        listed = list(rows)
        if listed:
            lines += [title[of], *(f"  {row}" for row in listed[:MOST]), *_rest(len(listed) - MOST, of), ""]
    if notice.kind is NoticeKind.SUMMARY and not notice.standing:
        lines += [("Không có việc nào cần người xem.", "Nothing needs a person.")[of], ""]
    lines.append(("Xem và nhận việc: lienthong alerts", "To look and to take on: lienthong alerts")[of])
    return "\n".join(lines)


MOST = 50  # groups that one notice lists; the rest is counted


def _rest(number: int, of: int) -> list[str]:
    return [f"  … {(f'còn {number} nữa', f'{number} more')[of]}"] if number > 0 else []


def _group_line(group: AlertGroup, of: int, now: datetime, named: Named) -> str:
    span = now - group.since
    how_long = (("lâu nhất", "oldest"), ("còn", "in"))[span < timedelta()][of]
    pieces = [
        f"[{SEVERITY_WORDS[group.severity.value][of]}] {len(group.alerts)} × {ALARMS[group.alarm.value][of]}",
        named(group.party),
        group.cause,
        f"{how_long} {_age(abs(span), of)}",
        f"[{group.id}]",
    ]
    seen = group.acknowledged
    if seen is not None:
        pieces.append((f"đã có {seen.who} nhận", f"taken on by {seen.who}")[of])
    return " · ".join(piece for piece in pieces if piece)


def _told_line(one: ToldAlert, of: int, named: Named) -> str:
    pieces = [f"{one.count} × {ALARMS[one.alarm.value][of]}", named(one.party), one.cause, f"[{one.alert}]"]
    return " · ".join(piece for piece in pieces if piece)


def _age(span: timedelta, of: int) -> str:
    seconds = int(span.total_seconds())
    for size, words in ((86_400, ("ngày", "d")), (3600, ("giờ", "h")), (60, ("phút", "min"))):
        if seconds >= size:
            return f"{seconds // size} {words[of]}"
    return f"{seconds} {('giây', 's')[of]}"


def _group_fields(group: AlertGroup, named: Named) -> Mapping[str, Any]:
    return {
        "id": group.id,
        "alarm": group.alarm.value,
        "severity": group.severity.value,
        "party": group.party,
        "party_named": named(group.party),
        "cause": group.cause,
        "count": len(group.alerts),
        "since": group.since.isoformat(),
        "acknowledged": group.acknowledged is not None,
    }


def _told_fields(one: ToldAlert, named: Named) -> Mapping[str, Any]:
    return {
        "id": one.alert,
        "alarm": one.alarm.value,
        "severity": one.severity.value,
        "party": one.party,
        "party_named": named(one.party),
        "cause": one.cause,
        "count": one.count,
        "told_at": one.told_at.isoformat(),
    }
