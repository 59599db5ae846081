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
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain as chain_
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "pki")]

import nodes  # noqa: E402
from license import EVERYTHING  # noqa: E402
from sqlalchemy import event, func, select, text, update  # noqa: E402

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
from gateway.core.stored_files import FileScan, StoredFile  # noqa: E402
from gateway.core.told import ToldNews  # noqa: E402
from gateway.services import profiles  # noqa: E402
from gateway.services.archiving import ArchiveKeeper, make_archive  # noqa: E402
from gateway.services.backups import check_backup, make_backup, read_backup  # noqa: E402
from gateway.services.operators import AtTheDesk  # noqa: E402
from gateway.services.proving import prove_log  # noqa: E402
from gateway.services.reports import report  # noqa: E402
from gateway.services.watch import alerts, late  # noqa: E402
from gateway.settings import load  # noqa: E402
from gateway.store import Store, bring_up_to_date, open_engine, tables, upgrade  # noqa: E402
from gateway.store.archives import Archives, month_of  # noqa: E402
from gateway.store.compare import compare_with_log  # noqa: E402
from gateway.store.packing import LEAST, Pattern, Patterns, pack  # noqa: E402
from gateway.store.persons import DeskSession  # noqa: E402
from gateway.store.seals import row_seal, sealed_text  # noqa: E402
from gateway.store.types import encode_json  # noqa: E402
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
        return made._replace(thong_diep=None, problems=(Problem(code, {"element": "TenTTHC"}),))

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
        self.over(dossiers)

    def over(self, dossiers: int) -> None:
        """The agency was told all of the month's dossiers, and its files lie in an archive: one for every ten dossiers."""
        with self.store.begin() as tx:
            for number in range(dossiers):
                told = ToldNews(change=LIFE, sent=f"{number:032}", taken=f"{number:032}", settled=True)
                tx.tell(AGENCY, f"{CODES[AGENCY]}-{self.token}{number:06}", told, self.now)
            for name in range(1, self.written + 1, 10 * LIFE):
                digest = tx.message(f"{self.token}{name:07}").digest  # of some bytes of the month's own
                tx.lock_file(digest, self.now)
                file = StoredFile(
                    digest=digest,
                    size=1,
                    media_type="application/pdf",
                    macros=False,
                    scan=FileScan.CLEAN,
                    finding=None,
                    kept=True,
                    arrived_at=self.now,
                )
                tx.put_file(file, party=None, due_at=self.now)
                tx.archive_file(digest, month_of(self.now))

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
    tables.inbox, tables.milestone, tables.told, tables.file,
)  # fmt: skip
_SEALED = ("message", "verdict", "change", "dossier", "delivery", "attempt", "inbox")
Values = Sequence[Any]  # of one column, row by row
_MONTH = f"{FIRST:%Y-%m}"  # every moment of the month that is copied begins so
_END = "\x1e"  # stands in no text
#: What is another one in every month: digests and seals, and whole numbers that were put between these signs.
_MARK = re.compile(r'([0-9a-f]{64}|"@[pn][0-9]+@")')


class SqliteHand:
    """Puts rows into a file that nobody mourns: without a journal, without syncing, with indexes made when all are there."""

    def __init__(self, store: Store) -> None:
        store.dispose()  # the journal goes with the last connection
        self._line = sqlite3.connect(str(store.engine.url.database), isolation_level=None)
        self._line.execute("PRAGMA synchronous=OFF")
        if self._line.execute("PRAGMA journal_mode=OFF").fetchone() != ("off",):
            raise SystemExit("somebody else has the file open")
        self._line.execute("PRAGMA cache_size=-2000000")  # what is kept by a party or a dossier is in use all along
        self._line.execute("BEGIN")
        self._schema = self._line.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
        self._indexes = [row for row in self._schema if row[0] == "index" and row[2] is not None]
        for _, name, _ in self._indexes:
            self._line.execute(f'DROP INDEX "{name}"')

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What stands there, as it is kept."""
        return self._line.execute(sql).fetchall()

    def put(self, table: str, columns: Mapping[str, Values]) -> None:
        """Rows, given by column."""
        places = ", ".join("?" * len(columns))
        self._line.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", zip(*columns.values(), strict=True)
        )

    def month_done(self) -> None:
        """Nothing: it is one transaction."""

    def done(self) -> None:
        """Makes the indexes as they were."""
        for _, _, sql in self._indexes:
            self._line.execute(sql)
        now = self._line.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
        if sorted(now, key=str) != sorted(self._schema, key=str):
            raise SystemExit("the schema is not as it was")
        self._line.execute("COMMIT")
        self._line.close()


class PostgresHand:
    """Puts rows in by COPY, with indexes made when all are there."""

    def __init__(self, store: Store) -> None:
        self._lent = store.engine.raw_connection()
        line: Any = self._lent.driver_connection
        line.patience_s = None  # the server says nothing while it makes an index
        self._cursor = line.cursor()
        self._indexes = self._others()
        for name, _ in self._indexes:
            self._cursor.execute(f'DROP INDEX "{name}"')

    def _others(self) -> list[tuple[str, str]]:
        """Indexes over all rows that no constraint needs. The others are small, and PostgreSQL does not spell them twice alike."""
        return self.rows(
            "SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE relnamespace = 'public'::regnamespace AND indpred IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid) ORDER BY relname"
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What stands there, as the driver gives it."""
        return list(self._cursor.execute(sql).fetchall())

    def put(self, table: str, columns: Mapping[str, Values]) -> None:
        """Rows, given by column."""
        with self._cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in zip(*columns.values(), strict=True):
                copy.write_row(row)

    def month_done(self) -> None:
        """Lets the server finish it."""
        self._lent.commit()

    def done(self) -> None:
        """Makes the indexes as they were."""
        for _, sql in self._indexes:
            self._cursor.execute(sql)
        if self._others() != self._indexes:
            raise SystemExit("the indexes are not as they were")
        self._lent.commit()
        self._cursor.close()
        self._lent.invalidate()  # it has more patience than others


@dataclass
class Month:
    """One that is being written: what stands in it for what stands in the first one."""

    number: int
    marks: dict[str, str] = field(default_factory=dict)  # digests, seals, places and numbers

    def __post_init__(self) -> None:
        self.token = f"k{self.number:04}-"
        self.year, self.moon = FIRST.year + self.number // 12, self.number % 12 + 1
        self.name = f"{self.year}-{self.moon:02}"

    def words(self, value: str) -> str:
        """Names and moments."""
        return value.replace(TOKEN, self.token).replace(_MONTH, self.name)

    def time(self, value: datetime) -> datetime:
        """A moment."""
        return value.replace(year=self.year, month=self.moon)


class Texts:
    """Many texts of the first month in one, so that one pass makes all of another month's."""

    def __init__(self, texts: Sequence[str]) -> None:
        whole = _END.join(texts)
        other = re.search(rf"(?<![0-9]){FIRST.year}-(?!{FIRST:%m})[01][0-9]-", whole)  # a moment of another month
        if other is not None or whole.count(_END) != max(len(texts) - 1, 0):
            raise SystemExit("not a month that can be copied")
        self._pieces = _MARK.split(whole)
        self.marks = self._pieces[1::2]
        self.same = not self.marks and TOKEN not in whole and _MONTH not in whole
        self._none = not texts

    def of(self, month: Month) -> list[str]:
        """The texts of this month."""
        if self._none:
            return []
        pieces = self._pieces.copy()
        pieces[1::2] = [month.marks.get(mark, mark) for mark in self.marks]
        return month.words("".join(pieces)).split(_END)


def _values(kept: Values, step: int) -> Callable[[Month], Values]:
    """A column of the first month as what gives it for another one. ``step``: what a month adds to a number that counts on."""
    some = [value for value in kept if value is not None]
    if step:
        return lambda month: [value + month.number * step for value in kept]
    if some and isinstance(some[0], datetime):
        if any((one.year, one.month) != (FIRST.year, FIRST.month) for one in some):
            raise SystemExit("not a month that can be copied")
        return lambda month: [value and month.time(value) for value in kept]
    if not some or not isinstance(some[0], str) or (texts := Texts(some)).same:
        return lambda _: kept
    if len(some) == len(kept):
        return texts.of

    def with_holes(month: Month) -> Values:
        found = iter(texts.of(month))
        return [None if value is None else next(found) for value in kept]

    return with_holes


class Table:
    """The rows of a table in the first month."""

    def __init__(
        self, hand: SqliteHand | PostgresHand, table: Any, steps: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self.name = table.name
        order = ", ".join(column.name for column in table.primary_key) if table is not tables.body else ""
        names = [column.name for column in table.columns]
        rows = hand.rows(f"SELECT {', '.join(names)} FROM {table.name}" + (order and f" ORDER BY {order}"))
        kept = zip(*rows, strict=True) if rows else ([] for _ in names)
        self._columns = {name: _values(values, steps.get(name, 0)) for name, values in zip(names, kept, strict=True)}

    def of(self, month: Month) -> dict[str, Values]:
        """The columns of this month's rows."""
        return {name: values(month) for name, values in self._columns.items()}


class Copier:
    """Writes further months that are like the first one.

    What a month is made of lies ready as text with gaps, column by column; hashing and packing alone are done for each row.
    """

    def __init__(self, store: Store) -> None:
        with store.engine.begin() as connection:
            patterns = Patterns()
            bodies = connection.execute(select(tables.body)).all()
            contents = [(patterns.body(connection, one.bytes, one.kept) or b"").decode() for one in bodies]
            self._digests, self._bodies = [one.digest for one in bodies], Texts(contents)
            self._seals: list[tuple[list[str], Texts]] = []
            for name in _SEALED:
                asked = connection.execute(select(tables.metadata.tables[name]))
                listed = patterns.whole(connection, asked) if name == "verdict" else asked
                rows = [dict(row._mapping) for row in listed]  # noqa: SLF001 - by column
                seals = [row_seal(name, row) for row in rows]
                for row in rows if name == "inbox" else ():
                    row["position"] = f"@p{row['position']}@"
                self._seals.append((seals, Texts([sealed_text(name, row).decode() for row in rows])))
            self._lines(connection, patterns)
            k = tables.counter.c
            self._number, self._head = connection.execute(select(k.value, k.hash).where(k.name == LOG)).one()
            self._seqs = connection.execute(select(func.max(tables.delivery.c.seq))).scalar_one()
            self._places = connection.execute(select(func.max(tables.inbox.c.position))).scalar_one()
        self.hand = SqliteHand(store) if store.engine.dialect.name == "sqlite" else PostgresHand(store)
        steps = {"delivery": {"seq": self._seqs}, "inbox": {"position": self._places}}
        self._tables = [Table(self.hand, one, steps.get(one.name, {})) for one in _COPIED]
        self._body, self._log = Table(self.hand, tables.body), Table(self.hand, tables.log, {"number": self._number})
        self._store, self._last = store, 0

    def _lines(self, connection: Any, patterns: Patterns) -> None:
        """What is hashed of each line of the log, what is kept of its facts, and what that is packed against."""
        hashed, kept = [], []
        self._patterns: list[Pattern | None] = []
        self._packed: list[bool] = []
        for line in patterns.whole(connection, connection.execute(select(tables.log).order_by(tables.log.c.number))):
            facts = line.facts
            for placed in facts.get("inbox", {}).values():
                placed["position"] = f"@p{placed['position']}@"
            entry = chain.LogEntry(
                number=line.number, at=line.at, who=line.who, what=line.what, message=line.message, facts=facts
            )
            before, behind = chain.canonical_line(entry).decode().rsplit(f',"number":{line.number},"what":', 1)
            hashed.append(f'{before},"number":"@n{line.number}@","what":{behind}')
            kept.append(encode_json(facts).decode())
            key = f"log {line.what} {facts.get('schemas', '')[:16]}"
            self._packed.append(line.message is not None)
            self._patterns.append(patterns.newest(connection, key))
        self._hashed, self._kept = Texts(hashed), Texts(kept)

    def month(self, number: int) -> None:
        """The first month once more, as the one of this number after it."""
        month = Month(number)
        contents = [text_.encode() for text_ in self._bodies.of(month)]
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        month.marks = dict(zip(self._digests, digests, strict=True))
        for sign, texts, step in (("p", self._kept, self._places), ("n", self._hashed, self._number)):
            numbers = (mark for mark in texts.marks if mark.startswith(f'"@{sign}'))
            month.marks |= {mark: str(int(mark[3:-2]) + number * step) for mark in numbers}
        for seals, texts in self._seals:
            fresh = [hashlib.sha256(text_.encode()).hexdigest() for text_ in texts.of(month)]
            month.marks.update(zip(seals, fresh, strict=True))
        sizes = [len(content) for content in contents]
        self.hand.put("body", self._body.of(month) | {"bytes": contents, "kept": sizes, "total": sizes})
        for table in self._tables:
            self.hand.put(table.name, table.of(month))
        self.hand.put("log", self._log.of(month) | self._linked(month))
        self.hand.month_done()
        self._last = number

    def _linked(self, month: Month) -> dict[str, Values]:
        """What the month's lines hold, at the end of the chain."""
        hashes = []
        for line in self._hashed.of(month):
            self._head = hashlib.sha256(bytes.fromhex(self._head) + line.encode()).hexdigest()
            hashes.append(self._head)
        facts, packed = [], []
        for text_, pattern, may in zip(self._kept.of(month), self._patterns, self._packed, strict=True):
            content = text_.encode()
            less = pack(content, pattern) if may and len(content) >= LEAST else content
            facts.append(text_ if less is content else "{}")
            packed.append(None if less is content else less)
        return {"hash": hashes, "facts": facts, "packed": packed}

    def done(self) -> None:
        """The indexes, and the counters behind the last month."""
        self.hand.done()
        with self._store.engine.begin() as connection:
            k, months = tables.counter.c, self._last + 1
            places = update(tables.counter).where(k.name.in_([feed(PORTAL), f"confirmed/{PORTAL}"]))
            connection.execute(places.values(value=months * self._places))
            lines = months * self._number
            connection.execute(update(tables.counter).where(k.name == LOG).values(value=lines, hash=self._head))
            connection.execute(update(tables.counter).where(k.name == MILESTONES).values(value=lines))


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
    copier.done()
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            most = connection.execute(select(func.max(tables.delivery.c.seq))).scalar_one()
            connection.execute(text("SELECT setval(pg_get_serial_sequence('delivery', 'seq'), :most)"), {"most": most})
    begins = FIRST.replace(year=FIRST.year + months // 12, month=months % 12 + 1)
    today = Clerk(store, "heute-", begins)
    today.today(held, running)
    bring_up_to_date(store, lambda _: rules)
    while store.sort_digests():
        pass
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
        "what an agency was not told": view(lambda v: list(v.told_behind(AGENCY))),
        "files that archives left behind": view(lambda v: v.files_left_behind(years.since, None, 500)),
        "files to be scanned": view(lambda v: v.files_unscanned()),
        "newest signed head": view(lambda v: v.last_act("log.head")),
        "unproven receipts of a day": view(lambda v: v.acts_since("receipt.unproven", now - timedelta(days=1))),
        "a repeat of years ago": view(
            lambda v: (v.by_ma_thong_diep(PORTAL, f"m{name}"), v.message(name), v.receipt(name))
        ),
        "bytes of years ago, by their digest": view(lambda v: v.body_of_anybody(v.message(name).digest)),
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


def urls(database: str | None, sizes: Iterable[int], kept: str | None) -> Iterator[tuple[int, str]]:
    """A database for each size: files, or schemas that are emptied on the server named."""
    with nullcontext(kept) if kept else tempfile.TemporaryDirectory(prefix="lienthong-years-") as folder:
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


def kept(years: Years, folder: Path, *, backup: bool) -> Iterator[tuple[str, str]]:
    """What an archive of a month and a backup take, in CPU and on disk."""
    node = nodes.Node(folder=folder / "nut")
    node.prepare()
    settings = load(node.folder / "lienthong.toml", {}).settings
    key, store, now = wiring.load_key(settings), years.store, datetime.now(UTC)
    if key is None:
        raise SystemExit("no key")
    store.archives = Archives(folder / "luu-tru")
    certificates = tuple(wiring.own_certificates(settings))
    keeper = ArchiveKeeper(
        store=store, archives=store.archives, key=key, certificates=certificates, gateway=settings.node.identifier
    )
    began = time.process_time()
    made = make_archive(keeper, month_of(FIRST), now)
    took, size = time.process_time() - began, made.size / 1e6
    yield "an archive of the first month", f"{took:.1f} s CPU, {made.bodies:,} bodies, {size:.1f} MB"
    if backup:
        began, path = time.process_time(), folder / "ban.zip"
        of = make_backup(store, path, key, gateway="H19.900", files={}, who="operator:years", now=now)
        took, size = time.process_time() - began, path.stat().st_size / 1e6
        yield "a backup", f"{took:.0f} s CPU, {of.rows:,} rows, {size:,.0f} MB"
        began = time.process_time()
        check_backup(read_backup(path, certificates))
        yield "a backup, read again", f"{time.process_time() - began:.0f} s CPU"


def cpu(ask: Callable[[], Any]) -> float:
    """The CPU of one asking, the least of three, when it was asked before."""
    took = []
    for _ in range(4):
        began = time.process_time()
        ask()
        took.append(time.process_time() - began)
    return min(took[1:])


def whole(store: Store, *, compare: bool) -> Iterator[tuple[str, str]]:
    """Whether the log is what it was, from its first line on, and the tables what it tells."""
    with store.read() as view:
        lines = view.log_head().number
    began = time.perf_counter()
    if not prove_log(store, Heads(()), witnesses={}).whole:
        raise SystemExit("the log is not whole")
    yield "log verify, every line", f"whole, {lines:,} lines in {time.perf_counter() - began:,.0f} s"
    if compare:
        began = time.perf_counter()
        if differ := compare_with_log(store).count:
            raise SystemExit(f"{differ} rows are not what the log tells")
        yield "log verify --store, every row", f"nothing differs, {time.perf_counter() - began:,.0f} s"


def measure(url: str, years: Years, *, prove: bool, compare: bool, backup: bool) -> Iterator[tuple[str, str]]:
    """One column of the table, cell by cell: of the largest store they take hours."""
    store = years.store
    yield from (("messages", f"{years.messages:,}"), ("on disk", f"{_size(store):,.0f} MB"))
    counter = Pages(store) if url.startswith("postgresql") else Steps(store)
    for name, ask in questions(years).items():
        yield name, f"{_timed(ask) * 1000:.1f} ms; {counter.of(ask):,}"
    with tempfile.TemporaryDirectory() as folder:
        for name, ask in pages(years, Path(folder)).items():
            yield name, f"{cpu(ask) * 1000:.0f} ms CPU; {counter.of(ask):,}"
    yield "opening the store", f"{_timed(lambda: Store(open_engine(url)).dispose()) * 1000:.1f} ms"
    for name, ask in acts(years).items():
        yield name, f"{_timed(ask) * 1000:.1f} ms; {counter.of(ask):,}"
    if prove:
        yield from whole(store, compare=compare)
    with tempfile.TemporaryDirectory() as folder:
        yield from kept(years, Path(folder), backup=backup)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description="What years of messages cost those who ask today.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--database", help="a PostgreSQL database that may be emptied; default: SQLite files")
    parser.add_argument("--prove", action="store_true", help="walk the whole chain, too")
    parser.add_argument(
        "--compared", type=int, default=100_000, help="with --prove, compare all rows of stores no larger than this"
    )
    parser.add_argument("--backups", type=int, default=100_000, help="back stores up that are no larger than this")
    parser.add_argument(
        "--dossiers", type=int, default=1100, help="of a month, with seven messages each and some refused"
    )
    parser.add_argument("--keep", metavar="FOLDER", help="leave the SQLite files there")
    given = parser.parse_args()
    columns: list[dict[str, str]] = []
    held, running, dossiers = 200, 300, given.dossiers
    today = held * 6 + running * 2
    for size, url in urls(given.database, given.sizes, given.keep):
        began = time.perf_counter()
        months = months_of(size, dossiers * LIFE, today)
        years = make(url, months=months, dossiers=dossiers, held=held, running=running)
        made = {"made in": f"{time.perf_counter() - began:,.0f} s"}
        columns.append(made)
        cells = measure(url, years, prove=given.prove, compare=size <= given.compared, backup=size <= given.backups)
        for name, cell in chain_(made.items(), cells):  # as far as it has come
            columns[-1][name] = cell
            print(f"|   {name}: {cell}", file=sys.stderr, flush=True)
        years.store.dispose()
        print(f"| {size:,} done, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
    unit = Pages.unit if given.database else Steps.unit
    print(f"| (median time; {unit}) | " + " | ".join(f"{size:,}" for size in given.sizes) + " |")
    print("|---|" + "---|" * len(given.sizes))
    for name in dict.fromkeys(name for column in columns for name in column):
        print(f"| {name} | " + " | ".join(column.get(name, "–") for column in columns) + " |")


if __name__ == "__main__":
    main()
