"""Real processes: workers behind one port, replaced when they die or stall, renewed while requests go on."""

import base64
import hashlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import mail
import nodes
import processes
import pytest
from patience import PATIENCE_S, eventually

from gateway import wiring
from gateway.documents import parse_bytes
from gateway.services import profiles
from gateway.store import Store, open_engine
from gateway.web.serve import reserve
from signing.structure import read_signature

OPERATOR = "lt_op_0123456789abcdef"


ALL_UP = "Taking messages"  # what the parent says once every worker is ready

pytestmark = pytest.mark.together


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node whose two workers serve all tests of this file; the last tests bring them down."""
    settings = {
        "parties": {"folder": "parties", "reload_s": 0.2},
        "web": {"port": nodes.free_port(), "stall_s": 15, "drain_s": 10},
        "door": {"operator_tokens_sha256": [hashlib.sha256(OPERATOR.encode()).hexdigest()]},
    }
    made = nodes.Node(tmp_path_factory.mktemp("node"), settings=settings, port=settings["web"]["port"]).prepare()
    yield made
    made.stop()


@pytest.fixture
def serving(node):
    """The parent process, with both workers up."""
    if not any(p.poll() is None for p in _running(node)):
        told = node.log("serve").count(ALL_UP) if (node.folder / "serve.log").exists() else 0
        node.serve(workers=2)
        assert eventually(lambda: node.log("serve").count(ALL_UP) > told)
    process = next(p for p in _running(node) if p.poll() is None)
    assert eventually(lambda: len(workers_of(process)) == 2 and node.call("GET", "/readyz").status == 200)
    return process


@pytest.fixture
def changed(node):
    """Puts a changed profile into force: ``changed("so-xay-dung", rate_per_s=3.0)``; puts all back in the end."""
    store = Store(open_engine(f"sqlite:///{node.folder / 'node.sqlite3'}"))
    before = {party.id: party for party in wiring.registry_of(store)}
    touched = set()

    def change(name, **changes):
        touched.add(name)
        text = profiles.to_text(replace(before[name], **changes))
        with store.begin() as tx:
            tx.apply_parties({name: text}, who="operator:test", reason="test", now=datetime.now(UTC))

    yield change
    for name in touched:
        change(name)
    store.dispose()


def _running(node):
    return list(node.running.values())


def workers_of(process):
    return processes.workers(process.pid)


class Stream:
    """A party that keeps asking, each time on a connection of its own, and counts what it is told."""

    def __init__(self, node, party="so-xay-dung"):
        self._node, self._party = node, party
        self._ending = threading.Event()
        self.told = []
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._ending.is_set():
            try:
                self.told.append(self._node.call("GET", "/v1/inbox", party=self._party).status)
            except OSError as error:
                self.told.append(type(error).__name__)
            time.sleep(0.01)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join(PATIENCE_S)


def test_a_new_registry_is_in_force_within_moments_and_no_request_is_dropped(node, serving, changed):
    locked = "ubnd-xa-thu-nghiem"
    with Stream(node) as stream:
        assert node.call("GET", "/v1/inbox", party=locked).status == 200
        changed(locked, enabled=False, disabled_reason="test")
        assert eventually(lambda: node.call("GET", "/v1/inbox", party=locked).status == 403)
        # and by the other worker as well, which looks in its own time
        assert eventually(lambda: {node.call("GET", "/v1/inbox", party=locked).status for _ in range(10)} == {403})
        changed(locked)
        assert eventually(lambda: node.call("GET", "/v1/inbox", party=locked).status == 200)
        assert eventually(lambda: len(stream.told) > 20)  # how many fit into the change is the machine's affair
    assert set(stream.told) == {200}


def test_the_workers_of_a_node_share_one_rate(node, serving, changed):
    changed("don-vi-loi", rate_per_s=0.0001)
    assert eventually(lambda: node.call("GET", "/v1/inbox", party="don-vi-loi").status == 429)
    # One worker has let one through and used up the hours to come: the other one lets none through once it has looked.
    assert eventually(lambda: {node.call("GET", "/v1/inbox", party="don-vi-loi").status for _ in range(60)} == {429})


def test_figures_of_all_workers_are_scraped_from_any(node, serving):
    def figure():
        wire = http.client.HTTPConnection("127.0.0.1", node.port, timeout=PATIENCE_S)
        wire.request("GET", "/metrics", headers={"Authorization": f"Bearer {OPERATOR}"})
        text = wire.getresponse().read().decode()
        wire.close()
        line = next(x for x in text.splitlines() if 'http_requests_total{method="GET",route="/v1/dossiers' in x)
        return float(line.rsplit(" ", 1)[1])

    for _ in range(20):
        node.call("GET", "/v1/dossiers/H19.901-260115-0001", party="cong-dvc")
    assert {figure() for _ in range(6)} == {20.0}


def test_a_port_that_is_taken_is_a_sentence_and_not_a_second_gateway(node, serving):
    second = node.run("serve", fine=(1, 2, 3))
    assert b"Traceback" not in second.stderr
    assert str(node.port).encode() in second.stderr + second.stdout


def test_a_socket_that_is_only_reserved_takes_no_connection():
    with reserve("127.0.0.1", 0) as reserved, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", reserved.getsockname()[1]), timeout=PATIENCE_S)


def test_hangup_replaces_every_worker_and_the_key_while_the_port_stays_open(node, serving):
    message, old = mail.nop(), workers_of(serving)
    first = node.post(message, "cong-dvc")
    keys, config = node.folder / "keys", node.folder / "lienthong.toml"
    config.write_text(config.read_text("utf-8").replace("[key]", '[key]\nprevious = ["keys/cu.pem"]'), "utf-8")
    shutil.copy(keys / "gateway.cert.test.pem", keys / "cu.pem")
    for kind in ("key", "cert"):
        new = Path(shutil.copy(keys / f"gateway-rsa.{kind}.test.pem", keys / "moi"))
        new.chmod(0o600)
        new.replace(keys / f"gateway.{kind}.test.pem")
    with Stream(node) as stream:
        serving.send_signal(signal.SIGHUP)
        assert eventually(lambda: len(workers_of(serving)) == 2 and not set(old) & set(workers_of(serving)))
        assert eventually(lambda: node.call("GET", "/readyz").status == 200)
        assert eventually(lambda: stream.told.count(200) > 20)  # however few fit into the change
    assert "ConnectionRefusedError" not in stream.told
    assert serving.poll() is None
    assert receipt_of(node.post(message, "cong-dvc")) == receipt_of(first)  # by the old key, and still the first
    by = [
        read_signature(parse_bytes(receipt_of(one))).certificate_der
        for one in (first, node.post(mail.nop(), "cong-dvc"))
    ]
    assert by == [mail.pki.signer(name).der for name in ("gateway", "gateway-rsa")]


def receipt_of(answer):
    """The signed BienNhan in an answer of the door."""
    return base64.b64decode(answer.json["BienNhan"])


def test_a_worker_that_has_grown_too_large_is_replaced_without_a_gap(tmp_path):
    """libxml2 keeps every name it has read: without this, strange documents would fill the memory for good."""
    settings = {"web": {"port": nodes.free_port(), "growth_mb": 8}}
    small = nodes.Node(tmp_path, settings=settings, port=settings["web"]["port"]).prepare()
    try:
        process = small.serve(workers=1)
        (first,) = workers_of(process)
        with Stream(small) as stream:
            assert eventually(
                lambda: small.post(strange_names(), "cong-dvc").status == 422 and first not in workers_of(process)
            )
            assert small.post(mail.nop(), "cong-dvc").status == 201
        assert "ConnectionRefusedError" not in stream.told
    finally:
        small.stop()


def test_the_threads_of_a_worker_share_two_heaps(serving):
    """The C library gives each thread one of its own otherwise, and each keeps the most that it ever took."""
    told = [Path(f"/proc/{worker}/environ").read_bytes().split(b"\0") for worker in workers_of(serving)]
    assert [names.count(b"MALLOC_ARENA_MAX=2") for names in told] == [1, 1]


def strange_names():
    """A document with thousands of names that nobody has ever seen."""
    names = "".join(f"<n{secrets.token_hex(20)}/>" for _ in range(2900))
    return f"<ThongDiep>{names}</ThongDiep>".encode()


@pytest.mark.hostile
def test_a_worker_that_dies_or_stands_still_is_replaced(node, serving):
    first, second = workers_of(serving)
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: first not in workers_of(serving) and len(workers_of(serving)) == 2)
    os.kill(second, signal.SIGSTOP)
    assert eventually(lambda: second not in workers_of(serving) and len(workers_of(serving)) == 2)
    assert eventually(lambda: node.call("GET", "/readyz").status == 200)
    assert node.post(mail.nop(), "cong-dvc").status == 201
    assert serving.poll() is None


def test_what_was_taken_in_is_answered_and_the_processes_end_on_request(node, serving):
    assert [node.post(mail.nop(), "cong-dvc").status for _ in range(6)] == [201] * 6
    serving.terminate()
    assert serving.wait(PATIENCE_S) == 0
    assert "Traceback" not in node.log("serve")
    with pytest.raises(ConnectionRefusedError):
        node.call("GET", "/healthz")


def test_workers_do_not_outlive_their_parent(node, serving):
    orphans = workers_of(serving)
    serving.kill()
    serving.wait(PATIENCE_S)
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))


def test_workers_that_cannot_live_end_the_parent(node, tmp_path):
    """A worker that dies at once, again and again, is not restarted for ever."""
    script = tmp_path / "doomed.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from gateway.settings import load\n"
        "from gateway.web import serve\n"
        "if __name__ == '__main__':\n"
        f"    loaded = load(Path({str(node.folder / 'lienthong.toml')!r}), env={{}}, given={{'web.port': 0, 'web.boot_s': 4, 'database.wait_s': 1}})\n"
        "    given = {'web.port': 0, 'web.memory_mb': 128, 'web.boot_s': 4, 'database.wait_s': 1}\n"  # it has more when it begins
        "    sys.exit(serve.serve(loaded, given=given))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    assert done.returncode == 70
