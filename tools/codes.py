"""Which test asserts each problem code, exactly: the table docs/en/codes.md.

    python tools/codes.py [CODE ...]

A code counts as asserted where a run of the suite fails unless exactly this code comes: in the side-car of a sample or in a
journey, whose problems are compared in full (tests/samples, tests/journeys); among the codes of an attack document, compared in
full too (tests/signing/test_attacks.py); or where it stands in a test as what something must equal, must contain or must be
found in. That is read from the syntax tree, so words in comments and docstrings do not count, nor do alternatives (``in ("A",
"B")``, ``or``), what must not be there (``!=``, ``not in``), a code that is only handed to a call, and a code that the test
itself put in (``Problem("A")``). Names are followed: the columns of a parametrisation, constants, loops, and the parameters of
helpers that assert them.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = ROOT / "tests"
SAMPLES: Final = ROOT / "samples"
CODE: Final = re.compile(r"(?<![\w-])[A-Z]{3}-\d{3}(?![\w-])")
ATTACKS_TEST: Final = "tests/signing/test_attacks.py::test_no_attack_on_a_signed_message_is_accepted"
DISPLAYS: Final = frozenset(
    {"sorted", "set", "frozenset", "list", "tuple", "dict", "Counter", "str", "enumerate", "zip"}
)
WORDS: Final = frozenset({"split", "items", "values", "keys", "encode"})  # methods of a literal that keep what is in it
NO_PROOF: Final = ("tests/docs/",)  # these compare pages with the catalogue

sys.path.insert(0, str(TESTS / "pki"))
from sources import walk  # noqa: E402 - of tests/pki; the path is set above


@dataclass(frozen=True, order=True)
class Proof:
    """One place that asserts a code."""

    rank: int  # the smaller, the plainer to read
    kind: str  # "sample", "journey", "test" or "attack"
    where: str
    what: str = ""  # of an attack, which

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}{f' ({self.what})' if self.what else ''}"


# --- samples and attacks ----------------------------------------------------------------------------------------------


def of_samples() -> Iterator[tuple[str, Proof]]:
    """Codes in side-cars and journeys."""
    for file in sorted(SAMPLES.rglob("*.toml")):
        folder = file.relative_to(SAMPLES).parts[0]
        kind = {"accepted": "sample", "rejected": "sample", "undetermined": "sample", "journeys": "journey"}.get(folder)
        if kind is None:
            continue
        own = file.name.startswith  # the sample that bears the code's name is the one to show
        for code in codes_of(tomllib.loads(file.read_text("utf-8"))):
            where = file.relative_to(ROOT).as_posix()
            yield code, Proof(0 if kind == "sample" and own(code) else 1 if kind == "sample" else 4, kind, where)


def codes_of(value: object) -> set[str]:
    """Values of the keys that name a code, at any depth."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("code", "codes", "problems", "notes"):
                found |= set(CODE.findall(str(inner)))
            found |= codes_of(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= codes_of(inner)
    return found


def of_attacks() -> Iterator[tuple[str, Proof]]:
    """Codes of attack documents, those first that a document is refused with alone."""
    sys.path.insert(0, str(TESTS / "signing"))
    import attacks  # noqa: PLC0415 - of tests/signing; the path is set above
    import paper  # noqa: PLC0415

    from signing.sign import Variant  # noqa: PLC0415

    for variant in (Variant(), Variant(xades=False), Variant(by_id=True)):
        seed = attacks.Seed(
            paper.signed(variant=variant), paper.key(), paper.key("so-xay-dung"), "http://127.0.0.1:9/bay"
        )
        for attack in attacks.attacks(seed):
            for code in attack.codes:
                yield code, Proof(3 if len(attack.codes) == 1 else 5, "attack", ATTACKS_TEST, attack.name)


# --- tests ------------------------------------------------------------------------------------------------------------

Bound = dict[str, list[ast.expr]]  # a name and what it may stand for
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Module:
    """A file of tests: its constants, its helpers, its tests."""

    path: str
    tree: ast.Module
    constants: Bound = field(default_factory=dict)
    helpers: dict[str, dict[str, int]] = field(default_factory=dict)  # name -> parameter that it asserts -> position


def read(file: Path) -> Module:
    """A file, its helpers included."""
    return understood(file.relative_to(ROOT).as_posix(), ast.parse(file.read_text("utf-8")))


def understood(path: str, tree: ast.Module) -> Module:
    """What a file's syntax says of its constants and helpers."""
    module = Module(path, tree)
    for node in module.tree.body:
        _bind_assignment(node, module.constants)
    for node in walk(module.tree):
        if isinstance(node, Function) and not node.name.startswith("test_"):
            asserted = {leaf.id for leaf in _leaves(_asserted_in(walk(node))) if isinstance(leaf, ast.Name)}
            names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
            given = names[1:] if names[:1] == ["self"] else names
            known = {name: place for place, name in enumerate(given) if name in asserted}
            known |= {arg.arg: -1 for arg in node.args.kwonlyargs if arg.arg in asserted}
            if known:
                module.helpers[node.name] = known
            for inner in node.body:  # a fixture that hands out a helper is called by the fixture's name
                if isinstance(inner, ast.Return | ast.Expr) and _handed_out(inner) in module.helpers:
                    module.helpers[node.name] = module.helpers[_handed_out(inner)]
    return module


def _handed_out(node: ast.stmt) -> str:
    value = node.value if isinstance(node, ast.Return | ast.Expr) else None
    if isinstance(value, ast.Yield):
        value = value.value
    return value.id if isinstance(value, ast.Name) else ""


def of_tests() -> Iterator[tuple[str, Proof]]:
    """Codes that a test asserts."""
    modules = [read(file) for file in sorted(TESTS.rglob("*.py"))]
    shared = {
        name: known for module in modules if "/test_" not in module.path for name, known in module.helpers.items()
    }
    for module in modules:
        if "/test_" not in module.path or module.path.startswith(NO_PROOF):
            continue
        helpers = shared | module.helpers
        for node in module.tree.body:
            if isinstance(node, Function) and node.name.startswith("test_") and not _idle(node):
                for code in sorted(proven(node, module.constants, helpers)):
                    yield code, Proof(2, "test", f"{module.path}::{node.name}")


def _idle(node: Function) -> bool:
    return any(re.search(r"mark\.(skip|xfail)\b", ast.unparse(mark)) for mark in node.decorator_list)


def proven(test: Function, constants: Bound, helpers: dict[str, dict[str, int]]) -> set[str]:
    """The codes that a test asserts, and has not put in itself."""
    bound = dict(constants)
    for mark in test.decorator_list:
        _bind_columns(mark, bound)
    nodes = walk(test)
    for node in nodes:
        _bind_assignment(node, bound)
        if isinstance(node, ast.For | ast.comprehension):
            _bind_rows(node.target, node.iter, bound)
    wanted = list(_asserted_in(nodes))
    put_in: set[str] = set()
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        for parameter, place in helpers.get(name, {}).items():
            wanted += [word.value for word in node.keywords if word.arg == parameter]
            wanted += [node.args[place]] if 0 <= place < len(node.args) else []
        if name == "Problem" and node.args:
            put_in |= set(_codes([node.args[0]], bound))
    return set(_codes(wanted, bound)) - put_in


def _asserted_in(nodes: Iterable[ast.AST]) -> Iterator[ast.expr]:
    for node in nodes:
        if isinstance(node, ast.Assert):
            yield from _asserted(node.test)
        elif isinstance(node, ast.Call) and _is_raises(node.func):
            yield from (word.value for word in node.keywords if word.arg == "match")
        elif isinstance(node, ast.Assign):
            yield from _the_only(node)


def _is_raises(called: ast.expr) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and called.attr == "raises"
        and isinstance(called.value, ast.Name)
        and called.value.id == "pytest"
    )


def _the_only(node: ast.Assign) -> Iterator[ast.expr]:
    """The comparisons in ``(problem,) = [p for p in … if p.code == "X"]``."""
    if isinstance(node.value, ast.ListComp) and isinstance(node.targets[0], ast.Tuple | ast.List):
        for test in node.value.generators[0].ifs:
            yield from _asserted(test)


def _asserted(test: ast.expr) -> Iterator[ast.expr]:
    """What must be there for the assertion to hold."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for value in test.values:
            yield from _asserted(value)
    elif isinstance(test, ast.Compare):
        sides = [test.left, *test.comparators]
        for left, operator, right in zip(sides, test.ops, sides[1:], strict=False):
            if isinstance(operator, ast.Eq):
                yield from (left, right)
                yield from _said_true(left, right)
            elif isinstance(operator, ast.LtE):
                yield left
            elif isinstance(operator, ast.GtE):
                yield right
            elif isinstance(operator, ast.In):
                yield left
                if isinstance(right, ast.Tuple | ast.List | ast.Set) and len(right.elts) == 1:
                    yield right.elts[0]
    elif isinstance(test, ast.Call):
        name = test.func.id if isinstance(test.func, ast.Name) else getattr(test.func, "attr", "")
        if name in ("startswith", "endswith") and not isinstance(test.args[0], ast.Tuple):
            yield test.args[0]
        elif name == "any" and isinstance(test.args[0], ast.GeneratorExp):
            yield from _asserted(test.args[0].elt)
        for given in test.args:
            if isinstance(given, ast.Lambda):  # what is waited for
                yield from _asserted(given.body)


def _said_true(left: ast.expr, right: ast.expr) -> Iterator[ast.expr]:
    """The comparisons in ``(a, "X" in b) == (1, True)``."""
    if isinstance(right, ast.IfExp):
        for one in (right.body, right.orelse):
            yield from _said_true(left, one)
    if isinstance(left, ast.Tuple) and isinstance(right, ast.Tuple) and len(left.elts) == len(right.elts):
        for one, other in zip(left.elts, right.elts, strict=True):
            if isinstance(other, ast.Constant) and other.value is True:
                yield from _asserted(one)


def _leaves(wanted: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """The literals and names in what is wanted; what is only handed to a call is none of it."""
    for one in wanted:
        inner: list[ast.expr] = []
        match one:
            case ast.Constant() | ast.Name():
                yield one
            case ast.Tuple(elts=inner) | ast.List(elts=inner) | ast.Set(elts=inner) | ast.JoinedStr(values=inner):
                pass
            case ast.Dict():
                inner = [*(key for key in one.keys if key is not None), *one.values]
            case ast.BinOp():
                inner = [one.left, one.right]
            case ast.IfExp():
                inner = [one.body, one.orelse]
            case ast.Starred() | ast.FormattedValue() | ast.Subscript():
                inner = [one.value]
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                inner = [one.elt]
            case ast.DictComp():
                inner = [one.key, one.value]
            case ast.Call(func=ast.Name(id=name)) if name in DISPLAYS:
                inner = one.args
            case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in WORDS:
                inner = [value]
            case ast.Call(func=ast.Attribute(attr="param")):  # pytest.param
                inner = one.args
        yield from _leaves(inner)


def _codes(wanted: Iterable[ast.expr], bound: Bound, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    for leaf in _leaves(wanted):
        if isinstance(leaf, ast.Constant):
            text = leaf.value.decode("utf-8", "replace") if isinstance(leaf.value, bytes) else leaf.value
            yield from CODE.findall(text) if isinstance(text, str) else ()
        elif isinstance(leaf, ast.Name) and leaf.id not in seen:
            yield from _codes(bound.get(leaf.id, []), bound, seen | {leaf.id})


def _bind_assignment(node: ast.AST, bound: Bound) -> None:
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        _bind(node.target, [node.value], bound)
    elif isinstance(node, ast.Assign):
        values = [node.value]
        if isinstance(node.value, ast.Subscript) and isinstance(node.value.value, ast.Name):  # a row of a table
            tables = bound.get(node.value.value.id, [])
            values = [row for table in tables if isinstance(table, ast.Dict) for row in table.values]
        for target in node.targets:
            _bind(target, values, bound)


def _bind(target: ast.expr, values: list[ast.expr], bound: Bound) -> None:
    """A target and the values it takes; tuples by position."""
    if isinstance(target, ast.Name):
        bound[target.id] = [*bound.get(target.id, []), *values]
    elif isinstance(target, ast.Tuple | ast.List):
        for place, part in enumerate(target.elts):
            _bind(part, [inner for value in values for inner in _part(value, place)], bound)


def _part(value: ast.expr, place: int) -> list[ast.expr]:
    if isinstance(value, ast.Call) and getattr(value.func, "attr", "") == "param":
        return value.args[place : place + 1]
    return value.elts[place : place + 1] if isinstance(value, ast.Tuple | ast.List) else []


def _bind_rows(target: ast.expr, rows: ast.expr, bound: Bound, seen: frozenset[str] = frozenset()) -> None:
    """A target and the rows that it runs over, through constants, ``.items()``, ``sorted()`` and the like."""
    if isinstance(rows, ast.Tuple | ast.List | ast.Set):
        flat = [inner.value if isinstance(inner, ast.Starred) else inner for inner in rows.elts]
        _bind(target, flat, bound)
        for inner in rows.elts:
            if isinstance(inner, ast.Starred):
                _bind_rows(target, inner.value, bound, seen)
    elif isinstance(rows, ast.Dict):
        _bind(
            target,
            [ast.Tuple([key, value], ast.Load()) for key, value in zip(rows.keys, rows.values, strict=True) if key],
            bound,
        )
    elif isinstance(rows, ast.Name) and rows.id not in seen:
        for value in bound.get(rows.id, []):
            _bind_rows(target, value, bound, seen | {rows.id})
    elif isinstance(rows, ast.Call):
        inner = rows.func.value if isinstance(rows.func, ast.Attribute) and rows.func.attr in WORDS else None
        for value in [inner] if inner is not None else rows.args if getattr(rows.func, "id", "") in DISPLAYS else []:
            _bind_rows(target, value, bound, seen)


def _bind_columns(mark: ast.expr, bound: Bound) -> None:
    """The columns of a pytest.mark.parametrize."""
    if not isinstance(mark, ast.Call) or not ast.unparse(mark.func).endswith("mark.parametrize"):
        return
    names, rows = mark.args[0], mark.args[1]
    if isinstance(names, ast.Constant) and isinstance(names.value, str):
        columns = [name.strip() for name in names.value.split(",")]
    else:
        columns = [name.value for name in getattr(names, "elts", []) if isinstance(name, ast.Constant)]
    targets: list[ast.expr] = [ast.Name(str(name)) for name in columns]
    for name in columns:
        bound.pop(str(name), None)  # a parameter hides a constant of the same name
    _bind_rows(targets[0] if len(targets) == 1 else ast.Tuple(targets, ast.Load()), rows, bound)


# --- the table --------------------------------------------------------------------------------------------------------


@cache
def proofs() -> dict[str, list[Proof]]:
    """Code -> every place that asserts exactly it, the plainest first."""
    found: dict[str, set[Proof]] = {}
    for source in (of_samples(), of_attacks(), of_tests()):
        for code, proof in source:
            found.setdefault(code, set()).add(proof)
    return {code: sorted(places) for code, places in sorted(found.items())}


def without(codes: Iterable[str]) -> list[str]:
    """Those of the codes that nothing asserts."""
    known = proofs()
    return [code for code in codes if code not in known]


def main(wanted: list[str]) -> int:
    """Prints every proof of the codes, and which of the catalogue's have none. Returns 1 where there are any."""
    from gateway.core.problems import catalogue  # noqa: PLC0415

    for code in wanted:
        print(code, *(f"  {proof}" for proof in proofs().get(code, ["nothing asserts it"])), sep="\n")
    missing = without(catalogue())
    print(f"{len(catalogue())} mã, {len(missing)} chưa có kiểm thử / codes, without a test:", *missing)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
