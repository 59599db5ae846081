"""From our canonical values to a party's: code maps, date forms, length limits of its profile (domain 4.5 and 13).

The maps of a profile lead from theirs to ours; on the way out they are read backwards. What no map names stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from gateway.core.parties import Party
from gateway.core.problems import Problem

VIETNAM = timezone(timedelta(hours=7))  # all year

_TOKENS = {
    "yyyy": "%Y",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
    "XXX": "%z",
}
_TOKEN = re.compile("|".join(_TOKENS))


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
        """A moment in the form that the profile declares for the field, at home in Vietnam; without one in ``form``."""
        return date_written(value, self.party.formats.get(field, form))

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
                moment = datetime.strptime(value, "%Y%m%d%H%M%S").replace(tzinfo=VIETNAM)
                out[name] = self.moment(name, moment, "yyyyMMddHHmmss")
            else:
                out[name] = self.text(name, self.code(name, value), notes)
        return out


def date_written(value: datetime, form: str) -> str:
    """The moment in a form like ``yyyy-MM-dd HH:mm:ss``, at home in Vietnam."""
    home = value.astimezone(VIETNAM)
    plain = form.replace("'", "")
    text = _TOKEN.sub(lambda token: home.strftime(_TOKENS[token[0]]), plain)
    return text.replace("+0700", "+07:00") if "XXX" in form else text
