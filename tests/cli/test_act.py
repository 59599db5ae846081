"""replay and skip: a plan first, a reason always, the person in the log."""

import pytest

from gateway.core.model import DeliveryState

HS01, BAD = "accepted/HS01-nop-ho-so-toi-thieu", "rejected/SIG-001-sua-noi-dung"
HO_SO = "H19.901-260115-0001"
ROLE = '"administrator"'


def state(office, delivery):
    with office.store.read() as view:
        return view.delivery(delivery.id).state


@pytest.fixture
def delivery(office):
    """A refused delivery."""
    office.receive(HS01)
    return office.refused()


def test_a_replay_is_planned_then_done_and_logged(cli, office, delivery):
    result = cli("replay", delivery.id, "--yes", "--reason", "Sở đã sửa", "--as", "An")
    assert result.code == 0, result.err
    assert "gửi lại 1 lượt" in result.out
    assert "Đã đưa lại 1 lượt gửi vào hàng đợi" in result.out
    assert state(office, delivery) is DeliveryState.QUEUED
    line = next(row for row in cli("log", "export", "--json").rows if row["what"] == "delivery.replayed")
    assert (line["facts"]["reason"], line["who"].startswith("operator:An (")) == ("Sở đã sửa", True)


def test_a_dry_run_needs_no_reason_and_changes_nothing(cli, office, delivery):
    result = cli("replay", "--state", "refused", "--dry-run")
    assert (result.code, "gửi lại 1 lượt" in result.out) == (0, True)
    assert state(office, delivery) is DeliveryState.REFUSED


def test_without_a_reason_nothing_is_replayed(cli, office, delivery):
    result = cli("replay", delivery.id, "--yes")
    assert (result.code, "SYS-041" in result.err) == (1, True)
    assert state(office, delivery) is DeliveryState.REFUSED


def test_naming_neither_id_nor_filter_is_wrong_usage(cli, office):
    assert cli("replay", "--reason", "x").code == 2


def test_a_message_s_own_id_stands_for_its_deliveries(cli, office, delivery):
    (row,) = cli("replay", delivery.ma_thong_diep, "--dry-run", "--json").rows
    assert [one["id"] for one in row["plan"]["deliveries"]] == [delivery.id]


def test_a_replay_that_finds_nothing_to_do_does_nothing(cli, office, delivery):
    assert cli("skip", delivery.id, "--yes", "--reason", "x").code == 0
    result = cli("replay", delivery.id, "--yes", "--reason", "x")
    assert (result.code, "đã bỏ qua trước đây" in result.out) == (0, True)


def test_a_rejected_message_is_judged_again_as_of_its_arrival(cli, office):
    ack = office.receive(BAD)
    result = cli("replay", ack.message, "--yes", "--reason", "xem lại", "--json")
    assert result.code == 1
    plan, judged = result.rows
    assert [doubt["problems"][0]["code"] for doubt in plan["plan"]["would_fail"]] == ["SIG-001"]
    assert (judged["judged"], judged["state"]) == (ack.message, "rejected")
    (row,) = cli("show", ack.message, "--json").rows
    assert [verdict["number"] for verdict in row["judgements"]] == [1, 2]


def test_messages_are_chosen_for_another_judgement_by_what_their_problems_say(cli, office):
    mine = office.receive(BAD).message
    office.receive("rejected/SIG-002-khong-ky")
    chosen = ("replay", "--state", "rejected", "--dry-run", "--json")
    (row,) = cli(*chosen, "--text", "sig-001", "--type", "hs01", "--party", "cong-dvc").rows
    assert [one["id"] for one in row["plan"]["messages"]] == [mine]
    assert cli(*chosen, "--dossier", "H19.901-000000-0000").rows[0]["plan"]["messages"] == []
    wrong = cli("replay", "--state", "dead", "--text", "x", "--dry-run")
    assert (wrong.code, "--text chỉ dùng cho thông điệp" in wrong.err) == (2, True)


def test_a_rejected_message_is_accepted_after_the_trust_was_mended(cli, office):
    """The receiver was locked when the message came; it is opened, and the kept bytes are judged again."""
    file = office.folder / "parties" / "so-tu-phap.toml"
    good = file.read_text()
    file.write_text(good + 'enabled = false\ndisabled_reason = "thử"\n')
    assert cli("parties", "apply", "--yes", "--reason", "khóa").code == 0
    from gateway.settings import load
    from gateway.wiring import renewed

    office.gate = renewed(office.gate, load(office.folder / "lienthong.toml", {}).settings)
    ack = office.receive(HS01)
    assert [problem.code for problem in ack.problems] == ["AUT-011"]
    file.write_text(good)
    assert cli("parties", "apply", "--yes", "--reason", "mở").code == 0
    result = cli("replay", "--state", "rejected", "--code", "AUT-011", "--yes", "--reason", "đã mở", "--json")
    assert result.code == 0, result.out
    assert result.rows[-1]["state"] == "accepted"
    assert [row["lane"] for row in cli("lanes", "--json").rows] == [HO_SO]


def test_skip_needs_a_delivery_that_is_there(cli, office):
    result = cli("skip", "none", "--yes", "--reason", "x")
    assert (result.code, "SYS-042" in result.err) == (1, True)


def test_skip_lets_the_lane_go_on(cli, office, delivery):
    assert cli("lanes", "--held").code == 1
    (row,) = cli("skip", delivery.id, "--yes", "--reason", "trùng", "--json").rows
    assert row["skipped"]["state"] == "skipped"
    assert cli("lanes", "--held").code == 0


@pytest.mark.parametrize("role", ["viewer", "auditor"])
def test_who_may_only_look_may_not_act(cli, office, delivery, role):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text().replace(ROLE, f'"{role}"'))
    for command in (["replay", delivery.id], ["skip", delivery.id]):
        result = cli(*command, "--yes", "--reason", "x")
        assert (result.code, "SYS-040" in result.err) == (1, True)
    assert cli("replay", delivery.id, "--dry-run").code == 0
    assert state(office, delivery) is DeliveryState.REFUSED


def test_an_operator_may_act_but_not_administer(cli, office, delivery):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text().replace(ROLE, '"operator"'))
    assert cli("replay", delivery.id, "--yes", "--reason", "x").code == 0
    assert "SYS-040" in cli("db", "upgrade").err


def test_an_account_that_is_not_named_may_only_look(cli, office, delivery):
    config = office.folder / "lienthong.toml"
    import os
    import pwd

    name = pwd.getpwuid(os.getuid()).pw_name
    config.write_text(config.read_text().replace(f"{name} = {ROLE}", f"someone-else = {ROLE}"))
    assert cli("messages").code == 0
    assert "SYS-040" in cli("replay", delivery.id, "--yes", "--reason", "x").err


def test_skip_by_a_beginning_means_one_delivery_that_can_be_skipped(cli, office, delivery):
    assert "SYS-042" in cli("skip", "none").err  # before a reason is asked for
    (row,) = cli("skip", delivery.message, "--yes", "--reason", "trùng", "--json").rows
    assert row["skipped"]["id"] == delivery.id
    assert "SYS-044" in cli("skip", delivery.id, "--yes", "--reason", "lại").err
