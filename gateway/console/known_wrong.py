"""Đối soát, lệch trạng thái: what parties do not know rightly, the last reconciliations, what costs points in 766."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Final

from gateway.cli.drift import CAUSES
from gateway.cli.prepared import FINDINGS, LINT_AT_ONCE, PreparedLint, lint_of_period
from gateway.console import words
from gateway.console.comparing import compare_forms
from gateway.console.fields import period_of, text_of
from gateway.console.files import downloads, sent
from gateway.console.kept import kept_parts, not_yet
from gateway.console.parts import Cell, Heading, Lines, Link, Part, Search, Table
from gateway.console.room import Answer, DeskCall, DeskPage, Elsewhere, Shown
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.problems import Stopped
from gateway.core.unknown import unknown
from gateway.services.drift import drift_counts, drifting, projected
from gateway.services.lint import lint_sheets
from gateway.services.reconciling import reconciled

SHOWN: Final = 50
LONGEST: Final = timedelta(days=31)  # of the dossiers that the lint looks at
_FIELDS: Final = ("tu", "den", "co_quan")


def drift_standing(call: DeskCall) -> Answer:
    """By party: how many dossiers it does not know rightly, and what the last reconciliation showed."""
    names, told = call.names(), projected(call.parties)
    with call.store.read() as view:
        counts, last = drift_counts(view, told), reconciled(view, call.now)
    rows: list[Sequence[Cell]] = [
        [Link(names.get(party.id, party.id), words.desk_address(f"/lech/{party.id}")), counts.get(party.id, 0)]
        for party in told
    ]
    found: list[Sequence[Cell]] = [
        [
            words.named(party, names),
            words.when(line.at),
            str(line.facts["source"]),
            sum(line.facts["differ"].values()),
        ]
        for party, line in last.items()
    ]
    heads = (("Bên", "Party"), ("Lúc", "At"), ("Nguồn", "Source"), ("Khác", "Different"))
    parts: list[Part] = [
        Table(
            caption=call.text(
                "Hồ sơ có dữ liệu ở bên nhận chưa khớp", "Dossiers that a receiver does not know rightly"
            ),
            heads=[call.text("Bên", "Party"), call.text("Hồ sơ", "Dossiers")],
            rows=rows,
            empty=call.text("không có bên nào được báo theo cách này.", "no party is told in this way."),
        ),
        Table(
            caption=call.text("Đối soát gần đây", "Reconciled of late"),
            heads=[call.text(*head) for head in heads],
            rows=found,
            empty=call.text("chưa có.", "none yet."),
        ),
        *compare_forms(call),
        Heading(text=call.text("Rà soát theo bộ chỉ số 766", "Lint by the index 766")),
        Search(
            to=words.desk_address("/lech/766"),
            button=call.text("Rà soát hồ sơ tiếp nhận trong kỳ", "Look at dossiers received in a period"),
            fields=[
                *words.days_fields(call),
                words.party_field(call, "co_quan", call.text("Cơ quan giải quyết", "Agency"), ""),
            ],
        ),
    ]
    return Shown(title=call.text("Đối soát, lệch trạng thái", "Reconciliation, drift"), parts=parts)


def drift_of(call: DeskCall) -> Answer:
    """The dossiers of one party, the first of them. Raises Stopped (SYS-042)."""
    name = text_of(call.place, "id", 100)
    party = next((one for one in projected(call.parties) if one.id == name), None)
    if party is None:
        raise Stopped(unknown("party", name))
    found = list(islice(drifting(call.store, call.parties, party), SHOWN + 1))
    rows: list[Sequence[Cell]] = [
        [
            words.to_dossier(drift.ma_ho_so),
            call.text(*CAUSES[drift.cause]),
            "; ".join(f"{field}: {theirs or '–'} ≠ {ours or '–'}" for field, (theirs, ours) in drift.fields.items())
            or None,
            drift.code,
            words.when(drift.since),
        ]
        for drift in found[:SHOWN]
    ]
    heads = (
        ("Hồ sơ", "Dossier"),
        ("Vì sao", "Why"),
        ("Khác ở", "Differs in"),
        ("Mã lỗi", "Code"),
        ("Từ lúc", "Since"),
    )
    table = Table(
        caption=call.text("Hồ sơ chưa khớp", "Dossiers not known rightly"),
        heads=[call.text(*head) for head in heads],
        rows=rows,
        empty=call.text("không có.", "none."),
        more=call.text(f"Còn nữa: lienthong drift --party {party.id}", f"More: lienthong drift --party {party.id}")
        if len(found) > SHOWN
        else "",
    )
    return Shown(title=party.name, parts=[table])


def _linted(call: DeskCall, given: Mapping[str, str], most: int, *, again: bool = False) -> PreparedLint:
    since, until = period_of(given)
    day = call.now.astimezone(GIO_VIET_NAM).replace(hour=0, minute=0, second=0, microsecond=0)
    since = max(since or (until or day) - timedelta(days=7), (until or day) - LONGEST)
    return lint_of_period(
        call.store,
        call.parties,
        (since, until),
        call.party(text_of(given, "co_quan")),
        call.now,
        most=most,
        at_once=min(call.room.at_once, LINT_AT_ONCE),
        again=again,
    )


def linted(call: DeskCall) -> Answer:
    """By agency, week and rule; then the dossiers."""
    found = _linted(call, call.query, SHOWN)
    query = {name: call.query.get(name, "") for name in _FIELDS}
    parts: list[Part] = [
        Search(
            to=words.desk_address("/lech/766"),
            button=call.text("Rà soát", "Look"),
            fields=[
                *words.days_fields(call),
                words.party_field(call, "co_quan", call.text("Cơ quan giải quyết", "Agency"), query["co_quan"]),
            ],
        ),
        *kept_parts(call, found.kept, "/lech/766", query),
    ]
    title = call.text("Rà soát theo bộ chỉ số 766", "Lint by the index 766")
    if found.report is None:
        return Shown(title=title, parts=parts, fresh=True)
    for sheet in lint_sheets(found.report, call.parties, call.lang):
        parts.append(Lines(lines=list(sheet.notes)))
        rows: list[Sequence[Cell]] = [
            [cell if isinstance(cell, int) or cell is None else str(cell) for cell in row] for row in sheet.rows
        ]
        empty = call.text("không có.", "none.")
        parts.append(Table(caption=sheet.title, heads=sheet.header, rows=rows, empty=empty, more=" ".join(sheet.more)))
    parts.append(downloads(call, "/lech/766/tep", query))
    return Shown(title=title, parts=parts, fresh=found.kept is not None and found.kept.wanted)


def lint_again(call: DeskCall) -> Answer:
    """Has it looked at anew, and leads back."""
    _linted(call, call.form, 0, again=True)
    return Elsewhere(to=words.desk_address("/lech/766", **{name: call.form.get(name, "") for name in _FIELDS}))


def lint_file(call: DeskCall) -> Answer:
    """The lint as a file."""
    found = _linted(call, call.query, FINDINGS)
    if found.report is None:
        raise not_yet(found.kept)
    return sent(call, lint_sheets(found.report, call.parties, call.lang), f"ra-soat-766-{call.now:%Y%m%d}")


PAGES = [
    DeskPage(method="GET", path="/lech", make=drift_standing),
    DeskPage(method="GET", path="/lech/766", make=linted),
    DeskPage(method="POST", path="/lech/766", make=lint_again, act="lint"),
    DeskPage(method="GET", path="/lech/766/tep", make=lint_file),
    DeskPage(method="GET", path="/lech/{id}", make=drift_of),
]
