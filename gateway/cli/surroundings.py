"""What `doctor` says of the host: how much may be open at once, and the way out."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from gateway.cli.command import CommandRun
from gateway.core.problems import Problem, Stopped


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One thing that doctor looked at."""

    vi: str
    en: str
    problems: tuple[Problem, ...] = ()


def tried_finding(vi: str, en: str, act: Callable[[], Iterable[Problem] | None]) -> DoctorFinding:
    """What came of looking at it."""
    from gateway.store import StoreError

    try:
        return DoctorFinding(vi, en, tuple(act() or ()))
    except Stopped as stop:
        return DoctorFinding(vi, en, stop.problems)
    except StoreError as error:
        return DoctorFinding(vi, en, (Problem("SYS-048", {"reason": str(error)}),))


def host(call: CommandRun) -> Iterator[DoctorFinding]:
    """How many files this account may have open, and how many connections that leaves to a process of `serve`."""
    from gateway.web.descriptors import connections_at_most, raise_descriptors

    wanted, descriptors = call.settings.door.connections, raise_descriptors()
    most = connections_at_most(wanted, descriptors)
    facts = {"descriptors": descriptors, "most": most, "wanted": wanted}
    yield DoctorFinding(
        f"số tệp được mở cùng lúc: {descriptors}; số kết nối mỗi tiến trình: {most}",
        f"files open at once: {descriptors}; connections of each process: {most}",
        (Problem("SYS-077", facts),) if most < wanted else (),
    )


def proxies(call: CommandRun) -> Iterator[DoctorFinding]:
    """What goes through which proxy, whether its account can be read, and whether it is there."""
    from gateway.cli.parties import read_all, ways
    from gateway.wiring import egress_proxy

    through: dict[str, list[str]] = {}
    straight: list[str] = []
    url = call.settings.proxy.url
    node = "" if url is None else url.partition("://")[2]
    if node:
        through[node] = []
    with suppress(Stopped):  # profiles or a password that cannot be read: said above and below
        for party, _, place in ways(read_all(call.settings), call.settings):
            (straight if place is None else through.setdefault(place, [])).append(party.id)
    for place, parties in through.items():

        def look(place: str = place) -> Iterable[Problem]:
            own = egress_proxy(call.settings)
            if own is not None and own.place == place:
                own.greeting()
            return _away(place)

        named = ", ".join(dict.fromkeys(parties)) or "–"
        also = ("; CRL, OCSP, webhook", "; CRL, OCSP, webhooks") if place == node else ("", "")
        yield tried_finding(
            f"máy chủ ủy nhiệm {place}, các bên đi qua: {named}{also[0]}",
            f"proxy {place}, parties called through it: {named}{also[1]}",
            look,
        )
    if through and straight:
        named = ", ".join(dict.fromkeys(straight))
        yield DoctorFinding(f"gọi trực tiếp: {named}", f"called directly: {named}")
    if through:
        yield from _never_through(call)


def _never_through(call: CommandRun) -> Iterator[DoctorFinding]:
    """What no HTTP proxy carries: mail, and files to be scanned."""
    mail = [
        f"{channel.name} ({channel.host}:{channel.port})" for channel in call.settings.notify.channels if channel.host
    ]
    clamd = call.settings.files.clamd
    vi = ([f"thư điện tử (SMTP): {', '.join(mail)}"] if mail else []) + (
        [f"quét vi-rút (clamd): {clamd}"] if clamd else []
    )
    en = ([f"e-mail (SMTP): {', '.join(mail)}"] if mail else []) + (
        [f"virus scanner (clamd): {clamd}"] if clamd else []
    )
    if vi:
        yield DoctorFinding(
            f"không qua máy chủ ủy nhiệm, cần kết nối trực tiếp được: {'; '.join(vi)}",
            f"never through the proxy, must be reachable directly: {'; '.join(en)}",
        )


def _away(place: str) -> list[Problem]:
    at, _, port = place.rpartition(":")
    try:
        socket.create_connection((at.strip("[]"), int(port)), timeout=3).close()
    except TimeoutError:
        return [Problem("DLV-012", {"proxy": place, "why": "ETIMEDOUT"})]
    except OSError as error:
        why = "DNS" if isinstance(error, socket.gaierror) else errno.errorcode.get(error.errno or 0, "–")
        return [Problem("DLV-012", {"proxy": place, "why": why})]
    return []
