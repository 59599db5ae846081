"""What `make bench` says of its goals, and what it keeps of several runs and of the peer's."""

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "goals.py"
OURS = ("gateway", "schemas", "signing", "connectors")


@pytest.fixture(scope="module")
def goals():
    found = importlib.util.spec_from_file_location("goals_bench", BENCH)
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


def row(table, figure):
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {figure} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_goal_says_whether_it_was_reached_by_the_median_of_the_runs(goals):
    runs = [{"4 KB dsig": 2.0, "workers": 1.75}, {"4 KB dsig": 9.0, "workers": 1.8}, {"4 KB dsig": 4.0, "workers": 1.2}]
    table = goals.table(runs)
    floor = row(table, "server CPU a message ÷ floor, 4 KB XML-DSig")
    assert floor[1:] == ["4.0 (2.0, 9.0, 4.0)", "≤ 4.5", "≤ 3.0", "must reached"]
    assert row(table, "two workers ÷ one")[-1] == "must reached"
    assert row(goals.table([{"goodput": 0.8}]), "goodput at 2× overload ÷ peak")[-1] == "**missed**"
    assert row(goals.table([{"begun": 20.0}]), "accepted → delivery begun, idle, p99")[-1] == "aim reached"


def test_what_was_not_measured_names_the_command_that_measures_it(goals):
    table = goals.table([{}])
    assert row(table, "messages/s ÷ warm Camel, 4 KB")[1] == "–"
    assert row(table, "messages/s ÷ warm Camel, 4 KB")[-1] == "`make bench-peer`"
    assert len(table.splitlines()) == 2 + len(goals.GOALS)


def test_runs_of_both_commands_stand_in_one_file_with_their_medians(goals, tmp_path):
    kept = tmp_path / "build" / "bench.json"
    goals.keep(kept, "bench-peer", [{"camel 4": 1.5}])
    merged = goals.keep(kept, "bench", [{"door": 2.0}, {"door": 3.0}, {"door": 2.5}])
    assert merged == [{"camel 4": 1.5, "door": 2.0}, {"door": 3.0}, {"door": 2.5}]
    assert json.loads(kept.read_text())["medians"] == {"camel 4": 1.5, "door": 2.5}
    assert goals.keep(kept, "bench", [{"door": 1.0}]) == [{"camel 4": 1.5, "door": 1.0}], "a later run replaces its own"


@pytest.mark.parametrize("file", sorted(BENCH.parent.rglob("*.py")), ids=lambda file: file.name)
def test_a_benchmark_asks_nothing_of_the_product_that_is_not_there(file):
    tree = ast.parse(file.read_text("utf-8"))
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            owner = importlib.import_module(node.module)
            for name in node.names:
                found = getattr(owner, name.name, None) or importlib.import_module(f"{node.module}.{name.name}")
                if isinstance(found, ModuleType):
                    modules[name.asname or name.name] = found
    asked = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules
    }
    assert [f"{module}.{name}" for module, name in asked if not hasattr(modules[module], name)] == []
