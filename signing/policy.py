"""What a party's signatures must be, beyond the profile that holds for everyone.

The registry says so, never the message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from gateway.core.parties import SignaturePolicy, SigningCertificate
from signing.certificates import Certificate
from signing.structure import Signature
from signing.uris import CURVES
from signing.verdict import SignatureFlaw

MESSAGE: Final = "message"  # the purpose for which a certificate is registered
CLOCK_SKEW: Final = timedelta(minutes=5)  # how far a signer's clock may be ahead of ours (threats section 5.11)


class Objection(NamedTuple):
    """What is wrong with a signature whose shape is on the list."""

    code: str
    at: etree._Element  # what it points to
    facts: Mapping[str, object]
    flaw: SignatureFlaw


def certificate_findings(
    signature: Signature, certificate: Certificate, registration: SigningCertificate | None, at: datetime
) -> Iterator[Objection]:
    """What is wrong with the certificate at this time, for signing messages. Registration None: one of our own."""
    place = signature.certificate_at
    if registration is not None:
        if MESSAGE not in registration.purposes:
            yield Objection("SIG-051", place, {"purposes": sorted(registration.purposes)}, SignatureFlaw.REGISTRATION)
        if (registration.valid_from is not None and at < registration.valid_from) or (
            registration.valid_to is not None and at > registration.valid_to
        ):
            yield Objection("SIG-052", place, {"at": _moment(at)}, SignatureFlaw.REGISTRATION)
    if at > certificate.not_after:
        yield Objection(
            "SIG-053",
            place,
            {"not_after": _moment(certificate.not_after), "at": _moment(at)},
            SignatureFlaw.OUTSIDE_VALIDITY,
        )
    if at < certificate.not_before:
        yield Objection(
            "SIG-054",
            place,
            {"not_before": _moment(certificate.not_before), "at": _moment(at)},
            SignatureFlaw.OUTSIDE_VALIDITY,
        )
    for one in certificate.flaws:
        yield Objection(one.code, place, one.facts, one.flaw)


def key_findings(signature: Signature, certificate: Certificate) -> Iterator[Objection]:
    """Whether method, key and hash belong together."""
    wanted = "ec" if signature.family == "ecdsa" else "rsa"
    if certificate.family != wanted:
        yield Objection(
            "SIG-033",
            signature.method_at,
            {"algorithm": signature.method, "key": certificate.family},
            SignatureFlaw.KEY,
        )
        return
    octets = (certificate.bits + 7) // 8 * (2 if wanted == "ec" else 1)
    if (found := len(signature.signature_value)) != octets:  # it stands in the message for all to see: no oracle
        yield Objection(
            "SIG-038",
            signature.at[1],
            {"found": found, "expected": octets, "form": _form(signature.signature_value, wanted)},
            SignatureFlaw.KEY,
        )
    # "Matching SHA-2" read with FIPS 186-5, 6.1.1: a hash at least as strong as the curve. 521 goes with 512.
    least = min(CURVES[certificate.curve][1], 512) if wanted == "ec" and certificate.curve in CURVES else 0
    if signature.bits < least:
        yield Objection(
            "SIG-035", signature.method_at, {"bits": signature.bits, "curve": certificate.curve}, SignatureFlaw.KEY
        )
    if signature.key_value is not None and signature.key_value != _own_key_value(signature.key_value[0], certificate):
        yield Objection("SIG-043", signature.at, {}, SignatureFlaw.CONTRADICTION)


def policy_findings(
    signature: Signature, registration: SigningCertificate | None, policy: SignaturePolicy, loai: str | None
) -> Iterator[Objection]:
    """Whether the signature is of the kind this party must use for this type of message."""
    methods, trees = policy.methods(loai), policy.trees_by_type.get(loai or "", ())
    if methods and signature.method not in methods:
        yield Objection(
            "SIG-032",
            signature.method_at,
            {"algorithm": signature.method, "allowed": sorted(methods)},
            SignatureFlaw.POLICY,
        )
    if trees and (registration is None or registration.tree not in trees):
        found = registration.tree if registration is not None and registration.tree is not None else "–"
        yield Objection(
            "SIG-067", signature.certificate_at, {"tree": found, "allowed": list(trees)}, SignatureFlaw.REGISTRATION
        )
    if policy.demands_xades(loai) and signature.properties is None:
        yield Objection("SIG-077", signature.at, {}, SignatureFlaw.POLICY)
    if policy.demands_timestamp(loai) and not signature.timestamps:
        yield Objection("SIG-078", signature.at, {}, SignatureFlaw.POLICY)


def time_findings(signature: Signature, certificate: Certificate, at: datetime) -> Iterator[Objection]:
    """Whether the time that the signer claims can be true.

    The certificate's digest is compared with the signed properties.
    """
    said = signature.properties or signature.claim
    if said is None:
        return
    claimed = said.signing_time
    if claimed > at + CLOCK_SKEW:
        yield Objection(
            "SIG-074",
            said.signing_time_at,
            {"claimed": _moment(claimed), "at": _moment(at)},
            SignatureFlaw.TIME_CLAIM,
        )
    elif not certificate.not_before - CLOCK_SKEW <= claimed <= certificate.not_after:
        yield Objection("SIG-075", said.signing_time_at, {"claimed": _moment(claimed)}, SignatureFlaw.TIME_CLAIM)


def annex_i(signature: Signature) -> tuple[str, ...]:
    """Where a signature departs from Annex I of Circular 15/2025/TT-BKHCN; empty when it conforms.

    Validity is another question.
    """
    deviations = []
    if signature.family == "rsa":
        deviations.append("rsa-pkcs1-v1_5")  # Annex I: RSASSA-PSS to sign
    if signature.properties is None:
        deviations.append("not-xades")  # Annex I: XAdES, EN 319 132-1
    return tuple(deviations)


def _form(value: bytes, family: str) -> str:
    """What a value of a wrong length looks like: a word of the catalogue."""
    if family == "rsa":
        return "rsa"
    if value[:1] == b"\x30" and value[1:2] == bytes([len(value) - 2]):
        return "der"
    return "padded" if len(value) % 2 == 0 and value[:1] == b"\0" else "halves"


def _moment(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def _own_key_value(kind: str, certificate: Certificate) -> tuple[str, ...] | None:
    key = certificate.x509.public_key()
    if kind == "rsa" and isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return ("rsa", _hex(numbers.n), _hex(numbers.e))
    if kind == "ec" and isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return ("ec", CURVES[key.curve.name][0], point.hex())
    return None


def _hex(number: int) -> str:
    return number.to_bytes((number.bit_length() + 7) // 8, "big").hex()
