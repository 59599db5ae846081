"""What a party was told, took and believes of a dossier, try after try."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from lives import CODE, NEW, START
from parties_known import party

from gateway.core.lifecycle import LifeRules
from gateway.core.model import Change, MaThongDiep, MessageId, PartyId
from gateway.core.parties import Receives, is_told
from gateway.core.problems import catalogue
from gateway.core.told import (
    CONTRADICTS,
    DossierLetters,
    EventLetter,
    Told,
    ToldNews,
    agreeing,
    compared,
    differing,
    packet_digest,
)

HOUR = timedelta(hours=1)
PORTAL = PartyId("cong-dvc")
NOTHING = Told(party=PORTAL, ma_ho_so=CODE)
STATE = {"TrangThaiHoSo": "4"}


def test_a_dossier_as_it_stood_is_known_by_its_newest_event() -> None:
    change = Change(
        ma_ho_so=CODE,
        number=3,
        message=MessageId("m"),
        ma_thong_diep=MaThongDiep("t"),
        loai="HS05",
        goc="CapNhatTienDo",
        sender=PORTAL,
        effects=(),
        occurred_at=START,
        thu_tu=None,
        recorded_at=START,
    )
    letters = tuple(EventLetter(change=change._replace(number=number), body=None) for number in (3, 7, 5))
    whole = DossierLetters(dossier=NEW, rules=LifeRules(), letters=letters)
    assert (whole.number, replace(whole, letters=()).number) == (7, 0)


def test_a_try_that_came_to_nothing_changes_nothing() -> None:
    assert NOTHING.after(ToldNews(), START, "m.cong", 1) == NOTHING
    assert (ToldNews().change, ToldNews().settled, NOTHING.change) == (0, False, 0)


FULL = Told(
    party=PORTAL,
    ma_ho_so=CODE,
    change=4,
    sent="s",
    taken="t",
    facts=STATE,
    rows=("r1", "r2"),
    refused={"x": "d0"},
    remarked=("n1",),
    told_at=START,
    taken_at=START,
    delivery="d1",
    attempt=2,
    believed={"TrangThaiHoSo": "1"},
    believed_at=START,
)


def test_who_says_otherwise_is_told_all_but_these_rows_once_more() -> None:
    assert FULL.again(("r2",)) == replace(FULL, sent=None, taken=None, rows=("r2",), refused={})


def test_what_is_no_news_stays_as_it_was() -> None:
    assert FULL.after(ToldNews(change=9), START + HOUR, "d2", 1) == FULL


def test_what_left_is_told_and_what_was_taken_is_taken() -> None:
    now = START + HOUR
    left = FULL.after(ToldNews(change=5, sent="s2", facts={"TrangThaiHoSo": "5"}), now, "d2", 1)
    assert left == replace(FULL, sent="s2", facts={"TrangThaiHoSo": "5"}, told_at=now, delivery="d2", attempt=1), (
        "it left, and was not taken"
    )
    taken = FULL.after(ToldNews(change=5, sent="s2", taken="s2", settled=True), now, "d2", 1)
    assert taken == replace(FULL, change=5, sent="s2", taken="s2", told_at=now, taken_at=now, delivery="d2", attempt=1)
    found = FULL.after(ToldNews(taken="s2"), now, "d2", 1)
    assert found == replace(FULL, taken="s2", taken_at=now), "the party was asked, and has it"
    rows = FULL.after(ToldNews(rows=("r2", "r3"), remarked=("n1", "n2")), now, None, None)
    assert rows == replace(
        FULL,
        rows=("r1", "r2", "r3"),
        remarked=("n1", "n2"),
        told_at=now,
        taken_at=now,
        delivery=None,
        attempt=None,
    )
    assert FULL.after(ToldNews(change=3, settled=True), now, "d2", 1).change == 4


def test_what_a_party_says_is_believed_from_then_on() -> None:
    said = FULL.after(ToldNews(believed={}), START + HOUR, "d2", 1)
    assert said == replace(FULL, believed={}, believed_at=START + HOUR)


def test_what_was_refused_is_the_refused_deliverys_to_say_again_until_it_is_taken() -> None:
    refused = FULL.after(ToldNews(refused=("y",)), START, "d2", 1)
    assert refused.refused == {"x": "d0", "y": "d2"}
    assert FULL.after(ToldNews(refused=("y",)), START, None, None).refused == {"x": "d0", "y": ""}
    assert refused.after(ToldNews(rows=("y",)), START, "d2", 2).refused == {"x": "d0"}
    assert refused.after(ToldNews(taken="x"), START, "d0", 2).refused == {"y": "d2"}
    assert [refused.owes("y", by) for by in ("d2", "d3")] == [True, False]
    assert [refused.owes(digest, "d3") for digest in ("r1", "t", "new", "x")] == [False, False, True, False]


@pytest.mark.parametrize(
    ("believed", "hours", "differs"),
    [
        (None, 0, False),
        ({}, 0, True),  # it has no such dossier
        ({"TrangThaiHoSo": "1"}, 0, True),
        ({"TrangThaiHoSo": "1"}, -1, False),  # it was told since
        (STATE, 0, False),
        ({}, None, False),
    ],
)
def test_a_party_differs_that_says_something_else_than_what_it_was_told_last(believed, hours, differs) -> None:
    when = None if hours is None else START + hours * HOUR
    one = replace(FULL, believed=believed, believed_at=when)
    assert one.differs is differs
    assert replace(one, taken_at=None).differs is (differs or hours == -1)


def test_that_a_party_contradicts_what_it_took_has_a_code_of_its_own() -> None:
    assert CONTRADICTS == "DLV-046"
    assert CONTRADICTS in catalogue()


def test_only_the_fields_that_a_look_up_gives_back_are_compared() -> None:
    packet = {"TrangThaiHoSo": "4", "NgayHenTra": "20260120170000", "NgayTra": "", "ChuHoSo": "x"}
    true = compared(packet)
    assert true == {"TrangThaiHoSo": "4", "NgayHenTra": "20260120170000"}
    assert differing(true, {"TrangThaiHoSo": "4", "NgayTra": "", "ChuHoSo": "y"}) == ()
    assert differing(true, {"NgayTra": None, "NgayHenTra": ""}) == ("NgayHenTra",)
    assert differing(true, {"NgayTra": "20260101000000", "TrangThaiHoSo": "5"}) == ("TrangThaiHoSo", "NgayTra")


@pytest.mark.parametrize(
    ("believed", "differs"),
    [
        ("20260115093015", False),
        ("20260115093000", False),  # whoever keeps minutes gives noughts back,
        ("20260115090000", False),  # hours,
        ("20260115000000", False),  # or days
        ("20260115093001", True),
        ("20260115100000", True),
        ("20260116000000", True),
        ("20260115", True),  # no moment
        ("", True),
    ],
)
def test_a_day_or_a_minute_is_not_taken_for_another_moment_of_it(believed, differs) -> None:
    true = {"NgayHenTra": "20260115093015"}
    assert differing(true, {"NgayHenTra": believed}) == (("NgayHenTra",) if differs else ())
    assert differing({}, {"NgayHenTra": "20260115000000"}) == ("NgayHenTra",)
    assert agreeing("20260115173015", "20260115000000") is True, "a day, in the afternoon too"
    assert agreeing("20260115173015", "chiều") is False


def test_a_packet_is_the_same_whatever_the_order_of_its_fields() -> None:
    digest = packet_digest({"a": "ư", "b": [1]})
    assert digest == packet_digest({"b": [1], "a": "ư"}) == "d3fbf38b2aa3d37918eefa13c8f11a87"
    assert digest != packet_digest({"a": "ư", "b": [2]})


@pytest.mark.parametrize(
    ("receives", "connector", "told"),
    [
        (Receives.PUSH, "qcvn120", True),
        (Receives.PULL, "qcvn120", False),
        (Receives.PUSH, None, False),
        (Receives.PUSH, "rest", False),
        (Receives.PUSH, "soap", False),
        (Receives.PUSH, "folder", False),
    ],
)
def test_who_does_not_read_our_messages_is_told_of_dossiers(receives, connector, told) -> None:
    assert is_told(party("a", receives=receives, connector=connector)) is told
