from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dated as letters
import pytest
from false_agency import Agency, Fault, Lienthong, Request, Response, run, until

from connectors.base import connector
from connectors.http import HttpLine
from connectors.outcomes import Answered, Fetched, Unreachable
from connectors.registry import installed
from gateway.core.model import Acknowledgement, Channel, Envelope, Fate
from gateway.core.parties import Parties, Party
from gateway.documents import parse_bytes
from gateway.services import fetch
from gateway.services.intake import Gate, new_message_id, receive
from gateway.store import StoreError
from gateway.web.crashes import AnswerCrashes, Crashes, read_at_death

AGENCY = "so-tu-phap"

Receive = Callable[[Sequence[Envelope]], list[Acknowledgement]]


_ticks = itertools.count()


def now() -> datetime:
    """Each time asked, a second later than the last time: what came in first is told by its time."""
    return letters.NOW + timedelta(seconds=next(_ticks))


def into(gate: Gate) -> Receive:
    """The real counter."""
    return lambda envelopes: receive(envelopes, gate, now())


def source(gate: Gate, party: str, connector: str, **settings: Any) -> tuple[fetch.Source, Party]:
    """A registered party whose connector fetches."""
    known = gate.parties.get(party)
    assert known is not None
    told = replace(known, connector=connector, connector_settings=settings)
    (found,) = fetch.sources(Parties([told]), installed())
    return found, told


async def once(one: fetch.Source, into: Receive) -> int:
    async with HttpLine(private_addresses=True) as line:
        return await fetch.once(one, into, new_message_id, now, line)


class Queue(Lienthong):
    """An agency that keeps its messages until they are acknowledged."""

    def __init__(self, *bodies: bytes) -> None:
        super().__init__()
        self.waiting = list(bodies)
        self.receipts: list[bytes] = []

    def answer(self, request: Request) -> Response:
        if request.method == "GET":
            if not self.waiting:
                return Response(204)
            ma = parse_bytes(self.waiting[0]).findtext("{*}MaThongDiep") if self.waiting[0][:1] == b"<" else "x"
            return Response(200, body=self.waiting[0], headers={"MaThongDiep": ma or "y"})
        self.receipts.append(request.body)
        del self.waiting[0]
        return Response(204)


@pytest.fixture
def filed(gate: Gate) -> list[bytes]:
    """Messages of the portal, which a fetched party may be as well."""
    del gate
    return [letters.nop(letters.ma_ho_so(AGENCY), to=AGENCY) for _ in range(3)]


def test_what_an_agency_keeps_for_us_is_judged_recorded_and_acknowledged_in_order(
    gate: Gate, filed: list[bytes]
) -> None:
    async def story() -> tuple[int, Queue]:
        queue = Queue(*filed)
        async with Agency(queue) as agency:
            one, _ = source(gate, "cong-dvc", "rest", url=agency.url, fetch_url=agency.url)
            return await once(one, into(gate)), queue

    count, queue = run(story())
    assert (count, queue.waiting) == (3, [])
    assert [parse_bytes(r).findtext(".//{*}KetQua") for r in queue.receipts] == ["CHAP_NHAN"] * 3
    assert gate.store is not None
    with gate.store.read() as view:
        messages = sorted(view.messages(), key=lambda m: m.received_at)
        assert [view.body(m.id, m.digest) for m in messages] == filed
        assert {(m.channel, m.state, m.caller_by) for m in messages} == {(Channel.FETCH, Fate.ACCEPTED, "fetched")}


def test_a_bad_message_is_recorded_refused_and_holds_up_nobody(gate: Gate, filed: list[bytes]) -> None:
    async def story() -> Queue:
        queue = Queue(filed[0], b"<x/>", b"nonsense", filed[1])
        async with Agency(queue) as agency:
            one, _ = source(gate, "cong-dvc", "rest", url=agency.url, fetch_url=agency.url)
            assert await once(one, into(gate)) == 4
        return queue

    queue = run(story())
    assert [b"CHAP_NHAN" in r for r in queue.receipts] == [True, False, False, True]
    assert gate.store is not None
    with gate.store.read() as view:
        assert sorted(m.state.value for m in view.messages()) == ["accepted", "accepted", "rejected", "rejected"]


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE_ANSWER, Fault.SILENT, Fault.ERROR])
def test_an_acknowledgement_that_was_lost_brings_the_message_again_and_the_first_receipt(
    gate: Gate, filed: list[bytes], fault: Fault
) -> None:
    async def story() -> Queue:
        queue = Queue(*filed)
        async with Agency(queue) as agency:
            agency.keeps = False
            patient, _ = source(gate, "cong-dvc", "rest", url=agency.url, fetch_url=agency.url)
            hasty, _ = source(gate, "cong-dvc", "rest", url=agency.url, fetch_url=agency.url, timeout_s=0.5)

            def lose_the_next(envelopes: Sequence[Envelope]) -> list[Acknowledgement]:
                agency.fault, agency.times = fault, 1
                return receive(envelopes, gate, now())

            with pytest.raises(Answered):
                await once(hasty if fault is Fault.SILENT else patient, lose_the_next)
            assert len(queue.waiting) == 3
            assert await once(patient, into(gate)) == 3
        return queue

    queue = run(story())
    assert len(queue.receipts) == 3
    assert gate.store is not None
    with gate.store.read() as view:
        assert len(view.messages()) == 3
        assert len(view.deliveries()) == 3


def test_nothing_is_acknowledged_that_is_not_on_record(gate: Gate, filed: list[bytes]) -> None:
    def no_database(envelopes: Sequence[Envelope]) -> list[Acknowledgement]:
        raise StoreError("away")

    async def story() -> Queue:
        queue = Queue(*filed)
        async with Agency(queue) as agency:
            one, _ = source(gate, "cong-dvc", "rest", url=agency.url, fetch_url=agency.url)
            with pytest.raises(StoreError):
                await once(one, no_database)
        return queue

    queue = run(story())
    assert (len(queue.waiting), queue.receipts) == (3, [])


@pytest.mark.parametrize(
    "answer", [Response(404), Response(200, body=b"<a/>"), Response(302, headers={"Location": "/x"})]
)
def test_an_agency_that_does_not_keep_to_the_form_is_told_and_left_alone(gate: Gate, answer: Response) -> None:
    async def story() -> None:
        queue = Queue()
        queue.answer = lambda _: answer  # type: ignore[method-assign]
        async with Agency(queue) as agency:
            one, _ = source(gate, "cong-dvc", "rest", url=agency.url, fetch_url=agency.url)
            with pytest.raises(Unreachable):
                await once(one, into(gate))

    run(story())


def test_an_agency_that_never_takes_our_acknowledgement_does_not_keep_us_for_ever(
    gate: Gate, filed: list[bytes]
) -> None:
    async def story() -> int:
        queue = Queue(filed[0])
        real = queue.answer
        queue.answer = lambda r: real(r) if r.method == "GET" else Response(204)  # type: ignore[method-assign]
        async with Agency(queue) as agency:
            one, _ = source(gate, "cong-dvc", "rest", url=agency.url, fetch_url=agency.url)
            with pytest.raises(Unreachable):
                await once(one, into(gate))
            return len(agency.requests)

    assert run(story()) == 3


@pytest.mark.hostile
def test_a_party_whose_answer_ended_the_process_is_fetched_from_no_more_and_no_delivery_is_blamed(
    gate: Gate, tmp_path: Path
) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Nothing:
        """No settings."""

    ends, died = connector("ends", Nothing), list[str]()

    @ends.fetch
    async def reads(*_: Any) -> AsyncGenerator[Fetched, bytes | None]:
        died.extend(read_at_death(tmp_path, os.getpid(), -signal.SIGABRT))  # what its parent finds then
        return
        yield

    known = gate.parties.get("cong-dvc")
    assert known is not None
    one = fetch.Source(known, ends, ends.configure({}, where="cong-dvc"))

    async def story() -> None:
        async with HttpLine() as line:
            await fetch.once(one, into(gate), new_message_id, now, line, AnswerCrashes(Crashes(tmp_path)))
            assert len(died) == 1
            after = AnswerCrashes(Crashes(tmp_path))
            assert not after.ended_us("another")
            with pytest.raises(Unreachable) as caught:
                await fetch.once(one, into(gate), new_message_id, now, line, after)
            assert (caught.value.problem.code, caught.value.problem.facts) == ("DLV-077", {"party": "cong-dvc"})

    run(story())
    assert len(died) == 1


# Folders


@pytest.fixture
def gap(tmp_path: Path) -> Path:
    """An exchange over an air gap: out, in, receipts."""
    for name in ("out", "in", "receipts"):
        (tmp_path / name).mkdir()
    return tmp_path


def files(gap: Path, **more: Any) -> dict[str, Any]:
    folders = {"path": str(gap / "out"), "inbox": str(gap / "in"), "receipts": str(gap / "receipts")}
    return {**folders, "quiet_s": 0.0, **more}


def names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir() if f.is_file())


def test_files_are_taken_in_order_moved_away_and_receipted(gate: Gate, filed: list[bytes], gap: Path) -> None:
    for number, body in zip((2, 1, 3), filed, strict=True):
        (gap / "in" / f"{number}.xml").write_bytes(body)
    (gap / "in" / "note.txt").write_text("not for us")
    (gap / "in" / ".4.xml").write_text("half")
    (gap / "in" / "5.xml").symlink_to("/etc/passwd")
    one, _ = source(gate, "cong-dvc", "folder", **files(gap))
    assert run(once(one, into(gate))) == 3
    assert sorted(f.name for f in (gap / "in").iterdir()) == [".4.xml", "5.xml", "da-nhan", "note.txt"]
    assert names(gap / "in" / "da-nhan") == ["1.xml", "2.xml", "3.xml"]
    assert names(gap / "receipts") == ["1.bien-nhan.xml", "2.bien-nhan.xml", "3.bien-nhan.xml"]
    assert gate.store is not None
    with gate.store.read() as view:
        order = [view.body(m.id, m.digest) for m in sorted(view.messages(), key=lambda m: m.received_at)]
    assert order == [filed[1], filed[0], filed[2]]


def test_a_file_that_is_still_being_written_is_left(gate: Gate, filed: list[bytes], gap: Path) -> None:
    (gap / "in" / "1.xml").write_bytes(filed[0])
    one, _ = source(gate, "cong-dvc", "folder", **files(gap, quiet_s=60.0))
    assert run(once(one, into(gate))) == 0
    os.utime(gap / "in" / "1.xml", (1, 1))
    assert run(once(one, into(gate))) == 1


def test_the_same_name_again_overwrites_nothing(gate: Gate, filed: list[bytes], gap: Path) -> None:
    one, _ = source(gate, "cong-dvc", "folder", **files(gap))
    for body in filed:
        (gap / "in" / "1.xml").write_bytes(body)
        assert run(once(one, into(gate))) == 1
    assert names(gap / "in" / "da-nhan") == ["1.2.xml", "1.3.xml", "1.xml"]


def test_a_missing_inbox_is_told(gate: Gate, gap: Path) -> None:
    (gap / "in").rmdir()
    one, _ = source(gate, "cong-dvc", "folder", **files(gap))
    with pytest.raises(Unreachable) as caught:
        run(once(one, into(gate)))
    assert caught.value.problem.code == "DLV-008"


def test_a_file_beyond_all_limits_is_refused_by_the_gate_and_moved_away(gate: Gate, gap: Path) -> None:
    with (gap / "in" / "1.xml").open("wb") as file:
        for _ in range(40):
            file.write(b"x" * (1 << 20))
    one, _ = source(gate, "cong-dvc", "folder", **files(gap))
    assert run(once(one, into(gate))) == 1
    assert gate.store is not None
    with gate.store.read() as view:
        (message,) = view.messages()
    assert (message.state, message.total_bytes) == (Fate.REJECTED, 40 << 20)


# The loop


def test_only_parties_whose_connector_fetches_are_sources(gate: Gate) -> None:
    known = gate.parties.get("cong-dvc")
    assert known is not None
    fetched = replace(known, connector="folder", connector_settings={"path": "/tmp"})
    wrong = {"locked": {"enabled": False}, "none": {"connector": None}, "unknown": {"connector": "fodler"}, "soap": {}}
    table = [
        replace(fetched, id=name, identifiers=(f"H19.{n}",), credentials=type(known.credentials)(), certificates=())
        for n, name in enumerate(wrong, 100)
    ]
    table = [replace(p, **wrong[p.id]) for p in table]
    table[-1] = replace(table[-1], connector="soap", connector_settings={"url": "https://a.example/"})
    assert [s.party.id for s in fetch.sources(Parties([fetched, *table]), installed())] == ["cong-dvc"]


def test_the_loop_fetches_what_comes_survives_faults_and_takes_over_new_profiles(
    gate: Gate, filed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "RENEW_EVERY_S", 0.02)

    async def story() -> Queue:
        queue = Queue(filed[0])
        async with Agency(queue) as agency:
            _, party = source(gate, "cong-dvc", "rest", url=agency.url, fetch_url=agency.url, fetch_every_s=0.1)
            current, looks = Parties([replace(party, enabled=False)]), 0
            stop = asyncio.Event()

            def registry() -> Parties:
                nonlocal looks
                looks += 1
                return current

            task = asyncio.create_task(
                fetch.keep_fetching(
                    registry,
                    installed(),
                    into(gate),
                    stop,
                    new_id=new_message_id,
                    clock=now,
                    private_addresses=True,
                )
            )
            await until(lambda: looks >= 3)
            assert agency.requests == []
            current = Parties([party])
            await until(lambda: len(queue.receipts) == 1)
            agency.fault, agency.times = Fault.ERROR, 1
            queue.waiting.append(filed[1])
            await until(lambda: len(queue.receipts) == 2)
            stop.set()
            await task
        return queue

    assert run(story()).waiting == []
