"""The operator's desk over both databases: finding, plans, replays, skips."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pki
import pytest
from arrivals import arrival
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Attempt, AttemptOutcome, DeliveryState, Fate
from gateway.core.problems import Problem, Stopped
from gateway.services import desk
from gateway.services.intake import judge, receive

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def bytes_of(name):
    return (pki.SAMPLES / f"{name}.xml").read_bytes()


def receives(gate, name, party="cong-dvc", at=NOW, body=None):
    (ack,) = receive([arrival(bytes_of(name) if body is None else body, party, at)], gate, at)
    return ack


def settles(store, state, code="DLV-031", at=NOW):
    """One try of what is due, with this end."""
    with store.begin() as tx:
        (delivery,) = tx.claim_due(tx.parties_due(at)[0], at, 1, 60.0)
    outcome = AttemptOutcome.DELIVERED if state is DeliveryState.DELIVERED else AttemptOutcome.REFUSED
    problem = None if state is DeliveryState.DELIVERED else Problem(code, {"codes": ["X"]})
    attempt = Attempt(
        delivery=delivery.id,
        number=delivery.tries,
        kind="send",
        started_at=at,
        ended_at=at + timedelta(seconds=1),
        outcome=outcome,
        problem=problem,
    )
    with store.begin() as tx:
        assert tx.settle(delivery, attempt, state)
    return delivery


@pytest.fixture
def judged(gate):
    return lambda envelope: judge(envelope, gate)


def planned(gate, judged, **choice):
    return desk.plan_replay(gate.store, desk.Choice(**choice), judged)


HS01, HS01_TWO, BAD = (
    "accepted/HS01-nop-ho-so-toi-thieu",
    "accepted/HS01-nop-ho-so-day-du",
    "rejected/SIG-001-sua-noi-dung",
)


def test_a_message_is_found_by_its_own_id_ours_and_its_delivery_s(gate):
    ack = receives(gate, HS01)
    for name in (ack.message, ack.ma_thong_diep, f"{ack.message}.so-tu-phap"):
        assert desk.one(gate.store, name).id == ack.message


def test_the_beginning_of_an_id_is_enough_when_it_is_unique(gate):
    ack = receives(gate, HS01)
    other = receives(gate, HS01_TWO, at=NOW + timedelta(hours=2))
    for length in (4, 8):
        assert desk.one(gate.store, ack.ma_thong_diep[:length]).id == ack.message
    for length in (10, 13, 17, 22):
        assert desk.one(gate.store, other.message[:length]).id == other.message
    with pytest.raises(Stopped) as stop:
        desk.one(gate.store, ack.message[:8])
    assert stop.value.problems[0].code == "SYS-043"


@pytest.mark.parametrize("name", ["nothing", "2026", "00000000-0000", "20269999999999", ""])
def test_an_id_of_nothing_is_said_to_be_that(gate, name):
    receives(gate, HS01)
    with pytest.raises(Stopped) as stop:
        desk.one(gate.store, name)
    assert stop.value.problems[0].code == "SYS-042"


@given(
    at=st.integers(1_400_000_000, 2_500_000_000).map(lambda s: datetime.fromtimestamp(s + 0.25, UTC)),
    length=st.integers(8, 28),
)
def test_the_window_of_a_beginning_holds_the_moment_it_was_made_in(at, length):
    from gateway.services.intake import new_message_id

    since, until = desk._window(new_message_id(at)[:length])
    assert since <= at < until


def test_everything_tells_judgements_deliveries_and_tries(gate):
    ack = receives(gate, HS01)
    delivery = settles(gate.store, DeliveryState.REFUSED)
    told = desk.everything(gate.store, ack.message)
    assert (told.message.state, len(told.verdicts), told.has_receipt) == (Fate.ACCEPTED, 1, True)
    assert [d.state for d in told.deliveries] == [DeliveryState.REFUSED]
    assert [a.outcome for a in told.attempts[delivery.id]] == [AttemptOutcome.REFUSED]


def test_rejected_messages_are_grouped_by_cause(gate):
    body = bytes_of(BAD)
    for number in range(3):
        receives(gate, BAD, body=body + b"\n" * number, at=NOW + timedelta(minutes=number))
    receives(gate, "rejected/SIG-002-khong-ky")
    found = {cause.code: cause.count for cause in desk.causes(gate.store)}
    assert found == {"SIG-001": 3, "SIG-002": 1}


def test_a_plan_tells_what_would_be_sent_and_changes_nothing(gate, judged):
    receives(gate, HS01)
    refused = settles(gate.store, DeliveryState.REFUSED)
    plan = planned(gate, judged, states=frozenset({"refused"}))
    assert ([d.id for d in plan.deliveries], plan.count, plan.would_fail) == ([refused.id], 1, [])
    with gate.store.read() as view:
        assert view.delivery(refused.id).state is DeliveryState.REFUSED


def test_what_the_receiver_has_is_not_sent_again(gate, judged):
    ack = receives(gate, HS01)
    delivered = settles(gate.store, DeliveryState.DELIVERED)
    plan = planned(gate, judged, ids=(ack.ma_thong_diep,))
    assert (plan.count, [d.id for d in plan.delivered]) == (0, [delivered.id])


def test_what_is_on_its_way_is_left_alone(gate, judged):
    ack = receives(gate, HS01)
    plan = planned(gate, judged, ids=(ack.message,))
    assert (plan.count, len(plan.waiting)) == (0, 1)


def test_a_plan_says_what_would_fail_even_now(gate, judged):
    ack = receives(gate, BAD)
    plan = planned(gate, judged, ids=(ack.message,))
    assert [message.id for message in plan.messages] == [ack.message]
    assert [problem.code for doubt in plan.would_fail for problem in doubt.problems] == ["SIG-001"]


def test_a_locked_receiver_is_known_before_the_replay(gate):
    receives(gate, HS01)
    settles(gate.store, DeliveryState.REFUSED)
    from gateway.core.parties import Parties

    locked = [replace(p, enabled=False, disabled_reason="x") if p.id == "so-tu-phap" else p for p in gate.parties]
    later = replace(gate, parties=Parties(locked, gate.parties.version))
    plan = desk.plan_replay(gate.store, desk.Choice(states=frozenset({"refused"})), lambda e: judge(e, later))
    assert [problem.code for doubt in plan.would_fail for problem in doubt.problems] == ["AUT-011"]


def test_a_filter_takes_only_what_it_names(gate, judged):
    receives(gate, HS01)
    settles(gate.store, DeliveryState.REFUSED, code="DLV-031")
    receives(gate, HS01_TWO)
    settles(gate.store, DeliveryState.REFUSED, code="DLV-032")
    refused = frozenset({"refused"})
    assert planned(gate, judged, states=refused).count == 2
    assert planned(gate, judged, states=refused, code="DLV-032").count == 1
    assert planned(gate, judged, states=refused, party="ubnd-xa-thu-nghiem").count == 0
    assert planned(gate, judged, states=frozenset({"dead"})).count == 0
    assert planned(gate, judged, states=refused, since=NOW + timedelta(days=1)).count == 0
    assert planned(gate, judged, states=refused, until=NOW).count == 0
    assert planned(gate, judged, states=refused, since=NOW).count > 0
    cut = planned(gate, judged, states=refused, limit=1)
    assert (cut.count, cut.cut) == (1, True)


def test_a_period_is_looked_for_before_the_limit_cuts(gate, judged):
    day = timedelta(days=1)
    for name, at in ((HS01, NOW - 2 * day), (HS01_TWO, NOW)):
        assert receives(gate, name, at=at).fate is Fate.ACCEPTED
        newest = settles(gate.store, DeliveryState.REFUSED, at=at)
    found = planned(gate, judged, states=frozenset({"refused"}), since=NOW - day, limit=1)
    assert ([delivery.id for delivery in found.deliveries], found.cut) == ([newest.id], False)


def test_a_replay_queues_the_same_bytes_under_the_same_id(gate, judged):
    receives(gate, HS01)
    before = settles(gate.store, DeliveryState.REFUSED)
    plan = planned(gate, judged, states=frozenset({"refused"}))
    (queued,) = desk.replay_deliveries(gate.store, plan, who="operator:an", reason="đã sửa", now=NOW)
    assert (queued.id, queued.digest, queued.state, queued.tries) == (before.id, before.digest, DeliveryState.QUEUED, 0)
    again = settles(gate.store, DeliveryState.DELIVERED, at=NOW + timedelta(minutes=1))
    assert again.id == before.id
    with gate.store.read() as view:
        assert [attempt.number for attempt in view.attempts(before.id)] == [1, 2]
        line = view.log(what="delivery.replayed")[-1]
    assert (line.who, line.facts["reason"]) == ("operator:an", "đã sửa")


def test_a_replay_of_what_somebody_moved_meanwhile_moves_nothing(gate, judged):
    receives(gate, HS01)
    delivery = settles(gate.store, DeliveryState.REFUSED)
    plan = planned(gate, judged, states=frozenset({"refused"}))
    desk.skip(gate.store, delivery.id, who="operator:an", reason="x", now=NOW)
    assert desk.replay_deliveries(gate.store, plan, who="operator:binh", reason="y", now=NOW) == []


def test_skipping_lets_the_lane_go_on_and_is_in_the_log(gate):
    receives(gate, HS01)
    delivery = settles(gate.store, DeliveryState.REFUSED)
    assert [lane.held for lane in desk.way_out(gate.store, held_only=True).lanes] == [True]
    assert desk.skip(gate.store, delivery.id, who="operator:an", reason="trùng", now=NOW).state is DeliveryState.SKIPPED
    assert desk.way_out(gate.store, held_only=True).lanes == []
    with gate.store.read() as view:
        assert view.log(what="delivery.skipped")[-1].facts["reason"] == "trùng"


def test_a_delivery_that_arrived_cannot_be_skipped(gate):
    receives(gate, HS01)
    delivery = settles(gate.store, DeliveryState.DELIVERED)
    with pytest.raises(Stopped) as stop:
        desk.skip(gate.store, delivery.id, who="operator:an", reason="x", now=NOW)
    assert stop.value.problems[0].code == "SYS-044"
    with pytest.raises(Stopped) as stop:
        desk.skip(gate.store, "none", who="operator:an", reason="x", now=NOW)
    assert stop.value.problems[0].code == "SYS-042"


def test_looking_at_a_message_s_content_is_in_the_log(gate):
    ack = receives(gate, HS01)
    desk.note_unmasking(gate.store, ack.message, who="operator:an", reason="khiếu nại", now=NOW)
    with gate.store.read() as view:
        line = view.log(what="message.read")[-1]
    assert (line.who, line.message, line.facts["reason"]) == ("operator:an", ack.message, "khiếu nại")
