"""Gửi lại, xét lại, bỏ qua: one thing at once, several as a batch; planned as the command line plans them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from gateway.console import words
from gateway.console.acts import ActDone, ActPlan, DeskAct
from gateway.console.fields import choice_of, period_of, text_of
from gateway.console.parts import Cell, Link, Part, Table
from gateway.console.room import DeskCall
from gateway.core.batches import Batch, BatchItemKind, BatchKind, BatchState, BatchStep
from gateway.core.model import Delivery, PartyId
from gateway.core.operators import OperatorRole
from gateway.core.problems import Problem
from gateway.services import desk
from gateway.services.batches import replay_steps, skip_steps, start_batch
from gateway.services.intake import judge, recheck

SHOWN: Final = 20  # of each list; the rest is counted
_STATES: Final = ("refused", "dead", "rejected", "held")


TRIED: Final = 200  # of a plan are judged anew for it; somebody waits for the page


def judging_again(state: str, query: Mapping[str, str]) -> list[tuple[str, str]]:
    """The fields of a form by which exactly the messages of a filter of the page Thông điệp are judged again."""
    named = {name: name for name in ("nhan", "loai", "chu", "tu", "den")}
    named |= {"ben": "gui", "ma-loi": "ma_loi", "ho-so": "ho_so"}
    states = [state] if state else ["rejected", "held"]
    return [*(("trang-thai", one) for one in states), *((n, query[q]) for n, q in named.items() if query.get(q))]


def _choice(call: DeskCall, states: Sequence[str]) -> desk.Choice:
    """What the form asks for: ids, or a filter."""
    asked = [choice_of({"trang-thai": one}, "trang-thai", states) for one in call.chosen.get("trang-thai", ())]
    ids = tuple(name for name in (text_of({"id": one}, "id", 100) for one in call.chosen.get("id", ())) if name)
    wanted = [state for state in asked if state] or ([] if ids else ["refused", "dead"])
    since, until = period_of(call.form)
    return desk.Choice(
        ids=ids,
        states=frozenset(wanted),
        party=call.party(text_of(call.form, "ben")),
        code=text_of(call.form, "ma-loi", 10).upper() or None,
        since=since,
        until=until,
        receiver=call.party(text_of(call.form, "nhan")),
        loai=text_of(call.form, "loai", 10).upper() or None,
        ma_ho_so=text_of(call.form, "ho-so", 100) or None,
        text=text_of(call.form, "chu", 100) or None,
    )


def _plan_replay(call: DeskCall) -> ActPlan:
    gate, choice = call.room.gate(), _choice(call, _STATES)
    plan = desk.plan_replay(call.store, choice, lambda envelope: judge(envelope, gate), tried=TRIED)
    says = [
        call.text(
            f"Gửi lại {len(plan.deliveries)} lượt, xét lại {len(plan.messages)} thông điệp.",
            f"Send {len(plan.deliveries)} deliveries again, judge {len(plan.messages)} messages again.",
        )
    ]
    counts = {
        ("bên nhận đã có, không gửi lại", "the receiver has already; not sent again"): len(plan.delivered),
        ("đang được gửi, không cần xử lý", "on their way by themselves"): len(plan.waiting),
        ("đã bỏ qua trước đây", "were skipped before"): len(plan.skipped),
        ("đã hoàn thành, không còn lượt phải gửi", "done, nothing left to send"): len(plan.settled),
        ("lượt đang chờ phía sau sẽ được gửi tiếp", "deliveries waiting behind will follow"): plan.behind,
    }
    says += [f"{count} {call.text(vi, en)}." for (vi, en), count in counts.items() if count]
    if plan.untried:
        says.append(
            call.text(
                f"Kế hoạch đã xét thử {TRIED} mục đầu; {plan.untried} mục còn lại được xét khi thực hiện.",
                f"The first {TRIED} were judged for this plan; the other {plan.untried} are when it is carried out.",
            )
        )
    if plan.cut:
        says.append(
            call.text(
                "Còn mục ngoài giới hạn; thực hiện lại sau lần này.",
                "There is more beyond the limit; do it again afterwards.",
            )
        )
    steps = replay_steps(plan.deliveries, plan.messages)
    says += _batch_says(call, len(steps))
    names, left = call.names(), len(plan.messages) - SHOWN
    shown: list[Part] = [
        _deliveries(call, plan.deliveries, names),
        Table(
            caption=call.text("Thông điệp", "Messages"),
            heads=words.message_heads(call),
            rows=[words.message_row(call, message, names) for message in plan.messages[:SHOWN]],
            more=call.text(f"Còn {left} nữa.", f"{left} more.") if left > 0 else "",
        ),
    ]
    doubts: list[Problem] = [problem for doubt in plan.would_fail[:SHOWN] for problem in doubt.problems]
    back = _back(call, steps, choice)
    return ActPlan(says=says, facts=_kept(steps, choice), count=len(steps), shown=shown, problems=doubts, back=back)


def _back(call: DeskCall, steps: Sequence[BatchStep], choice: desk.Choice) -> Link:
    """From where such a plan is made: the one thing, or the page of its group."""
    if choice.ids and len(steps) == 1:
        (step,) = steps
        if step.kind is BatchItemKind.DELIVERY:
            return Link(step.subject, words.desk_address(f"/luot-gui/{step.subject}"))
        return words.to_message(step.subject)
    if steps and steps[0].kind is BatchItemKind.MESSAGE:
        return Link(call.text("Thông điệp", "Messages"), words.desk_address("/thong-diep"))
    return Link(call.text("Nguyên nhân", "Causes"), words.desk_address("/nguyen-nhan"))


def _deliveries(call: DeskCall, deliveries: Sequence[Delivery], names: Mapping[PartyId, str]) -> Part:
    left = len(deliveries) - SHOWN
    heads = (
        ("Lượt gửi", "Delivery"),
        ("Bên nhận", "Receiver"),
        ("Hồ sơ", "Dossier"),
        ("Trạng thái", "State"),
        ("Mã lỗi", "Code"),
    )
    rows: list[Sequence[Cell]] = [
        [
            Link(one.id, words.desk_address(f"/luot-gui/{one.id}")),
            words.named(one.party, names),
            words.to_dossier(one.lane),
            words.delivery_mark(call, one.state),
            one.problem.code if one.problem is not None else None,
        ]
        for one in deliveries[:SHOWN]
    ]
    return Table(
        caption=call.text("Lượt gửi", "Deliveries"),
        heads=[call.text(*head) for head in heads],
        rows=rows,
        more=call.text(f"Còn {left} nữa.", f"{left} more.") if left > 0 else "",
    )


def _batch_says(call: DeskCall, count: int) -> list[str]:
    above = call.room.settings.approval.above
    if count <= 1:
        return []
    says = [
        call.text(
            "Lập thành một đợt, “lienthong work” thực hiện dần.",
            "It becomes a batch that “lienthong work” carries out.",
        )
    ]
    if above is not None and count > above:
        says.append(
            call.text(f"Hơn {above} việc: chờ người thứ hai duyệt.", f"Over {above}: a second person must approve.")
        )
    return says


def _kept(steps: Sequence[BatchStep], choice: desk.Choice) -> dict[str, Any]:
    """The plan as JSON: each thing as it stood when it was planned, and what was asked for."""
    asked = {name: value for name, value in asdict(choice).items() if value and name != "limit"}
    asked |= {"states": sorted(choice.states)} if choice.states else {}
    asked |= {"ids": list(choice.ids)} if choice.ids else {}
    kept = [[step.kind.value, step.subject, str(step.party), dict(step.was)] for step in steps]
    return {"steps": kept, "asked": asked}


def _steps(facts: Mapping[str, Any]) -> list[BatchStep]:
    return [
        BatchStep(kind=BatchItemKind(kind), subject=subject, party=PartyId(party), was=was)
        for kind, subject, party, was in facts["steps"]
    ]


def _started(
    call: DeskCall, kind: BatchKind, steps: Sequence[BatchStep], asked: Mapping[str, Any], reason: str
) -> ActDone:
    """More than one thing is a batch."""
    made = start_batch(
        call.store,
        kind,
        steps,
        who=call.at_desk.who,
        reason=reason,
        now=call.now,
        asked=asked,
        approve_above=call.room.settings.approval.above,
    )
    return batch_done(call, made)


def batch_done(call: DeskCall, made: Batch) -> ActDone:
    """That a batch has begun, or waits for a second person."""
    if made.state is BatchState.WAITING:
        says = call.text(
            f"Đợt {made.number} ({made.size} việc) chờ người thứ hai duyệt.",
            f"Batch {made.number} ({made.size} things) waits for a second person's approval.",
        )
    else:
        says = call.text(
            f"Đợt {made.number} ({made.size} việc) đã bắt đầu.", f"Batch {made.number} ({made.size} things) has begun."
        )
    return ActDone(
        says=[says],
        links=[
            Link(call.text(f"Đợt {made.number}", f"Batch {made.number}"), words.desk_address(f"/dot/{made.number}"))
        ],
    )


def _do_replay(call: DeskCall, facts: Mapping[str, Any], reason: str) -> ActDone:
    steps, who = _steps(facts), call.at_desk.who
    if len(steps) > 1:
        return _started(call, BatchKind.REPLAY, steps, facts["asked"], reason)
    (step,) = steps
    with call.store.read() as view:
        known = view.delivery(step.subject)
        message = view.message(step.subject)
    plan = desk.ReplayPlan(
        deliveries=[known] if step.kind is BatchItemKind.DELIVERY and known is not None else [],
        messages=[message] if step.kind is BatchItemKind.MESSAGE and message is not None else [],
        delivered=[],
        waiting=[],
        skipped=[],
        settled=[],
    )
    if plan.deliveries:
        queued = desk.replay_deliveries(call.store, plan, who=who, reason=reason, now=call.now)
        said = (
            call.text("Đã đưa lại vào hàng đợi; “lienthong work” sẽ gửi.", "Queued again; “lienthong work” sends it.")
            if queued
            else call.text(
                "Đã đổi trạng thái trong thời gian đó, giữ nguyên.", "It had moved meanwhile and was left alone."
            )
        )
        return ActDone(says=[said], links=[Link(step.subject, words.desk_address(f"/luot-gui/{step.subject}"))])
    desk.note_rechecks(call.store, plan, who=who, reason=reason, now=call.now)
    answers = recheck([one.id for one in plan.messages], call.room.gate(), call.now)
    says = [f"{answer.message}: {words.fate_mark(call, answer.fate).text}" for answer in answers]
    return ActDone(says=says, links=[words.to_message(step.subject)])


def _plan_skip(call: DeskCall) -> ActPlan:
    choice = _choice(call, [state.value for state in desk.SKIPPABLE])
    plan = desk.plan_skip(call.store, choice)
    number = len(plan.deliveries)
    says = [
        call.text(
            f"Bỏ qua {number} lượt gửi; bên nhận sẽ không có các thông điệp này.",
            f"Give up {number} deliveries; the receiver will not have these messages.",
        )
    ]
    if plan.behind:
        says.append(
            call.text(
                f"{plan.behind} lượt đang chờ phía sau sẽ được gửi tiếp.",
                f"{plan.behind} deliveries waiting behind will follow.",
            )
        )
    steps = skip_steps(plan.deliveries)
    says += _batch_says(call, number)
    shown = [_deliveries(call, plan.deliveries, call.names())]
    back = _back(call, steps, choice)
    return ActPlan(says=says, facts=_kept(steps, choice), count=number, shown=shown, back=back)


def _do_skip(call: DeskCall, facts: Mapping[str, Any], reason: str) -> ActDone:
    steps = _steps(facts)
    if len(steps) > 1:
        return _started(call, BatchKind.SKIP, steps, facts["asked"], reason)
    skipped = desk.skip(call.store, steps[0].subject, who=call.at_desk.who, reason=reason, now=call.now)
    names = call.names()
    says = call.text(
        f"Đã bỏ qua; các lượt sau của {skipped.lane} tới {names.get(skipped.party, skipped.party)} được gửi tiếp.",
        f"Skipped; later deliveries of {skipped.lane} to {names.get(skipped.party, skipped.party)} go on.",
    )
    return ActDone(says=[says], links=[Link(skipped.id, words.desk_address(f"/luot-gui/{skipped.id}"))])


REPLAY = DeskAct(
    name="gui-lai",
    command="replay",
    role=OperatorRole.OPERATOR,
    title=("gửi lại, xét lại", "send again, judge again"),
    plan=_plan_replay,
    do=_do_replay,
)
SKIP = DeskAct(
    name="bo-qua",
    command="skip",
    role=OperatorRole.OPERATOR,
    title=("bỏ qua", "skip"),
    plan=_plan_skip,
    do=_do_skip,
    grave=True,
)
ACTS = [REPLAY, SKIP]
