"""Acts: a plan first, then the reason and a yes. The same rights, words and services as the command line.

What was planned is kept beside the session and taken out when it is carried out: two tabs, or a way back in the browser, cannot
do it twice, and what is done is what was shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.console.fields import LONGEST_TEXT, text_of
from gateway.console.parts import Act, Downloads, FormField, Heading, Lines, Link, Part, Table, ToldProblems
from gateway.console.room import BASE, Answer, DeskCall, DeskPage, Shown
from gateway.core.operators import OperatorRole
from gateway.core.problems import Problem, Stopped
from gateway.services.operators import keep_plan, take_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class ActPlan:
    """What an act would do. Nothing has been changed by making it."""

    says: Sequence[str]
    facts: Mapping[str, Any]  # what is kept until the yes, as JSON
    count: int = 1
    shown: Sequence[Part] = ()
    problems: Sequence[Problem] = ()  # what would fail even now
    back: Link | None = None  # where whoever does not want it goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class ActDone:
    """What came of it."""

    says: Sequence[str]
    links: Sequence[Link] = ()
    shown: Sequence[Part] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskAct:
    """One kind of act."""

    name: str  # in the address
    command: str  # as the command line calls it
    role: OperatorRole
    title: tuple[str, str]
    plan: Callable[[DeskCall], ActPlan] | None  # None: a page of its own makes it (planned_parts)
    do: Callable[[DeskCall, Mapping[str, Any], str], ActDone]
    grave: bool = False  # cannot be taken back
    fields: Sequence[FormField] = field(default=())

    @property
    def to(self) -> str:
        """Where its plan is made."""
        return f"{BASE}/viec/{self.name}"


def act_pages(acts: Sequence[DeskAct]) -> list[DeskPage]:
    """The two addresses of each."""
    return [page for act in acts for page in _pages(act)]


def _pages(act: DeskAct) -> list[DeskPage]:
    plan = act.plan
    makers: dict[str, Callable[[DeskCall], Answer]] = {"/lam": lambda call: _done(call, act)}
    if plan is not None:
        makers[""] = lambda call: _planned(call, act, plan)
    return [
        DeskPage(method="POST", path=f"/viec/{act.name}{end}", make=make, role=act.role, act=act.command)
        for end, make in makers.items()
    ]


def _planned(call: DeskCall, act: DeskAct, plan: Callable[[DeskCall], ActPlan]) -> Answer:
    title = call.text(*act.title)
    return Shown(title=call.text(f"Kế hoạch: {title}", f"Plan: {title}"), parts=planned_parts(call, act, plan(call)))


def planned_parts(call: DeskCall, act: DeskAct, plan: ActPlan) -> list[Part]:
    """What would be done, kept until its person gives the reason and says yes."""
    parts: list[Part] = [Lines(lines=plan.says), *plan.shown]
    if plan.problems:
        parts += [
            Heading(text=call.text("Hiện vẫn không thành công", "Would fail even now")),
            ToldProblems(problems=plan.problems),
        ]
    if plan.count:
        kept = keep_plan(call.store, call.at_desk, act.name, plan.facts, call.now)
        why = FormField(
            name="ly-do",
            label=call.text("Lý do, ghi vào nhật ký", "The reason; it goes into the log"),
            needed=True,
        )
        parts.append(
            Act(
                to=f"{act.to}/lam",
                button=call.text("Thực hiện", "Do it"),
                hidden=[("ke-hoach", kept.id)],
                fields=[why],
                title=call.text("Đồng ý?", "Agreed?"),
                grave=act.grave,
            )
        )
    else:
        parts.append(Lines(lines=[call.text("Không có việc phải thực hiện.", "There is nothing to do.")]))
    if plan.back is not None:
        said = call.text(f"Không thực hiện, quay lại {plan.back.text}", f"Leave it, back to {plan.back.text}")
        parts.append(Downloads(links=[Link(said if plan.count else plan.back.text, plan.back.to)]))
    return parts


def reason_given(call: DeskCall, act: str) -> str:
    """The reason. Raises Stopped (SYS-041) without one; what was planned is still there then."""
    reason = text_of(call.form, "ly-do", LONGEST_TEXT)
    if not reason:
        raise Stopped(Problem("SYS-041", {"act": act}))
    return reason


def _done(call: DeskCall, act: DeskAct) -> Answer:
    reason = reason_given(call, act.command)
    plan = take_plan(call.store, call.at_desk, call.form.get("ke-hoach", ""), act.name, call.now)
    done = act.do(call, plan.facts, reason)
    title = call.text(*act.title)
    parts: list[Part] = [Lines(lines=done.says), *done.shown]
    if done.links:
        parts.append(
            Table(
                caption=call.text("Xem tiếp", "See next"),
                heads=[call.text("Trang", "Page")],
                rows=[[link] for link in done.links],
            )
        )
    return Shown(title=call.text(f"Đã thực hiện: {title}", f"Done: {title}"), parts=parts)
