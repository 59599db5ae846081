"""How pages say what the records hold: the command line's words, with marks where a glance must do."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from gateway.cli.fates import FATE_WORDS
from gateway.cli.find import KIND_WORDS, OUTCOME_WORDS, STATE_WORDS, counted, explained
from gateway.cli.persons import named_roles
from gateway.cli.show import when
from gateway.console.parts import Cell, FormField, Glance, Link
from gateway.console.room import BASE, DeskCall
from gateway.core.model import Attempt, Delivery, DeliveryState, Fate, PartyId
from gateway.core.operators import OperatorRole
from gateway.services.dossiers import state_name
from gateway.store import Message

__all__ = ["counted", "explained", "when"]

_SORTS: Mapping[DeliveryState, str] = {
    DeliveryState.DELIVERED: "good",
    DeliveryState.NOTHING: "good",
    DeliveryState.REFUSED: "bad",
    DeliveryState.DEAD: "bad",
    DeliveryState.SKIPPED: "bad",
}
_FATES: Mapping[Fate, str] = {Fate.ACCEPTED: "good", Fate.REJECTED: "bad", Fate.HELD: "wait"}


def desk_address(path: str, **query: Any) -> str:
    """An address of the console; empty values are left out."""
    asked = urlencode({name: value for name, value in query.items() if value not in (None, "")})
    return f"{BASE}{quote(path)}" + (f"?{asked}" if asked else "")


def person(call: DeskCall, who: str) -> str:
    """Who did something: a person who logged in here, the account that ran the command line, or the gateway by itself."""
    if who == "gateway":
        return call.text("trục", "the gateway")
    name = who.removeprefix("operator:")
    return name.removeprefix("ban-truc (").removesuffix(")") if name.startswith("ban-truc (") else name


def said_roles(call: DeskCall, roles: Collection[OperatorRole]) -> str:
    """Roles by their names."""
    return named_roles(roles, call.lang)


def delivery_mark(call: DeskCall, state: DeliveryState) -> Glance:
    """A delivery's state."""
    return Glance(call.text(*STATE_WORDS[state]), _SORTS.get(state, "wait"))


def fate_mark(call: DeskCall, fate: Fate) -> Glance:
    """A message's fate."""
    vi, en = FATE_WORDS[fate]
    return Glance(call.text(vi.lower(), en.lower()), _FATES[fate])


def said_of_try(call: DeskCall, attempt: Attempt | None) -> str:
    """What a try was and came to."""
    if attempt is None:
        return call.text("chưa thử", "not tried")
    vi, en = OUTCOME_WORDS[attempt.outcome]
    kind = call.text(KIND_WORDS.get(attempt.kind, attempt.kind), attempt.kind)
    code = f" {attempt.problem.code}" if attempt.problem is not None else ""
    return f"{when(attempt.ended_at)} {kind}: {call.text(vi, en)}{code}"


def named(party: str | None, names: Mapping[PartyId, str]) -> Cell:
    """A party by its name, leading to its page."""
    if not party:
        return None
    known = names.get(PartyId(party))
    return Link(known, desk_address(f"/co-quan/{party}")) if known else party


def to_message(message: str) -> Link:
    """The page of a message."""
    return Link(message, desk_address(f"/thong-diep/{message}"))


def to_dossier(ma_ho_so: str | None) -> Cell:
    """The page of a dossier."""
    return None if not ma_ho_so else Link(ma_ho_so, desk_address("/ho-so/xem", ma=ma_ho_so))


def state_of_dossier(call: DeskCall, state: int | None) -> str:
    """A state by its number and name."""
    return "–" if state is None else f"{state} {state_name(state, call.lang)}"


def age(call: DeskCall, span: timedelta) -> str:
    """A span as people say it, in its largest unit."""
    seconds = max(0, int(span.total_seconds()))
    for size, vi, en in ((86_400, "ngày", "d"), (3600, "giờ", "h"), (60, "phút", "min")):
        if seconds >= size:
            return call.text(f"{seconds // size} {vi}", f"{seconds // size} {en}")
    return call.text(f"{seconds} giây", f"{seconds} s")


def since(call: DeskCall, moment: datetime | None) -> str:
    """How long ago."""
    return "–" if moment is None else age(call, call.now - moment)


def bounded(call: DeskCall, number: int, most: int) -> str:
    """A number, or that there are more than were counted."""
    return (
        call.text(f"hơn {most:,}", f"over {most:,}").replace(",", ".")
        if number > most
        else f"{number:,}".replace(",", ".")
    )


def party_field(call: DeskCall, name: str, label: str, value: str) -> FormField:
    """A choice among the parties, by name."""
    parties = sorted(call.parties, key=lambda party: party.name)
    every = ("", call.text("tất cả", "all"))
    return FormField(
        name=name, label=label, value=value, choices=[every, *((str(one.id), one.name) for one in parties)]
    )


def days_fields(call: DeskCall, since: str = "") -> list[FormField]:
    """From a day to a day; ``since`` is the first one where none was asked for."""
    return [
        FormField(name="tu", label=call.text("Từ ngày", "From"), value=call.query.get("tu", since)[:10], sort="date"),
        FormField(
            name="den",
            label=call.text("Đến hết ngày", "To, included"),
            value=call.query.get("den", "")[:10],
            sort="date",
        ),
    ]


def message_row(call: DeskCall, message: Message, names: Mapping[PartyId, str]) -> Sequence[Cell]:
    """A message in a list."""
    return [
        to_message(message.id),
        when(message.received_at),
        named(message.party, names),
        " ".join(part for part in (message.loai, message.goc) if part) or None,
        to_dossier(message.ma_ho_so),
        fate_mark(call, message.state),
        counted(message.codes),
    ]


def message_heads(call: DeskCall) -> list[str]:
    """The columns of :func:`message_row`."""
    vi = ("Mã nhận", "Lúc nhận", "Bên gửi", "Loại", "Hồ sơ", "Trạng thái", "Mã lỗi")
    en = ("Id", "Received", "Sender", "Type", "Dossier", "State", "Codes")
    return [call.text(*pair) for pair in zip(vi, en, strict=True)]


def delivery_row(
    call: DeskCall, delivery: Delivery, last: Attempt | None, names: Mapping[PartyId, str]
) -> Sequence[Cell]:
    """A delivery in a list."""
    held = call.text(" · đang tạm giữ các lượt sau", " · holds those behind it")
    return [
        Link(delivery.id, desk_address(f"/luot-gui/{delivery.id}")),
        delivery.loai,
        named(delivery.party, names),
        delivery_mark(call, delivery.state),
        said_of_try(call, last) + (held if delivery.state.holds_lane and delivery.blocking else ""),
        delivery.problem.code if delivery.problem is not None else None,
    ]


def delivery_heads(call: DeskCall) -> list[str]:
    """The columns of :func:`delivery_row`."""
    vi = ("Lượt gửi", "Loại", "Bên nhận", "Trạng thái", "Lần thử cuối", "Mã lỗi")
    en = ("Delivery", "Type", "Receiver", "State", "Last try", "Code")
    return [call.text(*pair) for pair in zip(vi, en, strict=True)]
