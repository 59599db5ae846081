"""A node's database moved to another one, above all SQLite's file to a PostgreSQL server: by steps, compared, then used."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.core import chain
from gateway.core.ledger import LogLine
from gateway.core.problems import Problem, Stopped
from gateway.store import Conflict, Store
from gateway.store.dumps import (
    CopyTarget,
    DumpTable,
    DumpTally,
    Picture,
    Tell,
    dump_line,
    dump_tables,
    going_on,
    in_pages,
    picture,
)
from gateway.store.engine import file_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied, and stands there as it does here."""

    head: chain.Head
    rows: Mapping[str, int]  # table -> rows
    before: int  # rows that an earlier run had brought there already


COPIED: Final = "copied"  # what the line of the source's log says that a copy leaves


def copy_database(
    source: Store,
    url: str,
    beside: Path,
    *,
    who: str,
    reason: str,
    now: datetime,
    to: str,
    tell: Tell = lambda _done, _all: None,
) -> Copied:
    """Copies every row, then reads them all there again and compares, then walks through the log.

    Whoever would write into a file of SQLite waits meanwhile; a copy of a server whose log has grown by the end is refused. One
    that was broken off is gone on with, as long as the source's log has not grown since; no program uses a database that is not
    copied to its end. ``beside``: a folder with room for as much as the source has; ``to``: the address as it may be written
    into the log. Raises Stopped: BAK-008 it is no new database, BAK-009 the source is not as it was when the copy was begun,
    BAK-010 what is there is not what is here; ValueError for an address that is none of a database.
    """
    target = CopyTarget(url)
    try:
        with ExitStack() as held:
            if (
                file_of(source.engine) is not None
            ):  # a server ends a writer that says nothing for a minute, and none waits for it
                held.enter_context(source.begin())
            here = held.enter_context(picture(source.engine, beside))
            done = _copied(source, here, target, tell)
    finally:
        target.dispose()
    facts = {"to": to, "reason": reason, "number": done.head.number, "rows": sum(done.rows.values())}
    with source.begin() as tx:
        tx.note(LogLine(what=COPIED, who=who, facts=facts), now)
    return done


def _copied(source: Store, here: Picture, target: CopyTarget, tell: Tell) -> Copied:
    head = here.head
    try:
        if not target.begin(head):
            raise Stopped(Problem("BAK-008"))
    except Conflict as error:
        raise Stopped(Problem("BAK-009", {"begun": str(error), "now": head.number})) from error
    tables = dump_tables()
    of = 2 * sum(here.count(table) for table in tables)
    done = before = 0
    tallies: dict[DumpTable, DumpTally] = {}
    for table in tables:
        after, tally = target.come_to(table)
        before += tally.rows
        lines = ((row, dump_line(row)) for row in here.rows(table, after))
        for page in in_pages(lines, lambda one: len(one[1])):
            for _, line in page:
                tally.add(line)
            target.put(table, [row for row, _ in page], tally)
            tell(done + tally.rows, of)
        done += tally.rows
        tallies[table] = tally
    for table, tally in tallies.items():
        found = target.tally(table, going_on(done, of, tell))
        if (found.rows, found.digest) != (tally.rows, tally.digest):
            raise Stopped(Problem("BAK-010", {"table": table.name, "here": tally.rows, "there": found.rows}))
        done += found.rows
    with source.read() as view:
        now = view.log_head()
    if now != head:
        raise Stopped(Problem("BAK-009", {"begun": head.number, "now": now.number}))
    checked = target.finish(head)
    if not checked.whole:
        raise Stopped(Problem("BAK-010", {"table": "log", "here": head.number, "there": checked.head.number}))
    return Copied(head=head, rows={table.name: tally.rows for table, tally in tallies.items()}, before=before)
