"""Path and revocation of a certificate at a time, given the evidence: good, bad or unknown. Off the hot path; fetches nothing."""

from __future__ import annotations

import asyncio
import hashlib
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import pem as asn1_pem
from asn1crypto import x509 as asn1_x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import (
    ExpiredError,
    InsufficientRevinfoError,
    NotYetValidError,
    PathBuildingError,
    RevokedError,
)

from signing.certificates import Certificate
from signing.trust import CertificateStatus, Status, TrustTree


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

    ``crls`` are PEM or DER, ``ocsps`` DER responses; what cannot be read or belongs to others is passed over. *Unknown* where the
    evidence does not reach: it is missing, too old, or from after ``at``. A certificate outside its dates is judged by its path
    alone: its dates are the verifier's to name. The algorithm is pyhanko-certvalidator's.
    """
    read_crls = [found for data in crls if (found := _crl(data)) is not None]
    read_ocsps = [found for data in ocsps if (found := _ocsp(data)) is not None]
    moment = min(max(at, certificate.not_before), certificate.not_after).astimezone(UTC)
    context = ValidationContext(
        trust_roots=[_x509(anchor) for anchor in tree.anchors],
        other_certs=[_x509(between) for between in tree.intermediates],
        crls=read_crls,
        ocsps=read_ocsps,
        moment=moment,
        allow_fetching=False,
        revocation_mode="require",
    )
    used = _evidence(read_crls, read_ocsps)
    as_of = max((since for since, _ in used.values() if since <= at), default=at)
    until = min((end for _, end in used.values() if end is not None and end >= at), default=None)
    digests = tuple(sorted(used))
    source = "ocsp" if read_ocsps and not read_crls else "crl" if read_crls else "path"

    def verdict(status: Status, reason: str, revoked_at: datetime | None = None) -> CertificateStatus:
        return CertificateStatus(
            fingerprint=certificate.fingerprint,
            status=status,
            as_of=as_of,
            until=until if status is Status.GOOD else None,
            grace_until=until + grace if status is Status.GOOD and until is not None and grace else None,
            reason=reason,
            source=source,
            revoked_at=revoked_at,
            evidence=digests,
        )

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            asyncio.run(CertificateValidator(_x509(certificate), validation_context=context).async_validate_path())
    except RevokedError as error:
        return verdict(Status.BAD, "revoked", error.revocation_dt)
    except InsufficientRevinfoError:
        return verdict(Status.UNKNOWN, "no-evidence")
    except (ExpiredError, NotYetValidError, PathBuildingError):
        return verdict(Status.BAD, "no-path")
    except Exception:  # whatever a library thinks of a certificate that an operator registered: it is not vouched for
        return verdict(Status.BAD, "no-path")
    return verdict(Status.GOOD, "ok")


@cache
def _x509(certificate: Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.der)


def _der(data: bytes) -> bytes:
    return asn1_pem.unarmor(data)[2] if asn1_pem.detect(data) else data


def _crl(data: bytes) -> asn1_crl.CertificateList | None:
    try:
        found = asn1_crl.CertificateList.load(_der(data))
        return found if found["tbs_cert_list"].native is not None else None
    except (ValueError, TypeError):
        return None


def _ocsp(data: bytes) -> asn1_ocsp.OCSPResponse | None:
    try:
        found = asn1_ocsp.OCSPResponse.load(_der(data))
        return found if found.basic_ocsp_response is not None else None
    except (ValueError, TypeError):
        return None


def _evidence(
    crls: Sequence[asn1_crl.CertificateList], ocsps: Sequence[asn1_ocsp.OCSPResponse]
) -> dict[str, tuple[datetime, datetime | None]]:
    """SHA-256 of each piece -> (this update, next update)."""
    found: dict[str, tuple[datetime, datetime | None]] = {}
    for listed in crls:
        body = listed["tbs_cert_list"]
        found[hashlib.sha256(listed.dump()).hexdigest()] = (body["this_update"].native, body["next_update"].native)
    for answer in ocsps:
        for single in answer.basic_ocsp_response["tbs_response_data"]["responses"]:
            found[hashlib.sha256(answer.dump()).hexdigest()] = (
                single["this_update"].native,
                single["next_update"].native,
            )
    return found
