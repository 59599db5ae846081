"""docs/*/mutants.md: what the tests of the core notice, and why they need not notice the rest."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def mutants():
    """tools/mutants.py."""
    spec = importlib.util.spec_from_file_location("mutants_tool", ROOT / "tools" / "mutants.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants_tool"] = module
    spec.loader.exec_module(module)
    return module


def test_every_reason_is_for_a_mutant_that_there_is(mutants):
    assert mutants.stale(mutants.reasons()) == []


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_the_page_lists_every_survivor_with_its_reason(mutants, lang):
    page = mutants.PAGES[lang].read_text("utf-8")
    assert page.endswith("\n".join(["", *mutants.listed(lang)]))
    for kinds in mutants.reasons().values():
        assert set(kinds) <= {"equivalent", "alive"}
        assert all(reason.strip() for names in kinds.values() for reason in names.values())


def test_modules_and_the_tests_meant_for_them_are_there(mutants):
    named = {*mutants.MEANT, *(test for tests in mutants.MEANT.values() for test in tests)}
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_no_module_of_the_core_is_left_out(mutants):
    """A new one has tests meant for it, or nothing in it that could be changed."""
    core = [file.relative_to(ROOT).as_posix() for file in (ROOT / "gateway" / "core").rglob("*.py")]
    forgotten = [
        file for file in sorted(core) if file not in mutants.MEANT and mutants.mutants(file, mutants.parsed(file))
    ]
    assert forgotten == []


def names(mutants, source):
    return {one.name for one in mutants.mutants("x.py", ast.parse(source))}


def test_mutants_are_named_by_where_they_are_and_what_they_do(mutants):
    assert names(
        mutants,
        "class A:\n    def f(self, n=1):\n        if n >= 2 and self.x:\n            self.y = -n\n        return n",
    ) == {
        "A.f: n=1 → n=2",
        "A.f: n >= 2 and self.x → n >= 2 or self.x",
        "A.f: n >= 2 and self.x → not (n >= 2 and self.x)",
        "A.f: n >= 2 and self.x → n > 2 and self.x",
        "A.f: n >= 2 and self.x → n < 2 and self.x",
        "A.f: n >= 2 and self.x → n >= 3 and self.x",
        "A.f: self.y = -n → self.y = n",
        "A.f: self.y = -n → –",
        "A.f: return n → return None",
    }
    assert names(mutants, 'T = {1: f(), "a": g()}') == {
        *("module: T = {1: f(), 'a': g()} → T = {2: f(), 'a': g()}", "module: T: 1 → –", "module: T: 'a' → –"),
    }
    assert (
        names(mutants, '"""Text."""\nX: int | None = None\n@d(1)\ndef f(x: int = "a") -> "b | c":\n    assert x > 1\n')
        == set()
    )


def test_a_mutant_that_lives_without_a_reason_fails_the_run(mutants, tmp_path):
    """The tool really changes what runs: every mutant of a small module is killed by its tests."""
    done = subprocess.run(
        [
            sys.executable,
            "tools/mutants.py",
            "--module",
            "core/addresses",
            "--verbose",
            "--last",
            tmp_path / "last.json",
        ],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert "| `gateway/core/addresses.py` | 5 | 5 | 0 | 0 | 100.0 % |" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count(": killed: ") == 5
    assert (done.returncode, done.stderr) == (0, "")
