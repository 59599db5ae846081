"""Hostile HTTP on raw sockets (threats.md, section 5.13): a problem document or a closed connection, never a 500."""

import gzip
import json

import mail
import pki
import pytest
from lxml import etree

AUTH = f"Authorization: Bearer {pki.token('cong-dvc')}\r\n".encode()
HOST = b"Host: x\r\n"
XML = b"Content-Type: application/xml\r\n"
JSON = b"Accept: application/json\r\n"


def post(*headers, body=b"", version=b"1.1", target=b"/v1/messages", method=b"POST"):
    return (
        method + b" " + target + b" HTTP/" + version + b"\r\n" + HOST + AUTH + JSON + b"".join(headers) + b"\r\n" + body
    )


def said(door, *pieces, **how):
    answer, closed = door.raw(*pieces, **how)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head:
        return None, None, closed
    status = int(head.split(b" ", 2)[1])
    if b"problem+json" in head:
        body = json.loads(body)
    return status, body, closed


def stored(door):
    with door.gate.store.read() as view:
        return view.messages()


CL = b"Content-Length: %d\r\n"

# What aiohttp's parser or our own rules must refuse, closing the connection: nothing after it can be trusted.
SMUGGLING = {
    "length and chunked": post(XML, CL % 5, b"Transfer-Encoding: chunked\r\n", body=b"0\r\n\r\n"),
    "two lengths": post(XML, CL % 3, CL % 4, body=b"<a/>"),
    "two equal lengths": post(XML, CL % 4, CL % 4, body=b"<a/>"),
    "a list of lengths": post(XML, b"Content-Length: 4, 4\r\n", body=b"<a/>"),
    "a signed length": post(XML, b"Content-Length: +4\r\n", body=b"<a/>"),
    "a hexadecimal length": post(XML, b"Content-Length: 0x4\r\n", body=b"<a/>"),
    "a negative length": post(XML, b"Content-Length: -1\r\n", body=b"<a/>"),
    "a length with an underscore": post(XML, b"Content-Length: 1_0\r\n", body=b"<a/>"),
    "an unknown coding": post(XML, b"Transfer-Encoding: xchunked\r\n", body=b"0\r\n\r\n"),
    "gzip before chunked": post(XML, b"Transfer-Encoding: gzip, chunked\r\n", body=b"0\r\n\r\n"),
    "chunked twice": post(XML, b"Transfer-Encoding: chunked, chunked\r\n", body=b"0\r\n\r\n"),
    "chunked then identity": post(XML, b"Transfer-Encoding: chunked, identity\r\n", body=b"0\r\n\r\n"),
    "two transfer headers": post(XML, b"Transfer-Encoding: chunked\r\n" * 2, body=b"0\r\n\r\n"),
    "chunked in HTTP/1.0": post(XML, b"Transfer-Encoding: chunked\r\n", body=b"0\r\n\r\n", version=b"1.0"),
    "a blank before the colon": post(XML, b"Content-Length : 4\r\n", body=b"<a/>"),
    "a folded header": post(XML, CL % 4, b"X-A: b\r\n  c\r\n", body=b"<a/>"),
    "a NUL in a header": post(XML, CL % 4, b"X-A: b\x00c\r\n", body=b"<a/>"),
    "an ESC in a header": post(XML, CL % 4, b"X-A: b\x1bc\r\n", body=b"<a/>"),
    "two hosts": post(XML, CL % 4, b"Host: y\r\n", body=b"<a/>"),
    "bad chunk size": post(XML, b"Transfer-Encoding: chunked\r\n", body=b"zz\r\n<a/>\r\n0\r\n\r\n"),
    "overflowing chunk size": post(
        XML, b"Transfer-Encoding: chunked\r\n", body=b"ffffffffffffffffff\r\n<a/>\r\n0\r\n\r\n"
    ),
    "chunk without an end": post(XML, b"Transfer-Encoding: chunked\r\n", body=b"4\r\n<a/>XX0\r\n\r\n"),
    "a lower-case method": post(XML, CL % 4, body=b"<a/>", method=b"post"),
    "no request at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n",
    "a bare line feed": b"POST /v1/messages HTTP/1.1\nHost: x\n\n",
    "HTTP/3.7": post(XML, CL % 4, body=b"<a/>", version=b"3.7"),
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_ambiguous_framing_is_refused_and_the_connection_closed(door, name):
    status, _, closed = said(door, SMUGGLING[name])
    assert status in (400, 505, None)
    assert closed
    assert stored(door) == []
    assert door.get("/healthz").status == 200


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("gzip before chunked", "SYS-105"),
        ("chunked in HTTP/1.0", "SYS-105"),
        ("an ESC in a header", "SYS-106"),
    ],
)
def test_the_refusal_is_a_problem_document(door, name, code):
    status, body, _ = said(door, SMUGGLING[name])
    document = body if isinstance(body, dict) else None
    if document is None:
        pytest.fail(repr(body))
    assert status == 400
    assert [row["code"] for row in document["problems"]] == [code]


def test_a_message_after_a_smuggled_one_is_not_executed(door):
    inner = post(XML, CL % 4, body=b"<b/>", target=b"/v1/messages/check")
    outer = post(XML, CL % 4, b"Transfer-Encoding: chunked\r\n", body=b"0\r\n\r\n" + inner)
    answer, closed = door.raw(outer)
    assert closed
    assert answer.count(b"HTTP/1.") == 1
    assert stored(door) == []


def test_an_honest_chunked_message_is_taken(door):
    body = mail.nop()
    chunks = b"".join(b"%x;x=%s\r\n%s\r\n" % (len(part), b"y" * 10, part) for part in (body[:100], body[100:]))
    status, _, _ = said(
        door,
        post(XML, b"Transfer-Encoding: Chunked\r\nConnection: close\r\n", body=chunks + b"0\r\nX-Trailer: 1\r\n\r\n"),
    )
    assert status == 201


def test_pipelined_messages_are_answered_in_order(door):
    first, second = mail.nop(), mail.nop()
    answer, _ = door.raw(
        post(XML, CL % len(first), body=first) + post(XML, CL % len(second), b"Connection: close\r\n", body=second)
    )
    bodies = [
        json.loads(part.partition(b"\r\n\r\n")[2].partition(b"HTTP/1.1")[0]) for part in answer.split(b"HTTP/1.1 ")[1:]
    ]
    ids = [etree.fromstring(m).findtext("{*}MaThongDiep") for m in (first, second)]
    assert [body["MaThongDiep"] for body in bodies] == ids


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"X-A: " + b"a" * 9000 + b"\r\n", 431),
        (b"".join(b"X-%d: a\r\n" % n for n in range(200)), 431),
        (b"".join(b"X-%d: a\r\n" % n for n in range(5000)), 431),
        (b"Authorization: Bearer another-token-here\r\n", 400),
        (b"Content-Type: text/xml\r\n", 400),
        (b"Expect: 200-maybe\r\n", 417),
        (b"Content-Encoding: gzip\r\n", 415),
        (b"Content-Encoding: br, gzip\r\n", 415),
    ],
    ids=["long", "200", "5000", "two tokens", "two types", "expect", "gzip", "br, gzip"],
)
def test_bad_headers_are_refused_by_their_own_status(door, header, status):
    assert said(door, post(XML, CL % 4, header, b"Connection: close\r\n", body=b"<a/>"))[0] == status
    assert stored(door) == []


@pytest.mark.parametrize("head", [b"X-A: " + b"a" * 9000 + b"\r\n", b"".join(b"X-%d: a\r\n" % n for n in range(200))])
def test_a_head_over_its_limits_is_told_so(door, head):
    _, body, _ = said(door, post(XML, CL % 4, head, b"Connection: close\r\n", body=b"<a/>"))
    assert [row["code"] for row in body["problems"]] == ["SYS-107"]


def test_another_method_is_told_which_there_are(door):
    answer = door.ask("DELETE", "/v1/messages", by="cong-dvc")
    assert (answer.status, answer.codes, answer.headers["Allow"]) == (405, ["SYS-113"], "POST")


def test_a_long_address_is_refused(door):
    assert said(door, post(target=b"/v1/inbox?after=" + b"1" * 9000, method=b"GET"))[0] in (400, 431)


def test_a_compressed_body_is_not_opened(door):
    bomb = gzip.compress(b"<a>" + b" " * 50_000_000 + b"</a>")
    status, body, _ = said(door, post(XML, b"Content-Encoding: gzip\r\n", CL % len(bomb), body=bomb))
    assert status == 415
    assert body["problems"][0]["code"] == "SYS-104"


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/messages/../messages/check",
        b"/v1/messages/%2e%2e",
        b"/v1/messages/..%2f..%2fetc%2fpasswd",
        b"/v1/messages/%00",
        b"/v1/messages/%c0%ae",
        b"/v1/messages/%zz",
        b"/v1/messages/%",
        b"/v1/messages/a%0d%0aX-Injected:%201",
        b"/v1/dossiers/%e2%80%a8",
        b"/v1/dossiers/" + b"a" * 500,
        b"/v1//inbox",
        b"//evil.example/v1/inbox",
        b"/V1/inbox",
        b"/v1/inbox/",
        b"/",
        b"*",
        b"/v1/dossiers/'%20or%201=1--",
        b"/v1/inbox?after=1&after=2",
        b"/v1/inbox?after=-1",
        b"/v1/inbox?after=1e9",
        b"/v1/inbox?after=99999999999999999999",
        b"/v1/inbox?limit=0",
        b"/v1/inbox?limit=100000",
        b"/v1/inbox?wait=100000",
        b"/v1/inbox?evil=1",
        b"/v1/inbox?after=%00",
        b"/v1/inbox?&",
        b"/v1/messages/" + b"0" * 36,
    ],
)
def test_strange_addresses_are_4xx_problem_documents(door, target):
    status, body, _ = said(door, post(b"Connection: close\r\n", target=target, method=b"GET"))
    assert status in (400, 404)
    if isinstance(body, dict):
        assert body["status"] == status
        assert b"X-Injected" not in json.dumps(body).encode()


def test_the_host_of_an_absolute_target_means_nothing(door):
    status, _, _ = said(door, post(b"Connection: close\r\n", target=b"http://evil.example/healthz", method=b"GET"))
    assert status == 200


def test_an_upgrade_is_not_followed(open_door):
    door = open_door(idle_s=1.0)
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    answer, _ = door.raw(
        post(upgrade, method=b"GET", target=b"/healthz"),
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    assert b"101 " not in answer[:20]
    assert b"lienthong_" not in answer


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"Content-Type": "application/json"}, "SYS-102"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "SYS-102"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, "SYS-102"),
        ({}, "SYS-102"),
        ({"Content-Type": "application/xml; charset=iso-8859-1"}, "SYS-103"),
        ({"Content-Type": "text/xml; charset=UTF-16"}, "SYS-103"),
    ],
)
def test_other_media_types_and_charsets_are_415(door, given, expected):
    answer = door.ask("POST", "/v1/messages", b"<a/>", by="cong-dvc", headers={"Accept": "application/json", **given})
    assert (answer.status, answer.codes) == (415, [expected])
    assert stored(door) == []


@pytest.mark.parametrize(
    "given", ["application/xml", "text/xml; charset=utf-8", 'TEXT/XML;charset="UTF-8"', "application/xml; version=1"]
)
def test_xml_in_utf8_is_taken_however_it_is_written(door, given):
    assert door.send(mail.nop(), "cong-dvc", **{"Content-Type": given}).status == 201


def test_the_parsers_own_words_never_quote_what_arrived(door):
    answer, _ = door.raw(b"GET /<script>alert(1)</script> HTTP/1.1\r\nHost: x\r\nX-A: <script>\x00\r\n\r\n")
    assert b"script" not in answer
    assert b"aiohttp" not in answer
    assert b"Python" not in answer


def test_every_answer_says_who_answers_and_nothing_of_the_machinery(door):
    for answer in (door.get("/healthz"), door.get("/v1/inbox"), door.get("/nothing")):
        assert answer.headers["Server"] == "lienthong"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert len(answer.headers["X-Request-Id"]) >= 8
    assert door.get("/healthz", **{"X-Request-Id": "abc-123_456.x"}).headers["X-Request-Id"] == "abc-123_456.x"
    assert door.get("/healthz", **{"X-Request-Id": "bad id"}).headers["X-Request-Id"] != "bad id"


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0", "9.9"])
def test_other_versions_of_http_are_refused_in_a_version_that_is_spoken(door, version):
    answer, closed = door.raw(f"GET /healthz HTTP/{version}\r\nHost: x\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"SYS-106" in answer
    assert closed


def test_who_asks_before_sending_too_much_is_told_no(door):
    answer, closed = door.raw(
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nExpect: 100-continue\r\n"
        b"Authorization: Bearer " + pki.token("cong-dvc").encode() + b"\r\nContent-Length: 999999999\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"SYS-101" in answer
    assert closed


def test_an_expected_continue_is_given_only_to_those_who_may_send(door):
    body = mail.nop()
    expecting = post(XML, CL % len(body), b"Expect: 100-continue\r\nConnection: close\r\n")
    answer, _ = door.raw(expecting, body, pause=0.3)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201")
    answer, _ = door.raw(expecting.replace(AUTH, b""))
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"100 Continue" not in answer


@pytest.mark.parametrize("name", ["Content-Encoding", "Authorization", "Idempotency-Key", "SOAPAction"])
def test_a_name_that_may_stand_once_is_refused_the_second_time_however_it_is_written(door, name):
    """A proxy before us may have gone by the other one."""
    head = {"Host": "x", "Content-Type": "application/xml", "Authorization": "Bearer " + pki.token("cong-dvc")}
    lines = [f"{key}: {value}" for key, value in head.items()]
    value = head.get(name, "identity")
    twice = [line for line in lines if not line.startswith(name)] + [f"{name}: {value}", f"{name.upper()}: {value}"]
    for again in (lines, twice, lines, twice):  # as a caller's next request has it
        request = "\r\n".join(
            ["POST /v1/messages HTTP/1.1", *again, "Connection: close", "Content-Length: 4", "", "<a/>"]
        )
        answer, _ = door.raw(request.encode())
        assert (b"SYS-108" in answer) is (again is twice), answer
        assert (name.encode() in answer) or again is lines
