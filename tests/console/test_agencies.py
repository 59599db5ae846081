"""Cơ quan: how a party stands, and what a person orders about it: pause, resume, lock, unlock."""

import html
import re
from dataclasses import replace

import pytest

from gateway.services.profiles import to_text


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


def test_what_a_profile_said_before_and_says_now_stands_side_by_side_without_its_secrets(played, viewer):
    before = played.room.registry()[0].get("so-tu-phap")
    changed = replace(
        before,
        name="Sở Tư pháp tỉnh",
        versions={"HS05": ("1.0",)},
        connector_settings={**before.connector_settings, "password": "bí mật lắm"},
    )
    by = {"who": "operator:lan", "now": played.clock.now}
    with played.store.begin() as tx:
        tx.apply_parties({before.id: to_text(changed)}, reason="đổi tên", **by)
    try:
        page = viewer.get("/co-quan/so-tu-phap")
        (link, named), *_ = re.findall(r'href="/ban-truc(/co-quan/so-tu-phap/thay-doi[^"]*)">([^<]*)<', page.source)
        assert named.startswith("connector_settings.password, name, ")
        seen = viewer.get(html.unescape(link))
        for part in ("Sở Tư pháp tỉnh", "đổi tên", "lan", "versions.HS05", "có, không hiển thị"):
            assert part in seen.text, seen.text
        assert "bí mật lắm" not in seen.source + page.source
        assert (
            seen.text == viewer.get("/co-quan/so-tu-phap/thay-doi").text
        )  # the newest change, where none is asked for
        version = re.search(r"den=(\d+)", link)[1]
        same = viewer.get(f"/co-quan/so-tu-phap/thay-doi?tu={version}&den={version}")
        assert "hai phiên bản giống nhau" in same.text
        assert viewer.get("/co-quan/so-tu-phap/thay-doi?tu=99").codes == ["SYS-170"]
        assert viewer.get("/co-quan/khong-co/thay-doi").codes == ["SYS-042"]
    finally:
        with played.store.begin() as tx:
            tx.apply_parties({before.id: to_text(before)}, reason="đổi lại", **by)


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
