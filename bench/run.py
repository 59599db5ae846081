"""The benchmark: floor and product in one run, on the same documents, on the same machine (docs/performance.md).

    python bench/run.py             two sizes, three rounds each, a few minutes
    python bench/run.py --quick     few messages of 4 KB, one round; to see that it works

The product is `lienthong serve` over SQLite (or --database URL), driven over keep-alive connections by a generator in a
process of its own; CPU is that of all server processes, from the operating system. The floor is the sum of the bare
primitives and of a handler that does nothing, under the same generator. Rounds alternate: floor, product, floor, product.
Read the ratio; absolute figures are this machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "pki")]

import documents  # noqa: E402
import floor  # noqa: E402
import load  # noqa: E402
import nodes  # noqa: E402
import pki  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from sqlalchemy import text  # noqa: E402

from gateway.store import open_engine  # noqa: E402
from schemas.catalog import bundled  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Row:
    """What was measured for one size, one value a round."""

    size: int
    body_bytes: int
    floor_us: list[float] = field(default_factory=list)
    floor_parts: list[dict[str, float]] = field(default_factory=list)
    product_us: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p95_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Product CPU over floor CPU."""
        return statistics.median(self.product_us) / statistics.median(self.floor_us)


def cpu_of(group: int) -> float:
    """CPU seconds of every process of a process group so far."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended just now
        if int(fields[2]) == group:
            ticks += sum(int(value) for value in fields[11:15])  # own, and children that ended
    return ticks / TICK


def settle(group: int) -> None:
    """Wait, at most half a minute, until a process group is idle: what a worker prepares after its start is no message's."""
    for _ in range(30):
        before = cpu_of(group)
        time.sleep(1)
        if cpu_of(group) - before < 0.05:
            return


def generate(bodies: Path, port: int, connections: int, token: str | None) -> dict[str, Any]:
    """One run of the load generator."""
    command = [sys.executable, str(HERE / "load.py"), "--port", str(port), "--connections", str(connections)]
    command += ["--bodies", str(bodies), *(["--token", token] if token else [])]
    done = subprocess.run(command, capture_output=True, check=True, timeout=600)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def http_floor(bodies: Path, connections: int) -> float:
    """µs of server CPU per request of a handler that does nothing."""
    server = subprocess.Popen([sys.executable, str(HERE / "noop.py")], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        before = cpu_of(server.pid)
        answers = generate(bodies, port, connections, None)["answers"]
        return 1e6 * (cpu_of(server.pid) - before) / answers
    finally:
        server.kill()
        server.wait()


def count_of(database: str, folder: Path) -> int:
    """How many messages are on record as accepted."""
    url = (
        database
        if "://" in database and not database.startswith("sqlite:///")
        else f"sqlite:///{folder / 'node.sqlite3'}"
    )
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(text("select count(*) from message where state = 'accepted'")).scalar_one())
    finally:
        engine.dispose()


def measure(arguments: argparse.Namespace, folder: Path) -> list[Row]:
    """All sizes, all rounds."""
    rows = []
    receipt_key = pki.signer("gateway").key
    assert isinstance(receipt_key, ec.EllipticCurvePrivateKey)
    kind = next(kind for kind in bundled().kinds() if (kind.loai, kind.goc) == ("HS01", "NopHoSo"))
    schema = bundled().schema(kind)
    number = 1
    for size in arguments.sizes:
        sample = documents.dossiers(1, size * 1024, first=0, xades=arguments.xades)[0]
        row = Row(size=size, body_bytes=len(sample))
        for turn in range(arguments.rounds):
            made = documents.dossiers(arguments.messages + 200, size * 1024, first=number, xades=arguments.xades)
            number += len(made)
            warm, bodies = folder / "warm.bin", folder / "bodies.bin"
            load.write_bodies(warm, made[:200])
            load.write_bodies(bodies, made[200:])
            say(f"{size} KB, round {turn + 1}: floor")
            parts = floor.measure(made[200:700], schema, receipt_key)
            http = http_floor(bodies, arguments.connections)
            row.floor_parts.append(
                {"http": http, **{name: getattr(parts, name) for name in parts.__dataclass_fields__}}
            )
            row.floor_us.append(http + parts.total)
            say(f"{size} KB, round {turn + 1}: product")
            product(arguments, folder / f"{size}-{turn}", warm, bodies, len(made) - 200, row)
        rows.append(row)
    return rows


def product(arguments: argparse.Namespace, folder: Path, warm: Path, bodies: Path, count: int, row: Row) -> None:
    """One round of the product, over a fresh database where that is SQLite."""
    with nodes.node(folder, database=arguments.database) as node:
        server = node.serve(arguments.workers)
        token = pki.token(documents.SENDER)
        generate(warm, node.port, arguments.connections, token)
        settle(server.pid)
        on_record = count_of(arguments.database, folder)
        before = cpu_of(server.pid)
        result = generate(bodies, node.port, arguments.connections, token)
        spent = cpu_of(server.pid) - before
        kept = count_of(arguments.database, folder) - on_record
    if result["statuses"] != {"201": count} or kept != count:
        raise SystemExit(f"answers {result['statuses']}, {kept} of {count} on record")
    row.product_us.append(1e6 * spent / count)
    row.per_second.append(count / result["elapsed_s"])
    for name in ("p50_ms", "p95_ms", "p99_ms"):
        getattr(row, name).append(result[name])


def say(text: str) -> None:
    """Progress, for whoever waits."""
    sys.stderr.write(f"{text}\n")


def middle(values: Sequence[float], digits: int = 0) -> str:
    """Median and spread."""
    shown = f"{statistics.median(values):,.{digits}f}"
    return shown if len(values) == 1 else f"{shown} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def report(arguments: argparse.Namespace, rows: Iterable[Row]) -> str:
    """The result as Markdown, ready for docs/performance.md."""
    parts = ("http", "parse_xsd", "sha256", "verify", "sign", "commit")
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "?",
    )
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("lxml", "signxml", "cryptography", "SQLAlchemy", "aiohttp")
    )
    database = (
        "SQLite, WAL, FULL"
        if arguments.database.startswith("sqlite")
        else "PostgreSQL on the same cores (its CPU not counted)"
    )
    lines = [
        (
            f"{os.cpu_count()} cores ({cpu}), {platform.python_implementation()} {platform.python_version()}, {versions}. {database}; "
            f"{arguments.workers} workers, {arguments.connections} keep-alive connections, generator on the same cores; "
            f"{'XAdES B-B' if arguments.xades else 'XML-DSig'} RSA-2048 in, ECDSA P-256 receipts out; {arguments.messages} messages a round, "
            f"{arguments.rounds} round(s), medians (spread). Load average at the end {os.getloadavg()[0]:.1f}."
        ),
        "",
        "| | " + " | ".join(f"{row.size} KB ({row.body_bytes:,} bytes)" for row in rows) + " |",
        "|---" * (1 + len(list(rows))) + "|",
    ]
    table = list(rows)
    for title, values in (
        ("accepted messages/s", [middle(row.per_second) for row in table]),
        ("server CPU, µs per message", [middle(row.product_us) for row in table]),
        (
            "p50 / p95 / p99, ms",
            [" / ".join(middle(v, 0) for v in (row.p50_ms, row.p95_ms, row.p99_ms)) for row in table],
        ),
        ("floor CPU, µs per message", [middle(row.floor_us) for row in table]),
        ("**ratio product / floor**", [f"**{row.ratio:.1f}**" for row in table]),
    ):
        lines.append(f"| {title} | " + " | ".join(values) + " |")
    for part in parts:
        shown = [f"{statistics.median(p[part] for p in row.floor_parts):,.0f}" for row in table]
        lines.append(f"| floor: {part} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Floor and product in one run; read the ratio.")
    parser.add_argument("--quick", action="store_true", help="400 messages of 4 KB, one round")
    parser.add_argument("--messages", type=int, default=3000, help="messages a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--sizes", type=lambda text: [int(size) for size in text.split(",")], default=[4, 20], help="KB"
    )
    parser.add_argument("--workers", type=int, default=max(1, os.cpu_count() or 1))
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--database", default="sqlite:///node.sqlite3")
    parser.add_argument("--xades", action="store_true", help="sign the documents as XAdES B-B")
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON instead of Markdown")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.messages, arguments.rounds, arguments.sizes = 400, 1, [4]
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder:
        rows = measure(arguments, Path(folder))
    if arguments.json:
        sys.stdout.write(json.dumps([row.__dict__ | {"ratio": row.ratio} for row in rows], indent=2) + "\n")
    else:
        sys.stdout.write(report(arguments, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
