"""What every connector must do, whatever it speaks: the same suite over each one that is installed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from false_agency import CUTS, Fault, run, until
from patience import PATIENCE_S
from rigs import RIGS, HttpRig, Rig

from connectors.outcomes import Answered, NotThere, Receipt, Refused, Uncertain, Unreachable
from connectors.registry import installed

every = pytest.mark.parametrize("rig", RIGS, ids=str)


def with_fault(*faults: Fault) -> pytest.MarkDecorator:
    """Over every connector whose far side can have this fault."""
    return pytest.mark.parametrize(
        ("rig", "fault"),
        [
            pytest.param(rig, fault, id=f"{rig}-{fault}" if len(faults) > 1 else str(rig))
            for rig in RIGS
            for fault in faults
            if fault in rig.faults
        ],
    )


def test_every_installed_connector_takes_part() -> None:
    connectors = installed()
    assert {rig.name for rig in RIGS} == set(connectors)
    assert all(connectors[name].sends for name in connectors)


@every
def test_it_delivers_and_gives_a_receipt(rig: Rig, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            one, two = rig.parcel(1), rig.parcel(2)
            assert isinstance(await stand.send(one), Receipt)
            assert isinstance(await stand.send(two), Receipt)
            assert stand.effects == [one.ma_thong_diep, two.ma_thong_diep]

    run(story())


@every
def test_the_same_parcel_again_has_one_effect(rig: Rig, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            for _ in range(3):
                assert isinstance(await stand.send(rig.parcel()), Receipt)
            assert stand.effects == [rig.parcel().ma_thong_diep]

    run(story())


@with_fault(Fault.REFUSE)
def test_a_final_no_is_refused(rig: Rig, fault: Fault, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            await stand.break_down(fault)
            with pytest.raises(Refused) as caught:
                await stand.send(rig.parcel())
            assert caught.value.problem.outcome == "failed"

    run(story())


@every
def test_nobody_there_is_certainly_not_taken(rig: Rig, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            await stand.switch_off()
            with pytest.raises(Unreachable) as caught:
                await stand.send(rig.parcel())
            assert caught.value.problem.outcome == "undetermined"
            await stand.switch_on()
            assert isinstance(await stand.send(rig.parcel()), Receipt)
            assert stand.effects == [rig.parcel().ma_thong_diep]

    run(story())


@with_fault(Fault.BUSY, Fault.REDIRECT)
def test_what_was_turned_away_at_the_door_is_certainly_not_taken(rig: Rig, fault: Fault, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            await stand.break_down(fault)
            with pytest.raises(Unreachable):
                await stand.send(rig.parcel())
            assert stand.effects == []

    run(story())


@with_fault(Fault.ERROR, Fault.SILENT, Fault.DEAF, Fault.GARBAGE, Fault.NOISE, Fault.HUGE, Fault.LOGIN_PAGE)
def test_no_clear_answer_is_uncertain(rig: Rig, fault: Fault, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            await stand.send(rig.parcel(9))  # whatever it has to do once, such as logging in, is done
            await stand.break_down(fault)
            with pytest.raises(Uncertain) as caught:
                await stand.send(rig.parcel())
            assert caught.value.problem.outcome == "undetermined"

    run(story())


@with_fault(*CUTS)
def test_a_cut_wire_never_doubles_an_effect(rig: Rig, fault: Fault, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            await stand.send(rig.parcel(9))
            await stand.break_down(fault, times=1)
            what = rig.parcel()
            try:
                assert isinstance(await stand.send(what), Receipt)
                assert fault is Fault.CUT_AFTER_ANSWER
            except Uncertain:
                assert fault is not Fault.CUT_AFTER_ANSWER
                if rig.asks:
                    found = await stand.ask(what)
                    assert isinstance(found, NotThere if stand.effects.count(what.ma_thong_diep) == 0 else Receipt)
                assert isinstance(await stand.send(what), Receipt)
            assert stand.effects.count(what.ma_thong_diep) == 1

    run(story())


@pytest.mark.parametrize("rig", [rig for rig in RIGS if isinstance(rig, HttpRig)], ids=str)
def test_a_slow_answer_in_time_is_an_answer(rig: Rig, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            await stand.slow_down(0.15)
            assert isinstance(await stand.send(rig.parcel()), Receipt)

    run(story())


@pytest.mark.parametrize("rig", [rig for rig in RIGS if rig.asks], ids=str)
def test_it_can_be_asked(rig: Rig, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            assert isinstance(await stand.ask(rig.parcel(1)), NotThere)
            await stand.send(rig.parcel(1))
            assert isinstance(await stand.ask(rig.parcel(1)), Receipt)
            assert isinstance(await stand.ask(rig.parcel(2)), NotThere)
            await stand.switch_off()
            with pytest.raises(Unreachable):
                await stand.ask(rig.parcel(1))

    run(story())


@pytest.mark.parametrize("rig", [rig for rig in RIGS if isinstance(rig, HttpRig) and rig.asks], ids=str)
@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.ERROR, Fault.LOGIN_PAGE, Fault.NOISE, Fault.CUT_BEFORE_ANSWER])
def test_an_unclear_answer_to_a_question_says_nothing(rig: Rig, fault: Fault, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            await stand.send(rig.parcel(1))
            await stand.break_down(fault)
            with pytest.raises(Unreachable):
                await stand.ask(rig.parcel(1))

    run(story())


@pytest.mark.parametrize("rig", [rig for rig in RIGS if isinstance(rig, HttpRig)], ids=str)
def test_cancelling_leaves_nothing_behind(rig: Rig, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            await stand.send(rig.parcel(9))
            await stand.slow_down(PATIENCE_S)
            asked = len(stand.agency.requests)
            task = asyncio.create_task(stand.send(rig.parcel(1)))
            await until(lambda: len(stand.agency.requests) > asked)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await stand.slow_down(0)
            assert isinstance(await stand.send(rig.parcel(1)), Receipt)
            assert stand.effects.count(rig.parcel(1).ma_thong_diep) == 1

    run(story())


@pytest.mark.parametrize("rig", [rig for rig in RIGS if isinstance(rig, HttpRig)], ids=str)
def test_whatever_goes_wrong_is_one_of_three_outcomes_with_words_in_both_languages(rig: Rig, tmp_path: Path) -> None:
    async def story() -> None:
        async with rig.open(tmp_path) as stand:
            for fault in sorted(rig.faults):
                await stand.break_down(fault)
                try:
                    await stand.send(rig.parcel())
                except Answered as answer:
                    for lang in ("vi", "en"):
                        assert "…" not in answer.problem.message(lang)  # type: ignore[arg-type]
                        assert answer.problem.remedy(lang)  # type: ignore[arg-type]

    run(story())
