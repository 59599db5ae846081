"""What is kept in fewer bytes than it has: packed against a pattern, which is on record once.

Two messages of one sender, two receipts, two verdicts on one certificate, two lines of the log differ in little: the first
of its kind becomes the pattern of those that follow. What was packed comes back byte for byte; digests, seals and the chain
are of those bytes and know nothing of this (docs/decisions: "Packed where it is kept"). A pattern holds nothing that an
erasure takes out: of a message only its mark-up and its certificate.
"""

from __future__ import annotations

import hashlib
import re
import sys
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NoReturn

from sqlalchemy import Connection, LargeBinary, bindparam, func, select

from gateway.store import tables
from gateway.store.errors import Conflict
from gateway.store.types import decode_json, encode_json

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LEAST: Final = 200  # bytes; what is shorter is kept as it is
LONGEST: Final = 24_000  # of a pattern
LARGE: Final = 65_536  # what is longer is packed without a pattern
_LEVEL: Final = 3  # of zstd's 22; 6 makes a message 5 % smaller, in twice the time
_HELD: Final = 4096  # patterns that a process remembers, of some kilobytes each
_READY: Final = 256  # of these, those whose compressor is held, of 160 KiB at most each
_MOST: Final = 2**26  # bytes that JSON values unpack to at most
#: How it was packed, before everything else: without a pattern, or with the one whose number follows; as until 2026-11-30
#: by deflate, or as since then by zstd.
_DEFLATED, _DEFLATED_LIKE, _PLAIN, _LIKE = b"\x00", b"\x01", b"\x02", b"\x03"
_NUMBER: Final = 8
#: What a frame may ask for, as the power of two of its bytes; level 3 asks for no more. Else 16 bytes could ask for 128 MiB.
_WINDOW: Final[Mapping[int, int]] = {zstd.DecompressionParameter.window_log_max: 21}
_p = tables.pattern
_NEWEST = (
    select(_p.c.id, _p.c.bytes).where(_p.c.key == bindparam("key")).order_by(_p.c.made_at.desc(), _p.c.id).limit(1)
)
_THIS = select(_p.c.bytes).where(_p.c.id == bindparam("number"))
_STAND = select(_p.c.id, func.sha256(_p.c.bytes, type_=LargeBinary).label("digest")).where(
    _p.c.id.in_(bindparam("numbers", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text that others are like."""

    id: int  # of its bytes, so that two nodes that learn the same give it the same; who tries long enough finds others for it
    content: bytes
    digest: bytes  # SHA-256 of the content

    @classmethod
    def of(cls, content: bytes) -> Pattern:
        """Under the number that its bytes give it; of a long text, its end."""
        content = content[-LONGEST:]
        digest = hashlib.sha256(content).digest()
        return cls(int.from_bytes(digest[:_NUMBER]) >> 1, content, digest)


def pack(content: bytes, pattern: Pattern | None = None) -> bytes:
    """The content in fewer bytes, or the very object where they would not be fewer."""
    if len(content) < LEAST:
        return content
    if pattern is None or len(content) > LARGE:
        packed = _PLAIN + zstd.compress(content, _LEVEL)
    else:
        # One call a frame: a compressor locks itself for the time of a call, so that threads can share it.
        frame = _compressor(pattern.content).compress(content, zstd.ZstdCompressor.FLUSH_FRAME)
        packed = _LIKE + pattern.id.to_bytes(_NUMBER) + frame
    return packed if len(packed) < len(content) else content


@lru_cache(_READY)
def _compressor(pattern: bytes) -> zstd.ZstdCompressor:
    """One that has read the pattern; to make it costs several times what it takes to pack a message."""
    return zstd.ZstdCompressor(_LEVEL, zstd_dict=zstd.ZstdDict(pattern, is_raw=True))


def unpacked(packed: bytes, most: int, content_of: Callable[[int], bytes | None]) -> bytes:
    """What pack() was given. Raises ValueError for what is not of its making, or longer than ``most``."""
    how, rest, pattern = packed[:1], packed[1:], b""
    number = pattern_number(packed)
    if number is not None:
        found = content_of(number)
        if found is None:
            raise ValueError("its pattern is not on record")
        pattern, rest = found, rest[_NUMBER:]
    unpack: Any
    if how in {_PLAIN, _LIKE}:
        unpack = zstd.ZstdDecompressor(zstd.ZstdDict(pattern, is_raw=True) if pattern else None, _WINDOW)
    elif how in {_DEFLATED, _DEFLATED_LIKE}:
        unpack = zlib.decompressobj(-15, pattern) if pattern else zlib.decompressobj(-15)
    else:
        raise ValueError("it was not packed here")
    try:
        content: bytes = unpack.decompress(rest, most + 1)
    except (zlib.error, zstd.ZstdError) as error:
        raise ValueError("it cannot be unpacked") from error
    if not unpack.eof or unpack.unused_data or len(content) > most:
        raise ValueError("it is not whole, or more than it should be")
    return content


def pattern_number(packed: bytes) -> int | None:
    """The number of the pattern that something was packed against; None where there is none."""
    return int.from_bytes(packed[1 : 1 + _NUMBER]) if packed[:1] in {_LIKE, _DEFLATED_LIKE} else None


def markup(document: bytes) -> bytes | None:
    """What documents of one sender and kind have in common, without a word of what they say: tags, namespaces, certificate.

    None for what is no XML, or holds something else than elements, attributes and text.
    """
    body = document.removeprefix(b"\xef\xbb\xbf")
    if body.startswith(b"<?xml"):
        body = body.partition(b"?>")[2].lstrip()
    bare = _VALUE.sub(lambda found: found[0] if found[1] else b'=""', _TEXT.sub(_without_text, body))
    return bare if _BARE.fullmatch(bare.strip()) else None


def _without_text(found: re.Match[bytes]) -> bytes:
    return found[0] if found[1] else b"><"


_TEXT: Final = re.compile(rb"(X509Certificate)?>[^<]+<")
_VALUE: Final = re.compile(rb"""=(?:"((?:https?|urn):)?[^"]*"|'[^']*')""")
_BARE: Final = re.compile(
    rb'(?:</?[\w:.-]+(?:\s+[\w:.-]+="(?:(?:https?|urn):[^"<>]*)?")*\s*/?>(?:(?<=X509Certificate>)[A-Za-z0-9+/=\s]*)?)+'
)
_CERTIFICATE: Final = b"X509Certificate>"


def certificate_mark(document: bytes) -> str:
    """A short name of the first certificate that a document carries: with another one it is of another pattern."""
    _, found, rest = document.partition(_CERTIFICATE)
    return f"{zlib.crc32(rest.partition(b'<')[0]):08x}" if found else ""


class Unpacked:
    """A row as it was before its facts were packed."""

    __slots__ = ("_row", "facts")

    def __init__(self, row: Any, facts: Any) -> None:
        self._row = row
        self.facts = facts

    @property
    def _mapping(self) -> dict[str, Any]:
        """By column; most are asked for single columns only."""
        return {**self._row._mapping, "facts": self.facts}  # noqa: SLF001 - by column

    def __getattr__(self, name: str) -> Any:
        """Every other column."""
        return getattr(self._row, name)


class Patterns:
    """What one process knows of a database's patterns; each is asked for once. Safe for use by many threads."""

    def __init__(self) -> None:
        self._newest: dict[str, Pattern] = {}
        self._content: dict[int, bytes] = {}

    def newest(self, connection: Connection, key: str) -> Pattern | None:
        """The pattern of these texts, where one is on record."""
        if key not in self._newest:
            row = connection.execute(_NEWEST, {"key": key}).first()
            if row is None:
                return None
            self.learn({key: Pattern(row.id, row.bytes, hashlib.sha256(row.bytes).digest())})
        return self._newest.get(key)

    def learn(self, found: Mapping[str, Pattern]) -> None:
        """Remembers what is on record."""
        if len(self._newest) > _HELD:
            self._newest.clear()
        self._newest.update(found)

    def forget(self, numbers: Collection[int]) -> None:
        """These are not on record, or other texts have their numbers."""
        for key, one in tuple(self._newest.items()):
            if one.id in numbers:
                self._newest.pop(key, None)
        for number in numbers:
            self._content.pop(number, None)

    def body(self, connection: Connection, stored: bytes | None, kept: int) -> bytes | None:
        """The bytes of a body: what is shorter than it says was packed. Raises ValueError for what cannot be unpacked."""
        if stored is None or len(stored) >= kept:
            return stored
        return unpacked(stored, kept, lambda number: self._content_of(connection, number))

    def facts(self, connection: Connection, row: Any) -> Any:
        """The facts of a verdict or of a line of the log; those that stand unpacked count. {} where they cannot be unpacked."""
        if row.packed is None or row.facts != {}:
            return row.facts
        try:
            return decode_json(unpacked(row.packed, _MOST, lambda number: self._content_of(connection, number)))
        except ValueError:
            return {}  # somebody changed it by another way; its seal says so

    def whole(self, connection: Connection, listed: Iterable[Any]) -> list[Any]:
        """Rows of a table that packs its facts, with those facts."""
        return [row if row.packed is None else Unpacked(row, self.facts(connection, row)) for row in listed]

    def _content_of(self, connection: Connection, number: int) -> bytes | None:
        content = self._content.get(number)
        if content is None:
            content = connection.execute(_THIS, {"number": number}).scalar()
            if content is not None:
                if len(self._content) > _HELD:
                    self._content.clear()
                self._content[number] = content
        return content


class Packer:
    """Packs what one transaction writes. What it packs against is on record with it; what it learns is remembered thereafter."""

    def __init__(self, connection: Connection, patterns: Patterns) -> None:
        """``connection``: through which patterns are looked for that this process does not know yet."""
        self.connection = connection
        self._patterns = patterns
        self.learnt: dict[str, Pattern] = {}
        self._used: dict[int, tuple[str, Pattern]] = {}  # with a key of each
        self._alone: set[str] = set()  # keys of which none is to be learnt: another text has its number

    def body(self, content: bytes, key: str | None = None, like: Callable[[], bytes | None] | None = None) -> bytes:
        """Bytes as they are kept; ``like`` gives the pattern of this key where there is none yet."""
        if key is None or len(content) < LEAST:
            return pack(content)
        return pack(content, self._pattern(key, like))

    def facts(self, facts: Any, key: str, *, learn: bool) -> dict[str, Any]:
        """The columns ``facts`` and ``packed``."""
        text = encode_json(facts)
        packed = text if len(text) < LEAST else pack(text, self._pattern(key, (lambda: text) if learn else None))
        return {"facts": facts, "packed": None} if packed is text else {"facts": {}, "packed": packed}

    def _pattern(self, key: str, like: Callable[[], bytes | None] | None) -> Pattern | None:
        found = self.learnt.get(key) or self._patterns.newest(self.connection, key)
        if found is None and like is not None and key not in self._alone and (content := like()):
            found = self._learn(key, Pattern.of(content))
        if found is None:
            return None
        _, used = self._used.setdefault(found.id, (key, found))
        return found if used.content == found.content else None

    def _learn(self, key: str, pattern: Pattern) -> Pattern | None:
        """The pattern of this key from now on; None where another text has its number."""
        used = self._used.get(pattern.id)
        stands = used[1].content if used else self.connection.execute(_THIS, {"number": pattern.id}).scalar()
        if stands not in {None, pattern.content}:
            self._alone.add(key)
            return None
        self.learnt[key] = pattern
        return pattern

    def adopt(self, other: Packer) -> None:
        """What another one has packed, before the transaction began, is written with what this one packs from now on."""
        self.learnt |= other.learnt
        for number, (key, one) in other._used.items():
            if self._used.setdefault(number, (key, one))[1].content != one.content:
                self._clash({number})

    def keep(self, put: Callable[[Sequence[Mapping[str, Any]]], int], now: datetime) -> None:
        """Sees to it that all is on record that was packed against, when all is packed.

        What this process knows of a database that was put back to an earlier time may not be there any more. ``put`` writes
        rows of table pattern where their numbers are free, and says how many. Raises Conflict where another text has one now.
        """
        if not self._used:
            return
        stands = self._standing()
        missing = [
            {"id": number, "key": key, "bytes": one.content, "made_at": now}
            for number, (key, one) in sorted(self._used.items())
            if number not in stands
        ]
        if put(missing) < len(missing):  # somebody else was quicker
            stands = self._standing()
        others = {number for number, digest in stands.items() if digest != self._used[number][1].digest}
        if others:
            self._clash(others)

    def _clash(self, numbers: Collection[int]) -> NoReturn:
        self._patterns.forget(numbers)
        raise Conflict("another pattern has the number of one that was packed against")

    def _standing(self) -> dict[int, bytes]:
        """The digests of those on record."""
        found = self.connection.execute(_STAND, {"numbers": sorted(self._used)})
        return {row.id: row.digest for row in found}
