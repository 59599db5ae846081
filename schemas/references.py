"""Addresses of files that lie elsewhere: what of them can be believed without following them."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
import urllib.parse

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of no bytes

#: Names that mean something at home only: RFC 6761, RFC 6762, RFC 8375, RFC 9476, and what networks use without asking anybody.
_AT_HOME = frozenset(
    {"localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "localdomain", "arpa", "invalid", "test",
     "onion", "alt"}
)  # fmt: skip
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(
    r"0x[0-9a-f]*|[0-9]+"
)  # a last label that every resolver of the WHATWG kind reads as an IPv4 address


def flaw(address: str) -> str | None:
    """Why this address is not believed, as a key of XSD-144's words; None for an address of a public host.

    The scheme is another rule's business. Nothing is asked of the network: a name that points inside is the reader's to refuse.
    """
    text = address.strip(" \t\r\n")
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs") for character in text):
        return "hidden"
    if "\\" in text:
        return "unreadable"
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "unreadable"
    if "@" in parts.netloc:
        return "user-info"
    if not host or port == 0:
        return "unreadable"
    return _host_flaw(host)


def _host_flaw(host: str) -> str | None:
    if ":" in host or "%" in host:
        return "address"
    try:
        name = host.removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return "unreadable"
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]) or _is_address(name):
        return "address"
    if not all(_LABEL.fullmatch(label) for label in labels) or len(name) > 253:
        return "unreadable"
    return "private" if len(labels) < 2 or labels[-1] in _AT_HOME else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def can_be(digest: str, size: int) -> bool:
    """Whether a file of this size may have this SHA-256: not one digit over and over, and the empty file's only for no bytes."""
    return len(set(digest)) > 1 and (digest == EMPTY) == (size == 0)
