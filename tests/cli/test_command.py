"""What every command has in common."""

import io
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module

import click
import pytest
from patience import PATIENCE_S

from gateway.cli import COMMANDS, lienthong
from gateway.cli.command import Command, Group, Option
from gateway.cli.show import Screen, as_json, inert, one_line


def commands(group=lienthong, path=()):
    for name, entry in group.entries.items():
        module, _, attribute = entry.place.partition(":")
        command = getattr(import_module(module), attribute)
        yield (*path, name), entry, command
        if isinstance(command, Group):
            yield from commands(command, (*path, name))


ALL = list(commands())


@pytest.mark.parametrize(("path", "entry", "command"), ALL, ids=[" ".join(path) for path, _, _ in ALL])
def test_every_command_explains_itself_in_both_languages(path, entry, command):
    assert entry.vi
    assert entry.en
    assert isinstance(command, Command | Group)
    assert command.vi
    assert command.en
    assert command.vi != command.en
    for param in command.params:
        if isinstance(param, Option):
            assert param.vi, param.name
            assert param.en, param.name


@pytest.mark.parametrize("path", [path for path, _, _ in ALL], ids=" ".join)
@pytest.mark.parametrize(("lang", "word"), [("vi", "Chung cho mọi lệnh"), ("en", "On every command")])
def test_help_is_in_the_language_asked_for(cli, path, lang, word):
    result = cli(*path, "--help", "--lang", lang)
    assert result.code == 0
    assert word in result.out


def test_help_lists_every_command_without_importing_one(process):
    result = process("--help")
    assert result.code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name}\s", result.out, re.MULTILINE)


def test_help_is_quick_because_it_loads_no_library(process):
    import subprocess
    import sys

    code = (
        "import sys\nfrom gateway.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'lxml', 'sqlalchemy', 'aiohttp', 'cryptography', 'rich', 'xmlschema'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr


#: Parties as they are built, and what builds them: what a list shows of a party is its name. A dossier's time limits need them.
BUILT = (
    "gateway.wiring",
    "gateway.services.profiles",
    "gateway.core.parties",
    "gateway.core.orders",
    "gateway.core.clocks",
    "connectors",
)

#: What a look-up has no use for: XML, signatures, the way out, other databases, what writes, what migrates, sheets.
NOT_FOR_A_LOOK_UP = (
    "lxml", "xmlschema", "zeep", "signxml", "cryptography", "pyhanko", "aiohttp", "jinja2", "openpyxl", "alembic", "psycopg",
    "prometheus_client", "structlog", "uvloop", "sqlalchemy.dialects.postgresql", "gateway.store.tx", "gateway.store.statements",
    "rich.console", "rich.table", "gateway.documents", "schemas.rules", "schemas.catalog", "signing", "gateway.core.ledger", "gateway.core.access", "gateway.core.rights",
    "gateway.cli.check",
)  # fmt: skip


#: Alerts read certificates and trees, to say what ends, and may bring the figures up to date; they ask nobody, and read no document.
NOT_FOR_ALERTS = (
    *(name for name in NOT_FOR_A_LOOK_UP if name not in ("cryptography", "signing") and not name.startswith(("gateway.core.", "gateway.store."))),
    "connectors.http", "connectors.registry", "schemas.record", "signing.verify", "signing.status", "pyhanko_certvalidator",
)  # fmt: skip


def test_a_look_up_loads_nothing_that_it_has_no_use_for(node):
    """Names and not seconds: most of a look-up's time was spent on loading what it did not use."""
    program = (
        "import sys\n"
        "from gateway.cli import main\n"
        "def ask(*lines):\n"
        "    for line in lines:\n"
        "        try: main(line.split())\n"
        "        except SystemExit: pass\n"
        "    print('loaded', *sorted(sys.modules))\n"
        "ask('messages', 'show abcdef', 'lanes', 'log show', 'batches')\n"
        "ask('dossier H19.901-260115-0001')\n"
        "ask('alerts', 'top --once')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=node, capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    listed, found, alerted = (line.split()[1:] for line in done.stdout.splitlines() if line.startswith("loaded "))
    assert "gateway.store.view" in listed
    assert [name for name in (*NOT_FOR_A_LOOK_UP, *BUILT) if name in listed] == []
    assert "gateway.services.dossiers" in found
    assert [name for name in NOT_FOR_A_LOOK_UP if name in found] == []
    assert "gateway.services.watch" in alerted
    assert [name for name in NOT_FOR_ALERTS if name in alerted] == []


def test_a_mistyped_command_is_met_with_the_nearest_one(cli):
    result = cli("chek")
    assert (result.code, "“check”" in result.err) == (2, True)


def test_a_mistyped_option_is_wrong_usage_in_the_language_of_the_run(cli):
    result = cli("--lang", "en", "messages", "--stat", "held")
    assert result.code == 2
    assert "There is no option --stat" in result.err
    assert cli("messages", "--stat", "held").err.find("Không có tùy chọn --stat") > 0


@pytest.mark.parametrize(
    ("variables", "lang"),
    [
        ({"LANG": "vi_VN.UTF-8"}, "vi"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "vi_VN"}, "vi"),
        ({"LANG": "C.UTF-8"}, "vi"),
        ({"LANG": "fr_FR"}, "vi"),
        ({"LANG": "vi_VN", "LIENTHONG_LANG": "en"}, "en"),
    ],
)
def test_the_language_is_the_option_s_or_the_locale_s_or_vietnamese(cli, monkeypatch, variables, lang):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("Commands" if lang == "en" else "Lệnh") in cli("--help").out


def test_the_node_s_language_counts_where_the_locale_says_nothing(cli, node, monkeypatch):
    config = node / "lienthong.toml"
    config.write_text(re.sub(r'lang = "vi"', 'lang = "en"', config.read_text()))
    monkeypatch.setenv("LANG", "C")
    assert "No messages" in cli("messages").out


def test_common_options_stand_before_or_after_the_command(cli, node):
    assert cli("--json", "log", "verify").rows == cli("log", "verify", "--json").rows


def test_without_a_configuration_a_command_says_how_to_get_one(cli):
    result = cli("messages")
    assert result.code == 2
    assert "SYS-010" in result.err
    assert "lienthong init" in result.err


def test_a_wrong_configuration_is_wrong_usage_with_file_and_line(cli, node):
    (node / "lienthong.toml").write_text("[web]\nprot = 1\n")
    result = cli("messages")
    assert result.code == 2
    assert f"{node}/lienthong.toml:2:1 SYS-012" in result.err


def test_a_fault_of_ours_is_a_sentence_and_a_traceback_only_on_request(cli, node, monkeypatch):
    monkeypatch.setattr("gateway.services.desk.causes", lambda *_, **__: 1 / 0)
    result = cli("messages", "--causes")
    assert result.code == 70
    assert "SYS-004" in result.err
    assert "Traceback" not in result.err
    assert "Traceback" in cli("--verbose", "messages", "--causes").err


def test_a_database_that_is_not_there_yet_is_a_sentence(cli, node):
    (node / "lienthong.sqlite3").unlink()
    result = cli("messages")
    assert (result.code, "SYS-031" in result.err, "Traceback" in result.err) == (1, True, False)


def test_version_names_the_program(cli):
    assert re.fullmatch(r"lienthong \d+\.\d+\.\d+\S*\n", cli("--version").out)


@pytest.mark.parametrize(
    "char", ["\x1b", "\x9b", "\x00", "\r", "\x85", "\u2028", "\u202e", "\u2066", "\u200f", "\ufeff", "\x7f"]
)
def test_nothing_printed_can_steer_a_terminal(char):
    assert char not in inert(f"a{char}b")
    assert char not in as_json({"a": f"a{char}b"})


def test_what_is_shown_in_one_line_stays_in_it():
    assert one_line("a\nb\tc") == "a\\nb\\tc"


def test_json_keeps_vietnamese_and_means_the_same(cli):
    import json

    text = "Trục liên thông \u202e\x1b[31m 😀"
    assert json.loads(as_json({"a": text})) == {"a": text}
    assert "Trục liên thông" in as_json({"a": text})


def test_a_reader_that_goes_away_is_no_error(node, tmp_path):
    import subprocess
    import sys

    done = subprocess.run(
        f"{sys.executable} -m gateway doctor --all --json | head -1",
        shell=True,
        cwd=node,
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert b"Traceback" not in done.stderr
    assert b"SYS-004" not in done.stderr


def test_every_option_s_environment_variable_is_ours(cli):
    for _, _, command in ALL:
        for param in command.params:
            if isinstance(param, click.Option) and param.envvar:
                assert str(param.envvar).startswith("LIENTHONG_")


def test_a_full_disk_under_the_output_is_a_sentence(office):
    for more in ((), ("--json",)):
        with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
            done = subprocess.run(
                [sys.executable, "-m", "gateway", "log", "export", *more],
                cwd=office.folder,
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=PATIENCE_S,
                check=False,
            )
        assert (done.returncode, b"SYS-054" in done.stderr) == (1, True), done.stderr
        assert b"Traceback" not in done.stderr
        assert b"Exception ignored" not in done.stderr


def test_without_any_output_a_command_still_does_its_work(office):
    command = f"exec {shlex.quote(sys.executable)} -m gateway log verify >&- 2>&-"
    assert subprocess.run(["sh", "-c", command], cwd=office.folder, timeout=PATIENCE_S, check=False).returncode == 0


def test_help_and_version_are_explained_in_the_language_of_the_run(cli):
    for lang, words in (
        ("vi", ("Hiển thị phiên bản", "Hiển thị trợ giúp này")),
        ("en", ("Print the version", "Show this page")),
    ):
        shown = cli("--lang", lang, "--help").out
        assert all(word in shown for word in words)
        assert words[1] in cli("--lang", lang, "log", "verify", "--help").out


def test_no_command_at_all_is_answered_with_the_help_once(cli):
    result = cli()
    assert (result.code, result.err.count("Usage:"), result.err.count("sandbox")) == (2, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("messages", "--state", "x"), "'x' không nằm trong: "),
        (("messages", "--limit", "0"), "0 nằm ngoài khoảng "),
        (("messages", "--limit", "x"), "'x' không phải là số."),
        (("messages", "--since", "hôm qua"), "“hôm qua” không phải thời điểm"),
        (("messages", "--since", "2026-01-31T08:00"), "không phải thời điểm"),
        (("log", "verify", "--file", "."), "“.” là thư mục"),
        (("parties", "check", "thừa"), "Thừa: thừa."),
        (("messages", "--limit"), "Thiếu giá trị cho --limit."),
    ],
)
def test_wrong_arguments_are_met_in_vietnamese(cli, node, arguments, said):
    result = cli(*arguments)
    assert (result.code, said in result.err) == (2, True), result.err


def at_a_terminal(columns):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Screen(out=Terminal())
    os.environ["COLUMNS"] = str(columns)
    screen.table(["Mã nhận", "Bên gửi", "Mã"], [["20261124082125831-6767a9f273", "cong-dvc", None]], title="T")
    return screen.out.getvalue().splitlines()


def test_an_id_stands_on_one_line_however_narrow_the_terminal_is(monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    assert any("20261124082125831-6767a9f273  cong-dvc" in line for line in at_a_terminal(120))
    assert any("20261124082125831-6767a9f273  cong-  –" in line for line in at_a_terminal(40))
    assert at_a_terminal(30) == ["T", "20261124082125831-6767a9f273", "    Bên gửi cong-dvc"]


def test_tables_stay_tables_at_80_columns_and_in_a_pipe(cli, office, monkeypatch):
    ack = office.receive("accepted/HS01-nop-ho-so-toi-thieu")
    office.receive("accepted/HS03-tiep-nhan-toi-thieu", "so-tu-phap")
    office.receive("rejected/SIG-001-sua-noi-dung")
    office.refused()
    monkeypatch.setenv("COLUMNS", "80")
    listed = (
        ("messages",),
        ("lanes",),
        ("deadlines",),
        ("parties", "list"),
        ("alerts", "list", "--each"),
        ("trust", "show"),
    )
    for command in listed:
        lines = cli(*command).out.splitlines()
        assert any("───" in line for line in lines), command  # a table, and no paragraphs
        assert max(len(line) for line in lines if "───" in line) <= 80, command
    assert any(line.lstrip().startswith(ack.message) for line in cli("messages").out.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "--from", "2026-02-01", "--to", "2026-01-01"),
        ("messages", "--since", "2026-02-01", "--until", "2026-01-01"),
        ("replay", "--state", "refused", "--since", "2026-02-01", "--until", "2026-02-01"),
    ],
)
def test_a_period_that_ends_before_it_begins_is_wrong_usage(cli, office, arguments):
    result = cli(*arguments)
    assert (result.code, "Kỳ kết thúc trước khi bắt đầu." in result.err) == (2, True)


def test_figures_of_an_agency_that_is_not_there_are_no_zeroes(cli, office):
    for arguments in (("report", "--from", "2026-01-01", "--agency", "none"), ("deadlines", "--agency", "none")):
        result = cli(*arguments)
        assert (result.code, "SYS-042" in result.err) == (1, True)
