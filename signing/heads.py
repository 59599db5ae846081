"""Signed heads of the log: what the gateway says, under its signature, of where its chain stood at one time.

A head is a JWS in compact form (RFC 7515), so that whoever keeps one can check it with any tool that knows JWS: ES256,
ES384, ES512 or RS256 by the gateway's key, the certificate named by ``x5t#S256``. A chain that was rewritten from its
beginning, or cut at its end, no longer goes through the heads that others hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWS, PyJWTError
from jwt.algorithms import NoneAlgorithm
from jwt.utils import base64url_decode, base64url_encode

from gateway.core import chain
from gateway.core.problems import Problem, Stopped
from signing.certificates import Certificate
from signing.sign import SigningKey

HEAD: Final = "log.head"  # what a line of the log says that holds one
TYPE: Final = "lienthong-log-head"
_CURVES: Final = {ec.SECP256R1.name: "ES256", ec.SECP384R1.name: "ES384", ec.SECP521R1.name: "ES512"}
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
    payload = {
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "gateway": gateway,
        "hash": head.hash,
        "number": head.number,
    }
    jws = PyJWS(algorithms=[])
    jws.register_algorithm(algorithm, _InHand(key, algorithm))
    return jws.encode(
        json.dumps(payload, sort_keys=True, separators=(",", ":")).encode(),
        "",
        algorithm,
        {"typ": TYPE, "x5t#S256": base64url_encode(bytes.fromhex(key.fingerprint)).decode()},
    )


class _InHand(NoneAlgorithm):
    """A key of ours, which may lie in a token. Of the library's algorithms the one that brings nothing: it proves nothing."""

    def __init__(self, key: SigningKey, algorithm: str) -> None:
        self._key = key
        self._family = "rsa" if algorithm == "RS256" else "ecdsa"
        self._bits = _BITS[algorithm]

    def sign(self, msg: bytes, key: Any) -> bytes:  # noqa: ARG002 - the library's signature; what it hands on is no key
        return self._key.raw(msg, self._family, self._bits)


def signer_of(jws: str) -> str | None:
    """The fingerprint of the certificate that a head names; None where it names none."""
    try:
        return _named(PyJWS().get_unverified_header(jws))
    except (PyJWTError, ValueError, KeyError, TypeError, AttributeError):
        return None


def read_head(jws: str, certificates: Iterable[Certificate]) -> SignedHead:
    """A head, by one of these certificates. Raises Stopped (SIG-134) saying what is wrong with it."""
    known = {one.fingerprint: one for one in certificates}
    try:
        if len(jws) > _LONGEST or not jws.isascii():
            raise ValueError("length")
        read = PyJWS().decode_complete(jws, options={"verify_signature": False})
        header, payload = read["header"], json.loads(read["payload"])
        algorithm, fingerprint = header["alg"], _named(header)
        found = SignedHead(
            number=payload["number"],
            hash=payload["hash"],
            at=datetime.fromisoformat(payload["at"]),
            gateway=payload["gateway"],
            fingerprint=fingerprint,
        )
        if header["typ"] != TYPE or type(found.number) is not int or found.at.tzinfo is None:
            raise ValueError("type")
    except (PyJWTError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Stopped(Problem("SIG-134", {"number": "–", "reason": "unreadable"})) from error
    certificate = known.get(fingerprint)
    if certificate is None:
        _wrong(found.number, "unknown-certificate")
    if algorithm != _algorithm(certificate):
        _wrong(found.number, "algorithm")
    if not certificate.within(found.at):
        _wrong(found.number, "outside-validity")
    try:
        PyJWS().decode(jws, _public_key(certificate), [algorithm])
    except PyJWTError as error:
        raise Stopped(Problem("SIG-134", {"number": found.number, "reason": "signature"})) from error
    return found


class Heads:
    """Reads the signed heads that stand in a log, while somebody else walks through it."""

    def __init__(self, certificates: Iterable[Certificate]) -> None:
        """``certificates``: those by which the gateway may have signed."""
        self.certificates = tuple(certificates)
        self.seen = 0
        self.newest: SignedHead | None = None  # the last one that holds
        self.newest_text: str | None = None  # as it was signed
        self.wrong: list[tuple[int, str]] = []  # lines whose head does not hold, and why; the first of them
        self._hashes: dict[int, str] = {}

    def through(self, entries: Iterable[chain.LogEntry]) -> Iterator[chain.LogEntry]:
        """The same entries; what they say of heads is read on the way."""
        for entry in entries:
            self._hashes[entry.number] = entry.hash
            self._hashes.pop(entry.number - _REMEMBERED, None)
            if entry.what == HEAD:
                self.read(entry, self._hashes.get)
            yield entry

    def read(self, entry: chain.LogEntry, hash_of: Callable[[int], str | None]) -> None:
        """One line that holds a head; ``hash_of`` gives the hash of an earlier line of the same log."""
        self.seen += 1
        text = str(entry.facts.get("jws", ""))
        try:
            head = read_head(text, self.certificates)
        except Stopped as stop:
            reason = str(stop.problems[0].facts["reason"])
        else:
            stated = (entry.facts.get("number"), entry.facts.get("hash"))
            if (head.number, head.hash) == stated and hash_of(head.number) == head.hash:
                self.newest, self.newest_text = head, text
                return
            reason = "another-chain"
        if len(self.wrong) < _MOST_WRONG:
            self.wrong.append((entry.number, reason))


def _public_key(certificate: Certificate) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    key = certificate.x509.public_key()
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return key
    raise ValueError("a key that signs neither by RSA nor on a curve")


def _algorithm(certificate: Certificate) -> str:
    key = _public_key(certificate)
    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if key.curve.name not in _CURVES:
        raise ValueError("a curve that is none of NIST's")
    return _CURVES[key.curve.name]


def _named(header: dict[str, Any]) -> str:
    """The fingerprint of the certificate that a header names."""
    return base64url_decode(header["x5t#S256"]).hex()


def _wrong(number: int, reason: str) -> NoReturn:
    raise Stopped(Problem("SIG-134", {"number": number, "reason": reason}))
