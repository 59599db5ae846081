"""HS01 NopHoSo: submit or synchronise a dossier."""

from __future__ import annotations

from datetime import datetime

from gateway.core.effects import Files
from gateway.core.model import MaHoSo
from gateway.core.values import made_often
from schemas.catalog import reader
from schemas.fields import Fields
from schemas.messages.shared import HoSo, ho_so


@made_often(frozen=True, slots=True, kw_only=True)
class NopHoSo:
    """A dossier as its sender knows it."""

    ho_so: HoSo

    @property
    def ma_ho_so(self) -> MaHoSo:
        """The dossier."""
        return MaHoSo(self.ho_so.ma_ho_so)

    @property
    def occurred_at(self) -> datetime | None:
        """When the state it states came about."""
        return self.ho_so.as_of

    @property
    def effects(self) -> tuple[Files, ...]:
        """Opens or updates the dossier."""
        data = self.ho_so
        return (
            Files(
                trang_thai=data.trang_thai,
                ma_tthc=data.ma_tthc,
                goc=data.trang_thai_goc,
                ten_tthc=data.ten_tthc,
                kenh_thuc_hien=data.kenh_thuc_hien,
                ngay_nop=data.ngay_nop,
                ngay_tiep_nhan=data.ngay_tiep_nhan,
                ngay_hen_tra=data.ngay_hen_tra,
                ngay_ket_thuc=data.ngay_ket_thuc,
                ngay_tra=data.ngay_tra,
            ),
        )


@reader("HS01", "NopHoSo", "1.0")
def read_nop_ho_so(row: Fields) -> NopHoSo:
    """Version 1.0."""
    return NopHoSo(ho_so=ho_so(row))
