"""lint: what of the dossiers, as the national portal is told of them, costs their agencies points."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import FINE, PROBLEMS, CommandRun, Moment, check_period, command, option
from gateway.cli.find import one_party
from gateway.cli.reports import write_file
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.operators import OperatorRole

if TYPE_CHECKING:
    from gateway.cli.show import Screen
    from gateway.core.parties import Parties
    from gateway.services.lint import LintFinding, LintReport, LintWeek


@command(
    "lint",
    vi="Rà soát hồ sơ như sẽ báo cho Cổng Dịch vụ công quốc gia: nội dung làm giảm điểm của đơn vị theo bộ chỉ "
    "số 766, theo cơ quan và tuần. Chỉ lưu ý, không sửa dữ liệu; công thức của Quyết định chưa tìm được "
    "(docs/vi/lint.md).",
    en="Look at the dossiers as the national portal is told of them: what costs a unit points in the index 766, by agency and "
    "week. Only tells, changes nothing; the Decision's formula was not found (docs/en/lint.md).",
)
@option(
    "--from",
    "since",
    type=Moment(),
    vi="Tiếp nhận từ ngày (kể cả); nếu không nêu, từ thứ hai tuần trước.",
    en="Received from this day on; default Monday of last week.",
)
@option(
    "--to",
    "until",
    type=Moment(),
    vi="Đến ngày (không kể); nếu không nêu, đến hiện tại.",
    en="Up to, not including; default now.",
)
@option("--agency", vi="Chỉ hồ sơ của cơ quan này.", en="Only this agency's dossiers.")
@option(
    "--rule", "rules", multiple=True, vi="Chỉ quy tắc này; có thể nêu nhiều lần.", en="Only this rule; may be repeated."
)
@option(
    "--limit",
    type=click.IntRange(0, 100_000),
    default=50,
    show_default=True,
    vi="Số dòng hồ sơ nhiều nhất.",
    en="Dossier lines, at most.",
)
@option(
    "--csv",
    "as_csv",
    is_flag=True,
    vi="Hiển thị dạng CSV: một dòng cho mỗi cơ quan, tuần, quy tắc.",
    en="Print CSV: a line for each agency, week and rule.",
)
@option(
    "--bom",
    is_flag=True,
    vi="CSV để Excel hiển thị đúng dấu tiếng Việt.",
    en="CSV that Excel opens with the right letters.",
)
@option(
    "--xlsx",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    vi="Ghi tệp XLSX này (“-” là đầu ra chuẩn).",
    en="Write this XLSX file (- is standard output).",
)
def lint(
    call: CommandRun,
    since: datetime | None,
    until: datetime | None,
    agency: str | None,
    rules: tuple[str, ...],
    limit: int,
    as_csv: bool,
    bom: bool,
    xlsx: Path | None,
) -> int:
    """Exit code 1 when a dossier breaks a rule."""
    from gateway.services.lint import lint as looked
    from gateway.services.lint import lint_sheets
    from gateway.sheets import csv_text
    from gateway.wiring import registry_of
    from schemas.scoring import LINT

    call.need(OperatorRole.VIEWER, "lint")
    since, until = since or _last_monday(call.now), until or call.now
    check_period(call, since, until)
    known = {one.id for one in LINT}
    if strangers := sorted(set(rules) - known):
        raise click.BadParameter(
            call.screen.text(
                f"không có quy tắc {', '.join(strangers)}; có: ", f"no rule {', '.join(strangers)}; there are: "
            )
            + ", ".join(sorted(known)),
            param_hint="--rule",
        )
    parties = registry_of(call.store)
    with call.screen.progress("Rà soát hồ sơ", "Looking at dossiers") as tell:
        report = looked(
            call.store,
            parties,
            since,
            until,
            agency=one_party(call, agency) if agency else None,
            rules=rules,
            most=0 if as_csv or bom else limit,
            seen=lambda number: tell(number, number),
        )
    if xlsx is not None:
        from gateway.workbook import workbook

        write_file(call, xlsx, workbook(lint_sheets(report, parties, call.screen.lang), call.now))
    elif as_csv or bom:
        call.screen.raw(csv_text(lint_sheets(report, parties, call.screen.lang)[0], for_excel=bom))
    elif call.screen.as_json:
        _rows(call.screen, report, parties)
    else:
        _print(call.screen, report, parties)
    return PROBLEMS if report.weak else FINE


def _last_monday(now: datetime) -> datetime:
    """The beginning of last week, at home."""
    today = now.astimezone(GIO_VIET_NAM).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=today.weekday() + 7)


def _name(parties: Parties, agency: str | None) -> str:
    party = parties.get(agency)
    return party.name if party is not None else ""


def _rows(screen: Screen, report: LintReport, parties: Parties) -> None:
    """First a row for each agency and week (dong: tuan), then one for each dossier and rule (dong: ho-so)."""
    for one in report.weeks:
        screen.row({"dong": "tuan", **_week(one, parties), "quy_tac": dict(one.by_rule)})
    for finding in report.findings:
        screen.row({"dong": "ho-so", **_finding(screen, finding)})
    screen.row(
        {
            "dong": "tong",
            "ho_so": report.dossiers,
            "co_loi": report.weak,
            "con_lai": report.left_out,
            "khong_doc_duoc": report.unread,
        }
    )


def _week(one: LintWeek, parties: Parties) -> dict[str, Any]:
    return {
        "co_quan": one.agency,
        "ten": _name(parties, one.agency),
        "tuan": one.week,
        "ho_so": one.dossiers,
        "co_loi": one.weak,
    }


def _finding(screen: Screen, one: LintFinding) -> dict[str, Any]:
    return {
        "MaHoSo": one.ma_ho_so,
        "co_quan": one.agency,
        "tuan": one.week,
        "quy_tac": one.rule.id,
        "ma": one.problem.code,
        "cho": one.problem.at.xpath if one.problem.at else None,
        "so_lan": one.times,
        "dien_giai": one.problem.message(screen.lang),
    }


def _print(screen: Screen, report: LintReport, parties: Parties) -> None:
    from schemas.scoring import LINT, SOURCE_EN, SOURCE_VI

    if report.unread:
        screen.line(
            f"{report.unread} hồ sơ không còn đọc được thông điệp, không rà soát được.",
            f"{report.unread} dossiers could not be looked at: their letters cannot be read any more.",
        )
    if not report.dossiers:
        screen.line("Không có hồ sơ nào trong kỳ.", "No dossier in the period.")
        return
    screen.table(
        [
            screen.text(*head)
            for head in (
                ("Cơ quan", "Agency"),
                ("Tên", "Name"),
                ("Tuần", "Week"),
                ("Hồ sơ", "Dossiers"),
                ("Bị lưu ý", "Weak"),
            )
        ],
        [[one.agency or "–", _name(parties, one.agency), one.week, one.dossiers, one.weak] for one in report.weeks],
    )
    if not report.weak:
        screen.line("Không có nội dung phải lưu ý.", "Nothing to tell.")
        return
    meaning = {rule.id: screen.text(rule.vi, rule.en) for rule in LINT}
    screen.table(
        [screen.text(*head) for head in (("Quy tắc", "Rule"), ("Nghĩa", "Meaning"), ("Hồ sơ", "Dossiers"))],
        [[name, meaning[name], number] for name, number in report.by_rule().items()],
    )
    screen.line(f"Nguồn: {SOURCE_VI}.", f"Source: {SOURCE_EN}.")
    if report.findings:
        screen.table(
            [screen.text(*head) for head in (("Hồ sơ", "Dossier"), ("Quy tắc", "Rule"), ("Chỗ", "Place"))],
            [[one.ma_ho_so, one.rule.id, one.problem.at.xpath if one.problem.at else "–"] for one in report.findings],
            whole=(0,),
        )
    screen.rest(report.left_out)
