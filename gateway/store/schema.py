"""Brings a database to the revision of this program, and refuses any other."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, column, inspect, select, table

from gateway.store import tables
from gateway.store.engine import file_of, reader_of, upgrades_alone
from gateway.store.errors import Busy, SchemaMismatch, translated

if TYPE_CHECKING:
    from alembic.config import Config

OTHERS_S: Final = 3600.0  # how long another one's upgrade is waited for: it may copy tables of many years
_AGAIN_S: Final = 0.2
_ALEMBIC = table("alembic_version", column("version_num"))


def upgrade(engine: Engine, waiting: Callable[[], object] | None = None) -> tuple[str | None, str]:
    """Runs the migrations that are missing. Gives the revision before and after.

    Of several at once one does it; the others wait, and call ``waiting`` when they begin to. Raises SchemaMismatch for a
    database that is newer than this program, Busy where another one goes on for more than :data:`OTHERS_S`.
    """
    until, told = time.monotonic() + OTHERS_S, False
    while True:
        try:
            before = schema_revision(engine)
            if before is not None and before > tables.REVISION:
                raise SchemaMismatch(before, tables.REVISION)
            if before == tables.REVISION:
                return before, before
            with translated(), engine.begin() as connection:
                if not upgrades_alone(connection):
                    raise Busy("another one upgrades this database", why="lock")
                before = _revision(connection)  # somebody may have done it between the look and the lock
                if before == tables.REVISION:
                    return before, before
                migrate(connection, tables.REVISION)
        except Busy as busy:
            if busy.why != "lock" or time.monotonic() > until:
                raise
            if waiting is not None and not told:
                waiting()
            told = True
            time.sleep(_AGAIN_S)
            continue
        return before, tables.REVISION


def migrate(connection: Connection, revision: str) -> None:
    """Runs the migrations that are missing up to this revision, in the caller's transaction."""
    from alembic import command  # noqa: PLC0415 - takes a while to load, and only `db upgrade` needs it

    config = config_of()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def schema_revision(engine: Engine) -> str | None:
    """The revision that the database is of; None when it is empty."""
    path = file_of(engine)
    if path is not None and path.parent.is_dir() and not path.exists():
        return None  # asking would make the file
    with translated(), reader_of(engine).begin() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_ALEMBIC.name):
        return None
    revision: str | None = connection.execute(select(_ALEMBIC.c.version_num)).scalar()
    return revision


def demand(engine: Engine) -> None:
    """Raises SchemaMismatch unless the database is of this program's revision."""
    found = schema_revision(engine)
    if found != tables.REVISION:
        raise SchemaMismatch(found, tables.REVISION)


def config_of() -> Config:
    """Alembic's settings: the scripts that are packaged here, and nothing from a file."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config
