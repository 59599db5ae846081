"""There is one place where an XML parser is made. A second one would be a second opinion on what a document says."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("gateway", "schemas", "signing", "connectors")

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


def found(source):
    """What in a source file makes a parser, or brings one in."""
    for node in ast.walk(ast.parse(source)):
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
    for file in sorted(p for name in OURS for p in (ROOT / name).rglob("*.py")):
        where = file.relative_to(ROOT).as_posix()
        allowed = ALLOWED.get(where, set())
        astray += [f"{where}:{line}: {what}" for what, line in found(file.read_text("utf-8")) if what not in allowed]
    assert astray == []


def test_every_exception_is_still_needed():
    for where, allowed in ALLOWED.items():
        assert {what for what, _ in found((ROOT / where).read_text("utf-8"))} == allowed


def test_the_search_finds_what_it_is_for():
    source = """
import xml.etree.ElementTree as ET
from xml.dom import minidom
from lxml import etree, objectify
etree.parse("x"); etree.fromstring(b""); etree.XMLParser(schema=s); ET.iterparse("x"); etree.XMLSchema(file="x")
from xml.sax.saxutils import escape
"""
    assert sorted(what for what, _ in found(source)) == [
        "XMLParser", "XMLSchema(file=)", "fromstring", "iterparse", "lxml.objectify", "parse", "schema on a parser", "xml.dom", "xml.etree",
    ]  # fmt: skip
