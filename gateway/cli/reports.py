"""report, deadlines, catalogue: what the record says of a period and of time limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.command import (
    FINE,
    PROBLEMS,
    CommandRun,
    Group,
    LazyCommand,
    Moment,
    argument,
    asking,
    check_period,
    command,
    option,
)
from gateway.cli.find import called, one_party
from gateway.cli.show import Screen, when
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.operators import OperatorRole
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.core.statistics import By

if TYPE_CHECKING:
    from gateway.core.catalogues import CatalogueDifference, Muc
    from gateway.core.model import PartyId
    from gateway.core.parties import Parties
    from gateway.services.forecast import Forecast
    from gateway.services.reports import PeriodReport
    from gateway.services.watch import Late
    from gateway.sheets import Sheet

LATE = ("quá hạn", "overdue")
SOON = ("sắp đến hạn", "due soon")


@command(
    "report",
    vi="Báo cáo một kỳ: nhận, xong trước hạn, đúng hạn, quá hạn, chưa có hẹn, đang xử lý, bổ sung, quá hạn, so "
    "với kỳ trước; thông điệp bị từ chối và lệch trạng thái theo cơ quan. Hiển thị, hoặc CSV, XLSX theo "
    "--lang. Mẫu 06 (một hồ sơ), 07 (sổ theo dõi).",
    en="Report on a period: received, finished early, on time, late, without an appointment, open, supplements, lateness, "
    "against the period before; rejected messages and drift by agency. Printed, or CSV or XLSX in the language of --lang. "
    "Forms 06 (one dossier), 07 (register).",
)
@option("--from", "since", type=Moment(), vi="Từ ngày (kể cả).", en="From this day on.")
@option(
    "--to",
    "until",
    type=Moment(),
    vi="Đến ngày (không kể); nếu không nêu, đến hiện tại.",
    en="Up to, not including; default now.",
)
@option(
    "--by",
    "by",
    multiple=True,
    type=click.Choice([key.value for key in By]),
    default=(By.SERVICE.value,),
    vi="Tổng hợp theo: dịch vụ, cơ quan, kênh, tháng; có thể nêu nhiều lần.",
    en="Group by service, agency, channel, month; may be repeated.",
)
@option("--agency", vi="Chỉ hồ sơ của cơ quan này.", en="Only this agency's dossiers.")
@option("--form", type=click.Choice(["06", "07"]), vi="Lập mẫu này thay cho báo cáo.", en="Make this form instead.")
@option("--dossier", "ma_ho_so", metavar="MAHOSO", vi="Hồ sơ của mẫu 06.", en="The dossier of form 06.")
@option("--csv", "as_csv", is_flag=True, vi="In CSV (UTF-8).", en="Print CSV (UTF-8).")
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
@option(
    "--lint",
    "linted",
    is_flag=True,
    vi="Thêm số hồ sơ bị giảm điểm chỉ số 766 theo cơ quan, như lệnh lint (đọc từng hồ sơ của kỳ).",
    en="Add the dossiers that cost points in the index 766, by agency, as lint does (reads each dossier of the period).",
)
@option(
    "--anew",
    is_flag=True,
    vi="Đọc lại mọi hồ sơ trước khi tổng hợp, ví dụ khi đã đổi cách đọc trạng thái trong hồ sơ một cơ quan.",
    en="Read every dossier again before counting, as when an agency's profile has come to read its states otherwise.",
)
def report(
    call: CommandRun,
    since: datetime | None,
    until: datetime | None,
    by: tuple[str, ...],
    agency: str | None,
    form: str | None,
    ma_ho_so: str | None,
    as_csv: bool,
    bom: bool,
    xlsx: Path | None,
    linted: bool,
    anew: bool,
) -> int:
    """Reproducible from the record at any later time."""
    from gateway.services import reports
    from gateway.wiring import deadline_rules, registry_of

    call.need(OperatorRole.VIEWER, "report")
    _check_report(call, since, form, ma_ho_so)
    check_period(call, since, until or call.now)
    parties, lang = registry_of(call.store), call.screen.lang
    only = one_party(call, agency) if agency else None
    if form == "06":
        sheets = [reports.control_sheet(call.store, parties, ma_ho_so or "", lang)]
        return _hand_out(call, sheets, as_csv=as_csv, bom=bom, xlsx=xlsx)
    assert since is not None
    if form == "07":
        sheets = [reports.register(call.store, parties, since, until or call.now, only).sheet(lang)]
        return _hand_out(call, sheets, as_csv=as_csv, bom=bom, xlsx=xlsx)
    groups, rules = tuple(By(name) for name in dict.fromkeys(by)), deadline_rules(call.settings)
    made = reports.report(call.store, parties, since, until or call.now, groups, only, rules, anew=anew)
    weak = [_lint_sheet(call, parties, since, until or call.now, only)] if linted else []
    if as_csv or bom or xlsx is not None:
        sheets = [made.flat(lang)] if xlsx is None else [*made.sheets(lang), *weak]
        return _hand_out(call, sheets, as_csv=True, bom=bom, xlsx=xlsx)
    if call.screen.as_json:
        for row in made.rows(lang):
            call.screen.row(row)
    else:
        _print_report(call.screen, made)
    return _hand_out(call, weak, as_csv=False, bom=False, xlsx=None)


def _lint_sheet(call: CommandRun, parties: Parties, since: datetime, until: datetime, only: PartyId | None) -> Sheet:
    """How many dossiers of each agency cost points in the index 766, and by which rule."""
    from gateway.services.lint import lint
    from gateway.sheets import Sheet
    from schemas.scoring import LINT

    screen = call.screen
    with screen.progress("Rà soát hồ sơ", "Looking at dossiers") as tell:
        found = lint(call.store, parties, since, until, agency=only, seen=lambda number: tell(number, number))
    broken = [rule for rule in LINT if found.by_rule().get(rule.id)]
    heads = (
        ("Mã cơ quan", "Agency code"),
        ("Cơ quan", "Agency"),
        ("Hồ sơ đã rà soát", "Looked at"),
        ("Bị giảm điểm", "Weak"),
    )
    unread = screen.text(f"{found.unread} hồ sơ không còn đọc được.", f"{found.unread} dossiers can be read no more.")
    return Sheet(
        name=screen.text("Soi 766", "Lint 766"),
        title=screen.text(
            "Hồ sơ bị giảm điểm chỉ số 766 theo cơ quan", "Dossiers that cost points in the index 766, by agency"
        ),
        notes=(
            screen.text(
                "Quy tắc thấy trong mã tích hợp; công thức của Quyết định chưa tìm được (docs/vi/lint.md).",
                "The rules were seen in integration code; the Decision's formula was not found (docs/en/lint.md).",
            ),
        ),
        header=[*(screen.text(*head) for head in heads), *(screen.text(rule.vi, rule.en) for rule in broken)],
        rows=[
            [
                agency or "–",
                party.name if (party := parties.get(agency)) is not None else "",
                one.dossiers,
                one.weak,
                *(one.by_rule.get(rule.id, 0) for rule in broken),
            ]
            for agency, one in found.by_agency().items()
        ],
        total=[
            screen.text("Tổng", "Total"),
            "",
            found.dossiers,
            found.weak,
            *(found.by_rule()[rule.id] for rule in broken),
        ],
        more=(unread,) if found.unread else (),
    )


def _check_report(call: CommandRun, since: datetime | None, form: str | None, ma_ho_so: str | None) -> None:
    if form == "06" and ma_ho_so is None:
        raise click.UsageError(call.screen.text("Mẫu 06 phải đi cùng --dossier.", "Form 06 needs --dossier."))
    if form != "06" and ma_ho_so is not None:
        raise click.UsageError(call.screen.text("--dossier phải đi cùng --form 06.", "--dossier goes with --form 06."))
    if form != "06" and since is None:
        raise click.UsageError(call.screen.text("Thiếu --from.", "--from is missing."))


def _hand_out(call: CommandRun, sheets: Sequence[Sheet], *, as_csv: bool, bom: bool, xlsx: Path | None) -> int:
    """The tables as a file, as CSV, as JSON, or on the screen."""
    from gateway.sheets import csv_text

    screen = call.screen
    if xlsx is not None:
        from gateway.workbook import workbook

        write_file(call, xlsx, workbook(sheets, call.now))
    elif as_csv or bom:
        screen.raw(csv_text(sheets[0], for_excel=bom))
    else:
        for sheet in sheets:
            _print_sheet(screen, sheet)
    return FINE


def write_file(call: CommandRun, file: Path, content: bytes) -> None:
    """To a file, or to standard output. Raises Stopped (SYS-038)."""
    if str(file) == "-":
        call.screen.raw(content)
        return
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Stopped(Problem("SYS-038", {"path": str(file), "reason": system_reason(error)})) from error
    call.screen.note(f"Đã ghi {file} ({len(content)} byte).", f"Wrote {file} ({len(content)} bytes).")


def _print_sheet(screen: Screen, sheet: Sheet) -> None:
    if screen.as_json:
        for row in sheet.rows:
            screen.row(dict(zip(sheet.header, row, strict=True)))
        return
    screen.line(sheet.title)
    for note in sheet.notes:
        screen.line(f"  {note}")
    listed = [*sheet.rows, *([sheet.total] if sheet.total is not None else [])]
    cells = [[when(c) if isinstance(c, datetime) else c for c in row] for row in listed]
    parts = screen.table(sheet.header, cells, keys=sheet.keys)
    if parts > 1:
        screen.line(
            f"Bảng được chia làm {parts} phần cho vừa màn hình; bảng đầy đủ: --xlsx, --csv.",
            f"The table stands in {parts} parts, to fit the screen; the whole one: --xlsx, --csv.",
        )
    for note in sheet.more:
        screen.line(note)


def _print_report(screen: Screen, made: PeriodReport) -> None:
    """The columns in which there is a number, with the change against the period before; then what went wrong by sender."""
    if made.groups:
        _print_sheet(screen, made.shown(screen.lang))
    else:
        screen.line("Không có hồ sơ nào trong kỳ.", "No dossier in the period.")
    if made.senders:
        screen.line()
        _print_sheet(screen, made.sender_sheet(screen.lang))


@command(
    "deadlines",
    vi="Hồ sơ quá hạn, hoặc đến hạn trong số giờ tới, theo cơ quan. --forecast: số hồ sơ sẽ quá hạn của từng cơ "
    "quan trong từng ngày tới.",
    en="Dossiers that are late, or will be within so many hours, by agency. --forecast: how many will be late at which agency "
    "on each of the next days.",
)
@option(
    "--within",
    "hours",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    vi="Số giờ tiếp theo.",
    en="Hours ahead.",
)
@option(
    "--forecast",
    "ahead",
    is_flag=True,
    vi="Dự báo hồ sơ sẽ quá hạn trả, theo ngày; không tính hồ sơ đang chờ người dân.",
    en="Forecast the appointments that will be missed, by day; what waits for the applicant is not counted.",
)
@option(
    "--days",
    type=click.IntRange(1, 31),
    vi="Số ngày dự báo, kể cả hôm nay; mặc định 3.",
    en="Days of the forecast, today included; 3 by default.",
)
@option("--agency", vi="Chỉ cơ quan này.", en="Only this agency.")
@option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, vi="Số lượng tối đa.", en="At most.")
def deadlines(call: CommandRun, hours: float, ahead: bool, days: int | None, agency: str | None, limit: int) -> int:
    """Exit code 1 when something is late."""
    if days is not None and not ahead:
        raise click.UsageError(call.screen.text("--days phải đi cùng --forecast.", "--days needs --forecast."))
    if ahead:
        return _forecast(call, days or 3, agency, limit)
    from gateway.services import watch
    from gateway.services.dossiers import DUES
    from gateway.wiring import deadline_rules, registry_of

    call.need(OperatorRole.VIEWER, "deadlines")
    parties, rules = registry_of(call.store), deadline_rules(call.settings)
    found = watch.late(
        call.store, parties, call.now, timedelta(hours=hours), rules, one_party(call, agency) if agency else None
    )
    screen = call.screen
    english = screen.lang != "vi"
    if screen.as_json:
        for one in found:
            screen.row(
                {
                    "MaHoSo": one.ma_ho_so,
                    "co_quan": one.agency,
                    "TrangThai": one.trang_thai,
                    "loai": one.deadline.what.value,
                    "han": one.deadline.due.isoformat(),
                    "qua_han": one.passed,
                }
            )
    elif found:
        ordered = sorted(found, key=lambda one: (one.agency or "", one.deadline.due))
        _print_counts(screen, found, {party.id: party.name for party in parties})
        screen.table(
            [
                screen.text(*c)
                for c in (("Cơ quan", "Agency"), ("Hồ sơ", "Dossier"), ("Việc", "What"), ("Hạn", "Due"), ("", ""))
            ],
            [
                [
                    one.agency or "–",
                    one.ma_ho_so,
                    DUES[one.deadline.what][english],
                    when(one.deadline.due),
                    (LATE if one.passed else SOON)[english],
                ]
                for one in ordered[:limit]
            ],
            whole=(1,),
        )
        screen.rest(len(ordered) - limit)
    else:
        screen.line("Không có hồ sơ nào quá hạn hay sắp đến hạn.", "Nothing is late, and nothing will be soon.")
    return PROBLEMS if any(one.passed for one in found) else FINE


SHOWN_DAYS = 4  # columns of a table; what comes after is one more


def _forecast(call: CommandRun, days: int, agency: str | None, limit: int) -> int:
    """Counts by agency first, then the dossiers that will be late next."""
    from gateway.services.forecast import appointments_ahead
    from gateway.wiring import registry_of

    call.need(OperatorRole.VIEWER, "deadlines")
    parties, screen = registry_of(call.store), call.screen
    chosen = one_party(call, agency) if agency else None
    found = appointments_ahead(call.store, parties, call.now, days, agency=chosen, most=limit)
    names = {one.agency: party.name if (party := parties.get(one.agency)) else "" for one in found.agencies}
    if screen.as_json:
        for one in found.agencies:
            by_day = {day.isoformat(): number for day, number in zip(found.days, one.by_day, strict=True)}
            row = {"dong": "co-quan", "co_quan": one.agency, "ten": names[one.agency], "qua_han": one.overdue}
            screen.row({**row, "se_tre": one.coming, "theo_ngay": by_day})
        for due in found.dossiers:
            row = {"dong": "ho-so", "MaHoSo": due.ma_ho_so, "co_quan": due.agency, "TrangThai": due.trang_thai}
            screen.row({**row, "han": due.due.isoformat()})
        screen.row({"dong": "tong", "qua_han": found.overdue, "con_lai": found.left_out})
    elif not found.agencies:
        screen.line("Không có hồ sơ nào quá hạn hay sắp đến hạn.", "Nothing is late, and nothing will be soon.")
    else:
        _print_forecast(screen, found, names)
    return PROBLEMS if found.overdue else FINE


def _print_forecast(screen: Screen, found: Forecast, names: Mapping[PartyId | None, str]) -> None:
    heads = [screen.text(*head) for head in (("Cơ quan", "Agency"), ("Tên", "Name"), ("Quá hạn", "Overdue"))]
    shown = found.days[:SHOWN_DAYS]
    more = len(found.days) > SHOWN_DAYS
    rest = [screen.text(f"tới {found.days[-1]:%d/%m}", f"to {found.days[-1]:%d/%m}")] if more else []
    screen.table(
        [*heads, *(f"{day:%d/%m}" for day in shown), *rest],
        [
            [
                one.agency or "–",
                names[one.agency],
                one.overdue,
                *one.by_day[:SHOWN_DAYS],
                *([sum(one.by_day[SHOWN_DAYS:])] if more else []),
            ]
            for one in found.agencies
        ],
    )
    if found.dossiers:
        screen.table(
            [screen.text(*c) for c in (("Cơ quan", "Agency"), ("Hồ sơ", "Dossier"), ("Ngày hẹn trả", "Result due"))],
            [[one.agency or "–", one.ma_ho_so, when(one.due)] for one in found.dossiers],
            whole=(1,),
        )
    screen.rest(found.left_out)


def _print_counts(screen: Screen, found: Sequence[Late], names: Mapping[PartyId, str]) -> None:
    """How many limits are over and near, by agency; the most that are over first."""
    over = Counter(one.agency or "–" for one in found if one.passed)
    near = Counter(one.agency or "–" for one in found if not one.passed)
    heads = (("Cơ quan", "Agency"), ("Quá hạn", "Overdue"), ("Sắp đến hạn", "Due soon"))
    screen.table(
        [screen.text(*head) for head in heads],
        [
            [called(agency, names), over[agency], near[agency]]
            for agency in sorted({*over, *near}, key=lambda a: (-over[a], -near[a], a))
        ],
    )


catalogue = Group(
    "catalogue",
    entries={
        "check": LazyCommand(
            "gateway.cli.reports:check_catalogue",
            "Kiểm tra một tệp danh mục, không ghi dữ liệu.",
            "Check a catalogue's file.",
        ),
        "import": LazyCommand(
            "gateway.cli.reports:import_", "Nạp một phiên bản danh mục từ CSV hoặc XML.", "Import a version."
        ),
        "show": LazyCommand("gateway.cli.reports:show", "Xem một danh mục.", "Show a catalogue."),
    },
    vi="Danh mục: dịch vụ (17 mục của Điều 4.1.b), thủ tục, cơ quan và bí danh, bảng mã; có phiên bản và hiệu lực.",
    en="Catalogues: services (the 17 items of Art. 4.1.b), procedures, agencies and aliases, code lists; with "
    "validity.",
    no_args_is_help=True,
)


@command(
    "check",
    vi="Kiểm tra tệp danh mục (CSV hoặc XML) như khi nạp, không cần cơ sở dữ liệu: mỗi lỗi có tệp, dòng, tên gần "
    "nhất. Nêu cả các dịch vụ có thời hạn mà không quy tắc nào đọc được.",
    en="Check a catalogue's file (CSV or XML) as on import, without a database: each mistake with file, line and nearest name. "
    "Tells as well of services whose time limit no rule can read.",
)
@argument("danh_muc")
@argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE…"
)
def check_catalogue(call: CommandRun, danh_muc: str, files: tuple[Path, ...]) -> int:
    """Exit code 1 when one of them could not be imported."""
    from gateway.core.catalogues import unread_terms
    from gateway.services.publishing import from_bytes

    screen, failed = call.screen, False
    for file in files:
        muc: Sequence[Muc] = ()
        try:
            muc = from_bytes(danh_muc, file.read_bytes())
            said = "ThoiHanTinh", "ThoiHanGiaiQuyet"
            terms = (
                (one, next((one.fields[n] for n in said if n in one.fields), "–"))
                for one in unread_terms(danh_muc, muc)
            )
            problems = [Problem("CAT-018", {"ma": one.ma, "value": term[:80]}) for one, term in terms]
            good = True
        except Stopped as stop:
            problems, good = [*stop.problems], False
        failed |= not good
        if screen.as_json:
            told = [screen.problem_row(problem) for problem in problems]
            screen.row({"file": str(file), "ok": good, "muc": len(muc), "problems": told})
            continue
        words = (f"DÙNG ĐƯỢC, {len(muc)} mục", f"GOOD, {len(muc)} entries") if good else ("KHÔNG DÙNG ĐƯỢC", "NO GOOD")
        screen.line(f"{file}: {words[0]}", f"{file}: {words[1]}")
        for problem in problems:
            screen.problem(problem, str(file))
    return PROBLEMS if failed else FINE


@command(
    "import",
    vi="Nạp một phiên bản danh mục từ tệp CSV hoặc XML. Hiển thị trước các thay đổi và yêu cầu xác nhận.",
    en="Import a version of a catalogue from CSV or XML. Shows first what would change, then asks.",
)
@argument("danh_muc")
@argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@option("--version", "phien_ban", required=True, vi="Số phiên bản.", en="The version.")
@option("--dry-run", is_flag=True, vi="Chỉ hiển thị các thay đổi.", en="Only show what would change.")
@asking
def import_(
    call: CommandRun, danh_muc: str, file: Path, phien_ban: str, dry_run: bool, reason: str | None = None
) -> int:
    """The version stays readable for ever."""
    from gateway.core.catalogues import changed_fields
    from gateway.services import publishing

    call.need(OperatorRole.ADMINISTRATOR, "catalogue import")
    muc = publishing.from_bytes(danh_muc, file.read_bytes())
    plan = publishing.plan_publication(call.store, danh_muc, phien_ban, muc)
    leads_to = _leads_to(call, muc) if danh_muc == "CoQuan" else {}
    screen = call.screen
    if screen.as_json:
        screen.row(
            {
                "danh_muc": danh_muc,
                "phien_ban": phien_ban,
                "added": [one.ma for one in plan.added],
                "changed": {after.ma: changed_fields(before, after) for before, after in plan.changed},
                "removed": [one.ma for one in plan.removed],
                **({"leads_to": leads_to} if danh_muc == "CoQuan" else {}),
                "recorded": call.yes and not dry_run,
            }
        )
    else:
        _print_publication(screen, plan, leads_to)
    if dry_run:
        return FINE
    why = call.agreed("catalogue import", reason, "Ghi phiên bản này?", "Record this version?")
    who = f"operator:{call.person}"
    done = publishing.publish(call.store, danh_muc, phien_ban, muc, who=who, now=call.now, reason=why)
    screen.line(
        f"Đã ghi {danh_muc} {phien_ban}: {len(muc)} mục." if done else f"{danh_muc} {phien_ban} đã có, giống hệt.",
        f"Recorded {danh_muc} {phien_ban}: {len(muc)} entries."
        if done
        else f"{danh_muc} {phien_ban} was there, identical.",
    )
    return FINE


def _print_publication(screen: Screen, plan: CatalogueDifference, leads_to: Mapping[str, str]) -> None:
    """What a version adds, changes and takes away, and which identifiers it leads to which party."""
    from gateway.core.catalogues import changed_fields

    for one in plan.added:
        screen.line(f"  + {one.ma}  {one.ten}")
    for before, after in plan.changed:
        screen.line(f"  ~ {after.ma}  {', '.join(changed_fields(before, after))}")
    for one in plan.removed:
        screen.line(f"  - {one.ma}  {one.ten}")
    for identifier, party in leads_to.items():
        screen.line(f"  {identifier} → {party}")


def _leads_to(call: CommandRun, muc: Sequence[Muc]) -> dict[str, str]:
    """Which identifiers will lead to which party by these agencies, today, beside those of the profiles."""
    from gateway.core.catalogues import same_agencies
    from gateway.core.parties import Parties
    from gateway.wiring import registry_of

    parties = registry_of(call.store)
    same = same_agencies(muc, call.now.astimezone(GIO_VIET_NAM).date())
    known = Parties(parties, parties.version, same=same)
    return {alias: party.id for party in known for alias in known.aliases(party.id)}


@command(
    "show",
    vi="Xem một phiên bản danh mục; nếu không nêu, xem bản mới nhất.",
    en="Show a version of a catalogue; the newest by default.",
)
@argument("danh_muc")
@option("--version", "phien_ban", vi="Số phiên bản.", en="The version.")
@option("--on", "day", type=Moment(), vi="Chỉ mục có hiệu lực ngày này.", en="Only what is in force that day.")
def show(call: CommandRun, danh_muc: str, phien_ban: str | None, day: datetime | None) -> int:
    """Exit code 1 when it is not on record."""
    from gateway.services import publishing

    call.need(OperatorRole.VIEWER, "catalogue show")
    version = publishing.current(call.store, danh_muc, phien_ban, day.astimezone(GIO_VIET_NAM).date() if day else None)
    screen = call.screen
    if version is None:
        screen.line(f"Chưa có danh mục {danh_muc}.", f"There is no catalogue {danh_muc}.")
        return PROBLEMS
    if screen.as_json:
        for one in version.muc:
            screen.row(
                {
                    "Ma": one.ma,
                    "Ten": one.ten,
                    "HieuLucTu": one.hieu_luc_tu.isoformat() if one.hieu_luc_tu else None,
                    "HieuLucDen": one.hieu_luc_den.isoformat() if one.hieu_luc_den else None,
                    "MaThayThe": one.ma_thay_the,
                    **one.fields,
                }
            )
        return FINE
    screen.line(f"{danh_muc} {version.phien_ban}")
    screen.table(
        [
            screen.text(*c)
            for c in (("Mã", "Code"), ("Tên", "Name"), ("Từ", "From"), ("Đến", "To"), ("Thay bằng", "Replaced by"))
        ],
        [
            [one.ma, one.ten, one.hieu_luc_tu or "–", one.hieu_luc_den or "–", one.ma_thay_the or "–"]
            for one in version.muc
        ],
    )
    return FINE
