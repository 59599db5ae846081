"""What must hold for any bytes at all."""

from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from gateway.core.problems import Lang, Stopped
from gateway.documents import DEFAULT_LIMITS, DocumentLimits, _Places, _why, locate, parse_bytes, xpath_of

LETTER = """<?xml version="1.0" encoding="UTF-8"?>
<lt:ThongDiep xmlns:lt="http://www.dongnai.gov.vn/lienthong/phongbi/1.0" Id="td-1">
  <lt:LoaiThongDiep>HS05</lt:LoaiThongDiep><lt:ThanPhan>
    <CapNhatTienDo xmlns="urn:hoso" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
      <MaHoSo>H19.901-260115-0001</MaHoSo><NoiDung a='1' xsi:nil="false">Đồng Nai &amp; &#272;<![CDATA[<x>]]></NoiDung>
    </CapNhatTienDo></lt:ThanPhan>
</lt:ThongDiep>""".encode()

PIECES = [
    piece.encode()
    for piece in [
        "<",
        ">",
        "/",
        "&",
        ";",
        '"',
        "'",
        "=",
        ":",
        "!",
        "?",
        "-",
        "[",
        "]",
        "a",
        "xmlns",
        "xmlns:",
        "xml:",
        ":type",
        "rel",
        "]]",
        "]]>",
        "-->",
        "?>",
        "<!--",
        "<?",
    ]
]
PIECES += [
    b" ",
    b"\n",
    b"\r",
    b"\t",
    b"\x00",
    b"\x0b",
    b"\xc3",
    b"\xa9",
    b"\xef\xbb\xbf",
    b"\xef\xbf\xbf",
    "ệ".encode(),
]
PIECES += [
    b"<a>",
    b"</a>",
    b"<a/>",
    b"<a:b/>",
    b"<!-- -->",
    b"<?p?>",
    b"<?xml version='1.0'?>",
    b"<!DOCTYPE a>",
    b"<![CDATA[",
]
PIECES += [
    b"&#0;",
    b"&#10;",
    b"&lt;",
    b"&x;",
    b" a:b='1'",
    b" b:b='1'",
    b" xmlns:a='u:1'",
    b' xmlns:b="u:1"',
    b" xmlns=''",
]
PIECES += [b" xsi:type='a'", b" xml:id='x'", b"http://www.w3.org/2001/XInclude", "e\u0323\u0302".encode()]


@st.composite
def mutated(draw):
    """A good letter with some damage."""
    body = LETTER
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        cut = draw(st.sampled_from([0, 0, 0, 1, 2, 7, 30]))
        body = body[:at] + draw(st.sampled_from([b"", *PIECES])) + body[at + cut :]
    return body


@st.composite
def trees(draw):
    """A well-formed document of plain elements, as text."""

    def element(depth):
        name = draw(st.sampled_from(["a", "b", "p:a", "q:a", "Đ"]))
        inner = "".join(element(depth + 1) for _ in range(draw(st.integers(0, 3 if depth < 4 else 0))))
        text = draw(st.sampled_from(["", "x", "\n", "Đồng\r\n ", "&amp;", "<![CDATA[<]]>"]))
        attribute = draw(st.sampled_from(["", ' x="1"', "\n p:x = '1'"]))
        declaration = draw(st.sampled_from(["", "", ' xmlns:q="urn:q"', ' xmlns:z="urn:p"']))
        return f"<{name}{declaration}{attribute}>{text}{inner}</{name}>"

    default = draw(st.sampled_from(["", ' xmlns="urn:q"']))
    return f'<r xmlns:p="urn:p" xmlns:q="urn:q"{default}>{element(0)}{element(0)}</r>'


bodies = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join), mutated())


@given(bodies)
@example(b"<a></a ></b>")
@example(b"<?xml ")
@example(b"<!--")
@example(b"<a\xef\xbb\xbf/>")
def test_any_bytes_are_a_tree_or_a_list_of_problems_that_can_be_told(body):
    try:
        root = parse_bytes(body)
    except Stopped as stop:
        assert 1 <= len(stop.problems) <= 25
        for problem in stop.problems:
            for lang in Lang:
                assert "…" not in problem.message(lang).replace("<!-- … -->", "").replace("…?>", "")
                assert problem.remedy(lang)
            if problem.at and problem.at.line and problem.code != "XML-101":
                lines = (
                    body.removeprefix(b"\xef\xbb\xbf")
                    .decode("utf-8", "replace")
                    .replace("\r\n", "\n")
                    .replace("\r", "\n")
                )
                assert 1 <= problem.at.line <= lines.count("\n") + 1
                assert 1 <= problem.at.column <= len(lines.split("\n")[problem.at.line - 1]) + 2
    else:
        assert isinstance(root, etree._Element)


@given(bodies)
@example(b"<a xmlns:a='u:1' a:b='1'><a:b:c/></a>")
@example(b"<a b='xmlns' xmlns:a='rel'/>")
def test_what_is_accepted_has_nothing_that_the_walk_would_tell(body):
    try:
        parse_bytes(body)
    except Stopped:
        return
    assert _why(_Places(body.removeprefix(b"\xef\xbb\xbf")), DEFAULT_LIMITS) == []


@given(bodies)
def test_nearly_every_refusal_has_an_explanation_of_our_own(body):
    try:
        parse_bytes(body)
    except Stopped as stop:
        assert [p.code for p in stop.problems if p.code == "XML-199"] == []


@given(trees())
def test_paths_and_places_agree_with_the_tree(text):
    root = parse_bytes(text.encode())
    elements = list(root.iter())
    paths = [xpath_of(element) for element in elements]
    assert len(set(paths)) == len(paths)
    places = locate(text.encode(), paths)
    lines = text.replace("\r\n", "\n").split("\n")
    for path in paths:
        name = path.rpartition("/")[2].partition("[")[0]
        assert lines[places[path].line - 1][places[path].column - 1 :].startswith(f"<{name}")


@given(trees(), st.integers(1, 6), st.integers(1, 12), st.integers(0, 2), st.integers(0, 4))
def test_limits_refuse_exactly_what_exceeds_them(text, depth, elements, attributes, namespaces):
    root = parse_bytes(text.encode())
    every = list(root.iter())
    within = (
        max(1 + sum(1 for _ in e.iterancestors()) for e in every) <= depth
        and len(every) <= elements
        and max(len(e.attrib) for e in every) <= attributes
        and max(len(e.nsmap) for e in every) <= namespaces
    )
    limits = DocumentLimits(depth=depth, elements=elements, attributes=attributes, namespaces=namespaces)
    try:
        parse_bytes(text.encode(), limits)
        taken = True
    except Stopped as stop:
        taken = False
        assert {p.code for p in stop.problems} <= {"XML-130", "XML-131", "XML-132", "XML-133"}
    assert taken == within


@given(st.text(alphabet="aeouăâđêôơư\u0300\u0301\u0303\u0309\u0323 \n", max_size=40))
def test_the_tree_holds_the_text_as_it_was_sent(text):
    assert parse_bytes(f"<a>{text}</a>".encode()).text == (text or None)
