"""MTOM packages to be sent (XOP 1.0, RFC 2387): an envelope that includes a file, and what is written round that file."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass

XOP = "http://www.w3.org/2004/08/xop/include"
_ROOT, _PART = "thong-diep@lienthong", "tep@lienthong"


@dataclass(frozen=True, slots=True, kw_only=True)
class MtomPackage:
    """What stands before a file and behind it, and the Content-Type of the whole."""

    before: bytes
    after: bytes
    content_type: str


def placeholder() -> bytes:
    """What stands for a file while an envelope is written: bytes that are nowhere else in it."""
    return secrets.token_bytes(24)


def packed(envelope: bytes, content_type: str, stand_in: bytes, media_type: str) -> MtomPackage:
    """The package of an envelope in which ``stand_in`` stands as base64. Raises ValueError unless it stands there once."""
    written = b">" + base64.b64encode(stand_in) + b"<"
    if envelope.count(written) != 1:
        raise ValueError("base64Binary")
    root = envelope.replace(written, f'><xop:Include xmlns:xop="{XOP}" href="cid:{_PART}"/><'.encode())
    kind, _, rest = content_type.partition(";")
    action = next((part.strip() for part in rest.split(";") if part.strip().startswith("action=")), "")
    mark = f"lienthong-{secrets.token_hex(16)}"
    head = (
        f'--{mark}\r\nContent-Type: application/xop+xml; charset=UTF-8; type="{kind}"\r\n'
        f"Content-Transfer-Encoding: binary\r\nContent-ID: <{_ROOT}>\r\n\r\n"
    )
    part = f"\r\n--{mark}\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{_PART}>\r\n\r\n"
    said = f'multipart/related; boundary="{mark}"; type="application/xop+xml"; start="<{_ROOT}>"; start-info="{kind}"'
    return MtomPackage(
        before=head.encode() + root + part.encode(),
        after=f"\r\n--{mark}--\r\n".encode(),
        content_type=f"{said}; {action}" if action else said,
    )
