"""Signed heads of the log: by which keys, and what is found out."""

import base64
import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pki
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from patience import PATIENCE_S

from gateway.core import chain
from gateway.core.problems import Stopped
from signing.certificates import read_certificate
from signing.heads import HEAD, Heads, read_head, sign_head
from signing.jws import signer_of
from signing.sign import SigningKey

NOW = datetime(2026, 2, 1, tzinfo=UTC)
STAND = chain.Head(1200, "ab" * 32)
SIGNERS = ("gateway", "cong-dvc", "so-tu-phap", "so-xay-dung")


def key(name):
    signer = pki.signer(name)
    return SigningKey.of(signer.key, read_certificate(signer.der))


def wrong(jws, *certificates):
    with pytest.raises(Stopped) as caught:
        read_head(jws, certificates or [key("gateway").certificate])
    (problem,) = caught.value.problems
    return problem.code, problem.facts["reason"]


@pytest.mark.parametrize("name", SIGNERS)
def test_what_was_signed_is_read_again(name):
    signing = key(name)
    jws = sign_head(STAND, signing, gateway="H19.900", at=NOW)
    head = read_head(jws, [signing.certificate])
    assert (head.number, head.hash, head.at, head.gateway) == (1200, "ab" * 32, NOW, "H19.900")
    assert signer_of(jws) == signing.fingerprint == head.fingerprint


def test_the_keys_of_the_field_sign_by_the_algorithms_of_rfc_7518():
    found = set()
    for name in SIGNERS:
        header = sign_head(STAND, key(name), gateway="H19.900", at=NOW).split(".")[0]
        found.add(json.loads(base64.urlsafe_b64decode(header + "=="))["alg"])
    assert found >= {"ES256", "RS256"}


# As the first version wrote them, by its own lines of DER and base64.
OF_OLD = {
    "gateway": (
        "eyJhbGciOiJFUzI1NiIsInR5cCI6ImxpZW50aG9uZy1sb2ctaGVhZCIsIng1dCNTMjU2IjoiOTR5WVFRWTMxMGhiLUhNVEhrUFJy"
        "NExXQkI3RGpLbERDcVFkc2NEdEZnayJ9.eyJhdCI6IjIwMjYtMDItMDFUMDA6MDA6MDArMDA6MDAiLCJnYXRld2F5IjoiSDE5Ljk"
        "wMCIsImhhc2giOiJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmF"
        "iIiwibnVtYmVyIjoxMjAwfQ.VZ8WycgpT0AozpZeWkAWBtX061wxhxJQSa7OHUzJIfGMooA50uhVFEYWcP0qs3XsGQhh57DgzZx3"
        "6flEq-zOew"
    ),
    "so-tu-phap": (
        "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpZW50aG9uZy1sb2ctaGVhZCIsIng1dCNTMjU2IjoiMFdON1VEaG5mNTQ0c1ctdUpzejZB"
        "UnAzeExYMDVWdWhlS2ItY3NzY2dFZyJ9.eyJhdCI6IjIwMjYtMDItMDFUMDA6MDA6MDArMDA6MDAiLCJnYXRld2F5IjoiSDE5Ljk"
        "wMCIsImhhc2giOiJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmF"
        "iIiwibnVtYmVyIjoxMjAwfQ.hiOkzQCwkOvGCaU8J2O1Jx8t_lXWxEhehhMHQGPihz8Vo-H3vn5wsW0uQGo7M8XNB_oqPfQtidID"
        "gwRtGUdsxE4p2boAiAmXHLih9qtvGsSQwMEOxmDGf1RL28sPhLgp1Y4BpOzWeMZzQaFbsT8NWYExbWfaLvcMwToUlbOtPYsfBuIn"
        "W6_P0n3lk6D8ESeHlPPZESQJPbRCDP1qCGf2U21CKyPy5BcP9ZSEW7cVKe35woGpAg0EnIN4doQGZRqLwRNJbN6bTiHbSty5QmW1"
        "2CxgcKqfUiWzB3YAHsDaHJfqE2-FBRGA40n4Y8rZyMwozwVnRn1SJvlEK5nOsBixMA"
    ),
    "so-xay-dung": (
        "eyJhbGciOiJFUzUxMiIsInR5cCI6ImxpZW50aG9uZy1sb2ctaGVhZCIsIng1dCNTMjU2IjoiMW94Ym1DeWNkNWNMbFZGQlYzckRC"
        "RXNIdmRraHdQOU9LMVNtaUF6NHlwVSJ9.eyJhdCI6IjIwMjYtMDItMDFUMDA6MDA6MDArMDA6MDAiLCJnYXRld2F5IjoiSDE5Ljk"
        "wMCIsImhhc2giOiJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmF"
        "iIiwibnVtYmVyIjoxMjAwfQ.AD7Ab-su1Qz1uSWCY48IFq75NkFsA6x5GERJ3rbesiVyQvn1VMVLuei_XvgbOXEvVPKaIsb-xJao"
        "BW_Abtbo3t2GAcglGDG8Jz92EeUY84SYyZaPC9iKnxaB4AmbnhsJWxAZA2uxOyY8Wtf65Yzv-CgxZ7AJAGirXqvkT3mUOUDZEcli"
    ),
}


@pytest.mark.parametrize("name", OF_OLD)
def test_a_head_that_somebody_has_kept_for_long_is_still_read(name):
    signing = key(name)
    head = read_head(OF_OLD[name], [signing.certificate])
    assert (head.number, head.hash, head.at, head.fingerprint) == (1200, "ab" * 32, NOW, signing.fingerprint)
    again = sign_head(STAND, signing, gateway="H19.900", at=NOW)
    assert again.rpartition(".")[0] == OF_OLD[name].rpartition(".")[0], "the same bytes are signed"
    if name == "so-tu-phap":  # RSA has one signature for the same bytes
        assert again == OF_OLD[name]


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not here")
@pytest.mark.parametrize("name", ["gateway", "cong-dvc"])
def test_another_tool_verifies_a_head(name):
    jws = sign_head(STAND, key(name), gateway="H19.900", at=NOW)
    script = """
        const [jws, pem] = process.argv.slice(1);
        const crypto = require('crypto'), parts = jws.split('.');
        const key = new crypto.X509Certificate(require('fs').readFileSync(pem)).publicKey;
        const how = {key, dsaEncoding: 'ieee-p1363'};
        const value = Buffer.from(parts[2], 'base64url');
        console.log(crypto.verify('sha256', Buffer.from(parts[0] + '.' + parts[1]), how, value));
    """
    command = ["node", "-e", script, jws, str(pki.signer(name).cert_pem)]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout.strip() == "true"
    )


def forged(jws, part, change):
    """The head with one part changed as JSON."""
    parts = jws.split(".")
    row = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    change(row)
    parts[part] = base64.urlsafe_b64encode(json.dumps(row).encode()).rstrip(b"=").decode()
    return ".".join(parts)


def test_nothing_of_a_head_can_be_changed():
    jws = sign_head(STAND, key("gateway"), gateway="H19.900", at=NOW)
    assert wrong(forged(jws, 1, lambda row: row.update(number=1201)))[1] == "signature"
    assert wrong(forged(jws, 1, lambda row: row.update(hash="cd" * 32)))[1] == "signature"
    assert wrong(forged(jws, 1, lambda row: row.update(gateway="H19.901")))[1] == "signature"
    assert wrong(forged(jws, 1, lambda row: row.update(at="2010-01-01T00:00:00+00:00")))[1] == "outside-validity"
    assert wrong(forged(jws, 0, lambda row: row.update(alg="none")))[1] == "algorithm"
    assert wrong(forged(jws, 0, lambda row: row.update(alg="HS256")))[1] == "algorithm"
    assert wrong(forged(jws, 0, lambda row: row.update(typ="JWT")))[1] == "unreadable"
    assert wrong(jws[:-4] + "AAAA")[1] == "signature"
    assert wrong(jws, key("cong-dvc").certificate) == ("SIG-134", "unknown-certificate")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.b",
        "a.b.c",
        "e30=.e30.AA",
        "e30.e30!.AA",
        "....",
        "e30.e30.e30",
        "x" * 9000,
        "ế.b.c",
        "W10.W10.W10",
        "bnVsbA.bnVsbA.AA",
    ],
)
def test_what_is_no_head_is_refused(text):
    assert wrong(text) == ("SIG-134", "unreadable")
    assert signer_of(text) is None


def line(before, number, what="message.accepted", facts=None):
    entry = chain.LogEntry(number=number, at=NOW, who="gateway", what=what, facts=facts or {})
    return replace(entry, hash=chain.link(before, entry))


def log_with_head(change=lambda facts: facts):
    first = line(chain.GENESIS.hash, 1)
    second = line(first.hash, 2)
    jws = sign_head(chain.Head(1, first.hash), key("gateway"), gateway="H19.900", at=NOW)
    third = line(second.hash, 3, HEAD, change({"number": 1, "hash": first.hash, "jws": jws}))
    return [first, second, third]


def walked(entries):
    heads = Heads([key("gateway").certificate])
    assert list(heads.through(entries)) == entries
    return heads


def test_heads_are_read_while_the_chain_is_walked():
    heads = walked(log_with_head())
    assert (heads.seen, heads.newest.number, heads.wrong) == (1, 1, [])


def test_a_head_of_another_chain_and_a_head_that_lies_are_found_out():
    other = sign_head(chain.Head(1, "00" * 32), key("gateway"), gateway="H19.900", at=NOW)
    assert walked(log_with_head(lambda f: f | {"jws": other, "hash": "00" * 32})).wrong == [(3, "another-chain")]
    assert walked(log_with_head(lambda f: f | {"number": 2})).wrong == [(3, "another-chain")]
    stranger = sign_head(chain.Head(1, "00" * 32), key("cong-dvc"), gateway="H19.900", at=NOW)
    assert walked(log_with_head(lambda f: f | {"jws": stranger})).wrong == [(3, "unknown-certificate")]


def test_every_curve_of_the_profile_signs():
    for made in (ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP521R1())):
        signing = of(made)
        head = read_head(sign_head(STAND, signing, gateway="H19.900", at=NOW), [signing.certificate])
        assert head.hash == STAND.hash


def of(made):
    """A key with a certificate of its own."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    assert isinstance(made, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "thử")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(made.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(made, hashes.SHA256())
    )
    return SigningKey.of(made, read_certificate(certificate.public_bytes(serialization.Encoding.DER)))
