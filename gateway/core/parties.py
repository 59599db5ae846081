"""Registered parties and their profiles (a file of settings for each; docs/en/operate.md explains every key)."""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from gateway.core.allowed import PartyAllowance
from gateway.core.code_shapes import CodeShape
from gateway.core.model import PartyId
from gateway.core.severity import Severity
from gateway.core.soap_faults import SoapFaultStatus
from gateway.core.stored_files import UnscannedFiles
from gateway.core.written import setting

_K = TypeVar("_K")
_V = TypeVar("_V")

SHA256 = r"[0-9a-f]{64}"
READS_MESSAGES = frozenset({"rest", "soap", "folder"})  # connectors that hand our messages over as they are


class Role(StrEnum):
    """What a party is on the line."""

    PORTAL = "portal"
    ONE_STOP = "one-stop"
    OVERSIGHT = "oversight"  # reads, never sends
    GATEWAY = "gateway"  # ourselves


class Receives(StrEnum):
    """How a party gets what is addressed to it."""

    PUSH = "push"
    PULL = "pull"


class SignatureDemand(StrEnum):
    """Whether a message must be signed. The registry says so, never the message."""

    REQUIRED = "required"
    ACCEPTED = "accepted"  # checked when there, not demanded
    OFF = "off"  # not looked at; believed on the word of the channel


class WhenUnknown(StrEnum):
    """What to do while a certificate's status cannot be known."""

    HOLD = "hold"
    WARN = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How a party proves itself at the door. Only hashes are kept."""

    token_sha256: tuple[str, ...] = setting(
        (),
        pattern=SHA256,
        vi="SHA-256 của mã truy cập (Bearer); hai mã cùng lúc khi thay.",
        en="SHA-256 of the bearer token; two at once for roll-over.",
    )
    client_certificate_sha256: tuple[str, ...] = setting(
        (),
        pattern=SHA256,
        vi="SHA-256 (DER) của chứng thư máy khách.",
        en="SHA-256 of the client certificate (DER).",
    )
    basic: Mapping[str, str] = setting(
        {},
        vi="Tên người dùng = SHA-256 của “tên:mật khẩu”.",
        en="User name = SHA-256 of “user:password”.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateUse:
    """What a certificate is registered for, beside its own word."""

    tree: str | None = setting(
        None,
        vi="Cây tin cậy phải bảo đảm cho chứng thư; bỏ trống: việc đăng ký là đủ.",
        en="The trust tree that must vouch for it; empty: the registration is enough.",
    )
    valid_from: datetime | None = setting(None, vi="Được dùng từ thời điểm này.", en="In use from this moment.")
    valid_to: datetime | None = setting(None, vi="Được dùng tới thời điểm này.", en="In use until this moment.")
    purposes: frozenset[str] = setting(
        frozenset({"message"}),
        among=("message", "document", "seal"),
        vi="Dùng để ký: message (thông điệp), document (tài liệu PDF), seal (dấu cơ quan).",
        en="What it signs: message, document (PDF), seal.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningCertificate(CertificateUse):
    """A certificate registered for signing; two may be active at once for roll-over."""

    der: bytes
    fingerprint: str  # SHA-256 of the DER, lower-case hex


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturePolicy:
    """What a party's signatures must be. A message type (HS17 = "accepted") may have a demand of its own."""

    default: SignatureDemand = setting(
        SignatureDemand.REQUIRED,
        vi="required: bắt buộc ký; accepted: có thì kiểm; off: không xét.",
        en="required: must be signed; accepted: checked when there; off: not looked at.",
    )
    by_type: Mapping[str, SignatureDemand] = setting(
        {}, vi="Riêng cho từng loại thông điệp.", en="For single message types."
    )
    status_unknown: WhenUnknown = setting(
        WhenUnknown.HOLD,
        vi="Khi chưa biết tình trạng chứng thư: hold (tạm giữ) hay warn (nhận, có cảnh báo).",
        en="While a certificate's status is unknown: hold, or warn (accept with a warning).",
    )
    algorithms: frozenset[str] = setting(
        frozenset(),
        vi="URI thuật toán được dùng; trống: cả hồ sơ ký.",
        en="Allowed method URIs; empty: the whole profile.",
    )
    algorithms_by_type: Mapping[str, tuple[str, ...]] = setting(
        {},
        vi='URI thuật toán riêng cho từng loại thông điệp: HS11 = ["…#ecdsa-sha256"].',
        en='Method URIs for single message types, instead of those: HS11 = ["…#ecdsa-sha256"].',
    )
    trees_by_type: Mapping[str, tuple[str, ...]] = setting(
        {},
        vi="Cây tin cậy phải bảo đảm cho chứng thư ký từng loại thông điệp.",
        en="The trust trees of which one must vouch for the signer of single message types.",
    )
    xades: bool = setting(False, vi="Bắt buộc XAdES.", en="Whether XAdES is demanded.")
    xades_types: frozenset[str] = setting(
        frozenset(),
        pattern=r"HS[0-9]{2}",
        vi="Chỉ các loại thông điệp này bắt buộc XAdES.",
        en="Message types for which XAdES is demanded, where it is not for all.",
    )
    timestamp: bool = setting(
        False, vi="Bắt buộc dấu thời gian RFC 3161.", en="Whether an RFC 3161 time-stamp is demanded."
    )
    timestamp_types: frozenset[str] = setting(
        frozenset(),
        pattern=r"HS[0-9]{2}",
        vi="Chỉ các loại thông điệp này bắt buộc dấu thời gian.",
        en="Message types for which a time-stamp is demanded, where it is not for all.",
    )
    signed_pdf: frozenset[str] = setting(
        frozenset(),
        pattern=r"HS[0-9]{2}",
        vi="Loại thông điệp phải kèm PDF đã ký số hợp lệ.",
        en="Message types that must carry a validly signed PDF.",
    )

    def demand(self, loai: str | None) -> SignatureDemand:
        """What is demanded of a message of this type."""
        return self.by_type.get(loai or "", self.default)

    def methods(self, loai: str | None) -> frozenset[str]:
        """The signature methods a message of this type may be signed by; empty: all of the profile."""
        return frozenset(self.algorithms_by_type.get(loai or "", self.algorithms))

    def demands_xades(self, loai: str | None) -> bool:
        """Whether a message of this type must be signed as XAdES."""
        return self.xades or loai in self.xades_types

    def demands_timestamp(self, loai: str | None) -> bool:
        """Whether a message of this type must bear a time-stamp."""
        return self.timestamp or loai in self.timestamp_types


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to be patient with a party."""

    longest_s: int = setting(
        3600,
        at_least=1,
        at_most=86_400,
        vi="Khoảng chờ dài nhất giữa hai lần gửi, giây.",
        en="The longest wait between two tries, seconds.",
    )
    give_up_after_h: float = setting(
        168.0,
        at_least=0.001,
        at_most=8760,
        vi="Số giờ sau lần gửi đầu mà trục ngừng gửi lại và báo người vận hành.",
        en="This many hours after the first try a person is called.",
    )

    def __post_init__(self) -> None:
        """Raises ValueError for waits that cannot be meant."""
        if self.longest_s <= 0 or self.give_up_after_h <= 0:
            raise ValueError(f"waits are longer than nothing: {self}")

    @property
    def patience(self) -> timedelta:
        """How long after the first try the last one is made."""
        return timedelta(hours=self.give_up_after_h)


class AfterFailure(StrEnum):
    """What a refused or dead delivery does to its lane."""

    HOLD = "hold"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePolicy:
    """Order per dossier."""

    after_failure: AfterFailure = setting(
        AfterFailure.HOLD,
        vi="Khi một lượt gửi bị từ chối: hold (tạm giữ các lượt sau của hồ sơ đó) hay continue.",
        en="After a refused delivery: hold the later ones of that dossier, or continue.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeMeaning:
    """What a party's codes mean where that differs. Bears the names of the fields that it speaks of."""

    Trang8LaTamDung: bool | None = setting(
        None,
        vi="Trạng thái 8 của bên này là tạm dừng (true) hay chấm dứt (false); phải khai, không suy đoán.",
        en="Whether this party's state 8 is a pause (true) or an end (false); declared, never inferred.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalForm:
    """Whether a party may use the door in the national portal's own form, and how that answers it (docs/en/integrate.md)."""

    allowed: bool = setting(
        False,
        vi="Được dùng giao diện /dvcqg: đăng nhập bằng tài khoản ở credentials.basic, gửi các dòng không ký.",
        en="Whether it may use the door /dvcqg: it logs in with an account of credentials.basic and sends unsigned rows.",
    )
    success: str = setting(
        "00",
        among=("00", "0"),
        vi="error_code khi thành công, theo giá trị máy khách của bên này so sánh: 00 hoặc 0.",
        en="error_code of success, as this party's client compares it: 00 or 0.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyFiles:
    """What is special about the files that a party brings."""

    quota_mb: int | None = setting(
        None,
        at_least=0,
        vi="Hạn mức tệp của bên này, MB; bỏ trống: theo files.quota_mb.",
        en="How many megabytes of files count as this party's at most; empty: as files.quota_mb says.",
    )
    unscanned: UnscannedFiles | None = setting(
        None,
        vi="Tệp chưa quét được: hold (tạm giữ thông điệp) hay accept (nhận kèm lưu ý); bỏ trống: theo files.unscanned.",
        en="A file that could not be scanned: hold (the message waits) or accept (with a remark); empty: as files.unscanned.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskOrders:
    """What persons at the desk ordered about a party, beside its file: applying files neither sets nor ends it."""

    paused: str | None = None  # why nothing is sent to it; it may go on sending
    locked: str | None = None  # why it may neither send nor be sent anything
    resumed_at: datetime | None = None  # when the last of them ended: waiting until then used up nobody's patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One registered party. A party's file is its whole configuration; what the desk ordered stands beside it."""

    id: PartyId
    name: str
    role: Role
    identifiers: tuple[str, ...]  # the first is what we write, the others are aliases
    receives: Receives = Receives.PULL
    enabled: bool = True  # False: locked, an explicit act with reason and author in the log
    disabled_reason: str | None = None
    credentials: Credentials = field(default_factory=Credentials)
    certificates: tuple[SigningCertificate, ...] = ()
    signature: SignaturePolicy = field(default_factory=SignaturePolicy)
    connector: str | None = None  # a name of the entry-point group lienthong.connectors
    connector_settings: Mapping[str, Any] = field(default_factory=dict)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    lane: LanePolicy = field(default_factory=LanePolicy)
    meaning: CodeMeaning = field(default_factory=CodeMeaning)
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # field -> theirs -> ours
    formats: Mapping[str, str] = field(default_factory=dict)  # field -> date form
    limits: Mapping[str, int] = field(default_factory=dict)  # field -> characters
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # HS05 -> ("1.0",) what it can read
    rules: Mapping[str, Severity] = field(
        default_factory=dict
    )  # rule, or HS01.rule -> how strict, for its messages alone
    plain_references: bool = False  # whether its messages may name files outside by http
    typed_submissions: bool = False  # whether it may send unsigned typed submissions
    portal_form: PortalForm = field(
        default_factory=PortalForm
    )  # whether at the door in the national portal's form, too
    soap_faults: SoapFaultStatus | None = None  # None: as the node says
    files: PartyFiles = field(default_factory=PartyFiles)
    rate_per_s: float | None = None  # at our door
    allowance: PartyAllowance = field(default_factory=PartyAllowance)
    may_send_to: tuple[str, ...] | None = None  # party ids; None: any
    privileges: frozenset[str] = frozenset()  # "recall-result", "step-back", "by-decree"
    contact: str | None = None  # a unit, not a person
    desk: DeskOrders = field(default_factory=DeskOrders)

    @property
    def open(self) -> bool:
        """Whether it may send and be sent to: neither its file nor the desk has locked it."""
        return self.enabled and self.desk.locked is None

    @property
    def called(self) -> bool:
        """Whether the gateway calls its system: it is open, and not paused."""
        return self.open and self.desk.paused is None


def identifier_key(identifier: str) -> str:
    """The key under which both spellings of an agency identifier meet.

    Old style ``000.00.06.H56`` (four groups, province last) and new style ``H56.06`` are different identifiers of law, and
    stay different; what is normalised is case and surrounding space. Aliases are declared in the profile.
    """
    return identifier.strip().upper()


def is_told(party: Party) -> bool:
    """Whether a party does not read our messages, and is told of dossiers as they stand."""
    return party.receives is Receives.PUSH and party.connector not in {None, *READS_MESSAGES}


class Parties:
    """The registry, as one frozen view that is replaced as a whole."""

    def __init__(
        self,
        parties: Iterable[Party],
        version: int = 0,
        *,
        same: Iterable[Collection[str]] = (),
        same_as_of: str = "",
        shapes: Iterable[CodeShape] = (),
    ) -> None:
        """Raises ValueError when two parties share an id, an identifier, a token or a signing certificate.

        ``same`` are sets of identifiers that mean one agency by the catalogue of agencies, ``shapes`` those of the dossier
        codes that some of them bear, ``same_as_of`` names its version and day. They add to what the profiles say, and never
        take an identifier from the party that is registered with it.
        """
        self.version = version
        self.same = tuple(same)
        self.shapes = tuple(shapes)
        self.same_as_of = same_as_of
        self._by_id: dict[PartyId, Party] = {}
        self._by_identifier: dict[str, Party] = {}
        self._by_token: dict[str, Party] = {}
        self._by_client_certificate: dict[str, Party] = {}
        self._by_basic: dict[str, Party] = {}
        self._by_fingerprint: dict[str, tuple[Party, SigningCertificate]] = {}
        for party in parties:
            _put(self._by_id, party.id, party, "id")
            for identifier in party.identifiers:
                _put(self._by_identifier, identifier_key(identifier), party, "identifier")
            for token in party.credentials.token_sha256:
                _put(self._by_token, token.lower(), party, "token")
            for fingerprint in party.credentials.client_certificate_sha256:
                _put(self._by_client_certificate, fingerprint.lower(), party, "client certificate")
            for user in party.credentials.basic:
                _put(self._by_basic, user, party, "user name")
            for certificate in party.certificates:
                _put(self._by_fingerprint, certificate.fingerprint, (party, certificate), "signing certificate")
        self._by_alias = _aliases(self._by_identifier, self.same)

    def __iter__(self) -> Iterator[Party]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, party: PartyId | str | None) -> Party | None:
        """The party of this id."""
        return self._by_id.get(PartyId(party)) if party else None

    def by_identifier(self, identifier: str) -> Party | None:
        """The party that bears this agency identifier, alias or not."""
        key = identifier_key(identifier)
        return self._by_identifier.get(key) or self._by_alias.get(key)

    def aliases(self, party: PartyId) -> tuple[str, ...]:
        """The identifiers that lead to a party by the catalogue of agencies alone, beside those of its profile."""
        return tuple(sorted(alias for alias, one in self._by_alias.items() if one.id == party))

    def by_token_sha256(self, digest: str) -> Party | None:
        """The party whose bearer token has this SHA-256."""
        return self._by_token.get(digest)

    def by_client_certificate(self, fingerprint: str) -> Party | None:
        """The party whose client certificate has this SHA-256."""
        return self._by_client_certificate.get(fingerprint)

    def by_basic_user(self, user: str) -> Party | None:
        """The party with this user name."""
        return self._by_basic.get(user)

    def by_signing_certificate(self, fingerprint: str) -> tuple[Party, SigningCertificate] | None:
        """The party and registration of a signing certificate."""
        return self._by_fingerprint.get(fingerprint)

    def agency_of(self, ma_ho_so: str) -> Party | None:
        """The party whose identifier is the agency part of a dossier code, or whose own shape of codes it has."""
        if "/" not in ma_ho_so:
            return self.by_identifier(agency_part(ma_ho_so) or "")
        owners = (self.by_identifier(shape.owner) for shape in self.shapes if shape.pattern.fullmatch(ma_ho_so))
        found = {owner.id: owner for owner in owners if owner is not None}
        return found.popitem()[1] if len(found) == 1 else None  # a shape of two is nobody's: it would be a guess


def _aliases(registered: Mapping[str, Party], same: Iterable[Collection[str]]) -> dict[str, Party]:
    """The identifiers that no party is registered with, by the one party that shares a set with them.

    A set with two registered parties, or an identifier in the sets of two, leads to nobody: it would be a guess.
    """
    found: dict[str, Party] = {}
    unclear: set[str] = set()
    for identifiers in same:
        keys = {identifier_key(one) for one in identifiers}
        bearers = {party.id: party for key in keys if (party := registered.get(key)) is not None}
        if len(bearers) != 1:
            continue
        (party,) = bearers.values()
        for key in keys - registered.keys():
            if found.setdefault(key, party).id != party.id:
                unclear.add(key)
    return {key: party for key, party in found.items() if key not in unclear}


_MA_HO_SO = re.compile(r"(.+)-([0-9]{6}|[0-9]{8})-([0-9]{4,7})")


def agency_part(ma_ho_so: str) -> str | None:
    """The agency identifier inside a dossier code, or None where the code has not that form."""
    match = _MA_HO_SO.fullmatch(ma_ho_so)
    return match.group(1) if match else None


def _put(table: dict[_K, _V], key: _K, value: _V, what: str) -> None:
    if key in table:
        raise ValueError(f"{what} {key} is registered twice")
    table[key] = value
