"""HS21 DanhGia: satisfaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Notes
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class DanhGia:
    """How the applicant found it."""

    ma_ho_so: MaHoSo
    diem: int  # 1..5
    noi_dung: str | None = None
    occurred_at: datetime | None = None  # NgayDanhGia

    @property
    def effects(self) -> tuple[Notes, ...]:
        """A line in the history, with the score."""
        return (Notes(what="danh-gia", value=str(self.diem)),)


@reader("HS21", "DanhGia", "1.0")
def read_danh_gia(row: Fields) -> DanhGia:
    """Version 1.0."""
    return DanhGia(
        ma_ho_so=row.ma_ho_so(),
        diem=row.whole("Diem"),
        noi_dung=row.text_or_none("NoiDung"),
        occurred_at=row.instant_or_none("NgayDanhGia"),
    )
