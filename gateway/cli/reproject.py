"""dossier reproject: a dossier's standing derived again from its messages, on our record and at the parties told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.command import FINE, PROBLEMS, CommandRun, argument, asking, command, option
from gateway.cli.find import called
from gateway.cli.reconcile import has_word
from gateway.cli.show import when
from gateway.core.operators import OperatorRole
from gateway.core.problems import Lang

if TYPE_CHECKING:
    from gateway.cli.reprojecting import PartyKnows, Reprojection

#: How a party stands to the dossier, by reprojecting.Knows.
KNOWS: Final[Mapping[str, tuple[str, str]]] = {
    "agrees": ("đã được báo đúng", "was told rightly"),
    "on-its-way": ("lượt gửi đang chờ sẽ báo", "a delivery on its way will tell it"),
    "held": (
        "hàng đợi theo hồ sơ bị tạm giữ: gửi lại hoặc bỏ qua lượt gửi đó",
        "its lane is held: replay or skip that delivery",
    ),
    "differs": ("khác, sẽ được báo lại", "differs; is told again"),
    "left": ("khác, trục không báo lại được", "differs, and cannot be told from here"),
}
#: What a dossier's row is compared in.
FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "ma_tthc": ("Thủ tục", "Procedure"),
    "trang_thai": ("Trạng thái", "State"),
    "trang_thai_goc": ("Trạng thái của bên gửi", "State as its sender calls it"),
    "ngay_tiep_nhan": ("Tiếp nhận", "Received"),
    "ngay_hen_tra": ("Hẹn trả", "Due"),
    "ngay_ket_thuc": ("Xong", "Finished"),
}


def shown_field(name: str, value: str | None, lang: Lang) -> str:
    """A value of a dossier's row as people read it."""
    from gateway.services.dossiers import state_name

    if value is None:
        return "–"
    if name == "trang_thai":
        return f"{value} {state_name(int(value), lang)}"
    return when(datetime.fromisoformat(value)) if name.startswith("ngay_") else value


def said_of_standing(found: Reprojection, text: Callable[[str, str], str], lang: Lang) -> list[str]:
    """What our own row says and what its events say, one sentence a field; one sentence where they agree."""
    if not found.differs:
        return [
            text(
                f"Trạng thái trên trục đúng với các sự kiện (tới sự kiện {found.newest.number}).",
                f"Our record is what its events make of it (up to event {found.newest.number}).",
            )
        ]
    return [
        f"{text(*FIELDS[name])}: {shown_field(name, before, lang)} → {shown_field(name, after, lang)}"
        for name, (before, after) in found.differs.items()
    ]


def said_of_party(one: PartyKnows, text: Callable[[str, str], str]) -> str:
    """How a party stands to the dossier, and what it is told."""
    said = text(*KNOWS[one.knows.value])
    if one.repair is not None and one.repair.tells:
        said += ": " + "; ".join(f"{name} {value}" for name, value in one.repair.tells.items())
    return said


@command(
    "reproject",
    vi="Lập lại trạng thái của một hồ sơ từ các thông điệp đã nhận, theo hồ sơ bên đang có hiệu lực, và so với dữ liệu của "
    "trục và với thông tin đã báo cho các bên nhận không đọc ThongDiep (qcvn120, http, edxml). Hiển thị chỗ khác; sau "
    "khi đồng ý thì sửa dữ liệu của trục và báo lại cho bên đó. Không khác thì không thay đổi gì.",
    en="Derive a dossier's standing again from the messages that came, by the profiles in force, and compare it with our record "
    "and with what the parties were told that do not read ThongDiep (qcvn120, http, edxml). Prints what differs; after a yes our "
    "record is put right and the party told again. Where nothing differs nothing is changed.",
)
@argument("ma_ho_so", metavar="MAHOSO")
@option("--dry-run", is_flag=True, vi="Chỉ hiển thị chỗ khác.", en="Only show what differs.")
@asking
def reproject(call: CommandRun, ma_ho_so: str, dry_run: bool, reason: str | None) -> int:
    """Shows what differs, asks, puts it right."""
    from gateway.cli import reprojecting
    from gateway.wiring import registry_of

    screen, parties = call.screen, registry_of(call.store)
    if not dry_run:
        call.need(OperatorRole.OPERATOR, "dossier reproject")
    found = reprojecting.plan_reprojection(call.store, parties, ma_ho_so, has_word)
    code = found.stands.ma_ho_so
    if not screen.as_json:
        for line in said_of_standing(found, screen.text, screen.lang):
            screen.line(line, line)
        names = {party.id: party.name for party in parties}
        for one in found.parties:
            line = f"  {called(one.party, names)}: {said_of_party(one, screen.text)}"
            screen.line(line, line)
    left = any(one.knows in (reprojecting.Knows.HELD, reprojecting.Knows.LEFT) for one in found.parties)
    if dry_run or not found.count:
        if screen.as_json:
            screen.row(_row(found, done=False))
        elif not found.count:
            screen.line("Không có việc phải thực hiện.", "There is nothing to do.")
        return PROBLEMS if found.count or left else FINE
    why = call.agreed("dossier reproject", reason, f"Lập lại trạng thái hồ sơ {code}?", f"Put {code} right?")
    again = reprojecting.plan_reprojection(call.store, parties, code, has_word)
    who = f"operator:{call.person}"
    done = reprojecting.reproject(call.store, again, found.as_kept(), who=who, reason=why, now=call.now)
    if screen.as_json:
        screen.row(_row(found, done=done))
    else:
        screen.line(*said_done(code, len(found.steps), done=done))
    return FINE if done and not left else PROBLEMS


def said_done(code: str, told: int, *, done: bool) -> tuple[str, str]:
    """What came of it, in both languages."""
    if not done:
        return (
            f"{code}: người khác đã thay đổi trong lúc đó; để nguyên.",
            f"{code}: somebody else changed it meanwhile; left alone.",
        )
    vi, en = f"Đã lập lại trạng thái hồ sơ {code}.", f"Derived the standing of {code} again."
    if told:
        vi += f" Báo lại cho {told} bên; “lienthong work” sẽ gửi."
        en += f" {told} parties are told again; “lienthong work” sends it."
    return vi, en


def _row(found: Reprojection, *, done: bool) -> dict[str, Any]:
    return {
        "MaHoSo": found.stands.ma_ho_so,
        "differs": {name: {"record": before, "events": after} for name, (before, after) in found.differs.items()},
        "parties": [{"party": one.party, "knows": one.knows.value, "delivery": one.delivery} for one in found.parties],
        "done": done,
    }
