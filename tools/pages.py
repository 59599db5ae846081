"""Writes the pages of docs/vi and docs/en that can be made from the code: ``make docs``. With --check: says which are not current.

A page that is made cannot contradict the program; a test asks for --check, so it cannot fall behind either. Each is made once
for each language, by the same function, so that both trees have the same pages with the same headings.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import re
import sys
import tomllib
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import click

from connectors.registry import installed
from connectors.table import Common
from gateway import settings
from gateway.cli import CommandRun, lienthong
from gateway.core import lifecycle
from gateway.core import rights as rights_of_types
from gateway.core.batches import BatchState
from gateway.core.lifecycle import LABELS, MOVES, Guard
from gateway.core.model import AttemptOutcome, DeliveryState, Fate
from gateway.core.problems import Lang, ProblemEntry, ProblemOutcome, Side, catalogue
from gateway.core.rights import Standing
from gateway.core.service_rules import SERVICE_RULES
from gateway.core.severity import Severity
from gateway.core.written import setting_meaning
from gateway.documents import Kind
from gateway.services.profiles import PartyProfile
from schemas import describe, names
from schemas.catalog import Catalog, bundled
from schemas.describe import Field, Simple
from schemas.rules import RULES
from schemas.scoring import LINT

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools")]

import page_words  # noqa: E402 - of this folder; the path is set above
from codes import ATTACKS_TEST, proofs  # noqa: E402
from page_words import Pair, of  # noqa: E402

DOCS = ROOT / "docs"
MADE = (
    "<!-- Trang này được sinh từ mã nguồn bằng `make docs`; không sửa trực tiếp. -->",
    "<!-- Made from the code by `make docs`; do not edit. -->",
)


def page(lang: Lang, title: Pair, *parts: str) -> str:
    """A page from its parts."""
    return "\n\n".join([f"# {of(lang, title)}", of(lang, MADE), *parts]).rstrip() + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell(c) for c in row) + " |" for row in rows]
    return "\n".join(lines)


def heads(lang: Lang, *pairs: Pair) -> list[str]:
    """The head of a table."""
    return [of(lang, pair) for pair in pairs]


def cell(value: object) -> str:
    """Text that does not end its cell, and is read as text."""
    return str(value).replace("|", "\\|").replace("\n", "<br>").strip()


def prose(text: str) -> str:
    """A text of the catalogue: what looks like a tag is no tag."""
    return text.replace("<", "&lt;").replace("{", "`{").replace("}", "}`")


def source(text: str, lang: Lang, *, inside: str = "") -> str:
    """A source in one language, the pages it names as links; ``inside`` is the way back from a page in a folder."""

    def decisions(found: re.Match[str]) -> str:
        links = []
        for number in found[1].split(", "):
            (file,) = (DOCS / "decisions").glob(f"{number}-*.md")
            links.append(f"[{number}]({inside}../decisions/{file.name})")
        return of(lang, ("quyết định ", "decision ")) + ", ".join(links)

    said = re.sub(r"docs/decisions/(\d{4}(?:, \d{4})*)", decisions, prose(page_words.source(text, lang)))
    return re.sub(r"docs/([a-z]+)\.md", rf"[\1.md]({inside}\1.md)", said)


def code_link(code: str) -> str:
    """A code, as a link to where it is explained."""
    return f"[{code}](problems/{code.partition('-')[0]}.md#{code.lower()})"


# --- problems ---------------------------------------------------------------------------------------------------------

FAMILIES = {
    "XML": ("Đọc thông điệp: kích thước, mã hóa, cú pháp", "Reading a message: size, encoding, syntax"),
    "XSD": ("Cấu trúc và quy tắc của nội dung", "Structure, and the rules of content"),
    "SIG": ("Chữ ký và chứng thư", "Signatures and certificates"),
    "AUT": ("Ai được gửi gì, về hồ sơ nào", "Who may send what, about which dossier"),
    "CAT": ("Danh mục dùng chung", "Shared catalogues"),
    "DUP": ("Trùng thông điệp", "Repeated messages"),
    "DOS": ("Vòng đời hồ sơ", "The life of a dossier"),
    "FIL": ("Tệp đi kèm thông điệp", "Files beside messages"),
    "DLV": ("Chuyển giao tới bên nhận", "Delivery to the receiver"),
    "REC": ("Đối soát từ bàn trực", "Reconciliation from the desk"),
    "BAK": ("Sao lưu, khôi phục, chuyển cơ sở dữ liệu", "Backup, restore, moving to another database"),
    "SYS": ("Tiếp nhận, cấu hình, vận hành", "The door, configuration, operation"),
}
OUTCOMES = {
    ProblemOutcome.FAILED: ("từ chối", "refused"),
    ProblemOutcome.UNDETERMINED: ("tạm giữ", "held"),
    ProblemOutcome.NOTE: ("ghi chú", "remark"),
}
SIDES = {
    Side.SENDER: ("bên gửi", "sender"),
    Side.RECEIVER: ("bên nhận", "receiver"),
    Side.GATEWAY: ("trục", "gateway"),
}


def by_family() -> dict[str, list[ProblemEntry]]:
    """The entries of the catalogue under their families, in the order of FAMILIES."""
    found: dict[str, list[ProblemEntry]] = {family: [] for family in FAMILIES}
    for code, entry in sorted(catalogue().items()):
        found[code.partition("-")[0]].append(entry)
    return found


def problems(lang: Lang) -> str:
    """What a code is, and the families with a page for each."""
    rows = [
        (f"[{family}](problems/{family}.md)", of(lang, FAMILIES[family]), len(entries))
        for family, entries in by_family().items()
    ]
    return page(
        lang,
        ("Mã lỗi", "Problem codes"),
        of(
            lang,
            (
                (
                    "Mỗi lỗi có một mã để tra ở đây, một từ khóa ổn định cho chương trình (`token`), vị trí, cách sửa, và bên phải xử lý. "
                    "Nội dung trong `{ngoặc}` được thay bằng dữ kiện của từng trường hợp. Ba chữ đầu của mã cho biết nhóm; mỗi nhóm một trang."
                ),
                (
                    "Every problem has a code to look up here, a stable word for programs (`token`), a place, a remedy, and a side whose turn "
                    "it is. Words in `{braces}` are filled in for each case. The first three letters name the family; each has its page."
                ),
            ),
        ),
        table(heads(lang, ("Nhóm", "Family"), ("Nội dung", "Subject"), ("Số mã", "Codes")), rows),
        of(
            lang,
            (
                (
                    "Kiểm thử yêu cầu đúng từng mã: [codes.md](codes.md). Giao diện web hiển thị cùng nội dung tại `/docs`, và địa chỉ lỗi "
                    "trong câu trả lời (`type`) dẫn tới đúng mã."
                ),
                (
                    "The test that asserts exactly each code: [codes.md](codes.md). The gateway shows the same texts at `/docs`, and the "
                    "address of a problem in an answer (`type`) leads to the very code."
                ),
            ),
        ),
    )


def family_page(family: str, lang: Lang) -> str:
    """Every code of a family: what it says, what to do, whose turn it is, where the rule comes from."""
    vi, en = FAMILIES[family]
    return page(
        lang,
        (f"{family}: {vi}", f"{family}: {en}"),
        of(lang, ("Mọi nhóm mã: [Mã lỗi](../problems.md).", "All families: [Problem codes](../problems.md).")),
        *(_problem(entry, lang) for entry in by_family()[family]),
    )


def _problem(entry: ProblemEntry, lang: Lang) -> str:
    side = of(lang, SIDES[entry.side])
    facts = [
        f"`{entry.token}`",
        of(lang, OUTCOMES[entry.outcome]),
        of(lang, (f"bên phải xử lý: {side}", f"turn of the {side}")),
        of(lang, ("có thể gửi lại nguyên văn", "the same bytes may succeed later")) if entry.retry else "",
        f"HTTP {entry.status}" if entry.status else "",
    ]
    return (
        f"## {entry.code}\n\n{' · '.join(fact for fact in facts if fact)}\n\n"
        f"{prose(entry.message[lang])}\n\n"
        f"**{of(lang, ('Cách khắc phục', 'Remedy'))}:** {prose(entry.remedy[lang])}\n\n"
        f"{of(lang, ('Nguồn', 'Source'))}: {source(entry.source, lang, inside='../')}"
    )


KINDS = {
    "sample": ("tệp mẫu", "sample"),
    "journey": ("hành trình", "journey"),
    "attack": ("tài liệu tấn công", "attack document"),
    "test": ("kiểm thử", "test"),
}


def codes(lang: Lang) -> str:
    """Every code and the plainest test that asserts exactly it."""
    rows = []
    for code in sorted(catalogue()):
        first = proofs().get(code, [None])[0]
        kind, where = ("–", "–") if first is None else (of(lang, KINDS[first.kind]), f"`{first.what or first.where}`")
        rows.append((code_link(code), kind, where))
    return page(
        lang,
        ("Mã lỗi và kiểm thử", "Codes and their tests"),
        of(
            lang,
            (
                "Mỗi mã được bảo đảm bằng ít nhất một kiểm thử yêu cầu đúng mã đó; kiểm thử không đạt nếu trả về mã khác hoặc không trả về mã. Bảng nêu nơi dễ đọc nhất; `python tools/codes.py SIG-011` liệt kê tất cả. Mã không có kiểm thử làm `tests/docs/test_codes.py` không đạt.",
                "A code is a promise: at least one test asks for exactly it, and fails where another one comes or none. The table names the place that is plainest to read; `python tools/codes.py SIG-011` lists all. A code without a test fails `tests/docs/test_codes.py`.",
            ),
        ),
        of(
            lang,
            (
                f"Tệp mẫu: kết quả phải đúng và đủ như tệp đi kèm (`tests/samples/test_verdicts.py`). Hành trình: `tests/journeys`. Tài liệu tấn công: đúng và đủ các mã mà `tests/signing/attacks.py` ghi cho tài liệu (`{ATTACKS_TEST}`).",
                f"Samples are judged exactly as their side-cars say (`tests/samples/test_verdicts.py`), journeys too (`tests/journeys`); attack documents get exactly the codes that `tests/signing/attacks.py` gives them (`{ATTACKS_TEST}`).",
            ),
        ),
        table(heads(lang, ("Mã", "Code"), ("Loại", "Kind"), ("Vị trí", "Where")), rows),
    )


# --- settings ---------------------------------------------------------------------------------------------------------


def settings_page(lang: Lang) -> str:
    """Every setting of a node, of a party's profile and of a connector."""
    parts = [
        of(lang, ("## Máy: `lienthong.toml`", "## Node: `lienthong.toml`")),
        of(
            lang,
            (
                "Thứ tự ưu tiên: dòng lệnh, biến môi trường, tệp, mặc định. `lienthong doctor` cho biết giá trị đang có hiệu lực và nguồn của giá trị. Đường dẫn tính từ thư mục của tệp. Bí mật không nằm trong tệp.",
                "Precedence: command line, environment, file, default. `lienthong doctor` shows what is in force and where it came from. Paths are relative to the file. No secret stands in it.",
            ),
        ),
    ]
    for f in dataclasses.fields(settings.Settings):
        if f.name in settings.SECTIONS:
            parts.append(f"### `[{f.name}]`\n\n{of(lang, settings.SECTIONS[f.name])}")
        kind = _hint(settings.Settings, f.name)
        inner = dataclasses.is_dataclass(kind)
        rows = _rows(kind, (f.name,), lang, env=True) if inner else _rows_of(f, kind, (), lang, env=False)
        parts.append(_settings_table(rows, lang, env=inner))
    parts += [
        of(lang, ("## Hồ sơ của một bên: `parties/*.toml`", "## A party's profile: `parties/*.toml`")),
        of(
            lang,
            (
                "Mỗi bên một tệp. `lienthong parties apply` kiểm tra, hiển thị khác biệt, sau đó ghi phiên bản mới kèm người thực hiện và lý do; việc sửa tệp chưa có hiệu lực.",
                "One file for each party. `lienthong parties apply` checks it, shows the difference, and records a new version with author and reason; editing a file alone changes nothing.",
            ),
        ),
        _settings_table(_rows(PartyProfile, (), lang), lang, env=False),
        of(lang, ("## Bộ kết nối: `[connector]`", "## Connectors: `[connector]`")),
        of(lang, ("Khóa chung cho mọi bộ kết nối.", "Keys that every connector has.")),
        _settings_table(_rows(Common, ("connector",), lang), lang, env=False),
    ]
    for name, connector in sorted(installed().items()):
        parts.append(of(lang, (f"### Bộ kết nối `{name}`", f"### Connector `{name}`")))
        parts.append(_settings_table(_rows(connector.settings, ("connector",), lang), lang, env=False))
    return page(lang, ("Cấu hình", "Settings"), *parts)


Row = tuple[str, str, str, str, str]


def _settings_table(rows: Iterable[Row], lang: Lang, *, env: bool) -> str:
    head = heads(
        lang,
        ("Khóa", "Key"),
        ("Kiểu", "Type"),
        ("Mặc định", "Default"),
        ("Biến môi trường", "Variable"),
        ("Ý nghĩa", "Meaning"),
    )
    keep = [i for i in range(len(head)) if env or i != 3]  # no variables: no column of them
    return table([head[i] for i in keep], ([row[i] for i in keep] for row in rows))


def _rows(kind: type[Any], key: tuple[str, ...], lang: Lang, *, env: bool = False) -> Iterator[Row]:
    own = inspect.get_annotations(kind)
    for f in sorted(
        dataclasses.fields(kind), key=lambda f: f.name not in own
    ):  # what it shares with others comes after
        if not f.name.startswith("_"):
            yield from _rows_of(f, _hint(kind, f.name), key, lang, env=env)


def _rows_of(f: dataclasses.Field[Any], hint: Any, key: tuple[str, ...], lang: Lang, *, env: bool) -> Iterator[Row]:
    inner = _table_inside(hint)
    many = typing.get_origin(hint) is tuple
    here = (*key, f.name)
    if f.metadata.get("vi"):
        variable = f"`{settings.variable(here)}`" if env and here in settings.in_environment() else ""
        yield f"`{'.'.join(here)}`", _type(hint, f, lang), _default(f, lang), variable, setting_meaning(f, lang)
    if inner is not None and inner is not f.type:
        yield from _rows(inner, (*key, f.name + ("[]" if many else "")), lang, env=env)


def _table_inside(hint: Any) -> type[Any] | None:
    for kind in (hint, *typing.get_args(hint)):
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return kind
    return None


def _hint(kind: type[Any], name: str) -> Any:
    return typing.get_type_hints(kind)[name]


def _type(hint: Any, f: dataclasses.Field[Any], lang: Lang) -> str:
    bounds = [f"≥ {f.metadata['at_least']}"] if f.metadata.get("at_least") is not None else []
    bounds += [f"≤ {f.metadata['at_most']}"] if f.metadata.get("at_most") is not None else []
    bounds += [f"`{f.metadata['pattern']}`"] if f.metadata.get("pattern") else []
    among = f.metadata.get("among")
    kind = ", ".join(f"`{word}`" for word in sorted(among)) if among else _kind(hint, lang)
    return ", ".join([kind, *bounds])


TYPES: dict[str, Pair] = {
    "str": ("chuỗi", "text"),
    "int": ("số nguyên", "integer"),
    "float": ("số", "number"),
    "bool": ("`true`, `false`", "`true`, `false`"),
    "Path": ("tệp", "file"),
}


def _kind(hint: Any, lang: Lang) -> str:
    arguments = [a for a in typing.get_args(hint) if a not in (type(None), Ellipsis)]
    origin = typing.get_origin(hint)
    mapping = of(lang, ("bảng", "table"))
    if origin in (tuple, frozenset, list):
        return f"{of(lang, ('danh sách', 'list'))}: {_kind(arguments[0], lang)}"
    if origin is not None and len(arguments) == 2 and hasattr(origin, "keys"):
        return f"{mapping}: {_kind(arguments[0], lang)} → {_kind(arguments[1], lang)}"
    if arguments:
        return " | ".join(_kind(a, lang) for a in arguments)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(f"`{member.value}`" for member in hint)
    if dataclasses.is_dataclass(hint):
        return mapping
    name = getattr(hint, "__name__", str(hint))
    return of(lang, TYPES[name]) if name in TYPES else name


def _default(f: dataclasses.Field[Any], lang: Lang) -> str:
    if f.default is not dataclasses.MISSING:
        value = f.default
    elif f.default_factory is not dataclasses.MISSING:
        value = f.default_factory()
    else:
        return of(lang, ("bắt buộc", "required"))
    if value is None or value in ((), {}, frozenset()) or dataclasses.is_dataclass(value):
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, (tuple, frozenset, list)):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value}`"


# --- states -----------------------------------------------------------------------------------------------------------

GUARDS = {
    Guard.NONE: ("", ""),
    Guard.REASON: ("phải có LyDo", "needs LyDo"),
    Guard.REMEMBERED: ("chỉ về trạng thái trước đó", "only to the remembered state"),
    Guard.DECREE: ("chỉ khi thời hạn được tính lại từ đầu", "only where the limit is counted anew"),
    Guard.TOO_LATE: ("chỉ khi đã quá hạn bổ sung", "only after the time limit of the supplement"),
    Guard.RETURNED: ("chỉ với loại kết quả “trả lại / xin rút”", "only with the result kind “returned or withdrawn”"),
    Guard.PRIVILEGED: ("cần đặc quyền và LyDo, được ghi nhật ký", "needs the privilege and LyDo, is logged"),
}

LAST: Pair = ("cuối cùng", "final")
Meaning = tuple[Pair, Pair]  # what it means, what moves it on
DELIVERIES: dict[DeliveryState, Meaning] = {
    DeliveryState.QUEUED: (
        ("chờ gửi, hoặc chờ thử lại", "waiting for its turn or for the next try"),
        (
            "`work`: đến giờ và hàng đợi không bị tạm giữ → `sending`; `skip` → `skipped`",
            "`work`: when it is time and its lane is not held → `sending`; `skip` → `skipped`",
        ),
    ),
    DeliveryState.SENDING: (
        ("đang gửi hoặc đang tra cứu; giữ chỗ có thời hạn", "being sent or asked about, under a lease"),
        (
            "kết quả của lượt thử → `delivered`, `refused`, `queued`, `unknown`, `dead`; hết thời hạn giữ chỗ → `unknown`",
            "how the try ends → `delivered`, `refused`, `queued`, `unknown`, `dead`; the lease ends → `unknown`",
        ),
    ),
    DeliveryState.UNKNOWN: (
        (
            "đã gửi mà không rõ kết quả: không phải thất bại, cũng không phải thành công",
            "sent, outcome not known: neither a failure nor a success",
        ),
        (
            "`work`: tra cứu ở bên nhận nếu có thể, nếu không thì gửi lại đúng mã và byte cũ → `sending`; `skip` → `skipped`",
            "`work`: asks the receiver where it can, else sends the same id and bytes again → `sending`; `skip` → `skipped`",
        ),
    ),
    DeliveryState.DELIVERED: (("bên nhận đã nhận", "the receiver has it"), LAST),
    DeliveryState.REFUSED: (
        ("bên nhận từ chối; tạm giữ hàng đợi của hồ sơ", "the receiver's final no; holds its lane"),
        ("`replay` → `queued`; `skip` → `skipped`", "`replay` → `queued`; `skip` → `skipped`"),
    ),
    DeliveryState.DEAD: (
        (
            "đã hết thời hạn thử lại; tạm giữ hàng đợi của hồ sơ, cần người vận hành xử lý",
            "patience is exhausted; holds its lane, a person must look",
        ),
        ("`replay` → `queued`; `skip` → `skipped`", "`replay` → `queued`; `skip` → `skipped`"),
    ),
    DeliveryState.SKIPPED: (("người vận hành bỏ qua, có lý do", "an operator let it go, with a reason"), LAST),
    DeliveryState.NOTHING: (
        (
            "không có thông tin phải báo: khuôn dạng của bên nhận không thể hiện được thông điệp này, hoặc bên nhận đã có đủ thông tin; không tạm giữ hàng đợi",
            "nothing to tell: the receiver's form has no word for this message, or it knows all of it; holds nobody",
        ),
        LAST,
    ),
}
ATTEMPTS = {
    AttemptOutcome.DELIVERED: ("nhận", "taken"),
    AttemptOutcome.REFUSED: ("từ chối", "refused for good"),
    AttemptOutcome.UNREACHABLE: ("chắc chắn chưa nhận", "certainly not taken"),
    AttemptOutcome.UNCERTAIN: ("đã gửi, không có trả lời rõ ràng", "sent, no clear answer"),
    AttemptOutcome.NOT_THERE: ("đã tra cứu, bên nhận không có", "asked; they do not have it"),
    AttemptOutcome.NOTHING: ("không có thông tin phải báo, không gửi", "nothing to tell, nothing left"),
}
BATCHES: dict[BatchState, Meaning] = {
    BatchState.WAITING: (
        ("chờ người thứ hai duyệt", "waits for a second person"),
        (
            "`batch approve` → `running`; `batch cancel` → `cancelled`",
            "`batch approve` → `running`; `batch cancel` → `cancelled`",
        ),
    ),
    BatchState.RUNNING: (
        (
            "`work` thực hiện dần theo tốc độ đã đặt, sau đó theo dõi các việc đã đưa vào hàng đợi",
            "`work` does the next things at its rate, then follows what was queued",
        ),
        (
            "không còn việc nào chưa hoàn thành → `done`; `batch pause` → `paused`; `batch cancel` → `cancelled`",
            "nothing is left to do → `done`; `batch pause` → `paused`; `batch cancel` → `cancelled`",
        ),
    ),
    BatchState.PAUSED: (
        (
            "không thực hiện thêm; các việc đã đưa vào hàng đợi vẫn được gửi",
            "nothing more is done; what was queued goes on",
        ),
        (
            "`batch resume` → `running`; `batch cancel` → `cancelled`",
            "`batch resume` → `running`; `batch cancel` → `cancelled`",
        ),
    ),
    BatchState.DONE: (("mọi việc đã rõ kết quả", "it is known what became of everything"), LAST),
    BatchState.CANCELLED: (("phần chưa thực hiện giữ nguyên", "what was not done is left as it was"), LAST),
}
FATES: dict[Fate, Meaning] = {
    Fate.ACCEPTED: (
        (
            "đã nhận, ghi, đưa vào hàng đợi chuyển; xác nhận tiếp nhận thông điệp CHAP_NHAN",
            "taken, recorded, queued for its receivers; receipt CHAP_NHAN",
        ),
        LAST,
    ),
    Fate.REJECTED: (
        (
            "từ chối nhưng vẫn ghi; bên gửi được dùng lại mã thông điệp; xác nhận tiếp nhận thông điệp TU_CHOI hoặc TRUNG_LAP",
            "refused, and recorded all the same; its id is free again; receipt TU_CHOI or TRUNG_LAP",
        ),
        ("cuối cùng; `replay --message` xét lại", "final; `replay --message` judges it again"),
    ),
    Fate.HELD: (
        (
            "chưa đủ thông tin để kết luận, ví dụ chưa kiểm tra được chứng thư; giữ mã thông điệp",
            "not enough is known to answer, for example about a certificate; it owns its id",
        ),
        ("`work` xét lại → `accepted`, `rejected`", "`work` judges it again → `accepted`, `rejected`"),
    ),
}


def states(lang: Lang) -> str:
    """The state machines: dossier, message, delivery."""
    for words, members in (
        (GUARDS, Guard),
        (DELIVERIES, DeliveryState),
        (ATTEMPTS, AttemptOutcome),
        (FATES, Fate),
        (BATCHES, BatchState),
    ):
        if set(words) != set(members):
            raise SystemExit(f"tools/pages.py: the words for {members.__name__} do not fit its members")
    moves = [
        (
            f"`{state}` {of(lang, LABELS[state])}",
            f"`{move.to}` {of(lang, LABELS[move.to])}",
            "<br>".join(of(lang, GUARDS[g]) for g in move.guards if g is not Guard.NONE) or "–",
            page_words.effect(move.effect, lang),
            source(move.source, lang),
        )
        for state, row in MOVES.items()
        for move in row
    ]
    meaning, state, onward = ("Nghĩa", "Meaning"), ("Trạng thái", "State"), ("Bước tiếp theo", "What moves it on")
    return page(
        lang,
        ("Trạng thái", "States"),
        of(lang, ("## Hồ sơ", "## Dossier")),
        of(
            lang,
            (
                "Trạng thái của hồ sơ không được lưu riêng mà được suy ra từ các sự kiện do các bên gửi, xếp theo thời điểm xảy ra. Bước không có trong bảng được ghi lại, được trả lời bằng các bước có thể, và không được áp dụng.",
                "A dossier's state is not stored as a truth of its own: it follows from the events that the parties sent, in the order in which they happened. A move that is not in the table is recorded, answered with those that are possible, and not applied.",
            ),
        ),
        table(heads(lang, ("Mã", "Code"), state), ((f"`{code}`", of(lang, label)) for code, label in LABELS.items())),
        _diagram(lang),
        table(
            heads(
                lang,
                ("Từ", "From"),
                ("Sang", "To"),
                ("Điều kiện", "Guard"),
                ("Tác động", "Effect"),
                ("Nguồn", "Source"),
            ),
            moves,
        ),
        of(lang, ("## Thông điệp", "## Message")),
        table(heads(lang, ("Kết quả xử lý", "Fate"), meaning, onward), _meanings(FATES, lang)),
        of(lang, ("## Chuyển giao", "## Delivery")),
        of(
            lang,
            (
                "Mỗi bên nhận có một hàng đợi cho mỗi hồ sơ; trong một hàng đợi, thứ tự luôn được giữ.",
                "Each receiver has a lane for each dossier; within a lane the order is always kept.",
            ),
        ),
        table(heads(lang, state, meaning, onward), _meanings(DELIVERIES, lang)),
        of(lang, ("Một lượt thử kết thúc bằng một trong các kết quả sau:", "A try ends as one of these:")),
        table(
            heads(lang, ("Kết quả", "Outcome"), meaning),
            ((f"`{outcome}`", of(lang, words)) for outcome, words in ATTEMPTS.items()),
        ),
        of(lang, ("## Đợt", "## Batch")),
        of(
            lang,
            (
                "Việc trên hơn một lượt gửi, thông điệp hay hồ sơ là một đợt ([quyết định 0112](../decisions/0112-an-act-over-many-things-is-a-batch.md)).",
                "An act over more than one delivery, message or dossier is a batch ([decision 0112](../decisions/0112-an-act-over-many-things-is-a-batch.md)).",
            ),
        ),
        table(heads(lang, state, meaning, onward), _meanings(BATCHES, lang)),
    )


def _meanings(words: Mapping[Any, Meaning], lang: Lang) -> Iterator[tuple[str, str, str]]:
    for state, (meaning, onward) in words.items():
        yield f"`{state}`", of(lang, meaning), of(lang, onward)


def _diagram(lang: Lang) -> str:
    arrows = [
        f"    {state} --> {move.to}"
        for state, row in MOVES.items()
        for move in {m.to: m for m in row if Guard.PRIVILEGED not in m.guards}.values()
    ]
    names = [f"    {code}: {code} {of(lang, label)}" for code, label in LABELS.items()]
    start = [f"    [*] --> {lifecycle.MOI_DANG_KY}", f"    [*] --> {lifecycle.DUOC_TIEP_NHAN}"]
    return "\n".join(["```mermaid", "stateDiagram-v2", *names, *start, *arrows, "```"])


# --- messages ---------------------------------------------------------------------------------------------------------


def messages(lang: Lang) -> str:
    """Every message type: who sends it to whom, and each of its fields."""
    catalog = bundled()
    kinds = sorted(catalog.kinds(), key=lambda k: (k.loai, k.goc, _numbers(k.phien_ban)))
    simple: dict[str, Simple] = {}
    parts = [
        of(
            lang,
            (
                "Phong bì `ThongDiep` mang đúng một thân. Lược đồ XSD 1.0 nằm trong `schemas/xsd`; bảng dưới đây được lấy từ các lược đồ đó.",
                "The envelope `ThongDiep` carries exactly one payload. The XSD 1.0 schemas are in `schemas/xsd`; these tables are made from them.",
            ),
        ),
        table(
            heads(
                lang,
                ("Loại", "Type"),
                ("Thân", "Payload"),
                ("PhienBan", "PhienBan"),
                ("Từ", "From"),
                ("Đến", "To"),
                ("Nghĩa", "Meaning"),
            ),
            (_overview(catalog, k, lang) for k in kinds),
        ),
        *_rights(lang),
        *_writing(simple, lang),
        of(lang, ("## Phong bì `ThongDiep`", "## Envelope `ThongDiep`")),
        _fields(describe.envelope(), simple, lang),
    ]
    for kind in kinds:
        parts += [
            f"## {kind.loai} {kind.goc} {kind.phien_ban}",
            describe.title(catalog, kind)[lang],
            _fields(describe.payload(catalog, kind), simple, lang),
        ]
    simple |= {one.name: one for one in describe.code_lists()}
    parts += [of(lang, ("## Quy tắc ngoài lược đồ", "## Rules beyond the schema")), _rules(lang)]
    parts += [of(lang, ("## Kiểu và danh mục", "## Types and code lists")), _types(simple, lang)]
    return page(lang, ("Thông điệp", "Messages"), *parts)


STANDINGS: dict[Standing, Pair] = {
    Standing.OWNER: (
        "cơ quan có mã trong mã hồ sơ và tham gia hồ sơ; nơi tiếp nhận, khi cơ quan khác giải quyết",
        "the agency whose identifier the dossier code bears, a party to it; the receiving office where another one handles it",
    ),
    Standing.PORTAL: ("cổng mà hồ sơ được nộp, hoặc được đồng bộ tới", "the portal it was filed at or synchronised to"),
    Standing.HANDLER: ("cơ quan giải quyết", "the agency that handles it"),
    Standing.COPY: ("cơ quan đã nhận bản sao (HS14)", "an agency that a copy went to (HS14)"),
    Standing.STRANGER: ("không tham gia hồ sơ", "has no part in it"),
}


def _rights(lang: Lang) -> list[str]:
    """The table of pairs, as the gateway applies it."""
    rows = []
    for (loai, goc), rights in rights_of_types.TABLE.items():
        for pair in rights.pairs:
            everybody = set(pair.may) == set(Standing)
            said = [f"`{one}`{_moves(pair.may[one])}" for one in Standing if one in pair.may]
            opens = ", ".join(f"`{one}`" for one in Standing if one in pair.opens)
            rows.append(
                (
                    f"{loai} `{goc}`",
                    f"`{pair.sender}` → `{pair.receiver}`",
                    of(lang, ("mọi bên", "anybody")) if everybody else "<br>".join(said),
                    opens or "–",
                )
            )
    return [
        of(lang, ("## Bên nào được gửi thông điệp nào", "## Who may say what")),
        of(
            lang,
            (
                (
                    "Bảng này là chính bảng mà trục áp dụng (`gateway/core/rights.py`): thông điệp không có trong bảng "
                    "không được gửi. Tư cách của bên gửi trong hồ sơ quyết định được gửi hay không, và được chuyển hồ sơ "
                    "sang trạng thái nào (trong ngoặc; không ngoặc: không chuyển). Hồ sơ chưa có chỉ được mở bởi bên nêu "
                    "ở cột cuối: cơ quan có mã trong mã hồ sơ, hoặc cổng. Hồ sơ nhận ở cơ quan A, giải quyết ở cơ quan B "
                    "đi dưới mã của A, không bao giờ dưới mã của B. Với bên ngoài cuộc, hồ sơ chưa có và hồ sơ của bên "
                    "khác được trả lời như nhau (AUT-020, AUT-021)."
                ),
                (
                    "This is the very table that the gateway applies (`gateway/core/rights.py`): what is not in it may not be said. The"
                    " sender's standing in the dossier decides whether it may say it, and to which states it may bring the dossier by it"
                    " (in brackets; without: none). A dossier that is not on record is opened only by those in the last column: the agency"
                    " whose identifier the code bears, or a portal. What is received at agency A and handled at agency B goes under A's"
                    " code, never under B's. A stranger gets the same answer for a dossier that is not on record and for one of others'"
                    " (AUT-020, AUT-021)."
                ),
            ),
        ),
        table(
            heads(lang, ("Tư cách", "Standing"), ("Nghĩa", "Meaning")),
            ((f"`{one}`", of(lang, words)) for one, words in STANDINGS.items()),
        ),
        table(
            heads(
                lang,
                ("Loại", "Type"),
                ("Từ → đến", "From → to"),
                ("Bên gửi, chuyển sang", "Who says it, to which states"),
                ("Bên mở", "Who opens"),
            ),
            rows,
        ),
    ]


def _moves(states: frozenset[int]) -> str:
    if not states:
        return ""
    return " (1–10)" if states == rights_of_types.ANY_STATE else f" ({', '.join(str(one) for one in sorted(states))})"


def _writing(simple: dict[str, Simple], lang: Lang) -> list[str]:
    """What must be known before the first element can be written: namespaces, the root's Id, absence."""
    reasons = describe.absence()
    simple[reasons.name] = reasons
    named = ", ".join(f"`{value.code}`" for value in reasons.values)
    return [
        of(lang, ("## Cách viết", "## How to write it")),
        of(
            lang,
            (
                (
                    f"Phong bì và mọi phần tử của phong bì ở không gian tên `{names.PHONG_BI}`; thân và mọi phần tử trong thân ở"
                    f" `{names.HO_SO}` (cả bản 1.1); chữ ký ở `{names.DS}`. Tiền tố tùy ý. Thuộc tính không có tiền tố, trừ `xsi:…`."
                    " Thứ tự phần tử là thứ tự trong bảng. Gốc có thể mang thuộc tính `Id`, để chữ ký trỏ tới. Chữ ký là phần tử con"
                    " cuối cùng của gốc: [integrate.md](integrate.md)."
                ),
                (
                    f"The envelope and its elements are in the namespace `{names.PHONG_BI}`; the payload and all inside it in"
                    f" `{names.HO_SO}` (version 1.1 too); the signature in `{names.DS}`. Any prefix. Attributes have none, but for"
                    " `xsi:…`. Elements stand in the order of the tables. The root may bear an attribute `Id` for the signature to"
                    " point to. The signature is the last child of the root: [integrate.md](integrate.md)."
                ),
            ),
        ),
        (
            "```xml\n"
            f'<lt:ThongDiep xmlns:lt="{names.PHONG_BI}"\n'
            f'              xmlns:hs="{names.HO_SO}">\n'
            "  <lt:MaThongDiep>0b9f7d3e-5c1a-4d27-9a6e-2f4c8e1b7a90</lt:MaThongDiep>\n"
            "  <lt:LoaiThongDiep>HS05</lt:LoaiThongDiep>\n"
            "  <lt:PhienBan>1.0</lt:PhienBan>\n"
            "  …\n"
            "  <lt:ThanPhan>\n"
            "    <hs:CapNhatTienDo>…</hs:CapNhatTienDo>\n"
            "  </lt:ThanPhan>\n"
            "  <!-- ds:Signature -->\n"
            "</lt:ThongDiep>\n"
            "```"
        ),
        of(
            lang,
            (
                (
                    "Chú thích và lệnh xử lý không được có trong thông điệp thật (XML-111, XML-112). Phần tử ghi `nil` được để trống có"
                    f' lý do: `xsi:nil="true"` cùng thuộc tính `LyDoTrong`, một trong {named}; nếu không có lý do thì bỏ phần tử.'
                ),
                (
                    "A real message holds no comments or processing instructions (XML-111, XML-112). An element marked `nil` may be"
                    f' left empty for a reason: `xsi:nil="true"` with the attribute `LyDoTrong`, one of {named}; without a reason'
                    " leave the element out."
                ),
            ),
        ),
        f'```xml\n<hs:Email xmlns:xsi="{names.XSI}" xsi:nil="true" LyDoTrong="{reasons.values[0].code}"/>\n```',
    ]


def _overview(catalog: Catalog, kind: Kind, lang: Lang) -> tuple[str, ...]:
    rights = catalog.rights(kind)
    receivers = {role for sender in rights.senders for role in rights.receivers(sender)}
    link = f"{kind.loai}-{kind.goc}-{kind.phien_ban}".lower().replace(".", "")
    return (
        f"[{kind.loai}](#{link})",
        f"`{kind.goc}`",
        kind.phien_ban,
        ", ".join(f"`{role}`" for role in sorted(rights.senders)),
        ", ".join(f"`{role}`" for role in sorted(receivers)),
        describe.title(catalog, kind)[lang],
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in version.split("."))


def _fields(root: Field, simple: dict[str, Simple], lang: Lang) -> str:
    rows = []
    for depth, field in list(root.walk())[1:]:
        kind = ""
        if field.simple is not None:
            named = ":" not in field.simple.name
            kind = f"[{field.simple.name}](#{field.simple.name.lower()})" if named else f"`{field.simple.name}`"
            if named:
                simple[field.simple.name] = field.simple
        elif field.wildcard:
            kind = of(lang, ("bất kỳ", "any"))
        marks = of(lang, (" chọn một", " one of")) if field.choice else ""
        marks += " `nil`" if field.nillable else ""
        rows.append(
            ("· " * (depth - 1) + f"`{field.name}`", kind, field.occurs + marks, prose(field.text.get(lang, "")))
        )
    return table(heads(lang, ("Trường", "Field"), ("Kiểu", "Type"), ("Số lần", "Occurs"), ("Nghĩa", "Meaning")), rows)


def _types(simple: dict[str, Simple], lang: Lang) -> str:
    rows = []
    for name, one in sorted(simple.items()):
        allows = [f"`{pattern}`" for pattern in one.patterns]
        if one.max_length is not None:
            allows.append(f"{one.min_length or 0}–{one.max_length} {of(lang, ('ký tự', 'characters'))}")
        if one.least is not None or one.most is not None:
            allows.append(f"{one.least or '…'}–{one.most or '…'}")
        allows += [f"`{value.code}` {value.text.get(lang, '')}" for value in one.values]
        rows.append(
            (
                f'<a id="{name.lower()}"></a>`{name}`',
                f"`{one.base}`",
                prose(one.text.get(lang, "")),
                "<br>".join(allows),
            )
        )
    head = heads(lang, ("Kiểu", "Type"), ("Gốc", "Base"), ("Nghĩa", "Meaning"), ("Cho phép", "Allows"))
    return table(head, rows)


LEVELS: dict[Severity, Pair] = {
    Severity.REJECT: ("từ chối", "reject"),
    Severity.WARN: ("cảnh báo", "warn"),
    Severity.OFF: ("tắt", "off"),
}


def _rules(lang: Lang) -> str:
    rows = [
        (
            f"`{rule.name}`",
            code_link(rule.code),
            ", ".join(sorted(rule.types)) or of(lang, ("mọi loại", "all")),
            of(lang, LEVELS[rule.default]) + (of(lang, (" (cố định)", " (fixed)")) if rule.locked else ""),
            prose(catalogue()[rule.code].message[lang]),
            source(rule.source, lang),
        )
        for rule in sorted(RULES, key=lambda rule: rule.code)
    ]
    rows += [
        (
            f"`{one.name}`",
            code_link(one.code),
            ", ".join(one.types),
            of(lang, LEVELS[one.default]),
            prose(catalogue()[one.code].message[lang]),
            source(one.source, lang),
        )
        for one in SERVICE_RULES
    ]
    head = heads(
        lang,
        ("Quy tắc", "Rule"),
        ("Mã", "Code"),
        ("Loại", "Types"),
        ("Mặc định", "Default"),
        ("Nghĩa", "Meaning"),
        ("Nguồn", "Source"),
    )
    return table(head, rows)


# --- command line -----------------------------------------------------------------------------------------------------


def cli(lang: Lang) -> str:
    """Every command as its own --help shows it."""
    parts = [
        of(
            lang,
            (
                "Mã thoát: 0 bình thường, 1 có vấn đề, 2 dùng sai hoặc cấu hình sai, 3 chưa xác định, 4 có tệp lưu trữ hỏng, 70 lỗi của trục.",
                "Exit codes: 0 fine, 1 problems found, 2 wrong usage or configuration, 3 undetermined, 4 a broken archive, 70 our fault.",
            ),
        )
    ]
    for path, command in commands():
        parts.append(f"## {' '.join(path)}\n\n```text\n{help_of(path, command, lang)}\n```")
    return page(lang, ("Dòng lệnh", "Command line"), *parts)


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its path, groups before what they hold."""
    todo: list[tuple[tuple[str, ...], click.Command]] = [(("lienthong",), lienthong)]
    while todo:
        path, command = todo.pop(0)
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=path[-1])
            inner = ((name, command.get_command(context, name)) for name in command.list_commands(context))
            todo[:0] = [((*path, name), found) for name, found in inner if found is not None]


def help_of(path: tuple[str, ...], command: click.Command, lang: Lang) -> str:
    """What --help prints, at a width of 100."""
    parent: click.Context | None = None
    for name in path[:-1]:
        parent = click.Context(lienthong, info_name=name, parent=parent, **lienthong.context_settings)
    settings_ = {**command.context_settings, "terminal_width": 100, "max_content_width": 100}
    context = click.Context(
        command, info_name=path[-1], parent=parent, obj=CommandRun(lang=lang, lang_given=True), **settings_
    )
    context.meta["lienthong"] = {"lang": lang}
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


CERTAINTY: dict[str, Pair] = {
    "text": ("đã xem văn bản", "text seen"),
    "secondary": ("nguồn thứ cấp", "secondary sources"),
    "not-found": ("không tìm được văn bản", "text not found"),
}


def law(lang: Lang) -> str:
    """Of docs/law.toml: which texts hold from when until when, and how sure that is."""
    data = tomllib.loads((DOCS / "law.toml").read_text("utf-8"))
    form = of(lang, ("%d/%m/%Y", "%Y-%m-%d"))
    rows = []
    for one in data["text"]:
        days = [f"{one[key]:{form}}" if key in one else "" for key in ("since", "until")]
        follows = one.get("replaced_by") or (f"← {one['replaces']}" if "replaces" in one else "")
        number, follows = (page_words.source(text, lang) for text in (one["number"], follows))
        rows.append((number, *days, one[lang], follows, of(lang, CERTAINTY[one["certainty"]])))
    checked = f"{data['last_checked']:{form}}"
    head = heads(
        lang,
        ("Văn bản", "Text"),
        ("Từ", "From"),
        ("Đến", "Until"),
        ("Nội dung", "Subject"),
        ("Được thay bằng; ← thay cho", "Replaced by; ← replaces"),
        ("Mức độ chắc chắn", "Certainty"),
    )
    return page(
        lang,
        ("Văn bản pháp luật", "Law"),
        of(
            lang,
            (
                f"Đối chiếu gần nhất: {checked}. Trang này không thay cho văn bản.",
                f"Last checked: {checked}. This page is no substitute for the texts.",
            ),
        ),
        table(head, rows),
    )


def lint(lang: Lang) -> str:
    """Every rule of the lint, what it looks at, and whence it comes."""
    rows = [
        (
            f"`{one.id}`",
            code_link(one.note),
            of(lang, (one.vi, one.en)),
            prose(catalogue()[one.note].message[lang]),
            ", ".join(one.types),
            source(one.source, lang),
        )
        for one in LINT
    ]
    return page(
        lang,
        ("Rà soát hồ sơ theo bộ chỉ số 766", "The lint by the index 766"),
        of(
            lang,
            (
                (
                    "`lienthong lint --from 2026-01-05 --to 2026-01-12` rà soát từng hồ sơ **như sẽ báo cho Cổng Dịch vụ công quốc gia** (gói "
                    "DongBoHoSoMC lập từ dữ liệu của trục) và tổng hợp theo cơ quan, tuần ISO và quy tắc. Tuần là tuần của NgayTiepNhan; hồ sơ "
                    "chưa tiếp nhận: tuần mà trục biết tới hồ sơ lần đầu."
                ),
                (
                    "`lienthong lint --from 2026-01-05 --to 2026-01-12` looks at each dossier **as the national portal is told of it** (the "
                    "packet DongBoHoSoMC, made of what the gateway has on record) and counts by agency, ISO week and rule; the week is that of "
                    "NgayTiepNhan, or of the day on which the gateway first heard of a dossier that is not received."
                ),
            ),
        ),
        of(
            lang,
            (
                (
                    "**Nguồn.** Không tìm được công thức của Quyết định 766/QĐ-TTg. Mỗi quy tắc dưới đây được *thấy trong mã tích hợp* công khai "
                    "dựng lại bộ chỉ số, không phải trong văn bản; điểm thật có thể tính khác."
                ),
                (
                    "**Source.** The formula of the Decision was not found. Each rule was *seen in public integration code* that reproduces "
                    "the index, not in the text; the real score may be counted otherwise."
                ),
            ),
        ),
        of(
            lang,
            (
                (
                    "**Chỉ lưu ý.** Không quy tắc nào tự từ chối hay lưu ý khi tiếp nhận, và trục không sửa dữ liệu để cải thiện điểm số. Để "
                    'kiểm tra ngay khi thông điệp đến, đặt mức, ví dụ `rules.severity = { "cham-diem-hen-tra" = "warn" }` (nhận, kèm mã dưới '
                    'đây) hoặc `"reject"` (từ chối; mã là số đó trừ 100). Kết quả chỉ nêu mã hồ sơ, tên trường, ngày, trạng thái và số đếm, '
                    "không nêu dữ liệu cá nhân."
                ),
                (
                    "**It only tells.** No rule refuses or remarks at the door by itself, and data are never made prettier. A setting asks it "
                    'of messages as they arrive, for example `rules.severity = { "cham-diem-hen-tra" = "warn" }` (taken, with the code below) '
                    'or `"reject"` (refused; the code is that number minus 100). What is told are codes of dossiers, names of fields, dates, '
                    "states and counts, no personal data."
                ),
            ),
        ),
        table(
            heads(
                lang,
                ("Quy tắc", "Rule"),
                ("Mã", "Code"),
                ("Nghĩa", "Meaning"),
                ("Nội dung thông báo", "What is told"),
                ("Loại thông điệp khi tiếp nhận", "Of messages at the door"),
                ("Nguồn", "Source"),
            ),
            rows,
        ),
    )


PAGES: dict[str, Callable[[Lang], str]] = {
    "law.md": law,
    "problems.md": problems,
    **{f"problems/{family}.md": partial(family_page, family) for family in FAMILIES},
    "codes.md": codes,
    "settings.md": settings_page,
    "states.md": states,
    "messages.md": messages,
    "cli.md": cli,
    "lint.md": lint,
}


def main(arguments: list[str]) -> int:
    """Writes the pages, or with --check shows how those on disk differ. Returns the exit status."""
    stale = 0
    for name, lang in ((name, lang) for name in PAGES for lang in Lang):
        file, text = DOCS / lang / name, PAGES[name](lang)
        before = file.read_text("utf-8") if file.exists() else ""
        if before == text:
            continue
        stale += 1
        if "--check" in arguments:
            told = f"{lang}/{name}"
            sys.stdout.writelines(
                list(difflib.unified_diff(before.splitlines(True), text.splitlines(True), told, "make docs", n=0))[:40]
            )
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            print(f"docs/{lang}/{name}")
    if stale and "--check" in arguments:
        print(f"{stale} trang chưa khớp mã nguồn; chạy `make docs`. / {stale} pages are not current; run `make docs`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
