"""Tests mean the same on every machine: time is given to them, waiting is for an event, and speed is measured elsewhere.

A test that takes NOW when it is imported meets a clock that has gone on; one that counts seconds says something about the
machine. So no clock is read at import, nothing is asserted about seconds gone by, and whoever waits, waits for PATIENCE_S
(tests/pki/patience.py). A wait of less than a second is fine: it is how a test sees that nothing comes.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import sources

TESTS = Path(__file__).parents[1]
CLOCKS = {"now", "utcnow", "today"}  # of datetime and date
STOPWATCHES = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time"}
WAITING = {"wait", "join", "result", "settimeout", "wait_for", "timeout"}
SHORT_S = 1.0


def called(node: ast.AST) -> str:
    """``a.b`` of a call of a.b or of x.a.b; the bare name of a function."""
    if isinstance(node, ast.Call):
        match node.func:
            case (
                ast.Attribute(value=ast.Name(id=owner), attr=name)
                | ast.Attribute(value=ast.Attribute(attr=owner), attr=name)
            ):
                return f"{owner}.{name}"
            case ast.Name(id=name):
                return name
    return ""


def is_stopwatch(node: ast.AST) -> bool:
    owner, _, name = called(node).rpartition(".")
    return name in STOPWATCHES and owner in ("time", "") and (owner == "time" or name not in ("time", "time_ns"))


def is_clock(node: ast.AST) -> bool:
    owner, _, name = called(node).rpartition(".")
    return is_stopwatch(node) or (name in CLOCKS and owner in ("datetime", "date"))


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when the module is imported: everything but the insides of functions, whose defaults do run."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        elif isinstance(node, ast.Lambda):
            waiting += [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        else:
            waiting += ast.iter_child_nodes(node)


def times_at_import(tree: ast.Module) -> Iterator[int]:
    yield from (node.lineno for node in at_import(tree) if isinstance(node, ast.Call) and is_clock(node))


def functions(tree: ast.Module) -> Iterator[ast.AST]:
    yield from (node for node in sources.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def seconds_asserted(tree: ast.Module) -> Iterator[int]:
    """Where an assert compares what a stopwatch says, or what was reckoned from it, with a number of our own."""
    if not any(map(is_stopwatch, sources.walk(tree))):
        return
    for function in functions(tree):
        reckoned: set[str] = set()

        def measured(node: ast.AST, reckoned: set[str] = reckoned) -> bool:
            return any(
                is_stopwatch(one) or (isinstance(one, ast.Name) and one.id in reckoned) for one in sources.walk(node)
            )

        for node in sources.walk(function):
            if isinstance(node, ast.Assign) and measured(node.value):
                reckoned |= {
                    one.id for target in node.targets for one in sources.walk(target) if isinstance(one, ast.Name)
                }
        for node in sources.walk(function):
            if isinstance(node, ast.Assert):
                for one in sources.walk(node.test):
                    if isinstance(one, ast.Compare) and isinstance(one.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                        sides = (one.left, *one.comparators)
                        if any(map(measured, sides)) and any(map(_is_constant, sides)):
                            yield node.lineno


def _is_constant(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def impatient(tree: ast.Module) -> Iterator[int]:
    """Where something is waited for with a number of seconds of its own."""
    for node in sources.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = called(node).rpartition(".")[2] or (node.func.attr if isinstance(node.func, ast.Attribute) else "")
        given = [word.value for word in node.keywords if word.arg in ("timeout", "within_s")]
        if name in WAITING:
            given += node.args[:2]
        if any(
            isinstance(one, ast.Constant) and type(one.value) in (int, float) and one.value >= SHORT_S for one in given
        ):
            yield node.lineno


def naps(tree: ast.Module) -> Iterator[int]:
    """Where a test sleeps in the hope that something will have happened then; in a loop it paces something."""
    sleeps = [node for node in sources.walk(tree) if called(node) in ("time.sleep", "asyncio.sleep")]
    paced = sleeps and {
        id(inside)
        for node in sources.walk(tree)
        if isinstance(node, ast.For | ast.While | ast.AsyncFor)
        for inside in sources.walk(node)
    }
    for node in sleeps:
        if id(node) not in paced:
            zero = isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            if not zero:
                yield node.lineno


RULES = {
    "takes its time at import": times_at_import,
    "asserts seconds": seconds_asserted,
    "waits with an end of its own; take PATIENCE_S": impatient,
    "sleeps instead of waiting for an event; take eventually() or stays()": naps,
}


@pytest.mark.parametrize("rule", RULES)
def test_no_test_depends_on_how_fast_the_machine_is(rule):
    found = [
        f"{file.relative_to(TESTS.parent)}:{line} {rule}"
        for file in sorted(TESTS.rglob("*.py"))
        if rule != list(RULES)[3] or file.name.startswith("test_")  # helpers play slow parties
        for line in RULES[rule](sources.parsed(file))
    ]
    assert found == []


CASES = {
    "takes its time at import": [
        "NOW = datetime.now(UTC)",
        "NOW = dt.datetime.now(dt.UTC) - HOUR",
        "def test(at=date.today()): ...",
        "class A:\n    began: float = time.monotonic()",
    ],
    "asserts seconds": [
        "def test():\n    began = time.monotonic()\n    assert time.monotonic() - began < 10",
        "def test():\n    began = time.process_time()\n    took = time.process_time() - began\n    assert took < LIMIT",
        "def test():\n    began = perf_counter()\n    assert (perf_counter() - began) * 2 <= 1.0, 'slow'",
    ],
    "waits with an end of its own; take PATIENCE_S": [
        "thread.join(20)",
        "subprocess.run(command, timeout=60)",
        "sock.settimeout(5)",
        "pool.submit(act).result(60.0)",
    ],
    "sleeps instead of waiting for an event; take eventually() or stays()": [
        "def test():\n    time.sleep(0.5)",
        "async def test():\n    await asyncio.sleep(1)",
    ],
}
FINE = """
NOW = datetime(2026, 11, 24, tzinfo=UTC)

@dataclass
class Authority:
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

def test(clock):
    began = datetime.now(UTC)
    before = time.process_time()
    costs = [time.process_time() - before for _ in range(2)]
    assert costs[0] < 50 * costs[1]
    assert len(costs) == 2
    thread.join(PATIENCE_S)
    assert not is_closed(sock, 0.2)
    sock.settimeout(0.05)
    " ".join(["5"])
    for piece in pieces:
        sock.sendall(piece)
        time.sleep(0.2)
    await asyncio.sleep(0)
"""


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in CASES.items() for text in texts])
def test_what_depends_on_the_machine_is_found(rule, text):
    assert [other for other in RULES if [*RULES[other](ast.parse(text))]] == [rule]


def test_what_does_not_is_left_alone():
    assert [rule for rule in RULES if [*RULES[rule](ast.parse(FINE))]] == []
