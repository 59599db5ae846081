"""Channels over both databases: told once, over restarts and nodes; what fails is tried later, and is an alert."""

import asyncio
from datetime import UTC, datetime, time, timedelta

import pytest

from gateway.core.alerts import Alarm, Alert, group_alerts
from gateway.core.model import PartyId
from gateway.core.notices import NoticeKind, NoticeRules
from gateway.core.problems import Problem, Stopped
from gateway.services.notices import DEAD_AFTER, TURN, NoticeChannel, dead_channels, tell_channel

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)  # 15:00 in Viet Nam
GATEWAY = PartyId("gateway")


class Place:
    """Where a channel leads: remembers what came, or fails as long as it is told to."""

    def __init__(self, store, **rules):
        self.store, self.now, self.came, self.fails = store, NOW, [], False
        self.channel = NoticeChannel(rules=NoticeRules(channel="thu", **rules), post=self.post, timeout_s=30.0)

    async def post(self, notice):
        if self.fails:
            raise Stopped(Problem("SYS-193", {"channel": "thu", "seconds": "30"}))
        self.came.append((notice.kind, len(notice.new), len(notice.over)))

    def told(self, *alarms, minutes=1):
        self.now += timedelta(minutes=minutes)
        found = [Alert(alarm=a, party=PartyId("so"), subject="x", since=NOW, facts={}) for a in alarms]
        return asyncio.run(tell_channel(self.store, self.channel, group_alerts(found, [], self.now), lambda: self.now))

    def dead(self):
        return list(dead_channels(self.store, ["thu"], GATEWAY))


def test_each_group_is_told_once_over_restarts_and_its_end_once(store):
    place = Place(store)
    assert place.told() == []
    assert place.told(Alarm.LANE_HELD) == [NoticeKind.NEWS]
    assert place.told(Alarm.LANE_HELD) == []
    restarted = Place(store)
    restarted.now = place.now
    assert restarted.told(Alarm.LANE_HELD, Alarm.DRIFT) == [NoticeKind.NEWS]
    assert restarted.told(Alarm.DRIFT) == [NoticeKind.NEWS]
    assert restarted.told(Alarm.DRIFT) == []
    assert place.came + restarted.came == [(NoticeKind.NEWS, 1, 0), (NoticeKind.NEWS, 1, 0), (NoticeKind.NEWS, 0, 1)]


def test_a_channel_that_fails_is_tried_later_loses_nothing_and_is_an_alert_until_it_works(store):
    place = Place(store)
    place.fails = True
    assert place.told(Alarm.LANE_HELD) == []
    assert place.told(Alarm.LANE_HELD, minutes=0) == []  # not before its time
    with store.read() as view:
        assert view.notice_channels()["thu"].failures == 1
    assert place.dead() == []
    while not place.dead():
        place.told(Alarm.LANE_HELD, minutes=60)
    (alert,) = place.dead()
    assert (alert.alarm, alert.subject, alert.facts["code"]) == (Alarm.CHANNEL_DEAD, "thu", "SYS-193")
    with store.read() as view:
        assert view.notice_channels()["thu"].failures == DEAD_AFTER
    assert list(dead_channels(store, [], GATEWAY)) == list(dead_channels(store, ["khac"], GATEWAY)) == []
    place.fails = False
    assert place.told(Alarm.LANE_HELD, Alarm.DRIFT, minutes=60) == [NoticeKind.NEWS]
    assert (place.came, place.dead()) == ([(NoticeKind.NEWS, 2, 0)], [])  # all that waited, in one go


def test_one_node_tells_at_a_time_and_a_dead_one_is_waited_for_only_so_long(store):
    place = Place(store)
    with store.begin() as tx:
        assert tx.take_turn(TURN, PartyId("thu"), 1, NOW, NOW + timedelta(minutes=10))
    assert place.told(Alarm.LANE_HELD) == []
    assert place.told(Alarm.LANE_HELD, minutes=10) == [NoticeKind.NEWS]


def test_a_summary_comes_once_a_day_and_not_for_the_day_on_which_the_channel_is_first_seen(store):
    place = Place(store, summary_at=time(14, 30))
    assert place.told() == []
    assert place.told(minutes=24 * 60) == [NoticeKind.SUMMARY]
    assert place.told() == []
    assert place.told(Alarm.DRIFT, minutes=24 * 60) == [NoticeKind.NEWS, NoticeKind.SUMMARY]


@pytest.mark.parametrize("code", ["SYS-190", "SYS-195"])
def test_the_last_problem_of_a_channel_is_kept_with_its_facts(store, code):
    place = Place(store)

    async def fails(_notice):
        raise Stopped(Problem(code, {"channel": "thu", "host": "may", "reason": "x", "code": "DLV-031"}))

    place.channel = NoticeChannel(rules=place.channel.rules, post=fails, timeout_s=30.0)
    place.told(Alarm.LANE_HELD)
    with store.read() as view:
        problem = view.notice_channels()["thu"].problem
    assert (problem.code, problem.facts["channel"]) == (code, "thu")
