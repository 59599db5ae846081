"""replay, skip: what an operator does about failures. A plan first, a reason always, the person in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from gateway.cli.batch import started
from gateway.cli.command import FINE, PROBLEMS, CommandRun, Moment, argument, asking, check_period, command, option
from gateway.cli.find import counted, delivery_row, fate_word, one_party, state_word
from gateway.cli.show import Screen
from gateway.core.batches import BatchKind, BatchStep
from gateway.core.model import Acknowledgement, Delivery
from gateway.core.operators import OperatorRole
from gateway.core.problems import ProblemOutcome
from gateway.services import desk
from gateway.services.batches import RATE, replay_steps, skip_steps, start_batch

SHOWN = 20  # of each list; the rest is counted


@command(
    "replay",
    vi="Gửi lại các lượt gửi bị từ chối hoặc quá hạn, xét lại các thông điệp bị từ chối hoặc đang giữ: theo mã, "
    "hoặc theo bộ lọc. Trước hết hiển thị kế hoạch: số lượng, lượt nào bên nhận đã có, lượt nào hiện vẫn "
    "không thành công. Mã và nội dung giữ nguyên.",
    en="Send refused or dead deliveries again, judge rejected or held messages again: by id, or by filter. First comes "
    "the plan: how many, which the receiver has already, which would fail even now. Ids and bytes stay what they are.",
)
@argument("ids", nargs=-1, metavar="[ID…]")
@option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["refused", "dead", "rejected", "held"]),
    vi="Mọi lượt gửi ở trạng thái refused (bị từ chối), dead (quá hạn gửi), hoặc mọi thông điệp ở "
    "trạng thái rejected (bị từ chối), held (tạm giữ).",
    en="All deliveries refused/dead, or all messages rejected/held.",
)
@option(
    "--party",
    metavar="PARTY",
    vi="Bên nhận của lượt gửi, bên gửi của thông điệp.",
    en="Receiver of deliveries, sender of messages.",
)
@option("--code", metavar="DLV-020", vi="Chỉ các mục có mã lỗi này.", en="Only with this problem code.")
@option("--since", type=Moment(), vi="Từ thời điểm này.", en="From this time on.")
@option("--until", type=Moment(), vi="Trước thời điểm này.", en="Before this time.")
@option("--receiver", metavar="PARTY", vi="Chỉ thông điệp gửi tới bên này.", en="Only messages owed to this receiver.")
@option("--type", "loai", metavar="HSnn", vi="Chỉ thông điệp loại này.", en="Only messages of this type.")
@option(
    "--dossier", "ma_ho_so", metavar="MAHOSO", vi="Chỉ thông điệp của hồ sơ này.", en="Only messages of this dossier."
)
@option(
    "--text",
    metavar="…",
    vi="Chỉ thông điệp mà vấn đề có đoạn văn bản này, như ở lệnh messages.",
    en="Only messages of which a problem contains this, as in messages.",
)
@option(
    "--limit",
    type=click.IntRange(1, desk.MANY),
    default=desk.MANY,
    show_default=True,
    vi="Số lượng tối đa.",
    en="At most.",
)
@option(
    "--rate",
    type=click.FloatRange(0.01, 1000),
    default=RATE,
    show_default=True,
    vi="Số việc mỗi giây, khi kế hoạch có hơn một việc.",
    en="Things a second, where the plan has more than one.",
)
@option("--dry-run", is_flag=True, vi="Chỉ hiển thị kế hoạch.", en="Only print the plan.")
@asking
def replay(
    call: CommandRun,
    ids: tuple[str, ...],
    states: tuple[str, ...],
    party: str | None,
    code: str | None,
    since: datetime | None,
    until: datetime | None,
    receiver: str | None,
    loai: str | None,
    ma_ho_so: str | None,
    text: str | None,
    limit: int,
    rate: float,
    dry_run: bool,
    reason: str | None,
) -> int:
    """Plans, asks, acts, and says what came of it."""
    from gateway.services.intake import judge, recheck
    from gateway.wiring import build

    screen = call.screen
    if not ids and not states:
        raise click.UsageError(
            screen.text(
                "Nêu ID, hoặc --state (refused, dead, rejected, held).",
                "Name an ID, or --state (refused, dead, rejected, held).",
            )
        )
    check_period(call, since, until)
    if (receiver or loai or ma_ho_so or text) and not {*states} <= {"rejected", "held"}:
        raise click.UsageError(
            screen.text(
                "--receiver, --type, --dossier, --text chỉ dùng cho thông điệp: --state rejected, held.",
                "--receiver, --type, --dossier, --text are of messages alone: --state rejected, held.",
            )
        )
    if not dry_run:
        call.need(OperatorRole.OPERATOR, "replay")
    store = call.store
    gate = build(call.settings, store)
    choice = desk.Choice(
        ids=ids,
        states=frozenset(states),
        party=one_party(call, party) if party else None,
        code=code.upper() if code is not None else None,
        since=since,
        until=until,
        receiver=one_party(call, receiver) if receiver else None,
        loai=loai.upper() if loai is not None else None,
        ma_ho_so=ma_ho_so,
        text=text,
        limit=limit,
    )
    plan = desk.plan_replay(store, choice, lambda envelope: judge(envelope, gate))
    _print_plan(screen, plan)
    if dry_run or not plan.count:
        return PROBLEMS if plan.would_fail else FINE
    why = call.agreed("replay", reason, f"Làm {plan.count} việc này?", f"Do these {plan.count}?")
    who = f"operator:{call.person}"
    if plan.count > 1:
        steps = replay_steps(plan.deliveries, plan.messages)
        _start(call, BatchKind.REPLAY, steps, why, rate, choice)
        return FINE
    queued = desk.replay_deliveries(store, plan, who=who, reason=why, now=call.now)
    answers: list[Acknowledgement] = []
    if plan.messages:
        desk.note_rechecks(store, plan, who=who, reason=why, now=call.now)
        answers = recheck([message.id for message in plan.messages], gate, call.now)
    _print_done(screen, queued, answers)
    return PROBLEMS if any(str(answer.fate) == "rejected" for answer in answers) else FINE


def _print_plan(screen: Screen, plan: desk.ReplayPlan) -> None:
    if screen.as_json:
        screen.row({"plan": _plan_row(screen, plan)})
        return
    screen.line(
        f"Kế hoạch: gửi lại {len(plan.deliveries)} lượt, xét lại {len(plan.messages)} thông điệp.",
        f"Plan: send {len(plan.deliveries)} deliveries again, judge {len(plan.messages)} messages again.",
    )
    for delivery in plan.deliveries[:SHOWN]:
        screen.line(_told(screen, delivery))
    for message in plan.messages[:SHOWN]:
        screen.line(f"  {message.id} · {message.party} · {fate_word(screen, message.state)} {counted(message.codes)}")
    screen.rest(max(0, len(plan.deliveries) - SHOWN) + max(0, len(plan.messages) - SHOWN))
    _print_counts(screen, plan)
    for doubt in plan.would_fail[:SHOWN]:
        screen.line(f"Hiện vẫn không thành công: {doubt.subject}", f"Would fail even now: {doubt.subject}")
        for problem in doubt.problems:
            screen.problem(problem)
    screen.rest(len(plan.would_fail) - SHOWN)
    if plan.cut:
        screen.line(
            "Còn mục ngoài giới hạn; chạy lại lệnh sau lần này.",
            "There is more beyond the limit; run again afterwards.",
        )


def _plan_row(screen: Screen, plan: desk.ReplayPlan) -> dict[str, Any]:
    return {
        "deliveries": [delivery_row(screen, delivery) for delivery in plan.deliveries],
        "messages": [{"id": m.id, "state": str(m.state), "codes": list(m.codes)} for m in plan.messages],
        "already_delivered": [delivery.id for delivery in plan.delivered],
        "on_their_way": [delivery.id for delivery in plan.waiting],
        "skipped": [delivery.id for delivery in plan.skipped],
        "nothing_to_do": [message.id for message in plan.settled],
        "behind": plan.behind,
        "would_fail": [
            {"message": doubt.subject, "problems": [screen.problem_row(problem) for problem in doubt.problems]}
            for doubt in plan.would_fail
        ],
        "more": plan.cut,
    }


def _told(screen: Screen, delivery: Delivery) -> str:
    code = f" {delivery.problem.code}" if delivery.problem else ""
    return f"  {delivery.id} → {delivery.party} · {delivery.lane} · {state_word(screen, delivery.state)}{code}"


def _print_counts(screen: Screen, plan: desk.ReplayPlan) -> None:
    counts: Mapping[tuple[str, str], int] = {
        ("bên nhận đã có, không gửi lại", "the receiver has already; not sent again"): len(plan.delivered),
        ("đang được gửi, không cần xử lý", "on their way by themselves"): len(plan.waiting),
        ("đã bỏ qua trước đây", "were skipped before"): len(plan.skipped),
        ("đã hoàn thành, không còn lượt phải gửi", "done, nothing left to send"): len(plan.settled),
        ("lượt đang chờ phía sau sẽ được gửi tiếp", "deliveries waiting behind will follow"): plan.behind,
    }
    for (vi, en), count in counts.items():
        if count:
            screen.line(f"  {count} {vi}", f"  {count} {en}")


def _print_done(screen: Screen, queued: list[Delivery], answers: list[Acknowledgement]) -> None:
    if screen.as_json:
        for delivery in queued:
            screen.row({"replayed": delivery_row(screen, delivery)})
        for answer in answers:
            screen.row(
                {"judged": answer.message, "state": str(answer.fate), "codes": [p.code for p in answer.problems]}
            )
        return
    if queued:
        screen.line(
            f"Đã đưa lại {len(queued)} lượt gửi vào hàng đợi; “lienthong work” sẽ gửi.",
            f"Queued {len(queued)} deliveries again; “lienthong work” sends them.",
        )
    for answer in answers:
        screen.line(f"{answer.message}: {fate_word(screen, answer.fate)}")
        for problem in answer.problems:
            if problem.outcome is not ProblemOutcome.NOTE:
                screen.problem(problem)


@command(
    "skip",
    vi="Bỏ qua các lượt gửi để các lượt sau của hồ sơ được gửi tiếp: theo mã, hoặc theo bộ lọc như lệnh replay. "
    "Trước hết hiển thị kế hoạch. Bên nhận sẽ không nhận được các thông điệp này.",
    en="Give deliveries up for good, so that later ones of their dossiers go on: by id, or by the filters of replay. First comes "
    "the plan. The receiver will not have these messages.",
)
@argument("ids", nargs=-1, metavar="[DELIVERY…]")
@option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in desk.SKIPPABLE]),
    vi="Mọi lượt gửi ở trạng thái này.",
    en="All deliveries in this state.",
)
@option("--party", metavar="PARTY", vi="Chỉ lượt gửi của bên nhận này.", en="Only to this receiver.")
@option("--code", metavar="DLV-020", vi="Chỉ các mục có mã lỗi này.", en="Only with this problem code.")
@option("--since", type=Moment(), vi="Từ thời điểm này.", en="From this time on.")
@option("--until", type=Moment(), vi="Trước thời điểm này.", en="Before this time.")
@option(
    "--limit",
    type=click.IntRange(1, desk.MANY),
    default=desk.MANY,
    show_default=True,
    vi="Số lượng tối đa.",
    en="At most.",
)
@option(
    "--rate",
    type=click.FloatRange(0.01, 1000),
    default=RATE,
    show_default=True,
    vi="Số việc mỗi giây, khi kế hoạch có hơn một việc.",
    en="Things a second, where the plan has more than one.",
)
@option("--dry-run", is_flag=True, vi="Chỉ hiển thị kế hoạch.", en="Only print the plan.")
@asking
def skip(
    call: CommandRun,
    ids: tuple[str, ...],
    states: tuple[str, ...],
    party: str | None,
    code: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    rate: float,
    dry_run: bool,
    reason: str | None,
) -> int:
    """Plans, asks, and gives up."""
    screen = call.screen
    if not ids and not states:
        named = ", ".join(state.value for state in desk.SKIPPABLE)
        raise click.UsageError(
            screen.text(f"Nêu DELIVERY, hoặc --state ({named}).", f"Name a DELIVERY, or --state ({named}).")
        )
    check_period(call, since, until)
    if not dry_run:
        call.need(OperatorRole.OPERATOR, "skip")
    choice = desk.Choice(
        ids=ids,
        states=frozenset(states),
        party=one_party(call, party) if party else None,
        code=code.upper() if code is not None else None,
        since=since,
        until=until,
        limit=limit,
    )
    plan = desk.plan_skip(call.store, choice)
    _print_skip(screen, plan, dry_run=dry_run)
    if dry_run or not plan.deliveries:
        return FINE
    number = len(plan.deliveries)
    why = call.agreed(
        "skip",
        reason,
        f"Bỏ qua {number} lượt gửi?" if number > 1 else f"Bỏ qua lượt gửi {plan.deliveries[0].id}?",
        f"Give up {number} deliveries for good?"
        if number > 1
        else f"Give delivery {plan.deliveries[0].id} up for good?",
    )
    if number > 1:
        _start(call, BatchKind.SKIP, skip_steps(plan.deliveries), why, rate, choice)
        return FINE
    one = desk.skip(call.store, plan.deliveries[0].id, who=f"operator:{call.person}", reason=why, now=call.now)
    if screen.as_json:
        screen.row({"skipped": delivery_row(screen, one)})
    screen.line(
        f"Đã bỏ qua {one.id}; hàng đợi {one.lane} tới {one.party} được gửi tiếp.",
        f"Skipped {one.id}; lane {one.lane} to {one.party} goes on.",
    )
    return FINE


def _start(
    call: CommandRun, kind: BatchKind, steps: Sequence[BatchStep], reason: str, rate: float, choice: desk.Choice
) -> None:
    """More than one thing is a batch."""
    asked = {name: value for name, value in asdict(choice).items() if value}
    made = start_batch(
        call.store,
        kind,
        steps,
        who=f"operator:{call.person}",
        reason=reason,
        now=call.now,
        per_second=rate,
        asked={**asked, "states": sorted(choice.states)} if choice.states else asked,
        approve_above=call.settings.approval.above,
    )
    started(call, made)


def _print_skip(screen: Screen, plan: desk.SkipPlan, *, dry_run: bool) -> None:
    """The plan; of one delivery only where a person is asked."""
    if screen.as_json:
        if dry_run:
            screen.row(
                {
                    "plan": [delivery_row(screen, one) for one in plan.deliveries],
                    "behind": plan.behind,
                    "more": plan.cut,
                }
            )
        return
    if len(plan.deliveries) == 1 and not dry_run and not screen.interactive:
        return
    screen.line(
        f"Kế hoạch: bỏ qua {len(plan.deliveries)} lượt gửi.", f"Plan: give up {len(plan.deliveries)} deliveries."
    )
    for delivery in plan.deliveries[:SHOWN]:
        screen.line(_told(screen, delivery))
    screen.rest(len(plan.deliveries) - SHOWN)
    if plan.behind:
        screen.line(
            f"  {plan.behind} lượt đang chờ phía sau sẽ được gửi tiếp",
            f"  {plan.behind} deliveries waiting behind will follow",
        )
    if plan.cut:
        screen.line(
            "Còn mục ngoài giới hạn; chạy lại lệnh sau lần này.",
            "There is more beyond the limit; run again afterwards.",
        )
