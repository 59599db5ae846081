"""drift: dossiers of which a party was not told the truth yet, or believes something else."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

import click

from gateway.cli.command import FINE, PROBLEMS, UNDETERMINED, CommandRun, command, option
from gateway.cli.find import one_party
from gateway.cli.show import Screen, when
from gateway.core.problems import Lang

if TYPE_CHECKING:
    from gateway.services.drift import Drift

CAUSES = {
    "waiting": ("chờ tới lượt, hoặc bên nhận không trả lời", "waits for its turn, or the party does not answer"),
    "uncertain": ("đã gửi, chưa rõ đã tới chưa", "sent, outcome unknown"),
    "held": ("bị từ chối hoặc hết kiên nhẫn: làn bị giữ", "refused or given up: the lane is held"),
    "locked": ("bên đang bị khóa", "the party is locked"),
    "let-go": ("bị từ chối rồi bỏ qua", "refused, then skipped"),
    "not-addressed": (
        "thay đổi đến trong thông điệp không gửi cho bên này",
        "changed by messages that did not name it",
    ),
    "missing-there": ("bên nhận nói không có hồ sơ", "the party says that it has no such dossier"),
    "changed-there": ("bên nhận nói khác điều đã nhận", "the party says other than what it took"),
}
TURNS = {"gateway": ("trục", "gateway"), "operator": ("người vận hành", "operator"), "party": ("bên nhận", "party")}


@command(
    "drift",
    vi="Hồ sơ mà một bên chưa được báo đúng, hoặc tin khác sự thật: trường nào khác, vì sao, tới lượt ai. Chỉ các bên "
    "không đọc ThongDiep (qcvn120, edxml, http). Mã thoát 1 khi có việc cho người hoặc cho bên nhận, 3 khi chỉ còn trục "
    "đang gửi.",
    en="Dossiers of which a party was not told the truth yet, or believes something else: which fields, why, whose turn. "
    "Only parties that do not read ThongDiep (qcvn120, edxml, http). Exit 1 where a person or the party must move, 3 while "
    "only the gateway is at it.",
)
@option("--party", metavar="PARTY", vi="Chỉ bên này.", en="Only this party.")
@option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, vi="Nhiều nhất.", en="At most.")
def drift(call: CommandRun, party: str | None, limit: int) -> int:
    """Lists drift by party and dossier."""
    from gateway.services.drift import DriftTurn, drifting, projected
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
    found = [each for one in chosen for each in islice(drifting(call.store, parties, one), limit + 1)]
    shown = found[:limit]
    if screen.as_json:
        for one in shown:
            screen.row(_row(one))
    elif not shown:
        screen.line("Không bên nào biết sai hay tin khác.", "No party knows or believes anything else.")
    else:
        _print(screen, shown)
        if len(found) > limit:
            screen.line(
                f"Chỉ in {limit} dòng đầu; tăng --limit để xem thêm.", f"The first {limit}; raise --limit for more."
            )
    if not found:
        return FINE
    return UNDETERMINED if all(one.turn is DriftTurn.GATEWAY for one in found) else PROBLEMS


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


def _print(screen: Screen, found: list[Drift]) -> None:
    of = 0 if screen.lang is Lang.VI else 1
    causes = Counter((one.party, one.cause.value, one.turn.value) for one in found)
    for (party, cause, turn), number in causes.most_common():
        screen.line(
            f"{party}: {number} hồ sơ {CAUSES[cause][0]}; tới lượt {TURNS[turn][0]}.",
            f"{party}: {number} dossiers, {CAUSES[cause][1]}; {TURNS[turn][1]}'s turn.",
        )
    heads = ("Bên nhận", "Hồ sơ", "Khác ở (họ có → đúng)", "Vì sao", "Từ lúc", "Mã", "Lượt gửi")
    heads_en = ("Party", "Dossier", "Differs in (theirs → true)", "Why", "Since", "Code", "Delivery")
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
                one.delivery or "",
            )
            for one in found
        ),
        whole=(1,),
    )
