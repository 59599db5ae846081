"""What much on record costs those who come today: a store with years in it and one with nothing but today, in turn.

    python bench/stored.py [--stored 1000000]

A page of a portal's inbox, the CPU of committing an accepted message, and the longest of all trays (clock), each in the large store
over the same in the small one. The stores are those of bench/years.py (SQLite; a million takes minutes to make); they are opened
anew for this, with the settings and the journal's keeper that `serve` uses.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "tests" / "pki")]

import years as old  # noqa: E402

from gateway.store import Store, open_engine  # noqa: E402

TRAY, HELD, RUNNING = 64, 20, 60
MONTH = 1100  # dossiers


def measure(folder: Path, stored: int, trays: int = 60) -> dict[str, float]:
    """The three ratios, by their names in the table of goals."""
    sizes = {"large": (old.months_of(stored, min(MONTH, stored // 14) * old.LIFE, 0), min(MONTH, stored // 14))}
    sizes["small"] = (1, 1)
    stores: dict[str, tuple[Store, old.Clerk]] = {}
    for name, (months, dossiers) in sizes.items():
        url = f"sqlite:///{folder / name}.db"
        made = old.make(url, months=months, dossiers=dossiers, held=HELD, running=RUNNING)
        made.store.dispose()
        store = Store(open_engine(url))
        stores[name] = store, old.Clerk(store, "moi-", made.now)
    keepers = [store.journal_keeper() for store, _ in stores.values()]
    try:
        return _ratios(stores, trays)
    finally:
        for keeper in keepers:
            keeper.close()
        for store, _ in stores.values():
            store.dispose()


def _ratios(stores: Mapping[str, tuple[Store, old.Clerk]], trays: int) -> dict[str, float]:
    page: dict[str, list[float]] = {name: [] for name in stores}
    commit: dict[str, list[float]] = {name: [] for name in stores}
    clock: dict[str, list[float]] = {name: [] for name in stores}
    for turn in range(trays + 2):
        for name, (store, clerk) in stores.items():
            letters = [one for number in range(TRAY) for one in clerk.life(turn * TRAY + number, 1)]
            cpu, wall = time.process_time(), time.perf_counter()
            clerk.take(letters)
            if turn > 1:  # the first ones make statements and caches
                commit[name].append(time.process_time() - cpu)
                clock[name].append(time.perf_counter() - wall)
            cpu = time.process_time()
            with store.read() as view:
                newest = view.reader(old.PORTAL).head
                found = view.inbox_after(old.PORTAL, max(0, newest - 50), 50)
            if len(found) != 50:
                raise SystemExit(f"a page of {len(found)}")
            if turn > 1:
                page[name].append(time.process_time() - cpu)
    return {
        "feed page": statistics.median(page["large"]) / statistics.median(page["small"]),
        "commit": statistics.median(commit["large"]) / statistics.median(commit["small"]),
        "worst tray": max(clock["large"]) / max(clock["small"]),
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Much on record over nothing: a page, a commit, the worst tray.")
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--trays", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lienthong-stored-") as name:
        for figure, ratio in measure(Path(name), given.stored, given.trays).items():
            sys.stdout.write(f"{figure}, {given.stored:,} stored ÷ empty: {ratio:.2f}\n")
    sys.stdout.write(f"Load average at the end {os.getloadavg()[0]:.1f}.\n")


if __name__ == "__main__":
    main()
