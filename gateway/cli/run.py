"""serve, work: the two kinds of process of a node. Both stop on SIGTERM or Ctrl-C, finishing what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway.cli.command import CommandRun, command, option, stays, with_settings
from gateway.core.addresses import host_and_port
from gateway.core.problems import Lang, Problem, Stopped

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from gateway.core.alerts import Alarm, AlertGroup
    from gateway.core.clocks import NodeClock
    from gateway.core.model import Acknowledgement, Envelope, PartyId
    from gateway.services.batches import BatchActs
    from gateway.services.certificate_status import Refreshed
    from gateway.services.intake import Gate
    from gateway.settings import LoadedSettings, Settings
    from gateway.store import Store
    from gateway.web.crashes import Crashes
    from gateway.web.serve import Job
    from gateway.web.worker import WorkPort

log = logging.getLogger("lienthong.work")
_T = TypeVar("_T")

_LOADED = (
    "gateway.opening",
    "gateway.wiring",
    "gateway.cli.run",
    "gateway.services.fetch",
    "gateway.services.outbox",
    "gateway.web.worker",
)
ALERTS_EVERY_S = 60.0
BATCHES_EVERY_S = 1.0
RECONCILE_EVERY_S = 60.0  # how often it is seen whether a party's time to be reconciled has come
ARCHIVE_EVERY_S = 3600.0  # how often it is seen whether a month is to be archived, or an archive written anew
DIGESTS_EVERY_S = 60.0  # how often it is seen whether digests are to be put together (gateway/store/digests.py)
DIGESTS_PAUSE_S = 0.1  # between two turns of that: after an upgrade there are many
PREPARED_EVERY_S = 2.0  # how often it is seen whether somebody waits for figures
_FOR_GOOD = frozenset(
    {"recheck", "batches", "reconcile", "archive", "files"}
)  # by the time: not done while that is in doubt
HEADS_EVERY_S = 10.0  # how often it is seen whether the log's head is to be signed


@command(
    "serve",
    acts=True,
    vi="Khởi động dịch vụ tiếp nhận qua HTTP: nhận thông điệp, trả xác nhận tiếp nhận, cung cấp hộp "
    "thư cho các bên. Chạy cùng một “lienthong work”.",
    en="Open the HTTP door: take messages, answer with receipts, let parties read their inboxes. Run one “lienthong "
    "work” "
    "beside it.",
)
@option(
    "--workers",
    "-w",
    type=click.IntRange(1, 64),
    vi="Số tiến trình (mặc định web.workers).",
    en="Processes (default web.workers).",
)
@option("--host", vi="Địa chỉ (mặc định web.host).", en="Address (default web.host).")
@option(
    "--port",
    type=click.IntRange(0, 65535),
    vi="Cổng (mặc định web.port); 0: cổng trống.",
    en="Port (default web.port); 0: a free one.",
)
def serve(call: CommandRun, workers: int | None, host: str | None, port: int | None) -> int:
    """Serves until it is told to stop."""
    from gateway.services.lines import start_logging
    from gateway.web.serve import serve as serve_front

    call = with_settings(call, web__workers=workers, web__host=host, web__port=port)
    loaded = call.loaded
    stays()
    start_logging(loaded.settings.log.form, loaded.settings.log.level)
    if not loaded.settings.key.given:
        raise Stopped(Problem("SYS-037"))

    def ready(where: str, on: int) -> None:
        scheme = "https" if loaded.settings.web.tls_certificate else "http"
        address = f"{scheme}://{host_and_port(where, on)}"
        if call.screen.as_json:
            call.screen.row({"ready": address, "workers": loaded.settings.web.workers})
        else:
            call.screen.line(
                f"Đang tiếp nhận tại {address} (nhấn Ctrl-C để dừng).", f"Taking messages at {address} (Ctrl-C stops)."
            )

    return serve_front(loaded, given=call.given, on_ready=ready)


@command(
    "work",
    acts=True,
    vi="Gửi tới các bên nhận theo cách đẩy, xét lại thông điệp đang tạm giữ, tra cứu tình trạng chứng thư, ký "
    "đầu nhật ký. Có thể chạy nhiều tiến trình.",
    en="Deliver to parties that are pushed to, judge held messages again, ask for certificate status, sign the log's "
    "head. "
    "Any number may run beside each other.",
)
def work(call: CommandRun) -> int:
    """Works until it is told to stop: a parent that does nothing else, and one process that works."""
    from gateway.cli.resident import ResidentJob, answer_look_ups
    from gateway.quick import stamp
    from gateway.services.lines import start_logging
    from gateway.web.beside import Beside
    from gateway.web.descriptors import raise_descriptors
    from gateway.web.keeper import Keeper, KeeperPatience, runtime_folder
    from gateway.web.serve import Job, reserve

    settings = call.settings
    stays()
    start_logging(settings.log.form, settings.log.level)
    raise_descriptors()
    if not settings.key.given:
        raise Stopped(Problem("SYS-037"))
    reserved = None if settings.work.port is None else reserve(settings.work.host, settings.work.port)

    def ready(port: str) -> None:
        at = f"http://{host_and_port(settings.work.host, int(port))}" if port else None
        if call.screen.as_json:
            call.screen.row({"ready": "work"} | ({} if at is None else {"port": at}))
            return
        call.screen.line("Đang hoạt động (nhấn Ctrl-C để dừng).", "Working (Ctrl-C stops).")
        if at is not None:
            call.screen.line(f"Xem tình trạng tại {at}/metrics.", f"How it is doing: {at}/metrics.")

    shared = runtime_folder(call.loaded.base)
    job = Job(
        file=call.loaded.file,
        given=dict(call.given),
        host=settings.work.host,
        port=0 if reserved is None else reserved.getsockname()[1],
        shared=shared,
    )
    patience = KeeperPatience(boot_s=settings.web.boot_s, stall_s=settings.web.stall_s, drain_s=settings.work.grace_s)
    beside = None
    if call.loaded.file is not None:
        beside = Beside(answer_look_ups, ResidentJob(call.loaded.file.resolve(), stamp()), name="answers to look-ups")
    try:
        return Keeper(
            _work, job, 1, patience, shared, ready, name="work process", preload=_LOADED, gives_up=False, beside=beside
        ).run()
    finally:
        if reserved is not None:
            reserved.close()


def _work(job: Job, line: Connection) -> None:
    """The life of the process that works."""
    from gateway.web.serve import child_begins

    with child_begins(job, line) as loaded:
        asyncio.run(_work_as_told(job, loaded, line))


async def _work_as_told(job: Job, loaded: LoadedSettings, line: Connection) -> None:
    """Everything that is not intake, side by side, until SIGTERM or the parent's end."""
    from gateway.opening import await_store
    from gateway.services.lines import start_logging
    from gateway.web.clock_kept import ClockKept
    from gateway.web.crashes import Crashes
    from gateway.web.keeper import ALIVE, LARGE, READY, tell_of_waiting
    from gateway.web.memory import Spare, memory_mb
    from gateway.wiring import build, node_clock

    settings = loaded.settings
    lines = start_logging(settings.log.form, settings.log.level)
    store = await_store(loaded, tell_of_waiting(line), at_door=False)
    kept = ClockKept(job.shared)
    gate, clock = build(settings, store), node_clock(store, kept.read(job.clock))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(line.fileno(), stop.set)  # the parent says nothing, so this is its end
    most = memory_mb() + settings.web.growth_mb
    desk = Desk(gate, settings, stop, crashes=Crashes(job.shared), port=job.port or None, clock=clock)

    async def beat() -> None:
        told, spare = 0, Spare()
        while True:
            await spare.look()
            kept.keep(clock)
            told, before = lines.dropped, told
            desk.figures.lines_dropped(told - before)
            with contextlib.suppress(OSError):
                line.send_bytes(LARGE if memory_mb() > most else ALIVE)
            await asyncio.sleep(min(1.0, settings.web.stall_s / 5))

    def ready(port: int | None) -> None:
        line.send_bytes(READY if port is None else READY + b" %d" % port)

    beating = asyncio.create_task(beat())
    try:
        await desk.run(ready)
    finally:
        beating.cancel()
        loop.remove_reader(line.fileno())


class Desk:
    """The worker's loops, with the newest view of registry and trust."""

    def __init__(
        self,
        gate: Gate,
        settings: Settings,
        stop: asyncio.Event,
        *,
        crashes: Crashes | None = None,
        port: int | None = None,
        clock: NodeClock | None = None,
    ) -> None:
        """``crashes`` remembers what has ended a process that read it; ``port`` is where it says how it is doing.

        ``clock``: the time of this process; without it the machine's, whatever it says.
        """
        from gateway.core.allowances import Spending
        from gateway.services.replies import Persons
        from gateway.web.crashes import AnswerCrashes, Crashes
        from gateway.web.worker import WorkMetrics

        self.gate = gate
        self.settings = settings
        self.stop = stop
        self.crashes = crashes or Crashes()
        self.answers, self.port = AnswerCrashes(self.crashes), port
        self.now: Callable[[], datetime] = clock or _now
        self.clock = clock
        self.doubt: Callable[[], Problem | None] = (lambda: None) if clock is None else clock.doubt
        self.alerted: dict[str, tuple[Alarm, PartyId]] = {}  # and not their alerts, of which there may be very many
        self.preparing: asyncio.Task[int] | None = None
        self.persons = Persons()
        self.spending = Spending(settings.allowance)
        self.figures = WorkMetrics(log_head_s=settings.work.log_head_s)
        self.one_by_one = threading.Lock()  # fetched messages of several parties come in threads

    async def run(self, ready: Callable[[int | None], None]) -> None:
        """All loops until stop; one that ends early stops the others, so that a supervisor starts everything anew."""
        from connectors.registry import installed
        from gateway.core.allowances import Spent, day_of
        from gateway.opening import SCHEMA_EVERY_S
        from gateway.services import fetch, outbox
        from gateway.services.certificate_status import doubt
        from gateway.services.intake import new_message_id
        from gateway.web.serve import SETTLES_EVERY_S
        from gateway.wiring import egress_proxy, file_folder

        work, connectors, proxy = self.settings.work, installed(), egress_proxy(self.settings)
        pace = outbox.Pace(**{f.name: getattr(work, f.name) for f in fields(outbox.Pace)})
        if self.gate.store is None:
            raise ValueError("work needs a database")
        self.gate.store.waited = self.figures.waited
        with self.gate.store.read() as view:
            self.spending.take_over(view.spent(list(Spent), day_of(self.now())), self.now())
        port = await self._open_port()
        loops = [
            asyncio.create_task(
                outbox.keep_delivering(
                    self.gate.store,
                    lambda: self.gate.parties,
                    connectors,
                    self.stop,
                    self.now,
                    pace=pace,
                    private_addresses=work.private_addresses,
                    doubt=lambda answer, parcel, at: doubt(
                        answer, parcel, self.gate.trust, self.gate.parties, at, self.gate.limits
                    ),
                    watch=self.figures,
                    limits=self.gate.limits,
                    files=file_folder(self.settings),
                    answers=self.answers,
                    proxy=proxy,
                ),
                name="outbox",
            ),
            asyncio.create_task(
                fetch.keep_fetching(
                    lambda: self.gate.parties,
                    connectors,
                    self._take_fetched,
                    self.stop,
                    new_id=new_message_id,
                    clock=self.now,
                    private_addresses=work.private_addresses,
                    limits=self.gate.limits,
                    proxy=proxy,
                    answers=self.answers,
                ),
                name="fetch",
            ),
            self._loop("clock", SETTLES_EVERY_S, self._settle),
            self._loop("schema", SCHEMA_EVERY_S, self._look_at_schema),
            self._loop("renew", self.settings.parties.reload_s, self._renew),
            self._loop("answers", work.answer_s, self._answer),
            self._loop("recheck", min(work.recheck_s, 60.0), self._recheck),
            self._loop("batches", BATCHES_EVERY_S, self._batches),
            self._loop("alerts", ALERTS_EVERY_S, self._alert),
            self._loop("figures", PREPARED_EVERY_S, self._prepare),
            self._loop("reconcile", RECONCILE_EVERY_S, self._reconcile),
            self._loop("trust", work.trust_s, self._trust),
            self._loop("archive", ARCHIVE_EVERY_S, self._archive),
            self._loop("digests", DIGESTS_EVERY_S, self._sort_digests),
            self._loop("heads", min(work.log_head_s, HEADS_EVERY_S), self._seal),
            *([self._loop("files", self.settings.files.sweep_s, self._sweep)] if self.settings.files.folder else []),
        ]
        journal = self.gate.store.journal_keeper()
        ready(port.port if port is not None else None)
        done, _ = await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
        self.stop.set()
        await asyncio.gather(*loops, *([self.preparing] if self.preparing else []), return_exceptions=True)
        journal.close()
        if port is not None:
            await port.stop()
        for task in done:
            if (error := task.exception()) is not None:
                raise error

    def _take_fetched(self, envelopes: Sequence[Envelope]) -> list[Acknowledgement]:
        """Records what was fetched; unread, where reading it has ended a process.

        Where Unreachable is raised it stays over there: SYS-118 a party has sent enough today, SYS-078 nobody knows the time.
        """
        from connectors.outcomes import Unreachable
        from gateway.core.allowances import Spent
        from gateway.services.intake import judge, not_read_again, record
        from gateway.wiring import file_desk

        now = self.now()
        if (doubt := self.doubt()) is not None:
            raise Unreachable(doubt)
        with self.one_by_one:
            for envelope in envelopes:
                party = self.gate.parties.get(envelope.caller.party)
                if party is None:
                    continue
                if self.spending.left(party, now) < envelope.total_bytes:
                    self.spending.spend(party, Spent.PUT_OFF, 1)
                    allowed = self.spending.allowance(party).bytes_per_day
                    raise Unreachable(Problem("SYS-118", {"bytes_per_day": allowed}))
                self.spending.spend(party, Spent.BYTES, envelope.total_bytes)
            desk = file_desk(self.settings, self.gate.store)
            gate = self.gate if desk is None else replace(self.gate, keep_inline=desk.keep_inline)
            findings = []
            for envelope in envelopes:
                if self.crashes.guilty(envelope.digest):
                    findings.append(not_read_again(envelope))
                    continue
                with self.crashes.reading(envelope.digest):
                    findings.append(judge(envelope, gate))
            return record(findings, gate, now, self.spending)

    async def _open_port(self) -> WorkPort | None:
        """The port that tells how this process is doing, where one is asked for. Raises Stopped where it cannot be opened."""
        from gateway.web.worker import WorkPort

        if self.settings.work.port is None:
            return None
        port = WorkPort(self.figures, lambda: self.gate, self.settings.door.operator_tokens_sha256, self.doubt)
        await port.start(self.settings.work.host, self.port or self.settings.work.port, shares=self.port is not None)
        return port

    def _loop(self, name: str, seconds: float, act: Callable[[], Any]) -> asyncio.Task[None]:
        self.figures.begins(name, seconds)
        return asyncio.create_task(self._every(name, seconds, act), name=name)

    def _each(self, loop: str, ask: Callable[[], _T]) -> Callable[[], _T]:
        """The same question; whenever a long turn of this loop asks it, it is seen to get on."""

        def asked() -> _T:
            self.figures.progressed(loop)
            return ask()

        return asked

    async def _every(self, name: str, seconds: float, act: Callable[[], Any]) -> None:
        """Do that at once and then every so often; a failure is logged and the next turn comes."""
        from gateway.store import StoreError

        while not self.stop.is_set():
            outcome = "failed"
            try:
                if name in _FOR_GOOD and (doubt := self.doubt()) is not None:
                    log.error("%s %s", doubt.code, doubt.message(Lang.EN))
                    result = None
                else:
                    result = act()
                if isinstance(result, Awaitable):
                    await result
                outcome = "done"
            except StoreError as error:
                outcome = "database"
                log.error("the database did not do this turn; the next one comes: %s", error)  # noqa: TRY400 - it says it all
            except Exception:
                log.exception("one turn failed; the next one comes")
            self.figures.turned(name, seconds, outcome)
            try:
                async with asyncio.timeout(seconds):
                    await self.stop.wait()
            except TimeoutError:
                continue

    async def _settle(self) -> None:
        """Believe the machine's clock again soon after somebody vouches for it."""
        from gateway.wiring import vouched

        if self.clock is None or self.gate.store is None or self.doubt() is None:
            return
        if self.clock.settle(*await asyncio.to_thread(vouched, self.gate.store)):
            log.warning("the machine's clock is believed again")

    async def _look_at_schema(self) -> None:
        """Nothing is claimed or written once the database was brought to another revision."""
        from gateway.opening import still_ours

        if self.gate.store is not None:
            await asyncio.to_thread(still_ours, self.gate.store)

    async def _renew(self) -> None:
        from gateway.wiring import renewed

        newer = await asyncio.to_thread(renewed, self.gate, self.settings)
        if newer is not None:
            self.gate = newer
            log.info("a newer registry or newer verdicts are in force", extra={"registry": newer.parties.version})

    async def _recheck(self) -> None:
        every = timedelta(seconds=self.settings.work.recheck_s)
        stopping = self._each("recheck", self.stop.is_set)
        await asyncio.to_thread(recheck_held, self.gate, self.now(), every, stopping)

    async def _answer(self) -> None:
        """Queries that are addressed to the gateway itself."""
        from gateway.services.replies import answer_due
        from gateway.wiring import clerk

        stopping = self._each("answers", self.stop.is_set)
        while await asyncio.to_thread(answer_due, clerk(self.gate, self.persons), self.now()) and not stopping():
            pass

    async def _batches(self) -> None:
        """The next things of each batch, at its rate."""
        from gateway.services.batches import carry_on_batches

        clock = self._each("batches", self.now)
        if self.gate.store is not None:
            await asyncio.to_thread(carry_on_batches, self.gate.store, batch_acts(self.gate), clock)

    async def _prepare(self) -> None:
        """The numbers of each hour are kept; figures that take too long for a page are made, beside the turns."""
        if self.preparing is not None:
            if not self.preparing.done():
                return
            made, self.preparing = self.preparing, None
            made.result()  # what went wrong with it is told as of this turn
        if self.gate.store is not None:
            at_it = asyncio.to_thread(prepare, self.gate, self.settings, self.now, self.stop.is_set)
            self.preparing = asyncio.create_task(at_it, name="preparing")

    async def _reconcile(self) -> None:
        """Parties whose hour has come are reconciled; in a thread with a loop of its own, for it may take hours."""
        from gateway.cli.nightly import reconcile_due

        if self.settings.reconcile.parties and self.gate.store is not None:
            stopping = self._each("reconcile", self.stop.is_set)
            await asyncio.to_thread(reconcile_due, self.gate, self.settings, self.now, stopping)

    async def _sweep(self) -> None:
        """Files whose time is over go; those that could not be scanned are scanned again."""
        from gateway.wiring import file_desk

        desk = file_desk(self.settings, self.gate.store)
        if desk is None:
            return
        swept = await asyncio.to_thread(desk.sweep, self.now(), self._each("files", self.stop.is_set))
        if swept != type(swept)():
            told = {"uploads": swept.uploads, "files": swept.files, "scanned": len(swept.scanned)}
            log.info("the folder of files is swept", extra=told)

    async def _trust(self) -> None:
        """Certificates that are due are asked about; `renew` then takes over what was learnt."""
        await refresh_trust(self.gate, self.settings, self.now())

    async def _archive(self) -> None:
        """Months that have been over for long enough go into their files; what was erased goes out of those."""
        if self.gate.store is not None:
            await asyncio.to_thread(add_parts, self.gate.store, self.now())
        if self.gate.store is not None and self.settings.archive.folder is not None:
            stopping = self._each("archive", self.stop.is_set)
            made = await asyncio.to_thread(archive_due, self.settings, self.gate.store, self.now(), stopping)
            for name in made:
                log.info("a month is archived", extra={"archive": name})

    async def _sort_digests(self) -> None:
        """The digests of what the log tells of since last time are put together; after an upgrade, of all there is."""
        if self.gate.store is not None:
            await asyncio.to_thread(sort_digests, self.gate.store, self._each("digests", self.stop.is_set), time.sleep)

    async def _seal(self) -> None:
        """The log's head is signed when work.log_head_s have passed, or very much has been written."""
        from gateway.services.bundles import seal_log

        gate, every = self.gate, timedelta(seconds=self.settings.work.log_head_s)
        if gate.store is None or gate.key is None:
            return
        gateway = gate.identity.ma_dinh_danh
        head = await asyncio.to_thread(seal_log, gate.store, gate.key, gateway=gateway, now=self.now(), every=every)
        if head is not None:
            log.info("the log's head is signed", extra={"number": head.number, "hash": head.hash})

    async def _alert(self) -> None:
        """What a person should look at goes into the log once for each group: when it begins, and when it is over."""
        from gateway.cli.alerts import current_alerts
        from gateway.services.watch import forget_recovered

        gate = self.gate
        if gate.store is None:
            return
        groups = await asyncio.to_thread(
            current_alerts, self.settings, gate.store, gate.parties, gate.trust, self.now()
        )
        news = {group.id: group for group in groups if group.acknowledged is None}
        for name, group in news.items():
            if name not in self.alerted:
                facts = {"party": group.party, "cause": group.cause, "since": group.since.isoformat()}
                told = {"alarm": str(group.alarm), "alert": name, "count": len(group.alerts), **facts}
                log.warning("somebody should look: %s", group.alarm, extra={**told, "severity": str(group.severity)})
        current = {group.id for group in groups}
        for name, (alarm, party) in self.alerted.items():
            if name not in current:
                log.warning("over: %s", alarm, extra={"alarm": str(alarm), "alert": name, "party": party})
        self.alerted = {name: (group.alarm, group.party) for name, group in news.items()}
        await self._notify(groups)
        await asyncio.to_thread(forget_recovered, gate.store, groups)

    async def _notify(self, groups: Sequence[AlertGroup]) -> None:
        """Each channel of the settings is told what is news for it, side by side."""
        from gateway.cli.notify import channels_of, names_beside
        from gateway.services.notices import tell_channel

        store = self.gate.store
        if store is None or not self.settings.notify.channels:
            return
        channels = channels_of(self.settings, names_beside(self.gate.parties), self.now)
        told = await asyncio.gather(
            *(tell_channel(store, channel, groups, self.now) for channel in channels), return_exceptions=True
        )
        for channel, came in zip(channels, told, strict=True):
            if isinstance(came, BaseException):
                log.error("notice channel %s was not told", channel.rules.channel, exc_info=came)


async def refresh_trust(
    gate: Gate, settings: Settings, now: datetime | None = None, *, force: bool = False
) -> Refreshed:
    """One round of asking about certificates; all of them with ``force``."""
    from connectors.pki import Pki
    from gateway.services.certificate_status import refresh
    from gateway.wiring import egress_proxy, sources_of

    if gate.store is None:
        raise ValueError("what is learnt of certificates is kept in a database")
    async with Pki(private_addresses=settings.work.private_addresses, proxy=egress_proxy(settings)) as pki:
        return await refresh(
            gate.store,
            gate.trust,
            gate.parties,
            sources_of(settings),
            now or _now(),
            pki=pki,
            grace=timedelta(hours=settings.trust.grace_h),
            lasts=timedelta(hours=settings.trust.evidence_h),
            force=force,
        )


def batch_acts(gate: Gate) -> BatchActs:
    """How the things of batches are done."""
    from gateway.services.batches import BatchActs
    from gateway.services.intake import recheck
    from gateway.services.repairing import mend_dossier

    return BatchActs(rejudge=lambda message, now, also: recheck([message], gate, now, also=also), mend=mend_dossier)


def prepare(gate: Gate, settings: Settings, now: Callable[[], datetime], stopping: Callable[[], bool]) -> int:
    """Keeps the numbers of this hour, wants what the console shows first, makes what is wanted; gives how much."""
    from gateway.cli.prepared import make_wanted, want_usual
    from gateway.services.overview import keep_hour
    from gateway.wiring import deadline_rules

    assert gate.store is not None
    rules = deadline_rules(settings)
    if keep_hour(gate.store, gate.parties, now()):
        want_usual(gate.store, now())
    return make_wanted(gate.store, gate.parties, rules, now, stopping, time.sleep, time.thread_time)


def add_parts(store: Store, now: datetime) -> None:
    """Makes the parts of the database for the months to come; without them bytes lie together, and go row by row one day."""
    from gateway.store import StoreError

    try:
        made = store.add_parts(now)
    except StoreError as error:
        log.warning("parts of the database for the months to come were not made; the next turn tries again: %s", error)
    else:
        for month in made:
            log.info("a month has a part of its own in the database", extra={"month": month})


def archive_due(
    settings: Settings, store: Store, now: datetime, stopping: Callable[[], bool] = lambda: False
) -> list[str]:
    """Archives what is due by archive.after_months, and rewrites what was erased from; the months that were made.

    Between two months it is asked whether to stop. Nothing where somebody else is at the archives: the next turn comes.
    """
    from gateway.services.archiving import (
        ELSEWHERE,
        archive_files,
        archiving_alone,
        file_months_due,
        make_archive,
        months_back,
        months_due,
        rewrite_erased,
        rewrite_erased_files,
    )
    from gateway.wiring import archive_keeper, file_folder

    months, folder, made = settings.archive.after_months, file_folder(settings), list[str]()
    try:
        with archiving_alone(archive_keeper(settings, store), _now) as keeper:
            rewrite_erased(keeper, now)
            rewrite_erased_files(keeper, now)
            for name in [] if months is None else months_due(store, months_back(now, months)):
                if stopping():
                    return made
                make_archive(keeper, name, now)
                made.append(name)
            if months is not None and folder is not None:
                for name in file_months_due(keeper):
                    if stopping():
                        return made
                    archive_files(keeper, folder, name, now)
    except Stopped as stop:
        if stop.problems[0].code != ELSEWHERE:
            raise
        log.info("another process is at the archives; the next turn comes", extra=dict(stop.problems[0].facts))
    return made


def sort_digests(store: Store, stopping: Callable[[], bool], pause: Callable[[float], object]) -> None:
    """Puts the digests together that can be, with time between for others."""
    while not stopping() and store.sort_digests():
        pause(DIGESTS_PAUSE_S)


def recheck_held(gate: Gate, now: datetime, every: timedelta, stopping: Callable[[], bool] = lambda: False) -> int:
    """Judges held messages again that were last judged longer ago than that, or by a clock that was ahead; how many were due.

    Between two of them it is asked whether to stop.
    """
    from gateway.core.clocks import FOLLOWED_S
    from gateway.services.intake import recheck
    from gateway.store import Conflict, NotAtHand

    if gate.store is None:
        return 0
    with gate.store.read() as view:
        due = [message.id for message in view.held(now - every, after=now + timedelta(seconds=FOLLOWED_S))]
    for message in due:
        if stopping():
            break
        try:
            recheck([message], gate, now)
        except LookupError:
            log.warning("message %s cannot be judged again: its bytes are not here", message)
        except NotAtHand as error:
            log.warning("message %s cannot be judged again: %s", message, error)
        except Conflict:
            log.info("message %s was judged by somebody else meanwhile", message)
    if due:
        log.info("judged held messages again", extra={"messages": len(due)})
    return len(due)


def _now() -> datetime:
    return datetime.now(UTC)
