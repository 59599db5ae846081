"""What can be ordered about a party as it stands, and what it is then."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core.model import PartyId
from gateway.core.operators import OperatorRole
from gateway.core.orders import ORDERS, PartyOrder, ordered, orders_for
from gateway.core.parties import DeskOrders, Party, Receives, Role
from gateway.core.problems import Stopped

NOW = datetime(2026, 1, 15, tzinfo=UTC)
PUSHED = Party(
    id=PartyId("so"), name="Sở", role=Role.ONE_STOP, identifiers=("H19.901",), receives=Receives.PUSH, connector="rest"
)
PULLS = replace(PUSHED, receives=Receives.PULL, connector=None)


@pytest.mark.parametrize(
    ("party", "orders", "is_open", "called"),
    [
        (PUSHED, ["pause", "lock"], True, True),
        (PULLS, ["lock"], True, True),
        (replace(PUSHED, desk=DeskOrders(paused="x")), ["resume", "lock"], True, False),
        (replace(PUSHED, desk=DeskOrders(locked="x")), ["pause", "unlock"], False, False),
        (replace(PUSHED, desk=DeskOrders(paused="x", locked="x")), ["resume", "unlock"], False, False),
        (replace(PUSHED, enabled=False), ["pause"], False, False),
        (replace(PUSHED, enabled=False, desk=DeskOrders(locked="x")), ["pause", "unlock"], False, False),
        (replace(PUSHED, role=Role.GATEWAY), [], True, True),
    ],
)
def test_what_can_be_ordered_follows_from_how_a_party_stands(party, orders, is_open, called):
    assert ([order.value for order in orders_for(party)], party.open, party.called) == (orders, is_open, called)
    for order in PartyOrder:
        if order.value not in orders:
            with pytest.raises(Stopped) as stop:
                ordered(party, order, "x", NOW)
            (problem,) = stop.value.problems
            assert (problem.code, problem.facts["party"]) == ("SYS-173", "so")
            assert problem.facts["why_vi"] != problem.facts["why_en"]


def test_an_order_changes_what_the_desk_says_and_nothing_else():
    both = ordered(ordered(PUSHED, PartyOrder.PAUSE, "bảo trì", NOW), PartyOrder.LOCK, "lộ khóa", NOW)
    assert both == replace(PUSHED, desk=DeskOrders(paused="bảo trì", locked="lộ khóa"))
    unlocked = ordered(both, PartyOrder.UNLOCK, "x", NOW)
    assert unlocked.desk == DeskOrders(paused="bảo trì", resumed_at=NOW)
    assert ordered(both, PartyOrder.RESUME, "x", NOW).desk == DeskOrders(locked="lộ khóa", resumed_at=NOW)


def test_whoever_is_on_duty_closes_and_an_administrator_unlocks():
    roles = {order.value: words.role for order, words in ORDERS.items()}
    operator = OperatorRole.OPERATOR
    assert roles == {"pause": operator, "resume": operator, "lock": operator, "unlock": OperatorRole.ADMINISTRATOR}
    assert [words.done for words in ORDERS.values()] == [
        "party.paused",
        "party.resumed",
        "party.locked",
        "party.unlocked",
    ]
