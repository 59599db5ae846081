"""TLS at the door: the server's certificate, and client certificates where roots for them are configured."""

from __future__ import annotations

import ssl

from gateway.core.problems import Problem, Stopped
from gateway.settings import CONFIG_NAME, Web


def server_context(web: Web) -> ssl.SSLContext | None:
    """The TLS settings of the door; None where TLS ends before it. Raises Stopped (SYS-020) for unusable files.

    A client certificate is asked for, not demanded: parties may use tokens. What it proves is decided by its SHA-256 in
    the registry; the roots only decide which certificates are looked at.
    """
    if web.tls_certificate is None or web.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    key, path = "web.tls_certificate", web.tls_certificate
    try:
        context.load_cert_chain(web.tls_certificate, web.tls_key)
        if web.client_ca is not None:
            key, path = "web.client_ca", web.client_ca
            context.load_verify_locations(web.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a registered leaf may stand in the file itself
    except (OSError, ssl.SSLError) as error:
        facts = {"path": str(path), "key": key, "file": CONFIG_NAME, "reason": error.strerror or "?"}
        raise Stopped(Problem("SYS-020", facts)) from error
    return context
