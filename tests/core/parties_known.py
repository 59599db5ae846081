"""A registry of six parties, and letters from one to another, for the tests of rights and of the counter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lives import START, letter

from gateway.core.effects import Effect
from gateway.core.model import Address, Caller, PartyId, ThongDiep
from gateway.core.parties import Parties, Party, Receives, Role

CODES = {
    "cong": "H19.801",
    "cong-2": "H19.802",
    "a": "H19.901",
    "b": "H19.902",
    "c": "H19.903",
    "thanh-tra": "H19.851",
    "truc": "H19.900",
}
ROLES = {"cong": Role.PORTAL, "cong-2": Role.PORTAL, "thanh-tra": Role.OVERSIGHT, "truc": Role.GATEWAY}


def party(name: str, **fields: Any) -> Party:
    """One of them, with other fields where they are given."""
    made = Party(id=PartyId(name), name=name, role=ROLES.get(name, Role.ONE_STOP), identifiers=(CODES[name],))
    return replace(made, **fields)


def parties(**changed: Party) -> Parties:
    """All of them; those of these names as given."""
    return Parties([changed.get(name, party(name)) for name in CODES])


def caller(name: str) -> Caller:
    """Who is at the door."""
    return Caller(party=PartyId(name), by="token")


def from_to(
    sender: str, *receivers: str, effects: tuple[Effect, ...] = (), hours: float = 1, **fields: object
) -> ThongDiep:
    """A letter from one to others; names that are not registered stand for themselves."""
    return replace(
        letter(*effects, hours=hours, name=str(fields.pop("name", ""))),
        noi_gui=Address(ma_dinh_danh=CODES.get(sender, sender)),
        noi_nhan=tuple(Address(ma_dinh_danh=CODES.get(one, one)) for one in receivers),
        thoi_diem_tao=START,
        **fields,
    )


def push(name: str) -> Party:
    """One that is pushed to."""
    return party(name, receives=Receives.PUSH)
