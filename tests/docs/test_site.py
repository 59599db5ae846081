"""tools/docsite.py: how pages become a site, and that what is wrong with one is found. `make site` builds the whole."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def docsite():
    """The tool."""
    spec = importlib.util.spec_from_file_location("docsite", ROOT / "tools" / "docsite.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["docsite"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["docsite"]


def page(site, name, body, head=""):
    file = site / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"<!doctype html><html><head>{head}</head><body>{body}</body></html>", "utf-8")


def test_a_site_is_looked_at(docsite, tmp_path):
    page(
        tmp_path,
        "vi/index.html",
        '<h1 id="a">A</h1><a href="x/b.html#b">b</a><a href="#a">a</a><a href="https://x.vn/">x</a>',
    )
    page(tmp_path, "vi/x/b.html", '<h1 id="b">B</h1><a href="../index.html">a</a>')
    assert list(docsite.faults(tmp_path)) == []

    page(
        tmp_path,
        "vi/x/b.html",
        '<a href="../c.html">c</a><a href="../index.html#c">c</a><a href="../../../d.html">d</a>',
    )
    page(
        tmp_path,
        "en/index.html",
        '<p style="color:red">x</p><script>1</script>',
        '<script src="https://x.vn/a.js"></script>',
    )
    assert list(docsite.faults(tmp_path)) == [
        "en/index.html: comes from elsewhere: https://x.vn/a.js",
        "en/index.html: within the page: <script>",
        "en/index.html: within the page: style=",
        "vi/index.html: no such place: x/b.html#b",
        "vi/x/b.html: leads nowhere: ../../../d.html",
        "vi/x/b.html: leads nowhere: ../c.html",
        "vi/x/b.html: no such place: ../index.html#c",
    ]


def test_every_page_of_both_trees_is_in_the_contents(docsite):
    for lang in ("vi", "en"):
        pages = dict(docsite.staged(lang))
        led = {name for head in docsite.CONTENTS for name in docsite.leading(ROOT / "docs" / lang / head, head)}
        assert {name.removesuffix(".md") for name in pages} - led == {"index"}


def test_links_of_a_page_lead_within_its_site(docsite):
    pages = dict(docsite.staged("vi"))
    assert "[Mã lỗi và kiểm thử](codes.md)" in pages["problems.md"]
    assert '<a href="../en/index.html">English</a>' in pages["index.md"]
    assert "](../decisions/0009-a-failed-delivery-holds-its-lane.md)" in pages["problems/DLV.md"]
    assert "mermaid" not in pages["states.md"]
    assert not any("](../../" in text for text in pages.values())


def test_words_are_found_with_and_without_their_marks(docsite):
    assert docsite.without_marks("Chữ ký đúng Đồng Nai") == "Chu ky dung Dong Nai"
    assert docsite.VietnameseSearch({}).split("chứng thư XML") == ["chứng", "thư", "XML", "chung", "thu"]
