"""Signing samples: with any key of the test PKI, the broken ones too, in the variants that agencies use."""

from __future__ import annotations

import importlib.util
import sys
from datetime import datetime
from functools import cache
from pathlib import Path
from types import ModuleType

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding

from signing.certificates import read_certificate
from signing.names import C14N_10, C14N_11
from signing.sign import RawSigner, SigningKey, Variant, raw_ecdsa, sign

KEYS = Path(__file__).resolve().parents[1] / "keys"

VARIANTS: dict[str, Variant] = {
    "xades": Variant(),
    "xades-3": Variant(key_info_reference=True),
    "xades-id": Variant(by_id=True),
    "xades-pss": Variant(pss=True),
    "xades-c14n11": Variant(canonicalisation=C14N_11),
    "dsig": Variant(xades=False),
    "dsig-id": Variant(xades=False, by_id=True),
    "dsig-pss": Variant(xades=False, pss=True, bits=384),
    "dsig-sha512": Variant(xades=False, bits=512),
    # what javax.xml.crypto and .NET SignedXml write by default: no prefix, inclusive canonicalisation
    "java": Variant(xades=False, canonicalisation=C14N_10, prefix="", name_canonicalisation=False),
    "dotnet": Variant(xades=False, canonicalisation=C14N_10, prefix="", name_canonicalisation=False, key_value=True),
}


@cache
def maker() -> ModuleType:
    """samples/keys/make.py as a module."""
    spec = importlib.util.spec_from_file_location("lienthong_samples_keys_make", KEYS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@cache
def signing_key(name: str) -> SigningKey:
    """A key of the test PKI. The product's own loader refuses unfit certificates; samples need those too."""
    certificate = maker().load_certificate(name)
    der = certificate.public_bytes(Encoding.DER)
    return SigningKey(certificate=read_certificate(der), raw=_raw(maker().load_key(name)))


def fingerprint(name: str) -> str:
    """SHA-256 of the certificate's DER."""
    return signing_key(name).fingerprint


def _raw(key: object) -> RawSigner:
    sizes = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}

    def raw(octets: bytes, family: str, bits: int) -> bytes:
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return raw_ecdsa(key.sign(octets, ec.ECDSA(sizes[bits])), (key.key_size + 7) // 8)
        pad = padding.PSS(padding.MGF1(sizes[bits]), bits // 8) if family == "pss" else padding.PKCS1v15()
        signed: bytes = key.sign(octets, pad, sizes[bits])  # type: ignore[attr-defined]
        return signed

    return raw


def signed(body: bytes, key: str, variant: str, at: datetime) -> bytes:
    """The document with its signature."""
    return sign(body, signing_key(key), VARIANTS[variant], at=at)
