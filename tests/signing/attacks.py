"""A generator of attack documents. Takes any accepted, signed message as its seed; none of what it makes may be accepted.

The classes are those of threats sections 5.4 to 5.10. Where an attack needs the genuine signer's help (a signature that really is
over the wrong thing), it gets it: digests and signature are computed honestly over what the document says. ``trap`` is an address
that must never be asked for anything.

Each attack carries the codes that it must be refused with, all of them and no other: written by hand from the list of what a
signature may look like, so that a check which no longer looks, or which another one hides, is seen.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from lxml import etree

from signing.engine import canonical
from signing.sign import SigningKey
from signing.uris import (
    C14N_10,
    C14N_11,
    CANONICALISATIONS,
    DS,
    DS11,
    DS_MORE,
    DS_MORE_2007,
    ENVELOPED,
    EXC_C14N,
    PHONG_BI,
    SIGNATURE_METHODS,
    SIGNED_PROPERTIES_TYPE,
    XADES,
)

WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
Element = etree._Element


@dataclass(frozen=True)
class Attack:
    """One hostile document."""

    name: str  # family: what is done
    body: bytes
    codes: frozenset[str]  # what it is refused with by everything up to the signature, the schema left out


def d(name: str) -> str:
    return f"{{{DS}}}{name}"


def x(name: str) -> str:
    return f"{{{XADES}}}{name}"


class Seed:
    """An accepted message, its signer's key, and an outsider's."""

    def __init__(self, body: bytes, key: SigningKey, stranger: SigningKey, trap: str) -> None:
        self.body = body
        self.key = key
        self.stranger = stranger
        self.trap = trap

    def tree(self) -> Element:
        """A fresh tree."""
        return etree.fromstring(self.body, etree.XMLParser(resolve_entities=False))

    @cached_property
    def is_xades(self) -> bool:
        return self.signature(self.tree()).find(d("Object")) is not None

    @cached_property
    def by_id(self) -> bool:
        return self.tree().get("Id") is not None

    @cached_property
    def references(self) -> int:
        """How many references its signature has."""
        return len(self.signature(self.tree()).findall(f"{d('SignedInfo')}/{d('Reference')}"))

    @cached_property
    def has_key_value(self) -> bool:
        return self.signature(self.tree()).find(f"{d('KeyInfo')}/{d('KeyValue')}") is not None

    @staticmethod
    def signature(root: Element) -> Element:
        """The Signature of a tree."""
        return next(root.iter(d("Signature")))

    def again(self, root: Element, key: SigningKey | None = None, raw: Callable[[bytes], bytes] | None = None) -> bytes:
        """The document with every digest and the signature computed anew, honestly, over what it says now."""
        key = key or self.key
        root = etree.fromstring(etree.tostring(root))
        signature = self.signature(root)
        info = signature.find(d("SignedInfo"))
        xml = "{http://www.w3.org/XML/1998/namespace}"
        inherited = tuple((n, root.get(n)) for n in (f"{xml}lang", f"{xml}space") if root.get(n) is not None)
        for reference in info.iterfind(d("Reference")):
            target = self._target(root, reference.get("URI"))
            algorithms = [t.get("Algorithm") for t in reference.iterfind(f"{d('Transforms')}/{d('Transform')}")]
            octets = b"nothing"
            if target is not None:
                if ENVELOPED in algorithms and (target is root or signature in target.iter()):
                    target = self._without_signature(root, target)
                plain = [
                    a.replace("#WithComments", "").replace("c14n#WithComments", "c14n#")
                    for a in algorithms
                    if "c14n" in (a or "")
                ]
                octets = canonical(
                    target, plain[-1] if plain and plain[-1] in CANONICALISATIONS else C14N_10, None, inherited
                )
            method = reference.find(d("DigestMethod"))
            name = re.sub(
                r".*[#-](sha1|md5|sha\d+)$", r"\1", (method.get("Algorithm") or "") if method is not None else ""
            )
            value = reference.find(d("DigestValue"))
            if value is not None:
                value.text = base64.b64encode(
                    hashlib.new(name if name in hashlib.algorithms_available else "sha256", octets).digest()
                ).decode()
        method = info.find(d("SignatureMethod"))
        uri = method.get("Algorithm") if method is not None else None
        family, bits = SIGNATURE_METHODS.get(uri or "", ("rsa" if key.certificate.family == "rsa" else "ecdsa", 256))
        algorithm = (
            info.find(d("CanonicalizationMethod")).get("Algorithm")
            if info.find(d("CanonicalizationMethod")) is not None
            else EXC_C14N
        )
        octets = canonical(info, algorithm if algorithm in CANONICALISATIONS else C14N_10, None, inherited)
        value = signature.find(d("SignatureValue"))
        value.text = base64.b64encode(raw(octets) if raw else key.raw(octets, family, bits or 256)).decode()
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8")

    @staticmethod
    def _target(root: Element, uri: str | None) -> Element | None:
        if uri == "":
            return root
        if uri and uri.startswith("#"):
            found = root.xpath("//*[@Id=$i or @ID=$i or @id=$i]", i=uri[1:])
            return found[0] if found else None
        return None

    @staticmethod
    def _without_signature(root: Element, target: Element) -> Element:
        index = list(root.iter()).index(target)
        again = copy.deepcopy(root)
        target = list(again.iter())[index]
        for signature in list(target.iter(d("Signature")))[:1]:
            parent = signature.getparent()
            before = signature.getprevious()
            if signature.tail:
                if before is not None:
                    before.tail = (before.tail or "") + signature.tail
                else:
                    parent.text = (parent.text or "") + signature.tail
            parent.remove(signature)
        return target


def out(root: Element) -> bytes:
    """The tree as a document, nothing computed anew."""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def attacks(seed: Seed, families: Sequence[Family] | None = None) -> list[Attack]:
    """Every attack on this seed, or those of these families, each body once."""
    made: dict[bytes, Attack] = {}
    for family in FAMILIES if families is None else families:
        for name, body, codes in family(seed):
            if body != seed.body:
                made.setdefault(body, Attack(f"{family.__name__}: {name}", body, frozenset(codes.split())))
    return list(made.values())


def part(seed: Seed, turn: int, groups: int, each: int) -> list[Attack]:
    """A part of the attacks, made without making the others: of the families one in ``groups``, of their attacks one in ``each``.

    Of as many seeds as the two have products, one turn each, every attack is made on one.
    """
    return attacks(seed, FAMILIES[turn % groups :: groups])[turn // groups % each :: each]


Made = Iterator[tuple[str, bytes, str]]  # what is done, the document, the codes
Family = Callable[[Seed], Made]


# Content changed after signing ----------------------------------------------------------------------------------------


def content(seed: Seed) -> Made:
    """Every leaf of the message, changed, emptied, doubled, moved; the signature stays."""
    leaves = [i for i, e in enumerate(seed.tree().iter()) if not len(e) and not _in_signature(e)]
    for index in leaves:

        def at(root: Element, index: int = index) -> Element:
            return list(root.iter())[index]

        root = seed.tree()
        leaf = at(root)
        name = f"{etree.QName(leaf).localname}#{index}"
        leaf.text = (leaf.text or "") + "0"
        code = "SIG-059" if _says_who(leaf) else "SIG-001"
        yield f"append to {name}", out(root), code
        root = seed.tree()
        if at(root).text:
            at(root).text = None
            yield f"empty {name}", out(root), code
        root = seed.tree()
        leaf = at(root)
        leaf.addnext(copy.deepcopy(leaf))
        yield f"double {name}", out(root), code
        if index > 30:
            break
    for index in leaves[:12]:
        root = seed.tree()
        leaf = list(root.iter())[index]
        code = "SIG-059" if _says_who(leaf) else "SIG-001"
        leaf.getparent().remove(leaf)
        yield f"remove leaf #{index}", out(root), code
    root = seed.tree()
    root.insert(0, root[1])
    yield "swap the first two header elements", out(root), "SIG-001"
    root = seed.tree()
    root[0].set("Them", "1")
    yield "add an attribute to the header", out(root), "SIG-001"
    root = seed.tree()
    etree.SubElement(root[3], f"{{{PHONG_BI}}}HeThong").text = "khac"
    yield "add a child to NoiGui", out(root), "SIG-001"
    root = seed.tree()
    root.text = (root.text or "") + " "
    yield "add white space in signed content", out(root), "SIG-001"
    root = seed.tree()
    seed.signature(root).tail = "chu"
    yield "text after the signature", out(root), "SIG-001"
    for value in ("2030-01-01T00:00:00+07:00", "1999-01-01T00:00:00+07:00"):
        root = seed.tree()
        next(e for e in root if etree.QName(e).localname == "ThoiDiemTao").text = value
        yield f"ThoiDiemTao {value}", out(root), "SIG-001"
    root = seed.tree()
    root[0].text = "00000000-0000-4000-8000-000000000001"
    yield "an old message under a new MaThongDiep", out(root), "SIG-001"


def _says_who(leaf: Element) -> bool:
    """Whether the leaf is the sender's identifier: changed, it names nobody who is registered."""
    return [etree.QName(e).localname for e in (leaf, leaf.getparent())] == ["MaDinhDanh", "NoiGui"]


def _in_signature(element: Element) -> bool:
    return any(step.tag == d("Signature") for step in (element, *element.iterancestors()))


# 5.4 text and node identity -------------------------------------------------------------------------------------------


def nodes(seed: Seed) -> Made:
    """Comments, processing instructions, DTDs, characters outside base64."""
    text = seed.body.decode("utf-8-sig")
    start = re.search(r"<(?!\?)", text).start()
    head, rest = text[:start], text[start:]
    for what, insert, code in (
        ("comment", "<!--x-->", "XML-111"),
        ("PI", "<?x y?>", "XML-112"),
        ("stylesheet PI", f'<?xml-stylesheet href="{seed.trap}"?>', "XML-112"),
    ):
        yield f"{what} before the root", (head + insert + rest).encode(), code
        yield f"{what} after the root", (text.rstrip() + insert).encode(), code
        for leaf in (
            "MaThongDiep",
            "LoaiThongDiep",
            "MaDinhDanh",
            "DigestValue",
            "SignatureValue",
            "X509Certificate",
            "SignedInfo",
        ):
            match = re.search(rf"<(?:\w+:)?{leaf}(?: [^>]*)?>(.)", text)
            if match:
                at = match.start(1) if match[1] == "<" else match.end()
                yield f"{what} in {leaf}", (text[:at] + insert + text[at:]).encode(), code
        root = seed.tree()
        tree = etree.fromstring(f"<r>{insert}</r>")
        root[0].append(tree[0])
        yield f"{what} in a leaf, signed again by the signer", seed.again(root), code
    for what, dtd in (
        ("empty DOCTYPE", "<!DOCTYPE r>"),
        ("internal entity", '<!DOCTYPE r [<!ENTITY e "H19.901">]>'),
        ("external entity, http", f'<!DOCTYPE r [<!ENTITY e SYSTEM "{seed.trap}">]>'),
        ("external entity, file", '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
        ("parameter entity", f'<!DOCTYPE r [<!ENTITY % p SYSTEM "{seed.trap}"> %p;]>'),
        ("external subset", f'<!DOCTYPE r SYSTEM "{seed.trap}">'),
        (
            "billion laughs",
            "<!DOCTYPE r [" + "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "a"}">' for i in range(10)) + "]>",
        ),
        ("defaulted attribute", '<!DOCTYPE r [<!ATTLIST r Id CDATA "x">]>'),
    ):
        yield what, (head + dtd + rest).encode(), "XML-110"
        yield (
            f"{what}, used",
            (head + dtd + re.sub(r"(MaThongDiep>)[^<]+", r"\1&e;", rest, count=1)).encode(),
            "XML-110",
        )
    for leaf in ("DigestValue", "SignatureValue", "X509Certificate"):
        for junk in ("!", "-", "_", "==", "\u00a0", "\u200b", "%41"):
            match = re.search(rf"<(?:\w+:)?{leaf}(?: [^>]*)?>", text)
            yield f"{junk!r} in {leaf}", (text[: match.end() + 4] + junk + text[match.end() + 4 :]).encode(), "SIG-009"
    declared = "UTF-8" in head  # else it is read as UTF-8: "+" is no base64 in UTF-7, and "?" is not what was signed
    ascii_ = re.sub("[^\x00-\x7f]", "?", text)
    for what, body, code in (
        ("UTF-16", text.replace("UTF-8", "UTF-16").encode("utf-16"), "XML-101"),
        ("UTF-16 that says UTF-8", text.encode("utf-16"), "XML-101"),
        ("UTF-7", text.replace("UTF-8", "UTF-7").encode("utf-7"), "XML-102" if declared else "SIG-009"),
        (
            "windows-1252",
            ascii_.replace("UTF-8", "windows-1252").encode("cp1252"),
            "XML-102" if declared else "SIG-001",
        ),
        ("XML 1.1", text.replace('version="1.0"', 'version="1.1"').encode(), "XML-106"),
        ("two BOMs", b"\xef\xbb\xbf\xef\xbb\xbf" + text.encode(), "XML-104"),
        ("NUL at the end", text.encode() + b"\0", "XML-105"),
        ("second root", text.encode() + b"<x/>", "XML-114"),
        ("cut", text.encode()[: len(text) // 2].decode(errors="ignore").encode(), "XML-119"),  # between two characters
    ):
        if body != seed.body:
            yield what, body, code


# 5.5 namespaces and Ids -----------------------------------------------------------------------------------------------


def ids(seed: Seed) -> Made:
    """Every spelling of an Id, on the wrong element, twice, padded, no name at all."""
    own = seed.tree().get("Id") or "x1"
    spellings = {
        "ID": "ID",
        "id": "id",
        "iD": "iD",
        "wsu:Id": f"{{{WSU}}}Id",
        "xades:Id": f"{{{XADES}}}Id",
        "foreign Id": "{urn:khac}Id",
        "foreign ID": "{urn:khac}ID",
        "xml:id": "{http://www.w3.org/XML/1998/namespace}id",
    }
    twin = " SIG-012" if seed.by_id else ""
    codes = {what: "XML-142" if what == "xml:id" else f"SIG-011{twin}" for what in spellings}
    for where in (0, 3, -2):
        for what, name in spellings.items():
            root = seed.tree()
            root[where].set(name, own)
            yield f"{what} on child {where}", out(root), codes[what]
            yield f"{what} on child {where}, signed again", seed.again(root), codes[what]
        root = seed.tree()
        root[where].set("Id", own)
        yield f"Id of the root on child {where}", out(root), "SIG-012" if seed.by_id else "SIG-001"
    for what, name in spellings.items():
        root = seed.tree()
        root.set(name, own)
        yield f"{what} on the root", seed.again(root), codes[what]
        root = seed.tree()
        seed.signature(root).set(name, own)
        yield f"{what} on Signature", seed.again(root), codes[what]
    for what, value in (
        ("padded", f" {own} "),
        ("with a quote", "a' or '1'='1"),
        ("empty", ""),
        ("digit first", "1a"),
        ("colon", "a:b"),
    ):
        root = seed.tree()
        root.set("Id", value)
        yield f"Id {what}", seed.again(root), "SIG-013"
        root = seed.tree()
        seed.signature(root).set("Id", value)
        yield f"Id of Signature {what}", seed.again(root), "SIG-013" + (twin if what == "padded" else "")
    if seed.by_id:
        for prefix in ("##", "# ", "#xpointer(id('", "#xpointer(/)"):
            root = seed.tree()
            reference = _envelope_reference(seed, root)
            reference.set("URI", f"{prefix}{own}" if not prefix.endswith("/)") else prefix)
            yield f"URI {prefix}", seed.again(root), "SIG-020 SIG-021"
        root = seed.tree()
        del root.attrib["Id"]
        yield "no element has the Id", out(root), "SIG-020 SIG-021"


def namespaces(seed: Seed) -> Made:
    """The right name in another namespace, the right prefix for another namespace, relative names."""
    text = seed.body.decode("utf-8-sig")
    unseen = "SIG-005" if seed.is_xades else "SIG-002"  # no Signature any more; XAdES elements that lie about
    yield "Signature in a foreign namespace", text.replace(f'"{DS}"', '"urn:chuky"').encode(), unseen
    yield (
        "Signature in no namespace",
        re.sub(r' xmlns:ds="[^"]*"', "", text).replace("<ds:", "<").replace("</ds:", "</").encode(),
        unseen,
    )
    yield "XML-DSig 2 namespace", text.replace(f'"{DS}"', '"http://www.w3.org/2010/xmldsig2#"').encode(), unseen
    yield (
        "envelope in no namespace",
        text.replace(f'="{PHONG_BI}"', '=""' if f'xmlns="{PHONG_BI}"' in text else '="urn:x"').encode(),
        "SIG-059",
    )
    yield "envelope of another version", text.replace(PHONG_BI, PHONG_BI.replace("1.0", "9.0")).encode(), "SIG-059"
    for value in ("relative", "../up", "http:relative", "#x"):
        root = seed.tree()
        etree.SubElement(root[0], f"{{{value}}}a")
        try:
            yield f"relative namespace {value}", out(root), "SIG-001" if value.startswith("http:") else "XML-124"
        except ValueError:
            continue
    root = seed.tree()
    payload = root.find(f"{{{PHONG_BI}}}ThanPhan")
    payload.set("{http://www.w3.org/2001/XMLSchema-instance}type", "x:y")
    yield "xsi:type", seed.again(root), "XML-140"
    root = seed.tree()
    root.set("{http://www.w3.org/XML/1998/namespace}base", seed.trap)
    yield "xml:base", seed.again(root), "XML-141"
    if seed.is_xades:
        yield "XAdES 1.4.1 names", text.replace(XADES, "http://uri.etsi.org/01903/v1.4.1#").encode(), "SIG-006 SIG-014"
        yield "XAdES 1.1.1 names", text.replace(XADES, "http://uri.etsi.org/01903/v1.1.1#").encode(), "SIG-006 SIG-014"


# 5.6 wrapping ---------------------------------------------------------------------------------------------------------


CLAIMS = (
    ("unsigned", "SIG-016"),
    ("instead of the envelope", "SIG-020 SIG-025"),
    ("with the envelope's transforms", "SIG-025"),
    ("twice", "SIG-022"),
)


def wrapping(seed: Seed) -> Made:
    """XSW 1 to 8 in our envelope and their cousins, the forged one with the same Id, another, none."""
    for what, forged_id in (("same Id", seed.tree().get("Id")), ("new Id", "gia-mao"), ("no Id", None)):
        twin = seed.by_id and what == "same Id"
        inside = "SIG-012 SIG-015" if twin else "SIG-015"

        def parts(forged_id: str | None = forged_id) -> tuple[Element, Element, Element, Element]:
            genuine = seed.tree()
            forged = seed.tree()
            _put_id(forged, forged_id)
            forged[0].text = "00000000-0000-4000-8000-000000000099"
            outer = seed.signature(forged)
            bare = seed.tree()
            bare.remove(seed.signature(bare))
            forged.remove(outer)
            return genuine, bare, forged, outer

        genuine, bare, forged, signature = parts()
        holder = etree.SubElement(signature, d("Object"))
        holder.append(bare)
        forged.append(signature)
        yield f"XSW1, {what}", out(forged), inside
        genuine, bare, forged, signature = parts()
        forged.append(bare)
        forged.append(signature)
        yield f"XSW2, {what}", out(forged), inside
        for first in (True, False):
            genuine, bare, forged, signature = parts()
            wrapper = etree.Element(f"{{{PHONG_BI}}}ThongDiep", nsmap=bare.nsmap)
            for child in (forged, bare) if first else (bare, forged):
                wrapper.append(child)
            wrapper.append(signature)
            yield f"XSW3, forged {'first' if first else 'last'}, {what}", out(wrapper), "SIG-059"
        genuine, bare, forged, signature = parts()
        wrapper = etree.Element(f"{{{PHONG_BI}}}ThongDiep", nsmap=bare.nsmap)
        forged.append(bare)
        wrapper.append(forged)
        wrapper.append(signature)
        yield f"XSW4, {what}", out(wrapper), "SIG-059"
        genuine, bare, forged, signature = parts()
        wrapper = etree.Element(f"{{{PHONG_BI}}}ThongDiep", nsmap=bare.nsmap)
        forged.append(signature)
        wrapper.append(forged)
        wrapper.append(bare)
        yield f"XSW5, {what}", out(wrapper), "SIG-059"
        genuine, bare, forged, signature = parts()
        signature.append(bare)
        forged.append(signature)
        yield f"XSW6, {what}", out(forged), inside
        for place in ("SieuDuLieu", "MoRong"):
            genuine, bare, forged, signature = parts()
            extension = etree.Element(f"{{{PHONG_BI}}}{place}")
            extension.append(forged)
            genuine.insert(
                min(8, len(genuine) - 1), extension
            )  # the signature stays last, however short the message is
            yield f"XSW7 in {place}, {what}", out(genuine), inside
        genuine, bare, forged, signature = parts()
        holder = etree.SubElement(signature, d("Object"))
        holder.append(bare)
        forged.append(signature)
        yield f"XSW8, {what}", out(forged), inside
        genuine, bare, forged, signature = parts()
        forged[0].append(genuine)
        # In the long list of a XAdES signature the twin Id is beyond what one answer tells.
        whole = f"SIG-004 SIG-005 {'SIG-015' if seed.is_xades else inside}"
        yield f"genuine inside a text leaf of the forged, {what}", out(forged), whole
        genuine, bare, forged, signature = parts()
        forged.insert(0, genuine)
        yield f"a complete old message inside a new one, {what}", out(forged), whole
        genuine, bare, forged, signature = parts()
        batch = etree.Element("Batch")
        batch.append(genuine)
        batch.append(forged)
        yield f"batch of two, {what}", out(batch), "SIG-059"
        genuine, bare, forged, signature = parts()
        payload = genuine.find(f"{{{PHONG_BI}}}ThanPhan")
        payload.append(forged.find(f"{{{PHONG_BI}}}ThanPhan")[0])
        yield f"second payload, {what}", out(genuine), "SIG-001"
        genuine, bare, forged, signature = parts()
        forged.append(signature)
        gone = "SIG-020 SIG-021" if seed.by_id and not twin else "SIG-001"
        yield f"forged content under the genuine signature, {what}", out(forged), gone
    for index in range(3):
        root = seed.tree()
        part = root[index] if index < 2 else root.find(f"{{{PHONG_BI}}}ThanPhan")
        part.set("Id", "phan")
        reference = _envelope_reference(seed, root)
        reference.set("URI", "#phan")
        yield f"only {etree.QName(part).localname} is signed", seed.again(root), "SIG-020 SIG-021"
        transforms = reference.find(d("Transforms"))
        for transform in list(transforms)[:1]:
            transforms.remove(transform)
        code = "SIG-020 SIG-021" if len(transforms) else "SIG-014"
        yield f"only {etree.QName(part).localname} is signed, without enveloped", seed.again(root), code


def _put_id(root: Element, value: str | None) -> None:
    root.attrib.pop("Id", None)
    if value is not None:
        root.set("Id", value)


def _envelope_reference(seed: Seed, root: Element) -> Element:
    info = seed.signature(root).find(d("SignedInfo"))
    own = root.get("Id")
    return next(r for r in info.iterfind(d("Reference")) if r.get("URI") in ("", f"#{own}"))


# 5.7 references, transforms, canonicalisation ---------------------------------------------------------------------------


def references(seed: Seed) -> Made:
    """References to anything but the envelope, too many, none; all signed again by the genuine signer."""
    for uri in (
        seed.trap,
        "file:///etc/passwd",
        "/etc/passwd",
        "message.xml",
        "data:text/xml,<a/>",
        "ftp://127.0.0.1/a",
        "cid:phan-1",
        "//127.0.0.1/share/a",
        "urn:a",
        "#",
        "#khong-co",
        "#xpointer(/)",
        "#xpointer(id('x'))",
        "?",
        "#a#b",
    ):
        root = seed.tree()
        _envelope_reference(seed, root).set("URI", uri)
        yield f"the only reference is {uri}", seed.again(root), "SIG-020 SIG-021"
        root = seed.tree()
        reference = _envelope_reference(seed, root)
        more = _again(reference)
        more.set("URI", uri)
        reference.addnext(more)
        yield f"a second reference is {uri}", seed.again(root), "SIG-022" if seed.references == 3 else "SIG-021"
    root = seed.tree()
    del _envelope_reference(seed, root).attrib["URI"]
    yield "no URI", seed.again(root), "SIG-020 SIG-023"
    root = seed.tree()
    info = seed.signature(root).find(d("SignedInfo"))
    for reference in info.findall(d("Reference")):
        info.remove(reference)
    yield "no reference", seed.again(root), "SIG-020 SIG-082" if seed.is_xades else "SIG-020"
    root = seed.tree()
    reference = _envelope_reference(seed, root)
    reference.addnext(_again(reference))
    yield "the same reference twice", seed.again(root), "SIG-022"
    root = seed.tree()
    reference = _envelope_reference(seed, root)
    for _ in range(300):
        reference.addnext(_again(reference))
    yield "300 references", out(root), "SIG-010"
    for where in ("KeyInfo", "SignatureValue", "SignedInfo", "Signature"):
        root = seed.tree()
        signature = seed.signature(root)
        part = signature if where == "Signature" else signature.find(d(where))
        part.set("Id", "phan-chu-ky")
        _envelope_reference(seed, root).set("URI", "#phan-chu-ky")
        codes = "SIG-020 SIG-021"
        if seed.is_xades and where == "KeyInfo":  # which may be signed beside the envelope, in another way
            codes = "SIG-020 SIG-025" if seed.references < 3 else "SIG-020 SIG-021 SIG-025"
        if seed.is_xades and where == "Signature":
            codes += " SIG-072"
        yield f"the only reference covers {where}", seed.again(root), codes
    for what, inner in (
        ("decoy", "Moi"),
        ("Manifest", d("Manifest")),
        ("SignatureProperties", d("SignatureProperties")),
    ):
        for only in (True, False):
            root = seed.tree()
            signature = seed.signature(root)
            holder = etree.SubElement(signature, d("Object"), Id="vat")
            part = etree.SubElement(holder, inner, Id="vat-trong")
            if what == "Manifest":
                part.append(_again(_envelope_reference(seed, root)))
            reference = _envelope_reference(seed, root)
            if only:
                reference.set("URI", "#vat-trong")
            else:
                more = _again(reference)
                more.set("URI", "#vat-trong")
                reference.addnext(more)
            codes = "SIG-006" if seed.is_xades else "SIG-006 SIG-014"
            if not seed.is_xades and what == "SignatureProperties":  # which may stand there, with a time in it
                codes = "SIG-014"
            if not only and seed.references == 3:
                codes += " SIG-022"
            yield f"{'the only' if only else 'another'} reference covers {what} in an Object", seed.again(root), codes
    for what, codes in () if seed.is_xades else CLAIMS:
        root = seed.tree()
        signature = seed.signature(root)
        signature.set("Id", "chu-ky")
        holder = etree.SubElement(signature, d("Object"), Id="vat")
        part = etree.SubElement(
            etree.SubElement(holder, d("SignatureProperties")), d("SignatureProperty"), Id="thuoc-tinh"
        )
        part.set("Target", "#chu-ky")
        etree.SubElement(part, "{http://example.org/#signatureProperties}SigningTime").text = "2026-01-15T08:30:00"
        reference = _envelope_reference(seed, root)
        if what == "instead of the envelope":
            reference.set("URI", "#vat")
        elif what != "unsigned":
            more = _again(reference)
            more.set("URI", "#thuoc-tinh")
            if what != "with the envelope's transforms":
                more[0].remove(more[0][0])  # the enveloped-signature; where it stood alone, C14N 1.0 is implied
                if len(more[0]) == 0:
                    more.remove(more[0])
            reference.addnext(more)
            if what == "twice":
                reference.addnext(_again(more))
        yield f"the time of an e-invoice, {what}", seed.again(root), codes
    for kind in (
        "http://www.w3.org/2000/09/xmldsig#Manifest",
        "http://www.w3.org/2000/09/xmldsig#Object",
        SIGNED_PROPERTIES_TYPE,
    ):
        root = seed.tree()
        _envelope_reference(seed, root).set("Type", kind)
        yield f"the envelope's reference claims Type {kind}", seed.again(root), "SIG-007"


def _again(element: Element) -> Element:
    """A copy without Ids: it must be refused for standing there, not for an Id that stands twice."""
    copied = copy.deepcopy(element)
    for inner in copied.iter():
        inner.attrib.pop("Id", None)
    return copied


TRANSFORMS = {
    "XSLT": "http://www.w3.org/TR/1999/REC-xslt-19991116",
    "XPath": "http://www.w3.org/TR/1999/REC-xpath-19991116",
    "XPath Filter 2": "http://www.w3.org/2002/06/xmldsig-filter2",
    "base64": f"{DS}base64",
    "decrypt": "http://www.w3.org/2002/07/decrypt#XML",
    "SwA content": "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform",
    "STR": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform",
    "invented": "urn:bien-doi",
    "empty": "",
    "C14N 1.0 with comments": f"{C14N_10}#WithComments",
    "C14N 1.1 with comments": f"{C14N_11}#WithComments",
    "exclusive with comments": f"{EXC_C14N}WithComments",
    "C14N 2.0": "http://www.w3.org/2010/xml-c14n2",
    "minimal C14N": "http://www.w3.org/2000/09/xmldsig#minimal",
    "enveloped, other case": ENVELOPED.upper(),
    "enveloped with a space": f" {ENVELOPED}",
}


def transforms(seed: Seed) -> Made:
    """Transforms outside the list, before, between and after; wrong order, repeated, missing."""
    for what, algorithm in TRANSFORMS.items():
        for place in ("first", "last", "alone", "instead"):
            root = seed.tree()
            holder = _envelope_reference(seed, root).find(d("Transforms"))
            own = "SIG-026" if "with comments" in what else "SIG-024"
            inner = what.startswith(("XSLT", "XPath"))  # its child is refused by name, before the order is looked at
            if len(holder) == 2 and place in ("first", "last"):
                codes = "SIG-024 SIG-025" if inner and place == "first" else "SIG-025"  # three are too many
            elif place in ("first", "alone") and not inner:
                codes = f"{own} SIG-025"
            else:
                codes = own
            new = etree.Element(holder[0].tag, Algorithm=algorithm)
            if what == "XSLT":
                sheet = '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"><xsl:template match="/">OK</xsl:template></xsl:stylesheet>'
                new.append(etree.fromstring(sheet))
            if what.startswith("XPath"):
                etree.SubElement(new, d("XPath")).text = "not(self::text())"
            if place == "first":
                holder.insert(0, new)
            elif place == "last":
                holder.append(new)
            elif place == "alone":
                for old in list(holder):
                    holder.remove(old)
                holder.append(new)
            else:
                if len(holder) > 1:
                    holder.remove(holder[1])
                holder.append(new)
            yield f"{what} {place}", seed.again(root), codes
    for what, names in (
        ("canonicalisation before enveloped", (EXC_C14N, ENVELOPED)),
        ("enveloped twice", (ENVELOPED, ENVELOPED)),
        ("enveloped, c14n, enveloped", (ENVELOPED, EXC_C14N, ENVELOPED)),
        ("two canonicalisations", (ENVELOPED, EXC_C14N, C14N_10)),
        ("the same canonicalisation twice", (ENVELOPED, EXC_C14N, EXC_C14N)),
        ("canonicalisation alone", (EXC_C14N,)),
        ("no transform", ()),
        ("200 transforms", (ENVELOPED, *(EXC_C14N,) * 199)),
    ):
        root = seed.tree()
        holder = _envelope_reference(seed, root).find(d("Transforms"))
        for old in list(holder):
            holder.remove(old)
        for name in names:
            etree.SubElement(holder, d("Transform"), Algorithm=name)
        yield what, seed.again(root), "SIG-025" if names else "SIG-014"
    root = seed.tree()
    reference = _envelope_reference(seed, root)
    reference.remove(reference.find(d("Transforms")))
    yield "no Transforms", seed.again(root), "SIG-025"
    for what, algorithm in TRANSFORMS.items():
        root = seed.tree()
        seed.signature(root).find(f"{d('SignedInfo')}/{d('CanonicalizationMethod')}").set("Algorithm", algorithm)
        yield f"SignedInfo canonicalised by {what}", seed.again(root), "SIG-026"
    prefixes = f"{{{EXC_C14N}}}InclusiveNamespaces"
    for what, text in (
        ("thousands of prefixes", " ".join(f"p{i}" for i in range(5000))),
        ("65 prefixes", " ".join(f"p{i}" for i in range(65))),
    ):
        root = seed.tree()
        method = seed.signature(root).find(f"{d('SignedInfo')}/{d('CanonicalizationMethod')}")
        method.set("Algorithm", EXC_C14N)
        etree.SubElement(method, prefixes, PrefixList=text)
        yield what, seed.again(root), "SIG-027"
    root = seed.tree()
    method = seed.signature(root).find(f"{d('SignedInfo')}/{d('CanonicalizationMethod')}")
    method.set("Algorithm", C14N_10)
    etree.SubElement(method, prefixes, PrefixList="lt")
    yield "a PrefixList for an inclusive canonicalisation", seed.again(root), "SIG-027"


# 5.8 algorithms -------------------------------------------------------------------------------------------------------

METHODS = (
    f"{DS}rsa-sha1",
    f"{DS}dsa-sha1",
    f"{DS}hmac-sha1",
    f"{DS_MORE}rsa-md5",
    f"{DS_MORE}rsa-ripemd160",
    f"{DS_MORE}rsa-sha224",
    f"{DS_MORE}hmac-md5",
    f"{DS_MORE}hmac-sha224",
    f"{DS_MORE}hmac-sha256",
    f"{DS_MORE}hmac-sha384",
    f"{DS_MORE}hmac-sha512",
    f"{DS_MORE}ecdsa-sha1",
    f"{DS_MORE}ecdsa-sha224",
    f"{DS_MORE_2007}sha1-rsa-MGF1",
    f"{DS_MORE_2007}sha224-rsa-MGF1",
    f"{DS_MORE_2007}sha3-256-rsa-MGF1",
    f"{DS_MORE_2007}md5-rsa-MGF1",
    "http://www.w3.org/2009/xmldsig11#dsa-sha256",
    "http://www.w3.org/2021/04/xmldsig-more#ecdsa-sha3-256",
    "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519",
    "urn:none",
    "none",
    "",
)
DIGESTS = (
    f"{DS}sha1",
    f"{DS_MORE}md5",
    f"{DS_MORE}sha224",
    "http://www.w3.org/2001/04/xmlenc#ripemd160",
    f"{DS_MORE_2007}sha3-256",
    "urn:none",
    "",
)


def algorithms(seed: Seed) -> Made:
    """Methods and digests outside the list, honestly computed where that can be; degenerate signature values."""
    for uri in METHODS:
        root = seed.tree()
        seed.signature(root).find(f"{d('SignedInfo')}/{d('SignatureMethod')}").set("Algorithm", uri)
        yield f"method {uri}", seed.again(root), "SIG-030"
    root = seed.tree()
    del seed.signature(root).find(f"{d('SignedInfo')}/{d('SignatureMethod')}").attrib["Algorithm"]
    yield "method without an algorithm", seed.again(root), "SIG-030"
    for uri in DIGESTS:
        for which in (0, -1):
            root = seed.tree()
            found = list(seed.signature(root).iter(d("DigestMethod")))
            found[which].set("Algorithm", uri)
            yield f"digest {uri} of {which}", seed.again(root), "SIG-031"
    certificate = seed.key.certificate_der
    for bits in (256, 384, 512):
        for what, secret in (("certificate", certificate), ("public key", _public(seed)), ("empty key", b"")):
            root = seed.tree()
            seed.signature(root).find(f"{d('SignedInfo')}/{d('SignatureMethod')}").set(
                "Algorithm", f"{DS_MORE}hmac-sha{bits}"
            )

            def raw(octets: bytes, secret: bytes = secret, bits: int = bits) -> bytes:
                import hmac

                return hmac.new(secret, octets, f"sha{bits}").digest()

            yield f"HMAC-SHA{bits} keyed with the {what}", seed.again(root, raw=raw), "SIG-030"
    for length in ("0", "8", "80", "128"):
        root = seed.tree()
        etree.SubElement(
            seed.signature(root).find(f"{d('SignedInfo')}/{d('SignatureMethod')}"), d("HMACOutputLength")
        ).text = length
        yield f"HMACOutputLength {length}", seed.again(root), "SIG-006"
    size = len(base64.b64decode(seed.signature(seed.tree()).find(d("SignatureValue")).text))
    own = base64.b64decode(seed.signature(seed.tree()).find(d("SignatureValue")).text)
    for what, value in (
        ("zeroes", bytes(size)),
        ("ones", b"\xff" * size),
        ("one", bytes(size - 1) + b"\1"),
        ("short", own[:-1]),
        ("long", own + b"\0"),
        ("leading zero", b"\0" + own),
        ("halves exchanged", own[size // 2 :] + own[: size // 2]),
        ("DER of r = s = 0", bytes.fromhex("3006020100020100")),
        ("PKCS#1 padding with garbage", b"\0\1" + b"\xff" * 8 + b"\0" + bytes(max(size - 11, 0))),
        ("huge", own * 40),
        ("nothing", b""),
    ):
        root = seed.tree()
        seed.signature(root).find(d("SignatureValue")).text = base64.b64encode(value).decode()
        yield (
            f"SignatureValue {what}",
            out(root),
            "SIG-001" if len(value) == size else "SIG-038" if value else "SIG-009",
        )
    other = f"{DS_MORE}ecdsa-sha256" if seed.key.certificate.family == "rsa" else f"{DS_MORE}rsa-sha256"
    root = seed.tree()
    seed.signature(root).find(f"{d('SignedInfo')}/{d('SignatureMethod')}").set("Algorithm", other)
    yield "the method of another kind of key", out(root), "SIG-033"


def _public(seed: Seed) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return seed.key.certificate.x509.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


# 5.9 keys and certificates --------------------------------------------------------------------------------------------


def keys(seed: Seed) -> Made:
    """Somebody else's key in every disguise; directions to keys; certificates that are none."""
    stranger = base64.b64encode(seed.stranger.certificate_der).decode()
    own = base64.b64encode(seed.key.certificate_der).decode()

    def info(root: Element) -> Element:
        return seed.signature(root).find(d("KeyInfo"))

    root = seed.tree()
    next(info(root).iter(d("X509Certificate"))).text = stranger
    yield "a stranger's certificate, the genuine signature", out(root), "SIG-050"
    yield "a stranger's certificate and the genuine key", seed.again(root), "SIG-050"
    _fit_method(seed, root, seed.stranger)
    yield "a stranger's certificate and key", seed.again(root, seed.stranger), "SIG-050"
    root = seed.tree()
    _fit_method(seed, root, seed.stranger)
    genuine, other = seed.key.certificate, seed.stranger.certificate
    code = "SIG-001" if genuine.family == other.family else "SIG-033"
    if genuine.family == other.family == "ec" and genuine.bits > 256:
        code = "SIG-035"  # the stranger's method takes a hash of 256 bits
    if genuine.family == other.family and genuine.bits != other.bits:
        code = "SIG-038 SIG-035" if code == "SIG-035" else "SIG-038"  # its values have another length
    yield "the genuine certificate, a stranger's key", seed.again(root, seed.stranger), code
    for first in (True, False):
        for split in (True, False):
            root = seed.tree()
            certificate = next(info(root).iter(d("X509Certificate")))
            data = certificate.getparent()
            more = etree.Element(d("X509Certificate"))
            more.text = stranger
            if split:
                wrapped = etree.Element(d("X509Data"))
                wrapped.append(more)
                data.addprevious(wrapped) if first else data.addnext(wrapped)
            else:
                data.insert(0, more) if first else data.append(more)
            name = f"a stranger's certificate {'first' if first else 'second'} in {'an own X509Data' if split else 'X509Data'}"
            yield name, out(root), "SIG-041"
            yield f"{name}, stranger's signature", _with_method(seed, root), "SIG-041"
    root = seed.tree()
    certificate = next(info(root).iter(d("X509Certificate")))
    certificate.addnext(copy.deepcopy(certificate))
    yield "the genuine certificate twice", out(root), "SIG-041"
    replacements = {
        "KeyValue alone": f'<KeyValue xmlns="{DS}">{_rsa_key_value()}</KeyValue>',
        "DEREncodedKeyValue": f'<DEREncodedKeyValue xmlns="{DS11}">{base64.b64encode(_spki(seed.stranger)).decode()}</DEREncodedKeyValue>',
        "own DEREncodedKeyValue": f'<DEREncodedKeyValue xmlns="{DS11}">{base64.b64encode(_spki(seed.key)).decode()}</DEREncodedKeyValue>',
        "RetrievalMethod, http": f'<RetrievalMethod xmlns="{DS}" URI="{seed.trap}" Type="{DS}X509Data"/>',
        "RetrievalMethod, same document": f'<RetrievalMethod xmlns="{DS}" URI="#x" Type="{DS}X509Data"/>',
        "RetrievalMethod, file": f'<RetrievalMethod xmlns="{DS}" URI="file:///etc/passwd"/>',
        "KeyInfoReference": f'<KeyInfoReference xmlns="{DS11}" URI="{seed.trap}"/>',
        "SecurityTokenReference": f'<SecurityTokenReference xmlns="{WSSE}"><Reference URI="{seed.trap}"/></SecurityTokenReference>',
        "KeyName alone": f'<KeyName xmlns="{DS}">../../etc/passwd</KeyName>',
        "KeyName with SQL": f'<KeyName xmlns="{DS}">\' or 1=1 --</KeyName>',
        "PGPData": f'<PGPData xmlns="{DS}"><PGPKeyID>AAAA</PGPKeyID></PGPData>',
        "SPKIData": f'<SPKIData xmlns="{DS}"><SPKISexp>AAAA</SPKISexp></SPKIData>',
        "MgmtData": f'<MgmtData xmlns="{DS}">AAAA</MgmtData>',
        "EncryptedKey": '<EncryptedKey xmlns="http://www.w3.org/2001/04/xmlenc#"/>',
        "nothing": None,
        "X509SubjectName alone": f'<X509Data xmlns="{DS}"><X509SubjectName>CN=so-tu-phap</X509SubjectName></X509Data>',
        "X509IssuerSerial alone": f'<X509Data xmlns="{DS}"><X509IssuerSerial><X509IssuerName>CN=x</X509IssuerName><X509SerialNumber>1</X509SerialNumber></X509IssuerSerial></X509Data>',
        "X509SKI alone": f'<X509Data xmlns="{DS}"><X509SKI>AAAA</X509SKI></X509Data>',
        "X509CRL": f'<X509Data xmlns="{DS}"><X509CRL>AAAA</X509CRL></X509Data>',
        "X509Digest": f'<X509Data xmlns="{DS}"><X509Digest xmlns="{DS11}" Algorithm="{DS}sha1">AAAA</X509Digest></X509Data>',
    }
    wrong = "SIG-040 SIG-042"  # no certificate, and something that must not be there
    alone = {
        "nothing": "SIG-040",
        **dict.fromkeys(("KeyValue alone", "KeyName alone", "KeyName with SQL"), "SIG-040"),
        **dict.fromkeys(("X509SubjectName alone", "X509IssuerSerial alone", "X509SKI alone"), "SIG-040"),
    }
    for what, text in replacements.items():
        joined = "SIG-041" if what.startswith("X509") else "SIG-042"
        if what == "KeyValue alone":
            joined = "SIG-041" if seed.has_key_value else "SIG-043"
        for beside in (False, True):
            if beside and text is None:
                continue
            root = seed.tree()
            holder = info(root)
            if not beside:
                for old in list(holder):
                    holder.remove(old)
            if text is not None:
                holder.append(etree.fromstring(text))
            if beside and what in ("KeyName alone", "KeyName with SQL"):
                continue  # a name beside the certificate is ignored: honest tools write it
            codes = joined if beside else alone.get(what, wrong)
            yield f"{what}{' beside the certificate' if beside else ''}", out(root), codes
    for what, text, code in (
        ("empty", "", "SIG-009"),
        ("garbage", base64.b64encode(b"garbage").decode(), "SIG-044"),
        ("cut", own[: len(own) // 2 // 4 * 4], "SIG-044"),
        ("with a tail", base64.b64encode(seed.key.certificate_der + b"\0").decode(), "SIG-044"),
        ("PEM", f"-----BEGIN CERTIFICATE-----\n{own}\n-----END CERTIFICATE-----", "SIG-009"),
        ("a path", "/etc/ssl/certs/ca.pem", "SIG-009"),
        ("another serial", base64.b64encode(_other_serial(seed.key.certificate_der)).decode(), "SIG-050"),
    ):
        root = seed.tree()
        next(info(root).iter(d("X509Certificate"))).text = text
        yield f"certificate {what}", out(root), code
    root = seed.tree()
    seed.signature(root).remove(info(root))
    yield "no KeyInfo", out(root), "SIG-040"
    root = seed.tree()
    holder = info(root)
    root.insert(0, _again(holder))
    yield "KeyInfo outside the signature too", out(root), "SIG-005"
    root = seed.tree()
    holder = info(root)
    seed.signature(root).remove(holder)
    root.insert(0, holder)
    yield "KeyInfo outside the signature only", out(root), "SIG-005"
    root = seed.tree()
    holder = info(root)
    holder.addnext(_again(holder))
    yield "two KeyInfo", out(root), "SIG-006"


def _with_method(seed: Seed, root: Element) -> bytes:
    _fit_method(seed, root, seed.stranger)
    return seed.again(root, seed.stranger)


def _fit_method(seed: Seed, root: Element, key: SigningKey) -> None:
    name = "rsa-sha256" if key.certificate.family == "rsa" else "ecdsa-sha256"
    seed.signature(root).find(f"{d('SignedInfo')}/{d('SignatureMethod')}").set("Algorithm", DS_MORE + name)


def _spki(key: SigningKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.certificate.x509.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _rsa_key_value() -> str:
    modulus = base64.b64encode(b"\xc1" + b"\x55" * 255).decode()
    return f"<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>"


def _other_serial(der: bytes) -> bytes:
    changed = bytearray(der)
    changed[20] ^= 1
    return bytes(changed)


# 5.10 presence --------------------------------------------------------------------------------------------------------


def presence(seed: Seed) -> Made:
    """The signature stripped, emptied, moved, doubled, alone."""
    root = seed.tree()
    root.remove(seed.signature(root))
    yield "stripped", out(root), "SIG-002"
    root = seed.tree()
    signature = seed.signature(root)
    for child in list(signature):
        signature.remove(child)
    yield "empty", out(root), "SIG-014 SIG-040"
    root = seed.tree()
    yield "bare Signature", out(seed.signature(root)), "SIG-059"
    for where in (0, 3, -2):
        root = seed.tree()
        signature = seed.signature(root)
        root[where].append(signature)
        yield f"moved into child {where}", out(root), "SIG-004 SIG-005"
        yield f"moved into child {where}, signed again", seed.again(root), "SIG-004 SIG-005"
        root = seed.tree()
        signature = seed.signature(root)
        root.insert(where, signature)
        yield f"moved to place {where}", out(root), "SIG-004"
        yield f"moved to place {where}, signed again", seed.again(root), "SIG-004"
    root = seed.tree()
    wrapper = etree.SubElement(root, f"{{{PHONG_BI}}}ChuKy")
    wrapper.append(seed.signature(root))
    yield "nested in an element of ours", seed.again(root), "SIG-004 SIG-005"
    for first in (True, False):
        root = seed.tree()
        signature = seed.signature(root)
        second = copy.deepcopy(signature)
        second.find(d("SignatureValue")).text = "AAAA"
        for element in second.iter():
            if element.get("Id"):
                element.set("Id", f"{element.get('Id')}-2")
        signature.addprevious(second) if first else signature.addnext(second)
        yield f"a second signature, forged {'first' if first else 'last'}", out(root), "SIG-003"
        root = seed.tree()
        signature = seed.signature(root)
        signature.addprevious(copy.deepcopy(signature)) if first else signature.addnext(copy.deepcopy(signature))
        yield f"the same signature twice {first}", out(root), "SIG-003"
    root = seed.tree()
    for _ in range(300):
        root.append(copy.deepcopy(seed.signature(root)))
    yield "300 signatures", out(root), "SIG-003"
    root = seed.tree()
    inner = copy.deepcopy(seed.signature(root))
    seed.signature(root).append(inner)
    yield "a signature inside the signature", out(root), "SIG-003"
    for name in ("DigestValue", "SignedInfo", "SignatureValue", "Manifest", "Object"):
        root = seed.tree()
        etree.SubElement(root[0], d(name))
        yield f"{name} in the header", out(root), "SIG-005"
        root = seed.tree()
        seed.signature(root).append(etree.Element(d(name)))
        yield f"another {name} in Signature", out(root), "SIG-006" if name != "Object" or seed.is_xades else "SIG-014"
        root = seed.tree()
        seed.signature(root).insert(0, etree.Element(d(name)))
        inside = {"SignedInfo": " SIG-014", "Object": " SIG-014", "SignatureValue": " SIG-009"}  # and it is empty
        yield f"another {name} first in Signature", out(root), "SIG-006" + inside.get(name, "")
    root = seed.tree()
    signature = seed.signature(root)
    holder = etree.SubElement(signature, d("Object"))
    holder.append(_again(signature.find(d("SignedInfo"))))
    signature.find(f"{d('SignedInfo')}/{d('Reference')}/{d('DigestValue')}").text = base64.b64encode(bytes(32)).decode()
    codes = "SIG-006" if seed.is_xades else "SIG-006 SIG-014"
    yield "SignedInfo parked in an Object, another in its place", out(root), codes


# Where something foreign has a code of its own.
UNWANTED = {"Transform": "SIG-024", "KeyInfo": "SIG-042", "X509Data": "SIG-042", "KeyValue": "SIG-042"}


def shape(seed: Seed) -> Made:
    """Something foreign in every element of the signature: an attribute, a child, text; signed again where that helps."""
    count = len(list(seed.signature(seed.tree()).iter()))
    for index in range(count):
        root = seed.tree()
        element = list(seed.signature(root).iter())[index]
        name = f"{etree.QName(element).localname}#{index}"
        element.set("La", "1")
        yield f"attribute on {name}", seed.again(root), "SIG-007"
        root = seed.tree()
        element = list(seed.signature(root).iter())[index]
        element.set("{urn:la}La", "1")
        yield f"foreign attribute on {name}", seed.again(root), "SIG-007"
        root = seed.tree()
        element = list(seed.signature(root).iter())[index]
        etree.SubElement(element, "{urn:la}La")
        body = out(root) if element.text and element.text.strip() else seed.again(root)
        yield f"child in {name}", body, UNWANTED.get(etree.QName(element).localname, "SIG-006")
        root = seed.tree()
        element = list(seed.signature(root).iter())[index]
        if not (element.text and element.text.strip()):
            element.text = "chữ"
            yield f"text in {name}", seed.again(root), "SIG-008"


# XAdES ----------------------------------------------------------------------------------------------------------------


def xades(seed: Seed) -> Made:
    """The traps of XAdES."""
    if not seed.is_xades:
        return

    def at(root: Element, name: str) -> Element:
        return next(seed.signature(root).iter(x(name)))

    def property_reference(root: Element) -> Element:
        info = seed.signature(root).find(d("SignedInfo"))
        return next(r for r in info.iterfind(d("Reference")) if r.get("Type") == SIGNED_PROPERTIES_TYPE)

    root = seed.tree()
    property_reference(root).getparent().remove(property_reference(root))
    yield "SignedProperties without a reference", seed.again(root), "SIG-071"
    for kind in (
        None,
        "",
        "http://uri.etsi.org/01903/v1.3.2#SignedProperties",
        "http://uri.etsi.org/01903#SignedPropertie",
    ):
        root = seed.tree()
        reference = property_reference(root)
        if kind is None:
            del reference.attrib["Type"]
        else:
            reference.set("Type", kind)
        yield f"the reference with Type {kind}", seed.again(root), "SIG-071"
    root = seed.tree()
    reference = _envelope_reference(seed, root)
    reference.getparent().remove(reference)
    yield "only SignedProperties signed", seed.again(root), "SIG-020 SIG-082"
    root = seed.tree()
    reference = _envelope_reference(seed, root)
    reference.getparent().replace(reference, copy.deepcopy(property_reference(root)))
    yield "two references to SignedProperties", seed.again(root), "SIG-020 SIG-022 SIG-082"
    root = seed.tree()
    reference = property_reference(root)
    reference.addnext(copy.deepcopy(reference))
    yield "SignedProperties twice beside the envelope", seed.again(root), "SIG-022"
    root = seed.tree()
    qualifying = at(root, "QualifyingProperties")
    again = copy.deepcopy(qualifying)
    next(again.iter(x("SignedProperties"))).set("Id", "khac")
    qualifying.addnext(again)
    yield "a second QualifyingProperties", seed.again(root), "SIG-006"
    root = seed.tree()
    holder = seed.signature(root).find(d("Object"))
    again = copy.deepcopy(holder)
    next(again.iter(x("SignedProperties"))).set("Id", "khac")
    holder.addnext(again)
    yield "a second Object with QualifyingProperties", seed.again(root), "SIG-006"
    root = seed.tree()
    properties = at(root, "SignedProperties")
    other = copy.deepcopy(properties)
    other.set("Id", "khac")
    next(other.iter(x("SigningTime"))).text = "2026-01-01T00:00:00Z"
    properties.getparent().replace(properties, other)
    root[-2].append(properties)
    yield "SignedProperties moved out and replaced", out(root), "SIG-005"
    for target in ("", "#khac", "khac", None):
        root = seed.tree()
        qualifying = at(root, "QualifyingProperties")
        if target is None:
            del qualifying.attrib["Target"]
        else:
            qualifying.set("Target", target)
        yield f"Target {target}", seed.again(root), "SIG-072"
    root = seed.tree()
    del seed.signature(root).attrib["Id"]
    yield "Target of a signature without an Id", seed.again(root), "SIG-072"
    # A reference to KeyInfo is taken beside SignedProperties only, and these are none.
    unreadable = "SIG-073" if seed.references < 3 else "SIG-021 SIG-073"
    for time in (
        "1999-01-01T00:00:00Z",
        "2099-01-01T00:00:00Z",
        "2026-01-15T08:00:00",
        "2026-01-15T24:00:00Z",
        "2026-13-15T08:00:00Z",
        "2026-02-30T08:00:00Z",
        "12026-01-15T08:00:00Z",
        "-0001-01-15T08:00:00Z",
        "0000-01-15T08:00:00Z",
        "2026-01-15T08:00:60Z",
        "2026-01-15T08:00:00+24:00",
        "2026-01-15",
        "hôm qua",
        "",
        "２０２６-01-15T08:00:00Z",
    ):
        root = seed.tree()
        at(root, "SigningTime").text = time
        code = {"1999-01-01T00:00:00Z": "SIG-075", "2099-01-01T00:00:00Z": "SIG-074"}.get(time, unreadable)
        yield f"SigningTime {time}", seed.again(root), code
    root = seed.tree()
    at(root, "SigningTime").text = "2026-01-15T08:00:00Z"
    yield "SigningTime changed after signing", out(root), "SIG-001"
    for gone, code in (
        ("SigningTime", unreadable),
        ("SigningCertificateV2", "SIG-070"),
        ("SigningCertificate", "SIG-070"),
        ("SignedSignatureProperties", "SIG-014"),
    ):
        root = seed.tree()
        found = list(seed.signature(root).iter(x(gone)))
        if found:
            found[0].getparent().remove(found[0])
            yield f"no {gone}", seed.again(root), code
    root = seed.tree()
    certificate = at(root, "CertDigest")
    certificate.find(d("DigestValue")).text = base64.b64encode(
        hashlib.sha256(seed.stranger.certificate_der).digest()
    ).decode()
    yield "the digest of a stranger's certificate", seed.again(root), "SIG-079"
    for name in ("sha1", "md5", "sha224"):
        root = seed.tree()
        certificate = at(root, "CertDigest")
        certificate.find(d("DigestMethod")).set("Algorithm", f"{DS}{name}" if name == "sha1" else f"{DS_MORE}{name}")
        certificate.find(d("DigestValue")).text = base64.b64encode(
            hashlib.new(name, seed.key.certificate_der).digest()
        ).decode()
        yield f"certificate digest by {name}", seed.again(root), "SIG-031"
    root = seed.tree()
    facts = at(root, "SignedSignatureProperties")
    old = etree.SubElement(facts, x("SigningCertificate"))
    old.append(copy.deepcopy(next(facts.iter(x("Cert")))))
    next(old.iter(d("DigestValue"))).text = base64.b64encode(bytes(32)).decode()
    yield "a second, contradicting SigningCertificate", seed.again(root), "SIG-079"
    root = seed.tree()
    for kind in seed.signature(root).iter(x("DataObjectFormat")):
        kind.set("ObjectReference", "#khac")
    yield "DataObjectFormat of something else", seed.again(root), "SIG-082"
    unsigned = {
        "CounterSignature": f'<a:CounterSignature xmlns:a="{XADES}"><Signature xmlns="{DS}"/></a:CounterSignature>',
        "an empty CounterSignature": f'<a:CounterSignature xmlns:a="{XADES}"/>',
        "CertificateValues": f'<a:CertificateValues xmlns:a="{XADES}"/>',
        "RevocationValues": f'<a:RevocationValues xmlns:a="{XADES}"/>',
        "SigAndRefsTimeStamp": f'<a:SigAndRefsTimeStamp xmlns:a="{XADES}"/>',
        "ArchiveTimeStamp 1.4.1": '<a:ArchiveTimeStamp xmlns:a="http://uri.etsi.org/01903/v1.4.1#"/>',
        "something foreign": '<la xmlns="urn:la"/>',
        "an empty SignatureTimeStamp": f'<a:SignatureTimeStamp xmlns:a="{XADES}"/>',
        "a fake time-stamp": f'<a:SignatureTimeStamp xmlns:a="{XADES}"><a:EncapsulatedTimeStamp>AAAA</a:EncapsulatedTimeStamp></a:SignatureTimeStamp>',
        "a time-stamp by address": f'<a:SignatureTimeStamp xmlns:a="{XADES}"><a:Include URI="{seed.trap}"/></a:SignatureTimeStamp>',
        "an XML time-stamp": f'<a:SignatureTimeStamp xmlns:a="{XADES}"><a:XMLTimeStamp><la/></a:XMLTimeStamp></a:SignatureTimeStamp>',
        "a time-stamp in another encoding": (
            f'<a:SignatureTimeStamp xmlns:a="{XADES}"><a:EncapsulatedTimeStamp Encoding="http://uri.etsi.org/01903/v1.2.2#XER">AAAA'
            "</a:EncapsulatedTimeStamp></a:SignatureTimeStamp>"
        ),
    }
    told = {
        "CounterSignature": "SIG-003",
        "an empty SignatureTimeStamp": "SIG-014",
        "a fake time-stamp": "SIG-080",
        "a time-stamp by address": "SIG-014 SIG-076",
        "an XML time-stamp": "SIG-014 SIG-076",
    }
    for what, text in unsigned.items():
        root = seed.tree()
        qualifying = at(root, "QualifyingProperties")
        for old in qualifying.findall(x("UnsignedProperties")):
            qualifying.remove(old)
        holder = etree.SubElement(
            etree.SubElement(qualifying, x("UnsignedProperties")), x("UnsignedSignatureProperties")
        )
        holder.append(etree.fromstring(text))
        yield f"unsigned: {what}", out(root), told.get(what, "SIG-076")
    root = seed.tree()
    etree.SubElement(at(root, "QualifyingProperties"), x("UnsignedProperties"))
    yield "empty UnsignedProperties", out(root), "SIG-014"
    root = seed.tree()
    holder = seed.signature(root).find(d("Object"))
    for child in list(holder):
        holder.remove(child)
    etree.SubElement(holder, x("QualifyingPropertiesReference"), URI=seed.trap)
    yield "QualifyingPropertiesReference", out(root), "SIG-006 SIG-014"
    for name in ("AllDataObjectsTimeStamp", "IndividualDataObjectsTimeStamp"):
        root = seed.tree()
        holder = at(root, "SignedProperties")
        data = holder.find(x("SignedDataObjectProperties"))
        etree.SubElement(
            data if data is not None else etree.SubElement(holder, x("SignedDataObjectProperties")), x(name)
        )
        yield name, seed.again(root), "SIG-006"


def objects(seed: Seed) -> Made:
    """Objects with anything that is not the one QualifyingProperties."""
    for what, text in (
        ("empty", None),
        ("foreign", '<la xmlns="urn:la"/>'),
        ("text", "chữ"),
        ("a ThongDiep", f'<ThongDiep xmlns="{PHONG_BI}"/>'),
        (
            "SignatureProperties",
            f'<SignatureProperties xmlns="{DS}"><SignatureProperty Target="#x"/></SignatureProperties>',
        ),
        ("a Manifest", f'<Manifest xmlns="{DS}"><Reference URI="{seed.trap}"/></Manifest>'),
    ):
        root = seed.tree()
        holder = etree.SubElement(seed.signature(root), d("Object"))
        if text and text.startswith("<"):
            holder.append(etree.fromstring(text))
        elif text:
            holder.text = text
        if what == "a ThongDiep":
            codes = "SIG-015"
        elif seed.is_xades:
            codes = "SIG-006"  # a second Object
        else:
            codes = {"empty": "SIG-014", "SignatureProperties": "SIG-014", "text": "SIG-008 SIG-014"}.get(
                what, "SIG-006 SIG-014"
            )
        yield f"another Object: {what}", out(root), codes
        yield f"another Object: {what}, signed again", seed.again(root), codes
    root = seed.tree()
    holder = seed.signature(root).find(d("Object"))
    if holder is not None:
        holder.set("MimeType", "text/xml")
        yield "MimeType on Object", seed.again(root), "SIG-007"
        holder.text = "chữ"
        yield "text in Object", seed.again(root), "SIG-007 SIG-008"


# 5.2 size and shape ---------------------------------------------------------------------------------------------------


def bombs(seed: Seed) -> Made:
    """What costs time or memory."""
    text = seed.body.decode("utf-8-sig")
    at = re.search(r"ThongDiep(?=[\s>])", text).end()
    for count in (100, 2000):
        many = "".join(f' xmlns:n{i}="urn:n{i}"' for i in range(count))
        yield f"{count} namespaces on the root", (text[:at] + many + text[at:]).encode(), "XML-133"
        inside = "".join(f"<n{i}:a/>" for i in range(count))
        close = text.rindex("</")
        yield (
            f"{count} namespaces used once each",
            (text[:at] + many + text[at:close] + inside + text[close:]).encode(),
            "XML-133",
        )
    for count in (100, 50_000):
        many = "".join(f' a{i}="1"' for i in range(count))
        yield f"{count} attributes", (text[:at] + many + text[at:]).encode(), "XML-132" if count == 100 else "XML-136"
    leaf = re.search(r"MaThongDiep>", text).end()
    for depth in (60, 5000):
        yield f"depth {depth}", (text[:leaf] + "<a>" * depth + "</a>" * depth + text[leaf:]).encode(), "XML-130"
    yield "many elements", (text[:leaf] + "<a/>" * 50_000 + text[leaf:]).encode(), "XML-131"
    yield "a very long name", (text[:leaf] + f"<{'a' * 100_000}/>" + text[leaf:]).encode(), "XML-199"
    root = seed.tree()
    seed.signature(root).find(d("SignatureValue")).text += " " * 200_000
    yield "white space in SignatureValue", out(root), "SIG-010"
    root = seed.tree()
    next(seed.signature(root).iter(d("X509Certificate"))).text = "A" * 400_000
    yield "a huge certificate", out(root), "SIG-010"
    root = seed.tree()
    info = seed.signature(root).find(d("KeyInfo"))
    modulus = base64.b64encode(b"\xc1" + b"\x55" * 2000).decode()
    for exponent in ("AQAB", base64.b64encode(b"\xff" * 2000).decode(), "AQ=="):
        again = copy.deepcopy(root)
        info = seed.signature(again).find(d("KeyInfo"))
        value = f'<KeyValue xmlns="{DS}"><RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>{exponent}</Exponent></RSAKeyValue></KeyValue>'
        info.insert(0, etree.fromstring(value))
        code = "SIG-041" if seed.has_key_value else "SIG-043"
        yield f"a key of 16 000 bits, exponent {exponent[:8]}", out(again), code


FAMILIES: tuple[Family, ...] = (
    content,
    nodes,
    ids,
    namespaces,
    wrapping,
    references,
    transforms,
    algorithms,
    keys,
    presence,
    shape,
    xades,
    objects,
    bombs,
)
