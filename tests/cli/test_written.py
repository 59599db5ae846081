"""TOML written by people: places, strictness, and every mistake at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.problems import Lang, Location, Stopped
from gateway.core.written import decode_toml, dotted, flat, nearest, read_toml, setting, setting_meaning

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
        (("trees",), 7, 1),
        (("trees", 0, "khac"), 7, 1),
        (("trees", 0, "more", "khac"), 9, 1),
        (("trees", 1, "khac"), 11, 1),
    ],
)
def test_every_key_knows_its_line_and_column(key, line, column):
    assert read_toml(TEXT, "f.toml").place(key) == Location(line, column)


def test_blanks_need_not_stand_anywhere_and_may_stand_everywhere():
    places = read_toml(
        "a=[1,{b=2,c.d=3}]\n\t a2\t. b =\t[ \n 1 , # x\n { c = 2 , d = 3 } , ] # y\n[ t . u ]\nx=1", "f"
    ).places
    assert [(dotted(key), at.line, at.column) for key, at in places.items()] == [
        *[("a", 1, 1), ("a[1]", 1, 4), ("a[2]", 1, 6), ("a[2].b", 1, 7), ("a[2].c", 1, 11), ("a[2].c.d", 1, 11)],
        *[
            ("a2", 2, 3),
            ("a2.b", 2, 3),
            ("a2.b[1]", 3, 2),
            ("a2.b[2]", 4, 2),
            ("a2.b[2].c", 4, 4),
            ("a2.b[2].d", 4, 12),
        ],
        *[("t.u", 5, 1), ("t.u.x", 6, 1)],
    ]


def test_a_long_text_may_end_in_quotes_of_its_own():
    written = read_toml('a = """x"""""\nb = \'\'\'y\'\'\'\'\nc = "\\""\nd = \'\\\'\n e = ""\n', "f")
    assert written.data == {"a": 'x""', "b": "y'", "c": '"', "d": "\\", "e": ""}
    assert [(at.line, at.column) for at in written.places.values()] == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2)]


def test_behind_a_long_text_may_stand_anything_or_nothing():
    assert read_toml('a = ["""x""""]\nb = 1', "f").place(("b",)) == Location(2, 1)
    assert read_toml('a = 1\nb = """x"""', "f").place(("b",)) == Location(2, 1)


def test_a_key_inside_a_long_text_is_no_key():
    assert ("web", "not_a_key") not in read_toml(TEXT, "f.toml").places


def test_blanks_round_the_parts_of_a_key_and_of_a_table_change_nothing():
    places = read_toml('[ a . b ]\n"c d" . e = 1\nf\t.\t"g" = 2\n', "f").places
    assert {dotted(key): (at.line, at.column) for key, at in places.items()} == {
        "a.b": (1, 1),
        "a.b.c d": (2, 1),
        "a.b.c d.e": (2, 1),
        "a.b.f": (3, 1),
        "a.b.f.g": (3, 1),
    }


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


@dataclass(frozen=True, kw_only=True)
class Rich:
    """One field of each kind."""

    any: Any = setting(None, vi="gì cũng được", en="anything")
    at: datetime | None = setting(None, vi="lúc", en="moment")
    home: Path = setting(Path("/b/x"), vi="thư mục", en="folder")
    word: str | None = setting(None, vi="chữ", en="word")
    level: int = setting(1, among=(3, 1, 2), vi="mức", en="level")
    names: tuple[str, ...] = setting((), pattern="[a-z]+", vi="tên", en="names")
    kinds: frozenset[str] = setting(frozenset(), among=("green", "red"), vi="loại", en="kinds")
    many: tuple[Inner, ...] = setting((), vi="nhiều", en="many")
    file: Path | None = setting(Path("/b/y"), vi="tệp", en="file")
    plain: int = 0


def rich(text):
    return decode_toml(Rich, read_toml(text, "f"), base=Path("/b"))


def wrong(text, kind=Rich):
    """What is said of each mistake: code, key, and the facts that tell it."""
    with pytest.raises(Stopped) as stop:
        decode_toml(kind, read_toml(text, "f"), base=Path("/b"))
    return [
        (p.code, p.facts["key"], {k: v for k, v in p.facts.items() if k not in ("file", "key")})
        for p in stop.value.problems
    ]


def test_values_of_every_kind_are_read():
    form = rich(
        'any = [1, { a = "b" }]\nat = 2026-01-15T08:00:00+07:00\nlevel = 3\nnames = ["a", "b"]\nkinds = ["red"]\n'
        'file = ""\nword = ""\nhome = "."\nmany = [{ port = 9, colour = "green" }, { port = 1 }]'
    )
    assert (form.any, form.at) == ([1, {"a": "b"}], datetime(2026, 1, 15, 1, tzinfo=UTC))
    assert form.at.tzinfo is UTC
    assert (form.level, form.names, form.kinds) == (3, ("a", "b"), frozenset({"red"}))
    assert (form.file, form.word, form.home) == (None, "", Path("/b"))
    assert form.many == (Inner(port=9, colour=Colour.GREEN), Inner(port=1))
    assert type(form.many[0].colour) is Colour
    assert rich("at = 2026-01-15").at == datetime(2026, 1, 15, tzinfo=UTC)
    assert rich("") == Rich()


def test_what_is_of_another_kind_is_told_with_both():
    types = {"expected": "table", "found": "integer"}
    assert wrong("inner = 3\nmap = 4\nname = 'a'", Form) == [("SYS-013", "inner", types), ("SYS-013", "map", types)]
    assert wrong("names = { a = 1 }") == [("SYS-013", "names", {"expected": "array", "found": "table"})]
    strings = {"expected": "string", "found": "integer"}
    assert wrong('names = [1, "a", 2]') == [("SYS-013", "names[1]", strings), ("SYS-013", "names[3]", strings)]
    assert wrong("word = 2026-01-15") == [("SYS-013", "word", {"expected": "string", "found": "date"})]
    assert wrong('at = "x"') == [("SYS-013", "at", {"expected": "date-time", "found": "string"})]
    zone = {"expected": "date-time with offset (+07:00)", "found": "2026-01-15 08:00:00"}
    assert wrong("at = 2026-01-15T08:00:00") == [("SYS-013", "at", zone)]
    assert wrong('home = ""') == [("SYS-017", "home", {"value": "", "pattern": ".+"})]


def test_of_a_list_the_first_value_that_is_not_allowed_is_told_with_what_was_probably_meant():
    allowed = {"allowed": ["green", "red"]}
    assert wrong('kinds = ["gren"]') == [("SYS-014", "kinds", {"value": "gren", "nearest": "green", **allowed})]
    assert wrong('kinds = ["zzz"]') == [("SYS-014", "kinds", {"value": "zzz", "nearest": "–", **allowed})]
    assert wrong("level = 4") == [("SYS-014", "level", {"value": 4, "nearest": "–", "allowed": [1, 2, 3]})]
    assert wrong('names = ["a", "B", "C"]') == [("SYS-017", "names", {"value": "B", "pattern": "[a-z]+"})]
    assert [one[0] for one in wrong("[[many]]\nport = 0\n[[many]]\nport = 10\n")] == ["SYS-015", "SYS-015"]
    assert wrong("zzz = 1")[0][2] == {"nearest": "–", "known": sorted(f.name for f in fields(Rich))}
    assert (nearest("LEVLE", ["level", "word"]), nearest("x", ["level"])) == ("level", None)


def test_a_setting_means_something_in_both_languages():
    any_, *_, plain = fields(Rich)
    assert [setting_meaning(any_, lang) for lang in (Lang.VI, Lang.EN)] == ["gì cũng được", "anything"]
    assert setting_meaning(plain, Lang.VI) == ""


def test_what_has_no_place_is_told_of_the_beginning_and_what_ends_too_early_of_its_last_line():
    assert read_toml("", "f").place(("x",)) == Location(1, 1)
    with pytest.raises(Stopped) as stop:
        read_toml("x = 1\ny = 2\na = ", "f")
    (problem,) = stop.value.problems
    assert (problem.at, problem.facts["reason"]) == (Location(3, 1), "Invalid value")
    with pytest.raises(Stopped) as stop:
        read_toml("x = 1\na = b", "f")
    assert stop.value.problems[0].at == Location(2, 5)


@dataclass(frozen=True, kw_only=True)
class Around:
    """One in another, and a class that is only named."""

    inner: Inner = Inner()
    kind: type = Inner
    names: tuple[str, ...] = field(default=("a",))


def test_leaves_are_told_with_their_fields():
    around, inner = fields(Around), fields(Inner)
    assert list(flat(Around())) == [
        (("inner", "port"), inner[0], 1),
        (("inner", "colour"), inner[1], Colour.RED),
        (("kind",), around[1], Inner),
        (("names",), around[2], ("a",)),
    ]


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
