"""The override of signxml: pinned, and what it is there for."""

import hashlib
import inspect
from importlib import metadata

import paper
import pytest
from lxml import etree
from signxml.exceptions import InvalidDigest, InvalidSignature
from signxml.processor import XMLSignatureProcessor
from signxml.verifier import SignatureConfiguration, XMLVerifier

from signing.certificates import read_certificate
from signing.engine import canonical, prove
from signing.sign import Variant
from signing.structure import read_signature
from signing.uris import C14N_10, C14N_11, EXC_C14N

# When one changes: read the new source, run the genuine signatures and the attacks, then put the new digest here.
PINNED = {
    "XMLSignatureProcessor._c14n": "423208ad73768ffc",
    "XMLSignatureProcessor._find": "75e35fbf7e96d05d",
    "XMLSignatureProcessor._tostring": "d57b22d2198bbea9",
    "XMLSignatureProcessor._resolve_reference": "e30ab66669a4c359",
    "XMLSignatureProcessor._get_digest": "1a817ce0a01abd8a",
    "XMLVerifier._get_inclusive_ns_prefixes": "ceaa08b2cbd9e1bd",
    "XMLVerifier._apply_transforms": "31c5ba16da890501",
    "XMLVerifier._verify_reference": "774688a92ddb5b98",
    "XMLVerifier._verify_signature_with_pubkey": "86b35b7e7c166b29",
    "XMLVerifier._get_signature": "4af361189e07da0f",
    "XMLVerifier.verify": "02d4109c0f870961",
}
CLASSES = {"XMLSignatureProcessor": XMLSignatureProcessor, "XMLVerifier": XMLVerifier}


def test_signxml_is_the_version_that_was_read():
    assert metadata.version("signxml") == "5.2.0"


@pytest.mark.parametrize("name", PINNED)
def test_the_private_parts_of_signxml_that_we_lean_on_have_not_changed(name):
    owner, method = name.split(".")
    source = inspect.getsource(getattr(CLASSES[owner], method))
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == PINNED[name]


def proven(body, signer=paper.SIGNER):
    signature = read_signature(paper.document(body).root)
    certificate = read_certificate(paper.key(signer).certificate_der).x509
    return prove(body, signature, certificate, paper.NOW)


def test_signxml_alone_refuses_a_default_namespace_under_inclusive_canonicalisation_and_we_do_not():
    """The reason for the override; when signxml accepts this by itself, the override can go."""
    body = paper.signed(variant=Variant(xades=False, canonicalisation=C14N_10, prefix=""))
    certificate = paper.key().certificate.x509
    config = SignatureConfiguration(location="./", verification_time=paper.NOW)
    with pytest.raises(InvalidSignature):
        XMLVerifier().verify(body, x509_cert=certificate, expect_config=config)
    assert proven(body).envelope.startswith(b"<lt:ThongDiep")


@pytest.mark.parametrize("algorithm", [EXC_C14N, C14N_10, C14N_11])
def test_an_inner_element_is_canonicalised_with_the_namespaces_it_inherits(algorithm):
    root = etree.fromstring(b'<a xmlns="urn:a" xmlns:p="urn:p"><p:b><c/></p:b>tail</a>')
    expected = {
        EXC_C14N: b'<p:b xmlns:p="urn:p"><c xmlns="urn:a"></c></p:b>',
    }.get(algorithm, b'<p:b xmlns="urn:a" xmlns:p="urn:p"><c></c></p:b>')
    assert canonical(root[0], algorithm) == expected


def test_inherited_xml_lang_goes_into_an_inclusive_form_and_not_into_the_exclusive_one():
    root = etree.fromstring(b"<a><b/></a>")
    inherited = (("{http://www.w3.org/XML/1998/namespace}lang", "vi"),)
    assert canonical(root[0], C14N_10, None, inherited) == b'<b xml:lang="vi"></b>'
    assert canonical(root[0], EXC_C14N, None, inherited) == b"<b></b>"


def test_an_empty_default_namespace_is_never_cut_out_of_canonical_bytes():
    """What excise_empty_xmlns_declarations does: two different documents would share one digest."""
    with_it = etree.fromstring(b'<a xmlns="urn:a"><b xmlns=""/></a>')
    without = etree.fromstring(b'<a xmlns="urn:a"><b/></a>')
    assert canonical(with_it, C14N_10) != canonical(without, C14N_10)
    assert XMLVerifier.excise_empty_xmlns_declarations is False


def test_a_changed_letter_breaks_the_digest():
    body = paper.signed().replace("Bưởi".encode(), "Bười".encode())
    with pytest.raises(InvalidDigest):
        proven(body)


def test_another_key_breaks_the_signature():
    body = paper.signed(signer="so-tu-phap")
    with pytest.raises(InvalidSignature):
        prove(body, read_signature(paper.document(body).root), paper.key("so-tu-phap-2").certificate.x509, paper.NOW)


def test_the_proven_bytes_hold_no_signature():
    assert b"Signature" not in proven(paper.signed()).envelope
