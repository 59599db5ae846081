"""What a profile may say of single fields: which are moments, which have a code list, which are free text.

A profile's ``formats``, ``maps`` and ``limits`` are promises about the packets that a party is sent and sends. They are
compared with the packets' own schemas when the profile is read, so that a slip of the pen is not a silent nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from gateway.core.date_forms import WrongForm, date_form
from gateway.core.written import KeyPath, nearest
from schemas.describe import Field, root_of
from schemas.qcvn120 import FOLDER, FORMS


class FieldNature(StrEnum):
    """What the values of a field are."""

    MOMENT = "moment"
    CODE = "code"  # of a list of ours, or of somebody's
    TEXT = "text"  # a cut text says less, a cut code says something else


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectField:
    """One field of a packet, as a profile may speak of it."""

    nature: FieldNature
    codes: tuple[str, ...] = ()  # the list that its values are from; empty: no list of ours


@cache
def dialect_fields() -> Mapping[str, DialectField]:
    """Every field without parts of the national portal's packets, by name."""
    found: dict[str, DialectField] = {}
    for name in FORMS:
        for _, shape in root_of(FOLDER / f"{name}.xsd", name).walk():
            if shape.simple is not None:
                found.setdefault(shape.name, _of(shape))
    return found


def _of(shape: Field) -> DialectField:
    if shape.type_name == "ThoiDiemGoiType":
        return DialectField(nature=FieldNature.MOMENT)
    if shape.type_name.startswith("VanBan"):
        return DialectField(nature=FieldNature.TEXT)
    codes = tuple(value.code for value in shape.simple.values) if shape.simple is not None else ()
    return DialectField(nature=FieldNature.CODE, codes=codes)


Mistake = tuple[str, KeyPath, Mapping[str, Any]]  # code, the key, the facts


def dialect_mistakes(
    formats: Mapping[str, str], maps: Mapping[str, Mapping[str, Any]], limits: Mapping[str, int]
) -> Iterator[Mistake]:
    """What in these tables is about no field, or promises what cannot be kept."""
    for name, form in formats.items():
        yield from _named("formats", name, FieldNature.MOMENT)
        try:
            date_form(form)
        except WrongForm as error:
            yield "SYS-061", ("formats", name), {"value": form, "found": error.found, "nearest": error.meant or "–"}
    for name, table in maps.items():
        yield from _named("maps", name, FieldNature.CODE)
        yield from _map_mistakes(name, table)
    for name, most in limits.items():
        yield from _named("limits", name, FieldNature.TEXT)
        if most < 1:
            yield "SYS-015", ("limits", name), {"value": most, "at_least": 1, "at_most": None}


def _map_mistakes(name: str, table: Mapping[str, Any]) -> Iterator[Mistake]:
    """Codes that the field does not have, and words that say nothing."""
    fields = dialect_fields()
    codes = fields[name].codes if name in fields else ()
    for theirs, ours in table.items():
        if codes and str(ours) not in codes:
            meant = nearest(str(ours), codes) or "–"
            yield "SYS-014", ("maps", name, theirs), {"value": ours, "allowed": list(codes), "nearest": meant}
        if not theirs.strip() or not str(ours).strip():
            yield "SYS-017", ("maps", name, theirs), {"value": theirs, "pattern": r"\S.*"}


def _named(table: str, name: str, wanted: FieldNature) -> Iterator[Mistake]:
    """Whether there is such a field, and whether it is one of those that this table may speak of."""
    fields = dialect_fields()
    if name in fields and fields[name].nature is wanted:
        return
    known = sorted(one for one, of in fields.items() if of.nature is wanted)
    by_lower = {one.lower(): one for one in known}
    meant = by_lower.get(nearest(name, list(by_lower)) or "", "–")
    yield "SYS-012", (table, name), {"nearest": meant, "known": known}
