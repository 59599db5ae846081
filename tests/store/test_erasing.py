"""Erasing: what goes from the tables, what nobody else may change, and what the database itself still keeps."""

from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.core.model import Attempt, AttemptOutcome, DeliveryState
from gateway.core.problems import Problem
from gateway.store import Conflict
from gateway.store.compare import compare_with_log
from gateway.store.errors import translated

AGENCY = "so-tu-phap"
MARKS = (b"THAN-THU-1188", b"TRA-LOI-2299", b"LOI-NOI-3300", b"SO-NHO-4411")


@pytest.fixture
def erased(desk, store, code):
    """A message with an answer, erased; gives its id and what its party remembered of the dossier before."""
    finding = desk.filing(code, body=b"<x>THAN-THU-1188</x>", problems=(Problem("AUT-017", {"name": "LOI-NOI-3300"}),))
    desk.one(finding)
    now = desk.clock.forward(seconds=1)
    with store.begin() as tx:
        (delivery,) = tx.claim_due(AGENCY, now, 1, 60.0)
        attempt = Attempt(
            delivery=delivery.id,
            number=0,
            kind="send",
            started_at=now,
            ended_at=now,
            outcome=AttemptOutcome.DELIVERED,
            receipt=b"TRA-LOI-2299",
            reference="TRA-LOI-2299",
        )
        assert tx.settle(delivery, attempt, DeliveryState.DELIVERED, remember={"so": "SO-NHO-4411"})
    with store.read() as view:
        receipt, remembered = view.message(finding.envelope.id).receipt, view.remembered(AGENCY, code)
    with store.begin() as tx:
        digests = {finding.envelope.id: [finding.envelope.digest, receipt]}
        assert tx.erase(digests, who="operator:lan", reason="hết hạn", now=now) == 2
        tx.forget(code)
    return finding.envelope.id, remembered


def test_words_are_taken_out_of_verdicts_tries_and_memory_and_codes_and_times_stay(erased, store, code):
    message, remembered = erased
    with store.read() as view:
        (verdict,) = view.verdicts(message)
        (delivery,) = view.deliveries(message=message)
        (attempt,) = view.attempts(delivery.id)
        (line,) = view.log(message=message, what="message.erased")
        assert ([p.code for p in verdict.problems], verdict.problems[0].facts) == (["AUT-017"], {})
        assert (attempt.outcome, attempt.receipt, attempt.reference) == (AttemptOutcome.DELIVERED, None, None)
        assert (remembered, view.remembered(AGENCY, code)) == ({"so": "SO-NHO-4411"}, {})
        assert (len(line.facts["digests"]), line.facts["reason"]) == (2, "hết hạn")
    assert compare_with_log(store).differences == []


def test_nothing_but_an_erasure_changes_what_was_only_ever_added(erased, store):
    for table, column in {"verdict": "who", "attempt": "kind", "change": "loai", "log": "who"}.items():
        with pytest.raises(Conflict), translated(), store.engine.begin() as connection:
            connection.execute(text(f"UPDATE {table} SET {column} = 'x'"))


@pytest.mark.hostile
def test_reading_the_log_holds_no_snapshot_between_its_pages(sqlite_store, desk_at):
    """An export that takes hours does not keep the journal from being emptied."""
    desk = desk_at(sqlite_store)
    desk.take(desk.filing("H19.901-260115-0001"), desk.filing("H19.901-260115-0002"))
    lines = sqlite_store.log_entries(page=1)
    first = next(lines)
    desk.one(desk.note())
    assert sqlite_store.clear_traces().journal is False
    assert [first.number, *(line.number for line in lines)] == [1, 2]  # to where the log stood when it began


def files_of(store):
    """What the database keeps on disk, its write-ahead log excepted where it is a server's."""
    if store.engine.dialect.name == "sqlite":
        yield from Path(store.engine.url.database).parent.glob(f"{Path(store.engine.url.database).name}*")
        return
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")
        folder = Path(connection.exec_driver_sql("SHOW data_directory").scalar())
        number = connection.exec_driver_sql("SELECT oid FROM pg_database WHERE datname = current_database()").scalar()
    if not folder.is_dir():  # LIENTHONG_TEST_POSTGRES_URL named one elsewhere; the suite's own cluster is here
        pytest.skip("the server keeps its files on another machine")
    yield from (folder / "base" / str(number)).iterdir()


@pytest.mark.threat("T-ERASED")
def test_tables_that_were_written_anew_hold_nothing_of_it(erased, store):
    traces = store.clear_traces(rewrite=True)
    assert (traces.kind, traces.journal, traces.rewritten) == (store.engine.dialect.name, False, True)
    held = {mark for file in files_of(store) for mark in MARKS if mark in file.read_bytes()}
    assert held == set()


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_on_postgresql_old_rows_are_there_until_the_tables_are_written_anew(erased, store):
    """What `erase` says there is true, so that nobody believes more."""
    assert store.clear_traces().rewritten is False
    assert any(mark in file.read_bytes() for file in files_of(store) for mark in MARKS)
