"""What the gateway writes and seals without a tree is byte for byte what the tree's way gives, and others accept it."""

import hashlib
import secrets
from datetime import timedelta

import genuine
import paper
import pytest
from lxml import etree
from paper import NOW, World, party

from gateway.core.effects import KetQua
from gateway.core.model import Address
from gateway.core.problems import Lang, Problem, Stopped
from gateway.documents import DECLARATION, Canonical, Kind, canonical_document, parse_bytes
from schemas import versions, write
from schemas.catalog import bundled
from schemas.fresh import Size, fresh
from signing import known
from signing.seal import seal
from signing.sign import SigningKey, sign
from signing.uris import EXC_C14N

KEYS = ("so-tu-phap", "cong-dvc", "ubnd-xa-thu-nghiem", "so-xay-dung")  # RSA-2048, P-256, P-384, P-521
HARD = "Trần & Bưởi <\"'>\r\n\t ]]> \u0301 \x07 é"
US = Address(ma_dinh_danh="H19.000", ten_co_quan=HARD, he_thong="LienThong")
THEM = Address(ma_dinh_danh="H19.901", ten_co_quan="Sở Tư pháp (thử nghiệm)")


def canonical(body):
    """By libxml2."""
    return DECLARATION + etree.tostring(etree.fromstring(body), method="c14n", exclusive=True)


def receipt(*problems, goc="7d1b6a52-6f0e-4f4d-9a39-0c6a2f5f8f11", **more):
    told = {
        "ma_thong_diep": "0d1b6a52-6f0e-4f4d-9a39-0c6a2f5f8f12",
        "noi_gui": US,
        "noi_nhan": THEM,
        "bam_noi_dung": "0" * 64,
        "so_tiep_nhan": "20261124040000000-0000000001",
    }
    return write.bien_nhan(
        ma_thong_diep_goc=goc,
        ket_qua=KetQua.TU_CHOI if problems else KetQua.CHAP_NHAN,
        loi=problems,
        thoi_diem=NOW + timedelta(microseconds=7),
        **(told | more),
    )


def by_the_tree(goc, ho_so, problems, sender, receiver):
    """The same receipt, as any message is written: the referee of the forms that receipts are written by."""
    header = write.Header(
        ma_thong_diep=HARD,
        loai="HS02",
        noi_gui=sender,
        noi_nhan=(receiver or sender,),
        thoi_diem_tao=NOW,
        ma_thong_diep_goc=goc,
        ma_ho_so=ho_so,
    )
    rows = [
        {
            "Ma": one.token,
            "MaChiTiet": one.code,
            "MoTa": one.message(Lang.VI),
            "CachXuLy": one.remedy(Lang.VI),
            "MucDo": "LOI",
        }
        for one in problems
    ]
    fields = {
        "MaThongDiepGoc": goc,
        "KetQua": "TU_CHOI" if problems else "CHAP_NHAN",
        "DanhSachLoi": {"Loi": rows} if problems else None,
        "ThoiDiem": NOW,
        "BamNoiDung": HARD,
        "SoTiepNhan": HARD,
    }
    return write.thong_diep(header, "BienNhan", fields)


def newest():
    """One message of every kind there is."""
    return [(kind.loai, kind.goc, kind.phien_ban) for kind in bundled().kinds()]


def older():
    """A message with a remark of its sender, as a receiver of an older version gets it."""
    kind = Kind(loai="HS05", goc="CapNhatTienDo", phien_ban="1.0")
    mark = write.LapThay(ma_dinh_danh="H19.000", thoi_diem=NOW, bam_noi_dung="0" * 64, dang_goc="HS05-1.0")
    return versions.older(parse_bytes(paper.HS05), kind, "1.0", mark, bundled()).body


BODIES = {
    "accepted": receipt,
    "refused": lambda: receipt(
        Problem("XSD-010", {"element": HARD, "parent": "a", "after": "b", "before": "c"}), Problem("SIG-001")
    ),
    "of nothing readable": lambda: receipt(goc=HARD, ma_ho_so="H19.901-260115-0001"),
    "with an Id": lambda: write.thong_diep(
        write.Header(
            ma_thong_diep=HARD, loai="HS05", noi_gui=US, noi_nhan=(THEM,), thoi_diem_tao=NOW, id="ThongDiep-1"
        ),
        "CapNhatTienDo",
        {"TrangThai": "4"},
    ),
    "older": older,
}


@pytest.mark.parametrize("size", [Size.SMALL, Size.FULL, Size.BOUNDARY])
@pytest.mark.parametrize("kind", newest(), ids="-".join)
def test_what_is_written_is_canonical_at_once(kind, size):
    loai, goc, phien_ban = kind
    body = fresh(loai, phien_ban, goc=goc, size=size, at=NOW, seed=5)
    assert canonical(body) == body


def test_absence_elements_of_others_and_awkward_text_are_written_canonically():
    header = write.Header(
        ma_thong_diep=HARD, loai="HS05", noi_gui=US, noi_nhan=(THEM, US), thoi_diem_tao=NOW, id='a"<&\t'
    )
    row = etree.fromstring('<k:Muc xmlns:k="urn:k" xmlns:lt="urn:lt" b="1" a="&quot;"><k:x/>\r<lt:y/></k:Muc>')
    ours = etree.fromstring(f'<hs:Muc xmlns:hs="{paper.HS}"><hs:x/></hs:Muc>')
    fields = {
        "A": HARD,
        "B": write.Trong('KHONG_CO"<'),
        "C": [1, True, None],
        "D": {"E": row, "F": ours, "G": None},
    }
    body = write.thong_diep(
        header, "CapNhatTienDo", fields, (write.Tep(ma="a", ten=HARD, loai="text/plain", noi_dung=b"x"),)
    )
    assert canonical(body) == body
    payload = etree.fromstring(f'<CapNhatTienDo xmlns="{paper.HS}"><TrangThai>4</TrangThai></CapNhatTienDo>')
    whole = write.thong_diep(header, "CapNhatTienDo", payload)
    assert canonical(whole) == whole
    assert b"TrangThai>4</" in whole


@pytest.mark.parametrize("receiver", [None, THEM, Address(ma_dinh_danh="%s", ten_co_quan="100 %(id)s goc\0goc")])
@pytest.mark.parametrize(
    "problems", [(), (Problem("XSD-010", {"element": HARD, "parent": "goc", "after": "%", "before": "%%"}),)]
)
@pytest.mark.parametrize("ho_so", [None, "H19.901-260115-0001"])
@pytest.mark.parametrize("goc", [None, "7d1b6a52-6f0e-4f4d-9a39-0c6a2f5f8f11"])
def test_a_receipt_is_written_as_any_message_is(goc, ho_so, problems, receiver):
    made = write.bien_nhan(
        ma_thong_diep=HARD,
        noi_gui=US,
        noi_nhan=receiver,
        ma_thong_diep_goc=goc,
        ma_ho_so=ho_so,
        ket_qua=KetQua.TU_CHOI if problems else KetQua.CHAP_NHAN,
        loi=problems,
        thoi_diem=NOW,
        bam_noi_dung=HARD,
        so_tiep_nhan=HARD,
    )
    assert made == by_the_tree(goc, ho_so, problems, US, receiver)


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize("name", KEYS)
def test_the_seal_is_the_canonical_form_of_the_signature_that_sign_makes(name, what, monkeypatch):
    monkeypatch.setattr(secrets, "token_hex", lambda size: "0a" * size)
    certificate = paper.key(name).certificate
    key = SigningKey(
        certificate=certificate, raw=lambda octets, family, bits: hashlib.sha512(octets + b"%d" % bits).digest()
    )
    body = BODIES[what]()
    assert seal(body, key, at=NOW) == canonical(sign(body, key, at=NOW))


@pytest.mark.parametrize("what", BODIES)
@pytest.mark.parametrize("name", KEYS)
def test_a_sealed_document_is_accepted_by_the_long_way_and_by_the_quick_one(name, what):
    key = paper.key(name)
    there = World(party("so-tu-phap"), own=[key.certificate_der])
    body = BODIES[what]().replace(b"H19.000", b"H19.901")
    known.forget()
    first, second = (there.judge(seal(Canonical(body), key, at=NOW), composed=True) for _ in range(2))
    assert (first.same, second.same) == (False, True)
    assert first.signed_bytes == second.signed_bytes == body.removeprefix(DECLARATION)
    known.forget()


@pytest.mark.parametrize("name", KEYS)
def test_xmlsec1_accepts_what_is_sealed(name):
    assert all(genuine.checked_by_xmlsec1(seal(make(), paper.key(name), at=NOW)) for make in BODIES.values())


def test_the_jdk_accepts_what_is_sealed_and_not_what_was_changed_since():
    sealed = [seal(make(), paper.key(name), at=NOW) for name in KEYS for make in BODIES.values()]
    assert set(genuine.checked_by_jdk(sealed)) == {"valid"}
    assert genuine.checked_by_jdk([sealed[0].replace(b"<hs:KetQua>", b"<hs:KetQua>x")]) == ["invalid"]


def test_what_has_no_end_tag_is_not_sealed():
    with pytest.raises(Stopped) as stop:
        seal(Canonical(b"<lt:ThongDiep/>"), paper.key(), at=NOW)
    assert [problem.code for problem in stop.value.problems] == ["SIG-104"]
    assert EXC_C14N in canonical_document(etree.fromstring(seal(receipt(), paper.key(), at=NOW))).decode()
