"""The allow-list: what a signature may look like, decided on names and places before anything is computed.

``read_signature`` takes the tree that arrived and gives a :class:`Signature`, the one shape that the rest of this
package deals with, or stops with every problem it finds. Nothing here hashes, compares or fetches; what is refused
here a sender can read off its own message, so each cause has a code of its own (threats section 3.2). The list is
threats section 4; the attacks that it closes are sections 5.4 to 5.10.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any, Final, NamedTuple

from lxml import etree

from gateway.core.problems import Location, Problem, Stopped
from gateway.core.values import made_often
from gateway.documents import MOST_PROBLEMS, xpath_of
from signing.uris import (
    C14N_10,
    C14N_11,
    CANONICALISATIONS,
    DIGESTS,
    DS,
    DS11,
    DS_MORE_2007,
    ENVELOPED,
    EXC_C14N,
    PHONG_BI,
    RSA_PSS,
    SHA256,
    SIGNATURE_METHODS,
    SIGNED_PROPERTIES_TYPE,
    XADES,
    XADES_141,
    XML,
    ds,
    xades,
)

SIGNATURE_CHARS: Final = 32 * 1024  # of one Signature element; with a time-stamp and its certificates about 12 000
SIGNATURE_ELEMENTS: Final = 256
PREFIX_LIST: Final = 64  # entries of an InclusiveNamespaces PrefixList
REFERENCES: Final = 3  # the envelope; with XAdES its SignedProperties; with some toolkits KeyInfo
_TIME_TYPES: Final = frozenset({f"{DS}SignatureProperties", f"{DS}SignatureProperty", f"{DS}Object"})  # of a Reference

ROOT: Final = f"{{{PHONG_BI}}}ThongDiep"
SIGNATURE: Final = ds("Signature")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStamp:
    """One SignatureTimeStamp as it stands in the document; not verified."""

    token: bytes  # DER of the RFC 3161 token
    canonicalisation: str  # how SignatureValue became octets
    prefixes: tuple[str, ...]  # PrefixList, exclusive canonicalisation only
    at: etree._Element


@made_often(frozen=True, slots=True, kw_only=True)
class SignedProperties:
    """What the signer says about its signature, under the signature. XAdES baseline B (EN 319 132-1)."""

    id: str
    at: etree._Element
    signing_time: datetime
    signing_time_at: etree._Element
    certificate_digests: tuple[tuple[str, bytes], ...]  # (digest URI, value) of the first Cert of each property
    policy: bool  # names a signature policy; recorded, never fetched


@made_often(frozen=True, slots=True, kw_only=True)
class SignedClaim:
    """The signing time that plain XML-DSig carries in a signed SignatureProperty, as Vietnam's e-invoices do."""

    ids: frozenset[str]  # of Object, SignatureProperties and SignatureProperty; the reference names one of them
    signing_time: datetime
    signing_time_at: etree._Element


class Signature(NamedTuple):
    """One signature whose shape is on the list. Everything in it is still a claim.

    Made for every message: a tuple of so many fields takes a quarter of the time of a frozen dataclass.
    """

    at: etree._Element  # where it stands in the tree that arrived; for problems and time-stamps
    certificate_der: bytes
    certificate_at: etree._Element
    method: str  # signature method URI
    method_at: etree._Element
    family: str  # "rsa", "pss" or "ecdsa"
    bits: int  # of the hash that is signed
    canonicalisation: str  # of SignedInfo
    digests: tuple[str, ...]  # digest URIs, in the order of the references
    transforms: tuple[str, ...]  # of the envelope's reference
    references: int
    envelope_reference: int  # which of them covers the envelope
    by_id: bool  # the reference names the root by its Id; else URI=""
    signature_value: bytes
    key_value: tuple[str, ...] | None = None  # ("rsa", n, e) or ("ec", curve URI, point); hex
    properties: SignedProperties | None = None
    properties_reference: int | None = None
    timestamps: tuple[TimeStamp, ...] = ()
    claim: SignedClaim | None = None  # beside plain XML-DSig only
    claim_reference: int | None = None
    inherited: tuple[tuple[str, str], ...] = ()  # xml:lang and xml:space of the root, which inclusive C14N hands down

    @property
    def signing_time(self) -> datetime | None:
        """When it was made, as the signer says under the signature; None where it says nothing."""
        said = self.properties or self.claim
        return None if said is None else said.signing_time


class Uncovered(Problem):
    """A problem by which the signature is over something else than the whole envelope, or may be."""

    __slots__ = ()


def signatures(root: etree._Element) -> list[etree._Element]:
    """Every element named Signature in the XML-DSig namespace, anywhere."""
    return list(root.iter(SIGNATURE))


def stray(root: etree._Element) -> list[Problem]:
    """Elements of the signature namespaces outside the one Signature, and envelopes inside the envelope."""
    inside = root.find(SIGNATURE)
    here = sum(1 for _ in root.iter(*SIGNATURE_SPACES))
    there = 0 if inside is None else sum(1 for _ in inside.iter(*SIGNATURE_SPACES))
    inner = (e for e in root.iter(ROOT) if e is not root)
    problems: list[Problem] = [_uncovered("SIG-015", e) for e in islice(inner, MOST_PROBLEMS)]
    if here == there:
        return problems
    outside = (
        _problem("SIG-005", element, element=_name(element.tag))
        for element in root.iter(*SIGNATURE_SPACES)
        if element.tag != SIGNATURE and element is not inside and not _lies_in(element, inside)
    )
    return problems + list(islice(outside, MOST_PROBLEMS))


def read_signature(root: etree._Element) -> Signature:
    """The document's one signature over the whole envelope. Raises Stopped with every problem found."""
    found = signatures(root)
    if not found:
        raise Stopped(Problem("SIG-002"))
    if len(found) > 1:
        raise Stopped(*(_problem("SIG-003", extra, count=len(found)) for extra in found[1:4]))
    signature = found[0]
    problems: list[Problem] = []
    if signature.getparent() is not root or signature.getnext() is not None:
        problems.append(_uncovered("SIG-004", signature))
    problems += stray(root)
    problems += islice(_ids(root), MOST_PROBLEMS)
    if problems:
        raise Stopped(*problems)
    problems = list(_size(signature)) or list(islice(_fit(signature, _GRAMMAR[SIGNATURE]), MOST_PROBLEMS))
    if problems:
        raise Stopped(*problems)
    return _SignatureReader(root, signature).read()


def survey(root: etree._Element) -> list[Problem]:
    """Every objection to a document's signature that its shape allows, also where an earlier one would have ended the reading.

    For comparing with other programs (tools/vectors.py); empty where :func:`read_signature` would give a Signature.
    """
    found = signatures(root)
    if not found:
        return [Problem("SIG-002")]
    problems = [_problem("SIG-003", extra, count=len(found)) for extra in found[1:4]]
    signature = found[0]
    if signature.getparent() is not root or signature.getnext() is not None:
        problems.append(_uncovered("SIG-004", signature))
    problems += [*stray(root), *islice(_ids(root), MOST_PROBLEMS), *_size(signature)]
    grammar = list(islice(_fit(signature, _GRAMMAR[SIGNATURE]), MOST_PROBLEMS))
    problems += grammar
    if grammar:
        return problems + list(_names(signature))
    try:
        _SignatureReader(root, signature).read()
    except Stopped as stop:
        problems += stop.problems
    return problems


def _names(signature: etree._Element) -> Iterator[Problem]:
    """Algorithms off the list, wherever they stand."""
    for name, known, code in (
        ("SignatureMethod", SIGNATURE_METHODS, "SIG-030"),
        ("DigestMethod", DIGESTS, "SIG-031"),
        ("CanonicalizationMethod", CANONICALISATIONS, "SIG-026"),
    ):
        for element in signature.iter(ds(name)):
            if element.get("Algorithm") not in known:
                yield _problem(code, element, algorithm=_quote(element.get("Algorithm")))


# What stands where ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What one element may hold."""

    attributes: frozenset[str] = frozenset()
    children: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> (least, most), in this order
    any_order: bool = False
    text: str | None = None  # None: white space; "base64"; "any"
    free: bool = False  # descendants are not looked at: signed remarks that we keep and do not use
    unwanted: str = "SIG-006"  # the code for a child that is not listed
    missing: str = "SIG-014"
    too_many: str = "SIG-006"
    covers: bool = False  # whether with one too many it is open what is signed
    order: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", {tag: place for place, tag in enumerate(self.children)})


_ONE = (1, 1)
_MAYBE = (0, 1)
_ID = frozenset({"Id"})
_ALGORITHM = frozenset({"Algorithm"})
_EC_PREFIXES = f"{{{EXC_C14N}}}InclusiveNamespaces"
_PSS = f"{{{DS_MORE_2007}}}RSAPSSParams"
_MGF = f"{{{DS_MORE_2007}}}MaskGenerationFunction"
_BASE64 = _Rule(text="base64")
_ANY = _Rule(text="any")
_FREE = _Rule(attributes=_ID, free=True)
SIGNATURE_SPACES = tuple(f"{{{space}}}*" for space in (DS, DS11, XADES, XADES_141))
_CERT_DIGEST = {ds("DigestMethod"): _ONE, ds("DigestValue"): _ONE}

_SIGNING_TIME: Final = "SigningTime of any namespace"  # XML-DSig names none, and programs write many

_GRAMMAR: Final[dict[str, _Rule]] = {
    SIGNATURE: _Rule(
        attributes=_ID,
        children={ds("SignedInfo"): _ONE, ds("SignatureValue"): _ONE, ds("KeyInfo"): _ONE, ds("Object"): _MAYBE},
    ),
    ds("SignedInfo"): _Rule(
        attributes=_ID,
        children={
            ds("CanonicalizationMethod"): _ONE,
            ds("SignatureMethod"): _ONE,
            ds("Reference"): (0, REFERENCES),  # none: coverage, not grammar
        },
        too_many="SIG-022",
        covers=True,
    ),
    ds("CanonicalizationMethod"): _Rule(attributes=_ALGORITHM, children={_EC_PREFIXES: _MAYBE}),
    ds("SignatureMethod"): _Rule(attributes=_ALGORITHM, children={_PSS: _MAYBE}),
    _PSS: _Rule(
        children={
            ds("DigestMethod"): _MAYBE,
            _MGF: _MAYBE,
            f"{{{DS_MORE_2007}}}SaltLength": _MAYBE,
            f"{{{DS_MORE_2007}}}TrailerField": _MAYBE,
        }
    ),
    _MGF: _Rule(attributes=_ALGORITHM, children={ds("DigestMethod"): _MAYBE}),
    f"{{{DS_MORE_2007}}}SaltLength": _ANY,
    f"{{{DS_MORE_2007}}}TrailerField": _ANY,
    ds("Reference"): _Rule(
        attributes=frozenset({"Id", "URI", "Type"}),
        children={ds("Transforms"): _MAYBE, ds("DigestMethod"): _ONE, ds("DigestValue"): _ONE},
    ),
    ds("Transforms"): _Rule(children={ds("Transform"): (1, 2)}, too_many="SIG-025"),
    # An unlisted child of Transform (XPath, stylesheet) goes with an algorithm that is refused by name below.
    ds("Transform"): _Rule(attributes=_ALGORITHM, children={_EC_PREFIXES: _MAYBE}, unwanted="SIG-024"),
    _EC_PREFIXES: _Rule(attributes=frozenset({"PrefixList"})),
    ds("DigestMethod"): _Rule(attributes=_ALGORITHM),
    ds("DigestValue"): _BASE64,
    ds("SignatureValue"): _Rule(attributes=_ID, text="base64"),
    ds("KeyInfo"): _Rule(
        attributes=_ID,
        children={ds("X509Data"): _ONE, ds("KeyName"): _MAYBE, ds("KeyValue"): _MAYBE},
        any_order=True,
        unwanted="SIG-042",
        missing="SIG-040",
        too_many="SIG-041",
    ),
    ds("KeyName"): _ANY,
    ds("X509Data"): _Rule(
        children={
            ds("X509Certificate"): _ONE,
            ds("X509SubjectName"): _MAYBE,
            ds("X509IssuerSerial"): _MAYBE,
            ds("X509SKI"): _MAYBE,
        },
        any_order=True,
        unwanted="SIG-042",
        missing="SIG-040",
        too_many="SIG-041",
    ),
    ds("X509Certificate"): _BASE64,
    ds("X509SubjectName"): _ANY,
    ds("X509IssuerSerial"): _Rule(children={ds("X509IssuerName"): _ONE, ds("X509SerialNumber"): _ONE}),
    ds("X509IssuerName"): _ANY,
    ds("X509SerialNumber"): _ANY,
    ds("X509SKI"): _BASE64,
    ds("KeyValue"): _Rule(
        children={ds("RSAKeyValue"): _MAYBE, f"{{{DS11}}}ECKeyValue": _MAYBE}, any_order=True, unwanted="SIG-042"
    ),
    ds("RSAKeyValue"): _Rule(children={ds("Modulus"): _ONE, ds("Exponent"): _ONE}),
    ds("Modulus"): _BASE64,
    ds("Exponent"): _BASE64,
    f"{{{DS11}}}ECKeyValue": _Rule(
        attributes=_ID,
        children={f"{{{DS11}}}NamedCurve": _ONE, f"{{{DS11}}}PublicKey": _ONE},
        unwanted="SIG-042",
    ),
    f"{{{DS11}}}NamedCurve": _Rule(attributes=frozenset({"URI"})),
    f"{{{DS11}}}PublicKey": _BASE64,
    # One of the two: that none or both stand there is told by _object.
    ds("Object"): _Rule(
        attributes=_ID, children={xades("QualifyingProperties"): _MAYBE, ds("SignatureProperties"): _MAYBE}
    ),
    ds("SignatureProperties"): _Rule(attributes=_ID, children={ds("SignatureProperty"): _ONE}),
    ds("SignatureProperty"): _Rule(attributes=frozenset({"Id", "Target"}), children={_SIGNING_TIME: _ONE}),
    _SIGNING_TIME: _ANY,
    xades("QualifyingProperties"): _Rule(
        attributes=frozenset({"Id", "Target"}),
        children={xades("SignedProperties"): _ONE, xades("UnsignedProperties"): _MAYBE},
    ),
    xades("SignedProperties"): _Rule(
        attributes=_ID,
        children={xades("SignedSignatureProperties"): _ONE, xades("SignedDataObjectProperties"): _MAYBE},
    ),
    xades("SignedSignatureProperties"): _Rule(
        attributes=_ID,
        children={
            xades("SigningTime"): _MAYBE,  # a missing one has its own code
            xades("SigningCertificate"): _MAYBE,
            xades("SigningCertificateV2"): _MAYBE,
            xades("SignaturePolicyIdentifier"): _MAYBE,
            xades("SignatureProductionPlace"): _MAYBE,
            xades("SignatureProductionPlaceV2"): _MAYBE,
            xades("SignerRole"): _MAYBE,
            xades("SignerRoleV2"): _MAYBE,
        },
        any_order=True,
    ),
    xades("SigningTime"): _ANY,
    xades("SigningCertificate"): _Rule(children={xades("Cert"): (1, 8)}),
    xades("SigningCertificateV2"): _Rule(children={xades("Cert"): (1, 8)}),
    xades("Cert"): _Rule(
        attributes=frozenset({"URI"}),  # where the certificate may be had; never followed (EN 319 132-1, 5.2.2)
        children={xades("CertDigest"): _ONE, xades("IssuerSerial"): _MAYBE, xades("IssuerSerialV2"): _MAYBE},
    ),
    xades("CertDigest"): _Rule(children=_CERT_DIGEST),
    xades("IssuerSerial"): _Rule(children={ds("X509IssuerName"): _ONE, ds("X509SerialNumber"): _ONE}),
    xades("IssuerSerialV2"): _BASE64,
    xades("SignaturePolicyIdentifier"): _FREE,
    xades("SignatureProductionPlace"): _FREE,
    xades("SignatureProductionPlaceV2"): _FREE,
    xades("SignerRole"): _FREE,
    xades("SignerRoleV2"): _FREE,
    xades("SignedDataObjectProperties"): _Rule(
        attributes=_ID,
        children={xades("DataObjectFormat"): (0, REFERENCES), xades("CommitmentTypeIndication"): (0, 4)},
    ),
    xades("DataObjectFormat"): _Rule(
        attributes=frozenset({"ObjectReference"}),
        children={
            xades("Description"): _MAYBE,
            xades("ObjectIdentifier"): _MAYBE,
            xades("MimeType"): _MAYBE,
            xades("Encoding"): _MAYBE,
        },
    ),
    xades("Description"): _ANY,
    xades("ObjectIdentifier"): _FREE,
    xades("MimeType"): _ANY,
    xades("Encoding"): _ANY,
    xades("CommitmentTypeIndication"): _FREE,
    xades("UnsignedProperties"): _Rule(
        attributes=_ID, children={xades("UnsignedSignatureProperties"): _ONE}, unwanted="SIG-076"
    ),
    xades("UnsignedSignatureProperties"): _Rule(
        attributes=_ID, children={xades("SignatureTimeStamp"): (1, 4)}, unwanted="SIG-076", missing="SIG-076"
    ),
    xades("SignatureTimeStamp"): _Rule(
        attributes=_ID,
        children={ds("CanonicalizationMethod"): _MAYBE, xades("EncapsulatedTimeStamp"): _ONE},
        unwanted="SIG-076",
    ),
    xades("EncapsulatedTimeStamp"): _Rule(attributes=frozenset({"Id", "Encoding"}), text="base64"),
}


def _fit(element: etree._Element, rule: _Rule) -> Iterator[Problem]:
    for name in element.attrib:
        if name not in rule.attributes:
            yield _problem("SIG-007", element, attribute=_name(name), element=_name(element.tag))
    if rule.free:
        return
    if rule.text == "base64":
        if _base64(element.text) is None:
            yield _problem("SIG-009", element, element=_name(element.tag))
    elif rule.text is None and (text := element.text) is not None and text.strip(_XML_SPACE):
        yield _problem("SIG-008", element, element=_name(element.tag))
    counts: dict[str, int] = {}
    place = 0
    order = rule.order
    for child in element:
        if (tail := child.tail) is not None and tail.strip(_XML_SPACE):
            yield _problem("SIG-008", element, element=_name(element.tag))
        tag = child.tag
        if _SIGNING_TIME in rule.children and isinstance(tag, str) and tag.rpartition("}")[2] == "SigningTime":
            tag = _SIGNING_TIME
        if not isinstance(tag, str) or tag not in rule.children:
            yield _problem(
                rule.unwanted,
                child,
                element=_name(tag),
                parent=_name(element.tag),
                algorithm=_quote(element.get("Algorithm")),
            )
            continue
        counts[tag] = counts.get(tag, 0) + 1
        if counts[tag] > rule.children[tag][1]:
            make = _uncovered if rule.covers else _problem
            yield make(rule.too_many, child, element=_name(tag), parent=_name(element.tag))
            continue
        if not rule.any_order and order[tag] < place:
            yield _problem("SIG-006", child, element=_name(tag), parent=_name(element.tag))
        place = max(place, order[tag])
        yield from _fit(child, _GRAMMAR[tag])
    for tag, (least, _) in rule.children.items():
        if counts.get(tag, 0) < least:
            code = "SIG-040" if tag == ds("KeyInfo") else rule.missing  # what is missed is the certificate in it
            yield _problem(code, element, element=_name(tag), parent=_name(element.tag))
    if element.tag == ds("Object"):
        yield from _object(element, counts)


def _object(element: etree._Element, counts: dict[str, int]) -> Iterator[Problem]:
    """XAdES, or the time that plain XML-DSig may carry; never both, never neither."""
    if not counts:
        wanted = "xades:QualifyingProperties | ds:SignatureProperties"
        yield _problem("SIG-014", element, element=wanted, parent="ds:Object")
    elif len(counts) > 1:
        yield _problem("SIG-006", element, element="ds:SignatureProperties", parent="ds:Object")


def _size(signature: etree._Element) -> Iterator[Problem]:
    chars = 0
    for elements, element in enumerate(signature.iter(), 1):
        chars += len(element.text or "") + len(element.tail or "") + sum(map(len, element.values()))
        if chars > SIGNATURE_CHARS or elements > SIGNATURE_ELEMENTS:
            yield _problem("SIG-010", signature, chars=SIGNATURE_CHARS, elements=SIGNATURE_ELEMENTS)
            return


# XPath 1.0 has no lower-case(); translate() covers every spelling of the two letters.
_ID_ATTRIBUTES = etree.XPath("//@*[translate(local-name(), 'ID', 'id') = 'id']")
_NCNAME = re.compile(r"[^\W\d][\w.\-\u00b7]*")


def _ids(root: etree._Element) -> Iterator[Problem]:
    """One spelling, no namespace, no twins: signature libraries look for Id, ID and id by local name anywhere."""
    seen: set[str] = set()
    for value in _ID_ATTRIBUTES(root):
        element = value.getparent()
        if value.attrname != "Id":
            yield _problem("SIG-011", element, attribute=_name(value.attrname), element=_name(element.tag))
        elif not _NCNAME.fullmatch(value):
            yield _problem("SIG-013", element, element=_name(element.tag))
        key = value.strip()
        if key in seen:
            yield _problem("SIG-012", element, element=_name(element.tag))
        seen.add(key)


# What it says ---------------------------------------------------------------------------------------------------------


class _SignatureReader:
    """Reads a Signature that fits the grammar, collecting problems."""

    def __init__(self, root: etree._Element, signature: etree._Element) -> None:
        self.root = root
        self.signature = signature
        self.problems: list[Problem] = []

    def read(self) -> Signature:
        signature = self.signature
        info, value, key_info = signature[0], signature[1], signature[2]
        holder = signature[3] if len(signature) > 3 else None
        canonicalisation = self._canonicalisation(info[0], info)
        method, family, bits = self._method(info[1])
        qualified = holder is not None and holder[0].tag == xades("QualifyingProperties")
        properties = self._properties(holder, info) if holder is not None and qualified else None
        claim = self._claim(holder) if holder is not None and not qualified else None
        time_ids = _ids_of_time(holder) if holder is not None and not qualified else None
        references = self._references(info, key_info, properties, time_ids)
        timestamps = self._timestamps(holder) if holder is not None else ()
        certificate = key_info.find(f"{ds('X509Data')}/{ds('X509Certificate')}")
        key_value = self._key_value(key_info.find(ds("KeyValue")))
        if self.problems or references is None or certificate is None:
            raise Stopped(*self.problems)
        covers, digests, transforms, by_id = references
        return Signature(
            at=signature,
            certificate_der=_base64(certificate.text) or b"",
            certificate_at=certificate,
            method=method,
            method_at=info[1],
            family=family,
            bits=bits,
            canonicalisation=canonicalisation,
            digests=digests,
            transforms=transforms,
            references=len(digests),
            envelope_reference=covers["envelope"],
            by_id=by_id,
            signature_value=_base64(value.text) or b"",
            key_value=key_value,
            properties=properties,
            properties_reference=covers.get("properties"),
            claim=claim,
            claim_reference=covers.get("time"),
            timestamps=timestamps,
            inherited=tuple((name, text) for name in _INHERITED if (text := self.root.get(name)) is not None),
        )

    def _add(self, code: str, at: etree._Element, /, **facts: Any) -> None:
        self.problems.append(_problem(code, at, **facts))

    def _canonicalisation(self, element: etree._Element, target: etree._Element) -> str:
        algorithm = element.get("Algorithm", "")
        if algorithm not in CANONICALISATIONS:
            self._add("SIG-026", element, algorithm=_quote(algorithm))
        self._prefixes(element, algorithm, target)
        return algorithm

    def _prefixes(self, element: etree._Element, algorithm: str, target: etree._Element) -> None:
        """Checks the PrefixList of a canonicalisation of ``target``."""
        if not len(element):
            return
        prefixes = _prefix_list(element)
        # lxml drops #default; where the target itself stands in the default namespace, or none is in scope, that is right.
        lost = "#default" in prefixes and target.prefix is not None and None in target.nsmap
        if lost or algorithm != EXC_C14N or len(prefixes) > PREFIX_LIST or not all(map(_is_prefix, prefixes)):
            self._add("SIG-027", element[0], most=PREFIX_LIST)

    def _method(self, element: etree._Element) -> tuple[str, str, int]:
        method = element.get("Algorithm", "")
        if method not in SIGNATURE_METHODS:
            self._add("SIG-030", element, algorithm=_quote(method))
            return method, "", 0
        family, bits = SIGNATURE_METHODS[method]
        if method == RSA_PSS:
            bits = self._pss_bits(element)
        elif len(element):
            self._add("SIG-006", element[0], element=_name(element[0].tag), parent=_name(element.tag))
        return method, family, bits

    def _pss_bits(self, element: etree._Element) -> int:
        """The hash of an RSASSA-PSS with parameters.

        Both hashes alike, salt as long as the hash, trailer 1 (RFC 9231 2.3.9).
        """
        parameters = element.find(_PSS)
        digest, mask, salt, trailer = SHA256, None, None, "1"
        if parameters is not None:
            if (own := parameters.find(ds("DigestMethod"))) is not None:
                digest = own.get("Algorithm", "")
            if (mgf := parameters.find(_MGF)) is not None:
                if mgf.get("Algorithm") != f"{DS_MORE_2007}MGF1":
                    self._add("SIG-036", mgf)
                if len(mgf):
                    mask = mgf[0].get("Algorithm", "")
            salt = parameters.findtext(f"{{{DS_MORE_2007}}}SaltLength")
            trailer = (parameters.findtext(f"{{{DS_MORE_2007}}}TrailerField") or "1").strip()
        if digest not in DIGESTS:
            self._add("SIG-031", element, algorithm=_quote(digest))
            return 0
        bits = int(DIGESTS[digest][3:])
        # Without MaskGenerationFunction the JDK takes the hash of DigestMethod for MGF1 too.
        if mask not in (None, digest) or trailer != "1" or (salt is not None and salt.strip() != str(bits // 8)):
            self._add("SIG-036", element)
        return bits

    def _digest(self, element: etree._Element) -> str:
        algorithm = element.get("Algorithm", "")
        if algorithm not in DIGESTS:
            self._add("SIG-031", element, algorithm=_quote(algorithm))
        return algorithm

    def _references(
        self,
        info: etree._Element,
        key_info: etree._Element,
        properties: SignedProperties | None,
        time_ids: frozenset[str] | None,
    ) -> tuple[dict[str, int], tuple[str, ...], tuple[str, ...], bool] | None:
        """(index of the reference to each part, digests, the envelope's transforms, by Id)."""
        own_id, key_id = self.root.get("Id"), key_info.get("Id")
        covers: dict[str, int] = {}
        digests: list[str] = []
        transforms: tuple[str, ...] = ()
        by_id = False
        for index, reference in enumerate(info.iterfind(ds("Reference"))):
            digests.append(self._digest(reference[-2]))
            uri = reference.get("URI")
            if uri is None:
                self.problems.append(_uncovered("SIG-023", reference))
                continue
            target = uri[1:] if uri.startswith("#") else None
            if uri == "" or (target is not None and target == own_id):
                what = "envelope"
                by_id = uri != ""
                transforms = self._envelope_transforms(reference)
            elif properties is not None and target == properties.id:
                what = "properties"
                self._part_transforms(reference)
            elif properties is not None and target is not None and target == key_id:
                what = "key"
                self._part_transforms(reference)
            elif time_ids is not None and target in time_ids:
                what = "time"
                self._part_transforms(reference)
            elif properties is None and self.problems and reference.get("Type") == SIGNED_PROPERTIES_TYPE:
                continue  # what is wrong with the properties has been said
            else:
                self.problems.append(_uncovered("SIG-021", reference, uri=_quote(uri)))
                continue
            if what in covers:
                self.problems.append(_uncovered("SIG-022", reference, element="ds:Reference", parent="ds:SignedInfo"))
            covers[what] = index
            self._type(reference, what)
        if "envelope" not in covers:
            self.problems.append(_uncovered("SIG-020", info))
            return None
        if properties is not None and "properties" not in covers:
            self._add("SIG-071", info)
        if time_ids is not None and "time" not in covers:
            self._add("SIG-016", info)
        return covers, tuple(digests), transforms, by_id

    def _type(self, reference: etree._Element, what: str) -> None:
        kind = reference.get("Type")
        if what == "properties":
            if kind != SIGNED_PROPERTIES_TYPE:
                self._add("SIG-071", reference)
        elif kind and not (what == "time" and kind in _TIME_TYPES):  # the EU's DSS 5 writes an empty one
            self._add("SIG-007", reference, attribute="Type", element="ds:Reference")

    def _envelope_transforms(self, reference: etree._Element) -> tuple[str, ...]:
        algorithms = self._transforms(reference, self.root)
        first, rest = algorithms[:1], algorithms[1:]
        if first != (ENVELOPED,) or ENVELOPED in rest:
            self._add("SIG-025", reference, uri=_quote(reference.get("URI")))
        return algorithms

    def _part_transforms(self, reference: etree._Element) -> None:
        algorithms = self._transforms(reference, self.signature)
        if len(algorithms) > 1 or ENVELOPED in algorithms:
            self._add("SIG-025", reference, uri=_quote(reference.get("URI")))

    def _transforms(self, reference: etree._Element, target: etree._Element) -> tuple[str, ...]:
        algorithms: list[str] = []
        for transform in reference.iterfind(f"{ds('Transforms')}/{ds('Transform')}"):
            algorithm = transform.get("Algorithm", "")
            algorithms.append(algorithm)
            if algorithm in _WITH_COMMENTS:
                self._add("SIG-026", transform, algorithm=_quote(algorithm))
            elif algorithm != ENVELOPED and algorithm not in CANONICALISATIONS:
                self._add("SIG-024", transform, algorithm=_quote(algorithm))
            self._prefixes(transform, algorithm, target)
        return tuple(algorithms)

    def _key_value(self, element: etree._Element | None) -> tuple[str, ...] | None:
        if element is None:
            return None
        if len(element) != 1:
            self._add("SIG-043", element)
            return None
        value = element[0]
        if value.tag == ds("RSAKeyValue"):
            return ("rsa", *((_base64(part.text) or b"").lstrip(b"\0").hex() for part in value))
        return ("ec", value[0].get("URI", ""), (_base64(value[1].text) or b"").hex())

    def _properties(self, holder: etree._Element, info: etree._Element) -> SignedProperties | None:
        qualifying = holder[0]
        signed = qualifying[0]
        own_id = signed.get("Id")
        target = self.signature.get("Id")
        if target is None or qualifying.get("Target") != f"#{target}":
            self._add("SIG-072", qualifying)
        if own_id is None:
            self._add("SIG-071", signed)
        facts = signed[0]
        when = facts.find(xades("SigningTime"))
        signing_time = instant_of(when.text) if when is not None else None
        if signing_time is None:
            self._add("SIG-073", facts if when is None else when)
        digests = tuple(
            (self._digest(cert[0][0]), _base64(cert[0][1].text) or b"")
            for name in ("SigningCertificate", "SigningCertificateV2")
            for cert in facts.iterfind(f"{xades(name)}/{xades('Cert')}[1]")
        )
        if not digests:
            self._add("SIG-070", facts)
        named = {reference.get("Id") for reference in info.iterfind(ds("Reference"))} - {None}
        for kind in signed.iterfind(f"{xades('SignedDataObjectProperties')}/{xades('DataObjectFormat')}"):
            if kind.get("ObjectReference", "").removeprefix("#") not in named:
                self._add("SIG-082", kind)
        if own_id is None or signing_time is None or when is None:
            return None
        return SignedProperties(
            id=own_id,
            at=signed,
            signing_time=signing_time,
            signing_time_at=when,
            certificate_digests=digests,
            policy=facts.find(xades("SignaturePolicyIdentifier")) is not None,
        )

    def _claim(self, holder: etree._Element) -> SignedClaim | None:
        """The time in SignatureProperties. Without a zone it is Vietnam's, whose programs write it so."""
        one = holder[0][0]
        target = self.signature.get("Id")
        if target is None or one.get("Target") != f"#{target}":
            self._add("SIG-072", one)
        when = one[0]
        text = (when.text or "").strip(_XML_SPACE)
        signing_time = instant_of(text) or instant_of(f"{text}+07:00")
        if signing_time is None:
            self._add("SIG-073", when)
            return None
        return SignedClaim(ids=_ids_of_time(holder), signing_time=signing_time, signing_time_at=when)

    def _timestamps(self, holder: etree._Element) -> tuple[TimeStamp, ...]:
        stamps: list[TimeStamp] = []
        for element in holder.iter(xades("SignatureTimeStamp")):
            method = element.find(ds("CanonicalizationMethod"))
            # EN 319 132-1 5.3: without CanonicalizationMethod, Canonical XML 1.0.
            algorithm = C14N_10 if method is None else self._canonicalisation(method, self.signature[1])
            token = element[-1]
            if token.get("Encoding") not in (None, _DER):
                self._add(
                    "SIG-076", token, element="EncapsulatedTimeStamp/@Encoding", parent="xades:SignatureTimeStamp"
                )
            stamps.append(
                TimeStamp(
                    token=_base64(token.text) or b"",
                    canonicalisation=algorithm,
                    prefixes=() if method is None else tuple(_prefix_list(method)),
                    at=element,
                )
            )
        return tuple(stamps)


def _ids_of_time(holder: etree._Element) -> frozenset[str]:
    """The Ids by which a reference can cover the time in this Object."""
    found = (element.get("Id") for element in (holder, holder[0], holder[0][0]))
    return frozenset(name for name in found if name is not None)


_WITH_COMMENTS: Final = frozenset({f"{C14N_10}#WithComments", f"{C14N_11}#WithComments", f"{EXC_C14N}WithComments"})
_DER: Final = "http://uri.etsi.org/01903/v1.2.2#DER"
_INHERITED: Final = (f"{{{XML}}}lang", f"{{{XML}}}space")
_DATE_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:(Z)|([+-])(\d\d):(\d\d))", re.ASCII)


def instant_of(text: str | None) -> datetime | None:
    """An xsd:dateTime with a zone as an aware time in UTC; None for anything else, 24:00 and year 12026 included."""
    match = _DATE_TIME.fullmatch((text or "").strip(_XML_SPACE))
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, utc, sign, ahead, ahead_minutes = match.groups()[6:]
    try:
        offset = timedelta() if utc else timedelta(hours=int(ahead), minutes=int(ahead_minutes))
        zone = timezone(-offset if sign == "-" else offset)
        micro = int((fraction or "0").ljust(6, "0")[:6])
        return datetime(year, month, day, hour, minute, second, micro, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _prefix_list(method: etree._Element) -> list[str]:
    return method[0].get("PrefixList", "").split() if len(method) else []


def _is_prefix(text: str) -> bool:
    return text == "#default" or _NCNAME.fullmatch(text) is not None


_XML_SPACE: Final = " \t\r\n"
_SPACES: Final = re.compile(r"[ \t\r\n]+")


def _base64(text: str | None) -> bytes | None:
    """The bytes, or None for anything that is not base64.

    Only XML white space may stand between (threats section 5.4).
    """
    packed = _SPACES.sub("", text or "")
    try:
        return base64.b64decode(packed, validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _lies_in(element: etree._Element, ancestor: etree._Element | None) -> bool:
    return ancestor is not None and any(step is ancestor for step in element.iterancestors())


_PREFIXES = {
    DS: "ds:",
    DS11: "dsig11:",
    XADES: "xades:",
    XADES_141: "xades141:",
    PHONG_BI: "lt:",
    XML: "xml:",
    EXC_C14N: "ec:",
}


def _name(tag: object) -> str:
    """An element's or attribute's name for a person: known namespaces by their usual prefix, at most 64 characters."""
    if not isinstance(tag, str):
        return "?"
    if not tag.startswith("{"):
        return tag[:64]
    space, _, local = tag[1:].partition("}")
    return (_PREFIXES.get(space, "") + local)[:64]


def _quote(text: str | None) -> str:
    """An algorithm or reference URI for a problem: printable ASCII, at most 120 characters."""
    shown = "".join(c if " " < c <= "~" else "?" for c in (text or "")[:121])
    return shown if len(shown) <= 120 else shown[:119] + "…"


def _problem(code: str, at: etree._Element, /, **facts: Any) -> Problem:
    return Problem(code, facts, Location(xpath=xpath_of(at)))


def _uncovered(code: str, at: etree._Element, /, **facts: Any) -> Uncovered:
    return Uncovered(code, facts, Location(xpath=xpath_of(at)))
