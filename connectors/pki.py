"""Fetches what certification authorities publish: CRLs, OCSP answers, time-stamps. Bounded in time and size; decides nothing.

Whether an answer is fresh, is signed by the right one and is about the right certificate is ``signing.status``'s to say.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
from asn1crypto import core, ocsp, tsp, x509

from connectors.http import CHUNK, Forbidden, Pinned, bar_private, open_socket
from connectors.proxying import EgressProxy, Names
from gateway.core.os_words import system_reason
from gateway.core.problems import Stopped

CRL_BYTES: Final = 32 * 2**20
ANSWER_BYTES: Final = 256 * 1024  # an OCSP or time-stamp answer
NONCE_BYTES: Final = 16  # RFC 8954 allows 1 to 32, recommends 32; old responders want at most 16


class NotFetched(Exception):
    """Nothing usable came. ``reason`` is a word for the log: time-out, too-large, status-500, refused-address, connection,
    proxy (it is not there, or speaks no HTTP), proxy-407 (it does not let us through)."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OcspAnswer:
    """An OCSP response as it came, and the nonce that was asked with."""

    body: bytes
    nonce: bytes


class Pki:
    """A worker's way to certification authorities. Make it inside a running loop, close it at the end."""

    def __init__(
        self,
        *,
        timeout_s: float = 10.0,
        private_addresses: bool = False,
        agent: str = "lienthong",
        proxy: EgressProxy | None = None,
    ) -> None:
        """Every exchange is over after ``timeout_s``; ``private_addresses``: an authority may live on one.

        ``proxy`` is the node's way out; who is called without it stands there.
        """
        self._timeout_s = timeout_s
        self._private = private_addresses
        self._proxy = proxy
        self._names = Names()
        self._session = self._pool(private_addresses, agent)
        self._proxied = self._pool(True, agent)  # the proxy is our own neighbour

    def _pool(self, private: bool, agent: str) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            # The same look at every address as for parties: none that is nobody's host, private ones only by setting.
            connector=aiohttp.TCPConnector(
                limit=8, resolver=Pinned(private), socket_factory=lambda info: open_socket(info, private)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            headers={"User-Agent": agent, "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop every connection."""
        await self._session.close()
        await self._proxied.close()
        self._names.close()

    async def crl(self, url: str) -> bytes:
        """A revocation list. Raises NotFetched."""
        return await self._fetch("GET", url, CRL_BYTES)

    async def ocsp(self, url: str, certificate: bytes, issuer: bytes) -> OcspAnswer:
        """What a responder says now of a certificate (DER) of this issuer (DER). Raises NotFetched."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        request = _question(certificate, issuer, nonce)
        headers = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
        return OcspAnswer(body=await self._fetch("POST", url, ANSWER_BYTES, request, headers), nonce=nonce)

    async def timestamp(self, url: str, octets: bytes, algorithm: str = "sha256") -> bytes:
        """An RFC 3161 token over these octets, DER. Raises NotFetched; the token itself is not verified here."""
        nonce = secrets.randbits(63)
        request = tsp.TimeStampReq(
            {
                "version": "v1",
                "message_imprint": {
                    "hash_algorithm": {"algorithm": algorithm},
                    "hashed_message": hashlib.new(algorithm, octets).digest(),
                },
                "nonce": nonce,
                "cert_req": True,
            }
        )
        headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
        body = await self._fetch("POST", url, ANSWER_BYTES, request.dump(), headers)
        return _token(url, body, nonce)

    async def _fetch(
        self, method: str, url: str, most: int, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> bytes:
        if not url.lower().startswith(("http://", "https://")):
            raise NotFetched(url, "scheme")
        proxy = self._way(url)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask(method, url, most, body, headers, proxy)
        except TimeoutError as error:
            raise NotFetched(url, "time-out") from error
        except Forbidden as error:
            raise NotFetched(url, "refused-address") from error
        except aiohttp.ClientHttpProxyError as error:
            raise NotFetched(url, f"proxy-{error.status}") from error
        except (aiohttp.ClientError, OSError, ValueError, Stopped) as error:
            refused = isinstance(error.__cause__, Forbidden) or isinstance(getattr(error, "os_error", None), Forbidden)
            tls = isinstance(error, (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError))
            away = "connection" if proxy is None or tls else "proxy"
            raise NotFetched(url, "refused-address" if refused else away) from error

    def _way(self, url: str) -> EgressProxy | None:
        try:
            host = urlsplit(url).hostname or ""
        except ValueError:
            return None
        return self._proxy if self._proxy is not None and self._proxy.serves(host) else None

    async def _ask(
        self,
        method: str,
        url: str,
        most: int,
        body: bytes | None,
        headers: dict[str, str] | None,
        proxy: EgressProxy | None,
    ) -> bytes:
        session, greeting = self._session, {} if proxy is None else proxy.greeting()
        tunnel = url.lower().startswith("https:")
        if proxy is not None:
            await bar_private(self._names, urlsplit(url).hostname or "", self._private)
            session = self._proxied
        async with session.request(
            method,
            url,
            data=body,
            headers=headers if tunnel else {**(headers or {}), **greeting},
            allow_redirects=False,
            proxy=None if proxy is None else proxy.url,
            proxy_headers=greeting if tunnel and greeting else None,
        ) as reply:
            if reply.status == 407 and proxy is not None:  # a proxy's word alone
                raise NotFetched(url, "proxy-407")
            if reply.status != 200:
                raise NotFetched(url, f"status-{reply.status}")
            return await _read(reply, url, most)


def _question(certificate: bytes, issuer: bytes, nonce: bytes) -> bytes:
    """An OCSP request, DER. From the bytes of both, which an authority may have written in its own way."""
    own, above = x509.Certificate.load(certificate), x509.Certificate.load(issuer)
    # SHA-1 names the certificate here and protects nothing; responders know no other (RFC 6960, RFC 5019).
    named = {
        "hash_algorithm": {"algorithm": "sha1"},
        "issuer_name_hash": hashlib.sha1(own.issuer.dump()).digest(),  # noqa: S324
        "issuer_key_hash": hashlib.sha1(bytes(above.public_key["public_key"])).digest(),  # noqa: S324
        "serial_number": own.serial_number,
    }
    extension = {"extn_id": "nonce", "critical": False, "extn_value": core.OctetString(nonce)}
    asked = {"request_list": [{"req_cert": named}], "request_extensions": [extension]}
    request: bytes = ocsp.OCSPRequest({"tbs_request": asked}).dump()
    return request


def read_source_file(path: Path, most: int = CRL_BYTES) -> bytes:
    """A revocation list that somebody keeps as a file. Raises NotFetched."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise NotFetched(str(path), system_reason(error)) from error
    if len(data) > most:
        raise NotFetched(str(path), "too-large")
    return data


async def _read(reply: aiohttp.ClientResponse, url: str, most: int) -> bytes:
    if reply.content_length is not None and reply.content_length > most:
        raise NotFetched(url, "too-large")
    data = bytearray()
    async for chunk in reply.content.iter_chunked(CHUNK):
        data += chunk
        if len(data) > most:
            raise NotFetched(url, "too-large")
    if not data:
        raise NotFetched(url, "empty")
    return bytes(data)


def _token(url: str, body: bytes, nonce: int) -> bytes:
    try:
        reply: Any = tsp.TimeStampResp.load(body, strict=True)
        if reply["status"]["status"].native not in ("granted", "granted_with_mods"):
            raise NotFetched(url, "not-granted")
        token = reply["time_stamp_token"]
        answered = token["content"]["encap_content_info"]["content"].parsed["nonce"].native
        if answered is not None and answered != nonce:
            raise NotFetched(url, "wrong-nonce")
        dumped: bytes = token.dump()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotFetched(url, "unreadable") from error
    return dumped
