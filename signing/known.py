"""Known shapes: signatures written like one that the long way has accepted, proven without going it again.

Most senders sign every message in one way. What differs from message to message is the text of a few elements (digests,
value, certificate, signing time) and the names that Ids are given. Everything else, down to white space, is the signature's
*skeleton*. When the allow-list (structure.py), the schema and signxml have accepted a signature, the hash of its skeleton is
kept with what they read in it; the next one of this skeleton is canonicalised by libxml2, hashed, and checked by
``cryptography``.

This way only ever says yes. Whatever does not fit — another skeleton, a value written unusually, an Id or a signature's
element elsewhere in the document, a digest, the mathematics — goes the long way, which decides alone what is wrong with it.
docs/decisions/0080 says why that is safe; tests/signing/test_known.py lets both ways judge the same documents.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from lxml import etree

from signing.certificates import Certificate
from signing.engine import Proven, canonical
from signing.structure import (
    SIGNATURE,
    SIGNATURE_CHARS,
    SIGNATURE_SPACES,
    Signature,
    SignedProperties,
    instant_of,
)
from signing.uris import C14N_10, CANONICALISATIONS, DIGESTS, EXC_C14N, PHONG_BI, XML, ds, xades

MOST: Final = 1024  # shapes; a country's systems sign in some dozens of ways

# Where a canonical form may differ within one skeleton. Canonical XML escapes "<" everywhere and quotes with '"' only. Both ways
# begin with an octet that is quickly searched for; looked back for at each place, it takes as long as proving the signature.
_SLOT: Final = re.compile(
    rb">([^<]*+)(?=</(?:[^<>:/]+:)?(?:DigestValue|SignatureValue|X509Certificate|SigningTime)>)"
    rb'| (Id="|URI="#|Target="#|ObjectReference="#)([^"]*)'
)
_TEXTS: Final = frozenset({"DigestValue", "SignatureValue", "X509Certificate", "SigningTime"})
_NAMES: Final = ("ObjectReference", "Target", "URI")
_ID: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_.\-]{0,127}")  # of the NCNames, those that nobody can read otherwise
_TIME: Final = re.compile(  # of xs:dateTime, what the schema and datetime both read alike
    rb"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
)
_SPACE: Final = re.compile(rb"(?:[ \t\n]|&#xD;)+")
# With the Signature taken out: nothing that the allow-list would have refused outside of it.
_ELSEWHERE: Final = etree.XPath(
    "boolean(/*/descendant::lt:ThongDiep | /*/descendant::*/@*[translate(local-name(), 'ID', 'id') = 'id']"
    " | /*/@*[translate(local-name(), 'ID', 'id') = 'id' and name() != 'Id'])",
    namespaces={"lt": PHONG_BI},
)
# The namespaces of structure.stray() have one of these in their names; in a canonical form they stand as they are.
_SPACES: Final = (b"/xmldsig", b"etsi.org/01903")
_HASHES: Final = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}
_INHERITED: Final = (f"{{{XML}}}lang", f"{{{XML}}}space")


class _Role(Enum):
    """What stands in a slot."""

    REFERENCE = auto()  # the digest of a reference, in their order
    VALUE = auto()
    CERTIFICATE = auto()
    CERTIFICATE_DIGEST = auto()  # in the order of SignedProperties.certificate_digests
    TIME = auto()
    REMARK = auto()  # signed, and read by nobody
    NAME = auto()  # an Id, or what refers to one


@dataclass(frozen=True, slots=True)
class _Form:
    """One canonicalisation."""

    algorithm: str
    prefixes: tuple[str, ...] = ()

    def of(self, node: etree._Element, inherited: tuple[tuple[str, str], ...]) -> bytes:
        """The canonical form of an element where it stands."""
        if self.algorithm == EXC_C14N and not self.prefixes:  # it inherits nothing: no copy is needed
            octets: bytes = etree.tostring(node, method="c14n", exclusive=True, with_comments=False)
            return octets
        return canonical(node, self.algorithm, list(self.prefixes) or None, inherited)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What the long way has read in a signature of this skeleton, without what may differ."""

    fields: dict[str, Any]  # of Signature
    policy: bool  # of SignedProperties
    digest_uris: tuple[str, ...]  # of SignedProperties.certificate_digests
    info: _Form
    forms: tuple[_Form, ...]  # of the references, in their order
    parts: tuple[str, ...]  # what each covers: "envelope", "properties" or "key"
    roles: tuple[_Role, ...]  # of the slots, in their order
    properties_name: int | None  # which slot holds the Id of SignedProperties


@dataclass(frozen=True, slots=True)
class Known:
    """A signature of a known shape. Everything in it is still a claim."""

    shape: _Shape
    signature: Signature
    fingerprint: str  # SHA-256 of the certificate
    digests: tuple[bytes, ...]  # of the references


_shapes: dict[bytes, _Shape] = {}


def forget() -> None:
    """Every shape goes the long way once more."""
    _shapes.clear()


@contextmanager
def suspended() -> Iterator[None]:
    """In here nothing is known, and what is learnt is forgotten behind it: the long way as referee (tests, ``make fuzz``)."""
    held = dict(_shapes)
    _shapes.clear()
    try:
        yield
    finally:
        _shapes.clear()
        _shapes.update(held)


def look(root: etree._Element) -> Known | None:
    """The document's signature, when it stands at its place and is of a known shape."""
    if not _shapes or len(root) == 0 or (at := root[-1]).tag != SIGNATURE:
        return None
    cut = _cut(root, at)
    if cut is None or (shape := _shapes.get(cut[0])) is None:
        return None
    return _read(root, at, shape, cut[1])


def _cut(root: etree._Element, at: etree._Element) -> tuple[bytes, list[bytes]] | None:
    """(hash of the skeleton, what stands in its slots); None for what is never kept."""
    octets: bytes = etree.tostring(at, method="c14n", exclusive=True, with_comments=False)
    if len(octets) + len(at.tail or "") > SIGNATURE_CHARS or b"#default" in octets:
        return None
    parts = _SLOT.split(octets)
    own = root.get("Id")
    numbers: dict[bytes, int] = {} if own is None else {own.encode(): 0}
    skeleton, values = [b"" if own is None else b"Id"], []
    for literal, text, head, name in zip(parts[::4], parts[1::4], parts[2::4], parts[3::4], strict=False):
        if name is None:
            skeleton.append(literal + b">")
            values.append(text)
        else:
            if not _ID.fullmatch(name):
                return None
            skeleton += (literal + b" " + head, b"%d" % numbers.setdefault(name, len(numbers) + 1))
            values.append(name)
    skeleton.append(parts[-1])
    if own is not None and not _ID.fullmatch(own.encode()):
        return None
    return hashlib.sha256(b"\0".join(skeleton)).digest(), values


def _read(root: etree._Element, at: etree._Element, shape: _Shape, values: list[bytes]) -> Known | None:
    """The Signature that structure.read_signature() would read, or None where something in it is written unusually."""
    references: list[bytes] = []
    certificate_digests: list[bytes] = []
    value = certificate = b""
    fingerprint = ""
    time = None
    for role, text in zip(shape.roles, values, strict=True):
        if role is _Role.NAME:
            continue
        if role is _Role.CERTIFICATE:
            certificate, fingerprint = _certificate(text)
            decoded: bytes | None = certificate
        elif role is _Role.TIME:
            time = instant_of(text.decode()) if _TIME.fullmatch(text) else None
            if time is None:
                return None
            continue
        else:
            decoded = _base64(text)
        if not decoded:
            return None
        if role is _Role.REFERENCE:
            references.append(decoded)
        elif role is _Role.VALUE:
            value = decoded
        elif role is _Role.CERTIFICATE_DIGEST:
            certificate_digests.append(decoded)
    properties = None
    if shape.properties_name is not None and time is not None:
        properties = SignedProperties(
            id=values[shape.properties_name].decode(),
            at=at,
            signing_time=time,
            signing_time_at=at,
            certificate_digests=tuple(zip(shape.digest_uris, certificate_digests, strict=True)),
            policy=shape.policy,
        )
    signature = Signature(
        at=at,
        certificate_at=next(at[2].iter(_CERTIFICATE)),
        method_at=at,
        certificate_der=certificate,
        signature_value=value,
        properties=properties,
        inherited=tuple((name, held) for name in _INHERITED if (held := root.get(name)) is not None),
        **shape.fields,
    )
    return Known(shape, signature, fingerprint, tuple(references))


def prove_known(root: etree._Element, known: Known, certificate: Certificate) -> Proven:
    """The canonical bytes under the signature, when this certificate's key made it. Raises anything when not.

    The Signature leaves the tree: what stays is what was signed.
    """
    shape, signature = known.shape, known.signature
    at, inherited = signature.at, signature.inherited
    info = shape.info.of(at[0], inherited)
    found = {"key": at[2]} if shape.properties_name is None else {"key": at[2], "properties": at[3][0][0]}
    octets = {
        part: form.of(found[part], inherited)
        for part, form in zip(shape.parts, shape.forms, strict=True)
        if part != "envelope"
    }
    tail, before = at.tail, at.getprevious()
    root.remove(at)  # lxml takes the tail along, but it is part of what was signed
    if tail and before is not None:
        before.tail = (before.tail or "") + tail
    form = shape.forms[signature.envelope_reference]
    octets["envelope"] = canonical(root, form.algorithm, list(form.prefixes) or None)
    if _ELSEWHERE(root) or (any(space in octets["envelope"] for space in _SPACES) and _stray(root)):
        raise InvalidSignature("elements or Ids of signatures outside of it")
    for part, uri, digest in zip(shape.parts, signature.digests, known.digests, strict=True):
        if hashlib.new(DIGESTS[uri], octets[part]).digest() != digest:
            raise InvalidSignature(f"digest of {part}")
    _verify(_key(certificate.fingerprint, certificate), signature, info)
    return Proven(envelope=octets["envelope"], properties=octets.get("properties"))


def _verify(key: Any, signature: Signature, info: bytes) -> None:
    """The mathematics. Raises InvalidSignature."""
    algorithm, value = _HASHES[signature.bits], signature.signature_value
    if signature.family == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
        size = (key.key_size + 7) // 8
        if len(value) != 2 * size:
            raise InvalidSignature("length")
        pair = utils.encode_dss_signature(int.from_bytes(value[:size], "big"), int.from_bytes(value[size:], "big"))
        key.verify(pair, info, ec.ECDSA(algorithm))
    elif signature.family == "pss" and isinstance(key, rsa.RSAPublicKey):
        key.verify(value, info, padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm)
    elif signature.family == "rsa" and isinstance(key, rsa.RSAPublicKey):
        key.verify(value, info, padding.PKCS1v15(), algorithm)
    else:
        raise InvalidSignature("another family of keys")


def _stray(root: etree._Element) -> bool:
    return any(True for _ in root.iter(*SIGNATURE_SPACES))


_CERTIFICATE: Final = ds("X509Certificate")


# Learning -------------------------------------------------------------------------------------------------------------


def learn(root: etree._Element, signature: Signature) -> None:
    """Keep the shape of a signature that the long way has just accepted, if it is one that can be told by its skeleton."""
    if (
        signature.timestamps
        or signature.claim is not None
        or (cut := _cut(root, signature.at)) is None
        or cut[0] in _shapes
    ):
        return
    slots = list(_walk(signature.at))
    if [_written(element, name) for element, name in slots] != cut[1]:
        return  # something in a remark looks like a slot
    shape = _shape(signature, slots)
    if shape is None:
        return
    while len(_shapes) >= MOST:
        _shapes.pop(next(iter(_shapes)), None)
    _shapes[cut[0]] = shape


def _walk(at: etree._Element) -> Iterator[tuple[etree._Element, str | None]]:
    """(element, name of an attribute or None for its text) of every slot, in the order of the canonical form."""
    for element in at.iter():
        for name in sorted(element.attrib):
            if name == "Id" or (name in _NAMES and element.get(name, "").startswith("#")):
                yield element, name
        if len(element) == 0 and etree.QName(element).localname in _TEXTS:
            yield element, None


def _written(element: etree._Element, name: str | None) -> bytes:
    if name is not None:
        return element.get(name, "").removeprefix("#").encode()
    return (element.text or "").replace("\r", "&#xD;").encode()


def _shape(signature: Signature, slots: list[tuple[etree._Element, str | None]]) -> _Shape | None:
    at, properties = signature.at, signature.properties
    references = list(at[0].iterfind(ds("Reference")))
    digest_values = [reference[-1] for reference in references]
    certs = [
        cert[0][1]
        for name in ("SigningCertificate", "SigningCertificateV2")
        for cert in (() if properties is None else properties.at[0].iterfind(f"{xades(name)}/{xades('Cert')}[1]"))
    ]
    special: list[tuple[etree._Element, _Role]] = [(at[1], _Role.VALUE), (signature.certificate_at, _Role.CERTIFICATE)]
    special += [(element, _Role.REFERENCE) for element in digest_values]
    special += [(element, _Role.CERTIFICATE_DIGEST) for element in certs]
    if properties is not None:
        special.append((properties.signing_time_at, _Role.TIME))
    roles = [
        _Role.NAME if name is not None else next((role for one, role in special if one is element), _Role.REMARK)
        for element, name in slots
    ]
    # In the order of the document: so are the references, but not the two kinds of certificate digests.
    in_order = [e for e, name in slots if name is None and any(e is cert for cert in certs)]
    if len(special) != sum(role not in (_Role.NAME, _Role.REMARK) for role in roles) or in_order != certs:
        return None
    parts = ["key"] * len(references)
    parts[signature.envelope_reference] = "envelope"
    if signature.properties_reference is not None:
        parts[signature.properties_reference] = "properties"
    fields = {name: getattr(signature, name) for name in _KEPT}
    own = None if properties is None else next(i for i, (e, name) in enumerate(slots) if e is properties.at and name)
    return _Shape(
        fields=fields,
        policy=properties is not None and properties.policy,
        digest_uris=() if properties is None else tuple(uri for uri, _ in properties.certificate_digests),
        info=_form(at[0][0]),
        forms=tuple(_form_of(reference) for reference in references),
        parts=tuple(parts),
        roles=tuple(roles),
        properties_name=own,
    )


_KEPT: Final = (
    *("method", "family", "bits", "canonicalisation", "digests", "transforms", "references", "envelope_reference"),
    *("by_id", "key_value", "properties_reference"),
)


def _form_of(reference: etree._Element) -> _Form:
    """The canonicalisation of a reference; Canonical XML 1.0 where none is named (XML-DSig 4.4.3.2)."""
    for transform in reference.iterfind(f"{ds('Transforms')}/{ds('Transform')}"):
        if transform.get("Algorithm") in CANONICALISATIONS:
            return _form(transform)
    return _Form(C14N_10)


def _form(element: etree._Element) -> _Form:
    prefixes = element[0].get("PrefixList", "").split() if len(element) else ()
    return _Form(element.get("Algorithm", ""), tuple(prefixes))


# Values ---------------------------------------------------------------------------------------------------------------


def _base64(text: bytes) -> bytes | None:
    """The bytes of base64 that has one reading only; None for any other."""
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        text = _SPACE.sub(b"", text)
        try:
            decoded = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            return None
    return decoded if binascii.b2a_base64(decoded, newline=False) == text else None


@lru_cache(maxsize=1024)
def _certificate(text: bytes) -> tuple[bytes, str]:
    """(DER, SHA-256) of a certificate in base64; empty where it is none."""
    der = _base64(text) or b""
    return der, hashlib.sha256(der).hexdigest()


_keys: dict[str, Any] = {}


def _key(fingerprint: str, certificate: Certificate) -> Any:
    """The public key of a registered certificate; reading it from the certificate costs more than the rest."""
    key = _keys.get(fingerprint)
    if key is None:
        if len(_keys) >= MOST:
            _keys.clear()
        key = _keys[fingerprint] = certificate.x509.public_key()
    return key
