"""A false agency on loopback: a real HTTP server whose faults are knobs.

It speaks HTTP by hand, because a decent server would not cut its own wire. What it says, when it says something, is a
dialect's business (ours below; others beside their connectors' tests).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self, TypeVar

from patience import PATIENCE_S

T = TypeVar("T")

HS = "http://www.dongnai.gov.vn/lienthong/hoso/1.0"


class Fault(StrEnum):
    """What goes wrong."""

    NONE = "none"
    REFUSE = "refuse"  # the dialect's final no
    BUSY = "busy"  # 503, Retry-After: 7
    ERROR = "error"  # 500 with a page of HTML
    LOGIN_PAGE = "login page"  # 200, and it is a page for people
    SILENT = "silent"  # takes everything, answers nothing
    DEAF = "deaf"  # takes the connection, reads nothing, answers nothing
    GARBAGE = "garbage"  # 200, and the body is nonsense of the right media type
    NOISE = "noise"  # what comes back is not even HTTP
    HUGE = "huge"  # 200 and an answer without end
    REDIRECT = "redirect"  # 307 to another host
    CUT_BEFORE_HEADERS = "cut before headers"
    CUT_MID_BODY = "cut mid-body"
    CUT_BEFORE_ANSWER = "cut after body, before answer"
    CUT_MID_ANSWER = "cut mid-answer"
    CUT_AFTER_ANSWER = "cut after answer, before close"


CUTS = (
    Fault.CUT_BEFORE_HEADERS,
    Fault.CUT_MID_BODY,
    Fault.CUT_BEFORE_ANSWER,
    Fault.CUT_MID_ANSWER,
    Fault.CUT_AFTER_ANSWER,
)


@dataclass(frozen=True, slots=True)
class Request:
    """One whole request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int = 200
    media: str = "application/xml"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def wire(self) -> bytes:
        """As it goes over the line."""
        head = [f"HTTP/1.1 {self.status} x", f"Content-Type: {self.media}", f"Content-Length: {len(self.body)}"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*head, "", ""]).encode() + self.body


class Dialect(Protocol):
    """What an agency says."""

    effects: list[str]  # ids of the messages that took effect here, in order, repeats included

    def answer(self, request: Request) -> Response:
        """Take a request in, and answer it."""

    def refusal(self, request: Request) -> Response:
        """The final no."""

    def garbage(self, request: Request) -> Response:
        """Nonsense of the right media type."""


class Lienthong:
    """Our own REST, as an agency would build it: it honours ids."""

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.bodies: dict[str, bytes] = {}  # MaThongDiep -> bytes

    def answer(self, request: Request) -> Response:
        if request.method == "GET":
            ma = request.path.rpartition("/")[2]
            if ma not in self.bodies:
                return Response(404, "application/json", b"{}")
            return Response(body=bien_nhan(ma, "CHAP_NHAN", self.bodies[ma]))
        ma = request.headers["mathongdiep"]
        first = self.bodies.setdefault(ma, request.body)
        if first != request.body:
            return Response(409, "application/json", b'{"problems": [{"code": "DUP-010"}]}')
        if ma in self.effects:
            return Response(200, body=bien_nhan(ma, "TRUNG_LAP", first))
        self.effects.append(ma)
        return Response(201, body=bien_nhan(ma, "CHAP_NHAN", first))

    def refusal(self, request: Request) -> Response:
        ma = request.headers.get("mathongdiep", "")
        return Response(422, body=bien_nhan(ma, "TU_CHOI", request.body, "SCHEMA_KHONG_HOP_LE"))

    def garbage(self, request: Request) -> Response:
        del request
        return Response(200, body=b"<BienNhan><KetQua>CHAP_NHAN</BienNhan>")


def bien_nhan(ma: str, ket_qua: str, body: bytes, *errors: str, so: str | None = "TN-1") -> bytes:
    """An unsigned BienNhan in an envelope."""
    loi = "".join(f"<Loi><Ma>{e}</Ma><MoTa>…</MoTa><MucDo>LOI</MucDo></Loi>" for e in errors)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ThongDiep xmlns="http://www.dongnai.gov.vn/lienthong/phongbi/1.0"><LoaiThongDiep>HS02</LoaiThongDiep><ThanPhan>'
        f'<BienNhan xmlns="{HS}"><MaThongDiepGoc>{ma}</MaThongDiepGoc><KetQua>{ket_qua}</KetQua>'
        + (f"<DanhSachLoi>{loi}</DanhSachLoi>" if loi else "")
        + "<ThoiDiem>2026-01-15T15:00:00+07:00</ThoiDiem>"
        f"<BamNoiDung>{hashlib.sha256(body).hexdigest()}</BamNoiDung>"
        + (f"<SoTiepNhan>{so}</SoTiepNhan>" if so else "")
        + "</BienNhan></ThanPhan></ThongDiep>"
    ).encode()


_places: dict[type, int] = {}  # of a dialect whose far side stays where it was, the port


class Agency:
    """The server. Knobs may be turned while it runs."""

    def __init__(self, dialect: Dialect, tls: ssl.SSLContext | None = None) -> None:
        self.dialect = dialect
        self.fault = Fault.NONE
        self.times: int | None = None  # the fault is over after so many requests
        self.keeps = True  # whether a message that meets a fault after its body takes effect all the same
        self.delay_s = 0.0
        self.requests: list[Request] = []  # all that came whole
        self.arrived = asyncio.Event()
        self.connections = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[Any]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/lienthong"

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        before = _places.get(type(self.dialect), 0)
        try:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port or before, ssl=self._tls)
        except OSError:
            if self.port or not before:
                raise
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        if getattr(self.dialect, "stays", False):
            _places[type(self.dialect)] = self.port

    async def stop(self) -> None:
        """Stop listening and drop every connection: the machine is switched off."""
        if self._server is not None:
            self._server.close()
            for task in list(self._open):
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _fault(self) -> Fault:
        fault = self.fault
        if fault is not Fault.NONE and self.times is not None:
            self.times -= 1
            if self.times <= 0:
                self.fault, self.times = Fault.NONE, None
        return fault

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            self._open.discard(task)
            writer.transport.abort()
            with contextlib.suppress(Exception):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False when the connection is over."""
        if self.fault is Fault.DEAF:
            self._fault()
            await asyncio.sleep(PATIENCE_S)
            return False
        if self.fault is Fault.CUT_BEFORE_HEADERS:
            self._fault()
            return False
        head = await reader.readuntil(b"\r\n\r\n")
        fault = self._fault()
        if fault in {
            Fault.DEAF,
            Fault.CUT_BEFORE_HEADERS,
        }:  # this connection was waiting for us before the knob was turned
            await asyncio.sleep(PATIENCE_S if fault is Fault.DEAF else 0)
            return False
        line, *rows = head.decode("latin-1").split("\r\n")
        method, path, _ = line.split(" ")
        headers = {k.strip().lower(): v.strip() for k, _, v in (row.partition(":") for row in rows if row)}
        length = int(headers.get("content-length", "0"))
        if fault is Fault.CUT_MID_BODY:
            await reader.readexactly(length // 2)
            return False
        request = Request(method, path, headers, await reader.readexactly(length))
        self.requests.append(request)
        self.arrived.set()
        return await self._speak(fault, request, writer)

    async def _speak(self, fault: Fault, request: Request, writer: asyncio.StreamWriter) -> bool:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if fault is Fault.SILENT:
            self._keep(request)
            await asyncio.sleep(PATIENCE_S)
            return False
        if fault is Fault.CUT_BEFORE_ANSWER:
            self._keep(request)
            return False
        if fault is Fault.NOISE:
            self._keep(request)
            writer.write(b"\x16\x03\x01 what is this\r\n\r\n" * 10)
            await writer.drain()
            return False
        if fault is Fault.HUGE:
            self._keep(request)
            writer.write(b"HTTP/1.1 200 x\r\nContent-Type: application/xml\r\nContent-Length: 1000000000\r\n\r\n")
            while True:
                writer.write(b"<a>" + b"x" * 65536)
                await writer.drain()
        wire = self._answer(fault, request).wire()
        if fault is Fault.CUT_MID_ANSWER:
            writer.write(wire[:-40])
            await writer.drain()
            await asyncio.sleep(0.02)
            return False
        writer.write(wire)
        await writer.drain()
        if fault is Fault.CUT_AFTER_ANSWER:
            await asyncio.sleep(0.02)
            return False
        return request.headers.get("connection", "").lower() != "close"

    def _keep(self, request: Request) -> None:
        if self.keeps:
            self.dialect.answer(request)

    def _answer(self, fault: Fault, request: Request) -> Response:
        page = b"<!DOCTYPE html><html><body>n&agrave;y</body></html>"
        match fault:
            case Fault.REFUSE:
                return self.dialect.refusal(request)
            case Fault.BUSY:
                return Response(503, "text/plain", b"busy", {"Retry-After": "7"})
            case Fault.REDIRECT:
                return Response(307, headers={"Location": "http://127.0.0.1:1/elsewhere"})
            case Fault.ERROR:
                self._keep(request)
                return Response(500, "text/html", page)
            case Fault.LOGIN_PAGE:
                return Response(200, "text/html; charset=utf-8", page)
            case Fault.GARBAGE:
                self._keep(request)
                return self.dialect.garbage(request)
            case _:
                return self.dialect.answer(request)


def run(story: Coroutine[Any, Any, T], within_s: float = PATIENCE_S) -> T:
    """Run one story to its end; a story that hangs fails."""

    async def bounded() -> T:
        async with asyncio.timeout(within_s):
            return await story

    return asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; a test that waits in vain runs into its own end."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens in threads, databases, other servers
        await asyncio.sleep(0.01)


def uuid(number: int) -> str:
    """The MaThongDiep with this number, in lower case."""
    digits = f"{number:032x}"
    return re.sub(r"(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5", digits)
