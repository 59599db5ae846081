"""Sáng nay: six numbers and what came since yesterday, what needs a person, what has waited the longest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.cli.alerts import current_alerts
from gateway.cli.trust import KINDS
from gateway.console import words
from gateway.console.acts import ActDone, ActPlan, DeskAct
from gateway.console.fields import day_of_field, text_of
from gateway.console.parts import Act, Cell, Facts, FormField, Glance, Lines, Link, Numbers, Part, Table
from gateway.console.room import Answer, DeskCall, DeskPage, Shown
from gateway.core.alert_words import ALARMS, SEVERITIES
from gateway.core.alerts import AlertGroup, Urgency
from gateway.core.lifecycle import LifeRules
from gateway.core.model import Fate
from gateway.core.operators import OperatorRole
from gateway.core.parties import Receives
from gateway.core.problems import Stopped
from gateway.core.unknown import unknown
from gateway.services.certificate_ends import endangered
from gateway.services.drift import drift_counts, projected
from gateway.services.overview import a_day_ago, standing_now
from gateway.services.watch import acknowledge_alert, alert_named
from gateway.store import bring_up_to_date

MOST: Final = 10_000  # is counted
_DAY: Final = timedelta(days=1)
_GROUPS: Final = 50
_SOON: Final = timedelta(days=45)  # of certificates
_SORTS: Mapping[Urgency, str] = {Urgency.NOW: "bad", Urgency.TODAY: "wait", Urgency.LATER: "wait"}


def morning(call: DeskCall) -> Answer:
    """The first page of the day."""
    return Shown(
        title=call.text("Tổng quan", "This morning"),
        parts=[_numbers(call), _alerts(call), *_ending(call), _oldest(call), *_drift(call)],
    )


def _numbers(call: DeskCall) -> Part:
    bring_up_to_date(call.store, lambda party: LifeRules.of(call.parties.get(party)))
    with call.store.read() as view:
        came = [view.count_messages(since=since, until=until, most=MOST) for since, until in _days(call)]
        refused = [
            view.count_messages(since=since, until=until, state=Fate.REJECTED, most=MOST)
            for since, until in _days(call)
        ]
        now, before = standing_now(view, call.now), a_day_ago(view, call.now)
    text, address = call.text, words.desk_address
    today = text(f"thêm {now.due_today} đến hạn hôm nay", f"{now.due_today} more due today")
    return Numbers(
        rows=[
            (
                text("thông điệp nhận trong 24 giờ", "messages in 24 hours"),
                _said(call, came[0]),
                _against(call, came),
                address("/thong-diep"),
            ),
            (
                text("bị từ chối trong 24 giờ", "rejected in 24 hours"),
                _said(call, refused[0]),
                _against(call, refused),
                address("/nguyen-nhan"),
            ),
            (
                text("thông điệp đang tạm giữ", "messages held"),
                _said(call, now.held),
                _since_yesterday(call, now.held, before.get("held")),
                address("/thong-diep", trang_thai="held"),
            ),
            (
                text("lượt còn phải gửi", "deliveries still owed"),
                _said(call, now.owed),
                _since_yesterday(call, now.owed, before.get("owed")),
                address("/co-quan"),
            ),
            (
                text("hàng đợi theo hồ sơ đang bị tạm giữ", "lanes that are held"),
                _said(call, now.lanes),
                _since_yesterday(call, now.lanes, before.get("lanes")),
                address("/nguyen-nhan"),
            ),
            (
                text("hồ sơ quá hạn", "dossiers overdue"),
                _said(call, now.overdue),
                "; ".join((_since_yesterday(call, now.overdue, before.get("overdue")), today)),
                address("/qua-han"),
            ),
        ]
    )


def _since_yesterday(call: DeskCall, now: int, before: int | None) -> str:
    """The change since this hour yesterday, of which `work` has kept the number."""
    if before is None:
        return call.text("chưa có số của giờ này hôm qua", "not known for this hour yesterday")
    return call.text(f"{now - before:+d} so với giờ này hôm qua", f"{now - before:+d} against this hour yesterday")


def _days(call: DeskCall) -> list[tuple[Any, Any]]:
    return [(call.now - _DAY, call.now), (call.now - 2 * _DAY, call.now - _DAY)]


def _said(call: DeskCall, number: int) -> str:
    return words.bounded(call, number, MOST) if number > MOST else f"{number:,}".replace(",", ".")


def _against(call: DeskCall, both: list[int]) -> str:
    now, before = both
    if now > MOST or before > MOST:
        return ""
    return call.text(f"{now - before:+d} so với 24 giờ trước đó", f"{now - before:+d} against the 24 hours before")


def groups_now(call: DeskCall) -> list[AlertGroup]:
    """What needs a person, as it stands now."""
    parties, trust = call.room.registry()
    return current_alerts(call.room.settings, call.store, parties, trust, call.now)


def _alerts(call: DeskCall) -> Part:
    groups, names = groups_now(call), call.names()
    heads = (
        ("Việc", "What"),
        ("Mức", "Urgency"),
        ("Bên", "Party"),
        ("Nguyên nhân", "Cause"),
        ("Số", "Count"),
        ("Lâu nhất", "Oldest"),
        ("Đã tiếp nhận", "Taken on"),
    )
    rows: list[list[Cell]] = []
    for group in groups[:_GROUPS]:
        said = words.explained(group.cause, group.facts, call.lang)["message"]
        began = group.since <= call.now
        span = words.age(call, call.now - group.since if began else group.since - call.now)
        seen = group.acknowledged
        rows.append(
            [
                Link(call.text(*ALARMS[group.alarm]), words.desk_address(f"/canh-bao/{group.id}")),
                Glance(call.text(*SEVERITIES[group.severity]).lower(), _SORTS[group.severity]),
                words.named(group.party, names),
                " ".join(part for part in (group.cause, said) if part) or None,
                len(group.alerts),
                span if began else call.text(f"còn {span}", f"in {span}"),
                words.person(call, seen.who) if seen is not None else None,
            ]
        )
    left = len(groups) - _GROUPS
    return Table(
        caption=call.text("Cảnh báo cần người vận hành xử lý", "What needs a person"),
        heads=[call.text(*head) for head in heads],
        rows=rows,
        empty=call.text("không có.", "nothing."),
        more=call.text(f"Còn {left} nhóm nữa.", f"{left} more groups.") if left > 0 else "",
    )


def _ending(call: DeskCall) -> list[Part]:
    """What stops working soon and nothing stands in for, with its days."""
    parties, trust = call.room.registry()
    names = call.names()
    found = endangered(trust, parties, call.now, _SOON)
    rows: list[list[Cell]] = [
        [
            call.text(*KINDS[end.kind]),
            words.named(end.party, names) or end.subject or end.name,
            words.when(end.at),
            Glance(call.text("đã hết", "over"), "bad")
            if end.at <= call.now
            else Glance(call.text(f"còn {end.days(call.now)} ngày", f"{end.days(call.now)} days"), "wait"),
        ]
        for end in found[:_GROUPS]
    ]
    heads = (("Thành phần", "What"), ("Của", "Of"), ("Hết hiệu lực", "Ends at"), ("Còn", "In"))
    table = Table(
        caption=call.text("Chứng thư sắp hết hiệu lực, chưa có thay thế", "Certificates that end soon, not replaced"),
        heads=[call.text(*head) for head in heads],
        rows=rows,
        more=call.text(f"Còn {len(found) - _GROUPS} nữa.", f"{len(found) - _GROUPS} more.")
        if len(found) > _GROUPS
        else "",
    )
    return [table] if rows else []


def _oldest(call: DeskCall) -> Part:
    names = call.names()
    rows: list[list[Cell]] = []
    with call.store.read() as view:
        for queue in view.queues():
            if queue.oldest_due is not None and queue.oldest_due <= call.now:
                what = call.text("lượt gửi đến hạn chưa gửi", "a delivery is due and not sent")
                rows.append([what, words.named(queue.party, names), words.since(call, queue.oldest_due)])
        for message in view.held(call.now, 1):
            what = call.text("thông điệp tạm giữ", "a held message")
            rows.append([what, words.named(message.party, names), words.since(call, message.received_at)])
        for party in [party for party in call.parties if party.receives is Receives.PULL]:
            reader = view.reader(party.id)
            first = view.inbox_after(party.id, reader.confirmed, 1) if reader.head > reader.confirmed else []
            if first:
                what = call.text("hộp thư chưa được đọc", "an unread inbox")
                rows.append([what, words.named(party.id, names), words.since(call, first[0].recorded_at)])
    heads = (("Việc", "What"), ("Bên", "Party"), ("Đã chờ", "Has waited"))
    return Table(
        caption=call.text("Chờ lâu nhất", "What has waited the longest"),
        heads=[call.text(*head) for head in heads],
        rows=rows[:_GROUPS],
        empty=call.text("không có việc chờ.", "nothing waits."),
    )


def _drift(call: DeskCall) -> list[Part]:
    names = call.names()
    with call.store.read() as view:
        counts = drift_counts(view, projected(call.parties))
    rows: list[list[Cell]] = [[words.named(party, names), number] for party, number in counts.items() if number]
    heads = [call.text("Bên", "Party"), call.text("Hồ sơ", "Dossiers")]
    caption = call.text("Hồ sơ có dữ liệu ở bên nhận chưa khớp", "Dossiers that a receiver does not know rightly")
    return [Table(caption=caption, heads=heads, rows=rows)] if rows else []


def alert(call: DeskCall) -> Answer:
    """One group: what it is, its members, and the form to take it on."""
    name = call.place["id"]
    group = next((one for one in groups_now(call) if one.id == name), None)
    if group is None:
        raise Stopped(unknown("alert", name))
    names = call.names()
    said = words.explained(group.cause, group.facts, call.lang)
    seen = group.acknowledged
    lines = [line for line in (said["message"], f"→ {said['remedy']}" if said["remedy"] else "") if line]
    parts: list[Part] = [
        Facts(
            rows=[
                (call.text("Nhóm", "Group"), group.id),
                (call.text("Bên", "Party"), words.named(group.party, names)),
                (call.text("Mức", "Urgency"), call.text(*SEVERITIES[group.severity]).lower()),
                (call.text("Nguyên nhân", "Cause"), group.cause or None),
                (call.text("Số", "Count"), len(group.alerts)),
                (
                    call.text("Đã tiếp nhận", "Taken on"),
                    None if seen is None else f"{words.person(call, seen.who)}: {seen.note}",
                ),
                (call.text("Tới lúc", "Until"), None if seen is None else words.when(seen.until)),
            ]
        ),
        Lines(lines=lines),
        Table(
            caption=call.text("Từng cảnh báo, lâu nhất trước", "Each of them, the oldest first"),
            heads=[call.text("Đối tượng", "Subject"), call.text("Từ lúc", "Since")],
            rows=[[_subject(one.subject), words.when(one.since)] for one in group.alerts[:_GROUPS]],
            more=call.text(f"Còn {len(group.alerts) - _GROUPS} nữa.", f"{len(group.alerts) - _GROUPS} more.")
            if len(group.alerts) > _GROUPS
            else "",
        ),
    ]
    if call.can(OperatorRole.OPERATOR):
        until = FormField(name="den", label=call.text("Nhắc lại sau ngày", "News again after"), sort="date")
        parts.append(
            Act(
                to=ACTS[0].to,
                button=call.text("Tiếp nhận cảnh báo này", "Take it on"),
                hidden=[("id", group.id)],
                fields=[until],
            )
        )
    return Shown(title=call.text(*ALARMS[group.alarm]), parts=parts)


def _subject(subject: str) -> Cell:
    """What an alert is about, leading to where it can be looked up."""
    return Link(subject, words.desk_address("/tim", tu_khoa=subject)) if " " not in subject else subject


def _plan_ack(call: DeskCall) -> ActPlan:
    name, until = text_of(call.form, "id"), day_of_field(call.form, "den", ends=True)
    group = next((one for one in groups_now(call) if one.id == name), None)
    if group is None:
        raise Stopped(unknown("alert", name))
    when = words.when(until) if until else call.text("khi hết", "it is over")
    says = call.text(
        f"Tiếp nhận nhóm {group.id} ({len(group.alerts)}): ngừng nhắc tới {when}.",
        f"Take on group {group.id} ({len(group.alerts)}): no news until {when}.",
    )
    return ActPlan(says=[says], facts={"id": name, "until": until.isoformat() if until else None})


def _do_ack(call: DeskCall, facts: Mapping[str, Any], reason: str) -> ActDone:
    until = datetime.fromisoformat(facts["until"]) if facts["until"] else None
    group = alert_named(groups_now(call), facts["id"], until, call.now)
    acknowledge_alert(call.store, group, who=call.at_desk.who, note=reason, until=until, now=call.now)
    back = Link(call.text("Tổng quan", "This morning"), words.desk_address(""))
    return ActDone(says=[call.text(f"Đã tiếp nhận {group.id}.", f"Took on {group.id}.")], links=[back])


ACTS = [
    DeskAct(
        name="nhan-canh-bao",
        command="alerts ack",
        role=OperatorRole.OPERATOR,
        title=("tiếp nhận cảnh báo", "take on"),
        plan=_plan_ack,
        do=_do_ack,
    )
]
PAGES = [
    DeskPage(method="GET", path="", make=morning),
    DeskPage(method="GET", path="/canh-bao/{id}", make=alert),
]
