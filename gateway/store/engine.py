"""Opens the database. The only file that knows which database it is: everything else is written once for all of them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import (
    URL,
    Connection,
    CursorResult,
    Dialect,
    Engine,
    Table,
    create_engine,
    event,
    exc,
    make_url,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.store.strays import clear_abandoned, in_use

if sys.version_info < (3, 12):
    # sqlite3 asks of each None and of all bytes whether they can be adapted, and in 3.11 an error is made and dropped over each
    # that nobody has registered: three quarters of what it takes to bind a row.
    sqlite3.register_adapter(type(None), lambda _: None)
    sqlite3.register_adapter(bytes, bytes)

BUSY_TIMEOUT_S = 30.0  # how long a transaction waits for another one's locks
IDLE_WRITER_S = (
    60.0  # how long a writer may say nothing before a server ends it: one that hangs holds no locks for ever
)
CACHE_MIB = 32  # pages that a connection to a file keeps at most; all go when somebody else has committed
_READING = "lienthong_reading"
_STEADY = "lienthong_steady"
_HURRIED = "lienthong_hurried"
_COPY = ".lienthong-"  # how the folders of copies begin


def open_engine(
    url: str,
    *,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    write_s: float | None = None,
    read_s: float | None = None,
    pool_size: int = 4,
    cache_mib: int = CACHE_MIB,
    together_mib: int | None = None,
) -> Engine:
    """An engine for ``sqlite:///path`` (a file, never memory) or ``postgresql://…``. Connects to nothing yet.

    ``write_s`` and ``read_s``: how long one statement of a writer (its commit, too) and of a reader may take before the
    connection is given up, on a server; None: a person waits for it. ``cache_mib``: what each connection to a file may keep of
    its pages; ``together_mib``: all connections to files in this process, with what SQLite needs beside. Raises ValueError for
    any other URL.
    """
    try:
        target = make_url(url)
    except (exc.ArgumentError, ValueError):  # ValueError: a port that is no number; either would quote the address
        raise ValueError("it is not written like sqlite:///file or postgresql+psycopg://account@host/name") from None
    backend = target.get_backend_name()
    if backend == "sqlite":
        if not target.database or target.database == ":memory:":
            raise ValueError("the gateway keeps its records in a file: sqlite:///path/to/lienthong.db")
        if target.query:
            raise ValueError("the address of a file takes no parameters")
        return _open_sqlite(url, busy_timeout_s, pool_size, cache_mib, together_mib)
    if backend == "postgresql":
        target = target.set(drivername="postgresql+psycopg")
        return _open_postgresql(target, busy_timeout_s, write_s, read_s, pool_size)
    raise ValueError(f"{backend} is not a database the gateway knows; it knows sqlite and postgresql")


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _open_sqlite(url: str, busy_timeout_s: float, pool_size: int, cache_mib: int, together_mib: int | None) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=2 * pool_size,
        pool_timeout=busy_timeout_s,
        pool_use_lifo=True,  # each connection keeps pages of its own: no more of them than work at once
        connect_args={"timeout": busy_timeout_s},
    )
    known: list[tuple[int, int]] = []  # which file it is, once it was opened

    @event.listens_for(engine, "do_connect")
    def connect(*_: object) -> None:
        if known:  # opening a file that was taken away would make an empty one in its place
            _same_file(engine, known[0])

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _record: object) -> None:
        path = file_of(engine)
        if path is not None and path.stat().st_size == 0:  # just made: what it will hold is nobody else's to read
            path.chmod(0o600)
        connection.isolation_level = None  # the driver begins nothing by itself; we do, below
        connection.create_function("sha256", 1, _sha256, deterministic=True)  # as a server has it
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # NORMAL may lose acknowledged commits on power loss
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what is taken out is overwritten, not only left out
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute(f"PRAGMA cache_size=-{1024 * cache_mib}")  # KiB
        if together_mib is not None:  # beyond it a connection that reads a page gives up one of its own
            cursor.execute(f"PRAGMA soft_heap_limit={together_mib << 20}")
        cursor.execute(f"PRAGMA wal_autocheckpoint={_MOVED_IN_PASSING}")
        cursor.execute("PRAGMA journal_size_limit=67108864")
        cursor.close()
        if not known and (identity := _identity(engine)) is not None:
            known.append(identity)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once and ignores the timeout: a writer says so at its
        # start. A reader cannot write, as on PostgreSQL.
        _same_file(engine, known[0] if known else None)
        options = connection.get_execution_options()
        reading = options.get(_READING, False)
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA query_only=ON" if reading else "PRAGMA query_only=OFF")
        if reading:
            cursor.execute("BEGIN")
        else:
            _take_turn(cursor, busy_timeout_s, hurried=options.get(_HURRIED, False))
        cursor.close()

    return engine


def look_again_s(waited_s: float, *, hurried: bool = False) -> float:
    """How soon a writer to a file that is being written to looks again, when it has waited for so long.

    Whoever looks when it is free has it: where several write all the time, one that looks more rarely the longer it waits is
    overtaken by those who have just come, for seconds. So it looks more often than they once it has waited for several turns;
    after two seconds nobody takes turns: somebody has much to write. ``hurried``: it looks more often than anybody.
    """
    if waited_s >= 2.0:
        return 0.01
    if hurried or waited_s < 0.005:
        return 0.0005
    return waited_s / 10 if waited_s < 0.05 else 0.001


def _take_turn(cursor: DBAPICursor, patience_s: float, *, hurried: bool) -> None:
    """Begin to write as soon as nobody else does. Raises what SQLite raises when that took too long.

    Those who write take turns of some ten milliseconds. SQLite's own waiting looks again after up to a tenth of a second,
    however long the other one has been done by then.
    """
    cursor.execute("PRAGMA busy_timeout=0")
    began = time.monotonic()
    try:
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                waited = time.monotonic() - began
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or waited >= patience_s:
                    raise
                time.sleep(look_again_s(waited, hurried=hurried))
            else:
                return
    finally:
        cursor.execute(f"PRAGMA busy_timeout={int(patience_s * 1000)}")


def _identity(engine: Engine) -> tuple[int, int] | None:
    """Which file stands at the database's path: device and inode."""
    path = engine.url.database
    try:
        found = os.stat(path) if path else None  # noqa: PTH116 - every transaction looks; a Path costs more than the look
    except FileNotFoundError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def _same_file(engine: Engine, known: tuple[int, int] | None) -> None:
    """Raises what SQLite raises for a file that was moved: it does so only where it keeps a rollback journal, which we do not."""
    if known is not None and _identity(engine) != known:
        moved = sqlite3.OperationalError("the database file was removed or replaced under the running process")
        moved.sqlite_errorname = "SQLITE_READONLY_DBMOVED"
        raise moved


def _open_postgresql(
    url: URL, busy_timeout_s: float, write_s: float | None, read_s: float | None, pool_size: int
) -> Engine:
    import psycopg  # noqa: PLC0415 - only where the database is a server

    from gateway.store.line import PATIENCE, PING_S, Line  # noqa: PLC0415

    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=2 * pool_size,
        pool_timeout=busy_timeout_s,
        connect_args={
            "application_name": "lienthong",
            "autocommit": True,  # the driver begins nothing by itself; we do, below
            **{name: value for name, value in PATIENCE.items() if name not in url.query},
        },
    )
    writing, reading, steady = _heads(busy_timeout_s, write_s, read_s)
    serving = write_s is not None  # a person may well look into a standby

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, cargs: list[Any], cparams: dict[str, Any]) -> Line:
        return Line.connect(*cargs, **cparams)

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        line: Any = connection
        line.prepared()
        record.info["new"] = True

    @event.listens_for(engine, "checkout")
    def prove(connection: DBAPIConnection, record: ConnectionPoolEntry, _fairy: object) -> None:
        # A database that was restarted, or took over from another, costs no request: what is old is thrown away, all of it.
        line: Any = connection
        line.patience_s = PING_S
        new = record.info.pop("new", False)
        try:
            if not line.autocommit:  # SQLAlchemy has put back a level that somebody had asked another for
                line.autocommit = True
            useless = line.standby() and serving
        except psycopg.Error as error:
            if new:
                raise
            raise exc.InvalidatePoolError from error
        if useless and new:
            raise psycopg.errors.ReadOnlySqlTransaction("the server is a standby, or closed for writing")
        if useless:
            raise exc.InvalidatePoolError

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") == "AUTOCOMMIT":
            return
        line: Any = connection.connection.driver_connection
        looks = options.get(_READING, False)
        line.patience_s = None if (longest := read_s if looks else write_s) is None else longest + PING_S
        with _given_up(connection, line):
            line.execute(steady if options.get(_STEADY, False) else reading if looks else writing, prepare=False)

    @event.listens_for(engine, "commit")
    def commit(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") == "AUTOCOMMIT" or options.get(_READING, False):
            return
        line: Any = connection.connection.driver_connection
        with _given_up(connection, line):
            line.commit_now()

    @event.listens_for(engine, "handle_error")
    def lost(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlstate", None) in _NOT_THIS_SERVER:
            context.is_disconnect = True

    return engine


_NOT_THIS_SERVER: Final = frozenset({"25006", "57P01", "57P02", "57P03"})  # it takes no writes, or goes


def _heads(busy_timeout_s: float, write_s: float | None, read_s: float | None) -> tuple[str, str, str]:
    """What a transaction begins with, to write, to read and to read the records: what it needs of the session, for itself only.

    A session belongs to us for one transaction where a pooler stands between. The locks do the rest, whatever the server's
    default of isolation is. A writer that hangs does not hold its locks for ever; a reader locks nothing and may take its
    time. An acknowledgement is a promise: the commit is waited for, and anything stronger that the server is set to stays.

    Who reads the records holds table ``body`` before they see anything: a part of it that is put in another one's place
    (parts.py) has rows that no picture of before has, so nobody with a picture of before may meet it.
    """
    common = f"SET LOCAL timezone = 'UTC'; SET LOCAL lock_timeout = {int(busy_timeout_s * 1000)}; "
    writing = (
        f"BEGIN ISOLATION LEVEL READ COMMITTED; {common}"
        f"SET LOCAL statement_timeout = {int((write_s or 0) * 1000)}; "
        f"SET LOCAL idle_in_transaction_session_timeout = {int(IDLE_WRITER_S * 1000)}; "
        "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
    )
    reading = (
        f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {common}"
        f"SET LOCAL statement_timeout = {int((read_s or 0) * 1000)}; "
        "SET LOCAL idle_in_transaction_session_timeout = 0"
    )
    return writing, reading, f"{reading}; LOCK TABLE ONLY body IN ACCESS SHARE MODE"


@contextmanager
def _given_up(connection: Connection, line: Any) -> Iterator[None]:
    """A connection that was closed meanwhile does not go back to the pool."""
    try:
        yield
    except Exception as error:
        if line.closed:
            connection.invalidate(error)
        raise


def reader_of(engine: Engine, *, steady: bool = False) -> Engine:
    """The same engine for reading only: one snapshot for a whole transaction, without waiting for writers or holding them up.

    ``steady``: the records of a database that has the tables of this program; none of their parts is put into another one's place
    meanwhile.
    """
    return engine.execution_options(**{_READING: True, _STEADY: steady})


def hurried(engine: Engine) -> Engine:
    """The same engine for a writer that goes before others: it looks for its turn at a file as often as anybody may."""
    return engine.execution_options(**{_HURRIED: True})


@contextmanager
def still(engine: Engine, beside: Path) -> Iterator[Connection]:
    """A connection that sees one moment for as long as it takes. SQLite's file is copied into the folder ``beside`` for it.

    A reader of SQLite's own file would have its write-ahead log grow until it is done; a copy is made in one go, by SQLite's
    online backup, and goes at the end. One that a killed process has left there goes now.
    """
    if engine.dialect.name != "sqlite":
        with reader_of(engine, steady=True).begin() as connection:
            yield connection
        return
    clear_abandoned(beside, f"{_COPY}*")
    with tempfile.TemporaryDirectory(prefix=_COPY, dir=beside) as folder, in_use(Path(folder)):
        copied = Path(folder) / "picture.sqlite3"
        with closing(sqlite3.connect(copied)) as target:
            copied.chmod(0o600)
            raw = engine.raw_connection()
            try:
                source: Any = raw.driver_connection
                source.backup(target)
            finally:
                raw.close()
        copy = create_engine(f"sqlite:///{copied}")
        try:
            with copy.connect() as connection:
                yield connection
        finally:
            copy.dispose()


def numbered_on(connection: Connection, table: str, column: str) -> None:
    """A column that numbers its rows itself goes on behind its highest number. On SQLite it does so anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) "  # noqa: S608 - names of our own tables
            f"FROM {table} HAVING max({column}) > 0"
        )


Insert = Callable[[Table], Any]


def _insert_of(dialect: Dialect) -> Insert:
    if dialect.name == "sqlite":
        return sqlite.insert
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - a third of a look-up's CPU where the database is a file

    return postgresql.insert


class _Compiled:
    """A statement that is written in SQLAlchemy, and compiled by it once for each kind of database.

    Binding a row through Connection.execute() costs more than SQLite needs to store it (docs/en/performance.md). So what is
    compiled goes to the driver directly.
    """

    def __init__(self, make: Callable[[Insert], Any], columns: Sequence[str]) -> None:
        """``make`` gets the dialect's insert() and gives the statement; ``columns`` are the keys of its rows."""
        self._make = make
        self._columns = list(columns)
        self._ready: dict[str, _Ready] = {}

    def _for(self, connection: Connection) -> _Ready:
        dialect = connection.dialect
        ready = self._ready.get(dialect.name)
        if ready is None:
            ready = self._ready[dialect.name] = _ready(self._make(_insert_of(dialect)), self._columns, dialect)
        return ready


class Bulk(_Compiled):
    """A statement for many rows at once."""

    def __call__(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Runs the statement for each row, in this order; for no row, it does nothing. Gives how many rows it touched."""
        return self.bound(connection, rows)(connection)

    def bound(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Bound:
        """The statement with these rows, to be run later, by whatever connection to this database."""
        ready = self._for(connection)
        return Bound(ready.sql, ready.bound(rows) if rows else [])


@dataclass(frozen=True, slots=True)
class Bound:
    """A statement and the rows that it is for, as the driver takes them."""

    sql: str
    params: list[Any]

    def __call__(self, connection: Connection) -> int:
        """Runs it, as :class:`Bulk` does."""
        if not self.params:
            return 0
        # One row alone needs no batch: psycopg opens a pipeline for each.
        done = connection.exec_driver_sql(self.sql, self.params if len(self.params) > 1 else self.params[0])
        return done.rowcount


class Once(_Compiled):
    """A statement for one row, and whole numbers and text that it gives back."""

    def __call__(self, connection: Connection, row: Mapping[str, Any]) -> CursorResult[Any]:
        """Runs the statement for this row."""
        ready = self._for(connection)
        return connection.exec_driver_sql(ready.sql, ready.bound([row])[0])


@dataclass(frozen=True, slots=True)
class _Ready:
    sql: str
    pick: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    names: list[str] | None  # of the parameters; None where they are told by their position
    processors: list[tuple[int, Callable[[Any], Any]]]

    def bound(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The parameters of each row, as the driver takes them."""
        columns: list[Sequence[Any]] = list(zip(*map(self.pick, rows), strict=True))
        for place, process in self.processors:
            columns[place] = list(map(process, columns[place]))
        params: list[Any] = list(zip(*columns, strict=True))
        return params if self.names is None else [dict(zip(self.names, values, strict=True)) for values in params]


def _ready(statement: Any, columns: list[str], dialect: Dialect) -> _Ready:
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    order = list(compiled.positiontup) if compiled.positional else list(compiled.binds)
    types = {name: bind.type for bind, name in compiled.bind_names.items()}
    found = [(place, types[name].dialect_impl(dialect).bind_processor(dialect)) for place, name in enumerate(order)]
    return _Ready(
        sql=str(compiled),
        pick=itemgetter(*order) if len(order) > 1 else lambda row: (row[order[0]],),
        names=None if compiled.positional else order,
        processors=[(place, process) for place, process in found if process is not None],
    )


_CHANNEL = "lienthong_news"
_TICK_S = 0.01  # how often a file is looked at; a look costs some microseconds
_LISTEN_S = 0.5  # how long a server is listened to before it is seen whether to go on
_STILL_THERE = 20  # so many times without a word, and it is asked whether it is there


def tell_news(connection: Connection) -> None:
    """Says, with the commit, that there is news for somebody. A file needs no word: that it changed is seen."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {_CHANNEL}")


def listen(engine: Engine, stop: threading.Event) -> Iterator[None]:
    """Yields once it listens, and soon after each commit that had news, until ``stop`` is set.

    On a connection of its own. Raises what the driver raises when that is lost.
    """
    borrowed = engine.raw_connection()
    driver: Any = borrowed.driver_connection
    borrowed.detach()
    try:
        if engine.dialect.name == "sqlite":
            seen = None
            while not stop.wait(_TICK_S):
                (version,) = driver.execute("PRAGMA data_version").fetchone()
                if version != seen:
                    seen = version
                    yield
            return
        if driver.pooled:  # a pooler gives this session to others: whoever waits looks every so often by himself
            driver.close()
            yield
            stop.wait()
            return
        driver.execute(f"LISTEN {_CHANNEL}")
        yield
        quiet = 0
        while not stop.is_set():
            heard = list(driver.notifies(timeout=_LISTEN_S, stop_after=1))
            quiet = 0 if heard else quiet + 1
            if heard:
                yield
            elif quiet % _STILL_THERE == 0:
                driver.execute("SELECT 1", prepare=False)
    finally:
        borrowed.close()


_MOVED: Final = 4000  # pages of a journal that are moved in one go; a tray of messages is about a hundred
_BEGUN_ANEW: Final = 10_000  # pages: where a journal has become so long, writers are made to begin it anew
_MOVED_IN_PASSING: Final = 40_000  # pages: with so long a journal, whoever commits moves it, too, and each time
_LOOKS_S: Final = 0.1  # how often it is looked how long the journal is
_MOVE_PATIENCE_S: Final = (
    0.1  # for a writer's or a reader's turn to end: a tray that is entered reads for some hundredths
)
_READER_S: Final = 5.0  # before it is tried again, where a reader's did not


def move_journal(engine: Engine, stop: threading.Event) -> Iterator[None]:
    """Moves pages of a file's write-ahead log into the file whenever there are many, beside those who write; on a connection of
    its own, until ``stop`` is set. Yields after each move. A server does that by itself: ends at once.

    Raises what the driver raises, and OSError.
    """
    path = file_of(engine)
    if path is None:
        return
    again = 0.0
    borrowed = engine.raw_connection()
    driver: Any = borrowed.driver_connection
    borrowed.detach()
    try:
        driver.execute(f"PRAGMA busy_timeout={int(1000 * _MOVE_PATIENCE_S)}")
        driver.execute("SELECT 1 FROM sqlite_schema").fetchone()  # the journal's index is there once somebody has read
        with path.with_name(f"{path.name}-shm").open("rb", buffering=0) as index:
            while not stop.wait(_LOOKS_S):
                length, left = _journal(index.fileno())
                if left < _MOVED:
                    continue
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # nobody waits for it
                if length >= _BEGUN_ANEW and time.monotonic() >= again:
                    # Others have written meanwhile, and only at its very end they begin it anew by themselves: for the few pages
                    # that are left they wait. They would wait for a reader, too; so not at once again where there is one.
                    busy, *_ = driver.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
                    again = time.monotonic() + (_READER_S if busy else 0.0)
                yield
    finally:
        borrowed.close()


def _journal(index: int) -> tuple[int, int]:
    """How many pages a journal has, and how many of them are not in the file yet.

    Of the index's head as https://sqlite.org/walformat.html describes it (2.3.1): mxFrame at 16, nBackfill at 96. It is read
    without a lock: what is seen may be a moment old.
    """
    head = os.pread(index, 100, 0)
    if len(head) < 100:
        return 0, 0
    length, moved = (int.from_bytes(head[at : at + 4], sys.byteorder) for at in (16, 96))
    return length, max(0, length - moved)


def append_only(connection: Connection, tables: Collection[str]) -> None:
    """Triggers that refuse to change or remove a row of these tables, whoever asks."""
    if connection.dialect.name == "sqlite":
        for table in tables:
            for act in ("UPDATE", "DELETE"):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        return
    connection.exec_driver_sql(
        "CREATE FUNCTION lienthong_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = 'restrict_violation'; END $$"
    )
    for table in tables:
        connection.exec_driver_sql(
            f'CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}" '
            "FOR EACH STATEMENT EXECUTE FUNCTION lienthong_append_only()"
        )


#: The row of table counter that stands there while an erasure is under way, in its own transaction only.
ERASING = "~erasing"
_UNDER_WAY = "EXISTS (SELECT 1 FROM counter WHERE name = '~erasing')"


def erasable(connection: Connection, tables: Collection[str]) -> None:
    """Lets an erasure, which has put its row into table counter, change rows of these append-only tables."""
    if connection.dialect.name == "sqlite":
        for table in tables:
            connection.exec_driver_sql(f"DROP TRIGGER {table}_no_update")
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
                f"WHEN NOT {_UNDER_WAY} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    named = ", ".join(f"'{table}'" for table in tables)
    connection.exec_driver_sql(
        "CREATE OR REPLACE FUNCTION lienthong_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'UPDATE' AND TG_TABLE_NAME IN ({named}) AND {_UNDER_WAY} "
        "THEN RETURN NULL; END IF; "
        "RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = 'restrict_violation'; END $$"
    )


@dataclass(frozen=True, slots=True)
class Traces:
    """Where bytes that were taken out of the tables may still be, on this database's own disk."""

    kind: str  # "sqlite", "postgresql"
    journal: bool  # SQLite: the write-ahead log could not be emptied, somebody is reading
    rewritten: bool  # the tables were written anew, so that nothing is left between their rows


_HELD: Final = ("body", "verdict", "attempt", "delivery", "inbox", "memory")  # the tables that an erasure takes out of


def clear_traces(engine: Engine, *, rewrite: bool, patience_s: float = 3.0) -> Traces:
    """Empties what the database keeps beside its tables of what was taken out of them, as far as it can be asked to.

    ``rewrite`` writes the tables anew, for which everything else waits: SQLite's whole file, PostgreSQL's tables with content.
    """
    if engine.dialect.name == "sqlite":
        raw = engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute("PRAGMA query_only=OFF")  # it may have been a reader's
            cursor.execute(f"PRAGMA busy_timeout={int(patience_s * 1000)}")
            if rewrite:
                cursor.execute("PRAGMA temp_store=FILE")  # the whole database, which need not fit into memory
                cursor.execute("VACUUM")
            busy = _emptied(cursor, patience_s)
        finally:
            raw.invalidate()  # the next one begins with our own settings
        return Traces("sqlite", journal=busy, rewritten=rewrite)
    if rewrite:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            cast("Any", connection.connection.driver_connection).patience_s = None
            for table in _HELD:
                connection.exec_driver_sql(f'VACUUM (FULL) "{table}"')
    return Traces("postgresql", journal=False, rewritten=rewrite)


def _emptied(cursor: DBAPICursor, patience_s: float) -> bool:
    """Empties a journal; whether that could not be, for a reader. Who moves it just now is waited for: SQLite would not."""
    until = time.monotonic() + patience_s
    while True:
        busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy or time.monotonic() >= until:
            return bool(busy)
        time.sleep(_LOOKS_S)


def check_changed(connection: Connection, table: str, name: str, before: str, after: str) -> None:
    """Another condition for a table's check, without copying the table: it only allows more than it did.

    Raises RuntimeError where the check is not as it is thought to be.
    """
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f'ALTER TABLE "{table}" DROP CONSTRAINT {name}')
        connection.exec_driver_sql(f'ALTER TABLE "{table}" ADD CONSTRAINT {name} CHECK ({after})')
        return
    _said_otherwise(connection, table, before, after)


def reference_changed(
    connection: Connection, table: str, before: tuple[str, str, str], after: tuple[str, str, str]
) -> None:
    """Another foreign key of a table in the place of one, without copying it; each as (name, columns, what it refers to).

    Every row must fit already: SQLite does not look. Raises RuntimeError where the key is not as it is thought to be.
    """
    old, new = (f"CONSTRAINT {name} FOREIGN KEY{columns} REFERENCES {to}" for name, columns, to in (before, after))
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f'ALTER TABLE "{table}" DROP CONSTRAINT {before[0]}')
        connection.exec_driver_sql(f'ALTER TABLE "{table}" ADD {new}')
        return
    _said_otherwise(connection, table, old, new)


def _said_otherwise(connection: Connection, table: str, before: str, after: str) -> None:
    """Replaces words of what SQLite says a table is.

    It knows no ALTER for these; its documentation (lang_altertable, "Making Other Kinds Of Table Schema Changes") gives this
    way for changes that leave what is on disk as it is.
    """
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema=ON")
    try:
        changed = connection.exec_driver_sql(
            "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ? AND instr(sql, ?) > 0",
            (before, after, table, before),
        )
        connection.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    finally:
        connection.exec_driver_sql("PRAGMA writable_schema=OFF")
    if changed.rowcount != 1:
        raise RuntimeError(f"{table} does not say: {before}")


def refers(connection: Connection) -> bool:
    """Whether the database itself refuses a row that names bytes which are not there: no server does (gateway/store/parts.py)."""
    return connection.dialect.name == "sqlite"


def file_of(engine: Engine) -> Path | None:
    """The file that holds the database, where it is one."""
    return Path(engine.url.database) if engine.dialect.name == "sqlite" and engine.url.database else None


class Trouble(Enum):
    """What kind of failure it was, whatever the database calls it."""

    BUSY = auto()
    UNAVAILABLE = auto()
    CONFLICT = auto()
    UNSTORABLE = auto()
    OTHER = auto()


def hindrance_of(original: BaseException | None) -> str:
    """What stands in the way, in a word for whoever runs the node; empty where the failure says nothing of the kind."""
    if isinstance(original, sqlite3.Error):
        name: str = getattr(original, "sqlite_errorname", "") or ""
        return next((word for start, word in _SQLITE_HINDRANCES.items() if name.startswith(start)), "")
    state: str = getattr(original, "sqlstate", None) or ""
    return _HINDRANCES.get(state) or _HINDRANCES.get(state[:2], "connection" if not state else "")


_SQLITE_HINDRANCES: Final = {  # the longer name first
    "SQLITE_BUSY": "lock",
    "SQLITE_LOCKED": "lock",
    "SQLITE_FULL": "disk-full",
    "SQLITE_READONLY_DBMOVED": "file-replaced",
    "SQLITE_READONLY": "read-only",
    "SQLITE_IOERR": "disk",
    "SQLITE_CANTOPEN": "file",
}
_HINDRANCES: Final = {
    "55P03": "lock",
    "40P01": "lock",
    "57014": "slow",
    "53100": "disk-full",
    "53300": "connections",
    "25006": "read-only",
    "57": "connection",
    "08": "connection",
    "58": "disk",
}


def prove_written(connection: Connection, tables: Collection[str], own: str, head: str) -> None:
    """Writes something small by the same locks that messages take: rows ``own`` and ``head`` of table counter."""
    if connection.dialect.name == "postgresql":
        named = ", ".join(f'"{table}"' for table in tables)
        connection.exec_driver_sql(f"LOCK TABLE {named} IN ROW EXCLUSIVE MODE")
    connection.exec_driver_sql(
        f"INSERT INTO counter (name, value) VALUES ('{own}', 1) "  # noqa: S608 - names of ours
        "ON CONFLICT (name) DO UPDATE SET value = counter.value + 1"
    )
    connection.exec_driver_sql(f"UPDATE counter SET value = value WHERE name = '{head}'")  # noqa: S608


def upgrades_alone(connection: Connection) -> bool:
    """Whether no other transaction upgrades this database just now; until this one ends none will."""
    if connection.dialect.name != "postgresql":
        return True  # a file has one writer at a time
    return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({_UPGRADING})").scalar())


_UPGRADING: Final = 0x6C69656E_74686F6E  # any number that nobody else takes


def waits_for_standby(connection: Connection) -> bool:
    """Whether a commit on this database waits for a synchronous standby just now."""
    if connection.dialect.name != "postgresql":
        return False
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'"
    return bool(connection.exec_driver_sql(asked).scalar())


def driver_errors() -> tuple[type[Exception], ...]:
    """What a driver raises by itself, where SQLAlchemy has not wrapped it (while a connection is being prepared)."""
    psycopg = sys.modules.get("psycopg")  # there once an engine for PostgreSQL was opened, and otherwise raises nothing
    return (sqlite3.Error,) if psycopg is None else (sqlite3.Error, psycopg.Error)


def trouble_of(original: BaseException | None) -> Trouble:
    """Reads the drivers' own codes: SQLSTATE classes on PostgreSQL, result codes on SQLite."""
    if isinstance(original, sqlite3.Error):
        return _sqlite_trouble(original)
    state: str = getattr(original, "sqlstate", None) or ""
    if state[:2] == "23":  # among them restrict_violation, which our append-only triggers raise
        return Trouble.CONFLICT
    if state in ("40001", "40P01", "55P03", "57014", "25P03"):
        return Trouble.BUSY
    if state[:2] in ("08", "25", "28", "3D", "53", "57", "58") or state == "42501":
        return Trouble.UNAVAILABLE
    import psycopg  # noqa: PLC0415 - it is loaded: the failure is its own

    if isinstance(original, psycopg.DataError):
        return Trouble.UNSTORABLE
    if not state and isinstance(original, psycopg.OperationalError):  # no server, or it hung up
        return Trouble.UNAVAILABLE
    return Trouble.OTHER


def _sqlite_trouble(error: sqlite3.Error) -> Trouble:
    name: str = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Trouble.BUSY
    if name.startswith("SQLITE_CONSTRAINT"):
        return Trouble.CONFLICT
    if name.startswith(("SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_RANGE")):
        return Trouble.UNSTORABLE
    if name.startswith(
        ("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_PERM",
         "SQLITE_AUTH", "SQLITE_NOLFS")
    ):  # fmt: skip
        return Trouble.UNAVAILABLE
    return Trouble.OTHER
