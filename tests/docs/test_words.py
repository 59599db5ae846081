"""What a person reads is the language of an office: docs/vi/tu-ngu.md says which words are not used, and instead of which."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest
import sources

from gateway.core.problems import Lang, catalogue

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "vi" / "tu-ngu.md"
ENGLISH = ROOT / "docs" / "en" / "tu-ngu.md"
VIETNAMESE = re.compile("[àáảãạăắằẳẵặâấầẩẫậèéẻẽẹêếềểễệìíỉĩịòóỏõọôốồổỗộơớờởỡợùúủũụưứừửữựỳýỷỹỵđ]", re.IGNORECASE)
NOT_PROSE = re.compile(r"`[^`\n]*`|\]\([^)\s]*\)|https?://\S+|\{[^{}]*\}|--[a-z][a-z-]*")
PACKAGES = ("gateway", "connectors", "schemas", "signing")
# Published schemas are not reworded: their digest is part of the evidence of every message that was judged by them.
FROM_SCHEMAS = {"messages.md"}


def words():
    """Each word that is not used, with what stands instead and the phrases in which it may stand."""
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] not in ("Không dùng", "---"):
            may = [phrase.strip() for phrase in cells[2].split(",") if phrase.strip() != "–"]
            for word in cells[0].split(","):
                yield word.strip(), cells[1], may


def bounded(phrase):
    """The phrase as words of their own."""
    return rf"(?<!\w){re.escape(phrase)}(?!\w)"


WORDS = list(words())
RULES = [
    (
        re.compile(bounded(word), re.IGNORECASE),
        re.compile("|".join(bounded(phrase) for phrase in may) or r"(?!)", re.IGNORECASE),
        instead,
    )
    for word, instead, may in WORDS
]
BEGINNINGS = defaultdict(list)  # the first word of each: only lines that have it are looked at by its rule
for (its_word, _, _), its_rule in zip(WORDS, RULES, strict=True):
    BEGINNINGS[re.findall(r"\w+", its_word.lower())[0]].append(its_rule)


def faults(where, text):
    """Every place of the text with a word that is not used, as a sentence for whoever wrote it."""
    for number, line in enumerate(text.splitlines(), 1):
        said = BEGINNINGS.keys() & set(re.findall(r"\w+", line.lower()))
        if not said or not VIETNAMESE.search(line):
            continue
        prose = NOT_PROSE.sub(" ", line)
        for rule, may, instead in (rule for beginning in sorted(said) for rule in BEGINNINGS[beginning]):
            for found in rule.finditer(may.sub(" ", prose)):
                yield f"{where}, line {number}: “{found.group()}” → {instead}: {line.strip()[:160]}"


def texts_of(file):
    """The strings of a module that are no docstrings, with their lines; a formatted one with its gaps."""
    source = file.read_text("utf-8")
    tree = ast.parse(source if VIETNAMESE.search(source) else "")
    nodes = sources.walk(tree)
    inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (inside | docstrings):
            yield node.lineno, node.value


def told_by_the_program():
    """Every text in the code: problems, help, settings, alerts, answers of the console and of the web."""
    for code, entry in catalogue().items():
        said = [text[Lang.VI] for table in entry.words.values() for text in table.values()]
        yield code, "\n".join((entry.message[Lang.VI], entry.remedy[Lang.VI], *said))
    for file in [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]:
        for line, text in texts_of(file):
            yield f"{file.relative_to(ROOT)}:{line}", text


def unwrapped(text):
    """The text of a page with each paragraph on its first line, so that no phrase is cut in two; the other lines are empty."""
    lines, start, code = text.splitlines(), 0, False
    for number, line in enumerate(lines):
        code ^= line.lstrip().startswith("```")
        if code or not number or not lines[number - 1] or re.match(r"\s*([-*|#`]|\d+\.)", line):
            start = number
        if line and start != number:
            lines[start], lines[number] = f"{lines[start]} {line.strip()}", " "
    return "\n".join(lines)


def told_by_the_pages():
    """Pages of the web, the interface's description, the words beside the deployment, and the documents."""
    documents = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "vi").rglob("*.md")]
    documents = [file for file in documents if file != PAGE and file.name not in FROM_SCHEMAS]
    documents += [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "samples").rglob("README.md")]
    for pattern in ("*.html", "*.json", "*.js", "*.toml", "*.wsdl"):
        built = ROOT / "gateway" / "web" / "site"  # made of docs/vi by `make site`
        documents += [file for file in (ROOT / "gateway").rglob(pattern) if not file.is_relative_to(built)]
    documents += [file for suffix in ("yml", "json") for file in (ROOT / "deploy").rglob(f"*.{suffix}")]
    for file in documents:
        text = file.read_text("utf-8")
        yield str(file.relative_to(ROOT)), unwrapped(text) if file.suffix == ".md" else text


@pytest.mark.parametrize("told", [told_by_the_program, told_by_the_pages])
def test_what_a_person_reads_is_the_language_of_an_office(told):
    found = [fault for where, text in told() for fault in faults(where, text)]

    assert not found, f"{len(found)} places; docs/vi/tu-ngu.md says what to write:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Nội dung đã bị xoá.", ["xoá"]),
        ("Bên đó không vào cửa được.", ["cửa"]),
        ("Hệ thống một cửa điện tử; đóng cửa sổ này.", []),
        ("Ký bằng `thẻ`, thẻ đóng của XML.", []),
        ("Gửi biên nhận cho nó.", ["biên nhận", "nó"]),
        ("In the tables of ta and token there is nothing.", []),
    ],
)
def test_a_word_is_found_where_it_is_not_used_and_let_stand_where_it_may(text, found):
    assert sorted(re.findall("“(.+?)”", "".join(faults("x", text)))) == found


def test_a_phrase_that_is_wrapped_is_read_as_one():
    page = unwrapped("Đặt trong sổ\nđăng ký\ncủa trục.\n- Một\n  cửa\n\nHết.")
    assert page.splitlines() == ["Đặt trong sổ đăng ký của trục.", " ", " ", "- Một cửa", " ", "", "Hết."]
    assert list(faults("x", page)) == []


def test_the_english_page_has_the_same_words_with_their_meaning():
    vietnamese, english = (
        [[cell.strip() for cell in line.strip("|").split("|")] for line in page.read_text("utf-8").splitlines()]
        for page in (PAGE, ENGLISH)
    )
    assert len(english) > len(WORDS) / 2
    told = [
        (row[0].replace("`", ""), row[1].partition("`: ")[0].lstrip("`"), row[2].replace("`", ""))
        for row in english
        if row[0].startswith("`")
    ]
    assert told == [tuple(row) for row in vietnamese if len(row) == 3 and row[0] not in {"Không dùng", "---"}]
    assert all(row[1].partition("`: ")[2] for row in english if row[0].startswith("`"))


def test_the_page_has_words_of_every_kind():
    assert len(WORDS) > 50  # an empty list would prove nothing
    assert {"khoá", "cửa", "nó", "biên nhận"} <= {word for word, _, _ in WORDS}
