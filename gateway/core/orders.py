"""What the desk orders about a party: to pause, resume, lock and unlock it, beside its file (docs/decisions/0123). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.core.operators import OperatorRole
from gateway.core.parties import DeskOrders, Party, Role
from gateway.core.problems import Problem, Stopped


class PartyOrder(StrEnum):
    """What can be ordered."""

    PAUSE = "pause"  # nothing is sent to it, nothing fetched from it; it may send, and be sent to
    RESUME = "resume"
    LOCK = "lock"  # it may neither send nor be sent anything
    UNLOCK = "unlock"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderWords:
    """How an order is said, and who may give it. To close is an operator's; to open again what was locked is not."""

    act: tuple[str, str]
    done: str  # in the log
    role: OperatorRole


ORDERS: Final[Mapping[PartyOrder, OrderWords]] = {
    PartyOrder.PAUSE: OrderWords(act=("tạm dừng gửi tới", "pause"), done="party.paused", role=OperatorRole.OPERATOR),
    PartyOrder.RESUME: OrderWords(act=("gửi tiếp tới", "resume"), done="party.resumed", role=OperatorRole.OPERATOR),
    PartyOrder.LOCK: OrderWords(act=("khóa", "lock"), done="party.locked", role=OperatorRole.OPERATOR),
    PartyOrder.UNLOCK: OrderWords(act=("mở khóa", "unlock"), done="party.unlocked", role=OperatorRole.ADMINISTRATOR),
}


def orders_for(party: Party) -> list[PartyOrder]:
    """What can be ordered about a party as it stands."""
    return [order for order in PartyOrder if why_not(party, order) is None]


def why_not(party: Party, order: PartyOrder) -> Problem | None:
    """Why this cannot be ordered of a party that stands so."""
    why = _why_not(party, order)
    if why is None:
        return None
    act_vi, act_en = ORDERS[order].act
    return Problem(
        "SYS-173", {"party": party.id, "act_vi": act_vi, "act_en": act_en, "why_vi": why[0], "why_en": why[1]}
    )


def _why_not(party: Party, order: PartyOrder) -> tuple[str, str] | None:
    wrong: Mapping[PartyOrder, tuple[tuple[bool, str, str], ...]] = {
        PartyOrder.PAUSE: (
            (party.connector is None, "bên này tự lấy hộp thư", "it reads its inbox by itself"),
            (party.desk.paused is not None, "đã tạm dừng trước đó", "it is paused already"),
        ),
        PartyOrder.RESUME: ((party.desk.paused is None, "hiện không bị tạm dừng", "it is not paused"),),
        PartyOrder.LOCK: ((not party.open, "đã bị khóa trước đó", "it is locked already"),),
        PartyOrder.UNLOCK: (
            (party.open, "hiện không bị khóa", "it is not locked"),
            (
                party.desk.locked is None,
                "tệp hồ sơ bên đặt enabled = false; sửa tệp rồi lienthong parties apply",
                "its file says enabled = false; edit it, then lienthong parties apply",
            ),
        ),
    }
    if party.role is Role.GATEWAY:
        return "đây là chính trục", "this is the gateway itself"
    return next(((vi, en) for applies, vi, en in wrong[order] if applies), None)


def ordered(party: Party, order: PartyOrder, reason: str, now: datetime) -> Party:
    """The party as it stands after the order. Raises Stopped (SYS-173) where it cannot be ordered."""
    if (problem := why_not(party, order)) is not None:
        raise Stopped(problem)
    return replace(party, desk=_ordered(party.desk, order, reason, now))


def _ordered(desk: DeskOrders, order: PartyOrder, reason: str, now: datetime) -> DeskOrders:
    match order:
        case PartyOrder.PAUSE:
            return replace(desk, paused=reason)
        case PartyOrder.LOCK:
            return replace(desk, locked=reason)
        case PartyOrder.RESUME:
            return replace(desk, paused=None, resumed_at=now)
        case PartyOrder.UNLOCK:
            return replace(desk, locked=None, resumed_at=now)
