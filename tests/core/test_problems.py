"""The one word for trouble, and the words that it is said in."""

import tomllib
from pathlib import Path

import pytest

from gateway.core import problems
from gateway.core.problems import Lang, Location, Problem, ProblemEntry, ProblemOutcome, Side, Stopped, catalogue, fill
from gateway.core.unknown import unknown

PLACE = Location(3, 7, "/a[1]")


def test_facts_fill_the_sentence_and_what_is_missing_is_an_ellipsis():
    facts = {"a": 1, "b": ["x", 2], "c": None, "d": ("y",), "e": frozenset({"z"}), "f": {"w"}, "g": "t"}
    assert fill("{a}|{b}|{c}|{d}|{e}|{f}|{g}|{h}", facts) == "1|x, 2|–|y|z|w|t|…"


def test_a_problem_is_stored_without_words_and_read_back():
    problem = Problem("SYS-114", {"parameter": "x"}, PLACE)
    row = {"code": "SYS-114", "facts": {"parameter": "x"}, "at": {"line": 3, "column": 7, "xpath": "/a[1]"}}
    assert problem.as_dict() == row
    assert Problem.from_dict(row) == problem
    assert Problem("SYS-114").as_dict() == {"code": "SYS-114", "facts": {}, "at": None}
    assert Problem.from_dict({"code": "SYS-114"}) == Problem("SYS-114")


def test_a_problem_says_what_the_catalogue_says_of_its_code():
    entry = catalogue()["SYS-114"]
    problem = Problem("SYS-114", {"parameter": "p", "expected": "q"})
    assert (problem.entry, problem.outcome, problem.token) == (entry, entry.outcome, entry.token)
    for lang in Lang:
        assert problem.message(lang) == fill(entry.message[lang], problem.facts)
        assert problem.remedy(lang) == fill(entry.remedy[lang], problem.facts)
    assert (problem.message(), problem.remedy()) == (problem.message(Lang.VI), problem.remedy(Lang.VI))
    with pytest.raises(KeyError):
        _ = Problem("SYS-000").entry


def test_what_must_not_be_repeated_is_said_by_its_length():
    def said(value, lang):
        return Problem("SYS-114", {"parameter": value, "expected": "-"}).message(lang)

    assert "(38 ký tự, không nêu lại)" in said("[38]", Lang.VI)
    assert "(38 characters, not repeated here)" in said("[38]", Lang.EN)
    assert ("(trống)" in said("[0]", Lang.VI), "(empty)" in said("[0]", Lang.EN)) == (True, True)
    assert "[38] " in said("[38] ", Lang.EN)
    assert "hơn 4194304 (trục ngừng đếm ở đó, giữ 65536 byte đầu" in said("4194304+65536", Lang.VI)
    assert "more than 4194304 (the count stopped there; the first 65536 are kept" in said("4194304+65536", Lang.EN)


def test_values_that_the_catalogue_has_words_for_are_said_in_words_with_the_value_after_them():
    words = catalogue()["DLV-001"].words["why"]
    key = next(key for key in words if key.isalpha())
    said = words[key]
    for value in (key, f"{key}, x", f"{key} 10 s"):
        assert f"{said[Lang.EN]}: {value}" in Problem("DLV-001", {"why": value}).message(Lang.EN)
        assert f"{said[Lang.VI]}: {value}" in Problem("DLV-001", {"why": value}).message()
    several = Problem("DOS-011", {"from": 4, "to": 3, "guard": ["reason", "too-late"], "possible": []})
    assert "(phải ghi LyDo: reason, chỉ khi đã quá hạn bổ sung: too-late)" in several.message()
    other = Problem("DLV-001", {"why": "khác"}).message()
    assert "khác" in other
    assert ": khác" not in other.replace(catalogue()["DLV-001"].message[Lang.VI].partition("{why}")[0], "")


def test_every_entry_is_what_its_file_says():
    entries = catalogue()
    assert all(isinstance(entry, ProblemEntry) and entry.code == code for code, entry in entries.items())
    assert {type(entry.outcome) for entry in entries.values()} == {ProblemOutcome}
    assert {type(entry.side) for entry in entries.values()} == {Side}
    files = sorted(Path(problems.__file__).parent.glob("*.toml"))
    rows = {code: row for file in files for code, row in tomllib.loads(file.read_text("utf-8")).items()}
    assert list(entries) == list(rows)
    assert {code: entry.retry for code, entry in entries.items()} == {
        code: row.get("retry") is True for code, row in rows.items()
    }
    assert None in {entry.status for entry in entries.values()}
    assert all(entry.source and set(entry.message) == set(entry.remedy) == set(Lang) for entry in entries.values())
    assert {code[:3] for code in entries} >= {"AUT", "CAT", "DLV", "DOS", "DUP", "SIG", "SYS", "XML", "XSD"}
    with pytest.raises(TypeError):
        entries["X"] = None


def test_whoever_stops_says_why_in_one_line():
    stopped = Stopped(Problem("SYS-114", {"parameter": "p", "expected": "q"}), Problem("DUP-010"))
    assert [p.code for p in stopped.problems] == ["SYS-114", "DUP-010"]
    assert str(stopped) == "; ".join(f"{p.code} {p.message(Lang.EN)}" for p in stopped.problems)
    with pytest.raises(ValueError, match="at least one"):
        Stopped()


@pytest.mark.parametrize("what", ["message", "delivery", "dossier", "alert", "party", "samples"])
def test_what_is_not_there_is_told_with_the_command_that_lists_what_is(what):
    problem = unknown(what, "x" * 300)
    assert (problem.code, problem.facts["value"]) == ("SYS-042", "x" * 200)
    assert "lienthong" in problem.facts["listing"]
    assert problem.facts["what_vi"] != problem.facts["what_en"]
    assert problem.facts["what_vi"] in problem.message()
