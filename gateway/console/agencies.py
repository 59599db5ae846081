"""Cơ quan: what each party is owed and how it answers; one party whole, and what can be ordered about it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.cli.find import OUTCOME_WORDS, STATE_WORDS
from gateway.cli.orders import STANDS, TELLS
from gateway.console import words
from gateway.console.acts import ActDone, ActPlan, DeskAct
from gateway.console.charts import bars
from gateway.console.fields import choice_of, text_of
from gateway.console.parts import (
    Act,
    Cell,
    Downloads,
    Facts,
    FormField,
    Glance,
    Lines,
    Link,
    Original,
    Part,
    Search,
    Table,
)
from gateway.console.room import Answer, DeskCall, DeskPage, Shown
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.model import AttemptOutcome, PartyId
from gateway.core.orders import ORDERS, PartyOrder, orders_for, why_not
from gateway.core.parties import Party, Receives, Role
from gateway.core.problems import Stopped
from gateway.core.unknown import unknown
from gateway.services.overview import delivery_speed
from gateway.services.profiles import fields_changed_between, order_party
from gateway.store import PartyVersion, Queue, Spoken

SHOWN: Final = 50
NAMED: Final = 3  # fields that a change of a profile is named by in a list
TRIES: Final = 1000  # of a party, the newest, from which its speed is told
_SHOWN_SETTINGS: Final = frozenset(
    {"url", "timeout_s", "private_addresses", "folder", "wsdl"}
)  # the others may be secrets
SPOKEN: Final = timedelta(days=30)
LOOKED: Final = 20_000  # of the newest messages tell which versions are in use: a page does not read a month of them
_BY_HOUR: Final = timedelta(days=2)


def agencies(call: DeskCall) -> Answer:
    """Every party with its queue and its inbox."""
    with call.store.read() as view:
        queues = {queue.party: queue for queue in view.queues()}
        took = view.delivered_lately(TRIES)
        inboxes = {party.id: view.reader(party.id) for party in call.parties if party.receives is Receives.PULL}
    rows: list[Sequence[Cell]] = []
    for party in sorted((one for one in call.parties if one.role is not Role.GATEWAY), key=lambda one: one.name):
        queue, reader = queues.get(party.id), inboxes.get(party.id)
        unread = reader.head - reader.confirmed if reader is not None else None
        rows.append(
            [
                Link(party.name, words.desk_address(f"/co-quan/{party.id}")),
                str(party.id),
                _standing(call, party, queue),
                sum(queue.counts.values()) if queue is not None else 0,
                words.since(call, queue.oldest_due)
                if queue is not None and queue.oldest_due and queue.oldest_due < call.now
                else None,
                *_speeds(took.get(party.id, [])),
                unread,
            ]
        )
    heads = (
        ("Tên", "Name"),
        ("Mã", "Id"),
        ("Tình trạng", "Standing"),
        ("Còn phải gửi", "Owed"),
        ("Đến hạn gửi từ", "Due since"),
        ("Thời gian giao, trung vị", "Delivered in, median"),
        ("Thời gian giao, 95 %", "Delivered in, 95 %"),
        ("Hộp thư chưa được đọc", "Unread"),
    )
    caption = call.text("Các bên trong sổ đăng ký", "The parties of the registry")
    return Shown(
        title=call.text("Cơ quan", "Parties"),
        parts=[Table(caption=caption, heads=[call.text(*head) for head in heads], rows=rows)],
    )


def _speeds(took: Sequence[float]) -> tuple[str | None, str | None]:
    """Median and 95 % of spans."""
    if not took:
        return None, None
    speed = delivery_speed(took)
    return f"{speed.p50_s:.1f} s", f"{speed.p95_s:.1f} s"


def _standing(call: DeskCall, party: Party, queue: Queue | None) -> Glance:
    if not party.open:
        return Glance(call.text("bị khóa", "locked"), "bad")
    if not party.called and party.connector is not None:
        return Glance(call.text("tạm dừng gửi", "paused"), "wait")
    if queue is not None and queue.failures:
        said = (f"{queue.failures} lần liên tiếp không trả lời", f"{queue.failures} times in a row no answer")
        return Glance(call.text(*said), "bad")
    return Glance(call.text("bình thường", "fine"), "good")


def agency(call: DeskCall) -> Answer:
    """One party. Raises Stopped (SYS-042)."""
    name = text_of(call.place, "id", 100)
    party = call.parties.get(name)
    if party is None:
        raise Stopped(unknown("party", name))
    with call.store.read() as view:
        queue = next((queue for queue in view.queues() if queue.party == party.id), None)
        reader = view.reader(party.id) if party.receives is Receives.PULL else None
        first = view.inbox_after(party.id, reader.confirmed, 1) if reader is not None else []
        lanes = view.lanes(held_only=True, party=party.id, limit=SHOWN + 1)
        tries = view.newest_attempts(party.id, TRIES)
        spoken = [one for one in view.spoken(call.now - SPOKEN, LOOKED) if one.party == party.id]
        history = view.party_history(party.id)
    facts: list[tuple[str, Cell]] = [
        (call.text("Mã", "Id"), str(party.id)),
        (call.text("Mã định danh", "Identifiers"), ", ".join(party.identifiers)),
        (call.text("Tình trạng", "Standing"), _standing(call, party, queue)),
        (
            call.text("Nhận bằng", "Receives by"),
            party.connector if party.receives is Receives.PUSH else call.text("hộp thư", "inbox"),
        ),
    ]
    if party.desk.paused is not None:
        facts.append((call.text("Lý do tạm dừng", "Paused because"), party.desk.paused))
    if not party.open:
        facts.append((call.text("Lý do khóa", "Locked because"), party.desk.locked or party.disabled_reason))
    if queue is not None:
        owed = ", ".join(f"{call.text(*STATE_WORDS[state])} {count}" for state, count in queue.counts.items())
        facts.append((call.text("Còn phải gửi", "Owed"), owed or None))
        facts.append((call.text("Đến hạn gửi từ", "Due since"), words.when(queue.oldest_due)))
    if reader is not None:
        facts.append(
            (
                call.text("Hộp thư", "Inbox"),
                call.text(
                    f"mới nhất {reader.head}, đã xác nhận tới {reader.confirmed}",
                    f"newest {reader.head}, confirmed up to {reader.confirmed}",
                ),
            )
        )
        facts.append(
            (
                call.text("Chưa đọc lâu nhất", "Oldest unread"),
                words.since(call, first[0].recorded_at) if first else None,
            )
        )
    parts: list[Part] = [Facts(rows=facts), *_orders(call, party)]
    parts.append(
        Table(
            caption=call.text("Hàng đợi theo hồ sơ đang bị tạm giữ", "Lanes that are held"),
            heads=[
                call.text("Hồ sơ", "Dossier"),
                call.text("Lượt gửi đầu", "First delivery"),
                call.text("Trạng thái", "State"),
                call.text("Mã lỗi", "Code"),
                call.text("Còn", "Open"),
                call.text("Từ lúc", "Since"),
            ],
            rows=[
                [
                    words.to_dossier(lane.lane),
                    Link(lane.first.id, words.desk_address(f"/luot-gui/{lane.first.id}")),
                    words.delivery_mark(call, lane.first.state),
                    lane.first.problem.code if lane.first.problem else None,
                    lane.open,
                    words.when(lane.since),
                ]
                for lane in lanes[:SHOWN]
            ],
            empty=call.text("không có.", "none."),
            more=call.text(f"Còn nữa sau {SHOWN}.", f"More after {SHOWN}.") if len(lanes) > SHOWN else "",
        )
    )
    parts += _speed(call, tries)
    parts.append(_versions(call, party, spoken))
    parts.append(_history(call, party.id, history))
    if history and history[-1].profile is not None:
        profile = call.text("Hồ sơ bên đang có hiệu lực", "The profile in force")
        parts.append(Original(name=profile, text=_without_secrets(history[-1].profile)))
        edit = call.text(
            "Đổi cách gửi, chứng thư, mã truy cập: sửa tệp hồ sơ bên rồi chạy lienthong parties apply.",
            "To change how it is delivered to, its certificates or tokens: edit its profile, then lienthong parties apply.",
        )
        parts.append(Lines(lines=[edit]))
    return Shown(title=party.name, parts=parts)


def _history(call: DeskCall, party: PartyId, history: Sequence[PartyVersion]) -> Part:
    """The versions, the newest first, each with what it changed and the way to the whole of it."""
    heads = (("Phiên bản", "Version"), ("Lúc", "At"), ("Ai", "Who"), ("Lý do", "Reason"), ("Thay đổi", "Changed"))
    listed = history[-SHOWN:]
    before = [history[-SHOWN - 1] if len(history) > SHOWN else None, *listed[:-1]]
    rows: list[Sequence[Cell]] = [
        [
            one.version,
            words.when(one.applied_at),
            words.person(call, one.author),
            one.reason,
            call.text("lần đầu", "the first")
            if old is None
            else Link(
                _named_fields(call, fields_changed_between(old.profile, one.profile)),
                words.desk_address(f"/co-quan/{party}/thay-doi", tu=old.version, den=one.version),
            ),
        ]
        for old, one in zip(before, listed, strict=True)
    ]
    return Table(
        caption=call.text("Các lần áp dụng hồ sơ bên, mới nhất trước", "Versions of the profile, the newest first"),
        heads=[call.text(*head) for head in heads],
        rows=rows[::-1],
        more=call.text(f"Còn {len(history) - SHOWN} lần trước đó.", f"{len(history) - SHOWN} earlier ones.")
        if len(history) > SHOWN
        else "",
    )


def _named_fields(call: DeskCall, changed: Mapping[str, Any]) -> str:
    """The first few by name, how many there are more."""
    if not changed:
        return call.text("không khác", "nothing")
    more = len(changed) - NAMED
    return ", ".join([*changed][:NAMED]) + (call.text(f" và {more} mục nữa", f" and {more} more") if more > 0 else "")


def profile_changes(call: DeskCall) -> Answer:
    """Two versions of a profile side by side: what the later one says otherwise, who applied it, when and why.

    Raises Stopped (SYS-042, SYS-170).
    """
    name = text_of(call.place, "id", 100)
    with call.store.read() as view:
        history = {str(one.version): one for one in view.party_history(name)}
    if not history:
        raise Stopped(unknown("party", name))
    newest = list(history)
    later = choice_of(call.query, "den", history) or newest[-1]
    earlier = choice_of(call.query, "tu", history) or newest[max(0, newest.index(later) - 1)]
    both = [history[earlier], history[later]]
    said = [(str(one.version), f"{one.version} · {words.when(one.applied_at)}") for one in history.values()][::-1]
    changed = fields_changed_between(both[0].profile, both[1].profile)
    title = call.names().get(PartyId(name), name)
    heads = (("Phiên bản", "Version"), ("Lúc", "At"), ("Ai", "Who"), ("Lý do", "Reason"))
    parts: list[Part] = [
        Search(
            to=words.desk_address(f"/co-quan/{name}/thay-doi"),
            button=call.text("So sánh", "Compare"),
            fields=[
                FormField(name="tu", label=call.text("Phiên bản trước", "Before"), value=earlier, choices=said),
                FormField(name="den", label=call.text("Phiên bản sau", "After"), value=later, choices=said),
            ],
        ),
        Table(
            caption=call.text("Hai phiên bản", "The two versions"),
            heads=[call.text(*head) for head in heads],
            rows=[
                [one.version, words.when(one.applied_at), words.person(call, one.author), one.reason] for one in both
            ],
        ),
        Table(
            caption=call.text("Nội dung khác nhau", "What differs"),
            heads=[call.text("Mục", "Field"), call.text("Trước", "Before"), call.text("Sau", "After")],
            rows=[[field, *_for_eyes(call, field, values)] for field, values in changed.items()],
            empty=call.text("hai phiên bản giống nhau.", "they say the same."),
            cards=True,
        ),
        Downloads(links=[Link(title, words.desk_address(f"/co-quan/{name}"))]),
    ]
    return Shown(title=call.text(f"Thay đổi hồ sơ bên: {title}", f"Changes of the profile: {title}"), parts=parts)


def _for_eyes(call: DeskCall, field: str, values: tuple[str | None, str | None]) -> list[Cell]:
    """The values as anybody at the desk may see them: of what may be a secret, only that it is there."""
    table, _, key = field.partition(".")
    secret = table == "credentials" or (table == "connector_settings" and key.partition(".")[0] not in _SHOWN_SETTINGS)
    kept, without = call.text("có, không hiển thị", "set, not shown"), call.text("không có", "not set")
    return [without if value is None else kept if secret else value for value in values]


def _without_secrets(profile: str) -> str:
    """The profile for eyes: without what passwords and tokens are compared with, certificates by their fingerprints."""
    try:
        known = json.loads(profile)
    except ValueError:
        return ""
    known.pop("credentials", None)
    known["certificates"] = [one.get("fingerprint") for one in known.get("certificates", [])]
    known["connector_settings"] = {
        name: value for name, value in known.get("connector_settings", {}).items() if name in _SHOWN_SETTINGS
    }
    return json.dumps(known, ensure_ascii=False, indent=2)


def _speed(call: DeskCall, tries: Sequence[tuple[AttemptOutcome, datetime, float]]) -> list[Part]:
    """How long this party takes to answer, and what the tries came to, altogether and over time."""
    if not tries:
        return []
    took = _answered(tries)
    counts = Counter(outcome for outcome, _, _ in tries)
    says = call.text(f"{len(tries)} lần thử mới nhất.", f"The newest {len(tries)} tries.")
    if took:
        speed = delivery_speed(took)
        says = call.text(
            f"{len(tries)} lần thử mới nhất; trả lời trong {speed.p50_s:.2f} giây (trung vị), {speed.p95_s:.2f} giây (95 %).",
            f"The newest {len(tries)} tries; answered in {speed.p50_s:.2f} s (median), {speed.p95_s:.2f} s (95 %).",
        )
    rows = [
        (call.text(*OUTCOME_WORDS[outcome]), float(counts[outcome]), str(counts[outcome]))
        for outcome in AttemptOutcome
        if counts[outcome]
    ]
    heads = (call.text("Kết quả", "Outcome"), call.text("Số lần", "Times"))
    return [
        bars("lan-thu", call.text("Kết quả các lần thử", "What tries came to"), says, heads, rows),
        _over_time(call, tries),
    ]


def _answered(tries: Sequence[tuple[AttemptOutcome, datetime, float]]) -> list[float]:
    """How long those tries took that were answered."""
    return [seconds for outcome, _, seconds in tries if outcome is not AttemptOutcome.UNREACHABLE]


def _over_time(call: DeskCall, tries: Sequence[tuple[AttemptOutcome, datetime, float]]) -> Part:
    """The same by hour, or by day where they reach back further; the newest first."""
    begun = [at for _, at, _ in tries]
    form = "%d/%m %Hh" if max(begun) - min(begun) <= _BY_HOUR else "%d/%m/%Y"
    spans: dict[str, list[tuple[AttemptOutcome, datetime, float]]] = {}
    for one in sorted(tries, key=lambda one: one[1], reverse=True):
        spans.setdefault(one[1].astimezone(GIO_VIET_NAM).strftime(form), []).append(one)
    seen = [outcome for outcome in AttemptOutcome if any(one is outcome for one, _, _ in tries)]
    rows: list[Sequence[Cell]] = [
        [span, *(sum(one is outcome for one, _, _ in part) for outcome in seen), *_speeds(_answered(part))]
        for span, part in spans.items()
    ]
    heads = [
        call.text("Lúc", "When"),
        *(call.text(*OUTCOME_WORDS[outcome]) for outcome in seen),
        call.text("Trả lời trong, trung vị", "Answered in, median"),
        call.text("95 %", "95 %"),
    ]
    return Table(
        caption=call.text("Kết quả các lần thử theo thời gian", "What tries came to, over time"),
        heads=heads,
        rows=rows[:SHOWN],
        more=call.text(f"Còn {len(rows) - SHOWN} dòng nữa.", f"{len(rows) - SHOWN} more lines.")
        if len(rows) > SHOWN
        else "",
    )


def _versions(call: DeskCall, party: Party, spoken: Sequence[Spoken]) -> Part:
    """Which versions of which message it reads, by its profile, and has sent."""
    kinds = sorted({*party.versions, *(one.loai for one in spoken)})
    rows: list[Sequence[Cell]] = []
    for kind in kinds:
        reads = party.versions.get(kind)
        sent: list[Spoken | None] = [one for one in spoken if one.loai == kind]
        for one in sent or [None]:
            said: list[Cell] = [None, None, None] if one is None else [one.phien_ban, one.count, words.when(one.last)]
            rows.append(
                [kind, ", ".join(reads) if reads is not None else call.text("mọi phiên bản", "every one"), *said]
            )
    heads = (
        ("Loại", "Type"),
        ("Đọc được", "Reads"),
        ("Đã gửi trong 30 ngày", "Sent in 30 days"),
        ("Số", "Count"),
        ("Lần cuối", "Last"),
    )
    return Table(
        caption=call.text("Phiên bản thông điệp", "Versions of messages"),
        heads=[call.text(*head) for head in heads],
        rows=rows,
        empty=call.text(
            "hồ sơ bên không giới hạn, và không có thông điệp nào trong 30 ngày.",
            "its profile names none, and it sent no message in 30 days.",
        ),
    )


# What is ordered about a party


def _orders(call: DeskCall, party: Party) -> list[Part]:
    """The buttons of what can be ordered, for whoever may."""
    return [
        Act(
            to=act.to,
            button=call.text(*act.title).capitalize(),
            hidden=[("ben", str(party.id))],
            grave=act.grave,
        )
        for act, order in zip(ACTS, PartyOrder, strict=True)
        if order in orders_for(party) and call.can(act.role)
    ]


def _planning(order: PartyOrder) -> Callable[[DeskCall], ActPlan]:
    def plan(call: DeskCall) -> ActPlan:
        name = text_of(call.form, "ben", 100)
        party = call.parties.get(name)
        if party is None:
            raise Stopped(unknown("party", name))
        if (problem := why_not(party, order)) is not None:
            raise Stopped(problem)
        with call.store.read() as view:
            queue = next((queue for queue in view.queues() if queue.party == party.id), None)
        owed = sum(queue.counts.values()) if queue is not None else 0
        act_vi, act_en = ORDERS[order].act
        says = [
            call.text(f"{act_vi.capitalize()} {party.name}.", f"{act_en.capitalize()} {party.name}."),
            call.text(*TELLS[order]),
            call.text(f"Còn phải gửi tới bên này: {owed} lượt.", f"Deliveries owed to it: {owed}."),
            call.text(
                "Áp dụng tệp hồ sơ bên không làm thay đổi việc này.", "Applying profile files does not change this."
            ),
        ]
        back = Link(party.name, words.desk_address(f"/co-quan/{party.id}"))
        return ActPlan(says=says, facts={"ben": str(party.id)}, back=back)

    return plan


def _ordering(order: PartyOrder) -> Callable[[DeskCall, Mapping[str, Any], str], ActDone]:
    def do(call: DeskCall, facts: Mapping[str, Any], reason: str) -> ActDone:
        name = PartyId(facts["ben"])
        party = order_party(call.store, name, order, who=call.at_desk.who, reason=reason, now=call.now)
        stands_vi, stands_en = STANDS[order]
        said = call.text(f"{party.name} {stands_vi}.", f"{party.name} {stands_en}.")
        return ActDone(says=[said], links=[Link(party.name, words.desk_address(f"/co-quan/{party.id}"))])

    return do


_NAMES: Final[Mapping[PartyOrder, tuple[str, str, str]]] = {
    PartyOrder.PAUSE: ("ben-tam-dung", "tạm dừng gửi tới bên này", "pause the party"),
    PartyOrder.RESUME: ("ben-gui-tiep", "gửi tiếp tới bên này", "resume the party"),
    PartyOrder.LOCK: ("ben-khoa", "khóa bên này", "lock the party"),
    PartyOrder.UNLOCK: ("ben-mo-khoa", "mở khóa bên này", "unlock the party"),
}
ACTS = [
    DeskAct(
        name=_NAMES[order][0],
        command=f"parties {order.value}",
        role=ORDERS[order].role,
        title=_NAMES[order][1:],
        plan=_planning(order),
        do=_ordering(order),
        grave=order is PartyOrder.LOCK,
    )
    for order in PartyOrder
]


PAGES = [
    DeskPage(method="GET", path="/co-quan", make=agencies),
    DeskPage(method="GET", path="/co-quan/{id}", make=agency),
    DeskPage(method="GET", path="/co-quan/{id}/thay-doi", make=profile_changes),
]
