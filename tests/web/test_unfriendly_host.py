"""A host that is not ours alone: few descriptors, nobody who reads stderr, a terminal without Vietnamese, a clock that jumps.

One node meets all of it at once; each test looks at one thing.
"""

import contextlib
import fcntl
import hashlib
import http.client
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import mail
import nodes
import processes
import pytest
from agency import agency
from patience import PATIENCE_S, eventually

from gateway.web.descriptors import connections_at_most

pytestmark = [pytest.mark.hostile, pytest.mark.together]

OPERATOR = "lt_op_0123456789abcdef"
DESCRIPTORS, STRANGERS, PIPE = 1024, 1150, 4096
# A machine's clock that the test sets: libfaketime cannot set one of a machine's clocks and leave the other alone.
# What the kernel says of its time service (adjtimex) cannot be set at all.
CLOCK = """
import ctypes, os, time
_right = time.time
def _set():
    with open(os.environ["LT_TEST_CLOCK"]) as file:
        return _right() + float(file.read())
class _Library(ctypes.CDLL):
    def adjtimex(self, answer):
        return 0 if os.path.exists(os.environ["LT_TEST_CLOCK"] + ".kept") else 5
time.time, ctypes.CDLL = _set, _Library
"""


class Surroundings:
    """A node in them: `serve` with one worker."""

    def __init__(self, folder, agency):
        settings = {
            "door": {"operator_tokens_sha256": [hashlib.sha256(OPERATOR.encode()).hexdigest()], "access_log": True},
            "log": {"level": "INFO"},
            "work": {"first_s": 0.05, "private_addresses": True, "poll_s": 0.05, "lease_s": 5},
        }
        self.node = nodes.Node(folder / "node", agency=agency.url, settings=settings).prepare()
        self.agency, self.pipes = agency, []
        self.clock = folder / "clock"
        self.set_clock(0)
        self.said = (folder / "said").open("w+b")
        self.runtime = Path(tempfile.mkdtemp(prefix="lt-"))  # a short name, for it will hold sockets
        (folder / "sitecustomize.py").write_text(CLOCK)
        self.environment = os.environ | {
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONIOENCODING": "latin-1",
            "LT_TEST_CLOCK": str(self.clock),
            "RUNTIME_DIRECTORY": str(self.runtime),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))),
        }
        self.process, self.unread = self.begin("serve", "--workers", "1", said=self.said)

    def begin(self, command, *words, said=subprocess.DEVNULL, full=b""):
        """A process whose standard error is a small pipe that nobody reads, and that end of it. ``full``: what stands in it."""
        unread, theirs = os.pipe()
        self.pipes.append(unread)
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, PIPE)
        os.write(theirs, full)
        process = subprocess.Popen(
            [*nodes.LIENTHONG, "--lang", "vi", "--config", "lienthong.toml", command, *words],
            cwd=self.node.folder,
            stdout=said,
            stderr=theirs,
            env=self.environment,
            start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, DESCRIPTORS)),
        )
        os.close(theirs)
        self.node.running[command] = process
        return process, unread

    def set_clock(self, seconds):
        """By so many seconds from the right time; whoever looks sees the old time or the new one."""
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self.clock)

    def ready(self):
        assert self.process.poll() is None
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = self.node.call("GET", "/readyz")
            return answer.status == 200 or answer.json["failing"]
        return None

    def figures(self):
        wire = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=PATIENCE_S)
        with contextlib.closing(wire):
            wire.request("GET", "/metrics", headers={"Authorization": f"Bearer {OPERATOR}"})
            return wire.getresponse().read().decode()

    def read_stderr(self, of=None):
        """What stands in a pipe now, that of `serve` where none is named."""
        pipe = of or self.unread
        os.set_blocking(pipe, False)
        read = b""
        with contextlib.suppress(BlockingIOError):
            while came := os.read(pipe, 65536):
                read += came
        return read.decode("latin-1")

    def end(self):
        self.node.stop()
        for pipe in self.pipes:
            os.close(pipe)
        self.said.close()
        shutil.rmtree(self.runtime)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with agency() as there:
        here = Surroundings(tmp_path_factory.mktemp("unfriendly"), there)
        try:
            assert eventually(lambda: here.ready() is True), here.read_stderr()
            yield here
        finally:
            here.end()


def test_a_terminal_without_vietnamese_is_told_in_the_letters_it_has(host):
    assert eventually(lambda: host.said.seek(0) == 0 and b"\n" in host.said.read())
    host.said.seek(0)
    assert host.said.read().decode("ascii").startswith("Dang tiep nhan tai http://127.0.0.1:")


def test_the_log_waits_for_nobody_and_goes_on_where_somebody_reads_again(host):
    """The pipe holds some twenty lines; a loop that waited for its reader would stop there."""
    for _ in range(100):
        assert host.node.call("GET", "/healthz").status == 200
    first = host.read_stderr()
    assert "open: 696 connections instead of 2000" in first  # 1,024 less what the process needs itself
    assert eventually(lambda: "event=answered" in host.read_stderr())


def test_silent_strangers_make_room_for_whoever_has_something_to_say(host):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    with contextlib.ExitStack() as open_:
        for _ in range(STRANGERS):
            open_.enter_context(socket.create_connection(("127.0.0.1", host.node.port)))
        for _ in range(3):
            assert host.node.post(mail.nop(), "cong-dvc").status == 201
        closed = re.search(r'connections_closed_total\{why="room"\} (\d+)', host.figures())
        assert closed is not None
        assert int(closed[1]) >= STRANGERS - connections_at_most(2000, DESCRIPTORS)
        assert host.process.poll() is None


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_by_a_day_gets_messages_sent_again_and_none_refused(host, days):
    letter = mail.nop()
    host.set_clock(days * 86_400)
    assert eventually(lambda: host.ready() == "clock")
    answer = host.node.post(letter, "cong-dvc")
    assert (answer.status, [row["code"] for row in answer.json["problems"]]) == (503, ["SYS-078"])
    assert int(answer.headers["retry-after"]) > 0
    assert "lienthong_clock_in_doubt 1.0" in host.figures()
    host.set_clock(0)
    assert eventually(lambda: host.ready() is True)
    assert host.node.post(letter, "cong-dvc").status == 201


def test_a_paused_machine_is_believed_again_by_its_time_service_and_against_the_log_by_a_person(host):
    """Its clock is set on after it has counted nothing; then back, behind what the log has got meanwhile."""
    first, second = mail.nop(), mail.nop()
    host.set_clock(600)
    assert eventually(lambda: host.ready() == "clock")
    assert host.node.post(first, "cong-dvc").status == 503
    kept = host.clock.with_name(f"{host.clock.name}.kept")
    kept.touch()
    assert eventually(lambda: host.ready() is True)
    assert host.node.post(first, "cong-dvc").status == 201
    host.set_clock(0)
    assert eventually(lambda: host.ready() == "clock")
    assert host.node.post(second, "cong-dvc").status == 503
    kept.unlink()
    host.node.rows("log", "clock", "--yes", "--reason", "NTP")
    assert eventually(lambda: host.ready() is True)
    assert host.node.post(second, "cong-dvc").status == 201


def test_a_worker_that_is_replaced_goes_by_the_time_that_its_node_has_followed(host):
    """In steps of 40 s, as time servers make them: the second is more than a minute from what the node began with."""
    (kept,) = host.runtime.glob("*/clock")

    def step_to(seconds):
        before = kept.read_text()
        host.set_clock(seconds)
        assert eventually(lambda: kept.read_text() != before)

    step_to(40)
    step_to(80)
    (old,) = processes.workers(host.process.pid)
    os.kill(old, signal.SIGKILL)
    assert eventually(lambda: processes.workers(host.process.pid) not in ([old], []) and host.ready() is True)
    assert host.node.post(mail.nop(), "cong-dvc").status == 201
    step_to(40)
    step_to(0)


def test_a_retry_that_waits_keeps_its_pace_whatever_the_clock_does_and_a_full_stderr_holds_up_no_delivery(host):
    """`work`, before an agency that answers 503; nobody reads a word of what it says of that."""
    host.agency.status = 503
    work, unread = host.begin("work", full=b"x" * PIPE)
    tries = host.agency.arrivals

    def comes_again():
        """One that was under way already, and one more."""
        before = len(tries)
        return eventually(lambda: len(tries) >= before + 2 or work.poll() is not None)

    assert host.node.post(mail.nop(to="so-tu-phap"), "cong-dvc").status == 201
    for days in (0, -1, 1):
        host.set_clock(days * 86_400)
        assert comes_again()
        assert work.poll() is None
    host.set_clock(0)
    host.agency.status = 200
    assert eventually(lambda: host.agency.taken)
    assert host.read_stderr(unread).startswith("x" * PIPE), "something had waited for a reader"
    assert eventually(lambda: "event=" in host.read_stderr(unread))
    work.terminate()
    assert work.wait(PATIENCE_S) == 0
    del host.node.running["work"]
    assert eventually(lambda: host.ready() is True)


def test_a_process_never_gives_away_what_it_needs_itself():
    assert [connections_at_most(2000, files) for files in (65536, 1024, 300, 10)] == [2000, 696, 150, 5]
    assert connections_at_most(10, 1024) == 10


def test_doctor_says_how_many_connections_the_host_allows(host, monkeypatch):
    monkeypatch.setenv("LIENTHONG_DOOR_CONNECTIONS", "5000000")
    rows = host.node.rows("doctor", fine=(0, 1))
    (found,) = [row for row in rows if "connections of each process" in row.get("check", "")]
    assert [problem["code"] for problem in found["problems"]] == ["SYS-077"]
    files, most = map(int, re.findall(r": (\d+)", found["check"]))
    assert most == connections_at_most(5_000_000, files)
