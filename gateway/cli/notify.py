"""notify list | test: the channels by which `work` tells persons of alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

from gateway.cli.command import FINE, PROBLEMS, CommandRun, Group, LazyCommand, argument, command
from gateway.cli.show import when
from gateway.core.model import PartyId
from gateway.core.notices import Notice, NoticeKind, NoticeRules, WordedNotice, worded
from gateway.core.operators import OperatorRole
from gateway.core.problems import Lang, Problem, Stopped
from gateway.core.unknown import unknown

if TYPE_CHECKING:
    from gateway.core.parties import Parties
    from gateway.services.notices import NoticeChannel, Post
    from gateway.settings import ChannelSettings, Settings

notify = Group(
    "notify",
    default="list",
    entries={
        "list": LazyCommand(
            "gateway.cli.notify:list_", "Các kênh báo tin, gửi được không.", "The channels, and whether they work."
        ),
        "test": LazyCommand("gateway.cli.notify:test", "Gửi thử một tin.", "Send a test."),
    },
    vi="Các kênh báo tin ([[notify.channels]]): thư điện tử, webhook có ký, lệnh của người vận hành.",
    en="The channels of notices ([[notify.channels]]): e-mail, signed webhook, a command of the operator's.",
)


def channels_of(
    settings: Settings, named: Callable[[PartyId], str], clock: Callable[[], datetime]
) -> list[NoticeChannel]:
    """The channels of the settings, ready to be told."""
    from gateway.services.notices import NoticeChannel

    return [
        NoticeChannel(rules=_rules(one), post=_post(settings, one, named, clock), timeout_s=one.timeout_s)
        for one in settings.notify.channels
    ]


def names_beside(parties: Parties) -> Callable[[PartyId], str]:
    """What a party is called, beside its id."""
    known: Mapping[PartyId, str] = {party.id: party.name for party in parties}

    def named(party: PartyId) -> str:
        name = known.get(party)
        return party if name is None or name == party else f"{party} ({name})"

    return named


def _rules(one: ChannelSettings) -> NoticeRules:
    begins, _, ends = (one.quiet or "").partition("-")
    return NoticeRules(
        channel=one.name,
        severity=one.severity,
        alarms=frozenset(one.alarms),
        quiet=(time.fromisoformat(begins), time.fromisoformat(ends)) if one.quiet else None,
        quiet_urgent=one.quiet_urgent,
        summary_at=time.fromisoformat(one.summary_at) if one.summary_at else None,
    )


def _post(
    settings: Settings, one: ChannelSettings, named: Callable[[PartyId], str], clock: Callable[[], datetime]
) -> Post:
    async def post(notice: Notice) -> Problem | None:
        now = clock()
        said = worded(notice, node=settings.node.identifier, node_name=settings.node.name, now=now, named=named)
        return await _sent(settings, one, said, now)

    return post


async def _sent(settings: Settings, one: ChannelSettings, said: WordedNotice, now: datetime) -> Problem | None:
    """By the way that the settings name. Raises Stopped."""
    from connectors.channels import MailPlace, post_hook, run_program, send_mail
    from gateway.settings import channel_secret
    from gateway.wiring import egress_proxy

    secret = channel_secret(one)
    if one.command:
        await run_program(one.name, one.command, said.body, timeout_s=one.timeout_s)
        return None
    if one.url is not None:
        private = settings.work.private_addresses
        await post_hook(
            one.name,
            one.url,
            said.body,
            now,
            (secret or "").encode(),
            timeout_s=one.timeout_s,
            private=private,
            ca=one.ca,
            proxy=egress_proxy(settings),
        )
        return None
    place = MailPlace(
        channel=one.name,
        host=one.host or "",
        port=one.port,
        tls=one.tls,
        sender=one.sender or "",
        to=one.to,
        user=one.user,
        ca=one.ca,
        timeout_s=one.timeout_s,
    )
    return await send_mail(place, said.subject, said.text, now, secret)


def _kind(one: ChannelSettings) -> tuple[str, str]:
    if one.command:
        return "lệnh", "command"
    return ("webhook", "webhook") if one.url is not None else ("thư điện tử", "e-mail")


@command(
    "list",
    vi="Các kênh báo tin của cấu hình: loại, muốn biết gì, lần gửi cuối, hỏng từ lúc nào. Mã thoát 1 khi có kênh đang hỏng.",
    en="The channels of the settings: kind, what they want, when they last sent, since when they fail. Exit 1 where one does.",
)
def list_(call: CommandRun) -> int:
    """Prints the channels."""
    call.need(OperatorRole.VIEWER, "notify list")
    screen, listed = call.screen, call.settings.notify.channels
    with call.store.read() as view:
        known = view.notice_channels()
    failing = [one.name for one in listed if one.name in known and known[one.name].failures]
    if screen.as_json:
        for one in listed:
            stands = known.get(one.name)
            screen.row(
                {
                    "channel": one.name,
                    "kind": _kind(one)[1],
                    "severity": str(one.severity),
                    "sent_at": stands.sent_at if stands else None,
                    "failures": stands.failures if stands else 0,
                    "failing_since": stands.failing_since if stands else None,
                    "problem": screen.problem_row(stands.problem) if stands and stands.problem else None,
                }
            )
        return PROBLEMS if failing else FINE
    if not listed:
        screen.line(
            "Chưa có kênh báo tin nào; thêm [[notify.channels]] vào lienthong.toml.",
            "There is no channel; add [[notify.channels]] to lienthong.toml.",
        )
        return FINE
    heads = (
        ("Kênh", "Loại", "Từ mức", "Gửi lần cuối", "Hỏng từ"),
        ("Channel", "Kind", "From", "Last sent", "Fails since"),
    )
    of = 0 if screen.lang is Lang.VI else 1
    screen.table(
        heads[of],
        (
            (
                one.name,
                _kind(one)[of],
                str(one.severity),
                when(known[one.name].sent_at if one.name in known else None),
                when(known[one.name].failing_since if one.name in known else None),
            )
            for one in listed
        ),
    )
    for name in failing:
        problem = known[name].problem
        if problem is not None:
            screen.problem(problem)
    return PROBLEMS if failing else FINE


@command(
    "test",
    vi="Gửi thử một tin qua mỗi kênh, hoặc các kênh nêu tên, và nói kênh nào gửi được. Mã thoát 1 khi có kênh không gửi được.",
    en="Send a test by each channel, or those that are named, and say which of them work. Exit 1 where one does not.",
)
@argument("names", nargs=-1, metavar="[KÊNH|CHANNEL…]")
def test(call: CommandRun, names: tuple[str, ...]) -> int:
    """Sends, and says what came of it."""
    call.need(OperatorRole.OPERATOR, "notify test")
    chosen = _chosen(call.settings.notify.channels, names)
    if not chosen:
        raise Stopped(Problem("SYS-196"))
    channels = {one.rules.channel: one for one in channels_of(call.settings, str, lambda: datetime.now(UTC))}
    screen, failed = call.screen, 0
    for one in chosen:
        try:
            remark = asyncio.run(_awaited(channels[one.name]))
        except Stopped as stop:
            failed += 1
            problem: Problem | None = stop.problems[0]
        else:
            problem = remark
        if screen.as_json:
            sent = {"channel": one.name, "sent": problem is None or problem.code == "SYS-194"}
            screen.row({**sent, "problem": screen.problem_row(problem) if problem is not None else None})
        elif problem is None:
            screen.line(f"{one.name}: đã gửi.", f"{one.name}: sent.")
        else:
            screen.problem(problem)
    return PROBLEMS if failed else FINE


async def _awaited(channel: NoticeChannel) -> Problem | None:
    return await channel.post(Notice(kind=NoticeKind.TEST))


def _chosen(listed: Iterable[ChannelSettings], names: Sequence[str]) -> list[ChannelSettings]:
    """Those that are named, or all. Raises Stopped (SYS-042)."""
    by_name = {one.name: one for one in listed}
    for name in names:
        if name not in by_name:
            raise Stopped(unknown("channel", name))
    return [by_name[name] for name in names] if names else list(by_name.values())
