"""The store's two doors: one to write through, one to read through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from gateway.core.chain import LogEntry
from gateway.store import tables
from gateway.store.archives import Archives
from gateway.store.digests import put_step
from gateway.store.engine import Traces, clear_traces, file_of, hurried, prove_written, reader_of, waits_for_standby
from gateway.store.errors import OTHER_SCHEMA, SchemaMismatch, Unavailable, translated
from gateway.store.news import News
from gateway.store.packing import Patterns
from gateway.store.parts import add_parts, coming, shortly, take_out_part
from gateway.store.schema import demand, schema_revision
from gateway.store.view import LOG, View

if TYPE_CHECKING:
    from gateway.store.journal import JournalKeeper
    from gateway.store.sidebook import SideBook
    from gateway.store.tx import Tx


PROOF = "~proof"  # a row of table counter: how often it was proven that the database can be written
_LARGE = Path("/var/tmp")  # noqa: S108 - where temporary files lie on a disk; /tmp and TMPDIR may be memory


class Store:
    """The records of the gateway. Safe for use by many threads and processes; after a fork each process opens its own."""

    def __init__(self, engine: Engine) -> None:
        """Raises SchemaMismatch when the database is of another revision, Unavailable when it cannot be reached."""
        self.engine = engine
        self._reader = reader_of(engine, steady=True)
        self._hurried = hurried(engine)
        self._patterns = Patterns()
        self.archives = Archives(None)  # where the files of months are; wiring says
        #: Told of each transaction ("write" or "read") how long it waited for a connection and, to write, for its turn, seconds.
        self.waited: Callable[[str, float], None] | None = None
        #: Why nothing is written: the database was brought to another revision meanwhile, as of the last look.
        self.mismatch: SchemaMismatch | None = None
        demand(engine)

    def look_at_revision(self) -> SchemaMismatch | None:
        """Whether the database is of this program's revision still; while it is not, nothing is written. Raises StoreError."""
        found = schema_revision(self.engine)
        self.mismatch = None if found == tables.REVISION else SchemaMismatch(found, tables.REVISION)
        return self.mismatch

    def _refuse_other_schema(self) -> None:
        if self.mismatch is not None:
            raise Unavailable(str(self.mismatch), why=OTHER_SCHEMA)

    @contextmanager
    def begin(self, *, express: bool = False) -> Iterator[Tx]:
        """A transaction to write in: committed as a whole at the end, or undone as a whole when anything is raised.

        Others may wait from here on until the end. ``express``: it is little, and goes before others where it can.

        Raises StoreError and its kinds. What the block itself raises flies on unchanged, except for texts and numbers that
        no database takes (UnicodeError, OverflowError), which are Unstorable wherever they were met.
        """
        from gateway.store.tx import Tx  # noqa: PLC0415 - every statement that writes; who only looks needs none of them

        self._refuse_other_schema()
        asked = time.perf_counter()
        with translated(), (self._hurried if express else self.engine).begin() as connection:
            if self.waited is not None:
                self.waited("write", time.perf_counter() - asked)
            tx = Tx(connection, self._patterns, self.archives)
            yield tx
            tx.close()
        self._patterns.learn(tx.learnt)

    @contextmanager
    def read(self) -> Iterator[View]:
        """A transaction to read in: one snapshot, which waits for nobody and holds nobody up."""
        asked = time.perf_counter()
        with translated(), self._reader.begin() as connection:
            if self.waited is not None:
                self.waited("read", time.perf_counter() - asked)
            yield View(connection, self._patterns, self.archives)

    @property
    def statements_wait(self) -> bool:
        """Whether a statement inside a transaction may wait for others: on a file only its beginning and its end do."""
        return self.engine.dialect.name != "sqlite"

    def prove(self) -> None:
        """Writes something small, the way messages are written, and commits it. Raises StoreError where that cannot be."""
        self._refuse_other_schema()
        with translated(), self.engine.begin() as connection:
            prove_written(connection, tables.metadata.tables, PROOF, LOG)

    def sort_digests(self) -> bool:
        """Puts some more of the digests together by which bytes are found; whether there was something to do.

        Read while nobody waits; written in a transaction of some milliseconds. Several may do it at once. Raises StoreError.
        """
        self._refuse_other_schema()
        with self.read() as view:
            step = view.digest_step()
        if step is not None:
            with translated(), self.engine.begin() as connection:
                put_step(connection, step)
        return step is not None

    def add_parts(self, now: datetime) -> list[str]:
        """Makes a part of their own for the bytes of this month and of those to come, on a server; which months' it made.

        Raises StoreError, among others where the database's account may make no tables.
        """
        if self.engine.dialect.name == "sqlite":
            return []
        self._refuse_other_schema()
        with translated(), self.engine.begin() as connection:
            shortly(connection)
            return add_parts(connection, coming(now))

    def take_out_part(self, month: str, holds: Callable[[str, str], bool]) -> bool:
        """Takes what is in a month's archive out of the database, with the part of it where those bytes lie; whether it has one.

        ``holds``: whether a message has bytes of this SHA-256 in the archive. A file has no parts. Raises Busy where others would
        not let go of the table, StoreError.
        """
        if self.engine.dialect.name == "sqlite":
            return False
        self._refuse_other_schema()
        with translated():
            return take_out_part(self.engine, month, holds)

    def waits_for_standby(self) -> bool:
        """Whether commits wait for a synchronous standby just now. Raises StoreError."""
        with translated(), self._reader.begin() as connection:
            return waits_for_standby(connection)

    def news(self, tell: Callable[[], object]) -> News:
        """Has a thread call ``tell`` soon after commits that somebody may wait for, until it is closed."""
        return News(self.engine, tell)

    def journal_keeper(self) -> JournalKeeper:
        """Has a thread move a file's journal into the file beside those who write, until it is closed."""
        from gateway.store.journal import JournalKeeper  # noqa: PLC0415 - only who stays has one

        return JournalKeeper(self.engine)

    def side_book(self) -> SideBook:
        """An empty book for two lists: in a file beside the database's own, or on this machine's disk where a server has that.

        Raises StoreError.
        """
        from gateway.store.sidebook import SideBook  # noqa: PLC0415 - only who reconciles has one

        file = file_of(self.engine)
        return SideBook(_LARGE if file is None else file.parent)

    def log_entries(self, *, after: int = 0, upto: int | None = None, page: int = 1000) -> Iterator[LogEntry]:
        """The log after this number, to its head of now or to another number, in pages.

        Each page is a snapshot of its own: hours of reading hold nothing up. A log only grows, so its pages agree with each
        other whatever is written meanwhile.
        """
        with self.read() as view:
            head = view.log_head().number if upto is None else upto
        while after < head:
            with self.read() as view:
                lines = view.log(after=after, limit=min(page, head - after))
            if not lines:
                return
            yield from lines
            after = lines[-1].number

    def clear_traces(self, *, rewrite: bool = False) -> Traces:
        """After an erasure: empties what the database itself still keeps of it beside its tables. Gives what may be left."""
        with translated():
            return clear_traces(self.engine, rewrite=rewrite)

    def dispose(self) -> None:
        """Closes the connections."""
        self.engine.dispose()
