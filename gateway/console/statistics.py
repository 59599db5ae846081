"""Thống kê: a month, a quarter, a year or any days, by service, agency, channel or month, by name; charts, print, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.cli.prepared import PreparedStatistics, statistics_of
from gateway.cli.show import when
from gateway.console import words
from gateway.console.charts import bars
from gateway.console.fields import choice_of, period_of, text_of
from gateway.console.files import downloads, sent
from gateway.console.kept import kept_parts, not_yet
from gateway.console.parts import Cell, Downloads, FormField, Heading, Lines, Link, Part, Search, Table
from gateway.console.room import Answer, DeskCall, DeskPage, Elsewhere, Shown
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.statistics import By
from gateway.services.reports import PeriodReport
from gateway.sheets import Sheet
from gateway.wiring import deadline_rules

BARS: Final = 12
_BY: Final = {
    By.AGENCY: ("Cơ quan", "Agency"),
    By.SERVICE: ("Dịch vụ", "Service"),
    By.CHANNEL: ("Kênh nộp", "Channel"),
    By.MONTH: ("Tháng nộp", "Month of filing"),
}
_CHARTED: Final = {
    "filed": ("Hồ sơ nộp", "Dossiers filed"),
    "finished": ("Hồ sơ xử lý xong", "Dossiers finished"),
    "late": ("Xong quá hạn", "Finished late"),
}


_FIELDS: Final = ("tu", "den", "theo", "co_quan")


def _report(call: DeskCall, given: Mapping[str, str], *, again: bool = False) -> tuple[PreparedStatistics, By]:
    since, until = period_of(given)
    if since is None:
        since = call.now.astimezone(GIO_VIET_NAM).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    by = By(choice_of(given, "theo", [one.value for one in By]) or By.AGENCY.value)
    agency = call.party(text_of(given, "co_quan"))
    rules = deadline_rules(call.room.settings)
    made = statistics_of(
        call.store,
        call.parties,
        (since, until),
        by,
        agency,
        rules,
        call.now,
        at_once=call.room.at_once,
        again=again,
    )
    return made, by


def statistics(call: DeskCall) -> Answer:
    """The counts of a period, this month unless another is asked for."""
    found, by = _report(call, call.query)
    query = {name: call.query.get(name, "") for name in _FIELDS}
    kept, made = kept_parts(call, found.kept, "/thong-ke", query), found.report
    if made is None:
        title = call.text("Thống kê", "Statistics")
        return Shown(title=title, parts=[_search(call, by, ""), _spans(call, by), *kept], fresh=True)
    summary = made.shown(call.lang)
    parts: list[Part] = [
        _search(call, by, f"{made.period.since.astimezone(GIO_VIET_NAM):%Y-%m-%d}"),
        _spans(call, by),
        Lines(lines=list(summary.notes)),
        *kept,
    ]
    if made.groups:
        parts += [_table(summary), downloads(call, "/thong-ke/tep", query)]
        parts += _charts(call, made, by)
    else:
        parts.append(Lines(lines=[call.text("Không có hồ sơ nào trong kỳ.", "No dossier in the period.")]))
    if made.senders:
        parts.append(_table(made.sender_sheet(call.lang)))
    return Shown(title=summary.title, parts=parts, fresh=found.kept is not None and found.kept.wanted)


def statistics_again(call: DeskCall) -> Answer:
    """Has them made anew, and leads back."""
    _report(call, call.form, again=True)
    return Elsewhere(to=words.desk_address("/thong-ke", **{name: call.form.get(name, "") for name in _FIELDS}))


def _search(call: DeskCall, by: By, since: str) -> Part:
    return Search(
        to=words.desk_address("/thong-ke"),
        button=call.text("Xem", "Show"),
        fields=[
            *words.days_fields(call, since),
            FormField(
                name="theo",
                label=call.text("Theo", "By"),
                value=by.value,
                choices=[(one.value, call.text(*said)) for one, said in _BY.items()],
            ),
            words.party_field(
                call, "co_quan", call.text("Cơ quan giải quyết", "Agency"), text_of(call.query, "co_quan")
            ),
        ],
    )


def _spans(call: DeskCall, by: By) -> Part:
    """This month, the one before, this quarter, this year, the year before."""
    today = call.now.astimezone(GIO_VIET_NAM).date()
    first = today.replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    quarter = first.replace(month=(first.month - 1) // 3 * 3 + 1)
    year = first.replace(month=1)
    last_year = year.replace(year=year.year - 1)
    spans = [
        ("Tháng này", "This month", first, today),
        ("Tháng trước", "Last month", before, first - timedelta(days=1)),
        ("Quý này", "This quarter", quarter, today),
        ("Năm nay", "This year", year, today),
        ("Năm trước", "Last year", last_year, year - timedelta(days=1)),
    ]
    return Downloads(
        links=[
            Link(call.text(vi, en), words.desk_address("/thong-ke", tu=one, den=other, theo=by.value))
            for vi, en, one, other in spans
        ]
    )


def _table(sheet: Sheet) -> Table:
    listed = [*sheet.rows, *([sheet.total] if sheet.total is not None else [])]
    rows: list[Sequence[Cell]] = [[_cell(cell) for cell in row] for row in listed]
    return Table(caption=sheet.name, heads=sheet.header, rows=rows, more=" ".join(sheet.more))


def _cell(cell: object) -> Cell:
    if isinstance(cell, datetime):
        return when(cell)
    return cell if isinstance(cell, int) or cell is None else str(cell)


def _charts(call: DeskCall, made: PeriodReport, by: By) -> list[Part]:
    parts: list[Part] = [Heading(text=call.text("Biểu đồ", "Charts"))]
    for name, title in _CHARTED.items():
        counted = [
            (made.name(by, codes[0], call.lang) or codes[0], getattr(group, name))
            for codes, group in made.groups.items()
        ]
        counted = [one for one in counted if one[1]]
        if by is not By.MONTH:
            counted.sort(key=lambda one: (-one[1], one[0]))
        if not counted:
            continue
        total = sum(number for _, number in counted)
        shown = counted[:BARS]
        says = call.text(f"{call.text(*title)}: {total} trong kỳ.", f"{call.text(*title)}: {total} in the period.")
        if len(counted) > BARS:
            says += call.text(f" Vẽ {BARS} nhóm nhiều nhất.", f" The {BARS} largest groups are drawn.")
        heads = (call.text(*_BY[by]), call.text("Số hồ sơ", "Dossiers"))
        rows = [(label, float(number), str(number)) for label, number in shown]
        parts.append(bars(f"bieu-do-{name}", call.text(*title), says, heads, rows))
    return parts


def statistics_file(call: DeskCall) -> Answer:
    """The report as a file."""
    found, by = _report(call, call.query)
    made = found.report
    if made is None:
        raise not_yet(found.kept)
    csv = call.query.get("dang") == "csv"
    sheets = [made.flat(call.lang)] if csv else made.sheets(call.lang)
    return sent(call, sheets, f"thong-ke-{by.value}-{made.period.since.astimezone(GIO_VIET_NAM):%Y%m%d}")


PAGES = [
    DeskPage(method="GET", path="/thong-ke", make=statistics),
    DeskPage(method="POST", path="/thong-ke", make=statistics_again, act="report"),
    DeskPage(method="GET", path="/thong-ke/tep", make=statistics_file),
]
