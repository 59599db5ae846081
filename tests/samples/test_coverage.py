"""The samples cover the catalogue: every message type, every optional field, every letter of the language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import sampling
import xmlschema
from lxml import etree

from gateway.documents import Kind, parse_bytes
from schemas import names
from schemas.catalog import bundled

CATALOG = bundled()
KINDS = CATALOG.kinds()
ROOTS = sorted({(kind.loai, kind.goc) for kind in KINDS})
FORMS = ("toi-thieu", "day-du", "bien")


@cache
def accepted() -> list[tuple[str, Kind, etree._Element]]:
    """Name, kind and root of every accepted sample."""
    found = []
    for sample in sampling.samples("accepted"):
        root = parse_bytes(sample.body)
        found.append((sample.name, CATALOG.kind_of(root), root))
    return found


@pytest.mark.parametrize("loai, goc", ROOTS)
def test_every_payload_has_a_small_a_full_and_a_boundary_sample(loai: str, goc: str) -> None:
    there = [name for name, kind, _ in accepted() if (kind.loai, kind.goc) == (loai, goc) and "HS01-mo-" not in name]
    assert {form for form in FORMS for name in there if name.endswith(f"-{form}.xml")} == set(FORMS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{k.loai}-{k.goc}-{k.phien_ban}")
def test_every_version_has_an_accepted_sample(kind: Kind) -> None:
    assert [name for name, known, _ in accepted() if known == kind]


def test_every_message_type_has_at_least_six_rejected_samples() -> None:
    counts: Counter[str] = Counter()
    for sample in sampling.samples("rejected"):
        stated = re.search(rb"LoaiThongDiep>(HS\d\d)<", sample.body)
        if stated:
            counts[stated[1].decode()] += 1
    assert {loai: counts[loai] for loai, _ in ROOTS if counts[loai] < 6} == {}


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: f"{k.loai}-{k.goc}-{k.phien_ban}")
def test_every_optional_field_stands_in_an_accepted_sample(kind: Kind) -> None:
    declared = set(fields(CATALOG.judge(kind).maps.elements[names.hs(kind.goc)]))
    there: set[str] = set()
    for _, known, root in accepted():
        if known == kind:
            there |= set(used(root.find(names.THAN_PHAN)[0]))
    assert sorted(declared - there) == []


def fields(element: Any, above: str = "") -> Iterator[str]:
    """Paths of all elements that may stand below an element. A whole dossier inside another message is looked at in HS01."""
    if above and element.type.name == names.hs("HoSoStructure"):
        return
    if not element.type.has_complex_content():
        return
    for child in element.type.content.iter_elements():
        if isinstance(child, xmlschema.XsdElement):
            path = f"{above}/{child.local_name}"
            yield path
            yield from fields(child, path)


def used(element: etree._Element, above: str = "") -> Iterator[str]:
    """Paths of all elements that do."""
    for child in element:
        path = f"{above}/{etree.QName(child).localname}"
        yield path
        yield from used(child, path)


@pytest.mark.parametrize("loai, goc", ROOTS)
def test_a_boundary_sample_holds_every_vietnamese_letter(loai: str, goc: str) -> None:
    letters = set(
        "àảãáạăằẳẵắặâầẩẫấậđèẻẽéẹêềểễếệìỉĩíịòỏõóọôồổỗốộơờởỡớợùủũúụưừửữứựỳỷỹýỵ"
        "ÀẢÃÁẠĂẰẲẴẮẶÂẦẨẪẤẬĐÈẺẼÉẸÊỀỂỄẾỆÌỈĨÍỊÒỎÕÓỌÔỒỔỖỐỘƠỜỞỠỚỢÙỦŨÚỤƯỪỬỮỨỰỲỶỸÝỴ"
    )
    texts = [
        "".join(root.itertext())
        for name, kind, root in accepted()
        if (kind.loai, kind.goc) == (loai, goc) and name.endswith("-bien.xml")
    ]
    assert [text for text in texts if letters <= set(text)]
