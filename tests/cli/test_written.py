"""TOML written by people: places, strictness, and every mistake at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.problems import Location, Stopped
from gateway.core.written import decode_toml, dotted, read_toml, setting

TEXT = '''\
top = 1 # a comment with [brackets] and "quotes"
"two words".inner = { list = [1, { deep = 2 }], text = "a#b" }
[web]
long = """first
not_a_key = 3"""
  host = 'it''s'
[[trees]]
name = "a"
[trees.more]
x = 1
[[trees]]
name = "b"
'''.replace("'it''s'", "'its'")


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True, kw_only=True)
class Inner:
    port: int = setting(1, at_least=1, at_most=9, vi="cổng", en="port")
    colour: Colour = setting(Colour.RED, vi="màu", en="colour")


@dataclass(frozen=True, kw_only=True)
class Form:
    name: str = setting(pattern="[a-z]+", vi="tên", en="name")
    inner: Inner = setting(Inner(), vi="trong", en="inner")
    tags: tuple[str, ...] = setting((), vi="nhãn", en="tags")
    file: Path | None = setting(None, vi="tệp", en="file")
    map: Mapping[str, int] = setting({}, vi="bảng", en="map")
    rate: float = setting(1.0, vi="tỷ lệ", en="rate")


def problems_of(text, kind=Form):
    with pytest.raises(Stopped) as stop:
        decode_toml(kind, read_toml(text, "f.toml"), base=Path("/b"))
    return [(p.code, p.facts["key"], p.at.line, p.at.column) for p in stop.value.problems]


@pytest.mark.parametrize(
    ("key", "line", "column"),
    [
        (("top",), 1, 1),
        (("two words", "inner", "list", 1, "deep"), 2, 36),
        (("two words", "inner", "text"), 2, 49),
        (("web", "long"), 4, 1),
        (("web", "host"), 6, 3),
        (("trees", 0, "name"), 8, 1),
        (("trees", 0, "more", "x"), 10, 1),
        (("trees", 1, "name"), 12, 1),
    ],
)
def test_every_key_knows_its_line_and_column(key, line, column):
    assert read_toml(TEXT, "f.toml").place(key) == Location(line, column)


def test_a_key_inside_a_long_text_is_no_key():
    assert ("web", "not_a_key") not in read_toml(TEXT, "f.toml").places


def test_a_key_that_is_not_written_has_the_place_of_its_table():
    assert read_toml(TEXT, "f.toml").place(("web", "port")) == Location(3, 1)


def test_what_is_no_toml_is_refused_with_line_and_column():
    with pytest.raises(Stopped) as stop:
        read_toml("a = 1\nb = \n", "f.toml")
    (problem,) = stop.value.problems
    assert (problem.code, problem.at.line) == ("SYS-011", 2)


def test_all_mistakes_of_a_file_are_reported_at_once():
    text = 'name = "A1"\nfoo = 1\nrate = "fast"\n[inner]\nport = 10\ncolour = "gren"\n'
    assert problems_of(text) == [
        ("SYS-017", "name", 1, 1),
        ("SYS-012", "foo", 2, 1),
        ("SYS-013", "rate", 3, 1),
        ("SYS-015", "inner.port", 5, 1),
        ("SYS-014", "inner.colour", 6, 1),
    ]


def test_an_unknown_key_names_the_nearest_known_one():
    with pytest.raises(Stopped) as stop:
        decode_toml(Form, read_toml('nmae = "x"', "f.toml"), base=Path("/b"))
    assert {p.code: p.facts.get("nearest") for p in stop.value.problems} == {"SYS-012": "name", "SYS-016": None}


def test_true_is_no_number_and_a_number_is_no_text():
    assert problems_of("name = 1\n[inner]\nport = true\n") == [
        ("SYS-013", "name", 1, 1),
        ("SYS-013", "inner.port", 3, 1),
    ]


def test_values_become_what_their_fields_say():
    form = decode_toml(
        Form, read_toml('name = "a"\ntags = "one"\nfile = "x/y"\nrate = 2\nmap = { b = 1 }', "f"), base=Path("/b")
    )
    assert (form.tags, form.file, form.rate, form.map, form.inner) == (("one",), Path("/b/x/y"), 2.0, {"b": 1}, Inner())


def test_keys_are_shown_as_people_write_them():
    assert dotted(("certificates", 0, "file")) == "certificates[1].file"


_keys = st.text("abcdefgh-_", min_size=1, max_size=6)
_values = st.recursive(
    st.one_of(st.integers(0, 99), st.booleans(), st.text(min_size=0, max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_keys, inner, max_size=3)),
    max_leaves=8,
)


def _toml(value):
    import json

    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=True)
    return json.dumps(value)


@given(st.dictionaries(_keys, _values, max_size=5))
def test_the_place_of_a_key_is_where_its_name_stands(data):
    lines = [f"{name} = {_toml(value)}" for name, value in data.items()]
    try:
        written = read_toml("\n".join(lines), "f")
    except Stopped:  # a lone surrogate is no TOML
        return
    for number, name in enumerate(data, 1):
        assert written.place((name,)) == Location(number, 1)
