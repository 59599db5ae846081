"""The evidence of one message in one file: what came, what was signed, by whom, on what it was believed, what was answered.

A bundle is a zip that somebody else can check offline, years later, without our database: every step of the judgement is
done again from the bytes inside, and the first thing that does not fit is named. What must be taken on trust are the
certificates that anchors() names; whoever brings them along need not take the bundle's word for them.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from lxml import etree

from gateway.core import chain
from gateway.core.limits import CEILING
from gateway.core.model import Basis, Caller, Channel, Envelope, MessageId, PartyId
from gateway.core.parties import Parties, Party, Role, SignatureDemand, SignaturePolicy, SigningCertificate, WhenUnknown
from gateway.core.problems import Problem, Stopped
from gateway.documents import Attested, Checked, Document, Kind, parse_bytes, xpath_of
from signing.certificates import Certificate, Unreadable, read_certificate
from signing.engine import prove
from signing.heads import HEAD, Heads
from signing.jws import signer_of
from signing.status import LASTS, judge_status
from signing.structure import read_signature
from signing.trust import CertificateStatus, TrustTree, TrustView
from signing.verify import verify

FORMAT: Final = "lienthong-evidence/1"
MANIFEST: Final = "bundle.json"
MOST_FILES: Final = 512
MOST_BYTES: Final = 4 * CEILING.body_bytes  # what came, what was signed of it, and all that it rests on
_NAME: Final = re.compile(r"[a-z]+(?:/[0-9a-z-]+)?\.[a-z]+")
_RESULTS: Final = {"accepted": frozenset({"CHAP_NHAN"}), "rejected": frozenset({"TU_CHOI", "TRUNG_LAP"})}
JUDGEMENTS: Final = frozenset({"message.accepted", "message.rejected", "message.held"})
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # no dates of our own: the same parts make the same bundle


Contents = Callable[[Any], Mapping[str, bytes]]  # the root of a message -> its attachments, by id
Named = Callable[[Any], Mapping[str, int]]  # likewise -> the files beside it that it names: SHA-256 and length
Brought = Mapping[str, tuple[str, int]]  # name of a file that a verifier has -> its SHA-256 and length


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTree:
    """A trust tree that the judgement leaned on; certificates by fingerprint."""

    name: str
    anchors: tuple[str, ...]
    intermediates: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    @classmethod
    def of(cls, tree: TrustTree) -> EvidenceTree:
        """The same tree, its certificates named by fingerprint."""
        return cls(
            name=tree.name,
            anchors=tuple(one.fingerprint for one in tree.anchors),
            intermediates=tuple(one.fingerprint for one in tree.intermediates),
            valid_from=tree.valid_from,
            valid_to=tree.valid_to,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the registry said of the sender and its certificate when the message was judged."""

    party: str
    identifiers: tuple[str, ...]
    fingerprint: str
    tree: str | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    purposes: tuple[str, ...] = ("message",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All that goes into a bundle."""

    message: str  # our id of the arrival
    party: str  # who brought it
    received_at: datetime
    digest: str  # of the bytes that came, as recorded
    state: str  # accepted, rejected, held
    basis: str | None
    ma_thong_diep: str | None
    loai: str | None
    original: bytes
    composed: bytes | None = None  # what we made of a typed submission
    signed: bytes | None = None  # canonical bytes under the signature
    signed_digest: str | None = None  # their SHA-256, as recorded
    receipt: bytes | None = None
    verdict: Mapping[str, Any] = field(default_factory=dict)
    registration: Registration | None = None
    documents: tuple[Registration, ...] = ()  # of certificates that signed PDFs inside the message
    own: tuple[str, ...] = ()  # fingerprints of the gateway's certificates
    own_identifier: str | None = None
    trees: tuple[EvidenceTree, ...] = ()
    certificates: Mapping[str, bytes] = field(default_factory=dict)  # fingerprint -> DER
    evidence: Mapping[str, bytes] = field(default_factory=dict)  # digest -> CRL or OCSP answer
    schemas: Mapping[str, str] = field(default_factory=dict)  # file -> SHA-256
    log: tuple[chain.LogEntry, ...] = ()  # without gaps; the message's own lines among them
    log_start: chain.Head = chain.GENESIS  # the line before the first
    problems: tuple[Mapping[str, Any], ...] = ()  # as recorded: code, facts, place


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One step of checking a bundle."""

    step: str
    status: str  # "passed", "failed", "undetermined", "not-applicable"
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReport:
    """What checking a bundle found, step by step in order."""

    fits: tuple[Fit, ...]
    parts: Parts | None = None

    @property
    def undetermined(self) -> tuple[str, ...]:
        """The steps that could be neither proven nor disproven."""
        return tuple(fit.step for fit in self.fits if fit.status == "undetermined")

    @property
    def first_misfit(self) -> Fit | None:
        """The first thing that does not fit; None when everything does."""
        return next((fit for fit in self.fits if fit.status == "failed"), None)

    @property
    def passed(self) -> bool:
        """Whether everything fits."""
        return self.first_misfit is None


def signed_bytes(body: bytes, at: datetime) -> bytes | None:
    """The canonical bytes under a document's signature, whoever made it; None when there is none that holds."""
    try:
        signature = read_signature(parse_bytes(body, CEILING))
        certificate = read_certificate(signature.certificate_der)
        return prove(body, signature, certificate.x509, max(at, certificate.not_before)).envelope
    except Exception:  # noqa: BLE001 - no structure, no certificate, no match: no bytes that can be called signed
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A certificate that a bundle rests on, and that nothing inside it can prove."""

    fingerprint: str
    kind: str  # "gateway", "registered" (the registration is the trust), "root"
    of: str  # the gateway's identifier, the party, the tree


def anchors(parts: Parts) -> list[Anchor]:
    """What must be believed from elsewhere: the gateway's certificates that signed here, roots, pinned registrations."""
    signed = _signed_here(parts)
    registered = (*([parts.registration] if parts.registration is not None else []), *parts.documents)
    return [
        *(
            Anchor(fingerprint=one, kind="gateway", of=parts.own_identifier or "–")
            for one in parts.own
            if one in signed
        ),
        *(
            Anchor(fingerprint=one.fingerprint, kind="registered", of=one.party)
            for one in registered
            if one.tree is None and one.fingerprint
        ),
        *(Anchor(fingerprint=one, kind="root", of=tree.name) for tree in parts.trees for one in tree.anchors),
    ]


def _signed_here(parts: Parts) -> set[str]:
    """The fingerprints of those who signed the receipt, what was composed, and the heads of the log."""
    signed = {name for body in (parts.receipt, parts.composed) if body for name in _signers(body)}
    return signed | {signer_of(str(entry.facts.get("jws", ""))) or "" for entry in parts.log if entry.what == HEAD}


def _signers(body: bytes) -> set[str]:
    """The certificate that a document names as its signer's, by fingerprint."""
    try:
        return {hashlib.sha256(read_signature(parse_bytes(body, CEILING)).certificate_der).hexdigest()}
    except Stopped:
        return set()  # the step that needs the signature says what is wrong with it


@dataclass(frozen=True, slots=True)
class Outside:
    """A part of a document that its signature does not cover."""

    xpath: str
    octets: int
    what: str  # "signature", "key-info", "unsigned"


def outside(body: bytes) -> list[Outside]:
    """What of a signed document lies outside the signed part: the Signature itself, and of it what nothing protects.

    Everything else of the root is signed, or there is no such signature. Raises Stopped for a document without one.
    """
    signature = read_signature(parse_bytes(body, CEILING))
    top = signature.at
    parts = [(top, "signature")]
    signed = {reference.lstrip("#") for reference in top.xpath(".//@URI")}
    parts += [
        (child, what)
        for name, what in (("KeyInfo", "key-info"), ("UnsignedProperties", "unsigned"))
        for child in top.iterfind(f".//{{*}}{name}")
        if child.get("Id") not in signed
    ]
    return [Outside(xpath_of(one), len(etree.tostring(one, with_tail=False)), what) for one, what in parts]


# Writing --------------------------------------------------------------------------------------------------------------


def write_bundle(parts: Parts) -> bytes:
    """The bundle as a zip; the same parts make the same bytes."""
    files: dict[str, bytes] = {"original.bin": parts.original, "verdict.json": _json(dict(parts.verdict))}
    perhaps = {"composed.xml": parts.composed, "signed.xml": parts.signed, "receipt.xml": parts.receipt}
    files |= {name: body for name, body in perhaps.items() if body is not None}
    files |= {f"certificates/{name}.der": body for name, body in parts.certificates.items()}
    files |= {f"evidence/{name}.bin": body for name, body in parts.evidence.items()}
    if parts.log:
        files["log.jsonl"] = b"".join(_json(_log_row(entry)) + b"\n" for entry in parts.log)
    manifest = {
        "format": FORMAT,
        "message": {
            "id": parts.message,
            "party": parts.party,
            "received_at": parts.received_at.isoformat(),
            "digest": parts.digest,
            "signed_digest": parts.signed_digest,
            "state": parts.state,
            "basis": parts.basis,
            "ma_thong_diep": parts.ma_thong_diep,
            "loai": parts.loai,
            "problems": [dict(problem) for problem in parts.problems],
        },
        "registration": None if parts.registration is None else _registration_row(parts.registration),
        "documents": [_registration_row(one) for one in parts.documents],
        "gateway": {"identifier": parts.own_identifier, "certificates": list(parts.own)},
        "trees": [_tree_row(tree) for tree in parts.trees],
        "schemas": dict(parts.schemas),
        "log": {"number": parts.log_start.number, "hash": parts.log_start.hash},
        "files": {name: hashlib.sha256(body).hexdigest() for name, body in sorted(files.items())},
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in ((MANIFEST, _json(manifest, indent=1)), *sorted(files.items())):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), body, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


# Reading --------------------------------------------------------------------------------------------------------------


def read_bundle(data: bytes) -> Parts:
    """The parts of a bundle, every file as its list says.

    Raises Stopped: SIG-120 no bundle, SIG-121 a file is missing, SIG-122 a file is not the listed one.
    """
    try:
        files = dict(_unpacked(data))
        manifest = json.loads(files.pop(MANIFEST))
        if manifest["format"] != FORMAT:
            raise ValueError(manifest["format"])
        listed: dict[str, str] = manifest["files"]
    except Stopped:
        raise
    except Exception as error:  # zip, JSON and keys: whatever it is, it is no bundle of ours
        raise Stopped(Problem("SIG-120", {"reason": type(error).__name__})) from error
    for name in sorted(listed):
        if name not in files:
            raise Stopped(Problem("SIG-121", {"file": name}))
        if hashlib.sha256(files[name]).hexdigest() != listed[name]:
            raise Stopped(Problem("SIG-122", {"file": name}))
    for name in sorted(files.keys() - listed.keys()):
        raise Stopped(Problem("SIG-122", {"file": name}))
    try:
        return _parts(manifest, files)
    except Exception as error:  # a list that says impossible things
        raise Stopped(Problem("SIG-120", {"reason": type(error).__name__})) from error


def verify_bundle(
    data: bytes,
    *,
    anchors: frozenset[str] | None = None,
    schemas: Mapping[str, str] | None = None,
    witnesses: Mapping[int, str] | None = None,
    contents: Contents | None = None,
    named: Named | None = None,
    files: Brought | None = None,
) -> BundleReport:
    """Everything in a bundle checked against everything else, offline. Never raises.

    ``anchors``: fingerprints of roots and certificates that the verifier trusts; None takes those in the bundle as given,
    and the report says so. ``schemas``: digests of the schemas at hand. ``witnesses``: heads of the log that others
    kept (number -> hash). ``contents`` opens the attachments of a message, so that signed PDFs can be judged again.
    ``named`` says which files beside it a message names; ``files`` are those that the verifier has been given with the bundle.
    """
    try:
        parts = read_bundle(data)
    except Stopped as stop:
        return BundleReport(fits=(Fit(step="files", status="failed", problem=stop.problems[0]),))
    fits = [Fit(step="files", status="passed")]
    fits += _Check(parts, anchors, schemas, witnesses or {}, contents, named, files).fits()
    return BundleReport(fits=tuple(fits), parts=parts)


class _Check:
    def __init__(
        self,
        parts: Parts,
        trusted: frozenset[str] | None,
        schemas: Mapping[str, str] | None,
        witnesses: Mapping[int, str],
        contents: Contents | None,
        named: Named | None,
        files: Brought | None,
    ) -> None:
        self.named = named
        self.files = files
        self.contents = contents
        self.attested: Attested | None = None
        self.parts = parts
        self.trusted = trusted
        self.schemas = schemas
        self.witnesses = witnesses
        self.certificates: dict[str, Certificate] = {}
        self.trees: dict[str, TrustTree] = {}

    def fits(self) -> Iterator[Fit]:
        for step, check in (
            ("digest", self._digest),
            ("certificates", self._certificates),
            ("anchors", self._anchors),
            ("status", self._status),
            ("signature", self._signature),
            ("documents", self._documents),
            ("attached", self._attached),
            ("receipt", self._receipt),
            ("log", self._log),
            ("head", self._head),
            ("schemas", self._schemas),
        ):
            try:
                status = check()
                yield Fit(step=step, status=status)
            except Stopped as stop:
                yield Fit(step=step, status="failed", problem=stop.problems[0])
            except Exception as error:  # noqa: BLE001 - a bundle is a stranger's file
                problem = Problem("SIG-120", {"reason": f"{step}: {type(error).__name__}"})
                yield Fit(step=step, status="failed", problem=problem)

    def _digest(self) -> str:
        found = hashlib.sha256(self.parts.original).hexdigest()
        if found != self.parts.digest:
            raise Stopped(Problem("SIG-123", {"found": found, "recorded": self.parts.digest}))
        return "passed"

    def _certificates(self) -> str:
        for name in self._needed():
            if name not in self.parts.certificates:
                raise Stopped(Problem("SIG-121", {"file": f"certificates/{name}.der"}))
        for name, der in self.parts.certificates.items():
            try:
                certificate = read_certificate(der)
            except Unreadable as error:
                raise Stopped(Problem("SIG-122", {"file": f"certificates/{name}.der"})) from error
            if certificate.fingerprint != name:
                raise Stopped(Problem("SIG-122", {"file": f"certificates/{name}.der"}))
            self.certificates[name] = certificate
        for name, body in self.parts.evidence.items():
            if hashlib.sha256(body).hexdigest() != name:
                raise Stopped(Problem("SIG-122", {"file": f"evidence/{name}.bin"}))
        for tree in self.parts.trees:
            self.trees[tree.name] = TrustTree(
                name=tree.name,
                anchors=tuple(self.certificates[one] for one in tree.anchors),
                intermediates=tuple(self.certificates[one] for one in tree.intermediates),
                valid_from=tree.valid_from,
                valid_to=tree.valid_to,
            )
        return "passed" if self.certificates else "not-applicable"

    def _needed(self) -> Iterator[str]:
        """Every certificate that the list names."""
        yield from self.parts.own
        for tree in self.parts.trees:
            yield from (*tree.anchors, *tree.intermediates)
        yield from (one.fingerprint for one in self._registrations())

    def _registrations(self) -> Iterator[Registration]:
        """Every certificate that was registered, the message's signer's first."""
        if self.parts.registration is not None and self.parts.registration.fingerprint:
            yield self.parts.registration
        yield from self.parts.documents

    def _anchors(self) -> str:
        named = anchors(self.parts)
        if not named:
            return "not-applicable"
        if self.trusted is None:
            return "undetermined"
        for anchor in named:
            if anchor.fingerprint not in self.trusted:
                raise Stopped(Problem("SIG-131", {"fingerprint": anchor.fingerprint, "of": anchor.of}))
        return "passed"

    def _recorded_statuses(self) -> list[CertificateStatus]:
        """What was known of every certificate that was judged: the message's signer's, and those of PDFs inside."""
        verdicts = [self.parts.verdict]
        for report in self.parts.verdict.get("documents", {}).values():
            verdicts += [one["verdict"] for one in report["signatures"]]
        rows = [verdict.get("facts", {}).get("status") for verdict in verdicts]
        return [CertificateStatus.from_dict(row) for row in rows if row is not None]

    def _status(self) -> str:
        """Every recorded status follows from the CRLs and OCSP answers in the bundle."""
        trees = {one.fingerprint: one.tree for one in self._registrations() if one.tree is not None}
        asked = [one for one in self._recorded_statuses() if one.fingerprint in trees]
        words = {self._follows(one, self.trees[trees[one.fingerprint]]) for one in asked}
        return "undetermined" if "undetermined" in words else "passed" if words else "not-applicable"

    def _follows(self, recorded: CertificateStatus, tree: TrustTree) -> str:
        if not set(recorded.evidence) <= self.parts.evidence.keys():
            return "undetermined"  # the lists were files of the node, or a retention rule has erased them
        bodies = [self.parts.evidence[digest] for digest in recorded.evidence]
        lasts = LASTS if recorded.lasts is None else recorded.lasts
        certificate = self.certificates[recorded.fingerprint]
        found = judge_status(certificate, tree, recorded.as_of, crls=bodies, ocsps=bodies, lasts=lasts)
        # What was judged before every piece of evidence had an end may have none on record.
        until = found.until if recorded.lasts is not None or recorded.until is not None else None
        if (found.status, found.revoked_at, until) != (recorded.status, recorded.revoked_at, recorded.until):
            facts = {"found": f"{found.status} ({found.reason})", "recorded": f"{recorded.status} ({recorded.reason})"}
            raise Stopped(Problem("SIG-126", facts))
        return "passed"

    def _signature(self) -> str:
        """Judging the bytes again, as of their arrival, leads to the recorded verdict and the recorded signed bytes."""
        recorded = self.parts.verdict
        if not recorded:
            # What was refused before its signature was looked at has no verdict; anything else has.
            return (
                "not-applicable"
                if self.parts.state == "rejected" and not self.parts.signed
                else self._differs("result")
            )
        if self.parts.basis == Basis.CHANNEL:
            if self.parts.signed is not None:
                self._differs("basis")
            line = self._judgement()
            # A log of before bases stood in it cannot say that nothing was signed.
            return "not-applicable" if line is not None and "basis" in line.facts else "undetermined"
        try:
            attested: Attested | None = self._judge()
            verdict: Mapping[str, Any] = attested.verdict if attested is not None else {}
        except Stopped as stop:
            attested, verdict = None, getattr(stop, "verdict", {})
        self._same_verdict(verdict, recorded, attested)
        self.attested = attested
        signed = None if attested is None else attested.signed_bytes
        recorded_digest = self.parts.signed_digest
        if signed != self.parts.signed or (
            signed is not None and hashlib.sha256(signed).hexdigest() != recorded_digest
        ):
            raise Stopped(Problem("SIG-125"))
        return "passed"

    def _same_verdict(self, verdict: Mapping[str, Any], recorded: Mapping[str, Any], attested: Attested | None) -> None:
        """Raises Stopped where judging again leads to another verdict."""
        for name in ("result", "checklist", "annex_i", "basis", "at"):
            if verdict.get(name) != recorded.get(name):
                if attested is None and recorded.get("result") == "passed":
                    raise Stopped(Problem("SIG-124", {"result": str(verdict.get("result"))}))
                self._differs(name)
        found, said = verdict.get("facts", {}), recorded.get("facts", {})
        for name in found.keys() | said.keys():
            if name != "status" and found.get(name) != said.get(name):  # the status has a step of its own
                self._differs(f"facts.{name}")

    def _documents(self) -> str:
        """Judging the signed PDFs inside again leads to what was recorded of them; their bytes are signed with the message."""
        recorded = self.parts.verdict.get("documents")
        if not recorded:
            return "not-applicable"
        if self.contents is None or self.attested is None:
            return "undetermined"
        from signing.pdf import check_pdf  # noqa: PLC0415 - pyHanko takes its time to load

        inside = self.contents(self.attested.root)
        parties, at = self._parties(), self.parts.received_at
        party = parties.get(PartyId(self.parts.registration.party)) if self.parts.registration is not None else None
        for name, said in recorded.items():
            found = check_pdf(inside.get(name, b""), self._trust(parties), party, at).as_dict()
            if json.loads(_json(found)) != said:
                self._differs(f"documents.{name}")
        return "passed"

    def _attached(self) -> str:
        """The files that an accepted message names have the digests and lengths that it says, and it is under the signature."""
        if self.named is None or self.parts.state != "accepted":
            return "not-applicable"
        wanted = self.named(parse_bytes(self.parts.composed or self.parts.original, CEILING))
        if not wanted:
            return "not-applicable"
        if self.files is None:
            return "undetermined"
        there = dict(self.files.values())
        for digest, size in sorted(wanted.items()):
            name = f"{digest}.tep"
            if digest not in there and name not in self.files:
                raise Stopped(Problem("SIG-121", {"file": name}))
            if digest not in there or size != there[digest]:
                raise Stopped(Problem("SIG-122", {"file": name}))
        return "passed"

    def _judge(self) -> Attested:
        composed = self.parts.composed is not None
        body = self.parts.composed if self.parts.composed is not None else self.parts.original
        return self._verify(body, self.parts.loai, self._parties(), composed=composed)

    def _parties(self) -> Parties:
        registration = self.parts.registration
        identifiers = registration.identifiers if registration is not None else ()
        certificates = {
            one.fingerprint: SigningCertificate(
                der=self.parts.certificates[one.fingerprint],
                fingerprint=one.fingerprint,
                tree=one.tree,
                valid_from=one.valid_from,
                valid_to=one.valid_to,
                purposes=frozenset(one.purposes),
            )
            for one in self._registrations()
        }
        party = Party(
            id=PartyId(registration.party if registration else self.parts.party),
            name="–",
            role=Role.ONE_STOP,
            identifiers=identifiers,
            certificates=tuple(certificates.values()),
            signature=SignaturePolicy(default=SignatureDemand.REQUIRED, status_unknown=WhenUnknown.HOLD),
        )
        return Parties([party])

    def _verify(self, body: bytes, loai: str | None, parties: Parties, *, composed: bool) -> Attested:
        envelope = Envelope.of(
            body,
            id=MessageId(self.parts.message),
            caller=Caller(party=PartyId(self.parts.party), by="bundle"),
            channel=Channel.CLI,
            received_at=self.parts.received_at,
        )
        document = Document(
            envelope=envelope, body=body, root=parse_bytes(body, CEILING), limits=CEILING, composed=composed
        )
        checked = Checked(document=document, kind=Kind(loai=loai or "", goc="", phien_ban=""))
        return verify(checked, self._trust(parties), parties, self.parts.received_at)

    def _trust(self, parties: Parties) -> TrustView:
        own = [self.parts.certificates[one] for one in self.parts.own]
        return TrustView.build(parties, self.trees.values(), self._recorded_statuses(), own)

    def _differs(self, name: str) -> str:
        raise Stopped(Problem("SIG-127", {"part": name}))

    def _receipt(self) -> str:
        """The receipt is the gateway's, and it is for these bytes."""
        if self.parts.receipt is None:
            if self.parts.state == "accepted" or (self.parts.state == "rejected" and self.parts.ma_thong_diep):
                raise Stopped(Problem("SIG-121", {"file": "receipt.xml"}))
            return "not-applicable"  # held, or rejected without an id of its own: there was no receipt
        ourselves = Party(
            id=PartyId("gateway"),
            name="–",
            role=Role.GATEWAY,
            identifiers=(self.parts.own_identifier or "–",),
            certificates=tuple(
                SigningCertificate(der=self.parts.certificates[one], fingerprint=one) for one in self.parts.own
            ),
        )
        try:
            root = self._verify(self.parts.receipt, "HS02", Parties([ourselves]), composed=False).root
        except Stopped as stop:
            raise Stopped(Problem("SIG-128", {"reason": stop.problems[0].code})) from stop
        if self.parts.digest not in _texts(root, "BamNoiDung"):
            raise Stopped(Problem("SIG-128", {"reason": "BamNoiDung"}))
        if self.parts.ma_thong_diep is not None and self.parts.ma_thong_diep not in _texts(root, "MaThongDiepGoc"):
            raise Stopped(Problem("SIG-128", {"reason": "MaThongDiepGoc"}))
        if self.parts.message not in _texts(root, "SoTiepNhan"):
            raise Stopped(Problem("SIG-128", {"reason": "SoTiepNhan"}))
        if not _RESULTS.get(self.parts.state, frozenset()) & _texts(root, "KetQua"):
            raise Stopped(Problem("SIG-128", {"reason": "KetQua"}))
        if self.parts.received_at not in map(_moment, _texts(root, "ThoiDiem")):
            raise Stopped(Problem("SIG-128", {"reason": "ThoiDiem"}))
        return "passed"

    def _log(self) -> str:
        if not self.parts.log:
            raise Stopped(Problem("SIG-121", {"file": "log.jsonl"}))
        last = self.parts.log[-1].number
        inside = {number: digest for number, digest in self.witnesses.items() if number <= last}
        seen = chain.verify_chain(self.parts.log, start=self.parts.log_start, witnesses=inside)
        if not seen.whole:
            raise Stopped(Problem("SIG-129", {"number": seen.number, "flaw": str(seen.flaw)}))
        self._told()
        return "passed"

    def _judgement(self) -> chain.LogEntry | None:
        """The line of the newest judgement of the message."""
        return next((entry for entry in reversed(self.parts.log) if self._judges(entry)), None)

    def _told(self) -> None:
        """The newest judgement in the log is the one that the list states."""
        line = self._judgement()
        if line is None:
            raise Stopped(Problem("SIG-129", {"number": self.parts.log[-1].number, "flaw": "message"}))
        said = {
            "state": line.what.removeprefix("message."),
            "party": line.who,
            **{name: line.facts.get(name) for name in ("digest", "ma_thong_diep", "loai", "codes")},
        }
        listed = {
            "state": self.parts.state,
            "party": self.parts.party,
            "digest": self.parts.digest,
            "ma_thong_diep": self.parts.ma_thong_diep,
            "loai": self.parts.loai,
            "codes": [problem.get("code") for problem in self.parts.problems],
        }
        if "basis" in line.facts:  # lines of before say less
            receipt = None if self.parts.receipt is None else hashlib.sha256(self.parts.receipt).hexdigest()
            listed |= {
                "basis": self.parts.basis,
                "verdict": chain.digest_of(dict(self.parts.verdict)),
                "signed": self.parts.signed_digest,
                "receipt": receipt,
            }
            verdict = line.facts.get("verdict") or {}
            said |= {
                "basis": line.facts["basis"],
                "verdict": verdict.get("facts"),
                "signed": verdict.get("signed"),
                "receipt": verdict.get("receipt"),
            }
        for name, value in listed.items():
            if said[name] != value:
                raise Stopped(Problem("SIG-129", {"number": line.number, "flaw": name}))

    def _head(self) -> str:
        """A signed head of the log goes over the newest judgement: what came before it was so at its time."""
        judged = max(entry.number for entry in self.parts.log if self._judges(entry))
        heads = Heads(self.certificates[one] for one in self.parts.own)
        for _ in heads.through(self.parts.log):
            pass
        for number, reason in heads.wrong:
            # One that was signed over a line before those in the bundle says nothing here.
            if reason != "another-chain" or self._stated(number) >= self.parts.log[0].number:
                raise Stopped(Problem("SIG-134", {"number": number, "reason": reason}))
        return "passed" if heads.newest is not None and heads.newest.number >= judged else "not-applicable"

    def _judges(self, entry: chain.LogEntry) -> bool:
        return entry.message == self.parts.message and entry.what in JUDGEMENTS

    def _stated(self, line: int) -> int:
        return next(int(entry.facts.get("number", 0)) for entry in self.parts.log if entry.number == line)

    def _schemas(self) -> str:
        if self.schemas is None or not self.parts.schemas:
            return "not-applicable"
        for name, digest in sorted(self.parts.schemas.items()):
            if name in self.schemas and self.schemas[name] != digest:
                raise Stopped(Problem("SIG-130", {"file": name}))
        line = self._judgement()
        judged_by = line.facts.get("schemas") if line is not None else None
        if judged_by is not None and judged_by != chain.digest_of(dict(self.parts.schemas)):
            return "undetermined"  # the gateway has got other schemas since then
        return "passed" if self.parts.schemas.keys() <= self.schemas.keys() else "undetermined"


# Rows -----------------------------------------------------------------------------------------------------------------


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    total = 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_FILES or len({entry.filename for entry in entries}) != len(entries):
            raise ValueError("files")
        for entry in entries:
            if not _NAME.fullmatch(entry.filename):
                raise ValueError("name")
            with archive.open(entry) as file:
                body = file.read(MOST_BYTES - total + 1)  # the size in the header is only a claim
            total += len(body)
            if total > MOST_BYTES:
                raise ValueError("size")
            yield entry.filename, body


def _parts(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> Parts:
    message = manifest["message"]
    registration = manifest["registration"]
    return Parts(
        message=message["id"],
        party=message["party"],
        received_at=datetime.fromisoformat(message["received_at"]),
        digest=message["digest"],
        signed_digest=message["signed_digest"],
        state=message["state"],
        basis=message["basis"],
        ma_thong_diep=message["ma_thong_diep"],
        loai=message["loai"],
        problems=tuple(message["problems"]),
        original=files["original.bin"],
        composed=files.get("composed.xml"),
        signed=files.get("signed.xml"),
        receipt=files.get("receipt.xml"),
        verdict=json.loads(files["verdict.json"]),
        registration=None if registration is None else _registration(registration),
        documents=tuple(_registration(row) for row in manifest.get("documents", ())),
        own=tuple(manifest["gateway"]["certificates"]),
        own_identifier=manifest["gateway"]["identifier"],
        trees=tuple(
            EvidenceTree(
                name=row["name"],
                anchors=tuple(row["anchors"]),
                intermediates=tuple(row["intermediates"]),
                valid_from=_time(row["valid_from"]),
                valid_to=_time(row["valid_to"]),
            )
            for row in manifest["trees"]
        ),
        certificates=_folder(files, "certificates", ".der"),
        evidence=_folder(files, "evidence", ".bin"),
        schemas=manifest["schemas"],
        log=tuple(_log_entry(json.loads(line)) for line in files.get("log.jsonl", b"").splitlines()),
        log_start=chain.Head(manifest["log"]["number"], manifest["log"]["hash"]),
    )


def _folder(files: Mapping[str, bytes], folder: str, suffix: str) -> dict[str, bytes]:
    start = f"{folder}/"
    return {
        name.removeprefix(start).removesuffix(suffix): body for name, body in files.items() if name.startswith(start)
    }


def _registration_row(one: Registration) -> dict[str, Any]:
    return {
        "party": one.party,
        "identifiers": list(one.identifiers),
        "fingerprint": one.fingerprint,
        "tree": one.tree,
        "valid_from": _text(one.valid_from),
        "valid_to": _text(one.valid_to),
        "purposes": list(one.purposes),
    }


def _registration(row: Mapping[str, Any]) -> Registration:
    return Registration(
        party=row["party"],
        identifiers=tuple(row["identifiers"]),
        fingerprint=row["fingerprint"],
        tree=row["tree"],
        valid_from=_time(row["valid_from"]),
        valid_to=_time(row["valid_to"]),
        purposes=tuple(row["purposes"]),
    )


def _tree_row(one: EvidenceTree) -> dict[str, Any]:
    return {
        "name": one.name,
        "anchors": list(one.anchors),
        "intermediates": list(one.intermediates),
        "valid_from": _text(one.valid_from),
        "valid_to": _text(one.valid_to),
    }


def _log_row(entry: chain.LogEntry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "who": entry.who,
        "what": entry.what,
        "message": entry.message,
        "facts": dict(entry.facts),
        "hash": entry.hash,
    }


def _log_entry(row: Mapping[str, Any]) -> chain.LogEntry:
    return chain.LogEntry(
        number=row["number"],
        at=datetime.fromisoformat(row["at"]),
        who=row["who"],
        what=row["what"],
        message=row["message"],
        facts=row["facts"],
        hash=row["hash"],
    )


def _texts(root: etree._Element, name: str) -> set[str]:
    return {"".join(element.itertext()).strip() for element in root.iter(f"{{*}}{name}")}


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _json(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=indent).encode()


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
