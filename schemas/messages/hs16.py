"""HS16 GiaHan: a new appointment, with apology (R35)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Redates
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields
from schemas.messages.shared import VanBan, van_ban


@dataclass(frozen=True, slots=True, kw_only=True)
class GiaHan:
    """The open way to change an appointment; the old one is kept."""

    ma_ho_so: MaHoSo
    hen_tra_truoc: datetime
    hen_tra_moi: datetime
    ly_do: str
    so_van_ban: str | None = None
    van_ban: VanBan | None = None
    occurred_at: datetime | None = None  # NgayQuyetDinh

    @property
    def effects(self) -> tuple[Redates, ...]:
        """The new appointment."""
        return (Redates(ngay_hen_tra=self.hen_tra_moi),)


@reader("HS16", "GiaHan", "1.0")
def read_gia_han(row: Fields) -> GiaHan:
    """Version 1.0."""
    return GiaHan(
        ma_ho_so=row.ma_ho_so(),
        hen_tra_truoc=row.instant("NgayHenTraTruoc"),
        hen_tra_moi=row.instant("NgayHenTraMoi"),
        ly_do=row.text("LyDo"),
        so_van_ban=row.code_or_none("SoVanBanXinLoi"),
        van_ban=van_ban(row.child_or_none("VanBan")),
        occurred_at=row.instant_or_none("NgayQuyetDinh"),
    )
