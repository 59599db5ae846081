"""One node's front: N workers, each listening on the same port, and the parent that keeps them (:mod:`gateway.web.keeper`).

What a worker that dies had not committed it had not answered, so senders try again. A worker that has grown too large is
replaced without a gap: libxml2 keeps every name it ever read, so that strange documents make a process grow for ever. A new
registry or new certificate verdicts need no signal: workers look for them and change over between two trays.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.core.addresses import host_and_port
from gateway.core.clocks import ClockStart, NodeClock
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.settings import LoadedSettings, Settings, WebSettings, load
from gateway.web.clock_kept import ClockKept
from gateway.web.descriptors import connections_at_most, raise_descriptors
from gateway.web.keeper import (
    ALIVE,
    LARGE,
    READY,
    Keeper,
    KeeperPatience,
    cannot_begin,
    runtime_folder,
    tell_of_waiting,
)
from gateway.web.memory import Spare, memory_mb

if TYPE_CHECKING:
    from gateway.services.lines import LineWriter
    from gateway.store import Store
    from gateway.web.door import Door

log = logging.getLogger("lienthong.web.serve")

_LOADED = ("gateway.opening", "gateway.wiring", "gateway.web.app", "gateway.web.tls")

SETTLES_EVERY_S = 2.0  # how often a process that doubts the clock looks whether somebody vouches for it
#: How long a thread that has come back from disk or database waits for the interpreter's lock, at most, while the loop has
#: much to do: Python's five milliseconds are as long as a turn at the file, and whoever waits for that waits for them as well.
SWITCH_S = 0.001
_WARM_AFTER_S = 2.0  # a worker that has just come up has messages to take first


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker is told at its start. Plain values: it reads its settings itself, as the parent did."""

    file: Path | None
    given: Mapping[str, Any]
    host: str
    port: int
    shared: Path  # the node's runtime folder: rates, metrics
    clock: ClockStart = field(default_factory=ClockStart.now)  # what the clocks said when the node began


def serve(
    loaded: LoadedSettings,
    *,
    given: Mapping[str, Any] | None = None,
    workers: int | None = None,
    on_ready: Callable[[str, int], None] | None = None,
) -> int:
    """Serve until a signal says stop; the exit status. Raises Stopped: SYS-032 the address cannot be had, or what the first
    worker says that cannot begin: a database of another revision, TLS files that are none.

    ``given`` are the settings of the command line, which the workers apply as the parent did. ``on_ready`` is called
    with host and port once every worker listens.
    """
    web = loaded.settings.web
    descriptors = raise_descriptors()
    wanted = loaded.settings.door.connections
    if (most := connections_at_most(wanted, descriptors)) < wanted:
        log.warning("a process may have %d files open: %d connections instead of %d", descriptors, most, wanted)
    reserved = reserve(web.host, web.port)
    shared = runtime_folder(loaded.base)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared / "metrics")
    job = Job(file=loaded.file, given=dict(given or {}), host=web.host, port=reserved.getsockname()[1], shared=shared)
    patience = KeeperPatience(boot_s=web.boot_s, stall_s=web.stall_s, drain_s=web.drain_s)

    def ready(_: str) -> None:
        if on_ready is not None:
            on_ready(job.host, job.port)

    try:
        return Keeper(_work, job, workers or web.workers, patience, shared, ready, name="worker", preload=_LOADED).run()
    finally:
        reserved.close()
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]


def reserve(host: str, port: int) -> socket.socket:
    """A socket that holds the address without listening, so that a port chosen by the system stays ours.

    Raises Stopped (SYS-032) when somebody listens there already: SO_REUSEPORT alone would quietly share the port with
    another gateway of the same user.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((host, port))
            address = alone.getsockname()
        return shared_socket(family, address[0], address[1])
    except OSError as error:
        facts = {"address": host_and_port(host, port), "reason": system_reason(error)}
        raise Stopped(Problem("SYS-032", facts)) from error


def shared_socket(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    """A socket on an address that others of this user may have, too. Raises OSError."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    return sock


# -- a worker ---------------------------------------------------------------------------------------------------------


def _work(job: Job, line: Connection) -> None:
    """The life of one worker process."""
    with child_begins(job, line) as loaded:
        if loaded.settings.web.memory_mb:
            most = loaded.settings.web.memory_mb * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve_one(job, loaded, line))


@contextlib.contextmanager
def child_begins(job: Job, line: Connection) -> Iterator[LoadedSettings]:
    """What every child of a node's parent begins and ends with: the settings, read again."""
    gc.freeze()  # what the parent of the children has loaded goes only with them, and stays shared where nobody touches it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(job.shared / "metrics")
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold dossiers and keys
        yield load(job.file, given=job.given)
    except Stopped as stop:  # the parent says it, in sentences
        with contextlib.suppress(OSError):
            line.send_bytes(cannot_begin(stop))
        raise SystemExit(1) from None
    finally:
        logging.shutdown()  # multiprocessing ends a child without what is registered for the end


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loops of this node's processes; None: asyncio's own."""
    if sys.platform == "win32":
        return None
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve_one(job: Job, loaded: LoadedSettings, line: Connection) -> None:
    from gateway import opening, wiring  # noqa: PLC0415 - load every library; the parent stays small
    from gateway.services.lines import start_logging  # noqa: PLC0415
    from gateway.web.app import App  # noqa: PLC0415
    from gateway.web.tls import server_context  # noqa: PLC0415

    settings = loaded.settings
    lines = start_logging(settings.log.form, settings.log.level)
    store = opening.await_store(loaded, tell_of_waiting(line), at_door=True)
    kept = ClockKept(job.shared)
    clock = wiring.node_clock(store, kept.read(job.clock))
    app = App(wiring.build(settings, store), settings, shared=job.shared, clock=clock)
    family = socket.AF_INET6 if ":" in job.host else socket.AF_INET
    await app.start(sock=shared_socket(family, job.host, job.port), tls=server_context(settings.web))
    loop = asyncio.get_running_loop()
    leave = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, leave.set)
    loop.add_reader(line.fileno(), leave.set)  # the parent says nothing, so this is its end
    beating = asyncio.create_task(_beat(app.door, line, settings.web, lines, lambda: kept.keep(clock)))
    renewing = asyncio.create_task(_renew(app.door, settings))
    settling = asyncio.create_task(_settle(app.door, clock, store))
    watching = asyncio.create_task(_watch_schema(app.door, store))
    warming = asyncio.create_task(_warm(app.door))
    journal = store.journal_keeper()
    _keep_for_good()
    sys.setswitchinterval(SWITCH_S)
    line.send_bytes(READY)
    await leave.wait()
    loop.remove_reader(line.fileno())
    for task in (beating, renewing, settling, watching, warming):
        task.cancel()
    await app.stop()
    journal.close()


def _keep_for_good() -> None:
    """Whatever is held now is held as long as this process lives: the search for garbage, during which nothing else runs,
    passes it by from now on. What comes later is searched as before.
    """
    gc.collect()  # else what is garbage now would be kept as well
    gc.freeze()


async def _beat(
    door: Door, line: Connection, web: WebSettings, lines: LineWriter, keep_clock: Callable[[], None]
) -> None:
    """Tell the parent that the loop turns; not while a thread has been judging one document for too long."""
    told, spare = 0, Spare()
    most = memory_mb() + web.growth_mb
    while True:
        await spare.look()
        keep_clock()
        if door.tray.longest_s() < web.stall_s:
            with contextlib.suppress(OSError):
                line.send_bytes(LARGE if memory_mb() > most else ALIVE)
        told, before = lines.dropped, told
        door.metrics.lines_dropped(told - before)
        await asyncio.sleep(min(1.0, web.stall_s / 5))


async def _warm(door: Door) -> None:
    """Build what explains refusals, beside the first messages: nobody has to wait for it when one is refused."""
    await asyncio.sleep(_WARM_AFTER_S)
    await door.read(door.gate.catalog.warm)
    _keep_for_good()


async def _settle(door: Door, clock: NodeClock, store: Store) -> None:
    """Believe the machine's clock again soon after somebody vouches for it."""
    from gateway import wiring  # noqa: PLC0415
    from gateway.store import StoreError  # noqa: PLC0415

    while True:
        await asyncio.sleep(SETTLES_EVERY_S)
        if door.doubt() is None:
            continue
        try:
            clock.settle(*await door.read(wiring.vouched, store))
        except StoreError as error:
            log.error("cannot look who vouches for the clock: %s", error)  # noqa: TRY400 - it says it all
        except Exception:
            log.exception("cannot look who vouches for the clock")
        door.doubt()  # which says that it is over


async def _watch_schema(door: Door, store: Store) -> None:
    """Write nothing more once the database was brought to another revision, and go on where it is back."""
    from gateway.opening import SCHEMA_EVERY_S, still_ours  # noqa: PLC0415
    from gateway.store import StoreError  # noqa: PLC0415

    while True:
        await asyncio.sleep(SCHEMA_EVERY_S)
        try:
            await door.read(still_ours, store)
        except StoreError as error:
            log.error("cannot look of which revision the database is: %s", error)  # noqa: TRY400 - it says it all
        except Exception:
            log.exception("cannot look of which revision the database is")


async def _renew(door: Door, settings: Settings) -> None:
    """Take over a new registry, new catalogues, declarations or certificate verdicts soon after they are there."""
    from gateway import wiring  # noqa: PLC0415
    from gateway.store import StoreError  # noqa: PLC0415

    while True:
        await asyncio.sleep(settings.parties.reload_s)
        try:
            fresh = await door.read(wiring.renewed, door.gate, settings)
        except StoreError as error:
            log.error("cannot look for a new registry; the old one stays in force: %s", error)  # noqa: TRY400 - it says it all
            continue
        except Exception:
            log.exception("cannot look for a new registry; the old one stays in force")
            continue
        if fresh is not None:
            door.take_over(fresh)
            log.info("a new view is in force", extra={"registry": fresh.parties.version})
