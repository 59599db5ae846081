"""The smallest change that mends a problem, as edits of the very bytes: where, what is replaced, by what.

The judges of this floor put into a problem's facts what they know of its mending (``fix``: a change of the tree, named by
XPath); what an unreadable document needs is told by its code. Nothing is proposed where only its author can know what
was meant: which of two dates is wrong, what the reason is, whether a file or its digest was changed.
"""

from __future__ import annotations

import difflib
import html
import html.entities
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from gateway.core.problems import Location, Problem
from gateway.documents import locate

_BREAK = re.compile("\r\n|\r|\n")
_MARKUP = re.compile(
    r"<!\[CDATA\[.*?\]\]>|<!--.*?-->|<\?.*?\?>|<(?P<end>/?)(?P<name>[^\s/>]+)(?:[^>\"']|\"[^\"]*\"|'[^']*')*?(?P<empty>/?)>",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in the text. An insertion has no ``old``, a removal no ``new``."""

    line: int  # as an editor counts: from 1, in characters
    column: int
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would mend one problem."""

    edits: tuple[Edit, ...]
    example: bool = False  # what is put in only shows the form; its author knows the value


@dataclass(frozen=True, slots=True)
class _Span:
    """An element in the text: its start tag, its content, all of it."""

    start: int
    inside: int
    inside_end: int
    end: int

    @property
    def empty(self) -> bool:
        """Written as one tag."""
        return self.inside == self.end


_Change = tuple[int, int, str]  # from, to, what stands there instead


def proposal(body: bytes, problem: Problem) -> Proposal | None:
    """The change proposed for a problem found in these bytes, or None where only its author can know."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    text = text.removeprefix("\ufeff")
    page = _Page(text, body)
    known = problem.facts.get("fix")
    changes: list[_Change]
    if known is not None:
        steps = known if isinstance(known, (list, tuple)) else [known]
        changes = [change for step in steps for change in page.change(step)]
        example = any(step["do"] in ("insert", "set") for step in steps)
    else:
        changes, example = [*_of_unreadable(page, problem), *_of_another_namespace(page, problem)], False
    if not changes:
        return None
    return Proposal(edits=tuple(page.edit(change) for change in sorted(changes)), example=example)


def apply(body: bytes, proposed: Proposal) -> bytes:
    """The bytes with a proposal carried out."""
    text = body.decode("utf-8").removeprefix("\ufeff")
    page = _Page(text, body)
    for edit in reversed(proposed.edits):
        at = page.offset(edit.line, edit.column)
        text = text[:at] + edit.new + text[at + len(edit.old) :]
    return text.encode()


class _Page:
    """A text by lines, and its elements by XPath."""

    def __init__(self, text: str, body: bytes) -> None:
        self.text = text
        self.body = body
        self.lines = [0, *(found.end() for found in _BREAK.finditer(text))]

    def offset(self, line: int, column: int) -> int:
        return self.lines[line - 1] + column - 1

    def edit(self, change: _Change) -> Edit:
        start, end, new = change
        line = bisect_right(self.lines, start)
        return Edit(line, start - self.lines[line - 1] + 1, self.text[start:end], new)

    def place(self, at: Location | None) -> int | None:
        """Where a problem says it is."""
        if at is None or at.line is None or at.column is None or at.line > len(self.lines):
            return None
        return self.offset(at.line, at.column)

    def span(self, xpath: str) -> _Span | None:
        """The element of an XPath."""
        found = locate(self.body, {xpath}).get(xpath)
        start = self.place(found)
        tag = None if start is None else _MARKUP.match(self.text, start)
        if tag is None or start is None:
            return None
        if tag["empty"]:
            return _Span(start, tag.end(), tag.end(), tag.end())
        depth = 0
        for step in _MARKUP.finditer(self.text, start):
            if step["name"] is not None and not step["empty"]:
                depth += -1 if step["end"] else 1
                if depth == 0:
                    return _Span(start, tag.end(), step.start(), step.end())
        return None

    def change(self, step: dict[str, Any]) -> Iterator[_Change]:
        """The edits of one change of the tree."""
        path, _, attribute = step["xpath"].partition("/@")
        element = self.span(path)
        if element is None:
            return
        if attribute:
            yield from self._of_attribute(element, attribute, step)
        elif step["do"] == "replace":
            if not element.empty:
                yield element.inside, element.inside_end, escape(step["text"])
        elif step["do"] == "remove":
            yield self._whole(element)
        elif step["do"] == "rename":
            yield from self._rename(element, step)
        elif step["do"] == "set":
            at = element.start + 1 + len(_tag(self.text, element.start))
            yield at, at, f" {step['text']}"
        else:
            yield from self._place(element, step)

    def _of_attribute(self, element: _Span, name: str, step: dict[str, Any]) -> Iterator[_Change]:
        found = re.compile(rf"(\s+){re.escape(name)}\s*=\s*(\"[^\"]*\"|'[^']*')").search(
            self.text, element.start, element.inside
        )
        if found is not None and step["do"] == "remove":
            yield found.start(), found.end(), ""
        elif found is not None and step["do"] == "replace":
            yield found.start(2), found.end(2), quoteattr(step["text"])

    def _whole(self, element: _Span) -> _Change:
        """An element with the line it stands on, where it has that to itself."""
        before = self.text.rfind("\n", 0, element.start) + 1
        after = self.text.find("\n", element.end)
        alone = before > 0 and after >= 0 and not self.text[before : element.start].strip()
        if alone and not self.text[element.end : after].strip():
            return before, after + 1, ""
        return element.start, element.end, ""

    def _rename(self, element: _Span, step: dict[str, Any]) -> Iterator[_Change]:
        old = _tag(self.text, element.start)
        prefix = self._prefix(element.start, step.get("namespace"))
        if prefix is None:  # it has none here: the element brings its own
            new, declared = step["text"], f"{step['text']} xmlns={quoteattr(step['namespace'])}"
        else:
            new = declared = f"{prefix}:{step['text']}" if prefix else step["text"]
        yield element.start + 1, element.start + 1 + len(old), declared
        if not element.empty:
            yield element.inside_end + 2, element.inside_end + 2 + len(old), new

    def _prefix(self, at: int, space: str | None) -> str | None:
        """The prefix that stands for a namespace at a place; "" for the default one."""
        if not space:
            return ""
        scopes: list[dict[str, str]] = [{}]
        for tag in _MARKUP.finditer(self.text, 0, at):
            if tag["name"] is None or tag["empty"]:
                continue
            if tag["end"]:
                scopes.pop()
                continue
            declared = re.findall(r"\sxmlns(?::([\w.\-]+))?\s*=\s*[\"']([^\"']*)[\"']", tag[0])
            scopes.append({**scopes[-1], **{name: html.unescape(uri) for name, uri in declared}})
        return next((name for name, uri in scopes[-1].items() if uri == space), None)

    def _place(self, element: _Span, step: dict[str, Any]) -> Iterator[_Change]:
        """insert into an element, or move an element, before another or to the end of its parent."""
        moving = step["do"] == "move"
        before = self.span(step["before"]) if step.get("before") else None
        if moving:
            new = self.text[element.start : element.end]
            yield self._whole(element)
            parent = self.span(step["xpath"].rpartition("/")[0])
        else:
            new, parent = step["text"], element
        if before is not None:
            at = before.start
        elif parent is not None and not parent.empty:
            at = parent.inside + len(self.text[parent.inside : parent.inside_end].rstrip())
            yield at, at, self._indent(at) + new
            return
        elif parent is not None:
            name = _tag(self.text, parent.start)
            close = self.text.rindex("/", parent.start, parent.end)
            yield close, parent.end, f">{new}</{name}>"
            return
        else:
            return
        line = self.text.rfind("\n", 0, at) + 1
        own_line = not self.text[line:at].strip()
        yield at, at, new + ("\n" + self.text[line:at] if own_line and line else "")

    def _indent(self, at: int) -> str:
        """A new line as deep as the one that ends here, where the text is written in lines."""
        line = self.text.rfind("\n", 0, at) + 1
        depth = re.match(r"[ \t]*", self.text[line:at])
        follows = self.text[at : at + 1]
        return f"\n{depth[0] if depth else ''}" if line and follows in "\r\n" else ""


def _tag(text: str, start: int) -> str:
    found = re.compile(r"<([^\s/>]+)").match(text, start)
    return found[1] if found else ""


def _of_another_namespace(page: _Page, problem: Problem) -> Iterator[_Change]:
    """The declaration that gives the root or the payload the wrong namespace."""
    element = page.span(problem.at.xpath) if problem.at is not None and problem.at.xpath is not None else None
    if problem.code not in ("XSD-002", "XSD-006") or element is None:
        return
    prefix, colon, _ = _tag(page.text, element.start).rpartition(":")
    written = re.compile(rf"\sxmlns{re.escape(colon + prefix)}\s*=\s*(\"[^\"]*\"|'[^']*')")
    declared = list(written.finditer(page.text, 0, element.inside))
    if declared and problem.facts.get("found") == (declared[-1][1][1:-1] or "–"):
        yield declared[-1].start(1), declared[-1].end(1), quoteattr(str(problem.facts["expected"]))


# --- what cannot be read ----------------------------------------------------------------------------------------------

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_LIKE = 0.6  # how alike two names are of which one is a slip of the other


_Finder = Callable[[str, int, Problem], "_Change | None"]
_CHARACTER = re.compile("&#[xX]?[0-9a-fA-F]+;|[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DOCTYPE = re.compile(r"<!DOCTYPE[^\[>]*(\[.*?\]\s*)?>\s*", re.DOTALL)
_ASIDE = re.compile(r"<!--.*?-->|<\?.*?\?>", re.DOTALL)
_ENTITY = re.compile(r"&(\w+);")
_END_TAG = re.compile(r"</([^\s>]+)")
_ATTRIBUTE = re.compile(r"[\w.\-]+(:[\w.\-]+)?\s*=\s*(\"[^\"]*\"|'[^']*')")


def _declared_anew(text: str, _at: int, _problem: Problem) -> _Change | None:
    end = text.find("?>", 0, 200)
    return (0, end + 2, _DECLARATION) if text.startswith("<?xml") and end > 0 else None


def _without_space_before(text: str, at: int, _problem: Problem) -> _Change | None:
    return None if text[:at].strip() else (0, at, "")


def _without_character(text: str, at: int, _problem: Problem) -> _Change | None:
    found = _CHARACTER.match(text, at)
    return (at, found.end(), "") if found is not None else None


def _without_doctype(text: str, at: int, _problem: Problem) -> _Change | None:
    found = _DOCTYPE.match(text, at)
    if found is None or "&" in text[found.end() :].replace("&amp;", "").replace("&lt;", ""):
        return None
    return at, found.end(), ""


def _without_aside(text: str, at: int, _problem: Problem) -> _Change | None:
    found = _ASIDE.match(text, at)
    return (at, found.end(), "") if found is not None else None


def _as_character(text: str, at: int, _problem: Problem) -> _Change | None:
    found = _ENTITY.match(text, at)
    letter = html.entities.html5.get(f"{found[1]};") if found is not None else None
    return (at, found.end(), letter) if found is not None and letter is not None else None


def _escaped(text: str, at: int, _problem: Problem) -> _Change:
    return at, at + 1, "&amp;" if text[at] == "&" else "&lt;"


def _closed(text: str, at: int, problem: Problem) -> _Change | None:
    found = _END_TAG.match(text, at)
    opened = str(problem.facts.get("mo_the", ""))
    if found is None:
        return None
    if difflib.SequenceMatcher(None, found[1], opened).ratio() >= _LIKE:
        return found.start(1), found.end(1), opened
    return (at, at, f"</{opened}>") if opened and not opened.endswith("…") else None


def _without_attribute(text: str, at: int, _problem: Problem) -> _Change | None:
    found = _ATTRIBUTE.match(text, at)
    return (at - 1, found.end(), "") if found is not None and text[at - 1].isspace() else None


_BY_CODE: Final[Mapping[str, _Finder]] = MappingProxyType(
    {
        "XML-102": _declared_anew,
        "XML-105": _without_character,
        "XML-106": _declared_anew,
        "XML-107": _declared_anew,
        "XML-108": _without_space_before,
        "XML-110": _without_doctype,
        "XML-111": _without_aside,
        "XML-112": _without_aside,
        "XML-116": _as_character,
        "XML-117": _escaped,
        "XML-118": _closed,
        "XML-140": _without_attribute,
        "XML-141": _without_attribute,
        "XML-142": _without_attribute,
    }
)


def _of_unreadable(page: _Page, problem: Problem) -> Iterator[_Change]:
    """What mends the text that a reader stopped at."""
    at, finder = page.place(problem.at), _BY_CODE.get(problem.code)
    change = finder(page.text, at, problem) if finder is not None and at is not None else None
    if change is not None:
        yield change
