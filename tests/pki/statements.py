"""Statements are compiled once in a process of the suite, and not anew for each of the thousands of databases of its tests."""

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

_MOST = 3000
_compiled = LRUCache(_MOST)
_begin = Engine.__init__


def _begin_with_what_is_compiled(engine, *given, **more):
    _begin(engine, *given, **more)
    assert hasattr(engine, "_compiled_cache"), "SQLAlchemy keeps what it has compiled elsewhere now"
    if type(engine.dialect) in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        engine._compiled_cache = _compiled


def share():
    """From now on every engine takes what another one of its kind has compiled: all of them are opened by open_engine, alike."""
    Engine.__init__ = _begin_with_what_is_compiled
    for kind in (SQLiteDialect_pysqlite, PGDialect_psycopg):  # what is compiled is kept by statement and dialect
        kind.__hash__ = lambda self: hash(type(self))
        kind.__eq__ = lambda self, other: type(self) is type(other)
