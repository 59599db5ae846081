"""Signing: receipts, composed messages, and samples for integrators in every form that verify() accepts.

What the gateway signs itself is XAdES B-B with exclusive canonicalisation (domain rule N14). The bytes that are given
are not touched: the signature is put before the root's end tag, so a document keeps its line ends, its CDATA and its
byte-order mark.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self
from xml.sax.saxutils import quoteattr

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from gateway.core.limits import CEILING
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.documents import parse_bytes
from signing.certificates import Certificate, unfit
from signing.engine import canonical
from signing.keyfiles import NO_CERTIFICATE, NO_KEY, certificate_of, certificates_in, open_key_file
from signing.structure import ROOT
from signing.uris import (
    C14N_10,
    C14N_11,
    CURVES,
    DIGESTS,
    DS,
    DS11,
    DS_MORE,
    DS_MORE_2007,
    ENVELOPED,
    EXC_C14N,
    SHA256,
    SHA384,
    SHA512,
    SIGNED_PROPERTIES_TYPE,
    XADES,
    XML,
)

Stamper = Callable[[bytes], bytes]  # octets to be time-stamped -> DER of the RFC 3161 token
RawSigner = Callable[[bytes, str, int], bytes]  # (octets, "rsa" | "pss" | "ecdsa", bits of the hash) -> SignatureValue

HASHES: Final = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}
_DIGEST_URIS: Final = {256: SHA256, 384: SHA384, 512: SHA512}


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to sign. The defaults are the gateway's own way."""

    xades: bool = True
    canonicalisation: str = EXC_C14N  # of SignedInfo and of every reference
    by_id: bool = False  # refer to the root by its Id instead of URI=""
    pss: bool = False  # RSASSA-PSS instead of PKCS#1 v1.5; RSA keys only
    bits: int | None = None  # of the hash; None: 256, or what the curve needs
    prefix: str = "ds"  # "" puts Signature into the default namespace, as JDK and .NET do
    name_canonicalisation: bool = (
        True  # a canonicalisation transform after enveloped-signature; else inclusive C14N is implied
    )
    key_value: bool = False  # KeyValue beside the certificate, as .NET does
    key_info_reference: bool = False  # a third reference, to KeyInfo; XAdES only


XADES_B_B: Final = Variant()
XML_DSIG: Final = Variant(xades=False)


def variants(family: str) -> Iterator[Variant]:
    """Every way that verify() accepts from a key of this family ("rsa" or "ec")."""
    for xades in (False, True):
        for canonicalisation in (EXC_C14N, C14N_10, C14N_11):
            for by_id in (False, True):
                for pss in (False, True) if family == "rsa" else (False,):
                    for bits in (256, 384, 512):
                        for prefix in ("ds", "", "chuky"):
                            for three in (False, True) if xades else (False,):
                                yield Variant(
                                    xades=xades,
                                    canonicalisation=canonicalisation,
                                    by_id=by_id,
                                    pss=pss,
                                    bits=bits,
                                    prefix=prefix,
                                    key_info_reference=three,
                                )


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key with its certificate. The key itself may lie in a file or in a token."""

    certificate: Certificate
    raw: RawSigner

    @classmethod
    def load(
        cls,
        key_file: Path,
        certificate: Path | None = None,
        password: bytes | None = None,
        *,
        private_mode: bool = True,
    ) -> Self:
        """The key of a file in PEM, DER or PKCS#12, with its certificate: of the other file the one that is the key's.

        Without ``certificate`` it lies beside the key in its file. Raises Stopped (SIG-10x): unreadable, readable by others
        (mode other than 0600), not a pair, unfit.
        """
        try:
            if private_mode and key_file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Stopped(Problem("SIG-101", {"file": key_file.name}))
            held = open_key_file(key_file.read_bytes(), password)
            if held.key is None:
                raise ValueError(NO_KEY)
        except (OSError, ValueError) as error:
            raise Stopped(Problem("SIG-100", {"file": key_file.name, "reason": system_reason(error)})) from error
        there = list(held.certificates) if certificate is None else load_certificates(certificate, password)
        if not there:
            raise Stopped(Problem("SIG-100", {"file": key_file.name, "reason": NO_CERTIFICATE}))
        return cls.of(held.key, certificate_of(held.key, there) or there[0])

    @classmethod
    def of(cls, key: Any, certificate: Certificate) -> Self:
        """A key in memory.

        Raises Stopped when it is not the certificate's, or the certificate is not one that may sign.
        """
        if key.public_key() != certificate.x509.public_key():
            raise Stopped(Problem("SIG-102", {"fingerprint": certificate.fingerprint}))
        return cls(certificate=fit(certificate), raw=_raw_signer(key))

    @property
    def certificate_der(self) -> bytes:
        """The certificate that goes with it."""
        return self.certificate.der

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate's DER, lower-case hex."""
        return self.certificate.fingerprint

    def signs_at(self, at: datetime) -> datetime:
        """The SigningTime of what belongs to this time: that one, or the first at which the certificate is valid."""
        return max(at, self.certificate.not_before)


def fit(certificate: Certificate) -> Certificate:
    """The certificate, when it is one that may sign messages. Raises Stopped (SIG-103) with what is wrong."""
    wrong = [one.code for one in unfit(certificate)]
    if wrong:
        raise Stopped(Problem("SIG-103", {"fingerprint": certificate.fingerprint, "codes": wrong}))
    return certificate


def sign(
    body: bytes,
    key: SigningKey,
    variant: Variant = XADES_B_B,
    *,
    at: datetime,
    stamper: Stamper | None = None,
) -> bytes:
    """The document with a signature over the whole envelope as the last child of its root.

    ``at`` is the SigningTime of XAdES. With a ``stamper`` the signature becomes B-T. Raises Stopped when the document
    is not a ThongDiep that may be signed (already signed, not well-formed, not ours) or the variant does not fit the
    key.
    """
    family, bits, method = method_of(key.certificate, variant)
    root = parse_bytes(body, CEILING)  # the signer's own: the receiver's limits are the receiver's to tell
    if root.tag != ROOT:
        raise Stopped(Problem("SIG-104"))
    if next(root.iter(f"{{{DS}}}*"), None) is not None:
        raise Stopped(Problem("SIG-105"))
    if variant.by_id and root.get("Id") is None:
        body = _START.sub(rb'\g<0> Id="' + _new_id("ThongDiep").encode() + b'"', body, count=1)
        root = parse_bytes(body, CEILING)
    digest_uri = _DIGEST_URIS[bits]
    draft = _Draft(
        variant=variant,
        method=method,
        digest=digest_uri,
        uri=f"#{root.get('Id')}" if variant.by_id else "",
        key=key,
        at=at,
        identity=_new_id("ChuKy"),
    )
    draft.digests["envelope"] = _digest(canonical(root, draft.envelope_canonicalisation), digest_uri)
    frame = _frame(root)
    inherited = tuple((n, v) for n in (f"{{{XML}}}lang", f"{{{XML}}}space") if (v := root.get(n)) is not None)
    if variant.xades:
        standing = _in_frame(frame, draft)
        properties = next(standing.iter(f"{{{XADES}}}SignedProperties"))
        draft.digests["properties"] = _digest(
            canonical(properties, variant.canonicalisation, None, inherited), digest_uri
        )
        if variant.key_info_reference:
            info = next(standing.iter(f"{{{DS}}}KeyInfo"))
            draft.digests["key"] = _digest(canonical(info, variant.canonicalisation, None, inherited), digest_uri)
    standing = _in_frame(frame, draft)
    draft.value = base64.b64encode(
        key.raw(canonical(standing[0], variant.canonicalisation, None, inherited), family, bits)
    ).decode()
    if stamper is not None:
        standing = _in_frame(frame, draft)
        draft.token = base64.b64encode(
            stamper(canonical(standing[1], variant.canonicalisation, None, inherited))
        ).decode()
    return _put(body, draft.text())


# The document ---------------------------------------------------------------------------------------------------------

_START: Final = re.compile(rb"<(?:[^\s<>/:]+:)?ThongDiep(?=[\s>])")
_END: Final = re.compile(rb"</(?:[^\s<>/:]+:)?ThongDiep[ \t\r\n]*>[ \t\r\n]*\Z")


def _put(body: bytes, signature: str) -> bytes:
    end = _END.search(body)
    if end is None:  # <ThongDiep/>; parse_bytes took it, so it is well-formed
        raise Stopped(Problem("SIG-104"))
    return body[: end.start()] + signature.encode() + body[end.start() :]


def _frame(root: etree._Element) -> tuple[str, str]:
    """An empty envelope with the root's namespaces: the signature is canonicalised with all that it will inherit."""
    spaces = "".join(
        f" xmlns{':' + prefix if prefix else ''}={quoteattr(space)}"
        for prefix, space in root.nsmap.items()
        if prefix != "xml"
    )
    name = f"{root.prefix}:ThongDiep" if root.prefix else "ThongDiep"
    return f"<{name}{spaces}>", f"</{name}>"


def _in_frame(frame: tuple[str, str], draft: _Draft) -> etree._Element:
    return parse_bytes(f"{frame[0]}{draft.text()}{frame[1]}".encode(), CEILING)[0]


# The signature --------------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A Signature as text, with what is known so far."""

    variant: Variant
    method: str
    digest: str
    uri: str
    key: SigningKey
    at: datetime
    identity: str
    value: str = "AA=="
    token: str | None = None
    digests: dict[str, str] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.digests = {}

    @property
    def envelope_canonicalisation(self) -> str:
        return self.variant.canonicalisation if self.variant.name_canonicalisation else C14N_10

    def text(self) -> str:
        """The element, every value in its place."""
        p = f"{self.variant.prefix}:" if self.variant.prefix else ""
        space = f"xmlns:{self.variant.prefix}" if self.variant.prefix else "xmlns"
        own = f' Id="{self.identity}"' if self.variant.xades else ""
        return (
            f'<{p}Signature {space}="{DS}"{own}>{self._signed_info(p)}'
            f"<{p}SignatureValue>{self.value}</{p}SignatureValue>{self._key_info(p)}{self._object(p)}</{p}Signature>"
        )

    def _signed_info(self, p: str) -> str:
        variant = self.variant
        transform = f'<{p}Transform Algorithm="{variant.canonicalisation}"/>'
        references = self._reference(
            p,
            f'{" Id=" + chr(34) + self.identity + "-ThongDiep" + chr(34) if variant.xades else ""} URI="{self.uri}"',
            f'<{p}Transform Algorithm="{ENVELOPED}"/>{transform if variant.name_canonicalisation else ""}',
            "envelope",
        )
        if variant.xades:
            target = f' Type="{SIGNED_PROPERTIES_TYPE}" URI="#{self.identity}-SignedProperties"'
            references += self._reference(p, target, transform, "properties")
            if variant.key_info_reference:
                references += self._reference(p, f' URI="#{self.identity}-KeyInfo"', transform, "key")
        return (
            f'<{p}SignedInfo><{p}CanonicalizationMethod Algorithm="{variant.canonicalisation}"/>'
            f'<{p}SignatureMethod Algorithm="{self.method}"/>{references}</{p}SignedInfo>'
        )

    def _reference(self, p: str, attributes: str, transforms: str, what: str) -> str:
        return (
            f"<{p}Reference{attributes}><{p}Transforms>{transforms}</{p}Transforms>"
            f'<{p}DigestMethod Algorithm="{self.digest}"/>'
            f"<{p}DigestValue>{self.digests.get(what, 'AA==')}</{p}DigestValue></{p}Reference>"
        )

    def _key_info(self, p: str) -> str:
        own = f' Id="{self.identity}-KeyInfo"' if self.variant.key_info_reference else ""
        value = _key_value(p, self.key.certificate) if self.variant.key_value else ""
        certificate = base64.b64encode(self.key.certificate.der).decode()
        return (
            f"<{p}KeyInfo{own}>{value}<{p}X509Data><{p}X509Certificate>{certificate}</{p}X509Certificate>"
            f"</{p}X509Data></{p}KeyInfo>"
        )

    def _object(self, p: str) -> str:
        if not self.variant.xades:
            return ""
        digest = base64.b64encode(hashlib.new(DIGESTS[self.digest], self.key.certificate.der).digest()).decode()
        when = self.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return (
            f'<{p}Object><xades:QualifyingProperties xmlns:xades="{XADES}" Target="#{self.identity}">'
            f'<xades:SignedProperties Id="{self.identity}-SignedProperties"><xades:SignedSignatureProperties>'
            f"<xades:SigningTime>{when}</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
            f'<{p}DigestMethod Algorithm="{self.digest}"/><{p}DigestValue>{digest}</{p}DigestValue>'
            "</xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties>"
            f'<xades:SignedDataObjectProperties><xades:DataObjectFormat ObjectReference="#{self.identity}-ThongDiep">'
            "<xades:MimeType>text/xml</xades:MimeType></xades:DataObjectFormat></xades:SignedDataObjectProperties>"
            f"</xades:SignedProperties>{self._unsigned(p)}</xades:QualifyingProperties></{p}Object>"
        )

    def _unsigned(self, p: str) -> str:
        if self.token is None:
            return ""
        return (
            "<xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:SignatureTimeStamp>"
            f'<{p}CanonicalizationMethod Algorithm="{self.variant.canonicalisation}"/>'
            f"<xades:EncapsulatedTimeStamp>{self.token}</xades:EncapsulatedTimeStamp>"
            "</xades:SignatureTimeStamp></xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
        )


def _key_value(p: str, certificate: Certificate) -> str:
    key = certificate.x509.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return (
            f"<{p}KeyValue><{p}RSAKeyValue><{p}Modulus>{_number(numbers.n)}</{p}Modulus>"
            f"<{p}Exponent>{_number(numbers.e)}</{p}Exponent></{p}RSAKeyValue></{p}KeyValue>"
        )
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return ""
    point = base64.b64encode(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).decode()
    return (
        f'<{p}KeyValue><dsig11:ECKeyValue xmlns:dsig11="{DS11}"><dsig11:NamedCurve URI="{CURVES[key.curve.name][0]}"/>'
        f"<dsig11:PublicKey>{point}</dsig11:PublicKey></dsig11:ECKeyValue></{p}KeyValue>"
    )


def _number(number: int) -> str:
    return base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()


def _digest(octets: bytes, uri: str) -> str:
    return base64.b64encode(hashlib.new(DIGESTS[uri], octets).digest()).decode()


def _new_id(what: str) -> str:
    return f"{what}-{secrets.token_hex(8)}"


# The key --------------------------------------------------------------------------------------------------------------


def method_of(certificate: Certificate, variant: Variant) -> tuple[str, int, str]:
    """(family, bits, URI) for this certificate's key in this variant."""
    if certificate.family == "ec":
        least = min(CURVES[certificate.curve or ""][1], 512)
        bits = variant.bits or least
        if variant.pss or bits < least:
            raise Stopped(Problem("SIG-106", {"key": f"{certificate.family}-{certificate.bits}"}))
        return "ecdsa", bits, f"{DS_MORE}ecdsa-sha{bits}"
    bits = variant.bits or 256
    if variant.pss:
        return "pss", bits, f"{DS_MORE_2007}sha{bits}-rsa-MGF1"
    return "rsa", bits, f"{DS_MORE}rsa-sha{bits}"


_ECDSA: Final = {bits: ec.ECDSA(algorithm) for bits, algorithm in HASHES.items()}


def _raw_signer(key: Any) -> RawSigner:
    size = (key.key_size + 7) // 8

    def raw(octets: bytes, family: str, bits: int) -> bytes:
        algorithm = HASHES[bits]
        if family == "ecdsa":
            return raw_ecdsa(key.sign(octets, _ECDSA[bits]), size)
        padding = PSS(MGF1(algorithm), algorithm.digest_size) if family == "pss" else PKCS1v15()
        signature: bytes = key.sign(octets, padding, algorithm)
        return signature

    return raw


def raw_ecdsa(der: bytes, size: int) -> bytes:
    """The r‖s form of XML-DSig (RFC 4050) of an ECDSA signature in DER."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def load_certificates(path: Path, password: bytes | None = None) -> list[Certificate]:
    """Every certificate of a file. Raises Stopped (SIG-100)."""
    try:
        return certificates_in(path.read_bytes(), password)
    except (OSError, ValueError) as error:
        raise Stopped(Problem("SIG-100", {"file": path.name, "reason": system_reason(error)})) from error
