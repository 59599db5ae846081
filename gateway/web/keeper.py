"""A parent that keeps processes alive: `serve` its workers, `work` its one.

A process that dies, or whose loop stands still, is replaced; what it had not committed it had not answered, so senders try
again. What it was reading when it crashed is remembered (:mod:`gateway.web.crashes`). SIGTERM and SIGINT stop: what is
under way is finished. SIGHUP replaces the processes one by one, for new settings, TLS files or a new signing key. As long as
one process works this one goes on, whatever becomes of the others (docs/decisions/0153).

It loads neither the database's libraries nor those of documents: what a child finds when it begins, it tells this one. So
nothing of theirs can bring the parent down, and a start does not pay for them twice.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import connection, util
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, Final

from gateway.core.problems import Lang, Problem, Stopped
from gateway.web.beside import Beside
from gateway.web.crashes import read_at_death

log = logging.getLogger("lienthong.keeper")

# Children are forked from a process that has loaded everything and opened nothing: a fork of this one would share its
# connections, and a fresh interpreter for each pays seconds of CPU before it works.
_CONTEXT = multiprocessing.get_context("forkserver")
_ALONE = multiprocessing.get_context("spawn")  # where that process cannot be reached any more: a fresh interpreter
_UNBORN: Final = (
    OSError,
    EOFError,
)  # no more processes, memory or files; the process that they are forked from has died
_UNTOLD: Final = 255  # the exit status of a child of which nobody can tell any more: that process has died
_DEATHS: Final = 5  # as many in a minute, and it is no accident
_REST_S: Final = 15.0  # then, before the next one
_FIRST_REST_S: Final = 0.5  # where none has come up or been begun; twice as long after each time, up to the rest above
_OVERDUE_S: Final = 10.0  # so long after its time to finish one that is to leave may take to end
_GAP_S: Final = 2.0  # as much at most counts between two looks at its own time; it looks every second while it runs
_TOUCH_S: Final = 3600.0  # how often the files of the runtime folder are given a new date: cleaners go by that
READY: Final = b"ready"  # what a child says once, with a word after it; then, again and again, one of the others
ALIVE: Final = b"alive"
LARGE: Final = b"large"
_STOPPED: Final = b"stopped "  # and why, before it ends
_WAITS: Final = b"waits "  # and for what, before it is ready
_WAITS_TOLD_S: Final = 5.0  # several wait for the same; one line is enough


def cannot_begin(stop: Stopped) -> bytes:
    """What a child says that cannot begin: its parent raises or logs the same."""
    return _STOPPED + json.dumps([problem.as_dict() for problem in stop.problems]).encode()


def tell_of_waiting(line: Connection) -> Callable[[str], None]:
    """How a child says what it waits for: its parent logs it, once for all of them."""

    def tell(words: str) -> None:
        with contextlib.suppress(OSError):  # the parent is gone; that is seen as soon as the wait is over
            line.send_bytes(_WAITS + words.encode())

    return tell


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperPatience:
    """How long a child may take."""

    boot_s: float  # to come up
    stall_s: float  # without a sign of life
    drain_s: float  # to finish what is under way


@dataclass(slots=True)
class _Child:
    process: ForkServerProcess | SpawnProcess
    line: Connection  # our end; when it closes, the worker stops
    heard: float  # by the parent's own time
    ready: bool = False
    said: str = ""  # when it was ready
    stalled: bool = False
    problems: tuple[Problem, ...] = ()  # why it could not begin
    large: bool = False  # says of itself that it has grown too large
    leaving: bool = False
    until: float = math.inf  # when it is ended, where it was told to leave and has not, by the parent's own time
    hung_up: bool = False  # its end of the line is closed

    @property
    def orphaned(self) -> bool:
        """Whether it lives, though the process that it was forked from, and that alone learns of its end, does not."""
        return self.process.exitcode == _UNTOLD and not self.hung_up

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self.process.is_alive() or self.orphaned

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal, if it lives."""
        if self.lives and self.process.pid is not None:
            with contextlib.suppress(OSError):
                os.kill(self.process.pid, number)


def runtime_folder(base: Path) -> Path:
    """A new folder for what the processes of a node share: where systemd says, where temporary files go, or beside the
    configuration, whichever can be written first; gone when this process ends. Raises Stopped (SYS-038)."""
    places = [os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0], None, str(base)]
    for place in places:
        if place == "":
            continue
        with contextlib.suppress(OSError):
            made = Path(tempfile.mkdtemp(prefix="lienthong-", dir=place))
            made_anew(made)
            tempfile.tempdir = str(
                made
            )  # what Python itself needs for its processes lies there, too, and goes before it
            util.Finalize(None, shutil.rmtree, args=(made,), kwargs={"ignore_errors": True}, exitpriority=-1000)
            return made
    raise Stopped(Problem("SYS-038", {"path": str(base), "reason": "no folder for temporary files can be written"}))


def made_anew(folder: Path) -> bool:
    """Whether what belongs into the runtime folder was missing; now it is there."""
    missing = not (folder / "kept").exists() or not (folder / "metrics").is_dir()
    if missing:
        (folder / "metrics").mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        (folder / "kept").touch()
    return missing


def touch(folder: Path) -> None:
    """Gives every file a new date."""
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(OSError):
            os.utime(path)


class Keeper:
    """Keeps the children alive. Does nothing else, and no failure of a child or of the machine brings it down while one works."""

    def __init__(
        self,
        live: Callable[..., None],
        job: object,
        number: int,
        patience: KeeperPatience,
        shared: Path,
        on_ready: Callable[[str], None],
        *,
        name: str,
        preload: Sequence[str],
        gives_up: bool = True,
        beside: Beside | None = None,
    ) -> None:
        """``live(job, line)`` is the life of a child; ``on_ready`` is told once, when all are up, what the last of them said.

        ``shared`` is the runtime folder; ``name`` is what a child is called in the log. ``gives_up``: where children die
        again and again and none stands this one ends, too; otherwise it pauses. ``preload``: the modules that children need.
        ``beside``: one more process, from when all are up.
        """
        # Read by the C library of the process that children are forked from. Otherwise each thread has a heap of its own, which
        # keeps the most that any of its turns has taken (docs: reliability, "For long"). What the owner has set holds.
        os.environ.setdefault("MALLOC_ARENA_MAX", "2")
        _CONTEXT.set_forkserver_preload(list(preload))
        self._gives_up, self._rest_until, self._touched = gives_up, 0.0, time.monotonic()
        self._live, self._job, self._number, self._patience = live, job, number, patience
        self._shared, self._on_ready, self._name = shared, on_ready, name
        self._told, self._beside = False, beside
        self._looked, self._ran = time.monotonic(), 0.0
        self._begun = 0.0  # from when the first is to come up
        self._ended = 0  # how many did before any came up
        self._unborn = 0  # how often in a row none could be begun
        self._replaced_from = 0.0  # when the next one that has grown, or is orphaned, may be replaced
        self._homeless = False  # the runtime folder cannot be made anew, and that was said
        self._waits_told = -_WAITS_TOLD_S
        self._workers: list[_Child] = []
        self._deaths: list[float] = []
        self._stop = False
        self._renew = False
        self._wake, self._waker = _CONTEXT.Pipe(duplex=False)

    def run(self) -> int:
        """Until a signal says stop; the exit status: 70 where none came up or none stays alive.

        Raises Stopped with what a first child said that could not begin.
        """
        before = {
            number: signal.signal(number, self._signalled) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            for _ in range(self._number):
                if not self._one_more():
                    return 70
            while not self._stop:
                self._listen(1.0)
                if not self._tend():
                    return 70
                if self._told and self._beside is not None:
                    self._beside.tend()
                self._keep_house()
                standing = self._standing()
                if self._renew:
                    self._renew = False
                    self._replace(standing)
                elif self._own_time() >= self._replaced_from:
                    self._replace([worker for worker in standing if worker.large or worker.orphaned])
            return 0
        finally:
            if self._beside is not None:
                self._beside.end()
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

    def _standing(self) -> list[_Child]:
        """Who is there to stay."""
        return [worker for worker in self._workers if not worker.leaving]

    def _one_more(self) -> bool:
        """Begins another one; where there can be none now, after a rest. Whether there is a use in going on."""
        try:
            self._workers.append(self._born())
        except _UNBORN as error:
            self._not_begun(error)
            now = self._own_time()
            if self._none_yet():
                return self._tries_again(now)
            self._rest(now, self._unborn)
        return True

    def _born(self) -> _Child:
        """A new child. Raises OSError or EOFError where there can be none now."""
        try:
            child = self._begun_in(_CONTEXT)
        except _UNBORN as error:  # its socket lies in a folder that somebody has cleaned, or it has died just now
            log.warning("a %s is begun from the beginning, which takes longer: %s", self._name, type(error).__name__)
            child = self._begun_in(_ALONE)
        self._unborn = 0
        return child

    def _begun_in(self, context: ForkServerContext | SpawnContext) -> _Child:
        ours, theirs = context.Pipe()
        try:
            with theirs:
                process = context.Process(target=self._live, args=(self._job, theirs), name=f"lienthong-{self._name}")
                process.start()
        except _UNBORN:
            ours.close()
            raise
        return _Child(process, ours, self._own_time())

    def _not_begun(self, error: Exception) -> None:
        self._unborn += 1
        log.error("no %s can be begun now: %s", self._name, str(error) or type(error).__name__)

    def _keep_house(self) -> None:
        """The runtime folder is there, and its files are not old. Where that cannot be, all go on without."""
        try:
            if made_anew(self._shared):
                log.error(
                    "the runtime folder %s was taken away; it is made anew, with new %ss", self._shared, self._name
                )
                self._renew = True
            elif time.monotonic() - self._touched > _TOUCH_S:
                self._touched = time.monotonic()
                touch(self._shared)
            self._homeless = False
        except OSError as error:
            if not self._homeless:
                log.error("the runtime folder %s cannot be made anew: %s", self._shared, error)  # noqa: TRY400 - it says it all
            self._homeless = True

    def _own_time(self) -> float:
        """Seconds that this process itself has run for.

        Where a node is paused (a container by its engine, a machine by its hypervisor) or gets no CPU, children say nothing
        for no fault of theirs. Silence is counted by this; after a pause in which it would have grown too long all of them
        are heard as if just now.
        """
        now = time.monotonic()
        gap, self._looked = now - self._looked, now
        self._ran += min(gap, _GAP_S)
        if gap > self._patience.stall_s:
            for worker in self._workers:
                worker.heard = self._ran
        return self._ran

    def _listen(self, patience_s: float) -> None:
        """Hear what the workers say, at most for this long."""
        lines: dict[Any, _Child] = {worker.line: worker for worker in self._workers if not worker.hung_up}
        sentinels = [worker.process.sentinel for worker in self._workers if not worker.orphaned]
        for heard in connection.wait([*lines, *sentinels, self._wake], patience_s):
            if heard is self._wake:
                self._wake.recv_bytes()
            elif (worker := lines.get(heard)) is not None:
                self._hear(worker)
        if not self._told and len(self._workers) >= self._number and all(w.ready for w in self._workers):
            self._told = True
            self._on_ready(self._workers[-1].said)

    def _hear(self, worker: _Child) -> bool:
        """One word of a child, if there is one; whether there was."""
        try:
            if not worker.line.poll():
                return False
            said = worker.line.recv_bytes()
        except (EOFError, OSError):
            worker.hung_up = True
            return False
        worker.heard = self._own_time()
        if said.startswith(READY):
            worker.ready, worker.said = True, said.removeprefix(READY).decode().strip()
        elif said.startswith(_STOPPED):
            rows = json.loads(said.removeprefix(_STOPPED))
            worker.problems = tuple(Problem.from_dict(row) for row in rows)
        elif said.startswith(_WAITS) and worker.heard - self._waits_told >= _WAITS_TOLD_S:
            self._waits_told = worker.heard
            log.warning("%s", said.removeprefix(_WAITS).decode())
        worker.large = said == LARGE
        return True

    def _tend(self) -> bool:
        """Replace who died or stalls; False when they die too often for that to help."""
        now = self._own_time()
        for worker in list(self._workers):
            if worker.lives and self._overdue(worker, now):
                if worker.leaving:
                    log.error("%s %s was to leave, does not end and is killed", self._name, worker.process.pid)
                else:
                    log.error("%s %s stands still and is replaced", self._name, worker.process.pid)
                worker.stalled = worker.ready
                worker.send(signal.SIGKILL)
                self._await_end(worker, 5.0)
            if not worker.lives:
                while self._hear(worker):
                    pass
                self._buried(worker)
                if worker.leaving:
                    continue
                if not self._goes_on(worker, now):
                    return False
        if len(self._standing()) < self._number and not self._stop and self._own_time() >= self._rest_until:
            return self._one_more()
        return True

    def _overdue(self, worker: _Child, now: float) -> bool:
        """Whether it has been silent for too long, or was told to leave and should have ended."""
        if worker.leaving:
            return now > worker.until
        return now - worker.heard > (self._patience.stall_s if worker.ready else self._patience.boot_s)

    def _none_yet(self) -> bool:
        """Whether none has come up so far."""
        return not self._told and not any(worker.ready for worker in self._workers)

    def _goes_on(self, dead: _Child, now: float) -> bool:
        """Whether there is a use in another one: where one stands always, after a rest where they die too often."""
        self._deaths = [death for death in self._deaths if now - death < 60] + [now]
        never = not dead.ready and self._none_yet()
        if never and dead.problems:
            raise Stopped(*dead.problems)
        log.error("%s %s ended (%s) and is replaced", self._name, dead.process.pid, dead.process.exitcode)
        for problem in dead.problems:  # a configuration that was changed since the first ones read it
            log.error("%s %s", problem.code, problem.message(Lang.EN))
        if never:
            return self._tries_again(now)
        if len(self._deaths) < _DEATHS:
            return True
        if self._gives_up and not any(worker.ready for worker in self._standing()):
            log.error("%ss do not stay alive; giving up", self._name)
            return False
        log.error("%ss do not stay alive; the next one comes in %d s", self._name, _REST_S)
        self._rest_until = now + _REST_S
        return True

    def _tries_again(self, now: float) -> bool:
        """Whether another one is begun where none has come up yet: within the time for that, after a rest that grows."""
        self._ended += 1
        if now - self._begun > self._patience.boot_s:
            log.error(
                "no %s came up within %d s (web.boot_s); %d began and ended; giving up",
                self._name,
                self._patience.boot_s,
                self._ended,
            )
            return False
        self._rest(now, self._ended)
        return True

    def _rest(self, now: float, times: int) -> None:
        """The next one comes later, the more often none has come."""
        self._rest_until = now + min(_FIRST_REST_S * 2 ** min(times - 1, 10), _REST_S)

    def _buried(self, worker: _Child) -> None:
        self._workers.remove(worker)
        worker.line.close()
        worker.process.join(5)
        pid, code = worker.process.pid, worker.process.exitcode
        try:
            for digest in read_at_death(self._shared, pid, code, stalled=worker.stalled):
                log.critical(
                    "a %s crashed while it read the bytes with SHA-256 %s: see SYS-005, DLV-075, DLV-077",
                    self._name,
                    digest,
                )
            for file in (self._shared / "metrics").glob(f"gauge_live*_{pid}.db"):
                file.unlink(missing_ok=True)
        except OSError as error:  # a full disk: who comes next may read it once more, which is better than nobody there
            log.error("what %s %s was reading when it ended cannot be noted: %s", self._name, pid, error)  # noqa: TRY400 - it says it all

    def _replace(self, old: Iterable[_Child]) -> None:
        """New workers first, then the old ones go: the port is never without a listener."""
        for leaver in old:
            if leaver.orphaned:
                log.error("the process that %s %s was forked from has died", self._name, leaver.process.pid)
            try:
                fresh = self._born()
            except _UNBORN as error:
                self._not_begun(error)
                self._replaced_from = self._own_time() + _REST_S
                return
            self._workers.append(fresh)
            until = self._own_time() + self._patience.boot_s
            while not fresh.ready and fresh.lives and not self._stop and self._own_time() < until:
                self._listen(0.5)
            if not fresh.ready:
                log.error("a new %s did not come up; the others go on as they are", self._name)
                self._replaced_from = self._own_time() + _REST_S
                self._send_off(fresh)
                return
            self._send_off(leaver)

    def _send_off(self, worker: _Child) -> None:
        """Tells it to leave; where it does not, it is killed later."""
        worker.leaving = True
        worker.until = min(worker.until, self._own_time() + self._patience.drain_s + _OVERDUE_S)
        worker.send(signal.SIGTERM)

    def _end(self) -> None:
        for worker in self._workers:
            self._send_off(worker)
        for worker in self._workers:
            while worker.lives and self._own_time() < worker.until:
                self._await_end(worker, 1.0)
            if worker.lives:
                worker.send(signal.SIGKILL)
                self._await_end(worker, 5.0)
            worker.line.close()
        self._workers.clear()

    def _await_end(self, worker: _Child, patience_s: float) -> None:
        """At most for so long. What it says meanwhile is heard: of an orphan nothing else tells the end."""
        until = time.monotonic() + patience_s
        worker.process.join(patience_s)
        while worker.orphaned and worker.line.poll(max(0.0, until - time.monotonic())):
            self._hear(worker)
