"""What channels of notices were told, and how they stand."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, insert, select

from gateway.core.alerts import Alarm, Urgency
from gateway.core.model import PartyId
from gateway.core.notices import ChannelStanding, ToldAlert
from gateway.core.problems import Problem
from gateway.store import tables
from gateway.store.figures import Figures

_n, _h = tables.notified, tables.notice_channel


class NoticeView(Figures):
    """The questions about notices. One snapshot, as all of a View."""

    def notified(self, channel: str) -> list[ToldAlert]:
        """The groups of alerts that a channel was told of and not yet that they are over."""
        found = select(_n).where(_n.c.channel == channel).order_by(_n.c.alert)
        return [
            ToldAlert(
                channel=row.channel,
                alert=row.alert,
                alarm=Alarm(row.alarm),
                party=PartyId(row.party),
                cause=row.cause,
                severity=Urgency(row.severity),
                count=row.number,
                told_at=row.told_at,
            )
            for row in self._all(found)
        ]

    def notice_channels(self) -> dict[str, ChannelStanding]:
        """How each channel stands that was ever looked at."""
        return {
            row.channel: ChannelStanding(
                channel=row.channel,
                summed_at=row.summed_at,
                failures=row.failures,
                failing_since=row.failing_since,
                problem=None if row.problem is None else Problem.from_dict(row.problem),
                due_at=row.due_at,
                sent_at=row.sent_at,
            )
            for row in self._all(select(_h).order_by(_h.c.channel))
        }


class NoticeTx(NoticeView):
    """What is written about notices."""

    def put_notice_channel(self, standing: ChannelStanding) -> None:
        """How a channel stands now."""
        self._connection.execute(delete(_h).where(_h.c.channel == standing.channel))
        problem = standing.problem.as_dict() if standing.problem is not None else None
        self._connection.execute(insert(_h).values({**asdict(standing), "problem": problem}))

    def put_notified(self, channel: str, told: Iterable[ToldAlert], forgotten: Collection[str]) -> None:
        """What a channel was told of now; what it was told of before and is over, or somebody has taken on, goes."""
        values = [_told_in(one) for one in told]
        gone = sorted({*forgotten, *(row["alert"] for row in values)})
        if gone:
            self._connection.execute(delete(_n).where(_n.c.channel == channel, _n.c.alert.in_(gone)))
        if values:
            self._connection.execute(insert(_n), values)


def _told_in(one: ToldAlert) -> dict[str, Any]:
    return {
        "channel": one.channel,
        "alert": one.alert,
        "alarm": one.alarm.value,
        "party": one.party,
        "cause": one.cause,
        "severity": one.severity.value,
        "number": one.count,
        "told_at": one.told_at,
    }
