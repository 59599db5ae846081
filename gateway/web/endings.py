"""Interfaces that come to an end tell so with every answer: Deprecation (RFC 9745), Sunset (RFC 8594)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import format_datetime

_MORE = '</docs>; rel="deprecation"; type="text/html"'


def ending_headers(
    path: str, deprecated: Mapping[str, datetime], sunset: Mapping[str, datetime]
) -> Iterator[tuple[str, str]]:
    """The headers for an answer to this address; none for what nobody said would end."""
    since = _of(path, deprecated)
    if since is not None:
        yield "Deprecation", f"@{int(since.timestamp())}"
        yield "Link", _MORE
    end = _of(path, sunset)
    if end is not None:
        yield "Sunset", format_datetime(end, usegmt=True)


def _of(path: str, moments: Mapping[str, datetime]) -> datetime | None:
    """The moment of the longest address that this one is, or lies below."""
    found = [address for address in moments if path == address or path.startswith(f"{address}/")]
    return moments[max(found, key=len)] if found else None
