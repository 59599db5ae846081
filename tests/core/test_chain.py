"""The chain of the log: what it binds, what it shows."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.chain import GENESIS, Flaw, Head, LogEntry, canonical_line, digest_of, link, plain, verify_chain

AT = datetime(2026, 1, 15, 8, 0, 0, 120, tzinfo=UTC)


def chain(*whats, start=GENESIS, **more):
    entries, head = [], start.hash
    for number, what in enumerate(whats, start.number + 1):
        entry = LogEntry(number=number, at=AT + timedelta(seconds=number), who="gateway", what=what, **more)
        head = link(head, entry)
        entries.append(replace(entry, hash=head))
    return entries


def test_the_canonical_bytes_are_written_down():
    entry = LogEntry(
        number=7, at=AT, who="operator:lan", what="delivery.skipped", message="m", facts={"b": 1, "a": ["ư"]}
    )
    assert (
        canonical_line(entry)
        == (
            '{"at":"2026-01-15T08:00:00.000120Z","facts":{"a":["ư"],"b":1},"form":1,"message":"m","number":7,'
            '"what":"delivery.skipped","who":"operator:lan"}'
        ).encode()
    )


def test_the_hash_is_sha256_over_the_hash_before_and_the_canonical_bytes():
    import hashlib

    entry = LogEntry(number=1, at=AT, who="gateway", what="x")
    assert link(GENESIS.hash, entry) == hashlib.sha256(bytes(32) + canonical_line(entry)).hexdigest()


def test_a_value_has_one_digest_whatever_the_order_of_its_keys():
    import hashlib

    assert digest_of({"b": 1, "a": ["ư"]}) == hashlib.sha256('{"a":["ư"],"b":1}'.encode()).hexdigest()


def test_an_instant_has_one_spelling():
    there = AT.astimezone(timezone(timedelta(hours=7)))
    assert canonical_line(LogEntry(number=1, at=there, who="a", what="b")) == canonical_line(
        LogEntry(number=1, at=AT, who="a", what="b")
    )
    whole = AT.replace(microsecond=0)
    assert b"08:00:00.000000Z" in canonical_line(LogEntry(number=1, at=whole, who="a", what="b"))


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        canonical_line(LogEntry(number=1, at=AT.replace(tzinfo=None), who="a", what="b"))


class Colour(StrEnum):
    RED = "red"


def test_plain_facts_are_what_json_gives_back():
    facts = {"list": ("a", 1, None), "set": frozenset({"b", "a"}), "enum": Colour.RED, "nested": {"x": [True]}}
    assert plain(facts) == {"list": ["a", 1, None], "set": ["a", "b"], "enum": "red", "nested": {"x": [True]}}
    assert type(plain(Colour.RED)) is str
    read_only = plain(MappingProxyType({Colour.RED: 1}))
    assert (read_only, type(read_only), [type(key) for key in read_only]) == ({"red": 1}, dict, [str])


@pytest.mark.parametrize("value", [0.5, 2**53, -(2**53), {1: "a"}, b"bytes", AT, object()])
def test_what_has_no_single_spelling_is_refused(value):
    with pytest.raises(ValueError, match="log entry"):
        plain({"x": value})


@pytest.mark.parametrize("value", [2**53 - 1, -(2**53) + 1, 1000, 0])
def test_every_integer_that_all_readers_of_json_agree_on_is_plain(value):
    assert plain({"x": value}) == {"x": value}


def test_facts_that_are_not_plain_are_refused_when_they_are_linked():
    with pytest.raises(ValueError, match="plain"):
        link(GENESIS.hash, LogEntry(number=1, at=AT, who="a", what="b", facts={"x": b""}))


def test_a_whole_chain_verifies_to_its_head():
    entries = chain("a", "b", "c")
    checked = verify_chain(entries)
    assert (checked.whole, checked.head) == (True, Head(3, entries[-1].hash))
    assert verify_chain([]).head == GENESIS


def test_a_chain_verifies_in_parts():
    entries = chain("a", "b", "c", "d")
    middle = verify_chain(entries[:2]).head
    assert verify_chain(entries[2:], start=middle).head == Head(4, entries[-1].hash)


@pytest.mark.parametrize(
    "change",
    [
        {"who": "operator:nam"},
        {"what": "x"},
        {"message": "other"},
        {"facts": {"x": 2}},
        {"facts": {"x": 0.5}},
        {"at": AT},
        {"hash": "0" * 64},
        {"hash": ""},
    ],
)
def test_a_changed_line_is_found(change):
    entries = chain("a", "b", "c", facts={"x": 1})
    entries[1] = replace(entries[1], **change)
    checked = verify_chain(entries)
    assert (checked.flaw, checked.number, checked.head.number) == (Flaw.CHANGED, 2, 1)


@pytest.mark.parametrize(("order", "number"), [([0, 2], 2), ([1, 0, 2], 1), ([0, 0, 1], 2), ([1, 2], 1)])
def test_a_missing_or_moved_line_is_found(order, number):
    entries = chain("a", "b", "c")
    checked = verify_chain([entries[i] for i in order])
    assert (checked.flaw, checked.number) == (Flaw.GAP, number)


def test_a_rewritten_log_is_whole_and_only_a_witness_can_tell():
    before, after = chain("a", "b", "c"), chain("a", "x", "c")
    assert verify_chain(after).whole
    checked = verify_chain(after, witnesses={2: before[1].hash})
    assert (checked.flaw, checked.number) == (Flaw.REWRITTEN, 2)
    assert verify_chain(before, witnesses={1: before[0].hash, 3: before[2].hash}).whole


def test_a_log_cut_at_its_end_is_whole_and_only_a_witness_can_tell():
    entries = chain("a", "b", "c")
    assert verify_chain(entries[:2]).whole
    checked = verify_chain(entries[:2], witnesses={3: entries[2].hash})
    assert (checked.flaw, checked.number, checked.head.number) == (Flaw.CUT, 3, 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), JSON, max_size=4))
def test_facts_that_went_through_json_keep_their_hash(facts):
    entry = LogEntry(number=1, at=AT, who="a", what="b", facts=facts)
    again = replace(entry, facts=json.loads(json.dumps(facts)))
    assert link(GENESIS.hash, entry) == link(GENESIS.hash, again)
