"""Evidence as authorities of the field write it, and as nobody should: OCSP answers and CRLs made octet by octet.

The responder of ``server`` answers one question with one answer that has an end. Real ones answer several at once, name
certificates by other digests, leave nextUpdate out, delegate to a key whose own status must be asked, or contradict
themselves; ``answer`` and ``crl`` write all of that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pki
from asn1crypto import algos, core
from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Single:
    """One SingleResponse."""

    serial: int
    issuer: str = "issuing-b"
    word: str = "good"
    revoked_at: datetime | None = None  # given: revoked, whatever the word
    digest: str = "sha1"  # of the CertID
    since: datetime = NOW - HOUR
    until: datetime | None = NOW + 23 * HOUR  # None: no nextUpdate
    key_of: str | None = None  # whose key the CertID names; None: the issuer's

    def value(self) -> dict[str, object]:
        """As asn1crypto writes it."""
        issuer = _certificate(self.issuer)
        key = _certificate(self.key_of or self.issuer).public_key["public_key"]
        status: object = asn1_ocsp.CertStatus(
            name=self.word, value=asn1_ocsp.StatusGood() if self.word == "good" else core.Null()
        )
        if self.revoked_at is not None:
            info = {"revocation_time": self.revoked_at.replace(microsecond=0), "revocation_reason": "key_compromise"}
            status = asn1_ocsp.CertStatus(name="revoked", value=asn1_ocsp.RevokedInfo(info))
        elif self.word == "unknown":
            status = asn1_ocsp.CertStatus(name="unknown", value=asn1_ocsp.StatusUnknown())
        return {
            "cert_id": {
                "hash_algorithm": {"algorithm": self.digest},
                "issuer_name_hash": hashlib.new(self.digest, issuer.subject.dump()).digest(),
                "issuer_key_hash": hashlib.new(self.digest, bytes(key)).digest(),
                "serial_number": self.serial,
            },
            "cert_status": status,
            "this_update": self.since.replace(microsecond=0),
            **({} if self.until is None else {"next_update": self.until.replace(microsecond=0)}),
        }


def answer(*singles: Single, signer: pki.Signer, by: str = "key", carried: bool = True) -> bytes:
    """An OCSP response with these answers, DER. ``by``: how it names its signer, "key" or "name"."""
    own = asn1_x509.Certificate.load(signer.der)
    named: object = asn1_ocsp.ResponderId(name="by_name", value=own.subject)
    if by == "key":
        digest = hashlib.sha1(bytes(own.public_key["public_key"])).digest()
        named = asn1_ocsp.ResponderId(name="by_key", value=core.OctetString(digest))
    data = asn1_ocsp.ResponseData(
        {
            "responder_id": named,
            "produced_at": max(single.since for single in singles).replace(microsecond=0),
            "responses": [single.value() for single in singles],
        }
    )
    algorithm, signature = _sign(data.dump(), signer.key)
    basic = {"tbs_response_data": data, "signature_algorithm": algorithm, "signature": signature}
    if carried:
        basic["certs"] = [own]
    body = {"response_type": "basic_ocsp_response", "response": asn1_ocsp.BasicOCSPResponse(basic)}
    made: bytes = asn1_ocsp.OCSPResponse({"response_status": "successful", "response_bytes": body}).dump()
    return made


def crl(
    issuer: str,
    revoked: Mapping[int, datetime] | None = None,
    *,
    since: datetime = NOW - HOUR,
    until: datetime | None = NOW + 23 * HOUR,
    signer: str | None = None,
) -> bytes:
    """A revocation list, DER; ``until`` None: no nextUpdate."""
    key = pki.maker.load_key(signer or issuer)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(pki.certificate(issuer).subject)
        .last_update(since)
        .next_update(until or since + HOUR)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(pki.certificate(issuer).public_key()), critical=False
        )
    )
    for serial, when in (revoked or {}).items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
        builder = builder.add_revoked_certificate(entry.build())
    made = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return made if until is not None else without_end(made, signer or issuer)


def without_end(made: bytes, signer: str) -> bytes:
    """The same list without nextUpdate, signed again."""
    paper = asn1_crl.CertificateList.load(made)
    del paper["tbs_cert_list"]["next_update"]
    algorithm, signature = _sign(paper["tbs_cert_list"].dump(force=True), pki.maker.load_key(signer))
    paper["tbs_cert_list"]["signature"] = algorithm
    algorithm, signature = _sign(paper["tbs_cert_list"].dump(force=True), pki.maker.load_key(signer))
    paper["signature_algorithm"], paper["signature"] = algorithm, signature
    signed: bytes = paper.dump(force=True)
    return signed


def _stranger(own: Single) -> Single:
    return replace(own, serial=own.serial ^ 1, revoked_at=None)


# What a responder that misbehaves answers where ``own`` is the answer that was asked for.
FAULTS: Mapping[str, Callable[[Single], tuple[Single, ...]]] = {
    "no-next-update": lambda own: (replace(own, until=None),),
    "stranger-first": lambda own: (replace(_stranger(own), word="unknown"), own),
    "good-and-revoked": lambda own: (own, replace(own, revoked_at=own.since)),
}


def _certificate(name: str) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(pki.certificate(name).public_bytes(Encoding.DER))


def _sign(octets: bytes, key: object) -> tuple[algos.SignedDigestAlgorithm, bytes]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}), key.sign(octets, ec.ECDSA(hashes.SHA256()))
    return (
        algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"}),
        key.sign(octets, padding.PKCS1v15(), hashes.SHA256()),  # type: ignore[attr-defined]
    )
