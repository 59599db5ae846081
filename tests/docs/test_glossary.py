"""The glossary knows the words of the envelope, of the payloads and of the house, in both languages."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest
import sources

from schemas import describe
from schemas.catalog import bundled

ROOT = Path(__file__).parents[2]


def rows(lang):
    """The rows of the tables of one language's page."""
    page = (ROOT / "docs" / lang / "glossary.md").read_text("utf-8")
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")
    ]


ROWS = {lang: rows(lang) for lang in ("vi", "en")}
each_language = pytest.mark.parametrize("lang", ROWS)


def words(lang):
    """The words in the first column."""
    return {word for row in ROWS[lang] for word in re.findall(r"`([A-Za-z0-9]+)`", row[0])}


@each_language
def test_every_domain_word_of_the_envelope_is_in_the_glossary(lang):
    assert {field.name for _, field in describe.envelope().walk() if field.name.isidentifier()} - words(lang) == set()


@each_language
def test_every_payload_is_in_the_glossary(lang):
    assert {kind.goc for kind in bundled().kinds()} - words(lang) == set()


def floor(file):
    """The floor a file belongs to: gateway.core, gateway.web, …; signing, schemas, connectors are one each."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] != "gateway" else ".".join(parts[:2])


def common_words():
    """Public classes that three or more other floors import."""
    at_home, used = {}, defaultdict(set)
    for file in sources.files():
        at_home |= {node.name: floor(file) for node in sources.parsed(file).body if isinstance(node, ast.ClassDef)}
        for node in sources.nodes(file):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    used[alias.name].add(floor(file))
    return {name for name, home in at_home.items() if len(used[name] - {home}) >= 3}


def test_every_word_that_three_floors_share_is_in_the_glossary():
    common = common_words()
    assert len(common) > 30  # so that an empty list proves something
    assert common - words("vi") == set()
    assert words("vi") == words("en")


@each_language
def test_every_row_says_what_its_word_means(lang):
    assert [row for row in ROWS[lang] if len(row) < 2 or not all(row)] == []


@each_language
def test_the_rules_that_problems_cite_are_written_down(lang):
    from gateway.core.problems import catalogue

    cited = {rule for entry in catalogue().values() for rule in re.findall(r"\bN[0-9]{1,2}\b", entry.source)}
    assert cited - {row[0] for row in ROWS[lang]} == set()
