from __future__ import annotations

import asyncio
import gzip
import json
import socket
import zlib
from pathlib import Path
from typing import Any

import pytest
import tls
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from false_agency import Agency, Fault, Lienthong, Request, Response, run
from hypothesis import given
from hypothesis import strategies as st

from connectors.http import Http, HttpLine, Reply, allowed, answer_meaning, encode_json, segment
from connectors.outcomes import Answered, Refused, Uncertain, Unreachable
from connectors.table import AnswerMeaning, Common, Secret

HERE = {"private_addresses": True, "timeout_s": 60.0}
XML = {"mathongdiep": "x"}


async def post(agency: Agency, body: bytes = b"<a/>", **common: Any) -> Reply:
    """One post to an agency on loopback."""
    async with HttpLine() as line:
        return await line.http(Common(**{**HERE, **common})).post(
            agency.url, body=body, headers={"MaThongDiep": "x"}, key="k-1"
        )


def outcome(fault: Fault, body: bytes = b"<a/>", **common: Any) -> Answered:
    """What a post to an agency with this fault raises."""

    async def story() -> Answered:
        async with Agency(Lienthong()) as agency:
            agency.fault = fault
            with pytest.raises(Answered) as caught:
                await post(agency, body, **common)
            return caught.value

    return run(story())


def test_what_is_posted_arrives_byte_for_byte_with_its_key() -> None:
    async def story() -> Request:
        async with Agency(Lienthong()) as agency:
            reply = await post(agency, body="<a>Nguyễn</a>\r\n".encode())
            assert reply.status == 201
            return agency.requests[0]

    request = run(story())
    assert request.body == "<a>Nguyễn</a>\r\n".encode()
    assert request.headers["idempotency-key"] == "k-1"
    assert request.headers["content-type"] == "application/xml"
    assert "transfer-encoding" not in request.headers


def test_a_connection_is_used_again() -> None:
    async def story() -> int:
        async with Agency(Lienthong()) as agency, HttpLine() as line:
            for _ in range(5):
                await line.http(Common(**HERE)).post(agency.url, body=b"<a/>", headers={"MaThongDiep": "x"})
            return agency.connections

    assert run(story()) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault.BUSY, Unreachable, "DLV-004"),
        (Fault.REDIRECT, Unreachable, "DLV-006"),
        (Fault.REFUSE, Refused, "DLV-030"),
        (Fault.ERROR, Uncertain, "DLV-022"),
        (Fault.NOISE, Uncertain, "DLV-023"),
        (Fault.HUGE, Uncertain, "DLV-024"),
        (Fault.CUT_MID_BODY, Uncertain, "DLV-021"),
        (Fault.CUT_BEFORE_ANSWER, Uncertain, "DLV-021"),
        (Fault.CUT_MID_ANSWER, Uncertain, "DLV-021"),
        (Fault.CUT_BEFORE_HEADERS, Uncertain, "DLV-021"),
    ],
)
def test_each_fault_is_told_for_what_it_is(fault: Fault, kind: type[Answered], code: str) -> None:
    raised = outcome(fault)
    assert type(raised) is kind
    assert raised.problem.code == code


def test_a_whole_answer_counts_though_the_wire_is_cut_behind_it() -> None:
    async def story() -> int:
        async with Agency(Lienthong()) as agency:
            agency.fault = Fault.CUT_AFTER_ANSWER
            return (await post(agency)).status

    assert run(story()) == 201


def test_nobody_listening_means_certainly_not_taken() -> None:
    async def story() -> Answered:
        agency = Agency(Lienthong())
        await agency.start()
        await agency.stop()
        with pytest.raises(Unreachable) as caught:
            await post(agency)
        return caught.value

    raised = run(story())
    assert raised.problem.code == "DLV-001"
    assert raised.problem.facts["why"] == "ECONNREFUSED"


def test_no_connection_in_time_means_certainly_not_taken() -> None:
    async def story() -> Answered:
        with socket.socket() as full:  # a queue of one that nobody empties: the next caller's SYN stays unanswered
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            host, port = full.getsockname()
            callers = [socket.socket() for _ in range(4)]
            for caller in callers:
                caller.setblocking(False)
                caller.connect_ex((host, port))
            async with HttpLine() as line:
                http = line.http(Common(**{**HERE, "connect_timeout_s": 0.2}))
                with pytest.raises(Unreachable) as caught:
                    await http.post(f"http://127.0.0.1:{port}/", body=b"<a/>")
            for caller in callers:
                caller.close()
            return caught.value

    raised = run(story())
    assert raised.problem.code == "DLV-001"
    assert raised.problem.facts["why"] == "timeout 0.2 s"


def test_silence_after_the_request_has_left_is_uncertain() -> None:
    raised = outcome(Fault.SILENT, timeout_s=0.3)
    assert isinstance(raised, Uncertain)
    assert (raised.problem.code, raised.problem.facts["stage"]) == ("DLV-020", "answer")


def test_a_party_that_stops_reading_ends_at_the_sending_limit() -> None:
    raised = outcome(Fault.DEAF, body=b"x" * 20_000_000, send_timeout_s=0.3)
    assert isinstance(raised, Uncertain)
    assert (raised.problem.code, raised.problem.facts["stage"]) == ("DLV-020", "send")


def test_a_slow_answer_in_time_is_an_answer() -> None:
    async def story() -> int:
        async with Agency(Lienthong()) as agency:
            agency.delay_s = 2.1  # longer than connecting and sending may take together
            return (await post(agency, connect_timeout_s=1.0, send_timeout_s=1.0)).status

    assert run(story()) == 201


def test_the_partys_own_table_of_answers_comes_before_ours() -> None:
    assert outcome(Fault.REFUSE, answers={"422": AnswerMeaning.UNREACHABLE}).problem.code == "DLV-007"
    assert isinstance(outcome(Fault.ERROR, answers={"5xx": AnswerMeaning.REFUSED}), Refused)
    assert isinstance(outcome(Fault.BUSY, answers={"5xx": AnswerMeaning.REFUSED}), Refused)


def test_the_wish_of_a_busy_party_is_passed_on() -> None:
    assert outcome(Fault.BUSY).retry_after_s == 7


def test_a_refusals_answer_is_kept() -> None:
    answer = outcome(Fault.REFUSE).answer
    assert answer is not None
    assert b"TU_CHOI" in answer


def test_a_redirect_is_not_followed() -> None:
    async def story() -> int:
        async with Agency(Lienthong()) as elsewhere, Agency(Lienthong()) as agency:
            answer = Response(307, headers={"Location": elsewhere.url})
            agency.dialect.answer = lambda _: answer  # type: ignore[method-assign]
            with pytest.raises(Unreachable):
                await post(agency)
            return len(elsewhere.requests)

    assert run(story()) == 0


# Addresses


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "172.16.0.9", "192.168.1.1", "::1", "fd00::1", "100.64.0.1"]
)
def test_private_addresses_only_when_allowed(address: str) -> None:
    assert not allowed(address, private=False)
    assert allowed(address, private=True)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "fe80::1%eth0",
        "224.0.0.1",
        "0.0.0.0",
        "::",
        "255.255.255.255",
        "::ffff:169.254.1.1",
        "?",
    ],
)
def test_addresses_of_nobody_never(address: str) -> None:
    assert not allowed(address, private=True)


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"])
def test_a_private_address_in_disguise_is_private(address: str) -> None:
    assert not allowed(address, private=False)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_always(address: str) -> None:
    assert allowed(address, private=False)


@given(st.ip_addresses())
def test_whoever_may_call_without_leave_may_call_with_it(address: Any) -> None:
    assert allowed(str(address), private=True) or not allowed(str(address), private=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_party_on_a_private_address_is_not_called_without_leave(host: str) -> None:
    async def story() -> tuple[str, Any, int]:
        async with Agency(Lienthong()) as agency, HttpLine() as line:
            with pytest.raises(Unreachable) as caught:
                await line.http(Common()).post(f"https://{host}:{agency.port}/", body=b"<a/>")
            return caught.value.problem.code, caught.value.problem.facts["why"], agency.connections

    assert run(story()) == ("DLV-003", "private", 0)


def _names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Each look at a name gives the next of these addresses. Returns the names looked at."""
    looks: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        looks.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (addresses[min(len(looks), len(addresses)) - 1], port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return looks


def test_the_address_that_was_looked_at_is_the_one_called(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> tuple[int, list[str]]:
        async with Agency(Lienthong()) as agency, HttpLine() as line:
            looks = _names(monkeypatch, "127.0.0.1", "127.0.0.2")  # a second look would lead to where nobody listens
            url = f"http://agency.example:{agency.port}/"
            reply = await line.http(Common(**HERE)).post(url, body=b"<a/>", headers={"MaThongDiep": "x"})
            return reply.status, looks

    assert run(story()) == (201, ["agency.example"])


def test_a_name_that_points_to_a_private_address_is_not_called_without_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> tuple[Any, int]:
        async with Agency(Lienthong()) as agency, HttpLine() as line:
            _names(monkeypatch, "127.0.0.1")
            with pytest.raises(Unreachable) as caught:
                await line.http(Common()).post(f"https://agency.example:{agency.port}/", body=b"<a/>")
            return caught.value.problem.facts["why"], agency.connections

    assert run(story()) == ("private", 0)


@pytest.mark.parametrize(
    "url", ["ftp://a.example/", "https://u:p@a.example/", "https:///x", "http://[::1", "nonsense", ""]
)
def test_what_is_no_address_of_a_service_is_not_called(url: str) -> None:
    async def story() -> Answered:
        async with HttpLine() as line:
            with pytest.raises(Unreachable) as caught:
                await line.http(Common(**HERE)).post(url, body=b"<a/>")
            return caught.value

    assert run(story()).problem.code == "DLV-003"


def test_plain_http_is_for_private_addresses() -> None:
    async def story() -> Answered:
        async with HttpLine() as line:
            with pytest.raises(Unreachable) as caught:
                await line.http(Common()).post("http://a.example/", body=b"<a/>")
            return caught.value

    assert run(story()).problem.facts["why"] == "http"


def test_leave_for_everybody_can_be_given_by_the_node() -> None:
    async def story() -> int:
        async with Agency(Lienthong()) as agency, HttpLine(private_addresses=True) as line:
            return (await line.http(Common()).post(agency.url, body=b"<a/>", headers={"MaThongDiep": "x"})).status

    assert run(story()) == 201


# TLS


def test_only_the_pinned_authority_is_believed(tmp_path: Path) -> None:
    ours, theirs = tls.mint(tmp_path, "ca-a"), tls.mint(tmp_path, "ca-b")
    pair = tls.mint(tmp_path, "server", ours)

    async def story() -> tuple[int, Answered, Answered]:
        async with Agency(Lienthong(), tls.server(pair)) as agency:
            good = await post(agency, ca=ours.file)
            with pytest.raises(Unreachable) as other:
                await post(agency, ca=theirs.file)
            with pytest.raises(Unreachable) as system:
                await post(agency)
            assert len(agency.requests) == 1
            return good.status, other.value, system.value

    status, other, system = run(story())
    assert status == 201
    assert (other.problem.code, system.problem.code) == ("DLV-002", "DLV-002")
    assert "certificate" in other.problem.facts["why"]


def test_an_expired_server_certificate_is_said_to_be_expired(tmp_path: Path) -> None:
    ca = tls.mint(tmp_path, "ca")
    pair = tls.mint(tmp_path, "server", ca, days=-1)

    async def story() -> Answered:
        async with Agency(Lienthong(), tls.server(pair)) as agency:
            with pytest.raises(Unreachable) as caught:
                await post(agency, ca=ca.file)
            return caught.value

    assert "expired" in run(story()).problem.facts["why"]


def test_the_client_certificate_is_shown(tmp_path: Path) -> None:
    ca = tls.mint(tmp_path, "ca")
    pair, ours = tls.mint(tmp_path, "server", ca), tls.mint(tmp_path, "lienthong", ca)

    async def story() -> tuple[int, type[Answered]]:
        async with Agency(Lienthong(), tls.server(pair, clients=ca)) as agency:
            good = await post(agency, ca=ca.file, client_certificate=ours.file)
            with pytest.raises(Answered) as caught:
                await post(agency, ca=ca.file)
            assert len(agency.requests) == 1
            return good.status, caught.type

    status, without = run(story())
    assert status == 201
    # With TLS 1.3 a client learns only after writing that its certificate was wanted.
    assert without in {Unreachable, Uncertain}


def test_the_client_certificate_may_be_pkcs12_and_the_authority_der(tmp_path: Path) -> None:
    ca = tls.mint(tmp_path, "ca")
    pair, ours = tls.mint(tmp_path, "server", ca), tls.mint(tmp_path, "lienthong", ca)
    file, secret, authority = tmp_path / "ours.p12", tmp_path / "mat-khau", tmp_path / "ca.cer"
    how = BestAvailableEncryption(b"mat khau")
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"x", ours.key, ours.certificate, [ca.certificate], how))
    authority.write_bytes(ca.certificate.public_bytes(Encoding.DER))
    secret.write_text("mat khau\n")

    async def story() -> tuple[int, list[str]]:
        async with Agency(Lienthong(), tls.server(pair, clients=ca)) as agency:
            good = await post(agency, ca=authority, client_certificate=file, client_password=f"file:{secret}")
            told = []
            for said in ("sai", None):
                secret.unlink() if said is None else secret.write_text(said)
                with pytest.raises(Unreachable) as caught:
                    where = f"file:{secret}" if said is None else f"file:{secret.parent}/./{secret.name}"
                    await post(agency, ca=authority, client_certificate=file, client_password=where)
                told.append(caught.value.problem.code)
            return good.status, told

    assert run(story()) == (201, ["DLV-002", "DLV-055"])


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_missing_or_unreadable_certificate_file_is_a_sentence(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "ca.pem"
    if text:
        file.write_text(text)

    async def story() -> Answered:
        async with Agency(Lienthong()) as agency, HttpLine() as line:
            http = line.http(Common(**HERE, ca=file))
            with pytest.raises(Unreachable) as caught:
                await http.post(agency.url.replace("http:", "https:"), body=b"<a/>")
            return caught.value

    assert run(story()).problem.code == "DLV-002"


# Secrets and headers


def test_the_authorization_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("Bearer abc\n")
    monkeypatch.setenv("SO_TU_PHAP", "Bearer def")

    async def story() -> list[str]:
        async with Agency(Lienthong()) as agency:
            await post(agency, authorization=Secret(f"file:{file}"))
            await post(agency, authorization=Secret("env:SO_TU_PHAP"))
            return [request.headers["authorization"] for request in agency.requests]

    assert run(story()) == ["Bearer abc", "Bearer def"]


@pytest.mark.parametrize("text", [None, "  \n", "Bearer a\r\nX-Evil: 1", "Bearer é"])
def test_a_secret_that_no_header_can_hold_stops_before_calling(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)

    async def story() -> tuple[str, int]:
        async with Agency(Lienthong()) as agency:
            with pytest.raises(Unreachable) as caught:
                await post(agency, authorization=Secret(f"file:{file}"))
            return caught.value.problem.code, agency.connections

    assert run(story()) == ("DLV-055", 0)


def test_one_partys_cookies_are_never_sent() -> None:
    async def story() -> dict[str, str]:
        async with Agency(Lienthong()) as agency, HttpLine() as line:
            agency.dialect.answer = lambda _: Response(headers={"Set-Cookie": "session=1; Path=/"})  # type: ignore[method-assign]
            for _ in range(2):
                await line.http(Common(**HERE)).post(agency.url, body=b"<a/>")
            return agency.requests[1].headers

    assert "cookie" not in run(story())


# Answers


async def _answered(response: Response, **common: Any) -> Reply:
    async with Agency(Lienthong()) as agency:
        agency.dialect.answer = lambda _: response  # type: ignore[method-assign]
        return await post(agency, **common)


def test_a_packed_answer_is_unpacked_within_the_limit() -> None:
    text = b"<a>" + b"x" * 1000 + b"</a>"
    for name, packed in (("gzip", gzip.compress(text)), ("deflate", zlib.compress(text))):
        reply = run(_answered(Response(body=packed, headers={"Content-Encoding": name})))
        assert reply.body == text


def test_a_zip_bomb_is_an_answer_too_long() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    with pytest.raises(Uncertain) as caught:
        run(_answered(Response(body=bomb, headers={"Content-Encoding": "gzip"})))
    assert caught.value.problem.code == "DLV-024"
    assert len(caught.value.answer or b"") == Common().answer_bytes


@pytest.mark.parametrize(
    ("body", "packing"), [(b"not gzip", "gzip"), (gzip.compress(b"x" * 999, mtime=0)[:-9], "gzip"), (b"x", "br")]
)
def test_an_answer_that_cannot_be_unpacked_is_no_answer(body: bytes, packing: str) -> None:
    with pytest.raises(Uncertain):
        run(_answered(Response(body=body, headers={"Content-Encoding": packing})))


def test_asking_never_leaves_doubt() -> None:
    async def story(fault: Fault) -> type[Answered]:
        async with Agency(Lienthong()) as agency, HttpLine() as line:
            agency.fault = fault
            with pytest.raises(Answered) as caught:
                await line.http(Common(**{**HERE, "timeout_s": 0.5})).get(agency.url)
            return caught.type

    for fault in (Fault.SILENT, Fault.CUT_BEFORE_ANSWER, Fault.NOISE, Fault.HUGE):
        assert run(story(fault)) is Unreachable


@pytest.mark.parametrize(
    ("after", "date", "seconds"),
    [
        ("30", "", 30.0),
        ("Thu, 15 Jan 2026 08:02:00 GMT", "Thu, 15 Jan 2026 08:00:00 GMT", 120.0),
        ("Thu, 15 Jan 2026 07:00:00 GMT", "Thu, 15 Jan 2026 08:00:00 GMT", 0.0),
        ("soon", "", None),
        ("-5", "", None),
        ("", "", None),
        ("²", "", None),
        ("9" * 400, "", 999999999.0),
    ],
)
def test_the_wish_to_wait_is_understood_in_both_forms(after: str, date: str, seconds: float | None) -> None:
    assert Reply(status=503, headers={"Retry-After": after, "Date": date}, body=b"").retry_after_s == seconds


@given(st.integers(100, 999))
def test_every_status_means_something(status: int) -> None:
    assert answer_meaning(status) in set(AnswerMeaning)
    assert (answer_meaning(status) is AnswerMeaning.DELIVERED) == (200 <= status < 300)


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_a_retry_posts_the_same_json_as_the_first_try(value: dict[str, Any]) -> None:
    assert encode_json(value) == encode_json(json.loads(encode_json(value)))


@pytest.mark.parametrize(
    ("text", "safe"), [("a b/../c?x#y", "a%20b%2F..%2Fc%3Fx%23y"), ("..", "%2E%2E"), ("a-1.b", "a-1.b")]
)
def test_an_id_stays_one_segment_of_the_path(text: str, safe: str) -> None:
    assert segment(text) == safe


def test_cancelling_a_call_closes_its_connection() -> None:
    async def story() -> bool:
        async with Agency(Lienthong()) as agency, HttpLine() as line:
            agency.fault = Fault.SILENT
            http: Http = line.http(Common(**HERE))
            task = asyncio.create_task(http.post(agency.url, body=b"<a/>", headers={"MaThongDiep": "x"}))
            await agency.arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            agency.fault = Fault.NONE
            await http.post(agency.url, body=b"<a/>", headers={"MaThongDiep": "x"})
            return agency.connections == 2

    assert run(story())


def test_nginx_without_our_client_certificate_is_no_refusal_of_the_message() -> None:
    def judged(media: str) -> Answered:
        body = b"<center>The SSL certificate error</center>"
        reply = Reply(status=400, headers={"Content-Type": media}, body=body)
        with pytest.raises(Answered) as caught:
            Http(HttpLine(), Common()).judge(reply)
        return caught.value

    assert isinstance(judged("text/html"), Unreachable)
    assert isinstance(judged("application/json"), Refused)
