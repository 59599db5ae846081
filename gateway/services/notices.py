"""Telling channels of alerts: grouped, once, with recovery, over restarts and nodes. A channel that fails is an alert itself."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.core.alerts import Alarm, Alert, AlertGroup
from gateway.core.model import PartyId
from gateway.core.notices import ChannelStanding, Notice, NoticeKind, NoticeRules, ToldAlert, news_for
from gateway.core.problems import Lang, Problem, Stopped
from gateway.store import Store

log = logging.getLogger("lienthong.notices")

TURN = "notify"
DEAD_AFTER = 3  # failures in a row: an alert from then on
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)

Post = Callable[[Notice], Awaitable[Problem | None]]  # raises Stopped; a remark where it arrived in part


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeChannel:
    """What a channel wants, how it is reached, and how long one sending takes at most."""

    rules: NoticeRules
    post: Post
    timeout_s: float


async def tell_channel(
    store: Store, channel: NoticeChannel, groups: Sequence[AlertGroup], clock: Callable[[], datetime]
) -> list[NoticeKind]:
    """Tells one channel what is news for it now, and the day's summary when it is due. Gives what was sent.

    One node at a time does so for a channel. What was sent goes on record after it was: a worker that dies in between leads to
    the same news once more, never to none.
    """
    name, now = channel.rules.channel, clock()
    if not await asyncio.to_thread(_anything, store, channel.rules, groups, now):
        return []
    token = secrets.randbits(52)
    until = now + timedelta(seconds=2 * channel.timeout_s + 60)
    if not await asyncio.to_thread(_take, store, name, token, now, until):
        return []
    try:
        return await _tell(store, channel, groups, now)
    finally:
        await asyncio.to_thread(_give_back, store, name, token, clock())


def _take(store: Store, name: str, token: int, now: datetime, until: datetime) -> bool:
    with store.begin() as tx:
        return tx.take_turn(TURN, PartyId(name), token, now, until)


def _give_back(store: Store, name: str, token: int, now: datetime) -> None:
    with store.begin() as tx:
        tx.hold_turn(TURN, PartyId(name), token, now)


def _standing(store: Store, name: str, now: datetime) -> tuple[ChannelStanding, list[ToldAlert]]:
    with store.read() as view:
        known, told = view.notice_channels().get(name), view.notified(name)
    if known is None:
        known = ChannelStanding(channel=name, summed_at=now)
        with store.begin() as tx:
            tx.put_notice_channel(known)
    return known, told


def _anything(store: Store, rules: NoticeRules, groups: Sequence[AlertGroup], now: datetime) -> bool:
    """A look without a lock: most turns have nothing to tell."""
    known, told = _standing(store, rules.channel, now)
    if known.due_at is not None and known.due_at > now:
        return False
    notice, forgotten = news_for(rules, groups, told, now)
    return notice is not None or bool(forgotten) or rules.summary_due(known.summed_at, now)


async def _tell(store: Store, channel: NoticeChannel, groups: Sequence[AlertGroup], now: datetime) -> list[NoticeKind]:
    rules = channel.rules
    known, told = await asyncio.to_thread(
        _standing, store, rules.channel, now
    )  # whoever was before us may have told it
    notice, forgotten = news_for(rules, groups, told, now)
    due = rules.summary_due(known.summed_at, now)
    sent: list[NoticeKind] = []
    try:
        if notice is not None:
            await _posted(channel, notice)
            sent.append(notice.kind)
        await asyncio.to_thread(_keep, store, rules.channel, notice, forgotten, now)
        if due:
            await _posted(channel, Notice(kind=NoticeKind.SUMMARY, standing=tuple(groups)))
            sent.append(NoticeKind.SUMMARY)
    except Stopped as stop:
        await asyncio.to_thread(_failed, store, known, stop.problems[0], now)
        return sent
    if sent:
        await asyncio.to_thread(_worked, store, known, now, now if due else known.summed_at)
    return sent


def _keep(store: Store, name: str, notice: Notice | None, forgotten: Sequence[str], now: datetime) -> None:
    """What was told is on record; what was told to be over is not any more."""
    news = [_told_now(name, group, now) for group in (*notice.new, *notice.worse)] if notice is not None else []
    over = [one.alert for one in notice.over] if notice is not None else []
    if news or over or forgotten:
        with store.begin() as tx:
            tx.put_notified(name, news, [*forgotten, *over])


def _worked(store: Store, known: ChannelStanding, now: datetime, summed_at: datetime) -> None:
    with store.begin() as tx:
        tx.put_notice_channel(ChannelStanding(channel=known.channel, summed_at=summed_at, sent_at=now))
    if known.failures >= DEAD_AFTER:
        log.warning("notice channel %s sends again", known.channel)


async def _posted(channel: NoticeChannel, notice: Notice) -> None:
    remark = await channel.post(notice)
    if remark is not None:
        log.warning("%s %s", remark.code, remark.message(Lang.EN))


def _failed(store: Store, known: ChannelStanding, problem: Problem, now: datetime) -> None:
    failures = known.failures + 1
    wait = min(FIRST_WAIT * 2 ** min(failures - 1, 10), LONGEST_WAIT)
    log.warning("notice channel %s: %s %s", known.channel, problem.code, problem.message(Lang.EN))
    with store.begin() as tx:
        tx.put_notice_channel(
            replace(
                known,
                failures=failures,
                failing_since=known.failing_since or now,
                problem=problem,
                due_at=now + wait,
            )
        )


def _told_now(channel: str, group: AlertGroup, now: datetime) -> ToldAlert:
    return ToldAlert(
        channel=channel,
        alert=group.id,
        alarm=group.alarm,
        party=group.party,
        cause=group.cause,
        severity=group.severity,
        count=len(group.alerts),
        told_at=now,
    )


def dead_channels(store: Store, channels: Collection[str], ourselves: PartyId) -> Iterator[Alert]:
    """Channels of the settings that have failed several times in a row: others tell of them, and `alerts`."""
    if not channels:
        return
    with store.read() as view:
        known = view.notice_channels()
    for name in sorted(channels):
        one = known.get(name)
        if one is None or one.failures < DEAD_AFTER or one.failing_since is None or one.problem is None:
            continue
        facts = {"code": one.problem.code, "problem": dict(one.problem.facts), "channel": name}
        yield Alert(alarm=Alarm.CHANNEL_DEAD, party=ourselves, subject=name, since=one.failing_since, facts=facts)
