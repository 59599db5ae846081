"""What the pages have in common: settings, records, registry and trust in force, the time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.prepared import AT_ONCE
from gateway.console.parts import Part
from gateway.core.model import PartyId
from gateway.core.operators import OperatorRole
from gateway.core.parties import Parties
from gateway.core.problems import Lang, Problem, Stopped
from gateway.core.unknown import unknown
from gateway.opening import still_ours
from gateway.services.operators import AtTheDesk, form_token
from gateway.settings import LoadedSettings, Settings
from gateway.store import Store
from gateway.wiring import build, registry_looked_at, renewed

if TYPE_CHECKING:
    from gateway.services.intake import Gate
    from signing.trust import TrustView

BASE = "/ban-truc"


class Room:
    """One console: the same for all requests. Safe for several threads."""

    def __init__(
        self,
        loaded: LoadedSettings,
        store: Store,
        clock: Callable[[], datetime] | None = None,
        *,
        at_once: int = AT_ONCE,
    ) -> None:
        """``at_once``: what is counted while somebody waits for a page, in messages; more of them is made by `work`."""
        self.loaded = loaded
        self.at_once = at_once
        self.store = store
        self.clock = clock or (lambda: datetime.now(UTC))
        self._lock = threading.Lock()
        self._known: tuple[tuple[int, int], Parties, TrustView] | None = None
        self._gate: Gate | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    def registry(self) -> tuple[Parties, TrustView]:
        """Registry and trust as they are in force; read anew when they have changed. Raises StoreError, Stopped."""
        still_ours(self.store)  # or an act would be written into a database that was upgraded meanwhile
        with self.store.read() as view:
            version = view.parties_version(), view.statuses_version()
        with self._lock:
            if self._known is None or self._known[0] != version:
                self._known = version, *registry_looked_at(self.settings, self.store)
            return self._known[1], self._known[2]

    def gate(self) -> Gate:
        """Everything a judgement needs; made when it is first asked for, and renewed."""
        with self._lock:
            before = self._gate
            self._gate = (before and renewed(before, self.settings)) or before or build(self.settings, self.store)
            return self._gate


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that came with a form, for as long as its page is made."""

    name: str  # as its sender calls it
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskCall:
    """One request as a page sees it."""

    room: Room
    lang: Lang
    now: datetime
    path: str
    query: Mapping[str, str]
    person: AtTheDesk | None = None
    token: str = ""  # of the session
    form: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # fields that came several times
    files: Mapping[str, Upload] = field(default_factory=dict)  # of a page that takes some
    place: Mapping[str, str] = field(default_factory=dict)  # what stands in the address

    def text(self, vi: str, en: str) -> str:
        """The words in the language of the page."""
        return vi if self.lang is Lang.VI else en

    @property
    def store(self) -> Store:
        """The records."""
        return self.room.store

    @property
    def parties(self) -> Parties:
        """The registry in force."""
        return self.room.registry()[0]

    @property
    def at_desk(self) -> AtTheDesk:
        """The person; only pages that need one ask."""
        assert self.person is not None
        return self.person

    @property
    def form_token(self) -> str:
        """What the forms of this session carry."""
        return form_token(self.token) if self.token else ""

    def can(self, role: OperatorRole) -> bool:
        """Whether the person has what an act needs."""
        return self.person is not None and self.person.operator.can(role)

    def need(self, role: OperatorRole, act: str) -> None:
        """Raises Stopped (SYS-171) where the person may not do that."""
        if not self.can(role):
            operator = self.at_desk.operator
            roles = [one.value for one in OperatorRole if one in operator.roles]
            facts = {"person": operator.name, "roles": roles, "act": act, "needed": role.value}
            raise Stopped(Problem("SYS-171", facts))

    def names(self) -> dict[PartyId, str]:
        """What the parties are called."""
        return {party.id: party.name for party in self.parties}

    def party(self, name: str) -> PartyId | None:
        """The party of this id or identifier; None for an empty field. Raises Stopped (SYS-042)."""
        if not name:
            return None
        known = self.parties
        found = known.get(name) or known.by_identifier(name)
        if found is None:
            raise Stopped(unknown("party", name))
        return found.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page: its title and its parts."""

    title: str
    parts: list[Part]
    status: int = 200
    fresh: bool = False  # its own script asks for it again every few seconds
    bare: bool = False  # without the frame of who is logged in
    embedded: bool = False  # other sites may show it in theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file."""

    body: bytes
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Another page is to be asked for."""

    to: str


Answer = Shown | Sent | Elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPage:
    """An address, who may call it, and what makes its answer."""

    method: str
    path: str  # below BASE; {name} is a piece of it
    make: Callable[[DeskCall], Answer]
    role: OperatorRole | None = OperatorRole.VIEWER  # None: nobody needs to be logged in
    act: str = ""  # as the command line calls it
    uploads: bool = False  # its form may bring files
