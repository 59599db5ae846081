"""Every way in which bytes can fail to be a document we read, each with a neighbour that must pass."""

import pytest
from lxml import etree

from gateway.core.limits import CEILING
from gateway.core.problems import Lang, ProblemOutcome, Side, Stopped, catalogue
from gateway.documents import MOST_PROBLEMS, DocumentLimits, parse_bytes

PB = "http://www.dongnai.gov.vn/lienthong/phongbi/1.0"
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def problems(body, limits=None):
    with pytest.raises(Stopped) as stop:
        parse_bytes(body if isinstance(body, bytes) else body.encode(), limits or DocumentLimits())
    return stop.value.problems


def told(body, limits=None):
    """Each problem as (code, line, column, xpath)."""
    return [(p.code, p.at and p.at.line, p.at and p.at.column, p.at and p.at.xpath) for p in problems(body, limits)]


def accepted(body):
    root = parse_bytes(body if isinstance(body, bytes) else body.encode())
    return etree.tostring(root, method="c14n").decode()


# --- DOCTYPE and entities: nothing gets past the gate -----------------------------------------------------------------

BOMB = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>'


@pytest.mark.parametrize(
    "body",
    [
        "<!DOCTYPE a><a/>",
        '<!DOCTYPE a [<!ENTITY n "x">]><a>&n;</a>',
        '<!DOCTYPE a [<!ENTITY n SYSTEM "file:///etc/hostname">]><a>&n;</a>',
        '<!DOCTYPE a [<!ENTITY n SYSTEM "http://127.0.0.1:9/x">]><a>&n;</a>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x">%p;]><a/>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        '<!DOCTYPE a PUBLIC "-//x//y" "a.dtd"><a/>',
        '<!DOCTYPE a [<!ATTLIST a b CDATA "v">]><a/>',
        BOMB,
    ],
)
def test_a_doctype_is_refused_whatever_it_holds(body):
    assert told(body) == [("XML-110", 1, 1, None)]


def test_a_doctype_is_found_behind_declaration_comment_instruction_and_white_space():
    body = '<?xml version="1.0"?>\n<!-- x -->\n<?y z?>\n <!DOCTYPE a><a/>'
    assert told(body) == [
        ("XML-111", 2, 1, "/comment()[1]"),
        ("XML-112", 3, 1, "/processing-instruction()[1]"),
        ("XML-110", 4, 2, None),
    ]


def test_a_doctype_inside_the_document_is_named_as_such():
    assert told("<a>\n<!DOCTYPE b></a>") == [("XML-110", 2, 1, "/a")]


def test_the_word_doctype_in_honest_text_passes():
    assert accepted("<a><![CDATA[<!DOCTYPE html>]]> và &lt;!DOCTYPE&gt;</a>").count("DOCTYPE") == 2


def test_an_unknown_entity_is_named():
    (problem,) = problems("<a>\n &nbsp;</a>")
    assert (problem.code, problem.facts, problem.at.line, problem.at.column) == ("XML-116", {"ten": "nbsp"}, 2, 2)


# --- encodings and characters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="UTF-8"?>'])
def test_wide_encodings_are_refused_whatever_is_declared(encoding, declared):
    (problem,) = problems((declared + "<a/>").encode(encoding))
    assert (problem.code, problem.facts["bang_ma"]) == ("XML-101", encoding[:6].upper())


def test_a_doctype_hidden_in_utf_16_is_refused():
    assert told("<!DOCTYPE a><a/>".encode("utf-16")) == [("XML-101", 1, 1, None)]


def test_ebcdic_is_refused():
    assert told('<?xml version="1.0"?><a/>'.encode("cp037")) == [("XML-101", 1, 1, None)]


@pytest.mark.parametrize(
    "name",
    ["UTF-16", "ISO-8859-1", "windows-1252", "windows-1258", "GB18030", "Shift_JIS", "UTF-7", "utf8", "US-ASCII", "x"],
)
def test_any_other_declared_encoding_is_refused(name):
    (problem,) = problems(f'<?xml version="1.0" encoding="{name}"?><a/>')
    assert (problem.code, problem.facts["bang_ma"], problem.at.column) == ("XML-102", name, 31)
    assert problem.entry.status == 415


@pytest.mark.parametrize("name", ["UTF-8", "utf-8", "Utf-8"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_utf_8_may_be_declared_in_any_case_and_quote(name, quote):
    body = f'<?xml version="1.0" encoding="{name}" standalone="yes" ?>\r\n<a>Đồng Nai</a>'.replace('"', quote)
    assert accepted(body) == "<a>Đồng Nai</a>"


def test_latin_1_bytes_are_refused_where_they_stand():
    (problem,) = problems(b"<a>\n<b>caf\xe9</b></a>")
    assert (problem.code, problem.facts, problem.at.line, problem.at.column) == ("XML-103", {"byte": "0xE9"}, 2, 7)


@pytest.mark.parametrize("junk", [b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe1\xbb", b"\x80"])
def test_overlong_forms_surrogates_and_torn_sequences_are_refused(junk):
    assert told(b"<a>" + junk + b"</a>") == [("XML-103", 1, 4, None)]


def test_one_byte_order_mark_passes_and_shifts_no_column():
    assert accepted(b"\xef\xbb\xbf<a>x</a>") == "<a>x</a>"
    assert told(b"\xef\xbb\xbf<a><!--x--></a>") == [("XML-111", 1, 4, "/a/comment()[1]")]


def test_two_byte_order_marks_are_refused():
    assert told(b"\xef\xbb\xbf\xef\xbb\xbf<a/>") == [("XML-104", 1, 1, None)]


@pytest.mark.parametrize("character", [chr(c) for c in range(32) if chr(c) not in "\t\n\r"] + ["\ufffe", "\uffff"])
def test_characters_outside_xml_are_refused_by_code_point(character):
    (problem,) = problems(f"<a>\n<b>ă{character}</b></a>")
    place = problem.at
    assert (problem.code, problem.facts["ky_tu"]) == ("XML-105", f"U+{ord(character):04X}")
    assert (place.line, place.column) == (2, 5)


def test_every_forbidden_character_is_told_at_once():
    assert [p[0:3] for p in told("<a>\x01\n\x02</a>")] == [("XML-105", 1, 4), ("XML-105", 2, 1)]


@pytest.mark.parametrize("reference", ["&#0;", "&#1;", "&#xFFFE;", "&#xD800;", "&#x110000;"])
def test_references_to_such_characters_are_refused(reference):
    (problem,) = problems(f"<a>{reference}</a>")
    assert (problem.code, problem.facts["ky_tu"], problem.at.xpath) == ("XML-105", reference, "/a")


def test_nul_behind_the_document_is_refused():
    assert told(b"<a/>\x00") == [("XML-105", 1, 5, None)]


def test_c1_controls_and_bidi_marks_are_xml_and_pass():
    assert accepted("<a>\u0085\u009b\u2028\u202e</a>") == "<a>\u0085\u009b\u2028\u202e</a>"


@pytest.mark.parametrize("version", ["1.1", "9.9", "1", ""])
def test_only_xml_1_0_is_read(version):
    (problem,) = problems(f'<?xml version="{version}"?><a/>')
    assert (problem.code, problem.facts["phien_ban"]) == ("XML-106", version)


@pytest.mark.parametrize(
    "declaration",
    ["<?xml?>", '<?xml encoding="UTF-8"?>', '<?xml version="1.0" standalone="maybe"?>', "<?xml version=1.0?>"],
)
def test_a_malformed_declaration_is_refused(declaration):
    assert told(declaration + "<a/>") == [("XML-107", 1, 1, None)]


@pytest.mark.parametrize(
    "body",
    ['\n<?xml version="1.0"?><a/>', '<?xml version="1.0"?><?xml version="1.0"?><a/>', '<a><?xml version="1.0"?></a>'],
)
def test_a_declaration_stands_first_and_once(body):
    assert [code for code, *_ in told(body)] == ["XML-108"]


# --- what surrounds the root ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_nothing_at_all_is_told_so(body):
    assert told(body) == [("XML-001", None, None, None)]


def test_a_declaration_alone_is_no_document():
    assert told('<?xml version="1.0"?>\n') == [("XML-115", 2, 1, None)]


@pytest.mark.parametrize(
    "body", ['{"a": 1}', "Kính gửi", "</a>", "<![CDATA[x]]>", "< a/>", "&lt;a/>", "\ufeff\u00a0<a/>"]
)
def test_what_does_not_begin_as_xml_is_told_so(body):
    assert told(body) == [("XML-113", 1, 1, None)]


@pytest.mark.parametrize("tail", ["<b/>", "text", "</a>", "<!DOCTYPE a>", "&amp;", "<![CDATA[x]]>"])
def test_nothing_may_follow_the_root(tail):
    assert [problem[0:2] for problem in told("<a/>\n" + tail)] == [("XML-114", 2)]


def test_white_space_may_follow_the_root():
    assert accepted("<a/>\r\n \t\n") == "<a></a>"


def test_every_comment_and_instruction_is_told_wherever_it_stands():
    body = "<?p q?><!--1--><a>\n<!--2--><b/><!-- <c> -->\n<b><?p-q?></b></a><!--4-->"
    assert told(body) == [
        ("XML-112", 1, 1, "/processing-instruction()[1]"),
        ("XML-111", 1, 8, "/comment()[1]"),
        ("XML-111", 2, 1, "/a/comment()[1]"),
        ("XML-111", 2, 13, "/a/comment()[2]"),
        ("XML-112", 3, 4, "/a/b[2]/processing-instruction()[1]"),
        ("XML-111", 3, 19, "/comment()[2]"),
    ]


@pytest.mark.parametrize("body", ["<a>AG-1<!-- x -->.evil</a>", "<a>1<?x?>2</a>", "<a>12<!----></a>"])
def test_text_split_by_a_comment_or_instruction_is_refused(body):
    assert told(body)[0][0] in ("XML-111", "XML-112")


@pytest.mark.parametrize("body", ["<a><!-- a -- b --></a>", "<a><!-- never closed</a>", "<a><!-->x</a>"])
def test_a_malformed_comment_is_still_told_as_a_comment(body):
    assert told(body) == [("XML-111", 1, 4, "/a/comment()[1]")]


def test_the_twenty_sixth_comment_teaches_nobody_anything():
    assert len(told("<a>" + "<!---->" * 1000 + "</a>")) == 25


@pytest.mark.parametrize(
    "body",
    [
        "<a>x<![CDATA[<b>&amp;]]>y</a>",
        "<a>&#272;&#x1ED3;ng &amp; &lt;&gt;&quot;&apos;</a>",
        "<a b='1' c=\"2\"/>",
        "<a>\r\n\t<b/>\r</a>",
        '<?xml version="1.0" encoding="UTF-8"?>\n\n<a/>',
        '<p:a xmlns:p="urn:x"><q:a xmlns:q="urn:x"/></p:a>',
        '<a xmlns="urn:x"><b xmlns=""/></a>',
        '<a xml:lang="vi" xml:space="preserve"> x </a>',
        "<a>]] > ]>]</a>",
    ],
)
def test_honest_ways_of_writing_pass(body):
    assert parse_bytes(body.encode()) is not None


# --- not well-formed --------------------------------------------------------------------------------------------------


def test_a_mismatched_tag_names_both_ends():
    (problem,) = problems("<a>\n<b>\n</c></a>")
    assert problem.facts == {"dong_the": "c", "mo_the": "b", "dong_mo": 2}
    assert (problem.code, problem.at.line, problem.at.column, problem.at.xpath) == ("XML-118", 3, 1, "/a/b[1]")


@pytest.mark.parametrize("body", ["<a>\n<b>x", "<a>\n<b>x<", "<a>\n<b>x</b", "<a>\n<b>x<c d='", "<a>\n<b></b><b>"])
def test_a_document_cut_on_the_way_names_what_was_open(body):
    (problem,) = problems(body)
    assert problem.code == "XML-119"
    assert (problem.facts["ten"], problem.facts["dong_mo"]) == ("b", 2)


@pytest.mark.parametrize("text", ["Sở A & Sở B", "a &b c", "1 < 2", "&;", "&#;", "&lt thiếu chấm phẩy", "x<", "A&B"])
def test_a_bare_ampersand_or_less_than_is_told_so(text):
    assert told(f"<a>{text}</a>")[0][0] in ("XML-117", "XML-118")


@pytest.mark.parametrize("value", ["A & B", "1 < 2"])
def test_so_it_is_in_an_attribute(value):
    assert [code for code, *_ in told(f'<a b="{value}"/>')] == ["XML-117"]


def test_a_repeated_attribute_is_named():
    (problem,) = problems('<a b="1"\n b="2"/>')
    assert (problem.code, problem.facts, problem.at.line) == ("XML-120", {"ten": "b"}, 2)


def test_a_repeated_attribute_is_found_behind_two_prefixes():
    body = '<a xmlns:p="urn:x" xmlns:q="urn:x" p:b="1" q:b="2"/>'
    assert told(body) == [("XML-120", 1, 44, "/a/@q:b")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<a b=1/>", "XML-129"),
        ("<a b/>", "XML-129"),
        ('<a b="1"c="2"/>', "XML-129"),
        ("<a>]]></a>", "XML-129"),
        ("<a>\ufeff<1b/></a>", "XML-117"),
        ('<a\u00a0b="1"/>', "XML-129"),
    ],
)
def test_other_slips_are_told_with_their_place(body, code):
    (problem,) = problems(body)
    assert (problem.code, problem.at.line) == (code, 1)


# --- namespaces and the attributes that change meaning ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "xpath"), [("<p:a/>", "/p:a"), ("<a><p:b/></a>", "/a/p:b[1]"), ('<a p:b="1"/>', "/a/@p:b")]
)
def test_an_undeclared_prefix_is_named(body, xpath):
    (problem,) = problems(body)
    assert (problem.code, problem.facts, problem.at.xpath) == ("XML-121", {"tien_to": "p"}, xpath)


@pytest.mark.parametrize("body", ["<:a/>", "<a:/>", "<a:b:c xmlns:a='urn:x'/>", "<a :b='1'/>", "<a b:c:d='1'/>"])
def test_a_name_has_one_colon_inside_at_most(body):
    assert [code for code, *_ in told(body)] == ["XML-122"]


@pytest.mark.parametrize(
    "declaration",
    [
        'xmlns:p=""',
        'xmlns:xml="urn:x"',
        'xmlns:p="http://www.w3.org/XML/1998/namespace"',
        'xmlns="http://www.w3.org/XML/1998/namespace"',
        'xmlns:p="http://www.w3.org/2000/xmlns/"',
        'xmlns:xmlns="urn:x"',
    ],
)
def test_reserved_and_empty_namespaces_are_refused(declaration):
    assert told(f"<a {declaration}/>") == [("XML-123", 1, 4, "/a")]


@pytest.mark.parametrize(
    "uri", ["abc", "../x", "//host/x", "#x", "?x", "abc/d:e", "x y:z", "urn: x", "1a:b", "http://Đồng.vn/"]
)
@pytest.mark.parametrize("prefix", ["xmlns", "xmlns:p"])
def test_a_relative_namespace_is_refused(uri, prefix):
    assert told(f'<a><b {prefix}="{uri}"/></a>') == [("XML-124", 1, 7, "/a/b[1]")]


def test_a_relative_namespace_written_with_references_is_refused():
    assert told('<a xmlns:p="&#97;bc"/>') == [("XML-124", 1, 4, "/a")]


@pytest.mark.parametrize("uri", ["urn:a:b", "http://www.dongnai.gov.vn/lienthong/phongbi/1.0", "tag:x,2026:y"])
def test_an_absolute_namespace_passes(uri):
    assert parse_bytes(f'<a xmlns:p="{uri}"/>'.encode()).nsmap == {"p": uri}


@pytest.mark.parametrize("prefix", ["xsi", "kieu"])
def test_xsi_type_is_refused_under_any_prefix(prefix):
    body = f'<a xmlns:{prefix}="http://www.w3.org/2001/XMLSchema-instance">\n <b\n  {prefix}:type="c"/></a>'
    assert told(body) == [("XML-140", 3, 3, f"/a/b[1]/@{prefix}:type")]


def test_xsi_type_is_refused_when_its_namespace_is_written_with_references():
    body = '<a xmlns:x="http://www.w3.org/2001/XMLSchema-inst&#97;nce" x:type="b"/>'
    assert [code for code, *_ in told(body)] == ["XML-140"]


def test_xsi_nil_and_schema_location_pass():
    body = f'<a {XSI} xsi:schemaLocation="urn:x http://127.0.0.1:9/x.xsd"><b xsi:nil="true"/></a>'
    assert len(parse_bytes(body.encode())) == 1


def test_an_attribute_named_type_in_no_namespace_passes():
    assert parse_bytes(b'<a type="b"/>').get("type") == "b"


@pytest.mark.parametrize(("name", "code"), [("base", "XML-141"), ("id", "XML-142")])
def test_xml_base_and_xml_id_are_refused(name, code):
    assert told(f'<a><b xml:{name}="x"/></a>') == [(code, 1, 7, f"/a/b[1]/@xml:{name}")]


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("http://www.w3.org/2001/XInclude", "XML-143"),
        ("http://www.w3.org/2003/XInclude", "XML-143"),
        ("http://www.w3.org/2001/XIncl&#117;de", "XML-143"),
        ("http://www.w3.org/2004/08/xop/include", "XML-144"),
    ],
)
def test_content_from_elsewhere_is_refused(uri, code):
    body = f'<a><x:include xmlns:x="{uri}" href="file:///etc/hostname"/></a>'
    (problem,) = problems(body)
    assert (problem.code, problem.at.xpath) == (code, "/a/x:include[1]")


def test_different_kinds_of_trouble_are_told_together():
    body = f'<a {XSI} xmlns:p="rel">\n<!-- x --><b xsi:type="c" xml:id="d"/>\n<p:e q:f="1"/>\n</b>'
    assert [(code, line) for code, line, *_ in told(body)] == [
        ("XML-124", 1),
        ("XML-111", 2),
        ("XML-140", 2),
        ("XML-142", 2),
        ("XML-121", 3),
        ("XML-118", 4),
    ]


# --- limits -----------------------------------------------------------------------------------------------------------


def test_the_limits_are_met_exactly():
    limits = DocumentLimits(depth=3, elements=5, attributes=2, namespaces=2)
    body = b'<a xmlns="urn:1" xmlns:q="urn:2"><b><c/></b><b x="1" y="2"/><b/></a>'
    assert parse_bytes(body, limits).tag == "{urn:1}a"


@pytest.mark.parametrize(
    ("body", "code", "xpath"),
    [
        ("<a><b><c><d/></c></b></a>", "XML-130", "/a/b[1]/c[1]/d[1]"),
        ("<a><b/><b/><b/><b/><b/></a>", "XML-131", "/a/b[5]"),
        ('<a x="1" y="2" z="3"/>', "XML-132", "/a"),
        ('<a xmlns="urn:1" xmlns:p="urn:2"><b xmlns:q="urn:3"/></a>', "XML-133", "/a/b[1]"),
    ],
)
def test_one_more_than_a_limit_is_refused_with_its_place(body, code, xpath):
    limits = DocumentLimits(depth=3, elements=5, attributes=2, namespaces=2)
    ((found, _, _, where),) = told(body, limits)
    assert (found, where) == (code, xpath)


def test_namespaces_declared_again_and_again_do_not_add_up():
    body = '<a xmlns:p="urn:1">' + '<b xmlns:p="urn:2"/>' * 10 + "</a>"
    assert parse_bytes(body.encode(), DocumentLimits(namespaces=1)) is not None


def test_a_declaration_is_no_attribute():
    assert parse_bytes(b'<a xmlns:p="urn:1" xmlns:q="urn:2" x="1"/>', DocumentLimits(attributes=1)) is not None


def test_a_long_text_is_refused():
    assert told("<a>\n<b>" + "x" * 100 + "</b></a>", DocumentLimits(text_bytes=100)) == [("XML-134", 2, 1, "/a/b[1]")]
    assert parse_bytes(b"<a>" + b"x" * 97 + b"</a>", DocumentLimits(text_bytes=100 + 4)) is not None


def test_no_setting_reaches_beyond_what_libxml2_reads():
    longer = b"<a><b>" + b"x" * 10_500_000 + b"</b></a>"
    (problem,) = problems(longer, CEILING)
    assert (problem.code, problem.facts) == ("XML-134", {"gioi_han": 10_000_000})
    assert len(parse_bytes(b"<a>" + (b"<b>" + b"x" * 9_000_000 + b"</b>") * 2 + b"</a>", CEILING)) == 2
    assert (
        len(parse_bytes(longer, CEILING.for_bytes(2**26))) == 1
    )  # an envelope of SOAP, which holds a message in base64


@pytest.mark.threat("T-GROWTH")
def test_a_namespace_name_that_would_be_repeated_for_ever_is_refused():
    """Exclusive canonicalisation declares it at each element that uses it: 124 kB made 190 MB of it."""
    name = "urn:" + "a" * 509
    assert told(f'<a xmlns:p="{name}"><p:b/></a>') == [("XML-138", 1, 4, "/a")]
    assert told(f'<a xmlns:p="{name}&amp;"><p:b/></a>') == [("XML-138", 1, 4, "/a")]
    assert parse_bytes(f'<a xmlns:p="{name[:-1]}"><p:b/></a>'.encode()) is not None


def test_names_that_are_data_are_refused():
    body = "<a>" + "".join(f"<n{i}/>" for i in range(30)) + "</a>"
    assert told(body, DocumentLimits(name_bytes=1 + 10 * 2 + 9 * 3)) == [("XML-135", 1, 108, "/a/n19[1]")]
    assert parse_bytes(b"<a>" + b"<name/>" * 300 + b"</a>", DocumentLimits(name_bytes=50)) is not None


def test_a_body_over_the_limit_is_not_looked_at():
    (problem,) = problems(b"\xff" * 11, DocumentLimits(body_bytes=10))
    assert (problem.code, problem.facts, problem.entry.status) == ("XML-002", {"so_byte": 11, "gioi_han": 10}, 413)


# --- the words --------------------------------------------------------------------------------------------------------


def test_every_code_of_the_family_speaks_both_languages_and_blames_the_sender():
    family = [entry for code, entry in catalogue().items() if code.startswith("XML-")]
    assert len(family) > 30
    for entry in family:
        assert entry.side is Side.SENDER
        assert entry.outcome in (ProblemOutcome.FAILED, ProblemOutcome.NOTE)
        assert entry.token == "XML_KHONG_HOP_LE"
        assert entry.message[Lang.VI] != entry.message[Lang.EN]
        assert entry.remedy[Lang.VI] != entry.remedy[Lang.EN]


@pytest.mark.parametrize("comments", [MOST_PROBLEMS - 2, MOST_PROBLEMS - 1, MOST_PROBLEMS])
def test_a_document_that_breaks_off_as_the_last_problem_there_is_room_for_is_refused_like_any_other(comments):
    found = told("<a>" + "<!-- -->" * comments + "</b>")
    assert len(found) == min(comments + 1, MOST_PROBLEMS)
    assert {code for code, *_ in found} <= {"XML-111", "XML-118"}
