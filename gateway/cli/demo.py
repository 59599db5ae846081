"""lienthong demo: one dossier travels both ways through a real gateway, and one failure is mended by hand.

Everything is real: the commands that are shown are run as processes, the messages are the signed files of samples/, the
gateway, its worker and the agency are HTTP servers on loopback. Each step checks what it tells; a step that is not as
told ends the demonstration with exit code 1.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import FINE, OURS, PROBLEMS, CommandRun, command, option
from gateway.cli.show import inert
from gateway.core.model import Delivery, DeliveryState, PartyId
from gateway.core.os_words import in_vietnamese, system_reason
from gateway.core.problems import Problem, Stopped
from gateway.core.unknown import unknown

if TYPE_CHECKING:
    from gateway.cli.play.national import NationalPortal
    from gateway.store import Lane, Store

HO_SO = "H19.901-260115-0001"
HO_SO_HONG = "H19.901-260115-0002"
HO_SO_QUOC_GIA = "H19.901-260115-0003"
PATIENCE_S = 60.0  # for any one thing to happen; it takes a second or two
TOKEN = {"cong-dvc": "TEST-ONLY-cong-dvc", "so-tu-phap": "TEST-ONLY-so-tu-phap"}
KEYS = (  # what the node of the demonstration needs of samples/keys
    "root-a.cert", "issuing-a.cert", "issuing-silent.cert", "root-a.crl", "issuing-a.crl",
    "root-b.cert", "issuing-b.cert", "root-b.crl", "issuing-b.crl",
    "cong-dvc.cert", "so-tu-phap.cert", "so-tu-phap-2.cert", "ubnd-xa-thu-nghiem.cert",
    "so-tu-phap.key",
)  # fmt: skip


class NotAsTold(Exception):
    """A step did not come to what it should."""


@command(
    "demo",
    vi="Trình diễn một hồ sơ có chữ ký được chuyển trọn hai chiều: cổng nộp, trục kiểm tra và ghi, chuyển cho cơ "
    "quan; cơ quan trả trạng thái, cổng lấy về; một lượt gửi không thành công được phát hiện, giải thích và "
    "gửi lại. Mọi bước chạy thật trên máy này và tự kết thúc.",
    en="Watch one signed dossier travel both ways: a portal files it, the gateway judges and records it and delivers "
    "it to "
    "an agency; the agency answers with statuses, the portal pulls them; one failed delivery is found, explained and "
    "replayed. All of it is real, on this machine, and ends by itself.",
)
@option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    vi="Thư mục của máy thử nghiệm; lần chạy sau xóa và tạo lại.",
    en="The folder of the demonstration's node; the next run clears it.",
)
@option(
    "--samples",
    type=click.Path(path_type=Path, file_okay=False),
    vi="Thư mục bộ mẫu (mặc định: samples của bản mã nguồn).",
    en="The folder of the samples (default: that of the source checkout).",
)
@option(
    "--keep", is_flag=True, vi="Tiếp tục chạy trục tới khi nhấn Ctrl-C.", en="Keep the gateway running until Ctrl-C."
)
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    vi="Cổng của trục; 0: cổng trống bất kỳ.",
    en="The gateway's port; 0: any free one.",
)
def demo(call: CommandRun, folder: Path, samples: Path | None, keep: bool, port: int) -> int:
    """Runs the story."""
    found = find_samples(samples)
    stage = DemoStage(call, clear(folder.resolve()), found, keep, port)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends it so ends what it has started, too
    try:
        with stage.open:
            story(stage)
            if keep:
                stage.keep_open()
            stage.close()
            stage.tell("Mọi tiến trình đã dừng.", "Every process has stopped cleanly.")
    except NotAsTold as error:
        stage.tell(f"DỪNG: {in_vietnamese(str(error))}", f"STOP: {error}")
        stage.tell(f"Nhật ký các tiến trình: {stage.folder}/*.log", f"The processes' logs: {stage.folder}/*.log")
        return PROBLEMS
    except subprocess.TimeoutExpired as error:
        stage.tell(f"DỪNG: quá thời gian: {error.cmd}", f"STOP: took too long: {error.cmd}")
        return OURS
    finally:
        signal.signal(signal.SIGTERM, before)
    return FINE


def find_samples(given: Path | None) -> Path:
    """The samples: as given, of this folder, or of the checkout this program runs from. Raises Stopped (SYS-042)."""
    places = [given] if given is not None else [Path.cwd() / "samples", Path(__file__).resolve().parents[2] / "samples"]
    for place in places:
        if (place / "accepted").is_dir() and (place / "keys").is_dir():
            return place.resolve()
    raise Stopped(unknown("samples", str(places[-1])))


MARK = ".lienthong-demo"


def clear(folder: Path) -> Path:
    """An empty folder for the demonstration; only one of its own is ever cleared. Raises Stopped (SYS-046, SYS-038)."""
    try:
        if folder.exists() and any(folder.iterdir()):
            if not (folder / MARK).exists():
                raise Stopped(Problem("SYS-046", {"path": str(folder)}))
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARK).touch()
    except OSError as error:
        raise Stopped(Problem("SYS-038", {"path": str(folder), "reason": system_reason(error)})) from error
    return folder


@dataclass
class DemoStage:
    """Where the story is played: a folder, the processes, and what is told of them."""

    call: CommandRun
    folder: Path
    samples: Path
    keep: bool
    port: int
    open: ExitStack = field(default_factory=ExitStack)
    gateway: str = ""
    agency: str = ""
    national: NationalPortal | None = None
    chapter: int = 0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def node(self) -> Path:
        """The node's folder."""
        return self.folder / "nut"

    # Telling

    def tell(self, vi: str, en: str) -> None:
        """A sentence in both languages."""
        self._print(f"  {vi}")
        self._print(f"  {en}", dim=True)

    def begin(self, vi: str, en: str) -> None:
        """A new chapter."""
        self.chapter += 1
        self._print("")
        self._print(f"── {self.chapter}. {vi} · {en} ".ljust(110, "─"), bold=True)

    def shows(self, text: str) -> None:
        """What a program printed."""
        for line in text.rstrip("\n").splitlines():
            self._print(f"    {line}")

    def _print(self, text: str, **style: bool) -> None:
        click.secho(inert(text), **style)  # type: ignore[arg-type]  # bold and dim are booleans

    # Doing

    def run(self, *arguments: str, exits: int = FINE, quiet: bool = False) -> str:
        """Runs a real command as it is shown, in the node's folder; gives its output. Raises NotAsTold."""
        self._print(f"  $ lienthong {shlex.join(arguments)}", bold=True)
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            cwd=self.node,
            env=self._environment(),
            capture_output=True,
            timeout=PATIENCE_S * 2,
            check=False,
        )
        output, errors = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        if not quiet or done.returncode != exits:
            self.shows(output + errors)
        if done.returncode != exits:
            raise NotAsTold(f"lienthong {shlex.join(arguments)}: exit {done.returncode}, expected {exits}")
        return output

    @cached_property
    def store(self) -> Store:
        """The node's database, to see that what is told is so."""
        from gateway.opening import open_store
        from gateway.settings import load

        store = open_store(load(self.node / "lienthong.toml", {}))
        self.open.callback(store.dispose)
        return store

    def _environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("LIENTHONG_")}
        return {**ours, "LIENTHONG_LANG": str(self.call.lang), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def start(self, name: str, *arguments: str, shown: str | None = None) -> str:
        """Starts a process that goes on, and waits until it says that it is ready; gives what it said."""
        self._print(f"  $ {shown or 'lienthong ' + shlex.join(arguments)} &", bold=True)
        module = [] if shown is not None else ["-m", "gateway"]
        errors = self.open.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, *module, *arguments],
            cwd=self.node,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        self.processes[name] = process
        self.open.callback(end_process, process)
        line = first_line(process, name)
        return str(json.loads(line)["ready"])

    def post(self, path: str, body: bytes, token: str, url: str | None = None) -> HttpAnswer:
        """POST as a party's system would."""
        return _exchange("POST", (url or self.gateway) + path, body, token)

    def get(self, path: str, token: str, url: str | None = None) -> HttpAnswer:
        """GET as a party's system would."""
        return _exchange("GET", (url or self.gateway) + path, None, token)

    def until(self, what: str, true: Callable[[], Any]) -> Any:
        """Waits until it is so; gives what it came to. Raises NotAsTold."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if (value := true()) is not None:
                return value
            time.sleep(0.2)
        raise NotAsTold(what)

    def sees(self, fact: bool, what: str) -> None:
        """Raises NotAsTold unless it is so."""
        if not fact:
            raise NotAsTold(what)

    def keep_open(self) -> None:
        """Goes on until Ctrl-C."""
        self.tell("Trục đang chạy; nhấn Ctrl-C để dừng.", "The gateway is running; Ctrl-C stops it.")
        with suppress(KeyboardInterrupt):
            while all(process.poll() is None for process in self.processes.values()):
                time.sleep(0.5)

    def close(self) -> None:
        """Stops everything as an operator would, and sees that it ends well."""
        for name, process in reversed(self.processes.items()):
            process.send_signal(signal.SIGTERM)
            code = process.wait(PATIENCE_S)
            self.sees(code == 0, f"{name} ended with {code}")


@dataclass(frozen=True)
class HttpAnswer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def _exchange(method: str, url: str, body: bytes | None, token: str) -> HttpAnswer:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/xml" if body else "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/xml"
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - our own loopback servers
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            return HttpAnswer(answer.status, answer.read(), dict(answer.headers))
    except urllib.error.HTTPError as error:
        return HttpAnswer(error.code, error.read(), dict(error.headers))
    except (OSError, http.client.HTTPException) as error:
        raise NotAsTold(f"{method} {url}: {system_reason(error)}") from error


def first_line(process: subprocess.Popen[bytes], name: str) -> bytes:
    """The first JSON line a process prints; waits for it, but not for ever."""
    import selectors

    if process.stdout is None:
        raise NotAsTold(name)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and process.poll() is None:
            if selector.select(0.5):
                line = process.stdout.readline()
                if line.startswith(b"{"):
                    return line
    raise NotAsTold(f"{name} did not come up")


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Tells a process to stop, and sees to it that it does."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
    if process.stdout is not None:
        process.stdout.close()


# The story ------------------------------------------------------------------------------------------------------------


def story(stage: DemoStage) -> None:
    """From an empty folder to a mended failure."""
    chapters: tuple[Callable[[DemoStage], None], ...] = (
        _a_node,
        _opening,
        _filing,
        _delivery,
        _statuses,
        _inbox,
        _failure,
        _mending,
        _national,
        _behind_our_back,
        _timeline,
    )
    stage.tell(
        "Liên Thông: một hồ sơ được chuyển từ cổng dịch vụ công tới cơ quan và ngược lại. Mọi lệnh dưới đây được chạy thật.",
        "Liên Thông: a dossier travels from a portal to an agency and back. Every command below is really run.",
    )
    for chapter in chapters:
        chapter(stage)
    _farewell(stage)


def _a_node(stage: DemoStage) -> None:
    stage.begin("Thiết lập một máy mới", "A node from nothing")
    stage.tell(
        "Cấu hình có chú giải, khóa ký mới (ECDSA P-256), cơ sở dữ liệu SQLite.",
        "An annotated configuration, a fresh signing key (ECDSA P-256), a SQLite database.",
    )
    stage.node.mkdir()
    stage.run("init", ".", quiet=True)
    stage.agency = stage.start(
        "co-quan",
        *_agency_arguments(stage),
        shown="python -m gateway.cli.play.agency --identifier H19.901   # hệ thống một cửa của Sở Tư pháp",
    )
    _furnish(stage)
    stage.run("db", "upgrade")
    stage.tell(
        "Hồ sơ các bên là tệp do người vận hành lập; chỉ lệnh “apply” mới đưa vào hiệu lực, có người thực hiện và lý do.",
        "Party profiles are files that people write; only “apply” puts them into force, with author and reason.",
    )
    stage.run("parties", "apply", "--yes", "--reason", "Trình diễn: bốn bên thử nghiệm", quiet=True)
    stage.run("parties", "list")


def _agency_arguments(stage: DemoStage) -> list[str]:
    keys = stage.samples / "keys"
    return [
        "-m", "gateway.cli.play.agency",
        "--identifier", "H19.901", "--name", "Sở Tư pháp (thử nghiệm)",
        "--key", str(keys / "so-tu-phap.key.test.pem"), "--cert", str(keys / "so-tu-phap.cert.test.pem"),
        "--folder", str(stage.folder / "co-quan"),
    ]  # fmt: skip


def _furnish(stage: DemoStage) -> None:
    """The three parties of the samples, their certificates and the two trust trees, in the node's folder."""
    for name in KEYS:
        if not name.endswith(".key"):
            shutil.copy(stage.samples / "keys" / f"{name}.test.pem", stage.node / "keys")
    _furnish_national(stage)
    for party in ("cong-dvc", "so-tu-phap", "ubnd-xa-thu-nghiem"):
        text = (stage.samples / "parties" / f"{party}.toml").read_text("utf-8")
        text = re.sub(r'url = "[^"]*"', f'url = "{stage.agency}/lienthong"', text)
        (stage.node / "parties" / f"{party}.toml").write_text(text, "utf-8")
    trees = (stage.samples / "lienthong.toml").read_text("utf-8")
    config = stage.node / "lienthong.toml"
    text = re.sub(r"^#(window_past_days) = .*$", r"\1 = 36500", config.read_text("utf-8"), flags=re.MULTILINE)
    config.write_text(text + "\n" + trees[trees.index("[[trust.trees]]") :], "utf-8")  # the samples are of one day


NATIONAL = """\
id = "cong-quoc-gia"
name = "Cổng kiểu quốc gia (thử nghiệm)"
role = "portal"
identifiers = ["H19.988"]
receives = "push"

[connector]
name = "qcvn120"
url = "{url}"
username = "dongnai"
password = "file:{secret}"
madonvi = "H19.900"
tra_cuu = "TraCuuHoSo"
private_addresses = true
codes = {{ exists = ["E1"], missing = ["E2"], expired = ["E9"] }}
"""


def _furnish_national(stage: DemoStage) -> None:
    """A portal that reads no messages: it is told of dossiers as they stand. It plays inside this process."""
    from gateway.cli.play.national import NationalPortal

    stage.national = NationalPortal("dongnai", "TEST-ONLY-cong-quoc-gia")
    stage.open.callback(stage.national.close)
    secret = stage.node / "keys" / "cong-quoc-gia.secret"
    secret.write_text("TEST-ONLY-cong-quoc-gia", "utf-8")
    secret.chmod(0o600)
    profile = NATIONAL.format(url=stage.national.url, secret=secret)
    (stage.node / "parties" / "cong-quoc-gia.toml").write_text(profile, "utf-8")


def _opening(stage: DemoStage) -> None:
    stage.begin("Khởi động trục", "The gateway opens")
    stage.gateway = stage.start("serve", "serve", "--port", str(stage.port), "--json")
    stage.start("work", "work", "--json")
    stage.tell(f"Trục tiếp nhận tại {stage.gateway}.", f"The gateway takes messages at {stage.gateway}.")


def _sample(stage: DemoStage, name: str) -> tuple[Path, bytes]:
    file = stage.samples / "accepted" / f"{name}.xml"
    return file, file.read_bytes()


def _send(stage: DemoStage, name: str, party: str) -> HttpAnswer:
    file, body = _sample(stage, name)
    click.secho(
        f"  $ curl -H 'Authorization: Bearer {TOKEN[party]}' -H 'Content-Type: application/xml' "
        f"--data-binary @{_short(file)} {stage.gateway}/v1/messages",
        bold=True,
    )
    return stage.post("/v1/messages", body, TOKEN[party])


def _short(file: Path) -> str:
    with suppress(ValueError):
        return str(file.relative_to(Path.cwd()))
    return str(file)


def _program() -> str:
    """How this program is called from here."""
    found = shutil.which("lienthong")
    beside = Path(sys.executable).parent / "lienthong"
    if found is not None and Path(found).resolve() == beside.resolve():
        return "lienthong"
    return _short(beside) if beside.exists() else f"{_short(Path(sys.executable))} -m gateway"


def _filing(stage: DemoStage) -> None:
    stage.begin("Công dân nộp hồ sơ", "A citizen files a dossier")
    file, body = _sample(stage, "HS01-nop-ho-so-toi-thieu")
    stage.tell(
        "Cổng ký một NopHoSo (HS01). Trước khi gửi, có thể kiểm tra thử, không cần máy chủ:",
        "The portal signs a NopHoSo (HS01). Before it is sent, anybody can have it judged, without a server:",
    )
    stage.run("check", str(file))
    first = _send(stage, "HS01-nop-ho-so-toi-thieu", "cong-dvc")
    stage.sees(first.status == 201, f"HTTP {first.status}: {first.body[:300]!r}")
    receipt = stage.node / "bien-nhan.xml"
    receipt.write_bytes(first.body)
    stage.shows(f"HTTP 201 · BienNhan {len(first.body)} byte · {first.headers.get('Location', '')}")
    stage.tell(
        "Trả lời là xác nhận tiếp nhận thông điệp do trục ký, chỉ gửi đi sau khi đã ghi vào cơ sở dữ "
        "liệu. Cổng kiểm tra xác nhận này:",
        "The answer is a receipt signed by the gateway, sent only after all is in the database. The portal verifies "
        "it:",
    )
    stage.run("verify", "bien-nhan.xml", "--cert", "keys/truc.cert.pem")
    again = _send(stage, "HS01-nop-ho-so-toi-thieu", "cong-dvc")
    stage.sees(again.status == 200 and again.body == first.body, "the same message did not get the same receipt")
    stage.shows("HTTP 200 · cùng xác nhận tiếp nhận, từng byte / the same receipt, byte for byte")
    stage.sees(hashlib.sha256(body).hexdigest() in first.body.decode(), "the receipt does not name what was received")


def _delivery(stage: DemoStage) -> None:
    stage.begin("Trục chuyển cho cơ quan", "The gateway delivers to the agency")
    taken = stage.until("the agency got nothing", lambda: _taken(stage, 1))
    _, body = _sample(stage, "HS01-nop-ho-so-toi-thieu")
    stage.sees(taken[0]["digest"] == hashlib.sha256(body).hexdigest(), "the agency got other bytes")
    stage.tell(
        "Hệ thống một cửa của Sở Tư pháp đã nhận đúng từng byte mà cổng ký, một lần.",
        "The agency's one-stop system has received exactly the bytes that the portal signed, once.",
    )
    stage.until(
        "the delivery was not settled", lambda: _state_of(stage, taken[0]["ma_thong_diep"], DeliveryState.DELIVERED)
    )
    stage.run("show", taken[0]["ma_thong_diep"])


def _taken(stage: DemoStage, least: int) -> list[dict[str, Any]] | None:
    rows = stage.get("/da-nhan", "none", stage.agency).json
    return rows if len(rows) >= least else None


def _state_of(stage: DemoStage, name: str, state: DeliveryState) -> Delivery | None:
    """A delivery of this message, or of this id, when it is in this state."""
    with stage.store.read() as view:
        for message in view.find(name):
            for delivery in view.deliveries(message=message.id, states=[state]):
                return delivery
    return None


STATUSES = ("HS03-tiep-nhan-toi-thieu", "HS05-tien-do-toi-thieu", "HS11-tra-ket-qua-toi-thieu")


def _statuses(stage: DemoStage) -> None:
    stage.begin("Cơ quan trả trạng thái", "The agency pushes statuses back")
    for name in STATUSES:
        answer = _send(stage, name, "so-tu-phap")
        stage.sees(answer.status == 201, f"{name}: HTTP {answer.status}: {answer.body[:300]!r}")
        stage.shows(f"HTTP 201 · {name}")


def _inbox(stage: DemoStage) -> None:
    stage.begin("Cổng lấy về, đúng thứ tự", "The portal pulls them, in order")
    click.secho(
        f"  $ curl -H 'Authorization: Bearer {TOKEN['cong-dvc']}' '{stage.gateway}/v1/inbox?after=0'", bold=True
    )
    answer = stage.get("/v1/inbox?after=0&limit=50", TOKEN["cong-dvc"])
    stage.sees(answer.status == 200, f"HTTP {answer.status}: {answer.body[:300]!r}")
    entries = _entries(answer.json)
    for entry in entries:
        stage.shows(json.dumps(entry, ensure_ascii=False)[:200])
    kinds = [_field(entry, "loai", "LoaiThongDiep") for entry in entries]
    stage.sees(kinds == ["HS03", "HS05", "HS11"], f"the inbox holds {kinds}")
    stage.tell(
        "Vị trí 1, 2, 3, không thiếu số nào: cổng xác định được là không mất thông điệp nào.",
        "Positions 1, 2, 3 without a gap: the portal sees for itself that nothing is missing.",
    )
    stage.run("inbox", "cong-dvc")


def _entries(page: Any) -> list[dict[str, Any]]:
    if isinstance(page, dict):
        for value in page.values():
            if isinstance(value, list):
                return list(value)
    return list(page) if isinstance(page, list) else []


def _field(row: Mapping[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if name in row), None)


def _failure(stage: DemoStage) -> None:
    stage.begin("Một lượt gửi không thành công", "A delivery fails")
    stage.tell(
        "Hồ sơ thứ hai: hệ thống của Sở chưa cấu hình thủ tục này nên từ chối dứt khoát.",
        "A second dossier: the agency's system does not know this procedure yet, and says its final no.",
    )
    knob = json.dumps({"fault": "refuse", "ma_ho_so": HO_SO_HONG}).encode()
    stage.sees(stage.post("/nut", knob, "none", stage.agency).status == 200, "the agency's knob")
    answer = _send(stage, "HS01-nop-ho-so-day-du", "cong-dvc")
    stage.sees(answer.status == 201, f"HTTP {answer.status}: {answer.body[:300]!r}")
    stage.shows("HTTP 201")
    held = stage.until("the refusal did not show", lambda: _held(stage))
    stage.tell(
        "Hàng đợi của hồ sơ đó bị tạm giữ; hồ sơ khác vẫn được chuyển. Người trực tra cứu nguyên nhân:",
        "That dossier's lane is held; every other flows. The operator finds it and sees why:",
    )
    stage.run("lanes", "--held", exits=PROBLEMS)
    stage.run("show", held.first.ma_thong_diep)


def _held(stage: DemoStage) -> Lane | None:
    with stage.store.read() as view:
        return next((lane for lane in view.lanes(held_only=True) if lane.lane == HO_SO_HONG), None)


def _mending(stage: DemoStage) -> None:
    stage.begin("Khắc phục và gửi lại", "Mended, and replayed")
    delivery = stage.until("no lane is held", lambda: _held(stage)).first.id
    stage.tell(
        "Sở bổ sung cấu hình thủ tục. Người trực xem kế hoạch trước, sau đó gửi lại: cùng mã, cùng nội dung.",
        "The agency adds the procedure. The operator looks at the plan first, then replays: same id, same bytes.",
    )
    stage.sees(stage.post("/nut", b'{"fault": "none"}', "none", stage.agency).status == 200, "the agency's knob")
    stage.run("replay", delivery, "--dry-run")
    stage.run("replay", delivery, "--yes", "--reason", "Sở đã cấu hình thủ tục 1.001612")
    stage.until("the replay did not arrive", lambda: _state_of(stage, delivery, DeliveryState.DELIVERED))
    taken = stage.until("the agency did not get it", lambda: _taken(stage, 2))
    stage.sees([one["times"] for one in taken] == [1, 1], f"taken in {[one['times'] for one in taken]} times")
    stage.run("lanes", "--held")


def _steps(at: datetime) -> tuple[tuple[str, dict[str, Any]], ...]:
    """A life with a supplement, a fee and a new appointment, an hour a step."""
    hour, due = timedelta(hours=1), at + timedelta(days=7)
    return (
        ("HS01", {"TrangThaiHoSo": "1", "NgayNopHoSo": at}),
        ("HS03", {"NgayTiepNhan": at + hour, "NgayHenTra": due}),
        ("HS06", {"HoSoBoSungId": "1", "NgayBoSung": at + 2 * hour, "ThoiHanBoSung": due.date()}),
        (
            "HS08",
            {"HoSoBoSungId": "1", "NgayTiepNhanBoSung": at + 3 * hour, "NgayHenTraMoi": due + timedelta(days=1)},
        ),
        ("HS09", {}),
        ("HS16", {"NgayHenTraTruoc": due + timedelta(days=1), "NgayHenTraMoi": due + timedelta(days=3)}),
        ("HS05", {"TrangThai": "4", "ThoiDiemXuLy": at + 6 * hour}),
        (
            "HS11",
            {
                "NgayKetThucXuLy": at + 7 * hour,
                "NgayTra": at + 7 * hour,
                "DanhSachGiayToKetQua": {
                    "GiayToKetQua": [{"TenGiayTo": "Trích lục (thử nghiệm)", "GiayToId": "GT-1", "SoKyHieu": "01/TL"}]
                },
            },
        ),
    )


def _national(stage: DemoStage) -> None:
    from gateway.core.model import Address
    from schemas.fresh import Size, fresh
    from signing.sign import SigningKey, sign

    stage.begin("Một cổng không đọc thông điệp", "A portal that reads no messages")
    stage.tell(
        "Cổng kiểu quốc gia chỉ nhận gói DongBoHoSoMC và dòng tiến độ. Sở báo một hồ sơ có bổ sung, lệ phí và "
        "hẹn lại; sau mỗi sự kiện, trục báo cho cổng đúng theo dữ liệu đang lưu.",
        "A portal of the national kind takes DongBoHoSoMC and rows of progress only. The agency tells of a dossier with a "
        "supplement, a fee and a new appointment; after each event the gateway tells the portal what is on record.",
    )
    keys = stage.samples / "keys"
    key = SigningKey.load(keys / "so-tu-phap.key.test.pem", keys / "so-tu-phap.cert.test.pem", private_mode=False)
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=10)
    for number, (loai, values) in enumerate(_steps(began)):
        at = began + timedelta(hours=number)
        body = fresh(
            loai,
            ma_ho_so=HO_SO_QUOC_GIA,
            seed=number,
            at=at,
            size=Size.SMALL,
            noi_gui=Address(ma_dinh_danh="H19.901"),
            noi_nhan=(Address(ma_dinh_danh="H19.988"),),
            values=values,
        )
        answer = stage.post("/v1/messages", sign(body, key, at=at), TOKEN["so-tu-phap"])
        stage.sees(answer.status == 201, f"{loai}: HTTP {answer.status}: {answer.body[:300]!r}")
    stage.shows("HTTP 201 · HS01 HS03 HS06 HS08 HS09 HS16 HS05 HS11")
    stage.until("the portal was not told", lambda: _at_the_portal(stage, "10"))
    stage.until("something is still on its way", lambda: None if _on_the_way(stage) else True)
    _same_as_on_record(stage)


def _at_the_portal(stage: DemoStage, state: str) -> dict[str, Any] | None:
    assert stage.national is not None
    found = stage.national.dossiers.get(HO_SO_QUOC_GIA)
    return found if found is not None and found.get("TrangThaiHoSo") == state else None


def _on_the_way(stage: DemoStage) -> bool:
    with stage.store.read() as view:
        return view.count_lanes(party=PartyId("cong-quoc-gia")) > 0


def _same_as_on_record(stage: DemoStage) -> None:
    """The portal's state, dates, fees, supplements and results are those of our own record."""
    from gateway.core.lifecycle import LifeRules
    from schemas.record import WORDS, record_of

    assert stage.national is not None
    with stage.store.read() as view:
        record = record_of(view.letters_of(HO_SO_QUOC_GIA, lambda _agency: LifeRules(), of=WORDS)).whole or {}
    there = stage.national.dossiers[HO_SO_QUOC_GIA]
    names = ("TrangThaiHoSo", "NgayTiepNhan", "NgayHenTra", "NgayTra", "NgayKetThucXuLy")
    for name in (*names, "DanhSachLePhi", "DanhSachHoSoBoSung", "DanhSachGiayToKetQua"):
        stage.sees(bool(record.get(name)) and there.get(name) == record[name], f"{name}: {there.get(name)}")
        shown = record[name] if name in names else f"{len(record[name])} dòng / rows"
        stage.shows(f"{name:20} {shown}  = cổng / at the portal")


def _behind_our_back(stage: DemoStage) -> None:
    stage.begin(
        "Dữ liệu bị thay đổi ngoài quy trình: phát hiện và khắc phục", "Changed behind our back: found, and mended"
    )
    assert stage.national is not None
    stage.national.change(HO_SO_QUOC_GIA, TrangThaiHoSo="4")
    stage.tell(
        "Trạng thái 10 ở cổng bị sửa thành 4. Trục tra cứu và phát hiện cổng trả lời khác thông tin đã xác nhận:",
        "Somebody at the portal changes state 10 to 4. The gateway asks, and finds that it says other than it confirmed:",
    )
    since = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    which = ("--party", "cong-quoc-gia")
    stage.sees("DLV-046" in stage.run("drift", *which, "--ask", exits=PROBLEMS), "drift did not find it")
    stage.run("reconcile", *which, "--from", since, exits=PROBLEMS)
    stage.tell(
        "Khắc phục: kế hoạch nêu thông tin sẽ báo lại; mỗi lượt gửi mới có giá trị băm trong nhật ký.",
        "Mended: the plan says what will be told again; each new delivery is sealed in the log.",
    )
    stage.run(
        "reconcile",
        *which,
        "--from",
        since,
        "--repair",
        "--yes",
        "--reason",
        "Cổng bị sửa thủ công, báo lại theo dữ liệu của trục",
    )
    stage.until("the portal was not told again", lambda: _at_the_portal(stage, "10"))
    _same_as_on_record(stage)


def _timeline(stage: DemoStage) -> None:
    stage.begin("Dòng thời gian của hồ sơ, và nhật ký", "The dossier's timeline, and the log")
    stage.run("dossier", HO_SO)
    with stage.store.read() as view:
        dossier = view.dossier(HO_SO)
    stage.sees(dossier is not None and dossier.trang_thai == 9, "the dossier is not in state 9")
    stage.run("log", "verify")


def _farewell(stage: DemoStage) -> None:
    stage.begin("Kết thúc. Để tự thử:", "The end. To try by hand:")
    port = 8310
    if stage.keep:
        url = stage.gateway
        stage.tell("Trục đang chạy. Ở cửa sổ khác:", "The gateway still runs. In another window:")
    else:
        url = f"http://127.0.0.1:{port}"
        stage.tell("Tiếp tục chạy trục, sau đó mở cửa sổ khác:", "Keep the gateway running, then open another window:")
        stage.shows(f'make demo ARGS="--keep --port {port}"      # lienthong demo --keep --port {port}')
    file = _short(stage.samples / "accepted" / "HS01-nop-ho-so-bien.xml")
    stage.shows(
        f"curl -i -H 'Authorization: Bearer {TOKEN['cong-dvc']}' -H 'Content-Type: application/xml' \\\n"
        f"     --data-binary @{file} {url}/v1/messages\n"
        f"{_program()} --config {_short(stage.node / 'lienthong.toml')} messages"
    )
    if stage.keep:
        _console(stage)


def _console(stage: DemoStage) -> None:
    """The console beside it, with a person made for this demo, and what to look at first."""
    made = stage.run(
        *("operator", "add", "truc", "--role", "administrator", "--generate", "--json", "--yes", "--reason", "demo"),
        quiet=True,
    )
    password = json.loads(made)["password"]
    address = stage.start("console", "console", "--port", "0", "--json")
    stage.tell(
        "Bàn trực, mở bằng trình duyệt (mật khẩu chỉ cho lần thử này):",
        "The console, in a browser (a throw-away password):",
    )
    stage.shows(f"{address}\ntruc / {password}")
    stage.tell(
        f"Xem trước: Tổng quan; rồi Hồ sơ, mã {HO_SO_HONG}: vì sao không tới, ai đã gửi lại; rồi Nhật ký.",
        f"Look first at: This morning; then Dossiers, code {HO_SO_HONG}: why it did not arrive, who replayed it; then Journal.",
    )
