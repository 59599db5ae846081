"""Signed PDF documents (PAdES, older CMS signatures): every signature judged by itself, on the model of signing.verdict.

A result document may bear two signatures, the authorised person's and the agency's seal (Circular 41/2017/TT-BTTTT); each
stands or falls alone. Reading and CMS are pyHanko's; who may sign, as of when, and what is still unknown, is decided here.
Revocation evidence that the document carries itself (PAdES DSS) is used; nothing is fetched.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pyhanko.pdf_utils.crypt import AuthStatus
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import EmbeddedPdfSignature, async_validate_pdf_signature
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from gateway.core.parties import Party, SigningCertificate
from gateway.core.problems import Problem
from signing import verdict as v
from signing.certificates import Certificate, read_certificate, unfit
from signing.driven import driven
from signing.policy import CLOCK_SKEW
from signing.status import judge_status
from signing.trust import CertificateStanding, CertificateStatus, StatusWord, TrustView

# Broken fonts and odd cross references are everyday news in PDFs, and none of the operator's business.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
log = logging.getLogger("lienthong.signing")

PDF_BYTES: Final = 32 * 2**20
SIGNATURES: Final = 8
REVISIONS: Final = 64
PURPOSES: Final = frozenset({"document", "seal"})
_ALLOWED_CHANGES: Final = frozenset(
    {ModificationLevel.NONE, ModificationLevel.LTA_UPDATES, ModificationLevel.FORM_FILLING}
)
_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfSignature:
    """One signature of a document."""

    field: str
    result: str  # "passed", "failed", "undetermined"
    verdict: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfReport:
    """What was found in one document."""

    signatures: tuple[PdfSignature, ...] = ()
    unreadable: str | None = None  # why it could not be looked at: a word for the log

    @property
    def result(self) -> str:
        """One word for the document: "not-applicable" when it bears no signature."""
        if self.unreadable is not None:
            return v.FAILED
        found = {signature.result for signature in self.signatures}
        for word in (v.FAILED, v.UNDETERMINED, v.PASSED):
            if word in found:
                return word
        return v.NOT_APPLICABLE

    @property
    def has_valid(self) -> bool:
        """Whether one signature at least passed, and none failed."""
        return any(one.result == v.PASSED for one in self.signatures) and self.result != v.FAILED

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for the verdict of the message that carried the document."""
        return {
            "result": self.result,
            "unreadable": self.unreadable,
            "signatures": [
                {"field": one.field, "result": one.result, "verdict": one.verdict} for one in self.signatures
            ],
        }


def is_pdf(body: bytes) -> bool:
    """Whether these bytes begin as a PDF does (ISO 32000: the header within the first 1024)."""
    return b"%PDF-" in body[:1024]


def check_pdf(body: bytes, trust: TrustView, party: Party | None, at: datetime) -> PdfReport:
    """Every signature in a PDF, judged as of the time it was proven to be made, at the latest ``at``. Never raises.

    ``party`` is the sender: certificates registered for it with the purpose "document" or "seal" are its own; others must
    lead to a trust tree that is loaded.
    """
    if len(body) > PDF_BYTES:
        return PdfReport(unreadable="too-large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = PdfFileReader(io.BytesIO(body), strict=False)
            if reader.encrypted and not _opens(reader):
                return PdfReport(unreadable="encrypted")
            if reader.xrefs.total_revisions > REVISIONS:
                return PdfReport(unreadable="too-many-revisions")
            embedded = [one for one in reader.embedded_signatures if one.sig_object_type == "/Sig"]
            if len(embedded) > SIGNATURES:
                return PdfReport(unreadable="too-many-signatures")
            crls, ocsps = _carried_evidence(reader)
            return PdfReport(
                signatures=tuple(_PdfJudge(body, one, trust, party, at, crls, ocsps).judge() for one in embedded)
            )
    except Exception as error:  # noqa: BLE001 - hostile files: pyHanko raises many classes, RecursionError among them
        log.info("a PDF could not be read: %s", type(error).__name__)
        return PdfReport(unreadable=type(error).__name__)


def pdf_problems(reports: Iterable[tuple[str, PdfReport]], *, demanded: bool) -> list[Problem]:
    """What follows for the message, from (name of the attachment's id, report).

    Where policy demands a signed PDF, one document must have a valid signature and none that failed: SIG-113 fails the
    message, SIG-114 leaves it undetermined. Where it does not, everything is a remark for the receiver.
    """
    reports = list(reports)
    remarks = [problem for name, report in reports for problem in _remarks(name, report)]
    if not demanded:
        return remarks
    if any(report.has_valid for _, report in reports):
        return remarks
    if any(report.result == v.UNDETERMINED for _, report in reports):
        return [*remarks, Problem("SIG-114", {"files": [name for name, _ in reports]})]
    return [*remarks, Problem("SIG-113", {"files": [name for name, _ in reports] or ["–"]})]


def _remarks(name: str, report: PdfReport) -> Iterator[Problem]:
    if report.unreadable is not None:
        yield Problem("SIG-110", {"file": name, "reason": report.unreadable})
    for signature in report.signatures:
        rows = signature.verdict["checklist"].items()
        items = [item for item, row in rows if row["status"] == signature.result]
        if signature.result == v.FAILED:
            yield Problem("SIG-111", {"file": name, "field": signature.field, "items": items})
        elif signature.result == v.UNDETERMINED:
            yield Problem("SIG-112", {"file": name, "field": signature.field, "items": items})


class _PdfJudge:
    def __init__(
        self,
        body: bytes,
        embedded: EmbeddedPdfSignature,
        trust: TrustView,
        party: Party | None,
        at: datetime,
        crls: list[bytes],
        ocsps: list[bytes],
    ) -> None:
        self.body = body
        self.embedded = embedded
        self.trust = trust
        self.party = party
        self.at = at
        self.crls = crls
        self.ocsps = ocsps
        self.record = v.Judgement("document", at)

    def judge(self) -> PdfSignature:
        field = str(self.embedded.field_name)[:80]
        try:
            self._judge()
        except Exception as error:  # noqa: BLE001 - one signature that cannot be read fails alone
            self.record.facts["failure"] = type(error).__name__
            self.record.mark(v.FAILED, "mathematics", "2.2")
        verdict = self.record.as_dict()
        return PdfSignature(field=field, result=verdict["result"], verdict=verdict)

    def _judge(self) -> None:
        # Trust is decided below, three-valued; pyHanko is asked about the file and the mathematics.
        nobody = ValidationContext(trust_roots=[], allow_fetching=False, revocation_mode="soft-fail")
        status = driven(async_validate_pdf_signature(self.embedded, nobody, nobody))
        certificate = read_certificate(status.signing_cert.dump())
        self._integrity(status)
        moment, proven = self._moment(status, certificate)
        registration = self._registration(certificate)
        self._certificate(certificate, registration, status)
        self._dates(certificate, moment, proven)
        self._status(certificate, registration, moment)

    def _integrity(self, status: PdfSignatureStatus) -> None:
        whole = status.coverage in (SignatureCoverageLevel.ENTIRE_FILE, SignatureCoverageLevel.ENTIRE_REVISION)
        level = status.modification_level
        unchanged = status.coverage is SignatureCoverageLevel.ENTIRE_FILE or level in _ALLOWED_CHANGES
        self.record.mark(v.PASSED if status.valid else v.FAILED, "ok" if status.valid else "mathematics", "2.2")
        if not status.intact:
            self.record.mark(v.FAILED, "digest", "2.4")
        elif not whole:
            self.record.mark(v.FAILED, "coverage", "2.4")
        elif not unchanged or status.docmdp_ok is False or self._has_loose_tail():
            self.record.mark(v.FAILED, "changed-after", "2.4")
        else:
            self.record.mark(v.PASSED, "ok", "2.4")
        self.record.facts.update(
            {
                "coverage": None if status.coverage is None else status.coverage.name.lower(),
                "changes": None if level is None else level.name.lower(),
                "digest": status.md_algorithm,
                "mechanism": status.pkcs7_signature_mechanism,
            }
        )

    def _has_loose_tail(self) -> bool:
        """Bytes after what is signed that are no update by the book: pyHanko passes them over, a lenient reader may not."""
        ranges = self.embedded.byte_range
        tail = self.body[int(ranges[-2]) + int(ranges[-1]) :].strip(b"\x00\t\n\x0c\r ")
        if not tail:
            return False
        updates = self.embedded.reader.xrefs.total_revisions - 1 - self.embedded.signed_revision
        return updates < 1 or not tail.endswith(b"%%EOF")

    def _moment(self, status: PdfSignatureStatus, certificate: Certificate) -> tuple[datetime, bool]:
        """(as of when to judge, whether that time is proven). Without a time-stamp the signer's word, if it can be true."""
        claimed = status.signer_reported_dt
        claimed = claimed.astimezone(UTC) if claimed is not None and claimed.tzinfo is not None else None
        self.record.facts["signing_time"] = None if claimed is None else claimed.isoformat()
        stamped = self._stamped(status.timestamp_validity) if status.timestamp_validity is not None else None
        if stamped is not None:
            return stamped, True
        if claimed is not None and claimed > self.at + CLOCK_SKEW:
            self.record.mark(v.FAILED, "time-claim", "1.1")
        if claimed is not None and certificate.within(claimed) and claimed <= self.at:
            return claimed, False
        return self.at, False

    def _stamped(self, stamp: Any) -> datetime | None:
        """The time that a time-stamp proves; None where it is broken, of the future, or of nobody who is trusted."""
        time, sound = stamp.timestamp.astimezone(UTC), stamp.intact and stamp.valid
        tree = self._stamp_tree(stamp, time) if sound else None
        self.record.facts["timestamps"] = [{"time": time.isoformat(), "tree": tree}]
        if not sound or time > self.at + CLOCK_SKEW:
            self.record.mark(v.FAILED, "time-claim", "2.3")
            return None
        return time if tree is not None else None

    def _stamp_tree(self, stamp: Any, time: datetime) -> str | None:
        """The tree that vouches for the time-stamping service at that time."""
        certificate = read_certificate(stamp.signing_cert.dump())
        if certificate.uses != frozenset({_TIME_STAMPING}) or self.trust.revoked(certificate.fingerprint, time):
            return None
        for tree in self.trust.trees.values():
            if not tree.in_force(time):
                continue
            found = judge_status(certificate, tree, time, crls=self.crls, ocsps=self.ocsps)
            if found.status is not StatusWord.BAD:
                return tree.name
        return None

    def _registration(self, certificate: Certificate) -> SigningCertificate | None:
        registered = () if self.party is None else self.party.certificates
        return next(
            (one for one in registered if one.fingerprint == certificate.fingerprint and one.purposes & PURPOSES), None
        )

    def _certificate(
        self, certificate: Certificate, registration: SigningCertificate | None, status: PdfSignatureStatus
    ) -> None:
        flaws = {one.flaw for one in unfit(certificate)}
        weak = v.SignatureFlaw.KEY in flaws or status.md_algorithm not in _HASHES
        self.record.mark(*((v.FAILED, "key-unfit") if weak else (v.PASSED, "key-fits")), "1.3")
        # A signature on a document may rest on contentCommitment alone (ETSI EN 319 412-2).
        usage = certificate.content_commitment or certificate.digital_signature is not False
        wrong = not usage or v.SignatureFlaw.OTHER_PURPOSE in flaws
        known = certificate.digital_signature is not None or certificate.uses is not None
        self.record.mark(
            *(
                (v.FAILED, "usage-unfit")
                if wrong
                else (v.PASSED, "usage-fits")
                if known
                else (v.NOT_APPLICABLE, "usage-absent")
            ),
            "1.5",
        )
        if registration is not None:
            self.record.mark(v.PASSED, "registered-for-sender", "1.4")
            self.record.facts["purpose"] = sorted(registration.purposes & PURPOSES)
        else:
            self.record.mark(v.NOT_APPLICABLE, "not-registered-document", "1.4")
        self.record.facts["certificate"] = {
            "fingerprint": certificate.fingerprint,
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "serial": certificate.serial,
            "not_before": certificate.not_before.isoformat(),
            "not_after": certificate.not_after.isoformat(),
            "key": f"{certificate.family}-{certificate.bits}",
        }

    def _dates(self, certificate: Certificate, moment: datetime, proven: bool) -> None:
        if not certificate.within(moment):
            self.record.mark(v.FAILED, "outside-validity", "1.1", "2.3")
        elif not proven and not certificate.within(self.at):
            # The signer's own word puts it into the period, and nothing else does.
            self.record.mark(v.UNDETERMINED, "time-unproven", "1.1", "2.3")
        else:
            self.record.mark(v.PASSED, "by-time-stamp" if proven else "by-claimed-time", "1.1", "2.3")

    def _status(self, certificate: Certificate, registration: SigningCertificate | None, moment: datetime) -> None:
        standing = self._standing(certificate, registration, moment)
        if standing.verdict is not None:
            self.record.facts["status"] = standing.verdict.told
        if standing.status is StatusWord.BAD:
            self.record.mark(v.FAILED, standing.reason, "1.1", "1.2", "2.1")
        elif standing.status is StatusWord.UNKNOWN:
            self.record.mark(v.UNDETERMINED, standing.reason, "1.2")
            self.record.mark(v.PASSED, "known-issuer", "2.1")
        else:
            asked = standing.reason != "registered"
            self.record.mark(v.PASSED if asked else v.NOT_APPLICABLE, standing.reason, "1.2")
            self.record.mark(v.PASSED, "registered-for-sender" if registration else "known-issuer", "2.1")

    def _standing(
        self, certificate: Certificate, registration: SigningCertificate | None, moment: datetime
    ) -> CertificateStanding:
        if registration is not None:
            return self.trust.standing(certificate.fingerprint, registration.tree, moment)
        if self.trust.revoked(certificate.fingerprint, moment):
            return CertificateStanding(
                StatusWord.BAD, None, "revoked", {}, self.trust.verdicts[certificate.fingerprint]
            )
        best: CertificateStatus | None = None
        for tree in self.trust.trees.values():
            if not tree.in_force(moment):
                continue
            found = judge_status(certificate, tree, moment, crls=self.crls, ocsps=self.ocsps)
            if found.status is StatusWord.BAD and found.reason == "no-path":
                continue
            if found.revoked_at is not None and found.revoked_at > moment:
                return CertificateStanding(StatusWord.GOOD, None, "revoked-later", {}, found)
            if found.status is not StatusWord.UNKNOWN:
                return CertificateStanding(found.status, None, found.reason, {}, found)
            best = found
        if best is not None:
            return CertificateStanding(StatusWord.UNKNOWN, None, best.reason, {}, best)
        return CertificateStanding(StatusWord.BAD, None, "no-path")


_TIME_STAMPING: Final = "1.3.6.1.5.5.7.3.8"


def _opens(reader: PdfFileReader) -> bool:
    """Whether an encrypted file opens without a password, as one does that is only closed to changes."""
    try:
        return reader.decrypt(b"").status is not AuthStatus.FAILED
    except Exception:  # noqa: BLE001 - another kind of lock, or a broken one
        return False


def _carried_evidence(reader: PdfFileReader) -> tuple[list[bytes], list[bytes]]:
    """CRLs and OCSP answers of the document security store, when there is one that can be read."""
    try:
        store = DocumentSecurityStore.read_dss(reader)
        crls = [reference.get_object().data for reference in list(store.crls)[:64]]
        ocsps = [reference.get_object().data for reference in list(store.ocsps)[:64]]
    except Exception:  # noqa: BLE001 - a store that cannot be read carries no evidence
        return [], []
    return crls, ocsps
