"""The conformance kit, tried on what is right (our own door) and on what is wrong in known ways."""

import hashlib
import http.client
import json
import os
import re
import selectors
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pki
import pytest
from aiohttp import web
from patience import PATIENCE_S, eventually
from serving import served

from gateway.cli.play.agency import Agency, parse_knob
from gateway.cli.play.kit import CASES, Mark, Result, TrialExchange
from gateway.cli.play.pulling import Asked, Watch
from gateway.cli.play.report import ConformanceReport, as_html, as_rows, demands
from signing.sign import SigningKey

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG_")}
SENDER = ("--from", "H19.909", "--key", pki.signer("cong-dvc").key_pem, "--cert", pki.signer("cong-dvc").cert_pem)


@contextmanager
def process(*arguments, folder=None, **variables):
    """A command that goes on; gives it and its first row."""
    running = subprocess.Popen(
        [sys.executable, "-m", "gateway", *map(str, arguments), "--json"],
        cwd=folder,
        env={**ENVIRONMENT, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(running.stdout, selectors.EVENT_READ)
            assert selector.select(PATIENCE_S)
        line = running.stdout.readline()
        assert line, running.stderr.read().decode()
        yield running, json.loads(line)
    finally:
        if running.poll() is None:
            running.terminate()
            try:
                running.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
        running.stdout.close()
        running.stderr.close()


@contextmanager
def agency(*knobs):
    """The lenient agency of the demonstration, in a thread."""
    signer = pki.signer("so-tu-phap")
    made = Agency(SigningKey.load(signer.key_pem, signer.cert_pem, private_mode=False), "H19.901", "Sở")
    made.knobs = [parse_knob(knob) for knob in knobs]
    with served(made.app()) as url:
        yield f"{url}/lienthong"


class SoapParty:
    """A party with our SOAP service, as far as it takes a message and says so."""

    def __init__(self):
        self.calls = []

    def app(self):
        app = web.Application()
        app.router.add_post("/soap", self.take)
        return app

    async def take(self, request):
        self.calls.append(await request.read())
        answer = "<GuiThongDiepResponse xmlns='http://www.dongnai.gov.vn/lienthong/dichvu/1.0'><TraLoi/></GuiThongDiepResponse>"
        soap = "http://schemas.xmlsoap.org/soap/envelope/"
        body = f"<s:Envelope xmlns:s='{soap}'><s:Body>{answer}</s:Body></s:Envelope>"
        return web.Response(text=body, content_type="text/xml")


def marks(result):
    return {row["case"]: row["mark"] for row in result.rows if "case" in row}


def test_our_own_door_passes_every_case(cli, office, tmp_path, monkeypatch):
    monkeypatch.setenv("KIT_TOKEN", "Bearer TEST-ONLY-cong-dvc")
    out = tmp_path / "r"
    with process("serve", "--workers", "1", "--port", "0", folder=office.folder) as (_, row):
        result = cli(
            "conformance", "--url", f"{row['ready']}/v1/messages", "--identifier", "H19.901", *SENDER,
            "--authorization", "env:KIT_TOKEN", "-o", out, "--json",
        )  # fmt: skip
    assert {case: mark for case, mark in marks(result).items() if mark != "passed"} == {}, result.out
    assert result.code == 0
    assert set(marks(result)) == {case.name for case in CASES}
    written = json.loads((out / "bao-cao.json").read_text("utf-8"))
    assert (written["passed"], len(written["results"])) == (True, len(CASES))
    assert "ĐẠT / PASSED" in (out / "bao-cao.html").read_text("utf-8")


def test_an_agency_that_verifies_nothing_fails_where_it_should(cli, tmp_path):
    with agency() as url:
        result = cli("conformance", "--url", url, "--identifier", "H19.901", *SENDER, "-o", tmp_path / "r", "--json")
    assert result.code == 1
    failed = {case for case, mark in marks(result).items() if mark == "failed"}
    assert failed == {"wrong-signature", "stranger", "unsigned", "wrong-schema"}
    assert marks(result)["credentials"] == "warned"
    assert "KHÔNG ĐẠT" in (tmp_path / "r" / "bao-cao.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("knob", "case"), [("garbage", "good"), ("5xx", "good"), ("cut", "repeat"), ("refuse", "burst")]
)
def test_an_endpoint_that_misbehaves_fails_the_case_for_it(cli, tmp_path, knob, case):
    with agency(knob) as url:
        result = cli(
            "conformance", "--url", url, "--identifier", "H19.901", *SENDER, "--case", case, "-o", tmp_path, "--json"
        )
    assert (result.code, marks(result)) == (1, {case: "failed"})


def test_a_party_is_tried_by_its_own_profile_and_connector(cli, office, tmp_path):
    file = office.folder / "parties" / "so-tu-phap.toml"
    with agency() as url:
        text = file.read_text("utf-8").replace("http://127.0.0.1:8091/lienthong", url)
        file.write_text(text, "utf-8")
        result = cli("conformance", "--party", "so-tu-phap", *SENDER, "--case", "good", "-o", tmp_path, "--json")
    assert (result.code, marks(result)) == (0, {"good": "passed"})


def test_a_party_that_speaks_soap_is_tried_by_soap(cli, office, tmp_path):
    soap = SoapParty()
    with served(soap.app()) as url:
        file = office.folder / "parties" / "so-tu-phap.toml"
        text = file.read_text("utf-8")
        start = text.index("connector =")
        more = f'connector = {{ name = "soap", url = "{url}/soap", private_addresses = true, timeout_s = 10 }}'
        file.write_text(text[:start] + more + text[text.index("\n", start) :], "utf-8")
        asked = ("--case", "good", "--case", "lost-answer", "--case", "credentials")
        result = cli("conformance", "--party", "so-tu-phap", *SENDER, *asked, "-o", tmp_path, "--json")
    assert marks(result) == {"good": "passed", "lost-answer": "skipped", "credentials": "skipped"}
    assert len(soap.calls) == 1
    assert b"GuiThongDiep" in soap.calls[0]


def test_a_test_sender_s_key_is_made_once_and_kept(cli, tmp_path):
    with agency() as url:
        first = cli("conformance", "--url", url, "--case", "good", "-o", tmp_path / "r")
        key = (tmp_path / "r" / "ben-gui.key.pem").read_bytes()
        second = cli("conformance", "--url", url, "--case", "good", "-o", tmp_path / "r")
    assert ("ben-gui.cert.pem" in first.err, "ben-gui.cert.pem" in second.err) == (True, False)
    assert (tmp_path / "r" / "ben-gui.key.pem").read_bytes() == key


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--url", "http://a", "--inbox"],
        ["--url", "http://a", "--case", "nonsense"],
        ["--url", "http://a", "--role", "portal"],
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(cli, tmp_path, arguments):
    assert cli("conformance", *arguments, "-o", tmp_path).code == 2


def test_nobody_listening_is_a_failed_case_and_no_crash(cli, tmp_path):
    result = cli("conformance", "--url", "http://127.0.0.1:9/x", "-o", tmp_path, "--json")
    assert result.code == 1
    assert marks(result)["good"] == "failed"


# An inbox client


def client(url, token, *, fetch=True, careful=True):
    """A client that pulls until the kit has seen enough; a careless one takes a broken answer for a whole one."""
    after = 0

    def pull():
        nonlocal after
        try:
            page = json.loads(_get(f"{url}/v1/inbox?after={after}&limit=2&wait=1", token))
        except (OSError, ValueError, http.client.HTTPException) as error:
            if isinstance(getattr(error, "reason", None), ConnectionRefusedError):
                return True
            after += 0 if careful else 2
            return False
        for row in page["DanhSachMuc"] or ():
            if fetch:
                _get(f"{url}{row['DuongDan']}", token)
            after = row["ViTri"]
        return False

    assert eventually(pull, every_s=0.1)


def _get(url, token):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return answer.read()


def pulled(tmp_path, role="one-stop", **how):
    with process(
        "conformance", "--inbox", "--role", role, "--port", "0", "--wait", PATIENCE_S, "-o", tmp_path / "r"
    ) as (
        running,
        row,
    ):
        client(row["ready"], row["token"], **how)
        out, _ = running.communicate(timeout=PATIENCE_S)
        rows = [json.loads(line) for line in out.decode().splitlines()]
        return running.returncode, {row["case"]: row["mark"] for row in rows if "case" in row}


@pytest.mark.parametrize("role", ["one-stop", "portal"])
def test_a_careful_client_passes(tmp_path, role):
    code, found = pulled(tmp_path, role)
    assert {case: mark for case, mark in found.items() if mark != "passed"} == {}
    assert code == 0


def test_a_client_that_takes_a_broken_answer_for_a_whole_one_is_found_out(tmp_path):
    code, found = pulled(tmp_path, careful=False, fetch=False)
    assert code == 1
    assert (found["asks-again"], found["skips-nothing"], found["originals"]) == ("failed", "failed", "warned")


def asked(*rows):
    watch = Watch("", "")
    watch.asked = [
        Asked(after, float(number), served, disturbed, True) for number, (after, served, disturbed) in enumerate(rows)
    ]
    return {result.case: result.mark for result in watch.results(4)}


def test_the_watch_tells_a_skip_from_a_repeat():
    assert asked((0, 2, None), (2, 4, None), (4, 4, None))["skips-nothing"] is Mark.PASSED
    assert asked((0, 2, None), (3, 4, None))["skips-nothing"] is Mark.FAILED
    assert asked((0, 2, None), (0, 2, None), (4, 4, None))["skips-nothing"] is Mark.FAILED
    assert asked((0, 2, None), (0, 2, None), (2, 4, None))["skips-nothing"] is Mark.PASSED


def test_the_watch_says_when_nobody_came():
    assert asked()["pulls"] is Mark.FAILED


def a_report(*results, **about):
    at = datetime(2026, 1, 15, 1, 2, 3, tzinfo=UTC)
    return ConformanceReport(about, results, at, at + timedelta(seconds=9))


def test_the_report_escapes_what_comes_from_outside():
    nasty = "<script>alert(1)</script>\u202e"
    exchange = TrialExchange(datetime.now(UTC), nasty, 3, "ab" * 32, "taken", nasty, nasty, 3, 1)
    result = Result("good", Mark.FAILED, "x", "y", 1, nasty, (exchange,))
    page = as_html(a_report(result, party="<b>", url=nasty), "00")
    assert "<script>" not in page
    assert "&lt;b&gt;" in page
    assert "\u202e" not in page
    assert not as_rows(a_report(result))["passed"]


def test_the_report_needs_nothing_from_elsewhere():
    page = as_html(a_report(Result("good", Mark.PASSED, "x", "y")), "00")
    assert not re.search(r"(src|href|url|@import)\s*[=(]", page)
    assert "http" not in page


def test_a_report_of_some_cases_says_that_it_is_not_whole():
    some = a_report(Result("good", Mark.PASSED, "x", "y"))
    every = a_report(*(Result(case.name, Mark.PASSED, "x", "y") for case in CASES))
    assert [as_rows(one)["complete"] for one in (some, every)] == [False, True]
    assert "không thay cho báo cáo đầy đủ" in as_html(some, "00")
    assert "không thay cho báo cáo đầy đủ" not in as_html(every, "00")


def test_the_report_says_who_when_what_was_sent_and_what_came_of_it(cli, tmp_path):
    asked = ("--system", "Một cửa 3.2", "--by", "Công ty X", "--case", "good", "--case", "lost-answer")
    with agency() as url:
        result = cli("conformance", "--url", url, "--identifier", "H19.901", *SENDER, *asked, "-o", tmp_path, "--json")
    assert (result.code, result.rows[-1]["complete"]) == (0, False)
    text = (tmp_path / "bao-cao.json").read_text("utf-8")
    found = json.loads(text)
    assert (found["system"], found["by"], found["url"], found["messages"]) == (
        "Một cửa 3.2",
        "Công ty X",
        url,
        "HS01 1.0 (NopHoSo)",
    )
    assert found["kit"].startswith("lienthong conformance ")
    assert datetime.fromisoformat(found["began"]) <= datetime.fromisoformat(found["ended"])
    good, lost = found["results"]
    (sent,) = good["exchanges"]
    assert re.fullmatch(r"HS01 [0-9a-f-]{36} H19\.901-\d{6}-\d{6}", sent["what"])
    assert (sent["came"], sent["seen"].split()[:2]) == ("taken", ["BienNhan", "CHAP_NHAN"])
    assert "<lt:ThongDiep" in sent["answer"]
    first, second = lost["exchanges"]
    assert (first["came"], second["came"]) == ("no answer read", "taken")
    assert first["what"] == second["what"]
    page = (tmp_path / "bao-cao.html").read_text("utf-8")
    assert hashlib.sha256(text.encode()).hexdigest() in page
    assert sent["sent_sha256"][:16] in page
    assert "Một cửa 3.2" in page


def test_every_case_says_what_it_demands_in_both_languages():
    assert all(vi and en and vi != en for vi, en in demands().values())
