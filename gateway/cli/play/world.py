"""The sandbox's world: a fictional portal, a fictional agency, and a relay in front of the integrator's own endpoint.

All of it lives in one HTTP server, beside the gateway under test:

    /so-thu/…       the agency's system (gateway.cli.play.agency): takes messages, then answers with statuses by itself
    /tram           the relay: what the gateway delivers to the integrator passes here, and can be disturbed on its way
    POST /nop       the portal files a fresh dossier:        {"to": "H19.990", "ma_tthc": "2.000488"}
    POST /nut       turn a knob:                             {"who": "so-thu", "fault": "refuse", "times": 1}
    GET  /nut       how the knobs stand
    GET  /          what there is, and what has happened
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import aiohttp
from aiohttp import web

from gateway.cli.play.agency import ON_TAKING, Agency, Fault, Knob, Taken, cut, knob_of, shown
from gateway.core.model import Address
from gateway.core.os_words import in_vietnamese, system_reason
from schemas.catalog import Catalog
from schemas.fresh import Size, fresh
from signing.sign import SigningKey, sign

log = logging.getLogger("lienthong.sandbox")

Teller = Callable[[str, str], None]  # says a line in Vietnamese and English

EVENTS = 200  # kept for GET /


class KnobOwner(StrEnum):
    """Whose knob it is."""

    AGENCY = "so-thu"
    PORTAL = "cong-thu"
    YOU = "ban"  # the way from the gateway to the integrator's endpoint


ON_SENDING = (Fault.DUPLICATE, Fault.REORDER, Fault.EXPIRED)
KNOBS: dict[KnobOwner, tuple[Fault, ...]] = {
    KnobOwner.AGENCY: (*sorted(ON_TAKING), *ON_SENDING),
    KnobOwner.PORTAL: (Fault.DOWN, Fault.DUPLICATE, Fault.EXPIRED),
    KnobOwner.YOU: (Fault.SLOW, Fault.UNAVAILABLE, Fault.CUT, Fault.CUT_BEFORE, Fault.DUPLICATE),
}


@dataclass
class Member:
    """A fictional party: how it signs and how it proves itself to the gateway."""

    id: str
    identifier: str
    name: str
    token: str
    key: SigningKey
    expired: SigningKey  # a certificate that has ended, for the knob of that name

    @property
    def address(self) -> Address:
        """As it writes itself."""
        return Address(ma_dinh_danh=self.identifier, ten_co_quan=self.name)


@dataclass
class World:
    """Everybody but the gateway and the integrator."""

    gateway: str
    portal: Member
    agency: Member
    catalog: Catalog
    tell: Teller
    endpoint: str | None = None  # the integrator's own, when it is pushed to
    pace_s: float = 2.0  # between the agency's statuses
    knobs: dict[KnobOwner, list[Knob]] = field(default_factory=lambda: {who: [] for who in KnobOwner})
    events: list[dict[str, Any]] = field(default_factory=list)
    filed: int = 0

    def __post_init__(self) -> None:
        self.system = Agency(
            self.agency.key, self.agency.identifier, self.agency.name, knobs=self.knobs[KnobOwner.AGENCY]
        )
        self.tasks: set[asyncio.Task[Any]] = set()
        self._http: aiohttp.ClientSession | None = None

    @property
    def http(self) -> aiohttp.ClientSession:
        """The way to the gateway and to the integrator."""
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=90))
        return self._http

    # Life

    async def start(self, host: str, port: int) -> int:
        """Open the doors; gives the port. Raises OSError when it cannot be had."""
        app = web.Application(client_max_size=64 * 2**20)
        app.add_routes(
            [
                web.get("/", self.overview),
                web.post("/nop", self.file_one),
                web.get("/nut", self.list_knobs),
                web.post("/nut", self.turn),
                web.post("/tram", self.relay),
            ]
        )
        app.add_subapp("/so-thu", self.system.app())
        self.runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self.runner.setup()
        await web.TCPSite(self.runner, host, port).start()
        return int(self.runner.addresses[0][1])

    def begin(self) -> None:
        """The portal begins to pull, the agency to answer."""
        self.go(self._pull())
        self.go(self._answer())

    async def stop(self) -> None:
        """Close everything."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.runner.cleanup()
        if self._http is not None:
            await self._http.close()

    def go(self, work: Awaitable[Any]) -> None:
        """Do that beside everything else."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def happened(self, vi: str, en: str, **facts: Any) -> None:
        """Tell an event, and keep it for whoever asks."""
        self.events.append({"at": datetime.now(UTC).isoformat(), "vi": vi, "en": en, **facts})
        del self.events[:-EVENTS]
        self.tell(vi, en)

    # The portal

    async def file(self, to: str, ma_tthc: str | None = None) -> tuple[int, str, str]:
        """The portal files a fresh dossier with this agency: HTTP status, MaHoSo, and what the gateway said."""
        self.filed += 1
        now = datetime.now(UTC)
        ma_ho_so = some_ma_ho_so(to, now, self.filed)
        values = step("HS01", now) | ({"MaTTHC": ma_tthc} if ma_tthc else {})
        body = fresh(
            "HS01",
            ma_ho_so=ma_ho_so,
            seed=int(now.timestamp() * 1000) % 2**31,
            at=now,
            size=Size.SMALL,
            noi_gui=self.portal.address,
            noi_nhan=(Address(ma_dinh_danh=to),),
            values=values,
            catalog=self.catalog,
        )
        status, said = await self.send(self.portal, KnobOwner.PORTAL, body, now)
        self.happened(
            f"cổng thử nghiệm nộp {ma_ho_so} cho {to}: HTTP {status}{said}",
            f"the portal filed {ma_ho_so} with {to}: HTTP {status}{said}",
            ma_ho_so=ma_ho_so,
            status=status,
        )
        return status, ma_ho_so, said

    async def _pull(self) -> None:
        """The portal pulls its inbox for ever, and tells what came."""
        after: int | None = None  # None: not known yet; what is old is not told again
        while True:
            if self._knob(KnobOwner.PORTAL, Fault.DOWN) is not None:
                await asyncio.sleep(1.0)
                continue
            ask = "after=0&limit=1" if after is None else f"after={after}&limit=50&wait=20"
            url = f"{self.gateway}/v1/inbox?{ask}"
            headers = {"Authorization": f"Bearer {self.portal.token}", "Accept": "application/json"}
            try:
                async with self.http.get(url, headers=headers) as answer:
                    page = await answer.json()
            except (aiohttp.ClientError, TimeoutError, ValueError):
                await asyncio.sleep(1.0)
                continue
            if after is None:
                after = int(page.get("MoiNhat") or 0)
                continue
            for entry in entries_of(page):
                after = max(after, int(entry["ViTri"]))
                about = " ".join(str(entry.get(name) or "") for name in ("LoaiThongDiep", "MaHoSo"))
                state = entry.get("TrangThai")
                self.happened(
                    f"cổng thử nghiệm nhận {about} từ {entry.get('NoiGui')}, trạng thái {state}",
                    f"the portal got {about} from {entry.get('NoiGui')}, state {state}",
                    entry=entry,
                )

    # The agency

    async def _answer(self) -> None:
        """The agency answers every dossier that it takes in with HS03, HS05 and HS11, at its pace."""
        done = 0
        while True:
            await self.system.news.wait()
            self.system.news.clear()
            while done < len(self.system.taken):
                taken = self.system.taken[done]
                done += 1
                self.happened(
                    f"cơ quan thử nghiệm nhận {taken.loai} {taken.ma_ho_so}",
                    f"the agency took in {taken.loai} {taken.ma_ho_so}",
                )
                if taken.loai == "HS01":
                    self.go(self._statuses(taken))

    async def _statuses(self, taken: Taken) -> None:
        moment = datetime.now(UTC)
        told = [(number, loai, moment + timedelta(seconds=number)) for number, loai in enumerate(STATUSES, 1)]
        if self._knob(KnobOwner.AGENCY, Fault.REORDER, taken.ma_ho_so) is not None:
            told = [told[1], told[0], told[2]]
        for number, loai, at in told:
            await asyncio.sleep(self.pace_s)
            body = fresh(
                loai,
                ma_ho_so=taken.ma_ho_so,
                seed=int(at.timestamp() * 1000) % 2**31,
                at=at,
                size=Size.SMALL,
                noi_gui=self.agency.address,
                noi_nhan=(self.portal.address,) if taken.noi_gui is None else (Address(ma_dinh_danh=taken.noi_gui),),
                values=step(loai, at),
                thu_tu=number,
                catalog=self.catalog,
            )
            status, said = await self.send(self.agency, KnobOwner.AGENCY, body, at, taken.ma_ho_so)
            self.happened(
                f"cơ quan thử nghiệm gửi {loai} {taken.ma_ho_so}: HTTP {status}{said}",
                f"the agency sent {loai} {taken.ma_ho_so}: HTTP {status}{said}",
            )

    async def send(
        self, who: Member, knobs: KnobOwner, body: bytes, at: datetime, ma_ho_so: str | None = None
    ) -> tuple[int, str]:
        """Sign and post to the gateway, as the knobs want it; the last status, and the codes of a refusal."""
        key = who.expired if self._knob(knobs, Fault.EXPIRED, ma_ho_so) is not None else who.key
        signed = sign(body, key, at=at)
        times = 2 if self._knob(knobs, Fault.DUPLICATE, ma_ho_so) is not None else 1
        status, said = 0, ""
        for _ in range(times):
            headers = {
                "Authorization": f"Bearer {who.token}",
                "Content-Type": "application/xml",
                "Accept": "application/json",
            }
            try:
                async with self.http.post(f"{self.gateway}/v1/messages", data=signed, headers=headers) as answer:
                    status, text = answer.status, await answer.text()
            except (aiohttp.ClientError, TimeoutError) as error:
                return 0, f" {type(error).__name__}"
            said = codes_in_text(text) if status >= 400 else ""
        return status, said

    # The way to the integrator

    async def relay(self, request: web.Request) -> web.StreamResponse:
        """POST /tram: what the gateway delivers to the integrator, on its way there."""
        if self.endpoint is None:
            return web.Response(status=404)
        body = await request.read()
        knob = self._knob(KnobOwner.YOU, None)
        fault = knob.fault if knob is not None else Fault.NONE
        if fault is Fault.UNAVAILABLE:
            return web.Response(status=503, headers={"Retry-After": "1"})
        if fault is Fault.CUT_BEFORE:
            return cut(request)
        if fault is Fault.SLOW and knob is not None:
            await asyncio.sleep(knob.seconds)
        kept = {"content-length", "host", "connection", "transfer-encoding", "accept-encoding"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in kept}
        reply, content, kind = 502, b"", "text/plain"
        for _ in range(2 if fault is Fault.DUPLICATE else 1):
            try:
                async with self.http.post(self.endpoint, data=body, headers=headers) as answer:
                    reply, content, kind = answer.status, await answer.read(), answer.content_type
            except (aiohttp.ClientError, TimeoutError) as error:
                why = system_reason(error)
                self.happened(
                    f"không kết nối được {self.endpoint}: {in_vietnamese(why)}",
                    f"{self.endpoint} cannot be reached: {why}",
                )
                return web.Response(status=503, headers={"Retry-After": "2"})
        what = f"{request.headers.get('LoaiThongDiep', '')} {request.headers.get('MaThongDiep', '')}".strip()
        twist = f" ({fault})" if knob is not None else ""
        self.happened(
            f"trục gửi {what} cho đơn vị{twist}: HTTP {reply}",
            f"the gateway delivered {what} to you{twist}: HTTP {reply}",
        )
        if fault is Fault.CUT:
            return cut(request)
        return web.Response(status=reply, body=content, content_type=kind)

    # Knobs and looking

    def _knob(self, who: KnobOwner, fault: Fault | None, ma_ho_so: str | None = None) -> Knob | None:
        """A knob of this kind that is on; it counts as used once."""
        for knob in self.knobs[who]:
            if (fault is None or knob.fault is fault) and knob.meets(ma_ho_so):
                if knob.times is not None:
                    knob.times -= 1
                return knob
        return None

    def turn_knob(self, row: dict[str, Any]) -> None:
        """Turn one. Raises ValueError for what is none."""
        if (name := row.pop("who", KnobOwner.AGENCY)) not in {*KnobOwner}:
            raise ValueError(f"who {name} ≠ {', '.join(KnobOwner)}")
        who, knob = KnobOwner(name), knob_of(row)
        if knob.fault is Fault.NONE:
            self.knobs[who].clear()
            return
        if knob.fault not in KNOBS[who]:
            raise ValueError(f"{who}: {knob.fault} ≠ {', '.join(KNOBS[who])}")
        self.knobs[who].insert(0, knob)

    async def turn(self, request: web.Request) -> web.Response:
        """POST /nut."""
        try:
            row = await request.json()
        except ValueError:
            row = None
        try:
            if not isinstance(row, dict):
                raise ValueError('JSON ≠ {"who": …, "fault": …}')  # noqa: TRY004 - the answer below says it
            self.turn_knob(row)
        except ValueError as error:
            return _json({"error": str(error), "knobs": all_knobs()}, 400)
        return await self.list_knobs(request)

    async def list_knobs(self, _request: web.Request) -> web.Response:
        """GET /nut."""
        return _json({who: [shown(knob) for knob in knobs if knob.times != 0] for who, knobs in self.knobs.items()})

    async def file_one(self, request: web.Request) -> web.Response:
        """POST /nop."""
        try:
            row = await request.json() if request.can_read_body else {}
            to = row.get("to") or self.agency.identifier
            status, ma_ho_so, said = await self.file(str(to), row.get("ma_tthc"))
        except (ValueError, AttributeError) as error:
            return _json({"error": str(error)}, 400)
        return _json({"status": status, "ma_ho_so": ma_ho_so, "said": said.strip()})

    async def overview(self, _request: web.Request) -> web.Response:
        """GET /."""
        return _json({"gateway": self.gateway, "endpoint": self.endpoint, "events": self.events})


def all_knobs() -> dict[str, list[str]]:
    """The faults of each, as they are written."""
    return {str(who): [str(fault) for fault in found] for who, found in KNOBS.items()}


STATUSES = ("HS03", "HS05", "HS11")  # what an agency tells of a dossier, in the order in which it happens


def step(loai: str, at: datetime) -> dict[str, Any]:
    """What a step of a dossier that happens at this time says, beside what the schema demands."""
    match loai:
        case "HS01":
            return {"TrangThaiHoSo": "1", "NgayNopHoSo": at}
        case "HS03":
            return {"NgayTiepNhan": at, "NgayHenTra": at + timedelta(days=14)}
        case "HS05":
            return {"TrangThai": "4", "ThoiDiemXuLy": at}
        case "HS11":
            return {"NgayKetThucXuLy": at}
    return {}


def some_ma_ho_so(identifier: str, at: datetime, number: int) -> str:
    """A dossier code of today that was not used before in this sandbox."""
    local = at.astimezone(UTC) + timedelta(hours=7)
    sequence = (local.hour * 3600 + local.minute * 60 + local.second) * 10 + number % 10
    return f"{identifier}-{local:%y%m%d}-{sequence:06d}"


def entries_of(page: Any) -> list[dict[str, Any]]:
    """The entries of an inbox page, whatever the list in it is called."""
    if isinstance(page, dict):
        for value in page.values():
            if isinstance(value, list):
                return [entry for entry in value if isinstance(entry, dict)]
    return []


def codes_in_text(text: str) -> str:
    """The problem codes of a refusal, as they are told."""
    with suppress(ValueError, AttributeError, TypeError):
        rows = json.loads(text).get("problems") or []
        return " " + " ".join(str(row.get("code")) for row in rows)
    return ""


def _json(value: Any, status: int = 200) -> web.Response:
    text = json.dumps(value, ensure_ascii=False)
    return web.Response(status=status, text=text, content_type="application/json", charset="utf-8")
