"""Evidence as authorities of the field write it: what is believed of it, for how long, and what is said to be missing."""

from dataclasses import replace
from datetime import timedelta
from functools import cache

import pki
import pytest
import server
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from odd import HOUR, NOW, Single, answer, crl

from signing.certificates import read_certificate
from signing.status import judge_status
from signing.trust import StatusWord, load_tree

DAY = timedelta(days=1)
LEAF = pki.signer("so-tu-phap")
OTHER = pki.signer("cong-dvc")
OURS = LEAF.certificate.serial_number


@cache
def tree(name="chinh-phu"):
    return load_tree(name, b"".join(c.public_bytes(Encoding.PEM) for c in pki.tree_certificates(name)))


def issuing(name="issuing-b"):
    return pki._signer(name, pki.KEYS)


def own(**changes):
    return Single(OURS, **changes)


def stranger(**changes):
    return Single(OTHER.certificate.serial_number, **changes)


def judged(*answers, lists=None, at=NOW, **more):
    lists = [crl("root-b")] if lists is None else lists
    return judge_status(read_certificate(LEAF.der), tree(), at, crls=lists, ocsps=list(answers), **more)


def signed(*singles, **how):
    return answer(*singles, signer=how.pop("signer", None) or server.responder("b"), **how)


# An end, always -------------------------------------------------------------------------------------------------------


@pytest.mark.threat("T-ENDLESS")
@pytest.mark.parametrize("by", ["ocsp", "crl", "the issuer's crl"])
def test_evidence_without_an_end_counts_for_so_long_from_when_it_was_made_and_no_longer(by):
    made = NOW - HOUR
    answers = [signed(own(until=None if by == "ocsp" else made + 900 * DAY))] if by != "crl" else []
    lists = [crl("root-b", until=None if "issuer" in by else made + 900 * DAY)]
    if by == "crl":
        lists.append(crl("issuing-b", until=None))
    found = judged(*answers, lists=lists, lasts=timedelta(hours=6))
    assert (found.status, found.until) == (StatusWord.GOOD, made + timedelta(hours=6))
    after = judged(*answers, lists=lists, lasts=timedelta(hours=6), at=NOW + 5 * HOUR + timedelta(seconds=1))
    assert (after.status, [gap.why for gap in after.gaps]) == (StatusWord.UNKNOWN, ["stale"])


def test_evidence_that_names_its_end_is_believed_until_then():
    assert (
        judged(signed(own(until=NOW + 300 * DAY)), lists=[crl("root-b", until=NOW + 400 * DAY)]).until
        == NOW + 300 * DAY
    )


def test_an_end_before_the_beginning_is_no_evidence():
    assert judged(signed(own(until=NOW - 2 * HOUR))).status is StatusWord.UNKNOWN


# Every answer, by its CertID ------------------------------------------------------------------------------------------

REVOKED = NOW - 3 * DAY


@pytest.mark.threat("T-ENDLESS")
@pytest.mark.parametrize(
    "singles",
    [
        pytest.param((stranger(word="unknown"), own(revoked_at=REVOKED)), id="after one the responder does not know"),
        pytest.param((stranger(), own(revoked_at=REVOKED)), id="after a good one of somebody else"),
        pytest.param((stranger(revoked_at=REVOKED), stranger(), own(revoked_at=REVOKED)), id="third"),
        pytest.param((own(), own(revoked_at=REVOKED)), id="good first, revoked then"),
        pytest.param((own(revoked_at=REVOKED), own()), id="revoked first, good then"),
        pytest.param((own(), own(revoked_at=REVOKED, digest="sha256")), id="revoked under another digest"),
        pytest.param((own(revoked_at=REVOKED, until=None),), id="without an end"),
    ],
)
def test_a_revocation_counts_wherever_it_stands_in_the_answer(singles):
    found = judged(signed(*singles), lists=[crl("root-b"), crl("issuing-b")])
    assert (found.status, found.reason, found.revoked_at) == (StatusWord.BAD, "revoked", REVOKED)
    assert found.evidence


@pytest.mark.parametrize(("by_ocsp", "by_crl"), [(True, False), (False, True)])
def test_of_an_answer_and_a_list_that_contradict_each_other_the_worst_counts(by_ocsp, by_crl):
    lists = [crl("root-b"), crl("issuing-b", {OURS: REVOKED} if by_crl else {})]
    assert judged(signed(own(revoked_at=REVOKED if by_ocsp else None)), lists=lists).status is StatusWord.BAD


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_lists_in_force_the_worst_counts(order):
    lists = [crl("issuing-b", {OURS: REVOKED}), crl("issuing-b", since=NOW - HOUR / 2)][::order]
    assert judged(lists=[crl("root-b"), *lists]).status is StatusWord.BAD


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("revoked_at", [None, REVOKED])
def test_a_certificate_is_known_by_any_digest_of_its_issuer(digest, revoked_at):
    found = judged(signed(stranger(digest=digest), own(digest=digest, revoked_at=revoked_at)))
    assert found.status is (StatusWord.GOOD if revoked_at is None else StatusWord.BAD)
    assert (found.source, len(found.evidence)) == ("ocsp", 2 if revoked_at is None else 1)


@pytest.mark.parametrize(
    "single",
    [
        pytest.param(own(digest="md5"), id="MD5"),
        pytest.param(own(issuer="issuing-a"), id="the same number of another issuer"),
        pytest.param(own(key_of="issuing-a"), id="another key under the issuer's name"),
        pytest.param(stranger(), id="somebody else"),
    ],
)
def test_an_answer_about_another_is_none(single):
    found = judged(signed(single))
    assert (found.status, [gap.why for gap in found.gaps]) == (StatusWord.UNKNOWN, ["absent"])


# Who may answer -------------------------------------------------------------------------------------------------------


@cache
def delegate(name, issuer="issuing-b", *, nocheck=False, purpose=ExtendedKeyUsageOID.OCSP_SIGNING, kind="p256"):
    folder = pki.private_folder() / "delegates"
    folder.mkdir(exist_ok=True)
    extensions = (x509.OCSPNoCheck(),) if nocheck else ()
    return pki.mint(
        pki.Leaf(name=name, subject=name, issuer=issuer, kind=kind, purposes=(purpose,), extensions=extensions), folder
    )


@pytest.mark.parametrize("by", ["key", "name"])
@pytest.mark.parametrize("carried", [True, False])
def test_the_issuer_itself_may_answer(by, carried):
    assert judged(signed(own(), signer=issuing(), by=by, carried=carried)).status is StatusWord.GOOD


def test_a_delegate_whose_own_status_must_be_asked_counts_with_the_list_that_vouches_for_it():
    one = delegate("uy-quyen")
    without = judged(signed(own(), signer=one))
    assert (without.status, [gap.why for gap in without.gaps]) == (StatusWord.UNKNOWN, ["unproven"])
    vouching = crl("issuing-b")
    found = judged(signed(own(), signer=one), lists=[crl("root-b"), vouching])
    assert (found.status, found.source, len(found.evidence)) == (StatusWord.GOOD, "ocsp", 3)
    revoked = crl("issuing-b", {one.certificate.serial_number: REVOKED})
    theirs = judged(signed(own(revoked_at=REVOKED), signer=one), lists=[crl("root-b"), revoked])
    assert (theirs.status, theirs.source) == (StatusWord.GOOD, "crl"), (
        "a revoked delegate proves nothing, the list does"
    )


@pytest.mark.parametrize(
    "signer",
    [
        pytest.param(
            lambda: delegate("khong-duoc", purpose=ExtendedKeyUsageOID.CODE_SIGNING, nocheck=True), id="not for OCSP"
        ),
        pytest.param(lambda: delegate("cay-khac", "issuing-a", nocheck=True), id="of another issuer"),
        pytest.param(lambda: issuing("root-b"), id="the root for its issuer"),
        pytest.param(lambda: OTHER, id="a colleague"),
    ],
)
@pytest.mark.parametrize("revoked_at", [None, REVOKED])
def test_an_answer_of_somebody_who_may_not_answer_is_none(signer, revoked_at):
    found = judged(signed(own(revoked_at=revoked_at), signer=signer()))
    assert (found.status, [gap.why for gap in found.gaps]) == (StatusWord.UNKNOWN, ["unproven"])


def test_an_answer_changed_after_signing_is_none():
    body = bytearray(signed(own()))
    body[body.index(OURS.to_bytes(16, "big")) + 40] ^= 1
    assert judged(bytes(body)).status is StatusWord.UNKNOWN


# What is missing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "lists", "missing"),
    [
        ([], [], [("So Tu phap", "absent"), ("TEST Issuing B1", "absent")]),
        ([], [crl("root-b")], [("So Tu phap", "absent")]),
        ([own()], [], [("TEST Issuing B1", "absent")]),
        ([own(word="unknown")], [crl("root-b", since=NOW - 3 * DAY, until=NOW - DAY)],
         [("So Tu phap", "says-unknown"), ("TEST Issuing B1", "stale")]),
        ([own(since=NOW + HOUR)], [crl("root-b", signer="root-stranger")], [("So Tu phap", "future"), ("TEST Issuing B1", "unproven")]),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_for_each_certificate_of_the_chain(answers, lists, missing):
    found = judged(*(signed(single) for single in answers), lists=lists)
    assert found.status is StatusWord.UNKNOWN
    assert [(gap.subject.split(",")[0].removeprefix("CN=").split(" (")[0], gap.why) for gap in found.gaps] == missing


def test_a_root_is_vouched_for_by_nobody():
    root = read_certificate(pki.certificate("root-b").public_bytes(Encoding.DER))
    found = judge_status(root, tree(), NOW, crls=[crl("root-b"), crl("issuing-b")])
    assert (found.status, [gap.why for gap in found.gaps]) == (StatusWord.UNKNOWN, ["anchor"])


# Good is good for a reason --------------------------------------------------------------------------------------------

moments = st.integers(-72, 72).map(lambda hours: NOW + hours * HOUR)
ends = st.one_of(st.none(), moments)
singles = st.builds(
    Single,
    st.sampled_from([OURS, OTHER.certificate.serial_number]),
    word=st.sampled_from(["good", "good", "unknown"]),
    revoked_at=st.one_of(st.none(), st.none(), st.just(REVOKED)),
    digest=st.sampled_from(["sha1", "sha256", "sha384", "sha512", "md5"]),
    since=moments,
    until=ends,
    issuer=st.sampled_from(["issuing-b", "issuing-b", "issuing-a"]),
)
answers = st.tuples(st.lists(singles, min_size=1, max_size=3), st.sampled_from(["right", "right", "wrong"]))
lists = st.fixed_dictionaries(
    {
        "issuer": st.sampled_from(["root-b", "root-b", "issuing-b"]),
        "revoked": st.sampled_from([{}, {}, {OURS: REVOKED}]),
        "since": moments,
        "lasts": st.one_of(st.none(), st.integers(1, 96)),
        "signer": st.sampled_from([None, None, "root-stranger"]),
    }
)
LASTS = timedelta(hours=12)


def in_force(since, until):
    return since <= NOW <= (since + LASTS if until is None else until)


def written(issuer, revoked, since, lasts, signer):
    return crl(issuer, revoked, since=since, until=None if lasts is None else since + lasts * HOUR, signer=signer)


@pytest.mark.threat("T-ENDLESS")
@given(st.lists(answers, max_size=3), st.lists(lists, max_size=4))
def test_good_implies_an_end_a_source_and_evidence_that_nothing_contradicts(told, listed):
    made = [signed(*several, signer=None if who == "right" else OTHER) for several, who in told]
    found = judged(*made, lists=[written(**one) for one in listed], lasts=LASTS)
    right = [single for several, who in told if who == "right" for single in several]
    about = [
        s
        for s in right
        if s.serial == OURS and s.issuer == "issuing-b" and s.digest != "md5" and in_force(s.since, s.until)
    ]
    lists_of = {
        name: [
            one
            for one in listed
            if one["issuer"] == name
            and one["signer"] is None
            and in_force(one["since"], one["lasts"] and one["since"] + one["lasts"] * HOUR)
        ]
        for name in ("root-b", "issuing-b")
    }
    revoked = any(s.revoked_at for s in about) or any(one["revoked"] for one in lists_of["issuing-b"])
    vouched = any(s.word == "good" and not s.revoked_at for s in about) or bool(lists_of["issuing-b"])
    expected = StatusWord.BAD if revoked else StatusWord.GOOD if vouched and lists_of["root-b"] else StatusWord.UNKNOWN
    assert found.status is expected
    if found.status is StatusWord.GOOD:
        assert found.until is not None and found.until >= NOW and found.source in ("crl", "ocsp") and found.evidence
        assert not found.gaps
        assert (
            judged(
                *made, lists=[written(**one) for one in listed], lasts=LASTS, at=found.until + timedelta(seconds=2)
            ).until
            != found.until
        )
    else:
        assert bool(found.gaps) is (found.status is StatusWord.UNKNOWN)


def test_a_verdict_survives_json_with_what_is_missing():
    found = judged(lists=[])
    assert type(found).from_dict(found.as_dict()) == found
    assert replace(found, gaps=()) != found
