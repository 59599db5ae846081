"""Mending: what a reconciliation found ends at the party as on our record, and every new delivery stands in the log."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cong_quoc_gia import settings
from false_agency import Agency, run
from recorded_lives import PORTAL, Recorded, Teller, portal_where_they_were_filed, same_at_the_end, teller
from shapes import SHAPES, settings_of
from sqlalchemy import text

from connectors.http import HttpLine
from connectors.registry import installed
from gateway.core.batches import BatchItemState, BatchKind
from gateway.core.problems import Stopped
from gateway.services.batches import BatchActs, batch_known, carry_on_batches, start_batch
from gateway.services.drift import drifting
from gateway.services.reconciling import ReconcilePeriod, compare_asked, disagreements
from gateway.services.repairing import TURN_LASTS, Repair, alone, mend_dossier, plan_repairs, repair_steps
from gateway.store import SideBook, Store, open_engine
from gateway.store.compare import compare_with_log

ACTS = BatchActs(rejudge=lambda message, now, also: None, mend=mend_dossier)
YEAR = ReconcilePeriod(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2027, 1, 1, tzinfo=UTC))


async def mended(one: Teller, name: str, table: dict[str, Any]) -> dict[str, Repair]:
    """The portal is asked, what differs is planned and done; gives what was planned, by dossier."""
    connector, party = installed()[name], one.parties.get(PORTAL)
    assert party is not None
    configured = connector.configure({**table, "private_addresses": True})
    async with HttpLine(private_addresses=True) as line:
        http = line.http(configured.common)

        async def ask(code: str, remembered: Mapping[str, Any]) -> Mapping[str, Any] | None:
            return await connector.heard(code, party, configured.settings, http, remembered)

        with SideBook() as book:
            await compare_asked(
                one.store, one.parties, party, ask, YEAR, book, one.clock, pause_s=0, told=print, tell=lambda *_: None
            )
            found = list(disagreements(one.store, one.parties, party, book))
            words = getattr(configured.settings, "calls_of", lambda _loai: True)
            plan = list(plan_repairs(one.store, one.parties, party, found, lambda loai: bool(words(loai))))
    steps = list(repair_steps(one.store, plan))
    assert len(steps) == len([r for r in plan if r.act.value != "nothing"])
    if steps:
        how = {"who": "operator:lan", "reason": "cổng mất dữ liệu", "per_second": 1000.0}
        made = start_batch(one.store, BatchKind.REPAIR, steps, now=one.clock(), **how)
        for _ in steps:
            carry_on_batches(one.store, ACTS, one.clock)
            one.clock.forward(seconds=1)
        assert batch_known(one.store, made.number).counts == {BatchItemState.QUEUED: len(steps)}
    return {one.about.ma_ho_so: one for one in plan}


def tells_no_difference(store: Store) -> bool:
    assert compare_with_log(store).differences == []
    return True


def test_what_a_portal_changed_or_lost_is_told_again_and_stands_there_as_on_record(
    recorded: Recorded, tmp_path: Path
) -> None:
    cong, codes = portal_where_they_were_filed(recorded), recorded.codes
    changed, lost, other = codes["muc-do-3"], codes["bo-sung-hai-lan"], codes["hai-co-quan"]

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            table = settings(agency.url, tmp_path)
            await one.tell()
            one.clock.forward(hours=1)
            cong.states[changed] = "4"
            cong.dossiers[other]["NgayHenTra"] = "20260101000000"
            del cong.dossiers[lost]
            cong.rows = [row for row in cong.rows if row["MaHoSo"] != lost]
            plan = await mended(one, "qcvn120", table)
            assert {code: (p.act.value, p.rows, p.tells["TrangThaiHoSo"]) for code, p in plan.items()} == {
                changed: ("project", 0, "10"),
                other: ("project", 0, "10"),
                lost: ("project", len(one.record(lost).rows), "10"),
            }
            await one.tell(hours=1)
            for code in (changed, lost, other):
                same_at_the_end(cong, one.record(code), code)
            assert await mended(one, "qcvn120", table) == {}
            party = one.parties.get(PORTAL)
            assert party is not None
            assert list(drifting(one.store, one.parties, party)) == []
            with one.store.read() as view:
                lines = [line for line in view.log(limit=100_000) if line.what == "delivery.retold"]
            assert [(line.who, line.facts["party"], line.facts["reason"]) for line in lines] == [
                ("operator:lan", PORTAL, "cổng mất dữ liệu")
            ] * 3
            assert tells_no_difference(one.store)
            with one.store.engine.begin() as connection:
                connection.execute(
                    text("UPDATE delivery SET party = 'ai-do' WHERE id = :id"), {"id": lines[0].facts["delivery"]}
                )
            found = compare_with_log(one.store).differences
            assert [(d.table, d.row, d.line) for d in found] == [
                ("delivery", lines[0].facts["delivery"], lines[0].number)
            ]

    run(story())


def test_a_dossier_that_a_called_system_lost_is_told_to_it_from_the_beginning(
    recorded: Recorded, tmp_path: Path
) -> None:
    far, code = SHAPES["mot-cua-tinh"](), recorded.codes["muc-do-3"]
    far.strict = True

    async def story() -> None:
        async with Agency(far) as agency:
            table = settings_of("mot-cua-tinh")(agency.url, tmp_path)
            async with teller(recorded, tmp_path, "http", {**table, "private_addresses": True}) as one:
                await one.tell()
                one.clock.forward(hours=1)
                del far.dossiers[code]
                far.rows = [row for row in far.rows if row["MaHoSo"] != code]
                plan = await mended(one, "http", table)
                assert plan[code].act.value == "project"
                await one.tell(hours=1)
                assert [d.problem for d in one.deliveries(code) if not d.state.is_final] == []
                assert far.dossiers[code]["NgayTra"] == one.record(code).whole["NgayTra"]
                last = [row["TrangThai"] for row in far.rows if row["MaHoSo"] == code]
                assert last[-1] == str(one.record(code).trace.trang_thai)

    run(story())


def test_a_lane_that_is_held_is_replayed_and_not_told_twice(recorded: Recorded, tmp_path: Path) -> None:
    cong, code = portal_where_they_were_filed(recorded), recorded.codes["bo-sung-hai-lan"]
    cong.row_codes = {"Bổ sung bản sao căn cước công dân.": "17"}

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            table = settings(agency.url, tmp_path)
            await one.tell()
            cong.row_codes = {}
            plan = await mended(one, "qcvn120", table)
            assert {c: (p.act.value, p.about.cause.value) for c, p in plan.items()} == {code: ("replay", "held")}
            await one.tell(hours=1)
            same_at_the_end(cong, one.record(code), code)

    run(story())


def test_two_reconciliations_of_one_party_at_once_are_one_and_a_sentence(recorded: Recorded, tmp_path: Path) -> None:
    shutil.copyfile(recorded.file, tmp_path / "lives.db")
    store = Store(open_engine(f"sqlite:///{tmp_path / 'lives.db'}"))
    now = datetime(2026, 3, 1, tzinfo=UTC)
    try:
        for _ in range(2):  # the turn is given back
            with alone(store, PORTAL, lambda: now), alone(store, "so-tu-phap", lambda: now):
                with pytest.raises(Stopped) as stop, alone(store, PORTAL, lambda: now):
                    pass
                (problem,) = stop.value.problems
                assert (problem.code, problem.facts["since"]) == ("REC-020", now.isoformat())
        with alone(store, PORTAL, lambda: now) as _:
            later = now + 2 * TURN_LASTS  # whoever was at it has died
            with alone(store, PORTAL, lambda: later):
                pass
    finally:
        store.dispose()
