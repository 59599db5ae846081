"""Thông điệp: filters, and one message with its verdicts, places and remedies, its original with a reason, its evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from gateway.console import words
from gateway.console.acts import reason_given
from gateway.console.fields import choice_of, period_of, text_of
from gateway.console.parts import (
    Act,
    Cell,
    Facts,
    FormField,
    Heading,
    Lines,
    Link,
    Original,
    Part,
    Search,
    Table,
    ToldProblems,
)
from gateway.console.replay import REPLAY, SKIP, judging_again
from gateway.console.room import BASE, Answer, DeskCall, DeskPage, Elsewhere, Sent, Shown
from gateway.core.ledger import LogLine
from gateway.core.model import Delivery, DeliveryState, Fate, MessageId
from gateway.core.operators import OperatorRole
from gateway.core.problems import Problem, Stopped
from gateway.core.unknown import unknown
from gateway.services import desk, profiles
from gateway.services.bundles import gather
from gateway.store import Message
from gateway.wiring import own_certificates
from signing.evidence import write_bundle

PAGE: Final = 50
MOST: Final = 10_000  # are counted behind a page
LOOKED: Final = 20_000  # of the newest are looked at for what no index knows; a page does not read a million for a word
_SEARCHED: Final = ("party", "receiver", "text", "loai", "code")
SHOWN_BYTES: Final = 200_000  # of an original, on a page


def found_messages(call: DeskCall) -> Answer:
    """The filters, and the newest messages that fit."""
    query, names = call.query, call.names()
    since, until = period_of(query)
    state = choice_of(query, "trang_thai", [fate.value for fate in Fate])
    chosen: dict[str, Any] = {
        "state": Fate(state) if state else None,
        "party": call.party(text_of(query, "gui")),
        "receiver": call.party(text_of(query, "nhan")),
        "text": text_of(query, "chu", 100) or None,
        "loai": text_of(query, "loai", 10).upper() or None,
        "code": text_of(query, "ma_loi", 10).upper() or None,
        "ma_ho_so": text_of(query, "ho_so", 100) or None,
        "since": since,
        "until": until,
    }
    before = text_of(query, "truoc", 100) or None
    searched = any(chosen[name] for name in _SEARCHED) and not chosen["ma_ho_so"]
    narrowed = {"state": chosen["state"], "since": since, "until": until, "before": before}
    with call.store.read() as view:
        edge = view.oldest_of_newest(LOOKED, **narrowed) if searched else None
        if edge is not None:
            chosen["since"] = edge[1]
        found = view.messages(**chosen, before=before, limit=PAGE)
        more = view.more_messages(found[-1], MOST, **chosen) if len(found) == PAGE else 0
    fates = [("", call.text("tất cả", "all")), *((fate.value, words.fate_mark(call, fate).text) for fate in Fate)]
    left = words.bounded(call, more, MOST)
    return Shown(
        title=call.text("Thông điệp", "Messages"),
        parts=[
            Search(
                to=words.desk_address("/thong-diep"),
                button=call.text("Lọc", "Filter"),
                fields=[
                    FormField(name="trang_thai", label=call.text("Trạng thái", "State"), value=state, choices=fates),
                    words.party_field(call, "gui", call.text("Bên gửi", "Sender"), chosen["party"] or ""),
                    words.party_field(call, "nhan", call.text("Bên nhận", "Receiver"), chosen["receiver"] or ""),
                    FormField(name="loai", label=call.text("Loại (HS05)", "Type (HS05)"), value=chosen["loai"] or ""),
                    FormField(name="ma_loi", label=call.text("Mã lỗi", "Problem code"), value=chosen["code"] or ""),
                    FormField(
                        name="chu",
                        label=call.text("Vấn đề có đoạn văn bản", "Problem contains"),
                        value=chosen["text"] or "",
                    ),
                    FormField(name="ho_so", label=call.text("Mã hồ sơ", "Dossier"), value=chosen["ma_ho_so"] or ""),
                    *words.days_fields(call),
                ],
            ),
            Table(
                caption=call.text("Thông điệp, mới nhất trước", "Messages, the newest first"),
                heads=words.message_heads(call),
                rows=[words.message_row(call, message, names) for message in found],
                empty=call.text("không có thông điệp phù hợp.", "none like that."),
                following=Link(
                    call.text(f"Trang sau (còn {left})", f"Next page ({left} more)"),
                    words.desk_address("/thong-diep", **{**query, "truoc": found[-1].id}),
                )
                if more
                else None,
            ),
            *_looked_so_far(call, edge),
            *_judge_these_again(call, found, state),
        ],
    )


def _looked_so_far(call: DeskCall, edge: tuple[MessageId, datetime] | None) -> list[Part]:
    """That older messages were not looked at, and the way to them."""
    if edge is None:
        return []
    message, at = edge
    looked = f"{LOOKED:,}".replace(",", ".")
    says = call.text(
        f"Đã tìm trong {looked} thông điệp mới nhất của kỳ, từ {words.when(at)}; thông điệp cũ hơn chưa được tìm.",
        f"Looked among the newest {looked} messages of the time, from {words.when(at)} on; older ones were not looked at.",
    )
    further = Link(
        call.text("Tìm tiếp ở các thông điệp cũ hơn", "Look among older ones"),
        words.desk_address("/thong-diep", **{**call.query, "truoc": message}),
    )
    head = call.text("Trang", "Page")
    return [Lines(lines=[says]), Table(caption=call.text("Xem tiếp", "See next"), heads=[head], rows=[[further]])]


def _judge_these_again(call: DeskCall, found: Sequence[Message], state: str) -> list[Part]:
    """The act on exactly what the filter finds, as far as it is not accepted."""
    if not call.can(OperatorRole.OPERATOR) or all(message.state is Fate.ACCEPTED for message in found):
        return []
    return [
        Act(
            to=REPLAY.to,
            button=call.text("Xét lại đúng nhóm này", "Judge exactly this group again"),
            hidden=judging_again(state, call.query),
            title=call.text(
                "Xét lại các thông điệp bị từ chối, đang tạm giữ theo bộ lọc trên",
                "Judge those again that are rejected or held, by the filter above",
            ),
        )
    ]


def found_by_any(call: DeskCall) -> Answer:
    """One field for everything: a dossier, a message, a delivery, a party."""
    asked = text_of(call.query, "tu_khoa", 100)
    with call.store.read() as view:
        if view.dossiers_named([asked]) or view.also_known_as(asked):
            return Elsewhere(to=words.desk_address("/ho-so/xem", ma=asked))
        if view.delivery(asked) is not None:
            return Elsewhere(to=words.desk_address(f"/luot-gui/{asked}"))
    if call.parties.get(asked) is not None:
        return Elsewhere(to=words.desk_address(f"/co-quan/{asked}"))
    return Elsewhere(to=words.desk_address(f"/thong-diep/{desk.one(call.store, asked).id}"))


def one_message(call: DeskCall) -> Answer:
    """Everything known about one message but its content. Raises Stopped (SYS-042, SYS-043)."""
    message = _meant(call)
    if message.id != call.place["id"]:
        return Elsewhere(to=words.desk_address(f"/thong-diep/{message.id}"))
    known, names = desk.everything(call.store, message.id), call.names()
    kind = " ".join(str(part) for part in (message.loai, message.goc, message.phien_ban) if part) or None
    facts: list[tuple[str, Cell]] = [
        (call.text("Trạng thái", "State"), words.fate_mark(call, message.state)),
        ("MaThongDiep", message.ma_thong_diep),
        (call.text("Loại", "Type"), kind),
        (call.text("Hồ sơ", "Dossier"), words.to_dossier(message.ma_ho_so)),
        (call.text("Bên gửi", "Sender"), words.named(message.party, names)),
        (call.text("Lúc nhận", "Received"), words.when(message.received_at)),
        (call.text("Căn cứ tin cậy", "Believed on"), message.basis),
        (call.text("Độ dài", "Length"), f"{message.total_bytes:,} byte".replace(",", ".")),
        ("SHA-256", message.digest),
        (call.text("Xác nhận tiếp nhận", "Receipt"), call.text("có", "yes") if known.has_receipt else None),
    ]
    if known.erased_at is not None:
        facts.append((call.text("Nội dung đã xóa", "Content erased"), words.when(known.erased_at)))
    parts: list[Part] = [Facts(rows=facts)]
    for verdict in reversed(known.verdicts):
        said = f"{words.fate_mark(call, verdict.state).text}, {words.when(verdict.judged_at)}, "
        said += words.person(call, verdict.who)
        parts.append(
            Heading(
                text=call.text(
                    f"Lần xét {verdict.number}: {said}",
                    f"Judgement {verdict.number}: {said}",
                )
            )
        )
        parts.append(ToldProblems(problems=verdict.problems))
    rows = [
        words.delivery_row(call, one, known.attempts[one.id][-1] if known.attempts[one.id] else None, names)
        for one in known.deliveries
    ]
    parts.append(Table(caption=call.text("Lượt gửi", "Deliveries"), heads=words.delivery_heads(call), rows=rows))
    parts.append(
        Table(
            caption=call.text("Hộp thư", "Inboxes"),
            heads=[call.text("Bên", "Party"), call.text("Vị trí", "Position")],
            rows=[[words.named(entry.party, names), entry.position] for entry in known.inbox],
        )
    )
    others = desk.others_of(call.store, message)
    parts.append(
        Table(
            caption=call.text("Lần nhận khác cùng MaThongDiep", "Other arrivals with this MaThongDiep"),
            heads=words.message_heads(call),
            rows=[words.message_row(call, other, names) for other in others],
        )
    )
    if call.can(OperatorRole.OPERATOR):
        parts += _acts(call, message)
    return Shown(title=call.text(f"Thông điệp {message.id}", f"Message {message.id}"), parts=parts)


def _meant(call: DeskCall) -> Message:
    return desk.one(call.store, text_of(call.place, "id", 100))


def _acts(call: DeskCall, message: Message) -> list[Part]:
    why = FormField(
        name="ly-do", label=call.text("Lý do, ghi vào nhật ký", "The reason; it goes into the log"), needed=True
    )
    here = f"{BASE}/thong-diep/{message.id}"
    parts: list[Part] = []
    if message.state is not Fate.ACCEPTED:
        parts.append(
            Act(
                to=REPLAY.to,
                button=call.text("Xét lại", "Judge again"),
                hidden=[("id", message.id)],
                title=call.text("Xét lại thông điệp này", "Judge this message again"),
            )
        )
    return [
        *parts,
        Act(
            to=f"{here}/nguyen-van",
            button=call.text("Xem nguyên văn", "Show the original"),
            fields=[why],
            title=call.text("Nguyên văn (dữ liệu cá nhân)", "The original (personal data)"),
        ),
        Act(
            to=f"{here}/bang-chung",
            button=call.text("Tải gói bằng chứng", "Download the evidence"),
            fields=[why],
            title=call.text("Gói bằng chứng, kiểm tra được ở mọi nơi", "The evidence, a file that anybody can check"),
        ),
    ]


def original_shown(call: DeskCall) -> Answer:
    """The bytes as they came, after the log has who looks and why. Raises Stopped: SYS-041, SYS-047, SYS-052."""
    message, why = _meant(call), reason_given(call, "show --content")
    with call.store.read() as view:
        body, envelope = view.body(message.id, message.digest), view.envelope(message.id)
    if body is None:
        raise Stopped(Problem("SYS-047" if envelope is None else "SYS-052", {"id": message.id}))
    desk.note_unmasking(call.store, message.id, who=call.at_desk.who, reason=why, now=call.now)
    text = body[:SHOWN_BYTES].decode("utf-8", "replace")
    cut = call.text("\n… (cắt bớt)", "\n… (cut)") if len(body) > SHOWN_BYTES else ""
    back = Table(
        caption=call.text("Xem tiếp", "See next"),
        heads=[call.text("Trang", "Page")],
        rows=[[words.to_message(message.id)]],
    )
    name = call.text("Nguyên văn", "The original")
    return Shown(
        title=call.text(f"Nguyên văn của {message.id}", f"The original of {message.id}"),
        parts=[Original(name=name, text=text + cut), back],
    )


def evidence_taken(call: DeskCall) -> Answer:
    """The bundle, after the log has who takes it and why. Raises Stopped: SYS-041, SIG-133."""
    message, why = _meant(call), reason_given(call, "evidence")
    gate = call.room.gate()
    own = [
        *([gate.key.certificate] if gate.key is not None else []),
        *own_certificates(call.room.settings),
    ]
    parts = gather(
        call.store,
        gate.trust,
        gate.parties,
        message.id,
        own_identifier=gate.identity.ma_dinh_danh,
        own=[one.der for one in own],
        profile=profiles.from_text,
    )
    packed = write_bundle(parts)
    facts = {"reason": why, "bundle": hashlib.sha256(packed).hexdigest()}
    with call.store.begin() as tx:
        tx.note(LogLine(what="message.evidence", who=call.at_desk.who, message=message.id, facts=facts), call.now)
    return Sent(body=packed, kind="application/zip", name=f"{message.id}.evidence.zip")


def one_delivery(call: DeskCall) -> Answer:
    """One delivery with every try, and what can be done about it. Raises Stopped (SYS-042)."""
    name, names = text_of(call.place, "id", 100), call.names()
    with call.store.read() as view:
        known = view.delivery(name)
        tries = view.attempts(name)
    if known is None:
        raise Stopped(unknown("delivery", name))
    heads = (
        ("Lần", "Try"),
        ("Lúc", "Time"),
        ("Kết quả", "Outcome"),
        ("Số của bên nhận", "Their number"),
        ("Mất", "Took"),
    )
    parts: list[Part] = [
        Facts(
            rows=[
                (call.text("Bên nhận", "Receiver"), words.named(known.party, names)),
                (call.text("Trạng thái", "State"), words.delivery_mark(call, known.state)),
                (call.text("Thông điệp", "Message"), words.to_message(known.message)),
                (call.text("Hàng đợi theo hồ sơ", "Lane"), words.to_dossier(known.lane)),
                (call.text("Lập lúc", "Made"), words.when(known.created_at)),
                (call.text("Gửi lúc", "Due"), words.when(known.due_at)),
            ]
        ),
        ToldProblems(
            problems=[known.problem] if known.problem is not None and known.state is not DeliveryState.SKIPPED else []
        ),
        Table(
            caption=call.text("Từng lần thử", "Every try"),
            heads=[call.text(*head) for head in heads],
            rows=[
                [
                    one.number,
                    words.when(one.started_at),
                    words.said_of_try(call, one).split(" ", 2)[-1],
                    one.reference,
                    f"{round((one.ended_at - one.started_at).total_seconds() * 1000)} ms",
                ]
                for one in tries
            ],
            empty=call.text("chưa thử lần nào.", "not tried yet."),
        ),
    ]
    if call.can(OperatorRole.OPERATOR):
        parts += _about(call, known)
    return Shown(title=call.text(f"Lượt gửi {known.id}", f"Delivery {known.id}"), parts=parts)


def _about(call: DeskCall, known: Delivery) -> list[Part]:
    parts: list[Part] = []
    if known.state.holds_lane:
        parts.append(Act(to=REPLAY.to, button=call.text("Gửi lại", "Send again"), hidden=[("id", known.id)]))
    if known.state in desk.SKIPPABLE:
        parts.append(
            Act(
                to=SKIP.to,
                button=call.text("Bỏ qua, không gửi lại", "Skip for good"),
                hidden=[("id", known.id)],
                grave=True,
            )
        )
    return parts


PAGES = [
    DeskPage(method="GET", path="/thong-diep", make=found_messages),
    DeskPage(method="GET", path="/tim", make=found_by_any),
    DeskPage(method="GET", path="/thong-diep/{id}", make=one_message),
    DeskPage(
        method="POST",
        path="/thong-diep/{id}/nguyen-van",
        make=original_shown,
        role=OperatorRole.OPERATOR,
        act="show --content",
    ),
    DeskPage(
        method="POST",
        path="/thong-diep/{id}/bang-chung",
        make=evidence_taken,
        role=OperatorRole.OPERATOR,
        act="evidence",
    ),
    DeskPage(method="GET", path="/luot-gui/{id}", make=one_delivery),
]
