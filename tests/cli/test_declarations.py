"""declarations: schemas of forms are checked before they are put in their place, and listed as they are in force."""

import pytest

XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:vd:to-khai" version="{version}"
 elementFormDefault="qualified"><xs:element name="ToKhaiKhaiSinh"><xs:complexType><xs:sequence>
 <xs:element name="SoCon" type="xs:positiveInteger"/></xs:sequence></xs:complexType></xs:element></xs:schema>"""


@pytest.fixture
def folder(cli, node, monkeypatch):
    """The declarations folder of a node."""
    made = node / "to-khai"
    made.mkdir()
    monkeypatch.setenv("LIENTHONG_SCHEMAS_DECLARATIONS", str(made))
    return made


def test_what_is_in_force_is_listed_by_procedure_version_and_time(cli, folder):
    (folder / "1.001193.xsd").write_text(XSD.format(version="1.0"), "utf-8")
    (folder / "1.001193.toml").write_text("valid_to = 2026-01-10\n", "utf-8")
    (folder / "1.001193-2.xsd").write_text(XSD.format(version="2.0"), "utf-8")
    (folder / "1.001193-2.toml").write_text("valid_from = 2026-01-10\nrequired = true\n", "utf-8")
    rows = cli("declarations", "--json").rows
    assert [(row["version"], row["procedures"], row["required"]) for row in rows] == [
        ("2.0", ["1.001193"], True),
        ("1.0", ["1.001193"], False),
    ]
    assert [row["version"] for row in cli("declarations", "list", "--at", "2026-01-05", "--json").rows] == ["1.0"]
    assert "ToKhaiKhaiSinh" in cli("declarations").out


def test_a_folder_that_is_empty_or_not_configured_is_said_to_be_so(cli, folder, monkeypatch):
    assert "không có tờ khai" in cli("declarations").out
    monkeypatch.delenv("LIENTHONG_SCHEMAS_DECLARATIONS")
    assert "không được kiểm tra" in cli("declarations").out


def test_a_schema_is_checked_before_it_is_put_in_its_place(cli, folder, tmp_path):
    good, bad = tmp_path / "1.001193.xsd", tmp_path / "1.001194.xsd"
    good.write_text(XSD.format(version="1.0"), "utf-8")
    bad.write_text(XSD.format(version="1.0").replace("xs:positiveInteger", "xs:khong-co"), "utf-8")
    assert cli("declarations", "check", good).code == 0
    result = cli("declarations", "check", good, bad, "--json")
    assert (result.code, [row["ok"] for row in result.rows]) == (1, [True, False])
    assert [problem["code"] for problem in result.rows[1]["problems"]] == ["XSD-304"]
    assert "KHÔNG DÙNG ĐƯỢC" in cli("declarations", "check", bad).out
    assert "SYS-045" in cli("declarations", "check", tmp_path / "none.xsd").err


def test_files_of_a_folder_that_contradict_each_other_are_found(cli, folder):
    for name in ("1.001193.xsd", "1.001193-2.xsd"):
        (folder / name).write_text(XSD.format(version="1.0"), "utf-8")
    result = cli("declarations", "check", folder, "--json")
    assert (result.code, [problem["code"] for problem in result.rows[0]["problems"]]) == (1, ["XSD-306"])
    assert "XSD-306" in cli("declarations").err
