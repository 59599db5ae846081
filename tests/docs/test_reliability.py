"""docs/en/reliability.md: each row names the tests that show it, and `make hostile-host` runs them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _rows(lang):
    """The rows of the tables of what host and database may do."""
    text = (ROOT / "docs" / lang / "reliability.md").read_text("utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:3]
    return [line for part in sections for line in part.splitlines() if line.startswith("| ")]


def _is_hostile(marks):
    return "pytest.mark.hostile" in ast.unparse(marks)


def _hostile_tests(path):
    """The tests of a file that carry the mark."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    tests = {
        node.name: node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark" and _is_hostile(node.value):
            return set(tests)
    return {name for name, node in tests.items() if any(map(_is_hostile, node.decorator_list))}


@pytest.mark.parametrize("lang", ["en", "vi"])
def test_each_row_names_tests_that_the_command_for_an_unfriendly_host_runs(lang):
    rows = [row for row in _rows(lang) if not row.startswith("| ---")]
    heads = [row for row in rows if "`tests/" not in row]
    assert len(heads) == 2, heads  # of the two tables
    for row in rows:
        for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row):
            assert name in _hostile_tests(path) if name else _hostile_tests(path), (path, name)
