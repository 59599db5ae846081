"""For air gaps and tests: each message is a file in a folder, whole or not there at all.

The files that a message names are put there before it, each as ``<SHA-256>.tep``.

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
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from connectors import probing
from connectors.base import connector
from connectors.http import Http
from connectors.outcomes import (
    Fetched,
    NotThere,
    Parcel,
    ParcelFile,
    ProbeStep,
    Receipt,
    Refused,
    Uncertain,
    Unreachable,
)
from gateway.core.parties import Party
from gateway.core.problems import Problem
from gateway.core.written import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSettings:
    """Which folders."""

    path: Path = setting(vi="Thư mục đặt thông điệp; phải có sẵn.", en="Where messages are put; it must exist.")
    taken: Path | None = setting(
        None,
        vi="Thư mục bên nhận chuyển các tệp đã lấy vào.",
        en="Where the other side moves the files that it has taken.",
    )
    inbox: Path | None = setting(
        None,
        vi="Thư mục bên này đặt thông điệp gửi trục (*.xml); sau khi ghi nhận, tệp được chuyển vào inbox/da-nhan.",
        en="Where this party puts messages for us (*.xml); once on record a file is moved into inbox/da-nhan.",
    )
    receipts: Path | None = setting(
        None,
        vi="Thư mục đặt xác nhận tiếp nhận của trục cho các tệp đã lấy.",
        en="Where our receipts for those files are put.",
    )
    quiet_s: float = setting(
        2.0,
        at_least=0,
        at_most=3600,
        vi="Số giây không thay đổi mà tệp được lấy (phòng khi bên đó đang sao chép).",
        en="Only files that have not changed for so many seconds are taken (somebody may still be copying).",
    )


folder = connector("folder", FolderSettings)


@folder.send
async def send(parcel: Parcel, settings: FolderSettings, http: Http) -> Receipt:
    """Put the file there once. The same message again is the same file."""
    del http
    return await asyncio.to_thread(_put, parcel, settings)


@folder.query
async def query(parcel: Parcel, settings: FolderSettings, http: Http) -> Receipt | NotThere:
    """Look whether the file is there, or was taken."""
    del http
    return await asyncio.to_thread(_look, parcel, settings)


@folder.fetch
async def fetch(party: Party, settings: FolderSettings, http: Http) -> AsyncGenerator[Fetched, bytes | None]:
    """Take the files in the order of their names; one that is on record is moved away, and its receipt put down."""
    del party
    if settings.inbox is None:
        return
    for file in await asyncio.to_thread(_waiting, settings.inbox, settings.quiet_s):
        fetched = await asyncio.to_thread(_take, file, http.limits.body_bytes)
        if fetched is None:
            continue
        receipt = yield fetched
        await asyncio.to_thread(_put_away, file, settings, receipt)


@folder.probe
async def probe(party: Party, settings: FolderSettings, http: Http) -> AsyncIterator[ProbeStep]:
    """Look at the folders; those that we write into are tried with a hidden file that is taken away at once."""
    del party, http
    for place in (settings.path, settings.inbox, settings.receipts):
        if place is not None:
            yield await asyncio.to_thread(probing.there, place, writable=True)
    if settings.taken is not None:
        yield await asyncio.to_thread(probing.there, settings.taken)


def _waiting(inbox: Path, quiet_s: float) -> list[Path]:
    """The files that lie there whole."""
    try:
        latest = time.time() - quiet_s
        files = [f for f in inbox.iterdir() if f.suffix == ".xml" and not f.name.startswith(".")]
        return sorted(f for f in files if f.is_file() and not f.is_symlink() and f.stat().st_mtime <= latest)
    except OSError as error:
        raise _cannot(error) from error


def _take(file: Path, most: int) -> Fetched | None:
    """The file, its first bytes where it is longer than the longest message; None when it was taken away meanwhile."""
    digest, body, total = hashlib.sha256(), b"", 0
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
                total += len(chunk)
                if len(body) < most:
                    body += chunk[: most - len(body)]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cannot(error) from error
    return Fetched(body=body, total_bytes=total, digest=digest.hexdigest(), media_type="application/xml")


def _put_away(file: Path, settings: FolderSettings, receipt: bytes | None) -> None:
    """Receipt first, then the move: a file that is still there was not acknowledged, and comes again."""
    try:
        if receipt is not None and settings.receipts is not None:
            part = settings.receipts / f".{file.stem}.part"
            part.write_bytes(receipt)
            part.rename(settings.receipts / f"{file.stem}.bien-nhan.xml")
        done = file.parent / "da-nhan"
        done.mkdir(exist_ok=True)
        target = done / file.name
        number = 1
        while target.exists():
            number += 1
            target = done / f"{file.stem}.{number}.xml"
        file.rename(target)
    except OSError as error:
        raise _cannot(error) from error


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


def _put(parcel: Parcel, settings: FolderSettings) -> Receipt:
    name = file_name(parcel)
    target = settings.path / name
    part = settings.path / f".{name}.part"
    try:
        there = _look(parcel, settings)
        if isinstance(there, Receipt):
            return there
        for named in parcel.files:
            _put_file(named, settings.path)
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


def _put_file(file: ParcelFile, folder: Path) -> None:
    """A file that the message names, before it and under its SHA-256; one that is there whole stays."""
    target, part = folder / f"{file.digest}.tep", folder / f".{file.digest}.part"
    with suppress(FileNotFoundError):
        if target.stat().st_size == file.size:
            return
    with file.path.open("rb") as source, part.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 18)
        copy.flush()
        os.fsync(copy.fileno())
    part.rename(target)


def _look(parcel: Parcel, settings: FolderSettings) -> Receipt | NotThere:
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
