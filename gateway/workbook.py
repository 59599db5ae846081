"""Tables as an XLSX file. Apart from gateway.sheets, because its library takes long to load and few who make tables need it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

from gateway.sheets import HANOI, Cell, Sheet, widths

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # no XML holds them
_SHEET_NAME = 31  # characters, by the format


def workbook(sheets: Sequence[Sheet], made_at: datetime) -> bytes:
    """The tables as one XLSX file, each on a sheet of its own, with its notes above it.

    Text is written as text, whatever it begins with: no formula, no link.
    """
    book = openpyxl.Workbook(write_only=True)
    book.properties.created = made_at.astimezone(HANOI).replace(tzinfo=None)
    for sheet in sheets:
        page = book.create_sheet(sheet.name[:_SHEET_NAME])
        page.page_setup.orientation, page.page_setup.paperSize = "landscape", 9
        page.page_setup.fitToHeight, page.sheet_properties.pageSetUpPr = 0, PageSetupProperties(fitToPage=True)
        for column, width in enumerate(widths(sheet), 1):
            page.column_dimensions[get_column_letter(column)].width = width
        top = len(sheet.notes) + 3
        page.freeze_panes = f"A{top + 1}"
        page.print_title_rows = f"{top}:{top}"
        page.append([_cell(page, sheet.title, Font(bold=True, size=14))])
        for note in sheet.notes:
            page.append([_cell(page, note)])
        page.append([])
        page.append([_cell(page, name, _BOLD, fill=_GREY) for name in sheet.header])
        for row in sheet.rows:
            page.append([_cell(page, cell) for cell in row])
        if sheet.total is not None:
            page.append([_cell(page, cell, _BOLD) for cell in sheet.total])
        page.append([])
        for note in sheet.more:
            page.append([_cell(page, note)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


_BOLD = Font(bold=True)
_GREY = PatternFill("solid", fgColor="D9E2F3")


def _cell(page: Any, value: Cell, font: Font | None = None, *, fill: PatternFill | None = None) -> Any:
    """One cell by its kind, so that nothing is guessed from what it looks like."""
    text = isinstance(value, str)
    made = WriteOnlyCell(page, value=None if text else _local(value))
    if text:
        made.value = _CONTROLS.sub("", str(value))
        made.data_type = "s"  # openpyxl would read an equals sign as the beginning of a formula
    if font is not None:
        made.font = font
    if fill is not None:
        made.fill, made.alignment = fill, Alignment(wrap_text=True, vertical="top")
    if isinstance(value, datetime):
        made.number_format = "dd/mm/yyyy hh:mm"
    return made


def _local(value: Cell) -> Cell:
    return value.astimezone(HANOI).replace(tzinfo=None) if isinstance(value, datetime) else value
