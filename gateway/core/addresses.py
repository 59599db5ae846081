"""Addresses as they are written where a person or a program reads them."""

from __future__ import annotations

import ipaddress
import re

# "192.0.2.1:4711", "[2001:db8::1]:4711", "[2001:db8::1]": what proxies write when they name the port, too.
_PORT = re.compile(r"\A(?:(\d+\.\d+\.\d+\.\d+):\d{1,5}|\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?)\Z")


def host_and_port(host: str, port: int) -> str:
    """``host:port``; an IPv6 address in brackets, without which nobody can tell where it ends (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def ip_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address; IPv4 as itself where a socket of both kinds writes it as ``::ffff:192.0.2.1``. None: none is read."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def forwarded_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in one word of X-Forwarded-For, without the port that some proxies name, too. None: none is read."""
    return ip_of(_PORT.sub(r"\1\2", text.strip()))
