"""WS-Security X.509: who signed the Body of a SOAP envelope. By an allow-list, like the signatures of documents.

One shape is taken, the one that WSS4J, WCF and Metro write for "sign the body with a binary security token": one
Signature in the Security header, exclusive C14N everywhere, references by Id to the Body, to a Timestamp and to other
header entries, KeyInfo pointing to the one BinarySecurityToken. The certificate must be registered for signing; a chain
alone is no authorisation. The Timestamp must be signed: it bounds for how long a captured request could be sent again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from gateway.core.parties import Parties, Party
from gateway.core.problems import Problem, Stopped
from signing.certificates import Certificate, Unreadable, read_certificate, unfit
from signing.engine import canonical
from signing.trust import StatusWord, TrustView
from signing.uris import CURVES, DIGESTS, EXC_C14N, SIGNATURE_METHODS, ds

_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_WSSE, _WSU = f"{_OASIS}wssecurity-secext-1.0.xsd", f"{_OASIS}wssecurity-utility-1.0.xsd"
_BASE64 = f"{_OASIS}soap-message-security-1.0#Base64Binary"
_X509 = f"{_OASIS}x509-token-profile-1.0#X509v3"
_EC = "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces"
_HASHES = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}
_MOST_REFERENCES = 8
_MOST_PREFIXES = 64


@dataclass(frozen=True, slots=True)
class Signed:
    """Whose signature stands over the Body."""

    party: Party
    certificate: Certificate


def bearer(security: etree._Element) -> str | None:
    """The fingerprint of the certificate a Security header carries: a claim, to be known before the body is read."""
    tokens = security.findall(f"{{{_WSSE}}}BinarySecurityToken")
    try:
        return _certificate(tokens[0]).fingerprint if len(tokens) == 1 else None
    except Stopped:
        return None


def verify_body(
    root: etree._Element, security: etree._Element, trust: TrustView, parties: Parties, at: datetime
) -> Signed:
    """The registered party that signed the Body and a Timestamp of this envelope.

    ``root`` is the tree of the bytes as they arrived. Raises Stopped: SYS-139 for a shape that is not taken, SIG-050 to
    SIG-062 for the certificate, SIG-001 when the mathematics does not hold, with no detail.
    """
    signature = _only(security, ds("Signature"))
    info = _only(signature, ds("SignedInfo"))
    if [child.tag for child in signature] != [ds("SignedInfo"), ds("SignatureValue"), ds("KeyInfo")]:
        raise _shape("Signature")
    ids = _ids(root)
    token = _token(signature, security, ids)
    certificate = _certificate(token)
    party = _registered(certificate, trust, parties, at)
    references = _references(info)
    targets = [_target(reference, ids, root) for reference in references]
    _covered(targets, root, security)
    for reference, target in zip(references, targets, strict=True):
        _digest(reference, target)
    _value(signature, info, certificate)
    return Signed(party, certificate)


# the shape -------------------------------------------------------------------------------------------------------------


def _ids(root: etree._Element) -> dict[str, etree._Element]:
    """Every element that has an Id, in any spelling. Raises Stopped when two have the same one."""
    found: dict[str, etree._Element] = {}
    counted: Counter[str] = Counter()
    for element in root.iter(etree.Element):
        for name, value in element.attrib.items():
            if str(name).rpartition("}")[2].lower() == "id":
                counted[str(value)] += 1
                if name in (f"{{{_WSU}}}Id", "Id"):
                    found[str(value)] = element
    if any(number > 1 for number in counted.values()):
        raise _shape("Id × 2")
    return found


def _token(signature: etree._Element, security: etree._Element, ids: dict[str, etree._Element]) -> etree._Element:
    """The BinarySecurityToken that KeyInfo points to; it must stand in the same header."""
    key_info = _only(signature, ds("KeyInfo"))
    if len(key_info) != 1:
        raise _shape("KeyInfo")
    reference = _only(_only(key_info, f"{{{_WSSE}}}SecurityTokenReference"), f"{{{_WSSE}}}Reference")
    token = ids.get(reference.get("URI", "")[1:]) if reference.get("URI", "").startswith("#") else None
    if token is None or token.tag != f"{{{_WSSE}}}BinarySecurityToken" or token.getparent() is not security:
        raise _shape("SecurityTokenReference")
    if token.get("EncodingType", _BASE64) != _BASE64 or token.get("ValueType") != _X509:
        raise _shape("BinarySecurityToken")
    return token


def _references(info: etree._Element) -> list[etree._Element]:
    children = list(info)
    if [child.tag for child in children[:2]] != [ds("CanonicalizationMethod"), ds("SignatureMethod")]:
        raise _shape("SignedInfo")
    if (
        children[0].get("Algorithm") != EXC_C14N
        or children[1].get("Algorithm") not in SIGNATURE_METHODS
        or len(children[1])
    ):
        raise _shape("CanonicalizationMethod, SignatureMethod")
    references = children[2:]
    if not 1 <= len(references) <= _MOST_REFERENCES or any(child.tag != ds("Reference") for child in references):
        raise _shape("Reference")
    for reference in references:
        _check_reference(reference)
    return references


def _check_reference(reference: etree._Element) -> None:
    if [child.tag for child in reference] != [ds("Transforms"), ds("DigestMethod"), ds("DigestValue")]:
        raise _shape("Reference")
    transforms = list(reference[0])
    if len(transforms) != 1 or transforms[0].tag != ds("Transform") or transforms[0].get("Algorithm") != EXC_C14N:
        raise _shape("Transform")
    if reference[1].get("Algorithm") not in DIGESTS:
        raise _shape("DigestMethod")


def _target(reference: etree._Element, ids: dict[str, etree._Element], root: etree._Element) -> etree._Element:
    """What a reference is to: the Body, a header entry, or a child of Security. Nothing else can be meant."""
    uri = reference.get("URI", "")
    target = ids.get(uri[1:]) if uri.startswith("#") else None
    parent = target.getparent() if target is not None else None
    if (
        target is None
        or parent is None
        or not (parent is root or parent.getparent() is root or _in_security(parent, root))
    ):
        raise _shape("Reference/@URI")
    return target


def _in_security(element: etree._Element, root: etree._Element) -> bool:
    header = element.getparent()
    return element.tag == f"{{{_WSSE}}}Security" and header is not None and header.getparent() is root


def _covered(targets: list[etree._Element], root: etree._Element, security: etree._Element) -> None:
    body = root[-1]
    if not any(target is body for target in targets):
        raise _shape("Body")
    stamps = security.findall(f"{{{_WSU}}}Timestamp")
    if len(stamps) != 1 or not any(target is stamps[0] for target in targets):
        raise _shape("Timestamp")
    if stamps[0].find(f"{{{_WSU}}}Created") is None or stamps[0].find(f"{{{_WSU}}}Expires") is None:
        raise _shape("Timestamp: Created, Expires")
    if len({id(target) for target in targets}) != len(targets):
        raise _shape("Reference × 2")


# the certificate -------------------------------------------------------------------------------------------------------


def _certificate(token: etree._Element) -> Certificate:
    try:
        return read_certificate(base64.b64decode("".join((token.text or "").split()), validate=True))
    except (Unreadable, binascii.Error, ValueError) as error:
        raise _shape("BinarySecurityToken") from error


def _registered(certificate: Certificate, trust: TrustView, parties: Parties, at: datetime) -> Party:
    found = parties.by_signing_certificate(certificate.fingerprint)
    if found is None or "message" not in found[1].purposes:
        raise Stopped(Problem("SIG-050", {"fingerprint": certificate.fingerprint, "sender": "–"}))
    party, registration = found
    moment = at.isoformat(timespec="seconds")
    problems = [Problem(one.code, one.facts) for one in unfit(certificate)]
    if at > certificate.not_after or (registration.valid_to is not None and at > registration.valid_to):
        problems.append(
            Problem("SIG-053", {"not_after": certificate.not_after.isoformat(timespec="seconds"), "at": moment})
        )
    if at < certificate.not_before or (registration.valid_from is not None and at < registration.valid_from):
        problems.append(
            Problem("SIG-054", {"not_before": certificate.not_before.isoformat(timespec="seconds"), "at": moment})
        )
    standing = trust.standing(certificate.fingerprint, registration.tree, at)
    if standing.status is not StatusWord.GOOD and standing.code is not None:
        # Unknown is a no here: a caller cannot be held as a message can.
        problems.append(Problem(standing.code, standing.facts))
    if problems:
        raise Stopped(*problems)
    return party


# the mathematics -------------------------------------------------------------------------------------------------------


def _prefixes(method: etree._Element) -> list[str] | None:
    lists = list(method)
    if not lists:
        return None
    prefixes = lists[0].get("PrefixList", "").split()
    if len(lists) > 1 or lists[0].tag != _EC or len(prefixes) > _MOST_PREFIXES:
        raise _shape("InclusiveNamespaces")
    return prefixes or None


def _digest(reference: etree._Element, target: etree._Element) -> None:
    data = canonical(target, EXC_C14N, _prefixes(reference[0][0]))
    made = hashlib.new(DIGESTS[reference[1].get("Algorithm", "")], data).digest()
    if not hmac.compare_digest(made, _octets(reference[2])):
        raise Stopped(Problem("SIG-001"))


def _value(signature: etree._Element, info: etree._Element, certificate: Certificate) -> None:
    family, bits = SIGNATURE_METHODS[info[1].get("Algorithm", "")]
    data = canonical(info, EXC_C14N, _prefixes(info[0]))
    value = _octets(_only(signature, ds("SignatureValue")))
    key = certificate.x509.public_key()
    if bits not in _HASHES:
        raise _shape("SignatureMethod")
    made = _HASHES[bits]
    try:
        if isinstance(key, rsa.RSAPublicKey) and family == "rsa":
            key.verify(value, data, padding.PKCS1v15(), made)
        elif isinstance(key, rsa.RSAPublicKey) and family == "pss":
            key.verify(value, data, padding.PSS(padding.MGF1(made), made.digest_size), made)
        elif isinstance(key, ec.EllipticCurvePublicKey) and family == "ecdsa" and key.curve.name in CURVES:
            size = (CURVES[key.curve.name][1] + 7) // 8
            if len(value) != 2 * size:
                raise Stopped(Problem("SIG-001"))
            r, s = int.from_bytes(value[:size], "big"), int.from_bytes(value[size:], "big")
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(made))
        else:
            raise Stopped(Problem("SIG-001"))
    except (InvalidSignature, ValueError) as error:
        raise Stopped(Problem("SIG-001")) from error


def _octets(element: etree._Element) -> bytes:
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Stopped(Problem("SIG-001")) from error


def _only(parent: etree._Element, name: str) -> etree._Element:
    found = parent.findall(name)
    if len(found) != 1:
        raise _shape(name.rpartition("}")[2])
    return found[0]


def _shape(reason: str) -> Stopped:
    return Stopped(Problem("SYS-139", {"reason": reason}))
