"""The database of this node, opened as its settings say. Apart from wiring: who only looks needs nothing else of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic, sleep

from gateway.core.problems import Lang, Problem, Stopped
from gateway.settings import LoadedSettings, database_url
from gateway.store import BUSY_TIMEOUT_S, CACHE_MIB, SchemaMismatch, Store, StoreError, open_engine
from gateway.store.archives import Archives

log = logging.getLogger("lienthong.store")

AWAY = frozenset(
    {"connection", "connections", "lock", "read-only"}
)  # what ends without anybody changing the configuration
AWAY_TOLD_S = 10.0
SCHEMA_EVERY_S = 5.0  # how often a process that goes on looks whether the database is of its revision still
WORK_CACHE_MIB = 8  # its readers look through much, once: what a connection keeps goes with the door's next commit
WORK_TOGETHER_MIB = 12  # of all its connections: one that idles would keep what it read last until its next turn
READS_S = 8  # of database.silence_s: a reader of `work` looks through everything that is open


def open_store(loaded: LoadedSettings) -> Store:
    """The database of this node, for a person. Raises Stopped: SYS-030 it cannot be opened, SYS-031 it is of another revision."""
    store = store_at(database_url(loaded.settings))
    store.archives = Archives(loaded.settings.archive.folder)
    return store


def await_store(loaded: LoadedSettings, tell: Callable[[str], None], *, at_door: bool) -> Store:
    """The database of this node for a process that goes on, every wait with an end. One that is away is waited for.

    ``tell`` gets a sentence now and then while it is. ``at_door``: somebody waits for every answer. Raises Stopped as
    :func:`open_store`, after ``database.wait_s``.
    """
    database = loaded.settings.database
    until: float | None = None  # from when it was seen to be away: loading its driver is no wait
    told = -AWAY_TOLD_S
    while True:
        try:
            store = store_at(
                database_url(loaded.settings),
                busy_timeout_s=database.lock_s,
                write_s=database.silence_s,
                read_s=database.silence_s if at_door else database.silence_s * READS_S,
                cache_mib=CACHE_MIB if at_door else WORK_CACHE_MIB,
                together_mib=None if at_door else WORK_TOGETHER_MIB,
            )
            store.archives = Archives(loaded.settings.archive.folder)
            return store
        except Stopped as stop:
            until = monotonic() + database.wait_s if until is None else until
            away = isinstance(stop.__cause__, StoreError) and stop.__cause__.why in AWAY
            if not away or monotonic() >= until:
                raise
            if monotonic() - told >= AWAY_TOLD_S:
                told = monotonic()
                words = stop.problems[0].message(Lang.EN)
                tell(f"{words} Waiting for it, {until - monotonic():.0f} s more at most.")
            sleep(min(1.0, max(0.0, until - monotonic())))


def still_ours(store: Store) -> bool:
    """Whether the database is of this program's revision still; the log says when that changes. Raises StoreError.

    For processes that go on for long: an upgrade beside them brings the database to a revision that they know nothing of.
    """
    before, now = store.mismatch, store.look_at_revision()
    if now is not None and before is None:
        log.error("nothing is written any more: %s", now)
    if now is None and before is not None:
        log.warning("the database is of this program's revision again")
    return now is None


def store_at(
    url: str,
    *,
    busy_timeout_s: float = BUSY_TIMEOUT_S,
    write_s: float | None = None,
    read_s: float | None = None,
    cache_mib: int = CACHE_MIB,
    together_mib: int | None = None,
) -> Store:
    """The database at this address; how long is waited as of ``open_engine``. Raises Stopped as :func:`open_store`."""
    engine = None
    try:
        engine = open_engine(
            url,
            busy_timeout_s=busy_timeout_s,
            write_s=write_s,
            read_s=read_s,
            cache_mib=cache_mib,
            together_mib=together_mib,
        )
        return Store(engine)
    except SchemaMismatch as error:
        if engine is not None:
            engine.dispose()
        facts = {"found": error.found or "–", "expected": error.expected}
        raise Stopped(Problem("SYS-031", facts)) from error
    except (StoreError, ValueError) as error:
        raise Stopped(Problem("SYS-030", {"url": shown_url(url), "reason": str(error)})) from error


def shown_url(url: str) -> str:
    """A database's address without its password, which may stand among its parameters too."""
    scheme, sep, rest = url.partition("://")
    if not sep:
        return "…"
    credentials, at, place = rest.partition("?")[0].rpartition("@")
    user = credentials.partition(":")[0]
    return f"{scheme}{sep}{user}{at}{place}"
