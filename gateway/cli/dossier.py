"""dossier [show] | reproject | release: the timeline of a dossier, its standing derived again, a code given back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import FINE, CommandRun, Group, LazyCommand, argument, asking, command
from gateway.cli.find import called, counted, fate_word, outcome_word, state_word
from gateway.cli.show import Screen, when
from gateway.core.model import MaHoSo
from gateway.core.operators import OperatorRole
from gateway.core.problems import Lang, Stopped
from gateway.core.unknown import unknown

if TYPE_CHECKING:
    from gateway.core.told import Told
    from gateway.services.dossiers import Story


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
        "reproject": LazyCommand(
            "gateway.cli.reproject:reproject",
            "Lập lại trạng thái của một hồ sơ từ các thông điệp.",
            "Derive a dossier's standing again from its messages.",
        ),
        "release": LazyCommand(
            "gateway.cli.dossier:release", "Giải phóng mã hồ sơ bị dùng sai.", "Give an occupied dossier code back."
        ),
    },
    vi="Hồ sơ: dòng thời gian; lập lại trạng thái; giải phóng mã hồ sơ bị dùng sai. "
    "“lienthong dossier MAHOSO” là “lienthong dossier show MAHOSO”.",
    en="Dossiers: the timeline; the standing derived again; an occupied code given back. "
    "“lienthong dossier MAHOSO” is “lienthong dossier show MAHOSO”.",
    no_args_is_help=True,
)


@command(
    "show",
    vi="Toàn bộ thông tin về một hồ sơ: sự kiện, trạng thái, thời hạn; thông điệp bị từ chối hoặc đang tạm giữ; "
    "từng lượt gửi và lần thử cuối, hàng đợi bị tạm giữ; hộp thư; thông tin đã báo cho bên nhận và dữ liệu ở "
    "bên nhận; lệnh tiếp theo.",
    en="All about a dossier in one place: events, states, time limits; messages rejected or held; every delivery with its last "
    "try, the held lane; inboxes; what parties were told and believe; and the next command.",
)
@argument("ma_ho_so", metavar="MAHOSO")
def show(call: CommandRun, ma_ho_so: str) -> int:
    """Prints the timeline."""
    from gateway.services.dossiers import story, timeline
    from gateway.wiring import deadline_rules, registry_of

    screen, store = call.screen, call.store
    parties, rules = registry_of(store), deadline_rules(call.settings)
    code = MaHoSo(ma_ho_so)
    found = timeline(store, code, parties, call.now, rules)
    if found is None:
        with store.read() as view:
            aliases = view.also_known_as(ma_ho_so)
        if len(aliases) == 1:
            code = aliases[0]
            found = timeline(store, code, parties, call.now, rules)
    told = story(store, code, found.read if found is not None else None)
    if found is None and not told.apart:
        raise Stopped(unknown("dossier", ma_ho_so))
    row = found.as_dict(screen.lang) if found is not None else {"MaHoSo": code}
    if screen.as_json:
        screen.row({**row, **_story_row(told)})
        return FINE
    names = {party.id: party.name for party in parties}
    if found is not None:
        _print_timeline(screen, row, names)
    else:
        screen.line(
            f"Hồ sơ {code} chưa được mở: chưa có thông điệp nào về hồ sơ này được chấp nhận.",
            f"Dossier {code} was never opened: no message about it was accepted.",
        )
    _print_story(screen, told, names)
    return FINE


def _story_row(told: Story) -> dict[str, Any]:
    return {
        "ThongDiepKhac": [
            {"id": m.id, "loai": m.loai, "goc": m.goc, "party": m.party, "state": str(m.state), "codes": list(m.codes),
             "received_at": m.received_at}
            for m in told.apart
        ],
        "ConNua": told.more_apart,
        "LuotGui": [
            {"id": d.id, "loai": d.loai, "party": d.party, "state": str(d.state), "tries": d.tries,
             "held": d.state.holds_lane and d.blocking,
             "last": None if last is None else {"at": last.ended_at, "outcome": str(last.outcome),
                                                "code": last.problem.code if last.problem else None}}
            for d, last in told.deliveries
        ],
        "HopThu": [
            {"party": party, "positions": [entry.position for entry in entries], "confirmed": confirmed}
            for party, (entries, confirmed) in told.inboxes.items()
        ],
        "DaBao": [
            {"party": one.party, "told": dict(one.facts), "told_at": one.told_at, "taken_at": one.taken_at,
             "believes": None if one.believed is None else dict(one.believed), "believed_at": one.believed_at,
             "differs": one.differs}
            for one in told.told
        ],
        "TiepTheo": [{"why": one.why, "about": one.about, "command": one.command} for one in told.next_commands()],
    }  # fmt: skip


WHY = {
    "lane-held": (
        "Bên nhận từ chối hoặc hết thời hạn thử lại: hàng đợi bị tạm giữ",
        "Refused or given up: the lane is held",
    ),
    "held": ("Thông điệp đang tạm giữ", "A message is held"),
    "rejected": ("Thông điệp bị từ chối", "A message was rejected"),
    "waiting": ("Sự kiện chờ sự kiện trước", "An event waits for an earlier one"),
    "uncertain": ("Chưa rõ bên nhận đã nhận hay chưa", "Whether it arrived is not known"),
    "believes": ("Dữ liệu ở bên nhận khác thông tin đã nhận", "The party says other than what it took"),
    "unread": ("Bên nhận chưa xác nhận đã đọc", "The party has not confirmed that it read"),
}


def _print_story(screen: Screen, told: Story, names: Mapping[Any, str]) -> None:
    """What is no event: messages apart, deliveries, inboxes, what parties were told, and what to do now."""
    _print_apart(screen, told)
    if told.deliveries:
        screen.line("Lượt gửi:", "Deliveries:")
    for delivery, last in told.deliveries:
        tried = (
            screen.text("chưa thử", "not tried")
            if last is None
            else f"{when(last.ended_at)} {outcome_word(screen, last)}"
            + (f" {last.problem.code}" if last.problem is not None else "")
        )
        held = (
            screen.text(" · TẠM GIỮ HÀNG ĐỢI", " · HOLDS ITS LANE")
            if delivery.state.holds_lane and delivery.blocking
            else ""
        )
        party = called(delivery.party, names)
        screen.line(f"  {delivery.id} {delivery.loai} → {party}: {state_word(screen, delivery.state)} · {tried}{held}")
    for party, (entries, confirmed) in told.inboxes.items():
        where = ", ".join(str(entry.position) for entry in entries)
        screen.line(
            f"Hộp thư {called(party, names)}: vị trí {where}; đã xác nhận tới {confirmed}.",
            f"Inbox of {called(party, names)}: positions {where}; confirmed up to {confirmed}.",
        )
    for one in told.told:
        _print_told(screen, one, names)
    listed = list(told.next_commands())
    for step in listed:
        screen.line(f"→ {screen.text(*WHY[step.why])}: {step.command}")
    if not listed:
        screen.line("→ Không có việc cần người vận hành xử lý.", "→ Nothing waits for a person.")


def _print_apart(screen: Screen, told: Story) -> None:
    if told.apart:
        screen.line("Thông điệp khác về hồ sơ này:", "Other messages about it:")
    for message in told.apart:
        kind = " ".join(part for part in (message.loai, message.goc) if part)
        screen.line(
            f"  {message.id} {when(message.received_at)} {kind} · {message.party} · {fate_word(screen, message.state)} "
            f"{counted(message.codes)}".rstrip()
        )
    screen.rest(told.more_apart)


def _print_told(screen: Screen, one: Told, names: Mapping[Any, str]) -> None:
    """What a party that reads no messages was told last, and what it says itself."""
    party = called(one.party, names)
    facts = ", ".join(f"{name} {value}" for name, value in one.facts.items()) or "–"
    screen.line(
        f"{party} được báo lần cuối lúc {when(one.told_at)}, nhận lúc {when(one.taken_at)}: {facts}",
        f"{party} was told last at {when(one.told_at)}, took it at {when(one.taken_at)}: {facts}",
    )
    if one.believed is not None:
        says = ", ".join(f"{name} {value}" for name, value in one.believed.items())
        says = says or screen.text("không có hồ sơ này", "no such dossier")
        mark = screen.text(" · KHÁC", " · DIFFERS") if one.differs else ""
        screen.line(
            f"  và tự báo, lúc {when(one.believed_at)}: {says}{mark}",
            f"  and says itself, at {when(one.believed_at)}: {says}{mark}",
        )


def _local(text: str | None) -> str:
    return when(datetime.fromisoformat(text)) if text else "–"


def _print_timeline(screen: Screen, row: Mapping[str, Any], names: Mapping[Any, str]) -> None:
    state = f"{row['TrangThai']} {row['TenTrangThai']}" if row["TrangThai"] is not None else "–"
    screen.line(f"Hồ sơ {row['MaHoSo']}: {state}", f"Dossier {row['MaHoSo']}: {state}")
    screen.facts(
        [
            (screen.text("Thủ tục", "Procedure"), row["MaTTHC"]),
            (screen.text("Cổng", "Portal"), row["CongDichVu"] and called(row["CongDichVu"], names)),
            (screen.text("Cơ quan", "Agency"), row["CoQuanXuLy"] and called(row["CoQuanXuLy"], names)),
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
        late = screen.text("QUÁ HẠN", "LATE") if deadline["tre"] else screen.text("đúng hạn", "on time")
        screen.line(f"  {deadline['ten']}: {_local(deadline['han'])} · {late}")


@command(
    "release",
    vi="Giải phóng mã của một hồ sơ được mở sai (mã bị dùng trái quyền hoặc nhầm), để bên có mã mở lại. Sự kiện "
    "cũ, thông điệp và nhật ký còn nguyên, nhưng không còn là lịch sử của mã này; lý do và người thực hiện "
    "được ghi vào nhật ký.",
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
            f"Đã giải phóng mã {found.ma_ho_so}; {events} sự kiện cũ còn trong nhật ký. Bên có mã được mở lại hồ sơ.",
            f"Gave back {found.ma_ho_so}; its {events} events stay on record. Whoever bears the code can open it anew.",
        )
    return FINE
