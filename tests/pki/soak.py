"""A node at 60 % of what it can, for long: memory, descriptors and latency must stay what they were.

    python tests/pki/soak.py --minutes 60 [--postgresql]      (make soak; make soak-short)

First its peak is measured, of all that runs in the long time, too: connections that always ask, `work` that delivers, readers that
read, and who makes the letters. Whoever sends waits where too much is on its way to receivers; so what is accepted is what is delivered,
and the peak is the lesser of the two, over some time, in a store that the time before has filled. Then letters of whole lives come at
the share of that peak, each at its time whether answers come or not; a latency counts from when the letter was due. The time is cut
into tenths. In the end a new node of the same kind is started beside the one that has run, and letters go to the two in turn, at the
same rate: what the machine has become meanwhile is the same for both. What fails the run does not depend on how fast the machine is:

- latency: the node is slower than the new one in every pair of turns, and by more than a tenth in the median of the pairs. Tenth
  against tenth is told, not judged: a machine whose speed moves by two fifths within minutes moves a queue's by more. CPU a message is told by
  tenth, that of the node and that of whoever makes the letters, which do the same from the first to the last: so one can see what moved;
- memory: that of a process grows by more than a tenth from the first tenth to the last, and by more than 8 MB;
- descriptors: a process has sixteen more in the end than its most in the first half, its connections left out: those are whoever
  sends's, whose pool (aiohttp's) uses all in turn, so that none idles and there are as many as were ever wanted at once;
- connections: the node has sixteen more in the end that lead to nobody any more;
- what is owed: in the end more is on its way to receivers than before, by two seconds' messages.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
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
TURNS = 10  # pairs: the node that has run, and the new one; who comes first changes
TURN_S = 4.0  # at least; a hundred-and-eightieth of the time if that is more
CONNECTIONS = 32
AHEAD = 200  # lives that are ready before they are due
CHUNK = 10  # lives that are made in one go
ON_THEIR_WAY = 256  # messages, while the peak is looked for: so many that `work` never idles
NODE, MAKER, SENDER = ("serve: ", "work: "), "who makes the letters", "who sends and receives"
"""Whose samples they are. The last two keep what was sent and received: they may grow."""
_CODE = re.compile(rb"\b[A-Z]{3}-\d{3}\b")


@dataclass(frozen=True)
class Sample:
    """One process at one moment."""

    tenth: int
    who: str
    memory_mb: float
    descriptors: int  # without connections
    connections: int = 0  # as many as callers want
    cpu_s: float = 0.0  # since it was started


@dataclass(frozen=True)
class Turn:
    """Medians of two turns next to each other, in seconds."""

    node: float  # that has run
    new: float

    @property
    def ratio(self) -> float:
        """Above 1: the node that has run is the slower one."""
        return self.node / self.new


@dataclass
class Soak:
    """What was measured."""

    minutes: float
    before: int = 0  # messages that were in the store when the peak was looked for
    accepted: float = 0.0  # messages a second at the peak
    delivered: float = 0.0  # likewise: that receivers had
    rate: float = 0.0
    latencies: list[tuple[int, float]] = field(default_factory=list)  # (tenth, seconds)
    samples: list[Sample] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)  # "201", "503 SYS-003"
    unanswered: Counter[str] = field(default_factory=Counter)  # letters that were sent: what happened instead
    unsent: int = 0  # letters that were due when none was ready: the machine that makes them was too slow
    turns: list[Turn] = field(default_factory=list)
    beyond: list[tuple[int, int]] = field(default_factory=list)  # (tenth, connections of the node that lead to nobody)
    owed: list[tuple[int, int]] = field(default_factory=list)  # (tenth, messages accepted, not yet received)
    wrong: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)  # entries of feeds

    @property
    def peak(self) -> float:
        """Messages a second that go all the way."""
        return min(self.accepted, self.delivered)

    def tenths(self) -> list[list[float]]:
        """The latencies of each tenth, in milliseconds and in order."""
        found: list[list[float]] = [[] for _ in range(TENTHS)]
        for tenth, seconds in self.latencies:
            found[tenth].append(1000 * seconds)
        return [sorted(one) for one in found]


def judged(soak: Soak) -> list[str]:
    """What has grown; nothing where all stayed as it was."""
    found = list(soak.wrong)
    if not all(soak.tenths()):
        return [*found, "a tenth of the time passed without an answer"]
    ratios = [turn.ratio for turn in soak.turns]
    if len(ratios) < TURNS:
        found.append(f"only {len(ratios)} of {TURNS} pairs of turns were measured")
    elif min(ratios) > 1 and statistics.median(ratios) > 1.1:
        found.append(f"latency has grown: by turns, {[round(one, 2) for one in ratios]} times that of a new node")
    by: dict[str, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in soak.samples:
        by[sample.who][sample.tenth].append(sample)
    for who, its in by.items():
        if not who.startswith(NODE):
            continue
        early, late = [one for tenth in range(TENTHS // 2) for one in its[tenth]], its[TENTHS - 1]
        if not its[0] or not late:
            continue  # it was replaced meanwhile
        begin, end = (max(one.memory_mb for one in part) for part in (its[0], late))
        if end > 1.1 * begin and end - begin > 8:
            found.append(f"memory of {who} grows: {begin:.0f} MB in the first tenth, {end:.0f} MB in the last")
        most, now = max(one.descriptors for one in early), max(one.descriptors for one in late)
        if now > most + 16:
            found.append(f"descriptors of {who} grow: {most} in the first half, {now} in the end")
    half, last = halves(soak.beyond)
    if last > half + 16:
        found.append(f"connections stay open that nobody has: {half} in the first half, {last} in the end")
    half, last = halves(soak.owed)
    if last > half + 2 * soak.rate:
        found.append(f"what is owed to receivers grows: {half} messages in the first half, {last} in the end")
    return found


def halves(counted: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The most of the first half and of the last tenth."""
    half = [number for tenth, number in counted if tenth < TENTHS // 2]
    last = [number for tenth, number in counted if tenth == TENTHS - 1]
    return max(half, default=0), max(last, default=0)


def report(soak: Soak) -> dict[str, object]:
    """In figures: the first tenth, the last, and their ratio; then each tenth."""
    tenths = soak.tenths()
    first, last = tenths[0], tenths[-1]
    rows: dict[str, object] = {
        "messages in the store before the peak": soak.before,
        "peak, messages/s: accepted, delivered": [round(soak.accepted, 1), round(soak.delivered, 1)],
        "rate, messages/s": round(soak.rate, 1),
        "messages": len(soak.latencies),
        "answers": dict(sorted(soak.statuses.items())),
        "sent, and not answered": dict(sorted(soak.unanswered.items())),
        "due, and not sent since none was ready": soak.unsent,
    }
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        if first and last:
            one, other = at(first, share), at(last, share)
            rows[f"{name}, ms: first tenth, last, ratio"] = [round(one, 1), round(other, 1), round(other / one, 3)]
    for name, share in (("p50", 0.5), ("p99", 0.99), ("most", 1.0)):
        rows[f"{name}, ms, by tenth"] = [round(at(one, share), 1) for one in tenths if one]
    rows["p50, ms, in turn: the node, and a new one"] = [
        [round(1000 * turn.node, 1), round(1000 * turn.new, 1)] for turn in soak.turns
    ]
    if soak.turns:
        ratios = sorted(turn.ratio for turn in soak.turns)
        rows["p50 against a new node's: median of the ratios, least, most"] = [
            round(one, 3) for one in (statistics.median(ratios), ratios[0], ratios[-1])
        ]
    rows["owed to receivers, by tenth, the most"] = by_tenth(soak.owed)
    for name, whose in (("the node", NODE), ("who makes the letters", (MAKER,)), ("who sends and receives", (SENDER,))):
        rows[f"CPU, ms a message, by tenth: {name}"] = cpu_by_tenth(soak, whose)
    for who in sorted({sample.who for sample in soak.samples if sample.who.startswith(NODE)}):
        its = [sample for sample in soak.samples if sample.who == who]
        rows[f"{who}: MB by tenth"] = by_tenth([(one.tenth, round(one.memory_mb)) for one in its])
        for name, number in (
            ("descriptors", [(one.tenth, one.descriptors) for one in its]),
            ("connections", [(one.tenth, one.connections) for one in its]),
        ):
            rows[f"{who}: {name}, first tenth and last"] = [by_tenth(number)[0], by_tenth(number)[-1]]
    return rows


def at(ordered: Sequence[float], share: float) -> float:
    """The value that so many are at most."""
    return ordered[int(share * (len(ordered) - 1))]


def by_tenth(counted: Sequence[tuple[int, int]]) -> list[int]:
    """The most of each tenth in which there is something."""
    most: dict[int, int] = {}
    for tenth, number in counted:
        most[tenth] = max(number, most.get(tenth, number))
    return [most[tenth] for tenth in sorted(most)]


def cpu_by_tenth(soak: Soak, whose: tuple[str, ...]) -> list[float]:
    """What processes whose names begin so used for a message, in milliseconds; from the last sample of a tenth to that of the next."""
    at_end: dict[tuple[str, int], float] = {}
    at_begin: dict[str, float] = {}
    for sample in soak.samples:
        if sample.who.startswith(whose):
            at_begin.setdefault(sample.who, sample.cpu_s)
            at_end[sample.who, sample.tenth] = sample.cpu_s
    found = []
    for tenth, answered in enumerate(soak.tenths()):
        used = 0.0
        for who, begin in at_begin.items():
            if (who, tenth) in at_end:
                used += at_end[who, tenth] - at_end.get((who, tenth - 1), begin)
        if answered:
            found.append(round(1000 * used / len(answered), 2))
    return found


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
    pushed: Callable[[], int] = lambda: 0  # how many messages those have who are pushed to
    numbers: count[int] = field(default_factory=lambda: count(1))
    ready: deque[list[letters.Letter]] = field(default_factory=deque)
    taken: int = 0  # letters that were answered 201

    def received(self) -> int:
        """How many messages have come to their receivers."""
        return self.pushed() + self.soak.seen.total()

    def owed(self) -> int:
        """How many were accepted, and have not yet come to their receiver."""
        return self.taken - self.received()

    def wrong(self, what: str) -> None:
        """Note what must not be; the first five are enough."""
        if len(self.soak.wrong) < 5:
            self.soak.wrong.append(what)

    async def fill(self, lives: int) -> None:
        """So many lives more are ready."""
        loop = asyncio.get_running_loop()
        while lives > 0:
            numbers = [next(self.numbers) for _ in range(min(CHUNK, lives))]
            self.ready += await loop.run_in_executor(self.pool, made, numbers, numbers[0])
            lives -= len(numbers)

    async def make(self) -> None:
        """Have some lives ready, for ever."""
        while True:
            if len(self.ready) < AHEAD:
                await self.fill(CHUNK)
            else:
                await asyncio.sleep(0.05)

    async def post(self, session: aiohttp.ClientSession, letter: letters.Letter) -> str:
        """One letter; what it was answered: the status, and the code of what was wrong."""
        headers = {"Authorization": f"Bearer {pki.token(letter.sender)}", "Content-Type": "application/xml"}
        async with session.post(
            f"http://127.0.0.1:{self.port}/v1/messages", data=letter.body, headers=headers
        ) as answer:
            body = await answer.read()
        if answer.status == 201:
            self.taken += 1
            return "201"
        self.wrong(f"{letter.loai} was answered {answer.status}: {body[:200]!r}")
        return " ".join([str(answer.status), *(one[0].decode() for one in _CODE.finditer(body))][:2])

    async def at_full_speed(self, session: aiohttp.ClientSession, seconds: float) -> tuple[float, float]:
        """As fast as answers come and receivers receive, for so long: how many a second were accepted, and were delivered."""
        until = time.perf_counter() + seconds

        async def one() -> None:
            while time.perf_counter() < until:
                if not self.ready or self.owed() > ON_THEIR_WAY:
                    await asyncio.sleep(0.01)
                    continue
                for letter in self.ready.popleft():
                    await self.post(session, letter)

        began, accepted, delivered = time.perf_counter(), self.taken, self.received()
        senders = [asyncio.create_task(one()) for _ in range(CONNECTIONS)]
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        found = (self.taken - accepted) / took, (self.received() - delivered) / took
        await asyncio.gather(*senders)  # each ends the life that it has begun
        return found

    async def steadily(self, session: aiohttp.ClientSession, seconds: float) -> list[tuple[int, float]]:
        """At the rate, for so long: (tenth, seconds) of each answer.

        A letter whose predecessor has no answer yet gives way to one of another life.
        """
        loop, soak = asyncio.get_running_loop(), self.soak
        began = loop.time()
        took: list[tuple[int, float]] = []
        waiting: deque[deque[letters.Letter]] = deque()
        tasks: set[asyncio.Task[None]] = set()

        async def one(life: deque[letters.Letter], due: float, tenth: int) -> None:
            letter = life.popleft()
            try:
                soak.statuses[await self.post(session, letter)] += 1
            except (aiohttp.ClientError, OSError) as error:  # also when it took too long
                soak.unanswered[type(error).__name__] += 1
                self.wrong(f"{letter.loai} was not answered: {error!r}")
                return  # and the rest of its dossier is not sent
            took.append((tenth, loop.time() - due))
            if life:
                waiting.append(life)

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
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=PATIENCE_S)
            if late:
                soak.wrong.append(f"{len(late)} letters were not answered")
        return took

    async def reading(self, session: aiohttp.ClientSession, reader: str) -> None:
        """A reader of a feed, for ever."""
        after = 0
        headers = {"Authorization": f"Bearer {pki.token(reader)}", "Accept": "application/json"}
        while True:
            url = f"http://127.0.0.1:{self.port}/v1/inbox?after={after}&limit=100&wait=5"
            try:
                async with session.get(url, headers=headers) as answer:
                    rows = (await answer.json())["DanhSachMuc"] if answer.status == 200 else []
            except (aiohttp.ClientError, OSError) as error:  # told in the end, with all that was measured
                self.wrong(f"feed of {reader} was not answered: {error!r}")
                await asyncio.sleep(1.0)
                continue
            if rows and rows[0]["ViTri"] != after + 1:
                self.wrong(f"feed of {reader}: {rows[0]['ViTri']} came after {after}")
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
    used = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[11:13]
    cpu_s = sum(map(int, used)) / os.sysconf("SC_CLK_TCK")
    return Sample(tenth, who, megabytes, len(targets) - connections, connections, cpu_s)


async def watched(sender: Sender, node: nodes.Node, began: float, seconds: float) -> None:
    """Memory and descriptors of every process of the node and what is owed, some twenty times in each tenth.

    Whoever sends and the agency live in this process: each connection of the node has its other end here.
    """
    soak = sender.soak
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
        soak.owed.append((tenth, sender.owed()))
        itself = sampled(tenth, SENDER, os.getpid())
        soak.beyond.append((tenth, spare - itself.connections))
        makers = [child.pid for child in multiprocessing.active_children() if child.pid is not None]
        soak.samples += [itself, *(sampled(tenth, MAKER, pid) for pid in makers)]
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


@contextlib.contextmanager
def running(folder: Path, database: str) -> Iterator[tuple[nodes.Node, agency.Agency]]:
    """A node at work, and the agency that it delivers to."""
    with agency.agency() as there, nodes.node(folder, agency=there.url, database=database) as node:
        node.serve(workers=2)
        node.work()
        yield node, there


@dataclass(frozen=True)
class Times:
    """How long each part takes, in seconds."""

    fill: float  # the store, before the peak is looked for
    peak: float
    long: float
    turn: float


async def soaked(
    soak: Soak,
    share: float,
    times: Times,
    one: tuple[nodes.Node, agency.Agency],
    another: Callable[[], tuple[nodes.Node, agency.Agency]],
) -> None:
    """What fills the store, the peak, the long time, then the turns beside a new node."""
    spawn = multiprocessing.get_context("spawn")
    node, there = one
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        sender = Sender(soak, node.port, pool, lambda: len(there.taken))
        limits = aiohttp.ClientTimeout(total=PATIENCE_S)
        connections = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=limits, connector=connections) as session:
            await sender.fill(AHEAD)
            async with beside(sender.make(), *(sender.reading(session, reader) for reader in READERS)):
                await sender.at_full_speed(session, times.fill)
                soak.before = sender.taken
                soak.accepted, soak.delivered = await sender.at_full_speed(session, times.peak)
                soak.rate = share * soak.peak
                async with beside(watched(sender, node, time.perf_counter(), times.long)):
                    soak.latencies = await sender.steadily(session, times.long)
                new, elsewhere = await asyncio.to_thread(another)
                other = Sender(Soak(0.0, rate=soak.rate), new.port, pool, lambda: len(elsewhere.taken))
                await other.fill(AHEAD)
                async with beside(other.make(), *(other.reading(session, reader) for reader in READERS)):
                    await other.at_full_speed(session, times.peak)  # so that it has what a process takes once
                    await in_turn(session, sender, other, times.turn)
                soak.statuses += other.soak.statuses
                soak.unanswered += other.soak.unanswered
                soak.wrong += other.soak.wrong


async def in_turn(session: aiohttp.ClientSession, sender: Sender, other: Sender, seconds: float) -> None:
    """Letters for the one, then for the other, so long each; who comes first changes."""
    for number in range(TURNS):
        medians = {}
        for whose in (sender, other) if number % 2 else (other, sender):
            medians[whose is sender] = statistics.median(took for _, took in await whose.steadily(session, seconds))
        sender.soak.turns.append(Turn(medians[True], medians[False]))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="A node at a share of its peak for long: nothing may grow.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--share", type=float, default=0.6)
    parser.add_argument(
        "--fill", type=float, help="minutes at full speed before the peak is measured; a tenth of --minutes"
    )
    parser.add_argument("--peak", type=float, help="minutes that it is measured for; a twentieth of --minutes")
    parser.add_argument("--postgresql", action="store_true")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lienthong-soak-", dir=reachable()))
    folder.chmod(0o755)
    soak = Soak(arguments.minutes)
    with contextlib.ExitStack() as stack:

        def one(name: str) -> tuple[nodes.Node, agency.Agency]:
            database = "sqlite:///node.sqlite3"
            if arguments.postgresql:
                server = MortalServer(folder / f"{name}-server")
                stack.callback(server.stop)
                server.prepare()
                database = server.url
            return stack.enter_context(running(folder / name, database))

        fill, peak = (
            soak.minutes / parts if given is None else given
            for given, parts in ((arguments.fill, 10), (arguments.peak, 20))
        )
        seconds = 60 * soak.minutes
        times = Times(60 * fill, 60 * peak, seconds, max(TURN_S, seconds / 180))
        first = one("node")
        asyncio.run(soaked(soak, arguments.share, times, first, lambda: one("new")))
    rows = {"database": "postgresql" if arguments.postgresql else "sqlite", "minutes": soak.minutes, **report(soak)}
    rows |= {"pushed": len(first[1].taken), "read": dict(soak.seen), "grown": judged(soak)}
    sys.stdout.write("".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in rows.items()))
    shutil.rmtree(folder)
    return int(bool(rows["grown"]))


if __name__ == "__main__":
    sys.exit(main())
