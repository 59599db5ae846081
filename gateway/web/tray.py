"""A tray at a time: what is ready is judged back to back, recorded in one transaction, and answered after the commit.

Checks back to back are cheaper than checks mixed with HTTP, and batches share a commit (docs/en/performance.md).
Judging happens in the event loop on purpose: a second thread with many short C calls passes the interpreter lock back and
forth and costs more than it gives. Large documents are the exception: they have threads. And whatever may wait for others
(a lock, a disk, a standby) waits in the recorder's thread, while the loop answers those who ask for something else.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

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
from gateway.web.waiting import Waiter, Waiting

log = logging.getLogger("lienthong.web.tray")

LINGER_S = 0.004  # at most; a commit shared by more is worth it, and nobody alone waits for it
SLICE_S = 0.004  # so long judging goes on before the loop reads what has come and writes what is ready
BESIDE_S = 0.002  # likewise, while somebody quiet sends beside a flood
ROUNDS = 3  # of the loop, then: a request is read in one and laid in the next, and in the third somebody turns to it
FLOOD = 16  # a party with so many messages waiting floods
FEW = 4  # a party with no more waiting is a quiet one, beside it
EXPRESS = 16  # the most messages of an express tray
BESIDE = 32  # and of an ordinary one, while somebody quiet sends beside a flood: it holds the file half as long
QUIET_S = 2.0  # so long after an express tray somebody quiet is thought to send more
GIVES_WAY_S = 0.1  # at most; where a database keeps nothing just now, nobody waits twice for it
_T = TypeVar("_T")


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
        self._express_recorder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="express")
        self._something = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._last = 1  # about how many a tray held of late
        self._flooded = False  # whether somebody had very many waiting when the last tray was filled
        self._under_way: frozenset[PartyId] = frozenset()  # whose messages the tray under way holds
        self._ahead: frozenset[PartyId] = frozenset()  # whose messages the express tray holds
        self._express: asyncio.Task[None] | None = None
        self._express_judges, self._express_writes = asyncio.Lock(), asyncio.Lock()  # held while it does
        self._express_at = -math.inf  # monotonic: the last one
        self._called = False  # whether its thread is done with something, and waits for the loop
        self._commits: dict[object, float] = {}  # under way, since when, monotonic
        self.turns = Turns()
        self.recorded_at: float | None = None  # monotonic: the last commit that went through
        self.refused_at: float | None = None  # monotonic: the last time the database kept nothing

    def start(self) -> None:
        """Begin to work; call it inside the running loop."""
        self._task = asyncio.create_task(self._work(), name="tray")

    @property
    def waiting(self) -> int:
        """Messages taken in and not yet answered, as far as they are not in the turn that runs."""
        return len(self._small) + len(self._judged) + self._in_threads

    @property
    def recording_since(self) -> float | None:
        """Monotonic: since when a commit is under way."""
        return min(self._commits.values(), default=None)

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
            self._hurry()
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
        self._express_recorder.shutdown(wait=True)

    def _judge(self, envelope: Envelope, gate: Gate) -> Finding:
        if self._crashes.guilty(envelope.digest):
            return intake.not_read_again(envelope)
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
            if not self._judged and not self._small.has(self._may_ride):
                if self._closing and not self._in_threads and self._express is None:
                    return
                self._something.clear()
                await self._something.wait()
                continue
            await self._linger()
            try:
                await self._turn()
            except Exception:
                log.exception("a turn of the tray failed")  # all are answered; the next turn is a new one
            await asyncio.sleep(0)  # let the answers go out and new requests come in

    async def _linger(self) -> None:
        """A few milliseconds for those who are about to come, answered with the last tray. A lone message does not wait."""
        wanted, until, seen = min(self._last, self._door.tray_documents), time.perf_counter() + LINGER_S, -1
        while not self._closing and seen != len(self._small) < wanted and time.perf_counter() < until:
            seen = len(self._small)
            await asyncio.sleep(LINGER_S / 4)

    def _may_ride(self, party: PartyId, waiting: int) -> bool:
        """Whether messages of a party go with the ordinary tray: those of a quiet one do not, beside a flood."""
        return party not in self._ahead and not (self._flooded and waiting <= FEW)

    def _may_hurry(self, party: PartyId, waiting: int) -> bool:
        """Whether messages of a party go with the express tray: not beside its own in a tray under way, so that order is kept."""
        return waiting <= FEW and party not in self._under_way

    def _hurry(self) -> None:
        """Beside a flood, has the express tray set off where anybody waits for one."""
        if self._flooded and self._express is None and self._small.has(self._may_hurry):
            self._express = asyncio.create_task(self._express_turns(), name="express tray")

    async def _express_turns(self) -> None:
        """The few messages of quiet parties that wait beside a flood: one small tray after the other, beside the large ones."""
        try:
            while self._flooded:
                gate, now, began = self._gate(), self._clock(), time.perf_counter()
                taken = self._small.take(min(EXPRESS, self._door.tray_documents), self._may_hurry)
                if not taken:
                    return
                self._ahead, self._express_at = _parties(taken), time.monotonic()
                with self._answering([answer for _, answer in taken]):
                    async with self._express_judges:
                        findings, answers = await self._judge_small(taken, gate, partial(asyncio.sleep, 0))
                    judged = time.perf_counter()
                    async with self._express_writes:
                        await self._record(findings, answers, gate, now, express=True)
                self._count(len(findings), judged - began, time.perf_counter() - judged)
                if not self._under_way:
                    self._flooded = self._small.longest() >= FLOOD
        except Exception:
            log.exception("a turn of the express tray failed")
        finally:
            self._ahead, self._express = frozenset(), None
            self._something.set()

    @contextmanager
    def _answering(self, answers: Sequence[asyncio.Future[Acknowledgement]]) -> Iterator[None]:
        """Whatever goes wrong with a tray, nobody whose message it holds waits for ever: who has no answer gets what it was."""
        try:
            yield
        except Exception as error:
            for answer in answers:
                if not answer.done():
                    self._unjudged(answer, error)
            raise

    def _look_for_flood(self) -> None:
        """Before and after each tray: whether somebody floods, and who is to go before it."""
        self._flooded = self._small.longest() >= FLOOD
        self._hurry()

    async def _turn(self) -> None:
        self._look_for_flood()
        if self._express is not None:
            await self._let_by()
        gate, now = self._gate(), self._clock()
        most, began = self._door.tray_documents, time.perf_counter()
        if self._beside():
            most = min(most, BESIDE)
        joined = [self._judged.popleft() for _ in range(min(most, len(self._judged)))]
        taken = self._small.take(most - len(joined), self._may_ride)
        self._under_way = _parties(taken)
        try:
            with self._answering([answer for _, answer in (*joined, *taken)]):
                findings, answers = await self._judge_small(taken, gate, self._let_by)
                findings[:0] = [finding for finding, _ in joined]
                answers[:0] = [answer for _, answer in joined]
                judged = time.perf_counter()
                await self._record(findings, answers, gate, now)
        finally:
            self._under_way = frozenset()
            self._look_for_flood()
        self._last = max(len(findings), self._last - 1)
        self._count(len(findings), judged - began, time.perf_counter() - judged)

    def _beside(self) -> bool:
        """Whether somebody quiet sends beside a flood."""
        return self._flooded and time.monotonic() < self._express_at + QUIET_S

    async def _let_by(self) -> None:
        """Between two slices of a tray: whatever has come is read, and an express tray is judged first."""
        self._called = False
        for _ in range(ROUNDS):
            await asyncio.sleep(0)
        async with self._express_judges:
            pass

    async def _let_express_write(self) -> None:
        """An express tray that is about to write goes first."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GIVES_WAY_S if self._express_writes.locked() else None), self._express_writes:
                pass

    def _count(self, messages: int, judging_s: float, recording_s: float) -> None:
        self.turns.trays += 1
        self.turns.messages += messages
        self.turns.judging_s += judging_s
        self.turns.recording_s += recording_s
        if self._metrics is not None:
            self._metrics.tray(self.waiting, messages, judging_s, recording_s)

    async def _judge_small(
        self, waiters: Sequence[Waiter], gate: Gate, between: Callable[[], Awaitable[None]]
    ) -> tuple[list[Finding], list[asyncio.Future[Acknowledgement]]]:
        """Judges them station by station, a slice at a time, with ``between`` in between; findings and whom to answer."""
        findings: list[Finding] = []
        answers: list[asyncio.Future[Acknowledgement]] = []
        taken = []
        for envelope, answer in waiters:
            if self._crashes.guilty(envelope.digest):
                findings.append(intake.not_read_again(envelope))
                answers.append(answer)
            else:
                taken.append((envelope, answer))
        with self._crashes.reading_tray() as turn_to:
            steps = intake.judging([envelope for envelope, _ in taken], gate, turn_to)
            # What the loop does in between is no document's doing.
            judged = await self._in_slices(steps, between, lambda: turn_to(""))
        for finding, (_, answer) in zip(judged, taken, strict=True):
            if isinstance(finding, Exception):
                self._unjudged(answer, finding)
            else:
                findings.append(finding)
                answers.append(answer)
        return findings, answers

    async def _in_slices(
        self,
        steps: Generator[None, None, _T],
        between: Callable[[], Awaitable[None]],
        resting: Callable[[], object] = lambda: None,
    ) -> _T:
        """What comes of the steps. Every few milliseconds ``resting`` is told, and the loop does something else: ``between``."""
        slice_s = BESIDE_S if self._beside() else SLICE_S
        until = time.perf_counter() + slice_s
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: _T = end.value
                return found
            if self._called or time.perf_counter() >= until:
                resting()
                await between()
                until = time.perf_counter() + slice_s

    async def _record(
        self,
        findings: Sequence[Finding],
        answers: Sequence[asyncio.Future[Acknowledgement]],
        gate: Gate,
        now: datetime,
        *,
        express: bool = False,
    ) -> None:
        """One transaction for all; should it fail, one for each, so that a bad one harms no neighbour.

        Where the database takes nothing from anybody all are told so at once: each alone would wait as long again.
        """
        if not findings:
            return
        recorder = self._express_recorder if express else self._recorder
        loop = asyncio.get_running_loop()
        between = partial(asyncio.sleep, 0) if express else self._let_by

        def apart(act: Callable[[], _T]) -> asyncio.Future[_T]:
            return loop.run_in_executor(recorder, partial(self._calling, act) if express else act)

        try:
            draft = await self._in_slices(intake.drafting(findings, gate, now), between)
            if not express:
                await self._let_express_write()
            self._commits[recorder] = time.monotonic()
            acks = await intake.commit_apart(
                findings, gate, now, apart, draft, spending=self._spending, express=express
            )
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
                await self._record([finding], [answer], gate, now, express=express)
            return
        finally:
            self._commits.pop(recorder, None)
        self.recorded_at = time.monotonic()
        for ack, answer in zip(acks, answers, strict=True):
            if not answer.done():  # the sender may have gone; the message is recorded all the same
                answer.set_result(ack)

    def _calling(self, act: Callable[[], _T]) -> _T:
        """Does something for an express tray, and has the loop turn to it at once: it may hold the file meanwhile."""
        try:
            return act()
        finally:
            self._called = True

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


def _parties(taken: Sequence[Waiter]) -> frozenset[PartyId]:
    return frozenset(envelope.caller.party for envelope, _ in taken)


def _carries_files(envelope: Envelope) -> bool:
    """Whether there may be files inside, which are written to the disk: not in the loop that everybody waits for."""
    return b"DinhKem" in envelope.body and b"NoiDung" in envelope.body


def _settle(answer: asyncio.Future[Acknowledgement], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
