"""What the store answers with, where the core has no type of its own for it. Frozen values.

Structs and no dataclasses: such a class is made in a tenth of the time, and every command makes all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct, field, structs

from gateway.core.model import (
    Basis,
    BodyForm,
    Channel,
    Delivery,
    DeliveryState,
    Fate,
    MaHoSo,
    MaThongDiep,
    MessageId,
    PartyId,
)
from gateway.core.problems import Problem


class Message(Struct, frozen=True, kw_only=True):
    """One message on record, and how it stands. The problems are in its verdicts, the bytes under its digest."""

    id: MessageId
    party: PartyId  # who brought it
    caller_by: str
    channel: Channel
    form: BodyForm
    own_key: str | None
    content_type: str | None
    digest: str
    total_bytes: int
    received_at: datetime
    recorded_at: datetime
    state: Fate
    verdicts: int  # the number of the verdict that counts
    judged_at: datetime
    ma_thong_diep: MaThongDiep | None  # as claimed, until it was accepted
    loai: str | None
    goc: str | None
    phien_ban: str | None
    ma_ho_so: MaHoSo | None
    basis: Basis | None
    receipt: str | None  # digest of the signed BienNhan
    composed: (
        str | None
    )  # digest of the ThongDiep that the gateway made from a typed submission; receivers get that one
    codes: tuple[str, ...]  # of the verdict that counts, in order
    xpath: str | None  # of its first problem, without positions


class PortalSession(Struct, frozen=True, kw_only=True):
    """A session at the door in the national portal's own form. Its token is known to its holder alone."""

    token_sha256: str
    party: PartyId
    account: str  # the user name
    credential: str  # SHA-256 of what the profile kept of the password when it was opened
    opened_at: datetime
    seen_at: datetime  # about when it was used last
    ends_at: datetime


class FiledBefore(Struct, frozen=True, kw_only=True):
    """What is on record of a dossier's filings."""

    first: MessageId  # the message that opened it, whoever sent that
    newest: tuple[MessageId, str] | None = None  # the last HS01 of the party that asks, and the digest of what it sent


class VerdictRecord(Struct, frozen=True, kw_only=True):
    """One judgement of a message. Never changed; a new judgement is a new one."""

    message: MessageId
    number: int
    state: Fate
    judged_at: datetime
    who: str  # "gateway", or "operator:<name>" for a replay
    problems: tuple[Problem, ...]
    facts: Mapping[str, Any]  # the signature's verdict
    evidence: tuple[str, ...]  # digests of the bodies it rests on
    signed_digest: str | None  # SHA-256 of the canonical bytes that the signature covers
    receipt: str | None


class Lane(Struct, frozen=True, kw_only=True):
    """The open deliveries of one dossier to one party: what stands first, and how many wait behind it."""

    party: PartyId
    lane: str
    open: int  # deliveries that are not final
    first: Delivery
    held: bool  # a person must look
    since: datetime  # when the first one was created


class Cause(Struct, frozen=True, kw_only=True):
    """Failures of one cause, counted."""

    code: str
    party: PartyId  # who sent it, or of deliveries: who was to get it
    xpath: str | None
    count: int
    first_at: datetime
    last_at: datetime
    example: str  # a message id, or of deliveries: a delivery id; the newest
    facts: Mapping[str, Any] = field(
        default_factory=dict
    )  # of the problem: the commonest value of each, among the newest

    def as_dict(self) -> dict[str, Any]:
        """JSON-able but for its times."""
        return structs.asdict(self)


class Queue(Struct, frozen=True, kw_only=True):
    """How the outbox to one party stands."""

    party: PartyId
    counts: Mapping[DeliveryState, int]  # states that are not final
    oldest_due: datetime | None  # of what waits to be sent
    latest_due: datetime | None = None  # likewise
    failures: int = 0  # tries in a row that the party did not answer
    failing_since: datetime | None = None


class InboxReader(Struct, frozen=True, kw_only=True):
    """How far a party that pulls has come with its inbox."""

    party: PartyId
    head: int
    confirmed: int  # it asked for what comes after this one
    confirmed_at: datetime | None
    generation: int = 1  # of the database: a greater one with each restore from a backup
    restored_at: datetime | None = None  # when the generation began
    came_over: bool = True  # it has asked since, with a position that it can have
    same_up_to: int = 0  # its inbox is the one that it knew before the restore up to this position


class PaymentLine(Struct, frozen=True, kw_only=True):
    """Money asked for or paid, as one message told it."""

    ma_ho_so: MaHoSo
    change: int
    kind: str  # "owes" or "pays"
    so_tien: Decimal  # VND
    da_thanh_toan: bool | None
    ref: str | None
    due_at: datetime | None
    at: datetime


class PartyVersion(Struct, frozen=True, kw_only=True):
    """One version of a party's profile."""

    id: PartyId
    version: int  # of the whole registry
    profile: str | None  # the text as it was given; None: the party was removed
    author: str
    reason: str
    applied_at: datetime


class Spoken(Struct, frozen=True, kw_only=True):
    """A version of a message type that a party sent and that was accepted: how often, and when last."""

    party: PartyId
    loai: str
    phien_ban: str
    count: int
    last: datetime


class CertificateRecord(Struct, frozen=True, kw_only=True):
    """What is known of a certificate, by whom it was vouched for, and until when that may be believed."""

    fingerprint: str  # SHA-256 of the DER, lower-case hex
    tree: str = ""  # the trust tree that was asked
    status: str  # "good", "bad", "unknown"
    as_of: datetime
    until: datetime | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()  # digests of the bodies it rests on


class CatalogueRow(Struct, frozen=True, kw_only=True):
    """One row of a code list."""

    danh_muc: str
    phien_ban: str
    ma: str
    muc: Mapping[str, Any]
    hieu_luc_tu: datetime | None = None
    hieu_luc_den: datetime | None = None
