"""top: how everything stands, live in a terminal, or once."""

from __future__ import annotations

import http.client
import json
import select
import ssl
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.batch import KINDS, STATES, batch_row
from gateway.cli.command import FINE, CommandRun, command, option
from gateway.cli.find import called
from gateway.cli.show import HANOI, Screen
from gateway.core.alert_words import ALARMS, SEVERITIES
from gateway.core.batches import BatchItemState
from gateway.core.model import DeliveryState, PartyId
from gateway.core.operators import OperatorRole
from gateway.core.problems import Lang

if TYPE_CHECKING:
    from gateway.core.alerts import AlertGroup
    from gateway.services.overview import NowOverview
    from gateway.settings import Settings

ALERTS_EVERY = timedelta(seconds=30)  # they look at every party and dossier that is late
ALERTS_SHOWN = 5
ASKED_S = 1.0  # how long a process of this node may take to say how it is
BAR = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TopFrame:
    """What one frame shows."""

    seen: NowOverview
    groups: list[AlertGroup]
    names: Mapping[PartyId, str]
    processes: Mapping[str, str | None]  # serve, work -> ready, what is wrong; None: not asked, or nobody answers


@command(
    "top",
    vi="Tình hình ngay lúc này, tự làm mới: hàng đợi từng bên, lượt chờ lâu nhất, từ lúc nhận tới lúc giao (p50, p95 của "
    "các lượt gửi mới nhất), việc bị giữ, bị từ chối theo mã, các đợt, việc cần người xem. q hoặc Ctrl-C để thôi. "
    "Không ở màn hình: in một lần.",
    en="How everything stands just now, refreshed: queues by party, the oldest wait, from taken in to delivered (p50, p95 of "
    "the newest deliveries), what is held, rejected by code, batches, what needs a person. q or Ctrl-C ends it. Where there "
    "is no terminal it prints once.",
)
@option("--once", is_flag=True, vi="Chỉ in một lần.", en="Print once and leave.")
@option(
    "--every",
    type=click.FloatRange(0.5, 3600),
    default=2.0,
    show_default=True,
    vi="Số giây giữa hai lần làm mới.",
    en="Refresh this often, seconds.",
)
def top(call: CommandRun, once: bool, every: float) -> int:
    """Shows frames until it is told to stop."""
    call.need(OperatorRole.VIEWER, "top")
    look = _Looks(call)
    if call.screen.as_json:
        call.screen.row(_row(look()))
        return FINE
    if once or not (call.screen.out.isatty() and sys.stdin.isatty()):
        call.screen.line(in_words(call.screen, look()))
        return FINE
    _live(call.screen, look, every)
    return FINE


class _Looks:
    """Looks at the database each time, at the registry and the alerts now and then."""

    def __init__(self, call: CommandRun) -> None:
        self._call = call
        self._alerts: tuple[datetime, list[AlertGroup]] | None = None

    def __call__(self) -> TopFrame:
        from gateway.cli.alerts import current
        from gateway.services.overview import look_now
        from gateway.wiring import registry_of

        call, now = self._call, self._call.now
        if self._alerts is None or now - self._alerts[0] >= ALERTS_EVERY:
            self._alerts = (now, current(call))
        parties = registry_of(call.store)
        return TopFrame(
            seen=look_now(call.store, parties, now),
            groups=[group for group in self._alerts[1] if group.acknowledged is None],
            names={party.id: party.name for party in parties},
            processes=processes_of(call.settings),
        )


def processes_of(settings: Settings) -> dict[str, str | None]:
    """How `serve` and `work` of this node say that they are; None where nobody answers or there is no address to ask."""
    web, work = settings.web, settings.work
    asked = {"serve": (web.host, web.port, web.tls_certificate is not None), "work": (work.host, work.port, False)}
    return {name: _readiness(host, port, tls=tls) if port else None for name, (host, port, tls) in asked.items()}


def _readiness(host: str, port: int, *, tls: bool) -> str | None:
    try:
        if tls:
            looking = ssl.create_default_context()
            looking.check_hostname, looking.verify_mode = False, ssl.CERT_NONE  # asked how it is; nothing is told to it
            line: http.client.HTTPConnection = http.client.HTTPSConnection(host, port, timeout=ASKED_S, context=looking)
        else:
            line = http.client.HTTPConnection(host, port, timeout=ASKED_S)
        with closing(line):
            line.request("GET", "/readyz")
            said = json.loads(line.getresponse().read(65536))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    if not isinstance(said, dict):
        return None
    failing = said.get("failing")
    return "ready" if said.get("status") == "ready" else str(failing or said.get("status"))[:40]


def in_words(screen: Screen, frame: TopFrame) -> str:
    """One frame as text, as wide as the terminal."""
    page = replace(screen, out=StringIO())
    _head(page, frame)
    _queues(page, frame)
    _counts(page, frame)
    _batches(page, frame)
    _alerts(page, frame)
    written: StringIO = page.out  # type: ignore[assignment] # made above
    return written.getvalue().rstrip("\n")


def _head(page: Screen, frame: TopFrame) -> None:
    words = {"ready": page.text("sẵn sàng", "ready"), None: page.text("không trả lời", "no answer")}
    said = " · ".join(f"{name}: {words.get(how, how)}" for name, how in frame.processes.items())
    page.line(f"Liên Thông · {frame.seen.at.astimezone(HANOI):%d/%m/%Y %H:%M:%S} · {said}")
    page.line()


def _queues(page: Screen, frame: TopFrame) -> None:
    seen = frame.seen
    rows = []
    known = {queue.party: queue for queue in seen.queues}
    for party in sorted({*known, *seen.speeds}):
        queue, speed = known.get(party), seen.speeds.get(party)
        counts: Mapping[DeliveryState, int] = queue.counts if queue is not None else {}
        oldest = queue.oldest_due if queue is not None else None
        rows.append(
            (
                party,
                counts.get(DeliveryState.QUEUED, 0),
                counts.get(DeliveryState.SENDING, 0),
                counts.get(DeliveryState.UNKNOWN, 0),
                counts.get(DeliveryState.REFUSED, 0) + counts.get(DeliveryState.DEAD, 0),
                _span(seen.at - oldest) if oldest is not None and oldest < seen.at else None,
                _seconds(speed.p50_s) if speed else None,
                _seconds(speed.p95_s) if speed else None,
                queue.failures if queue is not None and queue.failures else None,
            )
        )
    if not rows:
        page.line("Chưa có lượt gửi nào.", "No deliveries yet.")
        return
    heads = (
        ("Bên nhận", "Chờ", "Gửi", "Chưa rõ", "Hỏng", "Quá hạn", "p50", "p95", "Lỗi liền"),
        ("Receiver", "Queued", "Sending", "Unknown", "Failed", "Overdue", "p50", "p95", "Fails"),
    )
    page.table(heads[page.lang is Lang.EN], rows)
    shown = [called(party, frame.names) for party, *_ in rows if party in frame.names]
    page.line("  " + " · ".join(shown))


def _counts(page: Screen, frame: TopFrame) -> None:
    seen = frame.seen
    page.line()
    page.line(
        f"Hàng đợi hồ sơ bị tạm giữ {seen.lanes_held} · thông điệp đang tạm giữ {seen.messages_held}",
        f"Lanes held {seen.lanes_held} · messages held {seen.messages_held}",
    )
    if seen.rejected:
        codes = " · ".join(f"{number} × {code}" for code, number in seen.rejected)
        page.line(f"Bị từ chối trong 24 giờ: {codes}", f"Rejected within 24 h: {codes}")
    for reader, since in seen.inboxes:
        number = reader.head - reader.confirmed
        old = f" · {_span(seen.at - since)}" if since is not None else ""
        name = called(reader.party, frame.names)
        page.line(f"Hộp thư {name}: {number} chưa đọc{old}", f"Inbox {name}: {number} unread{old}")


def _batches(page: Screen, frame: TopFrame) -> None:
    of = int(page.lang is Lang.EN)
    for one in frame.seen.batches:
        filled = round(BAR * one.settled / one.size) if one.size else BAR
        failed = one.count(BatchItemState.FAILED)
        page.line(
            f"{('Đợt', 'Batch')[of]} {one.number} {KINDS[one.kind][of]} [{'#' * filled}{'.' * (BAR - filled)}] "
            f"{one.settled}/{one.size} · {STATES[one.state][of]}"
            + (f" · {('hỏng', 'failed')[of]} {failed}" if failed else "")
        )


def _alerts(page: Screen, frame: TopFrame) -> None:
    of = int(page.lang is Lang.EN)
    page.line()
    if not frame.groups:
        page.line("Không có gì cần xem.", "Nothing needs a person.")
        return
    for group in frame.groups[:ALERTS_SHOWN]:
        pieces = (
            f"{SEVERITIES[group.severity.value][of]} {len(group.alerts)} × {ALARMS[group.alarm.value][of]}",
            called(group.party, frame.names),
            group.cause,
        )
        page.line(" · ".join(piece for piece in pieces if piece))
    page.rest(len(frame.groups) - ALERTS_SHOWN)


def _span(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _seconds(value: float) -> str:
    return f"{value:.1f}s" if value < 60 else _span(timedelta(seconds=value))


def _row(frame: TopFrame) -> dict[str, Any]:
    seen = frame.seen
    return {
        "at": seen.at,
        "processes": dict(frame.processes),
        "queues": [
            {
                "party": queue.party,
                "counts": {str(state): number for state, number in queue.counts.items()},
                "oldest_due": queue.oldest_due,
                "failures": queue.failures,
            }
            for queue in seen.queues
        ],
        "speeds": {
            party: {"number": speed.number, "p50_s": speed.p50_s, "p95_s": speed.p95_s}
            for party, speed in seen.speeds.items()
        },
        "lanes_held": seen.lanes_held,
        "messages_held": seen.messages_held,
        "rejected": dict(seen.rejected),
        "inboxes": {reader.party: reader.head - reader.confirmed for reader, _ in seen.inboxes},
        "batches": [batch_row(one) for one in seen.batches],
        "alerts": [
            {"id": g.id, "alarm": str(g.alarm), "severity": str(g.severity), "party": g.party, "count": len(g.alerts)}
            for g in frame.groups
        ],
    }


def _live(screen: Screen, look: Callable[[], TopFrame], every: float) -> None:
    """Frame after frame on a page of the terminal's own, until q or Ctrl-C."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=screen.out, highlight=False)
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            try:
                live.update(Text(in_words(screen, look()), no_wrap=True, overflow="crop"), refresh=True)
                if pressed(every):
                    return
            except KeyboardInterrupt:
                return


@contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Keys as they are pressed; gives what waits so long, or until q."""
    before = termios.tcgetattr(sys.stdin)

    def pressed(seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([sys.stdin], [], [], left)
            if ready and sys.stdin.read(1) in {"q", "Q", ""}:
                return True
        return False

    try:
        tty.setcbreak(sys.stdin)
        yield pressed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
