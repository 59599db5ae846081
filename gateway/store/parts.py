"""PostgreSQL's table of bodies in parts, one for each month: what leaves the database by months leaves it with a whole part.

A message's id begins with the moment at which it came, so a range of ids is a month. ``body_past`` has what was there when the
table was parted and evidence, which belongs to no month; ``body_2026_12`` and the like have the months since; ``body_rest`` has
what none of them has: of months that nobody made a part for, or of a clock that was wrong. Whoever reads and writes asks for
``body`` and knows nothing of this. SQLite's file has one table.

A month that is archived gets its part anew without what the archive has: the rows that stay are copied page by page, while a
trigger writes down what is changed in the old part meanwhile, and then the two change places in one short transaction. No row is
updated, nothing is left for a vacuum, and the room of the old part is the disk's again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine

from gateway.store.archives import bounds_of, month_of
from gateway.store.errors import Busy, Conflict, StoreError, translated

AHEAD: Final = 3  # months for which there is a part before they begin
PAST: Final = "body_past"
REST: Final = "body_rest"
PAGE: Final = 2000  # rows that are copied in one transaction
PATIENCE_S: Final = 0.2  # how long a lock is waited for that others wait behind
TRIES: Final = 20
AGAIN_S: Final = 0.5
_MAKING: Final = 0x6C69656E_70617274  # of an advisory lock; any number that nobody else takes
_STAYS: Final = (
    "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE relation = 'body'::regclass "
    "AND xact_start < now() - interval '1 second')"
)
_MAY: Final = (
    "SELECT pg_has_role(relowner, 'USAGE') AND has_schema_privilege(relnamespace, 'CREATE') "
    "AND pg_relation_size('body_rest') < 64 << 20 FROM pg_class WHERE oid = 'body'::regclass"
)
_COLUMNS: Final = "owner, digest, bytes, kept, total, erased_at, archive"

Holds = Callable[[str, str], bool]


def month_part(month: str) -> str:
    """The table of a month's part."""
    return f"body_{month.replace('-', '_')}"


def first_id(month: str) -> str:
    """What no id of a month's messages comes before, and every one of an earlier month does."""
    return f"{bounds_of(month)[0]:%Y%m%d%H%M%S}"


def months_from(month: str, number: int) -> Iterator[str]:
    """So many months in order, this one first."""
    for _ in range(number):
        yield month
        month = _next(month)


def _next(month: str) -> str:
    return month_of(bounds_of(month)[1])


def month_of_id(message: str) -> str | None:
    """The month in which a message came; None for what is no id of ours."""
    try:
        return month_of(datetime.strptime(message[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC))
    except ValueError:
        return None


def coming(now: datetime) -> list[str]:
    """The months that should have parts: this one, and some that have not begun."""
    return [*months_from(month_of(now), AHEAD + 1)]


def part_bodies(connection: Connection, now: datetime) -> None:
    """Makes table ``body`` one of parts: what is there becomes one of them. For the migration that does it."""
    run = connection.exec_driver_sql
    (some,) = run("SELECT EXISTS (SELECT FROM body)").one()
    # Where there is nothing yet this month has a part of its own, and otherwise begins in the one with all the rest.
    until = first_id(coming(now)[1 if some else 0])
    run("ALTER TABLE body RENAME TO body_past")
    run("ALTER TABLE body_past RENAME CONSTRAINT pk_body TO pk_body_past")
    run("CREATE TABLE body (LIKE body_past) PARTITION BY RANGE (owner)")
    run("ALTER TABLE body ADD CONSTRAINT pk_body PRIMARY KEY (owner, digest)")
    _new_part(connection, REST)
    late = f"DELETE FROM body_past WHERE owner >= '{until}' RETURNING *"  # noqa: S608 - digits
    run(f"WITH late AS ({late}) INSERT INTO body_rest SELECT * FROM late")  # noqa: S608
    run(f"ALTER TABLE body ATTACH PARTITION body_past FOR VALUES FROM (MINVALUE) TO ('{until}')")
    run("ALTER TABLE body ATTACH PARTITION body_rest DEFAULT")
    run(
        "CREATE FUNCTION lienthong_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "EXECUTE 'INSERT INTO ' || quote_ident(TG_TABLE_NAME || '_changed') || ' VALUES ($1, $2)' USING NEW.owner, NEW.digest; "
        "RETURN NULL; END $$"
    )
    add_parts(connection, coming(now))


def add_parts(connection: Connection, months: Iterable[str]) -> list[str]:
    """Makes those of these months' parts that are missing, in order; gives which. Others at it just now are left to it.

    A month some of whose bytes lie elsewhere already gets none, and no month does before whose end the old part has bytes.
    """
    run = connection.exec_driver_sql
    there = _parts(connection)
    missing = [month for month in months if month_part(month) not in there]
    if not missing or not run(f"SELECT pg_try_advisory_xact_lock({_MAKING})").scalar():
        return []
    past, made = there[PAST].until, []
    for month in missing:
        since, until = first_id(month), first_id(_next(month))
        if past is not None and since < past:
            (some,) = run("SELECT EXISTS (SELECT FROM body_past WHERE owner <> '')").one()
            if some:
                continue
            run("ALTER TABLE body DETACH PARTITION body_past")
            run(f"ALTER TABLE body ATTACH PARTITION body_past FOR VALUES FROM (MINVALUE) TO ('{since}')")
            past = since
        (late,) = run(f"SELECT EXISTS (SELECT FROM body_rest WHERE owner >= '{since}' AND owner < '{until}')").one()  # noqa: S608
        if not late:
            _new_part(connection, month_part(month))
            run(f"ALTER TABLE body ATTACH PARTITION {month_part(month)} FOR VALUES FROM ('{since}') TO ('{until}')")
            made.append(month)
    return made


def add_parts_of(connection: Connection, owners: Iterable[str]) -> None:
    """Makes the parts of the months of these messages, where there are none and the database is one that has parts.

    For a database that is being filled in the order of messages: it gets the parts that it would have had.
    """
    if connection.dialect.name == "sqlite":
        return
    (kind,) = connection.exec_driver_sql("SELECT relkind FROM pg_class WHERE oid = 'body'::regclass").one()
    if kind == "p":
        add_parts(connection, sorted({month for owner in owners if (month := month_of_id(owner)) is not None}))


def shortly(connection: Connection) -> None:
    """Has this transaction wait for a lock only so long as others may well wait behind it."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(1000 * PATIENCE_S)}")


def take_out_part(engine: Engine, month: str, holds: Holds) -> bool:
    """Makes the part anew in which a month's bytes lie, without those that its archive ``holds``; whether it has one.

    The months before the first one that has its own lie together, and their part is made anew with the last of them: until then
    their bytes go by rows. So they do where the account may make no tables, or much lies in the rest, which each new part has
    looked through while others wait. Raises Busy where somebody is at the table for long, Conflict where another one began to
    make the same part anew: nothing has been changed then.
    """
    with translated(), engine.begin() as connection:
        parts = _parts(connection)
        own = parts.get(month_part(month)) or parts.get(PAST)
        until = first_id(_next(month))
        may = own is not None and own.until == until and connection.exec_driver_sql(_MAY).scalar()
    if own is None or not may:
        return False
    renewal = _Renewal(engine, own, month, holds).begin()
    try:
        renewal.copy()
        for left in reversed(range(TRIES)):
            try:
                renewal.change_places()
            except Busy:
                if not left:
                    raise
                time.sleep(AGAIN_S)
            else:
                break
    except BaseException:
        with suppress(StoreError):
            renewal.forget()
        raise
    return True


@dataclass(frozen=True, slots=True)
class _BodyPart:
    name: str
    until: str | None  # the first id behind it; None: it is the rest
    bounds: str  # FOR VALUES …


def _parts(connection: Connection) -> dict[str, _BodyPart]:
    """The parts that there are, by name."""
    found = connection.exec_driver_sql(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits AS i "
        "JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'body'::regclass"
    )
    return {name: _BodyPart(name, _until(bounds), bounds) for name, bounds in found}


def _until(bounds: str) -> str | None:
    return bounds.rpartition(" TO ('")[2].removesuffix("')") if " TO ('" in bounds else None


def _new_part(connection: Connection, name: str) -> None:
    """A table like the others, which is no part yet."""
    connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE body, CONSTRAINT pk_{name} PRIMARY KEY (owner, digest))")


@dataclass(frozen=True, slots=True)
class _Renewal:
    """A part that is made anew."""

    engine: Engine
    part: _BodyPart
    month: str
    holds: Holds
    tables: tuple[int, int] | None = None  # fresh and changed by number: another one may have given their names away

    @property
    def _fresh(self) -> str:
        return f"{self.part.name}_fresh"

    @property
    def _changed(self) -> str:
        return f"{self.part.name}_changed"

    def begin(self) -> _Renewal:
        """An empty copy, and a list of what is changed from now on. What somebody left who was interrupted goes."""
        part, fresh, changed = self.part.name, self._fresh, self._changed
        with translated(), self.engine.begin() as connection:
            run = connection.exec_driver_sql
            shortly(connection)
            run(f"DROP TRIGGER IF EXISTS {changed} ON {part}")
            run(f"DROP TABLE IF EXISTS {fresh}, {changed}")
            _new_part(connection, fresh)
            run(f"CREATE TABLE {changed} (owner text NOT NULL, digest text NOT NULL)")
            # Its lock waits for those who are writing to the part: whoever comes later is written down.
            run(
                f"CREATE TRIGGER {changed} AFTER INSERT OR UPDATE ON {part} "
                "FOR EACH ROW EXECUTE FUNCTION lienthong_changed()"
            )
            # So that the part's rows need not be looked through again when it takes its place.
            belongs = run(f"SELECT pg_get_partition_constraintdef('{part}'::regclass)").scalar()
            run(f"ALTER TABLE {fresh} ADD CONSTRAINT ck_{fresh} CHECK ({belongs})")
            return replace(self, tables=self._named(connection))

    def _named(self, connection: Connection) -> tuple[int, int] | None:
        """Which tables the names are of now; None where they are of none."""
        asked = "SELECT to_regclass(%(fresh)s)::oid AS fresh, to_regclass(%(changed)s)::oid AS changed"
        row = connection.exec_driver_sql(asked, {"fresh": self._fresh, "changed": self._changed}).one()
        return None if row.fresh is None or row.changed is None else (int(row.fresh), int(row.changed))

    def _hold(self, connection: Connection, mode: str) -> None:
        """Has nobody else begin before the end of the transaction. Raises Conflict where one has: the names are of its tables."""
        if self._named(connection) is not None:  # to begin is to drop both, the copy first
            connection.exec_driver_sql(f"LOCK TABLE {self._fresh} IN {mode} MODE")
        if self.tables is None or self._named(connection) != self.tables:
            raise Conflict(f"part {self.part.name} is being made anew by another process, or was")

    def copy(self) -> None:
        """The rows that stay, page by page; bytes only where the archive does not have them."""
        after: tuple[str, str] | None = ("", "")
        while after is not None:
            after = self._page(after)

    def _page(self, after: tuple[str, str]) -> tuple[str, str] | None:
        """Copies the rows behind this key; gives the last one's, None where that was all."""
        part = self.part.name
        behind: dict[str, Any] = {"owner": after[0], "digest": after[1], "month": self.month}
        with translated(), self.engine.begin() as connection:
            self._hold(connection, "ROW EXCLUSIVE")
            found = connection.exec_driver_sql(
                f"SELECT owner, digest, bytes IS NOT NULL AND archive IS NULL AS here FROM {part} "  # noqa: S608
                f"WHERE (owner, digest) > (%(owner)s, %(digest)s) ORDER BY owner, digest LIMIT {PAGE}",
                behind,
            ).all()
            if not found:
                return None
            last = found[-1]
            goes = [f"{row.owner} {row.digest}" for row in found if row.here and self.holds(row.owner, row.digest)]
            goes_with = "owner || ' ' || digest = ANY (%(goes)s::text[])"
            connection.exec_driver_sql(
                f"INSERT INTO {self._fresh} ({_COLUMNS}) SELECT owner, digest, "  # noqa: S608
                f"CASE WHEN {goes_with} THEN NULL ELSE bytes END, kept, total, erased_at, "
                f"CASE WHEN {goes_with} THEN %(month)s ELSE archive END FROM {part} "
                "WHERE (owner, digest) > (%(owner)s, %(digest)s) AND (owner, digest) <= (%(last_owner)s, %(last_digest)s)",
                {**behind, "last_owner": last.owner, "last_digest": last.digest, "goes": goes},
            )
        return (last.owner, last.digest) if len(found) == PAGE else None

    def forget(self) -> None:
        """Empties the copy: an erasure would not find what is in it. Whoever began after this one has done so already."""
        with translated(), self.engine.begin() as connection:
            self._hold(connection, "ACCESS EXCLUSIVE")
            connection.exec_driver_sql(f"TRUNCATE {self._fresh}")

    def change_places(self) -> None:
        """Puts the copy into the part's place, with what was changed meanwhile as it stands there now. Raises Busy, Conflict.

        Others wait behind this for a moment. Where somebody is at the table for longer, a backup for one, it is not tried.
        """
        part, fresh, changed = self.part.name, self._fresh, self._changed
        with translated(), self.engine.begin() as connection:
            run = connection.exec_driver_sql
            if run(_STAYS).scalar():
                raise Busy("somebody reads the table of bodies for long", why="lock")
            shortly(connection)
            run(f"ALTER TABLE body DETACH PARTITION {part}")
            self._hold(connection, "ACCESS EXCLUSIVE")
            run(f"DELETE FROM {fresh} USING {changed} AS c WHERE {fresh}.owner = c.owner AND {fresh}.digest = c.digest")  # noqa: S608
            run(
                f"INSERT INTO {fresh} ({_COLUMNS}) SELECT {_COLUMNS} FROM {part} "  # noqa: S608
                f"WHERE (owner, digest) IN (SELECT owner, digest FROM {changed})"
            )
            run(f"DROP TABLE {part}, {changed}")
            run(f"ALTER TABLE {fresh} RENAME TO {part}")
            run(f"ALTER TABLE {part} RENAME CONSTRAINT pk_{fresh} TO pk_{part}")
            run(f"ALTER TABLE body ATTACH PARTITION {part} {self.part.bounds}")
            run(f"ALTER TABLE {part} DROP CONSTRAINT ck_{fresh}")
