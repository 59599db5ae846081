"""What a sample is: a document, who brings it, and what must happen to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from recipes.people import Office
from recipes.xmltext import Edit, Node, places, write

ACCEPTED, REJECTED, UNDETERMINED = "accepted", "rejected", "undetermined"


@dataclass(frozen=True)
class Expected:
    """A problem that must be reported; its place is told in one of four ways, or it has none.

    ``path``: an element of the tree. ``xpath`` alone: an element of the finished document. ``text``: where this text begins in
    it (for what is no element), with the ``xpath`` to report, if any. ``line`` and ``column``: just there.
    """

    code: str
    path: str | None = None
    attribute: str | None = None  # of the element at path: the place is the attribute's name
    text: str | None = None
    after: int = 0  # characters to go on from there
    second: bool = False  # the second time that the text stands there
    line: int | None = None
    column: int | None = None
    xpath: str | None = None
    on_record: bool = False  # found only with the records: without them it is not reported


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
    if expected.xpath is not None and expected.text is None:
        line, column = places(text)[expected.xpath]
        return replace(expected, line=line, column=column)
    if expected.path is not None and root is not None:
        xpath = root.xpath(expected.path)
        line, column = places(text)[xpath]
        if expected.attribute is not None:
            start = sum(len(row) for row in text.splitlines(keepends=True)[: line - 1]) + column - 1
            column += text.index(f" {expected.attribute}=", start) + 1 - start
            xpath += f"/@{expected.attribute}"
        return replace(expected, line=line, column=column, xpath=xpath)
    if expected.text is not None:
        first = text.index(expected.text)
        at = (text.index(expected.text, first + 1) if expected.second else first) + expected.after
        line = text.count("\n", 0, at) + 1
        return replace(expected, line=line, column=at - (text.rfind("\n", 0, at) + 1) + 1)
    return expected
