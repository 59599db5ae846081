"""Lives of dossiers, told in letters, for the tests of the core."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.core.effects import Effect, Files
from gateway.core.lifecycle import Followed, LifeRules, follow
from gateway.core.model import Address, Basis, Dossier, MaHoSo, MaThongDiep, PartyId, ThongDiep

START = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CODE = MaHoSo("H19.901-260105-0001")
PORTAL, AGENCY = PartyId("cong-dvc"), PartyId("so-tu-phap")
NEW = Dossier(ma_ho_so=CODE, ma_tthc=None, portal=PORTAL, agency=AGENCY)
DUE = START + timedelta(days=10)


@dataclass(frozen=True)
class Told:
    """A payload as the core sees it."""

    effects: tuple[Effect, ...]
    occurred_at: datetime | None
    ma_ho_so: MaHoSo | None = CODE


def letter(*effects: Effect, hours: float, thu_tu: int | None = None, loai: str = "HS05", name: str = "") -> ThongDiep:
    at = START + hours * HOUR
    return ThongDiep(
        ma_thong_diep=MaThongDiep(name or f"{loai}-{hours}-{thu_tu}"),
        loai=loai,
        goc="X",
        phien_ban="1.0",
        noi_gui=Address(ma_dinh_danh="H19.901"),
        noi_nhan=(),
        thoi_diem_tao=at,
        content=Told(effects, at),
        basis=Basis.SIGNATURE,
        thu_tu=thu_tu,
    )


def filed(state: int = 1) -> ThongDiep:
    return letter(Files(trang_thai=state, ma_tthc="1.001193", ngay_nop=START, ngay_hen_tra=DUE), hours=0, loai="HS01")


def live(*letters: ThongDiep, rules: LifeRules = LifeRules(), privileged: bool = False) -> Dossier:
    """The dossier after these letters, the first one being the portal's filing."""
    dossier = NEW
    for number, one in enumerate(letters):
        sender = PORTAL if one.loai in {"HS01", "HS10", "HS12"} else AGENCY
        dossier = follow(
            one, dossier, sender, rules, message=f"m{number}", now=START + number * HOUR, privileged=privileged
        ).dossier
    return dossier


def then(one: ThongDiep, dossier: Dossier, sender: PartyId = AGENCY, rules: LifeRules = LifeRules()) -> Followed:
    """What one more letter makes of it; from the agency, without privileges."""
    return follow(one, dossier, sender, rules, message="m", now=START)
