"""HS14 ChuyenHoSo: the lead agency sends a copy of the dossier to the next one (R30)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Transfers
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields
from schemas.messages.shared import HoSo, ho_so


@dataclass(frozen=True, slots=True, kw_only=True)
class BanGoc:
    """Where the copy comes from: the original message, kept byte for byte with its signature."""

    ma_thong_diep: str
    bam_noi_dung: str  # SHA-256
    ma_dinh_kem: str
    noi_gui: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChuyenHoSo:
    """A copy, and what is asked of the next agency. The lead keeps the dossier's state."""

    ma_ho_so: MaHoSo  # MaHoSoGoc: the dossier at the lead
    ho_so: HoSo
    don_vi_chuyen: str
    don_vi_nhan: str
    noi_dung: str
    han_xu_ly: datetime | None = None
    occurred_at: datetime | None = None  # NgayChuyen
    ban_goc: BanGoc | None = None

    @property
    def effects(self) -> tuple[Transfers, ...]:
        """An open transfer until HS15."""
        return (Transfers(don_vi_nhan=self.don_vi_nhan, han_xu_ly=self.han_xu_ly, ma_ho_so_goc=self.ma_ho_so),)


@reader("HS14", "ChuyenHoSo", "1.0")
def read_chuyen(row: Fields) -> ChuyenHoSo:
    """Version 1.0."""
    goc = row.child_or_none("BanGoc")
    return ChuyenHoSo(
        ma_ho_so=row.ma_ho_so("MaHoSoGoc"),
        ho_so=ho_so(row.child("HoSo")),
        don_vi_chuyen=row.code("DonViChuyen"),
        don_vi_nhan=row.code("DonViNhan"),
        noi_dung=row.text("NoiDungXuLy"),
        han_xu_ly=row.instant_or_none("HanXuLy"),
        occurred_at=row.instant_or_none("NgayChuyen"),
        ban_goc=None
        if goc is None
        else BanGoc(
            ma_thong_diep=goc.code("MaThongDiepGoc"),
            bam_noi_dung=goc.code("BamNoiDung"),
            ma_dinh_kem=goc.code("MaDinhKem"),
            noi_gui=goc.code_or_none("NoiGuiGoc"),
        ),
    )
