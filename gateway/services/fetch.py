"""Messages of parties that cannot push: fetched by their connector, judged and recorded like all others.

A message is acknowledged over there only when it is on record here; until then it comes again, and the same bytes get the
first receipt. One party's trouble costs another one nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.base import Configured, Connector
from connectors.http import HttpLine
from connectors.outcomes import Answered, Fetched, Unreachable
from connectors.proxying import EgressProxy
from connectors.registry import ConnectorRegistry
from gateway.core.answers_read import AnswersRead
from gateway.core.limits import DEFAULT_LIMITS, DocumentLimits
from gateway.core.model import Acknowledgement, Caller, Channel, Envelope, MessageId
from gateway.core.parties import Parties, Party, Role
from gateway.core.problems import Lang, Problem, Stopped
from gateway.store import StoreError

log = logging.getLogger("lienthong.fetch")

RENEW_EVERY_S = 5.0  # how soon a new profile is noticed
LONGEST_S = 3600.0  # the longest pause after failures in a row


@dataclass(frozen=True, slots=True)
class Source:
    """A party whose messages we fetch."""

    party: Party
    connector: Connector[Any]
    configured: Configured[Any]


Receive = Callable[[Sequence[Envelope]], list[Acknowledgement]]


def sources(parties: Parties, connectors: ConnectorRegistry) -> list[Source]:
    """The parties whose connector can fetch. What is wrong with a profile is the outbox's to tell."""
    found = []
    for party in parties:
        if party.connector is None or not party.called or party.role is Role.GATEWAY:
            continue
        try:
            connector = connectors.named(party.connector)
            if connector.fetches:
                found.append(Source(party, connector, connector.configure(party.connector_settings, where=party.id)))
        except Stopped:
            continue
    return found


async def once(
    source: Source,
    receive: Receive,
    new_id: Callable[[datetime], MessageId],
    clock: Callable[[], datetime],
    line: HttpLine,
    answers: AnswersRead | None = None,
) -> int:
    """Fetch until there is nothing more. Gives how many were recorded.

    Raises Answered where the party cannot be reached, does not keep to the form, or has ended a process by what it answers
    (DLV-077; ``answers`` knows); StoreError where nothing can be recorded. What was recorded before stays so.
    """
    about = f"fetch {source.party.id}"
    if answers is not None and answers.ended_us(about):
        raise Unreachable(Problem("DLV-077", {"party": source.party.id}))
    messages = source.connector.pull(source.party, source.configured.settings, line.http(source.configured.common))
    count, receipt = 0, None
    try:
        while True:
            turn = _next(messages, receipt)
            fetched = await (turn if answers is None else answers.steps(about, turn))
            if fetched is None:
                return count
            (answer,) = await asyncio.to_thread(receive, [_envelope(fetched, source.party, new_id, clock())])
            count, receipt = count + 1, answer.receipt
    finally:
        await messages.aclose()


async def _next(messages: AsyncGenerator[Fetched, bytes | None], receipt: bytes | None) -> Fetched | None:
    """Acknowledge the one before, and the next one; None when there is none."""
    try:
        return await messages.asend(receipt)
    except StopAsyncIteration:
        return None


def _envelope(fetched: Fetched, party: Party, new_id: Callable[[datetime], MessageId], now: datetime) -> Envelope:
    """The cover of what was fetched: the channel vouches for the party, as it does at the door."""
    return Envelope(
        id=new_id(now),
        body=fetched.body,
        digest=fetched.digest,
        total_bytes=fetched.total_bytes,
        caller=Caller(party=party.id, by="fetched"),
        channel=Channel.FETCH,
        received_at=now,
        content_type=fetched.media_type,
        form=fetched.form,
    )


async def keep_fetching(
    parties: Callable[[], Parties],
    connectors: ConnectorRegistry,
    receive: Receive,
    stop: asyncio.Event,
    *,
    new_id: Callable[[datetime], MessageId],
    clock: Callable[[], datetime],
    private_addresses: bool = False,
    limits: DocumentLimits = DEFAULT_LIMITS,
    proxy: EgressProxy | None = None,
    answers: AnswersRead | None = None,
) -> None:
    """Fetch from every party that has to be fetched from, each at its own pace, until ``stop`` is set.

    ``answers`` remembers whose answers have ended a process.
    """
    async with HttpLine(private_addresses=private_addresses, limits=limits, proxy=proxy) as line:
        running: dict[str, tuple[Source, asyncio.Task[None]]] = {}
        view: Parties | None = None
        try:
            while not stop.is_set():
                if parties() is not view:
                    view = parties()
                    wanted: dict[str, Source] = {source.party.id: source for source in sources(view, connectors)}
                    for name in [n for n, (source, _) in running.items() if wanted.get(n) != source]:
                        await _end(running.pop(name)[1])
                    for name, source in wanted.items():
                        if name not in running:
                            task = asyncio.create_task(_keep_fetching(source, receive, new_id, clock, line, answers))
                            running[name] = (source, task)
                await _pause(stop, RENEW_EVERY_S)
        finally:
            for _, task in running.values():
                await _end(task)


async def _keep_fetching(
    source: Source,
    receive: Receive,
    new_id: Callable[[datetime], MessageId],
    clock: Callable[[], datetime],
    line: HttpLine,
    answers: AnswersRead | None,
) -> None:
    every_s, failures = source.configured.common.fetch_every_s, 0
    while True:
        try:
            await once(source, receive, new_id, clock, line, answers)
            failures = 0
        except Answered as answer:
            failures += 1
            log.warning(
                "fetching from %s: %s %s", source.party.id, answer.problem.code, answer.problem.message(Lang.EN)
            )
        except StoreError as error:
            failures += 1
            place = source.party.id
            log.error("what was fetched from %s is not on record; it will be fetched again: %s", place, error)  # noqa: TRY400
        except Exception:  # a bug in a connector, perhaps a foreign one: it costs this party's messages a delay
            failures += 1
            log.exception("connector %s failed while fetching from %s", source.connector.name, source.party.id)
        await asyncio.sleep(min(every_s * (failures + 1) ** 2, max(LONGEST_S, every_s)) if failures else every_s)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
