"""A small agency: takes messages by REST, keeps them, answers with signed BienNhan, and can be made to misbehave.

It honours ids as a good receiver does: the same message again gets the same answer and is kept once. Its faults are
knobs, turned at the start or by HTTP while it runs:

    POST /nut   {"fault": "refuse", "times": 1, "ma_ho_so": "H19.901-260115-0002"}   turn a knob
    GET  /nut                                                                        how they stand
    GET  /da-nhan                                                                    what was taken in, in order

Run it as a process: ``python -m gateway.cli.play.agency --key … --cert … --identifier H19.901``.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
import sys
import uuid
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.core.addresses import host_and_port
from gateway.core.effects import KetQua
from gateway.core.limits import CEILING
from gateway.core.model import Address
from gateway.core.problems import Stopped
from gateway.documents import header_claims, parse_bytes
from schemas import write
from signing.sign import SigningKey, sign


class Fault(StrEnum):
    """What a knob makes the agency do instead of its work."""

    NONE = "none"
    REFUSE = "refuse"  # its final no, with a code of its own
    UNAVAILABLE = "5xx"  # 503: not now
    SLOW = "slow"  # takes it, and answers late
    GARBAGE = "garbage"  # answers 200 with nonsense
    CUT = "cut"  # takes it, then breaks the connection instead of answering
    CUT_BEFORE = "cut-before"  # breaks the connection without taking it
    TOO_MANY = "429"  # asks for patience
    # The sandbox's, of what a fictional party sends itself
    DUPLICATE = "duplicate"  # sends everything twice
    REORDER = "reorder"  # sends its statuses in the wrong order
    EXPIRED = "expired"  # signs with a certificate that has ended
    DOWN = "down"  # does not pull its inbox


LONGEST_S = 600.0  # of "slow"
ON_TAKING = frozenset(
    {Fault.REFUSE, Fault.UNAVAILABLE, Fault.SLOW, Fault.GARBAGE, Fault.CUT, Fault.CUT_BEFORE, Fault.TOO_MANY}
)


@dataclass
class Knob:
    """One fault: whom it meets, and how often."""

    fault: Fault
    times: int | None = None  # None: until it is turned off
    ma_ho_so: str | None = None  # None: every dossier
    seconds: float = 5.0  # of "slow"
    code: str = "TTHC_CHUA_CAU_HINH"  # of "refuse": the agency's own code

    def meets(self, ma_ho_so: str | None) -> bool:
        """Whether it is on for this dossier."""
        return self.times != 0 and (self.ma_ho_so is None or self.ma_ho_so == ma_ho_so)


@dataclass
class Taken:
    """One message taken in."""

    ma_thong_diep: str
    loai: str | None
    ma_ho_so: str | None
    digest: str
    bytes: int
    at: str
    noi_gui: str | None = None
    times: int = 1  # how often it came; it was taken in once


@dataclass
class Agency:
    """The agency's system. One instance, one HTTP server."""

    key: SigningKey
    identifier: str
    name: str
    folder: Path | None = None  # where originals are kept; None: nowhere
    knobs: list[Knob] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    receipts: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # MaThongDiep -> digest, receipt
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        """The HTTP server's routes."""
        app = web.Application(client_max_size=64 * 2**20)
        app.add_routes(
            [
                web.post("/lienthong", self.take),
                web.get("/lienthong/{ma_thong_diep}", self.ask),
                web.get("/da-nhan", self.list_taken),
                web.get("/nut", self.list_knobs),
                web.post("/nut", self.turn),
            ]
        )
        return app

    async def take(self, request: web.Request) -> web.StreamResponse:
        """POST /lienthong: a message."""
        body = await request.read()
        try:
            claims = header_claims(parse_bytes(body, CEILING))
        except Stopped as stop:
            return _problems(400, [problem.code for problem in stop.problems])
        knob = self._knob_for(claims.ma_ho_so)
        if (instead := await self._misbehave(knob, request)) is not None:
            return instead
        digest = hashlib.sha256(body).hexdigest()
        known = self.receipts.get(claims.ma_thong_diep or "")
        if known is None:
            status, receipt = 201, self._keep(body, digest, claims)
        elif known[0] == digest:
            status, receipt = 200, known[1]
            next(one for one in self.taken if one.ma_thong_diep == claims.ma_thong_diep).times += 1
        else:
            return _problems(409, ["XUNG_DOT_MA_THONG_DIEP"])
        if knob.fault is Fault.SLOW:
            await asyncio.sleep(knob.seconds)
        if knob.fault is Fault.CUT:
            return cut(request)
        return web.Response(status=status, body=receipt, content_type="application/xml")

    def _knob_for(self, ma_ho_so: str | None) -> Knob:
        """The knob that a message about this dossier meets, now used once more; where there is none, one without fault."""
        meeting = (knob for knob in self.knobs if knob.fault in ON_TAKING and knob.meets(ma_ho_so))
        knob = next(meeting, Knob(Fault.NONE))
        if knob.times is not None:
            knob.times -= 1
        return knob

    async def _misbehave(self, knob: Knob, request: web.Request) -> web.Response | None:
        """The answer instead of taking the message; None when it is taken all the same."""
        match knob.fault:
            case Fault.REFUSE:
                return _problems(422, [knob.code])
            case Fault.UNAVAILABLE:
                return web.Response(status=503, headers={"Retry-After": "1"})
            case Fault.TOO_MANY:
                return web.Response(status=429, headers={"Retry-After": "2"})
            case Fault.GARBAGE:
                return web.Response(status=200, body=b"\x00<html>???", content_type="application/xml")
            case Fault.CUT_BEFORE:
                return cut(request)
        return None

    def _keep(self, body: bytes, digest: str, claims: Any) -> bytes:
        now = datetime.now(UTC)
        number = f"{self.identifier}/{now:%y%m%d}/{len(self.taken) + 1:04d}"
        receipt = self._receipt(claims.ma_thong_diep, claims.ma_ho_so, claims.noi_gui, digest, number, now)
        self.receipts[claims.ma_thong_diep or digest] = (digest, receipt)
        self.taken.append(
            Taken(
                claims.ma_thong_diep or "",
                claims.loai,
                claims.ma_ho_so,
                digest,
                len(body),
                now.isoformat(),
                claims.noi_gui,
            )
        )
        if self.folder is not None:
            (self.folder / f"{len(self.taken):04d}-{claims.loai or 'la'}.xml").write_bytes(body)
        self.news.set()
        return receipt

    def _receipt(
        self, goc: str | None, ma_ho_so: str | None, to: str | None, digest: str, number: str, now: datetime
    ) -> bytes:
        unsigned = write.bien_nhan(
            ma_thong_diep=str(uuid.uuid4()),
            noi_gui=Address(ma_dinh_danh=self.identifier, ten_co_quan=self.name),
            noi_nhan=Address(ma_dinh_danh=to or self.identifier),
            ma_thong_diep_goc=goc,
            ma_ho_so=ma_ho_so,
            ket_qua=KetQua.CHAP_NHAN,
            loi=(),
            thoi_diem=now,
            bam_noi_dung=digest,
            so_tiep_nhan=number,
        )
        return sign(unsigned, self.key, at=now)

    async def ask(self, request: web.Request) -> web.Response:
        """GET /lienthong/{MaThongDiep}: the receipt, when it is there."""
        known = self.receipts.get(request.match_info["ma_thong_diep"])
        if known is None:
            return web.Response(status=404)
        return web.Response(body=known[1], content_type="application/xml")

    async def list_taken(self, _request: web.Request) -> web.Response:
        """GET /da-nhan."""
        return _json([asdict(one) for one in self.taken])

    async def list_knobs(self, _request: web.Request) -> web.Response:
        """GET /nut."""
        return _json([shown(knob) for knob in self.knobs if knob.times != 0])

    async def turn(self, request: web.Request) -> web.Response:
        """POST /nut: turn a knob; ``{"fault": "none"}`` turns all off."""
        try:
            knob = knob_of(await request.json())
        except ValueError as error:
            return _json({"error": str(error), "faults": [str(fault) for fault in Fault]}, status=400)
        if knob.fault is Fault.NONE:
            self.knobs.clear()
        else:
            self.knobs.insert(0, knob)
        return await self.list_knobs(request)


def knob_of(row: Any) -> Knob:
    """A knob as it is written in JSON. Raises ValueError, which says what may be written, for what is none."""
    names = [f.name for f in fields(Knob)]
    if unknown := sorted({*row} - {*names}) if isinstance(row, dict) else ["JSON"]:
        raise ValueError(f"{', '.join(unknown)} ≠ {', '.join(names)}")
    if (fault := row.get("fault", "none")) not in {*Fault}:
        raise ValueError(f"fault {fault} ≠ {', '.join(Fault)}")
    knob = Knob(**{**row, "fault": Fault(fault)})
    if knob.times is not None and not (_is_number(knob.times, int) and knob.times >= 1):
        raise ValueError("times ≠ 1, 2, 3…")
    if not (_is_number(knob.seconds, int, float) and 0 <= knob.seconds <= LONGEST_S):
        raise ValueError(f"seconds ≠ 0…{LONGEST_S}")
    if not isinstance(knob.code, str) or not isinstance(knob.ma_ho_so, str | None):
        raise ValueError("code, ma_ho_so ≠ “…”")  # noqa: TRY004 - a knob is a value that somebody wrote
    return knob


def _is_number(value: object, *kinds: type) -> bool:
    """Whether it is a number of these kinds; Python counts true and false among the whole ones."""
    return isinstance(value, kinds) and not isinstance(value, bool)


def shown(knob: Knob) -> dict[str, Any]:
    """A knob with what matters to its fault."""
    matters = {"seconds": knob.fault is Fault.SLOW, "code": knob.fault is Fault.REFUSE}
    return {name: value for name, value in asdict(knob).items() if value is not None and matters.get(name, True)}


def parse_knob(text: str) -> Knob:
    """A knob as written on the command line: ``refuse``, ``slow:seconds=2``, ``5xx:times=3``. Raises ValueError."""
    fault, _, rest = text.partition(":")
    row: dict[str, Any] = {"fault": fault}
    for pair in filter(None, rest.split(",")):
        name, _, value = pair.partition("=")
        row[name] = int(value) if name == "times" else float(value) if name == "seconds" else value
    return knob_of(row)


def cut(request: web.Request) -> web.Response:
    """Break the connection; the answer that is returned for form's sake reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _problems(status: int, codes: list[str]) -> web.Response:
    return _json({"title": "Từ chối", "status": status, "problems": [{"code": code} for code in codes]}, status=status)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status, text=json.dumps(value, ensure_ascii=False), content_type="application/json", charset="utf-8"
    )


async def serve(agency: Agency, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Starts the server; gives the runner, to be cleaned up, and the port."""
    runner = web.AppRunner(agency.app(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, int(runner.addresses[0][1])


async def _run(arguments: argparse.Namespace) -> None:
    key = SigningKey.load(arguments.key, arguments.cert, private_mode=False)
    if arguments.folder is not None:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    agency = Agency(
        key, arguments.identifier, arguments.name, arguments.folder, [parse_knob(k) for k in arguments.fault]
    )
    runner, port = await serve(agency, arguments.host, arguments.port)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sys.stdout.write(json.dumps({"ready": f"http://{host_and_port(arguments.host, port)}"}) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """The agency as a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--cert", type=Path, required=True)
    parser.add_argument("--identifier", required=True)
    parser.add_argument("--name", default="Cơ quan thử nghiệm")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--fault", action="append", default=[])
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
