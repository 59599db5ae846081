"""Keys and certificates in every form that people keep them in, wherever one is named."""

import ssl
import subprocess
import sys
from pathlib import Path

import pki
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from test_odd_certificates import ODD, written

from gateway.core.os_words import in_vietnamese
from gateway.core.problems import Stopped
from signing.keyfiles import believe_in_tls, certificates_in, open_key_file, own_certificate, show_in_tls
from signing.sign import SigningKey
from signing.trust import load_tree

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "connectors"))
import tls as authorities

SECRET = b"m\xe1\xba\xadt kh\xe1\xba\xa9u"
SIGNER = pki.signer("so-tu-phap")
CHAIN = [pki.certificate("issuing-b"), pki.certificate("root-b")]
OLD_WAY = (
    PrivateFormat.PKCS12.encryption_builder()
    .kdf_rounds(2000)
    .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    .hmac_hash(hashes.SHA1())
    .build(SECRET)
)


def pem(*certificates):
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def private(encoding=Encoding.PEM, form=PrivateFormat.PKCS8, password=None):
    return SIGNER.key.private_bytes(encoding, form, BestAvailableEncryption(password) if password else NoEncryption())


def pfx(how=None, certificate=SIGNER.certificate, chain=CHAIN):
    return pkcs12.serialize_key_and_certificates(b"ky", SIGNER.key, certificate, chain, how or NoEncryption())


# how -> (the key's file, the certificate's file or None, the password)
FORMS = {
    "PEM": (private(), pem(SIGNER.certificate), None),
    "PEM, the authority first": (private(), pem(*CHAIN, SIGNER.certificate), None),
    "PEM, two of the agency's": (private(), pem(pki.certificate("cong-dvc"), SIGNER.certificate), None),
    "PEM, in one file": (pem(*CHAIN) + private() + pem(SIGNER.certificate), None, None),
    "PEM, locked": (private(password=SECRET), pem(SIGNER.certificate), SECRET),
    "PEM, locked in the old way": (
        private(form=PrivateFormat.TraditionalOpenSSL, password=SECRET),
        pem(SIGNER.certificate),
        SECRET,
    ),
    "DER": (private(Encoding.DER), SIGNER.der, None),
    "DER, the old form": (private(Encoding.DER, PrivateFormat.TraditionalOpenSSL), SIGNER.der, None),
    "DER, locked": (private(Encoding.DER, password=SECRET), pem(SIGNER.certificate), SECRET),
    "PKCS#12": (pfx(BestAvailableEncryption(SECRET)), None, SECRET),
    "PKCS#12 in the old way": (pfx(OLD_WAY), None, SECRET),
    "PKCS#12 without a password": (pfx(), None, None),
    "PKCS#12 and the certificate beside it": (pfx(BestAvailableEncryption(SECRET)), SIGNER.der, SECRET),
    "a password that is not needed": (private(), pem(SIGNER.certificate), SECRET),
}


@pytest.mark.parametrize("how", FORMS)
def test_a_key_signs_from_every_form(tmp_path, how):
    key, certificate, password = FORMS[how]
    key_file = tmp_path / "khoa"
    key_file.write_bytes(key)
    key_file.chmod(0o600)
    beside = None
    if certificate is not None:
        beside = tmp_path / "chung-thu"
        beside.write_bytes(certificate)
    loaded = SigningKey.load(key_file, beside, password)
    assert loaded.fingerprint == SIGNER.fingerprint
    assert loaded.raw(b"x", loaded.certificate.family, 256)


@pytest.mark.parametrize(
    ("key", "password", "reason"),
    [
        (FORMS["PEM, locked"][0], None, "it is locked by a password, and none is given"),
        (FORMS["PEM, locked"][0], b"sai", "the password is wrong"),
        (FORMS["DER, locked"][0], None, "it is locked by a password, and none is given"),
        (FORMS["DER, locked"][0], b"sai", "the password is wrong"),
        (FORMS["PKCS#12"][0], None, "it is locked by a password, and none is given"),
        (FORMS["PKCS#12"][0], b"sai", "the password is wrong"),
        (pem(SIGNER.certificate), None, "no private key in it"),
        (SIGNER.der, None, "no private key in it"),
        (private(), None, "no certificate in it"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None, "no private key in it"),
        (b"khong phai khoa", None, "neither PEM, DER nor PKCS#12"),
    ],
)
def test_why_a_key_cannot_be_had_is_said_in_both_languages(tmp_path, key, password, reason):
    file = tmp_path / "khoa"
    file.write_bytes(key)
    file.chmod(0o600)
    with pytest.raises(Stopped) as caught:
        SigningKey.load(file, None, password)
    (problem,) = caught.value.problems
    assert (problem.code, problem.facts["reason"]) == ("SIG-100", reason)
    assert in_vietnamese(reason) != reason


def test_certificates_are_found_in_every_form_and_the_keys_own_is_told_from_the_others():
    assert own_certificate(pfx()).fingerprint == SIGNER.fingerprint
    assert own_certificate(pfx(BestAvailableEncryption(SECRET)), SECRET).fingerprint == SIGNER.fingerprint
    assert own_certificate(SIGNER.der).fingerprint == SIGNER.fingerprint
    two = pem(pki.certificate("cong-dvc"), SIGNER.certificate)
    assert own_certificate(two + private()).fingerprint == SIGNER.fingerprint
    with pytest.raises(ValueError, match=r"2 certificates in it, 2 of them no authority's: CN=.*; CN="):
        own_certificate(two)
    assert len(certificates_in(pfx())) == 3
    odd = certificates_in(pem(*CHAIN) + ssl.DER_cert_to_PEM_cert(written(**ODD["an at sign"])).encode())
    assert "van.thu@" in odd[-1].subject


def test_a_trust_tree_grows_from_every_form():
    issuing, root = CHAIN
    der = [one.public_bytes(Encoding.DER) for one in CHAIN]
    store = pkcs12.serialize_key_and_certificates(None, None, None, CHAIN, NoEncryption())
    for files in ((pem(issuing, root),), der, (store,), (pem(issuing), der[1])):
        tree = load_tree("chinh-phu", *files)
        assert [len(tree.anchors), len(tree.intermediates)] == [1, 1]


@pytest.mark.parametrize("old", [False, True])
def test_what_openssl_exports_is_opened(tmp_path, old):
    """As the tools of certification authorities write it, RC2 of the old ones included where this OpenSSL has it."""
    out = tmp_path / "ky.pfx"
    asked = ["openssl", "pkcs12", "-export", *(["-legacy"] if old else []), "-out", out, "-passout", "pass:123456"]
    (tmp_path / "all.pem").write_bytes(private() + pem(SIGNER.certificate, *CHAIN))
    done = subprocess.run([*asked, "-in", tmp_path / "all.pem"], capture_output=True, check=False)
    if (
        old and done.returncode != 0
    ):  # an OpenSSL may be built without its old algorithms; every one writes the new form
        pytest.skip(f"this OpenSSL has no RC2: {done.stderr.decode()[:80]}")
    assert done.returncode == 0, done.stderr
    held = open_key_file(out.read_bytes(), b"123456")
    assert held.key is not None
    assert SIGNER.fingerprint in {one.fingerprint for one in held.certificates}


@pytest.mark.parametrize("how", ["an at sign", "serial zero"])
def test_an_oddly_written_certificate_in_pkcs12_is_read_or_the_way_out_is_named(tmp_path, how):
    der = written(**ODD[how])
    (tmp_path / "all.pem").write_bytes(private() + ssl.DER_cert_to_PEM_cert(der).encode())
    asked = ["openssl", "pkcs12", "-export", "-in", tmp_path / "all.pem", "-out", tmp_path / "ky.p12"]
    subprocess.run([*asked, "-passout", "pass:1"], capture_output=True, check=True)
    raw = (tmp_path / "ky.p12").read_bytes()
    if how == "serial zero":
        assert own_certificate(raw, b"1").der == der
    else:
        with pytest.raises(ValueError, match="openssl pkcs12 -in"):
            open_key_file(raw, b"1")


# TLS ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An authority, one below it, and a server's certificate of the latter."""
    folder = tmp_path_factory.mktemp("tls")
    root = authorities.mint(folder, "root")
    return root, authorities.mint(folder, "server", root)


def shaken(server, client):
    """Whether both sides come to terms, in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = server.wrap_bio(to_server, to_client, server_side=True)
    there = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    done = set()
    for _ in range(8):
        for side in (there, here):
            try:
                side.do_handshake()
                done.add(side)
            except ssl.SSLWantReadError:
                pass
    return len(done) == 2


def forms_of(root, server):
    def key(encoding, password=None):
        how = BestAvailableEncryption(password) if password else NoEncryption()
        return server.key.private_bytes(encoding, PrivateFormat.PKCS8, how)

    certificate, above = server.certificate, root.certificate
    bundle = pkcs12.serialize_key_and_certificates(
        b"x", server.key, certificate, [above], BestAvailableEncryption(b"p")
    )
    return {
        "PEM": (pem(certificate), key(Encoding.PEM), None),
        "PEM, the authority first": (pem(above, certificate), key(Encoding.PEM), None),
        "PEM, locked": (pem(certificate), key(Encoding.PEM, b"p"), b"p"),
        "DER": (certificate.public_bytes(Encoding.DER), key(Encoding.DER), None),
        "DER, locked": (certificate.public_bytes(Encoding.DER), key(Encoding.DER, b"p"), b"p"),
        "PKCS#12": (bundle, None, b"p"),
    }


@pytest.mark.parametrize("how", ["PEM", "PEM, the authority first", "PEM, locked", "DER", "DER, locked", "PKCS#12"])
@pytest.mark.parametrize("roots", [Encoding.PEM, Encoding.DER])
def test_tls_is_spoken_with_every_form_on_both_sides(tmp_path, world, how, roots):
    root, server = world
    certificate, key, password = forms_of(root, server)[how]
    (tmp_path / "c").write_bytes(certificate)
    if key is not None:
        (tmp_path / "k").write_bytes(key)
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    show_in_tls(ours, tmp_path / "c", tmp_path / "k" if key is not None else None, password)
    (tmp_path / "ca").write_bytes(root.certificate.public_bytes(roots))
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    believe_in_tls(theirs, tmp_path / "ca")
    assert shaken(ours, theirs)


def test_tls_says_why_not(tmp_path, world):
    root, server = world
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    forms = forms_of(root, server)

    def reason(certificate, key, password=None):
        (tmp_path / "c").write_bytes(certificate)
        (tmp_path / "k").write_bytes(key)
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the reason is compared
            show_in_tls(ours, tmp_path / "c", tmp_path / "k", password)
        return str(caught.value)

    assert reason(pem(root.certificate), forms["PEM"][1]) == "the key is not that of any certificate in it"
    assert reason(forms["PEM"][0], forms["PEM, locked"][1]) == "it is locked by a password, and none is given"
    assert reason(forms["PEM"][0], forms["PEM, locked"][1], b"sai") == "the password is wrong"
    assert reason(forms["PEM"][0], forms["DER"][0]) == "no private key in it"
