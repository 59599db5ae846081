"""The options by which commands are told of a key: the password never stands among the arguments, which others can list."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.cli.command import option
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped


def password_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --password-env and --password-file."""
    by_file = option(
        "--password-file",
        type=click.Path(path_type=Path, dir_okay=False),
        vi="Tệp có mật khẩu khóa, hoặc mã PIN của thiết bị, ở dòng đầu.",
        en="A file with the key's password, or the token's PIN, in its first line.",
    )
    by_env = option(
        "--password-env",
        metavar="NAME",
        vi="Biến môi trường chứa mật khẩu khóa, hoặc mã PIN của thiết bị.",
        en="Environment variable with the key's password, or the token's PIN.",
    )
    return by_env(by_file(function))


def password_asked(env: str | None, file: Path | None, of: Path | None) -> bytes | None:
    """The password that these options name; None where they name none. Raises Stopped (SYS-022, SYS-045)."""
    if file is not None:
        try:
            return file.read_text("utf-8-sig").partition("\n")[0].rstrip("\r").encode()
        except (OSError, UnicodeDecodeError) as error:
            raise Stopped(Problem("SYS-045", {"path": str(file), "reason": system_reason(error)})) from error
    if env is None:
        return None
    value = os.environ.get(env)
    if not value:
        raise Stopped(Problem("SYS-022", {"path": str(of), "reason": f"{env} = ∅"}))
    return value.encode()
