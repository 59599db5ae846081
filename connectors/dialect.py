"""From our canonical values to a party's: code maps, date forms, length limits of its profile (domain 4.5 and 13).

The maps of a profile lead from theirs to ours; on the way out they are read backwards. What no map names stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.core.date_forms import WIRE, date_form
from gateway.core.parties import Party
from gateway.core.problems import Problem


@dataclass(frozen=True, slots=True)
class Outward:
    """A party's dialect, outward."""

    party: Party

    def code(self, field: str, value: str) -> str:
        """Their code for one of ours; where several of theirs mean it, the first that the profile names."""
        maps = self.party.maps
        table = maps.get(field) or (maps.get("TrangThaiHoSo") if field == "TrangThai" else None) or {}
        return next((theirs for theirs, ours in table.items() if str(ours) == value), value)

    def moment(self, field: str, value: datetime, form: str) -> str:
        """A moment in the form that the profile declares for the field, at home in Vietnam; without one in ``form``.

        Raises ValueError for a moment that cannot be written so.
        """
        return date_form(self.party.formats.get(field, form)).write(value)

    def text(self, field: str, value: str, notes: list[Problem]) -> str:
        """A text within the party's limit; a cut is noted."""
        most = self.party.limits.get(field)
        if most is None or len(value) <= most:
            return value
        notes.append(Problem("XSD-406", {"element": field, "found": len(value), "most": most}))
        return value[:most]

    def row(self, fields: Mapping[str, Any], moments: frozenset[str], notes: list[Problem]) -> dict[str, Any]:
        """A row of a packet, lists and all. Moments of the wire (yyyyMMddHHmmss) come in the party's form."""
        out: dict[str, Any] = {}
        for name, value in fields.items():
            if isinstance(value, list):
                out[name] = [self.row(each, moments, notes) for each in value]
            elif name in moments and name in self.party.formats:
                out[name] = self.moment(name, date_form(WIRE).read(value), WIRE)
            else:
                out[name] = self.text(name, self.code(name, value), notes)
        return out
