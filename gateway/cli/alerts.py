"""alerts list | ack: what needs a person, as news and not as rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from gateway.cli.command import (
    FINE,
    PROBLEMS,
    CommandRun,
    Group,
    LazyCommand,
    Moment,
    argument,
    asking,
    command,
    option,
)
from gateway.cli.find import called, explained, legend, party_names
from gateway.cli.show import Screen, when
from gateway.core.alert_words import ALARMS, SEVERITIES
from gateway.core.model import PartyId
from gateway.core.operators import OperatorRole
from gateway.core.problems import Stopped

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.core.alerts import Alert, AlertGroup
    from gateway.core.parties import Parties
    from gateway.settings import Settings
    from gateway.store import Store
    from signing.trust import TrustView

ENDS_SOON = timedelta(days=30)
DRIFTS_FOR = timedelta(hours=1)  # so long a party may not know the newest of a dossier

#: The command that shows more of it; {party}, {subject} and {delivery} of the oldest.
NEXT = {
    "lane-held": "lienthong lanes --held --party {party}",
    "uncertain": "lienthong lanes --unknown --party {party}",
    "party-silent": "lienthong lanes --party {party}",
    "inbox-unread": "lienthong inbox {party} --after {confirmed}",
    "event-waiting": "lienthong dossier {subject}",
    "message-held": "lienthong messages --state held --party {party}",
    "drift": "lienthong drift --party {party}",
    "ending": "lienthong trust forecast --within 30",
    "registry-flawed": "lienthong doctor",
    "status-missing": "lienthong trust show",
    "allowance": "lienthong messages --party {party}",
    "log-flawed": "lienthong log verify --store --all",
    "archive-broken": "lienthong archive verify",
    "body-changed": "lienthong log verify --store",
    "file-changed": "lienthong restore --files",
    "backup": "lienthong backup",
    "receipt-unproven": "lienthong show {delivery}",
    "approval": "lienthong batch show {subject}",
    "channel-dead": "lienthong notify test {subject}",
}

alerts = Group(
    "alerts",
    default="list",
    entries={
        "list": LazyCommand(
            "gateway.cli.alerts:list_", "Cảnh báo cần người vận hành xử lý, theo nhóm.", "What needs a person, grouped."
        ),
        "ack": LazyCommand(
            "gateway.cli.alerts:ack",
            "Tiếp nhận cảnh báo: ngừng nhắc tới một thời điểm.",
            "Take it on: no news until a time.",
        ),
    },
    vi="Cảnh báo cần người vận hành xử lý. Không nêu lệnh con: liệt kê theo bên và nguyên nhân.",
    en="What needs a person. Without a command: the list, by party and cause.",
)


def current(call: CommandRun) -> list[AlertGroup]:
    """The groups as they stand now."""
    from gateway.wiring import registry_looked_at

    parties, trust = registry_looked_at(call.settings, call.store)
    return current_alerts(call.settings, call.store, parties, trust, call.now)


def current_alerts(
    settings: Settings, store: Store, parties: Parties, trust: TrustView, now: datetime
) -> list[AlertGroup]:
    """Everything that somebody should look at now, grouped; the most urgent and then the most numerous first."""
    from gateway.core.alerts import Alarm, Alert, group_alerts
    from gateway.services.batches import waiting_batches
    from gateway.services.certificate_ends import endangered, unproven
    from gateway.services.drift import drift_alerts, projected
    from gateway.services.findings import finding_alerts
    from gateway.services.notices import dead_channels
    from gateway.services.reconciling import reconcile_alerts
    from gateway.services.watch import alerts as watched
    from gateway.wiring import OURSELVES

    found = [*watched(store, parties, now, allowance=settings.allowance), *registry_flaws(settings, store, now)]
    found += backup_flaws(settings, store, now)
    found += finding_alerts(store, OURSELVES)
    found += waiting_batches(store, OURSELVES)
    found += dead_channels(store, [one.name for one in settings.notify.channels], OURSELVES)
    found += [*drift_alerts(store, projected(parties), now, DRIFTS_FOR), *reconcile_alerts(store, now)]
    found += [
        Alert(
            alarm=Alarm.ENDING,
            party=end.party or OURSELVES,
            subject=" ".join(part for part in (end.kind.value, end.tree, end.name[:16]) if part),
            since=end.at,
            facts={"kind": end.kind.value, "days": end.days(now), "name": end.name, "tree": end.tree},
        )
        for end in endangered(trust, parties, now, ENDS_SOON)
    ]
    found += [
        Alert(
            alarm=Alarm.STATUS_MISSING,
            party=one.party,
            subject=f"{one.fingerprint[:16]} {problem.facts.get('subject', one.tree)}",
            since=one.since(now),
            facts={"code": problem.code, "problem": dict(problem.facts)},
        )
        for one in unproven(trust, parties, now)
        for problem in one.problems()
    ]
    with store.read() as view:
        acknowledged = view.acknowledged()
    return group_alerts(found, acknowledged, now)


def backup_flaws(settings: Settings, store: Store, now: datetime) -> list[Alert]:
    """What is wrong with backups."""
    from gateway.services.backup_watch import backup_alerts
    from gateway.wiring import OURSELVES, own_certificates

    def read(path: Path) -> object:
        from gateway.services.backups import read_backup

        return read_backup(path, own_certificates(settings))

    return list(backup_alerts(store, settings.backup.every_hours, settings.backup.folder, read, OURSELVES, now))


def registry_flaws(settings: Settings, store: Store, now: datetime) -> list[Alert]:
    """Profiles in force that this program cannot build, since the last apply."""
    from gateway.core.alerts import Alarm, Alert
    from gateway.wiring import OURSELVES, prove_registry

    with store.read() as view:
        rows, applied = view.parties(), view.last_act("party.applied")
    try:
        prove_registry(rows, settings)
    except Stopped as stop:
        return [
            Alert(
                alarm=Alarm.REGISTRY_FLAWED,
                party=PartyId(str(problem.facts.get("party", OURSELVES))),
                subject=problem.code,
                since=applied.at if applied is not None else now,
                facts={"code": problem.code, "problem": dict(problem.facts)},
            )
            for problem in stop.problems
        ]
    return []


@command(
    "list",
    vi="Cảnh báo cần người vận hành xử lý, theo bên và nguyên nhân: hàng đợi bị tạm giữ, lượt gửi chưa rõ kết "
    "quả, hộp thư chưa được đọc, sự kiện đang chờ, thông điệp đang tạm giữ, xác nhận tiếp nhận không chứng "
    "minh được, chứng thư chưa rõ trạng thái, chứng thư và cây tin cậy hết hiệu lực trong 30 ngày. Mã thoát 1 "
    "khi có cảnh báo chưa được tiếp nhận.",
    en="What needs a person, by party and cause: held lanes, unknown outcomes, unread inboxes, waiting events, held "
    "messages, receipts that prove nothing, certificates of unknown "
    "status, certificates and trust trees that end within 30 days. Exit 1 when there is "
    "something that nobody has taken on.",
)
@option("--each", is_flag=True, vi="Từng cảnh báo, không theo nhóm.", en="Each one, not grouped.")
@option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, vi="Số lượng tối đa.", en="At most.")
def list_(call: CommandRun, each: bool, limit: int) -> int:
    """Prints groups, or their members."""
    call.need(OperatorRole.VIEWER, "alerts")
    screen, groups = call.screen, current(call)
    code = PROBLEMS if any(group.acknowledged is None for group in groups) else FINE
    if not groups and not screen.as_json:
        screen.line("Không có cảnh báo nào.", "Nothing needs a person.")
    elif each:
        _print_each(screen, groups, limit, party_names(call))
    elif screen.as_json:
        for group in groups:
            screen.row(_group_row(group))
    else:
        _print_groups(screen, groups[:limit], call.now, party_names(call))
        screen.rest(len(groups) - limit)
    return code


def _group_row(group: AlertGroup) -> dict[str, object]:
    seen = group.acknowledged
    return {
        "id": group.id,
        "severity": str(group.severity),
        "alarm": str(group.alarm),
        "party": group.party,
        "cause": group.cause or None,
        "count": len(group.alerts),
        "since": group.since.isoformat(),
        "subject": group.alerts[0].subject,
        "facts": dict(group.facts),
        "acknowledged": {"who": seen.who, "note": seen.note, "until": seen.until} if seen else None,
    }


def _print_each(screen: Screen, groups: list[AlertGroup], limit: int, names: Mapping[PartyId, str]) -> None:
    found = [(group, alert) for group in groups for alert in group.alerts]
    if screen.as_json:
        for group, alert in found:
            own = {"id": group.id, "alarm": str(alert.alarm), "party": alert.party, "subject": alert.subject}
            screen.row({**own, "since": alert.since.isoformat(), **alert.facts})
        return
    heads = (("Nhóm", "Group"), ("Đối tượng", "Subject"), ("Việc", "What"), ("Bên", "Party"), ("Từ lúc", "Since"))
    screen.table(
        [screen.text(*head) for head in heads],
        [
            [group.id, alert.subject, screen.text(*ALARMS[alert.alarm]), alert.party, when(alert.since)]
            for group, alert in found[:limit]
        ],
    )
    screen.rest(len(found) - limit)
    legend(screen, names, (alert.party for _, alert in found[:limit]))


def age(screen: Screen, span: timedelta) -> str:
    """A span as people say it, in its largest unit."""
    seconds = max(0, int(span.total_seconds()))
    for size, vi, en in ((86_400, "ngày", "d"), (3600, "giờ", "h"), (60, "phút", "min")):
        if seconds >= size:
            return screen.text(f"{seconds // size} {vi}", f"{seconds // size} {en}")
    return screen.text(f"{seconds} giây", f"{seconds} s")


def _print_groups(screen: Screen, groups: list[AlertGroup], now: datetime, names: Mapping[PartyId, str]) -> None:
    for group in groups:
        oldest = group.alerts[0]
        began = group.since <= now
        span = age(screen, now - group.since if began else group.since - now)
        how_long = screen.text("lâu nhất", "oldest") if began else screen.text("còn", "in")
        pieces = [
            f"{screen.text(*SEVERITIES[group.severity])} {len(group.alerts)} × {screen.text(*ALARMS[group.alarm])}",
            called(group.party, names),
            group.cause,
            f"{how_long} {span}",
            f"[{group.id}]",
        ]
        screen.line(" · ".join(piece for piece in pieces if piece))
        if group.acknowledged is not None:
            seen = group.acknowledged
            until = screen.text(f" tới {when(seen.until)}", f" until {when(seen.until)}") if seen.until else ""
            screen.line(
                f"    {seen.who} đã tiếp nhận{until}: {seen.note}", f"    taken on by {seen.who}{until}: {seen.note}"
            )
            continue
        words = explained(group.cause, group.facts, screen.lang)
        for line in (words["message"], words["remedy"] and f"→ {words['remedy']}"):
            if line:
                screen.line(f"    {line}")
        facts = {"party": group.party, "subject": oldest.subject, **oldest.facts}
        screen.line(f"    {NEXT[group.alarm].format(**facts)}")


@command(
    "ack",
    vi="Tiếp nhận một nhóm cảnh báo: ngừng nhắc cho tới thời điểm nêu ở --until, hoặc tới khi kết thúc. Người "
    "tiếp nhận và ghi chú được ghi vào nhật ký. ID là mã trong ngoặc vuông của “alerts”.",
    en="Take a group on: it is no news until --until, or until it is over. Who did, and the note, go into the log. ID is "
    "the one in square brackets of “alerts”.",
)
@argument("name", metavar="ID")
@option(
    "--note",
    metavar="…",
    vi="Ghi chú: ai xử lý, xử lý gì, khi nào hoàn thành.",
    en="The note: who does what, and by when.",
)
@option(
    "--until",
    type=Moment(),
    vi="Nhắc lại từ thời điểm này nếu chưa kết thúc.",
    en="News again from this time, if it lasts.",
)
@asking
def ack(call: CommandRun, name: str, note: str | None, until: datetime | None, reason: str | None) -> int:
    """Shows the group, asks, records the acknowledgement."""
    from gateway.services.watch import acknowledge_alert, alert_named

    call.need(OperatorRole.OPERATOR, "alerts ack")
    group = alert_named(current(call), name, until, call.now)
    if call.screen.interactive:
        _print_groups(call.screen, [group], call.now, party_names(call))
    note = call.agreed("alerts ack", note or reason, f"Tiếp nhận {name}?", f"Take {name} on?")
    acknowledge_alert(call.store, group, who=f"operator:{call.person}", note=note, until=until, now=call.now)
    if call.screen.as_json:
        call.screen.row({"acknowledged": group.id, "count": len(group.alerts), "until": until})
    else:
        call.screen.line(
            f"Đã tiếp nhận {group.id} ({len(group.alerts)}).", f"Took on {group.id} ({len(group.alerts)})."
        )
    return FINE
