"""Signing with a key in a token (SoftHSM), and going over from one key to the next."""

import os
import shutil
import subprocess
from pathlib import Path

import genuine
import paper
import pki
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paper import HS05, NOW, World, party
from patience import PATIENCE_S

from gateway import wiring
from gateway.cli import main
from gateway.core.problems import Stopped
from gateway.settings import load
from signing.sign import SigningKey, Variant, sign
from signing.token import load_token_key

PIN = "1234"
MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),
)


@pytest.fixture(scope="session")
def module(tmp_path_factory):
    """SoftHSM with one token that holds the keys of several signers of the test PKI."""
    pytest.importorskip("pkcs11") if not os.environ.get("CI") else __import__("pkcs11")
    library = next((path for path in MODULES if path.exists()), None)
    program = shutil.which("softhsm2-util")
    if library is None or program is None:
        genuine.missing("no SoftHSM here: keys in tokens are not tried (Debian: apt-get install softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    run([program, "--init-token", "--free", "--label", "truc", "--pin", PIN, "--so-pin", PIN])
    for number, name in enumerate(("gateway", "gateway-rsa", "ubnd-xa-thu-nghiem"), 1):
        key = folder / f"{name}.p8"
        key.write_bytes(pki.signer(name).key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        run([program, "--import", str(key), "--token", "truc", "--label", name, "--id", f"0{number}", "--pin", PIN])
        key.unlink()
    return library


def run(command):
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)


def held(module, name, *, certificate=None, pin=PIN, token="truc"):
    return load_token_key(module, token, name, pin, certificate or pki.signer(name).cert_pem)


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("gateway", Variant()),
        ("ubnd-xa-thu-nghiem", Variant()),
        ("gateway-rsa", Variant()),
        ("gateway-rsa", Variant(pss=True)),
        ("gateway-rsa", Variant(pss=True, bits=512)),
    ],
)
def test_a_signature_by_the_token_is_like_any_other(module, name, variant):
    body = sign(HS05, held(module, name), variant, at=NOW)
    assert World(party(name)).codes(body) == []


def test_it_verifies_with_xmlsec1_too(module):
    assert genuine.checked_by_xmlsec1(sign(HS05, held(module, "gateway"), at=NOW))


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"pin": "9999"}, "SIG-107"),
        ({"token": "khac"}, "SIG-107"),
        ({"name": "khong-co"}, "SIG-107"),
        ({"module": Path("/nowhere/lib.so")}, "SIG-107"),
        ({"certificate": "so-tu-phap"}, "SIG-102"),
        ({"certificate": "cong-dvc"}, "SIG-102"),
        ({"certificate": "rsa-1024"}, "SIG-103"),
    ],
)
def test_what_is_wrong_with_it_is_said(module, wrong, code):
    import pkcs11

    pkcs11.lib(str(module)).reinitialize()  # whoever was logged in is no longer
    name = wrong.get("name", "gateway")
    certificate = pki.signer(wrong.get("certificate", "gateway")).cert_pem
    with pytest.raises(Stopped) as caught:
        load_token_key(
            wrong.get("module", module), wrong.get("token", "truc"), name, wrong.get("pin", PIN), certificate
        )
    (problem,) = caught.value.problems
    assert problem.code == code
    assert PIN not in str(problem.facts)


def test_a_session_that_has_gone_is_opened_again(module):
    import pkcs11

    key = held(module, "gateway")
    assert World(party("gateway")).codes(sign(HS05, key, at=NOW)) == []
    pkcs11.lib(str(module)).reinitialize()
    assert World(party("gateway")).codes(sign(HS05, key, at=NOW)) == []


def test_two_keys_of_one_token_work_side_by_side(module):
    first, second = held(module, "gateway"), held(module, "gateway-rsa")
    world = World(party("gateway", "gateway-rsa"))
    assert [world.codes(sign(HS05, key, at=NOW)) for key in (first, second, first)] == [[], [], []]


def node_with_token(module, tmp_path, **more):
    pin = tmp_path / "pin"
    pin.write_text(PIN)
    pin.chmod(0o600)
    given = {"key.module": module, "key.token": "truc", "key.label": "gateway", "key.password_file": pin} | more
    return load(pki.SAMPLES / "lienthong.toml", env={}, given=given).settings


def test_the_settings_of_a_node_reach_the_key_in_its_token(module, tmp_path):
    settings = node_with_token(module, tmp_path, **{"key.certificate": pki.signer("gateway").cert_pem})
    gate = wiring.build(settings)
    assert gate.key.fingerprint == pki.signer("gateway").fingerprint
    assert (
        World(party("so-tu-phap"), own=[gate.key.certificate_der]).codes(sign(HS05, gate.key, at=NOW), composed=True)
        == []
    )


def test_a_key_lies_in_one_place_and_a_token_has_a_name(module, tmp_path):
    for more in ({"key.file": pki.signer("gateway").key_pem}, {"key.token": None}, {"key.label": None}):
        with pytest.raises(Stopped) as caught:
            node_with_token(module, tmp_path, **more)
        assert {problem.code for problem in caught.value.problems} == {"SYS-018"}


def test_integrators_sign_with_a_token_from_the_command_line(module, tmp_path, monkeypatch):
    file, out = tmp_path / "thu.xml", tmp_path / "ky.xml"
    file.write_bytes(HS05)
    monkeypatch.setenv("PIN_THU", PIN)
    arguments = ["sign", file, "--module", module, "--token", "truc", "--label", "gateway-rsa", "--pss", "-o", out]
    arguments += ["--cert", pki.signer("gateway-rsa").cert_pem, "--password-env", "PIN_THU"]
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert end.value.code == 0
    with pytest.raises(SystemExit) as end:
        main(["verify", str(out), "--cert", str(pki.signer("gateway-rsa").cert_pem)])
    assert end.value.code == 0


# Roll-over ------------------------------------------------------------------------------------------------------------


def test_the_gateway_goes_over_to_a_new_key_without_a_gap():
    """Old certificates stay known, so what was composed and signed before is still good when it is judged again."""
    old, new = paper.key("gateway"), paper.key("gateway-rsa")
    before = sign(HS05, old, at=NOW)
    both = World(party("so-tu-phap"), own=[old.certificate_der, new.certificate_der])
    assert both.codes(before, composed=True) == []
    assert both.codes(sign(HS05, new, at=NOW), composed=True) == []
    alone = World(party("so-tu-phap"), own=[new.certificate_der])
    assert alone.codes(before, composed=True) == ["SIG-092"]


# Keys in files --------------------------------------------------------------------------------------------------------


def loaded(key, certificate, **more):
    with pytest.raises(Stopped) as caught:
        SigningKey.load(key, certificate, **more)
    return [problem.code for problem in caught.value.problems]


def test_a_key_that_others_can_read_is_refused(tmp_path):
    copy = tmp_path / "key.pem"
    copy.write_bytes(pki.signer("gateway").key_pem.read_bytes())
    copy.chmod(0o640)
    assert loaded(copy, pki.signer("gateway").cert_pem) == ["SIG-101"]
    copy.chmod(0o600)
    assert SigningKey.load(copy, pki.signer("gateway").cert_pem).fingerprint == pki.signer("gateway").fingerprint


def test_a_key_that_is_missing_broken_locked_or_anothers_is_refused(tmp_path):
    gateway = pki.signer("gateway")
    broken = tmp_path / "broken.pem"
    broken.write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    broken.chmod(0o600)
    assert loaded(tmp_path / "none.pem", gateway.cert_pem) == ["SIG-100"]
    assert loaded(broken, gateway.cert_pem) == ["SIG-100"]
    assert loaded(gateway.key_pem, broken) == ["SIG-100"]
    assert loaded(gateway.key_pem, pki.signer("gateway-rsa").cert_pem) == ["SIG-102"]
    assert loaded(pki.signer("rsa-1024").key_pem, pki.signer("rsa-1024").cert_pem) == ["SIG-103"]


def test_a_locked_key_needs_its_password(tmp_path):
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

    gateway = pki.signer("gateway")
    locked = tmp_path / "locked.pem"
    seal = BestAvailableEncryption(b"mat-khau")
    locked.write_bytes(gateway.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, seal))
    locked.chmod(0o600)
    assert loaded(locked, gateway.cert_pem) == ["SIG-100"]
    assert loaded(locked, gateway.cert_pem, password=b"sai") == ["SIG-100"]
    assert SigningKey.load(locked, gateway.cert_pem, b"mat-khau").fingerprint == gateway.fingerprint
