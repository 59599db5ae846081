"""erase: what a retention rule no longer lets us keep, with a plan first, gone from the disk afterwards."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from gateway.cli.command import FINE, CommandRun, Moment, argument, asking, command, option
from gateway.cli.show import Screen
from gateway.core.model import MaHoSo
from gateway.core.operators import OperatorRole
from gateway.core.problems import Problem, Stopped

if TYPE_CHECKING:
    from gateway.services.retention import ErasurePlan

WHY = {
    "held": ("đang tạm giữ chờ xét, của", "held, of"),
    "unread": ("chưa được lấy về bởi", "not fetched yet by"),
    "queued": ("chờ gửi tới", "waiting for delivery to"),
    "sending": ("đang gửi tới", "being delivered to"),
    "unknown": ("chưa rõ kết quả gửi", "of unknown outcome at"),
    "refused": ("bị từ chối bởi", "refused by"),
    "dead": ("không gửi được tới", "undeliverable to"),
}


@command(
    "erase",
    vi="Xóa nội dung thông điệp khi hết thời hạn lưu trữ: hiển thị trước nội dung sẽ xóa, yêu cầu xác nhận và lý "
    "do. Giá trị được trích trong kết quả xét, trả lời của bên nhận và thông tin bên nhận báo về hồ sơ cũng "
    "bị xóa, cả trong tệp của cơ sở dữ liệu. Mã băm, mã lỗi, sự kiện và nhật ký còn nguyên, chuỗi vẫn kiểm "
    "tra được. Nội dung còn phải gửi hoặc chờ lấy không bị xóa. Thời hạn do cơ quan quyết định; trục không "
    "đặt mặc định.",
    en="Erase the bytes of messages when their retention has ended: shows first what would go, then asks, "
    "and asks for a reason. Values that verdicts quote, receivers' answers and what their systems told of a dossier go too, from "
    "the database's files as well. Digests, codes, events and the log stay, and the chain still verifies. What is still to "
    "be delivered or fetched is not erased. How long is the agency's to say; the gateway has no default.",
)
@argument("ma_ho_so", nargs=-1, metavar="[MAHOSO]…")
@option(
    "--ended-before",
    type=Moment(),
    vi="Mọi hồ sơ đã kết thúc (3, 8, 9, 10) có sự kiện cuối cùng trước ngày này.",
    en="Every dossier that has ended (3, 8, 9, 10) and whose last event was before this day.",
)
@option(
    "--rejected-before",
    type=Moment(),
    vi="Mọi thông điệp bị từ chối nhận trước ngày này.",
    en="Every rejected message that arrived before this day.",
)
@option(
    "--vacuum",
    is_flag=True,
    vi="Ghi lại tệp hoặc bảng của cơ sở dữ liệu để vùng trống không còn dữ liệu; các việc khác phải chờ. Có thể dùng riêng.",
    en="Write the database's file or tables anew, so that nothing is left in free space; all else waits. May stand alone.",
)
@option("--dry-run", is_flag=True, vi="Chỉ hiển thị nội dung sẽ xóa.", en="Only show what would go.")
@asking
def erase(
    call: CommandRun,
    ma_ho_so: tuple[str, ...],
    ended_before: datetime | None,
    rejected_before: datetime | None,
    *,
    vacuum: bool,
    dry_run: bool,
    reason: str | None = None,
) -> int:
    """Shows the plan, asks, carries it out, and tells where the bytes may still be."""
    from gateway.services import retention
    from gateway.wiring import registry_of

    call.need(OperatorRole.ADMINISTRATOR, "erase")
    screen = call.screen
    if not ma_ho_so and ended_before is None and rejected_before is None:
        if vacuum and not dry_run:
            call.agreed("erase", reason, "Ghi lại cơ sở dữ liệu ngay?", "Write the database anew now?")
            return _cleared(call, vacuum=True)
        raise click.UsageError(
            screen.text(
                "Nêu MAHOSO, --ended-before, --rejected-before, hoặc chỉ --vacuum.",
                "Give MAHOSO, --ended-before, --rejected-before, or --vacuum alone.",
            )
        )
    rule = retention.RetentionRule(
        ended_before=ended_before,
        rejected_before=rejected_before,
        dossiers=tuple(MaHoSo(code) for code in dict.fromkeys(ma_ho_so)),
    )
    planned = retention.plan_erasure(call.store, registry_of(call.store), rule)
    if not screen.as_json:
        _print_plan(screen, planned)
    gone = None
    if planned.messages and not dry_run:
        why = call.agreed("erase", reason, "Xác nhận xóa? Không khôi phục được.", "Really erase? It cannot be undone.")
        who = f"operator:{call.person}"
        gone = retention.erase(call.store, planned, rule, who=who, reason=why, now=call.now)
    if screen.as_json:
        screen.row(
            {
                "dossiers": planned.dossiers,
                "messages": len(planned.messages),
                "bodies": len(planned.bodies),
                "bytes": planned.total_bytes,
                "kept": [{"what": what, "why": why, "party": party} for what, why, party in planned.kept],
                "erased": gone,
            }
        )
    elif gone is not None:
        screen.line(f"Đã xóa {gone} nội dung.", f"Erased {gone} bodies.")
    if gone is None:
        return FINE
    try:
        _out_of_archives(call)
    finally:  # what stays in an archive for now is no reason to leave it in the database's free pages
        code = _cleared(call, vacuum=vacuum)
    return code


def _out_of_archives(call: CommandRun) -> None:
    """What was erased goes out of the months' files, too. Raises Stopped as make_archive(), with the erasure itself on record.

    And SYS-211 where somebody else is at the archives: `work` does it then.
    """
    from gateway.services.archiving import archiving_alone, rewrite_erased
    from gateway.wiring import archive_keeper

    with call.store.read() as view:
        pending = view.archives_to_rewrite()
    if not pending:
        return
    with archiving_alone(archive_keeper(call.settings, call.store), lambda: datetime.now(UTC)) as keeper:
        names = rewrite_erased(keeper, call.now, who=f"operator:{call.person}")
    if not names:
        return
    call.screen.note(
        f"Đã viết lại các tệp lưu trữ không còn nội dung đã xóa: {', '.join(names)}.",
        f"Written anew without what was erased: archives {', '.join(names)}.",
    )


def _cleared(call: CommandRun, *, vacuum: bool) -> int:
    """Has the database give up what it keeps beside its tables, and tells what is left. Raises Stopped (SYS-059)."""
    traces, screen = call.store.clear_traces(rewrite=vacuum), call.screen
    if traces.journal:
        raise Stopped(Problem("SYS-059"))
    if traces.kind == "postgresql" and not traces.rewritten:
        screen.note(
            "PostgreSQL: dòng cũ còn trong tệp cho tới khi chạy VACUUM, và trong vùng trống cho tới khi bị ghi "
            "đè. “lienthong erase --vacuum” ghi lại các bảng có nội dung (các bảng bị khóa trong thời gian đó).",
            "PostgreSQL: old rows are in its files until VACUUM, and in free space until it is written over. “lienthong "
            "erase --vacuum” writes the tables with content anew (and locks them meanwhile).",
        )
    elif traces.kind == "postgresql":
        screen.note(
            "PostgreSQL: các bảng có nội dung đã được ghi lại. WAL và máy chủ dự phòng còn lưu tới thời hạn riêng.",
            "PostgreSQL: the tables with content were written anew. Its WAL and standby servers keep what they keep.",
        )
    else:
        screen.note(
            "SQLite: vùng đã xóa được ghi đè, tệp WAL đã thu gọn. Vùng trống có từ phiên bản 0.1.0 trở về trước: --vacuum."
            if not traces.rewritten
            else "SQLite: tệp đã được ghi lại, tệp WAL đã thu gọn.",
            "SQLite: what was erased is written over, the WAL file is truncated. Free space of version 0.1.0 or before: --vacuum."
            if not traces.rewritten
            else "SQLite: the file was written anew, the WAL file is truncated.",
        )
    screen.note(
        "Bản sao lưu, gói bằng chứng và bản xuất đã làm trước đây, và nội dung các bên đã nhận không thuộc phạm vi của lệnh này.",
        "Backups, bundles of evidence and exports made before, and what parties have received, are not touched.",
    )
    return FINE


def _print_plan(screen: Screen, planned: ErasurePlan) -> None:
    for what, cause, party in planned.kept:
        words = WHY.get(cause, (cause, cause))
        screen.line(f"  ∙ {what}: {words[0]} {party}", f"  ∙ {what}: {words[1]} {party}")
    counts = (
        len(planned.bodies),
        planned.total_bytes,
        len(planned.messages),
        len(planned.dossiers),
        len(planned.kept),
    )
    screen.line(
        "{} nội dung ({} byte) của {} thông điệp, {} hồ sơ; {} hồ sơ chưa xóa được.".format(*counts),
        "{} bodies ({} bytes) of {} messages, {} dossiers; {} dossiers cannot go yet.".format(*counts),
    )
