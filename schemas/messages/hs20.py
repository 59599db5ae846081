"""HS20 ThuHoiThongDiep: recall of a wrong message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Recalls
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ThuHoiThongDiep:
    """Which of its own messages the sender takes back."""

    ma_thong_diep_goc: str
    ly_do: str
    ma_ho_so: MaHoSo | None = None
    occurred_at: datetime | None = None

    @property
    def effects(self) -> tuple[Recalls, ...]:
        """Cancels what is still queued and informs who has it."""
        return (Recalls(ma_thong_diep_goc=self.ma_thong_diep_goc),)


@reader("HS20", "ThuHoiThongDiep", "1.0")
def read_thu_hoi(row: Fields) -> ThuHoiThongDiep:
    """Version 1.0."""
    ma_ho_so = row.code_or_none("MaHoSo")
    return ThuHoiThongDiep(
        ma_thong_diep_goc=row.code("MaThongDiepGoc"),
        ly_do=row.text("LyDo"),
        ma_ho_so=MaHoSo(ma_ho_so) if ma_ho_so is not None else None,
    )
