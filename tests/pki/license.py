"""Rights under which everybody may say everything about its own dossiers: for tests that are not about rights."""

from __future__ import annotations

from gateway.core.parties import Role
from gateway.core.rights import ANY_STATE, Pair, Rights, Standing

EVERYTHING = Rights(
    tuple(
        Pair(
            sender=sender,
            receiver=receiver,
            may=dict.fromkeys(set(Standing) - {Standing.STRANGER}, ANY_STATE),
            opens=frozenset(Standing),
        )
        for sender in Role
        for receiver in Role
    )
)
