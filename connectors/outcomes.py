"""What a try at a party's system can come to: taken, refused, not reached, not known. And what goes out, and what is fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from gateway.core.model import Attempt, BodyForm, Delivery, DeliveryId, MaThongDiep
from gateway.core.parties import Party
from gateway.core.problems import Problem
from gateway.core.told import DossierLetters, Told, ToldNews

RECEIPT_BYTES = 64 * 1024  # what is kept of an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelFile:
    """A file that a message names, on this node's disk."""

    digest: str  # SHA-256, lower-case hex
    size: int
    media_type: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A delivery with its bytes, ready to go out. The bytes are the original's, never changed on the way."""

    delivery: Delivery
    body: bytes
    party: Party
    remarks: tuple[
        str, ...
    ] = ()  # codes of what the gateway remarked on, so that the receiver knows what was not proven
    files: tuple[ParcelFile, ...] = ()  # those that the message names; they are handed over before it
    # What went before, for connectors that remember:
    attempts: tuple[Attempt, ...] = ()  # earlier tries of this delivery, oldest first
    before: Attempt | None = None  # the last try that this party took of the same lane: what it knows of the dossier
    remembered: Mapping[str, Any] = field(default_factory=dict)  # what earlier tries asked to remember of this dossier
    # For connectors that tell of the dossier as it stands (``projects``):
    record: DossierLetters | None = None  # the dossier after this message; None where the message is no event of one
    told: Told | None = None  # what this party was told of it so far

    @property
    def id(self) -> DeliveryId:
        """The idempotency key of every try."""
        return self.delivery.id

    @property
    def ma_thong_diep(self) -> MaThongDiep:
        """The message's id."""
        return self.delivery.ma_thong_diep


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The party has it."""

    reference: str | None = None  # the party's own number for it, or what the connector must remember of its state
    body: bytes | None = None  # what it answered; the first 64 KiB are kept
    pending: bool = False  # it only took it in: its real answer comes later, as an HS02 of its own
    notes: tuple[Problem, ...] = ()  # what had to be cut or left out on the way into the party's form
    remember: Mapping[str, Any] = field(default_factory=dict)  # values of this party for this dossier, kept for later
    demanded: bool = (
        False  # the profile demands a BienNhan in the answer, so one that proves nothing is no clear answer
    )
    told: ToldNews | None = None  # what the party was told by this


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToTell:
    """The party's form has no word for this message, or it knows all of it already. Nothing left."""

    notes: tuple[Problem, ...] = ()
    told: ToldNews | None = None


@dataclass(frozen=True, slots=True)
class NotThere:
    """The party was asked and does not have it."""

    told: ToldNews | None = None  # what it says of the dossier instead


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One message that was fetched."""

    body: bytes  # its original bytes, or the first of them when there were too many
    total_bytes: int
    digest: str  # SHA-256 of all of them, lower-case hex
    media_type: str | None = None
    form: BodyForm = BodyForm.THONG_DIEP  # what the bytes are: a message, or a packet that becomes one

    @classmethod
    def of(cls, body: bytes, media_type: str | None = None, form: BodyForm = BodyForm.THONG_DIEP) -> Self:
        """A message that came whole."""
        digest = hashlib.sha256(body).hexdigest()
        return cls(body=body, total_bytes=len(body), digest=digest, media_type=media_type, form=form)


class Answered(Exception):
    """What came instead of a receipt. Always one of the three below."""

    def __init__(
        self,
        problem: Problem,
        *,
        answer: bytes | None = None,
        retry_after_s: float | None = None,
        reference: str | None = None,
        remember: Mapping[str, Any] = MappingProxyType({}),
        told: ToldNews | None = None,
    ) -> None:
        """``answer`` is what the party said, kept with the attempt; ``retry_after_s`` is its own wish, in seconds;
        ``reference`` is what the connector must remember of this try: the next one finds it in ``parcel.attempts``;
        ``remember`` are values that the party gave for this dossier before it came to this: ``parcel.remembered``;
        ``told`` is what it was told before it came to this.
        """
        super().__init__(problem)
        self.problem = problem
        self.answer = answer
        self.retry_after_s = retry_after_s
        self.reference = reference
        self.remember = remember
        self.told = told


class Refused(Answered):
    """The party's final no. The lane is held until a person has looked."""


class Unreachable(Answered):
    """Certainly not taken."""


class Uncertain(Answered):
    """It left, and nobody knows whether it arrived."""


def file_not_taken(answer: Answered, digest: str) -> Refused | Unreachable:
    """What becomes of a delivery whose file was not taken. The message has not left, so nothing about it is uncertain."""
    facts = {"digest": digest, "last": answer.problem.code}
    if isinstance(answer, Refused):
        return Refused(Problem("DLV-073", facts), answer=answer.answer)
    return Unreachable(Problem("DLV-072", facts), answer=answer.answer, retry_after_s=answer.retry_after_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStep:
    """One thing that was tried on the way to a party without sending a message, and what came of it."""

    place: str  # the address, file, folder or secret
    found: str | None = None  # what was met there: "HTTP 405", "GuiThongDiep"
    problems: tuple[Problem, ...] = ()
    took_ms: int = 0
