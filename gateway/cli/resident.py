"""The process beside `work` that stays and answers look-ups: it has loaded what they need, and forks for each.

It has opened nothing: no database, no file, no connection but that of who asks. A child gets the standard streams, folder and
environment of who asked and does what a process of its own would do (:mod:`gateway.quick` is the other side). What a child had
to load beyond that, this process loads, too: the next one finds it there. So it is small until somebody asks.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import locale
import os
import resource
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, NoReturn

from gateway import quick
from gateway.cli.command import OURS

_MOST: Final = 4  # at a time; who comes then does it itself
_ASKS_S: Final = 0.3  # how long who asks may take to say what
_LARGEST: Final = 16 << 20
_LOOKS_S: Final = 30.0  # how often it is seen whether its socket is still there
_NO_SETTING: Final = frozenset(f"LIENTHONG_{name}" for name in ("CONFIG", "LANG", "JSON", "VERBOSE", "AS"))
_NO_DIFFERENCE: Final = frozenset(
    f"PYTHON{name}" for name in ("IOENCODING", "UNBUFFERED", "UTF8", "COERCECLOCALE", "DONTWRITEBYTECODE", "HASHSEED")
)  # to what is loaded already; what they mean for the streams, who asks has said


@dataclass(frozen=True, slots=True)
class ResidentJob:
    """What it is told at its start."""

    config: Path  # whose look-ups it answers
    stamp: list[object]  # of the program, before any of it was loaded


class NotOurs(Exception):
    """A request that who asks is to answer itself."""


def answer_look_ups(job: ResidentJob, line: Connection) -> None:
    """Its life: until SIGTERM, or until ``line`` ends with the parent. Ends with 1 where it has no socket, or no more."""
    with contextlib.suppress(OSError):
        os.setsid()  # Ctrl-C at the terminal of `work` is not meant for it, nor for what it does for others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    listening = _listen(quick.name_of(str(job.config)))
    if listening is None:
        raise SystemExit(1)
    listener, place = listening
    try:
        gone = _Resident(job, listener, place).serve(line)
    finally:
        with contextlib.suppress(OSError):
            Path(place).unlink()
            Path(place).parent.rmdir()
    if gone:
        raise SystemExit(1)


def _listen(name: str) -> tuple[socket.socket, str] | None:
    """A socket that nobody else reaches, where who asks looks for it; None where there is no room for one."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    folder = quick.folder_in(given or quick.temporary())
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileExistsError):
            Path(folder).mkdir(mode=0o700)
        if quick.is_ours_alone(folder):
            _tidy(folder)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            place = f"{folder}/{name}{time.time_ns()}"
            listener.bind(place)
            Path(place).chmod(0o600)
            listener.listen(16)
            return listener, place
    return None


def _tidy(folder: str) -> None:
    """Takes away what others left that were killed."""
    for path in Path(folder).iterdir():
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.settimeout(_ASKS_S)
            try:
                trial.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()


@dataclass(slots=True)
class _Resident:
    """Takes requests one after the other; what they ask is done by its children, side by side."""

    job: ResidentJob
    listener: socket.socket
    place: str
    stopped: bool = False
    running: dict[int, tuple[socket.socket, int]] = field(default_factory=dict)  # who asked, what the child had to load
    own: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def serve(self, line: Connection) -> bool:
        """Until it is told to stop; whether somebody has taken its socket away."""
        woken, waker = socket.socketpair()
        for one in (woken, waker, self.listener):
            one.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        heeded: list[Any] = [self.listener, woken, line]
        gc.freeze()  # what is there stays: children share it as long as nobody writes to it
        while not self.stopped:
            heard: list[Any] = select.select(heeded, [], [], _LOOKS_S)[0]
            if line in heard:
                break
            if woken in heard:
                with contextlib.suppress(OSError):
                    woken.recv(1024)
            self._bury()
            if self.listener in heard:
                with contextlib.suppress(OSError):
                    self._take()
            elif not heard and not Path(self.place).exists():
                return True
        return False

    def _stop(self, *_: object) -> None:
        self.stopped = True

    def _take(self) -> None:
        """One request: a child for it, or nothing, whereupon who asks does it itself."""
        line, _ = self.listener.accept()
        try:
            if quick.peer_uid(line) != os.getuid() or len(self.running) >= _MOST:
                raise NotOurs
            line.settimeout(_ASKS_S)
            request = _request(line)
            self._check(request)
            told, tell = os.pipe()
            child = os.fork()
            if child == 0:
                _be(request, line, tell)
            os.close(tell)
            self.running[child] = line, told
        except (NotOurs, OSError, ValueError, KeyError, TypeError):
            line.close()

    def _check(self, request: dict[str, Any]) -> None:
        """Raises NotOurs where a process of its own would not be just as a child of this one; OSError likewise."""
        own, theirs = self.own, request["environment"]
        file = self.job.config.stat()
        elsewhere = request["spaces"][0] != quick.spaces()[0]  # its files may be others than a unit's
        if (
            request["stamp"] != self.job.stamp
            or request["spaces"][1:] != quick.spaces()[1:]
            or request["groups"] != [os.getgid(), *sorted(os.getgroups())]
            or request["letters"] != sys.getfilesystemencoding()
            or request["config"][1:] != [file.st_dev, file.st_ino]
            or _of("PYTHON", own, _NO_DIFFERENCE) != _of("PYTHON", theirs, _NO_DIFFERENCE)
            or (elsewhere and _of("LIENTHONG_", own, _NO_SETTING) != _of("LIENTHONG_", theirs, _NO_SETTING))
        ):
            raise NotOurs

    def _bury(self) -> None:
        """Says how those ended that have, and loads what they had to."""
        for child in list(self.running):
            done, status, used = os.wait4(child, os.WNOHANG)
            if done == 0:
                continue
            line, told = self.running.pop(child)
            code, cpu = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
            with contextlib.suppress(OSError):
                line.sendall(b"%s\n" % json.dumps({"code": code, "cpu": cpu}).encode())
            line.close()
            with os.fdopen(told, "rb") as pipe:
                names = pipe.read().decode().split()
            if names and quick.stamp() == self.job.stamp:  # else parts of two versions would come together
                _load(names)


def _of(prefix: str, environment: dict[str, str], but: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(prefix) and name not in but}


def _load(names: list[str]) -> None:
    for name in names:
        with contextlib.suppress(Exception):  # one that is made and not loaded; whoever needs it makes it, too
            import_module(name)
    gc.freeze()


def _request(line: socket.socket) -> dict[str, Any]:
    """What is asked. Raises NotOurs for what is none, OSError where it takes long."""
    body = b""
    while len(body) < quick.LENGTH.size or len(body) < _length(body):
        more = line.recv(1 << 18)
        if not more:
            raise NotOurs
        body += more
    request = json.loads(body[quick.LENGTH.size :])
    if not isinstance(request, dict):
        raise NotOurs
    return request


def _length(body: bytes) -> int:
    (length,) = quick.LENGTH.unpack_from(body)
    if length > _LARGEST:
        raise NotOurs
    return int(length) + quick.LENGTH.size


# -- a child ----------------------------------------------------------------------------------------------------------


def _be(request: dict[str, Any], line: socket.socket, tell: int) -> NoReturn:
    """The life of a child: it becomes the process that who asks would have been. Never returns."""
    code = 70
    try:
        known = set(sys.modules)
        _become(request, line, tell)
        line.sendall(quick.TAKEN)
        line.settimeout(None)
        word, streams, _, _ = socket.recv_fds(line, 1, 3)
        if word != quick.GO or len(streams) != 3:  # who asked has waited for too long and does it itself
            os._exit(0)
        _speak(request, streams)
        code = _run(request["arguments"], line)
        with contextlib.suppress(OSError):
            line.sendall(b"%s\n" % json.dumps({"code": code}).encode())
        os.set_blocking(tell, False)
        with contextlib.suppress(OSError):
            os.write(tell, " ".join(name for name in sys.modules if name not in known).encode())
    finally:
        os._exit(code)


def _become(request: dict[str, Any], line: socket.socket, tell: int) -> None:
    """Takes over all but the streams. Raises NotOurs, and others, where that cannot be done: who asks sees the line end."""
    signal.set_wakeup_fd(-1)
    for heard in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(heard, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    path, *folder = request["folder"]
    os.chdir(path)
    for one in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - of the work process's children and of other calls
        if one > 2 and one not in {line.fileno(), tell}:
            with contextlib.suppress(OSError):
                os.close(one)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_CTYPE, "")
    os.umask(request["umask"])
    with contextlib.suppress(OSError):
        os.nice(max(0, request["nice"] - os.nice(0)))
    tempfile.tempdir = None
    config, *file = request["config"]
    if (folder, file) != (_which("."), _which(config)):
        raise NotOurs
    sys.argv = ["lienthong", *request["arguments"]]


def _which(path: str) -> list[int]:
    found = Path(path).stat()
    return [found.st_dev, found.st_ino]


def _speak(request: dict[str, Any], streams: list[int]) -> None:
    """Takes over the standard streams."""
    for number, one in enumerate(streams):
        os.dup2(one, number)
        os.close(one)
    sys.stdin, sys.stdout, sys.stderr = (_stream(number, *said) for number, said in enumerate(request["streams"]))


def _stream(number: int, unbuffered: bool, encoding: str, errors: str, lines: bool, through: bool) -> io.TextIOWrapper:
    """A standard stream, as the interpreter of who asks has made it."""
    raw = io.FileIO(number, "rb" if number == 0 else "wb", closefd=False)
    buffer: Any = raw if unbuffered else io.BufferedReader(raw) if number == 0 else io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, encoding, errors, None if number == 0 else "\n", lines, write_through=through)


def _heed(line: socket.socket, main: int) -> None:
    """Ctrl-C over there is Ctrl-C here; where who asked is gone, nobody wants an answer."""
    with contextlib.suppress(OSError):
        while said := line.recv(1):
            if said == quick.INTERRUPT:
                signal.pthread_kill(main, signal.SIGINT)
    os.kill(os.getpid(), signal.SIGKILL)


def _run(arguments: list[str], line: socket.socket) -> int:
    """The exit code of the command, the end of an interpreter included."""
    from gateway.cli import INTERRUPTED, main

    code = OURS
    try:
        threading.Thread(target=_heed, args=(line, threading.get_ident()), daemon=True).start()
        main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else OURS
    except KeyboardInterrupt:
        code = INTERRUPTED
    for stream in (sys.stdout, sys.stderr):
        try:
            if not stream.closed:
                stream.flush()
        except (OSError, ValueError):
            code = 120  # as the interpreter says that
        except KeyboardInterrupt:
            code = INTERRUPTED
    return code
