"""HS06 YeuCauBoSung: the desk asks for a supplement (R24)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from gateway.core.effects import Moves
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields
from schemas.messages.shared import LePhi, le_phi


@dataclass(frozen=True, slots=True, kw_only=True)
class YeuCauBoSung:
    """What is missing, and until when it may be supplied."""

    ma_ho_so: MaHoSo
    id: int  # HoSoBoSungId, within the dossier
    nguoi_yeu_cau: str
    noi_dung: str
    ngay: datetime
    thoi_han: date  # the last day
    giay_to: tuple[str, ...] = ()
    le_phi: tuple[LePhi, ...] = ()

    @property
    def occurred_at(self) -> datetime:
        """When it was asked."""
        return self.ngay

    @property
    def effects(self) -> tuple[Moves, ...]:
        """To state 5. The limit is the end of its last day at home (+07:00)."""
        end = datetime.combine(self.thoi_han, time(), tzinfo=UTC) + timedelta(days=1) - timedelta(hours=7)
        return (Moves(to=5, at=self.ngay, ly_do=True, han=end, nguoi_xu_ly=self.nguoi_yeu_cau),)


@reader("HS06", "YeuCauBoSung", "1.0")
def read_yeu_cau_bo_sung(row: Fields) -> YeuCauBoSung:
    """Version 1.0."""
    return YeuCauBoSung(
        ma_ho_so=row.ma_ho_so(),
        id=row.whole("HoSoBoSungId"),
        nguoi_yeu_cau=row.text("NguoiYeuCauBoSung"),
        noi_dung=row.text("NoiDungBoSung"),
        ngay=row.instant("NgayBoSung"),
        thoi_han=row.day("ThoiHanBoSung"),
        giay_to=tuple(item.text("TenGiayTo") for item in row.rows("DanhSachGiayToBoSung", "GiayToBoSung")),
        le_phi=le_phi(row.rows("DanhSachLePhiBoSung", "LePhiBoSung")),
    )
