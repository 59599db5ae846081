"""Structures that several payloads share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from gateway.core.values import made_often
from schemas.fields import Fields


@made_often(frozen=True, slots=True, kw_only=True)
class LePhi:
    """A fee."""

    ten: str
    gia: Decimal  # VND
    ma: str | None = None
    hinh_thuc_thu: str | None = None  # 1 at receipt, 2 at supplement, 4 at result
    loai: str | None = None


def le_phi(rows: tuple[Fields, ...]) -> tuple[LePhi, ...]:
    """The fees of a list."""
    return tuple(
        LePhi(
            ten=row.text("TenPhiLePhi"),
            gia=row.money("Gia"),
            ma=row.code_or_none("MaPhiLePhi"),
            hinh_thuc_thu=row.code_or_none("HinhThucThu"),
            loai=row.code_or_none("LoaiPhiLePhi"),
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GiayToKetQua:
    """A result paper."""

    ten: str
    ma_thanh_phan: str | None = None
    id: str | None = None  # GiayToId, in the sender's system
    ma: str | None = None
    so_ky_hieu: str | None = None
    ngay_ban_hanh: date | None = None
    co_quan_ban_hanh: str | None = None
    nguoi_ky: str | None = None
    duong_dan: str | None = None
    ma_dinh_kem: str | None = None


def giay_to_ket_qua(rows: tuple[Fields, ...]) -> tuple[GiayToKetQua, ...]:
    """The result papers of a list."""
    return tuple(
        GiayToKetQua(
            ten=row.text("TenGiayTo"),
            ma_thanh_phan=row.code_or_none("MaThanhPhanHoSo"),
            id=row.code_or_none("GiayToId"),
            ma=row.code_or_none("MaGiayToKetQua"),
            so_ky_hieu=row.code_or_none("SoKyHieu"),
            ngay_ban_hanh=row.day_or_none("NgayBanHanh"),
            co_quan_ban_hanh=row.text_or_none("CoQuanBanHanh"),
            nguoi_ky=row.text_or_none("NguoiKy"),
            duong_dan=row.code_or_none("DuongDanTepTinKetQua"),
            ma_dinh_kem=row.code_or_none("MaDinhKem"),
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VanBan:
    """A document that goes with a decision."""

    ma_dinh_kem: str
    so_ky_hieu: str | None = None
    ngay_ban_hanh: date | None = None
    nguoi_ky: str | None = None


def van_ban(row: Fields | None) -> VanBan | None:
    """The document, where there is one."""
    if row is None:
        return None
    return VanBan(
        ma_dinh_kem=row.code("MaDinhKem"),
        so_ky_hieu=row.code_or_none("SoKyHieu"),
        ngay_ban_hanh=row.day_or_none("NgayBanHanh"),
        nguoi_ky=row.text_or_none("NguoiKy"),
    )


@made_often(frozen=True, slots=True, kw_only=True)
class HoSo:
    """What the gateway itself needs of a dossier's data; the whole of it stays in the message's bytes (domain
    section 6.1).
    """

    ma_ho_so: str
    ma_tthc: str
    ten_tthc: str
    trang_thai: int  # 1..10
    trang_thai_goc: str | None = None
    ma_linh_vuc: str | None = None
    kenh_thuc_hien: str | None = None
    ngay_nop: datetime | None = None
    ngay_tiep_nhan: datetime | None = None
    ngay_hen_tra: datetime | None = None
    ngay_tu_choi: datetime | None = None
    ngay_ket_thuc: datetime | None = None
    ngay_tra: datetime | None = None
    don_vi_xu_ly: str | None = None
    le_phi: tuple[LePhi, ...] = ()
    giay_to_ket_qua: tuple[GiayToKetQua, ...] = ()

    @property
    def as_of(self) -> datetime | None:
        """When the state it states came about, where the data say so; None where only the message's own time is
        known.
        """
        return {
            1: self.ngay_nop,
            2: self.ngay_tiep_nhan,
            3: self.ngay_tu_choi,
            9: self.ngay_ket_thuc,
            10: self.ngay_tra,
        }.get(self.trang_thai)


def ho_so(row: Fields) -> HoSo:
    """The data of a dossier."""
    return HoSo(
        ma_ho_so=row.code("MaHoSo"),
        ma_tthc=row.code("MaTTHC"),
        ten_tthc=row.text("TenTTHC"),
        trang_thai=row.state("TrangThaiHoSo"),
        trang_thai_goc=row.code_or_none("TrangThaiGoc"),
        ma_linh_vuc=row.code_or_none("MaLinhVuc"),
        kenh_thuc_hien=row.code_or_none("KenhThucHien"),
        ngay_nop=row.instant_or_none("NgayNopHoSo"),
        ngay_tiep_nhan=row.instant_or_none("NgayTiepNhan"),
        ngay_hen_tra=row.instant_or_none("NgayHenTra"),
        ngay_tu_choi=row.instant_or_none("NgayTuChoi"),
        ngay_ket_thuc=row.instant_or_none("NgayKetThucXuLy"),
        ngay_tra=row.instant_or_none("NgayTra"),
        don_vi_xu_ly=row.text_or_none("DonViXuLy"),
        le_phi=le_phi(row.rows("DanhSachLePhi", "LePhi")),
        giay_to_ket_qua=giay_to_ket_qua(row.rows("DanhSachGiayToKetQua", "GiayToKetQua")),
    )
