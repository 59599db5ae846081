"""What will be late in the next days, per agency: asked of the database, by the appointments of dossiers that are open.

What waits for the applicant stands still and is in no day. Days are those of home, the first one being today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.lifecycle import LifeRules
from gateway.core.model import MaHoSo, PartyId
from gateway.core.parties import Parties
from gateway.store import Store, bring_up_to_date


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyForecast:
    """What is late at one agency, and what will be on each of the days unless it is finished before."""

    agency: PartyId | None
    overdue: int
    by_day: tuple[int, ...]

    @property
    def coming(self) -> int:
        """How many will be late within the days."""
        return sum(self.by_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDossier:
    """One dossier with its appointment."""

    ma_ho_so: MaHoSo
    agency: PartyId | None
    trang_thai: int | None
    due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The days ahead."""

    days: tuple[date, ...]
    agencies: tuple[AgencyForecast, ...]  # the one with the most that is late or will be first
    dossiers: tuple[DueDossier, ...]  # the first that will be late; of those that are already, `deadlines` tells
    left_out: int

    @property
    def overdue(self) -> int:
        """How many are late already."""
        return sum(one.overdue for one in self.agencies)


def appointments_ahead(
    store: Store, parties: Parties, now: datetime, days: int, *, agency: PartyId | None = None, most: int = 50
) -> Forecast:
    """What will be late within so many days, today included."""
    bring_up_to_date(store, lambda party: LifeRules.of(parties.get(party)))
    today = now.astimezone(GIO_VIET_NAM).date()
    listed = tuple(today + timedelta(days=number) for number in range(days))
    ends = [datetime.combine(day + timedelta(days=1), time(0), GIO_VIET_NAM) for day in listed]
    with store.read() as view:
        counts = view.due_by_day(now, ends, agency)
        first = view.due_first(now, ends[-1], agency, most)
    agencies = [_agency(name, counted) for name, counted in counts.items()]
    return Forecast(
        days=listed,
        agencies=tuple(sorted(agencies, key=lambda one: (-one.overdue - one.coming, one.agency or ""))),
        dossiers=tuple(
            DueDossier(ma_ho_so=one.ma_ho_so, agency=one.agency, trang_thai=one.trang_thai, due=one.due)
            for one in first
        ),
        left_out=sum(one.coming for one in agencies) - len(first),
    )


def _agency(name: PartyId | None, counted: Sequence[int]) -> AgencyForecast:
    return AgencyForecast(agency=name, overdue=counted[0], by_day=tuple(counted[1:]))
