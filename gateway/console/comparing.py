"""Đối soát: our record against what a party exported, or says when it is asked; then the repair, planned, reasoned, agreed to.

The same services as `lienthong reconcile`. What takes longer than somebody waits for a page is left to the command line.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import Any, Final

from gateway.cli.drift import CAUSES, TURNS
from gateway.cli.nightly import compare_by_look_up
from gateway.cli.reconcile import ACTS as REPAIR_ACTS
from gateway.cli.reconcile import KINDS, has_word, shown_value
from gateway.console import words
from gateway.console.acts import ActDone, ActPlan, DeskAct, planned_parts
from gateway.console.fields import day_of_field, text_of
from gateway.console.parts import Act, Cell, FormField, Heading, Lines, Link, Part, Table, ToldProblems
from gateway.console.replay import batch_done
from gateway.console.room import Answer, DeskCall, DeskPage, Shown, Upload
from gateway.core.batches import BatchItemKind, BatchKind, BatchStep
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.model import PartyId
from gateway.core.operators import OperatorRole
from gateway.core.parties import Party, Role, is_told
from gateway.core.problems import Problem, Stopped
from gateway.core.reconcile import Disagreement, DisagreementKind
from gateway.core.unknown import unknown
from gateway.services.batches import start_batch
from gateway.services.exports import PartyExport, read_column_map
from gateway.services.inquiries import ask_by_letter, last_inquiry, read_answers, unanswered
from gateway.services.reconciling import Compared, ReconcilePeriod, compare_list, disagreements, summed_up
from gateway.services.repairing import RepairAct, alone, mend_now, plan_repairs, repair_steps
from gateway.store import SideBook
from gateway.wiring import OURSELVES, egress_proxy, inquirer

SHOWN: Final = 50  # dossiers of each kind
BAD_SHOWN: Final = 20  # rows of a file that are none
MENDED: Final = 2000  # dossiers of one repair; more is compared again afterwards
ASKED: Final = 200  # dossiers that are looked up while somebody waits
PER_SECOND: Final = 20.0
UNPACKED_BYTES: Final = 64 * 2**20  # of an XLSX
RATE: Final = 5.0  # repairs that fall due a second, as on the command line
_DAYS: Final = timedelta(days=7)


@dataclass(slots=True)
class _Uncompared:
    """Rows and answers that could not be compared: the first ones, and how many there were."""

    first: list[Problem] = field(default_factory=list)
    count: int = 0

    def __call__(self, problem: Problem) -> None:
        self.count += 1
        if len(self.first) < BAD_SHOWN:
            self.first.append(problem)


def compare_forms(call: DeskCall) -> list[Part]:
    """The forms: with a file that the party exported, and by asking it."""
    today = call.now.astimezone(GIO_VIET_NAM).date()
    parties = sorted((p for p in call.parties if p.role is not Role.GATEWAY), key=lambda party: party.name)
    whose = [
        FormField(
            name="ben",
            label=call.text("Bên được đối soát", "The party"),
            choices=[(str(one.id), one.name) for one in parties],
            needed=True,
        ),
        FormField(
            name="tu",
            label=call.text("Hồ sơ mở từ ngày", "Opened from"),
            value=(today - _DAYS).isoformat(),
            sort="date",
            needed=True,
        ),
        FormField(
            name="den",
            label=call.text("Đến hết ngày", "To, included"),
            value=(today - timedelta(days=1)).isoformat(),
            sort="date",
            needed=True,
        ),
    ]
    files = [
        FormField(
            name="tep", label=call.text("Tệp CSV hoặc XLSX của bên đó", "Its CSV or XLSX"), sort="file", needed=True
        ),
        FormField(
            name="cot",
            label=call.text("Tệp TOML khai các cột", "A TOML that names the columns"),
            sort="file",
            needed=True,
            hint=call.text("mẫu: samples/reconcile/cot.toml", "a sample: samples/reconcile/cot.toml"),
        ),
    ]
    parts: list[Part] = [
        Act(
            to=words.desk_address("/lech/doi-soat"),
            button=call.text("Đối soát với tệp", "Compare with the file"),
            title=call.text("Đối soát với tệp do bên đó xuất", "Compare with what it exported"),
            fields=[*whose, *files],
        )
    ]
    if call.can(OperatorRole.OPERATOR):
        parts.append(
            Act(
                to=words.desk_address("/lech/hoi"),
                button=call.text("Tra cứu", "Ask"),
                title=call.text("Tra cứu dữ liệu ở bên đó (chỉ tra cứu)", "Ask the party (it is only asked)"),
                fields=whose,
            )
        )
    return parts


def _asked(call: DeskCall) -> tuple[Party, ReconcilePeriod]:
    """Whom, and which dossiers. Raises Stopped (SYS-042, SYS-170)."""
    name = call.party(text_of(call.form, "ben"))
    party = call.parties.get(name or "")
    if party is None or party.role is Role.GATEWAY:
        raise Stopped(unknown("party", text_of(call.form, "ben")))
    since, until = day_of_field(call.form, "tu"), day_of_field(call.form, "den", ends=True)
    if since is None or (until is not None and until <= since):
        raise Stopped(Problem("SYS-170", {"field": "tu" if since is None else "den", "like": "2026-01-31"}))
    return party, ReconcilePeriod(since=since, until=until or call.now)


def by_file(call: DeskCall) -> Answer:
    """What a party exported against our record. Raises Stopped: SYS-042, SYS-170, and what is wrong with the files."""
    party, period = _asked(call)
    given = [call.files.get(name) for name in ("tep", "cot")]
    for name, one in zip(("tep", "cot"), given, strict=True):
        if one is None:
            raise Stopped(Problem("SYS-170", {"field": name, "like": "CSV, XLSX" if name == "tep" else "TOML"}))
    file, columns = (one for one in given if one is not None)
    bad = _Uncompared()
    with alone(call.store, party.id, call.room.clock) as hold, call.store.side_book() as book:
        try:
            export = PartyExport(file.path, read_column_map(columns.path), party, unpacked_bytes=UNPACKED_BYTES)
            compared = compare_list(
                call.store,
                call.parties,
                party,
                iter(export),
                period,
                book,
                fields=export.fields,
                digits=export.digits,
                told=bad,
                tell=lambda _done, _of: hold(),
            )
        except Stopped as stop:
            raise Stopped(*(_by_name(problem, [file, columns]) for problem in stop.problems)) from stop
        return _shown(call, party, compared, book, bad)


def _by_name(problem: Problem, files: Sequence[Upload]) -> Problem:
    """The problem with the names that its sender knows in place of where the files lie here."""
    names = {str(one.path): one.name for one in files}
    facts = {k: names.get(v, v) if isinstance(v, str) else v for k, v in problem.facts.items()}
    return replace(problem, facts=facts)


def by_asking(call: DeskCall) -> Answer:
    """What a party says when it is asked: by its connector's look-up, or by our letters (HS19).

    Raises Stopped: SYS-042, SYS-170, SYS-175 (too many for a page), REC-022 (it cannot be asked).
    """
    party, period = _asked(call)
    bad = _Uncompared()
    with alone(call.store, party.id, call.room.clock) as hold, call.store.side_book() as book:
        if not is_told(party):
            compared = _by_letter(call, party, period, book, bad)
            if isinstance(compared, Problem):
                return Shown(title=_title(call, party), parts=[ToldProblems(problems=[compared]), *compare_forms(call)])
        else:
            with call.store.read() as view:
                about = view.count_dossiers(party.id, period.since, period.until)
            if about > ASKED:
                raise Stopped(Problem("SYS-175", {"count": about, "most": ASKED}))
            looked_up = compare_by_look_up(
                call.store,
                call.parties,
                party,
                period,
                book,
                private_addresses=call.room.settings.work.private_addresses,
                proxy=egress_proxy(call.room.settings),
                per_second=PER_SECOND,
                told=bad,
                tell=lambda _done, _of: hold(),
            )
            compared = asyncio.run(looked_up)
        return _shown(call, party, compared, book, bad)


def _by_letter(
    call: DeskCall, party: Party, period: ReconcilePeriod, book: SideBook, bad: Callable[[Problem], None]
) -> Compared | Problem:
    """The letters go once for a period; what came of them, or that answers are still to come (REC-023)."""
    inquiry = last_inquiry(call.store, party.id, period.since, period.until, call.now)
    if inquiry is None:
        inquiry = ask_by_letter(inquirer(call.room.gate()), party, period.since, period.until, call.now)
    if missing := unanswered(call.store, party.id, inquiry):
        facts = {"party": party.id, "missing": missing, "letters": len(inquiry.letters)}
        return Problem("REC-023", {**facts, "asked": words.when(inquiry.asked_at)})
    problems = read_answers(call.store, OURSELVES, party.id, inquiry, book, bad)
    return summed_up(party.id, period, "HS19", ("TrangThaiHoSo",), book, problems)


def _title(call: DeskCall, party: Party) -> str:
    return call.text(f"Đối soát: {party.name}", f"Reconciliation: {party.name}")


# What came of it


def _shown(call: DeskCall, party: Party, compared: Compared, book: SideBook, bad: _Uncompared) -> Answer:
    """Counts first, then the dossiers of each kind, then the plan to mend them."""
    found = list(islice(disagreements(call.store, call.parties, party, book), MENDED))
    parts: list[Part] = [Lines(lines=_counts(call, compared))]
    kinds = [kind for kind in DisagreementKind if compared.kinds.get(kind, 0)]
    parts += [_of_kind(call, kind, [one for one in found if one.kind is kind], compared.kinds[kind]) for kind in kinds]
    if bad.count:
        heading = call.text(f"{bad.count} dòng không so sánh được", f"{bad.count} rows that cannot be compared")
        parts += [Heading(text=heading), ToldProblems(problems=bad.first)]
        if bad.count > len(bad.first):
            left = bad.count - len(bad.first)
            parts.append(Lines(lines=[call.text(f"Còn {left} dòng nữa.", f"{left} more rows.")]))
    if found and call.can(OperatorRole.OPERATOR):
        parts += [Heading(text=call.text("Khắc phục", "Repair")), *_plan(call, party, compared, found)]
    return Shown(title=_title(call, party), parts=parts)


def _counts(call: DeskCall, compared: Compared) -> list[str]:
    period = f"{words.when(compared.period.since)} – {words.when(compared.period.until)}"
    says = [
        call.text(
            f"{period}: trục có {compared.ours} hồ sơ, bên đó {compared.theirs}, khớp {compared.agree}.",
            f"{period}: {compared.ours} dossiers here, {compared.theirs} there, {compared.agree} agree.",
        )
    ]
    if compared.ended is not None:
        said = compared.ended.message(call.lang)
        early = call.text("Dừng khi chưa hoàn thành", "Ended early")
        says.append(f"{early}: {compared.ended.code} {said}")
    if compared.source == "look-up":
        says.append(
            call.text(
                "Tra cứu từng hồ sơ không phát hiện được hồ sơ chỉ có ở bên đó; để phát hiện, dùng tệp.",
                "Look-ups of single dossiers do not show what only the party has; for that, use a file.",
            )
        )
    said_kinds = [f"{call.text(*KINDS[kind.value])} {n}" for kind, n in sorted(compared.kinds.items()) if n]
    differ = call.text("Khác", "Differ")
    none = call.text("Không có hồ sơ nào khác nhau.", "No dossier differs.")
    return [*says, f"{differ}: {', '.join(said_kinds)}." if said_kinds else none]


def _of_kind(call: DeskCall, kind: DisagreementKind, found: Sequence[Disagreement], count: int) -> Part:
    rows: list[Sequence[Cell]] = [
        [
            words.to_dossier(one.ma_ho_so),
            "; ".join(
                f"{name} {shown_value(theirs)} → {shown_value(ours)}" for name, (theirs, ours) in one.fields.items()
            )
            or None,
            call.text(*CAUSES[one.cause.value]) + (f" ({one.code})" if one.code else ""),
            call.text(*TURNS[one.turn.value]),
            one.line,
        ]
        for one in found[:SHOWN]
    ]
    heads = (
        ("Hồ sơ", "Dossier"),
        ("Bên đó → trục", "Theirs → ours"),
        ("Nguyên nhân", "Why"),
        ("Bên phải xử lý", "Turn"),
        ("Dòng trong tệp", "Line"),
    )
    left = count - len(rows)
    return Table(
        caption=f"{call.text(*KINDS[kind.value]).capitalize()}: {count}",
        heads=[call.text(*head) for head in heads],
        rows=rows,
        more=call.text(f"Còn {left} hồ sơ nữa.", f"{left} more dossiers.") if left > 0 else "",
    )


def _plan(call: DeskCall, party: Party, compared: Compared, found: Sequence[Disagreement]) -> list[Part]:
    """What would be done, kept until somebody says yes."""
    planned = list(plan_repairs(call.store, call.parties, party, found, has_word(party)))
    counts = Counter(one.act for one in planned)
    rows: list[Sequence[Cell]] = [[call.text(*REPAIR_ACTS[act.value]), counts[act]] for act in RepairAct if counts[act]]
    steps = list(repair_steps(call.store, planned))
    says = [call.text(f"Khắc phục {len(steps)} hồ sơ ở {party.name}.", f"Mend {len(steps)} dossiers at {party.name}.")]
    if compared.count > len(found):
        says.append(
            call.text(
                f"Một lần nhiều nhất {MENDED} hồ sơ; đối soát lại sau lần này.",
                f"At most {MENDED} dossiers at once; compare again after it.",
            )
        )
    above = call.room.settings.approval.above
    if above is not None and len(steps) > above:
        says.append(
            call.text(f"Hơn {above} việc: chờ người thứ hai duyệt.", f"Over {above}: a second person must approve.")
        )
    kept = [[one.kind.value, one.subject, str(one.party), dict(one.was), dict(one.plan)] for one in steps]
    asked = {"party": str(party.id), "period": f"{compared.period.since} – {compared.period.until}"}
    table = Table(
        caption=call.text("Kế hoạch", "Plan"),
        heads=[call.text("Việc", "Act"), call.text("Hồ sơ", "Dossiers")],
        rows=rows,
    )
    plan = ActPlan(says=says, facts={"steps": kept, "asked": asked}, count=len(steps), shown=[table])
    return planned_parts(call, REPAIR, plan)


def _steps(facts: Mapping[str, Any]) -> Iterator[BatchStep]:
    for kind, subject, party, was, plan in facts["steps"]:
        yield BatchStep(kind=BatchItemKind(kind), subject=subject, party=PartyId(party), was=was, plan=plan)


def _do_repair(call: DeskCall, facts: Mapping[str, Any], reason: str) -> ActDone:
    steps, who = list(_steps(facts)), call.at_desk.who
    if len(steps) > 1:
        made = start_batch(
            call.store,
            BatchKind.REPAIR,
            steps,
            who=who,
            reason=reason,
            now=call.now,
            per_second=RATE,
            asked=facts["asked"],
            approve_above=call.room.settings.approval.above,
        )
        return batch_done(call, made)
    (step,) = steps
    queued = mend_now(call.store, step, who=who, reason=reason, now=call.now)
    said = (
        call.text(
            f"Đã xếp hàng cho {step.subject}; “lienthong work” sẽ gửi. Đối soát lại sau đó.",
            f"Queued for {step.subject}; “lienthong work” sends it. Reconcile again after that.",
        )
        if queued
        else call.text(
            f"{step.subject}: người khác đã thay đổi trong lúc đó; để nguyên.",
            f"{step.subject}: somebody else changed it meanwhile; left alone.",
        )
    )
    back = Link(call.text("Đối soát, lệch trạng thái", "Reconciliation, drift"), words.desk_address("/lech"))
    return ActDone(says=[said], links=[back])


REPAIR = DeskAct(
    name="khac-phuc",
    command="reconcile --repair",
    role=OperatorRole.OPERATOR,
    title=("khắc phục chỗ khác nhau", "mend what differs"),
    plan=None,  # it is made by comparing
    do=_do_repair,
)
ACTS = [REPAIR]
PAGES = [
    DeskPage(method="POST", path="/lech/doi-soat", make=by_file, act="reconcile", uploads=True),
    DeskPage(method="POST", path="/lech/hoi", make=by_asking, role=OperatorRole.OPERATOR, act="reconcile"),
]
