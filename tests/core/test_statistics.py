"""Counting dossiers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.core.deadlines import DeadlineRules, WorkingCalendar
from gateway.core.effects import Notes
from gateway.core.lifecycle import Span, Trace, Transfer
from gateway.core.model import Change, Dossier, MaHoSo, MaThongDiep, MessageId, PartyId
from gateway.core.statistics import By, Period, Tally, Uses, began, tally, use_of_unknown

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = DeadlineRules()
MARCH = Period(since=datetime(2026, 3, 1, tzinfo=UTC), until=datetime(2026, 4, 1, tzinfo=UTC))


def life(
    state: int, *, agency: str = "so-tu-phap", finished: int | None = None, due: int = 10, **more: object
) -> tuple[Dossier, Trace]:
    dossier = Dossier(
        ma_ho_so=MaHoSo("H19.901-260302-0001"),
        ma_tthc="1.001193.000.00.00.H19",
        portal=PartyId("cong-dvc"),
        agency=PartyId(agency),
        opened_at=START,
    )
    read = Trace(
        trang_thai=state,
        kenh_thuc_hien="2",
        ngay_nop=START,
        ngay_tiep_nhan=START + DAY,
        ngay_hen_tra=START + due * DAY,
        ngay_ket_thuc=None if finished is None else START + finished * DAY,
        spans=(Span(trang_thai=state, since=START + (finished or 1) * DAY),),
        **more,  # type: ignore[arg-type]
    )
    return dossier, read


def test_dossiers_are_counted_on_time_late_open_and_overdue() -> None:
    lives = [
        life(10, finished=5),
        life(9, finished=15),
        life(4, due=90),
        life(4, due=3),
        life(8, withdrawn=True),
        life(3),
    ]
    (counts,) = tally(lives, MARCH, [By.SERVICE], rules=RULES).values()
    assert counts.counts() == {
        "filed": 6,
        "online": 6,
        "received": 6,
        "refused": 1,
        "open": 2,
        "finished": 2,
        "delivered": 1,
        "withdrawn": 1,
        "stopped": 0,
        "on_time": 1,
        "late": 1,
        "overdue": 1,
        "supplemented": 0,
        "supplemented_twice": 0,
        "hand_over_late": 0,
        "transfers_late": 0,
        "events": 0,
        "asked": 0,
        "recalled": 0,
        "rated": 0,
    }


def test_groups_are_by_stem_agency_channel_and_month() -> None:
    lives = [life(4), life(4, agency="ubnd-xa-thu-nghiem")]
    groups = tally(lives, MARCH, [By.SERVICE, By.AGENCY, By.CHANNEL, By.MONTH], rules=RULES)
    assert list(groups) == [
        ("1.001193", "so-tu-phap", "2", "2026-03"),
        ("1.001193", "ubnd-xa-thu-nghiem", "2", "2026-03"),
    ]


def test_a_dossier_of_a_later_period_does_not_count() -> None:
    february = Period(since=datetime(2026, 2, 1, tzinfo=UTC), until=datetime(2026, 3, 1, tzinfo=UTC))
    assert tally([life(4)], february, [By.SERVICE], rules=RULES) == {}


def test_the_mean_time_in_a_state_is_over_the_dossiers_that_were_in_it() -> None:
    (counts,) = tally([life(4), life(10, finished=5)], MARCH, [By.SERVICE], rules=RULES).values()
    assert counts.mean_seconds()[4] == (MARCH.until - START - DAY).total_seconds()


def rated(*scores: tuple[int, int]) -> tuple[Dossier, Trace]:
    """A finished dossier with satisfaction scores: (day of March, score)."""
    dossier, read = life(10, finished=5)
    changes = tuple(
        Change(
            ma_ho_so=dossier.ma_ho_so,
            number=number,
            message=MessageId(f"m{number}"),
            ma_thong_diep=MaThongDiep(f"t{number}"),
            loai="HS21",
            goc="DanhGia",
            sender=PartyId("cong-dvc"),
            effects=(Notes(what="danh-gia", value=str(score)), Notes(what="bo-sung-da-nop", value="9")),
            occurred_at=START + day * DAY,
            thu_tu=None,
            recorded_at=START + day * DAY,
        )
        for number, (day, score) in enumerate(scores, 1)
    )
    return replace(dossier, changes=changes), read


def test_the_newest_satisfaction_score_of_each_dossier_counts() -> None:
    lives = [rated((8, 2), (9, 4)), rated((8, 5)), rated((90, 1)), life(4)]
    (counts,) = tally(lives, MARCH, [By.AGENCY], rules=RULES).values()
    assert (counts.rated, counts.scores, counts.mean_score()) == (2, {4: 1, 5: 1}, 4.5)
    (nobody,) = tally([life(4)], MARCH, [By.AGENCY], rules=RULES).values()
    assert nobody.mean_score() is None


def test_queries_and_recalls_count_for_the_dossier_they_are_about() -> None:
    uses = {MaHoSo("H19.901-260302-0001"): Uses(asked=3, recalled=1), MaHoSo("H19.901-260302-9999"): Uses(asked=7)}
    (counts,) = tally([life(4)], MARCH, [By.SERVICE], rules=RULES, uses=uses).values()
    assert (counts.asked, counts.recalled) == (3, 1)


def test_a_late_hand_over_is_counted_by_the_hours_that_the_node_counts() -> None:
    friday = datetime(2026, 3, 6, 8, tzinfo=UTC)  # 15:00 in Vietnam
    handed = Span(trang_thai=4, since=friday + timedelta(hours=64))  # Monday 7:00
    life_ = life(4, due=90)
    read = replace(life_[1], complete_since=friday, spans=(handed,))
    working = DeadlineRules(hand_over_in_working_hours=True, calendar=WorkingCalendar())
    late = [
        tally([(life_[0], read)], MARCH, [By.SERVICE], rules=rules)[("1.001193",)].hand_over_late
        for rules in (RULES, working)
    ]
    assert late == [1, 0]


def test_a_transfer_that_is_answered_late_or_not_at_all_is_counted() -> None:
    due = START + 3 * DAY
    copies = [
        Transfer(don_vi_nhan="H19.904", sent_at=START, han_xu_ly=due, returned_at=at) for at in (None, due + DAY, due)
    ]
    lives = [(life(4)[0], replace(life(4)[1], transfers=(copy,))) for copy in copies]
    (counts,) = tally(lives, MARCH, [By.SERVICE], rules=RULES).values()
    assert counts.transfers_late == 2


def test_a_month_begins_at_midnight_at_home() -> None:
    dossier, read = life(4)
    before_midnight = datetime(2026, 2, 28, 17, 30, tzinfo=UTC)  # half past midnight on 1 March
    lives = [(replace(dossier, opened_at=before_midnight), replace(read, ngay_nop=before_midnight))]
    assert list(tally(lives, Period(since=START - 9 * DAY, until=START), [By.MONTH], rules=RULES)) == [("2026-03",)]


def of(*lives: tuple[Dossier, Trace], period: Period = MARCH) -> Tally:
    """The counts of one service."""
    return tally(lives, period, [By.SERVICE], rules=RULES).get(("1.001193",), Tally())


def test_a_group_begins_at_nothing() -> None:
    assert set(Tally().counts().values()) == {0}
    assert Uses() == Uses(asked=0, recalled=0)


def test_means_are_over_all_that_count() -> None:
    group = Tally(rated=4, scores={1: 1, 5: 3}, seconds_in_state={2: 30.0, 4: 60.0}, dossiers_in_state={2: 3, 4: 4})
    assert (group.mean_score(), group.mean_seconds()) == (4.0, {2: 10.0, 4: 15.0})


def test_a_period_begins_with_its_first_instant_and_ends_before_its_last() -> None:
    instant = timedelta(microseconds=1)
    moments = [MARCH.since - instant, MARCH.since, MARCH.until - instant, MARCH.until, None]
    assert [moment in MARCH for moment in moments] == [False, True, True, False, False]


def test_a_dossier_filed_when_the_period_ends_belongs_to_the_next() -> None:
    dossier, read = life(4)
    assert tally([(dossier, replace(read, ngay_nop=MARCH.until))], MARCH, [By.SERVICE], rules=RULES) == {}
    assert of((dossier, replace(read, ngay_nop=MARCH.until - timedelta(microseconds=1)))).filed == 1


def test_a_dossier_began_when_it_was_filed_or_received_or_first_heard_of() -> None:
    dossier, read = life(4)
    assert began(replace(read, ngay_nop=START - DAY), dossier) == START - DAY
    assert began(replace(read, ngay_nop=None), dossier) == START + DAY
    assert began(replace(read, ngay_nop=None, ngay_tiep_nhan=None), dossier) == START


def test_messages_count_in_the_period_in_which_they_were_recorded() -> None:
    dossier, read = rated((3, 1), (9, 2), (60, 3))
    assert of((dossier, read)).events == 2


def test_time_in_a_state_counts_from_its_first_instant_and_not_where_there_is_none() -> None:
    dossier, read = life(4)
    second = timedelta(seconds=1)
    spans = (Span(trang_thai=2, since=START, until=START), Span(trang_thai=4, since=START, until=START + second))
    counts = of((dossier, replace(read, spans=spans)), (dossier, replace(read, spans=spans)))
    assert (counts.seconds_in_state, counts.dossiers_in_state) == ({4: 2.0}, {4: 2})


def test_supplements_are_counted_by_dossier_and_more_than_one_apart() -> None:
    counts = of(*(life(4, supplements=n) for n in (0, 1, 1, 2, 3)))
    assert (counts.supplemented, counts.supplemented_twice) == (4, 2)


def test_stops_and_withdrawals_are_different_ends() -> None:
    counts = of(life(8), life(8), life(8), life(8, withdrawn=True), life(3), life(3))
    assert (counts.stopped, counts.withdrawn, counts.refused) == (3, 1, 2)
    before = replace(life(8)[1], spans=(Span(trang_thai=8, since=MARCH.since - DAY),))
    assert of((life(8)[0], before)).stopped == 0


def test_an_end_on_the_day_of_the_appointment_is_on_time() -> None:
    ends = [
        life(9, finished=3),
        life(9, finished=4),
        life(9, finished=10),
        life(9, finished=3, due=2),
        life(10, finished=11),
    ]
    counts = of(*ends)
    assert (counts.finished, counts.delivered, counts.on_time, counts.late) == (5, 1, 3, 2)
    dossier, read = life(9, finished=5)
    undated = of((dossier, replace(read, ngay_hen_tra=None)))
    assert (undated.on_time, undated.late) == (1, 0)


def test_uses_of_dossiers_that_are_not_on_record_have_a_group_of_their_own() -> None:
    groups: dict[tuple[str, ...], Tally] = {}
    use_of_unknown(groups, [By.SERVICE, By.AGENCY], [Uses(asked=1), Uses(asked=2, recalled=5)])
    assert {name: (group.asked, group.recalled) for name, group in groups.items()} == {("–", "–"): (3, 5)}
