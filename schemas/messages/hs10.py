"""HS10 KetQuaThanhToan: a payment was made, or failed (R6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gateway.core.effects import Pays
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class KetQuaThanhToan:
    """The outcome of a payment."""

    ma_ho_so: MaHoSo
    ma_tra_cuu: str
    so_tien: Decimal  # VND
    thoi_gian: datetime
    da_thanh_toan: bool
    ma_yeu_cau: str | None = None
    kenh: str | None = None

    @property
    def occurred_at(self) -> datetime:
        """When it was paid."""
        return self.thoi_gian

    @property
    def effects(self) -> tuple[Pays, ...]:
        """The payment record."""
        return (
            Pays(
                so_tien=self.so_tien,
                da_thanh_toan=self.da_thanh_toan,
                ma_tra_cuu=self.ma_tra_cuu,
                thoi_gian=self.thoi_gian,
            ),
        )


@reader("HS10", "KetQuaThanhToan", "1.0")
def read_ket_qua_thanh_toan(row: Fields) -> KetQuaThanhToan:
    """Version 1.0."""
    return KetQuaThanhToan(
        ma_ho_so=row.ma_ho_so(),
        ma_tra_cuu=row.code("MaTraCuuTT"),
        so_tien=row.money("SoTien"),
        thoi_gian=row.instant("ThoiGianThanhToan"),
        da_thanh_toan=row.code("TrangThaiThanhToan") == "1",
        ma_yeu_cau=row.code_or_none("MaYeuCauThanhToan"),
        kenh=row.code_or_none("KenhThanhToan"),
    )
