"""A month in the life of a province's gateway, in a folder of its own: `make play-month`.

Fifteen parties, a hundred thousand signed messages through the product's own stations (judged, entered, recorded, sealed in the
log), their deliveries settled by the worker's own rules, an agency that was away for three days, and everything else that a month
brings: refusals, messages that are held, a certificate that ends soon, deadlines over and near, a portal that believes otherwise,
persons who looked. The node can be used as any other: ``lienthong --config FOLDER/lienthong.toml alerts``.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import uuid
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "pki")]

import pki  # noqa: E402
from sqlalchemy import event  # noqa: E402

from gateway.core.deadlines import GIO_VIET_NAM  # noqa: E402
from gateway.core.lifecycle import LifeRules  # noqa: E402
from gateway.core.model import (  # noqa: E402
    Attempt,
    AttemptOutcome,
    Caller,
    Channel,
    Delivery,
    DeliveryState,
    Envelope,
    MessageId,
    PartyId,
)
from gateway.core.operators import OperatorRole  # noqa: E402
from gateway.core.problems import Problem  # noqa: E402
from gateway.core.told import ToldNews, compared, packet_digest  # noqa: E402
from gateway.services import desk, operators, profiles, publishing  # noqa: E402
from gateway.services.bundles import seal_log  # noqa: E402
from gateway.services.intake import Gate, new_message_id, receive  # noqa: E402
from gateway.services.outbox import TryResult, decide  # noqa: E402
from gateway.settings import load  # noqa: E402
from gateway.store import Store, bring_up_to_date, open_engine, upgrade  # noqa: E402
from gateway.wiring import build  # noqa: E402
from schemas.names import HO_SO, PHONG_BI  # noqa: E402
from schemas.record import WORDS, record_of  # noqa: E402
from signing.sign import XML_DSIG, SigningKey, sign  # noqa: E402

DAYS = 30
SECRET = "một tháng của trục"  # of every person of the console
PERSONS = {"lan": "operator", "hung": "approver", "soat": "auditor", "xem": "viewer", "quan-tri": "administrator"}
PORTAL, NATIONAL, AWAY, REFUSES, SILENT, UNREAD, ENDING, LATE = (
    "cong-dvc", "cong-quoc-gia", "so-tu-phap", "so-xay-dung", "xa-binh-an", "xa-hoa-binh", "so-y-te", "so-tai-chinh",
)  # fmt: skip
_NAMED = {  # party -> its name, its identifier, how many of the dossiers are its own
    PORTAL: ("Cổng dịch vụ công tỉnh", "H19.909", 0),
    NATIONAL: ("Cổng dịch vụ công quốc gia", "H19.908", 0),
    AWAY: ("Sở Tư pháp", "H19.901", 4),
    REFUSES: ("Sở Xây dựng", "H19.903", 4),
    ENDING: ("Sở Y tế", "H19.904", 2),
    LATE: ("Sở Tài chính", "H19.905", 2),
    "so-noi-vu": ("Sở Nội vụ", "H19.906", 2),
    "so-cong-thuong": ("Sở Công Thương", "H19.907", 2),
    "so-nong-nghiep": ("Sở Nông nghiệp và Môi trường", "H19.910", 3),
    SILENT: ("UBND xã Bình An", "H19.902.01", 2),
    UNREAD: ("UBND xã Hòa Bình", "H19.902.02", 2),
    "xa-long-phu": ("UBND xã Long Phú", "H19.902.03", 2),
    "xa-tan-tien": ("UBND xã Tân Tiến", "H19.902.04", 2),
    "phuong-thong-nhat": ("UBND phường Thống Nhất", "H19.902.05", 3),
    "phuong-trung-tam": ("UBND phường Trung Tâm", "H19.902.06", 3),
}
PARTIES = tuple(_NAMED)
_PULL = {PORTAL, UNREAD, "xa-long-phu", "phuong-thong-nhat"}
_PROCEDURES = {
    "1.001193": "Đăng ký khai sinh",
    "1.001612": "Đăng ký thành lập hộ kinh doanh",
    "2.000815": "Chứng thực bản sao từ bản chính",
    "2.000488": "Cấp phiếu lý lịch tư pháp",
    "1.004873": "Cấp giấy xác nhận tình trạng hôn nhân",
    "1.013225": "Cấp giấy phép xây dựng nhà ở riêng lẻ",
}
#: Of 100 dossiers: those that are never finished, and of 1,000 messages: other ones that go wrong at the door.
_UNFINISHED, _WRONG = 6, 20
_EVENING = 18
_OUTAGE = (timedelta(days=6), timedelta(days=3))  # before now: from, until
_SURGE = 0.0038  # of the messages: dossiers filed with the agency while it is away, beside its ordinary ones

_LETTER = """<?xml version="1.0" encoding="UTF-8"?>
<lt:ThongDiep xmlns:lt="{pb}"><lt:MaThongDiep>{id}</lt:MaThongDiep><lt:LoaiThongDiep>{loai}</lt:LoaiThongDiep>\
<lt:PhienBan>1.0</lt:PhienBan><lt:NoiGui><lt:MaDinhDanh>{sender}</lt:MaDinhDanh></lt:NoiGui><lt:DanhSachNoiNhan>{to}\
</lt:DanhSachNoiNhan><lt:MaHoSo>{ma}</lt:MaHoSo><lt:ThoiDiemTao>{at}</lt:ThoiDiemTao><lt:ThanPhan>\
<hs:{goc} xmlns:hs="{hs}"><hs:MaHoSo>{ma}</hs:MaHoSo>{payload}</hs:{goc}></lt:ThanPhan></lt:ThongDiep>
"""
_TO = "<lt:NoiNhan><lt:MaDinhDanh>{}</lt:MaDinhDanh></lt:NoiNhan>"


@dataclass(frozen=True, slots=True)
class _Dossier:
    number: int
    agency: str
    procedure: str
    filed_at: datetime
    due_at: datetime
    national: bool

    @property
    def code(self) -> str:
        return f"{_NAMED[self.agency][1]}-{self.filed_at.astimezone(GIO_VIET_NAM):%y%m%d}-{self.number:07d}"


@dataclass(frozen=True, slots=True, order=True)
class _Event:
    at: datetime
    number: int
    step: int  # 0 filed, 1 taken in, 2 in progress, 3 result, 4 handed over; below 0: something is wrong with it
    dossier: _Dossier = field(compare=False)


@dataclass
class Month:
    """The node of the month, while it is being lived."""

    folder: Path
    messages: int
    now: datetime
    seed: int = 1
    days: int = DAYS
    persons: Mapping[str, str] = field(default_factory=lambda: PERSONS)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        first = (self.now - timedelta(days=self.days)).astimezone(GIO_VIET_NAM)
        self.begins = first.replace(hour=7, minute=0, second=0, microsecond=0).astimezone(UTC)
        self.keys = self._write_keys()
        self._write_files()
        database = f"sqlite:///{self.folder / 'lienthong.sqlite3'}"
        engine = open_engine(database)
        upgrade(engine)
        self.store = Store(engine)

        @event.listens_for(engine, "connect")
        def careless(connection: Any, _record: object) -> None:  # whoever cuts the power, begins anew
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA cache_size=-200000")

        self.store.dispose()
        self.loaded = load(self.folder / "lienthong.toml", {})
        self._found()
        self.gate: Gate = build(self.loaded.settings, self.store)
        self.parties = self.gate.parties
        self.party = {party.id: party for party in self.parties}
        self.not_there: set[str] = set()  # dossiers that their agency does not have

    # The node

    def _write_keys(self) -> dict[str, SigningKey]:
        keys = self.folder / "keys"
        keys.mkdir(parents=True)
        for name in ("root-a", "issuing-a", "issuing-silent", "root-b", "issuing-b"):
            shutil.copyfile(pki.maker.certificate_path(name), pki.maker.certificate_path(name, keys))
            if pki.maker.crl_path(name).exists():
                shutil.copyfile(pki.maker.crl_path(name), pki.maker.crl_path(name, keys))
        until = self.now + timedelta(days=400)
        ends = {ENDING: self.now + timedelta(days=11)}
        made = {name: pki.mint(pki.Leaf(name=name, subject=name, issuer="issuing-b", starts=self.begins - timedelta(days=300),
                                        ends=ends.get(name, until)), keys) for name in (*PARTIES, "truc")}  # fmt: skip
        unknown = pki.Leaf(name=f"{SILENT}-2", subject=SILENT, issuer="issuing-silent", starts=self.begins, ends=until)
        made[unknown.name] = pki.mint(unknown, keys)
        return {name: SigningKey.load(signer.key_pem, signer.cert_pem) for name, signer in made.items()}

    def _write_files(self) -> None:
        folder = self.folder / "parties"
        folder.mkdir()
        for name, (title, identifier, _) in _NAMED.items():
            certificates = [f'{{ file = "../keys/{name}.cert.test.pem", tree = "chinh-phu" }}']
            if name == SILENT:
                certificates.append(f'{{ file = "../keys/{name}-2.cert.test.pem", tree = "quoc-gia" }}')
            lines = [
                f'id = "{name}"', f'name = "{title}"',
                f'role = "{"portal" if name in (PORTAL, NATIONAL) else "one-stop"}"', f'identifiers = ["{identifier}"]',
                f'receives = "{"pull" if name in _PULL else "push"}"', f"certificates = [{', '.join(certificates)}]",
                'signature = { default = "required", status_unknown = "hold" }',
            ]  # fmt: skip
            if name == NATIONAL:
                lines.append(
                    'connector = { name = "edxml", url = "https://quoc-gia.invalid/gui", organ_id = "H19.900", organ_name = "Trục" }'
                )
            elif name not in _PULL:
                lines.append(f'connector = {{ name = "rest", url = "https://{name}.invalid/lienthong" }}')
                lines.append("retry = { longest_s = 21600, give_up_after_h = 24 }")
            (folder / f"{name}.toml").write_text("\n".join(lines) + "\n", "utf-8")
        trees = "".join(
            f'\n[[trust.trees]]\nname = "{tree}"\nfiles = [{", ".join(f"{chr(34)}keys/{one}.cert.test.pem{chr(34)}" for one in certificates)}]\n'
            f'crls = ["keys/{certificates[0]}.crl.test.pem", "keys/{certificates[1]}.crl.test.pem"]\n'
            for tree, certificates in (("quoc-gia", ("root-a", "issuing-a", "issuing-silent")), ("chinh-phu", ("root-b", "issuing-b")))
        )  # fmt: skip
        (self.folder / "lienthong.toml").write_text(
            '[node]\nidentifier = "H19.900"\nname = "Trục liên thông tỉnh (một tháng thử)"\n\n'
            '[key]\nfile = "keys/truc.key.test.pem"\ncertificate = "keys/truc.cert.test.pem"\n\n'
            '[database]\nurl = "sqlite:///lienthong.sqlite3"\n\n[parties]\nfolder = "parties"\n' + trees,
            "utf-8",
        )

    def _found(self) -> None:
        from gateway.cli.parties import read_all  # noqa: PLC0415 - the registry is read when it has been written

        who: dict[str, Any] = {"who": "operator:quan-tri", "reason": "lập sổ đăng ký", "now": self.begins}
        parties = read_all(self.loaded.settings)
        with self.store.begin() as tx:
            tx.apply_parties({party.id: profiles.to_text(party) for party in parties}, **who)
        rows = "".join(f"{code},{name},LV-01,2025-07-01,,\n" for code, name in _PROCEDURES.items())
        listed = f"# DinhDang: 2\nMa,Ten,MaLinhVuc,HieuLucTu,HieuLucDen,MaThayThe\n{rows}"
        muc = publishing.from_bytes("ThuTuc", listed.encode())
        publishing.publish(self.store, "ThuTuc", "2025-1", muc, **who)
        for name, role in self.persons.items():
            operators.add_operator(self.store, name, [OperatorRole(role)], SECRET, **who)

    # What will happen

    def _moment(self, day: int) -> datetime:
        """Some time of the day on which people work."""
        return self.begins + timedelta(days=day, seconds=self.random.randrange(9 * 3600))

    def _dossier(self, number: int, agency: str, at: datetime) -> _Dossier:
        dice = self.random
        due = at + timedelta(days=dice.choice((1, 3, 5, 5, 7, 10, 15)), hours=dice.randrange(4))
        return _Dossier(number, agency, dice.choice(list(_PROCEDURES)), at, due, number % 20 == 7)

    def _life(self, dossier: _Dossier) -> Iterator[_Event]:
        """When its events are; those after now do not come about."""
        dice, at = self.random, dossier.filed_at
        last = dice.choice((1, 2)) if dice.randrange(100) < _UNFINISHED * (3 if dossier.agency == LATE else 1) else 4
        waits = (timedelta(), timedelta(hours=dice.uniform(2, 20)), timedelta(hours=dice.uniform(3, 60)),
                 (dossier.due_at - at) * dice.uniform(0.3, 1.02), timedelta(hours=dice.uniform(1, 50)))  # fmt: skip
        for step, wait in enumerate(waits[: last + 1]):
            at += wait
            if at > self.now:
                return
            yield _Event(at, dossier.number, step, dossier)

    def events(self) -> list[_Event]:
        """About as many as were asked for, in their order."""
        agencies = [name for name in PARTIES if _NAMED[name][2]]
        weights = list(accumulate(_NAMED[name][2] for name in agencies))
        found: list[_Event] = []
        surge, number = max(3, round(self.messages * _SURGE)), 0
        while len(found) < self.messages:
            number += 1
            if number <= surge:
                agency, at = AWAY, self.now - _OUTAGE[0] + timedelta(hours=self.random.uniform(1, 40))
            else:
                agency = agencies[bisect(weights, self.random.randrange(weights[-1]))]
                at = self._moment(self.random.randrange(self.days))
            dossier = self._dossier(number, agency, at)
            found += self._life(dossier)
            if self.random.randrange(1000) < _WRONG * 4:  # a dossier has some four messages
                found.append(_Event(at + timedelta(minutes=1), number, -self.random.choice((1, 1, 1, 2, 3)), dossier))
        return sorted(found)

    # Letters

    def _letter(self, one: _Event) -> tuple[str, bytes]:
        """Who sends it, and the bytes."""
        dossier, at = one.dossier, one.at.astimezone(GIO_VIET_NAM).isoformat(timespec="milliseconds")
        filed = dossier.filed_at.astimezone(GIO_VIET_NAM).isoformat(timespec="seconds")
        sender, to = (
            (PORTAL, [dossier.agency])
            if one.step <= 0
            else (dossier.agency, [PORTAL, *([NATIONAL] if dossier.national else [])])
        )
        match one.step:
            case 1:
                due = dossier.due_at.astimezone(GIO_VIET_NAM).isoformat(timespec="seconds")
                loai, goc, payload = "HS03", "TiepNhanHoSo", (
                    f"<hs:NgayTiepNhan>{at}</hs:NgayTiepNhan><hs:NgayHenTra>{due}</hs:NgayHenTra>"
                    "<hs:CanBoTiepNhan>Phạm Thị Thử</hs:CanBoTiepNhan><hs:DonViXuLy>Bộ phận một cửa</hs:DonViXuLy>"
                )  # fmt: skip
            case 3:
                loai, goc = "HS11", "TraKetQua"
                payload = f"<hs:NgayKetThucXuLy>{at}</hs:NgayKetThucXuLy><hs:HinhThuc>0</hs:HinhThuc>"
            case 2 | 4:
                loai, goc = "HS05", "CapNhatTienDo"
                payload = (f"<hs:NguoiXuLy>Lê Văn Thử</hs:NguoiXuLy><hs:ThoiDiemXuLy>{at}</hs:ThoiDiemXuLy>"
                           f"<hs:TrangThai>{4 if one.step == 2 else 10}</hs:TrangThai>")  # fmt: skip
            case _:
                loai, goc = "HS01", "NopHoSo"
                payload = (
                    f"<hs:MaTTHC>{dossier.procedure}</hs:MaTTHC><hs:TenTTHC>{_PROCEDURES[dossier.procedure]}</hs:TenTTHC>"
                    "<hs:MaLinhVuc>LV-01</hs:MaLinhVuc><hs:TenLinhVuc>Lĩnh vực thử nghiệm</hs:TenLinhVuc>"
                    f"<hs:LoaiDoiTuong>1</hs:LoaiDoiTuong><hs:TrangThaiHoSo>{'một' if one.step == -2 else 1}</hs:TrangThaiHoSo>"
                    f"<hs:HinhThuc>0</hs:HinhThuc><hs:NgayNopHoSo>{filed}</hs:NgayNopHoSo>"
                )
        addresses = ["H19.999"] if one.step == -3 else [_NAMED[name][1] for name in to]
        code = dossier.code if one.step >= 0 else f"{dossier.code[:-7]}9{dossier.code[-6:]}"
        text = _LETTER.format(
            pb=PHONG_BI, hs=HO_SO, id=uuid.UUID(int=self.random.getrandbits(128), version=4), loai=loai, goc=goc, payload=payload,
            ma=code, at=at, sender=_NAMED[sender][1], to="".join(_TO.format(one) for one in addresses),
        )  # fmt: skip
        key = self.keys[sender]
        if sender == SILENT and one.at > self.now - timedelta(
            hours=30
        ):  # its new certificate: nobody says whether it is revoked
            key = self.keys[f"{SILENT}-2"]
        body = sign(text.encode(), key, XML_DSIG, at=one.at)
        return sender, body.replace(b"<hs:HinhThuc>0<", b"<hs:HinhThuc>1<") if one.step == -1 else body

    def _take(self, tray: Sequence[_Event]) -> None:
        envelopes = []
        for one in tray:
            sender, body = self._letter(one)
            cover = {
                "id": new_message_id(one.at),
                "caller": Caller(party=PartyId(sender), by="token"),
                "channel": Channel.REST,
            }
            envelopes.append(Envelope.of(body, **cover, received_at=one.at))  # type: ignore[arg-type]  # a dict of three types
        for ack in receive(envelopes, self.gate, tray[-1].at):
            self.counts[str(ack.fate)] += 1

    # Deliveries

    def _came(self, delivery: Delivery, at: datetime) -> TryResult:
        """What a try comes to at this party, at this time."""
        dice = self.random
        if delivery.party == AWAY and self.now - _OUTAGE[0] <= at < self.now - _OUTAGE[1]:
            problem = Problem("DLV-001", {"why": "Connection refused"})
            return TryResult(kind="send", outcome=AttemptOutcome.UNREACHABLE, problem=problem)
        lately = at > self.now - timedelta(days=9)
        if delivery.party == REFUSES and lately and dice.random() < 0.08:
            problem = Problem("DLV-031", {"codes": ["TTHC"]})
            return TryResult(kind="send", outcome=AttemptOutcome.REFUSED, problem=problem, answered=True)
        if delivery.party == NATIONAL and lately and dice.random() < 0.15:
            problem = Problem("DLV-030", {"status": 403})
            return TryResult(kind="send", outcome=AttemptOutcome.REFUSED, problem=problem, answered=True)
        if delivery.party == "so-noi-vu" and at > self.now - timedelta(hours=5):
            problem = Problem("DLV-020", {"seconds": 30, "stage": "answer"})
            return TryResult(kind="send", outcome=AttemptOutcome.UNCERTAIN, problem=problem)
        return TryResult(kind="send", outcome=AttemptOutcome.DELIVERED, answered=True)

    def _told(self, delivery: Delivery) -> ToldNews:
        """What a party that reads no messages was told: the dossier as it stands."""
        with self.store.read() as view:
            record = record_of(view.letters_of(delivery.lane, self._rules, of=WORDS))
            number = len(view.changes(delivery.lane))
        whole = record.whole or {}
        digest = packet_digest(whole)
        rows = tuple(packet_digest(row) for row in record.rows)
        return ToldNews(change=number, sent=digest, taken=digest, facts=compared(whole), rows=rows, settled=True)

    def _rules(self, agency: PartyId | None) -> LifeRules:
        return LifeRules.of(self.parties.get(agency or ""))

    def deliver(self, at: datetime) -> None:
        """What is due now is tried once."""
        with self.store.read() as view:
            due = view.parties_due(at)
        if due:
            with self.store.begin() as tx:
                tx.park(at)
        for name in due:
            while True:
                with self.store.begin() as tx:
                    leased = tx.claim_due(name, at, 500, 600.0)
                told = {one.id: self._told(one) for one in leased} if name == NATIONAL else {}
                with self.store.begin() as tx:
                    for one in leased:
                        self._settle(tx, one, at, told.get(one.id))
                if len(leased) < 500:
                    break

    def _settle(self, tx: Any, one: Delivery, at: datetime, told: ToldNews | None) -> None:
        came, party = self._came(one, at), self.party[one.party]
        ended = at + timedelta(seconds=self.random.lognormvariate(-0.5, 0.8))
        decided = decide(one, came, party.retry, ended, first_s=3600.0)
        attempt = Attempt(delivery=one.id, number=one.tries, kind=came.kind, started_at=at, ended_at=ended, outcome=came.outcome,
                          problem=decided.problem)  # fmt: skip
        tx.settle(
            one, attempt, decided.state, decided.due_at, told=told if decided.state is DeliveryState.DELIVERED else None
        )
        if decided.state.is_final or decided.state.holds_lane:
            self.counts[str(decided.state)] += 1
        if one.loai == "HS01":
            there = decided.state is DeliveryState.DELIVERED
            (self.not_there.discard if there else self.not_there.add)(one.lane)

    # The month

    def live(self, say: Any = lambda _: None) -> None:
        """Hour by hour, until now."""
        events, done = self.events(), 0
        hour = self.begins
        while hour < self.now:
            hour = min(hour + timedelta(hours=1), self.now)
            first = done
            while done < len(events) and events[done].at <= hour:
                done += 1
            here = [one for one in events[first:done] if one.step <= 0 or one.dossier.code not in self.not_there]
            for tray in (here[n : n + 64] for n in range(0, len(here), 64)):
                self._take(tray)
            self.deliver(hour)
            if hour.astimezone(GIO_VIET_NAM).hour == _EVENING or hour == self.now:
                self._evening(hour)
                say(f"{hour:%d/%m}: {done:,} / {len(events):,}")
        self._afterwards()

    def _evening(self, at: datetime) -> None:
        """Inboxes are read, somebody has looked at a message, the log is sealed."""
        with self.store.begin() as tx:
            for name in sorted(_PULL):
                if name != UNREAD or at < self.now - timedelta(days=4):
                    tx.confirm(PartyId(name), tx.reader(PartyId(name)).head, at)
        with self.store.read() as view:
            newest = view.messages(since=at - timedelta(days=1), until=at, limit=400)
        for message in self.random.sample(newest, min(2, len(newest))):
            who = self.random.choice(("lan", "hung"))
            reason = self.random.choice(("đối chiếu với phản ánh của công dân", "kiểm tra lỗi chữ ký cùng cơ quan"))
            desk.note_unmasking(self.store, MessageId(message.id), who=f"operator:{who}", reason=reason, now=at)
        assert self.gate.key is not None
        seal_log(self.store, self.gate.key, gateway=self.gate.identity.ma_dinh_danh, now=at, every=timedelta(hours=1))

    def _afterwards(self) -> None:
        """The national portal was asked what it has; the figures of reports are made."""
        with self.store.read() as view:
            listed = view.told_rows(PartyId(NATIONAL), max(2, self.messages // 5000))
        with self.store.begin() as tx:
            for one in listed:
                tx.tell(one.party, one.ma_ho_so, ToldNews(believed={**one.facts, "TrangThaiHoSo": "5"}), self.now)
        bring_up_to_date(self.store, self._rules)
        self.store.clear_traces()


def main() -> None:
    """Makes the node, and says what to ask it first."""
    asked = argparse.ArgumentParser(description="A month of a gateway's life, to be played with.")
    asked.add_argument("folder", nargs="?", type=Path, default=ROOT / "var" / "thang")
    asked.add_argument("--messages", type=int, default=100_000)
    asked.add_argument("--seed", type=int, default=1)
    given = asked.parse_args()
    shutil.rmtree(given.folder, ignore_errors=True)
    given.folder.mkdir(parents=True)
    month = Month(given.folder.resolve(), given.messages, datetime.now(UTC).replace(microsecond=0), given.seed)
    month.live(lambda line: print(line, flush=True))
    print(", ".join(f"{name} {count:,}" for name, count in sorted(month.counts.items())))
    print(f"lienthong --config {given.folder}/lienthong.toml alerts")
    print(
        f"lienthong --config {given.folder}/lienthong.toml console   # {', '.join(PERSONS)}; mật khẩu / password: {SECRET}"
    )


if __name__ == "__main__":
    main()
