"""A disaster, drilled with running processes: the disk of a node is gone, and it comes back from its backup and its keys.

    python tests/pki/drill.py [--only sqlite]      (make drill)

Under load: a backup while it runs, more traffic, then the end: everything is killed, folder and database are removed. An empty node
is restored from the backup and from what is kept apart (configuration, keys, profiles). Whoever reads a feed is told that its
position is none (409) and begins anew; whoever sends is told by ``restore --report`` what to send again, and does. In the end the
same model as that of the storm must hold: nothing that was ever acknowledged is missing, or there twice.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import agency
import nodes
from books import audit
from clusters import MortalServer, reachable
from patience import PATIENCE_S, eventually
from traffic import READERS, Traffic

BEFORE, AFTER, LATER = 40, 40, 20  # messages before the backup, between it and the end, and when all is well again
APART = ("lienthong.toml", "keys", "parties")


@dataclass
class Drill:
    """One node, its partners, and its end."""

    kind: str
    folder: Path
    told: dict[str, tuple[int, int]] = field(default_factory=dict)  # reader -> asked after, told to ask after
    steps: dict[str, object] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """Every fact that is broken."""
        with contextlib.ExitStack() as stack:
            server = None
            if self.kind == "postgresql":
                server = MortalServer(self.folder / "server")
                stack.callback(server.stop)
                server.prepare()
            there = stack.enter_context(agency.agency())
            database = server.url if server is not None else "sqlite:///node.sqlite3"
            profiles = {"so-tu-phap": "retry = { longest_s = 1 }\n"}
            node = nodes.Node(self.folder / "node", database=database, agency=there.url, profiles=profiles, query=True)
            node.prepare()
            stack.callback(node.stop)
            node.serve(workers=2)
            node.work()
            traffic = Traffic([node], there, random.Random(1), senders=2, pause_s=0.1, on_conflict=self._conflict)
            traffic.begin()
            backup = self._backed_up(node, traffic)
            self._destroyed(node, traffic, server)
            self._restored(node, backup, server)
            self._sent_again(node, traffic)
            self._goes_on(node, traffic)
            self.broken += audit(traffic.books)
        return self.broken

    def _backed_up(self, node: nodes.Node, traffic: Traffic) -> Path:
        """A backup under load, and more traffic after it."""
        self._wait(traffic, BEFORE)
        began = traffic.answered()
        apart = self.folder / "apart"
        apart.mkdir()
        node.run("backup", str(apart / "backup.zip"))
        self.steps["messages acknowledged while the backup was made"] = traffic.answered() - began
        for name in APART:
            kept = node.folder / name
            shutil.copytree(kept, apart / name) if kept.is_dir() else shutil.copy(kept, apart / name)
        self._wait(traffic, traffic.answered() + AFTER)
        # What is on no feed before the end cannot be missed by its reader.
        heads = {reader: len(traffic.books.feeds[reader]) for reader in READERS}
        if not eventually(lambda: all(len(traffic.books.feeds[reader]) > heads[reader] for reader in READERS)):
            self.broken.append("no reader got anything after the backup")
        return apart / "backup.zip"

    def _wait(self, traffic: Traffic, count: int) -> None:
        if not eventually(lambda: traffic.answered() >= count):
            self.broken.append(f"{traffic.answered()} of {count} messages were taken")

    def _destroyed(self, node: nodes.Node, traffic: Traffic, server: MortalServer | None) -> None:
        """The end, in the middle of it."""
        for command in ("serve", "work"):
            node.kill(command)
        traffic.going.clear()
        for _ in range(traffic.senders):  # each has noticed that nobody answers, or is between two messages
            traffic.at_rest.acquire(timeout=PATIENCE_S)
        shutil.rmtree(node.folder)
        if server is not None:
            server.destroy()
        self.steps["acknowledged when it ended"] = traffic.answered()

    def _restored(self, node: nodes.Node, backup: Path, server: MortalServer | None) -> None:
        """An empty node, from what was kept apart, and its backup."""
        if server is not None:
            server.prepare()
        node.folder.mkdir()
        for name in APART:
            kept = backup.parent / name
            shutil.copytree(kept, node.folder / name) if kept.is_dir() else shutil.copy(kept, node.folder / name)
        began = time.monotonic()
        node.run("restore", str(backup), "--yes", "--reason", "drill: the disk is gone")
        node.serve(workers=2)
        self.steps["from an empty node to one that takes messages, s"] = round(time.monotonic() - began, 1)

    def _sent_again(self, node: nodes.Node, traffic: Traffic) -> None:
        """Readers are told by the door, senders by the report; what is sent again is what was lost, and nothing else is new."""
        books = traffic.books
        if not eventually(lambda: len(self.told) == len(READERS)):
            self.broken.append(
                f"readers that were not told that their position is none: {set(READERS) - self.told.keys()}"
            )
        held = self.folder / "receipts"
        held.mkdir()
        for name, receipts in books.receipts.items():
            (held / f"{name}.xml").write_bytes(receipts[0])
        rows = node.rows("restore", "--report", "--receipts", str(held), fine=(0, 1))
        lost = {name for row in rows for name in row.get("lost", ())}
        since = {row["party"]: row["send_again_from"] for row in rows if "send_again_from" in row}
        if not lost or len(lost) >= len(books.receipts):
            self.broken.append(f"the report names {len(lost)} of {len(books.receipts)} messages as lost")
        new = set()
        for name, letter in traffic.letters.items():
            if name not in books.receipts:
                continue
            if letter.sender not in since:
                self.broken.append(f"the report does not tell {letter.sender} from when to send again")
            first = books.receipts.pop(name)
            if traffic.hand_in(letter, traffic.chance) == 201:
                new.add(name)
            elif books.receipts[name] != first[:1]:
                books.receipts[name] += first  # two receipts for one message: the audit says so
        if new != lost:
            self.broken.append(f"lost by the report: {sorted(lost)}; taken as new: {sorted(new)}")
        self.steps |= {"lost, told and sent again": len(new), "on record still": len(books.receipts) - len(new)}
        self.steps["readers were told to go back from, to"] = self.told

    def _goes_on(self, node: nodes.Node, traffic: Traffic) -> None:
        """All is well: the other half of the lives that were cut in two."""
        node.work()
        traffic.going.set()
        self._wait(traffic, traffic.answered() + LATER)
        traffic.finish()
        traffic.settle()
        traffic.ask_again()
        for command, process in node.running.items():
            process.send_signal(signal.SIGTERM)
            if process.wait(PATIENCE_S) != 0:
                self.broken.append(f"{command} ended with {process.returncode}")
        for words in (("log", "verify"), ("log", "verify", "--store")):
            try:
                node.rows(*words)
            except AssertionError as error:
                self.broken.append(f"{' '.join(words)}: {error}")
        self.steps["messages in the end"] = len(traffic.books.sent)

    def _conflict(self, traffic: Traffic, reader: str, answer: nodes.Answer) -> None:
        """What a reader does that is told: back to where its feed is the same, as the sentence says."""
        said = answer.body.decode()
        back = re.search(r"SYS-144.*?after=(\d+)", said, re.DOTALL)
        if back is None or reader in self.told:
            traffic.wrong(f"feed of {reader} was answered 409: {said[:400]}")
            return
        feed = traffic.books.feeds[reader]
        self.told[reader] = (feed[-1].position, int(back.group(1)))
        del feed[int(back.group(1)) :]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Destroy a node under load and bring it back.")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    only, failed = parser.parse_args().only, False
    for kind in (only,) if only else ("sqlite", "postgresql"):
        folder = Path(tempfile.mkdtemp(prefix=f"lienthong-drill-{kind}-", dir=reachable()))
        folder.chmod(0o755)
        started, drill = time.monotonic(), Drill(kind, folder)
        broken = drill.run()
        row = {"database": kind, "wall, s": round(time.monotonic() - started), **drill.steps, "broken": len(broken)}
        sys.stdout.write("".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in row.items()))
        if broken:
            failed = True
            sys.stdout.write("\n".join(broken[:20]) + f"\neverything is kept in {folder}\n")
        else:
            shutil.rmtree(folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
