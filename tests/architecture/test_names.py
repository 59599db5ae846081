"""One word, one meaning: a class has its name for itself, and so has every function that others may call."""

import ast
from collections import defaultdict
from functools import cache

import pytest
import sources

ROOT, OURS = sources.ROOT, sources.OURS

# Names that stand more than once, each because something outside our code asks for just this name.
CALLED_FROM_OUTSIDE = {
    "send": "what a connector does, in the words of the registry of connectors",
    "query": "likewise",
    "fetch": "likewise",
    "probe": "likewise",
    "played": "likewise",
    "believes": "likewise",
    "upgrade": "what Alembic calls in each migration",
    "main": "where a program begins",
}
# Files whose functions are named after the command that calls them; `lienthong parties check` is parties.check.
COMMANDS = ("gateway/cli/",)


@cache
def modules():
    """Each of our files, with its syntax: the module itself first."""
    return [(file.relative_to(ROOT).as_posix(), sources.nodes(file)) for file in sources.files()]


def classes(of=modules):
    """Where each class stands, private ones too: a reader meets both."""
    found = defaultdict(list)
    for file, nodes in of():
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(f"{file}:{node.lineno}")
    return found


def functions(of=modules):
    """Where each public function of a module stands, commands left out."""
    found = defaultdict(list)
    for file, nodes in of():
        if file.startswith(COMMANDS):
            continue
        for node in nodes[0].body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                found[node.name].append(f"{file}:{node.lineno}")
    return found


def shared(found, but=()):
    return {name: places for name, places in found.items() if len(places) > 1 and name not in but}


def test_no_two_classes_share_a_name():
    assert shared(classes()) == {}


def test_no_two_public_functions_share_a_name():
    assert shared(functions(), but=CALLED_FROM_OUTSIDE) == {}


def test_a_name_is_excused_only_while_it_is_needed():
    assert set(CALLED_FROM_OUTSIDE) <= set(shared(functions())) | {"main"}


@pytest.mark.parametrize(("look", "text"), [(classes, "class Twice: ..."), (functions, "def twice(): ...")])
def test_a_shared_name_is_seen(look, text):
    """So that the tests above can fail."""

    def two():
        yield "gateway/core/one.py", [*ast.walk(ast.parse(text))]
        yield "signing/other.py", [*ast.walk(ast.parse(text))]

    assert shared(look(two)) != {}


def test_no_noun_names_files_on_more_than_two_floors():
    """Two files of one noun are one idea and its command, or one protocol coming in and going out. A third is another idea."""
    nouns = defaultdict(list)
    for file, _ in modules():
        if not file.endswith("__init__.py"):
            nouns[file.rpartition("/")[2]].append(file)
    assert {noun: files for noun, files in nouns.items() if len(files) > 2} == {}


@cache
def own_modules():
    """The dotted names of our modules."""
    return {file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for file, _ in modules()}


def private(name):
    return name.startswith("_") and not name.startswith("__")


def crossings(of=modules):
    """Every private name that one of our files takes from another, by import or as an attribute of the module."""
    ours = own_modules()
    for file, nodes in of():
        bound = {}
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").partition(".")[0] in OURS):
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    if whole in ours:
                        bound[alias.asname or alias.name] = whole
                    if private(alias.name):
                        yield f"{file}:{node.lineno}: {whole}"
            elif isinstance(node, ast.Import):
                bound |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name in ours}
        for node in nodes:
            if isinstance(node, ast.Attribute) and private(node.attr) and ast.unparse(node.value) in bound:
                yield f"{file}:{node.lineno}: {bound[ast.unparse(node.value)]}.{node.attr}"


def test_a_private_name_stays_in_its_file():
    assert list(crossings()) == []


@pytest.mark.parametrize(
    "text",
    [
        "from connectors.http import _alert",
        "from connectors import http\nhttp._alert(None)",
        "import connectors.http as line\nline._alert(None)",
        "import connectors.http\nconnectors.http._alert(None)",
        "def late():\n    from .http import _alert",
    ],
)
def test_a_private_name_that_crosses_is_seen(text):
    """So that the test above can fail."""

    def one():
        yield "connectors/pki.py", [*ast.walk(ast.parse(text))]

    assert len(list(crossings(one))) == 1
