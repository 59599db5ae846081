"""What the tests of a module notice when it is changed in one place: mutants of gateway/core and signing/structure.py.

    python tools/mutants.py [--module lifecycle] [--sample 40 --seed 1 --least 85] [--write]

Each mutant is one change: a comparison turned round or moved by one, ``and`` for ``or``, a number one higher, a condition
negated, a statement left out, nothing returned. The tests meant for a module (MEANT) run once as they are, and it is noted
which of them reach which line. Then, for each mutant, the warm process forks, one function gets the changed code, and the
tests that reach the line run until one fails: the mutant is killed. One that fails no test survives, and must stand with a
reason in tools/mutants.toml; a reason whose mutant is gone, or is killed, is an error. What stands outside functions (tables,
defaults) is changed before the module is imported, in a process of its own. Nothing depends on chance: property tests draw the
same examples each time, and a mutant that runs for ever is ended by the processor time it uses.

Not mutated: texts, annotations, decorators, assertions (they speak to the type checker). ``--write`` writes docs/vi/mutants.md
and docs/en/mutants.md.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib
import importlib.abc
import importlib.util
import json
import os
import re
import resource
import select
import signal
import sys
import time
import tomllib
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
REASONS: Final = ROOT / "tools" / "mutants.toml"
SHOWN: Final = sys.stdout
LAST: Final = ROOT / ".mutants.json"  # how each ended last time: file -> name -> how
IN_VIETNAMESE: Final = ROOT / "tools" / "mutants.vi.toml"
PAGES: Final = {lang: ROOT / "docs" / lang / "mutants.md" for lang in ("vi", "en")}
EXAMPLES: Final = 25  # of each property test
SLOWER: Final = 10  # a mutant may use so many times the processor time of the tests it meets
PATIENCE_S: Final = 120.0  # for one that sleeps
CODE: Final = re.compile(r"[A-Z]{3}-\d{3}")

CORE: Final = "gateway/core"
MEANT: Final[dict[str, tuple[str, ...]]] = {  # module -> the tests meant for it
    f"{CORE}/lifecycle.py": ("tests/core/test_lifecycle.py", "tests/core/test_payments.py"),
    f"{CORE}/deadlines.py": (
        "tests/core/test_deadlines.py",
        "tests/core/test_statistics.py",
        "tests/core/test_milestones.py",
    ),
    f"{CORE}/ledger.py": ("tests/core/test_ledger.py", "tests/core/test_service_rules.py"),
    f"{CORE}/orders.py": ("tests/core/test_orders.py",),
    f"{CORE}/clocks.py": ("tests/core/test_clocks.py",),
    f"{CORE}/rights.py": ("tests/core/test_access.py",),
    f"{CORE}/access.py": ("tests/core/test_access.py", "tests/core/test_ledger.py", "tests/core/test_service_rules.py"),
    f"{CORE}/steps.py": ("tests/core/test_steps.py",),
    f"{CORE}/values.py": ("tests/core/test_values.py",),
    f"{CORE}/routing.py": ("tests/core/test_routing.py", "tests/core/test_ledger.py"),
    "signing/structure.py": ("tests/signing/test_structure.py",),
    f"{CORE}/problems/__init__.py": ("tests/core/test_problems.py", "tests/core/test_os_words.py"),
    f"{CORE}/statistics.py": ("tests/core/test_statistics.py",),
    f"{CORE}/patience.py": ("tests/core/test_patience.py",),
    f"{CORE}/parties.py": ("tests/core/test_parties.py", "tests/core/test_told.py"),
    f"{CORE}/chain.py": ("tests/core/test_chain.py",),
    f"{CORE}/effects.py": ("tests/core/test_effects.py",),
    f"{CORE}/reconcile.py": ("tests/core/test_reconcile.py",),
    f"{CORE}/alerts.py": ("tests/core/test_alerts.py",),
    f"{CORE}/catalogues.py": ("tests/core/test_catalogues.py",),
    f"{CORE}/date_forms.py": ("tests/core/test_date_forms.py",),
    f"{CORE}/model.py": ("tests/core/test_model.py",),
    f"{CORE}/batches.py": ("tests/core/test_batches.py",),
    f"{CORE}/stored_files.py": ("tests/core/test_files.py",),
    f"{CORE}/notices.py": ("tests/core/test_notices.py",),
    f"{CORE}/unknown.py": ("tests/core/test_problems.py",),
    f"{CORE}/addresses.py": ("tests/core/test_addresses.py",),
    f"{CORE}/os_words.py": ("tests/core/test_os_words.py",),
    f"{CORE}/written.py": ("tests/cli/test_written.py",),
    f"{CORE}/limits.py": ("tests/core/test_limits.py",),
    f"{CORE}/allowances.py": ("tests/core/test_allowances.py",),
    f"{CORE}/allowed.py": ("tests/core/test_parties.py",),
    f"{CORE}/operators.py": ("tests/core/test_operators.py",),
    f"{CORE}/told.py": ("tests/core/test_told.py",),
    f"{CORE}/milestones.py": ("tests/core/test_milestones.py",),
    f"{CORE}/code_shapes.py": ("tests/core/test_service_rules.py",),
    f"{CORE}/known_services.py": ("tests/core/test_service_rules.py",),
    f"{CORE}/service_rules.py": ("tests/core/test_service_rules.py",),
    f"{CORE}/service_terms.py": ("tests/core/test_service_rules.py",),
    f"{CORE}/severity.py": ("tests/core/test_service_rules.py",),
}


# --- making mutants ---------------------------------------------------------------------------------------------------

Place = tuple[ast.AST, str, int | None]  # parent, field, index in a list


@dataclass
class Mutant:
    """One change of a module."""

    module: str  # its file
    where: str  # the outermost function, or the class, it lies in; empty: neither
    inside: bool  # in the body of that function
    line: int
    lines: range
    operator: str
    before: str
    after: str
    place: Place = field(repr=False)
    new: ast.AST = field(repr=False)
    number: int = 1  # which, of several that read alike

    @property
    def name(self) -> str:
        """What names it in the list of reasons: where it is and what it does, without a line number."""
        again = f" #{self.number}" if self.number > 1 else ""
        return f"{self.where or 'module'}: {self.before} → {self.after}{again}"


def replaced(place: Place, new: ast.AST) -> ast.AST:
    """Puts a node into a place; gives what stood there."""
    parent, name, index = place
    old: ast.AST
    if index is None:
        old = getattr(parent, name)
        setattr(parent, name, new)
    else:
        old = getattr(parent, name)[index]
        getattr(parent, name)[index] = new
    return old


def mutants(file: str, tree: ast.Module) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    found: list[Mutant] = []
    seen: dict[tuple[str, str, str], int] = {}
    for steps, place in _walk(tree):
        node = steps[-1]
        for operator, new in (
            *_variants(node, steps[-2] if len(steps) > 1 else tree, place[1]),
            *_rows_left_out(steps),
        ):
            shown, of = _shown(steps), _parameter(place)
            where, inside = _where(steps)
            if operator.startswith("row "):
                before, after = f"{_table(steps)}: {_short(operator[4:])}", "–"
            else:
                before = of + _text(shown)
                old = replaced(place, new)
                after = of + _text(new if shown is old else shown)
                replaced(place, old)
            number = seen[where, before, after] = seen.get((where, before, after), 0) + 1
            line = getattr(node, "lineno", 0)
            lines = range(_statement(steps).lineno if isinstance(node, ast.stmt) else line, _end(node) + 1)
            found.append(Mutant(file, where, inside, line, lines, operator, before, after, place, new, number))
    return sorted(found, key=lambda one: one.line)


def _parameter(place: Place) -> str:
    """Of a default: whose."""
    given, name, index = place
    if not isinstance(given, ast.arguments) or index is None:
        return ""
    if name == "kw_defaults":
        return f"{given.kwonlyargs[index].arg}="
    return f"{[*given.posonlyargs, *given.args][index - len(given.defaults)].arg}="


def _end(node: ast.AST) -> int:
    if isinstance(node, ast.If | ast.While):
        node = node.test
    return getattr(node, "end_lineno", None) or getattr(node, "lineno", 0)


SKIPPED: Final = frozenset({"annotation", "returns", "decorator_list", "type_params"})


def _walk(tree: ast.Module) -> Iterator[tuple[list[ast.AST], Place]]:
    def inner(node: ast.AST, steps: list[ast.AST]) -> Iterator[tuple[list[ast.AST], Place]]:
        for name, value in ast.iter_fields(node):
            if name in SKIPPED or isinstance(node, ast.Assert):
                continue
            if isinstance(node, ast.Call) and name == "args" and _asks_type(node):
                continue
            children = enumerate(value) if isinstance(value, list) else [(None, value)]
            for index, child in children:
                if isinstance(child, ast.AST):
                    here = [*steps, child]
                    yield here, (node, name, index)
                    yield from inner(child, here)

    yield from inner(tree, [])


def _asks_type(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass", "TypeVar", "NewType")


def _where(steps: Sequence[ast.AST]) -> tuple[str, bool]:
    """The qualified name of the outermost function around a node, or of the class, and whether it is in its body."""
    names: list[str] = []
    for step, after in pairwise([*steps, None]):
        if isinstance(step, ast.ClassDef):
            names.append(step.name)
        elif isinstance(step, ast.FunctionDef | ast.AsyncFunctionDef):
            return ".".join([*names, step.name]), after is None or after in step.body
    return ".".join(names), False


def _statement(steps: Sequence[ast.AST]) -> Any:
    return next((step for step in reversed(steps) if isinstance(step, ast.stmt)), steps[0])


def _shown(steps: Sequence[ast.AST]) -> ast.AST:
    """The largest piece of code around a node that is still quickly read."""
    shown = steps[-1]
    for step in reversed(steps[:-1]):
        if isinstance(step, ast.comprehension | ast.Slice | ast.match_case | ast.arguments):
            continue
        if not isinstance(step, SHOWN_WHOLE):
            break
        if len(ast.unparse(step)) > 100:
            break
        shown = step
    return shown


SHOWN_WHOLE: Final = (
    *(ast.expr, ast.keyword, ast.Return, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Raise, ast.Expr),
)


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Pass):
        return "–"
    if isinstance(node, ast.expr_context | ast.operator | ast.cmpop | ast.boolop | ast.unaryop):
        return type(node).__name__
    return _short(" ".join(ast.unparse(node).split()))


def _short(text: str) -> str:
    return text if len(text) <= 140 else text[:100] + " … " + text[-37:]


def _table(steps: Sequence[ast.AST]) -> str:
    """The name of a table, and the key of the row that a place lies in."""
    names: list[str] = []
    for step, after in pairwise(steps):
        if isinstance(step, ast.Assign | ast.AnnAssign):
            names.append(ast.unparse(step.targets[0] if isinstance(step, ast.Assign) else step.target))
        elif isinstance(step, ast.Dict) and after in step.values:
            key = step.keys[step.values.index(after)]
            names.append("**" if key is None else ast.unparse(key))
    return "/".join(names) or "table"


COMPARED: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
COUNTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


def _variants(node: ast.AST, parent: ast.AST, name: str) -> Iterator[tuple[str, ast.AST]]:
    """What stands in a node's stead, one after the other."""
    match node:
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                for other in COMPARED[type(operator)]:
                    ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                    yield "comparison", _like(node, ast.Compare(node.left, ops, node.comparators))
        case ast.BoolOp():
            other_op: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "and/or", _like(node, ast.BoolOp(other_op, node.values))
        case ast.UnaryOp(op=ast.Not()):
            yield "not", node.operand
        case ast.UnaryOp(op=ast.USub()):
            yield "arithmetic", node.operand
        case ast.BinOp() if type(node.op) in COUNTED and not _names_types(node):
            yield "arithmetic", _like(node, ast.BinOp(node.left, COUNTED[type(node.op)](), node.right))
        case ast.Constant(value=bool()):
            yield "constant", _like(node, ast.Constant(not node.value))
        case ast.Constant(value=int() | float()):
            yield "constant", _like(node, ast.Constant(node.value + 1))
        case ast.Constant(value=str()) if CODE.fullmatch(node.value):
            yield "constant", _like(node, ast.Constant("SYS-999"))
    if name in ("test", "ifs") and isinstance(parent, ast.If | ast.While | ast.IfExp | ast.comprehension):
        plain = isinstance(node, ast.UnaryOp | ast.Constant) or (isinstance(node, ast.Compare) and len(node.ops) == 1)
        if isinstance(node, ast.expr) and not plain:
            yield "condition", _like(node, ast.UnaryOp(ast.Not(), node))
    if isinstance(node, ast.stmt):
        yield from _left_out(node)


def _left_out(node: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield "return", _like(node, ast.Return(_like(node, ast.Constant(None))))
        case ast.Return(value=None) | ast.Continue() | ast.Break() | ast.Raise() | ast.Delete():
            yield "statement", _like(node, ast.Pass())
        case ast.Expr(value=value) if not isinstance(value, ast.Constant):
            yield "statement", _like(node, ast.Pass())
        case ast.AugAssign():
            yield "statement", _like(node, ast.Pass())
            if type(node.op) in COUNTED:
                yield "arithmetic", _like(node, ast.AugAssign(node.target, COUNTED[type(node.op)](), node.value))
        case ast.Assign(targets=[target]) if _outlives(target):
            yield "statement", _like(node, ast.Pass())


def _rows_left_out(steps: Sequence[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """A table outside functions without one of its rows."""
    node = steps[-1]
    if _where(steps)[1]:
        return
    if isinstance(node, ast.Tuple) and len(node.elts) > 1:
        for index, row in enumerate(node.elts):
            if isinstance(row, ast.Call | ast.Starred):
                rest = [*node.elts[:index], *node.elts[index + 1 :]]
                yield f"row {ast.unparse(row)}", _like(node, ast.Tuple(rest, ast.Load()))
    elif isinstance(node, ast.Dict) and len(node.keys) > 1 and not all(map(_is_text, node.values)):
        for index, key in enumerate(node.keys):
            keys = [*node.keys[:index], *node.keys[index + 1 :]]
            values = [*node.values[:index], *node.values[index + 1 :]]
            name = ast.unparse(key) if key is not None else f"**{ast.unparse(node.values[index])}"
            yield f"row {name}", _like(node, ast.Dict(keys, values))


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(map(_is_text, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _outlives(target: ast.expr) -> bool:
    """An attribute or an entry that is set; a name that is not set is an error at once, and shows nothing."""
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    return all(isinstance(part, ast.Attribute | ast.Subscript) for part in parts)


def _names_types(node: ast.BinOp) -> bool:
    """``A | B`` of types."""
    leaves = [leaf for leaf in ast.walk(node) if isinstance(leaf, ast.Name | ast.Constant)]
    return isinstance(node.op, ast.BitOr) and any(
        leaf.value is None
        if isinstance(leaf, ast.Constant)
        else leaf.id in TYPES or re.fullmatch("[A-Z]+[a-z]+.*", leaf.id)
        for leaf in leaves
    )


TYPES: Final = frozenset({"str", "int", "float", "bytes", "bool"})


def _like(old: ast.AST, new: ast.AST) -> ast.AST:
    return ast.fix_missing_locations(ast.copy_location(new, old))


def parsed(file: str) -> ast.Module:
    """A module's tree."""
    return ast.parse((ROOT / file).read_text("utf-8"))


# --- putting one into a module ----------------------------------------------------------------------------------------


def module_name(file: str) -> str:
    """The name by which a file is imported."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def swap(tree: ast.Module, mutant: Mutant) -> None:
    """Gives the function of an imported module the changed code."""
    replaced(mutant.place, mutant.new)
    code = _code(compile(tree, str(ROOT / mutant.module), "exec"), mutant.where)
    owner: Any = sys.modules[module_name(mutant.module)]
    for part in mutant.where.split("."):
        owner = owner.__dict__[part] if isinstance(owner, type) else getattr(owner, part)
    for inner in ("fget", "func", "__func__", "__wrapped__"):
        owner = getattr(owner, inner, None) or owner
    owner.__code__ = code


def _code(module: types.CodeType, function: str) -> types.CodeType:
    waiting = [module]
    while waiting:
        for inner in waiting.pop().co_consts:
            if isinstance(inner, types.CodeType):
                if inner.co_qualname == function:
                    return inner
                waiting.append(inner)
    raise LookupError(function)


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from another tree."""

    def __init__(self, name: str, file: Path, tree: ast.Module) -> None:
        self.name, self.file, self.tree = name, file, tree

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        del path, target  # the name says it all
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(
            fullname,
            self.file,
            loader=self,
            submodule_search_locations=[str(self.file.parent)] if self.file.name == "__init__.py" else None,
        )

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self.tree, str(self.file), "exec"), module.__dict__)

    def get_resource_reader(self, fullname: str) -> Any:
        from importlib.readers import FileReader  # noqa: PLC0415

        del fullname  # there is one
        return FileReader(types.SimpleNamespace(path=str(self.file)))


# --- running tests ----------------------------------------------------------------------------------------------------

NO_REASON: Final = "no reason: "
KILLED, SURVIVED, UNREACHED, ENDLESS = "killed", "survived", "not reached", "killed by time"
OPTIONS: Final = (
    "--noconftest",  # no test here needs a database
    "--assert=plain",  # nobody reads why
    "--tb=no",
    "-q",
    "-p",
    "no:cacheprovider",
    "--no-header",
    "--no-summary",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)

NO_SERVER: Final = ("-m", "not postgres")


class Warm:
    """A pytest plugin: runs the collected tests once, then a piece of them for each mutant, each in a fork."""

    def __init__(
        self, file: str, tree: ast.Module, chosen: Sequence[Mutant], jobs: int, told: Callable[..., None]
    ) -> None:
        self.file, self.tree, self.chosen, self.jobs, self.told = file, tree, chosen, jobs, told
        self.broken: list[str] = []
        self.collected = False
        self.early: list[Mutant] = []  # what runs already when the module is imported: a fork would come too late
        self.imported: set[int] = set()
        self.watch = _watched(str(ROOT / file), self.imported)

    def pytest_collection(self) -> None:
        self.watch.__enter__()

    def pytest_runtestloop(self, session: Any) -> bool:
        self.watch.__exit__()
        self.collected = not session.testsfailed and bool(session.items)
        if not self.collected:
            return True
        reached: dict[Any, set[int]] = {}
        took: dict[Any, float] = {}
        for item, after in pairwise([*session.items, None]):
            _draw_the_same(item)
            lines: set[int] = set()
            before = time.process_time()
            with _watched(str(ROOT / self.file), lines):
                if not _passes(item, after):
                    self.broken.append(item.nodeid)
            took[item], reached[item] = time.process_time() - before, lines
        if self.broken:
            return True
        work: list[tuple[Mutant, Callable[[], bool], float]] = []
        for mutant in self.chosen:
            if self.imported.intersection(mutant.lines):
                self.early.append(mutant)
                continue
            items = [item for item in session.items if reached[item].intersection(mutant.lines)]
            items.sort(key=lambda item: took[item])
            if not items:
                self.told(mutant, UNREACHED)
                continue
            work.append((mutant, self._trial(mutant, items), sum(took[item] for item in items)))
        _in_forks(work, self.jobs, self.told)
        return True

    def _trial(self, mutant: Mutant, items: list[Any]) -> Callable[[], bool]:
        def run() -> bool:
            swap(self.tree, mutant)
            for made in vars(sys.modules[module_name(mutant.module)]).values():  # what was kept of earlier answers
                getattr(made, "cache_clear", lambda: None)()
            return all(_passes(item, after) for item, after in pairwise([*items, None]))

        return run


def _passes(item: Any, after: Any) -> bool:
    from _pytest.runner import runtestprotocol  # noqa: PLC0415

    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=after))


def _draw_the_same(item: Any) -> None:
    test = getattr(item.obj, "__func__", item.obj)
    if getattr(test, "is_hypothesis_test", False):
        from hypothesis import HealthCheck, Phase, settings  # noqa: PLC0415

        test._hypothesis_internal_use_settings = settings(  # noqa: SLF001 - what its decorator sets; a mutant needs fewer
            derandomize=True,
            database=None,
            deadline=None,
            max_examples=EXAMPLES,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )


class _watched:  # noqa: N801 - reads as what it does
    """Notes the lines of a file that run."""

    def __init__(self, file: str, lines: set[int]) -> None:
        self.file, self.lines = file, lines

    def __enter__(self) -> None:
        sys.settrace(self._call)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: types.FrameType, event: str, arg: object) -> Any:
        del event, arg
        if frame.f_code.co_filename != self.file:
            return None
        self.lines.add(frame.f_lineno)
        return self._line

    def _line(self, frame: types.FrameType, event: str, arg: object) -> Any:
        del event, arg
        self.lines.add(frame.f_lineno)
        return self._line


def _in_forks(
    work: Sequence[tuple[Mutant, Callable[[], bool], float]], jobs: int, told: Callable[[Mutant, str], None]
) -> None:
    """Each trial in a process of its own, a few at a time. True: every test passed."""
    waiting, running = list(reversed(work)), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant, trial, took = waiting.pop()
            sys.stdout.flush()
            pid = os.fork()
            if pid == 0:
                _child(trial, took)
            running[os.pidfd_open(pid)] = (pid, mutant, time.monotonic() + PATIENCE_S)
        ready, _, _ = select.select(list(running), [], [], 1.0)
        for handle in list(running):
            pid, mutant, end = running[handle]
            if handle not in ready:
                if time.monotonic() < end:
                    continue
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            os.close(handle)
            del running[handle]
            if os.WIFSIGNALED(status):
                told(mutant, ENDLESS)
            else:
                told(mutant, SURVIVED if os.WEXITSTATUS(status) == 0 else KILLED)


def _child(trial: Callable[[], bool], took: float) -> None:
    """Runs a trial and ends the process: 0 survived, 1 killed; by a signal where it used too much time."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        seconds = int(took * SLOWER) + 5
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        code = 0 if trial() else 1
    except BaseException:  # noqa: BLE001 - a mutant may raise what it likes; it is noticed
        code = 1
    finally:
        os._exit(code)


def outside(
    file: str, tree: ast.Module, chosen: Sequence[Mutant], jobs: int, told: Callable[..., None]
) -> list[Mutant]:
    """Mutants of what stands outside functions: each in a process that has not imported the module yet."""
    import pytest  # noqa: PLC0415

    def trial(mutant: Mutant | None) -> Callable[[], bool]:
        def run() -> bool:
            if mutant is not None:
                replaced(mutant.place, mutant.new)
            sys.meta_path.insert(0, Changed(module_name(file), ROOT / file, tree))

            class Same:
                @staticmethod
                def pytest_collection_modifyitems(items: list[Any]) -> None:
                    for item in items:
                        _draw_the_same(item)

            return pytest.main(["-x", *OPTIONS, *NO_SERVER, *MEANT[file]], plugins=[Same()]) == 0

        return run

    _in_forks([(mutant, trial(mutant), 3.0) for mutant in chosen], jobs, told)
    return []


def inside(file: str, tree: ast.Module, chosen: Sequence[Mutant], jobs: int, told: Callable[..., None]) -> list[Mutant]:
    """Mutants in functions; those are given back that must be changed before the import. Raises SystemExit where the tests
    fail without any.
    """
    import pytest  # noqa: PLC0415

    warm = Warm(file, tree, [mutant for mutant in chosen if mutant.inside], jobs, told)
    pytest.main([*OPTIONS, "-s", *NO_SERVER, *MEANT[file]], plugins=[warm])
    if warm.broken or not warm.collected:
        raise SystemExit(f"{file}: the tests fail as they are: {', '.join(warm.broken) or MEANT[file]}")
    return warm.early


def preload() -> None:
    """What the tests import, our own packages excepted, so that a process that has not imported them starts quickly."""
    for name in ("pytest", "hypothesis", "lxml.etree", "psycopg", "sqlalchemy", "alembic", "cryptography.x509"):
        importlib.import_module(name)


# --- reasons and the page ---------------------------------------------------------------------------------------------


def reasons() -> dict[str, dict[str, dict[str, str]]]:
    """File -> "equivalent" or "alive" -> name of the mutant -> reason."""
    return tomllib.loads(REASONS.read_text("utf-8")) if REASONS.exists() else {}


def stale(given: dict[str, dict[str, dict[str, str]]]) -> list[str]:
    """Reasons for mutants that do not exist."""
    found: list[str] = []
    for file, kinds in given.items():
        known = {mutant.name for mutant in mutants(file, parsed(file))} if file in MEANT else set()
        found += [f"{file}: {name}" for kind in kinds.values() for name in kind if name not in known]
    return found


@dataclass
class Count:
    """Of one module."""

    killed: int = 0
    by_time: int = 0
    equivalent: int = 0
    alive: int = 0

    def row(self, name: str) -> str:
        """One line of the page's table."""
        whole = self.killed + self.alive
        share = f"{100 * self.killed / whole:.1f} %" if whole else "–"
        return f"| {name} | {whole + self.equivalent} | {self.killed} | {self.equivalent} | {self.alive} | {share} |"


def page(counts: dict[str, Count], lang: str) -> str:
    """docs/vi/mutants.md or docs/en/mutants.md."""
    total = Count()
    for one in counts.values():
        total.killed += one.killed
        total.by_time += one.by_time
        total.equivalent += one.equivalent
        total.alive += one.alive
    left = ", ".join(f"`{file}`" for file in MEANT if file not in counts)
    words = WORDS[lang]
    return "\n".join(
        [
            *words["head"],
            "|---|--:|--:|--:|--:|--:|",
            *(one.row(f"`{file}`") for file, one in counts.items()),
            total.row(words["all"][0]),
            "",
            *([f"{words['left'][0]}: {left}.", ""] * (len(counts) < len(MEANT))),
            *listed(lang),
        ]
    )


WORDS: Final[dict[str, dict[str, list[str]]]] = {
    "vi": {
        "head": [
            "# Đột biến",
            "",
            "Sinh bằng `make mutants ARGS=--write`; lý do nằm trong `tools/mutants.toml` và `tools/mutants.vi.toml`.",
            "",
            "Bộ kiểm thử nhận ra điều gì khi phần lõi, hoặc danh sách được phép của chữ ký, bị đổi một chỗ. Những thay đổi nào được",
            "tạo và kiểm thử nào được chạy: xem đầu tệp `tools/mutants.py`. Bị phát hiện: một kiểm thử dành cho mô-đun đó không đạt",
            "(hoặc thay đổi làm chương trình chạy mãi). Tương đương: thay đổi không tạo khác biệt nào có thể quan sát. Còn sót: có thể",
            "quan sát, nhưng không kiểm thử nào dành cho mô-đun nhận ra. Tỷ lệ tính trên các đột biến không tương đương.",
            "",
            "| Mô-đun | Đột biến | Bị phát hiện | Tương đương | Còn sót | Tỷ lệ phát hiện |",
        ],
        "all": ["**tất cả**"],
        "left": ["Chưa chạy đủ"],
        "titles": ["Tương đương", "Còn sót"],
    },
    "en": {
        "head": [
            "# Mutants",
            "",
            "Generated by `make mutants ARGS=--write`; the reasons stand in `tools/mutants.toml`.",
            "",
            "What the tests notice when the core, or the allow-list for signatures, is changed in one place. Which changes are",
            "made, and which tests are asked, is said at the top of `tools/mutants.py`. Killed: a test meant for the module",
            "fails (or the change runs for ever). Equivalent: the change makes no difference that anybody could see. Alive:",
            "it could be seen, and no test meant for the module sees it. The share is that of the mutants that are not",
            "equivalent.",
            "",
            "| Module | Mutants | Killed | Equivalent | Alive | Share killed |",
        ],
        "all": ["**all**"],
        "left": ["Not run in full yet"],
        "titles": ["Equivalent", "Alive"],
    },
}


def listed(lang: str) -> Iterator[str]:
    """The survivors with their reasons. Ends the program where a reason has no Vietnamese."""
    vietnamese: dict[str, str] = tomllib.loads(IN_VIETNAMESE.read_text("utf-8"))
    for kind, title in zip(("equivalent", "alive"), WORDS[lang]["titles"], strict=True):
        yield f"## {title}"
        yield ""
        for file, kinds in reasons().items():
            if not kinds.get(kind):
                continue
            yield f"### `{file}`"
            yield ""
            together: dict[str, list[str]] = {}
            for name, reason in kinds[kind].items():
                if reason not in vietnamese:
                    raise SystemExit(f"tools/mutants.vi.toml: no words for “{reason}”")
                together.setdefault(vietnamese[reason] if lang == "vi" else reason, []).append(name)
            for reason, names in together.items():
                yield f"{reason[:1].upper()}{reason[1:]}"
                yield ""
                yield from (f"- `` {name} ``" for name in names)
                yield ""


def main() -> int:
    """Runs mutants, tells of survivors without a reason and of reasons without a survivor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", action="append", default=[], help="only files whose path contains this")
    parser.add_argument("--function", help="only mutants of this function")
    parser.add_argument("--sample", type=int, help="so many of all, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--least", type=float, help="fail where less than this share of them is killed, per cent")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--write", action="store_true", help="write docs/*/mutants.md; only without --module and --sample"
    )
    parser.add_argument(
        "--again", action="store_true", help="only those that lived last time; the others count as they did"
    )
    parser.add_argument(
        "--page", action="store_true", help="run nothing; write docs/*/mutants.md by how they ended last time"
    )
    parser.add_argument("--last", type=Path, default=LAST, help="where is kept how they ended (%(default)s)")
    parser.add_argument("--verbose", action="store_true", help="every mutant, not only those that survive unexplained")
    args = parser.parse_args()
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # looking for them is the most of what a short run costs
    sys.path[:0] = [str(ROOT)]
    given = reasons()
    trees = {file: parsed(file) for file in MEANT if not args.module or any(part in file for part in args.module)}
    every = {file: mutants(file, tree) for file, tree in trees.items()}
    chosen = [one for found in every.values() for one in found if args.function in (None, one.where)]
    if args.sample is not None:
        chosen = sorted(chosen, key=lambda one: _lot(args.seed, one))[: args.sample]
    last: dict[str, dict[str, str]] = json.loads(args.last.read_text("utf-8")) if args.last.exists() else {}
    if not args.page:
        preload()
    wrong: list[str] = [f"no such mutant: {one}" for one in stale(given)]
    counts: dict[str, Count] = {}
    unrun: set[str] = set()
    ended: dict[str, str] = {}
    for file, tree in trees.items():
        mine = [one for one in chosen if one.module == file]
        ends: dict[str, str] = {}
        count = counts[file] = Count()
        known = {name: kind for kind, names in given.get(file, {}).items() for name in names}

        def told(
            one: Mutant,
            how: str,
            count: Count = count,
            known: dict[str, str] = known,
            ends: dict[str, str] = ends,
        ) -> None:
            ends[one.name] = how
            alive = how in (SURVIVED, UNREACHED)
            kind = known.get(one.name)
            if args.verbose or (alive and kind is None):
                print(f"{one.module}:{one.line}: {how}: [{one.operator}] {one.name}", file=SHOWN, flush=True)
            count.killed += not alive
            count.by_time += how == ENDLESS
            count.equivalent += alive and kind == "equivalent"
            count.alive += alive and kind != "equivalent"
            if alive and kind is None:
                wrong.append(f"{NO_REASON}{one.module}: {one.name}")
            elif not alive and kind is not None:
                wrong.append(f"has a reason and is killed: {one.module}: {one.name}")

        if args.page:
            for one in mine:
                if one.name in last.get(file, {}):
                    told(one, last[file][one.name])
                else:
                    unrun.add(file)
            mine = []
        if args.again:
            past = {name: how for name, how in last.get(file, {}).items() if how in (KILLED, ENDLESS)}
            for one in mine:
                if one.name in past:
                    told(one, past[one.name])
            mine = [one for one in mine if one.name not in past]
        if mine:
            before = os.times()
            cold = [one for one in mine if not one.inside]
            warm = [one for one in mine if one.inside]
            numbers, ended[file] = _forked(
                lambda w=warm, f=file, t=tree, s=told: inside(f, t, w, args.jobs, s), warm, (count, ends), wrong
            )
            cold += [warm[number] for number in numbers]
            if cold and not ended[file]:
                _, ended[file] = _forked(
                    lambda c=cold, f=file, t=tree, s=told: outside(f, t, c, args.jobs, s), cold, (count, ends), wrong
                )
            after = os.times()
            used = sum(after[:4]) - sum(before[:4])
            print(f"{count.row(f'`{file}`')} {count.by_time} by time, {used:.0f} s", file=SHOWN, flush=True)
        last[file] = {**last.get(file, {}), **ends}
        args.last.write_text(json.dumps(last, ensure_ascii=False, indent=1), "utf-8")
    broken = [line for line in ended.values() if line]
    for line in (*broken, *(one for one in wrong if not one.startswith(NO_REASON))):
        print(line, file=sys.stderr)
    if (args.page or args.write) and not args.module and args.sample is None and not broken:
        for lang, file in PAGES.items():
            file.write_text(
                page({module: count for module, count in counts.items() if module not in unrun}, lang), "utf-8"
            )
    killed, alive = (sum(getattr(one, kind) for one in counts.values()) for kind in ("killed", "alive"))
    share = 100 * killed / (killed + alive) if killed + alive else 100.0
    if args.least is not None:
        print(f"{killed} of {killed + alive} killed, {share:.1f} %; at least {args.least:g} %", file=SHOWN)
    return 1 if wrong or broken or (args.least is not None and share < args.least) else 0


def _lot(seed: int, one: Mutant) -> bytes:
    """The lot that a mutant draws; one's does not depend on what else there is, so a sample stays nearly the same."""
    return hashlib.sha256(f"{seed} {one.module} {one.name}".encode()).digest()


def _forked(
    work: Callable[[], list[Mutant]], mine: Sequence[Mutant], found: tuple[Count, dict[str, str]], wrong: list[str]
) -> tuple[list[int], str]:
    """The work in a process of its own, for it imports what later work must not have imported; what it found comes back:
    the mutants that it gives back, by number, and why it failed, if it did.
    """
    count, ends = found
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        start, back, sentence = len(wrong), [], ""
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - what pytest has to say
        try:
            back = [mine.index(one) for one in work()]
        except BaseException as error:  # noqa: BLE001 - told to the parent
            sentence = str(error) or repr(error)
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump([sentence, back, vars(count), ends, wrong[start:]], pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    if not told:
        return [], "the process ended before its time"
    sentence, back, counted, ended, more = json.loads(told)
    vars(count).update(counted)
    ends.update(ended)
    wrong += more
    return back, sentence


if __name__ == "__main__":
    raise SystemExit(main())
