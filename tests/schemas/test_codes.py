"""The catalogue of XSD codes is complete and bilingual."""

import re
import string
import tomllib
from importlib import resources
from pathlib import Path

import pytest

WORDS = tomllib.loads((resources.files("gateway.core.problems") / "xsd.toml").read_text("utf-8"))
HERE = Path(__file__).parent
SCHEMAS = HERE.parents[1] / "schemas"


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", sorted(WORDS))
def test_each_code_speaks_both_languages_with_the_same_facts(code):
    row = WORDS[code]
    assert placeholders(row["vi"]) == placeholders(row["en"])
    assert placeholders(row["remedy_vi"]) == placeholders(row["remedy_en"])
    assert row["vi"] != row["en"]
    assert row["source"]
    assert "3788" not in " ".join(str(value) for value in row.values())


def test_each_code_is_used_and_each_used_code_is_there():
    used = set()
    for file in (
        *SCHEMAS.rglob("*.py"),
        SCHEMAS.parent / "gateway/web/dvcqg.py",
    ):  # rows have no XML: their door checks them
        used |= set(re.findall(r"XSD-\d{3}", file.read_text("utf-8")))
    used |= {f"XSD-{int(code[4:]) + 100}" for code in used if code.startswith("XSD-1")} & set(
        WORDS
    )  # rules warn by number
    in_comments = {"XSD-3xx"}
    assert used - in_comments == set(WORDS)
