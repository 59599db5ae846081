"""Tình trạng: what is in force on this node, certificates and what is known of them, catalogues, how much is on record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Final

from gateway.cli.trust import KINDS
from gateway.console import words
from gateway.console.charts import bars
from gateway.console.parts import Cell, Facts, Glance, Part, Table, ToldProblems
from gateway.console.room import Answer, DeskCall, DeskPage, Shown
from gateway.core.problems import Problem
from gateway.opening import shown_url
from gateway.services.backup_watch import last_backup
from gateway.services.certificate_ends import forecast, unproven
from gateway.store import schema_revision

AHEAD: Final = timedelta(days=365)
SHOWN: Final = 50
_LISTS: Final = ("CoQuan", "DichVu", "ThuTuc", "TrangThai")
_HOURS: Final = 12


def condition(call: DeskCall) -> Answer:
    """How the node is."""
    parties, trust = call.room.registry()
    with call.store.read() as view:
        registry, statuses, head = view.parties_version(), view.statuses_version(), view.log_head()
        catalogues = [(name, versions) for name in _LISTS if (versions := view.catalogue_versions(name))]
        by_hour = [
            (at, view.count_messages(since=at, until=at + timedelta(hours=1), most=10_000)) for at in _hours(call)
        ]
    settings = call.room.settings
    facts: list[tuple[str, Cell]] = [
        (call.text("Trục", "Gateway"), f"{settings.node.name} ({settings.node.identifier})"),
        (call.text("Phiên bản", "Version"), version("lienthong")),
        (call.text("Cơ sở dữ liệu", "Database"), shown_url(settings.database.url).partition("://")[0]),
        (call.text("Phiên bản bảng", "Tables"), schema_revision(call.store.engine)),
        (
            call.text("Sổ đăng ký", "Registry"),
            call.text(
                f"phiên bản {registry}, {len(list(parties))} bên", f"version {registry}, {len(list(parties))} parties"
            ),
        ),
        (
            call.text("Tình trạng chứng thư", "Certificate statuses"),
            call.text(f"phiên bản {statuses}", f"version {statuses}"),
        ),
        (call.text("Số mục nhật ký", "Log entries"), f"{head.number:,}".replace(",", ".")),
        (call.text("Sao lưu gần nhất", "Last backup"), _backed_up(call)),
    ]
    doubts: list[Problem] = [problem for one in unproven(trust, parties, call.now) for problem in one.problems()][
        :SHOWN
    ]
    ends = forecast(trust, parties, call.now, AHEAD)
    names = call.names()
    heads = (
        ("Thành phần", "What"),
        ("Của", "Of"),
        ("Hết hiệu lực", "Ends at"),
        ("Còn", "In"),
        ("Có thay thế", "Replaced"),
    )
    rows: list[Sequence[Cell]] = [
        [
            call.text(*KINDS[end.kind]),
            words.named(end.party, names) or end.subject or end.name,
            words.when(end.at),
            Glance(call.text("đã hết", "over"), "bad") if end.at <= call.now else words.age(call, end.at - call.now),
            Glance(call.text("chưa", "no"), "wait") if end.last else Glance(call.text("có", "yes"), "good"),
        ]
        for end in ends[:SHOWN]
    ]
    parts: list[Part] = [
        Facts(rows=facts),
        bars(
            "theo-gio",
            call.text("Thông điệp nhận theo giờ", "Messages by hour"),
            call.text(
                f"{sum(count for _, count in by_hour)} thông điệp trong {_HOURS} giờ qua.",
                f"{sum(count for _, count in by_hour)} messages in the last {_HOURS} hours.",
            ),
            (call.text("Từ lúc", "From"), call.text("Thông điệp", "Messages")),
            [
                (
                    words.when(at)[-8:-3] if len(words.when(at)) > 8 else words.when(at),
                    float(count),
                    words.bounded(call, count, 10_000),
                )
                for at, count in by_hour
            ],
        ),
        Table(
            caption=call.text(
                "Chứng thư, cây tin cậy: hết hiệu lực trong một năm",
                "Certificates, trust trees: what ends within a year",
            ),
            heads=[call.text(*head) for head in heads],
            rows=rows,
            empty=call.text("không có.", "none."),
            more=call.text(f"Còn {len(ends) - SHOWN} nữa.", f"{len(ends) - SHOWN} more.") if len(ends) > SHOWN else "",
        ),
        ToldProblems(problems=doubts),
        Table(
            caption=call.text("Danh mục đang lưu", "Catalogues on record"),
            heads=[
                call.text("Danh mục", "Catalogue"),
                call.text("Phiên bản mới nhất", "Newest version"),
                call.text("Số phiên bản", "Versions"),
            ],
            rows=[[name, versions[-1], len(versions)] for name, versions in catalogues],
            empty=call.text("chưa nạp danh mục nào.", "none imported yet."),
        ),
    ]
    return Shown(title=call.text("Tình trạng", "Condition"), parts=parts)


def _backed_up(call: DeskCall) -> Cell:
    last, of = last_backup(call.store), call.room.settings.backup
    if last.failed is not None:
        return Glance(
            call.text(f"không thành công lúc {words.when(last.failed.at)}", f"failed {words.when(last.failed.at)}"),
            "bad",
        )
    if last.made is None:
        return Glance(call.text("chưa có", "none yet"), "wait")
    age = call.now - last.made.at
    told = f"{words.when(last.made.at)} ({words.age(call, age)})"
    late = of.every_hours is not None and age > timedelta(hours=of.every_hours)
    return Glance(call.text(f"{told}, quá hạn", f"{told}, overdue"), "bad") if late else told


def _hours(call: DeskCall) -> list[datetime]:
    now = call.now.replace(minute=0, second=0, microsecond=0)
    return [now - timedelta(hours=back) for back in range(_HOURS - 1, -1, -1)]


PAGES = [DeskPage(method="GET", path="/tinh-trang", make=condition)]
