"""Statements under the gateway's signature, as JWS in compact form (RFC 7515): what any tool that knows JWS can check.

ES256, ES384, ES512 or RS256 by the gateway's key, the certificate named by ``x5t#S256``, the kind of statement by ``typ``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt import PyJWS, PyJWTError
from jwt.algorithms import NoneAlgorithm
from jwt.utils import base64url_decode, base64url_encode

from signing.certificates import Certificate
from signing.sign import SigningKey

_CURVES: Final = {ec.SECP256R1.name: "ES256", ec.SECP384R1.name: "ES384", ec.SECP521R1.name: "ES512"}
_BITS: Final = {"ES256": 256, "ES384": 384, "ES512": 512, "RS256": 256}


class JwsFlaw(ValueError):
    """Why a statement does not hold: a word of the list at :meth:`Jws.by`."""


def sign_jws(payload: Mapping[str, Any], kind: str, key: SigningKey) -> str:
    """The payload as JSON under the gateway's signature."""
    algorithm = _algorithm(key.certificate)
    jws = PyJWS(algorithms=[])
    jws.register_algorithm(algorithm, _InHand(key, algorithm))
    return jws.encode(
        json.dumps(payload, sort_keys=True, separators=(",", ":")).encode(),
        "",
        algorithm,
        {"typ": kind, "x5t#S256": base64url_encode(bytes.fromhex(key.fingerprint)).decode()},
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
    """The fingerprint of the certificate that a statement names; None where it names none."""
    try:
        return _named(PyJWS().get_unverified_header(jws))
    except (PyJWTError, ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True, slots=True)
class Jws:
    """A statement that was read and is not proven yet."""

    text: str
    algorithm: str
    fingerprint: str  # of the certificate that it names
    payload: Mapping[str, Any]

    @classmethod
    def read(cls, text: str, kind: str, longest: int) -> Self:
        """Raises ValueError for what is no statement of this kind."""
        try:
            if len(text) > longest or not text.isascii():
                raise ValueError("length")
            read = PyJWS().decode_complete(text, options={"verify_signature": False})
            header, payload = read["header"], json.loads(read["payload"])
            if header["typ"] != kind or not isinstance(payload, dict):
                raise ValueError("type")
            return cls(text, header["alg"], _named(header), payload)
        except (PyJWTError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("unreadable") from error

    def by(self, certificates: Iterable[Certificate], at: datetime) -> Certificate:
        """The certificate of these that it is signed by, as of this time.

        Raises JwsFlaw: unknown-certificate, algorithm, outside-validity, signature.
        """
        certificate = next((one for one in certificates if one.fingerprint == self.fingerprint), None)
        if certificate is None:
            raise JwsFlaw("unknown-certificate")
        if self.algorithm != _algorithm(certificate):
            raise JwsFlaw("algorithm")
        if not certificate.within(at):
            raise JwsFlaw("outside-validity")
        try:
            PyJWS().decode(self.text, _public_key(certificate), [self.algorithm])
        except PyJWTError as error:
            raise JwsFlaw("signature") from error
        return certificate


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
