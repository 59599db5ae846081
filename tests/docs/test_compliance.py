"""The compliance table names every requirement once, and only tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLES = [ROOT / "docs" / lang / "compliance.md" for lang in ("vi", "en")]
each_language = pytest.mark.parametrize("table", TABLES, ids=["vi", "en"])


def rows(text):
    """(R number, article, what is done, tests) of each row of the table."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"R\d+", cells[0]):
            yield int(cells[0][1:]), cells[1], cells[2], re.findall(r"`(test_\w+)`", cells[3])


def existing():
    """The names of all tests there are."""
    files = (ROOT / "tests").rglob("test_*.py")
    return {
        name
        for file in files
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", file.read_text("utf-8"), re.MULTILINE)
    }


def missing(text):
    """Rows that name a test that is none."""
    known = existing()
    return [(number, test) for number, _, _, tests in rows(text) for test in tests if test not in known]


@each_language
def test_every_requirement_stands_once_and_in_order(table):
    assert [number for number, *_ in rows(table.read_text("utf-8"))] == list(range(1, 68))


def test_every_named_test_exists():
    assert missing(TABLES[0].read_text("utf-8")) == []


def test_both_languages_name_the_same_tests_and_articles():
    vietnamese, english = (
        [(number, article, tests) for number, article, _, tests in rows(table.read_text("utf-8"))] for table in TABLES
    )
    assert vietnamese == english


@each_language
def test_a_row_without_a_test_says_why_it_is_outside(table):
    bare = [(number, what) for number, _, what, tests in rows(table.read_text("utf-8")) if not tests]
    assert [number for number, what in bare if not re.search("Ngoài|Outside", what) and number != 43] == []


def test_an_invented_test_is_found_out():
    invented = "| R1 | 2 | x | `test_that_nobody_wrote` |"
    assert missing(invented) == [(1, "test_that_nobody_wrote")]
