"""erase: what a retention rule no longer lets us keep, with a plan first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from gateway.cli.check import Moment
from gateway.cli.command import FINE, CommandRun, argument, asking, command, option
from gateway.cli.show import Screen
from gateway.core.model import MaHoSo
from gateway.settings import OperatorRole

if TYPE_CHECKING:
    from gateway.services.retention import ErasurePlan

WHY = {
    "held": ("đang giữ chờ xét, của", "held, of"),
    "unread": ("chưa được lấy về bởi", "not fetched yet by"),
    "queued": ("chờ gửi tới", "waiting for delivery to"),
    "sending": ("đang gửi tới", "being delivered to"),
    "unknown": ("chưa rõ đã tới", "of unknown outcome at"),
    "refused": ("bị từ chối bởi", "refused by"),
    "dead": ("không gửi được tới", "undeliverable to"),
}


@command(
    "erase",
    vi="Xóa nội dung thông điệp khi hết thời hạn lưu trữ: cho xem trước sẽ xóa gì, rồi hỏi lại và hỏi lý do. Mã "
    "băm, kết quả xét, biên nhận, sự kiện và nhật ký còn nguyên, chuỗi vẫn kiểm được. Thứ còn phải giao hay còn chờ lấy "
    "thì không xóa. Thời hạn do cơ quan quyết định; trục không có mặc định nào.",
    en="Erase the bytes of messages when their retention has ended: shows first what would go, then asks, "
    "and asks for a reason. Digests, verdicts, receipts, events and the log stay, and the chain still verifies. What is still to "
    "be delivered or fetched is not erased. How long is the agency's to say; the gateway has no default.",
)
@argument("ma_ho_so", nargs=-1, metavar="[MAHOSO]…")
@option(
    "--ended-before",
    type=Moment(),
    vi="Mọi hồ sơ đã kết thúc (3, 8, 9, 10) mà việc cuối cùng xảy ra trước ngày này.",
    en="Every dossier that has ended (3, 8, 9, 10) and whose last event was before this day.",
)
@option(
    "--rejected-before",
    type=Moment(),
    vi="Mọi thông điệp bị từ chối nhận trước ngày này.",
    en="Every rejected message that arrived before this day.",
)
@option("--dry-run", is_flag=True, vi="Chỉ cho xem sẽ xóa gì.", en="Only show what would go.")
@asking
def erase(
    call: CommandRun,
    ma_ho_so: tuple[str, ...],
    ended_before: datetime | None,
    rejected_before: datetime | None,
    dry_run: bool,
    reason: str | None = None,
) -> int:
    """Shows the plan, asks, carries it out."""
    from gateway.services import retention
    from gateway.wiring import registry_of

    call.need(OperatorRole.ADMINISTRATOR, "erase")
    screen = call.screen
    if not ma_ho_so and ended_before is None and rejected_before is None:
        raise click.UsageError(
            screen.text(
                "Nêu MAHOSO, --ended-before hoặc --rejected-before.",
                "Give MAHOSO, --ended-before or --rejected-before.",
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
    if planned.digests and not dry_run:
        why = call.agreed("erase", reason, "Xóa thật? Không lấy lại được.", "Really erase? It cannot be undone.")
        who = f"operator:{call.person}"
        gone = retention.erase(call.store, planned, rule, who=who, reason=why, now=call.now)
    if screen.as_json:
        screen.row(
            {
                "dossiers": planned.dossiers,
                "messages": planned.messages,
                "bodies": len(planned.digests),
                "bytes": planned.total_bytes,
                "kept": [{"what": what, "why": why, "party": party} for what, why, party in planned.kept],
                "erased": gone,
            }
        )
    elif gone is not None:
        screen.line(f"Đã xóa {gone} nội dung.", f"Erased {gone} bodies.")
    return FINE


def _print_plan(screen: Screen, planned: ErasurePlan) -> None:
    for what, cause, party in planned.kept:
        words = WHY.get(cause, (cause, cause))
        screen.line(f"  ∙ {what}: {words[0]} {party}", f"  ∙ {what}: {words[1]} {party}")
    counts = (len(planned.digests), planned.total_bytes, planned.messages, len(planned.dossiers), len(planned.kept))
    screen.line(
        "{} nội dung ({} byte) của {} thông điệp, {} hồ sơ; {} hồ sơ chưa xóa được.".format(*counts),
        "{} bodies ({} bytes) of {} messages, {} dossiers; {} dossiers cannot go yet.".format(*counts),
    )
