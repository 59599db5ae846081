"""What is known of certificates, and what ends when: read from the registry and the trust in force, without asking anybody.

Apart from services.certificate_status, which asks: who only looks (`alerts`, `top`) loads neither the network nor XML.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from gateway.core.model import PartyId
from gateway.core.parties import Parties, Role
from gateway.core.problems import Problem
from signing.trust import CertificateStanding, StatusWord, TrustView

# What is not known, and for want of what -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """A registered certificate whose status is not known, or only by its grace."""

    party: PartyId
    fingerprint: str
    tree: str
    standing: CertificateStanding

    def since(self, now: datetime) -> datetime:
        """Since when something is missing."""
        verdict = self.standing.verdict
        starts = () if verdict is None else (*(gap.since for gap in verdict.gaps), verdict.until)
        return min((start for start in starts if start is not None), default=now)

    def problems(self) -> list[Problem]:
        """What is missing for each certificate of its chain, from where, since when, and what to do."""
        verdict = self.standing.verdict
        facts = {"party": self.party, "fingerprint": self.fingerprint[:16] + "…", "tree": self.tree}
        if self.standing.code == "SIG-065":
            return [Problem("SIG-065", {"tree": self.tree})]
        if verdict is None:
            return [Problem("SYS-073", facts)]
        if not verdict.gaps:  # what was good has ended, and no round of asking has said more
            until = None if verdict.until is None else verdict.until.isoformat(timespec="seconds")
            return [Problem("SYS-074", {**facts, "until": until})]
        return [
            Problem(
                gap.code,
                {
                    **facts,
                    "subject": gap.subject,
                    "why": gap.why,
                    "sources": list(gap.sources),
                    "since": None if gap.since is None else gap.since.isoformat(timespec="seconds"),
                },
            )
            for gap in verdict.gaps
        ]


def unproven(trust: TrustView, parties: Parties, now: datetime) -> list[Unproven]:
    """The registered certificates of open parties whose messages are held, or will be when the grace ends."""
    found = []
    for party in parties:
        for registration in party.certificates:
            certificate = trust.certificates.get(registration.fingerprint)
            if registration.tree is None or not party.open or certificate is None or not certificate.within(now):
                continue  # one outside its dates signs nothing, whatever its status
            standing = trust.standing(registration.fingerprint, registration.tree, now)
            if standing.status is StatusWord.UNKNOWN or standing.code == "SIG-064":
                found.append(
                    Unproven(
                        party=party.id,
                        fingerprint=registration.fingerprint,
                        tree=registration.tree,
                        standing=standing,
                    )
                )
    return found


# What stops working, and when -----------------------------------------------------------------------------------------


class Ending(StrEnum):
    """What comes to an end."""

    CERTIFICATE = "certificate"  # a party's signing certificate
    REGISTRATION = "registration"  # its registration, before the certificate itself
    EVIDENCE = "evidence"  # what is known of its status
    ANCHOR = "anchor"  # a root of a tree
    INTERMEDIATE = "intermediate"  # an issuer under it
    TREE = "tree"  # the dates set for a tree
    OWN = "own"  # the gateway's own certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One thing that stops working at a known time."""

    at: datetime
    kind: Ending
    name: str  # fingerprint of a certificate, or the tree's name
    party: PartyId | None = None
    tree: str | None = None
    subject: str | None = None  # of the certificate; agencies, never persons' data of a dossier
    last: bool = False  # nothing else of this party, or of ours, stands in for it afterwards

    def days(self, now: datetime) -> int:
        """Whole days left; negative when it is over."""
        return (self.at - now).days


def forecast(trust: TrustView, parties: Parties, now: datetime, within: timedelta | None = None) -> list[End]:
    """What stops working on which day, the nearest first; what is over already too. ``within``: no further ahead."""
    ends = [*_tree_ends(trust), *_party_ends(trust, parties), *_own_ends(trust, parties)]
    limit = datetime.max.replace(tzinfo=UTC) if within is None else now + within
    return sorted((end for end in ends if end.at <= limit), key=lambda end: (end.at, end.kind, end.name))


def endangered(trust: TrustView, parties: Parties, now: datetime, within: timedelta) -> list[End]:
    """Of the forecast what a person must act on, since nothing that is known stands in for it, the nearest first.

    Evidence renews itself while its source answers. It counts once it has ended and only its grace carries it: then
    nobody has answered for long, and after the grace messages are held.
    """
    ends = forecast(trust, parties, now, within)
    return [end for end in ends if end.last and (end.kind is not Ending.EVIDENCE or _stale(trust, end, now))]


def _stale(trust: TrustView, end: End, now: datetime) -> bool:
    verdict = trust.verdicts.get(end.name)
    return verdict is None or verdict.until is None or verdict.until <= now


def _own_ends(trust: TrustView, parties: Parties) -> Iterator[End]:
    """The gateway's own certificates: the first of its registration signs now, the others once did."""
    signing = {
        party.certificates[0].fingerprint for party in parties if party.role is Role.GATEWAY and party.certificates
    }
    for fingerprint in sorted(trust.own):
        one = trust.certificates[fingerprint]
        last = fingerprint in signing
        yield End(at=one.not_after, kind=Ending.OWN, name=fingerprint, subject=one.subject, last=last)


def _tree_ends(trust: TrustView) -> Iterator[End]:
    for tree in trust.trees.values():
        if tree.valid_to is not None:
            yield End(at=tree.valid_to, kind=Ending.TREE, name=tree.name, tree=tree.name, last=True)
        for kind, certificates in ((Ending.ANCHOR, tree.anchors), (Ending.INTERMEDIATE, tree.intermediates)):
            for one in certificates:
                row: dict[str, Any] = {"name": one.fingerprint, "tree": tree.name, "subject": one.subject}
                newer = any(other.subject == one.subject and other.not_after > one.not_after for other in certificates)
                yield End(at=one.not_after, kind=kind, last=not newer, **row)
                verdict = trust.verdicts.get(one.fingerprint)  # of a time-stamping service
                if verdict is not None and verdict.until is not None:
                    yield End(at=verdict.grace_until or verdict.until, kind=Ending.EVIDENCE, last=not newer, **row)


def _party_ends(trust: TrustView, parties: Parties) -> Iterator[End]:
    for party in parties:
        lives = [
            (registration, one, min(one.not_after, registration.valid_to or one.not_after))
            for registration in party.certificates
            if (one := trust.certificates.get(registration.fingerprint)) is not None
            and one.fingerprint not in trust.own
        ]
        longest = max((until for _, _, until in lives), default=None)
        for registration, one, until in lives:
            kind = Ending.CERTIFICATE if until == one.not_after else Ending.REGISTRATION
            row: dict[str, Any] = {
                "name": one.fingerprint,
                "party": party.id,
                "tree": registration.tree,
                "subject": one.subject,
            }
            yield End(at=until, kind=kind, last=until == longest, **row)
            verdict = trust.verdicts.get(one.fingerprint)
            if registration.tree is not None and verdict is not None and verdict.until is not None:
                yield End(at=verdict.grace_until or verdict.until, kind=Ending.EVIDENCE, last=until == longest, **row)
