"""HS13 DungXuLy and TiepTucXuLy: processing stops and goes on (R33, R34)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Moves, Redates
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields
from schemas.messages.shared import VanBan, van_ban


@dataclass(frozen=True, slots=True, kw_only=True)
class DungXuLy:
    """Processing stops, for a written reason."""

    ma_ho_so: MaHoSo
    ly_do: str
    ngay_dung: datetime
    van_ban: VanBan | None = None

    @property
    def occurred_at(self) -> datetime:
        """When it stopped."""
        return self.ngay_dung

    @property
    def effects(self) -> tuple[Moves, ...]:
        """To state 8."""
        return (Moves(to=8, at=self.ngay_dung, ly_do=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class TiepTucXuLy:
    """Processing goes on."""

    ma_ho_so: MaHoSo
    ngay_tiep_tuc: datetime
    ly_do: str | None = None
    hen_tra_moi: datetime | None = None

    @property
    def occurred_at(self) -> datetime:
        """When it went on."""
        return self.ngay_tiep_tuc

    @property
    def effects(self) -> tuple[Moves | Redates, ...]:
        """To state 4, and the new appointment where there is one."""
        on = Moves(to=4, at=self.ngay_tiep_tuc, ly_do=self.ly_do is not None)
        return (on,) if self.hen_tra_moi is None else (on, Redates(ngay_hen_tra=self.hen_tra_moi))


@reader("HS13", "DungXuLy", "1.0")
def read_dung(row: Fields) -> DungXuLy:
    """Version 1.0."""
    return DungXuLy(
        ma_ho_so=row.ma_ho_so(),
        ly_do=row.text("LyDo"),
        ngay_dung=row.instant("NgayDung"),
        van_ban=van_ban(row.child_or_none("VanBan")),
    )


@reader("HS13", "TiepTucXuLy", "1.0")
def read_tiep_tuc(row: Fields) -> TiepTucXuLy:
    """Version 1.0."""
    return TiepTucXuLy(
        ma_ho_so=row.ma_ho_so(),
        ngay_tiep_tuc=row.instant("NgayTiepTuc"),
        ly_do=row.text_or_none("LyDo"),
        hen_tra_moi=row.instant_or_none("NgayHenTraMoi"),
    )
