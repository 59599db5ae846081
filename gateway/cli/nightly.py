"""Reconciliation by itself: what `work` does at night about the parties that the settings name, and asking one by look-ups."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.cli.show import HANOI
from gateway.core.parties import is_told
from gateway.core.problems import Lang, Problem, Stopped

if TYPE_CHECKING:
    from connectors.proxying import EgressProxy
    from gateway.core.parties import Parties, Party
    from gateway.services.intake import Gate
    from gateway.services.reconciling import Compared, ReconcilePeriod
    from gateway.settings import Settings
    from gateway.store import SideBook, Store

log = logging.getLogger("lienthong.reconcile")

RETRY = timedelta(hours=1)  # after a night's run that came to nothing


class Stopping(Exception):
    """The process is told to stop while it asks."""


async def compare_by_look_up(
    store: Store,
    parties: Parties,
    party: Party,
    period: ReconcilePeriod,
    book: SideBook,
    *,
    private_addresses: bool,
    proxy: EgressProxy | None,
    per_second: float,
    told: Callable[[Problem], None],
    tell: Callable[[int, int], None],
) -> Compared:
    """Ask a party of each dossier by its connector. Raises Stopped (REC-022) where it has no look-up."""
    from connectors.http import HttpLine
    from connectors.registry import installed
    from gateway.services.reconciling import compare_asked

    connector = installed().named(party.connector or "")
    configured = connector.configure(party.connector_settings, where=party.id)
    async with HttpLine(private_addresses=private_addresses, proxy=proxy) as line:
        http = line.http(configured.common)

        async def ask(code: str, remembered: Mapping[str, Any]) -> Mapping[str, Any] | None:
            return await connector.heard(code, party, configured.settings, http, remembered)

        return await compare_asked(
            store,
            parties,
            party,
            ask,
            period,
            book,
            lambda: datetime.now(UTC),
            pause_s=1 / per_second,
            told=told,
            tell=tell,
        )


def reconcile_due(gate: Gate, settings: Settings, now: Callable[[], datetime], stopping: Callable[[], bool]) -> int:
    """Reconciles each party whose time has come and that has not had its turn today; gives how many that were.

    What comes of it is a line of the log, from which figures and alerts are made. A party that cannot be asked now is tried
    again later in the night; of one that reads messages the answer is waited for from turn to turn.
    """
    from gateway.store import StoreError

    done = 0
    for name in settings.reconcile.parties:
        party = gate.parties.get(name)
        if party is None:
            log.warning("reconcile.parties names %s, which is not registered", name)
            continue
        period = _tonight(settings, now())
        if period is None or _had_its_turn(gate, party, now()) or stopping():
            continue
        try:
            done += _once(gate, settings, party, period, now, stopping)
        except Stopping:
            return done
        except Stopped as stop:
            _failed(gate, party, stop.problems[0], now())
        except StoreError as error:  # no room for the two lists, most of the time: not begun again each minute
            _failed(gate, party, Problem("SYS-048", {"reason": str(error)}), now())
    return done


def _tonight(settings: Settings, now: datetime) -> ReconcilePeriod | None:
    """The days before today, once the hour has come; None before."""
    from gateway.services.reconciling import ReconcilePeriod

    here = now.astimezone(HANOI)
    hour, minute = settings.reconcile.at.split(":")
    if (here.hour, here.minute) < (int(hour), int(minute)):
        return None
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    return ReconcilePeriod(since=midnight - timedelta(days=settings.reconcile.days), until=midnight)


def _had_its_turn(gate: Gate, party: Party, now: datetime) -> bool:
    """Whether it was reconciled today, or was tried within the last hour."""
    from gateway.services.reconciling import FAILED, reconciled

    assert gate.store is not None
    with gate.store.read() as view:
        last = reconciled(view, now).get(party.id)
        tried = [line for line in view.acts_since(FAILED, now - RETRY) if line.facts["party"] == party.id]
    return bool(tried) or (last is not None and last.at.astimezone(HANOI).date() == now.astimezone(HANOI).date())


def _once(
    gate: Gate,
    settings: Settings,
    party: Party,
    period: ReconcilePeriod,
    now: Callable[[], datetime],
    stopping: Callable[[], bool],
) -> int:
    from gateway.services.reconciling import note_reconciled
    from gateway.services.repairing import alone
    from gateway.wiring import egress_proxy

    assert gate.store is not None
    with alone(gate.store, party.id, now) as hold, gate.store.side_book() as book:

        def tell(_done: int, _of: int) -> None:
            if stopping():
                raise Stopping
            hold()

        if is_told(party):
            asked = compare_by_look_up(
                gate.store,
                gate.parties,
                party,
                period,
                book,
                private_addresses=settings.work.private_addresses,
                proxy=egress_proxy(settings),
                per_second=settings.reconcile.per_second,
                told=lambda problem: log.info("%s: %s", party.id, problem.code),
                tell=tell,
            )
            compared: Compared | None = asyncio.run(asked)
        else:
            compared = _by_letter(gate, party, period, book, now())
        if compared is None:
            return 0
        if compared.ended is not None:
            raise Stopped(compared.ended)
        note_reconciled(gate.store, compared, now())
    log.info("%s is reconciled: %d of %d differ", party.id, compared.count, compared.ours)
    return 1


def _by_letter(gate: Gate, party: Party, period: ReconcilePeriod, book: SideBook, now: datetime) -> Compared | None:
    """The letters go once; None until all are answered."""
    from gateway.services.inquiries import ask_by_letter, last_inquiry, read_answers, unanswered
    from gateway.services.reconciling import summed_up
    from gateway.wiring import OURSELVES, inquirer

    assert gate.store is not None
    inquiry = last_inquiry(gate.store, party.id, period.since, period.until, now)
    if inquiry is None:
        ask_by_letter(inquirer(gate), party, period.since, period.until, now)
        return None
    if unanswered(gate.store, party.id, inquiry):
        return None
    problems = read_answers(gate.store, OURSELVES, party.id, inquiry, book, lambda _problem: None)
    return summed_up(party.id, period, "HS19", ("TrangThaiHoSo",), book, problems)


def _failed(gate: Gate, party: Party, problem: Problem, now: datetime) -> None:
    from gateway.services.reconciling import note_failed

    assert gate.store is not None
    log.warning("%s is not reconciled: %s %s", party.id, problem.code, problem.message(Lang.EN))
    if problem.code != "REC-020":  # somebody is at it: that is no failure
        note_failed(gate.store, party.id, problem, now)
