"""The test PKI, by name: ``pki.signer("revoked")``, ``pki.party("so-tu-phap")``.

Everything comes from samples/keys and samples/parties, so a test and a sample mean the same people. What a test needs
beside them it mints: ``pki.mint(pki.Leaf(name=…, issuer="issuing-b", …), folder)``.

Import it with ``import pki`` (tests/pki is on pytest's pythonpath).
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.core.model import PartyId
from gateway.core.parties import (
    AfterFailure,
    CodeMeaning,
    Credentials,
    LanePolicy,
    Parties,
    Party,
    Receives,
    Role,
    SignatureDemand,
    SignaturePolicy,
    SigningCertificate,
    WhenUnknown,
)

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
KEYS = SAMPLES / "keys"
PARTIES = SAMPLES / "parties"


def _load_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lienthong_samples_keys_make", KEYS / "make.py")
    if spec is None or spec.loader is None:
        raise ImportError(str(KEYS / "make.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


maker = _load_maker()
Leaf = maker.Leaf
Authority = maker.Authority
TREES = {"quoc-gia": ("root-a", "issuing-a", "issuing-silent"), "chinh-phu": ("root-b", "issuing-b")}


@dataclass(frozen=True)
class Signer:
    """One key of the test PKI with its certificate."""

    name: str
    key_pem: Path  # a private copy, mode 0600
    cert_pem: Path
    key: maker.Key
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate as DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER, lower-case hex."""
        return hashlib.sha256(self.der).hexdigest()


@cache
def private_folder() -> Path:
    """A folder that only we can read, gone at the end: private keys are copied here, since git keeps no modes."""
    folder = Path(tempfile.mkdtemp(prefix="lienthong-pki-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def signer(name: str) -> Signer:
    """The signer of this name: "so-tu-phap", "expired", "revoked", … (samples/keys/README.md lists them)."""
    return _signer(name, KEYS)


def _signer(name: str, folder: Path) -> Signer:
    copy = private_folder() / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}-{name}.key.pem"
    if not copy.exists():
        with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(maker.key_path(name, folder).read_bytes())
    return Signer(
        name=name,
        key_pem=copy,
        cert_pem=maker.certificate_path(name, folder),
        key=maker.load_key(name, folder),
        certificate=maker.load_certificate(name, folder),
    )


def mint(leaf: object, folder: Path, *, issuer_folder: Path = KEYS) -> Signer:
    """A fresh key and certificate, issued by an authority of the test PKI, written into the folder."""
    assert isinstance(leaf, Leaf)
    key = maker.new_key(leaf.kind)
    certificate = maker.issue_leaf(
        leaf, key, maker.load_certificate(leaf.issuer, issuer_folder), maker.load_key(leaf.issuer, issuer_folder)
    )
    maker.write_key(leaf.name, key, folder)
    maker.write_certificate(leaf.name, certificate, folder)
    return _signer(leaf.name, folder)


def certificate(name: str) -> x509.Certificate:
    """Any certificate of the test PKI, authorities too."""
    found: x509.Certificate = maker.load_certificate(name)
    return found


def crl(name: str) -> bytes:
    """The revocation list of an authority, PEM."""
    data: bytes = maker.crl_path(name).read_bytes()
    return data


def tree_certificates(tree: str) -> list[x509.Certificate]:
    """The certificates of a trust tree, its root first."""
    return [certificate(name) for name in TREES[tree]]


@cache
def party(name: str) -> Party:
    """The registered party of this name, from samples/parties."""
    return _party(PARTIES / f"{name}.toml")


def parties(*names: str) -> Parties:
    """A registry of these parties; of all in samples/parties when none is named."""
    return Parties(party(name) for name in names or sorted(path.stem for path in PARTIES.glob("*.toml")))


def token(name: str) -> str:
    """The bearer token of a party of the samples."""
    return f"TEST-ONLY-{name}"


def _party(path: Path) -> Party:
    """Reads what the tests below the settings floor need; the product's own reader is gateway.services.profiles."""
    row = tomllib.loads(path.read_text("utf-8"))
    signature = row.get("signature", {})
    connector = dict(row.get("connector", {}))
    return Party(
        id=PartyId(row["id"]),
        name=row["name"],
        role=Role(row["role"]),
        identifiers=tuple(row["identifiers"]),
        receives=Receives(row["receives"]),
        enabled=row.get("enabled", True),
        disabled_reason=row.get("disabled_reason"),
        credentials=Credentials(token_sha256=(row["credentials"]["token_sha256"],)),
        certificates=tuple(_registered(path, entry) for entry in row.get("certificates", ())),
        signature=SignaturePolicy(
            default=SignatureDemand(signature.get("default", "required")),
            status_unknown=WhenUnknown(signature.get("status_unknown", "hold")),
        ),
        connector=connector.pop("name", None),
        connector_settings=connector,
        lane=LanePolicy(after_failure=AfterFailure(row.get("lane", {}).get("after_failure", "hold"))),
        meaning=CodeMeaning(**row.get("meaning", {})),
        privileges=frozenset(row.get("privileges", ())),
        contact=row.get("contact"),
    )


def _registered(path: Path, entry: dict[str, str]) -> SigningCertificate:
    found = x509.load_pem_x509_certificate((path.parent / entry["file"]).read_bytes())
    der = found.public_bytes(serialization.Encoding.DER)
    return SigningCertificate(der=der, fingerprint=hashlib.sha256(der).hexdigest(), tree=entry.get("tree"))
