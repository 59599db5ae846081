"""The glossary knows the words of the envelope and of the payloads, in both languages."""

import re
from pathlib import Path

from schemas import describe
from schemas.catalog import bundled

GLOSSARY = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in GLOSSARY.splitlines() if line.startswith("| ")
]


def words():
    """The words in the first column."""
    return {word for row in ROWS for word in re.findall(r"`([A-Za-z0-9]+)`", row[0])}


def test_every_domain_word_of_the_envelope_is_in_the_glossary():
    assert {field.name for _, field in describe.envelope().walk() if field.name.isidentifier()} - words() == set()


def test_every_payload_is_in_the_glossary():
    assert {kind.goc for kind in bundled().kinds()} - words() == set()


def test_every_row_says_it_in_both_languages():
    assert [row for row in ROWS if len(row) < 3 or not all(row[:3])] == []


def test_the_rules_that_problems_cite_are_written_down():
    from gateway.core.problems import catalogue

    cited = {rule for entry in catalogue().values() for rule in re.findall(r"\bN[0-9]{1,2}\b", entry.source)}
    assert cited - {row[0] for row in ROWS} == set()
