"""What the doors answer with: plain values, written as JSON, as XML, or into a SOAP body. The same words everywhere.

Names follow rule N1 (Vietnamese, UpperCamelCase, ASCII) and are those of the WSDL; lists are ``DanhSachX`` of ``X``
(N4); instants carry the offset +07:00 (N3). Values such as ``accepted`` or ``queued`` are those of docs/states.md.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from gateway.core.model import Acknowledgement, Attempt, Delivery, InboxEntry
from gateway.core.parties import Parties
from gateway.core.problems import Lang, Problem, ProblemOutcome
from gateway.services.dossiers import Timeline
from gateway.services.feed import Page
from gateway.web.problems import text

NAMESPACE = "http://www.dongnai.gov.vn/lienthong/dichvu/1.0"
HANOI = timezone(timedelta(hours=7))

Answer = dict[str, Any]


def acknowledgement(ack: Acknowledgement) -> Answer:
    """The outcome of one message; the signed receipt is inside, byte for byte."""
    return {
        "KetQua": str(ack.fate),
        "SoTiepNhan": ack.message,
        "MaThongDiep": ack.ma_thong_diep,
        "BamNoiDung": ack.digest,
        "ThoiDiemGhiNhan": ack.recorded_at,
        "LapLai": ack.repeated,
        "BienNhan": ack.receipt,
        "DanhSachLoi": problems(ack.problems),
    }


def judgement(ack: Acknowledgement) -> Answer:
    """What would become of a message that was only looked at. No number and no receipt, since nothing happened."""
    return {
        "KetQua": str(ack.fate),
        "MaThongDiep": ack.ma_thong_diep,
        "BamNoiDung": ack.digest,
        "LapLai": ack.repeated,
        "DanhSachLoi": problems(ack.problems),
    }


def problems(found: Collection[Problem]) -> list[Answer] | None:
    """Problems with their words in both languages; the first names are those of ``DanhSachLoi`` in BienNhan."""
    rows: list[Answer] = []
    for problem in found:
        entry, at = problem.entry, problem.at
        rows.append(
            {
                "Ma": entry.token,
                "MaChiTiet": entry.code,
                "MoTa": problem.message(Lang.VI),
                "CachXuLy": problem.remedy(Lang.VI),
                "MoTaTiengAnh": problem.message(Lang.EN),
                "CachXuLyTiengAnh": problem.remedy(Lang.EN),
                "ViTri": at.xpath if at else None,
                "Dong": at.line if at else None,
                "Cot": at.column if at else None,
                "MucDo": "CANH_BAO" if entry.outcome is ProblemOutcome.NOTE else "LOI",
                "KetLuan": str(entry.outcome),
                "BenXuLy": str(entry.side),
                "GuiLaiDuoc": entry.retry,
            }
        )
    return rows or None


def inbox(page: Page, parties: Parties, log_head: Answer | None = None) -> Answer:
    """A page of a party's own feed. Positions count 1, 2, 3, …: a gap would be seen."""
    return {
        "Sau": page.after,
        "ViTriCuoi": page.last,
        "MoiNhat": page.head,
        "DauNhatKy": log_head,
        "DanhSachMuc": [_entry(entry, parties) for entry in page.entries],
    }


def _entry(entry: InboxEntry, parties: Parties) -> Answer:
    sender = parties.get(entry.sender)
    return {
        "ViTri": entry.position,
        "SoTiepNhan": entry.message,
        "MaThongDiep": entry.ma_thong_diep,
        "LoaiThongDiep": entry.loai,
        "ThanPhan": entry.goc,
        "NoiGui": sender.identifiers[0] if sender else entry.sender,
        "MaHoSo": entry.ma_ho_so,
        "TrangThai": entry.trang_thai,
        "TrangThaiGoc": entry.trang_thai_goc,
        "ThoiDiemGhiNhan": entry.recorded_at,
        "BamNoiDung": entry.digest,
        "DuongDan": f"/v1/messages/{entry.message}/original",
        "DanhSachLoi": problems(entry.problems),
    }


def fate(
    message: Mapping[str, Any],
    found: Collection[Problem],
    deliveries: Iterable[tuple[Delivery, Sequence[Attempt]]],
    checked: Iterable[Mapping[str, str]] = (),
) -> Answer:
    """What became of one message: the conclusion, its problems, every delivery with its tries.

    For its sender also how each item of the signature's checklist came out (``signing.verdict.explain``): the exact reason
    that SIG-001 does not tell.
    """
    return {
        **message,
        "DanhSachLoi": problems(found),
        "DanhSachGiaoNhan": [_delivery(delivery, attempts) for delivery, attempts in deliveries] or None,
        "DanhSachMucKiem": [
            {
                "Muc": row["item"],
                "NoiDung": row["text_vi"],
                "NoiDungTiengAnh": row["text_en"],
                "KetLuan": row["status"],
                "MaLyDo": row["reason"],
                "LyDo": row["reason_vi"],
                "LyDoTiengAnh": row["reason_en"],
            }
            for row in checked
        ]
        or None,
    }


def _delivery(delivery: Delivery, attempts: Sequence[Attempt]) -> Answer:
    return {
        "MaGiaoNhan": delivery.id,
        "NoiNhan": delivery.party,
        "TrangThaiGiaoNhan": str(delivery.state),
        "SoLanThu": delivery.tries,
        "ThuLaiLuc": delivery.due_at if not delivery.state.is_final and not delivery.state.holds_lane else None,
        "DanhSachLanThu": [
            {
                "SoThuTu": attempt.number,
                "Viec": attempt.kind,
                "BatDau": attempt.started_at,
                "KetThuc": attempt.ended_at,
                "KetQuaThu": str(attempt.outcome),
                "SoThamChieu": attempt.reference,
                "DanhSachLoi": problems([attempt.problem] if attempt.problem else []),
            }
            for attempt in attempts
        ]
        or None,
    }


# The command line's names for the same things are shorter where no schema rules them.
_ROWS = {
    "CacNgayHenTra": ("DanhSachNgayHenTra", {"tu": "DatLuc"}),
    "ThoiGianTheoTrangThai": ("DanhSachThoiGian", {"giay": "SoGiay"}),
    "ThoiHan": ("DanhSachThoiHan", {"loai": "Loai", "ten": "Ten", "han": "Han", "xong": "HoanThanh", "tre": "Tre"}),
    "ThanhToan": ("DanhSachThanhToan", {"ref": "ThamChieu"}),
    "ChuyenHoSo": ("DanhSachChuyen", {}),
    "DanhSachSuKien": ("DanhSachSuKien", {}),
    "CoQuanKhac": ("DanhSachCoQuanKhac", {}),
    "CoTheChuyen": ("DanhSachCoTheChuyen", {}),
}


def dossier(timeline: Timeline, lang: Lang) -> Answer:
    """The timeline of a dossier: where it stands, how it came there, what is due."""
    answer: Answer = {}
    for name, value in timeline.as_dict(lang).items():
        if not isinstance(value, list):
            answer[name] = value
            continue
        plural, names = _ROWS[name]
        rows = [{names.get(k, k): v for k, v in row.items()} if isinstance(row, dict) else row for row in value]
        answer[plural] = rows or None
    return answer


def as_json(answer: Answer) -> bytes:
    """The answer as one JSON object; what is not there is left out."""
    return json.dumps(_plain(answer), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def as_xml(name: str, answer: Answer) -> bytes:
    """The answer as a document of the gateway's own namespace."""
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{element(name, answer, NAMESPACE)}".encode("utf-8", "replace")


def element(name: str, value: Any, namespace: str | None = None) -> str:
    """One value as an element; with a namespace, it declares it as the default one."""
    parts: list[str] = []
    _write(name, value, parts, f' xmlns="{namespace}"' if namespace else "")
    return "".join(parts)


def _write(name: str, value: Any, parts: list[str], declaration: str = "") -> None:
    if value is None:
        return
    parts.append(f"<{name}{declaration}>")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _write(key, inner, parts)
    elif isinstance(value, (list, tuple)):
        row_name = name.removeprefix("DanhSach")
        for inner in value:
            _write(row_name, inner, parts)
    else:
        parts.append(text(_scalar(value)))
    parts.append(f"</{name}>")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return _scalar(value)


def _scalar(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case datetime():
            return value.astimezone(HANOI).isoformat()
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)
