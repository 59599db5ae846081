"""HS19 DoiSoat and KetQuaDoiSoat: reconciliation (R38, R44)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Answers, Asks
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class DongDoiSoat:
    """What the asking side has on record of one dossier."""

    ma_ho_so: MaHoSo
    trang_thai: int
    thoi_diem: datetime | None = None
    bam_noi_dung: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoiSoat:
    """A question: does your record agree with mine?"""

    ky_tu: datetime
    ky_den: datetime
    ma_dinh_danh: str  # whose dossiers
    dong: tuple[DongDoiSoat, ...] = ()
    ma_ho_so: MaHoSo | None = None
    occurred_at: datetime | None = None

    @property
    def effects(self) -> tuple[Asks, ...]:
        """A query; its rows are in the letter."""
        key = {"KyTu": self.ky_tu.isoformat(), "KyDen": self.ky_den.isoformat(), "MaDinhDanh": self.ma_dinh_danh}
        return (Asks(what="doi-soat", key=key),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChenhLech:
    """One difference."""

    ma_ho_so: MaHoSo
    loai: str
    ben_hoi: int | None = None
    ben_tra_loi: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KetQuaDoiSoat:
    """The differences found."""

    ky_tu: datetime
    ky_den: datetime
    ma_dinh_danh: str
    so_ho_so: int
    so_khop: int
    chenh_lech: tuple[ChenhLech, ...] = ()
    ma_ho_so: MaHoSo | None = None
    occurred_at: datetime | None = None

    @property
    def effects(self) -> tuple[Answers, ...]:
        """The reply."""
        return (Answers(what="doi-soat"),)


@reader("HS19", "DoiSoat", "1.0")
def read_doi_soat(row: Fields) -> DoiSoat:
    """Version 1.0."""
    return DoiSoat(
        ky_tu=row.instant("KyTu"),
        ky_den=row.instant("KyDen"),
        ma_dinh_danh=row.code("MaDinhDanh"),
        dong=tuple(
            DongDoiSoat(
                ma_ho_so=line.ma_ho_so(),
                trang_thai=line.state("TrangThai"),
                thoi_diem=line.instant_or_none("ThoiDiem"),
                bam_noi_dung=line.code_or_none("BamNoiDung"),
            )
            for line in row.rows("DanhSachDoiSoat", "DongDoiSoat")
        ),
    )


@reader("HS19", "KetQuaDoiSoat", "1.0")
def read_ket_qua_doi_soat(row: Fields) -> KetQuaDoiSoat:
    """Version 1.0."""
    return KetQuaDoiSoat(
        ky_tu=row.instant("KyTu"),
        ky_den=row.instant("KyDen"),
        ma_dinh_danh=row.code("MaDinhDanh"),
        so_ho_so=row.whole("SoHoSo"),
        so_khop=row.whole("SoKhop"),
        chenh_lech=tuple(
            ChenhLech(
                ma_ho_so=line.ma_ho_so(),
                loai=line.code("LoaiLech"),
                ben_hoi=line.whole_or_none("TrangThaiBenHoi"),
                ben_tra_loi=line.whole_or_none("TrangThaiBenTraLoi"),
            )
            for line in row.rows("DanhSachChenhLech", "ChenhLech")
        ),
    )
