"""A node from nothing, and the command line run in this process or as one of its own."""

import contextlib
import hashlib
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pki
import pytest
from patience import PATIENCE_S

sys.path += [str(Path(__file__).resolve().parents[1] / "web"), str(Path(__file__).resolve().parent)]
import mail

from gateway.cli import main
from gateway.core.model import Attempt, AttemptOutcome, Caller, Channel, DeliveryState, Envelope
from gateway.core.problems import Problem
from gateway.opening import open_store
from gateway.services.archiving import archive_files, make_archive
from gateway.services.intake import new_message_id, receive
from gateway.settings import load
from gateway.store.archives import Archives, month_of
from gateway.wiring import archive_keeper, build, file_desk, file_folder, file_rules

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("LIENTHONG_", "LC_", "LANG"))}
SAMPLES = pki.SAMPLES


@dataclass
class Result:
    """What a run printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self):
        """Standard output as JSON, one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Cli:
    """Runs commands as a person would, in this process: click, our error handling and exit codes included."""

    capsys: object
    monkeypatch: object
    folder: Path
    variables: dict = field(default_factory=dict)

    def __call__(self, *arguments, folder=None):
        self.monkeypatch.chdir(folder or self.folder)
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        out, err = self.capsys.readouterr()
        return Result(end.value.code, out, err)


@pytest.fixture
def cli(capsys, monkeypatch, tmp_path):
    """The command line in this process, in an empty folder, in Vietnamese."""
    for name in list(os.environ):
        if name.startswith(("LIENTHONG_", "LC_")) and not name.startswith("LIENTHONG_TEST"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LANG", "vi_VN.UTF-8")
    monkeypatch.setenv("COLUMNS", "100")  # xdist says 80 to its workers, and without it nothing is said
    before = logging.root.handlers[:]
    yield Cli(capsys, monkeypatch, tmp_path)
    for handler in set(logging.root.handlers) - set(before):  # `work` and `serve` write to the real standard error
        handler.close()
    logging.root.handlers[:] = before


def run(*arguments, folder=None, timeout=PATIENCE_S, stdin=b"", **variables):
    """Runs ``lienthong`` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *map(str, arguments)],
        cwd=folder,
        env={**ENVIRONMENT, "LANG": "vi_VN.UTF-8", **variables},
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="session")
def process():
    """Runs ``lienthong`` as a process of its own and gives its result."""
    return run


def done_here(*arguments, folder):
    """Runs a command that must go well in this process, where everything is loaded already; a start costs a second."""
    ours = {name: value for name, value in os.environ.items() if name.startswith(("LIENTHONG_", "LC_", "LANG"))}
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as there, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        for name in ours:
            there.delenv(name)
        there.setenv("LANG", "vi_VN.UTF-8")
        there.chdir(folder)
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
    assert end.value.code == 0, said.getvalue()


@pytest.fixture(scope="session")
def node_template(made_once):
    """A fresh node with its database, made once by the real commands."""

    def make(folder):
        done_here("init", "nut", "--port", "8399", folder=folder)
        done_here("db", "upgrade", folder=folder / "nut")

    return made_once("node", make) / "nut"


@pytest.fixture
def node(cli, tmp_path, node_template):
    """A fresh node with its database."""
    cli.folder = tmp_path / "nut"
    shutil.copytree(node_template, cli.folder)
    return cli.folder


@pytest.fixture(scope="session")
def office_template(made_once, node_template):
    """A node with the parties of the samples in force, by the real commands."""

    def make(place):
        folder = place / "nut"
        shutil.copytree(node_template, folder)
        shutil.copytree(SAMPLES / "keys", folder / "keys", dirs_exist_ok=True)
        shutil.copytree(SAMPLES / "parties", folder / "parties", dirs_exist_ok=True)
        trees = (SAMPLES / "lienthong.toml").read_text("utf-8")
        config = folder / "lienthong.toml"
        text = config.read_text("utf-8").replace("#window_past_days = 366", "window_past_days = 36500")
        config.write_text(text + "\n" + trees[trees.index("[[trust.trees]]") :], "utf-8")
        done_here("parties", "apply", "--yes", "--reason", "test", folder=folder)

    return made_once("office", make) / "nut"


@dataclass
class Office:
    """A node with the samples' parties, and its gate for laying messages in without a door."""

    folder: Path
    gate: object

    def receive(self, name, party=None, body=None, at=None):
        """A sample, or other bytes, as its sender sends it; gives the acknowledgement."""
        body = (SAMPLES / f"{name}.xml").read_bytes() if body is None else body
        at = at or datetime.now(UTC)
        caller = Caller(party=party or "cong-dvc", by="token")
        cover = {"id": new_message_id(at), "caller": caller, "channel": Channel.REST, "received_at": at}
        (ack,) = receive([Envelope.of(body, **cover)], self.gate, at)
        return ack

    @property
    def store(self):
        """Its database."""
        return self.gate.store

    def refused(self, code="DLV-031", answer=None):
        """What is due is tried once and refused; gives the delivery."""
        now = datetime.now(UTC)
        with self.store.begin() as tx:
            (delivery,) = tx.claim_due(tx.parties_due(now)[0], now, 1, 60.0)
        attempt = Attempt(
            delivery=delivery.id,
            number=1,
            kind="send",
            started_at=now,
            ended_at=now + timedelta(seconds=1),
            outcome=AttemptOutcome.REFUSED,
            receipt=answer,
            problem=Problem(code, {"codes": ["TTHC"]}),
        )
        with self.store.begin() as tx:
            assert tx.settle(delivery, attempt, DeliveryState.REFUSED)
        return delivery


@contextlib.contextmanager
def opened(folder):
    """The office of this folder, until it is closed."""
    loaded = load(folder / "lienthong.toml", {})
    gate = build(loaded.settings, open_store(loaded))
    try:
        yield Office(folder, replace(gate))
    finally:
        gate.store.dispose()


@pytest.fixture
def office(cli, tmp_path, office_template):
    """A node with the samples' parties in force; the command line stands in its folder."""
    cli.folder = shutil.copytree(office_template, tmp_path / "nut")
    with opened(cli.folder) as office:
        yield office


@pytest.fixture(scope="session")
def office_in():
    """Opens the office of a folder."""
    return opened


@dataclass
class Filed:
    """An office that keeps files and archives, with an accepted message of this month that names a file."""

    office: Office
    settings: object
    ack: object
    content: bytes
    ma_ho_so: str
    now: datetime

    @property
    def digest(self):
        """The file's."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def place(self):
        """Where it lies until its month is archived."""
        return self.office.folder / "tep" / self.digest[:2] / self.digest

    @property
    def archived(self):
        """Where it lies then."""
        return self.office.folder / "luu-tru" / f"{month_of(self.now)}.tep" / self.digest[:2] / self.digest

    def archive(self):
        """The month is over, as far as the archive is concerned; its record."""
        keeper = archive_keeper(self.settings, self.office.store)
        make_archive(keeper, month_of(self.now), self.now)
        return keeper, archive_files(keeper, file_folder(self.settings), month_of(self.now), self.now)


@pytest.fixture
def filed(office):
    """An office whose party has brought a file and sent a message that names it."""
    config = office.folder / "lienthong.toml"
    text = re.sub(r"(?m)^\[files\]$", '[files]\nfolder = "tep"', config.read_text("utf-8"))
    config.write_text(re.sub(r"(?m)^\[archive\]$", '[archive]\nfolder = "luu-tru"', text), "utf-8")
    settings, now = load(config, {}).settings, datetime.now(UTC)
    office.store.archives = Archives(settings.archive.folder)
    office.gate = replace(build(settings, office.store), files=file_rules(settings))
    content, party, desk = b"%PDF-1.7 ban ve", office.gate.parties.get("cong-dvc"), file_desk(settings, office.store)
    upload = desk.begin(party, len(content), None, now)
    with desk.part(upload.id) as part:
        desk.write(part, content)
        desk.finish(upload, part, party, now)
    code = mail.ma_ho_so()
    ack = office.receive(None, body=mail.nop(code, files=[mail.named(content)]))
    assert ack.fate == "accepted", ack
    return Filed(office, settings, ack, content, code, now)


@pytest.fixture
def strip():
    """Text without the colours of a terminal."""
    return lambda text: re.sub(r"\x1b\[[0-9;]*m", "", text)
