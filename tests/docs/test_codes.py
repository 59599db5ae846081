"""A code is a promise: each has a test that asserts exactly it, and what counts as that is not easily had."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

from gateway.core.problems import Lang, catalogue

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages():
    """tools/pages.py, which has read all tests once when it has made the page of codes."""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "tools" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["pages"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["pages"]


@pytest.fixture(scope="module")
def codes(pages):
    """tools/codes.py, as that page uses it."""
    return sys.modules[pages.proofs.__module__]


def test_every_code_has_a_test_that_asserts_exactly_it(codes):
    assert codes.without(catalogue()) == []


@pytest.mark.parametrize("lang", Lang)
def test_the_page_of_codes_is_current(pages, lang):
    on_disk = (ROOT / "docs" / lang / "codes.md").read_text("utf-8").splitlines()
    assert on_disk == pages.PAGES["codes.md"](lang).splitlines(), "run `make docs`"


def test_a_code_that_no_test_knows_is_found(codes):
    assert codes.without([*catalogue(), "SIG-" + "999"]) == ["SIG-" + "999"]


def found(codes, source):
    module = codes.understood("tests/x/test_x.py", ast.parse(source))
    (test,) = [node for node in module.tree.body if isinstance(node, ast.FunctionDef) and node.name == "test_x"]
    return codes.proven(test, module.constants, module.helpers)


@pytest.mark.parametrize(
    "source",
    [
        "def test_x(f): assert f() == ['AAA-001']",
        "def test_x(f): assert [p.code for p in f()] == ['AAA-001']",
        "def test_x(f): assert (f.status, f.codes) == (422, ['AAA-001'])",
        "def test_x(f): assert 'AAA-001' in f.out",
        "def test_x(f): assert (f.code, 'AAA-001' in f.out) == (1, True)",
        "def test_x(f): assert f.out.startswith('AAA-001 ')",
        "def test_x(f): assert {'AAA-001'} <= f()",
        "def test_x(f, good): assert f() == ([] if good else ['AAA-001'])",
        "def test_x(f):\n  (p,) = [p for p in f() if p.code == 'AAA-001']\n  assert p",
        "def test_x(f):\n  for a, code in (('b', 'AAA-001'), ('c', 'x')):\n    assert f(a) == [code]",
        "def test_x(f):\n  with pytest.raises(Stopped, match='AAA-001'): f()",
        "@pytest.mark.parametrize(('a', 'code'), [('b', 'AAA-001')])\ndef test_x(f, a, code): assert f(a) == [code]",
        "@pytest.mark.parametrize('a, code', [pytest.param('b', 'AAA-001')])\ndef test_x(f, a, code): assert f(a) == code",
        "TOLD = {'b': 'AAA-001'}\n@pytest.mark.parametrize(('a', 'code'), TOLD.items())\ndef test_x(f, a, code): assert f(a) == code",
        "TOLD = {'b': ('AAA-001', 1)}\ndef test_x(f, a):\n  code, n = TOLD[a]\n  assert f(a) == (code, n)",
        "def refused(body, code): assert f(body) == code\ndef test_x(): refused('a', 'AAA-001')",
    ],
)
def test_what_must_come_for_a_test_to_pass_is_asserted(codes, source):
    assert found(codes, source) == {"AAA-001"}


@pytest.mark.parametrize(
    "source",
    [
        "def test_x(f):\n  'AAA-001'\n  assert f()  # AAA-001",
        "def test_x(f): assert f('AAA-001')",
        "def test_x(f): assert f('AAA-001') == 1",
        "def test_x(f): assert f() != 'AAA-001'",
        "def test_x(f): assert 'AAA-001' not in f()",
        "def test_x(f): assert f() in ('AAA-001', 'AAA-002')",
        "def test_x(f): assert f() <= {'AAA-001'}",
        "def test_x(f): assert f() == 'AAA-001' or f() == 'AAA-002'",
        "def test_x(f): assert not f() == 'AAA-001'",
        "def test_x(f): assert all(p == 'AAA-001' for p in f())",
        "def test_x(f): assert (f.code, 'AAA-001' in f.out) == (1, False)",
        "def test_x(f): wanted = 'AAA-001'",
        "def test_x(f): assert f(Problem('AAA-001')) == 'AAA-001'",
        "@pytest.mark.parametrize('code', ['AAA-001'])\ndef test_x(f, code): assert f(code)",
        "@pytest.mark.parametrize(('a', 'code'), [('AAA-001', 'x')])\ndef test_x(f, a, code): assert f(a) == code",
    ],
)
def test_what_a_test_only_mentions_is_not(codes, source):
    assert found(codes, source) == set()
