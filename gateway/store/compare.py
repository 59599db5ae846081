"""The tables against the log: what was written is in the chained log too, so a row changed by another way shows.

Read page by page, each page in a snapshot of its own, so that an hour of reading holds up nobody and needs no more memory
than a page. What a page shows of a message was written in one transaction with its lines, so both agree at any time.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, func, or_, select, tuple_

from gateway.core.model import AttemptOutcome, DeliveryState, Fate
from gateway.store import rows, tables
from gateway.store.archives import Archives
from gateway.store.engine import open_engine, reader_of
from gateway.store.errors import NotAtHand, translated
from gateway.store.packing import Patterns
from gateway.store.page import payments_of
from gateway.store.seals import COLUMNS, list_seal, row_seal
from gateway.store.store import Store
from gateway.store.types import Vnd

PAGE: Final = 200  # rows that are compared at once
LINES: Final = 1000  # lines of the log that are read at once
PART: Final = 20_000  # rows of one process's turn: what is fewer in all is compared by one
IN_HAND: Final = 8 * 2**20  # bytes of bodies that are read at once
_OF_NO_MESSAGE: Final = frozenset(
    {"party.applied", "party.removed", "catalogue.published", "dossier.released", "body.erased"}
)
JUDGED: Final = frozenset(f"message.{fate}" for fate in Fate)
ERASED: Final = "message.erased"
REPROJECTED: Final = "dossier.reprojected"  # the row of a dossier, made anew from its events
RETOLD: Final = "delivery.retold"  # owed anew, beside what the acceptance owes

#: Where a delivery may stand after the last line about it; what is being tried is not in the log.
_MAY_BE: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({"queued", "sending"}),
    "delivery.replayed": frozenset({"queued", "sending"}),
    RETOLD: frozenset({"queued", "sending"}),
    "delivery.unknown": frozenset({"unknown", "sending", "queued"}),
    "delivery.rescued": frozenset({"unknown", "sending", "queued"}),
    "delivery.delivered": frozenset({"delivered"}),
    "delivery.refused": frozenset({"refused"}),
    "delivery.dead": frozenset({"dead"}),
    "delivery.nothing": frozenset({"nothing"}),
    "delivery.skipped": frozenset({"skipped"}),
    "delivery.recalled": frozenset({"skipped"}),
}
_STATES: Final = [state.value for state in DeliveryState]
_SETTLES: Final = frozenset({"delivery.delivered", "delivery.refused"})
_SETTLED: Final = (AttemptOutcome.DELIVERED.value, AttemptOutcome.REFUSED.value)

_m, _v, _d, _a, _i, _b, _k = (
    tables.message, tables.verdict, tables.delivery, tables.attempt, tables.inbox, tables.body, tables.change,
)  # fmt: skip
_log, _o, _pay, _p, _cat, _claim = (
    tables.log, tables.dossier, tables.payment, tables.party, tables.catalogue, tables.claim,
)  # fmt: skip
_KEYS: Final[Mapping[str, tuple[Any, ...]]] = {
    _log.name: (_log.c.number,),
    _m.name: (_m.c.id,),
    _k.name: (_k.c.ma_ho_so, _k.c.number),
    _o.name: (_o.c.ma_ho_so,),
    _b.name: (_b.c.owner, _b.c.digest),
}
_BODY: Final = (_b.c.owner, _b.c.digest, _b.c.kept, _b.c.total)
_CONTENT: Final = (_b.c.owner, _b.c.digest, _b.c.bytes, _b.c.kept, _b.c.archive)
_WALKED: Final = tuple(_KEYS)  # in this order


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that a table and the log say differently."""

    table: str
    row: str  # its key
    column: str | None  # None: the whole row
    found: str | None  # in the table; None: there is no such row
    logged: str | None  # what the log says; None: nothing
    line: int | None  # the line of the log that says so


@dataclass(slots=True)
class Comparison:
    """What comparing came to: the first differences, how many there are, and what could not be compared."""

    most: int
    differences: list[Difference] = field(default_factory=list)
    count: int = 0
    rows: Counter[str] = field(default_factory=Counter)  # compared, by table
    older: Counter[str] = field(default_factory=Counter)  # written before the log told of such rows, by table

    def join(self, other: Comparison) -> None:
        """Takes over what comparing other rows came to."""
        self.differences += other.differences[: max(0, self.most - len(self.differences))]
        self.count += other.count
        self.rows += other.rows
        self.older += other.older

    def add(self, found: Iterable[Difference]) -> None:
        """Counts them all and keeps the first ones."""
        for one in found:
            self.count += 1
            if len(self.differences) < self.most:
                self.differences.append(one)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPart:
    """What comparing some rows of one table came to, in a process of its own."""

    found: Comparison
    done: int
    parties: Mapping[tuple[str, int], int]
    catalogues: Mapping[tuple[str, str], int]
    erased: frozenset[str]


def compare_with_log(
    store: Store,
    *,
    after: int = 0,
    most: int = 20,
    processes: int | None = None,
    part: int = PART,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> Comparison:
    """Compares all tables that the log tells of with what it tells. ``tell``: how many rows are done, of how many.

    ``after``: only what lines after this number tell of, the rows of their messages and dossiers. A row that no line
    tells of is found by comparing everything. ``processes``: as many as there are processors where there is much to compare,
    each with ``part`` rows at a time.
    """
    comparing = _Comparing(store, most, tell)
    return comparing.run_after(after) if after else comparing.run(processes or os.cpu_count() or 1, part)


def compare_part(url: str, folder: Path | None, asked: _Part, most: int, erased: frozenset[str]) -> ComparedPart:
    """Some rows of one table."""
    store = Store(open_engine(url))
    store.archives = Archives(folder)
    comparing = _Comparing(store, most, lambda _done, _all: None)
    comparing.erased |= erased
    try:
        with translated():
            comparing.walk(asked)
    finally:
        store.dispose()
    return ComparedPart(
        found=comparing.found,
        done=comparing.done,
        parties=comparing.parties,
        catalogues=comparing.catalogues,
        erased=frozenset(comparing.erased),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one table, by their key: those behind the first one, up to the last one."""

    table: str
    after: tuple[Any, ...] | None = None
    upto: tuple[Any, ...] | None = None


class _Comparing:
    def __init__(self, store: Store, most: int, tell: Callable[[int, int], None]) -> None:
        self.engine = reader_of(store.engine, steady=True)
        self.archives = store.archives
        self.patterns = Patterns()
        self.found = Comparison(most=most)
        self.tell = tell
        self.done, self.all = 0, 0
        self.compared: set[str] = set()  # messages, where only some are compared
        self.erased: set[str] = set()  # by lines of before messages were named in them
        self.parties: dict[tuple[str, int], int] = {}
        self.catalogues: dict[tuple[str, str], int] = {}

    def run(self, processes: int, part: int) -> Comparison:
        with translated():
            with self.engine.begin() as connection:
                walked = [_KEYS[name][0].table for name in _WALKED]
                self.all = sum(connection.execute(select(func.count()).select_from(one)).scalar_one() for one in walked)
            shared = processes > 1 and self.all > part
            pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn")) if shared else None
            try:
                self._walk_all([_log.name], part, pool)
                with self.engine.begin() as connection:
                    self._unlogged_versions(connection)
                self._walk_all(_WALKED[1:], part, pool)
            finally:
                if pool is not None:
                    pool.shutdown(cancel_futures=True)
            with self.engine.begin() as connection:
                self._orphans(connection)
        return self.found

    def _walk_all(self, names: Sequence[str], part: int, pool: ProcessPoolExecutor | None) -> None:
        """These tables, here or in parts by the processes of a pool."""
        if pool is None:
            for name in names:
                self.walk(_Part(name))
            return
        parts = [one for name in names for one in self._parts(name, part)]
        url = self.engine.url.render_as_string(hide_password=False)
        given = ([url], [self.archives.folder], parts, [self.found.most], [frozenset(self.erased)])
        walked = pool.map(compare_part, *(one * len(parts) if len(one) == 1 else one for one in given))
        for one in walked:
            self.found.join(one.found)
            self.parties |= one.parties
            self.catalogues |= one.catalogues
            self.erased |= one.erased
            self.done += one.done
            self.tell(self.done, max(self.all, self.done))

    def _parts(self, name: str, size: int) -> Iterator[_Part]:
        """A table in parts of so many rows; the last one is open: what comes meanwhile is in it."""
        key, after = _KEYS[name], None
        with self.engine.begin() as connection:
            while True:
                ends = select(*key).order_by(*key).offset(size - 1).limit(1)
                row = connection.execute(ends if after is None else ends.where(_behind(key, after))).first()
                if row is None:
                    yield _Part(name, after)
                    return
                yield _Part(name, after, tuple(row))
                after = tuple(row)

    def walk(self, part: _Part) -> None:
        """Compares these rows."""
        compare_page, size, columns = {
            _log.name: (self._lines, LINES, ()),
            _m.name: (self._messages, PAGE, ()),
            _k.name: (self._changes, PAGE, ()),
            _o.name: (self._dossiers, PAGE, ()),
            _b.name: (self._bodies, PAGE, _BODY),
        }[part.table]
        self._pages(_KEYS[part.table], compare_page, size, columns, after=part.after, upto=part.upto)

    def run_after(self, number: int) -> Comparison:
        with translated():
            with self.engine.begin() as connection:
                asked = select(func.count()).select_from(_log).where(_log.c.number > number)
                self.all = connection.execute(asked).scalar_one()
            self._pages(_KEYS[_log.name], self._told_of, LINES, after=(number,))
        return self.found

    def _told_of(self, connection: Connection, packed: Sequence[rows.AnyRow]) -> Iterator[Difference]:
        """What these lines tell of, each message once."""
        yield from self._lines(connection, packed)
        named = {row.message for row in packed if row.message is not None} - self.compared
        self.compared |= named
        for page in _in_pages(sorted(named)):
            messages = connection.execute(select(_m).where(_m.c.id.in_(page)).order_by(_m.c.id)).all()
            yield from self._messages(connection, messages)
            changes = connection.execute(select(_k).where(_of_messages(messages), _k.c.message.in_(page))).all()
            yield from self._changes(connection, changes)
            codes = sorted({row.ma_ho_so for row in changes})
            yield from self._dossiers(connection, connection.execute(select(_o).where(_o.c.ma_ho_so.in_(codes))).all())
            asked = select(*_BODY).where(_b.c.owner.in_(page)).order_by(_b.c.owner, _b.c.digest)
            yield from self._bodies(connection, [*connection.execute(asked)])

    def _pages(
        self,
        key: tuple[Any, ...],
        compare_page: Callable[[Connection, Sequence[rows.AnyRow]], Iterable[Difference]],
        page: int = PAGE,
        columns: Sequence[Any] = (),
        after: tuple[Any, ...] | None = None,
        upto: tuple[Any, ...] | None = None,
    ) -> None:
        """Walks a table by its key, a page and a snapshot at a time."""
        asked = select(*columns) if columns else select(key[0].table)
        asked = asked.order_by(*key).limit(page)
        if upto is not None:
            asked = asked.where(tuple_(*key) <= upto if len(key) > 1 else key[0] <= upto[0])
        while True:
            with self.engine.begin() as connection:
                behind = asked if after is None else asked.where(_behind(key, after))
                batch = connection.execute(behind).all()
                if not batch:
                    return
                self.found.add(compare_page(connection, batch))
            after = tuple(batch[-1]._mapping[column] for column in key)  # noqa: SLF001 - keys by column
            self.done += len(batch)
            self.tell(self.done, max(self.all, self.done))

    # From the log to the tables: what must be there

    def _lines(self, connection: Connection, packed: Sequence[rows.AnyRow]) -> Iterator[Difference]:
        """Only what no message says by itself is unpacked here; the lines of messages are when those are compared."""
        batch = self.patterns.whole(connection, [row for row in packed if row.what in _OF_NO_MESSAGE])
        judged: dict[str, rows.AnyRow] = {row.message: row for row in packed if row.what in JUDGED and row.message}
        there = set(connection.execute(select(_m.c.id).where(_m.c.id.in_(sorted(judged)))).scalars())
        for message in sorted(judged.keys() - there):
            yield _gone("message", message, judged[message])
        for row in batch:
            if row.what in ("party.applied", "party.removed"):
                yield from self._party(connection, row)
            elif row.what == "catalogue.published":
                yield from self._catalogue(connection, row)
            elif row.what == "dossier.released":
                yield from _released(connection, row)
            elif row.what == "body.erased":
                self.erased.add(row.facts["digest"])

    def _party(self, connection: Connection, line: rows.AnyRow) -> Iterator[Difference]:
        party, version = line.facts["party"], line.facts["version"]
        self.parties[party, version] = line.number
        row = connection.execute(select(_p).where(_p.c.id == party, _p.c.version == version)).first()
        name = f"{party} {version}"
        if row is None:
            yield _gone("party", name, line)
            return
        self.found.rows["party"] += 1
        digest = None if row.profile is None else hashlib.sha256(row.profile.encode()).hexdigest()
        said = {"profile": line.facts["digest"], "author": line.who, "reason": line.facts["reason"]}
        found = {"profile": digest, "author": row.author, "reason": row.reason}
        yield from _columns("party", name, found, said, line.number)

    def _catalogue(self, connection: Connection, line: rows.AnyRow) -> Iterator[Difference]:
        which = line.facts["danh_muc"], line.facts["phien_ban"]
        self.catalogues[which] = line.number
        asked = select(_cat).where(_cat.c.danh_muc == which[0], _cat.c.phien_ban == which[1])
        listed = sorted(connection.execute(asked), key=lambda row: row.ma.encode())  # as no database may sort otherwise
        self.found.rows["catalogue"] += len(listed)
        found: dict[str, Any] = {"rows": len(listed)}
        said: dict[str, Any] = {"rows": line.facts["rows"]}
        if "list" in line.facts:
            found["muc"] = list_seal("catalogue", (dict(row._mapping) for row in listed))  # noqa: SLF001
            said["muc"] = line.facts["list"]
        else:
            self.found.older["catalogue"] += len(listed)
        yield from _columns("catalogue", " ".join(which), found, said, line.number)

    def _unlogged_versions(self, connection: Connection) -> None:
        """Rows of the registry and of catalogues that no line tells of: added by another way."""
        for row in connection.execute(select(_p.c.id, _p.c.version).order_by(_p.c.id, _p.c.version)):
            if (row.id, row.version) not in self.parties:
                self.found.add([_added("party", f"{row.id} {row.version}")])
        versions = select(_cat.c.danh_muc, _cat.c.phien_ban).distinct().order_by(_cat.c.danh_muc, _cat.c.phien_ban)
        for row in connection.execute(versions):
            if (row.danh_muc, row.phien_ban) not in self.catalogues:
                self.found.add([_added("catalogue", f"{row.danh_muc} {row.phien_ban}")])

    # From the tables to the log

    def _messages(self, connection: Connection, batch: Sequence[rows.AnyRow]) -> Iterator[Difference]:
        page = _MessagePage(connection, batch, self.patterns, self.archives)
        for row in batch:
            yield from _Told(row, page, self).differences()

    def _changes(self, connection: Connection, batch: Sequence[rows.AnyRow]) -> Iterator[Difference]:
        lines = _last_judgements(connection, {row.message for row in batch}, self.patterns)
        money = _by(connection, select(_pay).where(_pay.c.ma_ho_so.in_({row.ma_ho_so for row in batch})), "ma_ho_so")
        for row in batch:
            name = f"{row.ma_ho_so} {row.number}"
            self.found.rows["change"] += 1
            line = lines.get(row.message)
            told = line.facts.get("change") if line is not None else None
            if (
                line is not None
                and told is not None
                and (told["ma_ho_so"], told["number"]) == (row.ma_ho_so, row.number)
            ):
                said = {"*": told["row"]}
                yield from _columns("change", name, {"*": _sealed("change", row)}, said, line.number)
            elif line is None or line.what != "message.accepted" or "message" in line.facts:
                yield _added("change", name, line)
            else:
                self.found.older["change"] += 1
            yield from _payments(row, [one for one in money.get(row.ma_ho_so, ()) if one.change == row.number])

    def _dossiers(self, connection: Connection, batch: Sequence[rows.AnyRow]) -> Iterator[Difference]:
        newest = _newest_changes(connection, batch)
        told_by = {message for _, message in newest.values()}
        lines = _last_judgements(connection, told_by, self.patterns, {REPROJECTED})
        for row in batch:
            self.found.rows["dossier"] += 1
            number, message = newest.get(row.ma_ho_so, (0, ""))
            if not number and not row.released:
                yield _added("dossier", row.ma_ho_so)
                continue
            if number <= row.released:
                kept = {"ma_ho_so", "changed_at", "released"}
                found = {name: row._mapping[name] for name in COLUMNS["dossier"] if name not in kept}  # noqa: SLF001
                yield from _columns("dossier", row.ma_ho_so, found, dict.fromkeys(found), None)
                continue
            line = lines.get(message)
            told = line.facts.get("dossier") if line is not None else None
            if line is None or told is None:
                self.found.older["dossier"] += 1
                continue
            found = {"trang_thai": row.trang_thai, "*": _sealed("dossier", row)}
            said = {"trang_thai": told["trang_thai"], "*": told["row"]}
            yield from _columns("dossier", row.ma_ho_so, found, said, line.number)

    def _bodies(self, connection: Connection, batch: Sequence[rows.AnyRow]) -> Iterator[Difference]:
        """Bytes are their own witness: their digest is their name."""
        self.found.rows["body"] += len(batch)
        there = [row for row in batch if row.kept >= 0]  # erased: each message that they were of says so, or does not
        for row, content in self._contents(connection, there):
            found: dict[str, Any] = {"kept": None if content is None else len(content)}
            said: dict[str, Any] = {"kept": row.kept}
            if content is not None and row.kept == row.total:
                found["bytes"], said["bytes"] = hashlib.sha256(content).hexdigest(), row.digest
            yield from _columns("body", row.digest, found, said, None)

    def _contents(
        self, connection: Connection, batch: Sequence[rows.AnyRow]
    ) -> Iterator[tuple[rows.AnyRow, bytes | None]]:
        """Each with its bytes: as many at a time as together are of some megabytes."""
        while batch:
            size, number = 0, 0
            while number < len(batch) and (not number or size + batch[number].kept <= IN_HAND):
                size, number = size + batch[number].kept, number + 1
            some, batch = batch[:number], batch[number:]
            these = tuple_(_b.c.owner, _b.c.digest).in_([(row.owner, row.digest) for row in some])
            kept = {(row.owner, row.digest): row for row in connection.execute(select(*_CONTENT).where(these))}
            for row in some:
                yield row, _content(connection, kept[row.owner, row.digest], self.patterns, self.archives)

    def _orphans(self, connection: Connection) -> None:
        """Rows of messages and deliveries that are not there."""
        for table, key, of, parent in (
            (_v, _v.c.message, _v.c.message, _m.c.id),
            (_d, _d.c.id, _d.c.message, _m.c.id),
            (_i, _i.c.message, _i.c.message, _m.c.id),
            (_a, _a.c.delivery, _a.c.delivery, _d.c.id),
        ):
            without = select(key).outerjoin(parent.table, parent == of).where(parent.is_(None)).distinct().order_by(key)
            for name in connection.execute(without).scalars():
                self.found.add([_added(table.name, name)])


class _MessagePage:
    """What the tables and the log hold on a page of messages."""

    def __init__(
        self, connection: Connection, batch: Sequence[rows.AnyRow], patterns: Patterns, archives: Archives
    ) -> None:
        ids = [row.id for row in batch]
        lines = select(_log).where(_log.c.message.in_(ids)).order_by(_log.c.number)
        verdicts = select(_v).where(_v.c.message.in_(ids)).order_by(_v.c.number)
        self.lines = _by(connection, lines, "message", patterns)
        self.verdicts = _by(connection, verdicts, "message", patterns)
        self.deliveries = _by(connection, select(_d).where(_d.c.message.in_(ids)).order_by(_d.c.seq), "message")
        self.inbox = _by(connection, select(_i).where(_i.c.message.in_(ids)).order_by(_i.c.party), "message")
        told = [line.facts for lines in self.lines.values() for line in lines]
        self.attempts = self._attempts_of(connection, told)
        self.changes = _changes_of(connection, told)
        self.claims = _claims_of(connection, batch)
        bodies = connection.execute(select(*_BODY).where(_b.c.owner.in_(ids)))
        self.bodies = {(row.owner, row.digest): row for row in bodies}
        kept = select(*_CONTENT).where(_b.c.owner.in_(ids), _b.c.kept >= 0, _b.c.kept < _b.c.total)
        beginnings = {
            (row.owner, row.digest): _content(connection, row, patterns, archives)
            for row in connection.execute(kept).all()
        }
        self.cut = {body: hashlib.sha256(content or b"").hexdigest() for body, content in beginnings.items()}

    def _attempts_of(self, connection: Connection, told: Sequence[Mapping[str, Any]]) -> dict[str, list[rows.AnyRow]]:
        """The tries of these messages' deliveries that are settled, or that a line of the log tells of."""
        logged = {(facts["delivery"], facts["attempt"]["number"]) for facts in told if "attempt" in facts}
        tried = [one.id for deliveries in self.deliveries.values() for one in deliveries]
        shown = or_(_a.c.outcome.in_(_SETTLED), _a.c.number.in_({number for _, number in logged}))
        attempts = select(_a).where(_a.c.delivery.in_(tried), shown).order_by(_a.c.delivery, _a.c.number)
        return _by(connection, attempts, "delivery")

    def digests_of(self, row: rows.AnyRow) -> Iterator[str]:
        """The bodies that a message and what follows from it name."""
        named = [row.digest, row.receipt, row.composed]
        named += [one.receipt for one in self.verdicts.get(row.id, ())]
        named += [one.digest for owed in (self.deliveries, self.inbox) for one in owed.get(row.id, ())]
        yield from dict.fromkeys(digest for digest in named if digest is not None)


def _changes_of(connection: Connection, told: Sequence[Mapping[str, Any]]) -> set[tuple[str, int]]:
    """The events on record of the dossiers that these lines tell of."""
    codes = {facts["change"]["ma_ho_so"] for facts in told if "change" in facts}
    known = select(_k.c.ma_ho_so, _k.c.number).where(_k.c.ma_ho_so.in_(sorted(codes)))
    return {(row.ma_ho_so, row.number) for row in connection.execute(known)}


def _claims_of(connection: Connection, batch: Sequence[rows.AnyRow]) -> dict[tuple[str, str], str]:
    """Whose the ids of these messages are."""
    own = {row.ma_thong_diep for row in batch if row.ma_thong_diep is not None}
    owned = select(_claim).where(
        _claim.c.sender.in_({row.party for row in batch}), _claim.c.ma_thong_diep.in_(sorted(own))
    )
    return {(row.sender, row.ma_thong_diep): row.message for row in connection.execute(owned)}


class _Told:
    """One message and its lines."""

    def __init__(self, row: rows.AnyRow, page: _MessagePage, comparing: _Comparing) -> None:
        self.row, self.page, self.comparing, self.found = row, page, comparing, comparing.found
        self.lines = page.lines.get(row.id, [])
        self.judged = [line for line in self.lines if line.what in JUDGED]
        self.erasures = [line for line in self.lines if line.what == ERASED]
        self.erased = {digest for line in self.erasures for digest in line.facts["digests"]}
        self.retold = {line.facts["delivery"]: line for line in self.lines if line.what == RETOLD}

    def differences(self) -> Iterator[Difference]:
        self.found.rows["message"] += 1
        if not self.judged:
            yield _added("message", self.row.id)
            return
        yield from self._message()
        yield from self._verdicts()
        yield from self._owed("delivery", self.page.deliveries.get(self.row.id, ()), "id")
        yield from self._owed("inbox", self.page.inbox.get(self.row.id, ()), "party")
        yield from self._owed_anew()
        for delivery in self.page.deliveries.get(self.row.id, ()):
            yield from self._stands(delivery)
            yield from self._attempts(delivery)
        yield from self._named_rows()

    def _message(self) -> Iterator[Difference]:
        row, line = self.row, self.judged[-1]
        codes = row.codes.strip(",").split(",") if row.codes else []
        found: dict[str, Any] = {
            "state": row.state,
            "party": row.party,
            "recorded_at": row.recorded_at,
            "verdicts": row.verdicts,
            "digest": row.digest,
            "ma_thong_diep": row.ma_thong_diep,
            "loai": row.loai,
            "codes": codes,
        }
        facts = line.facts
        said = {
            "state": line.what.removeprefix("message."),
            "party": line.who,
            "recorded_at": line.at,
            "verdicts": len(self.judged),
            **{name: facts[name] for name in ("digest", "ma_thong_diep", "loai", "codes")},
        }
        if "message" in facts:
            found |= {"basis": row.basis, "*": _sealed("message", row)}
            said |= {"basis": facts["basis"], "*": facts["message"]}
        else:
            self.found.older["message"] += 1
        yield from _columns("message", row.id, found, said, line.number)
        if row.state != Fate.REJECTED.value and row.ma_thong_diep is not None:
            owner = self.page.claims.get((row.party, row.ma_thong_diep))
            name = f"{row.party} {row.ma_thong_diep}"
            yield from _columns("claim", name, {"message": owner}, {"message": row.id}, line.number)

    def _verdicts(self) -> Iterator[Difference]:
        kept = {one.number: one for one in self.page.verdicts.get(self.row.id, ())}
        for number, line in enumerate(self.judged, 1):
            name, row = f"{self.row.id} {number}", kept.pop(number, None)
            if row is None:
                yield _gone("verdict", name, line)
                continue
            self.found.rows["verdict"] += 1
            found = {
                "state": row.state,
                "judged_at": row.judged_at,
                "problems": [problem["code"] for problem in row.problems],
            }
            said = {"state": line.what.removeprefix("message."), "judged_at": line.at, "problems": line.facts["codes"]}
            if "verdict" in line.facts:
                found["*"] = _sealed("verdict", row)
                said["*"], number_of = self._newest("verdicts", str(number), line.facts["verdict"]["row"], line)
                yield from _columns("verdict", name, found, said, number_of)
            else:
                self.found.older["verdict"] += 1
                yield from _columns("verdict", name, found, said, line.number)
        for number in sorted(kept):
            yield _added("verdict", f"{self.row.id} {number}")

    def _newest(self, what: str, name: str, sealed: str, line: rows.AnyRow) -> tuple[str, int]:
        """The seal that counts: an erasure takes words out of a row and says what is left."""
        for erasure in reversed(self.erasures):
            if name in erasure.facts.get(what, {}):
                return erasure.facts[what][name], erasure.number
        return sealed, line.number

    def _owed(self, table: str, kept: Sequence[rows.AnyRow], key: str) -> Iterator[Difference]:
        """Deliveries, or places in inboxes: as the line of the acceptance says."""
        line = next((line for line in reversed(self.judged) if line.what == "message.accepted"), None)
        told: dict[str, Any] = {}
        if line is not None and "message" in line.facts:
            told = dict(line.facts.get("deliveries" if table == "delivery" else "inbox", {}))
        if table == "delivery":
            kept = [row for row in kept if row.id not in self.retold]
        self.found.rows[table] += len(kept)
        if line is not None and "message" not in line.facts:
            self.found.older[table] += len(kept)
            return
        for row in kept:
            name = row._mapping[key]  # noqa: SLF001
            said = told.pop(name, None)
            if said is None or line is None:
                yield _added(table, self._name(table, name), line)
                continue
            found: dict[str, Any] = {"*": _sealed(table, row)}
            if table == "inbox":
                found["position"] = row.position
                sealed, number = self._newest("inbox", name, said["row"], line)
                said = {"position": said["position"], "*": sealed}
                yield from _columns(table, self._name(table, name), found, said, number)
            else:
                yield from _columns(table, name, found, {"*": said}, line.number)
        for name in sorted(told):
            yield _gone(table, self._name(table, name), line)

    def _owed_anew(self) -> Iterator[Difference]:
        """Deliveries that a later line of the log owes: as that line says."""
        kept = {row.id: row for row in self.page.deliveries.get(self.row.id, ())}
        for name, line in self.retold.items():
            row = kept.get(name)
            if row is None:
                yield _gone("delivery", name, line)
                continue
            self.found.rows["delivery"] += 1
            yield from _columns(
                "delivery", name, {"*": _sealed("delivery", row)}, {"*": line.facts["row"]}, line.number
            )

    def _name(self, table: str, name: str) -> str:
        return name if table == "delivery" else f"{name} {self.row.id}"

    def _stands(self, delivery: rows.AnyRow) -> Iterator[Difference]:
        """Whether a delivery stands where its last line put it."""
        about = [line for line in self.lines if line.what in _MAY_BE and line.facts.get("delivery") == delivery.id]
        last = about[-1] if about else None
        allowed = _MAY_BE[last.what if last is not None else ""]
        number = last.number if last is not None else self.judged[-1].number
        if delivery.state not in allowed:
            logged = " / ".join(sorted(allowed, key=_STATES.index))
            yield _differs("delivery", delivery.id, "state", delivery.state, logged, number)
        if last is not None and "code" in last.facts and len(allowed) == 1:
            yield from _columns(
                "delivery", delivery.id, {"code": delivery.code}, {"code": last.facts["code"]}, last.number
            )

    def _attempts(self, delivery: rows.AnyRow) -> Iterator[Difference]:
        kept = {row.number: row for row in self.page.attempts.get(delivery.id, ())}
        about = [line for line in self.lines if line.facts.get("delivery") == delivery.id]
        for line in about:
            if "attempt" not in line.facts:
                continue
            said = line.facts["attempt"]
            row, name = kept.pop(said["number"], None), f"{delivery.id} {said['number']}"
            if row is None:
                yield _gone("attempt", name, line)
                continue
            self.found.rows["attempt"] += 1
            found = {"outcome": row.outcome, "*": _sealed("attempt", row)}
            sealed, number = self._newest("attempts", name, said["row"], line)
            yield from _columns("attempt", name, found, {"outcome": said["outcome"], "*": sealed}, number)
        older = any(line.what in _SETTLES and "attempt" not in line.facts for line in about)
        for number in sorted(number for number, row in kept.items() if row.outcome in _SETTLED):
            if older:
                self.found.older["attempt"] += 1
            else:
                yield _added("attempt", f"{delivery.id} {number}")

    def _named_rows(self) -> Iterator[Difference]:
        """The events and the bodies that the message's lines and rows name."""
        for line in self.judged:
            change = line.facts.get("change")
            if change is not None and (change["ma_ho_so"], change["number"]) not in self.page.changes:
                yield _gone("change", f"{change['ma_ho_so']} {change['number']}", line)
        for digest in self.page.digests_of(self.row):
            body = self.page.bodies.get((self.row.id, digest))
            if body is None:
                yield _gone("body", digest, self.judged[-1])
            elif body.kept < 0 and digest not in self.erased and digest not in self.comparing.erased:
                yield _differs("body", digest, "bytes", "–", f"{body.total} byte", self.judged[-1].number)
        kept = self.judged[0].facts.get("kept")
        own = self.row.id, self.row.digest
        # Before bodies were each message's own, the same bytes may have come again, and have been kept further.
        if kept is not None and own in self.page.cut and self.page.bodies[own].kept == kept["bytes"]:
            found, said = {"bytes": self.page.cut[own]}, {"bytes": kept["digest"]}
            yield from _columns("body", self.row.digest, found, said, self.judged[0].number)


# Reading --------------------------------------------------------------------------------------------------------------


def _content(
    connection: Connection, row: Row[*tuple[Any, ...]], patterns: Patterns, archives: Archives
) -> bytes | None:
    """The bytes of a body, here or in its archive; None where that is not at hand, or does not hold them."""
    if row.bytes is not None or row.archive is None:
        try:
            return patterns.body(connection, row.bytes, row.kept)
        except ValueError:
            stands: bytes = row.bytes
            return stands  # neither of the length nor of the digest that they should have
    try:
        return archives.body(row.archive, row.digest)
    except NotAtHand:
        return None


def _in_pages(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), PAGE):
        yield ids[first : first + PAGE]


def _of_messages(messages: Sequence[rows.AnyRow]) -> Any:
    """Events are found by their dossier: there is no index by message, which nobody else would need."""
    return _k.c.ma_ho_so.in_(sorted({row.ma_ho_so for row in messages if row.ma_ho_so is not None}))


def _behind(key: tuple[Any, ...], after: tuple[Any, ...]) -> Any:
    """Rows behind this key: both databases take the index for a row of values."""
    return tuple_(*key) > after if len(key) > 1 else key[0] > after[0]


def _sealed(table: str, row: rows.AnyRow) -> str:
    return row_seal(table, dict(row._mapping))  # noqa: SLF001 - by column


def _by(
    connection: Connection, asked: Select[Any], name: str, patterns: Patterns | None = None
) -> dict[str, list[rows.AnyRow]]:
    found: dict[str, list[rows.AnyRow]] = {}
    listed = connection.execute(asked).all()
    for row in listed if patterns is None else patterns.whole(connection, listed):
        found.setdefault(getattr(row, name), []).append(row)
    return found


def _last_judgements(
    connection: Connection, messages: Collection[str], patterns: Patterns, also: Collection[str] = frozenset()
) -> dict[str, rows.AnyRow]:
    """The line of each message's newest judgement, or the newest of these others."""
    asked = select(_log).where(_log.c.message.in_(sorted(messages)), _log.c.what.in_(sorted({*JUDGED, *also})))
    listed = connection.execute(asked.order_by(_log.c.number)).all()
    return {row.message: row for row in patterns.whole(connection, listed)}


def _newest_changes(connection: Connection, batch: Sequence[rows.AnyRow]) -> dict[str, tuple[int, str]]:
    """The number and the message of each dossier's newest event."""
    last = select(_k.c.ma_ho_so, func.max(_k.c.number).label("number"))
    last = last.where(_k.c.ma_ho_so.in_([row.ma_ho_so for row in batch])).group_by(_k.c.ma_ho_so)
    newest = last.subquery()
    asked = select(_k.c.ma_ho_so, _k.c.number, _k.c.message).join(
        newest, and_(newest.c.ma_ho_so == _k.c.ma_ho_so, newest.c.number == _k.c.number)
    )
    return {row.ma_ho_so: (row.number, row.message) for row in connection.execute(asked)}


# Telling --------------------------------------------------------------------------------------------------------------


def _columns(
    table: str, name: str, found: Mapping[str, Any], said: Mapping[str, Any], line: int | None
) -> Iterator[Difference]:
    """What differs by column; "*", the seal over all of them, only where no column by itself shows it."""
    differing = [column for column in found if found[column] != said[column]]
    if differing != ["*"]:
        differing = [column for column in differing if column != "*"]
    for column in differing:
        yield _differs(table, name, column, found[column], said[column], line)


def _differs(table: str, name: str, column: str, found: Any, said: Any, line: int | None) -> Difference:
    return Difference(table=table, row=name, column=column, found=_text(found), logged=_text(said), line=line)


def _gone(table: str, name: str, line: rows.AnyRow | None) -> Difference:
    logged, number = (None, None) if line is None else (line.what, line.number)
    return Difference(table=table, row=name, column=None, found=None, logged=logged, line=number)


def _added(table: str, name: str, line: rows.AnyRow | None = None) -> Difference:
    number = line.number if line is not None else None
    return Difference(table=table, row=name, column=None, found=name, logged=None, line=number)


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "–"
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat() if isoformat is not None else value)


def _released(connection: Connection, line: rows.AnyRow) -> Iterator[Difference]:
    """A code that was given back stays so, up to the event that was its last then."""
    code, up_to = line.facts["ma_ho_so"], line.facts["up_to"]
    row = connection.execute(select(_o.c.released).where(_o.c.ma_ho_so == code)).first()
    if row is None:
        yield _gone("dossier", code, line)
    elif row.released < up_to:
        yield _differs("dossier", code, "released", row.released, up_to, line.number)


def _payments(change: rows.AnyRow, kept: Sequence[rows.AnyRow]) -> Iterator[Difference]:
    """The money of an event, as its effects say."""
    told = {row["position"]: row for row in payments_of(rows.change_of(change))}
    for row in kept:
        name = f"{row.ma_ho_so} {row.change} {row.position}"
        said = told.pop(row.position, None)
        if said is None:
            yield _added("payment", name)
            continue
        said["so_tien"] = Vnd.kept(said["so_tien"])
        found = {column: row._mapping[column] for column in said}  # noqa: SLF001 - by column
        yield from _columns("payment", name, found, said, None)
    for position in sorted(told):
        yield Difference(
            table="payment",
            row=f"{change.ma_ho_so} {change.number} {position}",
            column=None,
            found=None,
            logged="change.effects",
            line=None,
        )
