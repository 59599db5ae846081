"""Product and peer in one run: the same documents, generator, machine and durability; rounds in turn; prints the ratios.

    python bench/peer/compare.py [--rounds 3] [--messages 1500] [--sizes 4,20]

The peer (README.md beside this file says what each side does) needs a JDK 17 and Maven, which fetches Camel. It is warmed by at
least 12,000 messages of each size before anything is measured, and stays up between its rounds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(ROOT / "tests" / "pki")]

import documents  # noqa: E402
import goals  # noqa: E402
import load  # noqa: E402
import nodes  # noqa: E402
import pki  # noqa: E402
import run as bench  # noqa: E402

WARM, PASSES = 4000, 3  # documents of each size, and how often they are sent: HotSpot compiles for a long time
TABLES = ("claim", "body", "message", "inbox")


def build() -> None:
    """The peer's classes and libraries, unless they are there. Raises SystemExit with a sentence."""
    missing = [program for program in ("java", "javac", "mvn") if shutil.which(program) is None]
    if missing:
        raise SystemExit(
            f"Không có {', '.join(missing)}: không so được với Camel (cần JDK 17 và Maven). / "
            f"No {', '.join(missing)} here: the peer cannot be built (JDK 17 and Maven are needed)."
        )
    target = HERE / "target"
    if not (target / "lib").exists():
        fetch = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=target/lib"]
        subprocess.run(fetch, cwd=HERE, check=True)
    sources = [str(path) for path in sorted((HERE / "src").rglob("*.java"))]
    (target / "classes").mkdir(parents=True, exist_ok=True)
    subprocess.run(["javac", "-d", str(target / "classes"), "-cp", f"{target}/lib/*", *sources], check=True)


@contextmanager
def peer(database: Path) -> Iterator[tuple[int, int]]:
    """(process, port) of the Camel pipeline."""
    port = nodes.free_port()
    options = {"product": ROOT, "port": port, "database": database, "http": "platform-http", "dsig": "santuario"}
    options |= {"commit": "single", "conscrypt": "false", "org.slf4j.simpleLogger.defaultLogLevel": "warn"}
    command = ["java", "-Xmx1g", "-cp", f"{HERE}/target/classes:{HERE}/target/lib/*"]
    command += [*(f"-D{name}={value}" for name, value in options.items()), "peer.Peer"]
    running = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while not _answers(port):
            if running.poll() is not None or time.monotonic() > until:
                raise SystemExit("the peer did not come up")
            time.sleep(0.2)
        yield running.pid, port
    finally:
        running.terminate()
        running.wait(30)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def forget(database: Path) -> None:
    """The peer's records, so that the same documents can be sent again."""
    with closing(sqlite3.connect(database, timeout=30)) as base, base:
        for table in TABLES:
            base.execute(f"delete from {table}")


def once(pid: int, port: int, bodies: Path, count: int, connections: int) -> dict[str, float]:
    """One round of one side."""
    before = bench.cpu_of(pid)
    result = bench.generate(bodies, port, connections, token=pki.token(documents.SENDER))
    if result["statuses"] != {"201": count}:
        raise SystemExit(f"answers {result['statuses']}")
    spent = 1e6 * (bench.cpu_of(pid) - before) / count
    return {"per_s": count / result["elapsed_s"], "us": spent, "p50": result["p50_ms"], "p99": result["p99_ms"]}


def measure(size: int, given: argparse.Namespace, folder: Path) -> dict[str, list[dict[str, float]]]:
    """All rounds of one size."""
    found: dict[str, list[dict[str, float]]] = {"product": [], "peer": []}
    made = documents.dossiers(max(WARM, (given.messages + 200) * given.rounds), size * 1024)
    warm, main = folder / "warm.bin", folder / "main.bin"
    database = folder / f"peer-{size}.sqlite3"
    with peer(database) as (pid, port):
        for number in range(PASSES):
            bench.say(f"{size} KB: the peer warms up, {number + 1} of {PASSES}")
            load.write_bodies(warm, made[:WARM])
            bench.generate(warm, port, given.connections, token=pki.token(documents.SENDER))
            forget(database)
        for turn in range(given.rounds):
            part = made[turn * (given.messages + 200) :][: given.messages + 200]
            load.write_bodies(warm, part[:200])
            load.write_bodies(main, part[200:])
            bench.say(f"{size} KB, round {turn + 1}")
            settings = {"log": {"level": "INFO"}}
            with nodes.node(folder / f"node-{size}-{turn}", settings=settings) as node:
                server = node.serve(os.cpu_count() or 1)
                bench.generate(warm, node.port, given.connections, token=pki.token(documents.SENDER))
                bench.settle(server.pid)
                found["product"].append(once(server.pid, node.port, main, given.messages, given.connections))
            forget(database)
            bench.generate(warm, port, given.connections, token=pki.token(documents.SENDER))
            found["peer"].append(once(pid, port, main, given.messages, given.connections))
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="The gateway and a plain Camel pipeline in turn; read the ratio.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=1500)
    parser.add_argument(
        "--sizes", type=lambda text: [int(size) for size in text.split(",")], default=[4, 20], help="KB"
    )
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--times", type=int, default=1, help="so many runs of everything")
    parser.add_argument("--results", type=Path, default=goals.RESULTS, help="where the figures of all runs are kept")
    given = parser.parse_args()
    build()
    runs = [one_run(given) for _ in range(given.times)]
    table = (HERE / "README.md").read_text("utf-8").partition("| station |")
    sys.stdout.write(f"{table[1]}{table[2]}")
    sys.stdout.write(json.dumps({"load": os.getloadavg()[0], "warmed_by": WARM * PASSES}) + "\n\n")
    sys.stdout.write(goals.table(goals.keep(given.results, "bench-peer", runs)))
    return 0


def one_run(given: argparse.Namespace) -> dict[str, float]:
    """Every size, told as a table; the ratios by their names in the table of goals."""
    figures: dict[str, float] = {}
    lines = [
        "| KB | gateway/s | Camel/s | **gateway ÷ Camel** | CPU µs, each | p99 ms, each |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="lienthong-peer-") as name:
        for size in given.sizes:
            found = measure(size, given, Path(name))
            ours, theirs = (
                {key: statistics.median(row[key] for row in found[side]) for key in ("per_s", "us", "p99")}
                for side in ("product", "peer")
            )
            figures[f"camel {size}"] = ours["per_s"] / theirs["per_s"]
            lines.append(
                f"| {size} | {ours['per_s']:,.0f} | {theirs['per_s']:,.0f} | **{ours['per_s'] / theirs['per_s']:.2f}** "
                f"| {ours['us']:,.0f} / {theirs['us']:,.0f} | {ours['p99']:,.0f} / {theirs['p99']:,.0f} |"
            )
    sys.stdout.write("\n".join(lines) + "\n\n")
    return figures


if __name__ == "__main__":
    sys.exit(main())
