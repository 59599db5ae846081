"""What the libxml2 below us does. When one of these fails, an upgrade has changed something: read docs/en/threats.md."""

import signal
import subprocess
import sys
import threading

import pytest
from lxml import etree
from patience import PATIENCE_S

from gateway.documents import parse_bytes

CRASH = """
from lxml import etree
schema = etree.XMLSchema(etree.XML(
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="e" type="xs:string"/></xs:schema>'))
try:
    etree.fromstring(b'<!DOCTYPE e [<!ENTITY n "x">]><e>&n;</e>', etree.XMLParser(schema=schema))
except etree.XMLSyntaxError:
    pass
print("survived")
"""


SURVIVAL = """
from gateway.documents import Stopped, parse_bytes
try:
    parse_bytes(b'<!DOCTYPE e [<!ENTITY n "x">]><e>&n;</e>')
except Stopped as stop:
    print(stop.problems[0].code)
"""


def test_a_schema_on_a_parser_can_still_end_the_process():
    """CVE-2026-6732 (fixed in libxml2 2.15.3). The day this fails, the ban on XMLParser(schema=) may be lifted."""
    child = subprocess.run(
        [sys.executable, "-c", CRASH], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    if etree.LIBXML_VERSION < (2, 15, 3):
        assert child.returncode in (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT), (
            "libxml2 has this mended earlier than its version says: lift the ban"
        )
    else:
        assert "survived" in child.stdout


def test_our_parser_survives_the_same_bytes():
    child = subprocess.run(
        [sys.executable, "-c", SURVIVAL], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (child.returncode, child.stdout.strip()) == (0, "XML-110")


def test_libxml2_is_one_whose_holes_we_have_read_about():
    assert etree.LIBXML_VERSION >= (2, 14, 6), "older ones have use-after-free in XSD identity constraints"
    assert etree.LXML_VERSION >= (6, 1, 0, 0), "older ones read external entities in iterparse"


def test_libxml2_still_has_its_own_limits_behind_ours():
    """Documents under 128 KiB reach it before depth and attributes are asked about."""
    with pytest.raises(etree.XMLSyntaxError, match="depth"):
        etree.fromstring(b"<a>" * 300 + b"</a>" * 300)


def test_each_thread_has_a_parser_of_its_own():
    from gateway import documents

    parsers = {}

    def work(name):
        parse_bytes(b"<a/>")
        parsers[name] = documents._reader(documents.DEFAULT_LIMITS, b"").parser

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(parser) for parser in parsers.values()}) == 3


def test_no_reference_reaches_the_network_or_the_disk(tmp_path):
    """Whatever a document points at, nothing is opened: the gate, and behind it a parser that resolves nothing."""
    from gateway import documents

    secret = tmp_path / "secret.txt"
    secret.write_text("bí mật")
    parser = documents._reader(documents.DEFAULT_LIMITS, b"").parser
    body = f'<!DOCTYPE a [<!ENTITY s SYSTEM "{secret.as_uri()}">]><a>&s;</a>'.encode()
    root = etree.fromstring(body, parser)  # past the gate on purpose
    assert "bí mật" not in etree.tostring(root, encoding="unicode")
    assert "".join(root.itertext(with_tail=False)) in ("", "&s;")
