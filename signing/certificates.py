"""What a certificate says, read once: names, dates, key, uses. And our own rules for one that signs messages."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import SignatureAlgorithmOID

from signing.uris import CURVES

RSA_BITS: Final = 2048  # Circular 15/2025/TT-BKHCN, Annex I

# A certificate whose only uses are among these is for something else than signing documents (threats section 5.9).
_OTHER_USES: Final = frozenset(
    {
        Eku.SERVER_AUTH,
        Eku.CLIENT_AUTH,
        Eku.CODE_SIGNING,
        Eku.TIME_STAMPING,
        Eku.OCSP_SIGNING,
        Eku.IPSEC_IKE,
        Eku.KERBEROS_PKINIT_KDC,
        Eku.CERTIFICATE_TRANSPARENCY,
    }
)

# Qualified certificates may mark their statements as critical; they limit nothing about what is signed (RFC 3739).
_READ_ELSEWHERE: Final = frozenset({x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3")})

_WEAK_SIGNATURES: Final = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_MD5,
        SignatureAlgorithmOID.RSA_WITH_SHA1,
        SignatureAlgorithmOID._RSA_WITH_SHA1,  # noqa: SLF001 - the old OIW spelling of the same
        SignatureAlgorithmOID.ECDSA_WITH_SHA1,
        SignatureAlgorithmOID.DSA_WITH_SHA1,
    }
)


class Unreadable(ValueError):
    """These bytes are no certificate that we can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The facts of one certificate."""

    der: bytes
    fingerprint: str  # SHA-256 of the DER, lower-case hex
    subject: str  # RFC 4514
    issuer: str
    serial: str  # hex
    not_before: datetime
    not_after: datetime
    family: str  # "rsa", "ec" or the name of something that we do not take
    bits: int
    curve: str | None
    digital_signature: bool | None  # keyUsage; None when the extension is absent
    content_commitment: bool  # keyUsage; once called nonRepudiation
    uses: frozenset[str] | None  # extendedKeyUsage, dotted; None when absent
    is_ca: bool
    unknown: tuple[str, ...]  # critical extensions that nobody here can read, dotted
    weak_signature: bool  # its own signature is made with MD5 or SHA-1
    signature_algorithm: str  # dotted OID of its own signature
    x509: x509.Certificate

    def within(self, at: datetime) -> bool:
        """Whether the certificate's own dates hold at this time."""
        return self.not_before <= at <= self.not_after


def read_certificate(der: bytes) -> Certificate:
    """The facts of a DER certificate. Raises Unreadable for anything else, whatever the library thinks of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(der)
    except Exception as error:
        raise Unreadable(type(error).__name__) from error


def _read(der: bytes) -> Certificate:
    certificate = x509.load_der_x509_certificate(der)
    key = certificate.public_key()
    family, bits, curve = type(key).__name__, 0, None
    if isinstance(key, rsa.RSAPublicKey):
        family, bits = "rsa", key.key_size
    elif isinstance(key, ec.EllipticCurvePublicKey):
        family, bits, curve = "ec", key.key_size, key.curve.name
    extensions = certificate.extensions
    usage: bool | None = None
    uses: frozenset[str] | None = None
    is_ca = commits = False
    unknown = []
    for extension in extensions:
        value = extension.value
        if (
            extension.critical
            and isinstance(value, x509.UnrecognizedExtension)
            and extension.oid not in _READ_ELSEWHERE
        ):
            unknown.append(extension.oid.dotted_string)
        if isinstance(value, x509.KeyUsage):
            usage = value.digital_signature
            commits = value.content_commitment
            is_ca = is_ca or value.key_cert_sign
        elif isinstance(value, x509.ExtendedKeyUsage):
            uses = frozenset(oid.dotted_string for oid in value)
        elif isinstance(value, x509.BasicConstraints):
            is_ca = is_ca or value.ca
    return Certificate(
        der=der,
        fingerprint=hashlib.sha256(der).hexdigest(),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        family=family,
        bits=bits,
        curve=curve,
        digital_signature=usage,
        content_commitment=commits,
        uses=uses,
        is_ca=is_ca,
        unknown=tuple(unknown),
        weak_signature=certificate.signature_algorithm_oid in _WEAK_SIGNATURES,
        signature_algorithm=certificate.signature_algorithm_oid.dotted_string,
        x509=certificate,
    )


def unfit(certificate: Certificate) -> Iterator[tuple[str, dict[str, object]]]:
    """Why this certificate may not sign messages at any time, as (code, facts); nothing when it may."""
    if certificate.family == "rsa" and certificate.bits < RSA_BITS:
        yield "SIG-034", {"bits": certificate.bits, "least": RSA_BITS}
    elif certificate.family == "ec" and certificate.curve not in CURVES:
        yield "SIG-037", {"curve": certificate.curve}
    elif certificate.family not in ("rsa", "ec"):
        yield "SIG-037", {"curve": certificate.family}
    if certificate.digital_signature is False:
        yield "SIG-055", {}
    if certificate.uses is not None and not {use for use in certificate.uses if use not in _OTHER}:
        yield "SIG-056", {"uses": sorted(certificate.uses)}
    if certificate.is_ca:
        yield "SIG-057", {}
    if certificate.unknown:
        yield "SIG-066", {"extensions": list(certificate.unknown)}
    if certificate.weak_signature:
        yield "SIG-058", {"algorithm": certificate.signature_algorithm}


_OTHER: Final = frozenset(oid.dotted_string for oid in _OTHER_USES)
