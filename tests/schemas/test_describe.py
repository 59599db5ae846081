"""The descriptions say what the schemas say."""

import pytest

from gateway.core.problems import Lang
from gateway.documents import Kind
from schemas.describe import code_lists, envelope, payload, title


def test_the_envelope_is_described_in_its_order():
    names = [field.name for field in envelope().children]
    assert names[:5] == ["MaThongDiep", "LoaiThongDiep", "PhienBan", "NoiGui", "DanhSachNoiNhan"]
    assert names[-2:] == ["ThanPhan", "DanhSachDinhKem"]


def test_occurrence_type_and_facets_are_there(catalog):
    root = payload(catalog, Kind(loai="HS05", goc="CapNhatTienDo", phien_ban="1.1"))
    by_name = {field.name: field for _, field in root.walk()}
    assert (by_name["MaHoSo"].occurs, by_name["LyDo"].occurs) == ("1", "0..1")
    assert by_name["NguoiXuLy"].simple.max_length == 50
    assert by_name["MaHoSo"].simple.base == "xs:token"
    assert len(by_name["MaHoSo"].simple.patterns) == 3
    assert [v.code for v in by_name["TrangThai"].simple.values] == [str(n) for n in range(1, 11)]
    assert by_name["TrangThai"].simple.values[3].text[Lang.VI] == "Đang xử lý"
    assert (by_name["ThuTu"].simple.base, by_name["ThuTu"].simple.least) == ("xs:int", "1")


def test_nesting_lists_choices_and_wildcards_are_there(catalog):
    hs01 = {f.name: (d, f) for d, f in payload(catalog, Kind(loai="HS01", goc="NopHoSo", phien_ban="1.0")).walk()}
    assert hs01["TaiLieuNop"][1].occurs == "1..500"
    assert hs01["TaiLieuNop"][0] == 2
    assert hs01["NgayHenTra"][1].nillable
    assert hs01["ToKhai"][1].wildcard == "##other"
    query = payload(catalog, Kind(loai="HS17", goc="TraCuuHoSo", phien_ban="1.0"))
    assert [(f.name, f.choice) for f in query.children] == [
        ("MaHoSo", (0, 0)),
        ("SoDinhDanh", (0, 1)),
        ("MaTTHC", (0, 1)),
    ]
    file = next(f for _, f in envelope().walk() if f.name == "DinhKem")
    assert [f.name for f in file.children if f.choice] == ["NoiDung", "DuongDan"]


@pytest.mark.parametrize("lang", list(Lang))
def test_every_element_of_every_message_is_explained(catalog, lang):
    for kind in catalog.kinds():
        assert title(catalog, kind)[lang]
        for _, field in payload(catalog, kind).walk():
            assert field.text[lang], (kind, field.name)


def test_code_lists_are_described_value_by_value():
    lists = {one.name: one for one in code_lists()}
    assert [v.code for v in lists["HinhThucThuType"].values] == ["1", "2", "4"]
    assert all(value.text[Lang.EN] for one in lists.values() for value in one.values)


def test_a_kind_that_is_not_there_has_no_description(catalog):
    with pytest.raises(KeyError):
        payload(catalog, Kind(loai="HS99", goc="Khong", phien_ban="1.0"))
