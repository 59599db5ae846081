"""A tray at a time: batches, neighbours, backpressure, and what happens when the database does not write."""

import asyncio
import shutil
import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime

import mail
import pytest
from patience import PATIENCE_S

from gateway.core.model import Caller, Channel, Envelope, Fate
from gateway.services import intake
from gateway.settings import DoorSettings
from gateway.store import Store, open_engine
from gateway.web.crashes import Crashes
from gateway.web.tray import Full, NotRecorded, Tray


def envelope(body, by="cong-dvc"):
    now = datetime.now(UTC)
    return Envelope.of(
        body,
        id=intake.new_message_id(now),
        caller=Caller(party=by, by="token"),
        channel=Channel.REST,
        received_at=now,
    )


def run(gate, work, *, crashes=None, **options):
    """Run something with a working tray in a loop of its own."""

    async def live():
        tray = Tray(lambda: gate, DoorSettings(**options), crashes=crashes)
        tray.start()
        try:
            return await work(tray)
        finally:
            await tray.close()

    return asyncio.run(live())


async def until_there_wait(tray, messages):
    """Until a tray has been filled and as many are left over; it is far from done then."""
    async with asyncio.timeout(PATIENCE_S):
        while tray.waiting != messages:  # noqa: ASYNC110 - a tray tells nobody when it has been filled
            await asyncio.sleep(0)


def test_what_is_ready_is_recorded_together_and_answered_in_its_own_place(gate):
    messages = [mail.nop() if n % 3 else b"<a>%d</a>" % n for n in range(30)]

    async def work(tray):
        acks = await asyncio.gather(*(tray.lay(envelope(m)) for m in messages))
        return acks, tray.turns

    acks, turns = run(gate, work)
    assert [ack.fate for ack in acks] == [Fate.ACCEPTED if n % 3 else Fate.REJECTED for n in range(30)]
    assert [ack.digest for ack in acks] == [envelope(m).digest for m in messages]
    assert turns.trays < 5
    assert turns.messages == 30


def test_a_tray_holds_no_more_than_its_bound(gate):
    async def work(tray):
        await asyncio.gather(*(tray.lay(envelope(b"<a>%d</a>" % n)) for n in range(20)))
        return tray.turns.trays

    assert run(gate, work, tray_documents=4) == 5


def test_a_tray_gives_each_message_the_verdict_it_gets_alone(gate, sqlite_url, tmp_path):
    code = mail.ma_ho_so()
    messages = [
        (mail.nop(code), "cong-dvc"),
        (mail.tiep_nhan(code), "ubnd-xa-thu-nghiem"),
        (mail.tien_do(code, 10), "ubnd-xa-thu-nghiem"),  # impossible
        (mail.tien_do(code, 4), "ubnd-xa-thu-nghiem"),
        (mail.nop(), "so-xay-dung"),  # in another's name
        (b"<a>", "cong-dvc"),
    ]

    async def together(tray):
        return await asyncio.gather(*(tray.lay(envelope(m, by)) for m, by in messages))

    async def alone(tray):
        return [await tray.lay(envelope(m, by)) for m, by in messages]

    other = tmp_path / "other.db"
    shutil.copyfile(sqlite_url.removeprefix("sqlite:///"), other)
    engine = open_engine(f"sqlite:///{other}")
    first = run(gate, together)
    second = run(replace(gate, store=Store(engine)), alone)
    engine.dispose()

    def told(acks):
        return [(ack.fate, tuple(p.code for p in ack.problems)) for ack in acks]

    assert told(first) == told(second)
    assert [ack.fate for ack in first[:4]] == [Fate.ACCEPTED, Fate.ACCEPTED, Fate.REJECTED, Fate.ACCEPTED]


def test_a_tray_goes_station_by_station_and_says_whose_turn_it_is(gate):
    arrivals = [
        envelope(m)
        for m in (mail.nop(), b"<a>", mail.nop().replace(b"<lt:PhienBan>1.0", b"<lt:PhienBan> 1.0"), mail.nop())
    ]
    turns, together = [], []

    def judged():
        together.extend((yield from intake.judging(arrivals, gate, turns.append)))

    rests = sum(1 for _ in judged())
    assert rests == len(turns), "somebody else may come between any two steps"
    first, broken, forged, last = (one.digest for one in arrivals)
    assert turns[:4] == [first, broken, forged, last]
    assert turns[4:8] == [first, broken, forged, last]
    assert turns[-2:] == [first, last], "who is refused is done sooner"
    alone = [intake.judge(one, gate) for one in arrivals]

    def told(finding):
        return finding.problems, finding.verdict, finding.thong_diep, finding.signed_bytes, finding.authorised

    assert [told(finding) for finding in together] == [told(finding) for finding in alone]
    assert [finding.thong_diep is not None for finding in together] == [True, False, False, True]


def test_beyond_the_queue_senders_are_asked_to_come_again(gate):
    async def work(tray):
        laid = [asyncio.ensure_future(tray.lay(envelope(b"<a>%d</a>" % n))) for n in range(10)]
        done = await asyncio.gather(*laid, return_exceptions=True)
        later = await tray.lay(envelope(b"<later/>"))
        return done, later

    done, later = run(gate, work, queue=4)
    assert sum(isinstance(ack, Full) for ack in done) == 6
    assert later.fate is Fate.REJECTED


def test_nobody_waits_behind_another_ones_flood(gate):
    async def work(tray):
        answered = []

        async def lay(name, by):
            await tray.lay(envelope(b"<a>%d</a>" % name, by))
            answered.append(name)

        flood = [lay(n, "cong-dvc") for n in range(40)]
        await asyncio.gather(*flood, lay(100, "so-tu-phap"), lay(101, "so-tu-phap"))
        return answered

    answered = run(gate, work, tray_documents=8)
    assert {100, 101} <= set(answered[:10])
    assert [n for n in answered if n < 100] == list(range(40))  # and each party's in the order in which they came


def test_beside_a_flood_a_quiet_party_does_not_wait_for_the_tray_under_way(gate):
    flood = [envelope(mail.nop()) for _ in range(48)]
    mine = envelope(mail.tiep_nhan(mail.ma_ho_so()), "ubnd-xa-thu-nghiem")

    async def work(tray):
        laid = [asyncio.ensure_future(tray.lay(one)) for one in flood]
        await until_there_wait(tray, len(flood) - 24)
        ack = await tray.lay(mine)
        before = sum(one.done() for one in laid)
        return ack, before, await asyncio.gather(*laid)

    ack, before, acks = run(gate, work, tray_documents=24)
    assert ack.digest == mine.digest
    assert before == 0, "not even the tray that was being judged was answered before"
    assert {one.fate for one in acks} == {Fate.ACCEPTED}


def test_beside_a_flood_too_each_partys_messages_are_recorded_in_the_order_in_which_they_came(gate):
    flood = [envelope(mail.nop()) for _ in range(40)]

    async def work(tray):
        answered = []

        async def lay(name):
            await tray.lay(envelope(b"<a>%d</a>" % name, "so-tu-phap"))
            answered.append(name)

        laid = [asyncio.ensure_future(tray.lay(one)) for one in flood]
        laid += [asyncio.ensure_future(lay(n)) for n in range(6)]  # too many for the express tray
        await until_there_wait(tray, len(laid) - 24)  # they are in the tray under way
        still = len(answered)
        await asyncio.gather(*laid, *(lay(n) for n in range(6, 9)))  # so few that they would go by it
        return still, answered

    assert run(gate, work, tray_documents=24) == (0, list(range(9)))


def test_many_who_send_little_go_together_as_long_as_nobody_floods(gate):
    parties = [party.id for party in gate.parties][:6]

    async def work(tray):
        await asyncio.gather(*(tray.lay(envelope(b"<a>%d</a>" % n, by)) for n in range(2) for by in parties))
        return tray.turns.trays

    assert len(parties) > 3
    assert run(gate, work) == 1


def test_when_the_flood_is_over_the_next_message_goes_as_ever_and_closing_waits_for_the_express_tray(gate):
    async def live():
        tray = Tray(lambda: gate, DoorSettings(tray_documents=16))
        tray.start()
        flood = [asyncio.ensure_future(tray.lay(envelope(b"<a>%d</a>" % n))) for n in range(40)]
        await asyncio.gather(*flood, tray.lay(envelope(b"<b/>", "so-tu-phap")))
        alone = await tray.lay(envelope(b"<c/>", "so-tu-phap"))
        late = [asyncio.ensure_future(tray.lay(envelope(b"<d>%d</d>" % n))) for n in range(40)]
        late.append(asyncio.ensure_future(tray.lay(envelope(b"<e/>", "so-tu-phap"))))
        await asyncio.sleep(0)
        await tray.close()
        return alone, late

    alone, late = asyncio.run(live())
    assert alone.fate is Fate.REJECTED
    assert all(one.done() and one.exception() is None for one in late)


def test_where_the_queue_is_full_who_has_most_waiting_makes_room(gate):
    async def work(tray):
        senders = ["cong-dvc"] * 4 + ["so-tu-phap", "so-tu-phap", "so-tu-phap", "cong-dvc"]
        laid = [asyncio.ensure_future(tray.lay(envelope(b"<a>%d</a>" % n, by))) for n, by in enumerate(senders)]
        return await asyncio.gather(*laid, return_exceptions=True)

    done = run(gate, work, queue=4)
    # two of the flood give way, its newest first; then both have as many waiting, and nobody is pushed out for another
    assert [n for n, answer in enumerate(done) if isinstance(answer, Full)] == [2, 3, 6, 7]


class Unreadable(Crashes):
    """What is known of crashes cannot be read when somebody asks for one digest, the first time."""

    def __init__(self, digest):
        super().__init__()
        self.digest = digest

    def guilty(self, digest):
        if digest == self.digest:
            self.digest = None
            raise OSError(5, "Input/output error")
        return super().guilty(digest)


def test_a_turn_that_fails_leaves_nobody_without_an_answer_and_the_next_is_a_new_one(gate):
    small = [envelope(mail.nop()) for _ in range(3)]
    large = envelope(b"<a>%s</a>" % (b"a" * 20_000))  # is judged in a thread, and joins a turn

    async def work(tray):
        laid = [tray.lay(one) for one in (large, *small)]
        first = await asyncio.wait_for(asyncio.gather(*laid, return_exceptions=True), PATIENCE_S)
        return first, await tray.lay(small[0])

    (_, *first), later = run(gate, work, crashes=Unreadable(small[0].digest), big_bytes=10_000)
    assert [type(one) for one in first] == [OSError] * 3
    assert later.fate is Fate.ACCEPTED


def test_an_express_turn_that_fails_leaves_nobody_without_an_answer(gate):
    flood = [envelope(mail.nop()) for _ in range(48)]
    mine = envelope(mail.tiep_nhan(mail.ma_ho_so()), "ubnd-xa-thu-nghiem")

    async def work(tray):
        laid = [asyncio.ensure_future(tray.lay(one)) for one in flood]
        await until_there_wait(tray, len(flood) - 24)
        quiet = asyncio.gather(tray.lay(mine), return_exceptions=True)
        return await asyncio.wait_for(quiet, PATIENCE_S), await asyncio.gather(*laid)

    (quiet,), acks = run(gate, work, tray_documents=24, crashes=Unreadable(mine.digest))
    assert isinstance(quiet, OSError)
    assert {one.fate for one in acks} == {Fate.ACCEPTED}


def test_after_closing_nothing_is_taken_and_all_that_was_is_answered(gate):
    async def live():
        tray = Tray(lambda: gate, DoorSettings(big_bytes=1000))
        tray.start()
        laid = [asyncio.ensure_future(tray.lay(envelope(m))) for m in (mail.nop(), b"<a/>", mail.nop())]
        await asyncio.sleep(0)
        await tray.close()
        assert all(answer.done() for answer in laid)
        with pytest.raises(Full):
            await tray.lay(envelope(b"<a/>"))
        return [answer.result().fate for answer in laid]

    assert asyncio.run(live()) == [Fate.ACCEPTED, Fate.REJECTED, Fate.ACCEPTED]


def test_a_full_tray_is_answered_with_when_to_come_again(door):
    door.run(door.app.door.tray.close())
    answer = door.send(mail.nop(), "cong-dvc")
    assert (answer.status, answer.codes, answer.headers["Retry-After"]) == (503, ["SYS-003"], "2")
    assert door.gate.store is not None


def test_a_message_the_database_cannot_hold_costs_no_neighbour(gate):
    good = [mail.nop() for _ in range(4)]
    bad = replace(envelope(mail.nop()), content_type="application/xml\x00; half a surrogate \ud800")

    async def work(tray):
        return await asyncio.gather(
            *(tray.lay(envelope(m)) for m in good[:2]),
            tray.lay(bad),
            *(tray.lay(envelope(m)) for m in good[2:]),
            return_exceptions=True,
        )

    acks = run(gate, work)
    assert isinstance(acks[2], NotRecorded)
    assert acks[2].problem.code == "SYS-002"
    assert [ack.fate for n, ack in enumerate(acks) if n != 2] == [Fate.ACCEPTED] * 4


def test_when_the_database_does_not_write_nobody_is_told_otherwise(gate, sqlite_url, open_door):
    engine = open_engine(sqlite_url, busy_timeout_s=0.2)
    door = open_door()
    door.app.door.take_over(replace(gate, store=Store(engine)))
    message = mail.nop()
    holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    answer = door.send(message, "cong-dvc")
    assert answer.status == 503
    assert answer.codes == ["SYS-002"]
    assert answer.json["retry"] is True
    assert int(answer.headers["Retry-After"]) > 0
    rehearsed = door.send(message, "cong-dvc", path="/v1/messages/check")
    assert rehearsed.status == 200  # a rehearsal writes nothing, so it waits for no writer
    holder.execute("ROLLBACK")
    holder.close()
    assert door.send(message, "cong-dvc").status == 201
    engine.dispose()


def test_the_registry_changes_between_trays_and_not_within_one(gate):
    asked = []

    def gate_now():
        asked.append(threading.get_ident())
        return gate

    async def live():
        tray = Tray(gate_now, DoorSettings())
        tray.start()
        await asyncio.gather(*(tray.lay(envelope(b"<a>%d</a>" % n)) for n in range(10)))
        await tray.close()
        return tray.turns.trays

    assert asyncio.run(live()) == len(asked)


def test_looking_leaves_nothing_behind(gate):
    async def work(tray):
        return await tray.look(envelope(mail.nop()))

    finding, ack = run(gate, work)
    assert (finding.thong_diep is not None, ack.fate) == (True, Fate.ACCEPTED)
    with gate.store.read() as view:
        assert view.messages() == []
        assert view.log_head().number == 0
