"""What the doors answer with: the types of answer_types.py, written as JSON, as XML, or into a SOAP body."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.core.model import Acknowledgement, Attempt, Delivery, InboxEntry
from gateway.core.parties import Parties
from gateway.core.problems import Lang, Problem, ProblemOutcome
from gateway.services.dossiers import Timeline
from gateway.services.feed import Page
from gateway.web import answer_types as types
from gateway.web.answer_types import AnswerType, LoiStructure, as_values, fields_of, scalar
from gateway.web.problems import text

NAMESPACE = "http://www.dongnai.gov.vn/lienthong/dichvu/1.0"


def acknowledgement(ack: Acknowledgement) -> types.KetQuaGuiThongDiepStructure:
    """The outcome of one message; the signed receipt is inside, byte for byte."""
    return types.KetQuaGuiThongDiepStructure(
        KetQua=str(ack.fate),
        SoTiepNhan=ack.message,
        MaThongDiep=ack.ma_thong_diep,
        BamNoiDung=ack.digest,
        ThoiDiemGhiNhan=ack.recorded_at,
        LapLai=ack.repeated,
        BienNhan=ack.receipt,
        DanhSachLoi=problems(ack.problems),
    )


def in_batch(number: int, ack: Acknowledgement) -> types.KetQuaGoiStructure:
    """The outcome of one packet of several."""
    return types.KetQuaGoiStructure(
        SoThuTu=number,
        KetQua=str(ack.fate),
        SoTiepNhan=ack.message,
        MaThongDiep=ack.ma_thong_diep,
        BamNoiDung=ack.digest,
        ThoiDiemGhiNhan=ack.recorded_at,
        LapLai=ack.repeated,
        BienNhan=ack.receipt,
        DanhSachLoi=problems(ack.problems),
    )


def judgement(ack: Acknowledgement) -> types.KetQuaKiemTraStructure:
    """What would become of a message that was only looked at. No number and no receipt, since nothing happened."""
    return types.KetQuaKiemTraStructure(
        KetQua=str(ack.fate),
        MaThongDiep=ack.ma_thong_diep,
        BamNoiDung=ack.digest,
        LapLai=ack.repeated,
        DanhSachLoi=problems(ack.problems),
    )


def problems(found: Collection[Problem]) -> list[LoiStructure] | None:
    """Problems with their words in both languages; the first names are those of ``DanhSachLoi`` in BienNhan."""
    return [_problem(problem) for problem in found] or None


def _problem(problem: Problem) -> LoiStructure:
    entry, at = problem.entry, problem.at
    return LoiStructure(
        Ma=entry.token,
        MaChiTiet=entry.code,
        MoTa=problem.message(Lang.VI),
        CachXuLy=problem.remedy(Lang.VI),
        MoTaTiengAnh=problem.message(Lang.EN),
        CachXuLyTiengAnh=problem.remedy(Lang.EN),
        ViTri=at.xpath if at else None,
        Dong=at.line if at else None,
        Cot=at.column if at else None,
        MucDo="CANH_BAO" if entry.outcome is ProblemOutcome.NOTE else "LOI",
        KetLuan=str(entry.outcome),
        BenXuLy=str(entry.side),
        GuiLaiDuoc=entry.retry,
    )


def inbox(
    page: Page, parties: Parties, log_head: types.DauNhatKyStructure | None = None
) -> types.TrangCapNhatStructure:
    """A page of a party's own feed. Positions count 1, 2, 3, …: a gap would be seen."""
    return types.TrangCapNhatStructure(
        Sau=page.after,
        ViTriCuoi=page.last,
        MoiNhat=page.head,
        DauNhatKy=log_head,
        DanhSachMuc=[_entry(entry, parties) for entry in page.entries],
    )


def _entry(entry: InboxEntry, parties: Parties) -> types.MucStructure:
    sender = parties.get(entry.sender)
    return types.MucStructure(
        ViTri=entry.position,
        SoTiepNhan=entry.message,
        MaThongDiep=entry.ma_thong_diep,
        LoaiThongDiep=entry.loai,
        ThanPhan=entry.goc,
        NoiGui=sender.identifiers[0] if sender else entry.sender,
        MaHoSo=entry.ma_ho_so,
        TrangThai=entry.trang_thai,
        TrangThaiGoc=entry.trang_thai_goc,
        ThoiDiemGhiNhan=entry.recorded_at,
        BamNoiDung=entry.digest,
        DuongDan=f"/v1/messages/{entry.message}/original",
        DanhSachLoi=problems(entry.problems),
    )


def fate(
    message: types.ThongTinThongDiepStructure,
    found: Collection[Problem],
    deliveries: Iterable[tuple[Delivery, Sequence[Attempt]]],
    checked: Iterable[Mapping[str, str]] = (),
) -> types.ThongTinThongDiepStructure:
    """What became of one message: the conclusion, its problems, every delivery with its tries.

    For its sender also how each item of the signature's checklist came out (``signing.verdict.explain``): the exact reason
    that SIG-001 does not tell.
    """
    return replace(
        message,
        DanhSachLoi=problems(found),
        DanhSachGiaoNhan=[_delivery(delivery, attempts) for delivery, attempts in deliveries] or None,
        DanhSachMucKiem=[
            types.MucKiemStructure(
                Muc=row["item"],
                NoiDung=row["text_vi"],
                NoiDungTiengAnh=row["text_en"],
                KetLuan=row["status"],
                MaLyDo=row["reason"],
                LyDo=row["reason_vi"],
                LyDoTiengAnh=row["reason_en"],
            )
            for row in checked
        ]
        or None,
    )


def _delivery(delivery: Delivery, attempts: Sequence[Attempt]) -> types.GiaoNhanStructure:
    return types.GiaoNhanStructure(
        MaGiaoNhan=delivery.id,
        NoiNhan=delivery.party,
        TrangThaiGiaoNhan=str(delivery.state),
        SoLanThu=delivery.tries,
        ThuLaiLuc=delivery.due_at if not delivery.state.is_final and not delivery.state.holds_lane else None,
        DanhSachLanThu=[
            types.LanThuStructure(
                SoThuTu=attempt.number,
                Viec=attempt.kind,
                BatDau=attempt.started_at,
                KetThuc=attempt.ended_at,
                KetQuaThu=str(attempt.outcome),
                SoThamChieu=attempt.reference,
                DanhSachLoi=problems([attempt.problem] if attempt.problem else []),
            )
            for attempt in attempts
        ]
        or None,
    )


def dossier(timeline: Timeline, lang: Lang) -> types.HoSoStructure:
    """The timeline of a dossier: where it stands, how it came there, what is due."""
    told = timeline.as_dict(lang)  # the command line's names for the same things are shorter where no schema rules them
    return types.HoSoStructure(
        MaHoSo=told["MaHoSo"],
        MaTTHC=told["MaTTHC"],
        CongDichVu=told["CongDichVu"],
        CoQuanXuLy=told["CoQuanXuLy"],
        DanhSachCoQuanKhac=told["CoQuanKhac"] or None,
        TrangThai=told["TrangThai"],
        TenTrangThai=told["TenTrangThai"],
        TrangThaiGoc=told["TrangThaiGoc"],
        DanhSachCoTheChuyen=told["CoTheChuyen"] or None,
        NgayNopHoSo=told["NgayNopHoSo"],
        NgayTiepNhan=told["NgayTiepNhan"],
        NgayHenTra=told["NgayHenTra"],
        DanhSachNgayHenTra=[
            types.NgayHenTraStructure(DatLuc=row["tu"], NgayHenTra=row["NgayHenTra"]) for row in told["CacNgayHenTra"]
        ]
        or None,
        NgayKetThucXuLy=told["NgayKetThucXuLy"],
        NgayTra=told["NgayTra"],
        SoLanBoSung=told["SoLanBoSung"],
        DaRut=told["DaRut"],
        DanhSachSuKien=[types.SuKienStructure(**row) for row in told["DanhSachSuKien"]] or None,
        DanhSachThoiGian=[
            types.ThoiGianStructure(TrangThai=row["TrangThai"], TenTrangThai=row["TenTrangThai"], SoGiay=row["giay"])
            for row in told["ThoiGianTheoTrangThai"]
        ]
        or None,
        DanhSachThoiHan=[
            types.ThoiHanStructure(
                Loai=row["loai"], Ten=row["ten"], Han=row["han"], HoanThanh=row["xong"], Tre=row["tre"]
            )
            for row in told["ThoiHan"]
        ]
        or None,
        DanhSachThanhToan=[
            types.ThanhToanStructure(
                ThamChieu=row["ref"],
                SoTien=row["SoTien"],
                DaTra=row["DaTra"],
                TrangThaiThanhToan=row["TrangThaiThanhToan"],
                HanNop=row["HanNop"],
            )
            for row in told["ThanhToan"]
        ]
        or None,
        DanhSachChuyen=[types.ChuyenStructure(**row) for row in told["ChuyenHoSo"]] or None,
    )


def as_json(answer: AnswerType) -> bytes:
    """The answer as one JSON object; what is not there is left out."""
    return json.dumps(as_values(answer), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def as_xml(name: str, answer: AnswerType) -> bytes:
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
    if isinstance(value, AnswerType):
        for key in fields_of(type(value)):
            _write(key, getattr(value, key), parts)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _write(key, inner, parts)
    elif isinstance(value, (list, tuple)):
        row_name = name.removeprefix("DanhSach")
        for inner in value:
            _write(row_name, inner, parts)
    else:
        parts.append(text(scalar(value)))
    parts.append(f"</{name}>")
