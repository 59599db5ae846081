"""reconcile: our record against what a party believes, from the desk."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.check import Moment
from gateway.cli.command import FINE, PROBLEMS, CommandRun, check_period, command, option
from gateway.cli.drift import CAUSES, TURNS
from gateway.cli.find import one_party
from gateway.cli.show import Screen, when
from gateway.core.problems import Lang, Problem, Stopped
from gateway.core.unknown import unknown

if TYPE_CHECKING:
    from gateway.core.parties import Parties, Party
    from gateway.services.exports import PartyExport
    from gateway.services.reconciling import Compared, Disagreement, ReconcilePeriod
    from gateway.store import SideBook

SHOWN = 50  # dossiers on a screen, where nothing else is asked for
BAD_SHOWN = 20  # rows of a file that are none

KINDS = {
    "missing-here": ("thiếu ở trục", "missing here"),
    "missing-there": ("thiếu ở bên ấy", "missing there"),
    "state": ("khác trạng thái", "another state"),
    "dates": ("khác ngày", "other dates"),
}


@command(
    "reconcile",
    vi="Đối soát: sổ của trục so với điều một bên đang tin, về các hồ sơ mở trong kỳ. So số lượng và dấu, rồi từng hồ sơ: "
    "thiếu ở trục, thiếu ở bên ấy, khác trạng thái, khác ngày; vì sao, tới lượt ai. --file: tệp CSV hoặc XLSX do bên ấy xuất, "
    "--columns: tệp nhỏ nói cột nào là trường nào. Mã thoát 1 khi có chỗ khác hoặc dòng hỏng.",
    en="Reconcile: our record against what a party believes, of the dossiers opened in a period. By count and digest, then "
    "dossier by dossier: missing here, missing there, another state, other dates; why, and whose turn. --file: a CSV or XLSX "
    "that the party exported, --columns: a small file that says which column is which field. Exit 1 where anything differs or a "
    "row is bad.",
)
@option("--party", metavar="PARTY", required=True, vi="Bên được đối soát.", en="The party.")
@option("--from", "since", type=Moment(), required=True, vi="Hồ sơ mở từ lúc này.", en="Dossiers opened from here on.")
@option("--to", "until", type=Moment(), vi="Tới trước lúc này (mặc định: bây giờ).", en="Before this (default: now).")
@option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    vi="Tệp CSV hoặc XLSX do bên ấy xuất.",
    en="A CSV or XLSX that the party exported.",
)
@option(
    "--columns",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    vi="Tệp TOML nói cột nào là trường nào (mẫu: samples/reconcile).",
    en="A TOML file that says which column is which field (a sample: samples/reconcile).",
)
@option(
    "--limit",
    type=click.IntRange(1, 10_000_000),
    vi=f"Nhiều nhất chừng này hồ sơ (mặc định: {SHOWN} trên màn hình, tất cả ở --json và --csv).",
    en=f"At most so many dossiers (default: {SHOWN} on a screen, all with --json and --csv).",
)
@option("--csv", "as_csv", is_flag=True, vi="In CSV.", en="Print CSV.")
def reconcile(
    call: CommandRun,
    party: str,
    since: datetime,
    until: datetime | None,
    file: Path,
    columns: Path,
    limit: int | None,
    as_csv: bool,
) -> int:
    """Compares, and lists what differs."""
    from gateway.services.exports import PartyExport, read_column_map
    from gateway.services.reconciling import ReconcilePeriod, disagreements
    from gateway.store import SideBook
    from gateway.wiring import registry_of

    until = until or call.now
    check_period(call, since, until)
    parties = registry_of(call.store)
    who = parties.get(one_party(call, party))
    if who is None:
        raise Stopped(unknown("party", party))
    export = PartyExport(file, read_column_map(columns), who)
    with SideBook() as book:
        bad = _BadRows(call.screen, str(file), quiet=as_csv)
        compared = _compare(call, parties, who, export, ReconcilePeriod(since=since, until=until), book, bad)
        found = disagreements(call.store, parties, who, book)
        if as_csv:
            _print_csv(call.screen, islice(found, limit), compared.count, limit)
        elif call.screen.as_json:
            for one in islice(found, limit):
                call.screen.row(_row(one))
            call.screen.row(_summary(compared, limit))
        else:
            _print(call.screen, compared, list(islice(found, limit or SHOWN)), bad)
    return PROBLEMS if compared.count or compared.problems else FINE


class _BadRows:
    """Tells of rows that are none as they come: on a screen the first ones, the rest by code; in JSON all of them."""

    def __init__(self, screen: Screen, source: str, *, quiet: bool) -> None:
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
            self.screen.line(f"… còn {more} dòng hỏng nữa.", f"… {more} more bad rows.")


def _compare(
    call: CommandRun,
    parties: Parties,
    party: Party,
    export: PartyExport,
    period: ReconcilePeriod,
    book: SideBook,
    bad: _BadRows,
) -> Compared:
    from gateway.services.reconciling import compare_list

    with call.screen.progress("Đối soát", "Reconciling") as tell:
        return compare_list(
            call.store,
            parties,
            party,
            iter(export),
            period,
            book,
            fields=export.fields,
            digits=export.digits,
            told=bad,
            tell=tell,
        )


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
        "problems": dict(compared.problems),
        "not_shown": max(0, compared.count - limit) if limit is not None else 0,
    }


def _print(screen: Screen, compared: Compared, shown: list[Disagreement], bad: _BadRows) -> None:
    bad.rest()
    period = f"{when(compared.period.since)} – {when(compared.period.until)}"
    screen.line(
        f"{compared.party}, {period}: trục có {compared.ours} hồ sơ, bên ấy {compared.theirs}, khớp {compared.agree}.",
        f"{compared.party}, {period}: {compared.ours} dossiers here, {compared.theirs} there, {compared.agree} agree.",
    )
    screen.line(
        f"Dấu: {compared.digest_ours} ở trục, {compared.digest_theirs} ở bên ấy ({', '.join(compared.fields)}).",
        f"Digest: {compared.digest_ours} here, {compared.digest_theirs} there ({', '.join(compared.fields)}).",
    )
    if not compared.count:
        screen.line("Không hồ sơ nào khác.", "No dossier differs.")
        return
    of = 0 if screen.lang is Lang.VI else 1
    counted = (f"{KINDS[kind.value][of]} {number}" for kind, number in sorted(compared.kinds.items()) if number)
    screen.line(f"Khác: {', '.join(counted)}.", f"Differ: {', '.join(counted)}.")
    heads = (("Hồ sơ", "Khác (họ → ta)", "Vì sao", "Tới lượt"), ("Dossier", "Differs (theirs → ours)", "Why", "Turn"))
    screen.table(
        heads[of],
        ((one.ma_ho_so, "; ".join(_differs(one, of)), _why(one, of), TURNS[one.turn.value][of]) for one in shown),
    )
    screen.rest(compared.count - len(shown))


def _differs(one: Disagreement, of: int) -> Iterator[str]:
    yield KINDS[one.kind.value][of] + (f" ({('dòng', 'line')[of]} {one.line})" if one.line else "")
    if one.kind.value in {"state", "dates"}:
        yield from (f"{name} {_shown(theirs)} → {_shown(ours)}" for name, (theirs, ours) in one.fields.items())


def _why(one: Disagreement, of: int) -> str:
    return CAUSES[one.cause.value][of] + (f" ({one.code})" if one.code else "")


def _shown(value: str | None) -> str:
    """A moment of a packet as people read it."""
    if value is None or len(value) != len("20260131083000") or not value.isdigit():
        return value or "–"
    day, time = f"{value[6:8]}/{value[4:6]}/{value[:4]}", f"{value[8:10]}:{value[10:12]}:{value[12:]}"
    return day if time == "00:00:00" else f"{day} {time}"


COLUMNS = ("party", "ma_ho_so", "kind", "cause", "turn", "theirs", "ours", "line", "delivery", "code")


def _print_csv(screen: Screen, found: Iterable[Disagreement], count: int, limit: int | None) -> None:
    """A line for each dossier; on standard error, how many are not there."""
    for one in ({name: name for name in COLUMNS}, *()):
        _write(screen, one.values())
    for each in found:
        said = [";".join(f"{name}={side[n] or ''}" for name, side in each.fields.items()) for n in (0, 1)]
        row = (each.party, each.ma_ho_so, each.kind.value, each.cause.value, each.turn.value, *said)
        _write(screen, (*row, each.line or "", each.delivery or "", each.code or ""))
    if limit is not None and count > limit:
        screen.note(f"Còn {count - limit} hồ sơ không in.", f"{count - limit} more are not printed.")


def _write(screen: Screen, cells: Iterable[object]) -> None:
    """One line. A cell that a spreadsheet would take for a formula is text: codes come from others."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(
        f"'{cell}" if str(cell)[:1] in {"=", "+", "-", "@"} else cell for cell in cells
    )
    screen.raw(text.getvalue().encode())
