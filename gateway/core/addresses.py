"""Addresses as they are written where a person or a program reads them."""

from __future__ import annotations


def host_and_port(host: str, port: int) -> str:
    """``host:port``; an IPv6 address in brackets, without which nobody can tell where it ends (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
