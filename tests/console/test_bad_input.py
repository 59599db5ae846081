"""What people and programs write into fields: every field of every page, and what comes of it is a page with a code."""

from urllib.parse import quote

import pytest
from desks import NOT_ARRIVED

from gateway.console.app import FORM_BYTES
from gateway.store import Unavailable

#: Pages with fields: each field gets each of what is bad.
FIELDS = {
    "/ho-so": ["ma", "co_quan", "trang_thai", "tu", "den", "sau"],
    "/thong-diep": ["trang_thai", "gui", "nhan", "loai", "ma_loi", "chu", "ho_so", "tu", "den", "truoc"],
    "/ho-so/xem": ["ma"],
    "/tim": ["tu_khoa"],
    "/nguyen-nhan": ["tu", "den"],
    "/dot": ["truoc"],
    "/qua-han": ["ngay", "co_quan"],
    "/thong-ke": ["tu", "den", "theo", "co_quan"],
    "/lech/766": ["tu", "den", "co_quan"],
    "/nhat-ky": ["ai", "viec", "ho_so", "tu", "den"],
    "/cong-khai": ["tu", "den"],
}
BAD = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "an attribute": '" onmouseover=alert(1) x="',
    "bidi": "H19\u202e901\u2066",
    "a null": "a\x00b",
    "100 kB": "x" * 7000,
    "SQL": "' OR '1'='1'; DROP TABLE operators; --",
    "a pattern": "%_\\%",
    "no date": "2026-02-31",
    "far away": "9999-12-31",
    "a template": "{{ 4321*4321 }}{% raw %}",
    "a path": "../../../etc/passwd",
    "a surrogate": "\ud800",
}


@pytest.fixture(scope="module")
def boss(persons):
    return persons["administrator"]


@pytest.mark.parametrize("page", FIELDS)
@pytest.mark.threat("T-DESK-MARKUP")
def test_whatever_is_written_into_a_field_comes_back_as_a_page_and_as_text(office, boss, page):
    for name in FIELDS[page]:
        for what, value in BAD.items():
            given = quote(value.encode("utf-8", "surrogatepass"))
            seen = boss.get(f"{page}?{name}={given}")
            told = (page, name, what, seen.status)
            assert seen.status in {200, 400, 404}, told
            assert seen.status == 200 or seen.codes, told
            assert "<script>alert" not in seen.source, told
            assert 'onmouseover=alert(1) x="' not in seen.source, told
            assert "<img" not in seen.source, told
            assert "\u202e" not in seen.source, told
            assert str(4321 * 4321) not in seen.text, told
    with office.store.read() as view:
        assert view.operator("xem") is not None


def test_a_line_that_is_too_long_is_refused_before_it_is_read(office, boss):
    seen = boss.ask("GET", "/ban-truc/ho-so?ma=" + "x" * 100_000)
    assert seen.status in {400, 414, 431}


def test_a_form_that_is_too_long_is_told_and_a_reason_of_100_kb_too(office, operator):
    page = operator.get(f"/luot-gui/{office.failed[0].id}")
    fields = dict(page.forms("/viec/gui-lai")[0])
    assert operator.send("/viec/gui-lai", {**fields, "id": "x" * (FORM_BYTES + 1)}).codes == ["SYS-170"]
    plan = operator.plan(page, "gui-lai")
    for reason in ("x" * 100_000, "đảo\u202echiều", "a\x00b"):
        assert operator.do(plan, "gui-lai", reason=reason).codes == ["SYS-170"]
    assert len(operator.log_in("x" * 100_000, "y" * 100_000).codes) == 1


@pytest.mark.parametrize(
    "body", [b"\xff\xfe=%zz", b"{}", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n"]
)
def test_a_body_that_is_no_form_is_refused(office, operator, body):
    for kind in (
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "text/plain",
    ):
        seen = operator.ask("POST", "/ban-truc/viec/gui-lai", headers={"Content-Type": kind}, body=body)
        assert (seen.status, seen.codes[0]) in {(403, "SYS-167"), (400, "SYS-170")}


@pytest.mark.parametrize(
    "path",
    [
        "/thong-diep/khong-co",
        "/luot-gui/khong-co",
        "/co-quan/khong-co",
        "/dot/999999",
        "/canh-bao/khong-co",
        "/lech/khong-co",
        "/ho-so/xem?ma=KHONG-CO",
    ],
)
def test_what_is_not_there_is_told_with_its_name(boss, path):
    seen = boss.get(path)
    assert (seen.status, seen.codes) == (404, ["SYS-042"])


def test_another_persons_id_in_a_form_does_not_act(office, operator):
    page = operator.get(f"/luot-gui/{office.failed[0].id}")
    fields = dict(page.forms("/viec/gui-lai")[0])
    for name in ("khong-co", NOT_ARRIVED + "x", "' OR 1=1", "*"):
        assert operator.send("/viec/gui-lai", {**fields, "id": name}).codes == ["SYS-042"]
    assert operator.send("/viec/dot-tam-dung", {**fields, "so": "-1"}).codes == ["SYS-170"]
    assert operator.send("/viec/dot-tam-dung", {**fields, "so": "99"}).codes == ["SYS-042"]


def test_an_address_that_is_none_is_a_page_with_a_code(office, boss):
    assert [boss.ask("GET", path).codes for path in ("/ban-truc/x/y", "/khac", "/ban-truc/tinh/x")] == [["SYS-169"]] * 3
    assert boss.ask("DELETE", "/ban-truc/ho-so").status in {404, 405}


def test_a_database_that_is_away_is_a_page_with_a_code_and_no_traceback(office, boss, monkeypatch):
    def away(*_):
        raise Unavailable("connection to server at 10.1.2.3 failed: secret")

    monkeypatch.setattr(type(office.store), "read", away)
    for seen in (boss.get(""), boss.get("/ho-so"), boss.send("/ra", {"the": "x"})):
        assert (seen.status, seen.codes) == (503, ["SYS-119"])
        assert "10.1.2.3" not in seen.source
        assert "Traceback" not in seen.source


def test_a_fault_of_our_own_is_a_page_with_a_code_and_says_nothing_of_the_inside(office, boss, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(type(office.room), "registry", broken)
    seen = boss.get("")
    assert (seen.status, seen.codes, "secret inside" in seen.source) == (500, ["SYS-172"], False)
