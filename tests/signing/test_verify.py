"""Station 4, from bytes to a believed document."""

import json
import logging
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import attacks
import paper
import pki
import pytest
from lxml import etree
from paper import HS05, NOW, World, find, party, registered, signed, world

from gateway.core.limits import DocumentLimits
from gateway.core.model import Basis, BodyForm, Envelope
from gateway.core.parties import SignatureDemand, SignaturePolicy, WhenUnknown
from gateway.core.problems import ProblemOutcome, Stopped
from gateway.documents import Checked, parse
from signing.sign import Variant, sign, variants
from signing.structure import read_signature
from signing.trust import CertificateStatus, StatusWord, load_tree
from signing.uris import C14N_10, DS_MORE, DS_MORE_2007, EXC_C14N, RSA_PSS
from signing.verify import SignatureRefused, verify

SIGNERS = (
    "so-tu-phap",
    "so-tu-phap-2",
    "cong-dvc",
    "ubnd-xa-thu-nghiem",
    "so-xay-dung",
)  # RSA 2048, 3072; P-256, -384, -521


@pytest.mark.parametrize("signer", SIGNERS)
def test_every_honest_variant_of_every_kind_of_key_is_accepted(signer):
    there = world(signer)
    key = paper.key(signer)
    tried = 0
    every = bool(os.environ.get("LIENTHONG_ALL_ATTACKS"))  # a fifth still has each hash, algorithm, prefix and shape
    for variant in [*variants(key.certificate.family)][:: 1 if every else 5]:
        try:
            body = sign(HS05, key, variant, at=NOW)
        except Stopped as stop:  # a hash shorter than the curve
            assert [p.code for p in stop.problems] == ["SIG-106"]
            continue
        tried += 1
        assert there.judge(body).basis is Basis.SIGNATURE, variant
    assert tried >= (54 if every else 10)  # P-521 with SHA-512 alone


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda b: b.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda b: b"\xef\xbb\xbf" + b, id="BOM"),
        pytest.param(lambda b: b.replace(b"<lt:ThuTu>3</lt:ThuTu>", b"<lt:ThuTu><![CDATA[3]]></lt:ThuTu>"), id="CDATA"),
        pytest.param(lambda b: b.replace(b"<lt:ThuTu>3</lt:ThuTu>", b"<lt:ThuTu>&#51;</lt:ThuTu>"), id="references"),
        pytest.param(lambda b: b.split(b"?>\n", 1)[1], id="no declaration"),
        pytest.param(lambda b: b.replace(b"lt:", b"thongdiep:").replace(b":lt=", b":thongdiep="), id="other prefix"),
        pytest.param(lambda b: b.replace(b"lt:", b"").replace(b"xmlns:lt=", b"xmlns="), id="default namespace"),
        pytest.param(
            lambda b: b.replace(b'phongbi/1.0">', b'phongbi/1.0" xml:lang="vi" xml:space="preserve">'), id="xml:lang"
        ),
        pytest.param(
            lambda b: b.replace(
                b'phongbi/1.0">',
                b'phongbi/1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:a http://a.invalid/a.xsd">',
            ),
            id="schemaLocation",
        ),
        pytest.param(lambda b: b.replace(b">\n", b">").replace(b"  ", b""), id="no white space"),
    ],
)
@pytest.mark.parametrize(
    "variant",
    [
        Variant(),
        Variant(by_id=True, key_info_reference=True),
        Variant(canonicalisation=C14N_10),
        Variant(xades=False, canonicalisation=C14N_10, prefix=""),
        Variant(
            xades=False, canonicalisation=C14N_10, prefix="", name_canonicalisation=False, key_value=True, by_id=True
        ),
    ],
    ids=["xades", "xades-id-3", "xades-inclusive", "jdk", "dotnet"],
)
def test_honest_spellings_are_accepted(make, variant):
    assert world().codes(signed(make(HS05), variant=variant)) == []


def test_what_is_believed_is_parsed_anew_from_the_bytes_that_were_signed():
    body = signed()
    attested = world().judge(body)
    assert attested.body == body
    assert b"Signature" not in attested.signed_bytes
    assert etree.tostring(attested.root, method="c14n") == attested.signed_bytes


def test_the_signer_is_reported_with_what_the_certificate_says():
    signer = world().judge(signed()).signer
    assert (signer.fingerprint, signer.signed_at) == (pki.signer("so-tu-phap").fingerprint, NOW)
    assert "CN=" in signer.subject
    assert signer.algorithm == f"{DS_MORE}rsa-sha256"


def test_pkcs1_is_valid_and_flagged_and_pss_conforms():
    flagged = world().judge(signed())
    assert (flagged.signer.annex_i, flagged.verdict["annex_i"]) == (
        False,
        {"conforms": False, "deviations": ["rsa-pkcs1-v1_5"]},
    )
    assert flagged.verdict["result"] == "passed"
    assert world().judge(signed(variant=Variant(pss=True))).verdict["annex_i"]["conforms"] is True
    assert world().judge(signed(variant=Variant(pss=True, xades=False))).verdict["annex_i"]["deviations"] == [
        "not-xades"
    ]


def test_the_verdict_answers_every_item_of_annex_ii_and_survives_json():
    verdict = world().judge(signed()).verdict
    assert json.loads(json.dumps(verdict)) == verdict
    assert list(verdict["checklist"]) == ["1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "2.1", "2.2", "2.3", "2.4"]
    assert {row["status"] for row in verdict["checklist"].values()} == {"passed", "not-applicable"}


# The mathematics: one public code, the reason in the verdict only ---------------------------------------------------


@pytest.mark.parametrize(
    ("forge", "item", "failure"),
    [
        pytest.param(lambda b: b.replace(b"<hs:TrangThai>4", b"<hs:TrangThai>9"), "2.4", "InvalidDigest", id="content"),
        pytest.param(lambda b: swap_first(b, b"SignatureValue>"), "2.2", "InvalidSignature", id="signature value"),
        pytest.param(lambda b: swap_first(b, b"DigestValue>"), "2.2", "InvalidSignature", id="digest value"),
        pytest.param(
            lambda b: b.replace(b"<xades:MimeType>text/xml", b"<xades:MimeType>text/xsl"),
            "2.4",
            "InvalidDigest",
            id="properties",
        ),
    ],
)
def test_whatever_does_not_match_gets_one_code_without_detail(forge, item, failure):
    body = forge(signed())
    with pytest.raises(SignatureRefused) as caught:
        world().judge(body)
    (problem,) = caught.value.problems
    assert (problem.code, dict(problem.facts)) == ("SIG-001", {})
    assert problem.at.xpath.endswith("Signature[1]")  # where to look, and nothing of what was found
    assert caught.value.verdict["checklist"][item]["status"] == "failed"
    assert caught.value.verdict["facts"]["failure"] == failure


def swap_first(body, before):
    at = body.index(before) + len(before)
    letter = b"A" if body[at : at + 1] != b"A" else b"B"
    return body[:at] + letter + body[at + 1 :]


def test_no_content_of_the_document_reaches_the_log(caplog):
    with caplog.at_level(logging.DEBUG):
        world().codes(signed().replace(b"<hs:TrangThai>4", b"<hs:TrangThai>9"))
        world().codes(signed())
    assert "SIG-001" in caplog.text
    assert "Bưởi" not in caplog.text
    assert "ThongDiep xmlns" not in caplog.text


# Whose certificate --------------------------------------------------------------------------------------------------


def test_a_certificate_nobody_registered_is_refused_and_named_by_fingerprint_only():
    with pytest.raises(Stopped) as caught:
        world().judge(signed(signer="unregistered"))
    (problem,) = caught.value.problems
    assert problem.code == "SIG-050"
    assert set(problem.facts) == {"fingerprint", "sender"}
    assert (problem.at.line, problem.at.column) != (None, None)


def test_another_partys_certificate_gets_the_same_answer_as_an_unknown_one():
    there = World(party("so-tu-phap"), replace(pki.party("so-xay-dung"), certificates=(registered("so-xay-dung"),)))
    assert there.codes(signed(signer="so-xay-dung")) == ["SIG-050"]
    assert there.codes(signed(signer="look-alike")) == ["SIG-050"]


def test_two_certificates_are_active_at_once_for_a_roll_over():
    there = world("so-tu-phap", "so-tu-phap-2")
    assert there.codes(signed(signer="so-tu-phap")) == []
    assert there.codes(signed(signer="so-tu-phap-2")) == []


def test_a_registration_has_dates_and_a_purpose_of_its_own():
    later = registered("so-tu-phap", valid_from=NOW + timedelta(days=1))
    ended = registered("so-tu-phap", valid_to=NOW - timedelta(days=1))
    other = registered("so-tu-phap", purposes=frozenset({"document"}))
    assert world(later).codes(signed()) == ["SIG-052"]
    assert world(ended).codes(signed()) == ["SIG-052"]
    assert world(other).codes(signed()) == ["SIG-051"]
    assert world(ended).codes(signed(at=NOW - timedelta(days=2)), NOW - timedelta(days=2)) == []


@pytest.mark.parametrize(
    ("signer", "code", "token"),
    [
        ("expired", "SIG-053", "CHUNG_THU_HET_HAN"),
        ("not-yet-valid", "SIG-054", "CHUNG_THU_HET_HAN"),
        ("no-digital-signature", "SIG-055", "CHU_KY_KHONG_HOP_LE"),
        ("wrong-eku", "SIG-056", "CHU_KY_KHONG_HOP_LE"),
        ("code-only", "SIG-056", "CHU_KY_KHONG_HOP_LE"),
        ("ca-signer", "SIG-057", "CHU_KY_KHONG_HOP_LE"),
        ("rsa-1024", "SIG-034", "THUAT_TOAN_KHONG_DUOC_PHEP"),
        ("sha1-issued", "SIG-058", "THUAT_TOAN_KHONG_DUOC_PHEP"),
    ],
)
def test_a_registered_certificate_with_a_flaw_is_refused_for_that_flaw(signer, code, token):
    with pytest.raises(Stopped) as caught:
        world(signer).judge(signed(signer=signer, variant=Variant(xades=False)))
    assert [(p.code, p.token) for p in caught.value.problems] == [(code, token)]


def test_the_time_of_judgement_is_an_argument():
    certificate = pki.signer("expired").certificate
    then = certificate.not_valid_after_utc - timedelta(days=1)
    assert world("expired").codes(signed(signer="expired", at=then), then) == []
    assert "SIG-053" in world("expired").codes(signed(signer="expired", at=then), NOW)


def test_a_sender_that_is_not_registered_is_told_so():
    body = HS05.replace(b"H19.901</lt:MaDinhDanh>", b"H19.999</lt:MaDinhDanh>")
    with pytest.raises(Stopped) as caught:
        world().judge(signed(body))
    (problem,) = caught.value.problems
    assert (problem.code, problem.token, problem.facts["identifier"]) == ("SIG-059", "NOI_GUI_CHUA_DANG_KY", "H19.999")
    assert problem.at.line == 6


def test_an_alias_of_the_sender_leads_to_the_same_registration():
    body = HS05.replace(b"<lt:MaDinhDanh>H19.901<", b"<lt:MaDinhDanh>000.99.01.H19<")
    assert world().codes(signed(body)) == []


# The demand comes from the registry ---------------------------------------------------------------------------------


def test_a_missing_signature_is_refused_where_the_registry_demands_one():
    with pytest.raises(Stopped) as caught:
        world().judge(HS05)
    assert [p.code for p in caught.value.problems] == ["SIG-002"]


def test_where_signatures_are_accepted_an_unsigned_message_passes_on_the_word_of_the_channel():
    there = world(policy=SignaturePolicy(default=SignatureDemand.ACCEPTED))
    attested = there.judge(HS05)
    assert (attested.basis, attested.signer, attested.signed_bytes) == (Basis.CHANNEL, None, None)
    assert attested.verdict["result"] == "not-applicable"
    assert there.judge(signed()).basis is Basis.SIGNATURE


def test_where_signatures_are_accepted_a_bad_one_is_still_refused():
    there = world(policy=SignaturePolicy(default=SignatureDemand.ACCEPTED))
    assert there.codes(signed().replace(b"<hs:TrangThai>4", b"<hs:TrangThai>9")) == ["SIG-001"]
    bare = HS05.replace(b"</lt:ThongDiep>", b'<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"/></lt:ThongDiep>')
    assert there.codes(bare) == ["SIG-005"]


def test_where_signatures_are_off_nobody_looks_at_one_and_the_verdict_says_so():
    there = world(policy=SignaturePolicy(default=SignatureDemand.OFF))
    attested = there.judge(signed().replace(b"<hs:TrangThai>4", b"<hs:TrangThai>9"))
    assert attested.basis is Basis.CHANNEL
    assert attested.verdict["checklist"]["2.4"] == {
        "status": "not-applicable",
        "reason": "not-demanded",
        "source": "Thông tư 15/2025/TT-BKHCN, Phụ lục II, 2.4",
    }
    assert attested.verdict["facts"] == {"signature_present": True}


def test_the_demand_can_differ_by_type():
    policy = SignaturePolicy(by_type={"HS05": SignatureDemand.ACCEPTED})
    assert world(policy=policy).judge(HS05).basis is Basis.CHANNEL


def test_a_party_may_be_held_to_some_algorithms_to_xades_and_to_a_time_stamp():
    only = SignaturePolicy(algorithms=frozenset({f"{DS_MORE}ecdsa-sha256"}))
    assert world(policy=only).codes(signed()) == ["SIG-032"]
    assert world(policy=SignaturePolicy(xades=True)).codes(signed(variant=Variant(xades=False))) == ["SIG-077"]
    assert world(policy=SignaturePolicy(xades=True)).codes(signed()) == []
    assert world(policy=SignaturePolicy(timestamp=True)).codes(signed()) == ["SIG-078"]


def test_xades_and_a_time_stamp_may_be_demanded_of_some_types_only():
    plain = signed(variant=Variant(xades=False))
    for types, codes in ((frozenset({"HS05"}), ["SIG-077"]), (frozenset({"HS11"}), [])):
        assert world(policy=SignaturePolicy(xades_types=types)).codes(plain) == codes
    for types, codes in ((frozenset({"HS05"}), ["SIG-078"]), (frozenset({"HS11"}), [])):
        assert world(policy=SignaturePolicy(timestamp_types=types)).codes(signed()) == codes


def test_algorithms_and_trees_may_be_demanded_of_some_types_only():
    ecdsa = (f"{DS_MORE}ecdsa-sha256",)
    for loai, codes in (("HS05", ["SIG-032"]), ("HS11", [])):
        assert world(policy=SignaturePolicy(algorithms_by_type={loai: ecdsa})).codes(signed()) == codes
        assert world(policy=SignaturePolicy(trees_by_type={loai: ("quoc-gia",)})).codes(signed()) == [
            code.replace("032", "067") for code in codes
        ]
    everywhere = SignaturePolicy(algorithms=frozenset(ecdsa), algorithms_by_type={"HS05": (f"{DS_MORE}rsa-sha256",)})
    assert world(policy=everywhere).codes(signed()) == []
    good = status(StatusWord.GOOD, reason="good-by-crl", source="crl", evidence=("ab" * 32,))
    assert under_tree(good, trees_by_type={"HS05": ("chuyen-dung", "quoc-gia")}).codes(signed()) == []
    assert under_tree(good, trees_by_type={"HS05": ("chuyen-dung",)}).codes(signed()) == ["SIG-067"]


# Composed by the gateway --------------------------------------------------------------------------------------------


def test_what_the_gateway_composed_must_bear_its_own_signature():
    own = paper.key("gateway")
    there = World(party("so-tu-phap"), own=[own.certificate_der])
    attested = there.judge(sign(HS05, own, at=NOW), composed=True)
    assert (attested.basis, attested.signer.fingerprint) == (Basis.COMPOSED, own.fingerprint)
    assert there.codes(signed(), composed=True) == ["SIG-092"]
    assert there.codes(HS05, composed=True) == ["SIG-002"]


def test_the_gateways_signature_does_not_stand_for_a_partys_own():
    own = paper.key("gateway")
    there = World(party("so-tu-phap"), own=[own.certificate_der])
    assert there.codes(sign(HS05, own, at=NOW)) == ["SIG-050"]


def test_a_typed_form_counts_as_composed_whatever_the_document_says():
    own = paper.key("gateway")
    there = World(party("so-tu-phap"), own=[own.certificate_der])
    cover = replace(paper.envelope(signed()), form=BodyForm.CAP_NHAT_TIEN_DO_MC)
    assert isinstance(cover, Envelope)
    with pytest.raises(Stopped) as caught:
        verify(Checked(document=parse(cover), kind=paper.KIND), there.trust, there.parties, NOW)
    assert [p.code for p in caught.value.problems] == ["SIG-092"]


# Status -------------------------------------------------------------------------------------------------------------


def tree(name="quoc-gia"):
    pem = b"".join(c.public_bytes(pem_encoding()) for c in pki.tree_certificates(name))
    return load_tree(name, pem)


def pem_encoding():
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.PEM


def status(state, **fields):
    fields = {"as_of": NOW - timedelta(hours=1), "until": NOW + timedelta(hours=1)} | fields
    return CertificateStatus(fingerprint=pki.signer("so-tu-phap").fingerprint, status=state, **fields)


def under_tree(*verdicts, trees=None, **policy):
    return World(
        party(registered("so-tu-phap", tree="quoc-gia"), policy=SignaturePolicy(**policy)),
        trees=[tree()] if trees is None else trees,
        verdicts=verdicts,
    )


def test_a_good_status_passes_and_leaves_its_evidence_in_the_verdict():
    attested = under_tree(status(StatusWord.GOOD, reason="good-by-crl", source="crl", evidence=("ab" * 32,))).judge(
        signed()
    )
    assert (attested.doubts, attested.evidence) == ((), ("ab" * 32,))
    assert attested.verdict["checklist"]["1.2"]["reason"] == "good-by-crl"
    assert attested.verdict["facts"]["status"]["evidence"] == ["ab" * 32]


def test_an_unknown_status_holds_the_message_or_warns_by_the_partys_policy():
    held = under_tree().judge(signed())
    assert [(p.code, p.outcome) for p in held.doubts] == [("SIG-062", ProblemOutcome.UNDETERMINED)]
    assert held.verdict["result"] == "undetermined"
    warned = under_tree(status_unknown=WhenUnknown.WARN).judge(signed())
    assert [(p.code, p.outcome) for p in warned.doubts] == [("SIG-063", ProblemOutcome.NOTE)]


def test_evidence_that_has_ended_counts_for_its_grace_and_then_no_longer():
    old = {"as_of": NOW - timedelta(days=2), "until": NOW - timedelta(hours=1)}
    assert under_tree(status(StatusWord.GOOD, **old)).codes(signed()) == ["SIG-062"]
    graced = status(StatusWord.GOOD, grace_until=NOW + timedelta(hours=1), **old)
    assert under_tree(graced).codes(signed()) == ["SIG-064"]
    assert under_tree(graced).codes(signed(), NOW + timedelta(hours=2)) == ["SIG-062"]


def test_a_revocation_counts_from_its_own_date():
    revoked = status(StatusWord.BAD, reason="revoked", revoked_at=NOW)
    with pytest.raises(Stopped) as caught:
        under_tree(revoked).judge(signed())
    assert [(p.code, p.token) for p in caught.value.problems] == [("SIG-060", "CHUNG_THU_BI_THU_HOI")]
    before = NOW - timedelta(minutes=1)
    assert under_tree(revoked).codes(signed(at=before), before) == []


def test_a_certificate_without_a_path_is_refused():
    assert under_tree(status(StatusWord.BAD, reason="no-path")).codes(signed()) == ["SIG-061"]


def test_a_tree_that_is_not_loaded_holds_and_one_out_of_its_dates_refuses():
    assert under_tree(status(StatusWord.GOOD), trees=[]).codes(signed()) == ["SIG-065"]
    ended = replace(tree(), valid_to=NOW - timedelta(days=1))
    assert under_tree(status(StatusWord.GOOD), trees=[ended]).codes(signed()) == ["SIG-061"]


def test_a_bad_signature_is_refused_before_anybody_asks_for_the_status():
    assert under_tree().codes(signed().replace(b"<hs:TrangThai>4", b"<hs:TrangThai>9")) == ["SIG-001"]


# XAdES --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claimed", "code"),
    [
        (datetime(1999, 1, 1, tzinfo=UTC), "SIG-075"),
        (datetime(2099, 1, 1, tzinfo=UTC), "SIG-074"),
        (NOW + timedelta(minutes=6), "SIG-074"),
    ],
)
def test_a_signing_time_that_cannot_be_true_is_refused(claimed, code):
    assert world().codes(signed(at=claimed)) == [code]


def test_a_signing_time_without_a_zone_is_the_one_problem_that_is_told():
    body = signed().replace(b"Z</xades:SigningTime>", b"</xades:SigningTime>")
    assert world().codes(body) == ["SIG-073"]


def test_an_empty_type_of_the_envelopes_reference_is_none():
    body = signed()
    with_it = body.replace(b'URI=""', b'Type="" URI=""', 1)
    assert with_it != body
    assert read_signature(paper.document(with_it).root).references == 2
    assert world().codes(body.replace(b'URI=""', b'Type="urn:x" URI=""', 1)) == ["SIG-007"]


def test_a_clock_that_is_a_little_ahead_does_not_matter():
    assert world().codes(signed(at=NOW + timedelta(minutes=4))) == []


def test_all_that_can_be_read_off_the_message_is_reported_at_once():
    body = signed(signer="expired", variant=Variant())
    only = SignaturePolicy(algorithms=frozenset({f"{DS_MORE}rsa-sha256"}))
    assert world("expired", policy=only).codes(body) == ["SIG-053", "SIG-075", "SIG-032"]


def test_problems_are_located_by_line_and_column():
    body = signed().replace(EXC_C14N.encode() + b'"/><ds:SignatureMethod', b'urn:none"/><ds:SignatureMethod')
    with pytest.raises(Stopped) as caught:
        world().judge(body)
    (problem,) = caught.value.problems
    line = body[: body.index(b"urn:none")].count(b"\n") + 1
    assert (problem.code, problem.at.line) == ("SIG-026", line)
    assert problem.at.xpath == "/lt:ThongDiep/ds:Signature[1]/ds:SignedInfo[1]/ds:CanonicalizationMethod[1]"


# Beside the attack documents ---------------------------------------------------------------------------------------


def pss(body, *, mask=None, **parameters):
    """Signed anew with RSASSA-PSS and its parameters; ``mask`` is MaskGenerationFunction/@Algorithm."""

    def with_parameters(root):
        method = find(root, "SignatureMethod")
        method.set("Algorithm", RSA_PSS)
        given = etree.SubElement(method, f"{{{DS_MORE_2007}}}RSAPSSParams")
        if mask is not None:
            etree.SubElement(given, f"{{{DS_MORE_2007}}}MaskGenerationFunction", Algorithm=mask)
        for name, value in parameters.items():
            etree.SubElement(given, f"{{{DS_MORE_2007}}}{name}").text = value

    return paper.edit(body, with_parameters)


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({"SaltLength": "32", "TrailerField": "1"}, ["SIG-001"]),  # well-formed; the value is that of another method
        ({"SaltLength": "20"}, ["SIG-036"]),
        ({"TrailerField": "2"}, ["SIG-036"]),
        ({"mask": "urn:khac"}, ["SIG-036"]),
    ],
)
def test_parameters_of_pss_are_the_usual_ones_or_refused(parameters, codes):
    assert world().codes(pss(signed(), **parameters)) == codes


def test_a_hash_shorter_than_the_curve_is_refused():
    seed = attacks.Seed(signed(signer="ubnd-xa-thu-nghiem"), paper.key("ubnd-xa-thu-nghiem"), paper.key(), "urn:x")
    root = seed.tree()
    find(root, "SignatureMethod").set("Algorithm", f"{DS_MORE}ecdsa-sha256")
    assert world("ubnd-xa-thu-nghiem").codes(seed.again(root)) == ["SIG-035"]


def test_what_kept_to_the_limits_is_believed_however_it_is_canonicalised():
    """A canonical form writes "&gt;" for ">" and declares each namespace where it is used: longer, with more attributes."""
    wide = '<n1:b n2:c="" n3:d=""/>' * 13_000 + "<n1:e>" + ">" * 1_000_000 + "</n1:e>"
    body = HS05.replace(b"</lt:ThanPhan>", f"{wide}</lt:ThanPhan>".encode())
    body = body.replace(b"<lt:ThanPhan>", b'<lt:ThanPhan xmlns:n1="urn:1" xmlns:n2="urn:2" xmlns:n3="urn:3">')
    assert world().codes(signed(body)) == []


@pytest.mark.threat("T-GROWTH")
def test_signed_bytes_that_grow_as_no_honest_ones_do_are_not_believed():
    body = HS05.replace(b"</lt:ThanPhan>", b"<n:b/>" * 500 + b"</lt:ThanPhan>")
    body = signed(body.replace(b"<lt:ThanPhan>", b'<lt:ThanPhan xmlns:n="urn:' + b"x" * 500 + b'">'))
    assert world().codes(body) == []
    assert world(limits=DocumentLimits(body_bytes=len(body))).codes(body) == ["SIG-090"]


@pytest.mark.parametrize("body", ["<a/>", f'<ThongDiep xmlns="{paper.PB}"/>', "<ThongDiep/>"])
def test_only_an_envelope_of_ours_is_signed(body):
    with pytest.raises(Stopped) as caught:
        sign(body.encode(), paper.key(), at=NOW)
    assert [problem.code for problem in caught.value.problems] == ["SIG-104"]
