"""Persons who run the node, and what each may do."""

from __future__ import annotations

from enum import StrEnum


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
