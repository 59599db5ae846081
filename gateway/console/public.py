"""Statistics for everybody, without logging in: services of level 3 and above, and how their dossiers fare (R19 to R21)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any, Final

from gateway.cli.prepared import PreparedStatistics, statistics_of
from gateway.console import words
from gateway.console.fields import period_of
from gateway.console.kept import kept_parts, not_yet
from gateway.console.parts import Cell, Downloads, Lines, Link, Part, Search, Table
from gateway.console.room import Answer, DeskCall, DeskPage, Sent, Shown
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.known_services import OFFLINE, STEM
from gateway.core.statistics import By, Tally
from gateway.services.publishing import in_force
from gateway.services.reports import COUNTS, PeriodReport
from gateway.sheets import Sheet, csv_text
from gateway.wiring import deadline_rules

LONGEST: Final = timedelta(days=366)
WAITING: Final = 3  # questions that may wait for `work` before what nobody has logged in for
TOLD: Final = ("filed", "online", "received", "finished", "early", "on_time", "late", "open", "overdue")


def _report(call: DeskCall) -> tuple[PreparedStatistics, list[tuple[str, str, Tally]]]:
    """The period, and of each service of level 3 and above its code, name and counts; this year unless days are asked for."""
    since, until = period_of(call.query)
    if until is not None and until > call.now:
        until = None
    if since is None or since >= (until or call.now):
        since = call.now.astimezone(GIO_VIET_NAM).replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    day = call.now.astimezone(GIO_VIET_NAM).date()
    longest = datetime.combine(day, time(0), GIO_VIET_NAM) if until is None else until
    found = statistics_of(
        call.store,
        call.parties,
        (max(since, longest - LONGEST), until),
        By.SERVICE,
        None,
        deadline_rules(call.room.settings),
        call.now,
        at_once=call.room.at_once,
        most_waiting=WAITING,
    )
    made = found.report
    if made is None:
        return found, []
    known = in_force(call.store, day)
    online = {
        stem[:STEM]
        for stem, rows in (known.services.by_stem.items() if known is not None else ())
        if any(row.level and row.level not in OFFLINE and row.in_force(day) for row in rows)
    }
    rows = [
        (codes[0], made.name(By.SERVICE, codes[0], call.lang) or codes[0], group)
        for codes, group in made.groups.items()
        if codes[0] in online
    ]
    return found, rows


def _made(call: DeskCall) -> tuple[PeriodReport, list[tuple[str, str, Tally]]]:
    """The same, for files. Raises Stopped (SYS-204) where it is not made yet."""
    found, rows = _report(call)
    if found.report is None:
        raise not_yet(found.kept)
    return found.report, rows


def _heads(call: DeskCall) -> list[str]:
    return [
        call.text("Mã dịch vụ", "Service code"),
        call.text("Dịch vụ", "Service"),
        *(call.text(*COUNTS[name]) for name in TOLD),
    ]


def public_page(call: DeskCall) -> Answer:
    """As a page that other sites may show in theirs."""
    asked, found = _report(call)
    rows: list[Sequence[Cell]] = [[code, name, *(getattr(group, one) for one in TOLD)] for code, name, group in found]
    query = {name: call.query.get(name, "") for name in ("tu", "den")}
    title = call.text("Tình hình giải quyết hồ sơ", "How dossiers are handled")
    search = Search(
        to=words.desk_address("/cong-khai"), button=call.text("Xem", "Show"), fields=words.days_fields(call)
    )
    kept = kept_parts(call, asked.kept, "/cong-khai", query)
    if asked.report is None:
        return Shown(title=title, parts=[search, *kept], fresh=True, bare=True, embedded=True)
    period = asked.report.period
    span = f"{words.when(period.since)} – {words.when(period.until)}"
    parts: list[Part] = [
        Lines(
            lines=[
                call.text(
                    f"Kỳ: {span}. Dịch vụ công mức độ 3 trở lên.",
                    f"Period: {span}. Public services of level 3 and above.",
                )
            ]
        ),
        *kept,
        search,
        Table(
            caption=call.text("Theo dịch vụ", "By service"),
            heads=_heads(call),
            rows=rows,
            empty=call.text("không có hồ sơ nào trong kỳ.", "no dossier in the period."),
        ),
        Downloads(
            links=[
                Link("JSON", words.desk_address("/cong-khai/json", **query)),
                Link("CSV", words.desk_address("/cong-khai/csv", **query)),
            ]
        ),
    ]
    return Shown(title=title, parts=parts, bare=True, embedded=True)


def public_json(call: DeskCall) -> Answer:
    """For programs."""
    made, found = _made(call)
    body: dict[str, Any] = {
        "tu": made.period.since.astimezone(GIO_VIET_NAM).isoformat(),
        "den": made.period.until.astimezone(GIO_VIET_NAM).isoformat(),
        "dich_vu": [
            {"ma": code, "ten": name, **{one: getattr(group, one) for one in TOLD}} for code, name, group in found
        ],
    }
    return Sent(body=json.dumps(body, ensure_ascii=False).encode(), kind="application/json", name="thong-ke.json")


def public_csv(call: DeskCall) -> Answer:
    """For offices."""
    _, found = _made(call)
    title = call.text("Tình hình giải quyết hồ sơ", "How dossiers are handled")
    rows = [[code, name, *(getattr(group, one) for one in TOLD)] for code, name, group in found]
    sheet = Sheet(name=title, title=title, header=_heads(call), rows=rows)
    return Sent(body=csv_text(sheet, for_excel=True), kind="text/csv; charset=utf-8", name="thong-ke.csv")


PAGES = [
    DeskPage(method="GET", path="/cong-khai", make=public_page, role=None),
    DeskPage(method="GET", path="/cong-khai/json", make=public_json, role=None),
    DeskPage(method="GET", path="/cong-khai/csv", make=public_csv, role=None),
]
