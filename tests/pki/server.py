"""A certification authority's services on loopback, honest or wrong on purpose: CRL, OCSP and RFC 3161 time-stamps.

    with server.serve() as authority:
        authority.crl("issuing-b")            -> address of the CRL
        authority.fault = "stale"             -> what is wrong from now on

Faults: "stale", "future", "wrong-responder", "wrong-nonce", "no-nonce", "unknown", "garbage", "empty", "huge", "slow", "down",
"status-500", "redirect", "other-certificate", "wrong-imprint"; and those of tests/pki/odd.py: "no-next-update", "stranger-first",
"good-and-revoked".
"""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

import odd
import pki
from asn1crypto import cms
from asn1crypto import keys as asn1_keys
from asn1crypto import tsp as asn1_tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID
from patience import PATIENCE_S
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

HUGE = 64 * 2**20
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Authority:
    """What is served, and how wrongly."""

    address: str = ""
    fault: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    revoked: dict[int, datetime] = field(default_factory=dict)  # serial -> since when
    asked: list[str] = field(default_factory=list)
    lasts: timedelta = DAY
    stop: threading.Event = field(default_factory=threading.Event)

    def crl(self, issuer: str) -> str:
        """The address of an issuer's revocation list."""
        return f"{self.address}/crl/{issuer}.crl"

    def ocsp(self, tree: str = "b") -> str:
        """The address of a tree's OCSP responder."""
        return f"{self.address}/ocsp/{tree}"

    @property
    def tsa(self) -> str:
        """The address of the time-stamping service."""
        return f"{self.address}/tsa"

    def dates(self) -> tuple[datetime, datetime]:
        """thisUpdate and nextUpdate of what is made now."""
        if self.fault == "stale":
            return self.now - 3 * DAY, self.now - 2 * DAY
        if self.fault == "future":
            return self.now + DAY, self.now + 2 * DAY
        return self.now - HOUR, self.now - HOUR + self.lasts

    def make_crl(self, issuer: str) -> bytes:
        """A revocation list, DER."""
        signer = "root-stranger" if self.fault == "wrong-responder" else issuer
        since, until = self.dates()
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(pki.certificate(issuer).subject)
            .last_update(since)
            .next_update(until)
        )
        for serial, when in self.revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
            builder = builder.add_revoked_certificate(
                entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False).build()
            )
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(pki.certificate(issuer).public_key()), critical=False
        )
        builder = builder.add_extension(x509.CRLNumber(int(self.now.timestamp())), critical=False)
        made = builder.sign(pki.maker.load_key(signer), hashes.SHA256()).public_bytes(Encoding.DER)
        return odd.without_end(made, signer) if self.fault == "no-next-update" else made

    def make_ocsp(self, request: bytes, tree: str) -> bytes:
        """An OCSP response to this request."""
        asked = ocsp.load_der_ocsp_request(request)
        named = responder("a" if (tree == "a") != (self.fault == "wrong-responder") else "b")
        serial = asked.serial_number + (1 if self.fault == "other-certificate" else 0)
        since, until = self.dates()
        if self.fault in odd.FAULTS:
            own = odd.Single(
                asked.serial_number,
                issuer=f"issuing-{tree}",
                revoked_at=self.revoked.get(serial),
                since=since,
                until=until,
            )
            return odd.answer(*odd.FAULTS[self.fault](own), signer=named)
        status = ocsp.OCSPCertStatus.GOOD
        if self.fault == "unknown":
            status = ocsp.OCSPCertStatus.UNKNOWN
        elif serial in self.revoked:
            status = ocsp.OCSPCertStatus.REVOKED
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                issuer_name_hash=asked.issuer_name_hash,
                issuer_key_hash=asked.issuer_key_hash,
                serial_number=serial,
                algorithm=asked.hash_algorithm,
                cert_status=status,
                this_update=since,
                next_update=until,
                revocation_time=self.revoked.get(serial),
                revocation_reason=x509.ReasonFlags.key_compromise if serial in self.revoked else None,
            )
            .certificates([named.certificate])
            .responder_id(ocsp.OCSPResponderEncoding.HASH, named.certificate)
        )
        if self.fault != "no-nonce":
            try:
                nonce = asked.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
                if self.fault == "wrong-nonce":
                    nonce = bytes(len(nonce))
                builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
            except x509.ExtensionNotFound:
                pass
        return builder.sign(named.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def make_stamp(self, request: bytes) -> bytes:
        """A time-stamp response to this request."""
        asked = asn1_tsp.TimeStampReq.load(request)
        imprint = asked["message_imprint"]
        digest = imprint["hashed_message"].native
        if self.fault == "wrong-imprint":
            digest = bytes(len(digest))
        asked["message_imprint"]["hashed_message"] = digest
        return respond(asked, self.now).dump()


@cache
def responder(tree: str) -> pki.Signer:
    """A tree's OCSP responder; its own status is not to be asked (id-pkix-ocsp-nocheck)."""
    folder = pki.private_folder() / "responders"
    folder.mkdir(exist_ok=True)
    return pki.mint(
        pki.Leaf(
            name=f"responder-{tree}",
            subject=f"TEST Responder {tree}",
            issuer=f"issuing-{tree}",
            purposes=(ExtendedKeyUsageOID.OCSP_SIGNING,),
            extensions=(x509.OCSPNoCheck(),),
        ),
        folder,
    )


def with_addresses(
    authority: Authority, name: str, tree: str = "b", *, crl: bool = True, ocsp: bool = True
) -> pki.Signer:
    """A fresh signer whose certificate names this authority's CRL and OCSP addresses."""
    extensions: list[x509.ExtensionType] = []
    if crl:
        place = x509.UniformResourceIdentifier(authority.crl(f"issuing-{tree}"))
        extensions.append(x509.CRLDistributionPoints([x509.DistributionPoint([place], None, None, None)]))
    if ocsp:
        place = x509.UniformResourceIdentifier(authority.ocsp(tree))
        extensions.append(
            x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)])
        )
    folder = pki.private_folder() / f"with-addresses-{next(_numbers)}"
    folder.mkdir()
    return pki.mint(pki.Leaf(name=name, subject=name, issuer=f"issuing-{tree}", extensions=tuple(extensions)), folder)


_numbers = itertools.count(1)


def respond(request: asn1_tsp.TimeStampReq, at: datetime, *, signer: str = "tsa") -> asn1_tsp.TimeStampResp:
    """A time-stamp response by one of the test PKI's RSA keys."""
    named = pki.signer(signer)
    key = named.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    beside = SimpleCertificateStore()
    for certificate in pki.tree_certificates("quoc-gia")[1:]:
        beside.register(asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)))
    maker = DummyTimeStamper(
        asn1_x509.Certificate.load(named.der), asn1_keys.PrivateKeyInfo.load(key), beside, fixed_dt=at
    )
    return asyncio.run(maker.async_request_tsa_response(request))


def token(digest: bytes, at: datetime, *, algorithm: str = "sha256", signer: str = "tsa") -> cms.ContentInfo:
    """An RFC 3161 token over a digest."""
    imprint = {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": digest}
    request = asn1_tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "cert_req": True})
    return respond(request, at, signer=signer)["time_stamp_token"]


def stamper(at: datetime, *, signer: str = "tsa", algorithm: str = "sha256"):
    """A time-stamping service as ``signing.sign`` takes it: octets in, the DER of a token out."""
    return lambda octets: token(hashlib.new(algorithm, octets).digest(), at, algorithm=algorithm, signer=signer).dump()


class _Handler(http.server.BaseHTTPRequestHandler):
    authority: Authority

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _serve(self, body: bytes) -> None:
        authority = self.authority
        authority.asked.append(f"{self.command} {self.path}")
        fault = authority.fault
        if fault == "down":
            self.connection.close()
            return
        if fault == "slow":
            authority.stop.wait(PATIENCE_S)
            return
        if fault in ("status-500", "redirect"):
            self.send_response(500 if fault == "status-500" else 302)
            self.send_header("Location", f"{authority.address}/elsewhere")
            self.end_headers()
            return
        kind, _, rest = self.path.removeprefix("/").partition("/")
        try:
            if fault == "huge":
                answer = None
            elif fault in ("garbage", "empty"):
                answer = b"\x30\x82garbage" if fault == "garbage" else b""
            elif kind == "crl":
                answer = authority.make_crl(rest.removesuffix(".crl"))
            elif kind == "ocsp":
                answer = authority.make_ocsp(body, rest)
            elif kind == "tsa":
                answer = authority.make_stamp(body)
            else:
                self.send_error(404)
                return
        except Exception as error:  # noqa: BLE001 - shown to the test that caused it
            self.send_error(500, type(error).__name__)
            return
        self.send_response(200)
        length = HUGE if answer is None else len(answer)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        try:
            if answer is None:
                for _ in range(HUGE // 65536):
                    self.wfile.write(bytes(65536))
            else:
                self.wfile.write(answer)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serve(now: datetime | None = None) -> Iterator[Authority]:
    """The services, running until the block ends."""
    authority = Authority()
    if now is not None:
        authority.now = now
    handler = type("Handler", (_Handler,), {"authority": authority})
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    listening.daemon_threads = True
    authority.address = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield authority
    finally:
        authority.stop.set()
        listening.shutdown()
        listening.server_close()
        thread.join()
