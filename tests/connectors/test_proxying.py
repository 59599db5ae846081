"""Where the world outside is reached by a proxy: what goes through it, and what its own troubles come to."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import proxies
import pytest
import tls
from false_agency import Agency, Lienthong, Response, run
from parcels import party
from test_probing import Says

from connectors.http import HttpLine, Reply
from connectors.outcomes import Answered, ProbeStep, Refused, Uncertain, Unreachable
from connectors.pki import NotFetched, Pki
from connectors.probing import tried
from connectors.proxying import EgressProxy
from connectors.registry import installed
from connectors.table import AnswerMeaning, Common, Secret
from gateway.core.problems import Lang, Stopped

pytestmark = pytest.mark.hostile

HERE = {"private_addresses": True, "timeout_s": 60.0, "connect_timeout_s": 60.0}
OUTSIDE = "nhan.example.invalid"  # a name that nobody but the proxy knows


async def post(url: str, *, node: EgressProxy | None = None, **common: Any) -> Reply:
    """One post to a party."""
    async with HttpLine(proxy=node) as line:
        http = line.http(Common(**{**HERE, **common}))
        return await http.post(url, body=b"<a/>", headers={"MaThongDiep": "x"}, key="k-1")


async def raised(url: str, **more: Any) -> Answered:
    """What that comes to."""
    with pytest.raises(Answered) as caught:
        await post(url, **more)
    for lang in Lang:
        assert "{" not in caught.value.problem.message(lang) + caught.value.problem.remedy(lang)
    return caught.value


def test_a_party_with_tls_is_called_through_a_tunnel_and_nothing_of_the_message_is_seen_on_the_way(
    tmp_path: Path,
) -> None:
    ca = tls.mint(tmp_path, "ca")
    secret = tmp_path / "mat-khau"
    secret.write_text("bí mật\n", "utf-8")

    async def story() -> None:
        pair = tls.mint(tmp_path, "may-chu", ca)
        with proxies.proxy() as proxy:
            proxy.account = "truc:bí mật"
            async with Agency(Lienthong(), tls.server(pair)) as agency:
                way = {"proxy": proxy.url, "proxy_user": "truc", "proxy_password": Secret(f"file:{secret}")}
                assert (await post(agency.url, ca=ca.file, **way)).status == 201
                assert proxy.asked == [f"CONNECT 127.0.0.1:{agency.port} HTTP/1.1"]
                assert "proxy-authorization" not in agency.requests[0].headers
                wrong = await raised(agency.url, ca=ca.file, **{**way, "proxy_user": "khac"})
                assert (type(wrong), wrong.problem.code) == (Unreachable, "DLV-014")
                nowhere = await raised(agency.url, ca=ca.file, **{**way, "proxy_password": Secret("file:/not/there")})
                assert (type(nowhere), nowhere.problem.code) == (Unreachable, "DLV-055")

    run(story())


def test_a_party_without_tls_is_asked_for_by_its_whole_address_and_the_proxy_looks_its_name_up() -> None:
    async def story() -> None:
        with proxies.proxy() as proxy:
            async with Agency(Lienthong()) as agency:
                proxy.names[OUTSIDE] = ("127.0.0.1", agency.port)
                proxy.account = "truc:"
                node = EgressProxy(url=proxy.url, user="truc")
                assert (await post(f"http://{OUTSIDE}/lienthong", node=node)).status == 201
                assert proxy.asked == [f"POST http://{OUTSIDE}/lienthong HTTP/1.1"]
                assert "proxy-authorization" not in agency.requests[0].headers

    run(story())


@pytest.mark.parametrize(
    ("host", "direct", "through"),
    [
        ("a.example", (), True),
        ("a.example", ("a.example",), False),
        ("b.a.example", ("a.example",), True),
        ("b.a.example", (".A.example",), False),
        ("a.example", ("*.a.example",), False),
        ("nota.example", (".a.example",), True),
        ("10.1.2.3", ("10.0.0.0/8",), False),
        ("11.1.2.3", ("10.0.0.0/8",), True),
        ("11.1.2.3", ("11.1.2.3",), False),
        ("fd00::1", ("fc00::/7",), False),
        ("localhost", (), False),
        ("127.0.0.9", (), False),
        ("::1", (), False),
    ],
)
def test_who_is_called_without_the_proxy_is_named_by_host_domain_or_network(
    host: str, direct: tuple[str, ...], through: bool
) -> None:
    assert EgressProxy(url="http://p:3128", direct=direct).serves(host) is through


def test_a_party_may_have_a_proxy_of_its_own_or_none() -> None:
    async def story() -> None:
        with proxies.proxy() as nodes, proxies.proxy() as own:
            async with Agency(Lienthong()) as agency:
                node = EgressProxy(url=nodes.url, loopback=True)
                for way in ({}, {"proxy": own.url}, {"proxy": "direct"}):
                    assert (await post(agency.url, node=node, **way)).status in (200, 201)
                assert (len(nodes.asked), len(own.asked), len(agency.requests)) == (1, 1, 3)

    run(story())


CUT = b"SSH-2.0-OpenSSH\r\n\r\n"


@pytest.mark.parametrize(
    ("says", "code", "facts"),
    [
        (proxies.answer(407), "DLV-014", {"status": 407}),
        (proxies.answer(403), "DLV-013", {"status": 403}),
        (proxies.answer(502), "DLV-013", {"status": 502}),
        (proxies.answer(504), "DLV-013", {"status": 504}),
        (CUT, "DLV-012", {}),
        (b"", "DLV-012", {}),
    ],
)
@pytest.mark.parametrize("answers", [{}, {"4xx": "refused", "5xx": "refused", "407": "refused"}])
def test_what_a_proxy_says_in_place_of_a_tunnel_is_never_the_partys_word(
    says: bytes, code: str, facts: dict[str, Any], answers: dict[str, str]
) -> None:
    """Whatever the party's profile makes of statuses."""
    meanings = {status: AnswerMeaning(meaning) for status, meaning in answers.items()}

    async def story() -> None:
        with proxies.proxy() as proxy:
            proxy.says = says
            came = await raised("https://127.0.0.1:9/", proxy=proxy.url, answers=meanings)
            assert (type(came), came.problem.code) == (Unreachable, code)
            assert came.problem.facts["proxy"] == proxy.place
            assert facts.items() <= came.problem.facts.items()

    run(story())


def test_a_proxy_that_is_silent_or_away_is_told_as_the_way_out_and_the_message_has_not_left() -> None:
    async def story() -> None:
        with proxies.proxy() as proxy:
            proxy.silent = True
            came = await raised("https://127.0.0.1:9/", proxy=proxy.url, connect_timeout_s=0.3)
            assert (type(came), came.problem.code) == (Unreachable, "DLV-012")
            assert came.problem.facts["why"].startswith("timeout")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            came = await raised("https://127.0.0.1:9/", proxy=f"http://127.0.0.1:{port}")
            assert (type(came), came.problem.code) == (Unreachable, "DLV-012")
            assert came.problem.facts["why"] == "ECONNREFUSED"

    run(story())


@pytest.mark.parametrize(
    ("says", "kind", "code"),
    [
        (proxies.answer(407), Unreachable, "DLV-014"),
        (proxies.answer(403, "X-Squid-Error: ERR_ACCESS_DENIED 0"), Unreachable, "DLV-013"),
        (proxies.answer(503, "Proxy-Status: p; error=dns_error"), Unreachable, "DLV-013"),
        (proxies.answer(504, "X-Squid-Error: ERR_READ_TIMEOUT 0"), Uncertain, "DLV-021"),
        (proxies.answer(400), Refused, "DLV-030"),  # nothing says that it is not the party's
    ],
)
def test_without_a_tunnel_a_proxys_own_answers_are_told_by_their_marks(
    says: bytes, kind: type[Answered], code: str
) -> None:
    async def story() -> None:
        with proxies.proxy() as proxy:
            proxy.says = says
            refused = {"4xx": AnswerMeaning.REFUSED, "5xx": AnswerMeaning.REFUSED}
            came = await raised(f"http://{OUTSIDE}/", proxy=proxy.url, answers=refused)
            assert (type(came), came.problem.code) == (kind, code)

    run(story())


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:9/", "https://localhost:9/", "https://169.254.169.254/", "https://[::1]/"]
)
def test_no_proxy_is_asked_to_call_what_may_not_be_called(url: str) -> None:
    async def story() -> None:
        with proxies.proxy() as proxy:
            came = await raised(url, proxy=proxy.url, private_addresses=False)
            assert (came.problem.code, came.problem.facts["why"]) == ("DLV-003", "private")
            assert proxy.asked == []

    run(story())


def test_a_redirect_is_not_followed_through_a_proxy_either() -> None:
    async def story() -> None:
        with proxies.proxy() as proxy:
            proxy.says = proxies.answer(302, "Location: http://127.0.0.1:1/")
            came = await raised(f"http://{OUTSIDE}/", proxy=proxy.url)
            assert (came.problem.code, len(proxy.asked)) == ("DLV-006", 1)

    run(story())


def test_lists_and_responders_are_asked_through_the_nodes_proxy() -> None:
    async def story() -> None:
        with proxies.proxy() as proxy:
            node = EgressProxy(url=proxy.url, user="truc", direct=(".trong.example",))
            async with Pki(timeout_s=60, proxy=node) as pki:
                proxy.says = proxies.answer(200, body="danh sach")
                assert await pki.crl(f"http://{OUTSIDE}/a.crl") == b"danh sach"
                assert proxy.asked == [f"GET http://{OUTSIDE}/a.crl HTTP/1.1"]
                assert proxy.greetings[0] is not None
                for says, why in ((proxies.answer(407), "proxy-407"), (CUT, "proxy")):
                    proxy.says = says
                    with pytest.raises(NotFetched) as caught:
                        await pki.crl(f"http://{OUTSIDE}/a.crl")
                    assert caught.value.reason == why
                with pytest.raises(NotFetched) as caught:
                    await pki.crl("https://169.254.169.254/a.crl")
                assert caught.value.reason == "refused-address"
                before = len(proxy.asked)
                with pytest.raises(NotFetched):
                    await pki.crl("http://a.trong.example/a.crl")
                assert len(proxy.asked) == before

    run(story())


def test_trying_the_way_to_a_party_shows_its_certificate_through_the_proxy(tmp_path: Path) -> None:
    ca = tls.mint(tmp_path, "ca")

    async def story() -> list[ProbeStep]:
        pair = tls.mint(tmp_path, "may-chu", ca)
        with proxies.proxy() as proxy:
            async with Agency(Says(Response(405)), tls.server(pair)) as agency, HttpLine() as line:
                who = party("rest", url=agency.url, ca=str(ca.file), proxy=proxy.url, **HERE)
                connector = installed().named("rest")
                configured = connector.configure(who.connector_settings)
                steps = await tried(who, connector, configured, line.http(configured.common))
                assert {line.split(" ")[0] for line in proxy.asked} == {"CONNECT"}
                return steps

    steps = run(story())
    assert any((step.found or "").startswith("TLSv1") for step in steps), steps


def test_an_account_without_a_proxy_is_no_settings_at_all() -> None:
    for given in ({"proxy_user": "truc"}, {"proxy": "direct", "proxy_password": "env:X"}):
        with pytest.raises(Stopped) as caught:
            installed().named("rest").configure({"url": "https://a.example/", **given})
        assert [problem.code for problem in caught.value.problems] == ["DLV-050"]
