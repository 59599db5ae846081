"""Writes what gateway/web/answer_types.py says into the two descriptions that are served: openapi.json and the WSDL.

``python tools/contract.py`` writes; with ``--check`` it says what is not current and exits with 1. In openapi.json the
schemas of answers are replaced and everything else is kept by hand; in the WSDL the types up to those of packets.
"""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from xml.sax.saxutils import escape

from gateway.web.answer_types import BY_REST, BY_SOAP, AnswerType, Meant, Nullable, WireType

ROOT = Path(__file__).resolve().parents[1]
OPENAPI = ROOT / "gateway" / "web" / "openapi.json"
WSDL = ROOT / "schemas" / "wsdl" / "lienthong.wsdl"
# Where they stand in the WSDL. Without comments, which our own reader of WSDLs would not take.
BEGIN = '      <xs:simpleType name="MucDoLoiType">\n'
END = '      <xs:complexType name="GoiCapNhatTienDoHoSoMCStructure">\n'
GROWS = '<xs:any namespace="##other" processContents="lax" minOccurs="0" maxOccurs="unbounded"/>'


class Field:
    """One field of an answer, taken apart."""

    def __init__(self, name: str, hint: Any) -> None:
        self.name = name
        self.optional = self.nullable = self.many = False
        self.meant: Meant | None = None
        self.wire: WireType | None = None
        self.inner: type[AnswerType] | None = None
        self._open(hint)

    def _open(self, hint: Any) -> None:
        origin = get_origin(hint)
        if origin is Annotated:
            inner, *more = get_args(hint)
            for one in more:
                if isinstance(one, Meant):
                    self.meant = one
                elif isinstance(one, WireType):
                    self.wire = one
                elif isinstance(one, Nullable):
                    self.nullable = True
            if self.wire is None:
                self._open(inner)
        elif origin in (Union, types.UnionType):
            self.optional = True
            self._open(next(a for a in get_args(hint) if a is not type(None)))
        elif origin is list:
            self.many = True
            self._open(get_args(hint)[0])
        elif isinstance(hint, type) and issubclass(hint, AnswerType):
            self.inner = hint
        else:
            raise TypeError(f"{self.name}: {hint}")

    def schema(self) -> dict[str, Any]:
        """The field as a JSON schema."""
        if self.inner is not None:
            made: dict[str, Any] = {"$ref": f"#/components/schemas/{schema_name(self.inner)}"}
        else:
            assert self.wire is not None
            made = dict(self.wire.json)
            if self.wire.values:
                made["enum"] = list(self.wire.values)
            if self.nullable:
                made["type"] = [made["type"], "null"]
        if self.many:
            made = {"type": "array", "items": made}
        meant = self.meant or (self.wire.meant if self.wire else None)
        return {**made, "description": f"{meant.vi} / {meant.en}"} if meant and "$ref" not in made else made

    @property
    def xsd(self) -> str:
        """The name of its type in the WSDL."""
        if self.many:
            return f"tns:{self.name}Structure"
        if self.inner is not None:
            return f"tns:{self.inner.__name__}"
        assert self.wire is not None
        return self.wire.xsd


def fields(kind: type[AnswerType]) -> list[Field]:
    """The fields of a type in their order."""
    return [Field(name, hint) for name, hint in get_type_hints(kind, include_extras=True).items()]


def schema_name(kind: type[AnswerType]) -> str:
    """What a type is called in openapi.json."""
    return kind.__name__.removesuffix("Structure").removesuffix("Document")


def json_schemas() -> dict[str, Any]:
    """The schemas of all answers of REST."""
    made = {}
    for kind in BY_REST:
        found = fields(kind)
        made[schema_name(kind)] = {
            "type": "object",
            "description": str(kind.__doc__),
            "properties": {one.name: one.schema() for one in found},
            "required": [one.name for one in found if not one.optional or one.nullable],
        }
    return made


def openapi_text(before: str) -> str:
    """openapi.json with the schemas of answers as the types have them."""
    described = json.loads(before)
    kept, made = described["components"]["schemas"], json_schemas()
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described["paths"])))
    by_hand = {
        name: schema for name, schema in kept.items() if name not in made and name in _reached(named, kept | made)
    }
    described["components"]["schemas"] = made | by_hand
    return json.dumps(described, ensure_ascii=False, indent=1) + "\n"


def _reached(names: set[str], schemas: dict[str, Any]) -> set[str]:
    """These names and those that their schemas name."""
    found: set[str] = set()
    while names:
        found |= names
        names = {
            one
            for name in names
            for one in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schemas.get(name, {})))
        } - found
    return found


def wsdl_text(before: str) -> str:
    """The WSDL with the types of answers as the code has them."""
    head, _, rest = before.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + "".join(_xsd_types()) + END + tail


def _xsd_types() -> list[str]:
    simple: dict[str, WireType] = {}
    lists: dict[str, Field] = {}
    complex_: list[str] = []
    for kind in BY_SOAP:
        rows = []
        for one in fields(kind):
            if one.wire is not None and one.wire.name:
                simple[one.wire.name] = one.wire
            if one.many:
                lists.setdefault(one.xsd.removeprefix("tns:"), one)
            rows.append(_element(one))
        vi, _, en = str(kind.__doc__).partition(" / ")
        complex_.append(_complex(kind.__name__, Meant(vi, en), [*rows, f"          {GROWS}\n"]))
    return [
        *(_simple(wire) for wire in simple.values()),
        *complex_,
        *(_complex(name, _of_list(one), [_row(one)]) for name, one in lists.items()),
    ]


def _of_list(one: Field) -> Meant:
    return one.meant or Meant(f"Các {one.name.removeprefix('DanhSach')}.", f"The rows of {one.name}.")


def _row(one: Field) -> str:
    of = one.wire.xsd if one.wire is not None else f"tns:{one.inner.__name__}" if one.inner is not None else ""
    name = one.name.removeprefix("DanhSach")
    return f'          <xs:element name="{name}" type="{of}" minOccurs="0" maxOccurs="unbounded"/>\n'


def _element(one: Field) -> str:
    start = f'          <xs:element name="{one.name}" type="{one.xsd}"' + (' minOccurs="0"' if one.optional else "")
    if one.meant is None:
        return f"{start}/>\n"
    return f"{start}>\n{_meaning(one.meant, 12)}          </xs:element>\n"


def _complex(name: str, meant: Meant, rows: list[str]) -> str:
    return (
        f'      <xs:complexType name="{name}">\n{_meaning(meant, 8)}        <xs:sequence>\n{"".join(rows)}'
        "        </xs:sequence>\n      </xs:complexType>\n"
    )


def _simple(wire: WireType) -> str:
    values = "".join(f'          <xs:enumeration value="{value}"/>\n' for value in wire.values)
    meaning = _meaning(wire.meant, 8) if wire.meant else ""
    return (
        f'      <xs:simpleType name="{wire.name}">\n{meaning}        <xs:restriction base="xs:token">\n{values}'
        "        </xs:restriction>\n      </xs:simpleType>\n"
    )


def _meaning(meant: Meant, indent: int) -> str:
    space = " " * indent
    return (
        f'{space}<xs:annotation>\n{space}  <xs:documentation xml:lang="vi">{escape(meant.vi)}</xs:documentation>\n'
        f'{space}  <xs:documentation xml:lang="en">{escape(meant.en)}</xs:documentation>\n{space}</xs:annotation>\n'
    )


MADE = {OPENAPI: openapi_text, WSDL: wsdl_text}


def main(arguments: list[str]) -> int:
    """Writes both, or with --check says which is not current. Returns the exit status."""
    stale = []
    for file, make in MADE.items():
        before = file.read_text("utf-8")
        after = make(before)
        if before != after:
            stale.append(file)
            if "--check" not in arguments:
                file.write_text(after, "utf-8")
                print(file.relative_to(ROOT))
    if stale and "--check" in arguments:
        names = ", ".join(str(file.relative_to(ROOT)) for file in stale)
        print(f"Chưa khớp mã nguồn; chạy `make docs`. / Not current; run `make docs`: {names}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
