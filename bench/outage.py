"""What an agency that is away costs the others, and how fast a backlog drains: ``python bench/outage.py``.

One real worker, one SQLite file, two agencies over HTTP on loopback. Prints, for a backlog of waiting deliveries to the
agency that is away: how long a message to the other one takes from its record to its receipt; then how fast the backlog
goes out when the agency is back, with four deliveries under way at once.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "connectors")]

from false_agency import Agency, Lienthong, until  # noqa: E402
from owed import Owing, agency  # noqa: E402

from connectors.registry import installed  # noqa: E402
from gateway.services.outbox import Pace, keep_delivering  # noqa: E402
from gateway.store import Store, open_engine, upgrade  # noqa: E402

MESSAGES = 100  # to the agency that is there, in each run


def now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


def fill(owing: Owing, party: object, count: int) -> None:
    """So many lanes of one message each, copied in the database."""
    owing.loose(party)  # type: ignore[arg-type]
    with owing.store.engine.begin() as connection:
        columns = [row[1] for row in connection.exec_driver_sql("pragma table_info(delivery)")]
        same = ",".join(c for c in columns if c not in {"seq", "id", "lane"})
        connection.exec_driver_sql(
            f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {count - 1}) "
            f"insert into delivery (id, lane, {same}) select 'x' || i, 'lane' || i, {same} from delivery, n "
            "where party = 'so-1' and id not like 'x%'"
        )


async def measure(backlog: int, messages: int) -> tuple[float, float]:
    """One run; the median and the 95th percentile of what the other agency waits, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/outage.db")
        upgrade(engine)
        store = Store(engine)
        async with Agency(Lienthong()) as away, Agency(Lienthong()) as there:
            here = {"private_addresses": True, "timeout_s": 5.0}
            one = agency(1, settings={"url": away.url, **here}, longest_s=2)
            two = agency(2, settings={"url": there.url, **here})
            owing = Owing(store, now, one, two)  # type: ignore[arg-type]
            if backlog:
                fill(owing, one, backlog)
            await away.stop()
            stop = asyncio.Event()
            worker = asyncio.create_task(
                keep_delivering(store, owing.parties, installed(), stop, now, pace=Pace(first_s=1.0))
            )
            await asyncio.sleep(3 if backlog else 0.5)
            waits = []
            for _ in range(messages):
                began = time.perf_counter()
                (ma,) = await asyncio.to_thread(owing.loose, two)
                await until(lambda ma=ma: ma in there.dialect.effects)
                waits.append(time.perf_counter() - began)
            median, p95 = statistics.median(waits), statistics.quantiles(waits, n=20)[-1]
            print(
                f"{backlog:>7} waiting for the one that is away: the other gets its messages after "
                f"median {median * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms"
            )
            if backlog:
                await away.start()
                began, before = time.perf_counter(), len(away.requests)
                await until(lambda: time.perf_counter() - began > 15 or len(away.requests) >= backlog)
                took = time.perf_counter() - began
                print(
                    f"        and when it is back, {(len(away.requests) - before) / took:.0f} messages/s go out to it"
                )
            stop.set()
            await worker
        engine.dispose()
    return median, p95


def main() -> None:
    """No backlog, then two sizes of it."""
    nobody_away = asyncio.run(measure(0, MESSAGES))
    for backlog in (1_000, 50_000):
        found = asyncio.run(measure(backlog, MESSAGES))
        median, p95 = (with_it / without for with_it, without in zip(found, nobody_away, strict=True))
        print(f"        ratio to nobody waiting: median {median:.2f}, p95 {p95:.2f}")
    print(f"Load average at the end {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
