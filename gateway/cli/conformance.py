"""lienthong conformance: the gateway's side, played against an integrator's endpoint or inbox client; the report is theirs."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import FINE, PROBLEMS, CommandRun, command, option
from gateway.cli.demo import NotAsTold
from gateway.cli.passwords import password_asked, password_options
from gateway.cli.show import Screen
from gateway.core.model import Address, PartyId
from gateway.core.os_words import in_vietnamese, system_reason
from gateway.core.parties import Party, Receives, Role
from gateway.core.problems import Lang, Problem, Stopped
from gateway.core.unknown import unknown

if TYPE_CHECKING:
    from gateway.cli.play.kit import Result
    from gateway.cli.play.report import ConformanceReport
    from gateway.cli.play.world import World
    from signing.sign import SigningKey

ROLES = (Role.ONE_STOP.value, Role.PORTAL.value)
LETTERS = 6  # put into the inbox of a client that pulls


@command(
    "conformance",
    vi="Bộ kiểm tra hợp chuẩn cho đơn vị kết nối: thực hiện vai trò của trục đối với địa chỉ nhận của đơn vị "
    "(--url, hoặc --party lấy từ hồ sơ) hoặc đối với chương trình lấy hộp thư của đơn vị (--inbox), chạy từng "
    "trường hợp, lập báo cáo HTML và JSON để nộp. --list liệt kê các trường hợp.",
    en="The conformance kit for integrators: plays the gateway before your endpoint (--url, or --party from its "
    "profile) or before "
    "your inbox client (--inbox), runs named cases, writes a report as HTML and JSON to hand in. --list prints the "
    "cases.",
)
@option("--url", metavar="URL", vi="Địa chỉ nhận của đơn vị (REST).", en="Your endpoint (REST).")
@option(
    "--party",
    metavar="PARTY",
    vi="Bên có hồ sơ trong parties/: kiểm tra theo bộ kết nối của bên đó.",
    en="A party with a profile: tried by its own connector.",
)
@option(
    "--inbox",
    is_flag=True,
    vi="Kiểm tra chương trình lấy hộp thư: chương trình phải gọi địa chỉ được hiển thị.",
    en="Try an inbox client: it has to call the address that is printed.",
)
@option(
    "--role",
    type=click.Choice(ROLES),
    default=ROLES[0],
    show_default=True,
    vi="Vai trò của đơn vị.",
    en="What you are.",
)
@option(
    "--identifier", default="H19.990", show_default=True, vi="Mã định danh của đơn vị.", en="Your agency identifier."
)
@option(
    "--ho-so",
    "ma_ho_so",
    metavar="MAHOSO",
    vi="Hồ sơ đã có ở cổng của đơn vị (--role portal).",
    en="A dossier that your portal knows (--role portal).",
)
@option(
    "--authorization",
    metavar="env:NAME|file:PATH",
    vi="Nơi để giá trị tiêu đề Authorization.",
    en="Where the value of the Authorization header lies.",
)
@option(
    "--from",
    "sender",
    metavar="H19.909",
    vi="Mã định danh của bên gửi thử nghiệm.",
    en="The identifier of the test sender.",
)
@option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Khóa của bên gửi thử nghiệm.",
    en="The test sender's key.",
)
@option(
    "--cert",
    "certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Chứng thư của bên gửi thử nghiệm, đơn vị phải đăng ký trước; mặc định là chứng thư nằm trong tệp khóa.",
    en="Its certificate; register it on your side. By default the one in the key's file.",
)
@password_options
@option(
    "--system", metavar="TEXT", vi="Phần mềm được kiểm và phiên bản.", en="The software under test, and its version."
)
@option("--by", metavar="TEXT", vi="Người thực hiện: đơn vị, họ tên.", en="Who carries it out: unit, person.")
@option("--case", "cases", multiple=True, metavar="NAME", vi="Chỉ trường hợp này.", en="Only this case.")
@option("--list", "listing", is_flag=True, vi="Liệt kê các trường hợp.", en="Print the cases.")
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8312,
    show_default=True,
    vi="Cổng cho --inbox.",
    en="The port for --inbox.",
)
@option(
    "--wait",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    vi="Số giây chờ khi chương trình của đơn vị không gửi yêu cầu.",
    en="Wait for your client through so many seconds of silence.",
)
@option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("hop-chuan"),
    show_default=True,
    vi="Thư mục báo cáo.",
    en="The report's folder.",
)
def conformance(call: CommandRun, cases: tuple[str, ...], listing: bool, output: Path, **asked: Any) -> int:
    """Runs the kit and writes the report."""
    from gateway.cli.play import report

    screen = call.screen
    if listing:
        _list_cases(screen)
        return FINE
    if unknown := [name for name in cases if name not in report.demands()]:
        raise click.BadParameter(", ".join(unknown), param_hint="--case")
    ways = [asked["url"] is not None, asked["party"] is not None, asked["inbox"]]
    if sum(ways) != 1:
        raise click.UsageError(
            screen.text("Nêu một trong --url, --party, --inbox.", "Give one of --url, --party, --inbox.")
        )
    began = datetime.now(UTC)
    try:
        output.mkdir(parents=True, exist_ok=True)
        if asked["inbox"]:
            about, results = _pulling(call, output, asked)
            demanded = [*report.PULLING]
        else:
            about, results = _endpoint(call, output, cases, asked)
            demanded = [name for name in report.demands() if name not in report.PULLING]
    except NotAsTold as error:
        screen.note(f"DỪNG: {in_vietnamese(str(error))}", f"STOP: {error}")
        return PROBLEMS
    except OSError as error:
        raise _not_written(output, error) from error
    about = {"system": asked["system"], "by": asked["by"] or call.person, **about}
    made = report.ConformanceReport(about, results, began, datetime.now(UTC), demanded)
    _report(screen, output, made)
    return FINE if made.passed else PROBLEMS


def _list_cases(screen: Screen) -> None:
    from gateway.cli.play import report

    for name, (vi, en) in report.demands().items():
        if screen.as_json:
            screen.row({"case": name, "vi": vi, "en": en})
        else:
            screen.line(f"{name:<16} {vi}", f"{name:<16} {en}")


def _report(screen: Screen, output: Path, made: ConformanceReport) -> None:
    """Writes the report and says where. Raises Stopped (SYS-038)."""
    from gateway.cli.play import report

    try:
        as_json, page = report.write(output, made)
    except OSError as error:
        raise _not_written(output, error) from error
    if screen.as_json:
        screen.row({"passed": made.passed, "complete": made.complete, "report": str(page), "json": str(as_json)})
    else:
        part = screen.text(" (chưa đủ các trường hợp)", " (not every case)") if not made.complete else ""
        fine = ("ĐẠT", "PASSED") if made.passed else ("KHÔNG ĐẠT", "FAILED")
        screen.line(f"{fine[0]}{part}. Báo cáo: {page}", f"{fine[1]}{part}. Report: {page}")


def _not_written(output: Path, error: OSError) -> Stopped:
    return Stopped(Problem("SYS-038", {"path": str(output), "reason": system_reason(error)}))


# An endpoint ----------------------------------------------------------------------------------------------------------


def _endpoint(
    call: CommandRun, output: Path, cases: tuple[str, ...], asked: dict[str, Any]
) -> tuple[dict[str, Any], list[Result]]:
    party = _party(call, asked)
    role = party.role
    if role is Role.PORTAL and not asked["ma_ho_so"]:
        raise click.UsageError(call.screen.text("Cổng cần --ho-so.", "A portal needs --ho-so."))
    sender = asked["sender"] or ("H19.901" if role is Role.PORTAL else "H19.909")
    password = password_asked(asked["password_env"], asked["password_file"], asked["key_file"])
    key, certificate = _key(call, output, sender, asked["key_file"], asked["certificate"], password)
    about: dict[str, Any] = {
        "party": party.id,
        "name": party.name if asked["party"] is not None else None,
        "identifier": party.identifiers[0],
        "role": str(role),
        "url": party.connector_settings.get("url"),
        "messages": _versions("HS05" if role is Role.PORTAL else "HS01"),
        "connector": party.connector,
        "sender": sender,
        "certificate_sha256": key.fingerprint,
        "certificate": str(certificate),
    }

    def told(result: Result) -> None:
        _tell(call.screen, result)

    return about, asyncio.run(_try_endpoint(party, Address(ma_dinh_danh=sender), key, cases, asked["ma_ho_so"], told))


def _versions(loai: str) -> str:
    from schemas.catalog import bundled

    catalog = bundled()
    goc = catalog.roots(loai)[0]
    return f"{loai} {catalog.versions(loai, goc)[-1]} ({goc})"


def _party(call: CommandRun, asked: dict[str, Any]) -> Party:
    """Who is tried: by profile, or made from the options."""
    if asked["party"] is not None:
        from connectors.registry import installed
        from gateway.services.profiles import read_file

        file = call.settings.parties.folder / f"{asked['party']}.toml"
        if not file.exists():
            raise Stopped(unknown("party", asked["party"]))
        party = read_file(file, [tree.name for tree in call.settings.trust.trees], installed())
        if party.connector is None:
            raise Stopped(Problem("DLV-053", {"party": party.id}))
        return party
    settings: dict[str, Any] = {"url": asked["url"], "private_addresses": True, "timeout_s": 60.0}
    if asked["authorization"]:
        settings["authorization"] = asked["authorization"]
    return Party(
        id=PartyId("ban"),
        name="–",
        role=Role(asked["role"]),
        identifiers=(asked["identifier"],),
        receives=Receives.PUSH,
        connector="rest",
        connector_settings=settings,
    )


def _key(
    call: CommandRun,
    output: Path,
    sender: str,
    key_file: Path | None,
    certificate: Path | None,
    password: bytes | None,
) -> tuple[SigningKey, Path]:
    """The test sender's key: as given, or made once and kept beside the report."""
    from gateway.cli.sandbox import make_key
    from signing.sign import SigningKey

    if key_file is None and certificate is not None:
        raise click.UsageError(call.screen.text("--cert phải đi cùng --key.", "--cert needs --key."))
    if key_file is not None:
        return SigningKey.load(key_file, certificate, password, private_mode=False), certificate or key_file
    private, public = output / "ben-gui.key.pem", output / "ben-gui.cert.pem"
    if make_key(output, private.name, public.name, "Ben gui thu", sender):
        call.screen.note(
            f"Đã tạo chứng thư của bên gửi thử nghiệm: {public}. Đăng ký chứng thư này cho {sender} ở "
            f"hệ thống của đơn vị rồi chạy lại.",
            f"Made the test sender's certificate: {public}. Register it for {sender} on your side, then run again.",
        )
    return SigningKey.load(private, public), public


async def _try_endpoint(
    party: Party, sender: Address, key: SigningKey, cases: tuple[str, ...], ma_ho_so: str | None, told: Any
) -> list[Result]:
    from connectors.http import HttpLine
    from connectors.registry import installed
    from gateway.cli.play.kit import TrialBench, run_all
    from schemas.catalog import bundled

    connector = installed().named(party.connector)
    configured = connector.configure(party.connector_settings, where=party.id)
    async with HttpLine(private_addresses=True) as line:
        bench = TrialBench(
            party=party,
            connector=connector,
            configured=configured,
            sender=sender,
            key=key,
            stranger=_stranger(sender.ma_dinh_danh),
            catalog=bundled(),
            line=line,
            ma_ho_so=ma_ho_so,
        )
        return await run_all(bench, cases, told)


def _stranger(identifier: str) -> SigningKey:
    """A key that nobody has registered."""
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    from signing.certificates import read_certificate
    from signing.selfsigned import fresh_key
    from signing.sign import SigningKey

    private, public = fresh_key("Nguoi la", datetime.now(UTC), identifier=identifier)
    certificate = read_certificate(load_pem_x509_certificate(public).public_bytes(Encoding.DER))
    return SigningKey.of(load_pem_private_key(private, None), certificate)


def _tell(screen: Screen, result: Result) -> None:
    from gateway.cli.play.report import WORDS

    if screen.as_json:
        screen.row(
            {
                "case": result.case,
                "mark": str(result.mark),
                "vi": result.vi,
                "en": result.en,
                "ms": result.took_ms,
                "seen": result.seen,
            }
        )
        return
    words = WORDS[result.mark]
    seen = f" [{result.seen}]" if result.seen else ""
    word = words[screen.lang is Lang.EN]
    screen.line(f"{word:<10} {result.case:<16} {result.vi}{seen}", f"{word:<10} {result.case:<16} {result.en}{seen}")


# An inbox client ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Feed:
    head: int
    results: list[Result]


def _pulling(call: CommandRun, output: Path, asked: dict[str, Any]) -> tuple[dict[str, Any], list[Result]]:
    from gateway.cli.sandbox import Ground, prepare

    ground: Ground = prepare((output / "hop-cat").resolve(), asked["role"])
    with ExitStack() as open_:
        feed = asyncio.run(_watch(call, ground, open_, asked["port"], asked["wait"]))
    about = {
        "identifier": ground.identifier,
        "role": ground.role,
        "letters": feed.head,
        "way": "GET /v1/inbox",
        "messages": _versions("HS01"),
    }
    for result in feed.results:
        _tell(call.screen, result)
    return about, feed.results


async def _watch(call: CommandRun, ground: Any, open_: ExitStack, port: int, wait: float) -> _Feed:
    from gateway.cli.play.pulling import Watch, until_quiet
    from gateway.cli.sandbox import Play, register, world_of, write_profiles

    world: World = world_of(ground, lambda _vi, _en: None)
    control = f"http://127.0.0.1:{await world.start('127.0.0.1', 0)}"
    watch: Watch | None = None
    try:
        write_profiles(ground, control, None)
        await asyncio.to_thread(register, ground)
        play = Play(call, ground, None, 0, 0, (), 0.0)
        world.gateway = await asyncio.to_thread(play.start, open_, "serve", "--port", "0")
        await _letters(world, ground, LETTERS)
        watch = Watch(world.gateway, ground.token)
        address = f"http://127.0.0.1:{await watch.start('127.0.0.1', port)}"
        screen = call.screen
        if screen.as_json:
            screen.row({"ready": address, "token": ground.token, "letters": LETTERS})
        else:
            screen.line(
                f"Chạy chương trình của đơn vị với địa chỉ {address} và mã truy cập {ground.token}: lấy /v1/inbox từ after=0, "
                f"lấy nguyên văn, xác nhận. Trong khi chạy có trả lời lỗi và có thêm thông điệp.",
                f"Run your client against {address} with the token {ground.token}: pull /v1/inbox from after=0, fetch originals, "
                f"confirm. Some answers will be broken, and more messages come on the way.",
            )
        await until_quiet(watch, await _head(world, ground), wait)
        if watch.asked:
            await _letters(world, ground, 2)  # it has to come back for what is new
            await until_quiet(watch, await _head(world, ground), wait)
        head = await _head(world, ground)
        return _Feed(head, watch.results(head))
    except OSError as error:
        facts = {"address": f"127.0.0.1:{port}", "reason": system_reason(error)}
        raise Stopped(Problem("SYS-032", facts)) from error
    finally:
        if watch is not None:
            await watch.stop()
        await world.stop()


async def _head(world: World, ground: Any) -> int:
    headers = {"Authorization": f"Bearer {ground.token}", "Accept": "application/json"}
    async with world.http.get(f"{world.gateway}/v1/inbox?after=0&limit=1", headers=headers) as answer:
        page = await answer.json()
    return int(page["MoiNhat"])


async def _letters(world: World, ground: Any, count: int) -> None:
    """Fresh dossiers for the integrator's inbox: filed by the portal, or told by the agency when it is a portal itself."""
    from gateway.cli.play.world import KnobOwner, some_ma_ho_so, step
    from schemas.fresh import Size, fresh

    for _ in range(count):
        if ground.role == "one-stop":
            status, _, said = await world.file(ground.identifier)
        else:
            at = datetime.now(UTC)
            world.filed += 1
            body = fresh(
                "HS01",
                ma_ho_so=some_ma_ho_so(world.agency.identifier, at, world.filed),
                seed=int(at.timestamp() * 1000) % 2**31,
                at=at,
                size=Size.SMALL,
                noi_gui=world.agency.address,
                noi_nhan=(Address(ma_dinh_danh=ground.identifier),),
                values=step("HS01", at)
                | {"TrangThaiHoSo": "2", "NgayTiepNhan": at, "NgayHenTra": at + timedelta(days=14)},
                catalog=world.catalog,
            )
            status, said = await world.send(world.agency, KnobOwner.AGENCY, body, at)
        if status not in {201, 202}:
            raise NotAsTold(f"HTTP {status}{said}")
