"""samples/clients/python/chay_that.py, run as an integrator would: lost answers, receipts, positions, pushes."""

import hashlib
import http.client
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mail
import pki
import pytest
from lxml import etree
from patience import PATIENCE_S

SCRIPT = pki.SAMPLES / "clients" / "python" / "chay_that.py"


def command(url, party, verb, *more, gateway="gateway"):
    signer, truc = pki.signer(party), pki.signer(gateway)
    pair = (signer.key_pem, signer.cert_pem, truc.cert_pem)
    return [sys.executable, str(SCRIPT), url, pki.token(party), *map(str, pair), verb, *map(str, more)]


def run(folder, *args, fails=False, **more):
    done = subprocess.run(
        command(*args, **more), capture_output=True, timeout=PATIENCE_S, check=False, cwd=folder, text=True
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return (done.stdout + done.stderr).splitlines()


@contextmanager
def losing(door, answers):
    """A wire that carries every request to the door and loses the first answers."""
    left = [answers]

    class Wire(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            upstream = http.client.HTTPConnection("127.0.0.1", door.port, timeout=PATIENCE_S)
            upstream.request("POST", self.path, body, dict(self.headers))
            response = upstream.getresponse()
            said = response.read()
            upstream.close()
            if left[0]:
                left[0] -= 1
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(response.status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Wire)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_answer_that_was_lost_is_asked_for_with_the_same_bytes_and_the_receipt_is_verified(door, tmp_path):
    with losing(door, 1) as url:
        told = run(tmp_path, url, "cong-dvc", "gui")
    assert told[0].startswith("GUI LAI")
    assert told[1].startswith("BIEN NHAN CHAP_NHAN ")
    with door.gate.store.read() as view:
        assert [record.state for record in view.messages(limit=10) if record.loai == "HS01"] == ["accepted"]


def test_a_receipt_of_somebody_else_is_not_believed(door, tmp_path):
    told = run(tmp_path, f"http://127.0.0.1:{door.port}", "cong-dvc", "gui", gateway="so-tu-phap", fails=True)
    assert "signxml" in told[-1]


def test_the_inbox_goes_on_from_the_position_that_was_stored(door, tmp_path):
    url = f"http://127.0.0.1:{door.port}"
    door.send(mail.nop(), "cong-dvc")
    assert run(tmp_path, url, "ubnd-xa-thu-nghiem", "lay") == ["HOP THU 1 HS01", "DA NHAN TOI 1"]
    door.send(mail.nop(), "cong-dvc")
    assert run(tmp_path, url, "ubnd-xa-thu-nghiem", "lay") == ["HOP THU 2 HS01", "DA NHAN TOI 2"]


@pytest.fixture
def receiver(tmp_path):
    """The receiver's port."""
    with subprocess.Popen(
        command("http://127.0.0.1:1", "ubnd-xa-thu-nghiem", "nhan", 0),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as server:
        word, port = server.stdout.readline().split()
        assert word == b"NGHE"
        yield int(port)
        server.terminate()


def test_what_is_pushed_is_answered_by_a_signed_receipt_that_the_gateway_believes(door, receiver):
    message = mail.nop()
    ma = etree.fromstring(message).findtext("{*}MaThongDiep")

    def pushed(body):
        wire = http.client.HTTPConnection("127.0.0.1", receiver, timeout=PATIENCE_S)
        wire.request("POST", "/", body, {"MaThongDiep": ma, "Content-Type": "application/xml"})
        answer = wire.getresponse()
        said = answer.status, answer.read()
        wire.close()
        return said

    status, receipt = pushed(message)
    assert status == 200
    assert pushed(message) == (status, receipt), "a repeat gets the first receipt"
    assert hashlib.sha256(message).hexdigest().encode() in receipt
    assert door.send(message, "cong-dvc").status == 201
    judged = door.send(receipt, "ubnd-xa-thu-nghiem", path="/v1/messages/check")
    assert (judged.status, judged.json.get("KetQua")) == (200, "accepted"), judged.body.decode()
    assert pushed(message + b" ")[0] == 422
