"""HS17 TraCuuHoSo and TraLoiTraCuu: a query and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.effects import Answers, Asks
from gateway.core.model import MaHoSo
from schemas.catalog import reader
from schemas.fields import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class TraCuuHoSo:
    """Which dossier is asked for: by its code, or by person and procedure."""

    ma_ho_so: MaHoSo | None
    so_dinh_danh: str | None = None
    ma_tthc: str | None = None
    occurred_at: datetime | None = None

    @property
    def effects(self) -> tuple[Asks, ...]:
        """A query. The identity number is read from the letter by whoever answers; it is not spread into records."""
        key = {"MaHoSo": str(self.ma_ho_so)} if self.ma_ho_so is not None else {"MaTTHC": self.ma_tthc or ""}
        return (Asks(what="ho-so", key=key),)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoSoTraCuu:
    """One dossier of an answer."""

    ma_ho_so: MaHoSo
    trang_thai: int
    ma_tthc: str | None = None
    so_buoc: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TraLoiTraCuu:
    """The dossiers found."""

    so_ket_qua: int
    ho_so: tuple[HoSoTraCuu, ...] = ()
    ma_ho_so: MaHoSo | None = None  # an answer may be about several
    occurred_at: datetime | None = None

    @property
    def effects(self) -> tuple[Answers, ...]:
        """The reply."""
        return (Answers(what="ho-so"),)


@reader("HS17", "TraCuuHoSo", "1.0")
def read_tra_cuu(row: Fields) -> TraCuuHoSo:
    """Version 1.0."""
    ma_ho_so = row.code_or_none("MaHoSo")
    return TraCuuHoSo(
        ma_ho_so=MaHoSo(ma_ho_so) if ma_ho_so is not None else None,
        so_dinh_danh=row.code_or_none("SoDinhDanh"),
        ma_tthc=row.code_or_none("MaTTHC"),
    )


@reader("HS17", "TraLoiTraCuu", "1.0")
def read_tra_loi(row: Fields) -> TraLoiTraCuu:
    """Version 1.0."""
    return TraLoiTraCuu(
        so_ket_qua=row.whole("SoKetQua"),
        ho_so=tuple(
            HoSoTraCuu(
                ma_ho_so=found.ma_ho_so(),
                trang_thai=found.state("TrangThaiHoSo"),
                ma_tthc=found.code_or_none("MaTTHC"),
                so_buoc=len(found.rows("DanhSachTienDo", "TienDo")),
            )
            for found in row.rows("DanhSachHoSoTraCuu", "HoSoTraCuu")
        ),
    )
