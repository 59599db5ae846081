"""Forms of the field: what a standard allows is accepted, and a wrong form is told as one, with its lengths."""

import base64

import paper
import pytest
from attacks import Seed
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree
from paper import HS05, NOW, signed, world

from gateway.core.problems import Lang, Stopped

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
