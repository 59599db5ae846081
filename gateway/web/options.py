"""What a node's settings say about the door. Every limit is in force from the first request; none can be switched off."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOptions:
    """Limits, patience and trust of the web door. Bytes and seconds; see docs/operate.md for when to change one."""

    body_bytes: int = 4 * 2**20  # the most of one request body that is kept; what is longer is refused and recorded cut
    header_bytes: int = 8190  # one request line or header field
    headers: int = 64  # header fields of one request
    connections: int = 2000  # open at once, per worker; the one that idles longest makes room
    header_s: float = 10.0  # from the first byte of a request to the end of its headers
    idle_s: float = 75.0  # a connection that says nothing; longer than the usual 60 s of a proxy in front
    body_grace_s: float = 20.0  # a body may take this long, and beyond it must keep body_bytes_per_s on average
    body_bytes_per_s: int = 8 * 1024
    exchange_s: float = 180.0  # the whole exchange, our answer included; longer than wait_s
    linger_s: float = 5.0  # how long the rest of a refused body is read away, so that the sender sees the answer
    wait_s: float = 60.0  # the longest long poll of an inbox
    page: int = 500  # entries of one inbox page at most
    queue: int = 512  # messages waiting for a tray, per worker; beyond it senders are asked to come again
    tray_documents: int = 64
    tray_ms: float = 10.0  # judging time of one turn
    big_bytes: int = 100_000  # documents above this are judged in threads, beside the trays
    rate_per_s: float | None = None  # requests per second and party, where its profile says nothing; None: no limit
    trusted_proxies: tuple[str, ...] = ()  # addresses or networks whose client_certificate_header is believed
    client_certificate_header: str | None = None  # URL-encoded PEM, base64 DER or hex SHA-256 of the DER
    operator_tokens_sha256: tuple[str, ...] = ()  # who may read /metrics and probe details on the public port
    read_threads: int = 4  # for reading the database without stopping the loop
    access_log: bool = True  # one structured line per request, without personal data
