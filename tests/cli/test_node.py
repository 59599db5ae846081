"""init, db upgrade, doctor."""

import re
import socket
import sqlite3
import stat
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from gateway.cli.command import CommandRun
from gateway.core.addresses import host_and_port
from gateway.core.problems import Stopped
from gateway.opening import store_at
from gateway.settings import load
from gateway.web.serve import reserve


def test_init_makes_a_node_that_its_own_commands_accept(cli, tmp_path):
    result = cli("init", tmp_path / "n")
    assert result.code == 0
    assert "lienthong db upgrade" in result.out
    node = tmp_path / "n"
    settings = load(node / "lienthong.toml", {}).settings
    assert settings.key.file == node / "keys" / "truc.key.pem"
    assert cli("db", "upgrade", folder=node).code == 0
    assert cli("log", "verify", folder=node).code == 0


def test_the_fresh_key_is_for_its_owner_alone_and_fits_its_certificate(node):
    key = node / "keys" / "truc.key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificate((node / "keys" / "truc.cert.pem").read_bytes())
    assert certificate.public_key().curve.name == "secp256r1"


def test_two_nodes_have_two_keys(cli, tmp_path):
    cli("init", tmp_path / "a")
    cli("init", tmp_path / "b")
    assert (tmp_path / "a/keys/truc.key.pem").read_bytes() != (tmp_path / "b/keys/truc.key.pem").read_bytes()


def test_init_overwrites_nothing(cli, node):
    before = (node / "lienthong.toml").read_bytes()
    result = cli("init", node)
    assert (result.code, "SYS-046" in result.err) == (1, True)
    assert (node / "lienthong.toml").read_bytes() == before


def test_init_in_english_explains_in_english(cli, tmp_path):
    cli("--lang", "en", "init", tmp_path / "n")
    text = (tmp_path / "n" / "lienthong.toml").read_text()
    assert "# The port to listen on" in text
    assert 'lang = "en"' in text


def test_whoever_made_the_node_is_its_administrator(node):
    import os
    import pwd

    settings = load(node / "lienthong.toml", {}).settings
    assert settings.operators == {pwd.getpwuid(os.getuid()).pw_name: "administrator"}


def test_a_node_can_be_made_for_another_account_and_to_write_elsewhere_than_beside_its_configuration(cli, tmp_path):
    data = tmp_path / "var"
    assert cli("init", tmp_path / "n", "--operator", "lan.nguyen", "--data", data).code == 0
    settings = load(tmp_path / "n" / "lienthong.toml", {}).settings
    assert settings.operators == {"lan.nguyen": "administrator"}
    assert settings.database.url == f"sqlite:///{data}/lienthong.sqlite3"
    assert (settings.backup.folder, settings.archive.folder) == (data / "backups", data / "archives")
    url = "postgresql+psycopg://lienthong@may-chu/lienthong"
    assert cli("init", tmp_path / "m", "--data", data, "--database", url).code == 0
    settings = load(tmp_path / "m" / "lienthong.toml", {}).settings
    assert (settings.database.url, settings.backup.folder) == (url, data / "backups")


def test_an_upgrade_twice_changes_nothing(cli, node):
    result = cli("db", "upgrade")
    assert (result.code, "đã ở phiên bản" in result.out) == (0, True)


def test_doctor_shows_what_is_set_and_where(cli, node, monkeypatch):
    monkeypatch.setenv("LIENTHONG_WEB_WORKERS", "3")
    out = cli("doctor").out
    assert f"web.port = 8399    [file {node}/lienthong.toml:" in out
    assert "web.workers = 3    [environment LIENTHONG_WEB_WORKERS]" in out
    assert "web.host" not in out
    assert "web.host = 127.0.0.1    [default]" in cli("doctor", "--all").out


def test_doctor_of_a_fresh_node_asks_for_parties_and_nothing_else(cli, node):
    result = cli("doctor")
    assert result.code == 1
    assert [line.split()[0] for line in result.out.splitlines() if line.startswith(("SYS", "SIG"))] == ["SYS-033"]


def test_doctor_of_a_furnished_node_finds_nothing_wrong_but_what_the_samples_break(cli, office):
    codes = {line.split()[0] for line in cli("doctor").out.splitlines() if line.startswith(("SYS", "SIG", "·"))}
    # don-vi-loi: expired on purpose, an authority without a list, certificates that can sign nothing
    assert codes <= {"SYS-027", "SYS-028", "SYS-070", "SYS-075", "·"}


def test_doctor_warns_before_the_gateways_key_ends(cli, node, monkeypatch):
    ends = x509.load_pem_x509_certificate((node / "keys" / "truc.cert.pem").read_bytes()).not_valid_after_utc
    monkeypatch.setattr(CommandRun, "now", property(lambda _: ends - timedelta(days=59, hours=1)))
    assert "· SYS-027 " in cli("doctor").out
    monkeypatch.setattr(CommandRun, "now", property(lambda _: ends - timedelta(days=60)))
    assert "SYS-027" not in cli("doctor").out


def test_doctor_says_what_does_not_go_through_the_proxy(cli, node, monkeypatch):
    with (node / "lienthong.toml").open("a", encoding="utf-8") as file:
        file.write(
            '[[notify.channels]]\nname = "truc"\nhost = "mail.example"\nport = 587\nsender = "a@mail.example"\nto = ["b@mail.example"]\n'
        )
    monkeypatch.setenv("LIENTHONG_FILES_CLAMD", "quet.example:3310")
    assert "(SMTP)" not in cli("doctor").out
    monkeypatch.setenv("LIENTHONG_PROXY_URL", "http://127.0.0.1:1")
    said = "không qua máy chủ ủy nhiệm, cần kết nối trực tiếp được: thư điện tử (SMTP): truc (mail.example:587); quét vi-rút (clamd): "
    assert f"{said}quet.example:3310" in cli("doctor").out
    said = "never through the proxy, must be reachable directly: e-mail (SMTP): truc (mail.example:587); virus scanner (clamd): "
    assert f"{said}quet.example:3310" in cli("--lang", "en", "doctor").out


def test_doctor_finds_a_key_whose_password_is_not_there(cli, node, monkeypatch):
    monkeypatch.setenv("LIENTHONG_KEY_PASSWORD_ENV", "KHONG_CO")
    result = cli("doctor")
    assert (result.code, "SYS-022" in result.out, "KHONG_CO" in result.out) == (1, True, True)


def test_doctor_finds_a_trust_tree_that_is_none(cli, office):
    (office.folder / "keys" / "root-b.cert.test.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    result = cli("doctor")
    assert (result.code, "SYS-034" in result.out) == (1, True)


def test_doctor_finds_a_calendar_that_nobody_has_looked_at_for_long(cli, office, monkeypatch):
    monkeypatch.setenv("LIENTHONG_DEADLINES_HAND_OVER_IN", "working")
    assert "SYS-062" not in cli("doctor").out
    monkeypatch.setattr(CommandRun, "now", property(lambda _: datetime.now(UTC) + timedelta(days=800)))
    assert "SYS-062" in cli("doctor").out


def test_doctor_finds_another_package_under_our_names(cli, node, tmp_path, monkeypatch):
    for name in ("la", "lienthong-cu"):
        about = tmp_path / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "top_level.txt").write_text("gateway\n")
    assert "SYS-036" not in cli("doctor").out
    monkeypatch.syspath_prepend(tmp_path)
    result = cli("doctor")
    assert (result.code, "SYS-036" in result.out, "la, lienthong-cu" in result.out) == (1, True, True)


def test_doctor_finds_an_open_key(cli, node):
    (node / "keys" / "truc.key.pem").chmod(0o644)
    result = cli("doctor")
    assert (result.code, "SIG-101" in result.out) == (1, True)


def test_doctor_finds_files_that_differ_from_the_registry(cli, office):
    (office.folder / "parties" / "cong-dvc.toml").write_text(
        (office.folder / "parties" / "cong-dvc.toml")
        .read_text()
        .replace('receives = "pull"', 'receives = "pull"\nrate_per_s = 5')
    )
    out = cli("doctor").out
    assert "SYS-035" in out
    assert "cong-dvc" in out.split("SYS-035")[1].splitlines()[0]


def test_doctor_sees_a_port_that_is_taken(cli, node, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("LIENTHONG_WEB_PORT", str(taken.getsockname()[1]))
        out = cli("doctor").out
        assert "SYS-032" in out
        taken.listen()


def test_files_that_an_editor_began_with_a_byte_order_mark_are_read(cli, office):
    for file in (office.folder / "lienthong.toml", office.folder / "parties" / "cong-dvc.toml"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    result = cli("parties", "check")
    assert "Không khác sổ đăng ký" in result.out


def test_an_ipv6_address_stands_in_brackets_wherever_it_is_printed(cli, node):
    config = node / "lienthong.toml"
    config.write_text(config.read_text("utf-8").replace('#host = "127.0.0.1"', 'host = "::1"'), "utf-8")
    assert "[::1]:8399" in cli("doctor").out
    with pytest.raises(Stopped) as caught:
        reserve("2001:db8::1", 8399)  # an address for documentation: no machine has it
    assert caught.value.problems[0].facts["address"] == "[2001:db8::1]:8399"
    assert host_and_port("127.0.0.1", 8399) == "127.0.0.1:8399"


def strangers_port(answer):
    """A program that answers every question with these bytes: its port, and the means to stop it."""
    taken = socket.create_server(("127.0.0.1", 0))

    def talk():
        while True:
            try:
                line, _ = taken.accept()
            except OSError:
                return
            with line:
                if line.recv(4096):
                    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

    threading.Thread(target=talk, daemon=True).start()
    return taken.getsockname()[1], taken


@pytest.mark.parametrize(
    ("answer", "ours"),
    [
        (b'{"status":"alive","node":"H19.900"}', True),
        (b'{"status":"alive","node":"H19.999"}', False),
        (b'{"status":"alive"}', False),
        (b"<html>Apache</html>", False),
    ],
)
def test_doctor_asks_whoever_listens_on_our_port_who_it_is(cli, node, monkeypatch, answer, ours):
    port, taken = strangers_port(answer)
    monkeypatch.setenv("LIENTHONG_WEB_PORT", str(port))
    try:
        result = cli("doctor")
    finally:
        taken.shutdown(socket.SHUT_RDWR)
        taken.close()
    assert (f"trục này đang nhận tại 127.0.0.1:{port}" in result.out) is ours
    if not ours:
        assert "SYS-083" in result.out
    assert ("H19.999" in result.out) is (b"H19.999" in answer)


def test_doctor_in_json_gives_settings_and_checks(cli, node):
    rows = cli("doctor", "--json").rows
    assert {"setting": "web.port", "value": 8399, "origin": "file"}.items() <= next(
        row for row in rows if row.get("setting") == "web.port"
    ).items()
    assert any(row.get("check") == "the gateway's signing key" and row["ok"] for row in rows)


def test_a_variable_with_a_typing_mistake_is_noticed(cli, node, monkeypatch):
    monkeypatch.setenv("LIENTHONG_WEB_PROT", "1")
    assert "SYS-029" in cli("doctor").out


def test_doctor_writes_tables_as_a_configuration_does(cli, node):
    out = cli("doctor").out
    assert re.search(r"^operators = \{ \S+ = administrator \} ", out, re.MULTILINE), out
    assert "<" not in out


def test_doctor_does_not_praise_a_registry_that_it_could_not_look_at(cli, node):
    next(node.glob("*.sqlite3")).unlink()
    result = cli("doctor")
    assert (result.code, "SYS-031" in result.out, "sổ đăng ký đang có hiệu lực" in result.out) == (1, True, False)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://lt:gEHEIM@127.0.0.1:1/lt",
        "postgresql://lt@127.0.0.1:1/lt?password=gEHEIM",
        "mysql://a:gEHEIM@b/c",
        "sqlite:///gEHEIM.db?x=gEHEIM",
        "postgresql://lt:gEHEIM@127.0.0.1:port/lt",
        "gEHEIM",
    ],
)
def test_no_command_prints_the_password_of_the_database(cli, process, node, monkeypatch, url):
    given = {"LIENTHONG_DATABASE_URL": url, "LIENTHONG_DATABASE_WAIT_S": "0"}  # that `serve` waits is shown elsewhere
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    results = [cli(*command) for command in (["doctor"], ["doctor", "--json"], ["messages"], ["db", "upgrade"])]
    # a process of its own: children of this one may come from a server of an earlier test, which has that one's environment
    for result in (*results, process("serve", "--port", "0", folder=node, **given)):
        assert result.code == 1, result
        assert "SYS-030" in result.out + result.err
        assert "gEHEIM" not in (result.out + result.err).replace("gEHEIM.db", "")


def test_doctor_notices_a_clock_that_was_set_back(cli, office, monkeypatch):

    from gateway.cli.command import CommandRun

    assert "SYS-057" not in cli("doctor").out
    monkeypatch.setattr(CommandRun, "now", property(lambda _: datetime.now(UTC) - timedelta(hours=2)))
    result = cli("doctor")
    assert (result.code, "SYS-057" in result.out) == (1, True)


def test_doctor_warns_before_the_disk_is_full(cli, node, monkeypatch):
    import shutil

    assert "SYS-055" not in cli("doctor").out
    usage = shutil.disk_usage(node)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3 * 2**20))
    result = cli("doctor", "--lang", "en")
    assert (result.code, "SYS-055" in result.out, "has only 3 MB left" in result.out) == (1, True, True)


def test_doctor_finds_a_database_that_cannot_be_written(cli, office, monkeypatch):
    from sqlalchemy.engine import Engine

    from gateway.store import Unavailable

    def refused(*_):
        raise Unavailable("OperationalError: attempt to write a readonly database")

    assert "✗" not in cli("doctor").out.partition("lienthong.sqlite3\n")[0]
    monkeypatch.setattr(Engine, "begin", refused)
    assert "cơ sở dữ liệu chỉ cho đọc" in cli("doctor").out


def test_doctor_finds_a_database_that_somebody_holds(cli, node, monkeypatch):
    """Another writer that does not end: what can be read is read, and nothing is written."""
    monkeypatch.setitem(store_at.__kwdefaults__, "busy_timeout_s", 0.2)
    holder = sqlite3.connect(next(node.glob("*.sqlite3")), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    result = cli("doctor")
    holder.close()
    assert (result.code, "SYS-048" in result.out) == (1, True)
