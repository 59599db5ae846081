"""RFC 3161 time-stamps on XAdES B-T: whose they are, what they are over, and when. The CMS work is pyHanko's."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from pyhanko.sign.validation.generic_cms import extract_certs_for_validation, validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext

from signing.driven import driven
from signing.trust import TrustTree

# Both log the names of certificates and whole tracebacks for what is an everyday answer here.
logging.getLogger("pyhanko").setLevel(logging.CRITICAL)
logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)

_HASHES = frozenset({"sha256", "sha384", "sha512"})


class BadStamp(ValueError):
    """These bytes are no time-stamp of these octets, whoever may have made them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A time-stamp that really is over the octets and really is signed by the certificate it names."""

    time: datetime
    tsa: str  # subject, RFC 4514-like
    fingerprint: str  # of the TSA's certificate, SHA-256 of the DER, lower-case hex
    tree: str | None  # the trust tree that vouches for the TSA at that time; None: nobody does

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for the verdict."""
        return {
            "time": self.time.isoformat(),
            "tsa": self.tsa,
            "fingerprint": self.fingerprint,
            "tree": self.tree,
        }


def read_stamp(token: bytes, octets: bytes, trees: Iterable[TrustTree]) -> Stamp:
    """What a token says about these octets. Raises BadStamp when it is not a sound time-stamp of them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(token, octets, trees)
    except BadStamp:
        raise
    except Exception as error:  # hostile DER: asn1crypto and pyHanko raise many classes
        raise BadStamp(type(error).__name__) from error


def _read(token: bytes, octets: bytes, trees: Iterable[TrustTree]) -> Stamp:
    info = cms.ContentInfo.load(token, strict=True)
    if info["content_type"].native != "signed_data":
        raise BadStamp("not signed data")
    signed = info["content"]
    if len(signed["signer_infos"]) != 1:
        raise BadStamp("not exactly one signer")
    content = signed["encap_content_info"]["content"].parsed
    time: datetime = content["gen_time"].native
    if content["message_imprint"]["hash_algorithm"]["algorithm"].native not in _HASHES:
        raise BadStamp("imprint algorithm")
    trusted = [tree for tree in trees if tree.in_force(time)]
    status = _status(signed, octets, trusted, time)
    if not (status["intact"] and status["valid"]):
        raise BadStamp("does not match")
    signer = extract_certs_for_validation(signed).signer_cert
    return Stamp(
        time=time,
        tsa=signer.subject.human_friendly,
        fingerprint=hashlib.sha256(signer.dump()).hexdigest(),
        tree=None if status["trust_problem_indic"] is not None else _tree_of(status["validation_path"], trusted),
    )


def _tree_of(path: Any, trees: Iterable[TrustTree]) -> str | None:
    root = path.trust_anchor.certificate.dump()
    return next((tree.name for tree in trees if any(anchor.der == root for anchor in tree.anchors)), None)


def _status(signed: cms.SignedData, octets: bytes, trees: list[TrustTree], time: datetime) -> dict[str, Any]:
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(anchor.der) for tree in trees for anchor in tree.anchors],
        other_certs=[asn1_x509.Certificate.load(between.der) for tree in trees for between in tree.intermediates],
        moment=time,
        allow_fetching=False,
        revocation_mode="soft-fail",  # decided off the hot path, like that of the signing certificates
    )

    def imprint(algorithm: str) -> bytes:
        return hashlib.new(algorithm, octets).digest()

    status: dict[str, Any] = driven(validate_tst_signed_data(signed, context, imprint))
    return status
