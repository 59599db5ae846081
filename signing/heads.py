"""Signed heads of the log: what the gateway says, under its signature, of where its chain stood at one time.

A head is a JWS in compact form (RFC 7515), so that whoever keeps one can check it with any tool that knows JWS: ES256,
ES384, ES512 or RS256 by the gateway's key, the certificate named by ``x5t#S256``. A chain that was rewritten from its
beginning, or cut at its end, no longer goes through the heads that others hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.core import chain
from gateway.core.problems import Problem, Stopped
from signing.certificates import Certificate
from signing.jws import Jws, JwsFlaw, sign_jws
from signing.sign import SigningKey

HEAD: Final = "log.head"  # what a line of the log says that holds one
TYPE: Final = "lienthong-log-head"
_LONGEST: Final = 8192
_MOST_WRONG: Final = 100
_REMEMBERED: Final = 65_536  # lines between a head and the line that holds it: as many as others wrote meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head whose signature holds."""

    number: int
    hash: str
    at: datetime
    gateway: str
    fingerprint: str  # of the certificate, SHA-256 of the DER, lower-case hex


def sign_head(head: chain.Head, key: SigningKey, *, gateway: str, at: datetime) -> str:
    """The head under the gateway's signature, as JWS in compact form."""
    payload = {
        "at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "gateway": gateway,
        "hash": head.hash,
        "number": head.number,
    }
    return sign_jws(payload, TYPE, key)


def read_head(jws: str, certificates: Iterable[Certificate]) -> SignedHead:
    """A head, by one of these certificates. Raises Stopped (SIG-134) saying what is wrong with it."""
    try:
        read = Jws.read(jws, TYPE, _LONGEST)
        found = SignedHead(
            number=read.payload["number"],
            hash=read.payload["hash"],
            at=datetime.fromisoformat(read.payload["at"]),
            gateway=read.payload["gateway"],
            fingerprint=read.fingerprint,
        )
        if type(found.number) is not int or found.at.tzinfo is None:
            raise ValueError("type")
    except (ValueError, KeyError, TypeError) as error:
        raise Stopped(Problem("SIG-134", {"number": "–", "reason": "unreadable"})) from error
    try:
        read.by(certificates, found.at)
    except JwsFlaw as flaw:
        raise Stopped(Problem("SIG-134", {"number": found.number, "reason": str(flaw)})) from flaw
    return found


class Heads:
    """Reads the signed heads that stand in a log, while somebody else walks through it."""

    def __init__(self, certificates: Iterable[Certificate]) -> None:
        """``certificates``: those by which the gateway may have signed."""
        self.certificates = tuple(certificates)
        self.seen = 0
        self.newest: SignedHead | None = None  # the last one that holds
        self.newest_text: str | None = None  # as it was signed
        self.wrong: list[tuple[int, str]] = []  # lines whose head does not hold, and why; the first of them
        self._hashes: dict[int, str] = {}

    def through(self, entries: Iterable[chain.LogEntry]) -> Iterator[chain.LogEntry]:
        """The same entries; what they say of heads is read on the way."""
        for entry in entries:
            self._hashes[entry.number] = entry.hash
            self._hashes.pop(entry.number - _REMEMBERED, None)
            if entry.what == HEAD:
                self.read(entry, self._hashes.get)
            yield entry

    def read(self, entry: chain.LogEntry, hash_of: Callable[[int], str | None]) -> None:
        """One line that holds a head; ``hash_of`` gives the hash of an earlier line of the same log."""
        self.seen += 1
        text = str(entry.facts.get("jws", ""))
        try:
            head = read_head(text, self.certificates)
        except Stopped as stop:
            reason = str(stop.problems[0].facts["reason"])
        else:
            stated = (entry.facts.get("number"), entry.facts.get("hash"))
            if (head.number, head.hash) == stated and hash_of(head.number) == head.hash:
                self.newest, self.newest_text = head, text
                return
            reason = "another-chain"
        if len(self.wrong) < _MOST_WRONG:
            self.wrong.append((entry.number, reason))
