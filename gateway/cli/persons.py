"""operator add | list | roles | password | disable | enable: the persons of the console."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from gateway.cli.command import (
    FINE,
    CommandRun,
    Group,
    LazyCommand,
    argument,
    asking,
    command,
    option,
)
from gateway.cli.passwords import password_asked
from gateway.cli.show import when
from gateway.core.operators import Operator, OperatorRole, joined_roles
from gateway.core.problems import Lang, Problem, Stopped

operator = Group(
    "operator",
    entries={
        "add": LazyCommand("gateway.cli.persons:add", "Thêm một người trực.", "Add a person."),
        "list": LazyCommand("gateway.cli.persons:list_", "Danh sách người trực.", "The persons."),
        "roles": LazyCommand("gateway.cli.persons:roles", "Thay đổi vai trò.", "Change what a person may do."),
        "password": LazyCommand("gateway.cli.persons:password", "Đặt mật khẩu mới.", "Set a new password."),
        "disable": LazyCommand("gateway.cli.persons:disable", "Khóa một người.", "Shut a person out."),
        "enable": LazyCommand("gateway.cli.persons:enable", "Mở khóa.", "Let a person in again."),
    },
    vi="Người trực: người được đăng nhập bàn trực (lienthong console) và vai trò. Ở dòng lệnh, quyền theo tài "
    "khoản hệ điều hành, [operators] trong lienthong.toml.",
    en="Persons: who may log in to the console (lienthong console), and as what. The command line goes by accounts of the "
    "operating system, [operators] in lienthong.toml.",
    no_args_is_help=True,
)

_ROLES = option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([role.value for role in OperatorRole]),
    vi="Vai trò; nêu nhiều lần nếu có nhiều vai trò.",
    en="The role; once for each where there are several.",
)
_BY_FILE = option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Tệp có mật khẩu ở dòng đầu.",
    en="A file with the password in its first line.",
)
_BY_ENV = option(
    "--password-env",
    metavar="NAME",
    vi="Biến môi trường chứa mật khẩu.",
    en="Environment variable with the password.",
)
_GENERATE = option(
    "--generate", is_flag=True, vi="Tự tạo một mật khẩu và hiển thị một lần.", en="Make a password, and print it once."
)

ROLE_NAMES = {
    OperatorRole.VIEWER: "chỉ xem",
    OperatorRole.AUDITOR: "kiểm soát",
    OperatorRole.OPERATOR: "vận hành",
    OperatorRole.APPROVER: "phê duyệt",
    OperatorRole.ADMINISTRATOR: "quản trị",
}


def named_roles(roles: Collection[OperatorRole], lang: Lang, *, with_codes: bool = False) -> str:
    """Roles by their names; in Vietnamese ``with_codes`` sets beside each the word that --role takes."""
    if lang is not Lang.VI:
        return joined_roles(roles)
    named = ((ROLE_NAMES[role], role) for role in OperatorRole if role in roles)
    return ", ".join(f"{name} ({role})" if with_codes else name for name, role in named)


def _password(call: CommandRun, file: Path | None, env: str | None, generate: bool) -> str:
    """The password, asked for twice at a terminal where it was not given. Raises Stopped (SYS-163) without one."""
    from signing.passwords import new_password

    if generate:
        return new_password()
    given = password_asked(env, file, file)
    if given is not None:
        return given.decode("utf-8", "surrogatepass")
    if not call.screen.interactive:
        raise Stopped(Problem("SYS-163"))
    asked = call.screen.text("Mật khẩu", "Password")
    again = call.screen.text("Nhập lại mật khẩu", "Again")
    return str(click.prompt(asked, hide_input=True, confirmation_prompt=again, err=True))


@command(
    "add",
    vi="Thêm một người được đăng nhập bàn trực. Mật khẩu nhập hai lần ở màn hình, hoặc lấy từ tệp, biến môi "
    "trường, hoặc tự tạo (--generate); --by-proxy: không có mật khẩu, chỉ đăng nhập qua máy chủ ủy nhiệm xác "
    "thực (console.identity_header).",
    en="Add a person who may log in to the console. The password is asked for twice at a terminal, or comes from a file, the "
    "environment, or is made (--generate); --by-proxy: none, they come only through the proxy (console.identity_header).",
)
@argument("name", metavar="TÊN|NAME")
@_ROLES
@_BY_FILE
@_BY_ENV
@_GENERATE
@option(
    "--by-proxy",
    is_flag=True,
    vi="Không có mật khẩu, chỉ đăng nhập qua máy chủ ủy nhiệm.",
    en="No password, only through the proxy.",
)
@asking
def add(
    call: CommandRun,
    name: str,
    roles: tuple[str, ...],
    password_file: Path | None,
    password_env: str | None,
    generate: bool,
    by_proxy: bool,
    reason: str | None,
) -> int:
    """Asks, adds."""
    from gateway.services.operators import add_operator

    call.need(OperatorRole.ADMINISTRATOR, "operator add")
    wanted = [OperatorRole(role) for role in roles]
    why = call.agreed(
        "operator add",
        reason,
        f"Thêm {name} với vai trò: {named_roles(wanted, Lang.VI)}?",
        f"Add {name} as: {joined_roles(wanted)}?",
    )
    secret = None if by_proxy else _password(call, password_file, password_env, generate)
    added = add_operator(
        call.store,
        name,
        wanted,
        secret,
        who=f"operator:{call.person}",
        reason=why,
        now=call.now,
    )
    if call.screen.as_json:
        call.screen.row(_row(added) | ({"password": secret} if generate and secret else {}))
        return FINE
    call.screen.line(
        f"Đã thêm {added.name}: {named_roles(added.roles, Lang.VI)}.",
        f"Added {added.name}: {joined_roles(added.roles)}.",
    )
    if generate and secret:
        call.screen.line(f"Mật khẩu, chỉ hiển thị lần này: {secret}", f"The password, printed this once: {secret}")
    return FINE


def _row(person: Operator) -> dict[str, object]:
    return {
        "name": person.name,
        "roles": [role.value for role in OperatorRole if role in person.roles],
        "by": "proxy" if person.password is None else "password",
        "added_at": person.added_at,
        "seen_at": person.seen_at,
        "disabled_at": person.disabled_at,
    }


@command(
    "list",
    vi="Danh sách người trực: vai trò, lần đăng nhập cuối, thời điểm bị khóa.",
    en="The persons: roles, last seen, disabled.",
)
def list_(call: CommandRun) -> int:
    """Lists them."""
    from gateway.services.operators import listed

    screen, persons = call.screen, listed(call.store)
    if screen.as_json:
        for person in persons:
            screen.row(_row(person))
        return FINE
    if not persons:
        screen.line(
            "Chưa có ai: lienthong operator add TÊN --role operator",
            "Nobody yet: lienthong operator add NAME --role operator",
        )
        return FINE
    heads = (
        ("Tên", "Name"),
        ("Vai", "Roles"),
        ("Cách đăng nhập", "By"),
        ("Lần cuối", "Last seen"),
        ("Khóa từ", "Disabled since"),
    )
    ways = {True: screen.text("proxy", "proxy"), False: screen.text("mật khẩu", "password")}
    screen.table(
        [screen.text(*head) for head in heads],
        [
            [
                person.name,
                named_roles(person.roles, screen.lang, with_codes=True),
                ways[person.password is None],
                when(person.seen_at),
                when(person.disabled_at),
            ]
            for person in persons
        ],
    )
    return FINE


@command(
    "roles",
    vi="Thay đổi vai trò của một người; các phiên đang mở của người đó kết thúc ngay.",
    en="Change what a person may do; their open sessions end at once.",
)
@argument("name", metavar="TÊN|NAME")
@_ROLES
@asking
def roles(call: CommandRun, name: str, roles: tuple[str, ...], reason: str | None) -> int:
    """Asks, changes."""
    from gateway.services.operators import change_roles

    call.need(OperatorRole.ADMINISTRATOR, "operator roles")
    wanted = [OperatorRole(role) for role in roles]
    vi, en = named_roles(wanted, Lang.VI), joined_roles(wanted)
    why = call.agreed("operator roles", reason, f"{name} có vai trò: {vi}?", f"{name} becomes: {en}?")
    changed = change_roles(call.store, name, wanted, who=f"operator:{call.person}", reason=why, now=call.now)
    return _said(call, changed, f"{changed.name} có vai trò: {vi}.", f"{changed.name} is now: {en}.")


def _said(call: CommandRun, person: Operator, vi: str, en: str) -> int:
    if call.screen.as_json:
        call.screen.row(_row(person))
    else:
        call.screen.line(vi, en)
    return FINE


@command(
    "password",
    vi="Đặt mật khẩu mới cho một người; các phiên đang mở của người đó kết thúc ngay.",
    en="Set a new password for a person; their open sessions end at once.",
)
@argument("name", metavar="TÊN|NAME")
@_BY_FILE
@_BY_ENV
@_GENERATE
@asking
def password(
    call: CommandRun,
    name: str,
    password_file: Path | None,
    password_env: str | None,
    generate: bool,
    reason: str | None,
) -> int:
    """Asks, sets it."""
    from gateway.services.operators import set_password

    call.need(OperatorRole.ADMINISTRATOR, "operator password")
    why = call.agreed("operator password", reason, f"Đặt mật khẩu mới cho {name}?", f"Set a new password for {name}?")
    secret = _password(call, password_file, password_env, generate)
    changed = set_password(call.store, name, secret, who=f"operator:{call.person}", reason=why, now=call.now)
    if call.screen.as_json:
        call.screen.row(_row(changed) | ({"password": secret} if generate else {}))
        return FINE
    if generate:
        call.screen.line(f"Mật khẩu, chỉ hiển thị lần này: {secret}", f"The password, printed this once: {secret}")
    return _said(call, changed, f"{changed.name} có mật khẩu mới.", f"{changed.name} has a new password.")


@command(
    "disable",
    vi="Khóa một người: không đăng nhập được, các phiên đang mở kết thúc ngay. Các việc người đó đã thực hiện vẫn ở nhật ký.",
    en="Shut a person out: no log-in any more, open sessions end at once. What they did stays in the log.",
)
@argument("name", metavar="TÊN|NAME")
@asking
def disable(call: CommandRun, name: str, reason: str | None) -> int:
    """Asks, shuts out."""
    from gateway.services import operators

    call.need(OperatorRole.ADMINISTRATOR, "operator disable")
    why = call.agreed("operator disable", reason, f"Khóa {name}?", f"Shut {name} out?")
    changed = operators.disable(call.store, name, who=f"operator:{call.person}", reason=why, now=call.now)
    return _said(call, changed, f"Đã khóa {changed.name}.", f"{changed.name} is shut out.")


@command("enable", vi="Cho một người bị khóa đăng nhập lại.", en="Let a person log in again.")
@argument("name", metavar="TÊN|NAME")
@asking
def enable(call: CommandRun, name: str, reason: str | None) -> int:
    """Asks, lets in."""
    from gateway.services import operators

    call.need(OperatorRole.ADMINISTRATOR, "operator enable")
    why = call.agreed("operator enable", reason, f"Cho {name} đăng nhập lại?", f"Let {name} in again?")
    changed = operators.enable(call.store, name, who=f"operator:{call.person}", reason=why, now=call.now)
    return _said(call, changed, f"{changed.name} đăng nhập lại được.", f"{changed.name} may log in again.")
