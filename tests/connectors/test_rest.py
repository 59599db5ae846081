from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from false_agency import Agency, Lienthong, Request, Response, bien_nhan, run
from parcels import BODY, parcel, party

from connectors.http import HttpLine
from connectors.outcomes import Answered, NotThere, Receipt, Refused, Uncertain, Unreachable
from connectors.rest import rest
from gateway.core.problems import Stopped

MA = parcel().ma_thong_diep


async def exchange(
    response: Response, *, ask: bool = False, **settings: Any
) -> tuple[Receipt | NotThere | None, Request]:
    """What the connector makes of one answer."""
    async with Agency(Lienthong()) as agency, HttpLine() as line:
        agency.dialect.answer = lambda _: response  # type: ignore[method-assign]
        configured = rest.configure({"url": agency.url, "query_url": agency.url, "private_addresses": True, **settings})
        http = line.http(configured.common)
        what = parcel(to=party("rest"))
        call = rest.ask if ask else rest.deliver
        return await call(what, configured.settings, http), agency.requests[0]


def answered(response: Response, **settings: Any) -> Receipt | NotThere | None:
    return run(exchange(response, **settings))[0]


def raised(response: Response, **settings: Any) -> Answered:
    with pytest.raises(Answered) as caught:
        answered(response, **settings)
    return caught.value


def xml(ket_qua: str, *codes: str, ma: str = MA, body: bytes = BODY, status: int = 200) -> Response:
    return Response(status, body=bien_nhan(ma, ket_qua, body, *codes))


def json_(status: int = 200, **fields: Any) -> Response:
    return Response(status, "application/json", json.dumps(fields).encode())


def test_the_original_bytes_are_posted_with_all_that_identifies_them() -> None:
    _, request = run(exchange(xml("CHAP_NHAN")))
    assert request.body == BODY
    assert request.headers["content-type"] == "application/xml"
    assert request.headers["idempotency-key"] == "m-1.so-tu-phap"
    assert request.headers["lienthong-message-id"] == "m-1"
    assert request.headers["mathongdiep"] == MA
    digest = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    assert request.headers["content-digest"] == f"sha-256=:{digest}:"
    assert "lienthong-remarks" not in request.headers


@pytest.mark.parametrize("ket_qua", ["CHAP_NHAN", "TRUNG_LAP"])
def test_accepted_and_repeated_both_mean_that_they_have_it(ket_qua: str) -> None:
    found = answered(xml(ket_qua))
    assert isinstance(found, Receipt)
    assert found.reference == "TN-1"
    assert found.body is not None
    assert ket_qua.encode() in found.body


@pytest.mark.parametrize(
    "response",
    [
        Response(204),
        Response(202, "text/plain", b"  \n"),
        json_(ok=True),
        json_(201, KetQua="CHAP_NHAN", MaThongDiepGoc=MA),
        json_(BienNhan={"KetQua": "TRUNG_LAP", "MaThongDiepGoc": MA.upper()}),
    ],
)
def test_a_plain_yes_is_enough_unless_a_receipt_is_demanded(response: Response) -> None:
    assert isinstance(answered(response), Receipt)


@pytest.mark.parametrize("response", [Response(204), json_(ok=True)])
def test_a_plain_yes_is_no_receipt_where_one_is_demanded(response: Response) -> None:
    error = raised(response, receipt="required")
    assert isinstance(error, Uncertain)
    assert error.problem.facts["what"] == "BienNhan"


def test_a_party_that_acknowledges_later_is_pending_until_it_says_so() -> None:
    later = answered(Response(202), receipt_later_h=4)
    at_once = answered(xml("CHAP_NHAN"), receipt_later_h=4)
    assert isinstance(later, Receipt)
    assert isinstance(at_once, Receipt)
    assert (later.pending, at_once.pending) == (True, False)


@pytest.mark.parametrize(
    ("response", "codes"),
    [
        (xml("TU_CHOI", "SCHEMA_KHONG_HOP_LE", "CHU_KY_KHONG_HOP_LE"), ["SCHEMA_KHONG_HOP_LE", "CHU_KY_KHONG_HOP_LE"]),
        (xml("TU_CHOI", "SCHEMA_KHONG_HOP_LE", status=422), ["SCHEMA_KHONG_HOP_LE"]),
        (xml("TU_CHOI"), "–"),
        (
            json_(KetQua="TU_CHOI", MaThongDiepGoc=MA, DanhSachLoi=[{"Ma": "HO_SO_KHONG_TON_TAI"}]),
            ["HO_SO_KHONG_TON_TAI"],
        ),
        (json_(409, problems=[{"code": "DUP-010"}, {"code": "DUP-010"}, {}, 5]), ["DUP-010"]),
        (xml("TU_CHOI", "Nguyễn Văn Ánh, số 5\u202e"), ["Nguyễn?Văn?Ánh??số?5?"]),
    ],
)
def test_a_refusal_is_explained_by_their_codes(response: Response, codes: Any) -> None:
    error = raised(response)
    assert isinstance(error, Refused)
    assert (error.problem.code, error.problem.facts["codes"]) == ("DLV-031", codes)
    assert error.answer == response.body


def test_a_refusal_without_codes_is_explained_by_its_status() -> None:
    error = raised(Response(400, "text/html", b"<p>no"))
    assert isinstance(error, Refused)
    assert (error.problem.code, error.problem.facts) == ("DLV-030", {"status": 400})


@pytest.mark.parametrize("codes", [("LOI_HE_THONG",), ("LOI_HE_THONG", "KHONG_KIEM_TRA_DUOC_TRANG_THAI")])
def test_a_refusal_for_the_moment_is_no_refusal(codes: tuple[str, ...]) -> None:
    assert isinstance(raised(xml("TU_CHOI", *codes)), Unreachable)
    assert isinstance(raised(xml("TU_CHOI", *codes, "SCHEMA_KHONG_HOP_LE")), Refused)


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (xml("CHAP_NHAN", ma="00000000-0000-0000-0000-00000000000f"), "DLV-025"),
        (xml("TU_CHOI", ma="00000000-0000-0000-0000-00000000000f"), "DLV-025"),
        (xml("CHAP_NHAN", body=b"other"), "DLV-025"),
        (json_(KetQua="CHAP_NHAN"), "DLV-025"),
        (xml("CO_LE"), "DLV-023"),
        (Response(200, body=b"<a"), "DLV-023"),
        (Response(200, body=b"<BienNhan/>"), "DLV-023"),
        (Response(200, body=b"<html><body/></html>"), "DLV-023"),
        (Response(200, "application/json", b"{"), "DLV-023"),
        (Response(200, "application/json", b"[" * 100_000), "DLV-023"),
        (Response(200, "text/html", b"<!DOCTYPE html><p>hello"), "DLV-023"),
        (Response(200, "text/plain", b"OK"), "DLV-023"),
        (Response(200, body=b'<!DOCTYPE a [<!ENTITY b "c">]><BienNhan>&b;</BienNhan>'), "DLV-023"),
    ],
)
def test_an_answer_that_does_not_speak_of_this_message_is_none(response: Response, code: str) -> None:
    error = raised(response)
    assert isinstance(error, Uncertain)
    assert error.problem.code == code
    assert error.answer == response.body


def test_the_same_id_with_other_content_over_there_is_a_conflict() -> None:
    error = raised(xml("TRUNG_LAP", body=b"other"))
    assert isinstance(error, Refused)
    assert error.problem.code == "DLV-032"


def test_who_has_no_address_for_questions_is_not_asked() -> None:
    async def story() -> Any:
        async with HttpLine() as line:
            configured = rest.configure({"url": "https://a.example/"})
            return await rest.ask(parcel(), configured.settings, line.http(configured.common))

    assert run(story()) is None


def test_a_question_names_the_message_in_its_path() -> None:
    found, request = run(exchange(xml("CHAP_NHAN"), ask=True))
    assert isinstance(found, Receipt)
    assert (request.method, request.path) == ("GET", f"/lienthong/{MA}")


def test_the_original_bytes_are_an_answer_to_the_question() -> None:
    assert answered(Response(200, body=BODY), ask=True) == Receipt()


def test_asked_they_may_say_that_they_refused() -> None:
    assert isinstance(raised(xml("TU_CHOI", "SCHEMA_KHONG_HOP_LE"), ask=True), Refused)


@pytest.mark.parametrize(
    "response", [Response(204), Response(403), Response(200, "text/html", b"<p>"), xml("CHAP_NHAN", ma="x")]
)
def test_another_answer_to_the_question_says_nothing(response: Response) -> None:
    assert isinstance(raised(response, ask=True), Unreachable)


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        ({}, ["SYS-016"]),
        ({"url": "ftp://a"}, ["SYS-017"]),
        ({"url": "https://a.example/", "qery_url": "https://a.example/"}, ["SYS-012"]),
        ({"url": 5, "receipt": "always", "tiemout_s": 3}, ["SYS-012", "SYS-013", "SYS-014"]),
        ({"url": "https://a.example/", "timeout_s": 0}, ["SYS-015"]),
        ({"url": "https://a.example/", "authorization": "Bearer abc"}, ["SYS-017"]),
        ({"url": "https://a.example/", "answers": {"4x": "refused"}}, ["DLV-051"]),
        ({"url": "https://a.example/", "answers": {"404": "no"}}, ["SYS-014"]),
        ({"url": "https://a.example/", "client_key": "k.pem"}, ["DLV-052"]),
    ],
)
def test_every_mistake_in_the_settings_is_told(settings: dict[str, Any], codes: list[str], tmp_path: Path) -> None:
    with pytest.raises(Stopped) as caught:
        rest.configure(settings, base=tmp_path)
    assert sorted(p.code for p in caught.value.problems) == codes


@pytest.mark.parametrize(("key", "meant"), [("qery_url", "query_url"), ("tiemout_s", "timeout_s")])
def test_an_unknown_key_is_told_with_the_nearest_one(key: str, meant: str) -> None:
    with pytest.raises(Stopped) as caught:
        rest.configure({"url": "https://a.example/", key: 3})
    assert caught.value.problems[0].facts["nearest"] == meant


def test_files_are_looked_for_beside_the_profile(tmp_path: Path) -> None:
    configured = rest.configure({"url": "https://a.example/", "ca": "ca.pem"}, base=tmp_path)
    assert configured.common.ca == tmp_path / "ca.pem"
