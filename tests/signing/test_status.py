"""Status of a certificate at a time, given the evidence: good, bad, unknown."""

from datetime import timedelta
from functools import cache

import paper
import pki
import pytest
import server
from asn1crypto import crl as asn1_crl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st
from paper import NOW

from signing.certificates import read_certificate
from signing.status import answers_nonce, chain_of, issuer_of, judge_status, revocation_addresses
from signing.trust import CertificateStatus, StatusWord, load_tree

HOUR = timedelta(hours=1)


@cache
def tree(name="chinh-phu"):
    return load_tree(name, b"".join(c.public_bytes(Encoding.PEM) for c in pki.tree_certificates(name)))


def certificate(name):
    return read_certificate(pki.signer(name).der)


def authority(fault=None, now=NOW, revoked=None):
    return server.Authority(fault=fault, now=now, revoked=revoked or {})


def crls(fault=None, now=NOW, revoked=None, root_fault=None):
    return [
        authority(fault, now, revoked).make_crl("issuing-b"),
        authority(root_fault, now).make_crl("root-b"),
    ]


@cache
def declaring():
    """A signer whose certificate names a responder; OCSP is not looked at otherwise."""
    return server.with_addresses(server.Authority(address="http://127.0.0.1:9"), "voi-ocsp")


def answer(fault=None, revoked=None, now=NOW, nonce=b"12345678"):
    issuer = pki.certificate("issuing-b")
    builder = ocsp.OCSPRequestBuilder().add_certificate(declaring().certificate, issuer, hashes.SHA1())
    request = builder.add_extension(x509.OCSPNonce(nonce), critical=False).build().public_bytes(Encoding.DER)
    return authority(fault, now, revoked).make_ocsp(request, "b")


def judged(name="so-tu-phap", at=NOW, **evidence):
    one = certificate(name) if name else read_certificate(declaring().der)
    return judge_status(one, tree(), at, **evidence)


def test_a_certificate_that_is_on_no_list_in_force_is_good_until_the_first_list_ends():
    found = judged(crls=crls())
    assert (found.status, found.reason, found.source) == (StatusWord.GOOD, "good-by-crl", "crl")
    assert found.until == NOW + timedelta(hours=23)
    assert len(found.evidence) == 2


def test_an_ocsp_answer_is_as_good_as_a_list_and_the_issuer_still_needs_one():
    found = judged(None, ocsps=[answer()], crls=[authority().make_crl("root-b")])
    assert (found.status, found.reason, found.source) == (StatusWord.GOOD, "good-by-ocsp", "ocsp")
    assert judged(None, ocsps=[answer()]).status is StatusWord.UNKNOWN


@pytest.mark.parametrize("by", ["crl", "ocsp"])
def test_a_revocation_is_bad_with_its_date(by):
    when = NOW - timedelta(days=3)
    revoked = {declaring().certificate.serial_number: when}
    evidence = {"crls": crls(revoked=revoked)} if by == "crl" else {"ocsps": [answer(revoked=revoked)], "crls": crls()}
    found = judged(None, **evidence)
    assert (found.status, found.reason, found.revoked_at) == (StatusWord.BAD, "revoked", when)


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param({}, id="none"),
        pytest.param(
            {"crls": [b"", b"garbage", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"]}, id="garbage"
        ),
        pytest.param({"crls": ("stale",)}, id="stale"),
        pytest.param({"crls": ("future",)}, id="from the future"),
        pytest.param({"crls": ("wrong-responder",)}, id="signed by somebody else"),
        pytest.param({"crls": (None, "stale")}, id="the issuer's own status stale"),
        pytest.param({"ocsps": "stale"}, id="OCSP stale"),
        pytest.param({"ocsps": "future"}, id="OCSP from the future"),
        pytest.param({"ocsps": "wrong-responder"}, id="OCSP by a responder of another tree"),
        pytest.param({"ocsps": "unknown"}, id="OCSP unknown"),
        pytest.param({"ocsps": "other-certificate"}, id="OCSP about another certificate"),
    ],
)
def test_evidence_that_does_not_hold_leaves_the_status_unknown(evidence):
    made = {}
    if isinstance(evidence.get("crls"), tuple):
        made["crls"] = crls(evidence["crls"][0], root_fault=(evidence["crls"][1:] or (None,))[0])
    elif "ocsps" in evidence:
        made = {"ocsps": [answer(fault=evidence["ocsps"])], "crls": [authority().make_crl("root-b")]}
    else:
        made = evidence
    found = judged(None, **made)
    assert (found.status, found.until, found.evidence) == (StatusWord.UNKNOWN, None, ())


def test_the_time_of_judgement_is_an_argument():
    lists = crls()
    assert judged(crls=lists, at=NOW + timedelta(days=2)).status is StatusWord.UNKNOWN
    assert judged(crls=lists, at=NOW - timedelta(days=2)).status is StatusWord.UNKNOWN
    assert judged(crls=lists, at=NOW + HOUR).status is StatusWord.GOOD


@pytest.mark.parametrize(("name", "reason"), [("stranger", "no-path"), ("sha1-issued", "no-path")])
def test_a_certificate_without_a_sound_path_is_bad(name, reason):
    found = judged(name, crls=crls())
    assert (found.status, found.reason) == (StatusWord.BAD, reason)


def test_another_tree_does_not_vouch():
    assert judge_status(certificate("so-tu-phap"), tree("quoc-gia"), NOW, crls=crls()).status is StatusWord.BAD


def test_grace_is_counted_from_the_end_of_the_evidence():
    found = judged(crls=crls(), grace=timedelta(hours=6))
    assert found.grace_until == found.until + timedelta(hours=6)
    assert judged(crls=crls()).grace_until is None


def test_a_verdict_survives_json():
    found = judged(crls=crls(), grace=HOUR)
    assert CertificateStatus.from_dict(found.as_dict()) == found


def test_a_nonce_must_be_ours_when_there_is_one():
    assert answers_nonce(answer(nonce=b"12345678"), b"12345678")
    assert answers_nonce(answer(fault="no-nonce"), b"12345678")
    assert not answers_nonce(answer(fault="wrong-nonce"), b"12345678")
    assert not answers_nonce(b"garbage", b"12345678")


def test_the_chain_goes_up_to_the_anchor_and_stops_before_it():
    names = [one.subject.split(",")[0] for one in chain_of(certificate("so-tu-phap"), tree())]
    assert names == ["CN=So Tu phap (thu nghiem)", "CN=TEST Issuing B1"]
    assert issuer_of(certificate("stranger"), tree()) is None


def test_addresses_come_from_the_certificate(tmp_path):
    points = x509.CRLDistributionPoints(
        [
            x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
            for url in ("http://a.invalid/a.crl", "ldap://a.invalid/", "file:///etc/passwd")
        ]
    )
    leaf = pki.Leaf(name="voi-dia-chi", subject="Voi dia chi", issuer="issuing-b", extensions=(points,))
    made = read_certificate(pki.mint(leaf, tmp_path).der)
    assert revocation_addresses(made) == (("http://a.invalid/a.crl",), ())


@given(st.lists(st.binary(max_size=200), max_size=3), st.lists(st.binary(max_size=200), max_size=3))
def test_no_bytes_whatever_make_it_good_or_raise(lists, answers):
    found = judge_status(certificate("cong-dvc"), tree(), paper.NOW, crls=lists, ocsps=answers)
    assert found.status is StatusWord.UNKNOWN


@cache
def honest_lists():
    return tuple(crls())


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_list_with_one_byte_changed_is_no_evidence(place, change):
    issuing, root = honest_lists()
    signed = asn1_crl.CertificateList.load(issuing)["tbs_cert_list"].dump()
    forged = bytearray(issuing)
    forged[issuing.index(signed) + place % len(signed)] ^= change
    found = judge_status(certificate("cong-dvc"), tree(), NOW, crls=[bytes(forged), root])
    assert found.status is StatusWord.UNKNOWN
