"""Date forms as profiles write them (``yyyy-MM-dd'T'HH:mm:ss.SSSXXX``), one grammar for writing and for reading.

A form is a promise to the far side, so nothing in it is guessed: a letter that is no part of the grammar is refused when
the form is declared, and whatever a form writes it also reads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

VIETNAM = timezone(timedelta(hours=7))  # all year

WIRE = "yyyyMMddHHmmss"  # of packets, where a profile says nothing else

UNIX = MappingProxyType({"unix": 1, "unix-ms": 1000})  # seconds, or milliseconds, since 1970

# What stands for what. One letter: as many digits as the number has; two or more: always so many.
_DIGITS = MappingProxyType(
    {
        "yyyy": ("year", "[0-9]{4}"),
        "MM": ("month", "[0-9]{2}"),
        "M": ("month", "[0-9]{1,2}"),
        "dd": ("day", "[0-9]{2}"),
        "d": ("day", "[0-9]{1,2}"),
        "HH": ("hour", "[0-9]{2}"),
        "H": ("hour", "[0-9]{1,2}"),
        "mm": ("minute", "[0-9]{2}"),
        "ss": ("second", "[0-9]{2}"),
        "SSS": ("milli", "[0-9]{3}"),
        "SSSSSS": ("micro", "[0-9]{6}"),
    }
)
_ZONES = MappingProxyType({"XXX": "(?:Z|[+-][0-9]{2}:[0-9]{2})", "XX": "(?:Z|[+-][0-9]{4})", "Z": "[+-][0-9]{4}"})
KNOWN = (*_DIGITS, *_ZONES, *UNIX)

# What other languages, or a slip of the finger, write for the same thing.
_MEANT = MappingProxyType(
    {
        "YYYY": "yyyy",
        "yy": "yyyy",
        "YY": "yyyy",
        "DD": "dd",
        "D": "d",
        "hh": "HH",
        "h": "H",
        "SS": "ss",
        "S": "SSS",
        "fff": "SSS",
        "ffffff": "SSSSSS",
        "m": "mm",
        "s": "ss",
        "zzz": "XXX",
        "X": "XXX",
        "K": "XXX",
        "T": "'T'",
        "MMM": "MM",
        "mmm": "SSS",
        "SSSS": "SSS",
    }
)
_RUN = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>[^A-Za-z'])", re.DOTALL)


class WrongForm(ValueError):
    """A form that is none: what in it, and what was probably meant."""

    def __init__(self, found: str, meant: str | None = None) -> None:
        super().__init__(found)
        self.found = found
        self.meant = meant


@dataclass(frozen=True, slots=True)
class DateForm:
    """One form. Made by :func:`date_form`."""

    text: str
    parts: tuple[tuple[str, str], ...]  # ("digits", "yyyy"), ("zone", "XXX"), ("literal", "T"), ("utc", "Z")
    pattern: re.Pattern[str]

    def write(self, moment: datetime) -> str:
        """The moment in this form; without a zone in it, at home in Vietnam.

        Raises ValueError for a moment that has no such day there (the last hours of year 9999).
        """
        try:
            if self.text in UNIX:
                return str((moment - _EPOCH) // timedelta(microseconds=1_000_000 // UNIX[self.text]))
            home = moment.astimezone(UTC if ("utc", "Z") in self.parts else VIETNAM)
        except OverflowError as error:
            raise ValueError(str(error)) from error
        return "".join(_written(kind, text, home) for kind, text in self.parts)

    def read(self, text: str) -> datetime:
        """The moment that is written there. Raises ValueError where it is not in this form, or is no real moment."""
        found = self.pattern.fullmatch(text)
        if found is None:
            raise ValueError(text)
        try:
            if self.text in UNIX:
                return _EPOCH + timedelta(microseconds=int(text) * (1_000_000 // UNIX[self.text]))
            at = {name: int(value) for name, value in found.groupdict().items() if name != "zone"}
            micro = at.get("micro", at.get("milli", 0) * 1000)
            moment = datetime(
                at["year"],
                at["month"],
                at["day"],
                at.get("hour", 0),
                at.get("minute", 0),
                at.get("second", 0),
                micro,
                tzinfo=_zone(found.groupdict().get("zone"), utc=("utc", "Z") in self.parts),
            )
            return moment.astimezone(UTC)
        except OverflowError as error:
            raise ValueError(text) from error


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# What goes for nothing without what: (this, or None for any form; needs this; what was probably meant).
_DEMANDED = ((None, "year", "yyyy"), (None, "month", "MM"), (None, "day", "dd"))
_NOTHING_WITHOUT = (
    ("minute", "hour", "HH:mm:ss"),
    ("second", "minute", "HH:mm:ss"),
    ("milli", "second", "ss"),
    ("micro", "second", "ss"),
)


@lru_cache(maxsize=256)
def date_form(text: str) -> DateForm:
    """The form that is written there. Raises WrongForm."""
    if text in UNIX:
        return DateForm(text, (), re.compile(r"-?[0-9]{1,17}", re.ASCII))
    parts = tuple(_parts(text))
    names = [_DIGITS[part][0] if kind == "digits" else "zone" for kind, part in parts if kind != "literal"]
    _demand(text, names, _DEMANDED)
    _tell_apart(parts)
    if len(set(names)) < len(names) or {"milli", "micro"} <= set(names):
        raise WrongForm(text)
    _demand(text, names, _NOTHING_WITHOUT)
    return DateForm(text, parts, re.compile("".join(_pattern(kind, part) for kind, part in parts), re.ASCII))


def _demand(text: str, names: Collection[str], rows: Iterable[tuple[str | None, str, str]]) -> None:
    for name, needed, meant in rows:
        if (name is None or name in names) and needed not in names:
            raise WrongForm(text, meant)


def _tell_apart(parts: Iterable[tuple[str, str]]) -> None:
    """Raises WrongForm where a number of one or two digits touches another: is 1112026 the 1st or the 11th?"""
    for (kind, part), (after, other) in pairwise(parts):
        if kind == after == "digits" and (len(part) == 1 or len(other) == 1):
            raise WrongForm(part + other, part * 2 if len(part) == 1 else other * 2)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _RUN.match(text, at)
        if found is None:  # a quote that nobody closes
            raise WrongForm(text[at:], text[at:] + "'")
        at = found.end()
        if (quoted := found["quoted"]) is not None:
            last = at == len(text)
            # 'Z' at the end is the name of a zone, whatever the quotes say: a home time under it would be a lie.
            yield ("utc", "Z") if quoted == "Z" and last else ("literal", quoted.replace("''", "'") or "'")
        elif (letters := found["letters"]) is not None:
            if letters in _DIGITS:
                yield "digits", letters
            elif letters in _ZONES:
                yield "zone", letters
            else:
                raise WrongForm(letters, _MEANT.get(letters))
        else:
            yield "literal", found["other"]


def _pattern(kind: str, part: str) -> str:
    if kind == "digits":
        name, pattern = _DIGITS[part]
        return f"(?P<{name}>{pattern})"
    return f"(?P<zone>{_ZONES[part]})" if kind == "zone" else re.escape(part)


def _written(kind: str, part: str, at: datetime) -> str:
    if kind == "zone":
        return "+07:00" if part == "XXX" else "+0700"
    if kind != "digits":
        return part
    name = _DIGITS[part][0]
    value = {"milli": at.microsecond // 1000, "micro": at.microsecond}.get(name)
    return f"{getattr(at, name) if value is None else value:0{len(part)}d}"


def _zone(said: str | None, *, utc: bool) -> timezone:
    if utc or said == "Z":
        return UTC
    if said is None:
        return VIETNAM
    away = timedelta(hours=int(said[1:3]), minutes=int(said[-2:]))
    return timezone(-away if said[0] == "-" else away)
