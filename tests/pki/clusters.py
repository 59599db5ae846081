"""Where PostgreSQL's programs are, and how a test starts one of them."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import processes
import psycopg
from nodes import free_port
from patience import PATIENCE_S, eventually


def reachable():
    """Where to put the cluster: as root it runs under another account, which must be able to walk there."""
    if os.geteuid() != 0:
        return None
    for place in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if all(folder.stat().st_mode & 0o001 for folder in (Path(place), *Path(place).parents)):
            return place
    return None


def postgres_binaries():
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    for folder in [*os.environ.get("PATH", "").split(os.pathsep), *map(str, versions)]:
        if folder and Path(folder, "initdb").exists() and Path(folder, "postgres").exists():
            return Path(folder)
    return None


def end_with_parent():
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG


SETTINGS = {
    "fsync": "off",  # what these tests kill is processes: what they had written, the system has
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "unix_socket_directories": "",
}


class MortalServer:
    """A PostgreSQL server that may be killed and started again at the same address, or destroyed with all it holds."""

    def __init__(self, folder):
        self.folder, self.data, self.port = folder, folder / "data", free_port()
        self.process = None
        self.account = {}
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:  # the server refuses to run as root
            account = pwd.getpwnam("postgres" if any(p.pw_name == "postgres" for p in pwd.getpwall()) else "nobody")
            os.chown(folder, account.pw_uid, account.pw_gid)
            self.account = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    @property
    def url(self):
        """The database of the node."""
        return f"postgresql://lienthong@127.0.0.1:{self.port}/lienthong"

    def initialise(self):
        """A new cluster, not started."""
        made = [
            postgres_binaries() / "initdb",
            "-D",
            self.data,
            "-U",
            "lienthong",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]
        subprocess.run(made, check=True, capture_output=True, cwd=self.folder, **self.account)

    def prepare(self):
        """A new cluster with an empty database, started."""
        self.initialise()
        self.start()
        self.ask("CREATE DATABASE lienthong", "postgres")

    def start(self):
        """The server, taking connections."""
        settings = SETTINGS | {"listen_addresses": "127.0.0.1", "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("ab") as out:
            self.process = subprocess.Popen(
                [postgres_binaries() / "postgres", "-D", self.data, *options],
                stdout=out, stderr=out, cwd=self.folder, preexec_fn=end_with_parent, **self.account,
            )  # fmt: skip
        if not eventually(self.answers) or self.process.poll() is not None:
            raise RuntimeError((self.folder / "server.log").read_text(errors="replace")[-2000:])

    def answers(self):
        """Whether it takes connections; also true when it has ended, so that nobody waits for it."""
        try:
            psycopg.connect(self.url.rpartition("/")[0] + "/postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            return self.process.poll() is not None
        return True

    def ask(self, sentence, database="lienthong"):
        """All rows of an answer."""
        with psycopg.connect(self.url.rpartition("/")[0] + f"/{database}", autocommit=True) as connection:
            cursor = connection.execute(sentence)
            return cursor.fetchall() if cursor.description else []

    def backends(self):
        """The processes that serve somebody's connection to the database of the node."""
        return [
            pid
            for pid in processes.children(self.process.pid)
            if b"postgres: lienthong lienthong" in processes.command_of(pid)
        ]

    def kill(self):
        """kill -9: the server and all its children at once."""
        for pid in (self.process.pid, *processes.children(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def destroy(self):
        """The disk is gone."""
        self.kill()
        shutil.rmtree(self.data)

    def stop(self):
        """A fast shutdown: connections are closed, nothing is waited for."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()
