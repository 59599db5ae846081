"""What the gateway itself replies to: queries of dossiers (HS17), of catalogues (HS18), reconciliation (HS19).

A query addressed to the gateway is a delivery to ourselves. It is claimed like any other, answered by a message of ours that
goes in through the same counter as everybody's, and settled; a crash in between answers once.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import islice
from typing import Any

from gateway.core.catalogues import DICH_VU_ITEMS, Muc
from gateway.core.effects import Files, Moves, Publishes
from gateway.core.lifecycle import LifeRules, Reading, trace
from gateway.core.limits import CEILING
from gateway.core.model import (
    Acknowledgement,
    Address,
    Attempt,
    AttemptOutcome,
    Caller,
    Channel,
    Delivery,
    DeliveryState,
    Dossier,
    Envelope,
    Fate,
    Finding,
    MaThongDiep,
    MessageId,
    PartyId,
    ThongDiep,
)
from gateway.core.parties import Parties, Party, Role
from gateway.core.problems import Problem
from gateway.core.reconcile import DossierDifference, DossierLine, compare
from gateway.documents import parse_bytes
from gateway.store import CatalogueRow, NotAtHand, Store, View
from schemas import write
from schemas.names import STEM
from signing.seal import seal
from signing.sign import SigningKey

log = logging.getLogger("lienthong.answers")

MOST_DOSSIERS = 200  # in one answer; the schema's own limit
MOST_STEPS = 1000
MOST_OPENED = 100_000  # filings that one query of an identity number may have opened
MOST_REMEMBERED = 200_000  # filings of which a process remembers whose they are
MOST_LINES = 10_000
OWN_ITEMS = ("BiDanh", "MaTTHC", "MaLinhVuc")
PUBLISHER = "publish-catalogue"  # the privilege of a party that keeps catalogues

Judge = Callable[[Envelope], Finding]
Enter = Callable[[Envelope], Acknowledgement]
Publish = Callable[[str, str, Sequence[Muc], str], bool]


class Persons:
    """Whose filings have been looked at, for as long as the process lives: identity numbers as keyed hashes, in memory only.

    The numbers are in the signed letters and nowhere else. An index on disk would need a secret beside the database to be
    more than a list of twelve digits, and every erasure would have to follow it; opened once and remembered is enough.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._marks: OrderedDict[MessageId, frozenset[bytes]] = OrderedDict()

    def mark(self, number: str) -> bytes:
        """What stands for an identity number here."""
        return hmac.digest(self._key, number.encode(), "sha256")[:16]

    def of(self, message: MessageId, numbers: Callable[[], Iterator[str]]) -> tuple[frozenset[bytes], bool]:
        """The marks of a filing, and whether it had to be opened for them."""
        known = self._marks.get(message)
        if known is not None:
            self._marks.move_to_end(message)
            return known, False
        made = self._marks[message] = frozenset(self.mark(number) for number in numbers())
        if len(self._marks) > MOST_REMEMBERED:
            self._marks.popitem(last=False)
        return made, True


@dataclass(frozen=True, slots=True, kw_only=True)
class Clerk:
    """Who answers: our name, key and party, and the doors to the other services (wiring joins them)."""

    store: Store
    parties: Parties
    ourselves: PartyId
    address: Address
    key: SigningKey
    judge: Judge  # reads a stored letter again
    enter: Enter  # takes our answer in, through the same counter as everybody's
    new_id: Callable[[datetime], MessageId]
    publish: Publish  # records a catalogue version: name, version, entries, who
    persons: Persons = field(default_factory=Persons)


def answer_due(clerk: Clerk, now: datetime, limit: int = 10) -> int:
    """Answer the queries that are due; how many there were."""
    with clerk.store.begin() as tx:
        claimed = tx.claim_due(clerk.ourselves, now, limit, 120.0)
    for delivery in claimed:
        try:
            problem = _dealt_with(clerk, delivery, now)
        except NotAtHand as error:  # it costs this query, and none that was claimed beside it
            problem = Problem(error.undelivered, error.facts)
        outcome = AttemptOutcome.DELIVERED if problem is None else AttemptOutcome.REFUSED
        attempt = Attempt(
            delivery=delivery.id,
            number=delivery.tries,
            kind="send",
            started_at=now,
            ended_at=now,
            outcome=outcome,
            problem=problem,
        )
        with clerk.store.begin() as tx:
            tx.settle(delivery, attempt, DeliveryState.DELIVERED if problem is None else DeliveryState.REFUSED, now=now)
    return len(claimed)


def _dealt_with(clerk: Clerk, delivery: Delivery, now: datetime) -> Problem | None:
    with clerk.store.read() as view:
        envelope = view.envelope(delivery.message)
    if envelope is None:
        return Problem("AUT-031", {"id": delivery.message})
    letter = clerk.judge(envelope).thong_diep
    asker = clerk.parties.get(envelope.caller.party)
    if letter is None or asker is None:
        return Problem("AUT-031", {"id": delivery.message})
    published = next((e for e in letter.effects if isinstance(e, Publishes)), None)
    if published is not None:
        if PUBLISHER not in asker.privileges:
            return Problem("AUT-030", {"caller": asker.id, "danh_muc": published.danh_muc})
        clerk.publish(published.danh_muc, published.phien_ban, letter.content.muc, asker.id)  # type: ignore[attr-defined]
        return None
    with clerk.store.read() as view:
        before = view.by_ma_thong_diep(clerk.ourselves, answer_id(letter.ma_thong_diep, asker.id))
    if before is not None and before.state is Fate.ACCEPTED:
        return None  # answered before a crash; that answer stands
    goc, fields = _reply(clerk, letter, asker)
    body = seal(write.thong_diep(_header(clerk, letter, asker, now), goc, fields), clerk.key, at=now)
    answer = clerk.enter(
        Envelope.of(
            body,
            id=clerk.new_id(now),
            caller=Caller(party=clerk.ourselves, by="operator"),
            channel=Channel.CLI,
            received_at=now,
        )
    )
    return None if answer.fate is Fate.ACCEPTED else answer.problems[0]


def _header(clerk: Clerk, letter: ThongDiep, asker: Party, now: datetime) -> write.Header:
    return write.Header(
        ma_thong_diep=answer_id(letter.ma_thong_diep, asker.id),
        loai=letter.loai,
        noi_gui=clerk.address,
        noi_nhan=(Address(ma_dinh_danh=asker.identifiers[0], ten_co_quan=asker.name),),
        ma_thong_diep_goc=letter.ma_thong_diep,
        ma_tuong_quan=letter.ma_tuong_quan,
        thoi_diem_tao=now,
    )


def answer_id(ma_thong_diep: str, asker: str) -> MaThongDiep:
    """The id of the answer to a query: always the same one, so that answering twice is answering once."""
    digest = hashlib.sha256(f"tra-loi:{asker}:{ma_thong_diep}".encode()).hexdigest()
    return MaThongDiep(f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}")


def _reply(clerk: Clerk, letter: ThongDiep, asker: Party) -> tuple[str, Mapping[str, Any]]:
    content: Any = letter.content
    with clerk.store.read() as view:
        match letter.loai:
            case "HS17":
                return "TraLoiTraCuu", _dossiers_found(clerk, view, content, asker)
            case "HS18":
                return "DanhMuc", _catalogue(view, content)
            case _:
                return "KetQuaDoiSoat", _reconciled(clerk, view, content, asker)


# HS17 -------------------------------------------------------------------------------------------------------------------


def _dossiers_found(clerk: Clerk, view: View, content: Any, asker: Party) -> Mapping[str, Any]:
    """A party finds its own dossiers only; oversight finds all. Not found and not yours look the same."""
    found = list(islice(_candidates(clerk, view, content, asker), MOST_DOSSIERS))
    rows = [_dossier_row(clerk, dossier) for dossier in found]
    return {"SoKetQua": len(rows), "DanhSachHoSoTraCuu": {"HoSoTraCuu": rows} if rows else None}


def _readable(dossier: Dossier, asker: Party) -> bool:
    return asker.id in dossier.parties or asker.role is Role.OVERSIGHT


def _candidates(clerk: Clerk, view: View, content: Any, asker: Party) -> Iterator[Dossier]:
    if content.ma_ho_so is not None:
        for code in (content.ma_ho_so, *view.also_known_as(content.ma_ho_so)):
            dossier = view.dossier(code)
            if dossier is not None and dossier.changes and _readable(dossier, asker):
                yield dossier
        return
    wanted, opened = clerk.persons.mark(content.so_dinh_danh), 0
    for dossier in view.dossiers(procedure=content.ma_tthc[:STEM]):
        if not _readable(dossier, asker):
            continue
        for message in _filings(dossier):
            marks, anew = clerk.persons.of(message, partial(_identities, view, message))
            opened += anew
            if wanted in marks and content.so_dinh_danh in _identities(view, message):  # not erased meanwhile
                yield dossier
                break
        if opened >= MOST_OPENED:
            log.warning("a query by identity number ended after %d filings; ask again for the rest", opened)
            return


def _filings(dossier: Dossier) -> list[MessageId]:
    return [c.message for c in dossier.changes if any(isinstance(effect, Files) for effect in c.effects)]


def _identities(view: View, message: MessageId) -> Iterator[str]:
    """The identity numbers in a filing that was accepted: its signature covers all of it, or we composed it ourselves."""
    known = view.message(message)
    body = None if known is None else view.body(known.id, known.composed or known.digest)
    if body is not None:
        root = parse_bytes(body, CEILING)
        yield from (str(e.text).strip() for e in root.iter("{*}SoDinhDanh", "{*}SoGiayToChuHoSo") if e.text)


def _dossier_row(clerk: Clerk, dossier: Dossier) -> Mapping[str, Any]:
    read = trace(dossier.changes, LifeRules.of(clerk.parties.get(dossier.agency)))
    steps = [
        {
            "ThoiDiemXuLy": step.at,
            "TrangThai": step.after,
            "TrangThaiGoc": step.trang_thai_goc,
            "LoaiThongDiep": step.change.loai,
            "PhongBanXuLy": step.effect.phong_ban if isinstance(step.effect, Moves) else None,
        }
        for step in read.steps
        if step.reading is Reading.APPLIED
    ]
    return {
        "MaHoSo": dossier.ma_ho_so,
        "MaTTHC": dossier.ma_tthc,
        "TrangThaiHoSo": read.trang_thai,
        "TrangThaiGoc": read.trang_thai_goc,
        "NgayNopHoSo": read.ngay_nop,
        "NgayTiepNhan": read.ngay_tiep_nhan,
        "NgayHenTra": read.ngay_hen_tra,
        "NgayKetThucXuLy": read.ngay_ket_thuc,
        "DanhSachTienDo": {"TienDo": steps[-MOST_STEPS:]} if steps else None,
    }


# HS18 -------------------------------------------------------------------------------------------------------------------


def _catalogue(view: View, content: Any) -> Mapping[str, Any]:
    """The version that is asked for, or else the newest; with a day, only what is in force that day."""
    versions = view.catalogue_versions(content.danh_muc)
    chosen = content.phien_ban or (versions[-1] if versions else None)
    at = None if content.ngay is None else datetime.combine(content.ngay, time(12), UTC)
    rows = view.catalogue(content.danh_muc, chosen, at=at) if chosen in versions and chosen is not None else []
    return {
        "TenDanhMuc": content.danh_muc,
        "PhienBanDanhMuc": chosen or "0",
        "NgayHieuLuc": content.ngay,
        "DanhSachMuc": {"Muc": [muc_fields(row) for row in rows]} if rows else None,
    }


def muc_fields(row: CatalogueRow) -> Mapping[str, Any]:
    """One catalogue entry as the fields of HS18 ``Muc``, in the order of the schema."""
    own = (*OWN_ITEMS, *(item for item in DICH_VU_ITEMS if item != "TenDichVu"))
    given: Mapping[str, str] = row.muc["fields"]
    return {
        "Ma": row.ma,
        "Ten": row.muc["Ten"],
        "HieuLucTu": _day(row.hieu_luc_tu),
        "HieuLucDen": _day(row.hieu_luc_den),
        "MaThayThe": row.muc["MaThayThe"],
        **{name: given.get(name) for name in own},
        "ThuocTinh": [{"TenThuocTinh": name, "GiaTri": value} for name, value in given.items() if name not in own]
        or None,
    }


def _day(at: datetime | None) -> date | None:
    return at.date() if at is not None else None


# HS19 -------------------------------------------------------------------------------------------------------------------


def _reconciled(clerk: Clerk, view: View, content: Any, asker: Party) -> Mapping[str, Any]:
    """The differences between the asker's list and our record of one agency's dossiers of a period."""
    agency = clerk.parties.by_identifier(content.ma_dinh_danh)
    theirs = [
        DossierLine(ma_ho_so=row.ma_ho_so, trang_thai=row.trang_thai, thoi_diem=row.thoi_diem) for row in content.dong
    ]
    ours = list(_lines_of_period(view, agency, content, asker)) if agency is not None else []
    missing = {line.ma_ho_so for line in theirs} - {line.ma_ho_so for line in ours}
    known = {
        code: _line(d)
        for code in missing
        if (d := view.dossier(code)) is not None and d.changes and _readable(d, asker)
    }
    found = compare(theirs, ours, known=known)
    return {
        "KyTu": content.ky_tu,
        "KyDen": content.ky_den,
        "MaDinhDanh": content.ma_dinh_danh,
        "SoHoSo": len(ours),
        "SoKhop": len({line.ma_ho_so for line in (*theirs, *ours)}) - len(found),
        "DanhSachChenhLech": {"ChenhLech": [_difference(one) for one in found[:MOST_LINES]]} if found else None,
    }


def _lines_of_period(view: View, agency: Party, content: Any, asker: Party) -> Iterator[DossierLine]:
    within = view.dossiers(
        agency=agency.id, opened_since=content.ky_tu, opened_before=content.ky_den + timedelta(microseconds=1)
    )
    return (_line(d) for d in within if d.trang_thai is not None and _readable(d, asker))


def _line(dossier: Dossier) -> DossierLine:
    last = max((change.occurred_at for change in dossier.changes), default=None)
    return DossierLine(ma_ho_so=dossier.ma_ho_so, trang_thai=dossier.trang_thai or 0, thoi_diem=last)


def _difference(one: DossierDifference) -> Mapping[str, Any]:
    return {
        "MaHoSo": one.ma_ho_so,
        "LoaiLech": one.kind.value,
        "TrangThaiBenHoi": one.theirs.trang_thai if one.theirs else None,
        "TrangThaiBenTraLoi": one.ours.trang_thai if one.ours else None,
        "ThoiDiemBenHoi": one.theirs.thoi_diem if one.theirs else None,
        "ThoiDiemBenTraLoi": one.ours.thoi_diem if one.ours else None,
    }
