"""log show: who did what and who looked, from the chained log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from gateway.cli.command import FINE, CommandRun, Moment, check_period, command, option
from gateway.cli.log import print_entries
from gateway.cli.show import when
from gateway.core.operators import OperatorRole
from gateway.core.problems import Lang, Stopped
from gateway.core.unknown import unknown

if TYPE_CHECKING:
    from gateway.core import chain

#: What acts are called; others by their own name.
ACTS: Final = {
    "message.accepted": ("nhận", "accepted"),
    "message.rejected": ("từ chối nhận", "rejected"),
    "message.held": ("tạm giữ chờ xét", "held"),
    "message.read": ("xem nội dung", "looked at the content"),
    "message.evidence": ("lấy bằng chứng", "took the evidence"),
    "message.replayed": ("cho xét lại", "had it judged again"),
    "body.read": ("lấy nội dung", "got bytes"),
    "archive.made": ("lưu trữ một tháng", "archived a month"),
    "archive.flawed": ("phát hiện tệp lưu trữ không nguyên vẹn", "found an archive not to be whole"),
    "archive.verified": ("kiểm lại thấy tệp lưu trữ nguyên vẹn", "found archives whole again"),
    "log.flawed": ("phát hiện nhật ký hoặc các bảng bị thay đổi", "found the log or the tables changed"),
    "log.verified": ("kiểm lại không còn thấy thay đổi", "found nothing changed any more"),
    "archive.emptied": ("lấy hết nội dung đã lưu trữ khỏi cơ sở dữ liệu", "took what is archived out of the database"),
    "archive.rewritten": ("viết lại tệp lưu trữ", "wrote an archive anew"),
    "archive.files-made": ("lưu trữ tệp của một tháng", "archived a month's files"),
    "archive.files-emptied": (
        "lấy hết tệp đã lưu trữ khỏi thư mục tệp",
        "took archived files out of the folder of files",
    ),
    "archive.files-rewritten": ("xóa tệp khỏi lưu trữ", "took files out of an archive"),
    "backup": ("sao lưu", "backed up"),
    "backup.failed": ("sao lưu không thành công", "a backup failed"),
    "restored.files": ("lấy lại tệp sau khôi phục", "put files back after a restore"),
    "message.erased": ("xóa nội dung", "erased"),
    "file.arrived": ("nhận tệp", "took a file"),
    "file.infected": ("từ chối tệp có mã độc", "refused an infected file"),
    "file.scanned": ("quét lại tệp", "scanned a file again"),
    "body.changed": ("phát hiện nội dung thông điệp không còn đúng mã băm", "found a message on record changed"),
    "file.changed": ("phát hiện tệp không còn đúng mã băm", "found a file changed"),
    "file.gone": ("xóa tệp quá hạn", "took an unused file away"),
    "delivery.delivered": ("đã giao", "delivered"),
    "delivery.refused": ("bên nhận từ chối", "refused by the receiver"),
    "delivery.unknown": ("chưa rõ kết quả gửi", "outcome unknown"),
    "delivery.dead": ("quá hạn gửi", "given up"),
    "delivery.rescued": ("lượt gửi bị ngắt", "a try was cut off"),
    "delivery.recalled": ("thu hồi", "recalled"),
    "delivery.replayed": ("cho gửi lại", "queued again"),
    "delivery.retold": ("báo lại theo dữ liệu của trục", "told again from our record"),
    "delivery.skipped": ("bỏ qua", "skipped"),
    "dossier.reprojected": ("lập lại trạng thái hồ sơ", "derived a dossier's standing again"),
    "dossier.released": ("giải phóng mã hồ sơ", "gave a code back"),
    "retention.applied": ("xóa theo thời hạn", "applied retention"),
    "party.applied": ("áp dụng hồ sơ bên", "applied a profile"),
    "party.removed": ("bỏ một bên", "removed a party"),
    "party.paused": ("tạm dừng gửi tới một bên", "paused a party"),
    "party.resumed": ("gửi tiếp tới một bên", "resumed a party"),
    "party.locked": ("khóa một bên", "locked a party"),
    "party.unlocked": ("mở khóa một bên", "unlocked a party"),
    "clock.confirmed": ("xác nhận giờ của máy", "confirmed the machine's clock"),
    "catalogue.published": ("ghi danh mục", "recorded a catalogue"),
    "catalogue.imported": ("nạp danh mục", "imported a catalogue"),
    "alert.acknowledged": ("tiếp nhận cảnh báo", "took on an alert"),
    "operator.added": ("thêm người trực", "added an operator"),
    "operator.roles": ("thay đổi vai trò", "changed roles"),
    "operator.password": ("đặt mật khẩu", "set a password"),
    "operator.disabled": ("khóa người trực", "shut an operator out"),
    "operator.enabled": ("mở khóa người trực", "let an operator in again"),
    "operator.logged-in": ("đăng nhập", "logged in"),
    "operator.logged-out": ("đăng xuất", "logged out"),
    "operator.refused": ("đăng nhập không được", "was refused at log-in"),
    "batch.started": ("bắt đầu đợt", "started a batch"),
    "batch.approved": ("duyệt đợt", "approved a batch"),
    "batch.paused": ("tạm dừng đợt", "paused a batch"),
    "batch.resumed": ("chạy tiếp đợt", "resumed a batch"),
    "batch.cancelled": ("hủy đợt", "cancelled a batch"),
    "batch.ended": ("đợt kết thúc", "a batch ended"),
    "log.head": ("ký đầu chuỗi", "signed the head"),
}
_TOLD: Final = (
    "reason",
    "operator",
    "roles",
    "part",
    "code",
    "codes",
    "party",
    "danh_muc",
    "phien_ban",
    "version",
    "bodies",
    "alert",
    "batch",
    "size",
)


@command(
    "show",
    vi="Nhật ký thao tác: các mục mới nhất, lọc theo người thực hiện, việc, hồ sơ, thời gian. Người đã xem một "
    "hồ sơ: --dossier MAHOSO --what message.read. Mọi việc do người vận hành thực hiện: --who operator:",
    en="Who did what and who looked: the newest entries of the log by person, act, dossier and time. Who looked at a dossier: "
    "--dossier MAHOSO --what message.read. All that persons did: --who operator:",
)
@option("--who", metavar="…", vi="Một phần tên người hoặc bên.", en="A part of the person's or party's name.")
@option(
    "--what", metavar="…", vi="Việc bắt đầu bằng: message., message.read, delivery.skipped, …", en="How the act begins."
)
@option("--dossier", "ma_ho_so", metavar="MAHOSO", vi="Về hồ sơ này.", en="About this dossier.")
@option("--message", "name", metavar="ID", vi="Về thông điệp này.", en="About this message.")
@option("--since", type=Moment(), vi="Từ thời điểm này.", en="From this time on.")
@option("--until", type=Moment(), vi="Đến trước thời điểm này.", en="Before this time.")
@option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    vi="Số lượng tối đa.",
    en="At most this many.",
)
def show(
    call: CommandRun,
    who: str | None,
    what: str | None,
    ma_ho_so: str | None,
    name: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> int:
    """Prints entries, the newest last."""
    from gateway.services import desk
    from gateway.store.view import LOOKED_BEHIND

    call.need(OperatorRole.AUDITOR, "log show")
    check_period(call, since, until)
    screen = call.screen
    message = None if name is None else desk.one(call.store, name).id
    with call.store.read() as view:
        if ma_ho_so is not None and view.dossier(ma_ho_so) is None and not view.messages(ma_ho_so=ma_ho_so, limit=1):
            raise Stopped(unknown("dossier", ma_ho_so))
        entries, older = view.log_about(
            who=who, what=what, ma_ho_so=ma_ho_so, message=message, since=since, until=until, limit=limit
        )
        about = {
            entry.message: known.ma_ho_so
            for entry in entries
            if entry.message and (known := view.message(entry.message))
        }
    if older > LOOKED_BEHIND:
        screen.note(f"… còn hơn {LOOKED_BEHIND} mục trước đó.", f"… more than {LOOKED_BEHIND} older entries.")
    elif older:
        screen.note(f"… còn {older} mục trước đó.", f"… {older} older entries.")
    if screen.as_json:
        print_entries(call, entries)
        return FINE
    if not entries:
        screen.line("Không có mục nào.", "No entries.")
        return FINE
    heads = ("Mục", "Lúc", "Ai", "Việc", "Về", "Chi tiết")
    heads_en = ("Entry", "Time", "Who", "Act", "About", "Details")
    lines = [
        (
            entry.number,
            when(entry.at),
            entry.who,
            screen.text(*ACTS.get(entry.what, (entry.what, entry.what))),
            _about(entry, about),
            _details(entry),
        )
        for entry in entries
    ]
    screen.table(heads if screen.lang is Lang.VI else heads_en, lines)
    return FINE


def _about(entry: chain.LogEntry, dossiers: Mapping[str, str | None]) -> object:
    """What an entry is about: the dossier of its message, or else the message, a dossier, a party."""
    if entry.message:
        return dossiers.get(entry.message) or entry.message
    return entry.facts.get("ma_ho_so") or entry.facts.get("party") or "–"


def _details(entry: chain.LogEntry) -> str:
    """What a person reads of an entry: reasons, codes, names; never a seal."""
    told = []
    for name in _TOLD:
        value = entry.facts.get(name)
        if value not in (None, [], ""):
            told.append(" ".join(map(str, value)) if isinstance(value, list) else str(value))
    return " · ".join(told)
