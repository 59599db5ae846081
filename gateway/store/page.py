"""A page of the book: all that was decided about a tray, made into the rows that say so. Nothing here is written, or waits.

Who writes to a file holds all others up from the beginning of a transaction to its end. So a page is made before it, of what
the records say then, and written if they say the same once nobody else can change them (docs/decisions/0148).
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from gateway.core import chain
from gateway.core.effects import Owes, Pays, Transfers
from gateway.core.ledger import Ledger, LedgerEntry, LogLine
from gateway.core.model import Change, Fate, Finding, MaHoSo, MessageId
from gateway.core.steps import finished
from gateway.store import rows, statements
from gateway.store.engine import Bound
from gateway.store.errors import Unstorable
from gateway.store.packing import LARGE, Packer, certificate_mark, markup
from gateway.store.seals import row_seal
from gateway.store.types import encode_sorted, encoded


@dataclass(slots=True)
class Unlinked:
    """A line that is to be linked to the log."""

    at: datetime
    line: LogLine
    facts: dict[str, Any]  # all of them, as plain JSON
    kept: dict[str, Any] | None = None  # as they are kept; None while something may be added


@dataclass(frozen=True, slots=True)
class AsItStood:
    """A message that is judged again, as it stood when it was locked."""

    state: Fate
    verdicts: int
    problems: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPage:
    """What is written for a ledger that was entered, in this order. To be written once."""

    packer: Packer  # what it learnt goes on record with the page
    entries: list[LedgerEntry]  # those that are news
    bodies: Bound
    messages: Bound
    judged_again: Bound
    verdicts: Bound
    still_held: Bound
    dossiers: Bound
    changes: Bound
    codes: list[MaHoSo]  # of the dossiers to which something was added
    payments: Bound
    aliases: Bound
    deliveries: Bound
    lines: list[Unlinked]
    inboxes: dict[MessageId, dict[str, Any]]  # what the lines say of inboxes, to be filled when positions are given


@dataclass(frozen=True, slots=True)
class _Judged:
    """The rows of a judgement, each made once: to be sealed, and to be written."""

    message: dict[str, Any]
    verdict: dict[str, Any]
    change: dict[str, Any] | None
    dossier: dict[str, Any] | None
    deliveries: list[dict[str, Any]]


def page_of(
    ledger: Ledger,
    packer: Packer,
    *,
    who: str = "gateway",
    standing: Mapping[MessageId, AsItStood] = MappingProxyType({}),
) -> BookPage:
    """All that was decided, as rows. ``who`` had the messages judged; ``standing``: those that are on record already.

    Raises Unstorable for what the log cannot hold.
    """
    return finished(writing_page(ledger, packer, who=who, standing=standing))


def writing_page(
    ledger: Ledger,
    packer: Packer,
    *,
    who: str = "gateway",
    standing: Mapping[MessageId, AsItStood] = MappingProxyType({}),
) -> Generator[None, None, BookPage]:
    """As :func:`page_of`, with a rest after each message."""
    entries = [entry for entry in ledger.entries if not _unchanged(entry, standing)]
    bodies: dict[tuple[str, str], dict[str, Any]] = {}
    receipts: dict[MessageId, str] = {}
    for entry in entries:
        bodies |= _bodies(entry, packer, receipts, arrived=entry.finding.envelope.id not in standing)
        yield
    judged: list[_Judged] = []
    verdicts: list[dict[str, Any]] = []
    sealed: list[dict[str, Any]] = []
    lines: list[Unlinked] = []
    for entry in entries:
        made = _judged(entry, who, receipts, standing)
        judged.append(made)
        verdicts.append({**made.verdict, **_packed_verdict(entry, made.verdict["facts"], packer)})
        sealed.append(_sealed(entry, made))
        lines += _lines(entry, sealed[-1], packer)
        yield
    kept = [{"owner": owner, "digest": digest, **body} for (owner, digest), body in sorted(bodies.items())]
    arrived = [made.message for made in judged if made.message["id"] not in standing]
    again = [{**made.message, "which": made.message["id"]} for made in judged if made.message["id"] in standing]
    stay = [
        {"which": entry.finding.envelope.id, "judged_at": entry.ack.recorded_at}
        for entry in ledger.entries
        if _unchanged(entry, standing)
    ]
    stands = {made.dossier["ma_ho_so"]: made.dossier for made in judged if made.dossier is not None}
    changes = [entry.change for entry in entries if entry.change is not None]
    to = packer.connection
    return BookPage(
        packer=packer,
        entries=entries,
        bodies=statements.PUT_BODIES.bound(to, kept),
        messages=statements.PUT_MESSAGES.bound(to, arrived),
        judged_again=statements.JUDGE_AGAIN.bound(to, again),
        verdicts=statements.PUT_VERDICTS.bound(to, verdicts),
        still_held=statements.STILL_HELD.bound(to, stay),
        dossiers=statements.UPDATE_DOSSIERS.bound(to, [{**row, "which": code} for code, row in sorted(stands.items())]),
        changes=statements.PUT_CHANGES.bound(to, [made.change for made in judged if made.change is not None]),
        codes=sorted(stands),
        payments=statements.PUT_PAYMENTS.bound(to, [row for change in changes for row in payments_of(change)]),
        aliases=statements.PUT_ALIASES.bound(to, _aliases(changes)),
        deliveries=statements.PUT_DELIVERIES.bound(to, [row for made in judged for row in made.deliveries]),
        lines=lines,
        inboxes={
            entry.finding.envelope.id: seals["inbox"]
            for entry, seals in zip(entries, sealed, strict=True)
            if "inbox" in seals
        },
    )


def _unchanged(entry: LedgerEntry, standing: Mapping[MessageId, AsItStood]) -> bool:
    """Held before, held again for the same reasons: that is no news."""
    before = standing.get(entry.finding.envelope.id)
    return (
        before is not None
        and before.state is Fate.HELD
        and entry.ack.fate is Fate.HELD
        and [p["code"] for p in before.problems] == [p.code for p in entry.ack.problems]
    )


def _bodies(
    entry: LedgerEntry, packer: Packer, receipts: dict[MessageId, str], *, arrived: bool
) -> dict[tuple[str, str], dict[str, Any]]:
    """A message's rows of table body, by their key; its receipt's digest goes into ``receipts``."""
    bodies: dict[tuple[str, str], dict[str, Any]] = {}
    envelope, receipt = entry.finding.envelope, entry.ack.receipt
    owner = envelope.id
    if arrived:
        own = _body(envelope.body, envelope.total_bytes, entry, envelope.caller.party, packer)
        bodies[owner, envelope.digest] = own
    for digest, content in entry.finding.bodies.items():
        bodies[owner, digest] = _body(content, len(content), entry, "gateway", packer)
    if receipt is not None:
        digest = receipts[owner] = _sha256(receipt)
        quotes = entry.ack.fate is not Fate.ACCEPTED or entry.ack.problems
        like = None if quotes else partial(bytes, receipt)
        key = f"receipt {envelope.caller.party} {certificate_mark(receipt)}"  # others to it, by the same certificate
        packed = packer.body(receipt, key, like)
        bodies[owner, digest] = {"bytes": packed, "kept": len(receipt), "total": len(receipt)}
    return bodies


def _body(content: bytes, total: int, entry: LedgerEntry, maker: str, packer: Packer) -> dict[str, Any]:
    """A message, packed against others of its maker and kind; only from what was accepted is learnt what they are like."""
    like = partial(markup, content) if entry.ack.fate is Fate.ACCEPTED else None
    packed = packer.body(content, _message_key(entry.finding, content, maker), like)
    return {"bytes": packed, "kept": len(content), "total": total}


def _message_key(finding: Finding, content: bytes, maker: str) -> str | None:
    """What a message is like: others of its maker, kind and certificate. None where it is like nothing, or large."""
    thong_diep = finding.thong_diep
    if thong_diep is None or len(content) > LARGE:
        return None
    kind = f"{thong_diep.loai} {thong_diep.goc} {thong_diep.phien_ban}"
    return f"message {maker} {kind} {certificate_mark(content)}"


def _judged(
    entry: LedgerEntry, who: str, receipts: Mapping[MessageId, str], standing: Mapping[MessageId, AsItStood]
) -> _Judged:
    finding, ack, change, dossier = entry.finding, entry.ack, entry.change, entry.dossier
    envelope, thong_diep, problems, now = finding.envelope, finding.thong_diep, ack.problems, ack.recorded_at
    before = standing.get(envelope.id)
    number = before.verdicts + 1 if before else 1
    receipt, state = receipts.get(envelope.id), ack.fate.value
    message = {
        "id": envelope.id,
        "party": envelope.caller.party,
        "caller_by": envelope.caller.by,
        "channel": envelope.channel.value,
        "form": envelope.form.value,
        "own_key": envelope.own_key,
        "content_type": envelope.content_type,
        "digest": envelope.digest,
        "total_bytes": envelope.total_bytes,
        "received_at": envelope.received_at,
        "recorded_at": now,
        "state": state,
        "verdicts": number,
        "judged_at": now,
        "ma_thong_diep": thong_diep.ma_thong_diep if thong_diep else finding.ma_thong_diep,
        "loai": thong_diep.loai if thong_diep else finding.loai,
        "goc": thong_diep.goc if thong_diep else None,
        "phien_ban": thong_diep.phien_ban if thong_diep else None,
        "ma_ho_so": (thong_diep.content.ma_ho_so or thong_diep.ma_ho_so) if thong_diep else finding.ma_ho_so,
        "basis": thong_diep.basis.value if thong_diep else None,
        "receipt": receipt,
        "composed": finding.composed,
        "code": problems[0].code if problems else None,
        "codes": rows.problem_codes_in(problems),
        "xpath": rows.cause_xpath(problems),
    }
    verdict = {
        "message": envelope.id,
        "number": number,
        "state": state,
        "judged_at": now,
        "who": who,
        "problems": rows.problems_in(problems),
        "facts": encoded(finding.verdict),  # once, for the row and its seal
        "evidence": finding.evidence,
        "signed_digest": None if finding.signed_bytes is None else _sha256(finding.signed_bytes),
        "receipt": receipt,
    }
    return _Judged(
        message,
        verdict,
        None if change is None else rows.change_in(change),
        None if dossier is None else rows.dossier_in(dossier, now),
        [rows.delivery_in(delivery, now) for delivery in entry.deliveries],
    )


def _packed_verdict(entry: LedgerEntry, text: Any, packer: Packer) -> dict[str, Any]:
    """The signature's verdict, packed against another one on the same signer's; one on documents may quote them."""
    facts, state = entry.finding.verdict, entry.ack.fate
    certificate = facts.get("facts", {}).get("certificate", {}).get("fingerprint", "")
    key = f"verdict {entry.finding.envelope.caller.party} {state} {certificate[:16]}"
    return packer.facts(text, key, learn=state is Fate.ACCEPTED and "documents" not in facts)


def _aliases(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """The codes by which transferred dossiers are known elsewhere."""
    aliases = {
        (effect.ma_ho_so_goc, change.ma_ho_so)
        for change in changes
        for effect in change.effects
        if isinstance(effect, Transfers) and effect.ma_ho_so_goc not in (None, change.ma_ho_so)
    }
    return [{"code": code, "ma_ho_so": ma_ho_so} for code, ma_ho_so in sorted(aliases, key=str)]


def _lines(entry: LedgerEntry, seals: dict[str, Any], packer: Packer) -> Iterator[Unlinked]:
    """What goes into the log of a judgement, with what it says of the rows."""
    for said in entry.log:
        line = unlinked(said, entry.ack.recorded_at, seals)
        if "inbox" not in seals:
            line.kept = kept_facts(line, packer)
        yield line


def unlinked(said: LogLine, at: datetime, further: Mapping[str, Any] = MappingProxyType({})) -> Unlinked:
    """A line with its facts, and further ones that are plain already. Raises Unstorable for what the log cannot hold."""
    try:
        return Unlinked(at, said, {**chain.plain(said.facts), **further})
    except ValueError as error:
        raise Unstorable(str(error)) from error


def kept_facts(line: Unlinked, packer: Packer) -> dict[str, Any]:
    """The facts of a line as they are kept."""
    facts = line.facts
    if line.line.message is None:
        return {"facts": facts, "packed": None}  # what is searched by its text stays text (View.log_about)
    return packer.facts(facts, f"log {line.line.what} {facts.get('schemas', '')[:16]}", learn=True)


def _sealed(entry: LedgerEntry, judged: _Judged) -> dict[str, Any]:
    """What the log says of the rows that a judgement writes. Those of inboxes follow when they have their positions."""
    finding, verdict, change, dossier = entry.finding, judged.verdict, judged.change, judged.dossier
    envelope = finding.envelope
    told: dict[str, Any] = {
        "message": row_seal("message", judged.message),
        "verdict": {
            "number": verdict["number"],
            "row": row_seal("verdict", verdict),
            "facts": _sha256(encode_sorted(finding.verdict)),
            "signed": verdict["signed_digest"],
            "receipt": verdict["receipt"],
        },
    }
    if change is not None:
        row = row_seal("change", change)
        told["change"] = {"ma_ho_so": change["ma_ho_so"], "number": change["number"], "row": row}
    if dossier is not None:
        row = row_seal("dossier", dossier)
        told["dossier"] = {"ma_ho_so": dossier["ma_ho_so"], "trang_thai": dossier["trang_thai"], "row": row}
    if judged.deliveries:
        told["deliveries"] = {row["id"]: row_seal("delivery", row) for row in judged.deliveries}
    if entry.inbox:
        told["inbox"] = {}  # by party, when their positions are given
    if len(envelope.body) < envelope.total_bytes:
        told["kept"] = {"bytes": len(envelope.body), "digest": _sha256(envelope.body)}
    return told


def payments_of(change: Change) -> Iterable[dict[str, Any]]:
    """The rows of table payment that an event leads to."""
    for position, effect in enumerate(change.effects):
        if not isinstance(effect, (Owes, Pays)):
            continue
        owes = isinstance(effect, Owes)
        yield {
            "ma_ho_so": change.ma_ho_so,
            "change": change.number,
            "position": position,
            "kind": "owes" if owes else "pays",
            "so_tien": effect.so_tien,
            "da_thanh_toan": None if isinstance(effect, Owes) else effect.da_thanh_toan,
            "ref": effect.ref if isinstance(effect, Owes) else effect.ma_tra_cuu,
            "due_at": effect.han_nop if isinstance(effect, Owes) else None,
            "at": change.occurred_at if isinstance(effect, Owes) else effect.thoi_gian or change.occurred_at,
        }


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
