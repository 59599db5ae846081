"""An agency with a SOAP service of its own making (nhan-ho-so.wsdl)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from false_agency import Request, Response, bien_nhan
from lxml import etree

WSDL = Path(__file__).with_name("nhan-ho-so.wsdl")
T = "urn:example:nhan-ho-so"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"


def settings(url: str, *_: object) -> dict[str, Any]:
    """How a profile maps that service."""
    return {
        "url": url,
        "wsdl": str(WSDL),
        "port": "P11",
        "operation": "NhanHoSo",
        "parameters": {"DangNhap.MaDonVi": "=H19.900", "SoHieu": "ma_thong_diep", "NoiDung": "body"},
        "meaning": {"field": "KetQua/Ma", "delivered": ["00"], "reference": "KetQua/SoBienNhan"},
        "query": {
            "operation": "TraCuu",
            "parameters": {"SoHieu": "ma_thong_diep"},
            "field": "TinhTrang",
            "there": ["DA_NHAN"],
            "not_there": ["KHONG_CO"],
        },
    }


def envelope(inner: str, soap: str = SOAP11) -> bytes:
    """A SOAP message."""
    return f'<s:Envelope xmlns:s="{soap}"><s:Body>{inner}</s:Body></s:Envelope>'.encode()


def fault(code: str, sub: str | None = None, *, soap: str = SOAP11, detail: str = "") -> bytes:
    """A fault of either version."""
    if soap == SOAP11:
        tail = f"<detail>{detail}</detail>" if detail else ""
        return envelope(f"<s:Fault><faultcode>{code}</faultcode><faultstring>x</faultstring>{tail}</s:Fault>")
    inner = f"<s:Subcode><s:Value>{sub}</s:Value></s:Subcode>" if sub else ""
    reason = '<s:Reason><s:Text xml:lang="vi">x</s:Text></s:Reason>'
    return envelope(f"<s:Fault><s:Code><s:Value>{code}</s:Value>{inner}</s:Code>{reason}</s:Fault>", soap)


class Soapish:
    """Its far side."""

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.bodies: dict[str, bytes] = {}

    def answer(self, request: Request) -> Response:
        root = etree.fromstring(request.body)
        so = root.findtext(f".//{{{T}}}SoHieu") or ""
        if root.find(f".//{{{T}}}TraCuu") is not None:
            said = "DA_NHAN" if so in self.bodies else "KHONG_CO"
            return self.say(f'<TraCuuResponse xmlns="{T}"><TinhTrang>{said}</TinhTrang></TraCuuResponse>')
        body = base64.b64decode(root.findtext(f".//{{{T}}}NoiDung") or "")
        if so not in self.bodies:
            self.effects.append(so)
            self.bodies[so] = body
        return self.result("00" if self.bodies[so] == body else "17")

    def refusal(self, request: Request) -> Response:
        del request
        return self.result("17")

    def garbage(self, request: Request) -> Response:
        del request
        return self.say(f'<NhanHoSoResult xmlns="{T}"><KetQua><Ma>00</Ma></KetQua></NhanHoSoResult>')

    def result(self, code: str) -> Response:
        """NhanHoSoResponse."""
        return self.say(f'<NhanHoSoResponse xmlns="{T}"><KetQua><Ma>{code}</Ma></KetQua></NhanHoSoResponse>')

    def say(self, inner: str) -> Response:
        """A SOAP answer."""
        return Response(200, "text/xml; charset=utf-8", envelope(inner))


DV = "http://www.dongnai.gov.vn/lienthong/dichvu/1.0"


def ours(url: str, *_: object) -> dict[str, Any]:
    """A party that offers our own service."""
    return {"url": url}


class Ours:
    """Its far side: schemas/wsdl/lienthong.wsdl, by hand."""

    def __init__(self) -> None:
        self.effects: list[str] = []
        self.bodies: list[bytes] = []

    def answer(self, request: Request) -> Response:
        root = etree.fromstring(request.body)
        asked = root.findtext(f".//{{{DV}}}TrangThaiThongDiep/{{{DV}}}MaThongDiep")
        if asked is not None:
            if asked in self.effects:
                return self.say("TrangThaiThongDiepResponse", "<KetQua>accepted</KetQua>")
            return self.fault("KHONG_TIM_THAY", "SYS-121")
        body = base64.b64decode(root.findtext(f".//{{{DV}}}GuiThongDiep/{{{DV}}}NoiDung") or "")
        number = body.rpartition(b"<!--")[2][:36].decode()
        if number not in self.effects:
            self.effects.append(number)
        receipt = base64.b64encode(bien_nhan(number, "CHAP_NHAN", body)).decode()
        return self.say("GuiThongDiepResponse", f"<KetQua>accepted</KetQua><BienNhan>{receipt}</BienNhan>")

    def refusal(self, request: Request) -> Response:
        del request
        return self.fault("SCHEMA_KHONG_HOP_LE", "XSD-021")

    def garbage(self, request: Request) -> Response:
        del request
        return self.say("GuiThongDiepResponse", "<KetQua>accepted</KetQua><BienNhan>PGE+</BienNhan>")

    def fault(self, token: str, code: str) -> Response:
        """A fault as our door gives it."""
        loi = f"<Loi><Ma>{token}</Ma><MaChiTiet>{code}</MaChiTiet></Loi>"
        detail = f'<LoiXuLy xmlns="{DV}"><MaTraCuu>x</MaTraCuu><DanhSachLoi>{loi}</DanhSachLoi></LoiXuLy>'
        return Response(500, "text/xml; charset=utf-8", fault("s:Client", detail=detail))

    def say(self, name: str, inner: str) -> Response:
        """An answer as our door gives it."""
        return Response(
            200, "text/xml; charset=utf-8", envelope(f'<{name} xmlns="{DV}"><TraLoi>{inner}</TraLoi></{name}>')
        )
