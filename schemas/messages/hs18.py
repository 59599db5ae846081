"""HS18 LayDanhMuc and DanhMuc: catalogues (R16, R22, R63)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from gateway.core.catalogues import DICH_VU_ITEMS, Muc
from gateway.core.effects import Asks, Publishes
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class LayDanhMuc:
    """Which catalogue is asked for; the version in force where none is named."""

    danh_muc: str
    phien_ban: str | None = None
    ngay: date | None = None
    ma_ho_so: MaHoSo | None = None
    occurred_at: datetime | None = None

    @property
    def effects(self) -> tuple[Asks, ...]:
        """A query."""
        key = {"TenDanhMuc": self.danh_muc}
        if self.phien_ban is not None:
            key["PhienBanDanhMuc"] = self.phien_ban
        if self.ngay is not None:
            key["NgayHieuLuc"] = self.ngay.isoformat()
        return (Asks(what="danh-muc", key=key),)


@dataclass(frozen=True, slots=True, kw_only=True)
class DanhMuc:
    """A version of a catalogue."""

    danh_muc: str
    phien_ban: str
    muc: tuple[Muc, ...] = ()
    ngay_hieu_luc: date | None = None
    ma_ho_so: MaHoSo | None = None
    occurred_at: datetime | None = None

    @property
    def effects(self) -> tuple[Publishes, ...]:
        """A catalogue version."""
        return (Publishes(danh_muc=self.danh_muc, phien_ban=self.phien_ban),)


@reader("HS18", "LayDanhMuc", "1.0")
def read_lay(row: Fields) -> LayDanhMuc:
    """Version 1.0."""
    return LayDanhMuc(
        danh_muc=row.code("TenDanhMuc"),
        phien_ban=row.code_or_none("PhienBanDanhMuc"),
        ngay=row.day_or_none("NgayHieuLuc"),
    )


@reader("HS18", "DanhMuc", "1.0")
def read_danh_muc(row: Fields) -> DanhMuc:
    """Version 1.0."""
    return DanhMuc(
        danh_muc=row.code("TenDanhMuc"),
        phien_ban=row.code("PhienBanDanhMuc"),
        muc=tuple(_muc(item) for item in row.rows("DanhSachMuc", "Muc")),
        ngay_hieu_luc=row.day_or_none("NgayHieuLuc"),
    )


#: Fields that an entry may have beside its own (the columns of the CSV import, in the order of the schema).
FIELDS = ("BiDanh", "MaTTHC", "MaLinhVuc", *(item for item in DICH_VU_ITEMS if item != "TenDichVu"))


def _muc(row: Fields) -> Muc:
    fields = {name: value for name in FIELDS if (value := row.text_or_none(name)) is not None}
    fields |= {extra.code("TenThuocTinh"): extra.text("GiaTri") for extra in row.items("ThuocTinh")}
    return Muc(
        ma=row.code("Ma"),
        ten=row.text("Ten"),
        hieu_luc_tu=row.day_or_none("HieuLucTu"),
        hieu_luc_den=row.day_or_none("HieuLucDen"),
        ma_thay_the=row.code_or_none("MaThayThe"),
        fields=fields,
    )
