"""Floor 2: the paper. How bytes become a Document, and the three grades of trust a document may have.

The only place where an XML parser is made (a test greps for others).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from gateway.core.model import Basis, Envelope, Signer
from gateway.core.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Which schema and reader a document asks for: the key of the register."""

    loai: str  # HS05
    goc: str  # CapNhatTienDo
    phien_ban: str  # 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Well-formed, within all limits, free of DOCTYPE, comments and processing instructions. Believed in nothing yet."""

    envelope: Envelope
    body: bytes  # the bytes the tree was made from: the envelope's, or those composed from a typed submission
    root: etree._Element
    composed: bool = False  # built by us from a typed submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A Document that fits the schema of its kind."""

    document: Document
    kind: Kind
    problems: tuple[Problem, ...] = ()  # notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What may be believed: the tree that verification returned, never the one that arrived. Only verify() makes one."""

    envelope: Envelope
    body: bytes
    root: etree._Element  # parsed anew from the verified canonical bytes (or from body, when basis is the channel)
    kind: Kind
    basis: Basis
    signer: Signer | None = None
    doubts: tuple[Problem, ...] = ()  # undetermined, or notes
    verdict: Mapping[str, Any] = field(default_factory=dict)  # JSON-able facts: the checklist of Annex II
    signed_bytes: bytes | None = None
    evidence: tuple[str, ...] = ()  # SHA-256 of the stored CRL/OCSP answers it rests on
