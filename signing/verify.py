"""Station 4: whose document it is. Paper, policy, trust and a time go in, a verdict comes out.

No socket, no clock, no database.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from lxml import etree
from signxml.exceptions import InvalidDigest

from gateway.core.model import Basis, BodyForm, Signer
from gateway.core.parties import Parties, Party, SignatureDemand, SigningCertificate, WhenUnknown
from gateway.core.problems import Location, Problem, ProblemOutcome, Stopped
from gateway.documents import MOST_PROBLEMS, Attested, Checked, locate, parse_again, parse_canonical, xpath_of
from signing import known
from signing import verdict as v
from signing.certificates import Certificate, Unreadable, read_certificate
from signing.engine import Proven, canonical, prove
from signing.policy import (
    CLOCK_SKEW,
    Objection,
    annex_i,
    certificate_findings,
    key_findings,
    policy_findings,
    time_findings,
)
from signing.structure import ROOT, SIGNATURE, Signature, SignedClaim, Uncovered, read_signature, signatures, stray
from signing.trust import CertificateStanding, StatusWord, TrustView
from signing.uris import DIGESTS, PHONG_BI

log = logging.getLogger("lienthong.signing")


class SignatureRefused(Stopped):
    """A document whose signature is refused. Carries the verdict, which is for the record and not for strangers."""

    def __init__(self, verdict: dict[str, Any], *problems: Problem) -> None:
        super().__init__(*problems)
        self.verdict = verdict


def verify(checked: Checked, trust: TrustView, parties: Parties, at: datetime) -> Attested:
    """The document as it may be believed, judged as of ``at``.

    Raises Refused (a Stopped) with every problem found. A certificate whose status is not known is a doubt on the
    Attested. The caller must ask the schema of the returned root once more unless it is the ``same``: what was checked before
    is the tree that arrived.
    """
    quick = known.look(checked.document.root)
    if quick is None:
        return _SignatureJudge(checked, trust, parties, at).judge()
    try:
        return _SignatureJudge(checked, trust, parties, at, quick).judge()
    except Exception as error:  # noqa: BLE001 - quick yes, slow why: whatever it was, the long way says what is wrong, if anything is
        log.debug("the long way: message %s, %s", checked.document.envelope.id, type(error).__name__)
    # As it arrived: proving takes the Signature out of its tree.
    root = parse_again(checked.document.body, checked.document.limits)
    checked = replace(checked, document=replace(checked.document, root=root))
    return _SignatureJudge(checked, trust, parties, at).judge()


class _NotQuick(Exception):
    """The known shape has led to an objection, which only the long way may raise."""


class _SignatureJudge:
    def __init__(
        self, checked: Checked, trust: TrustView, parties: Parties, at: datetime, quick: known.Known | None = None
    ) -> None:
        self.quick = quick
        self.document = checked.document
        self.kind = checked.kind
        self.root = checked.document.root
        self.trust = trust
        self.parties = parties
        self.at = at
        self.composed = self.document.composed or self.document.envelope.form is not BodyForm.THONG_DIEP
        self.record = v.Judgement(Basis.COMPOSED if self.composed else Basis.SIGNATURE, at)

    def judge(self) -> Attested:
        party = self._sender()
        if not self.composed and (plain := self._without_signature(party)) is not None:
            return plain
        signature = self._shape()
        certificate, registration = self._certificate(signature, party)
        if (
            certificate.fingerprint in self.trust.own
        ):  # what is about something older than our key is of the key's first moment
            self.at = max(self.at, certificate.not_before)
        self._facts(signature, certificate)
        self._rules(signature, certificate, registration, party)
        standing = self.trust.standing(certificate.fingerprint, registration.tree if registration else None, self.at)
        if self.quick is not None:
            doubts = self._status(standing, signature, party)  # while the certificate has a place in the tree
            proven = self._prove_quickly(self.quick, certificate)
            root = parse_again(proven.envelope, self.document.limits)
        else:
            proven = self._prove(signature, certificate)
            root = self._read_again(proven, signature)
            doubts = (*self._stamps(signature, certificate, party), *self._status(standing, signature, party))
            known.learn(self.root, signature)
        return Attested(
            envelope=self.document.envelope,
            body=self.document.body,
            root=root,
            kind=self.kind,
            basis=Basis.COMPOSED if self.composed else Basis.SIGNATURE,
            signer=_signer(signature, certificate, conforms=not self.record.deviations),
            doubts=doubts,
            verdict=self.record.as_dict(),
            signed_bytes=proven.envelope,
            same=self.quick is not None,
            evidence=standing.verdict.evidence if standing.verdict is not None else (),
        )

    # the steps, in order ----------------------------------------------------------------------------------------------

    def _sender(self) -> Party:
        """The registered party that NoiGui names."""
        named = _sender_of(self.root)
        party = self.parties.by_identifier(named) if named is not None else None
        if party is None:
            self.record.mark(v.FAILED, "not-registered", "2.1")
            sender = self.root.find(_SENDER)
            place = None if sender is None else _place(sender)
            raise self._refuse(Problem("SIG-059", {"identifier": (named or "")[:40]}, place))
        return party

    def _without_signature(self, party: Party) -> Attested | None:
        """The document on the word of the channel, where the registry allows that.

        None when there is a signature to look at.
        """
        demand = party.signature.demand(self.kind.loai)
        present = self.quick is not None or bool(signatures(self.root))
        if demand is not SignatureDemand.OFF:
            if present:
                return None
            if problems := stray(self.root):
                self.record.mark(v.FAILED, "structure", "2.4")
                raise self._refuse(*problems)
            if demand is SignatureDemand.REQUIRED:
                self.record.mark(v.FAILED, "unsigned", "2.1", "2.2", "2.4")
                raise self._refuse(Problem("SIG-002", {"loai": self.kind.loai}, _place(self.root)))
        self.record.basis = Basis.CHANNEL
        self.record.nothing("not-demanded" if present else "unsigned")
        self.record.facts["signature_present"] = present
        return Attested(
            envelope=self.document.envelope,
            body=self.document.body,
            root=self.root,
            same=True,
            kind=self.kind,
            basis=Basis.CHANNEL,
            verdict=self.record.as_dict(),
        )

    def _shape(self) -> Signature:
        if self.quick is not None:
            return self.quick.signature
        try:
            return read_signature(self.root)
        except Stopped as stop:
            reason = "coverage" if any(isinstance(problem, Uncovered) for problem in stop.problems) else "structure"
            self.record.mark(v.FAILED, reason, "2.4")
            raise self._refuse(*stop.problems) from stop

    def _certificate(self, signature: Signature, party: Party) -> tuple[Certificate, SigningCertificate | None]:
        """The registered certificate this signature names; for what we composed ourselves, one of our own."""
        quick = self.quick
        fingerprint = quick.fingerprint if quick else hashlib.sha256(signature.certificate_der).hexdigest()
        if self.composed:
            if fingerprint not in self.trust.own:
                self.record.mark(v.FAILED, "not-registered", "2.1")
                raise self._refuse(Problem("SIG-092", {"fingerprint": fingerprint}, _place(signature.certificate_at)))
            self.record.mark(v.PASSED, "own-key", "1.4", "2.1")
            return self.trust.certificates[fingerprint], None
        registered = self.parties.by_signing_certificate(fingerprint)
        certificate = self.trust.certificates.get(fingerprint)
        if registered is None or certificate is None or registered[0].id != party.id:
            self.record.mark(v.FAILED, "not-registered", "2.1")
            try:
                read_certificate(signature.certificate_der)
            except Unreadable as error:
                raise self._refuse(Problem("SIG-044", {}, _place(signature.certificate_at))) from error
            # Another party's certificate and an unknown one get the same answer: who is registered is not told.
            facts = {"fingerprint": fingerprint, "sender": party.identifiers[0]}
            raise self._refuse(Problem("SIG-050", facts, _place(signature.certificate_at)))
        self.record.mark(v.PASSED, "registered-for-sender", "1.4", "2.1")
        return certificate, registered[1]

    def _rules(
        self, signature: Signature, certificate: Certificate, registration: SigningCertificate | None, party: Party
    ) -> None:
        """Everything that is decided before the mathematics."""
        self._mark_certificate(certificate)
        found = list(certificate_findings(signature, certificate, registration, self.at))
        found += key_findings(signature, certificate)
        found += time_findings(signature, certificate, self.at)
        if not self.composed:
            found += policy_findings(signature, registration, party.signature, self.kind.loai)
        if signature.properties is not None:
            found += _wrong_certificate_digest(signature)
        for one in found:
            reason, items = v.FAILS[one.flaw]
            self.record.mark(v.FAILED, reason, *items)
        if found:
            raise self._refuse(*(Problem(one.code, one.facts, _place(one.at)) for one in found))

    def _mark_certificate(self, certificate: Certificate) -> None:
        self.record.mark(v.PASSED, "by-receipt-time", "1.1", "2.3")
        self.record.mark(v.PASSED, "key-fits", "1.3")
        known = certificate.digital_signature is not None or certificate.uses is not None
        self.record.mark(v.PASSED if known else v.NOT_APPLICABLE, "usage-fits" if known else "usage-absent", "1.5")

    def _prove(self, signature: Signature, certificate: Certificate) -> Proven:
        try:
            proven = prove(self.document.body, signature, certificate.x509, self.at)
        except Exception as error:
            if isinstance(error, InvalidDigest):
                self.record.mark(v.PASSED, "ok", "2.2")
                self.record.mark(v.FAILED, "digest", "2.4")
            else:
                self.record.mark(v.FAILED, "mathematics", "2.2")
            self.record.facts["failure"] = type(error).__name__
            raise self._refuse(Problem("SIG-001", {}, _place(signature.at))) from error
        self.record.mark(v.PASSED, "ok", "2.2", "2.4")
        return proven

    def _prove_quickly(self, quick: known.Known, certificate: Certificate) -> Proven:
        proven = known.prove_known(self.root, quick, certificate)
        self.record.mark(v.PASSED, "ok", "2.2", "2.4")
        return proven

    def _read_again(self, proven: Proven, signature: Signature) -> etree._Element:
        """The tree of the bytes that were signed. They must be the envelope that was checked.

        The rest of the program sees only these.
        """
        try:
            root = parse_canonical(proven.envelope, self.document.limits)
            same = root.tag == ROOT and _letter(root) == _letter(self.root) and not signatures(root)
            if signature.properties is not None:
                read = None if proven.properties is None else parse_canonical(proven.properties, self.document.limits)
                same = same and read is not None and _is_properties(read, signature)
            if signature.claim is not None:
                claim = None if proven.claim is None else parse_canonical(proven.claim, self.document.limits)
                same = same and claim is not None and _is_claim(claim, signature.claim)
        except Stopped as stop:
            self.record.mark(v.FAILED, "coverage", "2.4")
            raise self._refuse(Problem("SIG-090")) from stop
        if not same:
            self.record.mark(v.FAILED, "coverage", "2.4")
            raise self._refuse(Problem("SIG-090"))
        return root

    def _stamps(self, signature: Signature, certificate: Certificate, party: Party) -> tuple[Problem, ...]:
        """Every time-stamp is what it claims to be, or the document is refused."""
        if not signature.timestamps:
            return ()
        from signing.timestamp import BadStamp, Stamp, read_stamp  # noqa: PLC0415 - pyHanko takes its time to load

        problems: list[Problem] = []
        read: list[Stamp] = []
        for claimed in signature.timestamps:
            octets = canonical(signature.at[1], claimed.canonicalisation, list(claimed.prefixes), signature.inherited)
            place = _place(claimed.at)
            try:
                stamp = read_stamp(claimed.token, octets, self.trust.trees.values())
            except BadStamp as error:
                log.info("time-stamp refused: message %s, %s", self.document.envelope.id, error)
                problems.append(Problem("SIG-080", {}, place))
                continue
            read.append(stamp)
            if not self._possible(stamp.time, signature, certificate):
                facts = {"time": stamp.time.isoformat(timespec="seconds"), "at": self.at.isoformat(timespec="seconds")}
                problems.append(Problem("SIG-081", facts, place))
            # A time-stamp that no tree vouches for proves nothing, and harms nothing unless one is demanded.
            elif stamp.tree is None or self.trust.revoked(stamp.fingerprint, stamp.time):
                demanded = party.signature.demands_timestamp(self.kind.loai) and not self.composed
                code = "SIG-083" if demanded else "SIG-084"
                problems.append(Problem(code, {"tsa": stamp.tsa}, place))
        self.record.facts["timestamps"] = [stamp.as_dict() for stamp in read]
        if any(problem.outcome is ProblemOutcome.FAILED for problem in problems):
            self.record.mark(v.FAILED, "time-claim", "2.3")
            raise self._refuse(*problems)
        return tuple(self._placed(problems))

    def _possible(self, time: datetime, signature: Signature, certificate: Certificate) -> bool:
        claimed = signature.signing_time or time
        return claimed - CLOCK_SKEW <= time <= self.at + CLOCK_SKEW and certificate.within(time)

    def _status(self, standing: CertificateStanding, signature: Signature, party: Party) -> tuple[Problem, ...]:
        """What the certificate's status means for this message: nothing, a doubt, or a refusal."""
        if standing.verdict is not None:
            self.record.facts["status"] = standing.verdict.told
        if standing.status is StatusWord.BAD:
            self.record.mark(v.FAILED, standing.reason, "1.1", "1.2", "2.3")
            raise self._refuse(Problem(standing.code or "SIG-061", standing.facts, _place(signature.certificate_at)))
        asked = standing.reason != "registered"
        code = standing.code
        if standing.status is StatusWord.UNKNOWN:
            self.record.mark(v.UNDETERMINED, standing.reason, "1.1", "1.2", "2.3")
            if party.signature.status_unknown is WhenUnknown.WARN:
                code = "SIG-063"
        else:
            self.record.mark(v.PASSED if asked else v.NOT_APPLICABLE, standing.reason, "1.2")
        if code is None:
            return ()
        return tuple(self._placed([Problem(code, standing.facts, _place(signature.certificate_at))]))

    # for the record ---------------------------------------------------------------------------------------------------

    def _facts(self, signature: Signature, certificate: Certificate) -> None:
        self.record.deviations = annex_i(signature)
        properties, signed_at = signature.properties, signature.signing_time
        self.record.facts.update(
            {
                "method": signature.method,
                "digest": sorted(set(signature.digests)),
                "canonicalisation": signature.canonicalisation,
                "transforms": list(signature.transforms),
                "reference": "id" if signature.by_id else "whole-document",
                "references": signature.references,
                "form": "xmldsig" if properties is None else "xades-b-t" if signature.timestamps else "xades-b-b",
                "signing_time": None if signed_at is None else signed_at.isoformat(),
                "signature_policy_named": properties is not None and properties.policy,
                "certificate": certificate.facts,
            }
        )

    def _refuse(self, *problems: Problem) -> SignatureRefused:
        if self.quick is not None:
            raise _NotQuick
        problems = problems[:MOST_PROBLEMS]
        self.record.facts["codes"] = [problem.code for problem in problems]
        verdict = self.record.as_dict()
        log.info(
            "signature refused: message %s, codes %s, failure %s",
            self.document.envelope.id,
            ",".join(problem.code for problem in problems),
            self.record.facts.get("failure", "-"),
        )
        return SignatureRefused(verdict, *self._placed(problems))

    def _placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems with line and column, where they point to a place."""
        problems = list(problems)
        wanted = {problem.at.xpath for problem in problems if problem.at is not None and problem.at.xpath is not None}
        if not wanted:
            return problems
        places = locate(self.document.body, wanted)
        return [
            Problem(problem.code, problem.facts, places.get(problem.at.xpath, problem.at))
            if problem.at is not None and problem.at.xpath is not None
            else problem
            for problem in problems
        ]


_SENDER = f"{{{PHONG_BI}}}NoiGui"
_IDENTIFIER = f"{{{PHONG_BI}}}MaDinhDanh"
_BODY = f"{{{PHONG_BI}}}ThanPhan"


def _sender_of(root: etree._Element) -> str | None:
    """NoiGui/MaDinhDanh, when there is exactly one."""
    found = [part for sender in root.iterchildren(_SENDER) for part in sender if part.tag == _IDENTIFIER]
    if len(found) != 1:
        return None
    named = found[0]
    return ("".join(named.itertext()) if len(named) else named.text or "").strip()


def _letter(root: etree._Element) -> tuple[Any, ...]:
    """What identifies a letter, and must be the same in the tree that arrived and the one that was signed."""
    header: list[Any] = [root.get("Id")]
    for child in root:
        tag = child.tag
        if tag == _BODY:
            header += [tag, *(payload.tag for payload in child)]
        elif tag == _SENDER:
            header += [tag, *(part.text for part in child)]
        elif tag != SIGNATURE:
            header += [tag, child.text]
    return tuple(header)


def _is_properties(root: etree._Element, signature: Signature) -> bool:
    properties = signature.properties
    return (
        properties is not None and etree.QName(root).localname == "SignedProperties" and root.get("Id") == properties.id
    )


def _is_claim(root: etree._Element, claim: SignedClaim) -> bool:
    """Whether what was signed holds the time that was read."""
    times = [e for e in root.iter("{*}SigningTime") if e.text == claim.signing_time_at.text]
    return root.get("Id") in claim.ids and len(times) == 1


def _wrong_certificate_digest(signature: Signature) -> Iterable[Objection]:
    """XAdES names the signing certificate by its digest, under the signature (EN 319 132-1, 5.2.2)."""
    if signature.properties is None:
        return
    for algorithm, value in signature.properties.certificate_digests:
        if _certificate_digest(algorithm, signature.certificate_der) != value:
            yield Objection("SIG-079", signature.properties.at, {}, v.SignatureFlaw.CONTRADICTION)


@lru_cache(maxsize=1024)
def _certificate_digest(algorithm: str, der: bytes) -> bytes:
    return hashlib.new(DIGESTS[algorithm], der).digest()


def _place(element: etree._Element) -> Location:
    return Location(xpath=xpath_of(element))


def _signer(signature: Signature, certificate: Certificate, *, conforms: bool) -> Signer:
    return Signer(
        subject=certificate.subject,
        issuer=certificate.issuer,
        serial=certificate.serial,
        fingerprint=certificate.fingerprint,
        algorithm=signature.method,
        signed_at=signature.signing_time,
        annex_i=conforms,
    )
