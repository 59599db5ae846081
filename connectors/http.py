"""How HTTP is spoken to parties: few connections kept open, every wait bounded, and the truth about what has left.

A :class:`HttpLine` belongs to a worker and holds its connection pools; an :class:`Http` is one party's view of it, with
that party's limits, authorities and table of answers. Whatever goes wrong becomes ``Unreachable`` while nothing of the
request has left this machine, and ``Uncertain`` from its first byte on.
"""

from __future__ import annotations

import asyncio
import errno
import io
import ipaddress
import json
import logging
import re
import socket
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, BinaryIO, Self, cast
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from lxml import etree
from yarl import URL

from connectors.outcomes import Refused, Uncertain, Unreachable
from connectors.proxying import EgressProxy, Names, no_way_through, own_answer, proxy_of, refused_by_proxy, tunnel
from connectors.table import AnswerMeaning, Common, Secret, connector_secret
from gateway import documents
from gateway.core.limits import DEFAULT_LIMITS, DocumentLimits
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from signing.keyfiles import believe_in_tls, show_in_tls

log = logging.getLogger("lienthong.connectors.http")

IDLE_S = 15.0  # a kept connection is dropped after this; longer, and the far side drops it just as we write
CHUNK = 64 * 1024
SLOWEST_FILE = 256 * 1024  # bytes a second: a file that leaves slower than that is given up, and tried again

# What an HTTP status says about a message that was posted, unless the party's profile says otherwise. Not taken are
# those that speak of the way (who we are, where we knocked, how busy they are) and not of the message; a person mends
# them once for the whole party, and everything flows again by itself. The server's own errors may come after the
# message was kept.
BY_STATUS: Mapping[int, AnswerMeaning] = MappingProxyType(
    {
        401: AnswerMeaning.UNREACHABLE,
        403: AnswerMeaning.UNREACHABLE,
        404: AnswerMeaning.UNREACHABLE,
        405: AnswerMeaning.UNREACHABLE,
        407: AnswerMeaning.UNREACHABLE,
        408: AnswerMeaning.UNREACHABLE,
        421: AnswerMeaning.UNREACHABLE,
        425: AnswerMeaning.UNREACHABLE,
        426: AnswerMeaning.UNREACHABLE,
        429: AnswerMeaning.UNREACHABLE,
        501: AnswerMeaning.UNREACHABLE,
        503: AnswerMeaning.UNREACHABLE,
        505: AnswerMeaning.UNREACHABLE,
        511: AnswerMeaning.UNREACHABLE,
    }
)
BY_CLASS: Mapping[int, AnswerMeaning] = MappingProxyType(
    {
        1: AnswerMeaning.UNCERTAIN,
        2: AnswerMeaning.DELIVERED,
        3: AnswerMeaning.UNREACHABLE,
        4: AnswerMeaning.REFUSED,
        5: AnswerMeaning.UNCERTAIN,
    }
)


def answer_meaning(status: int, overrides: Mapping[str, AnswerMeaning] = MappingProxyType({})) -> AnswerMeaning:
    """What a status says: the party's word for this status, its word for the class, then the table above."""
    hundred = status // 100
    return (
        overrides.get(str(status))
        or overrides.get(f"{hundred}xx")
        or BY_STATUS.get(status)
        or BY_CLASS.get(hundred, AnswerMeaning.UNCERTAIN)
    )


class ExchangeStage(IntEnum):
    """How far one exchange has come."""

    CONNECTING = 0  # nothing has left
    SENDING = 1  # the first byte may have left
    ANSWERING = 2  # all of the request is with the operating system
    READING = 3  # the status line has come


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a party answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False  # it was longer than allowed, or broke off
    limits: DocumentLimits = DEFAULT_LIMITS  # of the node that asked

    @property
    def media_type(self) -> str:
        """The media type in lower case, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def is_xml(self) -> bool:
        """Whether it says that it is XML."""
        return self.media_type in {"application/xml", "text/xml"} or self.media_type.endswith("+xml")

    @property
    def is_json(self) -> bool:
        """Whether it says that it is JSON."""
        return self.media_type == "application/json" or self.media_type.endswith("+json")

    def json(self) -> Any:
        """The body as JSON. Raises Uncertain when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Uncertain(Problem("DLV-023", {"what": "JSON"}), answer=self.body) from error

    def xml(self) -> etree._Element:
        """The body's root, parsed through the gateway's own gate. Raises Uncertain when that refuses it."""
        try:
            return self.root_of(self.body)
        except Stopped as stop:
            raise Uncertain(Problem("DLV-023", {"what": f"XML, {stop.problems[0].code}"}), answer=self.body) from stop

    def root_of(self, body: bytes) -> etree._Element:
        """The root of XML that this answer is, or holds: by the node's limits, its bytes by the party's ``answer_bytes``.

        Raises Stopped.
        """
        return documents.parse_bytes(body, self.limits.for_bytes(max(self.limits.body_bytes, len(self.body))))

    @property
    def retry_after_s(self) -> float | None:
        """The wait that the party asks for, in seconds."""
        wish = self.headers.get("Retry-After", "").strip()
        if wish.isascii() and wish.isdigit():
            return float(wish[:9])
        try:
            until, now = parsedate_to_datetime(wish), parsedate_to_datetime(self.headers.get("Date", ""))
            return max((until - now).total_seconds(), 0.0)
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRequest:
    """One request as it would go out, for a person to read."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    about: str = ""  # what it is for, as its connector calls it
    rows: int = 0  # of a chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What a server showed of itself while TLS was agreed on."""

    version: str  # TLSv1.3
    not_after: datetime  # of its certificate


class Forbidden(OSError):
    """An address that this party may not live on."""


def allowed(address: str, private: bool) -> bool:
    """Whether a party may live on this address.

    Private and loopback addresses only by the party's profile; addresses that are no host of anybody (link-local, where
    clouds keep their credentials; multicast; unspecified; reserved) never.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (inner := _carried(ip)) is not None:
        return allowed(str(inner), private)
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _BROADCAST:
        return False
    return ip.is_global or (private and (ip.is_private or ip in _SHARED))


def _carried(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of IPv4 that one of IPv6 leads to: mapped, 6to4, NAT64."""
    return ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # carrier-grade NAT: neither private nor global to the standard library
_BROADCAST = ipaddress.ip_network("255.255.255.255/32")


class Pinned(AbstractResolver):
    """Resolves a name and gives back only addresses that may be called; exactly these are then connected to.

    So a name that changes its address between look and call (DNS rebinding) gains nothing: there is one look.
    """

    def __init__(self, private: bool) -> None:
        self._private = private
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        good = [row for row in found if allowed(row["host"], self._private)]
        if found and not good:
            raise Forbidden(errno.EACCES, "address not allowed")
        return good

    async def close(self) -> None:
        await self._inner.close()


async def bar_private(names: Names, host: str, private: bool) -> None:
    """Raises Forbidden where this host, by the addresses that we know of it, may not be called through a proxy either."""
    try:
        found: tuple[str, ...] = (str(ipaddress.ip_address(host)),)
    except ValueError:
        found = await names.addresses(host)
    if found and not any(allowed(address, private) for address in found):
        raise Forbidden(errno.EACCES, "address not allowed")


class HttpLine:
    """A worker's connections to all parties. Make it inside a running loop, close it at the end."""

    def __init__(
        self,
        *,
        agent: str = "lienthong",
        at_most: int = 200,
        private_addresses: bool = False,
        limits: DocumentLimits = DEFAULT_LIMITS,
        proxy: EgressProxy | None = None,
    ) -> None:
        """At most ``at_most`` connections over all parties; ``private_addresses``: every party may live on one.

        ``limits`` are the node's: for documents that answers are, and for messages that are fetched. ``proxy`` is the
        node's way out, for parties whose profiles name no other.
        """
        self.limits = limits
        self.proxy = proxy
        self._agent = agent
        self._private = private_addresses
        self._at_most = at_most
        self._sessions: dict[tuple[bool, bool], aiohttp.ClientSession] = {}
        self._names: Names | None = None
        self._contexts: dict[tuple[Any, ...], ssl.SSLContext] = {}

    def http(self, common: Common) -> Http:
        """One party's view."""
        return Http(self, replace(common, private_addresses=True) if self._private else common)

    async def close(self) -> None:
        """Drop every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        if self._names is not None:
            self._names.close()
            self._names = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def session(self, private: bool, *, proxied: bool = False) -> aiohttp.ClientSession:
        """The pool for parties that may, or may not, live on private addresses. They never share a connection.

        A proxy is the node's own neighbour, so it may live on one; where the party lives is looked at by
        :meth:`bar_private`.
        """
        if (private, proxied) not in self._sessions:
            there = private or proxied
            self._sessions[private, proxied] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._at_most,
                    resolver=Pinned(there),
                    socket_factory=lambda info: open_socket(info, there),
                    keepalive_timeout=IDLE_S,
                    ttl_dns_cache=30,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),  # a session of one party is nobody else's business
                timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_read=None, sock_connect=None),
                headers={"User-Agent": self._agent, "Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=False,  # no proxy, no netrc by surprise
                trace_configs=[_tracing()],
            )
        return self._sessions[private, proxied]

    async def bar_private(self, host: str, private: bool) -> None:
        """Raises Forbidden for a host that no proxy may be asked to call: an address, or a name that we know to be one.

        A name that this machine does not know is the proxy's to look up, and its rules hold.
        """
        if self._names is None:
            self._names = Names()
        await bar_private(self._names, host, private)

    def context(self, common: Common) -> ssl.SSLContext:
        """The party's TLS: its authorities, our certificate. Read again when a file has changed."""
        files = [file for file in (common.ca, common.client_certificate, common.client_key) if file]
        named = (common.ca, common.client_certificate, common.client_key, common.client_password)
        key = (*named, *(file.stat().st_mtime_ns for file in files))
        if key not in self._contexts:
            context = ssl.create_default_context() if common.ca is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_2  # Circular 15/2025, Annex I
            if common.ca is not None:
                believe_in_tls(context, common.ca)
            if common.client_certificate is not None:
                where = common.client_password
                password = None if where is None else connector_secret(where).encode()
                show_in_tls(context, common.client_certificate, common.client_key, password)
            self._contexts[key] = context
        return self._contexts[key]


def open_socket(info: Any, private: bool) -> socket.socket:
    """The last look at an address before it is called; the only one for addresses written as numbers."""
    family, kind, proto, _, address = info
    if not allowed(str(address[0]), private):
        raise Forbidden(errno.EACCES, "address not allowed")
    return socket.socket(family=family, type=kind, proto=proto)


@dataclass(slots=True)
class _Trip:
    """Where one exchange stands, and until when it may stand there."""

    common: Common
    body_bytes: int
    timer: asyncio.Timeout
    end: float  # of the whole exchange, on the loop's clock
    longer_s: float = 0.0  # than a message may take to send: it is a file
    stage: ExchangeStage = ExchangeStage.CONNECTING
    written: int = 0

    def reach(self, stage: ExchangeStage) -> None:
        """The exchange has come this far: the clock of this stage starts."""
        if stage <= self.stage:
            return
        self.stage = stage
        limit = {ExchangeStage.SENDING: self.common.send_timeout_s}.get(stage)
        now = asyncio.get_running_loop().time()
        if not self.timer.expired():
            self.timer.reschedule(self.end if limit is None else min(self.end, now + limit + self.longer_s))


def _tracing() -> aiohttp.TraceConfig:
    """The hooks by which we know what has left."""

    async def headers_sent(_: object, context: SimpleNamespace, __: object) -> None:
        # aiohttp says so just before the bytes go to the socket: from here on we cannot rule out that they left.
        trip: _Trip = context.trace_request_ctx
        trip.reach(ExchangeStage.SENDING if trip.body_bytes else ExchangeStage.ANSWERING)

    async def chunk_sent(_: object, context: SimpleNamespace, params: aiohttp.TraceRequestChunkSentParams) -> None:
        trip: _Trip = context.trace_request_ctx
        trip.written += len(params.chunk)
        if trip.written >= trip.body_bytes:
            trip.reach(ExchangeStage.ANSWERING)

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(headers_sent)
    tracing.on_request_chunk_sent.append(chunk_sent)
    return tracing


class Http:
    """HTTP to one party."""

    shows = False  # whether nothing leaves, and a person only looks at what would

    def __init__(self, line: HttpLine, common: Common) -> None:
        self._line = line
        self.common = common

    @property
    def limits(self) -> DocumentLimits:
        """Of the documents of this node."""
        return self._line.limits

    async def post(
        self,
        url: str,
        *,
        body: bytes | None = None,
        json: Any = None,
        content_type: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        key: str | None = None,
        judged: bool = True,
    ) -> Reply:
        """Post, and give back the answer that says "taken"; every other one is raised. ``key`` is the idempotency key.

        With ``judged=False`` any answer is given back, and the caller judges it (a SOAP fault comes with status 500).
        """
        if json is not None:
            body, content_type = encode_json(json), content_type or "application/json"
        sent = {**headers, "Content-Type": content_type or "application/xml"}
        if key is not None:
            sent["Idempotency-Key"] = key
        reply = await self._exchange("POST", url, body or b"", sent)
        return self.judge(reply) if judged else reply

    async def get(
        self, url: str, *, headers: Mapping[str, str] = MappingProxyType({}), answer_bytes: int | None = None
    ) -> Reply:
        """Ask for something: any whole answer. Raises Unreachable when there is none, for asking changes nothing."""
        limit = max(answer_bytes or 0, self.common.answer_bytes)
        try:
            reply = await self._exchange("GET", url, b"", headers, limit)
        except Uncertain as error:
            raise Unreachable(error.problem, answer=error.answer) from error
        if reply.cut:
            raise Unreachable(Problem("DLV-024", {"limit": limit}), answer=reply.body)
        return reply

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
        """One request by any method and its answer, whatever its status: the caller judges it.

        ``about`` and ``rows`` say what it is for; they are for those who only look (:mod:`connectors.showing`).
        """
        del about, rows
        return await self._exchange(method, url, body, headers)

    async def post_file(
        self,
        url: str,
        path: Path,
        *,
        size: int,
        content_type: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        method: str = "POST",
        before: bytes = b"",
        after: bytes = b"",
        judged: bool = True,
    ) -> Reply:
        """Send a file of this machine, read block by block as it leaves; the answer that says "taken", every other is raised.

        It may take longer than a message: by a second for each :data:`SLOWEST_FILE` bytes. ``before`` and ``after`` are what
        a form or a package has round it. With ``judged=False`` any answer is given back.
        """
        try:
            stream = await asyncio.to_thread(path.open, "rb")
        except OSError as error:
            raise Unreachable(Problem("DLV-008", {"why": errno.errorcode.get(error.errno or 0, "–")})) from error
        try:
            reply = await self._exchange(
                method,
                url,
                cast(BinaryIO, _Wrapped(before, stream, after)) if before or after else stream,
                {**headers, "Content-Type": content_type},
                size=len(before) + size + len(after),
                longer_s=size / SLOWEST_FILE,
            )
            return self.judge(reply) if judged else reply
        finally:
            stream.close()

    async def options(self, url: str, *, headers: Mapping[str, str] = MappingProxyType({})) -> Reply:
        """Ask what may be asked for there. Raises Unreachable when there is no answer."""
        try:
            return await self._exchange("OPTIONS", url, b"", headers)
        except Uncertain as error:
            raise Unreachable(error.problem, answer=error.answer) from error

    def own_tls(self) -> ssl.SSLContext:
        """Our side of TLS. Raises Unreachable where a file is not there or does not fit."""
        try:
            return self._line.context(self.common)
        except Stopped as stop:  # no password where it should lie
            raise Unreachable(stop.problems[0]) from stop
        except (OSError, ValueError) as error:
            raise Unreachable(Problem("DLV-002", {"why": system_reason(error)})) from error

    async def peer(self, url: str) -> Peer | None:
        """Who answers at an https address, by its certificate; None where nobody does, or without TLS."""
        target = self._target(url)
        host, port = target.host or "", target.port or 443
        if target.scheme != "https":
            return None
        loop, proxy = asyncio.get_running_loop(), self.proxy(target)
        try:
            async with asyncio.timeout(min(self.common.connect_timeout_s, self.common.timeout_s)):
                if proxy is not None:
                    await self._line.bar_private(host, self.common.private_addresses)
                    transport = await tunnel(proxy, target, self._line.context(self.common))
                else:
                    rows = await Pinned(self.common.private_addresses).resolve(host, port)
                    transport, _ = await loop.create_connection(
                        asyncio.Protocol,
                        rows[0]["host"],
                        port,
                        ssl=self._line.context(self.common),
                        server_hostname=host,
                    )
        except (OSError, ssl.SSLError, TimeoutError, IndexError, Stopped):
            return None
        try:
            shown = transport.get_extra_info("ssl_object")
            ends = ssl.cert_time_to_seconds(shown.getpeercert()["notAfter"])
            return Peer(version=shown.version(), not_after=datetime.fromtimestamp(ends, UTC))
        finally:
            transport.abort()

    def judge(self, reply: Reply) -> Reply:
        """The reply when it says "taken"; otherwise what it says is raised."""
        status = reply.status
        match answer_meaning(status, self.common.answers):
            case AnswerMeaning.DELIVERED:
                if reply.cut:
                    raise Uncertain(Problem("DLV-024", {"limit": self.common.answer_bytes}), answer=reply.body)
                return reply
            case AnswerMeaning.REFUSED if wants_certificate(reply):
                raise Unreachable(Problem("DLV-002", {"why": "TLSV13_ALERT_CERTIFICATE_REQUIRED"}), answer=reply.body)
            case AnswerMeaning.REFUSED:
                raise Refused(Problem("DLV-030", {"status": status}), answer=reply.body)
            case AnswerMeaning.UNREACHABLE:
                code = {401: "DLV-005", 403: "DLV-005", 407: "DLV-005", 429: "DLV-004", 503: "DLV-004"}.get(status)
                problem = Problem(code or ("DLV-006" if status // 100 == 3 else "DLV-007"), {"status": status})
                raise Unreachable(problem, answer=reply.body, retry_after_s=reply.retry_after_s)
            case _:
                raise Uncertain(
                    Problem("DLV-022", {"status": status}), answer=reply.body, retry_after_s=reply.retry_after_s
                )

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
        """One request and its answer, whatever its status. ``size``: of a body that is a file."""
        common = self.common
        target = self._target(url)
        sent = dict(headers)
        tls = self.own_tls() if target.scheme == "https" else None
        if common.authorization is not None and "Authorization" not in sent:
            sent["Authorization"] = _authorization(common.authorization)
        now = asyncio.get_running_loop().time()
        end = now + common.timeout_s + longer_s
        if isinstance(body, bytes):
            size = len(body)
        trip: _Trip | None = None
        proxy = self.proxy(target)
        greeting = {} if proxy is None else _greeting(proxy)
        if tls is None:
            sent |= (
                greeting  # there is no tunnel to ask for: the proxy reads the request, and takes out what is its own
            )
        try:
            async with asyncio.timeout_at(min(end, now + common.connect_timeout_s)) as timer:
                trip = _Trip(common, size, timer, end, longer_s)
                if proxy is not None:
                    await self._line.bar_private(target.host or "", common.private_addresses)
                async with self._line.session(common.private_addresses, proxied=proxy is not None).request(
                    method,
                    target,
                    # In pieces, so that we see how far it came.
                    data=(io.BytesIO(body) if isinstance(body, bytes) else body) if size else None,
                    headers={**sent, "Content-Length": str(size)} if size or method == "POST" else sent,
                    ssl=tls if tls is not None else True,
                    allow_redirects=False,
                    trace_request_ctx=trip,
                    proxy=None if proxy is None else proxy.url,
                    proxy_headers=greeting if tls is not None and greeting else None,
                ) as response:
                    trip.reach(ExchangeStage.READING)
                    text, cut = await _read(response, answer_bytes or common.answer_bytes)
                    if proxy is not None and tls is None:
                        own_answer(proxy, response.status, response.headers, text)
                    return Reply(
                        status=response.status,
                        headers=response.headers,
                        body=text,
                        cut=cut,
                        limits=self._line.limits,
                    )
        except TimeoutError as error:
            raise _timed_out(trip, common, proxy) from error
        except (aiohttp.ClientError, OSError, zlib.error) as error:
            raise _broke(trip, error, proxy) from error

    def proxy(self, target: URL | str) -> EgressProxy | None:
        """The proxy by which an address is called; None where it is called directly. Raises ValueError for what is none."""
        return proxy_of(self.common, self._line.proxy, URL(target).host or "")

    def bars(self, url: str) -> str | None:
        """Why this address will never be called, as far as it can be seen without looking its name up; None: it may be."""
        try:
            target = self._target(url)
        except Unreachable as error:
            return str(error.problem.facts["why"])
        try:
            ipaddress.ip_address(target.host or "")
        except ValueError:
            return None
        return None if allowed(target.host or "", self.common.private_addresses) else "private"

    def _target(self, url: str) -> URL:
        """The address to call. Raises Unreachable for one that must not be called."""
        try:
            target = URL(url)
            host, _ = target.host or "", target.port
        except ValueError as error:
            raise Unreachable(Problem("DLV-003", {"why": "URL"})) from error
        if target.scheme not in {"http", "https"} or not host or target.user is not None:
            raise Unreachable(Problem("DLV-003", {"why": "URL"}))
        if target.scheme == "http" and not self.common.private_addresses:
            raise Unreachable(Problem("DLV-003", {"why": "http"}))
        return target


class _Wrapped(io.RawIOBase):
    """A file between two pieces of bytes, to be read as one."""

    def __init__(self, before: bytes, stream: BinaryIO, after: bytes) -> None:
        super().__init__()
        self._pieces: list[Any] = [io.BytesIO(before), stream, io.BytesIO(after)]

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        while self._pieces:
            if came := int(self._pieces[0].readinto(room)):
                return came
            self._pieces.pop(0)
        return 0


def wants_certificate(reply: Reply) -> bool:
    """Whether this is the page on which nginx says that it was shown no client certificate, or a wrong one.

    It comes as a 400, which anybody else says of the message.
    """
    page = reply.body[:1000].lower()
    return reply.status == 400 and reply.media_type == "text/html" and b"ssl certificate" in page


def segment(text: str) -> str:
    """The text as one segment of a URL's path."""
    return quote(text, safe="").replace(".", "%2E") if set(text) <= {"."} else quote(text, safe="")


def encode_json(value: Any) -> bytes:
    """Compact UTF-8 JSON whose bytes are the same for the same value: a retry sends what the first try sent."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _greeting(proxy: EgressProxy) -> dict[str, str]:
    """What we say to a proxy. Raises Unreachable where its password is not where it should lie."""
    try:
        return proxy.greeting()
    except Stopped as stop:
        raise Unreachable(stop.problems[0]) from stop


def _authorization(where: Secret) -> str:
    """The header's value. Raises Unreachable when it is not there, or no header could hold it."""
    try:
        value = connector_secret(where)
    except Stopped as stop:
        raise Unreachable(stop.problems[0]) from stop
    if not (value.isascii() and value.isprintable()):
        raise Unreachable(Problem("DLV-055", {"where": where, "why": "text"}))
    return value


async def _read(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """The answer's body, at most ``limit`` bytes of it, unpacked; and whether that is not all of it."""
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    unpack = zlib.decompressobj(wbits=47) if packed in {"gzip", "deflate", "x-gzip"} else None  # 47: zlib or gzip
    text = bytearray()
    try:
        async for chunk in response.content.iter_chunked(CHUNK):
            # One byte more than allowed is enough to know, and the most that a zip bomb can make us hold.
            text += unpack.decompress(chunk, limit + 1 - len(text)) if unpack else chunk
            if len(text) > limit:
                response.close()
                return bytes(text[:limit]), True
        if packed not in {"", "identity"} and (unpack is None or not unpack.eof):
            raise zlib.error(f"cannot unpack {packed}")
    except (aiohttp.ClientError, zlib.error, OSError):
        if response.status // 100 == 2:
            raise
        return bytes(text), True  # the status line was answer enough
    return bytes(text), False


_STAGE = {ExchangeStage.SENDING: "send", ExchangeStage.ANSWERING: "answer", ExchangeStage.READING: "read"}


def _timed_out(trip: _Trip | None, common: Common, proxy: EgressProxy | None) -> Unreachable | Uncertain:
    if trip is None or trip.stage is ExchangeStage.CONNECTING:
        why = f"timeout {min(common.connect_timeout_s, common.timeout_s):g} s"
        return Unreachable(Problem("DLV-001", {"why": why})) if proxy is None else no_way_through(proxy, why)
    limit = common.send_timeout_s if trip.stage is ExchangeStage.SENDING else common.timeout_s
    return Uncertain(Problem("DLV-020", {"seconds": f"{min(limit, common.timeout_s):g}", "stage": _STAGE[trip.stage]}))


def _broke(trip: _Trip | None, error: Exception, proxy: EgressProxy | None) -> Unreachable | Uncertain:
    """What a broken exchange means: it depends on how far it had come."""
    if trip is not None and trip.stage > ExchangeStage.CONNECTING:
        if (alert := _alert(error)) is not None:
            # With TLS 1.3 a server says no to our certificate only after we have begun to write; it reads none of that.
            return Unreachable(Problem("DLV-002", {"why": alert}))
        if isinstance(error, (aiohttp.ClientResponseError, zlib.error)):
            return Uncertain(Problem("DLV-023", {"what": "HTTP"}))
        return Uncertain(Problem("DLV-021", {"stage": _STAGE[trip.stage]}))
    inner = error.__cause__ if error.__cause__ is not None else error
    os_error = getattr(error, "os_error", None) or inner
    if isinstance(os_error, Forbidden) or isinstance(inner, Forbidden):
        return Unreachable(Problem("DLV-003", {"why": "private"}))
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError, ssl.SSLError)):
        return Unreachable(Problem("DLV-002", {"why": _tls_reason(error)}))
    if isinstance(error, aiohttp.ClientHttpProxyError) and proxy is not None:
        return refused_by_proxy(proxy, error.status)
    if proxy is not None:
        return no_way_through(proxy, error)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unreachable(Problem("DLV-001", {"why": "DNS"}))
    number = getattr(os_error, "errno", None)
    return Unreachable(Problem("DLV-001", {"why": errno.errorcode.get(number or 0, type(error).__name__)}))


def _alert(error: Exception) -> str | None:
    """The server's no to our side of TLS, when that is what broke the exchange. aiohttp keeps only its words."""
    found = re.search(r"\[SSL: ([A-Z0-9_]+)\]", str(error))
    return found[1] if found and found[1] in _ALERTS else None


_ALERTS = frozenset(
    {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    }
)


def _tls_reason(error: Exception) -> str:
    for candidate in (
        getattr(error, "certificate_error", None),
        getattr(error, "os_error", None),
        error.__cause__,
        error,
    ):
        if isinstance(candidate, ssl.SSLCertVerificationError):
            return str(candidate.verify_message)
        if isinstance(candidate, ssl.SSLError) and candidate.reason:
            return str(candidate.reason)
    return type(error).__name__
