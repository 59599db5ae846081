"""HS11 TraKetQua: the result (R32, R36, R37)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Moves
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields
from schemas.messages.shared import GiayToKetQua, giay_to_ket_qua


@dataclass(frozen=True, slots=True, kw_only=True)
class TraKetQua:
    """Processing has ended; where NgayTra is given, the result was also handed over."""

    ma_ho_so: MaHoSo
    ngay_ket_thuc: datetime
    hinh_thuc: str  # 0 in person, 1 by post
    ngay_tra: datetime | None = None
    tra_lai: bool = False  # returned or withdrawn instead of granted
    ly_do: str | None = None
    giay_to: tuple[GiayToKetQua, ...] = ()

    @property
    def occurred_at(self) -> datetime:
        """When the last thing it tells of happened."""
        return self.ngay_tra if self.ngay_tra is not None else self.ngay_ket_thuc

    @property
    def effects(self) -> tuple[Moves, ...]:
        """To state 9, and on to 10 once the result was handed over."""
        finished = Moves(
            to=9,
            at=self.ngay_ket_thuc,
            ngay_ket_thuc=self.ngay_ket_thuc,
            ly_do=self.ly_do is not None,
            result_kind="tra-lai" if self.tra_lai else None,
        )
        if self.ngay_tra is None:
            return (finished,)
        return finished, Moves(to=10, at=self.ngay_tra, ngay_tra=self.ngay_tra)


@reader("HS11", "TraKetQua", "1.0")
def read_tra_ket_qua(row: Fields) -> TraKetQua:
    """Version 1.0."""
    return TraKetQua(
        ma_ho_so=row.ma_ho_so(),
        ngay_ket_thuc=row.instant("NgayKetThucXuLy"),
        hinh_thuc=row.code("HinhThuc"),
        ngay_tra=row.instant_or_none("NgayTra"),
        tra_lai=row.code_or_none("LoaiKetQua") == "TRA_LAI",
        ly_do=row.text_or_none("LyDo"),
        giay_to=giay_to_ket_qua(row.rows("DanhSachGiayToKetQua", "GiayToKetQua")),
    )
