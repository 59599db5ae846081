"""parties try: exactly the requests that a message would become at a party, secrets masked; or that one to a test address."""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command import FINE, PROBLEMS, CommandRun, acting, argument, command, option, reason_of
from gateway.cli.parties import read_all
from gateway.cli.show import Screen
from gateway.core.lifecycle import LifeRules
from gateway.core.model import Delivery, DeliveryId, MaThongDiep, MessageId
from gateway.core.operators import OperatorRole
from gateway.core.parties import Party
from gateway.core.problems import Lang, Problem, Stopped
from gateway.core.unknown import unknown

if TYPE_CHECKING:
    from connectors.base import Configured, Connector
    from connectors.http import ShownRequest
    from connectors.outcomes import Parcel, Receipt

SHOWN_CHARS = 20_000  # of one body on a screen; --json has all of it


@command(
    "try",
    vi="Hiển thị đúng các yêu cầu được tạo từ một thông điệp khi gửi tới một bên, theo tệp hồ sơ của bên đó; bí "
    "mật được che, không gửi. Với --send: gửi một lần tới địa chỉ thử nghiệm, kèm bí mật thật.",
    en="Print exactly the requests that a message would become at a party, by that party's profile file; secrets are masked and "
    "nothing is sent. With --send: deliver it once to a test address, with the real secrets.",
)
@argument("party", metavar="PARTY")
@option(
    "--message",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    vi="Tệp thông điệp (ThongDiep).",
    en="The message, a file (ThongDiep).",
)
@option(
    "--dossier",
    metavar="CODE",
    vi="Lượt gửi mới nhất của hồ sơ này (phải nêu --reason; người xem và lý do được ghi vào nhật ký).",
    en="The newest delivery of this dossier (needs --reason; the log says who looked and why).",
)
@option(
    "--send",
    "to",
    metavar="URL",
    vi="Gửi tới địa chỉ thử nghiệm này (https://máy:cổng), thay máy chủ trong hồ sơ.",
    en="Send it to this test address (https://host:port) in place of the party's host.",
)
@acting
def try_(
    call: CommandRun, party: str, file: Path | None, dossier: str | None, to: str | None, reason: str | None
) -> int:
    """Shows, or sends once; records nothing but who looked at a dossier's content."""
    from connectors.outcomes import Answered
    from connectors.registry import installed

    if (file is None) == (dossier is None):
        raise click.UsageError(call.screen.text("Cần --message hoặc --dossier.", "Give --message or --dossier."))
    if to is not None and not re.fullmatch(r"https?://[^/@\s]+/?", to):
        raise click.UsageError(call.screen.text("--send: https://máy:cổng", "--send: https://host:port"))
    if to is not None:
        call.need(OperatorRole.ADMINISTRATOR, "parties try --send")
    elif dossier is not None:
        call.need(OperatorRole.OPERATOR, "parties try --dossier")
    profile = next((one for one in read_all(call.settings) if one.id == party), None)
    if profile is None:
        raise Stopped(unknown("party", party))
    if profile.connector is None:
        raise Stopped(Problem("DLV-053", {"party": party}))
    parcel = _of_file(file, profile, call) if file is not None else _of_dossier(str(dossier), profile, call, reason)
    connector = installed().named(profile.connector)
    configured = connector.configure(profile.connector_settings, where=party)
    try:
        asyncio.run(_tried(parcel, connector, configured, to, call))
    except Answered as answered:
        call.screen.problem(answered.problem)
        return PROBLEMS
    return FINE


async def _tried(
    parcel: Parcel, connector: Connector[Any], configured: Configured[Any], to: str | None, call: CommandRun
) -> None:
    from connectors.http import HttpLine
    from connectors.outcomes import NothingToTell
    from connectors.showing import requests_shown, sent_to
    from gateway.wiring import egress_proxy

    proxy = egress_proxy(call.settings)
    if to is not None:
        async with HttpLine(private_addresses=True, proxy=proxy) as line:  # whoever names a test address means it
            came = await sent_to(parcel, connector, configured, line, to)
        if isinstance(came, NothingToTell):
            _nothing(call.screen)
        else:
            _taken(call.screen, came)
        return
    async with HttpLine(private_addresses=call.settings.work.private_addresses, proxy=proxy) as line:
        shown, receipt = await requests_shown(parcel, connector, configured, line)
    for number, request in enumerate(shown, 1):
        _show(call.screen, number, request)
    if isinstance(receipt, NothingToTell):
        _nothing(call.screen)
    for note in receipt.notes if receipt is not None else ():
        call.screen.problem(note)


def _nothing(screen: Screen) -> None:
    """The party's form has no word for it, or the party knows all of it."""
    if screen.as_json:
        screen.row({"outcome": "nothing"})
        return
    screen.line(
        "Không có thông tin phải báo: khuôn dạng của bên nhận không thể hiện được thông điệp này, "
        "hoặc bên nhận đã có đủ thông tin.",
        "Nothing to tell: the party's form has no word for this message, or it knows all of it.",
    )


def _taken(screen: Screen, receipt: Receipt) -> None:
    answer = (receipt.body or b"").decode("utf-8", "replace")
    if screen.as_json:
        screen.row({"outcome": "delivered", "reference": receipt.reference, "answer": answer})
        return
    screen.line(f"Bên nhận đã nhận: {receipt.reference or '–'}", f"Taken: {receipt.reference or '–'}")
    screen.line(answer[:SHOWN_CHARS])
    for note in receipt.notes:
        screen.problem(note)


def _show(screen: Screen, number: int, request: ShownRequest) -> None:
    """One request as it would go over the wire."""
    text = request.body.decode("utf-8", "replace")
    if screen.as_json:
        row = {"number": number, "call": request.about, "method": request.method, "url": request.url}
        screen.row({**row, "headers": dict(request.headers), "body": text})
        return
    name = f" ({request.about})" if request.about else ""
    screen.line(f"#{number}{name}")
    screen.line(f"{request.method} {request.url}")
    for header, value in request.headers.items():
        screen.line(f"{header}: {value}")
    screen.line()
    cut = len(text) - SHOWN_CHARS
    screen.line(
        text[:SHOWN_CHARS] + (screen.text(f" … còn {cut} ký tự", f" … {cut} more characters") if cut > 0 else "")
    )
    screen.line()


def _of_file(file: Path, party: Party, call: CommandRun) -> Parcel:
    """A message of a file as a delivery to the party, with what is remembered of its dossier where there is a database."""
    from connectors.outcomes import Parcel
    from gateway.core.limits import CEILING
    from gateway.documents import parse_bytes
    from schemas import names
    from schemas.catalog import bundled

    body = file.read_bytes()
    root = parse_bytes(body, CEILING)
    kind = bundled().kind_of(root)
    ma = (root.findtext(names.pb("MaThongDiep")) or "").strip()
    payload = root.find(names.THAN_PHAN)
    inner = payload[0].findtext(names.hs("MaHoSo")) if payload is not None and len(payload) else None
    lane = (root.findtext(names.pb("MaHoSo")) or inner or ma).strip()
    delivery = Delivery(
        id=DeliveryId(f"thu-{ma}.{party.id}"),
        message=MessageId(f"thu-{ma}"),
        ma_thong_diep=MaThongDiep(ma),
        loai=kind.loai,
        party=party.id,
        lane=lane,
        digest=hashlib.sha256(body).hexdigest(),
    )
    return _with_what_went_before(Parcel(delivery=delivery, body=body, party=party), call)


def _of_dossier(code: str, party: Party, call: CommandRun, reason: str | None) -> Parcel:
    """The newest delivery of a dossier to the party. Its content is shown, so that the log says to whom, and why."""
    from connectors.outcomes import Parcel
    from gateway.services.desk import note_unmasking

    with call.store.read() as view:
        found = view.deliveries(party=party.id, lane=code)
        if not found:
            raise Stopped(unknown("delivery", f"{party.id} {code}"))
        body = view.body(found[-1].message, found[-1].digest)
    if body is None:
        raise Stopped(Problem("DLV-061", {"digest": found[-1].digest}))
    why = reason_of(call, reason, "parties try --dossier")
    note_unmasking(call.store, found[-1].message, who=f"operator:{call.person}", reason=why, now=call.now)
    return _with_what_went_before(Parcel(delivery=found[-1], body=body, party=party), call)


def _with_what_went_before(parcel: Parcel, call: CommandRun) -> Parcel:
    """As a worker would have it; a first try where there is no database yet."""
    from gateway.wiring import registry_of
    from schemas.record import WORDS

    try:
        parties = registry_of(call.store)
        with call.store.read() as view:
            _, before, remembered = view.before(parcel.delivery)
            told = view.told(parcel.party.id, parcel.delivery.lane)
            record = view.letters(
                parcel.delivery,
                lambda agency: LifeRules.of(parties.get(agency)),
                of=WORDS,
            )
    except Stopped as stop:
        for problem in stop.problems:
            call.screen.note(problem.message(Lang.VI), problem.message(Lang.EN))
        return parcel
    return replace(parcel, before=before, remembered=remembered, record=record, told=told)
