"""Stations 2 to 6: judge what arrived, record it in one transaction, answer after the commit."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from random import getrandbits
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lxml import etree

from gateway.core import access
from gateway.core.allowances import Spending, keep_beginnings
from gateway.core.deadlines import DeadlineRules
from gateway.core.effects import KetQua
from gateway.core.ledger import Counter, Ledger, enter
from gateway.core.limits import DocumentLimits
from gateway.core.model import (
    Acknowledgement,
    Address,
    BodyForm,
    Envelope,
    Fate,
    Finding,
    MaHoSo,
    MaThongDiep,
    MessageId,
    PartyId,
    ThongDiep,
)
from gateway.core.parties import Parties, Party, Role, SignatureDemand
from gateway.core.problems import Location, Problem, ProblemOutcome, Stopped
from gateway.core.rights import Rights
from gateway.core.service_rules import ServiceDesk, of_message
from gateway.core.steps import finished
from gateway.core.stored_files import FileRules, FileScan, StoredFile, UnscannedFiles, named_file
from gateway.documents import (
    Attested,
    Canonical,
    Checked,
    Document,
    Kind,
    cut_short,
    header_claims,
    locate,
    parse,
    xpath_of,
)
from gateway.store import BookPage, Store, StoreError, Tx, writing_page
from schemas import qcvn120, versions, write
from schemas.attachments import Attachment, named_files
from schemas.catalog import Catalog
from schemas.check import check
from schemas.digests import schemas_digest
from schemas.read import read_letter
from schemas.rules import Letter
from signing.seal import seal
from signing.sign import SigningKey
from signing.trust import TrustView
from signing.verify import SignatureRefused, verify

if TYPE_CHECKING:
    from signing.pdf import PdfReport

T = TypeVar("T")

log = logging.getLogger("lienthong.intake")

SIG_HELD_TOO_LONG = "SIG-091"
FILE_AWAITED = "FIL-010"
FILE_HELD_TOO_LONG = "FIL-011"
FILE_CODES = frozenset({"FIL-008", FILE_AWAITED})  # for which a message is held


class Apart(Protocol):
    """Runs something that may wait in another thread: the loop goes on."""

    def __call__(self, act: Callable[[], T], /) -> Awaitable[T]:
        """What it gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayIdentity:
    """The gateway's own name in the messages that it signs."""

    ma_dinh_danh: str
    ten_co_quan: str
    he_thong: str = "LienThong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Everything a judgement needs, as frozen views that are replaced as a whole. Made by gateway.wiring, nowhere else."""

    catalog: Catalog
    trust: TrustView
    parties: Parties
    key: SigningKey | None  # None only where nothing is answered: `lienthong check`
    identity: GatewayIdentity
    limits: DocumentLimits = field(default_factory=DocumentLimits)
    store: Store | None = None  # None for `lienthong check`
    hold_for: timedelta = timedelta(days=3)
    files: FileRules | None = None  # None where this node keeps no files
    #: Puts what came inside a message into the store of files: (content, sender, now). None where nothing may be written.
    keep_inline: Callable[[bytes, PartyId, datetime], StoredFile] | None = None
    deadlines: DeadlineRules = field(default_factory=DeadlineRules)
    services: ServiceDesk = field(default_factory=ServiceDesk)  # what the catalogues say of services, and how strictly
    refused: str = ""  # the folder of declarations that was found no good, by its fingerprint; it is told of once

    def seal(self, finding: Finding, fate: Fate, problems: tuple[Problem, ...]) -> bytes | None:
        """The signed BienNhan (HS02) for this outcome; None where the message's own id could not be read, or it is held."""
        ma_thong_diep = finding.thong_diep.ma_thong_diep if finding.thong_diep else finding.ma_thong_diep
        if self.key is None or ma_thong_diep is None or fate is Fate.HELD:
            return None
        made = self._bien_nhan(finding, ma_thong_diep, fate, problems)
        return seal(made, self.key, at=self.key.signs_at(finding.envelope.received_at))

    def _bien_nhan(
        self, finding: Finding, ma_thong_diep: MaThongDiep, fate: Fate, problems: tuple[Problem, ...]
    ) -> Canonical:
        envelope = finding.envelope
        sender = self.parties.get(envelope.caller.party)
        return write.bien_nhan(
            ma_thong_diep=receipt_id(envelope),
            noi_gui=Address(
                ma_dinh_danh=self.identity.ma_dinh_danh,
                ten_co_quan=self.identity.ten_co_quan,
                he_thong=self.identity.he_thong,
            ),
            noi_nhan=Address(ma_dinh_danh=sender.identifiers[0], ten_co_quan=sender.name) if sender else None,
            ma_thong_diep_goc=ma_thong_diep,
            ma_ho_so=finding.ma_ho_so,
            ket_qua=_ket_qua(fate, problems),
            loi=problems,
            thoi_diem=envelope.received_at,
            bam_noi_dung=envelope.digest,
            so_tiep_nhan=envelope.id,
        )

    def counter(self) -> Counter:
        """What the ledger needs of us."""
        rules: dict[str, Any] = {"registry": self.parties.version, "schemas": schemas_digest()}
        beside = {"declarations": self.catalog.declarations.digest, "further_schemas": self.catalog.further}
        rules |= {name: digest for name, digest in beside.items() if digest}
        return Counter(
            parties=self.parties,
            seal=self.seal,
            rights=self.rights,
            place=self.place,
            services=self.services,
            rules=rules,
        )

    def place(self, finding: Finding, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """Problems that the counter found, with their places in the document. What is refused pays for a second reading."""
        try:
            document = parse_any(finding.envelope, self)
        except Stopped:
            return problems
        return located(document.root, document.body, problems)

    def rights(self, thong_diep: ThongDiep) -> Rights:
        """Who may say this kind of message, and to whom."""
        return self.catalog.rights(Kind(loai=thong_diep.loai, goc=thong_diep.goc, phien_ban=thong_diep.phien_ban))


def receipt_id(envelope: Envelope) -> MaThongDiep:
    """The MaThongDiep of the receipt of one arrival: derived from its id and digest, so that remaking it changes nothing."""
    digest = hashlib.sha256(f"bien-nhan:{envelope.id}:{envelope.digest}".encode()).hexdigest()
    return _uuid(digest)


def _ket_qua(fate: Fate, problems: tuple[Problem, ...]) -> KetQua:
    if fate is Fate.ACCEPTED:
        return KetQua.CHAP_NHAN
    return KetQua.TRUNG_LAP if any(problem.code == "DUP-010" for problem in problems) else KetQua.TU_CHOI


def new_message_id(at: datetime) -> MessageId:
    """A fresh id for an arrival: sorts by time, says nothing else.

    It opens nothing: who asks by it is answered about messages that concern him. So it need only be unlike any other.
    """
    random = getrandbits(40).to_bytes(5, "big").hex()
    return MessageId(f"{_second(int(at.timestamp()))}{_MILLIS[at.microsecond // 1000]}-{random}")


_MILLIS = tuple(f"{milli:03}" for milli in range(1000))


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    """How the ids of one second begin; writing a time takes longer than all the rest of an id."""
    return f"{datetime.fromtimestamp(second, UTC):%Y%m%d%H%M%S}"


def receive(
    envelopes: Sequence[Envelope], gate: Gate, now: datetime, spending: Spending | None = None
) -> list[Acknowledgement]:
    """Judge what is ready, record it in one transaction, answer all. Whatever each verdict, it is on disk by then.

    Raises StoreError when nothing could be recorded: nobody is told otherwise.
    """
    findings = judge_tray(envelopes, gate)
    for finding in findings:
        if isinstance(finding, Exception):
            raise finding
    return record([finding for finding in findings if isinstance(finding, Finding)], gate, now, spending)


def judge(envelope: Envelope, gate: Gate) -> Finding:
    """All that can be said about one message without the database, as of its arrival. `lienthong check` is this."""
    (finding,) = judge_tray([envelope], gate)
    if isinstance(finding, Exception):
        raise finding
    return finding


def judge_tray(envelopes: Sequence[Envelope], gate: Gate) -> list[Finding | Exception]:
    """The findings of a tray, each as :func:`judge` gives it, or what judging it raised: one message costs no other."""
    return finished(judging(envelopes, gate))


def not_read_again(envelope: Envelope) -> Finding:
    """What there is to say of bytes that have ended the process that read them: nobody reads them a second time."""
    return Finding(envelope=envelope, problems=(Problem("SYS-005", {"digest": envelope.digest}),))


def judging(
    envelopes: Sequence[Envelope], gate: Gate, at_work: Callable[[str], object] = lambda _: None
) -> Generator[None, None, list[Finding | Exception]]:
    """As :func:`judge_tray`, with a rest after each step, for a caller who has something else to do meanwhile.

    Station by station: all are parsed, then all are checked, … The same work done back to back keeps code and tables in the
    processor's cache; message by message it costs a quarter more. ``at_work`` is told whose turn it is, by digest, before each.
    """
    found: list[Finding | Exception | None] = [None] * len(envelopes)
    going = [(n, envelope.digest, _stations(envelope, gate)) for n, envelope in enumerate(envelopes)]
    while going:
        further = []
        for one in going:
            n, digest, stations = one
            at_work(digest)
            try:
                next(stations)
            except StopIteration as end:
                found[n] = end.value
            except Exception as error:  # noqa: BLE001 - a fault of ours, for its own sender
                found[n] = error
            else:
                further.append(one)
            yield
        going = further
    return [finding for finding in found if finding is not None]


def _stations(envelope: Envelope, gate: Gate) -> Generator[None, None, Finding]:
    """Stations 2 to 5 of one message, with a rest after each."""
    known: dict[str, Any] = {"envelope": envelope}
    try:
        document = parse_any(envelope, gate)
        known |= _claimed(document)
        yield
        checked = check(document, gate.catalog)
        yield
        attested = verify(checked, gate.trust, gate.parties, at=envelope.received_at)
        known |= {"verdict": attested.verdict, "signed_bytes": attested.signed_bytes, "evidence": attested.evidence}
        yield
        finding = _read(checked, attested, gate, known)
    except SignatureRefused as refused:  # the signature: the verdict is for the record, whoever is told what of it
        problems = refused.problems if _owns_signature(document, envelope, gate) else (Problem("SIG-001"),)
        finding = Finding(**{**known, "problems": problems, "verdict": refused.verdict})
    except Stopped as stop:
        finding = Finding(problems=stop.problems, **known)
    except StoreError:  # nothing was found wrong with it: it can be sent again
        raise
    except Exception as error:  # our bug costs this message alone; its neighbours do not notice
        log.exception("message %s met a fault of ours: %s", envelope.id, type(error).__name__)
        finding = Finding(problems=(Problem("SYS-001", {"id": envelope.id}),), **known)
    yield
    return sealed(finding, gate)


def _read(checked: Checked, attested: Attested, gate: Gate, known: dict[str, Any]) -> Finding:
    """Station 5: the finding of what may be believed. ``known`` is told what the verdict says of documents, whatever follows.

    The letter with its elements lives no longer than this: a tray holds many.
    """
    caller = gate.parties.get(attested.envelope.caller.party)
    plain, severity = (caller.plain_references, caller.rules) if caller is not None else (False, {})
    stored = _stored(attested, gate)
    letter = read_letter(attested, gate.catalog, plain_references=plain, severity=severity, stored=stored)
    thong_diep = letter.thong_diep
    services = _services(thong_diep, attested, caller, gate)
    authorised = _authorised(thong_diep, attested, gate)
    reports = signed_documents(letter, attested, gate)
    known["verdict"] = {**attested.verdict, **_told(reports)}
    documents = _document_problems(reports, attested, gate)
    files = _file_problems(letter, attested, caller, gate)
    problems = (*checked.problems, *attested.doubts, *thong_diep.notes, *services, *documents, *files)
    finding = Finding(thong_diep=thong_diep, problems=problems, authorised=authorised, **known)
    if any(receiver.versions for receiver in authorised.receivers):
        return with_older_versions(finding, attested, authorised.receivers, gate)
    return finding


def _stored(attested: Attested, gate: Gate) -> Mapping[str, StoredFile]:
    """The files at the gateway that a message names and that its sender may name: brought by it, or given to it before."""
    digests = named_files(attested.root)
    if not digests or gate.files is None or gate.store is None:
        return {}
    with gate.store.read() as view:
        return view.files_of_party(attested.envelope.caller.party, digests)


def _file_problems(letter: Letter, attested: Attested, caller: Party | None, gate: Gate) -> tuple[Problem, ...]:
    """What there is to say of the files at the gateway that a message names: seen, waited for, or not to be known.

    Raises Stopped (FIL-007, FIL-015) where one was found infected, or where this gateway keeps none.
    """
    found = [_file_problem(file, caller, gate) for file in letter.attachments if named_file(file.row) is not None]
    if gate.files is not None and gate.store is not None:
        inside = [(file, _inline(file, attested, gate)) for file in letter.attachments if file.content is not None]
        found += [
            problem
            for file, stored in inside
            if stored is not None and (problem := _scan_problem(file, stored, caller, gate.files)) is not None
        ]
    if not found:
        return ()
    placed = located(attested.root, attested.body, found)
    if any(problem.outcome is ProblemOutcome.FAILED for problem in placed):
        raise Stopped(*placed)
    return placed


def _file_problem(file: Attachment, caller: Party | None, gate: Gate) -> Problem:
    at, facts = Location(xpath=xpath_of(file.element)), {"ma": file.row.id, "digest": file.row.sha256}
    if gate.store is None:  # `lienthong check`: only the gateway knows which files it has
        return Problem("XSD-250", {"ma": file.row.id}, at)
    if gate.files is None:
        return Problem("FIL-015", {}, at)
    if file.stored is None:
        hours = round(gate.files.wait.total_seconds() / 3600)
        return Problem(FILE_AWAITED, {**facts, "hours": hours}, at)
    return _scan_problem(file, file.stored, caller, gate.files) or Problem(
        "FIL-013", {**facts, "size": file.stored.size}, at
    )


def _inline(file: Attachment, attested: Attested, gate: Gate) -> StoredFile | None:
    """What came inside a message, in the store of files; None where it is not there and nothing may be written now."""
    assert file.content is not None
    assert gate.store is not None
    if gate.keep_inline is not None:
        return gate.keep_inline(file.content, attested.envelope.caller.party, attested.envelope.received_at)
    with gate.store.read() as view:
        return view.file(file.digest)


def _scan_problem(file: Attachment, stored: StoredFile, caller: Party | None, rules: FileRules) -> Problem | None:
    """What the scanner said, where that is something."""
    at, facts = Location(xpath=xpath_of(file.element)), {"ma": file.row.id, "digest": stored.digest}
    if stored.scan is FileScan.INFECTED:
        return Problem("FIL-007", {**facts, "found": stored.finding}, at)
    if stored.scan is FileScan.UNKNOWN:
        policy = (caller.files.unscanned if caller is not None else None) or rules.unscanned
        return Problem("FIL-008" if policy is UnscannedFiles.HOLD else "FIL-009", {**facts, "why": stored.finding}, at)
    return None


def _services(thong_diep: ThongDiep, attested: Attested, caller: Party | None, gate: Gate) -> tuple[Problem, ...]:
    """Remarks of the catalogue on a filing. Raises Stopped (CAT-03x) where a rule refuses."""
    found = of_message(thong_diep, caller, gate.services)
    if not found:
        return ()
    placed = located(attested.root, attested.body, found)
    if any(problem.outcome is ProblemOutcome.FAILED for problem in placed):
        raise Stopped(*placed)
    return placed


def _owns_signature(document: Document, envelope: Envelope, gate: Gate) -> bool:
    """Whether the caller may hear what exactly is wrong with the signature: it is in its own name, or in nobody's.

    Whoever brings a message in the name of another party gets one code for whatever is wrong: it is not told how far a
    forgery came.
    """
    named = header_claims(document.root).noi_gui
    party = gate.parties.by_identifier(named) if named else None
    return document.composed or party is None or party.id == envelope.caller.party


def signed_documents(letter: Letter, attested: Attested, gate: Gate) -> list[tuple[str, PdfReport]]:
    """(attachment id, report) of every inline PDF that is signed, and of every PDF where the sender's policy demands one."""
    if not letter.attachments:
        return []
    party = gate.parties.get(attested.envelope.caller.party)
    demanded = _demands_pdf(attested, party)
    contents = [(file.row.id, file.content) for file in letter.attachments if file.content is not None]
    pdfs = [(name, body) for name, body in contents if b"%PDF-" in body[:1024] and (demanded or b"/ByteRange" in body)]
    if not pdfs:
        return []
    from signing.pdf import check_pdf  # noqa: PLC0415 - pyHanko takes its time to load, and most messages carry no PDF

    return [(name, check_pdf(body, gate.trust, party, attested.envelope.received_at)) for name, body in pdfs]


def _demands_pdf(attested: Attested, party: Party | None) -> bool:
    return party is not None and attested.kind.loai in party.signature.signed_pdf


def _told(reports: Sequence[tuple[str, PdfReport]]) -> Mapping[str, object]:
    return {"documents": {name: report.as_dict() for name, report in reports}} if reports else {}


def _document_problems(reports: Sequence[tuple[str, PdfReport]], attested: Attested, gate: Gate) -> tuple[Problem, ...]:
    """Remarks and doubts about the documents. Raises Stopped (SIG-113) when a valid signed PDF is demanded and none is there."""
    demanded = _demands_pdf(attested, gate.parties.get(attested.envelope.caller.party))
    if not reports and not demanded:
        return ()
    from signing.pdf import pdf_problems  # noqa: PLC0415 - as above

    problems = located(attested.root, attested.body, pdf_problems(reports, demanded=demanded))
    if any(problem.outcome is ProblemOutcome.FAILED for problem in problems):
        raise Stopped(*problems)
    return problems


def sealed(finding: Finding, gate: Gate) -> Finding:
    """The finding with the receipt for the outcome that judging leads to, signed before any lock is taken."""
    return finding._replace(receipt=gate.seal(finding, expected(finding), finding.problems))


def expected(finding: Finding) -> Fate:
    """What the message will become, unless the records say otherwise."""
    if finding.thong_diep is None:
        return Fate.REJECTED
    return Fate.HELD if any(p.outcome is ProblemOutcome.UNDETERMINED for p in finding.problems) else Fate.ACCEPTED


def parse_any(envelope: Envelope, gate: Gate) -> Document:
    """Station 2. A typed submission becomes a ThongDiep here; everything else is taken as it came."""
    if envelope.form is BodyForm.THONG_DIEP:
        return parse(envelope, gate.limits)
    return compose(envelope, gate)


def compose(envelope: Envelope, gate: Gate) -> Document:
    """The ThongDiep of a typed submission, composed and signed by us on behalf of the authenticated caller.

    The caller's bytes stay the original, and duplicates are told by their digest. Raises Stopped: AUT-040 when the caller's
    profile does not allow it, XSD-4xx when the packet is none.
    """
    party, form = gate.parties.get(envelope.caller.party), qcvn120.FORMS[envelope.form.value]
    if party is None or not party.typed_submissions or party.signature.demand(form.loai) is SignatureDemand.REQUIRED:
        raise Stopped(Problem("AUT-040", {"caller": envelope.caller.party, "form": envelope.form.value}))
    if gate.key is None:
        raise Stopped(Problem("SYS-037"))
    if envelope.cut:
        raise Stopped(cut_short(envelope, gate.limits))
    written_in_xml = envelope.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    reader = qcvn120.read_xml if written_in_xml else qcvn120.read_json
    packet = reader(envelope.body, envelope.form.value, qcvn120.Dialect.of(party), gate.limits)
    made = qcvn120.compose_packet(
        packet, _typed_header(envelope, gate, party, str(packet.fields.get("MaHoSo", "")).strip())
    )
    body = seal(made.body, gate.key, at=gate.key.signs_at(envelope.received_at))
    document = parse(replace(envelope, body=body, total_bytes=len(body)), gate.limits)
    return replace(
        document,
        envelope=envelope,
        composed=True,
        digest=hashlib.sha256(body).hexdigest(),
        problems=(*document.problems, *made.notes),
    )


def _typed_header(envelope: Envelope, gate: Gate, party: Party, ma_ho_so: str) -> write.Header:
    """From the caller to the portals; a portal's own packet goes to the agency that the dossier's code names."""
    if party.role is Role.PORTAL:
        agency = gate.parties.agency_of(ma_ho_so)
        receivers = [agency] if agency is not None else []
    else:
        receivers = [other for other in gate.parties if other.role is Role.PORTAL and other.open]
    if not receivers:
        raise Stopped(Problem("AUT-015", {"loai": qcvn120.FORMS[envelope.form.value].loai}))
    return write.Header(
        ma_thong_diep=typed_id(envelope),
        loai="",  # qcvn120.compose() knows
        noi_gui=Address(ma_dinh_danh=party.identifiers[0], ten_co_quan=party.name),
        noi_nhan=tuple(Address(ma_dinh_danh=other.identifiers[0], ten_co_quan=other.name) for other in receivers),
        thoi_diem_tao=envelope.received_at,
        lap_thay=write.LapThay(
            ma_dinh_danh=gate.identity.ma_dinh_danh,
            thoi_diem=envelope.received_at,
            bam_noi_dung=envelope.digest,
            dang_goc=envelope.form.value,
        ),
    )


def typed_id(envelope: Envelope) -> MaThongDiep:
    """The MaThongDiep of a typed submission: of the caller's own key, or else of the bytes; the same again for a repeat."""
    key = f"key:{envelope.own_key}" if envelope.own_key else f"digest:{envelope.digest}"
    digest = hashlib.sha256(f"{envelope.caller.party}:{envelope.form}:{key}".encode()).hexdigest()
    return _uuid(digest)


def _uuid(digest: str) -> MaThongDiep:
    return MaThongDiep(f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}")


def _claimed(document: Document) -> dict[str, Any]:
    """Fields of the Finding, whatever becomes of it."""
    claims = header_claims(document.root)
    return {
        "ma_thong_diep": MaThongDiep(claims.ma_thong_diep) if claims.ma_thong_diep else None,
        "loai": claims.loai,
        "ma_ho_so": MaHoSo(claims.ma_ho_so) if claims.ma_ho_so else None,
        "bodies": {document.digest: document.body} if document.composed else {},
        "composed": document.digest if document.composed else None,
    }


# Where the cause of a problem stands that is found beside the document. The first place that exists is taken.
PLACES: Mapping[str, tuple[str, ...]] = {
    "AUT-001": ("NoiGui/MaDinhDanh",),
    "AUT-002": ("NoiGui/MaDinhDanh",),
    "AUT-003": ("NoiGui/MaDinhDanh",),
    "AUT-004": ("LoaiThongDiep",),
    "AUT-015": ("DanhSachNoiNhan", "NoiGui"),
    "SIG-113": ("DanhSachDinhKem", "ThanPhan/*"),
    "SIG-114": ("DanhSachDinhKem", "ThanPhan/*"),
    "AUT-020": ("ThanPhan/*/MaHoSo", "ThanPhan/*/MaHoSoGoc", "MaHoSo"),
    "AUT-021": ("ThanPhan/*/MaHoSo", "MaHoSo"),
    "AUT-022": ("LoaiThongDiep",),
    "AUT-023": ("ThanPhan/*/TrangThai", "ThanPhan/*/TrangThaiHoSo", "ThanPhan/*"),
    "AUT-024": ("ThanPhan/*/MaHoSo", "ThanPhan/*/MaHoSoGoc", "MaHoSo"),
    **dict.fromkeys(("CAT-031", "CAT-041"), ("ThanPhan/*/KenhThucHien", "ThanPhan/*/HoSo/KenhThucHien", "ThanPhan/*")),
    **dict.fromkeys(("CAT-032", "CAT-042"), ("ThanPhan/*/MaTTHC", "ThanPhan/*/HoSo/MaTTHC", "ThanPhan/*")),
    **dict.fromkeys(("CAT-033", "CAT-043"), ("ThanPhan/*/NgayHenTraMoi", "ThanPhan/*/NgayHenTra", "ThanPhan/*")),
    **dict.fromkeys(("CAT-034", "CAT-044"), ("ThanPhan/*/TrangThai", "ThanPhan/*/MaHoSo", "ThanPhan/*")),
    "AUT-025": ("ThanPhan/*/MaHoSo", "ThanPhan/*/MaHoSoGoc", "MaHoSo"),
    "DUP-010": ("MaThongDiep",),
    "DOS-001": ("ThanPhan/*/MaHoSo", "ThanPhan/*/MaHoSoGoc", "MaHoSo", "ThanPhan/*"),
    "DOS-002": ("ThanPhan/*/MaTTHC", "ThanPhan/*"),
    "DOS-010": ("ThanPhan/*/TrangThai", "ThanPhan/*/TrangThaiHoSo", "ThanPhan/*"),
    "DOS-011": ("ThanPhan/*/TrangThai", "ThanPhan/*/TrangThaiHoSo", "ThanPhan/*"),
    "DOS-013": ("ThanPhan/*/TrangThai", "ThanPhan/*/TrangThaiHoSo", "ThanPhan/*"),
    "DOS-020": ("ThuTu", "ThanPhan/*/ThuTu", "ThanPhan/*"),
    "DOS-021": ("ThanPhan/*/ThoiDiemXuLy", "ThanPhan/*"),
    "DOS-022": ("ThanPhan/*",),
}


def located(root: etree._Element, body: bytes, problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """The problems with XPath, line and column: those of :data:`PLACES`, and those that name a place below the root."""
    paths: dict[int, str] = {}
    for index, problem in enumerate(problems):
        named = problem.at.xpath if problem.at else None
        if named is not None and named.startswith("/"):
            paths[index] = named
            continue
        for path in (named,) if named else PLACES.get(problem.code, ()):
            found = root.find(_steps(path))
            if found is not None:
                paths[index] = xpath_of(found)
                break
    places = locate(body, set(paths.values())) if paths else {}
    return tuple(
        replace(problem, at=places.get(paths[index], Location(xpath=paths[index]))) if index in paths else problem
        for index, problem in enumerate(problems)
    )


def _steps(path: str) -> str:
    return "/".join(step if step == "*" else f"{{*}}{step}" for step in path.split("/"))


def _authorised(thong_diep: ThongDiep, attested: Attested, gate: Gate) -> access.Authorised:
    """Sender and receivers."""
    caller, parties = attested.envelope.caller, gate.parties
    try:
        return access.Authorised(
            parties, *access.authorise(thong_diep, caller, parties, gate.catalog.rights(attested.kind))
        )
    except Stopped as stop:
        raise Stopped(*located(attested.root, attested.body, stop.problems)) from stop


def with_older_versions(finding: Finding, attested: Attested, receivers: Sequence[Party], gate: Gate) -> Finding:
    """The finding with a copy for each receiver that reads only an older version of this type, signed by us on behalf.

    Raises Stopped (AUT-016) when a receiver reads no version that this message has.
    """
    kind, key = attested.kind, gate.key
    copies: dict[PartyId, str] = {}
    bodies = dict(finding.bodies)
    notes: list[Problem] = []
    for receiver in receivers:
        known = receiver.versions.get(kind.loai, ())
        version = versions.readable(kind, known, gate.catalog)
        if version is None:
            raise Stopped(
                Problem("AUT-016", {"party": receiver.id, "loai": kind.loai, "version": kind.phien_ban, "known": known})
            )
        if version == kind.phien_ban or key is None:
            continue
        mark = write.LapThay(
            ma_dinh_danh=gate.identity.ma_dinh_danh,
            thoi_diem=finding.envelope.received_at,
            bam_noi_dung=finding.envelope.digest,
            dang_goc=f"{kind.loai}-{kind.phien_ban}",
        )
        made = versions.older(attested.root, kind, version, mark, gate.catalog)
        body = seal(made.body, key, at=key.signs_at(finding.envelope.received_at))
        copies[receiver.id] = hashlib.sha256(body).hexdigest()
        bodies[copies[receiver.id]] = body
        facts = {"party": receiver.id, "version": version, "from": kind.phien_ban}
        notes += [Problem("AUT-017", {**facts, "left_out": path}, Location(xpath=path)) for path in made.left_out]
    problems = (*finding.problems, *located(attested.root, attested.body, notes)) if notes else finding.problems
    return finding._replace(copies=copies, bodies=bodies, problems=problems)


def record(
    findings: Sequence[Finding], gate: Gate, now: datetime, spending: Spending | None = None
) -> list[Acknowledgement]:
    """One transaction for all; should it fail, one for each, so that a bad one harms no neighbour."""
    try:
        return commit(findings, gate, now, spending=spending)
    except StoreError:
        if len(findings) == 1:
            raise
        return [commit([finding], gate, now, spending=spending)[0] for finding in findings]


def commit(
    findings: Sequence[Finding],
    gate: Gate,
    now: datetime,
    *,
    recheck: bool = False,
    spending: Spending | None = None,
    express: bool = False,
    also: Callable[[Tx, Sequence[Acknowledgement]], None] | None = None,
) -> list[Acknowledgement]:
    """Enter findings in the book and write it, with what the parties have used up. Answers exist only after the commit.

    ``express``: it goes before others, and leaves it to them to write what was used up: two at a time would count that twice.
    ``also`` writes what must be kept together with it, or not at all.
    """
    assert gate.store is not None
    draft = None if recheck else finished(drafting(findings, gate, now))
    with gate.store.begin(express=express) as tx:
        entered = _entered(tx, findings, gate, now, draft, again=recheck, spending=spending, express=express)
        if also is not None:
            also(tx, entered.answers)
    return _answered(tx, findings, entered, spending)


async def commit_apart(
    findings: Sequence[Finding],
    gate: Gate,
    now: datetime,
    apart: Apart,
    draft: TrayDraft | None,
    *,
    spending: Spending | None = None,
    express: bool = False,
) -> list[Acknowledgement]:
    """As :func:`commit`, for a loop that goes on meanwhile: what may wait for others is done ``apart``, in a thread.

    On a server that is the whole. On a file it is the beginning, which waits for its turn, and the commit, which waits for the
    disk; what is between waits for nobody, and a thread would only pass the interpreter's lock back and forth. ``draft``: by
    :func:`drafting`, of these findings.
    """
    assert gate.store is not None
    if gate.store.statements_wait:
        return await apart(partial(commit, findings, gate, now, spending=spending, express=express))
    transaction = gate.store.begin(express=express)
    tx = await apart(transaction.__enter__)
    try:
        entered = _entered(tx, findings, gate, now, draft, again=False, spending=spending, express=express)
        tx.close()  # beside a loop at work, each of its statements would wait for the interpreter's lock
    except BaseException as error:
        await apart(partial(transaction.__exit__, type(error), error, error.__traceback__))
        raise
    await apart(partial(transaction.__exit__, None, None, None))
    return _answered(tx, findings, entered, spending)


@dataclass(frozen=True, slots=True)
class TrayDraft:
    """A tray entered in the book before its turn."""

    laid_out: Ledger  # what was on record then; as long as it is, the rest is right
    entered: Ledger
    answers: list[Acknowledgement]
    page: BookPage


def drafting(findings: Sequence[Finding], gate: Gate, now: datetime) -> Generator[None, None, TrayDraft | None]:
    """What will be entered unless somebody changes what it rests on, made while nobody waits for it, in small steps.

    None on a server: there rows are locked, and others wait for the log alone, at the end. Raises StoreError.
    """
    assert gate.store is not None
    if gate.store.statements_wait:
        return None
    counter = gate.counter()
    answers: list[Acknowledgement] = []
    with gate.store.read() as view:  # to the end: patterns may be looked for
        laid_out = view.rehearse(findings)
        entered = laid_out.copy()
        for finding in findings:
            answers.append(enter(finding, entered, counter, now))
            yield
        page = yield from writing_page(entered, view.packer())
    return TrayDraft(laid_out, entered, answers, page)


@dataclass(frozen=True, slots=True)
class _Entered:
    """What stands in the book before the commit."""

    answers: list[Acknowledgement]
    due: Mapping[tuple[str, PartyId], int]  # what the parties have used up
    at: float


def _entered(
    tx: Tx,
    findings: Sequence[Finding],
    gate: Gate,
    now: datetime,
    draft: TrayDraft | None,
    *,
    again: bool,
    spending: Spending | None,
    express: bool,
) -> _Entered:
    ledger, page = tx.open(findings, recheck=again), None
    if draft is not None and draft.laid_out == ledger:  # what was decided by it is what would be decided now
        ledger, page, answers = draft.entered, draft.page, draft.answers
    else:
        counter = gate.counter()
        answers = [enter(finding, ledger, counter, now) for finding in findings]
    if keep_beginnings(ledger, gate.parties, gate.limits.body_bytes, spending):
        page = None
    tx.write(ledger, page)
    at = monotonic()
    due = spending.due(at) if spending is not None and not express else {}
    if due and spending is not None:
        tx.spend(spending.day, due)
    return _Entered(answers, due, at)


def _answered(
    tx: Tx, findings: Sequence[Finding], entered: _Entered, spending: Spending | None
) -> list[Acknowledgement]:
    """The answers, after the commit."""
    if entered.due and spending is not None:
        spending.written(entered.due, tx.total, entered.at)
    for finding, ack in zip(findings, entered.answers, strict=True):
        if ack.repeated:  # nothing happened, so the chained log says nothing; this one tells of the second arrival
            envelope = finding.envelope
            told = {"message_id": ack.message, "party": envelope.caller.party, "channel": str(envelope.channel)}
            log.info("duplicate", extra=told | {"digest": ack.digest})
    return entered.answers


def recheck(
    messages: Sequence[MessageId],
    gate: Gate,
    now: datetime,
    *,
    also: Callable[[Tx, Sequence[Acknowledgement]], None] | None = None,
) -> list[Acknowledgement]:
    """Judge stored bytes again as of their arrival, and enter the verdict in the same book.

    For held messages whose certificate status may be known by now, and for rejected ones that an operator replays after mending
    a schema or the trust. A new verdict stands beside the old one; an id that was taken since then is a conflict here too.
    ``also`` writes what must be kept together with each verdict. Raises LookupError for a message whose bytes are not here.
    """
    assert gate.store is not None
    answers: list[Acknowledgement] = []
    for message in messages:
        with gate.store.read() as view:
            envelope = view.envelope(message)
        if envelope is None:
            raise LookupError(f"message {message} is not on record, or its bytes were erased")
        finding = judge(envelope, gate)
        if expected(finding) is Fate.HELD:
            over = _held_too_long(finding, now - envelope.received_at, gate)
            if over is not None:
                finding = sealed(finding._replace(thong_diep=None, problems=(*finding.problems, over)), gate)
        answers += commit([finding], gate, now, recheck=True, also=also)
    return answers


def _held_too_long(finding: Finding, held: timedelta, gate: Gate) -> Problem | None:
    """Why a message is held no longer: each cause has an end of its own, and the first to come counts."""
    codes = {problem.code for problem in finding.problems if problem.outcome is ProblemOutcome.UNDETERMINED}
    ends = []
    if codes - FILE_CODES:
        ends.append((gate.hold_for, SIG_HELD_TOO_LONG))
    if codes & FILE_CODES and gate.files is not None:
        ends.append((gate.files.wait, FILE_HELD_TOO_LONG))
    if not ends:
        return None
    longest, code = min(ends)
    return Problem(code, {"hours": round(longest.total_seconds() / 3600)}) if held > longest else None
