"""What each role may do, and what a person may be called."""

from datetime import UTC, datetime

import pytest

from gateway.core.operators import (
    LONGEST_PASSWORD,
    SHORTEST_PASSWORD,
    Operator,
    OperatorRole,
    check_password,
    joined_roles,
    may,
    operator_name,
)
from gateway.core.problems import Stopped

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def test_everybody_may_look_and_the_administrator_may_all_and_nobody_else_what_another_role_is_for():
    assert may(OperatorRole.VIEWER) == frozenset(OperatorRole)
    for role in [role for role in OperatorRole if role is not OperatorRole.VIEWER]:
        assert may(role) == {role, OperatorRole.ADMINISTRATOR}


def test_a_person_can_what_one_of_their_roles_can():
    person = Operator(
        name="lan",
        roles=frozenset({OperatorRole.VIEWER, OperatorRole.APPROVER}),
        password=None,
        added_at=NOW,
        changed_at=NOW,
    )
    assert [role.value for role in OperatorRole if person.can(role)] == ["viewer", "approver"]
    assert joined_roles(person.roles) == "viewer, approver"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("lan", "lan"),
        (" Lan ", "lan"),
        ("ｌａｎ", "lan"),
        ("a", "a"),
        ("l.an@so-tu-phap_1", "l.an@so-tu-phap_1"),
        ("x" * 64, "x" * 64),
    ],
)
def test_a_name_is_kept_in_one_way(text, name):
    assert operator_name(text) == name


@pytest.mark.parametrize("text", ["", "x" * 65, "a b", "lân", "lan.", ".lan", "a\u202e"])
def test_a_name_that_is_no_name_is_told_by_its_length_alone(text):
    with pytest.raises(Stopped) as stop:
        operator_name(text)
    (problem,) = stop.value.problems
    assert (problem.code, problem.facts) == ("SYS-160", {"name": f"[{len(text)}]"})


def test_the_bounds_of_a_password_are_what_they_say():
    for length in (SHORTEST_PASSWORD, LONGEST_PASSWORD):
        check_password("lan", ("abcd" * length)[:length])
    for password in [
        ("abcd" * 300)[: SHORTEST_PASSWORD - 1],
        ("abcd" * 300)[: LONGEST_PASSWORD + 1],
        "abcabcabcabcabc",
        "Mot-Cai-Ten-Dai",
    ]:
        with pytest.raises(Stopped) as stop:
            check_password("mot-cai-ten-dai", password)
        (problem,) = stop.value.problems
        assert (problem.code, problem.facts) == ("SYS-161", {"shortest": 12, "longest": 1024})
