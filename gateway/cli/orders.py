"""parties pause | resume | lock | unlock: what the desk orders about one party, beside its file."""

from __future__ import annotations

from gateway.cli.command import FINE, Command, CommandRun, argument, asking, command
from gateway.cli.find import one_party
from gateway.core.orders import ORDERS, PartyOrder, why_not
from gateway.core.parties import Party
from gateway.core.problems import Stopped
from gateway.core.unknown import unknown
from gateway.services.profiles import order_party

TELLS = {
    PartyOrder.PAUSE: (
        "Ngừng gửi tới và ngừng lấy thông điệp từ bên này; thời gian chờ không tính vào thời hạn thử lại. Bên này vẫn gửi được.",
        "Nothing is sent to it or fetched from it; what it is owed waits, and that uses up no patience. It may go on sending.",
    ),
    PartyOrder.RESUME: ("Gửi tiếp những gì còn phải gửi.", "What it is owed is sent again."),
    PartyOrder.LOCK: (
        "Không gửi tới, không nhận từ bên này; bên khác gửi cho bên này bị từ chối. Người quản trị mới mở khóa được.",
        "Nothing is sent to it or taken from it; who writes to it is refused. Only an administrator unlocks it.",
    ),
    PartyOrder.UNLOCK: ("Gửi và nhận trở lại.", "Sends and receives again."),
}
STANDS = {
    PartyOrder.PAUSE: ("đã tạm dừng gửi", "is paused"),
    PartyOrder.RESUME: ("được gửi tiếp", "goes on"),
    PartyOrder.LOCK: ("đã bị khóa", "is locked"),
    PartyOrder.UNLOCK: ("đã được mở khóa", "is unlocked"),
}
_STAYS = (
    "Áp dụng tệp hồ sơ bên không làm thay đổi việc này.",
    "Applying profile files does not change this.",
)


def _ordering(order: PartyOrder) -> Command:
    vi, en = TELLS[order]
    act_vi, act_en = ORDERS[order].act

    @command(
        order.value,
        vi=f"{act_vi.capitalize()} một bên, kèm người thực hiện và lý do. {vi} {_STAYS[0]}",
        en=f"{act_en.capitalize()} a party, with person and reason. {en} {_STAYS[1]}",
    )
    @argument("party", metavar="PARTY")
    @asking
    def run(call: CommandRun, party: str, reason: str | None) -> int:
        return _order(call, party, order, reason)

    return run


def _order(call: CommandRun, name: str, order: PartyOrder, reason: str | None) -> int:
    """Says what it means, asks, orders."""
    from gateway.wiring import registry_of

    screen, words = call.screen, ORDERS[order]
    command_name = f"parties {order.value}"
    call.need(words.role, command_name)
    found = registry_of(call.store).get(one_party(call, name))
    if found is None:
        raise Stopped(unknown("party", name))
    if (problem := why_not(found, order)) is not None:
        raise Stopped(problem)
    screen.note(*TELLS[order])
    act_vi, act_en = (text.capitalize() for text in words.act)
    why = call.agreed(command_name, reason, f"{act_vi} {found.name}?", f"{act_en} {found.name}?")
    party = order_party(call.store, found.id, order, who=f"operator:{call.person}", reason=why, now=call.now)
    _tell(call, party, order)
    return FINE


def _tell(call: CommandRun, party: Party, order: PartyOrder) -> None:
    screen = call.screen
    if screen.as_json:
        screen.row({"party": party.id, "enabled": party.open, "paused": party.desk.paused is not None})
    else:
        stands_vi, stands_en = STANDS[order]
        screen.line(f"{party.name} ({party.id}) {stands_vi}.", f"{party.name} ({party.id}) {stands_en}.")


pause, resume, lock, unlock = (_ordering(order) for order in PartyOrder)
