"""What others can check: the evidence of one message in a bundle (signing.evidence), and signed heads of the log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from lxml import etree

from gateway.core import chain
from gateway.core.ledger import LogLine
from gateway.core.model import MessageId, PartyId
from gateway.core.parties import Parties, Party
from gateway.core.problems import Problem, Stopped
from gateway.core.stored_files import named_file
from gateway.store import Message, Store, VerdictRecord, View
from schemas.attachments import attachments
from schemas.digests import schema_digests
from signing.evidence import JUDGEMENTS, EvidenceTree, Parts, Registration, signed_bytes
from signing.heads import HEAD, sign_head
from signing.sign import SigningKey
from signing.trust import TrustTree, TrustView

HEAD_LINES: Final = 2000  # a busy log's head is signed after so many lines, however little time has passed
LOG_LINES: Final = 5000  # at most; a message that was replayed months later gets the lines around its last judgement


def gather(
    store: Store,
    trust: TrustView,
    parties: Parties,
    message: MessageId | str,
    *,
    own_identifier: str,
    own: Iterable[bytes],
    profile: Callable[[str], Party],
) -> Parts:
    """All that the records hold on a message. Raises Stopped: SIG-132 not on record, SIG-133 its bytes were erased.

    ``own``: the gateway's certificates, DER, those that signed earlier receipts included. ``profile`` reads a party's
    profile as the registry keeps it (gateway.services.profiles.from_text).
    """
    with store.read() as view:
        known = view.message(message)
        if known is None:
            raise Stopped(Problem("SIG-132", {"message": str(message)}))
        original = view.body(known.id, known.digest)
        if original is None:
            raise Stopped(Problem("SIG-133", {"message": str(message)}))
        counted = [verdict for verdict in view.verdicts(known.id) if verdict.number == known.verdicts]
        verdict = counted[0] if counted else None
        facts = dict(verdict.facts) if verdict is not None else {}
        ours = {hashlib.sha256(der).hexdigest(): der for der in own}
        versions = _versions(view, parties, known, profile)
        registration, certificates = _registration(versions, parties, known, facts, ours)
        documents, more = _document_signers(versions, facts)
        certificates |= more
        trees = _trees(trust, registration, documents, facts)
        for tree in trees:
            certificates |= {one.fingerprint: one.der for one in (*tree.anchors, *tree.intermediates)}
        composed = view.body(known.id, known.composed) if known.composed else None
        signed_digest = verdict.signed_digest if verdict is not None else None
        lines, start = _log(view, known.id)
        return Parts(
            message=known.id,
            party=known.party,
            received_at=known.received_at,
            digest=known.digest,
            state=known.state.value,
            basis=None if known.basis is None else known.basis.value,
            ma_thong_diep=known.ma_thong_diep,
            loai=known.loai,
            original=original,
            composed=composed,
            signed=signed_bytes(composed or original, known.received_at) if signed_digest else None,
            signed_digest=signed_digest,
            receipt=view.body(known.id, known.receipt) if known.receipt else None,
            verdict=facts,
            problems=tuple(problem.as_dict() for problem in verdict.problems) if verdict is not None else (),
            registration=registration,
            documents=documents,
            own=tuple(ours),
            own_identifier=own_identifier,
            trees=tuple(EvidenceTree.of(tree) for tree in trees),
            certificates=certificates | ours,
            evidence={digest: body for digest in _cited(facts, verdict) if (body := view.evidence(digest)) is not None},
            schemas=schema_digests(),
            log=lines,
            log_start=start,
        )


def contents(root: etree._Element) -> Mapping[str, bytes]:
    """The attachments inside a message, by id."""
    return {file.row.id: file.content for file in attachments(root, []) if file.content is not None}


def files_named(root: etree._Element) -> Mapping[str, int]:
    """The files beside a message that it names: SHA-256 and length."""
    return {digest: file.row.so_byte for file in attachments(root, []) if (digest := named_file(file.row)) is not None}


def measured(paths: Iterable[Path]) -> Mapping[str, tuple[str, int]]:
    """What files hold, by their names. Raises OSError."""
    found = {}
    for path in paths:
        with path.open("rb") as stream:
            found[path.name] = hashlib.file_digest(stream, "sha256").hexdigest(), stream.tell()
    return found


def _signed_documents(facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The verdicts on the signatures of PDFs inside the message."""
    return [one["verdict"] for report in facts.get("documents", {}).values() for one in report["signatures"]]


def _cited(facts: Mapping[str, Any], verdict: VerdictRecord | None) -> tuple[str, ...]:
    statuses = [one.get("facts", {}).get("status") or {} for one in (facts, *_signed_documents(facts))]
    cited = {digest for status in statuses for digest in status.get("evidence") or ()}
    return tuple({*cited, *(verdict.evidence if verdict is not None else ())})


def _versions(view: View, parties: Parties, known: Message, profile: Callable[[str], Party]) -> list[Party]:
    """The sender's profile when the message was judged, the newest first, and today's after them."""
    then = [
        profile(row.profile)
        for row in view.party_history(known.party)
        if row.profile is not None and row.applied_at <= known.judged_at
    ]
    now = parties.get(known.party)
    return [*reversed(then), *([now] if now is not None else [])]


def _registered(versions: Iterable[Party], fingerprint: str) -> tuple[Registration, bytes] | None:
    """What the registry said of a certificate: the newest version of then that knows it."""
    for party in versions:
        for one in party.certificates:
            if one.fingerprint == fingerprint:
                registration = Registration(
                    party=party.id,
                    identifiers=party.identifiers,
                    fingerprint=fingerprint,
                    tree=one.tree,
                    valid_from=one.valid_from,
                    valid_to=one.valid_to,
                    purposes=tuple(sorted(one.purposes)),
                )
                return registration, one.der
    return None


def _registration(
    versions: Iterable[Party], parties: Parties, known: Message, facts: Mapping[str, Any], ours: Mapping[str, bytes]
) -> tuple[Registration | None, dict[str, bytes]]:
    """What the registry said of the signer when the message was judged."""
    fingerprint = (facts.get("facts", {}).get("certificate") or {}).get("fingerprint", "")
    if fingerprint and fingerprint not in ours and (found := _registered(versions, fingerprint)) is not None:
        return found[0], {fingerprint: found[1]}
    return _without_certificate(parties, known), {}


def _document_signers(
    versions: Iterable[Party], facts: Mapping[str, Any]
) -> tuple[tuple[Registration, ...], dict[str, bytes]]:
    """The registrations of those who signed PDFs inside the message, and their certificates."""
    named = {(one.get("facts", {}).get("certificate") or {}).get("fingerprint", "") for one in _signed_documents(facts)}
    found = [one for fingerprint in sorted(named) if (one := _registered(versions, fingerprint)) is not None]
    return tuple(one for one, _ in found), {one.fingerprint: der for one, der in found}


def _without_certificate(parties: Parties, known: Message) -> Registration | None:
    party = parties.get(PartyId(known.party))
    if party is None:
        return None
    return Registration(party=party.id, identifiers=party.identifiers, fingerprint="")


def _trees(
    trust: TrustView, registration: Registration | None, documents: Iterable[Registration], facts: Mapping[str, Any]
) -> list[TrustTree]:
    stamps = facts.get("facts", {}).get("timestamps") or ()
    wanted = {registration.tree if registration is not None else None, *(one.tree for one in documents)}
    wanted |= {stamp.get("tree") for stamp in stamps}
    # A time-stamp that no tree vouched for, and whoever signed a PDF, must still meet the trees that did not vouch.
    if any(stamp.get("tree") is None for stamp in stamps) or _signed_documents(facts):
        wanted |= set(trust.trees)
    return [trust.trees[name] for name in sorted(filter(None, wanted)) if name in trust.trees]


def _log(view: View, message: MessageId) -> tuple[tuple[chain.LogEntry, ...], chain.Head]:
    """The log around the message's own lines, its newest judgement among them, without gaps; to the next signed head."""
    own = view.log(message=message, limit=LOG_LINES)
    if not own:
        return (), chain.GENESIS
    judged = max((entry.number for entry in own if entry.what in JUDGEMENTS), default=own[-1].number)
    first = min(entry.number for entry in own if entry.number > judged - LOG_LINES)
    last = max(entry.number for entry in own if entry.number < first + LOG_LINES)
    heads = view.log(what=HEAD, after=judged, limit=8)  # the first may have been signed before the judgement
    head = next((entry.number for entry in heads if entry.facts.get("number", 0) >= judged), 0)
    if last < head < first + LOG_LINES:
        last = head
    start = chain.GENESIS
    lines: list[chain.LogEntry] = []
    for entry in view.log_entries(after=max(first - 2, 0)):
        if entry.number == first - 1:
            start = chain.Head(entry.number, entry.hash)
        elif first <= entry.number <= last:
            lines.append(entry)
        if entry.number >= last:
            break
    return tuple(lines), start


# Heads of the log ---------------------------------------------------------------------------------------------------


def _unsigned(head: chain.Head, last: chain.LogEntry | None) -> int:
    """How many entries the newest signed head does not cover; the line that holds it is no news."""
    # by what it covers, and not by where it stands: others may have written between its signature and its line
    return head.number - (0 if last is None else int(last.facts["number"]) + 1)


def unsigned_since(view: View, last: chain.LogEntry | None) -> datetime | None:
    """When the oldest entry was written that no signed head covers; None where all are covered."""
    first = view.log(after=0 if last is None else int(last.facts["number"]), limit=2)
    return next((line.at for line in first if last is None or line.number != last.number), None)


def seal_log(store: Store, key: SigningKey, *, gateway: str, now: datetime, every: timedelta) -> chain.Head | None:
    """Signs the log's head and writes it into the log, when that is due; None when it is not.

    Due is a head after ``every``, or after HEAD_LINES lines, when something has happened since the last one. Any number
    of workers may try: whoever comes later sees that it is done. Two at the very same moment may both do it, which says
    the same twice.
    """
    with store.read() as view:
        head, last = view.log_head(), view.last_act(HEAD)
    news = _unsigned(head, last)
    if not news or (last is not None and news < HEAD_LINES and now - last.at < every):
        return None
    facts = {"number": head.number, "hash": head.hash, "jws": sign_head(head, key, gateway=gateway, at=now)}
    with store.begin() as tx:
        newest = tx.last_act(HEAD)
        if newest is not None and (last is None or newest.number != last.number):
            return None  # somebody else was quicker
        tx.note(LogLine(what=HEAD, who="gateway", facts=facts), now)
    return head
