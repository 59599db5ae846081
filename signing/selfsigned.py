"""A fresh key with a self-signed certificate: for a new node, a sandbox, an integrator's first try."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

NAME_CHARS = 64  # ub-common-name of RFC 5280
_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=True,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _subject(name: str, identifier: str | None) -> x509.Name:
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
        x509.NameAttribute(NameOID.COMMON_NAME, name[:NAME_CHARS]),
    ]
    if identifier is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, identifier))
    return x509.Name(attributes)


def fresh_key(name: str, at: datetime, *, days: int = 730, identifier: str | None = None) -> tuple[bytes, bytes]:
    """A new ECDSA P-256 key and its self-signed certificate, both PEM. The certificate begins an hour before ``at``."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name, identifier)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(hours=1))
        .not_valid_after(at + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, certificate.public_bytes(Encoding.PEM)


def request_of(private_pem: bytes, name: str, *, identifier: str | None = None) -> bytes:
    """A request (PKCS#10, PEM) for a certificate of this key, for signing only."""
    key = load_pem_private_key(private_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not a key of fresh_key()")
    request = x509.CertificateSigningRequestBuilder().subject_name(_subject(name, identifier))
    return request.add_extension(_USAGE, critical=True).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
