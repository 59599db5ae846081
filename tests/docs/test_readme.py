"""The README does what it says: its commands run, its output is what they print, its links lead somewhere."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ENGLISH = ROOT / "README.en.md"
FOLDERS = ("samples", "samples/clients", "samples/catalogues", "samples/keys")
PAIRED = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / folder / "README.md" for folder in FOLDERS)]
PAGES = [*PAIRED, *(page.with_suffix(".en.md") for page in PAIRED), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)")


def blocks(language):
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def steps(block):
    """(command, expected output) of a console block."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def matches(expected, printed):
    """Whether the output is as written; "…" stands for anything."""
    pattern = ".*".join(re.escape(piece) for piece in expected.rstrip("\n").split("…"))
    return re.fullmatch(pattern, printed.rstrip("\n"), re.DOTALL) is not None


@pytest.fixture
def place(tmp_path):
    """A folder that has what the README's reader has, and may be written to."""
    for name in ("samples", ".venv"):
        if (ROOT / name).exists():
            (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize("block", blocks("console"), ids=["judge", "node"])
def test_the_commands_print_what_the_readme_shows(block, place):
    here = Path(sys.executable).parent
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG")},
        "LC_ALL": "C.UTF-8",
        "LANG": "C.UTF-8",
        "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "160",
    }
    for command, expected in steps(block):
        if command == "source .venv/bin/activate":  # what PATH does above
            continue
        done = subprocess.run(
            ["bash", "-c", command], cwd=place, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        printed = done.stdout + done.stderr
        assert matches(expected, printed), f"$ {command}\n{printed}"


def shape(text):
    """Headings by their level, rows and items, and the blocks that people copy, without comments; drawings have words."""
    fenced = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    marks = re.findall(r"^(#+(?= )|- |\|(?= )|```)", fenced.sub("```", text), re.MULTILINE)
    return marks, [re.sub(r" +# .*", "", block) for language, block in fenced.findall(text) if language]


@pytest.mark.parametrize("page", PAIRED, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_beside_the_code_has_an_english_one_of_the_same_structure_and_code(page):
    english = page.with_suffix(".en.md")
    text, other = page.read_text("utf-8"), english.read_text("utf-8")
    assert shape(other) == shape(text)
    assert (f"]({english.name})" in text, f"]({page.name})" in other) == (True, True)


def test_the_english_readme_leads_to_the_english_pages():
    english = ENGLISH.read_text("utf-8")
    assert len(shape(README)[1]) == 3
    there = {target.replace("docs/vi/", "docs/en/") for target, _ in LINK.findall(README)} - {"README.en.md"}
    assert {target for target, _ in LINK.findall(english)} - {"README.md", "docs/vi/index.md"} == there


def test_the_make_targets_that_the_readme_names_exist():
    named = re.findall(r"make ([a-z-]+)", README)
    assert {"demo", "test", "help", "floors"} <= set(named)
    rules = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(named) <= rules


def test_every_target_of_the_makefile_says_what_it_does():
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = set(re.findall(r"^\.PHONY: (\S+)", text, re.MULTILINE))
    assert phony == set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))


def test_the_comparison_can_fail():
    assert matches("a … c\n", "a b c\n")
    assert not matches("a … c\n", "a b d\n")
    assert not matches("a\n", "a\nb\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(re.sub(r"`[^`\n]+`(?!\])", "", page.read_text("utf-8"))):
        if "://" in target or target.startswith("mailto:"):
            continue
        file = page.parent / target
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page.name}: {target}#{anchor}"


def test_every_page_is_reached_from_the_readme():
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        linked = {(page.parent / target).resolve() for target, _ in LINK.findall(page.read_text("utf-8"))}
        todo += [file for file in linked - reached if file.suffix == ".md" and file.is_file()]
        reached |= linked
    pages = {page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "decisions"}
    assert pages - reached == set()


@cache
def anchors(file):
    """The places in a page that a link can lead to."""
    text = file.read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))
