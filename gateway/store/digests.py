"""Whose the bytes of a digest are, found without looking through all there are.

Bodies lie by their message (docs/decisions/0146), for an index of digests would change a page of its own for each of them. So
digests are put together later (docs/decisions/0147): of each :data:`LINES` lines of the log those of the bodies of the messages
that they are about, in a row for each first byte, with the line beside. Every body is written in one transaction with a line
about its message, so rows to some line tell of all bodies to there, in whatever order their messages came. Of :data:`FAN` rows
of one level one of the next is made, for each of the next four bits of the digests: rows stay small, and of each level few are
asked.

What is found by these rows is then asked of the body itself: what was erased, or lies in an archive, is said there alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, select

from gateway.store import tables
from gateway.store.engine import Bulk

LINES: Final = 4096  # of the log whose messages' digests are put together: what is newer is looked through
FAN: Final = 16  # rows of a level of which one of the next is made, for each of as many values of four bits
LEVELS: Final = 6  # the last has more lines than a log
SLICES: Final = 256  # of the first level
TAKEN_ON: Final = 64  # slices that one transaction takes to the next level: some hundredths of a second
_BITS: Final = 4
_AT_ONCE: Final = 500  # rows of one statement
_PLACE: Final = struct.Struct(">II")  # what follows a digest's first byte, and which of the lines

_p, _b, _log = tables.digest_page, tables.body, tables.log
_OF_SLICE = (_p.c.level == bindparam("level"), _p.c.slice == bindparam("slice"))
_UPTO = select(func.max(_p.c.upto)).where(*_OF_SLICE)
_PAGES = select(_p.c.after, _p.c.digests).where(*_OF_SLICE).order_by(_p.c.upto.desc())
_OLDEST = select(_p.c.upto).where(*_OF_SLICE).order_by(_p.c.upto).limit(bindparam("most"))
_TOGETHER = (
    select(_p.c.slice, _p.c.after, _p.c.digests)
    .where(_p.c.level == bindparam("level"), _p.c.upto <= bindparam("upto"))
    .order_by(_p.c.slice, _p.c.upto)
    .limit(bindparam("most"))
)
_DROP = delete(_p).where(
    _p.c.level == bindparam("level"),
    _p.c.slice.between(bindparam("low"), bindparam("high")),
    _p.c.upto <= bindparam("upto"),
)
_PUT = Bulk(lambda insert: insert(_p).on_conflict_do_nothing(), _p.columns.keys())
_ABOUT = (
    select(_log.c.number, _log.c.message)
    .where(_log.c.number > bindparam("after"), _log.c.number <= bindparam("upto"), _log.c.message.is_not(None))
    .order_by(_log.c.number)
)
_NAMED = select(_log.c.message).where(_log.c.number.in_(bindparam("numbers", expanding=True)))
_DIGESTS = select(_b.c.owner, _b.c.digest).where(_b.c.owner.in_(bindparam("owners", expanding=True)))
_NEVER: Final = 2**62  # a line that no log has


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestStep:
    """Rows that are to be written, in place of others."""

    rows: Sequence[dict[str, Any]]
    instead: dict[str, int] | None = None  # of which: level, low, high (slices), upto; None: of none


def sorted_upto(connection: Connection) -> int:
    """The line of the log up to which digests are put together."""
    return max(connection.execute(_UPTO, {"level": level, "slice": 0}).scalar() or 0 for level in range(LEVELS))


def next_step(connection: Connection, head: int) -> DigestStep | None:
    """What is to be written next where the log stands at ``head``; None: nothing, before there are some thousand lines more."""
    for level in range(LEVELS - 1):
        last = (SLICES << _BITS * level) - 1  # which is the last one to be taken to the next level
        oldest = connection.execute(_OLDEST, {"level": level, "slice": last, "most": FAN}).scalars().all()
        if len(oldest) == FAN:
            return _taken_on(connection, level, oldest[-1])
    after = sorted_upto(connection)
    return _of_lines(connection, after, after + LINES) if head >= after + LINES else None


def put_step(connection: Connection, step: DigestStep) -> None:
    """Writes what next_step() gave, unless somebody else has: of several at once all but one wait for the end of that one."""
    if step.instead is None:
        first, rest = step.rows[:1], step.rows[1:]
        if _PUT(connection, first):
            _PUT(connection, rest)
    elif connection.execute(_DROP, step.instead).rowcount:
        _PUT(connection, step.rows)


def may_own(connection: Connection, digest: str) -> Iterator[list[str]]:
    """Messages to which bytes of this SHA-256 may belong, some at a time."""
    place = _place_of(digest)
    if place is None:
        return
    first, key = place
    for level in range(LEVELS):
        asked = {"level": level, "slice": (first << 32 | key) >> 32 - _BITS * level}
        numbers = [
            after + line for after, digests in connection.execute(_PAGES, asked) for line in _lines_of(digests, key)
        ]
        for some in _in_turns(numbers):
            yield [message for (message,) in connection.execute(_NAMED, {"numbers": some})]
    about = connection.execute(_ABOUT, {"after": sorted_upto(connection), "upto": _NEVER})
    yield from _in_turns(dict.fromkeys(message for _, message in about))


def _of_lines(connection: Connection, after: int, upto: int) -> DigestStep:
    lines: dict[str, int] = {}
    for number, message in connection.execute(_ABOUT, {"after": after, "upto": upto}):
        lines.setdefault(message, number - after)
    digests = [bytearray() for _ in range(SLICES)]
    for owners in _in_turns(lines):
        for owner, digest in connection.execute(_DIGESTS, {"owners": owners}):
            if (place := _place_of(digest)) is not None:
                digests[place[0]] += _PLACE.pack(place[1], lines[owner])
    rows = [
        {"level": 0, "slice": number, "upto": upto, "after": after, "digests": bytes(found)}
        for number, found in enumerate(digests)
    ]
    return DigestStep(rows=rows)


def _taken_on(connection: Connection, level: int, upto: int) -> DigestStep:
    asked = {"level": level, "upto": upto, "most": TAKEN_ON * FAN}
    together = connection.execute(_TOGETHER, asked).all()
    rows: list[dict[str, Any]] = []
    for number, found in groupby(together, lambda row: row.slice):
        pages = [(row.after, row.digests) for row in found]
        begins = pages[0][0]
        digests = [bytearray() for _ in range(FAN)]
        for after, places in pages:
            for key, line in _PLACE.iter_unpack(places):
                digests[key >> 32 - _BITS * (level + 1) & FAN - 1] += _PLACE.pack(key, after - begins + line)
        rows += [
            {"level": level + 1, "slice": number * FAN + bits, "upto": upto, "after": begins, "digests": bytes(one)}
            for bits, one in enumerate(digests)
        ]
    replaced = {"level": level, "low": together[0].slice, "high": together[-1].slice, "upto": upto}
    return DigestStep(rows=rows, instead=replaced)


def _place_of(digest: str) -> tuple[int, int] | None:
    try:
        whole = bytes.fromhex(digest)
    except ValueError:
        return None
    return (whole[0], int.from_bytes(whole[1:5])) if len(whole) == 32 else None


def _lines_of(digests: bytes, key: int) -> Iterator[int]:
    wanted = key.to_bytes(4)
    at = digests.find(wanted)
    while at >= 0:
        if at % _PLACE.size == 0:
            yield _PLACE.unpack_from(digests, at)[1]
        at = digests.find(wanted, at + 1)


def _in_turns(found: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(found)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
