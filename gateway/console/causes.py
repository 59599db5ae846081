"""Nguyên nhân: what fails, by cause, party and day, with the commonest facts; and “gửi lại đúng nhóm này”."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from gateway.console import words
from gateway.console.fields import period_of
from gateway.console.parts import Act, Cell, Facts, Heading, Lines, Link, Part, Search, Table
from gateway.console.replay import REPLAY, SKIP
from gateway.console.room import Answer, DeskCall, DeskPage, Shown
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.model import Fate, PartyId
from gateway.core.operators import OperatorRole
from gateway.services import desk
from gateway.store import Cause

MOST = 50  # groups of each kind
LOOKED = 20_000  # of the newest rejections are grouped
DAYS = 7  # side by side


def causes_page(call: DeskCall) -> Answer:
    """Deliveries that are not through, then messages rejected or held, the most frequent first."""
    since, until = period_of(call.query)
    names = call.names()
    with call.store.read() as view:
        owed = view.delivery_failures(MOST, since=since, until=until)
        edge = view.oldest_of_newest(LOOKED, since=since, until=until, state=Fate.REJECTED)
    refused = desk.causes(call.store, since=since if edge is None else edge[1], until=until)[:MOST]
    period = Search(
        to=words.desk_address("/nguyen-nhan"), button=call.text("Lọc", "Filter"), fields=words.days_fields(call)
    )
    parts: list[Part] = [
        period,
        *_by_day(call, until, names),
        Heading(text=call.text("Chưa gửi được tới bên nhận", "Not through to the receiver")),
    ]
    for cause in owed:
        parts += _group(call, cause, names, sent=True)
    if not owed:
        parts.append(Lines(lines=[call.text("Không có lượt gửi nào không thành công.", "No delivery fails.")]))
    parts.append(Heading(text=call.text("Bị từ chối nhận, hoặc tạm giữ", "Rejected, or held")))
    if edge is not None:
        looked = f"{LOOKED:,}".replace(",", ".")
        says = call.text(
            f"Tổng hợp {looked} thông điệp bị từ chối mới nhất của kỳ, từ {words.when(edge[1])}.",
            f"Of the newest {looked} rejections of the time, from {words.when(edge[1])} on.",
        )
        parts.append(Lines(lines=[says]))
    for cause in refused:
        parts += _group(call, cause, names, sent=False)
    if not refused:
        parts.append(Lines(lines=[call.text("Không có thông điệp nào.", "No message.")]))
    return Shown(title=call.text("Nguyên nhân", "Causes"), parts=parts)


def _by_day(call: DeskCall, until: datetime | None, names: Mapping[PartyId, str]) -> list[Part]:
    """The days up to the end of the period: how many of each cause, each leading to that day's groups."""
    last = (until - timedelta(days=1) if until is not None else call.now).astimezone(GIO_VIET_NAM)
    midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    counted: dict[tuple[bool, str, PartyId], Counter[datetime]] = {}
    with call.store.read() as view:
        edge = view.oldest_of_newest(LOOKED, until=midnight + timedelta(days=1), state=Fate.REJECTED)
        for day in days:
            since, end = day.astimezone(UTC), (day + timedelta(days=1)).astimezone(UTC)
            causes = [(True, cause) for cause in view.delivery_failures(MOST, since=since, until=end, with_facts=False)]
            seen = since if edge is None else max(since, edge[1])  # rejections are looked at so far back and no further
            if seen < end:
                found = view.failures(since=seen, until=end, limit=MOST, with_facts=False)
                causes += [(False, cause) for cause in found]
            for sent, cause in causes:
                counted.setdefault((sent, cause.code, cause.party), Counter())[day] += cause.count
    rows: list[Sequence[Cell]] = []
    ranked = sorted(counted.items(), key=lambda item: (-item[1].total(), item[0]))
    for (sent, code, party), by_day in ranked[:MOST]:
        what = call.text("chưa gửi được", "not through") if sent else call.text("bị từ chối, tạm giữ", "rejected, held")
        rows.append([code, what, words.named(party, names), *(_of_day(day, by_day[day]) for day in days)])
    heads = [
        call.text("Mã lỗi", "Code"),
        call.text("Là", "Is"),
        call.text("Bên", "Party"),
        *(f"{day:%d/%m}" for day in days),
    ]
    left = len(ranked) - MOST
    return [
        Table(
            caption=call.text("Nguyên nhân theo bên và theo ngày", "Causes by party and day"),
            heads=heads,
            rows=rows,
            empty=call.text(f"không có trong {DAYS} ngày này.", f"none within these {DAYS} days."),
            more=call.text(f"Còn {left} nữa.", f"{left} more.") if left > 0 else "",
        )
    ]


def _of_day(day: datetime, count: int) -> Cell:
    date = f"{day:%Y-%m-%d}"
    return Link(str(count), words.desk_address("/nguyen-nhan", tu=date, den=date)) if count else None


def _group(call: DeskCall, cause: Cause, names: Mapping[PartyId, str], *, sent: bool) -> Sequence[Part]:
    said = words.explained(cause.code, cause.facts, call.lang)
    example: Cell = (
        Link(cause.example, words.desk_address(f"/luot-gui/{cause.example}"))
        if sent
        else words.to_message(cause.example)
    )
    chosen = {
        "nhan" if sent else "gui": cause.party,
        "ma_loi": None if sent else cause.code,
        "chu": cause.code if sent else None,
    }
    rows: list[tuple[str, Cell]] = [
        (call.text("Số", "Count"), Link(str(cause.count), words.desk_address("/thong-diep", **chosen))),
        (
            call.text("Bên nhận", "Receiver") if sent else call.text("Bên gửi", "Sender"),
            words.named(cause.party, names),
        ),
        (call.text("Từ", "From"), words.when(cause.first_at)),
        (call.text("Tới", "To"), words.when(cause.last_at)),
        (call.text("Ví dụ", "Example"), example),
    ]
    if cause.xpath:
        rows.append((call.text("Vị trí", "Place"), cause.xpath))
    parts: list[Part] = [
        Heading(text=f"{cause.count} × {cause.code} · {names.get(cause.party, cause.party)}", level=3),
        Lines(lines=[line for line in (said["message"], f"→ {said['remedy']}" if said["remedy"] else "") if line]),
        Facts(rows=rows),
    ]
    if call.can(OperatorRole.OPERATOR):
        days = [(name, call.query[name]) for name in ("tu", "den") if call.query.get(name)]  # of exactly this group
        if sent:
            hidden = [("ben", cause.party), ("ma-loi", cause.code), *days]
            parts.append(
                Act(
                    to=REPLAY.to,
                    button=call.text("Gửi lại đúng nhóm này", "Send exactly this group again"),
                    hidden=hidden,
                )
            )
            parts.append(
                Act(to=SKIP.to, button=call.text("Bỏ qua nhóm này", "Skip this group"), hidden=hidden, grave=True)
            )
        elif cause.xpath is None:
            for state, vi, en in (
                ("rejected", "Xét lại nhóm bị từ chối", "Judge those rejected again"),
                ("held", "Xét lại nhóm tạm giữ", "Judge those held again"),
            ):
                hidden = [("ben", cause.party), ("ma-loi", cause.code), ("trang-thai", state), *days]
                parts.append(Act(to=REPLAY.to, button=call.text(vi, en), hidden=hidden))
    return parts


PAGES = [DeskPage(method="GET", path="/nguyen-nhan", make=causes_page)]
