"""Path and revocation of a certificate at a time, given the evidence: good, bad or unknown.

Off the hot path, and it fetches nothing: what was fetched comes in as bytes. Paths and revocation lists are
pyhanko-certvalidator's work (RFC 5280); every OCSP answer is read here by its CertID (RFC 6960), because that library
knows two digests of a CertID and stops at the first answer that says good. Here each piece of evidence is asked by
itself, the worst of what they say counts, every piece has an end, and what is missing is named.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import pem as asn1_pem
from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import CRLNoMatchesError, PathError, RevokedError, ValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule
from pyhanko_certvalidator.revinfo.archival import CRLContainer, RevinfoUsability, RevinfoUsabilityRating
from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
from pyhanko_certvalidator.sig_validate import DefaultSignatureValidator
from pyhanko_certvalidator.validate import async_validate_path

from signing.certificates import Certificate
from signing.driven import driven
from signing.trust import CertificateStatus, Gap, StatusWord, TrustTree

logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)  # it logs names and tracebacks

log = logging.getLogger("lienthong.trust")

EVIDENCE_BYTES: Final = 32 * 2**20  # a national CRL may be long; a longer one is not evidence but an attack
LASTS: Final = timedelta(
    hours=24
)  # evidence that names no end counts so long from its thisUpdate on, unless a setting says
SKEW: Final = timedelta(seconds=1)  # thisUpdate is written in whole seconds
CHAIN: Final = 8  # certificates from a leaf to its anchor

# An evidence's own signer is judged like anybody; that it is asked about only so deep keeps circles from turning for ever.
_DEPTH: Final = 3
_CERT_ID_DIGESTS: Final = frozenset({"sha1", "sha256", "sha384", "sha512"})
_PATH_ALONE: Final = CertRevTrustPolicy(
    revocation_checking_policy=RevocationCheckingPolicy(
        ee_certificate_rule=RevocationCheckingRule.NO_CHECK, intermediate_ca_cert_rule=RevocationCheckingRule.NO_CHECK
    )
)
# Why nothing that came counts, the most telling first.
_WHY: Final = ("says-unknown", "unproven", "stale", "future", "absent")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """One CRL, or one SingleResponse of an OCSP answer."""

    digest: str  # SHA-256 of the bytes it came in
    kind: str  # "crl" or "ocsp"
    since: datetime
    until: datetime
    loaded: Any  # the CRL; the whole OCSP answer
    single: Any = None
    delta: bool = False  # of a CRL: only what has changed since another one

    def why_not(self, moment: datetime) -> str | None:
        """Why it does not count at this time; None when it does."""
        if self.since > moment + SKEW:
            return "future"
        return None if moment <= self.until else "stale"


class _InForce(CRLContainer):
    """A list whose dates were looked at before: the library gives one without nextUpdate half an hour."""

    def usable_at(self, *_: Any, **__: Any) -> RevinfoUsability:
        return RevinfoUsability(RevinfoUsabilityRating.OK)


@dataclass(slots=True)
class _Known:
    """What the evidence says of one certificate under one issuer."""

    good: list[_Piece] = field(default_factory=list)
    revoked: list[tuple[datetime, _Piece]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # words of _WHY

    @property
    def why(self) -> str:
        return next((word for word in _WHY if word in self.refused), "absent")


def judge_status(
    certificate: Certificate,
    tree: TrustTree,
    at: datetime,
    *,
    crls: Sequence[bytes] = (),
    ocsps: Sequence[bytes] = (),
    grace: timedelta = timedelta(0),
    lasts: timedelta = LASTS,
) -> CertificateStatus:
    """What this evidence says of a certificate at a time.

    ``crls`` are PEM or DER, ``ocsps`` DER responses. What cannot be read, is not signed by whom it must be, is stale, from
    the future or about others, is no evidence; what names no end (nextUpdate) ends ``lasts`` after its thisUpdate. Of
    answers that contradict each other the worst counts. *Unknown* where the evidence does not reach, with every
    certificate of the chain for which some is missing: the same call with better evidence may answer. *Good* always has
    an end, a source and evidence. A certificate outside its dates is judged at the nearest of its days: its dates are the
    verifier's to name.
    """
    moment = min(max(at, certificate.not_before), certificate.not_after).astimezone(UTC)
    judge = _Judge(tree, [*_crls(crls, lasts), *_ocsps(ocsps, lasts)], moment)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = judge.judge(certificate)
    until = min((piece.until for piece in found.used), default=None)
    return CertificateStatus(
        fingerprint=certificate.fingerprint,
        status=found.status,
        as_of=at,
        until=until if found.status is not StatusWord.UNKNOWN else None,
        grace_until=until + grace if found.status is StatusWord.GOOD and until is not None and grace else None,
        reason=found.reason,
        source=_source(found.used),
        revoked_at=found.revoked_at,
        evidence=tuple(sorted({piece.digest for piece in found.used}))
        if found.status is not StatusWord.UNKNOWN
        else (),
        gaps=found.gaps,
        lasts=lasts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    status: StatusWord
    reason: str
    used: tuple[_Piece, ...] = ()
    revoked_at: datetime | None = None
    gaps: tuple[Gap, ...] = ()


class _Judge:
    """One judgement: a tree, the evidence, a time."""

    def __init__(self, tree: TrustTree, pieces: Sequence[_Piece], moment: datetime) -> None:
        self.tree = tree
        self.pieces = pieces
        self.moment = moment
        self.deltas = [piece for piece in pieces if piece.delta]
        self.named = {one.fingerprint: one.subject for one in (*tree.anchors, *tree.intermediates)}

    def judge(self, certificate: Certificate) -> _Found:
        """The best that any path says: a second path stands where a first one's issuer is revoked or unknown."""
        self.named[certificate.fingerprint] = certificate.subject
        try:
            paths = list(self._paths(_x509(certificate.der)))
        except (ValidationError, PathError, ValueError) as error:
            log.info("no path for %s: %s", certificate.fingerprint, type(error).__name__)
            return _Found(status=StatusWord.BAD, reason="no-path")
        except Exception as error:  # noqa: BLE001 - other people's bytes; a library that stumbles has not judged
            log.warning("no verdict on %s: %s", certificate.fingerprint, type(error).__name__)
            gap = Gap(fingerprint=certificate.fingerprint, subject=certificate.subject, why="unproven")
            return _Found(status=StatusWord.UNKNOWN, reason="evidence-unusable", gaps=(gap,))
        if not paths:
            return _Found(status=StatusWord.BAD, reason="no-path")
        order = (StatusWord.GOOD, StatusWord.UNKNOWN, StatusWord.BAD)
        return min((self._along(path) for path in paths), key=lambda found: order.index(found.status))

    def _along(self, path: ValidationPath) -> _Found:
        """What is known of every certificate of a path but its anchor."""
        chain = list(path.iter_certs(include_root=False))[::-1]
        if not chain:  # the certificate is an anchor: nobody above it can say that it is good
            (anchor,) = path.iter_certs(include_root=True)
            return _Found(status=StatusWord.UNKNOWN, reason="evidence-unusable", gaps=(self._gap(anchor, "anchor"),))
        used: list[_Piece] = []
        gaps: list[Gap] = []
        for one in chain:
            known = self._known(one, path)
            if known.revoked:
                when = min(date for date, _ in known.revoked)
                pieces = tuple(piece for _, piece in known.revoked)
                return _Found(status=StatusWord.BAD, reason="revoked", used=pieces, revoked_at=when)
            used += known.good
            if not known.good:
                gaps.append(self._gap(one, known.why))
        if gaps:
            reason = "evidence-unusable" if self.pieces else "source-down"
            return _Found(status=StatusWord.UNKNOWN, reason=reason, gaps=tuple(gaps))
        reason = "good-by-ocsp" if _source(used) == "ocsp" else "good-by-crl"
        return _Found(status=StatusWord.GOOD, reason=reason, used=tuple(used))

    def _gap(self, one: asn1_x509.Certificate, why: str) -> Gap:
        fingerprint = one.sha256.hex()
        return Gap(fingerprint=fingerprint, subject=self.named.get(fingerprint, one.subject.human_friendly), why=why)

    def _known(self, one: asn1_x509.Certificate, path: ValidationPath, depth: int = 0) -> _Known:
        """What each piece of evidence says of a certificate of this path, each by itself."""
        issuer = path.find_issuing_authority(one).certificate
        known = _Known()
        for piece in self.pieces:
            try:
                if not (_is_about(piece, one, issuer) if piece.kind == "ocsp" else _may_list(piece, issuer)):
                    continue
                if (why := piece.why_not(self.moment)) is not None:
                    known.refused.add(why)
                elif piece.kind == "ocsp":
                    self._by_ocsp(piece, issuer, known, depth)
                elif not piece.delta:
                    self._by_crl(piece, one, path, issuer, known, depth)
            except Exception as error:  # noqa: BLE001 - other people's bytes: a piece that cannot be judged is no evidence
                log.info("evidence %s cannot be judged: %s", piece.digest, type(error).__name__)
                known.refused.add("unproven")
        return known

    def _by_ocsp(self, piece: _Piece, issuer: asn1_x509.Certificate, known: _Known, depth: int) -> None:
        beside = self._authorised(piece, issuer, depth)
        status = piece.single["cert_status"]
        if beside is None:
            known.refused.add("unproven")
        elif status.name == "revoked":
            known.revoked.append((status.chosen["revocation_time"].native, piece))
        elif status.name == "good":
            known.good += [piece, *beside]
        else:  # the responder does not know it: no evidence either way
            known.refused.add("says-unknown")

    def _authorised(self, piece: _Piece, issuer: asn1_x509.Certificate, depth: int) -> list[_Piece] | None:
        """None when nobody signed this answer who may; else the evidence that its signer rests on (RFC 6960, 4.2.2.2)."""
        basic = piece.loaded.basic_ocsp_response
        named = basic["tbs_response_data"]["responder_id"]
        for signer in (issuer, *(basic["certs"] or ())):
            if not _is_named(named, signer) or not _signed_by(basic, signer):
                continue
            if signer.public_key.dump() == issuer.public_key.dump():
                return []
            uses = signer.extended_key_usage_value
            if uses is None or "ocsp_signing" not in uses.native:
                continue
            for path in self._ways(signer):
                above = path.find_issuing_authority(signer).certificate
                if above.public_key.dump() != issuer.public_key.dump():
                    continue
                if signer.ocsp_no_check_value is not None:
                    return []
                if (rests_on := self._in_good_standing(signer, path, depth)) is not None:
                    return rests_on
        return None

    def _by_crl(
        self,
        piece: _Piece,
        one: asn1_x509.Certificate,
        path: ValidationPath,
        issuer: asn1_x509.Certificate,
        known: _Known,
        depth: int,
    ) -> None:
        context = self._context([piece, *(delta for delta in self.deltas if delta.why_not(self.moment) is None)])
        revoked_at: datetime | None = None
        try:
            driven(verify_crl(one, path, context))
        except CRLNoMatchesError:
            return
        except RevokedError as error:
            revoked_at = error.revocation_dt
        except (ValidationError, PathError):
            known.refused.add("unproven")
            return
        signer = context.revinfo_manager.check_crl_issuer(piece.loaded)
        beside: list[_Piece] | None = []
        if signer is not None and signer.public_key.dump() != issuer.public_key.dump():  # a key of its own for lists
            ways = (self._in_good_standing(signer, way, depth) for way in self._ways(signer))
            beside = next((way for way in ways if way is not None), None)
        if beside is None:
            known.refused.add("unproven")
        elif revoked_at is not None:
            known.revoked.append((revoked_at, piece))
        else:
            known.good += [piece, *beside]

    def _in_good_standing(self, signer: asn1_x509.Certificate, path: ValidationPath, depth: int) -> list[_Piece] | None:
        """The evidence by which a signer of evidence is good; None when it is not known to be."""
        if depth >= _DEPTH:
            return None
        known = self._known(signer, path, depth + 1)
        return known.good if known.good and not known.revoked else None

    def _ways(self, one: asn1_x509.Certificate) -> list[ValidationPath]:
        """The valid paths to a signer of evidence; empty when there is none."""
        try:
            return list(self._paths(one))
        except (ValidationError, PathError):
            return []

    def _paths(self, one: asn1_x509.Certificate) -> Iterator[ValidationPath]:
        """Every valid path from an anchor. Raises ValidationError or PathError when there is none."""
        context = self._context(())
        failed: Exception | None = None
        valid = 0
        for path in driven(context.path_builder.async_build_paths(one)):
            try:
                driven(async_validate_path(context, path))
            except (ValidationError, PathError) as error:
                failed = error
                continue
            valid += 1
            yield path
        if failed is not None and not valid:
            raise failed

    def _context(self, lists: Iterable[_Piece]) -> ValidationContext:
        return ValidationContext(
            trust_roots=[_x509(anchor.der) for anchor in self.tree.anchors],
            other_certs=[_x509(between.der) for between in self.tree.intermediates],
            crls=[_InForce(piece.loaded) for piece in lists],
            moment=self.moment,
            allow_fetching=False,
            revinfo_policy=_PATH_ALONE,
        )


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
        above, below = _x509(candidate.der), _x509(certificate.der)
        if above.subject == below.issuer and _issued(below, above):  # not another key under the same name
            return candidate
    return None


def _issued(below: asn1_x509.Certificate, above: asn1_x509.Certificate) -> bool:
    """Whether a certificate is signed by another's key; as the bytes were written, however odd."""
    try:
        DefaultSignatureValidator().validate_signature(
            signature=below["signature_value"].native,
            signed_data=below["tbs_certificate"].dump(),
            public_key_info=above.public_key,
            signature_algorithm=below["signature_algorithm"],
        )
    except (InvalidSignature, ValueError, TypeError, ValidationError):
        return False
    return True


def chain_of(certificate: Certificate, tree: TrustTree) -> tuple[Certificate, ...]:
    """The certificate and those above it in the tree, the anchor left out: the ones whose status matters."""
    chain = [certificate]
    while (issuer := issuer_of(chain[-1], tree)) is not None and issuer not in tree.anchors and len(chain) < CHAIN:
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


def _crls(bodies: Iterable[bytes], lasts: timedelta) -> Iterator[_Piece]:
    for data in bodies:
        try:
            if len(data) > EVIDENCE_BYTES:
                continue
            found = asn1_crl.CertificateList.load(_der(data), strict=True)
            body = found["tbs_cert_list"]
            since = body["this_update"].native
            yield _Piece(
                digest=hashlib.sha256(data).hexdigest(),
                kind="crl",
                since=since,
                until=body["next_update"].native or since + lasts,
                loaded=found,
                delta=found.delta_crl_indicator_value is not None,
            )
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            continue


def _ocsps(bodies: Iterable[bytes], lasts: timedelta) -> Iterator[_Piece]:
    for data in bodies:
        try:
            if len(data) > EVIDENCE_BYTES:
                continue
            found = asn1_ocsp.OCSPResponse.load(_der(data), strict=True)
            for single in found.basic_ocsp_response["tbs_response_data"]["responses"]:
                since = single["this_update"].native
                yield _Piece(
                    digest=hashlib.sha256(data).hexdigest(),
                    kind="ocsp",
                    since=since,
                    until=single["next_update"].native or since + lasts,
                    loaded=found,
                    single=single,
                )
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError):
            continue


def _is_about(piece: _Piece, one: asn1_x509.Certificate, issuer: asn1_x509.Certificate) -> bool:
    """Whether a SingleResponse names this certificate, by a CertID of any digest (RFC 6960, 4.1.1)."""
    named = piece.single["cert_id"]
    digest = named["hash_algorithm"]["algorithm"].native
    if digest not in _CERT_ID_DIGESTS or named["serial_number"].native != one.serial_number:
        return False
    names = {hashlib.new(digest, name.dump()).digest() for name in (one.issuer, issuer.subject)}
    return named["issuer_name_hash"].native in names and named["issuer_key_hash"].native == _key_hash(issuer, digest)


def _key_hash(certificate: asn1_x509.Certificate, digest: str) -> bytes:
    return hashlib.new(digest, bytes(certificate.public_key["public_key"])).digest()


def _may_list(piece: _Piece, issuer: asn1_x509.Certificate) -> bool:
    """Whether a revocation list may be about this issuer's certificates: its own, or one for several issuers."""
    point = piece.loaded.issuing_distribution_point_value
    return piece.loaded.issuer == issuer.subject or bool(point and point["indirect_crl"].native)


def _is_named(responder: Any, signer: asn1_x509.Certificate) -> bool:
    if responder.name == "by_key":
        return bool(responder.chosen.native == _key_hash(signer, "sha1"))
    return bool(responder.chosen == signer.subject)


def _signed_by(basic: Any, signer: asn1_x509.Certificate) -> bool:
    try:
        DefaultSignatureValidator().validate_signature(
            signature=basic["signature"].native,
            signed_data=basic["tbs_response_data"].dump(),
            public_key_info=signer.public_key,
            signature_algorithm=basic["signature_algorithm"],
        )
    except (InvalidSignature, ValueError, TypeError, ValidationError):
        return False
    return True


def _source(pieces: Iterable[_Piece]) -> str:
    kinds = {piece.kind for piece in pieces}
    return "ocsp" if "ocsp" in kinds else "crl" if kinds else "none"


def _is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))
