"""The database does what databases do: it is locked by somebody else, full, silent, replaced, behind a pooler. Every wait ends."""

import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import mail
import psycopg
import pytest
from patience import PATIENCE_S, eventually
from sqlalchemy import event, make_url
from wires import Wire

from gateway import opening
from gateway.core.problems import Stopped
from gateway.settings import LoadedSettings
from gateway.store import Store, line, open_engine, schema_revision

pytestmark = pytest.mark.hostile


@pytest.fixture
def door_over(bare_gate, sample_settings, open_door):
    """A door over the database at an address, with waits short enough for a test."""
    engines, standing = [], []

    def opened(url, *, busy_timeout_s=1.0, write_s=3.0):
        engines.append(open_engine(url, busy_timeout_s=busy_timeout_s, write_s=write_s, read_s=write_s))
        door = open_door()
        standing.append(door)
        door.app.door.take_over(replace(bare_gate, store=Store(engines[-1])))
        return door

    yield opened
    for door in standing:
        door.stop()
    for engine in engines:
        engine.dispose()


@contextmanager
def locked(url):
    """Somebody else holds what every message needs."""
    if url.startswith("sqlite"):
        holder = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
    else:
        holder = psycopg.connect(url.replace("+psycopg", ""))
        holder.execute("LOCK TABLE message IN SHARE MODE")
    yield
    holder.close()  # which gives up what it began


def recording(door):
    """What /readyz says of recording: its status, and the word for what stands in the way."""
    answer = door.get("/readyz")
    (probe,) = [probe for probe in answer.json["probes"] if probe["name"] == "recording"]
    return answer.status, probe.get("why")


def test_a_lock_that_somebody_else_holds_stops_only_messages_and_all_of_a_tray_are_told_at_once(
    door_over, database_url
):
    door = door_over(database_url)
    assert door.send(mail.nop(), "cong-dvc").status == 201
    with locked(database_url), ThreadPoolExecutor(4) as senders:
        turns = door.app.door.tray.turns
        before = turns.trays
        first = senders.submit(door.send, mail.nop(), "cong-dvc")
        assert eventually(lambda: door.app.door.tray.recording_since is not None)
        rest = [senders.submit(door.send, mail.nop(), "cong-dvc") for _ in range(3)]
        assert door.get("/healthz").status == 200
        assert door.get("/v1/inbox", "cong-dvc").status == 200
        assert not first.done()  # all that was answered while it waits
        answers = [one.result(PATIENCE_S) for one in (first, *rest)]
        assert [(a.status, a.codes) for a in answers] == [(503, ["SYS-002"])] * 4
        assert all(int(a.headers["Retry-After"]) > 0 for a in answers)
        assert (turns.alone, turns.lost) == (0, 4)
        assert turns.trays - before <= 3
        assert recording(door) == (503, "lock")
    assert eventually(lambda: recording(door) == (200, None))
    assert door.send(mail.nop(), "cong-dvc").status == 201


def test_a_disk_that_is_full_is_told_of_until_something_was_written_again(door_over, sqlite_url):
    door = door_over(sqlite_url)
    engine = door.app.door.gate.store.engine
    pages = "PRAGMA max_page_count"

    @event.listens_for(engine, "begin")
    def limited(connection):
        connection.connection.cursor().execute(f"{pages}={room}")

    room = 1  # what is there, and no page more
    assert eventually(lambda: door.send(mail.nop(), "cong-dvc").status == 503)
    assert recording(door) in ((503, "disk-full"), (200, None))  # a proof may fit where a message does not
    room = 1_000_000
    assert door.send(mail.nop(), "cong-dvc").status == 201
    assert recording(door) == (200, None)


def test_a_file_that_was_replaced_or_taken_away_gets_no_message_and_none_is_made_in_its_place(
    door_over, sqlite_url, tmp_path
):
    door, file = door_over(sqlite_url), Path(sqlite_url.removeprefix("sqlite:///"))
    assert door.send(mail.nop(), "cong-dvc").status == 201
    kept = tmp_path / "kept.db"
    file.rename(kept)
    for _ in range(2):
        answer = door.send(mail.nop(), "cong-dvc")
        assert (answer.status, answer.codes) == (503, ["SYS-006"])
        answer = door.get("/v1/inbox", "cong-dvc")
        assert (answer.status, answer.codes) == (503, ["SYS-006"])
        ready = door.get("/readyz")
        assert (ready.status, ready.json["failing"], ready.json["probes"][0]["why"]) == (
            503,
            "database",
            "file-replaced",
        )
        shutil.copyfile(kept, file)  # another file with the same content is another file
    file.unlink()
    kept.rename(file)
    assert door.send(mail.nop(), "cong-dvc").status == 201


@pytest.mark.postgres
def test_a_server_that_says_nothing_any_more_is_given_up_and_called_anew(door_over, postgres_url, monkeypatch):
    """The connection stands, the host behind it is gone: no operating system tells of that."""
    monkeypatch.setattr(line, "PING_S", 0.5)
    url = make_url(postgres_url)
    wire = Wire(f"{url.query['host']}/.s.PGSQL.5432")
    door = door_over(
        f"postgresql://lienthong@127.0.0.1:{wire.port}/{url.database}?connect_timeout=2",
        busy_timeout_s=0.5,
        write_s=1.0,
    )
    try:
        assert door.send(mail.nop(), "cong-dvc").status == 201
        wire.silence()
        answer = door.send(mail.nop(), "cong-dvc")
        assert (answer.status, answer.codes) == (503, ["SYS-002"])
        assert door.get("/healthz").status == 200
        assert recording(door)[0] == 503
        wire.silence(False)
        assert eventually(lambda: door.send(mail.nop(), "cong-dvc").status == 201)
        assert eventually(lambda: recording(door) == (200, None))
    finally:
        wire.close()


def test_work_keeps_fewer_pages_of_the_file_than_the_door(sqlite_url, sample_settings):
    """Each of its connections looks through much once; what they kept never came down again."""
    settings = replace(sample_settings, database=replace(sample_settings.database, url=sqlite_url))
    loaded = LoadedSettings(settings=settings, file=None, base=Path(), origins={})
    kept = []
    for at_door in (False, True):
        store = opening.await_store(loaded, pytest.fail, at_door=at_door)
        with store.engine.connect() as connection:
            kept.append(-connection.exec_driver_sql("PRAGMA cache_size").scalar_one() / 1024)
        store.dispose()
    assert kept == [8, 32]


@pytest.mark.postgres
def test_a_database_that_is_away_at_the_start_is_waited_for_and_that_is_said(postgres_url, sample_settings):
    url = make_url(postgres_url)
    wire = Wire("/nowhere")
    database = replace(
        sample_settings.database, url=f"postgresql://lienthong@127.0.0.1:{wire.port}/{url.database}", password_file=None
    )
    loaded = LoadedSettings(settings=replace(sample_settings, database=database), file=None, base=Path(), origins={})
    told = []
    try:
        with ThreadPoolExecutor(1) as aside:
            waiting = aside.submit(opening.await_store, loaded, told.append, at_door=True)
            assert eventually(lambda: any("Waiting for it" in words for words in told))
            wire.to = f"{url.query['host']}/.s.PGSQL.5432"
            store = waiting.result(PATIENCE_S)
        store.prove()
        store.dispose()
        at_once = replace(loaded, settings=replace(loaded.settings, database=replace(database, wait_s=0.0)))
        wire.to = "/nowhere"
        with pytest.raises(Stopped, match="SYS-030"):
            opening.await_store(at_once, told.append, at_door=False)
    finally:
        wire.close()


@contextmanager
def of_another_revision(url):
    """The database as a newer program leaves it, for a while."""
    engine = open_engine(url)

    def say(revision):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")

    before = schema_revision(engine)
    say("9999")
    yield
    say(before)
    engine.dispose()


def test_a_database_that_was_upgraded_beside_a_running_node_is_written_to_no_more(door_over, database_url):
    door = door_over(database_url)
    assert door.send(mail.nop(), "cong-dvc").status == 201
    with of_another_revision(database_url):
        ready = door.get("/readyz")
        assert (ready.status, ready.json["failing"]) == (503, "schema")
        refused = door.send(mail.nop(), "cong-dvc")
        assert (refused.status, refused.codes) == (503, ["SYS-007"])
        assert int(refused.headers["Retry-After"]) > 0
        assert door.get("/healthz").status == 200
    assert door.get("/readyz").status == 200
    assert door.send(mail.nop(), "cong-dvc").status == 201
