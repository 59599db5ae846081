"""evidence: what is on record of one message in a file that others can check; and the check, offline."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.command import FINE, PROBLEMS, UNDETERMINED, CommandRun, acting, argument, command, option, reason_of
from gateway.cli.log import witness
from gateway.cli.outside import STATUS_WORDS, read_certificates, tell_outside
from gateway.cli.show import when
from gateway.core.operators import OperatorRole
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped

if TYPE_CHECKING:
    from signing.evidence import BundleReport, Parts

STEPS = {
    "files": ("mọi tệp như danh sách của gói", "every file is as the bundle's list says"),
    "digest": ("bản gốc đúng băm đã ghi nhận", "the original has the recorded digest"),
    "certificates": (
        "chứng thư, CRL, OCSP đọc được và đúng tên",
        "certificates, CRLs, OCSP answers are what they are called",
    ),
    "anchors": ("căn cứ của gói được người kiểm tra tin cậy", "what the bundle rests on is what you trust"),
    "status": ("tình trạng chứng thư suy ra được từ CRL, OCSP", "the certificate's status follows from CRLs and OCSP"),
    "signature": ("xét lại chữ ký ra đúng kết luận đã ghi", "judging the signature again leads to the verdict"),
    "documents": (
        "xét lại PDF đã ký kèm theo ra đúng kết luận đã ghi",
        "judging the signed PDFs inside again leads to theirs",
    ),
    "attached": (
        "tệp mà thông điệp dẫn tới đúng băm và độ dài",
        "the files that the message names have their digests and lengths",
    ),
    "receipt": (
        "xác nhận tiếp nhận thông điệp của trục, cho đúng nội dung này",
        "the receipt is the gateway's, for these bytes",
    ),
    "log": ("nhật ký liên tục và đúng như gói", "the log is unbroken and says what the bundle says"),
    "head": ("đầu chuỗi đã ký bao gồm cả mục này", "a signed head of the log covers it"),
    "schemas": ("lược đồ tại đây là lược đồ đã dùng", "the schemas here are those that were used"),
}
KINDS = {
    "gateway": ("chứng thư của trục", "the gateway's certificate"),
    "registered": ("chứng thư đăng ký của", "the registered certificate of"),
    "root": ("gốc của cây", "root of the tree"),
}


@command(
    "evidence",
    vi="Đóng gói bằng chứng của một thông điệp thành một tệp zip: bản gốc, phần đã được ký, chứng thư, CRL/OCSP "
    "đã dùng, băm của lược đồ, kết luận, xác nhận tiếp nhận thông điệp, các mục nhật ký liên tục. “lienthong "
    "verify --bundle” kiểm tra được ở máy khác, nhiều năm sau, không cần cơ sở dữ liệu. Gói có nội dung (dữ "
    "liệu cá nhân): phải nêu --reason, và nhật ký ghi người đã lấy.",
    en="Pack the evidence of one message into a zip: the original, the signed part, certificates, the CRLs and OCSP answers "
    "used, digests of the schemas, verdict, receipt, an unbroken piece of the log. “lienthong verify --bundle” checks it "
    "on another machine, years later, without a database. It holds the content (personal data): it needs --reason, and "
    "the log says who took it.",
)
@argument("name", metavar="ID")
@option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    vi="Tệp hoặc thư mục để ghi; “-”: đầu ra chuẩn. Không ghi đè. [mặc định: <mã nhận>.evidence.zip]",
    en="The file or folder to write to; “-”: standard output. Nothing is overwritten. [default: <id>.evidence.zip]",
)
@option(
    "--with-files",
    is_flag=True,
    vi="Chép cả các tệp mà thông điệp dẫn tới, thành <SHA-256>.tep cạnh gói; người kiểm tra nêu thư mục đó bằng --files.",
    en="Copy the files that the message names too, as <SHA-256>.tep beside the bundle; its reader names that folder by --files.",
)
@acting
def evidence(call: CommandRun, name: str, output: Path | None, with_files: bool, reason: str | None) -> int:
    """Writes a bundle, after it has been checked as its reader will."""
    from gateway.core.ledger import LogLine
    from gateway.services import desk, profiles
    from gateway.services.bundles import contents, files_named, gather, measured
    from gateway.wiring import build, own_certificates
    from schemas.digests import schema_digests
    from signing.evidence import anchors, verify_bundle, write_bundle

    call.need(OperatorRole.OPERATOR, "evidence")
    message = desk.one(call.store, name)
    why = reason_of(call, reason, "evidence")
    gate = build(call.settings, call.store)
    own = [*([gate.key.certificate] if gate.key is not None else []), *own_certificates(call.settings)]
    parts = gather(
        call.store,
        gate.trust,
        gate.parties,
        message.id,
        own_identifier=gate.identity.ma_dinh_danh,
        own=[one.der for one in own],
        profile=profiles.from_text,
    )
    packed = write_bundle(parts)
    place = _place(output, f"{message.id}.evidence.zip")
    if with_files and place is None:
        raise click.UsageError(call.screen.text("--with-files cần một tệp hay thư mục.", "--with-files needs a place."))
    files = _named_files(call, message.id)
    with call.store.begin() as tx:  # first the log, then the file: nobody has a bundle that the log does not know of
        facts: dict[str, Any] = {"reason": why, "bundle": hashlib.sha256(packed).hexdigest()}
        if with_files:
            facts["files"] = sorted(files)
        tx.note(
            LogLine(what="message.evidence", who=f"operator:{call.person}", message=message.id, facts=facts), call.now
        )
    if place is None:
        call.screen.raw(packed)
        return FINE
    _write(place, packed)
    copies = [_copy(place.parent / f"{digest}.tep", path) for digest, path in files.items()] if with_files else []
    trusted = frozenset(anchor.fingerprint for anchor in anchors(parts))
    held = measured(copies or [path for path in files.values() if path.exists()])
    report = verify_bundle(
        packed, anchors=trusted, schemas=schema_digests(), contents=contents, named=files_named, files=held
    )
    return _print(call, str(place), report, len(packed), own=True)


def _named_files(call: CommandRun, message: str) -> dict[str, Path]:
    """Where the files lie that a message names, by SHA-256."""
    from gateway.wiring import file_folder

    folder = file_folder(call.settings)
    if folder is None:
        return {}
    with call.store.read() as view:
        return {file.digest: folder.path_of(file) for file in view.files_of_message(message)}


def _copy(place: Path, source: Path) -> Path:
    """A copy of a file for its owner's eyes. Raises Stopped (SYS-038); FIL-016 where the original is gone."""
    try:
        stream = source.open("rb")
    except OSError as error:
        raise Stopped(Problem("FIL-016", {"digest": source.name})) from error
    try:
        with stream, os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
            shutil.copyfileobj(stream, copy, 1 << 20)
    except OSError as error:
        raise Stopped(Problem("SYS-038", {"path": str(place), "reason": system_reason(error)})) from error
    return place


def _place(output: Path | None, name: str) -> Path | None:
    """Where to write; None for standard output."""
    if output is None:
        return Path(name)
    if str(output) == "-":
        return None
    return output / name if output.is_dir() else output


def _write(place: Path, packed: bytes) -> None:
    """Makes the file, for its owner's eyes. Raises Stopped (SYS-038)."""
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(packed)
    except OSError as error:
        raise Stopped(Problem("SYS-038", {"path": str(place), "reason": system_reason(error)})) from error


def check_bundle(
    call: CommandRun,
    file: Path,
    certificates: Sequence[Path],
    trees: Sequence[Path],
    witnesses: Sequence[str],
    *,
    signed: bool,
    files: Path | None = None,
) -> int:
    """Checks a bundle by what the caller brings along, and by nothing else."""
    from gateway.services.bundles import contents, files_named, measured
    from schemas.digests import schema_digests
    from signing.evidence import MOST_BYTES, verify_bundle
    from signing.heads import Heads

    trusted = read_certificates(certificates)
    known = dict(witness(text, Heads(trusted)) for text in witnesses)
    brought = frozenset({one.fingerprint for one in trusted} | {root for tree in trees for root in _roots(tree)})
    try:
        with file.open("rb") as stream:
            packed = stream.read(MOST_BYTES + 1)
        held = None if files is None else measured(sorted(files.glob("*.tep")))
    except OSError as error:
        raise Stopped(Problem("SYS-045", {"path": str(file), "reason": system_reason(error)})) from error
    report = verify_bundle(
        packed,
        anchors=brought if certificates or trees else None,
        schemas=schema_digests(),
        witnesses=known,
        contents=contents,
        named=files_named,
        files=held,
    )
    if not signed:
        return _print(call, str(file), report, len(packed))
    return _hand_out(call, str(file), report)


def _hand_out(call: CommandRun, shown: str, report: BundleReport) -> int:
    """Gives the signed bytes of a bundle that fits; says on standard error why there are none."""
    misfit = report.first_misfit
    if misfit is not None and misfit.problem is not None:
        call.screen.problem(misfit.problem, shown, to_err=True)
        return PROBLEMS
    if report.parts is None or report.parts.signed is None:
        call.screen.note("Không có phần đã ký.", "Nothing in it was signed.")
        return PROBLEMS
    call.screen.raw(report.parts.signed)
    tell_outside(call, report.parts.composed or report.parts.original)
    return UNDETERMINED if report.undetermined else FINE


def _roots(file: Path) -> list[str]:
    """The fingerprints of every certificate of a PEM file. Raises Stopped (SYS-045, SYS-034)."""
    from signing.trust import load_tree

    try:
        tree = load_tree(file.stem, file.read_bytes())
    except OSError as error:
        raise Stopped(Problem("SYS-045", {"path": str(file), "reason": system_reason(error)})) from error
    except ValueError as error:
        raise Stopped(Problem("SYS-034", {"path": str(file), "reason": str(error)})) from error
    return [one.fingerprint for one in tree.anchors]


def _print(call: CommandRun, shown: str, report: BundleReport, size: int, *, own: bool = False) -> int:
    """The report, and the exit code that follows from it. ``own``: we have just written it."""
    screen, misfit = call.screen, report.first_misfit
    code = PROBLEMS if misfit is not None else UNDETERMINED if report.undetermined else FINE
    if screen.as_json:
        screen.row(_row(call, shown, report, size))
        return code
    screen.line(*_headline(shown, report, size, own=own))
    for fit in report.fits:
        vi, en = STEPS[fit.step]
        word = STATUS_WORDS[fit.status]
        screen.line(f"  {word[0]}: {vi}", f"  {word[1]}: {en}")
        if fit is misfit and fit.problem is not None:
            screen.problem(fit.problem)
    if report.parts is not None and "anchors" in report.undetermined:
        _print_taken(call, report.parts)
    return code


def _headline(shown: str, report: BundleReport, size: int, *, own: bool) -> tuple[str, str]:
    about = _about(report.parts) if report.parts is not None else ""
    if report.first_misfit is not None:
        return f"{shown}: KHÔNG KHỚP ({about or '?'})", f"{shown}: DOES NOT FIT ({about or '?'})"
    if own:
        return f"Đã viết {shown} ({size} byte): {about}", f"Wrote {shown} ({size} bytes): {about}"
    if report.undetermined:
        return (
            f"{shown}: KHỚP, CÒN NỘI DUNG CHƯA ĐƯỢC CHỨNG MINH ({about})",
            f"{shown}: FITS, NOT ALL OF IT PROVEN ({about})",
        )
    return f"{shown}: KHỚP ({about})", f"{shown}: FITS ({about})"


def _print_taken(call: CommandRun, parts: Parts) -> None:
    """What the verifier has taken the bundle's word for."""
    from signing.evidence import anchors

    screen = call.screen
    screen.line(
        "Các chứng thư sau lấy từ chính gói, nên kết quả chỉ cho thấy các phần trong gói khớp với nhau. Đối "
        "chiếu vân tay qua kênh khác, sau đó kiểm tra lại với --cert (trục, bên gửi) và --tree (gốc):",
        "These certificates come from the bundle itself, so it only agrees with itself so far. Compare the fingerprints by "
        "another way, then check again with --cert (gateway, sender) and --tree (roots):",
    )
    for anchor in anchors(parts):
        vi, en = KINDS[anchor.kind]
        screen.line(f"  {anchor.fingerprint}  {vi} {anchor.of}", f"  {anchor.fingerprint}  {en} {anchor.of}")


def _about(parts: Parts) -> str:
    return " ".join(part for part in (parts.loai, parts.ma_thong_diep, parts.state, when(parts.received_at)) if part)


# What a row tells of the bundle's message; nothing of any where the bundle could not be taken apart.
_OF_MESSAGE: Final[Mapping[str, Callable[[Parts], object]]] = MappingProxyType(
    {
        "message": lambda parts: parts.message,
        "ma_thong_diep": lambda parts: parts.ma_thong_diep,
        "loai": lambda parts: parts.loai,
        "party": lambda parts: parts.party,
        "state": lambda parts: parts.state,
        "received_at": lambda parts: parts.received_at,
        "digest": lambda parts: parts.digest,
        "signed_sha256": lambda parts: parts.signed_digest,
    }
)


def _row(call: CommandRun, shown: str, report: BundleReport, size: int) -> dict[str, Any]:
    from signing.evidence import anchors

    parts, misfit = report.parts, report.first_misfit
    believed = anchors(parts) if parts is not None else []
    return {
        "file": shown,
        "bytes": size,
        "outcome": "failed" if misfit else "undetermined" if report.undetermined else "passed",
        "first_misfit": misfit.step if misfit else None,
        "steps": {fit.step: fit.status for fit in report.fits},
        **{name: told(parts) if parts is not None else None for name, told in _OF_MESSAGE.items()},
        "anchors": [{"fingerprint": one.fingerprint, "kind": one.kind, "of": one.of} for one in believed],
        "problems": [call.screen.problem_row(fit.problem, shown) for fit in report.fits if fit.problem is not None],
    }
