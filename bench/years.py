"""What years of messages cost those who ask today: ``python bench/years.py --sizes 10000 100000 1000000``.

Makes stores of so many messages and asks each the questions that are asked all the time: time, and the steps of SQLite's machine or
the pages that PostgreSQL looks at, which no other work on this computer disturbs. One month of finished dossiers goes through the real counter and the real
store; the other months are copies of its rows with ids, times, digests, seals and chain of their own, so that ``log verify`` and
its comparison of the tables find nothing to say. A last month, the same in every store, has what is open today: dossiers, held
lanes with what waits behind them, unread inboxes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "pki")]

import nodes  # noqa: E402
from license import EVERYTHING  # noqa: E402
from sqlalchemy import event, func, insert, select, text, update  # noqa: E402

from gateway import wiring  # noqa: E402
from gateway.console.menu import MENU, PAGES  # noqa: E402
from gateway.console.render import page_html  # noqa: E402
from gateway.console.room import DeskCall, Room, Shown  # noqa: E402
from gateway.core import chain  # noqa: E402
from gateway.core.deadlines import DeadlineRules  # noqa: E402
from gateway.core.effects import Files, Moves, Notes  # noqa: E402
from gateway.core.ledger import Counter, LogLine, enter  # noqa: E402
from gateway.core.lifecycle import LifeRules  # noqa: E402
from gateway.core.model import (  # noqa: E402
    Address,
    Attempt,
    AttemptOutcome,
    Basis,
    Caller,
    Channel,
    DeliveryState,
    Envelope,
    Finding,
    ThongDiep,
)
from gateway.core.operators import Operator, OperatorRole  # noqa: E402
from gateway.core.parties import Parties, Party, Receives, Role  # noqa: E402
from gateway.core.problems import Lang, Problem  # noqa: E402
from gateway.core.statistics import By  # noqa: E402
from gateway.services import profiles  # noqa: E402
from gateway.services.archiving import ArchiveKeeper, make_archive, month_of  # noqa: E402
from gateway.services.backups import check_backup, make_backup, read_backup  # noqa: E402
from gateway.services.operators import AtTheDesk  # noqa: E402
from gateway.services.proving import prove_log  # noqa: E402
from gateway.services.reports import report  # noqa: E402
from gateway.services.watch import alerts, late  # noqa: E402
from gateway.settings import load  # noqa: E402
from gateway.store import Store, bring_up_to_date, open_engine, tables, upgrade  # noqa: E402
from gateway.store.archives import Archives  # noqa: E402
from gateway.store.compare import compare_with_log  # noqa: E402
from gateway.store.engine import Bulk  # noqa: E402
from gateway.store.packing import Packer, Patterns  # noqa: E402
from gateway.store.persons import DeskSession  # noqa: E402
from gateway.store.seals import row_seal  # noqa: E402
from gateway.store.types import Json, UtcDateTime, decode_json, encode_json  # noqa: E402
from gateway.store.view import LOG, MILESTONES, feed  # noqa: E402
from signing.heads import Heads  # noqa: E402

PORTAL, AGENCY = "cong-dvc", "so-tu-phap"
CODES = {PORTAL: "H19.909", AGENCY: "H19.901"}
FIRST = datetime(2016, 1, 1, 1, tzinfo=UTC)
TOKEN = "k0000-"  # stands in every id of the month that is copied
LIFE = 7  # messages of a dossier
WRONG = 2  # of so many dossiers one has a message more, which is refused
_DIGEST = re.compile(r"[0-9a-f]{64}")


def parties() -> Parties:
    """A portal that pulls and an agency that is pushed to."""
    return Parties(
        Party(
            id=name,
            name=name,
            role=Role.PORTAL if name == PORTAL else Role.ONE_STOP,
            identifiers=(code,),
            receives=Receives.PULL if name == PORTAL else Receives.PUSH,
        )
        for name, code in CODES.items()
    )


@dataclass
class Letter:
    """What a message carries."""

    ma_ho_so: str
    occurred_at: datetime
    effects: tuple[Any, ...]


@dataclass
class Clerk:
    """Takes lives of dossiers through the counter, month by month."""

    store: Store
    token: str
    now: datetime
    written: int = 0
    counter: Counter = field(init=False)

    def __post_init__(self) -> None:
        self.counter = Counter(
            parties=parties(),
            seal=lambda finding, fate, _: f"<BienNhan>{finding.envelope.id} {fate}</BienNhan>".encode(),
            rights=lambda _: EVERYTHING,
            place=lambda _, problems: problems,
        )

    def life(self, number: int, steps: int) -> list[Finding]:
        """The first steps of one dossier's life."""
        code, t = f"{CODES[AGENCY]}-{self.token}{number:06}", self.now
        files = Files(trang_thai=1, ma_tthc=f"1.00{number % 30:04}", kenh_thuc_hien="2", ngay_nop=t)
        told: list[tuple[str, str, Any]] = [
            (PORTAL, "HS01", files),
            (AGENCY, "HS05", Moves(to=2, ngay_tiep_nhan=t, ngay_hen_tra=t + timedelta(days=5))),
            (AGENCY, "HS05", Moves(to=4)),
            (PORTAL, "HS21", Notes(what="danh-gia")),
            (AGENCY, "HS05", Moves(to=9, ngay_ket_thuc=t + timedelta(hours=2))),
            (AGENCY, "HS05", Moves(to=10, ngay_tra=t + timedelta(hours=3))),
            (AGENCY, "HS07", Notes(what="ghi-chu")),
        ]
        return [self._finding(code, *one) for one in told[:steps]]

    def _finding(self, code: str, sender: str, loai: str, effect: Any) -> Finding:
        self.written += 1
        self.now += timedelta(seconds=1)
        name, to = f"{self.token}{self.written:07}", AGENCY if sender == PORTAL else PORTAL
        caller = Caller(party=sender, by="token")
        body = f"<ThongDiep>{name} {code}</ThongDiep>".encode()
        envelope = Envelope.of(body, id=name, caller=caller, channel=Channel.REST, received_at=self.now)
        letter = ThongDiep(
            ma_thong_diep=f"m{name}",
            loai=loai,
            goc="NopHoSo" if loai == "HS01" else "CapNhatTienDo",
            phien_ban="1.0",
            noi_gui=Address(ma_dinh_danh=CODES[sender]),
            noi_nhan=(Address(ma_dinh_danh=CODES[to]),),
            thoi_diem_tao=self.now,
            content=Letter(code, self.now, (effect,)),
            basis=Basis.SIGNATURE,
            ma_ho_so=code,
        )
        return Finding(
            envelope=envelope, thong_diep=letter, ma_thong_diep=letter.ma_thong_diep, loai=loai, ma_ho_so=code
        )

    def wrong(self, number: int) -> Finding:
        """A message that is refused, for one of three causes."""
        made = self._finding(f"{CODES[AGENCY]}-{self.token}{number:06}", PORTAL, "HS21", Notes(what="danh-gia"))
        code = ("SIG-001", "XSD-010", "AUT-010")[number // WRONG % 3]
        return replace(made, thong_diep=None, problems=(Problem(code, {"element": "TenTTHC"}),))

    def take(self, findings: Sequence[Finding]) -> None:
        """In trays of a few hundred."""
        for first in range(0, len(findings), 350):
            tray = findings[first : first + 350]
            with self.store.begin() as tx:
                ledger = tx.open(tray)
                for finding in tray:
                    answer = enter(finding, ledger, self.counter, finding.envelope.received_at)
                    if (answer.fate == "accepted") is (finding.thong_diep is None):
                        raise SystemExit(f"not accepted: {answer.problems}")
                tx.write(ledger)

    def deliver(self, outcome: DeliveryState = DeliveryState.DELIVERED, *, most: int | None = None) -> int:
        """Everything that is due, or so many of the first, comes to this end."""
        done = 0
        while most is None or done < most:
            with self.store.begin() as tx:
                leased = tx.claim_due(AGENCY, self.now, min(500, most or 500), 60)
                for one in leased:
                    refused = outcome is DeliveryState.REFUSED
                    attempt = Attempt(
                        delivery=one.id,
                        number=0,
                        kind="send",
                        started_at=self.now,
                        ended_at=self.now,
                        outcome=AttemptOutcome.REFUSED if refused else AttemptOutcome.DELIVERED,
                        problem=Problem("DLV-001", {"party": AGENCY}) if refused else None,
                    )
                    tx.settle(one, attempt, outcome)
            done += len(leased)
            if not leased:
                break
        return done

    def month(self, dossiers: int) -> None:
        """A month of dossiers from beginning to end, the portal having read everything."""
        step = timedelta(days=20) / max(dossiers, 1)
        begins = self.now
        for first in range(0, dossiers, 50):
            findings = []
            for number in range(first, min(first + 50, dossiers)):
                self.now = max(self.now, begins + number * step)
                findings += self.life(number, LIFE)
                findings += [self.wrong(number)] if number % WRONG == 0 else []
            self.take(findings)
            self.deliver()
        with self.store.begin() as tx:
            tx.confirm(PORTAL, 2**40, self.now)

    def today(self, held: int, running: int) -> None:
        """What is open: lanes that a refused delivery holds, each with some that wait behind it, and dossiers on their way."""
        self.take([one for number in range(held) for one in self.life(number, 1)])
        self.deliver(DeliveryState.REFUSED, most=held)
        for _ in range(5):
            self.take([self._finding(f"{CODES[AGENCY]}-{self.token}{n:06}", PORTAL, "HS21", Notes(what="danh-gia"))
                       for n in range(held)])  # fmt: skip
        self.take([one for number in range(held, held + running) for one in self.life(number, 2)])
        with self.store.begin() as tx:
            tx.park(self.now)
        self.deliver()
        with self.store.begin() as tx:
            tx.confirm(PORTAL, 2**40, self.now)


_COPIED = (
    tables.message, tables.verdict, tables.claim, tables.dossier, tables.change, tables.delivery, tables.attempt,
    tables.inbox, tables.milestone,
)  # fmt: skip
_PUT = {
    table.name: Bulk(lambda insert, table=table: insert(table), table.columns.keys())
    for table in (*_COPIED, tables.body, tables.log)
}
Row = dict[str, Any]


class Copier:
    """Writes further months that are like the first one."""

    def __init__(self, store: Store) -> None:
        self.store = store
        with store.engine.begin() as connection:
            self.rows = {t.name: [dict(r._mapping) for r in connection.execute(select(t))] for t in _COPIED}  # noqa: SLF001
            patterns = Patterns()
            bodies = connection.execute(select(tables.body)).all()
            self.bodies = {b.digest: patterns.body(connection, b.bytes, b.kept) for b in bodies}
            lines = patterns.whole(connection, connection.execute(select(tables.log).order_by(tables.log.c.number)))
            self.lines = [dict(line._mapping) | {"facts": encode_json(line.facts).decode()} for line in lines]  # noqa: SLF001
        self.seqs = max(row["seq"] for row in self.rows["delivery"])
        self.places = max(row["position"] for row in self.rows["inbox"])
        self.newest = {row["ma_ho_so"]: row["number"] for row in self.rows["change"]}
        self.texts = {t.name: [c.name for c in t.c if c.type.python_type is str and not isinstance(c.type, Json)]
                      for t in _COPIED}  # fmt: skip
        self.times = {t.name: [c.name for c in t.c if isinstance(c.type, UtcDateTime)] for t in _COPIED}
        self.jsons = {t.name: [c.name for c in t.c if isinstance(c.type, Json)] for t in _COPIED}

    def month(self, number: int) -> None:
        """The first month once more, as the one of this number after it."""
        self.token, self.day = f"k{number:04}-", f"{FIRST.year + number // 12}-{number % 12 + 1:02}-"
        self.year, self.moon = FIRST.year + number // 12, number % 12 + 1
        self.digests, bodies = {}, []
        for digest, content in self.bodies.items():
            copy = content.replace(TOKEN.encode(), self.token.encode())
            self.digests[digest] = hashlib.sha256(copy).hexdigest()
            sizes = {"kept": len(copy), "total": len(copy), "erased_at": None, "archive": None}
            bodies.append({"digest": self.digests[digest], "bytes": copy, **sizes})
        made: dict[str, list[Row]] = {t.name: [self._row(t.name, row) for row in self.rows[t.name]] for t in _COPIED}
        for row in made["delivery"]:
            row["seq"] += number * self.seqs
        for row in made["inbox"]:
            row["position"] += number * self.places
        with self.store.engine.begin() as connection:
            _PUT["body"](connection, bodies)
            for table in _COPIED:
                _PUT[table.name](connection, made[table.name])
            self._link(connection, made)
            k = tables.counter.c
            places = update(tables.counter).where(k.name.in_([feed(PORTAL), f"confirmed/{PORTAL}"]))
            connection.execute(places.values(value=(number + 1) * self.places))

    def _row(self, table: str, row: Row) -> Row:
        new = dict(row)
        for name in self.texts[table]:
            if (value := row[name]) is not None:
                new[name] = self.digests[value] if value in self.digests else self._words(value)
        for name in self.times[table]:
            if row[name] is not None:
                new[name] = self._time(row[name])
        for name in self.jsons[table]:
            if row[name]:
                new[name] = decode_json(self._words(encode_json(row[name]).decode()))
        return new

    def _words(self, value: str) -> str:
        return value.replace(TOKEN, self.token).replace(f"{FIRST:%Y-%m-}", self.day)

    def _time(self, value: datetime) -> datetime:
        months = self.moon - 1 + (value.year - FIRST.year) * 12 + value.month - 1
        return value.replace(year=self.year + months // 12, month=months % 12 + 1)

    def _link(self, connection: Any, made: Mapping[str, Sequence[Row]]) -> None:
        """The month's lines, each with the seals of its rows, at the end of the chain."""
        seals = {name: {_key(name, row): row_seal(name, row) for row in made[name]}
                 for name in ("message", "verdict", "change", "dossier", "delivery", "attempt", "inbox")}  # fmt: skip
        places = {(row["message"], row["party"]): row["position"] for row in made["inbox"]}
        number, head = connection.execute(
            select(tables.counter.c.value, tables.counter.c.hash).where(tables.counter.c.name == LOG)
        ).one()
        packer, patterns, lines = Packer(connection, Patterns()), [], []
        for line in self.lines:
            number += 1
            text_ = _DIGEST.sub(lambda m: self.digests.get(m[0], m[0]), self._words(line["facts"]))
            facts = decode_json(text_)
            message = None if line["message"] is None else self._words(line["message"])
            self._seal(facts, message, seals, places)
            at = self._time(line["at"])
            entry = chain.LogEntry(
                number=number, at=at, who=line["who"], what=line["what"], message=message, facts=facts
            )
            head = chain.link(head, entry)
            kept = {"facts": facts, "packed": None}
            if message is not None:
                kept = packer.facts(facts, f"log {line['what']} {facts.get('schemas', '')[:16]}", learn=True)
            lines.append({"number": number, "at": at, "who": line["who"], "what": line["what"], "message": message,
                          "hash": head, **kept})  # fmt: skip
        patterns = packer.new(lines[-1]["at"])
        if patterns:
            connection.execute(insert(tables.pattern), patterns)
        _PUT["log"](connection, lines)
        k = tables.counter.c
        connection.execute(update(tables.counter).where(k.name == LOG).values(value=number, hash=head))
        connection.execute(update(tables.counter).where(k.name == MILESTONES).values(value=number))

    def _seal(self, facts: Row, message: str | None, seals: Mapping[str, Mapping[Any, str]], places: Row) -> None:
        """What the line says of rows, said of the copies; of a dossier only its newest line is compared with the row."""
        if "message" in facts:
            facts["message"] = seals["message"][message]
            facts["verdict"]["row"] = seals["verdict"][message, facts["verdict"]["number"]]
        if "change" in facts:
            event_ = facts["change"]["ma_ho_so"], facts["change"]["number"]
            facts["change"]["row"] = seals["change"][event_]
            if event_[1] == self.newest[event_[0].replace(self.token, TOKEN)]:
                facts["dossier"]["row"] = seals["dossier"][event_[0]]
        for name in facts.get("deliveries", ()):
            facts["deliveries"][name] = seals["delivery"][name]
        for party, placed in facts.get("inbox", {}).items():
            placed.update(position=places[message, party], row=seals["inbox"][message, party])
        if "attempt" in facts:
            facts["attempt"]["row"] = seals["attempt"][facts["delivery"], facts["attempt"]["number"]]


def _key(table: str, row: Row) -> Any:
    match table:
        case "verdict":
            return row["message"], row["number"]
        case "change":
            return row["ma_ho_so"], row["number"]
        case "attempt":
            return row["delivery"], row["number"]
        case "inbox":
            return row["message"], row["party"]
        case "dossier":
            return row["ma_ho_so"]
    return row["id"]


@dataclass(frozen=True)
class Years:
    """A store with years in it."""

    store: Store
    messages: int
    now: datetime
    since: datetime  # of the newest month that is over
    until: datetime
    some: int  # the number of a message in the middle of the first month


def make(url: str, *, months: int, dossiers: int, held: int, running: int) -> Years:
    """So many months of so many dossiers, then what is open today."""
    engine = open_engine(url)
    upgrade(engine)
    store = Store(engine)
    with store.begin() as tx:
        tx.apply_parties(
            {one.id: profiles.to_text(one) for one in parties()}, who="operator:years", reason="years", now=FIRST
        )
    if engine.dialect.name == "sqlite":  # nobody mourns this file

        @event.listens_for(engine, "connect")
        def careless(connection: Any, _record: object) -> None:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("PRAGMA cache_size=-200000")

        engine.dispose()
    clerk = Clerk(store, TOKEN, FIRST)
    clerk.month(dossiers)
    rules = LifeRules.of(None)
    bring_up_to_date(store, lambda _: rules)
    copier = Copier(store)
    for number in range(1, months):
        copier.month(number)
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            most = connection.execute(select(func.max(tables.delivery.c.seq))).scalar_one()
            connection.execute(text("SELECT setval(pg_get_serial_sequence('delivery', 'seq'), :most)"), {"most": most})
    begins = FIRST.replace(year=FIRST.year + months // 12, month=months % 12 + 1)
    today = Clerk(store, "heute-", begins)
    today.today(held, running)
    bring_up_to_date(store, lambda _: rules)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            line: Any = connection.connection.driver_connection
            line.patience_s = None  # it says nothing for as long as it takes
            connection.exec_driver_sql("VACUUM ANALYZE")
    last = months - 1
    return Years(
        store=store,
        messages=months * clerk.written + today.written,
        now=today.now + timedelta(hours=5),
        since=FIRST.replace(year=FIRST.year + last // 12, month=last % 12 + 1, hour=0),
        until=begins.replace(hour=0),
        some=dossiers * LIFE // 2,
    )


def questions(years: Years) -> dict[str, Callable[[], Any]]:
    """What is asked all the time, and what a person asks often."""
    store, now, known = years.store, years.now, parties()
    rules, name = DeadlineRules(), f"{TOKEN}{years.some:07}"

    def view(ask: Callable[[Any], Any]) -> Callable[[], Any]:
        def asked() -> Any:
            with store.read() as one:
                return ask(one)

        return asked

    return {
        "report of the newest month": lambda: report(
            store, known, years.since, years.until, (By.AGENCY, By.SERVICE), None, rules
        ),
        "alerts, each minute": lambda: alerts(store, known, now),
        "deadlines within a day": lambda: late(store, known, now, timedelta(days=1), rules),
        "parties due, each turn": view(lambda v: v.parties_due(now)),
        "what to park, each five seconds": view(lambda v: v.to_park(now, 5000)),
        "parked for nothing, each minute": view(lambda v: v.parked_for_nothing()),
        "held messages": view(lambda v: v.held(now)),
        "figures: queues, held lanes, inboxes": view(
            lambda v: (v.queues(), v.lanes(held_only=True), v.held_count(), v.reader(PORTAL), v.log_head())
        ),
        "newest signed head": view(lambda v: v.last_act("log.head")),
        "unproven receipts of a day": view(lambda v: v.acts_since("receipt.unproven", now - timedelta(days=1))),
        "a repeat of years ago": view(
            lambda v: (v.by_ma_thong_diep(PORTAL, f"m{name}"), v.message(name), v.receipt(name))
        ),
        "a dossier of years ago": view(lambda v: v.dossier(f"{CODES[AGENCY]}-{TOKEN}000001")),
        "newest messages": view(lambda v: v.messages(limit=50)),
        "log of the last day": view(lambda v: v.log_about(since=now - timedelta(days=1), who="operator")),
        "an inbox's next page": view(lambda v: v.inbox_after(PORTAL, v.reader(PORTAL).confirmed)),
    }


def pages(years: Years, folder: Path) -> dict[str, Callable[[], Any]]:
    """The pages of the console, made and written out as for a person who may do everything."""
    config = folder / "lienthong.toml"
    config.write_text('[node]\nidentifier = "H19.900"\nname = "Trục thử"\n', "utf-8")
    room = Room(load(config, {}), years.store, lambda: years.now)
    now, roles = years.now, frozenset(OperatorRole)
    session = DeskSession(
        token_sha256="", operator="truc", proven_by="password", opened_at=now, seen_at=now, ends_at=now
    )
    operator = Operator(name="truc", roles=roles, password=None, added_at=now, changed_at=now)
    person = AtTheDesk(operator=operator, session=session)
    by_path = {page.path: page for page in PAGES if page.method == "GET"}
    message, dossier = f"{TOKEN}{years.some:07}", f"{CODES[AGENCY]}-{TOKEN}000001"

    def page(path: str, place: Mapping[str, str] = MappingProxyType({}), **query: str) -> Callable[[], Any]:
        def made() -> Any:
            call = DeskCall(room=room, lang=Lang.VI, now=now, path=path, query=query, place=place, person=person)
            answer = by_path[path].make(call)
            return page_html(call, answer, MENU, "Trục thử") if isinstance(answer, Shown) else answer

        return made

    last_day = f"{now - timedelta(days=1):%Y-%m-%d}"
    found = {
        "Tổng quan": page(""),
        "Hồ sơ": page("/ho-so"),
        "Hồ sơ, một trạng thái": page("/ho-so", trang_thai="4"),
        "Hồ sơ, một trạng thái không có": page("/ho-so", trang_thai="7"),
        "Hồ sơ, từ hôm qua": page("/ho-so", tu=last_day, co_quan=AGENCY),
        "một hồ sơ": page("/ho-so/xem", ma=dossier),
        "Thông điệp": page("/thong-diep"),
        "Thông điệp, bị từ chối": page("/thong-diep", trang_thai="rejected"),
        "Thông điệp, một mã": page("/thong-diep", ma_loi="AUT-010"),
        "Thông điệp, một mã không có": page("/thong-diep", ma_loi="XSD-021"),
        "Thông điệp, một bên nhận": page("/thong-diep", nhan=AGENCY),
        "Thông điệp, đoạn văn bản": page("/thong-diep", chu="TenTTHC"),
        "Thông điệp, đoạn văn bản không có": page("/thong-diep", chu="không đâu có"),
        "Thông điệp, một loại không có": page("/thong-diep", loai="HS16"),
        "một thông điệp": page("/thong-diep/{id}", {"id": message}),
        "Cơ quan": page("/co-quan"),
        "một cơ quan": page("/co-quan/{id}", {"id": AGENCY}),
        "Nguyên nhân": page("/nguyen-nhan"),
        "Đợt": page("/dot"),
        "Quá hạn, dự báo": page("/qua-han"),
        "Thống kê, tháng này": page("/thong-ke"),
        "Thống kê, tháng trước": page("/thong-ke", tu=f"{years.since:%Y-%m-%d}", den=f"{years.until - timedelta(days=1):%Y-%m-%d}"),
        "Đối soát": page("/lech"),
        "Nhật ký": page("/nhat-ky"),
        "Nhật ký, một người": page("/nhat-ky", ai="operator"),
        "Nhật ký, không ai": page("/nhat-ky", ai="không ai"),
        "Nhật ký, một việc": page("/nhat-ky", viec="message.read"),
        "Nhật ký, một hồ sơ": page("/nhat-ky", ho_so=dossier),
        "Tình trạng": page("/tinh-trang"),
    }  # fmt: skip
    return {f"trang / page: {name}": made for name, made in found.items()}


def acts(years: Years) -> dict[str, Callable[[], Any]]:
    """What is done all the time; it leaves something behind, so it is asked last."""
    store, some = years.store, count()

    def line() -> None:
        with store.begin() as tx:
            tx.note(LogLine(what="years", who="gateway"), years.now)

    def tray() -> None:
        clerk = Clerk(store, f"moi-{next(some)}-", years.now)
        clerk.take([one for number in range(8) for one in clerk.life(number, 1)])

    def proof() -> None:
        with store.read() as view:
            head = view.log_head()
            since = view.line_before(head.number - 999)
        if not prove_log(store, Heads(()), since=since, witnesses={}).whole:
            raise SystemExit("the log is not whole")

    return {
        "commit: a line of the log": line,
        "commit: a tray of 8 new messages": tray,
        "log verify, 1,000 lines": proof,
    }


class Steps:
    """Counts what SQLite's machine does, in hundreds of steps."""

    unit = "hundreds of SQLite's steps"

    def __init__(self, store: Store) -> None:
        self.count = 0
        store.dispose()  # the next connections are watched

        @event.listens_for(store.engine, "connect")
        def watch(connection: Any, _record: object) -> None:
            connection.set_progress_handler(self._step, 100)

    def _step(self) -> int:
        self.count += 1
        return 0

    def of(self, ask: Callable[[], Any]) -> int:
        """How many hundreds of steps a question takes, when it was asked before."""
        ask()
        before = self.count
        ask()
        return self.count - before


class Pages:
    """Counts the pages that PostgreSQL looks at: each question is explained before it is asked (EXPLAIN (ANALYZE, BUFFERS))."""

    unit = "PostgreSQL's pages"

    def __init__(self, store: Store) -> None:
        self.count, self._on = 0, False
        event.listen(store.engine, "before_cursor_execute", self._explain)

    def _explain(self, connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        if self._on and statement.lstrip().upper().startswith(("SELECT", "WITH")) and "FOR UPDATE" not in statement:
            with connection.connection.cursor() as beside:
                beside.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", given)
                plan = beside.fetchone()[0][0]["Plan"]
            self.count += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    def of(self, ask: Callable[[], Any]) -> int:
        """How many pages a question looks at, when it was asked before."""
        ask()
        before, self._on = self.count, True
        try:
            ask()
        finally:
            self._on = False
        return self.count - before


def _timed(ask: Callable[[], Any]) -> float:
    took = []
    ask()
    for _ in range(7):
        began = time.perf_counter()
        ask()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def months_of(size: int, month: int, today: int) -> int:
    """So that a store has about so many messages."""
    return max(1, round((size - today) / month))


def urls(database: str | None, sizes: Iterable[int]) -> Iterator[tuple[int, str]]:
    """A database for each size: files, or schemas that are emptied on the server named."""
    with tempfile.TemporaryDirectory(prefix="lienthong-years-") as folder:
        for size in sizes:
            if database is None:
                yield size, f"sqlite:///{folder}/{size}.db"
                Path(folder, f"{size}.db").unlink(missing_ok=True)
            else:
                engine = open_engine(database)
                with engine.begin() as connection:
                    connection.exec_driver_sql("DROP SCHEMA public CASCADE")
                    connection.exec_driver_sql("CREATE SCHEMA public")
                engine.dispose()
                yield size, database


def _size(store: Store) -> float:
    """What the database takes on disk, MB."""
    with store.engine.connect() as connection:
        if store.engine.dialect.name == "postgresql":
            return float(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()) / 1e6
    store.clear_traces()  # from the journal into the file
    return Path(str(store.engine.url.database)).stat().st_size / 1e6


def kept(years: Years, folder: Path, *, backup: bool) -> dict[str, str]:
    """What an archive of a month and a backup take, in CPU and on disk."""
    node = nodes.Node(folder=folder / "nut")
    node.prepare()
    settings = load(node.folder / "lienthong.toml", {}).settings
    key, store, now = wiring.load_key(settings), years.store, datetime.now(UTC)
    if key is None:
        raise SystemExit("no key")
    told: dict[str, str] = {}
    store.archives = Archives(folder / "luu-tru")
    certificates = tuple(wiring.own_certificates(settings))
    keeper = ArchiveKeeper(
        store=store, archives=store.archives, key=key, certificates=certificates, gateway=settings.node.identifier
    )
    began = time.process_time()
    made = make_archive(keeper, month_of(FIRST), now)
    told["an archive of the first month"] = (
        f"{time.process_time() - began:.1f} s CPU, {made.bodies:,} bodies, {made.size / 1e6:.1f} MB"
    )
    if backup:
        began, path = time.process_time(), folder / "ban.zip"
        of = make_backup(store, path, key, gateway="H19.900", files={}, who="operator:years", now=now)
        took, size = time.process_time() - began, path.stat().st_size / 1e6
        told["a backup"] = f"{took:.0f} s CPU, {of.rows:,} rows, {size:,.0f} MB"
        began = time.process_time()
        check_backup(read_backup(path, certificates))
        told["a backup, read again"] = f"{time.process_time() - began:.0f} s CPU"
    return told


def cpu(ask: Callable[[], Any]) -> float:
    """The CPU of one asking, the least of three, when it was asked before."""
    took = []
    for _ in range(4):
        began = time.process_time()
        ask()
        took.append(time.process_time() - began)
    return min(took[1:])


def measure(url: str, years: Years, *, prove: bool, backup: bool) -> dict[str, str]:
    """One column of the table."""
    store = years.store
    table = {"messages": f"{years.messages:,}", "on disk": f"{_size(store):,.0f} MB"}
    counter = Pages(store) if url.startswith("postgresql") else Steps(store)
    for name, ask in questions(years).items():
        table[name] = f"{_timed(ask) * 1000:.1f} ms; {counter.of(ask):,}"
    with tempfile.TemporaryDirectory() as folder:
        for name, ask in pages(years, Path(folder)).items():
            table[name] = f"{cpu(ask) * 1000:.0f} ms CPU; {counter.of(ask):,}"
    table["opening the store"] = f"{_timed(lambda: Store(open_engine(url)).dispose()) * 1000:.1f} ms"
    for name, ask in acts(years).items():
        table[name] = f"{_timed(ask) * 1000:.1f} ms; {counter.of(ask):,}"
    if prove:
        checked = chain.verify_chain(store.log_entries())
        table["chain, tables"] = f"{checked.whole}, {compare_with_log(store).count} differ"
    with tempfile.TemporaryDirectory() as folder:
        return table | kept(years, Path(folder), backup=backup)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description="What years of messages cost those who ask today.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--database", help="a PostgreSQL database that may be emptied; default: SQLite files")
    parser.add_argument("--prove", action="store_true", help="walk the whole chain and compare all tables, too")
    parser.add_argument("--backups", type=int, default=100_000, help="back stores up that are no larger than this")
    parser.add_argument(
        "--dossiers", type=int, default=1100, help="of a month, with seven messages each and some refused"
    )
    given = parser.parse_args()
    columns: list[dict[str, str]] = []
    held, running, dossiers = 200, 300, given.dossiers
    today = held * 6 + running * 2
    for size, url in urls(given.database, given.sizes):
        began = time.perf_counter()
        months = months_of(size, dossiers * LIFE, today)
        years = make(url, months=months, dossiers=dossiers, held=held, running=running)
        made = {"made in": f"{time.perf_counter() - began:,.0f} s"}
        columns.append(made | measure(url, years, prove=given.prove, backup=size <= given.backups))
        years.store.dispose()
        print(f"| {size:,} done, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
        for name, cell in columns[-1].items():  # as far as it has come: the largest takes hours
            print(f"|   {name}: {cell}", file=sys.stderr, flush=True)
    unit = Pages.unit if given.database else Steps.unit
    print(f"| (median time; {unit}) | " + " | ".join(f"{size:,}" for size in given.sizes) + " |")
    print("|---|" + "---|" * len(given.sizes))
    for name in dict.fromkeys(name for column in columns for name in column):
        print(f"| {name} | " + " | ".join(column.get(name, "–") for column in columns) + " |")


if __name__ == "__main__":
    main()
