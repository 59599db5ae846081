"""Reconciliation by itself: at its hour, once a night, and what came of it stands in the log, the figures and one alert."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cong_quoc_gia import settings
from false_agency import Agency, Fault, Request, Response, run
from owed import Clock
from recorded_lives import PORTAL, Recorded, portal_where_they_were_filed, teller

from gateway.cli.alerts import current_alerts
from gateway.cli.nightly import reconcile_due
from gateway.cli.run import Desk
from gateway.services.reconciling import FAILED, reconciled
from gateway.settings import ReconcileSettings, Settings
from gateway.store import Store, open_engine, sidebook
from gateway.web.gauges import reconcile_figures
from gateway.web.worker import WorkMetrics

NIGHT = datetime(2026, 3, 2, 18, 30, tzinfo=UTC)  # 01:30 in Vietnam


def of_the_night(one: Settings, *parties: str) -> Settings:
    return replace(
        one, reconcile=ReconcileSettings(parties=parties, days=60), work=replace(one.work, private_addresses=True)
    )


async def night(gate: Any, settings_: Settings, clock: Clock) -> int:
    """One look whether somebody's time has come, as `work` takes it."""
    return await asyncio.to_thread(reconcile_due, gate, settings_, clock, lambda: False)


def test_a_party_is_reconciled_once_a_night_and_one_alert_tells_of_it(
    recorded: Recorded, sample_settings: Settings, tmp_path: Path
) -> None:
    cong, codes = portal_where_they_were_filed(recorded), recorded.codes

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            await one.tell()
            cong.states[codes["muc-do-3"]] = "4"
            gate = replace(recorded.gate, store=one.store, parties=one.parties)
            mine = of_the_night(sample_settings, PORTAL, "khong-co")
            one.clock.now = NIGHT - timedelta(minutes=1)
            assert await night(gate, mine, one.clock) == 0, "its hour has not come"
            assert await night(gate, of_the_night(sample_settings), one.clock) == 0, "off by default"
            one.clock.now = NIGHT
            agency.fault, agency.times = Fault.BUSY, 99
            assert await night(gate, mine, one.clock) == 0
            with one.store.read() as view:
                assert [line.facts for line in view.acts_since(FAILED, NIGHT)] == [{"party": PORTAL, "code": "DLV-004"}]
            agency.fault, agency.times = Fault.NONE, None
            one.clock.forward(minutes=30)
            assert await night(gate, mine, one.clock) == 0, "not every minute"
            one.clock.forward(minutes=40)
            assert await night(gate, mine, one.clock) == 1
            one.clock.forward(hours=2)
            assert await night(gate, mine, one.clock) == 0, "once a night"
            with one.store.read() as view:
                last = reconciled(view, one.clock.now)
            facts = last[PORTAL].facts
            assert (facts["source"], facts["ours"], facts["unread"], facts["differ"]) == (
                *("look-up", 9, 0),
                {"missing-here": 0, "missing-there": 0, "state": 1, "dates": 0},
            )
            _, figure = reconcile_figures(last)
            values = {sample.labels["kind"]: sample.value for sample in figure.samples}
            assert values == facts["differ"]
            alerts = current_alerts(sample_settings, one.store, one.parties, gate.trust, one.clock.now)
            (drift,) = [group for group in alerts if group.alarm == "drift"]
            assert (drift.party, [alert.subject for alert in drift.alerts]) == (PORTAL, [codes["muc-do-3"]])

    run(story())


def test_a_night_of_slow_look_ups_is_not_stuck_and_one_that_never_comes_back_is(
    recorded: Recorded, sample_settings: Settings, tmp_path: Path
) -> None:
    cong, time_of_figures = portal_where_they_were_filed(recorded), Clock(NIGHT)

    def seconds() -> float:
        return time_of_figures.now.timestamp()

    figures = WorkMetrics(seconds)
    found: list[list[str]] = []
    answer = cong.answer

    def slow(request: Request) -> Response:
        """A hundred seconds for each answer; and before the last one is given, nothing for long."""
        time_of_figures.forward(seconds=100)
        found.append(figures.stuck())
        if len(found) == len(recorded.codes):
            time_of_figures.forward(seconds=300)
            found.append(figures.stuck())
        return answer(request)

    cong.answer = slow  # type: ignore[method-assign] - the party of this test takes its time; nothing of ours is replaced

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            await one.tell()
            found.clear()
            gate = replace(recorded.gate, store=one.store, parties=one.parties)
            desk = Desk(gate, of_the_night(sample_settings, PORTAL), asyncio.Event())
            desk.figures, desk.now = figures, lambda: NIGHT
            figures.begins("reconcile", 60.0)
            await desk._reconcile()
            with one.store.read() as view:
                assert reconciled(view, NIGHT)[PORTAL].facts["ours"] == len(recorded.codes)

    run(story())
    assert len(found) > len(recorded.codes) >= 9, "at least a quarter of an hour"
    assert [names for names in found if names] == [["reconcile"]], "while it hung, and at no other time"


def test_a_party_that_reads_messages_is_asked_once_and_its_answer_is_waited_for(
    recorded: Recorded, sample_settings: Settings, tmp_path: Path
) -> None:
    shutil.copyfile(recorded.file, tmp_path / "lives.db")
    store = Store(open_engine(f"sqlite:///{tmp_path / 'lives.db'}"))
    gate, clock = replace(recorded.gate, store=store), Clock(NIGHT)
    try:
        for _ in range(2):
            assert reconcile_due(gate, of_the_night(sample_settings, "so-tu-phap"), clock, lambda: False) == 0
        with store.read() as view:
            assert [message.goc for message in view.messages(loai="HS19")] == ["DoiSoat"]
            assert view.acts_since(FAILED, NIGHT) == []
    finally:
        store.dispose()


def test_where_there_is_no_room_for_the_two_lists_that_is_noted_and_it_is_not_begun_again_each_minute(
    recorded: Recorded, sample_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cong = portal_where_they_were_filed(recorded)
    monkeypatch.setattr(sidebook, "_MADE", ("PRAGMA page_size=512", *sidebook._MADE, "PRAGMA max_page_count=3"))

    async def story() -> None:
        async with Agency(cong) as agency, teller(recorded, tmp_path, "qcvn120", settings(agency.url, tmp_path)) as one:
            await one.tell()
            gate = replace(recorded.gate, store=one.store, parties=one.parties)
            mine = of_the_night(sample_settings, PORTAL)
            one.clock.now = NIGHT
            for _ in range(2):
                assert await night(gate, mine, one.clock) == 0
                one.clock.forward(minutes=1)
            with one.store.read() as view:
                assert [line.facts for line in view.acts_since(FAILED, NIGHT)] == [{"party": PORTAL, "code": "SYS-048"}]
            monkeypatch.undo()
            one.clock.forward(hours=1)
            assert await night(gate, mine, one.clock) == 1

    run(story())
