"""For air gaps and tests: each message is a file in a folder, whole or not there at all.

The other side takes a file by moving it into the folder for taken files, or by leaving a file of the same name there;
when asked, the gateway looks in both. A file that vanished without trace counts as not there.
"""
# ruff: noqa: RUF009 - setting() describes a field of a dataclass; it is what field() is

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from connectors.base import NotThere, Parcel, Receipt, Refused, Uncertain, Unreachable, connector
from connectors.http import Http
from gateway.core.problems import Problem
from gateway.core.written import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which folders."""

    path: Path = setting(vi="Thư mục đặt thông điệp; phải có sẵn.", en="Where messages are put; it must exist.")
    taken: Path | None = setting(
        None,
        vi="Thư mục bên nhận chuyển các tệp đã lấy vào.",
        en="Where the other side moves the files that it has taken.",
    )


folder = connector("folder", Settings)


@folder.send
async def send(parcel: Parcel, settings: Settings, http: Http) -> Receipt:
    """Put the file there once. The same message again is the same file."""
    del http
    return await asyncio.to_thread(_put, parcel, settings)


@folder.query
async def query(parcel: Parcel, settings: Settings, http: Http) -> Receipt | NotThere:
    """Look whether the file is there, or was taken."""
    del http
    return await asyncio.to_thread(_look, parcel, settings)


def file_name(parcel: Parcel) -> str:
    """The file's name: when the delivery was made, then the message's id, so that names sort as messages came.

    It says the same for the same delivery, and holds nothing that a file system could take for a path.
    """
    made = parcel.delivery.created_at
    stamp = f"{made:%Y%m%dT%H%M%S.%fZ}_" if made else ""
    return f"{stamp}{_safe(parcel.ma_thong_diep)}.xml"


def _safe(name: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", name):
        return name
    return "sha256-" + hashlib.sha256(name.encode()).hexdigest()


def _put(parcel: Parcel, settings: Settings) -> Receipt:
    name = file_name(parcel)
    target = settings.path / name
    part = settings.path / f".{name}.part"
    try:
        there = _look(parcel, settings)
        if isinstance(there, Receipt):
            return there
        # A left-over of a try that died is ours alone (one delivery, one worker at a time): write over it.
        with part.open("wb") as file:
            file.write(parcel.body)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise _cannot(error) from error
    try:
        part.rename(target)
        _sync(settings.path)
    except OSError as error:
        raise Uncertain(_cannot(error).problem) from error
    return Receipt(reference=name)


def _look(parcel: Parcel, settings: Settings) -> Receipt | NotThere:
    """Where the file is. Raises Refused when it is there with other bytes, Unreachable when the folder is not."""
    name = file_name(parcel)
    try:
        for place in (settings.path, settings.taken):
            if place is None:
                continue
            with suppress(FileNotFoundError):
                if _digest(place / name) != parcel.delivery.digest and place == settings.path:
                    raise Refused(Problem("DLV-032"))
                return Receipt(reference=name)
        settings.path.stat()
    except OSError as error:
        raise _cannot(error) from error
    return NotThere()


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _cannot(error: OSError) -> Unreachable:
    return Unreachable(Problem("DLV-008", {"why": errno.errorcode.get(error.errno or 0, type(error).__name__)}))


def _sync(path: Path) -> None:
    """Make the rename itself durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
