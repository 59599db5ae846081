"""What a certificate says, read once: names, dates, key, uses. And our own rules for one that signs messages."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import SignatureAlgorithmOID

from signing.uris import CURVES
from signing.verdict import SignatureFlaw

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
    flaws: tuple[Unfit, ...] = field(init=False, repr=False, compare=False)  # what unfit() says of it
    #: What a verdict tells of it, JSON-able. All verdicts share it, so nobody may change it.
    facts: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """What never changes of it is found once."""
        object.__setattr__(self, "flaws", tuple(unfit(self)))
        facts = {
            "fingerprint": self.fingerprint,
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "key": f"{self.family}-{self.bits}",
        }
        object.__setattr__(self, "facts", facts)

    def within(self, at: datetime) -> bool:
        """Whether the certificate's own dates hold at this time."""
        return self.not_before <= at <= self.not_after


_SMALL: Final = 8192  # bytes; real ones have one or two thousand, and what a stranger sends is not kept at any size
_KEPT: Final = 256


def read_certificate(der: bytes) -> Certificate:
    """The facts of a DER certificate. Raises Unreadable for anything else, whatever the library thinks of it.

    The same few are met again and again: those of the parties in every new registry, and above them the authorities.
    """
    return _read_once(der) if len(der) <= _SMALL else _read_any(der)


@lru_cache(_KEPT)
def _read_once(der: bytes) -> Certificate:
    return _read_any(der)


def _read_any(der: bytes) -> Certificate:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return _read(der, x509.load_der_x509_certificate(der))
            except x509.DuplicateExtension:
                raise
            except Exception:  # noqa: BLE001 - what the strict reader does not take may still be a certificate
                return _read(der, x509.load_der_x509_certificate(_reading_copy(der)))
    except x509.DuplicateExtension as error:  # RFC 5280, 4.2: never; and which of the two counts would be a guess
        raise Unreadable(f"extension {error.oid.dotted_string} stands twice") from error
    except Exception as error:
        raise Unreadable(type(error).__name__) from error


_PRINTABLE: Final = re.compile(rb"[A-Za-z0-9 '()+,\-./:=?]*")


def _reading_copy(der: bytes) -> bytes:
    """The certificate with what authorities of the field write wrongly put right, for reading alone.

    ``@``, ``_`` or UTF-8 in a PrintableString stand as UTF-8, a serial number of zero or less as another of its length.
    Fingerprint, serial, chain and signature are always those of the bytes that were given.
    """
    paper = asn1_x509.Certificate.load(der, strict=True)
    body = paper["tbs_certificate"]
    copy = der
    for name in (body["issuer"], body["subject"]):
        for part in name.chosen:
            for pair in part:
                written = getattr(pair["value"], "chosen", pair["value"]).dump()
                text = written[-len(written) + 2 :] if written[1] < 0x80 else written[2 + (written[1] & 0x7F) :]
                if written[0] == 0x13 and not _PRINTABLE.fullmatch(text):
                    text.decode("utf-8")  # UnicodeDecodeError: in no encoding that we could know
                    copy = copy.replace(written, b"\x0c" + written[1:])
    if paper.serial_number <= 0:
        serial = body["serial_number"].dump()
        copy = copy.replace(serial, serial[:2] + b"\x01" + serial[3:], 1)
    return copy


def _read(der: bytes, certificate: x509.Certificate) -> Certificate:
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
        serial=f"{asn1_x509.Certificate.load(der).serial_number:x}",
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


class Unfit(NamedTuple):
    """Why a certificate may not sign messages."""

    code: str
    facts: dict[str, object]
    flaw: SignatureFlaw


def unfit(certificate: Certificate) -> Iterator[Unfit]:
    """Why this certificate may not sign messages at any time; nothing when it may."""
    yield from _unfit_key(certificate)
    if certificate.digital_signature is False:
        yield Unfit("SIG-055", {}, SignatureFlaw.NO_SIGNING)
    if certificate.uses is not None and not {use for use in certificate.uses if use not in _OTHER}:
        yield Unfit("SIG-056", {"uses": sorted(certificate.uses)}, SignatureFlaw.OTHER_PURPOSE)
    if certificate.is_ca:
        yield Unfit("SIG-057", {}, SignatureFlaw.OTHER_PURPOSE)
    if certificate.unknown:
        yield Unfit("SIG-066", {"extensions": list(certificate.unknown)}, SignatureFlaw.OTHER_PURPOSE)
    if certificate.weak_signature:
        yield Unfit("SIG-058", {"algorithm": certificate.signature_algorithm}, SignatureFlaw.KEY)


def _unfit_key(certificate: Certificate) -> Iterator[Unfit]:
    match certificate.family:
        case "rsa":
            if certificate.bits < RSA_BITS:
                yield Unfit("SIG-034", {"bits": certificate.bits, "least": RSA_BITS}, SignatureFlaw.KEY)
        case "ec":
            if certificate.curve not in CURVES:
                yield Unfit("SIG-037", {"curve": certificate.curve}, SignatureFlaw.KEY)
        case other:
            yield Unfit("SIG-037", {"curve": other}, SignatureFlaw.KEY)


_OTHER: Final = frozenset(oid.dotted_string for oid in _OTHER_USES)
