"""log verify | export: the chained log, and the proof that nobody changed it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.command import FINE, PROBLEMS, CommandRun, Group, LazyCommand, asking, command, option
from gateway.cli.outside import read_certificates
from gateway.cli.show import when
from gateway.core import chain
from gateway.core.operators import OperatorRole
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped

if TYPE_CHECKING:
    from gateway.cli.show import Screen
    from gateway.store.compare import Comparison, Difference
    from signing.certificates import Certificate
    from signing.heads import Heads

log = Group(
    "log",
    entries={
        "show": LazyCommand(
            "gateway.cli.who:show", "Nhật ký thao tác: người thực hiện, người xem.", "Who did what, and who looked."
        ),
        "verify": LazyCommand("gateway.cli.log:verify", "Kiểm chuỗi nhật ký.", "Verify the log's chain."),
        "export": LazyCommand(
            "gateway.cli.log:export", "Xuất nhật ký, mỗi dòng một mục.", "Export the log, one entry a line."
        ),
        "clock": LazyCommand(
            "gateway.cli.log:clock",
            "Xác nhận giờ hiện tại của máy là đúng.",
            "Confirm that the machine's clock is right now.",
        ),
    },
    vi="Nhật ký móc xích: mỗi mục chứa giá trị băm của mục trước, nên mọi việc sửa, xóa hay chèn đều bị phát hiện.",
    en="The chained log: each entry holds the hash of the one before, so no change, cut or insertion goes unseen.",
    no_args_is_help=True,
)

#: The last version whose log said less of the rows that it wrote.
LESS_LOGGED: Final = "0.1.0"

FLAWS = {
    chain.Flaw.GAP: ("thiếu hoặc trùng mục", "an entry is missing, or stands twice"),
    chain.Flaw.CHANGED: ("nội dung không khớp băm", "the entry is not what was hashed"),
    chain.Flaw.REWRITTEN: ("khác với đầu chuỗi mà bên đối chứng lưu giữ", "not the chain that a witness saw"),
    chain.Flaw.CUT: ("bị cắt ở cuối: bên đối chứng đã có mục này", "cut at its end: a witness has seen this entry"),
}


@command(
    "verify",
    vi="Kiểm chuỗi nhật ký và mọi đầu chuỗi đã ký trong đó: phần tiếp theo đầu chuỗi đã ký mà lần kiểm trước đã tới, hoặc "
    "cả chuỗi (--all); hoặc một tệp đã xuất (--file, không cần cơ sở dữ liệu; chứng thư của trục thì nêu bằng --cert). "
    "--witness đối chiếu với đầu chuỗi do bên khác lưu giữ.",
    en="Verify the chain and the signed heads in it: what follows the signed head that an earlier verification came to, or "
    "all of it (--all); or an exported file (--file, which needs no database; name the gateway's certificate by --cert). "
    "--witness compares with heads that others keep.",
)
@option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), vi="Tệp đã xuất.", en="An exported file.")
@option(
    "--cert",
    "certificates",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Chứng thư của trục (PEM hoặc DER) để kiểm tra đầu chuỗi đã ký; có thể nêu nhiều lần. Mặc định: theo cấu hình.",
    en="The gateway's certificate (PEM or DER) for the signed heads; may be given again. Default: the configured ones.",
)
@option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar="NUMBER:HASH|JWS",
    vi="Đầu chuỗi đã biết: số và băm, hoặc đầu chuỗi đã ký (DaKy) mà hộp thư đã trả.",
    en="A known head: number and hash, or the signed head (DaKy) that an inbox page carried.",
)
@option(
    "--from",
    "since",
    metavar="NUMBER:HASH|JWS",
    vi="Kiểm từ đầu chuỗi này trở đi. Mặc định: từ đầu chuỗi đã ký mới nhất mà lần kiểm trước đã tới.",
    en="Verify from this head on. Default: from the newest signed head that an earlier verification came to.",
)
@option(
    "--all",
    "whole",
    is_flag=True,
    vi="Kiểm từ mục đầu tiên.",
    en="Verify from the first entry.",
)
@option(
    "--processes",
    type=click.IntRange(1, 256),
    vi="Số tiến trình cùng kiểm một chuỗi dài (mặc định: bằng số bộ xử lý).",
    en="Processes that share a long chain (default: as many as there are processors).",
)
@option(
    "--store",
    "tables",
    is_flag=True,
    vi="Đối chiếu cả các bảng với nhật ký: thông điệp, kết quả xét, sự kiện hồ sơ, lượt gửi, hộp thư, đăng ký, nội dung.",
    en="Compare the tables with the log too: messages, verdicts, events, deliveries, inboxes, registry, bytes.",
)
@option(
    "--most",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    vi="Số chỗ khác nhau tối đa được nêu.",
    en="Name at most this many differences.",
)
def verify(
    call: CommandRun,
    file: Path | None,
    certificates: tuple[Path, ...],
    witnesses: tuple[str, ...],
    since: str | None,
    processes: int | None,
    *,
    whole: bool,
    tables: bool,
    most: int,
) -> int:
    """Walks the chain, then the tables."""
    from signing.heads import Heads

    screen = call.screen
    if tables and file is not None:
        raise click.UsageError(
            screen.text("--store không dùng cùng --file.", "--store and --file do not go together."),
        )
    if since is not None and (whole or file is not None):
        raise click.UsageError(
            screen.text("--from không dùng cùng --all hoặc --file.", "--from does not go with --all or --file."),
        )
    heads = Heads(_certificates(call, file, certificates))
    known = dict(witness(text, heads) for text in witnesses)
    start = None
    if file is not None:
        checked = chain.verify_chain(heads.through(_exported(file)), witnesses=known)
    else:
        call.need(OperatorRole.VIEWER, "log verify")
        start = None if whole else _begin(call, heads, since, known, tables=tables)
        checked = _prove(call, heads, start, known, processes)
    wrong = heads.wrong[0] if heads.certificates and heads.wrong else None
    sound = checked.whole and wrong is None
    compared = (
        _compared(call, most, start, processes) if tables and sound else None
    )  # a log that was changed proves nothing
    if file is None and sound and not (compared and compared.count):
        _remember(call, heads, start, tables=tables)
    if file is None and not (witnesses or certificates or since):  # what a person brings along may be what is wrong
        _note_findings(call, checked, wrong, compared, start)
    if screen.as_json:
        screen.row({**_verified(checked, wrong, heads, compared), "from": start.number if start else 0})
        return FINE if sound and not (compared and compared.count) else PROBLEMS
    if checked.flaw is not None:
        vi, en = FLAWS[checked.flaw]
        raise Stopped(Problem("SYS-050", {"number": checked.number, "reason": screen.text(vi, en)}))
    if wrong is not None:
        raise Stopped(Problem("SIG-134", {"number": wrong[0], "reason": wrong[1]}))
    newest = heads.newest
    screen.line(
        f"Chuỗi nguyên vẹn: {checked.head.number} mục, đầu chuỗi {checked.head.hash}",
        f"The chain is whole: {checked.head.number} entries, head {checked.head.hash}",
    )
    if start is not None:
        screen.line(
            f"Đã kiểm từ đầu chuỗi tại mục {start.number}; kiểm từ mục đầu tiên: --all.",
            f"Verified from the head at entry {start.number}; from the first entry: --all.",
        )
    if heads.seen and not heads.certificates:
        screen.line(
            f"{heads.seen} đầu chuỗi đã ký chưa được kiểm: thêm --cert chứng thư của trục.",
            f"Not checked: signed heads ({heads.seen}); add --cert with the gateway's certificate.",
        )
    elif newest is not None:
        screen.line(
            f"{heads.seen} đầu chuỗi đã ký, tất cả đều đúng; mới nhất tới mục {newest.number}, lúc {when(newest.at)}.",
            f"Signed heads: {heads.seen}, all good; the newest covers entry {newest.number}, {when(newest.at)}.",
        )
    if compared is not None:
        return _print_compared(screen, compared)
    return FINE


def _begin(
    call: CommandRun, heads: Heads, since: str | None, known: Mapping[int, str], *, tables: bool
) -> chain.Head | None:
    """The head to begin with: the one that is named, or the one that was come to before; None is the first entry."""
    from gateway.services.proving import proven_before
    from gateway.store.view import COMPARED, PROVEN

    if since is not None:
        return chain.Head(*witness(since, heads, "--from"))
    before = proven_before(call.store, heads, COMPARED if tables else PROVEN)
    if before is None or any(number < before.number for number in known):  # a witness of what lies before it
        return None
    return chain.Head(before.number, before.hash)


def _prove(
    call: CommandRun, heads: Heads, start: chain.Head | None, known: Mapping[int, str], processes: int | None
) -> chain.ChainCheck:
    from gateway.services.proving import prove_log

    with call.screen.progress("Kiểm chuỗi nhật ký", "Verifying the chain") as tell:
        return prove_log(call.store, heads, since=start, witnesses=known, processes=processes, tell=tell)


def _remember(call: CommandRun, heads: Heads, start: chain.Head | None, *, tables: bool) -> None:
    """Where the next verification may begin. Whoever may only read verifies as well, and leaves nothing behind."""
    from gateway.services.proving import remember
    from gateway.store import StoreError
    from gateway.store.view import COMPARED, PROVEN

    marks = (COMPARED, PROVEN) if tables else (PROVEN,)
    try:
        remember(call.store, heads, datetime.now(UTC), since=start, marks=marks)
    except StoreError as error:
        logging.getLogger("lienthong.log").info("how far the log was verified is not kept: %s", error)


def _note_findings(
    call: CommandRun,
    checked: chain.ChainCheck,
    wrong: tuple[int, str] | None,
    compared: Comparison | None,
    start: chain.Head | None,
) -> None:
    """What was found is an alert until a run that looks at as much finds nothing: beside a timer nobody sits."""
    from gateway.services.findings import note_log_verified

    found = None
    if checked.flaw is not None:
        problem = Problem("SYS-050", {"number": checked.number, "reason": str(checked.flaw)})
        found = problem, f"log {checked.number}"
    elif wrong is not None:
        found = Problem("SIG-134", {"number": wrong[0], "reason": wrong[1]}), f"log {wrong[0]}"
    elif compared is not None and compared.count:
        first = compared.differences[0]
        found = Problem("SYS-058", {"count": compared.count}), f"{first.table} {first.row}"
    after = start.number if start is not None else 0
    who = f"operator:{call.person}"
    note_log_verified(call.store, found, after=after, tables=compared is not None, who=who, now=call.now)


def _compared(call: CommandRun, most: int, start: chain.Head | None, processes: int | None) -> Comparison:
    from gateway.store.compare import compare_with_log

    after = start.number if start is not None else 0
    with call.screen.progress("Đối chiếu các bảng với nhật ký", "Comparing the tables with the log") as tell:
        return compare_with_log(call.store, after=after, most=most, processes=processes, tell=tell)


def _verified(
    checked: chain.ChainCheck, wrong: tuple[int, str] | None, heads: Heads, compared: Comparison | None
) -> dict[str, Any]:
    newest = heads.newest
    row: dict[str, Any] = {
        "whole": checked.whole and wrong is None,
        "entries": checked.head.number,
        "head": checked.head.hash,
        "flaw": str(checked.flaw) if checked.flaw else "signed-head" if wrong else None,
        "at": checked.number if checked.flaw else wrong[0] if wrong else None,
        "signed_heads": heads.seen,
        "signed_up_to": newest.number if newest else None,
        "signed_at": newest.at if newest else None,
        "signed_heads_checked": bool(heads.certificates),
    }
    if compared is not None:
        row["store"] = {
            "agrees": not compared.count,
            "differences": compared.count,
            "first": [asdict(one) for one in compared.differences],
            "compared": dict(sorted(compared.rows.items())),
            "older": dict(sorted(compared.older.items())),
        }
    return row


def _print_compared(screen: Screen, compared: Comparison) -> int:
    counted = ", ".join(f"{table} {number}" for table, number in sorted(compared.rows.items()))
    screen.line(f"Đã đối chiếu với nhật ký: {counted}.", f"Compared with the log: {counted}.")
    if compared.older:
        older = ", ".join(f"{table} {number}" for table, number in sorted(compared.older.items()))
        screen.line(
            f"Nhật ký không ghi đủ về: {older}; các dòng này do phiên bản {LESS_LOGGED} trở về trước ghi, chỉ đối chiếu được "
            "những gì nhật ký khi đó có.",
            f"Not in the log, or not all of it: {older}. They were written by version {LESS_LOGGED} or before; what the log of "
            "that time says was compared.",
        )
    if not compared.count:
        screen.line("Các bảng khớp với nhật ký.", "The tables agree with the log.")
        return FINE
    for one in compared.differences:
        screen.line(f"  {_difference(screen, one)}")
    screen.rest(compared.count - len(compared.differences))
    raise Stopped(Problem("SYS-058", {"count": compared.count}))


def _difference(screen: Screen, one: Difference) -> str:
    where = "" if one.line is None else screen.text(f" (mục {one.line})", f" (entry {one.line})")
    name = f"{one.table} {one.row}"
    if one.column is None and one.found is None:
        return screen.text(
            f"{name}: không còn; nhật ký có: {one.logged}{where}", f"{name}: gone; the log has {one.logged}{where}"
        )
    if one.column is None:
        return screen.text(f"{name}: nhật ký không có dòng này{where}", f"{name}: the log knows no such row{where}")
    if one.column == "*":
        return screen.text(
            f"{name}: các cột còn lại có băm {one.found}, nhật ký ghi {one.logged}{where}",
            f"{name}: its other columns have the digest {one.found}, the log says {one.logged}{where}",
        )
    return screen.text(
        f"{name}: {one.column} là “{one.found}”, nhật ký ghi “{one.logged}”{where}",
        f"{name}: {one.column} is “{one.found}”, the log says “{one.logged}”{where}",
    )


def _certificates(call: CommandRun, file: Path | None, given: tuple[Path, ...]) -> list[Certificate]:
    """Those that are named; on a node, when none is, its own ones."""
    if given:
        return read_certificates(given)
    if file is not None and call.load_near(Path.cwd(), needed=False).file is None:
        return []
    from gateway.wiring import own_certificates

    return own_certificates(call.settings)


def witness(text: str, heads: Heads, option_name: str = "--witness") -> tuple[int, str]:
    """A head that somebody keeps: number and hash, or a signed head. Raises BadParameter; Stopped (SIG-134)."""
    if text.count(".") == 2:
        from signing.heads import read_head

        head = read_head(text, heads.certificates)
        return head.number, head.hash
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef"):
        raise click.BadParameter(text, param_hint=option_name)
    return int(number), digest.lower()


def _exported(file: Path) -> Iterator[chain.LogEntry]:
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield _entry(line, file, number)
    except (OSError, UnicodeDecodeError) as error:
        reason = system_reason(error)
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
@option(
    "--after", type=click.IntRange(0, 2**53), default=0, show_default=True, vi="Sau mục này.", en="After this entry."
)
def export(call: CommandRun, after: int) -> int:
    """Prints the log."""
    call.need(OperatorRole.AUDITOR, "log export")
    print_entries(call, call.store.log_entries(after=after))
    return FINE


def print_entries(call: CommandRun, entries: Iterable[chain.LogEntry]) -> None:
    """Entries as JSON, one a line."""
    for entry in entries:
        call.screen.row(entry_row(entry))


def entry_row(entry: chain.LogEntry) -> dict[str, Any]:
    """An entry as it is exported, and read again."""
    return {
        "number": entry.number,
        "at": entry.at,
        "who": entry.who,
        "what": entry.what,
        "message": entry.message,
        "facts": dict(entry.facts),
        "hash": entry.hash,
    }


@command(
    "clock",
    vi="Xác nhận giờ hiện tại của máy này là đúng, khi các mục mới nhất của nhật ký có giờ ở tương lai vì đồng hồ từng chạy sai, "
    "hoặc khi máy vừa bị tạm dừng mà không có dịch vụ giờ. serve và work đang chạy trên máy này tự theo sau vài giây.",
    en="Confirm that this machine's clock is right now, where the newest entries of the log are of the future because it was "
    "wrong before, or where the machine was paused and has no time service. serve and work of this machine follow within "
    "seconds.",
)
@asking
def clock(call: CommandRun, reason: str | None) -> int:
    """Puts an entry with the machine's time into the log: its processes go by that, and those that start by the newest."""
    from gateway.core.clocks import ClockStart
    from gateway.core.ledger import LogLine

    call.need(OperatorRole.ADMINISTRATOR, "log clock")
    with call.store.read() as view:
        newest = view.newest_line_at()
    screen = call.screen
    screen.line(
        f"Giờ của máy {when(call.now)}, mục mới nhất của nhật ký {when(newest)}.",
        f"The machine's clock says {when(call.now)}, the newest entry of the log {when(newest)}.",
    )
    why = call.agreed("log clock", reason, "Giờ của máy đúng?", "Is the machine's clock right?")
    facts = {"reason": why, "newest": None if newest is None else newest.isoformat()} | ClockStart.now().facts()
    with call.store.begin() as tx:
        tx.note(LogLine(what="clock.confirmed", who=f"operator:{call.person}", facts=facts), call.now)
    screen.line(
        "Đã xác nhận; serve và work trên máy này theo giờ đó sau vài giây.",
        "Confirmed; serve and work of this machine go by it within seconds.",
    )
    return FINE
