"""XAdES B-T: a time-stamp is over the signature value, by a service that a tree vouches for, at a possible time."""

import asyncio
import base64
import os
from datetime import timedelta

import attacks
import paper
import pki
import pytest
import server
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from paper import HS05, NOW, World, party
from patience import PATIENCE_S

from connectors.pki import NotFetched, Pki
from gateway.core.parties import SignaturePolicy
from gateway.core.problems import ProblemOutcome
from signing.sign import Variant, sign
from signing.timestamp import BadStamp, read_stamp
from signing.trust import CertificateStatus, StatusWord, load_tree
from signing.uris import C14N_10, C14N_11, EXC_C14N

EACH = 1 if os.environ.get("LIENTHONG_ALL_ATTACKS") else 5  # of the attacks every fifth; all of them: make attacks


def tree(name):
    return load_tree(name, b"".join(c.public_bytes(Encoding.PEM) for c in pki.tree_certificates(name)))


TREES = [tree(name) for name in pki.TREES]


def stamped(variant=None, at=NOW, body=HS05, signer="so-tu-phap", **stamp):
    return sign(body, paper.key(signer), variant or Variant(), at=NOW, stamper=server.stamper(at, **stamp))


def there(trees=TREES, verdicts=(), signer="so-tu-phap", **policy):
    return World(party(signer, policy=SignaturePolicy(**policy)), trees=trees, verdicts=verdicts)


@pytest.mark.parametrize("lang", [False, True], ids=["plain", "xml:lang"])
@pytest.mark.parametrize("prefix", ["ds", ""])
@pytest.mark.parametrize("c14n", [EXC_C14N, C14N_10, C14N_11], ids=["exclusive", "inclusive 1.0", "inclusive 1.1"])
def test_a_time_stamp_is_accepted_and_reported(c14n, prefix, lang):
    body = HS05.replace(b'phongbi/1.0">', b'phongbi/1.0" xml:lang="vi">') if lang else HS05
    attested = there(timestamp=True).judge(stamped(Variant(canonicalisation=c14n, prefix=prefix), body=body))
    assert attested.doubts == ()
    assert attested.verdict["facts"]["form"] == "xades-b-t"
    (stamp,) = attested.verdict["facts"]["timestamps"]
    assert (stamp["time"], stamp["tree"]) == (NOW.isoformat(), "quoc-gia")
    assert stamp["fingerprint"] == pki.signer("tsa").fingerprint


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_longer_hashes_are_accepted(algorithm):
    assert there().codes(stamped(algorithm=algorithm)) == []


def test_without_a_canonicalisation_method_it_is_canonical_xml_1_0():
    body = stamped(Variant(canonicalisation=C14N_10))
    method = b'<ds:CanonicalizationMethod Algorithm="' + C14N_10.encode() + b'"/>'
    head, tail = body.split(b"<xades:SignatureTimeStamp>")
    assert there().codes(head + b"<xades:SignatureTimeStamp>" + tail.replace(method, b"", 1)) == []


def test_a_service_that_no_tree_vouches_for_is_noted_and_refused_where_a_time_stamp_is_demanded():
    body = stamped()
    (doubt,) = there(trees=[]).judge(body).doubts
    assert (doubt.code, doubt.outcome) == ("SIG-084", ProblemOutcome.NOTE)
    assert there(trees=[], timestamp=True).codes(body) == ["SIG-083"]


def test_a_revoked_service_does_not_count():
    revoked = CertificateStatus(
        fingerprint=pki.signer("tsa").fingerprint,
        status=StatusWord.BAD,
        as_of=NOW,
        until=None,
        reason="revoked",
        revoked_at=NOW - timedelta(days=1),
    )
    assert there(verdicts=[revoked], timestamp=True).codes(stamped()) == ["SIG-083"]


@pytest.mark.threat("T-XADES")
@pytest.mark.parametrize("signer", ["gateway-rsa", "so-tu-phap-2"])
def test_a_certificate_that_is_not_for_time_stamping_is_no_service(signer):
    body = sign(HS05, paper.key(), Variant(), at=NOW, stamper=server.stamper(NOW, signer=signer))
    assert there(timestamp=True).codes(body) == ["SIG-083"]


@pytest.mark.threat("T-XADES")
def test_a_time_stamp_of_something_else_is_refused():
    other = sign(HS05, paper.key(), Variant(), at=NOW, stamper=lambda _: server.stamper(NOW)(b"khac"))
    assert there().codes(other) == ["SIG-080"]
    first, second = stamped(), stamped()
    token = second.split(b"<xades:EncapsulatedTimeStamp>")[1].split(b"</")[0]
    head, tail = first.split(b"<xades:EncapsulatedTimeStamp>")
    mixed = head + b"<xades:EncapsulatedTimeStamp>" + token + b"</" + tail.split(b"</", 1)[1]
    assert there().codes(mixed) == ["SIG-080"]


@pytest.mark.parametrize(
    ("time", "code"), [(NOW + timedelta(minutes=6), "SIG-081"), (NOW - timedelta(minutes=6), "SIG-081")]
)
def test_a_time_stamp_from_an_impossible_time_is_refused(time, code):
    """From the future of the receipt; from before the signer says it signed."""
    assert there().codes(stamped(at=time)) == [code]


@pytest.mark.parametrize("junk", [b"", b"\x30\x00", b"\x30\x80", bytes(500), b"\x30\x82\xff\xff" + bytes(100)])
def test_junk_is_no_time_stamp(junk):
    with pytest.raises(BadStamp):
        read_stamp(junk, b"x", TREES)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_token_with_one_byte_changed_is_refused_or_says_the_same(place, change):
    token, octets, honest = _token()
    forged = bytearray(token)
    forged[place % len(forged)] ^= change
    try:
        found = read_stamp(bytes(forged), octets, TREES)
    except BadStamp:
        return
    assert found.time == honest.time
    assert found.tree is None or found == honest


def _token(cache=[]):  # noqa: B006 - made once
    if not cache:
        octets = b"octets"
        token = server.stamper(NOW)(octets)
        cache.append((token, octets, read_stamp(token, octets, TREES)))
    return cache[0]


def test_no_attack_on_a_time_stamped_message_is_accepted():
    seed = attacks.Seed(stamped(), paper.key(), paper.key("stranger"), "http://127.0.0.1:9/")
    world = there()
    assert world.codes(seed.body) == []
    made = attacks.attacks(seed)
    accepted = [attack.name for attack in made[::EACH] if not world.codes(attack.body)]
    assert (accepted, len(made) >= 250) == ([], True)


def ask(authority, octets=b"octets"):
    async def go():
        async with Pki(timeout_s=0.3 if authority.fault == "slow" else PATIENCE_S, private_addresses=True) as pki_:
            return await pki_.timestamp(authority.tsa, octets)

    return asyncio.run(go())


def test_a_real_service_is_asked_over_http():
    with server.serve(NOW) as authority:
        stamp = read_stamp(ask(authority), b"octets", TREES)
        assert (stamp.time, stamp.tree) == (NOW, "quoc-gia")
        body = sign(HS05, paper.key(), at=NOW, stamper=lambda octets: ask(authority, octets))
    assert there(timestamp=True).codes(body) == []


@pytest.mark.parametrize("fault", ["down", "slow", "garbage", "empty", "huge", "status-500", "redirect"])
def test_a_service_that_fails_says_so(fault):
    with server.serve(NOW) as authority, pytest.raises(NotFetched):
        authority.fault = fault
        ask(authority)


def test_a_service_that_stamps_something_else_is_found_out():
    with server.serve(NOW) as authority:
        authority.fault = "wrong-imprint"
        with pytest.raises(BadStamp):
            read_stamp(ask(authority), b"octets", TREES)


def test_the_token_in_the_document_is_plain_base64_of_der():
    token = stamped().split(b"<xades:EncapsulatedTimeStamp>")[1].split(b"</")[0]
    assert base64.b64decode(token)[:1] == b"\x30"
