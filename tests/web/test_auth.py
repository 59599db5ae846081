"""Who is at the door."""

import base64
import hashlib
import urllib.parse

import pki
import pytest
from multidict import CIMultiDict

from gateway.core.parties import Credentials, Parties
from gateway.settings import DoorSettings
from gateway.web.auth import Doorkeeper
from gateway.web.rates import Rates
from gateway.web.refusals import Refusal

TOKEN = {"Authorization": f"Bearer {pki.token('cong-dvc')}"}


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def registry():
    import dataclasses

    client = hashlib.sha256(pki.signer("so-xay-dung").der).hexdigest()
    changed = {
        "so-xay-dung": Credentials(
            token_sha256=(hashlib.sha256(b"lt_k1_so-xay-dung-secret").hexdigest().upper(),),
            client_certificate_sha256=(client,),
            basic={"xây-dựng": hashlib.sha256("xây-dựng:mật khẩu: dài".encode()).hexdigest()},
        )
    }
    return Parties(dataclasses.replace(p, credentials=changed[p.id]) if p.id in changed else p for p in pki.parties())


def keeper(**options):
    return Doorkeeper(DoorSettings(**options), Rates())


def identify(headers, registry, doorkeeper=None, peer="192.0.2.1"):
    return (doorkeeper or keeper()).identify(CIMultiDict(headers), peer, None, registry)


def refused(headers, registry, doorkeeper=None, peer="192.0.2.1"):
    with pytest.raises(Refusal) as caught:
        identify(headers, registry, doorkeeper, peer)
    return caught.value.problem.code


def test_a_token_names_its_party(registry):
    identity = identify(TOKEN, registry)
    assert (identity.party.id, identity.caller.party, identity.caller.by) == ("cong-dvc", "cong-dvc", "token")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_read_in_any_case(registry, scheme):
    assert identify({"Authorization": f"{scheme} {pki.token('cong-dvc')}"}, registry).party.id == "cong-dvc"


def test_a_name_with_diacritics_and_a_password_with_colons_work_in_basic(registry):
    identity = identify(basic("xây-dựng", "mật khẩu: dài"), registry)
    assert (identity.party.id, identity.caller.by) == ("so-xay-dung", "basic")


def test_nobody_is_refused_with_a_challenge(registry):
    with pytest.raises(Refusal) as caught:
        identify({}, registry)
    assert caught.value.problem.code == "AUT-101"
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer TEST-ONLY-cong-dvX", "AUT-102"),
        ("Bearer test-only-cong-dvc", "AUT-102"),
        ("Bearer short", "AUT-109"),
        ("Bearer ", "AUT-103"),
        ("Bearer with blanks inside it of course", "AUT-103"),
        ("Bearer " + "a" * 15, "AUT-109"),
        ("Bearer " + "a" * 16, "AUT-102"),
        ("Bearer " + "a" * 512, "AUT-102"),
        ("Bearer " + "a" * 513, "AUT-109"),
        ("Digest username=x", "AUT-103"),
        ("", "AUT-103"),
        ("Basic !!!", "AUT-103"),
        ("Basic " + base64.b64encode(b"no colon").decode(), "AUT-103"),
        ("Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "AUT-103"),
        ("Basic " + base64.b64encode(b":empty name").decode(), "AUT-103"),
        ("Basic " + base64.b64encode("xây-dựng:wrong".encode()).decode(), "AUT-102"),
        ("Basic " + base64.b64encode(b"nobody:mat khau").decode(), "AUT-102"),
    ],
)
def test_what_is_no_credential_of_anyone_is_refused(registry, header, code):
    assert refused({"Authorization": header}, registry) == code


def test_two_authorization_headers_are_refused(registry):
    headers = CIMultiDict([("Authorization", "Bearer " + pki.token("cong-dvc"))] * 2)
    assert refused(headers, registry) == "SYS-108"


def test_a_locked_party_is_told_so(registry):
    assert refused({"Authorization": f"Bearer {pki.token('don-vi-bi-khoa')}"}, registry) == "AUT-105"


def test_guessing_a_password_is_slowed_and_only_for_that_name_and_address(registry):
    doorkeeper = keeper()
    codes = [refused(basic("xây-dựng", str(n)), registry, doorkeeper) for n in range(12)]
    assert codes == ["AUT-102"] * 10 + ["AUT-107"] * 2
    assert refused(basic("xây-dựng", "mật khẩu: dài"), registry, doorkeeper) == "AUT-107"  # not even compared
    assert (
        identify(basic("xây-dựng", "mật khẩu: dài"), registry, doorkeeper, peer="192.0.2.2").party.id == "so-xay-dung"
    )
    assert identify(TOKEN, registry, doorkeeper).party.id == "cong-dvc"


def test_a_party_has_the_rate_of_its_profile(registry):
    import dataclasses

    slow = Parties(dataclasses.replace(p, rate_per_s=1.0 if p.id == "cong-dvc" else None) for p in registry)
    doorkeeper = keeper()
    assert [identify(TOKEN, slow, doorkeeper).party.id for _ in range(2)] == ["cong-dvc"] * 2
    with pytest.raises(Refusal) as caught:
        identify(TOKEN, slow, doorkeeper)
    assert caught.value.problem.code == "SYS-116"
    assert int(caught.value.headers["Retry-After"]) >= 1
    assert identify({"Authorization": "Bearer lt_k1_so-xay-dung-secret"}, slow, doorkeeper).party.id == "so-xay-dung"


# -- client certificates through a proxy --


def handed_on(form):
    signer = pki.signer("so-xay-dung")
    pem = signer.cert_pem.read_text()
    return {
        "nginx": urllib.parse.quote(pem),
        "tabs": pem.strip().replace("\n", "\t"),
        "der": base64.b64encode(signer.der).decode(),
        "rfc9440": ":" + base64.b64encode(signer.der).decode() + ":",
        "hex": hashlib.sha256(signer.der).hexdigest(),
        "HEX": ":".join(f"{b:02X}" for b in hashlib.sha256(signer.der).digest()),
    }[form]


PROXY = {"trusted_proxies": ("10.0.0.0/8", "::1"), "client_certificate_header": "X-Client-Cert"}


@pytest.mark.parametrize("form", ["nginx", "tabs", "der", "rfc9440", "hex", "HEX"])
def test_a_trusted_proxy_hands_a_certificate_on_in_the_forms_proxies_write(registry, form):
    identity = identify({"X-Client-Cert": handed_on(form)}, registry, keeper(**PROXY), peer="10.1.2.3")
    assert (identity.party.id, identity.caller.by) == ("so-xay-dung", "client-certificate")


def test_from_anyone_else_the_header_means_nothing(registry):
    assert refused({"X-Client-Cert": handed_on("hex")}, registry, keeper(**PROXY), peer="192.0.2.1") == "AUT-101"
    assert refused({"X-Client-Cert": handed_on("hex")}, registry, keeper(), peer="10.1.2.3") == "AUT-101"


def test_garbage_from_the_proxy_is_a_refusal_and_an_unknown_certificate_too(registry):
    assert refused({"X-Client-Cert": "garbage"}, registry, keeper(**PROXY), peer="10.1.2.3") == "SYS-109"
    unknown = hashlib.sha256(b"another").hexdigest()
    assert refused({"X-Client-Cert": unknown}, registry, keeper(**PROXY), peer="10.1.2.3") == "AUT-102"


def test_a_certificate_and_a_token_of_different_parties_are_refused(registry):
    headers = {"X-Client-Cert": handed_on("hex"), **TOKEN}
    assert refused(headers, registry, keeper(**PROXY), peer="10.1.2.3") == "AUT-104"


def test_the_callers_address_is_the_one_our_proxy_added(registry):
    doorkeeper = keeper(**PROXY)
    headers = CIMultiDict({"X-Forwarded-For": "203.0.113.9, 198.51.100.7"})
    assert doorkeeper.address(headers, "10.1.2.3") == "198.51.100.7"
    assert doorkeeper.address(headers, "192.0.2.1") == "192.0.2.1"
    assert doorkeeper.address(CIMultiDict({"X-Forwarded-For": "junk"}), "10.1.2.3") == "10.1.2.3"


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:port", "10.1.2.3"),
        ("unknown", "10.1.2.3"),
    ],
)
def test_a_proxy_may_name_the_port_too(said, address):
    headers = CIMultiDict({"X-Forwarded-For": f"203.0.113.9, {said}"})
    assert keeper(**PROXY).address(headers, "10.1.2.3") == address
    assert keeper(**PROXY).address(headers, "::ffff:10.1.2.3") in (address, "::ffff:10.1.2.3")


@pytest.mark.hostile
def test_one_strangers_wrong_passwords_lock_nobody_out_who_comes_through_the_same_proxy(registry):
    doorkeeper = keeper(**PROXY)

    def come(port, password, host="198.51.100.7"):
        peer = doorkeeper.address(CIMultiDict({"X-Forwarded-For": f"{host}:{port}"}), "10.1.2.3")
        return refused(basic("xây-dựng", password), registry, doorkeeper, peer=peer)

    assert [come(40000 + n, str(n)) for n in range(11)] == ["AUT-102"] * 10 + [
        "AUT-107"
    ]  # a new port is no new stranger
    agency = doorkeeper.address(CIMultiDict({"X-Forwarded-For": "192.0.2.77:1"}), "10.1.2.3")
    assert identify(basic("xây-dựng", "mật khẩu: dài"), registry, doorkeeper, peer=agency).party.id == "so-xay-dung"


def test_operators_have_tokens_of_their_own(registry):
    digest = hashlib.sha256(b"lt_op_0123456789abcdef").hexdigest()
    doorkeeper = keeper(operator_tokens_sha256=(digest.upper(),))
    assert doorkeeper.is_operator(CIMultiDict({"Authorization": "Bearer lt_op_0123456789abcdef"}))
    assert not doorkeeper.is_operator(CIMultiDict(TOKEN))
    assert not doorkeeper.is_operator(CIMultiDict({}))
    assert not keeper().is_operator(CIMultiDict(TOKEN))


def test_neither_tokens_nor_passwords_reach_the_log(registry, caplog):
    caplog.set_level("DEBUG")
    for headers in ({"Authorization": "Bearer lt_key7_supersecretvalue"}, basic("xây-dựng", "topsecret")):
        refused(headers, registry)
    text = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "key7" in text
    assert "supersecretvalue" not in text
    assert "topsecret" not in text
