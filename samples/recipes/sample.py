"""What a sample is: a document, who brings it, and what must happen to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from recipes.people import Office
from recipes.xmltext import Edit, Node, places, write

ACCEPTED, REJECTED, UNDETERMINED = "accepted", "rejected", "undetermined"


@dataclass(frozen=True)
class Expected:
    """A problem that must be reported. ``path``: where in the tree, ``None`` for one without a place.

    ``text``: the place is where this text begins in the written document (for what has no element of its own).
    """

    code: str
    path: str | None = None
    text: str | None = None
    after: int = 0  # characters to go on from there
    line: int | None = None
    column: int | None = None
    xpath: str | None = None


@dataclass(frozen=True)
class Sample:
    """One file of the samples with its side-car."""

    name: str  # the file's stem
    outcome: str
    sender: Office  # who is at the door
    why_vi: str
    why_en: str
    root: Callable[[], Node] | None = None
    body: bytes | None = None  # instead of a tree
    signer: str | None = None  # a name of samples/keys; None: not signed
    variant: str = "xades"  # a name of recipes.signatures
    problems: Sequence[Expected] = ()
    after: Sequence[str] = ()  # samples that must be on record first, by their stem
    alone: str | None = None  # the outcome without a database and a door, where that differs
    folder: str | None = None  # where that is not the outcome
    finish: Callable[[bytes], bytes] | None = None  # done to the bytes after signing
    at: str | None = None  # signing time; the message's own unless given
    written: Callable[[Node], str] = field(default=write)
    recipe: str = ""  # changes when what finish does changes
    placed_in_body: bool = False  # whether places are counted in the finished bytes instead of the document as written

    def but(self, **changes: object) -> Sample:
        """The same with changes."""
        return replace(self, **changes)  # type: ignore[arg-type]


def edited(sample: Sample, edit: Edit) -> Callable[[], Node]:
    """The tree of a sample with something done to it."""

    def build() -> Node:
        assert sample.root is not None
        root = sample.root()
        edit(root)
        return root

    return build


def located(expected: Expected, text: str, root: Node | None) -> Expected:
    """The expectation with line, column and XPath filled in from the document as written."""
    if expected.line is not None:
        return expected
    if expected.path is not None and root is not None:
        xpath = root.xpath(expected.path)
        line, column = places(text)[xpath]
        return replace(expected, line=line, column=column, xpath=xpath)
    if expected.text is not None:
        at = text.index(expected.text) + expected.after
        line = text.count("\n", 0, at) + 1
        return replace(expected, line=line, column=at - (text.rfind("\n", 0, at) + 1) + 1)
    return expected
