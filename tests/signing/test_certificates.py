"""What a certificate says of itself."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from signing.certificates import read_certificate, unfit
from signing.verdict import SignatureFlaw

NOBODY_KNOWS, QC_STATEMENTS = "1.3.6.1.4.1.99999.1", "1.3.6.1.5.5.7.1.3"


def certificate(oid=QC_STATEMENTS, *, critical=False, key=None):
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x30\x00"), critical=critical)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return read_certificate(made.public_bytes(Encoding.DER))


@pytest.mark.threat("T-CERTIFICATE")
@pytest.mark.parametrize(
    ("oid", "critical", "told"),
    [
        (NOBODY_KNOWS, True, [("SIG-066", {"extensions": [NOBODY_KNOWS]}, SignatureFlaw.OTHER_PURPOSE)]),
        (NOBODY_KNOWS, False, []),
        (QC_STATEMENTS, True, []),
    ],
)
def test_a_critical_extension_that_nobody_knows_makes_a_certificate_unfit(oid, critical, told):
    """RFC 5280, 4.2: who does not know a critical extension must refuse the certificate."""
    assert list(unfit(certificate(oid, critical=critical))) == told


@pytest.mark.parametrize(
    ("key", "curve"),
    [
        (ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519PublicKey"),
    ],
)
def test_a_key_of_a_kind_that_is_not_accepted_makes_a_certificate_unfit(key, curve):
    assert list(unfit(certificate(key=key))) == [("SIG-037", {"curve": curve}, SignatureFlaw.KEY)]
