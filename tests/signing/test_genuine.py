"""Honest signatures of the field, made by other programs while the tests run; and ours, read by those programs."""

import itertools
import os

import genuine
import paper
import pytest
from genuine import Job
from paper import HS05, NOW, signed, world

from signing.sign import Variant, sign, variants
from signing.uris import C14N_10, C14N_11, DS_MORE, DS_MORE_2007, EXC_C14N, SHA256, SHA384, SHA512

# Of all combinations every fifth still has each of every choice; all of them: make attacks.
EACH = 1 if os.environ.get("LIENTHONG_ALL_ATTACKS") else 5
CANONICALISATIONS = (EXC_C14N, C14N_10, C14N_11)
SIGNERS = {"so-tu-phap": "RSA-2048", "cong-dvc": "P-256", "ubnd-xa-thu-nghiem": "P-384", "so-xay-dung": "P-521"}
LANG = HS05.replace(b'phongbi/1.0">', b'phongbi/1.0" xml:lang="vi">')
NILLED = HS05.replace(b'phongbi/1.0">', b'phongbi/1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">').replace(
    b"<hs:TrangThai>", b'<hs:NgayBatDau xsi:nil="true" LyDoTrong="KHONG_CO"/><hs:TrangThai>'
)
BOTH = NILLED.replace(b'phongbi/1.0"', b'phongbi/1.0" xml:lang="vi"')


@pytest.fixture(scope="module")
def there():
    return world(*SIGNERS)


def test_all_48_documents_of_the_jdk_are_accepted(there):
    """Three canonicalisations, whole or by Id, named or implied transform, with xml:lang, with a nilled element."""
    jobs = [
        Job(body=body, signer="so-tu-phap", c14n=c14n, by_id=by_id, named=named)
        for c14n, by_id, named, body in itertools.product(
            CANONICALISATIONS, (False, True), (False, True), (HS05, LANG, NILLED, BOTH)
        )
    ]
    assert len(jobs) == 48
    refused = [job for job, body in zip(jobs, genuine.signed_by_jdk(jobs), strict=True) if there.codes(body)]
    assert refused == []


def test_every_algorithm_of_the_jdk_is_accepted(there):
    methods = [
        *(("so-tu-phap", f"{DS_MORE}rsa-sha{bits}", digest, "-") for bits, digest in BITS),
        *(("so-tu-phap", f"{DS_MORE_2007}sha{bits}-rsa-MGF1", digest, "keyvalue") for bits, digest in BITS),
        *(("so-tu-phap", f"{DS_MORE_2007}rsa-pss", digest, "-") for _, digest in BITS),
        ("so-tu-phap", f"{DS_MORE_2007}rsa-pss", SHA256, "pss-defaults keyvalue"),
        *(("cong-dvc", f"{DS_MORE}ecdsa-sha{bits}", digest, "keyvalue") for bits, digest in BITS),
        ("ubnd-xa-thu-nghiem", f"{DS_MORE}ecdsa-sha384", SHA384, "keyvalue"),
        ("ubnd-xa-thu-nghiem", f"{DS_MORE}ecdsa-sha512", SHA512, "-"),
        ("so-xay-dung", f"{DS_MORE}ecdsa-sha512", SHA512, "keyvalue"),
    ]
    jobs = [Job(body=LANG, signer=s, method=m, digest=d, extra=e) for s, m, d, e in methods]
    answers = [there.codes(body) for body in genuine.signed_by_jdk(jobs)]
    assert [(m, a) for (_, m, _, _), a in zip(methods, answers, strict=True) if a] == []


BITS = ((256, SHA256), (384, SHA384), (512, SHA512))


def test_names_serials_and_key_values_beside_the_certificate_do_no_harm(there):
    jobs = [
        Job(body=HS05, signer="so-tu-phap", extra=extra)
        for extra in ("names", "keyname", "keyvalue", "names keyname keyvalue")
    ]
    assert [there.codes(body) for body in genuine.signed_by_jdk(jobs)] == [[], [], [], []]


def test_xades_made_with_the_jdk_is_accepted(there):
    """As a library over javax.xml.crypto writes it: two references or three, SigningCertificate old or new."""
    jobs = [
        Job(body=body, signer=signer, method=method, c14n=c14n, by_id=by_id, prefix=prefix, form=form, extra=extra)
        for (signer, method), c14n, by_id, prefix, form, extra, body in itertools.product(
            (("so-tu-phap", f"{DS_MORE}rsa-sha256"), ("cong-dvc", f"{DS_MORE}ecdsa-sha256")),
            CANONICALISATIONS,
            (False, True),
            ("", "ds"),
            ("xades", "xades-3"),
            ("-", "v1"),
            (HS05, LANG),
        )
    ]
    jobs = jobs[::EACH]
    jobs += [Job(body=LANG, signer="so-tu-phap", c14n=c14n, named=False, form="xades") for c14n in CANONICALISATIONS]
    answers = [there.codes(body) for body in genuine.signed_by_jdk(jobs)]
    assert [(job, answer) for job, answer in zip(jobs, answers, strict=True) if answer] == []


@pytest.mark.parametrize("lines", [False, True], ids=["one line", "many lines"])
@pytest.mark.parametrize("prefix", ["", "dsig"])
@pytest.mark.parametrize("by_id", [False, True], ids=["whole", "by Id"])
@pytest.mark.parametrize("c14n", CANONICALISATIONS, ids=["exclusive", "inclusive 1.0", "inclusive 1.1"])
def test_signatures_of_xmlsec1_are_accepted(there, c14n, by_id, prefix, lines):
    for signer, method in (("so-tu-phap", "rsa-sha256"), ("cong-dvc", "ecdsa-sha256")):
        job = Job(body=LANG, signer=signer, method=f"{DS_MORE}{method}", c14n=c14n, by_id=by_id, prefix=prefix)
        assert there.codes(genuine.signed_by_xmlsec1(job, lines=lines)) == []


@pytest.mark.parametrize("prefixes", ["lt", "hs none #default"])
@pytest.mark.parametrize("prefix", ["", "dsig"])
def test_a_prefix_list_is_followed_in_both_places(there, prefix, prefixes):
    body = genuine.signed_by_xmlsec1(
        Job(body=HS05, signer="so-tu-phap", c14n=EXC_C14N, prefix=prefix, prefixes=prefixes)
    )
    assert there.codes(body) == []


def test_a_prefix_list_with_a_default_namespace_that_lxml_would_drop_is_refused_by_name(there):
    body = HS05.replace(b"<lt:ThongDiep ", b'<lt:ThongDiep xmlns="urn:x" ')
    signed = genuine.signed_by_xmlsec1(
        Job(body=body, signer="so-tu-phap", c14n=EXC_C14N, prefix="dsig", prefixes="lt #default")
    )
    assert there.codes(signed) == ["SIG-027", "SIG-027"]


@pytest.mark.parametrize("by_id", [False, True], ids=["whole", "by Id"])
@pytest.mark.parametrize(("bits", "digest"), BITS)
def test_the_shape_of_dotnet_signedxml_is_accepted(there, bits, digest, by_id):
    """No prefix, inclusive C14N 1.0, enveloped-signature alone, KeyValue beside X509Data; xmlsec1 fills it in."""
    job = Job(body=HS05, signer="so-tu-phap", method=f"{DS_MORE}rsa-sha{bits}", digest=digest, by_id=by_id, named=False)
    body = genuine.signed_by_xmlsec1(job, key_value=True)
    assert b"<KeyValue>" in body
    assert there.codes(body) == []


def test_signatures_of_node_xml_crypto_are_accepted(there):
    methods = (f"{DS_MORE}rsa-sha256", f"{DS_MORE}rsa-sha512")
    jobs = [
        Job(body=body, signer="so-tu-phap", method=method, c14n=c14n, by_id=by_id, prefix=prefix)
        for method, c14n, by_id, prefix, body in itertools.product(
            methods, (EXC_C14N, C14N_10), (False, True), ("", "ds"), (HS05.split(b"?>\n", 1)[1], HS05)
        )
    ]
    answers = [there.codes(body) for body in genuine.signed_by_node(jobs)]
    assert [(job, answer) for job, answer in zip(jobs, answers, strict=True) if answer] == []


# Ours, read by others -------------------------------------------------------------------------------------------------


def ours(signer, *, pss):
    key = paper.key(signer)
    least = {"P-384": 384, "P-521": 512}.get(SIGNERS[signer], 256)
    for variant in variants(key.certificate.family):
        if variant.bits >= least and variant.prefix != "chuky" and (pss or not variant.pss):
            yield variant


def made(signer, chosen):
    return [(variant, sign(LANG, paper.key(signer), variant, at=NOW)) for variant in chosen]


def test_every_variant_of_ours_verifies_with_the_jdk():
    signed_ = [(signer, *row) for signer in SIGNERS for row in made(signer, [*ours(signer, pss=True)][::EACH])]
    answers = genuine.checked_by_jdk([body for _, _, body in signed_])
    assert [(s, v, a) for (s, v, _), a in zip(signed_, answers, strict=True) if a != "valid"] == []


@pytest.mark.parametrize("signer", SIGNERS)
def test_our_signatures_verify_with_xmlsec1(signer):
    """Every third variant, as the program is started for each. RSASSA-PSS came with xmlsec 1.3."""
    chosen = [one for one in ours(signer, pss=False) if one.bits in (256, 512) and one.prefix != "ds"][::3]
    refused = [variant for variant, body in made(signer, chosen) if not genuine.checked_by_xmlsec1(body)]
    assert len(chosen) >= 6
    assert refused == []


def test_the_other_verifiers_refuse_what_was_changed_so_their_yes_means_something():
    changed = signed(variant=Variant()).replace(b"<hs:TrangThai>4", b"<hs:TrangThai>9")
    assert genuine.checked_by_jdk([changed]) == ["invalid"]
    assert genuine.checked_by_xmlsec1(changed) is False
