"""Nothing that is asked all the time grows with the years: stores of a few months and of some years, made by bench/years.py."""

import importlib.util
import sqlite3
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url

from gateway.console import agencies, causes, journal, messages, morning
from gateway.core import chain
from gateway.core.told import ToldNews
from gateway.store import Store, open_engine, upgrade, view
from gateway.store.compare import compare_with_log

BENCH = Path(__file__).parents[2] / "bench" / "years.py"


@pytest.fixture(scope="module")
def years():
    before = list(sys.path)
    found = importlib.util.spec_from_file_location("years_bench", BENCH)
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    yield module
    sys.path[:] = before


#: A list by code, narrowed by a time that no index of its order knows: 75 ms at a million messages, and more at more.
GROWS = {"trang / page: Hồ sơ, từ hôm qua"}


@pytest.fixture(autouse=True)
def few_lines(monkeypatch):
    """What is newer than the digests that are put together is looked through; that a store of hundreds has more than one page."""
    monkeypatch.setattr("gateway.store.digests.LINES", 64)


@pytest.fixture
def small_bounds(monkeypatch):
    """How far back pages look and count, made small: what stops at ten thousand stops at ten in a store of hundreds."""
    bounds = ((messages, ("LOOKED", "MOST", "PAGE")), (morning, ("MOST",)), (journal, ("LOOKED",)), (causes, ("LOOKED",)),
              (agencies, ("LOOKED", "TRIES")), (view, ("LOOKED_BEHIND",)))  # fmt: skip
    for module, names in bounds:
        for name in names:
            monkeypatch.setattr(module, name, 10)


def schema(engine):
    """Tables with their indexes and triggers, in the order in which SQLite looks at them."""
    asked = "SELECT tbl_name, type, name, sql FROM sqlite_schema ORDER BY tbl_name, type, rowid"
    with engine.connect() as connection:
        return connection.exec_driver_sql(asked).all()


@pytest.mark.usefixtures("small_bounds")
def test_what_is_asked_all_the_time_takes_as_many_steps_after_fourteen_months_as_after_three(years, tmp_path):
    """Steps of SQLite's machine, in hundreds: whatever reads what is old takes five times as many. The console's pages too."""
    taken = {}
    for months in (3, 14):
        made = years.make(f"sqlite:///{tmp_path}/{months}.db", months=months, dossiers=8, held=4, running=5)
        steps = years.Steps(made.store)
        asked = years.questions(made) | years.pages(made, tmp_path)
        taken[months] = {name: steps.of(ask) for name, ask in asked.items()}
        if months == 3:
            assert chain.verify_chain(made.store.log_entries()).whole
            found = compare_with_log(made.store)
            assert (found.differences, found.rows["message"]) == ([], made.messages)
            fresh = open_engine(f"sqlite:///{tmp_path}/fresh.db")
            upgrade(fresh)
            assert schema(made.store.engine) == schema(fresh)
            with made.store.engine.connect() as connection:
                assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
                assert connection.exec_driver_sql("PRAGMA integrity_check").all() == [("ok",)]
            fresh.dispose()
        made.store.dispose()
    grown = {
        name: (few, taken[14][name])
        for name, few in taken[3].items()
        if taken[14][name] > 1.2 * few + 3 and name not in GROWS
    }
    assert grown == {}, taken
    assert sum(taken[14].values()) > 100, "nothing was counted"


#: Lines of the log are found by halving: two probes more, of an index page or two each and a row, where four times as many stand.
HALVING = 16


@pytest.mark.postgres
def test_what_is_asked_all_the_time_reads_as_many_pages_of_postgresql_after_fourteen_months_as_after_three(
    years, postgres, postgres_template
):
    """Small tables are read whole and large ones are not: without that choice, PostgreSQL goes about a year as about a hundred."""
    taken = {}
    for months in (3, 14):
        # A new one: those that are lent have been emptied, and in what rows have left behind a plan costs otherwise.
        name = postgres.create(postgres_template)
        try:
            url = make_url(postgres.url(name)).update_query_dict({"options": "-c enable_seqscan=off"}, append=True)
            made = years.make(url.render_as_string(hide_password=False), months=months, dossiers=12, held=4, running=5)
            pages = years.Pages(made.store)
            taken[months] = {question: pages.of(ask) for question, ask in years.questions(made).items()}
            made.store.dispose()
        finally:
            postgres.drop(name)
    grown = {name: (few, taken[14][name]) for name, few in taken[3].items() if taken[14][name] > 1.2 * few + HALVING}
    assert grown == {}, taken
    assert sum(taken[14].values()) > 100, "nothing was counted"


#: What PostgreSQL reads whole as soon as it thinks that dear pages by an index cost more; with these it thinks so of few as well.
READS_WHOLE = {
    "report of the newest month": "-c enable_nestloop=off -c enable_seqscan=off -c enable_memoize=off",
    "trang / page: Thông điệp, một bên nhận": "",
    "trang / page: Thông điệp, đoạn văn bản": "",
    "trang / page: Thông điệp, đoạn văn bản không có": "",
}


@pytest.mark.postgres
def test_postgresql_goes_by_index_where_it_would_rather_read_all_dossiers_deliveries_or_verdicts(
    years, postgres, postgres_template, monkeypatch, tmp_path
):
    """Reports and searches take what the month and the messages looked at come to, and no list of all there ever was."""
    monkeypatch.setattr(messages, "LOOKED", 200)
    taken = {}
    for months in (20, 80):
        name = postgres.create(postgres_template)
        try:
            made = years.make(postgres.url(name), months=months, dossiers=12, held=4, running=5)
            taken[months] = {}
            for question, options in READS_WHOLE.items():
                url = make_url(postgres.url(name)).update_query_dict({"options": options}, append=True)
                store = Store(open_engine(url.render_as_string(hide_password=False)))
                asked = replace(made, store=store)
                ask = (years.questions(asked) | years.pages(asked, tmp_path))[question]
                taken[months][question] = years.Pages(store).of(ask)
                store.dispose()
            made.store.dispose()
        finally:
            postgres.drop(name)
    grown = {name: (few, taken[80][name]) for name, few in taken[20].items() if taken[80][name] > 1.2 * few + HALVING}
    assert grown == {}, taken
    assert min(taken[80].values()) > 100, "nothing was counted"


@pytest.mark.parametrize("many", [20, 200])
def test_a_party_that_was_told_everything_is_not_looked_at_and_one_that_was_not_is_found(years, tmp_path, many):
    made = years.make(f"sqlite:///{tmp_path}/{many}.db", months=1, dossiers=many, held=1, running=1)
    store, steps = made.store, years.Steps(made.store)
    agency, code = years.AGENCY, f"{years.CODES[years.AGENCY]}-{years.TOKEN}000003"

    def behind() -> list[str]:
        with store.read() as view:
            return [told.ma_ho_so for told in view.told_behind(agency)]

    def tell(**news: object) -> None:
        with store.begin() as tx:
            tx.tell(agency, code, ToldNews(**news), made.now, delivery="d")

    assert (behind(), steps.of(behind)) == ([], 0)
    clerk = years.Clerk(store, years.TOKEN, made.now, written=10**6)
    clerk.take([clerk._finding(code, years.PORTAL, "HS21", years.Notes(what="danh-gia"))])
    assert behind() == [code]
    tell(change=years.LIFE + 1, sent="x")  # it left, and was not taken
    assert behind() == [code]
    tell(change=years.LIFE + 1, taken="x", settled=True)
    assert (behind(), steps.of(behind)) == ([], 0)
    tell(refused=("y",))
    assert behind() == [code]
    tell(taken="y")
    assert behind() == []
    store.dispose()


def test_files_that_lie_in_archives_are_not_looked_at_by_those_who_look_for_one_in_its_folder(years, tmp_path):
    """That one in its folder is found: tests/web/test_files.py."""
    made = years.make(f"sqlite:///{tmp_path}/files.db", months=10, dossiers=40, held=1, running=1)
    store, steps = made.store, years.Steps(made.store)
    with store.read() as view:
        assert len(view.files_in_archive("2016-01")) == len(view.files_in_archive("2016-10")) == 5

    def found() -> list[object]:
        with store.read() as view:
            return [*view.files_left_behind(made.now, None, 10), *view.files_unscanned()]

    assert (found(), steps.of(found)) == ([], 0)
    store.dispose()


def test_a_sweep_looks_once_at_files_that_accepted_messages_name(years, tmp_path):
    """What goes when its message is erased: tests/web/test_files.py."""
    made = years.make(f"sqlite:///{tmp_path}/files.db", months=10, dossiers=40, held=1, running=1)
    store, steps = made.store, years.Steps(made.store)
    named = "INSERT INTO file_use SELECT message.id, file.digest, false FROM file JOIN message USING (digest)"
    with sqlite3.connect(f"{tmp_path}/files.db") as base:
        assert base.execute(named).rowcount == 50
    base.close()

    def due() -> list[str]:
        with store.read() as view:
            return view.files_due(made.now)

    before = steps.of(due)
    with store.begin() as tx:
        assert tx.put_off_files(made.now, made.now + timedelta(days=365)) == 50
        assert tx.put_off_files(made.now, made.now + timedelta(days=365)) == 0
    assert (due(), steps.of(due)) == ([], 0)
    assert before > 0
    store.dispose()
