"""The one word for trouble: a Problem, and the catalogue that gives it words.

The catalogue is the ``*.toml`` files beside this module, one for each family of codes (the families follow the stations).
A problem carries facts; its wording in Vietnamese and English is rendered when somebody looks, so that a sentence mended
today also mends yesterday's list.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, Self

from gateway.core.os_words import in_vietnamese


class ProblemOutcome(StrEnum):
    """The three answers of a judgement, as a problem states them."""

    FAILED = "failed"  # the document is refused
    UNDETERMINED = "undetermined"  # not known yet: the document is held
    NOTE = "note"  # a remark; the document is accepted


class Side(StrEnum):
    """Whose turn it is to do something."""

    SENDER = "sender"
    RECEIVER = "receiver"
    GATEWAY = "gateway"


class Lang(StrEnum):
    """The languages every text of the gateway exists in."""

    VI = "vi"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a document. Lines and columns count from 1; the XPath is absolute, positional, with prefixes as written."""

    line: int | None = None
    column: int | None = None
    xpath: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemEntry:
    """One code of the catalogue."""

    code: str  # XSD-021: what a person looks up; never reused
    token: str  # SCHEMA_KHONG_HOP_LE: what a program switches on
    outcome: ProblemOutcome
    side: Side
    retry: bool  # may the same bytes succeed later without anybody changing them?
    status: int | None  # HTTP status where the general table of (outcome, side) does not fit
    message: Mapping[Lang, str]
    remedy: Mapping[Lang, str]
    source: str  # the standard and clause, or "liên thông" for a rule of our own; never 3788
    words: Mapping[str, Mapping[str, Mapping[Lang, str]]] = field(default_factory=dict)  # fact -> its value -> in words


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, with the facts that the sentence needs. Facts quote codes, never personal data."""

    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    at: Location | None = None

    @property
    def entry(self) -> ProblemEntry:
        """The catalogue's entry. Raises KeyError for a code that is not in it."""
        return problem_entry(self.code)

    @property
    def outcome(self) -> ProblemOutcome:
        """Whether this refuses, holds or only remarks."""
        return self.entry.outcome

    @property
    def token(self) -> str:
        """The stable token of the wire, as docs/en/problems.md lists them."""
        return self.entry.token

    def message(self, lang: Lang = Lang.VI) -> str:
        """The sentence, with this problem's facts filled in."""
        return fill(self.entry.message[lang], self._in_words(lang))

    def _in_words(self, lang: Lang) -> Mapping[str, Any]:
        """The facts; values that the catalogue has words for are said in words, and the value after them."""
        facts = {name: _unquoted(value, lang) for name, value in self.facts.items()}
        for name, table in self.entry.words.items():
            value = facts.get(name)
            if isinstance(value, (list, tuple)):
                facts[name] = [_in_words_of(table, item, lang) for item in value]
            else:
                facts[name] = _in_words_of(table, value, lang)
        if lang is Lang.VI:  # what the system said is English wherever it runs
            for name in facts.keys() & _SAID_BY_THE_SYSTEM:
                facts[name] = _in_vietnamese(facts[name])
        return facts

    def remedy(self, lang: Lang = Lang.VI) -> str:
        """What to do about it."""
        return fill(self.entry.remedy[lang], self.facts)

    def as_dict(self) -> dict[str, Any]:
        """The form in which problems are stored: code, facts and place, no words."""
        at = self.at
        return {
            "code": self.code,
            "facts": dict(self.facts),
            "at": None if at is None else {"line": at.line, "column": at.column, "xpath": at.xpath},
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`as_dict`."""
        at = row.get("at")
        return cls(row["code"], row.get("facts", {}), Location(**at) if at else None)


class Stopped(Exception):
    """A document cannot go on. Carries every problem that its station found, at least one."""

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("Stopped needs at least one problem")
        super().__init__(*problems)
        self.problems: tuple[Problem, ...] = problems

    def __str__(self) -> str:
        return "; ".join(f"{p.code} {p.message(Lang.EN)}" for p in self.problems)


_SAID_BY_THE_SYSTEM: Final = frozenset({"reason", "why", "sources"})


def _in_vietnamese(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return [_in_vietnamese(item) for item in value]
    return in_vietnamese(value) if isinstance(value, str) else value


class _Gaps(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"


def fill(template: str, facts: Mapping[str, Any]) -> str:
    """The template with ``{name}`` replaced by the fact of that name, or by "…" where the fact is missing."""
    return template.format_map(_Gaps({k: _shown(v) for k, v in facts.items()}))


def _unquoted(value: object, lang: Lang) -> object:
    """A value that must not be repeated stands in the facts as its length in brackets: "[38]".

    A length that was not counted to its end is "4194304+65536": more than the first, and so many of it were kept and hashed.
    """
    if not isinstance(value, str):
        return value
    if (counted := _COUNTED.fullmatch(value)) is not None:
        return fill(_STOPPED[lang], {"most": counted[1], "kept": counted[2]})
    match = _LENGTH.fullmatch(value)
    if match is None:
        return value
    return f"({match[1]} {_CHARACTERS[lang]})" if match[1] != "0" else _EMPTY[lang]


_COUNTED: Final = re.compile(r"(\d+)\+(\d+)")
_STOPPED: Final = {
    Lang.VI: "hơn {most} (trục ngừng đếm ở đó, giữ {kept} byte đầu; SHA-256 ghi nhận là của phần được giữ)",
    Lang.EN: "more than {most} (the count stopped there; the first {kept} are kept, and the recorded SHA-256 is of those)",
}
_LENGTH: Final = re.compile(r"\[(\d+)\]")
_EMPTY: Final = {Lang.VI: "(trống)", Lang.EN: "(empty)"}
_CHARACTERS: Final = {Lang.VI: "ký tự, không nêu lại", Lang.EN: "characters, not repeated here"}


def _in_words_of(table: Mapping[str, Mapping[Lang, str]], value: object, lang: Lang) -> object:
    """A value as the catalogue's table says it, and the value after that; a value that it does not know as it is."""
    text = str(value)
    known = (text, text.partition(",")[0], text.partition(" ")[0])  # "timeout 10 s" is found as "timeout"
    said = next((table[key][lang] for key in known if key in table), "")
    return f"{said}: {text}" if said else value


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(str(item) for item in value)
    return "–" if value is None else str(value)


@cache
def problem_entry(code: str) -> ProblemEntry:
    """The catalogue's entry of a code, by reading its family alone: whoever tells one problem does not parse thirteen files.

    Raises KeyError for a code that is not in it.
    """
    for family in (code.partition("-")[0].lower(), _DOOR):
        if code in (entries := _family(family)):
            return entries[code]
    raise KeyError(code)


def codes_saying(text: str) -> list[str]:
    """The codes whose sentence, in either language, has these words in it; none for fewer than three letters."""
    asked = text.casefold()
    if len(asked) < _SAID:
        return []
    return [code for code, entry in catalogue().items() if any(asked in said.casefold() for said in _sentences(entry))]


def _sentences(entry: ProblemEntry) -> Iterator[str]:
    yield from entry.message.values()
    for values in entry.words.values():
        for said in values.values():
            yield from said.values()


def is_known(code: str) -> bool:
    """Whether there is such a code; one of another version of this program may not be."""
    try:
        problem_entry(code)
    except KeyError:
        return False
    return True


@cache
def catalogue() -> Mapping[str, ProblemEntry]:
    """Every code there is. Raises ValueError when the files contradict themselves."""
    entries: dict[str, ProblemEntry] = {}
    for name in sorted(file.name for file in resources.files(__package__).iterdir()):
        family = _family(name.removesuffix(".toml")) if name.endswith(".toml") else {}
        for code in family:
            if code in entries:
                raise ValueError(f"{code} stands twice in the problem catalogue")
        entries |= family
    return MappingProxyType(entries)


_SAID: Final = 3  # fewer letters stand in nearly every sentence
_DOOR: Final = "door"  # the family of the doors has codes of two others


@cache
def _family(name: str) -> Mapping[str, ProblemEntry]:
    """The entries of one file; none where there is no such file."""
    file = resources.files(__package__) / f"{name}.toml"
    if not name.isalpha() or not file.is_file():
        return {}
    return {
        code: ProblemEntry(
            code=code,
            token=row["token"],
            outcome=ProblemOutcome(row["outcome"]),
            side=Side(row["side"]),
            retry=row.get("retry", False),
            status=row.get("status"),
            message={Lang.VI: row["vi"], Lang.EN: row["en"]},
            remedy={Lang.VI: row["remedy_vi"], Lang.EN: row["remedy_en"]},
            source=row["source"],
            words={
                fact: {value: {Lang.VI: vi, Lang.EN: en} for value, (vi, en) in table.items()}
                for fact, table in row.get("words", {}).items()
            },
        )
        for code, row in tomllib.loads(file.read_text("utf-8")).items()
    }
