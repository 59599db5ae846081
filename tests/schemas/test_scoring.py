"""The lint of a dossier as the national portal is told of it: each rule broken alone, and a good dossier that breaks none."""

import re
from pathlib import Path

import pytest
from lxml import etree

from gateway.core.problems import Lang, catalogue
from gateway.core.severity import Severity
from schemas import scoring
from schemas.names import hs
from schemas.rules import RULES

ROOT = Path(__file__).parents[2]

GOOD = {
    "MaHoSo": "H19.901-260115-0001",
    "KenhThucHien": "2",
    "TrangThaiHoSo": "10",
    "NgayNopHoSo": "20260115080000",
    "NgayTiepNhan": "20260115090000",
    "NgayHenTra": "20260120170000",
    "NgayKetThucXuLy": "20260119100000",
    "NgayTra": "20260119140000",
    "HoSoCoThanhPhanSoHoa": "1",
    "SoGiayToChuHoSo": "075990000001",
    "DuocThanhToanTrucTuyen": "1",
    "DanhSachLePhi": [{"TenPhiLePhi": "Lệ phí", "Gia": "50000"}],
    "TaiLieuNop": [{"TenTepDinhKem": "Đơn", "DuongDanTaiTepTin": "https://a.example/1", "DuocSoHoa": "1"}],
    "DanhSachHoSoBoSung": [{"HoSoBoSungId": "1", "NgayTiepNhanBoSung": "20260116080000"}],
    "DanhSachGiayToKetQua": [{"TenGiayTo": "Giấy", "DuongDanTepTinKetQua": "https://a.example/2"}],
    "DinhDanhCHS": [{"LoaiDinhDanh": "1", "SoDinhDanh": "075990000001"}],
}
# Rule -> what to change in the good dossier (None: take away), and the place that is told.
BREAKS = {
    "cham-diem-kenh": ({"KenhThucHien": None}, "KenhThucHien"),
    "cham-diem-bo-sung": (
        {"DanhSachHoSoBoSung": [GOOD["DanhSachHoSoBoSung"][0]] * 2},
        "DanhSachHoSoBoSung/HoSoBoSung[2]",
    ),
    "cham-diem-bo-sung-do": ({"DanhSachHoSoBoSung": [{"HoSoBoSungId": "1"}]}, "DanhSachHoSoBoSung/HoSoBoSung[1]"),
    "cham-diem-tre-hen": ({"NgayHenTra": "20260119095959"}, "NgayKetThucXuLy"),
    "cham-diem-ket-qua": ({"DanhSachGiayToKetQua": None}, "TrangThaiHoSo"),
    "cham-diem-tep-ket-qua": (
        {"DanhSachGiayToKetQua": [*GOOD["DanhSachGiayToKetQua"], {"TenGiayTo": "Hai"}]},
        "DanhSachGiayToKetQua/GiayToKetQua[2]",
    ),
    "cham-diem-tep-nop": ({"TaiLieuNop": [{"TenTepDinhKem": "Đơn", "DuocSoHoa": "1"}]}, "TaiLieuNop[1]"),
    "cham-diem-hen-tra": ({"NgayHenTra": None}, "NgayHenTra"),
    "cham-diem-thieu-ngay": ({"NgayTra": None}, "NgayTra"),
    "cham-diem-ngay-nguoc": ({"NgayTra": "20260119095959"}, "NgayTra"),
    "cham-diem-thanh-toan": ({"DuocThanhToanTrucTuyen": None}, "DanhSachLePhi"),
    "cham-diem-so-hoa": ({"HoSoCoThanhPhanSoHoa": "0"}, "HoSoCoThanhPhanSoHoa"),
    "cham-diem-so-gia": (
        {"DinhDanhCHS": [{"LoaiDinhDanh": "1", "SoDinhDanh": "123456789012"}]},
        "DinhDanhCHS[1]/SoDinhDanh",
    ),
}


def packet(changes):
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


def found(changes=None):
    return [(rule.id, problem.at.xpath) for rule, problem in scoring.flaws(packet(changes or {}))]


def test_a_good_dossier_has_no_flaw():
    assert found() == []


def test_every_rule_is_broken_by_a_test():
    assert set(BREAKS) == {rule.id for rule in scoring.LINT}


@pytest.mark.parametrize("name", BREAKS)
def test_a_rule_is_broken_alone_at_its_place(name):
    changes, place = BREAKS[name]
    assert found(changes) == [(name, place)]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"TrangThaiHoSo": "2", "NgayKetThucXuLy": None, "NgayTra": None, "NgayHenTra": None}, ["cham-diem-hen-tra"]),
        (
            {"TrangThaiHoSo": "3", "NgayTuChoi": None, "NgayKetThucXuLy": None, "NgayTra": None},
            ["cham-diem-thieu-ngay"],
        ),
        ({"TrangThaiHoSo": "3", "NgayTuChoi": "20260115100000"}, []),
        ({"NgayTiepNhan": None}, ["cham-diem-thieu-ngay"]),
        ({"NgayNopHoSo": None}, ["cham-diem-thieu-ngay"]),
        ({"NgayNopHoSo": None, "KenhThucHien": "1"}, []),
        ({"NgayHenTra": "20260115085959"}, ["cham-diem-ngay-nguoc", "cham-diem-tre-hen"]),
        ({"NgayKetThucXuLy": "20260115085959"}, ["cham-diem-ngay-nguoc"]),
        ({"NgayKetThucXuLy": "20260120170000", "NgayTra": "20260120170000"}, []),
        ({"DanhSachGiayToKetQua": None, "ThongTinTra": "Không đủ điều kiện"}, []),
        ({"DanhSachLePhi": [{"TenPhiLePhi": "Lệ phí", "Gia": "0"}], "DuocThanhToanTrucTuyen": None}, []),
        ({"TaiLieuNop": [{"TenTepDinhKem": "Đơn", "IsDeleted": "true", "DuocSoHoa": "1"}]}, []),
        ({"TaiLieuNop": [{"TenTepDinhKem": "Đơn", "MaDinhKem": "a", "DuocSoHoa": "0"}]}, ["cham-diem-so-hoa"]),
        ({"SoGiayToChuHoSo": "000000000000"}, ["cham-diem-so-gia"]),
        ({"TrangThaiHoSo": "1", "NgayTiepNhan": None, "NgayHenTra": None, "HoSoCoThanhPhanSoHoa": None}, []),
    ],
)
def test_what_a_state_does_not_need_is_not_missed(changes, name):
    assert [rule for rule, _ in found(changes)] == name


@pytest.mark.parametrize(
    ("number", "filler"),
    [
        ("000000000000", True),
        ("111111111111", True),
        ("123456789012", True),
        ("012345678901", True),
        ("987654321", True),
        ("000000001", True),
        ("123123123", True),
        ("075990000001", False),
        ("271234567", False),
        ("12345", False),
        ("", False),
    ],
)
def test_a_number_that_is_filled_in_is_known_by_its_digits(number, filler):
    assert scoring.is_filler(number) is filler


def element(name, *children, text=None):
    made = etree.Element(hs(name))
    made.text = text
    made.extend(children)
    return made


@pytest.mark.parametrize(
    ("loai", "children", "name", "found"),
    [
        ("HS03", [("NgayTiepNhan", "2026-01-15T09:00:00+07:00")], "cham-diem-hen-tra", True),
        ("HS03", [("NgayHenTra", "2026-01-15T09:00:00+07:00")], "cham-diem-hen-tra", False),
        ("HS11", [("NgayKetThucXuLy", "2026-01-15T09:00:00+07:00")], "cham-diem-ket-qua", True),
        ("HS11", [("LoaiKetQua", "TRA_LAI"), ("LyDo", "Xin rút")], "cham-diem-ket-qua", False),
    ],
)
def test_a_message_is_asked_of_what_it_says_of_its_dossier(loai, children, name, found):
    payload = element("X", *(element(child, text=text) for child, text in children))
    (rule,) = [rule for rule in scoring.LINT if rule.id == name]
    assert loai in rule.types
    assert bool(list(rule.look(scoring.packet_in(payload, loai)))) is found


def test_no_flaw_quotes_a_persons_number():
    for changes, _ in BREAKS.values():
        for _, problem in scoring.flaws(packet(changes)):
            said = [problem.message(lang) for lang in Lang]
            assert not re.search(r"\d{9,}", "".join(map(str, (problem.facts, said))))


def test_no_rule_of_the_lint_refuses_or_remarks_by_itself_and_each_says_whence_it_comes():
    door = {rule.name: rule for rule in RULES}
    for one in scoring.LINT:
        assert door[one.id].default is Severity.OFF
        assert (door[one.id].code, door[one.id].note) == (one.code, one.note)
        assert "chưa tìm được công thức" in one.source
        assert "formula was not found" in one.source
        assert "chưa tìm được công thức" in catalogue()[one.code].source
