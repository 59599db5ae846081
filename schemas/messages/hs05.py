"""HS05 CapNhatTienDo: progress of a dossier."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Moves
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class CapNhatTienDo:
    """One step of a dossier at the agency."""

    ma_ho_so: MaHoSo
    trang_thai: int  # 1..10
    occurred_at: datetime  # ThoiDiemXuLy
    nguoi_xu_ly: str
    trang_thai_goc: str | None = None  # as the agency's own system calls it
    thu_tu: int | None = None  # per dossier, from 1
    phong_ban: str | None = None
    noi_dung: str | None = None
    ngay_bat_dau: datetime | None = None
    han_buoc: datetime | None = None  # NgayKetThucTheoQuyDinh
    ly_do: str | None = None  # since 1.1
    noi_xu_ly: str | None = None  # since 1.1

    @property
    def effects(self) -> tuple[Moves, ...]:
        """To the state it states. A reason is LyDo, or before 1.1 what was done."""
        reason = self.ly_do is not None or self.noi_dung is not None
        return (
            Moves(
                to=self.trang_thai,
                goc=self.trang_thai_goc,
                at=self.occurred_at,
                ly_do=reason,
                nguoi_xu_ly=self.nguoi_xu_ly,
                phong_ban=self.phong_ban,
                ngay_ket_thuc=self.occurred_at if self.trang_thai == 9 else None,
                ngay_tra=self.occurred_at if self.trang_thai == 10 else None,
            ),
        )


@reader("HS05", "CapNhatTienDo", "1.0", "1.1")
def read_cap_nhat(row: Fields) -> CapNhatTienDo:
    """Versions 1.0 and 1.1: the second adds LyDo and NoiXuLy."""
    return CapNhatTienDo(
        ma_ho_so=row.ma_ho_so(),
        trang_thai=row.state("TrangThai"),
        occurred_at=row.instant("ThoiDiemXuLy"),
        nguoi_xu_ly=row.text("NguoiXuLy"),
        trang_thai_goc=row.code_or_none("TrangThaiGoc"),
        thu_tu=row.whole_or_none("ThuTu"),
        phong_ban=row.text_or_none("PhongBanXuLy"),
        noi_dung=row.text_or_none("NoiDungXuLy"),
        ngay_bat_dau=row.instant_or_none("NgayBatDau"),
        han_buoc=row.instant_or_none("NgayKetThucTheoQuyDinh"),
        ly_do=row.text_or_none("LyDo"),
        noi_xu_ly=row.code_or_none("NoiXuLy"),
    )
