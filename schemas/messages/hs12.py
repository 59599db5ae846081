"""HS12 RutHoSo and DongYRutHoSo: the applicant withdraws, the agency decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Moves
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class RutHoSo:
    """The applicant asks to withdraw."""

    ma_ho_so: MaHoSo
    ly_do: str
    ngay_yeu_cau: datetime

    @property
    def occurred_at(self) -> datetime:
        """When it was asked."""
        return self.ngay_yeu_cau

    @property
    def effects(self) -> tuple[Moves, ...]:
        """To state 7."""
        return (Moves(to=7, at=self.ngay_yeu_cau, ly_do=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class DongYRutHoSo:
    """The agency's decision on it."""

    ma_ho_so: MaHoSo
    dong_y: bool
    ly_do: str | None = None
    occurred_at: datetime | None = None  # NgayQuyetDinh

    @property
    def effects(self) -> tuple[Moves, ...]:
        """To state 8 when granted, else back to the state before 7."""
        return (Moves(to=8 if self.dong_y else None, at=self.occurred_at, ly_do=self.ly_do is not None, answers=True),)


@reader("HS12", "RutHoSo", "1.0")
def read_rut(row: Fields) -> RutHoSo:
    """Version 1.0."""
    return RutHoSo(ma_ho_so=row.ma_ho_so(), ly_do=row.text("LyDo"), ngay_yeu_cau=row.instant("NgayYeuCau"))


@reader("HS12", "DongYRutHoSo", "1.0")
def read_dong_y(row: Fields) -> DongYRutHoSo:
    """Version 1.0."""
    return DongYRutHoSo(
        ma_ho_so=row.ma_ho_so(),
        dong_y=row.code("KetQua") == "DONG_Y",
        ly_do=row.text_or_none("LyDo"),
        occurred_at=row.instant_or_none("NgayQuyetDinh"),
    )
