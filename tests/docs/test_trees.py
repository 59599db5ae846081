"""docs/vi and docs/en are one set of pages in two languages: same files, same structure, each wholly in its language."""

import re
from functools import cache
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NAMES = sorted(
    {file.relative_to(DOCS / lang).as_posix() for lang in ("vi", "en") for file in (DOCS / lang).rglob("*.md")}
)
DIACRITIC = re.compile("[àáảãạăắằẳẵặâấầẩẫậèéẻẽẹêếềểễệìíỉĩịòóỏõọôốồổỗộơớờởỡợùúủũụưứừửữựỳýỷỹỵđ]", re.IGNORECASE)
ENGLISH = frozenset(
    [
        "the",
        "is",
        "are",
        "of",
        "and",
        "with",
        "has",
        "have",
        "that",
        "this",
        "which",
        "not",
        "for",
        "from",
        "its",
        "was",
        "be",
        "by",
        "it",
        "they",
        "what",
        "who",
    ]
)
BAR = re.compile(r"(?<!\\)\|")  # between cells
WORD = re.compile(r"[^\W\d_]+")
# By kind, what may be in the other language: code, addresses, marks, quotations, comments of the page itself.
FOREIGN = re.compile(r"``.*?``|`[^`]*`|\]\([^)]*\)|https?://\S+|“[^”]*”|\"[^\"]*\"|<!--.*?-->|<[^>]*>", re.DOTALL)
# Names of texts of law and places, as they are written in any language.
PROPER = re.compile(r"Liên Thông|Đồng Nai|Tiếng Việt|[\w/]*/(?:QĐ|NĐ)-[\w]+|TÊN\|NAME")


@cache
def lines(lang, name):
    """The lines of a page, each with whether it stands in a fenced block."""
    found, fenced = [], False
    for line in (DOCS / lang / name).read_text("utf-8").splitlines():
        fence = line.lstrip().startswith("```")
        found.append((line, fenced or fence))
        fenced ^= fence
    return found


def structure(lang, name):
    """What a reader of the other language must find at the same place: headings, lists, tables, fenced blocks."""
    for line, fenced in lines(lang, name):
        if line.startswith("```"):
            yield "```"
        elif not fenced and (heading := re.match(r"#+ ", line)):
            yield heading[0]
        elif not fenced and line.startswith("| "):
            yield f"row of {len(BAR.findall(line)) - 1}"


def pieces(lang, name):
    """The paragraphs and the cells of a page that are prose, without what may be in another language."""
    gathered = []
    for line, fenced in [*lines(lang, name), ("", False)]:
        if fenced or not line.strip() or line.startswith(("| ", "#", "- ", "* ")):
            if gathered:
                yield PROPER.sub(" ", FOREIGN.sub(" ", " ".join(gathered)))
            gathered = []
        if not fenced and line.startswith("| "):
            yield from (PROPER.sub(" ", FOREIGN.sub(" ", cell)) for cell in BAR.split(line))
        elif not fenced and line.strip():
            gathered.append(line)


def in_the_other(lang, piece):
    """Whether a piece of prose is in the other language: by the share of its words that only one of them has."""
    words = WORD.findall(piece)
    vietnamese = sum(DIACRITIC.search(word) is not None for word in words)
    english = sum(word.lower() in ENGLISH for word in words)
    if lang == "vi":
        return english >= 3 and english > vietnamese
    return vietnamese >= 3 and vietnamese > len(words) / 4


def test_both_trees_have_the_same_pages():
    vietnamese, english = ({f.relative_to(DOCS / lang) for f in (DOCS / lang).rglob("*")} for lang in ("vi", "en"))
    assert vietnamese == english
    assert len(NAMES) > 20


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_same_structure_in_both_languages(name):
    assert list(structure("vi", name)) == list(structure("en", name))


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_a_page_is_wholly_in_its_language(lang):
    astray = [
        f"{lang}/{name}: {piece.strip()[:120]}"
        for name in NAMES
        for piece in pieces(lang, name)
        if in_the_other(lang, piece)
    ]
    assert astray == []


@pytest.mark.parametrize(("lang", "other"), [("vi", "en"), ("en", "vi")])
def test_only_the_first_page_leads_to_the_other_language(lang, other):
    leading = [name for name in NAMES if re.search(rf"\]\((?:\.\./)+{other}/", (DOCS / lang / name).read_text("utf-8"))]
    assert leading == ["index.md"]


@pytest.mark.parametrize(
    ("lang", "piece", "found"),
    [
        ("vi", "This is the very table that the gateway applies.", True),
        ("vi", "Bảng này là chính bảng mà trục áp dụng: the table of rights.", False),
        ("vi", "DSS: reference.setTransforms", False),
        ("en", "Bảng này là chính bảng mà trục áp dụng.", True),
        ("en", "Where a file is held, TrangThai says “chờ tệp”, and the sender Nguyễn Văn is told.", False),
        ("en", "Liên Thông of the city of Đồng Nai", False),
    ],
)
def test_the_other_language_is_noticed_and_names_are_let_be(lang, piece, found):
    assert in_the_other(lang, PROPER.sub(" ", FOREIGN.sub(" ", piece))) is found
