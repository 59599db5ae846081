from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import pytest
from false_agency import CUTS, Agency, Fault, Lienthong, run, until
from hypothesis import given
from hypothesis import strategies as st
from owed import START, Clock, Owing, agency, flat
from patience import PATIENCE_S
from sqlalchemy import update

from connectors.base import Connector, connector
from connectors.http import Http, HttpLine
from connectors.outcomes import NotThere, Parcel, Receipt, Refused, Uncertain, Unreachable
from connectors.registry import installed
from gateway.core.alerts import Alarm
from gateway.core.model import AttemptOutcome, Delivery, DeliveryId, DeliveryState, PartyId
from gateway.core.parties import AfterFailure, DeskOrders, LanePolicy, Parties, Party, RetryPolicy, Role
from gateway.core.patience import THRESHOLD, Breaker, Bucket
from gateway.core.problems import Problem
from gateway.opening import still_ours
from gateway.services.outbox import (
    Outbox,
    Pace,
    TryResult,
    decide,
    keep_delivering,
)
from gateway.services.watch import alerts
from gateway.store import Store, StoreError, Tx, Unavailable, View, schema_revision, tables

HERE = {"private_addresses": True, "timeout_s": 30.0}


def silent(owing: Owing, to: Party) -> bool:
    """Whether a party counts as one that does not answer, by what every process can see."""
    with owing.store.read() as view:
        return any(queue.party == to.id and queue.failures >= THRESHOLD for queue in view.queues())


@asynccontextmanager
async def outbox(
    owing: Owing,
    clock: Clock,
    connectors: Any = None,
    *,
    parties: Parties | Callable[[], Parties] | None = None,
    **pace: Any,
) -> AsyncIterator[Outbox]:
    """An outbox to be turned by hand."""
    async with HttpLine() as line:
        box = Outbox(
            owing.store,
            owing.parties if parties is None else parties,
            installed() if connectors is None else connectors,
            clock,
            line,
            Pace(**{"grace_s": 0.2, **pace}),
        )
        try:
            yield box
        finally:
            await box.finish()


async def drain(box: Outbox, most: int = 200) -> int:
    """Turn until nothing begins any more. Gives how many were begun."""
    total = 0
    for _ in range(most):
        busy = box.under_way > 0
        begun = await box.turn()
        await box.settled()
        total += begun
        if not begun and not busy:
            return total
    raise AssertionError("it never ends")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """No settings."""


class Script:
    """A connector that does what it is told, and remembers what it was asked to carry."""

    def __init__(self, *, query: bool = False) -> None:
        self.sent: list[Parcel] = []
        self.asked: list[Parcel] = []
        self.say: Callable[[Parcel], Receipt] = lambda parcel: Receipt(reference="1")
        self.tell: Callable[[Parcel], Receipt | NotThere] = lambda parcel: NotThere()
        self.hold: asyncio.Event | None = None
        self.running = 0
        self.most = 0
        self.connector: Connector[Nothing] = connector("script", Nothing)
        self.connector.send(self._send)
        if query:
            self.connector.query(self._query)

    async def _send(self, parcel: Parcel, settings: Nothing, http: Http) -> Receipt:
        self.sent.append(parcel)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if self.hold is not None:
                await self.hold.wait()
            return self.say(parcel)
        finally:
            self.running -= 1

    async def _query(self, parcel: Parcel, settings: Nothing, http: Http) -> Receipt | NotThere:
        self.asked.append(parcel)
        return self.tell(parcel)

    def __call__(self) -> dict[str, Connector[Any]]:
        return {"script": self.connector}

    @property
    def order(self) -> list[str]:
        """What was sent, by MaThongDiep."""
        return [str(parcel.ma_thong_diep) for parcel in self.sent]


def failing(error: Exception) -> Callable[[Parcel], Receipt]:
    """A party that always ends like this."""

    def say(_: Parcel) -> Receipt:
        raise error

    return say


UNREACHABLE = Unreachable(Problem("DLV-001", {"why": "ECONNREFUSED"}))
UNCERTAIN = Uncertain(Problem("DLV-020", {"seconds": "2", "stage": "answer"}))
REFUSED = Refused(Problem("DLV-030", {"status": 422}), answer=b"no")


@pytest.fixture
def clock() -> Clock:
    return Clock()


# With a real agency over real HTTP, on both databases


@pytest.mark.threat("T-REFERENCE")
def test_a_receiver_that_is_pushed_to_is_told_what_the_gateway_has_not_seen(store: Store, clock: Clock) -> None:
    async def story() -> list[str | None]:
        async with Agency(Lienthong()) as so:
            to = agency(settings={"url": so.url, **HERE})
            owing = Owing(store, clock, to)
            owing.lane(to, remarks=(Problem("XSD-250", {"ma": "GT-01"}), Problem("XML-150", {"text": "a"})))
            owing.lane(to)
            async with outbox(owing, clock) as box:
                await drain(box)
            return sorted((request.headers.get("lienthong-remarks") for request in so.requests), key=str)

    assert run(story()) == [None, "XSD-250, XML-150"]


def test_what_is_owed_arrives_byte_for_byte_in_order_and_the_receipt_is_kept(store: Store, clock: Clock) -> None:
    async def story() -> tuple[Owing, Lienthong, list[str]]:
        async with Agency(Lienthong()) as so:
            to = agency(settings={"url": so.url, **HERE})
            owing = Owing(store, clock, to)
            lane = owing.lane(to, 5)
            async with outbox(owing, clock) as box:
                assert await drain(box) == 5
            assert isinstance(so.dialect, Lienthong)
            return owing, so.dialect, lane

    owing, so, lane = run(story())
    assert so.effects == lane
    assert owing.states() == ["delivered"] * 5
    with store.read() as view:
        for delivery in owing.deliveries():
            assert so.bodies[delivery.ma_thong_diep] == view.body(delivery.message, delivery.digest)
            (attempt,) = view.attempts(delivery.id)
            assert (attempt.kind, attempt.outcome, attempt.reference) == ("send", AttemptOutcome.DELIVERED, "TN-1")
            assert attempt.receipt is not None
            assert delivery.ma_thong_diep.encode() in attempt.receipt


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("asks", [True, False])
def test_a_cut_wire_loses_nothing_and_doubles_nothing(
    sqlite_store: Store, clock: Clock, cut: Fault, asks: bool
) -> None:
    async def story() -> tuple[list[str], list[str], Owing, str]:
        async with Agency(Lienthong()) as so:
            settings = {"url": so.url, **HERE, **({"query_url": so.url} if asks else {})}
            to = agency(settings=settings)
            owing = Owing(sqlite_store, clock, to)
            lane = owing.lane(to, 3)
            so.fault, so.times = cut, 1
            async with outbox(owing, clock) as box:
                await drain(box)
                between = owing.states()[0]
                for _ in range(4):
                    clock.forward(minutes=10)
                    await drain(box)
            return so.dialect.effects, lane, owing, between

    effects, lane, owing, between = run(story())
    assert effects == lane
    assert owing.states() == ["delivered"] * 3
    # told truthfully meanwhile: only a whole answer is one
    assert between == ("delivered" if cut is Fault.CUT_AFTER_ANSWER else "unknown")


def test_a_party_that_is_switched_off_for_an_hour_gets_everything_in_order_without_a_burst(
    sqlite_store: Store, clock: Clock
) -> None:
    async def story() -> None:
        async with Agency(Lienthong()) as dead, Agency(Lienthong()) as alive:
            one, two = agency(1, settings={"url": dead.url, **HERE}), agency(2, settings={"url": alive.url, **HERE})
            owing = Owing(sqlite_store, clock, one, two)
            await dead.stop()
            ours: list[list[str]] = []
            waits: list[timedelta] = []
            async with outbox(owing, clock, first_s=10.0) as box:
                for minute in range(60):
                    if minute < 20:
                        ours += owing.lanes(one, 2, 3)
                    before, (loose,) = clock(), owing.loose(two)
                    for _ in range(6):  # turns while this minute goes by
                        await box.turn()
                        await box.settled()
                        clock.forward(seconds=10)
                    (attempt,) = _attempts(owing, loose)
                    waits.append(attempt.ended_at - before)
                assert silent(owing, one)
                assert set(owing.states()) == {"queued", "delivered"}
                tried = sum(d.tries for d in owing.deliveries(party=one.id))
                assert tried < 30  # a hundred and twenty deliveries waited an hour behind one probe
                # the dead one cost the living one nothing: each of its messages went out at this turn or the next
                assert max(waits) <= timedelta(seconds=10)
                await dead.start()
                dead.delay_s = 0.001
                most = 0
                while not all(d.state.is_final for d in owing.deliveries()):
                    begun = await box.turn()
                    most = max(most, begun)
                    await box.settled()
                    clock.forward(seconds=30 if not begun else 0)
                assert most <= Pace().per_party
                assert not silent(owing, one)
            effects = dead.dialect.effects
            assert sorted(effects) == sorted(flat(flat(ours) and ours))
            for lane in ours:
                places = [effects.index(ma) for ma in lane]
                assert places == sorted(places)

    run(story())


def _attempts(owing: Owing, ma_thong_diep: str) -> list[Any]:
    with owing.store.read() as view:
        return view.attempts(owing.delivery(ma_thong_diep).id)


# One try


def test_an_unreachable_party_leaves_the_delivery_queued_for_later(sqlite_store: Store, clock: Clock) -> None:
    script = Script()
    script.say = failing(UNREACHABLE)

    async def story() -> Delivery:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
        return owing.deliveries()[0]

    delivery = run(story())
    assert (delivery.state, delivery.tries, delivery.ask_first) == (DeliveryState.QUEUED, 1, False)
    assert delivery.due_at is not None
    assert timedelta(seconds=54) <= delivery.due_at - START <= timedelta(seconds=66)
    assert delivery.problem is not None
    assert delivery.problem.code == "DLV-001"


def test_an_uncertain_try_is_asked_about_before_it_is_sent_again(sqlite_store: Store, clock: Clock) -> None:
    script = Script(query=True)
    script.say = failing(UNCERTAIN)

    async def story() -> tuple[list[str], list[Any]]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        (ma,) = owing.loose(to)
        states = []
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            states.append(owing.states()[0])
            clock.forward(minutes=2)
            script.say = lambda _: Receipt(reference="2")
            await drain(box)
            states.append(owing.states()[0])
        return states, _attempts(owing, ma)

    states, attempts = run(story())
    assert states == ["unknown", "delivered"]
    assert [(a.kind, a.outcome.value, a.problem and a.problem.code) for a in attempts] == [
        ("send", "uncertain", UNCERTAIN.problem.code),
        ("query", "not_there", "DLV-040"),
        ("send", "delivered", None),
    ]
    assert len({parcel.id for parcel in script.sent}) == 1
    assert script.sent[0].body == script.sent[1].body


def test_what_they_have_already_is_not_sent_again(sqlite_store: Store, clock: Clock) -> None:
    script = Script(query=True)
    script.say = failing(UNCERTAIN)
    script.tell = lambda _: Receipt(reference="theirs")

    async def story() -> list[Any]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        (ma,) = owing.loose(to)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            clock.forward(minutes=2)
            await drain(box)
        return _attempts(owing, ma)

    attempts = run(story())
    assert len(script.sent) == 1
    assert [(a.kind, a.reference) for a in attempts] == [("send", None), ("query", "theirs")]


def test_a_party_that_cannot_say_leaves_it_uncertain(sqlite_store: Store, clock: Clock) -> None:
    script = Script(query=True)
    script.say = failing(UNCERTAIN)

    def cannot_say(_: Parcel) -> Receipt:
        raise UNREACHABLE

    script.tell = cannot_say

    async def story() -> list[str]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            clock.forward(minutes=2)
            await drain(box)
        return owing.states()

    assert run(story()) == ["unknown"]
    assert len(script.sent) == 1
    assert len(script.asked) == 1


def test_who_cannot_be_asked_gets_the_same_bytes_under_the_same_id_again(sqlite_store: Store, clock: Clock) -> None:
    script = Script()
    script.say = failing(UNCERTAIN)

    async def story() -> None:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            clock.forward(minutes=2)
            script.say = failing(UNREACHABLE)
            await drain(box)
            assert owing.states() == ["unknown"]  # that they are away now says nothing of the first try
            clock.forward(minutes=5)
            script.say = lambda _: Receipt()
            await drain(box)
            assert owing.states() == ["delivered"]

    run(story())
    assert len(script.sent) == 3
    assert len({(parcel.id, parcel.body) for parcel in script.sent}) == 1


def test_a_refusal_holds_its_own_lane_and_no_other(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> tuple[Owing, list[str], list[str]]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        bad, good = owing.lane(to, 3), owing.lane(to, 3)

        def say(parcel: Parcel) -> Receipt:
            if parcel.ma_thong_diep == bad[0]:
                raise REFUSED
            return Receipt()

        script.say = say
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            clock.forward(hours=200)
            await drain(box)
        return owing, bad, good

    owing, bad, good = run(story())
    assert [owing.delivery(ma).state.value for ma in bad] == ["refused", "queued", "queued"]
    assert [owing.delivery(ma).state.value for ma in good] == ["delivered"] * 3
    (attempt,) = _attempts(owing, bad[0])
    assert attempt.receipt == b"no"
    with sqlite_store.read() as view:
        assert [lane.first.ma_thong_diep for lane in view.lanes(held_only=True)] == [bad[0]]


def test_a_party_that_says_continue_gets_the_news_behind_a_refusal(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> list[str]:
        to = agency(connector="script", lane=LanePolicy(after_failure=AfterFailure.CONTINUE))
        owing = Owing(sqlite_store, clock, to)
        lane = owing.lane(to, 3)

        def say(parcel: Parcel) -> Receipt:
            if parcel.ma_thong_diep == lane[0]:
                raise REFUSED
            return Receipt()

        script.say = say
        async with outbox(owing, clock, script()) as box:
            await drain(box)
        return owing.states()

    assert run(story()) == ["refused", "delivered", "delivered"]


def test_a_replayed_refusal_goes_out_again_and_its_lane_follows(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> tuple[list[str], list[str]]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        lane = owing.lane(to, 2)
        script.say = failing(REFUSED)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            script.say = lambda _: Receipt()
            with sqlite_store.begin() as tx:
                tx.replay([owing.delivery(lane[0]).id], who="operator:a", reason="mended", now=clock.forward(minutes=1))
            await drain(box)
        return owing.states(), lane

    states, lane = run(story())
    assert states == ["delivered", "delivered"]
    assert script.order == [lane[0], *lane]


def test_patience_ends_with_a_person(sqlite_store: Store, clock: Clock) -> None:
    script = Script()
    script.say = failing(UNCERTAIN)  # it answers, so to speak: no breaker for one delivery

    async def story() -> Delivery:
        to = agency(connector="script", give_up_after_h=1.0)
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        async with outbox(owing, clock, script()) as box:
            for _ in range(100):
                await drain(box)
                clock.forward(minutes=1)
        return owing.deliveries()[0]

    delivery = run(story())
    assert delivery.state is DeliveryState.DEAD
    assert delivery.problem is not None
    assert (delivery.problem.code, delivery.problem.facts["last"]) == ("DLV-060", "DLV-020")
    assert delivery.problem.facts["hours"] == "1.0"


def test_the_wish_of_a_busy_party_is_respected(sqlite_store: Store, clock: Clock) -> None:
    script = Script()
    script.say = failing(Unreachable(Problem("DLV-004", {"status": 503}), answer=b"", retry_after_s=600))

    async def story() -> Delivery:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
        return owing.deliveries()[0]

    assert run(story()).due_at == START + timedelta(seconds=600)


def test_a_party_that_acknowledges_later_is_waited_for(sqlite_store: Store, clock: Clock) -> None:
    script = Script()
    script.say = lambda _: Receipt(pending=True)

    async def story() -> list[str]:
        to = agency(connector="script", settings={"receipt_later_h": 4.0})
        owing = Owing(sqlite_store, clock, to)
        (ma,) = owing.loose(to)
        seen = []
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            seen.append(owing.states()[0])
            assert [attempt.problem.code for attempt in _attempts(owing, ma)] == ["DLV-028"]
            clock.forward(hours=3.9)
            assert await drain(box) == 0
            clock.forward(hours=0.2)
            script.say = lambda _: Receipt()
            await drain(box)
            seen.append(owing.states()[0])
            assert not silent(owing, to)
        return seen

    assert run(story()) == ["unknown", "delivered"]


# Faults of our own


def test_a_connector_that_crashes_costs_its_own_delivery_only(
    sqlite_store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script()

    async def story() -> tuple[Owing, list[str]]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        bad, good = owing.loose(to, 2)

        def say(parcel: Parcel) -> Receipt:
            if parcel.ma_thong_diep == bad:
                raise KeyError("so_bien_nhan")
            return Receipt()

        script.say = say
        async with outbox(owing, clock, script()) as box:
            await drain(box)
        return owing, [bad, good]

    with caplog.at_level(logging.ERROR):
        owing, (bad, good) = run(story())
    assert owing.delivery(good).state is DeliveryState.DELIVERED
    delivery = owing.delivery(bad)
    assert delivery.state is DeliveryState.UNKNOWN
    assert delivery.problem is not None
    assert (delivery.problem.code, delivery.problem.facts["error"]) == ("DLV-027", "KeyError")
    assert "KeyError" in caplog.text


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"connector": "sript"}, "DLV-058"),
        ({"connector": "script", "settings": {"timeout": 3}}, "DLV-058"),
        ({"connector": None}, "DLV-053"),
    ],
)
def test_a_wrong_profile_is_told_and_nothing_is_lost(
    sqlite_store: Store, clock: Clock, fields: dict[str, Any], code: str
) -> None:
    script = Script()

    async def story() -> tuple[Delivery, list[str]]:
        wrong, right = agency(**fields), agency(connector="script")
        owing = Owing(sqlite_store, clock, wrong)
        lane = owing.lane(wrong, 2)
        current = owing.parties
        async with outbox(owing, clock, script(), parties=lambda: current) as box:
            await drain(box)
            first = owing.deliveries()[0]
            clock.forward(minutes=2)
            current = Parties([right])
            await drain(box)
            assert owing.states() == ["delivered", "delivered"]
        return first, lane

    delivery, lane = run(story())
    assert delivery.state is DeliveryState.QUEUED
    assert delivery.problem is not None
    assert delivery.problem.code == code
    assert script.order == lane


def test_a_mended_profile_is_tried_at_once_though_the_party_counted_as_unreachable(
    sqlite_store: Store, clock: Clock
) -> None:
    script = Script()

    async def story() -> None:
        wrong = agency(connector="sript")
        owing = Owing(sqlite_store, clock, wrong)
        owing.lanes(wrong, 10)
        current = owing.parties
        async with outbox(owing, clock, script(), parties=lambda: current) as box:
            await drain(box)
            assert silent(owing, wrong)
            waiting = sum(d.due_at is not None and d.due_at <= clock() for d in owing.deliveries())
            current = Parties([agency(connector="script")])
            await drain(box)
            assert owing.states().count("delivered") == waiting > 0  # the others wait for their own time
            clock.forward(minutes=2)
            await drain(box)
            assert owing.states() == ["delivered"] * 10

    run(story())


def test_a_party_that_left_the_registry_is_told(sqlite_store: Store, clock: Clock) -> None:
    async def story() -> Delivery:
        to = agency()
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        async with outbox(owing, clock, {}, parties=Parties([])) as box:
            await drain(box)
        return owing.deliveries()[0]

    delivery = run(story())
    assert delivery.state is DeliveryState.QUEUED
    assert delivery.problem is not None
    assert delivery.problem.code == "DLV-063"


def test_a_locked_party_gets_nothing_and_nothing_ages(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> None:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        current = Parties([replace(to, enabled=False)])
        async with outbox(owing, clock, script(), parties=lambda: current) as box:
            assert await drain(box) == 0
            clock.forward(hours=1000)
            assert await drain(box) == 0
            assert owing.deliveries()[0].tries == 0
            current = Parties([to])
            await drain(box)
            assert owing.states() == ["delivered"]

    run(story())


def test_a_paused_party_gets_nothing_and_the_pause_uses_up_no_patience(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> None:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        script.say = failing(Unreachable(Problem("DLV-020")))
        current = Parties([to])
        async with outbox(owing, clock, script(), parties=lambda: current) as box:
            await drain(box)
            assert owing.deliveries()[0].tries == 1
            current = Parties([replace(to, desk=DeskOrders(paused="bảo trì"))])
            clock.forward(hours=1000)
            assert await drain(box) == 0
            current = Parties([replace(to, desk=DeskOrders(resumed_at=clock()))])
            await drain(box)
            assert (owing.states(), owing.deliveries()[0].tries) == (
                ["queued"],
                2,
            )  # not given up for the time of the pause
            script.say = lambda _: Receipt(reference="1")
            clock.forward(hours=1)
            await drain(box)
            assert owing.states() == ["delivered"]

    run(story())


def test_what_is_addressed_to_ourselves_is_left_to_others(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> int:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        async with outbox(owing, clock, script(), parties=Parties([replace(to, role=Role.GATEWAY)])) as box:
            return await drain(box)

    assert run(story()) == 0


def test_a_message_whose_bytes_were_erased_holds_its_lane(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> Delivery:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        with sqlite_store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE body SET bytes = NULL")
        async with outbox(owing, clock, script()) as box:
            await drain(box)
        return owing.deliveries()[0]

    delivery = run(story())
    assert delivery.state is DeliveryState.REFUSED
    assert delivery.problem is not None
    assert delivery.problem.code == "DLV-061"
    assert not script.sent


def test_a_message_whose_bytes_cannot_be_unpacked_is_never_sent_as_other_bytes(
    sqlite_store: Store, clock: Clock
) -> None:
    script = Script()

    async def story() -> Delivery:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        with sqlite_store.engine.begin() as connection:  # packed against a pattern that is not on record
            connection.exec_driver_sql("UPDATE body SET bytes = x'0300000000000000070102', kept = 1000, total = 1000")
        async with outbox(owing, clock, script()) as box:
            await drain(box)
        return owing.deliveries()[0]

    delivery = run(story())
    assert delivery.state is DeliveryState.REFUSED
    assert delivery.problem == Problem("DLV-079", {"digest": delivery.digest})
    assert not script.sent


class Broken(Store):
    """A database with a page that cannot be read: the body of this digest. ``away``: none can just now."""

    digest = ""
    away = False

    def read(self) -> Any:
        """What reads, but for that."""
        return self._but_for(super().read())

    @contextmanager
    def _but_for(self, reading: Any) -> Iterator[View]:
        with reading as view:
            body = view.body

            def read(message: str, digest: str) -> bytes | None:
                if self.away:
                    raise Unavailable("OperationalError: the server closed the connection")
                if digest == self.digest:
                    raise StoreError("DatabaseError: database disk image is malformed")
                return cast("bytes | None", body(message, digest))

            view.body = read
            yield view


@pytest.mark.hostile
def test_a_body_that_cannot_be_read_costs_no_delivery_that_was_leased_beside_it_and_stays_queued(
    sqlite_store: Store, clock: Clock
) -> None:
    script, store = Script(), Broken(sqlite_store.engine)

    async def story() -> None:
        to = agency(connector="script")
        owing = Owing(store, clock, to)
        first, bad, last = owing.loose(to, 3)
        store.digest = owing.delivery(bad).digest
        async with outbox(owing, clock, script()) as box:
            assert await box.turn() == 3
            await box.settled()
            assert script.order == [first, last]
            left = owing.delivery(bad)
            assert (left.state, left.ask_first) == (DeliveryState.QUEUED, False)
            assert left.due_at is not None
            assert left.due_at > clock()
            assert left.problem is not None
            assert (left.problem.code, left.problem.facts["digest"]) == ("DLV-078", left.digest)
            for _ in range(THRESHOLD + 1):
                clock.forward(hours=1)
                await drain(box)
            assert not silent(owing, to), "it is not the party's fault"
            store.digest = ""
            clock.forward(hours=1)
            await drain(box)
        assert owing.states() == ["delivered"] * 3

    run(story())


@pytest.mark.hostile
def test_what_was_leased_when_the_database_went_away_has_not_left_and_is_sent_when_it_is_back(
    sqlite_store: Store, clock: Clock
) -> None:
    script, store = Script(), Broken(sqlite_store.engine)

    async def story() -> None:
        to = agency(connector="script")
        owing = Owing(store, clock, to)
        owing.loose(to, 3)
        async with outbox(owing, clock, script()) as box:
            store.away = True
            assert await box.turn() == 3
            await box.settled()
            assert {(d.state, d.problem and d.problem.code) for d in owing.deliveries()} == {
                (DeliveryState.QUEUED, "DLV-078")
            }
            store.away = False
            clock.forward(minutes=2)
            await drain(box)
        assert owing.states() == ["delivered"] * 3
        assert {parcel.delivery.ask_first for parcel in script.sent} == {False}

    run(story())


@pytest.mark.hostile
def test_a_body_that_was_changed_in_the_database_is_not_sent_and_an_alert_names_it(store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> Owing:
        to = agency(connector="script")
        owing = Owing(store, clock, to)
        bad, good = owing.loose(to, 2)
        changed = owing.delivery(bad)
        with store.engine.begin() as connection:
            values = {"bytes": b"<ThongDiep/>", "kept": 12, "total": 12}
            connection.execute(update(tables.body).where(tables.body.c.digest == changed.digest).values(values))
        async with outbox(owing, clock, script()) as box:
            await drain(box)
        assert script.order == [good]
        held = owing.delivery(bad)
        assert (held.state, held.problem and held.problem.code) == (DeliveryState.REFUSED, "DLV-080")
        found = [one for one in alerts(store, owing.parties, clock()) if one.alarm is Alarm.BODY_CHANGED]
        assert [(one.subject, one.facts["problem"]) for one in found] == [(held.message, {"digest": held.digest})]
        return owing

    run(story())


def test_a_worker_that_died_leaves_an_uncertain_delivery_that_another_one_ends(
    sqlite_store: Store, clock: Clock
) -> None:
    script = Script(query=True)
    script.tell = lambda _: Receipt(reference="theirs")

    async def story() -> list[Any]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        (ma,) = owing.loose(to)
        with sqlite_store.begin() as tx:
            tx.claim_due(to.id, clock(), 10, 120.0)  # and then it dies
        async with outbox(owing, clock, script()) as box:
            assert await drain(box) == 0
            clock.forward(seconds=121)
            await drain(box)
        return _attempts(owing, ma)

    attempts = run(story())
    assert [(a.outcome.value, a.problem.code if a.problem else None) for a in attempts] == [
        ("uncertain", "DLV-026"),
        ("delivered", None),
    ]
    assert attempts[1].kind == "query"
    assert not script.sent


def test_a_worker_that_slept_through_its_lease_changes_nothing(sqlite_store: Store, clock: Clock) -> None:
    slow, quick = Script(), Script()

    async def story() -> tuple[list[str], int]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        slow.hold = asyncio.Event()
        slow.say = failing(REFUSED)
        async with outbox(owing, clock, slow()) as sleeper, outbox(owing, clock, quick()) as other:
            assert await sleeper.turn() == 1
            clock.forward(seconds=121)
            await drain(other)
            assert owing.states() == ["delivered"]
            slow.hold.set()
            await sleeper.settled()
        return owing.states(), len(_attempts(owing, owing.deliveries()[0].ma_thong_diep))

    states, attempts = run(story())
    assert states == ["delivered"]
    assert attempts == 2  # the rescue's and the other worker's


def test_stopping_notes_what_was_under_way_as_uncertain(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> list[str]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        script.hold = asyncio.Event()
        async with outbox(owing, clock, script(), grace_s=0.05) as box:
            await box.turn()
        return owing.states()

    assert run(story()) == ["unknown"]


def test_a_connector_that_hangs_for_ever_is_given_up_within_the_lease(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> Delivery:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.loose(to)
        script.hold = asyncio.Event()
        async with outbox(owing, clock, script(), lease_s=0.2) as box:
            await drain(box)
        return owing.deliveries()[0]

    delivery = run(story())
    assert delivery.state is DeliveryState.UNKNOWN
    assert delivery.problem is not None
    assert (delivery.problem.code, delivery.problem.facts["stage"]) == ("DLV-020", "connector")


# How many at once, how fast, and whether at all


def test_a_party_never_gets_more_at_once_than_its_room(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> dict[str, int]:
        one = agency(1, connector="script", settings={"at_once": 2})
        two = agency(2, connector="script")
        owing = Owing(sqlite_store, clock, one, two)
        owing.lanes(one, 20)
        owing.lanes(two, 20)
        script.hold = asyncio.Event()
        async with outbox(owing, clock, script(), claim=10, per_party=3) as box:
            for _ in range(10):
                await box.turn()
            under_way = {p: sum(parcel.party.id == p for parcel in script.sent) for p in ("so-1", "so-2")}
            script.hold.set()
            await drain(box)
            assert owing.states() == ["delivered"] * 40
        return under_way

    assert run(story()) == {"so-1": 2, "so-2": 3}


def test_the_whole_worker_never_carries_more_than_it_may(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> int:
        parties = [agency(n, connector="script") for n in range(1, 9)]
        owing = Owing(sqlite_store, clock, *parties)
        for to in parties:
            owing.lanes(to, 3)
        script.hold = asyncio.Event()
        async with outbox(owing, clock, script(), deliveries=7, claim=5) as box:
            for _ in range(10):
                await box.turn()
                await asyncio.sleep(0)
            most = script.running
            script.hold.set()
            await drain(box)
        assert owing.states() == ["delivered"] * 24
        return most

    assert run(story()) == 7


def test_a_rate_is_kept(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> list[int]:
        to = agency(connector="script", settings={"per_second": 2.0})
        owing = Owing(sqlite_store, clock, to)
        owing.lanes(to, 12)
        sent = []
        async with outbox(owing, clock, script()) as box:
            for _ in range(6):
                await drain(box)
                sent.append(len(script.sent))
                clock.forward(seconds=1)
        return sent

    assert run(story()) == [1, 3, 5, 7, 9, 11]


def test_five_failures_in_a_row_leave_one_probe(
    sqlite_store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script()
    script.say = failing(UNREACHABLE)

    async def story() -> tuple[Owing, int, int]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.lanes(to, 50)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            first = len(script.sent)
            for _ in range(12):
                clock.forward(hours=1, seconds=1)
                await drain(box)
            later = len(script.sent)
        return owing, first, later

    owing, first, later = run(story())
    told = [text for text in caplog.messages if "DLV-062" in text]
    assert [text.partition(" ")[0] for text in told] == ["DLV-062"]
    assert THRESHOLD <= first < THRESHOLD + Pace().per_party
    assert later - first == 12  # one an hour
    tried = [d for d in owing.deliveries() if d.tries]
    assert len(tried) <= first + 1  # always the same probe: the others do not age
    with sqlite_store.read() as view:
        (queue,) = view.queues()
        assert queue.failures >= THRESHOLD
        assert queue.failing_since == START


def test_the_first_answer_closes_the_circuit_and_the_lanes_follow_gently(sqlite_store: Store, clock: Clock) -> None:
    script = Script()
    script.say = failing(UNREACHABLE)

    async def story() -> list[int]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.lanes(to, 30)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            clock.forward(hours=2)
            script.say = lambda _: Receipt()
            begun = []
            while b := await box.turn():
                await box.settled()
                begun.append(b)
            assert owing.states() == ["delivered"] * 30
            return begun

    begun = run(story())
    assert begun[0] == 1
    assert begun[1] == 1
    assert max(begun) == Pace().per_party


def test_an_hour_of_somebody_elses_outage_is_not_a_deliverys_age(sqlite_store: Store, clock: Clock) -> None:
    script = Script()
    script.say = failing(UNREACHABLE)

    async def story() -> list[str]:
        to = agency(connector="script", give_up_after_h=10.0)
        owing = Owing(sqlite_store, clock, to)
        first = owing.lanes(to, 6)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            clock.forward(hours=9)
            script.say = lambda _: Receipt()
            owing.loose(to)
            await box.turn()
            await box.settled()  # the probe: they are back
            script.say = failing(UNCERTAIN)
            clock.forward(hours=2)  # eleven hours after the first try, two after they came back
            await drain(box)
        return [owing.delivery(ma).state.value for ma in flat(first)]

    states = run(story())
    assert "dead" not in states
    assert "unknown" in states


def test_one_poisonous_delivery_does_not_keep_the_others_from_probing(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    async def story() -> tuple[str, list[str]]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        (poison,) = owing.loose(to)

        def say(parcel: Parcel) -> Receipt:
            if parcel.ma_thong_diep == poison:
                raise Uncertain(Problem("DLV-022", {"status": 500}), answer=b"")
            return Receipt()

        script.say = say
        async with outbox(owing, clock, script()) as box:
            for _ in range(8):
                await drain(box)
                clock.forward(hours=1, seconds=1)
            assert silent(owing, to)
            clock.forward(hours=2)
            await drain(box)
            owing.lanes(to, 4)
            for _ in range(4):
                clock.forward(hours=1, seconds=1)
                await drain(box)
        return poison, owing.states()

    _, states = run(story())
    assert states == ["unknown"] + ["delivered"] * 4


def test_a_new_worker_knows_what_the_last_one_knew(sqlite_store: Store, clock: Clock) -> None:
    script = Script()
    script.say = failing(UNREACHABLE)

    async def story() -> tuple[int, int]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.lanes(to, 40)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
        before = len(script.sent)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
        return before, len(script.sent)

    before, after = run(story())
    assert after - before == 1


def test_a_worker_believes_another_one_that_got_an_answer(sqlite_store: Store, clock: Clock) -> None:
    script, other = Script(), Script()
    script.say = failing(UNREACHABLE)

    async def story() -> None:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.lanes(to, 40)
        async with outbox(owing, clock, script()) as one, outbox(owing, clock, other()) as two:
            await drain(one)
            assert silent(owing, to)
            await two.turn()
            await two.settled()
            assert len(other.sent) == 1
            script.say = lambda _: Receipt()
            clock.forward(seconds=61)
            assert await one.turn() == 1

    run(story())


# A clock that was ahead


@pytest.mark.hostile
def test_what_was_tried_or_recorded_by_a_clock_that_was_a_day_ahead_goes_on_within_its_pace(
    store: Store, clock: Clock
) -> None:
    script = Script()

    async def story() -> None:
        to = agency(connector="script", longest_s=600)
        owing = Owing(store, clock, to)
        async with outbox(owing, clock, script()) as box:
            clock.forward(days=1)
            script.say = failing(UNREACHABLE)
            tried = owing.lane(to, 2)
            for _ in range(THRESHOLD):
                await drain(box)
                clock.forward(minutes=10)
            script.say = lambda _: Receipt(reference="1")
            clock.forward(days=-1)
            for _ in range(4):
                await drain(box)
                clock.forward(minutes=1)
            assert [parcel.ma_thong_diep for parcel in script.sent][-2:] == tried
            assert owing.states() == ["delivered"] * 2

    run(story())


@pytest.mark.hostile
def test_a_worker_that_begins_after_the_clock_was_set_right_lets_nothing_sleep_and_wakes_nobody_else(
    sqlite_store: Store, clock: Clock
) -> None:
    script = Script()

    async def story() -> None:
        to, patient = agency(1, connector="script"), agency(2, connector="script", longest_s=100_000)
        owing = Owing(sqlite_store, clock, to, patient)
        script.say = failing(UNREACHABLE)
        owing.lane(patient)
        async with outbox(owing, clock, script(), first_s=50_000.0) as box:
            await drain(box)
        (sleeps,) = owing.deliveries(party=patient.id)
        assert sleeps.due_at is not None
        assert sleeps.due_at - clock() > timedelta(hours=12)
        clock.forward(days=1)
        owing.loose(to)
        clock.forward(days=-1)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
        (ours,) = owing.deliveries(party=to.id)
        assert ours.tries == 1
        assert owing.deliveries(party=patient.id) == [sleeps]

    run(story())


@pytest.mark.hostile
def test_a_lease_of_a_worker_that_died_a_day_ahead_lasts_no_longer_than_any_other(
    sqlite_store: Store, clock: Clock
) -> None:
    script = Script(query=True)
    script.tell = lambda _: Receipt(reference="theirs")

    async def story() -> list[str]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        clock.forward(days=1)
        owing.loose(to)
        with sqlite_store.begin() as tx:
            tx.claim_due(to.id, clock(), 10, 120.0)  # and then it dies
        clock.forward(days=-1)
        async with outbox(owing, clock, script()) as box:
            await drain(box)
            between = owing.states()
            clock.forward(seconds=121)
            await drain(box)
        return between + owing.states()

    assert run(story()) == ["sending", "delivered"]


# The loop


def test_the_loop_delivers_what_comes_while_it_runs_and_ends_when_told(sqlite_store: Store) -> None:
    async def story() -> list[str]:
        async with Agency(Lienthong()) as so:
            clock = Clock()
            to = agency(settings={"url": so.url, **HERE})
            owing = Owing(sqlite_store, clock, to)
            stop = asyncio.Event()
            task = asyncio.create_task(
                keep_delivering(sqlite_store, owing.parties, installed(), stop, clock, pace=Pace(poll_s=0.01))
            )
            lanes: list[str] = []

            def all_here() -> bool:
                return so.dialect.effects == lanes

            for _ in range(3):
                lanes += owing.lane(to, 3)
                await until(all_here)
            stop.set()
            await task
            assert owing.states() == ["delivered"] * 9
            assert so.dialect.effects == lanes
            return lanes

    assert len(run(story())) == 9


def test_what_is_committed_is_delivered_though_nobody_looks_for_a_long_time(store: Store) -> None:
    async def story() -> None:
        script, clock, stop = Script(), Clock(), asyncio.Event()
        to = agency(connector="script")
        owing = Owing(store, clock, to)
        pace = Pace(poll_s=100 * PATIENCE_S)
        task = asyncio.create_task(keep_delivering(store, owing.parties, script(), stop, clock, pace=pace))
        for count in range(1, 4):
            await asyncio.to_thread(owing.loose, to)
            await until(lambda count=count: owing.states() == ["delivered"] * count)
        stop.set()
        await task

    run(story())


def test_two_workers_never_send_one_delivery_twice(store: Store) -> None:
    async def story() -> None:
        async with Agency(Lienthong()) as so:
            clock = Clock()
            to = agency(settings={"url": so.url, **HERE})
            owing = Owing(store, clock, to)
            lanes = owing.lanes(to, 15, 3)
            stop = asyncio.Event()
            workers = [
                asyncio.create_task(
                    keep_delivering(store, owing.parties, installed(), stop, clock, pace=Pace(poll_s=0.01))
                )
                for _ in range(2)
            ]
            await until(lambda: all(d.state.is_final for d in owing.deliveries()))
            stop.set()
            await asyncio.gather(*workers)
            assert len(so.requests) == 45
            for lane in lanes:
                places = [so.dialect.effects.index(ma) for ma in lane]
                assert places == sorted(places)

    run(story())


class Flaky(Outbox):
    """An outbox whose database is away at these rounds, counted from 1."""

    away: frozenset[int] = frozenset()
    rounds = 0

    def _settle_and_claim(self, *arguments: Any) -> Any:
        type(self).rounds += 1
        if type(self).rounds in self.away:
            raise StoreError("away")
        return super()._settle_and_claim(*arguments)


@pytest.mark.parametrize("away", [{1}, {2}, {2, 3, 4}])
def test_a_database_that_is_away_for_a_while_ends_nothing_and_repeats_nothing(
    sqlite_store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, away: set[int]
) -> None:
    script = Script()
    monkeypatch.setattr(Flaky, "away", frozenset(away))
    monkeypatch.setattr(Flaky, "rounds", 0)
    monkeypatch.setattr("gateway.services.outbox.Outbox", Flaky)
    monkeypatch.setattr("gateway.services.outbox.AWAY_S", 0.02)

    async def story() -> None:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.lane(to, 2)
        stop = asyncio.Event()
        task = asyncio.create_task(
            keep_delivering(sqlite_store, owing.parties, script(), stop, clock, pace=Pace(poll_s=0.01))
        )
        await until(lambda: owing.states() == ["delivered", "delivered"])
        stop.set()
        await task

    run(story())
    assert len(script.sent) == 2
    assert "cannot reach its database" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]  # a sentence says it; a traceback helps nobody


def test_nothing_is_claimed_from_a_database_that_was_upgraded_beside_it(sqlite_store: Store, clock: Clock) -> None:
    script = Script()

    def of_revision(text: str) -> None:
        with sqlite_store.engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{text}'")

    async def story() -> None:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        owing.lane(to, 2)
        before = schema_revision(sqlite_store.engine)
        assert before is not None
        async with outbox(owing, clock, script()) as box:
            of_revision("9999")
            assert not still_ours(sqlite_store)
            for _ in range(2):
                with pytest.raises(StoreError, match="newer than this program"):
                    await box.turn()
            assert (script.sent, owing.states()) == ([], ["queued", "queued"])
            of_revision(before)
            assert still_ours(sqlite_store)
            await drain(box)
            assert owing.states() == ["delivered", "delivered"]

    run(story())


def test_one_settlement_that_cannot_be_recorded_costs_the_others_nothing(
    sqlite_store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script()

    async def story() -> list[str]:
        to = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        bad, *_ = owing.loose(to, 3)
        settle = Tx.settle

        def refuses_one(self: Tx, delivery: Delivery, *arguments: Any, **named: Any) -> bool:
            if delivery.ma_thong_diep == bad:
                raise StoreError("this one")
            return settle(self, delivery, *arguments, **named)

        monkeypatch.setattr(Tx, "settle", refuses_one)
        async with outbox(owing, clock, script()) as box:
            await box.turn()
            with pytest.raises(StoreError):
                await box.settled()
            states = owing.states()
            monkeypatch.setattr(Tx, "settle", settle)
            await box.settled()
        return [*states, *owing.states()]

    assert run(story()) == ["sending", "delivered", "delivered"] + ["delivered"] * 3
    assert len(script.sent) == 3


# Rules with a shape


def _delivery(**fields: Any) -> Delivery:
    return Delivery(
        **{
            "id": DeliveryId("d"),
            "message": "m",
            "ma_thong_diep": "a",
            "loai": "HS05",
            "party": PartyId("p"),
            "lane": "l",
            "digest": "0" * 64,
            "tries": 1,
            "first_tried_at": START,
            **fields,
        }
    )


@given(
    outcome=st.sampled_from(list(AttemptOutcome)),
    ask_first=st.booleans(),
    pending=st.booleans(),
    age_h=st.floats(0, 400),
    tries=st.integers(1, 500),
)
def test_every_try_leads_somewhere_the_store_accepts(
    outcome: AttemptOutcome, ask_first: bool, pending: bool, age_h: float, tries: int
) -> None:
    now = START + timedelta(hours=age_h)
    came = TryResult(kind="send", outcome=outcome, receipt=Receipt(pending=pending), problem=Problem("DLV-001", {}))
    verdict = decide(_delivery(ask_first=ask_first, tries=tries), came, RetryPolicy(), now, first_s=60)
    waits = verdict.state in {DeliveryState.QUEUED, DeliveryState.UNKNOWN}
    assert (verdict.due_at is not None) == waits
    assert verdict.due_at is None or verdict.due_at >= now
    if verdict.state is DeliveryState.DELIVERED:
        assert outcome is AttemptOutcome.DELIVERED
    elif verdict.state is DeliveryState.QUEUED:
        # nothing that may have arrived is ever called queued
        assert outcome is AttemptOutcome.NOT_THERE or (outcome is AttemptOutcome.UNREACHABLE and not ask_first)
    elif verdict.state is DeliveryState.DEAD:
        assert age_h >= 168


@given(st.lists(st.sampled_from(["fail", "answer", "wait"]), max_size=60))
def test_a_breaker_is_open_exactly_after_five_failures_in_a_row(steps: list[str]) -> None:
    breaker, now, row = Breaker(1.0), START, 0
    for step in steps:
        if step == "fail":
            breaker.failed(now, RetryPolicy(longest_s=60))
            row += 1
        elif step == "answer":
            breaker.answered(4, now)
            row = 0
        else:
            now += timedelta(seconds=20)
        assert breaker.is_open == (row >= THRESHOLD)
        assert 0 <= breaker.allows(4, now) <= (1 if breaker.is_open else 4)
    if breaker.is_open:
        assert breaker.allows(4, now + timedelta(seconds=60)) == 1


@given(st.floats(0.01, 1000), st.lists(st.floats(0, 5), max_size=50))
def test_a_bucket_never_gives_more_than_its_rate_and_one_seconds_savings(rate: float, waits: list[float]) -> None:
    bucket, now, taken = Bucket(rate), START, 0
    for wait in waits:
        now += timedelta(seconds=wait)
        free = bucket.available(now)
        bucket.take(free)
        taken += free
        gone = (now - START).total_seconds()
        assert taken <= rate * gone + max(rate, 1.0) + 1e-6


def test_a_partys_settings_are_read_once_and_not_at_every_turn(sqlite_store: Store, clock: Clock) -> None:
    script = Script()
    reads = []
    configure = script.connector.configure

    def counted(*arguments: Any, **named: Any) -> Any:
        reads.append(1)
        return configure(*arguments, **named)

    script.connector.configure = counted  # type: ignore[method-assign]

    async def story() -> None:
        to: Party = agency(connector="script")
        owing = Owing(sqlite_store, clock, to)
        async with outbox(owing, clock, script()) as box:
            for _ in range(5):
                owing.loose(to)
                await drain(box)

    run(story())
    assert len(reads) == 1
