"""The benchmark: floor and product in one run, on the same documents, on the same machine (docs/en/performance.md).

    python bench/run.py                     the table of docs/en/performance.md, about half an hour
    python bench/run.py --quick             few messages of 4 KB, one round; to see that it works: no measurement, nothing is kept
    python bench/run.py --cases "20 xades ecdsa soap 1"     one row: KB, form, key, door, workers; what is left out is as usual

The product is `lienthong serve` with its default settings (INFO, a line for each request) over SQLite (or --database URL), driven
over keep-alive connections by a generator in a process of its own; CPU is that of all server processes, from the operating system.
The floor is the sum of the bare primitives and of a handler that does nothing, under the same generator. Rounds alternate: floor,
product, floor, product. Read the ratio; absolute figures are this machine's. At the end stand the goals with what was measured of
each; ``--times 3`` makes three runs of it, and a file keeps all figures with their medians (that of ``make bench-peer`` as well).
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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "pki")]

import documents  # noqa: E402
import floor  # noqa: E402
import goals  # noqa: E402
import load  # noqa: E402
import nodes  # noqa: E402
import pki  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from sqlalchemy import text  # noqa: E402

from gateway.store import open_engine  # noqa: E402
from schemas.catalog import bundled  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
AT_REST_S = 4  # a worker that has just come up pauses before it prepares what explains refusals: its rest must be longer than that

QUIET_PER_S = 25  # of a party that sends little: a hundredth of the flood, and enough that its p99 is not one message's


@dataclass(frozen=True)
class Case:
    """One way to come in."""

    size: int = 4  # KB
    form: str = "dsig"  # or xades
    key: str = "rsa"  # or pss, ecdsa
    door: str = "rest"  # or soap
    workers: int = max(1, os.cpu_count() or 1)

    @classmethod
    def of(cls, text: str) -> Case:
        """From words in any order: a size in KB first, a last number of workers."""
        given: dict[str, Any] = {}
        names = {"form": ("dsig", "xades"), "key": ("rsa", "pss", "ecdsa"), "door": ("rest", "soap")}
        for word in text.split():
            if word.isdigit():
                given["workers" if "size" in given else "size"] = int(word)
            else:
                given[next(name for name, words in names.items() if word in words)] = word
        return cls(**given)

    def __str__(self) -> str:
        return f"{self.size} KB {self.form} {self.key} {self.door} {self.workers}"

    def documents(self, count: int, first: int) -> list[bytes]:
        """Different signed dossiers."""
        return documents.dossiers(count, self.size * 1024, first=first, xades=self.form == "xades", key=self.key)

    def posted(self, made: list[bytes]) -> list[bytes]:
        """As they are posted."""
        return [documents.by_soap(body) for body in made] if self.door == "soap" else made

    @property
    def sent_by(self) -> dict[str, Any]:
        """How the generator posts them."""
        token = pki.token(documents.KEYS[self.key][0])
        if self.door == "soap":
            return {"token": token, "path": "/soap", "content-type": "text/xml"}
        return {"token": token}


USUAL = (
    *(Case(), Case(20), Case(200), Case(2000), Case(workers=1), Case(door="soap")),
    *(Case(form="xades"), Case(20, form="xades"), Case(key="pss"), Case(key="ecdsa")),
)


@dataclass
class Row:
    """What was measured for one case, one value a round."""

    case: Case
    body_bytes: int
    floor_us: list[float] = field(default_factory=list)
    floor_parts: list[dict[str, float]] = field(default_factory=list)
    product_us: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p95_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    at_70: list[float] = field(default_factory=list)  # p99 in ms at 70 % of this round's rate
    goodput: list[float] = field(default_factory=list)  # accepted at twice this round's rate, of this round's rate
    quiet: list[float] = field(default_factory=list)  # p99 of a party that sends little, beside that, of its p99 alone
    doubts: list[str] = field(default_factory=list)  # why a round is no measurement of messages alone

    @property
    def ratio(self) -> float:
        """Product CPU over floor CPU."""
        return statistics.median(self.product_us) / statistics.median(self.floor_us)


def _members(group: int) -> Iterator[tuple[int, list[str]]]:
    """Every process of a process group, with what the system says of it."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended just now
        if int(fields[2]) == group:
            yield int(stat.parent.name), fields


def members(group: int) -> frozenset[int]:
    """The processes of a process group."""
    return frozenset(pid for pid, _ in _members(group))


def cpu_of(group: int) -> float:
    """CPU seconds of every process of a process group so far."""
    ticks = sum(int(value) for _, fields in _members(group) for value in fields[11:15])  # own, and children that ended
    return ticks / TICK


def settle(group: int) -> bool:
    """Wait, at most a minute, until a process group has been idle for some seconds: what a worker prepares after its start is
    no message's. False, which is said as well, where it does not come to rest.
    """
    rested = 0
    for _ in range(60):
        before = cpu_of(group)
        time.sleep(1)
        rested = rested + 1 if cpu_of(group) - before < 0.05 else 0
        if rested == AT_REST_S:
            return True
    say("the server did not come to rest before it was measured")
    return False


def started(bodies: Path, port: int, connections: int, **options: Any) -> subprocess.Popen[bytes]:
    """The load generator, at work."""
    command = [sys.executable, str(HERE / "load.py"), "--port", str(port), "--connections", str(connections)]
    command += ["--bodies", str(bodies)]
    for name, value in options.items():
        command += [f"--{name}", str(value)] if value is not None else []
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def generate(bodies: Path, port: int, connections: int, **options: Any) -> dict[str, Any]:
    """One run of the load generator."""
    done = started(bodies, port, connections, **options)
    told, _ = done.communicate(timeout=900)
    if done.returncode:
        raise SystemExit("the generator failed")
    result: dict[str, Any] = json.loads(told)
    return result


def http_floor(bodies: Path, connections: int) -> float:
    """µs of server CPU per request of a handler that does nothing."""
    server = subprocess.Popen([sys.executable, str(HERE / "noop.py")], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        before = cpu_of(server.pid)
        answers = generate(bodies, port, connections)["answers"]
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


def measure(arguments: argparse.Namespace, folder: Path, number: int = 1) -> tuple[list[Row], int]:
    """All cases, all rounds; documents are numbered from ``number``. Gives the next document's number, too."""
    receipt_key = pki.signer("gateway").key
    assert isinstance(receipt_key, ec.EllipticCurvePrivateKey)
    kind = next(kind for kind in bundled().kinds() if (kind.loai, kind.goc) == ("HS01", "NopHoSo"))
    schema = bundled().schema(kind)
    rows = [Row(case=case, body_bytes=len(case.documents(1, 0)[0])) for case in arguments.cases]
    for turn in range(arguments.rounds):
        for place, row in enumerate(rows):
            case = row.case
            count = max(40, min(arguments.messages, 20 * arguments.messages // case.size))
            early = min(200, count)
            made = case.documents(count + early, number)
            number += len(made)
            warm, bodies = folder / "warm.bin", folder / "bodies.bin"
            load.write_bodies(warm, case.posted(made[:early]))
            load.write_bodies(bodies, case.posted(made[early:]))
            say(f"{case}, round {turn + 1}: floor")
            parts = floor.measure(made[early : early + 500], schema, receipt_key)
            http = http_floor(bodies, arguments.connections)
            row.floor_parts.append(
                {"http": http, **{name: getattr(parts, name) for name in parts.__dataclass_fields__}}
            )
            row.floor_us.append(http + parts.total)
            say(f"{case}, round {turn + 1}: product")
            product(arguments, folder / f"{place}-{turn}", warm, bodies, count, row)
            if arguments.load and place == 0:
                say(f"{case}, round {turn + 1}: at 70 % and at twice the rate")
                number = under_load(arguments, folder / f"load-{turn}", row, number)
    return rows, number


def node_of(arguments: argparse.Namespace, folder: Path, **settings: dict[str, float]) -> Any:
    """A node as users run it: INFO, a line for each request."""
    return nodes.node(folder, database=arguments.database, settings={"log": {"level": "INFO"}, **settings})


def product(arguments: argparse.Namespace, folder: Path, warm: Path, bodies: Path, count: int, row: Row) -> None:
    """One round of the product, over a fresh database where that is SQLite."""
    case = row.case
    with node_of(arguments, folder) as node:
        server = node.serve(case.workers)
        generate(warm, node.port, arguments.connections, **case.sent_by)
        if not settle(server.pid):
            row.doubts.append("the server had not come to rest before a round")
        on_record = count_of(arguments.database, folder)
        processes, before = members(server.pid), cpu_of(server.pid)
        result = generate(bodies, node.port, arguments.connections, **case.sent_by)
        spent = cpu_of(server.pid) - before
        if members(server.pid) != processes:
            row.doubts.append("a process was replaced during a round, and its start was counted")
        kept = count_of(arguments.database, folder) - on_record
    if sum(result["statuses"].get(good, 0) for good in ("200", "201")) != count or kept != count:
        raise SystemExit(f"answers {result['statuses']}, {kept} of {count} on record")
    row.product_us.append(1e6 * spent / count)
    row.per_second.append(count / result["elapsed_s"])
    for name in ("p50_ms", "p95_ms", "p99_ms"):
        getattr(row, name).append(result[name])


def under_load(arguments: argparse.Namespace, folder: Path, row: Row, number: int) -> int:
    """At 70 % and at twice the rate just measured, and what a quiet party feels of the latter. Gives the next document's number."""
    case, peak, seconds = row.case, row.per_second[-1], 8
    easy, hard = int(0.7 * peak * seconds), int(2 * peak * seconds)
    made = case.documents(200 + easy + hard, number)
    quiet_case = Case(case.size, key="ecdsa")
    quiet = quiet_case.documents(2 * QUIET_PER_S * seconds, number + len(made))
    files = {"warm": made[:200], "easy": made[200 : 200 + easy], "hard": made[200 + easy :]}
    half = QUIET_PER_S * seconds
    files |= {"alone": quiet[:half], "beside": quiet[half:]}
    for name, bodies in files.items():
        load.write_bodies(folder.with_suffix(f".{name}"), bodies)
    # One party sends twice what the node can do: its allowance (a thousand a second) is not what is to be measured.
    with node_of(arguments, folder, allowance={"messages_per_s": 1e6, "burst": 10**6}) as node:
        server = node.serve(case.workers)

        def send(name: str, case: Case, rate: float | None, connections: int = 512) -> subprocess.Popen[bytes]:
            return started(folder.with_suffix(f".{name}"), node.port, connections, rate=rate, **case.sent_by)

        def told(running: subprocess.Popen[bytes]) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(running.communicate(timeout=900)[0])
            return found

        told(send("warm", case, None, arguments.connections))
        settle(server.pid)
        row.at_70.append(told(send("easy", case, 0.7 * peak))["p99_ms"])
        alone = told(send("alone", quiet_case, QUIET_PER_S, 4))["p99_ms"]
        flood = send("hard", case, 2 * peak)
        row.quiet.append(told(send("beside", quiet_case, QUIET_PER_S, 4))["p99_ms"] / alone)
        result = told(flood)
        row.goodput.append(result["statuses"].get("201", 0) / result["elapsed_s"] / peak)
    return number + len(made) + len(quiet)


@dataclass(frozen=True)
class Beside:
    """What ``--load`` and ``--stored`` measure beside the cases."""

    figures: dict[str, float]  # by their names in the table of goals
    said: list[str]  # lines of the report


def beside(arguments: argparse.Namespace, folder: Path, http_us: float, number: int) -> tuple[Beside, int]:
    """The readers of feeds, the beginning of deliveries, the door alone, much on record. Gives the next document's number, too."""
    import begun  # noqa: PLC0415 - these measure with what stands above
    import door  # noqa: PLC0415
    import feed  # noqa: PLC0415
    import processors  # noqa: PLC0415
    import stored  # noqa: PLC0415

    figures: dict[str, float] = {}
    said: list[str] = []
    if arguments.load:
        say("a hundred readers of feeds")
        few = max(40, min(600, arguments.messages // 5))
        workers = arguments.cases[0].workers
        options: dict[str, Any] = {
            "readers": 100,
            "workers": workers,
            "http_us": http_us,
            "database": arguments.database,
        }
        found = feed.measure(folder / "feed", messages=few, first=number, **options)
        if found.wrong:
            raise SystemExit(f"{found.wrong} gaps or repeats in feeds")
        number += few
        said.append(feed.in_words(found))
        say("how soon deliveries begin")
        waits = begun.measure(
            begun.own_database(arguments.database, folder), max(20, min(200, arguments.messages // 15))
        )
        figures["begun"] = waits["delivery begun"][1]
        said += [
            f"* {name} after the commit: median {middle:.0f} ms, p99 {p99:.0f} ms."
            for name, (middle, p99) in waits.items()
        ]
        say("the door alone")
        ratios = door.over_noop(door.measure(4 * arguments.messages, arguments.rounds + 1))
        figures["door"] = statistics.median(ratios["line"])
        alone = statistics.median(ratios["door"])
        said.append(f"* HTTP and door ÷ no-op {figures['door']:.2f}; without a line for each request {alone:.2f}.")
        say("what two processes get of this machine")
        bare = processors.over_one(2, arguments.rounds + 1)
        said.append(
            f"* Two processes that do the floor's work and share nothing do {middle(bare, 2)} times as much as one."
        )
    if arguments.stored:
        say(f"with {arguments.stored:,} stored")
        figures |= stored.measure(folder, arguments.stored)
    return Beside(figures, said), number


def figures_of(rows: Iterable[Row]) -> dict[str, float]:
    """The figures of the cases, by their names in the table of goals."""
    found = {row.case: row for row in rows}
    named = {"4 KB dsig": Case(), "4 KB xades": Case(form="xades"), "20 KB dsig": Case(20)}
    figures = {name: found[case].ratio for name, case in named.items() if case in found}
    one, two = found.get(Case(workers=1)), found.get(Case(workers=2))
    if one is not None and two is not None:
        figures["workers"] = statistics.median(two.per_second) / statistics.median(one.per_second)
    for row in found.values():
        if row.at_70:
            figures["p99 at 70 %"] = statistics.median(row.at_70)
            figures["goodput"] = statistics.median(row.goodput)
            figures["quiet"] = statistics.median(row.quiet)
    return figures


def say(text: str) -> None:
    """Progress, for whoever waits."""
    sys.stderr.write(f"{text}\n")


def middle(values: Sequence[float], digits: int = 0) -> str:
    """Median and spread."""
    shown = f"{statistics.median(values):,.{digits}f}"
    return shown if len(values) == 1 else f"{shown} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def report(arguments: argparse.Namespace, rows: Iterable[Row], more: Sequence[str] = ()) -> str:
    """The result as Markdown, ready for docs/en/performance.md."""
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
    table = list(rows)
    lines = [
        (
            f"{os.cpu_count()} cores ({cpu}), {platform.python_implementation()} {platform.python_version()}, {versions}. {database}; "
            f"INFO and access log as by default; {arguments.connections} keep-alive connections, generator on the same cores; "
            f"ECDSA P-256 receipts; {arguments.messages} messages a round (fewer of large ones), {arguments.rounds} round(s) in turn, "
            f"medians (spread). Load average at the end {os.getloadavg()[0]:.1f}."
        ),
        "",
        "| KB, form, key, door, workers | accepted/s | server CPU, µs a message | p50 / p95 / p99, ms | floor, µs (in turn) | **ratio** |",
        "|---|---|---|---|---|---|",
    ]
    for row in table:
        times = " / ".join(middle(v, 0) for v in (row.p50_ms, row.p95_ms, row.p99_ms))
        http, commit, in_turn = (
            statistics.median(p[n] for p in row.floor_parts) for n in ("http", "commit", "in_turn")
        )
        lines.append(
            f"| {row.case} | {middle(row.per_second)} | {middle(row.product_us)} | {times} "
            f"| {middle(row.floor_us)} ({http + commit + in_turn:,.0f}) | **{row.ratio:.1f}** |"
        )
    lines.append("")
    for row in table:
        shown = ", ".join(f"{part} {statistics.median(p[part] for p in row.floor_parts):,.0f}" for part in parts)
        lines.append(f"* Floor of {row.case}: {shown}.")
        lines += [f"* **{row.case} is no measurement**: {doubt}." for doubt in dict.fromkeys(row.doubts)]
        if row.at_70:
            lines.append(
                f"* {row.case}: p99 at 70 % of that rate {middle(row.at_70)} ms; accepted at twice the rate "
                f"{middle(row.goodput, 2)} of it; a quiet party's p99 beside that {middle(row.quiet, 2)} times its p99 alone."
            )
    one = [row for row in table if row.case == Case(workers=1)]
    two = [row for row in table if row.case == Case(workers=2)]
    if one and two:
        gain = statistics.median(two[0].per_second) / statistics.median(one[0].per_second)
        lines.append(f"* Two workers take {gain:.2f} times as many as one.")
    return "\n".join([*lines, *more]) + "\n"


def plot(rows: Sequence[Row], path: Path) -> None:
    """Product over floor, a bar for each case, as SVG."""
    most, height = max(row.ratio for row in rows), 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{height * len(rows) + 40}" font-family="sans-serif" font-size="12">',
        '<text x="8" y="18" font-weight="bold">Server CPU a message over floor</text>',
    ]
    for number, row in enumerate(rows):
        y, width = 30 + number * height, 400 * row.ratio / most
        parts.append(f'<text x="8" y="{y + 14}">{row.case}</text>')
        parts.append(f'<rect x="220" y="{y}" width="{width:.0f}" height="{height - 6}" fill="#3b6ea5"/>')
        parts.append(f'<text x="{226 + width:.0f}" y="{y + 14}">{row.ratio:.1f}</text>')
    path.write_text("\n".join([*parts, "</svg>", ""]), "utf-8")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Floor and product in one run; read the ratio.")
    parser.add_argument("--quick", action="store_true", help="400 messages of 4 KB, one round")
    parser.add_argument("--messages", type=int, default=3000, help="messages a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--cases",
        type=lambda text: [Case.of(case) for case in text.split(",")],
        default=list(USUAL),
        help='for example "4, 20 xades, 4 ecdsa soap 1"',
    )
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--database", default="sqlite:///node.sqlite3")
    parser.add_argument(
        "--load",
        action="store_true",
        help="the first case at 70 %% and at twice its rate, readers of feeds, the beginning of deliveries, the door alone, too",
    )
    parser.add_argument(
        "--stored", type=int, default=0, help="with so many messages on record, too; a million takes minutes"
    )
    parser.add_argument("--times", type=int, default=1, help="so many runs of everything")
    parser.add_argument("--results", type=Path, default=goals.RESULTS, help="where the figures of all runs are kept")
    parser.add_argument("--svg", type=Path, help="a plot of the ratios")
    parser.add_argument("--json", action="store_true", help="print the measurements as JSON instead of Markdown")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.messages, arguments.rounds, arguments.cases = 400, 1, [Case()]
    runs: list[dict[str, float]] = []
    number = 1
    for turn in range(arguments.times):
        with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder:
            rows, number = measure(arguments, Path(folder), number)
            http = statistics.median(parts["http"] for parts in rows[0].floor_parts)
            more, number = beside(arguments, Path(folder), http, number)
        runs.append(figures_of(rows) | more.figures)
        if arguments.svg is not None and turn == 0:
            plot(rows, arguments.svg)
        if arguments.json:
            told = [row.__dict__ | {"case": str(row.case), "ratio": row.ratio} for row in rows]
            sys.stdout.write(json.dumps(told, indent=2) + "\n")
        else:
            sys.stdout.write(report(arguments, rows, more.said) + "\n")
            sys.stdout.flush()
    if arguments.quick:
        sys.stdout.write("So few messages show that it works, and are no measurement: none of this was kept.\n")
    elif not arguments.json:
        sys.stdout.write(goals.table(goals.keep(arguments.results, "bench", runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
