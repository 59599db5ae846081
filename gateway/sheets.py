"""Tables for files that offices open. No program that opens one takes what a cell holds for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

Cell = str | int | float | datetime | None
HANOI = timezone(timedelta(hours=7))  # Asia/Ho_Chi_Minh is +07:00 all year
_WIDEST = 60  # characters of a column


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table, in one language."""

    name: str  # of its tab
    title: str
    notes: Sequence[str] = ()  # what must be known of it, above the table
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]] = ()
    total: Sequence[Cell] | None = None
    more: Sequence[str] = field(default=())  # what must be said under it: what is cut, what is not known
    keys: Sequence[int] = (0,)  # columns by which a row is known: they stand in every part of a table that is parted


def csv_text(sheet: Sheet, *, for_excel: bool = False) -> bytes:
    """The table alone as CSV in UTF-8; ``for_excel`` puts the mark before it by which Excel knows the encoding."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([inert_cell(name) for name in sheet.header])
    for row in [*sheet.rows, *([sheet.total] if sheet.total is not None else [])]:
        writer.writerow([_as_text(cell) for cell in row])
    return out.getvalue().encode("utf-8-sig" if for_excel else "utf-8")


def inert_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula when it reads the CSV."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _as_text(cell: Cell) -> object:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.astimezone(HANOI).isoformat(sep=" ", timespec="seconds").removesuffix("+07:00")
    return inert_cell(cell) if isinstance(cell, str) else cell


def widths(sheet: Sheet) -> list[int]:
    """How wide each column is, by what stands in it; titles are wrapped."""
    shown = [[len(str(_as_text(cell))) for cell in row] for row in sheet.rows]
    return [
        min(
            max([8, *(row[place] for row in shown if place < len(row)), max(map(len, name.split() or [""]))]) + 2,
            _WIDEST,
        )
        for place, name in enumerate(sheet.header)
    ]
