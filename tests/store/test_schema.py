"""Migrations, on every database."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import autogenerate, command
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from patience import PATIENCE_S
from sqlalchemy import inspect, text

from gateway.store import Conflict, SchemaMismatch, Store, schema_revision, tables, upgrade
from gateway.store.compare import compare_with_log
from gateway.store.errors import translated
from gateway.store.schema import config_of


def compare_metadata(connection, **opts):
    """What the database says otherwise than the tables; of ``body`` each part beside, and no reference (gateway/store/parts.py)."""

    def meant(thing, name, kind, reflected, _other):
        if connection.dialect.name != "postgresql":
            return True
        part = kind == "table" and reflected and name.startswith("body_")
        return not part and not (kind == "foreign_key_constraint" and thing.info.get("parted") is False)

    context = MigrationContext.configure(connection, opts={**opts, "include_object": meant})
    return autogenerate.compare_metadata(context, tables.metadata)


@pytest.fixture
def empty(empty_database_url, opened):
    return opened(empty_database_url)


def test_the_revision_of_the_tables_is_that_of_the_last_script():
    assert ScriptDirectory.from_config(config_of()).get_current_head() == tables.REVISION


def test_an_empty_database_is_upgraded_and_is_then_what_the_tables_say(empty):
    assert schema_revision(empty) is None
    assert upgrade(empty) == (None, tables.REVISION)
    assert schema_revision(empty) == tables.REVISION
    with empty.connect() as connection:
        assert compare_metadata(connection, compare_type=True, compare_server_default=True) == []


def test_a_database_of_every_earlier_revision_is_brought_on_with_what_it_holds(empty):
    """As somebody does who upgrades at each release: one script at a time, over rows that are there."""
    scripts = [*ScriptDirectory.from_config(config_of()).walk_revisions()][::-1]
    assert [script.revision for script in scripts] == [f"{number:04}" for number in range(1, len(scripts) + 1)]
    for script in scripts:
        with empty.begin() as connection:
            config = config_of()
            config.attributes["connection"] = connection
            command.upgrade(config, script.revision)
            assert script.revision == scripts[0].revision or kept(connection) == ["H19.901-260115-0001"]
            if script is scripts[0]:
                connection.execute(text("INSERT INTO dossier (ma_ho_so, trang_thai) VALUES ('H19.901-260115-0001', 4)"))
        assert schema_revision(empty) == script.revision
    with empty.connect() as connection:
        assert compare_metadata(connection) == []
    with Store(empty).read() as view:
        assert view.dossier("H19.901-260115-0001").trang_thai == 4


def test_the_indexes_that_hold_only_some_rows_are_those_that_the_tables_name(empty):
    """The tables say the condition, the migrations make it; neither alone is enough."""
    upgrade(empty)
    wanted = {
        index.name for table in tables.metadata.tables.values() for index in table.indexes if "where" in index.info
    }
    asked = {
        "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'",
        "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '% WHERE %'",
    }
    with empty.connect() as connection:
        assert set(connection.execute(text(asked[empty.dialect.name])).scalars()) == wanted
    assert len(wanted) > 5


def kept(connection):
    return [*connection.execute(text("SELECT ma_ho_so FROM dossier")).scalars()]


def test_the_indexes_and_checks_in_the_database_are_those_of_the_tables(empty):
    upgrade(empty)
    found = inspect(empty)
    for table in tables.metadata.tables.values():
        indexes = {(i["name"], tuple(i["column_names"])) for i in found.get_indexes(table.name)}
        unique = {(u["name"], tuple(u["column_names"])) for u in found.get_unique_constraints(table.name)}
        assert {(i.name, tuple(i.columns.keys())) for i in table.indexes} == indexes - unique
        checks = {c["name"] for c in found.get_check_constraints(table.name)}
        assert {c.name for c in table.constraints if type(c).__name__ == "CheckConstraint"} == checks
        keys = {f["name"] for f in found.get_foreign_keys(table.name)}
        wanted = {f for f in table.foreign_key_constraints if empty.dialect.name == "sqlite" or "parted" not in f.info}
        assert {f.name for f in wanted} == keys


def test_upgrading_again_changes_nothing(empty):
    upgrade(empty)
    assert upgrade(empty) == (tables.REVISION, tables.REVISION)


@pytest.mark.parametrize(
    ("database_url", "empty_database_url"),
    [("sqlite", "sqlite"), pytest.param("postgres", "postgres", marks=pytest.mark.postgres)],
    indirect=True,
)
def test_bodies_that_lay_by_their_digest_are_each_message_s_own(store, desk, desk_at, code, as_before, monkeypatch):
    """Also what two messages had in common, what none has, and what was erased."""
    monkeypatch.setattr("gateway.store.packing.LEAST", 2**40)  # so that the same bytes are kept as the same
    finding, erased = desk.filing(code), desk.bad(body=b"<goes/>")
    acks = desk.take(finding, desk.progress(code, 2), erased, desk.bad(body=b"<same/>"), desk.bad(body=b"<same/>"))
    with store.begin() as tx:
        evidence = tx.keep(b"a revocation list")
        gone = {erased.envelope.id: [erased.envelope.digest]}
        tx.erase(gone, who="operator:x", reason="x", now=desk.clock.now)
    with store.read() as view:
        before = [(body, view.body(*body)) for ack in acks for body in bodies_of(view.message(ack.message))]
    old = as_before(store, "0020")
    with old.read() as view:
        assert [(body, view.body(*body)) for body, _ in before] == before
        assert ({content for _, content in before} > {None, b"<same/>"}, view.evidence(evidence)) == (
            True,
            b"a revocation list",
        )
        assert view.erased_at(erased.envelope.id, erased.envelope.digest) == desk.clock.now
        assert view.by_ma_thong_diep("cong-dvc", finding.thong_diep.ma_thong_diep).id == finding.envelope.id
    with old.engine.connect() as connection:
        kept = [*connection.execute(text("SELECT owner, digest FROM body ORDER BY owner, digest"))]
        assert len(kept) == len({body for body, _ in before}) + 1
        assert "body_before" not in inspect(connection).get_table_names()
        assert compare_metadata(connection) == []
    assert compare_with_log(old).differences == []
    later = desk_at(old)
    later.clock.now = desk.clock.now
    again = later.one(later.bad(body=finding.envelope.body, ma=finding.thong_diep.ma_thong_diep))
    assert (again.repeated, again.message) == (True, finding.envelope.id)
    if old.engine.dialect.name == "sqlite":  # a message without its bytes is refused by the database itself
        with pytest.raises(Conflict), old.begin() as tx:
            tx._connection.execute(text("UPDATE message SET digest = 'x'"))


def bodies_of(message):
    """What a message names."""
    return [(message.id, digest) for digest in (message.digest, message.receipt) if digest is not None]


@pytest.mark.hostile
def test_of_several_upgrades_at_once_one_does_it_and_the_others_wait(empty_database_url, opened):
    said, together = [], threading.Barrier(4)

    def run(_):
        together.wait(PATIENCE_S)
        return upgrade(opened(empty_database_url, busy_timeout_s=0.05), lambda: said.append("waiting"))

    with ThreadPoolExecutor(4) as people:
        done = [*people.map(run, range(4))]
    assert sorted(done, key=str) == [*[(tables.REVISION, tables.REVISION)] * 3, (None, tables.REVISION)]
    assert 1 <= len(said) <= 3


def test_a_store_on_an_empty_database_says_what_to_do(empty):
    with pytest.raises(SchemaMismatch, match="lienthong db upgrade") as mismatch:
        Store(empty)
    assert (mismatch.value.found, mismatch.value.expected) == (None, tables.REVISION)


@pytest.mark.parametrize(("revision", "hint"), [("0000", "older"), ("9999", "newer")])
def test_a_store_refuses_another_revision(engine, revision, hint):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
    with pytest.raises(SchemaMismatch, match=hint):
        Store(engine)


def test_a_newer_database_is_not_touched(engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaMismatch, match="newer"):
        upgrade(engine)
    assert schema_revision(engine) == "9999"


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(empty):
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE verdict (x INTEGER)"))  # in the way
    with pytest.raises(Exception, match="already exists"):
        upgrade(empty)
    assert inspect(empty).get_table_names() == ["verdict"]


STATEMENTS = [
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "UPDATE {table} SET {column} = 'x' WHERE 1 = 1",
]


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize(
    ("table", "column"), [("log", "what"), ("verdict", "who"), ("change", "loai"), ("attempt", "kind")]
)
def test_what_was_written_once_is_never_changed_or_removed(desk, store, engine, code, statement, table, column):
    from gateway.core.effects import KetQua

    filed = desk.filing(code)
    desk.take(filed)
    desk.one(desk.acknowledgement(filed.thong_diep.ma_thong_diep, ket_qua=KetQua.CHAP_NHAN))  # makes an attempt
    with pytest.raises(Conflict, match="append-only"), translated(), engine.begin() as connection:
        connection.execute(text(statement.format(table=table, column=column)))


@pytest.mark.postgres
def test_the_log_is_not_emptied_either(postgres_url, opened):
    engine = opened(postgres_url)
    with pytest.raises(Conflict, match="append-only"), translated(), engine.begin() as connection:
        connection.execute(text("TRUNCATE log"))
