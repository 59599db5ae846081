"""The whole database as rows that mean the same on SQLite and on PostgreSQL: what a backup holds, and what a copy moves.

Rows travel as they are kept (packed bodies stay packed, JSON stays the text it is), so nothing is judged or composed anew, and
what comes out at the other end has the seals that the log knows (gateway.store.seals). A list of columns travels with them:
what an older program wrote is read by that list, and brought up to date by the migrations afterwards.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    select,
    tuple_,
)
from sqlalchemy.types import TypeEngine

from gateway.core import chain
from gateway.store import tables
from gateway.store.engine import Bulk, numbered_on, open_engine, reader_of, still
from gateway.store.errors import Conflict, translated
from gateway.store.parts import add_parts_of
from gateway.store.schema import migrate, schema_revision
from gateway.store.tx import Tx
from gateway.store.types import Json, UtcDateTime, Vnd
from gateway.store.view import View

PAGE: Final = 1000  # rows in hand at a time
BIG_PAGE: Final = 32  # of bodies, which may be of some megabytes each
_PAGE_BYTES: Final = 8 << 20
_TYPES: Final[Mapping[str, tuple[type, Callable[[], TypeEngine[Any]]]]] = {
    "text": (str, Text),
    "number": (int, BigInteger),
    "float": (float, Float),
    "yes": (bool, Boolean),
    "moment": (datetime, UtcDateTime),
    "bytes": (bytes, LargeBinary),
}
#: What does not outlive the moment: who was logged in somewhere, what was about to be agreed to, what can be made anew.
_PASSING: Final = frozenset({"portal_session", "desk_session", "desk_plan", "prepared", "digest_page"})
_BY_PYTHON: Final = {python: name for name, (python, _) in _TYPES.items()}
#: Every kind of column that a dump may have.
KINDS: Final = frozenset(_TYPES)
_encode = msgspec.json.Encoder().encode
_SPACE: Final = 1 << 256

Row = tuple[Any, ...]
T = TypeVar("T")
Tell = Callable[[int, int], None]  # how much is done, of how much


def in_pages(things: Iterable[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """The things some at a time: as many as are well held at once, and of so many bytes; ``size`` says those of one."""
    page: list[T] = []
    held = 0
    for thing in things:
        page.append(thing)
        held += size(thing)
        if len(page) == PAGE or held > _PAGE_BYTES:
            yield page
            page, held = [], 0
    if page:
        yield page


def going_on(done: int, of: int, tell: Tell) -> Callable[[int], None]:
    """What tells how much is done, in a part that begins when so much was done before."""
    return lambda more: tell(done + more, of)


@dataclass(frozen=True, slots=True)
class DumpColumn:
    """A column as it travels."""

    name: str
    kind: str  # a key of _TYPES
    key: bool = False


@dataclass(frozen=True, slots=True)
class DumpTable:
    """A table as it travels: its rows in the order of its key."""

    name: str
    columns: tuple[DumpColumn, ...]

    def plain(self) -> Table:
        """The table with types that give and take what is kept, not what it means."""
        made = [Column(one.name, _TYPES[one.kind][1](), primary_key=one.key) for one in self.columns]
        return Table(self.name, MetaData(), *made)

    @property
    def keys(self) -> tuple[int, ...]:
        """Where in a row its key stands."""
        return tuple(place for place, one in enumerate(self.columns) if one.key)

    def reader(self) -> Callable[[bytes], Row]:
        """Reads a row's line; raises msgspec.MsgspecError for one that is none."""
        cells: Any = tuple(_TYPES[one.kind][0] | None for one in self.columns)
        return msgspec.json.Decoder(tuple.__class_getitem__(cells)).decode


def dump_line(row: Row) -> bytes:
    """A row as one line of JSON, without its end: bytes in base64, moments by RFC 3339."""
    return _encode(row)


@dataclass(slots=True)
class DumpTally:
    """How many rows, and what they come to in whatever order they are read: databases sort texts by rules of their own."""

    rows: int = 0
    _sum: int = field(default=0, repr=False)

    def add(self, line: bytes) -> None:
        """Counts one row by its line."""
        self.rows += 1
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(line).digest())) % _SPACE

    @property
    def digest(self) -> str:
        """The sum of the lines' SHA-256 modulo 2^256, hexadecimal."""
        return f"{self._sum:064x}"


def dump_tables() -> tuple[DumpTable, ...]:
    """Every table that is kept, those first that others refer to."""
    return tuple(
        DumpTable(table.name, tuple(DumpColumn(c.name, _kind(c.type), c.primary_key) for c in table.columns))
        for table in tables.metadata.sorted_tables
        if table.name not in _PASSING
    )


def _kind(kind: TypeEngine[Any]) -> str:
    for ours, name in ((Vnd, "number"), (Json, "text"), (UtcDateTime, "moment")):
        if isinstance(kind, ours):
            return name
    return _BY_PYTHON[kind.python_type]


class Picture:
    """The database of one moment. It stays as it is for as long as it is looked at."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def revision(self) -> str:
        """Of its tables."""
        return tables.REVISION

    @property
    def head(self) -> chain.Head:
        """Where the log stood."""
        return View(self._connection).log_head()

    def count(self, table: DumpTable) -> int:
        """How many rows."""
        found: int = self._connection.execute(select(func.count()).select_from(table.plain())).scalar_one()
        return found

    def rows(self, table: DumpTable, after: Sequence[Any] | None = None) -> Iterator[Row]:
        """The rows, in the order of their key as this database sorts it; ``after``: those behind this key."""
        plain = table.plain()
        keys = [plain.columns[table.columns[place].name] for place in table.keys]
        found = select(plain).order_by(*keys)
        if after is not None:
            found = found.where(tuple_(*keys) > tuple_(*after, types=[key.type for key in keys]))
        page = BIG_PAGE if table.name == tables.body.name else PAGE
        streamed = self._connection.execute(found, execution_options={"stream_results": True, "max_row_buffer": page})
        for some in streamed.partitions(page):
            yield from (tuple(row) for row in some)


@contextmanager
def picture(engine: Engine, beside: Path) -> Iterator[Picture]:
    """The database as it is now. Nobody who writes waits for it, and their journal does not grow for its sake.

    ``beside``: a folder with room for as much as the database has; SQLite's is copied there first, PostgreSQL needs none.
    """
    with translated(), still(engine, beside) as connection:
        yield Picture(connection)


class Filling:
    """A database that is being filled: nobody sees anything of it before the end, and nothing where it does not come to that."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def make(self, schema: str) -> None:
        """The tables, as they were at this revision."""
        migrate(self._connection, schema)

    def put(self, table: DumpTable, rows: Sequence[Row]) -> None:
        """Adds these rows."""
        names = [one.name for one in table.columns]
        if table.name == tables.body.name and "owner" in names:
            add_parts_of(self._connection, {row[names.index("owner")] for row in rows})
        put = _PUTS.get(table)
        if put is None:
            plain = table.plain()
            put = _PUTS[table] = Bulk(lambda insert: insert(plain), names)
        put(self._connection, [dict(zip(names, row, strict=True)) for row in rows])

    def finish(self) -> None:
        """Brings what was put there up to this program's revision, and lets columns that number themselves go on behind it."""
        migrate(self._connection, tables.REVISION)
        for table in tables.metadata.sorted_tables:
            column = table.autoincrement_column
            if column is not None and column.autoincrement is not False:
                numbered_on(self._connection, table.name, column.name)

    def verified(self, head: chain.Head) -> chain.ChainCheck:
        """Walks the log that was put there, up to the head that it must have."""
        view = View(self._connection)
        checked = chain.verify_chain(view.log_entries(), witnesses={head.number: head.hash} if head.number else {})
        return checked if view.log_head() == checked.head else replace(checked, flaw=chain.Flaw.CUT)

    def begin_generation(self, **said: Any) -> int:
        """As Tx.begin_generation()."""
        tx = Tx(self._connection)
        generation = tx.begin_generation(**said)
        tx.close()
        return generation


_PUTS: dict[DumpTable, Bulk] = {}


class NewDatabase:
    """A database that a dump is to be put into."""

    def __init__(self, url: str) -> None:
        """Raises ValueError for an address that is none of a database."""
        self._engine = open_engine(url)

    def is_empty(self, schema: str) -> bool:
        """Whether a dump of this revision can be put there: there are no tables yet, or its very tables without a row."""
        found = schema_revision(self._engine)
        if found != schema:
            return found is None
        with translated(), reader_of(self._engine).begin() as connection:
            now = Picture(connection)
            return not any(now.count(table) for table in dump_tables())

    @contextmanager
    def filling(self) -> Iterator[Filling]:
        """Everything that is done within is there at the end, or nothing of it."""
        with translated(), self._engine.begin() as connection:
            yield Filling(connection)

    def dispose(self) -> None:
        """Closes the connections."""
        self._engine.dispose()


def knows(schema: str) -> bool:
    """Whether this program can bring a database of this revision up to its own."""
    return re.fullmatch("[0-9]{4}", schema) is not None and schema <= tables.REVISION


#: What the revision of a database says while it is being filled by steps: no program takes it for its own.
COPYING: Final = "copying"
_revision = Table("alembic_version", MetaData(), Column("version_num", Text))
_copying = Table(  # how far a copy has come; it goes with the copy's end
    "copying",
    MetaData(),
    Column("name", Text, primary_key=True),  # of a table; "" is the source
    Column("after", Text, nullable=False),  # the key of the last row, as JSON; of the source: the head of its log
    Column("rows", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
)


class CopyTarget:
    """A database that is filled by steps, each of which stays: what is broken off goes on from there."""

    def __init__(self, url: str) -> None:
        """Raises ValueError for an address that is none of a database."""
        self._engine = open_engine(url)

    def begin(self, head: chain.Head) -> bool:
        """Makes the tables where there are none. Gives False when it is neither new nor a copy that was broken off.

        Raises Conflict for a copy of another state of the source: ``head`` is not the one that it was begun with.
        """
        source = f"{head.number}:{head.hash}"
        found = schema_revision(self._engine)
        with translated(), self._engine.begin() as connection:
            if found == COPYING:
                begun = connection.execute(select(_copying.c.after).where(_copying.c.name == "")).scalar_one()
                if begun != source:
                    raise Conflict(begun.partition(":")[0])
                return True
            if found is not None:
                return False
            migrate(connection, tables.REVISION)
            _copying.create(connection)
            connection.execute(_copying.insert().values(name="", after=source, rows=0, digest=""))
            connection.execute(_revision.update().values(version_num=COPYING))
        return True

    def come_to(self, table: DumpTable) -> tuple[Row | None, DumpTally]:
        """The key of the last row of this table that is there, and what those that are there come to."""
        with translated(), reader_of(self._engine).begin() as connection:
            row = connection.execute(select(_copying).where(_copying.c.name == table.name)).one_or_none()
        if row is None:
            return None, DumpTally()
        return tuple(msgspec.json.decode(row.after)), DumpTally(row.rows, int(row.digest, 16))

    def put(self, table: DumpTable, rows: Sequence[Row], tally: DumpTally) -> None:
        """Adds these rows; ``tally`` counts them and all before them."""
        after = msgspec.json.encode([rows[-1][place] for place in table.keys]).decode()
        state = {"after": after, "rows": tally.rows, "digest": tally.digest}
        with translated(), self._engine.begin() as connection:
            Filling(connection).put(table, rows)
            moved = connection.execute(_copying.update().where(_copying.c.name == table.name).values(**state))
            if not moved.rowcount:
                connection.execute(_copying.insert().values(name=table.name, **state))

    def tally(self, table: DumpTable, tell: Callable[[int], None]) -> DumpTally:
        """What the rows that are there come to, read anew."""
        tally = DumpTally()
        with translated(), reader_of(self._engine).begin() as connection:
            for row in Picture(connection).rows(table):
                tally.add(dump_line(row))
                if tally.rows % PAGE == 0:
                    tell(tally.rows)
        return tally

    def finish(self, head: chain.Head) -> chain.ChainCheck:
        """Walks through the log that is there; where it is whole, the database may be used from now on."""
        with translated(), self._engine.begin() as connection:
            filled = Filling(connection)
            checked = filled.verified(head)
            if checked.whole:
                connection.execute(_revision.update().values(version_num=tables.REVISION))
                _copying.drop(connection)
                filled.finish()
        return checked

    def dispose(self) -> None:
        """Closes the connections."""
        self._engine.dispose()
