"""What the catalogues on record say of services, in the form that judging a message asks: terms, levels, owners, code shapes.

Pure tables, built when a version is read and only looked up after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from gateway.core.catalogues import Muc
from gateway.core.code_shapes import CodeShape, code_pattern
from gateway.core.service_terms import ServiceTerm, read_term

STEM = 8  # characters of MaTTHC that name the procedure in the whole country
OFFLINE = {"1", "2"}  # levels at which nothing is filed online; the two of 42/2022/NĐ-CP both let it


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownService:
    """One entry of DichVu, or of ThuTuc where that alone knows the procedure."""

    ma: str
    ma_tthc: str
    since: date | None = None
    until: date | None = None  # the last day
    replaced_by: str | None = None
    term: ServiceTerm | None = None
    level: str | None = None  # MucDo
    owner: str | None = None  # the identifier of the agency whose system keeps the dossiers' state (HeThongChuTri)

    @property
    def takes_online(self) -> bool:
        """Whether its level lets dossiers be filed online; what is not known does."""
        return self.level not in OFFLINE

    def in_force(self, day: date) -> bool:
        """Whether it is in force that day."""
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownServices:
    """All of them, by the national stem of their procedure."""

    by_stem: Mapping[str, tuple[KnownService, ...]] = field(default_factory=dict)

    def of(self, ma_tthc: str | None, day: date) -> KnownService | None:
        """What is said of a procedure on a day; None where nothing is.

        The entry of the full code before those of the stem, those in force before those that are not. Where several are left,
        only what all of them say is known.
        """
        rows = self.by_stem.get(ma_tthc[:STEM], ()) if ma_tthc else ()
        exact = [one for one in rows if one.ma_tthc == ma_tthc] or rows
        left = [one for one in exact if one.in_force(day)] or exact
        if not left:
            return None
        first, *others = left
        return replace(
            first,
            term=first.term if all(one.term == first.term for one in others) else None,
            level=first.level if all(one.level == first.level for one in others) else None,
            owner=first.owner if all(one.owner == first.owner for one in others) else None,
        )


def known_services(services: Iterable[Muc], procedures: Iterable[Muc]) -> KnownServices:
    """The tables of these catalogues (DichVu, ThuTuc)."""
    found: dict[str, list[KnownService]] = {}
    services = list(services)
    services_of = {one.fields.get("MaTTHC", "")[:STEM] for one in services}
    for one in services:
        ma_tthc = one.fields.get("MaTTHC", "")
        found.setdefault(ma_tthc[:STEM], []).append(_service(one, ma_tthc))
    for one in procedures:
        if one.ma[:STEM] not in services_of:
            found.setdefault(one.ma[:STEM], []).append(_service(one, one.ma))
    return KnownServices(by_stem={stem: tuple(rows) for stem, rows in found.items() if stem})


def _service(one: Muc, ma_tthc: str) -> KnownService:
    return KnownService(
        ma=one.ma,
        ma_tthc=ma_tthc,
        since=one.hieu_luc_tu,
        until=one.hieu_luc_den,
        replaced_by=one.ma_thay_the,
        term=read_term(one.fields.get("ThoiHanTinh", "") or one.fields.get("ThoiHanGiaiQuyet", "")),
        level=one.fields.get("MucDo") or None,
        owner=one.fields.get("HeThongChuTri") or None,
    )


def shapes_of(agencies: Iterable[Muc], day: date) -> tuple[CodeShape, ...]:
    """The shapes of dossier codes that agencies in force declare (MauMaHoSo of CoQuan)."""
    return tuple(
        CodeShape(pattern=code_pattern(shape), owner=one.ma)
        for one in agencies
        if one.valid_on(day)
        for shape in one.fields.get("MauMaHoSo", "").split()
    )
