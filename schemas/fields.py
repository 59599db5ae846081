"""Values read out of elements: one element's children by name, with a type.

Nothing here knows a schema or a message type; what cannot be read becomes a located problem.
"""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from lxml import etree

from gateway.core.model import MaHoSo
from gateway.core.problems import Location, Problem
from gateway.documents import xpath_of
from schemas import names
from schemas.names import local

V = TypeVar("V")

NOWHEN = datetime(1, 1, 1, tzinfo=UTC)  # stands for a moment that could not be read; such a letter is never accepted


class Fields:
    """One element's children by name, with a type. A getter that fails notes a located problem and gives a stand-in.

    ``…_or_none`` is for what may be missing; a nilled element is None there and a problem elsewhere. Moments are
    aware, in UTC. ``nils``: whether any element may be nilled at all; who has looked at the bytes may say that none is.
    """

    __slots__ = ("_at", "_filled", "_start", "element", "nils", "problems", "space")

    def __init__(self, element: etree._Element, problems: list[Problem], space: str, nils: bool = True) -> None:
        self.element = element
        self.problems = problems
        self.space = space
        self.nils = nils
        self._start = f"{{{space}}}"
        # Backwards, since of two of one name the first counts.
        self._at = {child.tag: child for child in element.iterchildren(reversed=True)}
        self._filled = {tag: one for tag, one in self._at.items() if not _nilled(one)} if nils else self._at

    def _of(self, element: etree._Element) -> Fields:
        return Fields(element, self.problems, self.space, self.nils)

    def found(self, name: str) -> etree._Element | None:
        """The first child of this name, as it is."""
        return self._at.get(self._start + name)

    # --- structures

    def child(self, name: str) -> Fields:
        """A structure that must be there."""
        found = self.found(name)
        if found is None:
            self._missing(name)
            found = self.element.makeelement(self._start + name)
        return self._of(found)

    def child_or_none(self, name: str) -> Fields | None:
        """A structure that may be missing or nilled."""
        found = self._filled.get(self._start + name)
        return None if found is None else self._of(found)

    def rows(self, container: str, item: str) -> tuple[Fields, ...]:
        """The items of a list ``DanhSachX/X``; empty where there is no list."""
        found = self.found(container)
        return () if found is None else tuple(map(self._of, found.iterchildren(self._start + item)))

    def items(self, name: str) -> tuple[Fields, ...]:
        """What repeats without a container."""
        return tuple(map(self._of, self.element.iterchildren(self._start + name)))

    # --- values

    def text_or_none(self, name: str) -> str | None:
        """A text as written. All white space is a problem (XSD-034)."""
        found = self._filled.get(self._start + name)
        if found is None:
            return None
        value = found.text or ""
        if not value.strip():
            self.problems.append(Problem("XSD-034", {"element": name}, Location(xpath=xpath_of(found))))
        return value

    def code_or_none(self, name: str) -> str | None:
        """A code, white space collapsed as xs:token says."""
        found = self._filled.get(self._start + name)
        return None if found is None else " ".join((found.text or "").split())

    def text(self, name: str) -> str:
        """A text that must be there."""
        return self._needed(name, self.text_or_none(name), "")

    def code(self, name: str) -> str:
        """A code that must be there."""
        return self._needed(name, self.code_or_none(name), "")

    def ma_ho_so(self, name: str = "MaHoSo") -> MaHoSo:
        """A dossier code."""
        return MaHoSo(self.code(name))

    def whole_or_none(self, name: str) -> int | None:
        """A whole number."""
        value = self.code_or_none(name)
        if value is None:
            return None
        try:
            return int(value)
        except ValueError:
            self._illegible(name)
            return 0

    def whole(self, name: str) -> int:
        """A whole number that must be there."""
        return self._needed(name, self.whole_or_none(name), 0)

    def state(self, name: str) -> int:
        """A dossier state, 1..10."""
        return self.whole(name)

    def money_or_none(self, name: str) -> Decimal | None:
        """An amount in VND."""
        value = self.code_or_none(name)
        if value is None:
            return None
        try:
            return Decimal(value)
        except InvalidOperation:
            self._illegible(name)
            return Decimal(0)

    def money(self, name: str) -> Decimal:
        """An amount that must be there."""
        return self._needed(name, self.money_or_none(name), Decimal(0))

    def instant_or_none(self, name: str) -> datetime | None:
        """A moment, in UTC; finer than a microsecond is cut off."""
        value = self.code_or_none(name)
        if value is None:
            return None
        moment = instant(value)
        if moment is None:
            self._illegible(name)
            return NOWHEN
        return moment

    def instant(self, name: str) -> datetime:
        """A moment that must be there."""
        return self._needed(name, self.instant_or_none(name), NOWHEN)

    def day_or_none(self, name: str) -> date | None:
        """A calendar date."""
        value = self.code_or_none(name)
        if value is None:
            return None
        try:
            return date.fromisoformat(value)
        except ValueError:
            self._illegible(name)
            return NOWHEN.date()

    def day(self, name: str) -> date:
        """A calendar date that must be there."""
        return self._needed(name, self.day_or_none(name), NOWHEN.date())

    def _needed(self, name: str, value: V | None, stand_in: V) -> V:
        if value is None:
            found = self.found(name)
            if found is None:
                self._missing(name)
            else:
                self.problems.append(Problem("XSD-030", {"element": name}, Location(xpath=xpath_of(found))))
            return stand_in
        return value

    def _missing(self, name: str) -> None:
        facts = {"element": name, "parent": local(self.element.tag), "after": "–", "before": "–"}
        self.problems.append(Problem("XSD-010", facts, Location(xpath=xpath_of(self.element))))

    def _illegible(self, name: str) -> None:
        at = Location(xpath=xpath_of(self._at[self._start + name]))
        self.problems.append(Problem("XSD-029", {"element": name}, at))


def _nilled(element: etree._Element) -> bool:
    return element.get(names.NIL, "false").strip() in ("true", "1")


def by_name(element: etree._Element) -> dict[str, list[etree._Element]]:
    """An element and all that is in it, by Clark name, each list in the order of the document.

    While somebody holds it, going through the same elements again costs a quarter: lxml need not make them anew.
    """
    found: dict[str, list[etree._Element]] = {}
    for one in element.iter():
        found.setdefault(str(one.tag), []).append(one)
    return found


@functools.lru_cache(maxsize=256)  # a message says the same moment several times, and rules ask again of what was read
def instant(value: str) -> datetime | None:
    """A canonical moment in UTC, or None where it is none that can be held: xs:dateTime knows 24:00 and the year
    999999999.
    """
    if not names.THOI_DIEM.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
