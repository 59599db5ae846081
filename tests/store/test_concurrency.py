"""Many writers and readers at once, on every database; and what is left when a process is killed."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from patience import PATIENCE_S
from sqlalchemy import func, select

from gateway.core.chain import verify_chain
from gateway.core.model import DeliveryState, Fate
from gateway.core.parties import Receives
from gateway.store import Store, Tx, tables
from gateway.store.compare import compare_with_log

PORTAL, AGENCY, COMMUNE = "cong-dvc", "so-tu-phap", "ubnd-xa"
FEEDS = {COMMUNE: "H19.902.01", "so-a": "H19.903", "so-b": "H19.904"}
WRITERS, TRAYS = 6, 8


def writer(desk, number, ids, codes):
    """Trays of up to 20 messages whose ids and dossiers others use too. Gives what was accepted, as (id, message)."""
    chance, accepted = random.Random(number), []
    for party, code in FEEDS.items():
        desk.party(party, code, receives=Receives.PULL)
    for _ in range(TRAYS):
        tray = []
        for _ in range(chance.randint(1, 20)):
            make = chance.choice([desk.filing, desk.note, desk.doubt])
            code = chance.choice(codes)
            tray.append(make(code, to=(chance.choice([AGENCY, *FEEDS]),), ma=chance.choice(ids)))
        new = [ack for ack in desk.take(*tray) if ack.fate is not Fate.REJECTED and not ack.repeated]
        accepted += [(ack.ma_thong_diep, ack.message) for ack in new]
    return accepted


def poller(store, party, done):
    """Reads a feed with a cursor until the writers are done and nothing is left. Gives the positions as they were seen."""
    seen, after = [], 0
    while True:
        last_round = done.is_set()
        with store.read() as view:
            entries = view.inbox_after(party, after, limit=7)
        seen += [entry.position for entry in entries]
        after = seen[-1] if seen else 0
        if last_round and not entries:
            return seen
        if not entries:
            time.sleep(0.002)


def test_ids_are_owned_once_feeds_have_no_gap_and_the_chain_holds(store, new_desk):
    ids = [f"id-{n}" for n in range(250)]
    codes = [f"H19.901-260115-{n:04d}" for n in range(25)]
    done = threading.Event()
    with ThreadPoolExecutor(WRITERS + len(FEEDS)) as pool:
        polls = {party: pool.submit(poller, store, party, done) for party in FEEDS}
        writes = [pool.submit(writer, new_desk(), number, ids, codes) for number in range(WRITERS)]
        try:
            accepted = [pair for write in writes for pair in write.result(PATIENCE_S)]
        finally:
            done.set()
        seen = {party: poll.result(PATIENCE_S) for party, poll in polls.items()}

    assert len(accepted) > 100
    assert len({ma for ma, _ in accepted}) == len(accepted), "an id was owned twice"
    with store.read() as view:
        for party, positions in seen.items():
            assert positions == list(range(1, view.head(party) + 1))
        assert sum(map(len, seen.values())) > 50
        checked = verify_chain(view.log_entries())
        assert (checked.whole, checked.head) == (True, view.log_head())
        for ma, message in accepted:
            assert view.by_ma_thong_diep(PORTAL, ma).id == message
        for dossier in view.dossiers():
            assert [change.number for change in dossier.changes] == list(range(1, len(dossier.changes) + 1))
        no_stub = select(func.count()).select_from(tables.dossier).where(tables.dossier.c.changed_at.is_(None))
        assert view._connection.execute(no_stub).scalar() == 0
    assert compare_with_log(store).differences == []


def test_the_same_message_at_all_doors_at_once_has_one_effect(store, new_desk, desk, code):
    desk.one(desk.filing(code))
    meet = threading.Barrier(8)
    shape = desk.note(code, ma="once", body=b"<once/>")

    def send():
        mine = new_desk()
        finding = mine.note(code, ma="once", body=shape.envelope.body)
        meet.wait(PATIENCE_S)
        return mine.one(finding)

    with ThreadPoolExecutor(8) as pool:
        answers = [future.result(PATIENCE_S) for future in [pool.submit(send) for _ in range(8)]]

    assert len({ack.message for ack in answers}) == 1
    assert len({ack.receipt for ack in answers}) == 1
    assert [ack.repeated for ack in answers].count(False) == 1
    with store.read() as view:
        assert len(view.deliveries(message=answers[0].message)) == 1
        assert len(view.dossier(code).changes) == 2


def test_one_new_dossier_is_opened_once_by_many(store, new_desk, code):
    meet = threading.Barrier(6)

    def send():
        mine = new_desk()
        finding = mine.filing(code)
        meet.wait(PATIENCE_S)
        return mine.one(finding).fate

    with ThreadPoolExecutor(6) as pool:
        fates = [future.result(PATIENCE_S) for future in [pool.submit(send) for _ in range(6)]]
    assert fates == [Fate.ACCEPTED] * 6
    with store.read() as view:
        assert [change.number for change in view.dossier(code).changes] == [1, 2, 3, 4, 5, 6]


def test_an_id_that_changes_hands_is_never_owned_by_two_nor_lost(store, new_desk, desk, code):
    """Rejected messages give their id back while others want it."""
    desk.one(desk.filing(code))
    meet = threading.Barrier(6)

    def send(number):
        mine, fates = new_desk(), []
        meet.wait(PATIENCE_S)
        for n in range(15):
            state = 10 if (number + n) % 3 else 1  # 1 -> 10 is impossible, 1 -> 1 repeats what is known
            finding = mine.progress(code, state, ma="wanted", body=f"<{number}-{n}/>".encode())
            fates.append(mine.one(finding).fate)
        return fates

    with ThreadPoolExecutor(6) as pool:
        fates = [fate for future in [pool.submit(send, n) for n in range(6)] for fate in future.result(PATIENCE_S)]
    with store.read() as view:
        owned = [m for m in view.messages(limit=1000) if m.ma_thong_diep == "wanted" and m.state is Fate.ACCEPTED]
        assert len(owned) == fates.count(Fate.ACCEPTED) <= 1
        claims = view._connection.execute(select(tables.claim).where(tables.claim.c.ma_thong_diep == "wanted")).all()
        assert [row.message for row in claims] == [m.id for m in owned]


@pytest.mark.postgres
def test_an_id_given_back_between_our_insert_and_our_look_is_taken_at_the_second_try(
    postgres_url, opened, desk_at, monkeypatch
):
    engine, other = opened(postgres_url), opened(postgres_url)
    desk = desk_at(Store(engine))
    desk.one(desk.doubt(ma="wanted"))
    looks, look = [], Tx._claims

    def give_back_first(tx, keys):
        if not looks:
            with other.begin() as connection:
                connection.execute(tables.claim.delete())
        looks.append(keys)
        return look(tx, keys)

    monkeypatch.setattr(Tx, "_claims", give_back_first)
    ack = desk.one(desk.filing("H19.901-260115-0001", ma="wanted", body=b"<other/>"))
    assert (ack.fate, len(looks)) == (Fate.ACCEPTED, 1)
    with desk.store.read() as view:
        assert view.by_ma_thong_diep(PORTAL, "wanted").id == ack.message


def test_a_transaction_that_reads_first_may_still_write(store):
    meet, rounds = threading.Barrier(2), range(20)

    def act():
        done = []
        for _ in rounds:
            meet.wait(PATIENCE_S)
            with store.begin() as tx:
                before = tx._count("x")
                done.append((before, tx._next("x", None)))
        return done

    with ThreadPoolExecutor(2) as pool:
        one, other = (future.result(PATIENCE_S) for future in [pool.submit(act) for _ in range(2)])
    assert sorted(after for _, after in [*one, *other]) == list(range(1, 2 * len(rounds) + 1))


def test_deliveries_are_leased_once_and_in_order(store, desk, clock):
    lanes = [f"H19.901-260115-{n:04d}" for n in range(40)]
    desk.take(*[desk.filing(lane) for lane in lanes])
    for _ in range(4):
        desk.take(*[desk.note(lane) for lane in lanes])
    with store.read() as view:
        order = {lane: [d.id for d in view.deliveries(lane=lane)] for lane in lanes}
    sent, lock, under_way, clash = [], threading.Lock(), set(), []
    refused = {order[lane][1] for lane in lanes[:4]}

    def work():
        idle = 0
        while idle < 3:
            with store.begin() as tx:
                leased = tx.claim_due("so-tu-phap", clock.now, 10, 60)
            idle = 0 if leased else idle + 1
            with lock:
                clash.extend(d.lane for d in leased if d.lane in under_way)
                under_way.update(d.lane for d in leased)
                sent.extend(d.id for d in leased)
            assert len(leased) <= 10
            for delivery in leased:
                to = DeliveryState.REFUSED if delivery.id in refused else DeliveryState.DELIVERED
                with lock:
                    under_way.discard(delivery.lane)
                with store.begin() as tx:
                    assert tx.settle(delivery, tried(delivery, to, clock.now), to)
            if not leased:
                time.sleep(0.01)

    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(work) for _ in range(6)]:
            future.result(PATIENCE_S)

    assert clash == []
    assert len(sent) == len(set(sent)), "a delivery was leased twice"
    for lane in lanes:
        went = [d for d in sent if d in order[lane]]
        assert went == order[lane][: 2 if lane in lanes[:4] else None]
    with store.read() as view:
        assert {row.lane for row in view.lanes(held_only=True)} == set(lanes[:4])


def tried(delivery, to, now):
    from gateway.core.model import Attempt, AttemptOutcome

    outcome = AttemptOutcome.REFUSED if to is DeliveryState.REFUSED else AttemptOutcome.DELIVERED
    return Attempt(delivery=delivery.id, number=0, kind="send", started_at=now, ended_at=now, outcome=outcome)


def test_people_and_workers_meet_without_a_deadlock(store, desk, new_desk, clock):
    """Trays, workers, settling, rescue, replays and skips, all over the same dossiers at once."""
    lanes = [f"H19.901-260115-{n:04d}" for n in range(6)]
    desk.take(*[desk.filing(lane) for lane in lanes])
    rounds = range(25)

    def record(number):
        mine, chance = new_desk(), random.Random(number)
        for _ in rounds:
            mine.take(*[mine.note(chance.choice(lanes)) for _ in range(5)])

    def work(number):
        chance = random.Random(number)
        for _ in rounds:
            with store.begin() as tx:
                leased = tx.claim_due("so-tu-phap", clock.now + timedelta(days=400), 5, 0.01)
            with store.begin() as tx:
                tx.rescue(clock.now + timedelta(days=400, seconds=chance.choice([0, 1])))
            with store.begin() as tx:
                for delivery in chance.sample(leased, len(leased)):
                    to = chance.choice([DeliveryState.REFUSED, DeliveryState.DELIVERED])
                    tx.settle(delivery, tried(delivery, to, clock.now), to)

    def operate(number):
        chance = random.Random(number)
        for _ in rounds:
            with store.read() as view:
                held = view.deliveries(states=[DeliveryState.REFUSED], limit=5)
            ids = [d.id for d in held]
            chance.shuffle(ids)
            with store.begin() as tx:
                tx.replay(ids, who="operator:lan", reason="x", now=clock.now)

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(job, n) for n, job in enumerate([record, record, work, work, operate, operate])]
        for job in jobs:
            job.result(PATIENCE_S)
    with store.read() as view:
        assert verify_chain(view.log_entries()).whole


VICTIM = """
import sys, time
sys.path.insert(0, sys.argv[2])
from conftest import AGENCY, Clock, Desk
from gateway.store import Store, open_engine
desk = Desk(Store(open_engine(sys.argv[1])), Clock())
print("ready", flush=True)
n = 0
while True:
    n += 1
    code = f"H19.901-260115-{n:05d}"
    for ack in desk.take(desk.filing(code), desk.progress(code, 2), desk.progress(code, 10), desk.note(code)):
        print(ack.message, ack.fate, flush=True)
    with desk.store.begin() as tx:
        tx.claim_due("so-tu-phap", desk.clock.now, 2, 60)
"""


@pytest.mark.parametrize("wait_s", [0.05, 0.13, 0.31])
def test_a_killed_process_leaves_whole_trays_and_nothing_else(database_url, opened, wait_s):
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, database_url, str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONPATH": f"{Path(__file__).parents[2]}{os.pathsep}{Path(__file__).parents[1] / 'pki'}"},
    )
    assert victim.stdout.readline() == "ready\n"
    threading.Timer(wait_s, victim.send_signal, [signal.SIGKILL]).start()
    answered = [line.split() for line in victim.stdout if line.endswith("\n")]
    victim.wait(PATIENCE_S)
    victim.stdout.close()
    assert victim.returncode == -signal.SIGKILL

    with Store(opened(database_url)).read() as view:
        on_record = {m.id: m.state for m in view.messages(limit=100_000)}
        for message, fate in answered:
            assert on_record[message] == fate, "it was answered and is not on record"
        assert len(on_record) % 4 == 0, "a tray is there in part"
        trays = len(on_record) // 4
        assert view.head(PORTAL) == trays
        assert [e.position for e in view.inbox_after(PORTAL, 0, limit=100_000)] == list(range(1, trays + 1))
        assert len(view.deliveries(limit=100_000)) == 2 * trays
        claims = view._connection.execute(select(func.count()).select_from(tables.claim)).scalar()
        assert claims == 3 * trays
        checked = verify_chain(view.log_entries())
        assert (checked.whole, checked.head) == (True, view.log_head())
