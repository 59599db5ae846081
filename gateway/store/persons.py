"""Reading who may log in to the console, who is, and what they have planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from gateway.core.operators import Operator, OperatorRole
from gateway.store import rows, tables
from gateway.store.figures import Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSession:
    """A person's session at the console. Its token is known to the person's browser alone."""

    token_sha256: str
    operator: str
    proven_by: str  # "password" or "proxy"
    opened_at: datetime
    seen_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPlan:
    """An act that was planned in a session and waits for its person's yes."""

    id: str
    token_sha256: str  # of the session
    act: str
    facts: Mapping[str, Any]
    made_at: datetime


class PersonsRead(Figures):
    """What is on record of persons."""

    def operator(self, name: str) -> Operator | None:
        """The person of this name."""
        o = tables.operators
        row = self._one(select(o).where(o.c.name == name))
        return _operator_of(row) if row else None

    def operators(self) -> list[Operator]:
        """Every person, by name."""
        o = tables.operators
        return [_operator_of(row) for row in self._all(select(o).order_by(o.c.name))]

    def desk_session(self, token_sha256: str) -> DeskSession | None:
        """The session whose token has this SHA-256, over or not."""
        s = tables.desk_session
        row = self._one(select(s).where(s.c.token_sha256 == token_sha256))
        return DeskSession(**row._mapping) if row else None  # noqa: SLF001 - the documented way to a row's names


def _operator_of(row: rows.AnyRow) -> Operator:
    roles = frozenset(OperatorRole(role) for role in row.roles.split(", "))
    return Operator(**{**row._mapping, "roles": roles})  # noqa: SLF001 - the documented way to a row's names
