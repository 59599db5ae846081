"""HS15 KetQuaChuyen: the next agency answers the lead (R31)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Returns
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields
from schemas.messages.shared import GiayToKetQua, giay_to_ket_qua


@dataclass(frozen=True, slots=True, kw_only=True)
class KetQuaChuyen:
    """The answer. ``trang_thai`` is the next agency's own; the dossier's stays the lead's."""

    ma_ho_so: MaHoSo  # MaHoSoGoc
    trang_thai: int  # 1..10
    ket_qua: str
    ly_do: str | None = None
    giay_to: tuple[GiayToKetQua, ...] = ()
    occurred_at: datetime | None = None  # ThoiDiemXuLy

    @property
    def effects(self) -> tuple[Returns, ...]:
        """Answers the transfer."""
        return (Returns(ket_qua=self.ket_qua, trang_thai=self.trang_thai),)


@reader("HS15", "KetQuaChuyen", "1.0")
def read_ket_qua_chuyen(row: Fields) -> KetQuaChuyen:
    """Version 1.0."""
    return KetQuaChuyen(
        ma_ho_so=row.ma_ho_so("MaHoSoGoc"),
        trang_thai=row.state("TrangThai"),
        ket_qua=row.code("KetQua"),
        ly_do=row.text_or_none("LyDo"),
        giay_to=giay_to_ket_qua(row.rows("DanhSachGiayToKetQua", "GiayToKetQua")),
        occurred_at=row.instant_or_none("ThoiDiemXuLy"),
    )
