"""TLS at the door, and parties that prove themselves by a client certificate."""

import hashlib
import socket
import ssl
from dataclasses import replace

import mail
import pytest
import tls as authorities
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from patience import PATIENCE_S

from gateway.core.parties import Credentials
from gateway.core.problems import Stopped
from gateway.settings import WebSettings
from gateway.web.tls import server_context


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    root = authorities.mint(folder, "root")
    return {
        "root": root,
        "server": authorities.mint(folder, "server", root),
        "agency": authorities.mint(folder, "agency", root),
        "other": authorities.mint(folder, "other", root),
        "stranger": authorities.mint(folder, "stranger", authorities.mint(folder, "foreign")),
        "expired": authorities.mint(folder, "expired", root, days=-1),
    }


def client(world, name=None):
    context = ssl.create_default_context(cafile=str(world["root"].file))
    if name:
        context.load_cert_chain(world[name].file)
    return context


@pytest.fixture
def at(world, open_door, with_party):
    """A door with TLS where so-xay-dung is known by a certificate; called with the client's certificate."""

    def open_(name=None, roots="root", **options):
        der = world["agency"].certificate.public_bytes(Encoding.DER)
        print_ = hashlib.sha256(der).hexdigest()
        registry = with_party("so-xay-dung", credentials=Credentials(client_certificate_sha256=(print_,)))
        web = replace(
            WebSettings(),
            tls_certificate=world["server"].file,
            tls_key=world["server"].file,
            client_ca=world[roots].file,
        )
        return open_door(parties=registry, tls=server_context(web), client_tls=client(world, name), **options)

    return open_


def test_the_door_takes_pkcs12_with_its_password_from_the_environment(world, tmp_path, monkeypatch):
    monkeypatch.setenv("MAT_KHAU_TLS", "p")
    server, file = world["server"], tmp_path / "tls.p12"
    how = BestAvailableEncryption(b"p")
    chain = [world["root"].certificate]
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"x", server.key, server.certificate, chain, how))
    web = replace(WebSettings(), tls_certificate=file, tls_key=file, tls_password_env="MAT_KHAU_TLS")
    assert server_context(web).get_ca_certs() == []
    monkeypatch.setenv("MAT_KHAU_TLS", "sai")
    with pytest.raises(Stopped) as caught:
        server_context(web)
    (problem,) = caught.value.problems
    assert (problem.code, problem.facts["reason"]) == ("SYS-020", "the password is wrong")


def test_a_registered_certificate_is_the_party(at):
    door = at("agency")
    assert door.get("/v1/inbox").status == 200
    answer = door.send(mail.nop(sender="cong-dvc"), None)
    assert answer.status in (403, 422)  # judged as sent by so-xay-dung, which is not cong-dvc
    with door.gate.store.read() as view:
        (message,) = view.messages()
    assert (message.party, message.caller_by) == ("so-xay-dung", "client-certificate")


def test_a_token_works_without_any_certificate(at):
    assert at().get("/v1/inbox", "cong-dvc").status == 200
    assert at().get("/v1/inbox").codes == ["AUT-101"]


def test_an_unregistered_certificate_of_a_known_root_is_nobody(at):
    answer = at("other").get("/v1/inbox")
    assert (answer.status, answer.codes) == (401, ["AUT-102"])


def test_a_certificate_and_a_token_must_be_of_one_party(at):
    assert at("agency").get("/v1/inbox", "cong-dvc").codes == ["AUT-104"]


@pytest.mark.parametrize("name", ["stranger", "expired"])
def test_certificates_of_strangers_and_expired_ones_end_the_handshake(at, name):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        at(name).get("/v1/inbox")


def test_a_leaf_may_itself_be_the_root_for_clients(at):
    assert at("agency", roots="agency").get("/v1/inbox").status == 200


def test_old_tls_and_plain_http_are_not_spoken(at, world):
    door = at()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(world["root"].file)
    for bound in ("minimum_version", "maximum_version"):
        with pytest.warns(DeprecationWarning, match="deprecated"):
            setattr(old, bound, ssl.TLSVersion.TLSv1_1)
    with (
        socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as sock,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        old.wrap_socket(sock, server_hostname="127.0.0.1")
    answer, _ = door.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not answer.startswith(b"HTTP/1.1 200")


def test_a_handshake_that_does_not_end_is_cut_off(at):
    door = at(header_s=0.5)
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as sock:
        assert sock.recv(10) == b""


def test_files_that_cannot_be_used_are_named(world, tmp_path):
    with pytest.raises(Stopped) as caught:
        server_context(replace(WebSettings(), tls_certificate=tmp_path / "none.pem", tls_key=tmp_path / "none.pem"))
    assert caught.value.problems[0].code == "SYS-020"
    assert caught.value.problems[0].facts["key"] == "web.tls_key"
    (tmp_path / "junk.pem").write_text("junk")
    server, junk, other = world["server"].file, tmp_path / "junk.pem", world["other"].file
    for certificate, key in ((junk, server), (server, junk), (server, other)):
        with pytest.raises(Stopped) as caught:
            server_context(replace(WebSettings(), tls_certificate=certificate, tls_key=key))
        assert caught.value.problems[0].facts["key"] == "web.tls_certificate"
        assert "ssl" not in caught.value.problems[0].facts["reason"].lower()
    with pytest.raises(Stopped) as caught:
        server_context(
            replace(
                WebSettings(),
                tls_certificate=world["server"].file,
                tls_key=world["server"].file,
                client_ca=tmp_path / "junk.pem",
            )
        )
    assert caught.value.problems[0].facts["key"] == "web.client_ca"
