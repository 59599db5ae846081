"""reconcile: our record against what a party believes, from the desk."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.batch import started
from gateway.cli.command import FINE, PROBLEMS, UNDETERMINED, CommandRun, Moment, asking, check_period, command, option
from gateway.cli.drift import CAUSES, TURNS
from gateway.cli.find import one_party
from gateway.cli.show import Screen, when
from gateway.core.batches import BatchKind, BatchStep
from gateway.core.operators import OperatorRole
from gateway.core.parties import is_told
from gateway.core.problems import Lang, Problem, Stopped
from gateway.core.reconcile import DriftTurn
from gateway.core.unknown import unknown

if TYPE_CHECKING:
    from gateway.core.parties import Parties, Party
    from gateway.core.reconcile import Disagreement
    from gateway.services.reconciling import Compared, ReconcilePeriod
    from gateway.services.repairing import Repair, RepairAct
    from gateway.store import SideBook

SHOWN = 50  # dossiers on a screen, where nothing else is asked for
BAD_SHOWN = 20  # rows of a file that are none

KINDS = {
    "missing-here": ("thiếu ở trục", "missing here"),
    "missing-there": ("thiếu ở bên đó", "missing there"),
    "state": ("khác trạng thái", "another state"),
    "dates": ("khác ngày", "other dates"),
}


@command(
    "reconcile",
    vi="Đối soát dữ liệu của trục với dữ liệu của một bên, về các hồ sơ mở trong kỳ. So sánh số lượng và giá trị "
    "băm, sau đó từng hồ sơ: thiếu ở trục, thiếu ở bên đó, khác trạng thái, khác ngày; nguyên nhân, bên phải "
    "xử lý. Dữ liệu của bên đó: tệp CSV hoặc XLSX do bên đó xuất (--file, --columns); nếu không có tệp, trục "
    "tra cứu bằng bộ kết nối (qcvn120, http), hoặc bằng thông điệp HS19 với bên đọc ThongDiep. Chỉ tra cứu, "
    "không thay đổi dữ liệu ở bên đó. Mã thoát 1 khi có chỗ khác nhau hoặc dòng lỗi, 3 khi chưa có trả lời.",
    en="Reconcile: our record against what a party believes, of the dossiers opened in a period. By count and digest, then "
    "dossier by dossier: missing here, missing there, another state, other dates; why, and whose turn. What the party believes: "
    "a CSV or XLSX that it exported (--file, --columns); without a file it is asked: by its connector's look-up (qcvn120, http), "
    "or by a letter of ours (HS19) where it reads ThongDiep. It is only asked, nothing changes over there. Exit 1 where anything "
    "differs or a row is bad, 3 while no answer has come.",
)
@option("--party", metavar="PARTY", required=True, vi="Bên được đối soát.", en="The party.")
@option(
    "--from", "since", type=Moment(), required=True, vi="Hồ sơ mở từ thời điểm này.", en="Dossiers opened from here on."
)
@option(
    "--to", "until", type=Moment(), vi="Đến trước thời điểm này (mặc định: hiện tại).", en="Before this (default: now)."
)
@option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    vi="Tệp CSV hoặc XLSX do bên đó xuất.",
    en="A CSV or XLSX that the party exported.",
)
@option(
    "--columns",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    vi="Tệp TOML khai cột nào là trường nào (mẫu: samples/reconcile).",
    en="A TOML file that says which column is which field (a sample: samples/reconcile).",
)
@option(
    "--per-second",
    type=click.FloatRange(0.1, 1000),
    default=5.0,
    show_default=True,
    vi="Số lần tra cứu tối đa mỗi giây.",
    en="Look-ups a second, at most.",
)
@option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 86_400),
    default=60.0,
    show_default=True,
    vi="Số giây chờ trả lời HS19; sau đó chạy lại với đúng --from và --to đó.",
    en="Wait so many seconds for answers to HS19; after that run it again with just the same --from and --to.",
)
@option(
    "--again",
    is_flag=True,
    vi="Hỏi lại bằng HS19, dù kỳ này đã hỏi.",
    en="Ask anew by HS19, although this period was asked about.",
)
@option(
    "--limit",
    type=click.IntRange(1, 10_000_000),
    vi=f"Số hồ sơ tối đa (mặc định: {SHOWN} trên màn hình, tất cả ở --json và --csv).",
    en=f"At most so many dossiers (default: {SHOWN} on a screen, all with --json and --csv).",
)
@option("--csv", "as_csv", is_flag=True, vi="In CSV.", en="Print CSV.")
@option(
    "--repair",
    "mend",
    is_flag=True,
    vi="Khắc phục chỗ khác nhau: hiển thị kế hoạch, sau đó báo lại theo dữ liệu của trục, chuyển "
    "lại, hoặc gửi lại lượt bị tạm giữ.",
    en="Mend what differs: print the plan, then tell again from our record, deliver again, or replay what is held.",
)
@option("--dry-run", is_flag=True, vi="Với --repair: chỉ hiển thị kế hoạch.", en="With --repair: only print the plan.")
@option(
    "--rate",
    type=click.FloatRange(0.01, 1000),
    default=5.0,
    show_default=True,
    vi="Với --repair: số hồ sơ tối đa tới hạn gửi mỗi giây.",
    en="With --repair: at most so many dossiers a second fall due.",
)
@asking
def reconcile(
    call: CommandRun,
    party: str,
    since: datetime,
    until: datetime | None,
    file: Path | None,
    columns: Path | None,
    per_second: float,
    wait_s: float,
    again: bool,
    limit: int | None,
    as_csv: bool,
    mend: bool,
    dry_run: bool,
    rate: float,
    reason: str | None,
) -> int:
    """Compares, lists what differs, and mends it where that is wanted."""
    from gateway.services.reconciling import ReconcilePeriod, disagreements
    from gateway.services.repairing import alone
    from gateway.wiring import registry_of

    if (file is None) != (columns is None):
        raise click.UsageError(
            call.screen.text("--file và --columns phải đi cùng nhau.", "--file and --columns go together.")
        )
    if mend and as_csv:
        raise click.UsageError(call.screen.text("--repair không dùng cùng --csv.", "--repair prints no CSV."))
    if mend and not dry_run:
        call.need(OperatorRole.OPERATOR, "reconcile --repair")
    period = ReconcilePeriod(since=since, until=until or call.now)
    check_period(call, period.since, period.until)
    parties = registry_of(call.store)
    who = parties.get(one_party(call, party))
    if who is None:
        raise Stopped(unknown("party", party))
    with alone(call.store, who.id, lambda: datetime.now(UTC)) as hold, call.store.side_book() as book:
        bad = _BadRows(call.screen, str(file) if file is not None else None, quiet=as_csv)
        desk = _Desk(call, parties, who, period, book, bad, hold)
        if file is not None and columns is not None:
            compared: Compared | None = desk.against_file(file, columns)
        elif is_told(who):
            compared = desk.by_asking(per_second)
        else:
            compared = desk.by_letter(wait_s, again=again)
        if compared is None:
            return UNDETERMINED
        if mend:
            if not call.screen.as_json:
                _print_counts(call.screen, compared, bad)
            return _Mending(desk, rate, limit).run(reason, dry_run=dry_run)
        _tell(call.screen, compared, disagreements(call.store, parties, who, book), bad, limit, as_csv=as_csv)
    return PROBLEMS if compared.count or compared.problems else FINE


def _tell(
    screen: Screen,
    compared: Compared,
    found: Iterator[Disagreement],
    bad: _BadRows,
    limit: int | None,
    *,
    as_csv: bool,
) -> None:
    if as_csv:
        _print_csv(screen, islice(found, limit), compared.count, limit)
    elif screen.as_json:
        for one in islice(found, limit):
            screen.row(_row(one))
        screen.row(_summary(compared, limit))
    else:
        _print(screen, compared, list(islice(found, limit or SHOWN)), bad)


@dataclass(frozen=True, slots=True)
class _Desk:
    """One reconciliation: of whom, of which dossiers, and where it is told."""

    call: CommandRun
    parties: Parties
    party: Party
    period: ReconcilePeriod
    book: SideBook
    bad: _BadRows
    hold: Callable[[], None]  # our turn goes on

    def _telling(self, tell: Callable[[int, int], None]) -> Callable[[int, int], None]:
        def told(done: int, of: int) -> None:
            self.hold()
            tell(done, of)

        return told

    def against_file(self, file: Path, columns: Path) -> Compared:
        """With what the party exported."""
        from gateway.services.exports import PartyExport, read_column_map
        from gateway.services.reconciling import compare_list

        export = PartyExport(file, read_column_map(columns), self.party)
        with self.call.screen.progress("Đối soát", "Reconciling") as tell:
            return compare_list(
                self.call.store,
                self.parties,
                self.party,
                iter(export),
                self.period,
                self.book,
                fields=export.fields,
                digits=export.digits,
                told=self.bad,
                tell=self._telling(tell),
            )

    def by_asking(self, per_second: float) -> Compared:
        """By the look-up of the party's connector. Raises Stopped (REC-022) where it has none."""
        from gateway.cli.nightly import compare_by_look_up
        from gateway.wiring import egress_proxy

        call = self.call
        call.need(OperatorRole.OPERATOR, "reconcile")
        with call.screen.progress("Đang tra cứu", "Asking") as tell:
            return asyncio.run(
                compare_by_look_up(
                    call.store,
                    self.parties,
                    self.party,
                    self.period,
                    self.book,
                    private_addresses=call.settings.work.private_addresses,
                    proxy=egress_proxy(call.settings),
                    per_second=per_second,
                    told=self.bad,
                    tell=self._telling(tell),
                )
            )

    def by_letter(self, wait_s: float, *, again: bool) -> Compared | None:
        """By HS19: the letters go once for a period, the answers are waited for; None where some have not come."""
        from gateway.services.inquiries import ask_by_letter, last_inquiry, read_answers, unanswered
        from gateway.services.reconciling import summed_up
        from gateway.wiring import OURSELVES, build, inquirer

        call, party, period = self.call, self.party, self.period
        inquiry = None if again else last_inquiry(call.store, party.id, period.since, period.until, call.now)
        if inquiry is None:
            call.need(OperatorRole.OPERATOR, "reconcile")
            inquiry = ask_by_letter(
                inquirer(build(call.settings, call.store)), party, period.since, period.until, call.now
            )
            call.screen.note(
                f"Đã gửi {len(inquiry.letters)} thông điệp HS19 cho {party.id}; “lienthong work” chuyển đi.",
                f"Sent {len(inquiry.letters)} letters (HS19) to {party.id}; “lienthong work” delivers them.",
            )
        end = time.monotonic() + wait_s
        while missing := unanswered(call.store, party.id, inquiry):
            if time.monotonic() >= end:
                facts = {"party": party.id, "missing": missing, "letters": len(inquiry.letters)}
                call.screen.problem(Problem("REC-023", {**facts, "asked": when(inquiry.asked_at)}))
                return None
            self.hold()
            time.sleep(0.5)
        problems = read_answers(call.store, OURSELVES, party.id, inquiry, self.book, self.bad)
        return summed_up(party.id, period, "HS19", ("TrangThaiHoSo",), self.book, problems)


@dataclass(frozen=True, slots=True)
class _Mending:
    """A plan, a question, and what was done."""

    desk: _Desk
    rate: float
    limit: int | None

    def run(self, reason: str | None, *, dry_run: bool) -> int:
        """Prints the plan; asks; starts a batch that does what was printed, or does it where it is one dossier."""
        from gateway.services.batches import MOST, start_batch
        from gateway.services.repairing import RepairAct, mend_now, repair_steps

        call, screen = self.desk.call, self.desk.call.screen
        counts: Counter[RepairAct] = Counter()
        open_ends = 0
        steps: list[BatchStep] = []
        for one in self._planned():
            counts[one.act] += 1
            if one.act is not RepairAct.NOTHING and len(steps) <= MOST:
                steps += repair_steps(call.store, [one])
            open_ends += one.act is RepairAct.NOTHING and one.about.turn is not DriftTurn.GATEWAY
            if self.limit is not None or counts.total() <= SHOWN:
                self._print(one)
        acts = counts.total() - counts[RepairAct.NOTHING]
        if not screen.as_json:
            screen.rest(counts.total() - SHOWN if self.limit is None else 0)
            self._print_plan(counts)
        if dry_run or not acts:
            return PROBLEMS if counts else FINE
        why = call.agreed(
            "reconcile --repair", reason, f"Khắc phục {acts} hồ sơ ở {self.desk.party.id}?", f"Mend {acts} dossiers?"
        )
        who = f"operator:{call.person}"
        if len(steps) > 1:
            made = start_batch(
                call.store,
                BatchKind.REPAIR,
                steps[:MOST],
                who=who,
                reason=why,
                now=call.now,
                per_second=self.rate,
                asked={"party": self.desk.party.id, "period": f"{self.desk.period.since} – {self.desk.period.until}"},
                approve_above=call.settings.approval.above,
            )
            started(call, made)
            if len(steps) > MOST:
                screen.note(
                    f"Một đợt nhận nhiều nhất {MOST} hồ sơ; đối soát lại sau đợt này.",
                    f"A batch takes {MOST} dossiers at most; reconcile again after it.",
                )
            return PROBLEMS if open_ends else FINE
        (step,) = steps
        queued = mend_now(call.store, step, who=who, reason=why, now=call.now)
        if screen.as_json:
            screen.row({"repaired": step.subject, "queued": queued})
        elif queued:
            screen.line(
                f"Đã xếp hàng cho {step.subject}; “lienthong work” sẽ gửi. Đối soát lại sau đó.",
                f"Queued for {step.subject}; “lienthong work” sends it. Reconcile again after that.",
            )
        else:
            screen.line(
                f"{step.subject}: người khác đã thay đổi trong lúc đó; để nguyên.",
                f"{step.subject}: somebody else changed it meanwhile; left alone.",
            )
        return PROBLEMS if open_ends else FINE

    def _planned(self) -> Iterator[Repair]:
        from gateway.services.reconciling import disagreements
        from gateway.services.repairing import plan_repairs

        desk = self.desk
        found = disagreements(desk.call.store, desk.parties, desk.party, desk.book)
        return plan_repairs(desk.call.store, desk.parties, desk.party, islice(found, self.limit), has_word(desk.party))

    def _print(self, one: Repair) -> None:
        screen, about = self.desk.call.screen, one.about
        of = 0 if screen.lang is Lang.VI else 1
        if screen.as_json:
            screen.row({"plan": _plan_row(screen, one)})
            return
        if one.act.value == "nothing":
            why = one.why or Problem(
                "REC-030", {"why": CAUSES[about.cause.value][of], "turn": TURNS[about.turn.value][of]}
            )
            screen.line(f"  {about.ma_ho_so}: {why.code} {why.message(screen.lang)}")
            return
        kinds = ", ".join(d.loai for d in one.deliveries)
        told = "; ".join(f"{name} {shown_value(str(value))}" for name, value in one.tells.items())
        rows = f"; {one.rows} {('dòng tiến độ', 'rows of progress')[of]}" if one.act.value == "project" else ""
        screen.line(f"  {about.ma_ho_so}: {ACTS[one.act.value][of]} ({kinds}){': ' + told if told else ''}{rows}")

    def _print_plan(self, counts: Counter[RepairAct]) -> None:
        screen = self.desk.call.screen
        of = 0 if screen.lang is Lang.VI else 1
        said = ", ".join(f"{ACTS[act.value][of]} {number}" for act, number in sorted(counts.items()))
        screen.line(f"Kế hoạch: {said or 'không có việc nào'}.", f"Plan: {said or 'nothing'}.")


def has_word(party: Party) -> Callable[[str], bool]:
    """Whether a party's form has a word for a message type."""
    from connectors.call_plan import HttpSettings
    from connectors.registry import installed

    if party.connector is None:
        return lambda _loai: True
    configured = installed().named(party.connector).configure(party.connector_settings, where=party.id)
    settings = configured.settings
    return lambda loai: not isinstance(settings, HttpSettings) or bool(settings.calls_of(loai))


ACTS = {
    "project": ("báo lại theo dữ liệu của trục", "tell again from our record"),
    "deliver": ("chuyển lại thông điệp", "deliver the messages again"),
    "replay": ("gửi lại lượt bị tạm giữ", "replay what is held"),
    "nothing": ("không khắc phục từ phía trục", "not mended from here"),
}


def _plan_row(screen: Screen, one: Repair) -> dict[str, object]:
    return {
        **_row(one.about),
        "act": one.act.value,
        "deliveries": [{"id": d.id, "message": d.message, "loai": d.loai} for d in one.deliveries],
        "tells": dict(one.tells),
        "rows": one.rows,
        "why": screen.problem_row(one.why) if one.why is not None else None,
    }


class _BadRows:
    """Tells of rows that are none as they come: on a screen the first ones, the rest by code; in JSON all of them."""

    def __init__(self, screen: Screen, source: str | None, *, quiet: bool) -> None:
        self.screen, self.source, self.quiet = screen, source, quiet
        self.count = 0

    def __call__(self, problem: Problem) -> None:
        self.count += 1
        if self.screen.as_json or self.count <= BAD_SHOWN:
            self.screen.problem(problem, self.source, to_err=self.quiet)

    def rest(self) -> None:
        """Says how many more there were."""
        if self.count > BAD_SHOWN:
            more = self.count - BAD_SHOWN
            self.screen.line(f"… còn {more} dòng không so sánh được.", f"… {more} more that cannot be compared.")


def _row(one: Disagreement) -> dict[str, object]:
    return {
        "party": one.party,
        "ma_ho_so": one.ma_ho_so,
        "kind": one.kind.value,
        "cause": one.cause.value,
        "turn": one.turn.value,
        "fields": {name: {"theirs": theirs, "ours": ours} for name, (theirs, ours) in one.fields.items()},
        "line": one.line,
        "delivery": one.delivery,
        "code": one.code,
    }


def _summary(compared: Compared, limit: int | None) -> dict[str, object]:
    return {
        "party": compared.party,
        "from": compared.period.since,
        "to": compared.period.until,
        "source": compared.source,
        "fields": list(compared.fields),
        "ours": compared.ours,
        "theirs": compared.theirs,
        "agree": compared.agree,
        "digest_ours": compared.digest_ours,
        "digest_theirs": compared.digest_theirs,
        "differ": {kind.value: number for kind, number in sorted(compared.kinds.items())},
        "ended": compared.ended.code if compared.ended is not None else None,
        "problems": dict(compared.problems),
        "not_shown": max(0, compared.count - limit) if limit is not None else 0,
    }


def _print(screen: Screen, compared: Compared, shown: list[Disagreement], bad: _BadRows) -> None:
    _print_counts(screen, compared, bad)
    if not compared.count:
        return
    of = 0 if screen.lang is Lang.VI else 1
    heads = (
        ("Hồ sơ", "Khác (bên đó → trục)", "Vì sao", "Bên phải xử lý"),
        ("Dossier", "Differs (theirs → ours)", "Why", "Turn"),
    )
    screen.table(
        heads[of],
        ((one.ma_ho_so, "; ".join(_differs(one, of)), _why(one, of), TURNS[one.turn.value][of]) for one in shown),
    )
    screen.rest(compared.count - len(shown))


def _print_counts(screen: Screen, compared: Compared, bad: _BadRows) -> None:
    bad.rest()
    period = f"{when(compared.period.since)} – {when(compared.period.until)}"
    screen.line(
        f"{compared.party}, {period}: trục có {compared.ours} hồ sơ, bên đó {compared.theirs}, khớp {compared.agree}.",
        f"{compared.party}, {period}: {compared.ours} dossiers here, {compared.theirs} there, {compared.agree} agree.",
    )
    screen.line(
        f"Giá trị băm: {compared.digest_ours} ở trục, {compared.digest_theirs} ở bên đó ({', '.join(compared.fields)}).",
        f"Digest: {compared.digest_ours} here, {compared.digest_theirs} there ({', '.join(compared.fields)}).",
    )
    if compared.ended is not None:
        screen.line(
            "Dừng khi chưa hoàn thành: chỉ so sánh các hồ sơ đã tra cứu.",
            "Ended early: only the dossiers asked about are compared.",
        )
    if compared.source == "look-up":
        screen.line(
            "Tra cứu từng hồ sơ không phát hiện được hồ sơ chỉ có ở bên đó; để phát hiện, dùng --file.",
            "Look-ups of single dossiers do not show what only the party has; for that, use --file.",
        )
    if not compared.count:
        screen.line("Không có hồ sơ nào khác nhau.", "No dossier differs.")
        return
    of = 0 if screen.lang is Lang.VI else 1
    counted = (f"{KINDS[kind.value][of]} {number}" for kind, number in sorted(compared.kinds.items()) if number)
    screen.line(f"Khác: {', '.join(counted)}.", f"Differ: {', '.join(counted)}.")


def _differs(one: Disagreement, of: int) -> Iterator[str]:
    yield KINDS[one.kind.value][of] + (f" ({('dòng', 'line')[of]} {one.line})" if one.line else "")
    if one.kind.value in {"state", "dates"}:
        yield from (
            f"{name} {shown_value(theirs)} → {shown_value(ours)}" for name, (theirs, ours) in one.fields.items()
        )


def _why(one: Disagreement, of: int) -> str:
    return CAUSES[one.cause.value][of] + (f" ({one.code})" if one.code else "")


def shown_value(value: str | None) -> str:
    """A moment of a packet as people read it."""
    if value is None or len(value) != len("20260131083000") or not value.isdigit():
        return value or "–"
    day, time = f"{value[6:8]}/{value[4:6]}/{value[:4]}", f"{value[8:10]}:{value[10:12]}:{value[12:]}"
    return day if time == "00:00:00" else f"{day} {time}"


COLUMNS = ("party", "ma_ho_so", "kind", "cause", "turn", "theirs", "ours", "line", "delivery", "code")


def _print_csv(screen: Screen, found: Iterable[Disagreement], count: int, limit: int | None) -> None:
    """A line for each dossier; on standard error, how many are not there."""
    _write(screen, COLUMNS)
    for each in found:
        said = [";".join(f"{name}={side[n] or ''}" for name, side in each.fields.items()) for n in (0, 1)]
        row = (each.party, each.ma_ho_so, each.kind.value, each.cause.value, each.turn.value, *said)
        _write(screen, (*row, each.line or "", each.delivery or "", each.code or ""))
    if limit is not None and count > limit:
        screen.note(f"Còn {count - limit} hồ sơ không hiển thị.", f"{count - limit} more are not printed.")


def _write(screen: Screen, cells: Iterable[object]) -> None:
    """One line. A cell that a spreadsheet would take for a formula is text: codes come from others."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(
        f"'{cell}" if str(cell)[:1] in {"=", "+", "-", "@"} else cell for cell in cells
    )
    screen.raw(text.getvalue().encode())
