"""What a reconciliation of a million dossiers costs: ``python bench/reconcile.py [--dossiers 1000000]``.

Our record in SQLite against a CSV that a party exported, in no order, of which one line in a hundred says another state and one
in a thousand is missing. Prints one line of Markdown: time by the clock and of the CPU, the most memory the process ever had, the
size of the two lists' temporary file. Making the record and the export is not counted.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from gateway.core.model import PartyId  # noqa: E402
from gateway.core.parties import Parties, Party, Role  # noqa: E402
from gateway.services.exports import PartyExport, read_column_map  # noqa: E402
from gateway.services.reconciling import ReconcilePeriod, compare_list, disagreements  # noqa: E402
from gateway.store import SideBook, Store, open_engine, upgrade  # noqa: E402

PORTAL = Party(id=PartyId("cong-dvc"), name="Cổng", role=Role.PORTAL, identifiers=("H19.909",))
MAP = """[columns]
MaHoSo = "Số hồ sơ"
TrangThaiHoSo = "Trạng thái"
NgayTiepNhan = "Tiếp nhận"
NgayHenTra = "Hẹn trả"

[formats]
NgayTiepNhan = "dd/MM/yyyy HH:mm"
NgayHenTra = "dd/MM/yyyy HH:mm"
"""
CODE = "'H19.9' || printf('%02d', i % 95) || '-260' || (1 + i % 9) || '15-' || printf('%07d', i)"


def fill(store: Store, count: int) -> None:
    """So many dossiers of one portal, as rows."""
    with store.engine.begin() as connection:
        connection.exec_driver_sql(
            f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {count}) "
            "insert into dossier (ma_ho_so, ma_tthc, portal, agency, trang_thai, opened_at, ngay_tiep_nhan, ngay_hen_tra, "
            f"changed_at, released) select {CODE}, '1.001193', 'cong-dvc', 'so', 1 + i % 10, {at('07')}, {at('08')}, "
            f"{at('17')}, {at('09')}, 0 from n"
        )


def at(hour: str) -> str:
    """A moment of January, as the database keeps it."""
    return f"'2026-01-' || printf('%02d', 1 + i % 28) || ' {hour}:00:00.000000'"


def export(file: Path, count: int) -> None:
    """What the party has of it, in no order."""
    numbers = list(range(1, count + 1))
    random.Random(1).shuffle(numbers)
    with file.open("w", encoding="utf-8") as out:
        out.write("Số hồ sơ;Trạng thái;Tiếp nhận;Hẹn trả\n")
        for i in numbers:
            if i % 1000 == 0:
                continue
            state = 1 + (i + (i % 100 == 1)) % 10
            code = f"H19.9{i % 95:02}-260{1 + i % 9}15-{i:07}"
            out.write(f"{code};{state};{1 + i % 28:02}/01/2026 15:00;{next_day(i)} 00:00\n")


def next_day(i: int) -> str:
    """17:00 in UTC is the next day in Vietnam."""
    return f"{2 + i % 28:02}/01/2026"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="What a reconciliation costs.")
    parser.add_argument("--dossiers", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = open_engine(f"sqlite:///{folder / 'bench.db'}")
        upgrade(engine)
        store = Store(engine)
        fill(store, given.dossiers)
        export(folder / "xuat.csv", given.dossiers)
        (folder / "cot.toml").write_text(MAP, "utf-8")
        before, wall, cpu = peak_mb(), time.monotonic(), time.process_time()
        columns = read_column_map(folder / "cot.toml")
        opened = PartyExport(folder / "xuat.csv", columns, PORTAL)
        parties = Parties([PORTAL])
        period = ReconcilePeriod(since=datetime(2025, 1, 1, tzinfo=UTC), until=datetime(2027, 1, 1, tzinfo=UTC))
        with SideBook() as book:
            compared = compare_list(
                store, parties, PORTAL, iter(opened), period, book,
                fields=opened.fields, digits=opened.digits, told=print, tell=lambda *_: None,
            )  # fmt: skip
            shown = [one for one, _ in zip(disagreements(store, parties, PORTAL, book), range(50), strict=False)]
            wall, cpu = time.monotonic() - wall, time.process_time() - cpu
            size = book.bytes
        store.dispose()
        kinds = ", ".join(f"{kind.value} {number:,}" for kind, number in sorted(compared.kinds.items()))
        print(
            f"| {compared.ours:,} | {compared.agree:,} agree; {kinds}; {len(shown)} shown | {wall:.0f} s | {cpu:.0f} s | "
            f"{peak_mb():.0f} MB ({before:.0f} before) | {size / 2**20:.0f} MB |"
        )
    return 0


def peak_mb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
