"""Keys and certificates as people keep them: PEM, DER or PKCS#12, with or without a password, in whatever order.

What a file cannot give is said as a reason in a few fixed sentences, which gateway.core.os_words has in Vietnamese.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import ssl
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from asn1crypto import pkcs12 as asn1_pkcs12
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from signing.certificates import Certificate, read_certificate

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

LOCKED: Final = "it is locked by a password, and none is given"
WRONG_PASSWORD: Final = "the password is wrong"  # noqa: S105 - a sentence
NO_KEY: Final = "no private key in it"
NO_CERTIFICATE: Final = "no certificate in it"
NO_FORM: Final = "neither PEM, DER nor PKCS#12"
ODD_PKCS12: Final = "PKCS#12 that is written oddly; make PEM of it: openssl pkcs12 -in FILE -out FILE.pem"

_KEY_BLOCK: Final = re.compile(rb"-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
_CERTIFICATE_BLOCK: Final = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.*?)-----END", re.DOTALL)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What one file holds."""

    key: PrivateKeyTypes | None
    certificates: tuple[Certificate, ...]  # in the file's order; of PKCS#12 the key's own first


def open_key_file(raw: bytes, password: bytes | None = None) -> KeyFile:
    """The private key, if there is one, and every certificate of a file in PEM, DER or PKCS#12.

    A password that is not needed is not used. Raises ValueError with the reason: locked, wrong password, no known form.
    """
    if is_pkcs12(raw):
        return _of_pkcs12(raw, password)
    if b"-----BEGIN" in raw:
        block = _KEY_BLOCK.search(raw)
        key = None if block is None else _key(load_pem_private_key, block.group(), password)
        return KeyFile(key, tuple(_of_pem(raw)))
    if raw[:1] != b"\x30":
        raise ValueError(NO_FORM)
    try:
        return KeyFile(_key(load_der_private_key, raw, password), ())
    except ValueError as no_key:
        if str(no_key) in {LOCKED, WRONG_PASSWORD}:
            raise
        return KeyFile(None, (read_certificate(raw),))


def certificates_in(raw: bytes, password: bytes | None = None) -> list[Certificate]:
    """Every certificate of a file in PEM, DER or PKCS#12. Raises ValueError saying why there is none."""
    if is_pkcs12(raw):
        found = list(_of_pkcs12(raw, password).certificates)
    elif b"-----BEGIN" in raw:
        found = _of_pem(raw)
    elif raw[:1] == b"\x30":
        return [read_certificate(raw)]
    else:
        raise ValueError(NO_FORM)
    if not found:
        raise ValueError(NO_CERTIFICATE)
    return found


def own_certificate(raw: bytes, password: bytes | None = None) -> Certificate:
    """The certificate that a file is about: of a bundle the one that is no authority's, wherever it stands in it.

    With a private key beside them it is the key's. Raises ValueError, saying what the file holds, where that is not one.
    """
    found = certificates_in(raw, password)
    if len(found) > 1 and _KEY_BLOCK.search(raw):
        with suppress(ValueError):  # a locked key says nothing about whose certificate is whose
            key = open_key_file(raw, password).key
            if key is not None and (own := certificate_of(key, found)) is not None:
                return own
    if is_pkcs12(raw):
        key = _of_pkcs12(raw, password).key
        if key is not None and (own := certificate_of(key, found)) is not None:
            return own
    own_ones = [one for one in found if not one.is_ca] if len(found) > 1 else found
    if len(own_ones) != 1:
        held = "; ".join(one.subject for one in found[:4])
        raise ValueError(f"{len(found)} certificates in it, {len(own_ones)} of them no authority's: {held}")
    return own_ones[0]


def certificate_of(key: Any, certificates: Sequence[Certificate]) -> Certificate | None:
    """The certificate of this private key among these; None where it is not there."""
    public = key.public_key()
    return next((one for one in certificates if one.x509.public_key() == public), None)


def is_pkcs12(raw: bytes) -> bool:
    """PFX: a sequence that begins with version 3, which neither a key nor a certificate does."""
    if raw[:1] != b"\x30":
        return False
    try:
        return bool(asn1_pkcs12.Pfx.load(raw)["version"].native == "v3")
    except (ValueError, TypeError, KeyError):
        return False


def _of_pkcs12(raw: bytes, password: bytes | None) -> KeyFile:
    reason = WRONG_PASSWORD if password else LOCKED
    for tried in dict.fromkeys((password, None, b"")):  # "no password" is written in both ways
        try:
            with warnings.catch_warnings():  # of what read_certificate judges: a serial number of zero, say
                warnings.simplefilter("ignore")
                held = pkcs12.load_pkcs12(raw, tried)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if "password" not in str(error).lower():
                reason = ODD_PKCS12
            continue
        found = [one.certificate for one in (held.cert, *held.additional_certs) if one is not None]
        return KeyFile(held.key, tuple(read_certificate(one.public_bytes(Encoding.DER)) for one in found))
    raise ValueError(reason)


def _of_pem(raw: bytes) -> list[Certificate]:
    try:
        ders = [base64.b64decode(b"".join(block.split()), validate=True) for block in _CERTIFICATE_BLOCK.findall(raw)]
    except binascii.Error as error:
        raise ValueError("no base64 between BEGIN and END") from error
    return [read_certificate(der) for der in ders]


def _key(load: Any, raw: bytes, password: bytes | None) -> PrivateKeyTypes:
    try:
        try:
            found: PrivateKeyTypes = load(raw, password)
        except TypeError:
            if password is None:
                raise ValueError(LOCKED) from None
            found = load(raw, None)  # a password was given, and the key has none
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    except ValueError as error:
        if str(error) == LOCKED:
            raise
        locked = password is not None and ("decrypt" in str(error).lower() or "password" in str(error).lower())
        raise ValueError(WRONG_PASSWORD if locked else NO_KEY) from error
    return found


# TLS ------------------------------------------------------------------------------------------------------------------


def show_in_tls(context: ssl.SSLContext, certificate: Path, key: Path | None, password: bytes | None = None) -> None:
    """Our certificate, its chain and its key for TLS, from files in any form, the chain in any order.

    Without ``key`` it lies in the certificate's file. Raises OSError for a file that cannot be read, ssl.SSLError or
    ValueError with the reason for one that is of no use.
    """
    raw, key_raw = certificate.read_bytes(), (key or certificate).read_bytes()
    if b"-----BEGIN" in raw and b"-----BEGIN" in key_raw:
        with suppress(
            ssl.SSLError
        ):  # the common case: as it lies there; an empty password, or OpenSSL asks on the terminal
            context.load_cert_chain(certificate, key, password=password or b"")
            return
    held = open_key_file(key_raw, password)
    if held.key is None:
        raise ValueError(NO_KEY)
    chain = list(held.certificates) if key is None else certificates_in(raw, password)
    own = certificate_of(held.key, chain)
    if not chain:
        raise ValueError(NO_CERTIFICATE)
    if own is None:
        raise ValueError("the key is not that of any certificate in it")
    ordered = [own, *(one for one in chain if one.fingerprint != own.fingerprint)]
    passing = secrets.token_bytes(32).hex().encode()
    pem = held.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passing))
    pem += b"".join(ssl.DER_cert_to_PEM_cert(one.der).encode() for one in ordered)
    with _passing_file(pem) as path:
        context.load_cert_chain(path, password=passing)


def believe_in_tls(context: ssl.SSLContext, roots: Path) -> None:
    """The authorities of a file in any form are believed. Raises as :func:`show_in_tls`."""
    raw = roots.read_bytes()
    if b"-----BEGIN" in raw:
        context.load_verify_locations(cafile=roots)
    else:
        context.load_verify_locations(cadata=b"".join(one.der for one in certificates_in(raw)))


@contextmanager
def _passing_file(content: bytes) -> Iterator[str]:
    """A file that OpenSSL can be pointed at and that is gone afterwards: in memory where the system has such files."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("lienthong-tls")
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    descriptor, name = tempfile.mkstemp(prefix="lienthong-tls-")  # mode 600; the key in it is encrypted
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield name
    finally:
        Path(name).unlink(missing_ok=True)
