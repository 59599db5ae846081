"""PostgreSQL's bodies by months: what is archived leaves with its part, whoever reads or changes it meanwhile."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from patience import eventually
from sqlalchemy import event, text

from gateway.core.lifecycle import LifeRules
from gateway.store import Busy, Conflict, Store, Unavailable, parts
from gateway.store.archives import ArchiveRecord, bounds_of, month_of
from gateway.store.compare import compare_with_log
from gateway.store.dumps import CopyTarget, dump_tables, picture

pytestmark = pytest.mark.postgres
JANUARY, FEBRUARY = "2026-01", "2026-02"


@pytest.fixture
def database_url(postgres_url):
    """A file has one table of bodies."""
    return postgres_url


@pytest.fixture
def empty_database_url(postgres):
    """As above."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def parted(store):
    """A store whose January and February have parts of their own."""
    with store.engine.begin() as connection:
        assert parts.add_parts(connection, [JANUARY, FEBRUARY]) == [JANUARY, FEBRUARY]
    return store


def lying(store):
    """How many rows each part has, and how many of them with bytes; those without a row left out."""
    with store.engine.connect() as connection:
        asked = "SELECT tableoid::regclass::text AS part, count(*), count(bytes) FROM body GROUP BY 1 ORDER BY 1"
        return {row.part: (row[1], row[2]) for row in connection.execute(text(asked))}


def tables_of(store):
    with store.engine.connect() as connection:
        asked = "SELECT relname FROM pg_class WHERE relname LIKE 'body%' AND relkind IN ('r', 'p') ORDER BY 1"
        return [*connection.execute(text(asked)).scalars()]


def everything(_message, _digest):
    return True


def test_a_message_s_bytes_lie_in_the_part_of_its_month(parted, desk, code):
    acks = desk.take(desk.filing(code))
    desk.clock.now = datetime(2026, 1, 31, 16, 59, 59, 999_000, tzinfo=UTC) - timedelta(seconds=1)
    acks += desk.take(desk.bad(body=b"<last/>"))  # takes a second
    desk.clock.now = datetime(2026, 1, 31, 17, tzinfo=UTC) - timedelta(seconds=1)
    acks += desk.take(desk.bad(body=b"<first/>"))
    desk.clock.now = datetime(2031, 7, 1, tzinfo=UTC)
    acks += desk.take(desk.bad(body=b"<late/>"))  # nobody has made a part for it
    with parted.begin() as tx:
        evidence = tx.keep(b"a revocation list")
    assert lying(parted) == {
        "body_2026_01": (4, 4), "body_2026_02": (2, 2), "body_past": (1, 1), "body_rest": (2, 2),
    }  # fmt: skip
    with parted.read() as view:
        for ack in acks:
            message = view.message(ack.message)
            assert view.body(message.id, message.digest) == view.envelope(message.id).body
            assert view.receipt(message.id) == ack.receipt
        assert view.evidence(evidence) == b"a revocation list"


def test_an_archived_month_leaves_with_its_part_and_what_the_archive_has_not_stays(parted, desk, code):
    kept, *gone = desk.take(desk.filing(code), desk.bad(body=b"<a/>"), desk.bad(body=b"<b/>" * 200_000))
    assert parted.take_out_part(JANUARY, lambda message, _: message != kept.message)
    assert lying(parted) == {"body_2026_01": (6, 2)}
    with parted.engine.connect() as connection:
        asked = text("SELECT owner, archive FROM body WHERE bytes IS NULL ORDER BY owner")
        assert connection.execute(asked).all() == [(ack.message, JANUARY) for ack in gone for _ in range(2)]
        dead, size = connection.execute(
            text(
                "SELECT n_dead_tup, pg_total_relation_size('body_2026_01') FROM pg_stat_user_tables WHERE relname = 'body_2026_01'"
            )
        ).one()
        assert (dead, size < 100_000) == (0, True)
    with parted.read() as view:
        assert view.receipt(kept.message) == kept.receipt
        assert view.envelope(kept.message) is not None
    assert not parted.take_out_part("2025-11", everything)  # has no part
    assert parted.take_out_part(JANUARY, everything)
    assert lying(parted) == {"body_2026_01": (6, 0)}
    assert [name for name in tables_of(parted) if "fresh" in name or "changed" in name] == []


def test_what_is_changed_while_a_part_is_made_anew_is_as_it_was_changed(parted, desk, code):
    """An erasure, an answer of later and a new message: each after its row was copied."""
    erased, answered = desk.take(desk.bad(body=b"<goes/>"), desk.filing(code))
    with parted.read() as view:
        digest = view.message(erased.message).digest
    done = []

    def holds(message, _):
        if not done:  # the page of rows was read already
            done.append(message)

            def meanwhile():
                with parted.begin() as tx:
                    tx.erase({erased.message: [digest]}, who="operator:x", reason="x", now=desk.clock.now)
                with parted.engine.begin() as connection:
                    connection.execute(
                        text("INSERT INTO body (owner, digest, bytes, kept, total) VALUES (:owner, 'd', 'late', 4, 4)"),
                        {"owner": answered.message},
                    )

            other = threading.Thread(target=meanwhile)
            other.start()
            other.join()
        return True

    assert parted.take_out_part(JANUARY, holds)
    with parted.engine.connect() as connection:
        row = connection.execute(
            text("SELECT bytes, kept, archive FROM body WHERE digest = :digest"), {"digest": digest}
        ).one()
        assert row == (None, -1, None)
        assert connection.execute(text("SELECT bytes, archive FROM body WHERE digest = 'd'")).one() == (b"late", None)
    with parted.read() as view:
        assert view.erased_at(erased.message, digest) == desk.clock.now


def test_a_picture_of_before_is_whole_and_the_part_waits_for_it(parted, desk, code, monkeypatch):
    """Who began to look before the change of places sees every body, also where it asks for them only afterwards."""
    monkeypatch.setattr(parts, "TRIES", 2)
    monkeypatch.setattr(parts, "AGAIN_S", 0.01)
    ack = desk.one(desk.filing(code))
    with parted.read() as view:
        with pytest.raises(Busy):
            parted.take_out_part(JANUARY, everything)
        assert view.receipt(ack.message) == ack.receipt
        other = desk.one(desk.progress(code, 2))  # and nobody else waits
        with parted.engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM body_2026_01_fresh")).scalar_one() == 0
    assert lying(parted) == {"body_2026_01": (4, 4)}
    assert parted.take_out_part(JANUARY, everything)
    assert lying(parted) == {"body_2026_01": (4, 0)}
    assert other.receipt


def test_a_comparison_with_the_log_sees_every_body_while_a_part_would_change_places(parted, desk, code, monkeypatch):
    monkeypatch.setattr(parts, "TRIES", 2)
    monkeypatch.setattr(parts, "AGAIN_S", 0.01)
    desk.one(desk.filing(code))
    tried = []

    @event.listens_for(parted.engine, "after_cursor_execute")
    def meanwhile(_connection, _cursor, statement, *_):
        if (
            not tried and "FROM message" in statement and "count" not in statement
        ):  # what is seen is settled, bodies are next
            tried.append(statement)
            with pytest.raises(Busy):
                parted.take_out_part(JANUARY, everything)

    assert compare_with_log(parted).differences == []
    assert tried


def test_where_it_breaks_off_nothing_is_left_that_an_erasure_would_not_find(parted, desk, code, monkeypatch):
    monkeypatch.setattr(parts, "PAGE", 1)
    desk.one(desk.filing(code))
    asked = []

    def gone(*which):
        asked.append(which)
        if len(asked) == 2:  # the first row is copied, with its bytes
            raise OSError("the archive's disk is gone")
        return False

    with pytest.raises(OSError, match="disk"):
        parted.take_out_part(JANUARY, gone)
    with parted.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM body_2026_01_fresh")).scalar_one() == 0
    assert lying(parted) == {"body_2026_01": (2, 2)}


def test_whoever_was_killed_at_it_left_nothing_that_stands_in_the_way(parted, desk, code):
    desk.one(desk.filing(code))
    with parted.engine.begin() as connection:
        own = parts._parts(connection)["body_2026_01"]
    parts._Renewal(parted.engine, own, JANUARY, everything).begin().copy()
    desk.one(desk.bad(body=b"<later/>"))
    assert parted.take_out_part(JANUARY, everything)
    assert lying(parted) == {"body_2026_01": (4, 0)}
    assert [name for name in tables_of(parted) if "fresh" in name or "changed" in name] == []


def test_of_two_who_make_a_part_anew_the_first_gives_up_and_no_row_is_lost(parted, desk, code, monkeypatch):
    """The second one's tables have the names of the first one's: nothing is put into them, in their place or out of them."""
    monkeypatch.setattr(parts, "PAGE", 1)
    desk.take(desk.filing(code), desk.bad(body=b"<other/>"))
    with parted.engine.begin() as connection:
        own = parts._parts(connection)["body_2026_01"]
    first, second = (parts._Renewal(parted.engine, own, JANUARY, lambda *_: False) for _ in range(2))
    first = first.begin()
    after = first._page(("", ""))
    second = second.begin()
    second_after = second._page(("", ""))
    for act in (lambda: first._page(after), first.change_places, first.forget):
        with pytest.raises(Conflict):
            act()
    while second_after is not None:
        second_after = second._page(second_after)
    second.change_places()
    for act in (lambda: first._page(after), first.change_places, first.forget):
        with pytest.raises(Conflict):
            act()
    assert lying(parted) == {"body_2026_01": (4, 4)}
    assert [name for name in tables_of(parted) if "fresh" in name or "changed" in name] == []


def test_an_erasure_that_has_not_ended_when_its_bytes_are_taken_out_by_rows_reaches_the_archive(parted, desk, code):
    ack = desk.one(desk.bad(body=b"<goes/>"))
    with parted.begin() as tx:
        digest = tx.message(ack.message).digest
        tx.put_archive(
            ArchiveRecord(
                name=JANUARY, digest="0" * 64, size=1, bodies=2, bytes=2, first_line=1, last_line=1, last_hash="0" * 64,
                made_at=desk.clock.now, manifest="",
            )
        )  # fmt: skip

    def take_out():
        with parted.begin() as other:
            other.archive_bodies(JANUARY, [ack.message], lambda _: True)

    def waits():
        with parted.engine.connect() as connection:
            asked = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return connection.execute(text(asked)).scalar_one()

    taking = threading.Thread(target=take_out)
    with parted.begin() as tx:
        tx.erase({ack.message: [digest]}, who="operator:x", reason="x", now=desk.clock.now)
        taking.start()
        assert eventually(waits)
    taking.join()
    with parted.read() as view:
        assert view.archives_to_rewrite() == [JANUARY]


def test_an_account_that_may_make_no_tables_takes_a_month_out_by_rows(parted, desk, code, opened):
    desk.one(desk.filing(code))
    with parted.engine.begin() as connection:
        for sentence in (
            "CREATE ROLE lienthong_small LOGIN",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO lienthong_small",
        ):
            connection.execute(text(sentence))
    try:
        small = Store(opened(parted.engine.url.set(username="lienthong_small").render_as_string(hide_password=False)))
        assert not small.take_out_part(JANUARY, everything)
        assert lying(small) == {"body_2026_01": (2, 2)}
        with pytest.raises(Unavailable):
            small.add_parts(datetime(2040, 1, 15, tzinfo=UTC))
    finally:
        small.engine.dispose()
        with parted.engine.begin() as connection:
            connection.execute(text("DROP OWNED BY lienthong_small"))
            connection.execute(text("DROP ROLE lienthong_small"))


def test_the_months_to_come_get_parts_and_those_that_are_there_keep_theirs(parted):
    november = datetime(2026, 11, 30, 17, tzinfo=UTC)  # December at home
    made = parted.add_parts(november)
    assert {*made} | {*tables_of(parted)} >= {
        *made,
        *map(parts.month_part, ("2026-12", "2027-01", "2027-02", "2027-03")),
    }
    assert parted.add_parts(november) == []
    with parted.engine.begin() as connection:
        connection.execute(text("INSERT INTO body VALUES ('20290315000000000-x', 'd', 'b', 1, 1)"))
    assert parted.add_parts(datetime(2029, 2, 1, tzinfo=UTC)) == ["2029-02", "2029-04", "2029-05"]
    assert lying(parted) == {"body_rest": (1, 1)}  # came before there was a part, and stays


def test_what_was_there_before_there_were_parts_is_one_that_goes_with_its_last_month(store, desk, code, as_before):
    """By rows until then; and the last month's bytes leave no dead row of theirs behind, nor those of the months before."""
    ack = desk.one(desk.filing(code))
    old = as_before(store, "0023")
    assert lying(old) == {"body_past": (2, 2)}
    with old.read() as view:
        assert view.receipt(ack.message) == ack.receipt
    with old.engine.begin() as connection:
        begins, _ = bounds_of(parts.month_of_id(parts._parts(connection)["body_past"].until))
    last = month_of(begins - timedelta(seconds=1))
    assert not old.take_out_part(JANUARY, everything)
    assert old.take_out_part(last, everything)
    assert lying(old) == {"body_past": (2, 0)}


def test_nobody_who_asks_for_a_message_s_bytes_meets_the_parts_of_other_months(parted, desk, code):
    """A question that names no message would be planned over each part there ever was: with every tray, in ten years over 120."""
    filed = desk.filing(code)
    ack = desk.one(filed)
    touched = text(
        "SELECT DISTINCT relation::regclass::text FROM pg_locks JOIN pg_class ON pg_class.oid = relation "
        "WHERE pid = pg_backend_pid() AND relkind = 'r' AND relname LIKE 'body_%'"
    )
    asks = {
        "body": lambda view: view.body(ack.message, filed.envelope.digest),
        "receipt": lambda view: view.receipt(ack.message),
        "envelope": lambda view: view.envelope(ack.message),
        "a repeat": lambda view: view.rehearse([filed]).claims,
        "letters": lambda view: view.letters_of(code, lambda _: LifeRules.of(None), of={"NopHoSo"}).letters[0].body,
        "stored": lambda view: view.stored_bodies([ack.message]),
        "keeps": lambda view: view.keeps(ack.message, filed.envelope.digest),
    }
    for name, ask in asks.items():
        with parted.read() as view:
            assert ask(view), name
            assert [*view._connection.execute(touched).scalars()] == ["body_2026_01"], name
    with parted.begin() as tx:
        tx.erase({ack.message: [filed.envelope.digest]}, who="operator:x", reason="x", now=desk.clock.now)
        assert [*tx._connection.execute(touched).scalars()] == ["body_2026_01"]


def test_a_copy_has_the_parts_that_it_would_have_had(parted, desk, code, empty_database_url, opened, tmp_path):
    desk.one(desk.filing(code))
    desk.clock.now = datetime(2026, 4, 5, tzinfo=UTC)
    desk.one(desk.bad(body=b"<april/>"))
    with parted.begin() as tx:
        tx.keep(b"a revocation list")
    target = CopyTarget(empty_database_url)
    with picture(parted.engine, tmp_path) as now:
        assert target.begin(now.head)
        for table in dump_tables():
            rows = [*now.rows(table)]
            if rows:
                tally = target.come_to(table)[1]
                target.put(table, rows, tally)
        assert target.finish(now.head).whole
    target.dispose()
    copied = Store(opened(empty_database_url))
    assert lying(copied) == {"body_2026_01": (2, 2), "body_2026_04": (2, 2), "body_past": (1, 1)}
