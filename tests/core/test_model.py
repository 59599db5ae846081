"""What travels over the counter."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace

import pytest
from lives import NEW, START
from parties_known import caller

from gateway.core.model import (
    Acknowledgement,
    Channel,
    Delivery,
    DeliveryState,
    Envelope,
    InboxEntry,
    PartyId,
    Signer,
)

ENVELOPE = Envelope.of(b"abc", id="m", caller=caller("a"), channel=Channel.REST, received_at=START)


def test_an_envelope_tells_what_arrived_and_whether_it_was_kept_whole() -> None:
    assert (ENVELOPE.digest, ENVELOPE.total_bytes, ENVELOPE.cut) == (hashlib.sha256(b"abc").hexdigest(), 3, False)
    assert [replace(ENVELOPE, total_bytes=n).cut for n in (2, 4)] == [False, True]


def test_what_is_said_after_another_word_is_a_word_of_its_own() -> None:
    key = Envelope.anew_after("m7", "ab")
    assert key == "sau m7 ab"
    assert [replace(ENVELOPE, own_key=one).anew for one in (key, "sau", "k-1", None)] == [True, False, False, False]


def test_the_parties_of_a_dossier_are_all_that_there_are() -> None:
    assert NEW.parties == {"cong-dvc", "so-tu-phap"}
    assert replace(NEW, portal=None, others=frozenset({PartyId("c")})).parties == {"so-tu-phap", "c"}
    assert replace(NEW, portal=None, agency=None).parties == frozenset()


def test_which_deliveries_are_over_and_which_need_a_person() -> None:
    assert {state.value for state in DeliveryState if state.is_final} == {"delivered", "nothing", "skipped"}
    assert {state.value for state in DeliveryState if state.holds_lane} == {"refused", "dead"}


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [
        (Delivery, {"tries": 0, "lease": 0, "blocking": True, "ask_first": False, "state": DeliveryState.QUEUED}),
        (InboxEntry, {"position": 0}),
        (Acknowledgement, {"repeated": False}),
        (Signer, {"annex_i": True}),
        (type(NEW), {"released": 0}),
    ],
)
def test_what_is_not_said_of_them(kind, defaults) -> None:
    assert {f.name: f.default for f in fields(kind) if f.name in defaults} == defaults
