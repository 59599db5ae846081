"""Signing samples: with any key of the test PKI, the broken ones too, in the variants that agencies use."""

from __future__ import annotations

import base64
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from types import ModuleType

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from signing.certificates import read_certificate
from signing.sign import RawSigner, SigningKey, Variant, raw_ecdsa, sign
from signing.uris import C14N_10, C14N_11

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


# --- signatures by hand: genuine mathematics over whatever one asks for ------------------------------------------------------

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
HASHES = {
    "http://www.w3.org/2001/04/xmlenc#sha256": hashes.SHA256,
    "http://www.w3.org/2000/09/xmldsig#sha1": hashes.SHA1,
}
METHODS = {
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": hashes.SHA256,
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": hashes.SHA256,
    "http://www.w3.org/2000/09/xmldsig#rsa-sha1": hashes.SHA1,
}
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"


@dataclass(frozen=True)
class Reference:
    """A reference of a signature by hand. ``covers``: the path of what is digested; "" the root, "KeyInfo" the signature's own."""

    uri: str = ""
    covers: str = ""
    transforms: Sequence[str] = (ENVELOPED, EXCLUSIVE)
    digest: str = SHA256
    type: str | None = None


def by_hand(
    body: bytes,
    key: str,
    references: Sequence[Reference] = (Reference(),),
    *,
    method: str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    canonicalisation: str = EXCLUSIVE,
    key_info: str | None = None,
    key_info_id: str | None = None,
) -> bytes:
    """The document with a signature that does just what is asked, allowed or not. Put before the root's end tag."""
    root = etree.fromstring(body)
    named = f' Id="{key_info_id}"' if key_info_id else ""
    holder = f"<ds:KeyInfo{named}>{key_info if key_info is not None else x509_data(key)}</ds:KeyInfo>"
    rows = ""
    for reference in references:
        covered: etree._Element = root
        if reference.covers == "KeyInfo":
            covered = etree.fromstring(f'<ds:Signature xmlns:ds="{DS}">{holder}</ds:Signature>'.encode())[0]
        for step in reference.covers.split("/") if reference.covers not in ("", "KeyInfo") else ():
            covered = next(child for child in covered if etree.QName(child).localname == step)
        octets = etree.tostring(covered, method="c14n", exclusive=True)
        value = base64.b64encode(_hashed(octets, HASHES[reference.digest]())).decode()
        transforms = "".join(f'<ds:Transform Algorithm="{uri}"/>' for uri in reference.transforms)
        kind = f' Type="{reference.type}"' if reference.type else ""
        rows += (
            f'<ds:Reference URI="{reference.uri}"{kind}><ds:Transforms>{transforms}</ds:Transforms>'
            f'<ds:DigestMethod Algorithm="{reference.digest}"/><ds:DigestValue>{value}</ds:DigestValue></ds:Reference>'
        )
    info = (
        f'<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{canonicalisation}"/>'
        f'<ds:SignatureMethod Algorithm="{method}"/>{rows}</ds:SignedInfo>'
    )
    standing = etree.fromstring(f'<ds:Signature xmlns:ds="{DS}">{info}</ds:Signature>'.encode())[0]
    octets = etree.tostring(standing, method="c14n", exclusive=True)
    private = maker().load_key(key)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        raw = raw_ecdsa(private.sign(octets, ec.ECDSA(METHODS[method]())), (private.key_size + 7) // 8)
    else:
        raw = private.sign(octets, padding.PKCS1v15(), METHODS[method]())
    text = (
        f'<ds:Signature xmlns:ds="{DS}">{info}<ds:SignatureValue>{base64.b64encode(raw).decode()}</ds:SignatureValue>'
        f"{holder}</ds:Signature>"
    )
    end = body.rindex(b"</lt:ThongDiep>")
    return body[:end] + text.encode() + body[end:]


def x509_data(*keys: str) -> str:
    """X509Data with the certificates of these keys."""
    rows = "".join(
        f"<ds:X509Certificate>{base64.b64encode(signing_key(key).certificate.der).decode()}</ds:X509Certificate>"
        for key in keys
    )
    return f"<ds:X509Data>{rows}</ds:X509Data>"


def _hashed(octets: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(octets)
    return digest.finalize()
