"""What travels over the counter."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace

import pytest
from lives import CODE, NEW, START, filed
from parties_known import caller

from gateway.core.effects import Effect, Notes
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


class Payload:
    """One that counts how often its effects are made."""

    def __init__(self) -> None:
        self.made = 0
        self.ma_ho_so, self.occurred_at = CODE, START

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Another object each time."""
        self.made += 1
        return (Notes(what="bo-sung-da-nop", ref=str(self.made)),)


def test_a_letters_effects_are_made_once_and_only_when_somebody_asks() -> None:
    payload = Payload()
    asked, other = (replace(filed(), content=payload) for _ in range(2))
    said = repr(other)
    assert payload.made == 0
    assert asked.effects == asked.effects == (Notes(what="bo-sung-da-nop", ref="1"),)
    assert payload.made == 1
    assert (asked, repr(asked)) == (other, said)
    assert replace(asked, thu_tu=2).effects == (Notes(what="bo-sung-da-nop", ref="2"),)


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
    known = kind._field_defaults if issubclass(kind, tuple) else {f.name: f.default for f in fields(kind)}
    assert {name: known[name] for name in defaults} == defaults
