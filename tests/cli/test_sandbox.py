"""lienthong sandbox: an integrator's first five minutes, and the knobs."""

import asyncio
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import letters
import pki
import pytest
from aiohttp import web
from patience import PATIENCE_S, eventually

from gateway.cli.play.agency import Agency, Fault, Knob, serve
from gateway.cli.play.world import KNOBS, KnobOwner, Member, World
from gateway.cli.sandbox import MARK, Play, obeyed, prepare
from gateway.core.problems import Stopped
from schemas.catalog import bundled
from signing.sign import SigningKey

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG_")}


@contextmanager
def running(folder, *options):
    """The sandbox as a process; gives its first row. Told to stop at the end, and must end well."""
    arguments = [
        sys.executable,
        "-m",
        "gateway",
        "sandbox",
        "--dir",
        str(folder),
        "--port",
        "0",
        "--control",
        "0",
        "--json",
    ]
    process = subprocess.Popen(
        [*arguments, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, start_new_session=True
    )
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            end = time.monotonic() + PATIENCE_S
            row = {}
            while "ready" not in row:
                assert time.monotonic() < end
                assert process.poll() is None, process.stderr.read().decode()
                if selector.select(1.0):
                    row = json.loads(process.stdout.readline() or "{}")
        yield row
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr.read() == b""  # a fault that was asked for is no trouble of ours
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
        process.stderr.close()


def call(method, url, body=None, token=None):
    headers = {"Content-Type": "application/xml", "Accept": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return answer.status, answer.read()


def until(what, true):
    assert eventually(true), what


def happened(row):
    return [event["en"] for event in json.loads(call("GET", row["control"] + "/")[1])["events"]]


def test_an_integrator_s_first_message_is_accepted_with_what_the_sandbox_gave(tmp_path):
    folder = tmp_path / "s"
    with running(folder, "--pace", "0.1") as row:
        _, inbox = call("GET", f"{row['ready']}/v1/inbox?after=0", token=row["token"])
        assert row["ma_ho_so"] in inbox.decode()
        for file in row["files"]:
            assert call("POST", f"{row['ready']}/v1/messages", Path(file).read_bytes(), row["token"])[0] == 201
        until("the portal pulled them", lambda: sum("the portal got" in line for line in happened(row)) == 3)
        assert happened(row)[-1].endswith("state 9")
        # the guide that was printed is in the folder, with this run's addresses
        guide = (folder / "ban" / "README.md").read_text("utf-8")
        assert row["ready"] in guide
        assert row["control"] in guide
        assert row["ma_ho_so"] in guide
        # software that was written for the national portal, by the lines of the guide
        (lines,) = re.findall(r"(PHIEN=.*?)\n\n", guide, re.DOTALL)
        said = subprocess.run(
            ["bash", "-c", lines], capture_output=True, timeout=PATIENCE_S, check=True
        ).stdout.decode()
        assert [*re.findall(r'\{"error_code": "(\d+)"', said)] == ["00", "00"]
        assert '"TrangThaiHoSo": "2"' in said
        # knobs, by HTTP, while it runs
        assert call("POST", row["control"] + "/nut", b'{"who": "so-thu", "fault": "reorder"}')[0] == 200
        call("POST", row["control"] + "/nop", b"{}")
        until("the agency answered", lambda: any("the agency sent HS11" in line for line in happened(row)))
        sent = [match[1] for line in happened(row) if (match := re.search(r"the agency sent (HS\d\d)", line))]
        assert sent == ["HS05", "HS03", "HS11"]
        call("POST", row["control"] + "/nut", b'{"who": "cong-thu", "fault": "expired", "times": 1}')
        _, said = call("POST", row["control"] + "/nop", b"{}")
        assert json.loads(said)["status"] == 422


def test_a_portal_s_first_dossier_is_answered(cli, tmp_path):
    with running(tmp_path / "s", "--role", "portal", "--pace", "0.1", "--fault", "so-thu=refuse:times=1") as row:
        assert row["knobs"]["ban"] == ["slow", "5xx", "cut", "cut-before", "duplicate"]
        assert call("POST", f"{row['ready']}/v1/messages", Path(row["files"][0]).read_bytes(), row["token"])[0] == 201
        config = ("--config", tmp_path / "s/nut/lienthong.toml")

        def held():
            rows = cli(*config, "lanes", "--held", "--json").out.splitlines()
            return [json.loads(line)["first"]["id"] for line in rows]

        until("the refusal holds its lane", held)
        (delivery,) = held()
        assert cli(*config, "replay", delivery, "--yes", "--reason", "test").code == 0
        until(
            "the statuses came",
            lambda: call("GET", f"{row['ready']}/v1/inbox?after=0", token=row["token"])[1].count(b"HS11"),
        )


def test_a_second_run_keeps_keys_and_token(tmp_path):
    first = prepare(tmp_path / "s", "one-stop")
    token, key = first.token, (first.yours / "khoa.pem").read_bytes()
    again = prepare(tmp_path / "s", "one-stop")
    assert (again.token, (again.yours / "khoa.pem").read_bytes()) == (token, key)
    assert (first.yours / "khoa.pem").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_somebody_else_s_is_left_alone(tmp_path):
    (tmp_path / "precious").write_text("x")
    with pytest.raises(Stopped) as stop:
        prepare(tmp_path, "portal")
    assert stop.value.problems[0].code == "SYS-046"
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize("fault", ["so-thu", "so-thu=fire", "nobody=slow", "ban=refuse", "so-thu=slow:seconds=x"])
def test_a_knob_that_there_is_not_is_wrong_usage(cli, tmp_path, fault):
    result = cli("sandbox", "--dir", tmp_path / "s", "--fault", fault)
    assert (result.code, "Traceback" in result.err) == (2, False)


def test_a_port_that_is_taken_is_told_by_its_option(cli, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = cli("sandbox", "--dir", tmp_path / "s", "--port", port, "--control", "0")
        assert (result.code, f"127.0.0.1:{port} (--port)" in result.err) == (1, True)
        result = cli("sandbox", "--dir", tmp_path / "s", "--port", "0", "--control", port)
        assert (result.code, f"127.0.0.1:{port} (--control)" in result.err) == (1, True)


# The relay in front of an integrator's endpoint


@pytest.fixture
def member():
    signer = pki.signer("so-tu-phap")
    key = SigningKey.load(signer.key_pem, signer.cert_pem, private_mode=False)
    return Member(id="x", identifier="H19.901", name="X", token="t", key=key, expired=key)


def relayed(member, *faults, posts=1):
    """What the endpoint got, and what the gateway would get, for so many deliveries under these knobs."""

    async def go():
        got, answers = [], []

        async def endpoint(request):
            got.append((await request.read(), request.headers.get("Idempotency-Key")))
            return web.Response(status=201, body=b"<x/>", content_type="application/xml")

        app = web.Application()
        app.router.add_post("/", endpoint)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        world = World("", member, member, bundled(), lambda vi, en: None, f"http://127.0.0.1:{runner.addresses[0][1]}/")
        port = await world.start("127.0.0.1", 0)
        for fault in faults:
            world.turn_knob({"who": "ban", **fault})
        async with aiohttp.ClientSession() as session:
            for _ in range(posts):
                try:
                    async with session.post(
                        f"http://127.0.0.1:{port}/tram", data=b"<a/>", headers={"Idempotency-Key": "k"}
                    ) as answer:
                        answers.append((answer.status, await answer.read()))
                except aiohttp.ClientError:
                    answers.append("cut")
        await world.stop()
        await runner.cleanup()
        return got, answers

    return asyncio.run(go())


def test_the_relay_hands_on_bytes_and_headers_and_the_answer(member):
    assert relayed(member) == ([(b"<a/>", "k")], [(201, b"<x/>")])


@pytest.mark.parametrize(
    ("fault", "got", "answer"),
    [("5xx", 0, 503), ("cut", 1, "cut"), ("cut-before", 0, "cut"), ("duplicate", 2, 201), ("slow", 1, 201)],
)
def test_the_relay_disturbs_the_way_as_its_knob_says(member, fault, got, answer):
    found, (first, second) = relayed(member, {"fault": fault, "times": 1, "seconds": 0.05}, posts=2)
    assert (len(found), first if isinstance(first, str) else first[0]) == (got + 1, answer)
    assert second == (201, b"<x/>")


def test_every_knob_belongs_to_somebody():
    assert {fault for faults in KNOBS.values() for fault in faults} == set(Fault) - {Fault.NONE}
    assert set(KNOBS) == set(KnobOwner)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("junk", "JSON ≠"),
        ("[]", "JSON ≠"),
        ('{"who": "ai"}', "who ai ≠ so-thu, cong-thu, ban"),
        ('{"who": "ban", "fault": "fire"}', "fault fire ≠ none, refuse"),
        ('{"who": "ban", "fault": "refuse"}', "ban: refuse ≠ slow, 5xx"),
        ('{"fault": "slow", "speed": 1}', "speed ≠ fault, times"),
        ('{"fault": "slow", "times": "x"}', "times ≠ 1, 2, 3…"),
        ('{"fault": "slow", "seconds": true}', "seconds ≠ 0…600"),
        ('{"fault": "refuse", "code": 1}', "code, ma_ho_so ≠"),
    ],
)
def test_a_knob_that_cannot_be_meant_is_answered_with_what_can(member, row, said):
    async def go():
        world = World("", member, member, bundled(), lambda vi, en: None)
        url = f"http://127.0.0.1:{await world.start('127.0.0.1', 0)}/nut"
        async with aiohttp.ClientSession() as session, session.post(url, data=row) as answer:
            found = answer.status, (await answer.json())["error"], [k for ks in world.knobs.values() for k in ks]
        await world.stop()
        return found

    status, error, turned = asyncio.run(go())
    assert (status, turned) == (400, [])
    assert error.startswith(said)


def test_the_fictional_agency_cuts_the_wire_without_a_word_in_its_log(member, caplog):
    async def go(fault):
        agency = Agency(member.key, "H19.901", "Sở", knobs=[Knob(fault)])
        runner, port = await serve(agency, "127.0.0.1", 0)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.post(f"http://127.0.0.1:{port}/lienthong", data=letters.dossier(1).body)
        await runner.cleanup()
        return len(agency.taken)

    assert [asyncio.run(go(fault)) for fault in (Fault.CUT, Fault.CUT_BEFORE)] == [1, 0]
    assert caplog.records == []


# -- settings from the environment -------------------------------------------------------------------------------------


def test_settings_of_the_environment_are_obeyed_or_refused_and_never_ignored(tmp_path, monkeypatch):
    ground = prepare(tmp_path / "san", "one-stop")
    monkeypatch.setenv("LIENTHONG_LIMITS_BODY_BYTES", "4096")
    monkeypatch.setenv("LIENTHONG_JSON", "1")
    handed_on = Play(None, ground, None, 0, 0, (), 1.0).environment()
    assert handed_on["LIENTHONG_LIMITS_BODY_BYTES"] == "4096"
    assert "LIENTHONG_JSON" not in handed_on  # an option of this command, not of those that it starts
    assert [note.code for note in obeyed(ground, {"LIENTHONG_LIMIT_BODY_BYTES": "1"})] == ["SYS-029"]
    for name, value, code in (
        ("LIENTHONG_DATABASE_URL", "sqlite:///x", "SYS-088"),
        ("LIENTHONG_WEB_PORT", "1", "SYS-088"),
        ("LIENTHONG_LIMITS_BODY_BYTES", "9", "SYS-015"),
    ):
        with pytest.raises(Stopped) as stop:
            obeyed(ground, {name: value})
        assert [problem.code for problem in stop.value.problems] == [code]
