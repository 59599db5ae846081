"""Known shapes: signatures written like one that the long way has accepted, proven without going it again.

Most senders sign every message in one way. What differs from message to message is the text of a few elements (digests,
value, certificate, signing time) and the names that Ids are given. Everything else, down to white space, is the signature's
*skeleton*. When the allow-list (structure.py), the schema and signxml have accepted a signature, its skeleton is kept under
its certificate, with what they read in it; the next one of this certificate and skeleton is canonicalised by libxml2, hashed,
and checked by ``cryptography``.

This way only ever says yes. Whatever does not fit — another skeleton, a value written unusually, an Id or a signature's
element elsewhere in the document, a digest, the mathematics — goes the long way, which decides alone what is wrong with it.
docs/decisions/0080 says why that is safe; tests/signing/test_known.py lets both ways judge the same documents.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from lxml import etree

from signing.certificates import Certificate
from signing.engine import Proven, canonical
from signing.structure import (
    ROOT,
    SIGNATURE,
    SIGNATURE_CHARS,
    SIGNATURE_SPACES,
    Signature,
    SignedProperties,
)
from signing.uris import C14N_10, CANONICALISATIONS, DIGESTS, EXC_C14N, PHONG_BI, XML, ds, xades

MOST: Final = 8  # shapes of one certificate, each tried in its turn; who signs in more ways goes the long way, alone
CERTIFICATES: Final = 4096  # whose shapes are kept, of some kilobytes each
_CERTIFICATE_CHARS: Final = 8192  # of one that shapes are kept of; real ones have 1,500 to 3,500

# Where a canonical form may differ within one skeleton. Canonical XML escapes "<" everywhere and quotes with '"' only.
_SLOT: Final = re.compile(
    rb">([^<]*+)(?=</(?:[^<>:/]+:)?(?:DigestValue|SignatureValue|X509Certificate|SigningTime)>)"
    rb'| (Id="|URI="#|Target="#|ObjectReference="#)([^"]*)'
)
_TEXTS: Final = frozenset({"DigestValue", "SignatureValue", "X509Certificate", "SigningTime"})
_NAMES: Final = ("ObjectReference", "Target", "URI")
_ID: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_.\-]{0,127}")  # of the NCNames, those that nobody can read otherwise
_TIME: Final = re.compile(  # of xs:dateTime, what the schema and datetime both read alike
    rb"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
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
_PKCS1V15: Final = padding.PKCS1v15()
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


@dataclass(frozen=True, slots=True)
class _SignaturePart:
    """An element of the Signature that is hashed by itself."""

    path: tuple[int, ...]  # to it from the Signature
    form: _Form
    #: Its canonical form with empty places, and the slots that fill them; None where it depends on what is outside the Signature.
    written: tuple[tuple[bytes, ...], slice] | None

    def of(self, at: etree._Element, values: list[bytes], inherited: tuple[tuple[str, str], ...]) -> bytes:
        """Its canonical form in this signature."""
        if self.written is None:
            return self.form.of(_down(at, self.path), inherited)
        pieces = list(self.written[0])
        pieces[1::2] = values[self.written[1]]
        return b"".join(pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Skeleton:
    """A canonical form without what may differ."""

    own: bool  # the root has an Id
    literals: tuple[bytes, ...]  # what stands before, between and after the slots
    numbers: tuple[int, ...]  # of the names, the root's first: the same for the same


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What the long way has read in a signature of this skeleton, without what may differ."""

    start: bytes
    rest: tuple[tuple[bytes, bytes], ...]  # of each slot: what ends it, and all that stands between it and the next
    own: bool
    numbers: tuple[int, ...]
    fields: dict[str, Any]  # of Signature
    policy: bool  # of SignedProperties
    digest_uris: tuple[str, ...]  # of SignedProperties.certificate_digests
    info: _SignaturePart
    parts: dict[str, _SignaturePart]  # what the references cover inside the Signature: "properties" or "key"
    envelope: _Form
    covered: tuple[
        tuple[str, Callable[[bytes], Any]], ...
    ]  # of each reference: "envelope" or one of the parts, and its hash
    # Which slots hold what:
    value: int
    certificate: int
    references: tuple[int, ...]  # the digests, in the order of the references
    certificate_digests: tuple[int, ...]  # in the order of SignedProperties.certificate_digests
    time: int | None
    remarks: tuple[int, ...]  # signed, and read by nobody
    names: tuple[int, ...]  # an Id, or what refers to one
    properties_name: int | None  # the Id of SignedProperties

    def cut(self, octets: bytes) -> list[bytes] | None:
        """What stands in the slots, when the canonical form of a Signature is this skeleton."""
        if not octets.startswith(self.start):
            return None
        values = []
        at = len(self.start)
        for end, literal in self.rest:
            stop = octets.find(end, at)
            if stop < 0 or not octets.startswith(literal, stop):
                return None
            values.append(octets[at:stop])
            at = stop + len(literal)
        return values if at == len(octets) else None


class Known(NamedTuple):
    """A signature of a known shape. Everything in it is still a claim."""

    shape: _Shape
    signature: Signature
    fingerprint: str  # SHA-256 of the certificate
    digests: tuple[bytes, ...]  # of the references
    values: list[bytes]  # of the slots


_shapes: dict[str, dict[_Skeleton, _Shape]] = {}  # by the fingerprint of the certificate


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
    """The signature of a ThongDiep, when it stands at its place and is of a known shape."""
    if not _shapes or root.tag != ROOT or len(root) == 0 or (at := root[-1]).tag != SIGNATURE:
        return None
    octets = _octets(at)
    written = None if octets is None else next(map(_text, at.iter(_CERTIFICATE)), None)
    if octets is None or written is None or len(written) > _CERTIFICATE_CHARS:
        return None
    for shape in tuple(_shapes.get(_certificate(written)[1], {}).values()):  # another thread may be learning
        values = shape.cut(octets)
        if values is None or values[shape.certificate] != written:
            continue
        if (known := _read(root, at, shape, values)) is not None:
            return known
    return None


def _octets(at: etree._Element) -> bytes | None:
    """The canonical form of a Signature; None where it is longer than may be."""
    octets: bytes = etree.tostring(at, method="c14n", exclusive=True, with_comments=False)
    return None if len(octets) + len(at.tail or "") > SIGNATURE_CHARS else octets


def _numbered(own: str | None, names: list[bytes]) -> tuple[int, ...] | None:
    """Who refers to whom, whatever they are called. None where a name could be read otherwise."""
    numbers: dict[bytes, int] = {}
    if own is not None:
        names = [own.encode(), *names]
    found = tuple([numbers.setdefault(name, len(numbers)) for name in names])
    return found if all(map(_ID.fullmatch, numbers)) else None


def _read(root: etree._Element, at: etree._Element, shape: _Shape, values: list[bytes]) -> Known | None:
    """The Signature that structure.read_signature() would read, or None where something in it is written unusually."""
    own = root.get("Id")
    if (own is not None) is not shape.own or _numbered(own, [values[i] for i in shape.names]) != shape.numbers:
        return None
    certificate, fingerprint = _certificate(values[shape.certificate])
    value = _base64(values[shape.value])
    references = [_base64(values[i]) for i in shape.references]
    certificate_digests = [_base64(values[i]) for i in shape.certificate_digests]
    remarks = [_base64(values[i]) for i in shape.remarks]
    if not (certificate and value and all(references) and all(certificate_digests) and all(remarks)):
        return None
    properties = None
    if shape.time is not None and shape.properties_name is not None:
        time = _instant(values[shape.time])
        if time is None:
            return None
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
    return Known(shape, signature, fingerprint, tuple(references), values)


def prove_known(root: etree._Element, known: Known, certificate: Certificate) -> Proven:
    """The canonical bytes under the signature, when this certificate's key made it. Raises anything when not.

    The Signature leaves the tree: what stays is what was signed.
    """
    shape, signature = known.shape, known.signature
    at, inherited = signature.at, signature.inherited
    info = shape.info.of(at, known.values, inherited)
    octets = {name: part.of(at, known.values, inherited) for name, part in shape.parts.items()}
    tail, before = at.tail, at.getprevious()
    root.remove(at)  # lxml takes the tail along, but it is part of what was signed
    if tail and before is not None:
        before.tail = (before.tail or "") + tail
    octets["envelope"] = envelope = shape.envelope.of(root, ())
    if _ELSEWHERE(root) or ((_SPACES[0] in envelope or _SPACES[1] in envelope) and _stray(root)):
        raise InvalidSignature("elements or Ids of signatures outside of it")
    for (what, hashed), digest in zip(shape.covered, known.digests, strict=True):
        if hashed(octets[what]).digest() != digest:
            raise InvalidSignature(f"digest of {what}")
    _verify(_key(certificate.fingerprint, certificate), signature, info)
    return Proven(envelope=envelope, properties=octets.get("properties"))


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
        key.verify(value, info, _PKCS1V15, algorithm)
    else:
        raise InvalidSignature("another family of keys")


def _stray(root: etree._Element) -> bool:
    return any(True for _ in root.iter(*SIGNATURE_SPACES))


_CERTIFICATE: Final = ds("X509Certificate")


# Learning -------------------------------------------------------------------------------------------------------------


def learn(root: etree._Element, signature: Signature) -> None:
    """Keep the shape of a signature that the long way has just accepted, if it is one that can be told by its skeleton."""
    if signature.timestamps or signature.claim is not None:
        return
    octets = _octets(signature.at)
    if octets is None or b"#default" in octets:
        return
    literals, values, names = _cut(octets)
    slots = list(_walk(signature.at))
    if [_written(element, name) for element, name in slots] != values:
        return  # something in a remark looks like a slot
    own = root.get("Id")
    numbers = _numbered(own, [values[i] for i in names])
    if numbers is None:
        return
    skeleton = _Skeleton(own=own is not None, literals=literals, numbers=numbers)
    fingerprint = hashlib.sha256(signature.certificate_der).hexdigest()
    shapes = _shapes.get(fingerprint, {})
    if skeleton in shapes or (shape := _shape(signature, slots, values, skeleton)) is None:
        return
    while len(shapes) >= MOST:  # its own; nobody's else
        shapes.pop(next(iter(shapes)), None)
    shapes[skeleton] = shape
    while fingerprint not in _shapes and len(_shapes) >= CERTIFICATES:
        _shapes.pop(next(iter(_shapes)), None)
    _shapes[fingerprint] = shapes


def _cut(octets: bytes) -> tuple[tuple[bytes, ...], list[bytes], list[int]]:
    """(what stands between the slots, what stands in them, which of these are names) of a canonical form."""
    parts = _SLOT.split(octets)
    literals, values, names = [parts[0]], [], []
    for number, (text, head, name, after) in enumerate(
        zip(parts[1::4], parts[2::4], parts[3::4], parts[4::4], strict=True)
    ):
        if name is None:
            literals[-1] += b">"
            values.append(text)
        else:
            literals[-1] += b" " + head
            values.append(name)
            names.append(number)
        literals.append(after)
    return tuple(literals), values, names


def _walk(at: etree._Element) -> Iterator[tuple[etree._Element, str | None]]:
    """(element, name of an attribute or None for its text) of every slot, in the order of the canonical form."""
    for element in at.iter():
        for name in sorted(element.attrib):
            if name == "Id" or (name in _NAMES and element.get(name, "").startswith("#")):
                yield element, name
        if len(element) == 0 and etree.QName(element).localname in _TEXTS:
            yield element, None


def _written(element: etree._Element, name: str | None) -> bytes:
    return _text(element) if name is None else element.get(name, "").removeprefix("#").encode()


def _text(element: etree._Element) -> bytes:
    """As a canonical form has it, where nothing but base64 or a time stands there."""
    return (element.text or "").replace("\r", "&#xD;").encode()


def _shape(
    signature: Signature, slots: list[tuple[etree._Element, str | None]], values: list[bytes], skeleton: _Skeleton
) -> _Shape | None:
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
    covered = ["key"] * len(references)
    covered[signature.envelope_reference] = "envelope"
    if signature.properties_reference is not None:
        covered[signature.properties_reference] = "properties"
    forms = [_form_of(reference) for reference in references]
    made = {
        what: _part(at, _PATHS[what], form, slots, values)
        for what, form in [("info", _form(at[0][0])), *zip(covered, forms, strict=True)]
        if what != "envelope"
    }
    parts = {what: part for what, part in made.items() if part is not None}
    if len(parts) != len(made):
        return None

    def holding(role: _Role) -> tuple[int, ...]:
        return tuple(number for number, one in enumerate(roles) if one is role)

    own = None if properties is None else next(i for i, (e, name) in enumerate(slots) if e is properties.at and name)
    return _Shape(
        start=skeleton.literals[0],
        rest=tuple((literal[:1], literal) for literal in skeleton.literals[1:]),
        own=skeleton.own,
        numbers=skeleton.numbers,
        fields={name: getattr(signature, name) for name in _KEPT},
        policy=properties is not None and properties.policy,
        digest_uris=() if properties is None else tuple(uri for uri, _ in properties.certificate_digests),
        info=parts.pop("info"),
        parts=parts,
        envelope=forms[signature.envelope_reference],
        covered=tuple(
            (what, getattr(hashlib, DIGESTS[uri])) for what, uri in zip(covered, signature.digests, strict=True)
        ),
        value=holding(_Role.VALUE)[0],
        certificate=holding(_Role.CERTIFICATE)[0],
        references=holding(_Role.REFERENCE),
        certificate_digests=holding(_Role.CERTIFICATE_DIGEST),
        time=None if properties is None else holding(_Role.TIME)[0],
        remarks=holding(_Role.REMARK),
        names=holding(_Role.NAME),
        properties_name=own,
    )


_PATHS: Final = {"info": (0,), "key": (2,), "properties": (3, 0, 0)}


def _part(
    at: etree._Element,
    path: tuple[int, ...],
    form: _Form,
    slots: list[tuple[etree._Element, str | None]],
    values: list[bytes],
) -> _SignaturePart | None:
    """How a part of the Signature is canonicalised; None where its slots are not those of the whole.

    An exclusive canonical form without a list of prefixes says nothing that the Signature's own does not: it is put together.
    """
    if form.algorithm != EXC_C14N or form.prefixes:
        return _SignaturePart(path, form, None)
    node = _down(at, path)
    inside = set(node.iter())
    within = [number for number, (element, _) in enumerate(slots) if element in inside]
    first = within[0] if within else 0
    run = slice(first, first + len(within))
    literals, found, _ = _cut(form.of(node, ()))
    if found != values[run]:
        return None
    pieces = [b""] * (2 * len(literals) - 1)
    pieces[::2] = literals
    return _SignaturePart(path, form, (tuple(pieces), run))


def _down(at: etree._Element, path: tuple[int, ...]) -> etree._Element:
    for place in path:
        at = at[place]
    return at


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


def _base64(text: bytes) -> bytes:
    """The bytes of base64 that has one reading only; none for any other."""
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        text = _SPACE.sub(b"", text)
        try:
            decoded = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            return b""
    return decoded if binascii.b2a_base64(decoded, newline=False) == text else b""


def _instant(text: bytes) -> datetime | None:
    """The time in UTC, as structure.instant_of() reads it; None where it is written as not everybody reads it alike."""
    if _TIME.fullmatch(text) is None:
        return None
    try:
        return datetime.fromisoformat(text.decode()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=1024)
def _certificate(text: bytes) -> tuple[bytes, str]:
    """(DER, SHA-256) of a certificate in base64; empty where it is none."""
    der = _base64(text)
    return der, hashlib.sha256(der).hexdigest()


_keys: dict[str, Any] = {}


def _key(fingerprint: str, certificate: Certificate) -> Any:
    """The public key of a registered certificate; reading it from the certificate costs more than the rest."""
    key = _keys.get(fingerprint)
    if key is None:
        if len(_keys) >= CERTIFICATES:
            _keys.clear()
        key = _keys[fingerprint] = certificate.x509.public_key()
    return key
