"""The pages that are made from the code are current, and the code gives them something to say."""

import ast
import dataclasses
import importlib.util
import re
import string
import sys
from pathlib import Path

import pytest
import sources

from connectors.registry import installed
from connectors.table import Common
from gateway import settings
from gateway.core.problems import Lang, catalogue
from gateway.services.profiles import PartyProfile
from schemas.rules import RULES

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"(?:XML|XSD|SIG|AUT|CAT|DUP|DOS|DLV|FIL|REC|BAK|SYS)-[0-9]{3}")


@pytest.fixture(scope="module")
def pages():
    """tools/pages.py."""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "tools" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["pages"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["pages"]


FAMILIES = sorted({code.partition("-")[0] for code in catalogue()})
NAMES = ["problems.md", "settings.md", "states.md", "messages.md", "cli.md", "law.md", "lint.md"]


@pytest.mark.parametrize("lang", Lang)  # codes.md: tests/docs/test_codes.py, which reads all tests for it anyway
@pytest.mark.parametrize("name", [*NAMES, *(f"problems/{family}.md" for family in FAMILIES)])
def test_a_made_page_is_current(pages, name, lang):
    on_disk = (ROOT / "docs" / lang / name).read_text("utf-8").splitlines()
    assert on_disk == pages.PAGES[name](lang).splitlines(), "run `make docs`"


def test_every_made_page_is_listed_above(pages):
    assert set(pages.PAGES) == {*NAMES, "codes.md", *(f"problems/{family}.md" for family in FAMILIES)}


def test_a_code_stands_on_the_page_of_its_family(pages):
    for lang in Lang:
        for family, entries in pages.by_family().items():
            page = (ROOT / "docs" / lang / "problems" / f"{family}.md").read_text("utf-8")
            assert re.findall(r"^## (\S+)$", page, re.MULTILINE) == [entry.code for entry in entries]


def test_a_stale_page_is_noticed(pages, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pages, "DOCS", tmp_path)
    monkeypatch.setattr(pages, "PAGES", {"states.md": pages.states})
    assert pages.main(["--check"]) == 1
    assert pages.main([]) == 0
    assert pages.main(["--check"]) == 0
    (tmp_path / "vi" / "states.md").write_text("cũ", "utf-8")
    assert pages.main(["--check"]) == 1
    assert "make docs" in capsys.readouterr().out


# --- commands ---------------------------------------------------------------------------------------------------------


def test_every_command_has_help_in_both_languages(pages):
    for path, command in pages.commands():
        vietnamese, english = (pages.help_of(path, command, lang) for lang in Lang)
        assert vietnamese != english, path
        assert command.vi, path
        assert command.en, path


def test_every_option_has_help_in_both_languages(pages):
    astray = [
        f"{' '.join(path)} {parameter.opts[0]}"
        for path, command in pages.commands()
        for parameter in command.params
        if parameter.param_type_name == "option"
        and not (getattr(parameter, "vi", "") and getattr(parameter, "en", ""))
        and not {"--help", "--version"} & set(parameter.opts)
    ]
    assert astray == []


# --- settings ---------------------------------------------------------------------------------------------------------


def fields(kind, seen=()):
    """Every field of a written type and of the tables inside it, with its dotted name."""
    for f in dataclasses.fields(kind):
        yield kind.__name__, f
    for f in dataclasses.fields(kind):
        for inner in inside(kind, f):
            if inner not in seen:
                yield from fields(inner, (*seen, kind))


def inside(kind, f):
    import typing

    hint = typing.get_type_hints(kind)[f.name]
    return [k for k in (hint, *typing.get_args(hint)) if isinstance(k, type) and dataclasses.is_dataclass(k)]


def test_every_setting_says_what_it_means_in_both_languages():
    kinds = [settings.Settings, PartyProfile, Common, *(connector.settings for connector in installed().values())]
    astray = [
        f"{name}.{f.name}"
        for kind in kinds
        for name, f in fields(kind)
        if not inside_of_settings(name, f) and not (f.metadata.get("vi") and f.metadata.get("en"))
    ]
    assert astray == []


def inside_of_settings(name, f):
    """The sections of lienthong.toml have their words in SECTIONS; fields that begin with _ are not written."""
    return f.name.startswith("_") or (name == "Settings" and f.name in settings.SECTIONS)


# --- problems ---------------------------------------------------------------------------------------------------------


def literals():
    """Every problem code that stands as a whole string in our code, with its file."""
    for file in sources.files():
        for node in sources.nodes(file):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                yield node.value, f"{file.relative_to(ROOT)}:{node.lineno}"


def test_every_code_that_is_raised_is_in_the_catalogue():
    assert [(code, where) for code, where in literals() if code not in catalogue()] == []


def test_every_code_of_the_catalogue_can_be_raised():
    used = {code for code, _ in literals()} | {rule.note for rule in RULES if rule.note}
    assert sorted(set(catalogue()) - used) == []


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_both_languages_say_the_same_facts(code):
    entry = catalogue()[code]
    for texts in (entry.message, entry.remedy):
        vietnamese, english = (set(placeholders(texts[lang])) for lang in Lang)
        assert vietnamese == english
    assert entry.message[Lang.VI].strip() not in ("", entry.message[Lang.EN])


def placeholders(text):
    """The facts a text asks for; rule_vi and rule_en are one fact in two languages."""
    names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    return [name.removesuffix("_vi").removesuffix("_en") for name in names]
