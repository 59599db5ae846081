"""HS02 BienNhan: technical acknowledgement of a message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Acknowledges, KetQua
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Loi:
    """One error or warning of a receipt."""

    ma: str  # stable token
    ma_chi_tiet: str | None
    muc_do: str  # LOI, CANH_BAO, CHUA_XAC_DINH
    vi_tri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BienNhan:
    """What a receiver made of a message."""

    ma_thong_diep_goc: str | None  # None: it could not be read
    ket_qua: KetQua
    thoi_diem: datetime
    bam_noi_dung: str | None = None
    so_tiep_nhan: str | None = None
    loi: tuple[Loi, ...] = ()
    ma_ho_so: MaHoSo | None = None  # a receipt is about a message, not a dossier

    @property
    def occurred_at(self) -> datetime:
        """When the message was received."""
        return self.thoi_diem

    @property
    def effects(self) -> tuple[Acknowledges, ...]:
        """Settles the delivery it answers."""
        if self.ma_thong_diep_goc is None:
            return ()
        return (Acknowledges(ma_thong_diep_goc=self.ma_thong_diep_goc, ket_qua=self.ket_qua),)


@reader("HS02", "BienNhan", "1.0")
def read_bien_nhan(row: Fields) -> BienNhan:
    """Version 1.0."""
    return BienNhan(
        ma_thong_diep_goc=row.code_or_none("MaThongDiepGoc"),
        ket_qua=KetQua(row.code("KetQua")),
        thoi_diem=row.instant("ThoiDiem"),
        bam_noi_dung=row.code_or_none("BamNoiDung"),
        so_tiep_nhan=row.code_or_none("SoTiepNhan"),
        loi=tuple(
            Loi(
                ma=loi.code("Ma"),
                ma_chi_tiet=loi.code_or_none("MaChiTiet"),
                muc_do=loi.code("MucDo"),
                vi_tri=loi.text_or_none("ViTri"),
            )
            for loi in row.rows("DanhSachLoi", "Loi")
        ),
    )
