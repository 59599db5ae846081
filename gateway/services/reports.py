"""Periodic reports: how often services are used and how dossiers fare, by service, agency, channel, month (R19–R21, R59, R66)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.core.lifecycle import LifeRules, Trace, trace
from gateway.core.model import Dossier, PartyId
from gateway.core.parties import Parties
from gateway.core.statistics import By, Period, Tally, tally
from gateway.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Counts of a period, by group; reproducible from the record at any later time."""

    period: Period
    by: tuple[By, ...]
    groups: dict[tuple[str, ...], Tally]

    def rows(self) -> list[dict[str, Any]]:
        """One flat row for each group: its names, its counts, and mean hours per state as ``gio_tb_<state>``."""
        return [
            {
                **dict(zip((key.value for key in self.by), names, strict=True)),
                **group.counts(),
                **{f"gio_tb_{state}": round(seconds / 3600, 2) for state, seconds in group.mean_seconds().items()},
            }
            for names, group in self.groups.items()
        ]

    def csv(self) -> str:
        """The rows as CSV with a header. Cells that a spreadsheet would read as a formula are quoted (threats 5.14)."""
        rows = self.rows()
        states = [f"gio_tb_{state}" for state in range(1, 11)]
        header = [*(key.value for key in self.by), *Tally().counts(), *states]
        out = io.StringIO()
        writer = csv.DictWriter(out, header, restval="", lineterminator="\r\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: inert(value) for name, value in row.items()})
        return out.getvalue()


def inert(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def report(
    store: Store, parties: Parties, since: datetime, until: datetime, by: Sequence[By], agency: PartyId | None = None
) -> Report:
    """The counts of a period, grouped; of one agency's dossiers when it is named."""
    period = Period(since=since, until=until)
    with store.read() as view:
        groups = tally(_lives(view.dossiers(agency=agency, opened_before=until), parties), period, by)
    return Report(period=period, by=tuple(by), groups=groups)


def _lives(dossiers: Iterator[Dossier], parties: Parties) -> Iterator[tuple[Dossier, Trace]]:
    for dossier in dossiers:
        if dossier.changes:
            yield dossier, trace(dossier.changes, LifeRules.of(parties.get(dossier.agency)))
