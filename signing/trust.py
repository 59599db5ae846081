"""Trust as one frozen view: who may sign what, under which tree, and what is known about each certificate's status.

Decided elsewhere and beforehand (gateway.services.certificate_status, signing.status); on the hot path it is a dictionary. A new
view replaces the old one as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from gateway.core.parties import Parties, Party, Role, SigningCertificate
from signing.certificates import Certificate, Unreadable, read_certificate
from signing.keyfiles import certificates_in


class StatusWord(StrEnum):
    """What is known about a certificate."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Evidence that is missing for one certificate of a chain: for want of this, its status is not known."""

    fingerprint: str
    subject: str  # an authority's or an agency's
    why: str  # "absent", "stale", "future", "unproven", "says-unknown", "anchor"
    sources: tuple[str, ...] = ()  # what was asked, and in brackets why nothing came; empty: no address is known
    since: datetime | None = None

    @property
    def code(self) -> str:
        """What it is as a problem of the operator's: nobody to ask, nothing came, or what came is no evidence."""
        if self.why != "absent":
            return "SYS-072"
        return "SYS-071" if self.sources else "SYS-070"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "fingerprint": self.fingerprint,
            "subject": self.subject,
            "why": self.why,
            "sources": list(self.sources),
            "since": None if self.since is None else self.since.isoformat(),
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`as_dict`."""
        return cls(
            fingerprint=row["fingerprint"],
            subject=row["subject"],
            why=row["why"],
            sources=tuple(row["sources"]),
            since=_time(row["since"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """One verdict on one certificate: path and revocation together, with what it rests on."""

    fingerprint: str  # SHA-256 of the DER, lower-case hex
    status: StatusWord
    as_of: datetime  # of the evidence: thisUpdate, producedAt
    until: datetime | None  # the evidence says nothing after this time; never None where it says good
    grace_until: datetime | None = None  # a setting: how long the last good answer still counts when no newer one comes
    reason: str = "ok"  # a word of REASONS in signing.verdict
    source: str = "none"  # "crl", "ocsp", "registration", "path"
    revoked_at: datetime | None = None
    evidence: tuple[str, ...] = ()  # SHA-256 of the stored CRLs and OCSP answers
    gaps: tuple[Gap, ...] = ()  # of an unknown one: what is missing
    lasts: timedelta | None = None  # how long evidence without nextUpdate counted; None: judged before that was settled
    #: What as_dict() gives, made once. All verdicts on messages share it, so nobody may change it.
    told: Mapping[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """It never changes, so neither does what is told of it."""
        object.__setattr__(self, "told", self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for the table certificate_status and the verdict."""
        return {
            "fingerprint": self.fingerprint,
            "status": self.status.value,
            "as_of": self.as_of.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "grace_until": None if self.grace_until is None else self.grace_until.isoformat(),
            "reason": self.reason,
            "source": self.source,
            "revoked_at": None if self.revoked_at is None else self.revoked_at.isoformat(),
            "evidence": list(self.evidence),
            "gaps": [gap.as_dict() for gap in self.gaps],
            "lasts_h": None if self.lasts is None else self.lasts / timedelta(hours=1),
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`as_dict`."""
        return cls(
            fingerprint=row["fingerprint"],
            status=StatusWord(row["status"]),
            as_of=datetime.fromisoformat(row["as_of"]),
            until=_time(row.get("until")),
            grace_until=_time(row.get("grace_until")),
            reason=row.get("reason", "ok"),
            source=row.get("source", "none"),
            revoked_at=_time(row.get("revoked_at")),
            evidence=tuple(row.get("evidence", ())),
            gaps=tuple(Gap.from_dict(gap) for gap in row.get("gaps", ())),
            lasts=None if (hours := row.get("lasts_h")) is None else timedelta(hours=hours),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustTree:
    """One tree of trust with the dates between which it may be used."""

    name: str
    anchors: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...] = ()
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    def in_force(self, at: datetime) -> bool:
        """Whether this tree may be used at this time."""
        return _between(self.valid_from, at, self.valid_to)


@dataclass(frozen=True, slots=True)
class CertificateStanding:
    """What is known about a registered certificate at one time."""

    status: StatusWord
    code: str | None  # the problem it makes, if any
    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    verdict: CertificateStatus | None = None


_REGISTERED = CertificateStanding(StatusWord.GOOD, None, "registered")


class TrustView:
    """The frozen view. Make it with :meth:`build`."""

    def __init__(
        self,
        *,
        certificates: Mapping[str, Certificate],
        trees: Mapping[str, TrustTree],
        verdicts: Mapping[str, CertificateStatus],
        own: frozenset[str],
        version: int = 0,
    ) -> None:
        """Use build(); this only keeps what it is given."""
        self.certificates = MappingProxyType(dict(certificates))
        self.trees = MappingProxyType(dict(trees))
        self.verdicts = MappingProxyType(dict(verdicts))
        self.own = own
        self.version = version

    @classmethod
    def build(
        cls,
        parties: Parties,
        trees: Iterable[TrustTree] = (),
        verdicts: Iterable[CertificateStatus] = (),
        own: Iterable[bytes] = (),
        flaws: dict[str, str] | None = None,
    ) -> Self:
        """The view for these parties.

        ``own`` are the gateway's certificates (DER), old ones included for as long as they count. Raises ValueError,
        naming the party, for a registered certificate that cannot be read or whose fingerprint is not its own; with
        ``flaws`` it is told there by party instead, and signs nothing: one party's flaw shuts out that party alone.
        """
        certificates: dict[str, Certificate] = {}
        ours: set[str] = set()
        for party in parties:
            for registration in party.certificates:
                try:
                    certificate = _registered(party, registration)
                except ValueError as error:
                    if flaws is None:
                        raise
                    flaws[party.id] = str(error)
                    continue
                certificates[certificate.fingerprint] = certificate
                if party.role is Role.GATEWAY:
                    ours.add(certificate.fingerprint)
        for der in own:
            certificate = read_certificate(der)
            certificates[certificate.fingerprint] = certificate
            ours.add(certificate.fingerprint)
        return cls(
            certificates=certificates,
            trees={tree.name: tree for tree in trees},
            verdicts={verdict.fingerprint: verdict for verdict in verdicts},
            own=frozenset(ours),
            version=parties.version,
        )

    def with_verdicts(self, verdicts: Iterable[CertificateStatus]) -> TrustView:
        """The same view with these verdicts in place of the old ones of the same certificates."""
        merged = {**self.verdicts, **{verdict.fingerprint: verdict for verdict in verdicts}}
        return TrustView(
            certificates=self.certificates, trees=self.trees, verdicts=merged, own=self.own, version=self.version
        )

    def revoked(self, fingerprint: str, at: datetime) -> bool:
        """Whether this certificate is known to be revoked at this time."""
        verdict = self.verdicts.get(fingerprint)
        return verdict is not None and verdict.revoked_at is not None and verdict.revoked_at <= at

    def standing(self, fingerprint: str, tree: str | None, at: datetime) -> CertificateStanding:
        """What is known at this time about a certificate registered under this tree.

        Without a tree the registration itself is the trust, and there is nothing to ask anybody. A good verdict
        counts until its evidence ends, then for the configured grace; after that it is unknown. A revocation counts
        from its own date on, so a message that came before it is not undone (Annex II 1.1 of Circular 15/2025).
        """
        if tree is None:
            return _REGISTERED
        grown = self.trees.get(tree)
        if grown is None:
            return CertificateStanding(StatusWord.UNKNOWN, "SIG-065", "no-tree", {"tree": tree})
        if not grown.in_force(at):
            return CertificateStanding(StatusWord.BAD, "SIG-061", "tree-not-in-force", {"tree": tree})
        verdict = self.verdicts.get(fingerprint)
        if verdict is None:
            return self._unknown(fingerprint, "not-checked-yet", None)
        if verdict.status is StatusWord.BAD:
            return _bad(verdict, tree, at)
        if verdict.status is StatusWord.GOOD:
            return _good(verdict, at) or self._unknown(fingerprint, "evidence-expired", verdict)
        return self._unknown(fingerprint, verdict.reason, verdict)

    def _unknown(self, fingerprint: str, reason: str, verdict: CertificateStatus | None) -> CertificateStanding:
        """Not known, and for want of what: of which certificates of the chain, from where, since when."""
        gaps = () if verdict is None else verdict.gaps
        until = None if verdict is None or verdict.until is None else verdict.until.isoformat(timespec="seconds")
        own = self.certificates.get(fingerprint)
        since = min((gap.since for gap in gaps if gap.since is not None), default=None)
        facts: dict[str, Any] = {
            "why": gaps[0].why if gaps else reason,
            "missing": [gap.subject for gap in gaps] or ([] if own is None else [own.subject]),
            "sources": list(dict.fromkeys(source for gap in gaps for source in gap.sources)) or None,
            "since": until if since is None else since.isoformat(timespec="seconds"),
            "until": until,
        }
        return CertificateStanding(StatusWord.UNKNOWN, "SIG-062", reason, facts, verdict)


def _bad(verdict: CertificateStatus, tree: str, at: datetime) -> CertificateStanding:
    if verdict.revoked_at is None:
        return CertificateStanding(StatusWord.BAD, "SIG-061", verdict.reason, {"tree": tree}, verdict)
    if verdict.revoked_at <= at:
        revoked = verdict.revoked_at.isoformat(timespec="seconds")
        return CertificateStanding(StatusWord.BAD, "SIG-060", "revoked", {"revoked_at": revoked}, verdict)
    return CertificateStanding(StatusWord.GOOD, None, "revoked-later", {}, verdict)


def _good(verdict: CertificateStatus, at: datetime) -> CertificateStanding | None:
    """While its evidence lasts, and for the grace after that; None when both are over."""
    if verdict.until is None:
        return None
    if at <= verdict.until:
        return CertificateStanding(StatusWord.GOOD, None, verdict.reason, {}, verdict)
    if verdict.grace_until is not None and at <= verdict.grace_until:
        until = verdict.until.isoformat(timespec="seconds")
        return CertificateStanding(StatusWord.GOOD, "SIG-064", "grace", {"until": until}, verdict)
    return None


def load_tree(
    name: str,
    *files: bytes,
    intermediates: bytes = b"",
    valid_from: datetime | None = None,
    valid_to: datetime | None = None,
) -> TrustTree:
    """A tree from the content of files in PEM, DER or PKCS#12.

    Self-issued certificates of ``files`` are its anchors; the others, and ``intermediates``, help to build paths. Raises
    ValueError when there is no anchor or a certificate cannot be read.
    """
    anchors: list[Certificate] = []
    between: list[Certificate] = []
    for file in (*files, *([intermediates] if intermediates.strip() else [])):
        for loaded in certificates_in(file):
            (anchors if loaded.subject == loaded.issuer else between).append(loaded)
    if not anchors:
        raise ValueError(f"tree {name}: no self-issued certificate among those given, so nothing to start from")
    return TrustTree(
        name=name,
        anchors=tuple(anchors),
        intermediates=tuple(between),
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _registered(party: Party, registration: SigningCertificate) -> Certificate:
    try:
        certificate = read_certificate(registration.der)
    except Unreadable as error:
        raise ValueError(f"party {party.id}: a registered signing certificate cannot be read ({error})") from error
    if hashlib.sha256(registration.der).hexdigest() != registration.fingerprint:
        raise ValueError(f"party {party.id}: fingerprint {registration.fingerprint} is not that of its certificate")
    return certificate


def _between(start: datetime | None, at: datetime, end: datetime | None) -> bool:
    return (start is None or start <= at) and (end is None or at <= end)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
