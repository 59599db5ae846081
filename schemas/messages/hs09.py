"""HS09 YeuCauThanhToan: a fee or tax duty is asked for (R6, R26)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gateway.core.effects import Owes
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields
from schemas.messages.shared import LePhi, le_phi


@dataclass(frozen=True, slots=True, kw_only=True)
class YeuCauThanhToan:
    """What is due. It moves no state: 6 is only a projection of the payment record."""

    ma_ho_so: MaHoSo
    le_phi: tuple[LePhi, ...]
    noi_dung: str
    ma_yeu_cau: str | None = None
    han_nop: datetime | None = None
    occurred_at: datetime | None = None  # the message's own time

    @property
    def so_tien(self) -> Decimal:
        """The sum of the fees, VND."""
        return sum((one.gia for one in self.le_phi), Decimal(0))

    @property
    def effects(self) -> tuple[Owes, ...]:
        """The payment record."""
        return (Owes(so_tien=self.so_tien, han_nop=self.han_nop, ref=self.ma_yeu_cau),)


@reader("HS09", "YeuCauThanhToan", "1.0")
def read_yeu_cau_thanh_toan(row: Fields) -> YeuCauThanhToan:
    """Version 1.0."""
    return YeuCauThanhToan(
        ma_ho_so=row.ma_ho_so(),
        le_phi=le_phi(row.rows("DanhSachLePhi", "LePhi")),
        noi_dung=row.text("NoiDungThanhToan"),
        ma_yeu_cau=row.code_or_none("MaYeuCauThanhToan"),
        han_nop=row.instant_or_none("HanNop"),
    )
