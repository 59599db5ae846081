"""What pages are made of. A page says what there is to see; templates/parts.html alone says how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gateway.core.problems import Problem


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead somewhere within the console."""

    text: str
    to: str


@dataclass(frozen=True, slots=True)
class Glance:
    """A word with a mark before it that says the same by its form: never by colour alone."""

    text: str
    sort: str  # "good", "bad", "wait"


Cell = str | int | Link | Glance | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading within a page."""

    kind: ClassVar[str] = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Sentences, each a paragraph."""

    kind: ClassVar[str] = "lines"
    lines: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names and what they are."""

    kind: ClassVar[str] = "facts"
    rows: Sequence[tuple[str, Cell]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with its caption; the first cell of each row is its heading."""

    kind: ClassVar[str] = "table"
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str = ""  # said instead where there are no rows
    more: str = ""  # what is left out
    following: Link | None = None  # the next page
    cards: bool = False  # each row a card on a narrow screen, however few columns there are
    dense: bool = False  # its cards have their cells one after another, without the columns' names


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Large numbers: what each is, the number, its change, where there is more of it."""

    kind: ClassVar[str] = "numbers"
    rows: Sequence[tuple[str, str, str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldProblems:
    """Problems with their places and remedies."""

    kind: ClassVar[str] = "told"
    problems: Sequence[Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """Text as it came, every steering character written out."""

    kind: ClassVar[str] = "original"
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """One field of a form."""

    name: str
    label: str
    value: str = ""
    choices: Sequence[tuple[str, str]] = ()  # value and words; none: text
    sort: str = "text"  # of the input: text, date, search, password, file
    needed: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A form that only asks."""

    kind: ClassVar[str] = "search"
    to: str
    fields: Sequence[FormField]
    button: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A form that plans an act, or looks at what is logged: sent with the session's form token."""

    kind: ClassVar[str] = "act"
    to: str
    button: str
    hidden: Sequence[tuple[str, str]] = ()
    fields: Sequence[FormField] = ()
    title: str = ""
    grave: bool = False  # what cannot be taken back


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloads:
    """Files made of what the page shows."""

    kind: ClassVar[str] = "downloads"
    links: Sequence[Link]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of a chart, in units of its picture."""

    label: str
    shown: str  # its number
    y: int
    width: float
    x: int = 0  # where it begins
    below: int = 0  # how far it stands under its label


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars with a title and a sentence; the table beside it says the same in numbers."""

    kind: ClassVar[str] = "chart"
    id: str
    title: str
    says: str
    bars: Sequence[Bar]
    heads: tuple[str, str]
    height: int

    @property
    def table(self) -> Table:
        """The same in numbers."""
        return Table(caption=self.title, heads=self.heads, rows=[(bar.label, bar.shown) for bar in self.bars])


Part = Heading | Lines | Facts | Table | Numbers | ToldProblems | Original | Search | Act | Downloads | Chart
