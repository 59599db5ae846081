"""A real proxy on loopback: CONNECT, absolute-form, an account where one is set, and the faults that proxies have."""

from __future__ import annotations

import base64
import contextlib
import re
import select
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

from patience import PATIENCE_S

BYTES = 64 * 1024


class Proxy:
    """``asked``: the request lines that came. ``names``: where hosts live that only the proxy knows."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.greetings: list[str | None] = []
        self.names: dict[str, tuple[str, int]] = {}
        self.account: str | None = None  # "user:password"
        self.says: bytes | None = None  # the answer to everything, in place of what was asked for
        self.silent = False
        self.over = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def place(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    @property
    def url(self) -> str:
        """As settings name it."""
        return f"http://{self.place}"

    def close(self) -> None:
        """It is switched off, with all that goes through it."""
        self.over.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                wire, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        self._open.add(wire)
        with wire, contextlib.suppress(OSError, ValueError):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (came := wire.recv(BYTES)):
                    return
                head += came
            head, _, rest = head.partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            greeting = next((f.partition(":")[2].strip() for f in fields if f.lower().startswith("proxy-auth")), None)
            self.asked.append(line)
            self.greetings.append(greeting)
            if self.silent:
                self.over.wait()
            elif self.says is not None:
                wire.sendall(self.says)
            elif self.account is not None and greeting != _basic(self.account):
                wire.sendall(answer(407, "Proxy-Authenticate: Basic realm=x"))
            else:
                self._carry(wire, line, fields, rest)
        self._open.discard(wire)

    def _carry(self, wire: socket.socket, line: str, fields: list[str], rest: bytes) -> None:
        method, target, _ = line.split(" ")
        tunnels = method == "CONNECT"
        split = urlsplit(f"//{target}" if tunnels else target)
        host, port = split.hostname or "", split.port or 80
        try:
            there = socket.create_connection(self.names.get(host, (host, port)), timeout=PATIENCE_S)
        except OSError:
            wire.sendall(answer(502 if tunnels else 503, "X-Squid-Error: ERR_CONNECT_FAIL 111"))
            return
        there.settimeout(None)
        self._open.add(there)
        with there:
            if tunnels:
                wire.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n" + b"")
                there.sendall(rest)
            else:
                path = split.path + (f"?{split.query}" if split.query else "")
                kept = [f for f in fields if not re.match(r"(?i)proxy-|connection:", f)]
                text = "\r\n".join([f"{method} {path or '/'} HTTP/1.1", *kept, "Connection: close"])
                there.sendall(text.encode("latin-1") + b"\r\n\r\n" + rest)
            _pass_on(wire, there)


def answer(status: int, *fields: str, body: str = "proxy") -> bytes:
    """What a proxy says of itself."""
    text = "\r\n".join([f"HTTP/1.1 {status} Said by the proxy", f"Content-Length: {len(body)}", *fields])
    return f"{text}\r\nConnection: close\r\n\r\n{body}".encode()


def _basic(account: str) -> str:
    return "Basic " + base64.b64encode(account.encode()).decode()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    ends = {one: other, other: one}
    while True:
        ready, _, _ = select.select([*ends], [], [])
        for end in ready:
            if not (came := end.recv(BYTES)):
                return
            ends[end].sendall(came)


@contextlib.contextmanager
def proxy() -> Iterator[Proxy]:
    """One that runs until the block ends."""
    made = Proxy()
    try:
        yield made
    finally:
        made.close()
