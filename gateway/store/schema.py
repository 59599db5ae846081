"""Brings a database to the revision of this program, and refuses any other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, column, inspect, select, table

from gateway.store import tables
from gateway.store.engine import file_of, reader_of
from gateway.store.errors import SchemaMismatch, translated

if TYPE_CHECKING:
    from alembic.config import Config

_ALEMBIC = table("alembic_version", column("version_num"))


def upgrade(engine: Engine) -> tuple[str | None, str]:
    """Runs the migrations that are missing. Gives the revision before and after.

    Raises SchemaMismatch for a database that is newer than this program.
    """
    from alembic import command  # noqa: PLC0415 - takes a while to load, and only `db upgrade` needs it

    before = schema_revision(engine)
    if before is not None and before > tables.REVISION:
        raise SchemaMismatch(before, tables.REVISION)
    with translated(), engine.begin() as connection:
        config = config_of()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, tables.REVISION


def schema_revision(engine: Engine) -> str | None:
    """The revision that the database is of; None when it is empty."""
    path = file_of(engine)
    if path is not None and path.parent.is_dir() and not path.exists():
        return None  # asking would make the file
    with translated(), reader_of(engine).begin() as connection:
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
