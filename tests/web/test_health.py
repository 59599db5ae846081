"""Alive, ready, and how it is doing."""

import asyncio
import hashlib
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import mail
import pki
import pytest
from patience import eventually

from gateway.store import Store, open_engine
from gateway.web.recording import Recording

OPERATOR = {"Authorization": "Bearer lt_op_0123456789abcdef"}
DIGEST = hashlib.sha256(b"lt_op_0123456789abcdef").hexdigest()


def test_a_living_process_says_so_to_anyone(door):
    answer = door.get("/healthz")
    assert (answer.status, answer.json) == (200, {"status": "alive", "node": "H19.900"})


def test_a_ready_process_names_what_it_depends_on_and_how_fresh_the_good_news_is(door):
    answer = door.get("/readyz")
    assert answer.status == 200
    probes = {probe["name"]: probe for probe in answer.json["probes"]}
    assert set(probes) == {"database", "schema", "accepting", "tray", "recording", "clock", "registry"}
    assert all(probe["ok"] for probe in probes.values())
    assert 0 <= probes["database"]["last_success_age_s"] < 5


def test_without_its_database_a_process_is_alive_and_not_ready_and_says_why(door, sqlite_url):
    assert door.get("/readyz").status == 200
    breaker = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    breaker.execute("ALTER TABLE counter RENAME TO counter_away")
    breaker.commit()
    answer = door.get("/readyz")
    assert answer.status == 503
    assert answer.json["failing"] == "database"
    assert int(answer.headers["Retry-After"]) > 0
    assert door.get("/healthz").status == 200
    questions = door.get("/v1/inbox", "cong-dvc")
    assert (questions.status, questions.codes) == (503, ["SYS-119"])
    breaker.execute("ALTER TABLE counter_away RENAME TO counter")
    breaker.commit()
    breaker.close()
    assert door.get("/readyz").status == 200


def test_a_database_that_answers_and_keeps_nothing_is_not_ready(gate, sqlite_url, open_door):
    engine = open_engine(sqlite_url, busy_timeout_s=0.2)
    door = open_door()
    door.app.door.take_over(replace(gate, store=Store(engine)))
    assert door.send(mail.nop(), "cong-dvc").status == 201
    holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert door.send(mail.nop(), "cong-dvc").status == 503
    answer = door.get("/readyz")
    assert (answer.status, answer.json["failing"]) == (503, "recording")
    holder.execute("ROLLBACK")
    holder.close()
    assert door.send(mail.nop(), "cong-dvc").status == 201
    assert door.get("/readyz").status == 200
    engine.dispose()


def test_of_several_who_ask_at_once_each_is_told_what_one_proof_says(gate):
    async def asked():
        recording = Recording(asyncio.to_thread)
        return await asyncio.gather(*(recording.why_not(gate.store) for _ in range(3))), recording.good_at

    told, good_at = asyncio.run(asked())
    assert told == ["", "", ""]
    assert good_at is not None


def test_an_operator_reads_figures_and_they_name_no_dossier(open_door):
    door = open_door(operator_tokens_sha256=(DIGEST,))
    code = mail.ma_ho_so("so-tu-phap")
    door.send(mail.nop(code, to="so-tu-phap"), "cong-dvc")
    door.send(b"<a>", "cong-dvc")
    door.get("/v1/nothing", "cong-dvc")
    answer = door.get("/metrics", **OPERATOR)
    assert answer.status == 200
    text = answer.body.decode()
    assert 'lienthong_messages_total{channel="rest",fate="accepted"} 1.0' in text
    assert 'lienthong_messages_total{channel="rest",fate="rejected"} 1.0' in text
    assert 'lienthong_http_requests_total{method="POST",route="/v1/messages",status="201"} 1.0' in text
    assert 'lienthong_deliveries_open{party="so-tu-phap",state="queued"} 1.0' in text
    assert 'lienthong_door_refusals_total{code="SYS-112"} 1.0' in text
    assert "lienthong_trays_total" in text
    assert code not in text


def test_what_ends_when_can_be_watched_from_outside(open_door, gate):
    text = open_door(operator_tokens_sha256=(DIGEST,)).get("/metrics", **OPERATOR).body.decode()
    rows = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("lienthong_trust_end_timestamp_seconds{")
    }
    own = gate.key.certificate
    (at,) = [at for name, at in rows.items() if 'kind="own"' in name and own.fingerprint[:16] in name]
    assert at == own.not_after.timestamp()
    assert any('kind="certificate"' in name and 'party="cong-dvc"' in name for name in rows)
    assert any('kind="anchor"' in name and 'tree="chinh-phu"' in name for name in rows)


@pytest.mark.threat("T-FROZEN")
def test_a_worker_that_does_not_take_over_what_was_applied_is_not_ready(door):
    """It would let in whoever was locked since."""
    with door.gate.store.begin() as tx:
        tx.apply_parties({"khong-doc-duoc": "{"}, who="x", reason="x", now=datetime.now(UTC) - timedelta(hours=1))
    answer = door.get("/readyz")
    assert (answer.status, answer.json["failing"]) == (503, "registry")


def test_a_sender_that_hangs_up_in_the_middle_is_counted(open_door):
    door = open_door(operator_tokens_sha256=(DIGEST,))
    token = pki.token("cong-dvc").encode()
    head = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nAuthorization: Bearer " + token
    door.raw(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<a/>\r\n", pause=0.2, shut=True)
    assert eventually(lambda: 'lienthong_door_refusals_total{code="SYS-111"} 1.0' in figures(door))


def figures(door):
    return door.get("/metrics", **OPERATOR).body.decode()
