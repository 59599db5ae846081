"""Cơ quan: how a party stands, and what a person orders about it: pause, resume, lock, unlock."""

import re

import pytest


@pytest.fixture(scope="module")
def played(office):
    """Beside what is there: one more dossier that the agency took."""
    office.file(1, first=700)
    office.deliver()
    return office


def test_a_party_is_seen_whole(played, viewer):
    listed = viewer.get("/co-quan").text
    assert "Thời gian giao, trung vị" in listed
    assert re.search(r"Sở Tư pháp\S* .*? bình thường \d+ ", listed)
    text = viewer.get("/co-quan/so-tu-phap").text
    for part in (
        "Còn phải gửi",
        "Hàng đợi theo hồ sơ đang bị tạm giữ",
        "Kết quả các lần thử theo thời gian",
        "Trả lời trong, trung vị",
        "Phiên bản thông điệp",
        "Các lần áp dụng hồ sơ bên",
        "Hồ sơ bên đang có hiệu lực",
    ):
        assert part in text, part
    assert "Chưa đọc lâu nhất" in viewer.get("/co-quan/cong-dvc").text
    assert viewer.get("/co-quan/so-tu-phap").forms("/viec/ben-khoa") == []


def test_an_operator_pauses_a_party_and_lets_it_go_on(played, operator):
    page = operator.get("/co-quan/so-tu-phap")
    plan = operator.plan(page, "ben-tam-dung")
    assert "Còn phải gửi tới bên này: 1 lượt." in plan.text
    assert operator.do(plan, "ben-tam-dung", reason="").codes == ["SYS-041"]
    done = operator.do(plan, "ben-tam-dung", reason="sở bảo trì")
    assert "Sở Tư pháp" in done.text
    assert "đã tạm dừng gửi." in done.text
    assert operator.do(plan, "ben-tam-dung").codes == ["SYS-168"]  # the way back in the browser
    page = operator.get("/co-quan/so-tu-phap")
    assert ("tạm dừng gửi" in page.text, "sở bảo trì" in page.text) == (True, True)
    assert page.forms("/viec/ben-tam-dung") == []
    stale = dict(page.forms("/viec/ben-gui-tiep")[0])
    assert operator.send("/viec/ben-tam-dung", stale).codes == ["SYS-173"]  # another tab, a moment too late
    operator.do(operator.plan(page, "ben-gui-tiep"), "ben-gui-tiep", reason="xong")
    assert "bình thường" in operator.get("/co-quan").text
    assert [(who, facts["reason"]) for who, facts in played.log("party.paused")] == [
        ("operator:ban-truc (truc)", "sở bảo trì")
    ]
    assert len(played.log("party.resumed")) == 1


@pytest.mark.threat("T-DESK-ROLE")
def test_an_operator_locks_and_an_administrator_alone_unlocks(played, persons):
    operator, chief, viewer = persons["operator"], persons["administrator"], persons["viewer"]
    operator.do(operator.plan(operator.get("/co-quan/so-xay-dung"), "ben-khoa"), "ben-khoa", reason="khóa bị lộ")
    page = operator.get("/co-quan/so-xay-dung")
    assert ("bị khóa" in page.text, "khóa bị lộ" in page.text) == (True, True)
    assert page.forms("/viec/ben-mo-khoa") == []
    for one in (operator, viewer):
        token = dict(one.get("").forms("/ra")[0])["the"]
        refused = one.send("/viec/ben-mo-khoa", {"the": token, "ben": "so-xay-dung"})
        assert (refused.status, refused.codes) == (403, ["SYS-171"])
    token = dict(viewer.get("").forms("/ra")[0])["the"]
    assert viewer.send("/viec/ben-khoa", {"the": token, "ben": "so-xay-dung"}).codes == ["SYS-171"]
    page = chief.get("/co-quan/so-xay-dung")
    assert "mở khóa" in chief.do(chief.plan(page, "ben-mo-khoa"), "ben-mo-khoa", reason="khóa mới").text
    assert "bị khóa" not in chief.get("/co-quan/so-xay-dung").text


@pytest.mark.threat("T-DESK-FORM")
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("khong-co", "SYS-042"),
        ("<script>alert(1)</script>", "SYS-042"),
        ("' OR 1=1 --", "SYS-042"),
        ("so\u202etu", "SYS-170"),
        ("x" * 100_000, "SYS-170"),
        ("", "SYS-042"),
    ],
)
def test_what_a_form_may_bring_instead_of_a_party_is_told(operator, given, code):
    fields = dict(operator.get("/co-quan/so-tu-phap").forms("/viec/ben-khoa")[0])
    seen = operator.send("/viec/ben-khoa", {**fields, "ben": given})
    assert (seen.codes, "<script>alert" in seen.source) == ([code], False)
    assert operator.send("/viec/ben-khoa", {**fields, "the": "sai"}).codes == ["SYS-167"]
