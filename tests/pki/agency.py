"""An agency's one-stop system on loopback: takes messages over HTTP, keeps what it took, can be made to misbehave."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from patience import PATIENCE_S, eventually


@dataclass
class Agency:
    """What it took, and how it behaves. It honours ids: the same message again is the same effect."""

    arrivals: list[tuple[str, str]] = field(default_factory=list)  # (MaThongDiep, SHA-256) of every request, in order
    taken: dict[str, bytes] = field(default_factory=dict)  # MaThongDiep -> bytes: its effects
    status: int = 200
    say: dict[str, bytes] = field(default_factory=dict)  # MaThongDiep -> what is answered, XML; nothing to all others
    hold: threading.Event | None = None  # while set to an event that is not set: takes the request, does not answer
    reached: threading.Event = field(default_factory=threading.Event)  # somebody is being held
    port: int = 0

    @property
    def url(self) -> str:
        """Where messages are posted."""
        return f"http://127.0.0.1:{self.port}/lienthong"

    def take(self, handler: BaseHTTPRequestHandler) -> int:
        """One request; the status to answer."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        ma_thong_diep = handler.headers["MaThongDiep"]
        self.arrivals.append((ma_thong_diep, hashlib.sha256(body).hexdigest()))
        if self.status < 300:
            known = self.taken.setdefault(ma_thong_diep, body)
            assert known == body, f"{ma_thong_diep} came with other bytes"
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
            status = state.take(self)
            try:
                self.send_response(status)
                said = state.say.get(self.headers["MaThongDiep"], b"")
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
            except OSError:
                self.close_connection = True  # whoever asked is dead

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
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
