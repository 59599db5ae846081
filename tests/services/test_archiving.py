"""Months in files: what goes out of the database stays readable, provable and erasable, and nothing goes before it is proven."""

import sqlite3
import tracemalloc
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sampling
from arrivals import arrival
from patience import eventually
from sqlalchemy import text

from gateway import wiring
from gateway.core.alerts import Alarm
from gateway.core.model import Fate
from gateway.core.problems import Stopped
from gateway.services import archiving, retention
from gateway.services.archiving import (
    TURN_LASTS,
    ArchiveKeeper,
    archiving_alone,
    make_archive,
    months_back,
    months_due,
    rewrite_erased,
    verify_archive,
)
from gateway.services.intake import receive
from gateway.services.watch import alerts
from gateway.store import Busy, NotAtHand, Unavailable, parts
from gateway.store.archives import ArchiveReader, Archives, opened
from gateway.store.compare import compare_with_log

NOW = datetime(2026, 4, 2, 3, tzinfo=UTC)
SAMPLES = ("accepted/HS01-nop-ho-so-toi-thieu", "accepted/HS03-tiep-nhan-toi-thieu", "rejected/SIG-001-sua-noi-dung")


@pytest.fixture
def keeper(gate, sample_settings, tmp_path):
    """A node that has taken two months' messages; its archives lie in a folder of the test."""
    gate.store.archives = Archives(tmp_path / "luu-tru")
    if gate.store.engine.dialect.name == "postgresql":  # as if it had been made before those months began
        with gate.store.engine.begin() as connection:
            parts.add_parts(connection, ["2026-01", "2026-02"])
    at = datetime(2026, 1, 20, 2, tzinfo=UTC)
    for number, name in enumerate(SAMPLES):
        sample, when = sampling.sample(name), at + timedelta(days=number)
        receive([arrival(sample.body, sample.sender, when)], gate, when)
    return ArchiveKeeper(
        store=gate.store,
        archives=gate.store.archives,
        key=gate.key,
        certificates=tuple(wiring.own_certificates(sample_settings)),
        gateway="H19.900",
    )


def january(view):
    """What January's messages came as and were answered with: message and digest."""
    return sorted((one.id, digest) for one in view.messages() for digest in (one.digest, one.receipt) if digest)


def held_here(store):
    """How many bodies the database itself holds."""
    with store.engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM body WHERE bytes IS NOT NULL")).scalar_one()


def test_a_month_goes_into_a_file_and_everything_that_is_asked_is_answered_as_before(keeper, gate):
    store = keeper.store
    with store.read() as view:
        before = {body: view.body(*body) for body in january(view)}
        receipts = {one.id: view.receipt(one.id) for one in view.messages()}
    assert months_due(store, months_back(NOW, 1)) == ["2026-01", "2026-02"]
    made = make_archive(keeper, "2026-01", NOW)
    assert (made.bodies, verify_archive(keeper, made)) == (len(before), [])
    assert held_here(store) == 0
    with store.read() as view:
        assert {body: view.body(*body) for body in before} == before
        assert {message: view.receipt(message) for message in receipts} == receipts
        assert [entry.what for entry in view.log()][-2:] == ["archive.made", "archive.emptied"]
    sample = sampling.sample(SAMPLES[0])
    (again,) = receive([arrival(sample.body, sample.sender, NOW)], gate, NOW)
    assert (again.repeated, again.receipt) == (True, receipts[again.message])
    found = compare_with_log(store)
    assert (found.differences, found.rows["body"]) == ([], len(before))
    with opened(keeper.archives.path("2026-01")) as file:
        assert [row["id"] for row in ArchiveReader(file).search(again.ma_thong_diep, 5)] == [again.message]
        assert sum(1 for _ in ArchiveReader(file).lines()) == made.last_line
    assert months_due(store, months_back(NOW, 1)) == ["2026-02"]
    empty = make_archive(keeper, "2026-02", NOW)
    assert (empty.bodies, verify_archive(keeper, empty), months_due(store, months_back(NOW, 1))) == (0, [], [])


def test_nothing_is_taken_out_before_the_file_is_proven_and_an_interrupted_one_goes_on(keeper):
    here, name = held_here(keeper.store), "2026-01"
    with pytest.raises(Stopped) as stopped:
        make_archive(replace(keeper, certificates=()), name, NOW)
    assert stopped.value.problems[0].code == "SYS-197"
    assert (held_here(keeper.store), [*keeper.archives.folder.iterdir()]) == (here, [])
    with pytest.raises(Stopped) as stopped:
        make_archive(replace(keeper, archives=Archives(None)), name, NOW)
    assert stopped.value.problems[0].code == "SYS-198"
    with keeper.store.engine.connect() as connection:
        kept = connection.execute(text("SELECT owner, digest, bytes FROM body ORDER BY digest LIMIT 1")).one()
    made = make_archive(keeper, name, NOW)
    with keeper.store.engine.begin() as connection:  # as if it had died before the last page
        back = text("UPDATE body SET bytes = :bytes, archive = NULL WHERE owner = :owner AND digest = :digest")
        connection.execute(back, kept._asdict())
    assert (held_here(keeper.store), make_archive(keeper, name, NOW), held_here(keeper.store)) == (1, made, 0)


@pytest.mark.threat("T-ARCHIVE")
def test_a_file_that_is_not_what_it_was_is_found_told_and_never_believed(keeper, gate):
    made = make_archive(keeper, "2026-01", NOW)
    path = keeper.archives.path("2026-01")
    whole = path.read_bytes()
    with keeper.store.read() as view:
        message, digest = january(view)[0]
    with opened(path) as file:
        (stored,) = file.execute("SELECT bytes FROM body WHERE digest = ?", [bytes.fromhex(digest)]).fetchone()
    at = whole.index(stored[-40:]) + 20
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert verify_archive(keeper, made) == ["file", f"body {digest}"]
    with keeper.store.read() as view, pytest.raises(NotAtHand):
        view.body(message, digest)
    assert compare_with_log(keeper.store).count > 0
    with pytest.raises(Stopped) as stopped:
        make_archive(keeper, "2026-01", NOW)
    assert stopped.value.problems[0].code == "SYS-197"
    for harm in (lambda: path.write_bytes(whole[:-1]), path.unlink):
        harm()
        told = [one for one in alerts(keeper.store, gate.parties, NOW) if one.alarm is Alarm.ARCHIVE_BROKEN]
        assert [one.subject for one in told] == ["2026-01"]
    sample = sampling.sample(SAMPLES[0])
    with pytest.raises(NotAtHand) as missing:  # a tray that meets it goes on message by message
        receive([arrival(sample.body, sample.sender, NOW)], gate, NOW)
    assert not isinstance(missing.value, (Busy, Unavailable))
    path.write_bytes(whole)
    assert not [one for one in alerts(keeper.store, gate.parties, NOW) if one.alarm is Alarm.ARCHIVE_BROKEN]


@pytest.mark.threat("T-ARCHIVE")
def test_archives_that_were_exchanged_renamed_or_put_back_from_before_are_found_and_never_believed(keeper, gate):
    store, made = keeper.store, {name: make_archive(keeper, name, NOW) for name in ("2026-01", "2026-02")}
    path = {name: keeper.archives.path(name) for name in made}
    whole = {name: path[name].read_bytes() for name in made}
    with store.read() as view:
        bodies = january(view)
        rejected = next(one for one in view.messages() if one.state is Fate.REJECTED)

    def broken(*names):
        told = [one.subject for one in alerts(store, gate.parties, NOW) if one.alarm is Alarm.ARCHIVE_BROKEN]
        assert told == list(names)
        with store.read() as view, pytest.raises(NotAtHand):
            view.body(*bodies[0])

    path["2026-01"].write_bytes(whole["2026-02"])
    path["2026-02"].write_bytes(whole["2026-01"])
    assert [verify_archive(keeper, made[name])[:2] for name in made] == [["file", "manifest"]] * 2
    broken("2026-01", "2026-02")
    path["2026-02"].write_bytes(whole["2026-02"])
    path["2026-01"].rename(path["2026-01"].with_name("2026-03.luutru"))
    assert verify_archive(keeper, made["2026-01"]) == ["missing"]
    broken("2026-01")
    path["2026-01"].write_bytes(whole["2026-01"])
    assert [verify_archive(keeper, one) for one in made.values()] == [[], []]

    rule = retention.RetentionRule(rejected_before=NOW)
    retention.erase(
        store, retention.plan_erasure(store, gate.parties, rule), rule, who="operator:x", reason="x", now=NOW
    )
    rewrite_erased(keeper, NOW)
    path["2026-01"].write_bytes(whole["2026-01"])  # which still has what was erased
    with store.read() as view:
        assert verify_archive(keeper, view.archives()[0])[:2] == ["file", "manifest"]
        assert view.body(rejected.id, rejected.digest) is None


def test_an_erasure_reaches_into_the_file_of_the_month(keeper, gate):
    store = keeper.store
    make_archive(keeper, "2026-01", NOW)
    path = keeper.archives.path("2026-01")
    with store.read() as view:
        rejected = next(one for one in view.messages() if one.state is Fate.REJECTED)
        others = [body for body in january(view) if body[0] != rejected.id]
    assert bytes.fromhex(rejected.digest) in path.read_bytes()
    rule = retention.RetentionRule(rejected_before=NOW)
    planned = retention.plan_erasure(store, gate.parties, rule)
    retention.erase(store, planned, rule, who="operator:binh", reason="hết hạn", now=NOW)
    assert [
        one.facts["problem"]["reason"] for one in alerts(store, gate.parties, NOW) if one.alarm is Alarm.ARCHIVE_BROKEN
    ] == ["erased"]
    assert rewrite_erased(keeper, NOW) == ["2026-01"]
    assert (rewrite_erased(keeper, NOW), bytes.fromhex(rejected.digest) in path.read_bytes()) == ([], False)
    with store.read() as view:
        (record,) = view.archives()
        assert (verify_archive(keeper, record), view.body(rejected.id, rejected.digest)) == ([], None)
        assert all(view.body(*body) for body in others)
        assert view.log()[-1].facts["erased"] >= 1
    assert compare_with_log(store).differences == []


def test_two_who_archive_at_once_are_one_and_a_sentence(keeper):
    for _ in range(2):  # the turn is given back
        with archiving_alone(keeper, lambda: NOW) as ours:
            with pytest.raises(Stopped) as stopped, archiving_alone(keeper, lambda: NOW):
                pass
            (problem,) = stopped.value.problems
            assert (problem.code, problem.facts["since"]) == ("SYS-211", NOW.isoformat())
            assert verify_archive(keeper, make_archive(ours, "2026-01", NOW)) == []


def test_whoever_slept_through_its_turn_puts_nothing_in_place_and_takes_nothing_out(keeper):
    here = held_here(keeper.store)
    with archiving_alone(keeper, lambda: NOW) as slept, archiving_alone(keeper, lambda: NOW + TURN_LASTS) as ours:
        with pytest.raises(Stopped) as stopped:
            make_archive(slept, "2026-01", NOW)
        assert stopped.value.problems[0].code == "SYS-211"
        assert (held_here(keeper.store), [*keeper.archives.folder.iterdir()]) == (here, [])
        made = make_archive(ours, "2026-01", NOW)
        with pytest.raises(Stopped):
            make_archive(slept, "2026-02", NOW)
    assert (verify_archive(keeper, made), held_here(keeper.store)) == ([], 0)
    assert [one.name for one in keeper.archives.folder.iterdir()] == ["2026-01.luutru"]


def test_a_turn_at_the_archives_is_held_on_however_long_a_file_takes(keeper, monkeypatch):
    monkeypatch.setattr(archiving, "TURN_LASTS", timedelta(seconds=1))
    clock = [NOW]

    def ends():
        with keeper.store.read() as view:
            return view.turn(archiving.TURN, "")[1]

    with archiving_alone(keeper, lambda: clock[0]):
        clock[0] += timedelta(hours=1)
        assert eventually(lambda: ends() > clock[0])
        with pytest.raises(Stopped), archiving_alone(keeper, lambda: clock[0]):
            pass
    assert ends() == clock[0]


def test_what_is_erased_while_its_archive_is_written_anew_goes_with_the_next_time(keeper, gate, monkeypatch):
    store = keeper.store
    make_archive(keeper, "2026-01", NOW)
    with store.read() as view:
        first, second, *_ = view.messages()

    def erase(message):
        with store.begin() as tx:
            tx.erase({message.id: [message.digest]}, who="operator:binh", reason="hết hạn", now=NOW)

    def meanwhile(*given, copy=archiving.without):
        erase(second)  # after it was asked what is erased
        return copy(*given)

    def there(message):
        return bytes.fromhex(message.digest) in keeper.archives.path("2026-01").read_bytes()

    erase(first)
    with monkeypatch.context() as patched:
        patched.setattr(archiving, "without", meanwhile)
        assert rewrite_erased(keeper, NOW) == ["2026-01"]
    assert (there(first), there(second)) == (False, True)
    assert [one.subject for one in alerts(store, gate.parties, NOW) if one.alarm is Alarm.ARCHIVE_BROKEN] == ["2026-01"]
    assert rewrite_erased(keeper, NOW) == ["2026-01"]
    assert (there(second), rewrite_erased(keeper, NOW)) == (False, [])
    with store.read() as view:
        assert verify_archive(keeper, view.archives()[0]) == []
    with store.engine.connect() as connection:
        asked = text("SELECT count(*) FROM body WHERE kept < 0 AND archive IS NOT NULL")
        assert connection.execute(asked).scalar_one() == 0


def test_an_erasure_takes_no_more_memory_the_larger_the_archive_is(keeper):
    make_archive(keeper, "2026-01", NOW)
    path, large = keeper.archives.path("2026-01"), 64 << 20
    with closing(sqlite3.connect(path, isolation_level=None)) as file:  # as if the month had had so much
        file.execute("CREATE TABLE more (bytes BLOB)")
        file.executemany("INSERT INTO more VALUES (zeroblob(?))", [[1 << 20]] * (large >> 20))
    with keeper.store.begin() as tx:
        gone = next(one for one in tx.messages() if one.state is Fate.REJECTED)
        tx.erase({gone.id: [gone.digest]}, who="operator:binh", reason="hết hạn", now=NOW)
    tracemalloc.start()
    try:
        assert rewrite_erased(keeper, NOW) == ["2026-01"]
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > large > 4 * most
    assert bytes.fromhex(gone.digest) not in path.read_bytes()


def test_bytes_that_another_message_needs_stay_in_the_archive_when_one_of_its_messages_is_erased(keeper, gate):
    sample, at = sampling.sample(SAMPLES[2]), datetime(2026, 1, 25, 2, tzinfo=UTC)
    receive([arrival(sample.body, sample.sender, at)], gate, at)  # refused once more
    store, path = keeper.store, keeper.archives.path("2026-01")
    make_archive(keeper, "2026-01", NOW)
    with store.read() as view:
        first, second = (one for one in view.messages() if one.state is Fate.REJECTED)
    assert first.digest == second.digest
    for message, there in ((first, True), (second, False)):
        with store.begin() as tx:
            tx.erase({message.id: [message.digest]}, who="operator:binh", reason="hết hạn", now=NOW)
        assert rewrite_erased(keeper, NOW) == ["2026-01"]
        assert (bytes.fromhex(message.digest) in path.read_bytes()) is there
    assert rewrite_erased(keeper, NOW) == []
