"""Cơ quan: what each party is owed and how it answers; one party with its queue, speed, inbox, versions and profile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from gateway.cli.find import OUTCOME_WORDS, STATE_WORDS
from gateway.console import words
from gateway.console.charts import bars
from gateway.console.fields import text_of
from gateway.console.parts import Cell, Facts, Glance, Lines, Link, Original, Part, Table
from gateway.console.room import Answer, DeskCall, DeskPage, Shown
from gateway.core.model import AttemptOutcome
from gateway.core.parties import Receives
from gateway.core.problems import Stopped
from gateway.core.unknown import unknown
from gateway.store import Queue

SHOWN: Final = 50
TRIES: Final = 1000  # of a party, the newest, from which its speed is told
_SHOWN_SETTINGS: Final = frozenset(
    {"url", "timeout_s", "private_addresses", "folder", "wsdl"}
)  # the others may be secrets
SPOKEN: Final = timedelta(days=30)


def agencies(call: DeskCall) -> Answer:
    """Every party with its queue and its inbox."""
    with call.store.read() as view:
        queues = {queue.party: queue for queue in view.queues()}
        inboxes = {party.id: view.reader(party.id) for party in call.parties if party.receives is Receives.PULL}
    rows: list[Sequence[Cell]] = []
    for party in sorted(call.parties, key=lambda one: one.name):
        queue, reader = queues.get(party.id), inboxes.get(party.id)
        unread = reader.head - reader.confirmed if reader is not None else None
        rows.append(
            [
                Link(party.name, words.desk_address(f"/co-quan/{party.id}")),
                str(party.id),
                _standing(call, party.enabled, queue),
                sum(queue.counts.values()) if queue is not None else 0,
                words.since(call, queue.oldest_due)
                if queue is not None and queue.oldest_due and queue.oldest_due < call.now
                else None,
                unread,
            ]
        )
    heads = (
        ("Tên", "Name"),
        ("Mã", "Id"),
        ("Tình trạng", "Standing"),
        ("Còn phải gửi", "Owed"),
        ("Quá giờ gửi", "Due since"),
        ("Hộp thư chưa được đọc", "Unread"),
    )
    caption = call.text("Các bên trong sổ đăng ký", "The parties of the registry")
    return Shown(
        title=call.text("Cơ quan", "Parties"),
        parts=[Table(caption=caption, heads=[call.text(*head) for head in heads], rows=rows)],
    )


def _standing(call: DeskCall, enabled: bool, queue: Queue | None) -> Glance:
    if not enabled:
        return Glance(call.text("bị khóa", "locked"), "bad")
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
        spoken = [one for one in view.spoken(call.now - SPOKEN) if one.party == party.id]
        history = view.party_history(party.id)
    facts: list[tuple[str, Cell]] = [
        (call.text("Mã", "Id"), str(party.id)),
        (call.text("Mã định danh", "Identifiers"), ", ".join(party.identifiers)),
        (call.text("Tình trạng", "Standing"), _standing(call, party.enabled, queue)),
        (
            call.text("Nhận bằng", "Receives by"),
            party.connector if party.receives is Receives.PUSH else call.text("hộp thư", "inbox"),
        ),
    ]
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
    parts: list[Part] = [Facts(rows=facts)]
    parts.append(
        Table(
            caption=call.text("Hàng đợi theo hồ sơ đang bị tạm giữ", "Lanes that are held"),
            heads=[
                call.text("Hồ sơ", "Dossier"),
                call.text("Lượt gửi đầu", "First delivery"),
                call.text("Trạng thái", "State"),
                call.text("Mã vấn đề", "Code"),
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
    parts.append(
        Table(
            caption=call.text("Loại và phiên bản đã gửi trong 30 ngày", "Types and versions sent in 30 days"),
            heads=[
                call.text("Loại", "Type"),
                call.text("Phiên bản", "Version"),
                call.text("Số", "Count"),
                call.text("Lần cuối", "Last"),
            ],
            rows=[[one.loai, one.phien_ban, one.count, words.when(one.last)] for one in spoken],
        )
    )
    heads = (("Phiên bản sổ đăng ký", "Version"), ("Lúc", "At"), ("Ai", "Who"), ("Lý do", "Reason"))
    parts.append(
        Table(
            caption=call.text("Các lần áp dụng hồ sơ bên", "Versions of the profile"),
            heads=[call.text(*head) for head in heads],
            rows=[
                [one.version, words.when(one.applied_at), one.author.removeprefix("operator:"), one.reason]
                for one in reversed(history[-SHOWN:])
            ],
        )
    )
    if history and history[-1].profile is not None:
        profile = call.text("Hồ sơ bên đang có hiệu lực", "The profile in force")
        parts.append(Original(name=profile, text=_without_secrets(history[-1].profile)))
        lock = call.text(
            "Khóa, mở khóa, đổi cách gửi: sửa tệp hồ sơ bên rồi chạy lienthong parties apply.",
            "To lock, unlock, or change how it is delivered to: edit its profile, then lienthong parties apply.",
        )
        parts.append(Lines(lines=[lock]))
    return Shown(title=party.name, parts=parts)


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


def _speed(call: DeskCall, tries: Sequence[tuple[AttemptOutcome, float]]) -> list[Part]:
    """How long this party takes to answer, and what the tries came to."""
    if not tries:
        return []
    took = sorted(seconds for outcome, seconds in tries if outcome is not AttemptOutcome.UNREACHABLE)
    counts = {outcome: sum(1 for one, _ in tries if one is outcome) for outcome in AttemptOutcome}
    middle, most = (took[len(took) // 2], took[min(len(took) - 1, len(took) * 95 // 100)]) if took else (0.0, 0.0)
    says = call.text(
        f"{len(tries)} lần thử mới nhất; trả lời trong {middle:.2f} giây (trung vị), {most:.2f} giây (95 %).",
        f"The newest {len(tries)} tries; answered in {middle:.2f} s (median), {most:.2f} s (95 %).",
    )
    rows = [
        (call.text(*OUTCOME_WORDS[outcome]), float(count), str(count)) for outcome, count in counts.items() if count
    ]
    heads = (call.text("Kết quả", "Outcome"), call.text("Số lần", "Times"))
    return [bars("lan-thu", call.text("Kết quả các lần thử", "What tries came to"), says, heads, rows)]


PAGES = [
    DeskPage(method="GET", path="/co-quan", make=agencies),
    DeskPage(method="GET", path="/co-quan/{id}", make=agency),
]
