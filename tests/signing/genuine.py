"""Signatures made by other people's programs in the test run (JDK, xmlsec1, Node), and those programs as verifiers.

A missing program skips with a sentence on a laptop; in CI (environment variable CI) it is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pki
import pytest
from alone import JAVAC, JVM
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from patience import PATIENCE_S

from signing.uris import C14N_10, DS, DS_MORE, ENVELOPED, SHA256

HERE = Path(__file__).parent


def missing(sentence: str) -> None:
    """Skip on a laptop, fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One document to be signed by somebody else."""

    body: bytes
    signer: str
    method: str = f"{DS_MORE}rsa-sha256"
    digest: str = SHA256
    c14n: str = C14N_10
    by_id: bool = False
    named: bool = True  # a canonicalisation transform after enveloped-signature
    prefix: str = ""
    form: str = "dsig"
    extra: str = "-"
    prefixes: str = ""  # PrefixList, in CanonicalizationMethod and in Transform; xmlsec1 only


# JDK ------------------------------------------------------------------------------------------------------------------


@cache
def _jdk() -> Path:
    for program in ("java", "javac"):
        if shutil.which(program) is None:
            missing(
                f"no {program} here: signatures of the JDK are not tried (Debian: apt-get install default-jdk-headless)"
            )
    out = pki.private_folder() / "java"
    command = [*JAVAC, "-d", str(out), str(HERE / "java" / "Signer.java")]
    subprocess.run(command, check=True, timeout=PATIENCE_S, capture_output=True)
    return out


def _ask_jdk(lines: Sequence[str]) -> list[str]:
    command = ["java", *JVM, "-cp", str(_jdk()), "Signer"]
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", text=True, capture_output=True, timeout=PATIENCE_S, check=True
    )
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines), done.stderr
    return answers


def _key_store(name: str) -> Path:
    path = pki.private_folder() / f"{name}.p12"
    if not path.exists():
        signer = pki.signer(name)
        # One round: the JDK opens the store for every document, and nobody guesses at this password.
        seal = serialization.PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1).build(b"test-only")
        path.write_bytes(pkcs12.serialize_key_and_certificates(b"k", signer.key, signer.certificate, None, seal))
    return path


def signed_by_jdk(jobs: Iterable[Job]) -> list[bytes]:
    """The documents with signatures of javax.xml.crypto, all in one run of the JDK."""
    jobs = list(jobs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = []
        for number, job in enumerate(jobs):
            source, target = folder / f"{number}.in.xml", folder / f"{number}.out.xml"
            source.write_bytes(job.body)
            lines.append(
                "\t".join(
                    (
                        "sign",
                        str(source),
                        str(target),
                        str(_key_store(job.signer)),
                        job.method,
                        job.digest,
                        job.c14n,
                        "id" if job.by_id else "whole",
                        "named" if job.named else "implied",
                        job.prefix or "-",
                        job.form,
                        job.extra,
                    )
                )
            )
        answers = _ask_jdk(lines)
        assert set(answers) == {"ok"}, answers
        return [(folder / f"{number}.out.xml").read_bytes() for number in range(len(jobs))]


def checked_by_jdk(bodies: Sequence[bytes]) -> list[str]:
    """What javax.xml.crypto thinks of these signatures: "valid", "invalid", "error …"."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, body in enumerate(bodies):
            (folder / f"{number}.xml").write_bytes(body)
        return _ask_jdk([f"check\t{folder / f'{number}.xml'}" for number in range(len(bodies))])


# xmlsec1 --------------------------------------------------------------------------------------------------------------


@cache
def _xmlsec1() -> str:
    program = shutil.which("xmlsec1")
    if program is None:
        missing("no xmlsec1 here: it is not tried (Debian: apt-get install xmlsec1)")
        raise AssertionError
    return program


_ID_OPTIONS = [
    part
    for space, element in (
        ("http://www.dongnai.gov.vn/lienthong/phongbi/1.0", "ThongDiep"),
        ("http://uri.etsi.org/01903/v1.3.2#", "SignedProperties"),
        (DS, "KeyInfo"),
    )
    for part in ("--id-attr:Id", f"{space}:{element}")
]


def template(body: bytes, job: Job, *, key_value: bool = False, lines: bool = False) -> bytes:
    """The document with a Signature whose values are empty, for a program that fills them in."""
    p = f"{job.prefix}:" if job.prefix else ""
    space = f"xmlns:{job.prefix}" if job.prefix else "xmlns"
    c14n = f'<{p}Transform Algorithm="{job.c14n}" />' if job.named else ""
    if job.prefixes:
        listed = f'><ec:InclusiveNamespaces xmlns:ec="{job.c14n}" PrefixList="{job.prefixes}"/></{p}'
        c14n = f'<{p}Transform Algorithm="{job.c14n}"{listed}Transform>'
    if job.by_id:
        body = re.sub(rb"<((?:\w+:)?ThongDiep)", rb'<\1 Id="TD1"', body, count=1)
    signature = (
        f'<{p}Signature {space}="{DS}"><{p}SignedInfo><{p}CanonicalizationMethod Algorithm="{job.c14n}" />'
        f'<{p}SignatureMethod Algorithm="{job.method}" />'
        f'<{p}Reference URI="{"#TD1" if job.by_id else ""}"><{p}Transforms>'
        f'<{p}Transform Algorithm="{ENVELOPED}" />{c14n}</{p}Transforms><{p}DigestMethod Algorithm="{job.digest}" />'
        f"<{p}DigestValue></{p}DigestValue></{p}Reference></{p}SignedInfo><{p}SignatureValue></{p}SignatureValue>"
        f"<{p}KeyInfo>{f'<{p}KeyValue/>' if key_value else ''}"
        f"<{p}X509Data><{p}X509Certificate/></{p}X509Data></{p}KeyInfo></{p}Signature>"
    )
    if lines:
        signature = "\n    " + signature.replace("><", ">\n    <") + "\n"
    if job.prefixes:
        method = f'<{p}CanonicalizationMethod Algorithm="{job.c14n}"'
        signature = signature.replace(f"{method} />", f"{method}{listed}CanonicalizationMethod>")
    at = body.rindex(b"</")
    return body[:at] + signature.encode() + body[at:]


def signed_by_xmlsec1(job: Job, *, key_value: bool = False, lines: bool = False) -> bytes:
    """The document with a signature of the xmlsec1 program."""
    signer = pki.signer(job.signer)
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "in.xml", Path(name) / "out.xml"
        source.write_bytes(template(job.body, job, key_value=key_value, lines=lines))
        command = [_xmlsec1(), "--sign", *_ID_OPTIONS, "--privkey-pem", f"{signer.key_pem},{signer.cert_pem}"]
        command += ["--output", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stderr
        return target.read_bytes()


def checked_by_xmlsec1(body: bytes) -> bool:
    """Whether xmlsec1 accepts the signature, trusting the roots of the test PKI."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "signed.xml"
        path.write_bytes(body)
        command = [_xmlsec1(), "--verify", "--enabled-reference-uris", "empty,same-doc", *_ID_OPTIONS]
        command += ["--enabled-key-data", "x509"]
        for authority in (authority for tree in pki.TREES.values() for authority in tree):
            kind = "--trusted-pem" if authority.startswith("root") else "--untrusted-pem"
            command += [kind, str(pki.maker.certificate_path(authority))]
        command += ["--verification-time", "2026-11-24 04:00:00", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.returncode == 0


# Node -----------------------------------------------------------------------------------------------------------------


@cache
def _node() -> tuple[str, str]:
    program = shutil.which("node")
    folders = [HERE / "node" / "node_modules", *map(Path, filter(None, os.environ.get("NODE_PATH", "").split(":")))]
    modules = next((folder for folder in folders if (folder / "xml-crypto").is_dir()), None)
    if program is None or modules is None:
        missing(
            "no Node with xml-crypto here: its signatures are not tried"
            " (npm install --no-package-lock --ignore-scripts --prefix tests/signing/node)"
        )
        raise AssertionError
    return program, str(modules)


def signed_by_node(jobs: Iterable[Job]) -> list[bytes]:
    """The documents with signatures of xml-crypto."""
    jobs = list(jobs)
    program, modules = _node()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = []
        for number, job in enumerate(jobs):
            source, target = folder / f"{number}.in.xml", folder / f"{number}.out.xml"
            source.write_bytes(job.body)
            signer = pki.signer(job.signer)
            form = "id" if job.by_id else "whole"
            row = (
                source,
                target,
                signer.key_pem,
                signer.cert_pem,
                job.method,
                job.digest,
                job.c14n,
                form,
                job.prefix or "-",
            )
            lines.append("\t".join(map(str, row)))
        done = subprocess.run(
            [program, str(HERE / "node" / "sign.js")],
            input="\n".join(lines),
            text=True,
            capture_output=True,
            timeout=PATIENCE_S,
            check=True,
            env={**os.environ, "NODE_PATH": modules},
        )
        assert set(done.stdout.split("\n")) <= {"ok", ""}, done.stdout
        return [(folder / f"{number}.out.xml").read_bytes() for number in range(len(jobs))]
