"""Load, and kill -9 of whatever runs, at random moments; then the books are checked.

    python tests/pki/storm.py --messages 2000 --kills 60 [--database URL] [--seed N]      (make kill)

What must hold whatever was killed when:
every answer that a sender got is on record with the same receipt; what was not answered can be sent again; each message
stands once in its receiver's feed, positions without a gap; a party that is pushed to has each message's effect once, in
order per dossier; the log's chain verifies.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import agency
import letters
import nodes
from patience import PATIENCE_S


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def workers(pid: int) -> list[int]:
    """The processes that serve: the children of the one that they are forked from."""
    found = []
    for child in children(pid):
        with contextlib.suppress(OSError):
            if b"multiprocessing.forkserver" in Path(f"/proc/{child}/cmdline").read_bytes():
                found += children(child)
    return sorted(found)


def settled(node: nodes.Node, wanted: set[str]) -> dict[str, str]:
    """MaThongDiep -> state of its delivery, once all of these are delivered (or the time is up)."""
    until = time.monotonic() + PATIENCE_S
    while True:
        states: dict[str, str] = {}
        for identity in wanted:
            for row in node.call("GET", f"/v1/messages/{identity}", party="cong-dvc").json.get("DanhSachGiaoNhan", []):
                states[identity] = row["TrangThaiGiaoNhan"]
        if set(states.values()) == {"delivered"} and states.keys() == wanted:
            return states
        if time.monotonic() > until:
            return states
        time.sleep(0.2)


@dataclass
class Report:
    """What the storm left behind."""

    messages: int = 0
    kills: int = 0
    resent: int = 0
    arrivals: int = 0
    took_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


@dataclass
class _Storm:
    node: nodes.Node
    agency: agency.Agency
    letters: list[letters.Letter]
    receipts: dict[str, bytes] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    def send(self, mine: list[letters.Letter]) -> None:
        """Send in order; whatever is not answered is sent again, as an honest sender does."""
        for letter in mine:
            tries = 0
            while not self.over.is_set():
                tries += 1
                with contextlib.suppress(OSError, HTTPException, ValueError):
                    answer = self.node.post(letter.body, letter.sender)
                    if answer.status in (200, 201):
                        self.keep(letter, base64.b64decode(answer.json["BienNhan"]), tries)
                        break
                    if answer.status != 503:
                        self.wrong(f"{letter.id}: {answer.status} {answer.body[:300]!r}")
                        return
                time.sleep(0.05)

    def keep(self, letter: letters.Letter, receipt: bytes, tries: int) -> None:
        with self.lock:
            self.receipts[letter.id] = receipt
            self.report.resent += tries > 1

    def wrong(self, what: str) -> None:
        with self.lock:
            self.report.wrong.append(what)


def run(folder: Path, *, messages: int, kills: int, database: str, seed: int = 20260115, senders: int = 4) -> Report:
    """The storm and the audit after it."""
    chance = random.Random(seed)
    started = time.monotonic()
    with agency.agency() as so_tu_phap:
        profiles = {"so-tu-phap": "retry = { longest_s = 1 }\n"}
        with nodes.node(folder / "node", agency=so_tu_phap.url, profiles=profiles, database=database) as node:
            made = [letters.dossier(n, "so-tu-phap" if n % 2 else "ubnd-xa-thu-nghiem") for n in range(1, messages + 1)]
            storm = _Storm(node, so_tu_phap, made)
            storm.report.messages = messages
            node.keep("serve", "work", workers=2)
            threads = [threading.Thread(target=storm.send, args=(made[n::senders],)) for n in range(senders)]
            for thread in threads:
                thread.start()
            for number in range(kills):
                time.sleep(chance.uniform(0.2, 2.0))
                name = ("serve", "work")[number % 2] if number < 2 else chance.choice(("serve", "work"))
                node.kill(name)
                storm.report.kills += 1
                time.sleep(chance.uniform(0.0, 0.5))
                node.keep("serve", "work", workers=2)
            for thread in threads:
                thread.join(PATIENCE_S)
                if thread.is_alive():
                    storm.wrong("a sender never got its answers")
            storm.over.set()
            _audit(storm)
    storm.report.took_s = time.monotonic() - started
    return storm.report


def _audit(storm: _Storm) -> None:
    node, report = storm.node, storm.report
    pushed = [letter for letter in storm.letters if letter.ma_ho_so.startswith("H19.901-")]
    pulled = [letter for letter in storm.letters if letter not in pushed]
    for letter in storm.letters:
        again = node.post(letter.body, letter.sender)
        if again.status != 200 or base64.b64decode(again.json["BienNhan"]) != storm.receipts.get(letter.id):
            storm.wrong(f"{letter.id}: answered {again.status}, and not with the first receipt")
    entries = node.inbox("ubnd-xa-thu-nghiem")
    if [entry["ViTri"] for entry in entries] != list(range(1, len(entries) + 1)):
        storm.wrong("the feed has a gap")
    if sorted(entry["MaThongDiep"] for entry in entries) != sorted(letter.id for letter in pulled):
        storm.wrong(f"the feed has {len(entries)} entries for {len(pulled)} messages")
    states = settled(node, {letter.id for letter in pushed})
    late = {identity: state for identity, state in states.items() if state != "delivered"}
    if late or len(states) != len(pushed):
        storm.wrong(f"not delivered: {late or len(pushed) - len(states)}")
    if storm.agency.taken.keys() != {letter.id for letter in pushed}:
        storm.wrong(f"the agency took {len(storm.agency.taken)} messages of {len(pushed)}")
    for letter in pushed:
        if storm.agency.taken.get(letter.id) != letter.body:
            storm.wrong(f"{letter.id} reached the agency with other bytes")
    report.arrivals = len(storm.agency.arrivals)
    node.run("log", "verify")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Kill the gateway at random under load; audit what is left.")
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--database", default="sqlite:///node.sqlite3")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lienthong-storm-") as folder:
        report = run(
            Path(folder),
            messages=arguments.messages,
            kills=arguments.kills,
            database=arguments.database,
            seed=arguments.seed,
        )
    sys.stdout.write(json.dumps({"seed": arguments.seed, **report.__dict__}, indent=2) + "\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
