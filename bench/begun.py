"""How soon a delivery begins, and how soon a waiting reader of an inbox is answered, on a node with nothing else to do.

    python bench/begun.py                      SQLite
    python bench/begun.py --database URL       PostgreSQL, an empty database

From the commit of a message to the first byte of its delivery at the agency (one worker, HTTP on loopback), and to the moment
when a reader who waits is told (the waiters of the door, one look for all). Prints median and 99th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "connectors"), str(ROOT / "tests" / "pki")]

from false_agency import Agency, Lienthong, Request, Response, until  # noqa: E402
from owed import Owing, agency  # noqa: E402

from connectors.registry import installed  # noqa: E402
from gateway.core.model import PartyId  # noqa: E402
from gateway.core.parties import Receives  # noqa: E402
from gateway.services.outbox import keep_delivering  # noqa: E402
from gateway.store import Store, open_engine, upgrade  # noqa: E402
from gateway.web.waiters import Waiters  # noqa: E402


class Stopwatch(Lienthong):
    """An agency that notes when each message came."""

    def __init__(self) -> None:
        super().__init__()
        self.came: dict[str, float] = {}

    def answer(self, request: Request) -> Response:
        """As any of ours."""
        self.came[request.headers.get("mathongdiep", "")] = time.perf_counter()
        return super().answer(request)


def now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


async def deliveries(store: Store, messages: int) -> list[float]:
    """Seconds from commit to delivery."""
    waits, dialect = [], Stopwatch()
    async with Agency(dialect) as there:
        to = agency(1, settings={"url": there.url, "private_addresses": True, "timeout_s": 5.0})
        owing, stop = Owing(store, now, to), asyncio.Event()
        worker = asyncio.create_task(keep_delivering(store, owing.parties, installed(), stop, now))
        await asyncio.sleep(2)

        def committed() -> tuple[str, float]:
            (ma,) = owing.loose(to)
            return ma, time.perf_counter()

        for number in range(messages):
            ma, at = await asyncio.to_thread(committed)
            await until(lambda ma=ma: ma in dialect.came)
            if number >= 5:  # the first ones make connections
                waits.append(dialect.came[ma] - at)
            await asyncio.sleep(0.05 + number % 7 / 100)  # until the node is idle again
        stop.set()
        await worker
    return waits


async def readers(store: Store, messages: int) -> list[float]:
    """Seconds from commit to the end of a long poll."""
    to = agency(2, receives=Receives.PULL)
    owing, waits = Owing(store, now, to), []
    with store.read() as view:
        before = view.head(to.id)  # 0 in an empty database

    def heads(parties: Collection[PartyId]) -> dict[PartyId, int]:
        with store.read() as view:
            return view.heads(parties)

    waiters = Waiters(lambda parties: asyncio.to_thread(heads, parties), asyncio.Event(), store.news)
    running = asyncio.create_task(waiters.run())

    async def told(after: int) -> float:
        await waiters.wait(to.id, after, 30)
        return time.perf_counter()

    def committed() -> float:
        owing.loose(to)
        return time.perf_counter()

    for number in range(messages):
        poll = asyncio.create_task(told(before + number))
        await asyncio.sleep(0.1 + number % 7 / 100)
        at = await asyncio.to_thread(committed)
        waits.append(await poll - at)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return waits


def own_database(database: str, folder: Path) -> str:
    """An empty database beside a node's: a file, or the server's own, which need not be empty."""
    return f"sqlite:///{folder}/begun.db" if database.startswith("sqlite") else database


def measure(database: str, messages: int) -> dict[str, tuple[float, float]]:
    """What was waited for, each with median and 99th percentile in ms."""
    engine = open_engine(database)
    upgrade(engine)
    store = Store(engine)
    found = {}
    for name, waited in (("delivery begun", deliveries), ("long poll answered", readers)):
        waits = asyncio.run(waited(store, messages))
        p99 = statistics.quantiles(waits, n=100)[-1]
        found[name] = 1000 * statistics.median(waits), 1000 * p99
    engine.dispose()
    return found


def main() -> None:
    """Both, over one database."""
    parser = argparse.ArgumentParser(description="From commit to delivery, and to the answer of a long poll.")
    parser.add_argument("--database", help="an empty database; a file of its own where none is given")
    parser.add_argument("--messages", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(given.database or f"sqlite:///{folder}/begun.db", given.messages)
        for name, (median, p99) in found.items():
            print(f"{name} after the commit: median {median:.1f} ms, p99 {p99:.1f} ms")
    print(f"Load average at the end {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
