"""samples/clients/*/chay-that, run as an integrator would: lost answers, false receipts, gaps, kills, restores, repeats.

One program a language; all say the same words, so one set of tests holds for all. The gateway is real, the wire misbehaves.
"""

import asyncio
import contextlib
import hashlib
import http.client
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import doors
import mail
import pki
import pytest
from alone import JAVAC, JVM
from lxml import etree
from nodes import free_port
from patience import PATIENCE_S, eventually
from wire import CUT, stretched

from connectors.http import HttpLine
from connectors.registry import installed
from gateway import wiring
from gateway.core.limits import DEFAULT_LIMITS
from gateway.core.model import DeliveryState
from gateway.core.parties import Parties, SigningCertificate
from gateway.services.certificate_status import doubt
from gateway.services.outbox import Outbox, Pace
from gateway.store import Store, open_engine
from signing.sign import sign

CLIENTS = pki.SAMPLES / "clients"
XML_CRYPTO = Path(__file__).resolve().parents[1] / "signing" / "node" / "node_modules"
NEEDS = {
    "python": (),
    "php": ("php",),
    "node": ("node", str(XML_CRYPTO / "xml-crypto" / "package.json")),
    "java": ("java", "javac"),
    "csharp": ("mcs", "mono", "openssl"),
    "curl": ("bash", "curl", "xmlsec1", "openssl", "systemd-socket-activate"),
}
PORTAL, AGENCY = "cong-dvc", "so-tu-phap"
RSA = {"gateway": "gateway-rsa", PORTAL: "look-alike", AGENCY: AGENCY}  # .NET's SignedXml knows no ECDSA


def needed(language):
    """Skips on a laptop without the language; on CI its absence is a failure (.ci/run installs it)."""
    missing = [name for name in NEEDS[language] if not (shutil.which(name) or Path(name).is_file())]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} must be installed on CI")
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed here")


class Program:
    """One language's program: how it is called, and which keys it takes."""

    def __init__(self, language, place):
        self.language, self.rsa, self.place = language, language == "csharp", place
        self.first = getattr(self, f"_{language}")()

    def _python(self):
        return [sys.executable, str(CLIENTS / "python" / "chay_that.py")]

    def _php(self):
        return ["php", "-derror_reporting=E_ALL", "-ddisplay_errors=stderr", str(CLIENTS / "php" / "chay-that.php")]

    def _node(self):  # packages are looked for beside the program
        shutil.copytree(CLIENTS / "node", self.place / "node")
        shutil.copy(CLIENTS / "bien-nhan.xml", self.place)
        shutil.copy(CLIENTS / "ho-so.xml", self.place)
        (self.place / "node" / "node_modules").symlink_to(XML_CRYPTO)
        return ["node", str(self.place / "node" / "chay-that.mjs")]

    def _java(self):
        sources = sorted((CLIENTS / "java").glob("*.java"))
        subprocess.run([*JAVAC, "-encoding", "UTF-8", "-d", self.place, *sources], timeout=PATIENCE_S, check=True)
        quick = (*JVM, "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8")
        return ["java", *quick, f"-Dmau={CLIENTS}", "-cp", str(self.place), "ChayThat"]

    def _csharp(self):
        sources = [str(CLIENTS / "csharp" / name) for name in ("ChayThat.cs", "GuiHoSo.cs")]
        more = ["-langversion:7", "-warnaserror", "-r:System.Security", "-r:System.Net.Http", "-main:ChayThat"]
        subprocess.run(["mcs", *more, f"-out:{self.place / 'ChayThat.exe'}", *sources], timeout=PATIENCE_S, check=True)
        return ["mono", str(self.place / "ChayThat.exe")]

    def _curl(self):
        return ["bash", str(CLIENTS / "curl" / "chay-that.sh")]

    def pair(self, party):
        """The key and certificate that a party signs with, as this language wants them."""
        signer = pki.signer(RSA[party] if self.rsa else party)
        if self.language != "csharp":
            return [str(signer.key_pem), str(signer.cert_pem)]
        file = self.place / f"{party}.pfx"
        if not file.exists():
            old = [
                "-certpbe",
                "PBE-SHA1-3DES",
                "-keypbe",
                "PBE-SHA1-3DES",
                "-macalg",
                "sha1",
                "-passout",
                "pass:mat-khau",
            ]
            both = ["-inkey", str(signer.key_pem), "-in", str(signer.cert_pem), "-out", str(file)]
            subprocess.run(["openssl", "pkcs12", "-export", *both, *old], timeout=PATIENCE_S, check=True)
        return [str(file), "mat-khau"]

    def command(self, url, party, verb, *more):
        truc = pki.signer(RSA["gateway"] if self.rsa else "gateway")
        return [*self.first, url, pki.token(party), *self.pair(party), str(truc.cert_pem), verb, *map(str, more)]

    def run(self, folder, *args, fails=False):
        """Lets it do its work; gives what it printed."""
        env = {**os.environ, "LC_ALL": "C.UTF-8", "MAU": str(CLIENTS), "PYTHONUTF8": "1"}
        done = subprocess.run(
            self.command(*args), capture_output=True, timeout=PATIENCE_S, check=False, cwd=folder, env=env
        )
        said = done.stdout.decode() + done.stderr.decode()
        # Mono's runtime sometimes aborts while it ends its threads, when the client has done and said everything.
        aborted = self.rsa and "Assertion at mono-threads.c" in said
        assert (done.returncode != 0) == fails or aborted, said
        return said.splitlines()

    @contextlib.contextmanager
    def running(self, folder, *command):
        """A process of it, and a function that gives its next line."""
        env = {**os.environ, "LC_ALL": "C.UTF-8", "MAU": str(CLIENTS), "PYTHONUTF8": "1"}
        with subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, start_new_session=True
        ) as process:
            silent = threading.Timer(PATIENCE_S, process.kill)  # so that nobody waits for ever for a line
            silent.start()
            try:
                yield process, lambda: process.stdout.readline().decode().rstrip()
            finally:
                silent.cancel()
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Programs, each compiled once."""
    known = {}

    def make(language):
        needed(language)
        if language not in known:
            known[language] = Program(language, tmp_path_factory.mktemp(language))
        return known[language]

    return make


@pytest.fixture(params=NEEDS)
def program(request, made):
    return made(request.param)


@pytest.fixture
def gate(bare_gate, sqlite_store, sample_settings, program):
    """The gateway of the samples; where the language signs by RSA only, it and the portal have RSA keys."""
    if not program.rsa:
        return replace(bare_gate, store=sqlite_store)
    signer, key = pki.signer(RSA[PORTAL]), mail.key(RSA["gateway"])
    one = SigningCertificate(der=signer.der, fingerprint=signer.fingerprint, tree=None)
    theirs = [replace(p, certificates=(*p.certificates, one)) if p.id == PORTAL else p for p in pki.parties()]
    parties = wiring.with_ourselves(Parties(theirs), sample_settings, key)
    return replace(bare_gate, store=sqlite_store, key=key, parties=parties, trust=mail.trust_in(parties))


# -- sending --


def spoilt(receipt):
    """A receipt that somebody changed on the way."""
    assert b">CHAP_NHAN<" in receipt
    return receipt.replace(b">CHAP_NHAN<", b">TU_CHOI<")


def forged(receipt, key):
    """The same receipt, signed by somebody else, whose certificate comes along."""
    root = etree.fromstring(receipt)
    root.remove(root.find("{http://www.w3.org/2000/09/xmldsig#}Signature"))
    return sign(etree.tostring(root, encoding="UTF-8"), key, at=datetime.now(UTC))


def test_a_lost_answer_is_asked_for_with_the_same_bytes_and_only_a_genuine_receipt_is_kept(door, program, tmp_path):
    with stretched(door.port) as wire:
        url = f"http://127.0.0.1:{wire.port}"
        wire.tricks = [("/v1/messages", None, lambda _: CUT), ("/v1/messages", None, spoilt)]
        told = program.run(tmp_path, url, PORTAL, "gui", fails=True)
        assert told[0].startswith("GUI LAI"), told
        assert any(line.startswith("KHONG TIN") for line in told[1:]), told
        other = mail.key(AGENCY if program.rsa else "so-xay-dung")
        wire.tricks = [("/v1/messages", None, lambda receipt: forged(receipt, other))]
        assert any("KHONG TIN" in line for line in program.run(tmp_path, url, PORTAL, "gui", fails=True))
        (last,) = program.run(tmp_path, url, PORTAL, "gui")
        assert len(wire.sent) == 4
        assert len(set(wire.sent)) == 1, "the same bytes each time, also by another process"
        ma = etree.fromstring(wire.sent[0]).findtext("{*}MaThongDiep")
        assert last == f"BIEN NHAN CHAP_NHAN 200 {ma}"
    with door.gate.store.read() as view:
        assert [record.state for record in view.messages(limit=10) if record.loai == "HS01"] == ["accepted"]


# -- the inbox --


def news(door, count):
    """So many more messages for the portal."""
    made = []
    for _ in range(count):
        code = mail.ma_ho_so()
        assert door.send(mail.nop(code), PORTAL).status == 201
        made.append(mail.tiep_nhan(code))
        assert door.send(made[-1], "ubnd-xa-thu-nghiem").status == 201
    return made


@contextlib.contextmanager
def restored(gate, settings, backup):
    """A gateway whose database is a backup's, and the generation that begins."""
    engine = open_engine(f"sqlite:///{backup}")
    store = Store(engine)
    with store.begin() as tx:
        generation = tx.begin_generation(who="operator:test", reason="thử", now=datetime.now(UTC))
    door = doors.Door(replace(gate, store=store), settings)
    try:
        yield door, generation
    finally:
        door.stop()
        engine.dispose()


def test_the_inbox_loop_survives_kills_gaps_and_a_restore(open_door, program, sqlite_url, tmp_path):
    door = open_door(page=2)
    news(door, 3)
    backup = tmp_path / "sao-luu.db"
    file = sqlite_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(file)) as now, contextlib.closing(sqlite3.connect(backup)) as then:
        now.backup(then)
    late = news(door, 2)
    with stretched(door.port) as wire:
        url = f"http://127.0.0.1:{wire.port}"
        wire.tricks = [("after=2&", None, wire.hold)]
        with program.running(tmp_path, *program.command(url, PORTAL, "lay")) as (process, line):
            assert [line(), line()] == ["HOP THU 1 HS03", "HOP THU 2 HS03"]
            assert wire.holding.wait(PATIENCE_S)
            process.kill()  # between two pages
        before = len(wire.asked)
        wire.tricks = [("after=2&", lambda path: path.replace("after=2&", "after=3&"), None)]  # 3 is not in the page
        with program.running(tmp_path, *program.command(url, PORTAL, "lay")) as (process, line):
            assert line() == "THIEU 3"
            assert [line(), line(), line()] == [f"HOP THU {n} HS03" for n in (3, 4, 5)]
            assert "after=2&" in wire.asked[before], "it goes on from the position that was stored"
            with restored(door.gate, door.settings, backup) as (again, generation):
                news(again, 1)  # position 4 is another message's now
                wire.to = again.port
                door.stop()
                while (said := line()) == "MAT KET NOI":
                    pass
                assert said == f"HOI LAI TU 3 {generation}"
                assert line() == "HOP THU 4 HS03"
                code = etree.fromstring(late[1]).findtext("{*}MaHoSo")
                filed = mail.nop(code)
                assert again.send(filed, PORTAL).status == 201
                assert again.send(late[1], "ubnd-xa-thu-nghiem").status == 201  # its sender has sent it again
                assert line() == "DA CO 5 HS03"
                wire.tricks = [("/inbox", lambda path: re.sub("after=[0-9]+", "after=5000", path), None)]
                news(again, 1)  # ends the waiting of a question that is under way
                assert b"SYS-143" in process.stdout.read()
                assert process.wait(PATIENCE_S) != 0, "a position of another gateway is for a person"


# -- being pushed to --


def pushed(port, message, ma):
    """Hands a message to the receiver as the gateway does; its answer."""
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        wire.request("POST", "/", message, {"MaThongDiep": ma, "Content-Type": "application/xml"})
        answer = wire.getresponse()
        return answer.status, answer.read()
    finally:
        wire.close()


def test_what_is_pushed_is_answered_by_a_signed_receipt_that_the_gateway_believes(door, program, tmp_path):
    gate = door.gate
    message = mail.nop(to=AGENCY)
    ma = etree.fromstring(message).findtext("{*}MaThongDiep")
    assert door.send(message, PORTAL).status == 201
    port = free_port()
    command = program.command("http://127.0.0.1:1", AGENCY, "nhan", port)
    if program.language == "curl":  # a shell cannot listen; this is what its head says
        command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--accept", "--inetd", *command[:-1]]
    received = []

    def seen(answer):
        received.append(answer)
        return CUT if len(received) == 1 else answer

    with stretched(port) as wire, program.running(tmp_path, *command) as (_, line):
        wire.tricks = [("/", None, seen), ("/", None, seen)]
        if program.language == "curl":
            assert eventually(lambda: open_at(port))
        else:
            assert line() == f"NGHE {port}"
        theirs = {"url": f"http://127.0.0.1:{wire.port}/", "private_addresses": True, "timeout_s": 60.0}
        parties = Parties(
            [replace(p, connector="rest", connector_settings=theirs) if p.id == AGENCY else p for p in gate.parties]
        )
        clock = {"now": datetime.now(UTC)}

        def doubted(answer, parcel, at):
            return doubt(answer, parcel, gate.trust, parties, at, DEFAULT_LIMITS)

        async def deliver():
            async with HttpLine() as http_line:
                box = Outbox(gate.store, parties, installed(), lambda: clock["now"], http_line, Pace(), doubted)
                for _ in range(2):  # the first answer is lost on the way
                    await box.turn()
                    await box.settled()
                    clock["now"] += timedelta(hours=1)
                await box.finish()

        asyncio.run(deliver())
        with gate.store.read() as view:
            (delivery,) = view.deliveries(party=AGENCY)
            attempts = sorted(view.attempts(delivery.id), key=lambda one: one.number)
        assert delivery.state is DeliveryState.DELIVERED
        assert [a.problem and a.problem.code for a in attempts][1:] == [None], "the gateway believes the receipt"
        assert len(attempts) == 2
        assert received[0] == received[1], "a repeat gets the first receipt"
        assert hashlib.sha256(message).hexdigest().encode() in received[0]
        assert pushed(port, message + b" ", ma)[0] == 422
        assert pushed(port, mail.nop(to=AGENCY), str(uuid.uuid4()))[0] == 200


def open_at(port):
    with contextlib.suppress(OSError), http.client.socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
