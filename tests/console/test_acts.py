"""Acts: a plan, a reason, a yes; done once, by who may, and told in the log with the person's name."""

import re

import pki
import pytest
from desks import NOT_ARRIVED

from gateway.core.model import DeliveryState


def test_why_a_dossier_did_not_arrive_is_one_search_away_and_it_is_sent_again(office, operator):
    page = operator.get(f"/ho-so?ma={NOT_ARRIVED}")
    assert f"Hồ sơ {NOT_ARRIVED}" in page.text
    assert "bị từ chối" in page.text
    held = office.failed[0].id
    delivery = operator.get(f"/luot-gui/{held}")
    assert delivery.codes == ["DLV-031"]
    plan = operator.plan(delivery, "gui-lai")
    assert "Gửi lại 1 lượt, xét lại 0 thông điệp." in plan.text
    done = operator.do(plan, "gui-lai", reason="bên nhận đã sửa")
    assert (done.status, "Đã đưa lại vào hàng đợi" in done.text) == (200, True)
    with office.store.read() as view:
        assert view.delivery(held).state is DeliveryState.QUEUED
    assert ("operator:ban-truc (truc)", "bên nhận đã sửa") in [
        (who, facts["reason"]) for who, facts in office.log("delivery.replayed")
    ]
    again = operator.do(plan, "gui-lai", reason="lần nữa")  # the way back in the browser, and the button once more
    assert (again.status, again.codes) == (409, ["SYS-168"])
    office.fail()


@pytest.mark.threat("T-DESK-FORM")
def test_two_tabs_do_not_do_one_plan_twice_and_another_session_does_not_do_it_at_all(office, operator):
    page = operator.get(f"/luot-gui/{office.failed[0].id}")
    first, second = operator.plan(page, "gui-lai"), operator.plan(page, "gui-lai")
    other = office.visitor("quan-tri")
    stolen = dict(first.forms("/viec/gui-lai/lam")[0]) | {
        "the": dict(other.get("").forms("/ra")[0])["the"],
        "ly-do": "x",
    }
    assert other.send("/viec/gui-lai/lam", stolen).codes == ["SYS-168"]
    assert operator.do(first, "gui-lai").status == 200
    late = operator.do(second, "gui-lai")  # it is on its way by now: the second tab is told, and nothing more happens
    assert "Đã đổi trạng thái trong thời gian đó" in late.text
    office.fail()


def test_a_plan_without_a_reason_is_not_carried_out_and_not_lost(office, operator):
    plan = operator.plan(operator.get(f"/luot-gui/{office.failed[0].id}"), "gui-lai")
    assert operator.do(plan, "gui-lai", reason="  ").codes == ["SYS-041"]
    assert operator.do(plan, "gui-lai", reason="có").status == 200
    office.fail()


@pytest.mark.threat("T-DESK-ROLE")
def test_a_person_without_the_role_sees_no_button_and_is_refused_at_its_address(office, viewer):
    page = viewer.get(f"/luot-gui/{office.failed[0].id}")
    assert (page.status, page.forms("/viec/gui-lai")) == (200, [])
    token = dict(page.forms("/ra")[0])["the"]
    seen = viewer.send("/viec/gui-lai", {"the": token, "id": office.failed[0].id})
    assert (seen.status, seen.codes) == (403, ["SYS-171"])
    assert "xem có vai trò chỉ xem: viewer; việc “replay” cần vai trò vận hành: operator." in seen.text
    assert viewer.get("/nhat-ky").codes == ["SYS-171"]


def test_the_original_is_shown_with_a_reason_alone_and_the_log_says_who_looked(office, operator, viewer):
    with office.store.read() as view:
        message = view.messages(ma_ho_so=NOT_ARRIVED, limit=1)[0].id
    page = operator.get(f"/thong-diep/{message}")
    (fields,) = page.forms(f"/thong-diep/{message}/nguyen-van")
    assert "NguoiNop" not in page.source
    assert operator.send(f"/thong-diep/{message}/nguyen-van", dict(fields)).codes == ["SYS-041"]
    seen = operator.send(f"/thong-diep/{message}/nguyen-van", {**dict(fields), "ly-do": "người dân hỏi"})
    assert (seen.status, "ThongDiep" in seen.text) == (200, True)
    assert [(who, facts["reason"]) for who, facts in office.log("message.read")] == [
        ("operator:ban-truc (truc)", "người dân hỏi")
    ]
    token = dict(viewer.get("").forms("/ra")[0])["the"]
    refused = viewer.send(f"/thong-diep/{message}/nguyen-van", {"the": token, "ly-do": "tò mò"})
    assert (refused.status, refused.codes, len(office.log("message.read"))) == (403, ["SYS-171"], 1)
    evidence = operator.send(f"/thong-diep/{message}/bang-chung", {**dict(fields), "ly-do": "tranh chấp"})
    assert (evidence.status, evidence.body[:2]) == (200, b"PK")
    assert [facts["reason"] for _, facts in office.log("message.evidence")] == ["tranh chấp"]


def test_a_rejected_message_tells_place_and_remedy_and_is_judged_again(office, operator):
    with office.store.read() as view:
        (message,) = [one for one in view.messages(limit=50) if one.state == "rejected"]
    page = operator.get(f"/thong-diep/{message.id}")
    assert page.codes[0].startswith("SIG-")
    plan = operator.plan(page, "gui-lai")
    assert "Hiện vẫn không thành công" in plan.text
    done = operator.do(plan, "gui-lai")
    assert "từ chối" in done.text
    assert office.log("message.replayed")[-1][0] == "operator:ban-truc (truc)"


def test_exactly_the_messages_of_a_filter_are_judged_again_as_a_batch(office, operator, viewer):
    unsigned = (pki.SAMPLES / "rejected" / "SIG-002-khong-ky.xml").read_bytes()
    mine = {office.receive(None, body=unsigned + b" " * number).message for number in range(3)}
    asked = "/thong-diep?trang_thai=rejected&ma_loi=sig-002&gui=cong-dvc"
    page = operator.get(asked)
    assert viewer.get(asked).forms("/viec/gui-lai") == []
    plan = operator.plan(page, "gui-lai")
    assert "xét lại 3 thông điệp" in plan.text
    assert mine == set(re.findall(r"/thong-diep/([^\"?]+)\"", plan.source))
    done = operator.do(plan, "gui-lai", reason="đơn vị báo đã ký lại")
    number = int(re.search(r"/dot/(\d+)", done.source)[1])
    office.work(turns=3)
    assert {who for who, _ in office.log("message.replayed")[-3:]} == {"operator:ban-truc (truc)"}
    with office.store.read() as view:
        assert view.batch(number).asked["code"] == "SIG-002"
        assert {view.message(message).verdicts for message in mine} == {2}


def test_an_alert_is_taken_on_by_a_person_and_shows_it(office, operator, viewer):
    page = operator.get("")
    (name, *_) = [
        line.split("/canh-bao/")[1].split('"')[0] for line in page.source.splitlines() if "/canh-bao/" in line
    ]
    alert = operator.get(f"/canh-bao/{name}")
    done = operator.do(operator.plan(alert, "nhan-canh-bao"), "nhan-canh-bao", reason="gọi sở rồi")
    assert f"Đã tiếp nhận {name}." in done.text
    assert "truc" in viewer.get("").text.partition("Chờ lâu nhất")[0].split()


def test_a_dossiers_standing_is_derived_again_from_its_messages_and_told_with_the_difference(office, operator, viewer):
    page = operator.get(f"/ho-so/xem?ma={NOT_ARRIVED}")
    assert viewer.get(f"/ho-so/xem?ma={NOT_ARRIVED}").forms("/viec/lap-lai") == []
    equal = operator.plan(page, "lap-lai")
    assert "Trạng thái trên trục đúng với các sự kiện" in equal.text
    assert "Không có việc phải thực hiện." in equal.text
    with office.store.engine.begin() as connection:  # as its events do not say
        connection.exec_driver_sql(f"UPDATE dossier SET trang_thai = 9 WHERE ma_ho_so = '{NOT_ARRIVED}'")
    first, second = operator.plan(page, "lap-lai"), operator.plan(page, "lap-lai")
    assert re.search(r"Trạng thái: 9 .*? → 1 ", first.text), first.text
    done = operator.do(first, "lap-lai", reason="đổi quy tắc")
    assert f"Đã lập lại trạng thái hồ sơ {NOT_ARRIVED}." in done.text
    with office.store.read() as view:
        assert view.dossier(NOT_ARRIVED).trang_thai == 1
    assert operator.do(first, "lap-lai").codes == ["SYS-168"]  # the way back in the browser
    assert "người khác đã thay đổi trong lúc đó" in operator.do(second, "lap-lai").text  # the other tab
    assert [(who, facts["reason"]) for who, facts in office.log("dossier.reprojected")] == [
        ("operator:ban-truc (truc)", "đổi quy tắc")
    ]
    assert "lập lại trạng thái hồ sơ" in operator.get(f"/ho-so/xem?ma={NOT_ARRIVED}").text


def test_a_code_given_back_is_told_and_in_the_log(office, operator):
    page = operator.get(f"/ho-so/xem?ma={NOT_ARRIVED}")
    done = operator.do(operator.plan(page, "tra-ma"), "tra-ma", reason="nhập nhầm")
    assert (done.status, f"Đã giải phóng mã {NOT_ARRIVED}" in done.text) == (200, True)
    assert [who for who, _ in office.log("dossier.released")] == ["operator:ban-truc (truc)"]
    with office.store.read() as view:
        told = [line.what for line in view.persons_about(NOT_ARRIVED, 100)]
    assert told[0] == "dossier.released"
    assert {"delivery.replayed", "message.read", "message.evidence"} <= set(told)
    assert "người dân hỏi" in operator.get(f"/ho-so/xem?ma={NOT_ARRIVED}").text
