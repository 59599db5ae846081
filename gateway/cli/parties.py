"""parties check | apply | list: the registry, from files that people write to what is in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from gateway.cli.base import FINE, PROBLEMS, Call, Entry, Group, acting, command, option, reason_of
from gateway.cli.show import Screen, when
from gateway.core.model import PartyId
from gateway.core.parties import Parties, Party
from gateway.core.problems import Lang, Outcome, Problem, Stopped
from gateway.services import parties as profiles
from gateway.settings import OperatorRole, Settings

EXPIRES_SOON = timedelta(days=60)

parties = Group(
    "parties",
    entries={
        "add": Entry("gateway.cli.enrol:add", "Thêm một bên.", "Add a party."),
        "check": Entry(
            "gateway.cli.parties:check",
            "Kiểm các tệp hồ sơ và khác biệt.",
            "Check the profile files; show differences.",
        ),
        "apply": Entry("gateway.cli.parties:apply", "Áp dụng các tệp hồ sơ.", "Put the profile files into force."),
        "list": Entry("gateway.cli.parties:list_", "Sổ đăng ký đang có hiệu lực.", "The registry in force."),
    },
    vi="Sổ đăng ký các bên. Sửa tệp chưa có tác dụng gì; “apply” mới đưa vào hiệu lực, kèm người làm và lý do.",
    en="The registry of parties. Editing a file changes nothing; “apply” puts it into force, with author and reason.",
    no_args_is_help=True,
)


def read_all(settings: Settings) -> list[Party]:
    """The parties of all files, connectors checked as well. Raises Stopped with every mistake of all files."""
    from connectors.registry import installed

    trees = [tree.name for tree in settings.trust.trees]
    found = profiles.read_folder(settings.parties.folder, trees, installed())
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


def expiries(found: Sequence[Party], call: Call) -> list[Problem]:
    """Certificates of open parties that have ended, or will soon."""
    from signing.certificates import Unreadable, read_certificate

    problems: list[Problem] = []
    for party in found:
        for registered in party.certificates:
            facts = {"party": party.id, "fingerprint": registered.fingerprint[:16] + "…"}
            try:
                ends = read_certificate(registered.der).not_after
            except Unreadable as error:
                problems.append(
                    Problem("SYS-021", {"path": registered.fingerprint, "key": party.id, "reason": str(error)})
                )
                continue
            ends = min(ends, registered.valid_to) if registered.valid_to else ends
            if ends <= call.now:
                problems.append(Problem("SYS-028", {**facts, "until": when(ends)}))
            elif ends - call.now < EXPIRES_SOON:
                problems.append(Problem("SYS-027", {**facts, "until": when(ends), "days": (ends - call.now).days}))
    return problems


def _in_force(call: Call) -> Parties | None:
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
    vi="Kiểm mọi tệp hồ sơ (khóa lạ, kiểu, chứng thư, cây tin cậy, bộ kết nối, trùng nhau) và cho biết khác gì với sổ "
    "đăng ký đang có hiệu lực. Không đổi gì.",
    en="Check every profile file (unknown keys, types, certificates, trees, connectors, duplicates) and say how "
    "they differ from the registry in force. Changes nothing.",
)
@option(
    "--connect",
    is_flag=True,
    vi="Thử đường tới từng bên (địa chỉ, TLS, thẻ, thư mục); không gửi thông điệp nào.",
    en="Try the way to each party (address, TLS, credentials, folder); sends no message.",
)
def check(call: Call, connect: bool) -> int:
    """Reads all files and compares."""
    screen = call.screen
    try:
        found = read_all(call.settings)
    except Stopped as stop:
        for problem in stop.problems:
            screen.problem(problem)
        return PROBLEMS
    warnings = expiries(found, call)
    if not screen.as_json:
        screen.line(f"{len(found)} tệp hồ sơ đúng.", f"{len(found)} profile files are right.")
    for problem in warnings:
        screen.problem(problem)
    in_force = _in_force(call)
    if in_force is not None:
        print_differences(screen, profiles.difference(in_force, found, remove_missing=False))
    failed = any(problem.outcome is Outcome.FAILED for problem in warnings)
    if connect:
        from gateway.cli.enrol import print_tried, tried

        results = tried(found, private_addresses=call.settings.work.private_addresses)
        print_tried(screen, results)
        failed = failed or any(one.problems for one in results)
    return PROBLEMS if failed or in_force is None else FINE


def print_differences(screen: Screen, differences: Sequence[profiles.Difference]) -> None:
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
    vi="Đưa các tệp hồ sơ vào hiệu lực: kiểm, cho xem khác biệt, hỏi lại, ghi phiên bản mới kèm người làm và lý do. "
    "Các tiến trình đang chạy tự nhận phiên bản mới.",
    en="Put the profile files into force: check, show the difference, ask, write a new version with author and reason. "
    "Running processes take it over by themselves.",
)
@option(
    "--remove-missing", is_flag=True, vi="Bỏ các bên không còn tệp.", en="Remove parties that have no file any more."
)
@option("--dry-run", is_flag=True, vi="Chỉ cho xem khác biệt.", en="Only show the difference.")
@option("--yes", "-y", is_flag=True, vi="Không hỏi lại.", en="Do not ask.")
@acting
def apply(call: Call, remove_missing: bool, dry_run: bool, yes: bool, reason: str | None) -> int:
    """Validates, compares, asks, writes."""
    from gateway.wiring import registry_of

    screen = call.screen
    if not dry_run:
        call.need(OperatorRole.ADMINISTRATOR, "parties apply")
    found = read_all(call.settings)
    in_force = registry_of(call.store)
    differences = profiles.difference(in_force, found, remove_missing=remove_missing)
    print_differences(screen, differences)
    if dry_run or not differences:
        return FINE
    why = reason_of(call, reason, "parties apply")
    if not yes and screen.interactive and not click.confirm(screen.text("Áp dụng?", "Apply?"), err=True):
        return FINE
    wanted = {party.id: party for party in found}
    texts: dict[PartyId | str, str | None] = {
        d.party: profiles.to_text(wanted[d.party]) if d.party in wanted else None for d in differences
    }
    with call.store.begin() as tx:
        version = tx.apply_parties(texts, who=f"operator:{call.person}", reason=why, now=call.now)
    if screen.as_json:
        screen.row({"version": version, "parties": len(texts)})
    else:
        screen.line(f"Sổ đăng ký phiên bản {version} có hiệu lực.", f"Registry version {version} is in force.")
    return FINE


@command("list", vi="Sổ đăng ký đang có hiệu lực.", en="The registry in force.")
@option(
    "--history",
    metavar="PARTY",
    vi="Mọi phiên bản của một bên: ai, lúc nào, vì sao.",
    en="Every version of one party: who, when, why.",
)
def list_(call: Call, history: str | None) -> int:
    """Lists parties, or the versions of one."""
    screen = call.screen
    if history is not None:
        with call.store.read() as view:
            versions = view.party_history(history)
        if not versions:
            raise Stopped(Problem("SYS-042", {"what": "party", "value": history}))
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
        return FINE
    from gateway.wiring import registry_of

    registry = registry_of(call.store)
    if screen.as_json:
        for party in registry:
            screen.row(
                {
                    "party": party.id,
                    "name": party.name,
                    "role": str(party.role),
                    "identifiers": list(party.identifiers),
                    "receives": str(party.receives),
                    "connector": party.connector,
                    "enabled": party.enabled,
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
                party.role,
                ", ".join(party.identifiers),
                f"{party.receives} {party.connector or ''}".strip(),
                len(party.certificates),
                "" if party.enabled else screen.text("BỊ KHÓA", "LOCKED"),
            )
            for party in registry
        ),
        title=screen.text(f"Phiên bản {registry.version}", f"Version {registry.version}"),
    )
    return FINE


FOLDER = Path("parties")
