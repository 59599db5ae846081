"""A real node in a temporary folder: configuration, database, `serve` and `work` as processes, and the wires to them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pki
import served
from patience import PATIENCE_S, eventually

from gateway.cli import main
from gateway.cli.parties import read_all
from gateway.services import profiles
from gateway.settings import database_url, load
from gateway.store import Store, open_engine, upgrade

LIENTHONG = (sys.executable, "-m", "gateway")


@dataclass(frozen=True)
class Answer:
    """What the door said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port: int = door.getsockname()[1]
        return port


@dataclass
class Node:
    """One gateway. ``agency``: the address that so-tu-phap is pushed to."""

    folder: Path
    database: str = "sqlite:///node.sqlite3"
    agency: str = "http://127.0.0.1:9/"
    settings: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict
    )  # section -> key -> value, over the defaults
    profiles: Mapping[str, str] = field(default_factory=dict)  # party -> lines appended to its profile
    query: bool = False  # whether so-tu-phap can be asked about a message
    joins: bool = False  # a second node of a database that another one has prepared
    port: int = 0
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)  # serve, work

    def prepare(self) -> Node:
        """Write the configuration, make the database, put the parties into force."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        keys = self.folder / "keys"
        shutil.copytree(pki.KEYS, keys, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        for key in keys.glob("*.key.test.pem"):
            key.chmod(0o600)
        shutil.copytree(pki.PARTIES, self.folder / "parties")
        for path in (self.folder / "parties").glob("*.toml"):
            asked = f'", query_url = "{self.agency}' if self.query else ""
            text = path.read_text("utf-8").replace("http://127.0.0.1:8091/lienthong", self.agency + asked)
            text = text.replace("timeout_s = 10", "timeout_s = 2")  # so that leases may be short
            path.write_text(text + self.profiles.get(path.stem, ""), "utf-8")
        (self.folder / "lienthong.toml").write_text(self._toml(), "utf-8")
        if not self.joins:
            self._register()
        return self

    def _register(self) -> None:
        """What `db upgrade` and `parties apply` do, in this process: each command is a process of one or two seconds."""
        settings = load(self.folder / "lienthong.toml", {}).settings
        engine = open_engine(database_url(settings))
        upgrade(engine)
        texts = {party.id: profiles.to_text(party) for party in read_all(settings)}
        with Store(engine).begin() as tx:
            tx.apply_parties(texts, who="operator:test", reason="test", now=datetime.now(UTC))
        engine.dispose()

    def _toml(self) -> str:
        sections: dict[str, dict[str, Any]] = {
            "database": {"url": self.database},
            "key": {"file": "keys/gateway.key.test.pem", "certificate": "keys/gateway.cert.test.pem"},
            "web": {"port": self.port},
            "work": {"private_addresses": True, "poll_s": 0.05, "lease_s": 5},
            "parties": {"folder": "parties"},
            "log": {"level": "WARNING"},
        }
        for name, values in self.settings.items():
            sections.setdefault(name, {}).update(values)
        lines = [f"# {self.folder.name}"]
        for name, values in sections.items():
            lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
        for tree, names in pki.TREES.items():
            crls = [name for name in names if pki.maker.crl_path(name).exists()]
            lines += [
                "[[trust.trees]]",
                f'name = "{tree}"',
                f"files = {_toml([f'keys/{name}.cert.test.pem' for name in names])}",
                f"crls = {_toml([f'keys/{name}.crl.test.pem' for name in crls])}",
            ]
        rules = (pki.SAMPLES / "lienthong.toml").read_text("utf-8").partition("[rules]")[2].partition("\n[")[0]
        return "\n".join(lines) + (f"\n[rules]{rules}" if rules else "") + "\n"

    # --- the command line

    def run(
        self, *arguments: str, fine: Sequence[int] = (0,), stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """A command of this node, English; raises AssertionError with what it printed when its exit code is not fine."""
        done = subprocess.run(
            [*LIENTHONG, "--lang", "en", "--config", str(self.folder / "lienthong.toml"), *arguments],
            capture_output=True,
            input=stdin,
            timeout=PATIENCE_S,
            check=False,
            env=self._environment(),
            cwd=self.folder,
        )
        assert done.returncode in fine, (arguments, done.returncode, done.stdout.decode(), done.stderr.decode())
        return done

    def rows(self, *arguments: str, fine: Sequence[int] = (0,)) -> list[dict[str, Any]]:
        """What a command prints with --json; run in this process, since one of its own costs two seconds of CPU."""
        words = ["--json", "--lang", "en", "--config", str(self.folder / "lienthong.toml"), *arguments]
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()) as out:
            try:
                main(words)
            except SystemExit as end:
                assert end.code in fine, (arguments, end.code, out.getvalue())
        return [json.loads(line) for line in out.getvalue().splitlines()]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG_")}
        return kept | {"LC_ALL": "C.UTF-8"}

    # --- processes

    def serve(self, workers: int = 1) -> subprocess.Popen[bytes]:
        """`lienthong serve`, ready."""
        process = self.start("serve", "--workers", str(workers))

        def ready() -> bool:
            assert process.poll() is None, self.log("serve")
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.call("GET", "/readyz").status == 200
            return False

        assert eventually(ready), self.log("serve")
        return process

    def work(self) -> subprocess.Popen[bytes]:
        """`lienthong work`."""
        return self.start("work")

    def start(self, command: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A command that stays, as a process in a group of its own; nothing is waited for."""
        out = (self.folder / f"{command}.log").open("ab")
        process = subprocess.Popen(
            [*LIENTHONG, "--lang", "en", "--config", str(self.folder / "lienthong.toml"), command, *arguments],
            stdout=out,
            stderr=out,
            env=self._environment(),
            cwd=self.folder,
            start_new_session=True,  # so that its workers can be killed with it
        )
        out.close()
        self.running[command] = process
        return process

    def log(self, command: str) -> str:
        """What a process has printed."""
        path = self.folder / f"{command}.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def kill(self, command: str) -> None:
        """kill -9: the process with all its workers."""
        process = self.running.pop(command)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)

    def keep(self, *commands: str, workers: int = 1) -> None:
        """Have just these running: what is missing is started, the rest is killed."""
        for command in set(self.running) - set(commands):
            self.kill(command)
        for command in commands:
            if command not in self.running:
                self.serve(workers) if command == "serve" else self.work()

    def stop(self) -> None:
        """SIGTERM for all, then whatever it takes."""
        for process in self.running.values():
            process.terminate()
        for command, process in list(self.running.items()):
            try:
                process.wait(PATIENCE_S)
                del self.running[command]
            except subprocess.TimeoutExpired:
                self.kill(command)

    # --- the door

    def call(
        self,
        method: str,
        path: str,
        *,
        party: str | None = None,
        body: bytes | None = None,
        accept: str = "application/json",
        content_type: str = "application/xml",
    ) -> Answer:
        """One request over a connection of its own. The answer must be as described."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            headers = {"Accept": accept}
            if party is not None:
                headers["Authorization"] = f"Bearer {pki.token(party)}"
            if body is not None:
                headers["Content-Type"] = content_type
            wire.request(method, path, body=body, headers=headers)
            got = wire.getresponse()
            answer = Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
            served.check(method, path, got.status, got.headers, answer.body)
            return answer
        finally:
            wire.close()

    def post(self, body: bytes, party: str, *, accept: str = "application/json") -> Answer:
        """A message handed in by a party."""
        return self.call("POST", "/v1/messages", party=party, body=body, accept=accept)

    def soap(self, body: bytes, party: str) -> Answer:
        """The same over the SOAP door (1.2), as GuiThongDiep."""
        text = (
            '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>'
            '<GuiThongDiep xmlns="http://www.dongnai.gov.vn/lienthong/dichvu/1.0">'
            f"<NoiDung>{base64.b64encode(body).decode()}</NoiDung></GuiThongDiep></e:Body></e:Envelope>"
        )
        kind = "application/soap+xml; charset=utf-8"
        return self.call("POST", "/soap", party=party, body=text.encode(), accept=kind, content_type=kind)

    def inbox(self, party: str, after: int = 0) -> list[dict[str, Any]]:
        """All entries of a party's inbox after a position."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", f"/v1/inbox?after={after}&limit=100", party=party)
            assert page.status == 200, page.body
            entries = page.json.get("DanhSachMuc", [])
            if not entries:
                return found
            found += entries
            after = entries[-1]["ViTri"]


@contextlib.contextmanager
def node(folder: Path, **settings: Any) -> Iterator[Node]:
    """A prepared node whose processes end with the block."""
    made = Node(folder, **settings).prepare()
    try:
        yield made
    finally:
        made.stop()


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
