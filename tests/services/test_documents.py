"""Signed PDFs on a message: reported always, demanded where the sender's policy says so."""

import io
import uuid
from dataclasses import replace
from functools import cache

import dated as letters
import dated_pdf
import pki
import pytest
from arrivals import arrival
from asn1crypto import keys, x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dated import NOW
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from gateway.core.model import Address
from gateway.documents import parse_bytes
from gateway.services import profiles
from gateway.services.bundles import contents, gather
from gateway.services.intake import judge, receive
from schemas import write
from schemas.fresh import Size, fresh
from schemas.write import Tep
from signing.evidence import verify_bundle, write_bundle
from signing.sign import sign

PORTAL, AGENCY = "cong-dvc", "so-tu-phap"


@cache
def plain_pdf():
    """A document of one empty page."""
    writer, out = PdfFileWriter(), io.BytesIO()
    writer.insert_page(PageObject(contents=writer.add_object(_content()), media_box=(0, 0, 595, 842)))
    writer.write(out)
    return out.getvalue()


def _content():
    from pyhanko.pdf_utils import generic

    return generic.StreamObject(stream_data=b" ")


@cache
def signed_pdf(name=AGENCY):
    """The same document, signed by a signer of the test PKI."""
    signer = pki.signer(name)
    key = keys.PrivateKeyInfo.load(signer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    certificate = x509.Certificate.load(signer.der)
    person = signers.SimpleSigner(signing_cert=certificate, signing_key=key, cert_registry=SimpleCertificateStore())
    meta = signers.PdfSignatureMetadata(field_name="NguoiKy", md_algorithm="sha256")
    out = dated_pdf.PdfSigner(meta, person, at=NOW).sign_pdf(IncrementalPdfFileWriter(io.BytesIO(plain_pdf())))
    return out.getvalue()


def result(gate, document):
    """An HS11 of the agency with this document, as it arrives."""
    code = letters.ma_ho_so(AGENCY)
    agency, portal = (Address(ma_dinh_danh=gate.parties.get(p).identifiers[0]) for p in (AGENCY, PORTAL))
    values = {
        "DanhSachGiayToKetQua": {"GiayToKetQua": [{"TenGiayTo": "Kết quả", "MaDinhKem": "kq-1"}]},
        "HinhThuc": "0",
    }
    unsigned = parse_bytes(fresh("HS11", ma_ho_so=code, at=NOW, size=Size.SMALL, noi_gui=agency, noi_nhan=[portal]))
    header = write.Header(
        ma_thong_diep=str(uuid.uuid4()),
        loai="HS11",
        noi_gui=agency,
        noi_nhan=(portal,),
        ma_ho_so=code,
        thoi_diem_tao=NOW,
    )
    fields = {"MaHoSo": code, "NgayKetThucXuLy": unsigned.findtext(".//{*}NgayKetThucXuLy"), **values}
    file = Tep(ma="kq-1", ten="ket-qua.pdf", loai="application/pdf", noi_dung=document)
    return arrival(sign(write.thong_diep(header, "TraKetQua", fields, (file,)), letters.key(AGENCY), at=NOW), AGENCY)


@pytest.fixture
def demanding(bare_gate):
    """A gate whose registry demands a signed PDF on the agency's HS11."""
    party = bare_gate.parties.get(AGENCY)
    certificates = tuple(replace(c, purposes=frozenset({"message", "document"})) for c in party.certificates)
    party = replace(
        party, certificates=certificates, signature=replace(party.signature, signed_pdf=frozenset({"HS11"}))
    )
    return replace(
        bare_gate, parties=type(bare_gate.parties)(party if p.id == AGENCY else p for p in bare_gate.parties)
    )


def test_a_demanded_signed_pdf_passes_and_its_verdict_is_on_record(demanding):
    finding = judge(result(demanding, signed_pdf()), demanding)
    assert [p.code for p in finding.problems if p.outcome != "note"] == []
    assert finding.thong_diep is not None
    assert finding.verdict["documents"]["kq-1"]["result"] == "passed"


def test_an_unsigned_pdf_is_refused_where_a_signed_one_is_demanded(demanding):
    finding = judge(result(demanding, plain_pdf()), demanding)
    assert (finding.thong_diep, "SIG-113" in [p.code for p in finding.problems]) == (None, True)
    assert finding.problems[-1].at.line is not None


def test_a_pdf_changed_after_signing_is_refused_where_a_signed_one_is_demanded(demanding):
    changed = signed_pdf().replace(b"595", b"596", 1)
    assert changed != signed_pdf()
    assert "SIG-113" in [p.code for p in judge(result(demanding, changed), demanding).problems]


def test_nobody_demands_it_and_an_unsigned_pdf_passes(bare_gate):
    finding = judge(result(bare_gate, plain_pdf()), bare_gate)
    assert finding.thong_diep is not None
    assert "documents" not in finding.verdict


# In a bundle of evidence ----------------------------------------------------------------------------------------------


def bundled(gate, store, document):
    """The parts of an HS11 with this document, as a bundle has them, and what checking them comes to."""
    gate = replace(gate, store=store)
    (answer,) = receive([result(gate, document)], gate, NOW)
    parts = gather(
        store,
        gate.trust,
        gate.parties,
        answer.message,
        own_identifier=gate.identity.ma_dinh_danh,
        own=[gate.key.certificate_der],
        profile=profiles.from_text,
    )
    return parts, checked(parts)


def checked(parts, opened=contents):
    """Step -> status, with the code of the first misfit."""
    report = verify_bundle(write_bundle(parts), contents=opened)
    misfit = report.first_misfit
    return {fit.step: fit.status for fit in report.fits}["documents"], misfit and (misfit.step, misfit.problem.code)


def test_a_signed_pdf_is_judged_again_in_a_bundle(demanding, sqlite_store):
    parts, found = bundled(demanding, sqlite_store, signed_pdf())
    assert found == ("passed", None)
    assert [one.purposes for one in parts.documents] == [("document", "message")]
    assert checked(parts, None) == ("undetermined", None)  # whoever cannot open attachments says so


def test_what_a_bundle_says_of_a_pdf_cannot_be_changed(demanding, sqlite_store):
    changed = signed_pdf().replace(b"595", b"596", 1)
    parts, found = bundled(demanding, sqlite_store, changed)
    assert found == ("passed", None)  # that it was changed after signing is what the record says
    pdf = {**parts.verdict["documents"]["kq-1"], "result": "passed"}
    better = replace(parts, verdict={**parts.verdict, "documents": {"kq-1": pdf}})
    assert checked(better) == ("failed", ("documents", "SIG-127"))
    only_messages = replace(parts.registration, purposes=("message",))
    unregistered = replace(parts, documents=(), registration=only_messages)
    assert checked(unregistered)[1] == ("documents", "SIG-127")
