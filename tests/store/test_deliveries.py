"""The outbox's questions: leases, lanes, settling, and what people do, on every database."""

import itertools
import tracemalloc
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import insert, select, text

from gateway.core.model import Attempt, AttemptOutcome, DeliveryState
from gateway.core.parties import Party, Receives, Role
from gateway.core.problems import Problem
from gateway.services.drift import drift_alerts
from gateway.store import Conflict, tables

PORTAL, AGENCY = "cong-dvc", "so-tu-phap"
OUTCOMES = {
    DeliveryState.DELIVERED: AttemptOutcome.DELIVERED,
    DeliveryState.REFUSED: AttemptOutcome.REFUSED,
    DeliveryState.QUEUED: AttemptOutcome.UNREACHABLE,
    DeliveryState.UNKNOWN: AttemptOutcome.UNCERTAIN,
    DeliveryState.DEAD: AttemptOutcome.UNREACHABLE,
}


def attempt(delivery, to, now, **more):
    return Attempt(
        delivery=delivery.id,
        number=0,
        kind="query" if delivery.ask_first else "send",
        started_at=now,
        ended_at=now,
        outcome=OUTCOMES[to],
        problem=None if to is DeliveryState.DELIVERED else Problem("DLV-001", {"party": delivery.party}),
        **more,
    )


class Outbox:
    """The store's questions, each in its own transaction."""

    def __init__(self, desk):
        self.desk, self.store, self.clock = desk, desk.store, desk.clock

    def claim(self, limit=10, lease_s=60, party=AGENCY):
        with self.store.begin() as tx:
            return tx.claim_due(party, self.clock.now, limit, lease_s)

    def park(self):
        with self.store.begin() as tx:
            return tx.park(self.clock.now)

    def due(self):
        with self.store.read() as view:
            return view.parties_due(self.clock.now)

    def settle(self, delivery, to, *, wait_s=0, **more):
        waits = to in (DeliveryState.QUEUED, DeliveryState.UNKNOWN)
        due_at = self.clock.now + timedelta(seconds=wait_s) if waits else None
        with self.store.begin() as tx:
            return tx.settle(delivery, attempt(delivery, to, self.clock.now, **more), to, due_at)

    def rescue(self):
        with self.store.begin() as tx:
            return tx.rescue(self.clock.now, Problem("DLV-026", {}))

    def replay(self, *ids):
        with self.store.begin() as tx:
            return tx.replay(ids, who="operator:lan", reason="mended", now=self.clock.now)

    def skip(self, delivery):
        with self.store.begin() as tx:
            return tx.skip(delivery, who="operator:lan", reason="sent by hand", now=self.clock.now)

    def get(self, delivery):
        with self.store.read() as view:
            return view.delivery(delivery.id)

    def state(self, delivery):
        return self.get(delivery).state

    def attempts(self, delivery):
        with self.store.read() as view:
            return view.attempts(delivery.id)


@pytest.fixture
def outbox(desk):
    return Outbox(desk)


@pytest.fixture
def lane(desk, code):
    """Three deliveries of one dossier to one party, in order."""
    desk.take(desk.filing(code), desk.note(code), desk.note(code))
    with desk.store.read() as view:
        return view.deliveries(lane=code)


def test_a_lease_says_what_it_is(outbox, lane):
    (leased,) = outbox.claim(lease_s=45)
    assert (leased.id, leased.state, leased.tries, leased.ask_first) == (lane[0].id, DeliveryState.SENDING, 1, False)
    assert leased.first_tried_at == outbox.clock.now
    assert leased.lease_until == outbox.clock.now + timedelta(seconds=45)
    assert outbox.get(leased) == leased


def test_what_is_not_due_is_not_leased(outbox, lane):
    (first,) = outbox.claim()
    outbox.settle(first, DeliveryState.QUEUED, wait_s=30)
    assert (outbox.claim(), outbox.due()) == ([], [])
    outbox.clock.forward(seconds=30)
    assert outbox.due() == [AGENCY]
    (again,) = outbox.claim()
    assert (again.id, again.tries, again.first_tried_at) == (first.id, 2, first.first_tried_at)


def test_a_lane_goes_one_by_one_and_in_order(outbox, lane):
    seen = []
    while leased := outbox.claim():
        (delivery,) = leased
        assert outbox.claim() == []
        outbox.settle(delivery, DeliveryState.DELIVERED)
        seen.append(delivery.id)
    assert seen == [delivery.id for delivery in lane]


def test_messages_about_no_dossier_have_lanes_of_their_own(outbox, desk):
    desk.take(*[desk.note() for _ in range(3)])
    assert len(outbox.claim()) == 3


def test_no_more_than_asked_for_and_the_longest_due_first(outbox, desk):
    notes = [desk.note() for _ in range(4)]
    for note in notes:
        desk.one(note)
    assert [d.message for d in outbox.claim(limit=3)] == [note.envelope.id for note in notes[:3]]


def test_receivers_are_chosen(outbox, desk, code):
    desk.party("so-y-te", "H19.903")
    desk.take(desk.note(), desk.note(to=("so-y-te",)))
    assert outbox.claim(party="nobody") == []
    assert [d.party for d in outbox.claim(party="so-y-te")] == ["so-y-te"]
    assert [d.party for d in outbox.claim()] == [AGENCY]


def test_whose_deliveries_are_due_is_told_the_longest_waiting_first(outbox, desk, code):
    desk.party("so-y-te", "H19.903")
    desk.party("a-so-nong-nghiep", "H19.904")
    assert outbox.due() == []
    desk.take(desk.note(to=("so-y-te",)))
    desk.clock.forward(seconds=1)
    desk.take(desk.filing(code), desk.note(code), desk.note(to=("a-so-nong-nghiep",)))
    assert outbox.due() == ["so-y-te", "a-so-nong-nghiep", AGENCY]
    (first,) = outbox.claim()
    assert outbox.due() == ["so-y-te", "a-so-nong-nghiep"]  # the second of a lane whose first is under way is not
    outbox.settle(first, DeliveryState.REFUSED)
    assert outbox.due() == ["so-y-te", "a-so-nong-nghiep"]  # nor behind one that failed
    outbox.replay(first.id)
    assert set(outbox.due()) == {"so-y-te", "a-so-nong-nghiep", AGENCY}


@pytest.mark.parametrize("held", [DeliveryState.REFUSED, DeliveryState.DEAD])
def test_a_failed_delivery_holds_its_own_lane_and_no_other(outbox, desk, lane, held):
    (first,) = outbox.claim()
    outbox.settle(first, held)
    desk.one(desk.note())
    (other,) = outbox.claim()
    assert other.lane != first.lane
    with outbox.store.read() as view:
        (row,) = view.lanes(held_only=True)
        assert (row.party, row.lane, row.open, row.first.id, row.held) == (AGENCY, first.lane, 3, first.id, True)
        assert {lane.held for lane in view.lanes()} == {True, False}


def test_with_continue_a_failed_delivery_lets_the_later_news_go(outbox, desk, code):
    desk.lane_after_failure = "continue"
    desk.take(desk.filing(code), desk.note(code))
    (first,) = outbox.claim()
    outbox.settle(first, DeliveryState.REFUSED)
    (second,) = outbox.claim()
    assert second.id != first.id
    outbox.replay(first.id)
    assert outbox.claim() == [], "two of one lane are never under way at once"
    outbox.settle(second, DeliveryState.DELIVERED)
    assert [d.id for d in outbox.claim()] == [first.id]
    with outbox.store.read() as view:
        assert view.lanes(held_only=True) == []


def test_with_continue_what_waits_to_be_tried_again_keeps_its_place(outbox, desk, code):
    desk.lane_after_failure = "continue"
    desk.take(desk.filing(code), desk.note(code))
    (first,) = outbox.claim()
    outbox.settle(first, DeliveryState.UNKNOWN, wait_s=60)
    assert outbox.claim() == []


def test_an_uncertain_one_is_asked_about_first(outbox, lane):
    (first,) = outbox.claim()
    outbox.settle(first, DeliveryState.UNKNOWN)
    (again,) = outbox.claim()
    assert (again.id, again.ask_first, again.tries) == (first.id, True, 2)
    outbox.settle(again, DeliveryState.QUEUED)
    (sent,) = outbox.claim()
    assert (sent.id, sent.ask_first) == (first.id, False)


def test_settling_keeps_the_attempt_with_its_receipt(outbox, lane):
    (first,) = outbox.claim()
    outbox.settle(first, DeliveryState.QUEUED)
    (again,) = outbox.claim()
    outbox.settle(again, DeliveryState.DELIVERED, receipt=b"\x00received\xff", reference="SBN-1")
    one, two = outbox.attempts(first)
    assert (one.number, one.outcome, one.problem.code) == (1, AttemptOutcome.UNREACHABLE, "DLV-001")
    assert (two.number, two.outcome, two.receipt, two.reference) == (
        2,
        AttemptOutcome.DELIVERED,
        b"\x00received\xff",
        "SBN-1",
    )
    assert outbox.get(first).problem is None


def test_the_last_problem_stays_with_the_delivery(outbox, lane):
    (first,) = outbox.claim()
    outbox.settle(first, DeliveryState.REFUSED)
    assert outbox.get(first).problem == Problem("DLV-001", {"party": AGENCY})
    with outbox.store.read() as view:
        (cause,) = view.delivery_failures()
        assert (cause.code, cause.party, cause.count, cause.example) == ("DLV-001", AGENCY, 1, first.id)
        assert view.deliveries(code="DLV-001") == [outbox.get(first)]


def test_a_lease_that_ran_out_is_rescued_once_and_its_late_settling_changes_nothing(outbox, lane):
    (first,) = outbox.claim(lease_s=60)
    assert outbox.rescue() == []
    outbox.clock.forward(seconds=60)
    assert [d.id for d in outbox.rescue()] == [first.id]
    assert outbox.rescue() == []
    before = outbox.get(first)
    assert (before.state, before.ask_first, before.due_at) == (DeliveryState.UNKNOWN, True, outbox.clock.now)

    assert outbox.settle(first, DeliveryState.DELIVERED) is False
    assert outbox.get(first) == before
    (only,) = outbox.attempts(first)
    assert (only.kind, only.outcome, only.problem.code, only.started_at) == (
        "send",
        AttemptOutcome.UNCERTAIN,
        "DLV-026",
        first.first_tried_at,
    )


def test_a_late_settling_does_not_touch_its_successor_even_with_as_many_tries(outbox, lane):
    (first,) = outbox.claim(lease_s=60)
    outbox.clock.forward(seconds=60)
    outbox.rescue()
    (second,) = outbox.claim(lease_s=60)
    outbox.settle(second, DeliveryState.DEAD)
    outbox.replay(first.id)
    (third,) = outbox.claim(lease_s=60)  # tries are counted anew, so it has as many as the first
    assert (third.tries, third.lease) == (first.tries, 3)
    assert outbox.settle(first, DeliveryState.REFUSED) is False
    assert outbox.state(first) is DeliveryState.SENDING
    assert outbox.settle(third, DeliveryState.DELIVERED) is True


def test_settling_twice_counts_once(outbox, lane):
    (first,) = outbox.claim()
    assert outbox.settle(first, DeliveryState.DELIVERED) is True
    assert outbox.settle(first, DeliveryState.QUEUED) is False
    assert outbox.state(first) is DeliveryState.DELIVERED


@pytest.mark.parametrize(
    ("to", "due"),
    [
        (DeliveryState.SENDING, None),
        (DeliveryState.SKIPPED, None),
        (DeliveryState.QUEUED, None),
        (DeliveryState.UNKNOWN, None),
        (DeliveryState.DELIVERED, "now"),
        (DeliveryState.DEAD, "now"),
    ],
)
def test_a_try_leads_only_where_it_can(outbox, lane, to, due):
    (first,) = outbox.claim()
    now = outbox.clock.now
    with pytest.raises(ValueError, match=str(to)), outbox.store.begin() as tx:
        tx.settle(first, attempt(first, DeliveryState.DELIVERED, now), to, now if due else None)
    assert outbox.get(first) == first


@pytest.mark.parametrize("held", [DeliveryState.REFUSED, DeliveryState.DEAD])
def test_a_replay_queues_again_with_the_same_id_and_keeps_the_history(outbox, lane, held):
    (first,) = outbox.claim()
    outbox.settle(first, held)
    outbox.clock.forward(days=1)
    (again,) = outbox.replay(first.id, lane[1].id, "unknown")
    assert (again.id, again.state, again.tries, again.first_tried_at) == (first.id, DeliveryState.QUEUED, 0, None)
    (leased,) = outbox.claim()
    assert (leased.id, leased.digest, leased.tries) == (first.id, first.digest, 1)
    outbox.settle(leased, DeliveryState.DELIVERED)
    assert [a.number for a in outbox.attempts(first)] == [1, 2]
    with outbox.store.read() as view:
        (line,) = [line for line in view.log() if line.what == "delivery.replayed"]
        assert (line.who, line.facts["delivery"], line.facts["reason"]) == ("operator:lan", first.id, "mended")


def test_only_what_holds_its_lane_is_replayed(outbox, lane):
    assert outbox.replay(*[d.id for d in lane]) == []
    (first,) = outbox.claim()
    assert outbox.replay(first.id) == []
    outbox.settle(first, DeliveryState.DELIVERED)
    assert outbox.replay(first.id) == []


@pytest.mark.parametrize(
    "state", [DeliveryState.QUEUED, DeliveryState.UNKNOWN, DeliveryState.REFUSED, DeliveryState.DEAD]
)
def test_skipping_lets_the_lane_go_on(outbox, lane, state):
    (first,) = outbox.claim()
    outbox.settle(first, state, wait_s=600)
    assert outbox.claim() == []
    assert outbox.skip(first.id).state is DeliveryState.SKIPPED
    assert [d.id for d in outbox.claim()] == [lane[1].id]
    with outbox.store.read() as view:
        (line,) = [line for line in view.log() if line.what == "delivery.skipped"]
        assert (line.who, line.message, line.facts["reason"]) == ("operator:lan", first.message, "sent by hand")


def test_what_is_under_way_or_through_is_not_skipped(outbox, lane):
    (first,) = outbox.claim()
    with pytest.raises(Conflict, match="sending"):
        outbox.skip(first.id)
    outbox.settle(first, DeliveryState.DELIVERED)
    with pytest.raises(Conflict, match="delivered"):
        outbox.skip(first.id)
    with pytest.raises(Conflict, match="not on record"):
        outbox.skip("nothing")


def test_queues_show_what_waits_for_whom_and_since_when(outbox, desk, lane):
    (first,) = outbox.claim()
    outbox.settle(first, DeliveryState.QUEUED, wait_s=60)
    with outbox.store.read() as view:
        (queue,) = view.queues()
        assert (queue.party, dict(queue.counts)) == (AGENCY, {DeliveryState.QUEUED: 3})
        assert queue.oldest_due == lane[1].due_at
        assert queue.failures == 1


def test_alerts_hold_nothing_of_what_has_not_waited_for_long(outbox, lane):
    """Four times as many dossiers on their way, looked at by the same process; then all of them are overdue."""
    party = Party(id=AGENCY, name=AGENCY, role=Role.ONE_STOP, identifiers=("H19.901",), receives=Receives.PUSH)
    now, hour = outbox.clock.now, timedelta(hours=1)

    def peak(first, last):
        with outbox.store.engine.begin() as connection:
            row = dict(connection.execute(select(tables.delivery).limit(1)).mappings().one())
            names = [{"seq": 1000 + n, "id": f"d{n}", "lane": f"H19.901-260107-{n}"} for n in range(first, last)]
            connection.execute(insert(tables.delivery), [row | name for name in names])
        assert list(drift_alerts(outbox.store, [party], now, hour)) == []  # its statements are built
        tracemalloc.start()
        assert list(drift_alerts(outbox.store, [party], now, hour)) == []
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few = peak(0, 500)
    assert peak(500, 2000) < 1.5 * few
    assert len(list(drift_alerts(outbox.store, [party], now + 2 * hour, hour))) == 2001


def test_nothing_open_is_nothing_due(outbox, store):
    with store.read() as view:
        assert (view.parties_due(outbox.clock.now), view.queues(), view.lanes()) == ([], [], [])


def test_a_held_lane_is_not_due_however_long_it_waits(outbox, lane):
    (first,) = outbox.claim()
    outbox.settle(first, DeliveryState.DEAD)
    outbox.clock.forward(days=3)
    assert outbox.due() == []


def test_what_waits_behind_another_is_not_looked_at_until_that_one_is_through(outbox, desk, code):
    desk.take(desk.filing(code), desk.note(code), desk.note(code))
    (first,) = outbox.claim()
    outbox.settle(first, DeliveryState.REFUSED)
    assert (outbox.park(), outbox.park()) == (2, 0)
    desk.one(desk.note(code))  # news of a held lane
    assert (outbox.due(), outbox.park(), seen(outbox)) == ([], 1, 0)
    outbox.skip(first.id)
    assert (outbox.due(), seen(outbox)) == ([AGENCY], 3)
    for _ in range(3):
        (leased,) = outbox.claim()
        assert outbox.park() in (2, 1, 0)
        outbox.settle(leased, DeliveryState.DELIVERED)
    assert outbox.claim() == []


def test_what_another_hand_left_parked_behind_nothing_is_found(outbox, desk, code):
    desk.take(desk.filing(code), desk.note(code))
    outbox.park()
    with outbox.store.engine.begin() as connection:
        connection.execute(text("UPDATE delivery SET state = 'delivered' WHERE NOT parked"))
    assert outbox.due() == []
    with outbox.store.read() as view:
        left = view.parked_for_nothing()
    with outbox.store.begin() as tx:
        tx.unpark(left)
    assert (len(left), outbox.due()) == (1, [AGENCY])


def seen(outbox):
    """How many deliveries a turn's question goes through: those that wait and are not parked."""
    with outbox.store.engine.connect() as connection:
        asked = "SELECT count(*) FROM delivery WHERE state IN ('queued', 'unknown') AND NOT parked"
        return connection.execute(text(asked)).scalar_one()


_machines = itertools.count(1)


def machine(outbox):
    """Any sequence of what work and people do to the deliveries of one party."""

    class Life(RuleBasedStateMachine):
        @initialize(after_failure=st.sampled_from(["hold", "continue"]))
        def begin(self, after_failure):
            number = next(_machines)
            self.party = outbox.desk.party(f"so-{number}", f"H19.7{number:05d}")
            outbox.desk.lane_after_failure = after_failure
            self.holds = after_failure == "hold"
            self.codes = [f"H19.7{number:05d}-260115-{n:04d}" for n in (1, 2)]
            self.leases, self.stale, self.order, self.sent, self.tries = [], [], [], [], {}
            outbox.desk.take(*[outbox.desk.filing(code, to=(self.party,)) for code in self.codes])

        def now(self):
            with outbox.store.read() as view:
                return view.deliveries(party=self.party)

        @rule(lane=st.integers(0, 1), number=st.integers(1, 3))
        def record(self, lane, number):
            outbox.desk.take(*[outbox.desk.note(self.codes[lane], to=(self.party,)) for _ in range(number)])

        @rule(limit=st.integers(1, 3))
        def claim(self, limit):
            before = self.now()
            leased = outbox.claim(limit, party=self.party)
            assert len(leased) <= limit
            for delivery in leased:
                earlier = [d for d in before if d.lane == delivery.lane and d.created_at <= delivery.created_at]
                earlier = earlier[: [d.id for d in earlier].index(delivery.id)]
                assert all(d.state.is_final or (d.state.holds_lane and not self.holds) for d in earlier)
                self.tries[delivery.id] = self.tries.get(delivery.id, 0) + 1
            self.leases += leased

        @precondition(lambda self: self.leases)
        @rule(data=st.data(), to=st.sampled_from(sorted(OUTCOMES)), wait_s=st.integers(0, 90))
        def settle(self, data, to, wait_s):
            delivery = self.leases.pop(data.draw(st.integers(0, len(self.leases) - 1)))
            assert outbox.settle(delivery, to, wait_s=wait_s) is True
            self.stale.append(delivery)
            if to is DeliveryState.DELIVERED:
                self.sent.append(delivery.id)

        @precondition(lambda self: self.stale)
        @rule(data=st.data(), to=st.sampled_from(sorted(OUTCOMES)))
        def settle_late(self, data, to):
            before = self.now()
            assert outbox.settle(data.draw(st.sampled_from(self.stale)), to) is False
            assert self.now() == before

        @rule(seconds=st.integers(1, 90))
        def wait(self, seconds):
            outbox.clock.forward(seconds=seconds)

        @rule()
        def park(self):
            before = self.now()
            outbox.park()
            assert self.now() == before, "nobody but the planner sees it"

        @rule()
        def rescue(self):
            late = {d.id for d in self.leases if d.lease_until <= outbox.clock.now}
            assert {d.id for d in outbox.rescue() if d.party == self.party} == late
            self.stale += [d for d in self.leases if d.id in late]
            self.leases = [d for d in self.leases if d.id not in late]

        @rule(data=st.data())
        def replay(self, data):
            chosen = data.draw(st.lists(st.sampled_from([d.id for d in self.now()]), unique=True, max_size=3))
            held = {d.id for d in self.now() if d.state.holds_lane}
            assert {d.id for d in outbox.replay(*chosen)} == held & set(chosen)

        @rule(data=st.data())
        def skip(self, data):
            chosen = data.draw(st.sampled_from(self.now()))
            if chosen.state.is_final or chosen.state is DeliveryState.SENDING:
                with pytest.raises(Conflict):
                    outbox.skip(chosen.id)
            else:
                outbox.skip(chosen.id)

        @invariant()
        def nothing_is_lost_or_doubled(self):
            if not hasattr(self, "party"):
                return
            now = self.now()
            under_way = [d for d in now if d.state is DeliveryState.SENDING]
            assert sorted(d.id for d in under_way) == sorted(d.id for d in self.leases)
            assert len({d.lane for d in under_way}) == len(under_way), "two of one lane under way"
            assert sorted(self.sent) == sorted(d.id for d in now if d.state is DeliveryState.DELIVERED)
            assert len(set(self.sent)) == len(self.sent)

        def teardown(self):
            """Whatever happened: when all goes well from here, everything is delivered or was skipped, lanes in order."""
            if not hasattr(self, "party"):
                return
            for _ in range(100):
                outbox.clock.forward(seconds=120)
                outbox.rescue()
                outbox.replay(*[d.id for d in self.now()])
                leased = outbox.claim(10, party=self.party)
                if not leased:
                    break
                for delivery in leased:
                    self.tries[delivery.id] = self.tries.get(delivery.id, 0) + 1
                    assert outbox.settle(delivery, DeliveryState.DELIVERED)
                    self.sent.append(delivery.id)
            now = self.now()
            assert all(d.state.is_final for d in now)
            for delivery in now:
                assert [a.number for a in outbox.attempts(delivery)] == list(
                    range(1, self.tries.get(delivery.id, 0) + 1)
                )
            if self.holds:
                for code in self.codes:
                    order = [d.id for d in now if d.lane == code and d.state is DeliveryState.DELIVERED]
                    assert [i for i in self.sent if i in order] == order

    return Life


def test_whatever_work_and_people_do_nothing_is_lost_doubled_or_out_of_order(outbox):
    examples = max(settings.default.max_examples // 10, 10)
    run_state_machine_as_test(
        machine(outbox),
        settings=settings(
            max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
