"""Opening databases, and what failures are called."""

import hashlib
import heapq
import json
import random
import sqlite3
import subprocess
import sys
import threading

import pytest
from patience import PATIENCE_S
from sqlalchemy import text

from gateway.core.ledger import LogLine
from gateway.store import (
    Busy,
    Conflict,
    SchemaMismatch,
    Store,
    StoreError,
    Unavailable,
    open_engine,
    tables,
    upgrade,
)
from gateway.store.engine import Bulk, file_of, look_again_s
from gateway.store.errors import translated


def pragma(engine, name):
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_sqlite_runs_with_wal_full_sync_and_foreign_keys(opened, sqlite_url):
    engine = opened(sqlite_url, busy_timeout_s=1.5)
    assert pragma(engine, "journal_mode") == "wal"
    assert pragma(engine, "synchronous") == 2
    assert pragma(engine, "foreign_keys") == 1
    assert pragma(engine, "busy_timeout") == 1500


def test_a_new_file_is_nobody_elses_to_read(tmp_path, opened):
    path = tmp_path / "new.db"
    upgrade(opened(f"sqlite:///{path}"))
    assert {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {
        "new.db": 0o600,
        "new.db-wal": 0o600,
        "new.db-shm": 0o600,
    }


def test_permissions_that_somebody_gave_to_a_file_stay(sqlite_url, opened):
    path = file_of(opened(sqlite_url))
    path.chmod(0o640)
    Store(opened(sqlite_url))
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_mistyped_path_makes_no_file(tmp_path, opened):
    with pytest.raises(SchemaMismatch, match="db upgrade"):
        Store(opened(f"sqlite:///{tmp_path}/mistyped.db"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.postgres
def test_postgresql_waits_for_the_disk_even_where_the_server_is_told_not_to(postgres_url, opened):
    engine = opened(postgres_url)
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        name = engine.url.database
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_isolation = serializable")
    with Store(opened(postgres_url)).begin() as tx:
        assert tx._connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
        assert tx._connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = remote_apply")
    with Store(opened(postgres_url)).begin() as tx:
        assert tx._connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "remote_apply"


@pytest.mark.postgres
def test_a_writer_that_hangs_loses_its_locks_and_a_slow_reader_takes_its_time(postgres_url, opened):
    store = Store(opened(postgres_url))
    with store.begin() as tx:
        assert tx._connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "1min"
    with store.read() as view:
        assert view._connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "0"
        assert view._connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "repeatable read"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db"])
def test_databases_that_cannot_serve_are_refused(url):
    with pytest.raises(ValueError, match="gateway"):
        open_engine(url)


def test_a_file_database_says_where_it_is(engine, tmp_path):
    path = file_of(engine)
    assert path is None or (path.parent == tmp_path and path.exists())


def test_a_reader_and_a_writer_work_side_by_side(desk, store, code):
    desk.one(desk.filing(code))
    with store.begin() as tx:
        tx.note(LogLine(what="open", who="x"), desk.clock.now)
        tx.claim_due("so-tu-phap", desk.clock.now, 1, 60)  # the writer holds its locks
        with store.read() as view:
            assert view.log_head().number == 1
    with store.read() as view:
        assert view.log_head().number == 2


def test_a_view_is_one_snapshot(desk, store, code):
    with store.read() as view:
        assert view.messages() == []
        desk.one(desk.filing(code))
        assert (view.messages(), view.log_head().number) == ([], 0)


def test_a_view_cannot_write(store):
    with pytest.raises(Unavailable, match=r"(?i)read.?only"), store.read() as view:
        view._connection.execute(text("UPDATE counter SET value = 1"))
    with store.begin() as tx:  # the next one on the same connection can
        assert tx._next("x", None) == 1


def test_waiting_too_long_for_a_lock_is_busy(opened, database_url):
    patient, hasty = opened(database_url), opened(database_url, busy_timeout_s=0.2)
    with Store(patient).begin() as tx:
        tx._next("x", None)
        with pytest.raises(Busy), Store(hasty).begin() as other:
            other._next("x", None)


READS = """
import json
import sys
from contextlib import ExitStack
from gateway.store.engine import open_engine, reader_of
from gateway.web.memory import memory_mb

engine = open_engine(sys.argv[1], cache_mib=8, **json.loads(sys.argv[2]))
with engine.begin() as connection:
    connection.exec_driver_sql("CREATE TABLE page (content TEXT)")
    for _ in range(100):
        connection.exec_driver_sql("INSERT INTO page VALUES (hex(randomblob(100000)))")
engine.dispose()
before = memory_mb()
with ExitStack() as stack:
    for _ in range(4):
        connection = stack.enter_context(reader_of(engine).connect())
        connection.exec_driver_sql("SELECT count(*) FROM page WHERE content LIKE '%z%'").all()
    print(memory_mb() - before)
"""


def test_connections_of_one_process_keep_no_more_pages_together_than_they_may(tmp_path):
    def kept(**options):
        words = [sys.executable, "-c", READS, f"sqlite:///{tmp_path}/{len(options)}.sqlite3", json.dumps(options)]
        return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)

    assert kept() > 26  # else it shows nothing
    assert kept(together_mib=12) < 20


def test_whoever_has_waited_longest_to_write_to_a_file_is_not_overtaken_for_seconds():
    """Four that write nine tenths of all time, by a clock of the test's: each takes the file when it looks and it is free."""
    chance = random.Random(1)
    free_at, longest, waits = 0.0, 0.0, 0
    looks = [(chance.random() / 100, writer, None) for writer in range(4)]  # when, who, since when it waits
    while waits < 20_000:
        now, writer, since = heapq.heappop(looks)
        since = now if since is None else since
        if now < free_at:
            heapq.heappush(looks, (now + look_again_s(now - since), writer, since))
            continue
        waits, longest = waits + 1, max(longest, now - since)
        free_at = now + chance.uniform(0.015, 0.025)
        heapq.heappush(looks, (free_at + chance.uniform(0.02, 0.06), writer, None))
    assert longest < 0.5


@pytest.mark.postgres
def test_a_deadlock_broken_at_our_cost_is_busy(opened, postgres_url):
    engine = opened(postgres_url)
    store, meet, errors = Store(engine), threading.Barrier(2), []

    def cross(first, second):
        try:
            with store.begin() as tx:
                tx._next(first, None)
                meet.wait(PATIENCE_S)
                tx._next(second, None)
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=cross, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert [type(error) for error in errors] == [Busy]


def test_a_broken_rule_of_the_tables_is_a_conflict(engine):
    with pytest.raises(Conflict), translated(), engine.begin() as connection:
        connection.execute(tables.message.insert(), {"id": "m", "digest": "no such body"})
    with pytest.raises(Conflict), translated(), engine.begin() as connection:
        for _ in range(2):
            connection.execute(tables.counter.insert(), {"name": "twice", "value": 1})


def test_a_delivery_of_bytes_that_nobody_kept_is_a_conflict(desk, store, code):

    from gateway.core.ledger import enter

    finding = desk.filing(code)._replace(copies={"so-tu-phap": "0" * 64})
    with pytest.raises(Conflict), store.begin() as tx:
        ledger = tx.open([finding])
        enter(finding, ledger, desk.counter, desk.clock.now)
        tx.write(ledger)


def test_a_folder_that_is_not_there_is_unavailable(opened, tmp_path):
    engine = opened(f"sqlite:///{tmp_path}/nowhere/x.db")
    with pytest.raises(Unavailable):
        Store(engine)


def test_a_file_that_is_no_database_is_unavailable(opened, tmp_path):
    path = tmp_path / "x.db"
    path.write_bytes(b"no database at all, but long enough to be asked what it is" * 100)
    engine = opened(f"sqlite:///{path}")
    with pytest.raises(Unavailable):
        Store(engine)


def test_a_read_only_database_is_unavailable_to_a_writer(opened, sqlite_url):
    engine = opened(sqlite_url)
    store = Store(engine)
    with pytest.raises(Unavailable), store.begin() as tx:
        tx._connection.exec_driver_sql("PRAGMA query_only=ON")
        tx._next("x", None)


def test_a_full_disk_is_unavailable_and_nothing_is_kept(opened, sqlite_url):
    engine = opened(sqlite_url)
    store = Store(engine)
    with pytest.raises(Unavailable), store.begin() as tx:
        tx._connection.exec_driver_sql("PRAGMA max_page_count=1")
        tx.keep(hashlib.shake_256().digest(1_000_000))  # what cannot be packed
    engine = opened(sqlite_url)
    with Store(engine).read() as view:
        assert view.log_head().number == 0


@pytest.mark.postgres
def test_a_server_that_hangs_up_is_unavailable_and_the_next_transaction_is_served(opened, postgres_url):
    engine = opened(postgres_url)
    store = Store(engine)
    with pytest.raises(Unavailable), store.begin() as tx:
        pid = tx._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with store.begin() as other:
            other._connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
        tx._next("x", None)
    with store.begin() as tx:
        assert tx._next("x", None) == 1


@pytest.mark.postgres
def test_no_server_is_unavailable(opened, tmp_path):
    engine = opened(f"postgresql://nobody@/none?host={tmp_path}")
    with pytest.raises(Unavailable):
        Store(engine)


def test_what_a_statement_of_ours_gets_wrong_is_named_without_values(engine):
    with pytest.raises(StoreError) as error, translated(), engine.begin() as connection:
        connection.execute(text("SELECT * FROM nowhere WHERE x = :secret"), {"secret": "0123456789"})
    assert type(error.value) is StoreError
    assert "0123456789" not in str(error.value)


def test_a_violated_key_is_named_without_its_values(engine):
    with pytest.raises(Conflict) as error, translated(), engine.begin() as connection:
        for _ in range(2):
            connection.execute(tables.counter.insert(), {"name": "so-dinh-danh-0123456789", "value": 1})
    assert "0123456789" not in str(error.value)


def test_a_failing_driver_while_connecting_is_translated():
    with pytest.raises(Unavailable), translated():
        error = sqlite3.DatabaseError("file is not a database")
        error.sqlite_errorname = "SQLITE_NOTADB"
        raise error


def test_a_bulk_statement_says_how_many_rows_it_touched(engine):
    put = Bulk(lambda insert: insert(tables.counter).on_conflict_do_nothing(), ["name", "value"])
    with engine.begin() as connection:
        assert put(connection, []) == 0
        assert put(connection, [{"name": "a", "value": 1}, {"name": "b", "value": 2}]) == 2
        assert put(connection, [{"name": "a", "value": 3}, {"name": "c", "value": 4}]) == 1
