"""The allow-list for signatures, one check at a time.

One document holds everything that a signature may hold. Each row of CHECKS spoils it in one way, which one check of
signing/structure.py refuses with its code; then that check is really taken out of the running code, and the same document must
get another answer. So no check is idle, none hides behind another, and a check without a row fails a test.
"""

import ast
import base64
import inspect
import re
from datetime import UTC, datetime
from types import CodeType

import pytest
from lxml import etree

from gateway.core.problems import Stopped
from gateway.documents import MOST_PROBLEMS
from signing import structure
from signing.structure import (
    SIGNATURE_CHARS,
    SIGNATURE_ELEMENTS,
    Uncovered,
    instant_of,
    read_signature,
    survey,
)
from signing.uris import (
    C14N_10,
    C14N_11,
    DS,
    DS11,
    DS_MORE,
    DS_MORE_2007,
    ENVELOPED,
    EXC_C14N,
    PHONG_BI,
    SHA256,
    SHA384,
    SIGNED_PROPERTIES_TYPE,
    XADES,
)

MGF1 = f"{DS_MORE_2007}MGF1"
TRANSFORM = f'<ds:Transforms><ds:Transform Algorithm="{EXC_C14N}"/></ds:Transforms>'
DIGEST = f'<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue>AAAA</ds:DigestValue>'
SERIAL = "<ds:X509IssuerName>CN=x</ds:X509IssuerName><ds:X509SerialNumber>1</ds:X509SerialNumber>"
EVERYTHING = f"""<lt:ThongDiep xmlns:lt="{PHONG_BI}" xmlns:ds="{DS}" xmlns:ec="{EXC_C14N}" xmlns:pss="{DS_MORE_2007}"
    xmlns:dsig11="{DS11}" xmlns:xades="{XADES}" Id="goc" xml:lang="vi" xml:space="preserve">
  <lt:MaThongDiep>7d1b6a52-6f0e-4f4d-9a39-0c6a2f5f8f11</lt:MaThongDiep>
  <lt:ThanPhan><lt:NoiDung>x</lt:NoiDung></lt:ThanPhan>
  <ds:Signature Id="S">
    <ds:SignedInfo Id="I">
      <ds:CanonicalizationMethod Algorithm="{EXC_C14N}"><ec:InclusiveNamespaces PrefixList="lt xades"/></ds:CanonicalizationMethod>
      <ds:SignatureMethod Algorithm="{DS_MORE_2007}rsa-pss"><pss:RSAPSSParams><ds:DigestMethod Algorithm="{SHA384}"/>
        <pss:MaskGenerationFunction Algorithm="{MGF1}"><ds:DigestMethod Algorithm="{SHA384}"/></pss:MaskGenerationFunction>
        <pss:SaltLength> 48 </pss:SaltLength><pss:TrailerField> 1 </pss:TrailerField></pss:RSAPSSParams></ds:SignatureMethod>
      <ds:Reference Id="R1" URI=""><ds:Transforms><ds:Transform Algorithm="{ENVELOPED}"/>
        <ds:Transform Algorithm="{EXC_C14N}"><ec:InclusiveNamespaces PrefixList="lt"/></ds:Transform></ds:Transforms>{DIGEST}
      </ds:Reference>
      <ds:Reference Id="R2" URI="#P" Type="{SIGNED_PROPERTIES_TYPE}">{TRANSFORM}{DIGEST}</ds:Reference>
      <ds:Reference Id="R3" URI="#K">{TRANSFORM}{DIGEST}</ds:Reference>
    </ds:SignedInfo>
    <ds:SignatureValue Id="V">BBBB</ds:SignatureValue>
    <ds:KeyInfo Id="K"><ds:KeyName>khoa</ds:KeyName><ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AMsB</ds:Modulus>
      <ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue><ds:X509Data><ds:X509SubjectName>CN=s</ds:X509SubjectName>
      <ds:X509IssuerSerial>{SERIAL}</ds:X509IssuerSerial><ds:X509SKI>AAAA</ds:X509SKI>
      <ds:X509Certificate>CCCC</ds:X509Certificate></ds:X509Data></ds:KeyInfo>
    <ds:Object Id="O"><xades:QualifyingProperties Id="Q" Target="#S"><xades:SignedProperties Id="P">
      <xades:SignedSignatureProperties Id="SSP"><xades:SigningTime>2026-11-24T10:59:00.25+07:00</xades:SigningTime>
        <xades:SigningCertificate><xades:Cert><xades:CertDigest>{DIGEST}</xades:CertDigest>
          <xades:IssuerSerial>{SERIAL}</xades:IssuerSerial></xades:Cert></xades:SigningCertificate>
        <xades:SigningCertificateV2><xades:Cert URI="http://ca.invalid/x.cer"><xades:CertDigest>{DIGEST}</xades:CertDigest>
          <xades:IssuerSerialV2>AAAA</xades:IssuerSerialV2></xades:Cert></xades:SigningCertificateV2>
        <xades:SignaturePolicyIdentifier><xades:La a="1">x</xades:La></xades:SignaturePolicyIdentifier>
        <xades:SignatureProductionPlace Id="SPP"/><xades:SignatureProductionPlaceV2/><xades:SignerRole/><xades:SignerRoleV2/>
      </xades:SignedSignatureProperties>
      <xades:SignedDataObjectProperties Id="SDO"><xades:DataObjectFormat ObjectReference="#R1">
        <xades:Description>mô tả</xades:Description><xades:ObjectIdentifier/><xades:MimeType>text/xml</xades:MimeType>
        <xades:Encoding>UTF-8</xades:Encoding></xades:DataObjectFormat><xades:CommitmentTypeIndication/>
      </xades:SignedDataObjectProperties></xades:SignedProperties>
      <xades:UnsignedProperties Id="UP"><xades:UnsignedSignatureProperties Id="USP"><xades:SignatureTimeStamp Id="T">
        <ds:CanonicalizationMethod Algorithm="{EXC_C14N}"><ec:InclusiveNamespaces PrefixList="ds"/></ds:CanonicalizationMethod>
        <xades:EncapsulatedTimeStamp Id="E" Encoding="http://uri.etsi.org/01903/v1.2.2#DER">DDDD</xades:EncapsulatedTimeStamp>
      </xades:SignatureTimeStamp></xades:UnsignedSignatureProperties></xades:UnsignedProperties>
    </xades:QualifyingProperties></ds:Object>
  </ds:Signature></lt:ThongDiep>"""


def everything():
    """A fresh tree."""
    return etree.fromstring(EVERYTHING)


def codes(root, door=read_signature):
    """What the allow-list has to say to a document."""
    try:
        found = door(root)
    except Stopped as stop:
        return [problem.code for problem in stop.problems]
    return [problem.code for problem in found] if isinstance(found, list) else []


# Ways to spoil it -----------------------------------------------------------------------------------------------------


def ds(name):
    return f"{{{DS}}}{name}"


def the(root, name, number=0):
    """The element of this local name; which, where there are several."""
    return [e for e in root.iter() if etree.QName(e).localname == name][number]


def gone(name, number=0):
    def spoil(root):
        element = the(root, name, number)
        element.getparent().remove(element)

    return spoil


def put(name, attribute, value, number=0):
    return lambda root: the(root, name, number).set(attribute, value)


def without(name, attribute, number=0):
    def spoil(root):
        del the(root, name, number).attrib[attribute]

    return spoil


def text(name, value, number=0):
    def spoil(root):
        the(root, name, number).text = value

    return spoil


def added(name, xml, at=None, number=0):
    """A child put last, or at a place."""

    def spoil(root):
        parent = the(root, name, number)
        child = etree.fromstring(f'<x xmlns:ds="{DS}" xmlns:xades="{XADES}" xmlns:lt="{PHONG_BI}">{xml}</x>')[0]
        parent.insert(len(parent) if at is None else at, child)

    return spoil


def twice(name, number=0):
    def spoil(root):
        element = the(root, name, number)
        again = etree.fromstring(etree.tostring(element))
        for inner in again.iter():
            inner.attrib.pop("Id", None)
        again.tail = None
        element.addnext(again)

    return spoil


def tail(name, value="x", number=0):
    def spoil(root):
        the(root, name, number).tail = value

    return spoil


def all_of(*spoilers):
    def spoil(root):
        for one in spoilers:
            one(root)

    return spoil


def moved_below(root):
    """The signature beside the content, one floor too deep."""
    the(root, "ThanPhan").append(the(root, "Signature"))


def second_signature(root):
    etree.SubElement(the(root, "ThanPhan"), ds("Signature"))


def big(root):
    the(root, "KeyName").text = "x" * SIGNATURE_CHARS


def many(root):
    for _ in range(SIGNATURE_ELEMENTS):
        etree.SubElement(the(root, "SignerRole"), f"{{{XADES}}}La")


def without_envelope_reference(root):
    gone("Reference")(root)
    put("DataObjectFormat", "ObjectReference", "#R2")(root)


def with_default_namespace(root):
    """The same under a default namespace, which lxml drops from a PrefixList."""
    return etree.fromstring(
        EVERYTHING.replace("<lt:ThongDiep ", '<lt:ThongDiep xmlns="urn:x" ').replace('"lt"', '"#default"')
    )


def order_turned(root):
    the(root, "Signature").insert(0, the(root, "SignatureValue"))


STRAY = ["SIG-005"] * MOST_PROBLEMS  # everything in a signature that is not where it should be

TIME = (
    '<ds:SignatureProperties Id="TS"><ds:SignatureProperty Id="TP" Target="#S">'
    "<SigningTime>2026-11-24T10:59:03</SigningTime></ds:SignatureProperty></ds:SignatureProperties>"
)


def timed(root):
    """Plain XML-DSig that carries its time in a signed SignatureProperty, instead of XAdES."""
    gone("QualifyingProperties")(root)
    gone("Reference", 2)(root)
    added("Object", TIME)(root)
    put("Reference", "URI", "#TP", 1)(root)
    without("Reference", "Type", 1)(root)


# function: code or call (which one, where it reports several) | the half of its condition -> what spoils the document, and
# the codes that refuse it
CHECKS = {
    "stray: SIG-015": (added("ThanPhan", "<lt:ThongDiep/>"), ["SIG-015"]),
    "stray: SIG-005": (added("ThanPhan", "<ds:KeyInfo/>"), ["SIG-005"]),
    "read_signature: SIG-002": (gone("Signature"), ["SIG-002"]),
    "read_signature: SIG-003": (second_signature, ["SIG-003"]),
    "read_signature: SIG-004": (lambda root: root.append(root[0]), ["SIG-004"]),
    "read_signature: SIG-004 | signature.getparent() is not root": (moved_below, ["SIG-004", *STRAY]),
    "read_signature: SIG-004 | signature.getnext() is not None": (lambda root: root.append(root[0]), ["SIG-004"]),
    "read_signature: stray": (added("ThanPhan", "<ds:KeyInfo/>"), ["SIG-005"]),
    "read_signature: _ids": (put("ThanPhan", "Id", "S"), ["SIG-012"]),
    "read_signature: Stopped": (put("ThanPhan", "ID", "x"), ["SIG-011"]),
    "read_signature: _size": (big, ["SIG-010"]),
    "read_signature: Stopped (2)": (put("Signature", "La", "1"), ["SIG-007"]),
    "_fit: SIG-007": (put("SignatureValue", "La", "1"), ["SIG-007"]),
    "_fit: SIG-009": (text("SignatureValue", "chữ ký"), ["SIG-009"]),
    "_fit: SIG-008": (text("SignedInfo", "x"), ["SIG-008"]),
    "_fit: SIG-008 (2)": (tail("SignatureMethod"), ["SIG-008"]),
    "_fit: rule.unwanted": (added("X509Data", "<ds:X509CRL>AAAA</ds:X509CRL>"), ["SIG-042"]),
    "_fit: rule.unwanted | tag not in rule.children": (added("KeyInfo", "<ds:MgmtData/>"), ["SIG-042"]),
    "_fit: rule.too_many": (twice("X509Certificate"), ["SIG-041"]),
    "_fit: SIG-006": (order_turned, ["SIG-006"]),
    "_fit: _fit": (put("Modulus", "La", "1"), ["SIG-007"]),
    "_fit: code": (gone("X509Data"), ["SIG-040"]),
    "_size: SIG-010": (big, ["SIG-010"]),
    "_size: SIG-010 | chars > SIGNATURE_CHARS": (big, ["SIG-010"]),
    "_size: SIG-010 | elements > SIGNATURE_ELEMENTS": (many, ["SIG-010"]),
    "_ids: SIG-011": (put("ThanPhan", "ID", "x"), ["SIG-011"]),
    "_ids: SIG-013": (put("ThanPhan", "Id", "1x"), ["SIG-013"]),
    "_ids: SIG-012": (put("ThanPhan", "Id", "S"), ["SIG-012"]),
    "read: _canonicalisation": (put("CanonicalizationMethod", "Algorithm", "urn:x"), ["SIG-026", "SIG-027"]),
    "read: _method": (put("SignatureMethod", "Algorithm", f"{DS}rsa-sha1"), ["SIG-030"]),
    "read: _properties": (all_of(gone("Reference", 2), gone("SigningTime")), ["SIG-073"]),
    "read: _references": (put("Reference", "URI", "#khac", 2), ["SIG-021"]),
    "read: _timestamps": (put("EncapsulatedTimeStamp", "Encoding", "urn:x"), ["SIG-076"]),
    "read: _key_value": (gone("RSAKeyValue"), ["SIG-043"]),
    "read: Stopped": (gone("RSAKeyValue"), ["SIG-043"]),
    "read: Stopped | self.problems": (gone("RSAKeyValue"), ["SIG-043"]),
    "_canonicalisation: SIG-026": (
        all_of(gone("InclusiveNamespaces"), put("CanonicalizationMethod", "Algorithm", f"{C14N_10}#WithComments")),
        ["SIG-026"],
    ),
    "_canonicalisation: _prefixes": (put("InclusiveNamespaces", "PrefixList", "a:b"), ["SIG-027"]),
    "_prefixes: SIG-027": (put("InclusiveNamespaces", "PrefixList", "a:b", 1), ["SIG-027"]),
    "_prefixes: SIG-027 | lost": (with_default_namespace, ["SIG-027"]),
    "_prefixes: SIG-027 | algorithm != EXC_C14N": (put("Transform", "Algorithm", C14N_11, 1), ["SIG-027"]),
    "_prefixes: SIG-027 | len(prefixes) > PREFIX_LIST": (
        put("InclusiveNamespaces", "PrefixList", " ".join(f"p{n}" for n in range(65))),
        ["SIG-027"],
    ),
    "_prefixes: SIG-027 | not all(map(_is_prefix, prefixes))": (
        put("InclusiveNamespaces", "PrefixList", "lt 1x"),
        ["SIG-027"],
    ),
    "_method: SIG-030": (put("SignatureMethod", "Algorithm", f"{DS_MORE}ecdsa-sha1"), ["SIG-030"]),
    "_method: SIG-006": (put("SignatureMethod", "Algorithm", f"{DS_MORE}rsa-sha256"), ["SIG-006"]),
    "_method: _pss_bits": (put("DigestMethod", "Algorithm", f"{DS}sha1"), ["SIG-031"]),
    "_pss_bits: SIG-036": (put("MaskGenerationFunction", "Algorithm", f"{DS_MORE_2007}MGF2"), ["SIG-036"]),
    "_pss_bits: SIG-031": (put("DigestMethod", "Algorithm", f"{DS}sha1"), ["SIG-031"]),
    "_pss_bits: SIG-036 (2)": (text("SaltLength", "20"), ["SIG-036"]),
    "_pss_bits: SIG-036 (2) | mask not in (None, digest)": (put("DigestMethod", "Algorithm", SHA256, 1), ["SIG-036"]),
    "_pss_bits: SIG-036 (2) | trailer != '1'": (text("TrailerField", "2"), ["SIG-036"]),
    "_pss_bits: SIG-036 (2) | salt is not None and salt.strip() != str(bits // 8)": (
        text("SaltLength", "32"),
        ["SIG-036"],
    ),
    "_digest: SIG-031": (put("DigestMethod", "Algorithm", f"{DS}sha1", 4), ["SIG-031"]),
    "_references: _digest": (put("DigestMethod", "Algorithm", f"{DS}sha1", 2), ["SIG-031"]),
    "_references: SIG-023": (without("Reference", "URI", 2), ["SIG-023"]),
    "_references: _envelope_transforms": (gone("Transform"), ["SIG-025"]),
    "_references: _part_transforms": (twice("Transform", 2), ["SIG-025"]),
    "_references: _part_transforms (2)": (twice("Transform", 3), ["SIG-025"]),
    "_references: SIG-021": (put("Reference", "URI", "#V", 2), ["SIG-021"]),
    "_references: SIG-022": (
        all_of(put("Reference", "URI", "#P", 2), put("Reference", "Type", SIGNED_PROPERTIES_TYPE, 2)),
        ["SIG-022"],
    ),
    "_references: _type": (put("Reference", "Type", "urn:x", 2), ["SIG-007"]),
    "_references: SIG-020": (without_envelope_reference, ["SIG-020"]),
    "_references: SIG-071": (gone("Reference", 1), ["SIG-071"]),
    "_type: SIG-071": (without("Reference", "Type", 1), ["SIG-071"]),
    "_type: SIG-007": (put("Reference", "Type", "urn:x"), ["SIG-007"]),
    "_envelope_transforms: _transforms": (
        all_of(gone("InclusiveNamespaces", 1), put("Transform", "Algorithm", f"{C14N_11}#WithComments", 1)),
        ["SIG-026"],
    ),
    "_envelope_transforms: SIG-025": (gone("Transforms"), ["SIG-025"]),
    "_envelope_transforms: SIG-025 | first != (ENVELOPED,)": (gone("Transform"), ["SIG-025"]),
    "_envelope_transforms: SIG-025 | ENVELOPED in rest": (
        all_of(gone("InclusiveNamespaces", 1), put("Transform", "Algorithm", ENVELOPED, 1)),
        ["SIG-025"],
    ),
    "_part_transforms: _transforms": (put("Transform", "Algorithm", "urn:x", 2), ["SIG-024"]),
    "_part_transforms: SIG-025": (twice("Transform", 3), ["SIG-025"]),
    "_part_transforms: SIG-025 | len(algorithms) > 1": (twice("Transform", 2), ["SIG-025"]),
    "_part_transforms: SIG-025 | ENVELOPED in algorithms": (put("Transform", "Algorithm", ENVELOPED, 2), ["SIG-025"]),
    "_transforms: SIG-026": (put("Transform", "Algorithm", f"{C14N_10}#WithComments", 2), ["SIG-026"]),
    "_transforms: SIG-024": (
        put("Transform", "Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116", 3),
        ["SIG-024"],
    ),
    "_transforms: _prefixes": (put("InclusiveNamespaces", "PrefixList", "a:b", 1), ["SIG-027"]),
    "_key_value: SIG-043": (gone("RSAKeyValue"), ["SIG-043"]),
    "_properties: SIG-072": (put("QualifyingProperties", "Target", "#x"), ["SIG-072"]),
    "_properties: SIG-072 | target is None": (
        all_of(without("Signature", "Id"), put("QualifyingProperties", "Target", "#None")),
        ["SIG-072"],
    ),
    "_properties: SIG-072 | qualifying.get('Target') != f'#{target}'": (
        without("QualifyingProperties", "Target"),
        ["SIG-072"],
    ),
    "_properties: SIG-071": (all_of(gone("Reference", 2), without("SignedProperties", "Id")), ["SIG-071"]),
    "_properties: SIG-073": (all_of(gone("Reference", 2), text("SigningTime", "2026-11-24T10:59:00")), ["SIG-073"]),
    "_properties: _digest": (put("DigestMethod", "Algorithm", f"{DS}sha1", 6), ["SIG-031"]),
    "_properties: SIG-070": (all_of(gone("SigningCertificate"), gone("SigningCertificateV2")), ["SIG-070"]),
    "_properties: SIG-082": (put("DataObjectFormat", "ObjectReference", "#x"), ["SIG-082"]),
    "_timestamps: _canonicalisation": (
        all_of(gone("InclusiveNamespaces", 2), put("CanonicalizationMethod", "Algorithm", "urn:x", 1)),
        ["SIG-026"],
    ),
    "_timestamps: SIG-076": (put("EncapsulatedTimeStamp", "Encoding", "urn:x"), ["SIG-076"]),
    "read: _claim": (all_of(timed, put("SignatureProperty", "Target", "#x")), ["SIG-072"]),
    "_claim: SIG-072": (all_of(timed, without("SignatureProperty", "Target")), ["SIG-072"]),
    "_claim: SIG-072 | target is None": (
        all_of(timed, without("Signature", "Id"), put("SignatureProperty", "Target", "#None")),
        ["SIG-072"],
    ),
    "_claim: SIG-072 | one.get('Target') != f'#{target}'": (
        all_of(timed, put("SignatureProperty", "Target", "S")),
        ["SIG-072"],
    ),
    "_claim: SIG-073": (all_of(timed, text("SigningTime", "24/11/2026")), ["SIG-073"]),
    "_references: _part_transforms (3)": (all_of(timed, twice("Transform", 2)), ["SIG-025"]),
    "_references: SIG-016": (all_of(timed, gone("Reference", 1)), ["SIG-016"]),
    "_fit: _object": (gone("QualifyingProperties"), ["SIG-014"]),
    "_object: SIG-014": (gone("QualifyingProperties"), ["SIG-014"]),
    "_object: SIG-006": (added("Object", TIME), ["SIG-006"]),
}

# The same for survey(), which says all that it can say, for comparing with other programs.
SURVEY = {
    "survey: SIG-002": (gone("Signature"), ["SIG-002"]),
    "survey: SIG-003": (second_signature, ["SIG-003", "SIG-004", "SIG-014", "SIG-014", "SIG-040"]),
    "survey: SIG-004": (lambda root: root.append(root[0]), ["SIG-004"]),
    "survey: SIG-004 | signature.getparent() is not root": (moved_below, ["SIG-004", *STRAY]),
    "survey: SIG-004 | signature.getnext() is not None": (lambda root: root.append(root[0]), ["SIG-004"]),
    "survey: stray": (added("ThanPhan", "<ds:KeyInfo/>"), ["SIG-005"]),
    "survey: _fit": (put("Signature", "La", "1"), ["SIG-007"]),
    "survey: _names": (
        all_of(gone("KeyInfo"), put("SignatureMethod", "Algorithm", "urn:x")),
        ["SIG-040", "SIG-030"],
    ),
    "survey: read": (gone("RSAKeyValue"), ["SIG-043"]),
    "_names: code": (
        all_of(put("Signature", "La", "1"), put("DigestMethod", "Algorithm", f"{DS}sha1", 3)),
        ["SIG-007", "SIG-031"],
    ),
}

# What the type checker, or a check before it, has made sure of: taking it out changes no answer.
IDLE = {
    "_fit: rule.unwanted | not isinstance(tag, str)": "the tag of a comment is in no list of names either",
    "read: Stopped | references is None": "there is a problem wherever there are none",
    "read: Stopped | certificate is None": "the grammar demands one",
}


def test_a_signature_with_everything_in_it_is_read():
    root = everything()
    assert codes(root) == []
    assert survey(root) == []
    timed(root)
    assert codes(root) == []


# Taking one out ------------------------------------------------------------------------------------------------------

SAYS = {"Problem", "Stopped", "_problem", "_uncovered", "_add", "make"}  # what reports
TREE = ast.parse(inspect.getsource(structure))


def functions():
    for node in TREE.body:
        for one in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(one, ast.FunctionDef) and one.name not in SAYS:
                yield one


def called(node):
    names = (inner.func for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return [getattr(func, "id", None) or getattr(func, "attr", "") for func in names]


def reporting():
    """The functions that report something, themselves or through another."""
    known = set(SAYS)
    for _ in range(5):
        known |= {one.name for one in functions() if known.intersection(called(one))}
    return known


REPORTING = reporting()


def blocks(node):
    """Every list of statements, with the condition in front of it."""
    for name in ("body", "orelse", "handlers"):
        inner = getattr(node, name, None)
        if isinstance(inner, list) and inner:
            yield inner, node.test if isinstance(node, ast.If) and name == "body" else None, node
            for one in inner:
                yield from blocks(one)


def what(statement):
    """What a statement reports, in a word: its code, where it takes that from, or whom it asks."""
    for inner in ast.walk(statement):
        if isinstance(inner, ast.Constant) and str(inner.value).startswith("SIG-"):
            return inner.value
    for inner in ast.walk(statement):
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "rule":
            return f"rule.{inner.attr}"
        if isinstance(inner, ast.Name) and inner.id == "code":
            return "code"
    return next(name for name in called(statement) if name in REPORTING)


def out(block, index):
    """A statement replaced by nothing; where it makes a list, by the empty one."""
    old = block[index]
    match old:
        case ast.Assign() | ast.AnnAssign():
            old_value = old.value
            either = old_value.values if isinstance(old_value, ast.BoolOp) else []
            new = either[-1] if either else ast.List([], ast.Load())
            old.value = ast.copy_location(new, old_value)
            return lambda: setattr(old, "value", old_value)
        case _:
            block[index] = ast.copy_location(ast.Pass(), old)
            return lambda: block.__setitem__(index, old)


def half_out(node, operand):
    """A condition without one of its alternatives."""
    old = node.test
    rest = [one for one in old.values if one is not operand]
    node.test = rest[0] if len(rest) == 1 else ast.copy_location(ast.BoolOp(old.op, rest), old)
    return lambda: setattr(node, "test", old)


def checks():
    """Name of a check -> (its function, what takes it out of the tree and gives back what puts it in again)."""
    found = {}
    for function in functions():
        for block, test, node in blocks(function):
            for index, statement in enumerate(block):
                simple = isinstance(
                    statement, ast.Expr | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Raise | ast.Return
                )
                if not simple or not REPORTING.intersection(called(statement)):
                    continue
                if isinstance(statement, ast.Return) and not isinstance(statement.value, ast.List | ast.BinOp):
                    continue  # hands on what another gives
                name = f"{function.name}: {what(statement)}"
                number = next(n for n in range(1, 9) if (f"{name} ({n})" if n > 1 else name) not in found)
                name = f"{name} ({number})" if number > 1 else name
                found[name] = function, lambda block=block, index=index: out(block, index)
                refuses = isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or)
                if refuses and not isinstance(statement, ast.Assign):
                    for operand in test.values:
                        half = f"{name} | {ast.unparse(operand)}"
                        found[half] = function, lambda node=node, operand=operand: half_out(node, operand)
    return found


FOUND = checks()


class Without:
    """The module without one check."""

    def __init__(self, name):
        self.function, self.take = FOUND[name]

    def __enter__(self):
        put_back = self.take()
        try:
            made = compile(ast.fix_missing_locations(ast.Module([self.function], [])), "structure without", "exec")
        finally:
            put_back()
        code = next(one for one in made.co_consts if isinstance(one, CodeType))
        name = self.function.name
        self.running = getattr(structure, name, None) or getattr(structure._SignatureReader, name)
        self.code = self.running.__code__
        self.running.__code__ = code

    def __exit__(self, *_):
        self.running.__code__ = self.code


def spoiled(spoil):
    root = everything()
    return_ = spoil(root)
    return etree.fromstring(etree.tostring(root if return_ is None or return_ is root else return_))


def answer(root, door):
    """As codes(), and what breaks where a check is missing that the rest relies on."""
    try:
        return codes(root, door)
    except Exception as error:  # noqa: BLE001
        return [type(error).__name__]


def test_every_check_has_its_document():
    without_one = FOUND.keys() ^ {*CHECKS, *SURVEY, *IDLE}
    assert not without_one


@pytest.mark.parametrize(("name", "row"), CHECKS.items())
def test_every_check_is_the_one_that_stops_its_document(name, row):
    document = spoiled(row[0])
    assert codes(document) == row[1]
    with Without(name):
        assert answer(document, read_signature) != row[1]
    assert codes(document) == row[1]


@pytest.mark.parametrize(("name", "row"), SURVEY.items())
def test_every_check_of_a_survey_is_the_one_that_objects_to_its_document(name, row):
    document = spoiled(row[0])
    assert codes(document, survey) == row[1]
    with Without(name):
        assert answer(document, survey) != row[1]


@pytest.mark.parametrize("name", IDLE)
def test_what_is_said_to_be_idle_changes_no_answer(name):
    documents = [(spoiled(spoil), refused_with) for spoil, refused_with in CHECKS.values()]
    with Without(name):
        assert [one for one, refused_with in documents if codes(one) != refused_with] == []
        assert codes(everything()) == []


# What stands where ----------------------------------------------------------------------------------------------------

# Parent: its children in order; ? may be missing, a number is the most, ~ before the first: in any order. Written from the
# standards (XML-DSig, RFC 9231, EN 319 132-1) and threats section 4, to be compared with the table of the program.
PLACES = """
Signature: SignedInfo SignatureValue KeyInfo Object?
SignedInfo: CanonicalizationMethod SignatureMethod Reference?3
CanonicalizationMethod: InclusiveNamespaces?
SignatureMethod: RSAPSSParams?
RSAPSSParams: DigestMethod? MaskGenerationFunction? SaltLength? TrailerField?
MaskGenerationFunction: DigestMethod?
Reference: Transforms? DigestMethod DigestValue
Transforms: Transform2
Transform: InclusiveNamespaces?
KeyInfo: ~X509Data KeyName? KeyValue?
X509Data: ~X509Certificate X509SubjectName? X509IssuerSerial? X509SKI?
X509IssuerSerial: X509IssuerName X509SerialNumber
KeyValue: ~RSAKeyValue? ECKeyValue?
RSAKeyValue: Modulus Exponent
ECKeyValue: NamedCurve PublicKey
Object: QualifyingProperties
QualifyingProperties: SignedProperties UnsignedProperties?
SignedProperties: SignedSignatureProperties SignedDataObjectProperties?
SignedSignatureProperties: ~SigningTime? SigningCertificate? SigningCertificateV2? SignaturePolicyIdentifier?
 SignatureProductionPlace? SignatureProductionPlaceV2? SignerRole? SignerRoleV2?
SigningCertificate: Cert8
SigningCertificateV2: Cert8
Cert: CertDigest IssuerSerial? IssuerSerialV2?
CertDigest: DigestMethod DigestValue
IssuerSerial: X509IssuerName X509SerialNumber
SignedDataObjectProperties: DataObjectFormat?3 CommitmentTypeIndication?4
DataObjectFormat: Description? ObjectIdentifier? MimeType? Encoding?
UnsignedProperties: UnsignedSignatureProperties
UnsignedSignatureProperties: SignatureTimeStamp4
SignatureTimeStamp: CanonicalizationMethod? EncapsulatedTimeStamp
""".replace("\n ", " ")
FREE = "SignaturePolicyIdentifier SignatureProductionPlace SignatureProductionPlaceV2 SignerRole SignerRoleV2 ObjectIdentifier"
FREE = {*FREE.split(), "CommitmentTypeIndication"}  # signed remarks that are kept and not looked into
OCTETS = (
    "DigestValue SignatureValue X509Certificate X509SKI Modulus Exponent PublicKey IssuerSerialV2 EncapsulatedTimeStamp"
)
OCTETS = set(OCTETS.split())  # in base64
WORDS = "SaltLength TrailerField KeyName X509SubjectName X509IssuerName X509SerialNumber SigningTime Description MimeType Encoding"
WORDS = set(WORDS.split())  # any text
KEY = {"KeyInfo", "X509Data"}
FOREIGN = {  # the code for a child that may not stand there, where it is not SIG-006
    **dict.fromkeys([*KEY, "KeyValue", "ECKeyValue"], "SIG-042"),
    **dict.fromkeys(["UnsignedProperties", "UnsignedSignatureProperties", "SignatureTimeStamp"], "SIG-076"),
    "Transform": "SIG-024",
}
MISSING = {**dict.fromkeys(KEY, "SIG-040"), "UnsignedSignatureProperties": "SIG-076"}  # where it is not SIG-014
TOO_MANY = {
    **dict.fromkeys(KEY, "SIG-041"),
    "SignedInfo": "SIG-022",
    "Transforms": "SIG-025",
}  # where it is not SIG-006
GRAMMAR = {"SIG-006", "SIG-007", "SIG-008", "SIG-009", "SIG-014", "SIG-022", "SIG-024", "SIG-040", "SIG-041", "SIG-042"}


def places():
    """(parent, child) -> (least, most, in any order)."""
    found = {}
    for line in PLACES.split("\n"):
        parent, _, children = line.partition(": ")
        for word in children.removeprefix("~").split():
            name, optional, most = re.fullmatch(r"(.+?)(\??)(?<!V)([2348]?)", word).groups()
            found[parent, name] = 0 if optional else 1, int(most or 1), children.startswith("~")
    return found


WHERE = places()


def ecdsa():
    """Everything, with the other kind of key."""
    key = (
        '<dsig11:ECKeyValue Id="EC"><dsig11:NamedCurve URI="urn:oid:1.2.840.10045.3.1.7"/>'
        "<dsig11:PublicKey>BAEC</dsig11:PublicKey></dsig11:ECKeyValue>"
    )
    start, end = EVERYTHING.index("<ds:RSAKeyValue>"), EVERYTHING.index("</ds:KeyValue>")
    return etree.fromstring(EVERYTHING[:start] + key + EVERYTHING[end:])


def local(element):
    return etree.QName(element).localname


def each(make):
    """Every element of a signature but itself, each in a tree of its own; none from inside what nobody looks into."""
    for index, element in enumerate(the(make(), "Signature").iter()):
        new = make is everything or any(local(step) == "KeyValue" for step in element.iterancestors())
        if index and new and local(element.getparent()) not in FREE:
            root = make()
            yield root, list(the(root, "Signature").iter())[index]


MAKERS = pytest.mark.parametrize("make", [everything, ecdsa])


@MAKERS
def test_nothing_stands_where_it_is_not_listed(make):
    assert codes(make()) == []
    for root, element in each(make):
        etree.SubElement(element, f"{{{PHONG_BI}}}La")
        name = local(element)
        assert codes(root) == ([] if name in FREE else [FOREIGN.get(name, "SIG-006")]), name


@MAKERS
def test_every_attribute_that_is_not_listed_is_refused(make):
    for root, element in each(make):
        element.set("La", "1")
        assert codes(root) == ["SIG-007"], local(element)


@MAKERS
def test_text_stands_only_where_it_is_listed(make):
    for root, element in each(make):
        name = local(element)
        element.text = "la\u00a0"
        if name in OCTETS:
            assert codes(root) == ["SIG-009"], name
            for wrong in (" ", "AAA!A"):
                element.text = wrong
                assert codes(root) == ["SIG-009"], name
        elif name in WORDS | FREE:
            assert not GRAMMAR.intersection(codes(root)), name
        else:
            assert codes(root) == ["SIG-008"], name
            element.text = " \t\r\n"
            assert codes(root) == [], name


@MAKERS
def test_what_must_be_there_is_missed_and_what_may_be_there_is_not(make):
    for root, element in each(make):
        parent = element.getparent()
        least, _, _ = WHERE[local(parent), local(element)]
        alone = len(parent.findall(element.tag)) == 1
        parent.remove(element)
        found = codes(root)
        code = "SIG-040" if local(element) == "KeyInfo" else MISSING.get(local(parent), "SIG-014")
        if least and alone:
            assert found == [code], local(element)
        else:
            assert not GRAMMAR.intersection(found), (local(element), found)


@MAKERS
def test_one_more_than_the_most_is_refused(make):
    for root, element in each(make):
        parent, tag = element.getparent(), element.tag
        _, most, _ = WHERE[local(parent), local(element)]
        code = TOO_MANY.get(local(parent), "SIG-006")
        again = etree.fromstring(etree.tostring(element))
        again.tail = None
        for inner in again.iter():
            inner.attrib.pop("Id", None)
        while len(parent.findall(tag)) < most:
            element.addnext(etree.fromstring(etree.tostring(again)))
        grammar = list(structure._fit(the(root, "Signature"), structure._GRAMMAR[structure.SIGNATURE]))
        assert grammar == [], local(element)
        again.set("La", "1")  # what is one too many is not looked into
        parent.findall(tag)[-1].addnext(again)
        assert codes(root) == [code], local(element)


@MAKERS
def test_the_order_counts_where_the_standard_gives_one(make):
    for root, element in each(make):
        parent, before = element.getparent(), element.getprevious()
        if before is None or before.tag == element.tag:
            continue
        before.addprevious(element)
        in_any_order = WHERE[local(parent), local(element)][2]
        assert codes(root) == ([] if in_any_order else ["SIG-006"]), local(element)


# How much of it -------------------------------------------------------------------------------------------------------


def measured(root):
    """(characters, elements) of a signature, counted apart."""
    signature = the(root, "Signature")
    whole = [e.text or "" for e in signature.iter()] + [e.tail or "" for e in signature.iter()]
    return sum(map(len, [*whole, *(v for e in signature.iter() for v in e.values())])), len(list(signature.iter()))


def test_a_signature_may_be_as_long_as_the_limit_and_no_longer():
    assert (SIGNATURE_CHARS, SIGNATURE_ELEMENTS) == (32_768, 256)
    for more, found in ((0, []), (1, ["SIG-010"])):
        root = everything()
        the(root, "KeyName").text += "x" * (32_768 - measured(root)[0] + more)
        assert codes(root) == found
    for more, found in ((0, []), (1, ["SIG-010"])):
        root = everything()
        for _ in range(256 - measured(root)[1] + more):
            etree.SubElement(the(root, "SignerRole"), "La")
        assert codes(root) == found


def test_a_prefix_list_may_be_as_long_as_the_limit():
    root = everything()
    the(root, "InclusiveNamespaces").set("PrefixList", " ".join(f"p{n}" for n in range(64)))
    assert codes(root) == []


def test_not_every_fault_of_a_kind_is_told():
    root = everything()
    for _ in range(40):
        etree.SubElement(the(root, "ThanPhan"), f"{{{PHONG_BI}}}ThongDiep")
    assert codes(root) == ["SIG-015"] * MOST_PROBLEMS
    root = everything()
    for _ in range(40):
        etree.SubElement(the(root, "ThanPhan"), f"{{{PHONG_BI}}}La").set("id", "x")
    assert codes(root) == ["SIG-011", *["SIG-011", "SIG-012"] * 12]
    root = everything()
    for element in the(root, "Signature").iter():
        element.set("La", "1")
    assert codes(root) == ["SIG-007"] * MOST_PROBLEMS
    root = everything()
    for _ in range(6):
        second_signature(root)
    with pytest.raises(Stopped) as stop:
        read_signature(root)
    assert [(p.code, p.facts["count"]) for p in stop.value.problems] == [("SIG-003", 7)] * 3
    assert len({p.at.xpath for p in stop.value.problems}) == 3
    assert [p.facts["count"] for p in survey(root) if p.code == "SIG-003"] == [7] * 3


def test_only_a_doubt_about_what_is_covered_is_one():
    """A place where signatures are accepted, not demanded, tells coverage from other faults."""
    uncovered = {"SIG-004", "SIG-015", "SIG-020", "SIG-021", "SIG-022", "SIG-023"}
    for spoil, refused_with in CHECKS.values():
        with pytest.raises(Stopped) as stop:
            read_signature(spoiled(spoil))
        assert [p.code for p in stop.value.problems] == refused_with
        assert [isinstance(p, Uncovered) for p in stop.value.problems] == [code in uncovered for code in refused_with]
    for one_more, covered in (("CanonicalizationMethod", False), ("Transforms", True), ("KeyName", True)):
        root = everything()
        twice(one_more)(root)
        with pytest.raises(Stopped) as stop:
            read_signature(root)
        assert isinstance(stop.value.problems[0], Uncovered) is not covered, one_more


# What is read ---------------------------------------------------------------------------------------------------------


def test_everything_that_a_signature_says_is_read():
    root = everything()
    read = read_signature(root)
    assert (read.at, read.certificate_at, read.method_at) == (
        the(root, "Signature"),
        the(root, "X509Certificate"),
        the(root, "SignatureMethod"),
    )
    assert (read.certificate_der, read.signature_value) == (base64.b64decode("CCCC"), base64.b64decode("BBBB"))
    assert (read.method, read.family, read.bits) == (f"{DS_MORE_2007}rsa-pss", "pss", 384)
    assert (read.canonicalisation, read.transforms) == (EXC_C14N, (ENVELOPED, EXC_C14N))
    assert (read.digests, read.references) == ((SHA256,) * 3, 3)
    assert (read.envelope_reference, read.properties_reference, read.by_id) == (0, 1, False)
    assert read.key_value == ("rsa", "cb01", "010001")
    assert read.inherited == (
        ("{http://www.w3.org/XML/1998/namespace}lang", "vi"),
        ("{http://www.w3.org/XML/1998/namespace}space", "preserve"),
    )
    said = read.properties
    assert (said.id, said.at, said.signing_time_at) == ("P", the(root, "SignedProperties"), the(root, "SigningTime"))
    assert read.signing_time == said.signing_time == datetime(2026, 11, 24, 3, 59, 0, 250_000, tzinfo=UTC)
    assert said.certificate_digests == ((SHA256, b"\0\0\0"),) * 2
    assert said.policy is True
    (stamp,) = read.timestamps
    assert (stamp.token, stamp.canonicalisation, stamp.prefixes, stamp.at) == (
        base64.b64decode("DDDD"),
        EXC_C14N,
        ("ds",),
        the(root, "SignatureTimeStamp"),
    )


def test_what_a_signature_leaves_out_is_nothing():
    root = everything()
    for name in ("lang", "space"):
        del root.attrib[f"{{http://www.w3.org/XML/1998/namespace}}{name}"]
    for name in ("RSAPSSParams", "KeyValue", "SignaturePolicyIdentifier"):
        gone(name)(root)
    the(root, "SignatureTimeStamp").remove(the(root, "CanonicalizationMethod", 1))
    put("Reference", "URI", "#goc")(root)
    read = read_signature(root)
    assert (read.inherited, read.key_value, read.properties.policy, read.by_id) == ((), None, False, True)
    assert read.bits == 256, "RSASSA-PSS without parameters is SHA-256"
    assert [(stamp.canonicalisation, stamp.prefixes) for stamp in read.timestamps] == [(C14N_10, ())]
    gone("Object")(root)
    for _ in range(2):
        gone("Reference", 1)(root)
    read = read_signature(root)
    assert (read.properties, read.properties_reference, read.timestamps, read.references) == (None, None, (), 1)
    assert (read.claim, read.claim_reference, read.signing_time) == (None, None, None)


def test_the_time_in_a_signed_property_is_vietnams_where_it_names_no_zone():
    root = everything()
    timed(root)
    read = read_signature(root)
    assert (read.properties, read.properties_reference, read.claim_reference, read.references) == (None, None, 1, 2)
    assert (read.claim.ids, read.claim.signing_time_at) == ({"O", "TS", "TP"}, the(root, "SigningTime"))
    assert read.signing_time == read.claim.signing_time == datetime(2026, 11, 24, 3, 59, 3, tzinfo=UTC)
    text("SigningTime", " 2026-11-24T10:59:03Z ")(root)
    assert read_signature(root).signing_time == datetime(2026, 11, 24, 10, 59, 3, tzinfo=UTC)
    for name in ("O", "TS", "TP"):
        put("Reference", "URI", f"#{name}", 1)(root)
        assert codes(root) == []


def test_a_reference_to_that_time_may_say_what_it_is_and_no_other_may():
    root = everything()
    timed(root)
    for kind, found in [*((f"{DS}{name}", []) for name in ("SignatureProperties", "SignatureProperty", "Object")),
                        ("", []), ("urn:x", ["SIG-007"])]:  # fmt: skip
        put("Reference", "Type", kind, 1)(root)
        assert codes(root) == found, kind
    without("Reference", "Type", 1)(root)
    for kind, found in (("", []), (f"{DS}Object", ["SIG-007"])):
        put("Reference", "Type", kind, 0)(root)
        assert codes(root) == found, kind


def test_the_other_kind_of_key_is_read():
    assert read_signature(ecdsa()).key_value == ("ec", "urn:oid:1.2.840.10045.3.1.7", "040102")


@pytest.mark.parametrize("at", [0, 1])
def test_two_values_of_a_key_are_one_too_many_in_whatever_order(at):
    root = everything()
    the(root, "KeyValue").insert(at, the(ecdsa(), "ECKeyValue"))
    assert codes(root) == ["SIG-043"]


def test_what_a_time_stamp_is_over_decides_about_its_prefixes():
    """``#default`` is lost only where the SignatureValue stands in the scope of a default namespace."""
    stamped = EVERYTHING.replace('PrefixList="ds"', 'PrefixList="#default"')
    elsewhere = etree.fromstring(stamped.replace('<ds:KeyInfo Id="K">', '<ds:KeyInfo xmlns="urn:x" Id="K">'))
    assert codes(elsewhere) == []
    around = etree.fromstring(stamped.replace('<ds:SignatureValue Id="V">', '<ds:SignatureValue xmlns="urn:x" Id="V">'))
    assert codes(around) == ["SIG-027"]


def test_an_encoding_need_not_be_named():
    root = everything()
    without("EncapsulatedTimeStamp", "Encoding")(root)
    assert codes(root) == []


@pytest.mark.parametrize("digest", [SHA256, SHA384])
def test_parameters_of_a_signature_may_be_left_out_where_they_have_one_meaning(digest):
    """The hash of the mask is that of the message, the salt as long as it, the trailer 1 (RFC 9231 2.3.9)."""
    root = everything()
    put("DigestMethod", "Algorithm", digest)(root)
    for name in ("SaltLength", "TrailerField", "MaskGenerationFunction"):
        gone(name)(root)
    assert read_signature(root).bits == int(digest[-3:])


def test_where_nothing_is_referred_to_it_is_the_envelope_that_is_missed():
    root = everything()
    gone("Object")(root)
    for _ in range(3):
        gone("Reference")(root)
    assert codes(root) == ["SIG-020"]


def test_a_foreign_reference_is_not_excused_by_another_fault():
    root = everything()
    gone("SigningTime")(root)
    put("Reference", "URI", "#V", 2)(root)
    assert codes(root) == ["SIG-073", "SIG-021"]
    root = everything()
    gone("Object")(root)
    gone("Reference", 2)(root)
    assert codes(root) == ["SIG-021"], "nothing is wrong with the properties; there are none"


def test_a_missing_time_is_missed_in_its_place_and_a_wrong_one_in_its_own():
    for spoil, place in ((gone("SigningTime"), "SignedSignatureProperties"), (text("SigningTime", "x"), "SigningTime")):
        with pytest.raises(Stopped) as stop:
            read_signature(spoiled(all_of(gone("Reference", 2), spoil)))
        (problem,) = stop.value.problems
        assert (problem.code, place in problem.at.xpath.split("/")[-1]) == ("SIG-073", True)


@pytest.mark.parametrize(
    ("said", "utc"),
    [
        ("2026-11-24T10:59:03+07:00", (24, 3, 59, 3, 0)),
        (" \t2026-11-24T03:59:03Z\r\n", (24, 3, 59, 3, 0)),
        ("2026-11-23T22:29:03-05:30", (24, 3, 59, 3, 0)),
        ("2026-11-24T03:59:03.5Z", (24, 3, 59, 3, 500_000)),
        ("2026-11-24T03:59:03.1234567Z", (24, 3, 59, 3, 123_456)),
        ("2026-11-24T03:59:03.000001Z", (24, 3, 59, 3, 1)),
    ],
)
def test_an_instant_is_read_with_its_zone(said, utc):
    found = instant_of(said)
    assert found == datetime(2026, 11, *utc, tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "said",
    [None, "", "2026-11-24", "2026-11-24T03:59:03", "2026-11-24T24:00:00Z", "12026-11-24T03:59:03Z", "2026-02-30T00:00:00Z",
     "2026-11-24T03:59:03.Z", "2026-11-24 03:59:03Z", "\u00a02026-11-24T03:59:03Z", "0001-01-01T00:00:00+07:00",
     "2026-11-24T03:59:03+24:00", "٢٠٢٦-11-24T03:59:03Z"],
)  # fmt: skip
def test_what_is_no_instant_is_none(said):
    assert instant_of(said) is None


def facts(root):
    with pytest.raises(Stopped) as stop:
        read_signature(root)
    return [dict(problem.facts) for problem in stop.value.problems]


def test_names_are_told_with_their_usual_prefix_and_in_part():
    root = everything()
    names = [f"{{{XADES}}}La", "{urn:khac}La", "La", f"{{{XADES}}}" + "x" * 80, "x" * 80, f"{{{PHONG_BI}}}La"]
    for name in names:
        etree.SubElement(the(root, "Signature"), name)
    told = [one["element"] for one in facts(root)]
    assert told == ["xades:La", "La", "La", "xades:" + "x" * 58, "x" * 64, "lt:La"]


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("urn:a", "urn:a"),
        ("a b\u00e9~!\x7f", "a?b?~!?"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 119 + "…"),
        ("x" * 400, "x" * 119 + "…"),
    ],
)
def test_algorithms_are_told_in_printable_letters_and_in_part(uri, told):
    root = everything()
    put("SignatureMethod", "Algorithm", uri)(root)
    assert facts(root) == [{"algorithm": told}]


def test_a_survey_names_every_kind_of_algorithm_that_is_not_listed():
    root = everything()
    put("Signature", "La", "1")(root)
    for name in ("CanonicalizationMethod", "SignatureMethod", "DigestMethod"):
        put(name, "Algorithm", "urn:x", 0)(root)
    assert codes(root, survey) == ["SIG-007", "SIG-030", "SIG-031", "SIG-026"]
