"""An answer whose bytes are all at hand, which is every answer but a file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion, HttpVersion10, HttpVersion11

_BODILESS = frozenset({204, 304})  # RFC 9110, 8.6: nor do they say how long a body would be


class WholeAnswer(web.StreamResponse):
    """Head and body, which leave in one go.

    What aiohttp's own Response looks for before it writes a head (cookies, compression, chunks, a body of another kind) is a
    quarter of what its no-op costs, and no answer of ours has any of it.
    """

    def __init__(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status=status, headers=headers)
        self.body = body
        self._closes = False

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open after it; known once the head is prepared."""
        return not self._closes

    def force_close(self) -> None:
        """The connection is closed after it."""
        self._closes = True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Completes the head, and puts it where it waits for the body."""
        headers, version, status = self.headers, request.version, self.status
        to_head = request.method == hdrs.METH_HEAD
        if status not in _BODILESS and (self.body or not to_head):
            headers[hdrs.CONTENT_LENGTH] = str(len(self.body))
        if status in _BODILESS or to_head:
            self.body = b""
        headers[hdrs.DATE] = _date(int(time.time()))
        if self._closes or not request.keep_alive:
            self._closes = True
            if version == HttpVersion11:
                headers[hdrs.CONNECTION] = "close"
        elif version == HttpVersion10:
            headers[hdrs.CONNECTION] = "keep-alive"
        self._writer = writer = request.writer
        await writer.write_headers(_status_line(version, status, self.reason), headers)
        return writer

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002 - nothing comes after what is at hand
        """Sends it."""
        await self._writer.write_eof(self.body)


@lru_cache(maxsize=64)
def _status_line(version: HttpVersion, status: int, reason: str | None) -> str:
    return f"HTTP/{version[0]}.{version[1]} {status} {reason}"


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    """A moment as heads of HTTP tell it."""
    return formatdate(second, usegmt=True)
