"""What a party's ``connector`` table may say, whatever its connector, and how it is read.

A connector's own settings are a frozen, keyword-only dataclass whose fields are made by ``setting(…)`` (its meaning in
both languages, the values it may take). The keys of :class:`Common` are there for every connector, so that none has to
repeat them.
"""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, NewType, TypeVar

from gateway.core.problems import Problem, Stopped
from gateway.core.written import Written, decode_toml, setting

S = TypeVar("S")

Secret = NewType(
    "Secret", str
)  # where a secret lies, "file:/path" or "env:NAME"; a profile never holds the secret itself
SECRET = r"(file|env):.+"  # noqa: S105 - the pattern of one, for setting(…)


class AnswerMeaning(StrEnum):
    """What an answer of a party means for a delivery."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What can be said of the way to any party, whatever its connector."""

    timeout_s: float = setting(
        30.0, at_least=0.01, at_most=3600, vi="Thời gian cho cả lượt trao đổi, giây.", en="The whole exchange, seconds."
    )
    connect_timeout_s: float = setting(
        10.0,
        at_least=0.01,
        at_most=3600,
        vi="Thời gian để kết nối (kể cả TLS), giây.",
        en="Until a connection stands, TLS included, seconds.",
    )
    send_timeout_s: float = setting(
        30.0,
        at_least=0.01,
        at_most=3600,
        vi="Thời gian để gửi hết yêu cầu, giây.",
        en="Until the whole request has left, seconds.",
    )
    ca: Path | None = setting(
        None,
        vi="Tệp PEM, DER: chỉ tin cậy các tổ chức chứng thực này; bỏ trống: dùng danh sách của hệ điều hành.",
        en="PEM or DER: the only authorities believed for this party; without it the system's.",
    )
    client_certificate: Path | None = setting(
        None,
        vi="Chứng thư máy khách trình cho bên nhận (PEM, DER hoặc PKCS#12).",
        en="Client certificate shown to the party (PEM, DER or PKCS#12).",
    )
    client_key: Path | None = setting(
        None, vi="Khóa của chứng thư máy khách, nếu ở tệp khác.", en="Its key, when it is in another file."
    )
    client_password: Secret | None = setting(
        None,
        pattern=SECRET,
        vi="Nơi để mật khẩu của khóa máy khách, nếu khóa có mật khẩu: file:/đường-dẫn hoặc env:TÊN_BIẾN.",
        en="Where the password of the client key lies, if it has one: file:/path or env:NAME.",
    )
    authorization: Secret | None = setting(
        None,
        pattern=SECRET,
        vi="Nơi để giá trị tiêu đề Authorization: file:/đường-dẫn hoặc env:TÊN_BIẾN.",
        en="Where the value of the header Authorization lies: file:/path or env:NAME.",
    )
    private_addresses: bool = setting(
        False,
        vi="Bên nhận được phép ở địa chỉ mạng riêng hoặc loopback.",
        en="Whether the party may live on a private or loopback address.",
    )
    proxy: str | None = setting(
        None,
        pattern=r"direct|http://[^\s/@]+:[0-9]{1,5}",
        vi="Máy chủ ủy nhiệm để gọi bên này (http://máy:cổng), hoặc “direct”: gọi thẳng; bỏ trống: theo mục proxy của cấu "
        "hình máy.",
        en="The proxy by which this party is called (http://host:port), or `direct`: without any; empty: as the node's "
        "settings (proxy) say.",
    )
    proxy_user: str | None = setting(
        None,
        pattern=r"[^:\s]+",
        vi="Tài khoản ở máy chủ ủy nhiệm của bên này.",
        en="The account at this party's proxy.",
    )
    proxy_password: Secret | None = setting(
        None,
        pattern=SECRET,
        vi="Nơi để mật khẩu của tài khoản đó: file:/đường-dẫn hoặc env:TÊN_BIẾN.",
        en="Where that account's password lies: file:/path or env:NAME.",
    )
    answer_bytes: int = setting(
        1 << 20,
        at_least=1,
        at_most=1 << 28,
        vi="Trả lời dài nhất được đọc, byte.",
        en="The longest answer read, bytes.",
    )
    answers: Mapping[str, AnswerMeaning] = setting(
        {},
        vi='Ý nghĩa riêng của mã trạng thái HTTP ở bên này, ví dụ { "404" = "refused", "5xx" = "unreachable" }.',
        en='What an HTTP status means at this party, for example { "404" = "refused", "5xx" = "unreachable" }.',
    )
    at_once: int | None = setting(
        None,
        at_least=1,
        at_most=1000,
        vi="Số lượt gửi đồng thời tới bên này; bỏ trống: theo cấu hình của máy.",
        en="Deliveries under way to this party at once; without it the node's.",
    )
    per_second: float | None = setting(
        None,
        at_least=0.001,
        at_most=10_000,
        vi="Số lượt gửi tối đa mỗi giây.",
        en="Deliveries begun in a second, at most.",
    )
    fetch_every_s: float = setting(
        60.0,
        at_least=0.1,
        at_most=86_400,
        vi="Khi trục phải tự lấy thông điệp từ bên này: chu kỳ lấy, giây.",
        en="Where we fetch messages from this party: this often, seconds.",
    )
    receipt_later_h: float | None = setting(
        None,
        at_least=0.001,
        at_most=8760,
        vi="Bên này trả BienNhan (HS02) sau, bằng thông điệp riêng: số giờ chờ trước khi tra cứu hoặc gửi lại.",
        en="This party acknowledges by an HS02 of its own: it is asked, or sent to again, only after these hours.",
    )

    def __post_init__(self) -> None:
        """Raises Stopped for values that do not fit each other."""
        problems = [Problem("DLV-051", {"status": status}) for status in self.answers if not _is_status(status)]
        if self.client_key and not self.client_certificate:
            problems.append(Problem("DLV-052"))
        if (self.proxy_user or self.proxy_password) and not (self.proxy or "").startswith("http"):
            problems.append(Problem("DLV-050"))
        if problems:
            raise Stopped(*problems)

    @property
    def longest_s(self) -> float:
        """The longest that one exchange can take."""
        return self.timeout_s


def _is_status(text: str) -> bool:
    rest = text[1:]
    return len(text) == 3 and text[0] in "12345" and (rest == "xx" or (rest.isascii() and rest.isdigit()))


def keys_of(kind: type[Any]) -> frozenset[str]:
    """The keys that a settings class reads."""
    return frozenset(f.name for f in fields(kind))


def read_table(kind: type[S], values: Mapping[str, Any], *, where: str, base: Path) -> S:
    """The settings made of a table's values. Raises Stopped with every mistake (SYS-012 … SYS-017)."""
    return decode_toml(kind, Written(where, values, {}), base=base)


MASK = "***"  # what stands for a secret where requests are only shown

_masked: ContextVar[bool] = ContextVar("masked", default=False)


@contextmanager
def secrets_masked() -> Iterator[None]:
    """Inside, no secret is read: each is its mask. For showing requests that are not sent."""
    before = _masked.set(True)
    try:
        yield
    finally:
        _masked.reset(before)


def connector_secret(where: Secret) -> str:
    """The secret that lies there, without surrounding white space. Raises Stopped (DLV-055) when it does not."""
    if _masked.get():
        return MASK
    kind, _, name = where.partition(":")
    try:
        value = os.environ[name] if kind == "env" else Path(name).expanduser().read_text("utf-8-sig")
    except (KeyError, OSError, UnicodeDecodeError) as error:
        raise Stopped(Problem("DLV-055", {"where": where, "why": type(error).__name__})) from error
    if not value.strip():
        raise Stopped(Problem("DLV-055", {"where": where, "why": "empty"}))
    return value.strip()
