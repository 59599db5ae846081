"""The load generator: posts prepared bodies over keep-alive connections and says what came back.

Runs as a process of its own, so that its CPU is not the server's:

    python bench/load.py --port 8310 --path /v1/messages --token … --connections 64 --bodies bodies.bin

With ``--rate`` a request is due so many times a second whether answers come or not, and its latency counts from when it was due:
who waits for a free connection waits for the server. The file holds bodies one after another, each behind its length (8 bytes, big-endian). One JSON object on standard output:
answers by status, elapsed wall seconds, latencies in ms at p50, p95, p99, and this process's CPU: in all, in seconds, and a
request while they went out, in µs.

It shares the processors with the server that it measures, so that what it spends the server lacks: plain sockets and a poll,
requests made before the clock starts, and of an answer nothing read but its status and length.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import select
import socket
import struct
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path

_CHUNK = 64 * 1024  # an answer in one piece
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n", re.IGNORECASE)


def write_bodies(path: Path, bodies: list[bytes]) -> None:
    """The bodies as this program reads them."""
    with path.open("wb") as file:
        for body in bodies:
            file.write(struct.pack(">Q", len(body)))
            file.write(body)


def read_bodies(path: Path) -> list[bytes]:
    """The reverse of :func:`write_bodies`."""
    data, at, bodies = path.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from(">Q", data, at)
        bodies.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return bodies


class Connection:
    """One keep-alive connection: a request at a time."""

    __slots__ = ("_ask", "_came", "_poll", "_rest", "_socket", "_take", "_wanted", "since")

    def __init__(self, host: str, port: int, poll: select.epoll) -> None:
        self._socket = socket.create_connection((host, port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._ask, self._take = self._socket.send, self._socket.recv
        self._poll = poll
        self._rest: bytes | memoryview = b""  # of a request, what has not gone out yet
        self._came = b""  # of an answer, what has come so far
        self._wanted = 0  # its length, once that is known
        self.since = 0.0  # when the request that is under way was due
        poll.register(self._socket, select.EPOLLIN)

    def fileno(self) -> int:
        """Its number in the poll."""
        return self._socket.fileno()

    def ask(self, request: bytes | memoryview) -> None:
        """Sends a request, or what is left of one, as far as the other end takes it."""
        try:
            sent = self._ask(request)
        except BlockingIOError:
            sent = 0
        if sent < len(request):
            self._rest = memoryview(request)[sent:]
            self._poll.modify(self._socket, select.EPOLLIN | select.EPOLLOUT)
        elif self._rest:
            self._rest = b""
            self._poll.modify(self._socket, select.EPOLLIN)

    def goes_on(self, event: int) -> int:
        """What the poll says of it; gives the status of the answer once that has come whole, else 0."""
        if event & select.EPOLLOUT:
            self.ask(self._rest)
        if event != select.EPOLLOUT:
            came = self._take(_CHUNK)
            if not came:
                raise ConnectionError("the server closed the connection")
            self._came = self._came + came if self._came else came
        came = self._came
        if not self._wanted:
            self._wanted = _length(came)
        if not self._wanted or len(came) < self._wanted or self._rest:
            return 0
        if len(came) > self._wanted:
            raise ValueError("more than the answer")
        self._came, self._wanted = b"", 0
        return int(came[9:12])

    def close(self) -> None:
        """Ends it."""
        self._socket.close()


def _length(came: bytes) -> int:
    """How long an answer is with its head; 0 while its head has not come whole."""
    end = came.find(b"\r\n\r\n")
    if end < 0:
        return 0
    found = _LENGTH.search(came, 0, end + 2)
    if found is None:
        raise ValueError("an answer without Content-Length")
    return end + 4 + int(found[1])


def requests_of(
    bodies: list[bytes], path: str, host: str, token: str | None, kind: str = "application/xml"
) -> Iterator[bytes]:
    """Each body with its request head."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    for body in bodies:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Content-Type: {kind}\r\n"
            f"Accept: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


def send(
    requests: Sequence[bytes], connections: Sequence[Connection], poll: select.epoll, rate: float | None, most_s: float
) -> tuple[list[float], Counter[int]]:
    """Each request over the connection that is free first; latencies in seconds, and statuses. Raises TimeoutError."""
    clock = time.perf_counter
    began, total, asked = clock(), len(requests), 0
    by_number = {connection.fileno(): connection for connection in connections}
    free = deque(connections)
    latencies: list[float] = []
    statuses: Counter[int] = Counter()

    def ask(now: float) -> float:
        """Sends what is due, as far as connections are free; in how many seconds to look again at the latest."""
        nonlocal asked
        while free and asked < total:
            due = began + asked / rate if rate else now
            if due > now:
                return due - now
            connection = free.popleft()
            connection.since = due
            connection.ask(requests[asked])
            asked += 1
        return 1.0

    wait = ask(began)
    while len(latencies) < total:
        for number, event in poll.poll(wait):
            connection = by_number[number]
            if status := connection.goes_on(event):
                now = clock()
                latencies.append(now - connection.since)
                statuses[status] += 1
                free.append(connection)
                ask(now)
        now = clock()
        if now > began + most_s:
            raise TimeoutError(f"{len(latencies)} of {total} answers have come")
        wait = ask(now)
    return latencies, statuses


def load(arguments: argparse.Namespace) -> dict[str, object]:
    """Send everything, then count."""
    host, port = arguments.host, arguments.port
    bodies = read_bodies(arguments.bodies)
    requests = list(requests_of(bodies, arguments.path, f"{host}:{port}", arguments.token, arguments.content_type))
    started = time.perf_counter()
    with select.epoll() as poll:
        connections = [Connection(host, port, poll) for _ in range(arguments.connections)]
        before = _cpu_s()
        latencies, statuses = send(requests, connections, poll, arguments.rate, arguments.timeout_s)
        spent = _cpu_s() - before
    elapsed = time.perf_counter() - started
    for connection in connections:
        connection.close()
    ordered = sorted(latencies)
    return {
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "elapsed_s": elapsed,
        "answers": len(ordered),
        **{f"p{p}_ms": 1000 * ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 95, 99)},
        "cpu_s": _cpu_s(),
        "cpu_us": 1e6 * spent / len(ordered),
    }


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Post prepared bodies over keep-alive connections.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/v1/messages")
    parser.add_argument("--token")
    parser.add_argument("--content-type", default="application/xml")
    parser.add_argument("--rate", type=float, help="requests a second, due whether answers come or not")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--bodies", type=Path, required=True)
    parser.add_argument("--timeout-s", type=float, default=300.0)
    json.dump(load(parser.parse_args()), sys.stdout)


if __name__ == "__main__":
    main()
