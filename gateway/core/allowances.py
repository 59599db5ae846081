"""What each party may still send: counted in memory at the door, and put on record with the messages, about once a second.

The sums on record are those of all workers and nodes. A process knows them as of the last time it wrote, so that together
they may go over an allowance by what comes in a second; after a kill, a process has forgotten its last second
(docs/decisions/0091). Messages a second are counted elsewhere (:mod:`gateway.web.rates`), for a whole node at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from threading import Lock

from gateway.core.allowed import NodeAllowance
from gateway.core.deadlines import GIO_VIET_NAM
from gateway.core.ledger import Ledger
from gateway.core.model import Fate, PartyId
from gateway.core.parties import Parties, Party

HEAD_BYTES = 64 * 1024  # what is kept of a refused body that is not kept whole: enough for whoever looks into it
WRITE_EVERY_S = 1.0


class Spent(StrEnum):
    """What is counted of a party, day by day."""

    BYTES = "bytes"  # of messages that came
    REFUSED = "refused"  # of refused messages that were kept whole
    PUT_OFF = "put-off"  # messages that were answered 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How much a party may send."""

    messages_per_s: float
    burst: int
    bytes_per_day: int
    refused_bytes_per_day: int

    @classmethod
    def of(cls, party: Party, node: NodeAllowance) -> Allowance:
        """What its profile says, and where that says nothing, the node."""
        own = party.allowance
        named = {f.name: getattr(own, f.name) for f in fields(cls)}
        return cls(**{name: getattr(node, name) if value is None else value for name, value in named.items()})


@dataclass(slots=True)
class _Account:
    """One party, as this process knows it."""

    party: Party
    allowance: Allowance
    known: dict[str, int]  # on record, all processes together
    own: dict[str, int]  # since then, of this process
    written: float  # when this was put on record last, seconds


def day_of(now: datetime) -> datetime:
    """The beginning of the day in which a moment lies."""
    return now.astimezone(GIO_VIET_NAM).replace(hour=0, minute=0, second=0, microsecond=0)


class Spending:
    """What the parties have used up today. One for each process, for all its threads: a commit may run beside the door."""

    def __init__(self, node: NodeAllowance) -> None:
        """``node``: what a party may send whose profile says nothing."""
        self._node = node
        self._accounts: dict[PartyId, _Account] = {}
        self._loaded: dict[PartyId, dict[str, int]] = {}  # what was on record at the start, of parties not met yet
        self._day = self._tomorrow = day_of(datetime.fromtimestamp(0, UTC)).astimezone(UTC)  # none yet
        self._lock = Lock()

    def take_over(self, on_record: Mapping[tuple[str, PartyId], int], now: datetime) -> None:
        """Begins with what is on record of today, so that a restart forgives nobody."""
        with self._lock:
            self._begin(now)
            for (kind, party), value in on_record.items():
                self._loaded.setdefault(party, {})[kind] = value

    def allowance(self, party: Party) -> Allowance:
        """What this party may send."""
        with self._lock:
            return self._account(party).allowance

    def left(self, party: Party, now: datetime) -> int:
        """How many bytes it may still send today; less than nothing when it has sent too many."""
        return self.standing(party, now)[1]

    def standing(self, party: Party, now: datetime) -> tuple[Allowance, int]:
        """What it may send, and how many bytes it may still send today."""
        with self._lock:
            self._begin(now)
            account = self._account(party)
            allowance = account.allowance
            return allowance, allowance.bytes_per_day - account.known[Spent.BYTES] - account.own[Spent.BYTES]

    def spend(self, party: Party, kind: Spent, amount: int) -> None:
        """It has used up so much more."""
        with self._lock:
            self._account(party).own[kind] += amount

    def keeps(self, party: Party, size: int) -> bool:
        """Whether a refused body of this size is kept whole; then it is counted."""
        with self._lock:
            account = self._account(party)
            used = account.known[Spent.REFUSED] + account.own[Spent.REFUSED]
            if used + size > account.allowance.refused_bytes_per_day:
                return False
            account.own[Spent.REFUSED] += size
            return True

    def due(self, at: float) -> dict[tuple[str, PartyId], int]:
        """What is to be put on record now, at these seconds of any clock that only goes forward."""
        with self._lock:
            return {
                (kind, name): amount
                for name, account in self._accounts.items()
                if at - account.written >= WRITE_EVERY_S
                for kind, amount in account.own.items()
                if amount
            }

    def written(
        self, due: Mapping[tuple[str, PartyId], int], total: Mapping[tuple[str, PartyId], int], at: float
    ) -> None:
        """So much is on record now, and that is the sum of all processes."""
        with self._lock:
            for (kind, name), amount in due.items():
                account = self._accounts.get(name)
                if account is not None:
                    account.own[kind] -= amount
                    account.known[kind] = total.get((kind, name), account.known[kind] + amount)
                    account.written = at

    @property
    def day(self) -> datetime:
        """The beginning of the day that is counted."""
        return self._day.astimezone(GIO_VIET_NAM)

    def until_tomorrow_s(self, now: datetime) -> int:
        """How many seconds are left of the day."""
        return int((day_of(now) + timedelta(days=1) - now).total_seconds()) + 1

    def _begin(self, now: datetime) -> None:
        """A new day begins with nothing used up."""
        if not self._day <= now < self._tomorrow:
            self._day = day_of(now).astimezone(UTC)  # as clocks tell the time: moments of one zone are compared at once
            self._tomorrow = self._day + timedelta(days=1)
            self._accounts.clear()
            self._loaded.clear()

    def _account(self, party: Party) -> _Account:
        account = self._accounts.get(party.id)
        if account is None or account.party is not party:
            known = account.known if account else {str(kind): 0 for kind in Spent} | self._loaded.pop(party.id, {})
            own = account.own if account else {str(kind): 0 for kind in Spent}
            written = account.written if account else 0.0
            account = self._accounts[party.id] = _Account(party, Allowance.of(party, self._node), known, own, written)
        return account


def keep_beginnings(ledger: Ledger, parties: Parties, most: int, spending: Spending | None) -> bool:
    """Of refused bodies that are longer than ``most``, or beyond their party's allowance, only the first bytes are kept.

    Digest and length stay those of all that came. Gives whether there were any.
    """
    cut = False
    for number, entry in enumerate(ledger.entries):
        envelope = entry.finding.envelope
        size = len(envelope.body)
        if size <= HEAD_BYTES or entry.ack.fate is not Fate.REJECTED:
            continue
        party = parties.get(envelope.caller.party)
        if size <= most and (spending is None or party is None or spending.keeps(party, size)):
            continue
        cover = replace(envelope, body=envelope.body[:HEAD_BYTES])
        ledger.entries[number] = replace(entry, finding=entry.finding._replace(envelope=cover))
        cut = True
    return cut


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedUp:
    """How much of one allowance a party has used up today."""

    party: Party
    kind: Spent
    used: int
    allowed: int

    @property
    def ratio(self) -> float:
        """1 is all of it."""
        return self.used / self.allowed if self.allowed else 1.0


def used_up(
    on_record: Mapping[tuple[str, PartyId], int], parties: Iterable[Party], node: NodeAllowance
) -> list[UsedUp]:
    """Of every party that has used anything of a day's allowance by what is on record of the day, how much."""
    rows = []
    for party in parties:
        own = Allowance.of(party, node)
        allowed = {Spent.BYTES: own.bytes_per_day, Spent.REFUSED: own.refused_bytes_per_day}
        rows += [
            UsedUp(party=party, kind=kind, used=used, allowed=most)
            for kind, most in allowed.items()
            if (used := on_record.get((kind, party.id), 0)) > 0
        ]
    return rows
