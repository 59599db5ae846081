"""A look-up handed to the process beside `work` that stays and answers (:mod:`gateway.cli.resident`): the side of who asks.

It loads next to nothing, for that is what is gained: the libraries of a look-up cost more than the look-up. Whatever is not
just as it would be in a process of its own, or does not answer at once, is not handed over: the caller then does it itself.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import socket
import stat
import struct
import sys
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

#: What a unit of systemd gives `work`, as ours is written: /tmp of such a unit is its own.
UNIT_FOLDER = "/run/lienthong-work"
PATIENCE_S = 0.5  # for the word that it is taken; a process of its own needs longer to load
TRIED = 4  # sockets: one for each `work` of the node
LENGTH = struct.Struct(">I")  # of the request, before it
GO, INTERRUPT = b"g", b"i"
TAKEN = b'{"taken": true}\n'
CONFIG_NAME = "lienthong.toml"

_GROUPS_ALONE = ""  # where a group means one of its commands without naming it
#: The commands that only read, end by themselves and ask nobody: of a group, which of its commands.
LOOK_UPS: Mapping[str, frozenset[str] | None] = {
    **dict.fromkeys(
        ("messages", "show", "inbox", "lanes", "batches", "deadlines", "drift", "lint", "report", "top"), None
    ),
    "dossier": frozenset({"show"}),
    "batch": frozenset({"show"}),
    "alerts": frozenset({_GROUPS_ALONE, "list"}),
    "notify": frozenset({_GROUPS_ALONE, "list"}),
    "catalogue": frozenset({"show"}),
    "declarations": frozenset({_GROUPS_ALONE, "list"}),
    "trust": frozenset({_GROUPS_ALONE, "forecast", "show"}),
    "parties": frozenset({"list", "versions"}),
    "log": frozenset({"show"}),
    "archive": frozenset({"list"}),
    "operator": frozenset({"list"}),
}
#: With one of these they ask, stay, call somebody, write a file or take long.
NOT_WITH: Mapping[str, frozenset[str]] = {
    "show": frozenset({"--content", "--signed", "--answer", "--reason"}),
    "batch": frozenset({"--watch"}),
    "drift": frozenset({"--ask"}),
    "lint": frozenset({"--xlsx"}),
    "report": frozenset({"--xlsx", "--anew"}),
}
ONLY_WITH: Mapping[str, str] = {"top": "--once"}
_VALUED, _FLAGS = frozenset({"--config", "--lang"}), frozenset({"--json", "--verbose", "-v"})


def is_look_up(arguments: Sequence[str]) -> bool:
    """Whether this only reads and soon ends. False where that cannot be told from the words alone."""
    rest = _behind_common(arguments)
    if not rest or rest[0] not in LOOK_UPS:
        return False
    name, *words = rest
    allowed = LOOK_UPS[name]
    if allowed is not None:
        inner = _behind_common(words)
        named = inner[0] if inner and not inner[0].startswith("-") else _GROUPS_ALONE
        if named not in allowed:
            return False
    given = {word.partition("=")[0] for word in words}
    return not given & NOT_WITH.get(name, frozenset()) and ONLY_WITH.get(name, name) in {name, *given}


def _behind_common(words: Sequence[str]) -> list[str]:
    """What follows the options that every command has."""
    at = 0
    while at < len(words):
        if words[at] in _VALUED:
            at += 2
        elif words[at] in _FLAGS or words[at].partition("=")[0] in _VALUED:
            at += 1
        else:
            break
    return list(words[at:])


def stamp() -> list[object]:
    """Which program this is: interpreter, its switches, libraries, and each file of our own as it lies there."""
    here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - pathlib costs a tenth of all this
    number = changed = 0
    folders = [f"{here}/{name}" for name in ("gateway", "schemas", "signing", "connectors")]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name == "__pycache__":
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    number, changed = number + 1, changed + entry.stat().st_ctime_ns
    flags = sys.flags
    switches = [flags.optimize, flags.debug, flags.inspect, flags.verbose, flags.bytes_warning, flags.dev_mode]
    libraries = [[path, os.stat(path).st_mtime_ns] for path in sorted(set(sys.path)) if _is_library(path)]  # noqa: PTH116
    options = [*sys.warnoptions, *sorted(sys._xoptions)]  # noqa: SLF001 - documented by that name
    return [here, number, changed, sys.version, sys.prefix, switches, options, libraries]


def _is_library(path: str) -> bool:
    return path.endswith("-packages") and os.path.isdir(path)  # noqa: PTH112


def spaces() -> list[str]:
    """In which namespaces this process is: of files first, then of the network, of accounts and of processes."""
    return [os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "net", "user", "pid")]  # noqa: PTH115


def folder_in(place: str) -> str:
    """Where the sockets of this account lie, in a folder for such things."""
    return f"{place}/lienthong-look-{os.getuid()}"


def temporary() -> str:
    """Where they lie without systemd."""
    return os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - what lies there is looked at before it is used


def name_of(config: str) -> str:
    """How the names of the sockets of a node begin, by its configuration file."""
    return f"{zlib.crc32(os.fsencode(os.path.realpath(config))):08x}-"


def is_ours_alone(folder: str) -> bool:
    """Whether nobody else could have laid or changed anything there."""
    with contextlib.suppress(OSError):
        found = os.lstat(folder)
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077
    return False


def peer_uid(line: socket.socket) -> int:
    """The account at the other end."""
    pid_uid_gid = struct.Struct("3i")
    return int(pid_uid_gid.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, pid_uid_gid.size))[1])


def ask(arguments: Sequence[str], patience_s: float = PATIENCE_S) -> tuple[int, float] | None:
    """Has it answered by the process that stays; None: the caller does it itself, nothing has been done or said.

    Gives the exit code, or less than nothing the signal that ended it, and the seconds of CPU over there.
    """
    if not is_look_up(arguments) or not _is_ordinary():
        return None
    try:
        config = _config(arguments)
        sockets = list(_sockets(name_of(config)))
        if not sockets:
            return None
        request = _request(arguments, config)
    except (OSError, ValueError):
        return None
    for place in sockets:
        line = _taken(place, request, patience_s)
        if line is not None:
            return _end_of(line)
    return None


def leave(code: int) -> None:
    """Ends as the look-up ended."""
    if code < 0:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)  # nothing was written here, so nothing is to be flushed


def _is_ordinary() -> bool:
    """Whether this process is as most are: what is not, the other one could not be."""
    streams: list[Any] = [sys.stdin, sys.stdout, sys.stderr]
    limits = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE)
    return (
        sys.platform == "linux"
        and all(stream is not None for stream in streams)
        and (os.getuid(), os.getgid()) == (os.geteuid(), os.getegid())
        and all(resource.getrlimit(limit)[0] == resource.RLIM_INFINITY for limit in limits)
    )


def _sockets(begins: str) -> Iterator[str]:
    for place in (UNIT_FOLDER, temporary()):
        folder = folder_in(place)
        if is_ours_alone(folder):
            names = sorted(name for name in os.listdir(folder) if name.startswith(begins))  # noqa: PTH208
            yield from (f"{folder}/{name}" for name in names[:TRIED])


def _config(arguments: Sequence[str]) -> str:
    """The configuration file as the command will find it. Raises ValueError where that is not plain."""
    named = [arguments[at + 1 : at + 2] for at, word in enumerate(arguments) if word == "--config"]
    named += [[word.partition("=")[2]] for word in arguments if word.startswith("--config=")]
    if len(named) > 1 or [] in named:
        raise ValueError
    if named or os.environ.get("LIENTHONG_CONFIG"):
        return named[0][0] if named else os.environ["LIENTHONG_CONFIG"]
    folder = os.getcwd()  # noqa: PTH109
    while not os.path.isfile(f"{folder}/{CONFIG_NAME}"):  # noqa: PTH113
        if folder in {"/", ""}:
            raise ValueError
        folder = os.path.dirname(folder)  # noqa: PTH120
    return f"{folder}/{CONFIG_NAME}"


def _request(arguments: Sequence[str], config: str) -> bytes:
    """What the other one must know to do it as this process would. Raises OSError and ValueError where something is odd."""
    file, here = os.stat(config), os.stat(".")  # noqa: PTH116
    umask = os.umask(0o077)
    os.umask(umask)
    streams: list[Any] = [sys.stdin, sys.stdout, sys.stderr]
    request = {
        "stamp": stamp(),
        "spaces": spaces(),
        "groups": [os.getgid(), *sorted(os.getgroups())],
        "letters": sys.getfilesystemencoding(),
        "arguments": list(arguments),
        "environment": dict(os.environ),
        "folder": [os.getcwd(), here.st_dev, here.st_ino],  # noqa: PTH109
        "config": [config, file.st_dev, file.st_ino],
        "umask": umask,
        "nice": os.nice(0),
        "streams": [
            [isinstance(one.buffer, io.RawIOBase), one.encoding, one.errors, one.line_buffering, one.write_through]
            for one in streams
        ],
    }
    body = json.dumps(request).encode()
    return LENGTH.pack(len(body)) + body


def _taken(place: str, request: bytes, patience_s: float) -> socket.socket | None:
    """The line to who does it, and was told to begin; None: nobody does.

    The standard streams go over with the word to begin and no sooner: one that stands still would keep them open, and
    whoever reads what the caller then writes would never see its end.
    """
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = signal.getsignal(signal.SIGINT)
    try:
        line.settimeout(patience_s)
        line.connect(place)
        if peer_uid(line) == os.getuid():
            line.sendall(request)
            if _first_line(line) == TAKEN:
                line.settimeout(None)
                if before is signal.default_int_handler:
                    signal.signal(signal.SIGINT, lambda *_: _interrupt(line))
                socket.send_fds(line, [GO], [0, 1, 2])
                return line
    except (OSError, ValueError):  # not there, not at once, not ours, or gone again: nothing has begun
        pass
    signal.signal(signal.SIGINT, before)
    line.close()
    return None


def _first_line(line: socket.socket) -> bytes:
    said = b""
    while not said.endswith(b"\n") and (more := line.recv(1)):
        said += more
    return said


def _interrupt(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.send(INTERRUPT)


def _end_of(line: socket.socket) -> tuple[int, float]:
    """How it ended: what was said of it last; killed, where nothing was."""
    said = b""
    with contextlib.suppress(OSError):
        while more := line.recv(4096):
            said += more
    code, cpu = -int(signal.SIGKILL), 0.0
    for row in map(json.loads, said.splitlines()):
        code, cpu = int(row["code"]), float(row.get("cpu", cpu))
    return code, cpu
