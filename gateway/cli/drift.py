"""drift: dossiers of which a party was not told the truth yet, or believes something else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from gateway.cli.command import FINE, PROBLEMS, UNDETERMINED, CommandRun, command, option
from gateway.cli.find import called, one_party
from gateway.cli.show import Screen, when
from gateway.core.model import PartyId
from gateway.core.operators import OperatorRole
from gateway.core.problems import Lang

if TYPE_CHECKING:
    from gateway.core.parties import Party
    from gateway.services.drift import AskedParty, Drift

CAUSES = {
    "waiting": ("chờ tới lượt, hoặc bên nhận không phản hồi", "waits for its turn, or the party does not answer"),
    "uncertain": ("đã gửi, chưa rõ kết quả", "sent, outcome unknown"),
    "held": ("bị từ chối hoặc hết thời hạn thử lại: hàng đợi bị tạm giữ", "refused or given up: the lane is held"),
    "locked": ("bên đang bị khóa", "the party is locked"),
    "paused": ("đang tạm dừng gửi tới bên này", "sending to the party is paused"),
    "let-go": ("bị từ chối, đã bỏ qua", "refused, then skipped"),
    "not-addressed": (
        "thay đổi đến trong thông điệp không gửi cho bên này",
        "changed by messages that did not name it",
    ),
    "missing-there": ("bên nhận trả lời không có hồ sơ", "the party says that it has no such dossier"),
    "changed-there": ("dữ liệu ở bên nhận khác thông tin đã nhận", "the party says other than what it took"),
    "unread": ("thông tin nằm trong hộp thư, bên đó chưa đọc", "the news lie in its inbox, unread"),
    "event-waiting": ("thông tin của bên đó chờ thông tin trước (ThuTu)", "its news wait for an earlier one (ThuTu)"),
    "refused-here": ("thông điệp về hồ sơ bị trục từ chối", "a message about it was refused here"),
    "held-here": ("thông điệp về hồ sơ đang được tạm giữ", "a message about it is held here"),
    "not-its-own": ("trục có, nhưng bên đó không tham gia hồ sơ", "here, but the party has no part in it"),
    "given-back": ("mã hồ sơ đã được giải phóng ở trục", "its code was given back here"),
    "never-sent": ("bên đó chưa báo cho trục", "the party never told us"),
}
TURNS = {"gateway": ("trục", "gateway"), "operator": ("người vận hành", "operator"), "party": ("bên nhận", "party")}


@command(
    "drift",
    vi="Hồ sơ mà dữ liệu ở một bên chưa khớp với dữ liệu của trục: trường nào khác, nguyên nhân, bên phải xử lý. "
    "Chỉ các bên không đọc ThongDiep (qcvn120, edxml, http). Mã thoát 1 khi có việc cho người vận hành hoặc "
    "bên nhận, 3 khi trục đang gửi.",
    en="Dossiers of which a party was not told the truth yet, or believes something else: which fields, why, whose turn. "
    "Only parties that do not read ThongDiep (qcvn120, edxml, http). Exit 1 where a person or the party must move, 3 while "
    "only the gateway is at it.",
)
@option("--party", metavar="PARTY", vi="Chỉ bên này.", en="Only this party.")
@option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, vi="Số lượng tối đa.", en="At most.")
@option(
    "--ask",
    is_flag=True,
    vi="Trước hết tra cứu dữ liệu ở bên này (--party) về tối đa --limit hồ sơ, ưu tiên hồ sơ lâu chưa tra cứu; "
    "chỉ tra cứu, không thay đổi dữ liệu ở bên đó.",
    en="First ask this party (--party) what it has of at most --limit dossiers, the longest unheard of first; it is only "
    "asked, nothing changes over there.",
)
@option(
    "--per-second",
    type=click.FloatRange(0.1, 100),
    default=5.0,
    show_default=True,
    vi="Số lần tra cứu tối đa mỗi giây.",
    en="Questions a second, at most.",
)
def drift(call: CommandRun, party: str | None, limit: int, ask: bool, per_second: float) -> int:
    """Lists drift by party and dossier."""
    from gateway.core.reconcile import DriftTurn
    from gateway.services.drift import drifting, projected
    from gateway.wiring import registry_of

    parties, screen = registry_of(call.store), call.screen
    chosen = projected(parties)
    if party is not None:
        name = one_party(call, party)
        chosen = [one for one in chosen if one.id == name]
        if not chosen:
            screen.note(
                f"{name} đọc thông điệp của trục, hoặc tự lấy: xem lienthong lanes, lienthong inbox.",
                f"{name} reads our messages, or pulls them: see lienthong lanes, lienthong inbox.",
            )
    if ask:
        if party is None:
            raise click.UsageError(screen.text("--ask cần --party.", "--ask needs --party."))
        call.need(OperatorRole.OPERATOR, "drift --ask")
        for each in chosen:
            _ask(call, each, limit, per_second)
    found = [one for each in chosen for one in islice(drifting(call.store, parties, each), limit + 1)]
    shown = found[:limit]
    if screen.as_json:
        for one in shown:
            screen.row(_row(one))
    elif not shown:
        screen.line("Không có hồ sơ nào chưa khớp.", "No party knows or believes anything else.")
    else:
        _print(screen, shown, {party.id: party.name for party in parties})
        if len(found) > limit:
            screen.line(
                f"Chỉ hiển thị {limit} dòng đầu; tăng --limit để xem thêm.",
                f"The first {limit}; raise --limit for more.",
            )
    if not found:
        return FINE
    return UNDETERMINED if all(one.turn is DriftTurn.GATEWAY for one in found) else PROBLEMS


def _ask(call: CommandRun, party: Party, limit: int, per_second: float) -> None:
    """Asks, and says what that came to."""
    from connectors.http import HttpLine
    from connectors.registry import installed
    from gateway.services.drift import ask_party
    from gateway.wiring import egress_proxy

    proxy = egress_proxy(call.settings)
    connector = installed().named(party.connector)
    configured = connector.configure(party.connector_settings, where=party.id)

    async def asked() -> AskedParty:
        async with HttpLine(private_addresses=call.settings.work.private_addresses, proxy=proxy) as line:
            return await ask_party(
                call.store,
                party,
                connector,
                configured,
                line.http(configured.common),
                lambda: datetime.now(UTC),
                most=limit,
                pause_s=1 / per_second,
            )

    came = asyncio.run(asked())
    call.screen.note(
        f"{party.id}: đã tra cứu {came.answers} hồ sơ, {came.otherwise} hồ sơ có dữ liệu khác ở bên đó.",
        f"{party.id}: asked about {came.answers} dossiers; of {came.otherwise} it says otherwise.",
    )
    if came.problem is not None:
        call.screen.problem(came.problem)


def _row(one: Drift) -> dict[str, object]:
    return {
        "party": one.party,
        "ma_ho_so": one.ma_ho_so,
        "cause": one.cause.value,
        "turn": one.turn.value,
        "since": one.since,
        "fields": {name: {"theirs": theirs, "true": true} for name, (theirs, true) in one.fields.items()},
        "delivery": one.delivery,
        "code": one.code,
    }


def _print(screen: Screen, found: list[Drift], names: Mapping[PartyId, str]) -> None:
    of = 0 if screen.lang is Lang.VI else 1
    causes = Counter((one.party, one.cause.value, one.turn.value) for one in found)
    for (party, cause, turn), number in causes.most_common():
        screen.line(
            f"{called(party, names)}: {number} hồ sơ {CAUSES[cause][0]}; bên phải xử lý: {TURNS[turn][0]}.",
            f"{called(party, names)}: {number} dossiers, {CAUSES[cause][1]}; {TURNS[turn][1]}'s turn.",
        )
    heads = ("Bên nhận", "Hồ sơ", "Khác ở (bên nhận → trục)", "Vì sao", "Từ lúc", "Mã")
    heads_en = ("Party", "Dossier", "Differs in (theirs → true)", "Why", "Since", "Code")
    screen.table(
        heads if of == 0 else heads_en,
        (
            (
                one.party,
                one.ma_ho_so,
                "; ".join(f"{name} {theirs or '–'} → {true or '–'}" for name, (theirs, true) in one.fields.items()),
                CAUSES[one.cause.value][of],
                when(one.since),
                one.code or "",
            )
            for one in found
        ),
        whole=(1,),
    )
