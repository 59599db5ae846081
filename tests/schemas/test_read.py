"""What a letter says, read from the verified tree alone; what a schema cannot say."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.core.model import Address, Basis
from gateway.core.problems import Stopped
from gateway.documents import Attested, Kind
from schemas.fields import NOWHEN, Fields, instant
from schemas.fresh import Size, fresh
from schemas.names import HO_SO, hs
from schemas.read import read
from schemas.write import Tep, Trong, thong_diep

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def test_the_header_is_read_whole(letter, header):
    body = thong_diep(
        header(
            ma_tuong_quan="viec-7",
            thu_tu=3,
            thoi_han=datetime(2026, 2, 1, tzinfo=UTC),
            noi_nhan=(Address(ma_dinh_danh="H19.909", he_thong="Cổng"), Address(ma_dinh_danh="H19.902.01")),
        ),
        "CapNhatTienDo",
        {
            "MaHoSo": "H19.901-260115-0001",
            "NguoiXuLy": "A",
            "ThoiDiemXuLy": datetime(2026, 1, 15, 1, 0, tzinfo=UTC),
            "TrangThai": 4,
        },
    )
    read = letter(body)
    assert read.ma_thong_diep == "0b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90"
    assert read.noi_gui == Address(ma_dinh_danh="H19.901", ten_co_quan="Sở Tư pháp (thử nghiệm)")
    assert [a.ma_dinh_danh for a in read.noi_nhan] == ["H19.909", "H19.902.01"]
    assert (read.ma_ho_so, read.ma_tuong_quan, read.thu_tu) == ("H19.901-260115-0001", "viec-7", 3)
    assert read.thoi_diem_tao == datetime(2026, 1, 15, 1, 30, tzinfo=UTC)
    assert read.thoi_han == datetime(2026, 2, 1, tzinfo=UTC)
    assert (read.basis, read.signer) == (Basis.CHANNEL, None)


def test_the_payloads_code_and_number_stand_for_the_headers(letter, header):
    fields = {
        "MaHoSo": "H19.901-260115-0001",
        "NguoiXuLy": "A",
        "ThoiDiemXuLy": datetime(2026, 1, 15, tzinfo=UTC),
        "TrangThai": 4,
    }
    read = letter(thong_diep(header(ma_ho_so=None), "CapNhatTienDo", {**fields, "ThuTu": 9}))
    assert (read.ma_ho_so, read.thu_tu) == ("H19.901-260115-0001", 9)


def test_only_the_attested_tree_is_believed(parsed, catalog, hs05):
    """The body says one thing, the verified tree another: the tree counts."""
    document = parsed(hs05)
    tree = parsed(hs05.replace("<hs:TrangThai>4", "<hs:TrangThai>9")).root
    kind = catalog.kind_of(tree)
    attested = Attested(envelope=document.envelope, body=document.body, root=tree, kind=kind, basis=Basis.SIGNATURE)
    assert read(attested, catalog).content.trang_thai == 9


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("<hs:TrangThai>4", "<hs:TrangThai>44", "XSD-092"),
        (">1.0<", ">1.1<", "XSD-092"),
        ("hs:CapNhatTienDo", "hs:NopHoSo", "XSD-005"),
    ],
)
def test_a_verified_tree_that_is_not_what_was_checked_is_refused(parsed, catalog, hs05, old, new, code):
    kind = Kind(loai="HS05", goc="CapNhatTienDo", phien_ban="1.0")
    document = parsed(hs05)
    tree = parsed(hs05.replace(old, new)).root
    with pytest.raises(Stopped) as stopped:
        read(
            Attested(envelope=document.envelope, body=document.body, root=tree, kind=kind, basis=Basis.SIGNATURE),
            catalog,
        )
    assert [problem.code for problem in stopped.value.problems] == [code]


# --- absence (Circular 13/2017) ---------------------------------------------------------------------------------------


@pytest.fixture
def hs03(header):
    """An HS03 with whatever stands for NgayHenTra."""

    def make(hen_tra):
        fields = {
            "MaHoSo": "H19.901-260115-0001",
            "NgayTiepNhan": datetime(2026, 1, 15, 1, 0, tzinfo=UTC),
            "NgayHenTra": hen_tra,
            "CanBoTiepNhan": "Trần Thị Bưởi",
            "DonViXuLy": "Bộ phận một cửa",
        }
        return thong_diep(header(loai="HS03"), "TiepNhanHoSo", fields).decode()

    return make


@pytest.mark.parametrize("reason", ["KHONG_CO", "KHONG_DUOC_CHIA_SE", "CHUA_XAC_DINH", "KHONG_DAY_DU"])
def test_an_absent_value_with_its_reason_is_read_as_none(letter, hs03, reason):
    assert letter(hs03(Trong(reason))).content.ngay_hen_tra is None


def test_absence_without_a_reason_is_refused_where_it_stands(problems, hs03):
    (found,) = problems(hs03(Trong("KHONG_CO")).replace(' LyDoTrong="KHONG_CO"', ""))
    assert (found.code, found.at.xpath) == (
        "XSD-032",
        "/lt:ThongDiep/lt:ThanPhan[1]/hs:TiepNhanHoSo[1]/hs:NgayHenTra[1]",
    )
    assert found.at.line


@pytest.mark.parametrize("nil", ["", f' {XSI} xsi:nil="false"', f' {XSI} xsi:nil="0"'])
def test_a_value_has_no_reason_for_its_absence(codes, hs03, nil):
    body = hs03(datetime(2026, 1, 20, tzinfo=UTC)).replace(
        "<hs:NgayHenTra>", f'<hs:NgayHenTra{nil} LyDoTrong="KHONG_CO">'
    )
    assert codes(body) == ["XSD-033"]


def test_an_invented_reason_is_refused_by_the_schema(codes, hs03):
    assert codes(hs03(Trong("KHONG_THICH"))) == ["XSD-022"]


def test_a_value_beside_nil_is_refused(codes, hs03):
    body = hs03(datetime(2026, 1, 20, tzinfo=UTC))
    assert codes(body.replace("<hs:NgayHenTra>", f'<hs:NgayHenTra {XSI} xsi:nil="true" LyDoTrong="KHONG_CO">')) == [
        "XSD-031"
    ]


@pytest.mark.parametrize("form", ["<hs:NgayHenTra/>", "<hs:NgayHenTra> </hs:NgayHenTra>"])
def test_an_empty_value_is_no_absence(codes, hs03, form):
    body = hs03(datetime(2026, 1, 20, tzinfo=UTC))
    start, end = body.index("<hs:NgayHenTra>"), body.index("<hs:CanBoTiepNhan>")
    assert codes(body[:start] + form + body[end:]) == ["XSD-024"]


def test_text_of_white_space_alone_says_nothing(problems, hs05):
    (found,) = problems(hs05.replace("Nguyễn Văn Ánh", " \n "))
    assert (found.code, found.facts["element"]) == ("XSD-034", "NguoiXuLy")


# --- getters ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def fields():
    """Fields over a small element, and the problems it notes."""

    def make(inside):
        root = etree.fromstring(f'<hs:X xmlns:hs="{HO_SO}" {XSI}>{inside}</hs:X>')
        problems = []
        return Fields(root, problems, HO_SO), problems

    return make


def test_values_come_with_their_types(fields):
    row, noted = fields(
        "<hs:A> a b </hs:A><hs:N>7</hs:N><hs:M>150000.50</hs:M><hs:D>2026-01-15</hs:D>"
        "<hs:T>2026-01-15T08:30:00.123456789+07:00</hs:T><hs:L><hs:I>1</hs:I><hs:I>2</hs:I></hs:L><hs:R>x</hs:R><hs:R>y</hs:R>"
    )
    assert (row.text("A"), row.code("A"), row.whole("N"), row.money("M")) == (
        " a b ", "a b", 7, Decimal("150000.50"),
    )  # fmt: skip
    assert row.day("D").isoformat() == "2026-01-15"
    assert row.instant("T") == datetime(2026, 1, 15, 1, 30, 0, 123456, tzinfo=UTC)
    assert [i.element.text for i in row.rows("L", "I")] == ["1", "2"]
    assert [i.element.text for i in row.items("R")] == ["x", "y"]
    assert row.rows("Khong", "Co") == ()
    assert row.child_or_none("Khong") is None
    assert noted == []


def test_a_getter_that_fails_notes_where_and_stands_in(fields):
    row, noted = fields("<hs:N>x</hs:N><hs:M>x</hs:M><hs:T>9999-99-99T00:00:00Z</hs:T><hs:D>2026-02-30</hs:D>")
    assert (row.whole("N"), row.money("M"), row.instant("T"), row.day("D")) == (0, Decimal(0), NOWHEN, NOWHEN.date())
    assert row.code("Thieu") == ""
    assert [p.code for p in noted] == ["XSD-029", "XSD-029", "XSD-029", "XSD-029", "XSD-010"]
    assert noted[0].at.xpath == "/hs:X/hs:N[1]"


def test_what_must_be_there_must_not_be_nilled(fields):
    row, noted = fields('<hs:A xsi:nil="true" LyDoTrong="KHONG_CO"/>')
    assert row.text_or_none("A") is None
    assert row.text("A") == ""
    assert [p.code for p in noted] == ["XSD-030"]


def test_a_structure_that_is_missing_is_a_problem_not_a_crash(fields):
    row, noted = fields("")
    assert row.child("DiaChi").code_or_none("MaXa") is None
    assert [p.code for p in noted] == ["XSD-010"]


@pytest.mark.parametrize(
    "value",
    ["2026-01-15T24:00:00+07:00", "999999999-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "2026-01-15T08:30:00", "2026-02-30T08:30:00Z",
     "2026-01-15T08:30:00+99:00", "", "x", "1000-01-01"],
)  # fmt: skip
def test_what_no_clock_shows_is_no_moment(value):
    assert instant(value) is None


@given(st.text(max_size=40))
def test_reading_a_moment_never_raises(value):
    assert instant(value) is None or instant(value).tzinfo is UTC


@given(st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(2999, 12, 30), timezones=st.timezones()))
def test_a_moment_survives_writing_and_reading(moment):
    from schemas.write import value_written

    try:
        text = value_written(moment)
    except OverflowError:
        return
    if moment.utcoffset().total_seconds() % 60 == 0:
        assert instant(text) == moment.astimezone(UTC)


# --- attachments of a real letter -------------------------------------------------------------------------------------


def test_the_manifest_travels_with_the_letter(letter, header, at):
    fields = {
        "MaHoSo": "H19.901-260115-0001",
        "NgayKetThucXuLy": datetime(2026, 1, 15, 1, 0, tzinfo=UTC),
        "DanhSachGiayToKetQua": {"GiayToKetQua": [{"TenGiayTo": "Quyết định", "MaDinhKem": "qd"}]},
        "HinhThuc": 0,
    }
    body = thong_diep(
        header(loai="HS11"),
        "TraKetQua",
        fields,
        [Tep(ma="qd", ten="qd.pdf", loai="application/pdf", noi_dung=b"%PDF-1.7")],
    )
    read = letter(body)
    (file,) = read.dinh_kem
    assert (file.id, file.ten, file.loai, file.so_byte, file.duong_dan) == (
        "qd",
        "qd.pdf",
        "application/pdf",
        8,
        None,
    )
    assert read.content.giay_to[0].ma_dinh_kem == "qd"


@pytest.mark.parametrize("size", list(Size))
def test_every_kind_and_size_of_fresh_message_is_read(letter, catalog, at, size):
    for kind in catalog.kinds():
        read = letter(fresh(kind.loai, kind.phien_ban, goc=kind.goc, seed=7, at=at, size=size, catalog=catalog))
        assert (read.loai, read.goc, read.phien_ban) == (kind.loai, kind.goc, kind.phien_ban)
        assert isinstance(read.content.effects, tuple)
        assert read.content.occurred_at is None or read.content.occurred_at.tzinfo is UTC
        assert {note.code for note in read.notes} <= {"XSD-250"}  # a file outside was not seen


def test_the_payload_is_reached_by_its_clark_name_only(codes, hs05):
    assert hs("CapNhatTienDo") == f"{{{HO_SO}}}CapNhatTienDo"
    assert "XSD-006" in codes(
        hs05.replace('xmlns:hs="http://www.dongnai.gov.vn/lienthong/hoso/1.0"', 'xmlns:hs="urn:x"')
    )
