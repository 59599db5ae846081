"""The log's hash chain: what binds each line to all lines before it, and how anybody can see that none was changed.

A line holds names, codes and digests only, so that retention may erase a body and the chain still verifies. Checking an export
needs this file and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

FORM = 1  # of the canonical bytes; it stands inside them, so that a later form cannot be taken for this one
_EXACT = 2**53 - 1  # RFC 8259, section 6: integers up to here mean the same to every reader of JSON


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain stands: its last line's number and hash. Number 0 is the empty log."""

    number: int
    hash: str  # SHA-256, lower-case hex


GENESIS = Head(0, "0" * 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One line of the log in its place. Numbers count 1, 2, 3, … without gaps."""

    number: int
    at: datetime  # when it was recorded
    who: str  # a party id, "gateway", or "operator:<name>"
    what: str  # "message.accepted", "delivery.skipped", …
    message: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # JSON values without fractions; no personal data
    hash: str = ""  # of the line before and this one; see link()


def canonical_line(entry: LogEntry, encode: Callable[[Any], bytes] | None = None) -> bytes:
    """The bytes that are hashed: JSON with sorted keys and no spaces, in UTF-8, the time in UTC with microseconds.

    ``encode``: what writes such JSON, where somebody has a faster one. Raises ValueError for a time without a zone, and for
    facts that are not plain().
    """
    row = {
        "at": _moment(entry.at),
        "facts": entry.facts,
        "form": FORM,
        "message": entry.message,
        "number": entry.number,
        "what": entry.what,
        "who": entry.who,
    }
    try:
        return _JSON.encode(row).encode() if encode is None else encode(row)
    except TypeError as error:
        raise ValueError("the facts of a log entry are not plain") from error


@lru_cache(maxsize=64)  # the lines of a tray are of one moment
def _moment(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError("a log entry needs a time with a zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)


def plain(value: Any) -> Any:
    """The value as plain JSON: tuples become lists, sets sorted lists, enumerations their text.

    Raises ValueError for what has no single spelling in JSON: fractions, integers beyond 2^53, keys that are not text.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:  # there is most of these, and to ask an abstract class is slow
        return _plain_items(value)
    if kind is int:
        if not -_EXACT <= value <= _EXACT:
            raise ValueError(f"{value} is too large for a log entry")
        return value
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return _plain_items(value)
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    raise ValueError(f"a log entry cannot hold a {kind.__name__}")


def _plain_items(value: Mapping[Any, Any]) -> dict[str, Any]:
    found = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise ValueError("the facts of a log entry have text as keys")  # noqa: TRY004 - as of every value
        found[key if type(key) is str else str(key)] = item if type(item) in _PLAIN else plain(item)
    return found


_PLAIN: Final = frozenset({str, bool, type(None)})  # kinds that are plain as they are


def link(before: str, entry: LogEntry, encode: Callable[[Any], bytes] | None = None) -> str:
    """The hash of an entry that follows a line of hash ``before``: SHA-256 over both, lower-case hex."""
    return hashlib.sha256(bytes.fromhex(before) + canonical_line(entry, encode)).hexdigest()


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value with sorted keys and no spaces, in UTF-8: the same for whoever reads the value anywhere."""
    return hashlib.sha256(_JSON.encode(value).encode()).hexdigest()


class Flaw(StrEnum):
    """What verify() found wrong."""

    GAP = "gap"  # a line is missing, or stands twice
    CHANGED = "changed"  # a line is not what was hashed, or one before it was not
    REWRITTEN = "rewritten"  # the chain is whole, but is not the one that a witness saw
    CUT = "cut"  # a witness saw lines that are not there any more


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCheck:
    """What verify() saw: how far the chain is whole, and the first thing that is not."""

    head: Head  # the last good line
    flaw: Flaw | None = None
    number: int | None = None  # the line it was found at

    @property
    def whole(self) -> bool:
        """Nothing is wrong."""
        return self.flaw is None


def verify_chain(
    entries: Iterable[LogEntry],
    *,
    start: Head = GENESIS,
    witnesses: Mapping[int, str] = MappingProxyType({}),
) -> ChainCheck:
    """Whether the entries, in order, continue ``start`` without a gap, a change or a cut.

    ``witnesses`` are heads that others keep (number -> hash: signed heads, inbox pages). Only they can tell a chain that was
    rewritten from its beginning, or cut at its end; the chain alone cannot.
    """
    head = start
    for entry in entries:
        if entry.number != head.number + 1:
            return ChainCheck(head=head, flaw=Flaw.GAP, number=head.number + 1)
        try:
            expected = link(head.hash, entry)
        except ValueError:
            expected = ""
        if entry.hash != expected:
            return ChainCheck(head=head, flaw=Flaw.CHANGED, number=entry.number)
        if witnesses.get(entry.number, entry.hash) != entry.hash:
            return ChainCheck(head=head, flaw=Flaw.REWRITTEN, number=entry.number)
        head = Head(entry.number, entry.hash)
    beyond = [number for number in witnesses if number > head.number]
    if beyond:
        return ChainCheck(head=head, flaw=Flaw.CUT, number=min(beyond))
    return ChainCheck(head=head)
