"""Alerts as news: what goes together, in what order, and what somebody has taken on."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.alerts import SEVERITIES, AcknowledgedAlert, Alarm, Alert, group_alerts
from gateway.core.model import PartyId

NOW = datetime(2026, 1, 15, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def alert(alarm=Alarm.LANE_HELD, party="a", subject="x", hours=1, **facts):
    return Alert(alarm=alarm, party=PartyId(party), subject=subject, since=NOW - hours * HOUR, facts=facts)


def groups(*found, acknowledged=(), now=NOW):
    return group_alerts(found, acknowledged, now)


def test_alerts_of_one_kind_party_and_cause_are_one_group_the_oldest_first():
    made = groups(
        alert(subject="b", code="DLV-001"),
        alert(subject="a", code="DLV-001"),
        alert(subject="c", hours=3, code="DLV-001"),
        alert(subject="d", code="DLV-002"),
        alert(subject="e", party="b", code="DLV-001"),
        alert(Alarm.UNCERTAIN, subject="f", code="DLV-001"),
    )
    assert [(g.alarm, g.party, g.cause, [one.subject for one in g.alerts]) for g in made] == [
        ("lane-held", "a", "DLV-001", ["c", "a", "b"]),
        *sorted(
            [("lane-held", "a", "DLV-002", ["d"]), ("lane-held", "b", "DLV-001", ["e"])],
            key=lambda row: ids(made)[row[1:3]],
        ),
        ("uncertain", "a", "DLV-001", ["f"]),
    ]
    assert made[0].since == NOW - 3 * HOUR


def ids(made):
    return {(g.party, g.cause): g.id for g in made}


def test_a_group_keeps_its_name_while_it_lasts():
    (first,), (later,) = groups(alert(code="DLV-001")), groups(alert(subject="y", hours=9, code="DLV-001"))
    assert first.id == later.id
    assert len(first.id) == 8
    assert len({g.id for g in groups(alert(), alert(party="b"), alert(Alarm.ENDING), alert(code="X"))}) == 4


def test_the_order_is_urgency_then_number_then_age():
    made = groups(
        alert(Alarm.EVENT_WAITING),
        alert(Alarm.INBOX_UNREAD),
        alert(party="b", hours=2),
        alert(party="c", hours=3),
        alert(party="d", subject="1"),
        alert(party="d", subject="2"),
    )
    assert [(g.severity, g.party) for g in made] == [
        ("now", "d"), ("now", "c"), ("now", "b"), ("today", "a"), ("later", "a"),
    ]  # fmt: skip


def test_how_soon_a_person_should_look_at_each_kind():
    assert {alarm.value: urgency.value for alarm, urgency in SEVERITIES.items()} == {
        **dict.fromkeys(
            ["lane-held", "party-silent", "message-held", "status-missing", "registry-flawed", "archive-broken"], "now"
        ),
        **dict.fromkeys(["body-changed", "file-changed", "log-flawed"], "now"),
        **dict.fromkeys(["uncertain", "inbox-unread", "receipt-unproven", "ending", "drift", "allowance"], "today"),
        **dict.fromkeys(["approval", "channel-dead", "backup"], "today"),
        "event-waiting": "later",
    }
    assert set(SEVERITIES) == set(Alarm)


@pytest.mark.parametrize(("hours", "severity"), [(1, "now"), (0, "now"), (-1, "today")])
def test_what_has_ended_is_urgent_and_what_is_going_to_end_is_not_yet(hours, severity):
    assert groups(alert(Alarm.ENDING, hours=hours, kind="tree"))[0].severity == severity


def test_only_an_end_becomes_urgent_by_its_time():
    assert groups(alert(Alarm.UNCERTAIN, hours=5))[0].severity == "today"


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"code": "A", "codes": ["B"], "kind": "C"}, "A"),
        ({"codes": ["B", "D"], "kind": "C"}, "B"),
        ({"codes": [], "kind": "C"}, "C"),
        ({"kind": "C"}, "C"),
        ({}, ""),
    ],
)
def test_the_cause_is_a_code_or_what_ends(facts, cause):
    assert groups(alert(**facts))[0].cause == cause


@pytest.mark.parametrize(("until", "counts"), [(None, True), (HOUR, True), (timedelta(0), False), (-HOUR, False)])
def test_an_acknowledgement_counts_until_its_time_is_over(until, counts):
    (plain,) = groups(alert())
    assert plain.acknowledged is None
    taken = AcknowledgedAlert(
        id=plain.id, who="lan", note="gọi rồi", at=NOW - HOUR, until=None if until is None else NOW + until
    )
    assert (groups(alert(), acknowledged=[taken])[0].acknowledged is taken) is counts
    assert groups(alert(party="b"), acknowledged=[taken])[0].acknowledged is None


def test_the_facts_of_a_group_are_the_commonest_of_its_alerts_or_of_their_problems():
    made = groups(alert(subject="1", why="x", n=1), alert(subject="2", why="y", n=1), alert(subject="3", why="y", n=2))
    assert made[0].facts == {"why": "y", "n": 1}
    (problem,) = groups(alert(why="x", problem={"status": 500}), alert(why="x", problem={"status": 500, "url": "u"}))
    assert problem.facts == {"status": 500, "url": "u"}
