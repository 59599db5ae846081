"""Bytes are found by their digest, of whatever message they are and however long ago it was, and by indexes alone."""

import hashlib

import pytest
from sqlalchemy import event, func, select, text

from gateway.core.ledger import LogLine
from gateway.store import tables
from gateway.store.digests import FAN, SLICES, put_step, sorted_upto


@pytest.fixture
def few_lines(monkeypatch):
    """So many lines of the log are put together."""
    monkeypatch.setattr("gateway.store.digests.LINES", 8)
    return 8


def bodies(store):
    """Of every body that is kept whose it is, and its digest."""
    kept = select(tables.body.c.owner, tables.body.c.digest).where(tables.body.c.kept >= 0)
    with store.engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(kept))


def all_sorted(store):
    """The line up to which digests are put together, when all are that can be."""
    while store.sort_digests():
        pass
    with store.read() as view:
        return sorted_upto(view._connection)


def pages(store):
    """The rows by level and lines: to which one, after which one, and how many there are."""
    p = tables.digest_page.c
    counted = select(p.level, p.upto, p.after, func.count()).group_by(p.level, p.upto, p.after)
    with store.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(counted.order_by(p.level, p.upto))]


def found(store, digest):
    """The digest of what is found by it."""
    with store.read() as view:
        content = view.body_of_anybody(digest)
    return None if content is None else hashlib.sha256(content).hexdigest()


def test_every_body_is_found_before_its_lines_are_put_together_and_after(store, desk, new_desk, code, few_lines):
    waiting = desk.doubt()
    desk.one(waiting)
    desk.take(
        desk.filing(code),
        *(desk.progress(code, 4) for _ in range(5)),
        *(desk.bad(body=b"<x%d/>" % n) for n in range(9)),
    )
    early = [digest for _, digest in bodies(store)]
    assert (all_sorted(store), [found(store, one) for one in early]) == (16, early)
    known = {digest for _, digest in bodies(store)}
    desk.one(waiting._replace(problems=()), recheck=True)  # a message of before is answered anew
    (receipt,) = {digest for _, digest in bodies(store)} - known
    assert found(store, receipt) == receipt
    with store.begin() as tx:
        for _ in range(few_lines):
            tx.note(LogLine(what="x", who="gateway"), desk.clock.now)
    assert (all_sorted(store), found(store, receipt)) == (24, receipt)
    assert [found(store, digest) for _, digest in bodies(store)] == [digest for _, digest in bodies(store)]


def test_what_several_brought_is_found_whole_while_anybody_has_it_and_said_to_be_erased_when_nobody_has(
    store, desk, few_lines
):
    first, second = desk.one(desk.bad(body=b"<same/>")), desk.one(desk.bad(body=b"<same/>"))
    digest = first.digest
    assert (first.message != second.message, second.digest) == (True, digest)
    for gone, left in ((first, digest), (second, None)):
        with store.begin() as tx:
            tx.erase({gone.message: [digest]}, who="operator:x", reason="x", now=desk.clock.now)
        for _ in range(2):
            assert found(store, digest) == left
            with store.begin() as tx:
                for _ in range(few_lines):
                    tx.note(LogLine(what="x", who="gateway"), desk.clock.now)
            all_sorted(store)
    with store.read() as view:
        assert view.erased_of_anybody(digest) in (first.message, second.message)
        assert (view.erased_of_anybody("0" * 64), view.erased_of_anybody("y")) == (None, None)


def test_lines_that_two_put_together_at_once_are_there_once(store, desk, code, few_lines):
    desk.take(desk.filing(code), *(desk.bad(body=b"<x%d/>" % n) for n in range(9)))
    with store.read() as view:
        step = view.digest_step()
    for _ in range(2):
        with store.engine.begin() as connection:
            put_step(connection, step)
    assert pages(store) == [(0, few_lines, 0, SLICES)]
    own = bodies(store)
    assert [found(store, digest) for _, digest in own] == [digest for _, digest in own]


def test_of_many_rows_fewer_of_the_next_level_are_made_some_slices_at_a_time(store, desk, monkeypatch):
    monkeypatch.setattr("gateway.store.digests.LINES", 1)
    monkeypatch.setattr("gateway.store.digests.TAKEN_ON", 100)
    desk.take(*(desk.bad(body=b"<x%d/>" % n) for n in range(2 * FAN + 3)))
    own = [digest for _, digest in bodies(store)]
    while True:
        with store.read() as view:
            step = view.digest_step()
        if step is None:
            break
        for _ in range(2):  # by two at once, too
            with store.engine.begin() as connection:
                put_step(connection, step)
        assert [found(store, digest) for digest in own[::7]] == own[::7]
    assert all_sorted(store) == 2 * FAN + 3
    ones = [(0, 2 * FAN + n, 2 * FAN + n - 1, SLICES) for n in (1, 2, 3)]
    assert pages(store) == [*ones, (1, FAN, 0, SLICES * FAN), (1, 2 * FAN, FAN, SLICES * FAN)]
    assert [found(store, digest) for digest in own] == own


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_table_is_read_through_to_find_bytes(store, desk, code, few_lines):
    desk.take(desk.filing(code), *(desk.bad(body=b"<x%d/>" % n) for n in range(9)))
    all_sorted(store)
    asked = []

    def note(_connection, _cursor, sql, parameters, _context, _many):
        asked.append((sql, parameters))

    event.listen(store._reader, "before_cursor_execute", note)
    with store.read() as view:
        assert view.body_of_anybody("0" * 64) is None
        assert view.body_of_anybody(bodies(store)[0][1])
        assert view.erased_of_anybody("0" * 64) is None
    event.remove(store._reader, "before_cursor_execute", note)
    plans = []
    with store.engine.connect() as connection:
        for sql, parameters in asked:
            plans += [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert {"body", "log", "digest_page"} <= {plan.split()[1] for plan in plans}
    assert [plan for plan in plans if plan.startswith("SCAN")] == []


def test_an_upgrade_leaves_it_to_work_to_put_together_what_there_is(store, desk, code, as_before, few_lines):
    desk.take(desk.filing(code), *(desk.bad(body=b"<x%d/>" % n) for n in range(9)))
    old = as_before(store, "0022")
    with old.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM digest_page")).scalar_one() == 0
    assert all_sorted(old) == few_lines
    assert [found(old, digest) for _, digest in bodies(old)] == [digest for _, digest in bodies(store)]
