"""Commits a second of several writers, as far as the latency of a commit and the chained head let them: ``python bench/writers.py``.

A PostgreSQL pair of its own: a primary, and a synchronous standby that applies each commit so many milliseconds after it was made
(``recovery_min_apply_delay``), with ``synchronous_commit = remote_apply``. A commit is then over, and its locks are free, that much
later: what a disk, or a standby in another building, costs. Neither of the two waits for a disk (``fsync = off``), so that the latency
is the one that is named. Writers are processes with connections of their own, as nodes have them.
"""

from __future__ import annotations

import argparse
import os
import pwd
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import psycopg  # noqa: E402
import years  # noqa: E402

from gateway.core.ledger import LogLine  # noqa: E402
from gateway.store import Store, open_engine, upgrade  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "lienthong"


class Pair:
    """A primary and its synchronous standby."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self.account = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.running: list[subprocess.Popen[bytes]] = []
        self.url = f"postgresql+psycopg://{USER}@/postgres?host={folder}"

    def start(self) -> None:
        """Both of them; returns when commits go through the standby."""
        os.chown(self.folder, pwd.getpwnam(self.account).pw_uid, -1)
        primary, standby = self.folder / "primary", self.folder / "standby"
        self._run("initdb", "-D", primary, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self._serve(primary, 5432)
        self._until("SELECT 1", lambda answer: answer is not None)
        self._run("pg_basebackup", "-D", standby, "-h", self.folder, "-U", USER, "-R", "--no-sync", "-c", "fast")
        self._serve(standby, 5433)
        self._until("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", lambda answer: answer == 1)
        with self._asked() as connection:
            connection.execute("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")

    def latency(self, milliseconds: int) -> None:
        """A commit takes at least so long from now on."""
        (self.folder / "standby" / "latency.conf").write_text(f"recovery_min_apply_delay = {milliseconds}\n")
        with psycopg.connect(
            f"host={self.folder} port=5433 user={USER} dbname=postgres", autocommit=True
        ) as connection:
            connection.execute("SELECT pg_reload_conf()")
        time.sleep(1)

    def stop(self) -> None:
        """Both end."""
        for one in reversed(self.running):
            one.terminate()
            one.wait(30)

    def _serve(self, data: Path, port: int) -> None:
        (data / "latency.conf").write_text("")
        with (data / "postgresql.conf").open("a") as config:
            config.write("include = 'latency.conf'\n")
        options = {"listen_addresses": "", "unix_socket_directories": self.folder, "port": port, "fsync": "off",
                   "full_page_writes": "off", "wal_receiver_status_interval": 1, "hot_standby": "on"}  # fmt: skip
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / f"{data.name}.log").open("wb") as log:
            self.running.append(
                subprocess.Popen(
                    [self.binaries / "postgres", "-D", data, *words], stderr=log, user=self._user(), cwd="/"
                )
            )

    def _run(self, program: str, *words: Any) -> None:
        subprocess.run(
            [self.binaries / program, *words], check=True, stdout=subprocess.DEVNULL, user=self._user(), cwd="/"
        )

    def _user(self) -> str | None:
        return self.account if os.geteuid() == 0 else None

    def _asked(self) -> psycopg.Connection[Any]:
        return psycopg.connect(f"host={self.folder} user={USER} dbname=postgres", autocommit=True)

    def _until(self, question: str, good: Any) -> None:
        for _ in range(600):
            try:
                with self._asked() as connection:
                    row = connection.execute(question).fetchone()
                if row is not None and good(row[0]):
                    return
            except psycopg.Error:
                pass
            time.sleep(0.1)
        raise SystemExit("the servers did not come up")


@contextmanager
def pair() -> Iterator[Pair]:
    """Two servers in a folder that goes with them."""
    with tempfile.TemporaryDirectory(prefix="lienthong-writers-") as folder:
        made = Pair(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()


@cache
def store_at(url: str) -> Store:
    """This process's store."""
    return Store(open_engine(url))


def write(url: str, name: str, tray: int, begin: float, seconds: float) -> int:
    """Transactions of one writer in this time: trays of so many messages, or one line of the log each."""
    store, done = store_at(url), 0
    clerk = years.Clerk(store, name, datetime.now(UTC))
    time.sleep(max(0.0, begin - time.time()))
    while time.time() < begin + seconds:
        if tray:
            clerk.take([one for number in range(tray) for one in clerk.life(done * tray + number, 1)])
        else:
            with store.begin() as tx:
                tx.note(LogLine(what="bench", who="gateway"), datetime.now(UTC))
        done += 1
    return done


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description="Commits a second by writers and commit latency.")
    parser.add_argument("--latency", type=int, nargs="+", default=[1, 5, 20], help="milliseconds")
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument(
        "--trays", type=int, nargs="+", default=[0, 64], help="messages in a tray; 0: one line of the log"
    )
    parser.add_argument("--seconds", type=float, default=4)
    given = parser.parse_args()
    with pair() as servers, ProcessPoolExecutor(max(given.writers), mp_context=get_context("spawn")) as pool:
        engine = open_engine(servers.url)
        upgrade(engine)
        engine.dispose()
        begin = time.time() + 10
        warm = [pool.submit(write, servers.url, f"w{n}-", 1, begin, 1.0) for n in range(max(given.writers))]
        for task in warm:  # every process has loaded what it needs
            task.result()
        print("| commit | tray | " + " | ".join(f"{n} writers" for n in given.writers) + " |")
        print("|---|---|" + "---|" * len(given.writers))
        run = 0
        for latency in given.latency:
            servers.latency(latency)
            for tray in given.trays:
                cells = []
                for writers in given.writers:
                    begin = time.time() + 2
                    names = [f"r{run}w{number}-" for number in range(writers)]
                    run += 1
                    tasks = [pool.submit(write, servers.url, name, tray, begin, given.seconds) for name in names]
                    each = sum(task.result() for task in tasks) / given.seconds
                    cells.append(f"{each:.0f}/s" + (f", {each * tray:,.0f} messages/s" if tray else ""))
                print(f"| {latency} ms | {tray or 'a line'} | " + " | ".join(cells) + " |", flush=True)
    print(f"Load average at the end {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
