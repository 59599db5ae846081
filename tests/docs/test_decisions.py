"""The decision records: numbered, in one form, and naming tests that exist."""

import ast
import re
from pathlib import Path

import pytest
import sources

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def defined(file):
    """The test functions of a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in sources.nodes(file) if isinstance(node, kinds)}


def test_no_two_records_have_one_number():
    numbers = [record.name[:4] for record in RECORDS]
    assert len(numbers) > 10
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_says_what_why_at_what_cost_and_until_when(record):
    text = record.read_text("utf-8")
    assert text.startswith(f"# {record.name[:4]} ")
    for part in ("**What we faced.**", "**What we chose.**", "**What it costs.**", "**What would change it.**"):
        assert part in text


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_the_index_of_each_language_tells_of_every_record(lang):
    index = (ROOT / "docs" / lang / "decisions.md").read_text("utf-8")
    told = re.findall(r"^- \[(\d{4})\]\(\.\./decisions/\1-[\w-]+\.md\) \S.{30,}", index, re.MULTILINE)
    assert told == [record.name[:4] for record in RECORDS]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_the_tests_that_a_record_names_exist(record):
    text = record.read_text("utf-8")
    named = TEST.findall(text)
    assert len(named) == text.count("`tests/"), "a test is named as `tests/…/test_….py::test_…`"
    for path, function in named:
        assert function in defined(ROOT / path), f"{path}::{function}"
