"""Persons who run the node: what each may do, and the limits of what they may call themselves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.core.problems import Problem, Stopped


class OperatorRole(StrEnum):
    """What a person may do. Everybody may look; the administrator has what each of the others has."""

    VIEWER = "viewer"  # find and look
    AUDITOR = "auditor"  # look, and verify or export the log
    OPERATOR = "operator"  # replay, skip
    APPROVER = "approver"  # let an act begin that somebody else has asked for
    ADMINISTRATOR = "administrator"  # parties, persons, database, keys


def may(needed: OperatorRole) -> frozenset[OperatorRole]:
    """The roles that have what an act needs."""
    if needed is OperatorRole.VIEWER:
        return frozenset(OperatorRole)
    return frozenset({needed, OperatorRole.ADMINISTRATOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A person who may log in to the console."""

    name: str
    roles: frozenset[OperatorRole]
    password: str | None  # Argon2id, as a PHC string; None: who only comes by the proxy's header
    added_at: datetime
    changed_at: datetime  # of password, roles or being disabled: sessions that were opened before it are over
    disabled_at: datetime | None = None
    seen_at: datetime | None = None

    def can(self, needed: OperatorRole) -> bool:
        """Whether one of the person's roles has what an act needs."""
        return bool(self.roles & may(needed))


SHORTEST_PASSWORD: Final = (
    12  # characters; length is what counts (NIST SP 800-63B, 3.1.1.2: rules of composition help nobody)
)
LONGEST_PASSWORD: Final = 1024
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.@_-]{0,62}[a-z0-9])?")


def operator_name(text: str) -> str:
    """The name as it is kept: small letters. Raises Stopped (SYS-160) for one that could be read in two ways."""
    name = unicodedata.normalize("NFKC", text.strip()).lower()
    if _NAME.fullmatch(name) is None:
        raise Stopped(Problem("SYS-160", {"name": f"[{len(text)}]"}))
    return name


def check_password(name: str, password: str) -> None:
    """Raises Stopped (SYS-161) for a password that is too short or too long, or is the name."""
    length = len(password)
    if not SHORTEST_PASSWORD <= length <= LONGEST_PASSWORD or password.casefold() == name or len(set(password)) < 4:
        raise Stopped(Problem("SYS-161", {"shortest": SHORTEST_PASSWORD, "longest": LONGEST_PASSWORD}))


def joined_roles(roles: Collection[OperatorRole]) -> str:
    """The roles in the order of their table, as they are kept and shown."""
    return ", ".join(role.value for role in OperatorRole if role in roles)
