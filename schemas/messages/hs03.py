"""HS03 TiepNhanHoSo: receipt of a dossier and appointment (R25, R26)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Moves
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields
from schemas.messages.shared import LePhi, le_phi


@dataclass(frozen=True, slots=True, kw_only=True)
class TiepNhanHoSo:
    """The desk has the dossier."""

    ma_ho_so: MaHoSo
    ngay_tiep_nhan: datetime
    ngay_hen_tra: datetime | None  # None: absent with a reason
    can_bo: str
    don_vi: str
    so_bien_nhan: str | None = None
    le_phi: tuple[LePhi, ...] = ()

    @property
    def occurred_at(self) -> datetime:
        """When the desk received it."""
        return self.ngay_tiep_nhan

    @property
    def effects(self) -> tuple[Moves, ...]:
        """To state 2."""
        return (
            Moves(
                to=2,
                at=self.ngay_tiep_nhan,
                ngay_tiep_nhan=self.ngay_tiep_nhan,
                ngay_hen_tra=self.ngay_hen_tra,
                nguoi_xu_ly=self.can_bo,
                phong_ban=self.don_vi,
            ),
        )


@reader("HS03", "TiepNhanHoSo", "1.0")
def read_tiep_nhan(row: Fields) -> TiepNhanHoSo:
    """Version 1.0."""
    return TiepNhanHoSo(
        ma_ho_so=row.ma_ho_so(),
        ngay_tiep_nhan=row.instant("NgayTiepNhan"),
        ngay_hen_tra=row.instant_or_none("NgayHenTra"),
        can_bo=row.text("CanBoTiepNhan"),
        don_vi=row.text("DonViXuLy"),
        so_bien_nhan=row.code_or_none("SoBienNhan"),
        le_phi=le_phi(row.rows("DanhSachLePhi", "LePhi")),
    )
