"""The tables against the log: whoever changes a row by another way than the program is told of, with what the log says."""

import hashlib
import itertools
import re
import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from gateway.core.effects import Files, Owes
from gateway.core.model import Attempt, AttemptOutcome, DeliveryState, Fate
from gateway.core.problems import Problem
from gateway.store import CatalogueRow, Store, open_engine
from gateway.store.compare import compare_with_log

PORTAL, AGENCY, COMMUNE = "cong-dvc", "so-tu-phap", "ubnd-xa"
_counted = itertools.count(1)


def new_code():
    """A dossier code that no other test of this file uses."""
    return f"H19.901-260116-{next(_counted):05d}"


BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="module", params=BOTH)
def address(request, tmp_path_factory):
    """A database of its own for this file; on each kind in turn."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("compare") / "lienthong.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgres")
    name = server.create(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture(scope="module")
def written(address, desk_at):
    """A store in which every kind of row was written by the program."""
    engine = open_engine(address)
    desk, known = desk_at(Store(engine)), SimpleNamespace(code=new_code(), other=new_code())
    filed = desk.filing(known.code)
    fee = desk.finding(AGENCY, (PORTAL,), ma_ho_so=known.code, effects=[Owes(so_tien=Decimal(150_000))], loai="HS09")
    desk.take(filed, desk.progress(known.code, 2), fee)
    held, bad = desk.doubt(known.other), desk.bad()
    desk.take(held, bad)
    cut = desk.bad(body=b"<cut", code="XML-030")
    digest = hashlib.sha256(b"all").hexdigest()
    cut = cut._replace(envelope=replace(cut.envelope, total_bytes=9_000, digest=digest))
    desk.one(cut)
    desk.one(held._replace(problems=()), recheck=True)  # judged again: its second verdict accepts it
    desk.one(
        desk.finding(PORTAL, (AGENCY, COMMUNE), ma_ho_so=known.code, effects=[Files(trang_thai=2, ma_tthc="1.000001")])
    )
    known.sent = settle(desk, AttemptOutcome.DELIVERED, DeliveryState.DELIVERED, receipt=b"<nhan/>", reference="TP-1")
    known.refused = settle(desk, AttemptOutcome.REFUSED, DeliveryState.REFUSED, problem=Problem("DLV-031"))
    given_back = desk.filing(new_code())
    desk.one(given_back)
    known.given_back = given_back.thong_diep.ma_ho_so
    now = desk.clock.forward(minutes=1)
    with desk.store.begin() as tx:
        tx.release(known.given_back, who="operator:lan", reason="chiếm mã", now=now)
        tx.apply_parties({"so-tu-phap": "id = 1", "ubnd-xa": "id = 2"}, who="operator:lan", reason="đầu", now=now)
        tx.put_catalogue(
            [CatalogueRow(danh_muc="DichVu", phien_ban="1", ma="1.000001", muc={})], who="operator:lan", now=now
        )
    known.message, known.held, known.bad = filed.envelope.id, held.envelope.id, bad.envelope.id
    known.digest, known.cut, known.desk, known.store = filed.envelope.digest, cut.envelope, desk, desk.store
    yield known
    engine.dispose()


def settle(desk, outcome, to, **more):
    """One try of what is due first; gives the delivery's id."""
    now = desk.clock.forward(seconds=1)
    with desk.store.begin() as tx:
        (delivery,) = tx.claim_due(AGENCY, now, 1, 60.0)
        attempt = Attempt(
            delivery=delivery.id, number=0, kind="send", started_at=now, ended_at=now, outcome=outcome, **more
        )
        assert tx.settle(delivery, attempt, to)
    return delivery.id


@contextmanager
def by_another_way(store):
    """A connection on which neither triggers nor foreign keys hold, as whoever owns the database can have one."""
    engine = store.engine
    if engine.dialect.name == "sqlite":
        import sqlite3

        raw = sqlite3.connect(engine.url.database)
        for table in ("verdict", "change", "attempt", "log"):
            for act in ("update", "delete"):
                raw.execute(f"DROP TRIGGER IF EXISTS {table}_no_{act}")
        yield lambda statement, **values: raw.execute(statement, values)
        raw.commit()
        raw.close()
        return
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield lambda statement, **values: connection.execute(text(statement), values)


@contextmanager
def tampered(store, *statements, **values):
    """These statements done, and undone afterwards: every table they could touch as it was."""
    tables = {re.match(r"(?:UPDATE|DELETE FROM|INSERT INTO) (\w+)", statement)[1] for statement in statements}
    with by_another_way(store) as run:
        for table in tables:
            run(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}")
        for statement in statements:
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            assert run(statement, **named).rowcount
    try:
        yield
    finally:
        with by_another_way(store) as run:
            for table in tables:
                run(f"DELETE FROM {table}")
                run(f"INSERT INTO {table} SELECT * FROM kept_{table}")
                run(f"DROP TABLE kept_{table}")


def found(store):
    return [(one.table, one.column) for one in compare_with_log(store).differences]


def test_what_the_program_wrote_agrees_with_the_log(written):
    told = []
    result = compare_with_log(written.store, tell=lambda done, of: told.append((done, of)))
    assert (result.differences, result.count, result.older) == ([], 0, {})
    tables = {"message", "verdict", "change", "dossier", "delivery", "attempt", "inbox", "body", "party", "catalogue"}
    assert tables <= {table for table, number in result.rows.items() if number}
    assert told[-1][0] == told[-1][1] > 0  # the bar comes to its end


#: What is done, and the tables and columns that must be named for it.
TAMPERINGS = {
    "a state": ("UPDATE message SET state = 'accepted' WHERE id = :bad", {("message", "state")}),
    "who brought it": ("UPDATE message SET party = 'so-khac' WHERE id = :message", {("message", "party")}),
    "a basis": ("UPDATE message SET basis = 'channel' WHERE id = :message", {("message", "basis")}),
    "the cause": ("UPDATE message SET codes = ',SIG-001,' WHERE id = :bad", {("message", "codes")}),
    "a column that no line tells by itself": (
        "UPDATE message SET received_at = recorded_at WHERE id = :message",
        {("message", "*")},
    ),
    "a verdict's state": ("UPDATE verdict SET state = 'held' WHERE message = :message", {("verdict", "state")}),
    "a verdict's facts": ("UPDATE verdict SET facts = '[1]' WHERE message = :message", {("verdict", "*")}),
    "who judged": ("UPDATE verdict SET who = 'operator:x' WHERE message = :held", {("verdict", "*")}),
    "a verdict fewer": ("DELETE FROM verdict WHERE message = :held AND number = 1", {("verdict", None)}),
    "a verdict more": (
        """INSERT INTO verdict SELECT message, 2, state, judged_at, who, problems, facts, evidence, signed_digest, receipt,
        packed FROM verdict WHERE message = :message""",
        {("verdict", None)},
    ),
    "an event": ("UPDATE change SET effects = '[]' WHERE message = :message", {("change", "*")}),
    "when an event happened": ("UPDATE change SET occurred_at = recorded_at WHERE number = 3", {("change", "*")}),
    "an event fewer": ("DELETE FROM change WHERE message = :held", {("change", None), ("dossier", None)}),
    "an event more": (
        """INSERT INTO change SELECT ma_ho_so, 9, message, ma_thong_diep, loai, goc, sender, effects, occurred_at, thu_tu,
        recorded_at FROM change WHERE message = :message""",
        {("change", None)},
    ),
    "a dossier's state": ("UPDATE dossier SET trang_thai = 9 WHERE ma_ho_so = :code", {("dossier", "trang_thai")}),
    "a dossier's agency": ("UPDATE dossier SET agency = 'so-khac' WHERE ma_ho_so = :other", {("dossier", "*")}),
    "a code given back": (
        "UPDATE dossier SET released = 0 WHERE ma_ho_so = :given_back",
        {("dossier", "released"), ("dossier", "trang_thai")},
    ),
    "money": ("UPDATE payment SET so_tien = 10000", {("payment", "so_tien")}),
    "money that was never asked for": ("DELETE FROM payment", {("payment", None)}),
    "a delivery's state": ("UPDATE delivery SET state = 'delivered' WHERE id = :refused", {("delivery", "state")}),
    "a delivery undone": ("UPDATE delivery SET state = 'queued' WHERE id = :sent", {("delivery", "state")}),
    "why it was refused": ("UPDATE delivery SET code = 'DLV-001' WHERE id = :refused", {("delivery", "code")}),
    "to whom": ("UPDATE delivery SET party = 'so-khac' WHERE id = :sent", {("delivery", "*")}),
    "a receiver's receipt": ("UPDATE attempt SET receipt = NULL WHERE delivery = :sent", {("attempt", "*")}),
    "a try's outcome": (
        "UPDATE attempt SET outcome = 'delivered' WHERE delivery = :refused",
        {("attempt", "outcome")},
    ),
    "a try fewer": ("DELETE FROM attempt WHERE delivery = :sent", {("attempt", None)}),
    "a place in an inbox": ("UPDATE inbox SET position = 77 WHERE position = 1", {("inbox", "position")}),
    "what an inbox says": ("UPDATE inbox SET trang_thai = 9", {("inbox", "*")}),
    "an inbox entry fewer": ("DELETE FROM inbox WHERE position = 1", {("inbox", None)}),
    "bytes": ("UPDATE body SET bytes = :harm WHERE digest = :digest", {("body", "bytes"), ("body", "kept")}),
    "bytes blanked": (
        "UPDATE body SET bytes = NULL, kept = -1 WHERE digest = :digest",
        {("body", "bytes")},
    ),
    "bytes of which only the beginning was kept": (
        "UPDATE body SET bytes = :harm WHERE digest = :cut",
        {("body", "bytes")},
    ),
    "a digest": ("UPDATE message SET digest = :cut WHERE id = :message", {("message", "digest")}),
    "bytes that are gone": ("DELETE FROM body WHERE digest = :digest", {("body", None)}),
    "an owner of an id": ("DELETE FROM claim", {("claim", "message")}),
    "a profile": ("UPDATE party SET profile = 'id = 9' WHERE id = 'ubnd-xa'", {("party", "profile")}),
    "a profile more": (
        "INSERT INTO party SELECT id, 99, profile, author, reason, applied_at FROM party WHERE id = 'ubnd-xa'",
        {("party", None)},
    ),
    "a code list": ('UPDATE catalogue SET muc = \'{"TenTTHC":"x"}\'', {("catalogue", "muc")}),
    "a code list fewer": ("DELETE FROM catalogue", {("catalogue", "rows")}),
    "a whole message": ("DELETE FROM message WHERE id = :message", {("message", None)}),
}


def values_of(written):
    """What the statements name."""
    return {
        **{name: getattr(written, name) for name in ("message", "held", "bad", "code", "other", "sent", "refused")},
        "given_back": written.given_back,
        "digest": written.digest,
        "cut": written.cut.digest,
        "harm": b"<cu!",
    }


@pytest.mark.threat("T-TABLES-LOG")
@pytest.mark.parametrize("what", TAMPERINGS)
@pytest.mark.parametrize("address", ["sqlite"], indirect=True, scope="module")
def test_a_row_changed_by_another_way_is_named(written, what):
    statement, expected = TAMPERINGS[what]
    with tampered(written.store, statement, **values_of(written)):
        assert expected <= set(found(written.store)), found(written.store)


@pytest.mark.threat("T-TABLES-LOG")
def test_rows_changed_by_other_ways_are_all_named_on_each_kind_of_database(written):
    """Those that do not hide each other, together: every one costs a walk through the tables."""
    alone = ("DELETE FROM message", "DELETE FROM verdict", "SET digest", "SET state = 'queued'", "kept = -1")
    chosen = [
        (statement, expected)
        for statement, expected in TAMPERINGS.values()
        if statement.startswith("UPDATE") and not any(one in statement for one in alone)
    ]
    assert len(chosen) > 20
    with tampered(written.store, *(statement for statement, _ in chosen), **values_of(written)):
        told = {(one.table, one.column) for one in compare_with_log(written.store, most=500).differences}
    shown = {(table, column) for _, expected in chosen for table, column in expected if column != "*"}
    assert shown <= told
    assert {table for _, expected in chosen for table, _ in expected} <= {table for table, _ in told}


def test_what_the_log_says_stands_beside_what_the_table_says(written):
    with tampered(written.store, "UPDATE message SET state = 'accepted' WHERE id = :bad", bad=written.bad):
        first = compare_with_log(written.store).differences[0]
    with written.store.read() as view:
        (line,) = view.log(message=written.bad)
    assert (first.table, first.row, first.column) == ("message", written.bad, "state")
    assert (first.found, first.logged, first.line) == ("accepted", "rejected", line.number)


def test_only_the_first_differences_are_kept_and_all_are_counted(written):
    with tampered(written.store, "UPDATE verdict SET who = 'operator:x'"):
        result = compare_with_log(written.store, most=2)
    assert (len(result.differences), result.count) == (2, result.rows["verdict"])


def test_rows_of_before_the_log_told_of_them_are_said_to_be_so(store, desk, code, monkeypatch):
    """As a store of version 0.1.0 is: its lines have names, codes and digests, and no seals."""
    monkeypatch.setattr("gateway.store.page._sealed", lambda entry, *_: {"inbox": {}} if entry.inbox else {})
    desk.take(desk.filing(code), desk.progress(code, 2), desk.bad())
    monkeypatch.undo()
    result = compare_with_log(store)
    assert result.differences == []
    assert result.older["message"] == result.older["verdict"] == 3
    assert {table for table, number in result.older.items() if number} >= {"change", "dossier", "delivery"}
    bad = next(message for message in messages(store) if message.state is Fate.REJECTED)
    with by_another_way(store) as run:  # what the lines of then do say is compared all the same
        run("UPDATE message SET state = 'accepted' WHERE id = :bad", bad=bad.id)
    assert ("message", "state") in found(store)


def messages(store):
    with store.read() as view:
        return view.messages()


def test_reading_takes_one_snapshot_a_page_and_sees_no_difference_in_what_comes_meanwhile(store, desk, code):
    desk.one(desk.filing(code))

    def more(_done, _all):
        if desk.clock.now.year == 2026:
            desk.clock.now += timedelta(days=366)
            desk.take(desk.filing(new_code()), desk.progress(code, 2))

    result = compare_with_log(store, tell=more)
    assert (result.differences, desk.clock.now.year) == ([], 2027)


def test_processes_that_share_the_tables_find_what_one_finds_in_the_same_order(written):
    statements = "UPDATE message SET loai = 'HS99'", "UPDATE dossier SET trang_thai = 9"
    with tampered(written.store, *statements):
        alone, told = compare_with_log(written.store), []
        shared = compare_with_log(written.store, processes=2, part=7, tell=lambda done, of: told.append((done, of)))
        assert alone.count > 0
        assert (shared.count, shared.differences, shared.rows, shared.older) == (
            alone.count,
            alone.differences,
            alone.rows,
            alone.older,
        )
        assert told[-1][0] == told[-1][1]
        first = compare_with_log(written.store, processes=2, part=7, most=1)
        assert (first.count, first.differences) == (alone.count, alone.differences[:1])
