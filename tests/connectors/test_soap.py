from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import tls
from false_agency import Agency, Lienthong, Request, Response, bien_nhan, run
from lxml import etree
from parcels import BODY, parcel, party
from soapish import DV, SOAP11, SOAP12, WSDL, Ours, T, envelope, fault, settings

from connectors.http import HttpLine
from connectors.outcomes import Answered, NotThere, Parcel, Receipt, Refused, Uncertain, Unreachable
from connectors.soap import soap
from gateway.core.problems import Stopped

WSDL_NS = "http://schemas.xmlsoap.org/wsdl/"
GOOD = envelope(
    f'<NhanHoSoResponse xmlns="{T}"><KetQua><Ma>00</Ma><SoBienNhan>BN7</SoBienNhan></KetQua></NhanHoSoResponse>'
)


async def exchange(
    response: Response, what: Parcel | None = None, *, ask: bool = False, **more: Any
) -> tuple[Receipt | NotThere | None, Request]:
    """What the connector makes of one answer."""
    async with Agency(Lienthong()) as agency, HttpLine() as line:
        agency.dialect.answer = lambda _: response  # type: ignore[method-assign]
        table = {"private_addresses": True, **settings(agency.url), **more}
        configured = soap.configure({key: value for key, value in table.items() if value is not None})
        http = line.http(configured.common)
        call = soap.ask if ask else soap.deliver
        return await call(what or parcel(to=party("soap")), configured.settings, http), agency.requests[0]


def answered(body: bytes, status: int = 200, media: str = "text/xml; charset=utf-8", **more: Any) -> Any:
    return run(exchange(Response(status, media, body), **more))[0]


def raised(body: bytes, status: int = 200, media: str = "text/xml; charset=utf-8", **more: Any) -> Answered:
    with pytest.raises(Answered) as caught:
        answered(body, status, media, **more)
    return caught.value


def test_the_mapped_operation_carries_the_original_bytes() -> None:
    receipt, request = run(exchange(Response(200, "text/xml", GOOD)))
    assert receipt == Receipt(reference="BN7", body=GOOD)
    assert request.headers["soapaction"] == '"urn:example:NhanHoSo"'
    assert request.headers["content-type"] == "text/xml; charset=utf-8"
    root = etree.fromstring(request.body)
    assert root.tag == f"{{{SOAP11}}}Envelope"
    (body,) = root.iter(f"{{{T}}}NoiDung")
    assert base64.b64decode(body.text or "") == BODY
    assert [e.text for e in root.iter(f"{{{T}}}MaDonVi", f"{{{T}}}SoHieu")] == ["H19.900", parcel().ma_thong_diep]


def test_soap_1_2_is_spoken_where_the_port_says_so() -> None:
    answer = Response(200, "application/soap+xml", GOOD.replace(SOAP11.encode(), SOAP12.encode()))
    receipt, request = run(exchange(answer, port="P12"))
    assert isinstance(receipt, Receipt)
    assert request.headers["content-type"] == 'application/soap+xml; charset=utf-8; action="urn:example:NhanHoSo"'
    assert "soapaction" not in request.headers
    assert request.body.count(SOAP12.encode())


def test_a_port_of_the_rpc_kind_is_spoken_too() -> None:
    answer = envelope(f'<t:GoiResponse xmlns:t="{T}"><return>0</return></t:GoiResponse>')
    more: dict[str, Any] = {
        "port": "PCu",
        "operation": "Goi",
        "parameters": {"noiDung": "text"},
        "meaning": {"field": "return", "delivered": ["0"]},
    }
    receipt, request = run(exchange(Response(200, "text/xml", answer), **more))
    assert isinstance(receipt, Receipt)
    (text,) = etree.fromstring(request.body).iter("noiDung")
    assert (text.text or "").encode() == BODY


def test_a_one_way_operation_needs_no_answer() -> None:
    more: dict[str, Any] = {"operation": "BaoTin", "parameters": {"NoiDung": "body"}, "meaning": None}
    assert answered(b"", 202, **more) == Receipt()
    assert isinstance(raised(b"", 202), Uncertain)  # where one was agreed on, none is none


def test_secrets_and_fixed_values_go_where_the_profile_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAT_KHAU", "bí mật")
    more = {
        "parameters": {
            "DangNhap.MaDonVi": "=A",
            "DangNhap.MatKhau": "env:MAT_KHAU",
            "SoHieu": "sha256",
            "NoiDung": "body",
        }
    }
    _, request = run(exchange(Response(200, "text/xml", GOOD), **more))
    root = etree.fromstring(request.body)
    assert [e.text for e in root.iter(f"{{{T}}}MatKhau", f"{{{T}}}SoHieu")] == ["bí mật", parcel().delivery.digest]
    monkeypatch.delenv("MAT_KHAU")
    assert raised(GOOD, **more).problem.code == "DLV-055"


def test_a_username_token_is_put_into_the_header(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("mật\n")
    more = {"username": "lienthong", "password": f"file:{tmp_path / 'password'}"}
    _, request = run(exchange(Response(200, "text/xml", GOOD), **more))
    wsse = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
    root = etree.fromstring(request.body)
    assert [e.text for e in root.iter(f"{wsse}Username", f"{wsse}Password")] == ["lienthong", "mật"]


@pytest.mark.parametrize(
    ("code", "kind", "problem"),
    [("00", Receipt, None), ("17", Refused, "DLV-033"), ("99", Unreachable, "DLV-010"), ("05", Uncertain, "DLV-023")],
)
def test_result_codes_mean_what_the_profile_says(code: str, kind: type[Any], problem: str | None) -> None:
    meaning = {"field": "KetQua/Ma", "delivered": ["00"], "passing": ["99"], "refused": ["17"]}
    answer = GOOD.replace(b"<Ma>00", f"<Ma>{code}".encode())
    if kind is Receipt:
        assert isinstance(answered(answer, meaning=meaning), Receipt)
    else:
        error = raised(answer, meaning=meaning)
        assert type(error) is kind
        assert error.problem.code == problem


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(GOOD.replace(b"NhanHoSoResponse", b"TraCuuResponse"), id="another element"),
        pytest.param(GOOD.replace(T.encode(), b"urn:other"), id="another namespace"),
        pytest.param(GOOD.replace(SOAP11.encode(), SOAP12.encode()), id="another SOAP"),
        pytest.param(
            GOOD.replace(
                b"<KetQua>",
                b'<KetQua xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xsi:x">',
            ),
            id="xsi:type",
        ),
        pytest.param(GOOD.replace(b"<Ma>00</Ma>", b""), id="no code"),
        pytest.param(GOOD.replace(b"<Ma>00</Ma>", b"<Ma>17</Ma><Ma>00</Ma>"), id="two codes"),
        pytest.param(GOOD.replace(b"<Ma>00</Ma>", b"<Ma><b>00</b></Ma>"), id="a code inside"),
        pytest.param(envelope(""), id="an empty body"),
        pytest.param(envelope("<a/><b/>"), id="two elements"),
        pytest.param(GOOD.replace(b"<s:Body>", b"<s:Body/><s:Body>"), id="two bodies"),
        pytest.param(GOOD.replace(b"</s:Body>", b"</s:Body><x/>"), id="after the body"),
        pytest.param(GOOD.replace(b"<s:Body>", b"<s:Header><s:Body/></s:Header><x/><s:Body>"), id="before the body"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY e "00">]>' + GOOD.replace(b">00<", b">&e;<"), id="an entity"),
        pytest.param(b"<NhanHoSoResponse/>", id="no envelope"),
        pytest.param(GOOD[:-9], id="cut"),
    ],
)
def test_an_answer_that_was_not_agreed_on_is_none(answer: bytes) -> None:
    error = raised(answer)
    assert isinstance(error, Uncertain)
    assert error.problem.code == "DLV-023"


@pytest.mark.parametrize("media", ["text/html", "multipart/related", "application/json"])
def test_an_answer_of_another_kind_is_none(media: str) -> None:
    assert isinstance(raised(GOOD, media=media), Uncertain)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fault("s:Client"), Refused),
        (fault("s:Client.Authentication"), Refused),
        (fault("s:Server"), Uncertain),
        (fault("s:VersionMismatch"), Unreachable),
        (fault("t:Whatever"), Uncertain),
        (fault("s:Sender", soap=SOAP12), Refused),
        (fault("s:Receiver", "t:Busy", soap=SOAP12), Uncertain),
        (fault("s:Server", detail='<p:Loi xmlns:p="urn:p"><p:Ma>LOI_HE_THONG</p:Ma></p:Loi>'), Unreachable),
        (fault("s:Client", detail='<p:Loi xmlns:p="urn:p"><p:Ma>SCHEMA_KHONG_HOP_LE</p:Ma></p:Loi>'), Refused),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_faults_are_told_apart(answer: bytes, kind: type[Answered], status: int) -> None:
    error = raised(answer, status)
    told = {Refused: "DLV-035", Uncertain: "DLV-022", Unreachable: "DLV-010"}
    assert (type(error), error.problem.code) == (kind, told[kind])
    assert error.answer == answer


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (fault("s:Server.Busy"), "Server.Busy"),
        (fault("s:Server", detail="<QuaTai xmlns='urn:t'/>"), "QuaTai"),
        (fault("s:Receiver", "t:Busy", soap=SOAP12), "Busy"),
    ],
)
def test_a_profile_says_what_a_fault_means(answer: bytes, key: str) -> None:
    assert isinstance(raised(answer, 500, faults={key: "unreachable"}), Unreachable)
    assert isinstance(raised(answer, 500, faults={key: "refused", "Server": "unreachable"}), Refused)


@pytest.mark.parametrize(
    ("status", "kind"), [(503, Unreachable), (404, Unreachable), (401, Unreachable), (502, Uncertain)]
)
def test_without_an_envelope_the_status_speaks(status: int, kind: type[Answered]) -> None:
    assert type(raised(b"<html/>", status, "text/html")) is kind
    assert type(raised(fault("s:Server"), status)) is kind  # nor is a fault believed that comes with such a status


def test_a_receipt_in_the_answer_is_read() -> None:
    inner = base64.b64encode(bien_nhan(parcel().ma_thong_diep, "TRUNG_LAP", BODY)).decode()
    answer = GOOD.replace(b"<Ma>00</Ma>", f"<Ma>17</Ma><BienNhan>{inner}</BienNhan>".encode())
    receipt = answered(answer, receipt="KetQua/BienNhan")
    assert receipt.reference == "TN-1"
    assert b"TRUNG_LAP" in receipt.body
    spoilt = answer.replace(inner.encode(), base64.b64encode(b"<x"))
    assert raised(spoilt, receipt="KetQua/BienNhan").problem.facts["what"] == "BienNhan"


@pytest.mark.parametrize(("said", "found"), [("DA_NHAN", Receipt), ("KHONG_CO", NotThere)])
def test_a_question_is_answered_by_the_words_of_the_profile(said: str, found: type[Any]) -> None:
    answer = envelope(f'<TraCuuResponse xmlns="{T}"><TinhTrang>{said}</TinhTrang></TraCuuResponse>')
    assert isinstance(answered(answer, ask=True), found)
    assert isinstance(raised(answer.replace(said.encode(), b"?"), ask=True), Unreachable)
    assert isinstance(raised(fault("s:Client"), 500, ask=True), Unreachable)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "FileNotFoundError"),
        ("<definitions", "XMLSyntaxError"),
        (f'<!DOCTYPE a [<!ENTITY x "y">]><definitions xmlns="{WSDL_NS}"/>', "DTDForbidden"),
        (f'<definitions xmlns="{WSDL_NS}"><import namespace="a" location="../x.wsdl"/></definitions>', "OSError"),
        (f'<definitions xmlns="{WSDL_NS}"><import namespace="a" location="http://127.0.0.1:1/"/></definitions>', "Ext"),
        (f'<definitions xmlns="{WSDL_NS}"/>', "it has no service"),
    ],
)
def test_a_wsdl_that_cannot_be_used_is_a_sentence(text: str | None, why: str, tmp_path: Path) -> None:
    (tmp_path / "x.wsdl").write_text(WSDL.read_text())
    folder = tmp_path / "inner"
    folder.mkdir()
    file = folder / "y.wsdl"
    if text is not None:
        file.write_text(text)
    error = raised(GOOD, wsdl=str(file))
    assert isinstance(error, Unreachable)
    assert error.problem.code == "DLV-054"
    assert why in error.problem.facts["why"]


@pytest.mark.parametrize(
    "more",
    [
        {"operation": "Nothing"},
        {"port": "P99"},
        {"parameters": {"SoHieu": "ma_thong_diep"}},
        {"parameters": {"KhongCo": "body"}},
    ],
)
def test_an_operation_that_the_wsdl_does_not_have_is_a_sentence(more: dict[str, Any]) -> None:
    error = raised(GOOD, **more)
    assert isinstance(error, Unreachable)
    assert error.problem.code == "DLV-054"


def test_a_newer_wsdl_is_loaded_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "x.wsdl"
    file.write_text(WSDL.read_text().replace("urn:example:NhanHoSo", "urn:example:Cu"))
    _, before = run(exchange(Response(200, "text/xml", GOOD), wsdl=str(file)))
    file.write_text(WSDL.read_text() + "\n")
    _, after = run(exchange(Response(200, "text/xml", GOOD), wsdl=str(file)))
    assert (before.headers["soapaction"], after.headers["soapaction"]) == ('"urn:example:Cu"', '"urn:example:NhanHoSo"')


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"parameters": {"NoiDung": "bdoy"}}, "DLV-054"),
        ({"username": "a"}, "DLV-054"),
        ({"meaning": {"field": "Ma"}}, "SYS-016"),
        ({"meaning": {"field": "Ma", "delivered": ["0"], "delivred": []}}, "SYS-012"),
        ({"password": "abc", "username": "a"}, "SYS-017"),
    ],
)
def test_mistakes_in_the_settings_are_told(more: dict[str, Any], code: str) -> None:
    with pytest.raises(Stopped) as caught:
        soap.configure({**settings("https://a.example/"), **more})
    assert [p.code for p in caught.value.problems] == [code]


def test_it_goes_over_tls_with_the_partys_authority(tmp_path: Path) -> None:
    ca = tls.mint(tmp_path, "ca")

    async def story() -> Any:
        async with Agency(Lienthong(), tls.server(tls.mint(tmp_path, "server", ca))) as agency, HttpLine() as line:
            agency.dialect.answer = lambda _: Response(200, "text/xml", GOOD)  # type: ignore[method-assign]
            configured = soap.configure({"private_addresses": True, "ca": str(ca.file), **settings(agency.url)})
            return await soap.deliver(parcel(), configured.settings, line.http(configured.common))

    assert isinstance(run(story()), Receipt)


# Our own service, as a party offers it


OWN: dict[str, Any] = dict.fromkeys(("wsdl", "port", "operation", "parameters", "meaning", "query"))


def with_receipt(ket_qua: str, *codes: str, body: bytes = BODY) -> bytes:
    """A fault of our door with a receipt in its detail."""
    inner = base64.b64encode(bien_nhan(parcel().ma_thong_diep, ket_qua, body, *codes)).decode()
    loi = "".join(f"<Loi><Ma>{code}</Ma></Loi>" for code in codes)
    return fault("s:Client", detail=f'<LoiXuLy xmlns="{DV}"><BienNhan>{inner}</BienNhan>{loi}</LoiXuLy>')


@pytest.mark.parametrize("token", ["CHUA_XAC_THUC", "NOI_GUI_BI_KHOA", "KHONG_CO_QUYEN"])
def test_a_fault_about_who_calls_is_no_refusal_of_the_message(token: str) -> None:
    error = raised(Ours().fault(token, "AUT-1").body, 500, **OWN)
    assert (type(error), error.problem.code) == (Unreachable, "DLV-005")


def test_our_own_service_needs_nothing_but_an_address() -> None:
    inner = base64.b64encode(bien_nhan(parcel().ma_thong_diep, "CHAP_NHAN", BODY)).decode()
    answer = envelope(
        f'<GuiThongDiepResponse xmlns="{DV}"><TraLoi><BienNhan>{inner}</BienNhan></TraLoi></GuiThongDiepResponse>'
    )
    receipt, request = run(exchange(Response(200, "text/xml", answer), **OWN))
    assert isinstance(receipt, Receipt)
    assert receipt.reference == "TN-1"
    (sent,) = etree.fromstring(request.body).iter(f"{{{DV}}}NoiDung")
    assert base64.b64decode(sent.text or "") == BODY


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (with_receipt("TU_CHOI", "SCHEMA_KHONG_HOP_LE"), Refused, "DLV-031"),
        (with_receipt("TU_CHOI", "LOI_HE_THONG"), Unreachable, "DLV-010"),
        (with_receipt("TU_CHOI", "KHONG_CO_QUYEN"), Refused, "DLV-031"),
        (with_receipt("TRUNG_LAP", "XUNG_DOT_MA_THONG_DIEP"), Refused, "DLV-032"),
        (with_receipt("TRUNG_LAP", body=b"other"), Refused, "DLV-032"),
    ],
)
def test_the_receipt_in_a_fault_says_what_became_of_it(answer: bytes, kind: type[Answered], code: str) -> None:
    error = raised(answer, 500, **OWN)
    assert type(error) is kind
    assert error.problem.code == code


@pytest.mark.parametrize(
    ("answer", "status", "found"),
    [
        (Ours().say("TrangThaiThongDiepResponse", "<KetQua>accepted</KetQua>").body, 200, Receipt),
        (Ours().say("TrangThaiThongDiepResponse", "<KetQua>held</KetQua>").body, 200, Receipt),
        (Ours().fault("KHONG_TIM_THAY", "SYS-121").body, 500, NotThere),
        (Ours().say("TrangThaiThongDiepResponse", "<KetQua>rejected</KetQua>").body, 200, Refused),
        (Ours().fault("CHUA_XAC_THUC", "AUT-020").body, 500, Unreachable),
    ],
)
def test_our_own_service_is_asked_by_its_own_operation(answer: bytes, status: int, found: type[Any]) -> None:
    if issubclass(found, Answered):
        assert type(raised(answer, status, ask=True, **OWN)) is found
    else:
        assert isinstance(answered(answer, status, ask=True, **OWN), found)
