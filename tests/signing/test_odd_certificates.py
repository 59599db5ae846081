"""Certificates as authorities of the field write them: read by a second way, or refused with a reason; never half."""

from datetime import UTC, datetime
from functools import cache

import odd
import pki
import pytest
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding

from signing.certificates import Unreadable, read_certificate, unfit
from signing.keyfiles import certificates_in, own_certificate
from signing.status import issuer_of, judge_status
from signing.trust import StatusWord, load_tree

NOW = odd.NOW
LEAF = pki.signer("so-tu-phap")
PLAIN = b"So Tu phap (thu nghiem)"


def tree():
    return load_tree("chinh-phu", b"".join(c.public_bytes(Encoding.PEM) for c in pki.tree_certificates("chinh-phu")))


@cache
def written(subject=None, serial=None, twice=False):
    """The signer's certificate written in another way, and signed by its issuer again."""
    paper = asn1_x509.Certificate.load(LEAF.der)
    body = paper["tbs_certificate"]
    if serial is not None:
        body["serial_number"] = serial
    if twice:
        body["extensions"].append(body["extensions"][1].copy())
    octets = body.dump(force=True)
    if subject is not None:
        assert len(subject) == len(PLAIN)
        octets = octets.replace(b"\x0c" + bytes([len(PLAIN)]) + PLAIN, b"\x13" + bytes([len(subject)]) + subject)
        paper["tbs_certificate"] = asn1_x509.TbsCertificate.load(octets)
    algorithm, signature = odd._sign(octets, pki.maker.load_key("issuing-b"))
    del algorithm
    paper["signature_value"] = signature
    return paper.dump(force=True)


ODD = {
    "an at sign": {"subject": b"van.thu@so-tu-phap.test"},
    "an underscore": {"subject": b"So_Tu_phap_(thu_nghiem)"},
    "an asterisk": {"subject": b"*.so-tu-phap.thu-nghiem"},
    "UTF-8": {"subject": "Sở Tư pháp (thử)".encode().ljust(len(PLAIN))},
    "serial zero": {"serial": 0},
    "a negative serial": {"serial": -(2**90)},
}


@pytest.mark.parametrize("how", ODD.values(), ids=ODD)
def test_what_openssl_reads_is_read_and_judged_by_its_own_bytes(how):
    der = written(**how)
    found = read_certificate(der)
    assert (found.der, list(unfit(found))) == (der, [])
    assert found.serial == f"{how.get('serial', LEAF.certificate.serial_number):x}"
    if "subject" in how:
        assert how["subject"].decode().strip() in found.subject.replace("\\", "")
    assert found.x509.public_key() == LEAF.certificate.public_key()
    assert issuer_of(found, tree()).subject == tree().intermediates[0].subject
    lists = [odd.crl("root-b"), odd.crl("issuing-b")]
    assert judge_status(found, tree(), NOW, crls=lists).status is StatusWord.GOOD
    answered = odd.answer(odd.Single(int(found.serial, 16), revoked_at=NOW), signer=pki._signer("issuing-b", pki.KEYS))
    assert judge_status(found, tree(), NOW, crls=lists, ocsps=[answered]).status is StatusWord.BAD


@pytest.mark.parametrize(
    ("der", "reason"),
    [
        (lambda: written(twice=True), "stands twice"),
        (lambda: written(subject=b"So T\xff phap (thu nghiem)."[:23]), "UnicodeDecodeError"),
        (lambda: LEAF.der[:-7], "."),
        (lambda: LEAF.der + b"\0", "."),
        (lambda: b"", "."),
    ],
    ids=["one extension twice", "bytes of no encoding", "cut", "something after it", "nothing"],
)
def test_what_cannot_be_read_for_certain_is_refused_with_a_reason(der, reason):
    with pytest.raises(Unreadable, match=reason):
        read_certificate(der())


def pem(*names):
    return b"".join(pki.certificate(name).public_bytes(Encoding.PEM) for name in names)


@pytest.mark.parametrize(
    "order", [("so-tu-phap", "issuing-b", "root-b"), ("root-b", "issuing-b", "so-tu-phap"), ("issuing-b", "so-tu-phap")]
)
def test_of_a_bundle_the_certificate_is_taken_that_is_no_authoritys(order):
    raw = b"# ghi chu\n" + pem(*order)
    assert own_certificate(raw).fingerprint == LEAF.fingerprint
    assert len(certificates_in(raw)) == len(order)


@pytest.mark.parametrize("names", [("so-tu-phap", "cong-dvc"), ("issuing-b", "root-b")])
def test_a_bundle_without_exactly_one_is_refused_with_what_it_holds(names):
    with pytest.raises(ValueError, match="2 certificates") as refused:
        own_certificate(pem(*names))
    assert "CN=" in str(refused.value)


def test_a_single_authority_is_taken_and_found_unfit():
    assert [code for code, *_ in unfit(own_certificate(pem("issuing-b")))][:1] == ["SIG-055"]
    assert "SIG-057" in [code for code, *_ in unfit(own_certificate(pem("issuing-b")))]
    assert own_certificate(LEAF.der).not_after > datetime(2027, 1, 1, tzinfo=UTC)
