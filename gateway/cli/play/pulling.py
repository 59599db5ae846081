"""The conformance kit for whoever pulls: a real gateway behind a proxy that watches, and disturbs some of the answers.

The integrator's client is started against the proxy's address; what it asks for shows whether it can lose, skip or
double anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import aiohttp
from aiohttp import web

from gateway.cli.play.kit import Mark, Result, TrialExchange
from gateway.cli.play.world import entries_of

NUISANCES = {2: "503", 4: "cut"}  # the n-th question for the inbox -> what happens to its answer
KEPT = 200  # requests that the report lists
HURRIED_S = 0.5  # empty answers that are asked for again sooner than this, without wait=


@dataclass
class Asked:
    """One question for the inbox."""

    after: int
    at: float
    served: int  # the last position in the answer; `after` when there was none
    disturbed: str | None  # "503", "cut"
    waits: bool


@dataclass
class Watch:
    """The proxy, and what it has seen."""

    gateway: str
    token: str
    asked: list[Asked] = field(default_factory=list)
    fetched: dict[str, float] = field(default_factory=dict)  # message -> when its original was fetched
    positions: dict[int, tuple[str, float]] = field(default_factory=dict)  # position -> (message, when it was served)
    strangers: int = 0  # requests without our token
    exchanges: list[TrialExchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._http: aiohttp.ClientSession | None = None

    async def start(self, host: str, port: int) -> int:
        """Open the proxy; gives its port. Raises OSError."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120), auto_decompress=False)
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/{path:.*}", self.hand_on)
        self.runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self.runner.setup()
        await web.TCPSite(self.runner, host, port).start()
        return int(self.runner.addresses[0][1])

    async def stop(self) -> None:
        """Close it."""
        await self.runner.cleanup()
        if self._http is not None:
            await self._http.close()

    async def hand_on(self, request: web.Request) -> web.StreamResponse:
        """One request, to the gateway and back; the inbox is watched and sometimes disturbed."""
        if self._http is None:
            return web.Response(status=503)
        left = {"host", "connection", "content-length", "transfer-encoding"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in left}
        url = f"{self.gateway}{request.raw_path}"
        async with self._http.request(request.method, url, data=await request.read(), headers=headers) as answer:
            body = await answer.read()
            status, kind = answer.status, answer.headers.get("Content-Type", "application/octet-stream")
        if status == 401:
            self.strangers += 1
        if request.path == "/v1/inbox" and status == 200:
            return await self._inbox(request, body, kind)
        if request.path == "/v1/inbox" and status == 409:  # a position beyond what it was given: it has skipped
            after = int(request.query.get("after") or 0)
            self.asked.append(Asked(after, time.monotonic(), after, None, "wait" in request.query))
        self._note(request, f"HTTP {status}", body)
        original = re.fullmatch(r"/v1/messages/([^/]+)/original", request.path)
        if original is not None and status == 200:
            self.fetched.setdefault(original[1], time.monotonic())
        return web.Response(status=status, body=body, headers={"Content-Type": kind})

    def _note(self, request: web.Request, came: str, body: bytes) -> None:
        if len(self.exchanges) < KEPT:
            at, what = datetime.now(UTC), f"{request.method} {request.raw_path}"
            digest = hashlib.sha256(body).hexdigest()
            self.exchanges.append(TrialExchange(at, what, 0, "", came, f"SHA-256 {digest}", "", len(body)))

    async def _inbox(self, request: web.Request, body: bytes, kind: str) -> web.StreamResponse:
        after = int(request.query.get("after") or 0)
        entries = _entries(body, kind)
        nuisance = NUISANCES.get(len(self.asked) + 1)
        now = time.monotonic()
        last = after
        if nuisance is None:
            for position, message in entries:
                self.positions.setdefault(position, (message, now))
                last = max(last, position)
        self.asked.append(Asked(after, now, last, nuisance, "wait" in request.query))
        twist = {"503": "HTTP 503 (on purpose)", "cut": "HTTP 200, cut half-way (on purpose)"}
        self._note(request, twist.get(nuisance or "", "HTTP 200"), body)
        if nuisance == "503":
            return web.Response(status=503, headers={"Retry-After": "1"})
        if nuisance == "cut":
            response = web.StreamResponse(headers={"Content-Type": kind, "Content-Length": str(len(body))})
            await response.prepare(request)
            await response.write(body[: len(body) // 2])
            if request.transport is not None:
                request.transport.abort()
            return response
        return web.Response(body=body, headers={"Content-Type": kind})

    @property
    def confirmed(self) -> int:
        """Up to where the client has confirmed, by asking after it."""
        return max((one.after for one in self.asked), default=0)

    def results(self, head: int) -> list[Result]:
        """What the client's questions show, given the last position that there was."""
        return [
            self._came(),
            self._all(head),
            self._no_skip(),
            self._again(),
            self._originals(head),
            self._order(),
            self._manners(),
        ]

    def _came(self) -> Result:
        if not self.asked:
            return Result(
                "pulls",
                Mark.FAILED,
                "không có yêu cầu lấy hộp thư",
                "nobody asked for the inbox",
                seen=f"401 × {self.strangers}",
            )
        vi, en, seen = "đã lấy hộp thư", "asked for the inbox", f"{len(self.asked)} ×"
        return Result("pulls", Mark.PASSED, vi, en, seen=seen, exchanges=(*self.exchanges,))

    def _all(self, head: int) -> Result:
        seen = f"{self.confirmed}/{head}"
        if self.confirmed >= head:
            return Result(
                "confirms", Mark.PASSED, "đã xác nhận tới vị trí cuối", "confirmed up to the last position", seen=seen
            )
        return Result("confirms", Mark.FAILED, "chưa xác nhận hết", "did not confirm everything", seen=seen)

    def _no_skip(self) -> Result:
        """Nobody may ask after a position that it was never served."""
        served = 0
        for one in self.asked:
            if one.after > served:
                seen = f"after={one.after} > {served}"
                return Result(
                    "skips-nothing",
                    Mark.FAILED,
                    "bỏ qua vị trí chưa nhận",
                    "stepped over what it was not served",
                    seen=seen,
                )
            served = max(served, one.served)
        return Result("skips-nothing", Mark.PASSED, "không bỏ sót vị trí nào", "stepped over nothing")

    def _again(self) -> Result:
        """After an answer that failed or broke, the same question again."""
        for number, one in enumerate(self.asked[:-1]):
            following = self.asked[number + 1]
            if one.disturbed is not None and following.after > one.served:
                seen = f"{one.disturbed}: after={one.after} → {following.after}"
                return Result(
                    "asks-again",
                    Mark.FAILED,
                    "coi trả lời lỗi là đã nhận",
                    "took a broken answer for a whole one",
                    seen=seen,
                )
        disturbed = [one for one in self.asked[:-1] if one.disturbed is not None]
        if not disturbed:
            return Result("asks-again", Mark.SKIPPED, "chưa tới bước mô phỏng lỗi", "too few questions to disturb one")
        return Result(
            "asks-again",
            Mark.PASSED,
            "yêu cầu lại sau trả lời lỗi",
            "asked again after a broken answer",
            seen=f"{len(disturbed)} ×",
        )

    def _originals(self, head: int) -> Result:
        missing = [p for p, (message, _) in sorted(self.positions.items()) if p <= head and message not in self.fetched]
        if not missing:
            return Result(
                "originals", Mark.PASSED, "lấy nguyên văn mọi thông điệp", "fetched the original of every message"
            )
        vi, en = (
            "không lấy nguyên văn, nên không kiểm được chữ ký",
            "did not fetch originals, so it cannot verify signatures",
        )
        return Result("originals", Mark.WARNED, vi, en, seen=f"{missing[:10]}")

    def _order(self) -> Result:
        """What is confirmed should have been fetched before."""
        for one in self.asked:
            for position, (message, _) in self.positions.items():
                fetched = self.fetched.get(message)
                if position <= one.after and fetched is not None and fetched > one.at:
                    vi, en = "xác nhận trước khi lấy nguyên văn", "confirmed before it fetched the original"
                    return Result("stores-first", Mark.FAILED, vi, en, seen=f"{position}")
        return Result("stores-first", Mark.PASSED, "xác nhận sau khi lấy", "fetched, then confirmed")

    def _manners(self) -> Result:
        empty = [one for one in self.asked if one.disturbed is None and one.served == one.after and not one.waits]
        hurried = sum(1 for before, after in pairwise(empty) if after.at - before.at < HURRIED_S)
        if hurried > 3:
            vi, en = (
                "yêu cầu liên tục khi hộp thư trống; dùng wait= hoặc chờ lâu hơn",
                "asks too often while the inbox is empty; use wait=",
            )
            return Result("manners", Mark.WARNED, vi, en, seen=f"{hurried} ×")
        return Result("manners", Mark.PASSED, "tần suất yêu cầu phù hợp", "asks at a fair pace")


def _entries(body: bytes, kind: str) -> list[tuple[int, str]]:
    """(position, message) of a page, in JSON or XML."""
    if "json" in kind:
        import json

        rows: list[dict[str, Any]] = entries_of(json.loads(body))
        return [(int(row["ViTri"]), str(row["SoTiepNhan"])) for row in rows]
    from gateway.core.limits import CEILING
    from gateway.documents import parse_bytes
    from schemas.names import local

    found: list[tuple[int, str]] = []
    for element in parse_bytes(body, CEILING).iter():
        if local(element.tag) == "Muc":
            values = {local(child.tag): (child.text or "") for child in element}
            found.append((int(values["ViTri"]), values["SoTiepNhan"]))
    return found


async def until_quiet(watch: Watch, head: int, patience_s: float) -> None:
    """Until the client has confirmed everything, or has asked for nothing for so long."""
    end = time.monotonic() + patience_s
    asked = len(watch.asked)
    while time.monotonic() < end and watch.confirmed < head:
        await asyncio.sleep(0.2)
        if len(watch.asked) != asked:
            asked, end = len(watch.asked), time.monotonic() + patience_s
