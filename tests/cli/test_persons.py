"""operator: the persons of the console, from the command line."""

import pytest

WHY = ("--reason", "người mới")


def test_a_person_is_added_listed_changed_shut_out_and_let_in_again_and_the_log_says_by_whom(cli, node, tmp_path):
    secret = tmp_path / "mat-khau"
    secret.write_text("một câu dài dễ nhớ\n", "utf-8")
    assert "operator add" in cli("operator", "list").out
    added = cli(
        "operator", "add", "lan", "--role", "operator", "--role", "viewer", "--password-file", secret, "--yes", *WHY
    )
    assert (added.code, added.out) == (0, "Đã thêm lan: chỉ xem, vận hành.\n")
    assert cli("operator", "add", "minh", "--role", "auditor", "--by-proxy", "--yes", *WHY).code == 0
    made = cli("operator", "password", "lan", "--generate", "--json", "--yes", *WHY)
    assert len(made.rows[0]["password"]) == 20
    assert cli("operator", "roles", "lan", "--role", "approver", "--yes", *WHY).code == 0
    assert cli("operator", "disable", "lan", "--yes", *WHY).code == 0
    assert "phê duyệt (approver)" in cli("operator", "list").out
    rows = cli("operator", "list", "--json").rows
    assert [(row["name"], row["roles"], row["by"], row["disabled_at"] is None) for row in rows] == [
        ("lan", ["approver"], "password", False),
        ("minh", ["auditor"], "proxy", True),
    ]
    assert cli("operator", "enable", "lan", "--yes", *WHY).out == "lan đăng nhập lại được.\n"
    acts = [row["what"] for row in cli("log", "show", "--what", "operator.", "--json").rows]
    assert acts == [f"operator.{act}" for act in ("added", "added", "password", "roles", "disabled", "enabled")]
    assert made.rows[0]["password"] not in cli("log", "show", "--json").out


def test_a_password_is_asked_of_a_person_or_given_and_never_left_out(cli, node):
    alone = cli("operator", "add", "lan", "--role", "viewer", "--yes", *WHY)
    assert (alone.code, "SYS-163" in alone.err) == (1, True)
    assert cli("operator", "list", "--json").rows == []


@pytest.mark.parametrize("act", [["add", "lan", "--role", "viewer", "--by-proxy"], ["password", "lan", "--generate"]])
def test_only_an_administrator_says_who_may_come(cli, node, act):
    text = (node / "lienthong.toml").read_text("utf-8")
    head, operators, rest = text.partition("[operators]\n")
    (node / "lienthong.toml").write_text(head + operators + rest.replace('"administrator"', '"operator"'), "utf-8")
    result = cli("operator", *act, *WHY)
    assert (result.code, "SYS-040" in result.err) == (1, True)
