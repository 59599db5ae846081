"""Messages as trees of plain values, written as pretty UTF-8 text, with the place of every element known.

Written here and not with the product's own writer, so that the samples and the product can contradict each other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union

PB = "http://www.dongnai.gov.vn/lienthong/phongbi/1.0"
HS = "http://www.dongnai.gov.vn/lienthong/hoso/1.0"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

Value = Union[str, "Nil", "Node", Mapping[str, "Value"], Sequence["Value"]]


@dataclass(frozen=True)
class Nil:
    """An absent value with its reason (Circular 13/2017)."""

    reason: str | None = "KHONG_CO"


@dataclass(eq=False)
class Node:
    """One element. ``raw``: text that is written as it stands, for CDATA and character references."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str | None = None
    raw: str | None = None

    def at(self, path: str) -> Node:
        """The descendant at ``ThanPhan/NopHoSo/TaiLieuNop[2]``: local names, positions from 1."""
        node = self
        for step in path.split("/") if path else ():
            name, _, position = step.partition("[")
            found = [child for child in node.children if child.local == name]
            node = found[int(position.rstrip("]")) - 1 if position else 0]
        return node

    @property
    def local(self) -> str:
        """The name without its prefix."""
        return self.tag.rpartition(":")[2]

    def xpath(self, path: str) -> str:
        """The absolute positional XPath of the descendant at ``path``, prefixes as written."""
        node, steps = self, [self.tag]
        for step in path.split("/") if path else ():
            siblings, node = node.children, node.at(step)
            twins = [child for child in siblings if child.tag == node.tag]
            steps.append(f"{node.tag}[{[child is node for child in twins].index(True) + 1}]")
        return "/" + "/".join(steps)


def element(name: str, value: Value, prefix: str) -> Node:
    """An element from plain values: a text, a Nil, a mapping of children; a list under a name repeats that child."""
    tag = f"{prefix}:{name}"
    if isinstance(value, Node):
        return value
    if isinstance(value, Nil):
        attributes = {"xsi:nil": "true"}
        if value.reason is not None:
            attributes["LyDoTrong"] = value.reason
        return Node(tag, attributes)
    if isinstance(value, str):
        return Node(tag, text=value)
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: {type(value).__name__}")
    children: list[Node] = []
    for child, inner in value.items():
        if isinstance(inner, Sequence) and not isinstance(inner, str):
            children += [element(child, one, prefix) for one in inner]
        else:
            children.append(element(child, inner, prefix))
    return Node(tag, children=children)


def write(root: Node, *, declaration: str = '<?xml version="1.0" encoding="UTF-8"?>\n', newline: str = "\n") -> str:
    """The document as text: two spaces a level, a value on the line of its element."""
    text = declaration + _written(root, 0) + "\n"
    return text.replace("\n", newline)


def _written(node: Node, level: int) -> str:
    pad = "  " * level
    head = node.tag + "".join(f' {name}="{_attribute(value)}"' for name, value in node.attributes.items())
    if node.raw is not None:
        return f"{pad}<{head}>{node.raw}</{node.tag}>"
    if node.children:
        inner = "\n".join(_written(child, level + 1) for child in node.children)
        return f"{pad}<{head}>\n{inner}\n{pad}</{node.tag}>"
    if not node.text:
        return f"{pad}<{head}/>"
    return f"{pad}<{head}>{_text(node.text)}</{node.tag}>"


def _text(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _attribute(value: str) -> str:
    return _text(value).replace('"', "&quot;")


_TAG = re.compile(
    r"<(?:!\[CDATA\[.*?\]\]>|\?.*?\?>|!--.*?-->|!DOCTYPE[^>]*>|(/?)([^\s/>]+)((?:[^>\"']|\"[^\"]*\"|'[^']*')*?)(/?)>)",
    re.DOTALL,
)


def places(text: str) -> dict[str, tuple[int, int]]:
    """Absolute positional XPath -> (line, column) of every start tag, from 1; columns count characters.

    A scanner of its own, so that the side-cars do not repeat what the product computes. For well-formed text only.
    """
    found: dict[str, tuple[int, int]] = {}
    stack: list[tuple[str, dict[str, int]]] = []
    root = True
    for match in _TAG.finditer(text):
        closing, tag, _, empty = match.groups()
        if tag is None:
            continue
        if closing:
            stack.pop()
            continue
        if root:
            path, root = f"/{tag}", False
        else:
            parent, counts = stack[-1]
            counts[tag] = counts.get(tag, 0) + 1
            path = f"{parent}/{tag}[{counts[tag]}]"
        line = text.count("\n", 0, match.start()) + 1
        found[path] = (line, match.start() - (text.rfind("\n", 0, match.start()) + 1) + 1)
        if not empty:
            stack.append((path, {}))
    return found


# --- what can be done to a tree ---------------------------------------------------------------------------------------------

Edit = Callable[[Node], None]


def put(path: str, text: str) -> Edit:
    """Another text."""

    def edit(root: Node) -> None:
        node = root.at(path)
        node.text, node.raw, node.children = text, None, []

    return edit


def raw(path: str, text: str) -> Edit:
    """Text that is written as it stands."""

    def edit(root: Node) -> None:
        root.at(path).raw = text

    return edit


def drop(path: str) -> Edit:
    """The element taken out."""
    parent = path.rpartition("/")[0]

    def edit(root: Node) -> None:
        node = root.at(path)
        siblings = root.at(parent).children
        siblings[:] = [child for child in siblings if child is not node]

    return edit


def rename(path: str, name: str) -> Edit:
    """Another element name, prefix included."""

    def edit(root: Node) -> None:
        root.at(path).tag = name

    return edit


def add(parent: str, child: Node, at: int | None = None) -> Edit:
    """A child put in, last unless told where."""

    def edit(root: Node) -> None:
        children = root.at(parent).children
        children.insert(len(children) if at is None else at, child)

    return edit


def swap(path: str, other: str) -> Edit:
    """Two children of one parent in the other order."""

    def edit(root: Node) -> None:
        parent = root.at(path.rpartition("/")[0])
        children = parent.children
        one, two = children.index(root.at(path)), children.index(root.at(other))
        children[one], children[two] = children[two], children[one]

    return edit


def mark(path: str, **attributes: str) -> Edit:
    """Attributes; double underscore stands for the colon."""

    def edit(root: Node) -> None:
        root.at(path).attributes |= {name.replace("__", ":"): value for name, value in attributes.items()}

    return edit


def nil(path: str, reason: str | None = "KHONG_CO", text: str | None = None) -> Edit:
    """An absent value, with or without its reason."""

    def edit(root: Node) -> None:
        node = root.at(path)
        node.text, node.children = text, []
        node.attributes["xsi:nil"] = "true"
        if reason is not None:
            node.attributes["LyDoTrong"] = reason

    return edit


def all_of(*edits: Edit) -> Edit:
    """One after the other."""

    def edit(root: Node) -> None:
        for one in edits:
            one(root)

    return edit


def nfc(text: str) -> str:
    """Precomposed Vietnamese."""
    return unicodedata.normalize("NFC", text)
