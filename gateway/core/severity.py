"""How strict a rule is: what settings say of a rule by its name, for the whole node and for one party."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Severity(StrEnum):
    """What a broken rule leads to."""

    REJECT = "reject"
    WARN = "warn"
    OFF = "off"


def severity_of(name: str, loai: str, default: Severity, *settings: Mapping[str, Severity]) -> Severity:
    """The severity of a rule for a message type: of the first of these settings that speaks of it, else its default.

    In each, the type's own word (“HS05.rule-name”) counts before the general one (“rule-name”).
    """
    for one in settings:
        for key in (f"{loai}.{name}", name):
            if key in one:
                return one[key]
    return default
