"""Rows to frozen values and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from gateway.core import effects
from gateway.core.chain import LogEntry
from gateway.core.milestones import Milestone
from gateway.core.model import (
    Attempt,
    AttemptOutcome,
    Basis,
    BodyForm,
    Change,
    Channel,
    Delivery,
    DeliveryState,
    Dossier,
    Fate,
    InboxEntry,
    MaHoSo,
)
from gateway.core.problems import Problem
from gateway.core.told import Told
from gateway.store.records import CatalogueRow, CertificateRecord, Message, PartyVersion, PaymentLine, VerdictRecord
from gateway.store.types import encoded

AnyRow = Row[Any]


def problems_in(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """As stored: code, facts, place; no words."""
    return [problem.as_dict() for problem in problems]


def problems_out(rows: Sequence[dict[str, Any]] | None) -> tuple[Problem, ...]:
    """The reverse."""
    return tuple(Problem.from_dict(row) for row in rows or ())


def problem_codes_in(problems: Sequence[Problem]) -> str | None:
    """The codes as one searchable text: ",XSD-021,XSD-030,"."""
    return f",{','.join(problem.code for problem in problems)}," if problems else None


_POSITION = re.compile(r"\[[0-9]+\]")


def cause_xpath(problems: Sequence[Problem]) -> str | None:
    """Where the first problem lies, without positions, so that the same mistake in another row is the same cause."""
    at = problems[0].at if problems else None
    return _POSITION.sub("", at.xpath) if at is not None and at.xpath is not None else None


def message_of(row: AnyRow) -> Message:
    """From table message."""
    return Message(
        id=row.id,
        party=row.party,
        caller_by=row.caller_by,
        channel=Channel(row.channel),
        form=BodyForm(row.form),
        own_key=row.own_key,
        content_type=row.content_type,
        digest=row.digest,
        total_bytes=row.total_bytes,
        received_at=row.received_at,
        recorded_at=row.recorded_at,
        state=Fate(row.state),
        verdicts=row.verdicts,
        judged_at=row.judged_at,
        ma_thong_diep=row.ma_thong_diep,
        loai=row.loai,
        goc=row.goc,
        phien_ban=row.phien_ban,
        ma_ho_so=row.ma_ho_so,
        basis=Basis(row.basis) if row.basis else None,
        receipt=row.receipt,
        composed=row.composed,
        codes=tuple(row.codes.strip(",").split(",")) if row.codes else (),
        xpath=row.xpath,
    )


def verdict_of(row: AnyRow, facts: Mapping[str, Any]) -> VerdictRecord:
    """From table verdict, with its facts unpacked."""
    return VerdictRecord(
        message=row.message,
        number=row.number,
        state=Fate(row.state),
        judged_at=row.judged_at,
        who=row.who,
        problems=problems_out(row.problems),
        facts=facts,
        evidence=tuple(row.evidence),
        signed_digest=row.signed_digest,
        receipt=row.receipt,
    )


def change_in(change: Change) -> dict[str, Any]:
    """To table change."""
    return {
        "ma_ho_so": change.ma_ho_so,
        "number": change.number,
        "message": change.message,
        "ma_thong_diep": change.ma_thong_diep,
        "loai": change.loai,
        "goc": change.goc,
        "sender": change.sender,
        "effects": encoded([effects.to_dict(effect) for effect in change.effects]),  # once, for the row and its seal
        "occurred_at": change.occurred_at,
        "thu_tu": change.thu_tu,
        "recorded_at": change.recorded_at,
    }


def change_of(row: AnyRow) -> Change:
    """From table change."""
    return Change(
        ma_ho_so=row.ma_ho_so,
        number=row.number,
        message=row.message,
        ma_thong_diep=row.ma_thong_diep,
        loai=row.loai,
        goc=row.goc,
        sender=row.sender,
        effects=tuple(effects.from_dict(effect) for effect in row.effects),
        occurred_at=row.occurred_at,
        thu_tu=row.thu_tu,
        recorded_at=row.recorded_at,
    )


def dossier_of(row: AnyRow, changes: Iterable[Change]) -> Dossier:
    """From table dossier, with its history: what was told before its code was given back is none of it."""
    return Dossier(
        ma_ho_so=row.ma_ho_so,
        ma_tthc=row.ma_tthc,
        portal=row.portal,
        agency=row.agency,
        others=frozenset(row.others or ()),
        changes=tuple(change for change in changes if change.number > row.released),
        trang_thai=row.trang_thai,
        trang_thai_goc=row.trang_thai_goc,
        opened_at=row.opened_at,
        ngay_tiep_nhan=row.ngay_tiep_nhan,
        ngay_hen_tra=row.ngay_hen_tra,
        ngay_ket_thuc=row.ngay_ket_thuc,
        released=row.released,
    )


def dossier_in(dossier: Dossier, changed_at: datetime) -> dict[str, Any]:
    """To table dossier."""
    return {
        "ma_ho_so": dossier.ma_ho_so,
        "ma_tthc": dossier.ma_tthc,
        "portal": dossier.portal,
        "agency": dossier.agency,
        "others": sorted(dossier.others) or None,
        "trang_thai": dossier.trang_thai,
        "trang_thai_goc": dossier.trang_thai_goc,
        "opened_at": dossier.opened_at,
        "ngay_tiep_nhan": dossier.ngay_tiep_nhan,
        "ngay_hen_tra": dossier.ngay_hen_tra,
        "ngay_ket_thuc": dossier.ngay_ket_thuc,
        "changed_at": changed_at,
        "released": dossier.released,
    }


def delivery_in(delivery: Delivery, created_at: Any) -> dict[str, Any]:
    """To table delivery."""
    problem = delivery.problem
    return {
        "id": delivery.id,
        "message": delivery.message,
        "ma_thong_diep": delivery.ma_thong_diep,
        "loai": delivery.loai,
        "party": delivery.party,
        "lane": delivery.lane,
        "digest": delivery.digest,
        "state": delivery.state.value,
        "tries": delivery.tries,
        "due_at": delivery.due_at or created_at,
        "created_at": delivery.created_at or created_at,
        "first_tried_at": delivery.first_tried_at,
        "leased_at": None,
        "lease_until": delivery.lease_until,
        "lease": delivery.lease,
        "ask_first": delivery.ask_first,
        "blocking": delivery.blocking,
        "problem": problem.as_dict() if problem else None,
        "code": problem.code if problem else None,
        "settled_at": None,
    }


def delivery_of(row: AnyRow) -> Delivery:
    """From table delivery."""
    return Delivery(
        id=row.id,
        message=row.message,
        ma_thong_diep=row.ma_thong_diep,
        loai=row.loai,
        party=row.party,
        lane=row.lane,
        digest=row.digest,
        state=DeliveryState(row.state),
        tries=row.tries,
        due_at=row.due_at,
        created_at=row.created_at,
        first_tried_at=row.first_tried_at,
        lease_until=row.lease_until,
        lease=row.lease,
        ask_first=row.ask_first,
        blocking=row.blocking,
        problem=Problem.from_dict(row.problem) if row.problem else None,
    )


def told_in(told: Told, *, behind: bool) -> dict[str, Any]:
    """To table told. ``behind``: the party may not have everything."""
    return {
        "party": told.party,
        "ma_ho_so": told.ma_ho_so,
        "change": told.change,
        "sent": told.sent,
        "taken": told.taken,
        "facts": dict(told.facts),
        "rows": list(told.rows),
        "refused": dict(told.refused),
        "remarked": list(told.remarked),
        "told_at": told.told_at,
        "taken_at": told.taken_at,
        "delivery": told.delivery,
        "attempt": told.attempt,
        "believed": None if told.believed is None else dict(told.believed),
        "believed_at": told.believed_at,
        "differs": told.differs,
        "behind": behind,
    }


def told_of(row: AnyRow) -> Told:
    """From table told."""
    values = {name: value for name, value in row._mapping.items() if name not in {"differs", "behind"}}  # noqa: SLF001 - one to one, but what follows
    return Told(**{**values, "rows": tuple(row.rows), "remarked": tuple(row.remarked)})


def attempt_in(attempt: Attempt, number: int) -> dict[str, Any]:
    """To table attempt, under the number that the store gives it."""
    return {
        "delivery": attempt.delivery,
        "number": number,
        "kind": attempt.kind,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "outcome": attempt.outcome.value,
        "reference": attempt.reference,
        "receipt": attempt.receipt,
        "problem": attempt.problem.as_dict() if attempt.problem else None,
    }


def attempt_of(row: AnyRow) -> Attempt:
    """From table attempt."""
    return Attempt(
        delivery=row.delivery,
        number=row.number,
        kind=row.kind,
        started_at=row.started_at,
        ended_at=row.ended_at,
        outcome=AttemptOutcome(row.outcome),
        reference=row.reference,
        receipt=row.receipt,
        problem=Problem.from_dict(row.problem) if row.problem else None,
    )


def entry_in(entry: InboxEntry, position: int) -> dict[str, Any]:
    """To table inbox, at the position that the store gives it."""
    return {
        "party": entry.party,
        "position": position,
        "message": entry.message,
        "ma_thong_diep": entry.ma_thong_diep,
        "loai": entry.loai,
        "goc": entry.goc,
        "sender": entry.sender,
        "ma_ho_so": entry.ma_ho_so,
        "digest": entry.digest,
        "recorded_at": entry.recorded_at,
        "trang_thai": entry.trang_thai,
        "trang_thai_goc": entry.trang_thai_goc,
        "problems": problems_in(entry.problems) if entry.problems else None,
    }


def entry_of(row: AnyRow) -> InboxEntry:
    """From table inbox."""
    return InboxEntry(
        party=row.party,
        position=row.position,
        message=row.message,
        ma_thong_diep=row.ma_thong_diep,
        loai=row.loai,
        goc=row.goc,
        sender=row.sender,
        ma_ho_so=row.ma_ho_so,
        digest=row.digest,
        recorded_at=row.recorded_at,
        trang_thai=row.trang_thai,
        trang_thai_goc=row.trang_thai_goc,
        problems=problems_out(row.problems),
    )


def line_of(row: AnyRow, facts: Mapping[str, Any]) -> LogEntry:
    """From table log, with its facts unpacked."""
    return LogEntry(
        number=row.number,
        at=row.at,
        who=row.who,
        what=row.what,
        message=row.message,
        facts=facts,
        hash=row.hash,
    )


def party_of(row: AnyRow) -> PartyVersion:
    """From table party."""
    return PartyVersion(
        id=row.id,
        version=row.version,
        profile=row.profile,
        author=row.author,
        reason=row.reason,
        applied_at=row.applied_at,
    )


def milestone_in(ma_ho_so: MaHoSo, number: int, one: Milestone) -> dict[str, Any]:
    """To table milestone."""
    return {
        "ma_ho_so": ma_ho_so,
        "number": number,
        "kind": one.kind.value,
        "at": one.at,
        "until": one.until,
        "due": one.due,
        "trang_thai": one.trang_thai,
        "seconds": one.seconds,
        "value": one.value,
        "month": one.month,
    }


def payment_of(row: AnyRow) -> PaymentLine:
    """From table payment."""
    return PaymentLine(
        ma_ho_so=row.ma_ho_so,
        change=row.change,
        kind=row.kind,
        so_tien=row.so_tien,
        da_thanh_toan=row.da_thanh_toan,
        ref=row.ref,
        due_at=row.due_at,
        at=row.at,
    )


def certificate_record(row: AnyRow) -> CertificateRecord:
    """From table certificate_status."""
    return CertificateRecord(
        fingerprint=row.fingerprint,
        tree=row.tree,
        status=row.status,
        as_of=row.as_of,
        until=row.until,
        facts=row.facts,
        evidence=tuple(row.evidence),
    )


def muc_of(row: AnyRow) -> CatalogueRow:
    """From table catalogue."""
    return CatalogueRow(
        danh_muc=row.danh_muc,
        phien_ban=row.phien_ban,
        ma=row.ma,
        muc=row.muc,
        hieu_luc_tu=row.hieu_luc_tu,
        hieu_luc_den=row.hieu_luc_den,
    )
