"""Lines, columns, XPaths, claims, and the remark about text that is not composed."""

import unicodedata
from datetime import UTC, datetime

import pytest

from gateway.core.model import Caller, Channel, Envelope, MessageId, PartyId
from gateway.core.problems import Location, ProblemOutcome, Stopped
from gateway.documents import DocumentLimits, header_claims, locate, parse, parse_bytes, xpath_of

PB = "http://www.dongnai.gov.vn/lienthong/phongbi/1.0"
HS = "http://www.dongnai.gov.vn/lienthong/hoso/1.0"

LETTER = f"""<?xml version="1.0" encoding="UTF-8"?>
<lt:ThongDiep xmlns:lt="{PB}" Id="td-1">
  <lt:MaThongDiep>0b6ff8a3-7d45-4f3b-9f44-1d4f5e3f0001</lt:MaThongDiep>
  <lt:LoaiThongDiep>HS05</lt:LoaiThongDiep>
  <lt:NoiGui><lt:MaDinhDanh>H19.901</lt:MaDinhDanh><lt:TenCoQuan>Sở Tư pháp</lt:TenCoQuan></lt:NoiGui>
  <lt:MaHoSo> H19.901-260115-0001 </lt:MaHoSo>
  <lt:ThanPhan>
    <CapNhatTienDo xmlns="{HS}" xmlns:h="{HS}"><MaHoSo/><h:MaHoSo x="1"
       lt:y="2">đã <![CDATA[<x/>]]></h:MaHoSo><MaHoSo/></CapNhatTienDo>
  </lt:ThanPhan>
</lt:ThongDiep>
""".encode()


def envelope(body, **cover):
    return Envelope.of(
        body,
        id=MessageId("m-1"),
        caller=Caller(party=PartyId("so-tu-phap"), by="token"),
        channel=Channel.REST,
        received_at=datetime(2026, 1, 15, tzinfo=UTC),
        **cover,
    )


def test_an_xpath_numbers_every_step_below_the_root_by_name_and_namespace():
    root = parse_bytes(LETTER)
    assert [xpath_of(e) for e in root.iter(f"{{{HS}}}MaHoSo")] == [
        "/lt:ThongDiep/lt:ThanPhan[1]/CapNhatTienDo[1]/MaHoSo[1]",
        "/lt:ThongDiep/lt:ThanPhan[1]/CapNhatTienDo[1]/h:MaHoSo[2]",
        "/lt:ThongDiep/lt:ThanPhan[1]/CapNhatTienDo[1]/MaHoSo[3]",
    ]
    assert xpath_of(root) == "/lt:ThongDiep"


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_what_is_asked_for_is_found_at_its_first_character(bom):
    payload = "/lt:ThongDiep/lt:ThanPhan[1]/CapNhatTienDo[1]"
    asked = [f"{payload}/h:MaHoSo[2]", f"{payload}/h:MaHoSo[2]/@lt:y", "/lt:ThongDiep/@Id", "/lt:ThongDiep/lt:Khong[1]"]
    assert locate(bom + LETTER, asked) == {
        asked[0]: Location(8, 137, asked[0]),
        asked[1]: Location(9, 8, asked[1]),
        asked[2]: Location(2, 74, asked[2]),
    }


def test_every_element_of_a_tree_is_located_where_its_tag_stands():
    root = parse_bytes(LETTER)
    lines = LETTER.decode().split("\n")
    paths = {xpath_of(element): element for element in root.iter()}
    places = locate(LETTER, paths)
    assert places.keys() == paths.keys()
    for path, element in paths.items():
        name = path.rpartition("/")[2].partition("[")[0]
        assert lines[places[path].line - 1][places[path].column - 1 :].startswith(f"<{name}")
        assert places[path].line <= element.sourceline  # libxml2 names the line on which the start tag ends


def test_nothing_asked_is_nothing_found():
    assert locate(LETTER, []) == {}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_break_counts_once(newline):
    body = newline.join(["<a>", "", "đường", "  <b/><!-- -->", "</a>"]).encode()
    with pytest.raises(Stopped) as stop:
        parse_bytes(body)
    assert stop.value.problems[0].at == Location(4, 7, "/a/comment()[1]")
    assert locate(body, ["/a/b[1]"]) == {"/a/b[1]": Location(4, 3, "/a/b[1]")}


def test_columns_count_characters_not_bytes():
    assert locate("<a>Đồng Nai 🏛<b/></a>".encode(), ["/a/b[1]"])["/a/b[1]"].column == 14


def test_places_hold_in_a_document_of_many_chunks():
    rows = "".join(f"<dòng số='{n}'>{'ữ' * 40}</dòng>\r\n" for n in range(3000))
    body = f"<a>\r\n{rows}</a>".encode()
    path = "/a/dòng[2900]"
    assert locate(body, [path, f"{path}/@số"]) == {
        path: Location(2901, 1, path),
        f"{path}/@số": Location(2901, 7, f"{path}/@số"),
    }


# --- parse() ----------------------------------------------------------------------------------------------------------


def test_a_document_keeps_its_envelope_and_its_bytes():
    letter = envelope(LETTER)
    document = parse(letter)
    assert (document.envelope, document.body, document.composed, document.problems) == (letter, LETTER, False, ())
    assert document.root.get("Id") == "td-1"


def test_a_body_that_was_cut_at_the_door_is_told_with_its_whole_size():
    cover = envelope(b"")
    cut = Envelope(
        **{f: getattr(cover, f) for f in ("id", "caller", "channel", "received_at")},
        body=b"<a/>",
        digest="0",
        total_bytes=9,
    )
    with pytest.raises(Stopped) as stop:
        parse(cut, DocumentLimits(body_bytes=4))
    (problem,) = stop.value.problems
    assert (problem.code, problem.facts) == ("XML-002", {"so_byte": 9, "gioi_han": 4})


def test_limits_hold_for_one_call_only():
    with pytest.raises(Stopped):
        parse_bytes(b"<a><b/></a>", DocumentLimits(depth=1))
    assert parse_bytes(b"<a><b/></a>") is not None


def test_decomposed_vietnamese_is_taken_with_a_remark_where_it_begins():
    body = "<a>\n<b>Việt Nam</b>\n<c>Hồ sơ mơ\u0301i</c></a>".encode()
    (note,) = parse(envelope(body)).problems
    assert (note.code, note.outcome) == ("XML-150", ProblemOutcome.NOTE)
    assert note.at == Location(3, 11, "/a/c[1]")


@pytest.mark.parametrize("text", ["Đồng Nai, ngày 15 tháng 01", "plain", "\u1e69"])
def test_composed_text_needs_no_remark(text):
    assert parse(envelope(f"\ufeff<a>{text}</a>".encode())).problems == ()


def test_composed_letters_are_no_remark_whatever_stands_beside_them():
    written = [chr(code) for code in (*range(0xA0, 0x300), *range(0x1EA0, 0x1EFA), *range(0x2010, 0x2028))]
    text = "".join(f"e{letter}a{letter}{letter}" for letter in written)
    assert unicodedata.is_normalized("NFC", text)
    assert parse(envelope(f"<a>{text}</a>".encode())).problems == ()
    for letter in written:
        body = f"<a>{letter}\u0323</a>"  # a dot below: what stands before it decides whether it is composed
        told = parse(envelope(body.encode())).problems
        assert [problem.code for problem in told] == ["XML-150"] * (not unicodedata.is_normalized("NFC", body)), body


# --- claims -----------------------------------------------------------------------------------------------------------


def test_claims_say_what_the_header_says():
    claims = header_claims(parse_bytes(LETTER))
    assert claims.ma_thong_diep == "0b6ff8a3-7d45-4f3b-9f44-1d4f5e3f0001"
    assert (claims.loai, claims.ma_ho_so, claims.noi_gui) == ("HS05", "H19.901-260115-0001", "H19.901")


def test_the_payload_names_the_dossier_where_the_header_does_not():
    body = b"<ThongDiep><ThanPhan><NopHoSo><MaHoSo>H19.1-260115-0001</MaHoSo></NopHoSo></ThanPhan></ThongDiep>"
    assert header_claims(parse_bytes(body)).ma_ho_so == "H19.1-260115-0001"


@pytest.mark.parametrize(
    "inside",
    [
        "<MaThongDiep/>",
        "<MaThongDiep>a b</MaThongDiep>",
        "<MaThongDiep>=cmd()</MaThongDiep>",
        "<MaThongDiep>\u202eabc</MaThongDiep>",
        "<MaThongDiep>a<b/></MaThongDiep>",
        f"<MaThongDiep>{'a' * 65}</MaThongDiep>",
        "<ThanPhan><MaThongDiep>abc</MaThongDiep></ThanPhan>",
    ],
)
def test_a_claim_that_is_no_code_is_no_claim(inside):
    assert header_claims(parse_bytes(f"<x>{inside}</x>".encode())).ma_thong_diep is None
