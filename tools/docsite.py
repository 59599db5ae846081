"""Builds the site of docs/vi and docs/en, which needs no internet: ``make site``. It goes to gateway/web/site, where the gateway serves it.

Each language is built by Sphinx from the pages as they are read in the repository, with a warning taken for an error. What
differs from them is made on the way: links to other languages and to files that are no pages, the tables of contents (from
the links of a page), and the diagram of states, which only a script could draw and whose arrows stand in the table below it.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import docutils.languages
import docutils.languages.en
import docutils.parsers.rst.languages
import docutils.parsers.rst.languages.en
import sphinx.search
from sphinx.application import Sphinx
from sphinx.search import SearchLanguage

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"
FRAME: Final = DOCS / "site"
SITE: Final = ROOT / "gateway" / "web" / "site"
RELEASE: Final = str(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"])
TITLES: Final = {"vi": f"Liên Thông {RELEASE}", "en": f"Liên Thông {RELEASE}"}
LINK: Final = re.compile(r"(?<!`)\[(?P<text>[^\]]+)\]\((?P<target>[^)\s#]*)(?P<place>#[^)\s]*)?\)")
TRANSLATIONS: Final = "_static/translations.js"  # Sphinx makes a function of text in it
CONTENTS: Final = {"index.md": "", "problems.md": "problems/", "decisions.md": "decisions/"}  # page -> what it leads to


class VietnameseSearch(SearchLanguage):
    """Words are syllables and are not stemmed; each is found with its marks and, as many type, without them."""

    lang = "vi"
    language_name = "Vietnamese"

    def split(self, input: str) -> list[str]:  # noqa: A002 - its name there
        """The syllables of a text, those with marks also without."""
        words = super().split(input)
        return [*words, *(bare for word in words if (bare := without_marks(word)) != word)]


def without_marks(word: str) -> str:
    """``chữ ký đúng`` → ``chu ky dung``."""
    apart = unicodedata.normalize("NFD", word.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


# --- sources ----------------------------------------------------------------------------------------------------------


def staged(lang: str) -> Iterator[tuple[str, str]]:
    """The pages of one language by name, as Sphinx is to read them; the decisions, which are in English alone, in both."""
    for file in sorted((DOCS / lang).rglob("*.md")):
        name = file.relative_to(DOCS / lang).as_posix()
        yield name, prepared(file, name, lang)
    for file in sorted((DOCS / "decisions").glob("*.md")):
        name = f"decisions/{file.name}"
        yield name, prepared(file, name, lang)


def prepared(file: Path, name: str, lang: str) -> str:
    """One page."""
    text = file.read_text("utf-8")
    text = re.sub(r"^```mermaid\n.*?^```\n", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r'<a id="([^"]+)"></a>`([^`]+)`', r"[`\2`]{#\1}", text)
    text = LINK.sub(lambda link: led(link, file, name, lang), text)
    if name in CONTENTS:
        text += f"\n```{{toctree}}\n:hidden:\n\n{chr(10).join(leading(file, name))}\n```\n"
    return text


def leading(file: Path, name: str) -> Iterator[str]:
    """The pages that a page of contents leads to, in its order."""
    text, seen = file.read_text("utf-8"), set()
    for link in LINK.finditer(text):
        there = link["target"].removeprefix("../")
        wanted = there.startswith(CONTENTS[name]) if CONTENTS[name] else "/" not in there
        if there.endswith(".md") and wanted and there not in seen:
            seen.add(there)
            yield there.removesuffix(".md")


def led(link: re.Match[str], file: Path, name: str, lang: str) -> str:
    """A link of a page where it lies, as a link of the site."""
    text, target, place = link["text"], link["target"], link["place"] or ""
    if not target or "://" in target or target.startswith("mailto:"):
        return link[0]
    there = (file.parent / target).resolve()
    up = "../" * name.count("/")
    for tree, at in ((DOCS / lang, ""), (DOCS / "decisions", "decisions/")):
        if there.is_relative_to(tree) and there.suffix == ".md":
            if text == there.name:  # a file's name, where a site has titles
                text = there.read_text("utf-8").partition("\n")[0].removeprefix("# ")
            return f"[{text}]({up}{at}{there.relative_to(tree).as_posix()}{place})"
    for other in TITLES:
        if there.is_relative_to(DOCS / other) and there.suffix == ".md":
            page = there.relative_to(DOCS / other).with_suffix(".html").as_posix()
            return f'<a href="{up}../{other}/{page}{place}">{text.replace("`", "")}</a>'
    shown = there.relative_to(ROOT).as_posix()  # a file of the repository that is no page
    return text if text.strip("`") == shown else f"{text} (`{shown}`)"


# --- building ---------------------------------------------------------------------------------------------------------


def build(lang: str, out: Path, work: Path) -> bool:
    """Builds one language. Returns whether it went without a warning."""
    source = work / lang
    sphinx.search.languages["vi"] = VietnameseSearch
    # docutils has no Vietnamese and says so; what it would say are the heads of notes, of which there are none.
    docutils.languages.get_language.cache["vi"] = docutils.languages.en
    docutils.parsers.rst.languages.get_language.cache["vi"] = docutils.parsers.rst.languages.en
    for name, text in staged(lang):
        file = source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    settings: dict[str, Any] = {
        "project": "Liên Thông",
        "release": RELEASE,
        "version": RELEASE,
        "language": lang,
        "extensions": ["myst_parser"],
        "myst_heading_anchors": 4,
        "myst_enable_extensions": ["attrs_inline"],
        "root_doc": "index",
        "templates_path": [str(FRAME)],
        "html_theme": "basic",
        "html_title": TITLES[lang],
        "html_static_path": [str(FRAME / "site.css"), str(FRAME / "site.js")],
        "html_css_files": ["site.css"],
        "html_js_files": ["site.js"],
        "html_favicon": str(FRAME / "icon.svg"),
        "html_sidebars": {"**": []},
        "html_use_index": False,
        "html_copy_source": False,
        "html_show_sphinx": False,
        "html_search_language": lang,
        "html_permalinks_icon": "#",
        "pygments_style": "default",
    }
    app = Sphinx(
        source,
        None,
        out / lang,
        work / f"{lang}.doctrees",
        "html",
        confoverrides=settings,
        status=None,
        warning=sys.stderr,
        freshenv=True,
        warningiserror=True,
    )
    app.connect("html-page-context", _finished)
    app.build()
    for left in (".buildinfo", "objects.inv", TRANSLATIONS):
        (out / lang / left).unlink(missing_ok=True)
    return app.statuscode == 0


def _finished(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: object) -> None:
    """A wide table scrolls by itself, and by keyboard, instead of widening the page; words come from site.js alone."""
    context["script_files"] = [one for one in context["script_files"] if getattr(one, "filename", "") != TRANSLATIONS]
    body = context.get("body", "")
    context["body"] = body.replace("<table ", '<div class="wide" tabindex="0"><table ').replace(
        "</table>", "</table></div>"
    )


# --- looking at what was built ----------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """What a page refers to, the places that can be referred to, and what runs within it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.places: set[str] = set()
        self.inline: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the attributes that matter."""
        given: Mapping[str, str] = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in given:
            self.fetched.add(given["src"])
        elif tag == "link" and given.get("rel") != "alternate":
            self.fetched.add(given.get("href", ""))
        elif tag in ("script", "style"):
            self.inline.add(f"<{tag}>")
        self.inline |= {f"{name}=" for name in given if name == "style" or name.startswith("on")}


def faults(site: Path) -> Iterator[str]:
    """What is wrong with a built site: links that lead nowhere, what comes from elsewhere, what a strict policy would not run."""
    pages: dict[Path, _Page] = {}
    for file in sorted(site.rglob("*.html")):
        pages[file] = _Page()
        pages[file].feed(file.read_text("utf-8"))
    for file, page in pages.items():
        shown = file.relative_to(site).as_posix()
        for link in sorted(page.links | page.fetched):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.fetched:
                    yield f"{shown}: comes from elsewhere: {link}"
                continue
            there = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not there.is_relative_to(site) or not there.is_file():
                yield f"{shown}: leads nowhere: {link}"
            elif parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].places:
                yield f"{shown}: no such place: {link}"
        yield from (f"{shown}: within the page: {one}" for one in sorted(page.inline))


def main() -> int:
    """Builds both languages beside the old site, looks at them, and puts them in its place. Returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="lienthong-site-") as folder:
        work, out = Path(folder), Path(folder) / "site"
        with ProcessPoolExecutor(max_tasks_per_child=1) as processes:  # Sphinx leaves its marks in a process
            clean = all(list(processes.map(build, TITLES, [out, out], [work, work])))
        wrong = list(faults(out))
        print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
        if not clean or wrong:
            return 1
        shutil.rmtree(SITE, ignore_errors=True)
        shutil.copytree(out, SITE)
    pages = len(list(SITE.rglob("*.html")))
    size = sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file())
    print(f"gateway/web/site: {pages} trang / pages, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
