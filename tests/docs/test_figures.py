"""The figures of a page are the same in both languages, in its prose and in its code."""

import re
from collections import Counter
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
GENERATED = "<!-- "  # made by one function for both: tools/pages.py
NAMES = [page.name for page in sorted((DOCS / "vi").glob("*.md")) if GENERATED not in page.read_text("utf-8")[:200]]
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r" *(?<![^\s])# .*")


def page(lang, name):
    return (DOCS / lang / name).read_text("utf-8")


def figures(text):
    """The digits of a text, however its language parts thousands and decimals: 3.700 and 3,700 are one."""
    return Counter(re.findall(r"\d+", re.sub(r"\]\([^)]*\)", "]", FENCED.sub("", text))))


def code(text):
    """The fenced blocks without their comments, which are in the language of the page."""
    return [COMMENT.sub("", block) for block in FENCED.findall(text)]


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_figures(name):
    assert figures(page("vi", name)) == figures(page("en", name))


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_code(name):
    assert code(page("vi", name)) == code(page("en", name))


def test_the_pages_with_figures_are_among_them():
    assert {"performance.md", "reliability.md", "operate.md", "threats.md", "vectors.md"} <= set(NAMES)
    assert figures(page("vi", "performance.md")).total() > 300


def test_another_figure_and_another_command_are_noticed():
    assert figures("| 3.700 µs | 12,5 |") == figures("| 3,700 µs | 12.5 |")
    assert figures("| 3.700 µs |") != figures("| 3,600 µs |")
    assert code("```sh\na b  # một\n```") == code("```sh\na b  # one\n```")
    assert code("```sh\na b\n```") != code("```sh\na c\n```")
