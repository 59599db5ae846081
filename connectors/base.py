"""What a connector is: a name, settings, and one to three functions that speak to a party's system.

A connector tells four outcomes apart and decides nothing about retries:

* it returns a ``Receipt``: the party has it;
* it raises ``Refused``: their final no;
* it raises ``Unreachable``: certainly not taken, so it may simply be sent again;
* it raises ``Uncertain``: it left, and no clear answer came. The gateway then asks (``query``) or sends the same
  bytes under the same id once more.

Where the party's form has no word for a message, or the party knows it all, nothing leaves: ``NothingToTell``.

Anything else that a connector raises is a bug in it: the delivery counts as uncertain, and the operator is told.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from connectors.http import Http, Reply, ShownRequest
from connectors.outcomes import Fetched, NothingToTell, NotThere, Parcel, ProbeStep, Receipt, Unreachable
from connectors.table import Common, keys_of, read_table
from gateway.core.parties import Party
from gateway.core.problems import Problem, Stopped
from gateway.core.written import nearest

S = TypeVar("S")

Send = Callable[[Parcel, S, Http], Awaitable[Receipt | NothingToTell]]
Query = Callable[[Parcel, S, Http], Awaitable[Receipt | NotThere | None]]
Fetch = Callable[[Party, S, Http], AsyncGenerator[Fetched, bytes | None]]
Probe = Callable[[Party, S, Http], AsyncIterator[ProbeStep]]
Played = Callable[[ShownRequest, S], Reply | None]
Believes = Callable[[str, Party, S, Http, Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]
Embed = Callable[[Mapping[str, Any], Path], Mapping[str, Any]]

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured(Generic[S]):
    """A party's ``connector`` table, read."""

    common: Common
    settings: S


class Connector(Generic[S]):
    """A name, a settings class, and what it can do. Filled at import by the decorators below, only read after that."""

    def __init__(self, name: str, settings: type[S], *, remembers: bool = False, projects: bool = False) -> None:
        self.name = name
        self.settings = settings
        self.remembers = remembers
        self.projects = projects
        self._send: Send[S] | None = None
        self._query: Query[S] | None = None
        self._fetch: Fetch[S] | None = None
        self._probe: Probe[S] | None = None
        self._embed: Embed | None = None
        self._believes: Believes[S] | None = None
        self._played: Played[S] | None = None

    def __repr__(self) -> str:
        return f"Connector({self.name!r})"

    def send(self, function: _F) -> _F:
        """Decorator: this is how one parcel is delivered, once."""
        self._send = _only(self._send, function, f"{self.name}.send")
        return function

    def query(self, function: _F) -> _F:
        """Decorator: this is how the party is asked whether an earlier try arrived.

        Raises Unreachable when it cannot say now; returns None where this party's settings give no way to ask.
        """
        self._query = _only(self._query, function, f"{self.name}.query")
        return function

    def believes(self, function: _F) -> _F:
        """Decorator: this is how a party is asked what it has of a dossier, in our own values.

        Gives the fields that are compared (gateway.core.told), empty where the party has no such dossier, None where this
        party's settings give no way to ask. Raises Unreachable when it cannot say now. It is given the
        dossier's code, the party, its settings, the way there, and what the party told of the dossier before.
        """
        self._believes = _only(self._believes, function, f"{self.name}.believes")
        return function

    def fetch(self, function: _F) -> _F:
        """Decorator: this is how messages are fetched from a party that cannot push: an asynchronous generator.

        It yields each message, oldest first; going on means that the one before is on record, and ``yield`` then gives
        the signed BienNhan for it, or None where there is none yet. A message that was yielded and never acknowledged
        comes again: the same bytes get the first receipt.
        """
        self._fetch = _only(self._fetch, function, f"{self.name}.fetch")
        return function

    def probe(self, function: _F) -> _F:
        """Decorator: this is how the way to a party is tried, step by step, without sending anything that counts.

        A connector that has none is tried by the addresses and folders among its settings.
        """
        self._probe = _only(self._probe, function, f"{self.name}.probe")
        return function

    def played(self, function: _F) -> _F:
        """Decorator: this is what a far side that takes everything would answer, for showing what would be sent.

        None ends the showing after that request. A connector that has none of this cannot be shown.
        """
        self._played = _only(self._played, function, f"{self.name}.played")
        return function

    def answer_played(self, request: ShownRequest, settings: S) -> Reply | None:
        """What such a far side answers. Raises Stopped (DLV-057) where this connector cannot be shown."""
        if self._played is None:
            raise Stopped(Problem("DLV-057", {"connector": self.name, "what": "played"}))
        return self._played(request, settings)

    @property
    def shows(self) -> bool:
        """Whether what it would send can be shown without sending it."""
        return self._played is not None

    def embed(self, function: _F) -> _F:
        """Decorator: this is how the files that its table names become part of the table, when a profile is read.

        A profile that is in force is one text; what lies beside it in files may not change it behind that text's back.
        """
        self._embed = _only(self._embed, function, f"{self.name}.embed")
        return function

    def embedded(self, values: Mapping[str, Any], base: Path) -> Mapping[str, Any]:
        """The table with the files that it names. Raises Stopped where one cannot be read."""
        return self._embed(values, base) if self._embed is not None else values

    @property
    def sends(self) -> bool:
        """Whether it can deliver."""
        return self._send is not None

    @property
    def queries(self) -> bool:
        """Whether a party can be asked about an earlier try."""
        return self._query is not None

    @property
    def fetches(self) -> bool:
        """Whether it can fetch."""
        return self._fetch is not None

    def configure(self, values: Mapping[str, Any], *, where: str = "connector", base: Path = Path()) -> Configured[S]:
        """A party's settings for this connector, paths relative to ``base``.

        Raises Stopped with every mistake: unknown key with the nearest known one, missing key, wrong type or value.
        """
        own, shared = keys_of(self.settings), keys_of(Common)
        mine = {k: v for k, v in values.items() if k in own or k not in shared | {"name"}}
        try:
            settings = read_table(self.settings, mine, where=where, base=base)
        except Stopped as stop:
            raise Stopped(*(_with_shared(problem, shared) for problem in stop.problems)) from stop
        return Configured(
            common=read_table(Common, {k: v for k, v in values.items() if k in shared}, where=where, base=base),
            settings=settings,
        )

    async def deliver(self, parcel: Parcel, settings: S, http: Http) -> Receipt | NothingToTell:
        """Deliver once, or find that there is nothing to tell."""
        if self._send is None:
            raise Unreachable(Problem("DLV-057", {"connector": self.name, "what": "send"}))
        return await self._send(parcel, settings, http)

    async def ask(self, parcel: Parcel, settings: S, http: Http) -> Receipt | NotThere | None:
        """What the party says of an earlier try; None when this party cannot be asked."""
        return await self._query(parcel, settings, http) if self._query is not None else None

    async def heard(
        self, ma_ho_so: str, party: Party, settings: S, http: Http, remembered: Mapping[str, Any] = MappingProxyType({})
    ) -> Mapping[str, Any] | None:
        """What the party says that it has of a dossier; None where it cannot be asked."""
        return await self._believes(ma_ho_so, party, settings, http, remembered) if self._believes is not None else None

    def pull(self, party: Party, settings: S, http: Http) -> AsyncGenerator[Fetched, bytes | None]:
        """What the party has for us, oldest first; each must be on record before the next is asked for."""
        if self._fetch is None:
            raise Unreachable(Problem("DLV-057", {"connector": self.name, "what": "fetch"}))
        return self._fetch(party, settings, http)

    def look(self, party: Party, settings: S, http: Http) -> AsyncIterator[ProbeStep] | None:
        """The steps of trying the way to a party; None where the connector has no way of its own to try it."""
        return self._probe(party, settings, http) if self._probe is not None else None


def connector(name: str, settings: type[S], *, remembers: bool = False, projects: bool = False) -> Connector[S]:
    """A new connector. Give it to the entry-point group ``lienthong.connectors`` under the same name.

    ``remembers``: it wants to know what the party took of the same lane before (``parcel.before``) and what it asked to be
    remembered. ``projects``: its party does not read messages of ours; it is told of the dossier as that stands
    (``parcel.record``), as far as it does not know it (``parcel.told``).
    """
    return Connector(name, settings, remembers=remembers, projects=projects)


def _with_shared(problem: Problem, shared: Collection[str]) -> Problem:
    """An unknown key may have been meant for one of the keys that every connector has."""
    if problem.code != "SYS-012":
        return problem
    known = sorted({*problem.facts["known"], *shared})
    meant = nearest(str(problem.facts["key"]), known)
    return Problem(problem.code, {**problem.facts, "known": known, "nearest": meant or "–"}, problem.at)


def _only(there: _F | None, new: _F, what: str) -> _F:
    if there is not None:
        raise ValueError(f"{what} is declared twice")
    return new
