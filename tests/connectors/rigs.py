"""How the conformance suite meets each connector: a stand with a far side that can be broken.

A connector from elsewhere brings a rig of its own: a module named in CONFORMANCE_RIGS with a list RIGS.
"""

from __future__ import annotations

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cong_quoc_gia
import shapes
import soapish
import truc_van_ban
from false_agency import CUTS, Agency, Dialect, Fault, Lienthong, uuid
from parcels import BODY, parcel, party

from connectors.base import Connector
from connectors.http import Http, HttpLine
from connectors.outcomes import NotThere, Parcel, Receipt
from connectors.registry import installed

_connectors = cache(installed)  # looked for once
WIRE = frozenset(Fault) - {Fault.NONE}


class Stand(ABC):
    """One connector, ready to send to a far side."""

    def __init__(self, connector: Connector[Any], settings: dict[str, Any], line: HttpLine) -> None:
        self.connector = connector
        self.party = party(connector.name, **settings)
        self.configured = connector.configure(settings)
        self.line = line
        self.http: Http = line.http(self.configured.common)

    async def send(self, what: Parcel) -> Receipt:
        """Deliver once."""
        return await self.connector.deliver(what, self.configured.settings, self.http)

    async def ask(self, what: Parcel) -> Receipt | NotThere | None:
        """Ask about an earlier try."""
        return await self.connector.ask(what, self.configured.settings, self.http)

    @property
    @abstractmethod
    def effects(self) -> list[str]:
        """Ids of the messages that took effect on the far side, in order, repeats included."""

    @abstractmethod
    async def break_down(self, fault: Fault, times: int | None = None) -> None:
        """From now on the far side has this fault."""

    @abstractmethod
    async def switch_off(self) -> None:
        """From now on it is not there."""

    @abstractmethod
    async def switch_on(self) -> None:
        """It is back."""

    async def slow_down(self, seconds: float) -> None:
        """From now on it takes its time."""
        del seconds


@dataclass(frozen=True)
class Rig(ABC):
    """What the suite must know of a connector."""

    name: str
    faults: frozenset[Fault] = WIRE  # those that its far side can have
    body: Callable[[int], bytes] = lambda _: BODY  # bytes that the connector can carry, for message number n
    loai: str = "HS05"
    honours_ids: bool = True  # whether the far side knows a repeat by its id
    asks: bool = True  # whether its stand can be asked
    label: str = ""  # where a connector has several

    def parcel(self, number: int = 1, **fields: Any) -> Parcel:
        """Something to send."""
        return parcel(number, self.body(number), party(self.name), loai=self.loai, **fields)

    def __str__(self) -> str:
        return self.label or self.name

    @abstractmethod
    def open(self, folder: Path) -> Any:
        """A context with a Stand."""


class _HttpStand(Stand):
    def __init__(self, connector: Connector[Any], settings: dict[str, Any], line: HttpLine, agency: Agency) -> None:
        super().__init__(connector, settings, line)
        self.agency = agency

    @property
    def effects(self) -> list[str]:
        return self.agency.dialect.effects

    async def break_down(self, fault: Fault, times: int | None = None) -> None:
        self.agency.fault, self.agency.times = fault, times
        if fault in (Fault.SILENT, Fault.DEAF):  # no longer patient: what does not come is not worth waiting for
            self.http = self.line.http(replace(self.configured.common, timeout_s=0.4))

    async def switch_off(self) -> None:
        await self.agency.stop()

    async def switch_on(self) -> None:
        await self.agency.start()

    async def slow_down(self, seconds: float) -> None:
        self.agency.delay_s = seconds


@dataclass(frozen=True)
class HttpRig(Rig):
    """A connector that speaks HTTP: every fault of the wire can be played."""

    dialect: Callable[[], Dialect] = Lienthong
    settings: Callable[[str, Path], dict[str, Any]] = lambda url, _: {"url": url}  # from the agency's address, a folder

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncIterator[Stand]:
        """An agency on loopback."""
        async with Agency(self.dialect()) as agency, HttpLine() as line:
            common = {"private_addresses": True, "timeout_s": 60.0}
            settings = {**common, **self.settings(agency.url, folder)}
            yield _HttpStand(_connectors().named(self.name), settings, line, agency)


class _FolderStand(Stand):
    def __init__(self, connector: Connector[Any], settings: dict[str, Any], line: HttpLine, where: Path) -> None:
        super().__init__(connector, settings, line)
        self.where = where
        self.off = where.with_name("off")

    @property
    def effects(self) -> list[str]:
        here = self.where if self.where.exists() else self.off
        return [file.stem.rpartition("_")[2] for file in sorted(here.glob("*.xml"))]

    async def break_down(self, fault: Fault, times: int | None = None) -> None:
        assert fault is Fault.REFUSE
        (self.where / "20260115T083000.123456Z_00000000-0000-0000-0000-000000000001.xml").write_bytes(b"other")

    async def switch_off(self) -> None:
        self.where.rename(self.off)

    async def switch_on(self) -> None:
        self.off.rename(self.where)


@dataclass(frozen=True)
class FolderRig(Rig):
    """Files: there is no wire to cut."""

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncIterator[Stand]:
        """A folder."""
        where = folder / "out"
        where.mkdir()
        async with HttpLine() as line:
            yield _FolderStand(_connectors().named(self.name), {"path": str(where)}, line, where)


RIGS: list[Rig] = [
    HttpRig("rest", settings=lambda url, _: {"url": url, "query_url": url}),
    HttpRig(
        "soap",
        label="soap-ours",
        dialect=soapish.Ours,
        settings=soapish.ours,
        body=lambda number: BODY + f"<!--{uuid(number)}-->".encode(),
    ),
    HttpRig("soap", label="soap-mapped", dialect=soapish.Soapish, settings=soapish.settings),
    HttpRig(
        "qcvn120",
        dialect=cong_quoc_gia.CongQuocGia,
        settings=cong_quoc_gia.settings,
        body=cong_quoc_gia.nop_ho_so,
        loai="HS01",
    ),
    HttpRig(
        "edxml",
        dialect=truc_van_ban.TrucVanBan,
        settings=truc_van_ban.settings,
        body=cong_quoc_gia.tien_do,
        asks=False,
    ),
    *(
        HttpRig(
            "http",
            label=f"http-{shape}",
            dialect=dialect,
            settings=shapes.settings_of(shape),
            body=cong_quoc_gia.nop_ho_so,
            loai="HS01",
            asks=shape in shapes.ASKED,
            # Of the six steps the first only looks; cut, it is made again by itself, and leaves nothing to be unsure of.
            faults=WIRE - frozenset(CUTS) if shape == "mot-cua-igate" else WIRE,
        )
        for shape, dialect in shapes.SHAPES.items()
    ),
    FolderRig("folder", faults=frozenset({Fault.REFUSE})),
]
for module in filter(None, os.environ.get("CONFORMANCE_RIGS", "").split(",")):
    RIGS += importlib.import_module(module).RIGS
