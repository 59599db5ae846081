"""HS07 NopBoSung: the applicant's supplement (R24)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Notes
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class NopBoSung:
    """What was supplied. The desk says whether it is complete (HS08)."""

    ma_ho_so: MaHoSo
    id: int  # HoSoBoSungId
    ngay_nop: datetime
    tai_lieu: tuple[str, ...] = ()

    @property
    def occurred_at(self) -> datetime:
        """When it was supplied."""
        return self.ngay_nop

    @property
    def effects(self) -> tuple[Notes, ...]:
        """A line in the history."""
        return (Notes(what="bo-sung-da-nop", ref=str(self.id)),)


@reader("HS07", "NopBoSung", "1.0")
def read_nop_bo_sung(row: Fields) -> NopBoSung:
    """Version 1.0."""
    return NopBoSung(
        ma_ho_so=row.ma_ho_so(),
        id=row.whole("HoSoBoSungId"),
        ngay_nop=row.instant("NgayNop"),
        tai_lieu=tuple(item.text("TenTepDinhKem") for item in row.rows("DanhSachTaiLieuNop", "TaiLieuNop")),
    )
