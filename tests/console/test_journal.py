"""Nhật ký: the chain is verified and exported from the page, by auditors."""

import json

import pytest
from sqlalchemy import text


def test_an_auditor_verifies_the_chain_and_takes_it_along(office, persons):
    auditor = persons["auditor"]
    (fields,) = auditor.get("/nhat-ky").forms("/nhat-ky/kiem")
    seen = auditor.send("/nhat-ky/kiem", dict(fields))
    with office.store.read() as view:
        head = view.log_head()
    assert (seen.status, "Chuỗi nguyên vẹn" in seen.text) == (200, True), seen.text
    lines = auditor.get("/nhat-ky/xuat?sau=2").body.decode().splitlines()
    assert [json.loads(line)["number"] for line in lines] == list(range(3, head.number + 1))
    assert json.loads(lines[-1])["hash"] == head.hash
    assert auditor.get("/nhat-ky/xuat?sau=-1").codes == ["SYS-170"]


@pytest.mark.threat("T-DESK-ROLE")
def test_who_is_no_auditor_neither_verifies_nor_exports(operator):
    token = dict(operator.get("").forms("/ra")[0])["the"]
    assert operator.send("/nhat-ky/kiem", {"the": token}).codes == ["SYS-171"]
    assert operator.get("/nhat-ky/xuat").codes == ["SYS-171"]


def test_more_than_a_page_waits_for_is_left_to_the_command_line(persons, monkeypatch):
    monkeypatch.setattr("gateway.console.journal.WALKED", 1)
    auditor = persons["auditor"]
    (fields,) = auditor.get("/nhat-ky").forms("/nhat-ky/kiem")
    assert auditor.send("/nhat-ky/kiem", {**dict(fields), "the": "sai"}).codes == ["SYS-167"]
    assert auditor.send("/nhat-ky/kiem", dict(fields)).codes == ["SYS-176"]


def test_a_line_that_was_changed_is_found(office, persons):
    with office.store.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER log_no_update"))
        connection.execute(text("UPDATE log SET who = 'operator:khac' WHERE number = 3"))
    auditor = persons["auditor"]
    (fields,) = auditor.get("/nhat-ky").forms("/nhat-ky/kiem")
    assert auditor.send("/nhat-ky/kiem", dict(fields)).codes == ["SYS-050"]
