"""The limits of documents, number by number: what a node has, may set, and reads its records by."""

from __future__ import annotations

from dataclasses import fields, replace

from gateway.core.limits import CEILING, DEFAULT_LIMITS, LONGEST_TEXT

LIMITS = {  # what a node has unless it says otherwise, and the least and most that it may say
    "body_bytes": (4_194_304, 1024, 134_217_728),
    "depth": (40, 8, 250),
    "elements": (20_000, 100, 500_000),
    "attributes": (32, 8, 1000),
    "namespaces": (64, 8, 256),
    "name_bytes": (131_072, 1024, 8_388_608),
    "text_bytes": (3_145_728, 1024, 10_000_000),
}


def test_every_limit_is_what_it_is_and_can_be_set_so_far() -> None:
    found = {
        f.name: (getattr(DEFAULT_LIMITS, f.name), f.metadata["at_least"], f.metadata["at_most"])
        for f in fields(DEFAULT_LIMITS)
    }
    assert found == LIMITS
    assert LONGEST_TEXT == 10_000_000


def test_records_are_read_by_the_most_that_any_node_can_have_set() -> None:
    assert {f.name: getattr(CEILING, f.name) for f in fields(CEILING)} == {
        name: most for name, (_, _, most) in LIMITS.items()
    }


def test_where_something_else_says_how_long_a_document_may_be_the_rest_stays() -> None:
    assert DEFAULT_LIMITS.for_bytes(500) == replace(DEFAULT_LIMITS, body_bytes=500, text_bytes=500)
