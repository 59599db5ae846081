"""What stands in deploy/ is true: units, rules, proxies and the compose file say only what the program knows."""

import contextlib
import hashlib
import http.client
import http.server
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import click
import nodes
import pki
import psycopg
import pytest
import yaml
from clusters import MortalServer, end_with_parent, postgres_binaries, reachable
from patience import PATIENCE_S, eventually, stays

from gateway import settings, wiring
from gateway.cli import lienthong as root
from gateway.cli.command import NOT_WHOLE
from gateway.store import Store, open_engine
from gateway.web.gauges import standing
from gateway.web.metrics import Metrics
from gateway.web.worker import WorkMetrics

TOP = Path(__file__).parents[2]
DEPLOY = TOP / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TIMERS = sorted((DEPLOY / "systemd").glob("*.timer"))
PROGRAM = Path(sys.executable).with_name("lienthong")


def tool(name):
    """The path of a program that Debian has. Skipped with a sentence where it is missing; in CI that is a failure."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        sentence = f"{name} is not installed"
        if os.environ.get("CI"):
            pytest.fail(f"{sentence}; CI must have it")
        pytest.skip(sentence)
    return found


def run(*command, **more):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=PATIENCE_S, check=False, **more
    )
    return done.returncode, done.stdout + done.stderr


def understood(words):
    """Whether the command line has such a command with such options; arguments may be placeholders."""
    context, command = click.Context(root), root
    rest = [re.sub(r"\{\{.*?\}\}", "x", word) for word in words]
    while rest and isinstance(command, click.Group):
        name = rest.pop(0)
        command = command.get_command(context, name)
        assert command is not None, (words, name)
    known = {option for parameter in command.params for option in getattr(parameter, "opts", ())}
    common = {option for parameter in root.params for option in getattr(parameter, "opts", ())}
    asked = {word.partition("=")[0] for word in rest if word.startswith("-")}
    assert asked <= known | common | {"--help", "--json", "--config"}, (words, asked - known)


def test_what_the_runbook_and_the_alerts_tell_to_run_can_be_run():
    told = re.findall(r"`lienthong ([^`]+)`", (TOP / "docs/vi/runbook.md").read_text("utf-8"))
    rules = yaml.safe_load((DEPLOY / "prometheus/lienthong.rules.yml").read_text("utf-8"))
    for rule in rules["groups"][0]["rules"]:
        runbook = re.sub(r"\{\{.*?\}\}", "x", rule["annotations"]["runbook"])
        told += [
            command.strip().removeprefix("lienthong ")
            for command in runbook.split(";")
            if command.strip().startswith("lienthong ")
        ]
    assert len(told) > 15
    for command in told:
        if command != "--version":
            understood([word for word in command.split() if word != "…"])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_sound_hardened_and_starts_a_command_that_there_is(unit, tmp_path):
    text = unit.read_text("utf-8")
    started = re.findall(r"^ExecStart=/opt/lienthong/bin/lienthong (.+)$", text, re.MULTILINE)
    assert started
    for told in started:
        words = told.split()
        understood(words[2:] if words[0] == "--config" else words)
    copy = tmp_path / unit.name
    copy.write_text(text.replace("/opt/lienthong/bin/lienthong", str(PROGRAM)), "utf-8")
    analyze = tool("systemd-analyze")
    code, said = run(analyze, "verify", "--man=no", copy)
    assert (code, [line for line in said.splitlines() if unit.name in line]) == (0, []), said
    code, said = run(analyze, "security", "--offline=true", "--threshold=20", copy)
    assert code == 0, said.splitlines()[-1]


def test_what_a_verification_finds_does_not_start_it_again():
    text = (DEPLOY / "systemd/lienthong-archive.service").read_text("utf-8")
    *_, last = re.findall(r"^ExecStart=.+ (\w+ \w+)$", text, re.MULTILINE)
    assert last == "archive verify", "its exit code counts where it is the main process, and the last"
    assert re.findall(r"^RestartPreventExitStatus=(.+)$", text, re.MULTILINE) == [str(NOT_WHOLE)]
    assert "ExecStartPost" not in text


def test_there_is_a_unit_for_everything_that_runs_by_itself():
    assert {unit.stem.removeprefix("lienthong-") for unit in UNITS} == {
        "serve", "work", "console", "backup", "archive", "verify",
    }  # fmt: skip
    assert {timer.stem.removeprefix("lienthong-") for timer in TIMERS} == {"backup", "archive", "verify"}


@pytest.mark.parametrize("timer", TIMERS, ids=lambda timer: timer.name)
def test_a_timer_is_sound_and_strikes(timer, tmp_path):
    for unit in (timer, timer.with_suffix(".service")):
        text = unit.read_text("utf-8").replace("/opt/lienthong/bin/lienthong", str(PROGRAM))
        (tmp_path / unit.name).write_text(text, "utf-8")
    analyze = tool("systemd-analyze")
    code, said = run(analyze, "verify", "--man=no", tmp_path / timer.name)
    assert (code, [line for line in said.splitlines() if timer.stem in line]) == (0, []), said
    (when,) = re.findall(r"^OnCalendar=(.+)$", timer.read_text("utf-8"), re.MULTILINE)
    code, said = run(analyze, "calendar", "--iterations=2", when)
    assert (code, bool(re.search(r"Iter[.a-z]* #2: ", said))) == (0, True), said


def steps(lang):
    """The commands by which the page sets up a node for the units."""
    page = (TOP / f"docs/{lang}/operate.md").read_text("utf-8")
    (block,) = (one for one in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL) if "systemctl" in one)
    return [shlex.split(line) for line in block.splitlines()]


def as_unit(*command, **more):
    """Runs a command as a unit does, without any capability: not even root may write then what is only to be read."""
    bare = (tool("setpriv"), "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    return run(*bare, *command, **more)


def test_the_nightly_units_do_their_work_on_a_node_that_was_made_by_the_page(tmp_path):
    account = {user for unit in UNITS for user in re.findall(r"^User=(.+)$", unit.read_text("utf-8"), re.MULTILINE)}
    here = {"/etc/lienthong": str(tmp_path / "etc"), "/var/lib/lienthong": str(tmp_path / "var")}
    here["/opt/lienthong/bin/lienthong"] = str(PROGRAM)

    def mapped(word):
        for there, place in here.items():
            word = word.replace(there, place)
        return word

    told = steps("vi")
    assert told == steps("en")
    assert [words[-1] for words in told if words[0] == "useradd"] == list(account)
    (started,) = (words[3:] for words in told if words[:3] == ["systemctl", "enable", "--now"])
    assert {f"{name.removesuffix('.timer')}.service" for name in started} <= {unit.name for unit in UNITS}
    for words in told:
        if words[:2] == ["install", "-d"]:  # the account that runs this test stands for the units'
            owner, group = words.index("-o"), words.index("-g")
            assert {words[owner + 1], words[group + 1]} == account
            words[owner + 1], words[group + 1] = str(os.geteuid()), str(os.getegid())
            assert run(*map(mapped, words)) == (0, "")
        elif "/opt/lienthong/bin/lienthong" in words:
            assert words[:4] == ["runuser", "-u", *account, "--"], "another account would be the administrator"
            code, said = as_unit(*map(mapped, words[4:]), cwd=tmp_path)
            assert code == 0, said
    for path in (tmp_path / "etc", *(tmp_path / "etc").rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)  # ProtectSystem=strict
    for unit in UNITS:
        text = unit.read_text("utf-8")
        if "Type=oneshot" in text:
            for command in re.findall(r"^ExecStart(?:Post)?=(.+)$", text, re.MULTILINE):
                code, said = as_unit(*map(mapped, shlex.split(command)), cwd=tmp_path / "var")
                assert code == 0, (unit.name, said)
    assert list((tmp_path / "var/backups").glob("*.lienthong.zip"))


@pytest.fixture(scope="module")
def families(sqlite_template, tmp_path_factory):
    """The names of all series that a node has, by its own words."""
    copy = tmp_path_factory.mktemp("db") / "x.sqlite3"
    shutil.copy(sqlite_template, copy)
    engine = open_engine(f"sqlite:///{copy}")
    signer, names = pki.signer("gateway"), set()
    given = {"key.file": signer.key_pem, "key.certificate": signer.cert_pem}
    gate = wiring.build(settings.load(pki.SAMPLES / "lienthong.toml", env={}, given=given).settings)
    for registry in (Metrics().registry, WorkMetrics().registry):
        for family in registry.collect():
            names.add(family.name)
    names |= {family.name for family in standing(replace(gate, store=Store(engine)), 3600.0)}
    engine.dispose()
    return names | {"lienthong_allowance_used_ratio"}


def test_rules_and_board_ask_for_series_that_there_are(families):
    asked = set()
    for file in ("prometheus/lienthong.rules.yml", "grafana/lienthong.json"):
        asked |= set(re.findall(r"\blienthong_[a-z_]+", (DEPLOY / file).read_text("utf-8")))
    assert len(asked) >= 15
    unknown = {name for name in asked if re.sub(r"_(total|bucket|count|sum)$", "", name) not in families}
    assert unknown == set()


def test_prometheus_understands_the_rules_and_they_fire_when_they_should():
    promtool = tool("promtool")
    assert run(promtool, "check", "rules", "lienthong.rules.yml", cwd=DEPLOY / "prometheus")[0] == 0
    code, said = run(promtool, "test", "rules", "lienthong.rules.test.yml", cwd=DEPLOY / "prometheus")
    assert code == 0, said
    assert run(promtool, "check", "config", "--syntax-only", DEPLOY / "prometheus/prometheus.yml")[0] == 0


def test_the_board_has_a_title_and_a_question_in_every_panel():
    board = json.loads((DEPLOY / "grafana/lienthong.json").read_text("utf-8"))
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(places) == len(set(places)) >= 20
    assert all(panel["title"] and panel["targets"][0]["expr"] for panel in board["panels"])


def certificate(folder):
    signer = pki.signer("gateway-rsa")
    both = folder / "both.pem"
    both.write_bytes(Path(signer.cert_pem).read_bytes() + Path(signer.key_pem).read_bytes())
    return both


def test_haproxy_and_nginx_take_the_samples(tmp_path):
    both = certificate(tmp_path)
    text = (DEPLOY / "proxy/haproxy.cfg").read_text("utf-8").replace("/etc/lienthong/tls/haproxy.pem", str(both))
    (tmp_path / "haproxy.cfg").write_text(text, "utf-8")
    code, said = run(tool("haproxy"), "-c", "-f", tmp_path / "haproxy.cfg")
    assert code == 0, said
    text = (DEPLOY / "proxy/nginx.conf").read_text("utf-8").replace("/run/nginx.pid", str(tmp_path / "pid"))
    for name in ("chain.pem", "key.pem"):
        text = text.replace(f"/etc/lienthong/tls/{name}", str(both))
    (tmp_path / "nginx.conf").write_text(text, "utf-8")
    code, said = run(tool("nginx"), "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf")
    assert code == 0, said


def test_the_proxies_wait_for_a_file_as_long_as_the_gateway_waits_for_its_scan():
    nginx = (DEPLOY / "proxy/nginx.conf").read_text("utf-8")
    haproxy = (DEPLOY / "proxy/haproxy.cfg").read_text("utf-8")
    (files,) = re.findall(r"location /v1/files \{(.*?)\n        \}", nginx, re.DOTALL)
    (backend,) = re.findall(r"^    use_backend (\S+) if \{ path_beg /v1/files \}$", haproxy, re.MULTILINE)
    waits = [
        *re.findall(r"proxy_read_timeout (\d+)s;", files),
        *re.findall(rf"^backend {backend}\n(?:    .+\n)*?    timeout server (\d+)s$", haproxy, re.MULTILINE),
    ]
    assert len(waits) == 2
    assert all(int(wait) > settings.Settings().files.scan_s for wait in waits)


class UpstreamNode:
    """A node behind the proxy: takes whole POSTs and answers each, or ends the connection without a word."""

    def __init__(self, *, answers):
        taken = self.taken = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                taken.append(self.rfile.read(int(self.headers["Content-Length"])))
                if not answers:
                    self.close_connection = True
                    return
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def nginx_before(folder, *ports):
    """The sample as it stands, running before nodes at these ports; gives a function that posts and gives the status."""
    both, port = certificate(folder), nodes.free_port()
    text = (DEPLOY / "proxy/nginx.conf").read_text("utf-8").replace("/run/nginx.pid", str(folder / "pid"))
    for name in ("chain.pem", "key.pem"):
        text = text.replace(f"/etc/lienthong/tls/{name}", str(both))
    text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
    for sample, there in zip(("10.0.0.11:8310", "10.0.0.12:8310"), ports, strict=True):
        text = text.replace(sample, f"127.0.0.1:{there}")
    (folder / "nginx.conf").write_text(text, "utf-8")
    program = [tool("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    process = subprocess.Popen(program, stderr=subprocess.DEVNULL)
    anyone = ssl._create_unverified_context()

    def post(body):
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=anyone)
        with contextlib.closing(connection):
            connection.request("POST", "/v1/messages", body)
            return connection.getresponse().status

    def listens():
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
            return True
        return process.poll() is not None

    try:
        assert eventually(listens)
        assert process.poll() is None
        yield post
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_nginx_brings_every_message_to_the_node_that_lives(tmp_path):
    node = UpstreamNode(answers=True)
    try:
        with nginx_before(tmp_path, nodes.free_port(), node.port) as post:
            letters = [b"thu %d" % number for number in range(20)]
            assert [post(letter) for letter in letters] == [201] * 20
        assert node.taken == letters
    finally:
        node.close()


def test_nginx_gives_a_message_that_a_node_has_had_to_no_other(tmp_path):
    first, second = UpstreamNode(answers=False), UpstreamNode(answers=False)
    try:
        with nginx_before(tmp_path, first.port, second.port) as post:
            assert post(b"thu") == 502
        assert [*first.taken, *second.taken] == [b"thu"]
    finally:
        first.close()
        second.close()


@pytest.fixture(scope="module")
def bundling():
    """tools/package.py."""
    spec = importlib.util.spec_from_file_location("package_tool", TOP / "tools" / "package.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_image_is_built_in_a_bundle_from_what_lies_there(bundling):
    text = bundling.from_wheels((DEPLOY / "Containerfile").read_text("utf-8"), "3.99")
    copied = [one for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for one in line.split()]
    assert copied == ["requirements.txt", "wheels"]
    assert text.startswith(
        (DEPLOY / "Containerfile").read_text("utf-8").partition("ARG ")[0] + "ARG PYTHON=3.99-slim\n"
    )
    assert "COPY --from=build /opt/lienthong /opt/lienthong" in text
    assert "--no-index --require-hashes -r requirements.txt" in text


def test_the_page_that_units_name_is_one_that_is_installed(bundling):
    (page,) = bundling.told_pages()
    assert 'cp -R docs "$where/share/docs"' in bundling.INSTALL
    assert (TOP / page.removeprefix("share/")).is_file()


COMPOSE = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """deploy/ with what prepare.sh has made of it, how that ended, and what it said."""
    top = tmp_path_factory.mktemp("prepared")
    shutil.copytree(DEPLOY, top / "deploy")
    prepare = top / "deploy/compose/prepare.sh"
    done, said = run("bash", prepare, env={**os.environ, "LIENTHONG": str(PROGRAM)}, cwd=top)
    return prepare.parent, done, said


def test_the_compose_file_starts_what_there_is_with_settings_that_there_are(prepared, tmp_path):
    folder, _, said = prepared
    ours = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "lienthong"}
    assert set(ours) == {"upgrade", "serve-1", "serve-2", "work-1", "work-2", "backup"}
    variables = {settings.variable(key) for key in settings.in_environment()} | {"LIENTHONG_CONFIG"}
    for service in ours.values():
        understood(service.get("command") or ["backup"])
        assert {name for name in service["environment"] if name.startswith("LIENTHONG_")} <= variables
        assert service["read_only"] is True
    build = (DEPLOY / "Containerfile").read_text("utf-8")
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", build, re.MULTILINE):
        assert all((TOP / one).exists() for one in source.split()), source
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (folder / source).exists() if volume.startswith(".") else source in COMPOSE["volumes"], volume
    etc = folder / "etc"
    loaded = settings.load(etc / "lienthong/lienthong.toml", env={"LIENTHONG_WORK_PORT": "8311"}).settings
    assert loaded.database.url.startswith("postgresql+psycopg://lienthong@postgres,standby/")
    assert loaded.work.port == 8311
    token = (etc / "prometheus/lienthong.token").read_text()
    assert token in said
    assert loaded.door.operator_tokens_sha256 == (hashlib.sha256(token.encode()).hexdigest(),)
    assert (etc / "postgres/postgres.password").stat().st_mode & 0o077 == 0
    code, said = run(tool("haproxy"), "-c", "-f", _here(etc / "proxy/haproxy.cfg", etc, tmp_path))
    assert code == 0, said
    assert "serve-1:8310" in (etc / "proxy/haproxy.cfg").read_text()


def test_the_account_in_the_image_may_bring_the_database_up_and_writes_where_every_container_of_ours_looks(prepared):
    folder, *_ = prepared
    loaded = settings.load(folder / "etc/lienthong/lienthong.toml", env={}).settings
    (account,) = re.findall(r"useradd .* (\S+) \\$", (DEPLOY / "Containerfile").read_text("utf-8"), re.MULTILINE)
    assert loaded.operators == {account: "administrator"}  # and nobody of the machine on which prepare.sh ran
    for service in COMPOSE["services"].values():
        if service["image"] == "lienthong":
            ((volume, place),) = (one.split(":") for one in service["volumes"] if not one.endswith(":ro"))
            assert volume in COMPOSE["volumes"]
            assert loaded.backup.folder.is_relative_to(place)
            assert loaded.archive.folder.is_relative_to(place)


def accounts():
    """The number of the account that each image runs as: ours by its Containerfile, the others' as their makers document it."""
    (ours,) = re.findall(r"^USER (\d+):\1$", (DEPLOY / "Containerfile").read_text("utf-8"), re.MULTILINE)
    numbers = {"lienthong": int(ours), "postgres": 999, "haproxy": 99, "prometheus": 65534, "grafana": 472}
    return {image: numbers[image.rpartition("/")[2].partition(":")[0]] for image in images()}


def images():
    return {service["image"] for service in COMPOSE["services"].values()}


def reads(path, account):
    """Whether that account, without a group that counts, may read the file, or walk and list the folder."""
    found = path.stat()
    wanted = 0o5 if path.is_dir() else 0o4
    return (found.st_mode >> (6 if found.st_uid == account else 0)) & wanted == wanted


def test_every_mounted_file_can_be_read_by_its_container_and_by_nobody_else(prepared):
    folder, done, said = prepared
    secret = [path for path in (folder / "etc").rglob("*") if path.is_file()]
    assert len(secret) > 12
    assert [path for path in secret if path.stat().st_mode & 0o077] == []
    pgpass = (folder / "etc/lienthong/pgpass").stat()
    assert pgpass.st_mode & 0o777 == 0o600  # libpq ignores one that others could read
    if os.geteuid() != 0:
        if done:  # nobody but root, or podman for itself, may give files away: it says what is left to do
            assert f"sudo {folder}/prepare.sh" in said
        return
    assert done == 0, said
    for service in COMPOSE["services"].values():
        account = accounts()[service["image"]]
        for volume in service.get("volumes", ()):
            if volume.startswith("."):
                top = folder / volume.split(":")[0]
                unread = [path for path in (top, *top.rglob("*")) if not reads(path, account)]
                assert unread == [], (service["image"], account)
    assert pgpass.st_uid == accounts()["lienthong"]


def test_preparing_again_changes_nothing_that_is_there(prepared):
    folder, done, _ = prepared
    there = {path: (path.read_bytes(), path.stat()) for path in (folder / "etc").rglob("*") if path.is_file()}
    assert run("bash", folder / "prepare.sh", env={**os.environ, "LIENTHONG": "/bin/false"})[0] == done
    for path, (content, before) in there.items():
        now = path.stat()
        assert (path.read_bytes(), now.st_uid, now.st_mode) == (content, before.st_uid, before.st_mode)


@pytest.mark.postgres
def test_the_first_start_of_the_database_does_not_wait_for_a_standby_that_cannot_be_there():
    """As the entrypoint of the image does it: a server that only its socket reaches, with the arguments of the real one."""
    if postgres_binaries() is None:
        tool("postgres")
    service = COMPOSE["services"]["postgres"]
    with tempfile.TemporaryDirectory(prefix="lt-first-", dir=reachable()) as folder:
        Path(folder).chmod(0o711)  # the server runs as another account where this one is root
        server = FirstStart(Path(folder) / "pg", service["command"])
        try:
            server.begin("-c", "listen_addresses=")
            assert server.healthy(service["healthcheck"]) is False  # half made, and nobody may come yet
            made = server.psql("CREATE DATABASE lienthong", PGOPTIONS=service["environment"]["PGOPTIONS"])
            assert made.wait(PATIENCE_S) == 0
            server.psql("CHECKPOINT").wait(PATIENCE_S)  # now the server surely knows of its standby
            hangs = server.psql("CREATE DATABASE hangs")
            assert eventually(lambda: server.ask("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
            assert hangs.poll() is None
            server.ask("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
            hangs.wait(PATIENCE_S)
            server.stop()
            server.begin("-c", "listen_addresses=127.0.0.1")
            assert eventually(lambda: server.healthy(service["healthcheck"]))
        finally:
            server.stop()


class FirstStart(MortalServer):
    """A new cluster, its server started with the arguments of the compose file and reached as psql of the image reaches it."""

    def __init__(self, folder, arguments):
        super().__init__(folder)
        self.arguments = arguments
        self.programs = (postgres_binaries() / "postgres").resolve().parent
        self.initialise()

    def begin(self, *more):
        """The server, answering at its socket."""
        arguments = [*self.arguments, *more, "-c", f"unix_socket_directories={self.folder}", "-p", str(self.port)]
        with (self.folder / "server.log").open("ab") as out:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, *arguments],
                stdout=out, stderr=out, cwd=self.folder, preexec_fn=end_with_parent, **self.account,
            )  # fmt: skip
        ready = ["pg_isready", "-h", str(self.folder)]
        assert eventually(lambda: self.healthy({"test": ["CMD", *ready]})), (self.folder / "server.log").read_text()

    def healthy(self, check):
        """What the engine would find."""
        kind, program, *arguments = check["test"]
        assert kind == "CMD"
        return run(self.programs / program, *arguments, env=self.environment())[0] == 0

    def environment(self, **more):
        bare = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return bare | {"PGPORT": str(self.port)} | more

    def psql(self, sentence, **more):
        """psql of the entrypoint, begun."""
        command = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-U", "lienthong", "-d", "postgres", "-c", sentence]
        return subprocess.Popen(
            [self.programs / command[0], *command[1:]], env=self.environment(PGHOST=str(self.folder), **more)
        )

    def ask(self, sentence):
        with psycopg.connect(
            host=str(self.folder), port=self.port, user="lienthong", dbname="postgres", autocommit=True
        ) as connection:
            return connection.execute(sentence).fetchall()


def test_the_container_that_backs_up_makes_one_at_once_and_ends_when_it_is_told_to(tmp_path):
    node, data = tmp_path / "etc", tmp_path / "data"
    data.mkdir()
    environment = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    assert run(PROGRAM, "init", node, "--data", data)[0] == 0
    environment["LIENTHONG_CONFIG"] = str(node / "lienthong.toml")
    assert run(PROGRAM, "db", "upgrade", env=environment)[0] == 0
    command = [word.replace("$$", "$") for word in COMPOSE["services"]["backup"]["entrypoint"]]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        assert eventually(lambda: list((data / "backups").glob("*.lienthong.zip")))
        assert stays(lambda: process.poll() is None)  # and waits for tomorrow
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    (made,) = (data / "backups").glob("*.lienthong.zip")
    assert run(PROGRAM, "backup", made, "--check", env=environment)[0] == 0


def _here(file, etc, folder):
    """The proxy's configuration, with names that this machine can resolve and the certificate where it is here."""
    text = file.read_text("utf-8").replace("/usr/local/etc/haproxy/", f"{etc}/proxy/")
    here = folder / "here.cfg"
    here.write_text(text.replace("serve-1:8310", "127.0.0.1:1").replace("serve-2:8310", "127.0.0.1:2"), "utf-8")
    return here
