"""After a restore: what each party has to send again, as far as that can be known from here.

A restored database cannot know what came after its backup. Others can: the log's signed heads that readers keep say how far it
had come, and the receipts that senders hold name messages that are not on record any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from connectors import receipts
from gateway.core.limits import DocumentLimits
from gateway.core.model import Caller, Channel, Envelope, MessageId, PartyId
from gateway.core.os_words import system_reason
from gateway.core.parties import Parties, Party, Receives, Role, SigningCertificate
from gateway.core.problems import Problem, Stopped
from gateway.documents import Checked, Document, Kind, header_claims, parse_bytes
from gateway.store import Store
from gateway.store.records import InboxReader
from gateway.store.tx import RESTORED
from signing.certificates import Certificate
from signing.trust import TrustView
from signing.verify import verify


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyRestored:
    """One party after a restore."""

    party: PartyId
    last_at: datetime | None  # when its newest message that is on record was received; None: none is
    last_id: str | None  # MaThongDiep of that one, as it said itself
    reader: InboxReader | None  # of its inbox, where it pulls


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The newest restore, and where everybody stands with it."""

    at: datetime
    generation: int
    file: str
    made_at: datetime  # of the backup: what was acknowledged from then on is not on record
    number: int  # entry of the log up to which it goes
    parties: tuple[PartyRestored, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldReceipt:
    """A receipt of ours that somebody holds, and whether we still know of its message."""

    file: Path
    problem: Problem | None = None  # it proves nothing; the rest is empty then
    party: PartyId | None = None  # to whom it was given
    number: str | None = None  # SoTiepNhan
    ma_thong_diep: str | None = None  # of the message that it acknowledges
    result: str | None = None
    received_at: datetime | None = None
    on_record: bool = False


def newest_restore(store: Store, parties: Parties) -> Restored | None:
    """The newest restore; None where this database never was restored."""
    with store.read() as view:
        line = view.last_act(RESTORED)
        if line is None:
            return None
        rows = []
        for party in parties:
            newest = view.messages(party=party.id, limit=1)
            rows.append(
                PartyRestored(
                    party=party.id,
                    last_at=newest[0].received_at if newest else None,
                    last_id=newest[0].ma_thong_diep if newest else None,
                    reader=view.reader(party.id) if party.receives is Receives.PULL else None,
                )
            )
    return Restored(
        at=line.at,
        generation=line.facts["generation"],
        file=line.facts["file"],
        made_at=datetime.fromisoformat(line.facts["made_at"]),
        number=line.facts["number"],
        parties=tuple(sorted(rows, key=lambda row: row.party)),
    )


def read_receipts(
    store: Store,
    files: Iterable[Path],
    certificates: Collection[Certificate],
    parties: Parties,
    limits: DocumentLimits,
    now: datetime,
) -> list[HeldReceipt]:
    """Receipts that parties hand in: whether each is signed by one of our certificates, and whether its message is on record."""
    found = []
    for file in files:
        try:
            found.append(_read(store, file, certificates, parties, limits, now))
        except Stopped as stop:
            found.append(HeldReceipt(file=file, problem=stop.problems[0]))
    return found


def _read(
    store: Store,
    file: Path,
    certificates: Collection[Certificate],
    parties: Parties,
    limits: DocumentLimits,
    now: datetime,
) -> HeldReceipt:
    try:
        with file.open("rb") as opened:
            body = opened.read(limits.body_bytes + 1)
    except OSError as error:
        raise Stopped(Problem("SYS-045", {"path": str(file), "reason": system_reason(error)})) from error
    root = parse_bytes(body, limits)
    if receipts.in_xml(root) is None or receipts.is_bare(root):
        raise Stopped(Problem("BAK-011", {"path": str(file)}))
    said = _moment(root.findtext("{*}ThoiDiemTao"))
    envelope = Envelope.of(
        body,
        id=MessageId("receipt"),
        caller=Caller(party=PartyId("gateway"), by="operator"),
        channel=Channel.CLI,
        received_at=said or now,
    )
    ourselves = Parties([_ourselves(certificates, header_claims(root).noi_gui)])
    document = Document(envelope=envelope, body=body, root=root, limits=limits)
    kind = Kind(loai="HS02", goc="BienNhan", phien_ban="")
    # A certificate of ours that has ended since was good when it signed: the receipt is judged as of its own time.
    trust = TrustView.build(ourselves, own=[one.der for one in certificates])
    attested = verify(Checked(document=document, kind=kind), trust, ourselves, said or now)
    receipt = receipts.in_xml(attested.root)
    if attested.signed_bytes is None or receipt is None or receipt.so_tiep_nhan is None:
        raise Stopped(Problem("BAK-011", {"path": str(file)}))
    to = parties.by_identifier(attested.root.findtext("{*}DanhSachNoiNhan/{*}NoiNhan/{*}MaDinhDanh") or "")
    with store.read() as view:
        known = view.message(receipt.so_tiep_nhan)
    return HeldReceipt(
        file=file,
        party=to.id if to else None,
        number=receipt.so_tiep_nhan,
        ma_thong_diep=receipt.ma_thong_diep_goc,
        result=receipt.ket_qua,
        received_at=_moment(attested.root.findtext("{*}ThanPhan/{*}BienNhan/{*}ThoiDiem")),
        on_record=known is not None,
    )


def _ourselves(certificates: Collection[Certificate], identifier: str | None) -> Party:
    return Party(
        id=PartyId("gateway"),
        name="–",
        role=Role.ONE_STOP,
        identifiers=(identifier or "–",),
        certificates=tuple(SigningCertificate(der=one.der, fingerprint=one.fingerprint) for one in certificates),
    )


def _moment(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
