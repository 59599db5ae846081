"""TLS at the door: the server's certificate, and client certificates where roots for them are configured."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.settings import CONFIG_NAME, WebSettings, key_password
from signing.keyfiles import believe_in_tls, show_in_tls


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
    password = key_password(web.tls_password_file, web.tls_password_env, "web.tls_password_file", web.tls_key)
    with _named("web.tls_key", web.tls_key):
        web.tls_key.read_bytes()
    with _named("web.tls_certificate", web.tls_certificate):
        key = None if web.tls_key == web.tls_certificate else web.tls_key
        show_in_tls(context, web.tls_certificate, key, password)
    if web.client_ca is not None:
        with _named("web.client_ca", web.client_ca):
            believe_in_tls(context, web.client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a registered leaf may stand in the file itself
    return context


@contextmanager
def _named(key: str, path: Path) -> Iterator[None]:
    """Raises Stopped (SYS-020) that names the setting and its file for whatever is wrong with it."""
    try:
        yield
    except (OSError, ValueError) as error:  # SSLError is an OSError
        facts = {"path": str(path), "key": key, "file": CONFIG_NAME, "reason": system_reason(error)}
        raise Stopped(Problem("SYS-020", facts)) from error
