"""HS08 XacNhanBoSung: the supplement is complete (R24)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Moves, Redates
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class XacNhanBoSung:
    """Processing goes on, with a new appointment where there is one."""

    ma_ho_so: MaHoSo
    id: int  # HoSoBoSungId
    ngay_tiep_nhan: datetime
    nguoi_tiep_nhan: str | None = None
    hen_tra_truoc: datetime | None = None
    hen_tra_moi: datetime | None = None

    @property
    def occurred_at(self) -> datetime:
        """When the supplement was received."""
        return self.ngay_tiep_nhan

    @property
    def effects(self) -> tuple[Moves | Redates, ...]:
        """Back to the state before 5, and the new appointment."""
        back = Moves(to=None, at=self.ngay_tiep_nhan, nguoi_xu_ly=self.nguoi_tiep_nhan)
        if self.hen_tra_moi is None:
            return (back,)
        return back, Redates(ngay_hen_tra=self.hen_tra_moi)


@reader("HS08", "XacNhanBoSung", "1.0")
def read_xac_nhan(row: Fields) -> XacNhanBoSung:
    """Version 1.0."""
    return XacNhanBoSung(
        ma_ho_so=row.ma_ho_so(),
        id=row.whole("HoSoBoSungId"),
        ngay_tiep_nhan=row.instant("NgayTiepNhanBoSung"),
        nguoi_tiep_nhan=row.text_or_none("NguoiTiepNhanBoSung"),
        hen_tra_truoc=row.instant_or_none("NgayHenTraTruoc"),
        hen_tra_moi=row.instant_or_none("NgayHenTraMoi"),
    )
