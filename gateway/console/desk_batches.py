"""Đợt: acts over many things: how far they have come, what failed and why; pause, resume, cancel, approve, replay the failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from gateway.cli.batch import ITEM_KINDS, ITEM_STATES, KINDS, STATES
from gateway.console import words
from gateway.console.acts import ActDone, ActPlan, DeskAct
from gateway.console.fields import choice_of, number_of
from gateway.console.parts import Act, Cell, Facts, FormField, Glance, Link, Part, Search, Table
from gateway.console.replay import batch_done
from gateway.console.room import Answer, DeskCall, DeskPage, Shown
from gateway.core.batches import Batch, BatchItem, BatchItemKind, BatchItemState, BatchState
from gateway.core.operators import OperatorRole
from gateway.core.problems import Problem
from gateway.services import batches

PAGE: Final = 50
_MOST: Final = 2**31 - 1
_SORTS: Mapping[BatchState, str] = {BatchState.DONE: "good", BatchState.CANCELLED: "bad"}
_ITEM_SORTS: Mapping[BatchItemState, str] = {
    BatchItemState.DONE: "good",
    BatchItemState.FAILED: "bad",
    BatchItemState.LEFT: "bad",
}
_GOING: Final = (BatchState.WAITING, BatchState.RUNNING, BatchState.PAUSED)


def desk_batches(call: DeskCall) -> Answer:
    """The newest batches first."""
    before = number_of(call.query, "truoc", 0, _MOST)
    with call.store.read() as view:
        found = view.batches(states=None, before=before or None, limit=PAGE + 1)
    heads = (
        ("Đợt", "Batch"),
        ("Việc", "Act"),
        ("Trạng thái", "State"),
        ("Xong", "Done"),
        ("Không thành công", "Failed"),
        ("Số việc", "Size"),
        ("Bắt đầu", "Started"),
        ("Ai", "By"),
        ("Lý do", "Reason"),
    )
    rows: list[Sequence[Cell]] = [
        [
            Link(str(one.number), words.desk_address(f"/dot/{one.number}")),
            call.text(*KINDS[one.kind]),
            _state(call, one),
            one.count(BatchItemState.DONE),
            one.count(BatchItemState.FAILED),
            one.size,
            words.when(one.started_at),
            words.person(call, one.started_by),
            one.reason,
        ]
        for one in found[:PAGE]
    ]
    following = words.desk_address("/dot", truoc=found[PAGE - 1].number) if len(found) > PAGE else ""
    table = Table(
        caption=call.text("Các đợt, mới nhất trước", "Batches, the newest first"),
        heads=[call.text(*head) for head in heads],
        rows=rows,
        empty=call.text("chưa có đợt nào.", "none yet."),
        following=Link(call.text("Trang sau", "Next page"), following) if following else None,
    )
    return Shown(title=call.text("Đợt", "Batches"), parts=[table])


def _state(call: DeskCall, one: Batch) -> Glance:
    return Glance(call.text(*STATES[one.state]), _SORTS.get(one.state, "wait"))


def desk_batch(call: DeskCall) -> Answer:
    """One batch: how far, what failed and why, and what can be done about it. Raises Stopped (SYS-042)."""
    number = number_of(call.place, "number", 0, _MOST)
    known = batches.batch_known(call.store, number)
    state = choice_of(call.query, "trang_thai", [state.value for state in BatchItemState])
    after = number_of(call.query, "sau", 0, _MOST)
    chosen = [BatchItemState(state)] if state else [BatchItemState.FAILED, BatchItemState.CHANGED]
    with call.store.read() as view:
        causes = view.batch_causes(number)
        items = view.batch_items(number, states=chosen, after=after, limit=PAGE + 1)
        why = {item.number: batches.why_failed(view, item) for item in items if item.state is BatchItemState.FAILED}
    facts: list[tuple[str, Cell]] = [
        (call.text("Trạng thái", "State"), _state(call, known)),
        (call.text("Đã qua", "Settled"), f"{known.settled}/{known.size}"),
        (call.text("Lý do", "Reason"), known.reason),
        (
            call.text("Bắt đầu", "Started"),
            f"{words.when(known.started_at)} · {words.person(call, known.started_by)}",
        ),
        (call.text("Tốc độ", "Rate"), call.text(f"{known.per_second:g} việc/giây", f"{known.per_second:g} a second")),
    ]
    if known.approved_by is not None:
        approved = f"{words.when(known.approved_at)} · {words.person(call, known.approved_by)}"
        facts.append((call.text("Duyệt", "Approved"), approved))
    if known.ended_at is not None:
        facts.append((call.text("Kết thúc", "Ended"), words.when(known.ended_at)))
    counted: list[Sequence[Cell]] = [
        [Glance(call.text(*ITEM_STATES[state]), _ITEM_SORTS.get(state, "wait")), known.count(state)]
        for state in BatchItemState
        if known.count(state)
    ]
    parts: list[Part] = [
        Facts(rows=facts),
        *_acts(call, known),
        Table(
            caption=call.text("Số việc theo trạng thái", "Where its things stand"),
            heads=[call.text("Trạng thái", "State"), call.text("Số", "Count")],
            rows=counted,
        ),
        Table(
            caption=call.text("Nguyên nhân không thành công", "Failed for"),
            heads=[call.text("Mã lỗi", "Code"), call.text("Nghĩa là", "Meaning"), call.text("Số", "Count")],
            rows=[
                [code, words.explained(code, batches.facts_of_failed(code, why.values()), call.lang)["message"], count]
                for code, count in causes.items()
            ],
        ),
        _items(call, number, items, why, state),
        Search(
            to=words.desk_address(f"/dot/{number}"),
            button=call.text("Xem", "Show"),
            fields=[
                FormField(
                    name="trang_thai",
                    label=call.text("Các việc ở trạng thái", "Things in state"),
                    value=state,
                    choices=[("", call.text("không thành công, đã thay đổi", "failed, changed"))]
                    + [(state.value, call.text(*pair)) for state, pair in ITEM_STATES.items()],
                )
            ],
        ),
    ]
    return Shown(
        title=call.text(f"Đợt {number}: {KINDS[known.kind][0]}", f"Batch {number}: {KINDS[known.kind][1]}"),
        parts=parts,
        fresh=known.state is BatchState.RUNNING,
    )


def _items(
    call: DeskCall, number: int, items: Sequence[BatchItem], why: Mapping[int, Problem | None], state: str
) -> Part:
    names = call.names()
    rows: list[Sequence[Cell]] = []
    for item in items[:PAGE]:
        problem = why.get(item.number)
        said = problem.message(call.lang) if problem is not None else None
        rows.append(
            [
                item.number,
                _subject(item),
                call.text(*ITEM_KINDS[item.step.kind]),
                words.named(item.step.party, names),
                Glance(call.text(*ITEM_STATES[item.state]), _ITEM_SORTS.get(item.state, "wait")),
                " ".join(part for part in (item.code, said) if part) or item.found,
            ]
        )
    heads = (("Số", "No."), ("Về", "About"), ("Là", "Is"), ("Bên", "Party"), ("Trạng thái", "State"), ("Vì sao", "Why"))
    following = (
        words.desk_address(f"/dot/{number}", trang_thai=state, sau=items[PAGE - 1].number) if len(items) > PAGE else ""
    )
    return Table(
        caption=call.text("Việc không thành công, việc đã có người khác thay đổi", "What failed, what others changed")
        if not state
        else call.text(*ITEM_STATES[BatchItemState(state)]),
        heads=[call.text(*head) for head in heads],
        rows=rows,
        empty=call.text("không có.", "none."),
        following=Link(call.text("Trang sau", "Next page"), following) if following else None,
    )


def _subject(item: BatchItem) -> Cell:
    if item.step.kind is BatchItemKind.DELIVERY:
        return Link(item.step.subject, words.desk_address(f"/luot-gui/{item.step.subject}"))
    if item.step.kind is BatchItemKind.MESSAGE:
        return words.to_message(item.step.subject)
    return words.to_dossier(item.step.subject)


def _acts(call: DeskCall, known: Batch) -> list[Part]:
    wanted: list[DeskAct] = []
    if known.state is BatchState.WAITING:
        wanted.append(APPROVE)
    if known.state is BatchState.RUNNING:
        wanted.append(PAUSE)
    if known.state is BatchState.PAUSED:
        wanted.append(RESUME)
    if known.state in _GOING:
        wanted.append(CANCEL)
    if known.state not in _GOING and known.count(BatchItemState.FAILED):
        wanted.append(AGAIN)
    return [
        Act(to=act.to, button=call.text(*act.title).capitalize(), hidden=[("so", str(known.number))], grave=act.grave)
        for act in wanted
        if call.can(act.role)
    ]


class _Move(Protocol):
    def __call__(self, store: Any, number: int, *, who: str, reason: str, now: Any) -> Batch: ...


def _moving(vi: str, en: str) -> Callable[[DeskCall], ActPlan]:
    def plan(call: DeskCall) -> ActPlan:
        known = batches.batch_known(call.store, number_of(call.form, "so", 0, _MOST))
        title = f"{KINDS[known.kind][call.lang.value == 'en']}"
        said = call.text(
            f"Đợt {known.number} ({title}, {known.settled}/{known.size}): {vi}.",
            f"Batch {known.number} ({title}, {known.settled}/{known.size}): {en}.",
        )
        name = call.text(f"Đợt {known.number}", f"Batch {known.number}")
        back = Link(name, words.desk_address(f"/dot/{known.number}"))
        return ActPlan(says=[said], facts={"so": known.number}, back=back)

    return plan


def _moved(move: _Move) -> Callable[[DeskCall, Mapping[str, Any], str], ActDone]:
    def do(call: DeskCall, facts: Mapping[str, Any], reason: str) -> ActDone:
        moved = move(call.store, facts["so"], who=call.at_desk.who, reason=reason, now=call.now)
        said = call.text(*STATES[moved.state])
        to = Link(call.text(f"Đợt {moved.number}", f"Batch {moved.number}"), words.desk_address(f"/dot/{moved.number}"))
        return ActDone(says=[call.text(f"Đợt {moved.number}: {said}.", f"Batch {moved.number}: {said}.")], links=[to])

    return do


def _do_again(call: DeskCall, facts: Mapping[str, Any], reason: str) -> ActDone:
    made = batches.batch_of_failed(
        call.store,
        facts["so"],
        who=call.at_desk.who,
        reason=reason,
        now=call.now,
        approve_above=call.room.settings.approval.above,
    )
    return batch_done(call, made)


PAUSE = DeskAct(
    name="dot-tam-dung",
    command="batch pause",
    role=OperatorRole.OPERATOR,
    title=("tạm dừng đợt", "pause the batch"),
    plan=_moving("không thực hiện thêm việc nào cho tới khi chạy tiếp", "nothing more is done until it goes on"),
    do=_moved(batches.pause_batch),
)
RESUME = DeskAct(
    name="dot-chay-tiep",
    command="batch resume",
    role=OperatorRole.OPERATOR,
    title=("chạy tiếp đợt", "let the batch go on"),
    plan=_moving("chạy tiếp từ chỗ đã dừng", "goes on where it stood"),
    do=_moved(batches.resume_batch),
)
CANCEL = DeskAct(
    name="dot-huy",
    command="batch cancel",
    role=OperatorRole.OPERATOR,
    title=("hủy phần chưa thực hiện của đợt", "cancel the rest of the batch"),
    plan=_moving("các việc chưa tới lượt không được thực hiện", "what has not had its turn is left undone for good"),
    do=_moved(batches.cancel_batch),
    grave=True,
)
APPROVE = DeskAct(
    name="dot-duyet",
    command="batch approve",
    role=OperatorRole.APPROVER,
    title=("duyệt đợt", "approve the batch"),
    plan=_moving("được duyệt và bắt đầu", "is approved and begins"),
    do=_moved(batches.approve_batch),
)
AGAIN = DeskAct(
    name="dot-lam-lai",
    command="batch again",
    role=OperatorRole.OPERATOR,
    title=("gửi lại các việc không thành công của đợt", "replay what failed in the batch"),
    plan=_moving("các việc không thành công lập thành một đợt mới", "what failed becomes a new batch"),
    do=_do_again,
)
ACTS = [PAUSE, RESUME, CANCEL, APPROVE, AGAIN]
PAGES = [
    DeskPage(method="GET", path="/dot", make=desk_batches),
    DeskPage(method="GET", path="/dot/{number}", make=desk_batch),
]
