"""The load generator: posts prepared bodies over keep-alive connections and says what came back.

Runs as a process of its own, so that its CPU is not the server's:

    python bench/load.py --port 8310 --path /v1/messages --token … --connections 64 --bodies bodies.bin

With ``--rate`` a request is due so many times a second whether answers come or not, and its latency counts from when it was due:
who waits for a free connection waits for the server. The file holds bodies one after another, each behind its length (8 bytes, big-endian). One JSON object on standard output:
answers by status, elapsed wall seconds, latencies in ms at p50, p95, p99, and this process's own CPU seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import uvloop


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


class Connection(asyncio.Protocol):
    """One keep-alive connection: a request at a time, as fast as the answers come."""

    def __init__(
        self, requests: Iterator[tuple[float | None, bytes]], latencies: list[float], statuses: Counter[int]
    ) -> None:
        """``requests``: when each is due, if not at once, in the loop's time."""
        self.requests = requests
        self.latencies = latencies
        self.statuses = statuses
        self.buffer = b""
        self.since = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._next()

    def _next(self) -> None:
        due, request = next(self.requests, (None, None))
        if request is None:
            self.transport.close()
            self._finish()
            return
        loop = asyncio.get_running_loop()
        self.since = loop.time() if due is None else due
        if due is not None and due > loop.time():
            loop.call_at(due, self.transport.write, request)  # type: ignore[attr-defined]
        else:
            self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, split, rest = self.buffer.partition(b"\r\n\r\n")
        if not split:
            return
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n")[1:] if line[:15].lower() == b"content-length:"), None
        )
        if length is None:
            self._finish(ValueError("an answer without Content-Length"))
            return
        if len(rest) < length:
            return
        self.latencies.append(asyncio.get_running_loop().time() - self.since)
        self.statuses[int(head[9:12])] += 1
        self.buffer = rest[length:]
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or ConnectionError("the server closed the connection"))

    def _finish(self, error: Exception | None = None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)


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


async def load(arguments: argparse.Namespace) -> dict[str, object]:
    """Send everything, then count."""
    requests = requests_of(
        read_bodies(arguments.bodies),
        arguments.path,
        f"{arguments.host}:{arguments.port}",
        arguments.token,
        arguments.content_type,
    )
    waiting = list(requests)
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    loop = asyncio.get_running_loop()
    began, rate = loop.time() + 0.05, arguments.rate
    prepared = iter([(began + n / rate if rate else None, request) for n, request in enumerate(waiting)])
    started = time.perf_counter()
    connections = []
    for _ in range(arguments.connections):
        _, protocol = await loop.create_connection(
            lambda: Connection(prepared, latencies, statuses), arguments.host, arguments.port
        )
        connections.append(protocol.done)
    await asyncio.wait_for(asyncio.gather(*connections), arguments.timeout_s)
    elapsed = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    ordered = sorted(latencies)
    return {
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "elapsed_s": elapsed,
        "answers": len(ordered),
        **{f"p{p}_ms": 1000 * ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 95, 99)},
        "cpu_s": usage.ru_utime + usage.ru_stime,
    }


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
    json.dump(uvloop.run(load(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
