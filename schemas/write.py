"""Header and content become bytes: receipts, answers, composed messages, samples.

NFC, deterministic, and valid by our own schema.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import Any

from lxml import etree

from gateway.core.effects import KetQua
from gateway.core.model import Address
from gateway.core.problems import Lang, Problem, ProblemOutcome
from gateway.documents import DECLARATION, Canonical
from schemas import names
from schemas.attachments import digest
from schemas.names import hs, pb

VIETNAM = timezone(timedelta(hours=7))  # Asia/Ho_Chi_Minh is +07:00 all year
NSMAP: dict[str | None, str] = {"lt": names.PHONG_BI, "hs": names.HO_SO}


@dataclass(frozen=True, slots=True, kw_only=True)
class LapThay:
    """The gateway's mark on a message that it composed on behalf of its sender."""

    ma_dinh_danh: str
    thoi_diem: datetime
    bam_noi_dung: str  # SHA-256 of the original
    dang_goc: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The envelope of a message to be written."""

    ma_thong_diep: str
    loai: str
    noi_gui: Address
    noi_nhan: tuple[Address, ...]
    thoi_diem_tao: datetime
    phien_ban: str = "1.0"
    ma_thong_diep_goc: str | None = None
    ma_tuong_quan: str | None = None
    ma_ho_so: str | None = None
    thu_tu: int | None = None
    thoi_han: datetime | None = None
    dau_vet: tuple[tuple[str, datetime], ...] = ()  # identifier, when
    lap_thay: LapThay | None = None
    sieu_du_lieu: Mapping[str, Any] | None = None  # TieuDe, NguoiTao, Ngay, DinhDanh, NgonNgu, DinhDang, ChuDe
    id: str | None = None  # the root's Id, for signatures that refer to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Tep:
    """A file to attach: its content, or where it can be fetched with size and digest."""

    ma: str
    ten: str
    loai: str
    noi_dung: bytes | None = None
    duong_dan: str | None = None
    so_byte: int | None = None
    sha256: str | None = None
    mo_ta: str | None = None


@dataclass(frozen=True, slots=True)
class Trong:
    """An absent value with its reason (Circular 13/2017), where a field's value is expected."""

    ly_do: str


Fields = Mapping[str, Any]


def thong_diep(header: Header, goc: str, fields: Fields | etree._Element, dinh_kem: Sequence[Tep] = ()) -> Canonical:
    """The message, unsigned, in the canonical form that is signed: written at once, without a tree.

    ``fields`` are the payload's children in the order of the schema: text, numbers, moments, dates, booleans, nested
    mappings, sequences for what repeats, :class:`Trong` for absence with a reason, None for left out; or the payload's
    element itself. Raises ValueError when the message names no receiver.
    """
    if not header.noi_nhan:
        raise ValueError("a message needs a receiver")
    files = (
        _children("lt", {"DanhSachDinhKem": {"DinhKem": [_dinh_kem(file) for file in dinh_kem]}}) if dinh_kem else ""
    )
    own_id = "" if header.id is None else f' Id="{_attribute(header.id)}"'
    return Canonical(DECLARATION + _message(_header(header), goc, fields, own_id, files).encode())


def _message(header: Fields, goc: str, fields: Fields | etree._Element, own_id: str = "", files: str = "") -> str:
    if isinstance(fields, Mapping):
        payload = f'<hs:{goc} xmlns:hs="{names.HO_SO}">{_children("hs", fields)}</hs:{goc}>'
    else:
        payload = _of_tree(fields)
    return (
        f'<lt:ThongDiep xmlns:lt="{names.PHONG_BI}"{own_id}>{_children("lt", header)}'
        f"<lt:ThanPhan>{payload}</lt:ThanPhan>{files}</lt:ThongDiep>"
    )


def mark_composed(root: etree._Element, mark: LapThay) -> None:
    """Put the gateway's mark into an envelope at its place; one that is there already stays, the first composer's."""
    if root.find(pb("LapThay")) is not None:
        return
    made = etree.Element(pb("LapThay"), nsmap=root.nsmap)
    for name, value in (_lap_thay(mark) or {}).items():
        if value is not None:
            etree.SubElement(made, pb(name)).text = value_written(value)
    later = [root.find(pb("SieuDuLieu")), root.find(names.THAN_PHAN)]
    place = next(element for element in later if element is not None)
    place.addprevious(made)


def serialise(root: etree._Element) -> bytes:
    """A tree of ours as bytes."""
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def bien_nhan(
    *,
    ma_thong_diep: str,
    noi_gui: Address,
    noi_nhan: Address | None,
    ma_thong_diep_goc: str | None,
    ma_ho_so: str | None = None,
    ket_qua: KetQua,
    loi: Sequence[Problem],
    thoi_diem: datetime,
    bam_noi_dung: str,
    so_tiep_nhan: str,
) -> Canonical:
    """An unsigned receipt (HS02), written at its ThoiDiem; to its writer where no receiver is known.

    Claimed ids that are none are left out: a receipt is always valid by its schema.
    """
    goc = ma_thong_diep_goc if ma_thong_diep_goc and names.MA_THONG_DIEP.fullmatch(ma_thong_diep_goc) else None
    ho_so = ma_ho_so if ma_ho_so and names.MA_HO_SO.fullmatch(ma_ho_so) else None
    form = _receipt_form(noi_gui, noi_nhan or noi_gui, ket_qua, goc is not None, ho_so is not None, bool(loi))
    places = {
        b"id": _text(value_written(ma_thong_diep)).encode(),
        b"goc": (goc or "").encode(),
        b"ho_so": (ho_so or "").encode(),
        b"loi": _children("hs", {"Loi": _listed(loi)}).encode() if loi else b"",
        b"luc": value_written(thoi_diem).encode(),
        b"bam": _text(value_written(bam_noi_dung)).encode(),
        b"so": _text(value_written(so_tiep_nhan)).encode(),
    }
    return Canonical(b"".join(map(places.get, form, form)))  # a piece that is no name of a place stays as it is


@lru_cache(maxsize=4096)
def _receipt_form(
    noi_gui: Address, noi_nhan: Address, ket_qua: KetQua, goc: bool, ho_so: bool, loi: bool
) -> tuple[bytes, ...]:
    """The receipts that differ in nothing but their values: text, the name of a place, text, and so on."""

    def place(name: str) -> _Xml:
        return _Xml(f"\0{name}\0")  # in no text: value_written() lets no NUL through

    header = {
        "MaThongDiep": place("id"),
        "LoaiThongDiep": "HS02",
        "PhienBan": "1.0",
        "NoiGui": _address(noi_gui),
        "DanhSachNoiNhan": {"NoiNhan": _address(noi_nhan)},
        "MaThongDiepGoc": place("goc") if goc else None,
        "MaHoSo": place("ho_so") if ho_so else None,
        "ThoiDiemTao": place("luc"),
    }
    fields = {
        "MaThongDiepGoc": place("goc") if goc else None,
        "KetQua": str(ket_qua),
        "DanhSachLoi": place("loi") if loi else None,
        "ThoiDiem": place("luc"),
        "BamNoiDung": place("bam"),
        "SoTiepNhan": place("so"),
    }
    return tuple((DECLARATION + _message(header, "BienNhan", fields).encode()).split(b"\0"))


_MUC_DO = {ProblemOutcome.FAILED: "LOI", ProblemOutcome.NOTE: "CANH_BAO", ProblemOutcome.UNDETERMINED: "CHUA_XAC_DINH"}


RECEIPT_CHARS = 200_000  # of problems in one receipt; whoever sends rubbish gets no megabytes signed


def _listed(loi: Sequence[Problem]) -> list[Fields]:
    """The problems as rows, as many as a receipt of sensible size holds; a last row says that there are more."""
    rows: list[Fields] = []
    chars = 0
    for problem in loi:
        row = _loi(problem)
        chars += sum(len(value) for value in row.values() if isinstance(value, str))
        if chars > RECEIPT_CHARS:
            rows.append(_loi(Problem("XSD-099", {"shown": len(rows)})))
            break
        rows.append(row)
    return rows


def _loi(problem: Problem) -> Fields:
    at = problem.at
    return {
        "Ma": problem.token,
        "MaChiTiet": problem.code,
        "MoTa": problem.message(Lang.VI)[:2000] or "…",
        "CachXuLy": problem.remedy(Lang.VI)[:2000] or None,
        "ViTri": at.xpath[:1000] if at is not None and at.xpath else None,
        "Dong": at.line if at is not None and at.line else None,
        "Cot": at.column if at is not None and at.column else None,
        "MucDo": _MUC_DO[problem.outcome],
    }


def _header(header: Header) -> Fields:
    return {
        "MaThongDiep": header.ma_thong_diep,
        "LoaiThongDiep": header.loai,
        "PhienBan": header.phien_ban,
        "NoiGui": _address(header.noi_gui),
        "DanhSachNoiNhan": {"NoiNhan": [_address(address) for address in header.noi_nhan]},
        "MaThongDiepGoc": header.ma_thong_diep_goc,
        "MaTuongQuan": header.ma_tuong_quan,
        "MaHoSo": header.ma_ho_so,
        "ThuTu": header.thu_tu,
        "ThoiDiemTao": header.thoi_diem_tao,
        "ThoiHan": header.thoi_han,
        "DanhSachDauVet": {"DauVet": [{"MaDinhDanh": ma, "ThoiDiem": at} for ma, at in header.dau_vet]}
        if header.dau_vet
        else None,
        "LapThay": _lap_thay(header.lap_thay),
        "SieuDuLieu": header.sieu_du_lieu,
    }


@lru_cache(maxsize=1024)
def _address(address: Address) -> _Xml:
    named = {"MaDinhDanh": address.ma_dinh_danh, "TenCoQuan": address.ten_co_quan, "HeThong": address.he_thong}
    return _Xml(_children("lt", named))


def _lap_thay(mark: LapThay | None) -> Fields | None:
    if mark is None:
        return None
    return {
        "MaDinhDanh": mark.ma_dinh_danh,
        "ThoiDiem": mark.thoi_diem,
        "BamNoiDung": mark.bam_noi_dung,
        "DangGoc": mark.dang_goc,
    }


def _dinh_kem(file: Tep) -> Fields:
    content = file.noi_dung
    if (content is None) == (file.duong_dan is None):
        raise ValueError(f"attachment {file.ma}: give its content or its address, one of the two")
    return {
        "MaDinhKem": file.ma,
        "TenTep": file.ten,
        "LoaiTep": file.loai,
        "SoByte": len(content) if content is not None else file.so_byte,
        "BamSHA256": digest(content) if content is not None else file.sha256,
        "MoTa": file.mo_ta,
        "NoiDung": base64.b64encode(content).decode() if content is not None else None,
        "DuongDan": file.duong_dan,
    }


class _Xml(str):
    """Text that is XML already."""

    __slots__ = ()


def _children(prefix: str, fields: Fields) -> str:
    """The elements of these fields, canonical, where the prefix's namespace is in scope."""
    parts: list[str] = []
    for name, value in fields.items():
        if value is None:
            continue
        if isinstance(value, (list, tuple)):
            parts += [_child(prefix, name, item) for item in value]
        else:
            parts.append(_child(prefix, name, value))
    return "".join(parts)


def _child(prefix: str, name: str, value: Any) -> str:
    attributes, inner = "", ""
    if isinstance(value, _Xml):
        inner = value
    elif isinstance(value, Mapping):
        inner = _children(prefix, value)
    elif isinstance(value, Trong):
        attributes = f' xmlns:xsi="{names.XSI}" {names.LY_DO_TRONG}="{_attribute(value.ly_do)}" xsi:nil="true"'
    elif etree.iselement(value):
        inner = _of_tree(value, prefix)
    else:
        inner = _text(value_written(value))
    return f"<{prefix}:{name}{attributes}>{inner}</{prefix}:{name}>"


def _text(text: str) -> str:
    """Text as Canonical XML writes it."""
    if text.isalnum():
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def _attribute(text: str) -> str:
    """The value of an attribute as Canonical XML writes it."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")


def _of_tree(element: etree._Element, within: str = "lt") -> str:
    """An element that somebody else made, canonical as it is inside an element of this prefix."""
    around = etree.Element(names.THONG_DIEP, nsmap=NSMAP)
    inner = around if within == "lt" else etree.SubElement(around, hs("a"))
    inner.append(element)
    text = etree.tostring(around, method="c14n", exclusive=True, with_comments=False).decode()
    for _ in range(1 if inner is around else 2):  # the start tags that go round it, and their ends
        text = text[text.index(">") + 1 : text.rindex("</")]
    return text


_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def value_written(value: str | float | bool | Decimal | datetime | date) -> str:
    """A value as the schema writes it: moments with +07:00, text in NFC with what XML cannot hold replaced."""
    if isinstance(value, datetime):
        return value.astimezone(VIETNAM).isoformat()
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, date):
        return value.isoformat()
    elif isinstance(value, Decimal):
        return f"{value:f}"
    else:
        text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return _ILLEGAL.sub("\ufffd", unicodedata.normalize("NFC", text))


def unwritable(text: str) -> int:
    """How many characters of a text XML cannot hold; `written` replaces them."""
    return len(_ILLEGAL.findall(text))


__all__ = [
    "Header",
    "LapThay",
    "Tep",
    "Trong",
    "bien_nhan",
    "pb",
    "serialise",
    "thong_diep",
    "unwritable",
    "value_written",
]
