"""archive make | verify | list | get | search: months that are over, in files of their own."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import (
    FINE,
    NOT_WHOLE,
    CommandRun,
    Group,
    LazyCommand,
    acting,
    argument,
    asking,
    command,
    option,
    reason_of,
)
from gateway.cli.show import when
from gateway.core.operators import OperatorRole
from gateway.core.problems import Problem, Stopped
from gateway.core.unknown import unknown
from gateway.store.filefolder import FILES_SUFFIX

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.core.stored_files import StoredFile
    from gateway.store.archives import Archives

_MANY = 20  # so many turns, and it is said what takes so long

archive = Group(
    "archive",
    entries={
        "make": LazyCommand("gateway.cli.archive:make", "Lưu trữ các tháng đã qua.", "Archive months that are over."),
        "verify": LazyCommand("gateway.cli.archive:verify", "Kiểm các tệp lưu trữ.", "Verify archives."),
        "list": LazyCommand("gateway.cli.archive:list_", "Các tháng đã lưu trữ.", "The archives."),
        "get": LazyCommand("gateway.cli.archive:get", "Lấy một nội dung ra.", "Get bytes out."),
        "search": LazyCommand("gateway.cli.archive:search", "Tìm trong các tệp lưu trữ.", "Search the archives."),
    },
    vi="Lưu trữ: nội dung của các tháng đã qua rời cơ sở dữ liệu vào tệp của từng tháng (archive.folder), được nén, ký và kiểm "
    "trước khi lấy ra; tệp mà thông điệp dẫn tới rời files.folder vào thư mục <tháng>.tep, cũng được ký và kiểm trước. "
    "Dòng của thông điệp, hồ sơ và nhật ký ở lại, nên mọi lệnh dùng được như trước.",
    en="Archives: the bytes of months that are over leave the database for a file of each month (archive.folder), packed, "
    "signed, and verified before anything is taken out; files that messages name leave files.folder for a folder <month>.tep, "
    "signed and verified before, too. The rows of messages, dossiers and the log stay, so all works as "
    "before.",
    no_args_is_help=True,
)


@command(
    "make",
    vi="Lưu trữ mọi tháng kết thúc trước tháng nêu ở --before (mặc định: theo archive.after_months), tháng cũ nhất trước.",
    en="Archive every month that was over before the one named by --before (default: by archive.after_months), the oldest first.",
)
@option("--before", metavar="YYYY-MM", vi="Các tháng trước tháng này.", en="Months before this one.")
@asking
def make(call: CommandRun, before: str | None, reason: str | None) -> int:
    """Makes what is due. Raises Stopped (SYS-211) where somebody else is at it."""
    from gateway.services.archiving import (
        archive_files,
        archiving_alone,
        file_months_due,
        make_archive,
        months_back,
        months_due,
    )
    from gateway.store.archives import bounds_of, month_of
    from gateway.wiring import archive_keeper, file_folder

    call.need(OperatorRole.ADMINISTRATOR, "archive make")
    screen, now, months = call.screen, call.now, call.settings.archive.after_months
    try:
        until = (
            months_back(now, months) if before is None and months is not None else bounds_of(before or month_of(now))[0]
        )
    except ValueError as error:
        raise click.BadParameter(str(before), param_hint="--before") from error
    until = min(until, bounds_of(month_of(now))[0])
    keeper, folder = archive_keeper(call.settings, call.store), file_folder(call.settings)
    months_left = {*months_due(call.store, until), *(file_months_due(keeper) if folder is not None else [])}
    if not months_left:
        screen.note("Không có tháng nào cần lưu trữ.", "No month is to be archived.")
        return FINE
    number = len(months_left)
    why = call.agreed("archive make", reason, f"Lưu trữ {number} tháng?", f"Archive {number} months?")
    with archiving_alone(keeper, lambda: datetime.now(UTC)) as ours:
        for name in months_due(call.store, until):  # asked again: others may have been at it
            made = make_archive(ours, name, now, who=f"operator:{call.person}", reason=why)
            if screen.as_json:
                screen.row(asdict(made))
            else:
                screen.line(
                    f"{name}: {made.bodies} nội dung, {made.bytes} byte, tệp {made.size} byte.",
                    f"{name}: {made.bodies} bodies, {made.bytes} bytes, a file of {made.size} bytes.",
                )
        if folder is None:
            return FINE
        for name in file_months_due(ours):
            files = archive_files(ours, folder, name, now, who=f"operator:{call.person}", reason=why)
            if screen.as_json:
                screen.row({**asdict(files), "name": f"{name}{FILES_SUFFIX}"})
            else:
                screen.line(
                    f"{name}{FILES_SUFFIX}: {files.files} tệp, {files.bytes} byte.",
                    f"{name}{FILES_SUFFIX}: {files.files} files, {files.bytes} bytes.",
                )
    return FINE


@command(
    "verify",
    vi="Kiểm từng tệp: chữ ký, mã băm của mọi nội dung, chuỗi nhật ký của tháng. Mã thoát 4 khi có tệp không nguyên vẹn; kết quả "
    "được ghi vào nhật ký và thành cảnh báo cho tới khi kiểm lại thấy tệp nguyên vẹn.",
    en="Verify each file: its signature, the digest of every body, the month's chain. Exit 4 when one is not whole; the log "
    "says so, and it is an alert until it is found whole again.",
)
@argument("names", nargs=-1, metavar="[YYYY-MM]…")
def verify(call: CommandRun, names: tuple[str, ...]) -> int:
    """Verifies the archives that are named, or all; what is not whole is an alert until it is found to be."""
    from gateway.services.archiving import verify_archive, verify_file_archive
    from gateway.services.findings import note_archives_verified
    from gateway.wiring import archive_keeper

    call.need(OperatorRole.VIEWER, "archive verify")
    keeper, screen = archive_keeper(call.settings, call.store), call.screen
    found: dict[str, list[str]] = {}
    with call.store.read() as view:
        records, of_files = view.archives(), view.file_archives()
    for name in set(names) - {one.name for one in records}:
        raise Stopped(unknown("archive", name))
    looks = [(one.name, one.name, partial(verify_archive, keeper, one)) for one in records]
    looks += [(f"{one.name}{FILES_SUFFIX}", one.name, partial(verify_file_archive, keeper, one)) for one in of_files]
    for shown, month, look in sorted(looks, key=lambda row: row[0]):
        if names and month not in names:
            continue
        flaws = found[shown] = look()
        if screen.as_json:
            screen.row({"archive": shown, "whole": not flaws, "flaws": flaws})
        elif not flaws:
            screen.line(f"{shown}: nguyên vẹn.", f"{shown}: whole.")
    wrong = [
        Problem("SYS-197", {"archive": name, "reason": ", ".join(flaws[:5])}) for name, flaws in found.items() if flaws
    ]
    note_archives_verified(call.store, found, everything=not names, who=f"operator:{call.person}", now=call.now)
    if not screen.as_json:
        for problem in wrong:
            screen.problem(problem, to_err=True)
    return NOT_WHOLE if wrong else FINE


@command(
    "list",
    vi="Các tháng đã lưu trữ, và tệp nào có điều bất thường.",
    en="The archives, and which file is not as it should be.",
)
def list_(call: CommandRun) -> int:
    """Lists them."""
    call.need(OperatorRole.VIEWER, "archive list")
    with call.store.read() as view:
        records, of_files = view.archives(), view.file_archives()
    for one in records:
        ailing = call.store.archives.ailing(one)
        if call.screen.as_json:
            call.screen.row({**asdict(one), "ailing": ailing})
            continue
        note = "" if ailing is None else call.screen.text(f", BẤT THƯỜNG: {ailing}", f", WRONG: {ailing}")
        call.screen.line(
            f"{one.name}: {one.bodies} nội dung, {one.bytes} byte trong tệp {one.size} byte, làm lúc {when(one.made_at)}{note}",
            f"{one.name}: {one.bodies} bodies, {one.bytes} bytes in a file of {one.size} bytes, made {when(one.made_at)}{note}",
        )
    for files in of_files:
        name, ailing = f"{files.name}{FILES_SUFFIX}", call.store.archives.ailing_files(files)
        if call.screen.as_json:
            call.screen.row({**asdict(files), "name": name, "ailing": ailing})
            continue
        note = "" if ailing is None else call.screen.text(f", BẤT THƯỜNG: {ailing}", f", WRONG: {ailing}")
        call.screen.line(
            f"{name}: {files.files} tệp, {files.bytes} byte, làm lúc {when(files.made_at)}{note}",
            f"{name}: {files.files} files, {files.bytes} bytes, made {when(files.made_at)}{note}",
        )
    return FINE


@command(
    "get",
    vi="Đưa ra đầu ra chuẩn nội dung có mã băm SHA-256 này, từ cơ sở dữ liệu hoặc tệp lưu trữ; ghi vào nhật ký ai lấy.",
    en="Write the bytes of this SHA-256 to standard output, from the database or an archive; the log says who got them.",
)
@argument("digest", metavar="SHA256")
@acting
def get(call: CommandRun, digest: str, reason: str | None) -> int:
    """Gets the bytes."""
    from gateway.core.ledger import LogLine

    call.need(OperatorRole.AUDITOR, "archive get")
    why, digest = reason_of(call, reason, "archive get"), digest.lower()  # some tools write it in capitals
    for turn in count():
        if turn == _MANY:
            call.screen.note(
                "Đang lập mục lục mã băm cho dữ liệu đã có; chỉ lập một lần, có thể mất vài phút.",
                "Sorting the digests of all there is; this is done once and may take some minutes.",
            )
        if not call.store.sort_digests():
            break
    with call.store.read() as view:
        content, file = view.body_of_anybody(digest), view.file(digest)
        erased = view.erased_of_anybody(digest) if content is None and file is None else None
    path = None if content is not None or file is None else _path_of(call, file)
    if content is None and path is None:
        raise Stopped(unknown("body", digest) if erased is None else Problem("SYS-047", {"id": erased}))
    with call.store.begin() as tx:
        tx.note(
            LogLine(what="body.read", who=f"operator:{call.person}", facts={"digest": digest, "reason": why}), call.now
        )
    if content is not None:
        sys.stdout.buffer.write(content)
    elif path is not None:
        with path.open("rb") as stream:
            shutil.copyfileobj(stream, sys.stdout.buffer, 1 << 20)
    return FINE


def _path_of(call: CommandRun, file: StoredFile) -> Path:
    """Where a file's bytes lie, which are proven to be those. Raises Stopped (FIL-016, SYS-205) where they are not."""
    from gateway.wiring import file_folder

    folder = file_folder(call.settings)
    path = None if folder is None else folder.whole(file)
    if path is not None:
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() == file.digest:
                return path
    raise Stopped(file.missing())


def _messages_in(archives: Archives, name: str, text: str, most: int) -> list[tuple[dict[str, Any], str]]:
    """What a month's archive holds about this: each as a row and as a line. Raises NotAtHand."""
    from gateway.store.archives import ArchiveReader, opened

    with opened(archives.path(name)) as file:
        rows = ArchiveReader(file).search(text, most)
    told = ("received_at", "id", "loai", "ma_ho_so", "state", "digest")
    return [({"archive": name, **row}, "  ".join([name, *(str(row[one] or "–") for one in told)])) for row in rows]


def _files_in(archives: Archives, name: str, text: str, most: int) -> list[tuple[dict[str, Any], str]]:
    """The same of the archive of a month's files. Raises NotAtHand."""
    of_files = f"{name}{FILES_SUFFIX}"
    rows = islice((row for row in archives.files(name).rows() if _is_about(row, text)), most)
    told = ("digest", "size", "media_type")
    return [({"archive": of_files, **row}, "  ".join([of_files, *(str(row[one]) for one in told)])) for row in rows]


@command(
    "search",
    vi="Tìm thông điệp trong các tệp lưu trữ theo mã thông điệp, mã hồ sơ, bên gửi, loại hoặc mã băm.",
    en="Search the archives for messages by message id, dossier, sender, type or digest.",
)
@argument("text")
@option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, vi="Nhiều nhất.", en="At most.")
def search(call: CommandRun, text: str, limit: int) -> int:
    """Searches the files themselves, so that it works where only those are left."""
    from gateway.store import NotAtHand

    call.need(OperatorRole.AUDITOR, "archive search")
    with call.store.read() as view:
        places = [(_messages_in, one.name) for one in view.archives()]
        places += [(_files_in, one.name) for one in view.file_archives()]
    found, away = 0, []
    for look_in, name in places:
        if found >= limit:
            break
        try:
            rows = look_in(call.store.archives, name, text, limit - found)
        except NotAtHand as error:
            away.append(Problem("SYS-205", error.facts))
            continue
        found += len(rows)
        for row, line in rows:
            if call.screen.as_json:
                call.screen.row(row)
            else:
                call.screen.line(line)
    if away:  # what the others hold has been told
        raise Stopped(*away)
    if not found:
        call.screen.note("Không thấy.", "Nothing found.")
    return FINE


def _is_about(row: Mapping[str, Any], text: str) -> bool:
    """Whether a file is this one, or is named by this message or in this dossier."""
    return text == row["digest"] or any(text in (message, ma_ho_so) for message, ma_ho_so, _ in row["messages"])
