"""Two real servers in a synchronous pair, and a pooler before them: nothing that was acknowledged is lost, no connection is believed.

One pair serves the whole file; the tests follow its life, in this order.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import mail
import nodes
import psycopg
import pytest
from clusters import end_with_parent, postgres_binaries, reachable
from patience import PATIENCE_S, eventually

from gateway.store import Store, open_engine, upgrade

pytestmark = [pytest.mark.postgres, pytest.mark.hostile, pytest.mark.together]

SETTINGS = {
    "fsync": "off",  # a test does not survive a power cut anyway
    "full_page_writes": "off",
    "max_connections": "40",
    "shared_buffers": "16MB",
    "wal_sender_timeout": "2s",
    "wal_receiver_timeout": "2s",
    "wal_retrieve_retry_interval": "200ms",
}
"""What the servers of the pair are started with."""


class Server:
    """One server of the pair, as a process."""

    def __init__(self, binaries, folder, account):
        self.binaries, self.folder, self.account = binaries, folder, account
        self.data = folder / "data"
        self.port = nodes.free_port()
        self.process = None

    def start(self, **more):
        settings = SETTINGS | more | {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": ""}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as out:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.data, *options],
                stdout=out,
                stderr=out,
                cwd=self.folder,
                preexec_fn=end_with_parent,
                **self.account,
            )
        assert eventually(self.answers), (self.folder / "server.log").read_text()

    def answers(self):
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database):
        return f"postgresql://lienthong@127.0.0.1:{self.port}/{database}"

    def ask(self, sentence):
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(sentence)
            return cursor.fetchone() if cursor.description else None

    def kill(self):
        """As when the machine loses its power: the server and all its children at once."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in (self.process.pid, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def run(self, program, *arguments):
        subprocess.run([self.binaries / program, *arguments], check=True, capture_output=True, **self.account)


class Pair:
    """A primary, its synchronous standby, and PgBouncer in transaction mode, which is told where the primary is."""

    def __init__(self, folder):
        binaries = Path(postgres_binaries(), "initdb").resolve().parent  # where all the programs are
        self.account, owner = {}, None
        if os.geteuid() == 0:
            import pwd

            owner = pwd.getpwnam("postgres")
            self.account = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self.folders = [folder / name for name in ("one", "two", "pooler")]
        for one in (folder, *self.folders):
            one.mkdir(exist_ok=True)
            if owner is not None:
                os.chown(one, owner.pw_uid, owner.pw_gid)
        self.first, self.second = (Server(binaries, one, self.account) for one in self.folders[:2])
        self.pooler, self.pooler_port = None, nodes.free_port()

    def prepare(self):
        same = ["-U", "lienthong", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        self.first.run("initdb", "-D", self.first.data, *same)
        self.first.start()
        self.first.run(
            "pg_basebackup", "-d", f"{self.first.url('postgres')}?application_name=two", "-D", self.second.data,
            "-R", "-c", "fast", "--no-sync",
        )  # fmt: skip
        self.second.start(hot_standby="on")
        self.first.ask("CREATE DATABASE lienthong")
        self.first.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.first.ask("SELECT pg_reload_conf()")

    @property
    def url(self):
        """Both addresses; whoever takes writes is meant."""
        hosts = "&".join(f"host=127.0.0.1:{server.port}" for server in (self.first, self.second))
        return f"postgresql://lienthong@/lienthong?{hosts}&target_session_attrs=read-write"

    @property
    def pooled(self):
        return f"postgresql://lienthong@127.0.0.1:{self.pooler_port}/lienthong"

    def pool_to(self, server):
        """PgBouncer leads to this server from now on."""
        folder = self.folders[2]
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\nlienthong = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.pooler_port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\n"
            f"default_pool_size = 2\nmax_client_conn = 100\nadmin_users = lienthong\nserver_login_retry = 1\n"
        )
        (folder / "users").write_text('"lienthong" ""\n')
        for file in ("pgbouncer.ini", "users"):
            (folder / file).chmod(0o644)
        if self.pooler is None:
            program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
            with (folder / "log").open("wb") as out:
                self.pooler = subprocess.Popen(
                    [program, folder / "pgbouncer.ini"], stdout=out, stderr=out,
                    preexec_fn=end_with_parent, **self.account,
                )  # fmt: skip
            assert eventually(self._pools), (folder / "log").read_text()
            return
        self.pooler.send_signal(signal.SIGHUP)

    def _pools(self):
        try:
            psycopg.connect(self.pooled, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def close(self):
        for process in (self.first.process, self.second.process, self.pooler):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGINT if process is not self.pooler else signal.SIGKILL)
        for process in (self.first.process, self.second.process, self.pooler):
            if process is not None:
                try:
                    process.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@pytest.fixture(scope="module")
def pair():
    missing = [name for name, there in (
        ("PostgreSQL", postgres_binaries()),
        ("pgbouncer", shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")),
    ) if not there]  # fmt: skip
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="lt-pair-", dir=reachable()) as folder:
        made = Pair(Path(folder))
        try:
            made.prepare()
            engine = open_engine(made.url)
            upgrade(engine)
            engine.dispose()
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def acknowledged():
    """What was answered with 201 so far: bytes, and the receipt."""
    return {}


@pytest.fixture
def door_over(bare_gate, open_door):
    """A door over the database at an address."""
    engines, standing = [], []

    def opened(url):
        engines.append(open_engine(url, busy_timeout_s=1.0, write_s=2.0, read_s=2.0))
        door = open_door()
        standing.append(door)
        door.app.door.take_over(replace(bare_gate, store=Store(engines[-1])))
        return door

    yield opened
    for door in standing:
        door.stop()
    for engine in engines:
        engine.dispose()


def send(door, acknowledged, message=None):
    message = message or mail.nop()
    answer = door.send(message, "cong-dvc")
    if answer.status == 201:
        acknowledged[message] = answer.json["SoTiepNhan"]
    return answer.status


def recording(door):
    answer = door.get("/readyz")
    (probe,) = [probe for probe in answer.json["probes"] if probe["name"] == "recording"]
    return answer.status, probe.get("why")


def test_through_a_pooler_in_transaction_mode_every_message_is_taken(pair, door_over, acknowledged):
    """Two server sessions for all: what a session was told, and a statement prepared in it, is another client's the next time."""
    pair.pool_to(pair.first)
    door, other = door_over(pair.pooled), psycopg.connect(pair.pooled, autocommit=True)
    with other, ThreadPoolExecutor(8) as senders:
        for number in range(8):  # another client of the pooler, whose statements have the names that psycopg gives
            other.execute("SELECT %s::int", (number,), prepare=False)
        assert set(senders.map(lambda _: send(door, acknowledged), range(24))) == {201}
        assert {answer.status for answer in senders.map(lambda _: door.get("/v1/inbox", "so-tu-phap"), range(16))} <= {
            200
        }
        assert recording(door) == (200, None)


def test_a_pooler_that_leads_to_a_standby_gets_nothing_and_the_right_one_soon_after(pair, door_over, acknowledged):
    pair.pool_to(pair.first)
    door = door_over(pair.pooled)
    assert send(door, acknowledged) == 201
    pair.pool_to(pair.second)
    assert eventually(lambda: send(door, acknowledged) == 503)
    assert recording(door) == (503, "read-only")
    pair.pool_to(pair.first)
    assert eventually(lambda: send(door, acknowledged) == 201)
    assert eventually(lambda: recording(door) == (200, None))


def test_while_the_synchronous_standby_is_away_nobody_is_told_201_and_readiness_says_why(pair, door_over, acknowledged):
    door, message = door_over(pair.url), mail.nop()
    assert send(door, acknowledged) == 201
    pair.second.kill()
    assert send(door, acknowledged, message) == 503
    assert recording(door) == (503, "standby")
    assert door.get("/healthz").status == 200
    assert door.get("/v1/inbox", "cong-dvc").status == 200
    (pair.second.data / "postmaster.pid").unlink()
    pair.second.start(hot_standby="on")
    assert eventually(lambda: recording(door) == (200, None))
    again = door.send(message, "cong-dvc")
    assert again.status in (200, 201)  # the first one came through when the standby was back, or was given up
    assert send(door, acknowledged) == 201


def test_after_a_fail_over_the_next_message_is_taken_by_the_other_server_and_nothing_is_lost(
    pair, door_over, acknowledged
):
    door = door_over(pair.url)
    for _ in range(5):
        assert send(door, acknowledged) == 201
    pair.first.kill()
    pair.second.ask("ALTER SYSTEM SET synchronous_standby_names = ''")
    assert pair.second.ask("SELECT pg_promote()") == (True,)
    assert eventually(lambda: send(door, acknowledged) == 201)
    assert eventually(lambda: recording(door) == (200, None))
    with door.app.door.gate.store.read() as view:
        on_record = {message.id for message in view.messages(limit=1000)}
    assert len(acknowledged) > 30
    assert set(acknowledged.values()) <= on_record
    message, receipt = next(iter(acknowledged.items()))
    again = door.send(message, "cong-dvc")
    assert (again.status, again.json["SoTiepNhan"]) == (200, receipt)
