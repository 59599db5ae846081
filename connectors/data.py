"""A message as templates see it: its envelope, its payload by the schema's names, the national packets it amounts to.

The same walk over the schema gives the shape of that data, by which a template is checked before any message comes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Self

from lxml import etree

from connectors.dialect import Outward
from connectors.outcomes import Parcel, Refused
from connectors.qcvn120 import MOMENTS, Load, load_of
from connectors.templates import KnownMoment, Leaf, Shape
from gateway import documents
from gateway.core.date_forms import WIRE, date_form
from gateway.core.limits import CEILING
from gateway.core.problems import Problem, Stopped
from gateway.documents import Kind
from schemas import names
from schemas import qcvn120 as packets
from schemas.catalog import Catalog, bundled
from schemas.describe import Field, payload, root_of

THONG_DIEP: Mapping[str, Shape] = {
    "ma": Leaf.TEXT,  # MaThongDiep
    "loai": Leaf.TEXT,
    "ma_ho_so": Leaf.TEXT,
    "tao_luc": Leaf.MOMENT,  # ThoiDiemTao
    "luot": Leaf.TEXT,  # the delivery's id: the same for every try
    "sha256": Leaf.TEXT,
    "xml": Leaf.TEXT,  # the original
    "base64": Leaf.TEXT,  # its bytes
}
CO_QUAN: Mapping[str, Shape] = {"ma": Leaf.TEXT, "ten": Leaf.TEXT}
DINH_KEM: Mapping[str, Shape] = {
    "ma": Leaf.TEXT,
    "ten": Leaf.TEXT,
    "loai": Leaf.TEXT,
    "so_byte": Leaf.NUMBER,
    "sha256": Leaf.TEXT,
    "duong_dan": Leaf.TEXT,
    "base64": Leaf.TEXT,  # empty where the file lies elsewhere
}
_WHOLE = frozenset({"xs:int", "xs:integer", "xs:long", "xs:nonNegativeInteger", "xs:positiveInteger", "xs:unsignedInt"})


@cache
def catalog() -> Catalog:
    """The catalogue of message kinds."""
    return bundled()


def kinds_of(loai: str) -> tuple[Kind, ...]:
    """Every kind of a message type, all roots and versions."""
    return tuple(kind for kind in catalog().kinds() if kind.loai == loai)


@cache
def all_loai() -> tuple[str, ...]:
    """Every message type."""
    return tuple(sorted({kind.loai for kind in catalog().kinds()}))


@cache
def shape_of(loai: str) -> Mapping[str, Shape]:
    """What there is in every message of a type."""
    noi_dung: dict[str, Shape] = {}
    for kind in kinds_of(loai):
        noi_dung |= _table(payload(catalog(), kind))
    shape: dict[str, Shape] = {
        "thong_diep": THONG_DIEP,
        "noi_gui": CO_QUAN,
        "ben_nhan": CO_QUAN,
        "noi_dung": noi_dung,
        "tien_do": [_packet("CapNhatTienDoHoSoMC")],
        "tien_do_muon": [_packet("CapNhatTienDoHoSoMC")],
        "dinh_kem": [DINH_KEM],
    }
    return {**shape, "ho_so": _packet("DongBoHoSoMC"), "thay_doi": Leaf.TRUTH}


@cache
def _packet(name: str) -> Mapping[str, Shape]:
    return _table(root_of(packets.FOLDER / f"{name}.xsd", name))


def _item_of(shape: Field) -> Field | None:
    """What a field lists, where it is a list: a container with one repeated child, or repeated itself."""
    if len(shape.children) == 1 and shape.children[0].most != 1:
        return shape.children[0]
    return shape if shape.most != 1 else None


def _table(shape: Field) -> dict[str, Shape]:
    return {child.name: _shape(child) for child in shape.children}


def _shape(shape: Field) -> Shape:
    item = _item_of(shape)
    if item is not None:
        return [_table(item) if item.children else _leaf(item)]
    return _table(shape) if shape.children else _leaf(shape)


def _leaf(shape: Field) -> Leaf:
    base = shape.simple.base if shape.simple is not None else ""
    if base in {"xs:dateTime", "xs:date"} or shape.type_name == "ThoiDiemGoiType":
        return Leaf.MOMENT
    return Leaf.NUMBER if base in _WHOLE else Leaf.TRUTH if base == "xs:boolean" else Leaf.TEXT


def data_of(parcel: Parcel) -> tuple[dict[str, Any], Load]:
    """What a message says, and the packets that the dossier amounts to after it. Raises Refused (DLV-034) where it cannot be
    told.
    """
    out = Outward(parcel.party)
    try:
        root = documents.parse_bytes(parcel.body, CEILING)
        kind = catalog().kind_of(root)
    except Stopped as stop:
        problem = stop.problems[0]
        at = problem.at.xpath if problem.at is not None and problem.at.xpath else parcel.delivery.loai
        raise Refused(Problem("DLV-034", {"field": at, "why": problem.code})) from stop
    body = root.find(names.THAN_PHAN)
    assert body is not None  # kind_of has looked
    load = _load(parcel)
    load = replace(load, notes=tuple(note for note in load.notes if note.code != "XSD-404"))
    delivery = parcel.delivery
    made: dict[str, Any] = {
        "thong_diep": {
            "ma": delivery.ma_thong_diep,
            "loai": kind.loai,
            "ma_ho_so": _dossier_of(root, body[0], parcel),
            "tao_luc": _moment("", root.findtext(names.pb("ThoiDiemTao")) or "", out),
            "luot": delivery.id,
            "sha256": delivery.digest,
            "xml": _Late(lambda: parcel.body.decode("utf-8", "replace")),
            "base64": _Late(lambda: base64.b64encode(parcel.body).decode("ascii")),
        },
        "noi_gui": _agency(root.find(names.pb("NoiGui"))),
        "ben_nhan": {"ma": parcel.party.identifiers[0], "ten": parcel.party.name},
        "noi_dung": _row(body[0], payload(catalog(), kind), out),
        "tien_do": [_moments(row, out) for row in load.rows[load.late :]],
        "tien_do_muon": [_moments(row, out) for row in load.rows[: load.late]],
        "dinh_kem": [*_attached(root)],
        "thay_doi": load.sends_dossier,
    }
    if load.dossier is not None:
        made["ho_so"] = _moments(load.dossier, out)
    return made, load


def _dossier_of(root: etree._Element, found: etree._Element, parcel: Parcel) -> str:
    """The dossier's code: of the envelope, of the payload, else the lane's; empty where it is about none."""
    written = root.findtext(names.pb("MaHoSo")) or found.findtext(names.hs("MaHoSo")) or ""
    lane = parcel.delivery.lane
    return written.strip() or ("" if lane == parcel.delivery.message else lane)


class _Late(str):
    """Text that is made when somebody asks for it: few templates do, and it may be long."""

    __slots__ = ("_make",)
    _make: Callable[[], str]

    def __new__(cls, make: Callable[[], str]) -> Self:
        made = super().__new__(cls, "…")
        made._make = make
        return made

    def __str__(self) -> str:
        return str(self._make())


def _load(parcel: Parcel) -> Load:
    """The packets that it amounts to, moments as on the wire."""
    return load_of(replace(parcel, party=replace(parcel.party, formats={})))


def _moments(row: Mapping[str, Any], out: Outward) -> dict[str, Any]:
    """A packet's row whose moments know what they are."""
    done: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, list):
            done[name] = [_moments(each, out) for each in value]
        elif name in MOMENTS:
            done[name] = _moment(name, str(value), out, WIRE)
        else:
            done[name] = value
    return done


def _moment(name: str, text: str, out: Outward, form: str | None = None) -> str:
    """The moment of a message or packet; as it is written there, unless the profile has a form for this field."""
    at = packets.moment_of(" ".join(text.split()))
    if at is None:
        return text
    declared = out.party.formats.get(name)
    shown = date_form(declared).write(at) if declared else date_form(form).write(at) if form else text.strip()
    return KnownMoment.of(shown, at)


def _row(element: etree._Element, shape: Field, out: Outward) -> dict[str, Any]:
    known = {child.name: child for child in shape.children}
    found: dict[str, Any] = {}
    for child in element:
        spec = known.get(names.local(child.tag))
        if spec is None or child.get(names.NIL, "false").strip() in {"true", "1"}:
            continue
        item = _item_of(spec)
        if item is None:
            found[spec.name] = _value(child, spec, out)
        elif item is spec:
            found.setdefault(spec.name, []).append(_value(child, spec, out))
        else:
            found[spec.name] = [_value(each, item, out) for each in child]
    return found


def _value(element: etree._Element, shape: Field, out: Outward) -> Any:
    if shape.children:
        return _row(element, shape, out)
    text = element.text or ""
    match _leaf(shape):
        case Leaf.MOMENT:
            return _day(shape.name, text, out)
        case Leaf.NUMBER:
            return int(text)
        case Leaf.TRUTH:
            return text.strip() in {"true", "1"}
        case _:
            return text.strip()


def _day(name: str, text: str, out: Outward) -> str:
    plain = " ".join(text.split())
    if len(plain) == len("2026-01-15"):
        try:
            at = date_form("yyyy-MM-dd").read(plain)
        except ValueError:
            return plain
        declared = out.party.formats.get(name)
        return KnownMoment.of(date_form(declared).write(at) if declared else plain, at)
    return _moment(name, plain, out)


def _agency(element: etree._Element | None) -> dict[str, str]:
    if element is None:
        return {}
    said = {"ma": element.findtext(names.pb("MaDinhDanh")), "ten": element.findtext(names.pb("TenCoQuan"))}
    return {name: text.strip() for name, text in said.items() if text and text.strip()}


def _attached(root: etree._Element) -> Iterable[dict[str, Any]]:
    for row in root.iterfind(f"{names.pb('DanhSachDinhKem')}/{names.pb('DinhKem')}"):
        said = {
            "ma": row.findtext(names.pb("MaDinhKem")),
            "ten": row.findtext(names.pb("TenTep")),
            "loai": row.findtext(names.pb("LoaiTep")),
            "sha256": row.findtext(names.pb("BamSHA256")),
            "duong_dan": row.findtext(names.pb("DuongDan")),
            "base64": "".join((row.findtext(names.pb("NoiDung")) or "").split()),
        }
        size = (row.findtext(names.pb("SoByte")) or "").strip()
        plain = {name: text.strip() for name, text in said.items() if text and text.strip()}
        yield {**plain, **({"so_byte": int(size)} if size.isascii() and size.isdigit() else {})}
