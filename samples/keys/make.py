"""Makes the throwaway test PKI of the samples: two roots, their issuers, good and bad leaves, revocation lists.

    python samples/keys/make.py            make what is missing
    python samples/keys/make.py --all      make everything anew (then every signed sample must be made anew too)

TEST ONLY. Anybody can read these private keys, so nothing that is signed with them means anything. No certificate here
comes from, imitates the key of, or is trusted by a real authority.

Root A stands for the national tree, Root B for the government's. Dates are fixed and far apart,
so that the samples are judged the same for many years; the keys are random, so they are made once and committed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from asn1crypto import core as asn1
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

HERE = Path(__file__).resolve().parent
MARK = "TEST ONLY. Throwaway key material of the Lien Thong samples. Never trust it anywhere.\n"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ROOTS_FROM, ROOTS_UNTIL = datetime(2015, 1, 1, tzinfo=UTC), datetime(2055, 1, 1, tzinfo=UTC)
ISSUERS_FROM, ISSUERS_UNTIL = datetime(2016, 1, 1, tzinfo=UTC), datetime(2054, 1, 1, tzinfo=UTC)
LEAVES_FROM, LEAVES_UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
CRL_FROM, CRL_UNTIL = datetime(2026, 4, 1, tzinfo=UTC), datetime(2046, 1, 1, tzinfo=UTC)
REVOKED_AT = datetime(2026, 3, 1, tzinfo=UTC)

DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
PERSONS = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate that issues others. ``issuer`` None: a root."""

    name: str
    subject: str
    issuer: str | None = None
    kind: str = "p384"
    crl: bool = True  # whether a revocation list of it exists
    revokes: tuple[str, ...] = ()  # leaves on that list


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """An end certificate, good or broken in exactly one way."""

    name: str
    subject: str
    issuer: str
    kind: str = "p256"
    starts: datetime = LEAVES_FROM
    ends: datetime = LEAVES_UNTIL
    usage: frozenset[str] = frozenset({"digital_signature", "content_commitment"})
    purposes: tuple[ObjectIdentifier, ...] = PERSONS
    purposes_critical: bool = False
    ca: bool = False
    sha1: bool = False  # signed by its issuer with RSA-SHA1
    extensions: tuple[x509.ExtensionType, ...] = field(default=())


AUTHORITIES = (
    Authority(name="root-a", subject="TEST Root A (national-like)", revokes=()),
    Authority(name="issuing-a", subject="TEST Issuing A1", issuer="root-a", revokes=("revoked-a",)),
    Authority(name="issuing-silent", subject="TEST Issuing A2 (publishes no CRL)", issuer="root-a", crl=False),
    Authority(name="root-b", subject="TEST Root B (government-like)", kind="rsa3072"),
    Authority(name="issuing-b", subject="TEST Issuing B1", issuer="root-b", kind="rsa2048", revokes=("revoked",)),
    Authority(name="root-stranger", subject="TEST Root of nobody", crl=False),
)

LEAVES = (
    # The parties of the demo, one algorithm each
    Leaf(name="cong-dvc", subject="Cong dich vu cong (thu nghiem)", issuer="issuing-b"),
    Leaf(name="so-tu-phap", subject="So Tu phap (thu nghiem)", issuer="issuing-b", kind="rsa2048"),
    Leaf(
        name="so-tu-phap-2", subject="So Tu phap (thu nghiem)", issuer="issuing-b", kind="rsa3072"
    ),  # roll-over: also active
    Leaf(name="ubnd-xa-thu-nghiem", subject="UBND xa Thu Nghiem", issuer="issuing-a", kind="p384"),
    Leaf(name="ubnd-xa-thu-nghiem-2", subject="UBND xa Thu Nghiem Hai", issuer="issuing-a"),
    Leaf(
        name="so-xay-dung",
        subject="So Xay dung (thu nghiem)",
        issuer="issuing-a",
        kind="p521",
        purposes=(DOCUMENT_SIGNING,),
    ),
    Leaf(name="gateway", subject="Truc lien thong tinh Dong Nai (thu nghiem)", issuer="issuing-b", purposes=()),
    Leaf(
        name="gateway-rsa",
        subject="Truc lien thong tinh Dong Nai (thu nghiem)",
        issuer="issuing-b",
        kind="rsa2048",
        purposes=(),
    ),
    # Broken in one way each; all of them registered for the party don-vi-loi
    Leaf(
        name="expired",
        subject="Don vi loi: expired",
        issuer="issuing-b",
        starts=datetime(2020, 1, 1, tzinfo=UTC),
        ends=datetime(2024, 1, 1, tzinfo=UTC),
    ),
    Leaf(
        name="not-yet-valid",
        subject="Don vi loi: not yet valid",
        issuer="issuing-b",
        starts=datetime(2052, 1, 1, tzinfo=UTC),
        ends=datetime(2053, 1, 1, tzinfo=UTC),
    ),
    Leaf(name="revoked", subject="Don vi loi: revoked", issuer="issuing-b"),
    Leaf(name="revoked-a", subject="Don vi loi: revoked in tree A", issuer="issuing-a"),
    Leaf(
        name="wrong-eku",
        subject="Don vi loi: TLS server only",
        issuer="issuing-b",
        purposes=(ExtendedKeyUsageOID.SERVER_AUTH,),
    ),
    Leaf(
        name="code-only",
        subject="Don vi loi: code signing only",
        issuer="issuing-b",
        purposes=(ExtendedKeyUsageOID.CODE_SIGNING,),
    ),
    Leaf(
        name="ca-signer",
        subject="Don vi loi: CA as signer",
        issuer="issuing-b",
        ca=True,
        purposes=(),
        usage=frozenset({"digital_signature", "key_cert_sign", "crl_sign"}),
    ),
    Leaf(name="rsa-1024", subject="Don vi loi: RSA 1024", issuer="issuing-b", kind="rsa1024"),
    Leaf(
        name="no-digital-signature",
        subject="Don vi loi: key encipherment only",
        issuer="issuing-b",
        kind="rsa2048",
        usage=frozenset({"key_encipherment"}),
    ),
    Leaf(name="sha1-issued", subject="Don vi loi: issued with SHA-1", issuer="issuing-b", sha1=True),
    Leaf(name="wrong-tree", subject="Don vi loi: from the other tree", issuer="issuing-a"),
    Leaf(name="stranger", subject="Don vi loi: root of nobody", issuer="root-stranger"),
    Leaf(name="unknown-status", subject="Don vi loi: issuer without CRL", issuer="issuing-silent"),
    # Good certificates that nobody registered
    Leaf(name="unregistered", subject="Don vi chua dang ky", issuer="issuing-b"),
    Leaf(
        name="look-alike", subject="So Tu phap (thu nghiem)", issuer="issuing-b", kind="rsa2048"
    ),  # same subject, other key
    # Servants of the PKI itself
    Leaf(
        name="ocsp-a",
        subject="TEST OCSP A1",
        issuer="issuing-a",
        purposes=(ExtendedKeyUsageOID.OCSP_SIGNING,),
        extensions=(x509.OCSPNoCheck(),),
    ),
    Leaf(
        name="ocsp-b",
        subject="TEST OCSP B1",
        issuer="issuing-b",
        kind="rsa2048",
        purposes=(ExtendedKeyUsageOID.OCSP_SIGNING,),
        extensions=(x509.OCSPNoCheck(),),
    ),
    Leaf(
        name="tsa",
        subject="TEST Time stamping A",
        issuer="issuing-a",
        kind="rsa2048",
        purposes=(ExtendedKeyUsageOID.TIME_STAMPING,),
        purposes_critical=True,
    ),
)


def new_key(kind: str) -> Key:
    """A fresh key: p256, p384, p521, or rsa followed by its bits."""
    curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def hash_for(key: Key) -> hashes.SHA256 | hashes.SHA384:
    """The hash that goes with an issuer's key."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size >= 384:
        return hashes.SHA384()
    return hashes.SHA256()


def serial_of(name: str) -> int:
    """A positive serial number that depends on the name alone, so that a certificate made anew replaces the old one."""
    return int.from_bytes(b"\x01" + hashlib.sha256(name.encode()).digest()[:15], "big")


def name_of(subject: str) -> x509.Name:
    """The X.509 name of a test subject."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lien Thong TEST"),
            x509.NameAttribute(NameOID.COMMON_NAME, subject),
        ]
    )


def key_usage(bits: frozenset[str]) -> x509.KeyUsage:
    """KeyUsage with just these bits set."""
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{bit: bit in bits for bit in every})


def issue_authority(
    authority: Authority, key: Key, issuer: x509.Certificate | None, issuer_key: Key
) -> x509.Certificate:
    """The certificate of a root or an issuer."""
    root = issuer is None
    subject = name_of(authority.subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(serial_of(authority.name))
        .not_valid_before(ROOTS_FROM if root else ISSUERS_FROM)
        .not_valid_after(ROOTS_UNTIL if root else ISSUERS_UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1 if root else 0), critical=True)
        .add_extension(key_usage(frozenset({"key_cert_sign", "crl_sign"})), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    return builder.sign(issuer_key, hash_for(issuer_key))


def issue_leaf(leaf: Leaf, key: Key, issuer: x509.Certificate, issuer_key: Key) -> x509.Certificate:
    """The certificate of a leaf, with its intended flaw."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(leaf.subject))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(serial_of(leaf.name))
        .not_valid_before(leaf.starts)
        .not_valid_after(leaf.ends)
        .add_extension(x509.BasicConstraints(ca=leaf.ca, path_length=None), critical=True)
        .add_extension(key_usage(leaf.usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if leaf.purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(leaf.purposes), critical=leaf.purposes_critical)
    for extension in leaf.extensions:
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(issuer_key, hash_for(issuer_key))
    return resigned_with_sha1(certificate, issuer_key) if leaf.sha1 else certificate


def resigned_with_sha1(certificate: x509.Certificate, issuer_key: Key) -> x509.Certificate:
    """The same certificate under RSA-SHA1. Written with asn1crypto, because cryptography refuses to make one."""
    if not isinstance(issuer_key, rsa.RSAPrivateKey):
        raise TypeError("only an RSA issuer signs with SHA-1 here")
    paper = asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
    algorithm = {"algorithm": "sha1_rsa", "parameters": asn1.Null()}
    paper["tbs_certificate"]["signature"] = algorithm
    paper["signature_algorithm"] = algorithm
    tbs = paper["tbs_certificate"].dump(force=True)
    paper["signature_value"] = issuer_key.sign(tbs, padding.PKCS1v15(), hashes.SHA1())  # the flaw that is wanted
    return x509.load_der_x509_certificate(paper.dump(force=True))


def issue_crl(
    issuer: x509.Certificate,
    issuer_key: Key,
    revoked_serials: tuple[int, ...],
    *,
    number: int = 1,
    starts: datetime = CRL_FROM,
    ends: datetime = CRL_UNTIL,
    revoked_at: datetime = REVOKED_AT,
) -> x509.CertificateRevocationList:
    """A revocation list of an issuer."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(starts)
        .next_update(ends)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    for serial in revoked_serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(revoked_at)
            .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
            .build()
        )
    return builder.sign(issuer_key, hash_for(issuer_key))


def certificate_path(name: str, folder: Path = HERE) -> Path:
    """Where a certificate of the test PKI lies."""
    return folder / f"{name}.cert.test.pem"


def key_path(name: str, folder: Path = HERE) -> Path:
    """Where a private key of the test PKI lies."""
    return folder / f"{name}.key.test.pem"


def crl_path(name: str, folder: Path = HERE) -> Path:
    """Where a revocation list of the test PKI lies."""
    return folder / f"{name}.crl.test.pem"


def load_certificate(name: str, folder: Path = HERE) -> x509.Certificate:
    """A certificate of the test PKI."""
    return x509.load_pem_x509_certificate(certificate_path(name, folder).read_bytes())


def load_key(name: str, folder: Path = HERE) -> Key:
    """A private key of the test PKI."""
    key = _read_key(key_path(name, folder).read_bytes())
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise TypeError(f"{name}: neither RSA nor EC")
    return key


@cache
def _read_key(pem: bytes) -> PrivateKeyTypes:
    """The key in a file of these bytes. OpenSSL would try an RSA key for some 50 ms before it gives it out; it made this one."""
    return serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)


def write_certificate(name: str, certificate: x509.Certificate, folder: Path) -> None:
    """Writes a certificate with the mark of the test PKI above it."""
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    certificate_path(name, folder).write_text(MARK + pem, "ascii")


def write_key(name: str, key: Key, folder: Path) -> None:
    """Writes a private key with the mark of the test PKI above it, readable by its owner only."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    path = key_path(name, folder)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(MARK + pem)


def write_crl(name: str, crl: x509.CertificateRevocationList, folder: Path) -> None:
    """Writes a revocation list with the mark of the test PKI above it."""
    pem = crl.public_bytes(serialization.Encoding.PEM).decode()
    crl_path(name, folder).write_text(MARK + pem, "ascii")


def make(folder: Path = HERE, *, everything: bool = False) -> list[str]:
    """Makes what is missing in the folder (or everything) and names it."""
    folder.mkdir(parents=True, exist_ok=True)
    if everything:
        for old in folder.glob("*.test.pem"):
            old.unlink()
    made: list[str] = []
    for authority in AUTHORITIES:
        if not (certificate_path(authority.name, folder).exists() and key_path(authority.name, folder).exists()):
            key = new_key(authority.kind)
            parent = authority.issuer
            issuer = load_certificate(parent, folder) if parent else None
            issuer_key = load_key(parent, folder) if parent else key
            write_key(authority.name, key, folder)
            write_certificate(authority.name, issue_authority(authority, key, issuer, issuer_key), folder)
            made.append(authority.name)
        if authority.crl and not crl_path(authority.name, folder).exists():
            serials = tuple(serial_of(name) for name in authority.revokes)
            crl = issue_crl(load_certificate(authority.name, folder), load_key(authority.name, folder), serials)
            write_crl(authority.name, crl, folder)
            made.append(f"{authority.name} (CRL)")
    for leaf in LEAVES:
        if certificate_path(leaf.name, folder).exists() and key_path(leaf.name, folder).exists():
            continue
        key = new_key(leaf.kind)
        issuer, issuer_key = load_certificate(leaf.issuer, folder), load_key(leaf.issuer, folder)
        write_key(leaf.name, key, folder)
        write_certificate(leaf.name, issue_leaf(leaf, key, issuer, issuer_key), folder)
        made.append(leaf.name)
    return made


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Make the throwaway test PKI of the samples.")
    parser.add_argument("--all", action="store_true", help="make everything anew")
    parser.add_argument("--into", type=Path, default=HERE, help="folder (default: where this script lies)")
    arguments = parser.parse_args()
    made = make(arguments.into, everything=arguments.all)
    sys.stdout.write("".join(f"made {name}\n" for name in made) or "nothing is missing\n")


if __name__ == "__main__":
    main()
