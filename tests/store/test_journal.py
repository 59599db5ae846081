"""A file's journal is moved into the file beside those who write, and holds neither them nor those who read up."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from patience import eventually
from sqlalchemy import text

from gateway.store import Store
from gateway.store.engine import file_of

PAGE = 4096
#: Holds the lock of whoever moves a journal (https://sqlite.org/walformat.html, 2.3.2: byte 121 of the index) until told to end.
HOLDS = """
import fcntl, sys
index = open(sys.argv[1], "r+b")
fcntl.lockf(index, fcntl.LOCK_EX, 1, 121)
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def of_a_file(opened, sqlite_url):
    return Store(opened(sqlite_url))


@pytest.fixture
def kept(of_a_file):
    keeper = of_a_file.journal_keeper()
    yield of_a_file
    keeper.close()
    assert not keeper._thread.is_alive()


def write(store, pages):
    """One commit of about so many pages."""
    with store.engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS ballast (content BLOB)"))
        connection.execute(text("INSERT INTO ballast VALUES (zeroblob(:size))"), {"size": pages * PAGE})


def size(store):
    return file_of(store.engine).stat().st_size


def journal_of(store):
    path = file_of(store.engine)
    return path.with_name(f"{path.name}-wal").stat().st_size


def test_whoever_commits_moves_nothing_while_the_journal_is_of_an_ordinary_length(of_a_file):
    before = size(of_a_file)
    write(of_a_file, 6000)
    write(of_a_file, 1)
    assert size(of_a_file) == before
    assert journal_of(of_a_file) > 6000 * PAGE


def test_a_journal_that_nobody_keeps_is_moved_in_passing_in_the_end(of_a_file):
    write(of_a_file, 40_500)
    assert size(of_a_file) > 40_500 * PAGE


def test_a_long_journal_is_moved_by_its_keeper(kept):
    write(kept, 6000)
    assert eventually(lambda: size(kept) > 6000 * PAGE)
    write(kept, 1)  # and is begun anew
    assert eventually(lambda: journal_of(kept) < 6100 * PAGE)


def test_a_reader_who_stays_holds_nobody_up_and_sees_what_was(kept):
    with kept.read() as view:
        before = view._connection.execute(text("SELECT count(*) FROM sqlite_schema")).scalar()
        for _ in range(4):
            write(kept, 3000)
        small = size(kept)
        for _ in range(20):
            write(kept, 1)
        assert view._connection.execute(text("SELECT count(*) FROM sqlite_schema")).scalar() == before
        assert size(kept) == small, "what the reader reads was written over"
    assert eventually(lambda: size(kept) > 12_000 * PAGE)


def test_a_keeper_is_no_reason_to_leave_what_was_erased_in_the_journal(of_a_file, opened, sqlite_url):
    Store(opened(sqlite_url))  # where nobody else has it open the journal goes with whoever closes it
    write(of_a_file, 10)
    path = file_of(of_a_file.engine)
    command = [sys.executable, "-c", HOLDS, str(path.with_name(f"{path.name}-shm"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert of_a_file.clear_traces().journal, "it says so where the journal could not be emptied"
        assert journal_of(of_a_file) > 0
        # By its pid: a pipe that one thread closes while the other waits for the process is a race.
        release = threading.Timer(0.5, os.kill, (holder.pid, signal.SIGTERM))
        release.start()
        assert not of_a_file.clear_traces().journal
        release.join()
    assert journal_of(of_a_file) == 0


def test_a_server_keeps_its_journal_itself(store):
    keeper = store.journal_keeper()
    if file_of(store.engine) is None:
        assert eventually(lambda: not keeper._thread.is_alive())
    assert keeper._thread.is_alive() is (file_of(store.engine) is not None)
    keeper.close()
