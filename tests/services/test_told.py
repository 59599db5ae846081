"""What a party that does not read our messages ends up believing: the nine sample lives, told to false far sides."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cong_quoc_gia import settings
from false_agency import Agency, Fault, run
from recorded_lives import PORTAL, Recorded, Teller, portal_where_they_were_filed, same_at_the_end, teller
from shapes import SHAPES, settings_of
from truc_van_ban import TrucVanBan
from truc_van_ban import settings as axis

from connectors.http import HttpLine
from connectors.registry import installed
from gateway.core.model import DeliveryState, MaHoSo
from gateway.core.told import ToldNews
from gateway.services.drift import AskedParty, ask_party, drift_alerts, drift_counts, drifting, projected
from schemas.record import RECORD_DATES, RECORD_LISTS


def test_the_nine_lives_end_at_a_national_portal_as_in_our_own_record(recorded: Recorded, tmp_path: Path) -> None:
    cong = portal_where_they_were_filed(recorded)

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            await one.tell()
            states = {delivery.state for delivery in one.deliveries()}
            assert states == {DeliveryState.DELIVERED, DeliveryState.NOTHING}
            for code in recorded.codes.values():
                same_at_the_end(cong, one.record(code), code)
            supplemented = recorded.codes["bo-sung-hai-lan"]
            remarks = [d.problem for d in one.deliveries(supplemented) if d.problem is not None]
            assert [(r.code, r.facts["element"]) for r in remarks] == [
                ("XSD-404", ["ThoiHanBoSung"]),  # each once, whatever number of supplements has it
                ("XSD-404", ["NgayNop"]),
            ]
            calls = len(cong.calls)
            await one.tell(days=1)
            assert len(cong.calls) == calls

    run(story())


WHOLE = {"cong-quoc-gia-lgsp", "mot-cua-tinh", "trung-tam-hcc"}  # whose packets have a place for everything
OPENS_WITH = {"dat-dai": {"NgayHenTra"}}  # what the call that opens a dossier carries, and no other
STATUS = {"2": "03", "3": "02", "4": "05", "9": "06", "10": "06"}  # of a document; other states have no word there
ONCE = (*RECORD_DATES, *RECORD_LISTS)


def agrees(dialect: str, far: Any, one: Teller, code: str) -> None:
    """The far side ends where our record stood when it was told last: all of it, or as far as its packets have a word.

    What they have no word for was remarked on, each once.
    """
    told = [delivery for delivery in one.deliveries(code) if delivery.loai != "HS02"]
    if not told:
        return
    for party in {delivery.party for delivery in told}:
        own = [delivery for delivery in told if delivery.party == party]
        record = one.record(code, after=own[-1])
        assert record.whole is not None
        problems = [d.problem for d in own if d.problem is not None and d.problem.code == "XSD-404"]
        lost = [name for problem in problems for name in problem.facts["element"]]
        there = {name for name in ONCE if record.whole.get(name)} if dialect not in WHOLE else set()
        assert len(lost) == len(set(lost))
        assert there - OPENS_WITH.get(dialect, set()) <= set(lost) <= there
    record = one.record(code, after=told[-1])
    steps = [row["TrangThai"] for row in record.rows]
    if dialect in WHOLE:
        said = {name: far.dossiers[code].get(name) or None for name in ONCE}
        assert said == {name: (record.whole or {}).get(name) for name in ONCE}
        assert [row["TrangThai"] for row in far.rows if row["MaHoSo"] == code] == steps
    if dialect == "edxml":
        last = [packet.code for packet in far.packets if packet.about[0].code == code]
        assert last[-1:] == [STATUS[state] for state in steps if state in STATUS][-1:]
    elif steps or dialect in WHOLE:
        assert far.states[code] == str(record.trace.trang_thai)


@pytest.mark.parametrize("dialect", ["edxml", *sorted(SHAPES)])
def test_no_life_is_held_up_in_any_dialect(dialect: str, recorded: Recorded, tmp_path: Path) -> None:
    far: Any = TrucVanBan() if dialect == "edxml" else SHAPES[dialect]()
    to = "agencies" if dialect in {"dat-dai", "mot-cua-igate"} else PORTAL  # who begins with the dossier that we bring

    async def story() -> None:
        async with Agency(far) as agency:
            table = (axis if dialect == "edxml" else settings_of(dialect))(agency.url, tmp_path)
            name = "edxml" if dialect == "edxml" else "http"
            async with teller(recorded, tmp_path, name, {**table, "private_addresses": True}, to=to) as one:
                await one.tell()
                assert {"HS01", "HS03"} & {d.loai for d in one.deliveries()}
                held = [(d.lane, d.loai, d.problem) for d in one.deliveries() if not d.state.is_final]
                assert held == []
                for code in recorded.codes.values():
                    agrees(dialect, far, one, code)
                calls = len(far.packets if dialect == "edxml" else far.calls)
                await one.tell(days=1)
                assert len(far.packets if dialect == "edxml" else far.calls) == calls

    run(story())


def test_what_was_refused_and_skipped_does_not_come_back_with_the_next_news(recorded: Recorded, tmp_path: Path) -> None:
    cong, code = portal_where_they_were_filed(recorded), recorded.codes["bo-sung-hai-lan"]
    cong.row_codes = {"Bổ sung bản sao căn cước công dân.": "17"}  # both requests of a supplement

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            await one.tell()
            for _ in range(2):
                (held,) = [d for d in one.deliveries(code) if d.state.holds_lane]
                assert (held.loai, held.problem.code if held.problem else None) == ("HS06", "DLV-036")
                with one.store.begin() as tx:
                    tx.skip(held.id, who="operator:an", reason="họ không nhận bước này", now=one.clock.now)
                await one.tell()
            assert all(d.state.is_final for d in one.deliveries(code))
            assert cong.state_of(code) == "10"
            assert "5" not in [row["TrangThai"] for row in cong.rows if row["MaHoSo"] == code]

    run(story())


@pytest.mark.parametrize("taken", [True, False])
def test_an_answer_that_was_lost_is_asked_about_and_nothing_is_there_twice(
    recorded: Recorded, tmp_path: Path, taken: bool
) -> None:
    """Whether the far side took what it did not answer to, or not."""
    cong, code = portal_where_they_were_filed(recorded), recorded.codes["muc-do-3"]

    async def story() -> None:
        async with Agency(cong) as agency:
            agency.keeps = taken
            agency.fault, agency.times = Fault.CUT_BEFORE_ANSWER, 9
            async with teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
                await one.tell()
                agency.keeps = True
                for _ in range(40):
                    await one.tell(minutes=10)
                assert all(d.state.is_final for d in one.deliveries(code))
                same_at_the_end(cong, one.record(code), code)

    run(story())


def test_a_portal_that_lost_a_dossier_gets_it_again(recorded: Recorded, tmp_path: Path) -> None:
    """It says “không tồn tại” to an update, although the dossier was filed through it."""
    cong, code = portal_where_they_were_filed(recorded), recorded.codes["muc-do-4-co-thanh-toan"]
    del cong.dossiers[code]

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            await one.tell()
            same_at_the_end(cong, one.record(code), code)
            assert cong.dossiers[code]["DanhSachLePhi"]

    run(story())


# Drift


def drift_of(one: Teller) -> list[tuple[str, str, str]]:
    """What `lienthong drift` lists: dossier, cause, whose turn."""
    (party,) = projected(one.parties)
    return [(d.ma_ho_so, d.cause.value, d.turn.value) for d in drifting(one.store, one.parties, party)]


def test_what_a_party_does_not_know_is_listed_with_its_cause_until_it_does(recorded: Recorded, tmp_path: Path) -> None:
    cong, codes = portal_where_they_were_filed(recorded), recorded.codes
    cong.row_codes = {"Bổ sung bản sao căn cước công dân.": "17"}
    held = codes["bo-sung-hai-lan"]

    async def story() -> None:
        async with (
            Agency(cong) as agency,
            teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one,
        ):
            assert {cause for _, cause, _ in drift_of(one)} == {"waiting"}
            await one.tell()
            assert drift_of(one) == [(held, "held", "operator")]
            soon, later = (
                [*drift_alerts(one.store, projected(one.parties), one.clock.now, timedelta(hours=h))] for h in (9**5, 1)
            )
            assert (soon, {(a.party, a.subject) for a in later}) == ([], {(PORTAL, held)})
            with one.store.read() as view:
                assert drift_counts(view, projected(one.parties)) == {PORTAL: 1}
            for _ in range(2):
                (holder,) = [d for d in one.deliveries(held) if d.state.holds_lane]
                with one.store.begin() as tx:
                    tx.skip(holder.id, who="operator:an", reason="họ không nhận bước này", now=one.clock.now)
                await one.tell()
            assert drift_of(one) == [(held, "let-go", "operator")]

    run(story())


def test_what_a_party_believes_otherwise_is_drift_until_it_takes_the_truth(recorded: Recorded, tmp_path: Path) -> None:
    cong, code = portal_where_they_were_filed(recorded), recorded.codes["muc-do-3"]

    async def story() -> None:
        async with (
            Agency(cong) as agency,
            teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one,
        ):
            await one.tell()
            assert drift_of(one) == []
            said = {"TrangThaiHoSo": "4", "NgayHenTra": one.told(code).facts["NgayHenTra"]}
            for believed, cause in ((said, "changed-there"), ({}, "missing-there")):
                with one.store.begin() as tx:
                    tx.tell(PORTAL, MaHoSo(code), ToldNews(believed=believed), one.clock.forward(minutes=1))
                assert drift_of(one) == [(code, cause, "party")]
            with one.store.begin() as tx:
                tx.tell(PORTAL, MaHoSo(code), ToldNews(taken="x"), one.clock.forward(minutes=1))
            with one.store.read() as view:
                assert view.believed_otherwise(PORTAL) == []

    run(story())


async def asked(one: Teller, table: dict[str, Any], most: int = 100) -> AskedParty:
    """The portal is asked what it has."""
    connector, (party,) = installed()["qcvn120"], projected(one.parties)
    configured = connector.configure({**table, "private_addresses": True})
    async with HttpLine(private_addresses=True) as line:
        http = line.http(configured.common)
        return await ask_party(one.store, party, connector, configured, http, one.clock, most=most, pause_s=0)


def test_a_state_that_was_changed_behind_our_back_is_found_by_asking(recorded: Recorded, tmp_path: Path) -> None:
    cong, codes = portal_where_they_were_filed(recorded), recorded.codes

    async def story() -> None:
        async with (
            Agency(cong) as agency,
            teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one,
        ):
            table = settings(agency.url, tmp_path)
            await one.tell()
            one.clock.forward(hours=1)
            first = await asked(one, table)
            assert (first, drift_of(one)) == (AskedParty(answers=len(codes)), [])
            cong.states[codes["muc-do-3"]] = "4"
            cong.dossiers[codes["hai-co-quan"]]["NgayHenTra"] = "20260101000000"
            cong.dossiers[codes["tu-choi"]]["NgayTuChoi"] = "hôm qua"
            del cong.dossiers[codes["rut-ho-so"]]
            cong.rows = [row for row in cong.rows if row["MaHoSo"] != codes["rut-ho-so"]]
            second = await asked(one, table)
            assert (second.answers, second.otherwise) == (len(codes), 4)
            assert sorted(drift_of(one)) == sorted(
                [
                    (codes["muc-do-3"], "changed-there", "party"),
                    (codes["hai-co-quan"], "changed-there", "party"),
                    (codes["tu-choi"], "changed-there", "party"),
                    (codes["rut-ho-so"], "missing-there", "party"),
                ]
            )

    run(story())


def test_a_party_that_cannot_say_now_keeps_what_was_heard_before(recorded: Recorded, tmp_path: Path) -> None:
    cong = portal_where_they_were_filed(recorded)

    async def story() -> None:
        async with (
            Agency(cong) as agency,
            teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one,
        ):
            table = settings(agency.url, tmp_path)
            await one.tell()
            agency.fault = Fault.GARBAGE
            silent = await asked(one, table)
            assert (silent.answers, silent.problem is not None) == (0, True)
            del table["tra_cuu"]
            mute = await asked(one, table)
            assert (mute.answers, mute.problem.code if mute.problem else None) == (0, "DLV-057")
            assert drift_of(one) == []

    run(story())
