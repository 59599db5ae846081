"""Reconciliation by letter: the gateway's own HS19 to a party that reads messages, and what its answer comes to.

A question lists what we have of one agency's dossiers of a period; the answer lists what differs. One letter holds ten thousand
lines: a longer period is asked about in halves.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from lxml import etree

from gateway.core.ledger import LogLine
from gateway.core.limits import CEILING
from gateway.core.model import (
    Acknowledgement,
    Address,
    Caller,
    Channel,
    Dossier,
    Envelope,
    Fate,
    MaThongDiep,
    MessageId,
    PartyId,
)
from gateway.core.parties import Parties, Party, Role
from gateway.core.problems import Problem, Stopped
from gateway.core.reconcile import Differs
from gateway.documents import parse_bytes
from gateway.store import SideBook, Store, View
from gateway.store.records import Message
from schemas import names, write
from signing.seal import seal
from signing.sign import SigningKey

LINES = 10_000  # of one letter; the schema's own limit
ASKED = "reconcile.asked"  # a line of the log: which letters went out about which period
KEPT = timedelta(days=62)  # so long a question is found again
ANSWERS = 1000  # letters of a party among which its answers are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquirer:
    """Who asks: our name, key and party, and the doors to the other services (wiring joins them)."""

    store: Store
    parties: Parties
    ourselves: PartyId
    address: Address
    key: SigningKey
    enter: Callable[[Envelope], Acknowledgement]
    new_id: Callable[[datetime], MessageId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """Questions that went out about one period."""

    asked_at: datetime
    letters: tuple[MaThongDiep, ...]


def ask_by_letter(inquirer: Inquirer, party: Party, since: datetime, until: datetime, now: datetime) -> Inquiry:
    """Send the questions; what was asked is in the log. Raises Stopped with why the counter refuses one."""
    letters = []
    for agency, ky_tu, ky_den, dossiers in _questions(inquirer, party, since, until):
        ma = _id(party.id, agency.id, ky_tu, ky_den, now)
        lines = [{"MaHoSo": d.ma_ho_so, "TrangThai": d.trang_thai} for d in dossiers if d.trang_thai is not None]
        fields = {
            "KyTu": ky_tu,
            "KyDen": ky_den - timedelta(seconds=1),  # the last moment of the period, at the other side's counting
            "MaDinhDanh": agency.identifiers[0],
            "DanhSachDoiSoat": {"DongDoiSoat": lines} if lines else None,
        }
        header = write.Header(
            ma_thong_diep=ma,
            loai="HS19",
            noi_gui=inquirer.address,
            noi_nhan=(Address(ma_dinh_danh=party.identifiers[0], ten_co_quan=party.name),),
            thoi_diem_tao=now,
        )
        body = seal(write.thong_diep(header, "DoiSoat", fields), inquirer.key, at=now)
        cover = {"id": inquirer.new_id(now), "caller": Caller(party=inquirer.ourselves, by="operator")}
        answer = inquirer.enter(Envelope.of(body, **cover, channel=Channel.CLI, received_at=now))
        if answer.fate is not Fate.ACCEPTED:
            raise Stopped(*answer.problems)
        letters.append(ma)
    facts = {"party": party.id, "from": since.isoformat(), "to": until.isoformat(), "letters": letters}
    with inquirer.store.begin() as tx:
        tx.note(LogLine(what=ASKED, who="gateway", facts=facts), now)
    return Inquiry(asked_at=now, letters=tuple(letters))


def _questions(
    inquirer: Inquirer, party: Party, since: datetime, until: datetime
) -> Iterator[tuple[Party, datetime, datetime, list[Dossier]]]:
    """Agency, period and lines of each letter; at least one, so that what is missing here is told."""
    by_agency: dict[PartyId, list[Dossier]] = {}
    after = ""
    while True:
        with inquirer.store.read() as view:
            page = view.dossier_page(party.id, since, until, after=after, limit=LINES)
        for dossier in page:
            if dossier.agency is not None and party.id in dossier.parties:
                by_agency.setdefault(dossier.agency, []).append(dossier)
        if any(len(lines) > LINES for lines in by_agency.values()) and until - since > timedelta(minutes=1):
            middle = since + timedelta(seconds=int((until - since).total_seconds() / 2))
            yield from _questions(inquirer, party, since, middle)
            yield from _questions(inquirer, party, middle, until)
            return
        if len(page) < LINES:
            break
        after = page[-1].ma_ho_so
    if not by_agency and party.role is Role.ONE_STOP:
        by_agency[party.id] = []
    for agency, dossiers in by_agency.items():
        known = inquirer.parties.get(agency)
        if known is not None:
            yield known, since, until, dossiers[:LINES]


def _id(party: str, agency: str, since: datetime, until: datetime, now: datetime) -> MaThongDiep:
    named = f"doi-soat:{party}:{agency}:{since.isoformat()}:{until.isoformat()}:{now.isoformat()}"
    digest = hashlib.sha256(named.encode()).hexdigest()
    return MaThongDiep(f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}")


def last_inquiry(store: Store, party: PartyId, since: datetime, until: datetime, now: datetime) -> Inquiry | None:
    """The newest questions to this party about just this period; None where there are none."""
    wanted = (party, since.isoformat(), until.isoformat())
    with store.read() as view:
        lines = view.acts_since(ASKED, now - KEPT)
    for line in reversed(lines):
        if (line.facts["party"], line.facts["from"], line.facts["to"]) == wanted:
            return Inquiry(asked_at=line.at, letters=tuple(line.facts["letters"]))
    return None


def unanswered(store: Store, party: PartyId, inquiry: Inquiry) -> int:
    """How many answers are still to come."""
    with store.read() as view:
        there = {ma for ma, _ in _answers(view, party, inquiry)}
    return sum(ma not in there for ma in inquiry.letters)


def read_answers(
    store: Store, ourselves: PartyId, party: PartyId, inquiry: Inquiry, book: SideBook, told: Callable[[Problem], None]
) -> Counter[str]:
    """Puts what we asked about and what the party answered into the book; gives the problems on the way, by code."""
    problems: Counter[str] = Counter()
    with store.read() as view:
        answers = dict(_answers(view, party, inquiry))
    for ma in inquiry.letters:
        answer = answers.get(ma)
        with store.read() as view:
            own = view.by_ma_thong_diep(ourselves, ma)
            question = _root(view, own, own.digest) if own is not None else None
        if answer is None or question is None:
            continue
        ours = {_text(row, "MaHoSo"): _text(row, "TrangThai") for row in question.iter(names.hs("DongDoiSoat"))}
        theirs: dict[str, str | None] = dict(ours)
        rows = list(answer.iter(names.hs("ChenhLech")))
        if len(rows) >= LINES:
            problem = Problem("REC-024", {"party": party, "lines": len(rows)})
            problems[problem.code] += 1
            told(problem)
        for row in rows:
            code, kind = _text(row, "MaHoSo"), _text(row, "LoaiLech")
            if kind == Differs.MISSING_HERE:
                theirs.pop(code, None)
            else:
                theirs[code] = _text(row, "TrangThaiBenTraLoi") or None
        for code, own_state in ours.items():
            book.put_ours(code, {"TrangThaiHoSo": own_state})
        for code, state in theirs.items():
            book.put_theirs(code, {"TrangThaiHoSo": state})
    return problems


def _answers(view: View, party: PartyId, inquiry: Inquiry) -> Iterator[tuple[MaThongDiep, etree._Element]]:
    """The answers that have come, by the question; of several to one question the newest."""
    listed = view.messages(party=party, loai="HS19", state=Fate.ACCEPTED, since=inquiry.asked_at, limit=ANSWERS)
    for message in reversed(listed):
        if message.goc != "KetQuaDoiSoat":
            continue
        root = _root(view, message, message.composed or message.digest)
        ma = MaThongDiep((root.findtext(names.pb("MaThongDiepGoc")) or "").strip()) if root is not None else None
        if root is not None and ma in inquiry.letters:
            yield ma, root


def _root(view: View, message: Message, digest: str) -> etree._Element | None:
    body = view.body(message.id, digest)
    return None if body is None else parse_bytes(body, CEILING)


def _text(row: etree._Element, name: str) -> str:
    return (row.findtext(names.hs(name)) or "").strip()
