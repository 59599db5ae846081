"""What persons and programs write into fields: taken as it is, or refused with the field's name and what it may be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.problems import Problem, Stopped

LONGEST: Final = 200
LONGEST_TEXT: Final = 1000
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def text_of(given: Mapping[str, str], name: str, most: int = LONGEST) -> str:
    """What stands in a field, without blanks around it; empty where there is none. Raises Stopped (SYS-170)."""
    value = unicodedata.normalize("NFC", given.get(name, "").strip())
    if len(value) > most:
        raise _wrong(name, f"≤ {most}")
    if _CONTROLS.search(value):
        raise _wrong(name, "a-z, 0-9, …")
    return value


def choice_of(given: Mapping[str, str], name: str, among: Collection[str]) -> str:
    """One of these, or empty. Raises Stopped (SYS-170)."""
    value = text_of(given, name)
    if value and value not in among:
        raise _wrong(name, ", ".join(sorted(among)[:20]))
    return value


def number_of(given: Mapping[str, str], name: str, otherwise: int, most: int) -> int:
    """A whole number from 0. Raises Stopped (SYS-170)."""
    value = text_of(given, name, 12)
    if not value:
        return otherwise
    if not value.isascii() or not value.isdigit() or int(value) > most:
        raise _wrong(name, f"0 – {most}")
    return int(value)


def day_of_field(given: Mapping[str, str], name: str, *, ends: bool = False) -> datetime | None:
    """The first moment of a day at home, or with ``ends`` of the next one. Raises Stopped (SYS-170)."""
    value = text_of(given, name)
    if not value:
        return None
    try:
        day = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=GIO_VIET_NAM) if _DAY.fullmatch(value) else None
    except ValueError:
        day = None
    if day is None or not _EARLIEST <= day <= _LATEST:
        raise _wrong(name, "2026-01-31")
    return (day + timedelta(days=1) if ends else day).astimezone(UTC)


def period_of(given: Mapping[str, str]) -> tuple[datetime | None, datetime | None]:
    """From the day ``tu`` to the end of the day ``den``. Raises Stopped (SYS-170)."""
    since, until = day_of_field(given, "tu"), day_of_field(given, "den", ends=True)
    if since is not None and until is not None and until <= since:
        raise _wrong("den", f"≥ {given.get('tu', '')}")
    return since, until


def _wrong(name: str, like: str) -> Stopped:
    return Stopped(Problem("SYS-170", {"field": name[:40], "like": like}))
