"""Batches on record: what `work` takes up next, what was planned, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import func, insert, or_, select, update

from gateway.core.batches import (
    Batch,
    BatchItem,
    BatchItemKind,
    BatchItemState,
    BatchKind,
    BatchState,
    BatchStep,
)
from gateway.core.model import Delivery, DeliveryId, PartyId
from gateway.store import rows, tables
from gateway.store.engine import Bulk
from gateway.store.errors import Conflict
from gateway.store.figures import Figures

_t, _i, _d = tables.batch, tables.batch_item, tables.delivery
_PAGE = 1000
_PUT = Bulk(lambda into: into(_i), ("batch", "number", "kind", "subject", "party", "was", "plan", "state"))


class BatchView(Figures):
    """The questions about batches. One snapshot, as all of a View."""

    def batch(self, number: int) -> Batch | None:
        """The batch of this number, with how far it has come."""
        row = self._one(select(_t).where(_t.c.number == number))
        return None if row is None else _batch_of(row, self._counts([number]).get(number, {}))

    def batches(
        self, *, states: Collection[BatchState] | None = None, before: int | None = None, limit: int = 100
    ) -> list[Batch]:
        """Batches, the newest first."""
        found = select(_t).order_by(_t.c.number.desc()).limit(limit)
        if states is not None:
            found = found.where(_t.c.state.in_(sorted(state.value for state in states)))
        if before is not None:
            found = found.where(_t.c.number < before)
        listed = list(self._all(found))
        counts = self._counts([row.number for row in listed])
        return [_batch_of(row, counts.get(row.number, {})) for row in listed]

    def count_batches(self) -> dict[BatchState, int]:
        """How many batches there are in each state."""
        counted = select(_t.c.state, func.count().label("number")).group_by(_t.c.state)
        return {BatchState(row.state): row.number for row in self._all(counted)}

    def batch_items(
        self,
        batch: int,
        *,
        states: Collection[BatchItemState] | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> list[BatchItem]:
        """Things of a batch in the order of its plan, from behind this number on."""
        found = select(_i).where(_i.c.batch == batch, _i.c.number > after).order_by(_i.c.number).limit(limit)
        if states is not None:
            found = found.where(_i.c.state.in_(sorted(state.value for state in states)))
        return [_item_of(row) for row in self._all(found)]

    def every_batch_item(self, batch: int, *, states: Collection[BatchItemState]) -> Iterator[BatchItem]:
        """All things of a batch in these states, read in pages."""
        after = 0
        while page := self.batch_items(batch, states=states, after=after, limit=_PAGE):
            yield from page
            after = page[-1].number

    def batch_causes(self, batch: int) -> dict[str, int]:
        """What failed of a batch, by code, the commonest first."""
        counted = select(_i.c.code, func.count().label("number")).where(
            _i.c.batch == batch, _i.c.state == BatchItemState.FAILED.value
        )
        return {
            row.code or "": row.number
            for row in self._all(counted.group_by(_i.c.code).order_by(func.count().desc(), _i.c.code))
        }

    def batches_due(self, now: datetime) -> list[int]:
        """What `work` may take up now, the longest due first."""
        free = or_(_t.c.lease_until.is_(None), _t.c.lease_until <= now)
        found = select(_t.c.number).where(_t.c.due_at <= now, free).order_by(_t.c.due_at, _t.c.number)
        return list(self._connection.execute(found).scalars())

    def _counts(self, numbers: Collection[int]) -> dict[int, dict[BatchItemState, int]]:
        counted: dict[int, dict[BatchItemState, int]] = {}
        if numbers:
            asked = select(_i.c.batch, _i.c.state, func.count().label("number")).where(_i.c.batch.in_(numbers))
            for row in self._all(asked.group_by(_i.c.batch, _i.c.state)):
                counted.setdefault(row.batch, {})[BatchItemState(row.state)] = row.number
        return counted


class BatchTx(BatchView):
    """What is written about batches."""

    def put_batch(self, batch: Batch, steps: Iterable[BatchStep]) -> Batch:
        """Records a batch with its plan; its number and size are given here."""
        values = {
            "kind": batch.kind.value,
            "state": batch.state.value,
            "size": 0,
            "per_second": batch.per_second,
            "asked": dict(batch.asked),
            "reason": batch.reason,
            "started_by": batch.started_by,
            "started_at": batch.started_at,
            "source": batch.source,
            "due_at": batch.due_at,
            "lease": 0,
        }
        number = self._connection.execute(insert(_t).values(values).returning(_t.c.number)).scalar_one()
        size, rest = 0, iter(steps)
        while page := list(islice(rest, _PAGE)):
            _PUT(self._connection, [_step_in(number, size + place, step) for place, step in enumerate(page, 1)])
            size += len(page)
        self._connection.execute(update(_t).where(_t.c.number == number).values(size=size))
        made = self.batch(number)
        assert made is not None
        return made

    def move_batch(self, number: int, among: Collection[BatchState], to: BatchState, **values: Any) -> bool:
        """Moves a batch that is in one of these states. False, and nothing changed, where it is in another."""
        here = _t.c.state.in_(sorted(state.value for state in among))
        moved = update(_t).where(_t.c.number == number, here).values(state=to.value, **values)
        return self._connection.execute(moved).rowcount == 1

    def leave_batch_items(self, number: int, now: datetime) -> int:
        """What has not had its turn will not have it."""
        planned = (_i.c.batch == number, _i.c.state == BatchItemState.PLANNED.value)
        left = update(_i).where(*planned).values(state=BatchItemState.LEFT.value, at=now)
        return self._connection.execute(left).rowcount

    def take_batch(self, number: int, now: datetime, lease_s: float) -> Batch | None:
        """The batch, ours for so long; None where it is another's, or not due."""
        free = or_(_t.c.lease_until.is_(None), _t.c.lease_until <= now)
        taken = update(_t).where(_t.c.number == number, _t.c.due_at <= now, free)
        taken = taken.values(lease=_t.c.lease + 1, lease_until=now + timedelta(seconds=lease_s))
        row = self._connection.execute(taken.returning(_t)).first()
        return None if row is None else _batch_of(row, {})

    def hold_batch(self, batch: Batch, now: datetime, lease_s: float) -> None:
        """Goes on with a batch that is ours and runs, up to the commit. Raises Conflict where it does so no more."""
        ours = (_t.c.number == batch.number, _t.c.lease == batch.lease, _t.c.state == BatchState.RUNNING.value)
        held = update(_t).where(*ours).values(lease_until=now + timedelta(seconds=lease_s))
        if self._connection.execute(held).rowcount != 1:
            raise Conflict(f"batch {batch.number} is not ours to go on with")

    def release_batch(self, batch: Batch, **values: Any) -> bool:
        """Gives a batch back, with what is to be kept of the turn. False where it is another's meanwhile."""
        ours = (_t.c.number == batch.number, _t.c.lease == batch.lease)
        return self._connection.execute(update(_t).where(*ours).values(lease_until=None, **values)).rowcount == 1

    def settle_batch_item(
        self,
        item: BatchItem,
        to: BatchItemState,
        now: datetime,
        *,
        code: str | None = None,
        found: str | None = None,
    ) -> None:
        """What became of a thing. Raises Conflict where somebody else has said so since it was read."""
        same = (_i.c.batch == item.batch, _i.c.number == item.number, _i.c.state == item.state.value)
        moved = update(_i).where(*same).values(state=to.value, at=now, code=code, found=found)
        if self._connection.execute(moved).rowcount != 1:
            raise Conflict(f"thing {item.number} of batch {item.batch} was carried out by somebody else")

    def lock_deliveries(self, ids: Collection[DeliveryId | str]) -> list[Delivery]:
        """These deliveries as they stand, up to the commit; in the order of their ids."""
        found = select(_d).where(_d.c.id.in_(sorted(ids))).order_by(_d.c.id).with_for_update()
        return [rows.delivery_of(row) for row in self._all(found)]


def _batch_of(row: rows.AnyRow, counts: Mapping[BatchItemState, int]) -> Batch:
    values = {name: value for name, value in row._mapping.items() if name != "lease_until"}  # noqa: SLF001 - one to one, but this
    return Batch(**{**values, "kind": BatchKind(row.kind), "state": BatchState(row.state), "counts": counts})


def _step_in(batch: int, number: int, step: BatchStep) -> dict[str, Any]:
    return {
        "batch": batch,
        "number": number,
        "kind": step.kind.value,
        "subject": step.subject,
        "party": step.party,
        "was": dict(step.was),
        "plan": dict(step.plan),
        "state": BatchItemState.PLANNED.value,
    }


def _item_of(row: rows.AnyRow) -> BatchItem:
    step = BatchStep(
        kind=BatchItemKind(row.kind), subject=row.subject, party=PartyId(row.party), was=row.was, plan=row.plan
    )
    return BatchItem(
        batch=row.batch,
        number=row.number,
        step=step,
        state=BatchItemState(row.state),
        code=row.code,
        found=row.found,
        at=row.at,
    )
