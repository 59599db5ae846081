"""Reading a call in the national portal's own form: JSON, or a form with JSON in one of its fields.

Members are found one by one, so that a member that stands twice is seen, and each row keeps its bytes exactly as they came.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.core.problems import Location, Problem
from gateway.web.exchange import JSON_TYPES
from gateway.web.refusals import Refusal, refuse

FORM_TYPES = ("application/x-www-form-urlencoded",)
CALL_TYPES = (*JSON_TYPES, *FORM_TYPES)

_MEMBERS = frozenset(
    {"username", "password", "session", "madonvi", "service", "isUpdating", "data", "mahoso", "MaHoSo"}
)
_MOST_FIELDS = 64  # of a form
_BLANK = re.compile(r"[ \t\r\n]*")
_SAID = {"true": True, "1": True, "false": False, "0": False}
_CLAIMED = re.compile(rb'(?:^|[{,]\s*)"session"\s*:\s*"([^"\\]{1,200})"')
_CLAIMED_IN_FORM = re.compile(rb"(?:^|&)session=([^&%+]{1,200})(?=&)")


@dataclass(frozen=True, slots=True)
class PortalRow:
    """One row of a call: its bytes as they came, and the dossier that it names."""

    body: bytes
    ma_ho_so: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalCall:
    """What a call says. Texts are without surrounding blanks; None: it does not say."""

    username: str | None = None
    password: str | None = None
    session: str | None = None
    madonvi: str | None = None
    service: str | None = None
    is_updating: bool | None = None
    ma_ho_so: str | None = None
    rows: tuple[PortalRow, ...] | None = None
    strange: tuple[Problem, ...] = ()  # remarks on members that no call has

    @property
    def logs_in(self) -> bool:
        """Whether it asks for a session."""
        return self.service is None and (self.username is not None or self.password is not None)


def read_call(body: bytes, kind: str) -> PortalCall:
    """The call of a body of this media type. Raises Refusal: SYS-125 for what cannot be read, SYS-150 for a wrong member."""
    members = _form(body) if kind in FORM_TYPES else _members(_text(body))
    given: dict[str, _Given] = {}
    for name, value in members:
        if name in given:
            raise refuse("SYS-150", member=_shown(name), expected="1 ×")
        given[name] = value
    said = {name: given[name].word(name) for name in given if name in _MEMBERS - {"data", "isUpdating", "password"}}
    return PortalCall(
        username=said.get("username"),
        password=given["password"].word("password", strip=False) if "password" in given else None,
        session=said.get("session"),
        madonvi=said.get("madonvi"),
        service=said.get("service"),
        is_updating=_updating(given),
        ma_ho_so=said.get("mahoso") or said.get("MaHoSo"),
        rows=given["data"].rows() if "data" in given else None,
        strange=tuple(
            Problem("XSD-403", {"element": _shown(name), "packet": said.get("service") or "–"})
            for name in given
            if name not in _MEMBERS
        ),
    )


def claimed_session(start: bytes, kind: str) -> str | None:
    """The session that the beginning of a body seems to name: only to find out early who is at the door."""
    found = (_CLAIMED_IN_FORM if kind in FORM_TYPES else _CLAIMED).search(start)
    return found.group(1).decode("utf-8", "replace") if found else None


@dataclass(frozen=True, slots=True)
class _Given:
    """The value of a member: as JSON writes it, or the text of a form's field."""

    raw: str
    written: bool  # whether it is JSON

    def word(self, name: str, *, strip: bool = True) -> str | None:
        value = json.loads(self.raw) if self.written else self.raw
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise refuse("SYS-150", member=_shown(name), expected='"…"')
        text = str(value)
        return text.strip() or None if strip else text

    def rows(self) -> tuple[PortalRow, ...]:
        """Each row of ``data``: an array of objects, one object, or either written into a text."""
        text = self.raw.removeprefix("\ufeff").strip() if not self.written else self.raw
        if self.written and text.startswith('"'):
            text = str(json.loads(text)).strip()
        try:
            if not text.startswith("["):
                value, end = _decoded(text, 0)
                if _skipped(text, end) != len(text):
                    _broken(text, end, "data")
                return (_row(text[:end], value),)
            slices, end = _elements(text, 0)
            if _skipped(text, end) != len(text):
                _broken(text, end, "data")
            return tuple(_row(raw, value) for raw, value in slices)
        except UnicodeEncodeError as error:  # half of a surrogate pair, escaped in a text within a text
            raise refuse("SYS-125", reason="UTF-8 (data)") from error


def _row(raw: str, value: Any) -> PortalRow:
    code = value.get("MaHoSo") if isinstance(value, Mapping) else None
    ma_ho_so = str(code).strip() if isinstance(code, (str, int)) and not isinstance(code, bool) else ""
    return PortalRow(body=raw.encode(), ma_ho_so=ma_ho_so or None)


def _updating(given: Mapping[str, _Given]) -> bool | None:
    if "isUpdating" not in given:
        return None
    raw = given["isUpdating"].raw.strip().strip('"').strip().lower()
    if raw in ("", "null"):
        return None
    if raw not in _SAID:
        raise refuse("SYS-150", member="isUpdating", expected="True | False")
    return _SAID[raw]


# -- JSON, member by member ---------------------------------------------------------------------------------------------


def _no_number(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are no JSON


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse("SYS-125", reason=f"UTF-8 (byte {error.start})") from error


def _skipped(text: str, at: int) -> int:
    """Past blanks."""
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _broken(text: str, at: int, reason: str) -> NoReturn:
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    raise Refusal(Problem("SYS-125", {"reason": f"{reason} ({line}:{column})"}, Location(line=line, column=column)))


def _decoded(text: str, at: int) -> tuple[Any, int]:
    """The value that begins here, and where it ends. Raises Refusal (SYS-125)."""
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        _broken(text, error.pos, error.msg)
    except (ValueError, RecursionError) as error:  # no number of JSON, or too long a one; too deep
        _broken(text, at, type(error).__name__)


def _elements(text: str, at: int) -> tuple[list[tuple[str, Any]], int]:
    """The elements of the array that begins here, each as it is written and as it reads, and where the array ends."""
    found: list[tuple[str, Any]] = []
    at = _skipped(text, at + 1)
    if text[at : at + 1] == "]":
        return found, at + 1
    while True:
        value, end = _decoded(text, at)
        found.append((text[at:end], value))
        at = _skipped(text, end)
        if text[at : at + 1] == "]":
            return found, at + 1
        if text[at : at + 1] != ",":
            _broken(text, at, "Expecting ',' delimiter")
        at = _skipped(text, at + 1)


def _members(text: str) -> Iterator[tuple[str, _Given]]:
    """The members of the one object that a text is, each as it is written. Raises Refusal (SYS-125)."""
    at = _skipped(text, 0)
    if text[at : at + 1] != "{":
        _broken(text, at, "Expecting '{'")
    at = _skipped(text, at + 1)
    if text[at : at + 1] == "}":
        at += 1
    else:
        at = yield from _each_member(text, at)
    if _skipped(text, at) != len(text):
        _broken(text, at, "Extra data")


def _each_member(text: str, at: int) -> Generator[tuple[str, _Given], None, int]:
    """Gives where the object ends."""
    while True:
        if text[at : at + 1] != '"':
            _broken(text, at, "Expecting property name enclosed in double quotes")
        name, end = _decoded(text, at)
        at = _skipped(text, end)
        if text[at : at + 1] != ":":
            _broken(text, at, "Expecting ':' delimiter")
        at = _skipped(text, at + 1)
        _, end = _decoded(text, at)
        yield name, _Given(text[at:end], written=True)
        at = _skipped(text, end)
        if text[at : at + 1] == "}":
            return at + 1
        if text[at : at + 1] != ",":
            _broken(text, at, "Expecting ',' delimiter")
        at = _skipped(text, at + 1)


# -- forms --------------------------------------------------------------------------------------------------------------


def _form(body: bytes) -> Iterator[tuple[str, _Given]]:
    """The fields of a form. Raises Refusal (SYS-125) for what is none."""
    pieces = body.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n").split(b"&")
    if len(pieces) > _MOST_FIELDS:
        raise refuse("SYS-125", reason=f"≤ {_MOST_FIELDS} &")
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        if piece:
            yield _unquoted(name), _Given(_unquoted(value), written=False)


def _unquoted(raw: bytes) -> str:
    if re.search(rb"%(?![0-9A-Fa-f]{2})", raw):
        raise refuse("SYS-125", reason="%XX")
    try:
        return urllib.parse.unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError as error:
        raise refuse("SYS-125", reason="UTF-8 (%XX)") from error


def _shown(name: str) -> str:
    """A member's name as a sentence may repeat it."""
    return name if re.fullmatch(r"[A-Za-z_][\w.\-]{0,59}", name, re.ASCII) else "…"
