"""What travels over the counter, and what the gateway remembers of it. Frozen values; every datetime is aware and in UTC.

Most are dataclasses. A named tuple is made for less than half, but each look at a field of it costs more: so those are named
tuples that are made for every message, of many fields or several at a time, and are looked at seldom.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, NewType, Protocol, Self

from gateway.core.effects import Effect
from gateway.core.problems import Problem
from gateway.core.values import made_often

MaHoSo = NewType("MaHoSo", str)  # dossier code, H19.901-260115-0001
MaThongDiep = NewType("MaThongDiep", str)  # the sender's own message id, a UUID in lower case
MessageId = NewType("MessageId", str)  # ours: one for each arrival, known before anything is read
PartyId = NewType("PartyId", str)  # the name of a registered party, "so-xay-dung"
DeliveryId = NewType("DeliveryId", str)


class Channel(StrEnum):
    """The door a message came through."""

    REST = "rest"
    SOAP = "soap"
    FETCH = "fetch"  # we fetched it from a party that cannot push
    CLI = "cli"
    DVCQG = "dvcqg"  # the door in the national portal's own form


class BodyForm(StrEnum):
    """What the bytes are."""

    THONG_DIEP = "ThongDiep"  # a ThongDiep, signed or not
    CAP_NHAT_TIEN_DO_MC = "CapNhatTienDoHoSoMC"  # typed submission (QCVN 120)
    DONG_BO_MC = "DongBoHoSoMC"  # typed submission (QCVN 120)


class Basis(StrEnum):
    """On whose word a message is believed."""

    SIGNATURE = "signature"  # the sender's own signature over the whole envelope
    COMPOSED = "composed"  # composed and signed by the gateway on behalf of the authenticated caller
    CHANNEL = "channel"  # unsigned, believed because the caller authenticated and policy allows it


class Fate(StrEnum):
    """What the gateway made of a message."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is at the door: a registered party, and how it proved that."""

    party: PartyId
    by: str  # "token", "client-certificate", "basic", "username-token", "session", "operator"


@made_often(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The cover: what arrived, before anyone believes it."""

    id: MessageId
    body: bytes  # exactly what arrived, or its first bytes when it was over the limit
    digest: str  # SHA-256 of all that arrived, lower-case hex
    total_bytes: int  # how much arrived; more than len(body) when it was over the limit
    caller: Caller
    channel: Channel
    received_at: datetime
    form: BodyForm = BodyForm.THONG_DIEP
    own_key: str | None = None  # the caller's idempotency key of a typed submission
    content_type: str | None = None

    @classmethod
    def of(cls, body: bytes, **cover: Any) -> Self:
        """The envelope of a body that arrived whole."""
        return cls(body=body, digest=hashlib.sha256(body).hexdigest(), total_bytes=len(body), **cover)

    @property
    def cut(self) -> bool:
        """Whether the body went over the limit and was not kept whole."""
        return self.total_bytes > len(self.body)

    @staticmethod
    def anew_after(message: MessageId, digest: str) -> str:
        """The key of a typed submission that is said after another one of its dossier, whatever was said before that."""
        return f"{_ANEW}{message} {digest}"

    @property
    def anew(self) -> bool:
        """Whether these bytes are a word of their own, although the same were brought before: its newest word was another."""
        return self.own_key is not None and self.own_key.startswith(_ANEW)


_ANEW = "sau "  # with a blank, which no key of a caller's has


class Address(NamedTuple):
    """A system as the envelope names it (NoiGui, NoiNhan)."""

    ma_dinh_danh: str  # agency identifier as written
    ten_co_quan: str | None = None
    he_thong: str | None = None


@made_often(frozen=True, slots=True, kw_only=True)
class DinhKem:
    """One row of the attachment manifest; it lies in the signed part."""

    id: str
    ten: str
    loai: str  # media type as declared
    so_byte: int
    sha256: str  # lower-case hex
    duong_dan: str | None = None  # where to fetch it, when its content is not in the message


class Content(Protocol):
    """All that the core asks of a payload; each message type has its own class under schemas/messages."""

    @property
    def ma_ho_so(self) -> MaHoSo | None:
        """The dossier it is about; None for messages about none (catalogues, recalls…)."""

    @property
    def occurred_at(self) -> datetime | None:
        """When the thing it tells of happened in the sender's house."""

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What it does to the dossier, from the closed list of gateway.core.effects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signed, as far as the certificate says."""

    subject: str  # RFC 4514
    issuer: str
    serial: str  # hex
    fingerprint: str  # SHA-256 of the DER, lower-case hex
    algorithm: str  # signature method URI
    signed_at: datetime | None = None  # SigningTime of XAdES, a claim
    annex_i: bool = True  # conforms to Annex I of Circular 15/2025 (PKCS#1 v1.5 does not)


@made_often(frozen=True, slots=True, kw_only=True)
class ThongDiep:
    """The letter, read from verified bytes only."""

    ma_thong_diep: MaThongDiep
    loai: str  # HS01…HS21
    goc: str  # local name of the payload's root: NopHoSo, CapNhatTienDo, …
    phien_ban: str  # "1.0"
    noi_gui: Address
    noi_nhan: tuple[Address, ...]
    thoi_diem_tao: datetime
    content: Content
    basis: Basis
    ma_thong_diep_goc: MaThongDiep | None = None
    ma_tuong_quan: str | None = None
    ma_ho_so: MaHoSo | None = None  # the envelope's; equal to the content's where both are there
    thu_tu: int | None = None  # per dossier and sender, from 1
    thoi_han: datetime | None = None
    dinh_kem: tuple[DinhKem, ...] = ()
    signer: Signer | None = None
    notes: tuple[Problem, ...] = ()  # remarks of the rules beyond the schema; the letter is accepted with them
    _effects: tuple[Effect, ...] | None = field(init=False, default=None, repr=False, compare=False)

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What its content does to the dossier. Made of that once: who judges and enters a letter asks ten times."""
        made = self._effects
        if made is None:
            made = self.content.effects
            object.__setattr__(self, "_effects", made)
        return made


class Finding(NamedTuple):
    """All that can be said about one arrival without the database."""

    envelope: Envelope
    thong_diep: ThongDiep | None = None  # None when a station stopped it
    problems: tuple[Problem, ...] = ()
    ma_thong_diep: MaThongDiep | None = None  # as claimed, when at least that could be read
    loai: str | None = None  # as claimed
    ma_ho_so: MaHoSo | None = None  # as claimed
    verdict: Mapping[str, Any] = {}  # the signature's verdict, as facts
    signed_bytes: bytes | None = None  # what the signature covers, canonical; None when unsigned
    receipt: bytes | None = None  # the signed BienNhan for the outcome that judging leads to
    evidence: tuple[str, ...] = ()  # digests of bodies that the verdict rests on (CRL, OCSP)
    composed: str | None = None  # digest of the ThongDiep composed from a typed submission; receivers get that one
    copies: Mapping[PartyId, str] = {}  # receiver -> digest of other bytes it gets (an older version)
    bodies: Mapping[str, bytes] = {}  # further bodies to keep, by digest: composed bytes, copies, receipts
    authorised: object | None = None  # access.Authorised: sender and receivers, and by which view of the registry


@made_often(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The answer to a sender. Nobody holds one before the commit."""

    message: MessageId
    fate: Fate
    recorded_at: datetime
    digest: str
    ma_thong_diep: MaThongDiep | None = None
    problems: tuple[Problem, ...] = ()
    receipt: bytes | None = None  # signed BienNhan (HS02)
    repeated: bool = False  # the same bytes were recorded before; this is the first answer


@made_often(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who owns a (sender, MaThongDiep): the idempotency key."""

    sender: PartyId
    ma_thong_diep: MaThongDiep
    digest: str
    message: MessageId
    fate: Fate
    receipt: bytes | None
    recorded_at: datetime
    problems: tuple[Problem, ...] = ()


class Change(NamedTuple):
    """One event in the life of a dossier, exactly as its sender told it. What it led to is derived (lifecycle.trace)."""

    ma_ho_so: MaHoSo
    number: int  # in order of arrival at the gateway, per dossier, from 1
    message: MessageId
    ma_thong_diep: MaThongDiep
    loai: str
    goc: str
    sender: PartyId
    effects: tuple[Effect, ...]
    occurred_at: datetime  # ThoiDiemXuLy and its like
    thu_tu: int | None
    recorded_at: datetime


@made_often(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What is on record about one dossier: its parties, its history, and what follows from the history today."""

    ma_ho_so: MaHoSo
    ma_tthc: str | None
    portal: PartyId | None  # the party the citizen filed through
    agency: PartyId | None  # the party that handles it
    others: frozenset[PartyId] = frozenset()  # agencies it was transferred to (HS14)
    changes: tuple[Change, ...] = ()
    trang_thai: int | None = None  # 1..10, as derived from all changes
    trang_thai_goc: str | None = None  # as the sender of the last applied move called it
    opened_at: datetime | None = None
    ngay_tiep_nhan: datetime | None = None
    ngay_hen_tra: datetime | None = None
    ngay_ket_thuc: datetime | None = None
    released: int = (
        0  # changes up to this number belong to dossiers whose code was given back: they are not its history
    )

    @property
    def parties(self) -> frozenset[PartyId]:
        """Everyone who may speak about it and ask for it."""
        return self.others | {p for p in (self.portal, self.agency) if p is not None}


class DeliveryState(StrEnum):
    """Where a delivery stands; who moves it on is in docs/en/states.md."""

    QUEUED = "queued"
    SENDING = "sending"
    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    REFUSED = "refused"
    DEAD = "dead"
    SKIPPED = "skipped"
    NOTHING = "nothing"  # nothing to tell: the party's form has no word for it, or the party knows it all

    @property
    def is_final(self) -> bool:
        """Nothing moves it on."""
        return self in (DeliveryState.DELIVERED, DeliveryState.SKIPPED, DeliveryState.NOTHING)

    @property
    def holds_lane(self) -> bool:
        """A person must look before the lane goes on."""
        return self in (DeliveryState.REFUSED, DeliveryState.DEAD)


@made_often(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message owed to one party that is pushed to. Its id is the idempotency key of every try."""

    id: DeliveryId
    message: MessageId
    ma_thong_diep: MaThongDiep
    loai: str
    party: PartyId
    lane: str  # the dossier, or the message itself when it is about none; order is kept per (party, lane)
    digest: str  # of the bytes to send
    state: DeliveryState = DeliveryState.QUEUED
    tries: int = 0
    due_at: datetime | None = None
    created_at: datetime | None = None
    first_tried_at: datetime | None = None  # patience is counted from here
    lease_until: datetime | None = None
    lease: int = 0  # how often it was leased, over replays: a worker that slept through its lease holds an older number
    blocking: bool = True  # whether it holds its lane while it is not final (profile: lane.after_failure)
    ask_first: bool = False  # an earlier try had no clear answer: ask the receiver before sending again
    problem: Problem | None = None  # the last try's


class AttemptOutcome(StrEnum):
    """What one try came to."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"  # certainly not taken
    UNCERTAIN = "uncertain"  # sent, no clear answer
    NOT_THERE = "not_there"  # they were asked and do not have it
    NOTHING = "nothing"  # nothing to tell: nothing left


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a delivery, kept for ever beside it."""

    delivery: DeliveryId
    number: int
    kind: str  # "send" or "query"
    started_at: datetime
    ended_at: datetime
    outcome: AttemptOutcome
    reference: str | None = None  # the receiver's own number
    receipt: bytes | None = None  # what the receiver answered, at most 64 KiB
    problem: Problem | None = None


class InboxEntry(NamedTuple):
    """One place in a party's ordered, gap-free feed. Positions count 1, 2, 3, … and are given by the store."""

    party: PartyId
    message: MessageId
    ma_thong_diep: MaThongDiep
    loai: str
    goc: str
    sender: PartyId
    ma_ho_so: MaHoSo | None
    digest: str
    recorded_at: datetime
    position: int = 0
    trang_thai: int | None = None  # the dossier's state after this message, as we derive it
    trang_thai_goc: str | None = None  # the state this message itself states, as its sender calls it
    problems: tuple[Problem, ...] = ()  # remarks that the receiver should see
