"""batches, batch: what an operator sees and does about an act over many things."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.cli.run import batch_acts
from gateway.core.batches import BatchState
from gateway.core.model import DeliveryState
from gateway.services.batches import batch_known, carry_on_batches

TWO = ("accepted/HS01-nop-ho-so-toi-thieu", "accepted/HS01-nop-ho-so-day-du")


@pytest.fixture
def failed(office):
    """Several refused deliveries."""
    for name in TWO:
        office.receive(name)
    with office.store.read() as view:
        count = len(view.deliveries(states=[DeliveryState.QUEUED]))
    assert count > 1
    return [office.refused() for _ in range(count)]


def carried_on(office, **later):
    carry_on_batches(office.store, batch_acts(office.gate), lambda: datetime.now(UTC) + timedelta(**later))


def test_a_replay_of_several_is_a_batch_that_is_watched_and_tells_what_failed(cli, office, failed):
    result = cli("replay", "--state", "refused", "--yes", "--reason", "Sở đã sửa", "--rate", "500")
    assert (result.code, f"Đợt 1: {len(failed)} việc, 500 việc mỗi giây" in result.out) == (0, True), result.err
    assert "đang chạy" in cli("batches").out
    carried_on(office)
    office.refused("DLV-032")
    carried_on(office, minutes=1)
    result = cli("batch", "show", "1")
    assert result.code == 1
    for part in (
        "Lý do",
        "Sở đã sửa",
        "states=refused",
        "không thành công 1",
        "1 × DLV-032 ",
        "lienthong batch again 1",
        failed[0].id,
    ):
        assert part in result.out, part
    shown = cli("batch", "show", "1", "--json", "--state", "queued").rows
    assert (shown[0]["counts"]["failed"], shown[0]["causes"]) == (1, {"DLV-032": 1})
    assert [row["item"]["state"] for row in shown[1:]] == ["queued"] * (len(failed) - 1)
    result = cli("batch", "again", "1", "--yes", "--reason", "lần nữa", "--json")
    assert result.code == 0, result.err
    assert (result.rows[0]["batch"]["source"], result.rows[0]["batch"]["size"]) == (1, 1)
    assert cli("batch", "again", "1", "--yes", "--reason", "x").code == 0  # still failed: its turn has not come
    carried_on(office, minutes=2)
    assert "SYS-182" in cli("batch", "again", "1", "--yes", "--reason", "x").err


def test_a_batch_is_paused_resumed_and_cancelled(cli, office, failed):
    assert cli("skip", "--state", "refused", "--yes", "--reason", "trùng").code == 0
    for act, said, state in (
        (["pause", "--yes"], "tạm dừng", BatchState.PAUSED),
        (["resume", "--yes"], "đang chạy", BatchState.RUNNING),
        (["cancel", "--yes"], "đã hủy", BatchState.CANCELLED),
    ):
        result = cli("batch", act[0], "1", *act[1:], "--reason", "thử")
        assert (result.code, said in result.out) == (0, True), result.err
        assert batch_known(office.store, 1).state is state
    assert "SYS-044" in cli("batch", "resume", "1", "--yes", "--reason", "x").err
    assert "SYS-041" in cli("batch", "pause", "1").err
    assert "SYS-042" in cli("batch", "show", "9").err
    (row,) = cli("batches", "--state", "cancelled", "--json").rows
    assert (row["counts"]["left"], row["ended_at"] is not None) == (len(failed), True)
    whats = {row["what"] for row in cli("log", "show", "--what", "batch.", "--json").rows}
    assert whats == {"batch.started", "batch.paused", "batch.resumed", "batch.cancelled"}


def test_above_the_size_of_the_settings_the_same_account_cannot_approve(cli, office, failed):
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text("utf-8").replace("#above = …", "above = 1"), "utf-8")
    result = cli("replay", "--state", "refused", "--yes", "--reason", "x", "--as", "An")
    assert (result.code, "chờ người khác duyệt: lienthong batch approve 1" in result.out) == (0, True), result.out
    assert "SYS-181" in cli("batch", "approve", "1", "--yes", "--reason", "được", "--as", "Bình").err
    assert "Chờ người khác duyệt" in cli("batch", "show", "1").out


def test_a_bar_is_shown_until_nothing_is_left_to_do(cli, office, failed):
    assert cli("skip", "--state", "refused", "--yes", "--reason", "trùng", "--rate", "500").code == 0
    carried_on(office, minutes=1)
    result = cli("batch", "show", "1", "--watch", "--json")
    assert (result.code, result.rows[0]["state"], result.rows[0]["counts"]["done"]) == (0, "done", len(failed))


def test_who_may_only_look_sees_batches_and_touches_none(cli, office, failed):
    assert cli("replay", "--state", "refused", "--yes", "--reason", "x").code == 0
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text("utf-8").replace('"administrator"', '"viewer"'), "utf-8")
    assert (cli("batches").code, cli("batch", "show", "1").code) == (0, 0)
    for act in ("pause", "resume", "cancel", "approve", "again"):
        assert "SYS-040" in cli("batch", act, "1", "--yes", "--reason", "x").err
