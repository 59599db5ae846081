"""Nhật ký: who did what and who looked, by person, act, dossier and day; the signed heads, proving them, the log as a file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from gateway.cli.log import FLAWS, entry_row
from gateway.cli.show import as_json
from gateway.cli.who import ACTS as LOG_ACTS
from gateway.console import words
from gateway.console.fields import choice_of, number_of, period_of, text_of
from gateway.console.files import downloads, sent
from gateway.console.parts import Act, Cell, Facts, FormField, Lines, Link, Part, Search, Table
from gateway.console.room import Answer, DeskCall, DeskPage, Sent, Shown
from gateway.core import chain
from gateway.core.chain import LogEntry
from gateway.core.operators import OperatorRole
from gateway.core.problems import Problem, Stopped
from gateway.services.proving import prove_log, proven_before, remember
from gateway.sheets import Sheet
from gateway.wiring import own_certificates
from signing.heads import HEAD, Heads

PAGE: Final = 100
LOOKED: Final = 50_000  # of the newest lines of a time are looked through for a page
OF_A_FILE: Final = 10_000
EXPORTED: Final = 50_000  # entries of one export
WALKED: Final = 100_000  # entries that are verified while somebody waits
HEADS: Final = 10
_KINDS: Final = (
    "message.",
    "delivery.",
    "dossier.",
    "party.",
    "operator.",
    "batch.",
    "alert.",
    "catalogue.",
    "retention.",
)
_OURSELVES: Final = ("trục", "the gateway")  # as the pages call it
_DETAILS: Final = ("reason", "part", "code", "codes", "party", "operator", "roles", "alert", "batch")


def _asked(call: DeskCall) -> dict[str, Any]:
    since, until = period_of(call.query)
    who = text_of(call.query, "ai", 100)
    return {
        "who": "gateway" if who.casefold() in _OURSELVES else who or None,
        "what": choice_of(call.query, "viec", [*_KINDS, *LOG_ACTS]) or None,
        "ma_ho_so": text_of(call.query, "ho_so", 100) or None,
        "since": since,
        "until": until,
    }


def journal(call: DeskCall) -> Answer:
    """The newest entries that fit."""
    asked = _asked(call)
    with call.store.read() as view:
        entries, older = view.log_about(**asked, limit=PAGE, among=LOOKED)
        head, heads = view.log_head(), view.last_acts(HEAD, HEADS)
    choices = [("", call.text("tất cả", "all")), *((name, call.text(*said)) for name, said in LOG_ACTS.items())]
    facts: list[tuple[str, Cell]] = [
        (call.text("Số mục", "Entries"), f"{head.number:,}".replace(",", ".")),
        (call.text("Đầu chuỗi", "Head"), head.hash),
        (
            call.text("Ký lần cuối", "Signed last"),
            words.when(heads[0].at) if heads else call.text("chưa", "never"),
        ),
    ]
    query = {name: call.query.get(name, "") for name in ("ai", "viec", "ho_so", "tu", "den")}
    parts: list[Part] = [
        Facts(rows=facts),
        Act(to=words.desk_address("/nhat-ky/kiem"), button=call.text("Kiểm tra chuỗi nhật ký", "Verify the chain")),
        Search(
            to=words.desk_address("/nhat-ky"),
            button=call.text("Lọc", "Filter"),
            fields=[
                FormField(
                    name="ai",
                    label=call.text("Người thực hiện (một phần tên)", "Who (a part)"),
                    value=call.query.get("ai", ""),
                ),
                FormField(name="viec", label=call.text("Việc", "Act"), value=asked["what"] or "", choices=choices),
                FormField(name="ho_so", label=call.text("Mã hồ sơ", "Dossier"), value=asked["ma_ho_so"] or ""),
                *words.days_fields(call),
            ],
        ),
        Table(
            caption=call.text("Mục mới nhất trước", "The newest entries first"),
            heads=_heads(call),
            rows=[_row(call, entry) for entry in reversed(entries)],
            dense=True,
            empty=call.text(
                f"không có mục phù hợp trong {LOOKED:,} mục mới nhất của kỳ; nêu kỳ sớm hơn để tìm tiếp.".replace(
                    ",", "."
                ),
                f"none like that among the newest {LOOKED:,} of the time; name an earlier time to look further.",
            ),
            more=call.text(
                f"Còn {words.bounded(call, older, 10_000)} mục trước đó: thu hẹp bộ lọc, hoặc tải tệp.",
                f"{words.bounded(call, older, 10_000)} older entries: narrow the filter, or take the file.",
            )
            if older
            else "",
        ),
        downloads(call, "/nhat-ky/tep", query),
        Table(
            caption=call.text("Đầu chuỗi đã ký gần đây", "Heads signed of late"),
            heads=[call.text("Mục", "Entry"), call.text("Lúc", "Time"), call.text("Tới mục", "Covers entry")],
            rows=[[one.number, words.when(one.at), one.number - 1] for one in heads],
            empty=call.text("chưa có.", "none yet."),
        ),
        Search(
            to=words.desk_address("/nhat-ky/xuat"),
            button=call.text("Xuất nhật ký", "Export the log"),
            fields=[
                FormField(
                    name="sau",
                    label=call.text("Xuất các mục sau mục số", "Entries after number"),
                    value="0",
                    hint=call.text(
                        f"mỗi tệp nhiều nhất {EXPORTED} mục; kiểm ở máy khác: lienthong log verify --file",
                        f"{EXPORTED} entries a file at most; check it elsewhere: lienthong log verify --file",
                    ),
                )
            ],
        ),
    ]
    return Shown(title=call.text("Nhật ký", "Journal"), parts=parts)


def _heads(call: DeskCall) -> list[str]:
    heads = (
        ("Mục", "Entry"),
        ("Lúc", "Time"),
        ("Ai", "Who"),
        ("Việc", "Act"),
        ("Về", "About"),
        ("Chi tiết", "Details"),
    )
    return [call.text(*head) for head in heads]


def _row(call: DeskCall, entry: LogEntry) -> Sequence[Cell]:
    about: Cell = _about(entry)
    if entry.message:
        about = Link(entry.message, words.desk_address(f"/thong-diep/{entry.message}"))
    return [
        entry.number,
        words.when(entry.at),
        words.person(call, entry.who),
        _act(call, entry),
        about,
        _details(call, entry, None if entry.message else _about(entry)),
    ]


def _about(entry: LogEntry) -> str | None:
    """The dossier, party or person that it is about, where it is about no message."""
    return str(entry.facts.get("ma_ho_so") or entry.facts.get("party") or entry.facts.get("operator") or "") or None


def _act(call: DeskCall, entry: LogEntry) -> str:
    return call.text(*LOG_ACTS.get(entry.what, (entry.what, entry.what)))


def _details(call: DeskCall, entry: LogEntry, about: str | None) -> str | None:
    """What else it says, but for what it is about, which stands beside it."""
    told = []
    for name in _DETAILS:
        value = entry.facts.get(name)
        if value in (None, [], "", about):
            continue
        if name == "batch":
            value = call.text(f"đợt {value}", f"batch {value}")
        elif name == "roles":
            value = words.said_roles(call, [role for role in OperatorRole if role.value in str(value).split(", ")])
        told.append(" ".join(map(str, value)) if isinstance(value, list) else str(value))
    return " · ".join(told) or None


def journal_file(call: DeskCall) -> Answer:
    """The entries as a file; who takes it is an auditor."""
    with call.store.read() as view:
        entries, _ = view.log_about(**_asked(call), limit=OF_A_FILE)
    rows = [
        [
            entry.number,
            entry.at,
            entry.who,
            _act(call, entry),
            entry.message or str(entry.facts.get("ma_ho_so") or ""),
            _details(call, entry, None),
        ]
        for entry in entries
    ]
    title = call.text("Nhật ký", "Journal")
    return sent(call, [Sheet(name=title, title=title, header=_heads(call), rows=rows)], f"nhat-ky-{call.now:%Y%m%d}")


def exported(call: DeskCall) -> Answer:
    """Entries as `log export` prints them, one a line."""
    after = number_of(call.query, "sau", 0, 10**12 - 1)
    entries = islice(call.store.log_entries(after=after), EXPORTED)
    body = "".join(f"{as_json(entry_row(entry))}\n" for entry in entries)
    return Sent(body=body.encode(), kind="application/x-ndjson", name=f"nhat-ky-sau-{after}.jsonl")


def proven(call: DeskCall) -> Answer:
    """Walks the chain from the newest head that an earlier walk came to, as `log verify` does.

    Raises Stopped: SYS-050 (it was changed), SIG-134 (a signed head does not hold), SYS-176 (too long for a page).
    """
    heads = Heads(own_certificates(call.room.settings))
    before = proven_before(call.store, heads)
    start = chain.Head(before.number, before.hash) if before is not None else None
    since = start.number if start is not None else 0
    with call.store.read() as view:
        ahead = view.log_head().number - since
    if ahead > WALKED:
        raise Stopped(Problem("SYS-176", {"count": ahead, "most": WALKED}))
    checked = prove_log(call.store, heads, since=start, witnesses={}, processes=1)
    if checked.flaw is not None:
        raise Stopped(Problem("SYS-050", {"number": checked.number, "reason": call.text(*FLAWS[checked.flaw])}))
    if heads.wrong:
        number, reason = heads.wrong[0]
        raise Stopped(Problem("SIG-134", {"number": number, "reason": reason}))
    remember(call.store, heads, call.now, since=start)
    says = [
        call.text(
            f"Chuỗi nguyên vẹn: {checked.head.number} mục, đầu chuỗi {checked.head.hash}.",
            f"The chain is whole: {checked.head.number} entries, head {checked.head.hash}.",
        ),
        call.text(
            f"Đã kiểm từ mục {since + 1}, {heads.seen} đầu chuỗi đã ký, tất cả đều đúng.",
            f"Verified from entry {since + 1}, {heads.seen} signed heads, all good.",
        ),
    ]
    back = Table(
        caption=call.text("Xem tiếp", "See next"),
        heads=[call.text("Trang", "Page")],
        rows=[[Link(call.text("Nhật ký", "Journal"), words.desk_address("/nhat-ky"))]],
    )
    return Shown(title=call.text("Kiểm tra chuỗi nhật ký", "The chain"), parts=[Lines(lines=says), back])


PAGES = [
    DeskPage(method="GET", path="/nhat-ky", make=journal, role=OperatorRole.AUDITOR, act="log show"),
    DeskPage(method="GET", path="/nhat-ky/tep", make=journal_file, role=OperatorRole.AUDITOR, act="log show"),
    DeskPage(method="GET", path="/nhat-ky/xuat", make=exported, role=OperatorRole.AUDITOR, act="log export"),
    DeskPage(method="POST", path="/nhat-ky/kiem", make=proven, role=OperatorRole.AUDITOR, act="log verify"),
]
