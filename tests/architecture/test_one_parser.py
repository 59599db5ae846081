"""There is one place where an XML parser is made. A second one would be a second opinion on what a document says."""

import ast
from pathlib import Path

import sources

ROOT = Path(__file__).parents[2]

PARSES = {"XMLParser", "XMLPullParser", "HTMLParser", "ETCompatXMLParser", "fromstring", "fromstringlist", "iterparse", "XML",
          "XMLID", "HTML", "parseid", "ParserCreate", "parseString", "make_parser", "xmlfile", "XMLDTDID"}  # fmt: skip
FORBIDDEN_MODULES = {"xml.etree", "xml.dom", "xml.sax", "xml.parsers", "xmltodict", "bs4", "html5lib", "defusedxml",
                     "lxml.html", "lxml.objectify", "lxml.sax", "lxml.ElementInclude", "lxml.isoschematron"}  # fmt: skip
HARMLESS = {("xml.sax.saxutils", "escape"), ("xml.sax.saxutils", "quoteattr")}

# file -> what it may use, and why
ALLOWED = {
    "gateway/documents.py": {"XMLParser", "fromstring", "ParserCreate", "xml.parsers"},  # the place itself
    # canonicalises an element as the root of its own document, read back with signxml's parser; compiles signxml's schemas
    "signing/engine.py": {"fromstring", "XMLSchema(file=)"},
}


def found(nodes):
    """What in a source file makes a parser, or brings one in."""
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in PARSES:
                yield name, node.lineno
            on_etree = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") in (
                "etree",
                "ElementTree",
            )
            if name == "parse" and on_etree:
                yield "parse", node.lineno
            compiles = on_etree and name in ("XMLSchema", "RelaxNG", "XSLT", "DTD", "Schematron")
            if compiles and any(keyword.arg == "file" for keyword in node.keywords):
                yield f"{name}(file=)", node.lineno
            if any(k.arg == "schema" for k in node.keywords) and "Parser" in name:
                yield "schema on a parser", node.lineno
        elif isinstance(node, ast.Import):
            yield from ((module, node.lineno) for alias in node.names if (module := forbidden(alias.name)))
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (node.module, alias.name) not in HARMLESS:
                    module = forbidden(node.module) or forbidden(f"{node.module}.{alias.name}")
                    if module:
                        yield module, node.lineno


def forbidden(module):
    return next((m for m in FORBIDDEN_MODULES if f"{module}.".startswith(f"{m}.")), None)


def test_only_documents_makes_a_parser():
    astray = []
    for file in sources.files():
        where = file.relative_to(ROOT).as_posix()
        allowed = ALLOWED.get(where, set())
        astray += [f"{where}:{line}: {what}" for what, line in found(sources.nodes(file)) if what not in allowed]
    assert astray == []


def test_every_exception_is_still_needed():
    for where, allowed in ALLOWED.items():
        assert {what for what, _ in found(sources.nodes(ROOT / where))} == allowed


PARSERS = {"parse": 1, "parse_bytes": 1, "parse_again": 1, "parse_canonical": 1, "read_xml": 3, "read_json": 3}
# Who may make limits or take the defaults, and why; all others hand on those that came with the document or with the node.
MAKES_LIMITS = {
    "gateway/core/limits.py",  # the one value
    "gateway/settings.py",  # the node's own: its table `limits`
    "gateway/documents.py",  # a default for tests; a walk that counts nothing
    "gateway/services/intake.py",  # a default for tests
    "gateway/services/outbox.py",  # likewise
    "gateway/services/fetch.py",  # likewise
    "connectors/http.py",  # likewise
    "connectors/edxml.py",  # likewise
    "schemas/qcvn120.py",  # likewise
    "schemas/compiling.py",  # of schemas, which are no documents
}


def unlimited(nodes):
    """Calls that parse without saying by which limits."""
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        on = getattr(getattr(node.func, "value", None), "id", "documents")
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        said = len(node.args) > PARSERS.get(name, 0) or any(k.arg in ("limits", None) for k in node.keywords)
        if name in PARSERS and on in ("documents", "qcvn120") and not said:
            yield name, node.lineno


def test_every_parse_is_told_its_limits():
    astray = []
    for file in sources.files():
        where = file.relative_to(ROOT).as_posix()
        astray += [f"{where}:{line}: {what}" for what, line in unlimited(sources.nodes(file))]
    assert astray == []
    text = "parse_bytes(b); documents.parse_bytes(b); parse_bytes(b, limits); read_xml(b, n)"
    assert list(unlimited(ast.walk(ast.parse(text)))) == [
        ("parse_bytes", 1),
        ("parse_bytes", 1),
        ("read_xml", 1),
    ]


def makes_limits(nodes):
    """Whether a source file makes limits, or takes the defaults."""
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id == "DEFAULT_LIMITS":
            return True
        if isinstance(node, ast.Call):
            factory = next((k.value for k in node.keywords if k.arg == "default_factory"), node.func)
            if "DocumentLimits" in (getattr(node.func, "id", ""), getattr(factory, "id", "")):
                return True
    return False


def test_nobody_makes_limits_of_his_own():
    made = {f.relative_to(ROOT).as_posix() for f in sources.files() if makes_limits(sources.nodes(f))}
    assert made == MAKES_LIMITS


def test_the_search_finds_what_it_is_for():
    source = """
import xml.etree.ElementTree as ET
from xml.dom import minidom
from lxml import etree, objectify
etree.parse("x"); etree.fromstring(b""); etree.XMLParser(schema=s); ET.iterparse("x"); etree.XMLSchema(file="x")
from xml.sax.saxutils import escape
"""
    assert sorted(what for what, _ in found(ast.walk(ast.parse(source)))) == [
        "XMLParser", "XMLSchema(file=)", "fromstring", "iterparse", "lxml.objectify", "parse", "schema on a parser", "xml.dom", "xml.etree",
    ]  # fmt: skip
