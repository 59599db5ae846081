"""The packets of QCVN 120:2019 as documents in their own right: DongBoHoSoMC (27 fields) and CapNhatTienDoHoSoMC (9
fields).

XML and JSON carry the same fields. Both map to HS01 and HS05 and back; where the fields coincide nothing is lost, and
what the other side cannot carry becomes a recorded note. The fields' names are the regulation's; their XML layout is
our own.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

from gateway.core.date_forms import WIRE, date_form
from gateway.core.limits import CEILING, DEFAULT_LIMITS, DocumentLimits
from gateway.core.parties import Party
from gateway.core.problems import Location, Problem, Stopped
from gateway.documents import Canonical, parse_bytes
from schemas import names, write
from schemas.check import placed
from schemas.compiling import compile_judge, compile_schema, safe_closure
from schemas.describe import Field, root_of
from schemas.names import AUTHORITY, local, namespace
from schemas.write import Header

QCVN = f"{AUTHORITY}/qcvn120/1.0"
FOLDER = names.XSD_FOLDER / "qcvn120" / "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketForm:
    """How one packet corresponds to one message."""

    packet: str
    loai: str
    goc: str
    phien_ban: str = "1.0"
    lists: Mapping[str, str] = field(default_factory=dict)  # a packet's repeated field -> the message's list


FORMS: Mapping[str, PacketForm] = {
    "DongBoHoSoMC": PacketForm(
        packet="DongBoHoSoMC",
        loai="HS01",
        goc="NopHoSo",
        lists={
            "TaiLieuNop": "DanhSachTaiLieuNop",
            "DinhDanhCHS": "DanhSachDinhDanhCHS",
            "DSKetNoiCSDL": "DanhSachKetNoiCSDL",
        },
    ),
    "CapNhatTienDoHoSoMC": PacketForm(packet="CapNhatTienDoHoSoMC", loai="HS05", goc="CapNhatTienDo"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a party's profile says of its packets: date forms, code maps and length limits, by field name."""

    formats: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # field -> theirs -> ours
    limits: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, party: Party) -> Dialect:
        """As the profile declares it."""
        return cls(formats=party.formats, maps=party.maps, limits=party.limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A packet that fits its schema. Values are texts as on the wire; lists are lists of rows."""

    name: str
    fields: Mapping[str, Any]
    notes: tuple[Problem, ...] = ()
    trang_thai_goc: str | None = None  # the state as its sender calls it, where a code map changed it

    def xml(self) -> bytes:
        """The packet as XML."""
        return write.serialise(_tree(self.name, self.fields))

    def json(self) -> bytes:
        """The packet as JSON, in the order of the schema."""
        return json.dumps({self.name: self.fields}, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A message made of a packet, unsigned, and what was noted on the way."""

    body: Canonical
    ma_ho_so: str
    notes: tuple[Problem, ...] = ()


# --- reading ----------------------------------------------------------------------------------------------------------


def read_xml(body: bytes, name: str, dialect: Dialect | None = None, limits: DocumentLimits = DEFAULT_LIMITS) -> Packet:
    """A packet written in XML, in our namespace or in none. Raises Stopped with every problem."""
    root = parse_bytes(body, limits)
    if local(root.tag) != name or namespace(root.tag) not in (QCVN, ""):
        found = f"<{local(root.tag)[:60]}>"
        raise Stopped(
            *placed(body, [Problem("XSD-402", {"packet": name, "found": found}, Location(xpath=f"/{_q(root)}"))])
        )
    shape = _shape(name)
    notes: list[Problem] = []
    fields = _row_of(root, shape, notes)
    return _checked(name, fields, dialect or Dialect(), notes, body)


def read_json(
    body: bytes, name: str, dialect: Dialect | None = None, limits: DocumentLimits = DEFAULT_LIMITS
) -> Packet:
    """A packet written in JSON: the object itself, under its name, or as the one row of a ``data`` array.

    Raises Stopped.
    """
    limit = limits.body_bytes
    if len(body) > limit:
        raise Stopped(Problem("XML-002", {"so_byte": len(body), "gioi_han": limit}))
    twice: list[str] = []
    try:
        value = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=lambda pairs: _once(pairs, twice), parse_constant=_no
        )
    except json.JSONDecodeError as error:
        at = Location(line=error.lineno, column=error.colno)
        raise Stopped(Problem("XSD-401", {"packet": name, "reason": error.msg}, at)) from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Stopped(Problem("XSD-401", {"packet": name, "reason": type(error).__name__})) from error
    if twice:
        raise Stopped(*(Problem("XSD-407", {"element": key[:60]}, Location(xpath=f"/{name}")) for key in twice))
    notes: list[Problem] = []
    fields = _row_of_json(_the_object(value, name), _shape(name), notes, f"/{name}")
    return _checked(name, fields, dialect or Dialect(), notes, None)


def _once(pairs: Sequence[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        keys = [key for key, _ in pairs]
        twice += sorted({key for key in keys if keys.count(key) > 1})
    return row


def _no(constant: str) -> Any:
    raise ValueError(constant)  # NaN and Infinity are no JSON


def _the_object(value: Any, name: str) -> Mapping[str, Any]:
    found = type(value).__name__
    if isinstance(value, Mapping) and name in value:
        value = value[name]
    elif isinstance(value, Mapping) and isinstance(value.get("data"), list):
        value = value["data"]
    if isinstance(value, list):
        found = f"array[{len(value)}]"
        value = value[0] if len(value) == 1 else None
    if not isinstance(value, Mapping):
        raise Stopped(Problem("XSD-402", {"packet": name, "found": found}, Location(xpath=f"/{name}")))
    return value


def _checked(name: str, fields: dict[str, Any], dialect: Dialect, notes: list[Problem], body: bytes | None) -> Packet:
    """The packet after its party's dialect, as its schema takes it."""
    problems: list[Problem] = []
    said = fields
    fields = _translated(fields, _shape(name), dialect, notes, problems, f"/{name}")
    root = _tree(name, fields)
    schema = _schema(name)
    if not schema.validate(root):
        told = {p.at.xpath for p in problems if p.at is not None}
        found = _explained(root, name, schema)
        problems += [q for q in (replace(p, at=_plain(p.at)) for p in found) if q.at is None or q.at.xpath not in told]
    if problems:
        raise Stopped(*_as_written(problems, body))
    noted = tuple(_as_written(notes, body))
    return Packet(name=name, fields=fields, notes=noted, trang_thai_goc=_state_as_said(said, fields))


def _state_as_said(said: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """The sender's own code of the state, where it was mapped to ours; both are kept."""
    for name in ("TrangThai", "TrangThaiHoSo"):
        theirs = str(said.get(name) or "").strip()
        if theirs and theirs != str(fields.get(name) or "").strip() and _CODE.fullmatch(theirs):
            return theirs
    return None


_CODE = re.compile(r"\S{1,50}")  # what TrangThaiGoc can carry (MaType)


def _plain(at: Location | None) -> Location | None:
    """The place in the packet as such: its paths have no prefixes and count only what repeats."""
    if at is None or at.xpath is None:
        return at
    return Location(xpath=re.sub(r"\[1\]", "", re.sub(r"/q:", "/", at.xpath)))


def _as_written(problems: Sequence[Problem], body: bytes | None) -> list[Problem]:
    """Line and column where the packet is XML and its paths are found as they are."""
    if body is None:
        return list(problems)
    root = parse_bytes(body, CEILING)
    prefix = f"{root.prefix}:" if root.prefix else ""

    def path(xpath: str) -> str:
        head, *steps = xpath.strip("/").split("/")
        counted = [step if step.endswith("]") or step.startswith("@") else f"{step}[1]" for step in steps]
        return "/" + "/".join([f"{prefix}{head}", *(s if s.startswith("@") else f"{prefix}{s}" for s in counted)])

    return placed(
        body, [replace(p, at=Location(xpath=path(p.at.xpath))) if p.at and p.at.xpath else p for p in problems]
    )


def _q(element: etree._Element) -> str:
    return f"{element.prefix}:{local(element.tag)}" if element.prefix else local(element.tag)


# --- the shape of packets ---------------------------------------------------------------------------------------------


@cache
def _shape(name: str) -> Field:
    return root_of(_file(name), name)


@cache
def _file(name: str) -> Path:
    file = FOLDER / f"{name}.xsd"
    safe_closure([file], within=(names.XSD_FOLDER,))
    return file


_here = threading.local()  # a schema shares its error log: one for each thread


def _schema(name: str) -> etree.XMLSchema:
    found: etree.XMLSchema | None = getattr(_here, name, None)
    if found is None:
        found = compile_schema([_file(name)])
        setattr(_here, name, found)
    return found


@cache
def _judge(name: str) -> Any:
    return compile_judge([_file(name)])


def _explained(root: etree._Element, name: str, schema: etree.XMLSchema) -> list[Problem]:
    """What is wrong with a packet that its schema refused."""
    from schemas.explain import explain  # noqa: PLC0415 - loads xmlschema, which only what is refused needs

    return explain(b"", root, _judge(name), schema.error_log)


def _item_of(shape: Field) -> Field | None:
    """What a field lists, where it is a list: a container with one repeated child, or repeated itself."""
    if len(shape.children) == 1 and shape.children[0].most != 1:
        return shape.children[0]
    return shape if shape.most != 1 else None


def _row_of(element: etree._Element, shape: Field, notes: list[Problem]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    known = {child.name: child for child in shape.children}
    for child in element:
        name = local(child.tag)
        spec = known.get(name)
        if spec is None or namespace(child.tag) not in (QCVN, ""):
            notes.append(_unknown(name, shape.name, _path(child)))
            continue
        item = _item_of(spec)
        if item is None:
            row[name] = child.text or ""
            if len(child):
                notes.append(_unknown(local(child[0].tag), name, _path(child)))
        elif item is spec:
            row.setdefault(name, []).append(_row_of(child, spec, notes))
        else:
            row.setdefault(name, []).extend(_row_of(each, item, notes) for each in child)
    return row


def _row_of_json(value: Mapping[str, Any], shape: Field, notes: list[Problem], path: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    known = {child.name: child for child in shape.children}
    for name, given in value.items():
        spec = known.get(name)
        if spec is None:
            if not (shape.name in FORMS and name in _ENVELOPE):
                notes.append(_unknown(name, shape.name, path))
            continue
        item = _item_of(spec)
        if given is None:
            continue
        if item is None:
            row[name] = _scalar(given)
        else:
            listed = given if isinstance(given, list) else [given]
            row[name] = [
                _row_of_json(each if isinstance(each, Mapping) else {}, item, notes, f"{path}/{name}[{number}]")
                for number, each in enumerate(listed, 1)
            ]
            if not row[name]:
                del row[name]
    return row


_ENVELOPE = frozenset({"session", "madonvi", "service", "isUpdating"})  # of a DVCQG call; not data


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _unknown(name: str, packet: str, path: str) -> Problem:
    shown = name if re.fullmatch(r"[A-Za-z_][\w.\-]{0,59}", name, re.ASCII) else "…"
    return Problem("XSD-403", {"element": shown, "packet": packet}, Location(xpath=path))


def _path(element: etree._Element) -> str:
    steps = [local(step.tag) for step in (element, *element.iterancestors())]
    return "/" + "/".join(reversed(steps))


def _tree(name: str, fields: Mapping[str, Any]) -> etree._Element:
    root = etree.Element(f"{{{QCVN}}}{name}", nsmap={"q": QCVN})
    _grow(root, fields, _shape(name))
    return root


def _grow(parent: etree._Element, fields: Mapping[str, Any], shape: Field) -> None:
    for child in shape.children:
        value = fields.get(child.name)
        if value is None:
            continue
        item = _item_of(child)
        if item is None:
            etree.SubElement(parent, f"{{{QCVN}}}{child.name}").text = write.value_written(value)
        elif item is child:
            for row in value:
                _grow(etree.SubElement(parent, f"{{{QCVN}}}{child.name}"), row, child)
        else:
            container = etree.SubElement(parent, f"{{{QCVN}}}{child.name}")
            for row in value:
                _grow(etree.SubElement(container, f"{{{QCVN}}}{item.name}"), row, item)


# --- a party's dialect ------------------------------------------------------------------------------------------------


def _translated(
    fields: Mapping[str, Any], shape: Field, dialect: Dialect, notes: list[Problem], problems: list[Problem], path: str
) -> dict[str, Any]:
    """Codes by the map, dates from the declared form to the wire's, texts cut to the declared limits.

    In schema order.
    """
    out: dict[str, Any] = {}
    for child in shape.children:
        value = fields.get(child.name)
        if value is None:
            continue
        at = f"{path}/{child.name}"
        item = _item_of(child)
        if item is not None:
            out[child.name] = [
                _translated(row, item, dialect, notes, problems, f"{at}[{number}]")
                for number, row in enumerate(value, 1)
            ]
            continue
        text = _translated_text(value, child, dialect, notes, problems, at)
        if text.strip() or child.least > 0:  # an empty optional field says nothing
            out[child.name] = text
    return out


def _translated_text(
    value: str, shape: Field, dialect: Dialect, notes: list[Problem], problems: list[Problem], at: str
) -> str:
    value = dialect.maps.get(shape.name, {}).get(value.strip(), value)
    form = dialect.formats.get(shape.name)
    if form is not None and _is_moment(shape) and value.strip():
        value = _to_wire(value.strip(), form, shape.name, problems, at)
    elif re.fullmatch(r"[0-9]{14}", value.strip()) and moment_of(value.strip()) is None and _is_moment(shape):
        strange = {"element": shape.name, "value": value.strip(), "form": WIRE}
        problems.append(Problem("XSD-405", strange, Location(xpath=at)))
    most = dialect.limits.get(shape.name)
    if most is not None and len(value) > most:
        facts = {"element": shape.name, "found": len(value), "most": most}
        notes.append(Problem("XSD-406", facts, Location(xpath=at)))
        value = value[:most]
    return value


def _is_moment(shape: Field) -> bool:
    return shape.type_name == "ThoiDiemGoiType"


def _to_wire(value: str, form: str, name: str, problems: list[Problem], at: str) -> str:
    try:
        return _wire(date_form(form).read(value))
    except ValueError:
        problems.append(Problem("XSD-405", {"element": name, "value": value[:40], "form": form}, Location(xpath=at)))
        return value


def _wire(moment: datetime) -> str:
    return date_form(WIRE).write(moment)


def moment_of(value: str) -> datetime | None:
    """A moment of the wire: yyyyMMddHHmmss at home, or ISO 8601 with offset. None where it is no real one."""
    try:
        if re.fullmatch(r"[0-9]{14}", value):
            found = datetime.strptime(value, "%Y%m%d%H%M%S").replace(tzinfo=write.VIETNAM)
        else:
            found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


# --- to a message -----------------------------------------------------------------------------------------------------


def compose_packet(packet: Packet, header: Header) -> Composed:
    """The message that a packet is, unsigned: HS01 or HS05. Raises Stopped where a moment does not exist."""
    form = FORMS[packet.name]
    problems: list[Problem] = []
    notes = list(packet.notes)
    shape = root_of(names.XSD_FOLDER / "hoso" / form.phien_ban / f"{form.goc}.xsd", form.goc)
    row = {**packet.fields, "TrangThaiGoc": packet.trang_thai_goc}  # the packet has no field of its own for it
    fields = dict(_message_row(row, shape, form, notes, problems, f"/{packet.name}"))
    if problems:
        raise Stopped(*problems)
    ma_ho_so = str(fields["MaHoSo"]).strip()
    header = replace(header, loai=form.loai, phien_ban=form.phien_ban, ma_ho_so=ma_ho_so)
    return Composed(body=write.thong_diep(header, form.goc, fields), ma_ho_so=ma_ho_so, notes=tuple(notes))


def _message_row(
    row: Mapping[str, Any], shape: Field, form: PacketForm, notes: list[Problem], problems: list[Problem], path: str
) -> Iterator[tuple[str, Any]]:
    of_list = {theirs: ours for ours, theirs in form.lists.items()}
    for child in shape.children:
        name = of_list.get(child.name, child.name)
        value = row.get(name)
        if value is None:
            continue
        at = f"{path}/{name}"
        item = _item_of(child)
        if item is not None:
            rows = list(_split(value, name, notes, at))
            yield (
                child.name,
                {
                    item.name: [
                        dict(_message_row(r, item, form, notes, problems, f"{at}[{i}]")) for i, r in enumerate(rows, 1)
                    ]
                },
            )
        elif child.simple is not None and child.simple.base == "xs:dateTime":
            moment = moment_of(value.strip())
            if moment is None:
                facts = {"element": name, "value": value[:40], "form": WIRE}
                problems.append(Problem("XSD-405", facts, Location(xpath=at)))
            yield child.name, moment
        else:
            if found := write.unwritable(value):
                notes.append(Problem("XSD-409", {"element": name, "found": found}, Location(xpath=at)))
            yield child.name, value


def _split(rows: Sequence[Mapping[str, Any]], name: str, notes: list[Problem], at: str) -> Iterator[Mapping[str, Any]]:
    """One row for each of several addresses joined by ##."""
    for row in rows:
        addresses = [a.strip() for a in str(row.get("DuongDanTaiTepTin") or "").split("##") if a.strip()]
        if name == "TaiLieuNop" and len(addresses) > 1:
            facts = {"element": "DuongDanTaiTepTin", "found": len(addresses)}
            notes.append(Problem("XSD-408", facts, Location(xpath=at)))
            yield from ({**row, "DuongDanTaiTepTin": address} for address in addresses)
        else:
            yield row


# --- from a message ---------------------------------------------------------------------------------------------------


def packet_of(root: etree._Element) -> Packet:
    """The packet that a verified HS01 or HS05 is for a party that reads packets. What it cannot carry is in its notes.

    Raises Stopped (XSD-402) for other messages, and where the packet demands what the message does not have.
    """
    than_phan = root.find(names.THAN_PHAN)
    payload = than_phan[0] if than_phan is not None and len(than_phan) else None
    form = next((f for f in FORMS.values() if payload is not None and payload.tag == names.hs(f.goc)), None)
    if form is None or payload is None:
        raise Stopped(Problem("XSD-402", {"packet": " | ".join(FORMS), "found": local(root.tag)}))
    notes: list[Problem] = []
    fields = _packet_row(payload, _shape(form.packet), form, notes, f"/{form.packet}")
    tree = _tree(form.packet, fields)
    schema = _schema(form.packet)
    if not schema.validate(tree):
        raise Stopped(*(replace(p, at=_plain(p.at)) for p in _explained(tree, form.packet, schema)))
    return Packet(name=form.packet, fields=fields, notes=tuple(notes))


def part_of(element: etree._Element, *place: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What of an element has room at a place of DongBoHoSoMC, by the packet's names, and the names of what has none.

    ``place`` leads from the root: a list's container and its item, ``"DanhSachLePhi", "LePhi"``.
    """
    form = FORMS["DongBoHoSoMC"]
    shape = _shape(form.packet)
    for name in place:
        shape = next(child for child in shape.children if child.name == name)
    notes: list[Problem] = []
    fields = _packet_row(element, shape, form, notes, "/")
    return fields, tuple(dict.fromkeys(str(note.facts["element"]) for note in notes))


def packet_made(name: str, fields: Mapping[str, Any], *, unknown: Collection[str] = ()) -> dict[str, Any]:
    """These fields in the packet's order. ``unknown`` may be missing although the packet demands them.

    Raises Stopped where the packet does not take them.
    """
    stand_ins = {field: _STAND_INS[field] for field in unknown if field not in fields}
    tree = _tree(name, {**stand_ins, **fields})
    schema = _schema(name)
    if not schema.validate(tree):
        raise Stopped(*(replace(p, at=_plain(p.at)) for p in _explained(tree, name, schema)))
    return {child.name: fields[child.name] for child in _shape(name).children if child.name in fields}


_STAND_INS = {"NgayTiepNhan": "20000101000000", "DonViXuLy": "-"}  # to judge the rest by; never sent


def wire_of(moment: datetime) -> str:
    """A moment as the packets write it."""
    return _wire(moment)


def _packet_row(
    element: etree._Element, shape: Field, form: PacketForm, notes: list[Problem], path: str
) -> dict[str, Any]:
    of_list = {theirs: ours for ours, theirs in form.lists.items()}
    known = {child.name: child for child in shape.children}
    found: dict[str, Any] = {}
    for child in element:
        name = of_list.get(local(child.tag), local(child.tag))
        spec = known.get(name)
        at = f"{path}/{name}"
        if spec is None:
            notes.append(Problem("XSD-404", {"element": local(child.tag), "packet": form.packet}, Location(xpath=at)))
            continue
        if child.get(names.NIL, "false").strip() in ("true", "1"):
            reason = f"{name}/@{names.LY_DO_TRONG}"
            notes.append(Problem("XSD-404", {"element": reason, "packet": form.packet}, Location(xpath=at)))
            continue
        item = _item_of(spec)
        if item is not None:
            found[name] = [_packet_row(row, item, form, notes, f"{at}[{i}]") for i, row in enumerate(child, 1)]
        elif _is_moment(spec):
            found[name] = _wire_of(child, name, form, notes, at)
        else:
            found[name] = child.text or ""
    return {child.name: found[child.name] for child in shape.children if child.name in found}


def _wire_of(element: etree._Element, name: str, form: PacketForm, notes: list[Problem], at: str) -> str:
    moment = datetime.fromisoformat(" ".join((element.text or "").split()))
    if moment.microsecond:
        facts = {"element": f"{name} (ms)", "packet": form.packet}
        notes.append(Problem("XSD-404", facts, Location(xpath=at)))
    return _wire(moment)
