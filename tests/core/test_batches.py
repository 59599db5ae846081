"""Batches: how far one has come, and who is behind a name of the log."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.core.batches import (
    Batch,
    BatchItem,
    BatchItemKind,
    BatchItemState,
    BatchKind,
    BatchState,
    BatchStep,
    person_of,
)
from gateway.core.model import PartyId

NEW = Batch(
    number=7,
    kind=BatchKind.REPLAY,
    state=BatchState.RUNNING,
    size=10,
    per_second=20.0,
    asked={},
    reason="x",
    started_by="operator:an",
    started_at=datetime(2026, 11, 24, tzinfo=UTC),
    counts={
        BatchItemState.PLANNED: 4,
        BatchItemState.QUEUED: 3,
        BatchItemState.DONE: 2,
        BatchItemState.FAILED: 1,
    },
)


def test_what_is_through_is_neither_planned_nor_on_its_way() -> None:
    assert NEW.settled == 3
    assert NEW.count(BatchItemState.PLANNED, BatchItemState.FAILED) == 5
    assert NEW.count(BatchItemState.CHANGED) == 0


def test_a_new_thing_is_planned_and_a_new_batch_was_never_leased() -> None:
    step = BatchStep(kind=BatchItemKind.MESSAGE, subject="m", party=PartyId("a"), was={})
    assert (BatchItem(batch=7, number=1, step=step).state, NEW.lease) == (BatchItemState.PLANNED, 0)


def test_the_account_in_brackets_is_the_person_and_a_name_that_is_given_is_not() -> None:
    named = [
        "operator:an",
        "operator:Bình (an)",
        "operator:(x) (an)",
        "an",
        "operator:Bình(binh) (an)",
        "operator: an ",
    ]
    assert [person_of(who) for who in named] == ["an"] * len(named)
    assert person_of("operator:an)") == "an)"
    assert person_of("operator:(an") == "(an"
