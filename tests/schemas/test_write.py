"""What we write is valid by our own schema, in NFC, and the same each time."""

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.core.effects import Acknowledges, KetQua
from gateway.core.model import Address
from gateway.core.problems import Location, Problem
from schemas import names
from schemas.write import LapThay, Tep, Trong, bien_nhan, thong_diep, value_written

GOC = "1b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90"
MOMENT = datetime(2026, 1, 15, 1, 30, tzinfo=UTC)


def receipt(**changes):
    given = {
        "ma_thong_diep": "2b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90",
        "noi_gui": Address(ma_dinh_danh="H19.900"),
        "noi_nhan": Address(ma_dinh_danh="H19.901"),
        "ma_thong_diep_goc": GOC,
        "ket_qua": KetQua.CHAP_NHAN,
        "loi": (),
        "thoi_diem": MOMENT,
        "bam_noi_dung": "0" * 64,
        "so_tiep_nhan": "20260115-1",
    }
    return bien_nhan(**{**given, **changes})


def test_a_message_with_everything_in_its_header_is_valid(checked, header):
    head = header(
        id="td-1",
        ma_tuong_quan="viec:1",
        thu_tu=1,
        thoi_han=MOMENT + timedelta(days=1),
        dau_vet=(("H19.909", MOMENT), ("H19.900", MOMENT)),
        lap_thay=LapThay(ma_dinh_danh="H19.900", thoi_diem=MOMENT, bam_noi_dung="a" * 64, dang_goc="DongBoHoSoMC"),
        sieu_du_lieu={"TieuDe": "Tiến độ", "NgonNgu": "vi", "ChuDe": ["hồ sơ", "một cửa"]},
    )
    fields = {"MaHoSo": "H19.901-260115-0001", "NguoiXuLy": "A", "ThoiDiemXuLy": MOMENT, "TrangThai": 4}
    body = thong_diep(head, "CapNhatTienDo", fields)
    assert checked(body).kind.loai == "HS05"
    assert b"<lt:DangGoc>DongBoHoSoMC</lt:DangGoc>" in body


def test_the_same_content_gives_the_same_bytes(header):
    fields = {"MaHoSo": "H19.901-260115-0001", "NguoiXuLy": "A", "ThoiDiemXuLy": MOMENT, "TrangThai": 4}
    assert thong_diep(header(), "CapNhatTienDo", fields) == thong_diep(header(), "CapNhatTienDo", fields)


def test_a_message_needs_a_receiver(header):
    with pytest.raises(ValueError, match="receiver"):
        thong_diep(header(noi_nhan=()), "CapNhatTienDo", {})


def test_an_attachment_has_its_content_or_its_address(header):
    with pytest.raises(ValueError, match="one of the two"):
        thong_diep(header(), "CapNhatTienDo", {}, [Tep(ma="a", ten="a", loai="text/plain")])


def test_text_is_written_in_nfc_and_without_what_xml_cannot_hold():
    assert value_written(unicodedata.normalize("NFD", "Lê Đỗ Phượng Vỹ")) == "Lê Đỗ Phượng Vỹ"
    assert value_written("a\x00b\x1f\ufffec") == "a\ufffdb\ufffd\ufffdc"


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_any_text_can_be_written(text):
    root = etree.Element("a")
    root.text = value_written(text)
    assert unicodedata.is_normalized("NFC", etree.fromstring(etree.tostring(root)).text or "")


def test_moments_are_written_at_home_and_values_as_the_schema_says():
    assert value_written(MOMENT) == "2026-01-15T08:30:00+07:00"
    assert (
        value_written(datetime(2026, 1, 15, 10, 30, tzinfo=timezone(timedelta(hours=9)))) == "2026-01-15T08:30:00+07:00"
    )
    assert [value_written(v) for v in (True, False, 7, MOMENT.date())] == ["true", "false", "7", "2026-01-15"]


def test_absence_declares_its_prefix_where_it_stands(header):
    body = thong_diep(header(loai="HS03"), "TiepNhanHoSo", {"NgayHenTra": Trong("KHONG_CO")}).decode()
    assert f'<hs:NgayHenTra xmlns:xsi="{names.XSI}" LyDoTrong="KHONG_CO" xsi:nil="true"></hs:NgayHenTra>' in body


# --- receipts ---------------------------------------------------------------------------------------------------------


def test_a_receipt_says_what_became_of_a_message(letter):
    problems = [
        Problem(
            "XSD-021",
            {"element": "MaHoSo", "value": "A1", "expected": "H19.901-260115-0001"},
            Location(12, 5, "/lt:ThongDiep/lt:MaHoSo[1]"),
        ),
        Problem("XSD-208", {"value": "H19.909"}),
    ]
    read = letter(receipt(ket_qua=KetQua.TU_CHOI, loi=problems))
    assert read.content.effects == (Acknowledges(ma_thong_diep_goc=GOC, ket_qua=KetQua.TU_CHOI),)
    first, second = read.content.loi
    assert (first.ma, first.ma_chi_tiet, first.muc_do, first.vi_tri) == (
        "SCHEMA_KHONG_HOP_LE", "XSD-021", "LOI", "/lt:ThongDiep/lt:MaHoSo[1]",
    )  # fmt: skip
    assert second.muc_do == "CANH_BAO"


@pytest.mark.parametrize("outcome", list(KetQua))
def test_every_outcome_has_a_valid_receipt(letter, outcome):
    assert letter(receipt(ket_qua=outcome)).content.ket_qua is outcome


@pytest.mark.parametrize(
    "claimed",
    [
        {"ma_thong_diep_goc": "không phải UUID"},
        {"ma_thong_diep_goc": None},
        {"ma_thong_diep_goc": "0B9F7D3E-5C1A-4D27-9A6E-2F4C8E1B7A90"},
    ],
)
def test_a_claimed_id_that_is_none_is_left_out_and_the_digest_remains(letter, claimed):
    content = letter(receipt(ma_ho_so="A1", **claimed)).content
    assert (content.ma_thong_diep_goc, content.bam_noi_dung, content.effects) == (None, "0" * 64, ())


def test_a_receipt_for_an_unregistered_sender_stays_with_us(letter):
    assert letter(receipt(noi_nhan=None)).noi_nhan[0].ma_dinh_danh == "H19.900"


def test_a_receipt_of_more_problems_than_it_may_hold_and_of_ugly_ones_is_valid_and_small(letter):
    facts = {"element": "a\x00\ud800" * 3000, "parent": "\x1b[31m", "known": ["x" * 5000]}
    body = receipt(loi=[Problem("XSD-011", facts, Location(0, 0, "/a" * 3000))] * 1200)
    rows = letter(body).content.loi
    assert len(body) < 1_000_000
    assert rows[-1].ma_chi_tiet == "XSD-099"
    assert {row.ma_chi_tiet for row in rows[:-1]} == {"XSD-011"}


def test_an_ordinary_receipt_tells_every_problem(letter):
    problems = [
        Problem("XSD-010", {"element": f"E{n}", "parent": "X", "after": "A", "before": "B"}) for n in range(300)
    ]
    assert len(letter(receipt(loi=problems)).content.loi) == 300
