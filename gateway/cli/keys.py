"""key: a new signing key for the gateway, beside the one in use."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gateway.cli.command import FINE, CommandRun, Group, LazyCommand, argument, command, option
from gateway.core.operators import OperatorRole
from gateway.core.os_words import system_reason
from gateway.core.problems import Lang, Problem, Stopped

key = Group(
    "key",
    entries={
        "new": LazyCommand(
            "gateway.cli.keys:new",
            "Tạo khóa ký mới, cùng yêu cầu cấp chứng thư.",
            "Make a new signing key with a request for its certificate.",
        ),
    },
    vi="Khóa ký của trục.",
    en="The gateway's signing key.",
)


@command(
    "new",
    acts=True,
    vi="Tạo khóa ký ECDSA P-256 mới (quyền 600), một yêu cầu cấp chứng thư (CSR) và một chứng thư tự ký để dùng tạm. "
    "Khóa đang dùng không thay đổi; không tệp nào bị ghi đè.",
    en="Make a new ECDSA P-256 signing key (mode 600), a request for its certificate (CSR), and a self-signed certificate to "
    "use meanwhile. The key in use is not touched; no file is overwritten.",
)
@argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@option("--name", vi="Tên trong chứng thư; mặc định là node.name.", en="The name in it; node.name unless given.")
@option("--days", type=click.IntRange(1, 3650), default=730, show_default=True, vi="Hạn, ngày.", en="Its life in days.")
def new(call: CommandRun, folder: Path | None, name: str | None, days: int) -> int:
    """Writes three files into the folder, by default that of the key in use; says what to do with each."""
    from signing.selfsigned import fresh_key, request_of

    call.need(OperatorRole.ADMINISTRATOR, "key new")
    settings = call.settings
    folder = folder or (settings.key.file.parent if settings.key.file else Path("keys"))
    name = name or settings.node.name
    private, certificate = fresh_key(name, call.now, days=days, identifier=settings.node.identifier)
    stem = f"truc-{call.now:%Y%m%d-%H%M%S}"
    files = {
        folder / f"{stem}.key.pem": (private, 0o600),
        folder / f"{stem}.csr.pem": (request_of(private, name, identifier=settings.node.identifier), 0o644),
        folder / f"{stem}.cert.pem": (certificate, 0o644),
    }
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, (content, mode) in files.items():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
    except OSError as error:
        raise Stopped(Problem("SYS-038", {"path": str(folder), "reason": system_reason(error)})) from error
    secret, request, own = files
    screen = call.screen
    if screen.as_json:
        screen.row({"key": str(secret), "request": str(request), "certificate": str(own)})
        return FINE
    for path in files:
        screen.line(f"  {path}")
    base = call.loaded.file.parent if call.loaded.file else Path.cwd()
    old = settings.key.certificate
    before = _named(old, base) if old else "…"
    for step in _next(request.name, _named(secret, base), _named(own, base), before, screen.lang):
        screen.line(f"  {step}")
    return FINE


def _named(path: Path, base: Path) -> str:
    """The path as a configuration in ``base`` names it."""
    whole = path.absolute()
    return str(whole.relative_to(base.absolute()) if whole.is_relative_to(base.absolute()) else whole)


def _next(request: str, secret: str, own: str, old: str, lang: Lang) -> list[str]:
    """How to change over without a gap."""
    if lang is Lang.VI:
        return [
            f"1. Gửi {request} cho tổ chức cung cấp dịch vụ chứng thực; hoặc dùng tạm chứng thư tự ký {own}.",
            "2. Gửi chứng thư mới cho các bên, chờ các bên khai chứng thư.",
            f'3. Trong lienthong.toml, mục [key]: file = "{secret}", certificate = "{own}", thêm "{old}" vào previous.',
            "4. lienthong doctor, rồi gửi SIGHUP cho serve và work.",
        ]
    return [
        f"1. Send {request} to a certificate authority; or use the self-signed {own} meanwhile.",
        "2. Give the new certificate to the parties and wait until they have registered it.",
        f'3. In lienthong.toml under [key]: file = "{secret}", certificate = "{own}", and "{old}" added to previous.',
        "4. lienthong doctor, then SIGHUP to serve and work.",
    ]
