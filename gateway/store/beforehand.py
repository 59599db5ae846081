"""What can be packed of a finding before anybody waits: a writer holds all others up from the beginning of its transaction."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.model import Finding
from gateway.store.packing import LARGE, certificate_mark


def message_key(finding: Finding, content: bytes, maker: str) -> str | None:
    """What a message is like: others of its maker, kind and certificate. None where it is like nothing, or large."""
    thong_diep = finding.thong_diep
    if thong_diep is None or len(content) > LARGE:
        return None
    kind = f"{thong_diep.loai} {thong_diep.goc} {thong_diep.phien_ban}"
    return f"message {maker} {kind} {certificate_mark(content)}"


def receipt_key(finding: Finding, receipt: bytes) -> str:
    """What a receipt is like: others to this party, under the same certificate."""
    return f"receipt {finding.envelope.caller.party} {certificate_mark(receipt)}"


def texts_of(finding: Finding) -> Iterator[tuple[str, bytes]]:
    """(what it is like, content) of what will be kept of a finding, if it is entered as expected."""
    envelope = finding.envelope
    key = message_key(finding, envelope.body, envelope.caller.party)
    if key is not None:
        yield key, envelope.body
    if finding.receipt is not None:
        yield receipt_key(finding, finding.receipt), finding.receipt
