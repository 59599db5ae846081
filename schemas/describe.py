"""What the schemas say, as data: every element with its type, occurrence and annotation in both languages.

For the generated pages (docs/en/messages.md) and for :mod:`schemas.fresh`. Reads the schema documents themselves, so that
it cannot say anything else than they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from lxml import etree

from gateway.core.problems import Lang
from gateway.documents import Kind
from schemas import names
from schemas.catalog import Catalog
from schemas.compiling import safe_closure
from schemas.names import XML, XS, local, namespace

UNBOUNDED = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value of a code list."""

    code: str
    text: Mapping[Lang, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simple:
    """A simple type with everything that restricts it, its bases included."""

    name: str  # MaHoSoType, or xs:int
    base: str  # the built-in type, xs:token
    text: Mapping[Lang, str]
    values: tuple[Value, ...] = ()
    patterns: tuple[str, ...] = ()
    min_length: int | None = None
    max_length: int | None = None
    least: str | None = None
    most: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One element as it may stand in its parent."""

    name: str
    namespace: str
    least: int
    most: int | None  # None: unbounded
    nillable: bool
    text: Mapping[Lang, str]
    type_name: str
    simple: Simple | None = None  # what its text is; None where it has children
    children: tuple[Field, ...] = ()
    choice: tuple[int, int] | None = None  # (number of the choice in its parent, number of the alternative)
    wildcard: str | None = None  # where its content is another schema's: the namespace rule

    @property
    def occurs(self) -> str:
        """``1``, ``0..1``, ``1..50``, ``0..*``."""
        most = "*" if self.most is UNBOUNDED else str(self.most)
        return most if str(self.least) == most else f"{self.least}..{most}"

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Field]]:
        """The element and everything below it, in the order of a document, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


def envelope() -> Field:
    """The envelope, ThongDiep."""
    return root_of(names.ENVELOPE_XSD, "ThongDiep")


def payload(catalog: Catalog, kind: Kind) -> Field:
    """The payload of a kind. Raises KeyError for a kind that the catalogue does not have."""
    return root_of(catalog.reader(kind).xsd, kind.goc)


@cache  # connectors ask for every letter
def root_of(file: Path, name: str) -> Field:
    """A global element of any bundled schema document. Raises KeyError where there is none of this name."""
    return _reading(file).root(name)


def code_lists() -> tuple[Simple, ...]:
    """Every code list, in the order of its file."""
    file = names.XSD_FOLDER / "danhmuc" / "1.0" / "DanhMucMa.xsd"
    reading = _reading(file)
    return tuple(reading.simple(name) for name in reading.simples if namespace(name) == names.DANH_MUC)


def absence() -> Simple:
    """Why an element that may be nil is left without a value: LyDoTrong."""
    file = names.XSD_FOLDER / "chung" / "1.0" / "KieuChung.xsd"
    return _reading(file).simple(f"{{{names.CHUNG}}}LyDoTrongType")


def title(catalog: Catalog, kind: Kind) -> Mapping[Lang, str]:
    """What the schema of a kind says of itself."""
    file = catalog.reader(kind).xsd.resolve()
    return _text(safe_closure([file], within=(names.XSD_FOLDER, file.parent.parent))[file])


@cache
def _reading(file: Path) -> _Reading:
    return _Reading(file)


class _Reading:
    """The components of a schema document and all that it includes and imports."""

    def __init__(self, file: Path) -> None:
        self.elements: dict[str, etree._Element] = {}
        self.simples: dict[str, etree._Element] = {}
        self.complexes: dict[str, etree._Element] = {}
        closure = safe_closure([file], within=(names.XSD_FOLDER, file.resolve().parent.parent))
        for document in closure.values():
            space = document.get("targetNamespace") or ""
            for component in document.iterfind("*"):
                table = {"element": self.elements, "simpleType": self.simples, "complexType": self.complexes}.get(
                    local(component.tag)
                )
                if table is not None:
                    table[f"{{{space}}}{component.get('name')}"] = component

    def root(self, name: str) -> Field:
        for tag, element in self.elements.items():
            if local(tag) == name:
                return self._field(element, namespace(tag))
        raise KeyError(name)

    def _field(self, element: etree._Element, space: str) -> Field:
        type_name = _resolved(element, element.get("type") or "")
        field = Field(
            name=element.get("name") or "",
            namespace=space,
            least=int(element.get("minOccurs") or 1),
            most=_most(element),
            nillable=element.get("nillable") == "true",
            text=_text(element),
            type_name=local(type_name),
        )
        return self._typed(field, type_name)

    def _typed(self, field: Field, type_name: str) -> Field:
        complex_type = self.complexes.get(type_name)
        if complex_type is None:
            return replace(field, simple=self.simple(type_name))
        extension = complex_type.find(f"{{{XS}}}simpleContent/{{{XS}}}extension")
        if extension is not None:
            return replace(field, simple=self.simple(_resolved(extension, extension.get("base") or "")))
        children: list[Field] = []
        wildcard: str | None = None
        group = complex_type.find(f"{{{XS}}}sequence")
        if group is None:
            group = complex_type.find(f"{{{XS}}}choice")
        if group is not None:
            wildcard = self._group(group, namespace(type_name), children)
        return replace(field, children=tuple(children), wildcard=wildcard)

    def _group(self, group: etree._Element, space: str, out: list[Field]) -> str | None:
        wildcard: str | None = None
        whole = local(group.tag) == "choice"  # the type itself is a choice
        number = 0
        for index, part in enumerate(group.iterfind("*")):
            kind = local(part.tag)
            if kind == "element":
                one = self._field(part, space)
                out.append(replace(one, choice=(0, index)) if whole else one)
            elif kind == "any":
                wildcard = part.get("namespace")
            elif kind == "choice":
                number += 1
                for alternative, element in enumerate(part.iterfind(f"{{{XS}}}element")):
                    out.append(replace(self._field(element, space), choice=(number, alternative)))
            elif kind == "sequence":
                out.extend(replace(self._field(e, space), choice=(0, index)) for e in part.iterfind(f"{{{XS}}}element"))
        return wildcard

    def simple(self, type_name: str) -> Simple:
        """A simple type by its Clark name."""
        if namespace(type_name) == XS:
            return Simple(name=f"xs:{local(type_name)}", base=f"xs:{local(type_name)}", text={})
        element = self.simples[type_name]
        restriction = element.find(f"{{{XS}}}restriction")
        if restriction is None:
            raise KeyError(type_name)
        base = self.simple(_resolved(restriction, restriction.get("base") or ""))
        facets: dict[str, list[str]] = {}
        for facet in restriction.iterfind("*"):
            facets.setdefault(local(facet.tag), []).append(facet.get("value") or "")
        values = tuple(
            Value(code=e.get("value") or "", text=_text(e)) for e in restriction.iterfind(f"{{{XS}}}enumeration")
        )

        def number(name: str, inherited: int | None) -> int | None:
            return int(facets[name][0]) if name in facets else inherited

        return Simple(
            name=local(type_name),
            base=base.base,
            text=_text(element),
            values=values or base.values,
            patterns=tuple(facets.get("pattern", ())) or base.patterns,
            min_length=number("minLength", base.min_length),
            max_length=number("maxLength", base.max_length),
            least=facets.get("minInclusive", [base.least])[0],
            most=facets.get("maxInclusive", [base.most])[0],
        )


def _most(element: etree._Element) -> int | None:
    most = element.get("maxOccurs") or "1"
    return UNBOUNDED if most == "unbounded" else int(most)


def _resolved(element: etree._Element, name: str) -> str:
    prefix, _, rest = name.rpartition(":")
    return f"{{{element.nsmap.get(prefix or None, '')}}}{rest}"


def _text(element: etree._Element) -> Mapping[Lang, str]:
    found = element.iterfind(f"{{{XS}}}annotation/{{{XS}}}documentation")
    texts = {d.get(f"{{{XML}}}lang"): " ".join((d.text or "").split()) for d in found}
    return {lang: texts[lang.value] for lang in Lang if lang.value in texts}
