"""Whoever waits for what others commit is told soon, on every database, and again after a connection was lost."""

import threading

import pytest
from patience import PATIENCE_S, eventually
from sqlalchemy import text

from gateway.core.model import DeliveryState
from gateway.store import news as news_of
from gateway.store import open_engine


@pytest.fixture
def listening(store):
    """Listens at the store: gives an event that is set with every news, once the first look was told."""
    told = threading.Event()
    news = store.news(told.set)
    assert told.wait(PATIENCE_S)  # from now on nothing is missed
    told.clear()
    yield told
    news.close()


def test_a_message_for_somebody_who_waits_is_told_of(listening, desk, code):
    desk.one(desk.filing(code))
    assert listening.wait(PATIENCE_S)


def test_what_others_commit_is_told_of_too(listening, store, desk_at, code):
    engine = open_engine(store.engine.url.render_as_string(hide_password=False))
    other = desk_at(type(store)(engine))
    other.one(other.filing(code))
    engine.dispose()
    assert listening.wait(PATIENCE_S)


def test_what_a_person_queues_again_is_told_of(listening, store, desk, code):
    desk.one(desk.filing(code))
    with store.begin() as tx:
        (delivery,) = tx.claim_due("so-tu-phap", desk.clock.forward(seconds=1), 1, 60.0)
        tx._move(delivery, DeliveryState.DEAD, desk.clock.now)
    assert listening.wait(PATIENCE_S)
    assert eventually(lambda: not listening.clear() and not listening.wait(0.05))  # what was said before is over
    with store.begin() as tx:
        assert tx.replay([delivery.id], who="operator:lan", reason="sửa xong", now=desk.clock.now)
    assert listening.wait(PATIENCE_S)


def test_after_it_was_closed_nothing_is_told(store, desk, code):
    told = threading.Event()
    news = store.news(told.set)
    assert told.wait(PATIENCE_S)
    news.close()
    told.clear()
    desk.one(desk.filing(code))
    assert not told.is_set()
    assert not news._thread.is_alive()


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_connection_that_was_lost_is_made_anew(listening, store, desk, code, monkeypatch):
    monkeypatch.setattr(news_of, "_AGAIN_S", 0.01)
    with store.engine.begin() as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        assert connection.execute(text(ended)).scalars().all() == [True]
    assert listening.wait(PATIENCE_S)  # it listens again, and whoever waits looks for what was missed
    listening.clear()
    desk.one(desk.filing(code))
    assert listening.wait(PATIENCE_S)
