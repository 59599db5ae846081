"""Certificate status, off the hot path: which certificates are due, what was fetched, and what follows.

The workers read the verdicts as one frozen view (signing.trust); here is where they come from. Fetching is
``connectors.pki``'s, judging ``signing.status``'s; this file knows when to ask, what to keep and what to write.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from connectors import receipts
from connectors.outcomes import Parcel
from connectors.pki import NotFetched, Pki, read_source_file
from gateway.core.limits import DocumentLimits
from gateway.core.model import Basis, Caller, Channel, Envelope, MessageId
from gateway.core.parties import Parties, SignatureDemand
from gateway.core.problems import Problem, ProblemOutcome, Stopped
from gateway.documents import Attested, Checked, Document, Kind, parse_bytes
from gateway.store import CertificateRecord as StoredStatus
from gateway.store import Store
from signing.certificates import Certificate
from signing.status import LASTS, answers_nonce, chain_of, end_entities, issuer_of, judge_status, revocation_addresses
from signing.trust import CertificateStatus, StatusWord, TrustTree, TrustView
from signing.verify import verify

log = logging.getLogger("lienthong.trust")

ASK_AGAIN_UNKNOWN: Final = timedelta(minutes=5)  # while a status is not known
ASK_AHEAD: Final = timedelta(hours=1)  # before evidence ends; and at half its life, whatever comes first
ASK_AT_LEAST: Final = timedelta(hours=24)  # evidence that is good for a year is looked at every day all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where news of one tree's certificates come from, beside the addresses that certificates name themselves."""

    tree: str
    crl_files: tuple[Path, ...] = ()
    crl_urls: tuple[str, ...] = ()
    ocsp_url: str | None = None  # asked instead of the address in the certificate
    follow_certificates: bool = True  # whether the addresses in certificates are asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What one round of asking came to."""

    judged: tuple[CertificateStatus, ...] = ()  # every verdict reached, written or not
    written: tuple[str, ...] = ()  # fingerprints whose verdict is now another
    failures: tuple[tuple[str, str], ...] = ()  # (address, reason)

    @property
    def unknown(self) -> tuple[CertificateStatus, ...]:
        """The verdicts that say nothing, for want of evidence."""
        return tuple(one for one in self.judged if one.status is StatusWord.UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Asked:
    certificate: Certificate
    tree: TrustTree


async def refresh(
    store: Store,
    trust: TrustView,
    parties: Parties,
    sources: Iterable[Sources],
    now: datetime,
    *,
    pki: Pki,
    grace: timedelta = timedelta(hours=24),
    lasts: timedelta = LASTS,
    force: bool = False,
) -> Refreshed:
    """Ask about every certificate that is due (all of them with ``force``), judge, and record what changed.

    While a source is down the last good answer stays, with its grace; it is never replaced by "unknown". Evidence that a
    verdict rests on is kept in the store under its digest, for as long as anybody may ask. Evidence that names no end
    counts ``lasts`` from when it was made.
    """
    kept = await asyncio.to_thread(_on_record, store)
    due = [
        asked
        for asked in _asked(trust, parties)
        # What was read from lists kept as files counts at once, and is not on record until it has been asked about here.
        if force
        or asked.certificate.fingerprint not in kept
        or is_due(trust.verdicts.get(asked.certificate.fingerprint), now)
    ]
    if not due:
        return Refreshed()
    known = {source.tree: source for source in sources}
    fetch = _Fetch(pki)
    judged: list[CertificateStatus] = []
    for asked in due:
        source = known.get(asked.tree.name, Sources(tree=asked.tree.name))
        crls, ocsps = await fetch.evidence(asked.certificate, asked.tree, source)
        verdict = await asyncio.to_thread(
            judge_status, asked.certificate, asked.tree, now, crls=crls, ocsps=ocsps, grace=grace, lasts=lasts
        )
        judged.append(_with_sources(verdict, trust.verdicts.get(verdict.fingerprint), fetch.asked, now))
    trees = {asked.certificate.fingerprint: asked.tree.name for asked in due}
    news = [one for one in judged if _says_more(one, trust.verdicts.get(one.fingerprint), now)]
    if news:
        await asyncio.to_thread(_record, store, news, trees, fetch.bodies, now)
    for url, reason in fetch.failures:
        log.warning("status source not usable: %s (%s)", url, reason)
    for one in news:
        log.info("certificate %s under %s is %s (%s)", one.fingerprint, trees[one.fingerprint], one.status, one.reason)
    return Refreshed(
        judged=tuple(judged),
        written=tuple(one.fingerprint for one in news),
        failures=tuple(fetch.failures),
    )


def _on_record(store: Store) -> frozenset[str]:
    """The certificates that a verdict is kept of, by fingerprint."""
    with store.read() as view:
        return frozenset(row.fingerprint for row in view.certificate_statuses())


def is_due(verdict: CertificateStatus | None, now: datetime) -> bool:
    """Whether a certificate should be asked about now."""
    if verdict is None:
        return True
    since = now - verdict.as_of
    if verdict.status is StatusWord.UNKNOWN:
        return since >= ASK_AGAIN_UNKNOWN
    if since >= ASK_AT_LEAST:
        return True
    if verdict.until is None:
        return verdict.status is StatusWord.GOOD  # recorded before every piece of evidence had an end
    left = verdict.until - now
    return left <= ASK_AHEAD or left <= since


def _asked(trust: TrustView, parties: Parties) -> Iterator[_Asked]:
    """Every certificate whose status matters: those registered under a tree, and the time-stamping services of the trees."""
    seen: set[str] = set()
    for party in parties:
        for registration in party.certificates:
            tree = trust.trees.get(registration.tree or "")
            certificate = trust.certificates.get(registration.fingerprint)
            if tree is not None and certificate is not None and registration.fingerprint not in seen:
                seen.add(registration.fingerprint)
                yield _Asked(certificate, tree)
    for tree in trust.trees.values():
        for certificate in end_entities(tree):
            if certificate.fingerprint not in seen:
                seen.add(certificate.fingerprint)
                yield _Asked(certificate, tree)


def _says_more(news: CertificateStatus, old: CertificateStatus | None, now: datetime) -> bool:
    if old is None:
        return True
    if news.status is StatusWord.UNKNOWN:
        # A good answer that still counts, or a bad one, is worth more than silence.
        counts = old.status is StatusWord.BAD or (
            old.status is StatusWord.GOOD and old.until is not None and now <= (old.grace_until or old.until)
        )
        return not counts and (old.status, old.reason, old.gaps) != (news.status, news.reason, news.gaps)
    return True


def _with_sources(
    news: CertificateStatus, old: CertificateStatus | None, asked: Mapping[str, Sequence[str]], now: datetime
) -> CertificateStatus:
    """The verdict with each gap's sources, and since when it is there: since the evidence before it ended, or since now."""
    before = {} if old is None else {gap.fingerprint: gap.since for gap in old.gaps}
    ended = old.until if old is not None and old.status is StatusWord.GOOD else None
    gaps = tuple(
        replace(
            gap,
            sources=tuple(asked.get(gap.fingerprint, ())),
            since=before.get(gap.fingerprint) or (ended if ended is not None and ended < now else now),
        )
        for gap in news.gaps
    )
    return replace(news, gaps=gaps)


class _Fetch:
    """One round of fetching: every address is asked once, whatever number of certificates names it."""

    def __init__(self, pki: Pki) -> None:
        self.pki = pki
        self.bodies: list[bytes] = []
        self.failures: list[tuple[str, str]] = []
        self.asked: dict[str, list[str]] = {}  # certificate -> what was asked about it, and why nothing came
        self._crls: dict[str, bytes | None] = {}
        self._reasons: dict[str, str] = {}

    async def evidence(
        self, certificate: Certificate, tree: TrustTree, source: Sources
    ) -> tuple[list[bytes], list[bytes]]:
        """All CRLs and OCSP answers that can be had for a certificate and those above it."""
        urls: list[str] = list(source.crl_urls)
        ocsps: list[bytes] = []
        crls = [body for path in source.crl_files if (body := self._file(path)) is not None]
        for one in chain_of(certificate, tree):
            lists, responders = revocation_addresses(one) if source.follow_certificates else ((), ())
            if source.ocsp_url and one is certificate:
                responders = (source.ocsp_url,)
            urls += [url for url in lists if url not in urls]
            issuer = issuer_of(one, tree)
            if issuer is not None:
                ocsps += [body for url in responders if (body := await self._ocsp(url, one, issuer)) is not None]
            self.asked[one.fingerprint] = [*map(str, source.crl_files), *source.crl_urls, *lists, *responders]
        crls += [body for url in urls if (body := await self._crl(url)) is not None]
        for one in chain_of(certificate, tree):
            self.asked[one.fingerprint] = [*map(self._with_reason, dict.fromkeys(self.asked[one.fingerprint]))]
        return crls, ocsps

    def _with_reason(self, url: str) -> str:
        return f"{url} ({self._reasons[url]})" if url in self._reasons else url

    async def _crl(self, url: str) -> bytes | None:
        if url not in self._crls:
            try:
                self._crls[url] = await self.pki.crl(url)
                self.bodies.append(self._crls[url] or b"")
            except NotFetched as error:
                self._crls[url] = None
                self._fail(url, error.reason)
        return self._crls[url]

    async def _ocsp(self, url: str, certificate: Certificate, issuer: Certificate) -> bytes | None:
        try:
            answer = await self.pki.ocsp(url, certificate.der, issuer.der)
        except NotFetched as error:
            self._fail(url, error.reason)
            return None
        if not answers_nonce(answer.body, answer.nonce):
            self._fail(url, "wrong-nonce")
            return None
        self.bodies.append(answer.body)
        return answer.body

    def _fail(self, url: str, reason: str) -> None:
        self.failures.append((url, reason))
        self._reasons[url] = reason

    def _file(self, path: Path) -> bytes | None:
        key = str(path)
        if key not in self._crls:
            try:
                self._crls[key] = read_source_file(path)
                self.bodies.append(self._crls[key] or b"")
            except NotFetched as error:
                self._crls[key] = None
                self._fail(key, error.reason)
        return self._crls[key]


def _record(
    store: Store, news: Sequence[CertificateStatus], trees: dict[str, str], bodies: Iterable[bytes], now: datetime
) -> None:
    wanted = {digest for one in news for digest in one.evidence}
    with store.begin() as tx:
        for body in bodies:
            if hashlib.sha256(body).hexdigest() in wanted:
                tx.keep(body)
        tx.put_statuses([stored(one, trees[one.fingerprint]) for one in news], now)


def stored(status: CertificateStatus, tree: str) -> StoredStatus:
    """A verdict as the store keeps it; ``gateway.wiring`` reads it back."""
    row: dict[str, Any] = status.as_dict()
    facts = {name: row[name] for name in ("grace_until", "reason", "source", "revoked_at", "gaps", "lasts_h")}
    return StoredStatus(
        fingerprint=status.fingerprint,
        tree=tree,
        status=status.status.value,
        as_of=status.as_of,
        until=status.until,
        facts=facts,
        evidence=status.evidence,
    )


# A receiver's receipt -----------------------------------------------------------------------------------------------


def doubt(
    answer: bytes, parcel: Parcel, trust: TrustView, parties: Parties, at: datetime, limits: DocumentLimits
) -> Problem | None:
    """Why the BienNhan in a receiver's answer proves nothing (DLV-029); None where it does, or where there is none.

    It is held to the party's own policy for HS02: by the same profile as any message, signed by a certificate registered
    for that party, about exactly these bytes. A bare 2xx, and an answer that is no BienNhan, claim nothing.
    """
    demand = parcel.party.signature.demand("HS02")
    if demand is SignatureDemand.OFF or not answer.strip():
        return None
    try:
        reason = _flaw(answer, parcel, trust, parties, at, demand, limits)
    except Exception as error:  # a stranger's bytes: whatever happens costs the receipt its worth, and nothing else
        log.exception("the receipt of delivery %s cannot be judged", parcel.id)
        reason = type(error).__name__
    return None if reason is None else Problem("DLV-029", {"reason": reason})


def _flaw(
    answer: bytes,
    parcel: Parcel,
    trust: TrustView,
    parties: Parties,
    at: datetime,
    demand: SignatureDemand,
    limits: DocumentLimits,
) -> str | None:
    unsigned = "SIG-002" if demand is SignatureDemand.REQUIRED else None  # of a receipt that nobody can have signed
    try:
        root = parse_bytes(answer, limits)
    except Stopped as stop:
        if b"BienNhan" in answer and answer.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
            return stop.problems[0].code
        return unsigned if receipts.says_in_json(answer) else None
    claimed = receipts.in_xml(root)
    if claimed is None:
        return None
    if receipts.is_bare(root):  # no envelope, so nothing that could be signed
        return unsigned
    envelope = Envelope.of(
        answer,
        id=MessageId(f"bien-nhan-{parcel.id}"),
        caller=Caller(party=parcel.party.id, by="connector"),
        channel=Channel.FETCH,
        received_at=at,
    )
    kind = Kind(loai="HS02", goc="BienNhan", phien_ban="")
    try:
        document = Document(envelope=envelope, body=answer, root=root, limits=limits)
        attested = verify(Checked(document=document, kind=kind), trust, parties, at)
    except Stopped as stop:
        return stop.problems[0].code
    return None if attested.basis is Basis.CHANNEL else _flaw_of_signed(attested, claimed, parcel, parties)


def _flaw_of_signed(
    attested: Attested, claimed: receipts.BienNhanFields, parcel: Parcel, parties: Parties
) -> str | None:
    signer = parties.by_signing_certificate(attested.signer.fingerprint) if attested.signer else None
    if signer is None or signer[0].id != parcel.party.id:
        return "SIG-050"
    if receipts.in_xml(attested.root) != claimed or (claimed.bam_noi_dung or "").lower() != parcel.delivery.digest:
        return "BamNoiDung"
    unknown = [problem.code for problem in attested.doubts if problem.outcome is ProblemOutcome.UNDETERMINED]
    return unknown[0] if unknown else None
