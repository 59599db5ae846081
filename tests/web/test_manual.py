"""The documentation as a site: served by the door where it was built, with a policy that runs its own script only."""

import doors
import pytest

from gateway.web import manual

PAGE = '<!doctype html><html lang="{0}"><title>Liên Thông</title><script src="_static/doctools.js"></script>'


@pytest.fixture(scope="module")
def open_page(bare_gate, sample_settings):
    """A door that no test here writes through."""
    door = doors.Door(bare_gate, sample_settings)
    yield door
    door.stop()


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A folder as `make site` leaves it, with something beside it that is not for everybody."""
    for lang in ("vi", "en"):
        for name in ("index.html", "search.html", "problems/SIG.html"):
            (tmp_path / "site" / lang / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "site" / lang / name).write_text(PAGE.format(lang), "utf-8")
        (tmp_path / "site" / lang / "_static").mkdir()
        (tmp_path / "site" / lang / "_static" / "doctools.js").write_text("'use strict';", "utf-8")
        (tmp_path / "site" / lang / "_static" / "site.css").write_text("body{}", "utf-8")
        (tmp_path / "site" / lang / "notes.txt").write_text("x", "utf-8")
    (tmp_path / "lienthong.html").write_text("khóa", "utf-8")
    (tmp_path / "site" / "vi" / "out.html").symlink_to(tmp_path / "lienthong.html")
    monkeypatch.setattr(manual, "BUILT", tmp_path / "site")
    return tmp_path / "site"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("lang", ["vi", "en"])
def test_a_built_site_is_served_in_both_languages(open_page, lang):
    page = open_page.get(f"/docs/{lang}/index.html")
    assert (page.status, page.body.decode()) == (200, PAGE.format(lang))
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert open_page.get(f"/docs/{lang}/index.html", **{"If-None-Match": page.headers["ETag"]}).status == 304
    assert open_page.get(f"/docs/{lang}/problems/SIG.html").status == 200
    assert open_page.get(f"/docs/{lang}/search.html?q=ch%E1%BB%AF+k%C3%BD").status == 200
    script = open_page.get(f"/docs/{lang}/_static/doctools.js?v=1")
    assert (script.status, script.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert open_page.get(f"/docs/{lang}/_static/site.css").headers["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.usefixtures("built")
def test_its_policy_runs_its_own_script_and_style_and_nothing_else(open_page):
    headers = open_page.get("/docs/vi/index.html").headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-cache")


@pytest.mark.usefixtures("built")
def test_the_first_page_is_found_without_its_name_and_from_the_page_of_the_interface(open_page):
    for address, there in (("/docs/vi", "vi/index.html"), ("/docs/en/", "index.html")):
        answer = open_page.get(address)
        assert (answer.status, answer.headers["Location"]) == (302, there)
    page = open_page.get("/docs").body.decode()
    assert 0 < page.index('href="/docs/vi/index.html"') < page.index('href="/docs/en/index.html"')


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "address",
    [
        "/docs/vi/khong-co.html",
        "/docs/vi/notes.txt",
        "/docs/vi/out.html",
        "/docs/vi/../../lienthong.html",
        "/docs/vi/..%2F..%2Flienthong.html",
        "/docs/vi/%2e%2e/lienthong.html",
        "/docs/vi/problems/..%2F..%2F..%2Flienthong.html",
        "/docs/fr/index.html",
    ],
)
def test_nothing_but_the_files_of_the_site_is_served(open_page, address):
    assert (open_page.get(address).status, open_page.get(address).codes) == (404, ["SYS-112"])


def test_a_page_that_went_away_since_is_not_found(open_page, built):
    assert open_page.get("/docs/en/search.html").status == 200
    (built / "en" / "search.html").unlink()
    assert open_page.get("/docs/en/search.html").codes == ["SYS-112"]


def test_without_a_site_the_page_of_the_interface_is_as_it_was(open_page, monkeypatch, tmp_path):
    monkeypatch.setattr(manual, "BUILT", tmp_path / "none")
    assert [open_page.get(f"/docs/vi{rest}").codes for rest in ("", "/", "/index.html")] == [["SYS-112"]] * 3
    page = open_page.get("/docs").body.decode()
    assert "/docs/vi/" not in page
    assert "/docs/check" in page
