"""The timeline of one dossier: what the portal, an agency, an operator and the reports all read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from gateway.core.deadlines import GIO_VIET_NAM, DeadlineRules, Due, deadlines, time_in_states
from gateway.core.effects import Files, Moves
from gateway.core.lifecycle import LABELS, HistoryStep, LifeRules, Reading, Trace, possible, trace
from gateway.core.model import (
    Attempt,
    Delivery,
    DeliveryState,
    Dossier,
    Fate,
    InboxEntry,
    MaHoSo,
    PartyId,
)
from gateway.core.parties import Parties, Role
from gateway.core.problems import Lang
from gateway.core.told import Told
from gateway.store import Message, Store

READINGS: dict[Reading, tuple[str, str]] = {
    Reading.APPLIED: ("có hiệu lực", "applied"),
    Reading.SAME: ("đã ở trạng thái này", "already in this state"),
    Reading.NOTED: ("ghi nhận", "noted"),
    Reading.WAITING: ("chờ sự kiện trước", "waiting for an earlier event"),
    Reading.LATE: ("đến muộn, không đổi trạng thái", "late, moves nothing"),
}

DUES: dict[Due, tuple[str, str]] = {
    Due.KET_QUA: ("Ngày hẹn trả", "Result due"),
    Due.CHUYEN_XU_LY: ("Chuyển xử lý (6 giờ)", "Hand-over (6 hours)"),
    Due.CHUYEN_HO_SO: ("Trả lời hồ sơ chuyển", "Answer to the transfer"),
    Due.BO_SUNG: ("Thời hạn bổ sung", "Supplement due"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A dossier with everything that follows from its history at one moment. No personal data: codes, names of states, times."""

    dossier: Dossier
    read: Trace
    rules: DeadlineRules
    at: datetime

    def as_dict(self, lang: Lang = Lang.VI) -> dict[str, Any]:
        """The timeline as plain JSON values. Times are ISO 8601 in UTC, spans are whole seconds."""
        dossier, read = self.dossier, self.read
        return {
            "MaHoSo": dossier.ma_ho_so,
            "MaTTHC": dossier.ma_tthc,
            "CongDichVu": dossier.portal,
            "CoQuanXuLy": dossier.agency,
            "CoQuanKhac": sorted(dossier.others),
            "TrangThai": read.trang_thai,
            "TenTrangThai": state_name(read.trang_thai, lang),
            "TrangThaiGoc": read.trang_thai_goc,
            "CoTheChuyen": list(possible(read.trang_thai)),
            "NgayNopHoSo": _iso(read.ngay_nop),
            "NgayTiepNhan": _iso(read.ngay_tiep_nhan),
            "NgayHenTra": _iso(read.ngay_hen_tra),
            "CacNgayHenTra": [{"tu": _iso(since), "NgayHenTra": _iso(due)} for since, due in read.hen_tra],
            "NgayKetThucXuLy": _iso(read.ngay_ket_thuc),
            "NgayTra": _iso(read.ngay_tra),
            "SoLanBoSung": read.supplements,
            "DaRut": read.withdrawn,
            "DanhSachSuKien": [self._step(index, lang) for index in range(len(read.steps))],
            "ThoiGianTheoTrangThai": [
                {"TrangThai": state, "TenTrangThai": state_name(state, lang), "giay": int(span.total_seconds())}
                for state, span in sorted(time_in_states(read, self.at).items())
            ],
            "ThoiHan": [
                {
                    "loai": deadline.what.value,
                    "ten": DUES[deadline.what][lang is Lang.EN],
                    "han": _iso(deadline.due),
                    "xong": _iso(deadline.met_at),
                    "tre": deadline.late(self.at),
                }
                for deadline in deadlines(read, self.rules)
            ],
            "ThanhToan": [
                {
                    "ref": payment.ref,
                    "SoTien": str(payment.so_tien),
                    "DaTra": str(payment.da_tra),
                    "TrangThaiThanhToan": payment.state.value,
                    "HanNop": _iso(payment.han_nop),
                }
                for payment in read.payments
            ],
            "ChuyenHoSo": [
                {
                    "DonViNhan": transfer.don_vi_nhan,
                    "NgayChuyen": _iso(transfer.sent_at),
                    "HanXuLy": _iso(transfer.han_xu_ly),
                    "NgayTraLoi": _iso(transfer.returned_at),
                    "TrangThai": transfer.trang_thai,
                }
                for transfer in read.transfers
            ],
        }

    def _step(self, index: int, lang: Lang) -> dict[str, Any]:
        step = self.read.steps[index]
        change, effect = step.change, step.effect
        stated = effect.to if isinstance(effect, Moves) else effect.trang_thai if isinstance(effect, Files) else None
        return {
            "ThoiDiem": _iso(step.at),
            "NhanLuc": _iso(change.recorded_at),
            "LoaiThongDiep": change.loai,
            "ThanPhan": change.goc,
            "NoiGui": change.sender,
            "MaThongDiep": change.ma_thong_diep,
            "ThuTu": change.thu_tu,
            "TrangThaiGoc": step.trang_thai_goc,
            "TrangThaiNeu": stated,
            "TuTrangThai": step.before,
            "DenTrangThai": step.after,
            "TenTrangThai": state_name(step.after, lang),
            "KetQua": step.reading.value,
            "DienGiai": READINGS[step.reading][lang is Lang.EN],
        }


def state_name(state: int | None, lang: Lang) -> str | None:
    """The label of a state code."""
    return LABELS[state][lang is Lang.EN] if state in LABELS else None


def timeline(store: Store, ma_ho_so: MaHoSo, parties: Parties, at: datetime, rules: DeadlineRules) -> Timeline | None:
    """The timeline of a dossier at a moment, found by its code or an alias; None where there is none."""
    with store.read() as view:
        dossier = view.dossier(ma_ho_so)
    if dossier is None or not dossier.changes:
        return None
    return Timeline(
        dossier=dossier,
        read=trace(dossier.changes, LifeRules.of(parties.get(dossier.agency))),
        rules=rules,
        at=at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCommand:
    """What a person may do now, and why."""

    why: Literal["lane-held", "held", "rejected", "waiting", "uncertain", "believes", "unread"]
    about: str  # a delivery, a message, a party
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All that is on record about a dossier beside its events. Codes, states, times; no content."""

    apart: Sequence[
        Message
    ]  # messages about it that are no events of it: rejected, held, receipts, queries; the newest first
    more_apart: int  # that are not among them
    deliveries: Sequence[tuple[Delivery, Attempt | None]]  # each with its last try
    inboxes: Mapping[
        PartyId, tuple[Sequence[InboxEntry], int]
    ]  # what each party that pulls was given, how far it confirmed
    told: Sequence[Told]  # what each party that reads no messages was told, and believes
    waiting: Sequence[HistoryStep]  # events that wait for an earlier one

    def next_commands(self) -> Iterator[NextCommand]:
        """The most urgent first; none where nothing waits for a person."""
        for delivery, _ in self.deliveries:
            if delivery.state.holds_lane and delivery.blocking:
                command = f"lienthong replay {delivery.id} --reason “…”"
                yield NextCommand(why="lane-held", about=delivery.id, command=command)
        for message in self.apart:
            if message.state is Fate.HELD:
                yield NextCommand(why="held", about=message.id, command=f"lienthong show {message.id}")
        for message in self.apart:
            if message.state is Fate.REJECTED:
                yield NextCommand(why="rejected", about=message.id, command=f"lienthong show {message.id}")
        for step in self.waiting:
            change = step.change
            yield NextCommand(
                why="waiting", about=change.message, command=f"lienthong messages --party {change.sender}"
            )
        for delivery, _ in self.deliveries:
            if delivery.state is DeliveryState.UNKNOWN:
                command = f"lienthong lanes --unknown --party {delivery.party}"
                yield NextCommand(why="uncertain", about=delivery.id, command=command)
        for told in self.told:
            if told.differs:
                yield NextCommand(why="believes", about=told.party, command=f"lienthong drift --party {told.party}")
        for party, (entries, confirmed) in self.inboxes.items():
            if entries and entries[-1].position > confirmed:
                yield NextCommand(why="unread", about=party, command=f"lienthong inbox {party} --after {confirmed}")


APART = 50  # messages that are no events


def story(store: Store, ma_ho_so: MaHoSo, read: Trace | None) -> Story:
    """What is on record about a code beside its events; all of it empty where nothing ever named it."""
    steps = read.steps if read is not None else ()
    events = {step.change.message for step in steps}
    with store.read() as view:
        messages = view.messages(ma_ho_so=ma_ho_so, limit=APART * 20)
        apart = [message for message in messages if message.id not in events]
        deliveries = view.deliveries_about(ma_ho_so)
        inboxes: dict[PartyId, list[InboxEntry]] = {}
        for entry in view.inboxed_about(ma_ho_so):
            inboxes.setdefault(entry.party, []).append(entry)
        parties = sorted({delivery.party for delivery, _ in deliveries})
        return Story(
            apart=apart[:APART],
            more_apart=len(apart[APART:]),
            deliveries=deliveries,
            inboxes={party: (entries, view.reader(party).confirmed) for party, entries in inboxes.items()},
            told=[told for party in parties if (told := view.told(party, ma_ho_so)) is not None],
            waiting=[step for step in steps if step.reading is Reading.WAITING],
        )


def may_read(dossier: Dossier, party: PartyId, parties: Parties) -> bool:
    """A party reads its own dossiers; oversight reads all, without their content (R61)."""
    known = parties.get(party)
    return party in dossier.parties or (known is not None and known.role is Role.OVERSIGHT)


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(GIO_VIET_NAM).isoformat() if at else None
