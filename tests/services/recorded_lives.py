"""The nine sample lives on record, and an outbox that tells a false far side of them."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sampling
from arrivals import arrival
from cong_quoc_gia import CongQuocGia
from owed import Clock

from connectors.http import HttpLine
from connectors.registry import installed
from gateway.core.lifecycle import LifeRules
from gateway.core.model import Delivery, Fate, PartyId
from gateway.core.parties import Parties, Receives, Role
from gateway.core.told import Told
from gateway.documents import parse_bytes
from gateway.services.intake import receive
from gateway.services.outbox import Outbox, Pace
from gateway.store import Store, open_engine
from schemas import names
from schemas.record import WORDS, HoSoRecord, record_of

LATER = datetime(2026, 3, 1, tzinfo=UTC)  # after all of the lives
PORTAL = "cong-dvc"
DATES = ("NgayTiepNhan", "NgayHenTra", "NgayTra", "NgayKetThucXuLy", "NgayTuChoi")
JOURNEYS = sorted(path.parent for path in (sampling.SAMPLES / "journeys").glob("*/journey.toml"))


@dataclass(frozen=True)
class Recorded:
    """The nine lives on record, owed to everybody who is named; nothing is told yet."""

    gate: Any
    file: Path
    codes: Mapping[str, str]  # life -> MaHoSo

    def parties(self, name: str, table: dict[str, Any], *, to: str = PORTAL) -> Parties:
        """The registry, where the portal, or each agency, is spoken to by a connector, and nobody else is spoken to."""
        own = {party.id for party in self.gate.parties if (party.id == PORTAL) == (to == PORTAL)}
        how = {"receives": Receives.PUSH, "connector": name, "connector_settings": table}
        return Parties(
            [replace(party, **(how if party.id in own else {"enabled": False})) for party in self.gate.parties]
        )


def record_lives(bare_gate: Any, sqlite_template: Path, folder: Path) -> Recorded:
    """Takes them in; what is told of a copy does not change it."""
    file = folder / "lives.db"
    shutil.copyfile(sqlite_template, file)
    engine = open_engine(f"sqlite:///{file}")
    pushed = Parties([replace(party, receives=Receives.PUSH) for party in bare_gate.parties])
    gate = replace(bare_gate, store=Store(engine), parties=pushed)
    codes = {}
    for journey in JOURNEYS:
        for name in tomllib.loads((journey / "journey.toml").read_text("utf-8"))["files"]:
            sample = sampling.sample(f"journeys/{journey.name}/{name}")
            root = parse_bytes(sample.body)
            at = datetime.fromisoformat(root.findtext(names.pb("ThoiDiemTao"))).astimezone(UTC) + timedelta(seconds=5)
            (answer,) = receive([arrival(sample.body, sample.sender, at)], gate, at)
            assert answer.fate is Fate.ACCEPTED, answer.problems
            codes.setdefault(journey.name, root.findtext(f".//{names.hs('MaHoSo')}"))
    with engine.connect() as connection:  # everything into the one file that is copied
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return Recorded(bare_gate, file, codes)


class Teller:
    """The lives, and an outbox that is turned by hand."""

    def __init__(self, store: Store, parties: Parties, box: Outbox, clock: Clock) -> None:
        self.store, self.parties, self.box, self.clock = store, parties, box, clock

    async def tell(self, **forward: float) -> None:
        """Until nothing is due."""
        self.clock.forward(**forward)
        for _ in range(300):
            begun = await self.box.turn()
            await self.box.settled()
            if not begun:
                return
        raise AssertionError("it never ends")

    def record(self, ma_ho_so: str, *, after: Delivery | None = None) -> HoSoRecord:
        """The gateway's own record of a dossier; as it stood after what a delivery tells of."""

        def rules(agency: PartyId | None) -> LifeRules:
            return LifeRules.of(self.parties.get(agency))

        with self.store.read() as view:
            if after is not None and (found := view.letters(after, rules, of=WORDS)) is not None:
                return record_of(found)
            return record_of(view.letters_of(ma_ho_so, lambda a: LifeRules.of(self.parties.get(a)), of=WORDS))

    def deliveries(self, ma_ho_so: str | None = None) -> list[Delivery]:
        """What whoever is spoken to is owed, or was."""
        with self.store.read() as view:
            listed = view.deliveries(lane=ma_ho_so)
        own = [party.id for party in self.parties if party.enabled and party.role is not Role.GATEWAY]
        return [delivery for delivery in listed if delivery.party in own]

    def told(self, ma_ho_so: str) -> Told:
        with self.store.read() as view:
            found = view.told(PORTAL, ma_ho_so)
        assert found is not None
        return found


@asynccontextmanager
async def teller(
    recorded: Recorded, folder: Path, name: str, table: dict[str, Any], *, to: str = PORTAL
) -> AsyncIterator[Teller]:
    shutil.copyfile(recorded.file, folder / "lives.db")
    store = Store(open_engine(f"sqlite:///{folder / 'lives.db'}"))
    parties, clock = recorded.parties(name, table, to=to), Clock(LATER)
    async with HttpLine(private_addresses=True) as line:
        box = Outbox(store, parties, installed(), clock, line, Pace(grace_s=0.2))
        try:
            yield Teller(store, parties, box, clock)
        finally:
            await box.finish()
            store.dispose()


def portal_where_they_were_filed(recorded: Recorded) -> CongQuocGia:
    """It has what citizens filed through it."""
    cong = CongQuocGia()
    cong.dossiers = {code: {"MaHoSo": code, "TrangThaiHoSo": "1"} for code in recorded.codes.values()}
    return cong


def same_at_the_end(cong: CongQuocGia, record: HoSoRecord, ma_ho_so: str) -> None:
    """The portal's state, dates, fees, supplements and results are those of the gateway's own record."""
    assert record.whole is not None
    seen = cong.dossiers[ma_ho_so]
    assert cong.state_of(ma_ho_so) == record.whole["TrangThaiHoSo"] == str(record.trace.trang_thai)
    for name in (*DATES, "DanhSachLePhi", "DanhSachHoSoBoSung", "DanhSachGiayToKetQua", "HinhThuc", "DonViXuLy"):
        assert seen.get(name) == record.whole.get(name), name
    steps = [(row["ThoiDiemXuLy"], row["TrangThai"]) for row in cong.rows if row["MaHoSo"] == ma_ho_so]
    assert sorted(steps) == sorted((row["ThoiDiemXuLy"], row["TrangThai"]) for row in record.rows)
