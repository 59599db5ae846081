"""What parties are called. Apart from services.profiles, which builds them: a list of messages needs their names alone."""

from __future__ import annotations

import json
from collections.abc import Iterable

from gateway.core.model import PartyId


def names_of(profiles: Iterable[tuple[PartyId, str | None]]) -> dict[PartyId, str]:
    """What parties are called, by their profiles as they are kept; none is built for it."""
    return {party: str(json.loads(text or "{}").get("name") or party) for party, text in profiles}
