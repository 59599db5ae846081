"""What a message costs on disk, table by table: ``python bench/size.py``.

Different signed dossiers of about 3 KB from one agency, taken in by the real judgement over SQLite in trays of 32; the receiver pulls.
Prints the bytes a message of each table with its indexes, as SQLite counts them (dbstat), before their month is archived and after.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "pki")]

import documents  # noqa: E402
import nodes  # noqa: E402

from gateway import opening, wiring  # noqa: E402
from gateway.core.model import Caller, Channel, Envelope  # noqa: E402
from gateway.services.archiving import make_archive  # noqa: E402
from gateway.services.intake import new_message_id, receive  # noqa: E402
from gateway.settings import load  # noqa: E402
from gateway.store import Store  # noqa: E402
from gateway.store.archives import Archives, month_of  # noqa: E402

TRAY = 32


def fill(folder: Path, count: int) -> tuple[Store, int]:
    """A node's store with so many messages in it, and the bytes that they had when they came."""
    nodes.Node(folder=folder).prepare()
    loaded = load(folder / "lienthong.toml", given={})
    store = opening.open_store(loaded)
    gate = wiring.build(loaded.settings, store)
    made = documents.dossiers(count, 0)
    for first in range(0, count, TRAY):
        now = datetime.now(UTC)
        tray = [
            Envelope.of(
                body,
                id=new_message_id(now),
                caller=Caller(party=documents.SENDER, by="token"),
                channel=Channel.REST,
                received_at=now,
                content_type="application/xml",
            )
            for body in made[first : first + TRAY]
        ]
        if any(ack.fate != "accepted" for ack in receive(tray, gate, now)):
            raise SystemExit("a message was not accepted")
    return store, sum(map(len, made))


def sizes(store: Store) -> dict[str, int]:
    """Bytes by table, its indexes with it."""
    store.clear_traces()  # from the journal into the file
    with store.engine.connect() as connection:
        tables = dict(connection.exec_driver_sql("SELECT name, tbl_name FROM sqlite_schema").all())
        used: Counter[str] = Counter()
        for name, size in connection.exec_driver_sql("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name"):
            used[tables.get(name, name)] += size
        indexes = connection.exec_driver_sql(
            "SELECT tbl_name, SUM(pgsize) FROM dbstat JOIN sqlite_schema USING (name) WHERE type = 'index' GROUP BY tbl_name"
        )
        used.update({f"{name}, its indexes": size for name, size in indexes})
    return used


def archived(store: Store, folder: Path) -> int:
    """The month goes into an archive; the bytes of its file."""
    settings = load(folder / "lienthong.toml", given={"archive.folder": folder / "luu-tru"}).settings
    store.archives = Archives(settings.archive.folder)
    now = datetime.now(UTC)
    made = make_archive(wiring.archive_keeper(settings, store), month_of(now), now)
    store.clear_traces(rewrite=True)
    return made.size


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description="What a message costs on disk.")
    parser.add_argument("--messages", type=int, default=2000)
    count = parser.parse_args().messages
    with tempfile.TemporaryDirectory(prefix="lienthong-size-") as folder:
        few, _ = fill(Path(folder) / "few", TRAY)
        store, arrived = fill(Path(folder) / "many", count + TRAY)
        before, after = sizes(few), sizes(store)
        with store.engine.connect() as connection:
            facts = connection.exec_driver_sql("SELECT SUM(LENGTH(packed)) FROM verdict").scalar_one() / (count + TRAY)
        file = archived(store, Path(folder) / "many")
        archived(few, Path(folder) / "few")
        less, left = sizes(few), sizes(store)
        grown = {name: (after[name] - before.get(name, 0)) / count for name in after}
        stays = {name: (left[name] - less.get(name, 0)) / count for name in left}
        print(f"{count} messages of {arrived / (count + TRAY):,.0f} bytes; bytes a message:\n")
        print("| table | with its indexes | its indexes | archived |\n|---|---|---|---|")
        for name, size in sorted(grown.items(), key=lambda one: -one[1]):
            if size >= 1 and not name.endswith(", its indexes"):
                print(
                    f"| {name} | {size:,.0f} | {grown.get(f'{name}, its indexes', 0):,.0f} | {stays.get(name, 0):,.0f} |"
                )
        both = [sum(one for name, one in of.items() if not name.endswith(", its indexes")) for of in (grown, stays)]
        print(f"| **all** | **{both[0]:,.0f}** | | **{both[1]:,.0f}** |")
        print(f"\nFacts of a verdict {facts:,.0f}; the archive's file {file / (count + TRAY):,.0f}.")
        few.dispose()
        store.dispose()


if __name__ == "__main__":
    main()
