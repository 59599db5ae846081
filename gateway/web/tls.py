"""TLS at the door: the server's certificate, and client certificates where roots for them are configured."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.settings import CONFIG_NAME, WebSettings


def server_context(web: WebSettings) -> ssl.SSLContext | None:
    """The TLS settings of the door; None where TLS ends before it. Raises Stopped (SYS-020) for unusable files.

    A client certificate is asked for, not demanded: parties may use tokens. What it proves is decided by its SHA-256 in
    the registry; the roots only decide which certificates are looked at.
    """
    if web.tls_certificate is None or web.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with _named("web.tls_key", web.tls_key):
        web.tls_key.read_bytes()
    with _named("web.tls_certificate", web.tls_certificate):
        web.tls_certificate.read_bytes()
        context.load_cert_chain(web.tls_certificate, web.tls_key)
    if web.client_ca is not None:
        with _named("web.client_ca", web.client_ca):
            web.client_ca.read_bytes()
            context.load_verify_locations(web.client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a registered leaf may stand in the file itself
    return context


@contextmanager
def _named(key: str, path: Path) -> Iterator[None]:
    """Raises Stopped (SYS-020) that names the setting and its file for whatever is wrong with it."""
    try:
        yield
    except OSError as error:  # SSLError is one
        said = (error.reason if isinstance(error, ssl.SSLError) else None) or system_reason(error)
        words = next((ours for theirs, ours in _REASONS.items() if theirs in said), said)
        raise Stopped(
            Problem("SYS-020", {"path": str(path), "key": key, "file": CONFIG_NAME, "reason": words})
        ) from error


_MISMATCH = "the key of web.tls_key is not that of this certificate"
_REASONS = {  # what OpenSSL says, in words
    "KEY_VALUES_MISMATCH": _MISMATCH,
    "KEY_TYPE_MISMATCH": _MISMATCH,
    "NO_CERTIFICATE_ASSIGNED": _MISMATCH,
    "PEM lib": "no certificate in PEM, or no key in PEM in web.tls_key",
    "NO_START_LINE": "no PEM",
    "NO_CERTIFICATE_OR_CRL_FOUND": "no certificate in PEM",
}
