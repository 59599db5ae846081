"""Every connector that is installed, found through the entry-point group ``lienthong.connectors``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from connectors.base import Connector
from gateway.core.problems import Problem, Stopped
from gateway.core.written import nearest

GROUP = "lienthong.connectors"

log = logging.getLogger("lienthong.connectors")


class ConnectorRegistry(Mapping[str, Connector[Any]]):
    """Connectors by name. One that cannot be loaded costs the others nothing; asking for it says why."""

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._there: dict[str, Connector[Any]] = {}
        self._broken: dict[str, Problem] = {}
        for point in points:
            self._take(point)

    def _take(self, point: EntryPoint) -> None:
        facts = {"connector": point.name, "package": point.dist.name if point.dist else "?"}
        if point.name in self._there or point.name in self._broken:
            self._there.pop(point.name, None)
            self._broken[point.name] = Problem("DLV-059", {**facts, "why": "two packages offer this name"})
            return
        try:
            found = point.load()
        except Exception as error:  # whatever a foreign package raises while it is imported
            log.warning("connector %s of %s cannot be loaded", point.name, facts["package"], exc_info=True)
            self._broken[point.name] = Problem("DLV-059", {**facts, "why": f"{type(error).__name__}: {error}"})
            return
        if not isinstance(found, Connector) or found.name != point.name:
            self._broken[point.name] = Problem("DLV-059", {**facts, "why": f"{point.value} is {found!r}"})
            return
        self._there[point.name] = found

    def __getitem__(self, name: str) -> Connector[Any]:
        return self._there[name]

    def __iter__(self) -> Any:
        return iter(self._there)

    def __len__(self) -> int:
        return len(self._there)

    def named(self, name: str | None) -> Connector[Any]:
        """The connector of this name. Raises Stopped: DLV-056 with the nearest name, DLV-059 when it is broken."""
        if name in self._there:
            return self._there[name or ""]
        if name in self._broken:
            raise Stopped(self._broken[name or ""])
        raise Stopped(
            Problem(
                "DLV-056",
                {
                    "connector": name or "–",
                    "nearest": nearest(name or "", self._there) or ", ".join(sorted(self._there)),
                },
            )
        )


@cache
def installed() -> ConnectorRegistry:
    """Every connector of this environment; looked for once, since that reads what every installed package says of itself."""
    return ConnectorRegistry(entry_points(group=GROUP))
