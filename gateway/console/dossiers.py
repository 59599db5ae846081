"""Hồ sơ: a search, and one dossier's whole story: events, messages, deliveries, deadlines, what was told, who looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.cli.dossier import WHY
from gateway.cli.reconcile import has_word
from gateway.cli.reproject import said_done, said_of_party, said_of_standing
from gateway.cli.reprojecting import plan_reprojection, reproject
from gateway.cli.who import ACTS as LOG_ACTS
from gateway.console import words
from gateway.console.acts import ActDone, ActPlan, DeskAct
from gateway.console.fields import number_of, period_of, text_of
from gateway.console.parts import Act, Cell, Facts, FormField, Glance, Lines, Link, Part, Search, Table
from gateway.console.room import Answer, DeskCall, DeskPage, Elsewhere, Shown
from gateway.core.lifecycle import LABELS
from gateway.core.model import MaHoSo
from gateway.core.operators import OperatorRole
from gateway.core.problems import Lang, Stopped
from gateway.core.unknown import unknown
from gateway.services.dossiers import Story, Timeline, story, timeline
from gateway.wiring import deadline_rules

PAGE: Final = 50
LOOKS: Final = 20


def found_dossiers(call: DeskCall) -> Answer:
    """The search, and the dossiers that it finds, by code."""
    query, names = call.query, call.names()
    code = text_of(query, "ma", 100)
    since, until = period_of(query)
    state = number_of(query, "trang_thai", 0, 99)
    agency = call.party(text_of(query, "co_quan"))
    after = text_of(query, "sau", 100)
    if code and _known(call, code):
        return Elsewhere(to=words.desk_address("/ho-so/xem", ma=code))
    with call.store.read() as view:
        found = view.dossiers_listed(
            begins=code or None,
            agency=agency,
            state=state or None,
            since=since,
            until=until,
            after=after,
            limit=PAGE + 1,
        )
    rows: list[Sequence[Cell]] = [
        [
            words.to_dossier(one.ma_ho_so),
            one.ma_tthc,
            words.named(one.agency, names),
            words.state_of_dossier(call, one.trang_thai),
            words.when(one.ngay_tiep_nhan or one.opened_at),
            words.when(one.ngay_hen_tra),
        ]
        for one in found[:PAGE]
    ]
    heads = (
        ("Mã hồ sơ", "Dossier"),
        ("Thủ tục", "Procedure"),
        ("Cơ quan giải quyết", "Agency"),
        ("Trạng thái", "State"),
        ("Tiếp nhận", "Received"),
        ("Hẹn trả", "Due"),
    )
    following = words.desk_address("/ho-so", **{**query, "sau": found[PAGE - 1].ma_ho_so}) if len(found) > PAGE else ""
    states = [("", call.text("tất cả", "all"))] + [
        (str(n), f"{n} {label[call.lang is Lang.EN]}") for n, label in LABELS.items()
    ]
    return Shown(
        title=call.text("Hồ sơ", "Dossiers"),
        parts=[
            Search(
                to=words.desk_address("/ho-so"),
                button=call.text("Tìm", "Find"),
                fields=[
                    FormField(
                        name="ma",
                        label=call.text("Mã hồ sơ hoặc phần đầu", "Code, or its beginning"),
                        value=code,
                        sort="search",
                    ),
                    words.party_field(call, "co_quan", call.text("Cơ quan giải quyết", "Agency"), agency or ""),
                    FormField(
                        name="trang_thai",
                        label=call.text("Trạng thái", "State"),
                        value=str(state or ""),
                        choices=states,
                    ),
                    *words.days_fields(call),
                ],
            ),
            Table(
                caption=call.text("Hồ sơ theo mã", "Dossiers by code"),
                heads=[call.text(*head) for head in heads],
                rows=rows,
                empty=call.text("không có hồ sơ phù hợp.", "none like that."),
                following=Link(call.text("Trang sau", "Next page"), following) if following else None,
            ),
        ],
    )


def _known(call: DeskCall, code: str) -> bool:
    with call.store.read() as view:
        return bool(view.dossiers_named([code]) or view.also_known_as(code) or view.messages(ma_ho_so=code, limit=1))


def one_dossier(call: DeskCall) -> Answer:
    """All about one dossier. Raises Stopped (SYS-042)."""
    code = MaHoSo(text_of(call.query, "ma", 100))
    rules = deadline_rules(call.room.settings)
    found = timeline(call.store, code, call.parties, call.now, rules)
    if found is None:
        with call.store.read() as view:
            aliases = view.also_known_as(code)
        if len(aliases) == 1:
            return Elsewhere(to=words.desk_address("/ho-so/xem", ma=aliases[0]))
    told = story(call.store, code, found.read if found is not None else None)
    if found is None and not told.apart:
        raise Stopped(unknown("dossier", code))
    names = call.names()
    parts: list[Part] = []
    if found is not None:
        parts += _head(call, found.as_dict(call.lang), names)
    else:
        never = (
            "Hồ sơ chưa được mở: chưa có thông điệp nào về hồ sơ được chấp nhận.",
            "Never opened: no message about it was accepted.",
        )
        parts.append(Lines(lines=[call.text(*never)]))
    parts += [_next(call, told), *_deliveries(call, told, names), *_apart(call, told, names)]
    if found is not None:
        parts += _life(call, found, names)
    parts += [*_told(call, told, names), *_looked(call, code)]
    if found is not None and call.can(OperatorRole.OPERATOR):
        parts += [
            Act(
                to=REPROJECT.to,
                button=call.text("Lập lại trạng thái", "Derive it again"),
                hidden=[("ma", str(code))],
                title=call.text(
                    "Trạng thái trên trục, hoặc ở bên nhận, không đúng với các thông điệp",
                    "Our record, or a receiver's, is not what the messages say",
                ),
            ),
            Act(
                to=RELEASE.to,
                button=call.text("Giải phóng mã hồ sơ", "Give the code back"),
                hidden=[("ma", str(code))],
                title=call.text("Mã bị dùng sai", "The code was used by mistake"),
                grave=True,
            ),
        ]
    return Shown(title=call.text(f"Hồ sơ {code}", f"Dossier {code}"), parts=parts)


def _head(call: DeskCall, row: Mapping[str, Any], names: Mapping[Any, str]) -> list[Part]:
    state = f"{row['TrangThai']} {row['TenTrangThai']}" if row["TrangThai"] is not None else "–"
    local = _local
    facts: list[tuple[str, Cell]] = [
        (call.text("Trạng thái", "State"), state),
        (call.text("Thủ tục", "Procedure"), row["MaTTHC"]),
        (call.text("Cổng", "Portal"), words.named(row["CongDichVu"], names)),
        (call.text("Cơ quan giải quyết", "Agency"), words.named(row["CoQuanXuLy"], names)),
        (call.text("Nộp", "Filed"), local(row["NgayNopHoSo"])),
        (call.text("Tiếp nhận", "Received"), local(row["NgayTiepNhan"])),
        (call.text("Hẹn trả", "Due"), local(row["NgayHenTra"])),
        (call.text("Xong", "Finished"), local(row["NgayKetThucXuLy"])),
        (call.text("Trả", "Returned"), local(row["NgayTra"])),
    ]
    limits: list[Sequence[Cell]] = [
        [
            one["ten"],
            local(one["han"]),
            local(one["xong"]),
            Glance(call.text("quá hạn", "overdue"), "bad")
            if one["tre"]
            else Glance(call.text("đúng hạn", "on time"), "good"),
        ]
        for one in row["ThoiHan"]
    ]
    heads = (("Thời hạn", "Limit"), ("Hạn", "Due"), ("Xong", "Met"), ("Kết quả", "Result"))
    return [
        Facts(rows=[(name, value) for name, value in facts if value not in (None, "–")]),
        Table(
            caption=call.text("Thời hạn", "Time limits"),
            heads=[call.text(*head) for head in heads],
            rows=limits,
        ),
    ]


def _local(text: str | None) -> str:
    return words.when(datetime.fromisoformat(text)) if text else "–"


def _next(call: DeskCall, told: Story) -> Part:
    """What waits for a person, each leading to where it is done."""
    rows: list[Sequence[Cell]] = []
    for step in told.next_commands():
        to: Cell = step.about
        if step.why in {"lane-held", "uncertain"}:
            to = Link(step.about, words.desk_address(f"/luot-gui/{step.about}"))
        elif step.why in {"held", "rejected", "waiting"}:
            to = words.to_message(step.about)
        elif step.why in {"believes", "unread"}:
            to = Link(step.about, words.desk_address(f"/co-quan/{step.about}"))
        rows.append([call.text(*WHY[step.why]), to])
    return Table(
        caption=call.text("Việc cần người vận hành", "What waits for a person"),
        heads=[call.text("Việc", "What"), call.text("Xem ở", "Look at")],
        rows=rows,
        empty=call.text("không có việc nào.", "nothing."),
    )


def _deliveries(call: DeskCall, told: Story, names: Mapping[Any, str]) -> list[Part]:
    rows = [words.delivery_row(call, delivery, last, names) for delivery, last in told.deliveries]
    caption = call.text("Lượt gửi", "Deliveries")
    parts: list[Part] = [Table(caption=caption, heads=words.delivery_heads(call), rows=rows)]
    inboxes: list[Sequence[Cell]] = [
        [
            words.named(party, names),
            ", ".join(str(entry.position) for entry in entries[:50]),
            Glance(call.text("đã đọc", "read"), "good")
            if entries[-1].position <= confirmed
            else Glance(call.text(f"mới xác nhận tới {confirmed}", f"confirmed up to {confirmed} only"), "wait"),
        ]
        for party, (entries, confirmed) in told.inboxes.items()
    ]
    heads = (("Bên", "Party"), ("Vị trí", "Positions"), ("Đã xác nhận", "Confirmed"))
    parts.append(
        Table(caption=call.text("Hộp thư", "Inboxes"), heads=[call.text(*head) for head in heads], rows=inboxes)
    )
    return parts


def _apart(call: DeskCall, told: Story, names: Mapping[Any, str]) -> list[Part]:
    more = call.text(f"Còn {told.more_apart} nữa.", f"{told.more_apart} more.") if told.more_apart else ""
    return [
        Table(
            caption=call.text("Thông điệp khác về hồ sơ này", "Other messages about it"),
            heads=words.message_heads(call),
            rows=[words.message_row(call, message, names) for message in told.apart],
            more=more,
        )
    ]


def _life(call: DeskCall, found: Timeline, names: Mapping[Any, str]) -> list[Part]:
    steps = found.as_dict(call.lang)["DanhSachSuKien"]
    changes = [step.change for step in found.read.steps]
    heads = (
        ("Lúc", "Time"),
        ("Loại", "Type"),
        ("Bên gửi", "Sender"),
        ("Trạng thái", "State"),
        ("Diễn giải", "Reading"),
        ("Thông điệp", "Message"),
    )
    rows: list[Sequence[Cell]] = [
        [
            _local(step["ThoiDiem"]),
            f"{step['LoaiThongDiep']} {step['ThanPhan']}",
            words.named(step["NoiGui"], names),
            f"{step['DenTrangThai']} {step['TenTrangThai']}" if step["DenTrangThai"] is not None else None,
            step["DienGiai"],
            words.to_message(change.message),
        ]
        for step, change in zip(steps, changes, strict=True)
    ]
    return [Table(caption=call.text("Sự kiện", "Events"), heads=[call.text(*head) for head in heads], rows=rows)]


def _told(call: DeskCall, told: Story, names: Mapping[Any, str]) -> list[Part]:
    heads = (
        ("Bên", "Party"),
        ("Được báo", "Was told"),
        ("Lúc", "At"),
        ("Bên nhận tự báo", "Says itself"),
        ("Khớp", "Agrees"),
    )
    rows: list[Sequence[Cell]] = []
    for one in told.told:
        says = None if one.believed is None else ", ".join(f"{name} {value}" for name, value in one.believed.items())
        agrees = (
            Glance(call.text("khác", "differs"), "bad") if one.differs else Glance(call.text("khớp", "agrees"), "good")
        )
        rows.append(
            [
                words.named(one.party, names),
                ", ".join(f"{name} {value}" for name, value in one.facts.items()) or None,
                words.when(one.told_at),
                says if says is None or says else call.text("không có hồ sơ này", "no such dossier"),
                None if one.believed is None else agrees,
            ]
        )
    caption = call.text("Thông tin đã báo và dữ liệu ở bên nhận", "What parties were told, and believe")
    return [Table(caption=caption, heads=[call.text(*head) for head in heads], rows=rows)]


def _looked(call: DeskCall, code: MaHoSo) -> list[Part]:
    """Who looked at content, and who acted."""
    with call.store.read() as view:
        entries = view.persons_about(code, LOOKS + 1)
    rows: list[Sequence[Cell]] = [
        [
            words.when(line.at),
            words.person(call, line.who),
            call.text(*LOG_ACTS.get(line.what, (line.what, line.what))),
            str(line.facts.get("reason", "")) or None,
        ]
        for line in entries[:LOOKS]
    ]
    heads = (("Lúc", "Time"), ("Ai", "Who"), ("Việc", "Act"), ("Lý do", "Reason"))
    return [
        Table(
            caption=call.text("Người đã xem, đã thực hiện", "Who looked, and acted"),
            heads=[call.text(*head) for head in heads],
            rows=rows,
            empty=call.text("chưa có.", "nobody yet."),
            more=call.text("Còn nữa: trang Nhật ký.", "There are more: the page Journal.")
            if len(entries) > LOOKS
            else "",
        )
    ]


def _back(code: MaHoSo) -> Link:
    return Link(code, words.desk_address("/ho-so/xem", ma=code))


def _plan_reproject(call: DeskCall) -> ActPlan:
    found = plan_reprojection(call.store, call.parties, text_of(call.form, "ma", 100), has_word)
    names = call.names()
    known: list[Sequence[Cell]] = [
        [
            words.named(one.party, names),
            said_of_party(one, call.text),
            Link(one.delivery, words.desk_address(f"/luot-gui/{one.delivery}")) if one.delivery is not None else None,
        ]
        for one in found.parties
    ]
    table = Table(
        caption=call.text("Các bên được báo theo dữ liệu của trục", "Parties that are told from our record"),
        heads=[
            call.text("Bên", "Party"),
            call.text("Dữ liệu ở bên đó", "What it knows"),
            call.text("Lượt gửi", "Delivery"),
        ],
        rows=known,
        empty=call.text("không có bên nào.", "none."),
    )
    says = said_of_standing(found, call.text, call.lang)
    back = _back(found.stands.ma_ho_so)
    return ActPlan(says=says, facts=found.as_kept(), count=found.count, shown=[table], back=back)


def _do_reproject(call: DeskCall, facts: Mapping[str, Any], reason: str) -> ActDone:
    code = facts["ma_ho_so"]
    found = plan_reprojection(call.store, call.parties, code, has_word)
    done = reproject(call.store, found, facts, who=call.at_desk.who, reason=reason, now=call.now)
    says = call.text(*said_done(code, len(facts["steps"]), done=done))
    return ActDone(says=[says], links=[_back(code)])


def _plan_release(call: DeskCall) -> ActPlan:
    code = text_of(call.form, "ma", 100)
    with call.store.read() as view:
        found = view.dossier(code)
    if found is None or not found.changes:
        raise Stopped(unknown("dossier", code))
    names = call.names()
    portal, agency = (names.get(party, party or "–") if party else "–" for party in (found.portal, found.agency))
    says = call.text(
        f"Giải phóng mã {found.ma_ho_so}: cổng {portal}, cơ quan {agency}, {len(found.changes)} sự kiện. "
        "Sự kiện cũ, thông điệp và nhật ký còn nguyên, nhưng không còn là lịch sử của mã này.",
        f"Give {found.ma_ho_so} back: portal {portal}, agency {agency}, {len(found.changes)} events. "
        "Events, messages and log stay, but are no longer this code's history.",
    )
    return ActPlan(says=[says], facts={"ma": str(found.ma_ho_so)}, back=_back(found.ma_ho_so))


def _do_release(call: DeskCall, facts: Mapping[str, Any], reason: str) -> ActDone:
    code = MaHoSo(facts["ma"])
    with call.store.begin() as tx:
        events = tx.release(code, who=call.at_desk.who, reason=reason, now=call.now)
    says = call.text(
        f"Đã giải phóng mã {code}; {events} sự kiện cũ còn trong nhật ký.",
        f"Gave back {code}; its {events} events stay on record.",
    )
    return ActDone(says=[says], links=[_back(code)])


REPROJECT = DeskAct(
    name="lap-lai",
    command="dossier reproject",
    role=OperatorRole.OPERATOR,
    title=("lập lại trạng thái từ các thông điệp", "derive the standing again from the messages"),
    plan=_plan_reproject,
    do=_do_reproject,
)
RELEASE = DeskAct(
    name="tra-ma",
    command="dossier release",
    role=OperatorRole.OPERATOR,
    title=("giải phóng mã hồ sơ", "give a dossier's code back"),
    plan=_plan_release,
    do=_do_release,
    grave=True,
)
ACTS = [REPROJECT, RELEASE]
PAGES = [
    DeskPage(method="GET", path="/ho-so", make=found_dossiers),
    DeskPage(method="GET", path="/ho-so/xem", make=one_dossier),
]
