"""“Gửi lại đúng nhóm này”: one cause becomes a batch; a second person approves; paused, resumed, failed, done again."""

import re

import pytest

from gateway.core.batches import BatchItemState, BatchState
from gateway.core.model import DeliveryState


@pytest.fixture(scope="module")
def refused(office):
    """Seven dossiers that the agency refused for one cause, and one for another."""
    office.clock.forward(seconds=1)
    office.file(8)
    by_cause = [office.fail("DLV-032", most=7), office.fail("DLV-020", most=1)]
    return [[delivery.id for delivery in listed] for listed in by_cause]


def of_cause(page, act, code):
    """Which of the forms of an act is for this cause."""
    return next(n for n, form in enumerate(page.forms(f"/viec/{act}")) if dict(form).get("ma-loi") == code)


def kept(office, number, state):
    with office.store.read() as view:
        return sorted(item.step.subject for item in view.every_batch_item(number, states=[state]))


@pytest.mark.threat("T-DESK-ROLE")
def test_a_group_becomes_a_batch_that_waits_is_approved_paused_goes_on_fails_in_part_is_done_again_and_cancelled(
    office, persons, refused
):
    operator, approver, viewer = persons["operator"], persons["approver"], persons["viewer"]
    page = operator.get("/nguyen-nhan")
    assert "7 × DLV-032" in page.text
    plan = operator.plan(page, "gui-lai", which=of_cause(page, "gui-lai", "DLV-032"))
    assert "Gửi lại 7 lượt" in plan.text
    assert "Hơn 5 việc: chờ người thứ hai duyệt." in plan.text
    done = operator.do(plan, "gui-lai", reason="sở đã mở lại")
    assert "chờ người thứ hai duyệt" in done.text
    batch = int(re.search(r"/dot/(\d+)", done.source)[1])

    # It is exactly the group, waits, and whoever started it does not approve it.
    assert kept(office, batch, BatchItemState.PLANNED) == sorted(refused[0])
    office.work()
    with office.store.read() as view:
        assert view.batch(batch).state is BatchState.WAITING
    assert operator.get(f"/dot/{batch}").forms("/viec/dot-duyet") == []
    token = dict(operator.get("").forms("/ra")[0])
    seen = operator.send("/viec/dot-duyet", {**token, "so": str(batch)})
    assert (seen.status, seen.codes) == (403, ["SYS-171"])
    assert "chờ duyệt" in viewer.get("/dot").text

    # A second person approves; it is paused, and goes on.
    page = approver.get(f"/dot/{batch}")
    assert page.forms("/viec/dot-huy") == []
    done = approver.do(approver.plan(page, "dot-duyet"), "dot-duyet", reason="đồng ý")
    assert f"Đợt {batch}: đang chạy." in done.text
    assert 'data-fresh="5"' in viewer.get(f"/dot/{batch}").source
    operator.do(operator.plan(operator.get(f"/dot/{batch}"), "dot-tam-dung"), "dot-tam-dung", reason="chờ chút")
    office.work(turns=3)
    assert len(kept(office, batch, BatchItemState.PLANNED)) == 7
    paused = operator.get(f"/dot/{batch}")
    assert "tạm dừng" in paused.text
    operator.do(operator.plan(paused, "dot-chay-tiep"), "dot-chay-tiep", reason="xong rồi")
    office.work(turns=2)

    # What failed is listed with its cause, becomes a batch of its own, and the rest of that is cancelled.
    office.settle(DeliveryState.DELIVERED, None, most=5)
    office.settle(DeliveryState.REFUSED, "DLV-031", most=2)
    office.work(turns=3, seconds=5)
    seen = viewer.get(f"/dot/{batch}")
    assert "xong" in seen.text
    assert seen.text.count("DLV-031") >= 2
    assert "(…)" not in seen.text  # a cause says what its things say
    assert seen.forms("/viec/dot-lam-lai") == []
    again = operator.do(operator.plan(operator.get(f"/dot/{batch}"), "dot-lam-lai"), "dot-lam-lai", reason="thử nữa")
    assert f"Đợt {batch + 1} (2 việc) đã bắt đầu." in again.text
    acts = [
        what for what in ("batch.started", "batch.approved", "batch.paused", "batch.resumed") for _ in office.log(what)
    ]
    assert acts == ["batch.started", "batch.started", "batch.approved", "batch.paused", "batch.resumed"]
    assert office.log("batch.approved")[0][0] == "operator:ban-truc (duyet)"
    page = operator.get(f"/dot/{batch + 1}")
    operator.do(operator.plan(page, "dot-huy"), "dot-huy", reason="thôi")
    assert "đã hủy" in operator.get("/dot").text
    assert len(kept(office, batch + 1, BatchItemState.LEFT)) == 2


def test_causes_stand_by_day_and_the_group_of_a_day_is_planned_alone_and_skipped_for_good(persons, refused):
    operator = persons["operator"]
    page = operator.get("/nguyen-nhan")
    table = page.source.partition("Nguyên nhân theo bên và theo ngày</caption>")[2].partition("</table>")[0]
    (row,) = [row for row in table.split("<tr ") if "DLV-020" in row]
    (day,) = re.findall(r"tu=(\d{4}-\d\d-\d\d)&amp;den=\1", row)
    seen = operator.get(f"/nguyen-nhan?tu={day}&den={day}")
    form = of_cause(seen, "gui-lai", "DLV-020")
    assert dict(seen.forms("/viec/gui-lai")[form])["tu"] == day
    assert "Gửi lại 1 lượt" in operator.plan(seen, "gui-lai", which=form).text
    assert operator.get("/nguyen-nhan?tu=2020-01-01&den=2020-01-02").forms("/viec/gui-lai") == []
    plan = operator.plan(page, "bo-qua", which=of_cause(page, "bo-qua", "DLV-020"))
    assert "Bỏ qua 1 lượt gửi" in plan.text
    assert "Đã bỏ qua" in operator.do(plan, "bo-qua", reason="giấy đã nộp tay").text
