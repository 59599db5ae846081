"""What people write in TOML: values with their place in the file, decoded strictly into frozen types.

Configuration and party profiles share this. Every mistake becomes a sentence with file, line and column, and all the
mistakes of a file are reported at once.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from gateway.core.problems import Lang, Location, Problem, Stopped

T = TypeVar("T")
KeyPath = tuple[str | int, ...]  # ("web", "port"), ("certificates", 0, "file")


_HINTS: dict[type[Any], dict[str, Any]] = {}


def hints_of(kind: type[Any]) -> Mapping[str, Any]:
    """The types of a class's fields; Python works them out anew each time, here it is done once."""
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind)
    return _HINTS[kind]


def setting(
    default: Any = dataclasses.MISSING,
    *,
    vi: str,
    en: str,
    at_least: float | None = None,
    at_most: float | None = None,
    among: Collection[str | int] | None = None,
    pattern: str | None = None,
) -> Any:
    """A field of a written type: its default, what it means in both languages, and the values it may take."""
    metadata = {"vi": vi, "en": en, "at_least": at_least, "at_most": at_most, "among": among, "pattern": pattern}
    if isinstance(default, (dict, list, set)) or dataclasses.is_dataclass(default):
        made = default
        return field(default_factory=lambda: made, metadata=metadata)
    if default is dataclasses.MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


def setting_meaning(of: dataclasses.Field[Any], lang: Lang) -> str:
    """What a setting means, in this language; empty where the field was not made by :func:`setting`."""
    return str(of.metadata.get(lang.value, ""))


@dataclass(frozen=True, slots=True)
class Written:
    """A parsed TOML text and where in it each key stands."""

    file: str
    data: Mapping[str, Any]
    places: Mapping[KeyPath, Location]

    def place(self, key: KeyPath) -> Location:
        """Where the key stands, or the nearest table around it that is written down."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, Location(1, 1))

    def problem(self, code: str, key: KeyPath, **facts: Any) -> Problem:
        """A problem of this file at the place of this key."""
        return Problem(code, {"file": self.file, "key": dotted(key), **facts}, self.place(key))


def read_toml(text: str, file: str) -> Written:
    """The text as values with places. Raises Stopped(SYS-011) with line and column where it is not TOML."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        at = Location(int(found[1]), int(found[2])) if found else Location(text.count("\n") + 1, 1)
        reason = re.sub(r"\s*\(at .*\)$", "", str(error))
        raise Stopped(Problem("SYS-011", {"file": file, "reason": reason}, at)) from error
    return Written(file, data, dict(_TomlWalk(text).places()))


def dotted(key: KeyPath) -> str:
    """The key as a person writes it: ``web.port``, ``certificates[1].file`` (counted from 1)."""
    out = ""
    for part in key:
        if isinstance(part, int):
            out += f"[{part + 1}]"
        else:
            out += ("." if out else "") + part
    return out


def nearest(word: str, known: Collection[str]) -> str | None:
    """The known word that was probably meant, or None when nothing is near."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def decode_toml(
    kind: type[T], written: Written, *, base: Path, row: Mapping[str, Any] | None = None, key: KeyPath = ()
) -> T:
    """The written values as a ``kind`` (a dataclass), paths relative to ``base``.

    Raises Stopped with every mistake: SYS-012 unknown key, SYS-013 wrong type, SYS-014 value not allowed,
    SYS-015 out of range, SYS-016 missing, SYS-017 wrong form.
    """
    clerk = _Clerk(written, base)
    value = clerk.table(kind, written.data if row is None else row, key)
    if clerk.problems:
        raise Stopped(*clerk.problems)
    return typing.cast("T", value)  # no problem was noted, so it is a `kind`


_NAMES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "true | false",
    Path: "path",
    datetime: "date-time",
    dict: "table",
    list: "array",
}


class _Wrong(Exception):  # control flow inside this file; the problem is already noted
    pass


class _Clerk:
    """Decodes and notes every mistake instead of stopping at the first."""

    def __init__(self, written: Written, base: Path) -> None:
        self.written = written
        self.base = base
        self.problems: list[Problem] = []

    def table(self, kind: type[Any], row: Any, key: KeyPath) -> Any:
        if not isinstance(row, Mapping):
            self._wrong_type(key, row, "table")
        hints = hints_of(kind)
        known = {f.name: f for f in dataclasses.fields(kind)}
        values: dict[str, Any] = {}
        sound = True
        for name, value in row.items():
            if name not in known:
                meant = nearest(name, known)
                self._note("SYS-012", (*key, name), nearest=meant or "–", known=sorted(known))
                sound = False
                continue
            try:
                values[name] = self._checked(known[name], self.value(hints[name], value, (*key, name)), (*key, name))
            except _Wrong:
                sound = False
        for name, f in known.items():
            required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
            if required and name not in row:
                self._note("SYS-016", (*key, name))
                sound = False
        if not sound:
            if key:
                raise _Wrong
            return None
        return kind(**values)

    def value(self, hint: Any, value: Any, key: KeyPath) -> Any:
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin in (types.UnionType, typing.Union):
            return self._optional(args, value, key)
        if hint is Any:
            return value
        if origin in (tuple, frozenset, set):
            return self._array(origin, args[0], value, key)
        if origin is not None and issubclass(origin, Mapping):
            if not isinstance(value, Mapping):
                self._wrong_type(key, value, "table")
            return self._all(args[1], value.items(), key)
        if dataclasses.is_dataclass(hint):
            return self.table(
                typing.cast("type[Any]", hint), value, key
            )  # is_dataclass also admits instances; a hint is a type
        return self._single(hint, value, key)

    def _optional(self, args: tuple[Any, ...], value: Any, key: KeyPath) -> Any:
        kinds = [a for a in args if a is not type(None)]
        if value == "" and kinds == [Path]:
            return None  # a path that may be left out
        return self.value(kinds[0] if len(kinds) == 1 else Any, value, key)

    def _array(self, kind: Any, hint: Any, value: Any, key: KeyPath) -> Any:
        if isinstance(value, Mapping):
            self._wrong_type(key, value, "array")
        listed = value if isinstance(value, list) else [value]  # one stands for [one]
        items = self._all(hint, enumerate(listed), key)
        return tuple(items.values()) if kind is tuple else frozenset(items.values())

    def _all(self, hint: Any, items: Any, key: KeyPath) -> dict[Any, Any]:
        done: dict[Any, Any] = {}
        sound = True
        for name, item in items:
            try:
                done[name] = self.value(hint, item, (*key, name))
            except _Wrong:
                sound = False
        if not sound:
            raise _Wrong
        return done

    def _single(self, hint: Any, value: Any, key: KeyPath) -> Any:
        if isinstance(hint, type) and issubclass(hint, StrEnum):
            return self._word(hint, value, key)
        if hint is Path and isinstance(value, str):
            return self._path(value, key)
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if hint is datetime and isinstance(value, date):
            return self._moment(value, key)
        supertype = getattr(hint, "__supertype__", hint)  # NewType
        if type(value) is not supertype:
            self._wrong_type(key, value, _NAMES.get(supertype, getattr(supertype, "__name__", str(supertype))))
        return value

    def _word(self, words: type[StrEnum], value: Any, key: KeyPath) -> StrEnum:
        self._among([value], [str(word) for word in words], key)
        return words(value)

    def _path(self, value: str, key: KeyPath) -> Path:
        if not value:
            self._note("SYS-017", key, value="", pattern=".+")
            raise _Wrong
        return (self.base / value).resolve()

    def _moment(self, value: date, key: KeyPath) -> datetime:
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
        if moment.tzinfo is None:
            self._note("SYS-013", key, expected="date-time with offset (+07:00)", found=str(value))
            raise _Wrong
        return moment.astimezone(UTC)

    def _checked(self, f: dataclasses.Field[Any], value: Any, key: KeyPath) -> Any:
        rules = f.metadata
        items = value if isinstance(value, (tuple, frozenset)) else (value,)
        among, pattern = rules.get("among"), rules.get("pattern")
        if among is not None:
            self._among(items, sorted(among), key)
        low, high = rules.get("at_least"), rules.get("at_most")
        if value is not None and ((low is not None and value < low) or (high is not None and value > high)):
            self._note("SYS-015", key, value=value, at_least=low, at_most=high)
            raise _Wrong
        if pattern is not None:
            self._fits(items, pattern, key)
        return value

    def _among(self, items: Iterable[Any], allowed: Sequence[Any], key: KeyPath) -> None:
        for item in items:
            if item not in allowed:
                meant = nearest(str(item), [str(one) for one in allowed])
                self._note("SYS-014", key, value=item, allowed=allowed, nearest=meant or "–")
                raise _Wrong

    def _fits(self, items: Iterable[Any], pattern: str, key: KeyPath) -> None:
        for item in items:
            if item is not None and not re.fullmatch(pattern, item):
                self._note("SYS-017", key, value=item, pattern=pattern)
                raise _Wrong

    def _wrong_type(self, key: KeyPath, value: Any, expected: str) -> typing.NoReturn:
        self._note("SYS-013", key, expected=expected, found=_NAMES.get(type(value), type(value).__name__))
        raise _Wrong

    def _note(self, code: str, key: KeyPath, **facts: Any) -> None:
        self.problems.append(self.written.problem(code, key, **facts))


class _TomlWalk:
    """Finds where each key of a valid TOML text stands. tomllib has read it before: no error handling needed."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.found: dict[KeyPath, int] = {}

    def places(self) -> Iterator[tuple[KeyPath, Location]]:
        self._document()
        starts = [0, *(m.end() for m in re.finditer("\n", self.text))]
        line = 0
        for key, offset in sorted(self.found.items(), key=lambda item: item[1]):
            while line + 1 < len(starts) and starts[line + 1] <= offset:
                line += 1
            yield key, Location(line + 1, offset - starts[line] + 1)

    def _document(self) -> None:
        counts: dict[KeyPath, int] = {}
        table: KeyPath = ()
        while self._skip(blank=" \t\n"):
            start = self.at
            if self.text.startswith("[[", self.at):
                self.at += 2
                name = self._resolve(self._key(), counts)
                number = counts.get(name, 0)
                counts[name] = number + 1
                table = (*name, number)
                self.found.setdefault(name, start)
                self.found[table] = start
                self._line_end()
            elif self.text[self.at] == "[":
                self.at += 1
                table = self._resolve(self._key(), counts)
                self.found.setdefault(table, start)
                self._line_end()
            else:
                self._pair(table)

    def _resolve(self, key: KeyPath, counts: Mapping[KeyPath, int]) -> KeyPath:
        """A header under an array of tables speaks of its last element."""
        out: KeyPath = ()
        for number, part in enumerate(key):
            out = (*out, part)
            if out in counts and number + 1 < len(key):
                out = (*out, counts[out] - 1)
        return out

    def _pair(self, table: KeyPath) -> None:
        start = self.at
        path = table
        for part in self._key():
            path = (*path, part)
            self.found.setdefault(path, start)
        self.at += 1  # =
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        self._skip(blank=" \t\n")
        char = self.text[self.at]
        if char == "{":
            self.at += 1
            while self._skip(blank=" \t\n,") and self.text[self.at] != "}":
                self._pair(path)
            self.at += 1
        elif char == "[":
            self.at += 1
            number = 0
            while self._skip(blank=" \t\n,") and self.text[self.at] != "]":
                self.found[(*path, number)] = self.at
                self._value((*path, number))
                number += 1
            self.at += 1
        elif char in "\"'":
            self._string()
        else:
            match = re.compile(r"[^,\]}\n#]*").match(self.text, self.at)
            self.at = match.end() if match else len(self.text)

    def _key(self) -> KeyPath:
        parts: list[str] = []
        while True:
            self._skip(blank=" \t")
            if self.text[self.at] in "\"'":
                parts.append(str(next(iter(tomllib.loads(self._string() + "=0")))))
            else:
                match = re.compile(r"[A-Za-z0-9_-]+").match(self.text, self.at)
                parts.append(match.group() if match else "")
                self.at = match.end() if match else self.at + 1
            self._skip(blank=" \t")
            if self.at < len(self.text) and self.text[self.at] == ".":
                self.at += 1
                continue
            return tuple(parts)

    def _string(self) -> str:
        start = self.at
        mark = self.text[self.at]
        quotes = mark * 3 if self.text.startswith(mark * 3, self.at) else mark
        self.at += len(quotes)
        while not self.text.startswith(quotes, self.at):
            self.at += 2 if mark == '"' and self.text[self.at] == "\\" else 1
        self.at += len(quotes)
        while len(quotes) == 3 and self.at < len(self.text) and self.text[self.at] == mark:  # """a"""" ends late
            self.at += 1
        return self.text[start : self.at]

    def _line_end(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _skip(self, blank: str) -> bool:
        """Past blanks and comments; False at the end of the text."""
        while self.at < len(self.text):
            if self.text[self.at] in blank:
                self.at += 1
            elif self.text[self.at] == "#" and "\n" in blank:
                self._line_end()
            else:
                return True
        return False


def flat(value: Any, key: KeyPath = ()) -> Iterator[tuple[KeyPath, dataclasses.Field[Any] | None, Any]]:
    """Every leaf of nested dataclasses: key, the field it belongs to, value. Tables and arrays count as leaves."""
    for f in dataclasses.fields(value):
        inner = getattr(value, f.name)
        if dataclasses.is_dataclass(inner) and not isinstance(inner, type):
            yield from flat(inner, (*key, f.name))
        else:
            yield (*key, f.name), f, inner


__all__: Sequence[str] = [
    "KeyPath",
    "Written",
    "decode_toml",
    "dotted",
    "flat",
    "nearest",
    "read_toml",
    "setting",
    "setting_meaning",
]
