"""serve and work as real processes: they come up, do their work, and stop when told."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nodes
import pki
import pytest
from going import ENVIRONMENT, ask, running
from patience import PATIENCE_S, eventually

from gateway.cli.prepared import statistics_of
from gateway.cli.run import recheck_held
from gateway.core.batches import BatchItemState
from gateway.core.deadlines import DeadlineRules
from gateway.core.ledger import LogLine
from gateway.core.model import DeliveryState, Fate
from gateway.core.problems import Stopped
from gateway.core.statistics import By
from gateway.services.batches import batch_known
from gateway.settings import load
from gateway.store import open_engine, parts, schema_revision
from gateway.wiring import load_key
from signing.heads import HEAD, read_head

LARGE = {"sqlalchemy", "lxml", "cryptography"}


def libraries(pid):
    """Which of the large libraries a process has loaded."""
    mapped = Path(f"/proc/{pid}/maps").read_text()
    return {name for name in LARGE if f"/{name}/" in mapped}


def test_a_node_takes_a_message_by_http_and_stops_cleanly(cli, office):
    with running(office.folder, "serve", "--workers", "1", "--port", "0") as (process, url):
        assert ask("GET", f"{url}/healthz")[0] == 200
        body = (pki.SAMPLES / "accepted/HS01-nop-ho-so-toi-thieu.xml").read_bytes()
        status, receipt = ask("POST", f"{url}/v1/messages", body, "TEST-ONLY-cong-dvc")
        assert status == 201
        assert ask("POST", f"{url}/v1/messages", body, "TEST-ONLY-cong-dvc") == (200, receipt)
        assert ask("POST", f"{url}/v1/messages", body, "nobody")[0] == 401
        assert [row["state"] for row in cli("messages", "--json").rows] == ["accepted"]
        of_children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert not LARGE & libraries(process.pid)  # whoever keeps the workers alive loads nothing that could end it
        assert LARGE in [libraries(child) for child in of_children]
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def test_a_running_node_takes_over_a_new_registry(cli, office):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text().replace("#reload_s = 5.0", "reload_s = 0.2"))
    with running(office.folder, "serve", "--workers", "1", "--port", "0") as (_, url):
        inbox = f"{url}/v1/inbox?after=0"
        assert ask("GET", inbox, token="TEST-ONLY-cong-dvc")[0] == 200
        file = office.folder / "parties" / "cong-dvc.toml"
        file.write_text(file.read_text() + 'enabled = false\ndisabled_reason = "thử"\n')
        assert cli("parties", "apply", "--yes", "--reason", "khóa").code == 0
        assert eventually(lambda: ask("GET", inbox, token="TEST-ONLY-cong-dvc")[0] != 200)


@contextmanager
def unsigned_receiver():
    """An agency that answers with a BienNhan that nobody signed; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told = {"KetQua": "CHAP_NHAN", "MaThongDiepGoc": self.headers["MaThongDiep"]}
            answer = json.dumps(told | {"BamNoiDung": hashlib.sha256(body).hexdigest()}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_a_worker_signs_the_log_keeps_evidence_doubts_receipts_and_stops_cleanly(cli, office):
    config, profile = office.folder / "lienthong.toml", office.folder / "parties" / "so-tu-phap.toml"
    settings = config.read_text("utf-8").replace("#private_addresses = false", "private_addresses = true")
    digest = hashlib.sha256(b"lt_op_0123456789abcdef").hexdigest()
    settings = settings.replace("\n[work]\n", "\n[work]\nport = 0\n", 1)
    config.write_text(settings.replace("\n[door]\n", f'\n[door]\noperator_tokens_sha256 = ["{digest}"]\n', 1), "utf-8")
    with unsigned_receiver() as address:
        profile.write_text(profile.read_text("utf-8").replace("http://127.0.0.1:8091/lienthong", address), "utf-8")
        assert cli("parties", "apply", "--yes", "--reason", "test").code == 0
        office.receive("accepted/HS01-nop-ho-so-toi-thieu")
        began = datetime.now(UTC)

        def figures_of_years():
            asked = (began - timedelta(days=3000), None), By.AGENCY, None, DeadlineRules(), datetime.now(UTC)
            return statistics_of(office.store, office.gate.parties, *asked, at_once=0).report

        assert figures_of_years() is None
        with running(office.folder, "work", said="port") as (process, url):

            def told():
                with office.store.read() as view:
                    head, known = view.last_act(HEAD), view.certificate_statuses()
                    return head and known and (head, known, view.log(what="receipt.unproven"))

            assert eventually(lambda: all(told() or [None]))
            head, known, doubts = told()
            assert eventually(figures_of_years)
            assert [group.filed for group in figures_of_years().groups.values()] == [1]
            hours = [began + timedelta(hours=number) for number in (0, 1)]  # it may strike meanwhile
            with office.store.read() as view:
                kept = [view.hourly("owed", at.replace(minute=0, second=0, microsecond=0)) for at in hours]
            assert kept != [None, None]
            assert json.loads(ask("GET", f"{url}/readyz")[1])["status"] == "ready"
            assert ask("GET", f"{url}/metrics", token="TEST-ONLY-so-tu-phap")[0] == 401
            figures = ask("GET", f"{url}/metrics", token="lt_op_0123456789abcdef")[1].decode()
            tries = 'lienthong_delivery_try_seconds_count{kind="send",outcome="delivered",party="so-tu-phap"} 1.0'
            assert tries in figures
            assert 'lienthong_delivery_problems_total{code="DLV-029",party="so-tu-phap"} 1.0' in figures
            assert 'lienthong_work_turns_total{loop="heads",outcome="done"}' in figures
            assert 'lienthong_database_wait_seconds_count{what="write"}' in figures
            assert "lienthong_trust_end_timestamp_seconds" in figures
            asks = [sys.executable, "-c", f"from gateway import quick; print(quick.ask(['messages'], {PATIENCE_S}))"]
            look = {"cwd": office.folder, "env": ENVIRONMENT, "capture_output": True, "text": True}
            assert eventually(lambda: "(0, " in subprocess.run(asks, **look, timeout=PATIENCE_S, check=True).stdout)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
            assert (
                subprocess.run(asks, **look, timeout=PATIENCE_S, check=True).stdout == "None\n"
            )  # nobody stays to answer
    assert [(line.who, line.facts["reason"]) for line in doubts] == [("so-tu-phap", "SIG-002")]
    assert "receipt-unproven" in {row["alarm"] for row in cli("alerts", "--json").rows}
    assert read_head(head.facts["jws"], [office.gate.key.certificate]).number == head.facts["number"]
    with office.store.read() as view:
        lists = [view.evidence(digest) for row in known for digest in row.evidence]
    assert lists
    assert None not in lists


def test_work_signs_by_a_new_key_after_a_hangup_as_key_new_tells(cli, office):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text("utf-8").replace("#log_head_s = 3600.0", "log_head_s = 1"), "utf-8")
    office.receive("accepted/HS01-nop-ho-so-toi-thieu")

    def certificate():
        return load_key(load(config, {}).settings).certificate

    def signed_by(one):
        with office.store.begin() as tx:  # a head is signed where something has happened since the last one
            tx.note(LogLine(what="test", who="test", facts={}), datetime.now(UTC))
        with office.store.read() as view:
            head = view.last_act(HEAD)
        try:
            return head is not None and bool(read_head(head.facts["jws"], [one]))
        except Stopped:
            return False

    before = certificate()
    with running(office.folder, "work") as (process, _):
        assert eventually(lambda: signed_by(before))
        (made,) = cli("key", "new", "--json").rows
        text = config.read_text("utf-8").replace("#previous = []", 'previous = ["keys/truc.cert.pem"]')
        text = re.sub(r'^file = "keys/truc.*"$', f'file = "{made["key"]}"', text, flags=re.MULTILINE)
        text = re.sub(
            r'^certificate = "keys/truc.*"$', f'certificate = "{made["certificate"]}"', text, flags=re.MULTILINE
        )
        config.write_text(text, "utf-8")
        assert certificate() != before
        process.send_signal(signal.SIGHUP)
        assert eventually(lambda: signed_by(certificate()))
        assert process.poll() is None
    assert cli("log", "verify").code == 0  # the head by the old key is believed still


def test_a_taken_port_is_a_sentence(office, process):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = process("serve", "--port", taken.getsockname()[1], folder=office.folder)
    assert (result.code, "SYS-032" in result.err, "Traceback" in result.err) == (1, True, False)


def test_a_tls_certificate_that_is_none_is_a_sentence_and_doctor_finds_it(office, process, cli):
    config = office.folder / "lienthong.toml"
    tls = '\ntls_certificate = "lienthong.toml"\ntls_key = "keys/truc.key.pem"\n'
    config.write_text(config.read_text().replace("\n[web]\n", f"\n[web]{tls}", 1))
    result = process("serve", "--port", "0", folder=office.folder)
    assert (result.code, "SYS-020" in result.err, "Traceback" in result.err) == (1, True, False)
    assert "SYS-020" in cli("doctor").out


@pytest.mark.parametrize("command", ["serve", "work"])
def test_without_a_key_nothing_is_taken_or_sent(office, process, command):
    config = office.folder / "lienthong.toml"
    lines = [line for line in config.read_text().splitlines() if not line.startswith(("file = ", "certificate = "))]
    config.write_text("\n".join(lines))
    result = process(command, folder=office.folder)
    assert (result.code, "SYS-037" in result.err) == (1, True)


def test_without_a_database_nothing_starts(node, process):
    (node / "lienthong.sqlite3").unlink()
    result = process("work", folder=node)
    assert (result.code, "SYS-031" in result.err, "Traceback" in result.err) == (1, True, False)


def test_workers_that_wait_for_a_database_say_so_once_and_then_why_they_cannot_begin(node, process):
    config = node / "lienthong.toml"
    away = 'url = "postgresql://lienthong@127.0.0.1:1/lienthong"\nwait_s = 1.0'
    text = config.read_text("utf-8").replace("#wait_s", "#was_s")
    config.write_text(text.replace('url = "sqlite:///lienthong.sqlite3"', away), "utf-8")
    result = process("serve", "--workers", "2", "--port", "0", folder=node)
    assert (result.code, result.err.count("Waiting for it"), "Traceback" in result.err) == (1, 1, False), result.err
    assert result.err.rfind("SYS-030") > result.err.find("Waiting for it")


def test_held_messages_are_judged_again_when_it_is_time(office):
    ack = office.receive("undetermined/SIG-062-chua-ro-tinh-trang", "don-vi-loi")
    assert ack.fate is Fate.HELD
    every, now = timedelta(minutes=5), datetime.now(UTC)
    assert recheck_held(office.gate, now, every) == 0
    assert recheck_held(office.gate, now + timedelta(minutes=6), every) == 1
    with office.store.read() as view:
        assert view.message(ack.message).state is Fate.HELD


@pytest.mark.hostile
def test_a_message_that_was_judged_by_a_clock_that_was_ahead_is_judged_again(office):
    office.receive("undetermined/SIG-062-chua-ro-tinh-trang", "don-vi-loi")
    now, every = datetime.now(UTC), timedelta(minutes=5)
    assert [recheck_held(office.gate, at, every) for at in (now + timedelta(days=1), now, now)] == [1, 1, 0]


def test_a_message_held_for_too_long_is_rejected(office):
    ack = office.receive("undetermined/SIG-062-chua-ro-tinh-trang", "don-vi-loi")
    recheck_held(office.gate, datetime.now(UTC) + timedelta(hours=73), timedelta(minutes=5))
    with office.store.read() as view:
        message = view.message(ack.message)
    assert (message.state, "SIG-091" in message.codes) == (Fate.REJECTED, True)


def test_a_database_that_goes_away_under_a_worker_is_a_sentence_and_the_next_turn_comes(office, caplog):
    import asyncio

    from gateway.cli.run import Desk
    from gateway.settings import load
    from gateway.store import Unavailable

    stop, turns = asyncio.Event(), []

    def turn():
        turns.append(1)
        if len(turns) > 1:
            stop.set()
        raise Unavailable("OperationalError: attempt to write a readonly database")

    desk = Desk(office.gate, load(office.folder / "lienthong.toml", {}).settings, stop)
    asyncio.run(desk._every("test", 0.01, turn))
    assert len(turns) == 2
    assert "readonly database" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.postgres
def test_work_makes_the_parts_of_the_database_for_the_months_to_come(postgres_url, tmp_path):
    *_, last = parts.coming(datetime.now(UTC))
    engine = open_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE {parts.month_part(last)}")  # as before its time has come

    def there():
        with engine.connect() as connection:
            return connection.exec_driver_sql(f"SELECT to_regclass('{parts.month_part(last)}')").scalar_one()

    with nodes.node(tmp_path / "node", database=postgres_url) as node:
        node.work()
        assert eventually(there), node.log("work")
    engine.dispose()


def test_a_running_node_sees_by_itself_that_its_database_was_upgraded_and_goes_on_when_it_is_back(office):
    body = (pki.SAMPLES / "accepted/HS01-nop-ho-so-toi-thieu.xml").read_bytes()
    engine = office.store.engine

    def of_revision(text):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{text}'")

    with (
        running(office.folder, "serve", "--workers", "1", "--port", "0") as (_, url),
        running(office.folder, "work"),
    ):

        def post():
            return ask("POST", f"{url}/v1/messages", body, "TEST-ONLY-cong-dvc")[0]

        def told_by_work():
            return (office.folder / "work.log").read_text("utf-8")

        assert post() == 201
        before = schema_revision(engine)
        of_revision("9999")
        assert eventually(lambda: post() == 503)
        assert eventually(lambda: "nothing is written any more" in told_by_work()), told_by_work()
        of_revision(before)
        assert eventually(lambda: post() == 200)
        assert eventually(lambda: "revision again" in told_by_work()), told_by_work()


def told_of(store, channel):
    with store.read() as view:
        return view.notified(channel)


def test_a_batch_goes_on_after_work_was_killed_and_does_nothing_twice(cli, office):
    """The alert of what is held goes out by the channel of the settings, once, though `work` starts twice."""
    config, notices = office.folder / "lienthong.toml", office.folder / "tin"
    channel = f'\n[[notify.channels]]\nname = "lenh"\nalarms = ["lane-held"]\ncommand = ["tee", "-a", "{notices}"]\n'
    config.write_text(config.read_text("utf-8") + channel, "utf-8")
    for name in ("toi-thieu", "day-du", "bien"):
        office.receive(f"accepted/HS01-nop-ho-so-{name}")
    with office.store.read() as view:
        owed = [delivery.id for delivery in view.deliveries(states=[DeliveryState.QUEUED])]
    for _ in owed:
        office.refused()
    told = cli("replay", "--state", "refused", "--rate", "1", "--yes", "--reason", "đã sửa", "--json").rows[-1]
    assert (told["batch"]["size"], told["batch"]["state"]) == (len(owed), "running")

    def replayed():
        with office.store.read() as view:
            return [line.facts["delivery"] for line in view.log(what="delivery.replayed", limit=1000)]

    with running(office.folder, "work") as (process, _):
        assert eventually(replayed)
        assert eventually(lambda: notices.exists() and notices.stat().st_size)
        assert eventually(lambda: told_of(office.store, "lenh"))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with running(office.folder, "work"):
        assert eventually(lambda: len(replayed()) == len(owed))
        assert eventually(lambda: batch_known(office.store, told["batch"]["number"]).count(BatchItemState.PLANNED) == 0)
    assert sorted(replayed()) == sorted(owed)
    news = json.JSONDecoder().raw_decode(notices.read_text("utf-8"))[0]
    assert [(one["alarm"], one["cause"]) for one in news["new"]] == [("lane-held", "DLV-031")]
    assert notices.read_text("utf-8").count('"new": [{') == 1
