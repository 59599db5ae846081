"""One node's front: a parent that keeps N workers alive, each listening on the same port.

A worker that dies, or whose loop stands still, is replaced; what it had not committed it had not answered, so senders
try again. A worker that has grown too large is replaced without a gap: libxml2 keeps every name it ever read, so that
strange documents make a process grow for ever. SIGTERM and SIGINT stop: nothing new is taken, what is under way is
answered. SIGHUP replaces the workers one by one, for new settings, TLS files or a new signing key. A new registry or new
certificate verdicts need no signal: workers look for them and change over between two trays.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.core.addresses import host_and_port
from gateway.core.os_words import system_reason
from gateway.core.problems import Lang, Problem, Stopped
from gateway.settings import LoadedSettings, Settings, WebSettings, load
from gateway.store import StoreError
from gateway.web.crashes import read_at_death

if TYPE_CHECKING:
    from gateway.services.lines import LineWriter
    from gateway.web.door import Door

log = logging.getLogger("lienthong.web.serve")

# Workers are forked from a process that has loaded everything and opened nothing: a fork of this one would share its
# connections, and a fresh interpreter for each pays seconds of CPU before it listens.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["gateway.wiring", "gateway.web.app", "gateway.web.tls"])
_DEATHS = 5  # as many in a minute, and it is no accident
_WARM_AFTER_S = 2.0  # a worker that has just come up has messages to take first


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker is told at its start. Plain values: it reads its settings itself, as the parent did."""

    file: Path | None
    given: Mapping[str, Any]
    host: str
    port: int
    shared: Path  # the node's runtime folder: rates, metrics


@dataclass(slots=True)
class _Worker:
    process: ForkServerProcess
    line: Connection  # our end; when it closes, the worker stops
    born: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    ready: bool = False
    large: bool = False  # says of itself that it has grown too large
    leaving: bool = False


def serve(
    loaded: LoadedSettings,
    *,
    given: Mapping[str, Any] | None = None,
    workers: int | None = None,
    on_ready: Callable[[str, int], None] | None = None,
) -> int:
    """Serve until a signal says stop; the exit status. Raises Stopped: SYS-032 the address cannot be had.

    ``given`` are the settings of the command line, which the workers apply as the parent did. ``on_ready`` is called
    with host and port once every worker listens.
    """
    web = loaded.settings.web
    reserved = reserve(web.host, web.port)
    shared = Path(tempfile.mkdtemp(prefix="lienthong-"))
    (shared / "metrics").mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(shared / "metrics")
    job = Job(file=loaded.file, given=dict(given or {}), host=web.host, port=reserved.getsockname()[1], shared=shared)
    parent = _Parent(job, loaded.settings, workers or web.workers, on_ready)
    try:
        return parent.run()
    finally:
        reserved.close()
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
        shutil.rmtree(shared, ignore_errors=True)


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
        return _shared_socket(family, address[0], address[1])
    except OSError as error:
        facts = {"address": host_and_port(host, port), "reason": system_reason(error)}
        raise Stopped(Problem("SYS-032", facts)) from error


def _shared_socket(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    return sock


class _Parent:
    """Keeps the workers alive. Does nothing else, so that nothing can bring it down."""

    def __init__(self, job: Job, settings: Settings, number: int, on_ready: Callable[[str, int], None] | None) -> None:
        self._job = job
        self._settings = settings
        self._number = number
        self._on_ready = on_ready
        self._workers: list[_Worker] = []
        self._deaths: list[float] = []
        self._stop = False
        self._renew = False
        self._wake, self._waker = _CONTEXT.Pipe(duplex=False)

    def run(self) -> int:
        before = {
            number: signal.signal(number, self._signalled) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            for _ in range(self._number):
                self._workers.append(self._born())
            while not self._stop:
                self._listen(1.0)
                if not self._tend():
                    return 70
                if self._renew:
                    self._renew = False
                    self._replace(list(self._workers))
                elif large := [worker for worker in self._workers if worker.large and not worker.leaving]:
                    self._replace(large)
            return 0
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _signalled(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self._renew = True
        else:
            self._stop = True
        with contextlib.suppress(OSError):
            self._waker.send_bytes(b"!")

    def _born(self) -> _Worker:
        ours, theirs = _CONTEXT.Pipe()
        process = _CONTEXT.Process(target=_work, args=(self._job, theirs), name="lienthong-worker")
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _listen(self, patience_s: float) -> None:
        """Hear what the workers say, at most for this long."""
        lines: dict[Any, _Worker] = {worker.line: worker for worker in self._workers}
        sentinels = [worker.process.sentinel for worker in self._workers]
        for heard in connection.wait([*lines, *sentinels, self._wake], patience_s):
            if heard is self._wake:
                self._wake.recv_bytes()
            elif (worker := lines.get(heard)) is not None:
                with contextlib.suppress(EOFError, OSError):
                    said = worker.line.recv_bytes()
                    worker.heard = time.monotonic()
                    worker.ready = worker.ready or said == b"ready"
                    worker.large = said == b"large"
        if self._on_ready is not None and len(self._workers) >= self._number and all(w.ready for w in self._workers):
            tell, self._on_ready = self._on_ready, None
            tell(self._job.host, self._job.port)

    def _tend(self) -> bool:
        """Replace who died or stalls; False when they die too often for that to help."""
        now = time.monotonic()
        for worker in list(self._workers):
            patience = self._settings.web.stall_s if worker.ready else self._settings.web.boot_s
            if worker.process.is_alive() and not worker.leaving and now - worker.heard > patience:
                log.error("worker %s stands still and is replaced", worker.process.pid)
                worker.process.kill()
                worker.process.join(5)
            if not worker.process.is_alive():
                self._buried(worker)
                if worker.leaving:
                    continue
                log.error("worker %s ended (%s) and is replaced", worker.process.pid, worker.process.exitcode)
                self._deaths = [death for death in self._deaths if now - death < 60] + [now]
                if len(self._deaths) >= _DEATHS or (not worker.ready and not any(w.ready for w in self._workers)):
                    log.error("workers do not stay alive; giving up")
                    return False
                if not self._stop:
                    self._workers.append(self._born())
        return True

    def _buried(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.line.close()
        worker.process.join(5)
        for digest in read_at_death(self._job.shared, worker.process.pid, worker.process.exitcode):
            log.critical("a worker crashed while it read the bytes with SHA-256 %s: see SYS-005", digest)
        for file in (self._job.shared / "metrics").glob(f"gauge_live*_{worker.process.pid}.db"):
            file.unlink(missing_ok=True)

    def _replace(self, old: Iterable[_Worker]) -> None:
        """New workers first, then the old ones go: the port is never without a listener."""
        for leaver in old:
            fresh = self._born()
            self._workers.append(fresh)
            until = time.monotonic() + self._settings.web.boot_s
            while not fresh.ready and fresh.process.is_alive() and not self._stop and time.monotonic() < until:
                self._listen(0.5)
            if not fresh.ready:
                log.error("a new worker did not come up; the others go on as they are")
                fresh.leaving = True
                fresh.process.terminate()
                return
            leaver.leaving = True
            leaver.process.terminate()

    def _end(self) -> None:
        until = time.monotonic() + self._settings.web.drain_s + 10
        for worker in self._workers:
            if worker.process.is_alive():
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(max(0.1, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join(5)
            worker.line.close()
        self._workers.clear()


# -- a worker ---------------------------------------------------------------------------------------------------------


def _work(job: Job, line: Connection) -> None:
    """The life of one worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        loaded = load(job.file, given=job.given)
        if loaded.settings.web.memory_mb:
            most = loaded.settings.web.memory_mb * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold dossiers and keys
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve_one(job, loaded, line))
    except Stopped as stop:  # a configuration that was changed since the parent read it: sentences, and no traceback
        for problem in stop.problems:
            log.error("%s %s", problem.code, problem.message(Lang.EN))  # noqa: TRY400 - it says it all
        raise SystemExit(1) from None
    finally:
        logging.shutdown()  # multiprocessing ends a child without what is registered for the end


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve_one(job: Job, loaded: LoadedSettings, line: Connection) -> None:
    from gateway import wiring  # noqa: PLC0415 - loads every library; the parent stays small
    from gateway.web.app import App  # noqa: PLC0415
    from gateway.web.tls import server_context  # noqa: PLC0415

    settings = loaded.settings
    lines = wiring.start_logging(settings)
    gate = wiring.build(settings, wiring.await_store(loaded, at_door=True))
    app = App(gate, settings, shared=job.shared)
    family = socket.AF_INET6 if ":" in job.host else socket.AF_INET
    await app.start(sock=_shared_socket(family, job.host, job.port), tls=server_context(settings.web))
    loop = asyncio.get_running_loop()
    leave = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, leave.set)
    loop.add_reader(line.fileno(), leave.set)  # the parent says nothing, so this is its end
    beating = asyncio.create_task(_beat(app.door, line, settings.web, lines))
    renewing = asyncio.create_task(_renew(app.door, settings))
    warming = asyncio.create_task(_warm(app.door))
    line.send_bytes(b"ready")
    await leave.wait()
    loop.remove_reader(line.fileno())
    for task in (beating, renewing, warming):
        task.cancel()
    await app.stop()


async def _beat(door: Door, line: Connection, web: WebSettings, lines: LineWriter) -> None:
    """Tell the parent that the loop turns; not while a thread has been judging one document for too long."""
    told = 0
    most = _memory_mb() + web.growth_mb
    while True:
        if door.tray.longest_s() < web.stall_s:
            with contextlib.suppress(OSError):
                line.send_bytes(b"large" if _memory_mb() > most else b"alive")
        told, before = lines.dropped, told
        door.metrics.lines_dropped(told - before)
        await asyncio.sleep(min(1.0, web.stall_s / 5))


def _memory_mb() -> float:
    """What this process keeps in memory; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except OSError:
        return 0.0
    return pages * resource.getpagesize() / 2**20


async def _warm(door: Door) -> None:
    """Build what explains refusals, beside the first messages: nobody has to wait for it when one is refused."""
    await asyncio.sleep(_WARM_AFTER_S)
    await door.read(door.gate.catalog.warm)


async def _renew(door: Door, settings: Settings) -> None:
    """Take over a new registry, new catalogues, declarations or certificate verdicts soon after they are there."""
    from gateway import wiring  # noqa: PLC0415

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
