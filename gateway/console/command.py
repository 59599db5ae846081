"""lienthong console: the pages for persons, at a listener of their own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace

import click

from gateway.cli.command import FINE, CommandRun, command, option, stays, with_settings
from gateway.console.app import Console
from gateway.console.room import BASE, Room
from gateway.core.addresses import host_and_port
from gateway.services.lines import start_logging
from gateway.web.descriptors import raise_descriptors
from gateway.web.tls import server_context


@command(
    "console",
    acts=True,
    vi="Khởi động bàn trực: các trang cho người trực, ở cổng riêng (console.host, console.port). "
    "Người được đăng nhập: lienthong operator.",
    en="Open the console: pages for persons at a port of its own (console.host, console.port). Who may come: lienthong operator.",
)
@option("--host", vi="Địa chỉ (mặc định console.host).", en="Address (default console.host).")
@option(
    "--port",
    type=click.IntRange(0, 65535),
    vi="Cổng (mặc định console.port); 0: cổng trống.",
    en="Port (default console.port); 0: a free one.",
)
def console(call: CommandRun, host: str | None, port: int | None) -> int:
    """Serves until it is told to stop."""
    call = with_settings(call, console__host=host, console__port=port)
    settings = call.settings
    stays()
    start_logging(settings.log.form, settings.log.level)
    raise_descriptors()
    room = Room(call.loaded, call.store)
    room.registry()  # what is wrong is said here, in sentences, before anybody looks
    tls = server_context(replace(settings.web, client_ca=None)) if settings.console.tls else None

    def ready(on: int) -> None:
        scheme = "https" if tls is not None else "http"
        address = f"{scheme}://{host_and_port(settings.console.host, on)}{BASE}"
        if call.screen.as_json:
            call.screen.row({"ready": address})
        else:
            call.screen.line(
                f"Bàn trực tại {address} (nhấn Ctrl-C để dừng).", f"The console is at {address} (Ctrl-C stops)."
            )

    asyncio.run(_until_stopped(room, tls, ready))
    return FINE


async def _until_stopped(room: Room, tls: object, ready: Callable[[int], None]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    console, settings = Console(room), room.settings.console
    await console.start(settings.host, settings.port, tls)
    ready(console.port)
    await stop.wait()
    await console.stop()
