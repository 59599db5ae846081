"""What a party's answer says, when it speaks our language: BienNhan (HS02) in XML, the same in JSON, or just "taken".

What is read here decides about a delivery and nothing else; the answer itself is kept beside the attempt as it came.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from connectors.http import Reply
from connectors.outcomes import Parcel, Receipt, Refused, Uncertain, Unreachable
from gateway.core.problems import Problem

# Tokens (docs/en/problems.md) whose class is "retry": the receiver asks for the same bytes again.
RETRY = frozenset({"LOI_HE_THONG", "KHONG_KIEM_TRA_DUOC_TRANG_THAI", "QUA_TAI", "QUA_GIOI_HAN"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BienNhanFields:
    """The fields of an HS02 that matter here, as they were written."""

    ket_qua: str
    ma_thong_diep_goc: str | None = None
    bam_noi_dung: str | None = None
    so_tiep_nhan: str | None = None
    codes: tuple[str, ...] = ()


def in_xml(root: etree._Element) -> BienNhanFields | None:
    """The BienNhan in a document: its root, or the one payload of a ThongDiep. None where there is none."""
    found: etree._Element | None = root
    if _name(root) == "ThongDiep":
        body = next(_children(root, "ThanPhan"), None)
        found = next(_children(body, "BienNhan"), None) if body is not None else None
    if found is None or _name(found) != "BienNhan":
        return None
    errors = [error for group in _children(found, "DanhSachLoi") for error in _children(group, "Loi")]
    return BienNhanFields(
        ket_qua=_text(found, "KetQua") or "",
        ma_thong_diep_goc=_text(found, "MaThongDiepGoc"),
        bam_noi_dung=_text(found, "BamNoiDung"),
        so_tiep_nhan=_text(found, "SoTiepNhan"),
        codes=_codes(_text(error, "Ma") for error in errors),
    )


def in_json(value: Any) -> BienNhanFields | None:
    """The BienNhan in a JSON object: its own keys, or under "BienNhan". None where there is none."""
    if not isinstance(value, Mapping):
        return None
    inner = value.get("BienNhan")
    row = inner if isinstance(inner, Mapping) else value
    if not isinstance(row.get("KetQua"), str):
        return None
    errors = row.get("DanhSachLoi")
    return BienNhanFields(
        ket_qua=row["KetQua"].strip(),
        ma_thong_diep_goc=_string(row, "MaThongDiepGoc"),
        bam_noi_dung=_string(row, "BamNoiDung"),
        so_tiep_nhan=_string(row, "SoTiepNhan"),
        codes=_codes(
            _string(error, "Ma") for error in (errors if isinstance(errors, list) else []) if isinstance(error, Mapping)
        ),
    )


def says_in_json(answer: bytes) -> bool:
    """Whether the answer is a BienNhan in JSON, which nobody can have signed."""
    try:
        return in_json(json.loads(answer)) is not None
    except (ValueError, RecursionError):
        return False


def is_bare(root: etree._Element) -> bool:
    """Whether the BienNhan stands there without the envelope of a ThongDiep."""
    return _name(root) == "BienNhan"


def of(reply: Reply) -> BienNhanFields | None:
    """The BienNhan in an answer. Raises Uncertain when the answer is not what it says it is."""
    if not reply.body.strip():
        return None
    if reply.is_xml or (reply.body.lstrip()[:1] == b"<" and not reply.media_type.startswith("text/html")):
        return in_xml(reply.xml())
    return in_json(reply.json()) if reply.is_json else None


def settle(bien_nhan: BienNhanFields, parcel: Parcel, answer: bytes) -> Receipt:
    """What a BienNhan says about this parcel: a Receipt, or Refused, Unreachable, Uncertain is raised."""
    ours = parcel.delivery
    goc, bam = bien_nhan.ma_thong_diep_goc, bien_nhan.bam_noi_dung
    if goc is not None and goc.lower() != ours.ma_thong_diep.lower():
        raise Uncertain(Problem("DLV-025", {"found": shown(goc)}), answer=answer)
    other_bytes = bam is not None and bam.lower() != ours.digest
    match bien_nhan.ket_qua:
        case "TU_CHOI":
            if bien_nhan.codes and RETRY.issuperset(bien_nhan.codes):
                raise Unreachable(Problem("DLV-010", {"code": list(bien_nhan.codes)}), answer=answer)
            raise Refused(Problem("DLV-031", {"codes": list(bien_nhan.codes) or "–"}), answer=answer)
        case "TRUNG_LAP" if other_bytes:
            raise Refused(Problem("DLV-032"), answer=answer)
        case "CHAP_NHAN" | "TRUNG_LAP":
            if goc is None or other_bytes:
                raise Uncertain(Problem("DLV-025", {"found": shown(bam if other_bytes else goc)}), answer=answer)
            return Receipt(reference=bien_nhan.so_tiep_nhan, body=answer)
        case other:
            raise Uncertain(Problem("DLV-023", {"what": f"KetQua {shown(other)}"}), answer=answer)


def codes_in(reply: Reply) -> tuple[str, ...]:
    """The codes by which a refusal explains itself: of a BienNhan, or of a problem document (RFC 9457) like ours."""
    try:
        bien_nhan = of(reply)
        if bien_nhan is not None:
            return bien_nhan.codes
        value = reply.json() if reply.is_json and reply.body.strip() else None
    except Uncertain:
        return ()
    rows = value.get("problems") if isinstance(value, Mapping) else None
    return _codes(_string(row, "code") for row in rows if isinstance(row, Mapping)) if isinstance(rows, list) else ()


def shown(text: str | None) -> str:
    """A word of somebody else, as a problem may quote it: codes pass, whatever else is cut to its first characters."""
    if not text:
        return "–"
    return "".join(c if c.isalnum() or c in "._:-+/" else "?" for c in text[:40])


def _codes(words: Iterable[str | None]) -> tuple[str, ...]:
    """At most ten distinct codes, in order."""
    return tuple(dict.fromkeys(shown(word) for word in words if word))[:10]


def _string(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    return value.strip() if isinstance(value, str) and value.strip() else None


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _children(element: etree._Element, name: str) -> Iterator[etree._Element]:
    return (child for child in element if _name(child) == name)


def _text(element: etree._Element, name: str) -> str | None:
    child = next(_children(element, name), None)
    text = (child.text or "").strip() if child is not None else ""
    return text or None
