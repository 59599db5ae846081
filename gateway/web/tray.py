"""A tray at a time: what is ready is judged back to back, recorded in one transaction, and answered after the commit.

Checks back to back are cheaper than checks mixed with HTTP, and batches share a commit (docs/en/performance.md).
Judging happens in the event loop on purpose: a second thread with many short C calls passes the interpreter lock back and
forth and costs more than it gives. Large documents are the exception: they have threads. And whatever may wait for others
(a lock, a disk, a standby) waits in the recorder's thread, while the loop answers those who ask for something else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from gateway.core.allowances import Spending
from gateway.core.ledger import enter
from gateway.core.model import Acknowledgement, Envelope, Finding, PartyId
from gateway.core.problems import Problem
from gateway.services import intake
from gateway.services.intake import Gate
from gateway.settings import DoorSettings
from gateway.store import Busy, NotAtHand, StoreError, Unavailable, Unstorable
from gateway.web.crashes import Crashes
from gateway.web.metrics import Metrics
from gateway.web.refusals import not_kept, store_of
from gateway.web.waiting import Waiting

log = logging.getLogger("lienthong.web.tray")

LINGER_S = 0.004  # at most; a commit shared by more is worth it, and nobody alone waits for it
Answer = "asyncio.Future[Acknowledgement]"


class Full(Exception):
    """Too much is waiting already, or the worker is stopping. Nothing was taken."""


class NotRecorded(Exception):
    """The database did not keep the message; it is as if it had never arrived."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(slots=True)
class Turns:
    """What the tray did so far, for the metrics."""

    trays: int = 0
    messages: int = 0
    judging_s: float = 0.0
    recording_s: float = 0.0
    alone: int = 0  # messages that had to be recorded one by one after a tray failed as a whole
    lost: int = 0  # messages that could not be recorded


class Tray:
    """Takes envelopes from the doors of one worker and gives each its acknowledgement."""

    def __init__(
        self,
        gate: Callable[[], Gate],
        door: DoorSettings,
        clock: Callable[[], datetime] | None = None,
        metrics: Metrics | None = None,
        crashes: Crashes | None = None,
        spending: Spending | None = None,
        on_message: Callable[[], None] = lambda: None,
        doubt: Callable[[], Problem | None] = lambda: None,
    ) -> None:
        """``gate`` is asked once a turn: a new registry counts from one tray to the next and never within one.

        ``on_message`` is told whenever one has come; ``doubt`` says why nothing may be judged now.
        """
        self._doubt = doubt
        self._gate = gate
        self._door = door
        self._clock = clock or (lambda: datetime.now(UTC))
        self._metrics = metrics
        self._crashes = crashes or Crashes()
        self._spending = spending
        self._on_message = on_message
        self._small = Waiting()
        self._judged: deque[tuple[Finding, asyncio.Future[Acknowledgement]]] = deque()
        self._in_threads = 0
        self._judging: dict[asyncio.Future[Finding], float] = {}  # since when, monotonic
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="judge")
        self._recorder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recorder")
        self._something = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._last = 1  # about how many a tray held of late
        self.turns = Turns()
        self.recorded_at: float | None = None  # monotonic: the last commit that went through
        self.refused_at: float | None = None  # monotonic: the last time the database kept nothing
        self.recording_since: float | None = None  # monotonic: since when a commit is under way

    def start(self) -> None:
        """Begin to work; call it inside the running loop."""
        self._task = asyncio.create_task(self._work(), name="tray")

    @property
    def waiting(self) -> int:
        """Messages taken in and not yet answered, as far as they are not in the turn that runs."""
        return len(self._small) + len(self._judged) + self._in_threads

    async def lay(self, envelope: Envelope) -> Acknowledgement:
        """The acknowledgement of a message, after its commit. Raises Full or NotRecorded.

        Where the queue is full, the newest message of the party that has most waiting makes room for one that has less.
        """
        self._on_message()
        self._refuse_in_doubt()
        self._find_room(envelope.caller.party)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Acknowledgement] = loop.create_future()
        if len(envelope.body) > self._door.big_bytes or (
            _carries_files(envelope) and self._gate().keep_inline is not None
        ):
            self._in_threads += 1
            judging = loop.run_in_executor(self._threads, self._judge, envelope, self._gate())
            self._judging[judging] = time.monotonic()
            judging.add_done_callback(lambda done: self._joined(done, answer))
        else:
            self._small.add(envelope, answer)
            self._something.set()
        return await answer

    def _find_room(self, party: PartyId) -> None:
        """Raises Full where there is none for a message of this party."""
        if self._closing:
            raise Full
        if self.waiting < self._door.queue:
            return
        other = self._small.give_way(party)
        if other is None:
            raise Full
        _settle(other[1], Full())

    def longest_s(self) -> float:
        """How long the document has been judged that a thread has been at the longest."""
        return time.monotonic() - min(self._judging.values(), default=time.monotonic())

    async def look(self, envelope: Envelope) -> tuple[Finding, Acknowledgement]:
        """What would become of a message, without any effect: judged, entered in the book, and the page torn out.

        Raises Full or NotRecorded.
        """
        self._refuse_in_doubt()
        if self._closing or self.waiting >= self._door.queue:
            raise Full
        self._in_threads += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._rehearse, envelope, self._gate(), self._clock())
        finally:
            self._in_threads -= 1
            self._something.set()

    def _refuse_in_doubt(self) -> None:
        """Raises NotRecorded while nobody knows the time: what would be refused now might be right."""
        if (problem := self._doubt()) is not None:
            raise NotRecorded(problem)

    async def close(self) -> None:
        """Answer all that was taken in, then stop. Nothing more is taken from now on."""
        self._closing = True
        self._something.set()
        if self._task is not None:
            await self._task
        self._threads.shutdown(wait=True)
        self._recorder.shutdown(wait=True)

    def _judge(self, envelope: Envelope, gate: Gate) -> Finding:
        if self._crashes.guilty(envelope.digest):
            return _not_read_again(envelope)
        with self._crashes.reading(envelope.digest):
            return intake.judge(envelope, gate)

    def _rehearse(self, envelope: Envelope, gate: Gate, now: datetime) -> tuple[Finding, Acknowledgement]:
        try:
            finding = self._judge(envelope, replace(gate, keep_inline=None))  # nothing is left of it
            with store_of(gate).read() as view:
                ledger = view.rehearse([finding])
        except StoreError as error:
            raise NotRecorded(Problem("SYS-119")) from error
        return finding, enter(finding, ledger, gate.counter(), now)

    def _joined(self, done: asyncio.Future[Finding], answer: asyncio.Future[Acknowledgement]) -> None:
        """A large document was judged: its finding joins the next commit."""
        self._in_threads -= 1
        self._judging.pop(done, None)
        error = done.exception()
        if error is None:
            self._judged.append((done.result(), answer))
        else:
            self._unjudged(answer, error)
        self._something.set()

    async def _work(self) -> None:
        while True:
            if not self._small and not self._judged:
                if self._closing and not self._in_threads:
                    return
                self._something.clear()
                await self._something.wait()
                continue
            await self._linger()
            try:
                await self._turn()
            except Exception:
                log.exception("a turn of the tray failed")  # every answer was set before; the next turn is a new one
            await asyncio.sleep(0)  # let the answers go out and new requests come in

    async def _linger(self) -> None:
        """A few milliseconds for those who are about to come, answered with the last tray. A lone message does not wait."""
        wanted, until, seen = min(self._last, self._door.tray_documents), time.perf_counter() + LINGER_S, -1
        while not self._closing and seen != len(self._small) < wanted and time.perf_counter() < until:
            seen = len(self._small)
            await asyncio.sleep(LINGER_S / 4)

    async def _turn(self) -> None:
        gate, now = self._gate(), self._clock()
        most, began = self._door.tray_documents, time.perf_counter()
        findings: list[Finding] = []
        answers: list[asyncio.Future[Acknowledgement]] = []
        while self._judged and len(findings) < most:
            finding, answer = self._judged.popleft()
            findings.append(finding)
            answers.append(answer)
        self._judge_small(most - len(findings), gate, findings, answers)
        judged = time.perf_counter()
        await self._record(findings, answers, gate, now)
        self.turns.trays += 1
        self.turns.messages += len(findings)
        self._last = max(len(findings), self._last - 1)
        self.turns.judging_s += judged - began
        self.turns.recording_s += time.perf_counter() - judged
        if self._metrics is not None:
            self._metrics.tray(self.waiting, len(findings), judged - began, time.perf_counter() - judged)

    def _judge_small(
        self, most: int, gate: Gate, findings: list[Finding], answers: list[asyncio.Future[Acknowledgement]]
    ) -> None:
        """Judges what waits, at most so many, station by station; findings and answers are added to."""
        taken = []
        for envelope, answer in self._small.take(most):
            if self._crashes.guilty(envelope.digest):
                findings.append(_not_read_again(envelope))
                answers.append(answer)
            else:
                taken.append((envelope, answer))
        with self._crashes.reading_tray() as turn_to:
            judged = intake.judge_tray([envelope for envelope, _ in taken], gate, turn_to)
        for finding, (_, answer) in zip(judged, taken, strict=True):
            if isinstance(finding, Exception):
                self._unjudged(answer, finding)
            else:
                findings.append(finding)
                answers.append(answer)

    async def _record(
        self, findings: Sequence[Finding], answers: Sequence[asyncio.Future[Acknowledgement]], gate: Gate, now: datetime
    ) -> None:
        """One transaction for all; should it fail, one for each, so that a bad one harms no neighbour.

        Where the database takes nothing from anybody all are told so at once: each alone would wait as long again.
        """
        if not findings:
            return
        apart = partial(asyncio.get_running_loop().run_in_executor, self._recorder)
        self.recording_since = time.monotonic()
        try:
            acks = await intake.commit_apart(findings, gate, now, apart, spending=self._spending)
        except (Busy, Unavailable) as error:
            self._unkept(answers, error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it was, each alone now
            if len(findings) == 1:
                self._lost(answers[0], error)
                return
            log.warning("a tray of %d was not recorded (%s); each alone now", len(findings), type(error).__name__)
            for finding, answer in zip(findings, answers, strict=True):
                self.turns.alone += 1
                await self._record([finding], [answer], gate, now)
            return
        finally:
            self.recording_since = None
        self.recorded_at = time.monotonic()
        for ack, answer in zip(acks, answers, strict=True):
            if not answer.done():  # the sender may have gone; the message is recorded all the same
                answer.set_result(ack)

    def _unkept(self, answers: Sequence[asyncio.Future[Acknowledgement]], error: StoreError) -> None:
        """The database keeps nothing of anybody just now."""
        log.error("not recorded, %d messages: %s", len(answers), error)
        self.refused_at = time.monotonic()
        for answer in answers:
            self._count_lost()
            _settle(answer, NotRecorded(not_kept(error, "SYS-002")))

    def _unjudged(self, answer: asyncio.Future[Acknowledgement], error: BaseException) -> None:
        """Nothing can be said of it: where database or disk did not do their part, it can be sent again."""
        if isinstance(error, StoreError):
            log.error("not judged: %s", error)
            self._count_lost()
            error = NotRecorded(not_kept(error, "SYS-002"))
        _settle(answer, error)

    def _lost(self, answer: asyncio.Future[Acknowledgement], error: Exception) -> None:
        self._count_lost()
        if isinstance(error, StoreError):
            log.error("not recorded: %s", error)
            if not isinstance(error, (Unstorable, NotAtHand)):  # that is the message's fault, or an old file's
                self.refused_at = time.monotonic()
            _settle(answer, NotRecorded(Problem("SYS-002")))
        else:
            log.error("not recorded, a fault of ours", exc_info=error)
            _settle(answer, error)

    def _count_lost(self) -> None:
        self.turns.lost += 1
        if self._metrics is not None:
            self._metrics.lost()


def _not_read_again(envelope: Envelope) -> Finding:
    return Finding(envelope=envelope, problems=(Problem("SYS-005", {"digest": envelope.digest}),))


def _carries_files(envelope: Envelope) -> bool:
    """Whether there may be files inside, which are written to the disk: not in the loop that everybody waits for."""
    return b"DinhKem" in envelope.body and b"NoiDung" in envelope.body


def _settle(answer: asyncio.Future[Acknowledgement], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
