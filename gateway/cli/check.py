"""check, sign, verify: stations 2 to 5 for files, without a server and without a database."""

from __future__ import annotations

import hashlib
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.cli.command import (
    FINE,
    PROBLEMS,
    UNDETERMINED,
    CommandRun,
    Misconfigured,
    Moment,
    argument,
    command,
    option,
)
from gateway.cli.fates import FATE_WORDS
from gateway.cli.outside import STATUS_WORDS, read_certificates, tell_outside
from gateway.cli.passwords import password_asked, password_options
from gateway.core.model import Caller, Channel, Envelope, Fate, Finding, MessageId, PartyId
from gateway.core.os_words import system_reason
from gateway.core.parties import Parties, Party, Role, SigningCertificate
from gateway.core.problems import Problem, ProblemOutcome, Stopped
from gateway.core.unknown import unknown

if TYPE_CHECKING:
    from gateway.cli.show import Screen
    from gateway.core.limits import DocumentLimits
    from gateway.settings import Settings
    from schemas.fixes import Proposal
    from signing.certificates import Certificate
    from signing.sign import SigningKey

STDIN = "-"


@command(
    "check",
    vi="Kiểm tra các tệp như khi trục tiếp nhận: khả năng đọc, lược đồ, chữ ký và quyền của bên gửi. Không cần "
    "máy chủ, không cần cơ sở dữ liệu; sổ đăng ký lấy từ thư mục hồ sơ các bên. “-” là đầu vào chuẩn, thư mục "
    "là mọi tệp .xml trong đó.",
    en="Judge files just as the gateway would on arrival: readable, right by schema, by whom signed, allowed or not. "
    "Needs no server and no database; the registry is that of the party profiles. “-” is standard input, "
    "a folder is every .xml file in it.",
)
@argument("files", nargs=-1, required=True, type=click.Path(path_type=str), metavar="FILE…")
@option(
    "--party",
    metavar="PARTY",
    vi="Bên gửi đã xác thực. Mặc định: “sender” trong tệp .toml cùng tên đi kèm, nếu có; nếu không, bên ghi ở NoiGui.",
    en="The party at the door. Default: “sender” of the side-car .toml of the same name, or else the one NoiGui names.",
)
@option(
    "--expect",
    is_flag=True,
    vi="So kết quả với tệp .toml đi kèm (outcome, problems): mã thoát 0 khi tất cả đều đúng. Bộ mẫu dùng cách này.",
    en="Compare with the side-car .toml (outcome, problems): exit 0 when all is as it says. The samples do so.",
)
@option(
    "--at",
    type=Moment(),
    vi="Kiểm tra như khi tiếp nhận tại thời điểm này (mặc định: hiện tại).",
    en="Judge as of this time (default: now).",
)
@option(
    "--fix-hints",
    "hints",
    is_flag=True,
    vi="Với mỗi lỗi, đề xuất thay đổi nhỏ nhất: sửa ở dòng và cột nào, thay gì bằng gì. Không đoán điều chỉ người lập "
    "biết. Sau khi sửa phải ký lại.",
    en="For each problem propose the smallest change: at which line and column, what to replace by what. What only the "
    "author can know is not guessed. Sign again after mending.",
)
def check(
    call: CommandRun, files: tuple[str, ...], party: str | None, expect: bool, at: datetime | None, hints: bool
) -> int:
    """Judges every file; the exit code is that of the worst."""
    bench = FileBench(call, party, at or call.now)
    fates: list[Fate] = []
    surprises = 0
    for name in _expanded(files):
        if name != STDIN and Path(name).is_dir():
            fates.append(Fate.REJECTED)
            surprises += 1
            call.screen.problem(Problem("SYS-053", {"path": name}))
            continue
        beside = sidecar(name)
        try:
            finding = bench.judge(name, beside)
        except Misconfigured:
            raise
        except Stopped as stop:
            fates.append(Fate.REJECTED)
            surprises += 1
            _print(call, name, Fate.REJECTED, None, stop.problems, hints=hints)
            continue
        fate = bench.expected(finding)
        fates.append(fate)
        if expect and beside is not None:
            differs = beside.differs(fate, finding.problems)
            surprises += bool(differs)
            if not differs:
                call.screen.line(f"{name}: đúng như tệp đi kèm", f"{name}: as its side-car says")
                continue
            call.screen.note(f"{name}: khác tệp đi kèm: {differs}", f"{name}: not as its side-car says: {differs}")
        _print(call, name, fate, finding, finding.problems, hints=hints)
    _sum_up(call, fates)
    if expect:
        return PROBLEMS if surprises else FINE
    return PROBLEMS if Fate.REJECTED in fates else UNDETERMINED if Fate.HELD in fates else FINE


@dataclass(frozen=True, slots=True)
class SampleSidecar:
    """What a .toml file beside a .xml file of the same name says about it."""

    sender: str | None
    outcome: str  # what judging alone comes to: accepted, rejected, undetermined
    problems: tuple[tuple[str, int | None, int | None, str | None], ...]  # code, line, column, XPath

    def differs(self, fate: Fate, problems: tuple[Problem, ...]) -> str:
        """What is not as stated; empty when everything is."""
        became = "undetermined" if fate is Fate.HELD else str(fate)
        if became != self.outcome:
            return f"{became} ≠ {self.outcome}"
        found = sorted(_facts(problem) for problem in problems)
        stated = sorted((code, line or 0, column or 0, xpath or "") for code, line, column, xpath in self.problems)
        return "" if found == stated else f"{found} ≠ {stated}"


def _facts(problem: Problem) -> tuple[str, int, int, str]:
    at = problem.at
    return (problem.code, (at.line if at else 0) or 0, (at.column if at else 0) or 0, (at.xpath if at else "") or "")


def sidecar(name: str) -> SampleSidecar | None:
    """The side-car of a file, when there is one that can be read; it is a help, never a demand."""
    if name == STDIN or not name.endswith(".xml"):
        return None
    file = Path(name).with_suffix(".toml")
    try:
        row = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    sender, alone = row.get("sender"), row.get("alone", row.get("outcome", "accepted"))
    stated = [problem for problem in row.get("problems", ()) if not problem.get("on_record")]
    return SampleSidecar(
        sender if isinstance(sender, str) else None,
        str(alone),
        tuple((str(p.get("code")), p.get("line"), p.get("column"), p.get("xpath")) for p in stated),
    )


class FileBench:
    """Judges files with the registry of the profile files; the configuration is the one around each file."""

    def __init__(self, call: CommandRun, party: str | None, at: datetime) -> None:
        self.call = call
        self.party = party
        self.at = at
        self.gates: dict[Path | None, Any] = {}

    def gate(self, name: str) -> Any:
        """The gate for a file: by --config, by the current folder, or by the file's own folder and those above it."""
        from gateway.wiring import build

        loaded = self.call.load_near(Path.cwd(), needed=False)
        if loaded.file is None and name != STDIN:
            loaded = self.call.load_near(Path(name).resolve().parent, needed=False)
        if loaded.file is None:
            loaded = self.call.load_near(Path.cwd(), needed=True)
        if loaded.file not in self.gates:
            try:
                self.gates[loaded.file] = build(loaded.settings)
            except Stopped as stop:
                raise Misconfigured(*stop.problems) from stop
        return self.gates[loaded.file]

    def judge(self, name: str, beside: SampleSidecar | None = None) -> Finding:
        """All that can be said about one file. Raises Stopped (SYS-045) when it cannot be read."""
        from gateway.services.intake import judge

        if name != STDIN:
            _touch(name)
        gate = self.gate(name)
        body, digest, total = _read(name, gate.limits.body_bytes)
        envelope = Envelope(
            id=MessageId(f"check-{digest[:16]}"),
            body=body,
            digest=digest,
            total_bytes=total,
            caller=Caller(party=self._caller(body, gate, beside), by="operator"),
            channel=Channel.CLI,
            received_at=self.at,
        )
        return judge(envelope, gate)

    def _caller(self, body: bytes, gate: Any, beside: SampleSidecar | None) -> PartyId:
        from gateway.documents import header_claims, parse_bytes

        name = self.party or (beside.sender if beside is not None else None)
        if name is not None:
            known = gate.parties.get(name) or gate.parties.by_identifier(name)
            if known is None:
                raise Stopped(unknown("party", name))
            return PartyId(known.id)
        try:
            claims = header_claims(parse_bytes(body, gate.limits))
        except Stopped:
            return PartyId("–")  # whoever it is from, it is unreadable
        named = gate.parties.by_identifier(claims.noi_gui) if claims.noi_gui else None
        return PartyId(named.id if named is not None else "–")

    def expected(self, finding: Finding) -> Fate:
        """What the gateway would make of it, unless its records say otherwise."""
        from gateway.services.intake import expected

        return expected(finding)


def _expanded(names: tuple[str, ...]) -> Iterator[str]:
    """The files meant, one by one; a folder without any stands for itself."""
    for name in names:
        if name != STDIN and Path(name).is_dir():
            yield from sorted(str(file) for file in Path(name).rglob("*.xml") if not file.is_dir()) or [name]
        else:
            yield name


def _touch(name: str) -> None:
    """Raises Stopped (SYS-045) for a file that cannot be read: that is said before a configuration is looked for."""
    try:
        with Path(name).open("rb") as file:
            file.read(1)
    except OSError as error:
        raise Stopped(Problem("SYS-045", {"path": name, "reason": system_reason(error)})) from error


def _read(name: str, most: int) -> tuple[bytes, str, int]:
    """The bytes up to the limit, the SHA-256 of all, and how many there are."""
    digest, total, kept = hashlib.sha256(), 0, bytearray()
    try:
        stream = sys.stdin.buffer if name == STDIN else Path(name).open("rb")  # noqa: SIM115 - closed below; stdin is not
        try:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
                total += len(chunk)
                if len(kept) < most:
                    kept += chunk[: most - len(kept)]
        finally:
            if name != STDIN:
                stream.close()
    except OSError as error:
        raise Stopped(Problem("SYS-045", {"path": name, "reason": system_reason(error)})) from error
    return bytes(kept), digest.hexdigest(), total


def _print(
    call: CommandRun, name: str, fate: Fate, finding: Finding | None, problems: tuple[Problem, ...], *, hints: bool
) -> None:
    fixes = _proposals(finding, problems) if hints else None
    shown = "<stdin>" if name == STDIN else name
    if call.screen.as_json:
        _print_row(call.screen, shown, fate, finding, problems, fixes)
    else:
        _print_text(call.screen, shown, fate, finding, problems, fixes)


def _print_row(
    screen: Screen,
    shown: str,
    fate: Fate,
    finding: Finding | None,
    problems: tuple[Problem, ...],
    fixes: Mapping[int, Proposal] | None,
) -> None:
    rows = [screen.problem_row(problem, shown) for problem in problems]
    if fixes is not None:
        told = [fixes.get(number) for number in range(len(problems))]
        rows = [{**row, "fix": asdict(fix) if fix else None} for row, fix in zip(rows, told, strict=True)]
    screen.row({"file": shown, "outcome": str(fate), **_finding_row(finding), "problems": rows})


def _print_text(
    screen: Screen,
    shown: str,
    fate: Fate,
    finding: Finding | None,
    problems: tuple[Problem, ...],
    fixes: Mapping[int, Proposal] | None,
) -> None:
    about = " ".join(part for part in (finding.loai, finding.ma_ho_so) if part) if finding else ""
    vi, en = FATE_WORDS[fate]
    tail = f" ({about})" if about else ""
    screen.line(f"{shown}: {vi}{tail}", f"{shown}: {en}{tail}")
    for number, problem in enumerate(problems):
        screen.problem(problem, shown)
        if fixes and number in fixes:
            _print_fix(screen, shown, fixes[number])
    if fixes is not None:
        _print_left(screen, sum(problem.outcome is ProblemOutcome.FAILED for problem in problems) - len(fixes))
    if fixes:
        screen.line("    Sau khi sửa phải ký lại.", "    Sign again after mending.")


def _print_left(screen: Screen, left: int) -> None:
    """How many failures are left without a proposal."""
    if left > 0:
        screen.line(
            f"    {left} lỗi không đề xuất được thay đổi: thực hiện theo dòng →.",
            f"    {left} without an edit that could be proposed: follow the → line.",
        )


def _finding_row(finding: Finding | None) -> dict[str, Any]:
    letter = finding.thong_diep if finding is not None else None
    signer = letter.signer if letter is not None else None
    return {
        "ma_thong_diep": finding.ma_thong_diep if finding else None,
        "loai": finding.loai if finding else None,
        "ma_ho_so": finding.ma_ho_so if finding else None,
        "digest": finding.envelope.digest if finding else None,
        "basis": str(letter.basis) if letter else None,
        "signer": {"subject": signer.subject, "fingerprint": signer.fingerprint} if signer else None,
    }


def _proposals(finding: Finding | None, problems: tuple[Problem, ...]) -> dict[int, Proposal]:
    """What would mend each problem, by its number."""
    from schemas.fixes import proposal

    if finding is None:
        return {}
    found = ((number, proposal(finding.envelope.body, problem)) for number, problem in enumerate(problems))
    return {number: one for number, one in found if one is not None}


def _print_fix(screen: Screen, shown: str, fix: Proposal) -> None:
    """One line for each edit, with the place as an editor takes it."""
    for edit in fix.edits:
        old, new = _clipped(edit.old), _clipped(edit.new)
        if not edit.old:
            vi, en = f"thêm {new}", f"insert {new}"
        elif not edit.new:
            vi, en = f"bỏ {old}", f"remove {old}"
        else:
            vi, en = f"thay {old} bằng {new}", f"replace {old} by {new}"
        where = f"    ✎ {shown}:{edit.line}:{edit.column} "
        screen.line(where + vi, where + en)
    if fix.example:
        screen.line(
            "      Giá trị thêm vào chỉ là ví dụ đúng dạng: thay bằng giá trị thật.",
            "      What is put in only shows the form: write the real value.",
        )


def _clipped(text: str) -> str:
    """A piece of a document on one line."""
    one = " ".join(text.split()) or " ".join(f"U+{ord(character):04X}" for character in text[:8])
    one = "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in one)
    return f"“{one if len(one) <= 160 else f'{one[:100]} … {one[-40:]}'}”"


def _sum_up(call: CommandRun, fates: list[Fate]) -> None:
    if len(fates) < 2:
        return
    counts = {fate: fates.count(fate) for fate in Fate}
    call.screen.line(
        f"{len(fates)} tệp: {counts[Fate.ACCEPTED]} chấp nhận, {counts[Fate.REJECTED]} từ chối, "
        f"{counts[Fate.HELD]} chưa xác định.",
        f"{len(fates)} files: {counts[Fate.ACCEPTED]} accepted, {counts[Fate.REJECTED]} rejected, "
        f"{counts[Fate.HELD]} undetermined.",
    )


@command(
    "sign",
    vi="Ký một ThongDiep bằng khóa của đơn vị (tệp PEM, DER, PKCS#12 hoặc thiết bị PKCS#11), ghi ra đầu ra chuẩn "
    "hoặc --output. Mặc định: XAdES B-B, exclusive C14N; ký được mọi dạng mà trục chấp nhận.",
    en="Sign a ThongDiep with your key (a PEM, DER or PKCS#12 file, or a PKCS#11 token), to standard output or "
    "--output. Default: XAdES B-B, exclusive C14N; every form that the gateway takes can be made.",
)
@argument("file", type=click.Path(path_type=str))
@option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Khóa bí mật (PEM, DER, .p12, .pfx).",
    en="The private key (PEM, DER, .p12, .pfx).",
)
@option(
    "--cert",
    "certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Chứng thư (PEM, DER); mặc định là chứng thư nằm trong tệp khóa, với thiết bị là chứng thư cùng nhãn.",
    en="The certificate (PEM, DER); by default the one in the key's file, with a token that of the same label.",
)
@password_options
@option(
    "--module",
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Thư viện PKCS#11 của thiết bị, thay cho --key.",
    en="The token's PKCS#11 library, instead of --key.",
)
@option("--token", metavar="LABEL", vi="Nhãn của thiết bị.", en="The token's label.")
@option("--label", metavar="LABEL", vi="Nhãn của khóa trong thiết bị.", en="The key's label in the token.")
@option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Tệp để ghi kết quả.",
    en="Write to this file.",
)
@option(
    "--form",
    type=click.Choice(["xades", "xmldsig"]),
    default="xades",
    show_default=True,
    vi="Dạng chữ ký.",
    en="The form of the signature.",
)
@option(
    "--c14n",
    type=click.Choice(["exclusive", "inclusive", "inclusive11"]),
    default="exclusive",
    show_default=True,
    vi="Cách chuẩn hóa.",
    en="The canonicalisation.",
)
@option(
    "--implied-c14n",
    "implied",
    is_flag=True,
    vi="Không ghi phép chuẩn hóa vào tham chiếu tới gốc: mặc nhiên là C14N 1.0, như .NET.",
    en="Name no canonicalisation in the reference to the root: C14N 1.0 is implied, as .NET may do.",
)
@option(
    "--by-id",
    is_flag=True,
    vi="Tham chiếu gốc bằng Id thay cho URI rỗng.",
    en="Refer to the root by its Id instead of the empty URI.",
)
@option(
    "--pss",
    is_flag=True,
    vi="RSASSA-PSS thay cho PKCS#1 v1.5 (khóa RSA).",
    en="RSASSA-PSS instead of PKCS#1 v1.5 (RSA keys).",
)
@option("--hash", "bits", type=click.Choice(["256", "384", "512"]), vi="Số bit của SHA-2.", en="Bits of SHA-2.")
@option(
    "--prefix",
    default="ds",
    show_default=True,
    vi="Tiền tố của Signature; rỗng: không gian tên mặc định.",
    en="The prefix of Signature; empty: default namespace.",
)
@option("--key-value", is_flag=True, vi="Ghi KeyValue cạnh chứng thư.", en="KeyValue beside the certificate.")
@option(
    "--key-info",
    is_flag=True,
    vi="Thêm tham chiếu thứ ba, tới KeyInfo (chỉ XAdES).",
    en="A third reference, to KeyInfo (XAdES only).",
)
@option(
    "--tsa",
    metavar="URL",
    vi="Địa chỉ dịch vụ cấp dấu thời gian RFC 3161: XAdES B-T.",
    en="Ask for an RFC 3161 time-stamp here: XAdES B-T.",
)
@option("--at", type=Moment(), vi="SigningTime (mặc định: hiện tại).", en="SigningTime (default: now).")
def sign(
    call: CommandRun,
    file: str,
    key_file: Path | None,
    certificate: Path | None,
    password_env: str | None,
    password_file: Path | None,
    module: Path | None,
    token: str | None,
    label: str | None,
    output: Path | None,
    form: str,
    c14n: str,
    implied: bool,
    by_id: bool,
    pss: bool,
    bits: str | None,
    prefix: str,
    key_value: bool,
    key_info: bool,
    tsa: str | None,
    at: datetime | None,
) -> int:
    """Signs and writes the bytes exactly."""
    import re

    from signing.sign import Variant
    from signing.sign import sign as sign_bytes
    from signing.uris import C14N_10, C14N_11, EXC_C14N

    if prefix and not re.fullmatch(r"[A-Za-z_][\w.-]*", prefix):
        raise click.BadParameter(prefix, param_hint="--prefix")
    if form == "xmldsig" and (tsa or key_info):
        raise click.UsageError(
            call.screen.text("--tsa và --key-info chỉ có ở XAdES.", "--tsa and --key-info are of XAdES only.")
        )
    password = password_asked(password_env, password_file, key_file or module)
    key = _signing_key(call, key_file, certificate, password, module, token, label)
    body, _, _ = _read(file, 1 << 30)
    variant = Variant(
        xades=form == "xades",
        canonicalisation={"exclusive": EXC_C14N, "inclusive": C14N_10, "inclusive11": C14N_11}[c14n],
        by_id=by_id,
        pss=pss,
        bits=int(bits) if bits else None,
        prefix=prefix,
        name_canonicalisation=not implied,
        key_value=key_value,
        key_info_reference=key_info,
    )
    stamper = _stamper(tsa, call.load_near(Path.cwd(), needed=False).settings) if tsa else None
    signed = sign_bytes(body, key, variant, at=at or call.now, stamper=stamper)
    if output is None:
        call.screen.raw(signed)
        return FINE
    try:
        output.write_bytes(signed)
    except OSError as error:
        raise Stopped(Problem("SYS-038", {"path": str(output), "reason": system_reason(error)})) from error
    if call.screen.as_json:
        call.screen.row(
            {
                "file": str(output),
                "bytes": len(signed),
                "digest": hashlib.sha256(signed).hexdigest(),
                "fingerprint": key.fingerprint,
            }
        )
    else:
        call.screen.line(f"Đã ký: {output} ({len(signed)} byte).", f"Signed: {output} ({len(signed)} bytes).")
    return FINE


def _signing_key(
    call: CommandRun,
    file: Path | None,
    certificate: Path | None,
    password: bytes | None,
    module: Path | None,
    token: str | None,
    label: str | None,
) -> SigningKey:
    """The key of a file or of a token. Raises UsageError; Stopped (SIG-10x)."""
    from signing.sign import SigningKey

    text = call.screen.text
    if (file is None) == (module is None):
        raise click.UsageError(text("Nêu --key, hoặc --module.", "Name --key, or --module."))
    if module is not None:
        if token is None or label is None:
            raise click.UsageError(
                text("--module phải đi cùng --token và --label.", "--module needs --token and --label.")
            )
        from signing.token import load_token_key

        return load_token_key(module, token, label, (password or b"").decode(), certificate)
    if file is None or token or label:
        raise click.UsageError(
            text("--token và --label phải đi cùng --module.", "--token and --label go with --module.")
        )
    _warn_of_readers(call.screen, file)
    return SigningKey.load(file, certificate, password, private_mode=False)


def _warn_of_readers(screen: Screen, file: Path) -> None:
    """Says so when others may read a private key."""
    try:
        open_to_others = file.stat().st_mode & 0o077
    except OSError:
        return  # loading it says why
    if open_to_others:
        screen.note(
            f"Lưu ý: {file} cho phép người khác đọc; với khóa thật phải chạy chmod 600.",
            f"Note: others can read {file}; for a real key run chmod 600.",
        )


def _stamper(url: str, settings: Settings) -> Callable[[bytes], bytes]:
    """Asks a time-stamping service. The function raises Stopped (SIG-085) when it gives no stamp of these octets."""
    import asyncio

    from connectors.pki import NotFetched, Pki
    from gateway.wiring import egress_proxy
    from signing.timestamp import BadStamp, read_stamp

    proxy = egress_proxy(settings)

    async def ask(octets: bytes) -> bytes:
        async with Pki(private_addresses=True, proxy=proxy) as pki:
            return await pki.timestamp(url, octets)

    def stamp(octets: bytes) -> bytes:
        try:
            token = asyncio.run(ask(octets))
            read_stamp(token, octets, ())
        except NotFetched as error:
            raise Stopped(Problem("SIG-085", {"url": url, "reason": error.reason})) from error
        except BadStamp as error:
            raise Stopped(Problem("SIG-085", {"url": url, "reason": str(error)})) from error
        return token

    return stamp


@command(
    "verify",
    vi="Kiểm tra chữ ký của một tệp: ai ký, bằng chứng thư nào, ký nội dung nào; từng mục của Phụ lục II TT "
    "15/2025. Không kiểm tra lược đồ và quyền; dùng “check” cho việc đó. --bundle: kiểm tra gói bằng chứng "
    "của “lienthong evidence”, không cần mạng, cơ sở dữ liệu hay cấu hình, và nêu thành phần đầu tiên không "
    "khớp.",
    en="Verify a file's signature: who signed, with which certificate, and exactly what; item by item of Annex II of "
    "Circular 15/2025. Schema and permissions are not looked at; “check” does that. --bundle: check a bundle of "
    "“lienthong evidence”, without network, database or configuration, and name the first thing that does not fit.",
)
@argument("file", required=False, type=click.Path(path_type=str))
@option(
    "--bundle",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="ZIP",
    vi="Gói bằng chứng, thay cho tệp.",
    en="An evidence bundle, instead of a file.",
)
@option(
    "--cert",
    "certificates",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Chỉ tin cậy chứng thư này (PEM hoặc DER), không cần sổ đăng ký: dùng khi bên nhận kiểm tra xác nhận tiếp "
    "nhận của trục. Có thể nêu nhiều lần. Với --bundle: chứng thư của trục, đã nhận qua kênh khác.",
    en="Believe only this certificate (PEM or DER), without a registry: for parties that check the gateway's receipts. "
    "May be given again. With --bundle: the gateway's certificate, received by another way.",
)
@option(
    "--tree",
    "trees",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Với --bundle: chứng thư gốc được tin cậy (PEM, có thể nhiều chứng thư), thay cho gốc nằm trong gói.",
    en="With --bundle: roots that you trust (PEM, several if you like), instead of those that lie in the bundle.",
)
@option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar="NUMBER:HASH|JWS",
    vi="Với --bundle: đầu chuỗi nhật ký đang được lưu giữ.",
    en="With --bundle: a head of the log that you keep.",
)
@option(
    "--files",
    type=click.Path(path_type=Path, file_okay=False),
    vi="Với --bundle: thư mục có các tệp mà thông điệp dẫn tới (*.tep), để đối chiếu băm và độ dài.",
    en="With --bundle: the folder with the files that the message names (*.tep); digests and lengths are compared.",
)
@option(
    "--at",
    type=Moment(),
    vi="Kiểm tra tại thời điểm này (mặc định: hiện tại).",
    en="Judge as of this time (default: now).",
)
@option(
    "--signed",
    is_flag=True,
    vi="Hiển thị đúng các byte đã được ký (dạng chuẩn hóa); phần nằm ngoài được nêu ở đầu ra lỗi.",
    en="Print exactly the bytes that were signed (canonical); on standard error, what lies outside.",
)
def verify(
    call: CommandRun,
    file: str | None,
    bundle: Path | None,
    certificates: tuple[Path, ...],
    trees: tuple[Path, ...],
    witnesses: tuple[str, ...],
    files: Path | None,
    at: datetime | None,
    signed: bool,
) -> int:
    """Verifies the signature and nothing else; or a bundle, and all of it."""
    if (file is None) == (bundle is None):
        raise click.UsageError(call.screen.text("Nêu một tệp, hoặc --bundle.", "Name one file, or --bundle."))
    if bundle is not None:
        if at is not None:
            raise click.UsageError(
                call.screen.text(
                    "Gói được kiểm tra theo thời điểm nhận ghi trong gói.", "A bundle is judged as of its own time."
                )
            )
        from gateway.cli.evidence import check_bundle

        return check_bundle(call, bundle, certificates, trees, witnesses, signed=signed, files=files)
    if file is None or trees or witnesses or files:
        raise click.UsageError(
            call.screen.text("--tree, --witness, --files chỉ đi với --bundle.", "Those go with --bundle.")
        )
    return _verify(call, file, certificates, at, signed)


def _verify(call: CommandRun, file: str, certificates: tuple[Path, ...], at: datetime | None, signed: bool) -> int:
    from gateway.documents import Checked, header_claims, parse
    from schemas.catalog import bundled
    from signing.trust import TrustView
    from signing.verify import verify as verify_signature

    when = at or call.now
    pinned = read_certificates(certificates)
    if not pinned:
        bench = FileBench(call, None, when)
        gate = bench.gate(file)
        parties, trust, catalog, limits = gate.parties, gate.trust, gate.catalog, gate.limits
    else:
        catalog, limits = bundled(), _limits_near(call, file)
    body, digest, total = _read(file, limits.body_bytes)
    envelope = Envelope(
        id=MessageId(f"verify-{digest[:16]}"),
        body=body,
        digest=digest,
        total_bytes=total,
        caller=Caller(party=PartyId("–"), by="operator"),
        channel=Channel.CLI,
        received_at=when,
    )
    shown = "<stdin>" if file == STDIN else file
    verdict: dict[str, Any] = {}
    try:
        document = parse(envelope, limits)
        if pinned:
            parties = _only(pinned, header_claims(document.root).noi_gui)
            trust = TrustView.build(parties)
        checked = Checked(document=document, kind=catalog.kind_of(document.root))
        attested = verify_signature(checked, trust, parties, when)
    except Stopped as stop:
        verdict = dict(getattr(stop, "verdict", {}))
        if not signed:
            _print_verdict(call, shown, verdict, stop.problems, None)
        else:
            for problem in stop.problems:
                call.screen.problem(problem, shown, to_err=True)
        return PROBLEMS
    if signed:
        if attested.signed_bytes is None:
            call.screen.note("Không có chữ ký.", "There is no signature.")
            return PROBLEMS
        call.screen.raw(attested.signed_bytes)
        tell_outside(call, attested.body)
    else:
        _print_verdict(call, shown, dict(attested.verdict), attested.doubts, attested)
    if attested.signed_bytes is None:
        return PROBLEMS
    unknown = any(problem.outcome is ProblemOutcome.UNDETERMINED for problem in attested.doubts)
    return UNDETERMINED if unknown else FINE


def _limits_near(call: CommandRun, file: str) -> DocumentLimits:
    """The limits of the configuration around here or around the file; those that environment and defaults give."""
    loaded = call.load_near(Path.cwd(), needed=False)
    if loaded.file is None and file != STDIN:
        loaded = call.load_near(Path(file).resolve().parent, needed=False)
    return loaded.settings.limits


def _only(pinned: Iterable[Certificate], identifier: str | None) -> Parties:
    """A registry of one: whoever the document says it is from, with these certificates."""
    party = Party(
        id=PartyId("certificate"),
        name="–",
        role=Role.ONE_STOP,
        identifiers=(identifier or "–",),
        certificates=tuple(SigningCertificate(der=one.der, fingerprint=one.fingerprint) for one in pinned),
    )
    return Parties([party])


_VERDICT_WORDS: Final = {
    "failed": ("CHỮ KÝ KHÔNG ĐẠT", "SIGNATURE REFUSED"),
    "unsigned": ("KHÔNG CÓ CHỮ KÝ", "NO SIGNATURE"),
    "undetermined": ("CHƯA XÁC ĐỊNH", "UNDETERMINED"),
    "passed": ("CHỮ KÝ HỢP LỆ", "VALID SIGNATURE"),
}


def _print_verdict(
    call: CommandRun, shown: str, verdict: dict[str, Any], problems: tuple[Problem, ...], attested: Any
) -> None:
    from signing.verdict import explain_verdict

    screen, outcome = call.screen, _verdict_outcome(problems, attested)
    if screen.as_json:
        rows = [screen.problem_row(problem, shown) for problem in problems]
        signed = _signed_row(attested)
        screen.row({"file": shown, "outcome": outcome, **signed, "verdict": verdict, "problems": rows})
        return
    vi, en = _VERDICT_WORDS[outcome]
    screen.line(f"{shown}: {vi}", f"{shown}: {en}")
    if attested is not None and attested.signer is not None and attested.signed_bytes is not None:
        screen.facts(_signer_facts(screen, attested))
    for row in explain_verdict(verdict):
        word = STATUS_WORDS.get(row["status"], (row["status"],) * 2)
        screen.line(
            f"  {row['item']} {word[0]}: {row['text_vi']} ({row['reason_vi']})",
            f"  {row['item']} {word[1]}: {row['text_en']} ({row['reason_en']})",
        )
    for problem in problems:
        screen.problem(problem, shown)


def _verdict_outcome(problems: tuple[Problem, ...], attested: Any) -> str:
    if attested is None:
        return "failed"
    if attested.signed_bytes is None:
        return "unsigned"
    unknown = any(problem.outcome is ProblemOutcome.UNDETERMINED for problem in problems)
    return "undetermined" if unknown else "passed"


def _signed_row(attested: Any) -> dict[str, Any]:
    signer = attested.signer if attested is not None else None
    signed = attested.signed_bytes if attested is not None else None
    said = ("subject", "issuer", "serial", "fingerprint")
    return {
        "signer": None if signer is None else {name: getattr(signer, name) for name in said},
        "signed_sha256": hashlib.sha256(signed).hexdigest() if signed else None,
    }


def _signer_facts(screen: Screen, attested: Any) -> list[tuple[str, Any]]:
    signer, signed = attested.signer, attested.signed_bytes
    annex = screen.text("có", "yes") if signer.annex_i else screen.text("không", "no")
    return [
        (screen.text("Người ký", "Signer"), signer.subject),
        (screen.text("Nơi cấp", "Issuer"), signer.issuer),
        (screen.text("Số chứng thư", "Serial"), signer.serial),
        ("SHA-256", signer.fingerprint),
        (screen.text("Thuật toán", "Algorithm"), signer.algorithm),
        (screen.text("Thời điểm ký (tự khai)", "Signing time (claimed)"), signer.signed_at),
        (screen.text("Đúng Phụ lục I", "Conforms to Annex I"), annex),
        (screen.text("Phần được ký", "Signed"), f"{len(signed)} byte, SHA-256 {hashlib.sha256(signed).hexdigest()}"),
    ]
