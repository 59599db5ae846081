"""MTOM packages (multipart/related, RFC 2387): the SOAP envelope and its parts, cut out of the bytes without copying lore.

A package with a message is taken apart as a whole; one with a file as it comes (:class:`PackageStream`). Part names are
ids of ours to look up, never paths; a part is decoded by its Content-Transfer-Encoding.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from gateway.web.refusals import refuse

_MOST_PARTS = 64
MOST_HEADER = 8192
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{1,70}")
_AS_IT_IS = ("", "binary", "8bit", "7bit")


@dataclass(frozen=True, slots=True)
class Package:
    """A package taken apart."""

    root: bytes  # the SOAP envelope
    root_type: str  # its own media type: text/xml or application/soap+xml
    action: str  # the action parameter, where one is given
    parts: Mapping[str, bytes]  # Content-ID without its brackets -> bytes


def parameters(header: str) -> tuple[str, dict[str, str]]:
    """A Content-Type as its media type and parameters, both in lower-case names."""
    name, _, rest = header.partition(";")
    found: dict[str, str] = {}
    for key, quoted, bare in re.findall(r';?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', rest):
        found.setdefault(key.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted else bare)
    return name.strip().lower(), found


def unpack(body: bytes, content_type: str) -> Package:
    """The parts of an MTOM package. Raises Refusal (SYS-137) for anything else."""
    _, given = parameters(content_type)
    boundary = _boundary(given)
    parts: dict[str, bytes] = {}
    root: tuple[bytes, dict[str, str]] | None = None
    start = _id(given.get("start", ""))
    for number, (headers, raw) in enumerate(_cut(body, boundary)):
        name = _id(headers.get("content-id", ""))
        content = _decoded(raw, headers.get("content-transfer-encoding", "").strip().lower())
        if name and name in parts:
            raise refuse("SYS-137", reason="Content-ID")
        if (name == start) if start else number == 0:
            root = (content, headers)
        elif not name:
            raise refuse("SYS-137", reason="Content-ID")
        if name:
            parts[name] = content
    if root is None:
        raise refuse("SYS-137", reason="start")
    return _package(*root, given, parts)


def _boundary(given: Mapping[str, str]) -> bytes:
    """What stands between the parts, by the package's Content-Type. Raises Refusal for a package of another kind."""
    boundary = given.get("boundary", "").encode("utf-8", "replace")
    if given.get("type", "application/xop+xml").lower() != "application/xop+xml":
        raise refuse("SYS-137", reason=f"type={given.get('type')}")
    if not _BOUNDARY.fullmatch(boundary) or boundary.endswith(b" "):
        raise refuse("SYS-137", reason="boundary")
    return boundary


def _id(written: str) -> str:
    return written.strip().strip("<>")


def _package(
    content: bytes, headers: Mapping[str, str], given: Mapping[str, str], parts: Mapping[str, bytes]
) -> Package:
    """The package with this root, by the root's own headers and what the whole package ``given`` says."""
    kind, own = parameters(headers.get("content-type", ""))
    if kind != "application/xop+xml" or own.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise refuse("SYS-137", reason="Content-Type")
    root_name = _id(headers.get("content-id", ""))
    soap_type = parameters(own.get("type") or given.get("start-info") or "text/xml")
    return Package(
        root=content,
        root_type=soap_type[0],
        action=own.get("action") or given.get("action") or soap_type[1].get("action", ""),
        parts={name: data for name, data in parts.items() if name != root_name},
    )


def _decoded(content: bytes, encoding: str) -> bytes:
    """A part's octets by its Content-Transfer-Encoding (RFC 2045). Raises Refusal for an unknown one, or one not kept to."""
    if encoding in _AS_IT_IS:
        return content
    try:
        if encoding == "base64":
            return base64.b64decode(b"".join(content.split()), validate=True)
        if encoding == "quoted-printable" and not _NOT_QUOTED.search(content):
            return binascii.a2b_qp(content)
    except binascii.Error as error:
        raise refuse("SYS-137", reason="Content-Transfer-Encoding") from error
    raise refuse("SYS-137", reason="Content-Transfer-Encoding")


_NOT_QUOTED = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)|[^\t\r\n -~]")


def _cut(body: bytes, boundary: bytes) -> list[tuple[dict[str, str], bytes]]:
    """Headers and content of each part. Raises Refusal."""
    mark = b"--" + boundary
    at = body.find(mark)
    if at < 0 or (at > 0 and body[at - 1 : at] != b"\n"):
        raise refuse("SYS-137", reason="boundary")
    found: list[tuple[dict[str, str], bytes]] = []
    position = at + len(mark)
    while body[position : position + 2] != b"--":
        line_end = body.find(b"\r\n", position, position + 100)
        if line_end < 0 or body[position:line_end].strip(b" \t"):
            raise refuse("SYS-137", reason="boundary")
        following = body.find(b"\r\n" + mark, line_end)
        if following < 0 or len(found) >= _MOST_PARTS:
            raise refuse("SYS-137", reason="parts")
        head, content = _parted(body[line_end + 2 : following])
        found.append((_headers(head), content))
        position = following + 2 + len(mark)
    return found


def _parted(part: bytes) -> tuple[bytes, bytes]:
    """A part's headers, of which there may be none, and its content. Raises Refusal."""
    if part.startswith(b"\r\n"):
        return b"", part[2:]
    split = part.find(b"\r\n\r\n", 0, MOST_HEADER)
    if split < 0:
        raise refuse("SYS-137", reason="headers")
    return part[:split], part[split + 4 :]


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not line:
            continue
        key = name.strip().lower().decode("ascii", "replace")
        if not colon or key in found:
            raise refuse("SYS-137", reason="headers")
        found[key] = value.strip().decode("utf-8", "replace")
    return found


# -- as it comes ------------------------------------------------------------------------------------------------------


class PackageStream:
    """A package that is still on its way: its envelope first, then one part in blocks, never held as a whole."""

    def __init__(self, chunks: AsyncGenerator[bytes, None], content_type: str) -> None:
        """Raises Refusal (SYS-137) for a package of another kind."""
        _, self._given = parameters(content_type)
        self._mark = b"\r\n--" + _boundary(self._given)
        self._chunks = chunks
        self._held = bytearray(b"\r\n")  # the first mark may stand at the very beginning
        self.came = 0  # bytes so far

    async def envelope(self, most: int) -> Package:
        """The package's first part, without what follows. Raises Refusal (SYS-137) where that is no envelope, or too long."""
        if len(await self._read(most)) > 2 or not await self._another():
            raise refuse("SYS-137", reason="boundary")
        headers = await self._head()
        start = _id(self._given.get("start", ""))
        if start and _id(headers.get("content-id", "")) != start:
            raise refuse("SYS-137", reason="start")
        encoding = headers.get("content-transfer-encoding", "").strip().lower()
        return _package(_decoded(await self._read(most), encoding), headers, self._given, {})

    async def part(self, name: str, size: int) -> AsyncGenerator[bytes, None]:
        """What the one part of this name holds, in blocks of about this size.

        Raises Refusal: SYS-138 where another comes, none, or one more after it; SYS-137 where it is not written as it should be.
        """
        if not await self._another():
            raise refuse("SYS-138", reason="href")
        headers = await self._head()
        if _id(headers.get("content-id", "")) != name:
            raise refuse("SYS-138", reason="href")
        if headers.get("content-type", "").strip().lower().startswith("multipart/"):
            raise refuse("SYS-137", reason="Content-Type")
        encoding = headers.get("content-transfer-encoding", "").strip().lower()
        if encoding not in (*_AS_IT_IS, "base64"):
            raise refuse("SYS-137", reason="Content-Transfer-Encoding")
        undo = _Base64Pieces() if encoding == "base64" else None
        gathered = bytearray()
        while piece := await self._piece():
            gathered += piece if undo is None else undo.take(piece)
            if len(gathered) >= size:
                yield bytes(gathered)
                gathered.clear()
        if undo is not None:
            undo.end()
        if gathered:
            yield bytes(gathered)
        await self.end()

    async def _read(self, most: int) -> bytes:
        """All that comes before the next mark. Raises Refusal (SYS-137) where that is more."""
        found = bytearray()
        while piece := await self._piece():
            found += piece
            if len(found) > most:
                raise refuse("SYS-137", reason=f"> {most}")
        return bytes(found)

    async def _piece(self) -> bytes:
        """Some of what comes before the next mark; nothing once the mark has come, which is passed by."""
        while True:
            at = self._held.find(self._mark)
            if at == 0:
                del self._held[: len(self._mark)]
                return b""
            size = at if at > 0 else len(self._held) - len(self._mark) + 1
            if size > 0:
                with memoryview(self._held) as held:
                    piece = bytes(held[:size])
                del self._held[:size]
                return piece
            await self._more()

    async def _another(self) -> bool:
        """Whether a part follows the mark that has just come. Raises Refusal (SYS-137) where what follows is no end of a mark."""
        while len(self._held) < 2:
            await self._more()
        if self._held.startswith(b"--"):
            return False
        while (at := self._held.find(b"\r\n", 0, 100)) < 0 and len(self._held) < 100:
            await self._more()
        if at < 0 or self._held[:at].strip(b" \t"):
            raise refuse("SYS-137", reason="boundary")
        del self._held[:at]
        return True

    async def _head(self) -> dict[str, str]:
        """A part's headers, which come after the end of the mark's line. Raises Refusal (SYS-137)."""
        while (at := self._held.find(b"\r\n\r\n", 0, MOST_HEADER)) < 0:
            if len(self._held) >= MOST_HEADER:
                raise refuse("SYS-137", reason="headers")
            await self._more()
        head = bytes(self._held[2:at])
        del self._held[: at + 4]
        return _headers(head)

    async def end(self) -> None:
        """Reads to the end. Raises Refusal: SYS-138 where another part comes; SYS-137 where it does not end."""
        if await self._another():
            raise refuse("SYS-138", reason="1 × Content-ID")
        left = len(self._held)
        async for chunk in self._chunks:
            left += len(chunk)
            if left > MOST_HEADER:
                raise refuse("SYS-137", reason="parts")

    async def _more(self) -> None:
        chunk = await anext(self._chunks, b"")
        if not chunk:
            raise refuse("SYS-137", reason="parts")
        self.came += len(chunk)
        self._held += chunk


class _Base64Pieces:
    """Base64 that comes in pieces of any length."""

    def __init__(self) -> None:
        self._left = b""
        self._padded = False

    def take(self, piece: bytes) -> bytes:
        """The octets that are whole by now. Raises Refusal (SYS-137)."""
        text = self._left + b"".join(piece.split())
        whole = len(text) // 4 * 4
        self._left = text[whole:]
        if text and self._padded:  # something after the end
            raise refuse("SYS-137", reason="Content-Transfer-Encoding")
        self._padded = text[:whole].endswith(b"=")
        return _decoded(text[:whole], "base64")

    def end(self) -> None:
        """Raises Refusal (SYS-137) where a piece is missing."""
        if self._left:
            raise refuse("SYS-137", reason="Content-Transfer-Encoding")
