"""Load, and kills of whatever runs, at random moments; then everybody's books are compared with a model (tests/pki/books.py).

    python tests/pki/storm.py --kills 1000 [--seed N] [--lie swapped]      (make storm; make storm-short)

Two nodes share one PostgreSQL, a third has a file of SQLite. Senders send lives of seven messages both ways, readers read their
feeds, an agency that is pushed to misbehaves. Meanwhile workers, parents, the processes that they are forked from, `work` and the
database are killed, stopped and let go on; whoever ended is started again, as systemd would. What must hold is what
:func:`books.audit` says, the log's chain, and that whoever is left without a parent leaves.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import agency
import nodes
import processes
from books import LIES, audit
from clusters import MortalServer, reachable
from patience import PATIENCE_S, eventually
from traffic import Traffic

SETTINGS = {"web": {"stall_s": 6, "drain_s": 10}}
FAULTY = 0.35  # share of the agency's answers that are wrong
STOPS = 0.12  # how often, beside a kill, somebody is stopped for a while
DEATHS = {  # of what is killed, and how often among 44
    "serve: worker": 16,
    "serve: forkserver": 2,
    "serve: parent": 2,
    "serve: parent, SIGTERM": 2,
    "work: process": 8,
    "work: forkserver": 2,
    "work: parent": 2,
    "work: parent, SIGTERM": 2,
    "database: backend": 4,
    "database: server": 4,
}


@dataclass
class Kept:
    """A node, and whoever starts again what has ended there."""

    node: nodes.Node
    name: str
    restarts: int = 0
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        """Both commands run, and will run again."""
        for command in (("serve", "--workers", "2"), ("work",)):
            self._threads.append(threading.Thread(target=self._keep, args=command, daemon=True))
            self._threads[-1].start()

    def _keep(self, *command: str) -> None:
        while True:
            process = self.node.start(*command)
            while process.poll() is None:
                if self.over.wait(0.1):
                    return
            left = processes.group(process.pid)
            if not eventually(lambda: not processes.group(process.pid)):  # noqa: B023 - asked before the next turn
                self.wrong.append(f"{self.name}: of {command[0]}, whose parent is dead, {left} did not leave")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            if self.over.is_set():
                return
            self.restarts += 1

    def ready(self) -> bool:
        """Whether it takes messages."""
        with contextlib.suppress(OSError, HTTPException):
            return self.node.call("GET", "/readyz").status == 200
        return False

    def end(self) -> None:
        """SIGTERM: both end well."""
        eventually(lambda: self.ready() and self.pids("work: process"))
        self.over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        for command, process in self.node.running.items():
            process.terminate()
            if process.wait(PATIENCE_S) != 0:
                self.wrong.append(f"{self.name}: {command} ended with {process.returncode} when it was told to stop")

    def pids(self, whom: str) -> list[int]:
        """Who of that kind runs here now."""
        command, _, kind = whom.partition(": ")
        parent = self.node.running.get(command)
        if parent is None or parent.poll() is not None:
            return []
        if kind.startswith("parent"):
            return [parent.pid]
        return processes.forkservers(parent.pid) if kind == "forkserver" else processes.workers(parent.pid)


@dataclass
class World:
    """One database with its nodes and partners."""

    name: str
    kept: list[Kept]
    traffic: Traffic
    server: MortalServer | None = None


@dataclass
class Storm:
    """All of it."""

    seed: int
    folder: Path
    chance: random.Random = field(init=False)
    worlds: list[World] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def raise_it(self, stack: contextlib.ExitStack, *, pause_s: float) -> None:
        """Two worlds, at work."""
        server = MortalServer(self.folder / "postgresql")
        stack.callback(server.stop)
        server.prepare()
        for name, database, count in (("postgresql", server.url, 2), ("sqlite", "sqlite:///node.sqlite3", 1)):
            there = stack.enter_context(agency.agency())
            kept = [Kept(self._node(name, n, database, there), f"{name}-{n + 1}") for n in range(count)]
            traffic = Traffic([one.node for one in kept], there, random.Random(self.chance.random()), pause_s=pause_s)
            there.fault = _faults(random.Random(self.chance.random()))
            self.worlds.append(World(name, kept, traffic, server if name == "postgresql" else None))
            for one in kept:
                stack.callback(one.node.stop)
                stack.callback(one.over.set)
                one.begin()
        for world in self.worlds:
            assert all(eventually(one.ready) for one in world.kept), [one.node.log("serve") for one in world.kept]
            world.traffic.begin()

    def _node(self, name: str, number: int, database: str, there: agency.Agency) -> nodes.Node:
        return nodes.Node(
            self.folder / f"{name}-{number + 1}",
            database=database,
            agency=there.url,
            settings=SETTINGS,
            profiles={"so-tu-phap": "retry = { longest_s = 1 }\n"},
            query=name == "postgresql",  # there it is asked what it has; with SQLite it is sent again
            joins=number > 0,
        ).prepare()

    def rage(self, kills: int) -> None:
        """So many kills, each of what its turn in the deck says, in some node."""
        deck: list[str] = []
        while len(deck) < kills:
            cards = [whom for whom, times in DEATHS.items() for _ in range(times)]
            self.chance.shuffle(cards)
            deck += cards
        for number, whom in enumerate(deck[:kills], 1):
            time.sleep(self.chance.uniform(0.2, 1.2))
            self._strike(whom)
            if self.chance.random() < STOPS:
                self._stop_a_while(self.chance.choice(("serve: worker", "work: process")))
            if number % 50 == 0:
                self._tell(f"{number} kills, {sum(world.traffic.answered() for world in self.worlds)} messages")

    def _strike(self, whom: str) -> None:
        if whom.startswith("database"):
            server = next(world.server for world in self.worlds if world.server is not None)
            if whom == "database: server":
                server.kill()
                time.sleep(self.chance.uniform(0, 1.5))
                server.start()
            else:
                self._signal(whom, server.backends, signal.SIGKILL)
                eventually(server.answers)
                return
            self.kills[whom] += 1
            return
        kept = [one for world in self.worlds for one in world.kept]
        # asked anew each time: in a node whose child was begun alone there is nothing that it was forked from
        self._signal(
            whom,
            lambda: self.chance.choice(kept).pids(whom),
            signal.SIGTERM if whom.endswith("SIGTERM") else signal.SIGKILL,
        )

    def _signal(self, whom: str, pids: Callable[[], Sequence[int]], number: int) -> None:
        """One of these, as soon as there is one."""
        struck = False

        def strike() -> bool:
            nonlocal struck
            found = pids()
            with contextlib.suppress(ProcessLookupError):
                if found:
                    os.kill(self.chance.choice(found), number)
                    struck = True
            return struck

        if eventually(strike):
            self.kills[whom] += 1
        else:
            self.worlds[0].traffic.wrong(f"there was no {whom} to be killed any more")

    def _stop_a_while(self, whom: str) -> None:
        """SIGSTOP, and SIGCONT later: shorter or longer than its parent has patience."""
        kept = self.chance.choice([one for world in self.worlds for one in world.kept])
        for pid in kept.pids(whom)[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self.stops[whom] += 1
                timer = threading.Timer(self.chance.uniform(0.5, 9.0), _go_on, (pid,))
                timer.daemon = True
                timer.start()

    def end(self, lie: str | None) -> list[str]:
        """What is left of it, held against the model: every fact that is broken."""
        broken: list[str] = []
        for world in self.worlds:
            world.traffic.finish()
        for world in self.worlds:
            if not eventually(lambda: all(one.ready() for one in world.kept)):  # noqa: B023 - asked before the next turn
                world.traffic.wrong("a node did not come up again")
            self._tell(f"{world.name}: settling {len(world.traffic.books.sent)} messages")
            world.traffic.settle()
            world.traffic.ask_again()
            for one in world.kept:
                one.end()
                world.traffic.books.told += one.wrong
            for words in (("log", "verify"), ("log", "verify", "--store")):
                try:
                    world.kept[0].node.rows(*words)
                except AssertionError as error:
                    world.traffic.wrong(f"{' '.join(words)}: {error}")
            if lie is not None:
                LIES[lie](world.traffic.books)
            (self.folder / f"{world.name}-books.json").write_text(world.traffic.books.as_text(), "utf-8")
            broken += [f"{world.name}: {fact}" for fact in audit(world.traffic.books)]
        return broken

    def _tell(self, what: str) -> None:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {what}\n")

    def report(self) -> dict[str, object]:
        """In figures."""
        traffics = [world.traffic for world in self.worlds]
        return {
            "kills": sum(self.kills.values()),
            "of": dict(sorted(self.kills.items())),
            "stopped for a while": dict(self.stops),
            "started again": sum(one.restarts for world in self.worlds for one in world.kept),
            "messages": {world.name: len(world.traffic.books.sent) for world in self.worlds},
            "sent more than once for an answer": sum(one.resent for one in traffics),
            "pushed": sum(len(one.there.taken) for one in traffics),
            "arrived there": sum(len(one.there.arrivals) for one in traffics),
            "asked there": sum(one.there.asked for one in traffics),
        }


def _go_on(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _faults(chance: random.Random) -> Callable[[], str]:
    return lambda: chance.choice(agency.FAULTS) if chance.random() < FAULTY else ""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description="Kill the gateway at random under load; compare what is left with a model."
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument(
        "--pause", type=float, default=0.4, help="the longest pause of a sender between two messages, seconds"
    )
    parser.add_argument("--lie", choices=tuple(LIES), help="falsify the books before the audit, which must notice")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lienthong-storm-", dir=reachable()))
    folder.chmod(0o755)
    started, storm = time.monotonic(), Storm(arguments.seed, folder)
    with contextlib.ExitStack() as stack:
        try:
            storm.raise_it(stack, pause_s=arguments.pause)
            storm.rage(arguments.kills)
            broken = storm.end(arguments.lie)
        except Exception:  # noqa: BLE001 - a storm that breaks down has shown nothing
            broken = [f"the storm itself broke down: {traceback.format_exc()}"]
    report = storm.report() | {
        "wall, s": round(time.monotonic() - started),
        "seed": arguments.seed,
        "broken": len(broken),
    }
    sys.stdout.write("".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in report.items()))
    if not broken:
        shutil.rmtree(folder)
        return 0
    (folder / "broken.txt").write_text("\n".join(broken) + "\n", "utf-8")
    sys.stdout.write(f"seed {arguments.seed}; the first broken fact: {broken[0]}\neverything is kept in {folder}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
