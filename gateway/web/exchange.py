"""One request and what is known about it: the value every handler of a door is given."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
import urllib.parse
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from random import getrandbits
from typing import Any, NamedTuple, Protocol, cast

import msgspec
from aiohttp import ClientConnectionError, ClientPayloadError, hdrs, web
from aiohttp.http import HttpVersion10, HttpVersion11
from aiohttp.web_protocol import RequestPayloadError
from multidict import istr

from gateway.core.addresses import host_and_port
from gateway.core.allowances import HEAD_BYTES
from gateway.core.problems import Lang, Problem
from gateway.web import answers
from gateway.web import problems as rendering
from gateway.web.accept import Media, language, media
from gateway.web.answer_types import AnswerType
from gateway.web.auth import ProvenParty
from gateway.web.door import Door
from gateway.web.refusals import Refusal, refuse
from gateway.web.responses import WholeAnswer

XML_TYPES = ("application/xml", "text/xml")
JSON_TYPES = ("application/json",)

_CORRELATION = re.compile(r"[A-Za-z0-9._-]{8,64}")
_BARE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
# Names that are looked up for every request are made once (multidict folds a plain string each time).
REQUEST_ID = istr("X-Request-Id")
_ONCE = (
    hdrs.HOST,
    hdrs.CONTENT_TYPE,
    hdrs.CONTENT_LENGTH,
    hdrs.CONTENT_ENCODING,
    hdrs.AUTHORIZATION,
    istr("Idempotency-Key"),
    istr("SOAPAction"),
)

_BROKEN = (
    RequestPayloadError,
    ClientPayloadError,
    ClientConnectionError,
    ConnectionError,
    asyncio.IncompleteReadError,
    EOFError,
)


class BodyTooSlow(Exception):
    """The body of a request kept us waiting for too long."""


class ExchangeWatch(Protocol):
    """The connection of a request: who is at its other end, and what it is told, so that the watchman knows."""

    peer: str  # the address there; empty where it has none
    tls: ssl.SSLObject | None  # the TLS session, when the connection ends in this process

    def begins(self) -> None:
        """A request's head is complete."""

    def ends(self) -> None:
        """The answer to a request is made; what remains is to send it."""

    def reads(self, request: web.BaseRequest | None) -> None:
        """A request's body is being read, or no longer."""

    def moves(self) -> None:
        """An exchange that lasts for long is getting on."""


class HeaderNames(NamedTuple):
    """What the names alone of a request's head say."""

    twice: str | None  # one that stands more than once, and may not
    framed: bool  # whether others than its length say where its body ends, or what follows it
    expects: bool  # whether the sender waits for a word before its body


@lru_cache(maxsize=64)  # the heads of a caller have the same names each time
def _names_of(names: tuple[bytes, ...]) -> HeaderNames:
    times = Counter(name.lower() for name in names)
    of = {name: times[name.lower().encode()] for name in (*_ONCE, hdrs.TRANSFER_ENCODING, hdrs.UPGRADE, hdrs.EXPECT)}
    return HeaderNames(
        next((name for name in _ONCE if of[name] > 1), None),
        of[hdrs.TRANSFER_ENCODING] + of[hdrs.UPGRADE] > 0,
        of[hdrs.EXPECT] > 0,
    )


class Body(msgspec.Struct, frozen=True):
    """What arrived as the body of a request."""

    data: bytes  # all of it, or its first bytes when it went over the limit
    digest: str  # SHA-256 of data, lower-case hex
    total_bytes: int  # one more than the limit where it went over that: nobody counted further
    most: int  # the limit

    @property
    def cut(self) -> bool:
        """Whether it went over the limit."""
        return self.total_bytes > self.most

    def whole(self) -> bytes:
        """The body, where only a whole one is of use. Raises Refusal (413)."""
        if self.cut:
            raise refuse("SYS-101", limit_bytes=self.most, close=True)
        return self.data


class Exchange:
    """A request being answered: who asks, what for, and in which form they would like the answer."""

    __slots__ = (
        "_now",
        "correlation_id",
        "door",
        "fault",
        "identity",
        "meant",
        "names",
        "path",
        "proven",
        "query_string",
        "request",
        "route",
        "soap",
        "told",
        "variables",
        "watch",
    )

    def __init__(self, door: Door, request: web.BaseRequest) -> None:
        self.door = door
        self.request = request
        self.watch = cast(ExchangeWatch, request.protocol)  # a door has connections of its own only: connections.py
        self.identity: ProvenParty | None = None
        self.fault: Callable[[Exchange, Refusal], WholeAnswer] | None = None  # how the SOAP door says no
        self.proven = False  # whether a certificate that was claimed in a SOAP header has signed
        self.soap = ""  # the envelope namespace of the SOAP version spoken
        self.meant = 0  # the status that a fault stands for, where it is told as 500
        self.told = True  # whether the access log has a line of it
        self.route = ""  # the template of the address, for logs and metrics
        self.variables: Mapping[str, str] = {}
        self.path = ""
        self.query_string = ""
        self.names = _names_of(tuple([name for name, _ in request.raw_headers]))
        self._now: datetime | None = None
        claimed = request.headers.get(REQUEST_ID)
        # Told to whoever asks, so that it is no secret: unlike any other is all that it must be.
        self.correlation_id = claimed if claimed and _CORRELATION.fullmatch(claimed) else f"{getrandbits(128):032x}"

    @property
    def lang(self) -> Lang:
        """The language of titles and sentences."""
        return language(self.request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))

    @property
    def media(self) -> Media:
        """The form of an answer: as asked for, and else XML for those who send XML, JSON for those who only ask."""
        headers = self.request.headers
        return media(headers.get(hdrs.ACCEPT, ""), _natural(self.request.method, headers.get(hdrs.CONTENT_TYPE, "")))

    @property
    def who(self) -> ProvenParty:
        """The caller of a route that admits only registered parties."""
        if self.identity is None:
            raise RuntimeError("a route for parties was reached without one")
        return self.identity

    @property
    def peer(self) -> str:
        """The address at the other end of the connection; empty where it has none."""
        return self.watch.peer

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, when the connection ends in this process."""
        return self.watch.tls

    @property
    def is_private(self) -> bool:
        """Whether nobody can listen on the way: TLS here or at a trusted proxy, or a caller on this machine."""
        if self.tls is not None:
            return True
        if self.door.doorkeeper.is_proxy(self.peer):
            return self.request.headers.get("X-Forwarded-Proto", "").lower() == "https"
        return self.peer in ("127.0.0.1", "::1")

    @property
    def public_url(self) -> str:
        """Where callers reach this door: the setting, or else the address that this connection came to.

        A Host header is whatever its writer likes; of it only a name of this machine is repeated.
        """
        configured = self.door.settings.web.public_url
        if configured:
            return configured.rstrip("/")
        found = self.request.transport.get_extra_info("sockname") if self.request.transport else None
        ip, port = (
            (str(found[0]), int(found[1])) if isinstance(found, tuple) else ("localhost", self.door.settings.web.port)
        )
        here = host_and_port(ip, port)
        host = self.request.headers.get("Host", "")
        scheme = "https" if self.tls is not None else "http"
        return f"{scheme}://{host if host == f'localhost:{port}' else here}"

    @property
    def now(self) -> datetime:
        """The time at which what is asked had come: its head, and its body where that was waited for."""
        now = self._now
        if now is None:
            now = self._now = self.door.clock()
        return now

    def check_framing(self) -> None:
        """Refuses what a proxy before us might frame differently than we do. Raises Refusal."""
        headers = self.request.headers
        if self.request._version not in (HttpVersion10, HttpVersion11):  # noqa: SLF001 - `version` would keep what it read
            self.request._version = HttpVersion11  # noqa: SLF001 - aiohttp answers in the version asked in, whatever it is
            raise refuse("SYS-106", close=True)
        if (twice := self.names.twice) is not None:
            raise refuse("SYS-108", header=twice, close=True)
        if not self.names.framed:
            return
        codings = headers.getall(hdrs.TRANSFER_ENCODING, ())
        if codings and ([c.strip().lower() for c in codings] != ["chunked"] or self.request.version < (1, 1)):
            raise refuse("SYS-105", found=", ".join(codings), close=True)
        if hdrs.UPGRADE in headers and self.request.version < (1, 1):
            raise refuse("SYS-106", close=True)

    def check_expectation(self) -> None:
        """Only 100-continue can be met. Raises Refusal (417)."""
        if not self.names.expects:
            return
        expected = self.request.headers.get(hdrs.EXPECT)
        if expected and expected.lower() != "100-continue":
            raise refuse("SYS-115", close=True)

    def check_allowance(self) -> None:
        """Whether the caller may send one more message of the length that it names. Raises Refusal (429), before it is read."""
        named = self.request.content_length or 1
        size = min(named, self.door.settings.limits.body_bytes)
        self.door.check_allowance(self.who.party, size=size, now=self.now)

    def check_content(self, types: Collection[str]) -> str:
        """The media type of the body, one of ``types``. Raises Refusal (415) for others, charsets and compression."""
        headers = self.request.headers
        coding = headers.get(hdrs.CONTENT_ENCODING)
        if coding is not None and (coding := coding.strip().lower()) not in ("identity", ""):
            raise refuse("SYS-104", found=coding, close=True)
        name, foreign = _content_type(headers.get(hdrs.CONTENT_TYPE, ""))
        if name not in types:
            raise refuse("SYS-102", found=name or "–", expected=sorted(types))
        if foreign is not None:
            raise refuse("SYS-103", found=foreign)
        return name

    async def body(self, most: int, *, known: Callable[[bytes, bool], bool] | None = None) -> Body:
        """The body, read with a cap. Raises Refusal when it stops on the way.

        ``known`` is shown what has come so far, until it is satisfied with it; it may raise Refusal to stop the reading.

        Over the cap the first :data:`HEAD_BYTES` are kept and hashed; the rest is neither counted nor waited for.
        """
        asks = self.names.expects
        if asks and (self.request.content_length or 0) > most:
            raise refuse("SYS-101", limit_bytes=most, close=True)  # the sender asked first: it need not send it
        content = self.request.content
        here = content.is_eof() and content.exception() is None and known is None and not asks
        # Most bodies have come with their head: nothing to wait for, and nobody to watch.
        data = content.read_nowait() if here else await self._awaited(most, known)
        total = len(data)
        if total > most:
            data, total = data[: min(HEAD_BYTES, most)], most + 1
        return Body(data=data, digest=hashlib.sha256(data).hexdigest(), total_bytes=total, most=most)

    async def _awaited(self, most: int, known: Callable[[bytes, bool], bool] | None) -> bytes:
        """The body as it comes, or somewhat more than ``most`` bytes of it."""
        content = self.request.content
        chunks: list[bytes] = []
        total = 0
        with self.reading():
            await self.go_ahead()
            while total <= most:
                chunk = await content.readany()
                chunks.append(chunk)
                total += len(chunk)
                if known is not None and known(b"".join(chunks), not chunk):
                    known = None
                if not chunk:
                    break
        self._now = None  # a body may come slowly
        return b"".join(chunks)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While a body is read piece by piece. Raises Refusal when it stops on the way."""
        self.watch.reads(self.request)
        try:
            yield
        except BodyTooSlow as error:
            raise refuse("SYS-110", close=True) from error
        except _BROKEN as error:
            raise refuse("SYS-111", close=True) from error
        finally:
            self.watch.reads(None)

    async def go_ahead(self) -> None:
        """Tells a sender who asked first that its body is welcome."""
        if self.names.expects:
            await self.request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.request.writer.output_size = 0

    async def blocks(self, size: int) -> AsyncGenerator[bytes, None]:
        """The body in blocks of about this size, never held as a whole. Raises Refusal when it stops on the way."""
        with self.reading():
            await self.go_ahead()
            gathered = bytearray()
            while chunk := await self.request.content.read(size):  # at most: readany may give several times as much
                if not gathered and len(chunk) >= size:
                    self.watch.moves()
                    yield chunk
                    continue
                gathered += chunk
                if len(gathered) >= size:
                    self.watch.moves()
                    yield bytes(gathered)
                    gathered.clear()
            if gathered:
                yield bytes(gathered)

    def query(self, *names: str) -> dict[str, str]:
        """The query parameters. Raises Refusal (400) for an unknown, repeated or unreadable one."""
        found: dict[str, str] = {}
        if not self.query_string:
            return found
        for piece in self.query_string.split("&"):
            key, _, value = piece.partition("=")
            name = decoded(key.replace("+", " "), "?")
            if name not in names or name in found:
                raise refuse("SYS-114", parameter=name[:50], expected=", ".join(names) or "–")
            found[name] = decoded(value.replace("+", " "), name)
        return found

    def response(
        self, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
    ) -> WholeAnswer:
        """A response of ours; the door adds what every answer carries."""
        return WholeAnswer(status, body, {**(headers or {}), hdrs.CONTENT_TYPE: content_type})

    def kept(
        self, body: bytes, content_type: str, headers: Mapping[str, str], *, digest: str | None = None
    ) -> WholeAnswer:
        """A 200 with an ETag, or 304 for a caller who has these bytes already (RFC 9110, section 13.1.2)."""
        etag = f'"{digest or hashlib.sha256(body).hexdigest()}"'
        known = [
            tag.strip().removeprefix("W/")
            for tag in ",".join(self.request.headers.getall("If-None-Match", [])).split(",")
        ]
        if etag in known or "*" in known:
            kept = {name: value for name, value in headers.items() if name in ("Cache-Control", "Vary")}
            return WholeAnswer(304, headers={**kept, "ETag": etag})
        return self.response(200, body, content_type, {**headers, "ETag": etag})

    def answer(
        self, status: int, name: str, values: AnswerType, headers: Mapping[str, str] | None = None
    ) -> WholeAnswer:
        """Values in the form the caller would like."""
        if self.media is Media.JSON:
            return self.response(status, answers.as_json(values), "application/json", headers)
        return self.response(status, answers.as_xml(name, values), "application/xml; charset=utf-8", headers)

    def problem(
        self,
        problems: Collection[Problem],
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> WholeAnswer:
        """A problem document (RFC 9457) with the status its problems lead to."""
        status = status or rendering.http_status_of(problems)
        document = rendering.document(
            problems, status=status, lang=self.lang, correlation_id=self.correlation_id, **members
        )
        return self.response(
            status,
            rendering.render(document, self.media),
            f"{rendering.PROBLEM_TYPES[self.media]}; charset=utf-8"
            if self.media is Media.XML
            else rendering.PROBLEM_TYPES[self.media],
            {"Content-Language": str(self.lang), "Vary": "Accept, Accept-Language", **(headers or {})},
        )

    def refused(self, refusal: Refusal) -> WholeAnswer:
        """A refusal of the door as a response: a problem document, or a fault on the SOAP door."""
        if self.fault is not None:
            response = self.fault(self, refusal)
        else:
            response = self.problem([refusal.problem], headers=refusal.headers)
        if refusal.close or not self.request.content.is_eof():
            response.force_close()
        return response


@lru_cache(maxsize=256)
def _natural(method: str, content_type: str) -> Media:
    sent = content_type.lower()
    return Media.XML if "xml" in sent or (method == "POST" and "json" not in sent) else Media.JSON


@lru_cache(maxsize=256)
def _content_type(value: str) -> tuple[str, str | None]:
    """The media type, and a charset that is not ours."""
    name, _, rest = value.partition(";")
    for parameter in rest.split(";"):
        key, _, said = parameter.partition("=")
        charset = said.strip().strip('"')
        if key.strip().lower() == "charset" and charset.lower() not in ("utf-8", "utf8"):
            return name.strip().lower(), charset
    return name.strip().lower(), None


def decoded(raw: str, name: str) -> str:
    """A percent-encoded piece of an address. Raises Refusal (400) for what is no UTF-8 or holds control characters."""
    try:
        text = urllib.parse.unquote_to_bytes(raw).decode("utf-8")
    except UnicodeError as error:
        raise refuse("SYS-114", parameter=name[:50], expected="UTF-8") from error
    if len(text) > 200 or _BARE.search(text) or re.search("%(?![0-9A-Fa-f]{2})", raw):
        raise refuse("SYS-114", parameter=name[:50] if name.isprintable() else "?", expected="≤ 200, UTF-8")
    return text
