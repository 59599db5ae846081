"""Logging in and out: who may, how often, for how long; forms that are not ours; what every answer carries."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from desks import Visitor

from gateway.console.attempts import OF_ADDRESS, OF_NAME, OF_PAIR, SPAN, LoginAttempts
from gateway.console.entry import address_of, own_path
from gateway.core.operators import OperatorRole
from gateway.core.problems import Stopped
from gateway.services import operators
from gateway.settings import ConsoleSettings, load

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)


def test_a_person_logs_in_is_where_they_wanted_to_be_and_logs_out(office):
    visitor = office.visitor()
    first = visitor.get("/nhat-ky?ai=lan")
    assert "Mật khẩu" in first.text
    (fields,) = first.forms("/vao")
    assert visitor.log_in("soat", "không phải").codes == ["SYS-164"]
    came = visitor.send("/vao", {**dict(fields), "ten": "soat", "mat-khau": "một câu dài dễ nhớ"})
    assert (came.status, came.headers["Location"]) == (303, "/ban-truc/nhat-ky?ai=lan")
    page = visitor.get("/nhat-ky")
    assert "soat (kiểm soát)" in page.text
    token = dict(visitor.cookies)["ban-truc"]
    assert visitor.send("/ra", dict(page.forms("/ra")[0])).status == 303
    visitor.cookies["ban-truc"] = token
    assert visitor.get("/nhat-ky").codes == ["SYS-166"]


@pytest.mark.threat("T-DESK-SESSION")
def test_a_cookie_of_a_session_is_for_this_browser_and_these_pages_alone(office):
    visitor = office.visitor()
    (fields,) = visitor.get("/vao").forms("/vao")
    came = visitor.send("/vao", {**dict(fields), "ten": "xem", "mat-khau": "một câu dài dễ nhớ"})
    (cookie,) = [line for line in came.headers.get_all("Set-Cookie") if line.startswith("ban-truc=")]
    assert {"HttpOnly", "SameSite=Strict", "Path=/ban-truc"} <= {part.strip() for part in cookie.split(";")}


@pytest.mark.parametrize("path", ["", "/vao", "/khong-co", "/tinh/ban-truc.css", "/cong-khai"])
@pytest.mark.threat("T-DESK-MARKUP")
def test_every_answer_forbids_what_is_not_ours(office, viewer, path):
    seen = viewer.ask("GET", f"/ban-truc{path}")
    policy = seen.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
    assert ("frame-ancestors *" in policy) == (path == "/cong-khai")
    assert "unsafe" not in policy
    assert (seen.headers["X-Content-Type-Options"], seen.headers["Referrer-Policy"]) == ("nosniff", "same-origin")
    assert seen.headers["Cache-Control"] == ("max-age=3600" if "tinh/" in path else "no-store")


@pytest.mark.threat("T-DESK-SESSION")
def test_a_session_that_is_over_stolen_or_made_up_opens_nothing(office):
    visitor = office.visitor("xem")
    page = visitor.get("")
    form = dict(page.forms("/ra")[0])
    for token in ("", "x", "x" * 5000, "' OR 1=1 --", "../../etc"):
        assert Visitor(visitor.port, cookies={"ban-truc": token}).get("").status in {200, 401}
        assert "Mật khẩu" in Visitor(visitor.port, cookies={"ban-truc": token}).get("").text
    office.clock.forward(minutes=31)
    seen = visitor.send("/viec/gui-lai", {**form, "id": "x"})
    assert (seen.status, seen.codes) == (401, ["SYS-166"])
    assert office.visitor("xem").get("").status == 200


@pytest.mark.parametrize("act", ["disable", "change_roles"])
@pytest.mark.threat("T-DESK-SESSION")
def test_a_session_ends_when_its_person_is_shut_out_or_changed(office, act):
    by = {"who": "operator:test", "reason": "thử"}
    name = f"nguoi-{act.replace('_', '-')}"
    operators.add_operator(
        office.store, name, [OperatorRole.OPERATOR], "một câu dài dễ nhớ", now=office.clock.now, **by
    )
    visitor = office.visitor(name)
    assert visitor.get("").status == 200
    office.clock.forward(seconds=1)
    more = {"roles": [OperatorRole.VIEWER]} if act == "change_roles" else {}
    getattr(operators, act)(office.store, name, now=office.clock.now, **more, **by)
    assert visitor.get("").codes == ["SYS-166"]


@pytest.mark.threat("T-DESK-FORM")
def test_a_form_without_its_token_with_anothers_or_from_another_site_does_nothing(office, operator):
    page = operator.get(f"/luot-gui/{office.failed[0].id}")
    (fields,) = [dict(form) for form in page.forms("/viec/gui-lai")]
    others = dict(office.visitor("quan-tri").get("").forms("/ra")[0])["the"]
    for form, headers in [
        ({**fields, "the": ""}, {}),
        ({name: value for name, value in fields.items() if name != "the"}, {}),
        ({**fields, "the": others}, {}),
        (fields, {"Origin": "https://evil.example"}),
        (fields, {"Origin": "null"}),
        (fields, {"Sec-Fetch-Site": "cross-site"}),
    ]:
        seen = operator.send("/viec/gui-lai", form, **headers)
        assert (seen.status, seen.codes) == (403, ["SYS-167"])
    own = operator.send("/viec/gui-lai", fields, Origin=f"http://127.0.0.1:{operator.port}")
    assert own.status == 200
    bare = office.visitor()
    bare.get("/vao")
    assert bare.send("/vao", {"ten": "truc", "mat-khau": "một câu dài dễ nhớ"}).codes == ["SYS-167"]


@pytest.mark.threat("T-DESK-GUESS")
def test_who_guesses_is_slowed_down_and_an_honest_person_elsewhere_is_not(office):
    guesser = office.visitor()
    codes = [guesser.log_in("duyet", f"đoán lần {n} thôi mà").codes for n in range(OF_PAIR + 1)]
    assert codes == [["SYS-164"]] * OF_PAIR + [["SYS-165"]]
    assert guesser.log_in("duyet").codes == ["SYS-165"]  # the right one too, from there, for now
    assert office.visitor("xem").get("").status == 200
    office.clock.forward(minutes=10)
    assert office.visitor("duyet").get("").status == 200


@pytest.mark.threat("T-DESK-GUESS")
def test_a_name_that_everybody_hammers_is_slow_only_where_it_was_never_seen():
    attempts = LoginAttempts()
    attempts.came_in("lan", "10.0.0.1")
    for n in range(OF_NAME):
        attempts.failed("lan", f"192.0.2.{n}", NOW)
    assert attempts.wait_s("lan", "10.0.0.1", NOW) == 0
    assert 0 < attempts.wait_s("lan", "10.0.0.2", NOW) <= SPAN.total_seconds()
    assert attempts.wait_s("lan", "10.0.0.2", NOW + SPAN) == 0
    for n in range(OF_ADDRESS):
        attempts.failed(f"ten-{n}", "198.51.100.9", NOW)
    assert attempts.wait_s("ai-khac", "198.51.100.9", NOW) > 0
    assert attempts.wait_s("ai-khac", "198.51.100.10", NOW) == 0


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example",
        "//evil.example",
        "/ban-truc//evil.example",
        "/ban-trucx",
        "/ban-truc/\\evil",
        "/ban-truc\r\nX: y",
        "javascript:1",
        "",
        "/ban-truc/" + "x" * 2000,
    ],
)
def test_nobody_is_led_away_after_logging_in(text):
    assert own_path(text) == "/ban-truc"


def test_where_logging_in_leads_within_the_console():
    assert own_path("/ban-truc/ho-so?ma=H19.901") == "/ban-truc/ho-so?ma=H19.901"


@pytest.fixture
def behind_a_proxy(office):
    """The same console, where this machine is a proxy that is believed."""
    given = replace(office.loaded.settings.console, identity_header="X-Nguoi-Dung", proxies=("127.0.0.1",))
    before = office.room.loaded
    office.room.loaded = replace(before, settings=replace(before.settings, console=given))
    yield given
    office.room.loaded = before


def test_whom_a_believed_proxy_names_is_logged_in_and_nobody_whom_it_does_not_know(office, behind_a_proxy):
    named = office.visitor(**{"X-Nguoi-Dung": "soat"})
    assert "soat (kiểm soát)" in named.get("").text
    token = named.cookies["ban-truc"]
    assert named.get("/nhat-ky").status == 200
    assert named.cookies["ban-truc"] == token  # the session goes on
    assert "Mật khẩu" in office.visitor(**{"X-Nguoi-Dung": "ai-do"}).get("").text
    left = Visitor(named.port, cookies=dict(named.cookies))  # the cookie without the proxy's word is worth nothing
    assert "Mật khẩu" in left.get("").text
    other = Visitor(named.port, {"X-Nguoi-Dung": "xem"}, dict(named.cookies))
    assert "xem (chỉ xem)" in other.get("").text


@pytest.mark.threat("T-DESK-PROXY")
def test_the_header_of_anybody_else_is_not_believed(office, behind_a_proxy):
    given = replace(behind_a_proxy, proxies=("192.0.2.0/24",))
    office.room.loaded = replace(office.room.loaded, settings=replace(office.loaded.settings, console=given))
    assert "Mật khẩu" in office.visitor(**{"X-Nguoi-Dung": "quan-tri"}).get("").text
    office.room.loaded = office.loaded  # and where no header is set, none is looked at
    assert "Mật khẩu" in office.visitor(**{"X-Nguoi-Dung": "quan-tri"}).get("").text


def test_settings_of_the_proxy_belong_together(tmp_path):
    file = tmp_path / "lienthong.toml"
    file.write_text('[console]\nidentity_header = "X-User"\n', "utf-8")
    with pytest.raises(Stopped) as stop:
        load(file, {})
    assert [problem.code for problem in stop.value.problems] == ["SYS-018"]
    file.write_text('[console]\nidentity_header = "X-User"\nproxies = ["khong-phai"]\n', "utf-8")
    with pytest.raises(Stopped) as stop:
        load(file, {})
    assert [problem.code for problem in stop.value.problems] == ["SYS-017"]


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("203.0.113.9:51234", "203.0.113.9"),
        ("[2001:db8::9]:443", "2001:db8::9"),
        ("2001:db8::9", "2001:db8::9"),
        ("198.51.100.1, 203.0.113.9:1, 10.0.0.2:3128", "203.0.113.9"),
        ("198.51.100.1, junk", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_where_a_person_comes_from_is_an_address_without_its_port(said, address):
    """By port, each try would come from elsewhere; and what is no address at all is no word of our proxy."""
    console = ConsoleSettings(proxies=("10.0.0.0/8",))
    for peer in ("10.0.0.1", "::ffff:10.0.0.1"):
        found = address_of(peer, {"X-Forwarded-For": said}, console)
        assert found == (address if address != "10.0.0.1" else peer)
    assert address_of("192.0.2.7", {"X-Forwarded-For": said}, console) == "192.0.2.7"
