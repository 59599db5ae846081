"""The floor of one message: what the hot primitives alone cost, in µs of CPU (docs/en/performance.md).

A bound, not a design: parse and schema, SHA-256, two canonicalisations and one signature check under one fixed profile, one
bare signature for the receipt, and five rows in a commit shared by fifty messages. No allow-list, no registry, no routing.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from lxml import etree

DS = "{http://www.w3.org/2000/09/xmldsig#}"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """µs of CPU per message, by primitive."""

    parse_xsd: float
    sha256: float
    verify: float
    sign: float
    commit: float
    in_turn: float  # the same without the commit, message by message instead of each primitive in a loop of its own

    @property
    def total(self) -> float:
        """Everything but HTTP, which is measured through a server."""
        return self.parse_xsd + self.sha256 + self.verify + self.sign + self.commit


def measure(bodies: Sequence[bytes], schema: etree.XMLSchema, receipt_key: ec.EllipticCurvePrivateKey) -> Floor:
    """The floor over these signed documents."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    roots = [etree.fromstring(body, parser) for body in bodies]

    def parse_xsd() -> None:
        for body in bodies:
            if not schema.validate(etree.fromstring(body, parser)):
                raise AssertionError(schema.error_log)

    def sha256() -> None:
        for body in bodies:
            hashlib.sha256(body).hexdigest()

    def verify() -> None:
        for root in roots:
            _verify(root)

    def sign() -> None:
        for body in bodies:
            receipt_key.sign(body[:2048], ec.ECDSA(hashes.SHA256()))

    again = [etree.fromstring(body, parser) for body in bodies]

    def in_turn() -> None:
        for body, root in zip(bodies, again, strict=True):
            schema.validate(etree.fromstring(body, parser))
            hashlib.sha256(body).hexdigest()
            _verify(root)
            receipt_key.sign(body[:2048], ec.ECDSA(hashes.SHA256()))

    verifying = _cpu(verify, len(bodies), rounds=1)  # it takes the Signature out of its tree: once only
    return Floor(
        parse_xsd=_cpu(parse_xsd, len(bodies)),
        sha256=_cpu(sha256, len(bodies)),
        verify=verifying,
        sign=_cpu(sign, len(bodies)),
        commit=_commit(bodies),
        in_turn=_cpu(in_turn, len(bodies), rounds=1),
    )


def _cpu(work: Callable[[], None], count: int, rounds: int = 3) -> float:
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return 1e6 * best / count


def _verify(root: etree._Element) -> None:
    """One fixed profile: enveloped, exclusive C14N, the key of the certificate inside."""
    signature = root[-1]
    info = signature.find(f"{DS}SignedInfo")
    if info is None or info.find(f"{DS}CanonicalizationMethod").get("Algorithm") != EXCLUSIVE:  # type: ignore[union-attr]
        raise AssertionError("the floor knows exclusive C14N only")
    signed = etree.tostring(info, method="c14n", exclusive=True)
    value = base64.b64decode(signature.findtext(f"{DS}SignatureValue") or "")
    der = base64.b64decode(signature.findtext(f".//{DS}X509Certificate") or "")
    digests = [base64.b64decode(text) for text in info.xpath("//*[local-name()='DigestValue']/text()")]
    root.remove(signature)
    method = info.find(f"{DS}SignatureMethod").get("Algorithm")  # type: ignore[union-attr]
    algorithm = hashes.SHA384() if "384" in method else hashes.SHA256()
    covered = hashlib.new(algorithm.name, etree.tostring(root, method="c14n", exclusive=True)).digest()
    if covered not in digests:
        raise AssertionError("the digest does not fit")
    key = x509.load_der_x509_certificate(der).public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        half = len(value) // 2
        pair = utils.encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))
        key.verify(pair, signed, ec.ECDSA(algorithm))
    elif isinstance(key, rsa.RSAPublicKey):
        filling = (
            padding.PSS(padding.MGF1(algorithm), algorithm.digest_size) if "MGF1" in method else padding.PKCS1v15()
        )
        key.verify(value, signed, filling, algorithm)
    else:
        raise TypeError("the floor knows RSA and ECDSA only")


def _commit(bodies: Sequence[bytes]) -> float:
    """Body, message, two journal rows and an outbox row each; SQLite, WAL, FULL, fifty messages a commit."""
    with tempfile.TemporaryDirectory(prefix="lienthong-floor-") as folder:
        base = sqlite3.connect(Path(folder) / "floor.sqlite3", isolation_level=None)
        base.execute("pragma journal_mode=wal")
        base.execute("pragma synchronous=full")
        base.execute("create table body (digest text primary key, bytes blob)")
        base.execute("create table message (id text primary key, digest text, sender text, at text)")
        base.execute("create table journal (id integer primary key, message text, what text)")
        base.execute("create table outbox (id integer primary key, message text, party text)")
        started = time.process_time()
        for first in range(0, len(bodies), BATCH):
            batch = bodies[first : first + BATCH]
            ids = [f"m{first + n}" for n in range(len(batch))]
            base.execute("begin immediate")
            base.executemany("insert into body values (?, ?)", list(zip(ids, batch, strict=True)))
            base.executemany("insert into message values (?, ?, 'p', 't')", [(i, i) for i in ids])
            base.executemany("insert into journal (message, what) values (?, 'x')", [(i,) for i in ids for _ in (1, 2)])
            base.executemany("insert into outbox (message, party) values (?, 'p')", [(i,) for i in ids])
            base.execute("commit")
        spent = time.process_time() - started
        base.close()
    return 1e6 * spent / len(bodies)
