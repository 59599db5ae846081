"""Floor 7: the command line. One file for each group of commands; show.py is the one place that prints.

Commands are imported when they run, so that ``lienthong --help`` is quick.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

import click

from gateway.cli.command import (
    FINE,
    OURS,
    PROBLEMS,
    USAGE,
    CommandRun,
    Group,
    LazyCommand,
    Misconfigured,
    Option,
    asked_for,
    say,
    take_common,
)
from gateway.cli.meanings import MEANINGS
from gateway.cli.show import Unwritable, show_all, to_nobody
from gateway.cli.words import click_in_vietnamese
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped

INTERRUPTED = 130  # as a shell says it
SELDOM = 50_000  # objects between two looks for garbage: a look-up, which makes many and ends, took a tenth more CPU by looking

COMMANDS: dict[str, LazyCommand] = {
    "demo": LazyCommand(
        "gateway.cli.demo:demo",
        "Trình diễn một hồ sơ được chuyển trọn hai chiều rồi tự kết thúc.",
        "Watch a dossier travel both ways; ends by itself.",
    ),
    "sandbox": LazyCommand(
        "gateway.cli.sandbox:sandbox",
        "Trục thử nghiệm riêng, với cổng dịch vụ công và cơ quan hư cấu.",
        "A gateway of your own to try against, with a fictional portal and agency.",
    ),
    "conformance": LazyCommand(
        "gateway.cli.conformance:conformance",
        "Bộ kiểm tra hợp chuẩn cho đơn vị kết nối.",
        "The conformance kit for integrators.",
    ),
    "init": LazyCommand(
        "gateway.cli.node:init",
        "Thiết lập một máy mới: cấu hình, khóa, thư mục hồ sơ các bên.",
        "Make a new node: configuration, key, folder of parties.",
    ),
    "serve": LazyCommand(
        "gateway.cli.run:serve",
        "Khởi động dịch vụ tiếp nhận thông điệp qua REST và SOAP.",
        "Open the door: take messages by REST and SOAP.",
    ),
    "work": LazyCommand(
        "gateway.cli.run:work", "Gửi thông điệp đi, xét lại, theo dõi thời hạn.", "Deliver, judge again, watch."
    ),
    "check": LazyCommand(
        "gateway.cli.check:check",
        "Kiểm tra các tệp như khi tiếp nhận, không cần máy chủ.",
        "Judge files as on arrival; needs no server.",
    ),
    "sample": LazyCommand(
        "gateway.cli.sample:sample", "Tạo thông điệp thử, hợp lệ.", "Make valid messages to try with."
    ),
    "sign": LazyCommand("gateway.cli.check:sign", "Ký một tệp.", "Sign a file."),
    "verify": LazyCommand(
        "gateway.cli.check:verify",
        "Kiểm tra chữ ký của một tệp, nêu rõ ai ký và ký nội dung gì.",
        "Verify a signature; say who signed and what.",
    ),
    "messages": LazyCommand("gateway.cli.find:messages", "Tìm thông điệp.", "Find messages."),
    "show": LazyCommand(
        "gateway.cli.find:show", "Toàn bộ thông tin về một thông điệp.", "Everything known about one message."
    ),
    "evidence": LazyCommand(
        "gateway.cli.evidence:evidence",
        "Gói bằng chứng của một thông điệp, kiểm tra được ở mọi nơi.",
        "The evidence of one message, a file that anybody can check.",
    ),
    "dossier": LazyCommand(
        "gateway.cli.dossier:dossier",
        "Dòng thời gian của một hồ sơ; giải phóng mã hồ sơ bị dùng sai.",
        "The timeline of a dossier; give an occupied code back.",
    ),
    "inbox": LazyCommand("gateway.cli.find:inbox", "Hộp thư của một bên.", "The inbox that a party would get."),
    "lanes": LazyCommand(
        "gateway.cli.find:lanes",
        "Hàng đợi gửi theo hồ sơ, hàng đợi bị tạm giữ, lỗi tổng hợp theo nguyên nhân.",
        "Delivery lanes, held ones, failures by cause.",
    ),
    "replay": LazyCommand(
        "gateway.cli.act:replay",
        "Gửi lại hoặc xét lại, lập kế hoạch trước.",
        "Deliver or judge again, with a plan first.",
    ),
    "skip": LazyCommand("gateway.cli.act:skip", "Bỏ qua một lượt gửi, có lý do.", "Skip a delivery, with a reason."),
    "batches": LazyCommand(
        "gateway.cli.batch:batches", "Các đợt gửi lại, bỏ qua, khắc phục.", "Batches of replays, skips, repairs."
    ),
    "batch": LazyCommand(
        "gateway.cli.batch:batch",
        "Một đợt: xem, tạm dừng, chạy tiếp, hủy, duyệt.",
        "One batch: look, pause, resume, cancel, approve.",
    ),
    "deadlines": LazyCommand(
        "gateway.cli.reports:deadlines", "Hồ sơ quá hạn, sắp đến hạn.", "Dossiers late, or due soon."
    ),
    "alerts": LazyCommand(
        "gateway.cli.alerts:alerts",
        "Cảnh báo cần người vận hành xử lý, ai đã tiếp nhận.",
        "What needs a person, and who took it on.",
    ),
    "top": LazyCommand(
        "gateway.cli.top:top", "Tình hình ngay lúc này, tự làm mới.", "How everything stands just now, refreshed."
    ),
    "notify": LazyCommand(
        "gateway.cli.notify:notify", "Các kênh báo tin, gửi thử.", "Channels of notices, and a test of them."
    ),
    "drift": LazyCommand(
        "gateway.cli.drift:drift",
        "Hồ sơ có dữ liệu ở một bên chưa khớp, nguyên nhân, bên phải xử lý.",
        "Dossiers that a party does not know rightly, why, whose turn.",
    ),
    "lint": LazyCommand(
        "gateway.cli.lint:lint",
        "Nội dung của hồ sơ làm giảm điểm của đơn vị theo bộ chỉ số 766.",
        "What of the dossiers costs a unit points in the index 766.",
    ),
    "reconcile": LazyCommand(
        "gateway.cli.reconcile:reconcile",
        "Đối soát dữ liệu của trục với dữ liệu của một bên.",
        "Our record against what a party believes.",
    ),
    "report": LazyCommand("gateway.cli.reports:report", "Thống kê một kỳ.", "Count a period."),
    "catalogue": LazyCommand("gateway.cli.reports:catalogue", "Danh mục có phiên bản.", "Catalogues with versions."),
    "declarations": LazyCommand(
        "gateway.cli.declarations:declarations",
        "Lược đồ tờ khai theo thủ tục.",
        "Declaration schemas by procedure.",
    ),
    "trust": LazyCommand(
        "gateway.cli.trust:trust", "Chứng thư: dự báo, tình trạng.", "Certificates: forecast, status."
    ),
    "key": LazyCommand("gateway.cli.keys:key", "Khóa ký của trục.", "The gateway's signing key."),
    "parties": LazyCommand("gateway.cli.parties:parties", "Sổ đăng ký các bên.", "The registry of parties."),
    "log": LazyCommand("gateway.cli.log:log", "Nhật ký móc xích.", "The chained log."),
    "archive": LazyCommand(
        "gateway.cli.archive:archive",
        "Lưu trữ các tháng đã qua thành tệp.",
        "Months that are over, in files of their own.",
    ),
    "erase": LazyCommand(
        "gateway.cli.erase:erase",
        "Xóa nội dung hết thời hạn lưu trữ, lập kế hoạch trước.",
        "Erase what retention no longer keeps, with a plan first.",
    ),
    "console": LazyCommand(
        "gateway.console.command:console", "Bàn trực: các trang cho người trực.", "The console: pages for persons."
    ),
    "operator": LazyCommand(
        "gateway.cli.persons:operator", "Người trực: thêm, khóa, mật khẩu.", "Persons: add, shut out, passwords."
    ),
    "backup": LazyCommand(
        "gateway.cli.backup:backup",
        "Sao lưu cơ sở dữ liệu vào một tệp đã ký.",
        "Back the database up into one signed file.",
    ),
    "restore": LazyCommand(
        "gateway.cli.backup:restore",
        "Khôi phục từ bản sao lưu; ai phải gửi lại gì.",
        "Go back to a backup; who has to send what again.",
    ),
    "db": LazyCommand("gateway.cli.node:db", "Cơ sở dữ liệu.", "The database."),
    "doctor": LazyCommand(
        "gateway.cli.node:doctor",
        "Thiết lập đang có hiệu lực, nguồn của từng thiết lập, các lỗi.",
        "What is in force, where from, and what is wrong.",
    ),
}

lienthong = Group(
    "lienthong",
    entries=COMMANDS,
    meanings=MEANINGS,
    vi="Liên Thông: trục trao đổi hồ sơ giữa cổng dịch vụ công và hệ thống một cửa các cơ quan.",
    en="Liên Thông: the interoperability gateway between a province's portal and its agencies' one-stop systems.",
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
    no_args_is_help=True,
    epilog="Exit: 0 · 1 problems · 2 usage · 3 undetermined · 70 our fault",
)


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"lienthong {version('lienthong')}")
        ctx.exit(FINE)


lienthong.params.append(
    Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_version,
        vi="Hiển thị phiên bản.",
        en="Print the version and leave.",
    )
)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code. Errors are sentences; a traceback is shown with --verbose only."""
    gc.set_threshold(SELDOM)
    atexit.register(gc.freeze)  # what is left goes with the process: nobody looks for garbage in it before
    arguments = sys.argv[1:] if arguments is None else arguments
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started us: everything is done, and said to nobody
        sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: PTH123, SIM115
    show_all(sys.stdout, sys.stderr)
    call = CommandRun(*asked_for(arguments, os.environ))
    try:
        result = lienthong.main(args=arguments, prog_name="lienthong", obj=call, standalone_mode=False)
        code = result if isinstance(result, int) else FINE
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is, a person gets a sentence
        code = next(ended for kind, ended in _ENDINGS if isinstance(error, kind))(error, call)
    sys.exit(code)


def _no_arguments(error: click.exceptions.NoArgsIsHelpError, _call: CommandRun) -> int:
    click.echo(error.format_message(), err=True)
    return USAGE


def _stopped(stop: Stopped, call: CommandRun) -> int:
    for problem in stop.problems:
        call.screen.problem(problem, to_err=True)
    return USAGE if isinstance(stop, Misconfigured) else PROBLEMS


def _unwritable(error: Unwritable, call: CommandRun) -> int:
    to_nobody(sys.stdout)  # what is still in its buffer must not be tried again at the end
    call.screen.problem(Problem("SYS-054", {"reason": system_reason(error)}), to_err=True)
    return PROBLEMS


def _interrupted(error: BaseException, _call: CommandRun) -> int:
    if KeyboardInterrupt in {type(error), type(error.__cause__)}:
        to_nobody(sys.stdout)  # its reader may have stopped reading: the rest would hold us up once more at the end
    return INTERRUPTED


def _unforeseen(error: Exception, call: CommandRun) -> int:
    if call.verbose:
        import traceback

        traceback.print_exception(error)
    store = sys.modules.get("gateway.store")
    if store is not None and isinstance(error, store.NotAtHand):
        call.screen.problem(Problem(error.code, error.facts), to_err=True)
        return PROBLEMS
    if store is not None and isinstance(error, store.StoreError):
        call.screen.problem(Problem("SYS-048", {"reason": str(error)}), to_err=True)
        return PROBLEMS
    call.screen.problem(Problem("SYS-004", {"error": type(error).__name__}), to_err=True)
    return OURS


def _usage(error: click.UsageError, call: CommandRun) -> int:
    ctx = error.ctx
    if ctx is None:
        click.echo(call.screen.text(click_in_vietnamese(error.format_message()), error.format_message()), err=True)
        return USAGE
    take_common(ctx)
    click.echo(ctx.get_usage(), err=True)
    click.echo(_sentence(ctx, error), err=True)
    hint = f"{ctx.command_path} --help"
    click.echo(say(ctx, f"Xem “{hint}”.", f"See “{hint}”."), err=True)
    return USAGE


# How a command may end before it is done, the first that fits, and what gives the exit code.
_ENDINGS: Final[tuple[tuple[type[BaseException], Callable[[Any, CommandRun], int]], ...]] = (
    (SystemExit, lambda _leave, _call: FINE),  # click's way to end when whoever read us has gone
    (click.exceptions.NoArgsIsHelpError, _no_arguments),
    (click.exceptions.Exit, lambda leave, _call: int(leave.exit_code)),
    (click.UsageError, _usage),
    (click.Abort, _interrupted),
    (KeyboardInterrupt, _interrupted),
    (Stopped, _stopped),
    (Unwritable, _unwritable),
    (Exception, _unforeseen),
)


def _sentence(ctx: click.Context, error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        near = f" ({', '.join(error.possibilities)}?)" if error.possibilities else ""
        return say(
            ctx, f"Không có tùy chọn {error.option_name}{near}.", f"There is no option {error.option_name}{near}."
        )
    if isinstance(error, click.MissingParameter):
        name = error.param.get_error_hint(ctx) if error.param else error.param_hint
        return say(ctx, f"Thiếu {name}.", f"{name} is missing.")
    if isinstance(error, click.BadParameter):
        name = error.param.get_error_hint(ctx) if error.param else error.param_hint
        return say(
            ctx,
            f"Giá trị của {name} không dùng được: {click_in_vietnamese(error.message)}",
            f"{name} cannot be used: {error.message}",
        )
    return say(ctx, click_in_vietnamese(error.format_message()), error.format_message())


__all__ = ["COMMANDS", "CommandRun", "lienthong", "main"]
