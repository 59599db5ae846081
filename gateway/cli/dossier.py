"""dossier [show] | release: the timeline of a dossier, and the code of one that should never have been opened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from gateway.cli.command import FINE, CommandRun, Group, LazyCommand, argument, asking, command
from gateway.cli.show import Screen, when
from gateway.core.model import MaHoSo
from gateway.core.problems import Lang, Stopped
from gateway.core.unknown import unknown
from gateway.settings import OperatorRole


class _Dossiers(Group):
    """The group of which a bare dossier code means ``show``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """With ``show`` put before a code that stands alone."""
        first = next((number for number, arg in enumerate(args) if not arg.startswith("-")), None)
        if first is not None and args[first] not in self.entries and not {"--help", "-h"} & set(args):
            bare = args[first][:1].isupper() or args[first][:1].isdigit()  # every code begins so, no command does
            args = [*args[:first], "show", *args[first:]] if bare else args
        return super().parse_args(ctx, args)


dossier = _Dossiers(
    "dossier",
    entries={
        "show": LazyCommand(
            "gateway.cli.dossier:show",
            "Dòng thời gian (mặc định khi chỉ nêu MAHOSO).",
            "The timeline (what a bare MAHOSO means).",
        ),
        "release": LazyCommand(
            "gateway.cli.dossier:release", "Trả lại mã hồ sơ bị chiếm.", "Give an occupied dossier code back."
        ),
    },
    vi="Hồ sơ: dòng thời gian; trả lại mã bị chiếm. “lienthong dossier MAHOSO” là “lienthong dossier show MAHOSO”.",
    en="Dossiers: the timeline; an occupied code given back. “lienthong dossier MAHOSO” is “lienthong dossier show MAHOSO”.",
    no_args_is_help=True,
)


@command(
    "show",
    vi="Dòng thời gian của một hồ sơ: mọi sự kiện, trạng thái, thời hạn, theo lời các bên.",
    en="The timeline of a dossier: every event, state and time limit, as the parties told it.",
)
@argument("ma_ho_so", metavar="MAHOSO")
def show(call: CommandRun, ma_ho_so: str) -> int:
    """Prints the timeline."""
    from gateway.services.dossiers import timeline
    from gateway.wiring import deadline_rules, registry_of

    screen, store = call.screen, call.store
    parties, rules = registry_of(store), deadline_rules(call.settings)
    found = timeline(store, MaHoSo(ma_ho_so), parties, call.now, rules)
    if found is None:
        with store.read() as view:
            aliases = view.also_known_as(ma_ho_so)
        if len(aliases) == 1:
            found = timeline(store, aliases[0], parties, call.now, rules)
        if found is None:
            raise Stopped(unknown("dossier", ma_ho_so))
    row = found.as_dict(screen.lang)
    if screen.as_json:
        screen.row(row)
    else:
        _print_timeline(screen, row)
    return FINE


def _local(text: str | None) -> str:
    return when(datetime.fromisoformat(text)) if text else "–"


def _print_timeline(screen: Screen, row: Mapping[str, Any]) -> None:
    state = f"{row['TrangThai']} {row['TenTrangThai']}" if row["TrangThai"] is not None else "–"
    screen.line(f"Hồ sơ {row['MaHoSo']}: {state}", f"Dossier {row['MaHoSo']}: {state}")
    screen.facts(
        [
            (screen.text("Thủ tục", "Procedure"), row["MaTTHC"]),
            (screen.text("Cổng", "Portal"), row["CongDichVu"]),
            (screen.text("Cơ quan", "Agency"), row["CoQuanXuLy"]),
            (screen.text("Nộp", "Filed"), _local(row["NgayNopHoSo"])),
            (screen.text("Tiếp nhận", "Received"), _local(row["NgayTiepNhan"])),
            (screen.text("Hẹn trả", "Due"), _local(row["NgayHenTra"])),
            (screen.text("Xong", "Finished"), _local(row["NgayKetThucXuLy"])),
            (screen.text("Trả", "Returned"), _local(row["NgayTra"])),
        ]
    )
    heads = ("Thời điểm", "Loại", "Bên", "Trạng thái", "Diễn giải")
    heads_en = ("Time", "Type", "Party", "State", "Reading")
    screen.table(
        heads if screen.lang is Lang.VI else heads_en,
        (
            (
                _local(step["ThoiDiem"]),
                f"{step['LoaiThongDiep']} {step['ThanPhan']}",
                step["NoiGui"],
                f"{step['DenTrangThai']} {step['TenTrangThai']}" if step["DenTrangThai"] is not None else "–",
                step["DienGiai"],
            )
            for step in row["DanhSachSuKien"]
        ),
    )
    for deadline in row["ThoiHan"]:
        late = screen.text("TRỄ", "LATE") if deadline["tre"] else screen.text("đúng hạn", "on time")
        screen.line(f"  {deadline['ten']}: {_local(deadline['han'])} · {late}")


@command(
    "release",
    vi="Trả lại mã của một hồ sơ không đáng được mở (mã bị chiếm hay dùng nhầm), để bên có mã mở lại. Sự kiện cũ, thông "
    "điệp và nhật ký còn nguyên, nhưng không còn là lịch sử của mã này; có lý do và người làm trong nhật ký.",
    en="Give back the code of a dossier that should not have been opened (taken or used by mistake), so that whoever bears "
    "it can open it anew. Its events, the messages and the log stay, but are no longer this code's history; reason and "
    "person are in the log.",
)
@argument("ma_ho_so", metavar="MAHOSO")
@asking
def release(call: CommandRun, ma_ho_so: str, reason: str | None) -> int:
    """Shows whose it is, asks, gives it back."""
    screen = call.screen
    call.need(OperatorRole.OPERATOR, "dossier release")
    with call.store.read() as view:
        found = view.dossier(ma_ho_so)
    if found is None or not found.changes:
        raise Stopped(unknown("dossier", ma_ho_so))
    why = call.agreed(
        "dossier release",
        reason,
        f"Hồ sơ {found.ma_ho_so}: cổng {found.portal or '–'}, cơ quan {found.agency or '–'}, {len(found.changes)} sự kiện. "
        "Trả lại mã?",
        f"Dossier {found.ma_ho_so}: portal {found.portal or '–'}, agency {found.agency or '–'}, {len(found.changes)} events. "
        "Give its code back?",
    )
    with call.store.begin() as tx:
        events = tx.release(found.ma_ho_so, who=f"operator:{call.person}", reason=why, now=call.now)
    if screen.as_json:
        screen.row({"released": found.ma_ho_so, "events": events, "portal": found.portal, "agency": found.agency})
    else:
        screen.line(
            f"Đã trả lại mã {found.ma_ho_so}; {events} sự kiện cũ còn trong nhật ký. Bên có mã mở lại được.",
            f"Gave back {found.ma_ho_so}; its {events} events stay on record. Whoever bears the code can open it anew.",
        )
    return FINE
