"""What a party answered, as data: JSON, XML or bare text, whatever its encoding.

One rule stands above the rest: an answer that lacks what was expected in it is *unreadable*, and nothing follows from it.
It is never a no, and never "not there".
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from lxml import etree

from connectors.http import Reply
from connectors.outcomes import Uncertain
from gateway.core.problems import Problem, Stopped


class Reads(StrEnum):
    """In which form a party answers."""

    JSON = "json"
    XML = "xml"
    TEXT = "text"  # a bare code or sentence
    NOTHING = "nothing"  # its status is the whole answer


class _Absence:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Absence()

# Encodings that public integration code was seen to answer in. Others are unreadable.
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "utf-16", "utf-16le", "utf-16be", "iso-8859-1", "latin1"})
_WINDOWS = frozenset({"windows-1252", "cp1252", "windows-1258", "cp1258"})
_DECLARED = re.compile(r"""\s*<\?xml\s[^>]*?(?:encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["'])?[^>]*?\?>""")
DEPTH = 60  # of an answer in XML


def unreadable(what: str, reply: Reply) -> Uncertain:
    """The answer is there, and what was to be read in it is not."""
    return Uncertain(Problem("DLV-023", {"what": what}), answer=reply.body)


def read_answer(reply: Reply, form: Reads) -> Any:
    """The answer as data: JSON as it is; of XML, a table of its root's children by local name, each a text, a table, or
    an array where it repeats; or its text. Raises Uncertain where it is not in this form.
    """
    if form is Reads.NOTHING:
        return None
    if form is not Reads.TEXT and reply.media_type in {"text/html", "application/xhtml+xml"}:
        raise unreadable("text/html", reply)
    text = _decoded(reply)
    if form is Reads.TEXT:
        return text.strip()
    return _from_json(text, reply) if form is Reads.JSON else _from_xml(text, reply)


def _from_json(text: str, reply: Reply) -> Any:
    """The text of JSON as data. Raises Uncertain where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unreadable("JSON", reply) from error


def _from_xml(text: str, reply: Reply) -> Any:
    """The text of an XML document as data. Raises Uncertain where our own gate refuses it."""
    try:
        root = reply.root_of(_DECLARED.sub("", text, count=1).lstrip().encode())
    except Stopped as stop:
        raise unreadable(f"XML, {stop.problems[0].code}", reply) from stop
    return _data(root, reply, 0)


def answer_at(value: Any, path: str | Sequence[str | int]) -> Any:
    """What lies at a path ("result/0/maLoi") of an answer; MISSING where there is nothing."""
    steps = [step for step in path.split("/") if step] if isinstance(path, str) else path
    for step in steps:
        if isinstance(value, dict):
            value = value.get(str(step), MISSING)
        elif isinstance(value, list) and str(step).isascii() and str(step).isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


def code_at(value: Any, path: str) -> str | None:
    """The code at a path, as text; None where there is none. The empty path is the answer itself."""
    found = answer_at(value, path)
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found).strip() if isinstance(found, (str, int, float)) and str(found).strip() else None


def _decoded(reply: Reply) -> str:
    """The answer's text: by its byte order mark, by what it declares, else as UTF-8."""
    body = reply.body
    for mark, charset in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if body.startswith(mark):
            return _decode(body, charset, reply)
    named = re.search(r"charset\s*=\s*\"?([A-Za-z0-9._-]{1,40})", reply.headers.get("Content-Type", ""))
    if named is None and (said := _DECLARED.match(body[:200].decode("latin-1"))) and said[1]:
        named = said
    charset = named[1].lower() if named and named[1] else "utf-8"
    if charset not in _CHARSETS | _WINDOWS:
        raise unreadable(charset, reply)
    if charset not in {"utf-8", "utf8"} and body[:1] in {b"{", b"["} and _is_utf8(body):
        charset = "utf-8"  # JSON is UTF-8 (RFC 8259); frameworks put a charset of their own beside it
    return _decode(body, charset, reply)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode(body: bytes, charset: str, reply: Reply) -> str:
    try:
        return body.decode(charset)
    except (UnicodeDecodeError, LookupError) as error:
        raise unreadable(charset, reply) from error


def _data(element: etree._Element, reply: Reply, depth: int) -> Any:
    if depth > DEPTH:
        raise unreadable("XML", reply)
    children = [child for child in element if isinstance(child.tag, str)]
    if not children:
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in children:
        name, value = etree.QName(child).localname, _data(child, reply, depth + 1)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found
