"""What integrators read: the OpenAPI description of the REST door, and a page of it that needs no internet."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from aiohttp import web

from gateway.web.app import Route, Who
from gateway.web.exchange import Exchange


@cache
def openapi() -> dict[str, Any]:
    """The description as it lies beside this module, kept by hand."""
    found: dict[str, Any] = json.loads((resources.files(__package__) / "openapi.json").read_text("utf-8"))
    return found


async def get_openapi(exchange: Exchange) -> web.Response:
    """The description, with the address under which this door is reached."""
    described = {**openapi(), "servers": [{"url": exchange.public_url}]}
    body = json.dumps(described, ensure_ascii=False, indent=1).encode()
    return exchange.response(200, body, "application/json", {"Cache-Control": "no-cache"})


ROUTES = (Route(method="GET", address="/openapi.json", who=Who.ANYONE, handler=get_openapi),)
