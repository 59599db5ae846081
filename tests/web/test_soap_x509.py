"""WS-Security X.509: a signature over the Body, made by xmlsec1, proves the party; every way round it is refused."""

import base64
import os
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import mail
import pki
import pytest
from lxml import etree
from patience import PATIENCE_S
from test_soap import NS, S11, S12, WSSE, WSU, b64, call, fault, operation, records

from signing.trust import TrustView

needs_xmlsec1 = pytest.mark.skipif(
    not shutil.which("xmlsec1") and not os.environ.get("CI"), reason="xmlsec1 is not installed"
)
pytestmark = needs_xmlsec1

EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
RSA, ECDSA = "rsa-sha256", "ecdsa-sha256"


def stamp(minutes):
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def template(
    inner,
    who,
    *,
    version=S11,
    ids=("B1", "T1"),
    method=None,
    digest="http://www.w3.org/2001/04/xmlenc#sha256",
    created=-1,
    expires=4,
    extra="",
):
    signer = pki.signer(who)
    family = method or (RSA if "RSA" in type(signer.key).__name__ else ECDSA)
    references = "".join(
        f'<ds:Reference URI="#{i}"><ds:Transforms><ds:Transform Algorithm="{EXC}"/></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue/></ds:Reference>'
        for i in ids
    )
    return (
        f'<s:Envelope xmlns:s="{version}" xmlns:u="{WSU}"><s:Header><w:Security xmlns:w="{WSSE}" s:mustUnderstand="1">'
        f'<u:Timestamp u:Id="T1"><u:Created>{stamp(created)}</u:Created><u:Expires>{stamp(expires)}</u:Expires></u:Timestamp>'
        f'<w:BinarySecurityToken u:Id="X1" EncodingType="{OASIS}soap-message-security-1.0#Base64Binary" '
        f'ValueType="{OASIS}x509-token-profile-1.0#X509v3">{base64.b64encode(signer.der).decode()}</w:BinarySecurityToken>'
        f'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{EXC}"/>'
        f'<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#{family}"/>{references}</ds:SignedInfo>'
        "<ds:SignatureValue/><ds:KeyInfo><w:SecurityTokenReference>"
        '<w:Reference URI="#X1"/></w:SecurityTokenReference></ds:KeyInfo></ds:Signature>'
        f'{extra}</w:Security></s:Header><s:Body u:Id="B1">{inner}</s:Body></s:Envelope>'
    )


def signed(tmp_path, inner, who="ubnd-xa-thu-nghiem", **options):
    version = options.get("version", S11)
    source, target = tmp_path / "in.xml", tmp_path / "out.xml"
    source.write_text(template(inner, who, **options), "utf-8")
    names = [f"{version}:Body", f"{WSU}:Timestamp", f"{WSSE}:BinarySecurityToken"]
    command = ["xmlsec1", "--sign", "--privkey-pem", str(pki.signer(who).key_pem)]
    for name in names:
        command += ["--id-attr:Id", name]
    subprocess.run(
        [*command, "--output", str(target), str(source)], check=True, capture_output=True, timeout=PATIENCE_S
    )
    return target.read_bytes()


ASK = operation("LayCapNhat", Sau="0")


@pytest.mark.parametrize("who", ["ubnd-xa-thu-nghiem", "cong-dvc", "so-tu-phap"])
@pytest.mark.parametrize("version", [S11, S12])
def test_a_registered_certificate_over_body_and_timestamp_is_the_party(door, tmp_path, who, version):
    answer = call(door, signed(tmp_path, ASK, who, version=version), by=None, version=version)
    assert answer.status == 200, answer
    assert etree.fromstring(answer.body).findtext(f".//{{{NS}}}MoiNhat") == "0"


def test_a_message_is_sent_under_a_body_signature(door, tmp_path):
    message = mail.nop()
    answer = call(door, signed(tmp_path, operation("GuiThongDiep", NoiDung=b64(message)), "cong-dvc"), by=None)
    assert answer.status == 200, answer
    (record,) = records(door)
    assert (record.party, record.caller_by, record.state) == ("cong-dvc", "x509", "accepted")


def test_signature_and_token_must_be_of_one_party(door, tmp_path):
    body = signed(tmp_path, ASK)
    assert call(door, body, by="ubnd-xa-thu-nghiem").status == 200
    assert fault(call(door, body, by="cong-dvc"))[1] == ["AUT-104"]


CHANGES = {
    "another body": (lambda b: b.replace(b"<Sau>0<", b"<Sau>1<"), "SIG-001"),
    "another time": (lambda b: re.sub(rb"(<u:Expires>20)\d\d", rb"\g<1>99", b), "SIG-001"),
    "another value": (lambda b: re.sub(rb"(SignatureValue>)[^<]{8}", rb"\1AAAAAAAA", b), "SIG-001"),
    "no value": (lambda b: re.sub(rb"(<ds:SignatureValue>)[^<]*", rb"\1", b), "SIG-001"),
    "another digest": (lambda b: re.sub(rb"(DigestValue>)[^<]{8}", rb"\1AAAAAAAA", b, count=1), "SIG-001"),
    "the body moved away": (
        lambda b: b.replace(b"<s:Body u:Id", b"<s:Body><x/></s:Body><y><s:Body u:Id", 1).replace(
            b"</s:Envelope>", b"</y></s:Envelope>"
        ),
        None,
    ),
    "the body's id on another": (lambda b: b.replace(b'<s:Body u:Id="B1"', b'<s:Body Id="B1" u:Id="B1"'), "SYS-139"),
    "a second id in the body": (lambda b: b.replace(b"<LayCapNhat ", b'<LayCapNhat ID="B1" '), "SYS-139"),
    "an xml:id": (lambda b: b.replace(b"<LayCapNhat ", b'<LayCapNhat xml:id="B1" '), None),
    "two signatures": (
        lambda b: re.sub(rb"(<ds:Signature .*</ds:Signature>)", rb"\1\1", b, flags=re.DOTALL),
        "SYS-139",
    ),
    "an object": (lambda b: b.replace(b"</ds:Signature>", b"<ds:Object/></ds:Signature>"), "SYS-139"),
    "another transform": (
        lambda b: b.replace(
            b'<ds:Transform Algorithm="' + EXC.encode(),
            b'<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116',
            1,
        ),
        "SYS-139",
    ),
    "a foreign reference": (lambda b: b.replace(b'URI="#B1"', b'URI="http://evil.example/"'), "SYS-139"),
    "an empty reference": (lambda b: b.replace(b'URI="#B1"', b'URI=""'), "SYS-139"),
    "sha-1": (
        lambda b: b.replace(b"http://www.w3.org/2001/04/xmlenc#sha256", b"http://www.w3.org/2000/09/xmldsig#sha1"),
        "SYS-139",
    ),
    "hmac": (lambda b: re.sub(rb"xmldsig-more#(rsa|ecdsa)-sha256", b"xmldsig-more#hmac-sha256", b), "SYS-139"),
    "another token": (
        lambda b: re.sub(rb"(X509v3\">)[^<]*", rb"\1" + base64.b64encode(pki.signer("so-xay-dung").der), b),
        "SIG-001",
    ),
    "an unregistered token": (
        lambda b: re.sub(rb"(X509v3\">)[^<]*", rb"\1" + base64.b64encode(pki.signer("unregistered").der), b),
        "AUT-101",
    ),
    "no token": (
        lambda b: re.sub(rb"<w:BinarySecurityToken.*</w:BinarySecurityToken>", b"", b, flags=re.DOTALL),
        "AUT-101",
    ),
    "no signature": (lambda b: re.sub(rb"<ds:Signature .*</ds:Signature>", b"", b, flags=re.DOTALL), "AUT-101"),
    "a doctype": (lambda b: b"<!DOCTYPE x>" + b.partition(b"?>")[2].lstrip(), None),
    "a comment in the body": (lambda b: b.replace(b"</LayCapNhat>", b"<!-- x --></LayCapNhat>"), None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_refused(door, tmp_path, name):
    change, code = CHANGES[name]
    body = signed(tmp_path, ASK)
    changed = change(body)
    assert changed != body
    answer = call(door, changed, by=None)
    assert answer.status == 500
    assert b"TraLoi" not in answer.body
    if code is not None:
        assert fault(answer)[1] == [code]


@pytest.mark.parametrize("ids", [("B1",), ("T1",), ("X1", "T1"), ("B1", "B1", "T1")])
def test_body_and_timestamp_must_both_be_covered_once(door, tmp_path, ids):
    answer = call(door, signed(tmp_path, ASK, ids=ids), by=None)
    assert fault(answer)[1] == ["SYS-139"]


def test_more_may_be_covered(door, tmp_path):
    assert call(door, signed(tmp_path, ASK, ids=("B1", "T1", "X1")), by=None).status == 200


@pytest.mark.parametrize("times", [{"created": -60, "expires": -30}, {"created": 30, "expires": 40}])
def test_a_captured_request_is_over_with_its_timestamp(door, tmp_path, times):
    assert fault(call(door, signed(tmp_path, ASK, **times), by=None))[1] == ["SYS-141"]


@pytest.mark.parametrize("who", ["expired", "rsa-1024"])
def test_certificates_that_may_not_sign_are_refused(door, tmp_path, who):
    answer = call(door, signed(tmp_path, ASK, who), by=None)
    assert answer.status == 500
    assert all(code.startswith("SIG-") for code in fault(answer)[1])


def test_a_certificate_of_unknown_status_is_no_proof(door, tmp_path):
    known = door.gate.trust
    door.app.door.take_over(replace(door.gate, trust=TrustView.build(door.gate.parties, known.trees.values(), ())))
    answer = call(door, signed(tmp_path, ASK), by=None)
    assert (answer.status, fault(answer)[1]) == (500, ["SIG-062"])
