"""Our record of a dossier as the packets of QCVN 120:2019: the whole dossier, and one row for each step of its life.

What follows from the events (state, dates, appointment) is the gateway's own reading of them; what only the letters say
(owner, papers, fees, supplements, results) is taken from the letters that count in that reading, in the order in which
things happened. So the same events give the same record, whatever order they arrived in. Nothing is made up: what the
record does not have is not in the packet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from gateway.core.effects import Files, Moves
from gateway.core.lifecycle import KHONG_TIEP_NHAN, HistoryStep, Reading, Trace, trace
from gateway.core.limits import CEILING
from gateway.core.model import PartyId
from gateway.core.told import DossierLetters, Told, compared, differing, packet_digest
from gateway.documents import parse_bytes
from schemas import names
from schemas import qcvn120 as packets

WHOLE, PROGRESS = "DongBoHoSoMC", "CapNhatTienDoHoSoMC"
NGUOI_XU_LY = 50  # characters; QCVN 120, Table 3
#: What a dossier comes to beside its state: its appointment, the dates of its end, and its lists.
RECORD_DATES = ("NgayHenTra", "NgayTra", "NgayTuChoi", "NgayKetThucXuLy")
RECORD_LISTS = ("DanhSachLePhi", "DanhSachHoSoBoSung", "DanhSachGiayToKetQua")
UNKNOWN_YET = ("NgayTiepNhan", "DonViXuLy")  # the packet demands them; of a dossier not yet received nobody knows them


@dataclass(frozen=True, slots=True, kw_only=True)
class HoSoRecord:
    """A dossier as it stands, in canonical values: moments are yyyyMMddHHmmss at home, codes are ours."""

    whole: Mapping[str, Any] | None  # DongBoHoSoMC; None where the letter that opened the dossier is not at hand
    rows: tuple[Mapping[str, Any], ...]  # CapNhatTienDoHoSoMC, in the order in which things happened
    trace: Trace
    known_to: frozenset[PartyId] = frozenset()  # who told us of the whole dossier: they have it
    lost: tuple[str, ...] = ()  # elements of the letters that no packet has a place for
    cut: tuple[tuple[str, int, int], ...] = ()  # of rows: the field, its length, and to what it was cut


@dataclass(slots=True)
class _WholeDraft:
    """The whole dossier as it grows, letter by letter."""

    fields: dict[str, Any] = field(default_factory=dict)
    fees: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    supplements: dict[str, dict[str, Any]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    def takes(self, payload: etree._Element, *known: str) -> None:
        """Notes what of a payload has no place anywhere."""
        self.lost += [
            name for child in payload if (name := names.local(child.tag)) not in {"MaHoSo", *known} and _says(child)
        ]

    def add_fees(self, payload: etree._Element, *, anew: bool) -> None:
        rows, _ = packets.part_of(payload)
        if anew and "DanhSachLePhi" in rows:
            self.fees.clear()
        for row in rows.get("DanhSachLePhi", ()):
            self.fees[str(row.get("MaPhiLePhi") or row["TenPhiLePhi"]), str(row["Gia"])] = row

    def supplement(self, payload: etree._Element, **more: str) -> None:
        row, _ = packets.part_of(payload, "DanhSachHoSoBoSung", "HoSoBoSung")
        self.supplements.setdefault(row["HoSoBoSungId"], {}).update({**row, **more})


def _says(element: etree._Element) -> bool:
    return element.get(names.NIL, "false").strip() not in {"true", "1"} and (len(element) > 0 or bool(element.text))


# What each letter adds to the whole dossier, by the root of its payload. A letter that is in no row adds nothing.


def _filed(draft: _WholeDraft, payload: etree._Element) -> None:
    fields, lost = packets.part_of(payload)
    draft.fields |= fields
    draft.lost += lost
    draft.add_fees(payload, anew=True)
    draft.supplements |= {row["HoSoBoSungId"]: dict(row) for row in fields.get("DanhSachHoSoBoSung", ())}


def _received(draft: _WholeDraft, payload: etree._Element) -> None:
    draft.fields |= {k: v for k, v in packets.part_of(payload)[0].items() if k == "DonViXuLy"}
    draft.add_fees(payload, anew=True)
    draft.takes(payload, "NgayTiepNhan", "NgayHenTra", "DonViXuLy", "CanBoTiepNhan", "DanhSachLePhi")


def _refused(draft: _WholeDraft, payload: etree._Element) -> None:
    draft.takes(payload, "NgayTuChoi", "LyDo", "NguoiTuChoi")


def _asked_for_more(draft: _WholeDraft, payload: etree._Element) -> None:
    draft.supplement(payload)
    carried = ("HoSoBoSungId", "NguoiYeuCauBoSung", "NoiDungBoSung", "NgayBoSung")
    draft.takes(payload, *carried, "DanhSachGiayToBoSung", "DanhSachLePhiBoSung")


def _supplied(draft: _WholeDraft, payload: etree._Element) -> None:
    draft.supplement(payload)
    papers = packets.part_of(payload)[0].get("TaiLieuNop", [])
    there = draft.fields.get("TaiLieuNop", [])
    if papers:
        draft.fields["TaiLieuNop"] = [*there, *(paper for paper in papers if paper not in there)]
    draft.takes(payload, "HoSoBoSungId", "ThongTinTiepNhan", "DanhSachTaiLieuNop")


def _complete(draft: _WholeDraft, payload: etree._Element) -> None:
    draft.supplement(payload, TrangThaiBoSung="true")
    carried = ("HoSoBoSungId", "NgayTiepNhanBoSung", "NguoiTiepNhanBoSung")
    draft.takes(payload, *carried, "NgayHenTraTruoc", "NgayHenTraMoi")


def _charged(draft: _WholeDraft, payload: etree._Element) -> None:
    draft.add_fees(payload, anew=False)
    draft.takes(payload, "DanhSachLePhi", "TongTien")


def _paid(draft: _WholeDraft, payload: etree._Element) -> None:
    channel = payload.findtext(names.hs("KenhThanhToan"))
    if channel and (payload.findtext(names.hs("TrangThaiThanhToan")) or "").strip() == "1":
        draft.fields["DuocThanhToanTrucTuyen"] = channel.strip()
    draft.takes(payload, "KenhThanhToan")


def _result(draft: _WholeDraft, payload: etree._Element) -> None:
    fields = packets.part_of(payload)[0]
    draft.fields |= {k: v for k, v in fields.items() if k in {"DanhSachGiayToKetQua", "HinhThuc"}}
    why = payload.findtext(names.hs("LyDo"))
    if why:
        draft.fields["ThongTinTra"] = why
    draft.takes(payload, "NgayKetThucXuLy", "NgayTra", "DanhSachGiayToKetQua", "HinhThuc", "LyDo")


_MOMENTS = ("NgayDung", "NgayTiepTuc", "NgayYeuCau", "NgayQuyetDinh")  # of a step: its row has them


def _dated(draft: _WholeDraft, payload: etree._Element) -> None:
    draft.takes(payload, "NgayHenTraTruoc", "NgayHenTraMoi", "LyDo", *_MOMENTS, "KetQua")


ADDS: Mapping[str, Callable[[_WholeDraft, etree._Element], None]] = {
    "NopHoSo": _filed,
    "TiepNhanHoSo": _received,
    "TuChoiTiepNhan": _refused,
    "YeuCauBoSung": _asked_for_more,
    "NopBoSung": _supplied,
    "XacNhanBoSung": _complete,
    "YeuCauThanhToan": _charged,
    "KetQuaThanhToan": _paid,
    "TraKetQua": _result,
    "GiaHan": _dated,
    "DungXuLy": _dated,
    "TiepTucXuLy": _dated,
    "RutHoSo": _dated,
    "DongYRutHoSo": _dated,
}
WORDS = frozenset({*ADDS, "CapNhatTienDo"})  # the letters that a record is made of
_COUNTS = frozenset({Reading.APPLIED, Reading.SAME, Reading.NOTED})
_WHY = ("LyDo", "NoiDungBoSung", "NoiDungXuLy")


def record_of(found: DossierLetters) -> HoSoRecord:
    """The record of a dossier after these events. Raises Stopped where a letter cannot be read any more."""
    read = trace([letter.change for letter in found.letters], found.rules)
    roots = {
        letter.change.number: parse_bytes(letter.body, CEILING)
        for letter in found.letters
        if letter.body is not None and letter.change.goc in WORDS
    }
    draft, rows, known_to, cut = _WholeDraft(), [], set(), []
    done: set[int] = set()
    agency: list[str] = []
    for step in read.steps:
        change = step.change
        root = roots.get(change.number)
        if root is None or read.reading_of(change.number) not in _COUNTS:
            continue
        payload = root[-1] if (body := root.find(names.THAN_PHAN)) is None else body[0]
        if change.number not in done and change.goc in ADDS:
            ADDS[change.goc](draft, payload)
        done.add(change.number)
        if isinstance(step.effect, Files):
            known_to.add(change.sender)
            where = "NoiGui" if change.sender == found.dossier.agency else "NoiNhan"
            agency += _names_of(root.iterfind(f".//{names.pb(where)}"))
        row = _row(step, root, payload, draft)
        if row is not None:
            actor = str(row["NguoiXuLy"])
            if len(actor) > NGUOI_XU_LY:
                cut.append(("NguoiXuLy", len(actor), NGUOI_XU_LY))
                row["NguoiXuLy"] = actor[:NGUOI_XU_LY]
            rows.append(row)
    return HoSoRecord(
        whole=_whole(draft, read, next(iter(agency), None)),
        rows=tuple(rows),
        trace=read,
        known_to=frozenset(known_to),
        lost=tuple(dict.fromkeys(draft.lost)),
        cut=tuple(cut),
    )


def not_taken(record: HoSoRecord, told: Told) -> list[str]:
    """Digests of what a party has not taken of the record: the whole dossier, rows of progress."""
    whole = [packet_digest(record.whole)] if record.whole is not None else []
    rows = [digest for row in record.rows if (digest := packet_digest(row)) not in told.rows]
    return [digest for digest in whole if digest != told.taken] + rows


def still_owed(record: HoSoRecord, told: Told) -> bool:
    """Whether the party does not know all of the record; a form that says less than the packet does knows it all the same."""
    missing = not_taken(record, told)
    rows = [digest for digest in missing if record.whole is None or digest != packet_digest(record.whole)]
    return bool(rows) or bool(missing and differing(compared(record.whole or {}), told.facts))


def _whole(draft: _WholeDraft, read: Trace, agency: str | None) -> Mapping[str, Any] | None:
    """The packet; None where nothing that opened the dossier is at hand. Raises Stopped where the packet takes no such thing."""
    if "MaTTHC" not in draft.fields:
        return None
    fields = dict(draft.fields)
    refused = [s.at for s in read.steps if s.reading is Reading.APPLIED and s.after == KHONG_TIEP_NHAN]
    told = {
        "NgayTiepNhan": read.ngay_tiep_nhan,
        "NgayHenTra": read.ngay_hen_tra,
        "NgayTra": read.ngay_tra,
        "NgayKetThucXuLy": read.ngay_ket_thuc,
        "NgayTuChoi": refused[-1] if refused and read.trang_thai == KHONG_TIEP_NHAN else None,
        "NgayNopHoSo": read.ngay_nop,
    }
    fields |= {name: packets.wire_of(at) for name, at in told.items() if at is not None}
    if read.trang_thai is not None:
        fields["TrangThaiHoSo"] = str(read.trang_thai)
    if "DonViXuLy" not in fields and agency is not None:
        fields["DonViXuLy"] = agency
    lists = {"DanhSachLePhi": [*draft.fees.values()], "DanhSachHoSoBoSung": [*draft.supplements.values()]}
    fields |= {name: rows for name, rows in lists.items() if rows}
    return packets.packet_made(WHOLE, fields, unknown=UNKNOWN_YET)


def _row(step: HistoryStep, root: etree._Element, payload: etree._Element, draft: _WholeDraft) -> dict[str, Any] | None:
    """The step as a row of progress; None where it is none."""
    if not isinstance(step.effect, Moves) or step.after is None:
        return None
    if step.change.goc == "CapNhatTienDo":
        if step.reading not in {Reading.APPLIED, Reading.SAME}:
            return None
        packet = packets.packet_of(root)
        draft.lost += [str(note.facts["element"]) for note in packet.notes]
        return {**packet.fields, "TrangThai": str(step.after)}
    if step.reading is not Reading.APPLIED:
        return None
    why = next((text for name in _WHY if (text := payload.findtext(names.hs(name)))), None)
    actor = step.effect.nguoi_xu_ly or next(iter(_names_of(root.iterfind(f".//{names.pb('NoiGui')}"))), "")
    fields = {
        "MaHoSo": step.change.ma_ho_so,
        "NguoiXuLy": actor,
        "ThoiDiemXuLy": packets.wire_of(step.at),
        "PhongBanXuLy": step.effect.phong_ban,
        "NoiDungXuLy": why,
        "TrangThai": str(step.after),
    }
    return {name: value for name, value in fields.items() if value}


def _names_of(agencies: Iterable[etree._Element]) -> list[str]:
    """Names of agencies of an envelope, or their identifiers where they have none."""
    said = (
        next((t.strip() for n in ("TenCoQuan", "MaDinhDanh") if (t := one.findtext(names.pb(n))) and t.strip()), None)
        for one in agencies
    )
    return [name for name in said if name]
