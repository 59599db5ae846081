"""Who is at the door. Decided from the request's head alone: nobody's body is read before it is known whose it is."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import logging
import math
import re
import ssl
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp.hdrs import AUTHORIZATION, X_FORWARDED_FOR

from gateway.core.addresses import forwarded_ip, ip_of
from gateway.core.model import Caller
from gateway.core.parties import Parties, Party
from gateway.settings import DoorSettings
from gateway.web.rates import Rates
from gateway.web.refusals import Refusal, refuse

log = logging.getLogger("lienthong.web.auth")

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="lienthong", Basic realm="lienthong", charset="UTF-8"'}
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_TOKEN_CHARS = (16, 512)  # a shorter one could be guessed in a day at the rate of a door
_NOBODY = "0" * 64


class Headers(Protocol):
    """The part of a request's headers that is asked here."""

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class ProvenParty:
    """A registered, open party and how it proved itself."""

    party: Party
    caller: Caller


def of_an_operator(headers: Headers, digests: Iterable[str]) -> bool:
    """Whether the bearer token is one of these, of which the SHA-256 is known (lower case)."""
    scheme, _, given = (_authorization(headers) or "").partition(" ")
    found = _NOBODY
    if scheme.lower() == "bearer":
        token = given.strip()
        _check_token(token)
        found = _sha256(token)
    return sum(hmac.compare_digest(found, known) for known in digests) > 0  # all of them: constant time


class Doorkeeper:
    """Identifies callers by bearer token, HTTP Basic or client certificate; compares hashes only, in constant time."""

    def __init__(self, door: DoorSettings, rates: Rates, strangers_per_s: float = 50.0) -> None:
        """``strangers_per_s``: how often an address is told that nobody knows its caller, and a line of the log says so."""
        self._strangers_per_s = strangers_per_s
        self._door = door
        self._rates = rates
        self._proxies = tuple(ipaddress.ip_network(address, strict=False) for address in door.trusted_proxies)
        self._operators = tuple(digest.lower() for digest in door.operator_tokens_sha256)
        self._parties: Parties | None = None  # the registry as it was asked last
        self._tokens: dict[str, ProvenParty] = {}  # by the token's digest, whom it has proven in that registry

    def identify(self, headers: Headers, peer: str, tls: ssl.SSLObject | None, parties: Parties) -> ProvenParty:
        """The caller. Raises Refusal: 401 for nobody, 403 for a locked party, 429 for a guesser."""
        by_header = self._by_authorization(headers, peer, parties)
        by_certificate = None
        if tls is not None or self._door.client_certificate_header is not None:  # else nobody can have shown one
            by_certificate = self._by_certificate(headers, peer, tls, parties)
        if by_header is None and by_certificate is None:
            raise refuse("AUT-101", headers=_CHALLENGE)
        if by_header is not None and by_certificate is not None and by_header.party.id != by_certificate.party.id:
            raise refuse("AUT-104", headers=_CHALLENGE)
        return self.admit(by_header or by_certificate)

    def stranger(self, refusal: Refusal, peer: str) -> Refusal:
        """What a caller is told who could not prove who it is: the refusal, or 429 for an address that is told it too often.

        Whoever can prove it is never asked here, from whatever address: a party behind the same proxy goes on undisturbed.
        """
        per_s = self._strangers_per_s
        wait = self._rates.wait_s(f"stranger:{peer}", per_s, burst=10 * per_s)
        if wait <= 0:
            return refusal
        return refuse("SYS-128", headers={"Retry-After": str(math.ceil(wait))}, close=True, per_s=f"{per_s:g}")

    def _note(self, peer: str, **told: object) -> None:
        """A line of the log, unless this address is refused so often that it would fill it."""
        if self._rates.wait_s(f"stranger:{peer}", self._strangers_per_s, 10 * self._strangers_per_s, take=False) <= 0:
            log.info("refused", extra={**told, "peer": peer})

    def admit(self, identity: ProvenParty | None) -> ProvenParty:
        """The same identity, if its party is open and within its rate. Raises Refusal."""
        if identity is None:
            raise refuse("AUT-101", headers=_CHALLENGE)
        party = identity.party
        if not party.open:
            raise refuse("AUT-105", party=party.id)
        per_s = party.rate_per_s or self._door.rate_per_s
        if per_s:
            wait = self._rates.wait_s(f"party:{party.id}", per_s, burst=2 * per_s)
            if wait > 0:
                raise refuse("SYS-116", headers={"Retry-After": str(math.ceil(wait))}, rate_per_s=f"{per_s:g}")
        return identity

    def is_operator(self, headers: Headers) -> bool:
        """Whether the bearer token is one of the operators'."""
        return of_an_operator(headers, self._operators)

    def by_user(self, user: str, password: str, peer: str, parties: Parties, by: str) -> ProvenParty:
        """The party with this name and password. Raises Refusal."""
        guesses = f"guess:{peer}:{user}"
        wait = self._rates.wait_s(guesses, per_s=0.2, burst=10, take=False)
        if wait > 0:  # not even compared: a password can be guessed, unlike a token
            raise refuse("AUT-107", headers={"Retry-After": str(math.ceil(wait))})
        party = parties.by_basic_user(user)
        known = party.credentials.basic[user].lower() if party is not None else _NOBODY
        if hmac.compare_digest(_sha256(f"{user}:{password}"), known) and party is not None:
            return ProvenParty(party, Caller(party=party.id, by=by))
        self._rates.wait_s(guesses, per_s=0.2, burst=10)
        self._note(peer, reason="unknown name or password")
        raise refuse("AUT-102", headers=_CHALLENGE)

    def _by_authorization(self, headers: Headers, peer: str, parties: Parties) -> ProvenParty | None:
        value = _authorization(headers)
        if value is None:
            return None
        scheme, _, given = value.partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(given.strip(), peer, parties)
        user, password = _basic(value)
        return self.by_user(user, password, peer, parties, "basic")

    def _by_token(self, token: str, peer: str, parties: Parties) -> ProvenParty:
        if parties is not self._parties:
            self._parties, self._tokens = parties, {}
        digest = _sha256(token)
        proven = self._tokens.get(digest)
        if proven is None:
            _check_token(token)
            party = parties.by_token_sha256(digest)
            tokens = party.credentials.token_sha256 if party is not None else ()
            if party is None or not sum(hmac.compare_digest(digest, known.lower()) for known in tokens):
                self._note(peer, reason="unknown token", key_id=_key_id(token))
                raise refuse("AUT-102", headers=_CHALLENGE)
            proven = self._tokens[digest] = ProvenParty(party, Caller(party=party.id, by="token"))
        return proven

    def _by_certificate(
        self, headers: Headers, peer: str, tls: ssl.SSLObject | None, parties: Parties
    ) -> ProvenParty | None:
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        fingerprint = hashlib.sha256(der).hexdigest() if der else self._handed_on(headers, peer)
        if fingerprint is None:
            return None
        party = parties.by_client_certificate(fingerprint)
        if party is None:
            self._note(peer, reason="unknown client certificate", fingerprint=fingerprint)
            raise refuse("AUT-102", headers=_CHALLENGE)
        return ProvenParty(party, Caller(party=party.id, by="client-certificate"))

    def _handed_on(self, headers: Headers, peer: str) -> str | None:
        """The fingerprint of the certificate that a trusted proxy saw. From anyone else the header means nothing."""
        name = self._door.client_certificate_header
        if name is None or not self.is_proxy(peer):
            return None
        values = headers.getall(name, [])
        if not values or not values[0]:
            return None
        if len(values) > 1:
            raise refuse("SYS-108", header=name, close=True)
        fingerprint = _fingerprint(values[0])
        if fingerprint is None:
            raise refuse("SYS-109", header=name, expected="PEM (URL-encoded), DER (base64) | SHA-256 (hex)")
        return fingerprint

    def address(self, headers: Headers, peer: str) -> str:
        """Where the caller itself is: the connection's address, or what a trusted proxy says of it."""
        values = headers.getall(X_FORWARDED_FOR, ())
        if not values or not self.is_proxy(peer):
            return peer
        address = forwarded_ip(values[-1].rsplit(",", 1)[-1])  # the one our proxy added; those before it are claims
        return peer if address is None else str(address)

    def is_proxy(self, peer: str) -> bool:
        """Whether the connection comes from a proxy that is believed."""
        address = ip_of(peer)
        return address is not None and any(address in network for network in self._proxies)


def _authorization(headers: Headers) -> str | None:
    values = headers.getall(AUTHORIZATION, ())
    if len(values) > 1:
        raise refuse("SYS-108", header="Authorization", close=True)
    return values[0] if values else None


def _check_token(token: str) -> None:
    """Raises Refusal: AUT-103 where it is no token, AUT-109 where it is too short or long."""
    if not _TOKEN68.fullmatch(token):
        raise refuse("AUT-103", headers=_CHALLENGE)
    least, most = _TOKEN_CHARS
    if not least <= len(token) <= most:
        raise refuse("AUT-109", headers=_CHALLENGE, length=len(token), least=least, most=most)


def _basic(value: str) -> tuple[str, str]:
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        raise refuse("AUT-103", headers=_CHALLENGE)
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError) as error:
        raise refuse("AUT-103", headers=_CHALLENGE) from error
    if not colon or not user:
        raise refuse("AUT-103", headers=_CHALLENGE)
    return user, password


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()  # of whatever a header may hold


def _key_id(token: str) -> str | None:
    """The part of a token that is no secret: ``lt_<key id>_<secret>``."""
    pieces = token.split("_", 2)
    return pieces[1][:32] if len(pieces) == 3 and pieces[0] == "lt" else None


def _fingerprint(value: str) -> str | None:
    """The SHA-256 of a certificate handed on by a proxy, in one of the forms proxies write."""
    value = value.strip()
    bare = value.replace(":", "").lower()
    if re.fullmatch("[0-9a-f]{64}", bare):
        return bare
    text = urllib.parse.unquote(value)
    try:
        if "-----BEGIN CERTIFICATE-----" in text:
            der = ssl.PEM_cert_to_DER_cert(_relined(text))
        else:
            der = base64.b64decode(value.strip(":"), validate=True)  # RFC 9440 puts colons round it
    except (ValueError, binascii.Error):
        return None
    return hashlib.sha256(der).hexdigest() if der[:1] == b"\x30" else None


def _relined(pem: str) -> str:
    """PEM whose line breaks a proxy turned into blanks."""
    inner = pem.split("-----BEGIN CERTIFICATE-----", 1)[1].split("-----END CERTIFICATE-----", 1)[0]
    return "-----BEGIN CERTIFICATE-----\n" + "".join(inner.split()) + "\n-----END CERTIFICATE-----\n"


def challenge() -> Mapping[str, str]:
    """The header that every 401 carries."""
    return _CHALLENGE
