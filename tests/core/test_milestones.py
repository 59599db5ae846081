"""Lives as dated rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.deadlines import GIO_VIET_NAM, appointment
from gateway.core.effects import Files, Moves, Notes, Owes, Pays, Redates, Returns, Transfers
from gateway.core.lifecycle import trace
from gateway.core.milestones import DATED, Milestone, MilestoneKind, Punctuality, milestones
from gateway.core.model import Change, Dossier, MaHoSo, MaThongDiep, MessageId, PartyId


def at(day: int, hour: int = 9, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=GIO_VIET_NAM)


def life(*events: tuple[datetime, object], thu_tu: tuple[int | None, ...] = ()) -> list[Milestone]:
    """The rows of a dossier with these events, told when they happened."""
    changes = tuple(
        Change(
            ma_ho_so=MaHoSo("H19.901-260302-0001"),
            number=number,
            message=MessageId(f"m{number}"),
            ma_thong_diep=MaThongDiep(f"t{number}"),
            loai="HS05",
            goc="CapNhatTienDo",
            sender=PartyId("so-tu-phap"),
            effects=(effect,),
            occurred_at=when,
            thu_tu=thu_tu[number - 1] if thu_tu else None,
            recorded_at=when,
        )
        for number, (when, effect) in enumerate(events, 1)
    )
    dossier = Dossier(
        ma_ho_so=MaHoSo("H19.901-260302-0001"),
        ma_tthc="1.001193",
        portal=PartyId("cong-dvc"),
        agency=PartyId("so-tu-phap"),
        changes=changes,
        opened_at=events[0][0],
    )
    return milestones(dossier, trace(changes))


def of(rows: list[Milestone], mark: MilestoneKind) -> list[Milestone]:
    return [row for row in rows if row.kind is mark]


FILED = (at(2), Files(trang_thai=1, ma_tthc="1.001193", kenh_thuc_hien="2", ngay_nop=at(2, 8)))
RECEIVED = (at(3), Moves(to=2, ngay_tiep_nhan=at(3), ngay_hen_tra=at(20, 17)))
TAKEN_UP = (at(3, 11), Moves(to=4))


def test_a_life_begins_with_its_filing_by_channel_and_month_at_home() -> None:
    midnight = datetime(2026, 2, 28, 17, 30, tzinfo=UTC)  # half past midnight on 1 March
    first, *_ = life((at(2), replace(FILED[1], ngay_nop=midnight)), RECEIVED)
    assert (first.kind, first.at, first.value, first.month) == (MilestoneKind.FILED, midnight, "2", "2026-03")
    assert life((at(2), replace(FILED[1], kenh_thuc_hien=None)))[0].value == "1"
    (received,) = of(life(FILED, RECEIVED), MilestoneKind.RECEIVED)
    assert received.at == at(3)
    assert of(life(FILED), MilestoneKind.RECEIVED) == []


@pytest.mark.parametrize(
    ("finished", "due", "how"),
    [
        (at(19, 23), at(20, 17), Punctuality.EARLY),
        (at(20, 8), at(20, 17), Punctuality.ON_TIME),
        (at(20, 17), at(20, 17), Punctuality.ON_TIME),
        (at(20, 18), at(20, 17), Punctuality.LATE),
        (at(21, 1), at(20, 17), Punctuality.LATE),
        (at(21, 1), None, Punctuality.UNDATED),
    ],
)
def test_an_end_is_early_on_time_late_or_without_an_appointment(finished, due, how) -> None:
    received = (at(3), replace(RECEIVED[1], ngay_hen_tra=due))
    rows = life(FILED, received, TAKEN_UP, (finished, Moves(to=9, ngay_ket_thuc=finished)))
    (end,) = of(rows, MilestoneKind.FINISHED)
    assert (end.at, end.until, end.value) == (finished, None, how)
    (hand_over,) = of(rows, MilestoneKind.HAND_OVER)
    assert (hand_over.at, hand_over.until, hand_over.seconds) == (at(3), at(3, 11), 7200.0)


def test_waiting_for_money_is_not_the_agencys_time() -> None:
    waits = [(at(10), Moves(to=6)), (at(17), Moves(to=4))]
    rows = life(FILED, RECEIVED, TAKEN_UP, *waits, (at(25), Moves(to=9)))
    assert [row.value for row in of(rows, MilestoneKind.FINISHED)] == [
        Punctuality.EARLY
    ]  # due on the 20th, and seven days more
    rows = life(FILED, RECEIVED, TAKEN_UP, *waits, (at(28), Moves(to=9)))
    assert [row.value for row in of(rows, MilestoneKind.FINISHED)] == [Punctuality.LATE]
    renewed = (at(18), Redates(ngay_hen_tra=at(24)))  # a new appointment knows of the days that were waited before it
    rows = life(FILED, RECEIVED, TAKEN_UP, *waits, renewed, (at(25), Moves(to=9)))
    assert [row.value for row in of(rows, MilestoneKind.FINISHED)] == [Punctuality.LATE]
    assert [(row.trang_thai, row.due) for row in of(rows, MilestoneKind.OPEN)][-3:] == [
        (6, None),
        (4, at(20, 17) + timedelta(days=7)),
        (4, at(24)),
    ]


def test_while_papers_are_waited_for_nothing_is_due_unless_it_was_before() -> None:
    asked = (at(10), Moves(to=5, han=at(30)))
    rows = life(FILED, RECEIVED, TAKEN_UP, asked)
    assert [(row.trang_thai, row.due, row.until) for row in of(rows, MilestoneKind.OPEN)] == [
        (1, None, at(3)),
        (2, at(20, 17), at(3, 11)),
        (4, at(20, 17), at(10)),
        (5, None, None),
    ]
    assert [(row.at, row.due, row.value) for row in of(rows, MilestoneKind.SUPPLEMENT)] == [(at(10), at(30), "1")]
    too_late = life(FILED, RECEIVED, TAKEN_UP, (at(22), Moves(to=5)))
    assert of(too_late, MilestoneKind.OPEN)[-1].due == at(20, 17)
    again = life(FILED, RECEIVED, TAKEN_UP, asked, (at(11), Moves(to=4)), (at(12), Moves(to=5)))
    assert [(row.value, row.until) for row in of(again, MilestoneKind.SUPPLEMENT)] == [("1", at(11)), ("2", None)]


def test_what_is_open_over_months_has_a_row_in_each_of_them_and_one_that_lasts_has_none_yet() -> None:
    rows = life(FILED, RECEIVED, TAKEN_UP, (at(5, month=6), Moves(to=9)))
    in_state_4 = [(row.at, row.until) for row in of(rows, MilestoneKind.OPEN) if row.trang_thai == 4]
    begins = [at(3, 11), *(at(1, 0, month) for month in (4, 5, 6))]
    assert in_state_4 == [(since, at(5, month=6)) for since in begins]
    assert [row.at for row in of(life(FILED), MilestoneKind.OPEN)] == [at(2, 8)]
    whole = life((at(1, 0), replace(FILED[1], ngay_nop=at(1, 0))), (at(1, 0, 4), RECEIVED[1]))
    assert [row.at for row in of(whole, MilestoneKind.OPEN) if row.trang_thai == 1] == [at(1, 0)]


def test_stops_refusals_and_withdrawals_are_different_ends() -> None:
    assert [row.at for row in of(life(FILED, (at(4), Moves(to=3, ly_do=True))), MilestoneKind.REFUSED)] == [at(4)]
    stopped = (at(4), Moves(to=8, ly_do=True))
    rows = life(FILED, RECEIVED, TAKEN_UP, stopped, (at(6), Moves(to=4)))
    assert [(row.at, row.until) for row in of(rows, MilestoneKind.STOPPED)] == [(at(4), at(6))]
    withdrawn = life(FILED, RECEIVED, (at(4), Moves(to=7)), (at(5), Moves(to=8)))
    assert [row.at for row in of(withdrawn, MilestoneKind.WITHDRAWN)] == [at(5)]
    assert of(withdrawn, MilestoneKind.STOPPED) == []
    returned = life(FILED, RECEIVED, (at(4), Moves(to=9, result_kind="tra-lai")), (at(5), Moves(to=10)))
    assert [row.at for row in of(returned, MilestoneKind.WITHDRAWN)] == [at(4)]
    assert (of(returned, MilestoneKind.FINISHED), of(returned, MilestoneKind.DELIVERED)) == ([], [])


@pytest.mark.parametrize(("hour", "due"), [(16, None), (17, None), (18, at(20, 17))])
def test_whoever_asks_for_papers_at_the_last_moment_asks_in_time(hour, due) -> None:
    rows = life(FILED, RECEIVED, (at(20, hour), Moves(to=5)))
    assert [(row.trang_thai, row.due) for row in of(rows, MilestoneKind.OPEN)][-1] == (5, due)


def test_an_end_that_was_undone_says_when() -> None:
    back = (at(12), Moves(to=4, ly_do=True))
    rows = life(FILED, RECEIVED, TAKEN_UP, (at(8), Moves(to=9)), (at(9), Moves(to=10)), (at(10), Moves(to=9)), back,
                (at(15), Moves(to=9)))  # fmt: skip
    assert [(row.at, row.until) for row in of(rows, MilestoneKind.FINISHED)] == [(at(8), at(12)), (at(15), None)]
    assert [(row.at, row.until) for row in of(rows, MilestoneKind.DELIVERED)] == [(at(9), at(10))]


def test_an_end_is_when_it_is_said_to_have_been_unless_that_end_was_undone_since() -> None:
    def finished(*ends):
        return [(row.at, row.until) for row in of(life(FILED, RECEIVED, TAKEN_UP, *ends), MilestoneKind.FINISHED)]

    assert finished((at(12), Moves(to=9, ngay_ket_thuc=at(10)))) == [(at(10), None)]
    undone = [(at(8), Moves(to=9)), (at(12), Moves(to=4, ly_do=True))]
    for said, known in ((at(12), at(12)), (at(11), at(15))):
        again = (at(15), Moves(to=9, ngay_ket_thuc=said))
        assert finished(*undone, again) == [(at(8), at(12)), (known, None)]


def test_the_day_of_delivery_is_that_of_the_delivery_that_stands() -> None:
    recalled = [(at(10), Moves(to=9)), (at(12), Moves(to=4, ly_do=True))]
    ends = [(at(8), Moves(to=9)), (at(9), Moves(to=10)), *recalled, (at(15), Moves(to=9))]
    rows = life(FILED, RECEIVED, TAKEN_UP, *ends, (at(16), Moves(to=10, ngay_tra=at(16, 8))))
    assert [(row.at, row.until) for row in of(rows, MilestoneKind.DELIVERED)] == [(at(9), at(10)), (at(16, 8), None)]


def test_a_dossier_that_is_told_when_all_is_done_was_received_before_and_open_until_then() -> None:
    filed = Files(
        trang_thai=10,
        ma_tthc="1.001193",
        ngay_tiep_nhan=at(2),
        ngay_hen_tra=at(9),
        ngay_ket_thuc=at(10),
        ngay_tra=at(11),
    )
    rows = life((at(1, month=4), filed))
    assert [(row.at, row.until, row.trang_thai, row.due) for row in of(rows, MilestoneKind.OPEN)] == [
        (at(2), at(10), 2, at(9))
    ]
    assert [(row.at, row.value) for row in of(rows, MilestoneKind.FINISHED)] == [(at(10), Punctuality.LATE)]
    assert [row.at for row in of(rows, MilestoneKind.DELIVERED)] == [at(11)]


def test_a_dossier_that_was_done_in_the_instant_of_its_receipt_was_never_open() -> None:
    filed = Files(trang_thai=10, ma_tthc="1.001193", ngay_tiep_nhan=at(2), ngay_ket_thuc=at(2), ngay_tra=at(2))
    rows = life((at(1, month=4), filed))
    assert of(rows, MilestoneKind.OPEN) == []
    assert [row.at for row in of(rows, MilestoneKind.FINISHED)] == [at(2)]


def test_time_in_a_state_is_known_when_it_is_left() -> None:
    rows = life(FILED, RECEIVED, TAKEN_UP)
    assert [(row.at, row.trang_thai, row.seconds) for row in of(rows, MilestoneKind.STAY)] == [
        (at(3), 1, 86400.0),
        (at(3, 11), 2, 7200.0),
    ]
    at_once = life(FILED, RECEIVED, (at(3), Moves(to=4)))
    assert [row.trang_thai for row in of(at_once, MilestoneKind.STAY)] == [1], "no time is no stay"


def test_a_hand_over_that_is_not_made_yet_is_open_and_stands_still_while_papers_are_waited_for() -> None:
    (still,) = of(life(FILED, RECEIVED), MilestoneKind.HAND_OVER)
    assert (still.at, still.due, still.until, still.seconds) == (at(3), at(3), None, None)
    (waits,) = of(life(FILED, RECEIVED, (at(3, 12), Moves(to=5))), MilestoneKind.HAND_OVER)
    assert (waits.until, waits.seconds) == (at(3, 12), 10800.0)
    assert of(life(FILED, RECEIVED, (at(4), Moves(to=8, ly_do=True))), MilestoneKind.HAND_OVER) == []


def test_transfers_and_scores_are_rows_of_their_own() -> None:
    sent = [(at(4), Transfers(don_vi_nhan="H19.904", han_xu_ly=at(6))), (at(4, 10), Transfers(don_vi_nhan="H19.905"))]
    rows = life(FILED, RECEIVED, *sent, (at(7), Returns()))
    assert [(row.at, row.due, row.until) for row in of(rows, MilestoneKind.TRANSFER)] == [(at(6), at(6), at(7))]
    given = [(at(8), Notes(what="danh-gia", value="2")), (at(9), Notes(what="danh-gia", value="4"))]
    rows = life(FILED, RECEIVED, *given, (at(9), Notes(what="bo-sung-da-nop", value="9")))
    assert [(row.at, row.until, row.value) for row in of(rows, MilestoneKind.RATED)] == [
        (at(8), at(9), "2"),
        (at(9), None, "4"),
    ]


def test_an_event_that_waits_for_an_earlier_one_is_a_row_until_that_comes() -> None:
    rows = life(FILED, (at(5), Moves(to=9)), thu_tu=(1, 3))
    assert [(row.at, row.value) for row in of(rows, MilestoneKind.WAITING)] == [(at(5), "so-tu-phap")]
    assert of(life(FILED, RECEIVED, (at(5), Moves(to=9)), thu_tu=(1, 2, 3)), MilestoneKind.WAITING) == []


def test_nothing_is_known_of_a_code_that_was_given_back() -> None:
    dossier = Dossier(ma_ho_so=MaHoSo("x"), ma_tthc=None, portal=None, agency=None)
    assert milestones(dossier, trace(())) == milestones(replace(dossier, opened_at=at(2)), trace(())) == []


def test_money_that_is_owed_moves_no_appointment_until_it_was_waited_for() -> None:
    changes = life(FILED, RECEIVED, (at(4), Owes(so_tien=1)), (at(5), Pays(so_tien=1)))
    assert [row.due for row in of(changes, MilestoneKind.OPEN)] == [None, at(20, 17)]
    assert [row.value for row in of(changes, MilestoneKind.OPEN)] == [Punctuality.UNDATED, DATED]
    assert appointment(trace(())) is None
