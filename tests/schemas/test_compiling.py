"""No schema is weaker than it looks: nothing is fetched, nothing is skipped without a word."""

import pytest
from lxml import etree

from schemas.compiling import SchemaFault, compile_judge, compile_schema, safe_closure

HEAD = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t" elementFormDefault="qualified">'
ELEMENT = '<xs:element name="a" type="xs:int"/>'


@pytest.fixture
def schema(tmp_path):
    """Write a schema document; its path."""

    def write(name, inside, head=HEAD):
        file = tmp_path / name
        file.write_text(f"{head}{inside}</xs:schema>", "utf-8")
        return file

    return write


def fault(files, within):
    with pytest.raises(SchemaFault) as raised:
        safe_closure(files, within=within)
    return raised.value.why


def test_a_sound_schema_compiles_for_both_judges(schema, tmp_path):
    file = schema("a.xsd", ELEMENT)
    assert set(safe_closure([file], within=[tmp_path])) == {file.resolve()}
    root = etree.fromstring('<a xmlns="urn:t">1</a>')
    assert compile_schema([file]).validate(root)
    assert compile_judge([file]).is_valid(root)


def test_libxml2_would_skip_a_missing_import_and_we_do_not(schema, tmp_path):
    file = schema("a.xsd", f'<xs:import namespace="urn:b" schemaLocation="b.xsd"/>{ELEMENT}')
    assert etree.XMLSchema(file=str(file)).validate(etree.fromstring('<a xmlns="urn:t">1</a>'))  # the trap
    assert fault([file], [tmp_path]) == "missing"
    with pytest.raises(SchemaFault, match="incomplete"):
        compile_schema([file])


def test_libxml2_would_drop_a_second_file_of_a_namespace_and_we_do_not(schema, tmp_path):
    schema("b1.xsd", "", HEAD.replace("urn:t", "urn:b"))
    schema("b2.xsd", "", HEAD.replace("urn:t", "urn:b"))
    imports = "".join(f'<xs:import namespace="urn:b" schemaLocation="b{n}.xsd"/>' for n in (1, 2))
    assert fault([schema("a.xsd", imports + ELEMENT)], [tmp_path]) == "two-files"


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ('<xs:import namespace="urn:b" schemaLocation="http://127.0.0.1:9/b.xsd"/>', "remote"),
        ('<xs:import namespace="urn:b" schemaLocation="file:///etc/passwd"/>', "remote"),
        ('<xs:import namespace="urn:b" schemaLocation="../../../../etc/hostname"/>', "outside"),
        ('<xs:import namespace="urn:b"/>', "no-location"),
        ('<xs:redefine schemaLocation="a.xsd"/>', "redefine"),
    ],
)
def test_what_reaches_elsewhere_is_refused(schema, tmp_path, inside, why):
    assert fault([schema("a.xsd", inside)], [tmp_path]) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<a/>", "no-schema"),
        ("<xs:schema", "unreadable"),
        (f"<!DOCTYPE x>{HEAD}</xs:schema>", "unreadable"),
        (f"{HEAD}<!-- a --><![CDATA[ ]]></xs:schema>", "unreadable"),
    ],
)
def test_what_is_no_schema_document_is_refused(tmp_path, text, why):
    file = tmp_path / "a.xsd"
    file.write_text(text, "utf-8")
    assert fault([file], [tmp_path]) == why


def test_comments_are_what_people_write_in_schemas(schema, tmp_path):
    file = schema("a.xsd", f"<!-- ghi chú\n -->{ELEMENT}<!-- --->".replace("--->", "-->"))
    assert safe_closure([file], within=[tmp_path])
    assert compile_schema([file]).validate(etree.fromstring('<a xmlns="urn:t">1</a>'))


def test_an_import_hidden_in_a_comment_or_shown_by_one_is_not_followed(schema, tmp_path):
    file = schema("a.xsd", f'<!-- <xs:import namespace="urn:b" schemaLocation="b.xsd"/> -->{ELEMENT}')
    assert set(safe_closure([file], within=[tmp_path])) == {file.resolve()}


def test_a_folder_with_spaces_and_diacritics_is_no_obstacle(tmp_path):
    folder = tmp_path / "tờ khai # 100% mới"
    folder.mkdir()
    (folder / "b.xsd").write_text(
        HEAD.replace("urn:t", "urn:b") + '<xs:element name="b" type="xs:int"/></xs:schema>', "utf-8"
    )
    file = folder / "á.xsd"
    inside = '<xs:import namespace="urn:b" schemaLocation="b.xsd"/><xs:element name="a"><xs:complexType><xs:sequence>'
    inside += '<xs:element xmlns:b="urn:b" ref="b:b"/></xs:sequence></xs:complexType></xs:element>'
    file.write_text(f"{HEAD}{inside}</xs:schema>", "utf-8")
    assert len(safe_closure([file], within=[folder])) == 2
    wrong = etree.fromstring('<a xmlns="urn:t"><b xmlns="urn:b">x</b></a>')
    assert not compile_schema([file]).validate(wrong)
    assert not compile_judge([file]).is_valid(wrong)


@pytest.mark.parametrize(
    "inside", ['<xs:element name="a" type="t:none"/>', '<xs:element name="a"><xs:bogus/></xs:element>']
)
def test_an_invalid_schema_is_told_by_either_judge(schema, inside):
    file = schema("a.xsd", inside)
    with pytest.raises(SchemaFault, match="invalid"):
        compile_schema([file])
    with pytest.raises(SchemaFault, match="invalid"):
        compile_judge([file])
