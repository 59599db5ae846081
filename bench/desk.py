"""What the pages of the console and the look-ups cost on a store of a million messages: ``make bench-desk``.

A store of years (bench/years.py) is multiplied inside the database, copy by copy further back, until it has so many messages. The
copies have ids and times of their own and no bytes and no chain of their own: pages read neither. Then every page is made as for a
person, and the commands are run: CPU of this process, or of the command's. What a page does not count itself is made beforehand,
and told by its own line.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from sqlalchemy import String, text  # noqa: E402
from years import LIFE, Years, cpu, make, months_of, pages, parties, urls  # noqa: E402

from gateway.cli.prepared import make_wanted  # noqa: E402
from gateway.cli.resident import ResidentJob, answer_look_ups  # noqa: E402
from gateway.core.deadlines import DeadlineRules  # noqa: E402
from gateway.core.statistics import By  # noqa: E402
from gateway.quick import stamp  # noqa: E402
from gateway.services.reports import report  # noqa: E402
from gateway.store import tables  # noqa: E402
from gateway.store.types import UtcDateTime  # noqa: E402
from gateway.store.view import LOG, MILESTONES  # noqa: E402

TOKEN: Final = "k0"  # stands in every id of a month that is over
LETTERS: Final = "abcdefghij"
#: Table -> the column by which a row of a month that is over is known, and what is numbered in it.
COPIED: Final[Mapping[str, tuple[str, str | None]]] = {
    "message": ("id", None),
    "verdict": ("message", None),
    "dossier": ("ma_ho_so", None),
    "change": ("message", None),
    "delivery": ("message", "seq"),
    "attempt": ("delivery", None),
    "inbox": ("message", "position"),
    "milestone": ("ma_ho_so", None),
    "log": ("message", "number"),
}


def multiplied(years: Years, times: int) -> int:
    """Copies of all months that are over, further and further back; gives how many messages there are."""
    engine, sqlite = years.store.engine, years.store.engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        most = {name: connection.execute(text(f"SELECT max({by}) FROM {name}")).scalar_one()
                for name, (_, by) in COPIED.items() if by}  # fmt: skip
        span = (years.until - _oldest(connection)).days + 31
    for number in range(1, times):
        with engine.begin() as connection:
            for name, (key, numbered) in COPIED.items():
                cells = [_cell(column, number, span, sqlite=sqlite, step=most.get(name) if column.name == numbered else None)
                         for column in tables.metadata.tables[name].columns]  # fmt: skip
                names = ", ".join(column.name for column in tables.metadata.tables[name].columns)
                asked = (
                    f"INSERT INTO {name} ({names}) SELECT {', '.join(cells)} FROM {name} WHERE {key} LIKE '%{TOKEN}%'"
                )
                connection.execute(text(asked))
    with engine.begin() as connection:
        last = connection.execute(text("SELECT max(number) FROM log")).scalar_one()
        moved = text("UPDATE counter SET value = :last WHERE name IN (:log, :counted)")
        connection.execute(moved, {"last": last, "log": LOG, "counted": MILESTONES})
    if not sqlite:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for name in COPIED:  # one by one: no statement may take long
                connection.exec_driver_sql(f"ANALYZE {name}")
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM message")).scalar_one())


def _oldest(connection: Any) -> Any:
    found = connection.execute(tables.message.select().order_by(tables.message.c.received_at).limit(1)).one()
    return found.received_at


def _cell(column: Any, number: int, span: int, *, sqlite: bool, step: int | None) -> str:
    """What stands in a copy's column."""
    name = column.name
    if step is not None:
        return f"{name} + {number * step}"
    if isinstance(column.type, UtcDateTime):
        days = number * span
        return (
            f"date(substr({name}, 1, 10), '-{days} days') || substr({name}, 11)"
            if sqlite
            else f"{name} - interval '{days} days'"
        )
    if isinstance(column.type, String) and name not in {"hash", "digest", "month"}:
        return f"replace({name}, '{TOKEN}', '{LETTERS[number - 1]}0')"
    return name


@contextmanager
def node(url: str) -> Iterator[Path]:
    """A folder with the settings of a node over this store."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "lienthong.toml"
        config.write_text(f'[node]\nidentifier = "H19.900"\nname = "Trục thử"\n\n[database]\nurl = "{url}"\n', "utf-8")
        yield config


#: A look-up that is answered or fails; says the seconds of CPU over there.
ANSWERED: Final = "import sys; from gateway import quick; print(quick.ask(sys.argv[1:], 60.0)[1], file=sys.stderr)"


@contextmanager
def resident(config: Path) -> Iterator[dict[str, str]]:
    """The process that answers look-ups beside `work`; gives the environment in which it is found."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder  # the process finds it as it would at `work`
        context = multiprocessing.get_context("spawn")
        _line, theirs = context.Pipe()
        process = context.Process(target=answer_look_ups, args=(ResidentJob(config.resolve(), stamp()), theirs))
        try:
            process.start()
        finally:
            del os.environ["TMPDIR"]
            if before is not None:
                os.environ["TMPDIR"] = before
        while not list(Path(folder).glob("*/*")):
            if process.exitcode is not None:
                raise SystemExit("the process that answers look-ups did not come up")
            time.sleep(0.05)
        yield {**os.environ, "TMPDIR": folder}
        process.terminate()
        process.join()


def commands(years: Years, config: Path) -> dict[str, tuple[float, float]]:
    """CPU of each look-up as a process of its own, and answered by one that stays (both processes together), seconds."""
    since, until = f"{years.since:%Y-%m-%d}", f"{years.until:%Y-%m-%d}"
    asked = {
        "messages": ["messages"],
        "alerts": ["alerts"],
        "deadlines": ["deadlines"],
        "report, one month": ["report", "--from", since, "--to", until],
    }
    found = {}
    with resident(config) as env:
        for name, words in asked.items():
            given = ["--config", str(config), *words]
            spent([sys.executable, "-c", ANSWERED, *given], env)  # it loads what such a look-up needs
            own, _ = spent([sys.executable, "-m", "gateway", *given], dict(os.environ))
            asking, told = spent([sys.executable, "-c", ANSWERED, *given], env)
            found[name] = own, asking + float(told)
    return found


def spent(command: list[str], env: Mapping[str, str]) -> tuple[float, str]:
    """CPU of a command, seconds; and what it says on standard error."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=HERE.parent, timeout=900, env=env
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr.decode()


def measured(years: Years, url: str) -> dict[str, str]:
    """A line for each page, command and answer that is made beforehand."""
    found: dict[str, str] = {}
    store, known, rules = years.store, parties(), DeadlineRules()
    with tempfile.TemporaryDirectory() as folder:
        asked = pages(years, Path(folder))
        for name in ("Thống kê, tháng này", "Thống kê, tháng trước"):  # whoever looks first has it made
            asked[f"trang / page: {name}"]()
        made = make_wanted(store, known, rules, lambda: years.now, bool, bool, float)
        print(f"| made by work beforehand: {made}", file=sys.stderr)
        for name, ask in asked.items():
            found[name] = f"{cpu(ask) * 1000:.0f} ms"
            print(f"| {name} | {found[name]} |", file=sys.stderr, flush=True)
    for name, since in (("a month", years.since), ("a year", years.until - timedelta(days=365))):
        began = time.process_time()
        report(store, known, since, years.until, (By.AGENCY,), None, rules)
        found[f"made by work: statistics of {name}"] = f"{time.process_time() - began:.1f} s"
    with node(url) as config:
        for name, took in commands(years, config).items():
            found[f"lienthong {name}"] = f"{took[0]:.2f} s; answered by a process that stays {took[1]:.2f} s"
    return found


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description="The console's pages and the look-ups on a store of many messages.")
    parser.add_argument("--size", type=int, default=100_000, help="messages of the store that is multiplied")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--database", help="a PostgreSQL database that may be emptied; default: an SQLite file")
    given = parser.parse_args()
    held, running, dossiers = 200, 300, 1100
    for size, url in urls(given.database, [given.size]):
        months = months_of(size, dossiers * LIFE, held * 6 + running * 2)
        years = make(url, months=months, dossiers=dossiers, held=held, running=running)
        number = years.messages
        if given.times > 1:
            number = multiplied(years, given.times)
        found = measured(years, url)
        years.store.dispose()
        print(f"| {number:,} messages, load {os.getloadavg()[0]:.1f} | CPU |\n|---|---|")
        for name, cell in found.items():
            print(f"| {name} | {cell} |")


if __name__ == "__main__":
    main()
