"""Nhật ký: who did what and who looked, by person, act, dossier and day; the signed head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateway.cli.who import ACTS as LOG_ACTS
from gateway.console import words
from gateway.console.fields import choice_of, period_of, text_of
from gateway.console.files import downloads, sent
from gateway.console.parts import Cell, Facts, FormField, Link, Part, Search, Table
from gateway.console.room import Answer, DeskCall, DeskPage, Shown
from gateway.core.chain import LogEntry
from gateway.core.operators import OperatorRole
from gateway.sheets import Sheet
from signing.heads import HEAD

PAGE: Final = 100
LOOKED: Final = 50_000  # of the newest lines of a time are looked through for a page
OF_A_FILE: Final = 10_000
_KINDS: Final = (
    "message.",
    "delivery.",
    "dossier.",
    "party.",
    "operator.",
    "batch.",
    "alert.",
    "catalogue.",
    "retention.",
)
_DETAILS: Final = ("reason", "part", "code", "codes", "party", "operator", "roles", "alert", "batch")


def _asked(call: DeskCall) -> dict[str, Any]:
    since, until = period_of(call.query)
    return {
        "who": text_of(call.query, "ai", 100) or None,
        "what": choice_of(call.query, "viec", [*_KINDS, *LOG_ACTS]) or None,
        "ma_ho_so": text_of(call.query, "ho_so", 100) or None,
        "since": since,
        "until": until,
    }


def journal(call: DeskCall) -> Answer:
    """The newest entries that fit."""
    asked = _asked(call)
    with call.store.read() as view:
        entries, older = view.log_about(**asked, limit=PAGE, among=LOOKED)
        head, signed = view.log_head(), view.last_act(HEAD)
    choices = [("", call.text("tất cả", "all")), *((name, call.text(*said)) for name, said in LOG_ACTS.items())]
    facts: list[tuple[str, Cell]] = [
        (call.text("Số mục", "Entries"), f"{head.number:,}".replace(",", ".")),
        (call.text("Đầu chuỗi", "Head"), head.hash),
        (
            call.text("Ký lần cuối", "Signed last"),
            words.when(signed.at) if signed is not None else call.text("chưa", "never"),
        ),
        (call.text("Kiểm tra toàn chuỗi", "Verify the chain"), "lienthong log verify"),
    ]
    query = {name: call.query.get(name, "") for name in ("ai", "viec", "ho_so", "tu", "den")}
    parts: list[Part] = [
        Facts(rows=facts),
        Search(
            to=words.desk_address("/nhat-ky"),
            button=call.text("Lọc", "Filter"),
            fields=[
                FormField(
                    name="ai",
                    label=call.text("Người thực hiện (một phần tên)", "Who (a part)"),
                    value=asked["who"] or "",
                ),
                FormField(name="viec", label=call.text("Việc", "Act"), value=asked["what"] or "", choices=choices),
                FormField(name="ho_so", label=call.text("Mã hồ sơ", "Dossier"), value=asked["ma_ho_so"] or ""),
                *words.days_fields(call),
            ],
        ),
        Table(
            caption=call.text("Mục mới nhất trước", "The newest entries first"),
            heads=_heads(call),
            rows=[_row(call, entry) for entry in reversed(entries)],
            empty=call.text(
                f"không có mục phù hợp trong {LOOKED:,} mục mới nhất của kỳ; nêu kỳ sớm hơn để tìm tiếp.".replace(
                    ",", "."
                ),
                f"none like that among the newest {LOOKED:,} of the time; name an earlier time to look further.",
            ),
            more=call.text(
                f"Còn {words.bounded(call, older, 10_000)} mục trước đó: thu hẹp bộ lọc, hoặc tải tệp.",
                f"{words.bounded(call, older, 10_000)} older entries: narrow the filter, or take the file.",
            )
            if older
            else "",
        ),
        downloads(call, "/nhat-ky/tep", query),
    ]
    return Shown(title=call.text("Nhật ký", "Journal"), parts=parts)


def _heads(call: DeskCall) -> list[str]:
    heads = (
        ("Mục", "Entry"),
        ("Lúc", "Time"),
        ("Ai", "Who"),
        ("Việc", "Act"),
        ("Về", "About"),
        ("Chi tiết", "Details"),
    )
    return [call.text(*head) for head in heads]


def _row(call: DeskCall, entry: LogEntry) -> Sequence[Cell]:
    about: Cell = (
        str(entry.facts.get("ma_ho_so") or entry.facts.get("party") or entry.facts.get("operator") or "") or None
    )
    if entry.message:
        about = Link(entry.message, words.desk_address(f"/thong-diep/{entry.message}"))
    return [
        entry.number,
        words.when(entry.at),
        entry.who.removeprefix("operator:"),
        _act(call, entry),
        about,
        _details(entry),
    ]


def _act(call: DeskCall, entry: LogEntry) -> str:
    return call.text(*LOG_ACTS.get(entry.what, (entry.what, entry.what)))


def _details(entry: LogEntry) -> str | None:
    told = []
    for name in _DETAILS:
        value = entry.facts.get(name)
        if value not in (None, [], ""):
            told.append(" ".join(map(str, value)) if isinstance(value, list) else str(value))
    return " · ".join(told) or None


def journal_file(call: DeskCall) -> Answer:
    """The entries as a file; who takes it is an auditor."""
    with call.store.read() as view:
        entries, _ = view.log_about(**_asked(call), limit=OF_A_FILE)
    rows = [
        [
            entry.number,
            entry.at,
            entry.who,
            _act(call, entry),
            entry.message or str(entry.facts.get("ma_ho_so") or ""),
            _details(entry),
        ]
        for entry in entries
    ]
    title = call.text("Nhật ký", "Journal")
    return sent(call, [Sheet(name=title, title=title, header=_heads(call), rows=rows)], f"nhat-ky-{call.now:%Y%m%d}")


PAGES = [
    DeskPage(method="GET", path="/nhat-ky", make=journal, role=OperatorRole.AUDITOR, act="log show"),
    DeskPage(method="GET", path="/nhat-ky/tep", make=journal_file, role=OperatorRole.AUDITOR, act="log show"),
]
