"""Logging in and out: by name and password, or as whom the proxy in front has proven."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from gateway.console.attempts import LoginAttempts
from gateway.console.fields import text_of
from gateway.console.parts import Act, FormField, Lines, Part, ToldProblems
from gateway.console.room import BASE, DeskCall, Shown
from gateway.core.addresses import forwarded_ip, ip_of
from gateway.core.operators import LONGEST_PASSWORD, Operator
from gateway.core.problems import Problem, Stopped
from gateway.services.operators import proven_by_password, proven_by_proxy
from gateway.settings import ConsoleSettings


def login_page(call: DeskCall, back: str, problems: tuple[Problem, ...] = (), status: int = 200) -> Shown:
    """The form; what went wrong above it."""
    parts: list[Part] = []
    if problems:
        parts.append(ToldProblems(problems=problems))
    parts.append(
        Act(
            to=f"{BASE}/vao",
            button=call.text("Đăng nhập", "Log in"),
            hidden=[("ve", back)],
            fields=[
                FormField(name="ten", label=call.text("Tên", "Name"), needed=True),
                FormField(name="mat-khau", label=call.text("Mật khẩu", "Password"), sort="password", needed=True),
            ],
        )
    )
    parts.append(
        Lines(
            lines=[
                call.text(
                    "Chưa có tên: người quản trị thêm bằng lienthong operator add.",
                    "No name yet: an administrator adds one with lienthong operator add.",
                )
            ]
        )
    )
    return Shown(title=call.text("Đăng nhập", "Log in"), parts=parts, status=status, bare=True)


def own_path(text: str) -> str:
    """An address within the console to go back to; its beginning where it is none."""
    inside = text == BASE or text.startswith(f"{BASE}/")
    plain = all(" " < letter <= "~" for letter in text) and "\\" not in text and "//" not in text
    return text if inside and plain and len(text) <= 1000 else BASE


def prove_login(call: DeskCall, attempts: LoginAttempts, address: str) -> Operator:
    """Who logs in with this form. Raises Stopped: SYS-165 too many tries of late, SYS-164 not the name or password."""
    name = text_of({"ten": call.form.get("ten", "")[:200]}, "ten").lower()
    password = call.form.get("mat-khau", "")
    wait_s = attempts.wait_s(name, address, call.now)
    if wait_s:
        raise Stopped(Problem("SYS-165", {"minutes": -(-wait_s // 60)}))
    known = proven_by_password(call.store, name, password, call.now) if len(password) <= LONGEST_PASSWORD else None
    if known is None:
        attempts.failed(name, address, call.now)
        raise Stopped(Problem("SYS-164"))
    attempts.came_in(name, address)
    return known


def address_of(peer: str, headers: Mapping[str, str], console: ConsoleSettings) -> str:
    """Where the request comes from: what the nearest believed proxy says, else the connection itself."""
    if not is_proxy(peer, console):
        return peer
    for told in reversed(headers.get("X-Forwarded-For", "").split(",")):
        address = forwarded_ip(told)
        if address is None:
            return peer  # what stands before it are claims
        if not is_proxy(str(address), console):
            return str(address)
    return peer


def is_proxy(address: str, console: ConsoleSettings) -> bool:
    """Whether it is one of the addresses that are believed."""
    own = ip_of(address)
    return own is not None and any(own in ipaddress.ip_network(network, strict=False) for network in console.proxies)


def named_by_proxy(call: DeskCall, peer: str, headers: Mapping[str, str], console: ConsoleSettings) -> Operator | None:
    """Whom a believed proxy has proven; None where it is not asked, not believed, or names nobody who may come."""
    if console.identity_header is None or not is_proxy(peer, console):
        return None
    name = headers.get(console.identity_header, "")
    return proven_by_proxy(call.store, name) if name else None
