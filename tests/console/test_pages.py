"""Every page answers whoever may see it, in both languages, without an outside file."""

import html
import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from desks import NOT_ARRIVED, Listening, Visitor
from offices import Office

from gateway.console.menu import MENU
from gateway.console.room import BASE, Room
from gateway.core.catalogues import Muc
from gateway.services.bundles import seal_log
from gateway.services.publishing import publish

PATHS = [one.path.removeprefix(BASE) for one in MENU]


@pytest.fixture(scope="module")
def filed(office):
    """Three more dossiers, for every test that counts them, in whatever order."""
    return office.file(3)


@pytest.mark.parametrize("path", PATHS)
def test_a_page_of_the_menu_answers_in_both_languages(persons, path):
    for lang, word in (("vi", "Đăng xuất"), ("en", "Log out")):
        seen = persons["administrator"].get(f"{path}?lang={lang}")
        assert (seen.status, f'<html lang="{lang}">' in seen.source, word in seen.text) == (200, True, True), seen.text


@pytest.mark.postgres
def test_every_page_answers_over_postgresql_too(tmp_path, postgres_url):
    office = Office(tmp_path, postgres_url)
    try:
        office.receive("accepted/HS01-nop-ho-so-toi-thieu")
        office.receive("rejected/SIG-001-sua-noi-dung")
        (delivery,) = office.fail()
        chief = office.visitor("quan-tri")
        more = [
            f"/ho-so/xem?ma={NOT_ARRIVED}",
            f"/luot-gui/{delivery.id}",
            f"/thong-diep/{delivery.message}",
            "/co-quan/so-tu-phap",
            "/cong-khai",
        ]
        for path in [
            *PATHS,
            *more,
            "/lech/766",
            "/thong-ke/tep?dang=xlsx",
            "/qua-han/tep?dang=csv",
            "/nhat-ky/tep?dang=csv",
        ]:
            assert chief.get(path).status == 200, path
        assert NOT_ARRIVED in chief.get("/ho-so?ma=H19.901-26").text
        assert NOT_ARRIVED not in chief.get("/ho-so?ma=H19.902").text
    finally:
        office.close()


def test_a_list_goes_on_where_its_page_ended_and_a_filter_keeps_to_what_it_says(office, viewer, filed, monkeypatch):
    codes = sorted({*re.findall(r"H19\.901-[0-9]{6}-[0-9]+", viewer.get("/ho-so").text)})
    assert len(codes) == 4
    monkeypatch.setattr("gateway.console.dossiers.PAGE", 2)
    monkeypatch.setattr("gateway.console.messages.PAGE", 2)
    first = viewer.get("/ho-so?co_quan=so-tu-phap")
    (onward,) = re.findall(r'rel="next" href="/ban-truc([^"]*)"', first.source)
    second = viewer.get(html.unescape(onward))
    assert [code in first.text for code in codes] == [True, True, False, False]
    assert [code in second.text for code in codes] == [False, False, True, True]
    (onward,) = re.findall(r'rel="next" href="/ban-truc([^"]*)"', viewer.get("/thong-diep?gui=cong-dvc").source)
    assert viewer.get(html.unescape(onward)).status == 200
    assert "SIG-001" in viewer.get("/thong-diep?trang_thai=rejected").text
    assert "không có thông điệp phù hợp" in viewer.get("/thong-diep?nhan=so-tu-phap&ma_loi=SIG-001").text


def test_the_numbers_of_the_morning_are_those_of_the_record(office, viewer, filed):
    office.clock.forward(seconds=1)
    text = viewer.get("").text
    assert f"{2 + len(filed)} thông điệp nhận trong 24 giờ" in text
    assert "1 bị từ chối trong 24 giờ" in text
    assert "1 hàng đợi theo hồ sơ đang bị tạm giữ" in text


def test_files_hold_what_the_page_shows_and_no_formula(office, persons):
    auditor = persons["auditor"]
    seen = auditor.get("/thong-ke/tep?dang=csv&theo=co-quan")
    assert seen.headers["Content-Type"].startswith("text/csv")
    assert "Sở Tư pháp" in seen.body.decode("utf-8-sig")
    assert auditor.get("/thong-ke/tep?dang=xlsx").body[:2] == b"PK"
    journal = auditor.get("/nhat-ky/tep?dang=csv&viec=operator.").body.decode("utf-8-sig")
    assert "thêm người trực" in journal


def test_statistics_for_everybody_are_of_services_of_level_three_and_none_where_they_are_not_opened(office, filed):
    stranger, since = office.visitor(), f"?tu={office.clock.now - timedelta(days=2):%Y-%m-%d}"
    assert stranger.get("/cong-khai").status == 200
    assert (
        json.loads(stranger.get("/cong-khai/json").body)["dich_vu"] == []
    )  # no catalogue says what level a service has
    services = [
        Muc(ma="DV1", ten="Cấp phiếu", fields={"MaTTHC": "2.000488.000.00.00.H19", "MucDo": "4"}),
        Muc(ma="DV2", ten="Việc khác", fields={"MaTTHC": "1.001612.000.00.00.H19", "MucDo": "2"}),
    ]
    publish(office.store, "DichVu", "1", services, who="operator:test", now=office.clock.now)
    (service,) = json.loads(stranger.get(f"/cong-khai/json{since}").body)["dich_vu"]
    assert (service["ma"], service["filed"]) == ("2.000488", 3)
    assert stranger.get("/cong-khai/csv").body.decode("utf-8-sig").count("2.000488") == 1
    closed = Listening(replace_settings(office.room, public=False))
    try:
        seen = Visitor(closed.port).ask("GET", "/ban-truc/cong-khai")
        assert (seen.status, seen.codes) == (404, ["SYS-169"])
    finally:
        closed.close()


def test_the_heads_that_were_signed_stand_in_a_table_and_are_verified_with_the_chain(office, persons):
    auditor = persons["auditor"]
    how = {"gateway": office.gate.identity.ma_dinh_danh, "every": timedelta(0)}
    signed = []
    for _ in range(2):
        office.visitor("xem")  # something happens that a head is signed after
        signed.append(seal_log(office.store, office.gate.key, now=office.clock.now, **how))
    page = auditor.get("/nhat-ky")
    table = page.source.partition("Đầu chuỗi đã ký gần đây</caption>")[2].partition("</table>")[0]
    rows = [row for row in table.split("<tr ") if "</td>" in row]
    assert [f">{head.number}</td>" in row for head, row in zip(reversed(signed), rows, strict=True)] == [True, True]
    (fields,) = page.forms("/nhat-ky/kiem")
    assert "2 đầu chuỗi đã ký, tất cả đều đúng" in auditor.send("/nhat-ky/kiem", dict(fields)).text


def replace_settings(room, **console):
    given = room.settings
    loaded = replace(room.loaded, settings=replace(given, console=replace(given.console, **console)))
    return Room(loaded, room.store, room.clock)
