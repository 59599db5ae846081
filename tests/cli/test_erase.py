"""erase: the bytes go, the traces stay; nothing goes that somebody still has to get."""

import pytest

HS01, HS03, HS11 = (
    "accepted/HS01-nop-ho-so-toi-thieu",
    "accepted/HS03-tiep-nhan-toi-thieu",
    "accepted/HS11-tra-ket-qua-toi-thieu",
)
HO_SO = "H19.901-260115-0001"
RULE = ("erase", "--ended-before", "2026-06-01")


@pytest.fixture
def ended(office):
    """A dossier that has come to its end, everything delivered and fetched."""
    acks = [office.receive(HS01), office.receive(HS03, "so-tu-phap"), office.receive(HS11, "so-tu-phap")]
    with office.store.begin() as tx:
        tx.confirm("cong-dvc", 100, acks[-1].recorded_at)
    return acks


def delivered(office, cli):
    with office.store.read() as view:
        (delivery,) = view.deliveries(party="so-tu-phap")
    assert cli("skip", delivery.id, "--yes", "--reason", "thử").code == 0


def test_a_plan_is_shown_and_nothing_goes_without_yes_and_a_reason(cli, office, ended):
    delivered(office, cli)
    (row,) = cli(*RULE, "--dry-run", "--json").rows
    assert (row["dossiers"], row["messages"], row["bodies"], row["kept"], row["erased"]) == ([HO_SO], 3, 3, [], None)
    refused = cli(*RULE)
    assert (refused.code, "3 nội dung" in refused.out, "SYS-080" in refused.err) == (1, True, True)
    assert "SYS-041" in cli(*RULE, "--yes").err
    with office.store.read() as view:
        assert view.body(ended[0].digest)


def test_the_bytes_go_and_the_traces_stay(cli, office, ended):
    delivered(office, cli)
    assert cli(*RULE, "--yes", "--reason", "hết hạn 10 năm", "--json").rows[0]["erased"] == 3
    with office.store.read() as view:
        assert [view.body(ack.digest) for ack in ended] == [None] * 3
        assert view.body(view.message(ended[0].message).receipt)  # what was answered is kept
        act = view.last_act("retention.applied")
        assert (act.facts["bodies"], act.facts["reason"], act.who[:9]) == (3, "hết hạn 10 năm", "operator:")
    assert cli("log", "verify").code == 0
    assert cli("dossier", HO_SO, "--json").rows[0]["TrangThai"] == 9
    assert "đã xóa" in cli("show", ended[0].message).out
    assert "SYS-047" in cli("show", ended[0].message, "--content", "--reason", "x").err
    assert "SIG-133" in cli("evidence", ended[0].message, "--reason", "x").err
    (again,) = cli(*RULE, "--yes", "--reason", "lần nữa", "--json").rows
    assert (again["bodies"], again["erased"]) == (0, None)


def test_what_is_still_to_be_delivered_fetched_or_in_progress_is_kept(cli, office):
    office.receive(HS01)
    office.receive(HS03, "so-tu-phap")
    assert cli(*RULE, "--json").rows[0]["kept"] == []  # it is open: the rule does not concern it
    last = office.receive(HS11, "so-tu-phap")
    (row,) = cli(*RULE, "--json").rows
    assert (row["bodies"], row["kept"]) == (0, [{"what": HO_SO, "why": "unread", "party": "cong-dvc"}])
    assert f"{HO_SO}: chưa được lấy về bởi cong-dvc" in cli(*RULE).out
    with office.store.begin() as tx:
        tx.confirm("cong-dvc", 100, last.recorded_at)
    assert cli(*RULE, "--json").rows[0]["kept"] == [{"what": HO_SO, "why": "queued", "party": "so-tu-phap"}]
    assert cli("erase", HO_SO, "--yes", "--reason", "x", "--json").rows[0]["erased"] is None  # not even by name


def test_rejected_messages_go_by_the_day_they_came(cli, office, ended):
    refused = office.receive("rejected/HS04-XSD-010-thieu-ly-do", "so-tu-phap")
    rule = ("erase", "--rejected-before", "2999-01-01")
    assert cli("erase", "--rejected-before", "2020-01-01", "--dry-run", "--json").rows[0]["bodies"] == 0
    assert cli(*rule, "--yes", "--reason", "dọn", "--json").rows[0]["erased"] == 1
    with office.store.read() as view:
        assert (view.body(refused.digest), bool(view.body(ended[0].digest))) == (None, True)


def test_bytes_that_another_message_shares_stay(cli, office, ended):
    office.receive(HS01, "so-xay-dung")  # the same bytes from another party: refused, and a message of its own
    assert cli("erase", "--rejected-before", "2999-01-01", "--json").rows[0]["bodies"] == 0
    with office.store.read() as view:
        assert view.body(ended[0].digest)


def test_a_rule_must_be_given_and_a_dossier_must_be_on_record(cli, office):
    assert cli("erase").code == 2
    assert "SYS-042" in cli("erase", "H19.901-260115-9999").err
