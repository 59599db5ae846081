"""report, deadlines, catalogue: what the record says of a period and of time limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.check import Moment
from gateway.cli.command import (
    FINE,
    PROBLEMS,
    CommandRun,
    Group,
    LazyCommand,
    argument,
    asking,
    check_period,
    command,
    option,
)
from gateway.cli.find import one_party
from gateway.cli.show import Screen, when
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.statistics import By
from gateway.settings import OperatorRole

if TYPE_CHECKING:
    from gateway.core.catalogues import CatalogueDifference, Muc
    from gateway.services.watch import Late

LATE = ("quá hạn", "overdue")
SOON = ("sắp đến hạn", "due soon")


@command(
    "report",
    vi="Thống kê một kỳ: nhận, từ chối, đang xử lý, xong, trả, rút, dừng, đúng hạn, trễ, thời gian trung bình mỗi "
    "trạng thái.",
    en="Count a period: received, refused, open, finished, delivered, withdrawn, stopped, on time, late, mean time "
    "per state.",
)
@option("--from", "since", type=Moment(), required=True, vi="Từ ngày (kể cả).", en="From this day on.")
@option(
    "--to",
    "until",
    type=Moment(),
    vi="Đến ngày (không kể); không ghi thì đến bây giờ.",
    en="Up to, not including; default now.",
)
@option(
    "--by",
    "by",
    multiple=True,
    type=click.Choice([key.value for key in By]),
    default=(By.SERVICE.value,),
    vi="Gom theo: dịch vụ, cơ quan, kênh, tháng; ghi nhiều lần được.",
    en="Group by service, agency, channel, month; may be repeated.",
)
@option("--agency", vi="Chỉ hồ sơ của cơ quan này.", en="Only this agency's dossiers.")
@option("--csv", "as_csv", is_flag=True, vi="In CSV.", en="Print CSV.")
def report(
    call: CommandRun, since: datetime, until: datetime | None, by: tuple[str, ...], agency: str | None, as_csv: bool
) -> int:
    """Reproducible from the record at any later time."""
    from gateway.services import reports
    from gateway.wiring import deadline_rules, registry_of

    call.need(OperatorRole.VIEWER, "report")
    check_period(call, since, until or call.now)
    groups = tuple(By(name) for name in dict.fromkeys(by))
    made = reports.report(
        call.store,
        registry_of(call.store),
        since,
        until or call.now,
        groups,
        one_party(call, agency) if agency else None,
        deadline_rules(call.settings),
    )
    if as_csv:
        call.screen.raw(made.csv().encode())
    else:
        _print_report(call.screen, made.rows())
    return FINE


def _print_report(screen: Screen, rows: Sequence[Mapping[str, Any]]) -> None:
    if screen.as_json:
        for row in rows:
            screen.row(row)
        return
    if not rows:
        screen.line("Không có hồ sơ nào trong kỳ.", "No dossier in the period.")
        return
    names = list(dict.fromkeys(name for row in rows for name in row if name in COLUMNS))
    screen.table(
        [COLUMNS[name][screen.lang != "vi"] for name in names],
        [[row.get(name, "–") for name in names] for row in rows],
    )


COLUMNS = {
    "dich-vu": ("Dịch vụ", "Service"),
    "co-quan": ("Cơ quan", "Agency"),
    "kenh": ("Kênh", "Channel"),
    "thang": ("Tháng", "Month"),
    "filed": ("Nộp", "Filed"),
    "online": ("Trực tuyến", "Online"),
    "received": ("Tiếp nhận", "Received"),
    "refused": ("Từ chối", "Refused"),
    "open": ("Đang xử lý", "Open"),
    "finished": ("Xong", "Finished"),
    "delivered": ("Đã trả", "Delivered"),
    "withdrawn": ("Rút", "Withdrawn"),
    "stopped": ("Dừng", "Stopped"),
    "on_time": ("Đúng hạn", "On time"),
    "late": ("Trễ", "Late"),
    "overdue": ("Quá hạn", "Overdue"),
    "supplemented": ("Bổ sung", "Supplemented"),
    "supplemented_twice": ("Bổ sung >1", "Twice"),
    "hand_over_late": ("Chuyển xử lý trễ", "Hand-over late"),
    "transfers_late": ("Chuyển hồ sơ trễ", "Transfers late"),
    "events": ("Sự kiện", "Events"),
    "asked": ("Tra cứu", "Queries"),
    "recalled": ("Thu hồi", "Recalls"),
    "rated": ("Đánh giá", "Rated"),
    "diem_tb": ("Điểm TB", "Mean score"),
}


@command(
    "deadlines",
    vi="Hồ sơ quá hạn, hoặc đến hạn trong số giờ tới, theo cơ quan.",
    en="Dossiers that are late, or will be within so many hours, by agency.",
)
@option(
    "--within",
    "hours",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    vi="Số giờ tới.",
    en="Hours ahead.",
)
@option("--agency", vi="Chỉ cơ quan này.", en="Only this agency.")
@option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, vi="Nhiều nhất.", en="At most.")
def deadlines(call: CommandRun, hours: float, agency: str | None, limit: int) -> int:
    """Exit code 1 when something is late."""
    from gateway.services import watch
    from gateway.services.dossiers import DUES
    from gateway.wiring import deadline_rules, registry_of

    call.need(OperatorRole.VIEWER, "deadlines")
    parties, rules = registry_of(call.store), deadline_rules(call.settings)
    found = watch.late(
        call.store, parties, call.now, timedelta(hours=hours), rules, one_party(call, agency) if agency else None
    )
    screen = call.screen
    english = screen.lang != "vi"
    if screen.as_json:
        for one in found:
            screen.row(
                {
                    "MaHoSo": one.ma_ho_so,
                    "co_quan": one.agency,
                    "TrangThai": one.trang_thai,
                    "loai": one.deadline.what.value,
                    "han": one.deadline.due.isoformat(),
                    "qua_han": one.passed,
                }
            )
    elif found:
        ordered = sorted(found, key=lambda one: (one.agency or "", one.deadline.due))
        _print_counts(screen, found)
        screen.table(
            [
                screen.text(*c)
                for c in (("Cơ quan", "Agency"), ("Hồ sơ", "Dossier"), ("Việc", "What"), ("Hạn", "Due"), ("", ""))
            ],
            [
                [
                    one.agency or "–",
                    one.ma_ho_so,
                    DUES[one.deadline.what][english],
                    when(one.deadline.due),
                    (LATE if one.passed else SOON)[english],
                ]
                for one in ordered[:limit]
            ],
            whole=(1,),
        )
        screen.rest(len(ordered) - limit)
    else:
        screen.line("Không có hồ sơ nào quá hạn hay sắp đến hạn.", "Nothing is late, and nothing will be soon.")
    return PROBLEMS if any(one.passed for one in found) else FINE


def _print_counts(screen: Screen, found: Sequence[Late]) -> None:
    """How many limits are over and near, by agency; the most that are over first."""
    over = Counter(one.agency or "–" for one in found if one.passed)
    near = Counter(one.agency or "–" for one in found if not one.passed)
    heads = (("Cơ quan", "Agency"), ("Quá hạn", "Overdue"), ("Sắp đến hạn", "Due soon"))
    screen.table(
        [screen.text(*head) for head in heads],
        [
            [agency, over[agency], near[agency]]
            for agency in sorted({*over, *near}, key=lambda a: (-over[a], -near[a], a))
        ],
    )


catalogue = Group(
    "catalogue",
    entries={
        "import": LazyCommand(
            "gateway.cli.reports:import_", "Nạp một phiên bản danh mục từ CSV hoặc XML.", "Import a version."
        ),
        "show": LazyCommand("gateway.cli.reports:show", "Xem một danh mục.", "Show a catalogue."),
    },
    vi="Danh mục: dịch vụ (17 mục của Điều 4.1.b), thủ tục, cơ quan và bí danh, bảng mã; có phiên bản và hiệu lực.",
    en="Catalogues: services (the 17 items of Art. 4.1.b), procedures, agencies and aliases, code lists; with "
    "validity.",
    no_args_is_help=True,
)


@command(
    "import",
    vi="Nạp một phiên bản danh mục từ tệp CSV hoặc XML. Cho xem trước cái gì sẽ đổi, rồi hỏi lại.",
    en="Import a version of a catalogue from CSV or XML. Shows first what would change, then asks.",
)
@argument("danh_muc")
@argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@option("--version", "phien_ban", required=True, vi="Số phiên bản.", en="The version.")
@option("--dry-run", is_flag=True, vi="Chỉ cho xem cái gì sẽ đổi.", en="Only show what would change.")
@asking
def import_(
    call: CommandRun, danh_muc: str, file: Path, phien_ban: str, dry_run: bool, reason: str | None = None
) -> int:
    """The version stays readable for ever."""
    from gateway.core.catalogues import changed_fields
    from gateway.services import publishing

    call.need(OperatorRole.ADMINISTRATOR, "catalogue import")
    muc = publishing.from_bytes(danh_muc, file.read_bytes())
    plan = publishing.plan_publication(call.store, danh_muc, phien_ban, muc)
    leads_to = _leads_to(call, muc) if danh_muc == "CoQuan" else {}
    screen = call.screen
    if screen.as_json:
        screen.row(
            {
                "danh_muc": danh_muc,
                "phien_ban": phien_ban,
                "added": [one.ma for one in plan.added],
                "changed": {after.ma: changed_fields(before, after) for before, after in plan.changed},
                "removed": [one.ma for one in plan.removed],
                **({"leads_to": leads_to} if danh_muc == "CoQuan" else {}),
                "recorded": call.yes and not dry_run,
            }
        )
    else:
        _print_publication(screen, plan, leads_to)
    if dry_run:
        return FINE
    why = call.agreed("catalogue import", reason, "Ghi phiên bản này?", "Record this version?")
    who = f"operator:{call.person}"
    done = publishing.publish(call.store, danh_muc, phien_ban, muc, who=who, now=call.now, reason=why)
    screen.line(
        f"Đã ghi {danh_muc} {phien_ban}: {len(muc)} mục." if done else f"{danh_muc} {phien_ban} đã có, giống hệt.",
        f"Recorded {danh_muc} {phien_ban}: {len(muc)} entries."
        if done
        else f"{danh_muc} {phien_ban} was there, identical.",
    )
    return FINE


def _print_publication(screen: Screen, plan: CatalogueDifference, leads_to: Mapping[str, str]) -> None:
    """What a version adds, changes and takes away, and which identifiers it leads to which party."""
    from gateway.core.catalogues import changed_fields

    for one in plan.added:
        screen.line(f"  + {one.ma}  {one.ten}")
    for before, after in plan.changed:
        screen.line(f"  ~ {after.ma}  {', '.join(changed_fields(before, after))}")
    for one in plan.removed:
        screen.line(f"  - {one.ma}  {one.ten}")
    for identifier, party in leads_to.items():
        screen.line(f"  {identifier} → {party}")


def _leads_to(call: CommandRun, muc: Sequence[Muc]) -> dict[str, str]:
    """Which identifiers will lead to which party by these agencies, today, beside those of the profiles."""
    from gateway.core.catalogues import same_agencies
    from gateway.core.parties import Parties
    from gateway.wiring import registry_of

    parties = registry_of(call.store)
    same = same_agencies(muc, call.now.astimezone(GIO_VIET_NAM).date())
    known = Parties(parties, parties.version, same=same)
    return {alias: party.id for party in known for alias in known.aliases(party.id)}


@command(
    "show",
    vi="Xem một phiên bản danh mục; không ghi thì bản mới nhất.",
    en="Show a version of a catalogue; the newest by default.",
)
@argument("danh_muc")
@option("--version", "phien_ban", vi="Số phiên bản.", en="The version.")
@option("--on", "day", type=Moment(), vi="Chỉ mục có hiệu lực ngày này.", en="Only what is in force that day.")
def show(call: CommandRun, danh_muc: str, phien_ban: str | None, day: datetime | None) -> int:
    """Exit code 1 when it is not on record."""
    from gateway.services import publishing

    call.need(OperatorRole.VIEWER, "catalogue show")
    version = publishing.current(call.store, danh_muc, phien_ban, day.astimezone(GIO_VIET_NAM).date() if day else None)
    screen = call.screen
    if version is None:
        screen.line(f"Chưa có danh mục {danh_muc}.", f"There is no catalogue {danh_muc}.")
        return PROBLEMS
    if screen.as_json:
        for one in version.muc:
            screen.row(
                {
                    "Ma": one.ma,
                    "Ten": one.ten,
                    "HieuLucTu": one.hieu_luc_tu.isoformat() if one.hieu_luc_tu else None,
                    "HieuLucDen": one.hieu_luc_den.isoformat() if one.hieu_luc_den else None,
                    "MaThayThe": one.ma_thay_the,
                    **one.fields,
                }
            )
        return FINE
    screen.line(f"{danh_muc} {version.phien_ban}")
    screen.table(
        [
            screen.text(*c)
            for c in (("Mã", "Code"), ("Tên", "Name"), ("Từ", "From"), ("Đến", "To"), ("Thay bằng", "Replaced by"))
        ],
        [
            [one.ma, one.ten, one.hieu_luc_tu or "–", one.hieu_luc_den or "–", one.ma_thay_the or "–"]
            for one in version.muc
        ],
    )
    return FINE
