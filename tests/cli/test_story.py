"""A dossier's whole story in one place, finding messages by receiver and problem, and many deliveries given up at once."""

from datetime import UTC, datetime

import letters

from gateway.core.problems import Lang, Problem
from gateway.core.told import ToldNews

HS01, HS03 = "accepted/HS01-nop-ho-so-toi-thieu", "accepted/HS03-tiep-nhan-toi-thieu"
HO_SO = "H19.901-260115-0001"


def story(cli):
    (row,) = cli("dossier", HO_SO, "--json").rows
    return row


def test_a_dossier_tells_what_was_refused_what_was_sent_and_what_to_do_now(cli, office):
    office.receive(HS01)
    delivery = office.refused()
    office.receive("rejected/DOS-001-ho-so-chua-co", "so-tu-phap")
    row = story(cli)
    (sent,) = row["LuotGui"]
    assert (sent["id"], sent["state"], sent["held"], sent["last"]["outcome"], sent["last"]["code"]) == (
        delivery.id,
        "refused",
        True,
        "refused",
        "DLV-031",
    )
    assert row["TiepTheo"][0] == {
        "why": "lane-held",
        "about": delivery.id,
        "command": f"lienthong replay {delivery.id} --reason “…”",
    }
    out = cli("dossier", HO_SO).out
    assert "TẠM GIỮ HÀNG ĐỢI" in out
    assert "gửi: từ chối DLV-031" in out
    assert "(Sở Tư pháp (thử nghiệm))" in out  # names beside codes
    assert f"→ Bên nhận từ chối hoặc hết thời hạn thử lại: hàng đợi bị tạm giữ: lienthong replay {delivery.id}" in out


def test_a_message_that_was_refused_is_part_of_the_story_even_of_a_dossier_that_was_never_opened(cli, office):
    body = letters.dossier(0).body
    office.receive("-", "so-tu-phap", body=body)  # not its sender's
    code = body.split(b"MaHoSo>")[1].split(b"<")[0].decode()
    (row,) = cli("dossier", code, "--json").rows
    (refused,) = row["ThongDiepKhac"]
    assert (row["MaHoSo"], refused["state"], row["TiepTheo"][0]["why"]) == (code, "rejected", "rejected")
    out = cli("dossier", code).out
    assert "chưa được mở" in out
    assert "từ chối (rejected)" in out
    assert "SYS-042" in cli("dossier", "H19.901-260115-9999").err


def test_a_dossier_tells_what_a_party_was_told_and_what_it_says_itself(cli, office):
    office.receive(HS01)
    now = datetime.now(UTC)
    with office.store.begin() as tx:
        news = ToldNews(sent="x", taken="x", facts={"TrangThaiHoSo": "1"}, believed={"TrangThaiHoSo": "4"})
        tx.tell("so-tu-phap", HO_SO, news, now)
    row = story(cli)
    (told,) = row["DaBao"]
    assert (told["told"], told["believes"], told["differs"]) == ({"TrangThaiHoSo": "1"}, {"TrangThaiHoSo": "4"}, True)
    assert [one["command"] for one in row["TiepTheo"]] == ["lienthong drift --party so-tu-phap"]
    assert "và tự báo" in cli("dossier", HO_SO).out


def test_a_dossier_tells_what_stands_in_an_inbox_and_was_not_confirmed(cli, office):
    office.receive(HS01)
    office.receive(HS03, "so-tu-phap")
    row = story(cli)
    (box,) = row["HopThu"]
    assert (box["party"], box["positions"], box["confirmed"]) == ("cong-dvc", [1], 0)
    assert [one["why"] for one in row["TiepTheo"]] == ["unread"]
    with office.store.begin() as tx:
        tx.confirm("cong-dvc", 1, datetime.now(UTC))
    assert story(cli)["TiepTheo"] == []
    assert "Không có việc cần người vận hành xử lý" in cli("dossier", HO_SO).out


def test_messages_are_found_by_receiver_and_by_what_a_problem_says_and_the_rest_is_counted(cli, office):
    for number in range(3):
        office.receive("-", body=letters.dossier(number).body)
    office.refused()
    office.receive("-", "so-tu-phap", body=b"<x/>")
    owed = cli("messages", "--receiver", "so-tu-phap", "--json").rows
    assert len(owed) == 3
    assert cli("messages", "--receiver", "ubnd-xa-thu-nghiem", "--json").rows == []
    assert len(cli("messages", "--text", "tthc", "--json").rows) == 1  # the receiver's own words
    (rejected,) = cli("messages", "--state", "rejected", "--json").rows
    assert [row["id"] for row in cli("messages", "--text", rejected["codes"][0].lower(), "--json").rows] == [
        rejected["id"]
    ]
    said = cli("messages", "--text", Problem(rejected["codes"][0]).message(Lang.VI)[:12].upper(), "--json").rows
    assert [row["id"] for row in said] == [rejected["id"]]  # a person asks with the words of the sentence
    refused = cli("messages", "--text", "Bên nhận trả BienNhan", "--json").rows
    assert [row["id"] for row in refused] == [row["id"] for row in cli("messages", "--text", "tthc", "--json").rows]
    assert cli("messages", "--text", "100%", "--json").rows == []  # no pattern
    assert "… còn 2 nữa: thêm --before" in cli("messages", "--limit", "2").out
    for command in (["messages"], ["lanes"], ["inbox", "so-xay-dung"]):
        out = cli(*command).out
        assert ("so-tu-phap (Sở Tư pháp (thử nghiệm))" in out) == ("so-tu-phap" in out), out  # names beside codes
    assert "còn" not in cli("messages", "--limit", "4").out


def test_many_deliveries_are_given_up_by_the_filters_of_a_replay(cli, office):
    for number in range(3):
        office.receive("-", body=letters.dossier(number).body)
    refused = [office.refused().id, office.refused(code="DLV-020").id]
    (plan,) = cli("skip", "--state", "refused", "--dry-run", "--json").rows
    assert [one["id"] for one in plan["plan"]] == refused
    assert "SYS-041" in cli("skip", "--state", "refused", "--yes").err
    done = cli("skip", "--state", "refused", "--code", "dlv-031", "--yes", "--reason", "trùng", "--json").rows
    assert [row["skipped"]["id"] for row in done] == refused[:1]
    out = cli("skip", "--state", "refused", "--state", "queued", "--party", "so-tu-phap", "--yes", "--reason", "x").out
    assert "Kế hoạch: bỏ qua 2 lượt gửi." in out
    assert "lienthong batch show 1" in out  # more than one is a batch
    assert cli("skip").code == 2
    reasons = [
        row["facts"]["reason"] for row in cli("log", "export", "--json").rows if row["what"] == "delivery.skipped"
    ]
    assert reasons == ["trùng"]
