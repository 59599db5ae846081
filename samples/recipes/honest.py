"""Honest ways of writing and signing that must be accepted: other tools, other habits, the same meaning."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from recipes import payloads as p
from recipes.envelopes import envelope
from recipes.people import KHAI_SINH, PORTAL, TU_PHAP, XA, XAY_DUNG, Office, moment
from recipes.sample import ACCEPTED, Expected, Sample
from recipes.xmltext import HS, PB, XSI, Node, Value, raw, write

AT = moment("2026-01-15", "08:16:00")


def _message(name: str, number: int, sender: Office, *, root_id: str | None = None) -> Callable[[], Node]:
    """A small dossier of its own: from the portal to the commune, or from an agency to the portal."""
    to = XA if sender is PORTAL else PORTAL
    ma = f"{to.ma if sender is PORTAL else sender.ma}-260115-{number:04d}"

    def root() -> Node:
        payload = dict(p.nop_ho_so(p.SMALL, ma, "2026-01-15")) | KHAI_SINH
        return envelope(name, "HS01", "NopHoSo", payload, sender=sender, to=[to], at=AT, ma_ho_so=ma, root_id=root_id)

    return root


def _sample(
    name: str,
    why_vi: str,
    why_en: str,
    number: int,
    *problems: Expected,
    sender: Office = PORTAL,
    key: str | None = None,
    variant: str = "xades",
    root_id: str | None = None,
    edit: Callable[[Node], None] | None = None,
    written: Callable[[Node], str] = write,
    finish: Callable[[bytes], bytes] | None = None,
) -> Sample:
    build = _message(name, number, sender, root_id=root_id)

    def root() -> Node:
        made = build()
        if edit is not None:
            edit(made)
        return made

    return Sample(
        name=name,
        outcome=ACCEPTED,
        sender=sender,
        why_vi=why_vi,
        why_en=why_en,
        root=root,
        signer=key or sender.key,
        variant=variant,
        at=AT,
        problems=problems,
        written=written,
        finish=finish,
        placed_in_body=True,
    )


def _signed() -> list[Sample]:
    """Every key and form of signature of the field."""
    return [
        _sample("KY-xmldsig-p256", "Ký XML-DSig, ECDSA P-256.", "XML-DSig, ECDSA P-256.", 301, variant="dsig"),
        _sample("KY-xades-3-tham-chieu", "XAdES có tham chiếu tới KeyInfo.", "XAdES with a reference to KeyInfo.", 302, variant="xades-3"),
        _sample("KY-xades-theo-id", "XAdES, tham chiếu theo Id của gốc.", "XAdES that refers to the root's Id.", 303, variant="xades-id", root_id="ThongDiep-1"),
        _sample("KY-xades-c14n-11", "XAdES, chuẩn hóa bao hàm 1.1.", "XAdES with inclusive C14N 1.1.", 304, variant="xades-c14n11"),
        _sample("KY-kieu-java", "Như thư viện của Java viết theo mặc định: không tiền tố, chuẩn hóa bao hàm.", "As Java's own library writes by default: no prefix, inclusive canonicalisation.", 305, variant="java"),
        _sample("KY-kieu-dotnet", "Như SignedXml của .NET viết theo mặc định, kèm KeyValue.", "As .NET's SignedXml writes by default, with a KeyValue.", 306, sender=TU_PHAP, variant="dotnet"),
        _sample("KY-rsa-pkcs1", "Ký RSA PKCS#1 v1.5.", "RSA PKCS#1 v1.5.", 307, sender=TU_PHAP, variant="dsig"),
        _sample("KY-rsa-pss", "RSASSA-PSS với SHA-384.", "RSASSA-PSS with SHA-384.", 308, sender=TU_PHAP, variant="dsig-pss"),
        _sample("KY-xades-pss", "Ký XAdES, RSASSA-PSS.", "XAdES, RSASSA-PSS.", 309, sender=TU_PHAP, variant="xades-pss"),
        _sample("KY-rsa-sha512", "RSA với SHA-512.", "RSA with SHA-512.", 310, sender=TU_PHAP, variant="dsig-sha512"),
        _sample("KY-chung-thu-thu-hai", "Chứng thư thứ hai trong lúc đổi khóa (RSA-3072).", "The second certificate during a roll-over (RSA-3072).", 311, sender=TU_PHAP, key="so-tu-phap-2"),
        _sample("KY-p384", "ECDSA P-384, cây quốc gia.", "ECDSA P-384, the national-like tree.", 312, sender=XA),
        _sample("KY-p521", "Ký ECDSA P-521.", "ECDSA P-521.", 313, sender=XAY_DUNG, variant="dsig-sha512"),
    ]  # fmt: skip


def _written() -> list[Sample]:
    """Every legal way of writing the same thing."""

    def default_namespaces(made: Node) -> str:
        """Both namespaces as default ones, as many toolkits write."""
        text = write(made)
        text = text.replace("<lt:", "<").replace("</lt:", "</").replace("<hs:", "<").replace("</hs:", "</")
        return text.replace(f'xmlns:lt="{PB}"', f'xmlns="{PB}"').replace(f'xmlns:hs="{HS}"', f'xmlns="{HS}"')

    def one_line(made: Node) -> str:
        return "".join(line.strip() for line in write(made, declaration="").splitlines())

    def hinted(made: Node) -> None:
        made.attributes |= {"xmlns:xsi": XSI, "xsi:schemaLocation": f"{PB} http://attacker.example/ThongDiep.xsd"}

    def decomposed(made: Node) -> None:
        node = made.at("ThanPhan/NopHoSo/TenTTHC")
        node.text = unicodedata.normalize("NFD", node.text or "")

    def spaced(made: Node) -> None:
        node = made.at("ThanPhan/NopHoSo/MaTTHC")
        node.text = f"\n        {node.text}\n      "

    def padded(made: Node) -> None:
        made.attributes |= {"xml:lang": "vi", "xml:space": "preserve"}

    return [
        _sample("VIET-bom", "Có dấu thứ tự byte UTF-8.", "With a UTF-8 byte order mark.", 321, written=lambda made: "\ufeff" + write(made)),
        _sample("VIET-crlf", "Xuống dòng kiểu Windows.", "Windows line ends.", 322, written=lambda made: write(made, newline="\r\n")),
        _sample("VIET-khong-khai-bao", "Không có khai báo XML, viết trên một dòng.", "No XML declaration, all on one line.", 323, written=one_line),
        _sample("VIET-cdata", "Văn bản trong CDATA, có cả chữ <!DOCTYPE.", "A text in CDATA, with the letters <!DOCTYPE in it.", 324, edit=raw("ThanPhan/NopHoSo/TenTTHC", "<![CDATA[Đăng ký khai sinh <!DOCTYPE & >]]>")),
        _sample("VIET-tham-chieu-ky-tu", "Chữ tiếng Việt viết bằng tham chiếu ký tự.", "Vietnamese letters as character references.", 325, edit=raw("ThanPhan/NopHoSo/TenTTHC", "&#272;&#x103;ng k&#253; khai sinh")),
        _sample("VIET-khong-gian-ten-mac-dinh", "Hai không gian tên đều là mặc định, không tiền tố.", "Both namespaces as default ones, without prefixes.", 326, written=default_namespaces),
        _sample("VIET-schema-location", "Có xsi:schemaLocation; trục không đi theo.", "With xsi:schemaLocation, which the gateway does not follow.", 327, edit=hinted),
        _sample("VIET-nfd", "Chữ tiếng Việt dạng tổ hợp (NFD): nhận, có lưu ý.", "Vietnamese in decomposed form (NFD): accepted with a remark.", 328, Expected("XML-150", text="a\u0306", xpath="/lt:ThongDiep/lt:ThanPhan[1]/hs:NopHoSo[1]/hs:TenTTHC[1]"), edit=decomposed),
        _sample("VIET-ma-co-khoang-trang", "Khoảng trắng quanh một mã: xs:token bỏ qua.", "White space round a code, which xs:token drops.", 329, edit=spaced),
        _sample("VIET-xml-lang", "xml:lang và xml:space trên phần tử gốc.", "xml:lang and xml:space on the root.", 330, edit=padded, variant="java"),
        _sample("VIET-nhay-don", "Khai báo viết bằng nháy đơn.", "A declaration in single quotes.", 331, written=lambda made: write(made, declaration="<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n")),
    ]  # fmt: skip


def _newer() -> list[Sample]:
    """Version 1.1 of HS05, beside 1.0."""
    name, base = "HS05-tien-do-phien-ban-1.1", "H19.902.01-260115-0321"
    at = moment("2026-01-16", "09:00:00")

    def root() -> Node:
        payload: dict[str, Value] = dict(p.tien_do(p.FULL, base, at, "2", 1)) | {
            "LyDo": "Đã đối chiếu bản chính.",
            "NoiXuLy": XA.ma,
        }
        return envelope(
            name,
            "HS05",
            "CapNhatTienDo",
            payload,
            sender=XA,
            to=[PORTAL],
            at=at,
            ma_ho_so=base,
            phien_ban="1.1",
            thu_tu=1,
        )

    return [
        Sample(
            name=name,
            outcome=ACCEPTED,
            sender=XA,
            why_vi="HS05 phiên bản 1.1, có thêm LyDo và NoiXuLy.",
            why_en="HS05 version 1.1 with its two additions.",
            root=root,
            signer=XA.key,
            at=at,
            after=["VIET-bom"],
        )
    ]


def honest() -> list[Sample]:
    """All of them."""
    return [*_signed(), *_written(), *_newer()]
