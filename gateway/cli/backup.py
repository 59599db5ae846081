"""backup, restore, db copy: the whole database in one file, the way back from it, and to another database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import FINE, PROBLEMS, CommandRun, argument, asking, command, option
from gateway.cli.show import when
from gateway.core.operators import OperatorRole
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped
from gateway.settings import Settings, database_url, leaves

if TYPE_CHECKING:
    from gateway.services.backup_files import KeptCopied
    from gateway.services.backups import Backup
    from gateway.services.restored import HeldReceipt, Restored

SHOWN = 50  # missing files that are named on a screen; --json names all


@command(
    "backup",
    acts=True,
    vi="Sao lưu toàn bộ cơ sở dữ liệu vào một tệp, trong lúc trục vẫn chạy; tệp được ký và đọc lại trọn vẹn trước khi báo xong. "
    "Khóa và cấu hình không nằm trong tệp: sao lưu riêng. Không nêu tệp thì ghi vào backup.folder và chỉ giữ backup.keep bản mới "
    "nhất.",
    en="Write the whole database into one file while the gateway goes on; the file is signed, and read again from end to end "
    "before it is called done. Keys and configuration are not in it: keep them apart. Without a file it goes to backup.folder, "
    "where the newest backup.keep stay.",
)
@argument("file", type=click.Path(path_type=Path), required=False)
@option("--check", "check", is_flag=True, vi="Chỉ kiểm tệp đã có.", en="Only check a file that is there.")
@option(
    "--with-files",
    is_flag=True,
    vi="Chép cả các tệp mà thông điệp dẫn tới và tệp lưu trữ từng tháng vào cạnh bản sao lưu, mỗi tệp một lần, trong thư mục "
    "riêng của trục (<mã định danh>-tep/, <mã định danh>-luu-tru/); mặc định theo backup.with_files.",
    en="Copy the files that messages name and the archives of months beside the backup, too, each once, into folders of this "
    "gateway's own (<identifier>-tep/, <identifier>-luu-tru/); by default as backup.with_files says.",
)
def backup(call: CommandRun, file: Path | None, *, check: bool, with_files: bool) -> int:
    """Makes a backup, or checks one."""
    if check:
        return _check(call, file)
    from gateway.services.backup_watch import note_backup_failed

    try:
        call.need(OperatorRole.ADMINISTRATOR, "backup")  # inside: a schedule that may not is a backup that failed
        return _back_up(call, file, with_files=with_files or call.settings.backup.with_files)
    except Stopped as stop:
        with suppress(
            Stopped
        ):  # a database that cannot be opened takes no line; what is told is what stopped the backup
            note_backup_failed(call.store, stop, f"operator:{call.person}", call.now)
        raise


def _back_up(call: CommandRun, file: Path | None, *, with_files: bool) -> int:
    """Makes a backup, and reads it again."""
    from gateway.services.backups import check_backup, make_backup, read_backup
    from gateway.wiring import load_key, own_certificates

    settings, screen = call.settings, call.screen
    key = load_key(settings)
    if key is None:
        raise Stopped(Problem("SYS-037"))
    folder = file is None or file.is_dir()
    path = _named(file or settings.backup.folder, settings, call.now) if folder else file
    assert path is not None
    if path.exists():
        raise Stopped(
            Problem("BAK-001", {"path": str(path), "reason": system_reason(FileExistsError(17, "File exists"))})
        )
    who = f"operator:{call.person}"
    with screen.progress("Sao lưu", "Backing up") as tell:
        made = make_backup(
            call.store,
            path,
            key,
            gateway=settings.node.identifier,
            files=files_of(call),
            who=who,
            now=call.now,
            in_folder=file is None,
            tell=tell,
        )
    with screen.progress("Đọc lại", "Reading it again") as tell:
        check_backup(read_backup(path, own_certificates(settings)), tell)
    earlier = [_is_ours(call, one) for one in path.parent.glob("*.zip") if one != path] if with_files else []
    removed = _prune(path, settings) if file is None else []
    copied = _copy_files(call, path, earlier) if with_files else None
    code = PROBLEMS if copied is not None and copied.missing else FINE
    if screen.as_json:
        row = {**_row(made), "removed": [str(one) for one in removed]}
        if copied is not None:
            row |= {"files_copied": copied.copied, "files_there": copied.there, "files_missing": len(copied.missing)}
        screen.row(row)
        return code
    screen.line(
        f"Đã sao lưu {made.rows} dòng, {path.stat().st_size} byte, tới mục nhật ký {made.head.number}; đã đọc lại trọn vẹn: "
        f"{path}",
        f"Backed up {made.rows} rows, {path.stat().st_size} bytes, up to log entry {made.head.number}; read again whole: {path}",
    )
    for one in removed:
        screen.line(f"Đã bỏ bản cũ: {one}", f"Removed an old one: {one}")
    screen.note(
        f"Không nằm trong tệp, sao lưu riêng: {', '.join(made.files)}.",
        f"Not in it, keep apart: {', '.join(made.files)}.",
    )
    if copied is not None:
        screen.line(
            f"Tệp: chép {copied.copied} ({copied.bytes} byte), đã có {copied.there}, bỏ {copied.removed} đã bị xóa.",
            f"Files: {copied.copied} copied ({copied.bytes} bytes), {copied.there} there, {copied.removed} removed that are "
            "not on record.",
        )
        _print_missing(call, copied)
    return code


def _copy_files(call: CommandRun, path: Path, earlier: Sequence[bool]) -> KeptCopied:
    """What the database does not hold, copied beside the backup. ``earlier``: of each backup there, whether it is ours."""
    from gateway.services.backup_files import CopiesBeside, copy_kept, old_copies
    from gateway.wiring import file_folder

    folder, archives = file_folder(call.settings), call.store.archives
    beside = CopiesBeside(path.parent, call.settings.node.identifier)
    if not all(earlier) and old_copies(folder, archives, beside):
        call.screen.note(
            f"Trong {path.parent} còn tep/, luu-tru/ chung của nhiều trục từ phiên bản trước: khi mọi trục đã sao lưu lại kèm "
            "tệp thì xóa hai thư mục đó.",
            f"{path.parent} still has tep/, luu-tru/ of several gateways, of an earlier version: remove both once each of them "
            "has made a backup with its files.",
        )
    with call.screen.progress("Chép tệp", "Copying files") as tell:
        alone = bool(earlier) and all(earlier)
        return copy_kept(call.store, folder, archives, beside, lambda done: tell(done, 0), alone=alone)


def _is_ours(call: CommandRun, backup: Path) -> bool:
    """Whether this gateway has made a backup: by its name, or by what it says under our signature."""
    from gateway.wiring import own_certificates

    identifier = call.settings.node.identifier
    if backup.name.startswith(f"{identifier}-"):
        return True
    try:
        return _read(backup, own_certificates(call.settings)).gateway == identifier
    except Stopped:
        return False


def _print_missing(call: CommandRun, found: KeptCopied) -> None:
    """What is not there: how much, and which of which dossiers."""
    from gateway.services.backup_files import dossiers_of

    problem, screen = found.problem(), call.screen
    if problem is None:
        return
    screen.problem(problem)
    for one in found.missing[:SHOWN]:
        dossiers = ", ".join(dossiers_of(call.store, one)) or "–"
        screen.line(f"  thiếu: {one.name} ({dossiers})", f"  missing: {one.name} ({dossiers})")
    screen.rest(len(found.missing) - SHOWN)


def _missing_rows(call: CommandRun, found: KeptCopied) -> None:
    """The same as rows, all of them."""
    from gateway.services.backup_files import dossiers_of

    for one in found.missing:
        row = {"missing": one.name, "size": one.size, "digest": one.digest, "dossiers": dossiers_of(call.store, one)}
        call.screen.row(row)


def _named(folder: Path, settings: Settings, now: datetime) -> Path:
    from gateway.services.backups import SUFFIX

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Stopped(Problem("BAK-001", {"path": str(folder), "reason": system_reason(error)})) from error
    moment = now.astimezone(UTC)
    return folder / f"{settings.node.identifier}-{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03}Z{SUFFIX}"


def _prune(newest: Path, settings: Settings) -> list[Path]:
    """Removes what is beyond the number that is to be kept, the oldest first; never the one that was made now."""
    from gateway.services.backups import SUFFIX

    keep = settings.backup.keep
    if not keep:
        return []
    there = sorted(newest.parent.glob(f"{settings.node.identifier}-*{SUFFIX}"), reverse=True)
    gone = [one for one in there[keep:] if one != newest]
    for one in gone:
        one.unlink(missing_ok=True)
    return gone


def files_of(call: CommandRun) -> dict[str, Path]:
    """The files that the node is set up with: the configuration, and whatever file a setting of it names."""
    named = {"lienthong.toml": call.loaded.file} if call.loaded.file else {}
    for key, _, value in leaves(call.settings):
        for number, path in enumerate(value if isinstance(value, tuple) else (value,), 1):
            if isinstance(path, Path) and path.is_file():
                named[key if not isinstance(value, tuple) else f"{key}[{number}]"] = path
    return {name: path for name, path in named.items() if path is not None}


def _check(call: CommandRun, file: Path | None) -> int:
    from gateway.services.backups import check_backup
    from gateway.wiring import own_certificates

    screen = call.screen
    if file is None:
        raise click.UsageError(screen.text("Nêu tệp cần kiểm.", "Name the file to check."))
    found = _read(file, own_certificates(call.settings))
    with screen.progress("Kiểm bản sao lưu", "Checking the backup") as tell:
        check_backup(found, tell)
    if screen.as_json:
        screen.row({**_row(found), "whole": True})
    else:
        _print_backup(call, found)
        screen.line("Bản sao lưu nguyên vẹn, chữ ký đúng.", "The backup is whole, its signature good.")
    return FINE


def _read(file: Path, certificates: Sequence[Any]) -> Backup:
    from gateway.services.backups import read_backup

    return read_backup(file, certificates)


def _row(made: Backup) -> dict[str, Any]:
    return {
        "file": str(made.path),
        "bytes": made.path.stat().st_size,
        "gateway": made.gateway,
        "made_at": made.made_at,
        "program": made.program,
        "schema": made.schema,
        "number": made.head.number,
        "hash": made.head.hash,
        "tables": {member.table.name: member.rows for member in made.members},
        "files_apart": list(made.files),
    }


def _print_backup(call: CommandRun, found: Backup) -> None:
    screen = call.screen
    screen.facts(
        [
            (screen.text("Trục", "Gateway"), found.gateway),
            (screen.text("Lúc", "Made at"), when(found.made_at)),
            (screen.text("Chương trình, lược đồ", "Program, schema"), f"{found.program}, {found.schema}"),
            (screen.text("Nhật ký tới mục", "Log up to entry"), found.head.number),
            (screen.text("Số dòng", "Rows"), found.rows),
        ]
    )


@command(
    "restore",
    vi="Khôi phục bản sao lưu vào cơ sở dữ liệu trống trong cấu hình: kiểm chữ ký, từng dòng và cả chuỗi nhật ký trước khi "
    "dùng được. Bắt đầu một thế hệ mới: bên đọc hộp thư được báo khi hỏi bằng vị trí cũ. --report cho biết mỗi bên cần gửi lại "
    "từ đâu.",
    en="Restore a backup into the configured database, which must be empty: the signature, every row and the whole chain of the "
    "log are checked before anybody can use it. A new generation begins: readers of inboxes are told when they ask with an old "
    "position. --report says from where on each party has to send again.",
)
@argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@option(
    "--report",
    is_flag=True,
    vi="Sau khi khôi phục: mỗi bên cần gửi lại những gì.",
    en="After a restore: what each party has to send again.",
)
@option(
    "--receipts",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    vi="Cùng --report: BienNhan mà các bên nộp (tệp hoặc thư mục .xml); nêu nhiều lần được.",
    en="With --report: BienNhan that parties hand in (a file, or a folder of .xml); may be given again.",
)
@option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar="NUMBER:HASH|JWS",
    vi="Cùng --report: đầu chuỗi nhật ký mà bên khác giữ (DauNhatKy của hộp thư).",
    en="With --report: a head of the log that others keep (DauNhatKy of an inbox page).",
)
@option(
    "--files",
    "files",
    is_flag=True,
    vi="Đọc từng byte mọi tệp và tệp lưu trữ đã ghi nhận ở files.folder, archive.folder: tệp nào thiếu hoặc khác, của hồ sơ nào.",
    en="Read every byte of the files and archives on record in files.folder and archive.folder: which are missing or other, of "
    "which dossiers.",
)
@option("--dry-run", is_flag=True, vi="Chỉ kiểm tệp và cơ sở dữ liệu đích.", en="Only check the file and the target.")
@asking
def restore(
    call: CommandRun,
    file: Path | None,
    *,
    report: bool,
    receipts: tuple[Path, ...],
    witnesses: tuple[str, ...],
    files: bool,
    dry_run: bool,
    reason: str | None = None,
) -> int:
    """Restores, or reports on the newest restore."""
    screen = call.screen
    if sum((file is not None, report, files)) != 1:
        raise click.UsageError(
            screen.text(
                "Nêu TỆP để khôi phục, hoặc chỉ --report, hoặc chỉ --files.",
                "Give FILE, or --report alone, or --files alone.",
            )
        )
    if files:
        return _look_for_files(call)
    if report:
        return _report(call, receipts, witnesses)
    if receipts or witnesses:
        raise click.UsageError(screen.text("--receipts, --witness chỉ đi với --report.", "Those go with --report."))
    assert file is not None
    return _restore(call, file, reason, dry_run=dry_run)


def _restore(call: CommandRun, file: Path, reason: str | None, *, dry_run: bool) -> int:
    from gateway.opening import shown_url
    from gateway.services.backups import check_backup, demand_room, restore_backup
    from gateway.store.dumps import NewDatabase
    from gateway.wiring import own_certificates

    call.need(OperatorRole.ADMINISTRATOR, "restore")
    screen, url = call.screen, database_url(call.settings)
    found = _read(file, own_certificates(call.settings))
    with _database(NewDatabase, url) as database:
        demand_room(found, database)
        with screen.progress("Kiểm bản sao lưu", "Checking the backup") as tell:
            check_backup(found, tell)
        if not screen.as_json:
            _print_backup(call, found)
            _print_files(call, found)
        generation = None
        if not dry_run:
            place = shown_url(url)
            why = call.agreed("restore", reason, f"Khôi phục vào {place} ngay?", f"Restore into {place} now?")
            who = f"operator:{call.person}"
            with screen.progress("Khôi phục", "Restoring") as tell:
                generation = restore_backup(found, database, who=who, reason=why, now=call.now, tell=tell)
    if generation is None:
        if screen.as_json:
            screen.row({**_row(found), "generation": None})
        return FINE
    files = _put_back(call, file, found.gateway)
    code = PROBLEMS if files.missing else FINE
    if screen.as_json:
        missing = {"files_put_back": files.copied, "files_missing": len(files.missing)}
        later = {"archives_later": files.later} if files.later else {}
        screen.row({**_row(found), "generation": generation, **missing, **later})
        _missing_rows(call, files)
    else:
        screen.line(
            f"Đã khôi phục {found.rows} dòng, chuỗi nhật ký nguyên vẹn tới mục {found.head.number}. Thế hệ {generation} bắt đầu.",
            f"Restored {found.rows} rows; the log's chain is whole up to entry {found.head.number}. "
            f"Generation {generation} begins.",
        )
        screen.note(
            f"Những gì trục đã xác nhận sau {when(found.made_at)} không còn ở đây. Ai phải gửi lại: lienthong restore --report",
            f"What was acknowledged after {when(found.made_at)} is not here. Who has to send again: lienthong restore --report",
        )
        if files.copied:
            screen.line(
                f"Đã lấy lại {files.copied} tệp ({files.bytes} byte) từ cạnh bản sao lưu.",
                f"Put {files.copied} files ({files.bytes} bytes) back from beside the backup.",
            )
        for name, gone in files.later.items():
            screen.line(
                f"{name} được ghi lại sau bản sao lưu này: {gone} nội dung đã xóa từ đó không còn trong tệp; các hồ sơ đó phải "
                "xóa lại (erase).",
                f"{name} was written anew after this backup: what was erased since ({gone}) is not in it any more; those "
                "dossiers have to be erased again (erase).",
            )
        _print_missing(call, files)
    return code


def _put_back(call: CommandRun, file: Path, gateway: str) -> KeptCopied:
    """The files that the restored database knows, from beside the backup where they are not here; the log says so."""
    from gateway.core.ledger import LogLine
    from gateway.services.archiving import verify_archive
    from gateway.services.backup_files import ArchiveProof, CopiesBeside, put_back
    from gateway.wiring import archive_keeper, file_folder

    folder, archives, beside = file_folder(call.settings), call.store.archives, CopiesBeside(file.parent, gateway)
    proof: ArchiveProof | None = None
    with suppress(Stopped):  # no key here, or no archives: what is not as it was is missing
        keeper = archive_keeper(call.settings, call.store)
        proof = ArchiveProof(
            call.store,
            keeper.archives,
            keeper.certificates,
            lambda there, record: not verify_archive(replace(keeper, archives=there), record),
        )
    with call.screen.progress("Tìm tệp", "Looking for files") as tell:
        found = put_back(call.store, folder, archives, beside, lambda done: tell(done, 0), proof=proof)
    if found.copied or found.missing or found.later:
        facts: dict[str, Any] = {"put_back": found.copied, "there": found.there, "missing": len(found.missing)}
        if found.later:
            facts["later"] = found.later
        with call.store.begin() as tx:
            tx.note(LogLine(what="restored.files", who=f"operator:{call.person}", facts=facts), call.now)
    return found


def _look_for_files(call: CommandRun) -> int:
    """Whether everything that the database knows to lie outside of it is there."""
    from gateway.services.backup_files import look_for_kept
    from gateway.wiring import file_folder

    call.need(OperatorRole.VIEWER, "restore --files")
    screen = call.screen
    with screen.progress("Đọc tệp", "Reading files") as tell:
        found = look_for_kept(call.store, file_folder(call.settings), call.store.archives, lambda done: tell(done, 0))
    if screen.as_json:
        screen.row({"files_whole": found.there, "files_missing": len(found.missing)})
        _missing_rows(call, found)
    else:
        screen.line(f"{found.there} tệp nguyên vẹn.", f"{found.there} files are whole.")
        _print_missing(call, found)
    return PROBLEMS if found.missing else FINE


class _database:  # noqa: N801 - used as a function
    """One of the store's targets for a while; its address is refused as any other's is."""

    def __init__(self, kind: type[Any], url: str) -> None:
        from gateway.opening import shown_url

        try:
            self._made = kind(url)
        except ValueError as error:
            raise Stopped(Problem("SYS-030", {"url": shown_url(url), "reason": str(error)})) from error

    def __enter__(self) -> Any:
        return self._made

    def __exit__(self, *_: object) -> None:
        self._made.dispose()


def _print_files(call: CommandRun, found: Backup) -> None:
    """Says which of the files that the node was set up with are missing here, or are others."""
    from gateway.services.backups import file_digest

    here = files_of(call)
    for name, digest in found.files.items():
        if name not in here:
            call.screen.line(f"  ! thiếu tệp: {name}", f"  ! a file is missing: {name}")
        elif file_digest(here[name]) != digest:
            call.screen.line(
                f"  ! khác lúc sao lưu: {name} ({here[name]})", f"  ! not as it was then: {name} ({here[name]})"
            )


def _report(call: CommandRun, receipts: tuple[Path, ...], witnesses: tuple[str, ...]) -> int:
    from gateway.cli.log import witness
    from gateway.services.restored import newest_restore, read_receipts
    from gateway.wiring import own_certificates, registry_of
    from signing.heads import Heads

    call.need(OperatorRole.VIEWER, "restore --report")
    parties = registry_of(call.store)
    certificates = own_certificates(call.settings) if receipts or witnesses else []
    heads = Heads(certificates)
    furthest = max((witness(text, heads)[0] for text in witnesses), default=None)
    found = newest_restore(call.store, parties)
    screen = call.screen
    if found is None:
        screen.note("Cơ sở dữ liệu này chưa khôi phục lần nào.", "This database was never restored.")
        return FINE
    files = [one for place in receipts for one in (sorted(place.rglob("*.xml")) if place.is_dir() else [place])]
    held = read_receipts(call.store, files, certificates, parties, call.settings.limits, call.now)
    if screen.as_json:
        _report_rows(call, found, held, furthest)
    else:
        _print_report(call, found, held, furthest)
    return PROBLEMS if any(not one.on_record for one in held) else FINE


def _report_rows(call: CommandRun, found: Restored, held: Sequence[HeldReceipt], furthest: int | None) -> None:
    screen = call.screen
    screen.row(
        {
            "generation": found.generation,
            "restored_at": found.at,
            "backup": found.file,
            "backup_made_at": found.made_at,
            "log_up_to": found.number,
            "log_known_up_to": furthest,
        }
    )
    for one in found.parties:
        reader = one.reader
        screen.row(
            {
                "party": one.party,
                "send_again_from": found.made_at,
                "last_on_record_at": one.last_at,
                "last_on_record": one.last_id,
                "inbox_same_up_to": reader.same_up_to if reader else None,
                "inbox_came_over": reader.came_over if reader else None,
                "lost": [r.ma_thong_diep or r.number for r in held if r.party == one.party and _lost(r)],
            }
        )
    for receipt in held:
        screen.row(
            {
                "receipt": str(receipt.file),
                "party": receipt.party,
                "number": receipt.number,
                "ma_thong_diep": receipt.ma_thong_diep,
                "result": receipt.result,
                "received_at": receipt.received_at,
                "on_record": receipt.on_record,
                "problem": screen.problem_row(receipt.problem) if receipt.problem else None,
            }
        )


def _lost(receipt: HeldReceipt) -> bool:
    return receipt.problem is None and not receipt.on_record


def _lost_one(receipt: HeldReceipt) -> str:
    return f"{receipt.ma_thong_diep or '–'} ({receipt.party or '–'}, {when(receipt.received_at)}, {receipt.file})"


def _print_report(call: CommandRun, found: Restored, held: Sequence[HeldReceipt], furthest: int | None) -> None:
    screen = call.screen
    screen.line(
        f"Khôi phục lúc {when(found.at)} từ {found.file}, bản của {when(found.made_at)}, tới mục nhật ký {found.number}. "
        f"Thế hệ {found.generation}.",
        f"Restored {when(found.at)} from {found.file}, of {when(found.made_at)}, up to log entry {found.number}. "
        f"Generation {found.generation}.",
    )
    if furthest is not None:
        lost = max(0, furthest - found.number)
        screen.line(
            f"Đầu chuỗi mà bên khác giữ tới mục {furthest}: {lost} mục đã mất.",
            f"A head that others keep goes to entry {furthest}: {lost} entries are lost.",
        )
    screen.table(
        [
            screen.text("Bên", "Party"),
            screen.text("Thông điệp cuối còn ghi", "Last message on record"),
            screen.text("Đã mất, theo xác nhận", "Lost, by receipts"),
            screen.text("Hộp thư giống tới", "Inbox same up to"),
            screen.text("Đã sang thế hệ mới", "Came over"),
        ],
        [
            (
                one.party,
                when(one.last_at) if one.last_at else screen.text("không có", "none"),
                sum(1 for receipt in held if receipt.party == one.party and _lost(receipt)),
                "–" if one.reader is None else one.reader.same_up_to,
                "–"
                if one.reader is None
                else screen.text(*(("rồi", "yes") if one.reader.came_over else ("chưa", "not yet"))),
            )
            for one in found.parties
        ],
    )
    for receipt in held:
        if receipt.problem is not None:
            screen.problem(receipt.problem, str(receipt.file))
        elif not receipt.on_record:
            screen.line(
                f"  phải gửi lại: {_lost_one(receipt)}",
                f"  to be sent again: {_lost_one(receipt)}",
            )
    screen.note(
        f"Đề nghị mỗi bên gửi lại mọi thông điệp từ {when(found.made_at)} tới nay, giữ nguyên MaThongDiep: thông điệp còn ghi "
        "thì chỉ được trả lại xác nhận cũ. Bên nào nộp BienNhan: --receipts.",
        f"Ask every party to send again what it sent from {when(found.made_at)} on, under the same MaThongDiep: what is on "
        "record is only answered with its old receipt. Where parties hand BienNhan in: --receipts.",
    )


@command(
    "copy",
    vi="Chép toàn bộ cơ sở dữ liệu của máy sang cơ sở dữ liệu mới (thường từ SQLite sang PostgreSQL), đọc lại, so từng bảng và "
    "kiểm chuỗi nhật ký. Dừng giữa chừng thì chạy lại lệnh để được gửi tiếp. Trong lúc chép, máy không ghi được: nên dừng serve "
    "và work.",
    en="Copy the node's whole database into a new one (from SQLite to PostgreSQL, mostly), read it again, compare table by "
    "table, and verify the log's chain. Broken off, it goes on when it is run again. The node cannot write meanwhile: "
    "better stop serve and work.",
)
@argument("url", metavar="URL")
@asking
def copy(call: CommandRun, url: str, *, reason: str | None = None) -> int:
    """Copies the database."""
    from gateway.opening import shown_url
    from gateway.services.copying import copy_database
    from gateway.store import StoreError
    from gateway.store.engine import file_of

    call.need(OperatorRole.ADMINISTRATOR, "db copy")
    screen, place = call.screen, shown_url(url)
    source = file_of(call.store.engine)
    why = call.agreed("db copy", reason, f"Chép sang {place} ngay?", f"Copy to {place} now?")
    try:
        with screen.progress("Chép và so", "Copying and comparing") as tell:
            done = copy_database(
                call.store,
                url,
                source.parent if source else Path.cwd(),
                who=f"operator:{call.person}",
                reason=why,
                now=call.now,
                to=place,
                tell=tell,
            )
    except (StoreError, ValueError) as error:
        raise Stopped(Problem("SYS-030", {"url": place, "reason": str(error)})) from error
    if screen.as_json:
        screen.row({"url": place, "rows": dict(done.rows), "before": done.before, "number": done.head.number})
        return FINE
    total = sum(done.rows.values())
    screen.line(
        f"Đã chép {total} dòng của {len(done.rows)} bảng ({done.before} dòng đã có từ lần trước); mọi bảng giống nguồn, chuỗi "
        f"nhật ký nguyên vẹn tới mục {done.head.number}.",
        f"Copied {total} rows of {len(done.rows)} tables ({done.before} were there from before); every table is as here, the "
        f"log's chain is whole up to entry {done.head.number}.",
    )
    screen.line(
        "Tiếp theo: đặt database.url trong lienthong.toml, lienthong doctor, rồi chạy lại serve và work.",
        "Next: set database.url in lienthong.toml, lienthong doctor, then start serve and work again.",
    )
    return FINE
