"""log verify | export: the chained log, and the proof that nobody changed it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli.base import FINE, PROBLEMS, Call, Entry, Group, command, option
from gateway.core import chain
from gateway.core.problems import Problem, Stopped
from gateway.settings import OperatorRole

log = Group(
    "log",
    entries={
        "verify": Entry("gateway.cli.log:verify", "Kiểm chuỗi nhật ký.", "Verify the log's chain."),
        "export": Entry(
            "gateway.cli.log:export", "Xuất nhật ký, mỗi dòng một mục.", "Export the log, one entry a line."
        ),
    },
    vi="Nhật ký móc xích: mỗi mục chứa băm của mục trước, nên không sửa, xóa hay chèn mà không lộ.",
    en="The chained log: each entry holds the hash of the one before, so no change, cut or insertion goes unseen.",
    no_args_is_help=True,
)

FLAWS = {
    chain.Flaw.GAP: ("thiếu hoặc trùng mục", "an entry is missing, or stands twice"),
    chain.Flaw.CHANGED: ("nội dung không khớp băm", "the entry is not what was hashed"),
    chain.Flaw.REWRITTEN: ("khác với đầu chuỗi mà người làm chứng giữ", "not the chain that a witness saw"),
    chain.Flaw.CUT: ("bị cắt cuối: người làm chứng đã thấy mục này", "cut at its end: a witness has seen this entry"),
}


@command(
    "verify",
    vi="Kiểm cả chuỗi nhật ký, từ cơ sở dữ liệu hoặc từ tệp đã xuất (--file, không cần cơ sở dữ liệu). "
    "--witness đối chiếu với đầu chuỗi mà người khác giữ.",
    en="Verify the whole chain, from the database or from an exported file (--file, which needs no database). "
    "--witness compares with heads that others keep.",
)
@option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), vi="Tệp đã xuất.", en="An exported file.")
@option("--witness", "witnesses", multiple=True, metavar="NUMBER:HASH", vi="Đầu chuỗi đã biết.", en="A known head.")
def verify(call: Call, file: Path | None, witnesses: tuple[str, ...]) -> int:
    """Walks the chain from its first entry."""
    known = dict(_witness(text) for text in witnesses)
    if file is not None:
        checked = chain.verify(_exported(file), witnesses=known)
    else:
        call.need(OperatorRole.VIEWER, "log verify")
        with call.store.read() as view:
            checked = chain.verify(view.log_entries(), witnesses=known)
    screen = call.screen
    if screen.as_json:
        screen.row(
            {
                "whole": checked.whole,
                "entries": checked.head.number,
                "head": checked.head.hash,
                "flaw": str(checked.flaw) if checked.flaw else None,
                "at": checked.number,
            }
        )
        return FINE if checked.whole else PROBLEMS
    if checked.flaw is not None:
        vi, en = FLAWS[checked.flaw]
        raise Stopped(Problem("SYS-050", {"number": checked.number, "reason": screen.text(vi, en)}))
    screen.line(
        f"Chuỗi nguyên vẹn: {checked.head.number} mục, đầu chuỗi {checked.head.hash}",
        f"The chain is whole: {checked.head.number} entries, head {checked.head.hash}",
    )
    return FINE


def _witness(text: str) -> tuple[int, str]:
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef"):
        raise click.BadParameter(text, param_hint="--witness")
    return int(number), digest.lower()


def _exported(file: Path) -> Iterator[chain.LogEntry]:
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield _entry(line, file, number)
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "?") if isinstance(error, OSError) else "not UTF-8"
        raise Stopped(Problem("SYS-045", {"path": str(file), "reason": reason})) from error


def _entry(line: str, file: Path, number: int) -> chain.LogEntry:
    try:
        row: dict[str, Any] = json.loads(line)
        return chain.LogEntry(
            number=row["number"],
            at=datetime.fromisoformat(row["at"]),
            who=row["who"],
            what=row["what"],
            message=row.get("message"),
            facts=row.get("facts", {}),
            hash=row["hash"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Stopped(Problem("SYS-045", {"path": f"{file}:{number}", "reason": type(error).__name__})) from error


@command(
    "export",
    vi="Xuất nhật ký ra đầu ra chuẩn, mỗi dòng một mục JSON; “log verify --file” kiểm được ở máy khác.",
    en="Export the log to standard output, one JSON entry a line; “log verify --file” checks it on another machine.",
)
@option("--after", type=click.IntRange(min=0), default=0, show_default=True, vi="Sau mục này.", en="After this entry.")
def export(call: Call, after: int) -> int:
    """Prints the log."""
    call.need(OperatorRole.AUDITOR, "log export")
    with call.store.read() as view:
        _print(call, view.log_entries(after=after))
    return FINE


def _print(call: Call, entries: Iterable[chain.LogEntry]) -> None:
    for entry in entries:
        call.screen.row(
            {
                "number": entry.number,
                "at": entry.at,
                "who": entry.who,
                "what": entry.what,
                "message": entry.message,
                "facts": dict(entry.facts),
                "hash": entry.hash,
            }
        )
