"""Header and content become bytes: receipts, answers, composed messages, samples.

NFC, deterministic, and valid by our own schema.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from lxml import etree

from gateway.core.effects import KetQua
from gateway.core.model import Address
from gateway.core.problems import Lang, Problem, ProblemOutcome
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


def thong_diep(header: Header, goc: str, fields: Fields | etree._Element, dinh_kem: Sequence[Tep] = ()) -> bytes:
    """The message as UTF-8 bytes with XML declaration, unsigned.

    ``fields`` are the payload's children in the order of the schema: text, numbers, moments, dates, booleans, nested
    mappings, sequences for what repeats, :class:`Trong` for absence with a reason, None for left out; or the payload's
    element itself. Raises ValueError when the message names no receiver.
    """
    if not header.noi_nhan:
        raise ValueError("a message needs a receiver")
    root = etree.Element(names.THONG_DIEP, nsmap=NSMAP)
    if header.id is not None:
        root.set("Id", header.id)
    _fill(root, names.PHONG_BI, _header(header))
    than_phan = etree.SubElement(root, names.THAN_PHAN)
    if isinstance(fields, Mapping):
        _fill(etree.SubElement(than_phan, hs(goc)), names.HO_SO, fields)
    else:
        than_phan.append(fields)
    if dinh_kem:
        rows = [_dinh_kem(file) for file in dinh_kem]
        _fill(root, names.PHONG_BI, {"DanhSachDinhKem": {"DinhKem": rows}})
    return serialise(root)


def mark_composed(root: etree._Element, mark: LapThay) -> None:
    """Put the gateway's mark into an envelope at its place; one that is there already stays, the first composer's."""
    if root.find(pb("LapThay")) is not None:
        return
    made = etree.Element(root.tag, nsmap=root.nsmap)
    _fill(made, names.PHONG_BI, {"LapThay": _lap_thay(mark)})
    later = [root.find(pb("SieuDuLieu")), root.find(names.THAN_PHAN)]
    place = next(element for element in later if element is not None)
    place.addprevious(made[0])


def serialise(root: etree._Element) -> bytes:
    """A tree of ours as bytes."""
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def bien_nhan(
    header: Header,
    *,
    ma_thong_diep_goc: str | None,
    ket_qua: KetQua,
    loi: Sequence[Problem],
    thoi_diem: datetime,
    bam_noi_dung: str,
    so_tiep_nhan: str,
) -> bytes:
    """An unsigned receipt (HS02). Claimed ids that are none are left out: a receipt is always valid by its schema."""
    goc = ma_thong_diep_goc if ma_thong_diep_goc and names.MA_THONG_DIEP.fullmatch(ma_thong_diep_goc) else None
    header_goc = header.ma_thong_diep_goc
    header = replace(
        header,
        loai="HS02",
        noi_nhan=header.noi_nhan or (header.noi_gui,),
        ma_thong_diep_goc=header_goc if header_goc and names.MA_THONG_DIEP.fullmatch(header_goc) else None,
        ma_ho_so=header.ma_ho_so if header.ma_ho_so and names.MA_HO_SO.fullmatch(header.ma_ho_so) else None,
    )
    fields = {
        "MaThongDiepGoc": goc,
        "KetQua": str(ket_qua),
        "DanhSachLoi": {"Loi": _listed(loi)} if loi else None,
        "ThoiDiem": thoi_diem,
        "BamNoiDung": bam_noi_dung,
        "SoTiepNhan": so_tiep_nhan,
    }
    return thong_diep(header, "BienNhan", fields)


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


def _address(address: Address) -> Fields:
    return {"MaDinhDanh": address.ma_dinh_danh, "TenCoQuan": address.ten_co_quan, "HeThong": address.he_thong}


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


def _fill(parent: etree._Element, space: str, fields: Fields) -> None:
    for name, value in fields.items():
        if value is None:
            continue
        if isinstance(value, (list, tuple)):
            for item in value:
                _put(parent, space, name, item)
        else:
            _put(parent, space, name, value)


def _put(parent: etree._Element, space: str, name: str, value: Any) -> None:
    nsmap = {"xsi": names.XSI} if isinstance(value, Trong) else None
    element = etree.SubElement(parent, f"{{{space}}}{name}", nsmap=nsmap)
    if isinstance(value, Mapping):
        _fill(element, space, value)
    elif isinstance(value, Trong):
        element.set(names.NIL, "true")
        element.set(names.LY_DO_TRONG, value.ly_do)
    elif etree.iselement(value):
        element.append(value)
    else:
        element.text = value_written(value)


_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def value_written(value: str | float | bool | Decimal | datetime | date) -> str:
    """A value as the schema writes it: moments with +07:00, text in NFC with what XML cannot hold replaced."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(VIETNAM).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
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
