"""A message for a receiver that reads only an older minor version of its type (N8): the same message without what is
newer.

The original stays what it is; the older form is a message that the gateway composes and signs on behalf of its sender,
marked so.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lxml import etree

from gateway.documents import Canonical, Kind, canonical_document, xpath_of
from schemas import names
from schemas.catalog import Catalog
from schemas.names import pb
from schemas.write import LapThay, mark_composed

if TYPE_CHECKING:
    import xmlschema

SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Older:
    """The message in an older version, unsigned, and what could not be carried over."""

    body: Canonical
    kind: Kind
    left_out: tuple[str, ...]  # XPaths in the original of the elements that the older version does not know


def readable(kind: Kind, known: tuple[str, ...], catalog: Catalog) -> str | None:
    """The version to send to a receiver that knows these: the same one, or the newest older one; None when there
    is none.
    """
    if not known or kind.phien_ban in known:
        return kind.phien_ban
    served = catalog.versions(kind.loai, kind.goc)
    older = [version for version in served[: served.index(kind.phien_ban)] if version in known]
    return older[-1] if older else None


def older(root: etree._Element, kind: Kind, version: str, mark: LapThay, catalog: Catalog) -> Older:
    """The verified message ``root`` in an older version.

    Raises ValueError when even without what is newer it does not fit.
    """
    target = Kind(loai=kind.loai, goc=kind.goc, phien_ban=version)
    made = copy.deepcopy(root)
    for signature in made.findall(SIGNATURE):
        made.remove(signature)
    _needed(made, pb("PhienBan")).text = version
    payload = _needed(made, names.THAN_PHAN)[0]
    declared = catalog.judge(target).maps.elements[str(payload.tag)]
    left_out = _trim(payload, declared)
    mark_composed(made, mark)
    if not catalog.schema(target).validate(made):
        raise ValueError(f"{kind.loai} {kind.goc} {kind.phien_ban} has no form in version {version}")
    return Older(body=canonical_document(made), kind=target, left_out=tuple(left_out))


def _trim(element: etree._Element, declared: xmlschema.XsdElement) -> list[str]:
    """Take out what is not declared; the XPaths of what went, as they stood."""
    content: Any = getattr(declared.type, "content", None)  # a simple type has none, and no children to trim
    if not hasattr(content, "iter_elements"):
        return []
    from xmlschema import XsdElement  # noqa: PLC0415 - takes a third of a second to load, and few messages are trimmed

    known = {child.name: child for child in content.iter_elements() if isinstance(child, XsdElement)}
    if not known:
        return []
    gone: list[str] = []
    unknown = [child for child in element if child.tag not in known]
    gone += [xpath_of(child) for child in unknown]
    for child in element:
        if child.tag in known:
            gone += _trim(child, known[child.tag])
    for child in unknown:
        element.remove(child)
    return gone


def _needed(element: etree._Element, name: str) -> etree._Element:
    found = element.find(name)
    if found is None:
        raise ValueError(f"{name} is missing")
    return found
