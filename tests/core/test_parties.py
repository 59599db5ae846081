"""The registry of parties and what their profiles say."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from parties_known import parties, party

from gateway.core.allowed import NodeAllowance, PartyAllowance
from gateway.core.code_shapes import CodeShape, code_pattern
from gateway.core.model import PartyId
from gateway.core.parties import (
    Credentials,
    DeskOrders,
    Parties,
    PartyFiles,
    PortalForm,
    Receives,
    RetryPolicy,
    SignatureDemand,
    SignaturePolicy,
    SigningCertificate,
    agency_part,
)


def test_demands_may_differ_by_type() -> None:
    policy = SignaturePolicy(
        by_type={"HS17": SignatureDemand.ACCEPTED},
        algorithms=frozenset({"urn:a"}),
        algorithms_by_type={"HS11": ("urn:b", "urn:c")},
        xades_types=frozenset({"HS03"}),
        timestamp_types=frozenset({"HS11"}),
    )
    assert [policy.demand(loai) for loai in ("HS17", "HS05", None)] == ["accepted", "required", "required"]
    assert [policy.methods(loai) for loai in ("HS11", "HS05", None)] == [{"urn:b", "urn:c"}, {"urn:a"}, {"urn:a"}]
    assert [policy.demands_xades(loai) for loai in ("HS03", "HS11", None)] == [True, False, False]
    assert [policy.demands_timestamp(loai) for loai in ("HS03", "HS11", None)] == [False, True, False]
    strict = SignaturePolicy(xades=True, timestamp=True)
    assert (strict.demands_xades("HS05"), strict.demands_timestamp(None)) == (True, True)


def test_what_a_profile_leaves_out() -> None:
    plain, policy, retry = party("a"), SignaturePolicy(), RetryPolicy()
    assert (plain.enabled, plain.typed_submissions, plain.receives) == (True, False, Receives.PULL)
    assert plain.plain_references is False
    assert PortalForm().allowed is False
    assert (policy.xades, policy.timestamp, policy.methods("HS05")) == (False, False, frozenset())
    assert (retry.longest_s, retry.give_up_after_h, retry.patience) == (3600, 168.0, timedelta(days=7))
    assert Parties([]).version == 0


def test_the_bounds_of_patience_are_an_hour_as_seconds_and_a_year_as_hours() -> None:
    bounds = {f.name: (f.metadata["at_least"], f.metadata["at_most"]) for f in fields(RetryPolicy)}
    assert bounds == {"longest_s": (1, 86_400), "give_up_after_h": (0.001, 8760)}


def test_what_a_party_may_send_where_nobody_says_otherwise_and_how_little_that_may_be() -> None:
    node = {f.name: (f.default, f.metadata["at_least"], f.metadata["at_most"]) for f in fields(NodeAllowance)}
    assert node == {
        "messages_per_s": (1000.0, 0.01, None),
        "burst": (5000, 1, None),
        "bytes_per_day": (53_687_091_200, 1, None),
        "refused_bytes_per_day": (1_073_741_824, 0, None),
        "strangers_per_s": (50.0, 0.01, None),
    }
    own = {f.name: (f.default, f.metadata["at_least"], f.metadata["at_most"]) for f in fields(PartyAllowance)}
    assert own == {name: (None, *bounds[1:]) for name, bounds in node.items() if name in own}
    assert list(own) == [name for name in node if name != "strangers_per_s"]


@pytest.mark.parametrize(
    ("enabled", "locked", "paused", "is_open", "called"),
    [
        (True, False, False, True, True),
        (True, False, True, True, False),
        (True, True, False, False, False),
        (True, True, True, False, False),
        (False, False, False, False, False),
        (False, True, False, False, False),
    ],
)
def test_a_party_is_open_unless_its_file_or_the_desk_locks_it_and_called_unless_it_is_paused(
    enabled, locked, paused, is_open, called
) -> None:
    desk = DeskOrders(locked="khóa" if locked else None, paused="tạm dừng" if paused else None)
    one = party("a", enabled=enabled, desk=desk)
    assert (one.open, one.called) == (is_open, called)


def test_a_party_may_be_denied_every_file_and_not_less() -> None:
    bounds = {
        f.name: (f.metadata["at_least"], f.metadata["at_most"]) for f in fields(PartyFiles) if f.name == "quota_mb"
    }
    assert bounds == {"quota_mb": (0, None)}


@pytest.mark.parametrize(
    "wrong", [{"longest_s": 0}, {"give_up_after_h": 0.0}, {"longest_s": -1, "give_up_after_h": -1.0}]
)
def test_no_wait_is_as_short_as_nothing(wrong) -> None:
    with pytest.raises(ValueError, match="waits are longer than nothing"):
        RetryPolicy(**wrong)


def test_a_wait_may_be_a_second_and_patience_a_moment() -> None:
    assert RetryPolicy(longest_s=1, give_up_after_h=0.5).patience == timedelta(minutes=30)


CERTIFICATE = SigningCertificate(der=b"x", fingerprint="f" * 64)
KNOWN_BY = party(
    "a",
    identifiers=("H19.901", "000.01.h19"),
    credentials=Credentials(token_sha256=("AB",), client_certificate_sha256=("CD",), basic={"an": "e"}),
    certificates=(CERTIFICATE,),
)


def test_a_party_is_found_by_everything_it_is_registered_with() -> None:
    known = Parties([KNOWN_BY, party("b")], version=7)
    assert (known.version, len(known), [one.id for one in known]) == (7, 2, ["a", "b"])
    assert known.get("a") is KNOWN_BY
    assert (known.get(None), known.get(""), known.get("c")) == (None, None, None)
    assert [known.by_identifier(name) for name in ("H19.901", " h19.901 ", "000.01.H19", "x")] == [KNOWN_BY] * 3 + [
        None
    ]
    assert (known.by_token_sha256("ab"), known.by_token_sha256("AB")) == (KNOWN_BY, None)
    assert (known.by_client_certificate("cd"), known.by_client_certificate("x")) == (KNOWN_BY, None)
    assert (known.by_basic_user("an"), known.by_basic_user("x")) == (KNOWN_BY, None)
    assert known.by_signing_certificate("f" * 64) == (KNOWN_BY, CERTIFICATE)
    assert known.by_signing_certificate("0" * 64) is None


@pytest.mark.parametrize(
    ("shared", "said"),
    [
        ({"id": PartyId("a")}, "id a"),
        ({"identifiers": ("H19.902", "h19.901")}, "identifier H19.901"),
        ({"credentials": Credentials(token_sha256=("ab",))}, "token ab"),
        ({"credentials": Credentials(client_certificate_sha256=("cd",))}, "client certificate cd"),
        ({"credentials": Credentials(basic={"an": "x"})}, "user name an"),
        ({"certificates": (CERTIFICATE,)}, "signing certificate fff"),
    ],
)
def test_nothing_belongs_to_two_parties(shared, said) -> None:
    with pytest.raises(ValueError, match=f"{said}.* is registered twice"):
        Parties([KNOWN_BY, replace(party("b"), **shared)])


def test_the_agency_of_a_dossier_code() -> None:
    codes = ["H19.901-260115-0001", "H19.901-20260115-0000001", "000.01.H19-1-260115-0001"]
    assert [agency_part(code) for code in codes] == ["H19.901", "H19.901", "000.01.H19-1"]
    wrong = [
        "",
        "H19.901",
        "H19.901-2601-0001",
        "H19.901-260115-001",
        "H19.901-260115-00000001",
        "-260115-0001",
        "H19.901-260115-0001 ",
    ]
    assert [agency_part(code) for code in wrong] == [None] * len(wrong)
    known = parties()
    assert known.agency_of("H19.902-260115-0001") is known.get("b")
    assert (known.agency_of("H19.777-260115-0001"), known.agency_of("khac")) == (None, None)


def test_a_code_of_a_centralised_system_is_of_the_one_agency_that_bears_its_shape() -> None:
    owners = {"H19.901": "000/0000", "H19.902": "'BHXH'/000", "H19.903": "'BHXH'/000", "H19.777": "AA/00"}
    shapes = [CodeShape(pattern=code_pattern(shape), owner=owner) for owner, shape in owners.items()]
    known = Parties(parties(), shapes=shapes)
    found = [known.agency_of(code) for code in ("123/2026", "123/2026 ", "BHXH/123", "A1/00", "9/9")]
    assert found == [known.get("a"), None, None, None, None], "a shape of two is nobody's, and nobody bears the fourth"


def test_identifiers_of_one_agency_lead_to_the_party_that_bears_one_of_them() -> None:
    known = Parties(
        [party("a"), party("b")],
        same=[
            ("h19.901", "old-a", "older-a"),
            ("H19.902", "unclear"),
            ("H19.901", "unclear"),
            ("x", "y"),
            ("H19.901", "H19.902", "z"),
        ],
        same_as_of="1",
    )
    found = {
        name: getattr(known.by_identifier(name), "id", None)
        for name in ("OLD-A", "older-a", "unclear", "x", "z", "h19.902")
    }
    assert found == {"OLD-A": "a", "older-a": "a", "unclear": None, "x": None, "z": None, "h19.902": "b"}
    assert known.aliases(PartyId("a")) == ("OLD-A", "OLDER-A")
    assert (known.aliases(PartyId("b")), known.same_as_of, len(known.same)) == ((), "1", 5)
