"""A no of the door: what every handler may raise, and what the door turns into a problem document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.core.problems import Problem
from gateway.services.intake import Gate
from gateway.store import OTHER_SCHEMA, Store, StoreError

ARCHIVE_AWAY_S = 60  # Retry-After where an archive is away: somebody has to bring it back


@dataclass(eq=False)
class Refusal(Exception):
    """The request goes no further. Nothing was recorded, unless ``members`` says so."""

    problem: Problem
    headers: Mapping[str, str] = field(default_factory=dict)
    close: bool = False  # close the connection after the answer: what follows on it cannot be trusted

    def __post_init__(self) -> None:
        super().__init__(self.problem.code)


def refuse(
    code: str,
    *,
    headers: Mapping[str, str] | None = None,
    close: bool = False,
    **facts: object,
) -> Refusal:
    """A refusal with one problem of the catalogue."""
    return Refusal(Problem(code, facts), headers or {}, close)


def store_of(gate: Gate) -> Store:
    """The gate's database. Raises Refusal (503) for a gate that was built without one."""
    if gate.store is None:
        raise refuse("SYS-119")
    return gate.store


_ACT: Final = {"file-replaced": "SYS-006", OTHER_SCHEMA: "SYS-007"}


def not_kept(error: StoreError, code: str) -> Problem:
    """What a caller is told of it: the code, or SYS-006, SYS-007 where waiting does not help and somebody here must act."""
    return Problem(_ACT.get(error.why, code))
