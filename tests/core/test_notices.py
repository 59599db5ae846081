"""Notices: what is news for a channel, when it is quiet, and that words carry codes and counts only."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta

import pytest

from gateway.core.alert_words import ALARMS, SEVERITIES
from gateway.core.alerts import AcknowledgedAlert, Alarm, Alert, AlertGroup, Urgency, group_alerts
from gateway.core.model import PartyId
from gateway.core.notices import MOST, ChannelStanding, Notice, NoticeKind, NoticeRules, ToldAlert, news_for, worded

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)  # 15:00 in Viet Nam
HOUR = timedelta(hours=1)
RULES = NoticeRules(channel="thu")


def groups(*alarms: Alarm, acknowledged: bool = False, party: str = "so", number: int = 1) -> list[AlertGroup]:
    found = [
        Alert(
            alarm=alarm,
            party=PartyId(party),
            subject=f"Nguyễn Văn A {n}",
            since=NOW - 2 * HOUR,
            facts={"value": "Nguyễn Văn A"},
        )
        for alarm in alarms
        for n in range(number)
    ]
    made = group_alerts(found, [], NOW)
    if not acknowledged:
        return made
    seen = [AcknowledgedAlert(id=group.id, who="an", note="x", at=NOW, until=None) for group in made]
    return group_alerts(found, seen, NOW)


def told(group: AlertGroup, severity: Urgency | None = None) -> ToldAlert:
    return ToldAlert(
        channel="thu",
        alert=group.id,
        alarm=group.alarm,
        party=group.party,
        cause=group.cause,
        severity=severity or group.severity,
        count=len(group.alerts),
        told_at=NOW - HOUR,
    )


def test_a_group_is_news_once_then_when_it_is_more_urgent_then_when_it_is_over() -> None:
    (group,) = groups(Alarm.LANE_HELD)
    first, _ = news_for(RULES, [group], [], NOW)
    assert first is not None
    assert ([g.id for g in first.new], first.worse, first.over, first.kind) == ([group.id], (), (), NoticeKind.NEWS)
    assert news_for(RULES, [group], [told(group)], NOW) == (None, [])
    worse, _ = news_for(RULES, [group], [told(group, Urgency.TODAY)], NOW)
    assert worse is not None
    assert (worse.new, [g.id for g in worse.worse]) == ((), [group.id])
    assert (
        news_for(RULES, groups(Alarm.UNCERTAIN), [told(g, Urgency.NOW) for g in groups(Alarm.UNCERTAIN)], NOW)[0]
        is None
    )
    over, _ = news_for(RULES, [], [told(group)], NOW)
    assert over is not None
    assert [one.alert for one in over.over] == [group.id]


def test_what_a_person_took_on_is_no_news_and_is_news_again_when_it_lasts_longer() -> None:
    (group,) = groups(Alarm.LANE_HELD, acknowledged=True)
    assert news_for(RULES, [group], [], NOW) == (None, [])
    assert news_for(RULES, [group], [told(group)], NOW) == (None, [group.id])


@pytest.mark.parametrize(
    ("severity", "alarms", "wanted"),
    [
        (Urgency.NOW, [], {"lane-held"}),
        (Urgency.TODAY, [], {"lane-held", "drift"}),
        (Urgency.LATER, [], {"lane-held", "drift", "event-waiting"}),
        (Urgency.LATER, [Alarm.DRIFT], {"drift"}),
    ],
)
def test_a_channel_is_told_what_it_wants(severity: Urgency, alarms: list[Alarm], wanted: set[str]) -> None:
    rules = NoticeRules(channel="thu", severity=severity, alarms=frozenset(alarms))
    notice, _ = news_for(rules, groups(Alarm.LANE_HELD, Alarm.DRIFT, Alarm.EVENT_WAITING), [], NOW)
    assert notice is not None
    assert {group.alarm.value for group in notice.new} == wanted


@pytest.mark.parametrize(
    ("span", "quiet"),
    [
        ("15:00-16:00", True),
        ("14:00-15:00", False),
        ("22:00-06:00", False),
        ("14:00-06:00", True),
        ("16:00-15:01", True),
        ("15:00-06:00", True),
        ("22:00-15:00", False),
        ("15:00-15:00", False),  # no hours at all
    ],
)
def test_quiet_hours_are_of_viet_nam_and_go_over_midnight(span: str, quiet: bool) -> None:
    begins, ends = (time.fromisoformat(at) for at in span.split("-"))
    assert NoticeRules(channel="thu", quiet=(begins, ends)).is_quiet(NOW) is quiet
    assert RULES.is_quiet(NOW) is False


def test_in_quiet_hours_only_what_is_urgent_comes_and_the_rest_waits() -> None:
    quiet = (time(15), time(16))
    (held,), (drift,) = groups(Alarm.LANE_HELD), groups(Alarm.DRIFT)
    gone = told(groups(Alarm.UNCERTAIN)[0])
    notice, _ = news_for(NoticeRules(channel="thu", quiet=quiet), [held, drift], [gone], NOW)
    assert notice is not None
    assert ([g.id for g in notice.new], notice.over) == ([held.id], ())
    silent = NoticeRules(channel="thu", quiet=quiet, quiet_urgent=False)
    assert news_for(silent, [held, drift], [gone], NOW)[0] is None
    later, _ = news_for(silent, [held, drift], [gone], NOW + HOUR)
    assert later is not None
    assert (len(later.new), len(later.over)) == (2, 1)


def test_a_summary_is_due_once_a_day_from_its_time_on() -> None:
    rules = NoticeRules(channel="thu", summary_at=time(14, 30))
    assert rules.summary_due(NOW - 24 * HOUR, NOW)
    assert not rules.summary_due(NOW, NOW + HOUR)
    assert not rules.summary_due(NOW - 10 * HOUR, NOW - HOUR)  # 14:00
    assert rules.summary_due(NOW - timedelta(minutes=31), NOW - timedelta(minutes=30))
    assert not rules.summary_due(NOW - timedelta(minutes=30), NOW)
    assert rules.summary_due(NOW, NOW + 24 * HOUR)
    assert RULES.summary_due(NOW - 48 * HOUR, NOW) is False
    quiet = NoticeRules(channel="thu", summary_at=time(14, 30), quiet=(time(14), time(16)))
    assert not quiet.summary_due(NOW - 24 * HOUR, NOW)


def in_words(notice: Notice) -> tuple[str, str, dict[str, object]]:
    said = worded(notice, node="H19.900", node_name="Trục", now=NOW, named=lambda party: f"{party} (Sở)")
    assert b"\\u" not in said.body  # letters as they are
    return said.subject, said.text, json.loads(said.body)


def test_a_notice_says_in_both_languages_what_is_new_more_urgent_and_over() -> None:
    (held,), (drift,) = groups(Alarm.LANE_HELD, number=3), groups(Alarm.DRIFT)
    gone = told(groups(Alarm.UNCERTAIN)[0])
    notice = Notice(kind=NoticeKind.NEWS, new=(held,), worse=(drift,), over=(gone,))
    subject, text, body = in_words(notice)
    assert subject == ("[Liên Thông H19.900] 1 việc mới, 1 việc gấp hơn, 1 việc đã hết / 1 new, 1 more urgent, 1 over")
    for part in (
        "Trục: Trục (H19.900) · 24/11/2026 15:00",
        f"  [NGAY] 3 × Hàng đợi hồ sơ bị tạm giữ · so (Sở) · lâu nhất 2 giờ · [{held.id}]",
        f"  [NOW] 3 × Lane held · so (Sở) · oldest 2 h · [{held.id}]",
        "Gấp hơn trước:\n  [hôm nay]",
        "Đã hết:\n  1 × Chưa rõ kết quả gửi · so (Sở)",
        "Over:\n  1 × Outcome unknown",
        "lienthong alerts",
    ):
        assert part in text, part
    assert body["new"] == [
        {
            "id": held.id,
            "alarm": "lane-held",
            "severity": "now",
            "party": "so",
            "party_named": "so (Sở)",
            "cause": "",
            "count": 3,
            "since": (NOW - 2 * HOUR).isoformat(),
            "acknowledged": False,
        }
    ]
    assert body["over"] == [
        {
            "id": gone.alert,
            "alarm": "uncertain",
            "severity": gone.severity.value,
            "party": "so",
            "party_named": "so (Sở)",
            "cause": gone.cause,
            "count": 1,
            "told_at": (NOW - HOUR).isoformat(),
        }
    ]
    assert "Nothing needs a person." not in text
    assert "Nguyễn Văn A" not in subject + text + json.dumps(body, ensure_ascii=False)  # neither subjects nor facts


def test_a_summary_and_a_test_say_what_they_are() -> None:
    subject, text, body = in_words(
        Notice(kind=NoticeKind.SUMMARY, standing=tuple(groups(Alarm.LANE_HELD, Alarm.DRIFT)))
    )
    assert "tình hình trong ngày: NGAY 1, hôm nay 1 / daily summary: NOW 1, today 1" in subject
    assert ("Đang có:" in text, len(body["standing"])) == (True, 2)  # type: ignore[arg-type]
    assert "Nothing needs a person." not in text
    subject, text, _ = in_words(Notice(kind=NoticeKind.SUMMARY))
    assert ("không có việc nào / daily summary: nothing" in subject, "Nothing needs a person." in text) == (True, True)
    assert "thử kênh báo tin / test of a notice channel" in in_words(Notice(kind=NoticeKind.TEST))[0]
    assert "This is only a test" in in_words(Notice(kind=NoticeKind.TEST))[1]


def test_a_long_list_is_cut_and_says_so_and_what_was_taken_on_and_what_is_to_come_is_named() -> None:
    many = tuple(g for n in range(MOST + 3) for g in groups(Alarm.DRIFT, party=f"p{n}"))
    cut = in_words(Notice(kind=NoticeKind.NEWS, new=many))[1]
    assert ("… còn 3 nữa" in cut, cut.count(" · lâu nhất ")) == (True, 50)
    assert "… còn 1 nữa" in in_words(Notice(kind=NoticeKind.NEWS, new=many[: MOST + 1]))[1]
    assert "…" not in in_words(Notice(kind=NoticeKind.NEWS, new=many[:MOST]))[1]
    taken = in_words(Notice(kind=NoticeKind.SUMMARY, standing=tuple(groups(Alarm.DRIFT, acknowledged=True))))[1]
    assert "đã có an nhận" in taken
    soon = Alert(alarm=Alarm.ENDING, party=PartyId("so"), subject="x", since=NOW + 50 * HOUR, facts={"kind": "tree"})
    text = in_words(Notice(kind=NoticeKind.NEWS, new=tuple(group_alerts([soon], [], NOW))))[1]
    assert "· tree · còn 2 ngày ·" in text


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(0), "0 giây"),
        (timedelta(seconds=59), "59 giây"),
        (timedelta(minutes=1), "1 phút"),
        (HOUR, "1 giờ"),
        (24 * HOUR, "1 ngày"),
    ],
)
def test_ages_are_told_in_their_largest_unit(span: timedelta, said: str) -> None:
    one = Alert(alarm=Alarm.DRIFT, party=PartyId("so"), subject="x", since=NOW - span, facts={})
    assert f"lâu nhất {said} ·" in in_words(Notice(kind=NoticeKind.NEWS, new=tuple(group_alerts([one], [], NOW))))[1]


def test_every_alarm_and_every_urgency_has_its_words() -> None:
    assert set(ALARMS) == {alarm.value for alarm in Alarm}
    assert set(SEVERITIES) == {urgency.value for urgency in Urgency}


def test_a_channel_begins_without_failures() -> None:
    assert ChannelStanding(channel="thu", summed_at=NOW).failures == 0
