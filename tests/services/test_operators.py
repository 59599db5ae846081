"""Persons of the console: how they prove who they are, and when a session is over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from gateway.core.operators import OperatorRole
from gateway.core.problems import Stopped
from gateway.services import operators
from signing.passwords import hash_password, is_stale, new_password, password_matches

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
SECRET = "một câu dài dễ nhớ"
BY = {"who": "operator:quan-tri", "reason": "người mới", "now": NOW}
IDLE, LASTS = timedelta(minutes=30), timedelta(hours=10)


@pytest.fixture
def lan(store):
    return operators.add_operator(store, " Lan ", [OperatorRole.OPERATOR, OperatorRole.VIEWER], SECRET, **BY)


@pytest.fixture
def person(sqlite_store):
    """Somebody without a password, on one kind of database: for what is not about the database."""
    return operators.add_operator(sqlite_store, "minh", [OperatorRole.VIEWER], None, **BY)


def log(store):
    with store.read() as view:
        return [(line.what, line.who) for line in view.log()]


def test_a_person_is_who_has_the_password_and_is_not_disabled(store, lan):
    assert lan.name == "lan"
    assert operators.proven_by_password(store, "LAN ", SECRET, NOW) == lan
    assert operators.proven_by_password(store, "lan", SECRET + "x", NOW) is None
    assert operators.proven_by_password(store, "' OR 1=1 --", SECRET, NOW) is None
    operators.disable(store, "lan", **BY)
    assert operators.proven_by_password(store, "lan", SECRET, NOW) is None
    assert operators.proven_by_proxy(store, "lan") is None
    assert operators.enable(store, "lan", **BY).can(OperatorRole.OPERATOR)
    assert operators.proven_by_password(store, "lan", SECRET, NOW) is not None
    refused = [("operator.refused", "operator:lan")] * 2
    assert log(store)[1:4] == [*refused[:1], ("operator.disabled", "operator:quan-tri"), *refused[1:]]


def test_a_session_is_of_its_token_and_ends_by_idling_by_its_length_and_by_logging_out(store, lan):
    token, _ = operators.begin_session(store, lan, "password", NOW, lasts=LASTS)
    at = operators.at_desk(store, token, NOW + timedelta(minutes=29), idle=IDLE)
    assert (at.operator.name, at.who) == ("lan", "operator:ban-truc (lan)")
    assert operators.at_desk(store, token + "x", NOW, idle=IDLE) is None
    still = NOW + timedelta(minutes=58)  # it was used half an hour ago
    assert operators.at_desk(store, token, still, idle=IDLE) is not None
    assert operators.at_desk(store, token, still + timedelta(minutes=31), idle=IDLE) is None
    assert operators.at_desk(store, token, NOW + LASTS, idle=timedelta(days=9)) is None
    operators.log_out(store, at, NOW)
    assert operators.at_desk(store, token, NOW, idle=IDLE) is None


@pytest.mark.parametrize("change", ["password", "roles", "disabled", "enabled"])
def test_a_session_ends_when_its_person_is_changed(sqlite_store, person, change):
    store, by = sqlite_store, {**BY, "now": NOW + timedelta(seconds=1)}
    token, _ = operators.begin_session(store, person, "proxy", NOW, lasts=LASTS)
    if change == "password":
        operators.set_password(store, "minh", SECRET, **by)
    elif change == "roles":
        operators.change_roles(store, "minh", [OperatorRole.AUDITOR], **by)
    else:
        {"disabled": operators.disable, "enabled": operators.enable}[change](store, "minh", **by)
    assert operators.at_desk(store, token, NOW + timedelta(seconds=2), idle=IDLE) is None
    assert log(store)[-1][0] == f"operator.{change}"


def test_a_session_that_was_there_before_a_change_does_not_outlive_it_even_where_its_row_does(sqlite_store, person):
    store = sqlite_store
    token, _ = operators.begin_session(store, person, "proxy", NOW, lasts=LASTS)
    with store.begin() as tx:
        tx.put_operator(replace(person, changed_at=NOW + timedelta(seconds=1)))
    assert operators.at_desk(store, token, NOW + timedelta(seconds=2), idle=IDLE) is None


def test_of_very_many_sessions_the_newest_stay(sqlite_store, person):
    store = sqlite_store
    tokens = [
        operators.begin_session(store, person, "proxy", NOW + timedelta(seconds=n), lasts=LASTS)[0]
        for n in range(operators.MOST_SESSIONS + 2)
    ]
    alive = [operators.at_desk(store, token, NOW + timedelta(minutes=1), idle=IDLE) is not None for token in tokens]
    assert alive == [False, False] + [True] * operators.MOST_SESSIONS


def test_a_plan_is_carried_out_once_in_its_own_session_for_its_own_act_and_soon(store, lan):
    _, mine = operators.begin_session(store, lan, "password", NOW, lasts=LASTS)
    _, other = operators.begin_session(store, lan, "password", NOW, lasts=LASTS)
    plans = [operators.keep_plan(store, mine, "skip", {"ids": [str(n)]}, NOW).id for n in range(4)]
    assert operators.take_plan(store, mine, plans[0], "skip", NOW).facts == {"ids": ["0"]}
    late = NOW + operators.PLAN_LASTS + timedelta(seconds=1)
    for person, plan, act, at in [
        (mine, plans[0], "skip", NOW),
        (other, plans[1], "skip", NOW),
        (mine, plans[2], "replay", NOW),
        (mine, plans[3], "skip", late),
        (mine, "x" * 100_000, "skip", NOW),
    ]:
        with pytest.raises(Stopped) as stop:
            operators.take_plan(store, person, plan, act, at)
        assert [problem.code for problem in stop.value.problems] == ["SYS-168"]


@pytest.mark.parametrize(
    "name", ["", " ", "lan;drop", "a\u202eb", "x" * 65, "-lan", "Nguyễn Văn A", "<b>lan</b>", "lan\n"[:3] + " x"]
)
def test_a_name_that_could_be_read_in_two_ways_is_refused(sqlite_store, name):
    with pytest.raises(Stopped) as stop:
        operators.add_operator(sqlite_store, name, [OperatorRole.VIEWER], None, **BY)
    assert [problem.code for problem in stop.value.problems] == ["SYS-160"]


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaaaa", "quan-tri-vien", "x" * 2000])
def test_a_password_that_is_easily_had_is_refused(sqlite_store, password):
    with pytest.raises(Stopped) as stop:
        operators.add_operator(sqlite_store, "quan-tri-vien", [OperatorRole.VIEWER], password, **BY)
    assert [problem.code for problem in stop.value.problems] == ["SYS-161"]


def test_there_is_one_person_of_a_name(sqlite_store, person):
    with pytest.raises(Stopped) as stop:
        operators.add_operator(sqlite_store, "Minh", [OperatorRole.VIEWER], None, **BY)
    assert [problem.code for problem in stop.value.problems] == ["SYS-162"]
    with pytest.raises(Stopped) as stop:
        operators.disable(sqlite_store, "ai-do", **BY)
    assert [problem.code for problem in stop.value.problems] == ["SYS-042"]


def test_a_password_kept_at_an_earlier_cost_is_made_anew_when_it_is_heard_and_sessions_go_on(sqlite_store, person):
    old = Argon2id(salt=b"s" * 16, length=32, iterations=1, lanes=1, memory_cost=64).derive_phc_encoded(SECRET.encode())
    with sqlite_store.begin() as tx:
        tx.put_operator(replace(person, password=old))
    token, _ = operators.begin_session(sqlite_store, person, "password", NOW, lasts=LASTS)
    assert is_stale(old)
    assert operators.proven_by_password(sqlite_store, "minh", SECRET, NOW) is not None
    with sqlite_store.read() as view:
        kept = view.operator("minh").password
    assert (is_stale(kept), password_matches(SECRET, kept)) == (False, True)
    assert operators.at_desk(sqlite_store, token, NOW, idle=IDLE) is not None


def test_a_hash_has_its_own_salt_and_its_cost_in_it_and_nobody_has_no_password():
    one, other = hash_password(SECRET), hash_password(SECRET)
    assert one != other
    assert one.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert not password_matches("", None)
    assert len({new_password() for _ in range(100)}) == 100
