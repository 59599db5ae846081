"""What commands say about other people's keys and certificates: read them, and tell what a signature leaves out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.command import CommandRun
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped

if TYPE_CHECKING:
    from signing.certificates import Certificate

STATUS_WORDS = {
    "passed": ("đạt", "passed"),
    "failed": ("không đạt", "failed"),
    "undetermined": ("chưa xác định", "undetermined"),
    "not-applicable": ("không áp dụng", "not applicable"),
}
OUTSIDE = {
    "signature": ("chính chữ ký", "the signature itself"),
    "key-info": (
        "chứng thư đi kèm, chỉ để tham khảo: bản được tin cậy là bản đã đăng ký",
        "a hint: the registered one counts",
    ),
    "unsigned": ("thuộc tính không ký, như dấu thời gian", "properties that are not signed, such as a time-stamp"),
}


def tell_outside(call: CommandRun, body: bytes) -> None:
    """What of a signed document its signature does not cover, on standard error."""
    from signing.evidence import outside

    for one in outside(body):
        vi, en = OUTSIDE[one.what]
        call.screen.note(
            f"Ngoài phần đã ký: {one.xpath} ({one.octets} byte): {vi}.",
            f"Outside the signed part: {one.xpath} ({one.octets} bytes): {en}.",
        )


def read_certificates(files: Iterable[Path]) -> list[Certificate]:
    """The certificate of each file, in any form. Raises Stopped (SYS-045, SYS-021)."""
    from signing.keyfiles import own_certificate

    found = []
    for file in files:
        try:
            found.append(own_certificate(file.read_bytes()))
        except OSError as error:
            raise Stopped(Problem("SYS-045", {"path": str(file), "reason": system_reason(error)})) from error
        except ValueError as error:
            facts = {"path": str(file), "key": "--cert", "file": "–", "reason": str(error)}
            raise Stopped(Problem("SYS-021", facts)) from error
    return found
