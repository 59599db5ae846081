"""Declarations: an XSD in a folder, served by procedure code, enforced from then on."""

import pytest

from gateway.core.problems import Lang, ProblemOutcome, Stopped
from schemas.catalog import bundled
from schemas.declarations import Declarations, check_declaration
from schemas.fresh import Size, fresh

SPACE = "http://tokhai.example.vn/khai-sinh/1.0"
TO_KHAI = "/lt:ThongDiep/lt:ThanPhan[1]/hs:NopHoSo[1]/hs:ToKhai[1]"


def xsd(inside="", *, space=SPACE, root="ToKhaiKhaiSinh", version="1.0"):
    body = (
        inside
        or f"""<xs:element name="{root}"><xs:complexType><xs:sequence>
        <xs:element name="HoTenTre"><xs:simpleType><xs:restriction base="xs:string"><xs:minLength value="1"/>
          <xs:maxLength value="60"/></xs:restriction></xs:simpleType></xs:element>
        <xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="Cha" type="xs:string"/><xs:element name="Me" type="xs:string"/></xs:choice>
        <xs:element name="SoCon" type="xs:positiveInteger"/>
      </xs:sequence></xs:complexType></xs:element>"""
    )
    target = f'targetNamespace="{space}" xmlns:k="{space}"' if space else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- lược đồ của đơn vị -->\n'
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" {target} elementFormDefault="qualified" version="{version}">{body}</xs:schema>'
    )


@pytest.fixture
def folder(tmp_path):
    """A declarations folder; call it to write files."""

    def write(**files):
        for name, text in files.items():
            stem, _, kind = name.rpartition("_")
            (tmp_path / f"{stem}.{kind}").write_text(text, "utf-8")
        return tmp_path

    return write


@pytest.fixture
def put(tmp_path):
    """Write one file of any name into the folder; the folder."""

    def write(name, text):
        (tmp_path / name).write_text(text, "utf-8")
        return tmp_path

    return write


@pytest.fixture
def hs01(catalog, at):
    """An HS01 of procedure 1.001193 with a declaration; None leaves it out."""
    body = fresh("HS01", at=at, size=Size.SMALL, values={"MaTTHC": "1.001193"}, catalog=catalog).decode()
    end = body.index("</hs:NopHoSo>")

    def make(
        inside="<k:HoTenTre>Lê Đỗ Phượng Vỹ</k:HoTenTre><k:SoCon>2</k:SoCon>",
        root="ToKhaiKhaiSinh",
        space=SPACE,
        ma="1.001193",
    ):
        declaration = (
            "" if inside is None else f'<hs:ToKhai><k:{root} xmlns:k="{space}">{inside}</k:{root}></hs:ToKhai>'
        )
        return (body[:end] + declaration + body[end:]).replace(">1.001193<", f">{ma}<")

    return make


def with_folder(catalog, path):
    return catalog.replace(declarations=Declarations.load(path))


def codes_of(path):
    return [problem.code for problem in check_declaration(path)]


# --- in messages ------------------------------------------------------------------------------------------------------


def test_a_declaration_that_fits_its_procedures_schema_is_accepted(letter, catalog, put, hs01):
    assert letter(hs01(), with_folder(catalog, put("1.001193.xsd", xsd()))).notes == ()


def test_a_declaration_that_does_not_fit_is_explained_like_everything_else(problems, catalog, put, hs01):
    with_it = with_folder(catalog, put("1.001193.xsd", xsd()))
    found = problems(hs01("<k:HoTenTre>" + "x" * 61 + "</k:HoTenTre><k:SoCon>0</k:SoCon>"), with_it)
    root = f"{TO_KHAI}/k:ToKhaiKhaiSinh[1]"
    assert [(p.code, p.at.xpath) for p in found] == [
        ("XSD-023", f"{root}/k:HoTenTre[1]"),
        ("XSD-020", f"{root}/k:SoCon[1]"),
    ]
    assert all(p.at.line for p in found)
    found = problems(hs01("<k:HoTenTre>A</k:HoTenTre>"), with_it)
    assert [(p.code, p.at.xpath) for p in found] == [("XSD-010", root)]
    found = problems(hs01("<k:HoTenTre>A</k:HoTenTre><k:La/><k:SoCon>1</k:SoCon>"), with_it)
    assert [p.code for p in found] == ["XSD-011"]


def test_attributes_of_a_declaration_are_explained_too(codes, catalog, put, hs01):
    inside = """<xs:element name="ToKhaiKhaiSinh"><xs:complexType><xs:attribute name="Lan" type="xs:int" use="required"/>
      </xs:complexType></xs:element>"""
    with_it = with_folder(catalog, put("1.001193.xsd", xsd(inside)))
    assert codes(hs01(""), with_it) == ["XSD-042"]
    assert codes(hs01("").replace("<k:ToKhaiKhaiSinh ", '<k:ToKhaiKhaiSinh Lan="hai" '), with_it) == ["XSD-043"]
    assert codes(hs01("").replace("<k:ToKhaiKhaiSinh ", '<k:ToKhaiKhaiSinh Lan="2" '), with_it) == []


def test_problems_of_message_and_declaration_are_told_together(codes, catalog, put, hs01):
    with_it = with_folder(catalog, put("1.001193.xsd", xsd()))
    body = hs01("<k:HoTenTre/><k:SoCon>1</k:SoCon>").replace("<hs:HinhThuc>", "<hs:HinhThuc>x")
    assert codes(body, with_it) == ["XSD-022", "XSD-024"]


def test_another_declaration_than_the_procedures_is_refused(problems, catalog, put, hs01):
    with_it = with_folder(catalog, put("1.001193.xsd", xsd()))
    (found,) = problems(hs01("", root="ToKhaiKetHon"), with_it)
    assert (found.code, found.at.xpath) == ("XSD-050", f"{TO_KHAI}/k:ToKhaiKetHon[1]")
    assert "ToKhaiKhaiSinh" in found.remedy(Lang.VI)
    assert [p.code for p in problems(hs01(space="urn:khac"), with_it)] == ["XSD-050"]


def test_where_no_schema_is_registered_the_letter_says_that_it_was_not_checked(checked, catalog, hs01):
    (note,) = checked(hs01()).problems
    assert (note.code, note.outcome) == ("XSD-053", ProblemOutcome.NOTE)


@pytest.mark.parametrize(
    "inside",
    [
        '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>',
        '<lt:ThongDiep xmlns:lt="http://www.dongnai.gov.vn/lienthong/phongbi/1.0"/>',
    ],
)
def test_a_declaration_holds_nothing_of_the_envelopes_or_the_signatures(codes, hs01, inside):
    assert codes(hs01(f"<k:A>{inside}</k:A>")) == ["XSD-052"]


def test_a_required_declaration_is_missed(codes, catalog, put, hs01):
    put("1.001193.toml", "required = true\n")
    with_it = with_folder(catalog, put("1.001193.xsd", xsd()))
    assert codes(hs01(None), with_it) == ["XSD-051"]
    assert codes(hs01(None, ma="1.001612"), with_it) == []
    assert codes(hs01(), with_it) == []


def test_a_stem_serves_all_its_forms_and_a_full_code_goes_before_it(codes, catalog, put, hs01):
    put("1.001193.xsd", xsd())
    with_it = with_folder(catalog, put("1.001193.000.00.00.H19.xsd", xsd(space="urn:tinh")))
    assert codes(hs01(ma="1.001193.H56"), with_it) == []
    assert codes(hs01(ma="1.001193.000.00.00.H19"), with_it) == ["XSD-050"]
    assert codes(hs01(ma="1.001193.000.00.00.H19", space="urn:tinh"), with_it) == []


def test_two_versions_by_namespace_are_served_side_by_side(codes, catalog, put, hs01):
    put("1.001193.xsd", xsd())
    with_it = with_folder(catalog, put("1.001193-2.xsd", xsd(space=SPACE.replace("1.0", "2.0"), version="2.0")))
    assert codes(hs01(), with_it) == []
    assert codes(hs01(space=SPACE.replace("1.0", "2.0")), with_it) == []
    assert {d.version for d in with_it.declarations} == {"1.0", "2.0"}


def test_versions_of_one_namespace_follow_each_other_by_date(codes, catalog, put, hs01):
    stricter = xsd().replace('maxLength value="60"', 'maxLength value="5"')
    put("1.001193.xsd", xsd())
    put("1.001193.toml", "valid_to = 2026-01-10\n")
    put("1.001193-2.xsd", stricter)
    put("1.001193-2.toml", "valid_from = 2026-01-10\n")
    assert codes(hs01(), with_folder(catalog, put("a.md", ""))) == ["XSD-023"]
    put("1.001193.toml", "valid_to = 2026-02-10\n")
    put("1.001193-2.toml", "valid_from = 2026-02-10\n")
    assert codes(hs01(), with_folder(catalog, put("a.md", ""))) == []


def test_a_new_schema_is_enforced_by_replacing_the_view_and_nothing_else(codes, catalog, put, hs01):
    wrong = hs01("<k:HoTenTre>A</k:HoTenTre><k:SoCon>x</k:SoCon>")
    path = put("khac.toml", "")
    before = with_folder(catalog, path)
    assert codes(wrong, before) == []
    put("1.001193.xsd", xsd())
    after = before.replace(declarations=Declarations.load(path))
    assert codes(wrong, after) == ["XSD-020"]
    assert codes(wrong, before) == []  # whoever still holds the old view keeps it


def test_a_changed_folder_gives_a_new_catalogue_and_a_bad_file_none(codes, catalog, put, hs01):
    path = put("1.001612.xsd", xsd())
    first = with_folder(catalog, path)
    assert first.reloaded(path) is None
    put("1.001193.xsd", xsd())
    second = first.reloaded(path)
    assert codes(hs01("<k:HoTenTre>A</k:HoTenTre>"), second) == ["XSD-010"]
    assert second.reloaded(path) is None
    put("1.001193.xsd", "<hỏng>")
    with pytest.raises(Stopped):
        second.reloaded(path)
    assert codes(hs01(), second) == []
    (path / "1.001193.xsd").unlink()
    assert codes(hs01("<k:HoTenTre>A</k:HoTenTre>"), second.reloaded(path)) == []


def test_the_copy_in_a_transfer_is_held_to_the_same_schema(codes, catalog, put, at):
    with_it = with_folder(catalog, put("1.001193.xsd", xsd()))
    body = fresh("HS14", at=at, size=Size.SMALL, values={"MaTTHC": "1.001193"}, catalog=catalog).decode()
    declaration = f'<hs:ToKhai><k:ToKhaiKhaiSinh xmlns:k="{SPACE}"/></hs:ToKhai>'
    assert codes(body.replace("</hs:HoSo>", f"{declaration}</hs:HoSo>"), with_it) == ["XSD-010", "XSD-010"]


def test_an_empty_or_double_declaration_is_the_messages_own_fault(codes, hs01):
    assert codes(hs01().replace("<hs:ToKhai>", "<hs:ToKhai/><hs:ToKhai>")) == ["XSD-010", "XSD-017"]
    assert codes(hs01().replace("<hs:ToKhai>", "<hs:ToKhai>x")) == ["XSD-015"]


def test_bundled_takes_the_folder(put):
    assert len(bundled(put("1.001193.xsd", xsd())).declarations) == 1


# --- the operator's files ---------------------------------------------------------------------------------------------


def test_a_sound_file_and_a_sound_folder_have_no_problems(put):
    path = put("1.001193.xsd", xsd())
    assert check_declaration(path) == check_declaration(path / "1.001193.xsd") == []


def test_parts_that_others_include_need_no_procedure(put):
    put("chung.xsd", xsd('<xs:simpleType name="TenType"><xs:restriction base="xs:string"/></xs:simpleType>'))
    inside = '<xs:include schemaLocation="chung.xsd"/><xs:element name="A" type="k:TenType"/>'
    assert codes_of(put("1.001193.xsd", xsd(inside))) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(Stopped) as stopped:
        Declarations.load(tmp_path / "khong")
    assert [p.code for p in stopped.value.problems] == ["XSD-301"]


ELEMENT = '<xs:element name="A" type="xs:string"/>'
WRONG = [
    pytest.param("to-khai.xsd", xsd(), None, "XSD-302", id="serves nobody"),
    pytest.param("1.001193.xsd", xsd(), b"\xff\xfe", "XSD-303", id="sidecar is not UTF-8"),
    pytest.param("1.001193.xsd", xsd('<xs:element name="A" type="k:Khong"/>'), None, "XSD-304", id="invalid schema"),
    pytest.param("1.001193.xsd", "<a/>", None, "XSD-304", id="no schema at all"),
    pytest.param("1.001193.xsd", "<xs:schema", None, "XSD-304", id="not even XML"),
    pytest.param("1.001193.xsd", xsd(f'<xs:include schemaLocation="khong.xsd"/>{ELEMENT}'), None, "XSD-305", id="missing include"),
    pytest.param("1.001193.xsd", xsd(f'<xs:import namespace="urn:a" schemaLocation="http://127.0.0.1:9/a.xsd"/>{ELEMENT}'), None, "XSD-305",
                 id="import over the network"),
    pytest.param("a.xsd", xsd(), b'procedures = ["khai sinh"]', "XSD-307", id="a code that is none"),
    pytest.param("1.001193.xsd", xsd(space=""), None, "XSD-308", id="no namespace"),
    pytest.param("1.001193.xsd", xsd(space="http://www.dongnai.gov.vn/lienthong/hoso/1.0"), None, "XSD-308", id="our namespace"),
    pytest.param("1.001193.xsd", xsd(f'{ELEMENT}<xs:element name="B" type="xs:string"/>'), None, "XSD-309", id="two roots"),
    pytest.param("1.001193.xsd", xsd('<xs:simpleType name="T"><xs:restriction base="xs:string"/></xs:simpleType>'), None, "XSD-309", id="no root"),
    pytest.param("1.001193.xsd", xsd(), b'root = "Khong"', "XSD-309", id="a root that is not there"),
    pytest.param("1.001193.xsd", xsd('<xs:element name="A"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="(a+)+b"/>'
                                     "</xs:restriction></xs:simpleType></xs:element>"), None, "XSD-310", id="a pattern that takes for ever"),
    pytest.param("1.001193.xsd", xsd('<xs:element name="A"><xs:complexType><xs:sequence><xs:any processContents="lax"/></xs:sequence>'
                                     "</xs:complexType></xs:element>"), None, "XSD-311", id="a lax wildcard is a remark"),
    pytest.param("1.001193.xsd", xsd(), b'proceedures = ["1.001193"]', "SYS-012", id="a misspelt setting"),
    pytest.param("1.001193.xsd", xsd(), b"required = maybe", "SYS-011", id="a sidecar that is no TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "sidecar", "code"), WRONG)
def test_each_mistake_of_the_operator_is_a_sentence(put, tmp_path, name, text, sidecar, code):
    path = put(name, text)
    if sidecar is not None:
        (tmp_path / name).with_suffix(".toml").write_bytes(sidecar)
    (found,) = check_declaration(path)
    assert found.code == code
    for lang in Lang:
        assert "…" not in found.message(lang) + found.remedy(lang)
    if found.outcome is ProblemOutcome.NOTE:
        assert len(Declarations.load(path)) == 1
    else:
        with pytest.raises(Stopped):
            Declarations.load(path)


def test_two_schemas_for_the_same_thing_at_the_same_time(put):
    put("1.001193.xsd", xsd())
    assert codes_of(put("1.001193-b.xsd", xsd())) == ["XSD-306"]


def test_a_root_is_chosen_by_the_sidecar(put):
    put("1.001193.toml", 'root = "B"\nversion = "3"\nprocedures = ["1.001193", "2.000815"]\n')
    (one,) = Declarations.load(put("1.001193.xsd", xsd(f'{ELEMENT}<xs:element name="B" type="xs:string"/>')))
    assert (one.root, one.version, one.serves("2.000815.01"), one.serves("2.000816")) == (
        f"{{{SPACE}}}B",
        "3",
        True,
        False,
    )


def test_all_mistakes_of_a_folder_are_told(put):
    put("a.xsd", xsd())
    put("1.001193.xsd", "<a/>")
    assert codes_of(put("1.001612.xsd", xsd(space=""))) == ["XSD-304", "XSD-308", "XSD-302"]
