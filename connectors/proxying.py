"""The way out through a proxy: which addresses go through it, how it is greeted, and what it may get wrong.

A proxy stands for the world outside, not for the party behind it: whatever it says itself is never the party's word.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Final

import aiohttp
from yarl import URL

from connectors.outcomes import Uncertain, Unreachable
from connectors.table import Common, Secret, connector_secret
from gateway.core.problems import Problem

DIRECT: Final = "direct"  # in a party's profile: this party is called without a proxy, whatever the node's settings say
LOOK_S: Final = (
    2.0  # how long a name is looked up that a proxy will look up as well: many nodes behind one know no names
)
KNOWN_S: Final = 60.0  # how long what was found holds
_HEAD_BYTES: Final = 16 * 1024  # of what a proxy says before a tunnel stands


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressProxy:
    """A proxy, and who is called without it."""

    url: str  # http://host:port
    user: str | None = None
    password: Secret | None = None
    direct: tuple[str, ...] = ()
    loopback: bool = False  # whether this machine itself is called through it, too

    @property
    def place(self) -> str:
        """host:port, for a person to read."""
        return self.url.partition("://")[2].rstrip("/")

    def serves(self, host: str) -> bool:
        """Whether this host is called through the proxy."""
        name = host.rstrip(".").lower()
        if not self.loopback and (name == "localhost" or _is_loopback(name)):
            return False
        return not any(_is_named(rule, name) for rule in self.direct)

    def greeting(self) -> dict[str, str]:
        """The header by which we say who we are. Raises Stopped (DLV-055) where the password does not lie where it should."""
        if self.user is None:
            return {}
        password = "" if self.password is None else connector_secret(self.password)
        word = base64.b64encode(f"{self.user}:{password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {word}"}


def proxy_of(common: Common, node: EgressProxy | None, host: str) -> EgressProxy | None:
    """The proxy by which this host is called: the party's, or the node's; None where it is called directly."""
    if common.proxy == DIRECT:
        return None
    if common.proxy is not None:
        return EgressProxy(url=common.proxy, user=common.proxy_user, password=common.proxy_password, loopback=True)
    return node if node is not None and node.serves(host) else None


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _is_named(rule: str, name: str) -> bool:
    """Whether an exception names this host: a network, a name, or a domain that begins with a full stop."""
    try:
        network = ipaddress.ip_network(rule, strict=False)
    except ValueError:
        suffix = rule.rstrip(".").lower().removeprefix("*")
        return name.endswith(suffix) or name == suffix[1:] if suffix.startswith(".") else name == suffix
    try:
        return ipaddress.ip_address(name.partition("%")[0]) in network
    except ValueError:
        return False


# -- what a proxy gets wrong ---------------------------------------------------------------------------------------------


def refused_by_proxy(proxy: EgressProxy, status: int, answer: bytes | None = None) -> Unreachable:
    """A proxy that does not let us through: nothing has reached the party."""
    code = "DLV-014" if status == 407 else "DLV-013"
    return Unreachable(Problem(code, {"proxy": proxy.place, "status": status}), answer=answer)


def no_way_through(proxy: EgressProxy, error: Exception | str) -> Unreachable:
    """A proxy that is not there, is silent, or speaks no HTTP."""
    return Unreachable(Problem("DLV-012", {"proxy": proxy.place, "why": _why(error)}))


def _why(error: Exception | str) -> str:
    if isinstance(error, str):
        return error
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(error.__cause__, socket.gaierror):
        return "DNS"
    inner = getattr(error, "os_error", None) or error.__cause__ or error
    if isinstance(inner, socket.gaierror):
        return "DNS"
    number = getattr(inner, "errno", None)
    return errno.errorcode.get(number or 0, "HTTP")


def own_answer(proxy: EgressProxy, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """For what came through a proxy without a tunnel: raises what it said itself, in the place of the party.

    407 is a proxy's word alone (RFC 9110, 15.5.8); other answers of its own it marks (RFC 9209, or as Squid does).
    """
    marked = "X-Squid-Error" in headers or re.search(r";\s*error=", headers.get("Proxy-Status", "")) is not None
    if status == 407 or (marked and status in {400, 401, 403, 404, 405, 429, 503}):
        raise refused_by_proxy(proxy, status, body)
    if marked and status >= 400:  # it had begun to speak to the party
        raise Uncertain(Problem("DLV-021", {"stage": "answer"}), answer=body)


# -- addresses ------------------------------------------------------------------------------------------------------------


class Names:
    """What our own look at a name says before a proxy looks it up: a name of a private network does not go out either."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="names")
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a name as this machine knows it; none where it does not know it, or not soon."""
        until, found = self._known.get(host, (0.0, ()))
        if monotonic() < until:
            return found
        looking = asyncio.get_running_loop().run_in_executor(self._threads, _looked_up, host)
        try:
            found = await asyncio.wait_for(looking, LOOK_S)
        except TimeoutError:
            found = ()
        if len(self._known) > 1000:
            self._known.clear()
        self._known[host] = (monotonic() + KNOWN_S, found)
        return found

    def close(self) -> None:
        """Looks nothing up any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _looked_up(host: str) -> tuple[str, ...]:
    try:
        rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(row[4][0]) for row in rows))


# -- a tunnel -------------------------------------------------------------------------------------------------------------


class _Head(asyncio.Protocol):
    """What a proxy says before a tunnel stands."""

    def __init__(self) -> None:
        self._said = bytearray()
        self.whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._said += data
        if not self.whole.done() and (b"\r\n\r\n" in self._said or len(self._said) > _HEAD_BYTES):
            self.whole.set_result(bytes(self._said))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.whole.done():
            self.whole.set_exception(exc or ConnectionResetError(errno.ECONNRESET, "cut"))


async def tunnel(proxy: EgressProxy, target: URL, context: ssl.SSLContext) -> asyncio.Transport:
    """TLS with a host through the proxy, for looking at its certificate. Raises OSError, Stopped."""
    at, loop = URL(proxy.url), asyncio.get_running_loop()
    place = f"{target.raw_host}:{target.port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", *(f"{k}: {v}" for k, v in proxy.greeting().items())]
    transport, head = await loop.create_connection(_Head, at.host or "", at.port or 80)
    try:
        transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if re.match(rb"HTTP/1\.[01] 2\d\d ", await head.whole) is None:
            raise ConnectionError(errno.EPROTO, "no tunnel")
        made = await loop.start_tls(transport, asyncio.Protocol(), context, server_hostname=target.raw_host)
    except BaseException:
        transport.abort()
        raise
    if made is None:
        raise ConnectionResetError(errno.ECONNRESET, "cut")
    return made
