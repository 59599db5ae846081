"""Batches over both databases: planned once, done once, at their rate; what others did meanwhile is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pki
import pytest
from arrivals import arrival

from gateway.core.batches import BatchItemState, BatchKind, BatchState
from gateway.core.model import Attempt, AttemptOutcome, DeliveryState
from gateway.core.parties import Parties
from gateway.core.problems import Problem, Stopped
from gateway.services import batches, desk
from gateway.services.batches import BatchActs
from gateway.services.intake import judge, receive, recheck
from gateway.services.repairing import mend_dossier

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
BY = {"who": "operator:an", "reason": "Sở đã sửa"}
DONE, FAILED, CHANGED, QUEUED, PLANNED, LEFT = (
    BatchItemState[name] for name in ("DONE", "FAILED", "CHANGED", "QUEUED", "PLANNED", "LEFT")
)
STEMS = ("HS01-nop-ho-so-toi-thieu", "HS01-nop-ho-so-day-du", "HS01-nop-ho-so-bien")


class Clock:
    """Time that a test gives."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def forward(self, **by):
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def clock():
    return Clock()


def acts(gate):
    return BatchActs(rejudge=lambda message, now, also: recheck([message], gate, now, also=also), mend=mend_dossier)


def tried(store, clock, state=DeliveryState.REFUSED, code="DLV-031"):
    """One try of what is due, with this end."""
    at = clock.now
    with store.begin() as tx:
        (delivery,) = tx.claim_due(tx.parties_due(at)[0], at, 1, 60.0)
    failed = state is not DeliveryState.DELIVERED
    attempt = Attempt(
        delivery=delivery.id,
        number=0,
        kind="send",
        started_at=at,
        ended_at=at,
        outcome=AttemptOutcome.REFUSED if failed else AttemptOutcome.DELIVERED,
        problem=Problem(code, {"codes": ["X"]}) if failed else None,
    )
    with store.begin() as tx:
        assert tx.settle(delivery, attempt, state)
    return delivery.id


@pytest.fixture
def three(gate, clock):
    """Three refused deliveries of one message each, to one party and to others; gives their ids as they were recorded."""
    for name in STEMS:
        body = (pki.SAMPLES / f"accepted/{name}.xml").read_bytes()
        receive([arrival(body, "cong-dvc", NOW)], gate, NOW)
    with gate.store.read() as view:
        owed = view.deliveries(states=[DeliveryState.QUEUED])
    for _ in owed:
        tried(gate.store, clock)
    return [delivery.id for delivery in owed]


def planned(gate, **choice):
    plan = desk.plan_replay(gate.store, desk.Choice(**choice), lambda envelope: judge(envelope, gate))
    return batches.replay_steps(plan.deliveries, plan.messages)


def started(gate, clock, kind=BatchKind.REPLAY, **more):
    steps = planned(gate, states=frozenset({"refused"}))
    return batches.start_batch(gate.store, kind, steps, now=clock.now, **{**BY, "per_second": 1000.0, **more})


def turn(gate, clock, **by):
    clock.forward(**(by or {"seconds": 5}))
    return batches.carry_on_batches(gate.store, acts(gate), clock)


def stands(gate, batch):
    return batches.batch_known(gate.store, batch.number)


def states(gate, ids):
    with gate.store.read() as view:
        return [view.delivery(one).state for one in ids]


def test_a_batch_puts_back_what_was_planned_and_ends_when_all_is_through(gate, clock, three):
    batch = started(gate, clock)
    assert (batch.number, batch.size, batch.state) == (1, len(three), BatchState.RUNNING)
    assert states(gate, three) == [DeliveryState.REFUSED] * len(three)  # nothing is done before its turn
    turn(gate, clock)
    assert states(gate, three) == [DeliveryState.QUEUED] * len(three)
    assert stands(gate, batch).counts == {QUEUED: len(three)}
    for _ in three:
        tried(gate.store, clock, DeliveryState.DELIVERED)
    turn(gate, clock)
    ended = stands(gate, batch)
    assert (ended.state, ended.counts, ended.ended_at) == (BatchState.DONE, {DONE: len(three)}, clock.now)
    assert turn(gate, clock) == 0
    with gate.store.read() as view:
        acted = [(line.what, line.who) for line in view.log(limit=1000) if line.what.startswith("batch.")]
        lines = view.log(what="delivery.replayed")
    assert acted == [("batch.started", "operator:an"), ("batch.ended", "gateway")]
    assert [(line.who, line.facts["reason"], line.facts["batch"]) for line in lines] == [
        ("operator:an", "Sở đã sửa", 1)
    ] * len(three)


def test_what_fails_again_is_listed_with_its_code_and_is_a_batch_of_its_own(gate, clock, three):
    batch = started(gate, clock)
    turn(gate, clock)
    failed = tried(gate.store, clock, code="DLV-032")
    for _ in three[1:]:
        tried(gate.store, clock, DeliveryState.DELIVERED)
    turn(gate, clock)
    assert stands(gate, batch).counts == {DONE: len(three) - 1, FAILED: 1}
    with gate.store.read() as view:
        (item,) = view.batch_items(batch.number, states=[FAILED])
        assert (item.step.subject, item.code, batches.why_failed(view, item).code) == (failed, "DLV-032", "DLV-032")
        assert view.batch_causes(batch.number) == {"DLV-032": 1}
    again = batches.batch_of_failed(gate.store, batch.number, now=clock.now, **BY)
    assert (again.size, again.source) == (1, batch.number)
    turn(gate, clock)
    assert states(gate, [failed]) == [DeliveryState.QUEUED]
    with pytest.raises(Stopped) as stop:
        batches.batch_of_failed(gate.store, batch.number, now=clock.now, **BY)
    assert [problem.code for problem in stop.value.problems] == ["SYS-182"]
    assert stands(gate, batch).counts[FAILED] == 1  # what became of it then stays what it was


def test_what_somebody_else_changed_meanwhile_is_not_touched_and_is_told(gate, clock, three):
    batch = started(gate, clock)
    skipped, replayed = three[:2]
    desk.skip(gate.store, skipped, who="operator:binh", reason="trùng", now=clock.now)
    with gate.store.begin() as tx:  # refused once more since then: the same state, another life
        tx.replay([replayed], who="operator:binh", reason="tôi gửi lại", now=clock.now)
    tried(gate.store, clock)
    turn(gate, clock)
    assert states(gate, [skipped, replayed]) == [DeliveryState.SKIPPED, DeliveryState.REFUSED]
    with gate.store.read() as view:
        changed = {i.step.subject: i.found for i in view.batch_items(batch.number, states=[CHANGED])}
    assert changed == {skipped: "skipped", replayed: "refused"}


def test_its_rate_is_kept_and_what_is_late_does_not_come_at_once(gate, clock, three):
    batch = started(gate, clock, per_second=0.5)
    for seconds, acted in ((0, 1), (1, 1), (1, 2), (100, 3)):
        turn(gate, clock, seconds=seconds)
        assert stands(gate, batch).count(QUEUED) == acted


def test_a_paused_batch_does_nothing_until_it_is_resumed_and_a_cancelled_one_nothing_more(gate, clock, three):
    batch = started(gate, clock, per_second=0.1)
    turn(gate, clock)
    assert batches.pause_batch(gate.store, batch.number, now=clock.now, **BY).state is BatchState.PAUSED
    tried(gate.store, clock, DeliveryState.DELIVERED)
    turn(gate, clock, seconds=60)
    assert stands(gate, batch).counts == {
        DONE: 1,
        PLANNED: len(three) - 1,
    }  # what was on its way is followed all the same
    batches.resume_batch(gate.store, batch.number, now=clock.now, **BY)
    turn(gate, clock, seconds=60)
    assert stands(gate, batch).count(QUEUED) == 1
    batches.cancel_batch(gate.store, batch.number, now=clock.now, **BY)
    turn(gate, clock, seconds=60)
    over = stands(gate, batch)
    assert (over.state, over.counts) == (BatchState.CANCELLED, {DONE: 1, QUEUED: 1, LEFT: len(three) - 2})
    for act in (batches.pause_batch, batches.resume_batch, batches.cancel_batch, batches.approve_batch):
        with pytest.raises(Stopped) as stop:
            act(gate.store, batch.number, now=clock.now, **BY)
        assert [problem.code for problem in stop.value.problems] == ["SYS-044"]


def test_above_a_size_another_person_must_approve(gate, clock, three):
    batch = started(gate, clock, approve_above=len(three) - 1)
    assert batch.state is BatchState.WAITING
    assert turn(gate, clock) == 0
    for same in ("operator:an", "operator:Bình (an)"):
        with pytest.raises(Stopped) as stop:
            batches.approve_batch(gate.store, batch.number, who=same, reason="được", now=clock.now)
        assert [problem.code for problem in stop.value.problems] == ["SYS-181"]
    approved = batches.approve_batch(gate.store, batch.number, who="operator:binh", reason="được", now=clock.now)
    assert (approved.state, approved.approved_by) == (BatchState.RUNNING, "operator:binh")
    turn(gate, clock)
    assert states(gate, three) == [DeliveryState.QUEUED] * len(three)


def test_a_worker_that_dies_in_the_middle_leaves_nothing_undone_and_nothing_is_done_twice(gate, clock, three):
    """It dies after one thing was judged and before it gave the batch back; another goes on when its time has run out."""
    rejected = [
        receive([arrival(body, "cong-dvc", NOW)], gate, NOW)[0].message
        for body in ((pki.SAMPLES / "rejected/SIG-001-sua-noi-dung.xml").read_bytes() + b"\n" * n for n in range(2))
    ]
    steps = planned(gate, ids=(*three, *rejected))
    batch = batches.start_batch(gate.store, BatchKind.REPLAY, steps, now=clock.now, per_second=1000.0, **BY)

    class Killed(BaseException):
        pass

    def dies_at_the_second(message, now, also):
        if message == steps[-1].subject:
            raise Killed
        recheck([message], gate, now, also=also)

    clock.forward(seconds=5)
    with pytest.raises(Killed):
        batches.carry_on_batches(gate.store, BatchActs(rejudge=dies_at_the_second, mend=mend_dossier), clock)
    assert stands(gate, batch).counts == {QUEUED: len(three), FAILED: 1, PLANNED: 1}
    assert turn(gate, clock, seconds=batches.LEASE_S - 1) == 0  # it is the dead one's until then
    assert turn(gate, clock, seconds=2) == 1
    assert stands(gate, batch).counts == {QUEUED: len(three), FAILED: 2}
    with gate.store.read() as view:
        assert [len(view.verdicts(message)) for message in rejected] == [2, 2]
        assert len(view.log(what="delivery.replayed")) == len(three)
        assert {item.code for item in view.batch_items(batch.number, states=[FAILED])} == {"SIG-001"}


def test_messages_are_judged_again_and_what_is_accepted_now_is_through(gate, clock):
    locked = [replace(p, enabled=False, disabled_reason="x") if p.id == "so-tu-phap" else p for p in gate.parties]
    body = (pki.SAMPLES / f"accepted/{STEMS[0]}.xml").read_bytes()
    (ack,) = receive(
        [arrival(body, "cong-dvc", NOW)], replace(gate, parties=Parties(locked, gate.parties.version)), NOW
    )
    steps = planned(gate, ids=(ack.message,))
    batch = batches.start_batch(gate.store, BatchKind.REPLAY, steps, now=clock.now, **BY)
    turn(gate, clock)
    assert (stands(gate, batch).state, stands(gate, batch).counts) == (BatchState.DONE, {DONE: 1})
    late = batches.start_batch(gate.store, BatchKind.REPLAY, steps, now=clock.now, **BY)  # the same plan, too late
    turn(gate, clock)
    with gate.store.read() as view:
        (item,) = view.batch_items(late.number)
    assert (item.state, item.found) == (CHANGED, "accepted")


def test_a_skip_gives_up_what_was_planned(gate, clock, three):
    batch = started(gate, clock, BatchKind.SKIP)
    turn(gate, clock)
    assert states(gate, three) == [DeliveryState.SKIPPED] * len(three)
    assert (stands(gate, batch).state, stands(gate, batch).counts) == (BatchState.DONE, {DONE: len(three)})


def test_two_workers_carry_on_one_batch_without_doing_a_thing_twice(gate, clock, three):
    batch = started(gate, clock, per_second=0.5)
    clock.forward(seconds=1)
    with gate.store.begin() as tx:
        assert tx.take_batch(batch.number, clock.now, 10.0) is not None
    assert batches.carry_on_batches(gate.store, acts(gate), clock) == 0
    assert stands(gate, batch).counts == {PLANNED: len(three)}


def test_an_empty_plan_and_a_number_of_nothing_are_said_to_be_that(gate, clock):
    with pytest.raises(Stopped) as empty:
        batches.start_batch(gate.store, BatchKind.SKIP, [], now=clock.now, **BY)
    with pytest.raises(Stopped) as nothing:
        batches.pause_batch(gate.store, 7, now=clock.now, **BY)
    assert [stop.value.problems[0].code for stop in (empty, nothing)] == ["SYS-180", "SYS-042"]
