"""Tables as files: XLSX and CSV, as the command line makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.console import words
from gateway.console.fields import choice_of
from gateway.console.parts import Downloads, Link
from gateway.console.room import DeskCall, Sent
from gateway.sheets import Sheet, csv_text
from gateway.workbook import workbook

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def downloads(call: DeskCall, path: str, query: Mapping[str, str]) -> Downloads:
    """The links to both forms."""
    return Downloads(
        links=[
            Link(call.text("Tải XLSX", "Download XLSX"), words.desk_address(path, **query, dang="xlsx")),
            Link(call.text("Tải CSV", "Download CSV"), words.desk_address(path, **query, dang="csv")),
        ]
    )


def sent(call: DeskCall, sheets: Sequence[Sheet], name: str) -> Sent:
    """The tables in the form that is asked for; CSV has the first of them."""
    if choice_of(call.query, "dang", ["xlsx", "csv"]) == "csv":
        return Sent(body=csv_text(sheets[0], for_excel=True), kind="text/csv; charset=utf-8", name=f"{name}.csv")
    return Sent(body=workbook(sheets, call.now), kind=_XLSX, name=f"{name}.xlsx")
