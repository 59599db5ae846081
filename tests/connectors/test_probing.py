"""Trying the way to a party: each thing that can be wrong is found, named in both languages, and nothing is sent."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cong_quoc_gia
import pytest
import soapish
import tls
from false_agency import Agency, Request, Response, run
from parcels import party
from patience import PATIENCE_S
from rigs import RIGS, HttpRig, Rig

from connectors.base import connector
from connectors.http import HttpLine
from connectors.outcomes import ProbeStep
from connectors.probing import tried
from connectors.registry import installed
from gateway.core.problems import Lang, ProblemOutcome


class Says:
    """A server with one answer for everything, or one that a function gives."""

    def __init__(self, answer: Response | Callable[[Request], Response]) -> None:
        self.effects: list[str] = []
        self._answer = answer

    def answer(self, request: Request) -> Response:
        return self._answer if isinstance(self._answer, Response) else self._answer(request)

    refusal = garbage = answer


async def look(name: str, **settings: Any) -> list[ProbeStep]:
    """Every step of trying a party with this connector and these settings."""
    common = {"private_addresses": True, "timeout_s": 60, "connect_timeout_s": 60} if name != "folder" else {}
    who = party(name, **{**common, **settings})
    connector = installed().named(name)
    configured = connector.configure(who.connector_settings)
    async with HttpLine() as line:
        return await tried(who, connector, configured, line.http(configured.common))


def wrong(steps: list[ProbeStep]) -> dict[str, str]:
    """Code -> the Vietnamese sentence, of everything that is wrong; the English one is another."""
    found = {}
    for step in steps:
        for problem in step.problems:
            vi, en = problem.message(Lang.VI), problem.message(Lang.EN)
            assert "…" not in vi + en
            assert vi != en
            if problem.outcome is not ProblemOutcome.NOTE:
                found[problem.code] = vi
    return found


def with_server(
    answer: Any, name: str = "rest", context: ssl.SSLContext | None = None, **settings: Any
) -> list[ProbeStep]:
    """The steps with a server that speaks so; every request that it got was a mere look."""

    async def story() -> list[ProbeStep]:
        dialect = answer if hasattr(answer, "answer") else Says(answer)
        async with Agency(dialect, context) as agency:
            found = await look(name, **{"url": agency.url, **settings})
            assert dialect.effects == []
            if name == "rest":
                assert {request.method for request in agency.requests} <= {"GET", "OPTIONS"}
            return found

    return run(story())


@pytest.mark.parametrize("rig", RIGS, ids=str)
def test_a_way_that_is_right_is_found_to_be_right_and_nothing_takes_effect(rig: Rig, tmp_path: Path) -> None:
    async def story() -> tuple[list[ProbeStep], list[str]]:
        async with rig.open(tmp_path) as stand:
            if isinstance(rig, HttpRig):  # these far sides know nothing of GET
                dialect = stand.agency.dialect  # type: ignore[attr-defined]
                theirs = dialect.answer
                dialect.answer = lambda request: (  # type: ignore[method-assign]
                    Response(405) if request.method != "POST" else theirs(request)
                )
                if rig.name == "rest":
                    dialect.answer = lambda request: Response(405) if request.path == "/lienthong" else theirs(request)
            steps = await tried(stand.party, stand.connector, stand.configured, stand.http)
            return steps, stand.effects

    steps, effects = run(story())
    assert (wrong(steps), effects) == ({}, [])
    assert steps


def test_a_name_that_there_is_not() -> None:
    steps = run(look("rest", url="https://khong-co.invalid/nhan"))
    assert "không có máy chủ mang tên này" in wrong(steps)["DLV-001"]


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = wrong(run(look("rest", url=f"http://127.0.0.1:{port}/nhan")))
    assert "không có dịch vụ ở cổng này" in said["DLV-001"]


def test_an_address_that_may_not_be_called() -> None:
    said = wrong(run(look("rest", url="http://127.0.0.1:9/nhan", private_addresses=False)))
    assert "không có TLS" in said["DLV-003"]
    said = wrong(run(look("rest", url="https://127.0.0.1:9/nhan", private_addresses=False)))
    assert "mạng riêng" in said["DLV-003"]


@pytest.mark.parametrize(
    ("name", "days", "words"),
    [
        ("other-ca", 300, "nơi cấp chứng thư máy chủ không nằm trong ca"),
        ("expired", -1, "đã hết hạn"),
        ("wrong-name", 300, "không dành cho địa chỉ này"),
    ],
)
def test_a_server_certificate_that_is_not_right(name: str, days: int, words: str, tmp_path: Path) -> None:
    ca, other = tls.mint(tmp_path, "ca"), tls.mint(tmp_path, "other")
    address = "127.0.0.2" if name == "wrong-name" else "127.0.0.1"
    pair = tls.mint(tmp_path, "server", ca, days=days, address=address)
    authority = other if name == "other-ca" else ca

    async def story() -> list[ProbeStep]:
        async with Agency(Says(Response(405)), tls.server(pair)) as agency:
            return await look("rest", url=f"https://127.0.0.1:{agency.port}/", ca=str(authority.file))

    assert words in wrong(run(story()))["DLV-002"]


def test_a_server_without_tls() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def story() -> list[ProbeStep]:
        async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await look("rest", url=f"https://127.0.0.1:{port}/")

    assert "không hỗ trợ TLS ở cổng này" in wrong(run(story()))["DLV-002"]


def test_a_server_that_demands_a_client_certificate_says_so_and_has_taken_nothing(tmp_path: Path) -> None:
    ca = tls.mint(tmp_path, "ca")
    context = tls.server(tls.mint(tmp_path, "server", ca, days=300), ca)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_S)

        def serve() -> None:  # a blocking server: asyncio's hangs up before its alert has left
            with suppress(OSError):
                while True:
                    one = context.wrap_socket(listening.accept()[0], server_side=True, do_handshake_on_connect=False)
                    try:
                        one.do_handshake()
                        one.recv(1000)
                        one.sendall(b"HTTP/1.1 405 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    except ssl.SSLError:
                        socket.socket.recv(one, 1000)  # what came unread would turn our close into a reset
                    finally:
                        one.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            more = {"url": f"https://127.0.0.1:{listening.getsockname()[1]}/", "ca": str(ca.file)}
            said = wrong(run(look("rest", **more)))
            ours = tls.mint(tmp_path, "ours", ca, days=300)
            right = wrong(run(look("rest", client_certificate=str(ours.file), **more)))
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE_S)
    assert "yêu cầu chứng thư máy khách" in said["DLV-002"]
    assert right == {}


def test_nginx_says_the_same_with_a_page() -> None:
    page = b"<html><head><title>400 No required SSL certificate was sent</title></head></html>"
    said = wrong(with_server(Response(400, "text/html", page)))
    assert "yêu cầu chứng thư máy khách" in said["DLV-002"]


def test_a_certificate_that_ends_soon_is_remarked_on(tmp_path: Path) -> None:
    ca = tls.mint(tmp_path, "ca")

    def codes(days: int) -> list[str]:
        context = tls.server(tls.mint(tmp_path, f"server-{days}", ca, days=days))
        steps = with_server(Response(405), context=context, ca=str(ca.file))
        assert any((step.found or "").startswith("TLSv1.") for step in steps)
        return [problem.code for step in steps for problem in step.problems]

    assert (codes(5), codes(300)) == (["DLV-045"], [])


def test_files_of_our_own_tls_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    assert "DLV-002" in wrong(run(look("rest", url="https://127.0.0.1:9/", ca=str(tmp_path / "ca.pem"))))


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "DLV-005"), (403, "DLV-005"), (404, "DLV-007"), (307, "DLV-006"), (500, "DLV-042"), (503, "DLV-004")],
)
def test_a_status_that_says_no(status: int, code: str) -> None:
    assert set(wrong(with_server(Response(status)))) == {code}


@pytest.mark.parametrize("status", [200, 204, 400, 405, 415, 501])
def test_a_status_with_which_a_service_for_post_answers_a_get(status: int) -> None:
    assert wrong(with_server(Response(status))) == {}


def test_a_get_that_finds_nothing_where_there_is_only_a_post_is_fine() -> None:
    def express(request: Request) -> Response:
        return Response(200, headers={"Allow": "POST"}) if request.method == "OPTIONS" else Response(404)

    assert wrong(with_server(express)) == {}


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("env:LIENTHONG_KHONG_CO", "không có biến môi trường này"),
        ("file:/khong/co", "không có tệp này"),
        ("file:{folder}", "là thư mục"),
        ("file:{folder}/trong", "trống"),
    ],
)
def test_a_secret_that_is_not_there(where: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "trong").write_text(" \n")
    said = wrong(with_server(Response(405), authorization=where.format(folder=tmp_path)))
    assert words in said["DLV-055"]


def test_a_place_to_ask_that_claims_to_have_everything(tmp_path: Path) -> None:
    async def story(query: Response) -> list[ProbeStep]:
        def answer(request: Request) -> Response:
            return query if "/hoi/" in request.path else Response(405)

        async with Agency(Says(answer)) as agency:
            return await look("rest", url=agency.url, query_url=agency.url.replace("lienthong", "hoi"))

    assert wrong(run(story(Response(404)))) == {}
    ((code, words),) = wrong(run(story(Response(200, "text/html", b"<html/>")))).items()
    assert (code, "text/html" in words) == ("DLV-043", True)
    assert "DLV-041" in wrong(run(story(Response(500))))


# SOAP


def soap(answer: Any, **settings: Any) -> dict[str, str]:
    return wrong(with_server(answer, "soap", **settings))


def published(wsdl: bytes) -> Callable[[Request], Response]:
    far = soapish.Ours()
    return lambda request: Response(200, "text/xml", wsdl) if request.method == "GET" else far.answer(request)


OUR_WSDL = (Path(__file__).resolve().parents[2] / "schemas" / "wsdl" / "lienthong.wsdl").read_bytes()


def test_a_soap_service_that_is_right() -> None:
    assert soap(published(OUR_WSDL)) == {}


def test_an_operation_that_our_wsdl_does_not_have() -> None:
    assert "GuiThuDi" in soap(published(OUR_WSDL), operation="GuiThuDi")["DLV-054"]


def test_a_parameter_that_the_operation_does_not_have() -> None:
    assert "Noidung" in soap(published(OUR_WSDL), parameters={"Noidung": "body"})["DLV-054"]


def test_a_wsdl_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    assert "DLV-054" in soap(published(OUR_WSDL), wsdl=str(tmp_path / "x.wsdl"))
    (tmp_path / "x.wsdl").write_text("<a/>")
    assert "DLV-054" in soap(published(OUR_WSDL), wsdl=str(tmp_path / "x.wsdl"))


def test_an_operation_that_the_far_side_no_longer_publishes() -> None:
    ((code, words),) = soap(published(OUR_WSDL.replace(b'"GuiThongDiep"', b'"GuiThongDiepMoi"'))).items()
    assert code == "DLV-044"
    assert "không có thao tác GuiThongDiep (có: " in words
    assert "GuiThongDiepMoi" in words


def test_a_soap_service_whose_question_is_refused() -> None:
    def answer(request: Request) -> Response:
        if request.method == "GET":
            return Response(500, "text/xml", soapish.fault("s:Client"))  # as CXF answers a GET
        return Response(401)

    assert set(soap(answer)) == {"DLV-005"}


# The national portal's kind


def test_a_log_in_that_is_refused_and_one_that_is_not(tmp_path: Path) -> None:
    async def story(**more: Any) -> tuple[list[ProbeStep], int]:
        far = cong_quoc_gia.CongQuocGia()
        async with Agency(far) as agency:
            steps = await look("qcvn120", **{**cong_quoc_gia.settings(agency.url, tmp_path), **more})
            bodies = [json.loads(request.body) for request in agency.requests]
            assert all("password" in body or body["service"] == "TraCuuHoSo" for body in bodies)
            assert far.effects == []
            return steps, far.logins

    steps, logins = run(story())
    assert (wrong(steps), logins) == ({}, 1)
    steps, logins = run(story(username="nobody"))
    assert "E8" in wrong(steps)["DLV-009"]
    assert logins == 0


# Folders


def test_a_folder_that_is_not_there_is_none_or_may_not_be_written_to(tmp_path: Path) -> None:
    good = tmp_path / "ra"
    good.mkdir()
    assert wrong(run(look("folder", path=str(good), inbox=str(good), receipts=str(good), taken=str(good)))) == {}
    assert list(good.iterdir()) == []
    assert "thư mục không tồn tại" in wrong(run(look("folder", path=str(tmp_path / "x"))))["DLV-008"]
    (tmp_path / "tep").write_text("x")
    assert "không phải thư mục" in wrong(run(look("folder", path=str(tmp_path / "tep"))))["DLV-008"]
    locked = tmp_path / "khoa"
    locked.mkdir(mode=0o555)
    if os.access(locked, os.W_OK):  # nothing is locked to root; the kernel's own folders are
        locked = Path("/proc/sys")
        assert locked.is_dir()
    assert set(wrong(run(look("folder", path=str(locked))))) == {"DLV-008"}


def test_a_connector_without_a_try_of_its_own_is_tried_by_its_addresses_and_folders(tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Settings:
        url: str
        spare_url: str | None = None
        path: Path | None = None

    made = connector("khac", Settings)

    async def story() -> list[ProbeStep]:
        async with Agency(Says(Response(401))) as agency, HttpLine(private_addresses=True) as line:
            configured = made.configure({"url": agency.url, "path": str(tmp_path / "x")})
            return await tried(party("khac"), made, configured, line.http(configured.common))

    assert set(wrong(run(story()))) == {"DLV-005", "DLV-008"}


def test_a_connector_that_fails_while_it_is_tried_costs_the_others_nothing(tmp_path: Path) -> None:
    made = connector("hong", Alone)

    @made.probe
    async def probe(*_: object) -> AsyncIterator[ProbeStep]:
        yield ProbeStep(place="first", found="here")
        raise KeyError("a bug")

    async def story() -> list[ProbeStep]:
        async with HttpLine() as line:
            configured = made.configure({"path": str(tmp_path)})
            return await tried(party("hong"), made, configured, line.http(configured.common))

    first, second = run(story())
    assert (first.found, [problem.code for problem in second.problems]) == ("here", ["SYS-004"])


@dataclass(frozen=True, kw_only=True)
class Alone:
    """Settings of a connector of somebody else's."""

    path: Path


def test_what_is_shown_of_a_secret_is_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "the").write_text("Bearer 123")
    steps = with_server(Response(405), authorization=f"file:{tmp_path / 'the'}")
    assert [step.found for step in steps if step.place.startswith("file:")] == ["secret"]
    assert "Bearer" not in str(steps)
