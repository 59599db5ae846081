"""Our record against what a party believes: the nine lives, set beside lists, look-ups and letters of a party that is not at one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sampling
from cong_quoc_gia import settings
from false_agency import Agency, Fault, run
from recorded_lives import PORTAL, Recorded, Teller, portal_where_they_were_filed, teller

from connectors.http import HttpLine
from connectors.registry import installed
from gateway.core.parties import Parties
from gateway.core.problems import Problem, Stopped
from gateway.core.reconcile import Disagreement
from gateway.services.drift import drifting
from gateway.services.exports import ExportRow, PartyExport, read_column_map
from gateway.services.reconciling import (
    Compared,
    ReconcilePeriod,
    compare_asked,
    compare_list,
    disagreements,
)
from gateway.store import SideBook, Store, open_engine

YEAR = ReconcilePeriod(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2027, 1, 1, tzinfo=UTC))
SAMPLES = sampling.SAMPLES / "reconcile"


@dataclass
class Desk:
    """A copy of the nine lives."""

    store: Store
    parties: Parties
    codes: dict[str, str]

    def against(
        self,
        listed: list[ExportRow | Problem],
        fields: tuple[str, ...],
        party: str = PORTAL,
        period: ReconcilePeriod = YEAR,
    ) -> tuple[Compared, dict[str, Disagreement], list[str]]:
        """What a list comes to, what differs by dossier, and the codes of what was none."""
        told: list[str] = []
        who = self.parties.get(party)
        assert who is not None
        with SideBook() as book:
            compared = compare_list(
                self.store,
                self.parties,
                who,
                iter(listed),
                period,
                book,
                fields=fields,
                digits={},
                told=lambda problem: told.append(problem.code),
                tell=lambda _done, _all: None,
            )
            found = {one.ma_ho_so: one for one in disagreements(self.store, self.parties, who, book)}
        return compared, found, told


@contextmanager
def opened(recorded: Recorded, folder: Path) -> Iterator[Desk]:
    shutil.copyfile(recorded.file, folder / "lives.db")
    store = Store(open_engine(f"sqlite:///{folder / 'lives.db'}"))
    try:
        yield Desk(store, recorded.gate.parties, dict(recorded.codes))
    finally:
        store.dispose()


@pytest.fixture
def desk(recorded: Recorded, tmp_path: Path) -> Iterator[Desk]:
    with opened(recorded, tmp_path) as one:
        yield one


def truth(desk: Desk, fields: tuple[str, ...]) -> dict[str, ExportRow]:
    """Our own record as the party would list it, were it at one with us."""
    with SideBook() as book:
        party = desk.parties.get(PORTAL)
        assert party is not None
        compare_list(
            desk.store,
            desk.parties,
            party,
            iter([]),
            YEAR,
            book,
            fields=fields,
            digits={},
            told=print,
            tell=lambda *_: None,
        )
        pairs = list(book.differing())
    return {pair.code: ExportRow(line, pair.code, pair.ours or {}) for line, pair in enumerate(pairs, 2)}


FIELDS = ("TrangThaiHoSo", "NgayTiepNhan", "NgayHenTra", "NgayTra", "NgayTuChoi", "NgayKetThucXuLy")


def test_sides_that_are_at_one_agree_by_count_and_digest_in_whatever_order(desk: Desk) -> None:
    lines = truth(desk, FIELDS)
    compared, found, _ = desk.against([*reversed(lines.values())], FIELDS)
    assert (compared.ours, compared.theirs, compared.agree, found) == (9, 9, 9, {})
    assert compared.digest_ours == compared.digest_theirs


def test_each_way_to_differ_is_found_with_its_cause_and_turn(desk: Desk) -> None:
    lines, codes = truth(desk, FIELDS), desk.codes
    del lines[codes["rut-ho-so"]]
    late = lines[codes["muc-do-3"]]
    lines[late.ma_ho_so] = replace(late, fields={**late.fields, "TrangThaiHoSo": "4", "NgayTra": None})
    other = lines[codes["hai-co-quan"]]
    lines[other.ma_ho_so] = replace(other, fields={**other.fields, "NgayHenTra": "20260101000000"})
    strange = ExportRow(99, "H19.901-260101-9999", {"TrangThaiHoSo": "2"})
    compared, found, told = desk.against(
        [*lines.values(), strange, replace(strange, line=100), Problem("REC-004", {"found": 1, "expected": 2})], FIELDS
    )
    assert {code: (one.kind.value, one.cause.value, one.turn.value) for code, one in found.items()} == {
        codes["rut-ho-so"]: ("missing-there", "waiting", "gateway"),
        codes["muc-do-3"]: ("state", "waiting", "gateway"),
        codes["hai-co-quan"]: ("dates", "waiting", "gateway"),
        strange.ma_ho_so: ("missing-here", "never-sent", "party"),
    }
    assert found[codes["muc-do-3"]].fields["TrangThaiHoSo"] == ("4", late.fields["TrangThaiHoSo"])
    assert set(found[codes["hai-co-quan"]].fields) == {"NgayHenTra"}
    assert told == ["REC-008", "REC-004"]
    assert (compared.ours, compared.theirs, compared.agree) == (9, 9, 6)
    assert {kind.value: n for kind, n in compared.kinds.items()} == dict.fromkeys(
        ("missing-here", "missing-there", "state", "dates"), 1
    )


def test_a_dossier_outside_the_period_is_not_called_missing_for_its_date(desk: Desk) -> None:
    lines = truth(desk, FIELDS)
    nothing = ReconcilePeriod(since=datetime(2020, 1, 1, tzinfo=UTC), until=datetime(2020, 2, 1, tzinfo=UTC))
    compared, found, _ = desk.against([*lines.values()], FIELDS, period=nothing)
    assert (compared.ours, compared.theirs, found) == (9, 9, {})


def test_the_sample_export_is_compared_by_the_sample_map(desk: Desk) -> None:
    party = desk.parties.get(PORTAL)
    assert party is not None
    export = PartyExport(SAMPLES / "xuat.csv", read_column_map(SAMPLES / "cot.toml"), party)
    told: list[tuple[str, int | None]] = []
    with SideBook() as book:
        compared = compare_list(
            desk.store,
            desk.parties,
            party,
            iter(export),
            YEAR,
            book,
            fields=export.fields,
            digits=export.digits,
            told=lambda problem: told.append((problem.code, problem.at.line if problem.at else None)),
            tell=lambda *_: None,
        )
        found = [
            (one.ma_ho_so, one.kind.value, sorted(one.fields))
            for one in disagreements(desk.store, desk.parties, party, book)
        ]
    assert (compared.ours, compared.theirs, compared.agree, told) == (9, 9, 6, [])
    assert found == [
        (desk.codes["muc-do-3"], "state", ["NgayTra", "TrangThaiHoSo"]),
        (desk.codes["rut-ho-so"], "missing-there", ["NgayHenTra", "NgayTiepNhan", "TrangThaiHoSo"]),
        (desk.codes["hai-co-quan"], "dates", ["NgayHenTra"]),
        ("H19.901-260203-0011", "missing-here", ["NgayHenTra", "NgayTiepNhan", "TrangThaiHoSo"]),
    ]


def test_what_a_party_confirmed_and_now_says_otherwise_is_its_turn(recorded: Recorded, tmp_path: Path) -> None:
    cong, codes = portal_where_they_were_filed(recorded), recorded.codes

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            await one.tell()
            desk = Desk(one.store, one.parties, dict(codes))
            lines = truth(desk, FIELDS)
            lines[codes["muc-do-3"]] = replace(lines[codes["muc-do-3"]], fields=dict.fromkeys(FIELDS, "4"))
            del lines[codes["rut-ho-so"]]
            _, found, _ = desk.against([*lines.values()], FIELDS)
            assert {code: (d.cause.value, d.turn.value, d.code) for code, d in found.items()} == {
                codes["muc-do-3"]: ("changed-there", "party", "DLV-046"),
                codes["rut-ho-so"]: ("missing-there", "party", "DLV-046"),
            }

    run(story())


# Asked


async def asked(
    one: Teller, table: dict[str, Any]
) -> tuple[Compared, dict[str, Disagreement], list[tuple[str, str | None]]]:
    """What asking the portal of every dossier comes to, what differs, and what could not be read."""
    connector, party = installed()["qcvn120"], one.parties.get(PORTAL)
    assert party is not None
    configured = connector.configure({**table, "private_addresses": True})
    told: list[tuple[str, str | None]] = []
    async with HttpLine(private_addresses=True) as line:
        http = line.http(configured.common)

        async def ask(code: str, remembered: Mapping[str, Any]) -> Mapping[str, Any] | None:
            return await connector.heard(code, party, configured.settings, http, remembered)

        with SideBook() as book:
            compared = await compare_asked(
                one.store,
                one.parties,
                party,
                ask,
                YEAR,
                book,
                one.clock,
                pause_s=0,
                told=lambda problem: told.append((problem.code, problem.at.xpath if problem.at else None)),
                tell=lambda *_: None,
            )
            found = {d.ma_ho_so: d for d in disagreements(one.store, one.parties, party, book)}
    return compared, found, told


def test_what_was_changed_behind_our_back_is_found_by_asking(recorded: Recorded, tmp_path: Path) -> None:
    cong, codes = portal_where_they_were_filed(recorded), recorded.codes

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            table = settings(agency.url, tmp_path)
            await one.tell()
            one.clock.forward(hours=1)
            compared, found, told = await asked(one, table)
            assert (compared.ours, compared.agree, found, told) == (9, 9, {}, [])
            assert compared.digest_ours == compared.digest_theirs
            cong.states[codes["muc-do-3"]] = "4"
            cong.dossiers[codes["hai-co-quan"]]["NgayHenTra"] = "20260101000000"
            del cong.dossiers[codes["rut-ho-so"]]
            cong.rows = [row for row in cong.rows if row["MaHoSo"] != codes["rut-ho-so"]]
            compared, found, told = await asked(one, table)
            assert {code: (d.kind.value, d.cause.value, d.turn.value, d.code) for code, d in found.items()} == {
                codes["muc-do-3"]: ("state", "changed-there", "party", "DLV-046"),
                codes["hai-co-quan"]: ("dates", "changed-there", "party", "DLV-046"),
                codes["rut-ho-so"]: ("missing-there", "missing-there", "party", "DLV-046"),
            }
            party = one.parties.get(PORTAL)
            assert party is not None
            drift = {d.ma_ho_so: d.code for d in drifting(one.store, one.parties, party)}
            assert drift == dict.fromkeys(found, "DLV-046")  # what it was heard to believe is on record from now on

    run(story())


def test_an_answer_that_cannot_be_read_is_never_not_there(recorded: Recorded, tmp_path: Path) -> None:
    cong, codes = portal_where_they_were_filed(recorded), recorded.codes
    look_up = cong._tra_cuu

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            table = settings(agency.url, tmp_path)
            await one.tell()
            cong._tra_cuu = lambda said: cong._say("0") if said["mahoso"] == codes["muc-do-3"] else look_up(said)
            compared, found, told = await asked(one, table)
            assert (compared.ours, compared.agree, found, compared.ended) == (8, 8, {}, None)
            assert told == [("DLV-023", codes["muc-do-3"])]
            agency.fault, agency.times = Fault.BUSY, 99
            compared, found, told = await asked(one, table)
            assert (compared.ours, found, compared.ended.code if compared.ended else None) == (0, {}, "DLV-004")
            del table["tra_cuu"]
            agency.times = 0
            with pytest.raises(Stopped) as stop:
                await asked(one, table)
            assert [problem.code for problem in stop.value.problems] == ["REC-022"]

    run(story())
