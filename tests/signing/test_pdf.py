"""Signed PDFs: every signature reported by itself, three-valued, tampering found, nothing raised."""

import asyncio
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import dated_pdf
import paper
import pki
import pytest
import server
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from paper import World
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter, copy_into_new_writer
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from gateway.core.problems import ProblemOutcome
from signing.pdf import check_pdf, is_pdf, pdf_problems
from signing.trust import CertificateStatus, StatusWord, load_tree

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
REGISTERED = {"so-tu-phap": frozenset({"message", "document"}), "so-tu-phap-2": frozenset({"seal"})}


@cache
def tree(name):
    return load_tree(name, b"".join(c.public_bytes(Encoding.PEM) for c in pki.tree_certificates(name)))


def world(*, trees=("chinh-phu", "quoc-gia"), verdicts=(), tree_of=None):
    registered = tuple(
        replace(paper.registered(name, tree=tree_of), purposes=purposes) for name, purposes in REGISTERED.items()
    )
    return World(paper.party(*registered), trees=[tree(name) for name in trees], verdicts=verdicts)


def judged(body, there=None):
    there = there or world()
    return check_pdf(body, there.trust, next(iter(there.parties)), NOW)


@cache
def blank():
    writer = PdfFileWriter(stream_xrefs=False)
    content = RawContent(b"BT /F1 12 Tf 72 700 Td (Ket qua: DONG Y) Tj ET", BoxConstraints(595, 842))
    stream = writer.add_object(generic.StreamObject(stream_data=content.render()))
    writer.insert_page(
        PageObject(contents=stream, media_box=generic.ArrayObject(map(generic.NumberObject, (0, 0, 595, 842))))
    )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def stamper(at):
    named = pki.signer("tsa")
    key = named.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    beside = SimpleCertificateStore()
    for certificate in pki.tree_certificates("quoc-gia")[1:]:
        beside.register(asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)))
    return DummyTimeStamper(
        asn1_x509.Certificate.load(named.der), asn1_keys.PrivateKeyInfo.load(key), beside, fixed_dt=at
    )


def locked(password):
    """The blank PDF, closed to changes by an owner's password; with another password to open it, unless that is empty."""
    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(blank())))
    writer.encrypt("cua chu", password)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def signed(name="so-tu-phap", body=None, *, field="NguoiKy", stamp=None, embed=None, md="sha256", password=None):
    """The PDF with a PAdES signature of this signer, put on as an update."""
    who = pki.signer(name)
    key = who.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(who.der),
        signing_key=asn1_keys.PrivateKeyInfo.load(key),
        cert_registry=SimpleCertificateStore(),
    )
    metadata = signers.PdfSignatureMetadata(
        field_name=field,
        md_algorithm=md,
        subfilter=SigSeedSubFilter.PADES,
        embed_validation_info=embed is not None,
        validation_context=embed,
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(body or blank()), strict=False)
    if password is not None:
        writer.encrypt(password)
    pdf_signer = dated_pdf.PdfSigner(metadata, signer, at=NOW, timestamper=stamper(stamp) if stamp else None)

    async def go():
        return await pdf_signer.async_sign_pdf(writer)

    return asyncio.run(go()).getvalue()


def results(report):
    return [(one.field, one.result) for one in report.signatures]


def test_a_registered_signers_document_passes_with_the_checklist_of_annex_ii():
    report = judged(signed())
    assert (report.result, report.has_valid) == ("passed", True)
    (one,) = report.signatures
    assert next(iter(one.verdict["checklist"])) == "1.1"
    assert one.verdict["facts"]["purpose"] == ["document"]
    assert one.verdict["facts"]["coverage"] == "entire_file"
    assert pdf_problems([("tep-1", report)], demanded=True) == []


def test_person_and_seal_are_reported_one_by_one():
    both = signed("so-tu-phap-2", signed(), field="ConDau")
    report = judged(both)
    assert results(report) == [("NguoiKy", "passed"), ("ConDau", "passed")]
    assert [one.verdict["facts"]["purpose"] for one in report.signatures] == [["document"], ["seal"]]


def test_one_bad_signature_does_not_spoil_the_other_and_the_document_does_not_count_as_valid():
    both = signed("stranger", signed(), field="ConDau")
    report = judged(both)
    assert results(report) == [("NguoiKy", "passed"), ("ConDau", "failed")]
    assert not report.has_valid
    codes = [problem.code for problem in pdf_problems([("tep-1", report)], demanded=True)]
    assert codes == ["SIG-111", "SIG-113"]


def test_a_file_that_is_only_closed_to_changes_is_judged_and_one_that_does_not_open_is_not():
    assert judged(signed(body=locked(""), password="")).result == "passed"
    report = judged(signed(body=locked("mo"), password="mo"))
    assert (report.unreadable, report.has_valid) == ("encrypted", False)
    assert [p.code for p in pdf_problems([("tep-1", report)], demanded=True)] == ["SIG-110", "SIG-113"]


def test_a_changed_letter_is_found():
    body = signed()
    at = body.index(b"DONG Y")
    report = judged(body[:at] + b"TU CHO" + body[at + 6 :])
    assert report.signatures[0].verdict["checklist"]["2.4"]["status"] == "failed"
    assert pdf_problems([("tep-1", report)], demanded=False)[0].outcome is ProblemOutcome.NOTE


@pytest.mark.threat("T-PDF")
def test_content_changed_by_an_update_after_signing_is_found():
    """The file that was signed is still in there, intact; what a reader sees is another."""
    writer = IncrementalPdfFileWriter(io.BytesIO(signed()), strict=False)
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page[generic.NameObject("/Contents")] = writer.add_object(
        generic.StreamObject(stream_data=b"BT /F1 12 Tf 72 700 Td (Ket qua: TU CHOI) Tj ET")
    )
    writer.mark_update(page.container_ref if hasattr(page, "container_ref") else page)
    out = io.BytesIO()
    writer.write(out)
    report = judged(out.getvalue())
    assert report.result == "failed"
    assert report.signatures[0].verdict["checklist"]["2.4"]["reason"] == "changed-after"


@pytest.mark.threat("T-PDF")
def test_bytes_after_the_signed_revision_are_found():
    report = judged(signed() + b"\n% them\n1 0 obj\n<< /Type /Catalog >>\nendobj\n")
    assert report.result in ("failed", "undetermined")


def test_a_signer_of_a_known_tree_is_undetermined_without_revocation_evidence():
    report = judged(signed("so-xay-dung"))
    assert report.result == "undetermined"
    assert report.signatures[0].verdict["checklist"]["1.2"]["status"] == "undetermined"
    codes = [(p.code, p.outcome) for p in pdf_problems([("tep-1", report)], demanded=True)]
    assert codes == [("SIG-112", ProblemOutcome.NOTE), ("SIG-114", ProblemOutcome.UNDETERMINED)]


def test_evidence_that_the_document_carries_is_used():
    authority = server.Authority(now=NOW)
    crls = [authority.make_crl(name) for name in ("issuing-a", "root-a")]
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(tree("quoc-gia").anchors[0].der)],
        other_certs=[asn1_x509.Certificate.load(one.der) for one in tree("quoc-gia").intermediates],
        crls=crls,
        moment=NOW,
        allow_fetching=False,
        revocation_mode="soft-fail",
    )
    report = judged(signed("so-xay-dung", embed=context))
    assert report.result == "passed"
    assert report.signatures[0].verdict["facts"]["status"]["source"] == "crl"


def test_a_revoked_registered_signer_fails_from_its_date_on():
    revoked = CertificateStatus(
        fingerprint=pki.signer("so-tu-phap").fingerprint,
        status=StatusWord.BAD,
        as_of=NOW,
        until=None,
        reason="revoked",
        revoked_at=NOW - timedelta(days=1),
    )
    there = world(verdicts=[revoked], tree_of="chinh-phu")
    assert judged(signed(), there=there).signatures[0].verdict["checklist"]["1.2"]["reason"] == "revoked"


@pytest.mark.parametrize(
    ("name", "item"), [("rsa-1024", "1.3"), ("wrong-eku", "1.5"), ("ca-signer", "1.5"), ("stranger", "2.1")]
)
def test_a_certificate_that_may_not_sign_documents_fails_its_item(name, item):
    report = judged(signed(name))
    assert report.signatures[0].verdict["checklist"][item]["status"] == "failed"


def test_an_expired_signer_is_undetermined_by_its_own_word_and_passes_by_a_time_stamp():
    certificate = pki.signer("expired").certificate
    then = certificate.not_valid_after_utc - timedelta(days=30)
    there = World(
        paper.party(replace(paper.registered("expired"), purposes=frozenset({"document"}))), trees=[tree("quoc-gia")]
    )
    alone = signed("expired")
    assert judged(alone, there=there).result == "failed"
    stamped = judged(signed("expired", stamp=then), there=there)
    assert stamped.signatures[0].verdict["checklist"]["1.1"] == {
        "status": "passed",
        "reason": "by-time-stamp",
        "source": "Thông tư 15/2025/TT-BKHCN, Phụ lục II, 1.1",
    }


def test_a_time_stamp_from_the_future_fails():
    report = judged(signed(stamp=NOW + timedelta(days=1)))
    assert report.signatures[0].verdict["checklist"]["2.3"]["status"] == "failed"


def test_a_pdf_without_a_signature_is_not_applicable_and_fails_where_one_is_demanded():
    report = judged(blank())
    assert (report.result, report.signatures) == ("not-applicable", ())
    assert pdf_problems([("tep-1", report)], demanded=False) == []
    assert [p.code for p in pdf_problems([("tep-1", report)], demanded=True)] == ["SIG-113"]
    assert [p.code for p in pdf_problems([], demanded=True)] == ["SIG-113"]


@pytest.mark.parametrize("body", [b"", b"%PDF-", b"%PDF-1.7\n%%EOF", b"khong phai", bytes(10_000)])
def test_what_is_no_pdf_is_unreadable_and_raises_nothing(body):
    report = judged(body)
    assert report.unreadable is not None
    assert pdf_problems([("tep-1", report)], demanded=False)[0].code == "SIG-110"
    assert is_pdf(b"\xef\xbb\xbf\n%PDF-1.4")
    assert not is_pdf(b"PK\x03\x04")


def test_too_many_signatures_are_not_looked_at():
    assert judged(bytes(33 * 2**20)).unreadable == "too-large"


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=8))
def test_a_changed_file_is_never_valid_unless_the_signed_bytes_are_the_same(place, junk):
    body = _one()
    at = place % len(body)
    changed = body[:at] + junk + body[at + len(junk) :]
    report = judged(changed)
    if report.has_valid:
        start, end = _hole(body)
        assert changed[:start] == body[:start]
        assert changed[end : len(body)] == body[end:]


@cache
def _one():
    return signed()


def _hole(body):
    """Where the signature's own hex stands, which it cannot cover."""
    start = body.index(b"/Contents <") + len(b"/Contents ")
    return start, body.index(b">", start) + 1
