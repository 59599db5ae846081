"""Periodic reports: how often services are used and how dossiers fare, by service, agency, channel, month (R19–R21, R59, R66)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.core.deadlines import DeadlineRules
from gateway.core.effects import Files
from gateway.core.lifecycle import LifeRules, Trace, trace
from gateway.core.model import Dossier, Fate, MaHoSo, PartyId
from gateway.core.parties import Parties
from gateway.core.statistics import By, Period, Tally, Uses, tally, use_of_unknown
from gateway.store import Message, Store, View

SCORES = range(1, 6)  # Diem of HS21


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodReport:
    """Counts of a period, by group, as of its end: reproducible from the record at any later time.

    News of the period that arrive after it are counted when the report is made again.
    """

    period: Period
    by: tuple[By, ...]
    groups: dict[tuple[str, ...], Tally]

    def rows(self) -> list[dict[str, Any]]:
        """One flat row for each group: its names, its counts, satisfaction as ``diem_tb`` and how many gave each score as
        ``diem_<score>``, and mean hours per state as ``gio_tb_<state>``.
        """
        return [
            {
                **dict(zip((key.value for key in self.by), names, strict=True)),
                **group.counts(),
                **_satisfaction(group),
                **{f"gio_tb_{state}": round(seconds / 3600, 2) for state, seconds in group.mean_seconds().items()},
            }
            for names, group in self.groups.items()
        ]

    def csv(self) -> str:
        """The rows as CSV with a header. Cells that a spreadsheet would read as a formula are quoted (threats 5.14)."""
        rows = self.rows()
        states = [f"gio_tb_{state}" for state in range(1, 11)]
        scores = ["diem_tb", *(f"diem_{score}" for score in SCORES)]
        header = [*(key.value for key in self.by), *Tally().counts(), *scores, *states]
        out = io.StringIO()
        writer = csv.DictWriter(out, header, restval="", lineterminator="\r\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: inert_cell(value) for name, value in row.items()})
        return out.getvalue()


def _satisfaction(group: Tally) -> dict[str, float | int]:
    mean = group.mean_score()
    if mean is None:
        return {}
    return {"diem_tb": round(mean, 2), **{f"diem_{score}": group.scores.get(score, 0) for score in SCORES}}


def inert_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def report(
    store: Store,
    parties: Parties,
    since: datetime,
    until: datetime,
    by: Sequence[By],
    agency: PartyId | None,
    rules: DeadlineRules,
) -> PeriodReport:
    """The counts of a period, grouped; of one agency's dossiers when it is named."""
    period = Period(since=since, until=until)
    with store.read() as view:
        uses = _uses(view, period)
        seen: set[MaHoSo] = set()
        lives = _lives(view.dossiers(agency=agency), parties, until, seen)
        groups = tally(lives, period, by, rules=rules, uses=uses)
        if agency is None:  # what is about no dossier is about nobody's
            use_of_unknown(groups, by, [one for code, one in uses.items() if code not in seen])
    return PeriodReport(period=period, by=tuple(by), groups=dict(sorted(groups.items())))


def _lives(
    dossiers: Iterator[Dossier], parties: Parties, until: datetime, seen: set[MaHoSo]
) -> Iterator[tuple[Dossier, Trace]]:
    """The dossiers as they stood at the end of the period."""
    for dossier in dossiers:
        seen.add(dossier.ma_ho_so)
        # What a filing says of its dossier holds from the days it names, however late the filing was sent.
        changes = [c for c in dossier.changes if c.occurred_at < until or any(isinstance(e, Files) for e in c.effects)]
        before = replace(dossier, changes=tuple(changes))
        if before.changes:
            yield before, trace(before.changes, LifeRules.of(parties.get(dossier.agency)))


def _uses(view: View, period: Period) -> dict[MaHoSo, Uses]:
    """Queries and recalls of a period, by the dossier that they are about; the empty code where they name none."""
    found: dict[MaHoSo, Uses] = {}
    for loai, goc, name in (("HS17", "TraCuuHoSo", "asked"), ("HS20", "ThuHoiThongDiep", "recalled")):
        for message in _accepted(view, loai, period):
            if message.goc == goc:
                code = message.ma_ho_so or MaHoSo("")
                before = found.get(code, Uses())
                found[code] = replace(before, **{name: getattr(before, name) + 1})
    return found


def _accepted(view: View, loai: str, period: Period, page: int = 500) -> Iterator[Message]:
    before = None
    while True:
        batch = view.messages(
            state=Fate.ACCEPTED, loai=loai, since=period.since, until=period.until, before=before, limit=page
        )
        yield from batch
        if len(batch) < page:
            return
        before = batch[-1].id
