"""How a node counts time limits shows at every door: REST, SOAP, the report."""

from dataclasses import replace
from datetime import datetime

import mail
import pytest
from lxml import etree

from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.parties import Role
from gateway.settings import DeadlineHours, DeadlineSettings

DV = "{http://www.dongnai.gov.vn/lienthong/dichvu/1.0}"
ASK = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<d:TraCuuHoSo xmlns:d="http://www.dongnai.gov.vn/lienthong/dichvu/1.0"><d:MaHoSo>{}</d:MaHoSo></d:TraCuuHoSo>'
    "</s:Body></s:Envelope>"
)
# Complete on Thursday 15 January 2026 at 9:00; handed over that day at 16:00.
DUE = {"elapsed": ("2026-01-15T15:00:00+07:00", True), "working": ("2026-01-15T17:00:00+07:00", False)}


@pytest.mark.parametrize("hours", list(DeadlineHours))
def test_the_six_hours_are_counted_alike_at_every_door(open_door, sample_settings, with_party, hours):
    settings = replace(sample_settings, deadlines=DeadlineSettings(hand_over_in=hours))
    door = open_door(settings=settings, parties=with_party("don-vi-loi", role=Role.OVERSIGHT))
    code = mail.ma_ho_so()
    agency = "ubnd-xa-thu-nghiem"
    door.send(mail.nop(code), "cong-dvc")
    door.send(mail.tiep_nhan(code), agency)
    door.send(mail.tien_do(code, 4, at="2026-01-15T16:00:00+07:00"), agency)

    told = door.get(f"/v1/dossiers/{code}", agency).json
    (limit,) = [row for row in told["DanhSachThoiHan"] if row["Loai"] == "chuyen-xu-ly"]
    assert (datetime.fromisoformat(limit["Han"]).astimezone(GIO_VIET_NAM).isoformat(), limit["Tre"]) == DUE[hours]
    answer = door.ask("POST", "/soap", ASK.format(code).encode(), by=agency, headers={"Content-Type": "text/xml"})
    (row,) = [row for row in etree.fromstring(answer.body).iter(f"{DV}ThoiHan") if row[0].text == "chuyen-xu-ly"]
    assert row.findtext(f"{DV}Han") == limit["Han"]
    (row,) = door.get("/v1/report?since=2026-01-01&until=2026-02-01&by=co-quan", "don-vi-loi").json["DanhSachDong"]
    assert row["HandOverLate"] == int(DUE[hours][1])
