"""Two records of the same dossiers set against each other (HS19). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.core.model import MaHoSo


class Differs(StrEnum):
    """LoaiLech of HS19."""

    MISSING_THERE = "THIEU_O_BEN_HOI"  # we have it, the asking side does not
    MISSING_HERE = "THIEU_O_BEN_TRA_LOI"
    STATE = "KHAC_TRANG_THAI"


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierLine:
    """What one side has on record of one dossier."""

    ma_ho_so: MaHoSo
    trang_thai: int
    thoi_diem: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierDifference:
    """One dossier on which the two sides do not agree."""

    ma_ho_so: MaHoSo
    kind: Differs
    theirs: DossierLine | None
    ours: DossierLine | None


def compare(
    theirs: Iterable[DossierLine], ours: Iterable[DossierLine], *, known: Mapping[MaHoSo, DossierLine] | None = None
) -> list[DossierDifference]:
    """The differences, by dossier code.

    ``ours`` are the dossiers of the period and agency; ``known`` are further ones of ours that the other side names although they
    lie outside the period, so that a dossier is not called missing because of its date.
    """
    there = {line.ma_ho_so: line for line in theirs}
    here = {line.ma_ho_so: line for line in ours}
    found: list[DossierDifference] = []
    for code in sorted(there.keys() | here.keys()):
        one, other = there.get(code), here.get(code) or (known or {}).get(code)
        if one is None:
            found.append(DossierDifference(ma_ho_so=code, kind=Differs.MISSING_THERE, theirs=None, ours=other))
        elif other is None:
            found.append(DossierDifference(ma_ho_so=code, kind=Differs.MISSING_HERE, theirs=one, ours=None))
        elif one.trang_thai != other.trang_thai:
            found.append(DossierDifference(ma_ho_so=code, kind=Differs.STATE, theirs=one, ours=other))
    return found
