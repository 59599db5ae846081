"""parties add: asks what a profile needs and writes it; parties check --connect: tries the way to each party."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
import ssl
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import FINE, CommandRun, argument, command, option
from gateway.cli.passwords import password_asked, password_options
from gateway.cli.show import Screen, when
from gateway.core.operators import OperatorRole
from gateway.core.os_words import system_reason
from gateway.core.parties import Party, Receives, Role
from gateway.core.problems import Lang, Problem, ProblemOutcome, Stopped
from gateway.core.written import setting_meaning
from gateway.services import profiles

if TYPE_CHECKING:
    from connectors.base import Connector
    from connectors.outcomes import ProbeStep
    from connectors.proxying import EgressProxy
    from connectors.table import Common

AT_ONCE = 20  # parties whose way is tried at the same time
SOON = timedelta(days=60)  # before which a certificate that ends is remarked on
ROLES = (Role.ONE_STOP.value, Role.PORTAL.value, Role.OVERSIGHT.value)


@command(
    "add",
    acts=True,
    vi="Thêm một bên: nhập thông tin cần thiết (hoặc lấy từ tùy chọn), tạo mã truy cập, sao chép chứng thư, ghi "
    "parties/<id>.toml và kiểm tra ngay. Mã truy cập chỉ hiển thị một lần; tệp chỉ giữ giá trị băm. Lệnh "
    "“parties apply” mới đưa vào hiệu lực.",
    en="Add a party: asks what is needed (or takes it from options), makes a token, copies the certificate, writes "
    "parties/<id>.toml and checks it. The token is shown once; the file keeps its hash. “parties apply” puts it into "
    "force.",
)
@argument("party", metavar="ID")
@option("--name", vi="Tên đầy đủ.", en="The full name.")
@option("--role", type=click.Choice(ROLES), vi="Vai.", en="The role.")
@option(
    "--identifier",
    "identifiers",
    multiple=True,
    metavar="H19.901",
    vi="Mã định danh; nêu nhiều lần để khai bí danh.",
    en="Agency identifier; again for aliases.",
)
@option(
    "--endpoint",
    metavar="URL",
    vi="Địa chỉ để trục gửi tới bằng REST; nếu không có cả --connector, bên tự lấy hộp thư.",
    en="Address to be pushed to by REST; without it and without --connector the party pulls.",
)
@option(
    "--connector",
    metavar="NAME",
    vi="Bộ kết nối để trục gửi tới: rest, soap, folder, qcvn120, edxml… (docs/vi/connectors.md).",
    en="The connector by which it is pushed to: rest, soap, folder, qcvn120, edxml… (docs/en/connectors.md).",
)
@option(
    "--set",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    vi="Một thiết lập của bộ kết nối: path=/srv/ra, timeout_s=10.",
    en="A setting of the connector: path=/srv/out, timeout_s=10.",
)
@option(
    "--cert",
    "certificates",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Chứng thư ký (PEM, DER; với PKCS#12 chỉ sao chép chứng thư, không sao chép khóa).",
    en="Signing certificate (PEM, DER; of PKCS#12 the certificate is copied, and no key).",
)
@password_options
@option(
    "--tree", metavar="NAME", vi="Cây tin cậy phải bảo đảm cho chứng thư.", en="The trust tree that must vouch for it."
)
@option(
    "--pause/--no-pause",
    "pauses",
    default=None,
    vi="Trạng thái 8 là tạm dừng hay không.",
    en="Whether state 8 is a pause.",
)
@option("--contact", vi="Đầu mối (đơn vị).", en="Contact (a unit).")
@option(
    "--portal-form",
    "account",
    metavar="USER",
    vi="Cấp quyền dùng giao diện /dvcqg (khuôn dạng Cổng Dịch vụ công quốc gia) cho bên này, với tài khoản này; "
    "mật khẩu được tạo và chỉ hiển thị một lần.",
    en="Open the door /dvcqg (the national portal's own form) to the party, with this account; a password is made and shown "
    "once.",
)
def add(
    call: CommandRun,
    party: str,
    name: str | None,
    role: str | None,
    identifiers: tuple[str, ...],
    endpoint: str | None,
    connector: str | None,
    pairs: tuple[str, ...],
    certificates: tuple[Path, ...],
    password_env: str | None,
    password_file: Path | None,
    tree: str | None,
    pauses: bool | None,
    contact: str | None,
    account: str | None,
) -> int:
    """Writes a profile; applies nothing."""
    from connectors.registry import installed

    call.need(OperatorRole.ADMINISTRATOR, "parties add")
    screen, settings = call.screen, call.settings
    folder = settings.parties.folder
    file = folder / f"{party}.toml"
    if not re.fullmatch(profiles.ID, party):
        raise click.BadParameter(f"{party} ≠ {profiles.ID}", param_hint="ID")
    if file.exists():
        raise Stopped(Problem("SYS-046", {"path": str(file)}))
    name = name or _asked(screen, "Tên đầy đủ", "Full name", "--name")
    role = role or _asked(screen, "Vai", "Role", "--role", ROLES)
    listed = identifiers or tuple(
        _asked(screen, "Mã định danh, cách nhau bằng dấu phẩy", "Identifiers, separated by commas", "--identifier")
        .replace(" ", "")
        .split(",")
    )
    if pauses is None and role == Role.ONE_STOP.value:
        answer = _asked(screen, "Trạng thái 8 là tạm dừng?", "Is state 8 a pause?", "--pause", ("y", "n"))
        pauses = answer == "y"
    if screen.interactive and endpoint is None and connector is None and role != Role.OVERSIGHT.value:
        among = ", ".join(sorted(installed()))
        vi, en = (
            f"Bộ kết nối để trục gửi tới: {among} (trống: bên tự lấy hộp thư)",
            f"Connector by which it is pushed to: {among} (empty: the party pulls)",
        )
        connector = _asked(screen, vi, en, "--connector", default="") or None
    way = _set(pairs) | ({"url": endpoint} if endpoint is not None else {})
    connector = connector or ("rest" if way else None)
    if connector is not None:
        way = {"name": connector, **way, **_needed(screen, installed().named(connector), way)}
    if screen.interactive:
        if not certificates and role != Role.OVERSIGHT.value:
            vi, en = "Tệp chứng thư ký (trống: chưa có)", "Signing certificate file (empty: none yet)"
            certificates = tuple(Path(name) for name in [_asked(screen, vi, en, "--cert", default="")] if name)
        if contact is None:
            vi, en = "Đầu mối, là đơn vị (trống: không ghi)", "Contact, a unit (empty: none)"
            contact = _asked(screen, vi, en, "--contact", default="") or None
    token = secrets.token_urlsafe(32)
    entry = (account, secrets.token_urlsafe(18)) if account is not None else None
    copies = [(certificate, _beside(folder, party, number)) for number, certificate in enumerate(certificates, 1)]
    text = _profile(party, name, role, listed, token, [to for _, to in copies], tree, way, pauses, contact, entry)
    password = password_asked(password_env, password_file, next(iter(certificates), None))
    with ExitStack() as undo:  # what was written a moment ago is taken away again when it is no use
        copied = [_copied(source, to, undo, password) for source, to in copies]
        _written(file, text.encode(), undo)
        profiles.read_file(file, [one.name for one in settings.trust.trees], installed())
        undo.pop_all()
    _told(screen, file, party, token, bool(copied), entry)
    return FINE


def _asked(
    screen: Screen, vi: str, en: str, name: str, among: Sequence[str] = (), *, default: str | None = None
) -> str:
    """The answer to a question, at a terminal. Raises click.UsageError where there is nobody to ask."""
    if not screen.interactive:
        raise click.UsageError(screen.text(f"Thiếu {name}.", f"{name} is missing."))
    kind = click.Choice(list(among)) if among else str
    answer = click.prompt(screen.text(vi, en), type=kind, err=True, default=default, show_default=False)
    return str(answer).strip()


def _set(pairs: Sequence[str]) -> dict[str, Any]:
    """The settings of ``--set``: a value as TOML writes it, or else a text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, sep, value = pair.partition("=")
        if not sep or not key:
            raise click.BadParameter(pair, param_hint="--set")
        try:
            found[key] = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


def _needed(screen: Screen, connector: Connector[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What the connector cannot do without, asked for where there is somebody to ask; the reader tells what is missing."""
    needed = [
        f
        for f in fields(connector.settings)
        if f.default is MISSING and f.default_factory is MISSING and f.name not in given
    ]
    if not screen.interactive:
        return {}
    return {
        f.name: _asked(
            screen,
            f"{f.name}: {setting_meaning(f, Lang.VI)}",
            f"{f.name}: {setting_meaning(f, Lang.EN)}",
            f"--set {f.name}=…",
        )
        for f in needed
    }


def _beside(folder: Path, party: str, number: int) -> Path:
    """Where a certificate's copy lies."""
    return folder / (f"{party}.cert.pem" if number == 1 else f"{party}-{number}.cert.pem")


def _copied(source: Path, to: Path, undo: ExitStack, password: bytes | None) -> Path:
    from signing.keyfiles import is_pkcs12, own_certificate

    try:
        if source.resolve() == to.resolve():
            return to
        content = source.read_bytes()
        if is_pkcs12(content):
            content = ssl.DER_cert_to_PEM_cert(own_certificate(content, password).der).encode()
    except (OSError, ValueError) as error:
        raise Stopped(Problem("SYS-045", {"path": str(source), "reason": system_reason(error)})) from error
    _written(to, content, undo)
    return to


def _written(file: Path, content: bytes, undo: ExitStack) -> None:
    """Write a new file. Raises Stopped: SYS-046 where there is one already, SYS-038 where it cannot be written."""
    try:
        with file.open("xb") as stream:
            undo.callback(file.unlink)
            stream.write(content)
    except FileExistsError as error:
        raise Stopped(Problem("SYS-046", {"path": str(file)})) from error
    except OSError as error:
        raise Stopped(Problem("SYS-038", {"path": str(file), "reason": system_reason(error)})) from error


def _profile(
    party: str,
    name: str,
    role: str,
    identifiers: Sequence[str],
    token: str,
    certificates: Sequence[Path],
    tree: str | None,
    way: Mapping[str, Any],
    pauses: bool | None,
    contact: str | None,
    entry: tuple[str, str] | None,
) -> str:
    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML basic string

    rows = [f"{{ file = {quoted(path.name)}{f', tree = {quoted(tree)}' if tree else ''} }}" for path in certificates]
    proofs: dict[str, Any] = {"token_sha256": hashlib.sha256(token.encode()).hexdigest()}
    signature: dict[str, Any] = {"default": "required", "status_unknown": "hold"}
    if entry is not None:
        proofs["basic"] = {entry[0]: hashlib.sha256(":".join(entry).encode()).hexdigest()}
        signature |= {"HS01": "accepted", "HS05": "accepted"}  # what comes through that door is signed by nobody
    lines = [
        f"id = {quoted(party)}",
        f"name = {quoted(name)}",
        f"role = {quoted(role)}",
        f"identifiers = [{', '.join(quoted(identifier) for identifier in identifiers)}]",
        f"receives = {quoted(Receives.PUSH.value if way else Receives.PULL.value)}",
        f"credentials = {_toml(proofs)}",
        f"certificates = [{', '.join(rows)}]",
        f"signature = {_toml(signature)}",
    ]
    if entry is not None:
        lines += ["typed_submissions = true", "portal_form = { allowed = true }"]
    if pauses is not None:
        lines.append(f"meaning = {{ Trang8LaTamDung = {'true' if pauses else 'false'} }}")
    if contact:
        lines.append(f"contact = {quoted(contact)}")
    if way:
        lines += ["", "[connector]", *(f"{_key(key)} = {_toml(value)}" for key, value in way.items())]
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _toml(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, (bool, int, float, str)):
        return json.dumps(value, ensure_ascii=False)  # a JSON string is a TOML basic string
    return str(value)  # TOML's dates and times


def _told(
    screen: Screen, file: Path, party: str, token: str, has_certificate: bool, entry: tuple[str, str] | None
) -> None:
    if screen.as_json:
        more = {"user": entry[0], "password": entry[1]} if entry is not None else {}
        screen.row({"file": str(file), "party": party, "token": token, **more})
        return
    screen.line(f"Đã ghi {file}.", f"Wrote {file}.")
    screen.line(f"Mã truy cập, chỉ hiển thị lần này: {token}", f"The bearer token, shown this once: {token}")
    if entry is not None:
        screen.line(
            f"Giao diện /dvcqg: tài khoản {entry[0]}, mật khẩu, chỉ hiển thị lần này: {entry[1]}",
            f"The door /dvcqg: account {entry[0]}, password, shown this once: {entry[1]}",
        )
    if not has_certificate:
        screen.line(
            "Chưa có chứng thư ký: thêm vào certificates trước khi bên này gửi thông điệp có ký.",
            "No signing certificate yet: add one to certificates before this party sends signed messages.",
        )
    screen.line(
        "Tiếp: lienthong parties check --connect; lienthong parties apply --reason “…”",
        "Next: lienthong parties check --connect; lienthong parties apply --reason “…”",
    )


# Trying the way to a party


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one step on the way to a party."""

    party: str
    step: ProbeStep

    @property
    def failed(self) -> bool:
        """Whether something is wrong, and not only worth a remark."""
        return any(problem.outcome is not ProblemOutcome.NOTE for problem in self.step.problems)


def tried(found: Sequence[Party], *, private_addresses: bool, proxy: EgressProxy | None) -> list[Tried]:
    """Tries the way to every party that is pushed to or fetched from. Sends no message and changes nothing there."""
    return asyncio.run(_tried(found, private_addresses, proxy))


async def _tried(found: Sequence[Party], private_addresses: bool, proxy: EgressProxy | None) -> list[Tried]:
    from connectors.http import HttpLine
    from connectors.probing import tried as steps_of
    from connectors.registry import installed

    registry = installed()
    turn = asyncio.Semaphore(AT_ONCE)
    async with HttpLine(private_addresses=private_addresses, proxy=proxy) as line:

        async def one(party: Party) -> list[Tried]:
            connector = registry.named(party.connector)
            configured = connector.configure(party.connector_settings, where=party.id)
            async with turn:
                steps = await steps_of(party, connector, configured, line.http(configured.common))
            return [Tried(party.id, step) for step in (*_client_certificate(configured.common), *steps)]

        rows = await asyncio.gather(*(one(party) for party in found if party.connector is not None))
    return [row for each in rows for row in each]


def _client_certificate(common: Common) -> Iterator[ProbeStep]:
    """Until when the certificate that we show there is good."""
    from connectors.outcomes import ProbeStep
    from connectors.table import connector_secret
    from signing.keyfiles import own_certificate

    file = common.client_certificate
    if file is None:
        return
    try:
        password = None if common.client_password is None else connector_secret(common.client_password).encode()
        ends = own_certificate(file.read_bytes(), password).not_after
    except Stopped as stop:
        yield ProbeStep(place=str(file), problems=stop.problems)
        return
    except (OSError, ValueError) as error:
        problem = Problem("SYS-045", {"path": str(file), "reason": system_reason(error)})
        yield ProbeStep(place=str(file), problems=(problem,))
        return
    left = ends - datetime.now(UTC)
    facts = {"fingerprint": file.name, "party": "client_certificate", "until": when(ends)}
    problems = [Problem("SYS-028", facts)] if left <= timedelta() else []
    problems += [Problem("SYS-027", {**facts, "days": left.days})] if timedelta() < left < SOON else []
    yield ProbeStep(place=str(file), found=when(ends), problems=tuple(problems))


def print_tried(screen: Screen, results: Sequence[Tried]) -> None:
    """What came of it, party by party."""
    for one in results:
        step = one.step
        if screen.as_json:
            rows = [screen.problem_row(problem) for problem in step.problems]
            row = {"party": one.party, "place": step.place, "reached": step.found, "ms": step.took_ms}
            screen.row({**row, "problems": rows})
            continue
        took = f" ({step.took_ms} ms)" if step.took_ms else ""
        screen.line(f"{'✗' if one.failed else '✓'} {one.party}: {step.place} {_met(screen, step.found)}{took}")
        for problem in step.problems:
            screen.problem(problem)


def _met(screen: Screen, found: str | None) -> str:
    """What was met, in words."""
    words = {
        "NotThere": ("đã tra cứu, trả lời đúng", "asked, and answered rightly"),
        "secret": ("đọc được", "can be read"),
        "folder": ("thư mục", "folder"),
        "file": ("tệp", "file"),
        "session": ("đăng nhập được", "logged in"),
    }
    return screen.text(*words.get(found or "", (found or "", found or "")))
