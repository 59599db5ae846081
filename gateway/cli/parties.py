"""parties check | apply | list | try | versions: the registry, from files that people write to what is in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.cli.command import (
    FINE,
    PROBLEMS,
    CommandRun,
    Group,
    LazyCommand,
    Moment,
    argument,
    asking,
    command,
    option,
)
from gateway.cli.show import Screen, when
from gateway.core.model import PartyId
from gateway.core.operators import OperatorRole
from gateway.core.parties import Parties, Party, Role
from gateway.core.problems import Lang, Problem, ProblemOutcome, Stopped
from gateway.core.unknown import unknown
from gateway.services import profiles
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.store import Spoken
    from schemas.catalog import Catalog

ROLE_WORDS = {
    Role.PORTAL: "cổng dịch vụ công",
    Role.ONE_STOP: "hệ thống một cửa",
    Role.OVERSIGHT: "cơ quan giám sát",
    Role.GATEWAY: "trục",
}
EXPIRES_SOON = timedelta(days=60)
LOOKED_BACK = timedelta(days=365)

parties = Group(
    "parties",
    entries={
        "add": LazyCommand("gateway.cli.enrol:add", "Thêm một bên.", "Add a party."),
        "check": LazyCommand(
            "gateway.cli.parties:check",
            "Kiểm các tệp hồ sơ và khác biệt.",
            "Check the profile files; show differences.",
        ),
        "apply": LazyCommand(
            "gateway.cli.parties:apply", "Áp dụng các tệp hồ sơ.", "Put the profile files into force."
        ),
        "list": LazyCommand("gateway.cli.parties:list_", "Sổ đăng ký đang có hiệu lực.", "The registry in force."),
        "pause": LazyCommand(
            "gateway.cli.orders:pause", "Tạm dừng gửi tới một bên.", "Send nothing to a party for now."
        ),
        "resume": LazyCommand("gateway.cli.orders:resume", "Gửi tiếp tới một bên.", "Go on sending to a party."),
        "lock": LazyCommand("gateway.cli.orders:lock", "Khóa một bên.", "Lock a party."),
        "unlock": LazyCommand("gateway.cli.orders:unlock", "Mở khóa một bên.", "Unlock a party."),
        "try": LazyCommand(
            "gateway.cli.trying:try_",
            "Xem các yêu cầu sẽ gửi tới một bên.",
            "Show exactly the requests that a party would be sent.",
        ),
        "versions": LazyCommand(
            "gateway.cli.parties:versions",
            "Phiên bản thông điệp mà mỗi bên sử dụng.",
            "Which party speaks which version of which message.",
        ),
    },
    vi="Sổ đăng ký các bên. Việc sửa tệp chưa có hiệu lực; lệnh “apply” mới đưa vào hiệu lực, kèm người thực hiện và lý do.",
    en="The registry of parties. Editing a file changes nothing; “apply” puts it into force, with author and reason.",
    no_args_is_help=True,
)


def read_all(settings: Settings, notes: list[Problem] | None = None) -> list[Party]:
    """The parties of all files, connectors checked as well. Raises Stopped with every mistake of all files.

    ``notes`` as :func:`gateway.services.profiles.read_file`.
    """
    from connectors.registry import installed

    trees = [tree.name for tree in settings.trust.trees]
    found = profiles.read_folder(settings.parties.folder, trees, installed(), notes)
    if wrong := [*_node_rules(found, settings)]:
        raise Stopped(*wrong)
    return found


def _node_rules(found: Sequence[Party], settings: Settings) -> list[Problem]:
    """What a profile may not be on this node: a lease must outlast the longest exchange with a party."""
    from connectors.registry import installed

    registry, problems = installed(), []
    for party in found:
        if party.connector is None:
            continue
        timeout = registry.named(party.connector).configure(party.connector_settings).common.timeout_s
        if timeout >= settings.work.lease_s:
            facts = {"party": party.id, "timeout_s": timeout, "lease_s": settings.work.lease_s}
            problems.append(Problem("SYS-039", facts))
    return problems


def barred(found: Sequence[Party], settings: Settings) -> Iterator[tuple[Party, Problem]]:
    """Addresses that this node will never call: without TLS, or private ones, where neither profile nor node allow it."""
    from connectors.http import Http, HttpLine
    from connectors.probing import urls
    from connectors.registry import installed

    registry = installed()
    for party in found:
        if party.connector is None:
            continue
        configured = registry.named(party.connector).configure(party.connector_settings)
        http: Http = HttpLine(private_addresses=settings.work.private_addresses).http(configured.common)
        for url in urls(configured.settings):
            if (why := http.bars(url)) is not None:
                yield party, Problem("DLV-003", {"why": why})


def ways(found: Sequence[Party], settings: Settings) -> Iterator[tuple[Party, str, str | None]]:
    """Each address among the connectors' settings, and the proxy by which it is called; none where it is called directly."""
    from connectors.http import HttpLine
    from connectors.probing import urls
    from connectors.registry import installed
    from gateway.wiring import egress_proxy

    registry, line = installed(), HttpLine(proxy=egress_proxy(settings))
    for party in found:
        if party.connector is None:
            continue
        configured = registry.named(party.connector).configure(party.connector_settings)
        for url in urls(configured.settings):
            with suppress(ValueError):  # that it is none is said elsewhere
                proxy = line.http(configured.common).proxy(url)
                yield party, url, None if proxy is None else proxy.place


def _print_ways(screen: Screen, found: Sequence[Party], settings: Settings) -> None:
    """What goes through which proxy, where anything does."""
    listed = [*ways(found, settings)]
    if settings.proxy.url is None and not any(proxy for _, _, proxy in listed):
        return
    for party, url, proxy in listed:
        if screen.as_json:
            screen.row({"party": party.id, "address": url, "proxy": proxy})
        elif proxy is None:
            screen.line(f"{party.id}: {url}, gọi trực tiếp", f"{party.id}: {url}, called directly")
        else:
            screen.line(
                f"{party.id}: {url}, qua máy chủ ủy nhiệm {proxy}", f"{party.id}: {url}, through the proxy {proxy}"
            )


def expiries(found: Sequence[Party], call: CommandRun) -> list[Problem]:
    """Certificates of open parties that have ended, or will soon."""
    from signing.certificates import Unreadable, read_certificate, unfit

    problems: list[Problem] = []
    for party in found:
        for registered in party.certificates:
            facts = {"party": party.id, "fingerprint": registered.fingerprint[:16] + "…"}
            try:
                certificate = read_certificate(registered.der)
            except Unreadable as error:
                problems.append(
                    Problem("SYS-021", {"path": registered.fingerprint, "key": party.id, "reason": str(error)})
                )
                continue
            if wrong := [code for code, *_ in unfit(certificate)]:
                problems.append(Problem("SYS-075", {**facts, "subject": certificate.subject, "codes": wrong}))
            ends = min(certificate.not_after, registered.valid_to) if registered.valid_to else certificate.not_after
            if ends <= call.now:
                problems.append(Problem("SYS-028", {**facts, "until": when(ends)}))
            elif ends - call.now < EXPIRES_SOON:
                problems.append(Problem("SYS-027", {**facts, "until": when(ends), "days": (ends - call.now).days}))
    return problems


def _in_force(call: CommandRun) -> Parties | None:
    """The registry in force; None when there is no database yet."""
    from gateway.wiring import registry_of

    try:
        return registry_of(call.store)
    except Stopped as stop:
        for problem in stop.problems:
            call.screen.problem(problem, to_err=True)
        return None


@command(
    "check",
    vi="Kiểm mọi tệp hồ sơ (khóa lạ, kiểu, chứng thư, cây tin cậy, bộ kết nối, trùng nhau) và nêu khác biệt với "
    "sổ đăng ký đang có hiệu lực. Không thay đổi dữ liệu.",
    en="Check every profile file (unknown keys, types, certificates, trees, connectors, duplicates) and say how "
    "they differ from the registry in force. Changes nothing.",
)
@option(
    "--connect",
    is_flag=True,
    vi="Kiểm tra kết nối tới từng bên: bí mật, chứng thư, địa chỉ, TLS, WSDL và thao tác, đăng nhập, tra cứu, "
    "thư mục; không gửi thông điệp nào.",
    en="Try the way to each party: secrets, certificates, address, TLS, WSDL and operations, log-in, asking, folders; sends "
    "no message.",
)
def check(call: CommandRun, connect: bool) -> int:
    """Reads all files and compares."""
    screen = call.screen
    notes: list[Problem] = []
    try:
        found = read_all(call.settings, notes)
    except Stopped as stop:
        for problem in stop.problems:
            screen.problem(problem)
        return PROBLEMS
    warnings = [*notes, *expiries(found, call)]
    if not screen.as_json:
        screen.line(f"{len(found)} tệp hồ sơ đúng.", f"{len(found)} profile files are right.")
    for problem in warnings:
        screen.problem(problem)
    never = [*barred(found, call.settings)]
    for party, problem in never:
        screen.problem(problem, party.id)
    _print_ways(screen, found, call.settings)
    in_force = _in_force(call)
    if in_force is not None:
        print_differences(screen, profiles.profile_differences(in_force, found, remove_missing=False))
    failed = bool(never) or any(problem.outcome is ProblemOutcome.FAILED for problem in warnings)
    if connect:
        from gateway.cli.enrol import print_tried, tried
        from gateway.wiring import egress_proxy

        proxy = egress_proxy(call.settings)
        results = tried(found, private_addresses=call.settings.work.private_addresses, proxy=proxy)
        print_tried(screen, results)
        failed = failed or any(one.failed for one in results)
    return PROBLEMS if failed or in_force is None else FINE


def print_differences(screen: Screen, differences: Sequence[profiles.ProfileDifference]) -> None:
    """What applying would change, party by party."""
    words = {"added": ("THÊM", "ADD"), "changed": ("SỬA", "CHANGE"), "removed": ("BỎ", "REMOVE")}
    if screen.as_json:
        for one in differences:
            fields: dict[str, Any] = {name: {"from": old, "to": new} for name, (old, new) in one.fields.items()}
            screen.row({"party": one.party, "difference": one.kind, "fields": fields})
        return
    if not differences:
        screen.line("Không khác sổ đăng ký đang có hiệu lực.", "No difference from the registry in force.")
    for one in differences:
        screen.line(f"{words[one.kind][screen.lang is Lang.EN]} {one.party}")
        for name, (old, new) in one.fields.items():
            if one.kind == "added":
                screen.line(f"    {name} = {new}")
            else:
                screen.line(f"    {name}: {old or '∅'} → {new or '∅'}")


@command(
    "apply",
    vi="Đưa các tệp hồ sơ vào hiệu lực: kiểm tra, hiển thị khác biệt, yêu cầu xác nhận, ghi phiên bản mới kèm "
    "người thực hiện và lý do. Các tiến trình đang chạy tự nhận phiên bản mới.",
    en="Put the profile files into force: check, show the difference, ask, write a new version with author and reason. "
    "Running processes take it over by themselves.",
)
@option(
    "--remove-missing", is_flag=True, vi="Bỏ các bên không còn tệp.", en="Remove parties that have no file any more."
)
@option("--dry-run", is_flag=True, vi="Chỉ hiển thị khác biệt.", en="Only show the difference.")
@asking
def apply(call: CommandRun, remove_missing: bool, dry_run: bool, reason: str | None) -> int:
    """Validates, compares, asks, writes."""
    from gateway.wiring import prove_registry, registry_of

    screen = call.screen
    if not dry_run:
        call.need(OperatorRole.ADMINISTRATOR, "parties apply")
    found = read_all(call.settings)
    in_force = registry_of(call.store)
    differences = profiles.profile_differences(in_force, found, remove_missing=remove_missing)
    print_differences(screen, differences)
    if dry_run or not differences:
        return FINE
    why = call.agreed("parties apply", reason, "Áp dụng?", "Apply?")
    wanted = {party.id: party for party in found}
    changed = {d.party: wanted.get(d.party) for d in differences}
    with call.store.begin() as tx:
        version = tx.change_parties(
            lambda current: profiles.to_apply(current, changed),
            who=f"operator:{call.person}",
            reason=why,
            now=call.now,
        )
        prove_registry(tx.parties(), call.settings)  # raises, and nothing is in force
    if screen.as_json:
        screen.row({"version": version, "parties": len(changed)})
    else:
        screen.line(f"Sổ đăng ký phiên bản {version} có hiệu lực.", f"Registry version {version} is in force.")
    return FINE


@command("list", vi="Sổ đăng ký đang có hiệu lực.", en="The registry in force.")
@option(
    "--history",
    metavar="PARTY",
    vi="Mọi phiên bản của một bên: người thực hiện, thời điểm, lý do.",
    en="Every version of one party: who, when, why.",
)
def list_(call: CommandRun, history: str | None) -> int:
    """Lists parties, or the versions of one."""
    screen = call.screen
    if history is not None:
        _print_history(call, history)
        return FINE
    from gateway.wiring import registry_of, with_aliases

    registry = with_aliases(registry_of(call.store), call.store)
    if screen.as_json:
        for party in registry:
            screen.row(
                {
                    "party": party.id,
                    "name": party.name,
                    "role": str(party.role),
                    "identifiers": list(party.identifiers),
                    "aliases": list(registry.aliases(party.id)),  # by the catalogue CoQuan, beside the profile's
                    "receives": str(party.receives),
                    "connector": party.connector,
                    "enabled": party.open,
                    "paused": party.desk.paused is not None,
                    "certificates": [certificate.fingerprint for certificate in party.certificates],
                }
            )
        return FINE
    heads = ("Bên", "Tên", "Vai", "Mã định danh", "Nhận", "Chứng thư", "")
    heads_en = ("Party", "Name", "Role", "Identifiers", "Receives", "Certificates", "")
    screen.table(
        heads if screen.lang is Lang.VI else heads_en,
        (
            (
                party.id,
                party.name,
                screen.text(f"{ROLE_WORDS[party.role]} ({party.role})", party.role),
                ", ".join((*party.identifiers, *(f"({alias})" for alias in registry.aliases(party.id)))),
                f"{party.receives} {party.connector or ''}".strip(),
                len(party.certificates),
                _standing(screen, party),
            )
            for party in registry
        ),
        title=screen.text(f"Phiên bản {registry.version}", f"Version {registry.version}"),
    )
    return FINE


def _standing(screen: Screen, party: Party) -> str:
    if not party.open:
        return screen.text("BỊ KHÓA", "LOCKED")
    return "" if party.called else screen.text("TẠM DỪNG GỬI", "PAUSED")


def _print_history(call: CommandRun, party: str) -> None:
    screen = call.screen
    with call.store.read() as view:
        versions = view.party_history(party)
    if not versions:
        raise Stopped(unknown("party", party))
    for row in versions:
        if screen.as_json:
            screen.row(
                {
                    "party": row.id,
                    "version": row.version,
                    "author": row.author,
                    "reason": row.reason,
                    "applied_at": row.applied_at,
                    "removed": row.profile is None,
                }
            )
        else:
            gone = screen.text(" (bỏ)", " (removed)") if row.profile is None else ""
            screen.line(f"{row.version}: {when(row.applied_at)} {row.author}: {row.reason}{gone}")


@dataclass(frozen=True, slots=True)
class Versions:
    """What a party and the gateway have to do with one message type."""

    party: PartyId
    loai: str
    reads: tuple[str, ...] | None  # by its profile; None: every version
    sent: tuple[Spoken, ...]  # by what was accepted of it
    served: tuple[str, ...]  # the gateway's

    @property
    def strange(self) -> tuple[str, ...]:
        """Versions that the profile names and the gateway does not have."""
        return tuple(version for version in self.reads or () if version not in self.served)


def spoken_by(registry: Parties, seen: Sequence[Spoken], catalog: Catalog) -> Iterator[Versions]:
    """Each party's message types, those of its profile and those that came from it, in order."""
    served: dict[str, tuple[str, ...]] = {}
    for kind in catalog.kinds():
        served[kind.loai] = (*dict.fromkeys((*served.get(kind.loai, ()), kind.phien_ban)),)
    for party in registry:
        sent = [one for one in seen if one.party == party.id]
        for loai in sorted({*party.versions, *(one.loai for one in sent)}):
            yield Versions(
                party.id,
                loai,
                party.versions.get(loai),
                tuple(one for one in sent if one.loai == loai),
                served.get(loai, ()),
            )


@command(
    "versions",
    vi="Phiên bản thông điệp mà mỗi bên sử dụng: phiên bản đọc được (theo hồ sơ; nếu không ghi là mọi phiên "
    "bản), phiên bản đã gửi (theo các thông điệp được nhận), và phiên bản trục có.",
    en="Which party speaks which version of which message: what it reads (by its profile; not stated means every version), "
    "what it has sent (by the messages that were accepted), and what the gateway has.",
)
@argument("party", metavar="[PARTY]", required=False)
@option(
    "--since",
    type=Moment(),
    vi="Tính thông điệp từ thời điểm này (mặc định: 365 ngày qua).",
    en="Look at messages from this time on (default: the last 365 days).",
)
def versions(call: CommandRun, party: str | None, since: datetime | None) -> int:
    """Lists them; exit 1 where a profile names a version that the gateway does not have."""
    from gateway.wiring import registry_of
    from schemas.catalog import bundled

    screen, registry = call.screen, registry_of(call.store)
    if party is not None and registry.get(party) is None:
        raise Stopped(unknown("party", party))
    with call.store.read() as view:
        seen = view.spoken(since or call.now - LOOKED_BACK)
    found = [one for one in spoken_by(registry, seen, bundled()) if party in {None, one.party}]
    if screen.as_json:
        for one in found:
            screen.row(_spoken_row(one))
    else:
        _print_spoken(screen, found)
        _print_silent(screen, [one.id for one in registry if party in {None, one.id}], found)
    for one in found:
        _tell_strange(screen, one)
    return PROBLEMS if any(one.strange for one in found) else FINE


def _tell_strange(screen: Screen, one: Versions) -> None:
    for version in one.strange:
        facts = {"party": one.party, "loai": one.loai, "version": version, "served": list(one.served) or "–"}
        screen.problem(Problem("SYS-051", facts), to_err=True)


def _print_silent(screen: Screen, asked: Sequence[PartyId], found: Sequence[Versions]) -> None:
    """Those asked about of whom there is nothing to list."""
    told = {one.party for one in found}
    silent = ", ".join(party for party in asked if party not in told)
    if silent:
        screen.line(f"Không hạn chế phiên bản, chưa gửi gì: {silent}.", f"Any version, nothing sent yet: {silent}.")


def _spoken_row(one: Versions) -> dict[str, Any]:
    return {
        "party": one.party,
        "loai": one.loai,
        "reads": list(one.reads) if one.reads is not None else None,
        "sent": [{"version": s.phien_ban, "count": s.count, "last": s.last} for s in one.sent],
        "served": list(one.served),
        "strange": list(one.strange),
    }


def _print_spoken(screen: Screen, found: Sequence[Versions]) -> None:
    heads = ("Bên", "Loại", "Đọc được", "Đã gửi", "Lần cuối", "Trục có")
    heads_en = ("Party", "Type", "Reads", "Has sent", "Last", "The gateway has")
    screen.table(heads if screen.lang is Lang.VI else heads_en, [_spoken_cells(screen, one) for one in found])


def _spoken_cells(screen: Screen, one: Versions) -> tuple[str | None, ...]:
    reads = screen.text("mọi phiên bản", "every version")
    if one.reads is not None:
        reads = " ".join(f"{v}{'?' if v in one.strange else ''}" for v in one.reads)
    sent = ", ".join(f"{s.phien_ban} ({s.count}×)" for s in one.sent)
    last = when(max(s.last for s in one.sent)) if one.sent else None
    return one.party, one.loai, reads, sent or None, last, " ".join(one.served) or None
