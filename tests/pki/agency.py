"""An agency's one-stop system on loopback: takes messages over HTTP, keeps what it took, can be made to misbehave."""

from __future__ import annotations

import hashlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from patience import PATIENCE_S, eventually

FAULTS = ("drops", "fails", "fails-after", "late", "garbage", "cuts")
"""Before it takes the message: the connection breaks, HTTP 500. After it: HTTP 500; no answer in time; a log-in page; half an answer."""
LATE_S = 3.0  # longer than the gateway of the tests waits


@dataclass
class Agency:
    """What it took, and how it behaves. It honours ids: the same message again is the same effect."""

    arrivals: list[tuple[str, str]] = field(default_factory=list)  # (MaThongDiep, SHA-256) of every request, in order
    taken: dict[str, bytes] = field(default_factory=dict)  # MaThongDiep -> bytes: its effects
    status: int = 200
    say: dict[str, bytes] = field(default_factory=dict)  # MaThongDiep -> what is answered, XML; nothing to all others
    hold: threading.Event | None = None  # while set to an event that is not set: takes the request, does not answer
    reached: threading.Event = field(default_factory=threading.Event)  # somebody is being held
    fault: Callable[[], str] = lambda: ""  # what is wrong with the next request, one of FAULTS, or nothing
    wrong: list[str] = field(default_factory=list)  # what no gateway may do
    asked: int = 0  # how often it was asked about a message
    waiting: dict[str, bytes] = field(default_factory=dict)  # MaThongDiep -> bytes: what it keeps to be fetched
    port: int = 0

    @property
    def url(self) -> str:
        """Where messages are posted."""
        return f"http://127.0.0.1:{self.port}/lienthong"

    @property
    def fetch_url(self) -> str:
        """Where its oldest message is fetched, and acknowledged under its name."""
        return f"http://127.0.0.1:{self.port}/waiting"

    def take(self, handler: BaseHTTPRequestHandler) -> int:
        """One request; the status to answer."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        ma_thong_diep = handler.headers["MaThongDiep"]
        self.arrivals.append((ma_thong_diep, hashlib.sha256(body).hexdigest()))
        fault = self.fault()
        if fault == "drops":
            handler.connection.shutdown(socket.SHUT_RDWR)
            return 500
        if fault == "fails":
            return 500
        if self.status < 300:
            known = self.taken.setdefault(ma_thong_diep, body)
            if known != body:
                self.wrong.append(f"{ma_thong_diep} came with other bytes")
        if fault == "fails-after":
            return 500
        if fault == "late":
            time.sleep(LATE_S)
        if fault == "garbage":
            self.say[ma_thong_diep] = b"<!DOCTYPE html><html><body>Log in</body></html>"
        elif fault == "cuts":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: 4000\r\n\r\n<lt:")
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
        elif self.say.get(ma_thong_diep, b"").startswith(b"<!DOCTYPE"):
            del self.say[ma_thong_diep]  # this time it answers as it should
        if self.hold is not None:
            self.reached.set()
            self.hold.wait(PATIENCE_S)
        return self.status

    def wait_for(self, count: int) -> None:
        """Until it has taken this many different messages."""
        assert eventually(lambda: len(self.taken) >= count), f"{len(self.taken)} of {count} arrived"


@contextmanager
def agency(port: int = 0) -> Iterator[Agency]:
    """An agency that listens until the end of the block."""
    state = Agency()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            try:
                fetched, _, ma_thong_diep = self.path.rpartition("/")
                if fetched == "/waiting":
                    self.rfile.read(int(self.headers["Content-Length"]))
                    del state.waiting[ma_thong_diep]
                    self.send_response(204)
                    self.end_headers()
                    return
                status = state.take(self)
                self.send_response(status)
                said = state.say.get(self.headers["MaThongDiep"], b"")
                self.send_header("Content-Type", "text/html" if said.startswith(b"<!DOCTYPE") else "application/xml")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
            except OSError:
                self.close_connection = True  # whoever asked is dead

        def do_GET(self) -> None:
            """Its oldest message, or 204; whether it has a message: its bytes, or 404."""
            if self.path == "/waiting":
                self._oldest()
                return
            state.asked += 1
            known = state.taken.get(self.path.rsplit("/", 1)[-1])
            try:
                self.send_response(404 if known is None else 200)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(known or b"")))
                self.end_headers()
                self.wfile.write(known or b"")
            except OSError:
                self.close_connection = True

        def _oldest(self) -> None:
            ma_thong_diep, body = next(iter(state.waiting.items()), ("", b""))
            self.send_response(200 if body else 204)
            if body:
                self.send_header("MaThongDiep", ma_thong_diep)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Whoever asked was killed: nothing to say."""
            if not isinstance(sys.exception(), OSError):
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", port), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        if state.hold is not None:
            state.hold.set()
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)
