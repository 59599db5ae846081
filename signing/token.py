"""Signing with a key that never leaves its token: PKCS#11, whatever the maker (HSM, USB token, SoftHSM).

Needs the optional package python-pkcs11 (``pip install lienthong[pkcs11]``). A PKCS#11 session does not survive a fork, so
every process opens its own: load the key after the workers have been started, as ``gateway.wiring`` does.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from signing.certificates import Certificate, Unreadable, read_certificate
from signing.keyfiles import own_certificate
from signing.sign import SigningKey, fit

_PROBE: Final = b"lienthong: is this the certificate's key?"


def load_token_key(module: Path, token: str, key: str, pin: str, certificate: Path | None = None) -> SigningKey:
    """The key of this label in the token of this label. Raises Stopped (SIG-10x).

    ``module`` is the maker's PKCS#11 library. The certificate lies in a file, or is the one of the same label in the token.
    That the two belong together is proven by a signature, since the private key cannot be looked at.
    """
    held = _Held(module, token, key, pin)
    found = _from_file(certificate) if certificate is not None else held.certificate()
    signing = SigningKey(certificate=fit(found), raw=held.raw)
    _prove(signing)
    return signing


class _Held:
    """A private key in a token, and the session through which it is used. One signature at a time: sessions know no threads."""

    def __init__(self, module: Path, token: str, key: str, pin: str) -> None:
        self._names = {"module": module.name, "token": token, "key": key}
        self._place = (module, token, key, pin)
        self._lock = threading.Lock()
        self._session: Any = None
        self._key: Any = None
        with self._lock:
            self._open()

    def raw(self, octets: bytes, family: str, bits: int) -> bytes:
        """A SignatureValue. A session that has gone is opened again once; then Stopped (SIG-107)."""
        with self._lock:
            try:
                return self._sign(octets, family, bits)
            except self._pkcs11().PKCS11Error:
                self._open(again=True)
            try:
                return self._sign(octets, family, bits)
            except self._pkcs11().PKCS11Error as error:
                raise self._unusable(type(error).__name__) from error

    def certificate(self) -> Certificate:
        """The certificate that the token keeps under the key's label. Raises Stopped (SIG-107)."""
        pkcs11 = self._pkcs11()
        label = self._place[2]

        def look() -> bytes:
            wanted = {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
                pkcs11.Attribute.LABEL: label,
            }
            for found in self._session.get_objects(wanted):
                return bytes(found[pkcs11.Attribute.VALUE])
            raise self._unusable("no certificate of this label")

        with self._lock:
            der = self._tried(look)
        try:
            return read_certificate(der)
        except Unreadable as error:
            raise self._unusable("unreadable certificate") from error

    def _sign(self, octets: bytes, family: str, bits: int) -> bytes:
        pkcs11 = self._pkcs11()
        mechanism = pkcs11.Mechanism
        if family == "ecdsa":  # the token signs a digest and gives r‖s, as XML-DSig wants it
            digest = hashlib.new(f"sha{bits}", octets).digest()
            return bytes(self._key.sign(digest, mechanism=mechanism.ECDSA))
        if family == "pss":
            parameters = (mechanism[f"SHA{bits}"], pkcs11.MGF[f"SHA{bits}"], bits // 8)
            chosen = mechanism[f"SHA{bits}_RSA_PKCS_PSS"]
            return bytes(self._key.sign(octets, mechanism=chosen, mechanism_param=parameters))
        return bytes(self._key.sign(octets, mechanism=mechanism[f"SHA{bits}_RSA_PKCS"]))

    def _open(self, *, again: bool = False) -> None:
        pkcs11 = self._pkcs11()
        module, token, key, pin = self._place

        def open_() -> Any:
            library = pkcs11.lib(str(module))
            if again:
                library.reinitialize()  # the token may have been taken out and put in again
            found = library.get_token(token_label=token)
            try:
                session = found.open(user_pin=pin)
            except pkcs11.UserAlreadyLoggedIn:  # by another key of ours: a process logs in to a token once
                session = found.open()
            return session, session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=key)

        self._session, self._key = self._tried(open_)

    def _tried(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except (self._pkcs11().PKCS11Error, RuntimeError, OSError) as error:
            raise self._unusable(type(error).__name__) from error

    def _pkcs11(self) -> Any:
        try:
            import pkcs11  # noqa: PLC0415 - optional
        except ImportError as error:
            raise self._unusable("python-pkcs11 is not installed") from error
        return pkcs11

    def _unusable(self, reason: str) -> Stopped:
        return Stopped(Problem("SIG-107", {**self._names, "reason": reason}))


def _from_file(path: Path) -> Certificate:
    try:
        return own_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Stopped(Problem("SIG-100", {"file": path.name, "reason": system_reason(error)})) from error


def _prove(key: SigningKey) -> None:
    """Raises Stopped (SIG-102) when the token's key is not the certificate's."""
    public = key.certificate.x509.public_key()
    try:
        if isinstance(public, ec.EllipticCurvePublicKey):
            made = key.raw(_PROBE, "ecdsa", 256)
            half = len(made) // 2
            der = encode_dss_signature(int.from_bytes(made[:half], "big"), int.from_bytes(made[half:], "big"))
            public.verify(der, _PROBE, ec.ECDSA(hashes.SHA256()))
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(key.raw(_PROBE, "rsa", 256), _PROBE, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, Stopped, ValueError) as error:
        raise Stopped(Problem("SIG-102", {"fingerprint": key.fingerprint})) from error
