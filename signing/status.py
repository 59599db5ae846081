"""Path and revocation of a certificate at a time, given the evidence: good, bad or unknown.

Off the hot path, and it fetches nothing: what was fetched comes in as bytes. The algorithm (RFC 5280, RFC 6960) is
pyhanko-certvalidator's; here its answers become three, and each names the bodies it rests on.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import pem as asn1_pem
from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import InsufficientRevinfoError, PathError, RevokedError, ValidationError

from signing.certificates import Certificate
from signing.driven import driven
from signing.trust import CertificateStatus, StatusWord, TrustTree

logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)  # it logs names and tracebacks

log = logging.getLogger("lienthong.trust")

EVIDENCE_BYTES = 32 * 2**20  # a national CRL may be long; a longer one is not evidence but an attack


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """One CRL or OCSP answer, with what it needs to be of use."""

    digest: str
    about: object  # whom it speaks of: hash of the CRL issuer's name; (issuer's key hash, serial) of an OCSP answer
    kind: str  # "crl" or "ocsp"
    since: datetime
    until: datetime | None
    loaded: Any


def judge_status(
    certificate: Certificate,
    tree: TrustTree,
    at: datetime,
    *,
    crls: Sequence[bytes] = (),
    ocsps: Sequence[bytes] = (),
    grace: timedelta = timedelta(0),
) -> CertificateStatus:
    """What this evidence says of a certificate at a time.

    ``crls`` are PEM or DER, ``ocsps`` DER responses. What cannot be read, is not signed by whom it must be, is stale, from
    the future or about others, is no evidence. *Unknown* where the evidence does not reach: the same call with better
    evidence may answer. A certificate outside its dates is judged at the nearest of its days: its dates are the
    verifier's to name.
    """
    pieces = [*_crls(crls), *_ocsps(ocsps)]
    moment = min(max(at, certificate.not_before), certificate.not_after).astimezone(UTC)
    context = ValidationContext(
        trust_roots=[_x509(anchor.der) for anchor in tree.anchors],
        other_certs=[_x509(between.der) for between in tree.intermediates],
        crls=[piece.loaded for piece in pieces if piece.kind == "crl"],
        ocsps=[piece.loaded for piece in pieces if piece.kind == "ocsp"],
        moment=moment,
        allow_fetching=False,
        revocation_mode="require",
    )

    def verdict(
        status: StatusWord, reason: str, used: Iterable[_Piece] = (), revoked_at: datetime | None = None
    ) -> CertificateStatus:
        used = list(used)
        until = min((piece.until for piece in used if piece.until is not None), default=None)
        return CertificateStatus(
            fingerprint=certificate.fingerprint,
            status=status,
            as_of=at,
            until=until if status is not StatusWord.UNKNOWN else None,
            grace_until=until + grace if status is StatusWord.GOOD and until is not None and grace else None,
            reason=reason,
            source=_source(used),
            revoked_at=revoked_at,
            evidence=tuple(sorted(piece.digest for piece in used)),
        )

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            driven(CertificateValidator(_x509(certificate.der), validation_context=context).async_validate_path())
    except RevokedError as error:
        return verdict(StatusWord.BAD, "revoked", _relied_on(certificate, tree, pieces, moment), error.revocation_dt)
    except InsufficientRevinfoError:
        return verdict(StatusWord.UNKNOWN, "evidence-unusable" if pieces else "source-down")
    except (ValidationError, PathError) as error:  # no issuer, a wrong signature, a forbidden algorithm, dates …
        log.info("no path for %s: %s", certificate.fingerprint, type(error).__name__)
        return verdict(StatusWord.BAD, "no-path")
    except Exception as error:  # noqa: BLE001 - other people's bytes; a library that stumbles has not judged
        log.warning("no verdict on %s: %s", certificate.fingerprint, type(error).__name__)
        return verdict(StatusWord.UNKNOWN, "evidence-unusable")
    used = list(_relied_on(certificate, tree, pieces, moment))
    return verdict(StatusWord.GOOD, "good-by-ocsp" if _source(used) == "ocsp" else "good-by-crl", used)


def answers_nonce(response: bytes, nonce: bytes) -> bool:
    """Whether an OCSP response is to this request. One without a nonce counts: many responders sign ahead (RFC 5019)."""
    try:
        loaded = asn1_ocsp.OCSPResponse.load(response)
        found = loaded.nonce_value
        return found is None or found.native == nonce
    except (ValueError, TypeError, AttributeError):
        return False


def revocation_addresses(certificate: Certificate) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where a certificate says that news of it are to be had: (CRL addresses, OCSP addresses), HTTP only."""
    loaded = _x509(certificate.der)
    crls: list[str] = []
    try:
        for point in loaded.crl_distribution_points:
            crls += [url] if (url := point.url) else []
        ocsps = list(loaded.ocsp_urls)
    except (ValueError, TypeError):
        return (), ()
    return tuple(filter(_is_http, crls)), tuple(filter(_is_http, ocsps))


def issuer_of(certificate: Certificate, tree: TrustTree) -> Certificate | None:
    """The certificate in the tree that issued this one, by name and key; None when there is none."""
    for candidate in (*tree.intermediates, *tree.anchors):
        if candidate.x509.subject == certificate.x509.issuer:
            try:
                certificate.x509.verify_directly_issued_by(candidate.x509)
            except (InvalidSignature, ValueError, TypeError):  # another key under the same name
                continue
            return candidate
    return None


def chain_of(certificate: Certificate, tree: TrustTree) -> tuple[Certificate, ...]:
    """The certificate and those above it in the tree, the anchor left out: the ones whose status matters."""
    chain = [certificate]
    while (issuer := issuer_of(chain[-1], tree)) is not None and issuer not in tree.anchors and len(chain) < 8:
        chain.append(issuer)
    return tuple(chain)


def end_entities(tree: TrustTree) -> tuple[Certificate, ...]:
    """Certificates that were loaded with a tree and issue nothing: time-stamping services."""
    return tuple(one for one in tree.intermediates if not one.is_ca)


# Evidence -------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _x509(der: bytes) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(der)


def _der(data: bytes) -> bytes:
    return bytes(asn1_pem.unarmor(data)[2]) if asn1_pem.detect(data) else data


def _crls(bodies: Iterable[bytes]) -> Iterator[_Piece]:
    for data in bodies:
        try:
            if len(data) > EVIDENCE_BYTES:
                continue
            found = asn1_crl.CertificateList.load(_der(data), strict=True)
            body = found["tbs_cert_list"]
            until = body["next_update"].native
            yield _Piece(
                digest=hashlib.sha256(data).hexdigest(),
                about=found.issuer.sha256,
                kind="crl",
                since=body["this_update"].native,
                until=until,
                loaded=found,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            continue


def _ocsps(bodies: Iterable[bytes]) -> Iterator[_Piece]:
    for data in bodies:
        try:
            if len(data) > EVIDENCE_BYTES:
                continue
            found = asn1_ocsp.OCSPResponse.load(_der(data), strict=True)
            responses = found.basic_ocsp_response["tbs_response_data"]["responses"]
            single = responses[0]
            if single["cert_status"].name == "unknown":  # the responder does not know it: no evidence either way
                continue
            yield _Piece(
                digest=hashlib.sha256(data).hexdigest(),
                about=(single["cert_id"]["issuer_key_hash"].native, single["cert_id"]["serial_number"].native),
                kind="ocsp",
                since=single["this_update"].native,
                until=single["next_update"].native,
                loaded=found,
            )
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            continue


def _relied_on(certificate: Certificate, tree: TrustTree, pieces: Iterable[_Piece], at: datetime) -> Iterator[_Piece]:
    """The pieces in force at this time that speak of the certificate or of those above it."""
    wanted: set[object] = set()
    for one in chain_of(certificate, tree):
        issuer = issuer_of(one, tree)
        if issuer is None:
            continue
        wanted.add(_x509(issuer.der).subject.sha256)
        if revocation_addresses(one)[1]:  # the validator looks at OCSP where the certificate names a responder
            key = _x509(issuer.der).public_key
            wanted |= {(getattr(key, algorithm), one.x509.serial_number) for algorithm in ("sha1", "sha256")}
    for piece in pieces:
        if piece.about in wanted and piece.since <= at and (piece.until is None or at <= piece.until):
            yield piece


def _source(pieces: Iterable[_Piece]) -> str:
    kinds = {piece.kind for piece in pieces}
    return "ocsp" if "ocsp" in kinds else "crl" if kinds else "none"


def _is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))
