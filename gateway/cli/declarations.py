"""declarations: the schemas of forms (ToKhai), checked before they are dropped into the folder, and listed as in force."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from gateway.cli.command import FINE, PROBLEMS, CommandRun, Group, LazyCommand, Moment, argument, command, option
from gateway.cli.show import when
from gateway.core.operators import OperatorRole
from gateway.core.problems import Problem, ProblemOutcome, Stopped

declarations = Group(
    "declarations",
    entries={
        "list": LazyCommand(
            "gateway.cli.declarations:list_", "Lược đồ tờ khai đang có hiệu lực.", "The declaration schemas in force."
        ),
        "check": LazyCommand(
            "gateway.cli.declarations:check",
            "Kiểm tra một lược đồ hoặc cả thư mục trước khi đưa vào sử dụng.",
            "Check a schema, or a whole folder, before it is put in its place.",
        ),
    },
    default="list",
    vi="Tờ khai theo thủ tục: đặt tệp XSD mang mã thủ tục (1.001193.xsd) vào thư mục schemas.declarations, có "
    "hiệu lực ngay ở trục đang chạy. Tệp .toml cùng tên khai thêm: procedures, root, version, valid_from, "
    "valid_to, required.",
    en="Declarations (ToKhai) by procedure: an XSD named by its procedure (1.001193.xsd) in the folder "
    "schemas.declarations is enforced by the running gateway at once. A .toml of the same name may say procedures, root, "
    "version, valid_from, valid_to, required.",
)


@command(
    "list",
    vi="Lược đồ tờ khai nào phục vụ thủ tục nào, phiên bản, hiệu lực.",
    en="Which schema serves which procedure, in which version, from when to when.",
)
@option(
    "--at", type=Moment(), vi="Chỉ các lược đồ có hiệu lực tại thời điểm này.", en="Only what is in force at this time."
)
def list_(call: CommandRun, at: datetime | None) -> int:
    """Exit code 1 when the folder has a file that is no good."""
    from schemas.declarations import Declarations
    from schemas.names import local

    call.need(OperatorRole.VIEWER, "declarations")
    folder, screen = call.settings.schemas.declarations, call.screen
    if folder is None:
        screen.line(
            "Chưa cấu hình thư mục tờ khai (schemas.declarations): tờ khai được nhận nhưng không được kiểm tra.",
            "No declarations folder is configured (schemas.declarations): declarations are taken unchecked.",
        )
        return FINE
    found = [one for one in Declarations.load(folder) if at is None or one.in_force(at)]
    if screen.as_json:
        for one in found:
            screen.row(
                {
                    "file": one.file.name,
                    "procedures": list(one.procedures),
                    "root": one.root,
                    "version": one.version,
                    "valid_from": one.valid_from.isoformat() if one.valid_from else None,
                    "valid_to": one.valid_to.isoformat() if one.valid_to else None,
                    "required": one.required,
                }
            )
    elif found:
        names = (
            ("Thủ tục", "Procedure"),
            ("Gốc", "Root"),
            ("Phiên bản", "Version"),
            ("Từ", "From"),
            ("Đến", "To"),
            ("Bắt buộc", "Required"),
            ("Tệp", "File"),
        )
        yes, no = screen.text("có", "yes"), screen.text("không", "no")
        screen.table(
            [screen.text(*name) for name in names],
            [
                [
                    ", ".join(one.procedures),
                    local(one.root),
                    one.version,
                    when(one.valid_from),
                    when(one.valid_to),
                    yes if one.required else no,
                    one.file.name,
                ]
                for one in found
            ],
        )
    else:
        screen.line(f"{folder}: không có tờ khai nào.", f"{folder}: no declaration.")
    return FINE


@command(
    "check",
    vi="Kiểm tra lược đồ tờ khai như khi trục nạp lược đồ: hợp lệ với libxml2 và xmlschema, phục vụ thủ tục nào, "
    "không tải từ mạng, không có mẫu lặp lồng nhau. Khi nêu thư mục, kiểm tra cả các tệp trùng nhau.",
    en="Check declaration schemas as the gateway does when it loads them: valid for libxml2 and xmlschema, for which "
    "procedure, nothing from the network, no exploding pattern. Of a folder, files that contradict each other, too.",
)
@argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE|FOLDER…")
def check(call: CommandRun, paths: tuple[Path, ...]) -> int:
    """Exit code 1 when one of them could not be loaded."""
    from schemas.declarations import check_declaration

    screen, failed = call.screen, False
    for path in paths:
        if not path.exists():
            raise Stopped(Problem("SYS-045", {"path": str(path), "reason": "ENOENT"}))
        problems = check_declaration(path)
        bad = any(problem.outcome is ProblemOutcome.FAILED for problem in problems)
        failed |= bad
        if screen.as_json:
            screen.row({"file": str(path), "ok": not bad, "problems": [screen.problem_row(p) for p in problems]})
            continue
        words = ("KHÔNG DÙNG ĐƯỢC", "NO GOOD") if bad else ("DÙNG ĐƯỢC", "GOOD")
        screen.line(f"{path}: {words[0]}", f"{path}: {words[1]}")
        for problem in problems:
            screen.problem(problem)
    return PROBLEMS if failed else FINE
