"""Sealing: what the gateway itself writes is signed without a parser, a tree or a canonicaliser.

:mod:`schemas.write` writes the canonical form at once, and the gateway signs in one way (XAdES B-B, exclusive canonicalisation),
so what goes round the document is a template with five places. The result is byte for byte the canonical form of what
:func:`signing.sign.sign` makes; tests/signing/test_seal.py holds the two together.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from gateway.core.problems import Problem, Stopped
from gateway.documents import DECLARATION, Canonical
from signing.certificates import read_certificate
from signing.sign import XADES_B_B, SigningKey, method_of
from signing.uris import DIGESTS, DS, ENVELOPED, EXC_C14N, SHA256, SHA384, SHA512, SIGNED_PROPERTIES_TYPE, XADES

_DIGEST_URIS: Final = {256: SHA256, 384: SHA384, 512: SHA512}
_PLACE: Final = re.compile(r"%\((\w+)\)s")


def seal(body: Canonical, key: SigningKey, *, at: datetime) -> Canonical:
    """The ThongDiep with the gateway's signature as the last child of its root; ``at`` is the SigningTime.

    Raises Stopped (SIG-104) when it has no end tag of its own.
    """
    octets = body.removeprefix(DECLARATION)
    end = octets.rfind(b"</")
    if not octets.endswith(b"ThongDiep>") or end < 0:
        raise Stopped(Problem("SIG-104"))
    template = _template(key.certificate_der)
    digest = template.digest
    when = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    places = {"id": f"ChuKy-{secrets.token_hex(8)}", "at": when, "envelope": _base64(digest(octets).digest())}
    places["properties"] = _base64(digest(_filled(template.properties, places)).digest())
    info = _filled(template.info, places)
    places["value"] = _base64(key.raw(info, template.family, template.bits))
    places["info"] = info[template.apex :].decode()
    return Canonical(b"".join((DECLARATION, octets[:end], _filled(template.signature, places), octets[end:])))


def _filled(form: list[str], places: dict[str, str]) -> bytes:
    """Text, the name of a place, text, and so on, with every place's value; a piece that is no name stays as it is."""
    return "".join(map(places.get, form, form)).encode()


class _Template:
    """What never changes of one certificate's signatures. An element is written as it stands at its own apex, where it must be
    hashed, and without the namespaces that it inherits, where it stands in the document.
    """

    __slots__ = ("apex", "bits", "digest", "family", "info", "properties", "signature")

    def __init__(self, der: bytes) -> None:
        self.family, self.bits, method = method_of(read_certificate(der), XADES_B_B)
        uri = _DIGEST_URIS[self.bits]
        self.digest = getattr(hashlib, DIGESTS[uri])
        digest_method = f'Algorithm="{uri}"'
        transform = f'<ds:Transform Algorithm="{EXC_C14N}"></ds:Transform>'
        certificate = base64.b64encode(der).decode()
        digest = _base64(self.digest(der).digest())
        apex = f'<ds:SignedInfo xmlns:ds="{DS}">'
        self.apex = len(apex)
        info = (
            f'<ds:CanonicalizationMethod Algorithm="{EXC_C14N}"></ds:CanonicalizationMethod>'
            f'<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>'
            '<ds:Reference Id="%(id)s-ThongDiep" URI=""><ds:Transforms>'
            f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform>{transform}</ds:Transforms>'
            f"<ds:DigestMethod {digest_method}></ds:DigestMethod>"
            "<ds:DigestValue>%(envelope)s</ds:DigestValue></ds:Reference>"
            f'<ds:Reference Type="{SIGNED_PROPERTIES_TYPE}" URI="#%(id)s-SignedProperties">'
            f"<ds:Transforms>{transform}</ds:Transforms><ds:DigestMethod {digest_method}></ds:DigestMethod>"
            "<ds:DigestValue>%(properties)s</ds:DigestValue></ds:Reference></ds:SignedInfo>"
        )

        def properties(own: str, inner: str) -> str:
            return (
                f'<xades:SignedProperties{own} Id="%(id)s-SignedProperties"><xades:SignedSignatureProperties>'
                "<xades:SigningTime>%(at)s</xades:SigningTime>"
                "<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
                f"<ds:DigestMethod{inner} {digest_method}></ds:DigestMethod>"
                f"<ds:DigestValue{inner}>{digest}</ds:DigestValue>"
                "</xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties>"
                '<xades:SignedDataObjectProperties><xades:DataObjectFormat ObjectReference="#%(id)s-ThongDiep">'
                "<xades:MimeType>text/xml</xades:MimeType></xades:DataObjectFormat></xades:SignedDataObjectProperties>"
                "</xades:SignedProperties>"
            )

        self.info = _PLACE.split(apex + info)
        self.properties = _PLACE.split(properties(f' xmlns:xades="{XADES}"', f' xmlns:ds="{DS}"'))
        self.signature = _PLACE.split(
            f'<ds:Signature xmlns:ds="{DS}" Id="%(id)s"><ds:SignedInfo>%(info)s'
            "<ds:SignatureValue>%(value)s</ds:SignatureValue>"
            f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
            f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES}" Target="#%(id)s">'
            f"{properties('', '')}</xades:QualifyingProperties></ds:Object></ds:Signature>"
        )


@lru_cache(maxsize=16)
def _template(der: bytes) -> _Template:
    return _Template(der)


def _base64(octets: bytes) -> str:
    return binascii.b2a_base64(octets, newline=False).decode()
