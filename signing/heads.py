"""Signed heads of the log: what the gateway says, under its signature, of where its chain stood at one time.

A head is a JWS in compact form (RFC 7515), so that whoever keeps one can check it with any tool that knows JWS: ES256,
ES384, ES512 or RS256 by the gateway's key, the certificate named by ``x5t#S256``. A chain that was rewritten from its
beginning, or cut at its end, no longer goes through the heads that others hold.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.core import chain
from gateway.core.problems import Problem, Stopped
from signing.certificates import Certificate
from signing.sign import SigningKey

HEAD: Final = "log.head"  # what a line of the log says that holds one
TYPE: Final = "lienthong-log-head"
_CURVES: Final = {
    "ES256": (256, 32, hashes.SHA256()),
    "ES384": (384, 48, hashes.SHA384()),
    "ES512": (521, 66, hashes.SHA512()),
}
_BITS: Final = {"ES256": 256, "ES384": 384, "ES512": 512, "RS256": 256}
_LONGEST: Final = 8192
_MOST_WRONG: Final = 100
_REMEMBERED: Final = 65_536  # lines between a head and the line that holds it: as many as others wrote meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head whose signature holds."""

    number: int
    hash: str
    at: datetime
    gateway: str
    fingerprint: str  # of the certificate, SHA-256 of the DER, lower-case hex


def sign_head(head: chain.Head, key: SigningKey, *, gateway: str, at: datetime) -> str:
    """The head under the gateway's signature, as JWS in compact form."""
    algorithm = _algorithm(key.certificate)
    header = {"alg": algorithm, "typ": TYPE, "x5t#S256": _b64(bytes.fromhex(key.fingerprint))}
    payload = {
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "gateway": gateway,
        "hash": head.hash,
        "number": head.number,
    }
    signed = f"{_b64(_json(header))}.{_b64(_json(payload))}"
    family = "rsa" if algorithm == "RS256" else "ecdsa"
    return f"{signed}.{_b64(key.raw(signed.encode(), family, _BITS[algorithm]))}"


def signer_of(jws: str) -> str | None:
    """The fingerprint of the certificate that a head names; None where it names none."""
    try:
        return _unb64(json.loads(_unb64(jws.split(".", maxsplit=1)[0]))["x5t#S256"]).hex()
    except (ValueError, KeyError, TypeError):
        return None


def read_head(jws: str, certificates: Iterable[Certificate]) -> SignedHead:
    """A head, by one of these certificates. Raises Stopped (SIG-134) saying what is wrong with it."""
    known = {one.fingerprint: one for one in certificates}
    try:
        if len(jws) > _LONGEST or not jws.isascii():
            raise ValueError("length")
        first, second, third = jws.split(".")
        header, payload, value = json.loads(_unb64(first)), json.loads(_unb64(second)), _unb64(third)
        algorithm, fingerprint = header["alg"], _unb64(header["x5t#S256"]).hex()
        found = SignedHead(
            number=payload["number"],
            hash=payload["hash"],
            at=datetime.fromisoformat(payload["at"]),
            gateway=payload["gateway"],
            fingerprint=fingerprint,
        )
        if header["typ"] != TYPE or type(found.number) is not int or found.at.tzinfo is None:
            raise ValueError("type")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Stopped(Problem("SIG-134", {"number": "–", "reason": "unreadable"})) from error
    certificate = known.get(fingerprint)
    if certificate is None:
        _wrong(found.number, "unknown-certificate")
    if algorithm != _algorithm(certificate):
        _wrong(found.number, "algorithm")
    if not certificate.within(found.at):
        _wrong(found.number, "outside-validity")
    try:
        _check(certificate, algorithm, f"{first}.{second}".encode(), value)
    except (InvalidSignature, ValueError) as error:
        raise Stopped(Problem("SIG-134", {"number": found.number, "reason": "signature"})) from error
    return found


class Heads:
    """Reads the signed heads that stand in a log, while somebody else walks through it."""

    def __init__(self, certificates: Iterable[Certificate]) -> None:
        """``certificates``: those by which the gateway may have signed."""
        self.certificates = tuple(certificates)
        self.seen = 0
        self.newest: SignedHead | None = None  # the last one that holds
        self.wrong: list[tuple[int, str]] = []  # lines whose head does not hold, and why; the first of them
        self._hashes: dict[int, str] = {}

    def through(self, entries: Iterable[chain.LogEntry]) -> Iterator[chain.LogEntry]:
        """The same entries; what they say of heads is read on the way."""
        for entry in entries:
            self._hashes[entry.number] = entry.hash
            self._hashes.pop(entry.number - _REMEMBERED, None)
            if entry.what == HEAD:
                self._read(entry)
            yield entry

    def _read(self, entry: chain.LogEntry) -> None:
        self.seen += 1
        try:
            head = read_head(str(entry.facts.get("jws", "")), self.certificates)
        except Stopped as stop:
            reason = str(stop.problems[0].facts["reason"])
        else:
            stated = (entry.facts.get("number"), entry.facts.get("hash"))
            if (head.number, head.hash) == stated and self._hashes.get(head.number) == head.hash:
                self.newest = head
                return
            reason = "another-chain"
        if len(self.wrong) < _MOST_WRONG:
            self.wrong.append((entry.number, reason))


def _algorithm(certificate: Certificate) -> str:
    key = certificate.x509.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey):
        for name, (bits, _, _) in _CURVES.items():
            if key.curve.key_size == bits:
                return name
    raise ValueError("a key that signs neither by RSA nor by a NIST curve")


def _check(certificate: Certificate, algorithm: str, octets: bytes, value: bytes) -> None:
    key = certificate.x509.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(value, octets, PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        _, size, digest = _CURVES[algorithm]
        if len(value) != 2 * size:
            raise ValueError("length")
        der = encode_dss_signature(int.from_bytes(value[:size]), int.from_bytes(value[size:]))
        key.verify(der, octets, ec.ECDSA(digest))


def _wrong(number: int, reason: str) -> NoReturn:
    raise Stopped(Problem("SIG-134", {"number": number, "reason": reason}))


def _json(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, sort_keys=True, separators=(",", ":")).encode()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("base64url") from error
