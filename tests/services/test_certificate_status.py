"""Where verdicts on certificates come from: fetched over HTTP from a real authority that can be made wrong, judged, recorded."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pki
import pytest
import server
from cryptography.hazmat.primitives.serialization import Encoding
from patience import PATIENCE_S

from connectors.pki import Pki
from gateway import wiring
from gateway.core.parties import Parties, Role, SigningCertificate
from gateway.core.problems import Lang, Problem
from gateway.services.certificate_ends import Ending, endangered, forecast, unproven
from gateway.services.certificate_status import Sources, is_due, refresh
from signing.certificates import read_certificate
from signing.status import judge_status
from signing.trust import CertificateStatus, StatusWord, TrustView, load_tree

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def tree(name="chinh-phu"):
    return load_tree(name, b"".join(c.public_bytes(Encoding.PEM) for c in pki.tree_certificates(name)))


def parties_with(*signers):
    registered = tuple(
        SigningCertificate(der=signer.der, fingerprint=signer.fingerprint, tree="chinh-phu") for signer in signers
    )
    return Parties([replace(pki.party("so-tu-phap"), certificates=registered)])


class World:
    """One authority, one party with one certificate that names it, one store."""

    def __init__(self, authority, store, *, crl=True, ocsp=True):
        self.authority = authority
        self.store = store
        self.signer = server.with_addresses(authority, "so-tu-phap-mang", crl=crl, ocsp=ocsp)
        self.parties = parties_with(self.signer)
        self.sources = [Sources(tree="chinh-phu", crl_urls=(authority.crl("root-b"),))]
        self.trust = TrustView.build(self.parties, [tree()])

    def refresh(self, now=None, **more):
        patience = 0.3 if self.authority.fault == "slow" else PATIENCE_S

        async def ask():
            async with Pki(timeout_s=patience, private_addresses=True) as pki_:
                return await refresh(
                    self.store, self.trust, self.parties, self.sources, now or self.authority.now, pki=pki_, **more
                )

        done = asyncio.run(ask())
        with self.store.read() as view:
            verdicts = [wiring.certificate_status(row) for row in view.certificate_statuses()]
        self.trust = TrustView.build(self.parties, [tree()], verdicts)
        return done

    @property
    def verdict(self):
        return self.trust.verdicts.get(self.signer.fingerprint)

    def stands(self, at):
        return self.trust.standing(self.signer.fingerprint, "chinh-phu", at)


@pytest.fixture
def authority():
    with server.serve(NOW) as serving:
        yield serving


@pytest.fixture
def world(authority, store):
    return World(authority, store)


@pytest.fixture
def small(authority, sqlite_store):
    """The same over SQLite alone: what an authority says does not depend on the database."""
    return World(authority, sqlite_store)


def test_a_good_certificate_is_asked_about_by_ocsp_and_its_evidence_kept(world):
    done = world.refresh()
    assert (world.verdict.status, world.verdict.source) == (StatusWord.GOOD, "ocsp")
    assert done.written == (world.signer.fingerprint,)
    assert any(line.startswith("POST /ocsp/b") for line in world.authority.asked)
    with world.store.read() as view:
        assert all(view.evidence(digest) for digest in world.verdict.evidence)
    assert world.stands(world.authority.now).status is StatusWord.GOOD


def test_a_revoked_certificate_is_bad_from_its_date(small):
    when = (small.authority.now - 2 * HOUR).replace(microsecond=0)
    small.authority.revoked[small.signer.certificate.serial_number] = when
    small.refresh()
    assert (small.verdict.status, small.verdict.revoked_at) == (StatusWord.BAD, when)
    assert small.stands(small.authority.now).code == "SIG-060"
    assert small.stands(when - HOUR).status is StatusWord.GOOD


@pytest.mark.threat("T-STATUS")
@pytest.mark.parametrize(
    "fault",
    [
        "stale",
        "future",
        "wrong-responder",
        "garbage",
        "empty",
        "huge",
        "slow",
        "down",
        "status-500",
        "redirect",
    ],
)
def test_a_source_that_is_wrong_leaves_the_status_unknown_and_says_why(fault, small):
    small.authority.fault = fault
    done = small.refresh()
    assert small.verdict.status is StatusWord.UNKNOWN
    assert small.stands(small.authority.now).code == "SIG-062"
    if fault not in ("stale", "future", "wrong-responder", "garbage"):
        assert {reason for _, reason in done.failures} <= {
            "empty",
            "too-large",
            "time-out",
            "connection",
            "status-500",
            "status-302",
        }
        assert done.failures
    assert not any("elsewhere" in line for line in small.authority.asked), "redirects are not followed"


@pytest.mark.parametrize("fault", ["wrong-nonce", "unknown", "other-certificate"])
def test_a_responder_that_answers_something_else_is_replaced_by_the_list(fault, small):
    small.authority.fault = fault
    small.refresh()
    assert (small.verdict.status, small.verdict.reason) == (StatusWord.GOOD, "good-by-crl")


@pytest.mark.parametrize("fault", ["wrong-nonce", "unknown", "other-certificate"])
def test_without_a_list_such_an_answer_leaves_it_unknown(fault, authority, sqlite_store):
    there = World(authority, sqlite_store, crl=False)
    authority.fault = fault
    there.refresh()
    assert there.verdict.status is StatusWord.UNKNOWN


def test_while_the_source_is_down_the_last_good_answer_counts_for_its_grace_and_no_longer(world):
    world.refresh(grace=6 * HOUR)
    until = world.verdict.until
    world.authority.fault = "down"
    world.refresh(until + HOUR, grace=6 * HOUR)
    assert world.stands(until + HOUR).code == "SIG-064"
    assert world.stands(until + 7 * HOUR).code == "SIG-062"


def test_when_the_source_comes_back_unknown_becomes_good(world):
    world.authority.fault = "down"
    world.refresh()
    world.authority.fault = None
    assert world.refresh(world.authority.now + timedelta(minutes=1)).judged == (), "not due again yet"
    world.refresh(world.authority.now + timedelta(minutes=6))
    assert world.verdict.status is StatusWord.GOOD


def test_each_address_is_asked_once_for_many_certificates(authority, store):
    first, second = (server.with_addresses(authority, name, ocsp=False) for name in ("mot", "hai"))
    there = World(authority, store)
    there.parties = parties_with(first, second)
    there.trust = TrustView.build(there.parties, [tree()])
    assert len(there.refresh().judged) == 2
    assert sorted(authority.asked) == ["GET /crl/issuing-b.crl", "GET /crl/root-b.crl"]


def test_lists_kept_as_files_need_no_network(world, tmp_path):
    for name in ("issuing-b", "root-b"):
        (tmp_path / f"{name}.crl").write_bytes(world.authority.make_crl(name))
    files = (tmp_path / "issuing-b.crl", tmp_path / "root-b.crl", tmp_path / "not-there.crl")
    world.sources = [Sources(tree="chinh-phu", crl_files=files, follow_certificates=False)]
    done = world.refresh()
    assert world.verdict.status is StatusWord.GOOD
    assert world.authority.asked == []
    assert [url for url, _ in done.failures] == [str(files[2])]


def test_what_a_list_kept_as_a_file_said_is_put_on_record_with_the_list(world, tmp_path):
    """A node judges by such lists from its first moment; the evidence of what it judged must be there for a bundle."""
    file = tmp_path / "b.crl"
    file.write_bytes(world.authority.make_crl("issuing-b"))
    root = tmp_path / "goc.crl"
    root.write_bytes(world.authority.make_crl("root-b"))
    lists = [file.read_bytes(), root.read_bytes()]
    verdict = judge_status(read_certificate(world.signer.der), tree(), world.authority.now, crls=lists)
    world.trust = world.trust.with_verdicts([verdict])
    world.authority.fault = "down"
    world.sources = [Sources(tree="chinh-phu", crl_files=(file, root), follow_certificates=False)]
    assert world.refresh().written == (world.signer.fingerprint,)
    with world.store.read() as view:
        assert [view.evidence(digest) is not None for digest in world.verdict.evidence] == [True] * len(lists)


def test_a_private_address_is_not_asked_unless_a_setting_allows_it(small):
    async def ask():
        async with Pki(timeout_s=PATIENCE_S) as careful:
            return await refresh(
                small.store, small.trust, small.parties, small.sources, small.authority.now, pki=careful
            )

    done = asyncio.run(ask())
    assert {reason for _, reason in done.failures} == {"refused-address"}
    assert small.authority.asked == []


@pytest.mark.threat("T-ENDLESS")
def test_an_answer_without_an_end_is_asked_again_at_half_and_over_when_the_responder_stays_away(
    authority, sqlite_store
):
    there = World(authority, sqlite_store, crl=False)
    authority.fault = "no-next-update"
    there.refresh(lasts=10 * HOUR)
    assert (there.verdict.status, there.verdict.source) == (StatusWord.GOOD, "ocsp")
    assert there.verdict.until == (authority.now - HOUR).replace(microsecond=0) + 10 * HOUR
    there_until = there.verdict.until
    assert not is_due(there.verdict, authority.now + 4 * HOUR)
    assert is_due(there.verdict, authority.now + 5 * HOUR)
    authority.fault = "down"
    there.refresh(authority.now + 5 * HOUR, grace=HOUR, lasts=10 * HOUR)
    assert there.stands(authority.now + 8 * HOUR).status is StatusWord.GOOD
    later = authority.now + timedelta(days=30)
    assert there.stands(later).code == "SIG-062"
    there.refresh(later, lasts=10 * HOUR)
    mine = there.verdict.gaps[0]
    assert (mine.why, mine.since) == ("absent", there_until)
    assert [source.split()[0] for source in mine.sources] == [authority.crl("root-b"), authority.ocsp()]


@pytest.mark.parametrize("fault", ["stranger-first", "good-and-revoked"])
def test_a_revocation_is_found_wherever_a_responder_writes_it(fault, small):
    small.authority.fault = fault
    small.authority.revoked[small.signer.certificate.serial_number] = small.authority.now - 2 * HOUR
    small.refresh()
    assert (small.verdict.status, small.verdict.reason) == (StatusWord.BAD, "revoked")
    assert small.verdict.evidence


@pytest.mark.threat("T-ENDLESS")
def test_what_is_missing_is_told_by_certificate_with_its_source_and_since_when(small):
    small.sources = [Sources(tree="chinh-phu")]  # nobody says where the root's list is
    small.refresh()
    (one,) = unproven(small.trust, small.parties, small.authority.now)
    (problem,) = one.problems()
    assert (one.party, problem.code, problem.facts["since"]) == (
        "so-tu-phap",
        "SYS-070",
        small.authority.now.isoformat(timespec="seconds"),
    )
    assert "TEST Issuing B1" in problem.facts["subject"]
    told = Problem("SIG-062", small.stands(small.authority.now).facts)
    assert "TEST Issuing B1" in told.message(Lang.VI)
    assert "there is no CRL and no OCSP answer" in told.message(Lang.EN)
    small.authority.fault = "status-500"
    small.refresh(small.authority.now + HOUR)
    codes = {
        problem.code: problem.facts
        for one in unproven(small.trust, small.parties, small.authority.now + HOUR)
        for problem in one.problems()
    }
    assert set(codes) == {"SYS-070", "SYS-071"}
    assert all("(status-500)" in source for source in codes["SYS-071"]["sources"])
    assert codes["SYS-070"]["since"] == small.authority.now.isoformat(timespec="seconds"), "since when is kept"
    small.authority.fault = None
    small.sources = [Sources(tree="chinh-phu", crl_urls=(small.authority.crl("root-b"),))]
    small.refresh(small.authority.now + 2 * HOUR)
    assert unproven(small.trust, small.parties, small.authority.now + 2 * HOUR) == []


def test_what_is_not_asked_yet_useless_or_ended_is_told_apart(small):
    def told(at):
        return [problem.code for one in unproven(small.trust, small.parties, at) for problem in one.problems()]

    now = small.authority.now
    assert told(now) == ["SYS-073"]
    small.authority.fault = "stale"
    small.refresh()
    assert set(told(now)) == {"SYS-072"}
    small.authority.fault = None
    small.refresh(now + HOUR)
    assert told(now + HOUR) == []
    assert told(small.verdict.until + timedelta(seconds=1)) == ["SYS-074"]


def test_a_verdict_of_an_older_program_without_an_end_is_not_believed(small):
    small.refresh()
    endless = replace(small.verdict, until=None, lasts=None)
    known = small.trust.with_verdicts([endless])
    assert known.standing(small.signer.fingerprint, "chinh-phu", small.authority.now).code == "SIG-062"
    assert is_due(endless, small.authority.now)


def status(state, *, age, left):
    now = datetime(2026, 11, 24, tzinfo=UTC)
    until = None if left is None else now + left
    return CertificateStatus(fingerprint="ab", status=state, as_of=now - age, until=until), now


@pytest.mark.parametrize(
    ("state", "age", "left", "due"),
    [
        (StatusWord.GOOD, HOUR, 10 * HOUR, False),
        (StatusWord.GOOD, HOUR, HOUR / 2, True),
        (StatusWord.GOOD, 6 * HOUR, 5 * HOUR, True),
        (StatusWord.GOOD, 25 * HOUR, timedelta(days=300), True),
        (StatusWord.GOOD, HOUR, None, True),  # recorded before all evidence had an end
        (StatusWord.UNKNOWN, timedelta(minutes=4), None, False),
        (StatusWord.UNKNOWN, timedelta(minutes=5), None, True),
        (StatusWord.BAD, HOUR, 10 * HOUR, False),
    ],
)
def test_a_certificate_is_due_before_its_evidence_ends(state, age, left, due):
    verdict, now = status(state, age=age, left=left)
    assert is_due(verdict, now) is due
    assert is_due(None, now)


def test_the_forecast_names_what_stops_working_on_which_day(small):
    small.refresh(grace=6 * HOUR)
    now = small.authority.now
    ends = forecast(small.trust, small.parties, now)
    assert [end.at for end in ends] == sorted(end.at for end in ends)
    by_kind = {end.kind: end for end in ends}
    assert by_kind[Ending.EVIDENCE].at == small.verdict.grace_until
    assert by_kind[Ending.CERTIFICATE].at == small.signer.certificate.not_valid_after_utc
    assert by_kind[Ending.CERTIFICATE].last
    assert by_kind[Ending.ANCHOR].tree == "chinh-phu"
    assert [end.kind for end in forecast(small.trust, small.parties, now, timedelta(days=3))] == [Ending.EVIDENCE]
    assert by_kind[Ending.EVIDENCE].days(now) == 1


def test_a_registration_that_ends_before_its_certificate_is_what_ends(authority, sqlite_store):
    there = World(authority, sqlite_store)
    soon = authority.now + timedelta(days=10)
    agency = next(iter(there.parties))
    early = replace(agency.certificates[0], valid_to=soon)
    parties = Parties([replace(agency, certificates=(early,))])
    first = forecast(TrustView.build(parties, [tree()]), parties, authority.now)[0]
    assert (first.kind, first.at, first.party, first.last) == (Ending.REGISTRATION, soon, agency.id, True)


def test_what_a_person_must_act_on_is_what_nothing_stands_in_for(authority, sqlite_store):
    there = World(authority, sqlite_store)
    now, agency = authority.now, next(iter(there.parties))
    ending = replace(agency.certificates[0], valid_to=now + timedelta(days=10))
    alone = Parties([replace(agency, certificates=(ending,))])
    trust = TrustView.build(alone, [tree()])
    assert [end.kind for end in endangered(trust, alone, now, timedelta(days=30))] == [Ending.REGISTRATION]
    second = pki.signer("so-tu-phap-2")
    next_one = SigningCertificate(der=second.der, fingerprint=second.fingerprint, tree="chinh-phu")
    both = Parties([replace(agency, certificates=(ending, next_one))])
    assert endangered(TrustView.build(both, [tree()]), both, now, timedelta(days=30)) == []
    assert [end.last for end in forecast(TrustView.build(both, [tree()]), both, now) if end.party][:1] == [False]


def test_evidence_is_a_matter_for_a_person_only_once_its_source_is_silent(small):
    small.refresh(grace=6 * HOUR)
    month = timedelta(days=30)
    assert endangered(small.trust, small.parties, small.authority.now, month) == []  # it renews itself
    silent = small.verdict.until + HOUR
    (end,) = endangered(small.trust, small.parties, silent, month)
    assert (end.kind, end.at, end.party) == (Ending.EVIDENCE, small.verdict.grace_until, "so-tu-phap")


def test_trees_anchors_and_our_own_key_are_told_before_they_end(small):
    now = small.authority.now
    own, old = pki.signer("gateway"), pki.signer("gateway-rsa")
    certificates = tuple(SigningCertificate(der=one.der, fingerprint=one.fingerprint) for one in (own, old))
    gateway = replace(
        next(iter(small.parties)), id="gateway", role=Role.GATEWAY, identifiers=("H19.900",), certificates=certificates
    )
    parties = Parties([gateway])
    trust = TrustView.build(parties, [replace(tree(), valid_to=now + timedelta(days=20))])
    assert [(end.kind, end.tree) for end in endangered(trust, parties, now, timedelta(days=30))] == [
        (Ending.TREE, "chinh-phu")
    ]
    far = {(end.kind, end.name) for end in endangered(trust, parties, now, timedelta(days=36500))}
    anchors = {(Ending.ANCHOR, one.fingerprint) for one in tree().anchors}
    assert far >= anchors
    assert (Ending.OWN, own.fingerprint) in far
    assert (Ending.OWN, old.fingerprint) not in far  # an earlier key: something stands in for it
