"""Catalogues on record: read a file, show what it would change, publish a version. Old versions stay readable (R22, R63)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from lxml import etree

from gateway.core.catalogues import (
    CatalogueDifference,
    Muc,
    catalogue_difference,
    entries,
    format_of,
    from_csv,
    same_agencies,
)
from gateway.core.code_shapes import CodeShape
from gateway.core.known_services import KnownServices, known_services, shapes_of
from gateway.core.ledger import LogLine
from gateway.core.limits import CEILING
from gateway.core.problems import Location, Problem, Stopped
from gateway.documents import parse_bytes
from gateway.store import CatalogueRow, Store, View


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of one catalogue."""

    danh_muc: str
    phien_ban: str
    muc: tuple[Muc, ...]


PROVEN_DAYS = 8  # of those on which a version changes: each is the same work on other dates
RULING = ("CoQuan", "ThuTuc", "DichVu")  # the catalogues that judging asks


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What the newest catalogues on record say on one day."""

    as_of: str  # the versions and the day
    same: tuple[tuple[str, ...], ...] = ()  # identifiers that mean one agency (CoQuan)
    procedures: tuple[str, ...] = ()  # the known ones; none while there is no catalogue of procedures (ThuTuc)
    services: KnownServices = field(
        default_factory=KnownServices
    )  # what is said of each (DichVu, ThuTuc), whatever the day
    shapes: tuple[CodeShape, ...] = ()  # of the dossier codes that agencies bear beside the common form (CoQuan)


def in_force(store: Store, day: date, known: str = "") -> InForce | None:
    """What the catalogues say on a day; None where that is what is ``known`` already. Small reads while nothing is new."""
    with store.read() as view:
        return _read(view, day, known)


def _read(view: View, day: date, known: str = "") -> InForce | None:
    newest = {name: versions[-1] for name in RULING if (versions := view.catalogue_versions(name))}
    as_of = " ".join((day.isoformat(), *(f"{name}={version}" for name, version in newest.items())))
    if as_of == known:
        return None
    rows = {name: [_muc(row) for row in view.catalogue(name, version)] for name, version in newest.items()}
    procedures: set[str] = set()
    if rows.get("ThuTuc"):
        # In force or not: whether it was on the day of the filing is a question of its own (rule dich-vu-hieu-luc).
        procedures = {one.ma for one in rows["ThuTuc"]}
        procedures |= {one.fields.get("MaTTHC", "") for one in rows.get("DichVu", ())} - {""}
    return InForce(
        as_of=as_of,
        same=same_agencies(rows.get("CoQuan", ()), day),
        procedures=tuple(sorted(procedures)),
        services=known_services(rows.get("DichVu", ()), rows.get("ThuTuc", ())),
        shapes=shapes_of(rows.get("CoQuan", ()), day),
    )


def from_bytes(danh_muc: str, content: bytes) -> tuple[Muc, ...]:
    """The entries of a CSV or XML file; which of the two, its first character tells. Raises Stopped with located problems.

    XML is one element for the catalogue with one ``Muc`` for each entry, whose children are named like the columns of the CSV:
    the payload of HS18 ``DanhMuc`` is of that form, in whatever namespace.
    """
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        root = parse_bytes(content, CEILING)  # an operator's own file
        found = [element for element in root.iter() if etree.QName(element).localname == "Muc"]
        form = format_of(root.get("DinhDang", "1")) if root.get("DinhDang", "1").isdecimal() else 1
        return entries(danh_muc, [(_line(element), _row(element)) for element in found], form=form)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Stopped(Problem("CAT-012", {"byte": f"0x{content[error.start]:02X}"}, Location(line=line))) from error
    return from_csv(danh_muc, text)


def _row(element: etree._Element) -> dict[str, str]:
    """The children by name; a ThuocTinh is one of the name that it states."""
    row: dict[str, str] = {}
    for child in element.iterchildren("{*}*"):
        name = etree.QName(child).localname
        if name == "ThuocTinh":
            row[_part(child, "TenThuocTinh")] = _part(child, "GiaTri")
        else:
            row[name] = str(child.xpath("string()")).strip()
    return row


def _part(element: etree._Element, name: str) -> str:
    return (element.findtext(f"{{*}}{name}") or "").strip()


def _line(element: etree._Element) -> int | None:
    return element.sourceline


def current(store: Store, danh_muc: str, phien_ban: str | None = None, on: date | None = None) -> Version | None:
    """A version of a catalogue, the newest when none is named; with ``on`` only what is in force then. None: not on record."""
    with store.read() as view:
        versions = view.catalogue_versions(danh_muc)
        chosen = phien_ban or (versions[-1] if versions else None)
        if chosen is None or chosen not in versions:
            return None
        found = [_muc(row) for row in view.catalogue(danh_muc, chosen)]
    return Version(danh_muc=danh_muc, phien_ban=chosen, muc=tuple(m for m in found if on is None or m.valid_on(on)))


def plan_publication(store: Store, danh_muc: str, phien_ban: str, muc: Sequence[Muc]) -> CatalogueDifference:
    """What publishing this version would change in the newest one. Raises Stopped (CAT-011) when it exists and differs."""
    same = current(store, danh_muc, phien_ban)
    if same is not None and catalogue_difference(same.muc, muc):
        raise Stopped(Problem("CAT-011", {"danh_muc": danh_muc, "phien_ban": phien_ban}))
    before = current(store, danh_muc)
    return catalogue_difference(before.muc if before else (), muc)


def publish(
    store: Store,
    danh_muc: str,
    phien_ban: str,
    muc: Sequence[Muc],
    *,
    who: str,
    now: datetime,
    reason: str | None = None,
) -> bool:
    """Record a version. False when the same version with the same entries is on record already.

    Raises Stopped as plan_publication() does, and CAT-014 where what judging asks of it cannot be built: then it is not kept.
    """
    plan_publication(store, danh_muc, phien_ban, muc)
    if current(store, danh_muc, phien_ban) is not None:
        return False
    with store.begin() as tx:
        tx.put_catalogue([_record(danh_muc, phien_ban, one) for one in muc], who=who, now=now)
        _prove(tx, danh_muc, phien_ban, muc, now.date())
        if reason is not None:
            facts = {"danh_muc": danh_muc, "phien_ban": phien_ban, "reason": reason}
            tx.note(LogLine(what="catalogue.imported", who=who, facts=facts), now)
    return True


def _prove(tx: View, danh_muc: str, phien_ban: str, muc: Sequence[Muc], today: date) -> None:
    """Builds, inside the transaction, all that a fresh process will make of the version, on every day on which it changes."""
    days = {today, *(day for one in muc for day in (one.hieu_luc_tu, one.hieu_luc_den) if day is not None)}
    try:
        if tuple(_muc(row) for row in tx.catalogue(danh_muc, phien_ban)) != tuple(sorted(muc, key=lambda one: one.ma)):
            raise ValueError("it reads differently from what was written")
        if danh_muc in RULING:
            for day in sorted(days)[:PROVEN_DAYS]:
                _read(tx, day)
    except Exception as error:  # whatever it is, it would end every process later
        facts = {"danh_muc": danh_muc, "phien_ban": phien_ban, "reason": str(error) or type(error).__name__}
        raise Stopped(Problem("CAT-014", facts)) from error


def _record(danh_muc: str, phien_ban: str, muc: Muc) -> CatalogueRow:
    return CatalogueRow(
        danh_muc=danh_muc,
        phien_ban=phien_ban,
        ma=muc.ma,
        muc={"Ten": muc.ten, "MaThayThe": muc.ma_thay_the, "fields": dict(muc.fields)},
        hieu_luc_tu=_midnight(muc.hieu_luc_tu),
        hieu_luc_den=_midnight(muc.hieu_luc_den),
    )


def _muc(row: CatalogueRow) -> Muc:
    return Muc(
        ma=row.ma,
        ten=row.muc["Ten"],
        ma_thay_the=row.muc["MaThayThe"],
        fields=row.muc["fields"],
        hieu_luc_tu=row.hieu_luc_tu.date() if row.hieu_luc_tu else None,
        hieu_luc_den=row.hieu_luc_den.date() if row.hieu_luc_den else None,
    )


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(0), UTC) if day else None
