"""The bundled schemas keep our own rules (domain section 5.2) and both judges take them."""

import re

import pytest
import xmlschema
from lxml import etree

from schemas import names
from schemas.declarations import _NESTED
from schemas.names import XS, XSD_FOLDER

FILES = sorted(XSD_FOLDER.rglob("*.xsd"))
VERSIONS = sorted(folder.name for folder in (XSD_FOLDER / "hoso").iterdir() if folder.is_dir())
X = f"{{{XS}}}"


@pytest.fixture(params=FILES, ids=lambda f: str(f.relative_to(XSD_FOLDER)))
def document(request):
    """Each schema document in turn."""
    return etree.parse(str(request.param)).getroot()


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(XSD_FOLDER)))
def test_libxml2_takes_every_schema_by_itself(file):
    assert not list(etree.XMLSchema(file=str(file)).error_log)


@pytest.mark.parametrize("judge", [xmlschema.XMLSchema10, xmlschema.XMLSchema11])
@pytest.mark.parametrize("version", VERSIONS)
def test_all_payloads_of_a_version_are_valid_together_under_xsd_1_0_and_1_1(judge, version):
    payloads = [f.as_uri() for f in sorted((XSD_FOLDER / "hoso" / version).glob("*.xsd"))]
    includes = "".join(f'<xs:include schemaLocation="{uri}"/>' for uri in payloads)
    envelope = f'<xs:import namespace="{names.PHONG_BI}" schemaLocation="{names.ENVELOPE_XSD.as_uri()}"/>'
    text = f'<xs:schema xmlns:xs="{XS}" targetNamespace="{names.HO_SO}">{envelope}{includes}</xs:schema>'
    assert judge(text, allow="local").validity == "valid"


@pytest.mark.parametrize(
    "file", [f for f in FILES if "hoso" not in f.parts], ids=lambda f: str(f.relative_to(XSD_FOLDER))
)
def test_every_other_schema_is_valid_by_itself_too(file):  # building what explains refusals takes it for granted
    assert xmlschema.XMLSchema10(file.as_uri(), allow="local").validity == "valid"


def test_everything_is_annotated_in_both_languages(document):
    kinds = [f"{X}element", f"{X}simpleType", f"{X}complexType", f"{X}enumeration"]
    for component in [document, *document.iter(*kinds)]:
        spoken = [d.get(f"{{{names.XML}}}lang") for d in component.iterfind(f"{X}annotation/{X}documentation")]
        assert spoken == ["vi", "en"], etree.tostring(component)[:200]
        for text in component.iterfind(f"{X}annotation/{X}documentation"):
            assert (text.text or "").strip()


def test_names_are_upper_camel_case_without_diacritics(document):  # N1
    for element in document.iter(f"{X}element", f"{X}attribute"):
        assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", element.get("name") or element.get("ref") or "")


def test_types_are_named_by_what_they_are(document):  # N2
    assert all(t.get("name", "").endswith("Type") for t in document.iter(f"{X}simpleType"))
    assert all(t.get("name", "").endswith("Structure") for t in document.iter(f"{X}complexType"))


def test_namespaces_and_forms_follow_the_rules(document):  # N6, N7
    assert re.fullmatch(rf"{re.escape(names.AUTHORITY)}/[a-z0-9]+/\d+\.\d+", document.get("targetNamespace"))
    assert document.get("elementFormDefault") == "qualified"
    assert document.get("attributeFormDefault") == "unqualified"
    assert document.get("blockDefault") == "#all"


def test_a_file_has_at_most_one_root(document):  # N7: few roots; the one root is the kind
    assert len(document.findall(f"{X}element")) <= 1


def test_no_pattern_repeats_a_repetition_and_none_has_anchors(document):
    for pattern in document.iter(f"{X}pattern"):
        value = pattern.get("value")
        assert not _NESTED.search(value), value
        assert not value.startswith("^")
        assert not value.endswith("$")


def test_wildcards_are_strict_or_fenced(document):
    for wildcard in document.iter(f"{X}any"):
        space, how = wildcard.get("namespace"), wildcard.get("processContents")
        assert (how, space) in [
            ("strict", names.HO_SO),
            ("skip", names.DS),  # signing/structure.py looks at it
            ("skip", "##other"),  # ToKhai: schemas/declarations.py looks at it
        ]


def test_nothing_is_said_to_come_from_guidance_3788(document):
    assert b"3788" not in etree.tostring(document)


def patterns(file, name):
    root = etree.parse(str(XSD_FOLDER / file)).getroot()
    (found,) = root.xpath(f"//xs:simpleType[@name='{name}']", namespaces={"xs": XS})
    return [p.get("value") for p in found.iter(f"{X}pattern")]


SAMPLES = [
    "000.00.00.H19",
    "H19",
    "000.00.32.H19",
    "000.00.00.G22",
    "H15.50.05.13",
    "H55.242",
    "G09.20",
    "000.A0.01.H26",
    "H19.901",
    "h19",
    "H99999",
    "19",
    "H19.",
    ".H19",
    "000.99.01.H19-150115-0001",
    "H19.901-260115-0001",
    "H19.902.01-261231-9999",
    "G09.20-20260115-0090001",
    "H19-26011-1",
    "H99999-260115-0001",
    "H19.901-260115-001",
    "H19.901-260115-00000001",
    "1.001612",
    "1.001612.000.00.00.H19",
    "2.002621.H56",
    "2.000815.01",
    "2.000815.000.00.00.H55.02",
    "1.0016",
    "0b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90",
    "0B9F7D3E-5c1a-4d27-9a6e-2f4c8e1b7a90",
    "1.0",
    "1.10",
    "1",
    "1.",
    "2026-01-15T08:30:00+07:00",
    "2026-01-15T08:30:00Z",
    "2026-01-15T08:30:00.123456789+07:00",
    "2026-01-15T24:00:00Z",
    "2026-01-15T08:30:00",
]


@pytest.mark.parametrize(
    ("compiled", "name"),
    [
        (names.MA_DINH_DANH, "MaDinhDanhType"),
        (names.MA_HO_SO, "MaHoSoType"),
        (names.MA_THONG_DIEP, "MaThongDiepType"),
        (names.MA_TTHC, "MaTTHCType"),
        (names.PHIEN_BAN, "PhienBanType"),
        (names.THOI_DIEM, "ThoiDiemType"),
    ],
)
def test_the_patterns_in_code_are_those_of_the_schema(compiled, name):
    said = patterns("chung/1.0/KieuChung.xsd", name)
    for sample in SAMPLES:
        assert bool(compiled.fullmatch(sample)) == any(re.fullmatch(p, sample) for p in said), sample


def test_domain_identifiers_are_judged_as_the_domain_says():  # domain section 15
    good = [
        "000.99.01.H19-150115-0001",
        "H19.901-260115-0001",
        "H19.902.01-261231-9999",
        "G09.20-20260115-0090001",
        "03706/2026/07906",
    ]
    bad = ["H19-26011-1", "H99999-260115-0001", "03706/2026/", "/2026/07906", "a/b"]
    assert all(names.MA_HO_SO.fullmatch(code) for code in good)
    assert not any(names.MA_HO_SO.fullmatch(code) for code in bad)
