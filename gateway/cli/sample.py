"""sample: fresh, valid messages with invented content, for try-outs and load."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli.command import FINE, CommandRun, Moment, argument, command, option
from gateway.cli.passwords import password_asked, password_options
from gateway.core.model import Address
from gateway.core.os_words import system_reason
from gateway.core.problems import Problem, Stopped

SIZES = ("small", "random", "full", "boundary")


@command(
    "sample",
    vi="Tạo thông điệp mới, hợp lệ, nội dung hư cấu: HS01…HS21. Khi có --key và --cert, thông điệp được ký. Cùng "
    "--seed và --at cho cùng nội dung.",
    en="Make fresh, valid messages with invented content: HS01…HS21. With --key and --cert they are signed. The same "
    "--seed "
    "and --at give the same content.",
)
@argument("loai", metavar="HSnn")
@option(
    "--root",
    "goc",
    metavar="NAME",
    vi="Phần tử gốc của thân (HS12, HS13… có hai).",
    en="The payload's root (HS12, HS13… have two).",
)
@option(
    "--version", "phien_ban", metavar="1.0", vi="Phiên bản (mặc định mới nhất).", en="The version (default the newest)."
)
@option("--ho-so", "ma_ho_so", metavar="MAHOSO", vi="Mã hồ sơ.", en="The dossier's code.")
@option("--from", "sender", metavar="H19.901", vi="Mã định danh bên gửi.", en="The sender's identifier.")
@option(
    "--to", "receivers", metavar="H19.909", multiple=True, vi="Mã định danh bên nhận.", en="A receiver's identifier."
)
@option("--thu-tu", type=click.IntRange(min=1), vi="Số thứ tự trong hồ sơ.", en="Sequence number within the dossier.")
@option(
    "--set",
    "pairs",
    metavar="NAME=VALUE",
    multiple=True,
    vi="Đặt một phần tử của thân.",
    en="Fix an element of the payload.",
)
@option(
    "--size",
    type=click.Choice(SIZES),
    default="random",
    show_default=True,
    vi="Mức độ các phần không bắt buộc.",
    en="How much of what is optional.",
)
@option("--seed", type=int, vi="Giá trị khởi tạo ngẫu nhiên.", en="The seed.")
@option("--at", type=Moment(), vi="Thời điểm tạo (mặc định hiện tại).", en="When it was made (default now).")
@option(
    "--count",
    type=click.IntRange(1, 1_000_000),
    default=1,
    show_default=True,
    vi="Số thông điệp.",
    en="How many.",
)
@option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    vi="Ghi vào tệp, hoặc thư mục khi --count > 1.",
    en="Write to a file, or a folder with --count > 1.",
)
@option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Khóa ký (PEM, DER, .p12).",
    en="Signing key (PEM, DER, .p12).",
)
@option(
    "--cert",
    "certificate",
    type=click.Path(path_type=Path, dir_okay=False),
    vi="Chứng thư (PEM, DER); mặc định là chứng thư nằm trong tệp khóa.",
    en="Certificate (PEM, DER); by default the one in the key's file.",
)
@password_options
def sample(call: CommandRun, loai: str, count: int, output: Path | None, **asked: Any) -> int:
    """Writes fresh messages."""
    from signing.sign import SigningKey, sign

    key_file, certificate = asked.pop("key_file"), asked.pop("certificate")
    if key_file is None and certificate is not None:
        raise click.UsageError(call.screen.text("--cert phải đi cùng --key.", "--cert needs --key."))
    password = password_asked(asked.pop("password_env"), asked.pop("password_file"), key_file)
    if count > 1 and output is None:
        raise click.UsageError(call.screen.text("--count phải đi cùng --output.", "--count needs --output."))
    key = SigningKey.load(key_file, certificate, password, private_mode=False) if key_file is not None else None
    at: datetime = asked.pop("at") or call.now
    seed = asked.pop("seed")
    first = seed if seed is not None else int(at.timestamp() * 1000) % 2**31
    maker = Maker(loai, at=at, **asked)
    made = (maker.make(first + number) for number in range(count))
    bodies = (sign(body, key, at=at) for body in made) if key is not None else made
    if output is None:
        for body in bodies:
            call.screen.raw(body)
        return FINE
    if count > 1:
        output.mkdir(parents=True, exist_ok=True)
    for number, body in enumerate(bodies, start=1):
        file = output / f"{loai}-{number:06d}.xml" if count > 1 else output
        _write(file, body)
        if call.screen.as_json:
            call.screen.row({"file": str(file), "bytes": len(body), "signed": key is not None})
    call.screen.line(f"Đã ghi {count} thông điệp vào {output}.", f"Wrote {count} messages to {output}.")
    return FINE


def _write(file: Path, body: bytes) -> None:
    try:
        file.write_bytes(body)
    except OSError as error:
        raise Stopped(Problem("SYS-038", {"path": str(file), "reason": system_reason(error)})) from error


class Maker:
    """Makes messages of one type. Raises click.UsageError for what the catalogue does not know."""

    def __init__(
        self,
        loai: str,
        *,
        at: datetime,
        goc: str | None = None,
        phien_ban: str | None = None,
        ma_ho_so: str | None = None,
        sender: str | None = None,
        receivers: tuple[str, ...] = (),
        thu_tu: int | None = None,
        pairs: tuple[str, ...] = (),
        size: str = "random",
    ) -> None:
        from schemas.catalog import bundled

        self.catalog = bundled()
        known = sorted({kind.loai for kind in self.catalog.kinds()})
        if loai not in known:
            raise click.UsageError(f"HSnn: {', '.join(known)}")
        values: dict[str, str] = {}
        for pair in pairs:
            name, sep, value = pair.partition("=")
            if not sep:
                raise click.BadParameter(pair, param_hint="--set")
            values[name] = value
        self.arguments: dict[str, Any] = {
            "goc": goc,
            "ma_ho_so": ma_ho_so,
            "at": at,
            "size": size,
            "noi_gui": Address(ma_dinh_danh=sender) if sender else None,
            "noi_nhan": tuple(Address(ma_dinh_danh=receiver) for receiver in receivers),
            "values": values,
            "thu_tu": thu_tu,
        }
        self.loai, self.phien_ban = loai, phien_ban

    def make(self, seed: int) -> bytes:
        """One message, unsigned."""
        from schemas.fresh import Size, fresh

        arguments = {**self.arguments, "size": Size(self.arguments["size"])}
        try:
            return fresh(self.loai, self.phien_ban, seed=seed, catalog=self.catalog, **arguments)
        except KeyError as error:
            raise click.UsageError(str(error.args[0])) from error
