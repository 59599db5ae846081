"""The clients that integrators start from, each against a running gateway.

What is not installed is skipped by name; on CI its absence is a failure. The programs named chay-that, for a system in
service, are run by tests/web/test_running_client.py.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import letters
import nodes
import pki
import pytest
from alone import JVM
from patience import PATIENCE_S

from gateway.store import Store, open_engine

CLIENTS = pki.SAMPLES / "clients"
KEYS = {"ecdsa": "cong-dvc", "rsa": "gateway-rsa"}
COMMANDS = {
    "curl": ["bash", str(CLIENTS / "curl" / "gui-ho-so.sh")],
    "python": [sys.executable, str(CLIENTS / "python" / "gui_ho_so.py")],
    "php": [
        "php",
        "-d",
        "error_reporting=E_ALL",
        "-d",
        "display_errors=stderr",
        str(CLIENTS / "php" / "gui-ho-so.php"),
    ],
    "node": ["node", str(CLIENTS / "node" / "gui-ho-so.mjs")],
    "java": ["java", *JVM, "-Dfile.encoding=UTF-8", str(CLIENTS / "java" / "GuiHoSo.java")],
    "csharp": ["mono", "GuiHoSo.exe"],
}
RUNS = [(client, key) for client in COMMANDS for key in KEYS if (client, key) != ("csharp", "ecdsa")]  # SignedXml: RSA
NEEDS = {
    "curl": ("bash", "curl", "xmlsec1", "openssl"),
    "python": (),
    "php": ("php",),
    "node": ("node",),
    "java": ("java", "javac"),
    "csharp": ("mcs", "mono", "openssl"),
}
MORE = {"java": [str(CLIENTS / "ho-so.xml")]}

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[nodes.Node]:
    """A running gateway; in the portal's inbox lies what an agency said."""
    with nodes.node(tmp_path_factory.mktemp("clients") / "node") as made:
        profile = made.folder / "parties" / "cong-dvc.toml"
        text = profile.read_text("utf-8")
        more = '{ file = "../keys/gateway-rsa.cert.test.pem" }, '
        assert "certificates = [{" in text
        profile.write_text(text.replace("certificates = [{", f"certificates = [{more}{{"), "utf-8")
        made.run("parties", "apply", "--yes", "--reason", "a second certificate")
        made.serve(workers=1)
        dossier = letters.dossier(1)
        for letter, party in ((dossier, "cong-dvc"), (letters.received(dossier.ma_ho_so), "so-tu-phap")):
            assert made.call("POST", "/v1/messages", party=party, body=letter.body).status == 201
        yield made


def compiled(folder: Path, key: Path, certificate: Path) -> list[str]:
    """The C# client, compiled; its key and certificate as it wants them: one PKCS#12 file and a password."""
    source = str(CLIENTS / "csharp" / "GuiHoSo.cs")
    libraries = ["-r:System.Security", "-r:System.Net.Http"]
    made = subprocess.run(
        ["mcs", "-langversion:7", "-warnaserror", *libraries, f"-out:{folder / 'GuiHoSo.exe'}", source],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert made.returncode == 0, made.stdout.decode() + made.stderr.decode()
    old = ["-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1"]  # as the client's comment says
    files = ["-inkey", str(key), "-in", str(certificate), "-out", str(folder / "khoa.pfx"), "-passout", "pass:mat-khau"]
    subprocess.run(["openssl", "pkcs12", "-export", *files, *old], capture_output=True, timeout=PATIENCE_S, check=True)
    return [str(folder / "khoa.pfx"), "mat-khau", str(CLIENTS / "ho-so.xml")]


@pytest.mark.parametrize(("client", "key"), RUNS)
def test_a_client_signs_submits_by_both_doors_pulls_and_acknowledges(
    client: str, key: str, node: nodes.Node, tmp_path: Path
) -> None:
    if missing := [name for name in NEEDS[client] if shutil.which(name) is None]:
        if os.environ.get("CI"):
            pytest.fail(f"{', '.join(missing)} must be installed on CI")
        pytest.skip(f"{', '.join(missing)} not installed here")
    url, folder = f"http://127.0.0.1:{node.port}", node.folder / "keys"
    pair = [folder / f"{KEYS[key]}.{kind}.test.pem" for kind in ("key", "cert")]
    last = compiled(tmp_path, *pair) if client == "csharp" else [*map(str, pair), *MORE.get(client, [])]
    done = subprocess.run(
        [*COMMANDS[client], url, pki.token("cong-dvc"), *last],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    # Mono's runtime sometimes aborts while it ends its threads, when the client has done and said everything.
    aborted = client == "csharp" and "Assertion at mono-threads.c" in err
    assert done.returncode == 0 or aborted, out + err
    lines = out.splitlines()
    assert lines[0] == "REST 201 CHAP_NHAN", out + err
    assert lines[1] == "SOAP cùng xác nhận tiếp nhận thông điệp / same receipt", out + err
    assert re.fullmatch(r"HOP THU 1 HS03 [0-9]{4,5} byte", lines[2]), out + err
    assert lines[-1] == "XAC NHAN 1", out + err
    engine = open_engine(f"sqlite:///{node.folder / 'node.sqlite3'}")
    try:
        with Store(engine).read() as view:
            assert view.reader(pki.party("cong-dvc").id).confirmed == 1
            newest = max(view.messages(), key=lambda m: m.recorded_at)
            assert (newest.party, newest.loai, newest.state) == ("cong-dvc", "HS01", "accepted")
            (owed,) = view.deliveries(message=newest.id)  # one effect, whatever door it came through
            assert owed.party == "so-tu-phap"
    finally:
        engine.dispose()


@pytest.mark.parametrize("client", sorted(p.name for p in CLIENTS.iterdir() if p.is_dir()))
def test_every_client_can_be_read_at_once_and_says_how_it_is_called(client: str) -> None:
    sources = [p for p in (CLIENTS / client).iterdir() if p.suffix in {".sh", ".py", ".php", ".mjs", ".java", ".cs"}]
    assert sources
    for source in sources:
        text = source.read_text("utf-8")
        assert text.count("\n") <= (260 if source.stem.lower().replace("-", "").replace("_", "") == "chaythat" else 160)
        assert re.search(r"http://127\.0\.0\.1:8080 TOKEN khoa\.(pem chung-thu\.pem|pfx MAT_KHAU)", text)


def test_every_client_is_run() -> None:
    assert {p.name for p in CLIENTS.iterdir() if p.is_dir()} == set(COMMANDS)
