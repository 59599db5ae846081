"""The table of what can be asked for, and how an address is found in it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from aiohttp import web

from gateway.web.exchange import Exchange, decoded
from gateway.web.refusals import Refusal, refuse
from gateway.web.responses import WholeAnswer

Handler = Callable[[Exchange], Awaitable[web.StreamResponse]]
Fault = Callable[[Exchange, Refusal], WholeAnswer]


class RouteAudience(Enum):
    """Whom a route is for."""

    ANYONE = auto()
    PARTY = auto()  # a registered, open party
    CALLER = auto()  # likewise, but the handler finds out who: it may stand in a SOAP header
    OPERATOR = auto()  # an operator's token


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One thing that can be asked for. ``{name}`` in the address stands for one segment."""

    method: str
    address: str
    who: RouteAudience
    handler: Handler
    fault: Fault | None = None  # how it says no; a problem document if not given


@dataclass(slots=True)
class _Node:
    """Where the addresses part, segment by segment."""

    fixed: dict[str, _Node] = field(default_factory=dict)
    variable: tuple[str, _Node] | None = None
    routes: dict[str, Route] = field(default_factory=dict)


class RouteTable:
    """All routes of a door; iterating gives them in their order."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises ValueError for two routes of one method and address."""
        self._routes = tuple(routes)
        self._root = _planted(self._routes)
        self._plain = {(route.method, route.address): route for route in self._routes if "{" not in route.address}

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def fault_at(self, path: str) -> Fault | None:
        """How a no is said at this address and below it: as a call to its first segment would be told it."""
        node = self._root.fixed.get(path[1:].partition("?")[0].partition("/")[0])
        call = node.routes.get("POST") if node is not None else None
        return call.fault if call is not None else None

    def find(self, exchange: Exchange) -> Route:
        """The route of a request. Raises Refusal: 400, 404 or 405."""
        request = exchange.request
        target = request.raw_path
        if (plain := self._plain.get((request.method, target))) is not None:  # most targets are an address and no more
            exchange.path = exchange.route = target
            return plain
        if "://" in target and not target.startswith("/"):  # absolute form: the authority in it means nothing to us
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        path, _, exchange.query_string = target.partition("#")[0].partition("?")
        exchange.path = path
        if not path.startswith("/"):
            raise refuse("SYS-112")
        node = self._root
        variables: dict[str, str] = {}
        template: list[str] = []
        if request.method == "POST":
            exchange.fault = self.fault_at(path)  # until it is known what is asked for
        for segment in path[1:].split("/"):
            if segment in node.fixed:
                node = node.fixed[segment]
                template.append(segment)
            elif node.variable is not None and segment:
                name, node = node.variable
                variables[name] = decoded(segment, name)
                template.append(f"{{{name}}}")
            else:
                raise refuse("SYS-112")
        if not node.routes:
            raise refuse("SYS-112")
        exchange.route = "/" + "/".join(template)
        exchange.variables = variables
        method = "GET" if request.method == "HEAD" and "HEAD" not in node.routes else request.method
        route = node.routes.get(method)
        if route is None:
            faults = {one.fault for one in node.routes.values()}
            exchange.fault = faults.pop() if len(faults) == 1 else None
            allowed = ", ".join(sorted({*node.routes, *(["HEAD"] if "GET" in node.routes else [])}))
            raise refuse("SYS-113", headers={"Allow": allowed}, allowed=allowed)
        return route


def _planted(routes: Iterable[Route]) -> _Node:
    root = _Node()
    for route in routes:
        node = root
        for segment in route.address[1:].split("/"):
            if name := re.fullmatch(r"\{(\w+)\}", segment):
                if node.variable is None:
                    node.variable = (name.group(1), _Node())
                node = node.variable[1]
            else:
                node = node.fixed.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"{route.method} {route.address} stands twice in the table")
        node.routes[route.method] = route
    return root
