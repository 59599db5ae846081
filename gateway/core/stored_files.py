"""Files beside messages: how a message names one, and what is known of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.core.model import DinhKem, PartyId
from gateway.core.problems import Problem

#: How DuongDan names a file that was brought to the gateway beforehand: this, and its SHA-256 in lower-case hex.
FILE_SCHEME = "lienthong:sha256:"
BODY_CHANGED = (
    "body.changed"  # a line of the log: the bytes of a message on record are not those of its digest any more
)
FILE_CHANGED = "file.changed"  # a line of the log: bytes on the disk are not those of their digest any more
_DIGEST = re.compile(r"[0-9a-f]{64}")


class FileScan(StrEnum):
    """What the scanner said of a file."""

    OFF = "off"  # no scanner is set up
    CLEAN = "clean"
    INFECTED = "infected"
    UNKNOWN = "unknown"  # it could not tell


class UnscannedFiles(StrEnum):
    """What becomes of messages with a file of which the scanner could not tell."""

    HOLD = "hold"
    ACCEPT = "accept"  # with a remark


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file on record."""

    digest: str  # SHA-256, lower-case hex
    size: int
    media_type: str  # by its content
    macros: bool
    scan: FileScan
    finding: str | None
    kept: bool  # whether its bytes are there
    arrived_at: datetime
    archive: str | None = None  # the month in whose archive its bytes lie, where they do not lie in the folder of files

    def missing(self) -> Problem:
        """What is said where its bytes are not there as they came. An archive may only be away for a while."""
        if self.archive is None:
            return Problem("FIL-016", {"digest": self.digest})
        return Problem("SYS-205", {"archive": f"{self.archive}.tep", "reason": f"file {self.digest}"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedFile:
    """An upload that is not whole yet."""

    id: str
    party: PartyId
    size: int  # bytes that it will have
    digest: str | None  # as announced
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRules:
    """How messages that name files are judged."""

    wait: timedelta  # how long a message is held for its file
    unscanned: UnscannedFiles


def is_digest(text: str) -> bool:
    """Whether this is a SHA-256 in lower-case hex."""
    return _DIGEST.fullmatch(text) is not None


def named_file(row: DinhKem) -> str | None:
    """The digest by which a row of the manifest names a file at the gateway; None where it names none."""
    address = row.duong_dan or ""
    return address.removeprefix(FILE_SCHEME) if address.startswith(FILE_SCHEME) else None
