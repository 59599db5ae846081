"""The port of `work`: alive, ready or stuck, and the figures for an operator."""

import asyncio
import hashlib
import sqlite3
from dataclasses import replace

import aiohttp
import pytest

from gateway.core.problems import Stopped
from gateway.web.worker import WorkMetrics, WorkPort

TOKEN = "lt_op_0123456789abcdef"
OPERATORS = (hashlib.sha256(TOKEN.encode()).hexdigest(),)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def asked(gate, figures, *questions):
    """The answers of a port to addresses, or to functions that do something in between."""

    async def go():
        port = WorkPort(figures, lambda: gate, OPERATORS)
        await port.start("127.0.0.1", 0)
        answers = []
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port.port}") as session:
            for question in questions:
                if callable(question):
                    question()
                    continue
                address, _, token = question.partition(" ")
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                async with session.get(address, headers=headers) as answer:
                    answers.append((answer.status, await answer.read()))
        await port.stop()
        return answers

    return asyncio.run(go())


@pytest.fixture
def gated(bare_gate, sqlite_store):
    return replace(bare_gate, store=sqlite_store)


def test_a_loop_that_makes_no_turns_is_named(gated):
    clock = Clock()
    figures = WorkMetrics(clock)
    figures.begins("heads", 10.0)
    figures.begins("trust", 3600.0)

    def two_minutes_later():
        clock.now += 120

    def a_turn():
        figures.turned("heads", 10.0, "done")

    before, stuck, after, alive = asked(
        gated, figures, "/readyz", two_minutes_later, "/readyz", a_turn, "/readyz", "/healthz"
    )
    assert (before[0], after[0], alive[0]) == (200, 200, 200)
    assert stuck[0] == 503
    assert b'"failing": "loops"' in stuck[1]
    assert b'"stuck": ["heads"]' in stuck[1]


def test_a_turn_that_takes_hours_is_not_stuck_while_it_gets_on_and_prometheus_hears_the_same(gated):
    clock = Clock()
    figures = WorkMetrics(clock)
    figures.begins("reconcile", 60.0)
    figures.begins("archive", 3600.0)

    def ten_minutes_of_progress():
        for _ in range(10):
            clock.now += 60
            figures.progressed("reconcile")

    def hangs():
        clock.now += 241

    first, text, stuck, then = asked(
        gated, figures, ten_minutes_of_progress, "/readyz", f"/metrics {TOKEN}", hangs, "/readyz", f"/metrics {TOKEN}"
    )
    assert (first[0], stuck[0]) == (200, 503)
    assert b'lienthong_work_loop_stuck{loop="reconcile"} 0.0' in text[1]
    assert b'"stuck": ["reconcile"]' in stuck[1]
    assert b'lienthong_work_loop_stuck{loop="reconcile"} 1.0' in then[1]
    assert b'lienthong_work_loop_stuck{loop="archive"} 0.0' in then[1]


def test_without_its_database_it_is_alive_and_not_ready(gated, sqlite_url):
    breaker = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))

    def away():
        breaker.execute("ALTER TABLE counter RENAME TO counter_away")
        breaker.commit()

    ready, not_ready, figures, alive = asked(
        gated, WorkMetrics(), "/readyz", away, "/readyz", f"/metrics {TOKEN}", "/healthz"
    )
    breaker.close()
    assert (ready[0], not_ready[0], figures[0], alive[0]) == (200, 503, 503, 200)
    assert b'"failing": "database"' in not_ready[1]
    assert b"SYS-119" in figures[1]


def test_a_database_that_was_upgraded_beside_it_is_named(gated, sqlite_url):
    breaker = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    (before,) = breaker.execute("SELECT version_num FROM alembic_version").fetchone()

    def of(revision):
        def put():
            breaker.execute("UPDATE alembic_version SET version_num = ?", [revision])
            breaker.commit()

        return put

    ready, not_ready, again = asked(gated, WorkMetrics(), "/readyz", of("9999"), "/readyz", of(before), "/readyz")
    breaker.close()
    assert (ready[0], not_ready[0], again[0]) == (200, 503, 200)
    assert b'"failing": "schema"' in not_ready[1]


def test_figures_are_for_operators(gated):
    nobody, wrong, operator = asked(
        gated, WorkMetrics(), "/metrics", "/metrics TEST-ONLY-cong-dvc", f"/metrics {TOKEN}"
    )
    assert (nobody[0], wrong[0], operator[0]) == (401, 401, 200)
    assert b"AUT-101" in nobody[1]
    text = operator[1].decode()
    assert "lienthong_messages_held 0.0" in text
    assert 'lienthong_inbox_unread{party="cong-dvc"} 0.0' in text


def test_a_port_that_is_taken_is_a_sentence(gated):
    async def go():
        first, second = (WorkPort(WorkMetrics(), lambda: gated, ()) for _ in range(2))
        await first.start("127.0.0.1", 0)
        with pytest.raises(Stopped) as stop:
            await second.start("127.0.0.1", first.port)
        await first.stop()
        return [problem.code for problem in stop.value.problems]

    assert asyncio.run(go()) == ["SYS-032"]
