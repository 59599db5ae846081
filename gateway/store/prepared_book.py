"""Answers that `work` prepares, as they are kept; and the numbers of each hour, by which a day ago is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, case, delete, func, insert, or_, select, update

from gateway.core.milestones import MilestoneKind
from gateway.core.statistics import Period
from gateway.store import tables
from gateway.store.figures import Figures

_p, _c, _k = tables.prepared, tables.counter, tables.milestone
HOURS: Final = 48  # that are kept
_SLOT: Final = timedelta(hours=1)
_COUNTED: Final = tuple(kind.value for kind in MilestoneKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedAnswer:
    """One answer as it is kept: what was made last, and whether it is to be made anew."""

    question: str
    looked_at: datetime
    wanted_at: datetime | None = None
    lease_until: datetime | None = None
    done: int = 0
    made_at: datetime | None = None
    line: int | None = None
    took_s: float | None = None
    answer: bytes | None = None


def hourly_row(name: str, hour: datetime) -> str:
    """The row of table counter for a number of this hour; two days later it is another's."""
    return f"hourly/{name}/{int(hour.timestamp()) // 3600 % HOURS:02}"


class PreparedView(Figures):
    """The questions about what is prepared. One snapshot, as all of a View."""

    def prepared(self, question: str) -> PreparedAnswer | None:
        """The answer to this question."""
        row = self._one(select(_p).where(_p.c.question == question))
        return None if row is None else PreparedAnswer(**row._mapping)  # noqa: SLF001 - the documented way to a row's names

    def prepared_wanted(self) -> int:
        """How many questions are to be answered."""
        waiting = select(func.count()).select_from(_p).where(_p.c.wanted_at.is_not(None))
        return self._connection.execute(waiting).scalar_one()

    def lives_in(self, period: Period, most: int) -> int:
        """How many dated rows there are to count for a period, counted to a limit and one."""
        dated = select(_k.c.number).where(
            _k.c.kind.in_(_COUNTED), _k.c.at >= period.since, _k.c.at < period.until
        )  # the kinds are named so that the index is taken
        return self._connection.execute(select(func.count()).select_from(dated.limit(most + 1).subquery())).scalar_one()

    def hourly(self, name: str, hour: datetime) -> int | None:
        """A number as it stood in this hour, one of the last two days; None where nobody kept it."""
        row = self._one(select(_c.c.value, _c.c.at).where(_c.c.name == hourly_row(name, hour)))
        return row.value if row is not None and row.at is not None and hour <= row.at < hour + _SLOT else None


class PreparedTx(PreparedView):
    """What is written about them."""

    def want_prepared(self, question: str, now: datetime) -> None:
        """It is to be made, also by whoever is at it already: what is known now is to be in it."""
        values = {"wanted_at": now, "looked_at": now}
        if not self._connection.execute(update(_p).where(_p.c.question == question).values(values)).rowcount:
            self._connection.execute(insert(_p).values(question=question, done=0, **values))

    def look_at_prepared(self, question: str, now: datetime) -> None:
        """Somebody looked: it is kept for longer."""
        self._connection.execute(update(_p).where(_p.c.question == question).values(looked_at=now))

    def take_prepared(self, now: datetime, until: datetime) -> str | None:
        """The question that has waited the longest, which is ours to answer until then; None where there is none."""
        free = and_(_p.c.wanted_at.is_not(None), or_(_p.c.lease_until.is_(None), _p.c.lease_until < now))
        row = self._one(select(_p.c.question).where(free).order_by(_p.c.wanted_at, _p.c.question).limit(1))
        if row is None:
            return None
        taken = update(_p).where(_p.c.question == row.question, free).values(lease_until=until, done=0)
        return row.question if self._connection.execute(taken).rowcount else None

    def hold_prepared(self, question: str, done: int, until: datetime) -> None:
        """It goes on, and has come so far."""
        self._connection.execute(update(_p).where(_p.c.question == question).values(done=done, lease_until=until))

    def put_prepared(self, question: str, answer: bytes, *, line: int, begun: datetime, now: datetime) -> None:
        """It is made. Where it was wanted again after it was begun, it is made once more."""
        again = case((_p.c.wanted_at > begun, _p.c.wanted_at), else_=None)
        values = {"answer": answer, "line": line, "made_at": now, "took_s": (now - begun).total_seconds()}
        made = update(_p).where(_p.c.question == question)
        self._connection.execute(made.values(wanted_at=again, lease_until=None, **values))

    def drop_prepared(self, not_seen_since: datetime) -> None:
        """What nobody has looked at for so long goes."""
        self._connection.execute(delete(_p).where(_p.c.looked_at < not_seen_since))
