"""Trying the way to a party without sending a message: what every connector's settings have in common.

Addresses are looked at with GET, and with OPTIONS where GET finds nothing; files and folders are looked for; secrets are
read and not shown. What only one connector can try (a log-in, a WSDL, a question about a message that never was) is its
own ``probe``.
"""

from __future__ import annotations

import errno
import logging
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from connectors.base import Configured, Connector
from connectors.http import Http, Reply, wants_certificate
from connectors.outcomes import Answered, NotThere, Parcel, ProbeStep
from connectors.table import SECRET, Secret, connector_secret
from gateway.core.model import Delivery, DeliveryId, MaThongDiep, MessageId, PartyId
from gateway.core.parties import Party, Role
from gateway.core.problems import Problem, Stopped

log = logging.getLogger("lienthong.connectors.probing")

SOON = timedelta(days=30)


async def tried(party: Party, connector: Connector[Any], configured: Configured[Any], http: Http) -> list[ProbeStep]:
    """Everything on the way to a party: secrets, TLS, and what its connector tries. Nothing is raised."""
    steps = [*_secrets(configured)]
    if (step := _tls(http)) is not None:
        steps.append(step)
    try:
        own = connector.look(party, configured.settings, http)
        async for step in own if own is not None else places(configured.settings, http):
            steps.append(step)  # noqa: PERF401 - what was found before something is raised is kept
    except Answered as answered:
        steps.append(ProbeStep(place=connector.name, problems=(answered.problem,)))
    except Stopped as stop:
        steps.append(ProbeStep(place=connector.name, problems=stop.problems))
    except Exception as error:  # a bug in a connector, perhaps a foreign one: the other parties are tried all the same
        log.exception("connector %s failed while the way to %s was tried", connector.name, party.id)
        steps.append(ProbeStep(place=connector.name, problems=(Problem("SYS-004", {"error": type(error).__name__}),)))
    for url in dict.fromkeys(_servers(steps)):
        steps += [step async for step in _server(url, http)]
    return steps


def urls(settings: object) -> Iterator[str]:
    """The addresses among a connector's own settings."""
    for f in fields(settings):  # type: ignore[arg-type]  # connectors' settings are dataclasses
        value = getattr(settings, f.name)
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            yield value


async def places(settings: object, http: Http) -> AsyncIterator[ProbeStep]:
    """The addresses, files and folders among a connector's own settings."""
    for url in urls(settings):
        yield await address(url, http)
    for f in fields(settings):  # type: ignore[arg-type]  # as above
        value = getattr(settings, f.name)
        if isinstance(value, Path):
            yield there(value)


async def address(url: str, http: Http, *, headers: Mapping[str, str] = MappingProxyType({})) -> ProbeStep:
    """Look at an address: anything but a fault of the server, a wrong way or a no to our credentials is fine."""
    began = time.monotonic()
    try:
        reply = await http.get(url, headers=headers)
        if reply.status in {404, 410} and _takes(await http.options(url, headers=headers)):
            return ProbeStep(place=url, found=f"HTTP {reply.status}, OPTIONS", took_ms=_since(began))
    except Answered as answered:
        return ProbeStep(place=url, problems=(answered.problem,), took_ms=_since(began))
    return ProbeStep(place=url, found=f"HTTP {reply.status}", problems=(*wrong(reply),), took_ms=_since(began))


def _takes(reply: Reply) -> bool:
    """Whether something may be posted there: some frameworks answer GET with 404 where there is only a POST."""
    return reply.status // 100 == 2 and "POST" in reply.headers.get("Allow", "").upper()


def wrong(reply: Reply) -> Iterator[Problem]:
    """What a status says of the way, when it was only looked at."""
    status = reply.status
    facts = {"status": status}
    if wants_certificate(reply):
        yield Problem("DLV-002", {"why": "TLSV13_ALERT_CERTIFICATE_REQUIRED"})
    elif status in {401, 403, 407}:
        yield Problem("DLV-005", facts)
    elif status // 100 == 3:
        yield Problem("DLV-006", facts)
    elif status in {404, 410}:
        yield Problem("DLV-007", facts)
    elif status in {429, 503}:
        yield Problem("DLV-004", facts)
    elif status // 100 == 5 and status not in {501, 505}:
        yield Problem("DLV-042", facts)


def nobody() -> Party:
    """A party that never was: for a trial of what a profile says before there is a message."""
    return Party(id=PartyId("thu"), name="–", role=Role.ONE_STOP, identifiers=("H19",))


def nothing(party: Party) -> Parcel:
    """A parcel that never was: to ask about, and to see whether a request can be written. Never to be sent."""
    ma = str(uuid.uuid4())
    digest = "0" * 64
    delivery = Delivery(
        id=DeliveryId(f"thu-{ma}.{party.id}"),
        message=MessageId(f"thu-{ma}"),
        ma_thong_diep=MaThongDiep(ma),
        loai="HS01",
        party=party.id,
        lane=f"{party.identifiers[0]}-000101-0000",
        digest=digest,
    )
    return Parcel(delivery=delivery, body=b"<thu/>", party=party)


async def question(place: str, connector: Connector[Any], party: Party, settings: Any, http: Http) -> ProbeStep | None:
    """Ask about a message that never was; None where this party cannot be asked."""
    began = time.monotonic()
    try:
        said = await connector.ask(nothing(party), settings, http)
    except Answered as answered:
        problem = answered.problem
        if problem.code == "DLV-023":  # it said something, and not that it has none
            problem = Problem("DLV-043", {"said": problem.facts["what"]})
        return ProbeStep(place=place, problems=(problem,), took_ms=_since(began))
    if said is None:
        return None
    if isinstance(said, NotThere):
        return ProbeStep(place=place, found="NotThere", took_ms=_since(began))
    problem = Problem("DLV-043", {"said": said.reference or "Receipt"})
    return ProbeStep(place=place, found="Receipt", problems=(problem,), took_ms=_since(began))


def there(place: Path, *, writable: bool = False) -> ProbeStep:
    """A file or folder that must be there; ``writable``: files must be made and moved in it, which is tried."""
    try:
        is_folder = place.stat() and place.is_dir()
        if writable:
            if not is_folder:
                raise NotADirectoryError(errno.ENOTDIR, "not a folder")
            trial = place / f".lienthong-thu-{os.getpid()}.part"  # the other side takes no file that begins with a dot
            try:
                trial.write_bytes(b"")
            finally:
                with suppress(OSError):
                    trial.unlink()
        elif is_folder:
            next(place.iterdir(), None)
        else:
            with place.open("rb"):
                pass
    except OSError as error:
        why = errno.errorcode.get(error.errno or 0, type(error).__name__)
        return ProbeStep(place=str(place), problems=(Problem("DLV-008", {"why": why}),))
    return ProbeStep(place=str(place), found="folder" if is_folder else "file")


def _secrets(configured: Configured[Any]) -> Iterator[ProbeStep]:
    for where in dict.fromkeys([*_named(configured.common), *_named(configured.settings)]):
        try:
            connector_secret(where)
        except Stopped as stop:
            yield ProbeStep(place=where, problems=stop.problems)
        else:
            yield ProbeStep(place=where, found="secret")


def _named(settings: Any) -> Iterator[Secret]:
    """Where the secrets of these settings lie."""
    for f in fields(settings):
        value = getattr(settings, f.name)
        if is_dataclass(value):
            yield from _named(value)
        elif value is not None and f.metadata.get("pattern") == SECRET:
            yield value
        elif isinstance(value, Mapping):
            yield from (Secret(v) for v in value.values() if isinstance(v, str) and v.startswith(("file:", "env:")))


def _tls(http: Http) -> ProbeStep | None:
    """Whether our own side of TLS can be set up: the authorities' file, our certificate and its key."""
    common = http.common
    files = [str(file) for file in (common.ca, common.client_certificate, common.client_key) if file]
    if not files:
        return None
    try:
        http.own_tls()
    except Answered as answered:
        return ProbeStep(place=", ".join(files), problems=(answered.problem,))
    return ProbeStep(place=", ".join(files), found="TLS")


def _servers(steps: list[ProbeStep]) -> Iterator[str]:
    """The https addresses that answered."""
    for step in steps:
        if step.found is not None and step.place.startswith("https://"):
            scheme, _, rest = step.place.partition("://")
            yield f"{scheme}://{rest.partition('/')[0].partition('?')[0]}/"


async def _server(url: str, http: Http) -> AsyncIterator[ProbeStep]:
    peer = await http.peer(url)
    if peer is None:
        return
    left = peer.not_after - datetime.now(UTC)
    until = f"{peer.not_after:%d/%m/%Y}"
    host = url.split("/")[2]
    note = (Problem("DLV-045", {"host": host, "days": left.days, "until": until}),) if left < SOON else ()
    yield ProbeStep(place=url, found=f"{peer.version}, … {until}", problems=note)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
