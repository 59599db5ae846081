"""A look-up that the process beside `work` answers is, byte for byte, the one that a process of its own would have given."""

import contextlib
import fcntl
import json
import os
import pty
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click
import processes
import pytest
from patience import PATIENCE_S, eventually, stays

from gateway import quick
from gateway.cli import lienthong
from gateway.cli.command import Group
from gateway.settings import CONFIG_NAME

#: Every command that only reads, soon ends, asks nobody and writes no file; those that need a word for that, with it.
LOOK_UPS = {
    *("messages", "show", "inbox", "lanes", "batches", "deadlines", "drift", "lint", "report", "top --once"),
    *("dossier show", "batch show", "alerts", "alerts list", "notify", "notify list", "catalogue show", "log show"),
    *("declarations", "declarations list", "trust", "trust forecast", "trust show", "parties list", "parties versions"),
    *("archive list", "operator list"),
}
#: The words that make such a command something else.
NOT_WITH = {
    *("show --content", "show --signed", "show --answer", "show --reason", "batch show --watch", "drift --ask"),
    *("lint --xlsx", "report --xlsx", "report --anew"),
}
#: It answers look-ups of the folder it is started in, as the one beside `work`.
RESIDENT = """
import multiprocessing, pathlib
from gateway import quick
from gateway.cli.resident import ResidentJob, answer_look_ups
ours, theirs = multiprocessing.Pipe()
answer_look_ups(ResidentJob(pathlib.Path("lienthong.toml").resolve(), quick.stamp()), theirs)
"""
#: Only has it answered, with all patience: 99 where nobody does.
ASKS = """
import sys
from gateway import quick
ended = quick.ask(sys.argv[1:], {patience})
assert "click" not in sys.modules
quick.leave(99 if ended is None else ended[0])
"""
NOBODY = 99
#: Connects as an account of nobody: what it is told, and whether it takes the other end for its own.
STRANGER = f"""
import os, socket, sys
from gateway import quick
os.setuid(65534)
with socket.socket(socket.AF_UNIX) as line:
    line.settimeout({PATIENCE_S})
    line.connect(sys.argv[1])
    print(len(line.recv(100)), quick.peer_uid(line) == os.getuid())
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("LIENTHONG_", "LC_", "LANG"))}


def commands(group=lienthong, path=()):
    for name, entry in group.entries.items():
        module, _, attribute = entry.place.partition(":")
        command = getattr(import_module(module), attribute)
        yield (*path, name), command
        if isinstance(command, Group):
            yield from commands(command, (*path, name))


@pytest.mark.threat("T-RESIDENT")
def test_only_what_reads_soon_ends_and_asks_nobody_is_handed_over():
    for path, command in commands():
        words = " ".join(path)
        handed = words in LOOK_UPS or any(one.startswith(f"{words} -") for one in LOOK_UPS)
        needed = ["--once"] if words == "top" else []
        assert quick.is_look_up([*path, *needed]) == handed, words
        assert quick.is_look_up(["--config", "x", "--json", path[0], "--lang=vi", *path[1:], *needed]) == handed, words
        if not handed or isinstance(command, Group):
            continue
        assert not command.acts or words == "show", words
        for param in command.params:
            writes = isinstance(param.type, click.Path | click.File) and param.name != "config"
            asks = param.name in {"reason", "yes", "acting_as"}
            given = max(param.opts, key=len)
            if writes or (asks and words != "show"):
                assert f"{words} {given}" in NOT_WITH, (words, given)
    for words in NOT_WITH:
        assert not quick.is_look_up(words.split()), words
        assert not quick.is_look_up([*words.split()[:-1], f"{words.split()[-1]}=x"]), words
    for words in ("", "top", "--verbos messages", "alerts ack x", "alerts --json ack x", "dossier", "--lang"):
        assert not quick.is_look_up(words.split()), words


def test_who_asks_looks_where_the_unit_of_systemd_and_the_settings_say():
    unit = (Path(__file__).parents[2] / "deploy/systemd/lienthong-work.service").read_text("utf-8")
    assert quick.CONFIG_NAME == CONFIG_NAME
    assert f"\nRuntimeDirectory={quick.UNIT_FOLDER.removeprefix('/run/')}\n" in unit


@dataclass
class Place:
    """An office with a process that answers its look-ups."""

    folder: Path
    message: str
    sockets: Path
    process: subprocess.Popen

    def run(self, *arguments, asks=True, patience=PATIENCE_S, switches=(), **variables):
        """What is said to it by whoever asks; with ``asks=False`` by a process of its own, which finds nobody to ask."""
        program = ["-c", ASKS.format(patience=patience)] if asks else ["-m", "gateway"]
        return subprocess.run(
            [sys.executable, *switches, *program, *arguments],
            cwd=self.folder,
            env={**ENVIRONMENT, "LANG": "vi_VN.UTF-8", "COLUMNS": "80", "TMPDIR": str(self.tmpdir(asks)), **variables},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def tmpdir(self, asks):
        return self.sockets if asks else self.sockets / "none"

    @contextlib.contextmanager
    def stuck(self):
        """Somebody who asks, whose child cannot write what it has to say; gives the process and the pipe's end."""
        told, tell = os.pipe()
        os.set_blocking(tell, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(tell, b"\n" * 4096)
        os.set_blocking(tell, True)
        asking = subprocess.Popen(
            [sys.executable, "-c", ASKS.format(patience=PATIENCE_S), "messages", "--json"],
            cwd=self.folder,
            env={**ENVIRONMENT, "TMPDIR": str(self.sockets)},
            stdout=tell,
            stderr=subprocess.PIPE,
            preexec_fn=_hears_ctrl_c,
        )
        os.close(tell)
        try:
            assert eventually(lambda: self.writes_to(told))
            yield asking, told
        finally:
            asking.kill()
            asking.wait()
            asking.stderr.close()
            with contextlib.suppress(OSError):
                os.close(told)

    def children(self):
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()

    def writes_to(self, pipe):
        """Whether its child has taken over the standard output that ends in this pipe."""
        with contextlib.suppress(OSError):
            return any(Path(f"/proc/{one}/fd/1").stat().st_ino == os.fstat(pipe).st_ino for one in self.children())
        return False


def _hears_ctrl_c():
    """As one at a terminal: a suite that a shell began in the background leaves it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def answering(folder, sockets, apart=()):
    process = subprocess.Popen(
        [*apart, sys.executable, "-c", RESIDENT],
        cwd=folder,
        env={**ENVIRONMENT, "TMPDIR": str(sockets)},
        start_new_session=True,
    )
    try:
        assert eventually(lambda: process.poll() is not None or any(sockets.glob("lienthong-look-*/*")))
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def place(tmp_path_factory, office_template, office_in):
    """Shared: nothing here changes anything."""
    folder = Path(shutil.copytree(office_template, tmp_path_factory.mktemp("quick") / "nut"))
    with office_in(folder) as office:
        message = office.receive("accepted/HS01-nop-ho-so-toi-thieu").message
        office.receive("rejected/SIG-001-sua-noi-dung")
        office.refused()
    with tempfile.TemporaryDirectory(prefix="lt-", dir="/tmp") as sockets:  # the path of a socket may not be long
        (Path(sockets) / "none").mkdir()
        with answering(folder, Path(sockets)) as process:
            yield Place(folder, message, Path(sockets), process)


LATIN, ENGLISH = {"PYTHONIOENCODING": "latin-1"}, {"LANG": "en_GB.UTF-8"}


@pytest.mark.parametrize(
    ("arguments", "variables", "code"),
    [
        (["messages"], {}, 0),
        (["--json", "lanes", "--held"], {"LC_ALL": "C"}, 1),
        (["show", "{message}", "--lang", "vi"], LATIN | ENGLISH, 0),
        (["messages", "--stat", "held"], ENGLISH | {"COLUMNS": "50"}, 2),
        (["show", "không-có"], LATIN, 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_it_says_and_ends_as_a_process_of_its_own(place, arguments, variables, code):
    words = [word.format(message=place.message) for word in arguments]
    handed, own = (place.run(*words, asks=asks, **variables) for asks in (True, False))
    assert (handed.returncode, handed.stdout, handed.stderr) == (own.returncode, own.stdout, own.stderr)
    assert own.returncode == code, own.stderr
    assert own.stdout or own.stderr


def test_at_a_terminal_too(place):
    said = []
    for asks in (True, False):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 85, 0, 0))
        program = ["-c", ASKS.format(patience=PATIENCE_S)] if asks else ["-m", "gateway"]
        variables = {name: value for name, value in ENVIRONMENT.items() if name != "COLUMNS"}
        asking = subprocess.Popen(
            [sys.executable, *program, "messages"],
            cwd=place.folder,
            env={**variables, "LANG": "vi_VN.UTF-8", "TMPDIR": str(place.tmpdir(asks))},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        text = b""
        with contextlib.suppress(OSError):  # Linux: nobody has the other end any more
            while more := os.read(ours, 65536):
                text += more
        os.close(ours)
        said.append((asking.wait(), text))
    assert said[0] == said[1]
    assert b"cong-dvc" in said[0][1]
    assert max(len(line) for line in said[0][1].decode().splitlines() if "───" in line) <= 85


@pytest.mark.threat("T-RESIDENT")
def test_settings_are_read_for_each_look_up_and_each_has_its_own_environment(place):
    config = place.folder / "lienthong.toml"
    before = config.read_text("utf-8")
    try:
        config.write_text(before + "\n[web]\nprot = 1\n", "utf-8")
        wrong = place.run("messages")
    finally:
        config.write_text(before, "utf-8")
    assert (wrong.returncode, b"lienthong.toml" in wrong.stderr) == (2, True)
    away = place.run("messages", LIENTHONG_DATABASE_URL="sqlite:///away.sqlite3")
    assert (away.returncode, b"SYS-03" in away.stderr) == (1, True), away.stderr
    assert place.run("messages").returncode == 0
    other = place.folder / "khac.toml"
    other.write_text(before, "utf-8")
    assert place.run("messages", "--config", "khac.toml").returncode == NOBODY  # of another node
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        asked = [sys.executable, "-c", ASKS.format(patience=PATIENCE_S), "messages"]
        env = {**ENVIRONMENT, "TMPDIR": str(place.sockets)}
        done = subprocess.run(
            asked, cwd=place.folder, env=env, stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False
        )
    assert (done.returncode, b"SYS-054" in done.stderr) == (1, True)


def test_who_differs_in_what_matters_does_it_itself(place):
    """Another program, another search path, limits, no output: nothing is said, and nobody has begun."""
    quiet = (NOBODY, b"", b"")
    alike = (
        place.run("messages", switches=["-bb"]),
        place.run("messages", PYTHONPATH=str(place.folder)),
        place.run("skip", "1", "--reason", "x"),
    )
    assert [(done.returncode, done.stdout, done.stderr) for done in alike] == [quiet] * 3
    command = "ulimit -f 100000; exec" + "".join(
        f" '{word}'" for word in (sys.executable, "-c", ASKS.format(patience=PATIENCE_S), "messages")
    )
    for shell in (command, f"{command.replace('ulimit -f 100000; ', '')} >&-"):
        asked = subprocess.run(
            ["sh", "-c", shell],
            cwd=place.folder,
            env={**ENVIRONMENT, "TMPDIR": str(place.sockets)},
            timeout=PATIENCE_S,
            check=False,
        )
        assert asked.returncode == NOBODY


def test_a_socket_without_a_living_listener_is_passed_over_and_a_silent_one_is_not_waited_for(place):
    (folder,) = place.sockets.glob("lienthong-look-*")
    first = folder / f"{quick.name_of(str(place.folder / 'lienthong.toml'))}0"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as stale:
        stale.bind(str(first))
        stale.listen()
        quiet = place.sockets / "quiet"
        (quiet / folder.name).mkdir(0o700, parents=True)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as silent:
            silent.bind(str(quiet / folder.name / first.name))
            silent.listen()
            assert place.run("messages", TMPDIR=str(quiet), patience=0.05).returncode == NOBODY
        assert place.run("messages", TMPDIR=str(quiet)).returncode == NOBODY
    assert place.run("messages").returncode == 0
    first.unlink()


def test_ctrl_c_and_the_death_of_who_asks_end_it(place):
    with place.stuck() as (asking, _):
        asking.send_signal(signal.SIGINT)  # most often before it has come to writing
        assert asking.wait(PATIENCE_S) == 130
    with place.stuck() as (asking, _):
        (child,) = place.children()
        assert eventually(lambda: stays(lambda: processes.state_of(int(child)) == "S", for_s=0.2))
        asking.send_signal(signal.SIGINT)  # while it writes: what it could not write may not hold it up at its end
        assert asking.wait(PATIENCE_S) == 130
    with place.stuck() as (asking, _):
        asking.kill()
        assert eventually(lambda: not place.children())
    with place.stuck() as (asking, _):
        (child,) = place.children()
        os.kill(int(child), signal.SIGTERM)
        assert asking.wait(PATIENCE_S) == -signal.SIGTERM


def test_the_death_of_the_one_that_answers_breaks_nothing(place):
    """What it has begun goes on to its end; who comes then does it himself; what is left of it is taken away by the next."""
    sockets = place.sockets / "own"
    sockets.mkdir()
    with answering(place.folder, sockets) as process:
        there = Place(place.folder, place.message, sockets, process)
        with there.stuck() as (asking, told):
            process.kill()
            process.wait()
            with os.fdopen(told, "rb", closefd=False) as pipe:
                rows = [json.loads(line) for line in pipe.read().splitlines() if line]
            assert asking.wait(PATIENCE_S) == 0
            assert place.message in {row["id"] for row in rows}
    assert there.run("messages").returncode == NOBODY
    (left,) = sockets.glob("*/*")
    with answering(place.folder, sockets) as process:
        assert eventually(lambda: [path for path in sockets.glob("*/*") if path != left])
        assert not left.exists()
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    assert list(sockets.glob("*")) == []


@pytest.mark.threat("T-RESIDENT")
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another account")
def test_another_account_is_neither_answered_nor_believed(place):
    """Though somebody opens folder and socket to all: both sides ask the system who the other one is."""
    (folder,) = place.sockets.glob("lienthong-look-*")
    (path,) = folder.iterdir()
    modes = [(each, each.stat().st_mode) for each in (place.sockets, folder, path)]
    for each, _ in modes:
        each.chmod(0o777)
    asked = subprocess.run(
        [sys.executable, "-c", STRANGER, str(path)], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    for each, mode in modes:
        each.chmod(mode)
    assert asked.stdout == "0 False\n", asked.stderr  # nothing was said, and who asked would not have believed it
    os.chown(folder, 65534, -1)
    try:
        assert place.run("messages").returncode == NOBODY
    finally:
        os.chown(folder, 0, -1)


def test_one_with_other_files_answers_only_what_the_settings_of_work_say(place):
    """As under systemd, where a unit has folders of its own."""
    # Not by a user namespace: the account would be another one there, and nobody answered for that reason. A container in CI
    # may lack the right, too, and nothing that could be installed gives it.
    apart = ["unshare", "--mount"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root with CAP_SYS_ADMIN can give a process files of its own (unshare --mount)")
    sockets = place.sockets / "apart"
    sockets.mkdir()
    with answering(place.folder, sockets, apart):
        asked = {"TMPDIR": str(sockets)}
        assert place.run("messages", **asked, LIENTHONG_JSON="1").returncode == 0
        assert place.run("messages", **asked, LIENTHONG_DATABASE_URL="sqlite:///away.sqlite3").returncode == NOBODY
