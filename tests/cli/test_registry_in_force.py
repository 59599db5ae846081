"""A registry that is in force was built before: apply refuses by name, and one party's flaw shuts out that party alone."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pki
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_odd_certificates import ODD, written

from gateway.core.catalogues import Muc
from gateway.core.model import Fate
from gateway.core.parties import SigningCertificate
from gateway.core.problems import Stopped
from gateway.services import publishing
from gateway.services.profiles import to_text
from gateway.settings import load
from gateway.store import CertificateRecord
from gateway.wiring import build, prove_registry, registry_of

HS03 = "accepted/HS03-tiep-nhan-toi-thieu"


def put(office, der, party="so-tu-phap"):
    """Another signing certificate in a party's file."""
    file = office.folder / "keys" / "moi.cert.pem"
    file.write_bytes(der)
    profile = office.folder / "parties" / f"{party}.toml"
    text = profile.read_text("utf-8")
    named = '{ file = "../keys/moi.cert.pem", tree = "chinh-phu" }'
    assert text.count("certificates = [") == 1
    profile.write_text(text.replace("certificates = [", f"certificates = [{named}, "), "utf-8")


@pytest.mark.threat("T-FROZEN")
def test_what_cannot_be_built_is_never_in_force(cli, office):
    before = registry_of(office.store).version
    put(office, written(twice=True))
    result = cli("parties", "apply", "--yes", "--reason", "x")
    assert (result.code, "SYS-021" in result.err, "2.5.29" in result.err) == (1, True, True)
    assert cli("parties", "check").code == 1
    profile = office.folder / "parties" / "so-tu-phap.toml"
    (office.folder / "keys" / "moi.cert.pem").write_bytes(pki.signer("unregistered").der)
    profile.write_text(profile.read_text("utf-8").replace('"H19.901"', '"H19.900"', 1), "utf-8")  # the gateway's own
    result = cli("parties", "apply", "--yes", "--reason", "x")
    assert (result.code, "SYS-025" in result.err) == (1, True)
    assert registry_of(office.store).version == before
    assert cli("alerts").code != 70


def test_a_certificate_that_openssl_reads_is_registered_and_used(cli, office):
    put(office, written(**ODD["an at sign"]))
    assert cli("parties", "apply", "--yes", "--reason", "x").code == 0
    assert cli("trust", "show").code == 0


def test_an_authority_as_signer_is_told_at_check(cli, office):
    put(office, pki.certificate("issuing-b").public_bytes(pki.serialization.Encoding.DER))
    out = cli("parties", "check").out
    assert "SYS-075" in out
    assert "SIG-057" in out


@pytest.mark.threat("T-FROZEN")
def test_a_profile_that_cannot_be_built_any_more_shuts_out_its_own_party_alone(cli, office):
    """As after the upgrade of a library: what was applied is on record, and one certificate cannot be read any more."""
    office.receive("accepted/HS01-nop-ho-so-toi-thieu")
    row = json.loads(to_text(registry_of(office.store).get("so-tu-phap")))
    for one in row["certificates"]:
        one["der"] = b64encode(b"\x30\x03abc").decode()
    with office.store.begin() as tx:
        tx.apply_parties(
            {"so-tu-phap": json.dumps(row), "so-xay-dung": "{"}, who="x", reason="x", now=datetime.now(UTC)
        )
    loaded = load(office.folder / "lienthong.toml", {})
    office.gate = build(loaded.settings, office.store)
    assert office.gate.parties.get("so-xay-dung") is None
    ack = office.receive(HS03, "so-tu-phap")
    assert (ack.fate, [problem.code for problem in ack.problems]) == (Fate.REJECTED, ["SIG-050"])
    again = office.receive("accepted/HS01-nop-ho-so-toi-thieu")
    assert again.fate is Fate.ACCEPTED
    assert "SYS-076" in cli("doctor").out
    (row,) = [row for row in cli("alerts", "--json").rows if row["alarm"] == "registry-flawed"]
    assert row["cause"] == "SYS-076"


@pytest.mark.threat("T-FROZEN")
def test_a_catalogue_that_cannot_be_built_for_use_is_not_recorded(cli, office):
    """As when a reader and a writer of a later version disagree: the flaw is found before it is on record."""
    good = Muc(ma="H19.901", ten="Sở Tư pháp", ma_thay_the=None, fields={}, hieu_luc_tu=None, hieu_luc_den=None)
    assert publishing.publish(office.store, "CoQuan", "2026.1", [good], who="x", now=datetime.now(UTC))
    bad = replace(good, ma="H19.902", fields={"BiDanh": None})
    with pytest.raises(Stopped) as caught:
        publishing.publish(office.store, "CoQuan", "2026.2", [good, bad], who="x", now=datetime.now(UTC))
    (problem,) = caught.value.problems
    assert problem.code == "CAT-014"
    assert problem.facts["phien_ban"] == "2026.2"
    with office.store.read() as view:
        assert view.catalogue_versions("CoQuan") == ["2026.1"]
    assert cli("parties", "list").code == 0


known_of = st.dictionaries(
    st.sampled_from(["so-tu-phap", "so-xay-dung", "cong-dvc", "expired"]),
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["good", "bad", "unknown"]),
            "until": st.sampled_from([None, timedelta(days=-1), timedelta(days=1)]),
            "facts": st.one_of(
                st.just({}),
                st.just({"reason": "ok", "source": "ocsp", "gaps": []}),
                st.just({"gaps": [{"why": "absent"}]}),
                st.just({"gaps": 7, "grace_until": "tomorrow", "lasts_h": "x"}),
                st.dictionaries(st.sampled_from(["reason", "source", "revoked_at", "gaps", "later"]), st.integers()),
            ),
        }
    ),
)


ders = st.one_of(
    st.sampled_from(
        [
            pki.signer("so-tu-phap").der,
            pki.signer("cong-dvc").der,
            pki.signer("ca-signer").der,
            pki.signer("expired").der,
        ]
    ),
    st.sampled_from(sorted(ODD)).map(lambda name: written(**ODD[name])),
    st.just(written(twice=True)),
    st.builds(
        lambda place, change: bytes(
            b ^ change if i == place else b for i, b in enumerate(pki.signer("so-tu-phap").der)
        ),
        st.integers(0, 900),
        st.integers(1, 255),
    ),
    st.binary(max_size=120),
)


@pytest.mark.threat("T-FROZEN")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=25)
@given(
    st.dictionaries(
        st.sampled_from(["so-tu-phap", "so-xay-dung", "don-vi-loi"]),
        st.tuples(st.lists(ders, max_size=2), st.sampled_from([None, "H19.900", "H19.909", "H19.955"]), st.booleans()),
        min_size=1,
    ),
    known_of,
)
def test_whatever_is_applied_a_fresh_process_opens(office, drawn, learnt):
    loaded = load(office.folder / "lienthong.toml", {})
    known = registry_of(office.store)
    texts = {}
    for name, (certificates, identifier, enabled) in drawn.items():
        party = known.get(name)
        registered = tuple(
            SigningCertificate(der=der, fingerprint=pki.hashlib.sha256(der).hexdigest(), tree="chinh-phu")
            for der in certificates
        )
        identifiers = party.identifiers if identifier is None else (*party.identifiers[:1], identifier)
        texts[name] = to_text(replace(party, certificates=registered, identifiers=identifiers, enabled=enabled))
    try:
        with office.store.begin() as tx:
            tx.apply_parties(texts, who="x", reason="x", now=datetime.now(UTC))
            prove_registry(tx.parties(), loaded.settings)
    except Stopped as stop:
        assert {problem.code for problem in stop.problems} <= {"SYS-076", "SYS-025"}
        assert to_text(registry_of(office.store).get("so-tu-phap")) == to_text(known.get("so-tu-phap"))
    now = datetime.now(UTC)
    with office.store.begin() as tx:
        tx.put_statuses(
            [
                CertificateRecord(
                    fingerprint=pki.signer(name).fingerprint,
                    tree="chinh-phu",
                    status=row["status"],
                    as_of=now,
                    until=None if row["until"] is None else now + row["until"],
                    facts=row["facts"],
                    evidence=(),
                )
                for name, row in learnt.items()
            ],
            now,
        )
    gate = build(loaded.settings, office.store)
    assert {party.id for party in known} <= {party.id for party in gate.parties}
    for party in gate.parties:
        for one in party.certificates:
            gate.trust.standing(one.fingerprint, one.tree, datetime.now(UTC))
