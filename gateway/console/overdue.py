"""Quá hạn, dự báo: counts by agency and day, then the dossiers that come first; as CSV and XLSX."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from gateway.console import words
from gateway.console.fields import number_of, text_of
from gateway.console.files import downloads, sent
from gateway.console.parts import Cell, FormField, Glance, Part, Search, Table
from gateway.console.room import Answer, DeskCall, DeskPage, Shown
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.model import PartyId
from gateway.services.dossiers import DUES
from gateway.services.forecast import appointments_ahead
from gateway.services.watch import late
from gateway.sheets import Sheet
from gateway.wiring import deadline_rules

SHOWN: Final = 100
DAYS: Final = 14


def overdue(call: DeskCall) -> Answer:
    """By agency and day, then one by one."""
    days, agency = number_of(call.query, "ngay", 5, 31) or 1, call.party(text_of(call.query, "co_quan"))
    found = appointments_ahead(call.store, call.parties, call.now, days, agency=agency, most=SHOWN)
    over = late(call.store, call.parties, call.now, timedelta(0), deadline_rules(call.room.settings), agency)
    names = call.names()
    rows: list[Sequence[Cell]] = [[words.named(one.agency, names), one.overdue, *one.by_day] for one in found.agencies]
    heads = [
        call.text("Cơ quan giải quyết", "Agency"),
        call.text("Quá hạn", "Overdue"),
        *(f"{day:%d/%m}" for day in found.days),
    ]
    left = len(over) - SHOWN
    limit_heads = [
        call.text(*head)
        for head in (
            ("Hồ sơ", "Dossier"),
            ("Cơ quan giải quyết", "Agency"),
            ("Thời hạn", "Limit"),
            ("Hạn", "Due"),
            ("Kết quả", "Result"),
        )
    ]
    parts: list[Part] = [
        Search(
            to=words.desk_address("/qua-han"),
            button=call.text("Xem", "Show"),
            fields=[
                words.party_field(call, "co_quan", call.text("Cơ quan giải quyết", "Agency"), agency or ""),
                FormField(name="ngay", label=call.text("Số ngày tới", "Days ahead"), value=str(days), sort="number"),
            ],
        ),
        Table(
            caption=call.text(
                "Theo cơ quan: đã quá hạn, và sẽ quá hạn nếu chưa xong",
                "By agency: overdue, and what will be unless it is finished",
            ),
            heads=heads,
            rows=rows,
            empty=call.text(
                "không có hồ sơ nào quá hạn hay sắp đến hạn.", "nothing is overdue, and nothing will be soon."
            ),
        ),
        downloads(call, "/qua-han/tep", {"co_quan": agency or "", "ngay": str(days)}),
        Table(
            caption=call.text("Đang quá hạn, lâu nhất trước", "Overdue, the longest first"),
            heads=limit_heads,
            rows=[
                [
                    words.to_dossier(one.ma_ho_so),
                    words.named(one.agency, names),
                    call.text(*DUES[one.deadline.what]),
                    words.when(one.deadline.due),
                    Glance(call.text(f"quá hạn {passed}", f"{passed} overdue"), "bad"),
                ]
                for one in over[:SHOWN]
                for passed in [words.since(call, one.deadline.due)]
            ],
            empty=call.text("không có.", "none."),
            more=call.text(f"Còn {left} nữa: tải tệp.", f"{left} more: take the file.") if left > 0 else "",
        ),
        Table(
            caption=call.text("Sắp đến ngày hẹn trả", "Appointments that come next"),
            heads=[limit_heads[0], limit_heads[1], limit_heads[3]],
            rows=[
                [words.to_dossier(one.ma_ho_so), words.named(one.agency, names), words.when(one.due)]
                for one in found.dossiers
            ],
            more=call.text(f"Còn {found.left_out} nữa.", f"{found.left_out} more.") if found.left_out > 0 else "",
        ),
    ]
    return Shown(title=call.text("Quá hạn, dự báo", "Overdue, forecast"), parts=parts)


def overdue_file(call: DeskCall) -> Answer:
    """What is overdue, and what will be within the days, as a file."""
    days, agency = number_of(call.query, "ngay", 5, 31) or 1, call.party(text_of(call.query, "co_quan"))
    until = (call.now.astimezone(GIO_VIET_NAM) + timedelta(days=days)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    found = late(call.store, call.parties, call.now, until - call.now, deadline_rules(call.room.settings), agency)
    names = call.names()
    sheet = Sheet(
        name=call.text("Quá hạn", "Overdue"),
        title=call.text("Thời hạn đã quá và sắp đến", "Time limits that are over, or near"),
        header=[
            call.text(*head)
            for head in (
                ("Hồ sơ", "Dossier"),
                ("Mã cơ quan", "Agency code"),
                ("Cơ quan", "Agency"),
                ("Thời hạn", "Limit"),
                ("Hạn", "Due"),
                ("Kết quả", "Result"),
            )
        ],
        rows=[
            [
                one.ma_ho_so,
                one.agency,
                names.get(PartyId(one.agency or ""), ""),
                call.text(*DUES[one.deadline.what]),
                one.deadline.due,
                call.text("quá hạn", "overdue") if one.passed else call.text("sắp đến hạn", "due soon"),
            ]
            for one in found
        ],
    )
    return sent(call, [sheet], f"qua-han-{call.now:%Y%m%d}")


PAGES = [
    DeskPage(method="GET", path="/qua-han", make=overdue),
    DeskPage(method="GET", path="/qua-han/tep", make=overdue_file),
]
