"""`work` has a parent as `serve` has: what ends the process costs its own delivery, and the rest goes on."""

import asyncio
import contextlib
import hashlib
import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path

import children
import mail
import nodes
import processes
import pytest
from agency import agency
from patience import PATIENCE_S, eventually, stays
from test_crashes import HOLE

from gateway import opening, wiring
from gateway.core.model import Caller, Channel, DeliveryState, Envelope, Fate
from gateway.core.problems import Stopped
from gateway.services import intake
from gateway.settings import load
from gateway.web import keeper
from gateway.web.crashes import AnswerCrashes, Crashes

OPERATOR = "lt_op_0123456789abcdef"


def on_record(gate, message):
    """What the portal has sent, without the door."""
    now = datetime.now(UTC)
    envelope = Envelope.of(
        message,
        id=intake.new_message_id(now),
        caller=Caller(party="cong-dvc", by="token"),
        channel=Channel.REST,
        received_at=now,
    )
    (ack,) = intake.receive([envelope], gate, now)
    assert ack.fate is Fate.ACCEPTED, ack.problems
    return ack.message


@pytest.mark.hostile
def test_an_answer_that_ends_the_process_is_read_once_and_holds_its_own_lane(tmp_path, monkeypatch):
    (tmp_path / "hole").mkdir()
    (tmp_path / "hole" / "sitecustomize.py").write_text(HOLE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hole"))
    with agency() as there:
        node = nodes.Node(tmp_path / "node", agency=there.url, settings={"work": {"lease_s": 3}}).prepare()
        loaded = load(node.folder / "lienthong.toml", {})
        store = opening.open_store(loaded)
        gate = wiring.build(loaded.settings, store)
        bad, *good = [mail.nop(mail.ma_ho_so("so-tu-phap"), to="so-tu-phap") for _ in range(3)]
        ma = re.search(rb"MaThongDiep>([^<]+)<", bad).group(1).decode()
        there.say[ma] = b"<lo-hong/>"
        poisoned = on_record(gate, bad)
        fine = [on_record(gate, one) for one in good]

        def deliveries(message):
            with store.read() as view:
                return [(d.state, d.problem.code if d.problem else None) for d in view.deliveries(message=message)]

        try:
            process = node.work()
            assert eventually(lambda: deliveries(poisoned) == [(DeliveryState.REFUSED, "DLV-075")]), node.log("work")
            assert eventually(lambda: [deliveries(one) for one in fine] == [[(DeliveryState.DELIVERED, None)]] * 2)
            assert [name for name, _ in there.arrivals].count(ma) == 1  # it was never sent, nor read, again
            assert node.log("work").count("crashed while it read") == 1
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            node.stop()
            store.dispose()


def test_of_many_deliveries_under_way_the_one_whose_turn_it_is_is_named(tmp_path):
    """Between two steps of one the others run: only what runs when the process ends is in the file."""
    answers, named = AnswerCrashes(Crashes(tmp_path)), []

    async def talk(name, stop):
        for _ in range(3):
            (file,) = (tmp_path / "reading").iterdir()
            named.append((name, bytes(b for b in file.read_bytes() if b).decode()))
            await asyncio.sleep(0)
        if stop:
            raise ValueError(name)
        return name

    async def all_of_them():
        steps = [answers.steps(name, talk(name, stop=name == "c")) for name in "abc"]
        return await asyncio.gather(*(asyncio.ensure_future(_of(one)) for one in steps), return_exceptions=True)

    async def _of(one):
        return await one

    *results, error = asyncio.run(all_of_them())
    assert (results, str(error)) == (["a", "b"], "c")
    assert len(named) == 9
    assert all(mark == hashlib.sha256(name.encode()).hexdigest() for name, mark in named)
    (file,) = (tmp_path / "reading").iterdir()
    assert not any(file.read_bytes())


def test_a_step_that_is_cancelled_is_told_so_and_leaves_no_mark(tmp_path):
    answers, told = AnswerCrashes(Crashes(tmp_path)), []

    async def waits():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    async def cancelled():
        async def run():
            await answers.steps("x", waits())

        task = asyncio.ensure_future(run())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert asyncio.run(cancelled())
    assert told == ["cancelled"]


@pytest.mark.hostile
def test_a_runtime_folder_that_a_cleaner_took_is_made_anew_and_everything_goes_on(tmp_path, monkeypatch):
    """Figures are told, a worker that dies is replaced, a hang-up brings new settings."""
    temporary = Path(tempfile.mkdtemp(prefix="lt-"))  # a short name, for it will hold sockets
    monkeypatch.setenv("TMPDIR", str(temporary))
    settings = {
        "web": {"port": nodes.free_port()},
        "door": {"operator_tokens_sha256": [hashlib.sha256(OPERATOR.encode()).hexdigest()]},
    }
    node = nodes.Node(tmp_path / "node", settings=settings, port=settings["web"]["port"]).prepare()

    def figures():
        wire = http.client.HTTPConnection("127.0.0.1", node.port, timeout=PATIENCE_S)
        try:
            wire.request("GET", "/metrics", headers={"Authorization": f"Bearer {OPERATOR}"})
            return wire.getresponse().status
        finally:
            wire.close()

    try:
        process = node.serve(workers=1)
        (first,) = processes.workers(process.pid)
        assert figures() == 200
        for folder in temporary.iterdir():
            shutil.rmtree(folder)
        assert figures() == 200
        assert eventually(lambda: [*processes.workers(process.pid)] not in ([first], [])), node.log("serve")
        assert eventually(lambda: len(processes.workers(process.pid)) == 1 and figures() == 200)
        (second,) = processes.workers(process.pid)
        os.kill(second, signal.SIGKILL)
        assert eventually(lambda: second not in processes.workers(process.pid) and processes.workers(process.pid)), (
            node.log("serve")
        )
        assert eventually(lambda: _answers(node))
        assert process.poll() is None
    finally:
        node.stop()
        shutil.rmtree(temporary)


def _answers(node):
    try:
        return node.call("GET", "/readyz").status == 200
    except OSError:
        return False


@pytest.mark.hostile
def test_where_no_folder_for_temporary_files_can_be_written_the_nodes_own_is_taken(tmp_path, monkeypatch):
    """A container with a read-only root and no /tmp."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    made = keeper.runtime_folder(tmp_path)
    assert made.parent == tmp_path
    assert made.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert keeper.runtime_folder(tmp_path / "not there").parent == tmp_path
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    with pytest.raises(Stopped, match="SYS-038"):
        keeper.runtime_folder(tmp_path / "not there")


@pytest.mark.hostile
def test_a_worker_that_comes_up_late_ends_nobody(tmp_path):
    """It is begun again while the other one serves; the node is told ready once both are."""
    (tmp_path / "metrics").mkdir()
    patience = keeper.KeeperPatience(boot_s=PATIENCE_S, stall_s=PATIENCE_S, drain_s=PATIENCE_S)
    told = []

    def ready(said):
        told.append(said)
        os.kill(os.getpid(), signal.SIGTERM)

    made = keeper.Keeper(children.late, tmp_path, 2, patience, tmp_path, ready, name="worker", preload=())
    assert (made.run(), told) == (0, [""])
    assert (tmp_path / "b").exists()


@pytest.mark.hostile
def test_a_process_that_is_killed_before_any_has_come_up_is_begun_again(tmp_path):
    (tmp_path / "metrics").mkdir()
    patience = keeper.KeeperPatience(boot_s=PATIENCE_S, stall_s=PATIENCE_S, drain_s=PATIENCE_S)
    made = keeper.Keeper(
        children.killed_at_first,
        tmp_path,
        1,
        patience,
        tmp_path,
        lambda _: os.kill(os.getpid(), signal.SIGTERM),
        name="worker",
        preload=(),
    )
    assert made.run() == 0
    assert (tmp_path / "b").exists()


@pytest.mark.hostile
@pytest.mark.parametrize("gives_up", [True, False])
def test_where_none_comes_up_in_its_time_the_parent_says_so_and_ends(tmp_path, caplog, gives_up):
    (tmp_path / "metrics").mkdir()
    patience = keeper.KeeperPatience(boot_s=0.6, stall_s=PATIENCE_S, drain_s=PATIENCE_S)
    made = keeper.Keeper(
        children.killed, tmp_path, 1, patience, tmp_path, print, name="work process", preload=(), gives_up=gives_up
    )
    assert made.run() == 70
    assert re.search(
        r"no work process came up within 0 s \(web\.boot_s\); [1-9] began and ended; giving up", caplog.text
    )


PARENT = """
import pathlib, sys
import children
from gateway.web import keeper
folder = pathlib.Path(sys.argv[1])
patience = keeper.KeeperPatience(boot_s=300, stall_s=3, drain_s=300)
told = lambda _: print("ready", flush=True)
sys.exit(keeper.Keeper(children.steady, folder, 1, patience, folder, told, name="worker", preload=()).run())
"""


@pytest.mark.hostile
def test_a_node_that_was_paused_keeps_the_children_it_had(tmp_path):
    """All its processes, as a container is, for longer than a child may be silent; the parent comes back before its child."""
    keeper.made_anew(tmp_path)
    here = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=here, start_new_session=True, **streams) as parent:
        try:
            assert parent.stdout.readline() == b"ready\n"
            child = int((tmp_path / "child").read_text())
            os.killpg(parent.pid, signal.SIGSTOP)
            assert eventually(lambda: processes.state_of(child) == "T")
            assert stays(lambda: processes.state_of(child) == "T", for_s=4.0)
            os.kill(parent.pid, signal.SIGCONT)
            assert stays(lambda: processes.state_of(child) == "T")
            os.killpg(parent.pid, signal.SIGCONT)
            parent.terminate()
            assert (parent.wait(PATIENCE_S), parent.stderr.read()) == (0, b"")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)


def kept(folder, live, number, over, *, told=lambda: None, drain_s=PATIENCE_S, shared=None):
    """The exit status of a parent of so many of these children, which is told to stop once that is over."""
    shared = shared or folder
    keeper.made_anew(shared)
    patience = keeper.KeeperPatience(boot_s=PATIENCE_S, stall_s=PATIENCE_S, drain_s=drain_s)
    ended = threading.Event()

    def watch():
        eventually(lambda: ended.is_set() or over())
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    made = keeper.Keeper(live, folder, number, patience, shared, lambda _: told(), name="worker", preload=())
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        return made.run()
    finally:
        ended.set()
        watching.join()


def were(folder, what):
    """The children that were ready, or have left."""
    return [int(file.stem) for file in folder.glob(f"*.{what}")]


@pytest.mark.hostile
def test_where_one_works_the_parent_goes_on_though_all_others_cannot_begin(tmp_path, caplog):
    """Settings that are half saved, a database that a newer release has brought up to date."""

    def changed():
        (tmp_path / "changed").touch()
        os.kill(were(tmp_path, "ready")[0], signal.SIGKILL)

    status = kept(
        tmp_path, children.counted_until_changed, 2, lambda: "the next one comes in" in caplog.text, told=changed
    )
    assert status == 0, caplog.text
    assert caplog.text.count("SYS-037") == 4
    assert len(were(tmp_path, "left")) == 1, "the one that works, at the end"


@pytest.mark.hostile
def test_where_the_process_that_children_are_forked_from_dies_they_go_on_until_others_are_there(tmp_path, caplog):
    """It alone learns how they end; as many as five of them are no five deaths."""

    def orphaned():
        (server,) = processes.forkservers(os.getpid())
        os.kill(server, signal.SIGKILL)

    status = kept(tmp_path, children.counted, 5, lambda: len(were(tmp_path, "left")) == 5, told=orphaned)
    assert status == 0, caplog.text
    assert "ended (" not in caplog.text, "none of them died"
    noted = sorted(int(file.read_text()) for file in tmp_path.glob("*.left"))
    # Who leaves counts those who were ready by then: at least one more than had left before; another may be so already.
    assert all(ready >= number for number, ready in enumerate(noted[:5], 6)), noted
    assert all(processes.state_of(pid) in ("", "Z") for pid in were(tmp_path, "ready"))


@pytest.mark.hostile
def test_where_a_child_is_not_forked_because_that_process_dies_it_is_begun_from_the_beginning(tmp_path, caplog):
    main = threading.main_thread().ident

    def asked():
        frame, names = sys._current_frames()[main], set()
        while frame is not None:
            names.add(frame.f_code.co_name)
            frame = frame.f_back
        return {"read_signed", "_begun_in"} <= names

    def killed_when_asked():
        (server,) = processes.forkservers(os.getpid())
        os.kill(server, signal.SIGSTOP)
        threading.Thread(target=lambda: (eventually(asked), os.kill(server, signal.SIGKILL))).start()
        os.kill(os.getpid(), signal.SIGHUP)

    assert kept(tmp_path, children.counted, 1, lambda: were(tmp_path, "left"), told=killed_when_asked) == 0
    assert "is begun from the beginning, which takes longer: EOFError" in caplog.text
    assert len(were(tmp_path, "ready")) == 2


SPENT = """
import os, pathlib, resource, signal, sys, threading
import children
from gateway.web import keeper
folder = pathlib.Path(sys.argv[1])
patience = keeper.KeeperPatience(boot_s=300, stall_s=300, drain_s=300)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
def give_back():
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
def told(_):
    child = int((folder / "child").read_text())
    (folder / "child").unlink()
    threading.Timer(2.0, give_back).start()
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # no descriptor is to be had, whichever numbers are free
    os.kill(child, signal.SIGKILL)
    print("ready", flush=True)  # from now on a child that is there is another one
sys.exit(keeper.Keeper(children.steady, folder, 1, patience, folder, told, name="worker", preload=()).run())
"""


@pytest.mark.hostile
def test_where_none_can_be_begun_just_now_the_parent_tries_again(tmp_path):
    keeper.made_anew(tmp_path)
    here = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SPENT, str(tmp_path)]
    with subprocess.Popen(command, env=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as parent:
        try:
            assert parent.stdout.readline() == b"ready\n"
            assert eventually(lambda: (tmp_path / "child").exists() or parent.poll() is not None)
            parent.terminate()
            said = parent.stderr.read().decode()
            assert parent.wait(PATIENCE_S) == 0, said
            assert "no worker can be begun now" in said
        finally:
            parent.kill()


@pytest.mark.hostile
def test_a_parent_that_cannot_note_what_a_child_was_reading_goes_on(tmp_path, caplog):
    """As on a full disk."""
    (tmp_path / "crashed").mkdir()
    over = (tmp_path / "child").exists
    assert kept(tmp_path, children.crashes_at_first, 1, over, told=(tmp_path / "heard").touch) == 0
    assert "cannot be noted" in caplog.text


@pytest.mark.hostile
def test_a_runtime_folder_that_cannot_be_made_anew_is_told_of_once_and_all_go_on(tmp_path, caplog):
    place = tmp_path / "runtime"
    passes = []

    def taken_away():
        shutil.rmtree(place)
        place.touch()  # no folder can be made here, as on a disk that is full or may only be read

    def over():
        if "cannot be made anew" in caplog.text:
            passes.append(None)
        return len(passes) > 10  # a look every quarter of a second, by then

    assert kept(tmp_path, children.counted, 1, over, told=taken_away, shared=place) == 0
    assert caplog.text.count("cannot be made anew") == 1


@pytest.mark.hostile
def test_a_child_that_is_told_to_leave_and_does_not_is_killed(tmp_path, caplog):
    def gone():
        return processes.state_of(int((tmp_path / "deaf").read_text())) in ("", "Z")

    def renewed():
        os.kill(os.getpid(), signal.SIGHUP)

    status = kept(
        tmp_path,
        children.deaf_at_first,
        1,
        lambda: "does not end and is killed" in caplog.text and gone(),
        told=renewed,
        drain_s=0.1,
    )
    assert status == 0
    assert len(were(tmp_path, "left")) == 1
