"""Columns mean the same on every database."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from gateway.core.chain import LogEntry, canonical_line, plain
from gateway.store.errors import Unstorable, translated
from gateway.store.types import Json, Serial, UtcDateTime, Vnd, encode_sorted

METADATA = MetaData()
THINGS = Table(
    "things",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", UtcDateTime),
    Column("json", Json),
    Column("vnd", Vnd),
    Column("big", Serial, autoincrement=False),
)


@pytest.fixture
def keep(engine):
    """Puts a value in and gives what comes out."""
    METADATA.create_all(engine)

    def there_and_back(**value):
        (name,) = value
        with engine.begin() as connection:
            connection.execute(THINGS.delete())
            connection.execute(insert(THINGS), value)
            return connection.execute(select(THINGS.c[name])).scalar_one()

    return there_and_back


def test_an_instant_comes_back_aware_and_in_utc(keep):
    at = datetime(2026, 1, 15, 15, 0, 0, 123456, tzinfo=timezone(timedelta(hours=7)))
    back = keep(at=at)
    assert (back, back.tzinfo) == (at, UTC)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones()))
def test_any_instant_comes_back_to_the_microsecond(keep, at):
    assert keep(at=at) == at.astimezone(UTC)


@pytest.mark.parametrize("at", [datetime(2026, 1, 15), datetime(2026, 1, 15, 23, 59, 59, 999999)])
def test_a_time_without_a_zone_is_refused(keep, at):
    with pytest.raises(Unstorable, match="zone"), translated():
        keep(at=at)


def test_instants_sort_as_time_does_whatever_their_zone(engine):
    METADATA.create_all(engine)
    base = datetime(2026, 1, 15, tzinfo=UTC)
    zones = [timezone(timedelta(hours=h)) for h in (-11, 0, 7, 14)]
    times = [(base + timedelta(hours=h, microseconds=h)).astimezone(zones[h % 4]) for h in range(12)]
    with engine.begin() as connection:
        connection.execute(insert(THINGS), [{"at": at} for at in reversed(times)])
        assert connection.execute(select(THINGS.c.at).order_by(THINGS.c.at)).scalars().all() == times
        later = select(THINGS.c.at).where(THINGS.c.at > times[5]).order_by(THINGS.c.at)
        assert connection.execute(later).scalars().all() == times[6:]


@pytest.mark.parametrize(
    "value", [None, {}, [], {"a": [1, None, True, "ư", {"b": 0.5}]}, "text", 2**60, {"nul": "\x00"}]
)
def test_json_comes_back_as_it_was(keep, value):
    assert keep(json=value) == value


@pytest.mark.parametrize("amount", ["0", "150000", "0.0001", "-5", "922337203685477.5807"])
def test_money_comes_back_exactly(keep, amount):
    assert keep(vnd=Decimal(amount)) == Decimal(amount)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_a_number_of_64_bits_comes_back(keep, number):
    assert keep(big=number) == number


def test_a_number_beyond_64_bits_is_refused(keep):
    with pytest.raises(Unstorable), translated():
        keep(big=2**63)


PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(facts=st.dictionaries(st.text(), PLAIN_VALUES, max_size=5), message=st.none() | st.text())
def test_the_store_hashes_a_line_of_the_log_as_whoever_checks_an_export(facts, message):
    entry = LogEntry(number=1, at=datetime.now(UTC), who="gateway", what="x", message=message, facts=plain(facts))
    assert canonical_line(entry, encode_sorted) == canonical_line(entry)
