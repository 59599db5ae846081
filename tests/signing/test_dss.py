"""Signatures made by EU DSS, as it makes them by itself and with the lines that SIG-024's remedy names.

`make contract` fetches its jars; without them these are left out.
"""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pki
import pytest
from paper import HS05, world
from patience import PATIENCE_S

from gateway.core.problems import Lang, catalogue

LIB = os.environ.get("DSS_LIB", "")
SOURCE = Path(__file__).parent / "java" / "Dss.java"


def remedy():
    """The lines of Java that the remedy names, for EU DSS."""
    text = catalogue()["SIG-024"].remedy[Lang.EN].partition("EU DSS: ")[2]
    return [line.strip() + ";" for line in text.split("; ") if line.strip(" ;")]


def test_the_remedy_names_lines_of_the_program_that_is_run():
    program = SOURCE.read_text("utf-8")
    lines = [line.replace(";;", ";") for line in remedy()]
    assert len(lines) == 5
    assert all(line in program for line in lines)


@pytest.mark.skipif(not LIB, reason="make contract fetches EU DSS")
def test_dss_is_accepted_with_the_lines_of_the_remedy_and_refused_without(tmp_path):
    there = world("cong-dvc", "ubnd-xa-thu-nghiem")
    path = f"{Path(LIB).resolve()}/*"
    subprocess.run(["javac", "-d", tmp_path, "-cp", path, SOURCE], timeout=PATIENCE_S, check=True)
    (tmp_path / "in.xml").write_bytes(HS05)

    def signed(party, *ways):
        signer, file = pki.signer(party), tmp_path / f"{party}.p12"
        pair = ["-inkey", str(signer.key_pem), "-in", str(signer.cert_pem), "-passout", "pass:mat-khau"]
        subprocess.run(["openssl", "pkcs12", "-export", *pair, "-out", file], timeout=PATIENCE_S, check=True)
        names = [str(tmp_path / f"{party}-{n}.xml") for n in range(len(ways))]
        jobs = [word for name, (way, digest) in zip(names, ways, strict=True) for word in (name, way, digest)]
        java = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{path}:{tmp_path}", "Dss", file, "mat-khau"]
        subprocess.run([*java, tmp_path / "in.xml", *jobs], timeout=PATIENCE_S, check=True)
        return [there.codes(Path(name).read_bytes(), at=datetime.now(UTC)) for name in names]

    default, lines = signed("cong-dvc", ("default", "-"), ("lines", "-"))
    assert default == ["SIG-024"]
    assert lines == []
    short, fitting, chosen = signed("ubnd-xa-thu-nghiem", ("lines", "SHA256"), ("lines", "SHA384"), ("lines", "-"))
    assert short == ["SIG-035"], "P-384 with SHA-256"
    assert fitting == chosen == []
