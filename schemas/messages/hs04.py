"""HS04 TuChoiTiepNhan: refusal at receipt, with its reason (R33)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Moves
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields
from schemas.messages.shared import VanBan, van_ban


@dataclass(frozen=True, slots=True, kw_only=True)
class TuChoiTiepNhan:
    """The desk does not take the dossier."""

    ma_ho_so: MaHoSo
    ngay_tu_choi: datetime
    ly_do: str
    nguoi_tu_choi: str | None = None
    van_ban: VanBan | None = None

    @property
    def occurred_at(self) -> datetime:
        """When it was refused."""
        return self.ngay_tu_choi

    @property
    def effects(self) -> tuple[Moves, ...]:
        """To state 3."""
        return (Moves(to=3, at=self.ngay_tu_choi, ly_do=True, nguoi_xu_ly=self.nguoi_tu_choi),)


@reader("HS04", "TuChoiTiepNhan", "1.0")
def read_tu_choi(row: Fields) -> TuChoiTiepNhan:
    """Version 1.0."""
    return TuChoiTiepNhan(
        ma_ho_so=row.ma_ho_so(),
        ngay_tu_choi=row.instant("NgayTuChoi"),
        ly_do=row.text("LyDo"),
        nguoi_tu_choi=row.text_or_none("NguoiTuChoi"),
        van_ban=van_ban(row.child_or_none("VanBan")),
    )
