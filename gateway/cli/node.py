"""init, db, doctor: a node from nothing, its database, and what is in force on it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import datetime, timedelta
from enum import Enum
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import click

from gateway.cli.command import FINE, PROBLEMS, CommandRun, Group, LazyCommand, argument, command, option
from gateway.cli.show import Screen, when
from gateway.cli.surroundings import DoctorFinding, host, proxies, tried_finding
from gateway.core.addresses import host_and_port
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.operators import OperatorRole
from gateway.core.os_words import system_reason
from gateway.core.problems import Lang, Problem, ProblemOutcome, Stopped
from gateway.settings import CONFIG_NAME, Settings, database_url, example, leaves

CALENDAR_GOOD_FOR = timedelta(days=400)  # the notice of the next year comes within this
LEAST_FREE_MB = 500  # some hundred thousand small messages
OUR_PACKAGES = ("gateway", "schemas", "connectors", "signing")


@command(
    "init",
    acts=True,
    vi="Thiết lập một máy mới trong thư mục trống: tệp cấu hình có chú giải, khóa ký ECDSA P-256 (quyền 600) với chứng thư "
    "tự "
    "ký, hồ sơ mẫu của bên, và các bước tiếp theo. Không ghi đè.",
    en="Make a new node in an empty folder: an annotated configuration, an ECDSA P-256 signing key (mode 600) with a "
    "self-signed certificate, an example party, and what to do next. Overwrites nothing.",
)
@argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("lienthong"))
@option(
    "--identifier",
    metavar="H19.900",
    default="H19.900",
    show_default=True,
    vi="Mã định danh của trục.",
    en="The gateway's agency identifier.",
)
@option(
    "--name", default="Trục liên thông thành phố Đồng Nai (thử nghiệm)", vi="Tên của trục.", en="The gateway's name."
)
@option("--port", type=click.IntRange(1, 65535), default=8310, show_default=True, vi="Cổng.", en="The port.")
@option(
    "--database",
    metavar="URL",
    show_default="sqlite:///lienthong.sqlite3",
    vi="Cơ sở dữ liệu.",
    en="The database.",
)
@option(
    "--data",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    vi="Thư mục chứa những gì máy ghi: cơ sở dữ liệu SQLite, bản sao lưu, tệp lưu trữ; mặc định là thư mục cấu hình. Cần khi thư "
    "mục cấu hình chỉ được đọc, như với deploy/systemd.",
    en="Where the node writes: an SQLite database, backups, archives; by default the configuration's folder. Needed where that "
    "can only be read, as with deploy/systemd.",
)
@option(
    "--operator",
    metavar="ACCOUNT",
    vi="Tài khoản hệ điều hành được toàn quyền (administrator); mặc định là tài khoản chạy lệnh này.",
    en="The account of the operating system that is administrator; by default the one that runs this.",
)
def init(
    call: CommandRun,
    folder: Path,
    identifier: str,
    name: str,
    port: int,
    database: str | None,
    data: Path | None,
    operator: str | None,
) -> int:
    """Writes everything a node needs."""
    if folder.exists() and any(folder.iterdir()):
        raise Stopped(Problem("SYS-046", {"path": str(folder)}))
    values = _places(data) | {
        "node.identifier": identifier,
        "node.name": name,
        "node.lang": str(call.lang),
        "key.file": "keys/truc.key.pem",
        "key.certificate": "keys/truc.cert.pem",
        "web.port": port,
        "operators": {operator or call.account: OperatorRole.ADMINISTRATOR.value},
    }
    if database is not None:
        values["database.url"] = database
    try:
        written = write_node(folder, values, call.lang, call.now)
    except OSError as error:
        raise Stopped(Problem("SYS-038", {"path": str(folder), "reason": system_reason(error)})) from error
    screen = call.screen
    if screen.as_json:
        screen.row({"folder": str(folder), "files": [str(path) for path in written]})
        return FINE
    for path in written:
        screen.line(f"  {path}")
    screen.line(
        f"Đã thiết lập máy mới. Tiếp theo, trong thư mục {folder}:", f"The node is made. Next, in the folder {folder}:"
    )
    for step in next_steps(call.lang):
        screen.line(f"  {step}")
    return FINE


def _places(data: Path | None) -> dict[str, Any]:
    """The settings that say where a node writes; archives only where a folder is named, for without one there are none."""
    if data is None:
        return {"database.url": "sqlite:///lienthong.sqlite3"}
    whole = data.absolute()
    return {
        "database.url": f"sqlite:///{whole / 'lienthong.sqlite3'}",
        "backup.folder": whole / "backups",
        "archive.folder": whole / "archives",
    }


def write_node(folder: Path, values: dict[str, Any], lang: Lang, now: datetime) -> list[Path]:
    """The files of a new node; gives their paths. Raises OSError."""
    from signing.selfsigned import fresh_key

    keys, parties = folder / "keys", folder / "parties"
    for new, mode in ((folder, 0o750), (keys, 0o700), (parties, 0o750)):
        new.mkdir(parents=True, exist_ok=True)
        new.chmod(mode)
    private, certificate = fresh_key(values["node.name"], now, identifier=values["node.identifier"])
    files: dict[Path, tuple[bytes, int]] = {
        folder / CONFIG_NAME: (example(lang, values).encode(), 0o640),
        keys / "truc.key.pem": (private, 0o600),
        keys / "truc.cert.pem": (certificate, 0o644),
        parties / "vi-du.toml.example": (EXAMPLE_PARTY.encode(), 0o640),
        folder / "README.md": (_readme(lang).encode(), 0o640),
        folder / ".gitignore": (b"keys/*.key.pem\n*.sqlite3*\n", 0o640),
    }
    for path, (content, mode) in files.items():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    return list(files)


def next_steps(lang: Lang) -> list[str]:
    """What a person does after init."""
    if lang is Lang.VI:
        return [
            "1. Chép parties/vi-du.toml.example thành parties/<tên>.toml, sửa theo từng bên.",
            "2. lienthong db upgrade                       # tạo cơ sở dữ liệu",
            "3. lienthong parties check                    # kiểm hồ sơ các bên",
            "4. lienthong parties apply --reason “lần đầu” # đưa vào hiệu lực",
            "5. lienthong doctor                           # kiểm tra tình trạng",
            "6. lienthong serve  và  lienthong work        # hai tiến trình của máy",
        ]
    return [
        "1. Copy parties/vi-du.toml.example to parties/<name>.toml and change it, one file for each party.",
        "2. lienthong db upgrade                      # make the database",
        "3. lienthong parties check                   # check the profiles",
        "4. lienthong parties apply --reason “first”  # put them into force",
        "5. lienthong doctor                          # is everything in order?",
        "6. lienthong serve  and  lienthong work      # the two processes of a node",
    ]


def _readme(lang: Lang) -> str:
    title = "# Máy Liên Thông" if lang is Lang.VI else "# A Liên Thông node"
    keys = (
        "`keys/truc.key.pem` là khóa ký của trục: giữ bí mật, sao lưu riêng. Gửi `keys/truc.cert.pem` cho các "
        "bên để kiểm tra xác nhận tiếp nhận thông điệp (`lienthong verify BIENNHAN.xml --cert truc.cert.pem`)."
        if lang is Lang.VI
        else "`keys/truc.key.pem` is the gateway's signing key: keep it secret, back it up apart. Give "
        "`keys/truc.cert.pem` to "
        "the parties, who check receipts with it (`lienthong verify RECEIPT.xml --cert truc.cert.pem`)."
    )
    return "\n".join([title, "", *next_steps(lang), "", keys, ""])


EXAMPLE_PARTY = """\
# Hồ sơ của một bên. Chép thành parties/<id>.toml rồi sửa. / The profile of one party. Copy to parties/<id>.toml.
# Mỗi thiết lập: docs/vi/operate.md. / Every setting: docs/en/operate.md.
id = "vi-du"                                # trùng tên tệp / the same as the file's name
name = "Đơn vị ví dụ"
role = "one-stop"                           # portal | one-stop | oversight
identifiers = ["H19.901", "000.99.01.H19"]  # mã đầu là mã trục ghi / the first is what we write
receives = "pull"                           # pull: tự lấy hộp thư | push: trục gửi tới

# SHA-256 của mã truy cập; tạo mã: openssl rand -base64 32 ; băm: printf %s "$THE" | sha256sum
# SHA-256 of the bearer token; a token: openssl rand -base64 32 ; its hash: printf %s "$TOKEN" | sha256sum
credentials = { token_sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }

# Chứng thư ký đã đăng ký; hai chứng thư cùng lúc khi thay khóa. / Registered for signing; two at once for roll-over.
# certificates = [{ file = "vi-du.cert.pem", tree = "chinh-phu" }]
signature = { default = "required", status_unknown = "hold" }

# Khi receives = "push": / With receives = "push":
# connector = { name = "rest", url = "https://…", timeout_s = 30 }

# Trạng thái 8 của bên này là tạm dừng hay chấm dứt? / Is this party's state 8 a pause or an end?
meaning = { Trang8LaTamDung = true }
"""


db = Group(
    "db",
    entries={
        "upgrade": LazyCommand("gateway.cli.node:upgrade", "Tạo hoặc nâng cấp lược đồ.", "Make or upgrade the schema."),
        "copy": LazyCommand(
            "gateway.cli.backup:copy", "Chép sang cơ sở dữ liệu khác.", "Copy it into another database."
        ),
    },
    vi="Cơ sở dữ liệu của máy.",
    en="The node's database.",
    no_args_is_help=True,
)


@command(
    "upgrade",
    acts=True,
    vi="Tạo cơ sở dữ liệu, hoặc nâng lên phiên bản chương trình cần. Sao lưu trước khi nâng cấp.",
    en="Make the database, or bring it to the revision that this program needs. Back it up before an upgrade.",
)
def upgrade(call: CommandRun) -> int:
    """Runs the migrations."""
    from gateway.opening import shown_url
    from gateway.store import SchemaMismatch, StoreError, open_engine
    from gateway.store import upgrade as run

    call.need(OperatorRole.ADMINISTRATOR, "db upgrade")
    url = database_url(call.settings)

    def waiting() -> None:
        call.screen.note(
            "Một lệnh khác đang nâng cấp cơ sở dữ liệu này; chờ lệnh đó xong.",
            "Another command is upgrading this database; waiting until it is done.",
        )

    try:
        before, after = run(open_engine(url, busy_timeout_s=1.0), waiting)
    except SchemaMismatch as error:
        raise Stopped(Problem("SYS-031", {"found": error.found or "–", "expected": error.expected})) from error
    except (StoreError, ValueError) as error:
        raise Stopped(Problem("SYS-030", {"url": shown_url(url), "reason": str(error)})) from error
    screen = call.screen
    if screen.as_json:
        screen.row({"before": before, "after": after, "url": shown_url(url)})
    elif before == after:
        screen.line(f"Cơ sở dữ liệu đã ở phiên bản {after}.", f"The database is at revision {after} already.")
    else:
        screen.line(f"Cơ sở dữ liệu: {before or '∅'} → {after}.", f"Database: {before or '∅'} → {after}.")
    return FINE


@command(
    "doctor",
    vi="Mọi thiết lập đang có hiệu lực và nguồn của từng thiết lập; kiểm tra khóa, chứng thư, cơ sở dữ liệu, hồ "
    "sơ các bên, cổng. Mã thoát 1 khi có lỗi.",
    en="Every setting in force and where it came from; checks keys, certificates, database, parties, ports. Exit 1 "
    "when "
    "something is wrong.",
)
@option("--all", "everything", is_flag=True, vi="Hiển thị cả các giá trị mặc định.", en="Default values too.")
def doctor(call: CommandRun, everything: bool) -> int:
    """Prints settings and findings."""
    _print_settings(call, everything=everything)
    found: list[DoctorFinding] = []
    for look in LOOKS:
        found += look(call)
    for finding in found:
        _print_finding(call.screen, finding)
    return PROBLEMS if any(_failed(finding) for finding in found) else FINE


def _print_settings(call: CommandRun, *, everything: bool) -> None:
    from gateway.opening import shown_url

    screen, loaded = call.screen, call.loaded
    for key, _, value in leaves(loaded.settings):
        if key == "database.url":
            value = shown_url(value)  # noqa: PLW2901 - it may hold a password
        origin = loaded.origin(key)
        if screen.as_json:
            screen.row({"setting": key, "value": _plain(value), "origin": origin.kind, "place": origin.place})
        elif everything or origin.kind != "default":
            where = f"{origin.kind} {origin.place}".strip()
            screen.line(f"{key} = {_shown(value)}    [{where}]")


def _print_finding(screen: Screen, finding: DoctorFinding) -> None:
    if screen.as_json:
        rows = [screen.problem_row(problem) for problem in finding.problems]
        screen.row({"check": finding.en, "ok": not rows, "problems": rows})
        return
    mark = "✗" if _failed(finding) else "!" if finding.problems else "✓"
    screen.line(f"{mark} {finding.vi}", f"{mark} {finding.en}")
    for problem in finding.problems:
        screen.problem(problem)


def _failed(finding: DoctorFinding) -> bool:
    return any(problem.outcome is ProblemOutcome.FAILED for problem in finding.problems)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [getattr(item, "name", item) if not isinstance(item, Path) else str(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, Enum) else value


def _shown(value: Any) -> str:
    """A setting's value as it is written in a configuration file, near enough to be read there again."""
    match _plain(value):
        case bool() as yes:
            return "true" if yes else "false"
        case dict() as table:
            return "{ " + ", ".join(f"{key} = {_shown(item)}" for key, item in table.items()) + " }"
        case list() as items:
            return ", ".join(_shown(item) for item in items)
        case None:
            return "–"
        case plain:
            return str(plain)


def _configuration(call: CommandRun) -> Iterator[DoctorFinding]:
    file = call.loaded.file
    yield DoctorFinding(f"cấu hình {file}", f"configuration {file}", call.loaded.notes)
    owners = packages_distributions()
    foreign = [
        Problem("SYS-036", {"name": name, "owners": sorted(set(owners[name]))})
        for name in OUR_PACKAGES
        if len(set(owners.get(name, ()))) > 1
    ]
    yield DoctorFinding("tên gói Python không trùng", "Python package names are ours alone", tuple(foreign))


def _key(call: CommandRun) -> Iterator[DoctorFinding]:
    from gateway.wiring import load_key

    settings = call.settings

    def look() -> Iterable[Problem]:
        key = load_key(settings)
        if key is None:
            return [Problem("SYS-037")]
        ends = key.certificate.not_after
        facts = {"party": settings.node.identifier, "fingerprint": key.fingerprint[:16] + "…", "until": when(ends)}
        if ends <= call.now:
            return [Problem("SYS-028", facts)]
        days = (ends - call.now).days
        return [Problem("SYS-027", {**facts, "days": days})] if days < 60 else []

    yield tried_finding("khóa ký của trục", "the gateway's signing key", look)
    if settings.web.tls_key is not None:
        yield tried_finding("khóa TLS", "the TLS key", lambda: _secret_file(settings.web.tls_key))

        def context() -> None:
            from gateway.web.tls import server_context

            server_context(settings.web)

        yield tried_finding("chứng thư TLS", "the TLS certificate", context)


def _secret_file(path: Path | None) -> Iterable[Problem]:
    if path is None:
        return
    try:
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        facts = {"path": str(path), "key": "web.tls_key", "file": CONFIG_NAME, "reason": system_reason(error)}
        yield Problem("SYS-020", facts)
        return
    if mode & 0o077:
        yield Problem("SYS-023", {"path": str(path), "mode": f"{mode:03o}"})


def _database(call: CommandRun) -> Iterator[DoctorFinding]:
    from gateway.opening import shown_url

    url = shown_url(call.settings.database.url)

    def look() -> None:
        with call.store.read() as view:
            view.parties_version()
        with call.store.begin():  # nothing is written, but it must be possible to
            pass

    yield tried_finding(f"cơ sở dữ liệu {url}", f"database {url}", look)
    if _there(call):
        yield tried_finding("đồng hồ khớp với nhật ký", "the clock fits the log", lambda: _clock(call))
    file = call.store.engine.url.database if url.startswith("sqlite:") and _there(call) else None
    if file is not None:
        free_mb = shutil.disk_usage(Path(file).parent).free // 2**20
        problems = (Problem("SYS-055", {"path": file, "free_mb": free_mb}),) if free_mb < LEAST_FREE_MB else ()
        yield DoctorFinding("đĩa của cơ sở dữ liệu còn dung lượng", "the database's disk has room", problems)
    if _there(call):
        yield _backup(call)


def _backup(call: CommandRun) -> DoctorFinding:
    """When there was a backup, and what is wrong with it."""
    from gateway.cli.alerts import backup_flaws
    from gateway.services.backup_watch import last_backup

    made = last_backup(call.store).made
    shown = when(made.at) if made is not None else None
    problems = [
        Problem(str(one.facts["code"]), dict(one.facts["problem"]))
        for one in backup_flaws(call.settings, call.store, call.now)
    ]
    return DoctorFinding(
        f"sao lưu gần nhất: {shown or 'chưa có'}", f"the last backup: {shown or 'none yet'}", tuple(problems)
    )


def _clock(call: CommandRun) -> Iterable[Problem]:
    """A log that is ahead of the clock: the clock was set back."""
    with call.store.read() as view:
        newest = [entry.at for entry in view.log_entries(after=view.log_head().number - 1)][-1:]
    if newest and newest[0] > call.now + timedelta(minutes=1):
        return [Problem("SYS-057", {"now": when(call.now), "newest": when(newest[0])})]
    return []


def _there(call: CommandRun) -> bool:
    try:
        return call.store is not None
    except Stopped:
        return False  # that was said above


def _parties(call: CommandRun) -> Iterator[DoctorFinding]:
    from gateway.cli.parties import expiries, read_all
    from gateway.services.profiles import profile_differences
    from gateway.wiring import load_trees, prove_registry, registry_of

    settings: Settings = call.settings

    def look_at_trees() -> None:
        load_trees(settings)

    yield tried_finding("cây tin cậy", "trust trees", look_at_trees)

    def look() -> Iterable[Problem]:
        found = read_all(settings)
        problems = expiries(found, call)
        with suppress(Stopped):  # no database: said above
            differences = profile_differences(registry_of(call.store), found, remove_missing=True)
            if differences:
                problems.append(Problem("SYS-035", {"parties": [one.party for one in differences]}))
        return problems

    yield tried_finding("hồ sơ các bên", "party profiles", look)

    def built() -> None:
        with call.store.read() as view:
            rows = view.parties()
        prove_registry(rows, settings)

    if _there(call):
        yield tried_finding("mọi hồ sơ đang có hiệu lực đều dùng được", "every profile in force can be built", built)

    with suppress(Stopped):  # without a database there is none to look at: that was said above
        empty = not len(registry_of(call.store))
        problems = (Problem("SYS-033", {"folder": str(settings.parties.folder)}),) if empty else ()
        yield DoctorFinding("sổ đăng ký đang có hiệu lực", "the registry in force", problems)


def _declarations(call: CommandRun) -> Iterator[DoctorFinding]:
    from schemas.declarations import check_declaration

    folder = call.settings.schemas.declarations
    if folder is not None:
        yield tried_finding(f"tờ khai {folder}", f"declarations {folder}", lambda: check_declaration(folder))


def _deadlines(call: CommandRun) -> Iterator[DoctorFinding]:
    from gateway.services.calendars import BUNDLED
    from gateway.wiring import deadline_rules

    def look() -> Iterable[Problem]:
        rules = deadline_rules(call.settings)
        today = call.now.astimezone(GIO_VIET_NAM)
        file = call.settings.deadlines.calendar or BUNDLED
        for year in sorted({today.year, (today + timedelta(days=31)).year}):  # limits reach into the next year
            if rules.hand_over_in_working_hours and not rules.calendar.covers(year):
                yield Problem("SYS-049", {"year": year, "file": str(file)})
        checked = rules.calendar.last_checked
        if rules.hand_over_in_working_hours and (checked is None or today.date() - checked > CALENDAR_GOOD_FOR):
            yield Problem("SYS-062", {"file": str(file), "checked": f"{checked:%d/%m/%Y}" if checked else "–"})

    yield tried_finding("lịch làm việc và thời hạn", "working calendar and time limits", look)


def _port(call: CommandRun) -> Iterator[DoctorFinding]:
    web = call.settings.web
    address = host_and_port(web.host, web.port)
    try:
        with socket.create_connection((web.host, web.port), timeout=2):
            running = True
    except OSError:
        running = False
    if running:
        found = _who_listens(call.settings)
        if found == call.settings.node.identifier:
            yield DoctorFinding(f"trục này đang nhận tại {address}", f"this node takes messages at {address}")
        else:
            problem = Problem(
                "SYS-083", {"address": address, "node": call.settings.node.identifier, "found": found or "–"}
            )
            yield DoctorFinding(f"cổng {address}", f"port {address}", (problem,))
        return
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((web.host, web.port))
    except OSError as error:
        problem = Problem("SYS-032", {"address": address, "reason": system_reason(error)})
        yield DoctorFinding(f"cổng {address}", f"port {address}", (problem,))
        return
    yield DoctorFinding(f"cổng {address} còn trống", f"port {address} is free")


def _who_listens(settings: Settings) -> str | None:
    """The node that whoever listens at our address says it is; None where it is no gateway at all."""
    web = settings.web
    try:
        if web.tls_certificate is not None:
            looking = ssl.create_default_context()
            looking.check_hostname, looking.verify_mode = False, ssl.CERT_NONE  # asked who it is; nothing is told to it
            line: http.client.HTTPConnection = http.client.HTTPSConnection(
                web.host, web.port, timeout=5, context=looking
            )
        else:
            line = http.client.HTTPConnection(web.host, web.port, timeout=5)
        with closing(line):
            line.request("GET", "/healthz")
            said = json.loads(line.getresponse().read(4096))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    node = said.get("node") if isinstance(said, dict) else None
    return node if isinstance(node, str) else None


def _statuses(call: CommandRun) -> Iterator[DoctorFinding]:
    """What is not known of the registered certificates, and for want of what."""
    from gateway.services.certificate_ends import unproven
    from gateway.wiring import registry_looked_at

    def look() -> Iterable[Problem]:
        parties, trust = registry_looked_at(call.settings, call.store)
        return [problem for one in unproven(trust, parties, call.now) for problem in one.problems()]

    if call.settings.trust.trees and _there(call):
        yield tried_finding("trạng thái chứng thư các bên", "status of the parties' certificates", look)


def _files(call: CommandRun) -> Iterator[DoctorFinding]:
    """The folder of files is there, writable, and ours alone."""
    from gateway.wiring import file_folder

    folder = file_folder(call.settings)
    if folder is None:
        return

    def look() -> Iterator[Problem]:
        try:
            folder.check()
            mode = stat.S_IMODE(folder.path.stat().st_mode)
        except OSError as error:
            facts = {"path": str(folder.path), "key": "files.folder", "file": CONFIG_NAME}
            yield Problem("SYS-020", {**facts, "reason": system_reason(error)})
            return
        if mode & 0o077:
            yield Problem("SYS-023", {"path": str(folder.path), "mode": f"{mode:03o}"})

    yield tried_finding(f"thư mục tệp {folder.path}", f"folder of files {folder.path}", look)


LOOKS: tuple[Callable[[CommandRun], Iterable[DoctorFinding]], ...] = (
    _configuration,
    _key,
    _database,
    _parties,
    _statuses,
    _declarations,
    _deadlines,
    _files,
    proxies,
    host,
    _port,
)
