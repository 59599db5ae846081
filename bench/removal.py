"""What taking a month out of the database costs, by rows and by partitions: ``python bench/removal.py --database URL``.

Two tables with the bodies of three months on a PostgreSQL database that may be emptied: ``body`` as it is, of which an archive takes
the bytes row by row (the row stays, as the entry by which everything is found); and one that is parted by months, with the same rows
beside it without bytes, of which a month is dropped. Then a further month comes: whether it finds the room that was given back.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections.abc import Iterator
from typing import Any

import psycopg

MONTHS = 3
PAGE = 200  # as gateway.services.archiving takes them


def bodies(month: int, number: int, size: int) -> Iterator[tuple[str, bytes]]:
    """So many bodies of a month: packed bytes, which nothing packs further."""
    for one in range(number):
        content = os.urandom(size - 100 + one % 200)
        yield hashlib.sha256(b"%d %d" % (month, one)).hexdigest(), content


class Removal:
    """The two tables, and what is measured of them."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def make(self) -> None:
        """Empty ones."""
        names = "removal_rows, removal_index, removal_parts"
        self._run(f"DROP TABLE IF EXISTS {names}")
        columns = (
            "digest text PRIMARY KEY, {} kept bigint NOT NULL, total bigint NOT NULL, erased_at timestamp, archive text"
        )
        self._run(f"CREATE TABLE removal_rows ({columns.format('bytes bytea,')})")
        self._run(f"CREATE TABLE removal_index ({columns.format('month int NOT NULL,')})")
        parts = "digest text NOT NULL, month int NOT NULL, bytes bytea, PRIMARY KEY (month, digest)"
        self._run(f"CREATE TABLE removal_parts ({parts}) PARTITION BY LIST (month)")
        for month in range(MONTHS + 1):
            self._run(f"CREATE TABLE removal_parts_{month} PARTITION OF removal_parts FOR VALUES IN ({month})")

    def fill(self, month: int, number: int, size: int) -> None:
        """A month's bodies, into both."""
        with self._connection.cursor() as cursor:
            for table, row in (
                ("removal_rows (digest, bytes, kept, total)", lambda d, b: (d, b, 4000, 4000)),
                ("removal_index (digest, month, kept, total)", lambda d, _: (d, month, 4000, 4000)),
                ("removal_parts (digest, month, bytes)", lambda d, b: (d, month, b)),
            ):
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    for digest, content in bodies(month, number, size):
                        copy.write_row(row(digest, content))

    def take_rows(self, number: int) -> float:
        """The oldest month by rows, page by page, each a transaction; seconds."""
        began = time.perf_counter()
        digests = [hashlib.sha256(b"0 %d" % one).hexdigest() for one in range(number)]
        for first in range(0, number, PAGE):
            self._run(
                "UPDATE removal_rows SET bytes = NULL, archive = '2026-01' WHERE digest = ANY(%s) AND bytes IS NOT NULL",
                [digests[first : first + PAGE]],
            )
        return time.perf_counter() - began

    def take_part(self) -> float:
        """The oldest month by dropping its part, and its rows told so at once; seconds."""
        began = time.perf_counter()
        self._run("DROP TABLE removal_parts_0")
        return time.perf_counter() - began

    def size(self, *tables: str) -> float:
        """MB on disk, indexes included."""
        return sum(self._one(f"SELECT pg_total_relation_size('{table}')") for table in tables) / 1e6

    def parts(self, months: range) -> float:
        """MB of the parted way: the rows that stay, and the months that are there."""
        return self.size("removal_index", *(f"removal_parts_{month}" for month in months))

    def dead(self) -> int:
        """Dead rows."""
        self._run("ANALYZE removal_rows")
        self._run("SELECT pg_stat_clear_snapshot()")
        return int(self._one("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'removal_rows'"))

    def vacuum(self) -> float:
        """Seconds of a vacuum, as autovacuum does it."""
        began = time.perf_counter()
        self._run("VACUUM removal_rows")
        return time.perf_counter() - began

    def _run(self, statement: str, given: Any = None) -> None:
        self._connection.execute(statement, given)

    def _one(self, statement: str) -> Any:
        row = self._connection.execute(statement).fetchone()
        return row[0] if row else None


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description="What taking a month out of the database costs.")
    parser.add_argument("--database", required=True, help="a PostgreSQL database that may be emptied (postgresql://…)")
    parser.add_argument("--messages", type=int, default=100_000, help="of a month; each has two bodies")
    parser.add_argument("--bytes", type=int, default=800, help="of a body as it is packed")
    given = parser.parse_args()
    number = given.messages * 2
    with psycopg.connect(given.database, autocommit=True) as connection:
        made = Removal(connection)
        made.make()
        for month in range(MONTHS):
            made.fill(month, number, given.bytes)
        made.vacuum()
        full, parted = made.size("removal_rows"), made.parts(range(MONTHS))
        took, dropped = made.take_rows(number), made.take_part()
        after, dead = made.size("removal_rows"), made.dead()
        cleaned = made.vacuum()
        made.fill(MONTHS, number, given.bytes)
        print(f"| {given.messages:,} messages a month, {MONTHS} months | by rows | by partitions |\n|---|---|---|")
        print(f"| on disk, MB | {full:,.0f} | {parted:,.0f} |")
        print(f"| a month taken out, s | {took:.1f} | {dropped:.2f} |")
        print(f"| dead rows afterwards | {dead:,} | 0 |")
        print(f"| vacuum, s | {cleaned:.1f} | – |")
        print(f"| on disk afterwards, MB | {after:,.0f} | {made.parts(range(1, MONTHS)):,.0f} |")
        print(
            f"| on disk with a further month, MB | {made.size('removal_rows'):,.0f} | {made.parts(range(1, MONTHS + 1)):,.0f} |"
        )
    print(f"Load average at the end {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
