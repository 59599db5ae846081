"""notify: channels of the settings, a test of them, and what a person reads when one is wrong."""

import json
import sys

import pytest

from gateway.settings import ChannelSettings, channel_secret

COPY = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read() + b'\\n')"


def written(office, *channels):
    """The settings with these channels."""
    config = office.folder / "lienthong.toml"
    text = "".join(f"\n[[notify.channels]]\n{channel}\n" for channel in channels)
    config.write_text(config.read_text("utf-8") + text, "utf-8")


def command_of(*words):
    return f"command = {json.dumps([sys.executable, '-c', *map(str, words)])}"


def test_without_channels_it_says_how_to_have_one(cli, office):
    result = cli("notify")
    assert (result.code, "[[notify.channels]]" in result.out) == (0, True)
    assert "SYS-196" in cli("notify", "test").err


def test_a_test_goes_by_each_channel_and_says_which_does_not_work(cli, office, tmp_path):
    file = tmp_path / "tin"
    written(
        office,
        f'name = "tot"\n{command_of(COPY, file)}',
        f'name = "hong"\n{command_of("import sys; sys.exit(3)")}',
        'name = "thu"\nhost = "127.0.0.1"\nport = 1\ntls = "none"\nsender = "a@nut.vn"\nto = ["b@so.vn"]',
    )
    result = cli("notify", "test")
    assert result.code == 1
    for part in ("tot: đã gửi.", "SYS-191", "exit 3", "SYS-192", "127.0.0.1:1"):
        assert part in result.out, part
    told = json.loads(file.read_text("utf-8"))
    assert (told["kind"], told["new"], "thử kênh báo tin" in told["subject"]) == ("test", [], True)
    assert cli("notify", "test", "tot", "--json").rows == [{"channel": "tot", "sent": True, "problem": None}]
    assert "SYS-042" in cli("notify", "test", "khac").err
    assert [row["channel"] for row in cli("notify", "list", "--json").rows] == ["tot", "hong", "thu"]
    assert "thư điện tử" in cli("notify", "list").out


@pytest.mark.parametrize(
    ("channel", "code", "said"),
    [
        ('name = "a"', "SYS-018", "host, url, command"),
        ('name = "a"\nhost = "x"\nurl = "http://x/"', "SYS-018", "host, url, command"),
        ('name = "a"\nhost = "x"', "SYS-018", "người gửi"),
        ('name = "a"\nurl = "http://x/"', "SYS-018", "khóa ký"),
        ('name = "a"\nhost = "x"\nsender = "a@b.vn"\nto = ["c@d.vn"]\nuser = "u"', "SYS-018", "mật khẩu"),
        (
            'name = "a"\nhost = "x"\nsender = "a@b.vn"\nto = ["c@d.vn"]\nuser = "u"\nsecret_env = "X"\ntls = "none"',
            "SYS-018",
            "không mã hóa",
        ),
        ('name = "a"\ncommand = ["x"]\nsecret_env = "X"\nsecret_file = "y"', "SYS-018", "một nguồn"),
        ('name = "a"\ncommand = ["x"]\n[[notify.channels]]\nname = "a"\ncommand = ["y"]', "SYS-025", "channels[2]"),
        ('name = "a"\ncommand = ["x"]\nquiet = "22h-6h"', "SYS-017", "22h-6h"),
        ('name = "a"\ncommand = ["x"]\nalarms = ["lane-helt"]', "SYS-014", "lane-held"),
        ('name = "a"\nhost = "x"\nsender = "a@b.vn"\nto = ["c@d.vn\\r\\nBcc: e@f.vn"]', "SYS-017", "c@d.vn"),
    ],
)
def test_a_channel_that_cannot_work_is_said_at_once_with_its_line(cli, office, channel, code, said):
    written(office, channel)
    result = cli("notify", "list")
    assert (result.code, code in result.err, said in result.err) == (2, True, True), result.err
    assert "lienthong.toml:" in result.err


def test_secrets_come_from_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "mat-khau"
    file.write_text("bí mật\n", "utf-8")
    file.chmod(0o600)
    monkeypatch.setenv("KHOA", "khóa")
    assert channel_secret(ChannelSettings(name="a", secret_file=file)) == "bí mật"
    assert channel_secret(ChannelSettings(name="a", secret_env="KHOA")) == "khóa"
    assert channel_secret(ChannelSettings(name="a")) is None


def test_a_channel_that_failed_is_told_by_the_list_and_is_an_alert(cli, office):
    from datetime import UTC, datetime

    from gateway.core.notices import ChannelStanding
    from gateway.core.problems import Problem

    written(office, f'name = "hong"\n{command_of("import sys; sys.exit(3)")}')
    now = datetime.now(UTC)
    problem = Problem("SYS-191", {"channel": "hong", "reason": "exit 3"})
    with office.store.begin() as tx:
        tx.put_notice_channel(
            ChannelStanding(channel="hong", summed_at=now, failures=3, failing_since=now, problem=problem)
        )
    result = cli("notify", "list")
    assert (result.code, "SYS-191" in result.out) == (1, True)
    (row,) = [row for row in cli("alerts", "--json").rows if row["alarm"] == "channel-dead"]
    assert (row["cause"], row["subject"]) == ("SYS-191", "hong")
    assert "lienthong notify test hong" in cli("alerts").out
