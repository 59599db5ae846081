"""What taking a month out of PostgreSQL costs, by rows and with its part: ``python bench/removal.py --database URL``.

On a PostgreSQL database that may be emptied: table ``body`` as it is, in parts, of which the month's is made anew without its bytes
(gateway/store/parts.py); and beside it a table with the same rows and no parts, of which a month's bytes are taken row by row.
Somebody writes a body of the newest month all the while: how long he waits at most. Then a further month comes: whether it finds
the room that was given back.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg

from gateway.store import Store, open_engine, parts, upgrade
from gateway.store.archives import bounds_of

PAGE = 200  # messages, as gateway.services.archiving takes them
COLUMNS = "owner, digest, bytes, kept, total"
ROWS = "removal_rows"


def owners(month: str, number: int) -> Iterator[str]:
    """The ids of so many messages of a month."""
    begins = parts.first_id(month)
    return (f"{begins}{one:09}-0123456789" for one in range(number))


class Removal:
    """The two tables, and what is measured of them."""

    def __init__(self, url: str) -> None:
        self.store = _emptied(url)
        plain = url.replace("postgresql+psycopg://", "postgresql://")
        self._connection: psycopg.Connection[Any] = psycopg.connect(plain, autocommit=True)
        self._other: psycopg.Connection[Any] = psycopg.connect(plain, autocommit=True)
        self._run(
            f"CREATE TABLE {ROWS} (owner text, digest text, bytes bytea, kept bigint NOT NULL, total bigint NOT NULL, "
            "erased_at timestamptz, archive text, PRIMARY KEY (owner, digest))"
        )

    def fill(self, month: str, number: int, size: int) -> None:
        """A month's bodies, two for each message, into both."""
        with self._connection.cursor() as cursor:
            for table in ("body", ROWS):
                with cursor.copy(f"COPY {table} ({COLUMNS}) FROM STDIN") as copy:
                    for owner in owners(month, number):
                        for which in range(2):
                            content = os.urandom(size - 100 + hash(owner) % 200)
                            digest = hashlib.sha256(f"{owner} {which}".encode()).hexdigest()
                            copy.write_row((owner, digest, content, 4000, 4000))

    def take_rows(self, month: str, number: int) -> None:
        """By rows, page by page, each a transaction."""
        ids = [*owners(month, number)]
        for first in range(0, number, PAGE):
            self._run(
                f"UPDATE {ROWS} SET bytes = NULL, archive = '{month}' WHERE owner = ANY(%s) AND bytes IS NOT NULL",
                [ids[first : first + PAGE]],
            )

    def take_part(self, month: str) -> None:
        """With its part."""
        if not self.store.take_out_part(month, lambda _owner, _digest: True):
            raise SystemExit(f"{month} has no part")

    def beside(self, table: str, month: str, act: Callable[[], None]) -> tuple[float, float]:
        """Seconds of an act, and of the longest of the small transactions that another one makes meanwhile."""
        over, longest = threading.Event(), 0.0

        def writes() -> None:
            nonlocal longest
            number = 0
            while not over.is_set():
                began = time.perf_counter()
                row = (f"{parts.first_id(month)}-beside-{number}", "0" * 64, b"0" * 800, 800, 800)
                self._other.execute(f"INSERT INTO {table} ({COLUMNS}) VALUES (%s, %s, %s, %s, %s)", row)
                longest = max(longest, time.perf_counter() - began)
                number += 1
                time.sleep(0.005)

        other = threading.Thread(target=writes)
        other.start()
        began = time.perf_counter()
        try:
            act()
        finally:
            took = time.perf_counter() - began
            over.set()
            other.join()
        return took, longest

    def size(self, table: str) -> float:
        """MB on disk, parts and indexes included."""
        parted = f"SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('{table}') WHERE isleaf"
        return float(self._one(f"SELECT pg_total_relation_size('{table}') + coalesce(({parted}), 0)")) / 1e6

    def dead(self, table: str) -> int:
        """Dead rows, as the server counts them."""
        self._run("SELECT pg_stat_clear_snapshot()")
        named = f"relid IN (SELECT relid FROM pg_partition_tree('{table}')) OR relname = '{table}'"
        return int(self._one(f"SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE {named}"))

    def vacuum(self, table: str) -> float:
        """Seconds of a vacuum, as autovacuum does it."""
        began = time.perf_counter()
        self._run(f"VACUUM {table}")
        return time.perf_counter() - began

    def _run(self, statement: str, given: Any = None) -> None:
        self._connection.execute(statement, given)

    def _one(self, statement: str) -> Any:
        row = self._connection.execute(statement).fetchone()
        return row[0] if row else None


def _emptied(url: str) -> Store:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    upgrade(engine)
    return Store(engine)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description="What taking a month out of the database costs.")
    parser.add_argument("--database", required=True, help="a PostgreSQL database that may be emptied (postgresql://…)")
    parser.add_argument("--messages", type=int, default=100_000, help="of a month; each has two bodies")
    parser.add_argument("--bytes", type=int, default=800, help="of a body as it is packed")
    given = parser.parse_args()
    *months, further = parts.coming(datetime.now(UTC))
    made = Removal(given.database)
    for month in months:
        made.fill(month, given.messages, given.bytes)
    full = {}
    for table in (ROWS, "body"):
        made.vacuum(table)
        full[table] = made.size(table)
    by_rows = made.beside(ROWS, months[-1], lambda: made.take_rows(months[0], given.messages))
    by_part = made.beside("body", months[-1], lambda: made.take_part(months[0]))
    time.sleep(1)  # the server counts what is dead a moment later
    dead = made.dead(ROWS), made.dead("body")
    cleaned = made.vacuum(ROWS), made.vacuum("body")
    after = made.size(ROWS), made.size("body")
    made.fill(further, given.messages, given.bytes)
    print(f"| {given.messages:,} messages a month, {len(months)} months | by rows | with its part |\n|---|---|---|")
    print(f"| on disk, MB | {full[ROWS]:,.0f} | {full['body']:,.0f} |")
    print(f"| a month taken out, s | {by_rows[0]:.1f} | {by_part[0]:.1f} |")
    print(f"| one who writes meanwhile waits at most, ms | {1000 * by_rows[1]:.0f} | {1000 * by_part[1]:.0f} |")
    print(f"| dead rows afterwards | {dead[0]:,} | {dead[1]:,} |")
    print(f"| vacuum, s | {cleaned[0]:.1f} | {cleaned[1]:.1f} |")
    print(f"| on disk afterwards, MB | {after[0]:,.0f} | {after[1]:,.0f} |")
    print(f"| on disk with a further month, MB | {made.size(ROWS):,.0f} | {made.size('body'):,.0f} |")
    print(f"Load average at the end {os.getloadavg()[0]:.1f}; bodies of {bounds_of(months[0])[0]:%Y-%m} and later.")


if __name__ == "__main__":
    main()
