"""batches, batch: acts over many things, carried out by `work`: how far, what failed; pause, resume, cancel, approve."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from gateway.cli.command import (
    FINE,
    PROBLEMS,
    CommandRun,
    Group,
    LazyCommand,
    argument,
    asking,
    command,
    option,
)
from gateway.cli.find import called, explained, party_names
from gateway.cli.show import Screen, when
from gateway.core.batches import Batch, BatchItem, BatchItemKind, BatchItemState, BatchKind, BatchState
from gateway.core.operators import OperatorRole
from gateway.core.problems import Lang, Problem, Stopped

WATCH_S = 0.5  # how often a bar is looked after
KINDS = {
    BatchKind.REPLAY: ("gửi lại, xét lại", "replay"),
    BatchKind.SKIP: ("bỏ qua", "skip"),
    BatchKind.REPAIR: ("khắc phục sau đối soát", "repair"),
}
STATES = {
    BatchState.WAITING: ("chờ duyệt", "waiting"),
    BatchState.RUNNING: ("đang chạy", "running"),
    BatchState.PAUSED: ("tạm dừng", "paused"),
    BatchState.DONE: ("xong", "done"),
    BatchState.CANCELLED: ("đã hủy", "cancelled"),
}
ITEM_STATES = {
    BatchItemState.PLANNED: ("chưa tới lượt", "planned"),
    BatchItemState.QUEUED: ("đang được gửi", "queued"),
    BatchItemState.DONE: ("xong", "done"),
    BatchItemState.FAILED: ("không thành công", "failed"),
    BatchItemState.CHANGED: ("người khác đã thay đổi", "changed by others"),
    BatchItemState.LEFT: ("không thực hiện (đã hủy)", "left"),
}
ITEM_KINDS = {
    BatchItemKind.DELIVERY: ("lượt gửi", "delivery"),
    BatchItemKind.MESSAGE: ("thông điệp", "message"),
    BatchItemKind.DOSSIER: ("hồ sơ", "dossier"),
}

batch = Group(
    "batch",
    entries={
        "show": LazyCommand(
            "gateway.cli.batch:show",
            "Một đợt: tiến độ, việc không thành công, nguyên nhân.",
            "One batch: how far, what failed, why.",
        ),
        "pause": LazyCommand("gateway.cli.batch:pause", "Tạm dừng một đợt.", "Pause a batch."),
        "resume": LazyCommand("gateway.cli.batch:resume", "Chạy tiếp một đợt.", "Let a batch go on."),
        "cancel": LazyCommand("gateway.cli.batch:cancel", "Hủy phần chưa thực hiện.", "Leave the rest undone."),
        "approve": LazyCommand(
            "gateway.cli.batch:approve", "Duyệt đợt do người khác bắt đầu.", "Approve what somebody else started."
        ),
        "again": LazyCommand(
            "gateway.cli.batch:again", "Đợt mới gồm các việc không thành công.", "A new batch of what failed."
        ),
    },
    vi="Một đợt: việc trên nhiều lượt gửi, thông điệp hay hồ sơ, do “lienthong work” thực hiện dần theo tốc độ đã đặt.",
    en="A batch: an act over many deliveries, messages or dossiers, carried out by “lienthong work” at a rate.",
)


def started(call: CommandRun, made: Batch) -> None:
    """Says that a batch was started, or waits for a second person, and the next command."""
    screen = call.screen
    if screen.as_json:
        screen.row({"batch": batch_row(made)})
        return
    if made.state is BatchState.WAITING:
        screen.line(
            f"Đợt {made.number} ({made.size} việc) chờ người khác duyệt: lienthong batch approve {made.number}",
            f"Batch {made.number} ({made.size}) waits for another person: lienthong batch approve {made.number}",
        )
        return
    screen.line(
        f"Đợt {made.number}: {made.size} việc, {made.per_second:g} việc mỗi giây; “lienthong work” sẽ thực hiện.",
        f"Batch {made.number}: {made.size} things, {made.per_second:g} a second; “lienthong work” carries it out.",
    )
    screen.line(
        f"Xem tiến độ: lienthong batch show {made.number} --watch",
        f"Watch it: lienthong batch show {made.number} --watch",
    )


def batch_row(one: Batch) -> dict[str, Any]:
    """A batch in JSON."""
    values = asdict(one)
    for name in ("due_at", "followed_at", "lease"):
        values.pop(name)
    return {**values, "counts": {str(state): one.counts.get(state, 0) for state in BatchItemState}}


def _word(screen: Screen, pair: tuple[str, str]) -> str:
    return screen.text(*pair)


@command(
    "batches",
    vi="Các đợt, mới nhất trước: người bắt đầu, lý do, tiến độ. Một đợt: “lienthong batch show N”.",
    en="Batches, the newest first: who started them, why, how far. One of them: “lienthong batch show N”.",
)
@option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in BatchState]),
    vi="Chỉ các mục ở trạng thái này.",
    en="Only in this state.",
)
@option("--before", type=click.IntRange(1), metavar="N", vi="Trang tiếp theo, trước đợt này.", en="The next page.")
@option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, vi="Số lượng tối đa.", en="At most.")
def batches(call: CommandRun, states: tuple[str, ...], before: int | None, limit: int) -> int:
    """Lists batches."""
    call.need(OperatorRole.VIEWER, "batches")
    screen = call.screen
    chosen = [BatchState(state) for state in states] or None
    with call.store.read() as view:
        found = view.batches(states=chosen, before=before, limit=limit + 1)
    shown = found[:limit]
    if screen.as_json:
        for one in shown:
            screen.row(batch_row(one))
        return FINE
    if not shown:
        screen.line("Không có đợt nào.", "No batches.")
        return FINE
    heads = ("Đợt", "Việc", "Trạng thái", "Xong", "Không thành công", "Số việc", "Bắt đầu", "Ai", "Lý do")
    heads_en = ("Batch", "Act", "State", "Done", "Failed", "Size", "Started", "By", "Reason")
    screen.table(
        heads if screen.lang is Lang.VI else heads_en,
        (
            (
                one.number,
                _word(screen, KINDS[one.kind]),
                _word(screen, STATES[one.state]),
                one.count(BatchItemState.DONE),
                one.count(BatchItemState.FAILED),
                one.size,
                when(one.started_at),
                one.started_by.removeprefix("operator:"),
                one.reason,
            )
            for one in shown
        ),
    )
    if len(found) > limit:
        screen.line(f"… còn nữa: thêm --before {shown[-1].number}", f"… more: add --before {shown[-1].number}")
    return FINE


@command(
    "show",
    vi="Một đợt: người bắt đầu, nguồn của kế hoạch, tốc độ, số việc theo trạng thái, việc không thành công và "
    "nguyên nhân, việc đã có người khác thay đổi. --watch: thanh tiến độ tới khi đợt hết việc.",
    en="One batch: who started it, where the plan is from, its rate, how many things stand where, what failed and why, what "
    "others changed. --watch: a bar until there is nothing left to do.",
)
@argument("number", type=click.IntRange(1), metavar="N")
@option("--watch", is_flag=True, vi="Theo dõi tới khi hết việc.", en="Watch until nothing is left to do.")
@option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in BatchItemState]),
    vi="Liệt kê các việc ở trạng thái này (mặc định: failed, changed).",
    en="List the things in this state (by default: failed, changed).",
)
@option(
    "--after", type=click.IntRange(0), default=0, metavar="K", vi="Từ sau việc thứ K.", en="From behind thing K on."
)
@option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, vi="Số lượng tối đa.", en="At most.")
def show(call: CommandRun, number: int, watch: bool, states: tuple[str, ...], after: int, limit: int) -> int:
    """Prints one batch; exit 1 where something failed."""
    from gateway.services.batches import batch_known, why_failed

    call.need(OperatorRole.VIEWER, "batch show")
    one = _watched(call, number) if watch else batch_known(call.store, number)
    chosen = [BatchItemState(state) for state in states] or [BatchItemState.FAILED, BatchItemState.CHANGED]
    with call.store.read() as view:
        causes = view.batch_causes(number)
        items = view.batch_items(number, states=chosen, after=after, limit=limit)
        why = {item.number: why_failed(view, item) for item in items if item.state is BatchItemState.FAILED}
    code = PROBLEMS if one.count(BatchItemState.FAILED) else FINE
    if call.screen.as_json:
        call.screen.row({**batch_row(one), "causes": causes})
        for item in items:
            call.screen.row({"item": _item_row(call.screen, item, why.get(item.number))})
        return code
    _print_batch(call.screen, one, causes, why)
    _print_items(call, items, why, one.count(*chosen))
    return code


def _watched(call: CommandRun, number: int) -> Batch:
    """Looks at a batch until nothing is left to do, or it waits for a person."""
    from gateway.services.batches import batch_known

    with call.screen.progress(f"Đợt {number}", f"Batch {number}") as tell:
        while True:
            one = batch_known(call.store, number)
            tell(one.settled, one.size)
            if one.state is not BatchState.RUNNING:
                return one
            time.sleep(WATCH_S)


def _print_batch(screen: Screen, one: Batch, causes: dict[str, int], why: Mapping[int, Problem | None]) -> None:
    from gateway.services.batches import facts_of_failed

    of = 0 if screen.lang is Lang.VI else 1
    title = f"{KINDS[one.kind][of]} · {STATES[one.state][of]} · {one.settled}/{one.size}"
    screen.line(f"Đợt {one.number}: {title}", f"Batch {one.number}: {title}")
    rows: list[tuple[str, object]] = [
        (screen.text("Lý do", "Reason"), one.reason),
        (screen.text("Bắt đầu", "Started"), f"{when(one.started_at)} · {one.started_by}"),
        (screen.text("Tốc độ", "Rate"), screen.text(f"{one.per_second:g} việc/giây", f"{one.per_second:g} a second")),
    ]
    if one.asked:
        said = ", ".join(f"{name}={_said(value)}" for name, value in one.asked.items())
        rows.append((screen.text("Nguồn của kế hoạch", "Plan from"), said))
    if one.approved_by is not None:
        rows.append((screen.text("Duyệt", "Approved"), f"{when(one.approved_at)} · {one.approved_by}"))
    if one.ended_at is not None:
        rows.append((screen.text("Kết thúc", "Ended"), when(one.ended_at)))
    screen.facts(rows)
    counted = [f"{ITEM_STATES[state][of]} {one.count(state)}" for state in BatchItemState if one.count(state)]
    screen.line("  " + " · ".join(counted))
    for code, number in causes.items():
        said = explained(code, facts_of_failed(code, why.values()), screen.lang)["message"]
        screen.line(f"  {number} × {code} {said}".rstrip())
    if causes:
        screen.line(
            f"  Gửi lại các việc không thành công: lienthong batch again {one.number} --reason “…”",
            f"  Replay what failed: lienthong batch again {one.number} --reason “…”",
        )
    if one.state is BatchState.WAITING:
        screen.line(
            f"  Chờ người khác duyệt: lienthong batch approve {one.number}",
            f"  Waits for another person: lienthong batch approve {one.number}",
        )


def _said(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _print_items(call: CommandRun, items: Sequence[BatchItem], why: dict[int, Problem | None], number: int) -> None:
    screen = call.screen
    if not items:
        return
    names = party_names(call)
    for item in items:
        state = _word(screen, ITEM_STATES[item.state])
        kind = _word(screen, ITEM_KINDS[item.step.kind])
        found = screen.text(f" (lúc đó: {item.found})", f" (found: {item.found})") if item.found else ""
        code = f" {item.code}" if item.code else ""
        screen.line(
            f"  {item.number}. {kind} {item.step.subject} · {called(item.step.party, names)} · {state}{code}{found}"
        )
        problem = why.get(item.number)
        if problem is not None:
            screen.line(f"      {problem.message(screen.lang)}")
    more = number - len(items)
    if more > 0:
        screen.line(
            f"… còn nữa: thêm --after {items[-1].number} hoặc --limit",
            f"… more: add --after {items[-1].number} or --limit",
        )


def _item_row(screen: Screen, item: BatchItem, problem: Problem | None) -> dict[str, Any]:
    return {
        "number": item.number,
        "kind": str(item.step.kind),
        "subject": item.step.subject,
        "party": item.step.party,
        "state": str(item.state),
        "code": item.code,
        "found": item.found,
        "at": item.at,
        "problem": screen.problem_row(problem) if problem is not None else None,
    }


@command(
    "pause",
    vi="Tạm dừng: không thực hiện thêm việc nào của đợt cho tới “batch resume”. Các việc đã đưa vào hàng đợi vẫn được gửi.",
    en="Pause: nothing more of it is done until “batch resume”. What was queued already is still delivered.",
)
@argument("number", type=click.IntRange(1), metavar="N")
@asking
def pause(call: CommandRun, number: int, reason: str | None) -> int:
    """Asks, and pauses."""
    from gateway.services.batches import pause_batch

    one, why = _asked(call, number, "pause", reason, "Tạm dừng", "Pause")
    _told(call, pause_batch(call.store, one.number, who=f"operator:{call.person}", reason=why, now=call.now))
    return FINE


@command("resume", vi="Chạy tiếp đợt đang tạm dừng.", en="Let a paused batch go on.")
@argument("number", type=click.IntRange(1), metavar="N")
@asking
def resume(call: CommandRun, number: int, reason: str | None) -> int:
    """Asks, and resumes."""
    from gateway.services.batches import resume_batch

    one, why = _asked(call, number, "resume", reason, "Chạy tiếp", "Go on with")
    _told(call, resume_batch(call.store, one.number, who=f"operator:{call.person}", reason=why, now=call.now))
    return FINE


@command(
    "cancel",
    vi="Hủy: các việc chưa tới lượt không được thực hiện; các việc đã thực hiện giữ nguyên.",
    en="Cancel: what has not had its turn is left undone for good; what was done stays done.",
)
@argument("number", type=click.IntRange(1), metavar="N")
@asking
def cancel(call: CommandRun, number: int, reason: str | None) -> int:
    """Asks, and cancels."""
    from gateway.services.batches import cancel_batch

    one, why = _asked(call, number, "cancel", reason, "Hủy", "Cancel")
    _told(call, cancel_batch(call.store, one.number, who=f"operator:{call.person}", reason=why, now=call.now))
    return FINE


@command(
    "approve",
    vi="Duyệt một đợt đang chờ (approval.above). Người duyệt phải là tài khoản khác với người bắt đầu.",
    en="Approve a batch that waits (approval.above). Whoever approves has another account than whoever started it.",
)
@argument("number", type=click.IntRange(1), metavar="N")
@asking
def approve(call: CommandRun, number: int, reason: str | None) -> int:
    """Asks, and lets it begin."""
    from gateway.services.batches import approve_batch

    one, why = _asked(call, number, "approve", reason, "Duyệt", "Approve")
    _told(call, approve_batch(call.store, one.number, who=f"operator:{call.person}", reason=why, now=call.now))
    return FINE


@command(
    "again",
    vi="Một đợt mới gồm các việc không thành công của đợt này mà hiện vẫn chưa thành công: gửi lại lượt gửi, xét lại thông điệp.",
    en="A new batch of what failed in this one and still does: deliveries are queued, messages judged again.",
)
@argument("number", type=click.IntRange(1), metavar="N")
@option(
    "--rate", type=click.FloatRange(0.01, 1000), vi="Số việc mỗi giây (mặc định: như đợt cũ).", en="Things a second."
)
@asking
def again(call: CommandRun, number: int, rate: float | None, reason: str | None) -> int:
    """Plans, asks, and starts."""
    from gateway.services.batches import batch_known, batch_of_failed, failed_of

    call.need(OperatorRole.OPERATOR, "batch again")
    deliveries, messages = failed_of(call.store, batch_known(call.store, number))
    count = len(deliveries) + len(messages)
    if not count:
        raise Stopped(Problem("SYS-182", {"batch": number}))
    why = call.agreed(
        "batch again",
        reason,
        f"Gửi lại, xét lại {count} việc không thành công của đợt {number}?",
        f"Replay {count} of batch {number}?",
    )
    made = batch_of_failed(
        call.store,
        number,
        who=f"operator:{call.person}",
        reason=why,
        now=call.now,
        per_second=rate,
        approve_above=call.settings.approval.above,
    )
    started(call, made)
    return FINE


def _asked(call: CommandRun, number: int, act: str, reason: str | None, vi: str, en: str) -> tuple[Batch, str]:
    from gateway.services.batches import batch_known

    call.need(OperatorRole.OPERATOR, f"batch {act}")
    one = batch_known(call.store, number)
    if not call.screen.as_json and call.screen.interactive:
        _print_batch(call.screen, one, {}, {})
    left = one.count(BatchItemState.PLANNED)
    why = call.agreed(
        f"batch {act}", reason, f"{vi} đợt {number} (còn {left} việc)?", f"{en} batch {number} ({left} left)?"
    )
    return one, why


def _told(call: CommandRun, one: Batch) -> None:
    if call.screen.as_json:
        call.screen.row({"batch": batch_row(one)})
        return
    vi, en = STATES[one.state]
    call.screen.line(
        f"Đợt {one.number}: {vi}; {one.settled}/{one.size} việc đã hoàn thành.",
        f"Batch {one.number}: {en}; {one.settled} of {one.size} through.",
    )
