"""Documents that are not XML as the gateway reads it (stations 1 and 2): one flaw each, put in after signing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recipes import payloads as p
from recipes.envelopes import envelope
from recipes.people import PORTAL, TU_PHAP, moment
from recipes.sample import REJECTED, Expected, Sample
from recipes.xmltext import Node

AT = moment("2026-01-15", "08:16:00")
MA = "H19.901-260115-0900"


def opening(name: str) -> Callable[[], Node]:
    """A small HS01 from the portal; what is done to it is the flaw."""

    def root() -> Node:
        return envelope(
            name,
            "HS01",
            "NopHoSo",
            p.nop_ho_so(p.SMALL, MA, "2026-01-15"),
            sender=PORTAL,
            to=[TU_PHAP],
            at=AT,
            ma_ho_so=MA,
        )

    return root


def flawed(
    name: str,
    why_vi: str,
    why_en: str,
    finish: Callable[[bytes], bytes],
    *problems: Expected,
) -> Sample:
    """A signed HS01 to which something is done."""
    return Sample(
        name=name,
        outcome=REJECTED,
        sender=PORTAL,
        why_vi=why_vi,
        why_en=why_en,
        root=opening(name),
        signer=PORTAL.key,
        at=AT,
        finish=finish,
        problems=problems,
        placed_in_body=True,
    )


def bare(name: str, why_vi: str, why_en: str, body: bytes, *problems: Expected) -> Sample:
    """Bytes that are no document at all."""
    return Sample(
        name=name,
        outcome=REJECTED,
        sender=PORTAL,
        why_vi=why_vi,
        why_en=why_en,
        body=body,
        problems=problems,
        placed_in_body=True,
    )


def change(old: str, new: str, *, last: bool = False) -> Callable[[bytes], bytes]:
    """One place of the text changed; it must be there."""

    def finish(body: bytes) -> bytes:
        text = body.decode()
        at = text.rindex(old) if last else text.index(old)
        return (text[:at] + new + text[at + len(old) :]).encode()

    return finish


def changes(*pairs: tuple[str, str]) -> Callable[[bytes], bytes]:
    """Several places changed."""

    def finish(body: bytes) -> bytes:
        for old, new in pairs:
            body = change(old, new)(body)
        return body

    return finish


THAN_PHAN = "/lt:ThongDiep/lt:ThanPhan[1]"
NHS = f"{THAN_PHAN}/hs:NopHoSo[1]"
REFERENCE = "/lt:ThongDiep/ds:Signature[1]/ds:SignedInfo[1]/ds:Reference[1]"
ROOT = "<lt:ThongDiep "
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


def _encodings() -> Sequence[Sample]:
    return (
        bare("XML-001-rong", "Không có gì được gửi.", "Nothing was sent.", b"", Expected("XML-001")),
        flawed(
            "XML-101-utf-16",
            "UTF-16 đúng quy cách, có dấu thứ tự byte.",
            "Well-formed UTF-16 with its byte order mark.",
            lambda body: body.decode().replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16"),
            Expected("XML-101", line=1, column=1),
        ),
        flawed(
            "XML-101-utf-16-khai-utf-8",
            "Byte là UTF-16 mà khai báo nói UTF-8.",
            "UTF-16 bytes whose declaration says UTF-8.",
            lambda body: body.decode().encode("utf-16"),
            Expected("XML-101", line=1, column=1),
        ),
        flawed(
            "XML-101-utf-16le-khong-bom",
            "UTF-16LE không có dấu thứ tự byte.",
            "UTF-16LE without a byte order mark.",
            lambda body: body.decode().encode("utf-16-le"),
            Expected("XML-101", line=1, column=1),
        ),
        flawed(
            "XML-101-utf-32",
            "UTF-32 có dấu thứ tự byte.",
            "UTF-32 with its byte order mark.",
            lambda body: body.decode().encode("utf-32"),
            Expected("XML-101", line=1, column=1),
        ),
        flawed(
            "XML-102-windows-1258",
            "Khai báo windows-1258; nội dung chỉ có ASCII.",
            "Declares windows-1258; the content is plain ASCII.",
            change('encoding="UTF-8"', 'encoding="windows-1258"'),
            Expected("XML-102", text="windows-1258"),
        ),
        flawed(
            "XML-102-utf-7",
            "Khai báo UTF-7, bảng mã mà nhiều thư viện vẫn giải mã.",
            "Declares UTF-7, which many libraries still decode.",
            change('encoding="UTF-8"', 'encoding="UTF-7"'),
            Expected("XML-102", text="UTF-7"),
        ),
        flawed(
            "XML-103-byte-cut",
            "Một chữ tiếng Việt bị cắt giữa các byte.",
            "A Vietnamese letter cut in the middle of its bytes.",
            lambda body: body.replace("Cấp phiếu".encode(), "Cấp".encode()[:-2] + b"p phi\xe1\xbau", 1),
            Expected("XML-103", line=20, column=20),
        ),
        flawed(
            "XML-103-windows-1252",
            "Khai báo UTF-8 mà chữ viết theo bảng mã một byte.",
            "Declares UTF-8, but the letters are single bytes.",
            lambda body: body.replace("Cấp".encode(), b"C\xe2p", 1),
            Expected("XML-103", line=20, column=20),
        ),
        flawed(
            "XML-104-hai-bom",
            "Hai dấu thứ tự byte.",
            "Two byte order marks.",
            lambda body: b"\xef\xbb\xbf\xef\xbb\xbf" + body,
            Expected("XML-104", line=1, column=1),
        ),
        flawed(
            "XML-105-nul",
            "Ký tự NUL giữa văn bản.",
            "A NUL inside a text.",
            change("Lý lịch tư pháp", "Lý lịch\0tư pháp"),
            Expected("XML-105", text="\0"),
        ),
        flawed(
            "XML-105-esc",
            "Ký tự điều khiển ESC, có thể điều khiển màn hình của người vận hành.",
            "The control character ESC, which could drive an operator's terminal.",
            change("Lý lịch tư pháp", "Lý lịch\x1b[31m tư pháp"),
            Expected("XML-105", text="\x1b"),
        ),
        flawed(
            "XML-105-tham-chieu-so",
            "Tham chiếu ký tự &#1;.",
            "The character reference &#1;.",
            change("Lý lịch tư pháp", "Lý lịch&#1;tư pháp"),
            Expected("XML-105", text="&#1;", xpath=f"{NHS}/hs:TenLinhVuc[1]"),
        ),
        flawed(
            "XML-106-xml-1.1",
            "Khai báo XML 1.1.",
            "Declares XML 1.1.",
            change('version="1.0"', 'version="1.1"'),
            Expected("XML-106", text="1.1"),
        ),
        flawed(
            "XML-107-khai-bao-sai",
            "Khai báo XML viết sai.",
            "A malformed XML declaration.",
            change(DECLARATION, '<?xml encoding="UTF-8" version="1.0"?>'),
            Expected("XML-107", line=1, column=1),
        ),
        flawed(
            "XML-108-khoang-trang-dau",
            "Dòng trống trước khai báo XML.",
            "An empty line before the XML declaration.",
            lambda body: b"\n" + body,
            Expected("XML-108", line=2, column=1),
        ),
    )


def _outside() -> Sequence[Sample]:
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))
    return (
        flawed(
            "XML-110-doctype-trong",
            "DOCTYPE rỗng.",
            "An empty DOCTYPE.",
            change(ROOT, "<!DOCTYPE ThongDiep>\n" + ROOT),
            Expected("XML-110", text="<!DOCTYPE"),
        ),
        flawed(
            "XML-110-thuc-the-trong",
            "Thực thể nội bộ cho đúng giá trị đã ký.",
            "An internal entity that expands to the signed value.",
            changes((ROOT, f'<!DOCTYPE ThongDiep [<!ENTITY ma "{MA}">]>\n' + ROOT), (f">{MA}<", ">&ma;<")),
            Expected("XML-110", text="<!DOCTYPE"),
        ),
        flawed(
            "XML-110-thuc-the-ngoai",
            "Thực thể ngoài đọc tệp của máy chủ (XXE).",
            "An external entity that reads a file of the server (XXE).",
            changes(
                (ROOT, '<!DOCTYPE ThongDiep [<!ENTITY tep SYSTEM "file:///etc/passwd">]>\n' + ROOT),
                ("Lý lịch tư pháp", "&tep;"),
            ),
            Expected("XML-110", text="<!DOCTYPE"),
        ),
        flawed(
            "XML-110-tap-con-ngoai",
            "DTD ngoài ở một máy khác.",
            "An external DTD subset on another host.",
            change(ROOT, '<!DOCTYPE ThongDiep SYSTEM "http://attacker.example/dtd">\n' + ROOT),
            Expected("XML-110", text="<!DOCTYPE"),
        ),
        flawed(
            "XML-110-no-theo-cap-so-nhan",
            "Thực thể lồng nhau nở theo cấp số nhân.",
            "Nested entities that expand exponentially.",
            changes((ROOT, f'<!DOCTYPE ThongDiep [<!ENTITY a0 "x">{laughs}]>\n' + ROOT), ("Lý lịch tư pháp", "&a8;")),
            Expected("XML-110", text="<!DOCTYPE"),
        ),
        flawed(
            "XML-111-chu-thich-dau",
            "Chú thích trước phần tử gốc.",
            "A comment before the root.",
            change(ROOT, "<!-- do phần mềm tạo -->\n" + ROOT),
            Expected("XML-111", text="<!--", xpath="/comment()[1]"),
        ),
        flawed(
            "XML-111-chu-thich-cat-gia-tri",
            "Chú thích cắt đôi mã hồ sơ: mỗi thư viện đọc một khác.",
            "A comment that splits the dossier code: libraries disagree on what it reads.",
            change(f"<hs:MaHoSo>{MA}<", f"<hs:MaHoSo>{MA[:15]}<!-- -->{MA[15:]}<"),
            Expected("XML-111", text="<!--", xpath=f"{NHS}/hs:MaHoSo[1]/comment()[1]"),
        ),
        flawed(
            "XML-111-chu-thich-trong-chu-ky",
            "Chú thích trong DigestValue (CVE-2025-29775).",
            "A comment inside DigestValue (CVE-2025-29775).",
            change("</ds:DigestValue>", "<!-- --></ds:DigestValue>"),
            Expected("XML-111", text="<!--", xpath=f"{REFERENCE}/ds:DigestValue[1]/comment()[1]"),
        ),
        flawed(
            "XML-111-chu-thich-cuoi",
            "Chú thích sau phần tử gốc.",
            "A comment after the root.",
            lambda body: body + b"<!-- het -->\n",
            Expected("XML-111", text="<!--", xpath="/comment()[1]"),
        ),
        flawed(
            "XML-112-xml-stylesheet",
            "Chỉ thị xml-stylesheet trước phần tử gốc.",
            "An xml-stylesheet instruction before the root.",
            change(ROOT, '<?xml-stylesheet href="http://attacker.example/x.xsl" type="text/xsl"?>\n' + ROOT),
            Expected("XML-112", text="<?xml-stylesheet", xpath="/processing-instruction()[1]"),
        ),
        flawed(
            "XML-112-cat-gia-tri",
            "Chỉ thị xử lý cắt đôi mã hồ sơ.",
            "A processing instruction that splits the dossier code.",
            change(f"<hs:MaHoSo>{MA}<", f"<hs:MaHoSo>{MA[:15]}<?x?>{MA[15:]}<"),
            Expected("XML-112", text="<?x?>", xpath=f"{NHS}/hs:MaHoSo[1]/processing-instruction()[1]"),
        ),
        bare(
            "XML-113-json",
            "JSON, không phải XML.",
            "JSON, not XML.",
            b'{"MaHoSo": "H19.901-260115-0900"}\n',
            Expected("XML-113", line=1, column=1),
        ),
        flawed(
            "XML-113-chu-truoc-goc",
            "Chữ đứng trước phần tử gốc.",
            "Text before the root.",
            change(ROOT, "Kính gửi Sở Tư pháp\n" + ROOT),
            Expected("XML-113", text="Kính gửi"),
        ),
        flawed(
            "XML-114-chu-sau-goc",
            "Chữ đứng sau phần tử gốc.",
            "Text after the root.",
            lambda body: body + "hết\n".encode(),
            Expected("XML-114", text="hết\n"),
        ),
        flawed(
            "XML-114-hai-goc",
            "Hai thông điệp trong một lần gửi.",
            "Two messages in one request.",
            lambda body: body + body.split(b"\n", 1)[1],
            Expected("XML-114", text="<lt:ThongDiep ", second=True),
        ),
        bare(
            "XML-115-chi-khai-bao",
            "Chỉ có khai báo XML.",
            "Nothing but the XML declaration.",
            (DECLARATION + "\n").encode(),
            Expected("XML-115", line=2, column=1),
        ),
    )


def _not_well_formed() -> Sequence[Sample]:
    return (
        flawed(
            "XML-116-nbsp",
            "Thực thể &nbsp; của HTML.",
            "The entity &nbsp; of HTML.",
            change("Lý lịch tư pháp", "Lý lịch&nbsp;tư pháp"),
            Expected("XML-116", text="&nbsp;", xpath=f"{NHS}/hs:TenLinhVuc[1]"),
        ),
        flawed(
            "XML-117-dau-va",
            "Dấu & không viết thành &amp;.",
            "A bare & that should be &amp;.",
            change("Lý lịch tư pháp", "Lý lịch & tư pháp"),
            Expected("XML-117", text="& tư pháp", xpath=f"{NHS}/hs:TenLinhVuc[1]"),
        ),
        flawed(
            "XML-118-the-dong-sai",
            "Thẻ đóng không khớp thẻ mở.",
            "An end tag that does not match.",
            change("</hs:TenLinhVuc>", "</hs:TenLinhvuc>"),
            Expected("XML-118", text="</hs:TenLinhvuc>", xpath=f"{NHS}/hs:TenLinhVuc[1]"),
        ),
        flawed(
            "XML-119-bi-cat",
            "Thông điệp bị cắt giữa chừng.",
            "A message cut on the way.",
            lambda body: body[: body.index(b"<hs:LoaiDoiTuong>")],
            Expected("XML-119", line=23, column=7, xpath=NHS),
        ),
        flawed(
            "XML-120-thuoc-tinh-lap",
            "Một thuộc tính viết hai lần.",
            "An attribute written twice.",
            change("<hs:NopHoSo ", '<hs:NopHoSo Id="a" Id="b" '),
            Expected("XML-120", text='Id="b"', xpath=THAN_PHAN),
        ),
        flawed(
            "XML-120-hai-tien-to",
            "Một thuộc tính viết hai lần dưới hai tiền tố của cùng không gian tên.",
            "An attribute written twice under two prefixes of one namespace.",
            change("<hs:MaHoSo>", '<hs:MaHoSo xmlns:a="urn:x" xmlns:b="urn:x" a:k="1" b:k="2">'),
            Expected("XML-120", text='b:k="2"', xpath=f"{NHS}/hs:MaHoSo[1]/@b:k"),
        ),
        flawed(
            "XML-121-tien-to-la",
            "Tiền tố chưa khai báo.",
            "A prefix that is not declared.",
            changes(("<hs:TenTTHC>", "<hss:TenTTHC>"), ("</hs:TenTTHC>", "</hss:TenTTHC>")),
            Expected("XML-121", text="<hss:TenTTHC>", xpath=f"{NHS}/hss:TenTTHC[1]"),
        ),
        flawed(
            "XML-122-hai-dau-hai-cham",
            "Tên có hai dấu hai chấm.",
            "A name with two colons.",
            changes(("<hs:TenTTHC>", "<hs:Ten:TTHC>"), ("</hs:TenTTHC>", "</hs:Ten:TTHC>")),
            Expected("XML-122", text="<hs:Ten:TTHC>", xpath=f"{NHS}/hs:Ten:TTHC[1]"),
        ),
        flawed(
            "XML-123-gan-lai-xmlns",
            "Gán lại tiền tố xml.",
            "The prefix xml bound to something else.",
            change("<hs:MaHoSo>", '<hs:MaHoSo xmlns:xml="urn:x">'),
            Expected("XML-123", text="xmlns:xml=", xpath=f"{NHS}/hs:MaHoSo[1]"),
        ),
        flawed(
            "XML-124-khong-gian-ten-tuong-doi",
            "Không gian tên tương đối: phép chuẩn hóa không xác định.",
            "A relative namespace: canonicalisation is undefined.",
            change("<hs:MaHoSo>", '<hs:MaHoSo xmlns:t="tuong-doi">'),
            Expected("XML-124", text="xmlns:t=", xpath=f"{NHS}/hs:MaHoSo[1]"),
        ),
    )


def _limits() -> Sequence[Sample]:
    attributes = "".join(f' a{n}="{n}"' for n in range(33))
    spaces = "".join(f' xmlns:n{n}="urn:n{n}"' for n in range(66))
    return (
        flawed(
            "XML-130-long-sau",
            "Lồng nhau quá sâu.",
            "Nested too deep.",
            change("<hs:MaHoSo>", "<hs:x>" * 50 + "</hs:x>" * 50 + "<hs:MaHoSo>"),
            Expected("XML-130", text="<hs:x>", after=37 * 6, xpath=NHS + "/hs:x[1]" * 38),
        ),
        flawed(
            "XML-131-qua-nhieu-phan-tu",
            "Quá nhiều phần tử.",
            "Too many elements.",
            change("<hs:MaHoSo>", "<x/>" * 20001 + "<hs:MaHoSo>"),
            Expected("XML-131", text="<x/>", after=19987 * 4, xpath=f"{NHS}/x[19988]"),
        ),
        flawed(
            "XML-132-qua-nhieu-thuoc-tinh",
            "Quá nhiều thuộc tính ở một phần tử.",
            "Too many attributes on one element.",
            change("<hs:MaHoSo>", f"<hs:MaHoSo{attributes}>"),
            Expected("XML-132", text="<hs:MaHoSo ", xpath=f"{NHS}/hs:MaHoSo[1]"),
        ),
        flawed(
            "XML-133-qua-nhieu-khong-gian-ten",
            "Quá nhiều không gian tên: phép chuẩn hóa tốn theo lũy thừa ba.",
            "Too many namespaces: canonicalisation is cubic in them.",
            change("<hs:NopHoSo ", f"<hs:NopHoSo{spaces} "),
            Expected("XML-133", text="<hs:NopHoSo ", xpath=NHS),
        ),
    )


def _strange() -> Sequence[Sample]:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    return (
        flawed(
            "XML-140-xsi-type",
            "Thuộc tính xsi:type đổi kiểu của phần tử.",
            "The attribute xsi:type changes an element's type.",
            change("<hs:NopHoSo ", f'<hs:NopHoSo {xsi}xsi:type="hs:HoSoStructure" '),
            Expected("XML-140", text="xsi:type", xpath=f"{NHS}/@xsi:type"),
        ),
        flawed(
            "XML-141-xml-base",
            "Thuộc tính xml:base.",
            "The attribute xml:base.",
            change("<hs:NopHoSo ", '<hs:NopHoSo xml:base="http://attacker.example/" '),
            Expected("XML-141", text="xml:base", xpath=f"{NHS}/@xml:base"),
        ),
        flawed(
            "XML-142-xml-id",
            "Thuộc tính xml:id.",
            "The attribute xml:id.",
            change("<hs:NopHoSo ", '<hs:NopHoSo xml:id="a" '),
            Expected("XML-142", text="xml:id", xpath=f"{NHS}/@xml:id"),
        ),
        flawed(
            "XML-143-xinclude",
            "XInclude lấy nội dung từ tệp.",
            "XInclude takes content from a file.",
            change(
                "<hs:MaHoSo>",
                '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/><hs:MaHoSo>',
            ),
            Expected("XML-143", text="<xi:include", xpath=f"{NHS}/xi:include[1]"),
        ),
        flawed(
            "XML-144-xop",
            "XOP ngoài gói MTOM, trỏ ra mạng.",
            "XOP outside an MTOM package, pointing to the network.",
            change(
                "<hs:MaHoSo>",
                '<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="http://attacker.example/"/><hs:MaHoSo>',
            ),
            Expected("XML-144", text="<xop:Include", xpath=f"{NHS}/xop:Include[1]"),
        ),
    )


def rejected_xml() -> list[Sample]:
    """All of them."""
    return [*_encodings(), *_outside(), *_not_well_formed(), *_limits(), *_strange()]
