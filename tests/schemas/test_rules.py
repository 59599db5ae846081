"""The rules beyond the schema: each broken alone, as a refusal, as a remark, and not at all."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.core import written
from gateway.core.model import Address, Basis
from gateway.core.problems import Lang, Stopped, catalogue
from gateway.core.severity import Severity
from gateway.documents import Attested
from schemas.fresh import Size, fresh
from schemas.read import read
from schemas.rules import RULES, strange_rules
from schemas.strictness import RuleSettings
from schemas.write import LapThay, Tep, Trong, thong_diep

MA = "H19.901-260115-0001"
NOW = datetime(2026, 1, 15, 1, 0, tzinfo=UTC)
LATER = datetime(2026, 1, 20, tzinfo=UTC)
DAY = timedelta(days=1)
PDF = b"%PDF-1.7\n%%EOF"
ZIP = b"PK\x05\x06" + b"\x00" * 18


@pytest.fixture
def message(header):
    """One message by its fields; keywords starting with an underscore go to the header."""

    def make(loai, goc, fields, files=(), **head):
        return thong_diep(header(loai=loai, **head), goc, fields, files).decode()

    return make


@pytest.fixture
def hs01(message):
    """An HS01 in state 4; keywords replace or add fields, in schema order."""

    def make(**changes):
        fields = {
            "MaHoSo": MA,
            "MaTTHC": "1.001193",
            "TenTTHC": "Đăng ký khai sinh",
            "MaLinhVuc": "G15-TP01",
            "TenLinhVuc": "Hộ tịch",
            "LoaiDoiTuong": 1,
            "NgayTiepNhan": NOW - DAY,
            "NgayHenTra": None,
            "TrangThaiHoSo": 4,
            "NgayTra": None,
            "HinhThuc": 0,
            "NgayKetThucXuLy": None,
            "DonViXuLy": "Bộ phận một cửa",
            "DanhSachTaiLieuNop": None,
            "DanhSachLePhi": None,
            "DanhSachHoSoBoSung": None,
            "DanhSachGiayToKetQua": None,
            "NgayNopHoSo": None,
            "NguoiNop": None,
            "SoGiayToChuHoSo": None,
            "DanhSachDinhDanhCHS": None,
            "NgayTuChoi": None,
        }
        files = changes.pop("files", ())
        assert set(changes) <= set(fields)
        return message("HS01", "NopHoSo", {**fields, **changes}, files)

    return make


@pytest.fixture
def hs05_of(message):
    """An HS05; keywords replace or add fields, in schema order."""

    def make(head=None, **changes):
        fields = {"MaHoSo": MA, "NguoiXuLy": "A", "ThoiDiemXuLy": NOW, "NoiDungXuLy": None, "TrangThai": 4, "NgayBatDau": None,
                  "NgayKetThucTheoQuyDinh": None, "ThuTu": None}  # fmt: skip
        return message("HS05", "CapNhatTienDo", {**fields, **changes}, **(head or {}))

    return make


def paper(**file):
    """A paper submitted, and its file in the manifest."""
    given = {"ma": "a", "ten": "a.pdf", "loai": "application/pdf", "noi_dung": PDF, **file}
    papers = {"TaiLieuNop": [{"TenTepDinhKem": "Đơn", "MaDinhKem": "a"}]}
    return {"DanhSachTaiLieuNop": papers, "files": [Tep(**given)]}


def identity(kind, number):
    return {"DanhSachDinhDanhCHS": {"DinhDanhCHS": [{"LoaiDinhDanh": kind, "SoDinhDanh": number}]}}


HS11 = {"MaHoSo": MA, "NgayKetThucXuLy": NOW, "NgayTra": None, "HinhThuc": 0, "LoaiKetQua": "TRA_LAI"}
HS09 = {
    "MaHoSo": MA,
    "DanhSachLePhi": {"LePhi": [{"TenPhiLePhi": "Lệ phí", "Gia": 50000}, {"TenPhiLePhi": "Phí", "Gia": "100000.00"}]},
    "TongTien": 150001,
    "NoiDungThanhToan": "Nộp lệ phí",
}
HS16 = {"MaHoSo": MA, "NgayHenTraTruoc": LATER, "NgayHenTraMoi": LATER - DAY, "LyDo": "Chờ ý kiến"}
BIEN_NHAN = {"MaThongDiepGoc": "1b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90", "KetQua": "CHAP_NHAN", "ThoiDiem": NOW}
TWICE = (Address(ma_dinh_danh="H19.909"), Address(ma_dinh_danh="H19.909"))

# Rule -> how to break it, and where it must be told.
BREAKS = {
    "ma-ho-so-co-ngay-that": lambda m, a, b: b({"ma_ho_so": None}, MaHoSo="H19.901-261332-0001"),
    "ma-ho-so-chua-toi-ngay": lambda m, a, b: a(MaHoSo="H19.901-260117-0001").replace(
        f">{MA}<", ">H19.901-260117-0001<"
    ),
    "ma-ho-so-khop": lambda m, a, b: b({"ma_ho_so": "H19.901-260115-0002"}),
    "thu-tu-khop": lambda m, a, b: b({"thu_tu": 2}, ThuTu=3),
    "thoi-diem-tao-tuong-lai": lambda m, a, b: b({"thoi_diem_tao": datetime(2026, 1, 15, 2, 5, 1, tzinfo=UTC)}),
    "thoi-diem-tao-qua-cu": lambda m, a, b: b({"thoi_diem_tao": datetime(2025, 1, 1, tzinfo=UTC)}),
    "thoi-han-con": lambda m, a, b: b({"thoi_han": datetime(2026, 1, 15, 1, 59, tzinfo=UTC)}),
    "thoi-han-sau-luc-tao": lambda m, a, b: b(
        {"thoi_diem_tao": datetime(2026, 1, 15, 2, 4, tzinfo=UTC), "thoi_han": datetime(2026, 1, 15, 2, 3, tzinfo=UTC)}
    ),
    "noi-nhan-khong-lap": lambda m, a, b: b({"noi_nhan": TWICE}),
    "thong-diep-goc-khop": lambda m, a, b: m(
        "HS02", "BienNhan", BIEN_NHAN, ma_thong_diep_goc="2b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90"
    ),
    "lap-thay-cua-truc": lambda m, a, b: b(
        {"lap_thay": LapThay(ma_dinh_danh="H19.900", thoi_diem=NOW, bam_noi_dung="0" * 64)}
    ),
    "cham-diem-kenh": lambda m, a, b: a(),
    "cham-diem-bo-sung": lambda m, a, b: a(
        DanhSachHoSoBoSung={"HoSoBoSung": [{"HoSoBoSungId": 1}, {"HoSoBoSungId": 2}]}
    ),
    "cham-diem-tre-hen": lambda m, a, b: a(TrangThaiHoSo=9, NgayHenTra=NOW - DAY, NgayKetThucXuLy=NOW),
    "cham-diem-ket-qua": lambda m, a, b: a(TrangThaiHoSo=9, NgayKetThucXuLy=NOW),
    "cham-diem-hen-tra": lambda m, a, b: a(),
    "cham-diem-tep-ket-qua": lambda m, a, b: a(DanhSachGiayToKetQua={"GiayToKetQua": [{"TenGiayTo": "Giấy"}]}),
    "cham-diem-thanh-toan": lambda m, a, b: a(
        TrangThaiHoSo=9, NgayKetThucXuLy=NOW, DanhSachLePhi={"LePhi": [{"TenPhiLePhi": "Lệ phí", "Gia": 50000}]}
    ),
    "cham-diem-bo-sung-do": lambda m, a, b: a(
        TrangThaiHoSo=9, NgayKetThucXuLy=NOW, DanhSachHoSoBoSung={"HoSoBoSung": [{"HoSoBoSungId": 1}]}
    ),
    "cham-diem-so-hoa": lambda m, a, b: a(),
    "cham-diem-tep-nop": lambda m, a, b: a(DanhSachTaiLieuNop={"TaiLieuNop": [{"TenTepDinhKem": "Đơn"}]}),
    "cham-diem-thieu-ngay": lambda m, a, b: a(NgayTiepNhan=None),
    "cham-diem-ngay-nguoc": lambda m, a, b: a(NgayHenTra=NOW - 2 * DAY),
    "cham-diem-so-gia": lambda m, a, b: a(SoGiayToChuHoSo="000000001"),
    "dinh-kem-base64": lambda m, a, b: a(**paper()).replace("<lt:NoiDung>", "<lt:NoiDung>*"),
    "dinh-kem-dung-kich-thuoc": lambda m, a, b: a(**paper()).replace("<lt:SoByte>14", "<lt:SoByte>15"),
    "dinh-kem-dung-bam": lambda m, a, b: a(**paper()).replace("<lt:NoiDung>JVBERi0xLjc", "<lt:NoiDung>JVBERi0xLjY"),
    "dinh-kem-co-trong-bang-ke": lambda m, a, b: a(DanhSachTaiLieuNop=paper()["DanhSachTaiLieuNop"]),
    "dinh-kem-duoc-dung": lambda m, a, b: a(files=paper()["files"]),
    "dinh-kem-dung-kieu": lambda m, a, b: a(**paper(loai="image/png")),
    "dinh-kem-dinh-dang-mo": lambda m, a, b: a(
        **paper(ten="a.zip", loai="application/zip", noi_dung=ZIP + b"PK\x03\x04")
    ).replace("application/zip", "application/octet-stream"),
    "dinh-kem-qua-https": lambda m, a, b: a(
        **paper(noi_dung=None, duong_dan="http://a.example/a.pdf", so_byte=1, sha256="12" * 32)
    ),
    "dinh-kem-dia-chi-cong-khai": lambda m, a, b: a(
        **paper(noi_dung=None, duong_dan="https://10.0.0.1/a.pdf", so_byte=1, sha256="12" * 32)
    ),
    "dinh-kem-bam-co-that": lambda m, a, b: a(
        **paper(noi_dung=None, duong_dan="https://a.example/a.pdf", so_byte=1, sha256="0" * 64)
    ),
    "dinh-kem-khong-macro": None,  # test_attachments has the files
    "truong-theo-trang-thai": lambda m, a, b: a(TrangThaiHoSo=1, NgayTiepNhan=None, DonViXuLy=None),
    "ngay-theo-thu-tu": lambda m, a, b: m("HS16", "GiaHan", HS16),
    "su-kien-khong-tuong-lai": lambda m, a, b: b(ThoiDiemXuLy=datetime(2026, 1, 15, 2, 5, 1, tzinfo=UTC)),
    "ly-do-khi-dung-hoac-tu-choi": lambda m, a, b: b(TrangThai=8),
    "tong-phi-dung": lambda m, a, b: m("HS09", "YeuCauThanhToan", HS09),
    "thu-tuc-da-biet": lambda m, a, b: a(MaTTHC="1.999999"),
    "so-dinh-danh-dung-loai": lambda m, a, b: a(**identity(1, "075990123")),
    "so-dinh-danh-khong-gia": lambda m, a, b: a(SoGiayToChuHoSo="000000001"),
    "ngay-sinh-da-qua": lambda m, a, b: a(
        NguoiNop={"HoTen": "Lê Đỗ Phượng Vỹ", "NgaySinh": (datetime(2026, 1, 16)).date()}
    ),
    "ban-goc-dung-bam": None,  # below
}
# Rule -> the code that refuses, and the one that remarks where the rule may be set to warn.
REFUSES = {
    "ma-ho-so-co-ngay-that": "XSD-101",
    "ma-ho-so-khop": "XSD-102",
    "thu-tu-khop": "XSD-103",
    "thoi-diem-tao-tuong-lai": "XSD-104",
    "thoi-diem-tao-qua-cu": "XSD-105",
    "thoi-han-con": "XSD-106",
    "thoi-han-sau-luc-tao": "XSD-107",
    "noi-nhan-khong-lap": "XSD-108",
    "thong-diep-goc-khop": "XSD-109",
    "lap-thay-cua-truc": "XSD-110",
    "ma-ho-so-chua-toi-ngay": "XSD-111",
    "dinh-kem-base64": "XSD-120",
    "dinh-kem-dung-kich-thuoc": "XSD-121",
    "dinh-kem-dung-bam": "XSD-122",
    "dinh-kem-co-trong-bang-ke": "XSD-123",
    "dinh-kem-duoc-dung": "XSD-124",
    "dinh-kem-dung-kieu": "XSD-125",
    "dinh-kem-dinh-dang-mo": "XSD-126",
    "dinh-kem-qua-https": "XSD-127",
    "truong-theo-trang-thai": "XSD-130",
    "ngay-theo-thu-tu": "XSD-131",
    "su-kien-khong-tuong-lai": "XSD-132",
    "ly-do-khi-dung-hoac-tu-choi": "XSD-133",
    "tong-phi-dung": "XSD-134",
    "thu-tuc-da-biet": "XSD-135",
    "so-dinh-danh-dung-loai": "XSD-136",
    "so-dinh-danh-khong-gia": "XSD-137",
    "ngay-sinh-da-qua": "XSD-138",
    "cham-diem-kenh": "XSD-140",
    "cham-diem-bo-sung": "XSD-141",
    "cham-diem-tre-hen": "XSD-142",
    "cham-diem-ket-qua": "XSD-143",
    "dinh-kem-dia-chi-cong-khai": "XSD-144",
    "dinh-kem-bam-co-that": "XSD-145",
    "cham-diem-hen-tra": "XSD-146",
    "cham-diem-tep-ket-qua": "XSD-147",
    "cham-diem-thanh-toan": "XSD-148",
    "cham-diem-bo-sung-do": "XSD-149",
    "cham-diem-so-hoa": "XSD-151",
    "cham-diem-tep-nop": "XSD-152",
    "cham-diem-thieu-ngay": "XSD-153",
    "cham-diem-ngay-nguoc": "XSD-154",
    "cham-diem-so-gia": "XSD-155",
}
REMARKS = {
    "ma-ho-so-co-ngay-that": "XSD-201",
    "thu-tu-khop": "XSD-203",
    "thoi-diem-tao-tuong-lai": "XSD-204",
    "thoi-diem-tao-qua-cu": "XSD-205",
    "thoi-han-con": "XSD-206",
    "thoi-han-sau-luc-tao": "XSD-207",
    "noi-nhan-khong-lap": "XSD-208",
    "thong-diep-goc-khop": "XSD-209",
    "lap-thay-cua-truc": "XSD-210",
    "dinh-kem-duoc-dung": "XSD-224",
    "dinh-kem-dung-kieu": "XSD-225",
    "dinh-kem-dinh-dang-mo": "XSD-226",
    "dinh-kem-qua-https": "XSD-227",
    "truong-theo-trang-thai": "XSD-230",
    "ngay-theo-thu-tu": "XSD-231",
    "su-kien-khong-tuong-lai": "XSD-232",
    "ly-do-khi-dung-hoac-tu-choi": "XSD-233",
    "tong-phi-dung": "XSD-234",
    "thu-tuc-da-biet": "XSD-235",
    "so-dinh-danh-dung-loai": "XSD-236",
    "so-dinh-danh-khong-gia": "XSD-237",
    "ngay-sinh-da-qua": "XSD-238",
    "cham-diem-kenh": "XSD-240",
    "cham-diem-bo-sung": "XSD-241",
    "cham-diem-tre-hen": "XSD-242",
    "cham-diem-ket-qua": "XSD-243",
    "cham-diem-hen-tra": "XSD-246",
    "cham-diem-tep-ket-qua": "XSD-247",
    "cham-diem-thanh-toan": "XSD-248",
    "cham-diem-bo-sung-do": "XSD-249",
    "cham-diem-so-hoa": "XSD-251",
    "cham-diem-tep-nop": "XSD-252",
    "cham-diem-thieu-ngay": "XSD-253",
    "cham-diem-ngay-nguoc": "XSD-254",
    "cham-diem-so-gia": "XSD-255",
}
UNSEEN = "XSD-250"  # said of every file that lies elsewhere, whatever the rules
PLACES = {
    "ma-ho-so-chua-toi-ngay": "/hs:MaHoSo[1]",
    "ma-ho-so-khop": "/lt:MaHoSo[1]",
    "thoi-diem-tao-tuong-lai": "/lt:ThoiDiemTao[1]",
    "thoi-han-con": "/lt:ThoiHan[1]",
    "noi-nhan-khong-lap": "/lt:NoiNhan[2]/lt:MaDinhDanh[1]",
    "dinh-kem-base64": "/lt:NoiDung[1]",
    "dinh-kem-dung-kich-thuoc": "/lt:SoByte[1]",
    "dinh-kem-co-trong-bang-ke": "/hs:MaDinhKem[1]",
    "dinh-kem-duoc-dung": "/lt:MaDinhKem[1]",
    "ngay-theo-thu-tu": "/hs:NgayHenTraMoi[1]",
    "tong-phi-dung": "/hs:TongTien[1]",
    "cham-diem-tep-nop": "/hs:TaiLieuNop[1]",
    "cham-diem-tep-ket-qua": "/hs:GiayToKetQua[1]",
    "so-dinh-danh-dung-loai": "/hs:SoDinhDanh[1]",
}
ALWAYS = {"procedures": ("1.001193", "1.001612")}  # so that the rule on procedures has something to know
RULE = {rule.name: rule for rule in RULES}
BREAKABLE = sorted(REFUSES)


@pytest.fixture
def broken(message, hs01, hs05_of):
    """A message that breaks one rule."""
    return lambda name: BREAKS[name](message, hs01, hs05_of)


def settings_of(catalog, **severity):
    return catalog.replace(rules=RuleSettings(severity={k: Severity(v) for k, v in severity.items()}, **ALWAYS))


def test_every_rule_is_broken_by_a_test():
    assert set(BREAKS) == set(RULE)
    assert set(REFUSES) == {name for name, how in BREAKS.items() if how is not None}
    assert set(REMARKS) == {name for name in REFUSES if not RULE[name].locked}


@pytest.mark.parametrize("name", BREAKABLE)
def test_a_broken_rule_refuses_at_its_place(problems, catalog, broken, name):
    rule = RULE[name]
    severity = {other.name: "off" for other in RULES if not other.locked} | ({} if rule.locked else {name: "reject"})
    found = problems(broken(name), settings_of(catalog, **severity))
    assert [p.code for p in found] == [REFUSES[name]]
    assert found[0].at.line
    assert found[0].at.xpath.endswith(PLACES.get(name, "")), found[0].at
    for lang in Lang:
        assert "…" not in found[0].message(lang) + found[0].remedy(lang)


@pytest.mark.parametrize("name", sorted(REMARKS))
def test_a_broken_rule_set_to_warn_is_a_remark_on_the_letter(letter, catalog, broken, name):
    others = {other.name: "off" for other in RULES if not other.locked and other.name != name}
    read = letter(broken(name), settings_of(catalog, **others, **{name: "warn"}))
    assert [p.code for p in read.notes if p.code != UNSEEN] == [REMARKS[name]]
    assert read.notes[0].at.line


@pytest.mark.parametrize("name", [n for n in BREAKABLE if not RULE[n].locked])
def test_a_broken_rule_set_to_off_is_not_looked_at(letter, catalog, broken, name):
    read = letter(broken(name), settings_of(catalog, **{r.name: "off" for r in RULES if not r.locked}))
    assert [p.code for p in read.notes if p.code != UNSEEN] == []


def test_a_severity_can_be_set_for_one_type_alone(codes, catalog, broken):
    settings = settings_of(catalog, **{"HS05.ly-do-khi-dung-hoac-tu-choi": "off"})
    assert codes(broken("ly-do-khi-dung-hoac-tu-choi"), settings) == []
    other = settings_of(catalog, **{"HS11.ly-do-khi-dung-hoac-tu-choi": "off"})
    assert codes(broken("ly-do-khi-dung-hoac-tu-choi"), other) == ["XSD-133"]


def test_a_partys_own_severity_counts_before_the_nodes_and_cannot_switch_integrity_off(catalog):
    node = settings_of(catalog, **{"cham-diem-kenh": "off", "thoi-han-con": "off"})
    party = {"HS01.cham-diem-kenh": Severity.WARN, "thoi-han-con": Severity.REJECT, "dinh-kem-dung-bam": Severity.OFF}
    codes = {one.rule.name: one.code for one in node.rules_of("HS01", party)}
    assert (codes["cham-diem-kenh"], codes["thoi-han-con"], codes["dinh-kem-dung-bam"]) == (
        "XSD-240",
        "XSD-106",
        "XSD-122",
    )
    assert {"cham-diem-kenh", "thoi-han-con"} & {one.rule.name for one in node.rules_of("HS01")} == set()


@pytest.mark.parametrize("name", sorted(n for n, r in RULE.items() if r.locked and BREAKS[n]))
def test_integrity_cannot_be_switched_off(codes, catalog, broken, name):
    assert REFUSES[name] in codes(broken(name), settings_of(catalog, **{name: "off"}))
    assert strange_rules({name: Severity.OFF}) == [name]


def test_settings_come_from_toml_and_unknown_rules_are_told():
    text = '[severity]\n"HS05.ngay-theo-thu-tu" = "warn"\n"khong-co" = "off"\n'
    settings = written.decode_toml(RuleSettings, written.read_toml(text, "rules.toml"), base=Path())
    assert settings.severity["HS05.ngay-theo-thu-tu"] is Severity.WARN
    assert strange_rules(settings.severity) == ["khong-co"]
    with pytest.raises(Stopped):
        written.decode_toml(RuleSettings, written.read_toml('[severity]\n"a" = "maybe"\n', "rules.toml"), base=Path())


def test_each_remark_says_what_its_refusal_says():
    words = tomllib.loads((Path(written.__file__).parent / "problems" / "xsd.toml").read_text("utf-8"))
    for rule in RULES:
        assert rule.code in words
        assert catalogue()[rule.code].outcome.value == "failed"
        if rule.note is not None:
            assert catalogue()[rule.note].outcome.value == "note"
            for part in ("vi", "en", "remedy_vi", "remedy_en", "source", "token"):
                assert words[rule.note][part] == words[rule.code][part]


def test_what_the_gateway_composed_itself_may_say_so(parsed, catalog, hs05_of):
    body = BREAKS["lap-thay-cua-truc"](None, None, hs05_of)
    document = parsed(body)
    attested = Attested(
        envelope=document.envelope,
        body=document.body,
        root=document.root,
        kind=catalog.kind_of(document.root),
        basis=Basis.COMPOSED,
    )
    assert read(attested, catalog).notes == ()


def test_the_score_is_nobodys_business_unless_asked(letter, hs01):
    assert letter(hs01(TrangThaiHoSo=9, NgayHenTra=NOW - DAY, NgayKetThucXuLy=NOW)).notes == ()


def test_times_on_the_edge_are_inside(codes, hs05_of, at):
    edge = at + timedelta(seconds=300)
    assert codes(hs05_of({"thoi_diem_tao": edge}, ThoiDiemXuLy=edge)) == []
    assert codes(hs05_of({"thoi_diem_tao": at - timedelta(days=366)})) == []
    assert codes(hs05_of({"thoi_han": at})) == []


def test_the_window_is_measured_from_the_receipt_not_from_today(codes, hs05_of, at):
    body = hs05_of()
    made = datetime(2026, 1, 15, 1, 30, tzinfo=UTC)
    assert codes(body, at=made + timedelta(days=366)) == []
    assert codes(body, at=made + timedelta(days=366, seconds=1)) == ["XSD-105"]
    assert codes(body, at=at - timedelta(days=1)) == ["XSD-104", "XSD-132"]


@pytest.mark.parametrize(
    ("code", "good"),
    [("H19.901-280229-0001", True), ("H19.901-270229-0001", False), ("H19.901-20270229-0001", False), ("H19.901-20280229-0001", True),
     ("H19.901-261332-0001", False), ("H19.901-260000-0001", False), ("000.99.01.H19-150115-0001", True), ("G09.20-20260115-0090001", True),
     ("H19.901-18991231-0001", False)],
)  # fmt: skip
def test_dossier_codes_follow_the_calendar(codes, hs05_of, code, good):
    found = codes(hs05_of({"ma_ho_so": None}, MaHoSo=code))
    assert found == ([] if good else ["XSD-101"])


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"TrangThaiHoSo": 1, "NgayTiepNhan": None, "DonViXuLy": None, "NgayNopHoSo": NOW}, True),
        ({"TrangThaiHoSo": 2, "NgayTiepNhan": None}, False),
        ({"TrangThaiHoSo": 3, "NgayTiepNhan": None, "DonViXuLy": None, "NgayTuChoi": NOW}, True),
        ({"TrangThaiHoSo": 3, "NgayTiepNhan": None, "DonViXuLy": None}, False),
        ({"TrangThaiHoSo": 5, "NgayTiepNhan": None, "DonViXuLy": None}, True),
        ({"TrangThaiHoSo": 9, "NgayKetThucXuLy": NOW}, True),
        ({"TrangThaiHoSo": 9}, False),
        ({"TrangThaiHoSo": 10, "NgayKetThucXuLy": NOW}, False),
        ({"TrangThaiHoSo": 10, "NgayKetThucXuLy": NOW, "NgayTra": NOW}, True),
        ({"NgayHenTra": Trong("CHUA_XAC_DINH")}, True),
        ({"NgayHenTra": NOW - 2 * DAY}, False),
        ({"NgayHenTra": NOW - DAY}, True),
    ],
)
def test_a_dossier_has_what_its_state_needs_and_dates_in_order(codes, hs01, changes, good):
    assert (codes(hs01(**changes)) == []) == good


@pytest.mark.parametrize(
    ("kind", "number", "good"),
    [
        (1, "075990000002", True),
        (2, "079900002", True),
        (1, "079900002", False),
        (2, "075990000002", False),
        (1, "B75990000002", False),
    ],
)
def test_an_identity_number_has_the_length_of_its_kind_and_is_not_quoted(problems, hs01, kind, number, good):
    found = problems(hs01(**identity(kind, number)))
    assert [p.code for p in found] == ([] if good else ["XSD-136"])
    assert all(number not in str(p.facts) for p in found)


@pytest.mark.parametrize("filler", ["000000001", "000000000000", "111111111", "123456789", "123456789012"])
def test_a_filler_number_is_refused_and_absence_has_its_own_form(codes, hs01, filler):
    assert codes(hs01(SoGiayToChuHoSo=filler)) == ["XSD-137"]
    assert codes(hs01(SoGiayToChuHoSo=Trong("KHONG_CO"))) == []


@pytest.mark.parametrize(
    ("loai", "goc", "fields", "broken"),
    [
        ("HS11", "TraKetQua", HS11, ["XSD-133"]),
        ("HS11", "TraKetQua", {**HS11, "LyDo": "Xin rút"}, []),
        ("HS12", "DongYRutHoSo", {"MaHoSo": MA, "KetQua": "KHONG_DONG_Y"}, ["XSD-133"]),
        ("HS12", "DongYRutHoSo", {"MaHoSo": MA, "KetQua": "DONG_Y"}, []),
        ("HS09", "YeuCauThanhToan", {**HS09, "TongTien": "150000.0"}, []),
    ],
)
def test_reasons_and_sums(codes, message, loai, goc, fields, broken):
    assert codes(message(loai, goc, fields)) == broken


def test_a_kept_original_has_the_digest_it_is_said_to_have(codes, catalog, at):
    body = fresh("HS14", at=at, size=Size.FULL, seed=2, catalog=catalog).decode()
    assert codes(body) == []
    start = body.index("<hs:BamNoiDung>") + len("<hs:BamNoiDung>")
    assert codes(body[:start] + "f" * 64 + body[start + 64 :]) == ["XSD-139"]


def test_several_rules_broken_are_told_together(codes, hs05_of):
    body = hs05_of({"ma_ho_so": "H19.901-261332-0002", "noi_nhan": TWICE}, TrangThai=8)
    assert codes(body) == ["XSD-108", "XSD-101", "XSD-102", "XSD-133"]


def test_a_rule_that_warns_does_not_hold_back_one_that_rejects(codes, catalog, hs05_of):
    settings = settings_of(catalog, **{"noi-nhan-khong-lap": "warn"})
    body = hs05_of({"noi_nhan": TWICE}, TrangThai=8)
    assert codes(body, settings) == ["XSD-208", "XSD-133"]
