"""lienthong sandbox: a gateway of one's own to integrate against, with a fictional portal and a fictional agency.

The gateway, its worker and its database are the real ones; the others are fictional, and can be made to misbehave by
``--fault`` and by HTTP while everything runs. The integrator gets a key, a certificate, a token and signed first messages
in the folder ``ban``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import FINE, PROBLEMS, CommandRun, command, option
from gateway.cli.demo import NotAsTold, end_process, first_line
from gateway.cli.node import write_node
from gateway.core.addresses import host_and_port
from gateway.core.model import Address
from gateway.core.operators import OperatorRole
from gateway.core.os_words import in_vietnamese, system_reason
from gateway.core.problems import Problem, Stopped
from gateway.settings import OWN_VARIABLES

if TYPE_CHECKING:
    from gateway.cli.play.world import Member, World

MARK = ".lienthong-sandbox"
YOU = {"one-stop": ("H19.990", "Đơn vị kết nối"), "portal": ("H19.991", "Cổng của đơn vị kết nối")}
OLD, OLD_UNIT, OLD_ROWS = (
    "ban-cu",
    "H19.992",
    "dong-bo.json",
)  # software of yours that was written for the national portal
OLD_ROW = {
    "MaHoSo": f"{OLD_UNIT}-260115-0001",
    "MaTTHC": "2.000815.01",
    "TenTTHC": "Chứng thực bản sao từ bản chính",
    "MaLinhVuc": "TP-CT",
    "TenLinhVuc": "Chứng thực",
    "LoaiDoiTuong": "1",
    "NgayTiepNhan": "20260115080000",
    "NgayHenTra": "20260120170000",
    "TrangThaiHoSo": "2",
    "HinhThuc": "0",
    "DonViXuLy": "Phần mềm cũ của đơn vị",
}


@command(
    "sandbox",
    vi="Trục thử nghiệm riêng để kết nối thử: cổng thử nghiệm và cơ quan thử nghiệm tự nộp hồ sơ, tự trả trạng "
    "thái, và mô phỏng lỗi theo yêu cầu (--fault, hoặc qua HTTP khi đang chạy). Khóa, chứng thư, mã truy cập "
    "và các thông điệp đầu tiên đã ký nằm trong thư mục ban/. Xem docs/vi/integrate.md.",
    en="A gateway of your own to integrate against: a fictional portal and agency that file and answer by "
    "themselves, and "
    "misbehave as you wish (--fault, or by HTTP while it runs). You get a key, a certificate, a token and signed first "
    "messages in the folder ban/. See docs/en/integrate.md.",
)
@option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("sandbox"),
    show_default=True,
    vi="Thư mục.",
    en="The folder.",
)
@option(
    "--role",
    type=click.Choice(sorted(YOU)),
    default="one-stop",
    show_default=True,
    vi="Vai trò của đơn vị: hệ thống một cửa hoặc cổng dịch vụ công.",
    en="Whether you are a one-stop system or a portal.",
)
@option(
    "--endpoint",
    metavar="URL",
    vi="Địa chỉ của đơn vị để trục gửi tới; nếu không nêu, đơn vị tự lấy hộp thư.",
    en="Your address, to be pushed to; without it you pull your inbox.",
)
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8310,
    show_default=True,
    vi="Cổng của trục.",
    en="The gateway's port.",
)
@option(
    "--control",
    type=click.IntRange(0, 65535),
    default=8311,
    show_default=True,
    vi="Cổng điều khiển.",
    en="The control port.",
)
@option(
    "--fault",
    "faults",
    multiple=True,
    metavar="WHO=FAULT",
    vi="Bật lỗi mô phỏng: so-thu=refuse:times=1, cong-thu=duplicate, ban=cut…",
    en="Turn a knob: so-thu=refuse:times=1, cong-thu=duplicate, ban=cut…",
)
@option(
    "--pace",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    vi="Số giây giữa các trạng thái của cơ quan thử nghiệm.",
    en="Seconds between the agency's statuses.",
)
def sandbox(
    call: CommandRun,
    folder: Path,
    role: str,
    endpoint: str | None,
    port: int,
    control: int,
    faults: tuple[str, ...],
    pace: float,
) -> int:
    """Runs until Ctrl-C."""
    ground = prepare(folder.resolve(), role)
    for note in obeyed(ground, os.environ):
        call.screen.problem(note, to_err=True)
    try:
        with ExitStack() as open_:
            return asyncio.run(_play(Play(call, ground, endpoint, port, control, faults, pace), open_))
    except NotAsTold as error:
        call.screen.note(
            f"DỪNG: {in_vietnamese(str(error))}; xem {ground.folder}/*.log", f"STOP: {error}; see {ground.folder}/*.log"
        )
        return PROBLEMS


#: What the sandbox itself sets, by table or key: a variable that says otherwise is refused, since it could not be obeyed.
ITS_OWN = (
    "node.identifier",
    "database",
    "key",
    "web.host",
    "web.port",
    "web.tls_certificate",
    "parties.folder",
    "operators",
)


def obeyed(ground: Ground, environment: Mapping[str, str]) -> tuple[Problem, ...]:
    """Notes on variables that no setting has; all others of the node's settings are handed on to it.

    Raises Stopped: SYS-088 for one that the sandbox sets itself, and what the settings say of values that cannot be.
    """
    from gateway.settings import in_environment, load, variable

    own = sorted(
        (variable(key), ".".join(map(str, key)))
        for key in in_environment()
        if variable(key) in environment and (key[0] in ITS_OWN or ".".join(map(str, key)) in ITS_OWN)
    )
    if own:
        raise Stopped(*(Problem("SYS-088", {"variable": name, "key": key}) for name, key in own))
    return load(ground.node / "lienthong.toml", environment).notes


def _free(host: str, port: int) -> None:
    """Raises Stopped (SYS-032) where somebody else has this port: the gateway's own process would tell it to its log only."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as error:
            facts = {"address": f"{host_and_port(host, port)} (--port)", "reason": system_reason(error)}
            raise Stopped(Problem("SYS-032", facts)) from error


@dataclass(frozen=True)
class Ground:
    """The sandbox's folder and what lies in it."""

    folder: Path
    role: str

    @property
    def node(self) -> Path:
        """The gateway's node."""
        return self.folder / "nut"

    @property
    def yours(self) -> Path:
        """What the integrator gets."""
        return self.folder / "ban"

    @property
    def identifier(self) -> str:
        """The integrator's agency identifier."""
        return YOU[self.role][0]

    @property
    def token(self) -> str:
        """The integrator's token."""
        return (self.yours / "the.txt").read_text("utf-8").strip()

    @property
    def password(self) -> str:
        """What an old client logs in with."""
        return (self.yours / "mat-khau.txt").read_text("utf-8").strip()


def prepare(folder: Path, role: str) -> Ground:
    """The folder with node, keys and tokens; what is there already stays. Raises Stopped (SYS-046, SYS-038)."""
    ground = Ground(folder, role)
    try:
        if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
            raise Stopped(Problem("SYS-046", {"path": str(folder)}))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).touch()
        if not (ground.node / "lienthong.toml").exists():
            _make_node(ground)
        ground.yours.mkdir(exist_ok=True)
        _make_member(ground.yours, "khoa.pem", "chung-thu.pem", "the.txt", *YOU[role])
        if not (ground.yours / "mat-khau.txt").exists():
            _write(ground.yours / "mat-khau.txt", secrets.token_urlsafe(18).encode() + b"\n", 0o600)
        (ground.yours / OLD_ROWS).write_text(json.dumps([OLD_ROW], ensure_ascii=False, indent=1), "utf-8")
    except OSError as error:
        raise Stopped(Problem("SYS-038", {"path": str(folder), "reason": system_reason(error)})) from error
    return ground


def _make_node(ground: Ground) -> None:
    import pwd

    from gateway.core.problems import Lang

    account = pwd.getpwuid(os.getuid()).pw_name
    values: dict[str, Any] = {
        "node.identifier": "H19.900",
        "node.name": "Trục thử nghiệm",
        "node.lang": "vi",
        "database.url": "sqlite:///lienthong.sqlite3",
        "key.file": "keys/truc.key.pem",
        "key.certificate": "keys/truc.cert.pem",
        "parties.reload_s": 1.0,
        "work.first_s": 1.0,
        "work.poll_s": 0.2,
        "work.private_addresses": True,
        "operators": {account: OperatorRole.ADMINISTRATOR.value},
    }
    write_node(ground.node, values, Lang.VI, datetime.now(UTC))
    for name, identifier, title in (("cong-thu", "H19.909", "Cổng thử nghiệm"), ("so-thu", "H19.901", "Sở thử nghiệm")):
        _make_member(ground.node / "keys", f"{name}.key.pem", f"{name}.cert.pem", f"{name}.token", identifier, title)
        make_key(ground.node / "keys", f"{name}-cu.key.pem", f"{name}-cu.cert.pem", title, identifier, ended=True)


def _make_member(folder: Path, key: str, certificate: str, token: str, identifier: str, name: str) -> None:
    make_key(folder, key, certificate, name, identifier)
    if not (folder / token).exists():
        _write(folder / token, secrets.token_urlsafe(32).encode() + b"\n", 0o600)


def make_key(folder: Path, key: str, certificate: str, name: str, identifier: str, *, ended: bool = False) -> bool:
    """A key with its certificate in these files, unless there is one; whether it was made now."""
    from signing.selfsigned import fresh_key

    if (folder / key).exists():
        return False
    at = datetime.now(UTC) - (timedelta(days=800) if ended else timedelta())
    private, public = fresh_key(name, at, identifier=identifier)
    _write(folder / key, private, 0o600)
    _write(folder / certificate, public, 0o644)
    return True


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def write_profiles(ground: Ground, control: str, endpoint: str | None) -> None:
    """The three parties' files, as they are registered."""
    keys = ground.node / "keys"
    _profile(
        ground,
        "cong-thu",
        "portal",
        "H19.909",
        "Cổng thử nghiệm",
        (keys / "cong-thu.token"),
        ["cong-thu", "cong-thu-cu"],
        None,
    )
    _profile(
        ground,
        "so-thu",
        "one-stop",
        "H19.901",
        "Sở thử nghiệm",
        (keys / "so-thu.token"),
        ["so-thu", "so-thu-cu"],
        f"{control}/so-thu/lienthong",
    )
    identifier, name = YOU[ground.role]
    relay = f"{control}/tram" if endpoint is not None else None
    _profile(ground, "ban", ground.role, identifier, name, ground.yours / "the.txt", None, relay)
    _old_client(ground)


def _old_client(ground: Ground) -> None:
    """A party of its own for software that was written for the national portal: it signs nothing."""
    digest = hashlib.sha256(f"{OLD}:{ground.password}".encode()).hexdigest()
    lines = [
        f'id = "{OLD}"',
        'name = "Phần mềm cũ của đơn vị"',
        'role = "one-stop"',
        f'identifiers = ["{OLD_UNIT}"]',
        f'credentials = {{ basic = {{ {OLD} = "{digest}" }} }}',
        'signature = { default = "required", HS01 = "accepted", HS05 = "accepted" }',
        "meaning = { Trang8LaTamDung = true }",
        "typed_submissions = true",
        "portal_form = { allowed = true }",
    ]
    (ground.node / "parties" / f"{OLD}.toml").write_text("\n".join(lines) + "\n", "utf-8")


def _profile(
    ground: Ground,
    party: str,
    role: str,
    identifier: str,
    name: str,
    token: Path,
    keys: list[str] | None,
    url: str | None,
) -> None:
    digest = hashlib.sha256(token.read_text("utf-8").strip().encode()).hexdigest()
    files = [f"../keys/{key}.cert.pem" for key in keys] if keys is not None else ["../../ban/chung-thu.pem"]
    certificates = ", ".join(f"{{ file = {json.dumps(file)} }}" for file in files)
    lines = [
        f"id = {json.dumps(party)}",
        f"name = {json.dumps(name, ensure_ascii=False)}",
        f"role = {json.dumps(role)}",
        f"identifiers = [{json.dumps(identifier)}]",
        f'receives = "{"push" if url else "pull"}"',
        f'credentials = {{ token_sha256 = "{digest}" }}',
        f"certificates = [{certificates}]",
        "meaning = { Trang8LaTamDung = true }",
        "typed_submissions = true",
    ]
    if url:
        lines.append(
            f'connector = {{ name = "rest", url = {json.dumps(url)}, private_addresses = true, timeout_s = 30 }}'
        )
    (ground.node / "parties" / f"{party}.toml").write_text("\n".join(lines) + "\n", "utf-8")


def register(ground: Ground) -> None:
    """The node's database, with the parties of the files in force. Raises Stopped."""
    from gateway.cli.parties import read_all
    from gateway.opening import store_at
    from gateway.services import profiles
    from gateway.settings import database_url, load
    from gateway.store import open_engine, upgrade
    from gateway.wiring import registry_of

    settings = load(ground.node / "lienthong.toml", {}).settings
    url = database_url(settings)
    engine = open_engine(url)
    upgrade(engine)
    engine.dispose()
    store = store_at(url)
    found = {party.id: party for party in read_all(settings)}
    differences = profiles.profile_differences(registry_of(store), found.values(), remove_missing=True)
    changed = {one.party: found.get(one.party) for one in differences}
    if changed:
        with store.begin() as tx:
            who = {"who": "operator:sandbox", "reason": "sandbox"}
            tx.change_parties(lambda current: profiles.to_apply(current, changed), **who, now=datetime.now(UTC))
    store.dispose()


@dataclass(frozen=True)
class Play:
    """One run of the sandbox."""

    call: CommandRun
    ground: Ground
    endpoint: str | None
    port: int
    control: int
    faults: tuple[str, ...]
    pace: float

    def start(self, open_: ExitStack, *arguments: str) -> str:
        """A process of ours that goes on; gives what it said when it was ready."""
        errors = open_.enter_context((self.ground.folder / f"{arguments[0]}.log").open("ab"))
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments, "--json"],
            cwd=self.ground.node,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        open_.callback(end_process, process)
        return str(json.loads(first_line(process, arguments[0]))["ready"])

    def environment(self) -> dict[str, str]:
        """With the settings of whoever calls us, as far as the node takes them, and without the options of the command line."""
        ours = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
        return {**ours, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


async def _play(play: Play, open_: ExitStack) -> int:
    from gateway.cli.play.world import all_knobs

    screen, ground = play.call.screen, play.ground
    world = world_of(ground, lambda vi, en: _tell(screen, vi, en))
    world.endpoint, world.pace_s = play.endpoint, play.pace
    for fault in play.faults:
        _turn(world, fault)
    _free("127.0.0.1", play.port)
    try:
        control = f"http://127.0.0.1:{await world.start('127.0.0.1', play.control)}"
    except OSError as error:
        facts = {"address": f"127.0.0.1:{play.control} (--control)", "reason": system_reason(error)}
        raise Stopped(Problem("SYS-032", facts)) from error
    try:
        write_profiles(ground, control, play.endpoint)
        await asyncio.to_thread(register, ground)
        world.gateway = await asyncio.to_thread(play.start, open_, "serve", "--port", str(play.port))
        await asyncio.to_thread(play.start, open_, "work")
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        world.begin()
        ma_ho_so = await _first_dossier(world, ground)
        files = first_messages(ground, world, ma_ho_so)
        text = guide(ground, world.gateway, control, files, play.endpoint, ma_ho_so)
        (ground.yours / "README.md").write_text(text, "utf-8")
        if screen.as_json:
            ready = {"ready": world.gateway, "control": control, "token": ground.token, "identifier": ground.identifier}
            screen.row({**ready, "files": [str(file) for file in files], "knobs": all_knobs(), "ma_ho_so": ma_ho_so})
        else:
            screen.line(text)
            screen.line("Nhấn Ctrl-C để dừng. Diễn biến:", "Ctrl-C stops. What happens:")
        await stop.wait()
    finally:
        await world.stop()
    return FINE


def world_of(ground: Ground, tell: Callable[[str, str], None]) -> World:
    """The fictional parties of this ground, not yet started."""
    from gateway.cli.play.world import World
    from schemas.catalog import bundled

    return World(
        gateway="",
        portal=_member(ground, "cong-thu", "H19.909", "Cổng thử nghiệm"),
        agency=_member(ground, "so-thu", "H19.901", "Sở thử nghiệm"),
        catalog=bundled(),
        tell=tell,
    )


def _tell(screen: Any, vi: str, en: str) -> None:
    at = datetime.now().astimezone().strftime("%H:%M:%S")
    if screen.as_json:
        screen.row({"at": at, "vi": vi, "en": en})
    else:
        screen.line(f"{at} {vi}", f"{at} {en}")


def _turn(world: World, fault: str) -> None:
    from gateway.cli.play.agency import parse_knob

    who, sep, text = fault.partition("=")
    try:
        if not sep:
            raise ValueError("WHO=FAULT")
        knob = parse_knob(text)
        world.turn_knob(
            {"who": who, **{n: getattr(knob, n) for n in ("fault", "times", "ma_ho_so", "seconds", "code")}}
        )
    except ValueError as error:
        raise click.BadParameter(f"{fault}: {error}", param_hint="--fault") from error


def _member(ground: Ground, name: str, identifier: str, title: str) -> Member:
    from gateway.cli.play.world import Member
    from signing.sign import SigningKey

    keys = ground.node / "keys"
    return Member(
        id=name,
        identifier=identifier,
        name=title,
        token=(keys / f"{name}.token").read_text("utf-8").strip(),
        key=SigningKey.load(keys / f"{name}.key.pem", keys / f"{name}.cert.pem"),
        expired=SigningKey.load(keys / f"{name}-cu.key.pem", keys / f"{name}-cu.cert.pem"),
    )


async def _first_dossier(world: World, ground: Ground) -> str:
    """A dossier to begin with: filed with the integrator when it is an agency; its own, to be filed, when a portal."""
    from gateway.cli.play.world import some_ma_ho_so

    if ground.role == "portal":
        return some_ma_ho_so(world.agency.identifier, datetime.now(UTC), 0)
    for _ in range(20):
        status, ma_ho_so, _ = await world.file(ground.identifier)
        if status in {200, 201, 202}:  # 200: the knob "duplicate" is on
            return ma_ho_so
        await asyncio.sleep(0.5)  # the registry may take a moment to be in force
    raise NotAsTold("the portal could not file a dossier")


def first_messages(ground: Ground, world: World, ma_ho_so: str) -> list[Path]:
    """Signed messages that the integrator can send at once, in order."""
    from gateway.cli.play.world import STATUSES, step
    from schemas.fresh import Size, fresh
    from signing.sign import SigningKey, sign

    key = SigningKey.load(ground.yours / "khoa.pem", ground.yours / "chung-thu.pem")
    you = Address(ma_dinh_danh=ground.identifier, ten_co_quan=YOU[ground.role][1])
    portal = ground.role == "portal"
    other = (world.agency if portal else world.portal).address
    plan = ("HS01",) if portal else STATUSES
    files: list[Path] = []
    now = datetime.now(UTC).replace(microsecond=0)
    for number, loai in enumerate(plan, 1):
        at = now + timedelta(seconds=number)
        body = fresh(
            loai,
            ma_ho_so=ma_ho_so,
            seed=int(at.timestamp()) % 2**31,
            at=at,
            size=Size.SMALL,
            noi_gui=you,
            noi_nhan=(other,),
            values=step(loai, at),
            catalog=world.catalog,
        )
        file = ground.yours / f"{number}-{loai}.xml"
        file.write_bytes(sign(body, key, at=at))
        files.append(file)
    return files


def guide(ground: Ground, gateway: str, control: str, files: list[Path], endpoint: str | None, ma_ho_so: str) -> str:
    """What an integrator does in the first five minutes."""
    yours = _short(ground.yours)
    sends = "\n".join(
        f"curl -i -H \"Authorization: Bearer $(cat {yours}/the.txt)\" -H 'Content-Type: application/xml' \\\n"
        f"     --data-binary @{_short(file)} {gateway}/v1/messages"
        for file in files
    )
    receives = (
        f"Trục gửi tới {endpoint} qua điểm trung chuyển {control}/tram. / The gateway pushes to {endpoint} through the relay.\n"
        if endpoint
        else f'curl -H "Authorization: Bearer $(cat {yours}/the.txt)" "{gateway}/v1/inbox?after=0&wait=20"\n'
    )
    portal = ground.role == "portal"
    mine = (
        f'HS01 --ho-so "H19.901-$(date +%y%m%d)-0001" --from {ground.identifier} --to H19.901'
        if portal
        else f"HS05 --ho-so {ma_ho_so} --from {ground.identifier} --to H19.909"
    )
    knob = f'curl -X POST -d \'{{"who": "ban", "fault": "cut", "times": 1}}\' {control}/nut\n' if endpoint else ""
    return f"""# Trục thử nghiệm / Your sandbox

Trục / gateway: {gateway}   ·   điều khiển / control: {control}
Đơn vị là / you are: {ground.identifier} ({ground.role})
Trong {yours}/: khoa.pem, chung-thu.pem, the.txt, mat-khau.txt, {OLD_ROWS}, {", ".join(file.name for file in files)}

1. Nhận / receive:

{receives}
2. Gửi, theo thứ tự / send, in this order:

{sends}

3. Ký thông điệp của đơn vị / sign a message of your own:

lienthong sample {mine} \\
    --key {yours}/khoa.pem --cert {yours}/chung-thu.pem -o moi.xml
lienthong --config {_short(ground.node)}/lienthong.toml check moi.xml

4. Mô phỏng lỗi / break things (refuse, 5xx, 429, slow, garbage, cut, cut-before, duplicate, reorder, expired, down):

curl -X POST -d '{{"who": "so-thu", "fault": "refuse", "times": 1}}' {control}/nut
curl -X POST -d '{{"who": "cong-thu", "fault": "duplicate"}}' {control}/nut
{knob}curl -X POST -d '{{"to": "{ground.identifier if not portal else "H19.901"}"}}' {control}/nop
curl {control}/

5. Phần mềm viết cho Cổng quốc gia, không ký / software written for the national portal, which signs nothing:

PHIEN=$(curl -s -d username={OLD} --data-urlencode "password=$(cat {yours}/mat-khau.txt)" {gateway}/dvcqg \\
        | sed -n 's/.*"session": "\\([^"]*\\)".*/\\1/p')
curl -s -d session=$PHIEN -d madonvi={OLD_UNIT} -d service=DongBoHoSoMC -d isUpdating=False \\
     --data-urlencode data@{yours}/{OLD_ROWS} {gateway}/dvcqg
curl -s -d session=$PHIEN -d madonvi={OLD_UNIT} -d service=TraCuuHoSo -d mahoso={OLD_UNIT}-260115-0001 {gateway}/dvcqg

6. Xem dữ liệu của trục / look inside:

lienthong --config {_short(ground.node)}/lienthong.toml messages
"""


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
