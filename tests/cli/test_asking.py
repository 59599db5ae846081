"""Every act that changes what others rely on asks a person first, or was agreed to by --yes."""

import contextlib
import os
import pty
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from patience import PATIENCE_S

from gateway.cli import lienthong
from gateway.cli.command import Group
from gateway.cli.run import batch_acts
from gateway.core.batches import BatchKind
from gateway.core.operators import OperatorRole
from gateway.core.orders import PartyOrder
from gateway.services.batches import carry_on_batches, pause_batch, replay_steps, start_batch
from gateway.services.operators import add_operator
from gateway.services.profiles import order_party

HS01, BAD = "accepted/HS01-nop-ho-so-toi-thieu", "rejected/SIG-001-sua-noi-dung"

#: Each act, as it is called on the office below. A new command stands here, or among those that change nothing for others.
ACTS = {
    "replay": ["--state", "refused"],
    "skip": ["{delivery}"],
    "parties apply": [],
    "parties pause": ["so-tu-phap"],
    "parties resume": ["so-tu-phap"],
    "parties lock": ["so-xay-dung"],
    "parties unlock": ["ubnd-xa-thu-nghiem"],
    "erase": ["--rejected-before", "2999-01-01"],
    "restore": ["{backup}", "--config", "{empty}"],
    "db copy": ["sqlite:///{folder}/copy.sqlite3"],
    "archive make": ["--before", "2026-02"],
    "catalogue import": ["CoQuan", "{catalogue}", "--version", "1"],
    "dossier release": ["{ma_ho_so}"],
    "log clock": [],
    "alerts ack": ["{alert}"],
    "operator add": ["minh", "--role", "viewer", "--by-proxy"],
    "operator password": ["lan", "--generate"],
    "dossier reproject": ["{ma_ho_so}"],
    "operator roles": ["lan", "--role", "viewer"],
    "operator disable": ["lan"],
    "operator enable": ["lan"],
    "batch pause": ["{running}"],
    "batch resume": ["{paused}"],
    "batch cancel": ["{running}"],
    "batch approve": ["{waiting}"],
    "batch again": ["{failed}"],
    "reconcile": [
        *("--party", "so-tu-phap", "--from", "2026-01-01", "--file", "{export}", "--columns", "{columns}", "--repair"),
    ],
}

#: They look, they write files of whoever runs them, they run a node or make its tables, or they do what `work` does by itself.
NO_ACTS = [
    *(
        "demo",
        "sandbox",
        "conformance",
        "init",
        "serve",
        "console",
        "work",
        "check",
        "sample",
        "sign",
        "verify",
        "doctor",
        "backup",
    ),
    *(
        "messages",
        "show",
        "evidence",
        "dossier show",
        "inbox",
        "lanes",
        "deadlines",
        "drift",
        "lint",
        "alerts list",
        "report",
    ),
    *(
        "catalogue show",
        "catalogue check",
        "declarations list",
        "declarations check",
        "log show",
        "log verify",
        "log export",
        "db upgrade",
    ),
    *("batches", "batch show"),
    *("notify list", "notify test", "top"),
    *("trust forecast", "trust show", "trust refresh", "key new"),
    "operator list",
    *("archive verify", "archive list", "archive get", "archive search"),
    *("parties add", "parties check", "parties list", "parties try", "parties versions"),
]


def commands(group=lienthong, path=()):
    for name, entry in group.entries.items():
        module, _, attribute = entry.place.partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def test_every_command_is_an_act_that_asks_or_is_known_to_change_nothing_for_others():
    found = dict(commands())
    assert sorted(found) == sorted([*ACTS, *NO_ACTS])
    assert {name for name, command in found.items() if any(p.name == "yes" for p in command.params)} == set(ACTS)


@pytest.fixture(scope="module")
def furnished(office_template, office_in, process, tmp_path_factory):
    """An office where each act has something to do, and what its arguments are made of. Most tests change nothing in it."""
    folder = tmp_path_factory.mktemp("acts") / "nut"
    with office_in(shutil.copytree(office_template, folder)) as office:
        config = folder / "lienthong.toml"
        config.write_text(config.read_text("utf-8").replace("[archive]\n", '[archive]\nfolder = "luu-tru"\n'), "utf-8")
        office.receive(HS01, at=datetime(2026, 1, 15, 2, tzinfo=UTC))
        delivery = office.refused()
        numbers = standing_batches(office, delivery.id)
        office.receive(BAD)
        who = {"who": "operator:test", "reason": "thử", "now": datetime.now(UTC)}
        add_operator(office.store, "lan", [OperatorRole.OPERATOR], None, **who)
        with office.store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE dossier SET trang_thai = 9")  # as its events do not say
        order_party(office.store, "ubnd-xa-thu-nghiem", PartyOrder.LOCK, **who)
    (folder / "co-quan.csv").write_text("Ma,Ten,BiDanh\nH19.901,Sở Tư pháp,000.99.01.H19\n", "utf-8")
    profile = folder / "parties" / "so-tu-phap.toml"
    profile.write_text(profile.read_text("utf-8") + '\nenabled = false\ndisabled_reason = "thử"\n', "utf-8")
    (folder / "xuat.csv").write_text("Ma\n", "utf-8")  # the party lists nothing of what is on record
    (folder / "cot.toml").write_text('[columns]\nMaHoSo = "Ma"\n', "utf-8")
    (folder / "empty.toml").write_text(config.read_text("utf-8").replace("lienthong.sqlite3", "empty.sqlite3"), "utf-8")
    (alert, *_) = process("alerts", "--json", folder=folder).rows
    made = process("backup", "all.lienthong.zip", folder=folder)
    assert made.code == 0, made.err
    return folder, {
        **numbers,
        "alert": alert["id"],
        "export": "xuat.csv",
        "columns": "cot.toml",
        "delivery": delivery.id,
        "catalogue": "co-quan.csv",
        "ma_ho_so": "H19.901-260115-0001",
        "folder": ".",
        "backup": "all.lienthong.zip",
        "empty": "empty.toml",
    }


@pytest.fixture
def acts(furnished):
    """The arguments of an act."""
    _, facts = furnished
    return lambda name: [*name.split(), *(word.format(**facts) for word in ACTS[name])]


@pytest.fixture
def quiet(cli, office_in, furnished):
    """The office that all tests share in which nothing may happen; the command line stands in its folder."""
    cli.folder, _ = furnished
    with office_in(cli.folder) as office:
        yield office


@pytest.fixture
def stage(request, act):
    """Where an act is refused. Before one that resumes somebody is paused, in a copy."""
    return request.getfixturevalue("own" if act == "parties resume" else "quiet")


@pytest.fixture
def own(cli, office_in, furnished, tmp_path):
    """A copy of it, for an act that is done."""
    cli.folder = shutil.copytree(furnished[0], tmp_path / "nut")
    with office_in(cli.folder) as office:
        yield office


def standing_batches(office, name):
    """Batches of one delivery that failed, are paused, run, and wait for another person; their numbers."""

    def begun(**more):
        with office.store.read() as view:
            steps = replay_steps([view.delivery(name)])
        who = {"who": "operator:binh", "reason": "thử", "now": datetime.now(UTC)}
        return start_batch(office.store, BatchKind.REPLAY, steps, **who, **more).number

    def carried_on(**later):
        carry_on_batches(office.store, batch_acts(office.gate), lambda: datetime.now(UTC) + timedelta(**later))

    failed = begun()
    carried_on()
    office.refused()
    carried_on(minutes=1)
    paused = begun()
    pause_batch(office.store, paused, who="operator:binh", reason="thử", now=datetime.now(UTC))
    return {"failed": failed, "paused": paused, "running": begun(), "waiting": begun(approve_above=0)}


def head(office, act):
    """The log's head before an act that can be done: who is to be resumed is paused."""
    if act == "parties resume":
        who = {"who": "operator:test", "reason": "thử", "now": datetime.now(UTC)}
        order_party(office.store, "so-tu-phap", PartyOrder.PAUSE, **who)
    return log_head(office)


def log_head(office):
    with office.store.read() as view:
        return view.log_head()


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_without_a_person_and_without_yes_nothing_is_done(cli, stage, acts, act, form):
    before = head(stage, act)
    result = cli(*acts(act), "--reason", "thử", *form)
    assert (result.code, "SYS-080" in result.err) == (1, True), result.err
    assert log_head(stage) == before


def test_a_yes_from_a_pipe_is_no_person(process, quiet, acts):
    before = log_head(quiet)
    result = process(*acts("replay"), "--reason", "thử", folder=quiet.folder, stdin=b"y\n")
    assert (result.code, "SYS-080" in result.err) == (1, True), result.err
    assert log_head(quiet) == before


@pytest.fixture
def terminal(cli, monkeypatch):
    """Runs a command at a real terminal, where somebody types an answer; gives its exit code and what the terminal showed."""

    def typed(answer, *arguments):
        ours, its = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        with (
            ThreadPoolExecutor(1) as reader,
            open(its, closefd=False) as stdin,
            open(its, "w", buffering=1, closefd=False) as stderr,
            monkeypatch.context() as there,
        ):
            said = reader.submit(_all, ours)
            there.setattr(sys, "stdin", stdin)
            there.setattr(sys, "stderr", stderr)
            try:
                code = cli("--lang", "vi", *arguments).code
            finally:
                os.close(its)
        return code, said.result(PATIENCE_S)

    return typed


def _all(terminal):
    """What a terminal shows until nobody has it open any more."""
    said = b""
    with contextlib.suppress(OSError):  # how Linux says that
        while piece := os.read(terminal, 65536):
            said += piece
    os.close(terminal)
    return said.decode()


@pytest.mark.parametrize("act", ACTS)
def test_a_person_is_asked_and_no_is_exit_1(stage, acts, terminal, act):
    before = head(stage, act)
    code, said = terminal("n", *acts(act), "--reason", "thử")
    assert (code, "[y/N]" in said, "SYS-081" in said) == (1, True, True), said
    assert log_head(stage) == before
    assert not (stage.folder / "empty.sqlite3").exists()


@pytest.mark.parametrize("act", ACTS)
def test_a_person_is_asked_and_yes_does_it(own, acts, terminal, act):
    before = head(own, act)
    code, said = terminal("y", *acts(act), "--reason", "thử")
    assert (code, "[y/N]" in said, "SYS-081" in said) == (0, True, False), said
    if act == "restore":  # into another database than the office's
        assert (own.folder / "empty.sqlite3").exists()
    else:
        assert log_head(own) != before
