"""top: one look at everything, at a terminal until q, elsewhere once."""

import os
import pty
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from patience import PATIENCE_S

from gateway.core.model import DeliveryState

BAD = "rejected/SIG-001-sua-noi-dung"


@pytest.fixture
def busy(office, cli):
    """Deliveries that wait, one that was refused, one that was taken; a rejected message; a batch."""
    for name in ("toi-thieu", "day-du", "bien"):
        office.receive(f"accepted/HS01-nop-ho-so-{name}")
    office.receive(BAD)
    refused = [office.refused(), office.refused()]
    assert cli("replay", "--state", "refused", "--yes", "--reason", "đã sửa").code == 0
    return refused


def test_one_frame_tells_queues_codes_batches_and_what_needs_a_person(cli, office, busy):
    result = cli("top", "--once")
    assert result.code == 0, result.err
    for part in (
        "serve: không trả lời",
        "Bên nhận",
        busy[0].party,
        "1 × SIG-001",
        "Đợt 1",
        "0/2",
        "NGAY 2 × Hàng đợi hồ sơ bị tạm giữ",
        "DLV-031",
    ):
        assert part in result.out, part
    assert cli("top").out.count("Liên Thông") == 1  # piped: one frame, plain
    assert "\x1b" not in cli("top").out


@pytest.mark.parametrize("columns", [80, 120])
def test_a_frame_fits_its_terminal(cli, office, busy, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    table = [line for line in cli("top", "--once").out.splitlines() if busy[0].party in line or "Bên nhận" in line]
    assert len(table) >= 2
    assert max(len(line) for line in table[:2]) <= columns


def test_the_same_as_json(cli, office, busy):
    (row,) = cli("top", "--json").rows
    queues = {queue["party"]: queue["counts"] for queue in row["queues"]}
    assert queues[busy[0].party]["refused"] == 2
    assert (row["rejected"], row["batches"][0]["size"], row["lanes_held"]) == ({"SIG-001": 1}, 2, 2)
    assert {group["alarm"] for group in row["alerts"]} >= {"lane-held"}


def test_how_long_deliveries_took_is_told_by_party(office):
    office.receive("accepted/HS01-nop-ho-so-toi-thieu")
    with office.store.begin() as tx:
        delivery = tx.deliveries(states=[DeliveryState.QUEUED])[0]
        tx.skip(delivery.id, who="operator:an", reason="x", now=delivery.created_at)
    with office.store.read() as view:
        assert view.delivered_lately(2000) == {}  # what was given up is no speed


def test_at_a_terminal_it_goes_on_until_q(cli, office, busy, monkeypatch):
    ours, its = pty.openpty()
    seen = threading.Event()

    def watched():
        said = b""
        try:
            while piece := os.read(ours, 65536):
                said += piece
                if b"SIG-001" in said:
                    seen.set()
        except OSError:  # nobody has it open any more
            pass
        return said.decode("utf-8", "replace")

    def pressed():
        assert seen.wait(PATIENCE_S)
        os.write(ours, b"q")

    with ThreadPoolExecutor(2) as pool, open(its, closefd=False) as keys, open(its, "w", closefd=False) as shown:
        text, pressing = pool.submit(watched), pool.submit(pressed)
        monkeypatch.setattr(sys, "stdin", keys)
        monkeypatch.setattr(sys, "stdout", shown)
        try:
            code = cli("top", "--every", "300").code
        finally:
            os.close(its)
        pressing.result(PATIENCE_S)
        said = text.result(PATIENCE_S)
    os.close(ours)
    assert (code, "Hàng đợi hồ sơ bị tạm giữ" in said) == (0, True)
