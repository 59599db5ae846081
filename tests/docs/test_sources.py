"""A source leads somewhere: to a law, a standard, or a page that is in this repository."""

import re
from pathlib import Path

import pytest

from gateway.core.lifecycle import MOVES
from gateway.core.problems import catalogue
from schemas.rules import RULES

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = re.compile(r"(domain|architecture|threats)(\.md)? (§|section|[NR][0-9])|\bissue [0-9]", re.IGNORECASE)


def sources():
    yield from ((code, entry.source) for code, entry in catalogue().items())
    yield from ((rule.name, rule.source) for rule in RULES)
    yield from ((f"{state}→{move.to}", move.source) for state, moves in MOVES.items() for move in moves)


def test_no_source_names_a_paper_that_its_reader_does_not_have():
    assert [(name, source) for name, source in sources() if NOWHERE.search(source)] == []


def stored(page):
    """Where a page named docs/x.md lies: in both languages; records and data once."""
    if "/decisions/" in page or page.endswith(".toml"):
        return [page]
    return [page.replace("docs/", "docs/vi/"), page.replace("docs/", "docs/en/")]


def test_every_page_that_a_source_names_is_there():
    named = {page for _, source in sources() for page in re.findall(r"docs/[a-z/0-9.-]*[a-z0-9]", source)}
    found = {page: all(any(ROOT.glob(f"{one}*")) for one in stored(page)) for page in named}
    assert [page for page, there in found.items() if not there] == []
    assert named


PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "decisions"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_names_a_paper_that_its_reader_does_not_have(page):
    assert NOWHERE.findall(page.read_text("utf-8")) == []
