"""Showing what would be sent: a connector's own code runs, and nothing leaves.

Each request is written down and answered as a far side would that takes everything, so that the next one can be shown
too. Or one message goes to a test address, whatever address the profile has.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, BinaryIO

from yarl import URL

from connectors.base import Configured, Connector
from connectors.http import Http, HttpLine, Reply, ShownRequest
from connectors.outcomes import NothingToTell, Parcel, Receipt
from connectors.table import MASK, secrets_masked


class _ShownEnough(Exception):  # control flow inside this file: what comes after cannot be known
    pass


class _ShownHttp(Http):
    """HTTP to a party that is not there."""

    shows = True

    def __init__(self, line: HttpLine, connector: Connector[Any], configured: Configured[Any]) -> None:
        super().__init__(line, configured.common)
        self._connector = connector
        self._settings = configured.settings
        self._about: tuple[str, int] = ("", 0)
        self.shown: list[ShownRequest] = []

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
        about: str = "",
        rows: int = 0,
    ) -> Reply:
        self._about = (about, rows)
        return await super().exchange(method, url, body=body, headers=headers)

    async def _exchange(
        self,
        method: str,
        url: str,
        body: bytes | BinaryIO,
        headers: Mapping[str, str],
        answer_bytes: int | None = None,
        *,
        size: int = 0,
        longer_s: float = 0.0,
    ) -> Reply:
        del answer_bytes, size, longer_s
        body = body if isinstance(body, bytes) else b""  # a file is not shown
        sent = dict(headers)
        if self.common.authorization is not None and "Authorization" not in sent:
            sent["Authorization"] = MASK
        about, rows = self._about
        self._about = ("", 0)
        request = ShownRequest(method=method, url=str(URL(url)), headers=sent, body=body, about=about, rows=rows)
        self.shown.append(request)
        reply = self._connector.answer_played(request, self._settings)
        if reply is None:
            raise _ShownEnough
        return reply


async def requests_shown(
    parcel: Parcel, connector: Connector[Any], configured: Configured[Any], line: HttpLine
) -> tuple[list[ShownRequest], Receipt | NothingToTell | None]:
    """Every request that this parcel would become, secrets masked, and what the connector would make of the answers.

    Sends nothing. Raises what the connector raises before there is a request, and Stopped (DLV-057) where it cannot be shown.
    """
    http = _ShownHttp(line, connector, configured)
    receipt: Receipt | NothingToTell | None = None
    with secrets_masked(), suppress(_ShownEnough):
        receipt = await connector.deliver(parcel, configured.settings, http)
    return http.shown, receipt


class _ElsewhereHttp(Http):
    """HTTP to a party's paths at another address."""

    def __init__(self, line: HttpLine, common: Any, origin: URL) -> None:
        super().__init__(line, common)
        self._origin = origin

    def _target(self, url: str) -> URL:
        target = super()._target(url)
        return self._origin.with_path(target.raw_path, encoded=True).with_query(target.raw_query_string)


async def sent_to(
    parcel: Parcel, connector: Connector[Any], configured: Configured[Any], line: HttpLine, origin: str
) -> Receipt | NothingToTell:
    """Deliver once, to this origin (https://host:port) in place of the party's. Raises what came instead of a receipt."""
    common = line.http(configured.common).common
    return await connector.deliver(parcel, configured.settings, _ElsewhereHttp(line, common, URL(origin).origin()))
