"""The table of threats and the suite agree: every row names tests that exist and run, every mark is in the table."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
VIETNAMESE = ROOT / "docs" / "vi" / "threats.md"
ENGLISH = ROOT / "docs" / "en" / "threats.md"

COLLECTOR = f"""
import json, sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(ROOT / "tests" / "pki")!r}]
import pytest
from test_threats import marked

class Notes:
    def pytest_collection_modifyitems(self, items):
        self.found = marked(items)

notes = Notes()
pytest.main(["--collect-only", "-q", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests"], plugins=[notes])
print("\\nCOLLECTED " + json.dumps(notes.found))
"""


def marked(items):
    """Test -> the threats it is marked with, and whether it never runs or is expected to fail."""
    found = {}
    for item in items:
        ids = [one for mark in item.iter_markers("threat") for one in mark.args]
        idle = any(item.iter_markers("skip")) or any(item.iter_markers("xfail"))
        row = found.setdefault(item.nodeid.split("[")[0], {"threats": [], "idle": True})
        row["threats"] = sorted({*row["threats"], *ids})
        row["idle"] = row["idle"] and idle
    return found


def rows(text):
    """Id -> tests named, in order of the table of threats."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if cells and re.fullmatch(r"T-[A-Z0-9-]+", cells[0].strip("| ")):
            found.append((cells[0].strip("| "), re.findall(r"`(tests/[^`]+)`", cells[-1])))
    return found


def misfits(text, collected):
    """What does not agree, as sentences that begin with the id."""
    table = rows(text)
    wrong = [] if table else ["the table is empty or cannot be read"]
    ids = [one for one, _ in table]
    wrong += [f"{one} stands twice" for one in sorted(set(ids)) if ids.count(one) > 1]
    for one, tests in table:
        if not tests:
            wrong.append(f"{one} names no test")
        for test in tests:
            name = test.split("[")[0]
            if name not in collected:
                wrong.append(f"{one} names {test}, which is not collected")
            elif collected[name]["idle"]:
                wrong.append(f"{one} names {test}, which never runs or is expected to fail")
    named = {one: {test.split("[")[0] for test in tests} for one, tests in table}
    for test, row in sorted(collected.items()):
        for one in row["threats"]:
            if one not in named:
                wrong.append(f"{one} is marked at {test} and is not in the table")
            elif test not in named[one]:
                wrong.append(f"{one} is marked at {test}, which its row does not name")
    return wrong


@pytest.fixture(scope="module")
def collected(request):
    """The whole suite: as this run has collected it, or, where this run is of a part, collected for the purpose."""
    items = request.session.items
    if {item.path for item in items} >= set((ROOT / "tests").rglob("test_*.py")):
        return marked(items)
    done = subprocess.run(
        [sys.executable, "-c", COLLECTOR], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("COLLECTED ")), None)
    assert line is not None, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(line.removeprefix("COLLECTED "))


def test_every_threat_has_a_test_that_exists_and_runs(collected):
    assert misfits(ENGLISH.read_text("utf-8"), collected) == []


def test_both_languages_have_the_same_rows():
    """Each id once, in the same order, with the same codes and the same tests."""
    vietnamese, english = VIETNAMESE.read_text("utf-8"), ENGLISH.read_text("utf-8")
    assert rows(vietnamese) == rows(english)
    codes = re.compile(r"\b(?:[A-Z]{3}-[0-9]+x*|[0-9]{3})\b")
    told, said = (
        {line.split(" | ")[0]: codes.findall(line) for line in text.splitlines() if line.startswith("| T-")}
        for text in (vietnamese, english)
    )
    assert told == said


def test_the_comparison_sees_the_whole_suite(collected):
    assert len(collected) > 500


def only(text, *more):
    return f"| Id | Threat | Test |\n|---|---|---|\n{text}\n" + "".join(more)


KNOWN = {
    "tests/a.py::test_a": {"threats": ["T-A"], "idle": False},
    "tests/a.py::test_idle": {"threats": [], "idle": True},
}


def test_a_row_with_an_invented_test_is_reported_and_nothing_else():
    text = only("| T-A | x | `tests/a.py::test_a` |", "| T-B | x | `tests/a.py::test_khong_co` |\n")
    assert misfits(text, KNOWN) == ["T-B names tests/a.py::test_khong_co, which is not collected"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the table is empty or cannot be read"),
        ("| T-A | x | – |", "T-A names no test"),
        ("| T-A | x | `tests/a.py::test_idle` |", "T-A names tests/a.py::test_idle, which never runs"),
        ("| T-A | x | `tests/a.py::test_a` |\n| T-A | y | `tests/a.py::test_a` |", "T-A stands twice"),
        ("| T-C | x | `tests/a.py::test_a` |", "T-A is marked at tests/a.py::test_a and is not in the table"),
        ("| T-A | x | `tests/a.py::test_b` |", "T-A is marked at tests/a.py::test_a, which its row does not name"),
    ],
)
def test_whatever_else_does_not_agree_is_reported(text, said):
    assert any(line.startswith(said) for line in misfits(only(text), KNOWN)), misfits(only(text), KNOWN)
