"""The page about connectors contradicts nothing: every connector has its section, every example is a valid profile."""

from __future__ import annotations

import re
import sys
import tomllib
import types
from pathlib import Path

import pytest

from connectors.base import Connector
from connectors.http import answer_meaning
from connectors.registry import installed
from connectors.table import AnswerMeaning

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "vi" / "connectors.md").read_text("utf-8")
ENGLISH = (DOCS / "en" / "connectors.md").read_text("utf-8")
SECTIONS = {title.strip(): text for title, _, text in (part.partition("\n") for part in PAGE.split("\n## ")[1:])}


@pytest.mark.parametrize("name", sorted(installed()))
def test_every_connector_has_a_section_with_a_profile_that_configures_it(name: str) -> None:
    (block,) = re.findall(r"```toml\n(.+?)```", SECTIONS[name], re.DOTALL)
    table = tomllib.loads(block)["connector"]
    assert table.pop("name") == name
    installed()[name].configure(table)


def test_the_table_of_statuses_is_the_one_in_force() -> None:
    text = re.search(r"3xx, ([0-9,\s]+) chưa nhận", PAGE)
    english = re.search(r"3xx, ([0-9,\s]+) not taken", ENGLISH)
    assert text is not None
    assert english is not None
    told = {int(status) for status in text[1].split(",")}
    assert {int(status) for status in english[1].split(",")} == told
    for status in range(400, 600):
        if status in told:
            assert answer_meaning(status) is AnswerMeaning.UNREACHABLE, status
        else:
            assert answer_meaning(status) is (AnswerMeaning.REFUSED if status < 500 else AnswerMeaning.UNCERTAIN), (
                status
            )
    assert answer_meaning(302) is AnswerMeaning.UNREACHABLE


def test_the_example_of_a_new_connector_is_one() -> None:
    (code,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    module = types.ModuleType("example_of_the_page")
    sys.modules[module.__name__] = module
    try:
        exec(compile(code, "docs/vi/connectors.md", "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]
    found = module.so_xay_dung
    assert isinstance(found, Connector)
    assert (found.name, found.sends, found.queries) == ("so-xay-dung", True, True)
    assert found.configure({"url": "https://a.example/", "timeout_s": 3}).settings.url == "https://a.example/"


def test_the_examples_are_the_same_in_both_languages() -> None:
    assert re.findall(r"```.+?```", ENGLISH, re.DOTALL) == re.findall(r"```.+?```", PAGE, re.DOTALL)
