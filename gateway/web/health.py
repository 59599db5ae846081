"""Is the process alive, can it serve, and how is it doing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client.core import Metric

from gateway.core.allowances import Spent, day_of, used_up
from gateway.opening import still_ours
from gateway.services.intake import Gate
from gateway.store import StoreError
from gateway.web import answers, metrics
from gateway.web.answer_types import Health, Readiness, ReadinessProbe
from gateway.web.door import Door
from gateway.web.exchange import Exchange
from gateway.web.gauges import standing
from gateway.web.recording import PATIENCE_S
from gateway.web.refusals import store_of
from gateway.web.responses import WholeAnswer
from gateway.web.routes import Route, RouteAudience

_BEHIND_S = (
    30.0  # a new registry is taken over within parties.reload_s; three times that, or this, and something is wrong
)


@dataclass(slots=True)
class Probe:
    """What is known of one thing we depend on."""

    name: str
    ok: bool
    last_good: float | None = None  # monotonic seconds
    why: str = ""  # what stands in the way, in a word

    def told(self, now: float) -> ReadinessProbe:
        """For the answer; the age says how stale the good news is."""
        age = None if self.last_good is None else round(now - self.last_good, 3)
        return ReadinessProbe(name=self.name, ok=self.ok, last_success_age_s=age, why=self.why or None)


async def healthz(exchange: Exchange) -> WholeAnswer:
    """The process is alive, and whose it is. Nothing about anything else: a slow database is no reason to start it anew."""
    body = Health(status="alive", node=exchange.door.settings.node.identifier)
    return exchange.response(200, answers.as_json(body), "application/json")


async def readyz(exchange: Exchange) -> WholeAnswer:
    """Each thing the gateway depends on; 503 names the first that fails."""
    door = exchange.door
    database = await _database(door)
    known = [await _schema(door)] if database.ok else []  # nobody can say what is applied while the database does not
    probes = [database, *known, _stopping(door), _tray(door), await _recording(door), _clock(door)]
    if database.ok:
        probes.append(await _registry(door))
    now = time.monotonic()
    failing = next((probe.name for probe in probes if not probe.ok), None)
    body = Readiness(
        status="ready" if failing is None else "not ready",
        failing=failing,
        probes=[probe.told(now) for probe in probes],
    )
    headers = {} if failing is None else {"Retry-After": "5"}
    return exchange.response(200 if failing is None else 503, answers.as_json(body), "application/json", headers)


async def scrape(exchange: Exchange) -> WholeAnswer:
    """Figures for Prometheus: this node's workers, and the outbox as the database has it."""
    door = exchange.door
    door.doubt()
    every = door.settings.work.log_head_s
    text = await door.read(lambda: door.metrics.text(lambda: standing(door.gate, every), lambda: _allowances(door)))
    return exchange.response(200, text, metrics.CONTENT_TYPE)


async def _database(door: Door) -> Probe:
    """Whether the database answers a small question in time. A question still under way is not asked again."""
    probe = Probe("database", ok=False, last_good=door.database_answered)
    asked = door.database_probe
    if asked is None or asked.done():
        asked = door.database_probe = asyncio.ensure_future(door.read(_ask, door.gate))
    done, _ = await asyncio.wait({asked}, timeout=PATIENCE_S)
    failed = asked.exception() if done else None
    if done and failed is None:
        door.database_answered = probe.last_good = time.monotonic()
        probe.ok = True
    if isinstance(failed, StoreError):
        probe.why = failed.why
    return probe


async def _schema(door: Door) -> Probe:
    """Whether the database is of this program's revision: after an upgrade beside it, it would write what it does not know."""
    try:
        ours = await door.read(still_ours, store_of(door.gate))
    except StoreError as error:
        return Probe("schema", ok=False, why=error.why)
    return Probe("schema", ok=ours, last_good=time.monotonic() if ours else None)


async def _registry(door: Door) -> Probe:
    """Whether what was applied is in force here. A worker that cannot take it over lets in whoever was locked since."""
    applied, at = await door.read(_applied, door.gate)
    patience = timedelta(seconds=max(_BEHIND_S, 3 * door.settings.parties.reload_s))
    behind = applied != door.gate.parties.version and at is not None and door.clock() - at > patience
    return Probe("registry", ok=not behind, last_good=None if behind else time.monotonic())


def _applied(gate: Gate) -> tuple[int, datetime | None]:
    """The registry's newest version, and when it was applied."""
    with store_of(gate).read() as view:
        acts = [act.at for what in ("party.applied", "party.removed") if (act := view.last_act(what)) is not None]
        return view.parties_version(), max(acts, default=None)


def _ask(gate: Gate) -> int:
    with store_of(gate).read() as view:
        return view.parties_version()


def _stopping(door: Door) -> Probe:
    return Probe("accepting", ok=not door.stopping.is_set(), last_good=time.monotonic())


def _tray(door: Door) -> Probe:
    return Probe("tray", ok=door.tray.waiting < door.settings.door.queue, last_good=time.monotonic())


def _clock(door: Door) -> Probe:
    """Whether the machine's clock agrees with the log and with what this process counts."""
    problem = door.doubt()
    return Probe("clock", ok=problem is None, why="" if problem is None else str(problem.facts["off"]))


async def _recording(door: Door) -> Probe:
    """Whether commits come through. Where the last one did not, or none was made of late, a small one is made to see."""
    tray, store = door.tray, store_of(door.gate)
    refused, recorded, since = tray.refused_at, tray.recorded_at, tray.recording_since
    if since is not None and time.monotonic() - since > PATIENCE_S:
        why = await door.recording.waiting(store)
    else:
        good = max(recorded or 0.0, door.recording.good_at or 0.0)
        trouble = refused is not None and good < refused
        why = await door.recording.why_not(store, recorded_at=recorded, trouble=trouble)
    return Probe("recording", ok=not why, last_good=door.recording.good_at, why=why)


def _allowances(door: Door) -> Iterable[Metric]:
    with store_of(door.gate).read() as view:
        spent = view.spent([Spent.BYTES, Spent.REFUSED], day_of(door.clock()))
    rows = used_up(spent, door.gate.parties, door.settings.allowance)
    yield metrics.gauge(
        "allowance_used_ratio",
        "How much of what a party may send today is used up, over all workers and nodes; 1 is all of it.",
        [((one.party.id, str(one.kind)), one.ratio) for one in rows],
        ("party", "allowance"),
    )


ROUTES = (
    Route(method="GET", address="/healthz", who=RouteAudience.ANYONE, handler=healthz),
    Route(method="GET", address="/readyz", who=RouteAudience.ANYONE, handler=readyz),
    Route(method="GET", address="/metrics", who=RouteAudience.OPERATOR, handler=scrape),
)
