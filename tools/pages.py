"""Writes the pages of docs/ that can be made from the code: ``make docs``. With --check: says which are not current.

A page that is made cannot contradict the program; a test asks for --check, so it cannot fall behind either.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import sys
import tomllib
import typing
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
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

from codes import ATTACKS_TEST, proofs  # noqa: E402 - of this folder; the path is set above

DOCS = ROOT / "docs"
MADE = (
    "<!-- Trang này được sinh từ mã nguồn bằng `make docs`; không sửa trực tiếp. / Made from the code; do not edit. -->"
)


def page(title_vi: str, title_en: str, *parts: str) -> str:
    """A page from its parts."""
    return "\n\n".join([f"# {title_vi} / {title_en}", MADE, *parts]).rstrip() + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell(c) for c in row) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: object) -> str:
    """Text that does not end its cell, and is read as text."""
    return str(value).replace("|", "\\|").replace("\n", "<br>").strip()


def prose(text: str) -> str:
    """A text of the catalogue: what looks like a tag is no tag."""
    return text.replace("<", "&lt;").replace("{", "`{").replace("}", "}`")


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


def problems() -> str:
    """Every code: what it says, what to do, whose turn it is, where the rule comes from."""
    parts = [
        "Mỗi lỗi có một mã để tra ở đây, một từ khóa ổn định cho chương trình (`token`), vị trí, cách sửa, và bên phải xử lý. Nội dung trong `{ngoặc}` được thay bằng dữ kiện của từng trường hợp.",
        "Every problem has a code to look up here, a stable word for programs (`token`), a place, a remedy, and a side whose turn it is. Words in `{braces}` are filled in for each case.",
    ]
    by_family: dict[str, list[ProblemEntry]] = {}
    for code, entry in sorted(catalogue().items()):
        by_family.setdefault(code.partition("-")[0], []).append(entry)
    for family in sorted(by_family, key=list(FAMILIES).index):
        vi, en = FAMILIES[family]
        parts.append(f"## {family}: {vi} / {en}")
        parts += [_problem(entry) for entry in by_family[family]]
    return page("Mã lỗi", "Problem codes", *parts)


def _problem(entry: ProblemEntry) -> str:
    facts = [
        f"`{entry.token}`",
        " / ".join(OUTCOMES[entry.outcome]),
        "bên phải xử lý: " + SIDES[entry.side][0] + " / turn of the " + SIDES[entry.side][1],
        "có thể gửi lại nguyên văn / the same bytes may succeed later" if entry.retry else "",
        f"HTTP {entry.status}" if entry.status else "",
    ]
    return (
        f"### {entry.code}\n\n{' · '.join(fact for fact in facts if fact)}\n\n"
        f"{prose(entry.message[Lang.VI])}<br>*{prose(entry.message[Lang.EN])}*\n\n"
        f"**Cách khắc phục:** {prose(entry.remedy[Lang.VI])}<br>**Remedy:** *{prose(entry.remedy[Lang.EN])}*\n\n"
        f"Nguồn / source: {prose(entry.source)}"
    )


KINDS = {
    "sample": "tệp mẫu / sample",
    "journey": "hành trình / journey",
    "attack": "tài liệu tấn công / attack document",
    "test": "kiểm thử / test",
}


def codes() -> str:
    """Every code and the plainest test that asserts exactly it."""
    rows = []
    for code in sorted(catalogue()):
        first = proofs().get(code, [None])[0]
        kind, where = ("–", "–") if first is None else (KINDS[first.kind], f"`{first.what or first.where}`")
        rows.append((f"[{code}](problems.md#{code.lower()})", kind, where))
    return page(
        "Mã lỗi và kiểm thử",
        "Codes and their tests",
        "Mỗi mã được bảo đảm bằng ít nhất một kiểm thử yêu cầu đúng mã đó; kiểm thử không đạt nếu trả về mã khác hoặc không trả về mã. Bảng nêu nơi dễ đọc nhất; `python tools/codes.py SIG-011` liệt kê tất cả. Mã không có kiểm thử làm `tests/docs/test_codes.py` không đạt.",
        "A code is a promise: at least one test asks for exactly it, and fails where another one comes or none. The table names the place that is plainest to read; `python tools/codes.py SIG-011` lists all. A code without a test fails `tests/docs/test_codes.py`.",
        f"Tệp mẫu: kết quả phải đúng và đủ như tệp đi kèm (`tests/samples/test_verdicts.py`). Hành trình: `tests/journeys`. Tài liệu tấn công: đúng và đủ các mã mà `tests/signing/attacks.py` ghi cho tài liệu (`{ATTACKS_TEST}`). / Samples are judged exactly as their side-cars say; attack documents get exactly the codes that they carry.",
        table(("Mã / code", "Bằng / by", "Ở / where"), rows),
    )


# --- settings ---------------------------------------------------------------------------------------------------------


def settings_page() -> str:
    """Every setting of a node, of a party's profile and of a connector."""
    parts = [
        "## Máy / Node: `lienthong.toml`",
        "Thứ tự ưu tiên: dòng lệnh, biến môi trường, tệp, mặc định. `lienthong doctor` cho biết giá trị đang có hiệu lực và nguồn của giá trị. Đường dẫn tính từ thư mục của tệp. Bí mật không nằm trong tệp.",
        "Precedence: command line, environment, file, default. `lienthong doctor` shows what is in force and where it came from. Paths are relative to the file. No secret stands in it.",
    ]
    for f in dataclasses.fields(settings.Settings):
        if f.name in settings.SECTIONS:
            vi, en = settings.SECTIONS[f.name]
            parts.append(f"### `[{f.name}]`\n\n{vi} / {en}")
        kind = _hint(settings.Settings, f.name)
        rows = _rows(kind, (f.name,), env=True) if dataclasses.is_dataclass(kind) else _rows_of(f, kind, (), env=False)
        parts.append(_settings_table(rows, env=dataclasses.is_dataclass(kind)))
    parts += [
        "## Hồ sơ của một bên / A party's profile: `parties/*.toml`",
        "Mỗi bên một tệp. `lienthong parties apply` kiểm tra, hiển thị khác biệt, sau đó ghi phiên bản mới kèm người thực hiện và lý do; việc sửa tệp chưa có hiệu lực.",
        "One file for each party. `lienthong parties apply` checks it, shows the difference, and records a new version with author and reason; editing a file alone changes nothing.",
        _settings_table(_rows(PartyProfile, ()), env=False),
        "## Bộ kết nối / Connectors: `[connector]`",
        "Khóa chung cho mọi bộ kết nối. / Keys that every connector has.",
        _settings_table(_rows(Common, ("connector",)), env=False),
    ]
    for name, connector in sorted(installed().items()):
        parts.append(f"### Bộ kết nối / Connector `{name}`")
        parts.append(_settings_table(_rows(connector.settings, ("connector",)), env=False))
    return page("Cấu hình", "Settings", *parts)


Row = tuple[str, str, str, str, str, str]


def _settings_table(rows: Iterable[Row], *, env: bool) -> str:
    head = ("Khóa / key", "Kiểu / type", "Mặc định / default", "Biến / variable", "Ý nghĩa", "Meaning")
    keep = [i for i, name in enumerate(head) if env or not name.startswith("Biến")]
    return table([head[i] for i in keep], ([row[i] for i in keep] for row in rows))


def _rows(kind: type[Any], key: tuple[str, ...], *, env: bool = False) -> Iterator[Row]:
    own = inspect.get_annotations(kind)
    for f in sorted(
        dataclasses.fields(kind), key=lambda f: f.name not in own
    ):  # what it shares with others comes after
        if not f.name.startswith("_"):
            yield from _rows_of(f, _hint(kind, f.name), key, env=env)


def _rows_of(f: dataclasses.Field[Any], hint: Any, key: tuple[str, ...], *, env: bool) -> Iterator[Row]:
    inner = _table_inside(hint)
    many = typing.get_origin(hint) is tuple
    here = (*key, f.name)
    if f.metadata.get("vi"):
        variable = f"`{settings.variable(here)}`" if env and here in settings.in_environment() else ""
        words = setting_meaning(f, Lang.VI), setting_meaning(f, Lang.EN)
        yield f"`{'.'.join(here)}`", _type(hint, f), _default(f), variable, *words
    if inner is not None and inner is not f.type:
        yield from _rows(inner, (*key, f.name + ("[]" if many else "")), env=env)


def _table_inside(hint: Any) -> type[Any] | None:
    for kind in (hint, *typing.get_args(hint)):
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return kind
    return None


def _hint(kind: type[Any], name: str) -> Any:
    return typing.get_type_hints(kind)[name]


def _type(hint: Any, f: dataclasses.Field[Any]) -> str:
    bounds = [f"≥ {f.metadata['at_least']:,}"] if f.metadata.get("at_least") is not None else []
    bounds += [f"≤ {f.metadata['at_most']:,}"] if f.metadata.get("at_most") is not None else []
    bounds += [f"`{f.metadata['pattern']}`"] if f.metadata.get("pattern") else []
    among = f.metadata.get("among")
    kind = ", ".join(f"`{word}`" for word in sorted(among)) if among else _kind(hint)
    return ", ".join([kind, *bounds])


def _kind(hint: Any) -> str:
    arguments = [a for a in typing.get_args(hint) if a not in (type(None), Ellipsis)]
    origin = typing.get_origin(hint)
    if origin in (tuple, frozenset, list):
        return f"danh sách / list: {_kind(arguments[0])}"
    if origin is not None and len(arguments) == 2 and hasattr(origin, "keys"):
        return f"bảng / table: {_kind(arguments[0])} → {_kind(arguments[1])}"
    if arguments:
        return " | ".join(_kind(a) for a in arguments)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(f"`{member.value}`" for member in hint)
    if dataclasses.is_dataclass(hint):
        return "bảng / table"
    names = {
        "str": "chuỗi / text",
        "int": "số nguyên / integer",
        "float": "số / number",
        "bool": "true, false",
        "Path": "tệp / file",
    }
    name = getattr(hint, "__name__", str(hint))
    return names.get(name, name)


def _default(f: dataclasses.Field[Any]) -> str:
    if f.default is not dataclasses.MISSING:
        value = f.default
    elif f.default_factory is not dataclasses.MISSING:
        value = f.default_factory()
    else:
        return "bắt buộc / required"
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

DELIVERIES = {
    DeliveryState.QUEUED: (
        "chờ gửi, hoặc chờ thử lại",
        "waiting for its turn or for the next try",
        "`work`: đến giờ và hàng đợi không bị tạm giữ → sending; `skip` → skipped",
    ),
    DeliveryState.SENDING: (
        "đang gửi hoặc đang tra cứu; giữ chỗ có thời hạn",
        "being sent or asked about, under a lease",
        "kết quả của lượt thử → delivered, refused, queued, unknown, dead; hết thời hạn giữ chỗ → unknown",
    ),
    DeliveryState.UNKNOWN: (
        "đã gửi mà không rõ kết quả: không phải thất bại, cũng không phải thành công",
        "sent, outcome not known: neither a failure nor a success",
        "`work`: tra cứu ở bên nhận nếu có thể, nếu không thì gửi lại đúng mã và byte cũ → sending; `skip` → skipped",
    ),
    DeliveryState.DELIVERED: ("bên nhận đã nhận", "the receiver has it", "cuối cùng / final"),
    DeliveryState.REFUSED: (
        "bên nhận từ chối; tạm giữ hàng đợi của hồ sơ",
        "the receiver's final no; holds its lane",
        "`replay` → queued; `skip` → skipped",
    ),
    DeliveryState.DEAD: (
        "đã hết thời hạn thử lại; tạm giữ hàng đợi của hồ sơ, cần người vận hành xử lý",
        "patience is exhausted; holds its lane, a person must look",
        "`replay` → queued; `skip` → skipped",
    ),
    DeliveryState.SKIPPED: (
        "người vận hành bỏ qua, có lý do",
        "an operator let it go, with a reason",
        "cuối cùng / final",
    ),
    DeliveryState.NOTHING: (
        "không có thông tin phải báo: khuôn dạng của bên nhận không thể hiện được thông điệp này, hoặc bên nhận đã có đủ thông tin; không tạm giữ hàng đợi",
        "nothing to tell: the receiver's form has no word for this message, or it knows all of it; holds nobody",
        "cuối cùng / final",
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
BATCHES = {
    BatchState.WAITING: (
        "chờ người thứ hai duyệt",
        "waits for a second person",
        "`batch approve` → running; `batch cancel` → cancelled",
    ),
    BatchState.RUNNING: (
        "`work` thực hiện dần theo tốc độ đã đặt, sau đó theo dõi các việc đã đưa vào hàng đợi",
        "`work` does the next things at its rate, then follows what was queued",
        "không còn việc nào chưa hoàn thành → done; `batch pause` → paused; `batch cancel` → cancelled",
    ),
    BatchState.PAUSED: (
        "không thực hiện thêm; các việc đã đưa vào hàng đợi vẫn được gửi",
        "nothing more is done; what was queued goes on",
        "`batch resume` → running; `batch cancel` → cancelled",
    ),
    BatchState.DONE: ("mọi việc đã rõ kết quả", "it is known what became of everything", "cuối cùng / final"),
    BatchState.CANCELLED: (
        "phần chưa thực hiện giữ nguyên",
        "what was not done is left as it was",
        "cuối cùng / final",
    ),
}
FATES = {
    Fate.ACCEPTED: (
        "đã nhận, ghi, đưa vào hàng đợi chuyển; xác nhận tiếp nhận thông điệp CHAP_NHAN",
        "taken, recorded, queued for its receivers; receipt CHAP_NHAN",
        "cuối cùng / final",
    ),
    Fate.REJECTED: (
        "từ chối nhưng vẫn ghi; bên gửi được dùng lại mã thông điệp; xác nhận tiếp nhận thông điệp TU_CHOI hoặc TRUNG_LAP",
        "refused, and recorded all the same; its id is free again; receipt TU_CHOI or TRUNG_LAP",
        "cuối cùng; `replay --message` xét lại / final; `replay` judges it again",
    ),
    Fate.HELD: (
        "chưa đủ thông tin để kết luận, ví dụ chưa kiểm tra được chứng thư; giữ mã thông điệp",
        "not enough is known to answer, for example about a certificate; it owns its id",
        "`work` xét lại → accepted, rejected / judged again",
    ),
}


def states() -> str:
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
    codes = [(f"`{code}`", vi, en) for code, (vi, en) in LABELS.items()]
    moves = [
        (
            f"`{state}` {LABELS[state][0]}",
            f"`{move.to}` {LABELS[move.to][0]}",
            "<br>".join(" / ".join(GUARDS[g]) for g in move.guards if g is not Guard.NONE) or "–",
            move.effect,
            move.source,
        )
        for state, row in MOVES.items()
        for move in row
    ]
    return page(
        "Trạng thái",
        "States",
        "## Hồ sơ / Dossier",
        "Trạng thái của hồ sơ không được lưu riêng mà được suy ra từ các sự kiện do các bên gửi, xếp theo thời điểm xảy ra. Bước không có trong bảng được ghi lại, được trả lời bằng các bước có thể, và không được áp dụng.",
        "A dossier's state is not stored as a truth of its own: it follows from the events that the parties sent, in the order in which they happened. A move that is not in the table is recorded, answered with those that are possible, and not applied.",
        table(("Mã / code", "Trạng thái", "State"), codes),
        _diagram(),
        table(("Từ / from", "Sang / to", "Điều kiện / guard", "Effect", "Nguồn / source"), moves),
        "## Thông điệp / Message",
        table(
            ("Kết quả xử lý / fate", "Nghĩa", "Meaning", "Đi tiếp / moves on"),
            ((f"`{k}`", *v) for k, v in FATES.items()),
        ),
        "## Chuyển giao / Delivery",
        "Mỗi bên nhận có một hàng đợi cho mỗi hồ sơ; trong một hàng đợi, thứ tự luôn được giữ.",
        "Each receiver has a lane for each dossier; within a lane the order is always kept.",
        table(
            ("Trạng thái / state", "Nghĩa", "Meaning", "Bước tiếp theo / who moves it on"),
            ((f"`{k}`", *v) for k, v in DELIVERIES.items()),
        ),
        "Một lượt thử kết thúc bằng / A try ends as:",
        table(("Kết quả / outcome", "Nghĩa", "Meaning"), ((f"`{k}`", *v) for k, v in ATTEMPTS.items())),
        "## Đợt / Batch",
        "Việc trên hơn một lượt gửi, thông điệp hay hồ sơ là một đợt (docs/decisions/0112).",
        "An act over more than one delivery, message or dossier is a batch (docs/decisions/0112).",
        table(
            ("Trạng thái / state", "Nghĩa", "Meaning", "Bước tiếp theo / who moves it on"),
            ((f"`{k}`", *v) for k, v in BATCHES.items()),
        ),
    )


def _diagram() -> str:
    arrows = [
        f"    {state} --> {move.to}"
        for state, row in MOVES.items()
        for move in {m.to: m for m in row if Guard.PRIVILEGED not in m.guards}.values()
    ]
    names = [f"    {code}: {code} {vi}" for code, (vi, _) in LABELS.items()]
    start = [f"    [*] --> {lifecycle.MOI_DANG_KY}", f"    [*] --> {lifecycle.DUOC_TIEP_NHAN}"]
    return "\n".join(["```mermaid", "stateDiagram-v2", *names, *start, *arrows, "```"])


# --- messages ---------------------------------------------------------------------------------------------------------


def messages() -> str:
    """Every message type: who sends it to whom, and each of its fields."""
    catalog = bundled()
    kinds = sorted(catalog.kinds(), key=lambda k: (k.loai, k.goc, _numbers(k.phien_ban)))
    simple: dict[str, Simple] = {}
    parts = [
        "Phong bì `ThongDiep` mang đúng một thân. Lược đồ XSD 1.0 nằm trong `schemas/xsd`; bảng dưới đây được lấy từ các lược đồ đó.",
        "The envelope `ThongDiep` carries exactly one payload. The XSD 1.0 schemas are in `schemas/xsd`; these tables are made from them.",
        table(
            ("Loại / type", "Thân / payload", "PhienBan", "Từ / from", "Đến / to", "Nghĩa", "Meaning"),
            (_overview(catalog, k) for k in kinds),
        ),
        *_rights(),
        *_writing(simple),
        "## Phong bì / Envelope `ThongDiep`",
        _fields(describe.envelope(), simple),
    ]
    for kind in kinds:
        title = describe.title(catalog, kind)
        parts += [
            f"## {kind.loai} {kind.goc} {kind.phien_ban}",
            f"{title[Lang.VI]} / {title[Lang.EN]}",
            _fields(describe.payload(catalog, kind), simple),
        ]
    simple |= {one.name: one for one in describe.code_lists()}
    parts += ["## Quy tắc ngoài lược đồ / Rules beyond the schema", _rules()]
    parts += ["## Kiểu và danh mục / Types and code lists", _types(simple)]
    return page("Thông điệp", "Messages", *parts)


STANDINGS: dict[Standing, tuple[str, str]] = {
    Standing.OWNER: (
        "cơ quan có mã trong mã hồ sơ và tham gia hồ sơ; nơi tiếp nhận, khi cơ quan khác giải quyết",
        "the agency whose identifier the dossier code bears, a party to it; the receiving office where another one handles it",
    ),
    Standing.PORTAL: ("cổng mà hồ sơ được nộp, hoặc được đồng bộ tới", "the portal it was filed at or synchronised to"),
    Standing.HANDLER: ("cơ quan giải quyết", "the agency that handles it"),
    Standing.COPY: ("cơ quan đã nhận bản sao (HS14)", "an agency that a copy went to (HS14)"),
    Standing.STRANGER: ("không tham gia hồ sơ", "has no part in it"),
}


def _rights() -> list[str]:
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
                    f"{pair.sender} → {pair.receiver}",
                    "mọi bên / anybody" if everybody else "<br>".join(said),
                    opens or "–",
                )
            )
    return [
        "## Bên nào được gửi thông điệp nào / Who may say what",
        (
            "Bảng này là chính bảng mà trục áp dụng (`gateway/core/rights.py`): thông điệp không có trong bảng "
            "không được gửi. Tư cách của bên gửi trong hồ sơ quyết định được gửi hay không, và được chuyển hồ sơ "
            "sang trạng thái nào (trong ngoặc; không ngoặc: không chuyển). Hồ sơ chưa có chỉ được mở bởi bên nêu "
            "ở cột cuối: cơ quan có mã trong mã hồ sơ, hoặc cổng. Hồ sơ nhận ở cơ quan A, giải quyết ở cơ quan B "
            "đi dưới mã của A, không bao giờ dưới mã của B. Với bên ngoài cuộc, hồ sơ chưa có và hồ sơ của bên "
            "khác được trả lời như nhau (AUT-020, AUT-021)."
        ),
        (
            "*This is the very table that the gateway applies (`gateway/core/rights.py`): what is not in it may not be said. The sender's"
            " standing in the dossier decides whether it may say it, and to which states it may bring the dossier by it (in brackets;"
            " without: none). A dossier that is not on record is opened only by those in the last column: the agency whose identifier the"
            " code bears, or a portal. What is received at agency A and handled at agency B goes under A's code, never under B's. A stranger"
            " gets the same answer for a dossier that is not on record and for one of others' (AUT-020, AUT-021).*"
        ),
        table(("Tư cách / standing", "Nghĩa", "Meaning"), ((f"`{one}`", *words) for one, words in STANDINGS.items())),
        table(
            (
                "Loại / type",
                "Từ → đến / from → to",
                "Bên gửi, chuyển sang / who says it, to which states",
                "Bên mở / who opens",
            ),
            rows,
        ),
    ]


def _moves(states: frozenset[int]) -> str:
    if not states:
        return ""
    return " (1–10)" if states == rights_of_types.ANY_STATE else f" ({', '.join(str(one) for one in sorted(states))})"


def _writing(simple: dict[str, Simple]) -> list[str]:
    """What must be known before the first element can be written: namespaces, the root's Id, absence."""
    reasons = describe.absence()
    simple[reasons.name] = reasons
    named = ", ".join(f"`{value.code}`" for value in reasons.values)
    return [
        "## Cách viết / How to write it",
        (
            f"Phong bì và mọi phần tử của phong bì ở không gian tên `{names.PHONG_BI}`; thân và mọi phần tử trong thân ở `{names.HO_SO}` (cả"
            f" bản 1.1); chữ ký ở `{names.DS}`. Tiền tố tùy ý. Thuộc tính không có tiền tố, trừ `xsi:…`. Thứ tự phần tử là thứ tự"
            " trong bảng. Gốc có thể mang thuộc tính `Id`, để chữ ký trỏ tới. Chữ ký là phần tử con cuối cùng của gốc:"
            " [integrate.md](vi/integrate.md)."
        ),
        (
            f"*The envelope and its elements are in the namespace `{names.PHONG_BI}`; the payload and all inside it in"
            f" `{names.HO_SO}` (version 1.1 too); the signature in `{names.DS}`. Any prefix. Attributes have none, but for"
            " `xsi:…`. Elements stand in the order of the tables. The root may bear an attribute `Id` for the signature to point"
            " to. The signature is the last child of the root.*"
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
        (
            "Chú thích và lệnh xử lý không được có trong thông điệp thật (XML-111, XML-112). Phần tử ghi `nil` được để trống có lý do:"
            f' `xsi:nil="true"` cùng thuộc tính `LyDoTrong`, một trong {named}; nếu không có lý do thì bỏ phần tử.'
        ),
        (
            "*A real message holds no comments or processing instructions (XML-111, XML-112). An element marked `nil` may be left"
            f' empty for a reason: `xsi:nil="true"` with the attribute `LyDoTrong`, one of {named}; without a reason leave the'
            " element out.*"
        ),
        f'```xml\n<hs:Email xmlns:xsi="{names.XSI}" xsi:nil="true" LyDoTrong="{reasons.values[0].code}"/>\n```',
    ]


def _overview(catalog: Catalog, kind: Kind) -> tuple[str, ...]:
    rights, title = catalog.rights(kind), describe.title(catalog, kind)
    receivers = {role for sender in rights.senders for role in rights.receivers(sender)}
    link = f"{kind.loai}-{kind.goc}-{kind.phien_ban}".lower().replace(".", "")
    return (
        f"[{kind.loai}](#{link})",
        f"`{kind.goc}`",
        kind.phien_ban,
        ", ".join(sorted(rights.senders)),
        ", ".join(sorted(receivers)),
        title[Lang.VI],
        title[Lang.EN],
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in version.split("."))


def _fields(root: Field, simple: dict[str, Simple]) -> str:
    rows = []
    for depth, field in list(root.walk())[1:]:
        kind = ""
        if field.simple is not None:
            named = ":" not in field.simple.name
            kind = f"[{field.simple.name}](#{field.simple.name.lower()})" if named else f"`{field.simple.name}`"
            if named:
                simple[field.simple.name] = field.simple
        elif field.wildcard:
            kind = "bất kỳ / any"
        marks = (" chọn một / one of" if field.choice else "") + (" nil" if field.nillable else "")
        words = field.text.get(Lang.VI, ""), field.text.get(Lang.EN, "")
        rows.append(("· " * (depth - 1) + f"`{field.name}`", kind, field.occurs + marks, *words))
    return table(("Trường / field", "Kiểu / type", "Số lần / occurs", "Nghĩa", "Meaning"), rows)


def _types(simple: dict[str, Simple]) -> str:
    rows = []
    for name, one in sorted(simple.items()):
        allows = [f"`{pattern}`" for pattern in one.patterns]
        if one.max_length is not None:
            allows.append(f"{one.min_length or 0}–{one.max_length} ký tự / characters")
        if one.least is not None or one.most is not None:
            allows.append(f"{one.least or '…'}–{one.most or '…'}")
        allows += [f"`{value.code}` {value.text.get(Lang.VI, '')}" for value in one.values]
        words = one.text.get(Lang.VI, ""), one.text.get(Lang.EN, "")
        rows.append((f'<a id="{name.lower()}"></a>`{name}`', f"`{one.base}`", *words, "<br>".join(allows)))
    return table(("Kiểu / type", "Gốc / base", "Nghĩa", "Meaning", "Cho phép / allows"), rows)


def _rules() -> str:
    levels = {Severity.REJECT: "từ chối / reject", Severity.WARN: "cảnh báo / warn", Severity.OFF: "tắt / off"}
    rows = [
        (
            f"`{rule.name}`",
            f"[{rule.code}](problems.md#{rule.code.lower()})",
            ", ".join(sorted(rule.types)) or "mọi loại / all",
            levels[rule.default] + (" (cố định / fixed)" if rule.locked else ""),
            prose(catalogue()[rule.code].message[Lang.VI]),
            rule.source,
        )
        for rule in sorted(RULES, key=lambda rule: rule.code)
    ]
    rows += [
        (
            f"`{one.name}`",
            f"[{one.code}](problems.md#{one.code.lower()})",
            ", ".join(one.types),
            levels[one.default],
            prose(catalogue()[one.code].message[Lang.VI]),
            one.source,
        )
        for one in SERVICE_RULES
    ]
    return table(("Quy tắc / rule", "Mã / code", "Loại / types", "Mặc định / default", "Nghĩa", "Nguồn / source"), rows)


# --- command line -----------------------------------------------------------------------------------------------------


def cli() -> str:
    """Every command as its own --help shows it, in Vietnamese and in English."""
    parts = [
        "Mã thoát: 0 bình thường, 1 có vấn đề, 2 dùng sai hoặc cấu hình sai, 3 chưa xác định được, 70 lỗi của trục.",
        "Exit codes: 0 fine, 1 problems found, 2 wrong usage or configuration, 3 undetermined, 70 our own fault.",
    ]
    for path, command in commands():
        parts.append(f"## {' '.join(path)}")
        parts += [f"```text\n{help_of(path, command, lang)}\n```" for lang in Lang]
    return page("Dòng lệnh", "Command line", *parts)


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


CERTAINTY = {
    "text": "đã xem văn bản / text seen",
    "secondary": "nguồn thứ cấp / secondary sources",
    "not-found": "không tìm được văn bản / text not found",
}


def law() -> str:
    """docs/law.md, of docs/law.toml: which texts hold from when until when, and how sure that is."""
    data = tomllib.loads((DOCS / "law.toml").read_text("utf-8"))
    rows = []
    for one in data["text"]:
        days = [f"{one[key]:%d/%m/%Y}" if key in one else "" for key in ("since", "until")]
        follows = one.get("replaced_by") or (f"← {one['replaces']}" if "replaces" in one else "")
        rows.append((one["number"], *days, f"{one['vi']} / {one['en']}", follows, CERTAINTY[one["certainty"]]))
    checked = f"{data['last_checked']:%d/%m/%Y}"
    head = (
        "Văn bản / text",
        "Từ / from",
        "Đến / until",
        "Nội dung / subject",
        "Thay bằng · thay cho / by · for",
        "Chắc chắn / certainty",
    )
    return page(
        "Văn bản pháp luật",
        "Law",
        f"Đối chiếu gần nhất / last checked: {checked}. Trang này không thay cho văn bản. / This page is no substitute for the texts.",
        table(head, rows),
    )


def lint() -> str:
    """docs/lint.md: every rule of the lint, what it looks at, and whence it comes."""
    rows = [
        (
            f"`{one.id}`",
            f"[{one.note}](problems.md#{one.note.lower()})",
            f"{one.vi} / {one.en}",
            prose(catalogue()[one.note].message[Lang.VI]),
            ", ".join(one.types),
            one.source,
        )
        for one in LINT
    ]
    return page(
        "Rà soát hồ sơ theo bộ chỉ số 766",
        "The lint by the index 766",
        "`lienthong lint --from 2026-01-05 --to 2026-01-12` rà soát từng hồ sơ **như sẽ báo cho Cổng Dịch vụ công quốc gia** (gói "
        "DongBoHoSoMC lập từ dữ liệu của trục) và tổng hợp theo cơ quan, tuần ISO và quy tắc. Tuần là tuần của NgayTiepNhan; hồ sơ chưa tiếp nhận: "
        "tuần mà trục biết tới hồ sơ lần đầu. / The command looks at each dossier as the national portal is told of it and counts by "
        "agency, ISO week and rule; the week is that of NgayTiepNhan, or of the day on which the gateway first heard of a dossier that "
        "is not received.",
        "**Nguồn / source.** Không tìm được công thức của Quyết định 766/QĐ-TTg. Mỗi quy tắc dưới đây được *thấy trong mã tích hợp* công "
        "khai dựng lại bộ chỉ số, không phải trong văn bản; điểm thật có thể tính khác. / The formula of the Decision was not found. Each "
        "rule was *seen in public integration code* that reproduces the index, not in the text; the real score may be counted otherwise.",
        "**Chỉ lưu ý / it only tells.** Không quy tắc nào tự từ chối hay lưu ý khi tiếp nhận, và trục không sửa "
        "dữ liệu để cải thiện điểm số. Để kiểm tra ngay khi thông điệp đến, đặt mức, ví dụ `rules.severity = { "
        '"cham-diem-hen-tra" = "warn" }` (nhận, kèm mã dưới đây) hoặc `"reject"` (từ chối; mã là số đó trừ 100). '
        "Kết quả chỉ nêu mã hồ sơ, tên trường, ngày, trạng thái và số đếm, không nêu dữ liệu cá nhân. / No rule "
        "refuses or remarks at the door by itself, and data are never made prettier. A setting asks it of "
        "messages as they arrive; the code of the refusal is the one below minus 100. What is told are codes of "
        "dossiers, names of fields, dates, states and counts, no personal data.",
        table(
            (
                "Quy tắc / rule",
                "Mã / code",
                "Nghĩa / meaning",
                "Nội dung thông báo",
                "Khi tiếp nhận / at the door",
                "Nguồn / source",
            ),
            rows,
        ),
    )


PAGES: dict[str, Callable[[], str]] = {
    "law.md": law,
    "problems.md": problems,
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
    for name, make in PAGES.items():
        file, text = DOCS / name, make()
        before = file.read_text("utf-8") if file.exists() else ""
        if before == text:
            continue
        stale += 1
        if "--check" in arguments:
            sys.stdout.writelines(
                list(difflib.unified_diff(before.splitlines(True), text.splitlines(True), name, "make docs", n=0))[:40]
            )
        else:
            file.write_text(text, "utf-8")
            print(f"docs/{name}")
    if stale and "--check" in arguments:
        print(f"{stale} trang chưa khớp mã nguồn; chạy `make docs`. / {stale} pages are not current; run `make docs`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
