"""messages, show, inbox, lanes: what is on record. Codes, ids, states, times; never a message's content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import (
    FINE,
    PROBLEMS,
    UNDETERMINED,
    CommandRun,
    Moment,
    acting,
    argument,
    check_period,
    command,
    option,
    reason_of,
)
from gateway.cli.fates import FATE_WORDS
from gateway.cli.outside import tell_outside
from gateway.cli.show import Screen, when
from gateway.core.model import Attempt, AttemptOutcome, Delivery, DeliveryState, Fate, PartyId
from gateway.core.operators import OperatorRole
from gateway.core.problems import Lang, Problem, Stopped, catalogue, is_known
from gateway.core.unknown import unknown
from gateway.core.written import nearest

if TYPE_CHECKING:
    from gateway.store import Cause, Message

BEHIND = 10_000  # messages that are counted behind a page
STATE_WORDS: Mapping[DeliveryState, tuple[str, str]] = {
    DeliveryState.QUEUED: ("chờ gửi", "queued"),
    DeliveryState.SENDING: ("đang gửi", "sending"),
    DeliveryState.UNKNOWN: ("chưa rõ kết quả gửi", "outcome unknown"),
    DeliveryState.DELIVERED: ("đã giao", "delivered"),
    DeliveryState.REFUSED: ("bị từ chối", "refused"),
    DeliveryState.DEAD: ("quá hạn gửi", "dead"),
    DeliveryState.SKIPPED: ("đã bỏ qua", "skipped"),
    DeliveryState.NOTHING: ("không có thông tin phải báo", "nothing to tell"),
}


OUTCOME_WORDS: Mapping[AttemptOutcome, tuple[str, str]] = {
    AttemptOutcome.DELIVERED: ("đã nhận", "delivered"),
    AttemptOutcome.REFUSED: ("từ chối", "refused"),
    AttemptOutcome.UNREACHABLE: ("không kết nối được", "unreachable"),
    AttemptOutcome.UNCERTAIN: ("không rõ kết quả gửi", "uncertain"),
    AttemptOutcome.NOT_THERE: ("tra cứu: bên nhận chưa có", "not_there"),
    AttemptOutcome.NOTHING: ("không có thông tin phải báo", "nothing"),
}
KIND_WORDS = {"send": "gửi", "query": "hỏi"}


def state_word(screen: Screen, state: DeliveryState) -> str:
    """A delivery's state as people read it, with the word that scripts use."""
    vi, en = STATE_WORDS[state]
    return f"{vi} ({state.value})" if screen.lang is Lang.VI else en if en == state.value else f"{state.value} ({en})"


def fate_word(screen: Screen, fate: Fate) -> str:
    """A message's fate as people read it."""
    return f"{FATE_WORDS[fate][0].lower()} ({fate.value})" if screen.lang is Lang.VI else fate.value


def outcome_word(screen: Screen, attempt: Attempt) -> str:
    """What a try was, and what it came to."""
    vi, en = OUTCOME_WORDS[attempt.outcome]
    kind = KIND_WORDS.get(attempt.kind, attempt.kind)
    return screen.text(f"{kind}: {vi}", f"{attempt.kind}: {en}")


def party_names(call: CommandRun) -> dict[PartyId, str]:
    """What the parties in force are called."""
    from gateway.services.party_names import names_of

    with call.store.read() as view:
        return names_of((row.id, row.profile) for row in view.parties())


def called(party: str | None, names: Mapping[PartyId, str]) -> str:
    """A party's id with its name behind it, where it has one."""
    name = names.get(PartyId(party or ""))
    return party or "–" if name is None or name == party else f"{party} ({name})"


def legend(screen: Screen, names: Mapping[PartyId, str], parties: Iterable[str | None]) -> None:
    """Under a table that has no room for names: what the parties in it are called."""
    shown = [called(party, names) for party in dict.fromkeys(parties) if party is not None and PartyId(party) in names]
    if shown:
        screen.line(" · ".join(shown))


def counted(codes: Sequence[str]) -> str:
    """Codes once each, in their order, with how often where that is more than once."""
    return " ".join(code if number == 1 else f"{code}×{number}" for code, number in Counter(codes).items())


def one_party(call: CommandRun, name: str) -> PartyId:
    """The party of this id, or with this identifier. Raises Stopped (SYS-042)."""
    from gateway.wiring import registry_of

    parties = registry_of(call.store)
    found = parties.get(name) or parties.by_identifier(name)
    if found is None:
        raise Stopped(unknown("party", name))
    return found.id


@command(
    "messages",
    vi="Tìm thông điệp, mới nhất trước. --causes tổng hợp theo nguyên nhân các thông điệp bị từ chối hoặc đang tạm giữ.",
    en="Find messages, the newest first. --causes groups those rejected or held by what is wrong.",
)
@option(
    "--state",
    type=click.Choice([fate.value for fate in Fate]),
    vi="Chỉ các mục ở trạng thái này.",
    en="Only this state.",
)
@option("--party", metavar="PARTY", vi="Chỉ thông điệp của bên gửi này.", en="Only from this sender.")
@option("--receiver", metavar="PARTY", vi="Chỉ thông điệp gửi tới bên này.", en="Only those owed to this receiver.")
@option(
    "--text",
    metavar="…",
    vi="Chỉ thông điệp mà vấn đề của thông điệp hoặc của lượt gửi có đoạn văn bản này: mã, vị trí, giá trị, lời báo lỗi.",
    en="Only those of which a problem, of the message or of a delivery, contains this: a code, a place, a value, words of "
    "its sentence.",
)
@option("--type", "loai", metavar="HSnn", vi="Chỉ loại này.", en="Only this type.")
@option("--code", metavar="XSD-021", vi="Chỉ các mục có mã lỗi này.", en="Only with this problem code.")
@option("--dossier", "ma_ho_so", metavar="MAHOSO", vi="Chỉ thông điệp của hồ sơ này.", en="Only of this dossier.")
@option("--since", type=Moment(), vi="Từ thời điểm này.", en="From this time on.")
@option("--until", type=Moment(), vi="Trước thời điểm này.", en="Before this time.")
@option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, vi="Số lượng tối đa.", en="At most.")
@option("--before", metavar="ID", vi="Trang tiếp theo, sau thông điệp này.", en="The next page, after this message.")
@option("--causes", is_flag=True, vi="Tổng hợp theo nguyên nhân.", en="Group by cause.")
def messages(
    call: CommandRun,
    state: str | None,
    party: str | None,
    receiver: str | None,
    text: str | None,
    loai: str | None,
    code: str | None,
    ma_ho_so: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    before: str | None,
    causes: bool,
) -> int:
    """Lists messages, or their failures by cause."""
    code = code.upper() if code is not None else None
    if code is not None and code not in catalogue():
        near = (nearest(code, {known.lower() for known in catalogue()}) or "").upper()
        raise click.BadParameter(
            call.screen.text(f"không có mã “{code}”", f"there is no code “{code}”") + (f" ({near}?)" if near else ""),
            param_hint="--code",
        )
    check_period(call, since, until)
    screen, store = call.screen, call.store
    if before is not None:
        before = _one_message(call, before).id
    if causes:
        return _causes(call, since, until)
    chosen: dict[str, Any] = {
        "state": Fate(state) if state else None,
        "party": one_party(call, party) if party else None,
        "receiver": one_party(call, receiver) if receiver else None,
        "text": text,
        "loai": loai,
        "code": code,
        "ma_ho_so": ma_ho_so,
        "since": since,
        "until": until,
    }
    with store.read() as view:
        rows = view.messages(**chosen, before=before, limit=limit)
        more = view.more_messages(rows[-1], **chosen) if len(rows) == limit else 0
    if screen.as_json:
        for row in rows:
            screen.row(_message_row(row))
        return FINE
    if not rows:
        screen.line("Không có thông điệp nào.", "No messages.")
        return FINE
    heads = ("Mã nhận", "Lúc nhận", "Bên gửi", "Loại", "Hồ sơ", "Trạng thái", "Mã lỗi")
    heads_en = ("Id", "Received", "Sender", "Type", "Dossier", "State", "Codes")
    screen.table(
        heads if screen.lang is Lang.VI else heads_en,
        (
            (m.id, when(m.received_at), m.party, m.loai, m.ma_ho_so, fate_word(screen, m.state), counted(m.codes))
            for m in rows
        ),
    )
    legend(screen, party_names(call), (row.party for row in rows))
    if more:
        number = screen.text(f"hơn {BEHIND}", f"more than {BEHIND}") if more > BEHIND else more
        screen.line(f"… còn {number} nữa: thêm --before {rows[-1].id}", f"… {number} more: add --before {rows[-1].id}")
    return FINE


def _one_message(call: CommandRun, name: str) -> Message:
    from gateway.services import desk

    return desk.one(call.store, name)


def _causes(call: CommandRun, since: datetime | None, until: datetime | None) -> int:
    from gateway.services import desk

    print_causes(call.screen, desk.causes(call.store, since=since, until=until), party_names(call))
    return FINE


def _message_row(message: Any) -> dict[str, Any]:
    return {
        "id": message.id,
        "ma_thong_diep": message.ma_thong_diep,
        "loai": message.loai,
        "ma_ho_so": message.ma_ho_so,
        "party": message.party,
        "state": str(message.state),
        "codes": list(message.codes),
        "channel": str(message.channel),
        "basis": str(message.basis) if message.basis else None,
        "digest": message.digest,
        "bytes": message.total_bytes,
        "received_at": message.received_at,
        "recorded_at": message.recorded_at,
        "verdicts": message.verdicts,
    }


def print_causes(screen: Screen, causes: Sequence[Cause], names: Mapping[PartyId, str]) -> None:
    """Failures by cause: how many, of whom, where, what it means and what to do."""
    if screen.as_json:
        for cause in causes:
            screen.row({**cause.as_dict(), **explained(cause.code, cause.facts, screen.lang)})
        return
    if not causes:
        screen.line("Không có lỗi nào.", "No failures.")
        return
    for cause in causes:
        words = explained(cause.code, cause.facts, screen.lang)
        whose = called(cause.party, names) + (f" {cause.xpath}" if cause.xpath else "")
        screen.line(
            f"{cause.count} × {cause.code} · {whose} · {when(cause.first_at)} tới {when(cause.last_at)}",
            f"{cause.count} × {cause.code} · {whose} · {when(cause.first_at)} to {when(cause.last_at)}",
        )
        screen.line(f"    {words['message']}")
        screen.line(f"    → {words['remedy']}")
        screen.line(f"    ví dụ: {cause.example}", f"    example: {cause.example}")


def explained(code: str, facts: Mapping[str, Any], lang: Lang) -> dict[str, str]:
    """What a code means with these facts, and its remedy; empty for a code of another version of this program."""
    if not is_known(code):
        return {"message": "", "remedy": ""}
    problem = Problem(code, dict(facts))
    return {"message": problem.message(lang), "remedy": problem.remedy(lang)}


@command(
    "show",
    vi="Toàn bộ thông tin về một thông điệp: trạng thái, vấn đề và cách khắc phục, các lần xét, các lượt gửi và "
    "từng lần thử. ID là MaThongDiep, mã nhận của trục, hoặc mã lượt gửi; có thể chỉ nêu phần đầu của mã nếu "
    "không trùng. Nội dung (dữ liệu cá nhân) không được hiển thị; --content hiển thị nguyên văn, người xem và "
    "lý do được ghi vào nhật ký.",
    en="Everything known about one message: state, problems and remedies, judgements, deliveries and each try. ID is a "
    "MaThongDiep, our own id, or a delivery's id; its beginning is enough when it is unique. "
    "The content (personal data) is not shown; --content prints it, and the log says who looked and why.",
)
@argument("name", metavar="ID")
@option(
    "--content",
    is_flag=True,
    vi="Hiển thị nguyên văn thông điệp (phải nêu --reason).",
    en="Print the original bytes (needs --reason).",
)
@option("--receipt", is_flag=True, vi="Hiển thị xác nhận tiếp nhận thông điệp đã ký.", en="Print the signed receipt.")
@option(
    "--signed",
    is_flag=True,
    vi="Hiển thị đúng phần đã được ký, dạng chuẩn hóa (phải nêu --reason); phần nằm ngoài được nêu ở đầu ra lỗi.",
    en="Print exactly what was signed, canonical (needs --reason); on standard error, what lies outside.",
)
@option(
    "--answer",
    is_flag=True,
    vi="Hiển thị trả lời của bên nhận ở lần thử cuối có trả lời (phải nêu --reason: trả lời có thể chứa nội dung thông điệp).",
    en="Print what the receiver answered the last time it did (needs --reason: it may repeat the content).",
)
@acting
def show(
    call: CommandRun, name: str, content: bool, receipt: bool, signed: bool, answer: bool, reason: str | None
) -> int:
    """Prints what is known."""
    from gateway.services import desk

    store = call.store
    message = desk.one(store, name)
    if content or signed:
        return _unmask(call, message, reason, signed=signed)
    if answer:
        return _answered(call, message, name, reason)
    if receipt:
        with store.read() as view:
            found = view.receipt(message.id)
        if found is None:
            raise Stopped(Problem("SYS-123" if message.state is Fate.HELD else "SYS-126"))
        call.screen.raw(found)
        return FINE
    everything = desk.everything(store, message.id)
    others = desk.others_of(store, message)
    if call.screen.as_json:
        _show_json(call.screen, everything, others)
    else:
        _show_text(call.screen, everything, others)
    return FINE


def _unmask(call: CommandRun, message: Any, reason: str | None, *, signed: bool) -> int:
    from gateway.services import desk

    call.need(OperatorRole.OPERATOR, "show --signed" if signed else "show --content")
    why = reason_of(call, reason, "show --signed" if signed else "show --content")
    with call.store.read() as view:
        digest = message.digest
        if signed:
            digest = view.verdicts(message.id)[-1].signed_digest
        body = view.body(message.id, digest) if digest else None
        document = view.body(message.id, message.composed or message.digest)
        envelope = view.envelope(message.id)
    if body is None and signed and envelope is not None:
        body = _signed_again(call, envelope)
    if body is None:
        raise Stopped(Problem("SYS-047" if envelope is None else "SYS-052", {"id": message.id}))
    desk.note_unmasking(call.store, message.id, who=f"operator:{call.person}", reason=why, now=call.now)
    call.screen.raw(body)
    if signed and document is not None:
        tell_outside(call, document)
    return FINE


def _answered(call: CommandRun, message: Any, name: str, reason: str | None) -> int:
    """What the receivers answered: of the one delivery that is named, or of each of the message."""
    from gateway.services import desk

    call.need(OperatorRole.OPERATOR, "show --answer")
    with call.store.read() as view:
        deliveries = view.deliveries(message=message.id)
        deliveries = [d for d in deliveries if d.id == name] or deliveries
        tries = [t for d in deliveries for t in [t for t in view.attempts(d.id) if t.receipt][-1:]]
    if not tries:
        raise Stopped(Problem("SYS-056", {"id": name}))
    why = reason_of(call, reason, "show --answer")
    who = f"operator:{call.person}"
    desk.note_unmasking(call.store, message.id, who=who, reason=why, now=call.now, part="answer")
    screen = call.screen
    for one in tries:
        text = (one.receipt or b"").decode("utf-8", "replace")
        if screen.as_json:
            told = {"delivery": one.delivery, "attempt": one.number, "outcome": str(one.outcome), "answer": text}
            screen.row(told)
            continue
        if len(tries) > 1:
            screen.note(f"{one.delivery}, lần {one.number}:", f"{one.delivery}, try {one.number}:")
        screen.line(text.rstrip("\n"))
    return FINE


def _signed_again(call: CommandRun, envelope: Any) -> bytes | None:
    """The signed part, from judging the kept bytes once more; it is not stored beside them."""
    from gateway.services.intake import judge
    from gateway.wiring import build

    return judge(envelope, build(call.settings, call.store)).signed_bytes


def _show_json(screen: Screen, everything: Any, others: Sequence[Any]) -> None:
    screen.row(
        {
            **_message_row(everything.message),
            "problems": [
                screen.problem_row(problem) for verdict in everything.verdicts[-1:] for problem in verdict.problems
            ],
            "judgements": [
                {
                    "number": verdict.number,
                    "state": str(verdict.state),
                    "judged_at": verdict.judged_at,
                    "who": verdict.who,
                    "codes": [problem.code for problem in verdict.problems],
                    "signature": verdict.facts,
                    "evidence": list(verdict.evidence),
                    "signed_sha256": verdict.signed_digest,
                }
                for verdict in everything.verdicts
            ],
            "deliveries": [delivery_row(screen, d, everything.attempts[d.id]) for d in everything.deliveries],
            "inbox": [{"party": entry.party, "position": entry.position} for entry in everything.inbox],
            "receipt": everything.has_receipt,
            "erased_at": everything.erased_at,
            "other_arrivals": [other.id for other in others],
        }
    )


def delivery_row(screen: Screen, delivery: Delivery, attempts: Sequence[Attempt] = ()) -> dict[str, Any]:
    """A delivery as JSON."""
    return {
        "id": delivery.id,
        "message": delivery.message,
        "ma_thong_diep": delivery.ma_thong_diep,
        "loai": delivery.loai,
        "party": delivery.party,
        "lane": delivery.lane,
        "state": str(delivery.state),
        "tries": delivery.tries,
        "due_at": delivery.due_at,
        "created_at": delivery.created_at,
        "blocking": delivery.blocking,
        "problem": screen.problem_row(delivery.problem) if delivery.problem else None,
        "attempts": [
            {
                "number": attempt.number,
                "kind": attempt.kind,
                "started_at": attempt.started_at,
                "ended_at": attempt.ended_at,
                "outcome": str(attempt.outcome),
                "reference": attempt.reference,
                "answered": attempt.receipt is not None,
                "code": attempt.problem.code if attempt.problem else None,
            }
            for attempt in attempts
        ],
    }


def _length(screen: Screen, everything: Any) -> str:
    """How long the message was, as far as anybody counted."""
    for verdict in everything.verdicts:
        for problem in verdict.problems:
            counted = problem.facts.get("so_byte") if problem.code == "XML-002" else None
            if isinstance(counted, str):
                most = counted.partition("+")[0]
                return screen.text(f"hơn {most} byte", f"more than {most} bytes")
    return f"{everything.message.total_bytes} byte"


def _show_text(screen: Screen, everything: Any, others: Sequence[Any]) -> None:
    message = everything.message
    screen.line(
        f"Thông điệp {message.id}: {fate_word(screen, message.state)}", f"Message {message.id}: {message.state}"
    )
    screen.facts(
        [
            ("MaThongDiep", message.ma_thong_diep),
            (
                screen.text("Loại", "Type"),
                " ".join(str(p) for p in (message.loai, message.goc, message.phien_ban) if p) or None,
            ),
            (screen.text("Hồ sơ", "Dossier"), message.ma_ho_so),
            (screen.text("Bên gửi", "Sender"), f"{message.party} ({message.caller_by}, {message.channel})"),
            (screen.text("Lúc nhận", "Received"), when(message.received_at)),
            (screen.text("Căn cứ tin cậy", "Believed on"), message.basis),
            (screen.text("Độ dài", "Length"), _length(screen, everything)),
            ("SHA-256", message.digest),
            (
                screen.text("Xác nhận tiếp nhận thông điệp", "Receipt"),
                screen.text("có", "yes") if everything.has_receipt else "–",
            ),
        ]
    )
    if everything.erased_at is not None:
        screen.line(
            f"  Nội dung đã xóa lúc {when(everything.erased_at)}.", f"  Bytes erased at {when(everything.erased_at)}."
        )
    for verdict in everything.verdicts:
        screen.line(
            f"Lần xét {verdict.number}: {fate_word(screen, verdict.state)}, {when(verdict.judged_at)}, {verdict.who}",
            f"Judgement {verdict.number}: {verdict.state}, {when(verdict.judged_at)}, {verdict.who}",
        )
        for problem in verdict.problems:
            screen.problem(problem)
    for delivery in everything.deliveries:
        _show_delivery(screen, delivery, everything.attempts[delivery.id])
    for entry in everything.inbox:
        screen.line(
            f"Hộp thư {entry.party}, vị trí {entry.position}", f"Inbox of {entry.party}, position {entry.position}"
        )
    if others:
        screen.line(
            "Các lần nhận khác cùng MaThongDiep: " + ", ".join(other.id for other in others),
            "Other arrivals with this MaThongDiep: " + ", ".join(other.id for other in others),
        )


def _show_delivery(screen: Screen, delivery: Delivery, attempts: Sequence[Attempt]) -> None:
    screen.line(
        f"Lượt gửi {delivery.id} tới {delivery.party}: {state_word(screen, delivery.state)}",
        f"Delivery {delivery.id} to {delivery.party}: {state_word(screen, delivery.state)}",
    )
    for attempt in attempts:
        code = f" {attempt.problem.code}" if attempt.problem else ""
        ours = f" [{attempt.reference}]" if attempt.reference else ""
        took = round((attempt.ended_at - attempt.started_at).total_seconds() * 1000)
        screen.line(
            f"  {attempt.number}. {when(attempt.started_at)} {outcome_word(screen, attempt)}{code}{ours} ({took} ms)"
        )
    # A skipped delivery's last problem is history; a delivered one's is a remark that counts, about its receipt or its form.
    if delivery.problem is not None and delivery.state is not DeliveryState.SKIPPED:
        screen.problem(delivery.problem)
        if any(attempt.receipt for attempt in attempts):
            see = f"lienthong show {delivery.id} --answer --reason “…”"
            screen.line(f"    Nội dung trả lời của bên nhận: {see}", f"    What the receiver answered: {see}")
    if delivery.state.holds_lane and delivery.blocking:
        screen.line(
            f"    Hàng đợi {delivery.lane} đang bị tạm giữ. Khắc phục nguyên nhân rồi chạy: lienthong "
            f"replay {delivery.id} --reason “…”; "
            f"hoặc: lienthong skip {delivery.id} --reason “…”",
            f"    Lane {delivery.lane} is held. Mend the cause, then: lienthong replay {delivery.id} --reason “…”; "
            f"or: lienthong skip {delivery.id} --reason “…”",
        )
    elif delivery.state is DeliveryState.QUEUED and delivery.due_at is not None:
        screen.line(f"    Sẽ gửi lúc {when(delivery.due_at)}.", f"    Will be sent at {when(delivery.due_at)}.")


@command(
    "inbox",
    vi="Hộp thư của một bên, đúng như bên đó sẽ nhận; việc xem không làm thay đổi vị trí bên đó đã xác nhận.",
    en="A party's inbox, just as it would get it; looking does not change what the party has confirmed.",
)
@argument("party", metavar="PARTY")
@option(
    "--after",
    type=click.IntRange(0, 2**53),
    default=0,
    show_default=True,
    vi="Sau vị trí này.",
    en="After this position.",
)
@option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, vi="Số lượng tối đa.", en="At most.")
def inbox(call: CommandRun, party: str, after: int, limit: int) -> int:
    """Lists the feed of one party."""
    screen = call.screen
    name = one_party(call, party)
    with call.store.read() as view:
        entries, reader = view.inbox_after(name, after, limit), view.reader(name)
    if screen.as_json:
        for entry in entries:
            screen.row(
                {
                    "position": entry.position,
                    "message": entry.message,
                    "ma_thong_diep": entry.ma_thong_diep,
                    "loai": entry.loai,
                    "goc": entry.goc,
                    "sender": entry.sender,
                    "ma_ho_so": entry.ma_ho_so,
                    "trang_thai": entry.trang_thai,
                    "trang_thai_goc": entry.trang_thai_goc,
                    "digest": entry.digest,
                    "recorded_at": entry.recorded_at,
                    "codes": [problem.code for problem in entry.problems],
                }
            )
        return FINE
    names = party_names(call)
    whose = called(name, names)
    screen.line(
        f"{whose}: mới nhất là {reader.head}, đã xác nhận tới {reader.confirmed} ({when(reader.confirmed_at)}).",
        f"{whose}: the newest is {reader.head}, confirmed up to {reader.confirmed} ({when(reader.confirmed_at)}).",
    )
    heads = ("Vị trí", "Lúc ghi", "Loại", "Bên gửi", "Hồ sơ", "Trạng thái", "MaThongDiep")
    heads_en = ("Position", "Recorded", "Type", "Sender", "Dossier", "State", "MaThongDiep")
    if entries:
        screen.table(
            heads if screen.lang is Lang.VI else heads_en,
            (
                (
                    e.position,
                    when(e.recorded_at),
                    f"{e.loai} {e.goc}",
                    e.sender,
                    e.ma_ho_so,
                    e.trang_thai,
                    e.ma_thong_diep,
                )
                for e in entries
            ),
            whole=(6,),
        )
        screen.rest(reader.head - entries[-1].position)
        legend(screen, names, (entry.sender for entry in entries))
    return FINE


@command(
    "lanes",
    vi="Tình hình gửi: số lượt còn phải gửi của từng bên, hàng đợi theo hồ sơ bị tạm giữ, lỗi tổng "
    "hợp theo nguyên nhân. Mã thoát 1 khi có hàng đợi bị tạm giữ.",
    en="The way out: what each party is owed, which lanes are held, failures by cause. Exit 1 when a lane is held.",
)
@option("--held", is_flag=True, vi="Chỉ các hàng đợi bị tạm giữ.", en="Only held lanes.")
@option(
    "--unknown",
    "unsure",
    is_flag=True,
    vi="Chỉ các lượt đã gửi mà chưa rõ bên nhận đã nhận hay chưa, và thời điểm trục tra cứu hoặc gửi lại. Mã thoát 3 khi có.",
    en="Only what was sent and may or may not have arrived, and when it is asked about or sent again. Exit 3 when there is any.",
)
@option("--party", metavar="PARTY", vi="Chỉ bên nhận này.", en="Only this receiver.")
@option(
    "--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, vi="Số lượng tối đa.", en="At most."
)
def lanes(call: CommandRun, held: bool, unsure: bool, party: str | None, limit: int) -> int:
    """Lists lanes, queues and causes."""
    from gateway.services import desk

    screen = call.screen
    if held and unsure:
        raise click.UsageError(screen.text("--held hoặc --unknown.", "--held or --unknown."))
    if unsure:
        return _print_unknown(call, one_party(call, party) if party else None, limit)
    found = desk.way_out(call.store, held_only=held, party=one_party(call, party) if party else None, limit=limit)
    code = PROBLEMS if any(lane.held for lane in found.lanes) else FINE
    if screen.as_json:
        for lane in found.lanes:
            screen.row(
                {
                    "party": lane.party,
                    "lane": lane.lane,
                    "held": lane.held,
                    "open": lane.open,
                    "since": lane.since,
                    "first": delivery_row(screen, lane.first),
                }
            )
        return code
    if not found.lanes:
        screen.line(
            "Không có hàng đợi nào bị tạm giữ." if held else "Không còn lượt nào phải gửi.",
            "No lane is held." if held else "Nothing is left to send.",
        )
        return code
    names = party_names(call)
    if not held and found.queues:
        _print_queues(screen, found.queues, names)
    heads = ("Bên nhận", "Hàng đợi", "Giữ", "Còn", "Lượt gửi đầu", "Trạng thái", "Mã", "Từ lúc")
    heads_en = ("Receiver", "Lane", "Held", "Open", "First delivery", "State", "Code", "Since")
    screen.table(
        heads if screen.lang is Lang.VI else heads_en,
        (
            (
                lane.party,
                lane.lane,
                screen.text("có", "yes") if lane.held else "",
                lane.open,
                lane.first.id,
                state_word(screen, lane.first.state),
                lane.first.problem.code if lane.first.problem else "",
                when(lane.since),
            )
            for lane in found.lanes
        ),
        whole=(4,),
    )
    screen.rest(found.more)
    if held or not found.queues:  # else the queues have said it
        legend(screen, names, (lane.party for lane in found.lanes))
    if found.causes:
        screen.line("Theo nguyên nhân:", "By cause:")
        print_causes(screen, found.causes, names)
    return code


def _print_unknown(call: CommandRun, party: PartyId | None, limit: int) -> int:
    """Deliveries whose outcome nobody knows yet, the longest first."""
    screen = call.screen
    with call.store.read() as view:
        found = view.deliveries(party=party, states=[DeliveryState.UNKNOWN], limit=limit)
        whole = view.count_deliveries(party=party, states=[DeliveryState.UNKNOWN])
    if screen.as_json:
        for delivery in found:
            screen.row({**delivery_row(screen, delivery), "first_tried_at": delivery.first_tried_at})
    elif not found:
        screen.line("Không có lượt nào chưa rõ kết quả.", "Nothing whose outcome is not known.")
    else:
        heads = ("Lượt gửi", "Bên nhận", "Hàng đợi", "Đã thử", "Lần đầu", "Tra cứu hoặc gửi lại lúc", "Mã")
        heads_en = ("Delivery", "Receiver", "Lane", "Tries", "First", "Asked or sent again at", "Code")
        screen.table(
            heads if screen.lang is Lang.VI else heads_en,
            (
                (
                    delivery.id,
                    delivery.party,
                    delivery.lane,
                    delivery.tries,
                    when(delivery.first_tried_at),
                    when(delivery.due_at),
                    delivery.problem.code if delivery.problem else "",
                )
                for delivery in found
            ),
        )
        screen.rest(whole - len(found))
        legend(screen, party_names(call), (delivery.party for delivery in found))
    return UNDETERMINED if found else FINE


def _print_queues(screen: Screen, queues: Sequence[Any], names: Mapping[PartyId, str]) -> None:
    heads = ("Bên nhận", "Còn phải gửi", "Không trả lời liên tiếp", "Từ lúc")
    heads_en = ("Receiver", "Open", "Unanswered in a row", "Since")
    screen.table(
        heads if screen.lang is Lang.VI else heads_en,
        (
            (
                called(queue.party, names),
                ", ".join(f"{screen.text(*STATE_WORDS[state])} {count}" for state, count in queue.counts.items()),
                queue.failures or "",
                when(queue.failing_since) if queue.failures else "",
            )
            for queue in queues
        ),
    )
