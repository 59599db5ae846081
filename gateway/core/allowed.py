"""How much a party may send: what a node allows every party, and what a profile says instead. How that is counted: allowances."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.written import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAllowance:
    """How much one party may send, where its profile says nothing (table ``allowance`` there); docs/decisions/0091."""

    messages_per_s: float = setting(
        1000.0,
        at_least=0.01,
        vi="Số thông điệp mỗi giây của một bên, tính lâu dài; vượt mức, trục trả lời SYS-117.",
        en="Messages a second of one party, in the long run; more are answered SYS-117.",
    )
    burst: int = setting(
        5000,
        at_least=1,
        vi="Số thông điệp nhiều nhất của một bên đến cùng lúc.",
        en="The most messages of one party at once.",
    )
    bytes_per_day: int = setting(
        50 * 2**30,
        at_least=1,
        vi="Số byte mỗi ngày (giờ Việt Nam) của một bên; vượt mức, trục trả lời SYS-118 tới hết ngày.",
        en="Bytes a day (Vietnamese time) of one party; more are answered SYS-118 until the day is over.",
    )
    refused_bytes_per_day: int = setting(
        2**30,
        at_least=0,
        vi="Số byte mỗi ngày của thông điệp bị từ chối được giữ trọn; hơn nữa chỉ giữ 64 KB đầu của mỗi thông điệp.",
        en="Bytes a day of a party's refused messages that are kept whole; beyond, only the first 64 KB of each.",
    )
    strangers_per_s: float = setting(
        50.0,
        at_least=0.01,
        vi="Số lần mỗi giây một địa chỉ được trả lời là không xác thực được bên gọi; vượt mức, trục "
        "trả lời SYS-128, không ghi nhật ký.",
        en="Times a second one address is told that nobody knows the caller; beyond, SYS-128 is answered and nothing logged.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyAllowance:
    """How much a party may send, where that is not what the node allows every party (table ``allowance`` of its settings)."""

    messages_per_s: float | None = setting(
        None, at_least=0.01, vi="Số thông điệp mỗi giây, tính lâu dài.", en="Messages a second, in the long run."
    )
    burst: int | None = setting(
        None, at_least=1, vi="Số thông điệp nhiều nhất đến cùng lúc.", en="The most messages at once."
    )
    bytes_per_day: int | None = setting(
        None, at_least=1, vi="Số byte mỗi ngày (giờ Việt Nam).", en="Bytes a day (Vietnamese time)."
    )
    refused_bytes_per_day: int | None = setting(
        None,
        at_least=0,
        vi="Số byte mỗi ngày của thông điệp bị từ chối được giữ trọn; hơn nữa chỉ giữ 64 KB đầu của mỗi thông điệp.",
        en="Bytes a day of refused messages that are kept whole; beyond, only the first 64 KB of each.",
    )
