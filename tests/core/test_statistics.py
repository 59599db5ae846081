"""Counting dossiers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.core.lifecycle import Span, Trace
from gateway.core.model import Dossier, MaHoSo, PartyId
from gateway.core.statistics import By, Period, tally

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
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
    (counts,) = tally(lives, MARCH, [By.SERVICE]).values()
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
        "events": 0,
    }


def test_groups_are_by_stem_agency_channel_and_month() -> None:
    lives = [life(4), life(4, agency="ubnd-xa-thu-nghiem")]
    groups = tally(lives, MARCH, [By.SERVICE, By.AGENCY, By.CHANNEL, By.MONTH])
    assert list(groups) == [
        ("1.001193", "so-tu-phap", "2", "2026-03"),
        ("1.001193", "ubnd-xa-thu-nghiem", "2", "2026-03"),
    ]


def test_a_dossier_of_a_later_period_does_not_count() -> None:
    february = Period(since=datetime(2026, 2, 1, tzinfo=UTC), until=datetime(2026, 3, 1, tzinfo=UTC))
    assert tally([life(4)], february, [By.SERVICE]) == {}


def test_the_mean_time_in_a_state_is_over_the_dossiers_that_were_in_it() -> None:
    (counts,) = tally([life(4), life(10, finished=5)], MARCH, [By.SERVICE]).values()
    assert counts.mean_seconds()[4] == (MARCH.until - START - DAY).total_seconds()
