"""What every command has in common: language, form of output, configuration, the person who acts, and how errors end.

Exit codes: 0 fine, 1 problems found, 2 wrong usage or configuration, 3 undetermined, 70 our own fault.
"""

from __future__ import annotations

import gc
import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from gateway.cli.show import Screen
from gateway.core.problems import Lang, Problem, Stopped
from gateway.core.written import nearest

if TYPE_CHECKING:  # settings know the rules of the schemas, and those load lxml; help needs neither
    from gateway.core.operators import OperatorRole
    from gateway.settings import LoadedSettings, Settings
    from gateway.store import Store

FINE, PROBLEMS, USAGE, UNDETERMINED, NOT_WHOLE, OURS = 0, 1, 2, 3, 4, 70

_F = TypeVar("_F", bound=Callable[..., Any])


class Misconfigured(Stopped):
    """The configuration cannot be used: wrong usage, not a finding."""


@dataclass
class CommandRun:
    """One run of the command line: what was asked for globally, and what follows from it when it is needed."""

    lang: Lang = Lang.VI
    lang_given: bool = False
    as_json: bool = False
    verbose: bool = False
    config: Path | None = None
    acting_as: str | None = None
    yes: bool = False  # the act was agreed to beforehand
    given: dict[str, Any] = field(default_factory=dict)  # settings that the command line overrides
    _read: dict[Path | None, LoadedSettings] = field(default_factory=dict, init=False, repr=False)  # each file once

    @cached_property
    def screen(self) -> Screen:
        """Where everything is printed."""
        return Screen(lang=self.lang, as_json=self.as_json)

    @cached_property
    def loaded(self) -> LoadedSettings:
        """The settings in force. Raises Misconfigured."""
        return self.load_near(Path.cwd(), needed=True)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    def load_near(self, place: Path, *, needed: bool) -> LoadedSettings:
        """The settings by --config, or else by the ``lienthong.toml`` of the folder, or of one above it."""
        from gateway.settings import CONFIG_NAME, find, load

        try:
            file = find(place, self.config)
            if file is None and needed:
                raise Stopped(Problem("SYS-010", {"file": str(place / CONFIG_NAME)}))
            if file not in self._read:
                self._read[file] = load(file, given=self.given)
            loaded = self._read[file]
        except Stopped as stop:
            raise Misconfigured(*stop.problems) from stop
        if not self.lang_given and "node.lang" in loaded.origins and locale_lang() is None:
            self.lang = loaded.settings.node.lang
            self.screen.lang = self.lang
        return loaded

    @cached_property
    def account(self) -> str:
        """The account of the operating system that runs the command."""
        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return str(os.getuid())

    @property
    def person(self) -> str:
        """Whom the log names: the account, and the name given by --as before it."""
        return f"{self.acting_as} ({self.account})" if self.acting_as else self.account

    @property
    def role(self) -> OperatorRole:
        """What this account may do here; whoever owns the configuration file is administrator where none is named."""
        from gateway.core.operators import OperatorRole

        roles = self.settings.operators
        if roles:
            return roles.get(self.account, OperatorRole.VIEWER)
        file = self.loaded.file
        owner = file is not None and file.stat().st_uid == os.getuid()
        return OperatorRole.ADMINISTRATOR if owner else OperatorRole.VIEWER

    def need(self, role: OperatorRole, act: str) -> None:
        """Raises Stopped (SYS-040) when this account may not do that."""
        from gateway.core.operators import may

        if self.role not in may(role):
            facts = {
                "person": self.account,
                "role": self.role,
                "act": act,
                "needed": role,
                "file": str(self.loaded.file),
            }
            raise Stopped(Problem("SYS-040", facts))

    def agreed(self, act: str, reason: str | None, vi: str, en: str) -> str:
        """The reason of an act that a person wants done now: both are asked for at a terminal, and given elsewhere.

        Raises Stopped: SYS-041 no reason, SYS-080 nobody to ask and no --yes, SYS-081 the person said no.
        """
        if not self.screen.interactive and not self.yes:
            missing = [] if reason and reason.strip() else [Problem("SYS-041", {"act": act})]
            raise Stopped(*missing, Problem("SYS-080", {"act": act}))
        why = reason_of(self, reason, act)
        if not self.yes and not click.confirm(self.screen.text(vi, en), err=True):
            raise Stopped(Problem("SYS-081", {"act": act}))
        return why

    @cached_property
    def store(self) -> Store:
        """The database. Raises Stopped when it cannot be opened or is not of this program's revision."""
        from gateway.opening import open_store

        store = open_store(self.loaded)
        click.get_current_context().call_on_close(store.dispose)  # a run in a process that goes on leaves nothing open
        return store

    @property
    def now(self) -> datetime:
        """The time, read here and nowhere below."""
        return datetime.now(UTC)


def locale_lang() -> Lang | None:
    """The language of the environment, by POSIX precedence; None where it names neither of ours."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return Lang(value[:2].lower()) if value[:2].lower() in {"vi", "en"} else None
    return None


class Option(click.Option):
    """An option whose help exists in both languages and names its environment variable."""

    def __init__(self, *args: Any, vi: str = "", en: str = "", **kwargs: Any) -> None:
        kwargs["show_envvar"] = True
        super().__init__(*args, **kwargs)
        self.vi, self.en = vi, en

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The two columns of the help page."""
        self.help = self.vi if lang_of(ctx) is Lang.VI else self.en
        return super().get_help_record(ctx)


class Helped:
    """--help, explained in both languages."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The option as click makes it, with our words."""
        made = super().get_help_option(ctx)  # type: ignore[misc]
        if made is not None:
            made.help = say(ctx, "Hiển thị trợ giúp này.", "Show this page and leave.")
        return cast("click.Option | None", made)


class Command(Helped, click.Command):
    """A command whose help exists in both languages."""

    def __init__(self, *args: Any, vi: str = "", en: str = "", acts: bool = False, **kwargs: Any) -> None:
        """``acts``: it does something that matters where nobody reads what it says; all that take a reason do."""
        super().__init__(*args, **kwargs)
        self.vi, self.en = vi, en
        self.acts = acts or any(param.name == "reason" for param in self.params)
        self.params.extend(common_options())

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The paragraph under the usage line."""
        self.help = self.vi if lang_of(ctx) is Lang.VI else self.en
        super().format_help_text(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options first, those that every command has after them."""
        lang = lang_of(ctx)
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                (shared if param.name in _SHARED or param.name == "help" else own).append(record)
        for title, rows in (((("Tùy chọn", "Options")), own), (("Chung cho mọi lệnh", "On every command"), shared)):
            if rows:
                with formatter.section(title[lang is Lang.EN]):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Takes the common options where they were given after the command's name."""
        take_common(ctx).screen.goes_on = self.acts
        return super().invoke(ctx)


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is imported only when it runs."""

    place: str  # "gateway.cli.check:check"
    vi: str
    en: str


class Group(Helped, click.Group):
    """A group of commands imported when they run, so that help is quick."""

    def __init__(
        self,
        *args: Any,
        entries: dict[str, LazyCommand],
        meanings: Mapping[str, tuple[str, str]] | None = None,
        vi: str = "",
        en: str = "",
        default: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.entries = entries
        self.meanings = meanings or {}  # words that people try instead -> where what they mean is, in both languages
        self.default = default  # the command meant when none is named
        self.vi, self.en = vi, en
        self.params.extend(common_options())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """With the default command, where there is one and none is named."""
        named = any(arg in self.entries for arg in args)
        if self.default is not None and not named and not {"--help", "-h"} & set(args):
            args = [self.default, *args] if not args or args[0].startswith("-") else args
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of the table."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command, imported now."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.place.partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.place} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the nearest known command named for a mistyped one."""
        name = args[0]
        if name not in self.entries and not ctx.resilient_parsing:
            take_common(ctx)
            meant = self.meanings.get(name.lower())
            near = nearest(name, self.entries)
            perhaps = say(ctx, f" Có lẽ là “{near}”?", f" Perhaps “{near}”?") if near else ""
            raise click.UsageError(
                say(ctx, f"Không có lệnh “{name}”.", f"There is no command “{name}”.")
                + (say(ctx, f" {meant[0]}", f" {meant[1]}") if meant else perhaps),
                ctx,
            )
        return super().resolve_command(ctx, args)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The paragraph under the usage line."""
        self.help = self.vi if lang_of(ctx) is Lang.VI else self.en
        super().format_help_text(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing one."""
        vi = lang_of(ctx) is Lang.VI
        with formatter.section("Lệnh" if vi else "Commands"):
            formatter.write_dl([(name, entry.vi if vi else entry.en) for name, entry in self.entries.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands first, then the options that every command has."""
        self.format_commands(ctx, formatter)
        rows = [record for param in self.get_params(ctx) if (record := param.get_help_record(ctx)) is not None]
        with formatter.section("Chung cho mọi lệnh" if lang_of(ctx) is Lang.VI else "On every command"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Takes the common options given before the command's name."""
        take_common(ctx)
        return super().invoke(ctx)


_SHARED = ("config", "lang", "as_json", "verbose", "acting_as")


def common_options() -> list[click.Parameter]:
    """The options that every command has, before or after its name."""
    return [
        Option(
            ["--config", "config"],
            type=click.Path(path_type=Path, dir_okay=False),
            envvar="LIENTHONG_CONFIG",
            expose_value=False,
            callback=_keep,
            is_eager=True,
            vi="Tệp cấu hình; nếu không nêu, tìm lienthong.toml từ thư mục hiện tại trở lên.",
            en="The configuration file; otherwise lienthong.toml of this folder or one above it.",
        ),
        Option(
            ["--lang", "lang"],
            type=click.Choice(["vi", "en"]),
            envvar="LIENTHONG_LANG",
            expose_value=False,
            callback=_keep,
            is_eager=True,
            vi="Ngôn ngữ; nếu không nêu, theo thiết lập của hệ điều hành (locale), sau đó theo cấu hình.",
            en="The language; otherwise by locale, then by configuration.",
        ),
        Option(
            ["--json", "as_json"],
            is_flag=True,
            default=None,
            envvar="LIENTHONG_JSON",
            expose_value=False,
            callback=_keep,
            is_eager=True,
            vi="Hiển thị dạng JSON, mỗi dòng một đối tượng.",
            en="Print JSON, one object a line.",
        ),
        Option(
            ["--verbose", "-v", "verbose"],
            is_flag=True,
            default=None,
            envvar="LIENTHONG_VERBOSE",
            expose_value=False,
            callback=_keep,
            is_eager=True,
            vi="Thêm chi tiết kỹ thuật khi có lỗi.",
            en="More technical detail when something goes wrong.",
        ),
    ]


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Remembers a common option on its own context; take_common() brings them together."""
    if value is not None:
        ctx.meta.setdefault("lienthong", {})[param.name or ""] = value
    return value


def take_common(ctx: click.Context) -> CommandRun:
    """The Call of this run, with whatever the common options have said so far."""
    call = ctx.find_object(CommandRun)
    if call is None:
        call = CommandRun(*asked_for((), os.environ))
        ctx.find_root().obj = call
    given = ctx.meta.get("lienthong", {})
    if "lang" in given:
        call.lang, call.lang_given = Lang(given["lang"]), True
    call.config = given.get("config", call.config)
    call.as_json = bool(given.get("as_json", call.as_json))
    call.verbose = bool(given.get("verbose", call.verbose))
    call.screen.lang, call.screen.as_json = call.lang, call.as_json
    return call


def lang_of(ctx: click.Context) -> Lang:
    """The language to show help in."""
    given = ctx.meta.get("lienthong", {}).get("lang")
    call = ctx.find_object(CommandRun)
    return Lang(given) if given else call.lang if call is not None else asked_for((), {})[0]


def asked_for(arguments: Sequence[str], env: Mapping[str, str]) -> tuple[Lang, bool]:
    """The language, and whether it was asked for, before the arguments are parsed: their errors need one already."""
    for number, argument in enumerate(arguments):
        name, sep, value = argument.partition("=")
        if name == "--lang":
            value = value if sep else next(iter(arguments[number + 1 : number + 2]), "")
            if value in list(Lang):
                return Lang(value), True
    if env.get("LIENTHONG_LANG") in list(Lang):
        return Lang(env["LIENTHONG_LANG"]), True
    return locale_lang() or Lang.VI, False


def say(ctx: click.Context, vi: str, en: str) -> str:
    """The text in the language of this run."""
    return vi if lang_of(ctx) is Lang.VI else en


def command(name: str, *, vi: str, en: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Command]:
    """Decorator: a command with help in both languages, called with the Call first."""

    def wrap(function: Callable[..., Any]) -> Command:
        return click.command(name, cls=Command, vi=vi, en=en, **kwargs)(click.pass_obj(function))

    return wrap


def option(*names: str, vi: str, en: str, **kwargs: Any) -> Callable[[_F], _F]:
    """Decorator: an option with help in both languages."""
    return click.option(*names, cls=Option, vi=vi, en=en, **kwargs)


def argument(*names: str, **kwargs: Any) -> Callable[[_F], _F]:
    """Decorator: a positional argument."""
    return click.argument(*names, **kwargs)


def acting(function: _F) -> _F:
    """Decorator: the options of everything that is logged with person and reason. The function gets ``reason``."""
    named = option(
        "--as",
        "acting_as",
        envvar="LIENTHONG_AS",
        expose_value=False,
        callback=_act_as,
        metavar="TÊN|NAME",
        vi="Tên người thực hiện, ghi vào nhật ký cạnh tài khoản.",
        en="The acting person's name, logged beside the account.",
    )
    reasoned = option(
        "--reason", "reason", metavar="…", vi="Lý do, ghi vào nhật ký.", en="The reason; it goes into the log."
    )
    return reasoned(named(function))


def asking(function: _F) -> _F:
    """Decorator: an act that changes what others rely on. The options of ``acting``, and --yes for CommandRun.agreed()."""
    agreed = option(
        "--yes",
        "-y",
        "yes",
        is_flag=True,
        expose_value=False,
        callback=_agree,
        vi="Đồng ý trước, không hỏi lại; bắt buộc khi không có người vận hành ở màn hình.",
        en="Agree beforehand, do not ask; needed where nobody sits at a terminal.",
    )
    return agreed(acting(function))


def _agree(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    take_common(ctx).yes = value


def _act_as(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value:
        take_common(ctx).acting_as = value


def stays() -> None:
    """For a process that goes on for months: garbage is looked for as often as Python means it, unlike in a short run."""
    gc.set_threshold(700, 10, 10)


def reason_of(call: CommandRun, reason: str | None, act: str) -> str:
    """The reason, asked for at a terminal when it was not given. Raises Stopped (SYS-041) without one."""
    if reason is None and call.screen.interactive:
        reason = click.prompt(call.screen.text(f"Lý do {act}", f"Reason to {act}"), err=True)
    if reason is None or not reason.strip():
        raise Stopped(Problem("SYS-041", {"act": act}))
    return reason.strip()


class Moment(click.ParamType[datetime]):
    """A time with a zone, ISO 8601; a date alone is its first moment in Vietnam."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time in UTC."""
        if isinstance(value, datetime):
            return value
        text = f"{value}T00:00:00+07:00" if len(value) == len("2026-01-01") else value
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(_how_to_write(ctx, value), param, ctx)
        if moment.tzinfo is None:
            self.fail(_how_to_write(ctx, value), param, ctx)
        return moment.astimezone(UTC)


def _how_to_write(ctx: click.Context | None, value: str) -> str:
    dates = "2026-01-31, 2026-01-31T08:00:00+07:00"
    if ctx is None:
        return dates
    return say(ctx, f"“{value}” không phải thời điểm viết như {dates}.", f"“{value}” is no time written like {dates}.")


def check_period(call: CommandRun, since: datetime | None, until: datetime | None) -> None:
    """Raises UsageError for a period that ends before it begins: nothing would be found in it, which says nothing."""
    if since is not None and until is not None and until <= since:
        raise click.UsageError(
            call.screen.text("Kỳ kết thúc trước khi bắt đầu.", "The period ends before it begins."),
            click.get_current_context(),
        )


def with_settings(call: CommandRun, **given: Any) -> CommandRun:
    """The call with settings that its own options override; None leaves them alone."""
    extra = {name.replace("__", "."): value for name, value in given.items() if value is not None}
    if not extra:
        return call
    return replace(call, given={**call.given, **extra})
