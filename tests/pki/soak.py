"""A node at 60 % of what it can, for long: memory, descriptors and latency must stay what they were.

    python tests/pki/soak.py --minutes 60 [--postgresql]      (make soak; make soak-short)

First its peak is measured with letters that are ready: as many as it takes in some seconds, by connections that always ask. Then
letters of whole lives come at the share of that peak, each at its time whether answers come or not; a latency counts from when the
letter was due. The time is cut into tenths. What fails the run does not depend on how fast the machine is:

- latency: the median of the last tenth is more than a tenth above that of the first, and the tenths in between climb, too (Kendall's
  tau of their order at least 0.7: a machine that was busy for a while is no climb);
- memory: that of a process grows by more than a tenth from the middle to the end, and by more than 8 MB;
- descriptors: a process has sixteen more in the end than its most in the first half, its connections left out: those are whoever
  sends's, whose pool (aiohttp's) uses all in turn, so that none idles and there are as many as were ever wanted at once;
- connections: the node has sixteen more in the end that lead to nobody any more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations, count
from pathlib import Path
from typing import Any

import agency
import aiohttp
import letters
import nodes
import pki
import processes
from clusters import MortalServer, reachable
from patience import PATIENCE_S
from traffic import PULLING, PUSHED, READERS

TENTHS = 10
TAU = 0.7
CONNECTIONS = 32
AHEAD = 60  # lives that are ready before they are due
CHUNK = 10  # lives that are made in one go


@dataclass(frozen=True)
class Sample:
    """One process at one moment."""

    tenth: int
    who: str
    memory_mb: float
    descriptors: int  # without connections
    connections: int = 0  # as many as callers want


@dataclass
class Soak:
    """What was measured."""

    minutes: float
    peak: float = 0.0  # messages a second
    rate: float = 0.0
    latencies: list[tuple[int, float]] = field(default_factory=list)  # (tenth, seconds)
    samples: list[Sample] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)  # letters that were sent: what happened instead
    unsent: int = 0  # letters that were due when none was ready: the machine that makes them was too slow
    beyond: list[tuple[int, int]] = field(default_factory=list)  # (tenth, connections of the node that lead to nobody)
    wrong: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)  # entries of feeds

    def tenths(self) -> list[list[float]]:
        """The latencies of each tenth, in milliseconds and in order."""
        found: list[list[float]] = [[] for _ in range(TENTHS)]
        for tenth, seconds in self.latencies:
            found[tenth].append(1000 * seconds)
        return [sorted(one) for one in found]


def tau(values: Sequence[float]) -> float:
    """Kendall's: 1 where each is above the one before, 0 where there is no order, -1 where they fall."""
    pairs = list(combinations(values, 2))
    return sum((later > earlier) - (later < earlier) for earlier, later in pairs) / len(pairs)


def judged(soak: Soak) -> list[str]:
    """What has grown; nothing where all stayed as it was."""
    found = list(soak.wrong)
    tenths = soak.tenths()
    if not all(tenths):
        return [*found, "a tenth of the time passed without an answer"]
    medians = [statistics.median(one) for one in tenths]
    if medians[-1] > 1.1 * medians[0] and tau(medians) >= TAU:
        found.append(f"latency climbs: the tenths' medians are {[round(one, 1) for one in medians]} ms")
    by: dict[str, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in soak.samples:
        by[sample.who][sample.tenth].append(sample)
    for who, its in by.items():
        early, late = [one for tenth in range(TENTHS // 2) for one in its[tenth]], its[TENTHS - 1]
        if not early or not late:
            continue  # it was replaced meanwhile
        middle = max(one.memory_mb for one in early)
        end = max(one.memory_mb for one in late)
        if end > 1.1 * middle and end - middle > 8:
            found.append(f"memory of {who} grows: {middle:.0f} MB in the first half, {end:.0f} MB in the end")
        most, now = max(one.descriptors for one in early), max(one.descriptors for one in late)
        if now > most + 16:
            found.append(f"descriptors of {who} grow: {most} in the first half, {now} in the end")
    half = [spare for tenth, spare in soak.beyond if tenth < TENTHS // 2]
    last = [spare for tenth, spare in soak.beyond if tenth == TENTHS - 1]
    if half and last and max(last) > max(half) + 16:
        found.append(f"connections stay open that nobody has: {max(half)} in the first half, {max(last)} in the end")
    return found


def report(soak: Soak) -> dict[str, object]:
    """In figures: the first tenth, the last, and their ratio."""
    first, last = soak.tenths()[0], soak.tenths()[-1]
    rows: dict[str, object] = {
        "peak, messages/s": round(soak.peak, 1),
        "rate, messages/s": round(soak.rate, 1),
        "messages": len(soak.latencies),
        "answers": {str(status): times for status, times in sorted(soak.statuses.items())},
        "sent, and not answered": dict(sorted(soak.unanswered.items())),
        "due, and not sent since none was ready": soak.unsent,
    }
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        if first and last:
            one, other = first[int(share * (len(first) - 1))], last[int(share * (len(last) - 1))]
            rows[f"{name}, ms: first tenth, last, ratio"] = [round(one, 1), round(other, 1), round(other / one, 3)]
    for who in sorted({sample.who for sample in soak.samples}):
        its = [sample for sample in soak.samples if sample.who == who]
        early = [sample for sample in its if sample.tenth == its[0].tenth]
        late = [sample for sample in its if sample.tenth == its[-1].tenth]
        memory = [max(one.memory_mb for one in part) for part in (early, late)]
        rows[f"{who}: MB, descriptors, connections, first tenth and last"] = [
            [round(one) for one in memory],
            [max(one.descriptors for one in part) for part in (early, late)],
            [max(one.connections for one in part) for part in (early, late)],
        ]
    return rows


# --- what is sent


def made(numbers: Sequence[int], seed: int) -> list[list[letters.Letter]]:
    """Some lives; in a process of its own, since each signature costs."""
    chance = random.Random(seed)
    return [letters.life(n, chance.choice((PUSHED, PULLING)), chance.choice(tuple(letters.LIVES))) for n in numbers]


@dataclass
class Sender:
    """Posts letters, each life in order, many lives side by side."""

    soak: Soak
    port: int
    pool: Executor
    numbers: count[int] = field(default_factory=lambda: count(1))
    ready: deque[list[letters.Letter]] = field(default_factory=deque)

    async def fill(self, lives: int) -> None:
        """So many lives more are ready."""
        loop = asyncio.get_running_loop()
        while lives > 0:
            numbers = [next(self.numbers) for _ in range(min(CHUNK, lives))]
            self.ready += await loop.run_in_executor(self.pool, made, numbers, numbers[0])
            lives -= len(numbers)

    async def post(self, session: aiohttp.ClientSession, letter: letters.Letter) -> int:
        """One letter; the status that it was answered."""
        headers = {"Authorization": f"Bearer {pki.token(letter.sender)}", "Content-Type": "application/xml"}
        async with session.post(
            f"http://127.0.0.1:{self.port}/v1/messages", data=letter.body, headers=headers
        ) as answer:
            body = await answer.read()
            if answer.status != 201 and len(self.soak.wrong) < 5:
                self.soak.wrong.append(f"{letter.loai} was answered {answer.status}: {body[:200]!r}")
            return answer.status

    async def burst(self, session: aiohttp.ClientSession) -> None:
        """Everything that is ready, as fast as answers come: the peak."""
        lives, began, sent = self.ready, time.perf_counter(), 0

        async def one() -> None:
            nonlocal sent
            while lives:
                for letter in lives.popleft():
                    await self.post(session, letter)
                    sent += 1

        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
        self.soak.peak = sent / (time.perf_counter() - began)

    async def steadily(self, session: aiohttp.ClientSession, seconds: float) -> None:
        """At the rate, for so long. A letter whose predecessor has no answer yet gives way to one of another life."""
        loop, soak = asyncio.get_running_loop(), self.soak
        began = loop.time()
        waiting: deque[deque[letters.Letter]] = deque()
        tasks: set[asyncio.Task[None]] = set()

        async def one(life: deque[letters.Letter], due: float, tenth: int) -> None:
            letter = life.popleft()
            try:
                soak.statuses[await self.post(session, letter)] += 1
            except (aiohttp.ClientError, OSError) as error:  # also when it took too long
                soak.unanswered[type(error).__name__] += 1
                if len(soak.wrong) < 5:
                    soak.wrong.append(f"{letter.loai} was not answered: {error!r}")
                return  # and the rest of its dossier is not sent
            soak.latencies.append((tenth, loop.time() - due))
            if life:
                waiting.append(life)

        async def producing() -> None:
            while True:
                if len(self.ready) < AHEAD:
                    await self.fill(CHUNK)
                else:
                    await asyncio.sleep(0.1)

        producer = asyncio.create_task(producing())
        try:
            for number in count():
                due = began + number / soak.rate
                if due - began >= seconds:
                    break
                await asyncio.sleep(max(0.0, due - loop.time()))
                while len(waiting) < CONNECTIONS and self.ready:
                    waiting.append(deque(self.ready.popleft()))
                if not waiting:
                    soak.unsent += 1
                    continue
                task = asyncio.create_task(
                    one(waiting.popleft(), due, min(TENTHS - 1, int(TENTHS * (due - began) / seconds)))
                )
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            producer.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=PATIENCE_S)
            if late:
                soak.wrong.append(f"{len(late)} letters were not answered")

    async def reading(self, session: aiohttp.ClientSession, reader: str) -> None:
        """A reader of a feed, for ever."""
        after = 0
        headers = {"Authorization": f"Bearer {pki.token(reader)}", "Accept": "application/json"}
        while True:
            url = f"http://127.0.0.1:{self.port}/v1/inbox?after={after}&limit=100&wait=5"
            async with session.get(url, headers=headers) as answer:
                rows = (await answer.json())["DanhSachMuc"] if answer.status == 200 else []
            if rows and rows[0]["ViTri"] != after + 1:
                self.soak.wrong.append(f"feed of {reader}: {rows[0]['ViTri']} came after {after}")
            after = rows[-1]["ViTri"] if rows else after
            self.soak.seen[reader] = after


def sampled(tenth: int, who: str, pid: int) -> Sample:
    """A process now. Raises OSError: it is gone."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    targets = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            targets.append(str(descriptor.readlink()))
    connections = sum(target.startswith("socket:") for target in targets)
    megabytes = pages * resource.getpagesize() / 2**20
    return Sample(tenth, who, megabytes, len(targets) - connections, connections)


async def watched(soak: Soak, node: nodes.Node, began: float, seconds: float) -> None:
    """Memory and descriptors of every process of the node, some twenty times in each tenth.

    Whoever sends and the agency live in this process: each connection of the node has its other end here.
    """
    while True:
        spare = 0
        tenth = min(TENTHS - 1, int(TENTHS * (time.perf_counter() - began) / seconds))
        for command, process in node.running.items():
            family = {f"{command}: parent": process.pid}
            family |= {f"{command}: process {n}": pid for n, pid in enumerate(processes.workers(process.pid), 1)}
            for who, pid in family.items():
                with contextlib.suppress(OSError):
                    soak.samples.append(sampled(tenth, who, pid))
                    spare += soak.samples[-1].connections
        soak.beyond.append((tenth, spare - sampled(tenth, "", os.getpid()).connections))
        await asyncio.sleep(seconds / TENTHS / 20)


@contextlib.asynccontextmanager
async def beside(*coroutines: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """These run until the block ends; the first that fails is raised."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def soaked(soak: Soak, node: nodes.Node, share: float, burst: int) -> None:
    """Peak, then the long time."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        sender = Sender(soak, node.port, pool)
        limits = aiohttp.ClientTimeout(total=PATIENCE_S)
        connections = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=limits, connector=connections) as session:
            await sender.fill(burst)
            async with beside(*(sender.reading(session, reader) for reader in READERS)):
                await sender.burst(session)
                soak.rate = share * soak.peak
                await sender.fill(AHEAD)
                seconds = 60 * soak.minutes
                async with beside(watched(soak, node, time.perf_counter(), seconds)):
                    await sender.steadily(session, seconds)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="A node at a share of its peak for long: nothing may grow.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--share", type=float, default=0.6)
    parser.add_argument("--burst", type=int, default=300, help="lives of seven messages that the peak is measured with")
    parser.add_argument("--postgresql", action="store_true")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lienthong-soak-", dir=reachable()))
    folder.chmod(0o755)
    soak = Soak(arguments.minutes)
    with contextlib.ExitStack() as stack:
        database = "sqlite:///node.sqlite3"
        if arguments.postgresql:
            server = MortalServer(folder / "server")
            stack.callback(server.stop)
            server.prepare()
            database = server.url
        there = stack.enter_context(agency.agency())
        node = stack.enter_context(nodes.node(folder / "node", agency=there.url, database=database))
        node.serve(workers=2)
        node.work()
        asyncio.run(soaked(soak, node, arguments.share, arguments.burst))
    rows = {"database": "postgresql" if arguments.postgresql else "sqlite", "minutes": soak.minutes, **report(soak)}
    rows |= {"pushed": len(there.taken), "read": dict(soak.seen), "grown": judged(soak)}
    sys.stdout.write("".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in rows.items()))
    shutil.rmtree(folder)
    return int(bool(rows["grown"]))


if __name__ == "__main__":
    sys.exit(main())
