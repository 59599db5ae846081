"""Forms of the field: what a standard allows is accepted, and a wrong form is told as one, with its lengths."""

import base64
import hashlib
from datetime import UTC, datetime

import paper
import pytest
from attacks import Seed
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree
from paper import HS05, NOW, signed, world

from gateway.core.parties import SignaturePolicy
from gateway.core.problems import Lang, Stopped
from signing.engine import canonical
from signing.uris import SHA256

DS = "{http://www.w3.org/2000/09/xmldsig#}"
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"


def seed(signer="so-tu-phap"):
    return Seed(signed(HS05, signer), paper.key(signer), paper.key("unregistered"), "http://127.0.0.1:9/")


@pytest.mark.parametrize("fraction", [".1", ".123456789", ".112129612345", "." + "7" * 40])
def test_a_signing_time_may_have_any_number_of_fraction_digits(fraction):
    one = seed()
    root = one.tree()
    next(root.iter(f"{XADES}SigningTime")).text = f"2026-11-24T03:59:03{fraction}Z"
    assert world().codes(one.again(root)) == []


def test_a_signed_certificate_may_say_where_it_is_to_be_had():
    one = seed()
    root = one.tree()
    next(root.iter(f"{XADES}Cert")).set("URI", "http://ca.invalid/x.cer")
    assert world().codes(one.again(root)) == []


# Vietnam's e-invoices --------------------------------------------------------------------------------------------------

EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
INC = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
SPACES = ("http://example.org/#signatureProperties", "http://example.org/signatureProperties", "", DS[1:-1])
TIME = "2026-11-24T10:59:00"


def e_invoice(
    names="Object",
    time=TIME,
    space=SPACES[0],
    target="#S1",
    c14n=EXC,
    kind="",
    signed_time=True,
    more="",
    also="",
    signer="so-tu-phap",
):
    """HS05 with the signature of an e-invoice: the envelope, and beside it the time in SignatureProperties, both signed."""
    key = paper.key(signer)
    root = etree.fromstring(HS05)
    ids = {name: f' Id="T-{name}"' for name in ("Object", "SignatureProperties", "SignatureProperty")}
    transform = f'<Transform Algorithm="{c14n}"/>'

    def reference(uri, transforms, kind=""):
        return (
            f'<Reference URI="{uri}"{kind}><Transforms>{transforms}</Transforms>'
            f'<DigestMethod Algorithm="{SHA256}"/><DigestValue>AA==</DigestValue></Reference>'
        )

    enveloped = '<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
    parts = reference("", enveloped + transform)
    parts += reference(f"#T-{names}", transform, kind and f' Type="{kind}"') if signed_time else ""
    method = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    certificate = base64.b64encode(key.certificate.der).decode()
    own = f' xmlns="{space}"' if space != DS[1:-1] else ""
    text = (
        f'<Signature xmlns="{DS[1:-1]}" Id="S1"><SignedInfo><CanonicalizationMethod Algorithm="{c14n}"/>'
        f'<SignatureMethod Algorithm="{method}"/>{parts}</SignedInfo><SignatureValue>AA==</SignatureValue>'
        f"<KeyInfo><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo>"
        f"<Object{ids['Object']}><SignatureProperties{ids['SignatureProperties']}><SignatureProperty"
        f'{ids["SignatureProperty"]} Target="{target}"><SigningTime{own}>{time}</SigningTime>{more}</SignatureProperty>'
        f"</SignatureProperties>{also}</Object></Signature>"
    )
    envelope = canonical(root, c14n)
    root.append(etree.fromstring(text))
    root = etree.fromstring(etree.tostring(root))
    signature = root[-1]
    holder = next((e for e in signature.iter() if e.get("Id") == f"T-{names}"), None)
    for value, octets in zip(
        signature.iter(f"{DS}DigestValue"), (envelope, canonical(holder, c14n)), strict=signed_time
    ):
        value.text = base64.b64encode(hashlib.sha256(octets).digest()).decode()
    info = canonical(signature[0], c14n)
    signature[1].text = base64.b64encode(key.raw(info, "rsa", 256)).decode()
    return etree.tostring(root)


@pytest.mark.parametrize("names", ["Object", "SignatureProperties", "SignatureProperty"])
@pytest.mark.parametrize(
    "options",
    [
        *({"space": space} for space in SPACES),
        {"c14n": INC},
        {"time": "2026-11-24T03:59:00Z"},
        {"time": "2026-11-24T10:59:00.1234567+07:00"},
        {"kind": "http://www.w3.org/2000/09/xmldsig#SignatureProperties"},
    ],
    ids=str,
)
def test_the_signature_of_an_e_invoice_is_xml_dsig_with_a_claimed_time(names, options):
    attested = world().judge(e_invoice(names, **options), NOW)
    assert attested.signer.signed_at.replace(microsecond=0) == datetime(2026, 11, 24, 3, 59, tzinfo=UTC)
    facts = attested.verdict["facts"]
    assert (facts["form"], facts["references"]) == ("xmldsig", 2)
    assert facts["signing_time"].startswith("2026-11-24T03:59:00")


def test_an_e_invoices_signature_is_no_xades():
    assert world(policy=SignaturePolicy(xades=True)).codes(e_invoice()) == ["SIG-077"]


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ({"signed_time": False}, ["SIG-016"]),
        ({"target": "#S2"}, ["SIG-072"]),
        ({"target": ""}, ["SIG-072"]),
        ({"time": "24/11/2026 10:59"}, ["SIG-073"]),
        ({"time": "2027-01-01T00:00:00"}, ["SIG-074"]),
        ({"time": "2001-01-01T00:00:00"}, ["SIG-075"]),
        ({"more": "<SigningTime>2026-11-24T10:59:00</SigningTime>"}, ["SIG-006"]),
        ({"more": "<Khac>x</Khac>"}, ["SIG-006"]),
        ({"also": "<SignatureProperties/>"}, ["SIG-006"]),
        ({"also": f'<xades:QualifyingProperties xmlns:xades="{XADES[1:-1]}" Target="#S1"/>'}, ["SIG-006", "SIG-014"]),
        ({"kind": "http://uri.etsi.org/01903#SignedProperties"}, ["SIG-007"]),
    ],
    ids=str,
)
def test_what_is_wrong_with_the_time_beside_xml_dsig_has_its_own_sentence(options, codes):
    assert sorted(set(world().codes(e_invoice(**options)))) == codes


def changed(old, new):
    body = e_invoice()
    assert body.count(old) == 1
    return body.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "codes"),
    [
        (TIME.encode() + b"<", b"2026-11-24T10:58:00<", ["SIG-001"]),
        (b"<Object", b'<Object xml:lang="vi"', ["SIG-007"]),
        (b'Id="T-SignatureProperties"', b'Id="T-Object"', ["SIG-012"]),
        (b"<SigningTime ", b"<SigningTime x='1' ", ["SIG-007"]),
        (b"10:59:00<", b"10:59:00<x/><", ["SIG-006"]),
    ],
)
def test_nothing_of_the_claimed_time_can_be_changed_or_wrapped(old, new, codes):
    assert sorted(set(world().codes(changed(old, new)))) == codes


def test_an_object_that_holds_neither_is_told_what_may_stand_in_it():
    body = e_invoice()
    start, end = body.index(b"<SignatureProperties"), body.index(b"</SignatureProperties>") + 22
    with pytest.raises(Stopped) as stop:
        world().judge(body[:start] + body[end:], NOW)
    (problem,) = stop.value.problems
    assert problem.code == "SIG-014"
    assert "ds:SignatureProperties" in problem.message(Lang.VI)


def halves(value):
    return value[: len(value) // 2], value[len(value) // 2 :]


FORMS = {
    "DER": lambda v: encode_dss_signature(*(int.from_bytes(half, "big") for half in halves(v))),
    "an extra zero before each": lambda v: b"".join(b"\0" + half for half in halves(v)),
    "a half shortened": lambda v: v[1:],
    "both halves shortened": lambda v: halves(v)[0][1:] + halves(v)[1][1:],
}


@pytest.mark.parametrize("signer", ["cong-dvc", "ubnd-xa-thu-nghiem", "so-xay-dung"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_ecdsa_value_of_a_wrong_form_is_told_with_the_lengths(form, signer):
    assert told(signer, form) == {"cong-dvc": 64, "ubnd-xa-thu-nghiem": 96, "so-xay-dung": 132}[signer]


@pytest.mark.parametrize(
    "form", [lambda v: v[1:], lambda v: b"\0" + v, lambda v: v + v], ids=["short", "padded", "twice"]
)
def test_an_rsa_value_is_as_long_as_its_modulus(form):
    assert told("so-tu-phap", form) == 256


def told(signer, form):
    root = etree.fromstring(signed(HS05, signer))
    value = next(root.iter(f"{DS}SignatureValue"))
    made = form(base64.b64decode(value.text))
    value.text = base64.b64encode(made).decode()
    with pytest.raises(Stopped) as stop:
        world(signer).judge(etree.tostring(root), NOW)
    (problem,) = stop.value.problems
    assert (problem.code, problem.facts["found"]) == ("SIG-038", len(made))
    assert f"{len(made)} byte" in problem.message(Lang.VI)
    return problem.facts["expected"]
