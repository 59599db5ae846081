"""Every schema problem has its own code, its place and its remedy; all of a document's problems are told at once."""

import pytest
from lxml import etree

from gateway.core.problems import Lang, Location, Stopped
from schemas.check import MOST_SIGNATURES, check
from schemas.explain import MOST, WIDEST
from schemas.fresh import Size, fresh

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
THAN = "/lt:ThongDiep/lt:ThanPhan[1]/hs:CapNhatTienDo[1]"
STRAY = '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo/></ds:Signature>'


def replaced(text, *pairs):
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def the_problem(problems, body):
    found = problems(body)
    assert len(found) == 1, [(p.code, p.message(Lang.EN)) for p in found]
    return found[0]


def test_a_heap_of_signatures_is_refused_for_that_alone_and_is_not_explained(problems, hs05):
    """The explainer would look at each: it cost as much as two hundred honest messages."""
    few = problems(hs05.replace("</lt:ThongDiep>", f"{STRAY * MOST_SIGNATURES}</lt:ThongDiep>").replace(">4<", ">11<"))
    assert {"XSD-019", "XSD-022"} <= {p.code for p in few}
    many = problems(hs05.replace("</lt:ThongDiep>", f"{STRAY * 300}</lt:ThongDiep>").replace(">4<", ">11<"))
    assert [(p.code, p.facts["count"]) for p in many] == [("SIG-003", 300)] * 3
    first = many[0].at
    assert (first.xpath, first.line > 0) == (f"/lt:ThongDiep/ds:Signature[{MOST_SIGNATURES + 1}]", True)


def test_an_accepted_document_stays_without_a_word(letter, hs05):
    read = letter(hs05)
    assert (read.loai, read.goc, read.phien_ban, read.notes) == ("HS05", "CapNhatTienDo", "1.0", ())


WHAT = [
    pytest.param("<lt:ThongDiep", "<a", "XSD-001", "/a", id="another root"),
    pytest.param("phongbi/1.0", "phongbi/9.0", "XSD-002", "/lt:ThongDiep", id="the root in another namespace"),
    pytest.param(">HS05<", ">HS99<", "XSD-003", "/lt:ThongDiep/lt:LoaiThongDiep[1]", id="unknown type"),
    pytest.param(">1.0<", ">7.0<", "XSD-004", "/lt:ThongDiep/lt:PhienBan[1]", id="unknown version"),
    pytest.param(">HS05<", ">HS03<", "XSD-005", THAN, id="payload of another type"),
    pytest.param("hoso/1.0", "hoso/2.0", "XSD-006", THAN, id="payload in another namespace"),
    pytest.param("<hs:TrangThai>4</hs:TrangThai>", "", "XSD-010", THAN, id="missing element"),
    pytest.param("<hs:TrangThai>", "<hs:La/><hs:TrangThai>", "XSD-011", f"{THAN}/hs:La[1]", id="unexpected element"),
    pytest.param("hs:NguoiXuLy>", "hs:Nguoi_Xuly>", "XSD-012", f"{THAN}/hs:Nguoi_Xuly[1]", id="misspelt element"),
    pytest.param("hs:NguoiXuLy>", "lt:NguoiXuLy>", "XSD-014", f"{THAN}/lt:NguoiXuLy[1]", id="element in another namespace"),
    pytest.param("<lt:ThanPhan>", "<lt:ThanPhan>x", "XSD-015", "/lt:ThongDiep/lt:ThanPhan[1]", id="text beside a payload"),
    pytest.param("<lt:NoiGui>", "<lt:NoiGui>x", "XSD-015", "/lt:ThongDiep/lt:NoiGui[1]", id="text between elements"),
    pytest.param("<lt:NoiGui>", '<lt:NoiGui a="1">', "XSD-016", "/lt:ThongDiep/lt:NoiGui[1]/@a", id="unexpected attribute"),
    pytest.param("<lt:PhienBan>1.0</lt:PhienBan>", "<lt:PhienBan>1.0</lt:PhienBan><lt:PhienBan>1.0</lt:PhienBan>", "XSD-017",
                 "/lt:ThongDiep/lt:PhienBan[2]", id="element twice"),
    pytest.param("</hs:CapNhatTienDo>", "</hs:CapNhatTienDo><hs:CapNhatTienDo/>", "XSD-018",
                 "/lt:ThongDiep/lt:ThanPhan[1]/hs:CapNhatTienDo[2]", id="two payloads"),
    pytest.param("<lt:NoiGui>", f"{STRAY}<lt:NoiGui>", "XSD-019", "/lt:ThongDiep/ds:Signature[1]", id="signature in front"),
    pytest.param("</lt:ThongDiep>", f"{STRAY}{STRAY}</lt:ThongDiep>", "XSD-019", "/lt:ThongDiep/ds:Signature[2]",
                 id="two signatures"),
    pytest.param("<hs:TrangThai>4</hs:TrangThai>", "<hs:TrangThai>4</hs:TrangThai><hs:ThuTu>x</hs:ThuTu>", "XSD-020",
                 f"{THAN}/hs:ThuTu[1]", id="not a number"),
    pytest.param("<hs:MaHoSo>H19.901-260115-0001", "<hs:MaHoSo>H19-26011-1", "XSD-021", f"{THAN}/hs:MaHoSo[1]", id="pattern"),
    pytest.param("<hs:TrangThai>4", "<hs:TrangThai>11", "XSD-022", f"{THAN}/hs:TrangThai[1]", id="not in the code list"),
    pytest.param("Nguyễn Văn Ánh", "Ế" * 51, "XSD-023", f"{THAN}/hs:NguoiXuLy[1]", id="too long, counted in characters"),
    pytest.param("Nguyễn Văn Ánh", "", "XSD-024", f"{THAN}/hs:NguoiXuLy[1]", id="empty text"),
    pytest.param("<hs:TrangThai>4</", "<hs:TrangThai></", "XSD-022", f"{THAN}/hs:TrangThai[1]", id="empty code of a list"),
    pytest.param("<hs:MaHoSo>H19.901-260115-0001</", "<hs:MaHoSo></", "XSD-024", f"{THAN}/hs:MaHoSo[1]", id="empty code"),
    pytest.param("2026-01-15T08:30:00+07:00</hs:", "2026-02-30T08:30:00+07:00</hs:", "XSD-025", f"{THAN}/hs:ThoiDiemXuLy[1]",
                 id="a day that does not exist"),
    pytest.param("2026-01-15T08:30:00+07:00</hs:", "20260115083000</hs:", "XSD-025", f"{THAN}/hs:ThoiDiemXuLy[1]",
                 id="another date form"),
    pytest.param("2026-01-15T08:30:00+07:00</hs:", "2026-01-15T24:00:00+07:00</hs:", "XSD-025", f"{THAN}/hs:ThoiDiemXuLy[1]",
                 id="24:00"),
    pytest.param("2026-01-15T08:30:00+07:00</hs:", "999999999-01-15T00:00:00Z</hs:", "XSD-025", f"{THAN}/hs:ThoiDiemXuLy[1]",
                 id="the year 999999999"),
    pytest.param("2026-01-15T08:30:00+07:00</lt:", "2026-01-15T08:30:00</lt:", "XSD-026", "/lt:ThongDiep/lt:ThoiDiemTao[1]",
                 id="no offset"),
    pytest.param("<hs:TrangThai>4</hs:TrangThai>", "<hs:TrangThai>4</hs:TrangThai><hs:ThuTu>0</hs:ThuTu>", "XSD-027",
                 f"{THAN}/hs:ThuTu[1]", id="out of range"),
    pytest.param("<hs:NguoiXuLy>", f'<hs:NguoiXuLy {XSI} xsi:nil="true">', "XSD-030", f"{THAN}/hs:NguoiXuLy[1]", id="nil not allowed"),
    pytest.param("<lt:ThongDiep ", '<lt:ThongDiep Id="1a" ', "XSD-041", "/lt:ThongDiep/@Id", id="an Id that is no name"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code", "xpath"), WHAT)
def test_one_fault_gives_one_problem_with_its_code_and_place(problems, hs05, old, new, code, xpath):
    body = replaced(hs05, (old, new))
    if code == "XSD-001":
        body = replaced(body, ("</lt:ThongDiep>", "</a>"))
    found = the_problem(problems, body)
    assert (found.code, found.at.xpath) == (code, xpath)
    assert found.at.line
    assert found.at.column
    for lang in Lang:
        said = found.message(lang) + found.remedy(lang)
        assert "…" not in said, said  # every fact that the sentence needs is there


def test_the_line_and_column_are_those_of_the_start_tag(problems, hs05):
    body = replaced(hs05, ("<hs:TrangThai>4", "  <hs:TrangThai>11"))
    line = next(n for n, text in enumerate(body.split("\n"), 1) if "TrangThai" in text)
    assert the_problem(problems, body).at == Location(line, 3, f"{THAN}/hs:TrangThai[1]")


def test_a_wrong_order_names_what_must_move_and_where(problems, hs05):
    body = replaced(
        hs05, ("<hs:TrangThai>4</hs:TrangThai>", ""), ("<hs:NguoiXuLy>", "<hs:TrangThai>4</hs:TrangThai><hs:NguoiXuLy>")
    )
    found = the_problem(problems, body)
    assert (found.code, found.at.xpath, found.facts["after"]) == ("XSD-013", f"{THAN}/hs:TrangThai[1]", "ThoiDiemXuLy")


def test_a_number_of_too_many_digits_is_told(problems, catalog, at):
    body = fresh("HS09", at=at, size=Size.SMALL, catalog=catalog).decode()
    start, end = body.index("<hs:Gia>") + 8, body.index("</hs:Gia>")
    found = the_problem(problems, f"{body[:start]}0.001{body[end:]}")
    assert (found.code, found.facts["most"]) == ("XSD-028", 2)
    assert the_problem(problems, f"{body[:start]}-1{body[end:]}").code == "XSD-027"
    assert problems(f"{body[:start]}999999999999{body[end:]}") == ()


def test_two_files_of_one_id_are_told_at_the_second(problems, catalog, at):
    body = fresh("HS04", at=at, size=Size.FULL, catalog=catalog).decode()
    start, end = body.index("<lt:DinhKem>"), body.index("</lt:DanhSachDinhKem>")
    found = the_problem(problems, body[:end] + body[start:end] + body[end:])
    assert (found.code, found.facts["value"]) == ("XSD-040", "tep-1")
    assert found.at.xpath == "/lt:ThongDiep/lt:DanhSachDinhKem[1]/lt:DinhKem[2]"


def test_a_missing_payload_is_told_as_such(problems, hs05):
    start, end = hs05.index("<hs:CapNhatTienDo>"), hs05.index("</lt:ThanPhan>")
    found = the_problem(problems, hs05[:start] + hs05[end:])
    assert (found.code, found.at.xpath) == ("XSD-018", "/lt:ThongDiep/lt:ThanPhan[1]")


def test_nothing_but_an_envelope_tells_all_that_it_lacks(codes):
    body = '<ThongDiep xmlns="http://www.dongnai.gov.vn/lienthong/phongbi/1.0"/>'
    assert set(codes(body)) == {"XSD-010"}
    assert len(codes(body)) == 7  # MaThongDiep, LoaiThongDiep, PhienBan, NoiGui, DanhSachNoiNhan, ThoiDiemTao, ThanPhan


def test_a_type_and_a_payload_that_say_nothing_are_a_problem_of_their_own(parsed, catalog):
    body = '<ThongDiep xmlns="http://www.dongnai.gov.vn/lienthong/phongbi/1.0"/>'
    with pytest.raises(Stopped) as stopped:
        catalog.kind_of(parsed(body).root)
    assert [p.code for p in stopped.value.problems] == ["XSD-007"]


def test_a_missing_type_does_not_hide_the_other_problems(codes, hs05):
    body = replaced(hs05, ("<lt:LoaiThongDiep>HS05</lt:LoaiThongDiep>", ""), ("<hs:TrangThai>4", "<hs:TrangThai>44"))
    assert codes(body) == ["XSD-010", "XSD-022"]


def test_an_unknown_version_does_not_hide_the_other_problems(codes, hs05):
    body = replaced(hs05, (">1.0<", ">1.9<"), ("<hs:TrangThai>4", "<hs:TrangThai>44"))
    assert codes(body) == ["XSD-004", "XSD-022"]


def test_all_problems_are_reported_in_the_order_of_the_document(codes, hs05):
    body = replaced(
        hs05,
        (f">{'0b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90'}<", ">1<"),
        ("<lt:MaDinhDanh>H19.909", "<lt:MaDinhDanh>h19"),
        ("Nguyễn Văn Ánh", ""),
        ("2026-01-15T08:30:00+07:00</hs:", "x</hs:"),
        ("<hs:TrangThai>4</hs:TrangThai>", "<hs:TrangThai>0</hs:TrangThai><hs:La/>"),
    )
    assert codes(body) == ["XSD-021", "XSD-021", "XSD-024", "XSD-025", "XSD-022", "XSD-011"]


def test_a_document_of_thousands_of_faults_ends_with_a_line_that_says_so(problems, hs05):
    found = problems(replaced(hs05, ("<hs:TrangThai>", "<hs:La/>" * 3000 + "<hs:TrangThai>")))
    assert WIDEST - 10 < len(found) <= MOST + 1
    assert [p.code for p in found].index("XSD-099") == len(found) - 1
    assert {p.code for p in found[:-1]} == {"XSD-011"}


def test_faults_of_many_elements_end_with_a_line_too(problems, header, catalog, at):
    body = fresh("HS18", goc="DanhMuc", at=at, size=Size.SMALL, catalog=catalog).decode()
    start, end = body.index("</hs:DanhMuc>"), body.index("</hs:DanhMuc>")
    rows = "".join(f"<hs:Muc><hs:Ma>{n}</hs:Ma><hs:Ten/><hs:MucDo>9</hs:MucDo><hs:La/></hs:Muc>" for n in range(290))
    found = problems(f"{body[:start]}<hs:DanhSachMuc>{rows}</hs:DanhSachMuc>{body[end:]}")
    assert len(found) == MOST + 1
    assert found[-1].code == "XSD-099"


@pytest.mark.parametrize(
    "rows", ["<lt:MaThongDiep>x</lt:MaThongDiep><lt:La>y</lt:La>", "<lt:NoiGui/>", "<lt:NoiNhan/><lt:PhienBan/>"]
)
def test_eighteen_thousand_wrong_children_of_one_element_are_told_as_few(problems, rows):
    """xmlschema alone takes 27 s for them; here the tree that it sees is narrow, and whole again afterwards."""
    body = f'<lt:ThongDiep xmlns:lt="http://www.dongnai.gov.vn/lienthong/phongbi/1.0">{rows * 9000}</lt:ThongDiep>'
    found = problems(body)
    assert found[-1].code == "XSD-099"
    assert len(found) <= MOST + 1


def test_the_tree_is_whole_again_after_explaining(parsed, catalog, hs05):
    document = parsed(replaced(hs05, ("<hs:TrangThai>", "<hs:La>x</hs:La> " * 1000 + "<hs:TrangThai>")))
    before = etree.tostring(document.root)
    with pytest.raises(Stopped):
        check(document, catalog)
    assert etree.tostring(document.root) == before


def test_what_is_inside_a_payload_that_nobody_knows_costs_nothing_and_stays(parsed, catalog, hs05):
    body = replaced(hs05, ("hoso/1.0", "hoso/2.0"), ("<hs:TrangThai>", "<hs:La><hs:Lo/></hs:La><hs:TrangThai>"))
    document = parsed(body)
    before = etree.tostring(document.root)
    with pytest.raises(Stopped) as stop:
        check(document, catalog)
    assert [problem.code for problem in stop.value.problems] == ["XSD-006"]
    assert etree.tostring(document.root) == before


@pytest.mark.parametrize(
    ("value", "said"),
    [("Đang xử lý", "(10 characters, not repeated here)"), ("", "(empty)"), ("11", "The value 11 of")],
)
def test_a_value_is_said_or_described_so_that_a_person_understands(problems, hs05, value, said):
    body = replaced(hs05, ("<hs:TrangThai>4<", f"<hs:TrangThai>{value}<"))
    assert said in the_problem(problems, body).message(Lang.EN)


def test_a_payload_in_no_namespace_is_told_so(problems, hs05):
    body = replaced(hs05, ('xmlns:hs="http://www.dongnai.gov.vn/lienthong/hoso/1.0"', ""), ("hs:", ""))
    problem = the_problem(problems, body)
    assert (problem.code, problem.facts["found"]) == ("XSD-006", "–")


def test_a_large_attachment_does_not_keep_faults_from_being_explained(problems, hs05):
    attached = (
        "<lt:DanhSachDinhKem><lt:DinhKem><lt:MaDinhKem>a</lt:MaDinhKem><lt:TenTep>a.txt</lt:TenTep>"
        f"<lt:LoaiTep>text/plain</lt:LoaiTep><lt:SoByte>1</lt:SoByte><lt:BamSHA256>{'0' * 64}</lt:BamSHA256>"
        f"<lt:NoiDung>{'AAAA' * 400_000}</lt:NoiDung></lt:DinhKem></lt:DanhSachDinhKem>"
    )
    body = replaced(hs05, ("</lt:ThanPhan>", f"</lt:ThanPhan>{attached}"), ("<hs:TrangThai>4</hs:TrangThai>", ""))
    assert the_problem(problems, body).code == "XSD-010"


def test_faults_far_behind_in_a_long_list_are_still_told(problems, catalog, at):
    body = fresh("HS18", goc="DanhMuc", at=at, size=Size.SMALL, catalog=catalog).decode()
    at_end = body.index("</hs:DanhMuc>")
    rows = "".join(f"<hs:Muc><hs:Ma>M{n}</hs:Ma><hs:Ten>t</hs:Ten></hs:Muc>" for n in range(1000)) + "<hs:Muc/>"
    found = problems(f"{body[:at_end]}<hs:DanhSachMuc>{rows}</hs:DanhSachMuc>{body[at_end:]}")
    assert {p.code for p in found} == {"XSD-091"}
    assert found[0].at.xpath.endswith("hs:Muc[1001]")


def test_a_large_document_is_explained_by_libxml2_itself(problems, hs05):
    body = replaced(hs05, ("<hs:TrangThai>", f"<hs:NoiDungXuLy>{'A' * 2**20}</hs:NoiDungXuLy><hs:TrangThai>"))
    found = problems(body)
    assert {p.code for p in found} == {"XSD-091"}
    assert found[0].at.xpath.endswith("hs:NoiDungXuLy[1]")
    assert "maxLength" in found[0].message(Lang.EN)


def test_where_the_explainer_finds_nothing_libxml2s_no_stands_with_its_own_words(parsed, catalog, hs05, monkeypatch):
    """xmlschema 4.3 does not see text beside a lone wildcard; here it is kept from seeing anything at all."""
    from schemas import explain

    monkeypatch.setattr(explain, "_problems", lambda *_: iter(()))
    with pytest.raises(Stopped) as stopped:
        check(parsed(replaced(hs05, ("<hs:TrangThai>4", "<hs:TrangThai>bí mật"))), catalog)
    (found,) = stopped.value.problems
    assert (found.code, found.at.xpath) == ("XSD-091", f"{THAN}/hs:TrangThai[1]")
    assert "bí mật" not in found.message(Lang.EN)


def test_a_validator_that_cannot_answer_refuses(parsed, catalog, hs05, monkeypatch):
    class Broken:
        def validate(self, _):
            raise etree.XMLSchemaValidateError("Internal error in XML Schema validation.")

    monkeypatch.setattr(type(catalog), "schema", lambda *_: Broken())
    with pytest.raises(Stopped) as stopped:
        check(parsed(hs05), catalog)
    assert [p.code for p in stopped.value.problems] == ["XSD-090"]


@pytest.mark.parametrize(
    "extra", ['xml:lang="vi"', 'Id="td-1"', f'{XSI} xsi:schemaLocation="urn:a http://127.0.0.1:9/a.xsd"']
)
def test_what_honest_tools_write_on_the_root_is_accepted(codes, hs05, extra):
    assert codes(replaced(hs05, ("<lt:ThongDiep ", f"<lt:ThongDiep {extra} "))) == []


def test_white_space_around_codes_is_no_fault(letter, hs05):
    read = letter(replaced(hs05, ("<hs:TrangThai>4<", "<hs:TrangThai>\n 4 <"), ("<hs:MaHoSo>H19", "<hs:MaHoSo>\n H19")))
    assert (read.content.trang_thai, read.content.ma_ho_so) == (4, "H19.901-260115-0001")


@pytest.mark.parametrize(
    ("element", "value"),
    [("NguoiXuLy", "Trần Thị Bưởi " * 6), ("PhongBanXuLy", ""), ("NguoiXuLy", ""), ("ThuTu", "075990000001")],
)
def test_no_problem_quotes_what_may_be_personal(problems, hs05, element, value):
    body = replaced(
        hs05, ("<hs:TrangThai>4</hs:TrangThai>", f"<hs:{element}>{value}</hs:{element}><hs:TrangThai>4</hs:TrangThai>")
    )
    told = " ".join(f"{p.facts} {p.message(Lang.VI)} {p.remedy(Lang.VI)}" for p in problems(body))
    assert told
    assert not value or value.strip() not in told
    assert "075990000001" not in told
