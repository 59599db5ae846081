"""A hundred readers of inboxes: each asks after its own position over a connection of its own, as a portal does.

Runs as a process of its own, so that its CPU is not the server's:

    python bench/pull.py --port 8310 --tokens tokens.txt --until 400 --pause-s 0.5

Whoever gets an empty page, or is told that the database is busy (503), asks again after a pause; the others ask on at once, until they have come to position ``until``. One
JSON object on standard output: pages, messages, elapsed seconds, latencies of a page in ms, and how many places were missing,
came twice or came out of their order.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import uvloop


class _Place(msgspec.Struct):
    ViTri: int
    MaThongDiep: str | None = None


class _Page(msgspec.Struct):
    ViTriCuoi: int
    DanhSachMuc: list[_Place] = []


@dataclass
class Reader:
    """One reader and what it has seen."""

    token: str
    after: int = 0
    pages: int = 0
    empty: int = 0
    wrong: int = 0  # places that are not the next one
    put_off: int = 0  # answers 503, after which it asks again
    names: set[str] = field(default_factory=set)
    latencies: list[float] = field(default_factory=list)

    async def read(self, host: str, port: int, *, until: int, limit: int, pause_s: float) -> None:
        """From its position to ``until``."""
        source, sink = await asyncio.open_connection(host, port)
        clock = asyncio.get_running_loop().time
        try:
            while self.after < until:
                head = f"GET /v1/inbox?after={self.after}&limit={limit} HTTP/1.1\r\nHost: {host}:{port}\r\n"
                began = clock()
                sink.write(f"{head}Authorization: Bearer {self.token}\r\nAccept: application/json\r\n\r\n".encode())
                if (body := await _answer(source)) is None:
                    self.put_off += 1
                    await asyncio.sleep(pause_s)
                    continue
                page = msgspec.json.decode(body, type=_Page)
                self.latencies.append(clock() - began)
                self._take(page)
                if not page.DanhSachMuc:
                    await asyncio.sleep(pause_s)
        finally:
            sink.close()

    def _take(self, page: _Page) -> None:
        self.pages += 1
        self.empty += not page.DanhSachMuc
        for place in page.DanhSachMuc:
            self.wrong += place.ViTri != self.after + 1 or (place.MaThongDiep or "") in self.names
            self.names.add(place.MaThongDiep or "")
            self.after = place.ViTri


async def _answer(source: asyncio.StreamReader) -> bytes | None:
    """The body of the next answer; None for a 503, which says to ask again. Raises SystemExit where it is another."""
    head = await source.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    length = next(int(line[15:]) for line in lines[1:] if line[:15].lower() == b"content-length:")
    body = await source.readexactly(length)
    if lines[0][9:12] == b"503":
        return None
    if lines[0][9:12] != b"200":
        raise SystemExit(f"{lines[0]!r} {body[:500]!r}")
    return body


async def pull(given: argparse.Namespace) -> dict[str, object]:
    """All of them at once."""
    readers = [Reader(token) for token in given.tokens.read_text().split()]
    wanted = {"until": given.until, "limit": given.limit, "pause_s": given.pause_s}
    began = time.perf_counter()
    async with asyncio.timeout(given.timeout_s):
        await asyncio.gather(*(reader.read(given.host, given.port, **wanted) for reader in readers))
    elapsed = time.perf_counter() - began
    ordered = sorted(latency for reader in readers for latency in reader.latencies)
    return {
        "readers": len(readers),
        "pages": sum(reader.pages for reader in readers),
        "empty": sum(reader.empty for reader in readers),
        "messages": sum(len(reader.names) for reader in readers),
        "wrong": sum(reader.wrong for reader in readers),
        "put_off": sum(reader.put_off for reader in readers),
        "elapsed_s": elapsed,
        **{f"p{p}_ms": 1000 * ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 95, 99)},
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Read inboxes as portals do, each from its own position.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tokens", type=Path, required=True, help="a file with a token for each reader")
    parser.add_argument("--until", type=int, required=True, help="the last position of each inbox")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--pause-s", type=float, default=0.5, help="after an empty page")
    parser.add_argument("--timeout-s", type=float, default=600.0)
    json.dump(uvloop.run(pull(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
