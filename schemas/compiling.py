"""Schema documents become judges: libxml2's, which decides, and xmlschema's, which explains.

libxml2 silently leaves out an import it cannot load, and a second import of the same namespace from another file: what
comes out is a weaker schema (measured, threats.md 5.16). So every file that a schema reaches is looked at first,
nothing outside the allowed folders is ever read, nothing is fetched, and a compiled schema that has a single warning
to its name is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lxml import etree

from gateway.core.limits import DocumentLimits
from gateway.core.problems import Stopped
from gateway.documents import parse_bytes
from schemas import names
from schemas.names import XS

if TYPE_CHECKING:
    import xmlschema

SCHEMA_LIMITS = DocumentLimits(body_bytes=2 * 2**20, depth=60, elements=50_000)


class SchemaFault(ValueError):
    """A schema document that must not be used, and why: a key of the declaration problems, with facts."""

    def __init__(self, why: str, **facts: object) -> None:
        super().__init__(f"{why}: {facts}")
        self.why = why
        self.facts = facts


def safe_closure(files: Iterable[Path], within: Sequence[Path]) -> dict[Path, etree._Element]:
    """Every schema document that these reach, parsed.

    Raises SchemaFault where one is missing, remote, outside or of no use.
    """
    allowed = [folder.resolve() for folder in within]
    todo = [file.resolve() for file in files]
    seen: dict[Path, etree._Element] = {}
    imported: dict[str, Path] = {}
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        if not any(file.is_relative_to(folder) for folder in allowed):
            raise SchemaFault("outside", file=file.name)
        seen[file] = root = _schema(file)
        for kind, reference in _references(root):
            if kind in ("redefine", "override"):
                raise SchemaFault("redefine", file=file.name)
            target = _target(file, reference.get("schemaLocation"))
            if kind == "import":
                space = reference.get("namespace") or ""
                # libxml2 keeps the first file of a namespace and drops the rest without a word
                if imported.setdefault(space, target) != target:
                    raise SchemaFault("two-files", file=file.name, namespace=space)
            todo.append(target)
    return seen


def _schema(file: Path) -> etree._Element:
    try:
        root = _parsed(file)
    except OSError as error:
        raise SchemaFault("missing", file=file.name) from error
    except Stopped as stop:
        raise SchemaFault("unreadable", file=file.name, code=stop.problems[0].code) from stop
    if root.tag != f"{{{XS}}}schema":
        raise SchemaFault("no-schema", file=file.name)
    return root


def _references(root: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    """What a schema document takes from others, and how: import, include, redefine, override."""
    for child in root.iterfind("*"):
        kind = names.local(child.tag)
        if names.namespace(child.tag) == XS and kind in ("import", "include", "redefine", "override"):
            yield kind, child


def _parsed(file: Path) -> etree._Element:
    """A schema document through the same gate as everything else; comments, which people write in schemas, are
    left out first.
    """
    body = file.read_bytes()
    if b"<!--" in body and b"<![CDATA[" not in body:  # in CDATA the same characters would be no comment
        body = re.sub(rb"<!--.*?-->", b"", body, flags=re.DOTALL)
    return parse_bytes(body, SCHEMA_LIMITS)


def _target(file: Path, location: str | None) -> Path:
    if not location:
        raise SchemaFault("no-location", file=file.name)
    parts = urlsplit(location)
    if parts.scheme or parts.netloc:
        raise SchemaFault("remote", file=file.name, location=location[:100])
    return (file.parent / unquote(parts.path)).resolve()


def _imports(files: Iterable[Path]) -> list[tuple[str, str]]:
    found = []
    for file in files:
        space = _parsed(file).get("targetNamespace") or ""
        found.append((space, file.resolve().as_uri()))
    return found


def compile_schema(files: Sequence[Path]) -> etree.XMLSchema:
    """libxml2's schema of these documents together.

    They must have gone through :func:`safe_closure`. Raises SchemaFault.
    """
    driver = etree.Element(f"{{{XS}}}schema", nsmap={"xs": XS})
    for space, location in _imports(files):
        etree.SubElement(
            driver, f"{{{XS}}}import", {"schemaLocation": location} | ({"namespace": space} if space else {})
        )
    try:
        schema = etree.XMLSchema(driver)
    except etree.XMLSchemaParseError as error:
        raise SchemaFault("invalid", file=files[-1].name, reason=str(error)[:300]) from error
    for entry in schema.error_log:
        raise SchemaFault("incomplete", file=files[-1].name, reason=entry.message[:300])
    return schema


def compile_judge(files: Sequence[Path]) -> xmlschema.XMLSchema10:
    """xmlschema's schema of these documents together; several may be of one namespace.

    Raises SchemaFault where xmlschema finds it invalid. What comes with the program is not asked again whether it is valid
    (tests/schemas/test_xsd.py does that): two thirds of the time that building takes.
    """
    import xmlschema  # noqa: PLC0415 - xmlschema takes a third of a second to load; only what is refused needs it

    by_space: dict[str, list[str]] = {}
    for space, location in _imports(files):
        by_space.setdefault(space, []).append(location)
    target = max(by_space, key=lambda space: len(by_space[space]))
    include = len(by_space[target]) > 1
    lines = []
    for space, locations in by_space.items():
        if include and space == target:
            lines += [f'<xs:include schemaLocation="{location}"/>' for location in locations]
        else:
            named = f'namespace="{space}" ' if space else ""
            lines += [f'<xs:import {named}schemaLocation="{location}"/>' for location in locations]
    own = f' targetNamespace="{target}"' if include else ""
    bundled = all(file.resolve().is_relative_to(names.XSD_FOLDER) for file in files)
    driver = f'<xs:schema xmlns:xs="{XS}"{own}>{"".join(sorted(lines, reverse=True))}</xs:schema>'
    try:
        return xmlschema.XMLSchema10(
            driver,
            base_url=files[0].resolve().parent.as_uri(),
            allow="local",
            validation="skip" if bundled else "strict",
        )
    except xmlschema.XMLSchemaException as error:
        reason = re.sub(r"\s+", " ", str(error))
        raise SchemaFault("invalid", file=files[-1].name, reason=reason[:300]) from error
