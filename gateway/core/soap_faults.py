"""How faults of SOAP are told."""

from __future__ import annotations

from enum import StrEnum


class SoapFaultStatus(StrEnum):
    """With which HTTP status faults of SOAP are told (docs/decisions/0111)."""

    ALWAYS_500 = "500"  # what toolkits of SOAP read a fault from
    BY_HTTP = "http"  # what HTTP or the reading of the envelope is about keeps its own
