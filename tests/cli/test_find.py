"""messages, show, dossier, inbox, lanes: what an operator sees, and what never shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pki
import pytest
from lxml import etree

from gateway.cli.find import counted
from gateway.core.model import Attempt, AttemptOutcome, DeliveryState
from gateway.core.problems import Problem

HS01, HS03 = "accepted/HS01-nop-ho-so-toi-thieu", "accepted/HS03-tiep-nhan-toi-thieu"
HO_SO = "H19.901-260115-0001"
BAD = "rejected/SIG-001-sua-noi-dung"


@pytest.fixture
def dossier(office):
    """A dossier filed and taken in."""
    office.receive(HS01)
    office.receive(HS03, "so-tu-phap")
    return HO_SO


def test_messages_are_listed_the_newest_first(cli, office, dossier):
    rows = cli("messages", "--json").rows
    assert [(row["loai"], row["party"], row["state"]) for row in rows] == [
        ("HS03", "so-tu-phap", "accepted"),
        ("HS01", "cong-dvc", "accepted"),
    ]


def test_messages_are_chosen_by_state_sender_type_code_and_dossier(cli, office, dossier):
    office.receive(BAD)
    assert [row["codes"] for row in cli("messages", "--state", "rejected", "--json").rows] == [["SIG-001"]]
    assert len(cli("messages", "--party", "H19.901", "--json").rows) == 1
    assert len(cli("messages", "--type", "HS01", "--json").rows) == 2
    assert len(cli("messages", "--code", "SIG-001", "--json").rows) == 1
    assert len(cli("messages", "--dossier", HO_SO, "--json").rows) == 2
    assert cli("messages", "--since", "2099-01-01", "--json").rows == []
    assert len(cli("messages", "--until", "2099-01-01", "--json").rows) == 3


def test_a_page_is_continued_where_it_ended(cli, office, dossier):
    first = cli("messages", "--limit", "1", "--json").rows
    rest = cli("messages", "--before", first[0]["id"], "--json").rows
    assert [row["loai"] for row in first + rest] == ["HS03", "HS01"]


def test_a_party_that_is_not_registered_is_a_sentence(cli, office):
    result = cli("messages", "--party", "nobody")
    assert (result.code, "SYS-042" in result.err) == (1, True)


def test_failures_are_grouped_by_cause_with_what_to_do(cli, office):
    office.receive(BAD)
    office.receive("rejected/SIG-002-khong-ky")
    rows = cli("messages", "--causes", "--json").rows
    assert {(row["code"], row["count"]) for row in rows} == {("SIG-001", 1), ("SIG-002", 1)}
    out = cli("messages", "--causes").out
    assert "1 × SIG-001 · cong-dvc (Cổng dịch vụ công tỉnh Đồng Nai (thử nghiệm))" in out
    assert "    → " in out


def test_show_tells_state_judgements_deliveries_and_what_to_do(cli, office, dossier):
    delivery = office.refused()
    out = cli("show", delivery.ma_thong_diep).out
    for part in ("accepted", HO_SO, "Lần xét 1", delivery.id, "DLV-031", f"lienthong replay {delivery.id}"):
        assert part in out
    (row,) = cli("show", delivery.id, "--json").rows
    assert row["deliveries"][0]["attempts"][0]["code"] == "DLV-031"
    assert row["judgements"][0]["who"] == "gateway"


def test_show_explains_a_rejection_with_place_and_remedy(cli, office):
    ack = office.receive("rejected/AUT-010-noi-nhan-la")
    out = cli("show", ack.message).out
    assert "11:7 AUT-010" in out
    assert "    → " in out
    (row,) = cli("show", ack.message, "--json").rows
    assert (row["state"], row["problems"][0]["line"]) == ("rejected", 11)


def test_show_names_other_arrivals_of_the_same_id(cli, office):
    first = office.receive(BAD)
    second = office.receive(BAD)
    assert first.message != second.message
    assert first.message in cli("show", second.message).out


def test_no_command_shows_a_name_of_a_citizen_or_the_content(cli, office):
    ack = office.receive("accepted/HS01-nop-ho-so-day-du")
    tree = etree.fromstring((pki.SAMPLES / "accepted/HS01-nop-ho-so-day-du.xml").read_bytes())
    private = {
        element.text.strip()
        for element in tree.iter()
        if isinstance(element.tag, str)
        and etree.QName(element).localname in {"HoTen", "SoDinhDanh", "DienThoai", "Email", "TenDoiTuong", "ChiTiet"}
        and element.text
    }
    assert private
    code = ack.ma_thong_diep
    for command in (
        ["messages"],
        ["show", code],
        ["dossier", "H19.901-260115-0002"],
        ["lanes"],
        ["messages", "--causes"],
    ):
        for form in ([], ["--json"]):
            out = cli(*command, *form).out
            assert not [text for text in private if text in out], command


def test_content_is_shown_only_with_a_reason_and_the_log_says_who(cli, office):
    ack = office.receive(HS01)
    result = cli("show", ack.message, "--content")
    assert (result.code, "SYS-041" in result.err, result.out) == (1, True, "")
    result = cli("show", ack.message, "--content", "--reason", "khiếu nại 12", "--as", "Nguyễn An")
    assert result.code == 0
    assert result.out.encode() == (pki.SAMPLES / f"{HS01}.xml").read_bytes()
    line = next(row for row in cli("log", "export", "--json").rows if row["what"] == "message.read")
    assert line["facts"]["reason"] == "khiếu nại 12"
    assert line["who"].startswith("operator:Nguyễn An (")


def test_a_viewer_may_not_see_content(cli, office):
    ack = office.receive(HS01)
    config = office.folder / "lienthong.toml"
    config.write_text(config.read_text().replace('"administrator"', '"viewer"'))
    assert "SYS-040" in cli("show", ack.message, "--content", "--reason", "x").err
    assert cli("show", ack.message).code == 0


def test_what_was_signed_is_printed_exactly(cli, office):
    ack = office.receive(HS01)
    result = cli("show", ack.message, "--signed", "--reason", "x")
    assert "Ngoài phần đã ký: /lt:ThongDiep/ds:Signature[1] (" in result.err
    assert result.code == 0
    assert result.out.startswith("<lt:ThongDiep")
    assert "<ds:Signature" not in result.out


def test_the_receipt_is_what_the_sender_got(cli, office):
    ack = office.receive(HS01)
    assert cli("show", ack.message, "--receipt").out.encode() == ack.receipt


def test_the_timeline_tells_every_event_in_order(cli, office, dossier):
    (row,) = cli("dossier", HO_SO, "--json").rows
    assert [step["LoaiThongDiep"] for step in row["DanhSachSuKien"]] == ["HS01", "HS03"]
    out = cli("dossier", HO_SO).out
    assert "2 Được tiếp nhận" in out
    assert "29/01/2026 17:00:00" in out


def test_a_dossier_that_is_not_there_is_a_sentence(cli, office):
    result = cli("dossier", "H19.901-260115-9999")
    assert (result.code, "SYS-042" in result.err) == (1, True)


def test_looking_into_an_inbox_confirms_nothing(cli, office, dossier):
    rows = cli("inbox", "cong-dvc", "--json").rows
    assert [(row["position"], row["loai"], row["trang_thai"]) for row in rows] == [(1, "HS03", 2)]
    assert cli("inbox", "cong-dvc", "--after", "1", "--json").rows == []
    assert "đã xác nhận tới 0" in cli("inbox", "cong-dvc").out


def test_lanes_tell_held_ones_by_exit_code(cli, office, dossier):
    assert cli("lanes").code == 0
    delivery = office.refused()
    result = cli("lanes", "--held", "--json")
    assert result.code == 1
    assert [(row["lane"], row["held"], row["first"]["id"]) for row in result.rows] == [(HO_SO, True, delivery.id)]
    out = cli("lanes").out
    assert "1 × DLV-031 · so-tu-phap" in out
    assert cli("lanes", "--held", "--party", "cong-dvc").code == 0


def test_what_was_sent_and_may_or_may_not_have_arrived_is_listed(cli, office, dossier):
    assert cli("lanes", "--unknown").code == 0
    now = datetime.now(UTC)
    with office.store.begin() as tx:
        (delivery,) = tx.claim_due("so-tu-phap", now, 1, 60.0)
    facts = {"delivery": delivery.id, "number": 1, "kind": "send", "started_at": now, "ended_at": now}
    broke = Attempt(**facts, outcome=AttemptOutcome.UNCERTAIN, problem=Problem("DLV-021", {"stage": "answer"}))
    with office.store.begin() as tx:
        assert tx.settle(delivery, broke, DeliveryState.UNKNOWN, due_at=now + timedelta(minutes=1))
    result = cli("lanes", "--unknown", "--json")
    assert result.code == 3
    (row,) = result.rows
    assert (row["id"], row["state"], row["problem"]["code"]) == (delivery.id, "unknown", "DLV-021")
    out = cli("lanes", "--unknown").out
    assert delivery.id in out
    assert "DLV-021" in out
    office.receive("accepted/HS01-nop-ho-so-day-du")
    with office.store.begin() as tx:
        (second,) = tx.claim_due("so-tu-phap", datetime.now(UTC), 1, 60.0)
        assert tx.settle(
            second, replace(broke, delivery=second.id), DeliveryState.UNKNOWN, due_at=now + timedelta(minutes=1)
        )
    assert "… còn 1 nữa." in cli("lanes", "--unknown", "--limit", "1").out
    assert cli("lanes", "--unknown", "--party", "cong-dvc").code == 0
    assert cli("lanes", "--unknown", "--held").code == 2


def test_nothing_left_to_send_is_said(cli, office):
    assert "Không còn lượt nào phải gửi" in cli("lanes").out


def test_a_message_without_a_valid_signature_is_not_said_to_be_erased(cli, office):
    number = office.receive("x", body=b"<a/>").message
    assert "SYS-052" in cli("show", number, "--signed", "--reason", "x").err
    assert "SYS-126" in cli("show", number, "--receipt").err


def test_a_mistyped_code_or_page_is_not_answered_with_nothing(cli, office):
    result = cli("messages", "--code", "XSD-21")
    assert (result.code, "“XSD-21”" in result.err, "XSD-" in result.err.partition("”")[2]) == (2, True, True), (
        result.err
    )
    assert "SYS-042" in cli("messages", "--before", "none").err


def test_what_is_not_there_is_named_in_the_language_of_the_run_with_where_to_look(cli, office):
    vietnamese, english = cli("inbox", "nobody"), cli("--lang", "en", "inbox", "nobody")
    assert "Không tìm thấy bên “nobody”" in vietnamese.err
    assert "There is no party “nobody”" in english.err
    assert "lienthong parties list" in english.err
    assert "lienthong lanes" in cli("skip", "none", "--yes", "--reason", "x").err


def test_what_the_receiver_answered_is_shown_inertly_with_a_reason_and_logged(cli, office):
    office.receive(HS01)
    delivery = office.refused(answer='{"lỗi": "chưa cấu hình \x1b[31m"}'.encode())
    shown = cli("show", delivery.id).out
    assert f"lienthong show {delivery.id} --answer" in shown
    assert "chưa cấu hình" not in shown
    assert "SYS-041" in cli("show", delivery.id, "--answer").err
    told = cli("show", delivery.id, "--answer", "--reason", "bên nhận hỏi")
    assert told.out == '{"lỗi": "chưa cấu hình \\x1b[31m"}\n'
    (row,) = cli("show", delivery.message, "--answer", "--reason", "hỏi", "--json").rows
    assert (row["delivery"], row["attempt"], row["outcome"]) == (delivery.id, 1, "refused")
    facts = [row["facts"] for row in cli("log", "export", "--json").rows if row["what"] == "message.read"]
    assert facts == [{"reason": "bên nhận hỏi", "part": "answer"}, {"reason": "hỏi", "part": "answer"}]


def test_where_nobody_answered_that_is_said(cli, office):
    assert "SYS-056" in cli("show", office.receive(HS01).message, "--answer", "--reason", "x").err


def test_a_code_that_stands_in_a_message_many_times_is_counted():
    assert counted(["XSD-021", "XSD-003", "XSD-021"]) == "XSD-021×2 XSD-003"


def test_a_receipt_that_proves_nothing_is_told_at_its_delivery(cli, office):
    office.receive(HS01)
    now = datetime.now(UTC)
    with office.store.begin() as tx:
        (delivery,) = tx.claim_due(tx.parties_due(now)[0], now, 1, 60.0)
    attempt = Attempt(
        delivery=delivery.id,
        number=1,
        kind="send",
        started_at=now,
        ended_at=now,
        outcome=AttemptOutcome.DELIVERED,
        receipt=b"<BienNhan/>",
        problem=Problem("DLV-029", {"reason": "SIG-002"}),
    )
    with office.store.begin() as tx:
        assert tx.settle(delivery, attempt, DeliveryState.DELIVERED)
    told = cli("show", delivery.id).out
    assert "DLV-029" in told
    assert "không được coi là xác nhận tiếp nhận" in told
